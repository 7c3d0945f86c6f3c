//! What says that how much a test takes is its point: boundaries, names, words, buffers of the operating system, statistics.

use std::sync::Arc;

use super::Dimension;
use crate::python::ast::{BinaryOp, ExprId, ExprKind, StmtId, StmtKind, Symbol};
use crate::python::project::Module;
use crate::python::semantics::{Semantics, Type};
use crate::source::Span;

/// A number that sits at a boundary (HAZARDS row 19): beyond 2³¹, one beside a power of two, or the size of a pipe's buffer.
pub(super) fn boundary(n: u64, dimension: Dimension) -> Option<String> {
    if n >= 1 << 31 {
        return Some(format!("{n} is beyond 2³¹, which may be its point"));
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

/// Whether a test's name says that its size or number of rounds is what it is about (HAZARDS rows 15, 19 to 21).
pub(super) fn is_the_point(name: &str, dimension: Dimension) -> bool {
    const ALWAYS: &[&str] = &[
        "overflow",
        "recursi",
        "quadratic",
        "perf",
        "benchmark",
        "stress",
        "hammer",
        "torture",
        "soak",
        "flood",
        "exhaust",
        "oom",
        "fuzz",
        "deep",
        "nest",
        "trash",
        "race",
        "contention",
        "speed",
        "throughput",
        "scalab",
        "optimi",
    ];
    const SIZES: &[&str] = &[
        "memory",
        "leak",
        "pipe",
        "buffer",
        "chunk",
        "expan",
        "rotat",
        "rollover",
        "spill",
        "flow",
        "window",
        "fragment",
        "framing",
        "backpressure",
        "socket",
        "stdin",
        "stdout",
        "stream",
        "limit",
    ];
    let lower = name.to_ascii_lowercase();
    lower.split('_').any(|part| {
        let starts = |words: &[&str]| words.iter().any(|w| part.starts_with(w));
        starts(ALWAYS) || dimension == Dimension::Size && starts(SIZES)
    })
}

/// Whether the name of a helper says that what it makes is large.
pub(super) fn makes_much(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    !lower.starts_with("test") && lower.split('_').any(|part| matches!(part, "large" | "big" | "huge" | "long"))
}

/// A comment beside a statement that holds its size against something else: `# well over the limit`.
pub(super) fn compared_in_a_comment(m: &Module, stmt: StmtId) -> Option<String> {
    const WORDS: &[&str] = &["over", "above", "beyond", "exceed", "exceeds", "than", "bigger", "larger", "longer", "enough"];
    let line = m.source.line(m.source.line_of(m.stmt(stmt).span.end));
    let (_, comment) = line.split_once(" #")?;
    let compares = comment.split(|c: char| !c.is_alphanumeric()).any(|word| WORDS.contains(&word.to_ascii_lowercase().as_str()));
    compares.then(|| format!("`#{}`", comment.chars().take(50).collect::<String>()))
}

/// A word in the text of the given regions that says that much is needed: to overflow, to crash, to take for ever.
pub(super) fn needs_much(m: &Module, regions: &[Span]) -> Option<&'static str> {
    const WORDS: &[&str] = &[
        "overflow",
        "segfault",
        "recursion",
        "recursive",
        "deeply",
        "redos",
        "quadratic",
        "backtracking",
        "trashcan",
        "exponential",
        "catastrophic",
        "crash",
        "realloc",
        "too long",
        "too_long",
        "toolong",
        "malicious",
        "tracemalloc",
        "stress",
        "buffer",
        "very big",
        "very large",
        "perf_counter",
        "process_time",
        "exceed",
        "larger than",
        "bigger than",
        "longer than",
        "size limit",
        "truncat",
        "optimiz",
        "settime(",
        "set_time(",
    ];
    regions.iter().find_map(|r| {
        let text = m.source.slice(*r).to_ascii_lowercase();
        WORDS.iter().copied().find(|w| text.contains(w))
    })
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
    let mut at = m.expr(site).parent;
    while let Some(e) = at {
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
pub(super) fn buffered(sem: &Semantics<'_>, m: &Arc<Module>, regions: &[Span]) -> Option<String> {
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
        let ExprKind::Call { func, .. } = expr.kind else { return None };
        if !regions.iter().any(|r| r.contains(expr.span)) {
            return None;
        }
        let moves = match m.expr(func).kind {
            ExprKind::Attribute { attr, value, .. } => {
                let name = m.name(attr);
                METHODS.contains(&name)
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

/// A string that holds the number: `b"Content-Length: 100000"`, or `"2MB"` for a size of 2,000,000.
pub(super) fn named(m: &Module, regions: &[Span], stmt: StmtId, n: u64) -> Option<String> {
    if n < 10 {
        return None;
    }
    let own = m.stmt(stmt).span;
    let own = if matches!(m.stmt(stmt).kind, StmtKind::Assign { .. } | StmtKind::Expr(_)) { own } else { Span::at(0) };
    let mut wanted = vec![n.to_string()];
    for (unit, letter) in [(1_000, 'k'), (1_000_000, 'm'), (1_000_000_000, 'g'), (1 << 10, 'k'), (1 << 20, 'm'), (1 << 30, 'g')] {
        if n >= unit && n.is_multiple_of(unit) {
            wanted.push(format!("{}{letter}", n / unit));
        }
    }
    let names = |text: &str| {
        let plain: Vec<char> = text.to_ascii_lowercase().chars().filter(|c| !matches!(c, ' ' | ',' | '_')).collect();
        let digit = |i: Option<usize>| i.and_then(|i| plain.get(i)).is_some_and(char::is_ascii_digit);
        wanted.iter().any(|w| {
            let w: Vec<char> = w.chars().collect();
            plain.windows(w.len()).enumerate().any(|(at, window)| {
                let (before, after) = (at.checked_sub(1), at + w.len());
                let decimal =
                    |dot: Option<usize>, next: Option<usize>| dot.and_then(|i| plain.get(i)) == Some(&'.') && digit(next);
                window == w
                    && !digit(before)
                    && !decimal(before, at.checked_sub(2))
                    && if w.last().is_some_and(char::is_ascii_digit) {
                        !digit(Some(after)) && !decimal(Some(after), Some(after + 1))
                    } else {
                        plain.get(after).is_none_or(|c| !c.is_ascii_alphanumeric() || matches!(c, 'b' | 'i'))
                    }
            })
        })
    };
    let string = m.ast.exprs.iter().find_map(|expr| {
        let near = own.contains(expr.span) || regions.iter().any(|r| r.contains(expr.span));
        let text = m.source.slice(expr.span);
        (matches!(expr.kind, ExprKind::Str { .. }) && near && text.len() <= 400 && names(text))
            .then(|| format!("`{}`", text.lines().next().unwrap_or_default().chars().take(50).collect::<String>()))
    });
    string.or_else(|| {
        // A comment would go on saying what is no longer true.
        [own].iter().chain(regions).flat_map(|r| m.source.slice(*r).lines()).find_map(|line| {
            let comment =
                line.split_once(" #").or_else(|| line.trim_start().split_once('#').filter(|(code, _)| code.is_empty()))?.1;
            names(comment).then(|| format!("the comment `#{}`", comment.chars().take(50).collect::<String>()))
        })
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
