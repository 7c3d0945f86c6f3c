//! What a test calls, and how long that is told to wait: the arguments of calls, the defaults of what is constructed, what the code
//! under test waits for inside.

use std::sync::{Arc, LazyLock};

use regex::bytes::{Regex, RegexBuilder};

use super::{
    Builder, Duration, ENDLESS_S, Form, Key, MILLISECONDS, OUTSIDE, POLL_S, Waited, duration_name, hints::lives, is_foreign,
    looks, repeats,
};
use crate::discover::Role;
use crate::python::ast::{Arg, ArgKind, ExprId, ExprKind, Param, ParamKind, StmtId, StmtKind};
use crate::python::project::Module;
use crate::python::scope::{BindingKind, Lookup, MODULE};
use crate::python::semantics::{ClassRef, Def, Semantics, Type, for_each_statement};
use crate::python::value::{Env, Term};
use crate::source::Span;

impl Builder<'_, '_> {
    /// Looks through a function of the test code, and the helpers it calls, for durations and for what lies outside.
    pub(super) fn function(&mut self, def: &Def, env: &Env, depth: usize) {
        let key = (Arc::as_ptr(&def.module) as usize, def.stmt);
        if depth > 6 || self.visited.iter().any(|(known, with)| *known == key && with.agrees(env)) {
            return;
        }
        self.visited.push((key, env.clone()));
        let m = Arc::clone(&def.module);
        let Some(f) = m.function(def.stmt) else { return };
        self.bodies.push((Arc::clone(&m), f.outer_span));
        self.decorators(&m, &f.decorators, env, depth);
        let mut statements = Vec::new();
        for_each_statement(&m, &f.body, &mut |id| statements.push(id));
        for id in statements {
            let mut exprs = Vec::new();
            m.stmt(id).kind.exprs(&mut |e| exprs.push(e));
            if let StmtKind::Assert { test, .. } = m.stmt(id).kind {
                self.assertion(&m, test, env);
                self.tolerance(&m, test);
            }
            self.attributes(&m, id, env);
            if let StmtKind::Function(_) = m.stmt(id).kind {
                // Defined here, run by a thread or callback of this test.
                self.function(&Def { module: Arc::clone(&m), stmt: id }, env, depth + 1);
                continue;
            }
            self.expressions(&m, exprs, env, depth);
        }
    }

    /// Whether what was looked through speaks of something that expires.
    pub(super) fn expires(&self) -> bool {
        self.bodies.iter().any(|(m, body)| mentions_expiry(m.source.slice(*body)))
    }

    /// Looks through expressions, and the values of the module constants that they name.
    fn expressions(&mut self, m: &Arc<Module>, mut exprs: Vec<ExprId>, env: &Env, depth: usize) {
        while let Some(e) = exprs.pop() {
            match &m.expr(e).kind {
                ExprKind::Str { .. } if is_program(m.text(e)) => {
                    self.keeps_its_own_time("a program in a string takes part, whose speed no number here says");
                }
                ExprKind::Str { text: Some(text), .. } => self.spoken(m, e, text),
                // `f"{LEASE}"`: who reads it may take no fraction.
                ExprKind::Str { parts, .. } => {
                    let terms =
                        parts.iter().filter_map(|p| self.sem.constant(m, *p, env)).filter(|c| c.integer).flat_map(|c| c.terms);
                    let key = |t: Term| Key {
                        file: Arc::clone(&t.module.file),
                        span: t.module.expr(t.expr).span,
                        parameter: String::new(),
                    };
                    self.spelled.extend(terms.map(key));
                }
                ExprKind::Dict(items) => self.entries(m, items, env),
                ExprKind::Call { func, args, .. } => self.call(m, e, *func, args, env, depth),
                ExprKind::Attribute { attr, .. } if is_file_time(m.name(*attr)) => {
                    self.keeps_its_own_time("it depends on the granularity of file times");
                }
                ExprKind::Name(name) => {
                    self.handed_over(m, e, env, depth);
                    let Lookup::Bound(MODULE, bindings) = m.scopes.lookup(&m.ast, e, *name) else { continue };
                    for binding in bindings {
                        let BindingKind::Assign { value, .. } = binding.kind else { continue };
                        let key = (Arc::as_ptr(m) as usize, value);
                        // A time span is a number, which counts where it is used.
                        if !self.constants.contains(&key) && !m.text(value).contains("timedelta(") {
                            self.constants.push(key);
                            exprs.push(value);
                        }
                    }
                }
                _ => {}
            }
            m.expr(e).kind.children(&mut |c| exprs.push(c));
        }
    }

