//! `testdiet review`: lead a person through all fixes, write what they take, and tell what that saved.

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::check::{errors, shows_only};
use super::console::{Console, Verbosity};
use super::options::{FileOptions, GlobalOptions, RuleOptions};
use super::project::{Opened, suites};
use super::{Failure, Status};
use crate::discover::Found;
use crate::edit::Applicability;
use crate::finding::Finding;
use crate::pytest::{Interpreter, Interrupts};
use crate::report::{View, amount, proof, style, totals};
use crate::review::state::Leaving;
use crate::review::terminal::Terminal;
use crate::review::{self, Ended, Prover, Review, Trial};
use crate::verify::{Request, prove};

/// Arguments of `testdiet review`.
#[derive(Debug, Args)]
pub(crate) struct ReviewArgs {
    /// Offer fixes again that were rejected in earlier reviews
    #[arg(long, help_heading = "Reviewing")]
    pub rejected: bool,
    /// The interpreter that `v` proves fixes with, or its virtual environment [default: the active one, .venv, venv, python3]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, help_heading = "Reviewing")]
    pub python: Option<PathBuf>,
    #[command(flatten)]
    pub files: FileOptions,
    #[command(flatten)]
    pub rules: RuleOptions,
}

/// Runs it.
pub(crate) fn run(args: &ReviewArgs, global: &GlobalOptions, console: &mut Console) -> Result<Status, Failure> {
    if args.files.stdin()? {
        return Err(Failure::Usage("a review reads keys from standard input: name files or folders in place of `-`".to_owned()));
    }
    let opened = Opened::new(&args.files, &args.rules, global)?;
    if shows_only(&args.files, &opened, console)? {
        return Ok(Status::Clean);
    }
    let Some(mut terminal) = Terminal::open() else {
        return Err(Failure::Usage(
            "a review needs a terminal to show fixes and read keys. Without one, `testdiet fix --diff` shows all safe fixes, \
             `testdiet fix` applies them, and `--unsafe-fixes` adds those that only a run of the tests can prove"
                .to_owned(),
        ));
    };
    let view = opened.view(Applicability::Unsafe);
    let prover = Pytest { args, global, opened: &opened, view: &view };
    let task = Review { input: &opened.input, root: &opened.root, view: &view, rejected: args.rejected, prover: &prover };
    let mut ended = review::run(&task, &mut terminal)?;
    ended.after.errors.extend(opened.errors.iter().cloned());
    console.aside(Verbosity::Default, |err| summary(&ended, &opened, &view, err))?;
    if errors(&ended.after.errors, &view, console) {
        return Ok(Status::Failed);
    }
    Ok(Status::found(!ended.after.findings.is_empty()))
}

/// How often the tests have to do well with a fix before `v` calls it proven, the last time under load: as for `fix --verify`.
const RUNS: usize = 3;

/// Proves a fix as `fix --verify` does, alone.
struct Pytest<'a> {
    args: &'a ReviewArgs,
    global: &'a GlobalOptions,
    opened: &'a Opened,
    view: &'a View,
}

impl Prover for Pytest<'_> {
    fn prove(&self, trial: &Trial<'_>) -> Result<String, String> {
        let proposed = trial.findings.iter().filter_map(|f| f.fix.as_ref());
        if !proposed.clone().any(|fix| contents(&fix.edits).eq(contents(&trial.fix.edits))) {
            return Err(
                "it was edited or split, and only what testdiet proposes can be tried alone; take it and run the tests".into()
            );
        }
        let opened = self.opened;
        let interpreter = Interpreter::find(self.args.python.as_deref(), &opened.cwd, &opened.root).map_err(|e| e.to_string())?;
        let suites: Vec<Found> = suites(&self.args.files, &self.args.rules, self.global, opened).map_err(|e| e.to_string())?;
        let interrupts = Interrupts::catch().map_err(|e| format!("Ctrl-C cannot be caught: {e}"))?;
        let request = Request {
            input: &opened.input,
            suites: &suites,
            root: &opened.root,
            cwd: &opened.cwd,
            interpreter: &interpreter,
            args: &[],
            runs: RUNS,
            stress: true,
            wanted: &|finding| trial.findings.iter().any(|f| same(f, finding)),
        };
        let proven = prove(&request, &interrupts, &|_| {}).map_err(|e| e.to_string())?;
        let lead = match proven.judged.iter().map(|j| j.fate.keeps()).reduce(|a, b| a && b) {
            Some(true) => "Proven: with this fix alone, every test that it reaches does what it did.",
            Some(false) => "Not proven:",
            None => "There is nothing to prove: on disk, the finding is gone.",
        };
        let mut told = format!("{lead}\n\n").into_bytes();
        let allocation = (proof::largest(&proven.fixed.before), proof::largest(&proven.fixed.after));
        proof::write(&proven, allocation, self.view, &mut told).map_err(|e| e.to_string())?;
        Ok(anstream::adapter::strip_str(&String::from_utf8_lossy(&told)).to_string())
    }
}

