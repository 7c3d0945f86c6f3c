//! What takes the whole run: groups of durations, the budgets of suites, duplicates, suppressions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Checked, FileTotal, Judged, Run, generated};
use crate::discover::Role;
use crate::edit::{Applicability, Fix};
use crate::finding::{Cost, Finding, Severity};
use crate::plan::durations::{Groups, Key, Planned};
use crate::plan::number::write_seconds;
use crate::rules::context::Draft;
use crate::rules::{self, Code};
use crate::source::Span;
use crate::suppression::Suppressions;

impl Run<'_> {
    /// Everything that takes the whole run: groups of durations, the suites' budgets, duplicates, suppressions.
    pub(super) fn conclude(&self, judged: Vec<(usize, Judged)>, checked: &mut Checked) {
        let mut groups = Groups::default();
        let mut drafts: Vec<Draft> = Vec::new();
        let mut suppressions: BTreeMap<Arc<PathBuf>, (usize, Suppressions)> = BTreeMap::new();
        for (i, file) in judged {
            for model in file.models {
                groups.add(model);
            }
            // A helper that nobody asked about is counted with the tests that call it, and told when it is looked at itself.
            drafts.extend(file.drafts.into_iter().filter(|d| self.settings_of(&d.finding.file).is_some()));
            checked.totals.extend(file.total);
            if let Some(s) = file.suppressions {
                suppressions.insert(Arc::clone(&s.file), (i, s));
            }
        }
        // A wait that is meant to be as it is does not change along with others either.
        let suppressed = |f: &Finding| suppressions.get(&f.file).is_some_and(|(_, s)| s.would_suppress(f));
        for draft in drafts.iter().filter(|d| !d.durations.is_empty() && suppressed(&d.finding)) {
            for key in &draft.durations {
                groups.freeze(key, "it is also what is slept where a comment suppresses the finding");
            }
        }
        let fix = self.input.files.first().map(|(_, s)| s.fix.clone());
        let solved = fix.map(|fix| groups.solve(&fix)).unwrap_or_default();
        // What a test sleeps that can run on virtual time needs no shorter numbers: once it does, the rest is solved without it.
        let first = drafts.iter().filter(|d| d.first.is_some()).flat_map(|d| &d.durations);
        let held: HashSet<String> =
            first.filter_map(|key| solved.get(key)?.as_ref().ok()).map(|planned| planned.group.clone()).collect();
        let mut best: BTreeMap<(Arc<PathBuf>, Span, Code), Finding> = BTreeMap::new();
        for mut draft in drafts {
            let unless = std::mem::take(&mut draft.unless);
            // All it rests on is meant to be as it is, or something can be made better. A comment of its own is not unused for that.
            let place = |d: &Draft| (Arc::clone(&d.finding.file), d.finding.span);
            let silent: HashSet<_> = unless.iter().filter(|d| suppressed(&d.finding)).map(place).collect();
            let meant = !silent.is_empty() && unless.iter().all(|d| silent.contains(&place(d))) && !suppressed(&draft.finding);
            if meant || unless.into_iter().any(|better| attach(better, &solved, &held).fix.is_some()) {
                continue;
            }
            let finding = attach(draft, &solved, &held);
            let key = (Arc::clone(&finding.file), finding.span, finding.code.clone());
            match best.get_mut(&key) {
                // A helper judged with several test files: the worst of them speaks.
                Some(known) => {
                    let better = (finding.fix.is_some(), finding.cost.sleep_s, finding.cost.threads)
                        > (known.fix.is_some(), known.cost.sleep_s, known.cost.threads);
                    if better {
                        *known = finding;
                    }
                }
                None => {
                    best.insert(key, finding);
                }
            }
        }
        checked.findings.extend(best.into_values());
        self.suite_budgets(checked);
        let mut kept: HashSet<String> = HashSet::new();
        checked.findings.retain(|f| {
            let suppressed = suppressions.get_mut(&f.file).is_some_and(|(_, s)| s.suppresses(f));
            if suppressed {
                kept.extend(f.fix.iter().map(|fix| fix.group.clone()));
            }
            !suppressed
        });
        for finding in &mut checked.findings {
            if finding.fix.as_ref().is_some_and(|fix| kept.contains(&fix.group)) {
                finding.fix = None;
                finding.declined = Some("it would also change what a comment suppresses the finding for".to_owned());
            }
        }
        let unused = &rules::unused_suppression::RULE.code;
        for (i, s) in suppressions.values() {
            let (found, settings) = &self.input.files[*i];
            if settings.enabled(unused, &found.path) {
                checked.findings.extend(s.unused(unused, found.role, &|code| settings.enabled(code, &found.path)));
            }
        }
        for finding in &mut checked.findings {
            let settings = self.settings_of(&finding.file);
            if settings.is_some_and(|s| !s.fixable(&finding.code)) && finding.fix.take().is_some() {
                finding.declined = Some("fixes of this rule are turned off in the configuration".to_owned());
            }
            let why = finding.fix.iter().flat_map(|f| &f.edits).find_map(|edit| self.hands_off(&edit.file));
            if let Some(why) = why {
                finding.fix = None;
                finding.declined = Some(why.to_owned());
            }
        }
        checked.findings.sort_by(|a, b| (&a.file, a.span, &a.code).cmp(&(&b.file, b.span, &b.code)));
        for finding in &checked.findings {
            for edit in finding.fix.iter().flat_map(|f| &f.edits) {
                if !checked.sources.contains_key(&edit.file)
                    && let Some(source) = self.source(&edit.file)
                {
                    checked.sources.insert(Arc::clone(&edit.file), source);
                }
            }
        }
    }

    /// Why a file is never changed, whatever a rule proposes: it is no test code, or a program writes it.
    fn hands_off(&self, path: &Path) -> Option<&'static str> {
        if self.input.files.iter().any(|(found, _)| found.suite.config_file.as_deref() == Some(path)) {
            return None;
        }
        if self.project.role(path) == Role::Product {
            return Some("it would change product code");
        }
        let source = self.source(path)?;
        generated(&source).then_some("the file is marked @generated: change what generates it")
    }

    /// A suite that sleeps past its budget is told once, at the file that sleeps most.
    fn suite_budgets(&self, checked: &mut Checked) {
        let mut suites: BTreeMap<Arc<PathBuf>, (f64, Option<&FileTotal>)> = BTreeMap::new();
        for total in &checked.totals {
            let slept: f64 = total.tests.iter().filter(|t| !t.exempt).map(|t| t.cost.sleep_s).sum();
            let entry = suites.entry(Arc::clone(&total.suite)).or_default();
            entry.0 += slept;
            if entry.1.is_none_or(|worst| worst.cost.sleep_s < total.cost.sleep_s) {
                entry.1 = Some(total);
            }
        }
        let code = Code::new("sleep-budget");
        let mut found = Vec::new();
        for (slept, worst) in suites.into_values() {
            let Some(worst) = worst else { continue };
            let Some(settings) = self.settings_of(&worst.file) else { continue };
            let budget = settings.budgets.sleep_per_suite;
            if slept <= budget || !settings.enabled(&code, &worst.file) {
                continue;
            }
            let Some(source) = self.source(&worst.file) else { continue };
            let span = source.line_span(0);
            found.push(Finding {
                code: code.clone(),
                message: format!(
                    "the suite sleeps {slept:.1} s in all, most of it ({:.1} s) in this file; its budget is {budget} s",
                    worst.cost.sleep_s
                ),
                severity: Severity::Warning,
                source,
                file: Arc::clone(&worst.file),
                span,
                test: None,
                cost: Cost { sleep_s: slept, ..Cost::default() },
                fix: None,
                declined: Some("it is the sum of the sleeps of its tests: fix those".to_owned()),
            });
        }
        checked.findings.extend(found);
    }
}

