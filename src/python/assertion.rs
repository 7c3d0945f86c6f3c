//! What assertions say: that something has come about, that nothing has, that a thread has ended.

use super::ast::{ArgKind, Clause, CompareOp, ExprId, ExprKind, StmtId, StmtKind};
use super::project::Module;

/// The statements after one in its block.
#[must_use]
pub fn following(m: &Module, stmt: StmtId) -> Vec<StmtId> {
    let mut out: Vec<StmtId> = Vec::new();
    let Some(parent) = m.stmt(stmt).parent else { return out };
    m.stmt(parent).kind.blocks(&mut |block| {
        if let Some(at) = block.iter().position(|s| *s == stmt) {
            out.extend(&block[at + 1..]);
        }
    });
    out
}

/// The statements before one in its block.
fn preceding(m: &Module, stmt: StmtId) -> Vec<StmtId> {
    let mut out: Vec<StmtId> = Vec::new();
    let Some(parent) = m.stmt(stmt).parent else { return out };
    m.stmt(parent).kind.blocks(&mut |block| {
        if let Some(at) = block.iter().position(|s| *s == stmt) {
            out.extend(&block[..at]);
        }
    });
    out
}

/// Whether one of the assertions right after a statement fails while a thread or process is alive.
#[must_use]
pub fn ended_after(m: &Module, stmt: StmtId, thread: &str) -> bool {
    let assertions = following(m, stmt).into_iter().take_while(|&next| asserted(m, next) != Asserted::Nothing);
    assertions.into_iter().any(|next| asserts_end(m, next, thread))
}

/// Whether a thread or process has ended when a statement is reached: before it, in its block, somebody has waited for that or
/// asserted it.
#[must_use]
pub fn ended_before(m: &Module, stmt: StmtId, thread: &str) -> bool {
    for before in preceding(m, stmt).into_iter().rev() {
        match &m.stmt(before).kind {
            StmtKind::While { test, body, .. } => {
                let leaves =
                    m.ast.stmts.iter().any(|s| matches!(s.kind, StmtKind::Break) && m.stmt(before).span.contains(s.span));
                return is_alive(m, *test, thread) && !leaves && !body.is_empty();
            }
            StmtKind::Expr(_) | StmtKind::Assert { .. } if asserts_end(m, before, thread) => return true,
            StmtKind::Expr(e) if !m.text(*e).starts_with(&format!("{thread}.")) => {}
            StmtKind::Assert { .. } => {}
            // It may be another thread by now, or started again.
            _ => return false,
        }
    }
    false
}

/// Whether a statement is an assertion that fails while a thread or process is alive: `assert not p.is_alive()`, in whatever way,
/// or `assert p.exitcode == 0`, which is `None` until then.
fn asserts_end(m: &Module, stmt: StmtId, thread: &str) -> bool {
    let exit = |e: ExprId| matches!(&m.expr(e).kind, ExprKind::Attribute { value, attr, .. } if m.name(*attr) == "exitcode" && m.text(*value) == thread);
    let number = |e: ExprId| match &m.expr(e).kind {
        ExprKind::Unary { operand, .. } => matches!(m.expr(*operand).kind, ExprKind::Int(_)),
        kind => matches!(kind, ExprKind::Int(_)),
    };
    match &m.stmt(stmt).kind {
        StmtKind::Assert { test, .. } => match &m.expr(*test).kind {
            ExprKind::Not(inner) => is_alive(m, *inner, thread),
            ExprKind::Compare { first, rest } => {
                matches!(rest[..], [(CompareOp::Eq, right)] if exit(*first) && number(right) || number(*first) && exit(right))
            }
            _ => false,
        },
        StmtKind::Expr(e) => {
            let ExprKind::Call { func, args, .. } = &m.expr(*e).kind else { return false };
            let ExprKind::Attribute { attr, .. } = m.expr(*func).kind else { return false };
            match (m.name(attr), &args[..]) {
                ("assertFalse", [alive, ..]) => is_alive(m, alive.value, thread),
                ("assertEqual", [a, b, ..]) => exit(a.value) && number(b.value) || number(a.value) && exit(b.value),
                _ => false,
            }
        }
        _ => false,
    }
}

/// `thread.is_alive()`
fn is_alive(m: &Module, e: ExprId, thread: &str) -> bool {
    let ExprKind::Call { func, .. } = m.expr(e).kind else { return false };
    matches!(m.expr(func).kind, ExprKind::Attribute { value, attr, .. } if m.name(attr) == "is_alive" && m.text(value) == thread)
}

