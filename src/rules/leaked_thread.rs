//! # leaked-thread
//!
//! A thread, process or object with a thread of its own that a test starts and nothing ends.
//!
//! ## Why is this bad?
//! It goes on in the tests that follow: what it writes lands there, what it prints is theirs, and the threads add up until a small
//! machine has no more. A suite of thirty tests that each leave a monitor behind ends with thirty monitors running.
//!
//! ## Example
//! ```python
//! def test_silence_is_told():
//!     monitor = OutputMonitor(timeout=0.2)
//!     monitor.start()
//!     ...
//! ```
//!
//! Use instead:
//! ```python
//! def test_silence_is_told(request):
//!     monitor = OutputMonitor(timeout=0.2)
//!     monitor.start()
//!     request.addfinalizer(monitor.stop)
//!     ...
//! ```
//!
//! ## Fix
//! An object that has a method to stop it gets a cleanup, which runs also when the test fails: `request.addfinalizer(…)`, and in a
//! `unittest.TestCase` `self.addCleanup(…)`. A thread whose worker is seen to end is joined where the block that starts it ends, with a
//! timeout and the assertion that it ended.
//!
//! *Unsafe*: stopping may wait, or raise, where nobody tried it before. Declined where nothing tells the thread to stop, where its
//! worker is not seen, and in `setup_method` and helpers, which have no place for a cleanup.

use std::sync::Arc;

use super::context::{Context, Draft, excerpt};
use super::{Code, Rule};
use crate::discover::Role;
use crate::edit::{Applicability, Edit, Fix};
use crate::finding::{Cost, Finding};
use crate::plan::number::write_seconds;
use crate::python::ast::{ExprId, ExprKind, StmtId, StmtKind};
use crate::python::cost::Site;
use crate::python::fate::{Fate, Keeper};
use crate::python::project::Module;
use crate::python::scope::{BindingKind, Lookup};
use crate::python::semantics::{ClassRef, Def, Type};
use crate::query::SiteKind;
use crate::rewrite;

pub(super) static RULE: Rule = Rule {
    code: Code::new("leaked-thread"),
    title: "Thread that outlives its test",
    source: include_str!("leaked_thread.rs"),
    default: false,
    judge: Some(judge),
};

/// Methods that end what was started, the gentlest first.
const ENDS: &[&str] =
    &["stop", "shutdown", "close", "cancel", "terminate", "kill", "join", "quit", "server_close", "__exit__", "wait"];

/// What is started.
enum Started {
    Thread,
    Process,
    Timer,
    /// An object with a thread of its own, the method that stops it, and whether it loops until then.
    Product {
        stop: Option<&'static str>,
        goes_on: bool,
    },
}

/// Something that a test starts and nothing ends.
pub(super) struct Leak {
    /// What there is to tell about it, with its fix or why there is none.
    pub finding: Finding,
    /// How many threads the tests of this file leave behind by it.
    pub threads: f64,
    /// Whether its thread is seen to loop until it is told to stop: those that end by themselves do not pile up.
    pub goes_on: bool,
}

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    out.extend(leaks(cx).into_iter().map(|leak| Draft::new(leak.finding)));
}

/// What the tests and fixtures of a file start and nothing ends.
pub(super) fn leaks(cx: &Context<'_>) -> Vec<Leak> {
    let mut found = Vec::new();
    let out = &mut found;
    for site in cx.of_kind(SiteKind::Start) {
        let m = &site.module;
        let Some(receiver) = site.receiver else { continue };
        let stmt = m.expr(site.expr).stmt;
        let Some(home) = m.scopes.function_around(stmt) else { continue };
        if m.role == Role::Product || cx.sem.runs_in_a_worker(cx.counter, m, stmt) {
            continue;
        }
        let Some(started) = started(cx, m, receiver) else { continue };
        // What has no method to stop it may as well be over when `start` returns.
        if matches!(started, Started::Product { stop: None, .. }) || waited_for(m, stmt) {
            continue;
        }
        if told_to_end(m, site, home) {
            continue;
        }
        if let (StmtKind::Return(Some(value)), Started::Product { stop: Some(_), .. }) = (&m.stmt(stmt).kind, &started)
            && *value == site.expr
        {
            // `return Monitor().start()` in a helper: it is those who call it that have to stop it.
            for call in callers(cx, m, home) {
                judge_one(cx, site, Keeper::of_value(m, call).map(|k| (Some(k), false)), call, &started, out);
            }
            continue;
        }
        if cx.in_a_test(m, stmt) {
            judge_one(cx, site, keeper(cx, m, site, receiver, home), site.expr, &started, out);
        }
    }
    found
}

