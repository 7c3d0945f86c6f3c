//! Constant values with provenance: not only that `SETTLE` is 2.5, but that it is `TIMEOUT + 0.5` and where both are written.
//!
//! A [`Constant`] is a linear form over [`Term`]s, the literals somebody typed: that is what the planner needs to change some of
//! them and know what happens to every value computed from them.

use rustc_hash::FxHashMap as HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::ast::{ArgKind, BinaryOp, Clause, ExprId, ExprKind, StmtId, StmtKind, Symbol};
use super::project::{Module, WriteKind};
use super::scope::{Binding, BindingKind, Lookup, MODULE};
use super::semantics::{ClassRef, Def, Semantics, Type};

/// A number as it is written somewhere: a literal, or arithmetic on literals only (`5 * 60`).
#[derive(Clone, Debug)]
pub struct Term {
    /// Where.
    pub module: Arc<Module>,
    /// The literal or the folded arithmetic.
    pub expr: ExprId,
    /// Its value.
    pub value: f64,
    /// How often it counts in the constant.
    pub factor: f64,
}

impl Term {
    /// Whether both are the same literal.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.expr == other.expr && self.module.file == other.module.file
    }
}

/// A value known before anything runs.
#[derive(Clone, Debug)]
pub struct Constant {
    /// The value; the largest, where a loop or parametrize gives several.
    pub value: f64,
    /// Mean of the several values; else the value.
    pub mean: f64,
    /// Whether Python would compute an integer.
    pub integer: bool,
    /// The literals in it: value = Σ factor × term + offset.
    pub terms: Vec<Term>,
    /// What no editable literal stands for.
    pub offset: f64,
    /// One of several values of a loop or parametrize.
    pub several: bool,
}

impl Constant {
    fn fixed(value: f64, integer: bool) -> Self {
        Self { value, mean: value, integer, terms: Vec::new(), offset: value, several: false }
    }

    fn map(mut self, factor: f64) -> Self {
        self.value *= factor;
        self.mean *= factor;
        self.offset *= factor;
        for term in &mut self.terms {
            term.factor *= factor;
        }
        self
    }

    /// The value as a count.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturating is what is wanted
    pub fn count(&self) -> u64 {
        self.value.max(0.0) as u64
    }

    /// Whether both are computed from the same literals in the same way.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        (self.value - other.value).abs() < 1e-12
            && self.terms.len() == other.terms.len()
            && self.terms.iter().zip(&other.terms).all(|(a, b)| a.same(b))
    }
}

/// Values of the parameters of the functions being followed.
pub type Arguments = HashMap<(usize, StmtId, Symbol), Constant>;

/// Where an evaluation stands: the arguments of the helper calls that led there.
#[derive(Clone, Default)]
pub struct Env(pub Rc<Arguments>);

impl Env {
    /// With the arguments of one more call.
    #[must_use]
    pub fn with(&self, more: Vec<((usize, StmtId, Symbol), Constant)>) -> Self {
        if more.is_empty() {
            return self.clone();
        }
        let mut all = (*self.0).clone();
        all.extend(more);
        Self(Rc::new(all))
    }

    /// Whether both pass the same constants.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().all(|(of, value)| other.0.get(of).is_some_and(|v| v.agrees(value)))
    }
}

/// Deepest chain of names and operators followed.
const DEPTH: usize = 40;

/// Positional order and units of datetime.timedelta.
const TIMEDELTA: [(&str, f64); 7] = [
    ("days", 86_400.0),
    ("seconds", 1.0),
    ("microseconds", 1e-6),
    ("milliseconds", 1e-3),
    ("minutes", 60.0),
    ("hours", 3_600.0),
    ("weeks", 604_800.0),
];

