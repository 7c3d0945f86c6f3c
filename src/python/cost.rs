//! Counting: what a test does in all, through its loops, helpers, fixtures, threads and parametrize.
//!
//! A [`Use`] is a site as one test reaches it: how often, and with which amount once the arguments of the helper calls on the
//! way are known. Sleeps of threads count as often as threads are started: what a machine has to bear is threads × iterations ×
//! seconds (POSTMORTEM of the suite this tool was born from), though they overlap in time.

use rustc_hash::FxHashMap as HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::ast::{Arg, ArgKind, Clause, ExprId, ExprKind, ParamKind, StmtId, StmtKind};
use super::project::Module;
use super::semantics::{ClassRef, Def, Semantics, Type};
use super::suite::{FixtureInfo, Test};
use super::value::{Constant, Env};
use crate::discover::Role;
use crate::finding::Cost;
use crate::query::SiteKind;
use crate::source::Span;

/// A match of a query whose predicates hold.
#[derive(Clone, Debug)]
pub struct Site {
    /// What it is.
    pub kind: SiteKind,
    /// The module it is in.
    pub module: Arc<Module>,
    /// The call, product or iterable.
    pub expr: ExprId,
    /// Its quantity, where it has one.
    pub amount: Option<ExprId>,
    /// The repeated element of an allocation.
    pub unit: Option<ExprId>,
    /// What a join waits for.
    pub receiver: Option<ExprId>,
    /// What the receiver is was measured; the source does not say.
    pub measured: bool,
    /// What one unit of the quantity stands for.
    pub scale: f64,
    /// Index of the project's own rule it belongs to.
    pub custom: Option<usize>,
    /// `FILE:LINE` of the pattern that found it.
    pub origin: String,
}

impl Site {
    /// Identifies the place across the analyses of several files.
    #[must_use]
    pub fn key(&self) -> (Arc<std::path::PathBuf>, Span) {
        (Arc::clone(&self.module.file), self.module.expr(self.expr).span)
    }
}

/// A site as one test reaches it.
#[derive(Clone, Debug)]
pub struct Use {
    /// The site.
    pub site: Rc<Site>,
    /// How often in one run of the test; 0 for what only runs on a branch not counted (an `except`, the cheaper side of an `if`).
    pub times: f64,
    /// Its amount, where known.
    pub amount: Option<Constant>,
    /// Number of threads or workers among the factors of `times`.
    pub threads: f64,
    /// Product of the loop counts among the factors of `times`.
    pub iterations: f64,
    /// It stands in a loop that ends as soon as a condition holds: `times` counts one pass.
    pub poll: bool,
    /// Nobody sleeps this long: something ends the sleep, a clock is mocked, or the branch is another platform's.
    pub unslept: bool,
    /// A thread or pool that is over when the function that starts it returns: calls of that function, one after the other, do not
    /// add up.
    pub ended: bool,
}

impl Use {
    /// Seconds asleep in one run of the test.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        match (&self.amount, self.site.kind) {
            _ if self.unslept => 0.0,
            (Some(a), SiteKind::Sleep) => a.mean.max(0.0) * self.times,
            _ => 0.0,
        }
    }
}

/// One test with everything it reaches.
#[derive(Debug)]
pub struct TestFacts {
    /// The test.
    pub test: Test,
    /// How often it runs.
    pub runs: u64,
    /// What it reaches in one run, fixtures shared with other tests left out.
    pub uses: Vec<Use>,
    /// Its fixtures.
    pub fixtures: Vec<(Def, FixtureInfo)>,
    /// What one run costs.
    pub cost: Cost,
    /// It asks for a fixture named `fast_time`: its sleeps are not charged.
    pub fast_time: bool,
    /// It is marked `slow`: charged only for what can hang or crash.
    pub slow: bool,
}

/// The scaling of what is being walked: how often, of that how many threads, and in which loops.
#[derive(Clone, Copy)]
struct Scale {
    times: f64,
    threads: f64,
    iterations: f64,
    poll: bool,
}

impl Scale {
    const ONE: Self = Self { times: 1.0, threads: 1.0, iterations: 1.0, poll: false };

