//! A line that is typed: what a key does to it, and the part of it that a narrow terminal shows.
//! Esc leaves it, which prompts of the crates there are do not know.

use console::Key;

use crate::report::shown;

/// A text and where the next character goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    text: Vec<char>,
    at: usize,
}

/// What a key did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// There may be more to come.
    More,
    /// This is it.
    Done(String),
    /// It is not wanted.
    Left,
}

impl Line {
    /// A text to start from, with the cursor at its end.
    pub(super) fn new(text: &str) -> Self {
        let text: Vec<char> = text.chars().collect();
        Self { at: text.len(), text }
    }

    /// Presses a key.
    pub(super) fn press(&mut self, key: &Key) -> Typed {
        match key {
            Key::Enter => return Typed::Done(self.text.iter().collect()),
            Key::Escape => return Typed::Left,
            Key::Backspace if self.at > 0 => {
                self.at -= 1;
                self.text.remove(self.at);
            }
            Key::Del if self.at < self.text.len() => drop(self.text.remove(self.at)),
            Key::ArrowLeft => self.at = self.at.saturating_sub(1),
            Key::ArrowRight => self.at = (self.at + 1).min(self.text.len()),
            Key::Home | Key::Char('\x01') => self.at = 0,
            Key::End | Key::Char('\x05') => self.at = self.text.len(),
            Key::Char('\x15') => drop(self.text.drain(..std::mem::take(&mut self.at))),
            // What steers a terminal, or has no width there, is not typed but pasted by accident.
            Key::Char(c) if width(*c) > 0 => {
                self.text.insert(self.at, *c);
                self.at += 1;
            }
            _ => {}
        }
        Typed::More
    }

    /// The part around the cursor that so many columns hold, and the columns between the cursor and the part's end.
    pub(super) fn window(&self, columns: usize) -> (String, usize) {
        let sum = |chars: &[char]| chars.iter().map(|c| width(*c)).sum::<usize>();
        let from = (0..=self.at).find(|from| sum(&self.text[*from..self.at]) < columns.max(1)).unwrap_or(self.at);
        let to = (self.at..=self.text.len()).rev().find(|to| sum(&self.text[from..*to]) < columns.max(1)).unwrap_or(self.at);
        (self.text[from..to].iter().collect(), sum(&self.text[self.at..to]))
    }
}

/// Columns of a character; none for one that would be shown escaped.
fn width(c: char) -> usize {
    let mut buffer = [0; 4];
    let text = c.encode_utf8(&mut buffer);
    if matches!(shown::escaped(text), std::borrow::Cow::Borrowed(_)) { shown::width(text) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &mut Line, text: &str) {
        for c in text.chars() {
            assert_eq!(line.press(&Key::Char(c)), Typed::More);
        }
    }

    #[test]
    fn keys_edit() {
        let mut line = Line::new("0.5");
        typed(&mut line, "0\u{202e}\x1b");
        for key in [Key::Home, Key::Del, Key::Char('1'), Key::ArrowRight, Key::ArrowRight, Key::Backspace, Key::Char('7')] {
            line.press(&key);
        }
        assert_eq!(line.press(&Key::Enter), Typed::Done("1.70".to_owned()));
        for key in [Key::Backspace, Key::ArrowLeft, Key::Char('\x15'), Key::Backspace, Key::ArrowLeft, Key::Unknown] {
            assert_eq!(line.press(&key), Typed::More);
        }
        assert_eq!(line.press(&Key::End), Typed::More);
        assert_eq!(line.press(&Key::Del), Typed::More);
        assert_eq!(line.press(&Key::Enter), Typed::Done(".0".to_owned()));
        assert_eq!(line.press(&Key::Escape), Typed::Left);
    }

    #[test]
    fn what_is_longer_than_the_terminal_is_shown_in_part() {
        let mut line = Line::new("abcdefgh");
        assert_eq!(line.window(20), ("abcdefgh".to_owned(), 0));
        assert_eq!(line.window(5), ("efgh".to_owned(), 0));
        line.press(&Key::Home);
        assert_eq!(line.window(5), ("abcd".to_owned(), 4));
        let mut wide = Line::new("日本語");
        wide.press(&Key::ArrowLeft);
        assert_eq!(wide.window(5), ("日本".to_owned(), 0));
        assert_eq!(wide.window(7), ("日本語".to_owned(), 2));
        assert_eq!(wide.window(0), (String::new(), 0));
    }
}
