//! `testdiet fix`: fix in memory to a fixpoint, then write once; or show what would be written.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use clap::Args;

use super::check::{Told, errors, shows_only};
use super::console::{Console, Verbosity};
use super::options::{FileOptions, GlobalOptions, OutputOptions, RuleOptions};
use super::project::{self, Opened};
use super::verify::{self, ProofOptions};
use super::{Failure, Status};
use crate::edit::Applicability;
use crate::engine::{self, Change, Checked, Fixed};
use crate::report::{Format, amount, patch, proof, shown, style, totals};
use crate::verify::Proof;

/// Arguments of `testdiet fix`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct FixArgs {
    /// Print a patch for `git apply`, and write nothing
    #[arg(long, help_heading = "Fixing")]
    pub diff: bool,
    /// Write nothing, and exit with 1 if anything would change
    #[arg(long, help_heading = "Fixing")]
    pub check: bool,
    /// Apply fixes too that only a run of the tests can prove
    #[arg(long, overrides_with = "no_unsafe_fixes", help_heading = "Fixing")]
    pub unsafe_fixes: bool,
    #[arg(long, overrides_with = "unsafe_fixes", hide = true)]
    pub no_unsafe_fixes: bool,
    /// Apply, safe or not, exactly those fixes with which the tests do what they did without them
    #[arg(long, conflicts_with = "stdin_filename", help_heading = "Proof")]
    pub verify: bool,
    #[command(flatten)]
    pub files: FileOptions,
    #[command(flatten)]
    pub rules: RuleOptions,
    #[command(flatten)]
    pub output: OutputOptions,
    // After the paths: what follows `--` is the last of what is positional.
    #[command(flatten)]
    pub proof: ProofOptions,
}

/// What is done with the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Write them to the files.
    Write,
    /// Print the fixed standard input.
    Print,
    /// Print a patch.
    Diff,
    /// Only tell.
    Check,
}

/// Runs it.
pub(crate) fn run(args: &FixArgs, global: &GlobalOptions, console: &mut Console) -> Result<Status, Failure> {
    let opened = Opened::new(&args.files, &args.rules, global)?;
    if let Some(path) = &args.output.output_file {
        console.redirect(path)?;
    }
    if shows_only(&args.files, &opened, console)? {
        return Ok(Status::Clean);
    }
    let risky = args.unsafe_fixes || (opened.unsafe_fixes && !args.no_unsafe_fixes);
    let level = if risky { Applicability::Unsafe } else { Applicability::Safe };
    let mode = match (args.diff, args.check, opened.stdin.is_some()) {
        (true, _, _) => Mode::Diff,
        (_, true, _) => Mode::Check,
        (_, _, true) => Mode::Print,
        _ => Mode::Write,
    };
    if args.verify && mode == Mode::Print {
        return Err(Failure::Usage("--verify runs the tests of a project; standard input has none".to_owned()));
    }
    let proof = if args.verify { Some(verify::run(args, global, &opened, console)?) } else { None };
    let level = if args.verify { Applicability::Unsafe } else { level };
    let mut view = opened.view(level);
    view.evidence.proof = proof.as_ref().map(|proof| (proof.before, proof.after));
    let told = Told::new(view, args.output.output_format.or(opened.format), args.output.statistics)?;
    let (mut fixed, proof) = match proof {
        Some(mut proof) => (std::mem::take(&mut proof.fixed), Some(proof)),
        None => (engine::fix(&opened.input, level)?, None),
    };
    fixed.after.errors.extend(opened.errors.iter().cloned());
    if mode == Mode::Write {
        project::save(&fixed.changes, &opened.root, "fix")?;
    }
    let run = Run { mode, told, output: &args.output, opened: &opened, proof: proof.as_ref() };
    run.conclude(&fixed, console)
}

/// A run whose fixes are known.
struct Run<'a> {
    mode: Mode,
    told: Told,
    output: &'a OutputOptions,
    opened: &'a Opened,
    proof: Option<&'a Proof>,
}

