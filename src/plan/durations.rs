//! Durations that belong together: what one test sleeps, what it tells the product to wait, what it asserts about time.
//!
//! [`model`] describes one test: the literals behind its durations and the ties between them. Literals are shared (a module
//! constant, a fixture, a helper's default), so the tests of a whole run are joined by [`Groups`] before anything is solved:
//! a group is solved at once, and its edits are one fix.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::number::{format_like, rewrite_number, write_seconds};
use super::solve::{Limits, Quantity, Tie, solve};
use crate::config::FixSettings;
use crate::discover::Role;
use crate::edit::Edit;
use crate::python::assertion::nothing_after;
use crate::python::ast::{Arg, ArgKind, CompareOp, ExprId, ExprKind, ParamKind, StmtId, StmtKind};
use crate::python::cost::{Counter, TestFacts, Use};
pub use crate::python::ended::FOREVER;
use crate::python::project::Module;
use crate::python::scope::{BindingKind, Lookup, MODULE};
use crate::python::semantics::{ClassRef, Def, Semantics, Type, for_each_statement};
use crate::python::value::{Constant, Env, Term};
use crate::query::SiteKind;
use crate::source::{SourceFile, Span};

/// Where a number is written; for a default of the product, where the argument that replaces it would go.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The file.
    pub file: Arc<PathBuf>,
    /// The literal; for a default, the insertion point.
    pub span: Span,
    /// Parameter a default belongs to; empty for a literal.
    pub parameter: String,
}

/// A duration somebody wrote.
#[derive(Debug, Clone)]
pub struct Duration {
    /// Where.
    pub key: Key,
    /// Its text in the source, or `NAME=` context for a default.
    pub text: String,
    /// The literal's value, in its own unit.
    pub value: f64,
    /// Whether it is arithmetic on literals rather than one literal.
    pub folded: bool,
    /// Seconds per unit of the literal.
    pub unit: f64,
    /// Must stay a whole number.
    pub whole: bool,
    /// Why it must not change; `None` when it may.
    pub frozen: Option<String>,
    /// It is a number of product code: it stays, and ties nothing together.
    pub product: bool,
    /// Whether some test waits for it.
    pub waited: Waited,
    /// Text to put before the value when a default is passed explicitly: `, timeout=`.
    pub prefix: String,
    /// The file it is in, for edits and messages.
    pub source: Arc<SourceFile>,
}

/// Whether a test waits for a duration, so that making it shorter makes the test faster. What no test waits for stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waited {
    /// None does.
    No,
    /// It is slept, or a bound on what is slept.
    For,
    /// It is a timeout, interval or time to live of the code under test, which a test waits out.
    Out,
}

/// Σ factor × duration, by index into [`Model::durations`].
pub type Form = Vec<(usize, f64)>;

/// What ties two forms together.
#[derive(Debug, Clone)]
pub enum Link {
    /// The first ends before the second.
    Order(Form, Form),
    /// Both are one number.
    Same(usize, usize),
    /// First over second is a number of times.
    Ratio(usize, usize),
}

/// The durations of one test.
#[derive(Debug, Default)]
pub struct Model {
    /// The test's node id.
    pub test: String,
    /// All its durations.
    pub durations: Vec<Duration>,
    /// Their ties.
    pub links: Vec<Link>,
    /// Latency of the product in seconds: the longest of its polling intervals.
    pub slack: f64,
    /// Why no duration of this test may change.
    pub declined: Option<String>,
}

/// Names of parameters and constants that hold a duration in seconds, unless a suffix gives another unit.
#[must_use]
pub fn duration_name(name: &str) -> Option<f64> {
    const WORDS: &[&str] = &[
        "timeout",
        "interval",
        "delay",
        "ttl",
        "wait",
        "period",
        "deadline",
        "debounce",
        "cooldown",
        "expiry",
        "expires",
        "lifetime",
        "duration",
        "grace",
        "idle",
        "silence",
        "settle",
        "lease",
        "backoff",
        "window",
        "poll",
        "tick",
        "sleep",
        "seconds",
        "secs",
        "pause",
        "quiet",
        "heartbeat",
        "keepalive",
        "hold",
        "linger",
        "age",
        "stale",
        "threshold_s",
        "after",
    ];
    let lower = name.to_ascii_lowercase();
    let parts = lower.split('_').filter(|p| !p.is_empty());
    let mut is_duration = false;
    let mut last = "";
    for p in parts {
        is_duration |= WORDS.contains(&p) || WORDS.iter().any(|w| p.strip_suffix('s') == Some(w));
        last = p;
    }
    if !is_duration {
        return None;
    }
    Some(match last {
        "ms" | "millis" | "msec" | "milliseconds" => 1e-3,
        "us" | "micros" | "microseconds" => 1e-6,
        "minutes" | "mins" => 60.0,
        "count" | "retries" | "size" | "max" | "limit" if !lower.ends_with("timeout") => return None,
        _ => 1.0,
    })
}

/// A repeating duration: how often it fits into another one is a number somebody counts.
fn repeats(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["interval", "period", "tick", "poll", "heartbeat", "backoff", "retry_delay"].iter().any(|w| lower.contains(w))
}

/// What makes real time, or another process, part of a test: no number in the test says how long that takes.
const OUTSIDE: &[(&str, &str)] = &[
    ("subprocess.", "it waits for a child process, whose speed no number here says"),
    ("pexpect.", "it waits for a child process, whose speed no number here says"),
    ("multiprocessing.", "it waits for child processes, whose start-up time no number here says"),
    ("concurrent.futures.ProcessPoolExecutor", "it waits for child processes, whose start-up time no number here says"),
    ("billiard.", "it waits for child processes, whose start-up time no number here says"),
    ("os.fork", "it waits for a child process, whose speed no number here says"),
    ("os.kill", "it waits for a signal to another process"),
    ("os.system", "it waits for a child process, whose speed no number here says"),
    ("os.utime", "it depends on the granularity of file times"),
    ("os.path.getmtime", "it depends on the granularity of file times"),
    ("socket.", "it waits for a network peer, whose speed no number here says"),
    ("select.", "it waits for a network peer, whose speed no number here says"),
    ("socketserver.", "it waits for a network peer, whose speed no number here says"),
    ("http.", "it waits for a network peer, whose speed no number here says"),
    ("urllib.", "it waits for a network peer, whose speed no number here says"),
    ("requests.", "it waits for a network peer, whose speed no number here says"),
    ("httpx.", "it waits for a network peer, whose speed no number here says"),
    ("asyncio.open_connection", "it waits for a network peer, whose speed no number here says"),
    ("asyncio.start_server", "it waits for a network peer, whose speed no number here says"),
    ("asyncio.create_subprocess", "it waits for a child process, whose speed no number here says"),
    ("signal.", "it arms a real alarm or signal"),
    ("freezegun.", "its clock is frozen by freezegun"),
    ("time_machine.", "its clock is moved by time-machine"),
    ("hiro.", "its clock is moved by hiro"),
    ("docker.", "it waits for a container"),
    ("resource.", "it measures the resources of a process"),
    ("gevent.subprocess", "it waits for a child process, whose speed no number here says"),
];

