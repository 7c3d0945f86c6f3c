//! `testdiet check`: look once, report.

use std::io;

use clap::Args;

use super::compare::{CompareOptions, Comparison};
use super::console::{Console, Verbosity};
use super::options::{FileOptions, GlobalOptions, OutputOptions, RuleOptions};
use super::project::Opened;
use super::{Failure, Status};
use crate::cache::Cache;
use crate::edit::Applicability;
use crate::engine::{self, Checked, FileError};
use crate::measure::History;
use crate::report::{FORMATS, Format, View, overview, shown, statistics, totals};

/// Arguments of `testdiet check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub files: FileOptions,
    #[command(flatten)]
    pub rules: RuleOptions,
    #[command(flatten)]
    pub compare: CompareOptions,
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Runs it.
pub(crate) fn run(args: &CheckArgs, global: &GlobalOptions, console: &mut Console) -> Result<Status, Failure> {
    let opened = Opened::new(&args.files, &args.rules, global)?;
    if let Some(path) = &args.output.output_file {
        console.redirect(path)?;
    }
    if shows_only(&args.files, &opened, console)? {
        return Ok(Status::Clean);
    }
    let format = args.output.output_format.or(opened.format);
    let told = Told::new(opened.view(Applicability::Safe), format, args.output.statistics)?;
    let comparison = Comparison::new(&args.compare, &opened)?;
    let mut checked =
        if args.files.no_cache { engine::check(&opened.input) } else { Cache::of(&opened.root).check(&opened.input) }?;
    checked.errors.extend(opened.errors.iter().cloned());
    let (parsed, bytes) = checked.parsed;
    console.aside(Verbosity::Verbose, |err| writeln!(err, "Parsed {parsed} of {} files, {} KB.", checked.files, bytes / 1000))?;
    let compared = comparison.narrow(&mut checked)?;
    let status = conclude(&checked, &told, &opened, args.output.exit_zero, console)?;
    console.aside(Verbosity::Default, |err| compared.tell(&told.view, err))?;
    Ok(status)
}

/// Answers `--show-files` and `--show-settings`; whether it did.
pub(crate) fn shows_only(files: &FileOptions, opened: &Opened, console: &mut Console) -> Result<bool, Failure> {
    if files.show_files {
        let view = opened.view(Applicability::Safe);
        console.results(|out| opened.files().iter().try_for_each(|file| writeln!(out, "{}", view.shown(file))))?;
    } else if files.show_settings {
        console.results(|out| write!(out, "{}", opened.settings()))?;
    }
    Ok(files.show_files || files.show_settings)
}

/// How results are told.
pub(crate) struct Told {
    pub view: View,
    /// As requested; `None` leaves it to what suits.
    pub format: Option<&'static Format>,
    pub statistics: bool,
}

impl Told {
    /// Refuses to count in a format that has no place for counts.
    pub(crate) fn new(mut view: View, format: Option<&'static Format>, statistics: bool) -> Result<Self, Failure> {
        if let Some(format) = format.filter(|f| statistics && f.statistics.is_none()) {
            let able: Vec<&str> = FORMATS.iter().filter(|f| f.statistics.is_some()).map(|f| f.name).collect();
            let able = able.join(", ");
            return Err(Failure::Usage(format!("`{}` has no place for --statistics; {able} have", format.name)));
        }
        if format.is_some_and(|f| f.evidence) {
            let runs = view.limits.keys().map(|suite| (suite.clone(), History::of(suite).records()));
            view.evidence.runs = runs.filter(|(_, records)| !records.is_empty()).collect();
        }
        Ok(Self { view, format, statistics })
    }

    pub(crate) fn human(&self) -> bool {
        self.format.unwrap_or_default().human
    }

    /// Prints the findings as the results of the run.
    pub(crate) fn results(&self, checked: &Checked, console: &mut Console) -> Result<(), Failure> {
        let terminal = console.terminal();
        let write = |out: &mut dyn io::Write| self.write(checked, terminal, out);
        if self.human() { console.results(write) } else { console.data(write) }
    }

