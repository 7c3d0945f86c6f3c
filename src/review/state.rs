//! What a review knows and what each key does to it. Pure: [`State::step`] changes the state and says what has to be done
//! outside of it; nothing here reads a key, a file or a clock, and what goes to the disk is for others to write.
//!
//! Fixes are decided on against one [`Plan`]. What was taken of it is applied to the texts when the plan is replaced by a new
//! look at the project: after an edit of a person's own, after a suppression, and when all of a plan is decided. Every decision
//! keeps what was before it, so that all of them can be taken back.

mod asking;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use asking::Editing;

use super::moment::{Decision, How, Moment, Refusal, Tally};
use super::plan::{Item, Plan};
use crate::edit::Edit;
use crate::fingerprint::Fingerprint;
use crate::report::amount;
use crate::rules::Code;
use crate::source::SourceFile;

/// A key, as far as a review tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// Return.
    Enter,
    /// One line up.
    Up,
    /// One line down.
    Down,
    /// One screen up.
    PageUp,
    /// One screen down.
    PageDown,
    /// To the top.
    Home,
    /// To the bottom.
    End,
    /// Esc.
    Escape,
    /// Ctrl-C.
    Interrupt,
    /// Any other.
    Other,
}

/// What has to be done before the next key.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask for a text; [`State::answer`] takes it.
    Ask(Question),
    /// Look at the project anew, with [`State::texts`]; [`State::replanned`] takes what is found.
    Replan,
    /// Write what was taken, open an editor at a row (from 1) of a file, and read again what was written:
    /// [`State::edited`] takes that.
    Open(PathBuf, u32),
    /// Run the tests that the current fix touches, with it; [`State::tell`] shows the outcome.
    Prove,
    /// End.
    Leave(Leaving),
}

/// How a review ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// Write what was taken, remember what was rejected.
    Save,
    /// Forget all decisions.
    Discard,
    /// Write nothing and forget nothing: the next review goes on from here.
    Interrupted,
}

/// A text that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Lines in place of those that a fix would leave.
    Replacement {
        /// The file.
        file: PathBuf,
        /// The first of the lines, from 1.
        row: u32,
        /// Which of how many places.
        place: (usize, usize),
        /// The lines to start from, with `\n` between them.
        lines: String,
        /// Why they are asked for again.
        error: Option<&'static str>,
    },
    /// Why a finding is suppressed.
    Reason,
    /// What to look for.
    Search,
    /// The number of a fix.
    Number,
}

/// A file that the review has changed, or may.
#[derive(Debug, Clone)]
struct Origin {
    /// Before the review.
    first: Arc<SourceFile>,
    /// As it is on the disk, as far as is known.
    disk: Arc<SourceFile>,
}

/// What is shown in place of the fix at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Panel {
    /// Nothing: the fix, or the end.
    None,
    /// The keys.
    Help,
    /// What a rule says of itself.
    Rule(Code),
    /// A text.
    Text(String),
    /// Whether to go on with a review that was interrupted.
    Resume(Unfinished),
}

/// A review that was interrupted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Fixes taken.
    pub taken: usize,
    /// Fixes rejected.
    pub rejected: usize,
    /// The files that what was taken changes.
    pub files: usize,
    /// Files that were changed since, and those tied to them: what was taken there is planned again.
    pub stale: Vec<PathBuf>,
}

/// What an interrupted review has to hand on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// Files that differ from the disk: as they are there, and as they shall be.
    pub texts: BTreeMap<PathBuf, (Arc<SourceFile>, Arc<SourceFile>)>,
    /// Files that were changed together, and only so.
    pub together: BTreeSet<BTreeSet<PathBuf>>,
    /// What was rejected.
    pub rejected: BTreeSet<Fingerprint>,
    /// What was taken.
    pub tally: Tally,
}

/// A review.
#[derive(Debug)]
pub struct State {
    now: Moment,
    past: Vec<Moment>,
    origins: BTreeMap<PathBuf, Origin>,
    panel: Panel,
    message: Option<String>,
    scroll: usize,
    sought: String,
    editing: Option<Editing>,
    unfinished: Kept,
}