impl Run<'_> {
    /// Shows, tells what remains, and how that ends. What is to be written has been.
    fn conclude(&self, fixed: &Fixed, console: &mut Console) -> Result<Status, Failure> {
        let view = &self.told.view;
        match self.mode {
            Mode::Write | Mode::Check => self.findings(fixed, console)?,
            Mode::Diff => {
                diff(&fixed.changes, |path| view.relative(path), console)?;
                self.remaining_aside(fixed, console)?;
            }
            Mode::Print => {
                self.print(fixed, console)?;
                self.remaining_aside(fixed, console)?;
            }
        }
        if let Some(proof) = self.proof.filter(|_| self.told.human()) {
            let before = proof::largest(&fixed.before);
            let allocation = (before, if fixed.after.files == 0 { before } else { proof::largest(&fixed.after) });
            let write = |out: &mut dyn io::Write| proof::write(proof, allocation, view, out);
            // A patch is all that standard output holds.
            if self.mode == Mode::Diff { console.aside(Verbosity::Quiet, write)? } else { console.results(write)? }
        }
        if self.told.human() {
            console.aside(Verbosity::Default, |err| self.summary(fixed, err))?;
        }
        if errors(&fixed.after.errors, view, console) {
            return Ok(Status::Failed);
        }
        let remain = !fixed.after.findings.is_empty();
        let changed = !fixed.changes.is_empty();
        let counts = remain
            || match self.mode {
                Mode::Diff | Mode::Check => changed,
                Mode::Write | Mode::Print => changed && self.output.exit_non_zero_on_fix,
            };
        Ok(Status::found(counts && !self.output.exit_zero))
    }

    /// The fixed standard input, or what was read when there was nothing to fix.
    fn print(&self, fixed: &Fixed, console: &mut Console) -> Result<(), Failure> {
        let Some(source) = fixed.changes.first().map(|change| &change.after).or(self.opened.stdin.as_deref()) else {
            return Ok(());
        };
        let Some(bytes) = source.encode() else {
            return Err(Failure::Usage("a fix holds a character that the encoding of standard input lacks".to_owned()));
        };
        console.bytes(|out| out.write_all(&bytes))
    }

    /// Findings as results: those that remain; with `--check` all there are, because the files stay as they are.
    fn findings(&self, fixed: &Fixed, console: &mut Console) -> Result<(), Failure> {
        if let Some(proof) = self.proof.filter(|_| self.told.format.is_some_and(|f| f.name == "json")) {
            let checked = if self.mode == Mode::Check { &fixed.before } else { &fixed.after };
            return console.data(|out| proof::write_json(proof, checked, &self.told.view, out));
        }
        self.told.results(if self.mode == Mode::Check { &fixed.before } else { &fixed.after }, console)
    }

    /// Findings that remain beside a patch or a source: on standard error, one line each unless a format was asked for.
    fn remaining_aside(&self, fixed: &Fixed, console: &mut Console) -> Result<(), Failure> {
        let concise = Format::named("concise").ok();
        let told = Told { format: self.told.format.or(concise), view: self.told.view.clone(), statistics: self.told.statistics };
        console.aside(Verbosity::Quiet, |err| told.write(&fixed.after, false, err))
    }

    /// What was fixed and what remains.
    fn summary(&self, fixed: &Fixed, out: &mut dyn io::Write) -> io::Result<()> {
        let view = &self.told.view;
        let remain = fixed.after.findings.len();
        let applied: usize = fixed.applied.values().sum();
        let strong = style::STRONG;
        let (verb, remains) = match self.mode {
            Mode::Write | Mode::Print => ("Fixed", if remain == 1 { "remains" } else { "remain" }),
            Mode::Diff | Mode::Check => ("Would fix", "would remain"),
        };
        if self.mode != Mode::Check {
            // Where nothing was changed there is nothing to compare with.
            let before = (!fixed.changes.is_empty()).then_some(&fixed.before);
            totals::write(&fixed.after, before, view, &|suite| self.opened.limits(suite), out)?;
        }
        if applied == 0 && remain == 0 {
            return totals::summary(&fixed.after, view, out);
        }
        let files = amount::counted(fixed.changes.len(), "file");
        if applied == 0 {
            writeln!(out, "{strong}Nothing to fix{strong:#}; {} {remains}.", amount::counted(remain, "finding"))?;
        } else {
            let (applied, remain) = (amount::counted(applied, "finding"), amount::number(remain));
            writeln!(out, "{strong}{verb} {applied}{strong:#} in {files}; {remain} {remains}:")?;
            for (code, count) in &fixed.applied {
                writeln!(out, "  {:>6}  {}", amount::number(*count), shown::escaped(code.as_str()))?;
            }
        }
        let lost = no_longer_run(fixed);
        if lost > 0 {
            let tests = if lost == 1 { "1 test is".to_owned() } else { format!("{} tests are", amount::number(lost)) };
            let verb = if matches!(self.mode, Mode::Write | Mode::Print) { "marked" } else { "to be marked" };
            writeln!(out, "{tests} {verb} `slow`: a run that leaves slow tests out has so many fewer.")?;
        }
        self.hint(fixed, out)?;
        if self.mode == Mode::Write && applied > 0 {
            writeln!(out, "`testdiet undo` takes it back.")?;
        }
        Ok(())
    }

    /// Unsafe fixes that were left alone.
    fn hint(&self, fixed: &Fixed, out: &mut dyn io::Write) -> io::Result<()> {
        let risky = |f: &&crate::finding::Finding| f.fix.as_ref().is_some_and(|fix| fix.applicability == Applicability::Unsafe);
        let more = fixed.after.findings.iter().filter(risky).count();
        if self.told.view.applies == Applicability::Safe && more > 0 {
            writeln!(out, "{} more fixable with `testdiet fix --unsafe-fixes`.", amount::number(more))?;
        }
        Ok(())
    }
}

