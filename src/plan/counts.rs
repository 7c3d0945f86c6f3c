//! Counts and sizes that belong together: a number of threads and the `== 10` that asserts it, a length and its check.
//!
//! A count is looked for in the whole function that uses it (and, for a constant, in every function that names it). Each other
//! number there is either explained by the count (it is the count, one less, a product with another loop, a sum of the range)
//! and moves with it, or harmless, or unexplained: then nothing moves and the finding says which number stood in the way.

mod point;
mod said;

use std::sync::Arc;

use self::point::{boundary, buffered, exact, expected, purpose, raises, shaped, statistical, together};
use self::said::{
    compared_in_a_comment, digested, is_the_point, makes_much, measures_speed, named, needs_much, says_its_size, told,
};
use super::number::{format_like, rewrite_number};
use crate::discover::Role;
use crate::edit::Edit;
use crate::python::ast::{ArgKind, BinaryOp, ExprId, ExprKind, StmtId, StmtKind, Symbol};
use crate::python::project::Module;
use crate::python::semantics::{Semantics, Type};
use crate::python::value::{Constant, Env, Term};
use crate::source::Span;

/// A plan for one count.
#[derive(Debug)]
pub struct CountPlan {
    /// All edits.
    pub edits: Vec<Edit>,
    /// Value before.
    pub before: u64,
    /// Value after.
    pub after: u64,
    /// Identifies the count.
    pub group: String,
}

/// What kind of number is being made smaller; decides what the other numbers around it may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// Threads, workers, iterations.
    Count,
    /// Bytes, characters, elements.
    Size,
}