    fn looped(self, n: f64) -> Self {
        Self { times: self.times * n, iterations: self.iterations * n, ..self }
    }

    fn threaded(self) -> Self {
        // The loops around the constructor count threads from here on.
        Self { threads: self.threads * self.iterations, iterations: 1.0, ..self }
    }

    fn applied(self, u: &Use) -> Use {
        // Several threads that each run the function have one each; its calls in a loop have one after the other.
        let times = if u.ended { self.times.min(self.threads) } else { self.times };
        Use {
            times: u.times * times,
            threads: u.threads * self.threads,
            iterations: u.iterations * self.iterations,
            poll: u.poll || self.poll,
            ..u.clone()
        }
    }
}

/// The sites of a module, by the expression they are at.
type SitesByExpr = HashMap<ExprId, Vec<Rc<Site>>>;

/// A function: its module's address, and its definition there.
type DefKey = (usize, StmtId);

/// Memory of one file's counting.
#[derive(Default)]
pub struct Counter {
    sites: std::cell::RefCell<HashMap<usize, Rc<SitesByExpr>>>,
    functions: std::cell::RefCell<HashMap<DefKey, Rc<Vec<Use>>>>,
    active: std::cell::RefCell<Vec<(usize, StmtId)>>,
}

/// Bytes that an element of a list or tuple takes, whatever it points to.
const POINTER: f64 = 8.0;

/// Deepest chain of helper calls followed.
const DEPTH: usize = 12;

