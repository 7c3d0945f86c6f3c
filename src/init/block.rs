//! A block in a file of somebody else's: between two lines that say whose it is, updated there, and nothing around it touched.

use super::in_newlines_of;
use crate::discover::equipment::{BLOCK_END, BLOCK_START};
use crate::source::SourceFile;

/// The lines around a block.
pub(super) struct Fence {
    pub start: &'static str,
    pub end: &'static str,
}

/// In Python.
pub(super) const PYTHON: Fence = Fence { start: BLOCK_START, end: BLOCK_END };
/// In Markdown.
pub(super) const MARKDOWN: Fence = Fence { start: "<!-- >>> testdiet >>> -->", end: "<!-- <<< testdiet <<< -->" };

impl Fence {
    /// A file's text with a block in place of the one it has, or at its end. `body` is whole lines that end in `\n`; `gap` is
    /// the number of empty lines before a block that is new.
    ///
    /// # Errors
    /// When one of the two lines is missing, or is there more than once.
    pub(super) fn put(&self, file: &SourceFile, body: &str, gap: usize) -> Result<String, String> {
        let text = file.text();
        let block = in_newlines_of(file, &format!("{}\n{body}{}", self.start, self.end));
        if let Some(old) = self.find(text)? {
            return Ok(format!("{}{block}{}", &text[..old.start], &text[old.end..]));
        }
        let newline = file.newline().as_str();
        let kept = text.trim_end();
        let before = if kept.is_empty() {
            text.to_owned()
        } else if text.ends_with(['\n', '\r']) {
            // As many empty lines as are missing.
            let there = text[kept.len()..].matches(newline).count().saturating_sub(1);
            format!("{text}{}", newline.repeat(gap.saturating_sub(there)))
        } else {
            format!("{text}{}", newline.repeat(gap + 1))
        };
        Ok(format!("{before}{block}{newline}"))
    }

    /// A file's text without its block.
    pub(super) fn without(&self, text: &str) -> Result<String, String> {
        Ok(match self.find(text)? {
            Some(old) => format!("{}{}", &text[..old.start], &text[old.end..]),
            None => text.to_owned(),
        })
    }

    /// Where the block is: from its first line to its last, without the newline.
    fn find(&self, text: &str) -> Result<Option<std::ops::Range<usize>>, String> {
        let at = |line: &str| -> Vec<usize> {
            let starts_line = |i: usize| i == 0 || text[..i].ends_with(['\n', '\r']);
            text.match_indices(line).map(|(i, _)| i).filter(|&i| starts_line(i)).collect()
        };
        match (at(self.start).as_slice(), at(self.end).as_slice()) {
            ([], []) => Ok(None),
            ([start], [end]) if start < end => Ok(Some(*start..end + self.end.len())),
            _ => Err(format!("`{}` and `{}` do not pair up in it", self.start, self.end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn put(text: &str) -> Result<String, String> {
        let file = SourceFile::from_bytes(PathBuf::from("conftest.py"), text.as_bytes().to_vec()).unwrap();
        PYTHON.put(&file, "x = 1\n", 2)
    }

    #[test]
    fn a_block_goes_to_the_end_once_and_is_replaced_where_it_is() {
        const BLOCK: &str = "# >>> testdiet >>>\nx = 1\n# <<< testdiet <<<\n";
        for (before, expected) in [
            ("", BLOCK.to_owned()),
            ("a\n", format!("a\n\n\n{BLOCK}")),
            ("a", format!("a\n\n\n{BLOCK}")),
            ("a\n\n", format!("a\n\n\n{BLOCK}")),
            ("a\n\n\n\n", format!("a\n\n\n\n{BLOCK}")),
            ("a\r\nb\r\n", format!("a\r\nb\r\n\r\n\r\n{}", BLOCK.replace('\n', "\r\n"))),
            ("a\n# >>> testdiet >>>\nold\nolder\n# <<< testdiet <<<\nb", format!("a\n{BLOCK}b")),
        ] {
            let after = put(before).unwrap();
            assert_eq!(after, expected, "{before:?}");
            assert_eq!(put(&after).unwrap(), after, "{before:?}");
        }
    }

    #[test]
    fn a_damaged_block_is_left_alone() {
        for text in [
            "# >>> testdiet >>>\n",
            "# <<< testdiet <<<\n# >>> testdiet >>>\n",
            "# >>> testdiet >>>\n# >>> testdiet >>>\n# <<< testdiet <<<\n",
        ] {
            assert!(put(text).unwrap_err().contains("do not pair up"), "{text:?}");
        }
    }
}