    /// `@process(timeout=0.1)`: what runs a function in its place may give it only so long. pytest's own marks do not.
    fn decorators(&mut self, m: &Arc<Module>, decorators: &[ExprId], env: &Env, depth: usize) {
        let foreign: Vec<ExprId> = decorators.iter().copied().filter(|&d| !m.text(d).starts_with("pytest.")).collect();
        let before = std::mem::replace(&mut self.decorating, true);
        self.expressions(m, foreign, env, depth + 1);
        self.decorating = before;
    }

    /// A sleep in a function that is not called but handed over, or that a decorator runs in its place: what does may end it.
    pub(super) fn worker(&mut self, roots: &[Def], m: &Arc<Module>, e: ExprId, form: &Form, seconds: f64) {
        let Some(home) = m.scopes.function_around(m.expr(e).stmt) else { return };
        let Some(f) = m.function(home) else { return };
        if roots.iter().any(|r| r.stmt == home && Arc::ptr_eq(&r.module, m)) {
            return;
        }
        self.decorators(m, &f.decorators, &Env::default(), 0);
        let key = (Arc::as_ptr(m) as usize, home);
        let called = self.visited.iter().any(|(known, _)| *known == key)
            && !self.handed.contains(&key)
            && m.scopes.function_around(home).is_none();
        if seconds >= ENDLESS_S && (!called || !f.decorators.is_empty()) {
            for &(i, _) in form {
                self.model.durations[i].frozen.get_or_insert_with(|| {
                    "nobody sleeps that long in a worker unless something else is to end first".to_owned()
                });
            }
        }
    }

    fn call(&mut self, m: &Arc<Module>, e: ExprId, func: ExprId, args: &[Arg], env: &Env, depth: usize) {
        let known = self.timeouts.len();
        let callee = match self.sem.type_of(m, func) {
            Type::Unknown => self.inherited(m, func).map_or(Type::Unknown, Type::Function),
            known => known,
        };
        // What is called for its value, if it cannot be followed, may be a factory of the code under test.
        let ours = match &callee {
            Type::External(name) => &**name == "threading.Timer",
            Type::Unknown => !matches!(m.stmt(m.expr(e).stmt).kind, StmtKind::Expr(whole) if whole == e),
            Type::Function(def) => def.module.role == Role::Product,
            _ => true,
        };
        self.called(m, e, func, callee, args, env, depth);
        if ours {
            self.given.extend(self.timeouts[known..].iter().map(|(form, _)| form.clone()));
        }
    }

    /// `super().__init__` in a class of the test code: the base's.
    fn inherited(&self, m: &Arc<Module>, func: ExprId) -> Option<Def> {
        let ExprKind::Attribute { value, attr, .. } = m.expr(func).kind else { return None };
        let ExprKind::Call { func: of, .. } = m.expr(value).kind else { return None };
        if m.text(of) != "super" {
            return None;
        }
        let class = m.scopes.class_of(m.scopes.function_around(m.expr(func).stmt)?)?;
        self.sem.bases(&Def { module: Arc::clone(m), stmt: class }).into_iter().find_map(|base| match base {
            ClassRef::Project(base) => match self.sem.member(&base, m.name(attr), 0) {
                Some(Type::Function(def)) => Some(def),
                _ => None,
            },
            ClassRef::External(_) => None,
        })
    }

