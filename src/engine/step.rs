//! One round of fixes: which of them can be applied together, and the texts that come of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::{Checked, Run};
use crate::edit::{Applicability, Edit, Fix, apply, compatible};
use crate::finding::Finding;
use crate::python::lower;
use crate::rules::Code;
use crate::source::SourceFile;

/// One round of fixes, applied to texts.
#[derive(Default)]
pub(super) struct Step {
    pub(super) texts: BTreeMap<PathBuf, String>,
    pub(super) applied: BTreeMap<Code, usize>,
    pub(super) findings: Vec<Finding>,
    pub(super) together: Vec<BTreeSet<PathBuf>>,
}

impl Run<'_> {
    /// Applies what can be applied together, and keeps only what leaves every file as parseable as it was.
    pub(super) fn step(
        &self,
        checked: &Checked,
        level: Applicability,
        wanted: &dyn Fn(&Finding) -> bool,
        current: &HashMap<PathBuf, Arc<SourceFile>>,
        refused: &mut HashSet<String>,
    ) -> Step {
        let mut seen = HashSet::new();
        let mut fixes: Vec<(&Finding, &Fix)> = checked
            .findings
            .iter()
            .filter_map(|f| Some((f, f.fix.as_ref()?)))
            .filter(|(_, fix)| fix.applicability >= level && !fix.edits.is_empty() && !refused.contains(&fix.group))
            .filter(|(finding, _)| wanted(finding))
            .collect();
        fixes.retain(|(_, fix)| seen.insert((&fix.group, &fix.edits)));
        let mut chosen: Vec<usize> = compatible(fixes.iter().map(|(_, f)| *f));
        let text = |path: &Path| current.get(path).cloned().or_else(|| self.source(path));
        loop {
            let mut by_file: BTreeMap<&Arc<PathBuf>, Vec<&Edit>> = BTreeMap::new();
            for &i in &chosen {
                for edit in &fixes[i].1.edits {
                    by_file.entry(&edit.file).or_default().push(edit);
                }
            }
            let results: Vec<(&Arc<PathBuf>, Option<String>)> =
                by_file.into_par_iter().map(|(path, edits)| (path, text(path).and_then(|old| rewritten(&old, &edits)))).collect();
            let bad: HashSet<&Arc<PathBuf>> = results.iter().filter(|(_, new)| new.is_none()).map(|(p, _)| *p).collect();
            if bad.is_empty() {
                let mut step = Step::default();
                for (path, new) in results {
                    if let (Some(new), Some(old)) = (new, text(path))
                        && new != old.text()
                    {
                        step.texts.insert((**path).clone(), new);
                    }
                }
                for &i in &chosen {
                    let (finding, fix) = fixes[i];
                    *step.applied.entry(finding.code.clone()).or_default() += 1;
                    step.findings.push(finding.clone());
                    step.together.push(fix.edits.iter().map(|e| (*e.file).clone()).collect());
                }
                return step;
            }
            // Find the fixes to blame one by one: each alone on its file.
            let before = chosen.len();
            chosen.retain(|&i| {
                let fix = fixes[i].1;
                let alone = fix.edits.iter().all(|e| {
                    !bad.contains(&e.file) || {
                        let own: Vec<&Edit> = fix.edits.iter().filter(|o| o.file == e.file).collect();
                        text(&e.file).is_some_and(|old| rewritten(&old, &own).is_some())
                    }
                });
                if !alone {
                    refused.insert(fix.group.clone());
                }
                alone
            });
            if chosen.len() == before {
                // Only together do they break the file: leave it alone.
                chosen.retain(|&i| !fixes[i].1.edits.iter().any(|e| bad.contains(&e.file)));
            }
        }
    }
}

/// A text after edits; `None` when it has an error that it did not have, or cannot be written in the file's encoding. What is
/// added to a configuration is read back by [`crate::discover::amend`].
pub(crate) fn rewritten(old: &SourceFile, edits: &[&Edit]) -> Option<String> {
    let new = apply(old.text(), edits.iter().copied());
    let configuration = old.path.extension().is_some_and(|e| ["toml", "ini", "cfg"].iter().any(|c| e == *c));
    if !configuration && !lower::lower(&new).errors.is_empty() {
        return None;
    }
    old.with_text(new.clone()).encode()?;
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Input;
    use crate::finding::{Cost, Severity};
    use crate::source::Span;

    const TEXT: &str = "worker.join()\nother.join()\n";

    /// A finding at `at`, whose fix writes `content` there.
    fn finding(source: &Arc<SourceFile>, at: Span, content: &str) -> Finding {
        let file = Arc::new(source.path.clone());
        let edits = vec![Edit::replace(&file, at, content)];
        Finding {
            code: Code::new("join-without-timeout"),
            message: String::new(),
            severity: Severity::Error,
            source: Arc::clone(source),
            fix: Some(Fix::new(Applicability::Safe, "", edits, content)),
            file,
            span: at,
            test: None,
            cost: Cost::default(),
            declined: None,
        }
    }

    /// What a round makes of the given fixes, and the groups that it refuses.
    fn round(fixes: &[(u32, u32, &str)]) -> (Vec<String>, HashSet<String>) {
        let source = Arc::new(SourceFile::from_bytes(PathBuf::from("test_a.py"), TEXT.into()).unwrap());
        let input = Input::default();
        let findings = fixes.iter().map(|&(from, to, content)| finding(&source, Span::new(from, to), content)).collect();
        let checked = Checked { findings, ..Checked::default() };
        let current = HashMap::from_iter([(source.path.clone(), source)]);
        let mut refused = HashSet::default();
        let step = Run::new(&input).unwrap().step(&checked, Applicability::Safe, &|_| true, &current, &mut refused);
        assert_eq!(step.applied.values().sum::<usize>(), step.findings.len());
        (step.texts.into_values().collect(), refused)
    }

    #[test]
    fn a_fix_that_would_break_parsing_is_refused_and_the_others_are_applied() {
        let (texts, refused) = round(&[(11, 13, "(timeout="), (24, 26, "(timeout=5.0)")]);
        assert_eq!(texts, ["worker.join()\nother.join(timeout=5.0)\n"]);
        assert_eq!(refused, HashSet::from_iter(["(timeout=".to_owned()]));
    }

    #[test]
    fn fixes_that_break_a_file_only_together_leave_it_alone() {
        // `worker.join(); other.join()` parses, and so does an `if` on its own line.
        for alone in [(13, 14, "; "), (14, 19, "if late: other")] {
            assert_eq!(round(&[alone]).0.len(), 1);
        }
        assert_eq!(round(&[(13, 14, "; "), (14, 19, "if late: other")]), (Vec::new(), HashSet::default()));
    }
}
