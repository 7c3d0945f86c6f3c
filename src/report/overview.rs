//! What a terminal shows instead of hundreds of findings: a table by rule, the ten costliest, and the next command.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{View, amount, shown, style};
use crate::edit::Applicability;
use crate::engine::Checked;
use crate::finding::{Cost, Finding};
use crate::rules::Code;

/// Findings that are still shown one by one.
pub const LIMIT: usize = 50;

/// How many of the costliest are named.
const COSTLIEST: usize = 10;

/// Whether the overview stands in for the findings: only when nobody asked for a format, and somebody is watching.
#[must_use]
pub const fn stands_in(findings: usize, format_requested: bool, terminal: bool) -> bool {
    terminal && !format_requested && findings > LIMIT
}

/// Writes the overview.
///
/// # Errors
/// When writing fails.
pub fn write(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    by_rule(checked, view, out)?;
    let mut findings: Vec<&Finding> = checked.findings.iter().collect();
    // The sort is stable: of equally costly ones, those of the first files.
    findings.sort_by(|a, b| costlier(&a.cost, &b.cost));
    let (strong, code, dim) = (style::STRONG, style::CODE, style::DIM);
    writeln!(out, "\n{strong}The {COSTLIEST} costliest:{strong:#}")?;
    for finding in findings.into_iter().take(COSTLIEST) {
        let name = shown::escaped(finding.code.as_str());
        let message = shown::Line::new(&finding.message).window(&(0..0), &[], shown::LIMIT).text();
        writeln!(out, "  {}: {code}{name}{code:#}{} {message}", view.position(finding), view.mark(finding))?;
    }
    writeln!(out, "\n{strong}Next:{strong:#} {}", next(checked, view))?;
    writeln!(out, "{dim}`--output-format full` prints all of them with their source, `concise` in one line each.{dim:#}")
}

fn by_rule(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let mut rules: BTreeMap<&Code, Vec<&Finding>> = BTreeMap::new();
    for finding in &checked.findings {
        rules.entry(&finding.code).or_default().push(finding);
    }
    let mut rules: Vec<(&Code, Vec<&Finding>)> = rules.into_iter().collect();
    rules.sort_by_key(|(_, findings)| std::cmp::Reverse(findings.len()));
    let rows: Vec<[String; 4]> = rules
        .iter()
        .map(|(code, findings)| {
            let fixable = findings.iter().filter(|f| view.applies(f)).count();
            let cost = amount::sum(findings.iter().map(|f| &f.cost));
            [
                shown::escaped(code.as_str()).into_owned(),
                amount::number(findings.len()),
                amount::number(fixable),
                amount::cost(&cost),
            ]
        })
        .collect();
    let heads = ["rule", "findings", "fixable", "cost"];
    let width = |i: usize| rows.iter().map(|row| shown::width(&row[i])).chain([heads[i].len()]).max().unwrap_or(0);
    let (a, b, c) = (width(0), width(1), width(2));
    let (strong, code) = (style::STRONG, style::CODE);
    writeln!(out, "{strong}{:<a$}  {:>b$}  {:>c$}  {}{strong:#}", heads[0], heads[1], heads[2], heads[3])?;
    for [rule, findings, fixable, cost] in rows {
        let line = format!("{code}{rule:<a$}{code:#}  {findings:>b$}  {fixable:>c$}  {cost}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Orders the costlier first. Seconds come first because they are what a run is felt by; then what crashes one.
fn costlier(a: &Cost, b: &Cost) -> Ordering {
    b.sleep_s
        .total_cmp(&a.sleep_s)
        .then(b.threads.cmp(&a.threads))
        .then(b.bytes.cmp(&a.bytes))
        .then(b.iterations.cmp(&a.iterations))
}

/// The command that helps most now.
fn next(checked: &Checked, view: &View) -> String {
    let at_least =
        |level| checked.findings.iter().filter(|f| f.fix.as_ref().is_some_and(|fix| fix.applicability >= level)).count();
    let (now, any) = (at_least(view.applies), at_least(Applicability::Unsafe));
    let flag = if view.applies == Applicability::Safe { "" } else { " --unsafe-fixes" };
    if now > 0 {
        let fixes = if now == 1 { "fix" } else { "fixes" };
        format!("`testdiet fix{flag} --diff` shows {} {fixes}, `testdiet fix{flag}` applies them.", amount::number(now))
    } else if any > 0 {
        format!("no fix is safe; `testdiet fix --unsafe-fixes --diff` shows {}.", amount::number(any))
    } else {
        "nothing here can be fixed for you; begin with the costliest.".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, checked, plain, view};
    use super::*;

    #[test]
    fn stands_in_only_for_many_unasked_on_a_terminal() {
        assert!(stands_in(51, false, true));
        assert!(!stands_in(50, false, true));
        assert!(!stands_in(51, true, true));
        assert!(!stands_in(51, false, false));
    }

    #[test]
    fn a_table_the_costliest_and_what_to_do() {
        let mut findings = Vec::new();
        for i in 0..15_u32 {
            for mut finding in samples::several().findings {
                finding.cost.sleep_s *= f64::from(i);
                findings.push(finding);
            }
        }
        samples::snapshot("overview", &plain(|out| write(&checked(findings), &view(), out)));
    }

    #[test]
    fn the_next_command_fits_what_there_is() {
        let all = samples::several();
        let only = |i: usize| checked(vec![all.findings[i].clone()]);
        assert!(next(&only(1), &view()).starts_with("`testdiet fix --diff` shows 1 fix,"));
        assert!(next(&only(0), &view()).starts_with("no fix is safe; `testdiet fix --unsafe-fixes --diff` shows 1."));
        assert!(next(&only(2), &view()).starts_with("nothing here"));
        let unsafe_view = View { applies: Applicability::Unsafe, ..view() };
        assert!(next(&only(0), &unsafe_view).starts_with("`testdiet fix --unsafe-fixes --diff` shows 1 fix,"));
    }
}
