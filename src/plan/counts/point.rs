//! What shows that how much a test takes is its point: boundaries, what is expected of it, buffers of the operating system, statistics.

use std::sync::Arc;

use super::Dimension;
use crate::python::assertion::{expects_failure, raises_around};
use crate::python::ast::{BinaryOp, Clause, CompareOp, ExprId, ExprKind, StmtKind, Symbol};
use crate::python::project::Module;
use crate::python::semantics::{Semantics, Type};
use crate::python::value::Env;
use crate::source::Span;

/// A number that sits at a boundary (HAZARDS row 19): beyond 2³¹, one beside a power of two, or the size of a pipe's buffer.
pub(super) fn boundary(n: u64, dimension: Dimension) -> Option<String> {
    if n >= 1 << 31 {
        return Some(format!("{n} is beyond 2³¹, which may be its point"));
    }
    // What a length of two bytes no longer holds, and what fills a pipe; other powers of two are just sizes.
    if dimension == Dimension::Size && matches!(n, 0x8000 | 0x1_0000) {
        return Some(format!("{n} sits at a boundary (of 16 bits), which may be its point"));
    }
    let reach = match dimension {
        Dimension::Size if n > 1 << 12 => 16,
        _ => 1,
    };
    for k in 6..32 {
        let power = 1_u64 << k;
        if n.abs_diff(power) <= reach.max(power / 1000) && n != power {
            return Some(format!("{n} sits at a boundary (2^{k} = {power}), which may be its point"));
        }
    }
    None
}

/// A size with something added or taken away, as `100 * 1024 - 72` or 10,000,001: who writes it so knows where a limit lies (HAZARDS
/// row 19).
pub(super) fn exact(m: &Module, number: ExprId, n: u64) -> Option<String> {
    let sum = matches!(m.expr(number).kind, ExprKind::Binary { op: BinaryOp::Add | BinaryOp::Sub, .. });
    let beside = (4..20).any(|k| n.abs_diff(10_u64.pow(k)) == 1);
    (sum || beside).then(|| format!("`{}` is exact, which may be its point", m.text(number)))
}

/// What is to go wrong with it: the `raises` that it stands in, or that something is handed to which is kept under a name of its own.
pub(super) fn raises(m: &Module, regions: &[Span], site: ExprId, name: Option<&str>) -> Option<ExprId> {
    let around = |e: ExprId| {
        let inside = std::iter::successors(Some(e), |e| m.expr(*e).parent).find(|e| expects_failure(m, *e));
        inside.or_else(|| raises_around(m, m.expr(e).stmt).map(|(_, expected)| expected))
    };
    around(site).or_else(|| {
        m.ast.exprs.iter().enumerate().find_map(|(i, expr)| {
            let ExprKind::Name(n) = expr.kind else { return None };
            let mentions = Some(m.name(n)) == name && regions.iter().any(|r| r.contains(expr.span));
            mentions.then(|| around(ExprId(u32::try_from(i).unwrap_or(u32::MAX)))).flatten()
        })
    })
}

/// How many of what a size belongs to there are together: `[make(big) for _ in range(48)]`.
pub(super) fn together(sem: &Semantics<'_>, m: &Arc<Module>, regions: &[Span], name: &str) -> u64 {
    let rounds = |iter: ExprId| match &m.expr(iter).kind {
        ExprKind::Call { func, args, .. } if m.text(*func) == "range" => {
            args.last().and_then(|a| sem.constant(m, a.value, &Env::default())).map_or(1, |c| c.count().max(1))
        }
        _ => 1,
    };
    let mut most = 1;
    for (i, expr) in m.ast.exprs.iter().enumerate() {
        let ExprKind::Name(n) = expr.kind else { continue };
        if m.name(n) != name || !regions.iter().any(|r| r.contains(expr.span)) {
            continue;
        }
        let mut times = 1_u64;
        let mut at = m.expr(ExprId(u32::try_from(i).unwrap_or(u32::MAX))).parent;
        while let Some(e) = at {
            if let ExprKind::Comprehension { clauses, .. } = &m.expr(e).kind {
                for clause in clauses {
                    if let Clause::For { iter, .. } = clause {
                        times = times.saturating_mul(rounds(*iter));
                    }
                }
            }
            at = m.expr(e).parent;
        }
        let mut at = Some(expr.stmt);
        while let Some(stmt) = at {
            if let StmtKind::For { iter, .. } = m.stmt(stmt).kind {
                times = times.saturating_mul(rounds(iter));
            }
            at = m.stmt(stmt).parent;
        }
        most = most.max(times);
    }
    most
}

