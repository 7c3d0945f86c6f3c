//! # missing-slow-marker
//!
//! A test that stays over its budget of sleep or iterations after every other fix, and is not marked `slow`.
//!
//! ## Why is this bad?
//! Some tests have to be heavy: they wait for something whose pace is not theirs, or their point is the many rounds. They hold up
//! every run of every developer until they are told apart from the others. The mark says which they are; a plain `pytest` can then
//! skip them (`testdiet init` sets that up), and CI runs them in a job of their own.
//!
//! ## Example
//! ```python
//! def test_certificate_expires(server):
//!     time.sleep(3)              # the server decides, and no number here can change it
//!     assert server.certificate_expired()
//! ```
//!
//! Use instead:
//! ```python
//! @pytest.mark.slow
//! def test_certificate_expires(server):
//!     time.sleep(3)
//!     assert server.certificate_expired()
//! ```
//!
//! ## Fix
//! Adds the decorator, with the import and the registration of the mark where they are missing. Always *unsafe*: a run that leaves slow tests out
//! no longer runs the test, and `testdiet fix` says how many those are. While a sleep can shrink, or a loop can have fewer rounds, nothing
//! is reported here: those fixes come first. Declined where the mark would also take away tests that are within their budget.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{Context, Draft};
use super::long_sleep::{self, seconds};
use super::unregistered_marker::registration;
use super::{Code, Rule, long_loop, loop_impact, sleep_before_assert, sleep_budget, slow_poll};
use crate::config::Strategy;
use crate::edit::{Applicability, Edit, Fix};
use crate::finding::Finding;
use crate::python::ast::{ExprId, ExprKind, Function, StmtId, StmtKind};
use crate::python::cost::{Site, TestFacts, Use};
use crate::python::ended::outermost;
use crate::python::project::Module;
use crate::python::scope::MODULE;
use crate::query::SiteKind;
use crate::rewrite;

pub(super) static RULE: Rule = Rule {
    code: Code::new("missing-slow-marker"),
    title: "Heavy test that is not marked slow",
    source: include_str!("missing_slow_marker.rs"),
    default: false,
    judge: Some(judge),
};

/// The rules whose fixes make a test lighter, and so come first: those that are on by default, whether this run has them or
/// not, and others where it has them.
static LIGHTER: [&Rule; 6] =
    [&long_sleep::RULE, &sleep_budget::RULE, &loop_impact::RULE, &long_loop::RULE, &sleep_before_assert::RULE, &slow_poll::RULE];

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    // A method that several classes inherit is one function, with one decorator.
    let mut functions: BTreeMap<(Arc<std::path::PathBuf>, StmtId), Vec<&TestFacts>> = BTreeMap::new();
    for facts in cx.tests {
        let def = &facts.test.def;
        functions.entry((Arc::clone(&def.module.file), def.stmt)).or_default().push(facts);
    }
    functions.retain(|_, tests| tests.iter().any(|facts| heavy(cx, facts).is_some()));
    if functions.is_empty() {
        return;
    }
    let mut lighter = Vec::new();
    for rule in LIGHTER {
        if rule.default || cx.settings.enabled(&rule.code, &cx.module.file) {
            rule.judge(cx, &mut lighter);
        }
    }
    for tests in functions.values() {
        let Some((worst, what)) = tests.iter().find_map(|facts| Some((*facts, heavy(cx, facts)?))) else { continue };
        // Without a finding about one of its numbers there is nothing that could be called every fix.
        let about = |draft: &&Draft| tests.iter().any(|facts| reaches(facts, &draft.finding));
        let unless: Vec<Draft> = lighter.iter().filter(about).cloned().collect();
        let def = &worst.test.def;
        let Some(function) = def.module.function(def.stmt) else { continue };
        if unless.is_empty() {
            continue;
        }
        let mut finding = cx.finding(&RULE.code, &def.module, function.name_span, what);
        finding.test = Some(worst.test.id.clone());
        finding.cost = worst.cost;
        match fix(cx, worst, tests) {
            Ok(fix) => finding.fix = Some(fix),
            Err(why) => finding.declined = Some(why),
        }
        out.push(Draft { unless, ..Draft::new(finding) });
    }
}