/// Whether a `with` around a statement waits for threads or processes: `with wait_threads_exit():`.
fn waited_for(m: &Module, stmt: StmtId) -> bool {
    const ENDINGS: [&str; 6] = ["wait", "join", "exit", "clean", "reap", "stop"];
    let mut at = Some(stmt);
    while let Some(id) = at {
        if let StmtKind::With { items, .. } = &m.stmt(id).kind
            && items.iter().any(|(item, _)| {
                let ExprKind::Call { func, .. } = m.expr(*item).kind else { return false };
                let name = m.text(func).rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
                (name.contains("thread") || name.contains("process")) && ENDINGS.iter().any(|w| name.contains(w))
            })
        {
            return true;
        }
        at = m.stmt(id).parent;
    }
    false
}

/// Whether what a thread works on is told to end: `Thread(target=server.run)` beside `server.shutdown()`.
fn told_to_end(m: &Module, site: &Site, home: StmtId) -> bool {
    let Some(receiver) = site.receiver else { return false };
    let constructor = match m.expr(receiver).kind {
        ExprKind::Name(name) => match m.scopes.lookup(&m.ast, receiver, name) {
            Lookup::Bound(_, bindings) => match bindings[..] {
                [binding] => match binding.kind {
                    BindingKind::Assign { value, .. } => value,
                    _ => return false,
                },
                _ => return false,
            },
            Lookup::Free(_) => return false,
        },
        _ => receiver,
    };
    let ExprKind::Call { args, .. } = &m.expr(constructor).kind else { return false };
    let Some(target) = m.argument(args, Some(1), &["target", "function"]) else { return false };
    let ExprKind::Attribute { value, .. } = m.expr(target.value).kind else { return false };
    let (owner, region) = (m.text(value), m.stmt(home).span);
    m.ast.exprs.iter().filter(|e| region.contains(e.span)).any(|e| match e.kind {
        ExprKind::Attribute { value, attr, .. } => {
            let attr = m.name(attr);
            m.text(value) == owner && ENDS.iter().any(|end| attr.split('_').any(|word| word == *end))
        }
        _ => false,
    })
}

/// The calls of a function of the module from tests and fixtures of the module.
fn callers(cx: &Context<'_>, m: &Arc<Module>, function: StmtId) -> Vec<ExprId> {
    let Some(name) = m.function(function).map(|f| f.name) else { return Vec::new() };
    let calls = m.calls(name).iter().copied();
    calls
        .filter(|&call| {
            let ExprKind::Call { func, .. } = m.expr(call).kind else { return false };
            let home = m.scopes.function_around(m.expr(call).stmt);
            home.is_some_and(|h| cx.sem.is_test_function(m, h) || cx.sem.fixture_decorator(m, h).is_some())
                && matches!(cx.sem.type_of(m, func), Type::Function(def) if def.stmt == function)
        })
        .collect()
}

/// Judges what `at` starts: kept by a name, by none, or (`None`) not the function's own.
fn judge_one(
    cx: &Context<'_>,
    site: &Site,
    kept: Option<(Option<Keeper>, bool)>,
    at: ExprId,
    started: &Started,
    out: &mut Vec<Leak>,
) {
    let m = &site.module;
    let (Some((keeper, many)), Some(home)) = (kept, m.scopes.function_around(m.expr(at).stmt)) else { return };
    let fate = keeper.as_ref().map_or(Fate::Left, |keeper| cx.sem.fate(m, home, keeper, ENDS));
    match fate {
        Fate::Left => {}
        Fate::Given if cx.sem.fixture_decorator(m, home).is_some() => {}
        _ => return,
    }
    let name = keeper.as_ref().map_or_else(|| excerpt(m.text(site.receiver.unwrap_or(at))), |k| k.text().to_owned());
    let (one, all) = match started {
        Started::Thread | Started::Product { .. } => ("thread", "threads"),
        Started::Process => ("process", "processes"),
        Started::Timer => ("timer", "timers"),
    };
    let message = match (many, started) {
        (true, _) => format!("the {all} in `{name}` are started, and nothing here waits for their end"),
        (false, Started::Product { .. }) => {
            format!("`{name}` starts a thread that nothing here stops: it goes on in the tests that follow")
        }
        (false, _) => format!("`{name}` is started, and nothing here waits for its end: the {one} may outlive the test"),
    };
    let mut finding = cx.finding(&RULE.code, m, m.expr(at).span, message);
    finding.test = cx.uses(site).next().map(|(t, _)| t.test.id.clone());
    finding.cost = Cost { threads: 1, ..Cost::default() };
    let fix = match &keeper {
        Some(keeper) if !many => fix(cx, site, at, started, keeper),
        Some(_) => Err("they are started in a loop; join them after it, with a timeout".to_owned()),
        None => Err("it has no name; give it one, to stop it by".to_owned()),
    };
    match fix {
        Ok(fix) => finding.fix = Some(fix),
        Err(why) => finding.declined = Some(why),
    }
    let threads = cx.uses(site).map(|(test, used)| used.times * test.runs as f64).sum();
    let goes_on = matches!(started, Started::Product { goes_on: true, .. });
    out.push(Leak { finding, threads, goes_on });
}