/// Whether a number of an assertion is part of what is expected, rather than of what is done for it: `assert out == ["a"] * 5000`.
pub(super) fn expected(m: &Module, number: ExprId) -> bool {
    let mut at = m.expr(number).parent;
    while let Some(e) = at {
        match &m.expr(e).kind {
            ExprKind::Compare { rest, .. } => return rest.iter().all(|(op, _)| *op == CompareOp::Eq),
            ExprKind::Call { func, .. } => {
                return matches!(m.expr(*func).kind, ExprKind::Attribute { attr, .. }
                    if matches!(m.name(attr), "assertEqual" | "assertEquals" | "assertListEqual" | "assertMultiLineEqual"));
            }
            ExprKind::Binary { .. } | ExprKind::List(_) | ExprKind::Tuple(_) => at = m.expr(e).parent,
            _ => return false,
        }
    }
    false
}

/// What a size or a number of rounds is for, where the syntax says it: a list of answers for a mock, a depth of nesting, a length that is
/// cut to measure, rounds whose time is taken.
pub(super) fn purpose(m: &Module, site: ExprId, regions: &[Span], old: u64) -> Option<String> {
    let stmt = m.expr(site).stmt;
    // `fetch.side_effect = [OperationalError] * 60_000`
    if let StmtKind::Assign { targets, .. } = &m.stmt(stmt).kind
        && targets.iter().any(|t| matches!(m.expr(*t).kind, ExprKind::Attribute { attr, .. } if m.name(attr) == "side_effect"))
    {
        return Some("a mock has to have an answer for every call".to_owned());
    }
    // `block = bytes(1024 * 1024)`, then `size // len(block)`: another length would leave a remainder.
    if let StmtKind::Assign { targets, .. } = &m.stmt(stmt).kind
        && let [target] = targets[..]
        && let ExprKind::Name(name) = m.expr(target).kind
        && let Some(quotient) = divided_by_length(m, regions, name)
    {
        return Some(format!("`{}` counts how many of it there are", m.text(quotient)));
    }
    // `"".join(… for i in range(9000))[:149051]`
    let mut at = Some(site);
    while let Some(e) = at {
        // `[x * 0.01 for x in range(1, 10000)]`: up to where the numbers go.
        if let ExprKind::Comprehension { element, .. } = m.expr(e).kind
            && let ExprKind::Binary { op: BinaryOp::Mul | BinaryOp::Div, left, right } = m.expr(element).kind
            && [left, right].iter().any(|x| matches!(m.expr(*x).kind, ExprKind::Float(_)))
        {
            return Some(format!("`{}` computes with it", m.text(element)));
        }
        // `b"\x81\x7e\xff\xff" + b"a" * 65535`: a head that says how long it is.
        if let ExprKind::Binary { op: BinaryOp::Add, left, right } = m.expr(e).kind
            && let Some(head) = [left, right]
                .into_iter()
                .find(|x| matches!(m.expr(*x).kind, ExprKind::Str { bytes: true, .. }) && m.text(*x).contains("\\x"))
        {
            return Some(format!("`{}` may hold its length", m.text(head).chars().take(40).collect::<String>()));
        }
        if let ExprKind::Subscript { index, .. } = m.expr(e).kind
            && matches!(m.expr(index).kind, ExprKind::Slice(_))
            && !m.expr(index).span.contains(m.expr(site).span)
        {
            return Some(format!("`[{}]` cuts it to measure", m.text(index)));
        }
        at = m.expr(e).parent;
    }
    if let StmtKind::For { body, .. } = &m.stmt(stmt).kind {
        // `value = [value]`
        for &id in body {
            if let StmtKind::Assign { targets, value: Some(value), .. } = &m.stmt(id).kind
                && let [target] = targets[..]
                && let ExprKind::Name(name) = m.expr(target).kind
                && let ExprKind::List(items) | ExprKind::Tuple(items) = &m.expr(*value).kind
                && items.iter().any(|i| matches!(m.expr(*i).kind, ExprKind::Name(n) if n == name))
            {
                return Some(format!("`{}` nests it so deep, which may be its point", m.source.slice(m.stmt(id).span)));
            }
        }
        let text = m.source.slice(m.stmt(stmt).span);
        if old >= super::MANY && regions.iter().any(|r| r.contains(m.expr(site).span)) {
            let clock = ["time.time()", "monotonic()", "perf_counter()", "default_timer()"].iter().find(|c| text.contains(**c));
            if let Some(clock) = clock {
                return Some(format!("`{clock}` takes the time of every round"));
            }
        }
    }
    None
}