/// The margin is eight times what a loaded machine needs (HAZARDS: 12 ms); a latency of a fifth of it is covered by the rest.
const COVERED: f64 = 5.0;

/// An interval up to this is how often something looks, not how long it waits.
const POLL_S: f64 = 0.1;

/// From this many seconds on, a worker's sleep stands for "longer than the test lasts".
const ENDLESS_S: f64 = 10.0;

/// From this whole number on, a duration without a unit may be milliseconds.
const MILLISECONDS: f64 = 100.0;

struct Builder<'s, 'p> {
    sem: &'s Semantics<'p>,
    model: Model,
    index: HashMap<Key, usize>,
    /// Sleeps of each function in order, with how often each happens.
    sleeps: HashMap<(usize, StmtId), Vec<(Form, f64)>>,
    /// Durations the product waits out.
    timeouts: Vec<(Form, bool)>,
    /// Those of them that the code under test is seen to be given, rather than a library.
    given: Vec<Form>,
    /// Waits that end early unless something fails.
    deadlines: Vec<Form>,
    /// Lower and upper bounds asserted on elapsed time.
    lower: Vec<(Form, bool)>,
    upper: Vec<Form>,
    /// Numbers of assertions, with the timeout each of them repeats.
    echoes: Vec<(usize, usize)>,
    classes: Vec<Def>,
    visited: Vec<(usize, StmtId)>,
    /// Values of module constants that were looked through.
    constants: Vec<(usize, ExprId)>,
    /// A decorator is looked at: what it calls makes the wrapper, and ends nothing early.
    decorating: bool,
    /// Whole numbers handed over as seconds that may be milliseconds.
    whole: Vec<(f64, String)>,
    /// The test mentions that something expires.
    expires: bool,
    /// Numbers handed to calls inside assertions that speak of time.
    named: Vec<(Key, f64)>,
    /// What takes part that keeps its own time.
    outside: Option<String>,
    /// Sleeps after which nothing has happened.
    quiet: Vec<Form>,
}

/// Describes the durations of one test.
#[must_use]
pub fn model(sem: &Semantics<'_>, counter: &Counter, facts: &TestFacts) -> Model {
    build(sem, counter, facts).model
}

/// What takes part in a test that keeps its own time, so that virtual time would be wrong or of no use: child processes, network
/// peers, alarms, file times, another library's clock.
#[must_use]
pub fn outside(sem: &Semantics<'_>, counter: &Counter, facts: &TestFacts) -> Option<String> {
    let built = build(sem, counter, facts);
    let product = || built.classes.iter().find_map(|class| sem.reaches_anew(class.clone(), OUTSIDE));
    built.outside.clone().or_else(|| product().map(str::to_owned))
}

fn build<'s, 'p>(sem: &'s Semantics<'p>, counter: &Counter, facts: &TestFacts) -> Builder<'s, 'p> {
    let mut b = Builder {
        sem,
        model: Model { test: facts.test.id.clone(), ..Model::default() },
        index: HashMap::new(),
        sleeps: HashMap::new(),
        timeouts: Vec::new(),
        given: Vec::new(),
        deadlines: Vec::new(),
        lower: Vec::new(),
        upper: Vec::new(),
        echoes: Vec::new(),
        classes: Vec::new(),
        visited: Vec::new(),
        constants: Vec::new(),
        decorating: false,
        whole: Vec::new(),
        expires: false,
        named: Vec::new(),
        outside: None,
        quiet: Vec::new(),
    };
    // A fixture shared by many tests is charged to none of them, but what it waits for is theirs.
    let mut asleep: Vec<(Arc<Module>, ExprId, Form, f64)> = Vec::new();
    let shared: Vec<Use> =
        facts.fixtures.iter().filter(|(_, info)| info.shared).flat_map(|(def, _)| sem.body_uses(counter, def)).collect();
    for u in facts.uses.iter().chain(&shared) {
        if u.site.kind != SiteKind::Sleep {
            continue;
        }
        let Some(amount) = &u.amount else {
            b.decline(format!("`{}` sleeps for a time that is not known statically", excerpt(&u.site.module, u.site.expr)));
            continue;
        };
        if amount.value <= 0.02 {
            continue; // a yield, not a wait (HAZARDS row 24)
        }
        if amount.several {
            b.decline(format!("`{}` sleeps for several values in turn", excerpt(&u.site.module, u.site.expr)));
        }
        let Some(form) = b.form(amount, "sleep") else { continue };
        if u.unslept || sem.cancellable(&u.site.module, u.site.expr, amount.value) {
            // Something else ends it, after however long: made shorter it might end first.
            for (i, _) in form {
                b.model.durations[i]
                    .frozen
                    .get_or_insert_with(|| "something else ends it: made shorter, it might end first".to_owned());
            }
            continue;
        }
        let stmt = u.site.module.expr(u.site.expr).stmt;
        if let Some(condition) = on_the_wall_clock(&u.site.module, stmt) {
            b.decline(format!("`{}` decides by the clock on the wall whether it sleeps", excerpt(&u.site.module, condition)));
        }
        asleep.push((Arc::clone(&u.site.module), u.site.expr, form.clone(), amount.value));
        if nothing_after(&u.site.module, stmt) {
            b.quiet.push(form.clone());
        }
        let function = u.site.module.scopes.function_around(stmt);
        let key = (Arc::as_ptr(&u.site.module) as usize, function.unwrap_or(StmtId(u32::MAX)));
        b.sleeps.entry(key).or_default().push((form, u.iterations.max(1.0)));
    }
    let mut roots = vec![facts.test.def.clone()];
    roots.extend(facts.fixtures.iter().map(|(d, _)| d.clone()));
    roots.extend(sem.setups(&facts.test));
    for def in &roots {
        b.function(def, &Env::default(), 0);
    }
    for (m, e, form, seconds) in asleep {
        b.worker(&roots, &m, e, &form, seconds);
    }
    b.products();
    if b.expires && b.timeouts.is_empty() {
        b.decline("it waits for something to expire, and no number in the test says after how long".to_owned());
    }
    b.tie();
    b.milliseconds();
    let twice = b.model.durations.iter().find(|d| {
        d.waited > Waited::No
            && d.frozen.is_none()
            && b.named.iter().any(|(k, v)| (d.value - v).abs() < 1e-9 && *k != d.key && !b.index.contains_key(k))
    });
    if let Some(d) = twice {
        let why = format!("an assertion names {} a second time", d.text);
        b.decline(why);
    }
    b
}