/// Whether between two statements of one block nothing is done but looked: there are only assertions, which change nothing.
#[must_use]
pub fn only_looked(m: &Module, from: StmtId, to: StmtId) -> bool {
    let after = following(m, from);
    let looks = |stmt: &StmtId| matches!(asserted(m, *stmt), Asserted::Test(test) if observes(m, test));
    after.contains(&to) && after.iter().take_while(|stmt| **stmt != to).all(looks)
}

/// Whether one of the assertions right after a statement says that nothing has happened: `assert not x`, `assert x == []`.
#[must_use]
pub fn nothing_after(m: &Module, stmt: StmtId) -> bool {
    following(m, stmt).into_iter().map_while(|next| nothing_in(m, next)).any(|nothing| nothing)
}

/// What is asserted before a statement, and otherwise after it, while nothing is done in between: `assert q.size() == 0`, then
/// `assert q.size() == 1`.
#[must_use]
pub fn changes_over(m: &Module, stmt: StmtId) -> Option<ExprId> {
    let before = preceding(m, stmt);
    let read: Vec<&str> = before.iter().map(|s| m.source.slice(m.stmt(*s).span)).collect();
    let was: Vec<Claim<'_>> = before.iter().rev().map_while(|s| claim(m, *s)).collect();
    let again =
        |s: &StmtId| matches!(m.stmt(*s).kind, StmtKind::Assign { .. }) && read.contains(&m.source.slice(m.stmt(*s).span));
    let after = following(m, stmt).into_iter().filter(|s| !again(s)).map_while(|s| claim(m, s));
    let mut changed = after.filter(|now| was.iter().any(|c| m.text(c.what) == m.text(now.what) && c.is != now.is));
    changed.next().map(|now| now.what)
}

/// An assertion that something is something.
struct Claim<'a> {
    what: ExprId,
    is: &'a str,
}