    #[allow(clippy::too_many_arguments)] // a call and what is called
    fn called(&mut self, m: &Arc<Module>, e: ExprId, func: ExprId, callee: Type, args: &[Arg], env: &Env, depth: usize) {
        match callee {
            Type::External(name) => {
                if let Some((_, why)) = OUTSIDE.iter().find(|(prefix, _)| name.starts_with(prefix)) {
                    self.keeps_its_own_time(why);
                }
                if counts_whole_seconds(m, &name, args) {
                    self.decline("it counts in whole seconds".to_owned());
                }
                let method = name.rsplit('.').next().unwrap_or_default();
                // Waits of the standard library: they end as soon as what they wait for happens.
                if matches!(
                    method,
                    "wait"
                        | "get"
                        | "put"
                        | "join"
                        | "result"
                        | "acquire"
                        | "wait_for"
                        | "timeout"
                        | "fail_after"
                        | "move_on_after"
                        | "as_completed"
                ) {
                    if let Some(arg) = wait_argument(m, args, method) {
                        self.deadline(m, arg, env);
                    }
                } else if &*name == "threading.Timer" {
                    if let Some(arg) = m.argument(args, Some(0), &["interval"]) {
                        self.timeout(m, arg.value, "interval", env, false, false);
                    }
                } else if method.starts_with("assert") {
                    self.unittest_assertion(m, method, args, env);
                } else {
                    // A time span is what it is handed to.
                    let whose = if &*name == "datetime.timedelta" { method_around(m, e) } else { None };
                    self.keywords(m, args, env, whose);
                    self.numbers(m, method, args, env);
                }
            }
            Type::Class(def) => {
                self.construct(m, e, &def, args, env);
                // A class of the test code passes on what it is told.
                if let Some(Type::Function(init)) = self.sem.member(&def, "__init__", 0)
                    && init.module.role != Role::Product
                {
                    let passed = self.sem.arguments(m, func, args, &init, env);
                    self.function(&init, &passed, depth + 1);
                }
                if def.module.role == Role::Product && !self.classes.contains(&def) {
                    self.classes.push(def);
                }
            }
            Type::Function(def) if def.module.role == Role::Product => {
                if let Some(f) = def.module.function(def.stmt) {
                    // `with fail_after(4):` of the code under test ends as soon as its block does.
                    if matches!(def.module.name(f.name), "wait_for" | "timeout" | "fail_after" | "move_on_after")
                        && let Some(arg) = wait_argument(m, args, def.module.name(f.name))
                    {
                        return self.deadline(m, arg, env);
                    }
                    let bound = def.module.scopes.class_of(def.stmt).is_some();
                    let constructor = def.module.name(f.name) == "__init__";
                    self.parameters(m, e, &def.module, &f.params, usize::from(bound), args, env, constructor);
                }
            }
            Type::Function(def) => self.helper(m, func, &def, args, env, depth),
            Type::Method(..) => {}
            _ => {
                if let ExprKind::Attribute { attr, .. } = m.expr(func).kind {
                    let method = m.name(attr);
                    // datetime.now().replace(microsecond=0)
                    if method == "replace" && m.argument(args, None, &["microsecond"]).is_some() {
                        self.decline("it cuts times to whole seconds".to_owned());
                    }
                    if method.starts_with("assert") {
                        self.unittest_assertion(m, method, args, env);
                    } else if matches!(method, "wait" | "get" | "join" | "result" | "acquire") {
                        if let Some(arg) = wait_argument(m, args, method) {
                            self.deadline(m, arg, env);
                        }
                    } else {
                        self.keywords(m, args, env, Some(method));
                        self.numbers(m, method, args, env);
                    }
                } else {
                    self.keywords(m, args, env, None);
                    if let ExprKind::Name(name) = m.expr(func).kind {
                        self.numbers(m, m.name(name), args, env);
                    }
                }
            }
        }
    }

    /// `make_monitor(timeout=1)`: what a function of the test code is passed is what it passes on.
    fn helper(&mut self, m: &Arc<Module>, callee: ExprId, def: &Def, args: &[Arg], env: &Env, depth: usize) {
        let passed = self.sem.arguments(m, callee, args, def, env);
        self.function(def, &passed, depth + 1);
        let Some(f) = def.module.function(def.stmt) else { return };
        let first = self.sem.first_passed(m, callee, def);
        let names: Vec<&str> = f.params.iter().map(|p| def.module.name(p.name)).collect();
        // `def anyhow(**options)`
        let others = |arg: &&Arg| matches!(arg.kind, ArgKind::Keyword(k) if !names.contains(&m.name(k)));
        let others: Vec<Arg> = args.iter().filter(others).cloned().collect();
        self.keywords(m, &others, env, None);
        for (i, p) in f.params.iter().enumerate().skip(first) {
            let name = names[i];
            let index = (p.kind != ParamKind::KeywordOnly).then(|| i - first);
            if duration_name(name).is_none() {
                continue;
            }
            let Some(arg) = m.argument(args, index, &[name]).filter(|arg| !self.seen(m, arg.value, env)) else { continue };
            // A timeout that is seen to be passed on to nothing ends the helper's own wait.
            if name.contains("timeout") || name.contains("deadline") {
                self.deadline(m, arg.value, env);
            } else {
                let known = self.timeouts.len();
                self.timeout(m, arg.value, name, env, repeats(name), false);
                self.hold(known, &format!("what `{}` does with it is not seen", def.module.name(f.name)));
            }
        }
    }

