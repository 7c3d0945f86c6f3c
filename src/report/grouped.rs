//! `grouped`: the findings of a file under its name.

use std::io::{self, Write};

use super::{View, shown, style};
use crate::engine::Checked;

/// Writes all findings.
///
/// # Errors
/// When writing fails.
pub fn write(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let (strong, code, place) = (style::STRONG, style::CODE, style::PLACE);
    for findings in checked.findings.chunk_by(|a, b| a.file == b.file) {
        writeln!(out, "{strong}{}{strong:#}:", view.shown(&findings[0].file))?;
        let at: Vec<String> =
            findings.iter().map(|f| f.source.location(f.span.start)).map(|at| format!("{}:{}", at.row, at.column)).collect();
        let width = at.iter().map(String::len).max().unwrap_or(0);
        for (finding, at) in findings.iter().zip(at) {
            let mark = view.mark(finding);
            let (name, message) = (shown::escaped(finding.code.as_str()), shown::escaped(&finding.message));
            writeln!(out, "  {place}{at:>width$}{place:#} {code}{name}{code:#}{mark} {message}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, plain, view};
    use super::*;

    #[test]
    fn findings_stand_under_their_file() {
        samples::snapshot("grouped", &plain(|out| write(&samples::several(), &view(), out)));
    }
}
