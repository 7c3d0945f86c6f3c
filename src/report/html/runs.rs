//! What runs of the tests say on the page: before and after, the trend of the runs that were kept, and what the last one cost.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::super::amount;
use super::super::markup::escaped;
use super::super::measured::{counted, seconds};
use super::super::totals::Limits;
use super::chart::{self, Bar, Budget, Pair};
use crate::measure::{EndedHow, Record, judge};
use crate::verify::Figures;

/// What the proof of this run measured, without the fixes and with them.
pub(super) fn proven(before: &Figures, after: &Figures, out: &mut dyn Write) -> io::Result<()> {
    if after.tests == 0 {
        return Ok(());
    }
    let tests = amount::counted(after.tests, "test");
    writeln!(out, "<h2>Proven</h2>\n<p class=\"soft\">What {tests} did without the fixes and with them, measured.</p>")?;
    chart::pairs(
        &[
            pair("asleep", before.sleep_s, after.sleep_s, seconds),
            pair("runtime of the tests", before.runtime_s, after.runtime_s, seconds),
            pair("threads started", before.started as f64, after.started as f64, count),
            pair("threads at the peak", before.peak as f64, after.peak as f64, count),
            pair("joins without a timeout", before.bare_joins as f64, after.bare_joins as f64, count),
        ],
        out,
    )
}

/// The runs of a suite that were kept, the oldest first.
pub(super) fn measured(records: &[Record], limits: Option<&Limits>, out: &mut dyn Write) -> io::Result<()> {
    let Some(last) = records.last() else { return Ok(()) };
    writeln!(out, "<h2>Measured</h2>\n<p class=\"soft\">What the tests did when <code>testdiet measure</code> ran them.</p>")?;
    // A run of other tests, or one that did not end, says nothing of before and after: the last is taken that has one like it.
    let like = |last| records.iter().filter(|r| finished(r) && alike(r, last)).collect::<Vec<_>>();
    let like = records.iter().rev().map(like).find(|like| like.len() > 1).unwrap_or_default();
    if let [first, .., last] = like.as_slice() {
        between(first, last, out)?;
    }
    if like.len() > 2 {
        trend(&like, limits, out)?;
    }
    if records.len() > 1 {
        table(records, out)?;
    }
    costs(last, limits, out)
}

fn finished(record: &Record) -> bool {
    record.ended.how == EndedHow::Finished
}

/// Whether two runs were of the same tests in the same way.
fn alike(a: &Record, b: &Record) -> bool {
    a.comparable(b) && a.header.arguments == b.header.arguments
}

/// The first run beside the last.
fn between(first: &Record, last: &Record, out: &mut dyn Write) -> io::Result<()> {
    let (was, now) = (&first.totals, &last.totals);
    writeln!(out, "<section>\n<h3>Before and after</h3>")?;
    let tests = |record: &Record| {
        let (tests, bad) = (counted(record.totals.tests, "test"), record.totals.bad());
        let failed = if bad > 0 { format!(", {} failed", amount::number(bad)) } else { String::new() };
        format!("run {} of {}: {tests}{failed}", record.header.run, amount::date(record.header.started))
    };
    writeln!(out, "<p class=\"soft\">{} → {}</p>", escaped(&tests(first)), escaped(&tests(last)))?;
    let peak = |peak: Option<u64>| peak.unwrap_or(0) as f64;
    chart::pairs(
        &[
            pair("time of the run", first.took_s, last.took_s, seconds),
            pair("asleep", was.sleep_s, now.sleep_s, seconds),
            pair("in waits", was.wait_s, now.wait_s, seconds),
            pair("saved by fast_time", was.virtual_s, now.virtual_s, seconds).gained(),
            pair("threads started", was.threads_started as f64, now.threads_started as f64, count),
            pair("threads alive at the peak", was.threads_alive as f64, now.threads_alive as f64, count),
            pair("threads left behind", was.threads_leaked as f64, now.threads_leaked as f64, count),
            pair("joins without a timeout", was.joins_untimed as f64, now.joins_untimed as f64, count),
            pair("allocated at the peak of a test", peak(was.alloc_peak), peak(now.alloc_peak), bytes),
        ],
        out,
    )?;
    writeln!(out, "</section>")
}

