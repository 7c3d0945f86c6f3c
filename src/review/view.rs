//! What a review looks like in a terminal of some size. Pure: [`screen`] turns the state into lines, none wider than the
//! terminal and no more than it has.
//!
//! Colours are always there; the terminal takes them out where they are not wanted. Everything that comes from a file, a file
//! name, a message or a person goes through [`shown`] first, so that nothing in it reaches the terminal as a command.

use std::collections::BTreeMap;

use anstyle::Style;
use textwrap::core::Word;

use super::moment::{Decision, How, Tally};
use super::state::{Panel, Question, State, Unfinished};
use crate::edit::Applicability;
use crate::engine::FileTotal;
use crate::finding::Cost;
use crate::report::excerpt::{self, Columns};
use crate::report::{self, Sources, amount, shown, style};
use crate::rules::Code;

/// Size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// From left to right.
    pub columns: usize,
    /// From top to bottom.
    pub rows: usize,
}

impl Size {
    /// Less than this is not drawn for: what does not fit is cut by the terminal.
    const LEAST: Self = Self { columns: 20, rows: 8 };

    fn usable(self) -> Self {
        Self { columns: self.columns.max(Self::LEAST.columns), rows: self.rows.max(Self::LEAST.rows) }
    }
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// From top to bottom.
    pub lines: Vec<String>,
    /// First line shown of those that can be moved through.
    pub scroll: usize,
}

/// What the tests cost that a fix makes cheaper or dearer.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// Without it.
    pub before: Cost,
    /// With it.
    pub after: Cost,
    /// Their node ids; empty when it is in what several tests share.
    pub tests: Vec<String>,
}

impl Weight {
    /// By the totals of the files that it is in; `None` when they stay as they are.
    #[must_use]
    pub fn new(before: &[FileTotal], after: &[FileTotal]) -> Option<Self> {
        let mut tests: BTreeMap<&str, (Cost, Cost)> = BTreeMap::new();
        for test in before.iter().flat_map(|f| &f.tests) {
            tests.entry(&test.id).or_default().0 = test.cost;
        }
        for test in after.iter().flat_map(|f| &f.tests) {
            tests.entry(&test.id).or_default().1 = test.cost;
        }
        tests.retain(|_, (before, after)| before != after);
        let (mut was, mut is) = if tests.is_empty() {
            (amount::sum(before.iter().map(|f| &f.cost)), amount::sum(after.iter().map(|f| &f.cost)))
        } else {
            (amount::sum(tests.values().map(|(b, _)| b)), amount::sum(tests.values().map(|(_, a)| a)))
        };
        // What stays as it is goes without saying.
        if amount::seconds(was.sleep_s) == amount::seconds(is.sleep_s) {
            (was.sleep_s, is.sleep_s) = (0.0, 0.0);
        }
        for (was, is) in
            [(&mut was.threads, &mut is.threads), (&mut was.bytes, &mut is.bytes), (&mut was.iterations, &mut is.iterations)]
        {
            if was == is {
                (*was, *is) = (0, 0);
            }
        }
        let tests = tests.into_keys().map(str::to_owned).collect();
        (was != is).then_some(Self { before: was, after: is, tests })
    }

    fn text(&self) -> String {
        let shown = |cost: &Cost| Some(amount::cost(cost)).filter(|t| !t.is_empty()).unwrap_or_else(|| "nothing".to_owned());
        let tests = match self.tests.as_slice() {
            [] => String::new(),
            [one] => format!(" ({one})"),
            several => format!(" ({})", amount::counted(several.len(), "test")),
        };
        format!("{} → {}{tests}", shown(&self.before), shown(&self.after))
    }
}

/// The keys, in the order of the help: what is pressed, a word for the bottom line, and what it does.
const KEYS: &[(&str, &str, &str)] = &[
    ("y", "take", "take this fix"),
    ("n", "reject", "reject it; it is not offered again"),
    ("a d", "file", "take / reject this fix and the open ones after it in the same file"),
    ("A R", "rule", "take / reject this fix and the open ones after it of the same rule"),
    ("!", "all", "take all open fixes"),
    ("s", "split", "split it into the places it changes, to decide on each"),
    ("e", "edit", "edit the lines it leaves, and take that"),
    ("E", "editor", "take it, write what was taken, and open $VISUAL or $EDITOR at the line"),
    ("S", "suppress", "leave the test as it is, and write a comment that says why"),
    ("u", "undo", "take back the last decision, and the one before it, and so on"),
    ("j k", "move", "to the next / previous open fix, leaving this one open"),
    ("J K", "", "to the next / previous fix, decided on or not"),
    ("g", "", "to a fix by its number"),
    ("/", "find", "to the next fix that mentions a text; an empty text repeats the search"),
    ("i", "why", "what the rule looks for, and why"),
    ("v", "prove", "run the tests that this fix touches, with it, and show the outcome"),
    ("p", "", "print it again"),
    ("q", "save", "write what was taken and quit; what is open is offered again"),
    ("Q", "discard", "quit and forget all decisions"),
    ("?", "help", "these keys"),
];

