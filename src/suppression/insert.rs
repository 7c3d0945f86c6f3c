//! Writes suppression comments: [`edit`] finds the place for one, [`add`] does so for many findings of a file.
//!
//! A comment is put where it suppresses the finding asked about and none of the others, and where Python does not notice it:
//! not within a string, not behind a backslash, not above the line that declares the encoding. Each candidate is tried on the
//! text; it is taken if the tokens are the same as before and the finding is suppressed. So whatever this module does not
//! think of ends in a refusal, not in a broken test.

use std::path::PathBuf;
use std::sync::Arc;

use ruff_python_ast::token::TokenKind;

use super::{Suppressions, lines};
use crate::edit::{Edit, apply};
use crate::finding::Finding;
use crate::python::lower;
use crate::rules::Code;
use crate::source::{SourceFile, Span};

/// Why there is no place for a comment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unplaced {
    /// Comments cannot say this.
    #[error("a comment cannot suppress `{0}`")]
    Rule(Code),
    /// It would be guesswork.
    #[error("the file has syntax that testdiet cannot parse")]
    Broken,
    /// The reason has characters that the file cannot hold.
    #[error("the file's encoding does not have all characters of the reason")]
    Encoding,
    /// Another finding would fall silent, too.
    #[error("a comment there would also suppress another finding of `{0}`")]
    Others(Code),
    /// No line takes a comment.
    #[error("no comment can stand there; put it by hand, or use `# testdiet: ignore-file[{0}]`")]
    NoPlace(Code),
}

/// A reason that cannot be part of a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reason is one line of text without control characters")]
pub struct BadReason;

/// Why something is suppressed, as the comment says it; may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reason(String);

impl std::str::FromStr for Reason {
    type Err = BadReason;

    fn from_str(text: &str) -> Result<Self, BadReason> {
        let text = text.trim();
        // Line separators end a line for `str.splitlines`, and so for tools that read sources with it.
        let bad = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if text.chars().any(bad) { Err(BadReason) } else { Ok(Self(text.to_owned())) }
    }
}

/// What [`add`] did.
#[derive(Debug)]
pub struct Added {
    /// The text with the comments.
    pub text: String,
    /// Findings for which there is no comment, by their index in `findings`, and why.
    pub refused: Vec<(usize, Unplaced)>,
}

/// The edit that suppresses one finding and none of `others`, which are findings of the same file; `None` when a comment
/// suppresses it already.
///
/// # Errors
/// When there is no place for such a comment.
pub fn edit(finding: &Finding, others: &[&Finding], reason: &Reason) -> Result<Option<Edit>, Unplaced> {
    let target = Target { span: finding.span, code: &finding.code };
    let others: Vec<Target<'_>> = others.iter().map(|f| Target { span: f.span, code: &f.code }).collect();
    place(&finding.source, &finding.file, target, &others, reason)
}

/// Comments for those findings of a file that are `wanted`, none of which suppresses one that is not.
///
/// `findings` are all of one file, in order.
#[must_use]
pub fn add(findings: &[&Finding], wanted: &[bool], reason: &Reason) -> Added {
    let Some(first) = findings.first() else { return Added { text: String::new(), refused: Vec::new() } };
    let mut source = Arc::clone(&first.source);
    let mut spans: Vec<Span> = findings.iter().map(|f| f.span).collect();
    let mut refused = Vec::new();
    for (i, finding) in findings.iter().enumerate().filter(|(i, _)| wanted[*i]) {
        let target = Target { span: spans[i], code: &finding.code };
        let unwanted = findings.iter().zip(&spans).zip(wanted).filter(|(_, wanted)| !**wanted);
        let others: Vec<Target<'_>> = unwanted.map(|((f, &span), _)| Target { span, code: &f.code }).collect();
        match place(&source, &finding.file, target, &others, reason) {
            Ok(None) => {}
            Ok(Some(edit)) => {
                for span in &mut spans {
                    *span = moved(*span, &edit);
                }
                source = Arc::new(source.with_text(apply(source.text(), [&edit])));
            }
            Err(why) => refused.push((i, why)),
        }
    }
    Added { text: source.text().to_owned(), refused }
}

/// What is to be suppressed, or not to be.
#[derive(Clone, Copy)]
struct Target<'a> {
    span: Span,
    code: &'a Code,
}