    /// Whether all numbers that a value comes from are durations already.
    fn seen(&self, m: &Arc<Module>, e: ExprId, env: &Env) -> bool {
        let constant = self.sem.constant(m, e, env);
        constant.is_some_and(|c| !c.terms.is_empty() && c.terms.iter().all(|t| self.known(&t.module, t.expr)))
    }

    /// Keywords with a duration's name of a call that cannot be looked into.
    pub(super) fn keywords(&mut self, m: &Arc<Module>, args: &[Arg], env: &Env, method: Option<&str>) {
        for arg in args {
            if let ArgKind::Keyword(k) = arg.kind {
                let name = m.name(k).to_owned();
                self.rates(m, &name, arg.value);
                if duration_name(&name).is_some() {
                    let known = self.timeouts.len();
                    self.timeout(m, arg.value, &name, env, repeats(&name), lives(&name, method));
                    if is_foreign(&name) {
                        self.hold(known, "what it may be is a matter of the interface that takes it");
                    }
                }
            }
        }
    }

    fn deadline(&mut self, m: &Arc<Module>, e: ExprId, env: &Env) {
        if let Some(c) = self.sem.constant(m, e, env)
            && c.value > 0.02
            && let Some(form) = self.form(&c, "timeout")
        {
            self.deadlines.push(form);
        }
    }

    pub(super) fn timeout(&mut self, m: &Arc<Module>, e: ExprId, name: &str, env: &Env, repeats: bool, whole: bool) {
        let Some(c) = self.sem.constant(m, e, env) else { return };
        let unit = duration_name(name).unwrap_or(1.0);
        if c.several {
            self.decline(format!("`{name}` takes several values in turn"));
        }
        if c.value <= 0.0 {
            return;
        }
        if c.integer && (unit - 1.0).abs() < 1e-9 && c.value >= MILLISECONDS {
            self.whole.push((c.value, name.to_owned()));
        }
        if repeats && is_latency(name, c.value * unit) {
            // The product looks this often: latency, not a wait.
            self.model.slack = self.model.slack.max(c.value * unit);
            self.paced |= !looks(name);
            return;
        }
        if let Some(form) = self.form_in(&c, name, unit, whole && c.integer) {
            self.timeouts.push((form, repeats));
        }
    }

    /// The durations a constructor is given, and those it takes by default.
    fn construct(&mut self, m: &Arc<Module>, e: ExprId, class: &Def, args: &[Arg], env: &Env) {
        match self.sem.member(class, "__init__", 0) {
            Some(Type::Function(init)) => {
                if let Some(f) = init.module.function(init.stmt) {
                    self.parameters(m, e, &init.module, &f.params, 1, args, env, true);
                }
            }
            _ => match fields(self.sem, class, 0) {
                Some(fields) => self.parameters(m, e, &class.module, &fields, 0, args, env, true),
                None => self.keywords(m, args, env, None),
            },
        }
    }

