//! The durations of a whole run, joined where tests share one, solved group by group, and the edits that come of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{COVERED, Duration, Form, Key, Link, Model, Waited};
use crate::config::FixSettings;
use crate::edit::Edit;
use crate::plan::number::{format_like, rewrite_number, write_seconds};
use crate::plan::solve::{Limits, Quantity, Tie, solve};
use crate::python::ended::FOREVER;

/// A group that keeps more than this part of its seconds stays as it is.
const HARDLY: f64 = 0.85;

/// The durations of a whole run, joined where tests share a literal.
#[derive(Default)]
pub struct Groups {
    durations: Vec<Duration>,
    index: HashMap<Key, usize>,
    parent: Vec<usize>,
    links: Vec<(Link, f64)>,
    // In the order of the tests: of several reasons, the first one speaks, in every run.
    declined: BTreeMap<usize, String>,
    tests: BTreeMap<usize, Vec<String>>,
}

/// What a group's solution does to one duration.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The whole group's edits.
    pub edits: Vec<Edit>,
    /// Identifies the group.
    pub group: String,
    /// Seconds of each duration before and after.
    pub values: Vec<(Key, f64, f64)>,
    /// Why a duration may not change, for those that may not.
    pub frozen: Vec<(Key, String)>,
    /// Number of tests it reaches.
    pub tests: usize,
}

impl Groups {
    /// Adds the durations of one test.
    pub fn add(&mut self, model: Model) {
        let mut map = Vec::with_capacity(model.durations.len());
        for d in model.durations {
            let i = if d.product {
                // Whoever else waits for it waits for a constant: that is no tie between the two.
                self.parent.push(self.durations.len());
                self.durations.push(d);
                self.durations.len() - 1
            } else if let Some(&i) = self.index.get(&d.key) {
                let known = &mut self.durations[i];
                known.whole |= d.whole;
                known.waited = known.waited.max(d.waited);
                if known.frozen.is_none() {
                    known.frozen = d.frozen;
                }
                if (known.unit - d.unit).abs() > 1e-12 {
                    known.frozen.get_or_insert_with(|| "it is used in two units".to_owned());
                }
                i
            } else {
                self.parent.push(self.durations.len());
                self.index.insert(d.key.clone(), self.durations.len());
                self.durations.push(d);
                self.durations.len() - 1
            };
            map.push(i);
        }
        for w in map.windows(2) {
            self.join(w[0], w[1]);
        }
        let Some(&first) = map.first() else { return };
        self.tests.entry(first).or_default().push(model.test);
        if let Some(why) = model.declined {
            self.declined.entry(first).or_insert(why);
        }
        let form = |f: Form| f.into_iter().map(|(i, c)| (map[i], c)).collect::<Form>();
        for link in model.links {
            let link = match link {
                Link::Order(a, b) => Link::Order(form(a), form(b)),
                Link::Same(a, b) => Link::Same(map[a], map[b]),
                Link::Ratio(a, b) => Link::Ratio(map[a], map[b]),
            };
            self.links.push((link, model.slack));
        }
    }

    /// Keeps a duration as it is.
    pub fn freeze(&mut self, key: &Key, why: &str) {
        if let Some(&i) = self.index.get(key) {
            self.durations[i].frozen.get_or_insert_with(|| why.to_owned());
        }
    }