/// Plans to bring the count written in `constant` down to `target` (in the count's own unit).
///
/// # Errors
/// With the reason, when a number nearby may depend on it in a way that cannot be seen.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // counts are checked to be whole and small
pub fn plan(
    sem: &Semantics<'_>,
    m: &Arc<Module>,
    site: ExprId,
    constant: &Constant,
    target: u64,
    dimension: Dimension,
) -> Result<CountPlan, String> {
    if constant.several {
        return Err("it takes several values in turn".to_owned());
    }
    let [term] = &constant.terms[..] else {
        return Err("the number is computed from several others".to_owned());
    };
    if term.module.role == Role::Product {
        return Err("the number comes from product code".to_owned());
    }
    if term.module.file != m.file {
        return Err(format!("the number is shared with other files through {}", file_name(&term.module)));
    }
    if term.value.fract() != 0.0 || term.value < 0.0 || term.factor <= 0.0 {
        return Err("the number is not a count".to_owned());
    }
    let old = term.value as u64;
    let mut floor = 2;
    if let Some(why) = boundary(old, dimension).or_else(|| boundary(constant.count(), dimension)) {
        return Err(why);
    }
    if dimension == Dimension::Size
        && constant.offset.abs() < 1e-9
        && let Some(why) = exact(m, term.expr, old)
    {
        return Err(why);
    }
    let home = m.expr(site).stmt;
    let functions = functions_using(sem, m, site, term);
    if functions.is_empty() {
        return Err("what it is used for is not seen here".to_owned());
    }
    let regions: Vec<Span> = functions.iter().map(|&f| m.stmt(f).span).collect();
    if let Some(name) =
        functions.iter().filter_map(|&f| m.function(f)).map(|f| m.name(f.name)).find(|n| is_the_point(n, dimension))
    {
        return Err(format!("`{name}` says that how much it takes is the point"));
    }
    if dimension == Dimension::Size
        && let Some(name) =
            m.scopes.function_around(home).and_then(|f| m.function(f)).map(|f| m.name(f.name)).filter(|n| makes_much(n))
    {
        return Err(format!("`{name}` says that it is to be large"));
    }
    // What the number is kept under, and what is made with it.
    let [number, name] = [m.expr(term.expr).stmt, home].map(|s| assigned_name(m, s));
    if dimension == Dimension::Size {
        let functions = functions.iter().filter_map(|&f| m.function(f)).map(|f| m.name(f.name));
        let variables = number.into_iter().chain(name).map(|n| (n, false));
        if let Some((says, _)) = variables.chain(functions.map(|n| (n, true))).find(|(n, function)| says_its_size(n, *function)) {
            return Err(format!("`{says}` says how large it is to be"));
        }
    }
    if measures_speed(m, &sem.suite.root) && (dimension == Dimension::Size || old >= MANY) {
        return Err("where it is says that it is about speed".to_owned());
    }
    if let Some(expected) = raises(m, &regions, site, name.filter(|_| dimension == Dimension::Size)) {
        return Err(format!("`{}` may expect that it is so much", m.text(expected).lines().next().unwrap_or_default()));
    }
    if dimension == Dimension::Size
        && let Some(digest) = digested(m, &regions)
    {
        return Err(format!("{digest} may be its digest"));
    }
    if dimension == Dimension::Size
        && let Some(comment) = [m.expr(term.expr).stmt, home].into_iter().find_map(|s| compared_in_a_comment(m, s))
    {
        return Err(format!("the comment {comment} says how large it has to be"));
    }
    if (dimension == Dimension::Size || old >= MANY)
        && let Some(word) = needs_much(m, &regions)
    {
        return Err(format!("the test speaks of `{word}`: that it takes much may be the point"));
    }
    if let Some(why) = purpose(m, site, &regions, old) {
        return Err(why);
    }
    if (dimension == Dimension::Size || old >= MANY)
        && let Some(name) = assigned_name(m, m.expr(term.expr).stmt)
        && ["max", "limit", "threshold"].iter().any(|w| name.to_ascii_lowercase().contains(w))
    {
        return Err(format!("`{name}` is a limit"));
    }
    if (dimension == Dimension::Size || old >= MANY)
        && let Some(call) = buffered(sem, m, &regions, name)
    {
        return Err(format!("`{call}` moves it through a socket, pipe or process, whose buffers it may have to fill"));
    }
    if dimension == Dimension::Size
        && let Some(shape) = shaped(m, &regions)
    {
        return Err(format!("`{shape}` takes exactly so many elements"));
    }
    // Numbers of the functions that use the count, the count itself left out.
    let mut numbers: Vec<(ExprId, u64)> = Vec::new();
    // What is said in one breath belongs together: the input and the expected output of a case in a table.
    let beside = if matches!(m.stmt(home).kind, StmtKind::Assign { .. }) { m.stmt(home).span } else { Span::at(0) };
    for (i, expr) in m.ast.exprs.iter().enumerate() {
        let id = ExprId(u32::try_from(i).unwrap_or(u32::MAX));
        if let ExprKind::Int(Some(v)) = expr.kind
            && (regions.iter().any(|r| r.contains(expr.span)) || beside.contains(expr.span))
            && !m.expr(term.expr).span.contains(expr.span)
            && let Ok(v) = u64::try_from(v)
        {
            numbers.push((id, v));
        }
    }
    if let Some(text) =
        named(m, &regions, m.expr(term.expr).stmt, old.max(constant.count())).or_else(|| named(m, &regions, home, old))
    {
        return Err(format!("{text} names it"));
    }
    // A limit that the count exceeds must still be exceeded: saturation is what such a test is about.
    for &(e, v) in &numbers {
        // `handler.write_limit = 32768`: by how much it is exceeded may matter, too.
        if dimension == Dimension::Size
            && v > 1
            && v < constant.count()
            && m.expr(e).parent.is_none()
            && assigned_name(m, m.expr(e).stmt).is_some_and(limit_name)
        {
            return Err(format!("it is beyond the limit that `{}` sets", line_of(m, e)));
        }
        if v < old && is_limit(m, e) {
            floor = floor.max(v + 1);
        }
    }
    let much = dimension == Dimension::Size || old >= MANY;
    let all = match name {
        Some(name) if dimension == Dimension::Size => together(sem, m, &regions, name).saturating_mul(constant.count()),
        _ => 0,
    };
    for ProductLimit { value: limit, name, used } in product_limits(sem, m, &regions, much) {
        // A limit in bytes for what is written as repetitions: it stays exceeded by a tenth.
        let each = term.factor as u64;
        if dimension == Dimension::Size && each > 1 && limit < constant.count() {
            floor = floor.max(limit / each + limit / each / 10 + 1);
        }
        if limit >= constant.count() && limit <= all {
            return Err(format!("all together exceed the product's `{name}` of {limit}"));
        }
        // Of a limit that is only somewhere in reach it is not known whether it is this one; close to it, nothing is gained.
        if much && limit >= target && limit < old && limit.saturating_mul(4) > old && !used {
            return Err(format!("it exceeds the product's `{name}` of {limit}"));
        }
        if limit < old && limit >= target.max(floor) {
            if dimension == Dimension::Size || limit + 1 < old {
                floor = floor.max(limit + 1);
            } else {
                return Err(format!("it exceeds the product's `{name}` of {limit}"));
            }
        } else if limit < old && dimension == Dimension::Count {
            floor = floor.max(limit + 1);
        }
    }
    // `range(1, 11)`, `range(N - 1)`: what is written is more than what it counts.
    let extra = if (term.factor - 1.0).abs() < 1e-9 && constant.offset < 0.0 { -constant.offset as u64 } else { 0 };
    let new = (target + extra).max(floor);
    if new >= old {
        return Err(format!("it cannot get smaller than {floor} without losing what the test shows"));
    }
    if new.saturating_mul(3) > old.saturating_mul(2) {
        return Err(format!("{new} instead of {old} would gain next to nothing"));
    }
    let mut edits = vec![rewritten(m, term.expr, term.value, new as f64)?];
    let others: Vec<u64> = numbers.iter().filter(|(e, _)| is_iteration(m, *e)).map(|(_, v)| *v).filter(|v| *v > 1).collect();
    for &(e, v) in &numbers {
        let place = place(m, e);
        if place == Place::Unrelated {
            // `if len(results) == 10: done.set()`: in step with the count, or nobody is ever done.
            if v == old && compared(m, e) {
                edits.push(rewritten(m, e, v as f64, new as f64)?);
            } else if v == old && v >= 5 && computed_with(m, e) {
                return Err(format!("{v} is also used in `{}`", line_of(m, e)));
            }
            continue;
        }
        // `b"a" + b".a" * 99_999` beside `[b"a"] * 100_000`
        if v >= 5 && v.abs_diff(old) == 1 && matches!(place, Place::Iteration | Place::Party | Place::Argument) {
            return Err(format!("{v} in `{}` is one beside {old}: they may belong together", line_of(m, e)));
        }
        // Five consumers of 200 items each against a producer of 1,000.
        if v != old
            && matches!(place, Place::Iteration | Place::Party | Place::Argument)
            && v > old
            && v % old == 0
            && numbers.iter().any(|&(o, w)| o != e && w > 1 && old.checked_mul(w) == Some(v))
        {
            return Err(format!("{v} in `{}` is {old} × {}: they may belong together", line_of(m, e), v / old));
        }
        if v == old && matches!(place, Place::Assertion | Place::Iteration | Place::Party) {
            edits.push(rewritten(m, e, v as f64, new as f64)?);
            continue;
        }
        match place {
            Place::Index if v >= new && v < old => {
                return Err(format!("`[{v}]` picks an element that would not be there"));
            }
            Place::Assertion if v >= 2 => {
                let derived = derive(v, old, new, &others);
                match derived {
                    Some(_) if told(m, m.expr(e).stmt, v) => {
                        return Err(format!("a message in `{}` names {v}", line_of(m, e)));
                    }
                    Some(value) => edits.push(rewritten(m, e, v as f64, value as f64)?),
                    None if harmless(m, e, v, dimension) => {}
                    // The size or count of something else that is built here.
                    None if numbers
                        .iter()
                        .any(|&(o, w)| w == v && matches!(self::place(m, o), Place::Iteration | Place::Party)) => {}
                    None => return Err(format!("`{}` may depend on it", line_of(m, e))),
                }
            }
            Place::Argument if v == old => {
                return Err(format!("{v} is also passed on in `{}`", line_of(m, e)));
            }
            _ => {}
        }
    }
    if (dimension == Dimension::Count || old >= MANY) && statistical(m, &regions, dimension) {
        return Err("the test draws random numbers or looks for leaks or collisions: how many it takes is the point".to_owned());
    }
    edits.sort();
    edits.dedup();
    if edits.len() == 1 && m.expr(term.expr).stmt == home && expected(m, term.expr) {
        return Err(format!("`{}` is what is expected", line_of(m, term.expr)));
    }
    let span = m.expr(term.expr).span;
    Ok(CountPlan { edits, before: old - extra, after: new - extra, group: format!("count:{}:{}", file_name(m), span.start) })
}