    #[allow(clippy::too_many_arguments)] // a call and a signature, side by side
    fn parameters(
        &mut self,
        m: &Arc<Module>,
        call: ExprId,
        home: &Arc<Module>,
        params: &[Param],
        skip: usize,
        args: &[Arg],
        env: &Env,
        constructor: bool,
    ) {
        let splat = args.iter().any(|a| matches!(a.kind, ArgKind::Star | ArgKind::DoubleStar));
        for (i, p) in params.iter().enumerate().skip(skip) {
            let name = home.name(p.name).to_owned();
            let index = (p.kind != ParamKind::KeywordOnly).then_some(i - skip);
            if let Some(arg) = m.argument(args, index, &[&name]) {
                self.rates(m, &name, arg.value);
            }
            let Some(unit) = duration_name(&name) else {
                self.built_by_default(home, p, m.argument(args, Some(i - skip), &[&name]).is_some());
                continue;
            };
            let whole = p.annotation.is_some_and(|a| matches!(home.expr(a).kind, ExprKind::Name(n) if home.name(n) == "int"))
                || lives(&name, Some("")) && STORES.iter().any(|store| home.source.text().contains(store));
            // `monitor.wait_for_silence(timeout=5)` ends as soon as there is silence; `Monitor(timeout=2)` waits its timeout out.
            let ends_early = !constructor && !self.decorating && (name.contains("timeout") || name.contains("deadline"));
            if let Some(arg) = m.argument(args, index, &[&name]) {
                if ends_early {
                    self.deadline(m, arg.value, env);
                } else {
                    self.timeout(m, arg.value, &name, env, repeats(&name), whole);
                }
                continue;
            }
            if ends_early {
                continue;
            }
            let Some(default) = p.default else { continue };
            let Some(c) = self.sem.constant(home, default, &Env::default()) else { continue };
            let ExprKind::Call { args_span, .. } = m.expr(call).kind else { continue };
            if c.value <= 0.0 || c.several {
                continue;
            }
            if repeats(&name) && is_latency(&name, c.value * unit) {
                self.model.slack = self.model.slack.max(c.value * unit);
                continue;
            }
            let at = args_span.end.saturating_sub(1);
            let keyword_fits = !splat && p.kind != ParamKind::PositionalOnly && m.role != Role::Product && !m.broken();
            let before = m.source.slice(Span::new(args_span.start, at)).trim_end();
            let separator = if args.is_empty() || before.ends_with(',') { "" } else { ", " };
            let key = Key { file: Arc::clone(&m.file), span: Span::at(at), parameter: name.clone() };
            let duration = Duration {
                text: String::new(),
                value: c.value,
                folded: false,
                unit,
                whole,
                frozen: if !keyword_fits || before.contains('#') {
                    Some(format!("the default of `{name}` cannot be passed here"))
                } else {
                    None
                },
                product: false,
                waited: Waited::No,
                prefix: format!("{separator}{name}="),
                source: Arc::clone(&m.source),
                key: key.clone(),
            };
            let i = self.intern(key, duration);
            self.timeouts.push((vec![(i, 1.0)], repeats(&name)));
        }
    }

    /// `def __init__(self, options=Options())`: what that is told by default, no argument here can change.
    fn built_by_default(&mut self, home: &Arc<Module>, parameter: &Param, given: bool) {
        if let Some(default) = parameter.default.filter(|_| !given)
            && let ExprKind::Call { func, args, .. } = &home.expr(default).kind
            && let Type::Class(def) = self.sem.type_of(home, *func)
            && fields(self.sem, &def, 0).is_some()
        {
            self.construct(home, default, &def, args, &Env::default());
        }
    }

    /// What the classes of the product wait for inside, by numbers that no argument changes.
    pub(super) fn products(&mut self) {
        for class in self.classes.clone() {
            let m = &class.module;
            let body = m.stmt(class.stmt).span;
            if let Some(why) = self.sem.reaches(class.clone(), CHILDREN) {
                self.keeps_its_own_time(why);
            }
            if ["st_mtime", "getmtime"].iter().any(|word| m.source.slice(body).contains(word)) {
                self.keeps_its_own_time("it depends on the granularity of file times");
            }
            for (i, expr) in m.ast.exprs.iter().enumerate() {
                let ExprKind::Call { func, args, .. } = &expr.kind else { continue };
                if !body.contains(expr.span) {
                    continue;
                }
                let name = match m.expr(*func).kind {
                    ExprKind::Attribute { attr, .. } | ExprKind::Name(attr) => m.name(attr),
                    _ => continue,
                };
                // `options or Options()`: as with a default, no argument says otherwise.
                if let Type::Class(def) = self.sem.type_of(m, *func)
                    && fields(self.sem, &def, 0).is_some()
                {
                    self.construct(m, ExprId(u32::try_from(i).unwrap_or(u32::MAX)), &def, args, &Env::default());
                    continue;
                }
                if matches!(name, "int" | "floor" | "ceil" | "round") && args.first().is_some_and(|a| reads_clock(m, a.value)) {
                    self.decline("the code under test counts in whole seconds".to_owned());
                }
                if !matches!(name, "sleep" | "wait" | "get" | "select" | "poll") {
                    continue;
                }
                let Some(arg) =
                    wait_argument(m, args, name).or_else(|| args.first().filter(|_| name == "sleep").map(|a| a.value))
                else {
                    continue;
                };
                if let Some(c) = self.sem.constant(m, arg, &Env::default())
                    && c.value > 0.0
                    && c.value < 60.0
                    && let Some(form) = self.form(&c, name)
                {
                    if c.value <= POLL_S {
                        self.model.slack = self.model.slack.max(c.value);
                    } else {
                        self.timeouts.push((form, false));
                    }
                }
            }
            if let Type::External(base) = self.sem.bases(&class).first().map_or(Type::Unknown, |b| match b {
                ClassRef::External(n) => Type::External(n.clone()),
                ClassRef::Project(_) => Type::Unknown,
            }) && let Some((_, why)) = OUTSIDE.iter().find(|(p, _)| base.starts_with(p))
            {
                self.keeps_its_own_time(why);
            }
        }
    }
}

