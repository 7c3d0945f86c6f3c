//! The terminal of a review: keys in, lines out. The only code that knows one.
//!
//! It is in raw mode only while a key is waited for. Between keys Ctrl-C ends the process as it ends any other, and loses no
//! more than a killed one does: nothing.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anstream::ColorChoice;
use anstream::adapter::strip_str;
use console::Term;

use super::line::{Line, Typed};
use super::state::Key;
use super::view::Size;
use crate::report::shown;

/// What a review waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A key.
    Key(Key),
    /// The terminal has another size.
    Resized,
    /// The terminal is gone.
    Closed,
}

/// What stands before a line that is typed.
const PROMPT: &str = "> ";
/// How often the size of the terminal is looked at while no key comes.
const LOOK: Duration = Duration::from_millis(100);

/// Terminals that know this mode (synchronized output) show what comes between the two at once, without flicker; others ignore it.
const FRAME_STARTS: &str = "\x1b[?2026h";
const FRAME_ENDS: &str = "\x1b[?2026l";

/// The terminal of this process.
pub struct Terminal {
    term: Term,
    color: bool,
    /// Asks the reading thread for one key.
    wanted: Sender<()>,
    keys: Receiver<io::Result<console::Key>>,
    /// A key was asked for and has not come yet.
    waiting: bool,
    /// As last drawn for.
    size: Size,
}

impl Terminal {
    /// The terminal, if there is one to read keys from and to draw on.
    #[must_use]
    pub fn open() -> Option<Self> {
        use std::io::IsTerminal;
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return None;
        }
        let term = Term::stdout();
        let color = anstream::AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        // Reading is left to a thread, because it cannot be told to look up when the terminal is resized. It reads one key
        // each time it is asked to, so that an editor or a prompt never has to share the terminal with it.
        let (wanted, asked) = channel::<()>();
        let (send, keys) = channel();
        let reads = term.clone();
        std::thread::spawn(move || {
            while asked.recv().is_ok() {
                if send.send(reads.read_key_raw()).is_err() {
                    break;
                }
            }
        });
        let mut terminal = Self { term, color, wanted, keys, waiting: false, size: Size { columns: 0, rows: 0 } };
        terminal.size = terminal.size();
        Some(terminal)
    }

    /// Its size now.
    #[must_use]
    pub fn size(&self) -> Size {
        let (rows, columns) = self.term.size();
        Size { columns: usize::from(columns), rows: usize::from(rows) }
    }

    /// Waits for something to happen.
    pub fn event(&mut self) -> Event {
        if !self.waiting && self.wanted.send(()).is_err() {
            return Event::Closed;
        }
        self.waiting = true;
        loop {
            match self.keys.recv_timeout(LOOK) {
                Ok(Ok(key)) => {
                    self.waiting = false;
                    return Event::Key(told_apart(&key));
                }
                Err(RecvTimeoutError::Timeout) if self.size() != self.size => return Event::Resized,
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Event::Closed,
            }
        }
    }

    /// Draws lines from the top of an empty screen. No line may be wider than the terminal, nor may there be more than it has.
    ///
    /// # Errors
    /// When the terminal cannot be written.
    pub fn show(&mut self, lines: &[String]) -> io::Result<()> {
        self.size = self.size();
        let text = lines.join("\n");
        let text = if self.color { text } else { strip_str(&text).to_string() };
        self.term.write_str(FRAME_STARTS)?;
        self.term.clear_screen()?;
        self.term.write_str(&text)?;
        self.term.write_str(FRAME_ENDS)?;
        self.term.flush()
    }

    /// Empties the screen.
    ///
    /// # Errors
    /// When the terminal cannot be written.
    pub fn clear(&self) -> io::Result<()> {
        self.term.clear_screen()
    }

    /// Whether a text can be edited in one line: it is one, holds nothing that the terminal would take for a command, and
    /// leaves room to type.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let text = text.trim_start();
        // One column a character, because that is how the line is edited.
        let plain = text.chars().all(|c| shown::width(c.encode_utf8(&mut [0; 4])) == 1);
        matches!(shown::escaped(text), std::borrow::Cow::Borrowed(_)) && plain && text.chars().count() + 16 < self.size().columns
    }

    /// Asks for a line under some lines that say what for, with a text to start from; `None` when it comes back
    /// empty, or is left with Esc.
    ///
    /// # Errors
    /// When the terminal cannot be used.
    pub fn ask(&mut self, lines: &[String], initial: &str) -> io::Result<Option<String>> {
        self.show(lines)?;
        self.term.write_line("")?;
        let mut line = Line::new(initial);
        loop {
            let (text, behind) = line.window(self.size().columns.saturating_sub(PROMPT.len()));
            self.term.clear_line()?;
            self.term.write_str(&format!("{PROMPT}{text}"))?;
            self.term.move_cursor_left(behind)?;
            self.term.flush()?;
            // Ctrl-C ends the process here, as between keys.
            match line.press(&self.term.read_key()?) {
                Typed::More => {}
                Typed::Done(text) => return Ok(Some(text).filter(|text| !text.trim().is_empty())),
                Typed::Left => return Ok(None),
            }
        }
    }
}

fn told_apart(key: &console::Key) -> Key {
    match key {
        console::Key::Char('\x03') | console::Key::CtrlC => Key::Interrupt,
        console::Key::Char(c) => Key::Char(*c),
        console::Key::Enter => Key::Enter,
        console::Key::ArrowUp => Key::Up,
        console::Key::ArrowDown => Key::Down,
        console::Key::PageUp => Key::PageUp,
        console::Key::PageDown => Key::PageDown,
        console::Key::Home => Key::Home,
        console::Key::End => Key::End,
        console::Key::Escape => Key::Escape,
        _ => Key::Other,
    }
}
