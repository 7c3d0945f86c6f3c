//! `github`: one annotation a finding, as GitHub Actions reads them from the output of a step.

use std::io::{self, Write};

use super::{View, shown};
use crate::engine::Checked;
use crate::finding::Severity;

/// Writes all findings.
///
/// # Errors
/// When writing fails.
pub fn write(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    for finding in &checked.findings {
        let level = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "notice",
        };
        let code = shown::escaped(finding.code.as_str());
        let file = view.in_project(&finding.file);
        let (start, end) = (finding.source.location(finding.span.start), finding.source.location(finding.span.end));
        // Columns are only heeded, and end columns only make sense, within one line.
        let columns = (start.row == end.row).then_some((start.column, end.column));
        write!(out, "::{level} title=testdiet ({}),file={},line={}", property(&code), property(&file), start.row)?;
        match columns {
            Some((from, to)) => write!(out, ",col={from},endLine={},endColumn={to}", end.row)?,
            None => write!(out, ",endLine={}", end.row)?,
        }
        // The log shows the message and not the place.
        let message = format!("{file}:{}:{}: {code} {}", start.row, start.column, finding.message);
        writeln!(out, "::{}", data(&message))?;
    }
    Ok(())
}

/// A message: `%` starts an escape, a line ends the command.
fn data(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    shown::escaped(&text).into_owned()
}

/// A property, which ends at a comma or a colon as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, checked, plain, view};
    use super::*;

    #[test]
    fn one_annotation_each() {
        samples::snapshot("github", &plain(|out| write(&samples::several(), &view(), out)));
    }

    #[test]
    fn nothing_in_a_name_or_a_message_ends_the_annotation() {
        let mut found = samples::finding("/work/a,b:c%\n::error::x.py", "sleep(\n  2)\n", "sleep(\n  2)");
        found.message = "100 %\r\n::stop-commands::x \x1b[1m".to_owned();
        assert_eq!(
            plain(|out| write(&checked(vec![found]), &view(), out)),
            "::warning title=testdiet (long-sleep),file=a%2Cb%3Ac%25%0A%3A%3Aerror%3A%3Ax.py,line=1,endLine=2::a,b:c%25%0A::error::x.py\
             :1:1: long-sleep 100 %25%0D%0A::stop-commands::x \\x1b[1m\n"
        );
    }
}
