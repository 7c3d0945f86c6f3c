//! Running a test on virtual time: the edits that make it use the `fast_time` fixture, or why it cannot.

use super::durations;
use crate::edit::Edit;
use crate::python::ast::ExprKind;
use crate::python::cost::{Counter, TestFacts};
use crate::python::semantics::{Def, Semantics, Type};
use crate::query::SiteKind;
use crate::rewrite;

/// The fixture.
pub const FIXTURE: &str = "fast_time";

/// Sleeps that the fixture's clock passes over: the others have clocks of their own.
const COVERED: &[&str] = &["time.sleep", "asyncio.sleep"];

/// The edits that let a test run on virtual time.
///
/// # Errors
/// With the reason why it has to keep real time.
pub fn adopt(sem: &Semantics<'_>, counter: &Counter, facts: &TestFacts) -> Result<Vec<Edit>, String> {
    let test = &facts.test;
    let m = &test.def.module;
    if sem.has_own_fixture(m, test.def.stmt, FIXTURE) {
        return Err(format!("the suite has a fixture of its own named {FIXTURE}"));
    }
    let f = m.function(test.def.stmt).ok_or("it is no function")?;
    let decorators = f.decorators.iter().map(|&d| m.text(d));
    let class = test.class.as_ref().and_then(|c| c.module.class(c.stmt).map(|k| (c, k)));
    let given = class.iter().flat_map(|(c, k)| k.decorators.iter().map(|&d| c.module.text(d)));
    if decorators.chain(given).any(|d| d.split(['(', '.']).any(|part| part == "given")) {
        return Err("Hypothesis runs it many times within one use of its fixtures".to_owned());
    }
    for u in facts.uses.iter().filter(|u| u.site.kind == SiteKind::Sleep && u.times > 0.0) {
        let sm = &u.site.module;
        if let ExprKind::Call { func, .. } = sm.expr(u.site.expr).kind
            && let Type::External(name) = sem.type_of(sm, func)
            && name.ends_with(".sleep")
            && !COVERED.contains(&&*name)
        {
            return Err(format!("`{name}` has a clock of its own"));
        }
    }
    let measured = sem.project.evidence.guards(&sem.suite.root, &test.id);
    if let Some(first) = measured.first() {
        let more = if measured.len() > 1 { format!(", and {} more", measured.len() - 1) } else { String::new() };
        return Err(format!("measured under it, the test stayed on real time ({first}{more})"));
    }
    if let Some(why) = durations::outside(sem, counter, facts) {
        return Err(why);
    }
    // The fixture's clock runs from a test's setup on. What a fixture of a wider scope has started before does not know it, and while
    // that lives, the clock does not move on.
    let starts = |def: &Def| def.module.source.slice(def.module.stmt(def.stmt).span).contains(".start(");
    if facts.fixtures.iter().any(|(def, info)| info.shared && starts(def)) {
        return Err("a fixture that several tests share starts a thread that does not know its clock".to_owned());
    }
    let case = class.is_some_and(|(c, _)| sem.is_test_case(c));
    let parameter = if case { Err(String::new()) } else { rewrite::fixture_parameter(sem, &test.def, FIXTURE) };
    // Where a parameter would not do, the marker asks for the fixture as well.
    parameter.map_or_else(|_| rewrite::use_fixture(&test.def, FIXTURE), |edit| Ok(edit.into_iter().collect()))
}
