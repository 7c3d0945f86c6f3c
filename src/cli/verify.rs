//! `testdiet fix --verify`: proves the fixes with the user's pytest before any of them is written.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Args, ValueHint};

use super::Failure;
use super::console::{Console, Verbosity};
use super::fix::FixArgs;
use super::options::GlobalOptions;
use super::project::{Opened, suites};
use crate::pytest::{Interpreter, Interrupts};
use crate::report::{amount, shown};
use crate::verify::{Progress, Proof, Request, VerifyError, prove};

/// How fixes are proven.
#[derive(Debug, Args)]
#[command(next_help_heading = "Proof")]
pub(crate) struct ProofOptions {
    /// The interpreter, or its virtual environment [default: the active one, .venv, venv, python3]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, requires = "verify")]
    pub python: Option<PathBuf>,
    /// How often the tests have to do well with the fixes
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..), requires = "verify")]
    pub runs: u16,
    /// Run the tests the last time while all cores are busy (the default)
    #[arg(long, overrides_with = "no_stress", requires = "verify")]
    pub stress: bool,
    /// Never make the cores busy
    #[arg(long, overrides_with = "stress", requires = "verify")]
    pub no_stress: bool,
    /// After Ctrl-C, apply what has done well in every run so far; without it a terminal is asked
    #[arg(long, requires = "verify")]
    pub keep_interrupted: bool,
    /// Options for pytest
    #[arg(last = true, value_name = "PYTEST ARGS", requires = "verify")]
    pub pytest: Vec<OsString>,
}

/// Proves what `fix` would do with these arguments.
pub(super) fn run(args: &FixArgs, global: &GlobalOptions, opened: &Opened, console: &mut Console) -> Result<Proof, Failure> {
    let proof = &args.proof;
    let interpreter = Interpreter::find(proof.python.as_deref(), &opened.cwd, &opened.root)?;
    let suites = suites(&args.files, &args.rules, global, opened)?;
    let interrupts = Interrupts::catch().map_err(|e| Failure::Usage(format!("cannot catch Ctrl-C: {e}")))?;
    let request = Request {
        input: &opened.input,
        suites: &suites,
        root: &opened.root,
        cwd: &opened.cwd,
        interpreter: &interpreter,
        args: &proof.pytest,
        runs: usize::from(proof.runs),
        stress: !proof.no_stress,
        wanted: &|_| true,
    };
    let shown = Mutex::new(Shown::new(console));
    let proven = prove(&request, &interrupts, &|progress| {
        shown.lock().unwrap_or_else(PoisonError::into_inner).show(progress);
    });
    shown.into_inner().unwrap_or_else(PoisonError::into_inner).clear();
    let proven = proven?;
    let kept = proven.judged.iter().filter(|j| j.fate.keeps()).count();
    if proven.interrupted && (kept == 0 || !(proof.keep_interrupted || asked(kept, console)?)) {
        return Err(VerifyError::Interrupted.into());
    }
    Ok(proven)
}

/// Asks whether fixes that were not run as often as they should are to be applied. Nobody there means no.
fn asked(kept: usize, console: &mut Console) -> Result<bool, Failure> {
    if !(console.live() && std::io::stdin().is_terminal()) {
        return Ok(false);
    }
    console.aside(Verbosity::Default, |err| {
        write!(err, "Interrupted. {} did well in every run so far, though not in all. Apply? [y/N] ", fixes(kept))
    })?;
    let mut answer = String::new();
    _ = std::io::stdin().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn fixes(count: usize) -> String {
    if count == 1 { "1 fix".to_owned() } else { format!("{} fixes", amount::number(count)) }
}

/// Tells how far it is: a line for each run of the tests; on a terminal with the test that has just ended.
struct Shown<'a> {
    console: &'a mut Console,
    run: String,
    ended: usize,
    told: Instant,
}

impl<'a> Shown<'a> {
    /// How often the line on a terminal changes.
    const PAUSE: Duration = Duration::from_millis(100);

    fn new(console: &'a mut Console) -> Self {
        Self { console, run: String::new(), ended: 0, told: Instant::now() }
    }

    fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Copying => self.begin("Copying the project".to_owned()),
            Progress::Baseline => self.begin("Running the tests without fixes, twice".to_owned()),
            Progress::Candidate { number, fixes, dropped, tests, load } => {
                let dropped =
                    if dropped > 0 && fixes > 0 { format!(" ({} dropped)", amount::number(dropped)) } else { String::new() };
                let fixes = if fixes == 0 { "no fix".to_owned() } else { self::fixes(fixes) };
                let load = if load { ", all cores busy" } else { "" };
                self.begin(format!("Run {number}: {} with {fixes}{dropped}{load}", amount::counted(tests, "test")));
            }
            Progress::Wrong { test, reason } => {
                // Nobody who has closed standard error is waited for.
                _ = self
                    .console
                    .aside(Verbosity::Verbose, |err| writeln!(err, "  {}", shown::escaped(&format!("{test}: {reason}"))));
            }
            Progress::Test { test } => {
                self.ended += 1;
                if self.console.live() && self.told.elapsed() >= Self::PAUSE {
                    self.told = Instant::now();
                    let line = format!("{}: {} done, {test}", self.run, amount::number(self.ended));
                    self.console.progress(&shown::escaped(&line));
                }
            }
        }
    }

    fn begin(&mut self, run: String) {
        self.console.progress(&run);
        self.run = run;
        self.ended = 0;
    }

    fn clear(&mut self) {
        self.console.progress("");
    }
}