fn claim(m: &Module, stmt: StmtId) -> Option<Claim<'_>> {
    let equal = |a: ExprId, b: ExprId| {
        let literal =
            |e: ExprId| !matches!(m.expr(e).kind, ExprKind::Name(_) | ExprKind::Attribute { .. } | ExprKind::Call { .. });
        if literal(a) { Claim { what: b, is: m.text(a) } } else { Claim { what: a, is: m.text(b) } }
    };
    match &m.stmt(stmt).kind {
        StmtKind::Assert { test, .. } => Some(match &m.expr(*test).kind {
            ExprKind::Compare { first, rest } if matches!(rest[..], [(CompareOp::Eq | CompareOp::Is, _)]) => {
                equal(*first, rest[0].1)
            }
            ExprKind::Not(inner) => Claim { what: *inner, is: "False" },
            _ => Claim { what: *test, is: "True" },
        }),
        StmtKind::Expr(e) => {
            let ExprKind::Call { func, args, .. } = &m.expr(*e).kind else { return None };
            let ExprKind::Attribute { attr, .. } = m.expr(*func).kind else { return None };
            match (m.name(attr), &args[..]) {
                ("assertEqual" | "assertEquals" | "assertIs", [a, b, ..]) => Some(equal(a.value, b.value)),
                ("assertTrue", [a, ..]) => Some(Claim { what: a.value, is: "True" }),
                ("assertFalse", [a, ..]) => Some(Claim { what: a.value, is: "False" }),
                ("assertIsNone", [a, ..]) => Some(Claim { what: a.value, is: "None" }),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The `with` around a statement that expects something to go wrong, and the call that says what.
#[must_use]
pub fn raises_around(m: &Module, stmt: StmtId) -> Option<(StmtId, ExprId)> {
    outwards(m, stmt).find_map(|around| {
        let StmtKind::With { items, .. } = &m.stmt(around).kind else { return None };
        let expected = items.iter().map(|(item, _)| *item).find(|item| expects_failure(m, *item))?;
        Some((around, expected))
    })
}

/// The `raises` whose block ends with a statement, or repeats it until something goes wrong.
#[must_use]
pub fn raises_over(m: &Module, stmt: StmtId) -> Option<ExprId> {
    let (around, expected) = raises_around(m, stmt)?;
    let StmtKind::With { body, .. } = &m.stmt(around).kind else { return None };
    let last = body.last().is_some_and(|last| m.stmt(*last).span.contains(m.stmt(stmt).span));
    let is_loop = |s: StmtId| matches!(m.stmt(s).kind, StmtKind::For { .. } | StmtKind::While { .. });
    (last || outwards(m, stmt).take_while(|s| *s != around).any(is_loop)).then_some(expected)
}

/// The statements around one, from the inside out.
fn outwards(m: &Module, stmt: StmtId) -> impl Iterator<Item = StmtId> {
    std::iter::successors(m.stmt(stmt).parent, |s| m.stmt(*s).parent)
}

/// `pytest.raises(…)`, `self.assertRaises(…)`
#[must_use]
pub fn expects_failure(m: &Module, e: ExprId) -> bool {
    let ExprKind::Call { func, .. } = m.expr(e).kind else { return false };
    let (ExprKind::Name(n) | ExprKind::Attribute { attr: n, .. }) = m.expr(func).kind else { return false };
    matches!(m.name(n), "raises" | "assertRaises" | "assertRaisesRegex" | "assertRaisesRegexp")
}

/// Whether an assertion says that nothing has happened; `None` for any other statement.
fn nothing_in(m: &Module, stmt: StmtId) -> Option<bool> {
    match &m.stmt(stmt).kind {
        StmtKind::Assert { test, .. } => Some(nothing(m, *test)),
        StmtKind::Expr(e) => {
            let ExprKind::Call { func, args, .. } = &m.expr(*e).kind else { return None };
            let name = m.text(*func).rsplit('.').next().unwrap_or_default();
            name.starts_with("assert").then(|| match name {
                "assertFalse" | "assertIsNone" | "assertNotIn" | "assert_not_called" => true,
                // That a number is zero may as well be what has come about.
                "assertEqual" => args.iter().take(2).any(|a| {
                    empty(m, a.value)
                        && matches!(m.expr(a.value).kind, ExprKind::List(_) | ExprKind::Dict(_) | ExprKind::Call { .. })
                }),
                _ => false,
            })
        }
        _ => None,
    }
}

/// Whether a condition says that something is as it was in the beginning.
fn nothing(m: &Module, e: ExprId) -> bool {
    match &m.expr(e).kind {
        ExprKind::Not(_) => true,
        ExprKind::Compare { first, rest } => rest.iter().any(|&(op, right)| match op {
            CompareOp::Eq | CompareOp::Is => empty(m, right) || empty(m, *first),
            CompareOp::NotIn => true,
            _ => false,
        }),
        _ => false,
    }
}

/// What a statement asserts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asserted {
    /// It is no assertion.
    Nothing,
    /// That an expression is true.
    Test(ExprId),
    /// An assertion in a shape that is not taken apart: `self.assertEqual(a, b)`.
    Unreadable,
}

/// What a statement asserts.
#[must_use]
pub fn asserted(m: &Module, stmt: StmtId) -> Asserted {
    match &m.stmt(stmt).kind {
        StmtKind::Assert { test, .. } => Asserted::Test(*test),
        StmtKind::Expr(e) => {
            let ExprKind::Call { func, args, .. } = &m.expr(*e).kind else { return Asserted::Nothing };
            let ExprKind::Attribute { attr, .. } = m.expr(*func).kind else { return Asserted::Nothing };
            match m.name(attr) {
                "assertTrue" if args.len() == 1 => Asserted::Test(args[0].value),
                name if name.starts_with("assert") => Asserted::Unreadable,
                _ => Asserted::Nothing,
            }
        }
        _ => Asserted::Nothing,
    }
}

/// Whether an assertion says that something has come about, rather than that nothing has.
#[must_use]
pub fn positive(m: &Module, e: ExprId) -> bool {
    match &m.expr(e).kind {
        ExprKind::Bool2 { left, right, .. } => positive(m, *left) && positive(m, *right),
        ExprKind::Compare { first, rest } => rest.iter().all(|&(op, right)| match op {
            CompareOp::Eq => !empty(m, right) && !empty(m, *first),
            CompareOp::Is => matches!(m.expr(right).kind, ExprKind::Bool(true)),
            CompareOp::In | CompareOp::Gt | CompareOp::GtE => true,
            CompareOp::Lt | CompareOp::LtE | CompareOp::NotEq | CompareOp::NotIn => false,
            CompareOp::IsNot => matches!(m.expr(right).kind, ExprKind::None),
        }),
        ExprKind::Name(_) | ExprKind::Attribute { .. } | ExprKind::Call { .. } => !goes_on(m, e),
        _ => false,
    }
}

/// What something is before anything has happened.
fn empty(m: &Module, e: ExprId) -> bool {
    match &m.expr(e).kind {
        ExprKind::Int(Some(0)) | ExprKind::Bool(false) | ExprKind::None => true,
        ExprKind::Float(f) => *f == 0.0,
        ExprKind::List(items) | ExprKind::Tuple(items) | ExprKind::Set(items) => items.is_empty(),
        ExprKind::Dict(items) => items.is_empty(),
        ExprKind::Str { len, .. } => *len == Some(0),
        ExprKind::Call { func, args, .. } => args.is_empty() && matches!(m.text(*func), "set" | "list" | "dict" | "tuple"),
        _ => false,
    }
}

/// Names of what is true from the start and has to stay so.
fn goes_on(m: &Module, e: ExprId) -> bool {
    let name = match m.expr(e).kind {
        ExprKind::Name(n) | ExprKind::Attribute { attr: n, .. } => m.name(n),
        ExprKind::Call { func, .. } => match m.expr(func).kind {
            ExprKind::Name(n) | ExprKind::Attribute { attr: n, .. } => m.name(n),
            _ => "",
        },
        _ => "",
    };
    let name = name.to_ascii_lowercase();
    ["alive", "running", "connected", "active", "open", "locked", "healthy", "valid"].iter().any(|w| name.contains(w))
        || matches!(name.as_str(), "all" | "isinstance" | "hasattr" | "empty")
}

/// Whether evaluating an expression only looks: asked again, it changes nothing.
#[must_use]
pub fn observes(m: &Module, e: ExprId) -> bool {
    let all = |items: &[ExprId]| items.iter().all(|&i| observes(m, i));
    match &m.expr(e).kind {
        ExprKind::Name(_)
        | ExprKind::Int(_)
        | ExprKind::Float(_)
        | ExprKind::Str { .. }
        | ExprKind::Bool(_)
        | ExprKind::None
        | ExprKind::Imaginary
        | ExprKind::Ellipsis => true,
        ExprKind::Attribute { value, .. } => observes(m, *value),
        ExprKind::Subscript { value, index } => observes(m, *value) && observes(m, *index),
        ExprKind::Slice(items) | ExprKind::List(items) | ExprKind::Tuple(items) | ExprKind::Set(items) => all(items),
        ExprKind::Dict(items) => items.iter().all(|&(k, v)| k.is_none_or(|k| observes(m, k)) && observes(m, v)),
        ExprKind::Unary { operand: x, .. } | ExprKind::Not(x) | ExprKind::Starred(x) => observes(m, *x),
        ExprKind::Binary { left, right, .. } | ExprKind::Bool2 { left, right, .. } => observes(m, *left) && observes(m, *right),
        ExprKind::Compare { first, rest } => observes(m, *first) && rest.iter().all(|&(_, r)| observes(m, r)),
        ExprKind::IfElse { test, then, otherwise } => all(&[*test, *then, *otherwise]),
        ExprKind::Comprehension { element, value, clauses, .. } => {
            observes(m, *element)
                && value.is_none_or(|v| observes(m, v))
                && clauses.iter().all(|c| match c {
                    Clause::For { iter, is_async, .. } => !is_async && observes(m, *iter),
                    Clause::If(test) => observes(m, *test),
                })
        }
        ExprKind::Call { func, args, .. } => {
            let known = match m.expr(*func).kind {
                ExprKind::Name(n) => matches!(
                    m.name(n),
                    "len"
                        | "any"
                        | "all"
                        | "sum"
                        | "sorted"
                        | "list"
                        | "set"
                        | "tuple"
                        | "dict"
                        | "min"
                        | "max"
                        | "str"
                        | "int"
                        | "repr"
                        | "isinstance"
                        | "getattr"
                        | "hasattr"
                        | "frozenset"
                        | "bool"
                ),
                ExprKind::Attribute { value, attr, .. } => {
                    observes(m, value)
                        && matches!(
                            m.name(attr),
                            "is_set"
                                | "isSet"
                                | "qsize"
                                | "empty"
                                | "full"
                                | "exists"
                                | "is_file"
                                | "is_dir"
                                | "done"
                                | "count"
                                | "startswith"
                                | "endswith"
                                | "read_text"
                                | "read_bytes"
                                | "keys"
                                | "values"
                                | "items"
                                | "copy"
                                | "is_alive"
                                | "index"
                                | "strip"
                                | "lower"
                                | "upper"
                                | "split"
                                | "cancelled"
                                | "running"
                        )
                }
                _ => false,
            };
            known && args.iter().all(|a| a.kind != ArgKind::DoubleStar && observes(m, a.value))
        }
        _ => false,
    }
}
