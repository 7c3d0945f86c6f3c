//! Sleeps that nobody sleeps: under a timeout, in a task that is cancelled, on a mocked clock, on another platform.
//!
//! `await asyncio.sleep(10)` in a test of cancellation costs nothing, and has to stay long: made short, the sleep would end before it is
//! cancelled.

use std::sync::Arc;

use super::ast::{ArgKind, CompareOp, ExprId, ExprKind, StmtId, StmtKind};
use super::project::Module;
use super::semantics::{Semantics, Type};
use super::value::Env;
use crate::source::Span;

/// A sleep nobody would sit through is ended by something else (a kill, a cancel, a stop) and stays for ever (HAZARDS row 34).
pub const FOREVER: f64 = 60.0;

/// Shorter sleeps are slept even where something nearby cancels.
const CANCELLED_S: f64 = 2.0;

/// Shorter sleeps of a thread or process are slept even where something nearby kills.
const KILLED_S: f64 = 5.0;

/// A sleep under a timeout up to this is not worth mentioning.
const SHORT_S: f64 = 0.5;

/// What ends a coroutine's sleep from outside.
const CANCELS: &[&str] = &[
    "cancel",
    "Cancel",
    "wait_for(",
    "timeout(",
    "timeout_at(",
    "Timeout(",
    "move_on_",
    "fail_after(",
    "TimeoutError",
    "TaskGroup(",
];

/// A clock that does not wait.
const CLOCKS: &[&str] = &[
    "autojump",
    "mock_clock",
    "MockClock",
    "fake_clock",
    "FakeClock",
    "TestLoop",
    "test_loop",
    "ManualClock",
    "VirtualClock",
    "virtual_time",
    "looptime",
    "time_travel",
];

/// What ends a thread's, process's or greenlet's.
const KILLS: &[&str] = &["terminate(", "kill(", "cancel(", "killpg(", "kill_process_tree(", "Timeout("];

/// What ends one that would last a minute or more; anywhere in the file will do.
const ENDS: &[&str] = &[
    "terminate",
    "kill",
    "cancel",
    "stop",
    "timeout",
    "Timeout",
    "raises",
    "move_on",
    "fail_after",
    "abort",
    "interrupt",
    "close",
    "daemon",
];

/// Names of platforms other than the one nearly every suite runs on.
const PLATFORMS: &[&str] =
    &["win32", "windows", "jython", "ironpython", "pypy", "darwin", "macos", "cygwin", "emscripten", "wasi", "sunos", "aix"];