impl State {
    /// A review of a plan that begins at its first fix.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self {
            now: Moment::new(plan),
            past: Vec::new(),
            origins: BTreeMap::new(),
            panel: Panel::None,
            message: None,
            scroll: 0,
            sought: String::new(),
            editing: None,
            unfinished: Kept::default(),
        }
    }

    /// Asks first whether to go on with a review that was interrupted.
    pub fn offer(&mut self, kept: Kept, stale: Vec<PathBuf>) {
        self.panel = Panel::Resume(Unfinished {
            taken: kept.tally.total(),
            rejected: kept.rejected.len(),
            files: kept.texts.len(),
            stale,
        });
        self.unfinished = kept;
    }

    // ---- what the view and the driver see --------------------------------------------------------------------------

    /// What is decided now.
    #[must_use]
    pub const fn now(&self) -> &Moment {
        &self.now
    }

    /// What is shown in place of the fix.
    #[must_use]
    pub const fn panel(&self) -> &Panel {
        &self.panel
    }

    /// What there is to say about the last key.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// First line that is shown.
    #[must_use]
    pub const fn scroll(&self) -> usize {
        self.scroll
    }

    /// Where the view has ended up when there were not so many lines.
    pub const fn scrolled(&mut self, to: usize) {
        self.scroll = to;
    }

    /// Shows a text until the next key.
    pub fn tell(&mut self, text: String) {
        self.scroll = 0;
        self.panel = Panel::Text(text);
    }

    /// Says a line beside what is shown.
    pub fn say(&mut self, message: impl Into<String>) {
        self.message = Some(message.into());
    }

    /// What has to be written: files as they are on the disk, and as they shall be.
    #[must_use]
    pub fn changes(&self) -> BTreeMap<PathBuf, (Arc<SourceFile>, Arc<SourceFile>)> {
        let texts = self.now.texts();
        let files = self.origins.iter().map(|(path, origin)| {
            let new = texts.get(path).unwrap_or(&origin.first);
            (path.clone(), (Arc::clone(&origin.disk), Arc::clone(new)))
        });
        files.filter(|(_, (old, new))| old.text() != new.text()).collect()
    }

    /// What the next review would need if this one were to end now.
    #[must_use]
    pub fn kept(&self) -> Kept {
        if let Panel::Resume(_) = self.panel {
            return self.unfinished.clone();
        }
        let mut together = self.now.together.clone();
        together.extend(self.now.taken_together());
        Kept { texts: self.changes(), together, rejected: self.now.rejected(), tally: self.now.progress().0 }
    }

    // ---- what keys do ----------------------------------------------------------------------------------------------

    /// What a key does.
    pub fn step(&mut self, key: Key) -> Option<Effect> {
        self.message = None;
        if key == Key::Interrupt {
            return Some(Effect::Leave(Leaving::Interrupted));
        }
        if self.scrolls(key) {
            return None;
        }
        match self.panel {
            Panel::Resume(_) => return self.resume(key),
            Panel::None => {}
            _ => {
                self.panel = Panel::None;
                self.scroll = 0;
                return None;
            }
        }
        let Key::Char(c) = key else { return None };
        match c {
            'q' => Some(Effect::Leave(Leaving::Save)),
            'Q' => Some(Effect::Leave(Leaving::Discard)),
            '?' => self.show(Panel::Help),
            'p' => None,
            'u' => self.undo(),
            'j' => self.go(self.next_open(), "No open fix after this one; k goes back, q saves and quits."),
            'k' => self.go(self.previous_open(), "No open fix before this one."),
            'J' => self.go(Some(self.now.at + 1).filter(|at| *at < self.now.plan.items.len()), "This is the last fix."),
            'K' => self.go(self.now.at.checked_sub(1), "This is the first fix."),
            'g' => Some(Effect::Ask(Question::Number)),
            '/' => Some(Effect::Ask(Question::Search)),
            'y' | 'n' | 'a' | 'd' | 'A' | 'R' | 's' | 'e' | 'E' | 'i' | 'S' | 'v' if self.now.current().is_none() => {
                self.say("Every fix was decided on: q saves and quits, Q discards, u takes back, K goes back.");
                None
            }
            'y' => self.take(self.here()),
            'n' => self.reject(&self.here()),
            'a' => self.take(self.rest(|item, here| item.place().0 == here.place().0)),
            'd' => self.reject(&self.rest(|item, here| item.place().0 == here.place().0)),
            'A' => self.take(self.rest(|item, here| item.lead().code == here.lead().code)),
            'R' => self.reject(&self.rest(|item, here| item.lead().code == here.lead().code)),
            '!' => self.take(self.now.open().collect()),
            's' => self.split(),
            'e' => self.edit(),
            'E' => self.open_editor(),
            'i' => self.explain(),
            'S' => Some(Effect::Ask(Question::Reason)),
            'v' => Some(Effect::Prove),
            _ => {
                self.say("That key does nothing here; ? shows the keys.");
                None
            }
        }
    }

    /// Takes the fixes that a new look at the project has found.
    pub fn replanned(&mut self, plan: Plan) {
        self.now = self.now.replanned(plan);
        self.scroll = 0;
    }

    /// Takes the texts of files as they are on the disk after [`Effect::Open`]; `None` for one that is gone or no text any more.
    pub fn edited(&mut self, read: BTreeMap<PathBuf, Option<Arc<SourceFile>>>) -> Effect {
        for (path, source) in &read {
            match (self.origins.get_mut(path), source) {
                (Some(origin), Some(source)) => origin.disk = Arc::clone(source),
                // None of the review's business from here on.
                (Some(_), None) => _ = self.origins.remove(path),
                (None, _) => {}
            }
        }
        self.now.read = read;
        Effect::Replan
    }

    /// Knows every file to be on the disk as it shall be: all was written.
    pub fn written(&mut self) {
        let texts = self.now.texts();
        for (path, origin) in &mut self.origins {
            origin.disk = Arc::clone(texts.get(path).unwrap_or(&origin.first));
        }
    }

    /// Files that the review has changed or may have.
    pub fn touched(&self) -> impl Iterator<Item = &Path> {
        self.origins.keys().map(PathBuf::as_path)
    }

    fn scrolls(&mut self, key: Key) -> bool {
        const PAGE: usize = 10;
        self.scroll = match key {
            Key::Up => self.scroll.saturating_sub(1),
            Key::Down | Key::Enter => self.scroll + 1,
            Key::PageUp => self.scroll.saturating_sub(PAGE),
            Key::PageDown | Key::Char(' ') => self.scroll + PAGE,
            Key::Home => 0,
            // The view holds it within what there is.
            Key::End => usize::MAX,
            _ => return false,
        };
        true
    }

    fn resume(&mut self, key: Key) -> Option<Effect> {
        match key {
            Key::Char('y') => {
                let kept = std::mem::take(&mut self.unfinished);
                self.panel = Panel::None;
                for (path, (disk, text)) in kept.texts {
                    self.origins.insert(path.clone(), Origin { first: Arc::clone(&disk), disk });
                    self.now.settled.insert(path, text);
                }
                self.now.together = kept.together;
                self.now.earlier = kept.tally;
                for (item, decision) in self.now.plan.items.iter().zip(&mut self.now.decisions) {
                    if item.fingerprints().iter().all(|f| kept.rejected.contains(f)) {
                        *decision = Decision::Rejected;
                    }
                }
                let here = self.now.rejected();
                self.now.gone = kept.rejected.difference(&here).map(|f| vec![*f]).collect();
                self.now.at = self.now.plan.items.len();
                self.say("Taken up where it was left.");
                Some(Effect::Replan)
            }
            Key::Char('n') => {
                self.unfinished = Kept::default();
                self.panel = Panel::None;
                self.say("Started anew.");
                None
            }
            Key::Char('q' | 'Q') => Some(Effect::Leave(Leaving::Interrupted)),
            _ => None,
        }
    }

    fn show(&mut self, panel: Panel) -> Option<Effect> {
        self.panel = panel;
        self.scroll = 0;
        None
    }

    fn explain(&mut self) -> Option<Effect> {
        let code = self.now.current()?.1.lead().code.clone();
        self.show(Panel::Rule(code))
    }

    fn go(&mut self, to: Option<usize>, otherwise: &str) -> Option<Effect> {
        match to {
            Some(at) => {
                self.now.at = at;
                self.scroll = 0;
            }
            None => self.say(otherwise),
        }
        None
    }

    fn next_open(&self) -> Option<usize> {
        self.now.open().find(|&at| at > self.now.at)
    }

    fn previous_open(&self) -> Option<usize> {
        self.now.open().take_while(|&at| at < self.now.at).last()
    }

    fn here(&self) -> Vec<usize> {
        vec![self.now.at]
    }

    /// The fix at hand, whatever was decided about it, and the open ones after it that are like it.
    fn rest(&self, like: impl Fn(&Item, &Item) -> bool) -> Vec<usize> {
        let Some((at, here)) = self.now.current() else { return Vec::new() };
        let after = self.now.open().filter(|&i| i > at && like(&self.now.plan.items[i], here));
        std::iter::once(at).chain(after).collect()
    }

    // ---- decisions -------------------------------------------------------------------------------------------------

    fn remember(&mut self, before: Moment) {
        self.past.push(before);
    }

    /// [`Moment::accept`], and knows the files from then on.
    fn accept(&mut self, at: usize, how: How, edits: Vec<Edit>) -> Result<(), Refusal> {
        let files: Vec<Arc<PathBuf>> = edits.iter().map(|e| Arc::clone(&e.file)).collect();
        self.now.accept(at, how, edits)?;
        for file in files {
            if let Some(source) = self.now.plan.source(&file) {
                let origin = || Origin { first: Arc::clone(source), disk: Arc::clone(source) };
                self.origins.entry((*file).clone()).or_insert_with(origin);
            }
        }
        Ok(())
    }

    fn undo(&mut self) -> Option<Effect> {
        match self.past.pop() {
            Some(before) => {
                self.now = before;
                self.scroll = 0;
                let left = self.past.len();
                self.say(format!("Took back the last decision; {} before it.", amount::counted(left, "decision")));
            }
            None => self.say("There is no decision to take back."),
        }
        None
    }

    fn take(&mut self, wanted: Vec<usize>) -> Option<Effect> {
        let before = self.now.clone();
        let plan = Arc::clone(&self.now.plan);
        let one = wanted.len() == 1;
        let (mut taken, mut broken, mut overlaps) = (0, 0, 0);
        for at in wanted {
            // What a person wrote stays.
            if let Decision::Taken(..) = self.now.decision(at) {
                continue;
            }
            match self.accept(at, How::Accepted, plan.items[at].fix.edits.clone()) {
                Ok(()) => taken += 1,
                Err(Refusal::Breaks) => broken += 1,
                Err(Refusal::Overlaps) => overlaps += 1,
            }
        }
        if broken > 0 {
            let which = if one { "Not taken".to_owned() } else { format!("{broken} not taken") };
            self.say(format!("{which}: the file would not be Python any more. n rejects, e edits."));
        } else if overlaps > 0 && one {
            self.say("It changes what a fix taken before has changed, so it was planned again.");
            self.remember(before);
            return Some(Effect::Replan);
        } else if overlaps > 0 {
            self.say(format!("What changes the same lines stays open ({overlaps}) and is planned again when you take it."));
        }
        if taken == 0 && broken > 0 {
            return None;
        }
        if taken > 0 {
            self.remember(before);
        }
        self.advance()
    }

    fn reject(&mut self, unwanted: &[usize]) -> Option<Effect> {
        self.remember(self.now.clone());
        for &at in unwanted {
            self.now.decisions[at] = Decision::Rejected;
        }
        self.advance()
    }

    /// To the next open fix; where there is none, a new look at what the fixes taken have made possible.
    fn advance(&mut self) -> Option<Effect> {
        self.scroll = 0;
        if let Some(next) = self.next_open() {
            self.now.at = next;
            return None;
        }
        if self.now.taken().next().is_some() {
            self.now.at = self.now.plan.items.len();
            return Some(Effect::Replan);
        }
        let first = self.now.open().next();
        self.now.at = first.unwrap_or(self.now.plan.items.len());
        None
    }

    fn split(&mut self) -> Option<Effect> {
        if let Decision::Taken(..) = self.now.decision(self.now.at) {
            self.say("It is taken already; u takes that back.");
            return None;
        }
        let Some((plan, count)) = self.now.plan.split(self.now.at) else {
            self.say("It changes one place only, so it cannot be split; e edits it.");
            return None;
        };
        self.remember(self.now.clone());
        let part = self.now.decisions[self.now.at].clone();
        self.now.decisions.splice(self.now.at..=self.now.at, std::iter::repeat_n(part, count));
        self.now.plan = Arc::new(plan);
        self.say(format!("Warning: these {count} parts belong together; take all of them or none. u joins them again."));
        None
    }

    fn open_editor(&mut self) -> Option<Effect> {
        let at = self.now.at;
        let before = self.now.clone();
        if !matches!(self.now.decision(at), Decision::Taken(..)) {
            let edits = self.now.current()?.1.fix.edits.clone();
            match self.accept(at, How::Accepted, edits) {
                Ok(()) => {}
                Err(Refusal::Overlaps) => {
                    self.say("It changes what a fix taken before has changed, so it was planned again.");
                    self.remember(before);
                    return Some(Effect::Replan);
                }
                Err(Refusal::Breaks) => {
                    self.say("Not taken: the file would not be Python any more. n rejects, e edits.");
                    return None;
                }
            }
        }
        self.remember(before);
        let (fix, texts) = self.now.in_context(at);
        let lead = &self.now.current()?.1.place().0;
        let edit = fix.edits.iter().find(|e| e.file == **lead).or(fix.edits.first())?;
        let row = texts.get(edit.file.as_path()).map_or(1, |s| s.location(edit.span.start).row);
        Some(Effect::Open((*edit.file).clone(), row))
    }
}