/// Draws the state.
#[must_use]
pub fn screen(state: &State, view: &report::View, weight: Option<Weight>, size: Size) -> Screen {
    let size = size.usable();
    let columns = size.columns;
    let (head, body) = match state.panel() {
        Panel::None => match state.now().current() {
            Some((at, _)) => fix(state, at, view, weight, columns),
            None => end(state, columns),
        },
        Panel::Help => help(columns),
        Panel::Rule(code) => rule(code, columns),
        Panel::Text(text) => {
            let lines = text.lines().flat_map(|line| styled(&shown::Line::new(line).whole(), Style::new(), columns));
            (styled("Outcome", style::STRONG, columns), lines.collect())
        }
        Panel::Resume(unfinished) => resume(unfinished, view, columns),
    };
    let foot = foot(state, columns);

    let room = size.rows.saturating_sub(head.len() + foot.len()).max(2);
    let more = body.len() > room;
    // One line says that there is more.
    let room = if more { room - 1 } else { room };
    let scroll = state.scroll().min(body.len().saturating_sub(room));
    let mut lines = head;
    lines.extend(body.iter().skip(scroll).take(room).cloned());
    if more {
        let (above, below) = (scroll, body.len().saturating_sub(scroll + room));
        let hidden = match (above, below) {
            (0, below) => format!("{} below", amount::counted(below, "line")),
            (above, 0) => format!("{} above", amount::counted(above, "line")),
            _ => format!("{} above, {below} below", amount::counted(above, "line")),
        };
        lines.extend(styled(&format!("… {hidden} (arrows, space)"), style::DIM, columns).into_iter().take(1));
    }
    lines.extend(foot);
    // A terminal so small that not even this fits: what can be decided on goes first.
    lines.truncate(size.rows);
    Screen { lines, scroll }
}

/// What is said above the line that a text is typed into.
#[must_use]
pub fn question(question: &Question, view: &report::View, size: Size) -> Vec<String> {
    let columns = size.usable().columns;
    let (title, note) = match question {
        Question::Replacement { file, row, place: (which, of), error, .. } => {
            let place = if *of > 1 { format!(", place {which} of {of}") } else { String::new() };
            let title = format!("{}:{row}{place}: the line as the fix leaves it", view.shown(file));
            (title, error.map_or("Change it; Return takes it, Esc leaves it as it is.", |e| e))
        }
        Question::Reason => ("Why does the test have to stay as it is?".to_owned(), "It goes into the comment. Esc: no comment."),
        Question::Search => {
            ("Look for".to_owned(), "A part of a path, a rule, a test, a message or the code. Empty: what was last sought.")
        }
        Question::Number => ("Number of the fix".to_owned(), "The first of the two that stand before a fix: 3 for [3/41]."),
    };
    let mut lines = styled(&title, style::STRONG, columns);
    lines.extend(styled(note, style::DIM, columns));
    lines
}

type Parts = (Vec<String>, Vec<String>);

