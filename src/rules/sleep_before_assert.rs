//! # sleep-before-assert
//!
//! A fixed sleep right before an assertion that something has happened.
//!
//! ## Why is this bad?
//! The sleep is a guess at how long the thing takes. On a fast machine the test waits for nothing; on a slow one it fails.
//! Waiting until the assertion holds is done as soon as it does, and has time when it needs it.
//!
//! ## Example
//! ```python
//! worker.submit("job")
//! time.sleep(1.0)
//! assert worker.finished == ["job"]
//! ```
//!
//! Use instead:
//! ```python
//! worker.submit("job")
//! wait_until(lambda: worker.finished == ["job"], timeout=5.0)
//! assert worker.finished == ["job"]
//! ```
//!
//! ## Fix
//! Where the test can run on virtual time, that: the sleep costs nothing then. Else `wait_until` in place of the sleep; the assertion stays. The timeout is `fix.join-timeout`, or twice the sleep where that is more: it
//! costs nothing while the test passes. *Unsafe*: what holds for a moment may be seen too early, and what comes later counts on the
//! sleep too. A condition that holds before the wait begins waits for nothing: `fix --verify` rejects such a fix.
//!
//! Never before a negative assertion (`not x`, `== 0`, `is None`, `not in`, `<`): there the sleep gives something time to go wrong. Nor
//! before one that only says that something still goes on, one about time, or one that held before. Declined where asking twice might
//! change something, where `testdiet measure` saw no other thread or process that could bring anything about, and where the suite has
//! no `wait_until` (`testdiet init` brings it).

use super::context::{Context, Draft, excerpt};
use super::long_sleep::{exempt, seconds, unslept};
use super::{Code, Rule};
use crate::config::Strategy;
use crate::edit::{Applicability, Edit, Fix};
use crate::finding::Cost;
use crate::plan::durations::mentions_expiry;
use crate::plan::number::write_seconds;
use crate::python::assertion::{Asserted, asserted, following, observes, positive};
use crate::python::ast::{CompareOp, ExprId, ExprKind, StmtId, StmtKind};
use crate::python::cost::Site;
use crate::python::project::Module;
use crate::python::semantics::Type;
use crate::query::SiteKind;
use crate::rewrite;

pub(super) static RULE: Rule = Rule {
    code: Code::new("sleep-before-assert"),
    title: "Fixed sleep before an assertion",
    source: include_str!("sleep_before_assert.rs"),
    default: false,
    judge: Some(judge),
};

/// Shorter sleeps let other threads go on and wait for nothing in particular.
const LEAST_S: f64 = 0.05;

/// Words in the name of a test of what does not come about.
const NEGATIONS: &[&str] = &[
    "no",
    "not",
    "never",
    "without",
    "nothing",
    "ignored",
    "ignores",
    "unchanged",
    "doesnt",
    "dont",
    "wont",
    "still",
    "stays",
    "keeps",
];

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    for site in cx.of_kind(SiteKind::Sleep) {
        let m = &site.module;
        let Some((worst, amount)) = cx.worst(site) else { continue };
        if amount.value < LEAST_S || exempt(cx, site) || unslept(cx, site, amount.value) {
            continue;
        }
        let Some(tests) = awaited(cx, site) else { continue };
        let condition = tests.iter().map(|&t| m.text(t)).collect::<Vec<_>>().join(" and ");
        let mut finding = cx.finding(
            &RULE.code,
            m,
            m.expr(site.expr).span,
            format!("sleeps {} s however soon `{}` holds", seconds(amount.value), excerpt(&condition)),
        );
        finding.cost = Cost { sleep_s: amount.value, ..Cost::default() };
        finding.test = worst.map(|(test, _)| test.test.id.clone());
        let first = cx.virtual_time_before(site, Strategy::WaitUntil);
        match first.map_or_else(|| fix(cx, site, &tests, amount.value), Ok) {
            Ok(fix) => finding.fix = Some(fix),
            Err(why) => finding.declined = Some(why),
        }
        out.push(Draft::new(finding));
    }
}