fn place(
    source: &Arc<SourceFile>,
    file: &Arc<PathBuf>,
    target: Target<'_>,
    others: &[Target<'_>],
    reason: &Reason,
) -> Result<Option<Edit>, Unplaced> {
    if ["unused-suppression", "syntax-error"].contains(&target.code.as_str()) {
        return Err(Unplaced::Rule(target.code.clone()));
    }
    let old = Tokens::of(source.text()).ok_or(Unplaced::Broken)?;
    let now = Suppressions::new(source, file, &old.comments, false);
    if !now.entries(target.span, target.code).is_empty() {
        return Ok(None);
    }
    // Others that are suppressed already do not count: they cannot fall silent again.
    let others: Vec<&Target<'_>> = others.iter().filter(|o| now.entries(o.span, o.code).is_empty()).collect();
    let mut why = Unplaced::NoPlace(target.code.clone());
    let site = Site { source, file, comments: &old.comments, code: target.code, reason: &reason.0 };
    for edit in site.candidates(target.span, &now) {
        let new = source.with_text(apply(source.text(), [&edit]));
        if !reads_the_same(source, &new) {
            if new.encode().is_none() {
                why = Unplaced::Encoding;
            }
            continue;
        }
        let new = Arc::new(new);
        let Some(tokens) = Tokens::of(new.text()).filter(|new| new.code == old.code) else { continue };
        let then = Suppressions::new(&new, file, &tokens.comments, false);
        let silent = |t: &Target<'_>| !then.entries(moved(t.span, &edit), t.code).is_empty();
        if !silent(&target) {
            continue;
        }
        match others.iter().find(|o| silent(o)) {
            Some(other) => why = Unplaced::Others(other.code.clone()),
            None => return Ok(Some(edit)),
        }
    }
    Err(why)
}

/// Whether the bytes of a new text are read as that text by Python and by the system: encoding and `#!` are where they were.
fn reads_the_same(old: &SourceFile, new: &SourceFile) -> bool {
    let Some(bytes) = new.encode() else { return false };
    let Ok(read) = SourceFile::from_bytes(new.path.clone(), bytes) else { return false };
    read.text() == new.text() && read.encoding == old.encoding && old.text().starts_with("#!") == new.text().starts_with("#!")
}

/// Where a span is after an edit that does not touch it.
fn moved(span: Span, edit: &Edit) -> Span {
    let (gone, come) = (edit.span.end - edit.span.start, u32::try_from(edit.content.len()).unwrap_or(u32::MAX));
    // What is inserted at the very start of a finding is put before it.
    let shift = |at: u32, inclusive: bool| {
        let behind = if inclusive { at >= edit.span.end } else { at > edit.span.end };
        if behind { (at - gone).saturating_add(come) } else { at }
    };
    Span::new(shift(span.start, true), shift(span.end, span.start >= edit.span.end))
}

/// A finding's surroundings.
struct Site<'a> {
    source: &'a SourceFile,
    file: &'a Arc<PathBuf>,
    comments: &'a [Span],
    code: &'a Code,
    reason: &'a str,
}

impl Site<'_> {
    /// Comments to try, the best first: a name in a comment of ours that is there, the end of a line, a line of its own.
    fn candidates(&self, span: Span, now: &Suppressions) -> Vec<Edit> {
        let (first, last) = lines(self.source, span);
        let mut out: Vec<Edit> = now.reaching(span).into_iter().filter_map(|i| self.joined(now, i)).collect();
        let ends = std::iter::once(first).chain((last != first).then_some(last)).chain(first + 1..last);
        out.extend(ends.filter_map(|line| self.at_end(line)));
        out.extend(self.above(first));
        out
    }

    /// A further name in a comment that is there, and the reason behind its own.
    fn joined(&self, now: &Suppressions, comment: usize) -> Option<Edit> {
        let comment = &now.comments[comment];
        let name = comment.entries.last().filter(|_| !comment.whole_file)?;
        name.code.as_ref()?;
        let rest = self.source.slice(Span::new(name.span.end, comment.span.end));
        let (inside, own) = rest.split_once(']')?;
        let own = own.trim();
        let reason = match (self.reason, own) {
            ("", _) => own.to_owned(),
            (reason, "") => reason.to_owned(),
            (reason, own) if own.contains(reason) => own.to_owned(),
            (reason, own) => format!("{own}; {reason}"),
        };
        let inside = inside.trim_end().trim_end_matches(',').trim_end();
        let blank = if reason.is_empty() { "" } else { " " };
        let content = format!("{inside}, {}]{blank}{reason}", self.code);
        Some(Edit::replace(self.file, Span::new(name.span.end, comment.span.end), content))
    }

    /// At the end of a line that has no comment and goes on by no backslash.
    fn at_end(&self, line: usize) -> Option<Edit> {
        let span = self.source.line_span(line);
        let text = self.source.slice(span).trim_end();
        if text.is_empty() || text.ends_with('\\') || self.comment_on(line).is_some() {
            return None;
        }
        let end = span.start + u32::try_from(text.len()).ok()?;
        Some(Edit::replace(self.file, Span::new(end, span.end), format!("  {}", self.comment())))
    }

    /// On a line of its own above a line, unless that line is the rest of one that goes on by a backslash.
    fn above(&self, line: usize) -> Option<Edit> {
        if line > 0 && self.source.line(line - 1).ends_with('\\') && self.comment_on(line - 1).is_none() {
            return None;
        }
        let start = self.source.line_span(line).start;
        let (indent, newline) = (self.source.indent_at(start), self.source.newline().as_str());
        Some(Edit::insert(self.file, start, format!("{indent}{}{newline}", self.comment())))
    }

    fn comment(&self) -> String {
        let blank = if self.reason.is_empty() { "" } else { " " };
        format!("# testdiet: ignore[{}]{blank}{}", self.code, self.reason)
    }

    fn comment_on(&self, line: usize) -> Option<Span> {
        let span = self.source.line_span(line);
        self.comments.iter().copied().find(|c| span.contains(*c))
    }
}

/// A text as Python reads it, and its comments.
struct Tokens {
    /// Kinds and texts of all tokens but comments and the newlines that end no statement.
    code: Vec<(TokenKind, String)>,
    comments: Vec<Span>,
}

impl Tokens {
    /// `None` for a text with errors.
    fn of(text: &str) -> Option<Self> {
        let (ast, all) = lower::lower_with_tokens(text);
        if !ast.errors.is_empty() {
            return None;
        }
        let mut tokens = Self { code: Vec::new(), comments: Vec::new() };
        let mut strings = 0;
        for (kind, span) in all {
            match kind {
                // Between the braces of a string no comment of ours is looked for.
                TokenKind::Comment if strings == 0 => tokens.comments.push(span),
                TokenKind::NonLogicalNewline => {}
                _ => tokens.code.push((kind, text[span.range()].to_owned())),
            }
            strings += i32::from(matches!(kind, TokenKind::FStringStart | TokenKind::TStringStart));
            strings -= i32::from(matches!(kind, TokenKind::FStringEnd | TokenKind::TStringEnd));
        }
        Some(tokens)
    }
}
