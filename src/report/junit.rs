//! `junit`: a test suite a file and a failure a finding, for everything that shows test results and nothing else.

use std::io::{self, Write};

use super::View;
use super::markup::escaped;
use crate::edit::Applicability;
use crate::engine::Checked;
use crate::finding::Finding;

/// Writes all findings.
///
/// # Errors
/// When writing fails.
pub fn write(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let all = checked.findings.len();
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    if all == 0 {
        // Readers take a report without any test for a broken one.
        writeln!(out, r#"<testsuites name="testdiet" tests="1" failures="0" errors="0">"#)?;
        writeln!(out, r#"  <testsuite name="testdiet" tests="1" failures="0" errors="0">"#)?;
        writeln!(out, r#"    <testcase name="nothing found" classname="testdiet"/>"#)?;
        writeln!(out, "  </testsuite>")?;
        return writeln!(out, "</testsuites>");
    }
    writeln!(out, r#"<testsuites name="testdiet" tests="{all}" failures="{all}" errors="0">"#)?;
    for findings in checked.findings.chunk_by(|a, b| a.file == b.file) {
        let (file, n) = (escaped(&view.in_project(&findings[0].file)), findings.len());
        writeln!(out, r#"  <testsuite name="{file}" tests="{n}" failures="{n}" errors="0">"#)?;
        for finding in findings {
            case(finding, &file, out)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn case(finding: &Finding, file: &str, out: &mut dyn Write) -> io::Result<()> {
    let at = finding.source.location(finding.span.start);
    let (row, column, code) = (at.row, at.column, escaped(finding.code.as_str()));
    let message = escaped(&finding.message);
    // Names are how readers tell cases apart: two findings of a rule in a file differ by their place.
    writeln!(out, r#"    <testcase name="{code} at {row}:{column}" classname="{file}" file="{file}" line="{row}">"#)?;
    write!(out, r#"      <failure type="{code}" message="{message}">{file}:{row}:{column}: {code} {message}"#)?;
    let more = [
        finding.test.as_ref().map(|test| format!("test: {test}")),
        finding.fix.as_ref().map(|fix| {
            let reason = fix.reason.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
            let risk = if fix.applicability == Applicability::Safe { "" } else { "unsafe " };
            format!("{risk}fix: {}{reason}", fix.message)
        }),
        finding.declined.as_ref().map(|why| format!("no fix: {why}")),
    ];
    for line in more.into_iter().flatten() {
        write!(out, "\n{}", escaped(&line))?;
    }
    writeln!(out, "</failure>\n    </testcase>")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, checked, plain, view};
    use super::*;

    #[test]
    fn a_suite_a_file_and_a_failure_a_finding() {
        samples::snapshot("junit", &plain(|out| write(&samples::several(), &view(), out)));
    }

    #[test]
    fn nothing_found_is_a_test_that_passes() {
        let text = plain(|out| write(&checked(Vec::new()), &view(), out));
        assert!(text.contains(r#"tests="1" failures="0""#) && !text.contains("<failure"), "{text}");
    }
}