/// The fix that waits for what is asserted right after a sleep, where that can be waited for.
pub(super) fn wait_until(cx: &Context<'_>, site: &Site, slept: f64) -> Option<Fix> {
    fix(cx, site, &awaited(cx, site)?, slept).ok()
}

/// What a sleep of a test waits for, as far as the assertions right after it say: all of them positive, none of them about time.
fn awaited(cx: &Context<'_>, site: &Site) -> Option<Vec<ExprId>> {
    let m = &site.module;
    let stmt = m.expr(site.expr).stmt;
    let StmtKind::Expr(whole) = m.stmt(stmt).kind else { return None };
    // `await asyncio.sleep(…)` is told as well, though not fixed.
    let awaits = matches!(m.expr(whole).kind, ExprKind::Await(inner) if inner == site.expr);
    let home = m.scopes.function_around(stmt)?;
    if (whole != site.expr && !awaits) || !cx.sem.is_test_function(m, home) {
        return None;
    }
    // `test_does_not_trigger_update`: what is asserted held before, and is to hold still.
    // What is there after others have expired is there before as well.
    let still = |name: &str| name.split('_').any(|word| NEGATIONS.contains(&word));
    if m.function(home).is_some_and(|f| still(m.name(f.name))) || mentions_expiry(m.source.slice(m.stmt(home).span)) {
        return None;
    }
    let tests = assertions_after(m, stmt)?;
    // What held before has to stay so; an action is not something that comes about; and something has to be able to change
    // meanwhile: plain values do not.
    let fits =
        |t: ExprId| positive(m, t) && !about_time(m, t) && !held_before(m, home, stmt, t) && (observes(m, t) || asks(m, t));
    (tests.iter().all(|&t| fits(t)) && tests.iter().any(|&t| may_change(m, home, t))).then_some(tests)
}

/// What the assertions right after a statement ask for, up to the first other statement; `None` where there is none, or one of
/// them cannot be read.
fn assertions_after(m: &Module, stmt: StmtId) -> Option<Vec<ExprId>> {
    let parent = m.stmt(stmt).parent?;
    // In a loop of attempts the sleep is a poll, not a guess.
    if matches!(m.stmt(parent).kind, StmtKind::While { .. }) {
        return None;
    }
    let mut tests = Vec::new();
    for next in following(m, stmt) {
        match asserted(m, next) {
            Asserted::Test(test) => tests.push(test),
            Asserted::Unreadable => return None,
            Asserted::Nothing => break,
        }
    }
    (!tests.is_empty()).then_some(tests)
}

/// Whether an earlier statement of a function asserts the same, or a loop has waited until it held.
fn held_before(m: &Module, home: StmtId, stmt: StmtId, test: ExprId) -> bool {
    let (region, before) = (m.stmt(home).span, m.stmt(stmt).span.start);
    let same = |other: ExprId| m.text(other) == m.text(test);
    m.ast.stmts.iter().any(|s| {
        let asserts = match &s.kind {
            StmtKind::Assert { test: other, .. } => same(*other),
            StmtKind::While { test: other, .. } => matches!(m.expr(*other).kind, ExprKind::Not(other) if same(other)),
            StmtKind::If { test: other, body, .. } => {
                same(*other) && matches!(body[..], [one] if matches!(m.stmt(one).kind, StmtKind::Break))
            }
            _ => false,
        };
        asserts && region.contains(s.span) && s.span.end <= before
    })
}

/// Whether the calls in a condition have names of questions.
fn asks(m: &Module, e: ExprId) -> bool {
    const QUESTIONS: [&str; 8] = ["get", "is", "has", "read", "list", "find", "fetch", "count"];
    let mut stack = vec![e];
    while let Some(e) = stack.pop() {
        if let ExprKind::Call { func, .. } = m.expr(e).kind {
            let name = match m.expr(func).kind {
                ExprKind::Name(n) | ExprKind::Attribute { attr: n, .. } => m.name(n),
                _ => "",
            };
            if !observes(m, e) && !QUESTIONS.contains(&name.split('_').next().unwrap_or_default()) {
                return false;
            }
        }
        m.expr(e).kind.children(&mut |c| stack.push(c));
    }
    true
}

