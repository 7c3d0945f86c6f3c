//! The fixes of all rounds as edits of the original texts, so that any of them can be applied without the others.
//!
//! A later round edits what an earlier one left. Where both touch the same place they are one [`Unit`]: neither can be had
//! alone. Everything else is independent, whatever round it is from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::search::Choice;
use crate::edit::Edit;
use crate::engine::{Change, Fixed};
use crate::finding::Finding;
use crate::plan::fast_time;
use crate::source::{SourceFile, Span};

/// Fixes that stand and fall together.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The findings they fix, in the order of rounds. Their positions are those of their round.
    pub findings: Vec<Finding>,
    /// The ways to fix them, the boldest first.
    pub versions: Vec<Version>,
    /// Groups of the first round, which name the same fixes in a plan with gentler numbers.
    groups: BTreeSet<(PathBuf, String)>,
}

impl Unit {
    /// Whether its tests need testdiet's fixtures, or `wait_until`.
    #[must_use]
    pub fn takes_testdiet(&self) -> bool {
        let takes = |content: &str| content.contains(fast_time::FIXTURE) || content.contains("testdiet");
        self.versions.iter().flat_map(|v| &v.edits).any(|(_, edit)| takes(&edit.content))
    }

    /// The first version, from one on, that gives joins so many seconds, or has no timeout for them.
    #[must_use]
    pub fn patient(&self, from: usize, seconds: f64) -> Option<usize> {
        let enough = |version: &usize| self.versions[*version].join_timeout().is_none_or(|timeout| timeout >= seconds);
        (from..self.versions.len()).find(enough)
    }

    /// A unit that fixes no finding.
    #[cfg(test)]
    pub(super) fn of(versions: Vec<Version>) -> Self {
        Self { findings: Vec::new(), versions, groups: BTreeSet::new() }
    }
}

/// One way to fix.
#[derive(Debug, Clone)]
pub struct Version {
    /// Edits of the original texts. Several may insert at one place; their order there is the first number.
    pub edits: Vec<(usize, Edit)>,
    /// What they do.
    pub messages: Vec<String>,
}

impl Version {
    /// The shortest time in seconds that it gives a join; `None` when it gives none.
    #[must_use]
    pub fn join_timeout(&self) -> Option<f64> {
        let given = self.edits.iter().filter_map(|(_, edit)| {
            let (_, rest) = edit.content.split_once("(timeout=")?;
            rest.split(')').next()?.parse::<f64>().ok()
        });
        given.reduce(f64::min)
    }

    /// Whether both make the same edits.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        // Their order at one place depends on the plan they are from.
        let edits = |v: &Self| v.edits.iter().map(|(_, e)| e.clone()).collect::<BTreeSet<_>>();
        edits(self) == edits(other)
    }
}

/// Original texts by path.
pub type Originals = BTreeMap<Arc<PathBuf>, Arc<SourceFile>>;

/// A piece of text that stands for a span of the original.
struct Piece {
    start: u32,
    end: u32,
    text: String,
    owners: BTreeSet<usize>,
}

/// All fixes of a run as units, and the texts they are about.
#[must_use]
pub fn units(fixed: &Fixed) -> (Vec<Unit>, Originals) {
    let mut files: BTreeMap<Arc<PathBuf>, Vec<Piece>> = BTreeMap::new();
    let findings: Vec<(usize, &Finding)> =
        fixed.rounds.iter().enumerate().flat_map(|(round, all)| all.iter().map(move |f| (round, f))).collect();
    let mut parent: Vec<usize> = (0..findings.len()).collect();
    let mut first = 0;
    for round in &fixed.rounds {
        // Of a file, from its end to its start: what is still to come keeps its place.
        let mut edits: BTreeMap<&Edit, BTreeSet<usize>> = BTreeMap::new();
        for (i, finding) in round.iter().enumerate() {
            for edit in finding.fix.iter().flat_map(|fix| &fix.edits) {
                edits.entry(edit).or_default().insert(first + i);
            }
        }
        for (edit, owners) in edits.into_iter().rev() {
            take_up(files.entry(Arc::clone(&edit.file)).or_default(), edit, &owners, &mut parent);
        }
        first += round.len();
    }
    let mut units: BTreeMap<usize, Unit> = BTreeMap::new();
    for (i, &(round, finding)) in findings.iter().enumerate() {
        let unit = units.entry(root(&mut parent, i)).or_insert_with(|| Unit {
            findings: Vec::new(),
            versions: vec![Version { edits: Vec::new(), messages: Vec::new() }],
            groups: BTreeSet::new(),
        });
        unit.findings.push(finding.clone());
        if let Some(fix) = &finding.fix {
            if round == 0 {
                unit.groups.extend(fix.edits.first().map(|e| ((*e.file).clone(), fix.group.clone())));
            }
            unit.versions[0].messages.push(fix.message.clone());
        }
    }
    for (file, pieces) in &files {
        for (order, piece) in pieces.iter().enumerate() {
            let roots: BTreeSet<usize> = piece.owners.iter().map(|&o| root(&mut parent, o)).collect();
            for r in roots {
                if let Some(unit) = units.get_mut(&r) {
                    let edit = Edit::replace(file, Span::new(piece.start, piece.end), piece.text.clone());
                    unit.versions[0].edits.push((order, edit));
                }
            }
        }
    }
    let mut out: Vec<Unit> = units.into_values().collect();
    let originals = fixed.changes.iter().map(|c| (Arc::new(c.before.path.clone()), Arc::clone(&c.before))).collect::<Originals>();
    // A file that ends as it began needs no fix.
    out.retain(|u| u.versions[0].edits.iter().all(|(_, e)| originals.contains_key(&e.file)));
    (out, originals)
}

