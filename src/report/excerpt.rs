//! The pictures of the full format: the lines a finding is in, with carets under it, and the lines its fix changes,
//! with the words that change.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

use similar::{ChangeTag, TextDiff};

use super::shown::{self, Line};
use super::{Sources, View, style};
use crate::edit::{self, Edit, Fix};
use crate::finding::Finding;
use crate::source::{SourceFile, Span};

/// Lines shown around a finding or a change, as ruff does.
const CONTEXT: usize = 2;

/// Columns of the line numbers of a finding's pictures: those of the largest number in any of them.
#[must_use]
pub fn gutter(finding: &Finding, sources: &Sources<'_>) -> usize {
    let here = (finding.source.line_of(finding.span.end), finding.source.line_count());
    let edits = finding.fix.iter().flat_map(|fix| &fix.edits);
    let there = edits.filter_map(|e| sources.get(&e.file).map(|s| (s.line_of(e.span.end), s.line_count())));
    let rows = there.chain([here]).map(|(line, count)| (line + 1 + CONTEXT).min(count));
    rows.max().unwrap_or(0).to_string().len()
}

/// The line of a finding between its neighbours; of a range over several lines, the first.
///
/// # Errors
/// When writing fails.
pub fn source(source: &SourceFile, span: Span, gutter: usize, out: &mut dyn Write) -> io::Result<()> {
    let first = source.line_of(span.start);
    // A range that ends at the start of a line does not reach into it.
    let last = source.line_of(span.end.max(span.start + 1) - 1).max(first);
    let blank = " ".repeat(gutter);
    bar(&blank, "", out)?;
    let from = (first.saturating_sub(CONTEXT)..first).find(|&line| !source.line(line).trim().is_empty()).unwrap_or(first);
    for line in from..first {
        context(source, line, gutter, out)?;
    }

    let line = source.line_span(first);
    let focus = to_line(line, span.start)..to_line(line, span.end);
    let window = Line::new(source.slice(line)).window(&focus, &[]);
    numbered(first, gutter, &window.text(), out)?;
    let carets = format!("{}{:^<2$}", " ".repeat(window.focus.start), "", window.focus.len());
    bar(&blank, &format!("{}{carets}{:#}", style::CARET, style::CARET), out)?;

    if last > first {
        writeln!(out, "{}{:.<gutter$}{:#}", style::PLACE, "...", style::PLACE)?;
    } else {
        let to = (first + 1..=first + CONTEXT).rev().find(|&line| has_text(source, line)).unwrap_or(first);
        for line in first + 1..=to {
            context(source, line, gutter, out)?;
        }
    }
    bar(&blank, "", out)
}

/// What a fix changes, file by file; a file whose text is not at hand is named with the number of its edits.
///
/// # Errors
/// When writing fails.
pub fn diff(fix: &Fix, home: &Path, sources: &Sources<'_>, view: &View, gutter: usize, out: &mut dyn Write) -> io::Result<()> {
    let blank = " ".repeat(gutter);
    let mut files: Vec<&[Edit]> = fix.edits.chunk_by(|a, b| a.file == b.file).collect();
    // The finding's own file goes first, because it goes without its name.
    files.sort_by_key(|edits| edits[0].file.as_path() != home);
    for edits in files {
        let path = edits[0].file.as_path();
        let Some(source) = sources.get(path) else {
            let name = view.shown(path);
            writeln!(
                out,
                "{blank} {}={:#} and {} in {name}",
                style::PLACE,
                style::PLACE,
                super::amount::counted(edits.len(), "edit")
            )?;
            continue;
        };
        if path != home {
            writeln!(out, "{blank}{}-->{:#} {}", style::PLACE, style::PLACE, view.shown(path))?;
        }
        bar(&blank, "", out)?;
        for (i, part) in parts(source, edits).into_iter().enumerate() {
            if i > 0 {
                writeln!(out, "{}{:.<gutter$}{:#}", style::PLACE, "...", style::PLACE)?;
            }
            part.write(source, gutter, out)?;
        }
        bar(&blank, "", out)?;
    }
    Ok(())
}

/// Edits near each other, with the whole lines they are in and a few around.
struct Part<'a> {
    lines: Range<usize>,
    edits: Vec<&'a Edit>,
}

