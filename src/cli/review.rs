//! `testdiet review`: lead a person through all fixes, write what they take, and tell what that saved.

use std::io;

use clap::Args;

use super::check::{errors, shows_only};
use super::console::{Console, Verbosity};
use super::options::{FileOptions, GlobalOptions, RuleOptions};
use super::project::Opened;
use super::{Failure, Status};
use crate::edit::Applicability;
use crate::report::{View, amount, style, totals};
use crate::review::state::Leaving;
use crate::review::terminal::Terminal;
use crate::review::{self, Ended, Review};

/// Arguments of `testdiet review`.
#[derive(Debug, Args)]
pub(crate) struct ReviewArgs {
    /// Offer fixes again that were rejected in earlier reviews
    #[arg(long, help_heading = "Reviewing")]
    pub rejected: bool,
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
    let task = Review { input: &opened.input, root: &opened.root, view: &view, rejected: args.rejected, prover: None };
    let mut ended = review::run(&task, &mut terminal)?;
    ended.after.errors.extend(opened.errors.iter().cloned());
    console.aside(Verbosity::Default, |err| summary(&ended, &opened, &view, err))?;
    if errors(&ended.after.errors, &view, console) {
        return Ok(Status::Failed);
    }
    Ok(Status::found(!ended.after.findings.is_empty()))
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
