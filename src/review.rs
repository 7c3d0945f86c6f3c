//! `testdiet review`: one fix after the other, each shown as a diff and decided on with a single key.
//!
//! * [`plan`] is what there is to decide on;
//! * [`moment`] is what was decided, and what can be taken back: pure;
//! * [`state`] is what each key does: pure;
//! * [`view`] is what that looks like in a terminal of some size: pure;
//! * [`memory`] is what outlives a review: decisions of one that was killed, and what was rejected;
//! * [`editor`] starts the person's own editor;
//! * [`terminal`] reads keys and draws: the only code that knows a terminal;
//! * this file leads: a key, its effects, the next picture.

pub mod editor;
mod line;
pub mod memory;
pub mod moment;
pub mod plan;
pub mod state;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::edit::Fix;
use crate::engine::{self, Change, Checked, Input};
use crate::finding::{Cost, Finding};
use crate::fingerprint::{self, Fingerprint};
use crate::query::QueryError;
use crate::report::{self, amount};
use crate::source::SourceFile;
use crate::write::{self, WriteError};

use memory::{Memory, MemoryError};
use moment::Tally;
use plan::Plan;
use state::{Effect, Kept, Leaving, Question, State};
use terminal::{Event, Terminal};
use view::Weight;

/// What a review works on.
pub struct Review<'a> {
    /// The files and their settings.
    pub input: &'a Input,
    /// The project's folder, where the journal is.
    pub root: &'a Path,
    /// How paths are shown.
    pub view: &'a report::View,
    /// Whether fixes are offered that an earlier review rejected.
    pub rejected: bool,
    /// Runs tests.
    pub prover: &'a dyn Prover,
}

/// Runs the tests that a fix touches, with it.
pub trait Prover {
    /// Says how that went, in lines for a person. Nothing of it is trusted to be safe to print.
    ///
    /// # Errors
    /// Why it could not be tried.
    fn prove(&self, trial: &Trial<'_>) -> Result<String, String>;
}

/// A fix to be proven, apart from what was taken before.
pub struct Trial<'a> {
    /// The fix, edited perhaps.
    pub fix: &'a Fix,
    /// What it fixes.
    pub findings: &'a [Finding],
}

/// How a review ended.
#[derive(Debug)]
pub struct Ended {
    /// How it was left.
    pub leaving: Leaving,
    /// What was taken; with [`Leaving::Save`], written.
    pub tally: Tally,
    /// Fixes rejected.
    pub rejected: usize,
    /// Fixes left open.
    pub left: usize,
    /// Fixes not offered because an earlier review rejected them.
    pub remembered: usize,
    /// Split fixes of which only some parts were taken.
    pub torn: usize,
    /// Files written, those written for an editor included.
    pub files: BTreeSet<PathBuf>,
    /// How often files were written: as often `undo` takes that back.
    pub writes: usize,
    /// Before the review.
    pub before: Checked,
    /// As it is now.
    pub after: Checked,
}

