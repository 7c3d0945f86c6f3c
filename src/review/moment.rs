//! What is decided at one moment of a review: a plan, what was taken and rejected of it, and what came of earlier plans.
//!
//! A value that is cheap to copy, so that undoing is going back to an older one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::plan::{Item, Plan, moved, moved_edit};
use crate::edit::{Edit, Fix, apply};
use crate::engine::rewritten;
use crate::finding::Finding;
use crate::fingerprint::Fingerprint;
use crate::rules::Code;
use crate::source::SourceFile;

/// What was decided about a fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing yet.
    Open,
    /// Not to be done.
    Rejected,
    /// To be done, with these edits of the plan's texts.
    Taken(How, Vec<Edit>),
}

/// How a finding is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By its fix.
    Accepted,
    /// By its fix, changed by hand.
    Edited,
    /// By a comment.
    Suppressed,
}

/// What was done, for the summary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Fixes taken, by rule.
    pub applied: BTreeMap<Code, usize>,
    /// Fixes whose findings were suppressed in their place.
    pub suppressed: usize,
}

impl Tally {
    pub(super) fn add(&mut self, item: &Item, how: How) {
        match how {
            How::Accepted | How::Edited => *self.applied.entry(item.lead().code.clone()).or_default() += 1,
            How::Suppressed => self.suppressed += 1,
        }
    }

    /// All that was done.
    #[must_use]
    pub fn total(&self) -> usize {
        self.applied.values().sum::<usize>() + self.suppressed
    }
}

/// Everything that undoing brings back.
#[derive(Debug, Clone, Default)]
pub struct Moment {
    pub(super) plan: Arc<Plan>,
    pub(super) decisions: Vec<Decision>,
    /// The fix at hand; the number of fixes when there is none.
    pub(super) at: usize,
    /// Texts that the plan is for, where they are not what is on the disk: what was taken from earlier plans.
    pub(super) settled: BTreeMap<PathBuf, Arc<SourceFile>>,
    /// What was taken from earlier plans.
    pub(super) earlier: Tally,
    /// Files that one fix of an earlier plan has changed together.
    pub(super) together: BTreeSet<BTreeSet<PathBuf>>,
    /// Rejected in earlier plans, and no fix any more in this one: the findings of each fix.
    pub(super) gone: BTreeSet<Vec<Fingerprint>>,
    /// Fixes of earlier plans of which some parts were taken and others not.
    pub(super) torn: usize,
    /// Files as an editor left them; `None` for those that are gone. Until the next plan, which is about them.
    pub(super) read: BTreeMap<PathBuf, Option<Arc<SourceFile>>>,
}

/// Why a fix is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It changes what another one, taken before, has changed.
    Overlaps,
    /// A file would not be Python any more, or not fit its encoding.
    Breaks,
}