    /// Writes the findings, or what stands in for them.
    pub(crate) fn write(&self, checked: &Checked, terminal: bool, out: &mut dyn io::Write) -> io::Result<()> {
        let format = self.format.unwrap_or_default();
        if let Some(write) = format.statistics.filter(|_| self.statistics) {
            write(&statistics::counts(checked, &self.view), out)
        } else if overview::stands_in(checked.findings.len(), self.format.is_some(), terminal) {
            overview::write(checked, &self.view, out)
        } else {
            (format.findings)(checked, &self.view, out)
        }
    }
}

/// Tells what was found, and how that ends.
fn conclude(checked: &Checked, told: &Told, opened: &Opened, exit_zero: bool, console: &mut Console) -> Result<Status, Failure> {
    told.results(checked, console)?;
    if told.human() {
        console.aside(Verbosity::Default, |err| {
            totals::write(checked, None, &told.view, &|suite| opened.limits(suite), err)?;
            totals::summary(checked, &told.view, err)
        })?;
    }
    let failed = errors(&checked.errors, &told.view, console);
    Ok(if failed { Status::Failed } else { Status::found(!checked.findings.is_empty() && !exit_zero) })
}

/// Tells what could not be read or written; whether there was anything.
pub(crate) fn errors(errors: &[FileError], view: &View, console: &mut Console) -> bool {
    for error in errors {
        console.error(&format!("{}: {}", view.shown(&error.path), shown::escaped(&error.message)));
    }
    !errors.is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::console::tests::kept;
    use super::*;
    use crate::report::samples;

    fn concluded(checked: &Checked, format: Option<&str>, exit_zero: bool, verbosity: Verbosity) -> (Status, String, String) {
        let (mut console, out, err) = kept(verbosity, true);
        let told = Told { view: samples::view(), format: format.map(|f| Format::named(f).unwrap()), statistics: false };
        let status = conclude(checked, &told, &Opened::nothing(), exit_zero, &mut console).unwrap();
        (status, out.text(), err.text())
    }

    #[test]
    fn findings_go_out_and_totals_aside() {
        let (status, out, err) = concluded(&samples::several(), Some("concise"), false, Verbosity::Default);
        assert_eq!((status, out.lines().count()), (Status::Found, 4));
        assert!(err.starts_with("Found 4 findings in 2 of 12 files.\n"), "{err}");

        let (status, out, err) = concluded(&samples::several(), Some("json"), true, Verbosity::Default);
        assert_eq!((status, err.as_str()), (Status::Clean, ""));
        assert!(out.starts_with('['));

        let (status, out, err) = concluded(&samples::several(), None, false, Verbosity::Silent);
        assert_eq!((status, out.as_str(), err.as_str()), (Status::Found, "", ""));
        let (_, out, err) = concluded(&samples::several(), None, false, Verbosity::Quiet);
        assert!(out.starts_with("long-sleep: ") && err.is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_last_and_fails_the_run() {
        let mut checked = samples::several();
        checked.errors = vec![FileError { path: "/work/tests/test_\x1b.py".into(), message: "it holds a NUL byte".to_owned() }];
        for (zero, verbosity) in [(false, Verbosity::Default), (true, Verbosity::Default), (true, Verbosity::Silent)] {
            let (status, _, err) = concluded(&checked, None, zero, verbosity);
            assert_eq!(status, Status::Failed);
            assert!(err.ends_with("error: tests/test_\\x1b.py: it holds a NUL byte\n"), "{err}");
        }
    }

    #[test]
    fn many_findings_on_a_terminal_are_summed_up_unless_a_format_was_asked_for() {
        let findings = std::iter::repeat_with(samples::several).take(13).flat_map(|c| c.findings).collect();
        let many = samples::checked(findings);
        assert!(concluded(&many, None, false, Verbosity::Default).1.contains("The 10 costliest:"));
        assert!(!concluded(&many, Some("full"), false, Verbosity::Default).1.contains("The 10 costliest:"));
    }
}
