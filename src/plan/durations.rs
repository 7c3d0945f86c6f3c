//! Durations that belong together: what one test sleeps, what it tells the product to wait, what it asserts about time.
//!
//! [`model`] describes one test: the literals behind its durations and the ties between them. Literals are shared (a module
//! constant, a fixture, a helper's default), so the tests of a whole run are joined by [`Groups`] before anything is solved:
//! a group is solved at once, and its edits are one fix.

mod assertions;
mod calls;
mod groups;
mod hints;
mod ties;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::discover::Role;
use crate::python::assertion::{changes_over, nothing_after, only_looked, raises_over};
use crate::python::ast::{ExprId, ExprKind, StmtId};
use crate::python::cost::{Counter, TestFacts, Use};
pub use crate::python::ended::FOREVER;
use crate::python::polling::{Pace, poll};
use crate::python::project::Module;
use crate::python::semantics::{Def, Semantics};
use crate::python::value::{Constant, Env, Term};
use crate::query::SiteKind;
use crate::source::{SourceFile, Span};

pub use self::calls::mentions_expiry;
use self::calls::{on_the_wall_clock, resolution};
pub use self::groups::{Groups, Planned};

/// Where a number is written; for a default of the product, where the argument that replaces it would go.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Key {
    /// The file.
    pub file: Arc<PathBuf>,
    /// The literal; for a default, the insertion point.
    pub span: Span,
    /// Parameter a default belongs to; empty for a literal.
    pub parameter: String,
}

/// A duration somebody wrote.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
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
    #[serde(skip, default = "SourceFile::absent")]
    pub source: Arc<SourceFile>,
}

/// Whether a test waits for a duration, so that making it shorter makes the test faster. What no test waits for stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
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

/// One sleep of a function.
struct Nap {
    form: Form,
    /// How often it happens.
    times: f64,
    stmt: StmtId,
    /// Nothing was done since the sleep before it but looked: what is waited for began before that one, and not with this one.
    goes_on: bool,
}

/// What ties two forms together.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum Link {
    /// The first ends before the second.
    Order(Form, Form),
    /// Both are one number.
    Same(usize, usize),
    /// First over second is a number of times.
    Ratio(usize, usize),
}

/// The durations of one test.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
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
    let parts = words(name);
    // `expiretime` and `readtimeout` are two words each.
    let is_word = |p: &str| is_timely(p) || p.strip_suffix('s').is_some_and(is_timely);
    let is_duration = |p: &Cow<'_, str>| is_word(p) || p.strip_suffix("time").is_some_and(is_word) || p.ends_with("timeout");
    if !parts.iter().any(is_duration) || parts.iter().any(|p| is_share(p)) {
        return None;
    }
    Some(match parts.last().map_or("", |last| &**last) {
        "ms" | "millis" | "msec" | "milliseconds" => 1e-3,
        "us" | "micros" | "microseconds" => 1e-6,
        "minutes" | "mins" => 60.0,
        "count" | "retries" | "size" | "max" | "limit" => return None,
        _ => 1.0,
    })
}

/// Whether a word of a name says that a number is a time.
fn is_timely(word: &str) -> bool {
    matches!(
        word,
        "timeout"
            | "interval"
            | "delay"
            | "ttl"
            | "wait"
            | "period"
            | "deadline"
            | "debounce"
            | "cooldown"
            | "expire"
            | "expires"
            | "expiry"
            | "expiration"
            | "lifetime"
            | "duration"
            | "grace"
            | "idle"
            | "silence"
            | "settle"
            | "lease"
            | "backoff"
            | "window"
            | "poll"
            | "tick"
            | "sleep"
            | "seconds"
            | "secs"
            | "pause"
            | "quiet"
            | "heartbeat"
            | "keepalive"
            | "hold"
            | "linger"
            | "age"
            | "stale"
            | "threshold_s"
            | "after"
    )
}

/// The words of a name, in lower case: `idle_timeout`, `idleTimeout`, `Idle-Timeout`.
fn words(name: &str) -> Vec<Cow<'_, str>> {
    let mut out = Vec::new();
    let mut end = |from: usize, to: usize| {
        let word = &name[from..to];
        match word.chars().any(char::is_uppercase) {
            true => out.push(Cow::Owned(word.to_lowercase())),
            false if !word.is_empty() => out.push(Cow::Borrowed(word)),
            false => {}
        }
    };
    let (mut from, mut before) = (0, ' ');
    for (at, c) in name.char_indices() {
        if !c.is_alphanumeric() {
            end(from, at);
            from = at + c.len_utf8();
        } else if c.is_uppercase() && before.is_lowercase() {
            end(from, at);
            from = at;
        }
        before = c;
    }
    end(from, name.len());
    out
}

/// Whether a name is one of an interface beyond Python, which checks what it is told: `DelaySeconds`, `visibilityTimeout`.
fn is_foreign(name: &str) -> bool {
    name.chars().zip(name.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase())
}

/// Whether a word says that a number is a part of something.
fn is_share(word: &str) -> bool {
    matches!(word, "ratio" | "fraction" | "percent" | "percentage" | "pct")
}

/// Whether a name says that a number is a part of a time: `expiration_refresh_ratio`.
fn share_of_time(name: &str) -> bool {
    let (shares, rest): (Vec<_>, Vec<_>) = words(name).into_iter().partition(|word| is_share(word));
    !shares.is_empty() && duration_name(&rest.join("_")).is_some()
}

/// A repeating duration: how often it fits into another one is a number somebody counts.
fn repeats(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["interval", "period", "tick", "poll", "heartbeat", "backoff", "retry_delay"].iter().any(|w| lower.contains(w))
}

