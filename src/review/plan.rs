//! What a review goes through: the fixes of one look at the project, each once, in the order of files and lines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::edit::{Applicability, Edit, Fix, apply};
use crate::engine::Checked;
use crate::finding::Finding;
use crate::fingerprint::{self, Fingerprint};
use crate::source::{SourceFile, Span};

/// One fix to decide on.
#[derive(Debug, Clone)]
pub struct Item {
    /// What it fixes; the first leads. Never empty.
    pub findings: Vec<Finding>,
    /// The fix, with at least one edit.
    pub fix: Fix,
    /// Which part of a fix that was split it is, from 1, and of how many.
    pub part: Option<(usize, usize)>,
    fingerprints: Vec<Fingerprint>,
}

impl Item {
    /// The finding that speaks for it.
    #[must_use]
    pub fn lead(&self) -> &Finding {
        &self.findings[0]
    }

    /// Where it is: where its lead is, or for a part of a fix where that part is.
    #[must_use]
    pub fn place(&self) -> (&Arc<PathBuf>, u32) {
        match (self.part, self.fix.edits.first()) {
            (Some(_), Some(edit)) => (&edit.file, edit.span.start),
            _ => (&self.lead().file, self.lead().span.start),
        }
    }

    /// The files it changes.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.fix.edits.chunk_by(|a, b| a.file == b.file).map(|edits| edits[0].file.as_path())
    }

    /// How what it fixes is recognised in another run.
    #[must_use]
    pub fn fingerprints(&self) -> &[Fingerprint] {
        &self.fingerprints
    }
}

/// Whole lines that a fix changes, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// The file.
    pub file: Arc<PathBuf>,
    /// The lines, without the last newline unless that goes too.
    pub span: Span,
    /// Their text after the fix.
    pub after: String,
    /// The edits that do it.
    pub edits: Vec<Edit>,
}

/// The fixes of one look, and the texts they are for.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// In the order of files and lines.
    pub items: Vec<Item>,
    /// The files that the fixes are in and change, as they were looked at.
    pub sources: BTreeMap<PathBuf, Arc<SourceFile>>,
    /// All findings, those without a fix too, in the order of files.
    pub findings: Vec<Finding>,
    /// Fixes left out because they were rejected in an earlier review.
    pub remembered: usize,
}

impl Plan {
    /// The fixes that may be applied, without those whose findings were all rejected in an earlier review. `root` is the
    /// project's.
    #[must_use]
    pub fn new(checked: Checked, root: &Path, rejected: &BTreeSet<Fingerprint>) -> Self {
        let fingerprints = fingerprint::of(&checked.findings, root);
        let mut sources: BTreeMap<PathBuf, Arc<SourceFile>> = BTreeMap::new();
        let mut items: Vec<Item> = Vec::new();
        let mut known: BTreeMap<(String, Vec<Edit>), usize> = BTreeMap::new();
        for (finding, fingerprint) in checked.findings.iter().zip(fingerprints) {
            let Some(fix) = &finding.fix else { continue };
            if fix.applicability == Applicability::Display || fix.edits.is_empty() {
                continue;
            }
            sources.entry(finding.source.path.clone()).or_insert_with(|| Arc::clone(&finding.source));
            let key = (fix.group.clone(), fix.edits.clone());
            if let Some(&i) = known.get(&key) {
                // The most careful of them speaks for all.
                if fix.applicability < items[i].fix.applicability {
                    items[i].fix = fix.clone();
                }
                items[i].findings.push(finding.clone());
                items[i].fingerprints.push(fingerprint);
            } else {
                known.insert(key, items.len());
                let fix = fix.clone();
                items.push(Item { findings: vec![finding.clone()], fix, part: None, fingerprints: vec![fingerprint] });
            }
        }
        sources.extend(checked.sources.into_iter().map(|(path, source)| ((*path).clone(), source)));
        let all = items.len();
        items.retain(|item| !item.fingerprints.iter().all(|f| rejected.contains(f)));
        items.retain(|item| item.files().all(|file| sources.contains_key(file)));
        Self { remembered: all - items.len(), items, sources, findings: checked.findings }
    }

    /// The text that a file was looked at with.
    #[must_use]
    pub fn source(&self, path: &Path) -> Option<&Arc<SourceFile>> {
        self.sources.get(path)
    }

    /// The lines that an item changes: edits that share a line are one hunk.
    #[must_use]
    pub fn hunks(&self, item: &Item) -> Vec<Hunk> {
        let mut hunks: Vec<Hunk> = Vec::new();
        for edit in &item.fix.edits {
            let Some(source) = self.source(&edit.file) else { continue };
            let first = source.line_span(source.line_of(edit.span.start));
            // An edit that ends with a newline does not reach into the next line.
            let last = source.line_span(source.line_of(edit.span.end.max(edit.span.start + 1) - 1));
            let end = last.end.max(edit.span.end);
            match hunks.last_mut() {
                Some(hunk) if hunk.file == edit.file && first.start <= hunk.span.end => {
                    hunk.span.end = hunk.span.end.max(end);
                    hunk.edits.push(edit.clone());
                }
                _ => hunks.push(Hunk {
                    file: Arc::clone(&edit.file),
                    span: Span::new(first.start, end),
                    after: String::new(),
                    edits: vec![edit.clone()],
                }),
            }
        }
        for hunk in &mut hunks {
            let Some(source) = self.source(&hunk.file) else { continue };
            let start = hunk.span.start;
            let within = |e: &Edit| Edit { span: Span::new(e.span.start - start, e.span.end - start), ..e.clone() };
            let edits: Vec<Edit> = hunk.edits.iter().map(within).collect();
            hunk.after = apply(source.slice(hunk.span), &edits);
        }
        hunks
    }

