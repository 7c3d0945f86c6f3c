//! Lowered parts ([`Item`]) and what nodes made of them are.

use super::Frame;
use super::kind::{Kind, binary_operator, compare_operator};
use crate::python::ast::{Arg, ArgKind, BinaryOp, Clause, ComprehensionKind, ExprId, ExprKind, StmtId, Symbol};
use crate::source::Span;

/// A node, or part of one, that has been lowered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) span: Span,
    pub(super) value: Value,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// Only its kind and span matter.
    Token,
    /// The head of a group (block, arguments, dotted name); that many items after it belong to it.
    Head(usize),
    Name(Symbol),
    Expr(ExprId),
    /// An expression where the grammar has no place for one: in an ERROR.
    Stray(ExprId),
    Stmt(StmtId),
    Keyword(Symbol, ExprId),
    Star(ExprId),
    DoubleStar(ExprId),
    Pair(ExprId, ExprId),
    For {
        target: ExprId,
        iter: ExprId,
        is_async: bool,
    },
    If(ExprId),
    /// A context manager and its target.
    As(ExprId, Option<ExprId>),
}

/// What an expression is, from its parts; `None` where they do not fit.
pub(super) fn expression(text: &str, frame: Frame, items: &[Item]) -> Option<ExprKind> {
    let mut parts = exprs(items);
    let mut part = || parts.next();
    Some(match frame.kind {
        Kind::Attribute | Kind::MemberType => match *items {
            [Item { value: Value::Expr(value), .. }, .., Item { value: Value::Name(attr), span: attr_span, .. }] => {
                ExprKind::Attribute { value, attr, attr_span }
            }
            _ => return None,
        },
        Kind::Call => {
            let func = part()?;
            match items.last()? {
                // `f(x for x in y)`: the generator has the call's parentheses.
                &Item { kind: Kind::GeneratorExpression, span, value: Value::Expr(value) }
                    if value != func && !has(items, Kind::ArgumentList) =>
                {
                    ExprKind::Call { func, args: vec![Arg { kind: ArgKind::Positional, value, span }], args_span: span }
                }
                _ => {
                    let args_span = items.iter().find(|item| item.kind == Kind::ArgumentList)?.span;
                    ExprKind::Call { func, args: arguments(items), args_span }
                }
            }
        }
        Kind::List | Kind::ListPattern => ExprKind::List(parts.collect()),
        Kind::Tuple | Kind::TuplePattern | Kind::PatternList | Kind::ExpressionList => ExprKind::Tuple(parts.collect()),
        Kind::Set => ExprKind::Set(parts.collect()),
        Kind::Dictionary => ExprKind::Dict(
            items
                .iter()
                .filter_map(|item| match item.value {
                    Value::Pair(key, value) => Some((Some(key), value)),
                    Value::DoubleStar(value) => Some((None, value)),
                    _ => None,
                })
                .collect(),
        ),
        Kind::ListComprehension | Kind::SetComprehension | Kind::DictionaryComprehension | Kind::GeneratorExpression => {
            comprehension(frame.kind, items)?
        }
        Kind::BinaryOperator => {
            ExprKind::Binary { op: items.iter().find_map(|i| binary_operator(i.kind))?, left: part()?, right: part()? }
        }
        Kind::UnionType => ExprKind::Binary { op: BinaryOp::BitOr, left: part()?, right: part()? },
        Kind::UnaryOperator => {
            let op = items.iter().find_map(|item| match item.kind {
                Kind::Plus => Some('+'),
                Kind::Minus => Some('-'),
                Kind::Tilde => Some('~'),
                _ => None,
            })?;
            ExprKind::Unary { op, operand: part()? }
        }
        Kind::NotOperator => ExprKind::Not(part()?),
        Kind::BooleanOperator => ExprKind::Bool2 { and: has(items, Kind::And), left: part()?, right: part()? },
        Kind::Comparison => {
            let first = part()?;
            let mut op = None;
            let mut rest = Vec::with_capacity(items.len() / 2);
            for item in items {
                match (compare_operator(item.kind), item.value) {
                    (Some(found), Value::Token) => op = Some(found),
                    (_, Value::Expr(id)) if id != first => rest.push((op.take()?, id)),
                    _ => {}
                }
            }
            ExprKind::Compare { first, rest }
        }
        Kind::Slice => ExprKind::Slice(parts.collect()),
        Kind::Conditional => {
            let (then, condition, otherwise) = (part()?, part()?, part()?);
            ExprKind::IfElse { test: condition, then, otherwise }
        }
        Kind::Await => ExprKind::Await(part()?),
        Kind::Yield => ExprKind::Yield { value: part(), from: has(items, Kind::From) },
        Kind::NamedExpression => ExprKind::Walrus { target: part()?, value: part()? },
        // `**P` of a type parameter is no expression; `*Ts` of an annotation is.
        Kind::SplatType if text.as_bytes().get(frame.span.start as usize + 1) != Some(&b'*') => ExprKind::Starred(part()?),
        _ => return None,
    })
}