/// What `.start()` is called on, if that starts a thread.
fn started(cx: &Context<'_>, m: &Arc<Module>, receiver: ExprId) -> Option<Started> {
    let t = cx.sem.type_of(m, receiver);
    let Type::Instance(class) = &t else { return None };
    if cx.sem.derives(class, "threading.Timer", 0) {
        return Some(Started::Timer);
    }
    if cx.sem.derives(class, "multiprocessing.process.BaseProcess", 0) {
        return Some(Started::Process);
    }
    let ClassRef::Project(def) = class else {
        return cx.sem.derives(class, "threading.Thread", 0).then_some(Started::Thread);
    };
    let stop = || {
        ENDS.iter()
            .copied()
            .find(|end| !matches!(*end, "join" | "wait") && matches!(cx.sem.member(def, end, 0), Some(Type::Function(_))))
    };
    let text = def.module.source.slice(def.module.stmt(def.stmt).span);
    let goes_on = ["while ", "serve_forever", "run_forever"].iter().any(|words| text.contains(words));
    if cx.sem.derives(class, "threading.Thread", 0) {
        // A thread of a class of its own may have something to stop it by.
        return Some(match stop() {
            Some(stop) => Started::Product { stop: Some(stop), goes_on },
            None => Started::Thread,
        });
    }
    let Some(Type::Function(start)) = cx.sem.member(def, "start", 0) else { return None };
    starts_a_thread(cx, &start, 0).then(|| Started::Product { stop: stop(), goes_on })
}

/// Whether a method starts a thread, itself or through methods it calls.
fn starts_a_thread(cx: &Context<'_>, method: &Def, depth: usize) -> bool {
    let m = &method.module;
    let body = m.stmt(method.stmt).span;
    m.ast.exprs.iter().filter(|e| body.contains(e.span)).any(|e| {
        let ExprKind::Call { func, .. } = e.kind else { return false };
        let ExprKind::Attribute { value, attr, .. } = m.expr(func).kind else { return false };
        if m.name(attr) == "start"
            && let Type::Instance(class) = cx.sem.type_of(m, value)
            && cx.sem.is_thread_class(&class)
        {
            return true;
        }
        depth < 2
            && matches!(m.expr(value).kind, ExprKind::Name(n) if m.name(n) == "self")
            && matches!(cx.sem.type_of(m, func), Type::Function(def) if def != *method && starts_a_thread(cx, &def, depth + 1))
    })
}

