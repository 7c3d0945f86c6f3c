//! A source file as it was read: its decoded text, how to turn text back into the bytes it came from,
//! and the line index every position in a report is computed with.
//!
//! Invariant: [`SourceFile::encode`] of an unchanged [`SourceFile::text`] gives back the exact bytes
//! that were read, so an edit can never change a byte outside its own range.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// A half-open byte range into [`SourceFile::text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span from two byte offsets.
    #[must_use]
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// An empty span: an insertion point.
    #[must_use]
    pub const fn at(offset: u32) -> Self {
        Self { start: offset, end: offset }
    }

    /// The range as `usize`, for slicing.
    #[must_use]
    pub const fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Whether `other` lies within this span.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// How the bytes of a file became text. The encodings CPython allows in a coding cookie are many; those
/// two cover what is met in practice, and everything else is refused rather than guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 (also plain ASCII), the default of PEP 3120.
    Utf8,
    /// ISO-8859-1: every byte is the character of the same number.
    Latin1,
}

/// The newline that new lines are written with: the one the file uses first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newline {
    /// `\n`
    Lf,
    /// `\r\n`
    CrLf,
    /// `\r`
    Cr,
}

impl Newline {
    /// The characters of this newline.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }
}

/// A position as people count it: both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Line, from 1.
    pub row: u32,
    /// Character in the line, from 1.
    pub column: u32,
}

/// What a file looked like on disk when it was read; a file that no longer matches is not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Size in bytes.
    pub len: u64,
    /// Modification time, where the file system has one.
    pub modified: Option<SystemTime>,
}

/// A number that stands for bytes: others have another one, unless somebody who is not our enemy is very unlucky.
#[must_use]
pub fn digest(bytes: &[u8]) -> u128 {
    twox_hash::XxHash3_128::oneshot(bytes)
}

/// Why a file could not become text.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The operating system refused.
    #[error("cannot read it: {0}")]
    Io(#[from] std::io::Error),
    /// Bytes that are not UTF-8, and no cookie that says otherwise.
    #[error("line {line} is not valid UTF-8; save the file as UTF-8 or declare its encoding in a coding comment")]
    NotUtf8 {
        /// Line of the first bad byte, from 1.
        line: usize,
    },
    /// A NUL byte: CPython refuses such a file too.
    #[error("it holds a NUL byte, so it is not Python source")]
    Binary,
    /// A cookie that names an encoding testdiet does not write.
    #[error("its coding comment says `{0}`, which testdiet does not write; save the file as UTF-8")]
    UnknownEncoding(String),
    /// Larger than offsets of 32 bits reach.
    #[error("it is larger than 1 GiB")]
    TooLarge,
}

/// One Python file, read and decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it is, as found by the walk or named by the user.
    pub path: PathBuf,
    text: String,
    /// How [`Self::encode`] writes it back.
    pub encoding: Encoding,
    /// Whether the bytes started with a UTF-8 byte order mark (kept; not part of the text).
    pub bom: bool,
    /// State on disk when it was read; `None` for standard input.
    pub stamp: Option<Stamp>,
    /// The [`digest`] of the bytes it was read from, where it was read from disk.
    pub digest: Option<u128>,
    /// Byte offset of the start of each line; looked for when first asked.
    lines: OnceLock<Vec<u32>>,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

impl SourceFile {
    /// Reads and decodes a file.
    ///
    /// # Errors
    /// When it cannot be read or is not text testdiet can write back unchanged.
    pub fn read(path: &Path) -> Result<Self, SourceError> {
        Self::from_disk(path, std::fs::read(path)?)
    }