/// Why a review could not run.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// A query of the project does not load.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Decisions cannot be kept.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// What was taken could not be written; it is kept for the next review.
    #[error("{0}\nWhat was decided is kept: `testdiet review` goes on from here")]
    Write(#[from] WriteError),
    /// The terminal is gone.
    #[error("cannot use the terminal: {0}")]
    Terminal(#[from] io::Error),
}

/// Leads a person through all fixes.
///
/// # Errors
/// When the project cannot be looked at, or decisions be kept, or what was taken be written. Nothing decided is lost.
pub fn run(review: &Review<'_>, terminal: &mut Terminal) -> Result<Ended, ReviewError> {
    let before = engine::check(review.input)?;
    let earlier = memory::rejected(review.root)?;
    let remembered = if review.rejected { BTreeSet::new() } else { earlier };
    let plan = Plan::new(before.clone(), review.root, &remembered);
    let nothing = plan.items.is_empty() && !memory::is_unfinished(review.root);
    let again = plan.items.iter().filter(|_| review.rejected).flat_map(plan::Item::fingerprints).copied().collect();
    let mut leader =
        Leader { review, remembered, weights: (Arc::new(Plan::default()), HashMap::new()), files: BTreeSet::new(), writes: 0 };
    let mut state = State::new(plan);
    if nothing {
        return Ok(leader.ended(&state, Leaving::Save, before.clone(), before));
    }
    let mut memory = Memory::open(review.root)?;
    let (kept, stale) = memory.unfinished(|path| is_fixed(review.input, path))?;
    if kept != Kept::default() || !stale.is_empty() {
        state.offer(kept, stale);
    }
    let leaving = loop {
        leader.draw(&mut state, terminal)?;
        let key = match terminal.event() {
            Event::Key(key) => key,
            Event::Resized => continue,
            // Nobody is there any more; the next review goes on from here.
            Event::Closed => break Leaving::Interrupted,
        };
        let mut effect = state.step(key);
        memory.keep(&state.kept())?;
        let mut leaving = None;
        while let Some(next) = effect.take() {
            match next {
                Effect::Leave(how) => leaving = Some(how),
                other => effect = leader.carry_out(other, &mut state, terminal)?,
            }
            memory.keep(&state.kept())?;
        }
        if let Some(leaving) = leaving {
            break leaving;
        }
    };
    terminal.clear()?;
    match leaving {
        Leaving::Save => {
            leader.save(&mut state)?;
            let after = engine::check(review.input)?;
            memory.finish(&again, &leader.rejected_now(&state, &after))?;
            Ok(leader.ended(&state, leaving, before, after))
        }
        Leaving::Discard => {
            memory.forget()?;
            let after = before.clone();
            Ok(leader.ended(&state, leaving, before, after))
        }
        Leaving::Interrupted => {
            let after = before.clone();
            Ok(leader.ended(&state, leaving, before, after))
        }
    }
}

/// Whether a file is one that fixes may change: it is looked at, or configures pytest for such.
fn is_fixed(input: &Input, path: &Path) -> bool {
    input.files.iter().any(|(found, _)| found.path == path || found.suite.config_file.as_deref() == Some(path))
}

/// Carries out what the state asks for.
struct Leader<'a> {
    review: &'a Review<'a>,
    remembered: BTreeSet<Fingerprint>,
    /// What the fixes of a plan save, as far as they were shown.
    weights: (Arc<Plan>, HashMap<usize, Option<Weight>>),
    files: BTreeSet<PathBuf>,
    writes: usize,
}