impl Semantics<'_> {
    /// Whether a sleep of so many seconds is never slept to its end.
    #[must_use]
    pub fn unslept(&self, m: &Arc<Module>, e: ExprId, seconds: f64) -> bool {
        if seconds >= FOREVER {
            let text = m.source.text();
            return seconds >= 1000.0 || ENDS.iter().any(|w| text.contains(w));
        }
        if unexecuted(m, e) || self.abandoned(m, e, seconds) || self.failing(m, e) || cancelled_before(m, e) {
            return true;
        }
        seconds > 0.02
            && (elsewhere(m, e)
                || self.under_timeout(m, e, seconds)
                || self.cut_short(m, e, seconds, CANCELLED_S)
                || self.killed_where_used(m, e, seconds)
                || self.closed(m, e))
    }

    /// Whether only daemon threads without a name run the function a long sleep stands in: nobody can wait for those.
    fn abandoned(&self, m: &Arc<Module>, e: ExprId, seconds: f64) -> bool {
        if seconds < KILLED_S {
            return false;
        }
        let Some(home) = m.scopes.function_around(m.expr(e).stmt) else { return false };
        let Some(name) = m.function(home).map(|f| f.name).filter(|_| m.scopes.function_around(home).is_some()) else {
            return false;
        };
        let mut mentions =
            m.ast.exprs.iter().enumerate().filter(|(_, x)| matches!(x.kind, ExprKind::Name(n) if n == name)).peekable();
        mentions.peek().is_some()
            && mentions.all(|(i, x)| {
                // Thread(target=func, daemon=True).start()
                let parent = |e: ExprId| m.expr(e).parent;
                let id = ExprId(u32::try_from(i).unwrap_or(u32::MAX));
                let Some(call) = x.parent else { return false };
                let ExprKind::Call { args, .. } = &m.expr(call).kind else { return false };
                let daemon =
                    m.argument(args, None, &["daemon"]).is_some_and(|a| matches!(m.expr(a.value).kind, ExprKind::Bool(true)));
                let target = m.argument(args, Some(1), &["target"]).is_some_and(|a| a.value == id);
                let started = parent(call)
                    .is_some_and(|p| matches!(m.expr(p).kind, ExprKind::Attribute { attr, .. } if m.name(attr) == "start"));
                daemon && target && started
            })
    }

    /// Whether a sleep is on the way to a failure: in a function of the test code that ends by failing, which a passing test never calls.
    fn failing(&self, m: &Arc<Module>, e: ExprId) -> bool {
        let Some(home) = m.scopes.function_around(m.expr(e).stmt) else { return false };
        if self.is_test_function(m, home) {
            return false;
        }
        let last = m.function(home).and_then(|f| f.body.last()).map(|s| &m.stmt(*s).kind);
        match last {
            Some(StmtKind::Raise(_)) => true,
            Some(StmtKind::Expr(call)) => matches!(m.expr(*call).kind, ExprKind::Call { func, .. }
                if matches!(m.text(func), "self.fail" | "pytest.fail")),
            _ => false,
        }
    }

    /// Whether a sleep may be cut short, and so must not be made to end first, though it may as well be slept.
    #[must_use]
    pub fn cancellable(&self, m: &Arc<Module>, e: ExprId, seconds: f64) -> bool {
        seconds > SHORT_S && self.cut_short(m, e, seconds, SHORT_S)
    }

    /// `with asyncio.timeout(0.1): await asyncio.sleep(10)`, `wait_for(sleep(10), 0.1)`.
    fn under_timeout(&self, m: &Arc<Module>, e: ExprId, seconds: f64) -> bool {
        let limited = |call: ExprId| {
            let ExprKind::Call { func, args, .. } = &m.expr(call).kind else { return false };
            let name = match m.expr(*func).kind {
                ExprKind::Attribute { attr, .. } | ExprKind::Name(attr) => m.name(attr),
                _ => return false,
            };
            let index = match name {
                "timeout" | "Timeout" | "fail_after" | "move_on_after" => 0,
                "wait_for" => 1,
                "timeout_at" | "fail_at" | "move_on_at" => return true,
                _ => return false,
            };
            let limit = m.argument(args, Some(index), &["timeout", "seconds", "delay"]);
            limit
                .and_then(|a| self.constant(m, a.value, &Env::default()))
                .is_some_and(|t| t.value < seconds && t.value <= SHORT_S)
        };
        let given = |decorator: ExprId| {
            let ExprKind::Call { args, .. } = &m.expr(decorator).kind else { return false };
            let limit = m.argument(args, None, &["timeout"]);
            let limit = limit.and_then(|a| self.constant(m, a.value, &Env::default()));
            limit.is_some_and(|t| t.value > 0.0 && t.value < seconds && t.value <= SHORT_S)
        };
        let mut at = m.expr(e).parent;
        while let Some(p) = at {
            if limited(p) {
                return true;
            }
            at = m.expr(p).parent;
        }
        let mut stmt = Some(m.expr(e).stmt);
        while let Some(id) = stmt {
            match &m.stmt(id).kind {
                StmtKind::With { items, .. } if items.iter().any(|(item, _)| limited(*item)) => return true,
                // `@gen_test(timeout=0.01)`, `@process(timeout=0.1)`: what runs it in its place gives it no longer.
                StmtKind::Function(f) => return f.decorators.iter().any(|&d| given(d)),
                _ => {}
            }
            stmt = m.stmt(id).parent;
        }
        false
    }

    /// Whether a long sleep stands in a worker that is killed or cancelled wherever the file uses it.
    fn killed_where_used(&self, m: &Arc<Module>, e: ExprId, seconds: f64) -> bool {
        if seconds < KILLED_S {
            return false;
        }
        let Some(home) = outermost(m, m.expr(e).stmt).filter(|&h| m.scopes.class_of(h).is_none()) else { return false };
        let Some(name) = m.function(home).map(|f| f.name).filter(|_| !self.is_test_function(m, home)) else { return false };
        let mut users = m
            .ast
            .exprs
            .iter()
            .filter(|x| matches!(x.kind, ExprKind::Name(n) if n == name))
            .filter_map(|x| outermost(m, x.stmt))
            .filter(|user| *user != home)
            .peekable();
        users.peek().is_some()
            && users.all(|user| {
                let text = m.source.slice(m.stmt(user).span);
                KILLS.iter().any(|w| text.contains(w))
            })
    }

    /// `coroutine = asyncio.sleep(10)` that is closed: nobody awaits it.
    fn closed(&self, m: &Arc<Module>, e: ExprId) -> bool {
        let StmtKind::Assign { targets, value: Some(value), .. } = &m.stmt(m.expr(e).stmt).kind else { return false };
        let ([target], true) = (&targets[..], *value == e) else { return false };
        let Some(home) = m.scopes.function_around(m.expr(e).stmt) else { return false };
        matches!(m.expr(*target).kind, ExprKind::Name(_))
            && m.source.slice(m.stmt(home).span).contains(&format!("{}.close()", m.text(*target)))
    }

    /// A long sleep of a task or worker in a test that cancels or kills, or of a test whose clock is mocked.
    fn cut_short(&self, m: &Arc<Module>, e: ExprId, seconds: f64, shortest: f64) -> bool {
        let mut function = m.scopes.function_around(m.expr(e).stmt);
        let inner = function;
        while let Some(outer) = function.and_then(|f| m.scopes.function_around(f)) {
            function = Some(outer);
        }
        let Some(outer) = function else { return false };
        let span = m.function(outer).map_or(Span::at(0), |f| f.outer_span);
        let text = m.source.slice(span);
        if text.lines().any(|l| l.contains("sleep") && (l.contains("patch") || l.contains("setattr"))) {
            return true;
        }
        let waits = match &m.expr(e).kind {
            ExprKind::Call { func, .. } => match self.type_of(m, *func) {
                Type::External(name) => ["asyncio.", "trio.", "anyio.", "curio."].iter().any(|p| name.starts_with(p)),
                _ => false,
            },
            _ => false,
        };
        if waits {
            if CLOCKS.iter().any(|w| text.contains(w)) {
                return true;
            }
            // A coroutine of its own is what gets cancelled; the test itself rather sleeps.
            let shortest = if inner == function { shortest } else { SHORT_S + 1e-9 };
            return seconds >= shortest
                && (CANCELS.iter().any(|w| text.contains(w))
                    || inner != function && text.to_ascii_lowercase().contains("timeout"));
        }
        // In the test's own body it is the test that sleeps, unless it hands the sleep over: `pool.submit(time.sleep, 30)`.
        let handed_over = matches!(m.expr(e).kind, ExprKind::Call { func, .. }
            if !matches!(self.type_of(m, func), Type::External(name) if name.ends_with("sleep")));
        seconds >= KILLED_S && (inner != function || handed_over) && KILLS.iter().any(|w| text.contains(w))
    }
}

