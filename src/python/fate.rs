//! What becomes of something that a test opens or starts: whether the same function ends it, or hands it on.

use std::sync::Arc;

use super::ast::{ExprId, ExprKind, StmtId, StmtKind};
use super::project::Module;
use super::semantics::{ClassRef, Def, Semantics, Type};
use crate::source::Span;

/// What becomes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Something here ends it: `x.stop()`, `with x:`, `addCleanup(x.close)`.
    Ended,
    /// It is handed on: who has it then may end it.
    HandedOn,
    /// A fixture gives it to its tests, and does nothing afterwards.
    Given,
    /// Nothing here ends it, and nobody else has it.
    Left,
}

/// Where an object is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// A local name.
    Name(String),
    /// An attribute of the test's instance: `self.monitor`.
    Attribute(String),
}

impl Keeper {
    /// As the source says it.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Name(text) | Self::Attribute(text) => text,
        }
    }

    /// What keeps the value of an expression: the one target of the assignment whose whole value it is.
    #[must_use]
    pub fn of_value(m: &Module, e: ExprId) -> Option<Self> {
        match &m.stmt(m.expr(e).stmt).kind {
            StmtKind::Assign { targets, value: Some(value), .. } if *value == e => match targets[..] {
                [target] => Self::of(m, target),
                _ => None,
            },
            _ => None,
        }
    }

    /// What an expression names: `monitor`, `self.monitor`.
    #[must_use]
    pub fn of(m: &Module, e: ExprId) -> Option<Self> {
        match m.expr(e).kind {
            ExprKind::Name(n) => Some(Self::Name(m.name(n).to_owned())),
            ExprKind::Attribute { value, .. } if matches!(m.expr(value).kind, ExprKind::Name(n) if m.name(n) == "self") => {
                Some(Self::Attribute(m.text(e).to_owned()))
            }
            _ => None,
        }
    }
}