pub(super) fn comprehension(kind: Kind, items: &[Item]) -> Option<ExprKind> {
    let (element, value) = items.iter().find_map(|item| match item.value {
        Value::Expr(id) => Some((id, None)),
        Value::Pair(key, value) => Some((key, Some(value))),
        _ => None,
    })?;
    let clauses = items.iter().filter_map(|item| match item.value {
        Value::For { target, iter, is_async } => Some(Clause::For { target, iter, is_async }),
        Value::If(test) => Some(Clause::If(test)),
        _ => None,
    });
    let kind = match kind {
        Kind::ListComprehension => ComprehensionKind::List,
        Kind::SetComprehension => ComprehensionKind::Set,
        Kind::DictionaryComprehension => ComprehensionKind::Dict,
        _ => ComprehensionKind::Generator,
    };
    Some(ExprKind::Comprehension { kind, element, value, clauses: clauses.collect() })
}

/// The arguments in the argument list among some items.
pub(super) fn arguments(items: &[Item]) -> Vec<Arg> {
    let arg = |item: &Item| {
        let (kind, value) = match item.value {
            Value::Expr(value) => (ArgKind::Positional, value),
            Value::Keyword(name, value) => (ArgKind::Keyword(name), value),
            Value::Star(value) => (ArgKind::Star, value),
            Value::DoubleStar(value) => (ArgKind::DoubleStar, value),
            _ => return None,
        };
        Some(Arg { kind, value, span: item.span })
    };
    held(items, Kind::ArgumentList).iter().filter_map(arg).collect()
}

/// The statements in the block of some kind among some items.
pub(super) fn block(items: &[Item], kind: Kind) -> Vec<StmtId> {
    statements(held(items, kind)).collect()
}

/// What the first head of some kind holds.
pub(super) fn held(items: &[Item], kind: Kind) -> &[Item] {
    let mut rest = items;
    while let [item, after @ ..] = rest {
        rest = after;
        if let Value::Head(n) = item.value {
            let (held, after) = rest.split_at(n.min(rest.len()));
            if item.kind == kind {
                return held;
            }
            rest = after;
        }
    }
    &[]
}

pub(super) fn statements(items: &[Item]) -> impl Iterator<Item = StmtId> {
    items.iter().filter_map(|item| if let Value::Stmt(id) = item.value { Some(id) } else { None })
}

/// The first name among some items, and where it is.
pub(super) fn named(items: &[Item]) -> Option<(Symbol, Span)> {
    items.iter().find_map(|item| if let Value::Name(name) = item.value { Some((name, item.span)) } else { None })
}

/// The expressions among some items, those of arguments, clauses and ERRORs not included.
pub(super) fn exprs(items: &[Item]) -> Exprs<'_> {
    items.iter().filter_map(|item| if let Value::Expr(id) = item.value { Some(id) } else { None })
}

/// Named, so that the compiler sees that dropping it does nothing, and what it borrows is free after its last use.
pub(super) type Exprs<'a> = std::iter::FilterMap<std::slice::Iter<'a, Item>, fn(&Item) -> Option<ExprId>>;

/// The expressions of a kind among some items.
pub(super) fn exprs_of(items: &[Item], kind: Kind) -> impl Iterator<Item = ExprId> {
    items.iter().filter(move |item| item.kind == kind).filter_map(|item| match item.value {
        Value::Expr(id) => Some(id),
        _ => None,
    })
}

/// Every expression among some items, whatever its part is.
pub(super) fn all_exprs(items: &[Item]) -> Vec<ExprId> {
    let mut all = Vec::new();
    for item in items {
        match item.value {
            Value::Token | Value::Head(_) | Value::Name(_) | Value::Stmt(_) => {}
            Value::Expr(id)
            | Value::Stray(id)
            | Value::Keyword(_, id)
            | Value::Star(id)
            | Value::DoubleStar(id)
            | Value::If(id)
            | Value::As(id, None) => all.push(id),
            Value::Pair(a, b) | Value::As(a, Some(b)) | Value::For { target: a, iter: b, .. } => all.extend([a, b]),
        }
    }
    all
}

pub(super) fn has(items: &[Item], kind: Kind) -> bool {
    items.iter().any(|item| item.kind == kind)
}
