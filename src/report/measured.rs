//! A measured run for people: its costliest tests, files and places, what is over budget, what became slower; the history;
//! how the last run ended.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::{amount, shown, style};
use crate::measure::judge::{Excess, Of, Slower};
use crate::measure::record::{Ended, EndedHow, Record, Running, Totals};
use crate::pytest::{Outcome, Site, SiteKind};

/// Columns of names before they are cut.
const NAME: usize = 76;

/// Seconds with three significant digits, at most milliseconds: measured ones are no more exact.
#[must_use]
pub fn seconds(value: f64) -> String {
    let step = match value {
        v if v >= 100.0 => 1.0,
        v if v >= 10.0 => 0.1,
        v if v >= 1.0 => 0.01,
        _ => 0.001,
    };
    let rounded = (value / step).round() * step;
    // What rounds to nothing is nothing here: a table of `<0.001 s` hides what matters.
    amount::seconds(if rounded < 0.001 { 0.0 } else { rounded })
}

/// A table whose columns but the last are right-aligned figures, under a heading.
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(ToString::to_string).collect()] }
    }

    fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let figures = self.rows[0].len() - 1;
        let widths: Vec<usize> =
            (0..figures).map(|i| self.rows.iter().map(|row| shown::width(&row[i])).max().unwrap_or(0)).collect();
        let (strong, plain) = (style::STRONG, anstyle::Style::new());
        for (n, row) in self.rows.iter().enumerate() {
            let style = if n == 0 { strong } else { plain };
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                _ = write!(line, "{:>pad$}{cell}  ", "", pad = width - shown::width(cell));
            }
            line.push_str(&row[figures]);
            writeln!(out, "{style}{}{style:#}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A name that fits a line: its end says most.
fn name(text: &str) -> String {
    let text = shown::escaped(text);
    let length = text.chars().count();
    if length <= NAME { text.into_owned() } else { format!("…{}", text.chars().skip(length - NAME + 1).collect::<String>()) }
}

fn count(value: u64) -> String {
    if value == 0 { "-".to_owned() } else { amount::number(value) }
}

/// A count and what is counted.
pub(super) fn counted(value: u64, noun: &str) -> String {
    amount::counted(usize::try_from(value).unwrap_or(usize::MAX), noun)
}

fn time(value: f64) -> String {
    if value < 0.0005 { "-".to_owned() } else { seconds(value) }
}

/// The costliest tests, files and places. `top` of each.
///
/// # Errors
/// When writing fails.
pub fn write(record: &Record, top: usize, over: &[Excess], slower: &[Slower], out: &mut dyn Write) -> io::Result<()> {
    let mut first = true;
    let mut gap = |out: &mut dyn Write| if std::mem::take(&mut first) { Ok(()) } else { writeln!(out) };

    let mut tests: Vec<_> = record.tests.iter().collect();
    tests.sort_by(|a, b| b.wall_s.total_cmp(&a.wall_s));
    let alloc = record.header.alloc;
    if !tests.is_empty() {
        let mut table = Table::new(&columns(&["time", "asleep", "waiting", "threads", "left", "processes"], alloc, "test"));
        for test in tests.iter().take(top) {
            let bad = if test.outcome.is_bad() { format!("  {}", test.outcome.name()) } else { String::new() };
            let mut row = vec![
                time(test.wall_s),
                time(test.sleep_s),
                time(test.wait_s),
                count(test.threads.started),
                count(test.threads.leaked),
                count(test.processes),
            ];
            row.extend(alloc.then(|| amount::bytes(test.alloc_peak.unwrap_or(0))));
            row.push(name(&test.test) + &bad);
            table.row(row);
        }
        gap(out)?;
        table.write(out)?;
        more(tests.len(), top, "test", out)?;
    }

    let files = record.files();
    if files.len() > 1 {
        let mut files: Vec<(&str, Totals)> = files.into_iter().collect();
        files.sort_by(|a, b| b.1.wall_s.total_cmp(&a.1.wall_s));
        let mut table =
            Table::new(&columns(&["time", "asleep", "waiting", "threads", "left", "processes", "tests"], alloc, "file"));
        for (file, totals) in files.iter().take(top) {
            let mut row = vec![
                time(totals.wall_s),
                time(totals.sleep_s),
                time(totals.wait_s),
                count(totals.threads_started),
                count(totals.threads_leaked),
                count(totals.processes),
                count(totals.tests),
            ];
            row.extend(alloc.then(|| amount::bytes(totals.alloc_peak.unwrap_or(0))));
            row.push(name(file));
            table.row(row);
        }
        gap(out)?;
        table.write(out)?;
        more(files.len(), top, "file", out)?;
    }

    let places = places(record);
    if !places.is_empty() {
        let mut table = Table::new(&["asleep", "calls", "place"]);
        for (place, (seconds, calls)) in places.iter().take(top) {
            table.row(vec![time(*seconds), count(*calls), name(place)]);
        }
        gap(out)?;
        table.write(out)?;
        more(places.len(), top, "place", out)?;
    }

    if !slower.is_empty() {
        gap(out)?;
        let runs = slower.iter().map(|s| s.runs).max().unwrap_or(0);
        let of = if runs == 1 { "in the run before".to_owned() } else { format!("as the median of the last {runs} runs") };
        writeln!(out, "{s}Slower than {of}:{s:#}", s = style::STRONG)?;
        for test in slower.iter().take(top) {
            let percent = (test.wall_s / test.median_s - 1.0) * 100.0;
            writeln!(
                out,
                "  {} → {} (+{percent:.0} %)  {}",
                seconds(test.median_s),
                seconds(test.wall_s),
                shown::escaped(&test.test)
            )?;
        }
        more(slower.len(), top, "test", out)?;
    }

    if !over.is_empty() {
        gap(out)?;
        writeln!(out, "{s}Over budget:{s:#}", s = style::STRONG)?;
        for excess in over.iter().take(2 * top) {
            writeln!(out, "  {}", budget(excess))?;
        }
        more(over.len(), 2 * top, "excess", out)?;
    }
    Ok(())
}

fn columns<'a>(figures: &[&'a str], alloc: bool, last: &'a str) -> Vec<&'a str> {
    let mut all = figures.to_vec();
    all.extend(alloc.then_some("allocated"));
    all.push(last);
    all
}