/// Where the length of something divides another number.
fn divided_by_length(m: &Module, regions: &[Span], name: Symbol) -> Option<ExprId> {
    m.ast.exprs.iter().enumerate().find_map(|(i, expr)| {
        let ExprKind::Binary { op: BinaryOp::FloorDiv | BinaryOp::Mod, right, .. } = expr.kind else { return None };
        let ExprKind::Call { func, args, .. } = &m.expr(right).kind else { return None };
        let length = m.text(*func) == "len"
            && matches!(&args[..], [one] if matches!(m.expr(one.value).kind, ExprKind::Name(n) if n == name));
        (length && regions.iter().any(|r| r.contains(expr.span))).then(|| ExprId(u32::try_from(i).unwrap_or(u32::MAX)))
    })
}

/// A call or assignment in the given regions that says how many elements an array has to have.
pub(super) fn shaped(m: &Module, regions: &[Span]) -> Option<&'static str> {
    const SHAPES: &[&str] = &["reshape", ".shape =", ".resize("];
    regions.iter().find_map(|r| SHAPES.iter().copied().find(|w| m.source.slice(*r).contains(w)))
}

/// A call in the given regions that moves data through a buffer of the operating system, whose size nobody here knows.
///
/// Whatever sends what has the given name does, too.
pub(super) fn buffered(sem: &Semantics<'_>, m: &Arc<Module>, regions: &[Span], sent: Option<&str>) -> Option<String> {
    const METHODS: &[&str] = &[
        "sendall",
        "sendto",
        "sendfile",
        "sendmsg",
        "recv",
        "recv_into",
        "recvfrom",
        "makefile",
        "send_bytes",
        "recv_bytes",
        "drain",
        "communicate",
        "start_server",
        "open_connection",
        "create_connection",
        "create_server",
        "socketpair",
        "setblocking",
        "data_received",
        "received",
        "receive_data",
        "receive_some",
        "send_all",
        "feed",
        "feed_data",
        "sendbytes",
        "storbinary",
        "storlines",
        "retrbinary",
        "retrlines",
        "transfercmd",
        "listenTCP",
        "listenSSL",
        "listenUNIX",
        "connectTCP",
        "connectSSL",
    ];
    const LIBRARIES: &[&str] = &[
        "socket.",
        "ftplib.",
        "smtplib.",
        "http.client.",
        "subprocess.",
        "os.write",
        "os.pipe",
        "os.openpty",
        "pty.",
        "select.",
        "selectors.",
        "asyncio.subprocess.",
    ];
    m.ast.exprs.iter().find_map(|expr| {
        let ExprKind::Call { func, args, .. } = &expr.kind else { return None };
        let func = *func;
        if !regions.iter().any(|r| r.contains(expr.span)) {
            return None;
        }
        let moves = match m.expr(func).kind {
            ExprKind::Attribute { attr, value, .. } => {
                let name = m.name(attr);
                METHODS.contains(&name)
                    || name.starts_with("send") && args.iter().any(|a| Some(m.text(a.value)) == sent)
                    || matches!(name, "send" | "write")
                        && ["sock", "conn", "pipe", "transport", "stdin", "stream", "client", "server", "fd"]
                            .iter()
                            .any(|w| m.text(value).to_ascii_lowercase().contains(w))
                    || matches!(sem.type_of(m, func), Type::External(n) if LIBRARIES.iter().any(|l| n.starts_with(l)))
            }
            // `await send({…})` of an ASGI application
            ExprKind::Name(n) => METHODS.contains(&m.name(n)) || matches!(m.name(n), "send" | "receive"),
            _ => false,
        };
        moves.then(|| m.text(func).lines().next().unwrap_or_default().to_owned())
    })
}

/// Tests whose number of rounds is their point (HAZARDS row 20).
pub(super) fn statistical(m: &Module, regions: &[Span], dimension: Dimension) -> bool {
    const WORDS: &[&str] = &[
        "random",
        "gc.collect",
        "tracemalloc",
        "weakref",
        "uuid",
        "getrefcount",
        "collision",
        "leak",
        "RecursionError",
        "recursion",
        "hypothesis",
        "statistics.",
    ];
    regions.iter().any(|r| {
        let text = m.source.slice(*r);
        // Random bytes are as good as any other, however many.
        WORDS.iter().any(|w| (dimension == Dimension::Count || *w != "random") && text.contains(w))
    })
}