/// Completes a finding with the fix of its group of durations.
fn attach(draft: Draft, solved: &HashMap<Key, Result<Arc<Planned>, String>>, held: &HashSet<String>) -> Finding {
    let mut finding = draft.finding;
    if draft.first.is_some() {
        finding.fix = draft.first;
        return finding;
    }
    if draft.durations.is_empty() {
        if draft.last.is_some() {
            finding.fix = draft.last;
            finding.declined = None;
        }
        if finding.fix.is_none()
            && finding.declined.is_none()
            && finding.code.rule().is_some_and(|r| r.code.as_str().contains("sleep"))
        {
            finding.declined = Some("how long it sleeps is not a number in the tests".to_owned());
        }
        return finding;
    }
    let mut reason = None;
    for key in &draft.durations {
        match solved.get(key) {
            Some(Ok(planned)) if held.contains(&planned.group) => {
                finding.fix = None;
                reason.get_or_insert_with(|| {
                    "it is tied to what tests sleep that can run on virtual time: fix those first".to_owned()
                });
            }
            Some(Ok(planned)) => {
                let Some((_, old, new)) = planned.values.iter().find(|(k, ..)| k == key) else { continue };
                if (old - new).abs() < 1e-9 {
                    let frozen = planned.frozen.iter().find(|(k, _)| k == key).map(|(_, why)| why.clone());
                    reason.get_or_insert_with(|| {
                        frozen.unwrap_or_else(|| "it is as short as what it is tied to allows".to_owned())
                    });
                    continue;
                }
                let more = planned.edits.len() - 1;
                let message = match more {
                    0 => format!("Shrink {} s to {} s", write_seconds(*old), write_seconds(*new)),
                    1 => format!("Shrink {} s to {} s, with 1 duration tied to it", write_seconds(*old), write_seconds(*new)),
                    _ => {
                        format!("Shrink {} s to {} s, with {more} durations tied to it", write_seconds(*old), write_seconds(*new))
                    }
                };
                let why = "the code under test may need longer than it is left; only a run of the tests can tell";
                let note = draft.note.or(draft.hint);
                let why = note.map_or_else(|| why.to_owned(), |note| format!("{why}; {note}"));
                let fix = Fix::new(Applicability::Unsafe, message, planned.edits.clone(), planned.group.clone()).because(why);
                finding.fix = Some(fix);
                return finding;
            }
            Some(Err(why)) => {
                // What decides how long it takes lies outside: fewer rounds would be a shorter wait as well.
                finding.fix = None;
                reason.get_or_insert_with(|| why.clone());
            }
            None if finding.fix.is_some() && finding.code.as_str() == "sleep-budget" => {
                finding.fix = None;
                reason.get_or_insert_with(|| "it only yields; how often it does is what adds up".to_owned());
            }
            None if finding.test.is_none() => {
                reason.get_or_insert_with(|| "no test that was looked at is seen to reach it".to_owned());
            }
            None => {
                reason.get_or_insert_with(|| "it is as short as it gets; how often it happens is what adds up".to_owned());
            }
        }
    }
    if finding.fix.is_none() && draft.last.is_some() {
        finding.fix = draft.last;
        finding.declined = None;
    }
    if finding.fix.is_none() && finding.declined.is_none() {
        // What keeps its own time is in the way of both.
        let note = draft.note.filter(|note| reason.as_ref().is_some_and(|why| !note.ends_with(why.as_str())));
        finding.declined = reason.map(|why| note.map_or_else(|| why.clone(), |note| format!("{why}; {note}")));
    }
    finding
}
