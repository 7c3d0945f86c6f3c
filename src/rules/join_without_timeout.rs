//! # join-without-timeout
//!
//! `.join()` without a timeout on a thread, process or timer.
//!
//! ## Why is this bad?
//! If the thread never ends, neither does the test: the run hangs until somebody kills it, and nothing says which test it was.
//!
//! ## Example
//! ```python
//! thread.join()
//! ```
//!
//! Use instead:
//! ```python
//! thread.join(timeout=5.0)
//! assert not thread.is_alive()
//! ```
//!
//! ## Fix
//! `Thread.join(timeout)` returns silently when time is up, so the timeout alone would turn a hang into a pass. The fix adds the
//! assertion as well, unless one follows that says as much (`assert process.exitcode == 0`). It is *safe* when the receiver is
//! proven to be a thread, process or timer, and the longest wait of the worker that is known statically is at most half of the
//! timeout (else the timeout becomes four times that wait). It is *unsafe* when the worker's body cannot be seen. A join is left
//! as it is where no statement fits beside it, and where it stands in a worker itself: an assertion there would be swallowed, and
//! the timeout alone would let a hang pass.
//!
//! Where the source does not say what the receiver is, what `testdiet measure` saw there decides, as long as the file is the one that
//! ran: a thread or process is reported, with an unsafe fix, and a queue or pool is not.

use std::sync::Arc;

use super::context::{Context, Draft, excerpt};
use super::{Code, Rule};
use crate::discover::Role;
use crate::edit::{Applicability, Edit, Fix};
use crate::plan::number::write_seconds;
use crate::python::assertion::{ended_after, ended_before};
use crate::python::ast::{ArgKind, Clause, ExprId, ExprKind, StmtId, StmtKind};
use crate::python::cost::Site;
use crate::python::ended::outermost;
use crate::python::project::Module;
use crate::python::semantics::{ClassRef, Type};
use crate::python::value::Env;
use crate::query::SiteKind;
use crate::rewrite::{self, repeatable};
use crate::source::Span;

pub(super) static RULE: Rule = Rule {
    code: Code::new("join-without-timeout"),
    title: "Join that can hang for ever",
    source: include_str!("join_without_timeout.rs"),
    default: true,
    judge: Some(judge),
};

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    for site in cx.of_kind(SiteKind::Join) {
        let m = &site.module;
        let ExprKind::Call { args, args_span, .. } = &m.expr(site.expr).kind else {
            handed_over(cx, site, out);
            continue;
        };
        let bare = match args.as_slice() {
            [] => true,
            [one] => {
                matches!(one.kind, ArgKind::Positional | ArgKind::Keyword(_)) && matches!(m.expr(one.value).kind, ExprKind::None)
            }
            _ => false,
        };
        if !bare {
            continue;
        }
        let receiver = site.receiver.map_or("the thread", |r| m.text(r));
        if ended_before(m, m.expr(site.expr).stmt, receiver) {
            continue;
        }
        let what = site.receiver.map_or("thread", |r| kind_of(cx, m, r));
        let mut finding = cx.finding(
            &RULE.code,
            m,
            m.expr(site.expr).span,
            format!(
                "`{}` waits for a {what} without a timeout: if it never ends, neither does the test",
                excerpt(&format!("{receiver}.join()"))
            ),
        );
        finding.test = cx.uses(site).next().map(|(t, _)| t.test.id.clone());
        match fix(cx, site, *args_span) {
            Ok(fix) => finding.fix = Some(fix),
            Err(why) => finding.declined = Some(why),
        }
        out.push(Draft::new(finding));
    }
}

/// `self.addCleanup(thread.join)`: a join that somebody else calls.
fn handed_over(cx: &Context<'_>, site: &Site, out: &mut Vec<Draft>) {
    let m = &site.module;
    let text = excerpt(m.text(site.expr));
    let message = format!("`{text}` is called later without a timeout: if it never ends, neither does the test");
    let mut finding = cx.finding(&RULE.code, m, m.expr(site.expr).span, message);
    finding.test = cx.uses(site).next().map(|(t, _)| t.test.id.clone());
    finding.declined =
        Some("with a timeout alone nobody would see that it did not end; stop and join it in a cleanup of its own".to_owned());
    out.push(Draft::new(finding));
}

