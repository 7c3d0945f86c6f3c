//! The `testdiet` binary: parse arguments, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    testdiet::cli::main()
}