fn contents(edits: &[crate::edit::Edit]) -> impl Iterator<Item = &str> {
    edits.iter().map(|edit| edit.content.as_str())
}

/// Whether a finding of the files on disk is that of a review, whose positions may have moved by what was taken before.
fn same(reviewed: &Finding, on_disk: &Finding) -> bool {
    let line = |f: &Finding| f.source.line(f.source.line_of(f.span.start)).trim().to_owned();
    let edits = |f: &Finding| f.fix.iter().flat_map(|fix| contents(&fix.edits)).map(str::to_owned).collect::<Vec<_>>();
    reviewed.code == on_disk.code
        && reviewed.file == on_disk.file
        && line(reviewed) == line(on_disk)
        && edits(reviewed) == edits(on_disk)
}

/// What was done, what is left, what it saves, and how to take it back.
fn summary(ended: &Ended, opened: &Opened, view: &View, out: &mut dyn io::Write) -> io::Result<()> {
    let strong = style::STRONG;
    let (tally, left) = (&ended.tally, ended.left);
    let applied: usize = tally.applied.values().sum();
    let decided = tally.total() + ended.rejected;
    match ended.leaving {
        Leaving::Interrupted => {
            writeln!(out, "{strong}Stopped; what was taken is not written.{strong:#}")?;
            if decided > 0 {
                let (taken, rejected) = (amount::counted_fixes(tally.total()), ended.rejected);
                writeln!(out, "{taken} taken and {rejected} rejected are kept: `testdiet review` goes on from there.")?;
            }
            return written(ended, out);
        }
        Leaving::Discard => {
            writeln!(out, "{strong}Discarded {}.{strong:#}", amount::counted(decided, "decision"))?;
            return written(ended, out);
        }
        Leaving::Save => {}
    }
    if decided + left == 0 {
        writeln!(out, "{strong}Nothing to review.{strong:#}")?;
        if ended.remembered > 0 {
            let fixes = amount::counted_fixes(ended.remembered);
            writeln!(out, "{fixes} rejected in earlier reviews: `testdiet review --rejected` offers them again.")?;
        }
        return totals::summary(&ended.after, view, out);
    }
    totals::write(&ended.after, Some(&ended.before), view, &|suite| opened.limits(suite), out)?;
    let files = amount::counted(ended.files.len(), "file");
    let mut parts = vec![format!("Applied {} in {files}", amount::counted_fixes(applied))];
    if tally.suppressed > 0 {
        parts.push(format!("suppressed {}", amount::number(tally.suppressed)));
    }
    parts.push(format!("rejected {}", amount::number(ended.rejected)));
    parts.push(format!("left {}", amount::number(left)));
    writeln!(out, "{strong}{}.{strong:#}", parts.join(", "))?;
    for (code, count) in &tally.applied {
        writeln!(out, "  {:>6}  {}", amount::number(*count), crate::report::shown::escaped(code.as_str()))?;
    }
    let saved = amount::cost(&review::saved(ended));
    if !saved.is_empty() {
        writeln!(out, "Each run of the tests now saves {saved}.")?;
    }
    if ended.torn > 0 {
        writeln!(out, "Of {} only some parts were applied: run the tests.", amount::counted_fixes(ended.torn))?;
    }
    match ended.writes {
        0 => Ok(()),
        1 => writeln!(out, "`testdiet undo` takes it back."),
        n => writeln!(out, "`testdiet undo` takes it back, {n} times in a row: files were also written for the editor."),
    }
}

/// Files that were written for an editor, although the review was not saved.
fn written(ended: &Ended, out: &mut dyn io::Write) -> io::Result<()> {
    if ended.files.is_empty() {
        return Ok(());
    }
    writeln!(out, "{} written for the editor; `testdiet undo` takes that back.", amount::counted(ended.files.len(), "file"))
}
