//! What a person types in a review: lines in place of a fix's, a reason, a text to look for, a number.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Effect, How, Question, Refusal, State};
use crate::edit::Edit;
use crate::finding::Finding;
use crate::review::plan::{Hunk, Plan};
use crate::source::Span;
use crate::suppression::insert::{Reason, Unplaced, add};

/// The replacement that is being edited.
#[derive(Debug, Clone)]
pub(super) struct Editing {
    hunks: Vec<Hunk>,
    done: Vec<String>,
}

impl State {
    /// Takes the answer to a question; `None` when it was not given.
    pub fn answer(&mut self, question: &Question, text: Option<&str>) -> Option<Effect> {
        if *question == Question::Search {
            self.search(text.unwrap_or_default().trim());
            return None;
        }
        let Some(text) = text.filter(|t| !t.trim().is_empty()) else {
            self.editing = None;
            self.say("Nothing was changed.");
            return None;
        };
        match question {
            Question::Replacement { .. } => self.replace(text),
            Question::Reason => self.suppress(text.trim()),
            Question::Search => None,
            Question::Number => {
                let before = self.now.earlier.total();
                let number = text.trim().parse::<usize>().ok().and_then(|n| n.checked_sub(before + 1));
                self.go(number.filter(|at| *at < self.now.plan.items.len()), "There is no open fix of that number.")
            }
        }
    }

    fn search(&mut self, text: &str) {
        if !text.is_empty() {
            self.sought = text.to_lowercase();
        }
        if self.sought.is_empty() {
            return;
        }
        let count = self.now.plan.items.len();
        let holds = |&at: &usize| {
            let item = &self.now.plan.items[at];
            let edits = item.fix.edits.iter().map(|e| e.content.as_str());
            let findings = item.findings.iter().flat_map(|f| {
                let test = f.test.as_deref().unwrap_or_default();
                [f.code.as_str(), f.message.as_str(), test, f.source.slice(f.span)]
            });
            let text = edits.chain(findings).chain([item.fix.message.as_str()]).any(|t| t.to_lowercase().contains(&self.sought));
            text || item.files().any(|f| f.to_string_lossy().to_lowercase().contains(&self.sought))
        };
        let found = (1..=count).map(|step| (self.now.at + step) % count.max(1)).find(holds);
        let otherwise = format!("No fix mentions `{}`.", self.sought);
        self.go(found, &otherwise);
    }

    pub(super) fn edit(&mut self) -> Option<Effect> {
        let (at, item) = self.now.current()?;
        let hunks = self.now.plan.hunks(item);
        // Whole lines are edited: none of them may be another fix's as well.
        let clashes = |hunk: &Hunk| {
            let whole = Edit::replace(&hunk.file, hunk.span, "");
            self.now.taken_edits(&hunk.file, Some(at)).any(|other| other.conflicts_with(&whole))
        };
        let shared = hunks.iter().any(clashes);
        if shared {
            self.say("A fix taken before is on the same line, so this one was planned again; e edits it now.");
            self.remember(self.now.clone());
            return Some(Effect::Replan);
        }
        self.editing = Some(Editing { hunks, done: Vec::new() });
        self.ask_replacement(None, None)
    }

    /// Asks for the next place of a fix that is being edited.
    fn ask_replacement(&mut self, typed: Option<String>, error: Option<&'static str>) -> Option<Effect> {
        let editing = self.editing.as_ref()?;
        let hunk = editing.hunks.get(editing.done.len())?;
        Some(Effect::Ask(Question::Replacement {
            file: (*hunk.file).clone(),
            row: self.now.row_of(&hunk.file, hunk.span.start),
            place: (editing.done.len() + 1, editing.hunks.len()),
            lines: typed.unwrap_or_else(|| hunk.after.replace("\r\n", "\n").replace('\r', "\n")),
            error,
        }))
    }