/// From here on a loop is long, not a number of parties.
const MANY: u64 = 1000;

/// Whether a number is computed with or kept under a name of its own that is no duration: `expected = (10_000**2 - 1) / 12`.
fn computed_with(m: &Module, e: ExprId) -> bool {
    let mut at = m.expr(e).parent;
    while let Some(p) = at {
        match m.expr(p).kind {
            ExprKind::Call { .. } | ExprKind::Subscript { .. } => return false,
            _ => at = m.expr(p).parent,
        }
    }
    match &m.stmt(m.expr(e).stmt).kind {
        StmtKind::Assign { .. } => {
            assigned_name(m, m.expr(e).stmt).is_none_or(|n| super::durations::duration_name(n).is_none())
                && m.expr(e).parent.is_some()
        }
        StmtKind::Return(_) | StmtKind::AugAssign { .. } => true,
        _ => false,
    }
}

/// Whether a number is compared with in a condition.
fn compared(m: &Module, e: ExprId) -> bool {
    let mut at = m.expr(e).parent;
    while let Some(p) = at {
        if matches!(m.expr(p).kind, ExprKind::Compare { .. }) {
            return true;
        }
        at = m.expr(p).parent;
    }
    false
}

/// The name a statement assigns to.
fn assigned_name(m: &Module, stmt: StmtId) -> Option<&str> {
    match &m.stmt(stmt).kind {
        StmtKind::Assign { targets, .. } => match m.expr(*targets.first()?).kind {
            ExprKind::Name(n) | ExprKind::Attribute { attr: n, .. } => Some(m.name(n)),
            _ => None,
        },
        _ => None,
    }
}

