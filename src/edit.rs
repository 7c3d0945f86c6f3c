//! The values a rewrite is made of: [`Edit`], [`Fix`], [`Applicability`], and how several fixes are applied
//! to one text without garbling it.
//!
//! A fix lands whole or not at all. Two fixes may share an edit (the same import, say): equal edits merge.
//! Fixes whose edits overlap otherwise are not applied together; the later one waits for the next round.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::source::Span;

/// Whether a fix may be applied without anybody looking (ruff's words).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Applicability {
    /// Told, never applied.
    Display,
    /// Plausible; only a run of the tests can tell. The fix says why.
    Unsafe,
    /// Cannot make a test prove less nor fail on time, shown statically.
    Safe,
}

/// One replacement in one file. An empty span inserts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Edit {
    /// The file, by the path it was read from.
    pub file: Arc<PathBuf>,
    /// What is replaced, in bytes of the decoded text.
    pub span: Span,
    /// What replaces it.
    pub content: String,
}

impl Edit {
    /// Replaces the text under `span`.
    #[must_use]
    pub fn replace(file: &Arc<PathBuf>, span: Span, content: impl Into<String>) -> Self {
        Self { file: Arc::clone(file), span, content: content.into() }
    }

    /// Inserts at an offset.
    #[must_use]
    pub fn insert(file: &Arc<PathBuf>, offset: u32, content: impl Into<String>) -> Self {
        Self::replace(file, Span::at(offset), content)
    }

    /// Whether both cannot be applied to one text. Equal edits do not conflict; two insertions at one point do,
    /// because their order would be a guess.
    #[must_use]
    pub fn conflicts_with(&self, other: &Self) -> bool {
        if self.file != other.file || self == other {
            return false;
        }
        let (a, b) = (self.span, other.span);
        if a.start == a.end && b.start == b.end {
            return a.start == b.start;
        }
        a.start < b.end && b.start < a.end
    }
}

/// A rewrite that belongs to a finding.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fix {
    /// May it be applied without a look?
    pub applicability: Applicability,
    /// Why it is not safe; `None` for a safe fix.
    pub reason: Option<String>,
    /// What it does, in the imperative: "Shrink 2.5 s to 0.2 s, with the timeout it waits for".
    pub message: String,
    /// All edits, in the order of files and offsets, free of conflicts among themselves.
    pub edits: Vec<Edit>,
    /// Findings whose fixes carry the same group are fixed by the same edits: one decision for all.
    pub group: String,
}

impl Fix {
    /// A fix with its edits in order.
    #[must_use]
    pub fn new(applicability: Applicability, message: impl Into<String>, mut edits: Vec<Edit>, group: impl Into<String>) -> Self {
        edits.sort();
        edits.dedup();
        Self { applicability, reason: None, message: message.into(), edits, group: group.into() }
    }

    /// The same fix with the reason why it is not safe.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// Which of `fixes` can be applied together: in order, each whole or not at all. Returns indices.
#[must_use]
pub fn compatible<'a>(fixes: impl IntoIterator<Item = &'a Fix>) -> Vec<usize> {
    // Per file, accepted edits by start. Overlap is tested against the neighbours only, so this stays n·log n.
    let mut taken: BTreeMap<(&Arc<PathBuf>, u32, u32), &Edit> = BTreeMap::new();
    let mut chosen = Vec::new();
    for (i, fix) in fixes.into_iter().enumerate() {
        let clash = fix.edits.iter().any(|edit| {
            let below = taken.range(..(&edit.file, edit.span.end, u32::MAX)).rev();
            below
                .take_while(|((file, ..), _)| *file == &edit.file)
                // Accepted edits do not overlap, so the first one that ends before this one starts ends the search;
                // an insertion at its very end is the one that can still follow.
                .take_while(|((_, _, end), _)| *end >= edit.span.start)
                .chain(taken.range((&edit.file, edit.span.end, 0)..=(&edit.file, edit.span.end, edit.span.end)))
                .any(|(_, other)| edit.conflicts_with(other))
        });
        if !clash {
            for edit in &fix.edits {
                taken.insert((&edit.file, edit.span.start, edit.span.end), edit);
            }
            chosen.push(i);
        }
    }
    chosen
}

/// Applies edits of one file to its text. They must be free of conflicts; equal ones are applied once.
#[must_use]
pub fn apply<'a>(text: &str, edits: impl IntoIterator<Item = &'a Edit>) -> String {
    let mut edits: Vec<&Edit> = edits.into_iter().collect();
    edits.sort_by_key(|e| (e.span.start, e.span.end));
    edits.dedup();
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for edit in edits {
        let range = edit.span.range();
        debug_assert!(range.start >= at, "conflicting edits reached apply()");
        out.push_str(&text[at..range.start]);
        out.push_str(&edit.content);
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(edits: &[(u32, u32, &str)]) -> Fix {
        let file = Arc::new(PathBuf::from("a.py"));
        let edits = edits.iter().map(|&(s, e, c)| Edit::replace(&file, Span::new(s, e), c)).collect();
        Fix::new(Applicability::Safe, "m", edits, "g")
    }

    #[test]
    fn equal_edits_merge_and_overlapping_fixes_wait_whole() {
        let import = (0, 0, "import pytest\n");
        let fixes = [
            fix(&[import, (4, 6, "XX")]),
            fix(&[import, (8, 9, "Y")]),
            fix(&[(5, 7, "Z"), (9, 10, "W")]),
            fix(&[(0, 0, "import other\n")]),
            fix(&[(6, 8, "ok")]),
        ];
        assert_eq!(compatible(&fixes), vec![0, 1, 4]);
        let edits = [0, 1, 4].iter().flat_map(|&i| &fixes[i].edits);
        assert_eq!(apply("0123456789", edits), "import pytest\n0123XXokY9");
    }
}