/// How many tests, each set of parameters counted, are marked `slow` only by the fixes.
fn no_longer_run(fixed: &Fixed) -> u64 {
    let tests = |checked: &Checked| -> Vec<(String, u64)> {
        let marked = checked.totals.iter().flat_map(|file| &file.tests).filter(|test| test.slow);
        marked.map(|test| (test.id.clone(), test.runs)).collect()
    };
    if fixed.changes.is_empty() {
        return 0;
    }
    let before: HashSet<String> = tests(&fixed.before).into_iter().map(|(id, _)| id).collect();
    tests(&fixed.after).into_iter().filter(|(id, _)| !before.contains(id)).map(|(_, runs)| runs).sum()
}

/// The patch of all changes: bytes, or something to look at on a terminal. `name` says what a path is called in it.
pub(super) fn diff(changes: &[Change], name: impl Fn(&Path) -> &Path, console: &mut Console) -> Result<(), Failure> {
    let terminal = console.terminal();
    let each = |write: fn(&Change, &Path, &mut dyn io::Write) -> io::Result<()>, out: &mut dyn io::Write| {
        changes.iter().try_for_each(|change| write(change, name(&change.before.path), out))
    };
    if terminal { console.shown(|out| each(patch::show, out)) } else { console.bytes(|out| each(patch::write, out)) }
}

#[cfg(test)]
mod tests {
    use crate::engine::FileError;
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::super::console::tests::kept;
    use super::*;
    use crate::report::samples;
    use crate::rules::Code;
    use crate::source::SourceFile;

    fn source(text: &str) -> SourceFile {
        SourceFile::from_bytes(PathBuf::from("/work/tests/test a.py"), text.as_bytes().to_vec()).unwrap()
    }

    fn fixed(remaining: Checked) -> Fixed {
        let before = Arc::new(source("a = '\x1b'\nsleep(2.5)\n"));
        let after = before.with_text("a = '\x1b'\nsleep(0.3)\n".to_owned());
        let applied = [(Code::new("long-sleep"), 2)].into();
        Fixed {
            changes: vec![Change { before, after }],
            applied,
            rounds: Vec::new(),
            before: samples::several(),
            after: remaining,
        }
    }

    fn concluded(mode: Mode, fixed: &Fixed, output: &OutputOptions, terminal: bool) -> (Status, String, String) {
        let (mut console, out, err) = kept(Verbosity::Default, terminal);
        let mut opened = Opened::nothing();
        opened.stdin = Some(Arc::new(source("as read\n")));
        let told = Told { view: samples::view(), format: output.output_format, statistics: false };
        let run = Run { mode, told, output, opened: &opened, proof: None };
        let status = run.conclude(fixed, &mut console).unwrap();
        (status, out.text(), err.text())
    }