fn file_name(m: &Module) -> String {
    m.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn line_of(m: &Module, e: ExprId) -> String {
    m.source.line(m.source.line_of(m.expr(e).span.start)).trim().to_owned()
}

fn rewritten(m: &Arc<Module>, e: ExprId, old: f64, new: f64) -> Result<Edit, String> {
    let text = m.text(e);
    let mut span = m.expr(e).span;
    let content = match m.expr(e).kind {
        ExprKind::Int(_) => rewrite_number(text, old, new),
        // `int(1e6)` stays a power of ten, or it reads as a measurement.
        ExprKind::Float(_) => rewrite_number(text, old, new)
            .filter(|c| c.find(['e', 'E']).is_some_and(|at| at <= 2 && !c[..at].contains('.') || at <= 1)),
        _ => {
            // `(1024 * 1024)`: one number needs no parentheses, unless they are a call's.
            let source = m.source.text();
            let (before, after) = (&source[..span.start as usize], &source[span.end as usize..]);
            if let Some(rest) = before.strip_suffix('(')
                && after.starts_with(')')
                && rest.trim_end().ends_with(['*', '+', '-', '/', '%', '=', ',', '(', '[', ':'])
            {
                span = Span::new(span.start - 1, span.end + 1);
            }
            // `int(5 * 1e5)`: a whole number needs nobody to make it one.
            if let Some(rest) = before.strip_suffix("int(")
                && after.starts_with(')')
                && !rest.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.'))
            {
                span = Span::new(span.start - 4, span.end + 1);
                Some(format!("{new}"))
            } else {
                format_like(text, new)
            }
        }
    };
    content.map(|c| Edit::replace(&m.file, span, c)).ok_or_else(|| format!("`{text}` cannot be written as {new}"))
}

/// The functions (outermost, as `def` statements) whose numbers may depend on the count.
fn functions_using(sem: &Semantics<'_>, m: &Arc<Module>, site: ExprId, term: &Term) -> Vec<StmtId> {
    let outermost = |stmt: StmtId| crate::python::ended::outermost(m, stmt);
    let mut out: Vec<StmtId> = outermost(m.expr(site).stmt).into_iter().collect();
    let home = m.expr(term.expr).stmt;
    out.extend(outermost(home));
    // A constant, or what is built from it outside of any function: every function that names it.
    let mut names = Vec::new();
    let note = |stmt: StmtId, names: &mut Vec<Symbol>| {
        if let StmtKind::Assign { targets, .. } = &m.stmt(stmt).kind {
            for &target in targets {
                if let ExprKind::Name(n) | ExprKind::Attribute { attr: n, .. } = m.expr(target).kind
                    && !names.contains(&n)
                {
                    names.push(n);
                }
            }
        }
    };
    for stmt in [home, m.expr(site).stmt] {
        let constant = matches!(&m.stmt(stmt).kind, StmtKind::Assign { value: Some(value), .. }
            if sem.constant(m, *value, &Env::default()).is_some_and(|c| c.terms.iter().any(|t| t.same(term))));
        if constant || outermost(stmt).is_none() {
            note(stmt, &mut names);
        }
    }
    let mut known = 0;
    while known < names.len() {
        let name = names[known];
        known += 1;
        for expr in &m.ast.exprs {
            let mentions = match expr.kind {
                ExprKind::Name(n) => n == name,
                ExprKind::Attribute { attr, .. } => attr == name,
                _ => false,
            };
            if mentions {
                match outermost(expr.stmt) {
                    Some(f) => out.push(f),
                    None if matches!(m.stmt(expr.stmt).kind, StmtKind::Assign { .. })
                        && m.stmt(expr.stmt).parent.is_none_or(|p| matches!(m.stmt(p).kind, StmtKind::Class(_))) =>
                    {
                        note(expr.stmt, &mut names);
                    }
                    // Statements that run at import: what they do with it is not followed.
                    None if !matches!(m.stmt(expr.stmt).kind, StmtKind::Function(_) | StmtKind::Class(_)) => return Vec::new(),
                    None => {}
                }
            }
        }
    }
    out.sort();
    out.dedup();
    // What is set up is used by every method of its class.
    for f in out.clone() {
        let setup = m.function(f).is_some_and(|f| {
            matches!(m.name(f.name), "setUp" | "setUpClass" | "asyncSetUp" | "setup_method" | "setup_class" | "setup")
        });
        if setup && let Some(class) = m.scopes.class_of(f).and_then(|c| m.class(c)) {
            out.extend(class.body.iter().copied().filter(|&s| m.function(s).is_some()));
        }
    }
    out.sort();
    out.dedup();
    // The helpers and workers that these functions name.
    let named: Vec<StmtId> = m
        .ast
        .exprs
        .iter()
        .enumerate()
        .filter(|(_, e)| matches!(e.kind, ExprKind::Name(_) | ExprKind::Attribute { .. }))
        .filter(|(_, e)| out.iter().any(|&f| m.stmt(f).span.contains(e.span)))
        .filter_map(|(i, _)| match sem.type_of(m, ExprId(u32::try_from(i).ok()?)) {
            Type::Function(def) if def.module.file == m.file => outermost(def.stmt),
            _ => None,
        })
        .collect();
    out.extend(named);
    out.sort();
    out.dedup();
    out
}

/// Where a number stands, as far as it matters to a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In an `assert` or an `assertEqual`.
    Assertion,
    /// In a `range(…)`.
    Iteration,
    /// Parties of a barrier, workers of a pool, permits, a repetition.
    Party,
    /// In a subscript.
    Index,
    /// An argument of another call.
    Argument,
    /// Nothing to do with counts: a duration, a default, plain arithmetic.
    Unrelated,
}

