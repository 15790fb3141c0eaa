//! The binary `contract`; see the library of the same crate.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    segue_contract::command::main()
}
