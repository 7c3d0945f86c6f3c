//! What stands under the findings, on standard error: how many there are and which can be fixed, what each suite costs,
//! and the files and tests that are over budget.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use super::{View, amount, shown, style};
use crate::edit::Applicability;
use crate::engine::{Checked, FileTotal, TestTotal};

/// Files and tests named for a suite: enough to know where to begin.
const WORST: usize = 5;

/// The budgets that totals are held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Seconds a suite may sleep.
    pub sleep_per_suite: f64,
    /// Seconds a file may sleep.
    pub sleep_per_file: f64,
    /// Seconds a test may sleep.
    pub sleep_per_test: f64,
    /// Threads a run of a test may start.
    pub threads_per_test: u64,
    /// Seconds a test may take.
    pub test_runtime: f64,
    /// Seconds the tests of a file may take.
    pub file_runtime: f64,
}

/// Writes the totals of every suite that costs anything; with those before a fix, what it changed. `limits` are those
/// of a suite, by its root.
///
/// # Errors
/// When writing fails.
pub fn write(
    checked: &Checked,
    before: Option<&Checked>,
    view: &View,
    limits: &dyn Fn(&Path) -> Limits,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (now, then) = (by_suite(checked), before.map(by_suite).unwrap_or_default());
    // A suite that a fix has freed of every cost is still worth a line.
    let suites: BTreeSet<&Path> = now.keys().chain(then.keys()).copied().collect();
    for suite in suites {
        let files = now.get(suite).map_or(&[][..], Vec::as_slice);
        let was = before.map(|_| then.get(suite).map_or(&[][..], Vec::as_slice));
        one(suite, files, was, view, limits(suite), out)?;
    }
    Ok(())
}

fn by_suite(checked: &Checked) -> BTreeMap<&Path, Vec<&FileTotal>> {
    let mut suites: BTreeMap<&Path, Vec<&FileTotal>> = BTreeMap::new();
    for file in &checked.totals {
        suites.entry(file.suite.as_path()).or_default().push(file);
    }
    suites
}

fn one(
    suite: &Path,
    files: &[&FileTotal],
    before: Option<&[&FileTotal]>,
    view: &View,
    limits: Limits,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (strong, over, dim) = (style::STRONG, style::ERROR, style::DIM);
    let cost = amount::sum(files.iter().map(|f| &f.cost));
    let was = before.map_or(cost, |files| amount::sum(files.iter().map(|f| &f.cost)));
    let tests: Vec<&TestTotal> = files.iter().flat_map(|f| &f.tests).collect();
    let name = match view.shown(suite) {
        name if name.is_empty() => ".".to_owned(),
        name => name,
    };

    let mut parts = vec![format!("{} asleep", change(&amount::seconds(was.sleep_s), &amount::seconds(cost.sleep_s)))];
    if files.iter().map(|f| charged(f)).sum::<f64>() > limits.sleep_per_suite {
        parts[0] = format!("{over}{}{over:#} (budget {})", parts[0], amount::seconds(limits.sleep_per_suite));
    }
    if cost.threads > 0 || was.threads > 0 {
        let most = tests.iter().map(|t| threads(t)).max().unwrap_or(0);
        let plural = if cost.threads == 1 { "" } else { "s" };
        let started = change(&amount::number(was.threads), &amount::number(cost.threads));
        parts.push(format!("{started} thread{plural} (at most {} in a test)", amount::number(most)));
    }
    if cost.bytes > 0 || was.bytes > 0 {
        parts.push(format!("largest allocation {}", change(&amount::bytes(was.bytes), &amount::bytes(cost.bytes))));
    }
    parts.push(amount::counted(tests.len(), "test"));
    writeln!(out, "{strong}{name}{strong:#}: {}", parts.join(", "))?;

    // After a fix nobody has measured yet.
    let measured = files.iter().filter_map(|f| f.measured).reduce(|a, b| (a.0 + b.0, a.1 + b.1));
    if let Some((slept, n)) = measured.filter(|_| before.is_none()) {
        let whose = if n == 1 { "test that is" } else { "tests that are" };
        let (slept, n) = (amount::seconds(slept), amount::number(n));
        writeln!(out, "  {dim}measured:{dim:#} {slept} asleep in the {n} {whose} as when `testdiet measure` ran")?;
    }

    let heavy = files.iter().map(|f| (charged(f), view.shown(&f.file)));
    worst(
        heavy.filter(|(s, _)| *s > limits.sleep_per_file),
        &format!("a file may sleep {}", amount::seconds(limits.sleep_per_file)),
        out,
    )?;
    let heavy = tests.iter().filter(|t| !t.exempt).map(|t| (t.cost.sleep_s, shown::escaped(&t.id).into_owned()));
    worst(
        heavy.filter(|(s, _)| *s > limits.sleep_per_test),
        &format!("a test may sleep {}", amount::seconds(limits.sleep_per_test)),
        out,
    )?;

    let mut heavy: Vec<_> = tests.iter().map(|t| (threads(t), &t.id)).filter(|(n, _)| *n > limits.threads_per_test).collect();
    heavy.sort_by(|a, b| b.cmp(a).then(a.1.cmp(b.1)));
    let rows: Vec<_> = heavy.into_iter().map(|(n, id)| (amount::number(n), shown::escaped(id).into_owned())).collect();
    list(
        &rows,
        &format!(
            "a test may start {}",
            amount::counted(usize::try_from(limits.threads_per_test).unwrap_or(usize::MAX), "thread")
        ),
        out,
    )
}