/// What keeps the thing that is started, and whether it is one of many; nothing keeps `Thread(target=f).start()`. `None` when it is
/// not the function's own: a parameter, something from elsewhere, or the context of a `with`.
fn keeper(cx: &Context<'_>, m: &Arc<Module>, site: &Site, receiver: ExprId, home: StmtId) -> Option<(Option<Keeper>, bool)> {
    let stmt = m.expr(site.expr).stmt;
    if matches!(m.stmt(stmt).kind, StmtKind::With { .. }) {
        return None;
    }
    match &m.expr(receiver).kind {
        ExprKind::Name(name) => {
            let Lookup::Bound(_, bindings) = m.scopes.lookup(&m.ast, receiver, *name) else { return None };
            let [binding] = bindings[..] else { return None };
            match &binding.kind {
                // `self.server = server = Server()`: the instance has it as well.
                BindingKind::Assign { .. } if matches!(&m.stmt(binding.stmt).kind, StmtKind::Assign { targets, .. } if targets.len() > 1) => {
                    None
                }
                BindingKind::Assign { value, path }
                    if path.is_empty() && m.scopes.function_around(binding.stmt) == Some(home) =>
                {
                    matches!(m.expr(*value).kind, ExprKind::Call { .. })
                        .then(|| (Some(Keeper::Name(m.name(*name).to_owned())), false))
                }
                BindingKind::Iteration { iter, path } if path.is_empty() => {
                    let ExprKind::Name(container) = m.expr(*iter).kind else { return None };
                    let Lookup::Bound(_, bindings) = m.scopes.lookup(&m.ast, *iter, container) else { return None };
                    let own = bindings
                        .iter()
                        .all(|b| matches!(b.kind, BindingKind::Assign { .. }) && m.scopes.function_around(b.stmt) == Some(home));
                    own.then(|| (Some(Keeper::Name(m.name(container).to_owned())), true))
                }
                _ => None,
            }
        }
        ExprKind::Attribute { .. } => {
            let keeper = Keeper::of(m, receiver)?;
            let class = m.scopes.class_of(home)?;
            let case = Def { module: Arc::clone(m), stmt: class };
            // An object of the test's own, which nobody but its class can end.
            let collected = cx.sem.is_test_case(&case) || m.name(m.class(class)?.name).starts_with("Test");
            (collected && m.class(class)?.args.len() <= 1).then_some((Some(keeper), false))
        }
        ExprKind::Call { .. } => match Keeper::of_value(m, site.expr) {
            // `monitor = OutputMonitor().start()`, where `start` returns the monitor.
            Some(keeper) => (cx.sem.type_of(m, site.expr) == cx.sem.type_of(m, receiver)).then_some((Some(keeper), false)),
            None => matches!(m.stmt(stmt).kind, StmtKind::Expr(e) if e == site.expr).then_some((None, false)),
        },
        _ => None,
    }
}

fn fix(cx: &Context<'_>, site: &Site, at: ExprId, started: &Started, keeper: &Keeper) -> Result<Fix, String> {
    let m = &site.module;
    let stmt = m.expr(at).stmt;
    rewrite::editable(m)?;
    let name = keeper.text();
    let group = rewrite::group("leak", m, m.expr(at).span);
    let end = match started {
        Started::Timer => Some("cancel"),
        Started::Product { stop: Some(end), .. } => Some(*end),
        Started::Product { stop: None, .. } => return Err("its class has no method that stops it".to_owned()),
        Started::Thread | Started::Process => None,
    };
    if let Some(end) = end {
        let edits = rewrite::cleanup(cx.sem, m, stmt, &format!("{name}.{end}"))?;
        return Ok(Fix::new(Applicability::Unsafe, format!("Call `{name}.{end}` when the test is over"), edits, group)
            .because("nobody tried yet whether it stops in time and without an error"));
    }
    let thread = cx.sem.constructor(cx.counter, m, site).ok_or("its worker is not seen, and may run for ever")?;
    let Some(Type::Function(worker)) = cx.sem.worker(m, &thread) else {
        return Err("its worker is not seen, and may run for ever".to_owned());
    };
    let body = worker.module.source.slice(worker.module.stmt(worker.stmt).span);
    if worker.module.role == Role::Product || body.contains("while ") || body.contains("forever") {
        return Err("its worker may run for ever, and nothing here tells it to stop".to_owned());
    }
    if m.stmt(stmt).parent.is_some_and(|p| matches!(m.stmt(p).kind, StmtKind::For { .. } | StmtKind::While { .. })) {
        return Err("it is started in a loop; join all of them after it".to_owned());
    }
    let last = block_end(m, stmt).ok_or("the block that starts it leaves the test")?;
    let timeout = write_seconds(cx.settings.fix.join_timeout);
    let newline = m.source.newline().as_str();
    let indent = m.source.indent_at(m.stmt(stmt).span.start);
    let lines = format!("{name}.join(timeout={timeout}){newline}{indent}assert not {name}.is_alive()");
    let edit: Edit = rewrite::line_after(m, last, &lines)?;
    Ok(Fix::new(Applicability::Unsafe, format!("Join it with `timeout={timeout}`, and assert that it ended"), vec![edit], group)
        .because("what its worker waits for may come only after the test"))
}

/// The last statement of the block a statement is in, unless that one leaves the function.
fn block_end(m: &Module, stmt: StmtId) -> Option<StmtId> {
    let mut last = None;
    let mut look = |block: &[StmtId]| {
        if block.contains(&stmt) {
            last = block.last().copied();
        }
    };
    match m.stmt(stmt).parent {
        Some(parent) => m.stmt(parent).kind.blocks(&mut look),
        None => look(&m.ast.body),
    }
    last.filter(|&s| !matches!(m.stmt(s).kind, StmtKind::Return(_) | StmtKind::Raise(_) | StmtKind::Break | StmtKind::Continue))
}