impl Semantics<'_> {
    /// The sites of a module, by expression.
    #[must_use]
    pub fn sites(&self, c: &Counter, m: &Arc<Module>) -> Rc<HashMap<ExprId, Vec<Rc<Site>>>> {
        let key = Arc::as_ptr(m) as usize;
        if let Some(known) = c.sites.borrow().get(&key) {
            return Rc::clone(known);
        }
        let mut out: HashMap<ExprId, Vec<Rc<Site>>> = HashMap::default();
        for found in &m.matches {
            if !self.accepts(m, found) {
                continue;
            }
            let args = match &m.expr(found.site).kind {
                ExprKind::Call { args, .. } => args.as_slice(),
                _ => &[],
            };
            let amount = found.amount.or_else(|| {
                let spec = found.pattern.amount.as_ref()?;
                let keywords: Vec<&str> = spec.keywords.iter().map(String::as_str).collect();
                let arg = m.argument(args, spec.index, &keywords)?.value;
                match (spec.element, &m.expr(arg).kind) {
                    (None, _) => Some(arg),
                    (Some(i), ExprKind::Tuple(items) | ExprKind::List(items)) => items.get(i).copied(),
                    _ => None,
                }
            });
            if found.pattern.kind == SiteKind::Loop
                && self.length(m, found.site, &Env::default(), 0).is_none()
                && !self.may_be_range(m, found.site)
            {
                continue;
            }
            let site = Site {
                kind: found.pattern.kind,
                module: Arc::clone(m),
                expr: found.site,
                amount: if found.pattern.kind == SiteKind::Loop { Some(found.site) } else { amount },
                unit: found.unit,
                receiver: found.receiver,
                measured: found.pattern.kind == SiteKind::Join && !self.proven(m, found),
                scale: found.pattern.scale,
                custom: found.pattern.custom,
                origin: found.pattern.origin.clone(),
            };
            let at = out.entry(found.site).or_default();
            // Two patterns may find one place (a product of two strings): it counts once.
            if !at.iter().any(|s| s.kind == site.kind && s.custom == site.custom) {
                at.push(Rc::new(site));
            }
        }
        let out = Rc::new(out);
        c.sites.borrow_mut().insert(key, Rc::clone(&out));
        out
    }

    fn may_be_range(&self, m: &Arc<Module>, e: ExprId) -> bool {
        match &m.expr(e).kind {
            ExprKind::Call { func, .. } => self.resolves_to(m, *func, &["builtins.range"]),
            _ => false,
        }
    }

    /// How many bytes, seconds, workers or iterations a site stands for.
    #[must_use]
    pub fn amount(&self, site: &Site, env: &Env) -> Option<Constant> {
        let m = &site.module;
        let amount = site.amount?;
        match site.kind {
            SiteKind::Loop => Some(self.length(m, amount, env, 0)?.0),
            SiteKind::Allocation => {
                let unit = match site.unit {
                    Some(unit) => self.length(m, unit, env, 0).map_or(1.0, |(n, _)| n.value),
                    None => 1.0,
                };
                // list(range(n)), [f(i) for i in range(n)]
                let n = match &m.expr(amount).kind {
                    ExprKind::Call { .. } => {
                        self.length(m, amount, env, 0).map(|(n, _)| n).or_else(|| self.constant(m, amount, env))
                    }
                    _ => self.constant(m, amount, env),
                }?;
                // A repeated list holds a pointer for each element.
                let sequence = site.unit.is_some_and(|u| matches!(self.type_of(m, u), Type::List(_) | Type::Tuple(_)));
                let factor = unit * site.scale * if sequence { POINTER } else { 1.0 };
                let mut n = n;
                n.value *= factor;
                n.mean *= factor;
                n.offset *= factor;
                for t in &mut n.terms {
                    t.factor *= factor;
                }
                Some(n)
            }
            _ => self.constant(m, amount, env),
        }
    }

    /// Everything one test reaches, and what it costs.
    #[must_use]
    pub fn facts(&self, c: &Counter, test: Test) -> TestFacts {
        let fixtures = self.fixtures_of(&test);
        let runs = self.runs(&test, &fixtures);
        let mut uses = Vec::new();
        self.function_uses(c, &test.def, &Env::default(), Scale::ONE, 0, &mut uses);
        for (def, info) in &fixtures {
            if !info.shared {
                self.function_uses(c, def, &Env::default(), Scale::ONE, 0, &mut uses);
            }
        }
        for def in self.setups(&test) {
            self.function_uses(c, &def, &Env::default(), Scale::ONE, 0, &mut uses);
        }
        let fast_time = self.asked_fixtures(&test).iter().any(|n| n == "fast_time");
        let slow = self.marked(&test, "slow");
        let cost = cost(&uses);
        TestFacts { test, runs, uses, fixtures, cost, fast_time, slow }
    }

    /// What a function reaches when it is called with `env`.
    fn function_uses(&self, c: &Counter, def: &Def, env: &Env, scale: Scale, depth: usize, out: &mut Vec<Use>) {
        let key = (Arc::as_ptr(&def.module) as usize, def.stmt);
        if depth > DEPTH || c.active.borrow().contains(&key) {
            return;
        }
        let Some(f) = def.module.function(def.stmt) else { return };
        let remember = env.0.is_empty();
        if remember && let Some(known) = c.functions.borrow().get(&key) {
            out.extend(known.iter().map(|u| scale.applied(u)));
            return;
        }
        c.active.borrow_mut().push(key);
        let mut uses = Vec::new();
        self.block_uses(c, &def.module, &f.body, env, Scale::ONE, depth, &mut uses);
        c.active.borrow_mut().pop();
        let body = def.module.stmt(def.stmt).span;
        for u in &mut uses {
            u.ended = u.ended || self.ends_in(c, &def.module, &u.site, body);
        }
        out.extend(uses.iter().map(|u| scale.applied(u)));
        // What was cut short by recursion is not the whole of it.
        if remember && c.active.borrow().is_empty() {
            c.functions.borrow_mut().insert(key, Rc::new(uses));
        }
    }

    #[allow(clippy::too_many_arguments)] // one walk, one state
    fn block_uses(
        &self,
        c: &Counter,
        m: &Arc<Module>,
        body: &[StmtId],
        env: &Env,
        scale: Scale,
        depth: usize,
        out: &mut Vec<Use>,
    ) {
        for &id in body {
            let stmt = m.stmt(id);
            match &stmt.kind {
                StmtKind::Function(_) | StmtKind::Class(_) => {}
                StmtKind::For { iter, body, orelse, .. } => {
                    self.expr_uses(c, m, *iter, env, scale, depth, out);
                    let inner = if leaves_early(m, body) {
                        Scale { poll: true, ..scale }
                    } else {
                        scale.looped(self.length(m, *iter, env, 0).map_or(1.0, |(n, _)| n.value))
                    };
                    let from = out.len();
                    self.block_uses(c, m, body, env, inner, depth, out);
                    let n = if inner.times > 0.0 && scale.times > 0.0 { inner.times / scale.times } else { 1.0 };
                    if n > 1.0 {
                        let whole = Span::new(m.expr(*iter).span.end, stmt.span.end);
                        let threads = |u: &&Use| matches!(u.site.kind, SiteKind::Thread | SiteKind::Pool);
                        let own = |u: &&Use| Arc::ptr_eq(&u.site.module, m) && whole.contains(m.expr(u.site.expr).span);
                        let mut started = out[from..].iter().filter(threads).filter(own).peekable();
                        // What threads that are over in each round start and end themselves, is over as well.
                        let over = started.peek().is_some() && started.all(|u| self.ends_in(c, m, &u.site, whole));
                        for u in &mut out[from..] {
                            if self.ends_in(c, m, &u.site, whole) || over && u.ended && !own(&&*u) {
                                u.times /= n;
                            }
                        }
                    }
                    self.block_uses(c, m, orelse, env, scale, depth, out);
                }
                StmtKind::While { test, body, orelse } => {
                    self.expr_uses(c, m, *test, env, scale, depth, out);
                    self.block_uses(c, m, body, env, Scale { poll: true, ..scale }, depth, out);
                    self.block_uses(c, m, orelse, env, scale, depth, out);
                }
                StmtKind::If { test, body, orelse } => {
                    self.expr_uses(c, m, *test, env, scale, depth, out);
                    let (mut a, mut b) = (Vec::new(), Vec::new());
                    self.block_uses(c, m, body, env, scale, depth, &mut a);
                    self.block_uses(c, m, orelse, env, scale, depth, &mut b);
                    // Only one side runs: the one that costs more counts.
                    if cost(&a).sleep_s < cost(&b).sleep_s {
                        std::mem::swap(&mut a, &mut b);
                    }
                    out.append(&mut a);
                    out.extend(b.into_iter().map(|u| Use { times: 0.0, ..u }));
                }
                StmtKind::Try { body, handlers, orelse, finally } => {
                    for block in [body, orelse, finally] {
                        self.block_uses(c, m, block, env, scale, depth, out);
                    }
                    for handler in handlers {
                        let never = Scale { times: 0.0, ..scale };
                        self.block_uses(c, m, &handler.body, env, never, depth, out);
                    }
                }
                StmtKind::Match { subject, cases } => {
                    self.expr_uses(c, m, *subject, env, scale, depth, out);
                    for case in cases {
                        self.block_uses(c, m, &case.body, env, scale, depth, out);
                    }
                }
                kind => {
                    kind.exprs(&mut |e| self.expr_uses(c, m, e, env, scale, depth, out));
                    kind.blocks(&mut |b| self.block_uses(c, m, b, env, scale, depth, out));
                }
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // one walk, one state
    fn expr_uses(&self, c: &Counter, m: &Arc<Module>, e: ExprId, env: &Env, scale: Scale, depth: usize, out: &mut Vec<Use>) {
        let sites = self.sites(c, m);
        let mut stack = vec![(e, scale)];
        while let Some((e, scale)) = stack.pop() {
            let mut threads = false;
            for site in sites.get(&e).into_iter().flatten() {
                let amount = self.amount(site, env);
                let unslept =
                    site.kind == SiteKind::Sleep && amount.as_ref().is_some_and(|a| self.unslept(m, site.expr, a.value));
                threads |= site.kind == SiteKind::Thread;
                out.push(Use {
                    site: Rc::clone(site),
                    times: scale.times,
                    amount,
                    threads: scale.threads,
                    iterations: scale.iterations,
                    poll: scale.poll,
                    unslept,
                    ended: false,
                });
            }
            match &m.expr(e).kind {
                ExprKind::Comprehension { element, value, clauses, .. } => {
                    let mut inner = scale;
                    for clause in clauses {
                        match clause {
                            Clause::For { iter, .. } => {
                                stack.push((*iter, inner));
                                inner = inner.looped(self.length(m, *iter, env, 0).map_or(1.0, |(n, _)| n.value));
                            }
                            Clause::If(test) => stack.push((*test, inner)),
                        }
                    }
                    stack.push((*element, inner));
                    stack.extend(value.map(|v| (v, inner)));
                }
                ExprKind::Call { func, args, .. } => {
                    self.call_uses(c, m, *func, args, env, if threads { scale.threaded() } else { scale }, threads, depth, out);
                    stack.push((*func, scale));
                    stack.extend(args.iter().map(|a| (a.value, scale)));
                }
                kind => kind.children(&mut |child| stack.push((child, scale))),
            }
        }
    }

    /// Follows a call into the helpers it runs: the callee itself, a thread's target or `run`, functions handed over as values.
    #[allow(clippy::too_many_arguments)] // one walk, one state
    fn call_uses(
        &self,
        c: &Counter,
        m: &Arc<Module>,
        func: ExprId,
        args: &[Arg],
        env: &Env,
        scale: Scale,
        thread: bool,
        depth: usize,
        out: &mut Vec<Use>,
    ) {
        match self.type_of(m, func) {
            Type::Function(def) if self.counted(&def) => {
                let env = self.arguments(m, func, args, &def, env);
                self.function_uses(c, &def, &env, scale, depth + 1, out);
            }
            Type::Class(def) if def.module.role != Role::Product => {
                for name in ["__init__", "run"] {
                    if name == "run" && !thread {
                        continue;
                    }
                    if let Some(Type::Function(method)) = self.member(&def, name, 0)
                        && method.module.role != Role::Product
                    {
                        self.function_uses(c, &method, &Env::default(), scale, depth + 1, out);
                    }
                }
            }
            _ => {}
        }
        let payload = args.iter().find(|a| matches!(a.kind, ArgKind::Keyword(k) if m.name(k) == "args")).map(|a| a.value);
        for (i, arg) in args.iter().enumerate() {
            if !matches!(m.expr(arg.value).kind, ExprKind::Name(_) | ExprKind::Attribute { .. }) {
                continue;
            }
            let Type::Function(def) = self.type_of(m, arg.value) else { continue };
            if !self.counted(&def) {
                continue;
            }
            // Thread(target=f, args=(1, 2)), submit(f, 1, 2): what follows is passed on.
            let passed: Vec<Arg> = match payload.map(|p| &m.expr(p).kind) {
                Some(ExprKind::Tuple(items) | ExprKind::List(items)) => {
                    items.iter().map(|&value| Arg { kind: ArgKind::Positional, value, span: m.expr(value).span }).collect()
                }
                Some(_) => Vec::new(),
                None => args[i + 1..].to_vec(),
            };
            let mut n = scale;
            if let ExprKind::Attribute { attr, .. } = m.expr(func).kind {
                // pool.map(f, items), executor.map(f, items)
                if matches!(m.name(attr), "map" | "imap" | "imap_unordered" | "starmap" | "map_async")
                    && let Some(items) = args.get(i + 1)
                {
                    n = n.looped(self.length(m, items.value, env, 0).map_or(1.0, |(n, _)| n.value)).threaded();
                    self.function_uses(c, &def, &Env::default(), n, depth + 1, out);
                    continue;
                }
            }
            let env = self.arguments(m, arg.value, &passed, &def, env);
            self.function_uses(c, &def, &env, n, depth + 1, out);
        }
    }

    /// Whether a function's insides are charged to the tests that call it: it is test code, and no test or fixture itself.
    fn counted(&self, def: &Def) -> bool {
        def.module.role != Role::Product
            && !self.is_test_function(&def.module, def.stmt)
            && self.fixture_decorator(&def.module, def.stmt).is_none()
    }

    /// Which parameter of a function the first argument of a call is for: 1 for a method, which is passed its object.
    #[must_use]
    pub fn first_passed(&self, m: &Module, callee: ExprId, def: &Def) -> usize {
        let constructor = || def.module.function(def.stmt).is_some_and(|f| def.module.name(f.name) == "__init__");
        let method = def.module.scopes.class_of(def.stmt).is_some()
            && (matches!(m.expr(callee).kind, ExprKind::Attribute { .. }) || constructor())
            && !self.decorated(&def.module, def.stmt, "builtins.staticmethod");
        usize::from(method)
    }

    /// The constants a call passes.
    #[must_use]
    pub fn arguments(&self, m: &Arc<Module>, callee: ExprId, args: &[Arg], def: &Def, env: &Env) -> Env {
        let Some(f) = def.module.function(def.stmt) else { return Env::default() };
        let first = self.first_passed(m, callee, def);
        let mut values = Vec::new();
        for (i, p) in f.params.iter().enumerate().skip(first) {
            if matches!(p.kind, ParamKind::Star | ParamKind::DoubleStar) {
                continue;
            }
            let name = def.module.name(p.name);
            let index = (p.kind != ParamKind::KeywordOnly).then(|| i - first);
            let value = match m.argument(args, index, &[name]) {
                Some(arg) => self.constant(m, arg.value, env),
                None => p.default.and_then(|d| self.constant(&def.module, d, &Env::default())),
            };
            if let Some(value) = value {
                values.push(((Arc::as_ptr(&def.module) as usize, def.stmt, p.name), value));
            }
        }
        Env::default().with(values)
    }

    /// Whether the threads that a site starts are over before the block they are started in is left: a block repeated by a
    /// loop then has one after the other, not all at once.
    #[must_use]
    pub fn ends_in(&self, c: &Counter, m: &Arc<Module>, site: &Site, block: Span) -> bool {
        if !Arc::ptr_eq(&site.module, m) || !block.contains(m.expr(site.expr).span) {
            return false;
        }
        match site.kind {
            // `with ThreadPoolExecutor(…)` waits for its workers.
            SiteKind::Pool => matches!(&m.stmt(m.expr(site.expr).stmt).kind,
                StmtKind::With { items, .. } if items.iter().any(|(e, _)| *e == site.expr)),
            // `with server:`, where leaving stops it.
            SiteKind::Thread
                if m.ast.stmts.iter().any(|s| {
                    matches!(&s.kind, StmtKind::With { items, .. } if block.contains(s.span) && items.iter().any(|(e, _)| {
                        matches!(m.expr(*e).kind, ExprKind::Name(_))
                            && matches!(self.type_of(m, *e), Type::Instance(ref class) if self.is_thread_class(class))
                    }))
                }) =>
            {
                true
            }
            SiteKind::Thread => {
                let called = |s: &Site| matches!(m.expr(s.expr).kind, ExprKind::Call { .. });
                let joins = |s: &Site| s.kind == SiteKind::Join && block.contains(m.expr(s.expr).span) && called(s);
                self.sites(c, m).values().flatten().any(|s| joins(s))
            }
            _ => false,
        }
    }

    /// Whether a class of the project, or a library's, is a thread or process.
    #[must_use]
    pub fn is_thread_class(&self, class: &ClassRef) -> bool {
        self.derives(class, "threading.Thread", 0) || self.derives(class, "multiprocessing.process.BaseProcess", 0)
    }
}

/// Whether a loop's body can end the loop before its iterations are used up.
fn leaves_early(m: &Module, body: &[StmtId]) -> bool {
    body.iter().any(|&id| match &m.stmt(id).kind {
        StmtKind::Break | StmtKind::Return(_) => true,
        // A `break` of an inner loop is not ours; a `return` is, but rare enough there to be counted as running through.
        StmtKind::For { .. } | StmtKind::While { .. } | StmtKind::Function(_) | StmtKind::Class(_) => false,
        kind => {
            let mut leaves = false;
            kind.blocks(&mut |b| leaves |= leaves_early(m, b));
            leaves
        }
    })
}

/// Bytes that a process can address on 64-bit machines as they are: 2⁴⁷ on Intel's, 2⁴⁸ on ARM's. A test that asks for more, as
/// with `sys.maxsize`, is about the error that it gets, and nothing is allocated.
const ADDRESSABLE: f64 = (1_u64 << 48) as f64;

/// What uses cost together.
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturating is what is wanted
pub fn cost(uses: &[Use]) -> Cost {
    let mut cost = Cost::default();
    let mut ended: HashMap<*const Site, u64> = HashMap::default();
    for u in uses {
        let amount = u.amount.as_ref().map_or(0.0, |a| a.value);
        match u.site.kind {
            SiteKind::Thread | SiteKind::Pool if u.ended => {
                let n = if u.site.kind == SiteKind::Pool { u.times * amount } else { u.times };
                let most = ended.entry(Rc::as_ptr(&u.site)).or_default();
                *most = (*most).max(n as u64);
            }
            SiteKind::Sleep => cost.sleep_s += u.seconds(),
            SiteKind::Thread => cost.threads = cost.threads.saturating_add(u.times as u64),
            SiteKind::Pool => cost.threads = cost.threads.saturating_add((u.times * amount) as u64),
            SiteKind::Allocation if u.times > 0.0 && amount < ADDRESSABLE => cost.bytes = cost.bytes.max(amount as u64),
            SiteKind::Loop => cost.iterations = cost.iterations.saturating_add((u.times * amount) as u64),
            _ => {}
        }
    }
    cost.threads = ended.values().fold(cost.threads, |all, n| all.saturating_add(*n));
    cost
}

impl Semantics<'_> {
    /// What one call of a function reaches, its parameters not known.
    #[must_use]
    pub fn body_uses(&self, c: &Counter, def: &Def) -> Vec<Use> {
        let mut out = Vec::new();
        self.function_uses(c, def, &Env::default(), Scale::ONE, 0, &mut out);
        out
    }

    /// Seconds of the waits with a timeout written in a function's own body, all of them together: `event.wait(2)`, `queue.get(timeout=1)`.
    #[must_use]
    pub fn known_waits(&self, def: &Def) -> f64 {
        let m = &def.module;
        let Some(f) = m.function(def.stmt) else { return 0.0 };
        let mut sum = 0.0;
        super::semantics::for_each_statement(m, &f.body, &mut |id| {
            m.stmt(id).kind.exprs(&mut |e| {
                let mut stack = vec![e];
                while let Some(e) = stack.pop() {
                    if let ExprKind::Call { func, args, .. } = &m.expr(e).kind
                        && let ExprKind::Attribute { attr, .. } = m.expr(*func).kind
                        && matches!(m.name(attr), "wait" | "get" | "join" | "result" | "acquire")
                    {
                        let index = if matches!(m.name(attr), "get" | "acquire") { Some(1) } else { Some(0) };
                        if let Some(c) =
                            m.argument(args, index, &["timeout"]).and_then(|a| self.constant(m, a.value, &Env::default()))
                        {
                            sum += c.value.max(0.0);
                        }
                    }
                    m.expr(e).kind.children(&mut |child| stack.push(child));
                }
            });
        });
        sum
    }

    /// What the loops around an expression iterate over, innermost first, up to the function it stands in.
    #[must_use]
    pub fn loops_around(&self, m: &Arc<Module>, e: ExprId) -> Vec<ExprId> {
        let mut out = Vec::new();
        let mut child = e;
        let mut at = m.expr(e).parent;
        while let Some(p) = at {
            match &m.expr(p).kind {
                ExprKind::Comprehension { clauses, .. } => {
                    out.extend(clauses.iter().rev().filter_map(|c| match c {
                        Clause::For { iter, .. } if *iter != child => Some(*iter),
                        _ => None,
                    }));
                }
                ExprKind::Lambda { .. } => return out,
                _ => {}
            }
            child = p;
            at = m.expr(p).parent;
        }
        let mut stmt = Some(m.expr(e).stmt);
        let mut inner = None;
        while let Some(id) = stmt {
            match &m.stmt(id).kind {
                StmtKind::For { iter, body, .. } if inner.is_some_and(|i| body.contains(&i)) => out.push(*iter),
                StmtKind::Function(_) | StmtKind::Class(_) => break,
                _ => {}
            }
            inner = Some(id);
            stmt = m.stmt(id).parent;
        }
        out
    }

    /// Whether the loop over an iterable can end before its iterations are used up.
    #[must_use]
    pub fn ends_early(&self, m: &Arc<Module>, iterable: ExprId) -> bool {
        match &m.stmt(m.expr(iterable).stmt).kind {
            StmtKind::For { iter, body, .. } if *iter == iterable => leaves_early(m, body),
            _ => false,
        }
    }
}