/// Whether the authors themselves say that code is not run: `# pragma: no cover` at the head of a function or block around it, or
/// on its line.
fn unexecuted(m: &Module, e: ExprId) -> bool {
    const PRAGMA: &str = "pragma: no cover";
    // Nearly every file says it nowhere.
    if !m.source.text().contains(PRAGMA) {
        return false;
    }
    let own = m.source.line(m.source.line_of(m.expr(e).span.start));
    if own.contains(PRAGMA) {
        return true;
    }
    let mut at = Some(m.expr(e).stmt);
    while let Some(id) = at {
        let stmt = m.stmt(id);
        let mut first = None;
        stmt.kind.blocks(&mut |block| first = first.or_else(|| block.first().copied()));
        if let Some(first) = first {
            let (from, to) = (m.source.line_of(stmt.span.start), m.source.line_of(m.stmt(first).span.start));
            if (from..to.max(from + 1)).any(|line| m.source.line(line).contains(PRAGMA)) {
                return true;
            }
        }
        at = stmt.parent;
    }
    false
}

/// `asyncio.current_task().cancel()` right before it: the sleep raises at once.
fn cancelled_before(m: &Module, e: ExprId) -> bool {
    let stmt = m.expr(e).stmt;
    let Some(parent) = m.stmt(stmt).parent else { return false };
    let mut cancelled = false;
    m.stmt(parent).kind.blocks(&mut |block| {
        if let Some(before) = block.iter().position(|s| *s == stmt).and_then(|at| block.get(at.checked_sub(1)?)) {
            let text = m.source.slice(m.stmt(*before).span);
            cancelled |= text.contains("current_task(") && text.ends_with(".cancel()");
        }
    });
    cancelled
}

