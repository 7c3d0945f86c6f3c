//! The colours of the human formats. They are always written; anstream takes them out where they are not wanted.

use anstyle::{AnsiColor, Style};

/// Names, headings.
pub const STRONG: Style = Style::new().bold();
/// The code of a finding.
pub const CODE: Style = AnsiColor::Red.on_default().bold();
/// Paths, arrows, gutters.
pub const PLACE: Style = AnsiColor::Cyan.on_default();
/// The carets.
pub const CARET: Style = AnsiColor::Red.on_default().bold();
/// The mark of a fix the command at hand would apply.
pub const FIXABLE: Style = AnsiColor::Green.on_default().bold();
/// What is said aside.
pub const DIM: Style = Style::new().dimmed();
/// A removed line.
pub const REMOVED: Style = AnsiColor::Red.on_default();
/// The words that a removed line loses.
pub const REMOVED_WORD: Style = AnsiColor::Red.on_default().bold().underline();
/// An added line.
pub const ADDED: Style = AnsiColor::Green.on_default();
/// The words that an added line gains.
pub const ADDED_WORD: Style = AnsiColor::Green.on_default().bold().underline();
/// Something went wrong.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