fn fix(state: &State, at: usize, view: &report::View, weight: Option<Weight>, columns: usize) -> Parts {
    let item = &state.now().plan().items[at];
    let lead = item.lead();
    let (number, count) = state.now().count();
    let level = match item.fix.applicability {
        Applicability::Safe => "safe",
        Applicability::Unsafe | Applicability::Display => "unsafe",
    };
    let mut head = vec![
        (format!("[{number}/{count}]"), style::STRONG),
        (format!("{}:{}", view.shown(item.place().0), state.now().row(at)), style::PLACE),
        (shown::escaped(lead.code.as_str()).into_owned(), style::CODE),
        (level.to_owned(), if level == "safe" { style::FIXABLE } else { style::STRONG }),
    ];
    match state.now().decision(at) {
        Decision::Open => {}
        Decision::Rejected => head.push(("rejected".to_owned(), style::REMOVED)),
        Decision::Taken(How::Accepted, _) => head.push(("taken".to_owned(), style::ADDED)),
        Decision::Taken(How::Edited, _) => head.push(("taken as edited".to_owned(), style::ADDED)),
        Decision::Taken(How::Suppressed, _) => head.push(("suppressed".to_owned(), style::ADDED)),
    }
    let head = words(&head, columns);

    let mut body = styled(&shown::escaped(&lead.message), style::STRONG, columns);
    let mut note = |label: &str, text: &str| {
        let text = format!("{label}: {}", shown::escaped(text));
        body.extend(wrapped(&text, columns).into_iter().enumerate().map(|(i, line)| match line.split_once(": ") {
            Some((_, rest)) if i == 0 => format!("{}{label}:{:#} {rest}", style::PLACE, style::PLACE),
            _ => line,
        }));
    };
    match (weight, &lead.test) {
        (Some(weight), _) => note("cost", &weight.text()),
        (None, Some(test)) => note("test", test),
        (None, None) => {}
    }
    if let Some((which, of)) = item.part {
        note("part", &format!("{which} of {of}; they belong together: take all of them or none"));
    }
    note("fix", &item.fix.message);
    if let Some(reason) = &item.fix.reason {
        note("why unsafe", reason);
    }
    let others = &item.findings[1..];
    for other in others.iter().take(3) {
        let row = other.source.location(other.span.start).row;
        note("with it", &format!("{}:{row} {}", view.name(&other.file), other.code));
    }
    if others.len() > 3 {
        note("with it", &format!("{} more", amount::number(others.len() - 3)));
    }

    let (fix, texts) = state.now().in_context(at);
    let sources = Sources::of(texts.values().map(|t| &**t));
    let mut picture = Vec::new();
    let layout = Columns::within(columns, &fix, &sources);
    // Writing to memory does not fail.
    _ = excerpt::diff(&fix, item.place().0, &sources, view, layout, &mut picture);
    body.extend(String::from_utf8_lossy(&picture).lines().map(str::to_owned));
    (head, body)
}

fn end(state: &State, columns: usize) -> Parts {
    let (tally, rejected, open) = state.now().progress();
    let title = if open == 0 { "That was the last fix." } else { "That was the last open fix." };
    let mut body = styled(&progress(&tally, rejected, open), Style::new(), columns);
    let torn = state.now().torn();
    if torn > 0 {
        let text = format!("Warning: of {} that you split, some parts are taken and others not.", amount::counted_fixes(torn));
        body.extend(styled(&text, style::ERROR, columns));
    }
    let next = if tally.total() > 0 {
        "q writes what was taken and quits. u takes back the last decision, k and K go back, Q forgets all."
    } else {
        "q quits. u takes back the last decision, k and K go back."
    };
    body.extend(styled(next, Style::new(), columns));
    (styled(title, style::STRONG, columns), body)
}

fn help(columns: usize) -> Parts {
    let body = KEYS.iter().flat_map(|(key, _, does)| {
        let indent = "      ";
        let lines = wrapped(does, columns.saturating_sub(indent.len()).max(10));
        lines.into_iter().enumerate().map(move |(i, line)| {
            let key = if i == 0 { key } else { "" };
            format!("{}{key:<5}{:#} {line}", style::STRONG, style::STRONG)
        })
    });
    let mut body: Vec<String> = body.collect();
    body.extend(styled(
        "Ctrl-C leaves without writing; what was decided is kept for the next review. Esc decides nothing. Arrows and space \
         move through what is longer than the screen.",
        Style::new(),
        columns,
    ));
    (styled("Keys", style::STRONG, columns), body)
}

fn rule(code: &Code, columns: usize) -> Parts {
    let text = code
        .rule()
        .map_or_else(|| "A rule of the project's own: its query says what it finds.".to_owned(), crate::rules::Rule::doc);
    let (mut body, mut paragraph, mut code_block) = (Vec::new(), String::new(), false);
    // One more line, so that the last paragraph ends.
    for line in text.lines().chain([""]) {
        let plain = !code_block && !line.is_empty() && !["#", "```", "- ", "* ", "|"].iter().any(|mark| line.starts_with(mark));
        if plain {
            paragraph.push_str(if paragraph.is_empty() { "" } else { " " });
            paragraph.push_str(line);
            continue;
        }
        if !paragraph.is_empty() {
            body.extend(styled(&std::mem::take(&mut paragraph), Style::new(), columns));
        }
        if line.starts_with("```") {
            code_block = !code_block;
        } else if code_block {
            body.push(clipped(&format!("    {line}"), columns));
        } else if let Some(title) = line.strip_prefix('#') {
            body.extend(styled(title.trim_start_matches('#').trim(), style::STRONG, columns));
        } else {
            body.extend(styled(line, Style::new(), columns));
        }
    }
    (styled(&shown::escaped(code.as_str()), style::CODE, columns), body)
}