/// How the runs went, one beside the other.
fn trend(records: &[&Record], limits: Option<&Limits>, out: &mut dyn Write) -> io::Result<()> {
    let name = |r: &Record| format!("run {}, {}", r.header.run, amount::date(r.header.started));
    let of = |value: fn(&Record) -> f64| -> Vec<Bar> { records.iter().map(|r| Bar::measured(name(r), value(r))).collect() };
    writeln!(out, "<div class=\"charts\">")?;
    chart::columns("Time of a run", &of(|r| r.took_s), None, out)?;
    let charged = of(|r| r.tests.iter().map(|t| judge::charged(t).0).sum());
    chart::columns("Sleep charged to the budget", &charged, limits.map(|l| Budget::seconds(l.sleep_per_suite)).as_ref(), out)?;
    let alive: Vec<Bar> = records.iter().map(|r| Bar::count(name(r), r.totals.threads_alive)).collect();
    chart::columns("Threads alive at the peak", &alive, None, out)?;
    writeln!(out, "</div>")
}

/// All runs, with their figures.
fn table(records: &[Record], out: &mut dyn Write) -> io::Result<()> {
    let runs = amount::counted(records.len(), "run");
    writeln!(out, "<details>\n<summary>All {runs} that were kept</summary>\n<div class=\"wide\"><table>")?;
    writeln!(
        out,
        "<thead><tr><th>run</th><th>when</th><th>tests</th><th>failed</th><th>time</th><th>asleep</th><th>threads alive</th>\
         <th></th></tr></thead>\n<tbody>"
    )?;
    for record in records.iter().rev() {
        let (all, header) = (&record.totals, &record.header);
        let mut notes: Vec<String> = Vec::new();
        notes.extend((!finished(record)).then(|| "did not finish".to_owned()));
        notes.extend((!header.arguments.is_empty()).then(|| header.arguments.join(" ")));
        notes.extend(header.constrain.as_ref().map(|name| format!("--constrain {name}")));
        notes.extend(header.alloc.then(|| "--alloc".to_owned()));
        notes.extend((record.workers > 0).then(|| counted(record.workers, "worker")));
        write!(out, "<tr><td>{}</td><td class=\"number\">{}</td>", header.run, amount::date(header.started))?;
        for figure in [
            amount::number(all.tests),
            amount::number(all.bad()),
            seconds(record.took_s),
            seconds(all.sleep_s),
            amount::number(all.threads_alive),
        ] {
            write!(out, "<td class=\"number\">{}</td>", escaped(&figure))?;
        }
        writeln!(out, "<td>{}</td></tr>", escaped(&notes.join(", ")))?;
    }
    writeln!(out, "</tbody>\n</table></div>\n</details>")
}

/// The tests and files that took longest in the last run.
fn costs(last: &Record, limits: Option<&Limits>, out: &mut dyn Write) -> io::Result<()> {
    let budget = |of: fn(&Limits) -> f64| limits.map(|l| Budget::seconds(of(l)));
    let run = format!("run {}", last.header.run);
    let tests = last.tests.iter().map(|t| Bar::measured(t.test.clone(), t.wall_s).free(t.slow)).collect();
    chart::bars(&format!("Tests that took longest in {run}"), tests, budget(|l| l.test_runtime).as_ref(), out)?;
    let mut files: BTreeMap<&str, f64> = BTreeMap::new();
    for test in &last.tests {
        *files.entry(test.file()).or_default() += judge::charged(test).1;
    }
    let files = files.into_iter().map(|(file, wall)| Bar::measured(file.to_owned(), wall)).collect();
    chart::bars(&format!("Files that took longest in {run}"), files, budget(|l| l.file_runtime).as_ref(), out)?;
    writeln!(out, "<h2>From the source</h2>\n<p class=\"soft\">What testdiet reads without running anything.</p>")
}

fn pair(name: &'static str, was: f64, now: f64, unit: fn(f64) -> String) -> Pair {
    Pair { name, values: [was, now], unit, gain: false }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a whole number")]
fn count(value: f64) -> String {
    amount::number(value as u64)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a whole number of bytes")]
fn bytes(value: f64) -> String {
    amount::bytes(value as u64)
}
