//! `json` and `json-lines`: ruff's keys and ours, one contract for both. Rows and columns from 1, columns in characters,
//! ends exclusive, names relative to the working directory with `/`.

use std::io::{self, Write};

use serde::Serialize;

use super::{Sources, View};
use crate::edit::{Applicability, Edit, Fix};
use crate::engine::Checked;
use crate::finding::{Cost, Finding, Severity};
use crate::source::Location;

/// A finding; the order of the fields is the order of the keys.
#[derive(Serialize)]
struct Item<'a> {
    code: &'a str,
    name: &'a str,
    message: &'a str,
    severity: Severity,
    filename: String,
    location: Point,
    end_location: Point,
    fix: Option<ItemFix<'a>>,
    declined: Option<&'a str>,
    test: Option<&'a str>,
    cost: Cost,
    /// There is no site to link to yet.
    url: Option<&'a str>,
}

#[derive(Serialize)]
struct ItemFix<'a> {
    applicability: Applicability,
    reason: Option<&'a str>,
    message: &'a str,
    edits: Vec<ItemEdit<'a>>,
    group: &'a str,
}

#[derive(Serialize)]
struct ItemEdit<'a> {
    filename: String,
    content: &'a str,
    /// `null` only when the file was not read in this run, so that its rows are unknown.
    location: Option<Point>,
    end_location: Option<Point>,
}

#[derive(Serialize)]
struct Point {
    row: u32,
    column: u32,
}

impl From<Location> for Point {
    fn from(at: Location) -> Self {
        Self { row: at.row, column: at.column }
    }
}

/// Writes all findings as one array.
///
/// # Errors
/// When writing fails.
pub fn write(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let sources = Sources::new(checked);
    let items: Vec<Item<'_>> = checked.findings.iter().map(|f| item(f, &sources, view)).collect();
    serde_json::to_writer_pretty(&mut *out, &items)?;
    writeln!(out)
}

/// Writes one object a line.
///
/// # Errors
/// When writing fails.
pub fn write_lines(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let sources = Sources::new(checked);
    for finding in &checked.findings {
        serde_json::to_writer(&mut *out, &item(finding, &sources, view))?;
        writeln!(out)?;
    }
    Ok(())
}

fn item<'a>(finding: &'a Finding, sources: &Sources<'_>, view: &View) -> Item<'a> {
    Item {
        code: finding.code.as_str(),
        name: super::title(&finding.code),
        message: &finding.message,
        severity: finding.severity,
        filename: view.name(&finding.file),
        location: finding.source.location(finding.span.start).into(),
        end_location: finding.source.location(finding.span.end).into(),
        fix: finding.fix.as_ref().map(|fix| item_fix(fix, sources, view)),
        declined: finding.declined.as_deref(),
        test: finding.test.as_deref(),
        cost: finding.cost,
        url: None,
    }
}

fn item_fix<'a>(fix: &'a Fix, sources: &Sources<'_>, view: &View) -> ItemFix<'a> {
    ItemFix {
        applicability: fix.applicability,
        reason: fix.reason.as_deref(),
        message: &fix.message,
        edits: fix.edits.iter().map(|edit| item_edit(edit, sources, view)).collect(),
        group: &fix.group,
    }
}

fn item_edit<'a>(edit: &'a Edit, sources: &Sources<'_>, view: &View) -> ItemEdit<'a> {
    let at = |offset| sources.get(&edit.file).map(|source| source.location(offset).into());
    ItemEdit {
        filename: view.name(&edit.file),
        content: &edit.content,
        location: at(edit.span.start),
        end_location: at(edit.span.end),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, checked, plain, view};
    use super::*;

    #[test]
    fn the_contract() {
        samples::snapshot("json", &plain(|out| write(&samples::several_of_a_project(), &view(), out)));
    }

    #[test]
    fn lines_hold_the_same_objects() {
        let whole = plain(|out| write(&samples::several(), &view(), out));
        let whole: Vec<serde_json::Value> = serde_json::from_str(&whole).unwrap();
        let lines = plain(|out| write_lines(&samples::several(), &view(), out));
        let lines: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(whole, lines);
    }

    #[test]
    fn nothing_found_is_still_json() {
        let none = checked(Vec::new());
        assert_eq!(plain(|out| write(&none, &view(), out)), "[]\n");
        assert_eq!(plain(|out| write_lines(&none, &view(), out)), "");
    }

    #[test]
    fn columns_count_characters() {
        let found = samples::finding("a.py", "é = '漢'; time.sleep(2.5)\n", "time.sleep(2.5)");
        let text = plain(|out| write_lines(&checked(vec![found]), &view(), out));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["location"]["column"], &value["end_location"]["column"]), (&10.into(), &25.into()));
    }
}