impl Semantics<'_> {
    /// The value of an expression, where it is known statically.
    #[must_use]
    pub fn constant(&self, m: &Arc<Module>, e: ExprId, env: &Env) -> Option<Constant> {
        self.evaluate(m, e, env, 0)
    }

    fn evaluate(&self, m: &Arc<Module>, e: ExprId, env: &Env, depth: usize) -> Option<Constant> {
        if depth > DEPTH {
            return None;
        }
        let go = |e| self.evaluate(m, e, env, depth + 1);
        match &m.expr(e).kind {
            ExprKind::Int(Some(i)) => Some(self.literal(m, e, *i as f64, true)),
            ExprKind::Float(f) if f.is_finite() => Some(self.literal(m, e, *f, false)),
            ExprKind::Unary { op, operand } => {
                let inner = go(*operand)?;
                match op {
                    '-' => Some(inner.map(-1.0)),
                    '+' => Some(inner),
                    _ => None,
                }
            }
            ExprKind::Binary { op, left, right } => {
                let (a, b) = (go(*left)?, go(*right)?);
                self.arithmetic(m, e, *op, a, b)
            }
            ExprKind::Name(name) => self.named(m, e, *name, env, depth),
            ExprKind::Attribute { value, attr, .. } => {
                let attr = m.name(*attr).to_owned();
                match self.type_of(m, *value) {
                    Type::Module(other) => self.module_constant(&other, &attr, env, depth),
                    Type::Class(def) | Type::Instance(ClassRef::Project(def)) => self.class_constant(&def, &attr, env, depth),
                    _ => None,
                }
            }
            ExprKind::Call { func, args, .. } => {
                // timedelta(…).total_seconds(), and the conversions that change nothing but the type.
                if let ExprKind::Attribute { value, attr, .. } = m.expr(*func).kind
                    && m.name(attr) == "total_seconds"
                {
                    return self.timedelta(m, value, env, depth + 1);
                }
                match self.type_of(m, *func) {
                    Type::External(name) => match &*name {
                        "builtins.float" if args.len() == 1 => Some(Constant { integer: false, ..go(args[0].value)? }),
                        "builtins.int" | "builtins.abs" | "builtins.round" if args.len() == 1 => {
                            let inner = go(args[0].value)?;
                            (inner.value.fract() == 0.0 && inner.value >= 0.0).then_some(Constant { integer: true, ..inner })
                        }
                        "builtins.max" | "builtins.min" if args.len() > 1 => {
                            let mut all = Vec::new();
                            for arg in args {
                                all.push(go(arg.value)?);
                            }
                            let less = |a: &Constant, b: &Constant| a.value.total_cmp(&b.value);
                            let picked = if &*name == "builtins.max" {
                                all.into_iter().max_by(less)
                            } else {
                                all.into_iter().min_by(less)
                            }?;
                            // Which argument wins may change with the numbers: its value is known, its literals are not editable.
                            Some(Constant::fixed(picked.value, picked.integer))
                        }
                        "builtins.len" if args.len() == 1 => {
                            let (n, _) = self.length(m, args[0].value, env, depth + 1)?;
                            Some(n)
                        }
                        "datetime.timedelta" => self.timedelta(m, e, env, depth + 1),
                        _ => None,
                    },
                    // A helper that returns a constant.
                    Type::Function(def) => self.returned_constant(&def, depth),
                    _ => None,
                }
            }
            ExprKind::Await(inner) | ExprKind::Walrus { value: inner, .. } => go(*inner),
            ExprKind::Subscript { value, index } => {
                // CONFIG["timeout"], DELAYS[0]: only of a container that nothing writes to.
                let (cm, container) = self.container(m, *value, depth)?;
                match (&cm.expr(container).kind, &m.expr(*index).kind) {
                    (ExprKind::Dict(items), ExprKind::Str { text: Some(key), .. }) => items.iter().find_map(|(k, v)| {
                        let k = (*k)?;
                        matches!(&cm.expr(k).kind, ExprKind::Str { text: Some(t), .. } if t == key).then_some(*v)
                    }),
                    (ExprKind::List(items) | ExprKind::Tuple(items), ExprKind::Int(Some(i))) => {
                        usize::try_from(*i).ok().and_then(|i| items.get(i).copied())
                    }
                    _ => None,
                }
                .and_then(|v| self.evaluate(&cm, v, &Env::default(), depth + 1))
            }
            _ => None,
        }
    }

    fn literal(&self, m: &Arc<Module>, e: ExprId, value: f64, integer: bool) -> Constant {
        let term = Term { module: Arc::clone(m), expr: e, value, factor: 1.0 };
        Constant { value, mean: value, integer, terms: vec![term], offset: 0.0, several: false }
    }

    fn arithmetic(&self, m: &Arc<Module>, e: ExprId, op: BinaryOp, a: Constant, b: Constant) -> Option<Constant> {
        let integer = a.integer && b.integer && op != BinaryOp::Div;
        let value = match op {
            BinaryOp::Add => a.value + b.value,
            BinaryOp::Sub => a.value - b.value,
            BinaryOp::Mul => a.value * b.value,
            BinaryOp::Div if b.value != 0.0 => a.value / b.value,
            BinaryOp::FloorDiv if b.value != 0.0 => (a.value / b.value).floor(),
            BinaryOp::Mod if b.value != 0.0 => a.value.rem_euclid(b.value),
            BinaryOp::Pow if b.value.abs() < 400.0 => a.value.powf(b.value),
            BinaryOp::ShiftLeft if (0.0..90.0).contains(&b.value) => a.value * b.value.exp2(),
            BinaryOp::ShiftRight if (0.0..90.0).contains(&b.value) => (a.value / b.value.exp2()).floor(),
            _ => return None,
        };
        if !value.is_finite() {
            return None;
        }
        // Arithmetic on literals written right here is one number to its author.
        if self.only_literals(m, e) {
            return Some(self.literal(m, e, value, integer));
        }
        let several = a.several || b.several;
        let both = |a: Constant, b: Constant| Constant {
            value,
            mean: value,
            integer,
            terms: a.terms.into_iter().chain(b.terms).collect(),
            offset: a.offset + b.offset,
            several,
        };
        Some(match op {
            BinaryOp::Add => both(a, b),
            BinaryOp::Sub => both(a, b.map(-1.0)),
            // One side scales the other. The side that was reached through a name, or is no integer, is the quantity; the
            // other is how often it counts.
            BinaryOp::Mul => {
                let right_is_factor = a.terms.is_empty() == b.terms.is_empty() && b.integer && !a.integer
                    || b.terms.is_empty()
                    || a.terms.first().is_some_and(|t| m.expr(e).span != m.expr(t.expr).span && !self.written_in(m, t, e));
                let (quantity, factor) = if right_is_factor { (a, b) } else { (b, a) };
                let mut c = quantity.map(factor.value);
                c.integer = integer;
                c.several = several;
                c
            }
            BinaryOp::Div => {
                let mut c = a.map(1.0 / b.value);
                c.integer = false;
                c.several = several;
                c
            }
            _ => Constant { several, ..Constant::fixed(value, integer) },
        })
    }

    /// Whether a term is written inside the expression `e` itself.
    fn written_in(&self, m: &Module, term: &Term, e: ExprId) -> bool {
        term.module.file == m.file && m.expr(e).span.contains(m.expr(term.expr).span)
    }

    fn only_literals(&self, m: &Module, e: ExprId) -> bool {
        let mut stack = vec![e];
        let mut budget = 64;
        while let Some(e) = stack.pop() {
            budget -= 1;
            match m.expr(e).kind {
                ExprKind::Int(_) | ExprKind::Float(_) if budget > 0 => {}
                ExprKind::Binary { left, right, .. } if budget > 0 => stack.extend([left, right]),
                ExprKind::Unary { operand, .. } if budget > 0 => stack.push(operand),
                _ => return false,
            }
        }
        true
    }

    fn named(&self, m: &Arc<Module>, e: ExprId, name: Symbol, env: &Env, depth: usize) -> Option<Constant> {
        match m.scopes.lookup(&m.ast, e, name) {
            Lookup::Bound(_, bindings) => self.bound(m, name, &bindings, env, depth),
            Lookup::Free(stars) => stars.into_iter().find_map(|star| {
                let StmtKind::ImportFrom { level, module, .. } = &m.stmt(star).kind else { return None };
                match self.module(m, *level, module) {
                    Type::Module(other) => self.module_constant(&other, m.name(name), env, depth),
                    _ => None,
                }
            }),
        }
    }

    fn bound(&self, m: &Arc<Module>, name: Symbol, bindings: &[&Binding], env: &Env, depth: usize) -> Option<Constant> {
        let mut known: Option<Constant> = None;
        for b in bindings {
            let c = match (&b.kind, &m.stmt(b.stmt).kind) {
                (BindingKind::Assign { value, path }, _) => match (&path[..], &m.expr(*value).kind) {
                    ([], _) => self.evaluate(m, *value, env, depth + 1)?,
                    ([i], ExprKind::Tuple(items) | ExprKind::List(items)) => self.evaluate(m, *items.get(*i)?, env, depth + 1)?,
                    _ => return None,
                },
                (BindingKind::From(i), StmtKind::ImportFrom { level, module, names }) => match self.module(m, *level, module) {
                    Type::Module(other) => self.module_constant(&other, &names[*i].name, env, depth)?,
                    _ => return None,
                },
                (BindingKind::Param(i), StmtKind::Function(f)) => {
                    let key = (Arc::as_ptr(m) as usize, b.stmt, name);
                    match env.0.get(&key) {
                        Some(c) => c.clone(),
                        None => self.unbound_parameter(m, b.stmt, f.params.get(*i)?.name, env, depth)?,
                    }
                }
                (BindingKind::Iteration { iter, path }, _) => self.iteration_value(m, *iter, path, env, depth)?,
                (BindingKind::Declared(_), _) => continue,
                _ => return None,
            };
            match &known {
                Some(k) if !k.agrees(&c) => return None,
                _ => known = Some(c),
            }
        }
        known
    }

    /// The largest of the literal values a loop goes through.
    fn iteration_value(&self, m: &Arc<Module>, iter: ExprId, path: &[usize], env: &Env, depth: usize) -> Option<Constant> {
        let (cm, container) = self.container(m, iter, depth)?;
        let items = match &cm.expr(container).kind {
            ExprKind::List(items) | ExprKind::Tuple(items) | ExprKind::Set(items) => items.clone(),
            _ => return None,
        };
        let picked: Option<Vec<ExprId>> = items
            .iter()
            .map(|&item| {
                path.iter().try_fold(item, |e, &i| match &cm.expr(e).kind {
                    ExprKind::Tuple(parts) | ExprKind::List(parts) => parts.get(i).copied(),
                    _ => None,
                })
            })
            .collect();
        self.largest(&cm, &picked?, env, depth)
    }

    /// The largest of several constants, each of which is one of the possible values.
    pub(super) fn largest(&self, m: &Arc<Module>, items: &[ExprId], env: &Env, depth: usize) -> Option<Constant> {
        let all: Option<Vec<Constant>> = items.iter().map(|&e| self.evaluate(m, e, env, depth + 1)).collect();
        let all = all?;
        let mean = all.iter().map(|c| c.value).sum::<f64>() / all.len().max(1) as f64;
        let several = all.len() > 1;
        all.into_iter().max_by(|a, b| a.value.total_cmp(&b.value)).map(|c| Constant { mean, several, ..c })
    }

    /// A constant of a module, by name.
    #[must_use]
    pub fn module_constant(&self, m: &Arc<Module>, name: &str, env: &Env, depth: usize) -> Option<Constant> {
        if depth > DEPTH {
            return None;
        }
        let home = self.home(m, name)?;
        let symbol = home.symbol(name)?;
        let bindings: Vec<&Binding> = home.scopes.bindings(MODULE, symbol).iter().collect();
        self.bound(&home, symbol, &bindings, env, depth + 1)
    }

    /// The module that binds a name of this one: itself, or one that it imports with a star. Each is looked at once: packages
    /// import each other's names so.
    fn home(&self, m: &Arc<Module>, name: &str) -> Option<Arc<Module>> {
        let mut ahead = vec![Arc::clone(m)];
        let mut seen = Vec::new();
        while let Some(at) = ahead.pop() {
            if seen.contains(&at.file) {
                continue;
            }
            if at.symbol(name).is_some_and(|symbol| !at.scopes.bindings(MODULE, symbol).is_empty()) {
                return Some(at);
            }
            for &star in at.scopes.get(MODULE).stars.iter().rev() {
                if let StmtKind::ImportFrom { level, module, .. } = &at.stmt(star).kind
                    && let Type::Module(other) = self.module(&at, *level, module)
                {
                    ahead.push(other);
                }
            }
            seen.push(at.file.clone());
        }
        None
    }

    /// A constant of a class or its instances: a class variable, or what its methods assign to `self`.
    fn class_constant(&self, class: &Def, attr: &str, env: &Env, depth: usize) -> Option<Constant> {
        if depth > DEPTH {
            return None;
        }
        let m = &class.module;
        let mut known: Option<Constant> = None;
        if let (Some(symbol), Some(scope)) = (m.symbol(attr), m.scopes.of_def(class.stmt)) {
            let mut agree = |c: Constant| match &known {
                Some(k) if !k.agrees(&c) => false,
                _ => {
                    known = Some(c);
                    true
                }
            };
            let bindings: Vec<&Binding> = m.scopes.bindings(scope, symbol).iter().collect();
            if !bindings.is_empty() && !agree(self.bound(m, symbol, &bindings, env, depth + 1)?) {
                return None;
            }
            for w in m.writes(symbol) {
                #[expect(clippy::collapsible_match, reason = "one more guard would fall through to the arm below")]
                match w.kind {
                    WriteKind::Attribute if self.is_self_of(m, w.receiver, class.stmt) => {
                        if !agree(self.evaluate(m, w.value, env, depth + 1)?) {
                            return None;
                        }
                    }
                    // Someone changes it from outside: `obj.timeout = 5`.
                    WriteKind::Attribute | WriteKind::Elements => return None,
                    _ => {}
                }
            }
        }
        known.or_else(|| {
            self.bases(class).iter().find_map(|base| match base {
                ClassRef::Project(def) => self.class_constant(def, attr, env, depth + 1),
                ClassRef::External(_) => None,
            })
        })
    }

    fn returned_constant(&self, def: &Def, depth: usize) -> Option<Constant> {
        let m = &def.module;
        let f = m.function(def.stmt)?;
        let mut values = Vec::new();
        super::semantics::for_each_statement(m, &f.body, &mut |id| {
            if let StmtKind::Return(value) = m.stmt(id).kind {
                values.push(value);
            }
        });
        match values[..] {
            [Some(value)] => self.evaluate(m, value, &Env::default(), depth + 1),
            _ => None,
        }
    }

    /// A parameter nobody's call was followed to: a parametrized or fixture argument of a test.
    fn unbound_parameter(&self, m: &Arc<Module>, def: StmtId, name: Symbol, env: &Env, depth: usize) -> Option<Constant> {
        let text = m.name(name);
        if let Some(values) = self.parametrized(m, def, text) {
            return self.largest(&values.module, &values.values, env, depth);
        }
        if self.is_test_function(m, def) || self.fixture_decorator(m, def).is_some() {
            let fixture = self.fixture(m, def, text)?;
            let f = fixture.module.function(fixture.stmt)?;
            if f.params.is_empty() {
                return self.returned_constant(&fixture, depth);
            }
        }
        None
    }

    /// The seconds of a `timedelta(…)`.
    fn timedelta(&self, m: &Arc<Module>, e: ExprId, env: &Env, depth: usize) -> Option<Constant> {
        if depth > DEPTH {
            return None;
        }
        let (em, e) = self.definition(m, e)?;
        let ExprKind::Call { func, args, .. } = &em.expr(e).kind else { return None };
        if !matches!(self.type_of(&em, *func), Type::External(name) if &*name == "datetime.timedelta") {
            return None;
        }
        let mut sum = Constant::fixed(0.0, false);
        for (i, arg) in args.iter().enumerate() {
            let unit = match arg.kind {
                ArgKind::Positional => TIMEDELTA.get(i)?.1,
                ArgKind::Keyword(k) => TIMEDELTA.iter().find(|(n, _)| *n == em.name(k))?.1,
                _ => return None,
            };
            let part = self.evaluate(&em, arg.value, env, depth + 1)?.map(unit);
            sum = Constant {
                value: sum.value + part.value,
                mean: sum.value + part.value,
                integer: false,
                terms: sum.terms.into_iter().chain(part.terms).collect(),
                offset: sum.offset + part.offset,
                several: sum.several || part.several,
            };
        }
        Some(sum)
    }

    /// The expression behind a name that is assigned once; the expression itself otherwise.
    fn definition(&self, m: &Arc<Module>, e: ExprId) -> Option<(Arc<Module>, ExprId)> {
        let mut at = (Arc::clone(m), e);
        for _ in 0..10 {
            let ExprKind::Name(name) = at.0.expr(at.1).kind else { return Some(at) };
            let next = match at.0.scopes.lookup(&at.0.ast, at.1, name) {
                Lookup::Bound(_, bindings) => match bindings[..] {
                    [Binding { kind: BindingKind::Assign { value, path }, .. }] if path.is_empty() => {
                        Some((Arc::clone(&at.0), *value))
                    }
                    [Binding { kind: BindingKind::From(i), stmt, .. }] => self.imported_definition(&at.0, *stmt, *i),
                    _ => None,
                },
                Lookup::Free(_) => None,
            };
            at = next?;
        }
        None
    }

    fn imported_definition(&self, m: &Arc<Module>, stmt: StmtId, i: usize) -> Option<(Arc<Module>, ExprId)> {
        let StmtKind::ImportFrom { level, module, names } = &m.stmt(stmt).kind else { return None };
        let Type::Module(other) = self.module(m, *level, module) else { return None };
        let symbol = other.symbol(&names[i].name)?;
        match other.scopes.bindings(MODULE, symbol) {
            [Binding { kind: BindingKind::Assign { value, path }, .. }] if path.is_empty() => Some((Arc::clone(&other), *value)),
            _ => None,
        }
    }

    /// A literal container behind a name, if nothing writes to it.
    fn container(&self, m: &Arc<Module>, e: ExprId, depth: usize) -> Option<(Arc<Module>, ExprId)> {
        if depth > DEPTH {
            return None;
        }
        let named = match m.expr(e).kind {
            ExprKind::Name(name) => !m.writes(name).is_empty(),
            _ => false,
        };
        if named {
            return None;
        }
        let (cm, container) = self.definition(m, e)?;
        matches!(
            cm.expr(container).kind,
            ExprKind::List(_)
                | ExprKind::Tuple(_)
                | ExprKind::Set(_)
                | ExprKind::Dict(_)
                | ExprKind::Str { .. }
                | ExprKind::Comprehension { .. }
        )
        .then_some((cm, container))
    }

    /// How many elements an iterable or string has, and whether that number can be edited by editing its literals.
    #[must_use]
    pub fn length(&self, m: &Arc<Module>, e: ExprId, env: &Env, depth: usize) -> Option<(Constant, bool)> {
        if depth > DEPTH {
            return None;
        }
        let fixed = |n: usize| Some((Constant::fixed(n as f64, true), false));
        match &m.expr(e).kind {
            ExprKind::Str { len, .. } => fixed(usize::try_from((*len)?).ok()?),
            ExprKind::List(items) | ExprKind::Tuple(items) | ExprKind::Set(items) => {
                if items.iter().any(|&i| matches!(m.expr(i).kind, ExprKind::Starred(_))) {
                    return None;
                }
                fixed(items.len())
            }
            ExprKind::Dict(items) => fixed(items.len()),
            ExprKind::Binary { op: BinaryOp::Mul, left, right } => {
                let (sequence, times) = match self.length(m, *left, env, depth + 1) {
                    Some(s) => (s, self.evaluate(m, *right, env, depth + 1)?),
                    None => (self.length(m, *right, env, depth + 1)?, self.evaluate(m, *left, env, depth + 1)?),
                };
                Some((times.map(sequence.0.value), true))
            }
            ExprKind::Comprehension { clauses, .. } => {
                let mut product: Option<(Constant, bool)> = None;
                for clause in clauses {
                    match clause {
                        Clause::For { iter, .. } => {
                            let (n, editable) = self.length(m, *iter, env, depth + 1)?;
                            product = Some(match product {
                                None => (n, editable),
                                Some((p, _)) => (Constant::fixed(p.value * n.value, true), false),
                            });
                        }
                        Clause::If(_) => return None,
                    }
                }
                product
            }
            ExprKind::Call { func, args, .. } => match self.type_of(m, *func) {
                Type::External(name) => match &*name {
                    "builtins.range" => self.range(m, args, env, depth),
                    "builtins.enumerate" | "builtins.reversed" | "builtins.sorted" | "builtins.list" | "builtins.tuple"
                    | "builtins.set" | "builtins.iter" | "tqdm.tqdm" => self.length(m, args.first()?.value, env, depth + 1),
                    "builtins.zip" => {
                        let mut shortest: Option<(Constant, bool)> = None;
                        for arg in args {
                            if let Some((n, _)) = self.length(m, arg.value, env, depth + 1)
                                && shortest.as_ref().is_none_or(|(s, _)| n.value < s.value)
                            {
                                shortest = Some((Constant::fixed(n.value, true), false));
                            }
                        }
                        shortest
                    }
                    "itertools.repeat" => {
                        let times = m.argument(args, Some(1), &["times"])?;
                        Some((self.evaluate(m, times.value, env, depth + 1)?, true))
                    }
                    _ => None,
                },
                Type::Method(..) => match m.expr(*func).kind {
                    // d.items(), d.values()
                    ExprKind::Attribute { value, attr, .. } if matches!(m.name(attr), "items" | "values" | "keys") => {
                        self.length(m, value, env, depth + 1)
                    }
                    _ => None,
                },
                _ => None,
            },
            ExprKind::Name(_) | ExprKind::Attribute { .. } => {
                let (cm, container) = self.container(m, e, depth + 1)?;
                if cm.file == m.file && container == e {
                    return None;
                }
                self.length(&cm, container, env, depth + 1)
            }
            _ => None,
        }
    }

    fn range(&self, m: &Arc<Module>, args: &[super::ast::Arg], env: &Env, depth: usize) -> Option<(Constant, bool)> {
        if args.iter().any(|a| a.kind != ArgKind::Positional) {
            return None;
        }
        let values: Option<Vec<Constant>> = args.iter().map(|a| self.evaluate(m, a.value, env, depth + 1)).collect();
        let mut values = values?.into_iter();
        let first = values.next()?;
        let Some(stop) = values.next() else {
            return Some((Constant { value: first.value.max(0.0), ..first }, true));
        };
        let step = values.next().map_or(1.0, |s| s.value);
        if step == 0.0 {
            return None;
        }
        let n = ((stop.value - first.value) / step).ceil().max(0.0);
        if (step - 1.0).abs() < f64::EPSILON && n > 0.0 {
            // The end moves, the start stays.
            let c = Constant { value: n, mean: n, offset: stop.offset - first.value, ..stop };
            return Some((c, true));
        }
        Some((Constant::fixed(n, true), false))
    }
}
