//! The binary `segue-scheduler`; see the library of the same name.

#![forbid(unsafe_code)]

fn main() {}