/// Whether an expression stands on a branch that only another platform takes.
fn elsewhere(m: &Module, e: ExprId) -> bool {
    let mut child = m.expr(e).stmt;
    let mut at = m.stmt(child).parent;
    while let Some(id) = at {
        match &m.stmt(id).kind {
            StmtKind::If { test, body, orelse } => {
                let taken = holds(m, *test);
                if taken == Some(false) && body.contains(&child) || taken == Some(true) && orelse.contains(&child) {
                    return true;
                }
            }
            StmtKind::Function(_) => return false,
            _ => {}
        }
        child = id;
        at = m.stmt(id).parent;
    }
    false
}

/// What a question for the platform is answered with on Linux and CPython; `None` for every other question.
fn holds(m: &Module, e: ExprId) -> Option<bool> {
    let foreign = |e: ExprId| {
        let text = m.text(e).to_ascii_lowercase();
        (PLATFORMS.iter().any(|p| text.contains(p)) || text.contains("\"nt\"") || text.contains("'nt'"))
            && !text.contains("linux")
    };
    match &m.expr(e).kind {
        ExprKind::Compare { rest, .. } => match rest[..] {
            [(CompareOp::Eq | CompareOp::In, right)] if foreign(right) => Some(false),
            [(CompareOp::NotEq | CompareOp::NotIn, right)] if foreign(right) => Some(true),
            _ => None,
        },
        ExprKind::Not(inner) => holds(m, *inner).map(|b| !b),
        ExprKind::Bool2 { and, left, right } => match (holds(m, *left), holds(m, *right)) {
            (Some(a), _) | (_, Some(a)) if a != *and => Some(a),
            (Some(a), Some(_)) => Some(a),
            _ => None,
        },
        // sys.platform.startswith("win")
        ExprKind::Call { func, args, .. } => match (&m.expr(*func).kind, args.as_slice()) {
            (ExprKind::Attribute { attr, .. }, [one]) if m.name(*attr) == "startswith" && one.kind == ArgKind::Positional => {
                (m.text(*func).contains("platform") && m.text(one.value).to_ascii_lowercase().contains("win")).then_some(false)
            }
            _ => None,
        },
        // is_jython, support.WINDOWS
        ExprKind::Name(_) | ExprKind::Attribute { .. } => foreign(e).then_some(false),
        _ => None,
    }
}

/// The outermost function around a statement.
#[must_use]
pub fn outermost(m: &Module, stmt: StmtId) -> Option<StmtId> {
    let mut found = None;
    let mut at = Some(stmt);
    while let Some(id) = at {
        if matches!(m.stmt(id).kind, StmtKind::Function(_)) {
            found = Some(id);
        }
        at = m.stmt(id).parent;
    }
    found
}