/// Whether a repeating duration is how often something looks whether it is time to do something, so that nobody counts it.
fn looks(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["poll", "check", "retry", "backoff"].iter().any(|w| lower.contains(w))
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
    counter: &'s Counter,
    /// Sleeps that the test is known to come to.
    slept: Vec<(Arc<PathBuf>, Span)>,
    /// Functions that were handed over as values.
    handed: Vec<(usize, StmtId)>,
    /// Times in strings, in seconds.
    spoken: Vec<(f64, String)>,
    /// An assertion that counts what happens in a time: how often at least, and how often exactly.
    counted: Option<String>,
    counted_exactly: Option<String>,
    /// The test says that something is to happen every so often, more often than a sleep could be planned for.
    paced: bool,
    model: Model,
    index: HashMap<Key, usize>,
    /// Sleeps of each function in order, the functions in the order in which the test reaches them: which of several ties is told as
    /// the reason must not change from run to run.
    sleeps: Vec<((usize, StmtId), Vec<Nap>)>,
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
    /// Functions that were looked through, with the constants that each was passed.
    visited: Vec<((usize, StmtId), Env)>,
    /// Values of module constants that were looked through.
    constants: Vec<(usize, ExprId)>,
    /// A decorator is looked at: what it calls makes the wrapper, and ends nothing early.
    decorating: bool,
    /// Whole numbers handed over as seconds that may be milliseconds.
    whole: Vec<(f64, String)>,
    /// The functions that were looked through.
    bodies: Vec<(Arc<Module>, Span)>,
    /// Numbers handed to calls inside assertions that speak of time.
    named: Vec<(Key, f64)>,
    /// What takes part that keeps its own time.
    outside: Option<String>,
    /// Sleeps after which nothing has happened.
    quiet: Vec<Form>,
    /// Sleeps over which something changes that the test does not do itself, and what that is.
    changing: Vec<(Form, String)>,
    /// Numbers that are written into strings.
    spelled: Vec<Key>,
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

fn build<'s, 'p>(sem: &'s Semantics<'p>, counter: &'s Counter, facts: &TestFacts) -> Builder<'s, 'p> {
    let mut b = Builder {
        sem,
        counter,
        slept: Vec::new(),
        handed: Vec::new(),
        spoken: Vec::new(),
        counted: None,
        counted_exactly: None,
        paced: false,
        model: Model { test: facts.test.id.clone(), ..Model::default() },
        index: HashMap::new(),
        sleeps: Vec::new(),
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
        bodies: Vec::new(),
        named: Vec::new(),
        outside: None,
        quiet: Vec::new(),
        changing: Vec::new(),
        spelled: Vec::new(),
    };
    // A fixture shared by many tests is charged to none of them, but what it waits for is theirs.
    let mut asleep: Vec<(Arc<Module>, ExprId, Form, f64)> = Vec::new();
    let shared: Vec<Use> =
        facts.fixtures.iter().filter(|(_, info)| info.shared).flat_map(|(def, _)| sem.body_uses(counter, def)).collect();
    for u in facts.uses.iter().chain(&shared) {
        if u.site.kind != SiteKind::Sleep {
            continue;
        }
        b.slept.push(u.site.key());
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
        if let Some(comment) = resolution(&u.site.module, stmt) {
            b.decline(format!("the comment `#{comment}` says that it waits for a clock"));
        }
        if let Some(condition) = on_the_wall_clock(&u.site.module, stmt) {
            b.decline(format!("`{}` decides by the clock on the wall whether it sleeps", excerpt(&u.site.module, condition)));
        }
        if let Some(Pace::Rounds(_) | Pace::Counted) = poll(&u.site.module, stmt) {
            for &(i, _) in &form {
                b.model.durations[i].frozen.get_or_insert_with(|| {
                    "the loop it is in gives up after so many rounds: made shorter, it would give up sooner".to_owned()
                });
            }
        }
        asleep.push((Arc::clone(&u.site.module), u.site.expr, form.clone(), amount.value));
        if nothing_after(&u.site.module, stmt) {
            b.quiet.push(form.clone());
        }
        if let Some(what) = changes_over(&u.site.module, stmt) {
            b.changing.push((form.clone(), format!("`{}` changes", excerpt(&u.site.module, what))));
        } else if let Some(expected) = raises_over(&u.site.module, stmt) {
            b.changing.push((form.clone(), format!("something goes wrong, as `{}` expects,", excerpt(&u.site.module, expected))));
        }
        let function = u.site.module.scopes.function_around(stmt);
        let key = (Arc::as_ptr(&u.site.module) as usize, function.unwrap_or(StmtId(u32::MAX)));
        let known = b.sleeps.iter().position(|(function, _)| *function == key);
        let at = known.unwrap_or(b.sleeps.len());
        if known.is_none() {
            b.sleeps.push((key, Vec::new()));
        }
        let naps = &mut b.sleeps[at].1;
        let times = u.iterations.max(1.0);
        let goes_on = times <= 1.0 && naps.last().is_some_and(|before| only_looked(&u.site.module, before.stmt, stmt));
        naps.push(Nap { form, times, stmt, goes_on });
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
    if sem.project.evidence.starts_processes(&sem.suite.root, &facts.test.id) {
        b.keeps_its_own_time("measured: it starts child processes, whose speed no number here says");
    }
    if b.timeouts.is_empty() && !b.model.durations.is_empty() && b.expires() {
        b.decline("it waits for something to expire, and no number in the test says after how long".to_owned());
    }
    for key in &b.spelled {
        if let Some(&i) = b.index.get(key) {
            b.model.durations[i].whole = true;
        }
    }
    b.unexplained();
    b.tie();
    b.milliseconds();
    b.unsaid();
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
}