/// Adds the versions that a plan with gentler numbers has for the same fixes.
pub fn add_gentler(units: &mut [Unit], gentler: &Fixed) {
    let (others, _) = self::units(gentler);
    let all: Vec<Vec<(usize, Edit)>> = units.iter().map(|u| u.versions.iter().flat_map(|v| v.edits.clone()).collect()).collect();
    for other in others {
        let Some(at) = units.iter().position(|u| !u.groups.is_empty() && u.groups == other.groups) else { continue };
        let Some(version) = other.versions.into_iter().next() else { continue };
        let clashes = |edits: &Vec<(usize, Edit)>| edits.iter().any(|e| version.edits.iter().any(|v| v.1.conflicts_with(&e.1)));
        let free = all.iter().enumerate().all(|(i, edits)| i == at || !clashes(edits));
        if free && !units[at].versions.iter().any(|v| v.is(&version)) {
            units[at].versions.push(version);
        }
    }
}

/// The texts that a choice makes, for the files it changes.
#[must_use]
pub fn changes(units: &[Unit], originals: &Originals, choice: &Choice) -> Vec<Change> {
    let mut by_file: BTreeMap<&Arc<PathBuf>, BTreeSet<(u32, usize, &Edit)>> = BTreeMap::new();
    for (unit, version) in units.iter().zip(choice) {
        for (order, edit) in version.and_then(|v| unit.versions.get(v)).iter().flat_map(|v| &v.edits) {
            by_file.entry(&edit.file).or_default().insert((edit.span.start, *order, edit));
        }
    }
    let changed = |(file, edits): (&Arc<PathBuf>, BTreeSet<(u32, usize, &Edit)>)| {
        let before = originals.get(file)?;
        let (mut text, mut at) = (String::with_capacity(before.text().len()), 0);
        for (_, _, edit) in edits {
            text.push_str(before.text().get(at..edit.span.range().start)?);
            text.push_str(&edit.content);
            at = edit.span.range().end;
        }
        text.push_str(before.text().get(at..)?);
        (text != before.text()).then(|| Change { before: Arc::clone(before), after: before.with_text(text) })
    };
    by_file.into_iter().filter_map(changed).collect()
}

fn root(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}

