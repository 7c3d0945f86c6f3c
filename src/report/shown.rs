//! What text from files looks like on a terminal. Everything a human format prints that came from a file, a file
//! name or a message goes through here: control characters, escape sequences and bidi controls are shown escaped,
//! never sent; tabs become spaces; wide characters count twice; long lines are cut to a window.

use std::borrow::Cow;
use std::ops::Range;

use unicode_width::UnicodeWidthChar;

/// Columns from one tab stop to the next, as rustc and ruff show them.
const TAB: usize = 4;

/// Columns a line may take before it is cut to a window; rustc's figure for a terminal of unknown width.
pub const LIMIT: usize = 140;

/// Whether a character could move the cursor, start an escape sequence or reorder or hide its neighbours.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Soft hyphen, Arabic letter mark, Mongolian vowel separator.
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            // Zero width spaces and joiners, direction marks; line and paragraph separators, embeddings, overrides.
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            // Word joiner, invisible operators, isolates; the byte order mark; interlinear annotations.
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            // Tags: invisible ASCII.
            | '\u{e0000}'..='\u{e007f}')
}

/// The escape Python would write for a character.
fn escape(c: char) -> String {
    match c {
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        _ if u32::from(c) <= 0xff => format!("\\x{:02x}", u32::from(c)),
        _ if u32::from(c) <= 0xffff => format!("\\u{:04x}", u32::from(c)),
        _ => format!("\\U{:08x}", u32::from(c)),
    }
}

/// A text on one line, safe to print: what is unsafe in it is escaped, newlines and tabs too.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) {
            out.push_str(&escape(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Columns an [`escaped`] text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// A line of a file, laid out in columns.
#[derive(Debug)]
pub struct Line<'a> {
    text: &'a str,
}

/// One character of a line.
struct Cell {
    /// Its byte offset in the line.
    at: usize,
    /// Columns it takes.
    columns: Range<usize>,
    /// Itself.
    c: char,
}

impl Cell {
    /// Adds what is printed for it.
    fn print(&self, out: &mut String) {
        match self.c {
            '\t' => out.extend(std::iter::repeat_n(' ', self.columns.len())),
            c if is_unsafe(c) => out.push_str(&escape(c)),
            c => out.push(c),
        }
    }
}

/// The part of a [`Line`] that is printed, with where the focus landed in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Printable pieces, each with whether it lies in a marked range.
    pub pieces: Vec<(bool, String)>,
    /// Columns of the printed text that the focus covers; at least one.
    pub focus: Range<usize>,
}

impl Window {
    /// The printed text without its marks.
    #[must_use]
    pub fn text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }
}

impl<'a> Line<'a> {
    /// A line, given without its newline.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// Its characters from left to right. Computed on the way, because a line can be a megabyte long.
    fn cells(&self) -> impl Iterator<Item = Cell> {
        let mut column = 0;
        self.text.char_indices().map(move |(at, c)| {
            let start = column;
            column += match c {
                '\t' => TAB - column % TAB,
                c if is_unsafe(c) => escape(c).len(),
                c => c.width().unwrap_or(0),
            };
            Cell { at, columns: start..column, c }
        })
    }

    /// The whole line, however long.
    #[must_use]
    pub fn whole(&self) -> String {
        let mut out = String::with_capacity(self.text.len());
        self.cells().for_each(|cell| cell.print(&mut out));
        out
    }

