//! The planner's rules, one at a time. How they hold together is the simulator's business.

mod bench;
mod failing;
mod sooner;
mod to_end;
mod waiting;
mod workers;