    /// The same with one item in as many parts as it changes places; `None` when that is one.
    #[must_use]
    pub fn split(&self, at: usize) -> Option<(Self, usize)> {
        let item = self.items.get(at)?;
        let hunks = self.hunks(item);
        if hunks.len() < 2 {
            return None;
        }
        let count = hunks.len();
        let parts = hunks.into_iter().enumerate().map(|(i, hunk)| {
            let mut part = item.clone();
            part.part = Some((i + 1, count));
            part.fix.edits = hunk.edits;
            part.fix.applicability = Applicability::Unsafe;
            part.fix.reason = Some(
                "it is a part of a fix whose numbers belong together: an order, an equality or a name ties them; without its \
                 other parts the test may fail, or prove less"
                    .to_owned(),
            );
            part.fix.group = format!("{}#{}", item.fix.group, i + 1);
            part
        });
        let mut items = self.items.clone();
        items.splice(at..=at, parts);
        Some((Self { items, ..self.clone() }, count))
    }
}

/// Where an offset is after edits of its file; one inside of an edit goes to where that begins.
#[must_use]
pub fn moved(offset: u32, edits: &[&Edit]) -> u32 {
    let mut at = i64::from(offset);
    for edit in edits.iter().filter(|e| e.span.start <= offset) {
        let length = i64::try_from(edit.content.len()).unwrap_or(i64::MAX);
        let (start, end) = (i64::from(edit.span.start), i64::from(edit.span.end));
        // What is inserted right at the offset goes before it.
        if edit.span.end <= offset {
            at += length - (end - start);
        } else {
            at -= i64::from(offset) - start;
        }
    }
    u32::try_from(at.max(0)).unwrap_or(u32::MAX)
}

/// The same edit of a text that other edits, free of conflicts with it, have changed.
#[must_use]
pub fn moved_edit(edit: &Edit, others: &[&Edit]) -> Edit {
    let before: Vec<&Edit> = others.iter().copied().filter(|o| o.span.end <= edit.span.start).collect();
    let start = moved(edit.span.start, &before);
    Edit { span: Span::new(start, start + (edit.span.end - edit.span.start)), ..edit.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn edit(start: u32, end: u32, content: &str) -> Edit {
        Edit::replace(&Arc::new(PathBuf::from("a.py")), Span::new(start, end), content)
    }

    #[test]
    fn an_edit_moves_with_what_is_changed_before_it() {
        let text = "0123456789";
        for (first, second) in [
            (edit(1, 3, "abcdef"), edit(5, 6, "X")),
            (edit(5, 6, ""), edit(1, 3, "X")),
            (edit(2, 2, "new"), edit(2, 4, "X")),
            (edit(4, 4, "new"), edit(2, 4, "X")),
            (edit(2, 4, "Y"), edit(4, 4, "new")),
            (edit(2, 4, ""), edit(2, 2, "new")),
            (edit(0, 0, "new"), edit(0, 1, "X")),
        ] {
            assert!(!first.conflicts_with(&second));
            let both = apply(text, [&first, &second]);
            let one = apply(text, [&first]);
            assert_eq!(apply(&one, [&moved_edit(&second, &[&first])]), both, "{first:?} {second:?}");
        }
    }

    #[test]
    fn findings_of_one_fix_are_one_item_and_only_fixable_ones_are_offered() {
        let mut checked = samples::several();
        let mut same = checked.findings[0].clone();
        same.code = crate::rules::Code::new("sleep-budget");
        checked.findings.insert(1, same);
        let mut told = checked.findings[0].clone();
        if let Some(fix) = &mut told.fix {
            fix.applicability = Applicability::Display;
            fix.group.push('x');
        }
        checked.findings.push(told);
        let plan = Plan::new(checked.clone(), Path::new("/work"), &BTreeSet::new());
        let found: Vec<usize> = plan.items.iter().map(|i| i.findings.len()).collect();
        assert_eq!((found, plan.remembered), (vec![2, 1], 0));

        // Remembered when all that it fixes is.
        let both: BTreeSet<Fingerprint> = plan.items[0].fingerprints().iter().copied().collect();
        let one: BTreeSet<Fingerprint> = both.iter().take(1).copied().collect();
        assert_eq!(Plan::new(checked.clone(), Path::new("/work"), &one).items.len(), 2);
        let rest = Plan::new(checked, Path::new("/work"), &both);
        assert_eq!((rest.items.len(), rest.remembered), (1, 1));
    }

    #[test]
    fn a_fix_is_split_by_the_lines_it_changes() {
        let mut checked = samples::several();
        checked.findings.truncate(1);
        let plan = Plan::new(checked.clone(), Path::new("/work"), &BTreeSet::new());
        assert!(plan.split(0).is_none());

        let finding = &mut checked.findings[0];
        let at = u32::try_from(finding.source.text().find("import time").unwrap()).unwrap();
        let second = Edit::insert(&finding.file, at, "import os\n");
        finding.fix.as_mut().unwrap().edits.insert(0, second);
        let plan = Plan::new(checked, Path::new("/work"), &BTreeSet::new());
        let hunks = plan.hunks(&plan.items[0]);
        let after: Vec<&str> = hunks.iter().map(|h| h.after.as_str()).collect();
        assert_eq!(after, ["import os\nimport time", "    time.sleep(0.3)"]);
        let (split, count) = plan.split(0).unwrap();
        assert_eq!((split.items.len(), count), (2, 2));
        assert_eq!(split.items.iter().map(|i| i.part).collect::<Vec<_>>(), [Some((1, 2)), Some((2, 2))]);
        assert!(split.items.iter().all(|i| i.fix.edits.len() == 1 && i.fix.reason.is_some()));
    }
}