fn kind_of(cx: &Context<'_>, m: &Arc<Module>, receiver: ExprId) -> &'static str {
    let t = cx.sem.type_of(m, receiver);
    if cx.sem.instance_of(&t, &["multiprocessing.process.BaseProcess".to_owned()]) { "process" } else { "thread" }
}

fn fix(cx: &Context<'_>, site: &Site, args_span: Span) -> Result<Fix, String> {
    let m = &site.module;
    if m.role == Role::Product {
        return Err("it is product code".to_owned());
    }
    if m.broken() {
        return Err("the file could not be parsed as a whole".to_owned());
    }
    let Some(receiver) = site.receiver else { return Err("its receiver is not known".to_owned()) };
    if m.source.slice(args_span).contains('#') {
        return Err("a comment stands between its parentheses".to_owned());
    }
    if cx.sem.runs_in_a_worker(cx.counter, m, m.expr(site.expr).stmt) {
        return Err(
            "it stands in a worker, whose failed assertion would not fail the test; a timeout alone would let a hang pass"
                .to_owned(),
        );
    }
    if let Some(patch) = patched_by_the_product(cx, m) {
        let patch = excerpt(m.text(patch));
        return Err(format!(
            "`{patch}` puts the product's own threads in place, and a join with a timeout takes another way through them"
        ));
    }
    let workers = workers(cx, site);
    let default = cx.settings.fix.join_timeout;
    let named = if workers.is_none() { named_duration(cx, m, m.expr(site.expr).stmt) } else { None };
    let timeout = match workers.or(named) {
        Some(longest) if longest * 2.0 > default && longest < crate::plan::durations::FOREVER => (longest * 4.0).ceil(),
        _ => default,
    };
    let mut edits = vec![Edit::replace(&m.file, args_span, format!("(timeout={})", write_seconds(timeout)))];
    let group =
        format!("join:{}:{}", m.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(), args_span.start);
    let stmt = m.expr(site.expr).stmt;
    let whole = matches!(m.stmt(stmt).kind, StmtKind::Expr(whole) if whole == site.expr);
    let message = if whole && ended_after(m, stmt, m.text(receiver)) {
        format!("Add `timeout={}`; an assertion that it ended follows", write_seconds(timeout))
    } else {
        edits.push(assertion(m, site, receiver)?);
        format!("Add `timeout={}` and an assertion that it ended", write_seconds(timeout))
    };
    let fix = Fix::new(Applicability::Safe, message, edits, group);
    if site.measured {
        return Ok(Fix { applicability: Applicability::Unsafe, ..fix }
            .because("that it is a thread or process was measured, the source does not say so"));
    }
    Ok(match workers {
        Some(longest) if longest >= crate::plan::durations::FOREVER => Fix { applicability: Applicability::Unsafe, ..fix }
            .because(format!("the worker sleeps {} s unless something ends it", write_seconds(longest))),
        Some(_) => fix,
        None => Fix { applicability: Applicability::Unsafe, ..fix }
            .because(format!("the worker's body is not seen here; it may rightly run longer than {} s", write_seconds(timeout))),
    })
}

/// A call in a module by which the product puts threads of its own in the place of Python's: `eventlet.monkey_patch()` in
/// eventlet's own tests. Where that is somebody else's, a timeout does what it does with Python's.
fn patched_by_the_product(cx: &Context<'_>, m: &Arc<Module>) -> Option<ExprId> {
    let calls = ["monkey_patch", "patch_all"].iter().filter_map(|name| m.symbol(name)).flat_map(|name| m.calls(name));
    let by_product = |call: &&ExprId| match m.expr(**call).kind {
        ExprKind::Call { func, .. } => {
            matches!(cx.sem.type_of(m, func), Type::Function(def) if def.module.role == Role::Product)
        }
        _ => false,
    };
    calls.into_iter().find(by_product).copied()
}

/// The edit that adds the liveness assertion beside the join.
fn assertion(m: &Arc<Module>, site: &Site, receiver: ExprId) -> Result<Edit, String> {
    let stmt = m.expr(site.expr).stmt;
    let StmtKind::Expr(whole) = m.stmt(stmt).kind else {
        return Err("its result is used, so there is no place for the assertion that it ended".to_owned());
    };
    let (test, bound) = if whole == site.expr {
        (format!("not {}.is_alive()", m.text(receiver)), Vec::new())
    } else if let ExprKind::Comprehension { element, value: None, clauses, .. } = &m.expr(whole).kind {
        // [t.join() for t in threads]: all of them, asked the same way.
        if *element != site.expr {
            return Err("the join is only a part of what is built here".to_owned());
        }
        let (Some(Clause::For { target, .. }), false) = (clauses.first(), clauses.is_empty()) else {
            return Err("the join is only a part of what is built here".to_owned());
        };
        let from = m.expr(*target).span.start;
        let end = m.expr(whole).span.end.saturating_sub(1);
        let clauses_text = m.source.slice(Span::new(from, end)).trim_end();
        if clauses_text.contains(['#', '\n']) {
            return Err("the comprehension is spread over lines".to_owned());
        }
        let iterables: Vec<ExprId> = clauses
            .iter()
            .filter_map(|c| match c {
                Clause::For { iter, .. } => Some(*iter),
                Clause::If(_) => None,
            })
            .collect();
        (format!("not any({}.is_alive() for {clauses_text})", m.text(receiver)), iterables)
    } else {
        return Err("its result is used, so there is no place for the assertion that it ended".to_owned());
    };
    if !(if bound.is_empty() { repeatable(m, receiver) } else { bound.iter().all(|&e| repeatable(m, e)) }) {
        return Err("naming the thread a second time would run code a second time; give it a name first".to_owned());
    }
    if let Some((around, each)) = one_line_loop(m, stmt)
        && let Ok(edit) = rewrite::line_after(m, around, &format!("assert not any({}.is_alive() {each})", m.text(receiver)))
    {
        return Ok(edit);
    }
    rewrite::line_after(m, stmt, &format!("assert {test}")).or_else(|_| {
        let end = m.stmt(stmt).span.end;
        Ok(Edit::insert(&m.file, end, format!("; assert {test}")))
    })
}

/// `for t in threads: t.join()` on one line, with nothing else in it: the loop, and what is asked again of all it goes over.
fn one_line_loop(m: &Module, stmt: StmtId) -> Option<(StmtId, &str)> {
    let around = m.stmt(stmt).parent?;
    let StmtKind::For { target, iter, body, orelse, is_async: false } = &m.stmt(around).kind else { return None };
    let line = |at: u32| m.source.line_of(at);
    let span = m.stmt(around).span;
    if body[..] != [stmt] || !orelse.is_empty() || line(span.start) != line(span.end) || !repeatable(m, *iter) {
        return None;
    }
    let each = m.source.slice(Span::new(span.start, m.stmt(stmt).span.start)).trim_end().strip_suffix(':')?;
    (m.expr(*target).span.start > span.start).then_some((around, each.trim_end()))
}

/// The longest that the workers this join may wait for are known to wait, in seconds; `None` when one of them cannot be seen.
///
/// All threads constructed in the same function (or, for a join of something kept elsewhere, in the same file) are taken: which of
/// them this one is does not matter for an upper bound.
fn workers(cx: &Context<'_>, site: &Site) -> Option<f64> {
    let m = &site.module;
    let home = m.scopes.function_around(m.expr(site.expr).stmt);
    let sites = cx.sem.sites(cx.counter, m);
    let threads: Vec<_> = sites.values().flatten().filter(|s| s.kind == SiteKind::Thread).collect();
    let local: Vec<_> = threads.iter().filter(|s| m.scopes.function_around(m.expr(s.expr).stmt) == home).collect();
    let chosen: Vec<_> = if local.is_empty() { threads.iter().collect() } else { local };
    if chosen.is_empty() {
        return None;
    }
    let mut longest: f64 = 0.0;
    for thread in chosen {
        // A timer waits before it works.
        let mut before = 0.0;
        if let Type::Instance(class) = cx.sem.type_of(m, thread.expr)
            && cx.sem.derives(&class, "threading.Timer", 0)
        {
            let ExprKind::Call { args, .. } = &m.expr(thread.expr).kind else { return None };
            before = cx.sem.constant(m, m.argument(args, Some(0), &["interval"])?.value, &Env::default())?.value;
        }
        let def = match cx.sem.worker(m, thread) {
            Some(Type::Function(def)) => def,
            // Thread(target=time.sleep, args=(1,)): a sleep site of its own.
            Some(Type::External(name)) if name.ends_with(".sleep") => {
                let slept = sites.get(&thread.expr).into_iter().flatten().find(|s| s.kind == SiteKind::Sleep)?;
                longest = longest.max(cx.worst(slept)?.1.value);
                continue;
            }
            Some(_) => return None,
            None => match cx.sem.type_of(m, thread.expr) {
                Type::Instance(ClassRef::Project(class)) => match cx.sem.member(&class, "run", 0) {
                    Some(Type::Function(def)) => def,
                    _ => return None,
                },
                _ => return None,
            },
        };
        if def.module.role == Role::Product {
            return None;
        }
        let uses = cx.sem.body_uses(cx.counter, &def);
        if uses.iter().any(|u| u.site.kind == SiteKind::Sleep && u.amount.is_none() && u.times > 0.0) {
            return None;
        }
        // What something else is to end counts as well: the join may come first.
        let slept: f64 = uses
            .iter()
            .filter(|u| u.site.kind == SiteKind::Sleep)
            .map(|u| u.amount.as_ref().map_or(0.0, |a| a.mean.max(0.0) * u.times))
            .sum();
        longest = longest.max(before + slept + cx.sem.known_waits(&def));
        if loops_until_told(m, m.stmt(def.stmt).span) {
            return None;
        }
    }
    Some(longest)
}

/// Whether a function in a region loops until something says that time is up: `while not watch.expired()`.
fn loops_until_told(m: &Module, region: Span) -> bool {
    m.ast.stmts.iter().any(|s| {
        let StmtKind::While { test, .. } = s.kind else { return false };
        let mut stack = vec![test];
        let mut until = false;
        while let Some(e) = stack.pop() {
            if let ExprKind::Call { func, .. } = m.expr(e).kind {
                let name = match m.expr(func).kind {
                    ExprKind::Attribute { attr, .. } | ExprKind::Name(attr) => m.name(attr),
                    _ => "",
                };
                // What another thread sets or fills; the loop follows at once.
                until |= !matches!(name, "is_set" | "isSet" | "empty" | "qsize" | "len" | "is_alive" | "wait" | "locked");
            }
            m.expr(e).kind.children(&mut |c| stack.push(c));
        }
        until && region.contains(s.span)
    })
}

/// The longest duration that the test around a join names, where a worker in it loops until time is up.
fn named_duration(cx: &Context<'_>, m: &Arc<Module>, stmt: StmtId) -> Option<f64> {
    let region = m.stmt(outermost(m, stmt)?).span;
    if !loops_until_told(m, region) {
        return None;
    }
    let mut longest: Option<f64> = None;
    for expr in m.ast.exprs.iter().filter(|e| region.contains(e.span)) {
        let ExprKind::Call { args, .. } = &expr.kind else { continue };
        for arg in args {
            if let ArgKind::Keyword(k) = arg.kind
                && let Some(unit) = crate::plan::durations::duration_name(m.name(k))
                && let Some(c) = cx.sem.constant(m, arg.value, &Env::default())
                && c.value * unit < crate::plan::durations::FOREVER
            {
                longest = Some(longest.unwrap_or(0.0).max(c.value * unit));
            }
        }
    }
    longest
}