impl Leader<'_> {
    fn draw(&mut self, state: &mut State, terminal: &mut Terminal) -> Result<(), ReviewError> {
        let size = terminal.size();
        let weight = self.weigh(state)?;
        let screen = view::screen(state, self.review.view, weight, size);
        state.scrolled(screen.scroll);
        Ok(terminal.show(&screen.lines)?)
    }

    /// What the tests cost with and without the fix at hand.
    fn weigh(&mut self, state: &State) -> Result<Option<Weight>, ReviewError> {
        let Some((at, item)) = state.now().current() else { return Ok(None) };
        let plan = state.now().plan();
        if !Arc::ptr_eq(plan, &self.weights.0) {
            self.weights = (Arc::clone(plan), HashMap::new());
        }
        if let Some(known) = self.weights.1.get(&at) {
            return Ok(known.clone());
        }
        let files: BTreeSet<PathBuf> =
            item.findings.iter().map(|f| (*f.file).clone()).chain(item.files().map(Path::to_path_buf)).collect();
        let mut texts = state.now().settled().clone();
        for edits in item.fix.edits.chunk_by(|a, b| a.file == b.file) {
            if let Some(source) = plan.source(&edits[0].file) {
                texts.insert(source.path.clone(), Arc::new(source.with_text(crate::edit::apply(source.text(), edits))));
            }
        }
        // Both looked at alike: which queries a file is asked depends on the company it is in.
        let total = |texts: BTreeMap<_, _>| engine::totals_as(self.review.input, &files, texts.into_values());
        let weight = Weight::new(&total(state.now().settled().clone())?, &total(texts)?);
        self.weights.1.insert(at, weight.clone());
        Ok(weight)
    }

    fn carry_out(&mut self, effect: Effect, state: &mut State, terminal: &mut Terminal) -> Result<Option<Effect>, ReviewError> {
        match effect {
            Effect::Ask(question) => {
                let answer = ask(&question, self.review.view, terminal)?;
                match answer {
                    Ok(text) => Ok(state.answer(&question, text.as_deref())),
                    Err(why) => {
                        let then = state.answer(&question, None);
                        state.say(why);
                        Ok(then)
                    }
                }
            }
            Effect::Replan => {
                let checked = engine::check_as(self.review.input, state.now().texts().into_values())?;
                state.replanned(Plan::new(checked, self.review.root, &self.remembered));
                Ok(None)
            }
            Effect::Open(path, row) => Ok(self.open(&path, row, state, terminal)?),
            Effect::Prove => {
                let text = self.prove(state, terminal)?;
                state.tell(text);
                Ok(None)
            }
            Effect::Leave(_) => Ok(None),
        }
    }

    /// Writes what was taken, for an editor to find it.
    fn open(&mut self, path: &Path, row: u32, state: &mut State, terminal: &mut Terminal) -> Result<Option<Effect>, ReviewError> {
        if let Err(error) = self.save(state) {
            state.say(format!("{error}. What was decided is kept."));
            return Ok(None);
        }
        terminal.clear()?;
        if let Err(why) = editor::open(path, Some(row)) {
            state.say(why);
        }
        let touched: Vec<PathBuf> = state.touched().map(Path::to_path_buf).collect();
        let read = touched.into_iter().map(|path| {
            let source = SourceFile::read(&path).ok().map(Arc::new);
            (path, source)
        });
        Ok(Some(state.edited(read.collect())))
    }

    fn prove(&self, state: &State, terminal: &mut Terminal) -> Result<String, ReviewError> {
        let Some((_, item)) = state.now().current() else { return Ok(String::new()) };
        terminal.show(&[format!(
            "Running the tests that fix {} of {} touches …",
            state.now().count().0,
            state.now().count().1
        )])?;
        let trial = Trial { fix: &item.fix, findings: &item.findings };
        Ok(self.review.prover.prove(&trial).unwrap_or_else(|why| format!("It could not be tried: {why}")))
    }

    fn save(&mut self, state: &mut State) -> Result<(), WriteError> {
        let changes = listed(state.changes());
        if !changes.is_empty() {
            let written = write::write_all(&changes, self.review.root, "review")?;
            self.files.extend(written.files);
            self.writes += 1;
        }
        state.written();
        Ok(())
    }

    /// What was rejected, as the next review will recognise it: by the texts as they are now.
    fn rejected_now(&self, state: &State, after: &Checked) -> BTreeSet<Fingerprint> {
        let fingerprints = fingerprint::of(&after.findings, self.review.root);
        let places = state.now().rejected_places();
        let here = after.findings.iter().zip(&fingerprints);
        let now = here.filter(|(f, _)| places.contains(&((*f.file).clone(), f.code.clone(), f.span.start)));
        now.map(|(_, fingerprint)| *fingerprint).chain(state.now().gone()).collect()
    }

    fn ended(&self, state: &State, leaving: Leaving, before: Checked, after: Checked) -> Ended {
        let (tally, rejected, left) = state.now().progress();
        let remembered = state.now().plan().remembered;
        let (torn, files, writes) = (state.now().torn(), self.files.clone(), self.writes);
        Ended { leaving, tally, rejected, left, remembered, torn, files, writes, before, after }
    }
}

/// Asks for a text, in a line of the terminal or, when it is more than that, in the editor. The inner error is for the person.
fn ask(question: &Question, view: &report::View, terminal: &mut Terminal) -> io::Result<Result<Option<String>, String>> {
    let asked = view::question(question, view, terminal.size());
    match question {
        Question::Replacement { lines, .. } if !terminal.fits(lines) => {
            terminal.clear()?;
            Ok(editor::edit(lines))
        }
        Question::Replacement { lines, .. } => {
            // The indentation is not for editing, and would hide where the line begins.
            let indent = &lines[..lines.len() - lines.trim_start().len()];
            let answer = terminal.ask(&asked, lines.trim_start())?;
            Ok(Ok(answer.filter(|text| text.trim() != lines.trim()).map(|text| format!("{indent}{}", text.trim_start()))))
        }
        _ => Ok(Ok(terminal.ask(&asked, "")?)),
    }
}

fn listed(changes: BTreeMap<PathBuf, (Arc<SourceFile>, Arc<SourceFile>)>) -> Vec<Change> {
    changes.into_values().map(|(before, after)| Change { before, after: (*after).clone() }).collect()
}

/// What a review has saved.
#[must_use]
pub fn saved(ended: &Ended) -> Cost {
    let all = |checked: &Checked| amount::sum(checked.totals.iter().map(|t| &t.cost));
    let (before, after) = (all(&ended.before), all(&ended.after));
    Cost {
        sleep_s: (before.sleep_s - after.sleep_s).max(0.0),
        threads: before.threads.saturating_sub(after.threads),
        bytes: 0,
        iterations: before.iterations.saturating_sub(after.iterations),
    }
}