    /// Decodes the bytes just read from a file.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn from_disk(path: &Path, bytes: Vec<u8>) -> Result<Self, SourceError> {
        let modified = std::fs::metadata(path)?.modified().ok();
        let stamp = Stamp { len: bytes.len() as u64, modified };
        let digest = digest(&bytes);
        let mut file = Self::from_bytes(path.to_path_buf(), bytes)?;
        file.stamp = Some(stamp);
        file.digest = Some(digest);
        Ok(file)
    }

    /// Decodes bytes that came from elsewhere (standard input, an editor).
    ///
    /// # Errors
    /// When they are not text testdiet can write back unchanged.
    pub fn from_bytes(path: PathBuf, mut bytes: Vec<u8>) -> Result<Self, SourceError> {
        if bytes.len() > (1 << 30) {
            return Err(SourceError::TooLarge);
        }
        let bom = bytes.starts_with(BOM);
        if bom {
            bytes.drain(..BOM.len());
        }
        if memchr::memchr(0, &bytes).is_some() {
            return Err(SourceError::Binary);
        }
        let (encoding, text) = match coding_cookie(&bytes).as_deref() {
            None | Some("utf-8" | "utf8" | "u8" | "utf" | "utf8-sig" | "utf-8-sig") => (Encoding::Utf8, utf8(bytes)?),
            Some("latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "iso-latin-1" | "8859" | "cp819" | "l1") if !bom => {
                (Encoding::Latin1, bytes.iter().map(|&b| char::from(b)).collect())
            }
            // An unknown cookie over pure ASCII is harmless for every encoding that extends ASCII; the ones
            // that do not (UTF-16, UTF-7) cannot hold a readable cookie or are refused by CPython.
            Some(other) if bytes.is_ascii() && !other.starts_with("utf-7") && !bom => (Encoding::Utf8, utf8(bytes)?),
            Some(other) => return Err(SourceError::UnknownEncoding(other.to_owned())),
        };
        Ok(Self::from_parts(path, text, encoding, bom))
    }

    /// What stands for a file that is not text.
    #[must_use]
    pub fn empty(path: PathBuf) -> Self {
        Self::from_parts(path, String::new(), Encoding::Utf8, false)
    }

    /// What stands for a file whose text is filled in later.
    #[must_use]
    pub fn absent() -> Arc<Self> {
        Arc::new(Self::empty(PathBuf::new()))
    }

    fn from_parts(path: PathBuf, text: String, encoding: Encoding, bom: bool) -> Self {
        Self { path, text, encoding, bom, stamp: None, digest: None, lines: OnceLock::new() }
    }

    /// The same file with other text: what an edit produces. Keeps encoding, mark and stamp.
    #[must_use]
    pub fn with_text(&self, text: String) -> Self {
        let mut new = Self::from_parts(self.path.clone(), text, self.encoding, self.bom);
        new.stamp.clone_from(&self.stamp);
        new
    }

    /// The decoded text, without a byte order mark.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text under a span.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        &self.text[span.range()]
    }

    /// The bytes to write for this text; `None` when a character does not exist in the encoding.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = if self.bom { BOM.to_vec() } else { Vec::new() };
        match self.encoding {
            Encoding::Utf8 => bytes.extend_from_slice(self.text.as_bytes()),
            Encoding::Latin1 => {
                for c in self.text.chars() {
                    bytes.push(u8::try_from(u32::from(c)).ok()?);
                }
            }
        }
        Some(bytes)
    }

    /// The newline that inserted lines should use.
    #[must_use]
    pub fn newline(&self) -> Newline {
        match memchr::memchr2(b'\n', b'\r', self.text.as_bytes()) {
            Some(i) if self.text.as_bytes()[i] == b'\n' => Newline::Lf,
            Some(i) if self.text.as_bytes().get(i + 1) == Some(&b'\n') => Newline::CrLf,
            Some(_) => Newline::Cr,
            None => Newline::Lf,
        }
    }

    fn lines(&self) -> &[u32] {
        self.lines.get_or_init(|| line_starts(&self.text))
    }

    /// Line number of an offset, from 0.
    #[must_use]
    pub fn line_of(&self, offset: u32) -> usize {
        self.lines().partition_point(|&start| start <= offset).saturating_sub(1)
    }

    /// Number of lines; an empty file has one.
    #[must_use]
    pub fn line_count(&self) -> usize {
        self.lines().len()
    }

    /// Span of a line (from 0) without its newline; the last line's for a number past the end.
    #[must_use]
    pub fn line_span(&self, line: usize) -> Span {
        let lines = self.lines();
        let line = line.min(lines.len() - 1);
        let start = lines[line];
        let end = lines.get(line + 1).copied().unwrap_or(len32(&self.text));
        let content = self.text[start as usize..end as usize].trim_end_matches(['\n', '\r']);
        Span::new(start, start + len32(content))
    }

    /// Text of a line (from 0) without its newline.
    #[must_use]
    pub fn line(&self, line: usize) -> &str {
        self.slice(self.line_span(line))
    }

    /// The white space that the line of `offset` starts with.
    #[must_use]
    pub fn indent_at(&self, offset: u32) -> &str {
        let line = self.line(self.line_of(offset));
        &line[..line.len() - line.trim_start_matches([' ', '\t', '\x0c']).len()]
    }

    /// Where an offset is, as people count.
    #[must_use]
    pub fn location(&self, offset: u32) -> Location {
        let line = self.line_of(offset);
        let start = self.lines()[line] as usize;
        let column = self.text[start..offset as usize].chars().count();
        Location { row: u32::try_from(line + 1).unwrap_or(u32::MAX), column: u32::try_from(column + 1).unwrap_or(u32::MAX) }
    }
}