impl Semantics<'_> {
    /// What becomes of what `keeper` holds, in the function `home` (a local name) or in its class (an attribute), where one of the
    /// methods `ends` ends it.
    #[must_use]
    pub fn fate(&self, m: &Arc<Module>, home: StmtId, keeper: &Keeper, ends: &[&str]) -> Fate {
        match keeper {
            Keeper::Name(_) => self.fate_within(m, super::ended::outermost(m, home).unwrap_or(home), keeper, ends),
            Keeper::Attribute(_) => match m.scopes.class_of(home) {
                Some(class) => self.fate_in_class(&Def { module: Arc::clone(m), stmt: class }, keeper, ends, 0),
                None => self.fate_within(m, home, keeper, ends),
            },
        }
    }

    /// What a class does with what an attribute of its instances holds, or what it inherits does: a `tearDown` of its base.
    fn fate_in_class(&self, class: &Def, keeper: &Keeper, ends: &[&str], depth: usize) -> Fate {
        let mut fate = self.fate_within(&class.module, class.stmt, keeper, ends);
        for base in self.bases(class) {
            if let (ClassRef::Project(base), Fate::Left, true) = (base, fate, depth < 8) {
                fate = self.fate_in_class(&base, keeper, ends, depth + 1);
            }
        }
        fate
    }

    fn fate_within(&self, m: &Arc<Module>, region: StmtId, keeper: &Keeper, ends: &[&str]) -> Fate {
        let region = m.stmt(region).span;
        let mut fate = Fate::Left;
        for (i, expr) in m.ast.exprs.iter().enumerate() {
            if !region.contains(expr.span) || m.source.slice(expr.span) != keeper.text() {
                continue;
            }
            let id = ExprId(u32::try_from(i).unwrap_or(u32::MAX));
            match self.use_of(m, id, ends, region) {
                Fate::Ended => return Fate::Ended,
                Fate::HandedOn => fate = Fate::HandedOn,
                Fate::Given if fate == Fate::Left => fate = Fate::Given,
                Fate::Given | Fate::Left => {}
            }
        }
        fate
    }

    fn use_of(&self, m: &Arc<Module>, e: ExprId, ends: &[&str], region: Span) -> Fate {
        let stmt = m.stmt(m.expr(e).stmt);
        let Some(parent) = m.expr(e).parent else {
            return match &stmt.kind {
                StmtKind::With { items, .. } if items.iter().any(|(item, _)| *item == e) => Fate::Ended,
                StmtKind::Assign { value: Some(value), .. } if *value == e => Fate::HandedOn,
                StmtKind::Return(_) => Fate::HandedOn,
                StmtKind::Delete(_) => Fate::Ended,
                StmtKind::For { iter, .. } if *iter == e => iterated(m, region, ends),
                _ => Fate::Left,
            };
        };
        match &m.expr(parent).kind {
            ExprKind::Attribute { attr, .. } if ends.contains(&m.name(*attr)) || ending(m.name(*attr), ends) => Fate::Ended,
            // Which one of several it is, or whether it is one at all.
            ExprKind::Attribute { .. } | ExprKind::Compare { .. } | ExprKind::Not(_) | ExprKind::Bool2 { .. } => Fate::Left,
            ExprKind::Subscript { value, .. } if *value == e => {
                let outer = m.expr(parent).parent.map(|p| &m.expr(p).kind);
                match outer {
                    Some(ExprKind::Attribute { attr, .. }) if ends.contains(&m.name(*attr)) => Fate::Ended,
                    Some(ExprKind::Attribute { .. }) => Fate::Left,
                    _ => Fate::HandedOn,
                }
            }
            ExprKind::Comprehension { .. } => iterated(m, region, ends),
            ExprKind::Yield { .. } => Fate::Given,
            ExprKind::Call { func, .. } if *func == e => Fate::Left,
            ExprKind::Call { func, .. } if matches!(m.text(*func), "len" | "print" | "repr" | "str" | "id" | "isinstance") => {
                Fate::Left
            }
            // join_process(p), kill_tree(p)
            ExprKind::Call { func, .. } if ending(m.text(*func).rsplit('.').next().unwrap_or_default(), ends) => Fate::Ended,
            // Writer(monitor): whoever gets it, if it is seen never to end anything, leaves it to the test.
            ExprKind::Call { func, .. } if self.ends_nothing(m, *func, ends) => Fate::Left,
            _ => Fate::HandedOn,
        }
    }

    /// Whether a function or class is one of the project's, whose own code calls none of the methods `ends`.
    fn ends_nothing(&self, m: &Arc<Module>, callee: ExprId, ends: &[&str]) -> bool {
        let def = match self.type_of(m, callee) {
            Type::Class(def) => {
                if self.bases(&def).iter().any(|base| matches!(base, ClassRef::Project(_))) {
                    return false;
                }
                def
            }
            Type::Function(def) => def,
            _ => return false,
        };
        let home = &def.module;
        let body = home.stmt(def.stmt).span;
        let ended = home.ast.exprs.iter().filter(|e| body.contains(e.span)).any(|e| match e.kind {
            ExprKind::Attribute { attr, .. } => ends.contains(&home.name(attr)),
            _ => false,
        });
        // What a function gives back, its caller may end.
        !ended && (matches!(home.stmt(def.stmt).kind, StmtKind::Class(_)) || self.returned(&def) == Type::None)
    }
}

/// Whether a name begins with the word for an end: `stop_workers`, `join_process`. Those that wait may wait for anything.
fn ending(name: &str, ends: &[&str]) -> bool {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default();
    words.next().is_some() && first != "wait" && ends.contains(&first)
}

/// A container that is gone through: its elements are ended if anything in the region is.
fn iterated(m: &Module, region: Span, ends: &[&str]) -> Fate {
    let ended = m.ast.exprs.iter().filter(|e| region.contains(e.span)).any(|e| match e.kind {
        ExprKind::Attribute { value, attr, .. } => {
            ends.contains(&m.name(attr)) && !matches!(m.expr(value).kind, ExprKind::Str { .. })
        }
        _ => false,
    });
    if ended { Fate::Ended } else { Fate::Left }
}