/// A figure, with what it was when that is another.
fn change(was: &str, is: &str) -> String {
    if was == is { is.to_owned() } else { format!("{was} → {is}") }
}

fn worst(found: impl Iterator<Item = (f64, String)>, budget: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut found: Vec<(f64, String)> = found.collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let rows: Vec<_> = found.into_iter().map(|(value, name)| (amount::seconds(value), name)).collect();
    list(&rows, budget, out)
}

fn list(rows: &[(String, String)], budget: &str, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let dim = style::DIM;
    writeln!(out, "  {dim}{budget}:{dim:#}")?;
    let shown = &rows[..rows.len().min(WORST)];
    let width = shown.iter().map(|(value, _)| value.len()).max().unwrap_or(0);
    for (value, name) in shown {
        writeln!(out, "    {value:>width$}  {name}")?;
    }
    if rows.len() > WORST {
        writeln!(out, "    {dim}and {} more{dim:#}", amount::number(rows.len() - WORST))?;
    }
    Ok(())
}

/// The seconds of a file that count: not those of tests that are not charged for them.
pub(super) fn charged(file: &FileTotal) -> f64 {
    file.tests.iter().filter(|t| !t.exempt).map(|t| t.cost.sleep_s).sum()
}

/// Threads that one run of a test starts: its total holds all runs.
pub(super) fn threads(test: &TestTotal) -> u64 {
    test.cost.threads.div_ceil(test.runs.max(1))
}