fn place(m: &Module, e: ExprId) -> Place {
    let mut child = e;
    let mut at = m.expr(e).parent;
    while let Some(p) = at {
        match &m.expr(p).kind {
            ExprKind::Subscript { index, .. } if *index == child => return Place::Index,
            ExprKind::Binary { op: BinaryOp::Mul, left, right } if *left == e || *right == e => {
                let other = if *left == e { *right } else { *left };
                if matches!(m.expr(other).kind, ExprKind::List(_) | ExprKind::Str { .. } | ExprKind::Tuple(_))
                    && !in_assertion(m, p)
                {
                    return Place::Party;
                }
            }
            ExprKind::Call { func, args, .. } if *func != child => {
                let name = match m.expr(*func).kind {
                    ExprKind::Name(n) => m.name(n),
                    ExprKind::Attribute { attr, .. } => m.name(attr),
                    _ => "",
                };
                if name == "range" {
                    return Place::Iteration;
                }
                if matches!(
                    name,
                    "Barrier"
                        | "Semaphore"
                        | "BoundedSemaphore"
                        | "ThreadPoolExecutor"
                        | "ProcessPoolExecutor"
                        | "Pool"
                        | "ThreadPool"
                ) {
                    return Place::Party;
                }
                if name.starts_with("assert") {
                    return Place::Assertion;
                }
                if matches!(name, "len" | "int" | "sum" | "set" | "sorted" | "list") {
                    child = p;
                    at = m.expr(p).parent;
                    continue;
                }
                let keyword = args.iter().find(|a| a.value == child).and_then(|a| match a.kind {
                    ArgKind::Keyword(k) => Some(m.name(k)),
                    _ => None,
                });
                if matches!(name, "sleep" | "join" | "wait" | "get" | "result")
                    || keyword.is_some_and(|k| super::durations::duration_name(k).is_some())
                {
                    return Place::Unrelated;
                }
                if keyword.is_some_and(|k| matches!(k, "max_workers" | "processes" | "parties")) {
                    return Place::Party;
                }
                return if in_assertion(m, p) { Place::Assertion } else { Place::Argument };
            }
            _ => {}
        }
        child = p;
        at = m.expr(p).parent;
    }
    if in_assertion(m, e) { Place::Assertion } else { Place::Unrelated }
}