/// The parameters of a class whose annotated attributes are its parameters: a dataclass, a class of attrs, a named tuple. `None` for
/// any other class, and for one that takes some of them from a class of another module.
fn fields(sem: &Semantics<'_>, class: &Def, depth: usize) -> Option<Vec<Param>> {
    const MAKERS: [&str; 6] =
        ["dataclasses.dataclass", "attr.dataclass", "attr.define", "attr.frozen", "attrs.define", "attrs.frozen"];
    let m = &class.module;
    let bases = sem.bases(class);
    let tuple = matches!(&bases[..], [ClassRef::External(base)] if &**base == "typing.NamedTuple");
    if depth > 5 || !(tuple || MAKERS.iter().any(|maker| sem.decorated(m, class.stmt, maker))) {
        return None;
    }
    let mut out: Vec<Param> = Vec::new();
    for base in bases.iter().filter(|_| !tuple) {
        let ClassRef::Project(base) = base else { continue };
        if !Arc::ptr_eq(&base.module, m) {
            return None;
        }
        out.extend(fields(sem, base, depth + 1)?);
    }
    for &id in &m.class(class.stmt)?.body {
        let StmtKind::Assign { targets, annotation: Some(annotation), value } = &m.stmt(id).kind else { continue };
        let [target] = targets[..] else { continue };
        let ExprKind::Name(name) = m.expr(target).kind else { continue };
        if m.text(*annotation).contains("ClassVar") {
            continue;
        }
        // `field(default=2.0)`; one that `__init__` does not take is set by something else.
        let mut default = *value;
        if let Some(ExprKind::Call { args, .. }) = value.map(|v| &m.expr(v).kind) {
            if m.argument(args, None, &["init"]).is_some_and(|arg| m.text(arg.value) == "False") {
                continue;
            }
            default = m.argument(args, None, &["default"]).map(|arg| arg.value).or(*value);
        }
        let span = m.expr(target).span;
        let field = Param { name, name_span: span, kind: ParamKind::Normal, annotation: Some(*annotation), default, span };
        match out.iter_mut().find(|known| known.name == name) {
            Some(known) => *known = field,
            None => out.push(field),
        }
    }
    Some(out)
}

/// Whether a test speaks of something that expires, resets or is let through at a rate.
#[must_use]
pub fn mentions_expiry(text: &str) -> bool {
    // A release is no lease, and Windows is no window.
    const WORDS: &str = "expir|_ttl|ttl=|windows?|evict|per_?second|throttl|rate_?limit|release|please|lease|stale";
    static WORD: LazyLock<Option<Regex>> =
        LazyLock::new(|| RegexBuilder::new(WORDS).case_insensitive(true).unicode(false).build().ok());
    let other = |word: &[u8]| ["windows", "release", "please"].iter().any(|o| word.eq_ignore_ascii_case(o.as_bytes()));
    WORD.as_ref().is_some_and(|word| word.find_iter(text.as_bytes()).any(|found| !other(found.as_bytes())))
}

/// Whether an attribute of what `os.stat` returns says when a file was changed or read.
fn is_file_time(name: &str) -> bool {
    matches!(name, "st_mtime" | "st_mtime_ns" | "st_atime" | "st_atime_ns" | "st_ctime" | "st_ctime_ns")
}

