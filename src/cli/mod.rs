//! The command line: what is typed, as types; one file a command, each a short story; exit codes.
//!
//! Exit codes everywhere: 0 nothing (left) to do, 1 something was found, would change or remains, 2 could not run.

use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory, Parser, Subcommand};

use crate::report::{amount, style};
use crate::source::SourceError;

mod check;
mod compare;
mod completions;
mod console;
mod fix;
mod init;
mod measure;
mod options;
mod project;
mod review;
mod rule;
mod undo;
mod verify;

use console::{Console, Verbosity};
use options::GlobalOptions;

/// The version, with the commit where it is known: see `build.rs`.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("TESTDIET_COMMIT"));

/// Finds tests that sleep, wait, thread, allocate and loop too much, and rewrites them.
#[derive(Debug, Parser)]
#[command(name = "testdiet", version = VERSION, arg_required_else_help = true, subcommand_required = true)]
#[command(after_help = "Exit codes: 0 nothing (left) to do, 1 something was found, would change or remains, 2 could not run.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Same as `testdiet check`
    // Only there for the help: `with_check_command` has replaced it before clap reads the arguments.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    global: GlobalOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Report findings with their cost
    Check(check::CheckArgs),
    /// Apply safe fixes
    Fix(fix::FixArgs),
    /// Go through all fixes one by one, each shown as a diff
    Review(review::ReviewArgs),
    /// Set a suite up: marker, safe pytest defaults, guidelines, hooks; each part shown first
    Init(init::InitArgs),
    /// Run pytest and tell what each test costs: sleep, waits, threads, processes, time
    Measure(measure::MeasureArgs),
    /// Explain a rule: what, why, example, when the fix is unsafe
    Rule(rule::RuleArgs),
    /// Take back what the last `fix`, `review` or `init` wrote
    Undo(undo::UndoArgs),
    /// Print a script that completes commands and flags in a shell
    Completions(completions::CompletionsArgs),
}

/// How a run ended, in the order of exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// Nothing (left) to do.
    Clean = 0,
    /// Something was found, would change or remains.
    Found = 1,
    /// Could not run.
    Failed = 2,
}

impl Status {
    /// `Found` if so, else `Clean`.
    const fn found(something: bool) -> Self {
        if something { Self::Found } else { Self::Clean }
    }
}