    fn root(&self, mut i: usize) -> usize {
        while self.parent[i] != i {
            i = self.parent[i];
        }
        i
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            self.parent[a.max(b)] = a.min(b);
        }
    }

    /// Solves every group. The answer for a duration: what its group becomes, or why it stays as it is.
    #[must_use]
    pub fn solve(self, fix: &FixSettings) -> HashMap<Key, Result<Arc<Planned>, String>> {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for i in 0..self.durations.len() {
            members.entry(self.root(i)).or_default().push(i);
        }
        let mut links: HashMap<usize, Vec<&(Link, f64)>> = HashMap::new();
        for link in &self.links {
            let at = match &link.0 {
                Link::Order(a, b) => a.first().or(b.first()).map(|x| x.0),
                Link::Same(a, _) | Link::Ratio(a, _) => Some(*a),
            };
            if let Some(at) = at {
                links.entry(self.root(at)).or_default().push(link);
            }
        }
        let mut declined: HashMap<usize, &String> = HashMap::new();
        for (i, why) in &self.declined {
            declined.entry(self.root(*i)).or_insert(why);
        }
        let mut tests: HashMap<usize, usize> = HashMap::new();
        for (i, names) in &self.tests {
            *tests.entry(self.root(*i)).or_default() += names.len();
        }
        let mut out = HashMap::new();
        for (root, group) in &members {
            let answer = match declined.get(root) {
                Some(why) => Err((*why).clone()),
                None => self.solve_group(
                    group,
                    links.get(root).map_or(&[], Vec::as_slice),
                    fix,
                    tests.get(root).copied().unwrap_or(0),
                ),
            };
            let answer = answer.map(Arc::new);
            for &i in group {
                out.insert(self.durations[i].key.clone(), answer.clone());
            }
        }
        out
    }

    fn solve_group(&self, group: &[usize], links: &[&(Link, f64)], fix: &FixSettings, tests: usize) -> Result<Planned, String> {
        let at: HashMap<usize, usize> = group.iter().enumerate().map(|(n, &i)| (i, n)).collect();
        let limits = Limits { margin: fix.margin, ..Limits::SECONDS };
        let quantities: Vec<Quantity> = group
            .iter()
            .map(|&i| {
                let d = &self.durations[i];
                let seconds = d.value * d.unit;
                let mut q = Quantity { floor: fix.floor, start: fix.floor, ..Quantity::seconds(seconds) };
                if d.whole {
                    q = Quantity { floor: d.unit, start: d.unit, unit: d.unit, ..q };
                }
                // A wait under the floor is as short as it gets, and one nobody sits through is not waited out.
                if d.frozen.is_some() || d.waited == Waited::No || seconds <= fix.floor + 1e-9 || seconds >= FOREVER {
                    q = q.fixed();
                }
                q
            })
            .collect();
        let form = |f: &Form| f.iter().map(|(i, c)| (at[i], *c)).collect::<Vec<_>>();
        let ties: Vec<Tie> = links
            .iter()
            .filter_map(|(link, slack)| match link {
                Link::Order(a, b) => cancelled(form(a), form(b)).map(|(smaller, larger)| Tie::Order {
                    smaller,
                    larger,
                    slack: if *slack <= limits.margin / COVERED { 0.0 } else { *slack },
                }),
                Link::Same(a, b) => Some(Tie::Same { a: at[a], b: at[b] }),
                Link::Ratio(a, b) => Some(Tie::Ratio { a: at[a], b: at[b] }),
            })
            .collect();
        let solution = solve(&quantities, &ties, &limits).map_err(|d| d.to_string())?;
        let mut edits = Vec::new();
        let mut values = Vec::new();
        for (n, &i) in group.iter().enumerate() {
            let d = &self.durations[i];
            let (old, new) = (quantities[n].value, solution[n]);
            values.push((d.key.clone(), old, new));
            if (old - new).abs() < 1e-9 {
                continue;
            }
            let literal = new / d.unit;
            let content = if d.text.is_empty() {
                Some(format!("{}{}", d.prefix, if d.whole { format!("{literal:.0}") } else { write_seconds(literal) }))
            } else if d.folded {
                format_like(&d.text, literal)
            } else {
                rewrite_number(&d.text, d.value, literal)
            };
            match content {
                Some(content) => edits.push(Edit::replace(&d.key.file, d.key.span, content)),
                None => return Err(format!("`{}` cannot be written as {} s", d.text, write_seconds(new))),
            }
        }
        // What is hardly shorter is no reason to touch a test, only to make it less sure.
        let asleep = |seconds: &dyn Fn(usize) -> f64| -> f64 {
            (0..group.len()).filter(|&n| self.durations[group[n]].waited > Waited::No).map(seconds).sum()
        };
        let (before, after) = (asleep(&|n| quantities[n].value), asleep(&|n| solution[n]));
        if !edits.is_empty() && after > before * HARDLY {
            return Err(format!("{} s instead of {} s would gain next to nothing", write_seconds(after), write_seconds(before)));
        }
        edits.sort();
        let frozen = group.iter().map(|&i| &self.durations[i]).filter_map(|d| Some((d.key.clone(), d.frozen.clone()?))).collect();
        let name = group.iter().map(|&i| &self.durations[i].key).min();
        let name = name.map_or_else(String::new, |k| {
            format!(
                "seconds:{}:{}",
                k.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
                k.span.start
            )
        });
        Ok(Planned { edits, group: name, values, frozen, tests })
    }
}

/// Both sides of an order without what they share and without negative terms (`SETTLE - FIRST_HALF`), which move to the other side;
/// `None` when nothing is left to compare.
fn cancelled(mut smaller: Form, mut larger: Form) -> Option<(Form, Form)> {
    let negative = |side: &mut Form| {
        let moved: Form = side.iter().filter(|(_, c)| *c < 0.0).map(|&(i, c)| (i, -c)).collect();
        side.retain(|(_, c)| *c >= 0.0);
        moved
    };
    let (from_smaller, from_larger) = (negative(&mut smaller), negative(&mut larger));
    smaller.extend(from_larger);
    larger.extend(from_smaller);
    for side in [&mut smaller, &mut larger] {
        side.sort_by_key(|(i, _)| *i);
        side.dedup_by(|b, a| {
            a.0 == b.0 && {
                a.1 += b.1;
                true
            }
        });
    }
    for (i, c) in &mut larger {
        if let Some((_, s)) = smaller.iter_mut().find(|(j, _)| j == i) {
            let common = c.min(*s);
            *c -= common;
            *s -= common;
        }
    }
    smaller.retain(|(_, c)| *c > 1e-9);
    larger.retain(|(_, c)| *c > 1e-9);
    // Nothing on the smaller side still leaves the margin to keep: `SLEEP * 0.8` before `SLEEP` needs a fifth of it.
    (!larger.is_empty()).then_some((smaller, larger))
}