/// Whether a string literal is a Python program, for a child process to run.
fn is_program(text: &str) -> bool {
    text.contains('\n')
        && text.lines().any(|l| {
            let l = l.trim_start_matches([' ', '\t', '"', '\'', 'r', 'f', 'b', '\\']);
            l.starts_with("import ") || l.starts_with("from ") && l.contains(" import ")
        })
}

/// `int(time.time())`, `ceil(now())`: a difference of less than a second may or may not show (HAZARDS row 13).
fn counts_whole_seconds(m: &Module, function: &str, args: &[Arg]) -> bool {
    matches!(function, "builtins.int" | "math.floor" | "math.ceil" | "math.trunc")
        && args.first().is_some_and(|a| reads_clock(m, a.value))
}

/// A comment beside a statement, or above it, that speaks of how finely times are told: of files, of a database.
pub(super) fn resolution(m: &Module, stmt: StmtId) -> Option<String> {
    const WORDS: &[&str] =
        &["resolution", "granular", "mtime", "timestamp", "time format", "modification time", "a second has", "full second"];
    let comment = m.comments_at(stmt).find(|c| WORDS.iter().any(|w| c.to_ascii_lowercase().contains(w)))?;
    Some(comment.trim_end().chars().take(50).collect())
}

/// The condition around a statement that reads the time of day: `if datetime.now().second >= 58: sleep(2.5)`.
pub(super) fn on_the_wall_clock(m: &Module, stmt: StmtId) -> Option<ExprId> {
    let mut at = Some(stmt);
    while let Some(id) = at {
        if let StmtKind::If { test, .. } | StmtKind::While { test, .. } = m.stmt(id).kind {
            let text = m.text(test);
            if [".now(", ".utcnow(", ".today(", "localtime(", "gmtime("].iter().any(|w| text.contains(w)) {
                return Some(test);
            }
        }
        at = m.stmt(id).parent;
    }
    None
}

/// Whether something is done so often that how often it is nobody can tell. What a plan has made a tenth of a second can be told yet, or
/// the next round would plan otherwise; where it is how often something looks, nobody does.
fn is_latency(name: &str, seconds: f64) -> bool {
    if looks(name) { seconds <= POLL_S } else { seconds < POLL_S - 1e-9 }
}

/// The method that an argument is handed to.
fn method_around(m: &Module, argument: ExprId) -> Option<&str> {
    let ExprKind::Call { func, .. } = m.expr(m.expr(argument).parent?).kind else { return None };
    match m.expr(func).kind {
        ExprKind::Attribute { attr, .. } if func != argument => Some(m.name(attr)),
        _ => None,
    }
}

fn reads_clock(m: &Module, e: ExprId) -> bool {
    let text = m.text(e);
    ["time()", "monotonic()", "timestamp()", "total_seconds()"].iter().any(|w| text.contains(w))
}

/// What makes a class of the product start child processes: then how fast they start is part of every test that uses it.
const CHILDREN: &[(&str, &str)] = &[
    ("subprocess.Popen", "the code under test starts child processes, whose speed no number here says"),
    ("multiprocessing.Process", "the code under test starts child processes, whose start-up time no number here says"),
    ("multiprocessing.pool.Pool", "the code under test starts child processes, whose start-up time no number here says"),
    ("multiprocessing.get_context", "the code under test starts child processes, whose start-up time no number here says"),
    ("asyncio.create_subprocess", "the code under test starts child processes, whose speed no number here says"),
    (
        "concurrent.futures.ProcessPoolExecutor",
        "the code under test starts child processes, whose start-up time no number here says",
    ),
    ("os.fork", "the code under test starts child processes, whose speed no number here says"),
];

/// Stores that count in whole seconds, as the product's modules name them.
const STORES: &[&str] = &["redis", "memcache", "pylibmc"];

/// The timeout of a waiting call, by its usual position.
fn wait_argument(m: &Module, args: &[Arg], method: &str) -> Option<ExprId> {
    let index = match method {
        "wait" | "join" | "result" | "select" | "poll" | "timeout" | "fail_after" | "move_on_after" => Some(0),
        "wait_for" | "get" | "acquire" => Some(1),
        "put" => Some(2),
        _ => None,
    };
    m.argument(args, index, &["timeout"]).map(|a| a.value)
}
