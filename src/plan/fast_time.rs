//! Running a test on virtual time: the edits that make it use the `fast_time` fixture, or why it cannot.

use super::durations;
use crate::edit::Edit;
use crate::python::ast::ExprKind;
use crate::python::cost::{Counter, TestFacts};
use crate::python::semantics::{Def, Semantics, Type};
use crate::query::SiteKind;
use crate::rewrite::{self, Place};

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
    if let Some(why) = durations::outside(sem, counter, facts) {
        return Err(why);
    }
    // What is started before the fixture is set up does not know its clock, which then never moves on.
    let starts = |def: &Def| def.module.source.slice(def.module.stmt(def.stmt).span).contains(".start(");
    let shared = facts.fixtures.iter().filter(|(_, info)| info.shared || info.autouse).map(|(def, _)| def.clone());
    if sem.setups(test).iter().chain(&shared.collect::<Vec<_>>()).any(starts) {
        return Err("its setup starts a thread before the fixture's clock is there".to_owned());
    }
    let case = class.is_some_and(|(c, _)| sem.is_test_case(c));
    let parameter = if case { Err(String::new()) } else { parameter(sem, facts, &starts) };
    // Where a parameter would not do, the marker asks for the fixture as well.
    parameter.map_or_else(|_| rewrite::use_fixture(&test.def, FIXTURE), |edit| Ok(edit.into_iter().collect()))
}

/// The fixture as a parameter, set up before all others. Mocks of `@patch` have to come before it, and with them all that the test
/// asks for by name.
fn parameter(sem: &Semantics<'_>, facts: &TestFacts, starts: &dyn Fn(&Def) -> bool) -> Result<Option<Edit>, String> {
    let def = &facts.test.def;
    let m = &def.module;
    let f = m.function(def.stmt).ok_or("it is no function")?;
    if !f.decorators.iter().any(|&d| m.text(d).contains("patch")) {
        return rewrite::fixture_parameter(sem, def, FIXTURE, Place::First);
    }
    if facts.fixtures.iter().any(|(def, _)| starts(def)) {
        return Err("a fixture starts a thread before it".to_owned());
    }
    rewrite::fixture_parameter(sem, def, FIXTURE, Place::Last)
}