/// What a test has too much of; `None` for one that is within its budget, or not charged.
fn heavy(cx: &Context<'_>, facts: &TestFacts) -> Option<String> {
    if facts.slow || facts.fast_time {
        return None;
    }
    let budgets = &cx.settings.budgets;
    let slept: f64 = facts.uses.iter().filter(|used| !may_be_cut_short(facts, used)).map(Use::seconds).sum();
    if slept > budgets.sleep_per_test {
        let budget = budgets.sleep_per_test;
        return Some(format!(
            "sleeps {} s after every fix and is not marked `slow`; a test's budget is {budget} s",
            seconds(slept)
        ));
    }
    let rounds = |used: &Use| {
        let counts = used.site.kind == SiteKind::Loop && used.site.custom.is_none() && used.times > 0.0;
        let ends_early = || cx.sem.ends_early(&used.site.module, used.site.expr);
        used.amount.as_ref().filter(|_| counts && !ends_early()).map(crate::python::value::Constant::count)
    };
    let most = facts.uses.iter().filter_map(rounds).max()?;
    let budget = budgets.iterations_per_loop;
    (most > budget).then(|| format!("loops {most} times after every fix and is not marked `slow`; the budget is {budget}"))
}

/// Whether a sleep stands in a worker that the test hands over and may end itself: `pool.schedule(work).cancel()`. Nobody can say
/// then how much of it is slept.
fn may_be_cut_short(facts: &TestFacts, used: &Use) -> bool {
    const CUTS: [&str; 6] = ["cancel(", "terminate(", "kill(", "stop(", "timeout=", "Timeout"];
    let (m, test) = (&facts.test.def.module, facts.test.def.stmt);
    let home = outermost(&used.site.module, used.site.module.expr(used.site.expr).stmt);
    let Some(worker) = home.and_then(|h| used.site.module.function(h)).map(|f| used.site.module.name(f.name)) else {
        return false;
    };
    let region = m.stmt(test).span;
    if used.site.kind != SiteKind::Sleep || !CUTS.iter().any(|w| m.source.slice(region).contains(w)) {
        return false;
    }
    // Named, and never called here.
    let mut named = m.ast.exprs.iter().enumerate().filter(|(_, e)| {
        region.contains(e.span)
            && matches!(e.kind, ExprKind::Name(n) | ExprKind::Attribute { attr: n, .. } if m.name(n) == worker)
    });
    named.clone().next().is_some()
        && named
            .all(|(i, e)| e.parent.is_some_and(|p| matches!(m.expr(p).kind, ExprKind::Call { func, .. } if func.0 as usize != i)))
}

/// Whether a finding is about something that a test reaches.
fn reaches(facts: &TestFacts, finding: &Finding) -> bool {
    facts.uses.iter().any(|used| {
        let m = &used.site.module;
        m.file == finding.file && m.expr(used.site.expr).span == finding.span
    })
}

/// The fix that marks all tests of this file that reach a sleep, where that goes before shorter durations.
///
/// # Errors
/// With the reason why one of them cannot be marked.
pub(super) fn slow(cx: &Context<'_>, site: &Site) -> Result<Fix, String> {
    let mut functions: BTreeMap<StmtId, Vec<&TestFacts>> = BTreeMap::new();
    for (facts, _) in cx.uses(site).filter(|(facts, used)| used.times > 0.0 && !facts.slow && !facts.fast_time) {
        // One that is within its budget stays in a plain run, and so does the sleep.
        heavy(cx, facts).ok_or("a test that reaches it is within its budget")?;
        functions.entry(facts.test.def.stmt).or_default().push(facts);
    }
    let fixes: Vec<Fix> = functions.values().map(|tests| fix(cx, tests[0], tests)).collect::<Result<_, _>>()?;
    let mut edits: Vec<Edit> = fixes.iter().flat_map(|fix| fix.edits.iter().cloned()).collect();
    edits.sort();
    edits.dedup();
    let message = match fixes.len() {
        0 => return Err("no test of this file reaches it".to_owned()),
        1 => "Mark the test `slow`".to_owned(),
        n => format!("Mark the {n} tests that reach it `slow`"),
    };
    let runs: u64 = functions.values().flatten().map(|facts| facts.runs).sum();
    let group = rewrite::group("slow", &site.module, site.module.expr(site.expr).span);
    Ok(Fix::new(Applicability::Unsafe, message, edits, group).because(left_out(runs)))
}

