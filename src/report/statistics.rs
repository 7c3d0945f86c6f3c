//! `--statistics`: how often each rule speaks, instead of what it says.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::{View, shown, style, title};
use crate::engine::Checked;
use crate::rules::Code;

/// One rule's line.
#[derive(Debug, Serialize)]
#[allow(clippy::struct_field_names, reason = "the fields are the JSON keys, ruff's")]
pub struct Count<'a> {
    code: &'a str,
    name: &'a str,
    count: usize,
    /// Whether the command at hand has a fix for any of them, as in ruff.
    fixable: bool,
}

/// Counts by rule, the most frequent first.
#[must_use]
pub fn counts<'a>(checked: &'a Checked, view: &View) -> Vec<Count<'a>> {
    let mut by_code: BTreeMap<&Code, (usize, bool)> = BTreeMap::new();
    for finding in &checked.findings {
        let (count, fixable) = by_code.entry(&finding.code).or_default();
        *count += 1;
        *fixable |= view.applies(finding);
    }
    let count = |(code, (count, fixable)): (&'a Code, _)| Count { code: code.as_str(), name: title(code), count, fixable };
    let mut counts: Vec<Count<'a>> = by_code.into_iter().map(count).collect();
    counts.sort_by_key(|c| std::cmp::Reverse(c.count));
    counts
}

/// Writes the counts for people.
///
/// # Errors
/// When writing fails.
pub fn write(counts: &[Count<'_>], out: &mut dyn Write) -> io::Result<()> {
    let width = counts.first().map_or(0, |c| c.count.to_string().len());
    let names = counts.iter().map(|c| shown::width(c.code)).max().unwrap_or(0);
    let fixable = counts.iter().any(|c| c.fixable);
    let (code, green) = (style::CODE, style::FIXABLE);
    for count in counts {
        let mark = match (fixable, count.fixable) {
            (false, _) => String::new(),
            (true, true) => format!("[{green}*{green:#}] "),
            (true, false) => "[ ] ".to_owned(),
        };
        let (name, title) = (shown::escaped(count.code), shown::escaped(count.name));
        writeln!(out, "{:>width$}\t{code}{name:<names$}{code:#}\t{mark}{title}", count.count)?;
    }
    Ok(())
}

/// Writes the counts as one array.
///
/// # Errors
/// When writing fails.
pub fn write_json(counts: &[Count<'_>], out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, counts)?;
    writeln!(out)
}

/// Writes one count a line.
///
/// # Errors
/// When writing fails.
pub fn write_json_lines(counts: &[Count<'_>], out: &mut dyn Write) -> io::Result<()> {
    for count in counts {
        serde_json::to_writer(&mut *out, count)?;
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, plain, view};
    use super::*;

    #[test]
    fn the_most_frequent_rule_comes_first() {
        let checked = samples::several_of_a_project();
        let counts = counts(&checked, &view());
        samples::snapshot("statistics", &plain(|out| write(&counts, out)));
        samples::snapshot("statistics_json", &plain(|out| write_json(&counts, out)));
        assert_eq!(plain(|out| write_json_lines(&counts, out)).lines().count(), counts.len());
    }
}