/// Why a command could not run; printed after `error: `.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Arguments that clap cannot know to be wrong.
    #[error("{0}")]
    Usage(String),
    /// A report could not be written.
    #[error("cannot write {0}: {1}")]
    Write(String, #[source] io::Error),
    /// Standard input could not be read, or is not text.
    #[error("standard input: {0}")]
    Stdin(#[source] SourceError),
    /// A query of the project does not load.
    #[error("{0}")]
    Query(#[from] crate::query::QueryError),
    /// A configuration file or a flag makes no sense.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// A path that was named cannot be looked at.
    #[error(transparent)]
    Discover(#[from] crate::discover::DiscoverError),
    /// Nothing was written.
    #[error(transparent)]
    Save(#[from] crate::write::WriteError),
    /// No interpreter to run the tests with.
    #[error(transparent)]
    Interpreter(#[from] crate::pytest::InterpreterError),
    /// pytest could not be run.
    #[error(transparent)]
    Run(#[from] crate::pytest::RunError),
    /// Nothing could be proven.
    #[error(transparent)]
    Verify(#[from] crate::verify::VerifyError),
    /// The plugin for pytest could not be unpacked.
    #[error("cannot unpack the plugin for pytest to a temporary folder: {0}")]
    Plugin(#[source] io::Error),
    /// Ctrl-C could not be caught.
    #[error("cannot handle Ctrl-C: {0}")]
    Signals(#[source] io::Error),
    /// Measured runs cannot be kept or read.
    #[error(transparent)]
    Store(#[from] crate::measure::StoreError),
    /// The current folder is gone or closed to us.
    #[error("cannot tell the current folder: {0}")]
    Cwd(#[source] io::Error),
    /// A review could not go on.
    #[error(transparent)]
    Review(#[from] crate::review::ReviewError),
    /// git cannot tell what changed.
    #[error(transparent)]
    Git(#[from] crate::changed::GitError),
    /// A baseline cannot be used.
    #[error("{0}: {1}")]
    Baseline(String, String),
    /// No threads to work with.
    #[error("cannot start the threads to work with: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// Stack of a working thread. Syntax trees are walked recursively and Python nests deeply where it is generated (a sum
/// of thousands of terms is one expression): 16 MiB hold a hundred times what `CPython`'s own parser accepts, where the
/// 2 MiB a thread has by default do not. Only the pages used are ever taken from the system.
const STACK: usize = 16 << 20;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(report_panic));
    // Nothing is looked at again after a panic, so nothing can be seen half-changed.
    let status = catch_unwind(AssertUnwindSafe(|| run(std::env::args_os()))).unwrap_or(Status::Failed);
    ExitCode::from(status as u8)
}

fn run(args: impl Iterator<Item = OsString>) -> Status {
    let cli = match Cli::try_parse_from(with_check_command(args.collect())) {
        Ok(cli) => cli,
        Err(error) => {
            // A reader of the help who has left is no error.
            _ = error.print();
            return if error.use_stderr() { Status::Failed } else { Status::Clean };
        }
    };
    cli.global.color.write_global();
    let mut console = Console::new(cli.global.verbosity());
    let start = Instant::now();
    let status = dispatch(cli, &mut console)
        .and_then(|status| {
            let took = amount::seconds(start.elapsed().as_secs_f64());
            console.aside(Verbosity::Verbose, |err| writeln!(err, "Took {took}."))?;
            Ok(status)
        })
        .map_err(|failure| console.error(&failure.to_string()));
    status.unwrap_or(Status::Failed)
}

fn dispatch(cli: Cli, console: &mut Console) -> Result<Status, Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Check(args) => on_deep_stacks(|| check::run(&args, global, console)),
        Command::Fix(args) => on_deep_stacks(|| fix::run(&args, global, console)),
        Command::Review(args) => on_deep_stacks(|| review::run(&args, global, console)),
        Command::Init(args) => init::run(&args, global, console),
        Command::Measure(args) => measure::run(&args, global, console),
        Command::Rule(args) => rule::run(&args, console),
        Command::Undo(args) => undo::run(&args, console),
        Command::Completions(args) => completions::run(&args, console),
    }
}

/// Runs work on a pool whose threads have [`STACK`]; what it does in parallel stays on that pool.
fn on_deep_stacks(work: impl FnOnce() -> Result<Status, Failure> + Send) -> Result<Status, Failure> {
    rayon::ThreadPoolBuilder::new().stack_size(STACK).build()?.install(work)
}

/// Turns `testdiet [OPTIONS] --check …` into `testdiet check [OPTIONS] …`; a `--check` that belongs to a command stays.
fn with_check_command(mut args: Vec<OsString>) -> Vec<OsString> {
    let commands = Cli::command();
    let is_command = |arg: &OsString| commands.get_subcommands().any(|c| arg == c.get_name()) || arg == "help";
    let flag = args.iter().skip(1).take_while(|arg| !is_command(arg) && *arg != "--").position(|arg| arg == "--check");
    if let Some(flag) = flag {
        args.remove(flag + 1);
        args.insert(1, "check".into());
    }
    args
}

/// Says that it is testdiet's fault. With `RUST_BACKTRACE` set, where it happened in full.
fn report_panic(info: &PanicHookInfo<'_>) {
    let what = info.payload();
    let text = what.downcast_ref::<&str>().copied().or_else(|| what.downcast_ref::<String>().map(String::as_str));
    let what = text.unwrap_or("no message");
    let place = info.location().map_or_else(String::new, |at| format!(" ({}:{})", at.file(), at.line()));
    let mut err = anstream::stderr().lock();
    let style = style::ERROR;
    _ = writeln!(err, "{style}error{style:#}: testdiet failed: {what}{place}");
    _ = writeln!(err, "This is a bug in testdiet. Please report it, with this message and the command you ran.");
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|v| v != "0") {
        _ = writeln!(err, "{}", std::backtrace::Backtrace::force_capture());
    }
}

impl GlobalOptions {
    fn verbosity(&self) -> Verbosity {
        match (self.silent, self.quiet, self.verbose) {
            (true, _, _) => Verbosity::Silent,
            (_, true, _) => Verbosity::Quiet,
            (_, _, true) => Verbosity::Verbose,
            _ => Verbosity::Default,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_leading_check_flag_is_the_check_command() {
        let turned = |args: &[&str]| {
            let args = std::iter::once("testdiet").chain(args.iter().copied()).map(OsString::from).collect();
            let out: Vec<String> = with_check_command(args).into_iter().map(|a| a.into_string().unwrap()).collect();
            out[1..].join(" ")
        };
        assert_eq!(turned(&["--check"]), "check");
        assert_eq!(turned(&["--check", "tests", "fix"]), "check tests fix");
        assert_eq!(turned(&["-q", "--color", "always", "--check", "tests"]), "check -q --color always tests");
        assert_eq!(turned(&["fix", "--check"]), "fix --check");
        assert_eq!(turned(&["check", "--", "--check"]), "check -- --check");
        assert_eq!(turned(&["--", "--check"]), "-- --check");
    }

    #[test]
    fn work_runs_on_a_deep_stack() {
        fn deep(n: usize) -> usize {
            let pad = std::hint::black_box([n; 128]);
            if n == 0 { 0 } else { deep(n - 1) + pad[0] / n }
        }
        // At least 4 MiB, more in a debug build: twice what a thread has by default.
        assert_eq!(on_deep_stacks(|| Ok(Status::found(deep(4_000) == 4_000))).unwrap(), Status::Found);
    }
}