/// Sorts a file's edits into parts, so that what is compared is a few lines, not the file.
fn parts<'a>(source: &SourceFile, edits: &'a [Edit]) -> Vec<Part<'a>> {
    let mut parts: Vec<Part<'a>> = Vec::new();
    for edit in edits {
        let from = source.line_of(edit.span.start).saturating_sub(CONTEXT);
        let to = (source.line_of(edit.span.end) + 1 + CONTEXT).min(source.line_count());
        match parts.last_mut() {
            Some(part) if from <= part.lines.end => {
                part.lines.end = part.lines.end.max(to);
                part.edits.push(edit);
            }
            _ => parts.push(Part { lines: from..to, edits: vec![edit] }),
        }
    }
    parts
}

impl Part<'_> {
    fn write(&self, source: &SourceFile, gutter: usize, out: &mut dyn Write) -> io::Result<()> {
        let start = source.line_span(self.lines.start).start;
        let end = if self.lines.end < source.line_count() {
            source.line_span(self.lines.end).start
        } else {
            u32::try_from(source.text().len()).unwrap_or(u32::MAX)
        };
        let before = source.slice(Span::new(start, end));
        let moved: Vec<Edit> = self
            .edits
            .iter()
            .map(|e| Edit { span: Span::new(e.span.start - start, e.span.end - start), ..(*e).clone() })
            .collect();
        let after = edit::apply(before, &moved);

        let diff = TextDiff::from_lines(before, after.as_str());
        for (i, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
            if i > 0 {
                writeln!(out, "{}{:.<gutter$}{:#}", style::PLACE, "...", style::PLACE)?;
            }
            for change in group.iter().flat_map(|op| diff.iter_inline_changes(op)) {
                let (mark, plain, word) = match change.tag() {
                    ChangeTag::Equal => (" ", anstyle::Style::new(), anstyle::Style::new()),
                    ChangeTag::Delete => ("-", style::REMOVED, style::REMOVED_WORD),
                    ChangeTag::Insert => ("+", style::ADDED, style::ADDED_WORD),
                };
                let number = match change.old_index() {
                    Some(index) if change.tag() != ChangeTag::Insert => (self.lines.start + index + 1).to_string(),
                    _ => String::new(),
                };
                let (text, words) = joined(change.values());
                let focus = words.first().cloned().unwrap_or(0..0);
                let mut line = String::new();
                for (marked, piece) in Line::new(&text).window(&focus, &words).pieces {
                    let style = if marked { word } else { plain };
                    // Writing to a string does not fail.
                    _ = write!(line, "{style}{piece}{style:#}");
                }
                let edge = style::PLACE;
                let space = if line.is_empty() { "" } else { " " };
                let mark = if mark == " " && line.is_empty() { String::new() } else { format!(" {plain}{mark}{plain:#}") };
                writeln!(out, "{edge}{number:>gutter$} |{edge:#}{mark}{space}{line}")?;
            }
        }
        Ok(())
    }
}

/// The text of a changed line without its newline, and the ranges that are emphasised in it.
fn joined(values: &[(bool, &str)]) -> (String, Vec<Range<usize>>) {
    let mut text = String::new();
    let mut words: Vec<Range<usize>> = Vec::new();
    for &(emphasised, piece) in values {
        let start = text.len();
        text.push_str(piece);
        if emphasised {
            words.push(start..text.len());
        }
    }
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    words.retain(|w| w.start < text.len());
    (text, words)
}

/// An offset as one into its line, held within the line.
fn to_line(line: Span, offset: u32) -> usize {
    (offset.clamp(line.start, line.end) - line.start) as usize
}

fn has_text(source: &SourceFile, line: usize) -> bool {
    line < source.line_count() && !source.line(line).trim().is_empty()
}

fn context(source: &SourceFile, line: usize, gutter: usize, out: &mut dyn Write) -> io::Result<()> {
    numbered(line, gutter, &Line::new(source.line(line)).window(&(0..0), &[]).text(), out)
}

fn numbered(line: usize, gutter: usize, text: &str, out: &mut dyn Write) -> io::Result<()> {
    bar(&format!("{:>gutter$}", line + 1), text, out)
}

/// A gutter, a bar and a text, without a space at the end where there is no text.
fn bar(gutter: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    let space = if shown::width(text) == 0 { "" } else { " " };
    writeln!(out, "{}{gutter} |{:#}{space}{text}", style::PLACE, style::PLACE)
}