fn in_assertion(m: &Module, e: ExprId) -> bool {
    matches!(m.stmt(m.expr(e).stmt).kind, StmtKind::Assert { .. })
}

fn is_iteration(m: &Module, e: ExprId) -> bool {
    place(m, e) == Place::Iteration
}

/// `maxsize=4`, `limit=4`, `Semaphore(4)`, `max_workers=4`: what a count is held against.
fn is_limit(m: &Module, e: ExprId) -> bool {
    let Some(p) = m.expr(e).parent else { return false };
    let ExprKind::Call { args, func, .. } = &m.expr(p).kind else { return false };
    let keyword = args.iter().find(|a| a.value == e).and_then(|a| match a.kind {
        ArgKind::Keyword(k) => Some(m.name(k)),
        _ => None,
    });
    if let Some(k) = keyword {
        limit_name(k)
    } else {
        let name = match m.expr(*func).kind {
            ExprKind::Name(n) | ExprKind::Attribute { attr: n, .. } => m.name(n),
            _ => return false,
        };
        matches!(name, "Semaphore" | "BoundedSemaphore" | "ThreadPoolExecutor" | "Pool" | "ThreadPool" | "Queue")
    }
}

fn limit_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["max", "limit", "capacity", "size", "pool", "workers", "permits", "bound", "quota", "threshold", "chunk"]
        .iter()
        .any(|w| lower.contains(w))
}

/// A number of the product that a count or size may have to exceed.
struct ProductLimit {
    value: u64,
    name: String,
    /// Whether it is in a module that the functions use themselves.
    used: bool,
}