/// Length of a text as an offset; [`SourceFile`] refuses texts for which this would not fit.
fn len32(text: &str) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

fn utf8(bytes: Vec<u8>) -> Result<String, SourceError> {
    String::from_utf8(bytes).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let line = memchr::memchr_iter(b'\n', &e.as_bytes()[..good]).count() + 1;
        SourceError::NotUtf8 { line }
    })
}

/// The encoding a PEP 263 cookie names, normalised as CPython does: lower case, `_` as `-`.
fn coding_cookie(bytes: &[u8]) -> Option<String> {
    for line in bytes.split(|&b| b == b'\n').take(2) {
        let trimmed = line.trim_ascii();
        if trimmed.is_empty() {
            continue;
        }
        if trimmed[0] != b'#' {
            return None;
        }
        let Some(at) = memchr::memmem::find(trimmed, b"coding") else { continue };
        let rest = &trimmed[at + 6..];
        let Some((b':' | b'=', rest)) = rest.split_first() else { continue };
        let name: String = rest
            .trim_ascii_start()
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            .map(|&b| if b == b'_' { '-' } else { char::from(b.to_ascii_lowercase()) })
            .collect();
        if !name.is_empty() {
            return Some(name);
        }
    }
    None
}

/// Starts of lines as CPython's tokenizer and people see them: after `\n`, `\r\n` or a lone `\r`.
fn line_starts(text: &str) -> Vec<u32> {
    let bytes = text.as_bytes();
    let mut starts = vec![0];
    for i in memchr::memchr2_iter(b'\n', b'\r', bytes) {
        if bytes[i] == b'\r' && bytes.get(i + 1) == Some(&b'\n') {
            continue;
        }
        starts.push(u32::try_from(i + 1).unwrap_or(u32::MAX));
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> Result<SourceFile, SourceError> {
        SourceFile::from_bytes(PathBuf::from("t.py"), bytes.to_vec())
    }

    #[test]
    fn bytes_survive_a_round_trip() {
        for bytes in [
            &b"x = 1\n"[..],
            b"\xef\xbb\xbfx = '\xc3\xa9'\r\n",
            b"# -*- coding: latin-1 -*-\nx = '\xe9'\n",
            b"",
            b"no newline at the end",
            b"a\rb\r",
        ] {
            assert_eq!(file(bytes).unwrap().encode().unwrap(), bytes);
        }
    }

    #[test]
    fn undecodable_files_are_refused_with_the_reason() {
        assert!(matches!(file(b"x = 1\ny = '\xe9'\n"), Err(SourceError::NotUtf8 { line: 2 })));
        assert!(matches!(file(b"x\0"), Err(SourceError::Binary)));
        assert!(matches!(file(b"# coding: koi8-r\n'\xe9'"), Err(SourceError::UnknownEncoding(_))));
    }

    #[test]
    fn columns_count_characters_and_rows_count_every_newline() {
        let f = file("é = 1\r\nb\rc".as_bytes()).unwrap();
        assert_eq!(f.location(3), Location { row: 1, column: 3 });
        assert_eq!(f.line_count(), 3);
        assert_eq!((f.line(0), f.line(1), f.line(2)), ("é = 1", "b", "c"));
        assert_eq!(f.newline(), Newline::CrLf);
    }
}