fn resume(unfinished: &Unfinished, view: &report::View, columns: usize) -> Parts {
    let Unfinished { taken, rejected, files, stale } = unfinished;
    let mut body = Vec::new();
    let taken = if *taken > 0 { amount::counted_fixes(*taken) } else { "fixes".to_owned() };
    let mut kept = Vec::new();
    if *files > 0 {
        kept.push(format!("{taken} taken in {}", amount::counted(*files, "file")));
    }
    if *rejected > 0 {
        kept.push(format!("{rejected} rejected"));
    }
    let kept = if kept.is_empty() { "nothing".to_owned() } else { kept.join(", ") };
    body.extend(styled(&format!("What it decided is kept and not written yet: {kept}."), Style::new(), columns));
    if !stale.is_empty() {
        let text = "These were changed since, are not looked at now, or belong to such; what was taken there is planned again and offered anew:";
        body.extend(styled(text, Style::new(), columns));
        body.extend(stale.iter().flat_map(|path| styled(&format!("  {}", view.shown(path)), style::PLACE, columns)));
    }
    body.extend(styled("y goes on from there, n forgets it and starts anew, q leaves it for later.", style::STRONG, columns));
    (styled("The last review did not end.", style::STRONG, columns), body)
}

fn foot(state: &State, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(message) = state.message() {
        lines.extend(styled(&shown::escaped(message), style::CARET, columns));
    }
    match state.panel() {
        Panel::None => {}
        Panel::Resume(_) => return lines,
        _ => {
            lines.extend(styled("Any other key goes back to the fix.", style::DIM, columns));
            return lines;
        }
    }
    let (tally, rejected, open) = state.now().progress();
    lines.extend(styled(&progress(&tally, rejected, open), style::DIM, columns));
    let long = columns >= 80;
    let keys = KEYS.iter().filter(|(_, word, _)| !long || !word.is_empty()).map(|(key, word, _)| {
        let (strong, dim) = (style::STRONG, style::DIM);
        if long {
            let key = key.replace(' ', "/");
            (key.len() + 1 + word.len(), format!("{strong}{key}{strong:#} {dim}{word}{dim:#}"))
        } else {
            (key.len(), format!("{strong}{key}{strong:#}"))
        }
    });
    lines.extend(flowing(keys, if long { 2 } else { 1 }, columns));
    lines
}

fn progress(tally: &Tally, rejected: usize, open: usize) -> String {
    let applied: usize = tally.applied.values().sum();
    let mut parts = vec![format!("{applied} taken")];
    if tally.suppressed > 0 {
        parts.push(format!("{} suppressed", tally.suppressed));
    }
    parts.push(format!("{rejected} rejected"));
    parts.push(format!("{open} open"));
    parts.join(", ")
}

/// Words of different colours, one after the other. They must be safe to print.
fn words(words: &[(String, Style)], columns: usize) -> Vec<String> {
    // A word that is too long for a line of its own is cut.
    let pieces = words.iter().flat_map(|(word, style)| {
        wrapped(word, columns).into_iter().map(move |piece| (shown::width(&piece), format!("{style}{piece}{style:#}")))
    });
    flowing(pieces, 1, columns)
}

/// Pieces of so many columns each, with a gap between them, on as many lines as that takes.
fn flowing(pieces: impl IntoIterator<Item = (usize, String)>, gap: usize, columns: usize) -> Vec<String> {
    let (mut lines, mut line, mut width) = (Vec::new(), String::new(), 0);
    for (columns_of_piece, piece) in pieces {
        if width > 0 && width + gap + columns_of_piece > columns {
            lines.push(std::mem::take(&mut line));
            width = 0;
        }
        if width > 0 {
            line.extend(std::iter::repeat_n(' ', gap));
            width += gap;
        }
        line.push_str(&piece);
        width += columns_of_piece;
    }
    lines.push(line);
    lines
}

/// A text of one colour, wrapped. It must be safe to print.
fn styled(text: &str, style: Style, columns: usize) -> Vec<String> {
    wrapped(text, columns)
        .into_iter()
        .map(|line| if line.is_empty() { line } else { format!("{style}{line}{style:#}") })
        .collect()
}

fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let options = textwrap::Options::new(columns)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .word_separator(textwrap::WordSeparator::Custom(breakable));
    textwrap::wrap(text, options).into_iter().map(std::borrow::Cow::into_owned).collect()
}

/// The words of a line; a node id, which can be as long as a line, also ends one after `::`.
fn breakable(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    Box::new(textwrap::WordSeparator::AsciiSpace.find_words(line).flat_map(|word| {
        let mut parts: Vec<Word<'_>> = word.word.split_inclusive("::").map(Word::from).collect();
        if let Some(last) = parts.last_mut() {
            last.whitespace = word.whitespace;
        }
        parts
    }))
}

fn clipped(line: &str, columns: usize) -> String {
    shown::Line::new(line).window(&(0..0), &[], columns.saturating_sub(1)).text()
}
