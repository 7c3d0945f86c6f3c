//! `gitlab`: a code quality report, which GitLab shows in a merge request.

use std::io::{self, Write};

use serde::Serialize;

use super::View;
use crate::engine::Checked;
use crate::finding::{Finding, Severity};
use crate::fingerprint::{self, Fingerprint};
use crate::source::Location;

#[derive(Serialize)]
struct Issue<'a> {
    description: String,
    check_name: &'a str,
    fingerprint: Fingerprint,
    severity: &'static str,
    location: Place,
}

#[derive(Serialize)]
struct Place {
    path: String,
    positions: Positions,
}

#[derive(Serialize)]
struct Positions {
    begin: Position,
    end: Position,
}

#[derive(Serialize)]
struct Position {
    line: u32,
    column: u32,
}

impl From<Location> for Position {
    fn from(at: Location) -> Self {
        Self { line: at.row, column: at.column }
    }
}

/// Writes all findings as one array.
///
/// # Errors
/// When writing fails.
pub fn write(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let prints = fingerprint::of(&checked.findings, &view.root);
    let issues: Vec<Issue<'_>> = checked.findings.iter().zip(prints).map(|(f, print)| issue(f, print, view)).collect();
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    writeln!(out)
}

fn issue<'a>(finding: &'a Finding, fingerprint: Fingerprint, view: &View) -> Issue<'a> {
    Issue {
        description: format!("{}: {}", finding.code, finding.message),
        check_name: finding.code.as_str(),
        fingerprint,
        severity: match finding.severity {
            Severity::Error => "critical",
            Severity::Warning => "major",
            Severity::Info => "info",
        },
        location: Place {
            path: view.in_project(&finding.file),
            positions: Positions {
                begin: finding.source.location(finding.span.start).into(),
                end: finding.source.location(finding.span.end).into(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::samples::{self, checked, plain, view};
    use super::*;

    #[test]
    fn one_issue_each() {
        samples::snapshot("gitlab", &plain(|out| write(&samples::several(), &view(), out)));
    }

    #[test]
    fn no_two_issues_have_one_fingerprint() {
        let same = || samples::finding("/work/a.py", "sleep(2)\n", "sleep(2)");
        let text = plain(|out| write(&checked(vec![same(), same(), same()]), &view(), out));
        let issues: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let prints: BTreeSet<&str> = issues.iter().map(|issue| issue["fingerprint"].as_str().unwrap()).collect();
        assert_eq!(prints.len(), 3);
    }
}