    fn replace(&mut self, text: &str) -> Option<Effect> {
        let editing = self.editing.as_mut()?;
        editing.done.push(text.to_owned());
        if editing.done.len() < editing.hunks.len() {
            return self.ask_replacement(None, None);
        }
        let editing = self.editing.clone()?;
        let edits = editing.hunks.iter().zip(&editing.done).map(|(hunk, text)| {
            let source = self.now.plan.source(&hunk.file);
            let newline = source.map_or("\n", |s| s.newline().as_str());
            // Where the fix removes whole lines, their last newline is part of what is replaced.
            let ends = source.is_some_and(|s| s.slice(hunk.span).ends_with(['\n', '\r']));
            let end = if ends && !text.ends_with('\n') { newline } else { "" };
            Edit::replace(&hunk.file, hunk.span, text.replace('\n', newline) + end)
        });
        let edits: Vec<Edit> = edits.collect();
        let before = self.now.clone();
        if self.accept(self.now.at, How::Edited, edits).is_err() {
            let typed = self.editing.as_mut()?.done.pop();
            return self
                .ask_replacement(typed, Some("With that, the file would not be Python any more. Change it, or leave it empty."));
        }
        self.editing = None;
        self.remember(before);
        self.say("Taken as you wrote it.");
        // A new look: what follows in the file is where it is now, and fits the numbers there are now.
        self.now.at = self.next_open().unwrap_or(self.now.plan.items.len());
        Some(Effect::Replan)
    }

    fn suppress(&mut self, reason: &str) -> Option<Effect> {
        let at = self.now.at;
        let item = self.now.current()?.1.clone();
        let reason: Reason = match reason.parse() {
            Ok(reason) => reason,
            Err(error) => {
                self.say(format!("Nothing was changed: {error}."));
                return None;
            }
        };
        let edits = match comments(&self.now.plan, &item.findings, &reason) {
            Ok(edits) => edits,
            Err(why) => {
                self.say(format!("Nothing was changed: {why}."));
                return None;
            }
        };
        let before = self.now.clone();
        match self.accept(at, How::Suppressed, edits) {
            Ok(()) => {
                self.remember(before);
                self.say("Suppressed.");
                self.now.at = self.next_open().unwrap_or(self.now.plan.items.len());
                Some(Effect::Replan)
            }
            Err(Refusal::Overlaps) => {
                self.say("A fix taken before is on the same line, so this one was planned again; S suppresses it now.");
                self.remember(before);
                Some(Effect::Replan)
            }
            Err(Refusal::Breaks) => {
                self.say("With a comment there, the file would not be Python any more.");
                None
            }
        }
    }
}

/// The edits that write comments for findings, which may be of several files; all or none.
fn comments(plan: &Plan, wanted: &[Finding], reason: &Reason) -> Result<Vec<Edit>, Unplaced> {
    let mut edits = Vec::new();
    for findings in plan.findings.chunk_by(|a, b| a.file == b.file) {
        let is_wanted = |f: &Finding| wanted.iter().any(|w| (&w.file, w.span, &w.code) == (&f.file, f.span, &f.code));
        let chosen: Vec<bool> = findings.iter().map(is_wanted).collect();
        if !chosen.contains(&true) {
            continue;
        }
        let added = add(&findings.iter().collect::<Vec<_>>(), &chosen, reason);
        if let Some((_, why)) = added.refused.into_iter().next() {
            return Err(why);
        }
        edits.extend(differing(&findings[0].file, findings[0].source.text(), &added.text));
    }
    Ok(edits)
}

/// The edits that turn one text into another, line by line.
fn differing(file: &Arc<PathBuf>, old: &str, new: &str) -> Vec<Edit> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    // Texts have at most 2³² bytes.
    let length = |lines: &[&str]| u32::try_from(lines.iter().map(|l| l.len()).sum::<usize>()).unwrap_or(u32::MAX);
    let ops = similar::capture_diff_slices(similar::Algorithm::Myers, &old, &new);
    let changed = ops.into_iter().map(|op| op.as_tag_tuple()).filter(|(tag, ..)| *tag != similar::DiffTag::Equal);
    let edit = |(_, from, to): (_, Range<usize>, Range<usize>)| {
        let start = length(&old[..from.start]);
        Edit::replace(file, Span::new(start, start + length(&old[from])), new[to].concat())
    };
    changed.map(edit).collect()
}