/// Whether an assertion is about how long something took: waiting until it holds would make it true by itself.
fn about_time(m: &Module, e: ExprId) -> bool {
    let text = m.text(e).to_ascii_lowercase();
    ["time", "elapsed", "duration", "took", "monotonic", "perf_counter", "seconds", "delta", "uptime", "age"]
        .iter()
        .any(|w| text.contains(w))
}

/// Whether a condition reads anything that another thread could change: an attribute, an element, a call, a container. What a
/// name itself refers to, only a function that declares it `nonlocal` or `global` changes.
fn may_change(m: &Module, home: StmtId, e: ExprId) -> bool {
    if let ExprKind::Compare { first, rest } = &m.expr(e).kind
        && rest.iter().all(|(op, _)| matches!(op, CompareOp::Is | CompareOp::IsNot))
        && matches!(m.expr(*first).kind, ExprKind::Name(_))
    {
        let text = m.source.slice(m.stmt(home).span);
        return text.contains("nonlocal ") || text.contains("global ");
    }
    let mut stack = vec![e];
    while let Some(e) = stack.pop() {
        if matches!(
            m.expr(e).kind,
            ExprKind::Attribute { .. } | ExprKind::Subscript { .. } | ExprKind::Call { .. } | ExprKind::Name(_)
        ) {
            return true;
        }
        m.expr(e).kind.children(&mut |c| stack.push(c));
    }
    false
}

fn fix(cx: &Context<'_>, site: &Site, tests: &[ExprId], slept: f64) -> Result<Fix, String> {
    let m = &site.module;
    rewrite::editable(m)?;
    if !cx.settings.fix.allows(Strategy::WaitUntil) {
        return Err("`wait-until` is not among the strategies of the configuration".to_owned());
    }
    if !cx.settings.fix.fast_time && !cx.sem.equipped(m) {
        return Err("the suite has no `wait_until`; `testdiet init` brings it".to_owned());
    }
    if cx.alone(site) {
        return Err(
            "measured: no other thread or process is alive meanwhile, so nothing comes about that could be waited for".to_owned()
        );
    }
    if let ExprKind::Call { func, .. } = m.expr(site.expr).kind
        && !matches!(cx.sem.type_of(m, func), Type::External(name) if &*name == "time.sleep")
    {
        return Err("`wait_until` waits in a thread, not in a coroutine".to_owned());
    }
    if let Some(&odd) = tests.iter().find(|&&t| !observes(m, t)) {
        return Err(format!("asking for `{}` more than once might change something", excerpt(m.text(odd))));
    }
    if tests.iter().any(|&t| m.text(t).contains('#') || m.text(t).contains('\n')) {
        return Err("the assertion is spread over lines".to_owned());
    }
    let condition = match tests {
        [one] => m.text(*one).to_owned(),
        several => several.iter().map(|&t| operand(m, t)).collect::<Vec<_>>().join(" and "),
    };
    let timeout = write_seconds(cx.settings.fix.join_timeout.max((slept * 2.0).ceil()));
    let span = m.expr(site.expr).span;
    let mut edits = vec![Edit::replace(&m.file, span, format!("wait_until(lambda: {condition}, timeout={timeout})"))];
    edits.extend(rewrite::import(cx.sem, m, "testdiet", Some("wait_until"))?);
    let message = format!("Wait until `{}`", excerpt(&condition));
    Ok(Fix::new(Applicability::Unsafe, message, edits, rewrite::group("until", m, span))
        .because("it may hold before it is meant to, and what follows may count on the sleep as well"))
}

/// A condition as an operand of `and`.
fn operand(m: &Module, e: ExprId) -> String {
    let text = m.text(e);
    let loose = matches!(m.expr(e).kind, ExprKind::Bool2 { and: false, .. } | ExprKind::IfElse { .. } | ExprKind::Lambda { .. });
    if loose { format!("({text})") } else { text.to_owned() }
}