/// Applies an edit of the current text to the pieces that make it. Those that it touches become one with it.
fn take_up(pieces: &mut Vec<Piece>, edit: &Edit, owners: &BTreeSet<usize>, parent: &mut [usize]) {
    let (start, end) = (i64::from(edit.span.start), i64::from(edit.span.end));
    // Where each piece lies now.
    let mut shift = 0_i64;
    let places: Vec<(i64, i64)> = pieces
        .iter()
        .map(|piece| {
            let from = i64::from(piece.start) + shift;
            let to = from + i64::try_from(piece.text.len()).unwrap_or(i64::MAX);
            shift = to - i64::from(piece.end);
            (from, to)
        })
        .collect();
    let at = |position: i64| u32::try_from(position).unwrap_or_default();
    // Beside a piece is not within it.
    let touched: Vec<usize> = (0..pieces.len()).filter(|&i| start < places[i].1 && places[i].0 < end).collect();
    let (Some(&first), Some(&last)) = (touched.first(), touched.last()) else {
        let index = places.iter().take_while(|(_, to)| *to <= start).count();
        let moved = index.checked_sub(1).map_or(0, |i| places[i].1 - i64::from(pieces[i].end));
        let piece = Piece { start: at(start - moved), end: at(end - moved), text: edit.content.clone(), owners: owners.clone() };
        pieces.insert(index, piece);
        return;
    };
    // What sticks out of the first and the last piece stays, what the edit takes beyond them goes.
    let (before, after) = (start - places[first].0, places[last].1 - end);
    let (head, tail) = (&pieces[first].text, &pieces[last].text);
    let head = &head[..usize::try_from(before).unwrap_or_default()];
    let tail = &tail[tail.len() - usize::try_from(after).unwrap_or_default()..];
    let merged = Piece {
        start: at(i64::from(pieces[first].start) + before.min(0)),
        end: at(i64::from(pieces[last].end) - after.min(0)),
        text: format!("{head}{}{tail}", edit.content),
        owners: touched.iter().flat_map(|&i| &pieces[i].owners).chain(owners).copied().collect(),
    };
    for pair in merged.owners.iter().collect::<Vec<_>>().windows(2) {
        let (a, b) = (root(parent, *pair[0]), root(parent, *pair[1]));
        parent[a.max(b)] = a.min(b);
    }
    pieces.splice(first..=last, [merged]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::edit::{Applicability, Fix, apply};
    use crate::report::samples;

    fn original() -> Arc<SourceFile> {
        let text = "0123456789abcdefghijklmnopqrstuvwxyz";
        Arc::new(SourceFile::from_bytes(PathBuf::from("/work/a.py"), text.as_bytes().to_vec()).unwrap())
    }

    /// The edits of a fix: start, end, new text.
    type Edits = Vec<(u32, u32, &'static str)>;

    /// Applies rounds of fixes to the sample text, each fix one finding.
    fn fixed(rounds: &[Vec<Edits>]) -> Fixed {
        let before = original();
        let file = Arc::new(before.path.clone());
        let mut text = before.text().to_owned();
        let mut out = Fixed::default();
        for round in rounds {
            let mut findings = Vec::new();
            for (i, edits) in round.iter().enumerate() {
                let edits = edits.iter().map(|&(s, e, c)| Edit::replace(&file, Span::new(s, e), c)).collect();
                let mut finding = samples::several().findings.remove(0);
                finding.fix = Some(Fix::new(Applicability::Unsafe, "m", edits, format!("g{i}")));
                findings.push(finding);
            }
            let edits: Vec<&Edit> = findings.iter().flat_map(|f| &f.fix.as_ref().unwrap().edits).collect();
            text = apply(&text, edits);
            out.rounds.push(findings);
        }
        let after = before.with_text(text);
        out.changes.push(Change { before, after });
        out
    }

    fn text(units: &[Unit], originals: &Originals, choice: &[bool]) -> String {
        let choice = choice.iter().map(|&c| c.then_some(0)).collect();
        let changes = changes(units, originals, &choice);
        changes.first().map_or_else(|| original().text().to_owned(), |c| c.after.text().to_owned())
    }

    #[test]
    fn fixes_of_later_rounds_stand_alone_unless_they_touch_earlier_ones() {
        let fixed = fixed(&[
            vec![vec![(1, 3, "ONE")], vec![(10, 11, "TEN")]],
            // Within the second fix of the first round, and away from both.
            vec![vec![(12, 13, "e")], vec![(20, 21, "twenty")]],
        ]);
        assert_eq!(fixed.changes[0].after.text(), "0ONE3456789TeNbcdefgtwentyijklmnopqrstuvwxyz");
        let (units, originals) = units(&fixed);
        assert_eq!(units.len(), 3);
        assert_eq!(text(&units, &originals, &[true, true, true]), fixed.changes[0].after.text());
        assert_eq!(text(&units, &originals, &[false, true, false]), "0123456789TeNbcdefghijklmnopqrstuvwxyz");
        assert_eq!(text(&units, &originals, &[false, false, true]), "0123456789abcdefgtwentyijklmnopqrstuvwxyz");
    }

    #[test]
    fn an_edit_that_two_fixes_share_stays_while_one_of_them_does() {
        let import = (0, 0, "import pytest\n");
        let fixed = fixed(&[vec![vec![import, (4, 5, "X")], vec![import, (8, 9, "Y")]]]);
        let (units, originals) = units(&fixed);
        assert_eq!(units.len(), 2);
        assert!(text(&units, &originals, &[true, false]).starts_with("import pytest\n0123X567"));
        assert!(text(&units, &originals, &[false, true]).starts_with("import pytest\n01234567Y"));
    }

    proptest! {
        #[test]
        fn all_units_together_are_what_the_rounds_made(
            rounds in proptest::collection::vec(
                proptest::collection::vec((0..30_u32, 0..5_u32, 0..4_usize), 1..6), 1..4)
        ) {
            let words = ["", "x", "YY", "zzzz"];
            let mut length = 36_u32;
            let rounds: Vec<Vec<Edits>> = rounds.into_iter().map(|mut edits| {
                // Free of conflicts, apart by one letter.
                edits.sort_unstable();
                let mut last = None;
                let mut grown = 0_i64;
                let mut round = Vec::new();
                for (start, len, word) in edits {
                    let end = (start + len).min(length);
                    if start > length || last.is_some_and(|l| start <= l) {
                        continue;
                    }
                    last = Some(end);
                    grown += i64::try_from(words[word].len()).unwrap() - i64::from(end - start);
                    round.push(vec![(start, end, words[word])]);
                }
                length = u32::try_from(i64::from(length) + grown).unwrap();
                round
            }).collect();
            let fixed = fixed(&rounds);
            let (units, originals) = units(&fixed);
            let all = vec![true; units.len()];
            prop_assert_eq!(text(&units, &originals, &all), fixed.changes[0].after.text());
        }
    }
}