impl Moment {
    /// Nothing of a plan is decided yet.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let decisions = vec![Decision::Open; plan.items.len()];
        Self { plan: Arc::new(plan), decisions, ..Self::default() }
    }

    /// The plan at hand.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The fix at hand and its number in the plan, from 0; `None` at the end.
    #[must_use]
    pub fn current(&self) -> Option<(usize, &Item)> {
        Some((self.at, self.plan.items.get(self.at)?))
    }

    /// What was decided about a fix of the plan.
    #[must_use]
    pub fn decision(&self, at: usize) -> &Decision {
        self.decisions.get(at).unwrap_or(&Decision::Open)
    }

    /// The number of the fix at hand and of all, those of earlier plans counted.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let before = self.earlier.total();
        (before + self.at + 1, before + self.plan.items.len())
    }

    /// Texts that the plan is for, where they are not what is on the disk.
    #[must_use]
    pub const fn settled(&self) -> &BTreeMap<PathBuf, Arc<SourceFile>> {
        &self.settled
    }

    /// What was rejected in earlier plans and was no fix any more in later ones.
    pub fn gone(&self) -> impl Iterator<Item = Fingerprint> {
        self.gone.iter().flatten().copied()
    }

    /// Fixes that are not decided on.
    pub(super) fn open(&self) -> impl Iterator<Item = usize> + '_ {
        self.decisions.iter().enumerate().filter(|(_, d)| **d == Decision::Open).map(|(at, _)| at)
    }

    fn decided(&self) -> impl Iterator<Item = (&Item, &Decision)> {
        self.plan.items.iter().zip(&self.decisions)
    }

    /// Fixes taken, rejected and open.
    #[must_use]
    pub fn progress(&self) -> (Tally, usize, usize) {
        let mut tally = self.earlier.clone();
        let (mut rejected, mut open) = (self.gone.len(), 0);
        for (item, decision) in self.decided() {
            match decision {
                Decision::Open => open += 1,
                Decision::Rejected => rejected += 1,
                Decision::Taken(how, _) => tally.add(item, *how),
            }
        }
        (tally, rejected, open)
    }

    /// Fixes that were split and of which some parts are taken and others not.
    #[must_use]
    pub fn torn(&self) -> usize {
        let mut fixes: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        for (item, decision) in self.decided() {
            let (Some(_), Some((group, _))) = (item.part, item.fix.group.rsplit_once('#')) else { continue };
            let (taken, left) = fixes.entry(group).or_default();
            if matches!(decision, Decision::Taken(..)) { *taken = true } else { *left = true }
        }
        self.torn + fixes.values().filter(|(taken, left)| *taken && *left).count()
    }

    /// A fix as it would be to the texts with all others that are taken, and those texts.
    #[must_use]
    pub fn in_context(&self, at: usize) -> (Fix, BTreeMap<PathBuf, Arc<SourceFile>>) {
        let fix = &self.plan.items[at].fix;
        let edits = match self.decision(at) {
            Decision::Taken(_, edits) => edits,
            Decision::Open | Decision::Rejected => &fix.edits,
        };
        let mut texts = BTreeMap::new();
        let mut moved = Vec::new();
        for edits in edits.chunk_by(|a, b| a.file == b.file) {
            let path = edits[0].file.as_path();
            let Some(source) = self.plan.source(path) else { continue };
            let others: Vec<&Edit> = self.taken_edits(path, Some(at)).collect();
            // What overlaps is shown as it was planned: it will be planned again before it is taken.
            let overlaps = edits.iter().any(|edit| others.iter().any(|o| o.conflicts_with(edit)));
            let others = if overlaps { Vec::new() } else { others };
            // What another fix does as well is done already.
            moved.extend(edits.iter().filter(|edit| !others.contains(edit)).map(|edit| moved_edit(edit, &others)));
            let text =
                if others.is_empty() { Arc::clone(source) } else { Arc::new(source.with_text(apply(source.text(), others))) };
            texts.insert(path.to_path_buf(), text);
        }
        (Fix { edits: moved, ..fix.clone() }, texts)
    }

    /// All files that shall differ from what they were when the plan's project was read, as they shall be.
    #[must_use]
    pub fn texts(&self) -> BTreeMap<PathBuf, Arc<SourceFile>> {
        let mut texts = self.settled.clone();
        let mut edits: BTreeMap<&Path, Vec<&Edit>> = BTreeMap::new();
        for edit in self.taken() {
            edits.entry(edit.file.as_path()).or_default().push(edit);
        }
        for (path, edits) in edits {
            if let Some(source) = self.plan.source(path) {
                texts.insert(path.to_path_buf(), Arc::new(source.with_text(apply(source.text(), edits))));
            }
        }
        for (path, read) in &self.read {
            match read {
                Some(source) => texts.insert(path.clone(), Arc::clone(source)),
                None => texts.remove(path),
            };
        }
        texts
    }

    /// The row (from 1) that a fix is in, with all others that are taken.
    #[must_use]
    pub fn row(&self, at: usize) -> u32 {
        let (file, offset) = self.plan.items[at].place();
        self.row_of(file, offset)
    }

    /// The same of an offset of the plan.
    #[must_use]
    pub fn row_of(&self, file: &Path, offset: u32) -> u32 {
        let Some(source) = self.plan.source(file) else { return 1 };
        let others = self.taken_edits(file, None).filter(|e| e.span.end <= offset);
        let grown: i64 = others.map(|e| lines(&e.content) - lines(source.slice(e.span))).sum();
        u32::try_from(i64::from(source.location(offset).row) + grown).unwrap_or(1)
    }

    /// Where what was rejected will be found, with all that was taken: file, rule, offset.
    #[must_use]
    pub fn rejected_places(&self) -> BTreeSet<(PathBuf, Code, u32)> {
        let decided = self.decided();
        let findings = decided.filter(|(_, d)| **d == Decision::Rejected).flat_map(|(item, _)| &item.findings);
        findings.map(|f| self.place_of(f)).collect()
    }

    fn place_of(&self, finding: &Finding) -> (PathBuf, Code, u32) {
        ((*finding.file).clone(), finding.code.clone(), self.moved(&finding.file, finding.span.start))
    }

    /// Where an offset of the plan will be with all that was taken.
    fn moved(&self, path: &Path, offset: u32) -> u32 {
        moved(offset, &self.taken_edits(path, None).collect::<Vec<_>>())
    }

    /// All that was rejected, as it is recognised in the texts of the plan at hand.
    #[must_use]
    pub fn rejected(&self) -> BTreeSet<Fingerprint> {
        let decided = self.decided();
        let rejected = decided.filter(|(_, d)| **d == Decision::Rejected).flat_map(|(item, _)| item.fingerprints());
        rejected.copied().chain(self.gone()).collect()
    }

    /// Edits taken from the plan.
    pub(super) fn taken(&self) -> impl Iterator<Item = &Edit> {
        self.decisions.iter().flat_map(|d| match d {
            Decision::Taken(_, edits) => edits.as_slice(),
            Decision::Open | Decision::Rejected => &[],
        })
    }

    /// Those of a file, but for those of one fix.
    pub(super) fn taken_edits<'a>(&'a self, path: &'a Path, but: Option<usize>) -> impl Iterator<Item = &'a Edit> {
        let others = self.decisions.iter().enumerate().filter(move |(i, _)| Some(*i) != but);
        let edits = others.flat_map(|(_, d)| match d {
            Decision::Taken(_, edits) => edits.as_slice(),
            Decision::Open | Decision::Rejected => &[],
        });
        edits.filter(move |e| e.file.as_path() == path)
    }

    /// The files of each fix taken from the plan.
    pub(super) fn taken_together(&self) -> Vec<BTreeSet<PathBuf>> {
        let sets = self.decisions.iter().filter_map(|d| match d {
            Decision::Taken(_, edits) => Some(edits.iter().map(|e| (*e.file).clone()).collect::<BTreeSet<_>>()),
            Decision::Open | Decision::Rejected => None,
        });
        sets.filter(|set| set.len() > 1).collect()
    }

    /// Takes a fix with these edits, in place of what was decided about it.
    ///
    /// # Errors
    /// When it cannot be together with what was taken before; then nothing changes.
    pub fn accept(&mut self, at: usize, how: How, edits: Vec<Edit>) -> Result<(), Refusal> {
        let plan = Arc::clone(&self.plan);
        let mut touched: BTreeMap<&Path, Vec<&Edit>> = BTreeMap::new();
        for edit in &edits {
            touched.entry(edit.file.as_path()).or_default().push(edit);
        }
        for (path, own) in touched {
            let others: Vec<&Edit> = self.taken_edits(path, Some(at)).collect();
            if own.iter().any(|edit| others.iter().any(|other| other.conflicts_with(edit))) {
                return Err(Refusal::Overlaps);
            }
            let all: Vec<&Edit> = others.into_iter().chain(own).collect();
            let source = plan.source(path).ok_or(Refusal::Breaks)?;
            rewritten(source, &all).ok_or(Refusal::Breaks)?;
        }
        if let Some(decision) = self.decisions.get_mut(at) {
            *decision = Decision::Taken(how, edits);
        }
        Ok(())
    }

    /// The moment after this one, when a new look at the project has found a plan: what was taken is settled, what was
    /// rejected still is, and the fix at hand is the same one or the next.
    #[must_use]
    pub fn replanned(&self, plan: Plan) -> Self {
        let mut earlier = self.earlier.clone();
        for (item, decision) in self.decided() {
            if let Decision::Taken(how, _) = decision {
                earlier.add(item, *how);
            }
        }
        let mut together = self.together.clone();
        together.extend(self.taken_together());

        let lead = |item: &Item| {
            let lead = item.lead();
            ((*lead.file).clone(), lead.code.clone(), lead.span.start)
        };
        let places = self.rejected_places();
        // What was gone may be back; and where an editor was, nothing is where it was: the text tells.
        let texts: BTreeSet<Fingerprint> = if self.read.is_empty() { self.gone().collect() } else { self.rejected() };
        let is_rejected = |item: &Item| places.contains(&lead(item)) || item.fingerprints().iter().all(|f| texts.contains(f));
        let decision = |item| if is_rejected(item) { Decision::Rejected } else { Decision::Open };
        let decisions: Vec<Decision> = plan.items.iter().map(decision).collect();
        let seen: BTreeSet<_> = plan.items.iter().map(lead).collect();
        let known: BTreeSet<Fingerprint> = plan.items.iter().flat_map(Item::fingerprints).copied().collect();
        let unseen = self.decided().filter(|(item, d)| **d == Decision::Rejected && !seen.contains(&self.place_of(item.lead())));
        let gone = self.gone.iter().cloned().chain(unseen.map(|(item, _)| item.fingerprints().to_vec()));
        let gone = gone.filter(|fix| !fix.iter().all(|f| known.contains(f))).collect();

        let is_open = |at: &usize| decisions.get(*at) == Some(&Decision::Open);
        let first = |wanted: &dyn Fn(&Item) -> bool| (0..plan.items.len()).find(|at| is_open(at) && wanted(&plan.items[*at]));
        let here = self.current().and_then(|(_, item)| {
            let (old, (file, offset)) = (self.place_of(item.lead()), item.place());
            let place = (file, self.moved(file, offset));
            first(&|item| lead(item) == old).or_else(|| first(&|item| item.place() >= place))
        });
        let at = here.or_else(|| first(&|_| true)).unwrap_or(plan.items.len());
        let settled = self.texts();
        Self { plan: Arc::new(plan), decisions, at, settled, earlier, together, gone, torn: self.torn(), read: BTreeMap::new() }
    }
}

/// Newlines, of any kind but the lone `\r` that no editor of today writes.
fn lines(text: &str) -> i64 {
    i64::try_from(text.matches('\n').count()).unwrap_or(i64::MAX)
}