    /// Cuts to at most `limit` columns around `focus` (bytes of the line), with an ellipsis more where something is cut.
    /// `marked` are the byte ranges to emphasise.
    #[must_use]
    pub fn window(&self, focus: &Range<usize>, marked: &[Range<usize>], limit: usize) -> Window {
        let (mut total, mut start, mut end) = (0, 0, 0);
        for cell in self.cells() {
            total = cell.columns.end;
            if cell.at < focus.start {
                start = total;
            }
            if cell.at < focus.end {
                end = total;
            }
        }
        let end = end.max(start);

        // The columns to show: all of them, or a window that has the focus in its middle, or at its left edge when
        // the focus alone is wider than the window.
        let shown = if total <= limit {
            0..total
        } else {
            let margin = limit.saturating_sub(end - start) / 2;
            let left = start.saturating_sub(margin).min(total - limit);
            left..left + limit
        };

        let mut pieces: Vec<(bool, String)> = Vec::new();
        let mut caret: Option<Range<usize>> = None;
        let mut printed = 0;
        if shown.start > 0 {
            pieces.push((false, "…".to_owned()));
            printed += 1;
        }
        for cell in self.cells() {
            let here = &cell.columns;
            // Whole characters only: one that straddles an edge of the window is left out.
            if here.start < shown.start || here.end > shown.end {
                continue;
            }
            if here.end > start && here.start < end {
                let from = caret.as_ref().map_or(printed, |c| c.start);
                caret = Some(from..printed + here.len());
            } else if here.start == start && caret.is_none() {
                caret = Some(printed..printed);
            }
            let mark = marked.iter().any(|m| m.contains(&cell.at));
            if pieces.last().is_none_or(|(last, _)| *last != mark) {
                pieces.push((mark, String::new()));
            }
            if let Some((_, piece)) = pieces.last_mut() {
                cell.print(piece);
            }
            printed += here.len();
        }
        if shown.end < total {
            pieces.push((false, "…".to_owned()));
        }
        // A focus at the end of the line lies past every cell; an empty one is still pointed at.
        let caret = caret.unwrap_or(printed..printed);
        Window { pieces, focus: caret.start..caret.end.max(caret.start + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_passes() {
        assert_eq!(escaped("a\x1b[31mb\u{202e}c\u{9b}d\te\nf\u{e0041}"), "a\\x1b[31mb\\u202ec\\x9bd\\te\\nf\\U000e0041");
        assert!(matches!(escaped("plain ünïcode 漢"), Cow::Borrowed(_)));
        let line = Line::new("x = '\x1b]0;title\x07'").window(&(0..1), &[], LIMIT).text();
        assert_eq!(line, "x = '\\x1b]0;title\\x07'");
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_line_holds_is_printed_within_its_window(text in "(\\PC|\\s|[\x00-\x1f\u{80}-\u{9f}\u{202a}-\u{202e}漢]){0,300}", a in 0..600_usize, b in 0..600_usize) {
            let line = Line::new(&text);
            let window = line.window(&(a.min(b)..a.max(b)), &[], LIMIT);
            let shown = window.text();
            proptest::prop_assert!(!shown.chars().any(is_unsafe) && !escaped(&text).chars().any(is_unsafe));
            proptest::prop_assert!(width(&shown) <= LIMIT + 2, "{} columns", width(&shown));
            proptest::prop_assert!(window.focus.start <= width(&shown) && window.focus.end <= width(&shown) + 1);
            if width(&line.whole()) <= LIMIT {
                proptest::prop_assert_eq!(shown, line.whole());
            }
        }
    }

    #[test]
    fn tabs_and_wide_characters_keep_carets_aligned() {
        let window = Line::new("\t漢 = sleep").window(&(7..12), &[], LIMIT);
        assert_eq!(window.text(), "    漢 = sleep");
        assert_eq!(window.focus, 9..14);
        let tab = Line::new("ab\tc").window(&(3..4), &[], LIMIT);
        assert_eq!((tab.text().as_str(), tab.focus), ("ab  c", 4..5));
    }

    #[test]
    fn an_empty_focus_and_one_past_the_end_still_have_a_caret() {
        assert_eq!(Line::new("abc").window(&(1..1), &[], LIMIT).focus, 1..2);
        assert_eq!(Line::new("abc").window(&(3..3), &[], LIMIT).focus, 3..4);
        assert_eq!(Line::new("").window(&(0..0), &[], LIMIT).focus, 0..1);
    }

    #[test]
    fn long_lines_are_cut_around_the_focus() {
        let text = format!("{}HERE{}", "a".repeat(300), "b".repeat(300));
        let window = Line::new(&text).window(&(300..304), &[], LIMIT);
        let shown = window.text();
        assert_eq!(width(&shown), LIMIT + 2);
        assert!(shown.starts_with('…') && shown.ends_with('…'));
        assert_eq!(shown.chars().skip(window.focus.start).take(window.focus.len()).collect::<String>(), "HERE");

        let start = Line::new(&text).window(&(0..2), &[], LIMIT);
        assert!(start.text().starts_with("aa") && start.text().ends_with('…'));
        let end = Line::new(&text).window(&(603..604), &[], LIMIT);
        assert!(end.text().starts_with('…') && end.text().ends_with("bb"));
        let huge = Line::new(&text).window(&(10..600), &[], LIMIT);
        assert_eq!(huge.focus, 1..LIMIT + 1);
    }

    #[test]
    fn the_limit_is_the_callers() {
        let window = Line::new("0123456789 time.sleep(2.5)").window(&(22..25), &[], 8);
        assert_eq!((window.text().as_str(), window.focus), ("…eep(2.5)", 5..8));
    }

    #[test]
    fn marks_survive_the_cut() {
        let window = Line::new("abcdef").window(&(0..0), &[1..2, 3..5], LIMIT);
        let marked: Vec<_> = window.pieces.iter().filter(|(m, _)| *m).map(|(_, t)| t.as_str()).collect();
        assert_eq!(marked, ["b", "de"]);
    }
}
