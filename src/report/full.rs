//! `full`: every finding with its lines, its cost, and what its fix would change and why it is or is not safe.

use std::io::{self, Write};

use super::{Sources, View, amount, excerpt, shown, style};
use crate::edit::Applicability;
use crate::engine::Checked;
use crate::finding::Finding;

/// Writes all findings.
///
/// # Errors
/// When writing fails.
pub fn write(checked: &Checked, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let sources = Sources::new(checked);
    for finding in &checked.findings {
        one(finding, &sources, view, out)?;
        writeln!(out)?;
    }
    Ok(())
}

fn one(finding: &Finding, sources: &Sources<'_>, view: &View, out: &mut dyn Write) -> io::Result<()> {
    let (code, strong, place) = (style::CODE, style::STRONG, style::PLACE);
    let columns = excerpt::Columns::of(finding, sources);
    let gutter = columns.gutter;
    let blank = " ".repeat(gutter);
    let mark = view.mark(finding);
    let message = shown::escaped(&finding.message);
    writeln!(out, "{code}{}{code:#}{mark}: {strong}{message}{strong:#}", shown::escaped(finding.code.as_str()))?;
    writeln!(out, "{blank}{place}-->{place:#} {}", view.position(finding))?;
    excerpt::source(&finding.source, finding.span, gutter, out)?;

    let mut note =
        |label: &str, text: &str| writeln!(out, "{blank} {place}={place:#} {strong}{label}:{strong:#} {}", shown::escaped(text));
    let cost = amount::cost(&finding.cost);
    if !cost.is_empty() {
        note("cost", &cost)?;
    }
    if let Some(test) = &finding.test {
        note("test", test)?;
    }
    if let Some(reason) = &finding.declined {
        note("declined", reason)?;
    }
    if let Some(fix) = &finding.fix {
        let label = match fix.applicability {
            Applicability::Safe => "safe fix",
            Applicability::Unsafe => "unsafe fix",
            Applicability::Display => "suggestion",
        };
        note(label, &fix.message)?;
        if let Some(reason) = &fix.reason {
            note("why not safe", reason)?;
        }
        excerpt::diff(fix, &finding.file, sources, view, columns, out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::samples::{self, checked, plain, view};
    use super::*;
    use crate::edit::{Edit, Fix};
    use crate::source::Span;

    fn text(checked: &Checked) -> String {
        plain(|out| write(checked, &view(), out))
    }

    #[test]
    fn every_part_of_a_finding() {
        samples::snapshot("full", &text(&samples::several()));
    }

    #[test]
    fn colours_and_changed_words() {
        let one = samples::several().findings.swap_remove(0);
        let mut out = Vec::new();
        write(&checked(vec![one]), &view(), &mut out).unwrap();
        samples::snapshot("full_colours", &String::from_utf8(out).unwrap().replace('\x1b', "ESC"));
    }

    #[test]
    fn what_is_awkward_to_print() {
        let long = format!("x = '{}'; time.sleep(2.5); y = '{}'\n", "a".repeat(600), "b".repeat(600));
        let texts = [
            ("long.py", long.as_str(), "time.sleep(2.5)"),
            ("tabs.py", "def f():\n\ttime.sleep(2.5)\t# two\n", "time.sleep(2.5)"),
            ("wide.py", "名前 = '漢字'; time.sleep(2.5)\n", "time.sleep(2.5)"),
            ("crlf.py", "a = 1\r\ntime.sleep(2.5)\r\n\r\nb = 2\r\n", "time.sleep(2.5)"),
            ("evil\x1b[2J\u{202e}.py", "s = '\x1b[31m\u{202e}'; time.sleep(2.5)\n", "time.sleep(2.5)"),
            ("lines.py", "time.sleep(\n    2.5,\n)\nlast = 1\n", "time.sleep(\n    2.5,\n)"),
            ("end.py", "time.sleep(2.5)", "time.sleep(2.5)"),
        ];
        let findings = texts.map(|(name, text, what)| {
            let mut finding = samples::finding(name, text, what);
            let at = u32::try_from(text.find("2.5").unwrap()).unwrap();
            let edit = Edit::replace(&finding.file, Span::new(at, at + 3), "0.3");
            finding.fix = Some(Fix::new(Applicability::Safe, "Shrink 2.5 s to 0.3 s", vec![edit], "g"));
            finding
        });
        samples::snapshot("full_awkward", &text(&checked(findings.into())));
    }

    #[test]
    fn a_fix_over_several_files_and_places() {
        let lines: String = (1..=40).flat_map(|i| [format!("n{i} = {i}"), "\n".to_owned()]).collect();
        let mut finding = samples::finding("tests/test_far.py", &lines, "n20 = 20");
        let far = |what: &str| u32::try_from(lines.find(what).unwrap()).unwrap();
        let unknown = Arc::new("elsewhere/constants.py".into());
        let known = samples::finding("tests/conftest.py", "WAIT = 2.5\n", "WAIT = 2.5");
        let edits = vec![
            Edit::insert(&finding.file, 0, "import pytest\n"),
            Edit::replace(&finding.file, Span::new(far("n20"), far("n21")), ""),
            Edit::replace(&finding.file, Span::new(far("n22 = 22") + 6, far("n22 = 22") + 8), "7"),
            Edit::replace(&known.file, Span::new(7, 10), "0.3"),
            Edit::insert(&unknown, 0, "x"),
        ];
        finding.fix = Some(Fix::new(Applicability::Unsafe, "Move things", edits, "g").because("only a run can tell"));
        samples::snapshot("full_far", &text(&checked(vec![finding, known])));
    }
}