/// Numbers of the product that a count or size may have to exceed, each once: defaults and constants with a limit's name, of the
/// modules that the functions use; of a size or a long loop, also of the modules that those and the test import.
fn product_limits(sem: &Semantics<'_>, m: &Arc<Module>, regions: &[Span], much: bool) -> Vec<ProductLimit> {
    let mut modules: Vec<Arc<Module>> = Vec::new();
    for expr in &m.ast.exprs {
        let ExprKind::Call { func, .. } = expr.kind else { continue };
        if !regions.iter().any(|r| r.contains(expr.span)) {
            continue;
        }
        let home = match sem.type_of(m, func) {
            Type::Class(d) | Type::Function(d) => d.module,
            _ => continue,
        };
        if home.role == Role::Product && !modules.iter().any(|k| k.file == home.file) {
            modules.push(home);
        }
    }
    let used = modules.len();
    if much {
        for found in sem.product_modules(m) {
            if !modules.iter().any(|k| k.file == found.file) {
                modules.push(found);
            }
        }
    }
    let mut out: Vec<ProductLimit> = Vec::new();
    for (i, home) in modules.into_iter().enumerate() {
        let mut note = |name: &str, e: ExprId| {
            if limit_name(name)
                && super::durations::duration_name(name).is_none()
                && let Some(c) = sem.constant(&home, e, &Env::default())
                && c.value >= 2.0
                && !out.iter().any(|known| known.value == c.count() && known.name == name)
            {
                out.push(ProductLimit { value: c.count(), name: name.to_owned(), used: i < used });
            }
        };
        for stmt in &home.ast.stmts {
            match &stmt.kind {
                StmtKind::Function(f) => {
                    for p in &f.params {
                        if let Some(default) = p.default {
                            note(home.name(p.name), default);
                        }
                    }
                }
                StmtKind::Assign { targets, value: Some(value), .. } => {
                    for &t in targets {
                        if let ExprKind::Name(n) | ExprKind::Attribute { attr: n, .. } = home.expr(t).kind {
                            note(home.name(n), *value);
                        }
                    }
                    // DEFAULTS = {"disk_min_file_size": 2**15}
                    if let ExprKind::Dict(items) = &home.expr(*value).kind {
                        for &(key, value) in items {
                            if let Some(ExprKind::Str { text: Some(name), .. }) = key.map(|k| &home.expr(k).kind) {
                                note(name, value);
                            }
                        }
                    }
                }
                // for i in range(0, len(keys), 1000)
                StmtKind::For { iter, .. } => {
                    if let ExprKind::Call { func, args, .. } = &home.expr(*iter).kind
                        && home.text(*func) == "range"
                        && let [_, _, step] = &args[..]
                    {
                        note("chunk", step.value);
                    }
                }
                _ => {}
            }
        }
    }
    out
}

/// What a number becomes when it is computed from a count that changes: the product with another loop, one less, one more, the
/// sum of the range.
fn derive(v: u64, old: u64, new: u64, others: &[u64]) -> Option<u64> {
    if let Some(other) = others.iter().find(|&&o| o != old && old.checked_mul(o) == Some(v)) {
        return Some(new * other);
    }
    if v == old - 1 {
        return Some(new - 1);
    }
    if v == old + 1 {
        return Some(new + 1);
    }
    if old.checked_mul(old - 1).is_some_and(|p| p / 2 == v) {
        return Some(new * (new - 1) / 2);
    }
    None
}

/// Whether a number in an assertion has nothing to do with counts: a status, a version, a duration, a small constant beside a size.
fn harmless(m: &Module, e: ExprId, v: u64, dimension: Dimension) -> bool {
    let line = line_of(m, e).to_ascii_lowercase();
    if ["status", "code", "errno", "port", "version", "signal", "priority", "elapsed", "timeout", "monotonic", "time()"]
        .iter()
        .any(|w| line.contains(w))
    {
        return true;
    }
    dimension == Dimension::Size && v < 100 && !line.contains("len(")
}
