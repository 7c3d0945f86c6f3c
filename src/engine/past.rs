//! What earlier runs know of files, and for how long it holds.
//!
//! What a file was judged to be is kept with the facts that the judgement rests on: the texts of the files that were looked into,
//! where modules were found and where not. It is taken as it is while all of them hold. What takes the whole run is not kept but
//! concluded afresh, so a file that changes can change what is said of another one, although that is not judged again.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Judged;
use crate::python::project::Project;
use crate::python::view::Fact;
use crate::rules::context::Draft;
use crate::source::SourceFile;

/// What is known of files.
#[derive(Default, Serialize, Deserialize)]
pub struct Past {
    /// Everything that something rests on; the rest refers to it by index.
    facts: Vec<Fact>,
    files: BTreeMap<PathBuf, Known>,
}

/// What is known of one file.
#[derive(Default, Serialize, Deserialize)]
struct Known {
    /// The settings that it was judged under.
    key: String,
    parts: [Option<Kept>; PARTS],
}

/// The parts of what is known of a file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// What its text gives reason to look for.
    Text,
    /// What it has for others.
    Offer,
    /// What it was judged to be.
    Judged,
}

const PARTS: usize = 3;

#[derive(Serialize, Deserialize)]
struct Kept {
    facts: Vec<u32>,
    value: Box<RawValue>,
}

/// What became known in this run, or was again taken for true.
enum Present<'p> {
    Again(&'p Kept),
    New(Vec<Fact>, Box<RawValue>),
}

type Found<'p> = (usize, [Option<Present<'p>>; PARTS]);

/// The past, as far as it still holds, and what becomes known.
pub(super) struct Memory<'p> {
    past: &'p Past,
    keys: &'p [String],
    /// Whether each of the facts holds, once somebody asked.
    holds: Vec<OnceLock<bool>>,
    /// By file, with its place in the run.
    present: Mutex<BTreeMap<PathBuf, Found<'p>>>,
}

impl<'p> Memory<'p> {
    /// Of a run over files that are judged under settings with these keys.
    pub(super) fn new(past: &'p Past, keys: &'p [String]) -> Self {
        let holds = past.facts.iter().map(|_| OnceLock::new()).collect();
        Self { past, keys, holds, present: Mutex::default() }
    }

    fn known(&self, i: usize, path: &Path, part: Part, project: &Project) -> Option<&'p Kept> {
        let known = self.past.files.get(path).filter(|known| known.key == self.keys[i])?;
        let kept = known.parts[part as usize].as_ref()?;
        let holds = |&fact: &u32| {
            let fact = fact as usize;
            self.holds.get(fact).is_some_and(|holds| *holds.get_or_init(|| self.past.facts[fact].holds(project)))
        };
        kept.facts.iter().all(holds).then_some(kept)
    }

    /// Whether something is known and holds. `i` is the file's place in the run.
    pub(super) fn knows(&self, i: usize, path: &Path, part: Part, project: &Project) -> bool {
        self.known(i, path, part, project).is_some()
    }

    /// What is known, if it holds.
    pub(super) fn recall<T: DeserializeOwned>(&self, i: usize, path: &Path, part: Part, project: &Project) -> Option<T> {
        let kept = self.known(i, path, part, project)?;
        let value = serde_json::from_str(kept.value.get()).ok()?;
        self.put(i, path, part, Present::Again(kept));
        Some(value)
    }

    /// Keeps what became known. What rests on nothing was not found out.
    pub(super) fn keep(&self, i: usize, path: &Path, part: Part, value: &impl Serialize, facts: Vec<Fact>) {
        if facts.is_empty() {
            return;
        }
        // A path that is no Unicode cannot be kept.
        if let Ok(value) = serde_json::value::to_raw_value(value) {
            self.put(i, path, part, Present::New(facts, value));
        }
    }

    fn put(&self, i: usize, path: &Path, part: Part, present: Present<'p>) {
        let mut all = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(path.to_path_buf()).or_insert_with(|| (i, Default::default())).1[part as usize] = Some(present);
    }

    /// What is known now; `None` if that is what was known before.
    pub(super) fn into_past(self) -> Option<Past> {
        let present = self.present.into_inner().unwrap_or_else(PoisonError::into_inner);
        let now = || present.values().flat_map(|(_, parts)| parts.iter().flatten());
        let before = self.past.files.values().flat_map(|known| known.parts.iter().flatten());
        if now().count() == before.count() && now().all(|part| matches!(part, Present::Again(_))) {
            return None;
        }
        let mut facts: Vec<Fact> = Vec::new();
        let mut index: HashMap<Fact, u32> = HashMap::new();
        let mut of = |fact: &Fact| -> Option<u32> {
            if let Some(&known) = index.get(fact) {
                return Some(known);
            }
            let new = u32::try_from(facts.len()).ok()?;
            facts.push(fact.clone());
            index.insert(fact.clone(), new);
            Some(new)
        };
        let mut files = BTreeMap::new();
        for (path, (i, parts)) in present {
            let mut known = Known { key: self.keys[i].clone(), parts: Default::default() };
            for (part, slot) in parts.into_iter().zip(&mut known.parts) {
                let (facts, value): (Option<Vec<u32>>, _) = match part {
                    Some(Present::New(facts, value)) => (facts.iter().map(&mut of).collect(), value),
                    Some(Present::Again(kept)) => {
                        let facts = kept.facts.iter().map(|&i| of(self.past.facts.get(i as usize)?)).collect();
                        (facts, kept.value.clone())
                    }
                    None => continue,
                };
                *slot = facts.map(|facts| Kept { facts, value });
            }
            files.insert(path, known);
        }
        Some(Past { facts, files })
    }
}

impl Judged {
    /// Takes up the texts again that places are in; `None` when that cannot be.
    pub(super) fn anchor(&mut self, text: &dyn Fn(&Path) -> Option<Arc<SourceFile>>) -> Option<()> {
        for draft in &mut self.drafts {
            draft.anchor(text)?;
        }
        for duration in self.models.iter_mut().flat_map(|model| &mut model.durations) {
            duration.source = text(&duration.key.file)?;
        }
        if let Some(suppressions) = &mut self.suppressions {
            suppressions.anchor(text(&suppressions.file)?);
        }
        Some(())
    }
}

impl Draft {
    fn anchor(&mut self, text: &dyn Fn(&Path) -> Option<Arc<SourceFile>>) -> Option<()> {
        self.finding.source = text(&self.finding.file)?;
        self.finding.source.text().get(self.finding.span.range())?;
        self.unless.iter_mut().try_for_each(|draft| draft.anchor(text))
    }
}
