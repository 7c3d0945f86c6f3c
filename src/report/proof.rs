//! A proof for people and programs: what became of each fix, and the post-mortem's table, measured without and with them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use super::{View, amount, json, shown, style};
use crate::engine::Checked;
use crate::rules::Code;
use crate::verify::{Fate, Figures, Judged, Proof, Spent};

/// Most names of tests in one line.
const NAMES: usize = 5;

/// Writes it. The largest allocations before and after are known from the source.
///
/// # Errors
/// When writing fails.
pub fn write(proof: &Proof, allocation: (u64, u64), view: &View, out: &mut dyn Write) -> io::Result<()> {
    refused(proof, view, out)?;
    if proof.judged.is_empty() {
        return Ok(());
    }
    by_rule(proof, out)?;
    if proof.before.tests > 0 && proof.judged.iter().any(|j| j.fate.keeps()) {
        writeln!(out)?;
        table(&proof.before, &proof.after, allocation, out)?;
    }
    cost(&proof.spent, out)?;
    notes(proof, out)
}

/// The largest allocation that is seen in the source, in bytes.
#[must_use]
pub fn largest(checked: &Checked) -> u64 {
    checked.totals.iter().map(|t| t.cost.bytes).max().unwrap_or_default()
}

/// The fixes that were not kept, each with the reason.
fn refused(proof: &Proof, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let (place, code, dim) = (style::PLACE, style::CODE, style::DIM);
    for judged in &proof.judged {
        let (word, reason, tail) = match &judged.fate {
            Fate::Proven | Fate::Relaxed => continue,
            Fate::Dropped { test, reason, tail } => {
                let before = if judged.remembered { " (in an earlier run; nothing it rests on has changed)" } else { "" };
                ("dropped", format!("{test}: {reason}{before}"), tail.as_deref())
            }
            Fate::Held { reason } => ("held back", reason.clone(), None),
        };
        let Some(first) = judged.findings.first() else { continue };
        let at = first.source.location(first.span.start);
        let rule = shown::escaped(first.code.as_str());
        let message = judged.messages.first().map_or("", String::as_str);
        writeln!(
            out,
            "{place}{}:{}:{}{place:#}: {code}{rule}{code:#} {word}: {}",
            view.shown(&first.file),
            at.row,
            at.column,
            shown::escaped(message)
        )?;
        writeln!(out, "  {}", shown::escaped(&reason))?;
        for line in tail.into_iter().flat_map(str::lines) {
            writeln!(out, "  {dim}| {}{dim:#}", shown::Line::new(line).whole())?;
        }
    }
    Ok(())
}

/// Fixes by rule: how many were proven, relaxed, dropped, held back.
fn by_rule(proof: &Proof, out: &mut dyn Write) -> io::Result<()> {
    let mut rules: BTreeMap<&Code, [usize; 4]> = BTreeMap::new();
    for judged in &proof.judged {
        let column = match judged.fate {
            Fate::Proven => 0,
            Fate::Relaxed => 1,
            Fate::Dropped { .. } => 2,
            Fate::Held { .. } => 3,
        };
        if let Some(first) = judged.findings.first() {
            rules.entry(&first.code).or_default()[column] += 1;
        }
    }
    let strong = style::STRONG;
    writeln!(out, "{strong}{:>8} {:>8} {:>8} {:>10}  fixes{strong:#}", "proven", "relaxed", "dropped", "held back")?;
    for (code, [proven, relaxed, dropped, held]) in rules {
        writeln!(out, "{proven:>8} {relaxed:>8} {dropped:>8} {held:>10}  {}", shown::escaped(code.as_str()))?;
    }
    Ok(())
}

fn table(before: &Figures, after: &Figures, allocation: (u64, u64), out: &mut dyn Write) -> io::Result<()> {
    let strong = style::STRONG;
    let title = format!("{}, measured", amount::counted(after.tests, "test"));
    writeln!(out, "{strong}{title:28}{:>12}{:>12}{:>9}{strong:#}", "before", "after", "change")?;
    let mut row = |title: &str, was: f64, now: f64, unit: &dyn Fn(f64) -> String| {
        let change = amount::change(was, now);
        writeln!(out, "{title:28}{:>12}{:>12}{change:>9}", unit(was), unit(now))
    };
    let seconds = |v: f64| format!("{v:.1} s");
    let count = |v: f64| format!("{v:.0}");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a whole number of bytes")]
    let bytes = |v: f64| amount::bytes(v as u64);
    row("asleep", before.sleep_s, after.sleep_s, &seconds)?;
    row("threads started", before.started as f64, after.started as f64, &count)?;
    row("threads at the peak", before.peak as f64, after.peak as f64, &count)?;
    if allocation.0 > 0 {
        row("largest allocation (source)", allocation.0 as f64, allocation.1 as f64, &bytes)?;
    }
    row("runtime of the tests", before.runtime_s, after.runtime_s, &seconds)?;
    row("joins without a timeout", before.bare_joins as f64, after.bare_joins as f64, &count)
}

