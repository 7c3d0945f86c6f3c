//! `testdiet completions`: a script that completes commands and flags in a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::console::Console;
use super::{Cli, Failure, Status};

/// Arguments of `testdiet completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs it.
pub(crate) fn run(args: &CompletionsArgs, console: &mut Console) -> Result<Status, Failure> {
    // Into memory first: the generator takes a reader who has left for a bug.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "testdiet", &mut script);
    console.bytes(|out| out.write_all(&script))?;
    Ok(Status::Clean)
}