/// What marking tests costs.
fn left_out(runs: u64) -> String {
    match runs {
        1 => "a run that leaves slow tests out no longer runs it".to_owned(),
        n => format!("a run that leaves slow tests out no longer runs its {n} cases"),
    }
}

fn fix(cx: &Context<'_>, worst: &TestFacts, tests: &[&TestFacts]) -> Result<Fix, String> {
    let def = &worst.test.def;
    let m = &def.module;
    rewrite::editable(m)?;
    if !cx.settings.fix.allows(Strategy::Slow) {
        return Err("`slow` is not among the strategies of the configuration".to_owned());
    }
    if !Arc::ptr_eq(m, cx.module) {
        return Err("the test is inherited from another file, where others may inherit it too; mark the class".to_owned());
    }
    if tests.iter().any(|facts| heavy(cx, facts).is_none()) {
        return Err("other classes inherit the test and stay within the budget; mark the class".to_owned());
    }
    let Some(function) = m.function(def.stmt) else { return Err("it is no function".to_owned()) };
    let (mark, import) = mark(m, def.stmt)?;
    let mut edits = vec![decorator(m, function, &mark)];
    edits.extend(import);
    edits.extend(registration(cx)?.into_iter().flatten());
    let runs: u64 = tests.iter().map(|facts| facts.runs).sum();
    let group = rewrite::group("slow", m, function.name_span);
    Ok(Fix::new(Applicability::Unsafe, "Mark the test `slow`", edits, group).because(left_out(runs)))
}

/// The edit that puts the mark above all other decorators; but below `@staticmethod` and `@classmethod`, whose results are no
/// functions and cannot be marked in every version of Python.
fn decorator(m: &Module, function: &Function, mark: &str) -> Edit {
    let is_method = |&&d: &&ExprId| matches!(m.text(d), "staticmethod" | "classmethod");
    let (newline, indent) = (m.source.newline().as_str(), m.source.indent_at(function.outer_span.start));
    match function.decorators.iter().rfind(is_method) {
        Some(&above) => {
            let end = m.source.line_span(m.source.line_of(m.expr(above).span.end)).end;
            Edit::insert(&m.file, end, format!("{newline}{indent}@{mark}.slow"))
        }
        None => Edit::insert(&m.file, function.outer_span.start, format!("@{mark}.slow{newline}{indent}")),
    }
}

/// What `pytest.mark` is called at a function, and the import that it takes.
fn mark(m: &Module, def: StmtId) -> Result<(String, Option<Edit>), String> {
    let hidden = |name: &str| {
        let scope = m.scopes.of_stmt(def);
        scope != MODULE && m.symbol(name).is_some_and(|symbol| !m.scopes.bindings(scope, symbol).is_empty())
    };
    let before = |id: StmtId| m.stmt(id).span.start < m.stmt(def).span.start;
    for &id in m.ast.body.iter().filter(|&&id| before(id)) {
        let (names, wanted) = match &m.stmt(id).kind {
            StmtKind::Import(names) => (names, "pytest"),
            StmtKind::ImportFrom { level: 0, module, names } if module == "pytest" => (names, "mark"),
            _ => continue,
        };
        let bound = names.iter().find(|alias| alias.name == wanted).and_then(|alias| alias.binds);
        // Bound a second time, it may mean something else at the function.
        if let Some(symbol) = bound.filter(|&symbol| m.scopes.bindings(MODULE, symbol).len() == 1)
            && !hidden(m.name(symbol))
        {
            let name = m.name(symbol);
            return Ok((if wanted == "pytest" { format!("{name}.mark") } else { name.to_owned() }, None));
        }
    }
    if hidden("pytest") {
        return Err("`pytest` is the name of something else in the class".to_owned());
    }
    match rewrite::import(m, "pytest", None)? {
        Some(edit) => Ok(("pytest.mark".to_owned(), Some(edit))),
        None => Err("`pytest` is not imported where every test sees it".to_owned()),
    }
}