fn excerpt(m: &Module, e: ExprId) -> String {
    let text = m.text(e);
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > 60 { format!("{}…", line.chars().take(59).collect::<String>()) } else { line.to_owned() }
}

impl Builder<'_, '_> {
    fn decline(&mut self, why: String) {
        self.model.declined.get_or_insert(why);
    }

    /// Something takes part that keeps its own time.
    fn keeps_its_own_time(&mut self, why: &str) {
        self.outside.get_or_insert_with(|| why.to_owned());
        self.decline(why.to_owned());
    }

    /// A constant as a sum of the durations it is computed from.
    fn form(&mut self, c: &Constant, name: &str) -> Option<Form> {
        self.form_in(c, name, 1.0, false)
    }

    fn form_in(&mut self, c: &Constant, name: &str, unit: f64, whole: bool) -> Option<Form> {
        if c.terms.is_empty() {
            return None;
        }
        if c.offset.abs() > 1e-9 {
            self.decline(format!("`{name}` is computed in a way that cannot be solved for"));
        }
        let mut form = Vec::new();
        for t in &c.terms {
            // `GRACE_MS / 1000`: what is written are milliseconds, as in `timeout_ms=1500`.
            let sub = [1e-3, 1e-6].into_iter().find(|u| (t.factor / u - 1.0).abs() < 1e-9);
            let (unit, factor) = sub.map_or((unit, t.factor), |u| (unit * u, 1.0));
            form.push((self.literal(t, unit, whole), factor));
        }
        // `LEASE + 0.2`, where LEASE is the product's: the test's side never changes alone (HAZARDS row 7).
        if form.len() > 1 && c.terms.iter().any(|t| t.module.role == Role::Product) {
            for &(i, _) in &form {
                self.model.durations[i].frozen.get_or_insert_with(|| "it is added to a number of product code".to_owned());
            }
        }
        Some(form)
    }

    fn literal(&mut self, t: &Term, unit: f64, whole: bool) -> usize {
        let m = &t.module;
        let expr = m.expr(t.expr);
        let key = Key { file: Arc::clone(&m.file), span: expr.span, parameter: String::new() };
        let frozen = if m.role == Role::Product {
            Some(format!("{} is product code", m.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()))
        } else if m.broken() {
            Some("the file it is written in could not be parsed".to_owned())
        } else {
            None
        };
        let duration = Duration {
            text: m.text(t.expr).to_owned(),
            value: t.value,
            folded: !matches!(expr.kind, ExprKind::Int(_) | ExprKind::Float(_)),
            unit,
            whole,
            frozen,
            product: m.role == Role::Product,
            waited: Waited::No,
            prefix: String::new(),
            source: Arc::clone(&m.source),
            key: key.clone(),
        };
        self.intern(key, duration)
    }

    fn intern(&mut self, key: Key, duration: Duration) -> usize {
        if let Some(&i) = self.index.get(&key) {
            let known = &mut self.model.durations[i];
            known.whole |= duration.whole;
            known.waited = known.waited.max(duration.waited);
            if (known.unit - duration.unit).abs() > 1e-12 {
                known.frozen.get_or_insert_with(|| "it is used in two units".to_owned());
            }
            return i;
        }
        self.model.durations.push(duration);
        self.index.insert(key, self.model.durations.len() - 1);
        self.model.durations.len() - 1
    }

    fn freeze(&mut self, form: &Form) {
        for &(i, _) in form {
            self.model.durations[i].frozen.get_or_insert_with(|| "an assertion compares with it".to_owned());
        }
    }

    fn seconds(&self, form: &Form) -> f64 {
        form.iter().map(|&(i, f)| self.model.durations[i].value * self.model.durations[i].unit * f).sum()
    }