fn more(all: usize, top: usize, noun: &str, out: &mut dyn Write) -> io::Result<()> {
    if all <= top {
        return Ok(());
    }
    let (dim, left) = (style::DIM, all - top);
    let plural = if noun == "excess" { "excesses" } else { noun };
    let noun = if left == 1 || noun == "excess" { plural.to_owned() } else { format!("{noun}s") };
    writeln!(out, "{dim}… and {} more {noun}{dim:#}", amount::number(left))
}

/// Where the tests sleep, the costliest first.
fn places(record: &Record) -> Vec<(String, (f64, u64))> {
    let mut all: BTreeMap<String, (f64, u64)> = BTreeMap::new();
    let sleeps = |s: &&Site| s.kind == SiteKind::Sleep;
    for site in record.tests.iter().flat_map(|test| &test.sites).filter(sleeps) {
        let place = all.entry(format!("{}:{}  {} in {}", site.file, site.line, site.what, site.function)).or_default();
        place.0 += site.seconds;
        place.1 += site.calls;
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
    all
}

/// One budget that was not kept, as a sentence.
fn budget(excess: &Excess) -> String {
    let figure = |value: f64| match excess.budget {
        // Counts and bytes are whole.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and from 0 on")]
        "threads-per-test" => amount::number(value as u64),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and from 0 on")]
        "allocation" => amount::bytes(value as u64),
        _ => seconds(value),
    };
    let name = if excess.of == Of::Suite { "all tests".into() } else { shown::escaped(&excess.name) };
    format!("{name}: {} {}, budget {}", excess.budget, figure(excess.value), figure(excess.limit))
}

/// The sums of a run and how many tests did what.
///
/// # Errors
/// When writing fails.
pub fn totals(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let all = &record.totals;
    let outcomes: Vec<String> = [
        Outcome::Passed,
        Outcome::Failed,
        Outcome::Error,
        Outcome::Crashed,
        Outcome::Skipped,
        Outcome::Xfailed,
        Outcome::Xpassed,
    ]
    .into_iter()
    .filter_map(|o| all.outcomes.get(&o).map(|n| format!("{} {}", amount::number(*n), o.name())))
    .collect();
    writeln!(
        out,
        "Measured {} in {}: {}.",
        counted(all.tests, "test"),
        seconds(record.took_s),
        if outcomes.is_empty() { "none ended".to_owned() } else { outcomes.join(", ") }
    )?;
    let mut parts = vec![format!("{} asleep", seconds(all.sleep_s)), format!("{} in waits", seconds(all.wait_s))];
    if all.virtual_s > 0.0 {
        parts.push(format!("{} saved by fast_time", seconds(all.virtual_s)));
    }
    parts.push(format!("{} (at most {} alive)", counted(all.threads_started, "thread"), amount::number(all.threads_alive)));
    if all.threads_leaked > 0 {
        parts.push(format!("{} left behind", amount::number(all.threads_leaked)));
    }
    if all.processes > 0 {
        parts.push(if all.processes == 1 {
            "1 process".to_owned()
        } else {
            format!("{} processes", amount::number(all.processes))
        });
    }
    if let Some(peak) = all.alloc_peak {
        parts.push(format!("{} at the peak of a test", amount::bytes(peak)));
    }
    if all.joins_untimed > 0 {
        parts.push(format!("{} without a timeout", counted(all.joins_untimed, "join")));
    }
    writeln!(out, "{}.", parts.join(", "))
}

/// Tests that ended badly, with the first line of why.
///
/// # Errors
/// When writing fails.
pub fn failures(record: &Record, top: usize, out: &mut dyn Write) -> io::Result<()> {
    let bad: Vec<_> = record.tests.iter().filter(|t| t.outcome.is_bad()).collect();
    for test in bad.iter().take(top) {
        let why = test.why.as_deref().map_or_else(String::new, |why| format!(": {}", shown::escaped(why)));
        writeln!(out, "{} {}{why}", test.outcome.name(), shown::escaped(&test.test))?;
    }
    more(bad.len(), top, "test", out)
}

/// How a run ended that did not finish, as the rest of a sentence about pytest.
#[must_use]
pub fn ending(ended: &Ended) -> String {
    let how = match ended.how {
        EndedHow::Finished => "pytest finished".to_owned(),
        EndedHow::Crashed => match (ended.signal, ended.exit) {
            (Some(signal), _) => format!("pytest was ended by {}", signal_name(signal)),
            (None, code) => format!("pytest's process ended with code {} in the middle of the run", code.unwrap_or(-1)),
        },
        EndedHow::Interrupted => "the run was interrupted".to_owned(),
        EndedHow::Hung => "nothing ended for too long, so the run was ended".to_owned(),
        EndedHow::Lost => "the run was killed, and testdiet with it".to_owned(),
    };
    let tests: Vec<String> = ended.running.iter().map(|r| shown::escaped(&r.test).into_owned()).collect();
    let during = match (tests.as_slice(), &ended.collecting, &ended.last) {
        _ if ended.how == EndedHow::Finished => String::new(),
        ([], Some(file), _) => format!(" while {} was imported", shown::escaped(file)),
        ([], None, Some(last)) => format!(" after {} and before another test", shown::escaped(last)),
        ([], None, None) => " before the first test".to_owned(),
        (tests, _, _) => format!(" while {} ran", tests.join(" and ")),
    };
    how + &during
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        2 => " (SIGINT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    };
    format!("signal {signal}{name}")
}

/// The state of the process before a test that did not end.
///
/// # Errors
/// When writing fails.
pub fn culprits(running: &[Running], out: &mut dyn Write) -> io::Result<()> {
    for test in running {
        let worker = test.worker.as_deref().map_or_else(String::new, |w| format!(" (worker {})", shown::escaped(w)));
        writeln!(out, "{s}{}{s:#}{worker}", shown::escaped(&test.test), s = style::STRONG)?;
        let before = &test.before;
        let mut parts = vec![counted(before.threads, "thread")];
        if before.memory > 0 {
            parts.push(amount::bytes(before.memory));
        }
        if let Some(descriptors) = before.descriptors {
            parts.push(counted(descriptors, "descriptor"));
        }
        writeln!(out, "    before it: {}", parts.join(", "))?;
    }
    Ok(())
}

/// The history, the oldest first. `now` is in seconds since 1970.
///
/// # Errors
/// When writing fails.
pub fn trend(records: &[Record], now: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["run", "when", "tests", "failed", "time", "asleep", "waiting", "threads", "alive", "left", ""]);
    for record in records {
        let all = &record.totals;
        let mut notes = Vec::new();
        notes.extend((record.ended.how != EndedHow::Finished).then(|| ending(&record.ended)));
        notes.extend(record.header.constrain.as_ref().map(|name| format!("--constrain {name}")));
        notes.extend(record.header.alloc.then(|| "--alloc".to_owned()));
        notes.extend((record.workers > 0).then(|| format!("{} workers", record.workers)));
        table.row(vec![
            record.header.run.to_string(),
            ago(now.saturating_sub(record.header.started)),
            count(all.tests),
            count(all.bad()),
            seconds(record.took_s),
            time(all.sleep_s),
            time(all.wait_s),
            count(all.threads_started),
            count(all.threads_alive),
            count(all.threads_leaked),
            notes.join(", "),
        ]);
    }
    table.write(out)
}

/// How long ago something was.
#[must_use]
pub fn ago(seconds: u64) -> String {
    match seconds {
        0..=59 => "just now".to_owned(),
        60..=5_399 => format!("{} min ago", (seconds + 30) / 60),
        5_400..=129_599 => format!("{} h ago", (seconds + 1_800) / 3_600),
        _ => format!("{} days ago", (seconds + 43_200) / 86_400),
    }
}
