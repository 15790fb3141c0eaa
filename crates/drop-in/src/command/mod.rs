//! Has a worker run a line as it is.