    /// Looks through a function of the test code, and the helpers it calls, for durations and for what lies outside.
    fn function(&mut self, def: &Def, env: &Env, depth: usize) {
        let key = (Arc::as_ptr(&def.module) as usize, def.stmt);
        if depth > 6 || self.visited.contains(&key) {
            return;
        }
        self.visited.push(key);
        let m = Arc::clone(&def.module);
        let Some(f) = m.function(def.stmt) else { return };
        self.expires |= mentions_expiry(m.source.slice(f.outer_span));
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
            if let StmtKind::Function(_) = m.stmt(id).kind {
                // Defined here, run by a thread or callback of this test.
                self.function(&Def { module: Arc::clone(&m), stmt: id }, env, depth + 1);
                continue;
            }
            self.expressions(&m, exprs, env, depth);
        }
    }

    /// Looks through expressions, and the values of the module constants that they name.
    fn expressions(&mut self, m: &Arc<Module>, mut exprs: Vec<ExprId>, env: &Env, depth: usize) {
        while let Some(e) = exprs.pop() {
            match &m.expr(e).kind {
                ExprKind::Str { .. } if is_program(m.text(e)) => {
                    self.keeps_its_own_time("a program in a string takes part, whose speed no number here says");
                }
                ExprKind::Call { func, args, .. } => self.call(m, e, *func, args, env, depth),
                ExprKind::Name(name) => {
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
    fn worker(&mut self, roots: &[Def], m: &Arc<Module>, e: ExprId, form: &Form, seconds: f64) {
        let Some(home) = m.scopes.function_around(m.expr(e).stmt) else { return };
        let Some(f) = m.function(home) else { return };
        if roots.iter().any(|r| r.stmt == home && Arc::ptr_eq(&r.module, m)) {
            return;
        }
        self.decorators(m, &f.decorators, &Env::default(), 0);
        let called = self.visited.contains(&(Arc::as_ptr(m) as usize, home)) && m.scopes.function_around(home).is_none();
        if seconds >= ENDLESS_S && (!called || !f.decorators.is_empty()) {
            for &(i, _) in form {
                self.model.durations[i].frozen.get_or_insert_with(|| {
                    "nobody sleeps that long in a worker unless something else is to end first".to_owned()
                });
            }
        }
    }

    /// `Rate(20, interval=1000)` beside a sleep of two seconds: nobody waits a thousand seconds, but two are longer than 1000 ms.
    fn milliseconds(&mut self) {
        let windows: Vec<f64> = self.windows().iter().map(|w| self.seconds(w)).collect();
        let explained =
            self.timeouts.iter().map(|(t, _)| self.seconds(t)).any(|t| windows.iter().any(|w| *w >= t && *w <= 2.0 * t));
        let unit = self.whole.iter().find(|(v, _)| windows.iter().any(|w| *w >= v / 1e3 && *w <= v / 1e3 * 2.5)).cloned();
        if let (false, Some((value, name))) = (explained, unit) {
            self.decline(format!("`{name}` of {value} may be in milliseconds"));
        }
    }

    fn call(&mut self, m: &Arc<Module>, e: ExprId, func: ExprId, args: &[Arg], env: &Env, depth: usize) {
        let known = self.timeouts.len();
        let callee = self.sem.type_of(m, func);
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
                    self.keywords(m, args, env);
                }
            }
            Type::Class(def) => {
                self.construct(m, e, &def, args, env);
                if def.module.role == Role::Product && !self.classes.contains(&def) {
                    self.classes.push(def);
                }
            }
            Type::Function(def) if def.module.role == Role::Product => {
                if let Some(f) = def.module.function(def.stmt) {
                    let bound = def.module.scopes.class_of(def.stmt).is_some();
                    self.parameters(m, e, &def.module, &f.params, usize::from(bound), args, env, false);
                }
            }
            Type::Function(def) => self.function(&def, env, depth + 1),
            Type::Method(..) => {}
            _ => {
                if let ExprKind::Attribute { attr, .. } = m.expr(func).kind {
                    let method = m.name(attr);
                    if method.starts_with("assert") {
                        self.unittest_assertion(m, method, args, env);
                    } else if matches!(method, "wait" | "get" | "join" | "result" | "acquire") {
                        if let Some(arg) = wait_argument(m, args, method) {
                            self.deadline(m, arg, env);
                        }
                    } else {
                        self.keywords(m, args, env);
                    }
                } else {
                    self.keywords(m, args, env);
                }
            }
        }
    }

    /// Keywords with a duration's name of a call that cannot be looked into.
    fn keywords(&mut self, m: &Arc<Module>, args: &[Arg], env: &Env) {
        for arg in args {
            if let ArgKind::Keyword(k) = arg.kind {
                let name = m.name(k).to_owned();
                if duration_name(&name).is_some() {
                    self.timeout(m, arg.value, &name, env, repeats(&name), false);
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

    fn timeout(&mut self, m: &Arc<Module>, e: ExprId, name: &str, env: &Env, repeats: bool, whole: bool) {
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
        if repeats && c.value * unit <= POLL_S {
            // The product looks this often: latency, not a wait.
            self.model.slack = self.model.slack.max(c.value * unit);
            return;
        }
        if let Some(form) = self.form_in(&c, name, unit, whole) {
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
            // A dataclass: its annotated fields are its parameters.
            _ if self.sem.decorated(&class.module, class.stmt, "dataclasses.dataclass") => self.keywords(m, args, env),
            _ => self.keywords(m, args, env),
        }
    }

    #[allow(clippy::too_many_arguments)] // a call and a signature, side by side
    fn parameters(
        &mut self,
        m: &Arc<Module>,
        call: ExprId,
        home: &Arc<Module>,
        params: &[crate::python::ast::Param],
        skip: usize,
        args: &[Arg],
        env: &Env,
        constructor: bool,
    ) {
        let splat = args.iter().any(|a| matches!(a.kind, ArgKind::Star | ArgKind::DoubleStar));
        for (i, p) in params.iter().enumerate().skip(skip) {
            let name = home.name(p.name).to_owned();
            let Some(unit) = duration_name(&name) else { continue };
            let whole = p.annotation.is_some_and(|a| matches!(home.expr(a).kind, ExprKind::Name(n) if home.name(n) == "int"));
            let index = (p.kind != ParamKind::KeywordOnly).then_some(i - skip);
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
            if repeats(&name) && c.value * unit <= POLL_S {
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

    /// `assert elapsed >= 2`, `assert m.timeout == 2.0`.
    fn assertion(&mut self, m: &Arc<Module>, test: ExprId, env: &Env) {
        let mut stack = vec![test];
        while let Some(e) = stack.pop() {
            match &m.expr(e).kind {
                ExprKind::Compare { first, rest } => {
                    let mut left = *first;
                    for &(op, right) in rest {
                        self.comparison(m, left, op, right, env);
                        left = right;
                    }
                }
                ExprKind::Bool2 { left, right, .. } => stack.extend([*left, *right]),
                ExprKind::Not(inner) => stack.push(*inner),
                _ => {}
            }
        }
    }

    /// `assert compare(end, start, 0.8, tolerance=0.15)`, `assert elapsed == approx(2, abs=0.1)`: shorter times would all pass, or the
    /// number that was waited for is written a second time where no tie reaches it.
    fn tolerance(&mut self, m: &Arc<Module>, test: ExprId) {
        const TIMES: &[&str] = &["time", "elapsed", "duration", "took", "wait", "slept", "seconds", "start", "delay"];
        let mut stack = vec![test];
        while let Some(e) = stack.pop() {
            if let ExprKind::Call { func, args, .. } = &m.expr(e).kind {
                let callee = m.text(*func).to_ascii_lowercase();
                let allows = callee.ends_with("approx")
                    || callee.ends_with("isclose")
                    || args.iter().any(|a| match a.kind {
                        ArgKind::Keyword(k) => {
                            let k = m.name(k).to_ascii_lowercase();
                            ["delta", "tol", "abs", "rel", "places", "eps", "margin"].iter().any(|w| k.contains(w))
                        }
                        _ => false,
                    });
                let text = m.text(test).to_ascii_lowercase();
                for arg in args {
                    if let ExprKind::Int(_) | ExprKind::Float(_) = m.expr(arg.value).kind
                        && TIMES.iter().any(|w| text.contains(w))
                        && let Some(c) = self.sem.constant(m, arg.value, &Env::default())
                    {
                        let span = m.expr(arg.value).span;
                        self.named.push((Key { file: Arc::clone(&m.file), span, parameter: String::new() }, c.value));
                    }
                }
                if allows && TIMES.iter().any(|w| text.contains(w)) {
                    self.decline(format!("`{}` allows a tolerance that shorter times would all be within", excerpt(m, e)));
                }
            }
            m.expr(e).kind.children(&mut |c| stack.push(c));
        }
    }

    fn unittest_assertion(&mut self, m: &Arc<Module>, method: &str, args: &[Arg], env: &Env) {
        if let Some(first) = args.first()
            && matches!(method, "assertAlmostEqual" | "assertAlmostEquals")
        {
            let text: String = args.iter().map(|a| m.text(a.value).to_ascii_lowercase()).collect();
            if ["time", "elapsed", "duration", "took"].iter().any(|w| text.contains(w)) {
                self.decline(format!(
                    "an assertion allows `{}` a tolerance that shorter times would all be within",
                    excerpt(m, first.value)
                ));
            }
        }
        let op = match method {
            "assertGreater" => CompareOp::Gt,
            "assertGreaterEqual" => CompareOp::GtE,
            "assertLess" => CompareOp::Lt,
            "assertLessEqual" => CompareOp::LtE,
            "assertEqual" | "assertEquals" | "assertAlmostEqual" => CompareOp::Eq,
            _ => return,
        };
        if let [a, b, ..] = args {
            self.comparison(m, a.value, op, b.value, env);
        }
    }

    fn comparison(&mut self, m: &Arc<Module>, left: ExprId, op: CompareOp, right: ExprId, env: &Env) {
        let (value, constant, op) = match (self.sem.constant(m, left, env), self.sem.constant(m, right, env)) {
            (None, Some(c)) => (left, c, op),
            (Some(c), None) => (right, c, flipped(op)),
            _ => return,
        };
        let text = m.text(value).to_ascii_lowercase();
        let difference = matches!(m.expr(value).kind, ExprKind::Binary { op: crate::python::ast::BinaryOp::Sub, .. });
        let timed = difference
            || [
                "elapsed",
                "duration",
                "took",
                "time()",
                "monotonic",
                "perf_counter",
                "delta",
                "seconds",
                "runtime",
                "end -",
                "stop -",
                "t1 - ",
                "t2 - ",
                "waited",
            ]
            .iter()
            .any(|w| text.contains(w));
        match op {
            // A fraction may be a time even where nothing says so: it then holds the rest in place, but is not changed itself.
            CompareOp::Gt | CompareOp::GtE | CompareOp::Lt | CompareOp::LtE
                if constant.value > 0.0 && (timed || !constant.integer) =>
            {
                if let Some(form) = self.form(&constant, "elapsed") {
                    if matches!(op, CompareOp::Gt | CompareOp::GtE) {
                        self.lower.push((form, timed));
                    } else {
                        if !timed {
                            self.freeze(&form);
                        }
                        self.upper.push(form);
                    }
                }
            }
            CompareOp::Eq => {
                // A literal that repeats what was passed: `m.timeout == 2.0`.
                let name = match m.expr(value).kind {
                    ExprKind::Attribute { attr, .. } | ExprKind::Name(attr) => m.name(attr).to_owned(),
                    _ => return,
                };
                if let (Some(unit), Some(form)) = (duration_name(name.trim_start_matches('_')), Some(&constant)) {
                    let Some(form) = self.form_in(form, &name, unit, false) else { return };
                    let seconds = self.seconds(&form);
                    let twin = self
                        .timeouts
                        .iter()
                        .find(|(t, _)| t.len() == 1 && (self.seconds(t) - seconds).abs() < 1e-9)
                        .map(|(t, _)| t[0].0);
                    match (&form[..], twin) {
                        ([(i, _)], Some(t)) if t != *i => {
                            self.model.links.push(Link::Same(*i, t));
                            self.echoes.push((*i, t));
                        }
                        ([(i, _)], Some(t)) if t == *i => {}
                        _ => {
                            for (i, _) in form {
                                self.model.durations[i].frozen.get_or_insert_with(|| "an assertion names its value".to_owned());
                            }
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// What the classes of the product wait for inside, by numbers that no argument changes.
    fn products(&mut self) {
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
                let _ = i;
                if !body.contains(expr.span) {
                    continue;
                }
                let name = match m.expr(*func).kind {
                    ExprKind::Attribute { attr, .. } | ExprKind::Name(attr) => m.name(attr),
                    _ => continue,
                };
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

    /// Ties every two durations whose order may be what the test is about.
    fn tie(&mut self) {
        let mut links = Vec::new();
        let windows = self.windows();
        let singles: Vec<Form> = self.sleeps.values().flatten().map(|(f, _)| f.clone()).collect();
        let longest = windows.iter().map(|w| self.seconds(w)).fold(0.0, f64::max);
        // What is waited out, and the bounds that elapsed time is held against. A timeout longer than all sleeps together is not
        // waited out here, nor is a deadline that ends early, unless a longer wait shows that it does not (HAZARDS row 9): they
        // keep their order, but nothing is gained by making them shorter.
        let mut against: Vec<(Form, bool)> = self.timeouts.clone();
        let mut waited = longest;
        let mut wanted: Vec<usize> = singles.iter().chain(self.lower.iter().map(|(f, _)| f)).flatten().map(|x| x.0).collect();
        // A sleep somewhat longer than a timeout waits for it; one many times longer waits for something else.
        let mut waited_out: Vec<usize> = Vec::new();
        for form in &self.given {
            let t = self.seconds(form);
            if windows.iter().map(|w| self.seconds(w)).any(|w| w >= t && w <= 2.0 * t) {
                waited_out.extend(form.iter().map(|x| x.0));
            }
        }
        for (form, _) in &self.timeouts {
            if self.seconds(form) <= longest + 1e-9 {
                wanted.extend(form.iter().map(|x| x.0));
                waited = waited.max(self.seconds(form));
            }
        }
        for bound in self.upper.iter().chain(&self.deadlines) {
            against.push((bound.clone(), false));
            if self.seconds(bound) < waited - 1e-9 {
                wanted.extend(bound.iter().map(|x| x.0));
            }
        }
        for (indices, waited) in [(wanted, Waited::For), (waited_out, Waited::Out)] {
            for i in indices {
                let d = &mut self.model.durations[i];
                d.waited = d.waited.max(waited);
            }
        }
        for &(echo, timeout) in &self.echoes {
            let waited = self.model.durations[timeout].waited.min(Waited::For);
            let d = &mut self.model.durations[echo];
            d.waited = d.waited.max(waited);
        }
        for (timeout, repeating) in &against {
            let t = self.seconds(timeout);
            for (n, window) in windows.iter().enumerate() {
                let w = self.seconds(window);
                let single = n < singles.len();
                let gap = (w - t).abs();
                // Sums that come out even, or close to it, are seldom what is waited for; single sleeps are.
                if !single && gap < Limits::SECONDS.tolerance_min {
                    continue;
                }
                if shares(timeout, window) && gap < 1e-9 {
                    continue;
                }
                links.push(if w < t {
                    Link::Order(window.clone(), timeout.clone())
                } else {
                    Link::Order(timeout.clone(), window.clone())
                });
                if *repeating && t > 0.0 && w > 2.0 * t {
                    let k = (w / t).floor();
                    let times = |k: f64| timeout.iter().map(|&(i, f)| (i, f * k)).collect::<Form>();
                    if w - k * t >= Limits::SECONDS.tolerance_min {
                        links.push(Link::Order(times(k), window.clone()));
                    }
                    if (k + 1.0) * t - w >= Limits::SECONDS.tolerance_min {
                        links.push(Link::Order(window.clone(), times(k + 1.0)));
                    }
                }
            }
        }
        // `SETTLE - FIRST_HALF`: what is slept in all has a floor as well.
        for form in &singles {
            let (less, more): (Form, Form) = form.iter().copied().partition(|(_, c)| *c < 0.0);
            if !less.is_empty() && !more.is_empty() {
                links.push(Link::Order(less.into_iter().map(|(i, c)| (i, -c)).collect(), more));
            }
        }
        // Nothing has happened yet, and nothing here says that something ever would: the longer that is looked at, the more it says
        // (HAZARDS row 6).
        for form in self.quiet.clone() {
            let s = self.seconds(&form);
            let reached = against.iter().any(|(t, _)| self.seconds(t) <= longest + 1e-9);
            if s > 0.0 && !reached {
                for (i, _) in form {
                    let why = "it shows that nothing happens for so long: made shorter, it would show less";
                    self.model.durations[i].frozen.get_or_insert_with(|| why.to_owned());
                }
            }
        }
        // Among themselves, what the product waits for keeps its order, and a timeout its number of intervals.
        for (i, (a, a_repeats)) in against.iter().enumerate() {
            for (b, b_repeats) in &against[i + 1..] {
                let (x, y) = (self.seconds(a), self.seconds(b));
                if let ([(i, _)], [(j, _)]) = (&a[..], &b[..]) {
                    if i == j {
                        continue;
                    }
                    if (x - y).abs() < 1e-9 {
                        links.push(Link::Same(*i, *j));
                        continue;
                    }
                    if *a_repeats && !b_repeats && y > x {
                        links.push(Link::Ratio(*j, *i));
                        continue;
                    }
                    if *b_repeats && !a_repeats && x > y {
                        links.push(Link::Ratio(*i, *j));
                        continue;
                    }
                }
                if (x - y).abs() >= Limits::SECONDS.tolerance_min {
                    links.push(if x < y { Link::Order(a.clone(), b.clone()) } else { Link::Order(b.clone(), a.clone()) });
                }
            }
        }
        // A lower bound on elapsed time stays under what is slept, by as much as it did.
        let total: Form = self.sleeps.values().flatten().flat_map(|(f, n)| f.iter().map(move |&(i, c)| (i, c * n))).collect();
        for (bound, timed) in self.lower.clone() {
            let l = self.seconds(&bound);
            // `event.quiet_for >= 2.0` beside `Monitor(timeout=2.0)`: the same number twice.
            let twin = self.timeouts.iter().find(|(t, _)| t.len() == 1 && (self.seconds(t) - l).abs() < 1e-9);
            if let (Some((twin, _)), [(i, _)]) = (twin, &bound[..]) {
                if twin[0].0 != *i {
                    links.push(Link::Same(*i, twin[0].0));
                }
                continue;
            }
            if !timed {
                self.freeze(&bound);
            }
            let candidate =
                windows.iter().filter(|w| self.seconds(w) >= l - 1e-9).min_by(|a, b| self.seconds(a).total_cmp(&self.seconds(b)));
            match candidate {
                Some(w) if (self.seconds(w) - l).abs() < 1e-9 => match (&w[..], &bound[..]) {
                    ([(i, f)], [(j, g)]) if (f - g).abs() < 1e-9 => {
                        if i != j {
                            links.push(Link::Same(*i, *j));
                        }
                    }
                    _ if shares(w, &bound) => {}
                    _ => self.decline("an assertion demands exactly the time that is slept".to_owned()),
                },
                Some(w) => links.push(Link::Order(bound.clone(), w.clone())),
                None if self.seconds(&total) >= l => links.push(Link::Order(bound.clone(), total.clone())),
                None => {
                    let covered = self.timeouts.iter().map(|(f, _)| f).find(|f| self.seconds(f) >= l - 1e-9).cloned();
                    match covered {
                        Some(t) if (self.seconds(&t) - l).abs() >= Limits::SECONDS.tolerance_min => {
                            links.push(Link::Order(bound.clone(), t));
                        }
                        Some(t) if t.len() == 1 && bound.len() == 1 => links.push(Link::Same(t[0].0, bound[0].0)),
                        _ => self.decline("it asserts a lower bound on elapsed time that no known wait explains".to_owned()),
                    }
                }
            }
        }
        // Sleeps of different threads keep their order: a worker that sleeps less than the main thread is done before it.
        let by_function: Vec<Vec<Form>> = self.sleeps.values().map(|v| v.iter().map(|(f, _)| f.clone()).collect()).collect();
        for (i, a) in by_function.iter().enumerate() {
            for b in &by_function[i + 1..] {
                for x in a {
                    for y in b {
                        let (p, q) = (self.seconds(x), self.seconds(y));
                        if (p - q).abs() < 1e-9 {
                            if let ([(i, f)], [(j, g)]) = (&x[..], &y[..])
                                && i != j
                                && (f - g).abs() < 1e-9
                            {
                                links.push(Link::Same(*i, *j));
                            }
                        } else {
                            links.push(if p < q { Link::Order(x.clone(), y.clone()) } else { Link::Order(y.clone(), x.clone()) });
                        }
                    }
                }
            }
        }
        self.model.links.extend(links);
    }

    /// Sums of consecutive sleeps of one function, single ones first.
    fn windows(&self) -> Vec<Form> {
        let mut out: Vec<Form> = self.sleeps.values().flatten().map(|(f, _)| f.clone()).collect();
        for sleeps in self.sleeps.values() {
            // Long functions would make quadratically many; beyond a dozen sleeps only neighbours are added up.
            let reach = if sleeps.len() > 12 { 2 } else { sleeps.len() };
            for i in 0..sleeps.len() {
                let mut sum: Form = Vec::new();
                for (k, (form, n)) in sleeps[i..].iter().take(reach).enumerate() {
                    for &(j, c) in form {
                        match sum.iter_mut().find(|(x, _)| *x == j) {
                            Some((_, old)) => *old += c * n,
                            None => sum.push((j, c * n)),
                        }
                    }
                    if k > 0 || *n > 1.0 {
                        out.push(sum.clone());
                    }
                }
            }
        }
        out
    }
}

/// Whether a test speaks of something that expires, resets or is let through at a rate.
fn mentions_expiry(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    [
        "expir",
        "_ttl",
        "ttl=",
        "window",
        "evict",
        "persecond",
        "per_second",
        "throttl",
        "rate_limit",
        "ratelimit",
        "lease",
        "stale",
    ]
    .iter()
    .any(|w| lower.contains(w))
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

/// The condition around a statement that reads the time of day: `if datetime.now().second >= 58: sleep(2.5)`.
fn on_the_wall_clock(m: &Module, stmt: StmtId) -> Option<ExprId> {
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

fn shares(a: &Form, b: &Form) -> bool {
    a.iter().any(|(i, _)| b.iter().any(|(j, _)| i == j))
}

fn flipped(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::LtE => CompareOp::GtE,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::GtE => CompareOp::LtE,
        other => other,
    }
}

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

/// The durations of a whole run, joined where tests share a literal.
#[derive(Default)]
pub struct Groups {
    durations: Vec<Duration>,
    index: HashMap<Key, usize>,
    parent: Vec<usize>,
    links: Vec<(Link, f64)>,
    declined: HashMap<usize, String>,
    tests: HashMap<usize, Vec<String>>,
}

/// What a group's solution does to one duration.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The whole group's edits.
    pub edits: Vec<Edit>,
    /// Identifies the group.
    pub group: String,
    /// Seconds of each duration before and after.
    pub values: Vec<(Key, f64, f64)>,
    /// Why a duration may not change, for those that may not.
    pub frozen: Vec<(Key, String)>,
    /// Number of tests it reaches.
    pub tests: usize,
}

impl Groups {
    /// Adds the durations of one test.
    pub fn add(&mut self, model: Model) {
        let mut map = Vec::with_capacity(model.durations.len());
        for d in model.durations {
            let i = if d.product {
                // Whoever else waits for it waits for a constant: that is no tie between the two.
                self.parent.push(self.durations.len());
                self.durations.push(d);
                self.durations.len() - 1
            } else if let Some(&i) = self.index.get(&d.key) {
                let known = &mut self.durations[i];
                known.whole |= d.whole;
                known.waited = known.waited.max(d.waited);
                if known.frozen.is_none() {
                    known.frozen = d.frozen;
                }
                if (known.unit - d.unit).abs() > 1e-12 {
                    known.frozen.get_or_insert_with(|| "it is used in two units".to_owned());
                }
                i
            } else {
                self.parent.push(self.durations.len());
                self.index.insert(d.key.clone(), self.durations.len());
                self.durations.push(d);
                self.durations.len() - 1
            };
            map.push(i);
        }
        for w in map.windows(2) {
            self.join(w[0], w[1]);
        }
        let Some(&first) = map.first() else { return };
        self.tests.entry(first).or_default().push(model.test);
        if let Some(why) = model.declined {
            self.declined.entry(first).or_insert(why);
        }
        let form = |f: Form| f.into_iter().map(|(i, c)| (map[i], c)).collect::<Form>();
        for link in model.links {
            let link = match link {
                Link::Order(a, b) => Link::Order(form(a), form(b)),
                Link::Same(a, b) => Link::Same(map[a], map[b]),
                Link::Ratio(a, b) => Link::Ratio(map[a], map[b]),
            };
            self.links.push((link, model.slack));
        }
    }

    /// Keeps a duration as it is.
    pub fn freeze(&mut self, key: &Key, why: &str) {
        if let Some(&i) = self.index.get(key) {
            self.durations[i].frozen.get_or_insert_with(|| why.to_owned());
        }
    }

    fn root(&self, mut i: usize) -> usize {
        while self.parent[i] != i {
            i = self.parent[i];
        }
        i
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        if a != b {
            self.parent[a.max(b)] = a.min(b);
        }
    }

    /// Solves every group. The answer for a duration: what its group becomes, or why it stays as it is.
    #[must_use]
    pub fn solve(self, fix: &FixSettings) -> HashMap<Key, Result<Arc<Planned>, String>> {
        let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
        for i in 0..self.durations.len() {
            members.entry(self.root(i)).or_default().push(i);
        }
        let mut links: HashMap<usize, Vec<&(Link, f64)>> = HashMap::new();
        for link in &self.links {
            let at = match &link.0 {
                Link::Order(a, _) => a.first().map(|x| x.0),
                Link::Same(a, _) | Link::Ratio(a, _) => Some(*a),
            };
            if let Some(at) = at {
                links.entry(self.root(at)).or_default().push(link);
            }
        }
        let mut declined: HashMap<usize, &String> = HashMap::new();
        for (i, why) in &self.declined {
            declined.entry(self.root(*i)).or_insert(why);
        }
        let mut tests: HashMap<usize, usize> = HashMap::new();
        for (i, names) in &self.tests {
            *tests.entry(self.root(*i)).or_default() += names.len();
        }
        let mut out = HashMap::new();
        for (root, group) in &members {
            let answer = match declined.get(root) {
                Some(why) => Err((*why).clone()),
                None => self.solve_group(
                    group,
                    links.get(root).map_or(&[], Vec::as_slice),
                    fix,
                    tests.get(root).copied().unwrap_or(0),
                ),
            };
            let answer = answer.map(Arc::new);
            for &i in group {
                out.insert(self.durations[i].key.clone(), answer.clone());
            }
        }
        out
    }

    fn solve_group(&self, group: &[usize], links: &[&(Link, f64)], fix: &FixSettings, tests: usize) -> Result<Planned, String> {
        let at: HashMap<usize, usize> = group.iter().enumerate().map(|(n, &i)| (i, n)).collect();
        let limits = Limits { margin: fix.margin, ..Limits::SECONDS };
        let quantities: Vec<Quantity> = group
            .iter()
            .map(|&i| {
                let d = &self.durations[i];
                let seconds = d.value * d.unit;
                let mut q = Quantity { floor: fix.floor, start: fix.floor, ..Quantity::seconds(seconds) };
                if d.whole {
                    q = Quantity { floor: d.unit, start: d.unit, unit: d.unit, ..q };
                }
                // A wait under the floor is as short as it gets, and one nobody sits through is not waited out.
                if d.frozen.is_some() || d.waited == Waited::No || seconds <= fix.floor + 1e-9 || seconds >= FOREVER {
                    q = q.fixed();
                }
                q
            })
            .collect();
        let form = |f: &Form| f.iter().map(|(i, c)| (at[i], *c)).collect::<Vec<_>>();
        let ties: Vec<Tie> = links
            .iter()
            .filter_map(|(link, slack)| match link {
                Link::Order(a, b) => cancelled(form(a), form(b)).map(|(smaller, larger)| Tie::Order {
                    smaller,
                    larger,
                    slack: if *slack <= limits.margin / COVERED { 0.0 } else { *slack },
                }),
                Link::Same(a, b) => Some(Tie::Same { a: at[a], b: at[b] }),
                Link::Ratio(a, b) => Some(Tie::Ratio { a: at[a], b: at[b] }),
            })
            .collect();
        let solution = solve(&quantities, &ties, &limits).map_err(|d| d.to_string())?;
        let mut edits = Vec::new();
        let mut values = Vec::new();
        for (n, &i) in group.iter().enumerate() {
            let d = &self.durations[i];
            let (old, new) = (quantities[n].value, solution[n]);
            values.push((d.key.clone(), old, new));
            if (old - new).abs() < 1e-9 {
                continue;
            }
            let literal = new / d.unit;
            let content = if d.text.is_empty() {
                Some(format!("{}{}", d.prefix, if d.whole { format!("{literal:.0}") } else { write_seconds(literal) }))
            } else if d.folded {
                format_like(&d.text, literal)
            } else {
                rewrite_number(&d.text, d.value, literal)
            };
            match content {
                Some(content) => edits.push(Edit::replace(&d.key.file, d.key.span, content)),
                None => return Err(format!("`{}` cannot be written as {} s", d.text, write_seconds(new))),
            }
        }
        edits.sort();
        let frozen = group.iter().map(|&i| &self.durations[i]).filter_map(|d| Some((d.key.clone(), d.frozen.clone()?))).collect();
        let name = group.iter().map(|&i| &self.durations[i].key).min();
        let name = name.map_or_else(String::new, |k| {
            format!(
                "seconds:{}:{}",
                k.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
                k.span.start
            )
        });
        Ok(Planned { edits, group: name, values, frozen, tests })
    }
}

/// Both sides of an order without what they share and without negative terms (`SETTLE - FIRST_HALF`), which move to the other side;
/// `None` when nothing is left to compare.
fn cancelled(mut smaller: Form, mut larger: Form) -> Option<(Form, Form)> {
    let negative = |side: &mut Form| {
        let moved: Form = side.iter().filter(|(_, c)| *c < 0.0).map(|&(i, c)| (i, -c)).collect();
        side.retain(|(_, c)| *c >= 0.0);
        moved
    };
    let (from_smaller, from_larger) = (negative(&mut smaller), negative(&mut larger));
    smaller.extend(from_larger);
    larger.extend(from_smaller);
    for side in [&mut smaller, &mut larger] {
        side.sort_by_key(|(i, _)| *i);
        side.dedup_by(|b, a| {
            a.0 == b.0 && {
                a.1 += b.1;
                true
            }
        });
    }
    for (i, c) in &mut larger {
        if let Some((_, s)) = smaller.iter_mut().find(|(j, _)| j == i) {
            let common = c.min(*s);
            *c -= common;
            *s -= common;
        }
    }
    smaller.retain(|(_, c)| *c > 1e-9);
    larger.retain(|(_, c)| *c > 1e-9);
    // Nothing on the smaller side still leaves the margin to keep: `SLEEP * 0.8` before `SLEEP` needs a fifth of it.
    (!larger.is_empty()).then_some((smaller, larger))
}