    fn none() -> Checked {
        samples::checked(Vec::new())
    }

    #[test]
    fn writing_ends_well_only_when_nothing_remains() {
        let (status, out, err) = concluded(Mode::Write, &fixed(none()), &OutputOptions::default(), false);
        assert_eq!((status, out.as_str()), (Status::Clean, ""));
        assert_eq!(err, "Fixed 2 findings in 1 file; 0 remain:\n       2  long-sleep\n`testdiet undo` takes it back.\n");

        let (status, out, err) = concluded(Mode::Write, &fixed(samples::several()), &OutputOptions::default(), false);
        assert_eq!(status, Status::Found);
        assert!(out.starts_with("long-sleep: "));
        assert!(err.contains("1 more fixable with `testdiet fix --unsafe-fixes`.\n"), "{err}");

        let strict = OutputOptions { exit_non_zero_on_fix: true, ..OutputOptions::default() };
        assert_eq!(concluded(Mode::Write, &fixed(none()), &strict, false).0, Status::Found);
        let zero = OutputOptions { exit_zero: true, ..OutputOptions::default() };
        assert_eq!(concluded(Mode::Write, &fixed(samples::several()), &zero, false).0, Status::Clean);
        assert_eq!(concluded(Mode::Write, &Fixed::default(), &OutputOptions::default(), false).0, Status::Clean);
    }

    #[test]
    fn a_diff_is_all_there_is_on_standard_output() {
        let (status, out, err) = concluded(Mode::Diff, &fixed(samples::several()), &OutputOptions::default(), false);
        assert_eq!(status, Status::Found);
        assert_eq!(
            out,
            "--- a/tests/test a.py\t\n+++ b/tests/test a.py\t\n@@ -1,2 +1,2 @@\n a = '\x1b'\n-sleep(2.5)\n+sleep(0.3)\n"
        );
        assert!(err.contains("tests/test_size.py:1:8: large-allocation") && err.contains("Would fix 2 findings"), "{err}");
        let (status, out, _) = concluded(Mode::Diff, &fixed(none()), &OutputOptions::default(), true);
        assert_eq!(status, Status::Found);
        assert!(out.contains(" a = '\\x1b'\n"), "{out}");
    }

    #[test]
    fn checking_shows_what_there_is_and_fails_when_anything_would_change() {
        let (status, out, err) = concluded(Mode::Check, &fixed(none()), &OutputOptions::default(), false);
        assert_eq!(status, Status::Found);
        assert!(out.starts_with("long-sleep: "));
        assert!(err.starts_with("Would fix 2 findings in 1 file; 0 would remain:\n"), "{err}");
        assert_eq!(concluded(Mode::Check, &Fixed::default(), &OutputOptions::default(), false).0, Status::Clean);
    }

    #[test]
    fn standard_input_comes_out_fixed_or_as_it_was() {
        let (status, out, _) = concluded(Mode::Print, &fixed(none()), &OutputOptions::default(), false);
        assert_eq!((status, out.as_str()), (Status::Clean, "a = '\x1b'\nsleep(0.3)\n"));
        let unfixed = Fixed { after: samples::several(), ..Fixed::default() };
        let (status, out, err) = concluded(Mode::Print, &unfixed, &OutputOptions::default(), false);
        assert_eq!((status, out.as_str()), (Status::Found, "as read\n"));
        assert!(err.contains("join-without-timeout"));
    }

    #[test]
    fn what_could_not_be_read_fails_the_run() {
        let (mut console, _, err) = kept(Verbosity::Default, false);
        let opened = Opened::nothing();
        let told = Told { view: samples::view(), format: None, statistics: false };
        let run = Run { mode: Mode::Write, told, output: &OutputOptions::default(), opened: &opened, proof: None };
        let error = FileError { path: PathBuf::from("/work/a.py"), message: "it cannot be read".to_owned() };
        let mut unread = fixed(none());
        unread.after.errors.push(error);
        assert_eq!(run.conclude(&unread, &mut console).unwrap(), Status::Failed);
        assert!(err.text().ends_with("error: a.py: it cannot be read\n"));
    }
}