/// Writes how many findings there are and what can be done about them.
///
/// # Errors
/// When writing fails.
pub fn summary(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    if checked.files == 0 {
        return writeln!(out, "No test files found.");
    }
    let files = amount::counted(checked.files, "file");
    if checked.findings.is_empty() {
        return writeln!(out, "Nothing found in {files}.");
    }
    let with = checked.findings.chunk_by(|a, b| a.file == b.file).count();
    writeln!(out, "Found {} in {} of {files}.", amount::counted(checked.findings.len(), "finding"), amount::number(with))?;
    let at = |level| checked.findings.iter().filter(|f| f.fix.as_ref().is_some_and(|fix| fix.applicability == level)).count();
    let (safe, risky) = (at(Applicability::Safe), at(Applicability::Unsafe));
    let star = style::FIXABLE;
    let mark = format!("[{star}*{star:#}]");
    match (view.applies, safe, risky) {
        (_, 0, 0) => Ok(()),
        (Applicability::Safe, 0, risky) => {
            writeln!(out, "None fixable safely, {} with `testdiet fix --unsafe-fixes`.", amount::number(risky))
        }
        (Applicability::Safe, safe, 0) => writeln!(out, "{mark} {} fixable with `testdiet fix`.", amount::number(safe)),
        (Applicability::Safe, safe, risky) => writeln!(
            out,
            "{mark} {} fixable with `testdiet fix`, {} more with `--unsafe-fixes`.",
            amount::number(safe),
            amount::number(risky)
        ),
        (_, safe, risky) => writeln!(out, "{mark} {} fixable with `testdiet fix --unsafe-fixes`.", amount::number(safe + risky)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, checked, plain, total, view};
    use super::*;
    use crate::finding::Cost;

    const WSL2: Limits = Limits {
        sleep_per_suite: 60.0,
        sleep_per_file: 5.0,
        sleep_per_test: 0.5,
        threads_per_test: 5,
        test_runtime: 2.0,
        file_runtime: 30.0,
    };

    fn asleep(sleep_s: f64) -> Cost {
        Cost { sleep_s, ..Cost::default() }
    }

    #[test]
    fn suites_with_their_worst_files_and_tests() {
        let names: Vec<String> = (0..30).map(|i| format!("test_{i}")).collect();
        let many: Vec<(&str, u64, Cost)> = names.iter().map(|n| (n.as_str(), 1, asleep(2.5))).collect();
        let mut all = checked(Vec::new());
        all.totals = vec![
            total("/work/tests/test_monitor.py", "/work", &many),
            total("/work/tests/test_fast.py", "/work", &[("test_fast", 1, asleep(60.0))]),
            total(
                "/work/services/a/test_threads.py",
                "/work/services/a",
                &[
                    ("test_ten", 1, Cost { threads: 10, bytes: 100_000, ..asleep(0.2) }),
                    ("test_each", 10, Cost { threads: 10, ..Cost::default() }),
                ],
            ),
        ];
        samples::snapshot("totals", &plain(|out| write(&all, None, &view(), &|_| WSL2, out)));
    }

    #[test]
    fn a_fix_shows_what_it_changed() {
        let (mut before, mut after) = (checked(Vec::new()), checked(Vec::new()));
        let heavy = Cost { threads: 10, bytes: 100_000, ..asleep(75.0) };
        before.totals = vec![
            total("tests/test_a.py", "tests", &[("test_a", 1, heavy)]),
            total("b/test_b.py", "b", &[("test_b", 1, asleep(2.0))]),
        ];
        after.totals =
            vec![total("tests/test_a.py", "tests", &[("test_a", 1, Cost { threads: 3, bytes: 20_000, ..asleep(0.3) })])];
        assert_eq!(
            plain(|out| write(&after, Some(&before), &view(), &|_| WSL2, out)),
            "b: 2 s → 0 s asleep, 0 tests\n\
             tests: 75 s → 0.3 s asleep, 10 → 3 threads (at most 3 in a test), largest allocation 100 KB → 20 KB, 1 test\n"
        );
    }

    #[test]
    fn the_summary_says_what_can_be_fixed() {
        let all = samples::several();
        let text = |keep: &[usize], applies| {
            let some = checked(keep.iter().map(|&i| all.findings[i].clone()).collect());
            plain(|out| summary(&some, &View { applies, ..view() }, out))
        };
        let safe = Applicability::Safe;
        assert_eq!(text(&[], safe), "Nothing found in 12 files.\n");
        assert_eq!(text(&[2], safe), "Found 1 finding in 1 of 12 files.\n");
        assert_eq!(
            text(&[0, 1, 2, 3], safe),
            "Found 4 findings in 2 of 12 files.\n[*] 1 fixable with `testdiet fix`, 1 more with `--unsafe-fixes`.\n"
        );
        assert!(text(&[1], safe).ends_with("\n[*] 1 fixable with `testdiet fix`.\n"));
        assert!(text(&[0], safe).ends_with("\nNone fixable safely, 1 with `testdiet fix --unsafe-fixes`.\n"));
        assert!(text(&[0, 1], Applicability::Unsafe).ends_with("\n[*] 2 fixable with `testdiet fix --unsafe-fixes`.\n"));
    }
}
