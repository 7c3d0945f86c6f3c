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

/// The columns that pictures take.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    /// Those of the line numbers.
    pub gutter: usize,
    /// Most that a line of a file takes before it is cut; an ellipsis takes one more on either side.
    pub text: usize,
    /// The same of a file's name, which loses its beginning.
    pub name: usize,
}

impl Columns {
    /// For all the pictures of a finding, which share the gutter of the largest line number in any of them.
    #[must_use]
    pub fn of(finding: &Finding, sources: &Sources<'_>) -> Self {
        let here = last_row(&finding.source, finding.span);
        let there = finding.fix.as_ref().map_or(0, |fix| last_row_of(fix, sources));
        Self { gutter: here.max(there).to_string().len(), text: shown::LIMIT, name: usize::MAX }
    }

    /// For the picture of a fix alone, in a terminal so many columns wide.
    #[must_use]
    pub fn within(width: usize, fix: &Fix, sources: &Sources<'_>) -> Self {
        let gutter = last_row_of(fix, sources).to_string().len();
        // A bar, a mark, the spaces around them and an ellipsis on either side; so narrow that it is unreadable is enough.
        let text = width.saturating_sub(gutter + 7).max(8);
        Self { gutter, text: text.min(shown::LIMIT), name: text }
    }
}

/// The last row of a picture around a range, from 1.
fn last_row(source: &SourceFile, span: Span) -> usize {
    (source.line_of(span.end) + 1 + CONTEXT).min(source.line_count())
}

fn last_row_of(fix: &Fix, sources: &Sources<'_>) -> usize {
    fix.edits.iter().filter_map(|e| sources.get(&e.file).map(|s| last_row(s, e.span))).max().unwrap_or(0)
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
    let window = Line::new(source.slice(line)).window(&focus, &[], shown::LIMIT);
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
pub fn diff(fix: &Fix, home: &Path, sources: &Sources<'_>, view: &View, columns: Columns, out: &mut dyn Write) -> io::Result<()> {
    let gutter = columns.gutter;
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
            let name = view.name(path);
            let name = Line::new(&name).window(&(name.len()..name.len()), &[], columns.name).text();
            writeln!(out, "{blank}{}-->{:#} {name}", style::PLACE, style::PLACE)?;
        }
        bar(&blank, "", out)?;
        for (i, part) in parts(source, edits).into_iter().enumerate() {
            if i > 0 {
                writeln!(out, "{}{:.<gutter$}{:#}", style::PLACE, "...", style::PLACE)?;
            }
            part.write(source, columns, out)?;
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
    fn write(&self, source: &SourceFile, columns: Columns, out: &mut dyn Write) -> io::Result<()> {
        let gutter = columns.gutter;
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
                for (marked, piece) in Line::new(&text).window(&focus, &words, columns.text).pieces {
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
    numbered(line, gutter, &Line::new(source.line(line)).window(&(0..0), &[], shown::LIMIT).text(), out)
}

fn numbered(line: usize, gutter: usize, text: &str, out: &mut dyn Write) -> io::Result<()> {
    bar(&format!("{:>gutter$}", line + 1), text, out)
}

/// A gutter, a bar and a text, without a space at the end where there is no text.
fn bar(gutter: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
    let space = if shown::width(text) == 0 { "" } else { " " };
    writeln!(out, "{}{gutter} |{:#}{space}{text}", style::PLACE, style::PLACE)
}