/// What the proof itself took.
fn cost(spent: &Spent, out: &mut dyn Write) -> io::Result<()> {
    if spent.baseline_s == 0.0 {
        return Ok(());
    }
    let runs = amount::counted(spent.runs, "run");
    writeln!(
        out,
        "proven in {:.1} s without fixes, twice side by side, and {:.1} s for {runs} after that",
        spent.baseline_s, spent.runs_s
    )
}

/// What limits the proof.
fn notes(proof: &Proof, out: &mut dyn Write) -> io::Result<()> {
    let listed = |tests: &[String]| {
        let mut text = tests.iter().take(NAMES).map(|t| shown::escaped(t).into_owned()).collect::<Vec<_>>().join(", ");
        if tests.len() > NAMES {
            _ = write!(text, " and {} more", amount::number(tests.len() - NAMES));
        }
        text
    };
    for (tests, what) in
        [(&proof.red, "fail without any fix"), (&proof.flaky, "do not end the same way each time without any fix")]
    {
        if !tests.is_empty() {
            writeln!(out, "note: {} that {what} prove nothing: {}", amount::counted(tests.len(), "test"), listed(tests))?;
        }
    }
    for (file, tail) in &proof.uncollected {
        let last = tail.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default();
        writeln!(out, "note: pytest cannot import {}: {}", shown::escaped(file), shown::escaped(last.trim()))?;
    }
    if proof.interrupted {
        writeln!(out, "note: interrupted before the fixes had done well as often as was asked for")?;
    }
    match proof.coverage {
        Some(true) => {}
        _ if proof.candidates == 0 => {}
        Some(false) => {
            writeln!(out, "note: `coverage` is not installed there, so that the same lines run was not part of the proof")?;
        }
        None => {
            writeln!(out, "note: no test ran a line of the product that could be measured, so lines were not part of the proof")?;
        }
    }
    if !proof.written.is_empty() {
        let written: Vec<String> = proof.written.iter().map(|p| p.display().to_string()).collect();
        writeln!(out, "note: the tests write into the project (here into a copy of it): {}", listed(&written))?;
    }
    Ok(())
}

/// A proof for programs: `fixes`, `before`, `after`, notes, and the findings that remain.
#[derive(Serialize)]
struct Whole<'a> {
    fixes: Vec<OneFix<'a>>,
    before: &'a Figures,
    after: &'a Figures,
    red: &'a [String],
    flaky: &'a [String],
    uncollected: &'a BTreeMap<String, String>,
    coverage: Option<bool>,
    written: Vec<String>,
    candidates: usize,
    spent: Spent,
    interrupted: bool,
    remaining: serde_json::Value,
}

#[derive(Serialize)]
struct OneFix<'a> {
    code: &'a str,
    filename: String,
    row: u32,
    messages: &'a [String],
    fate: &'static str,
    remembered: bool,
    test: Option<&'a str>,
    reason: Option<&'a str>,
    tail: Option<&'a str>,
}

/// Writes one object.
///
/// # Errors
/// When writing fails.
pub fn write_json(proof: &Proof, remaining: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let mut findings = Vec::new();
    json::write(remaining, view, &mut findings)?;
    let whole = Whole {
        fixes: proof.judged.iter().filter_map(|j| one(j, view)).collect(),
        before: &proof.before,
        after: &proof.after,
        red: &proof.red,
        flaky: &proof.flaky,
        uncollected: &proof.uncollected,
        coverage: proof.coverage,
        written: proof.written.iter().map(|p| p.to_string_lossy().replace('\\', "/")).collect(),
        candidates: proof.candidates,
        spent: proof.spent,
        interrupted: proof.interrupted,
        remaining: serde_json::from_slice(&findings)?,
    };
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    writeln!(out)
}

fn one<'a>(judged: &'a Judged, view: &View) -> Option<OneFix<'a>> {
    let first = judged.findings.first()?;
    let (fate, test, reason, tail) = match &judged.fate {
        Fate::Proven => ("proven", None, None, None),
        Fate::Relaxed => ("relaxed", None, None, None),
        Fate::Dropped { test, reason, tail } => ("dropped", Some(test.as_str()), Some(reason.as_str()), tail.as_deref()),
        Fate::Held { reason } => ("held", None, Some(reason.as_str()), None),
    };
    Some(OneFix {
        code: first.code.as_str(),
        filename: view.name(&first.file),
        row: first.source.location(first.span.start).row,
        messages: &judged.messages,
        fate,
        remembered: judged.remembered,
        test,
        reason,
        tail,
    })
}
