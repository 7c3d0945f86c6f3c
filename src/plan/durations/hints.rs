//! Durations that no signature announces: entries of a dict, attributes that are set, the number in `call_later(0.5, f)`, times in
//! strings, sleeps of functions that are handed over as values. And assertions that depend on time without naming one.

use std::sync::Arc;

use super::{Builder, Key, Waited, duration_name, excerpt, repeats, share_of_time, words};
use crate::discover::Role;
use crate::python::ast::{Arg, ArgKind, CompareOp, ExprId, ExprKind, StmtId, StmtKind};
use crate::python::project::Module;
use crate::python::scope::{Binding, BindingKind, Lookup};
use crate::python::semantics::Type;
use crate::python::value::Env;
use crate::query::SiteKind;

/// A fraction under this many seconds is over before the shortest sleep that is planned.
const SHORT_S: f64 = 0.05;

/// A number beyond this is no duration that a test waits for.
const LONG_S: f64 = 60.0;

impl Builder<'_, '_> {
    /// `{"name": "B", "timeout": 0.3}` is told as much as `State("B", timeout=0.3)`; but who reads the dict is not seen, so the number
    /// holds the rest in place and is not changed itself.
    pub(super) fn entries(&mut self, m: &Arc<Module>, items: &[(Option<ExprId>, ExprId)], env: &Env) {
        for &(key, value) in items {
            if let Some(key) = key
                && let ExprKind::Str { text: Some(name), .. } = &m.expr(key).kind
            {
                let known = self.timeouts.len();
                self.told(m, name, value, env);
                self.hold(known, "what reads the dict is not seen");
            }
        }
    }

    /// `state.timeout = 0.05`, `config["ttl"] = 2`. A whole number may be anything (`process.backoff = 1` is a count): it holds the rest
    /// in place, but is not changed itself.
    pub(super) fn attributes(&mut self, m: &Arc<Module>, stmt: StmtId, env: &Env) {
        let StmtKind::Assign { targets, value: Some(value), .. } = &m.stmt(stmt).kind else { return };
        for &target in targets {
            match &m.expr(target).kind {
                // What a test keeps for itself is told to nobody.
                ExprKind::Attribute { value, .. } if matches!(m.text(*value), "self" | "cls") => {}
                ExprKind::Attribute { attr, .. } => {
                    let known = self.timeouts.len();
                    self.told(m, m.name(*attr), *value, env);
                    if let ExprKind::Int(_) = m.expr(*value).kind {
                        self.hold(known, "what the attribute is used for is not seen");
                    }
                }
                ExprKind::Subscript { index, .. } => {
                    if let ExprKind::Str { text: Some(name), .. } = &m.expr(*index).kind {
                        self.told(m, name, *value, env);
                    }
                }
                _ => {}
            }
        }
    }

    fn told(&mut self, m: &Arc<Module>, name: &str, value: ExprId, env: &Env) {
        let name = name.trim_start_matches('_');
        if duration_name(name).is_some() {
            if let ExprKind::Str { text: Some(number), .. } = &m.expr(value).kind {
                self.written_out(name, number);
            } else if !self.known(m, value) {
                self.timeout(m, value, name, env, repeats(name), false);
            }
        }
    }

    /// Whether a number is a duration already: `submit(time.sleep, 1.5)`.
    pub(super) fn known(&self, m: &Module, e: ExprId) -> bool {
        self.index.contains_key(&Key { file: Arc::clone(&m.file), span: m.expr(e).span, parameter: String::new() })
    }

    /// `loop.call_later(0.5, f)`: the name says what the number is. Any other fraction that is handed to something unknown may be
    /// a time, too: it holds the rest in place, but is not changed itself.
    pub(super) fn numbers(&mut self, m: &Arc<Module>, name: &str, args: &[Arg], env: &Env) {
        let announced = announces(name);
        // `send_periodic(message, 0.01, 1)`: every hundredth of a second, for one.
        let mut period = periodic(name);
        // `call_later(0.5, items.append, 1)`: what comes after the function is told to it.
        let number = |arg: &Arg| matches!(m.expr(arg.value).kind, ExprKind::Int(_) | ExprKind::Float(_));
        let first = args.iter().position(number).unwrap_or(args.len());
        let function = args[first..].iter().position(|arg| !number(arg)).map_or(args.len(), |at| first + at);
        for (i, arg) in args.iter().enumerate() {
            match arg.kind {
                ArgKind::Positional => {}
                // `run(TIMEOUT="5")`
                ArgKind::Keyword(k) => {
                    if let ExprKind::Str { text: Some(number), .. } = &m.expr(arg.value).kind {
                        self.written_out(m.name(k), number);
                    }
                    continue;
                }
                _ => continue,
            }
            if self.known(m, arg.value) {
                continue;
            }
            match &m.expr(arg.value).kind {
                // monkeypatch.setenv("WORKER_TIMEOUT", "5"), settings.set("keepalive", 1)
                ExprKind::Str { text: Some(key), .. } => {
                    if let Some(value) = args.get(i + 1).filter(|next| matches!(next.kind, ArgKind::Positional)) {
                        let known = self.timeouts.len();
                        self.told(m, key, value.value, env);
                        self.hold(known, &format!("what `{name}` does with it is not seen"));
                    }
                }
                ExprKind::Int(_) | ExprKind::Float(_) if announced && i < function => {
                    self.timeout(m, arg.value, "after", env, std::mem::take(&mut period), lives(name, Some(name)));
                }
                ExprKind::Float(seconds) if (SHORT_S..=LONG_S).contains(seconds) && !reckons(name) => {
                    let known = self.timeouts.len();
                    self.timeout(m, arg.value, "after", env, false, false);
                    self.hold(known, &format!("what `{name}` does with it is not seen"));
                }
                _ => {}
            }
        }
    }

    /// `start(user_count=6, spawn_rate=1)`: how much has happened by then is a matter of how long that is. `Renewal(expiration_ratio=0.8)`: so much
    /// of a time that is not seen here.
    pub(super) fn rates(&mut self, m: &Arc<Module>, name: &str, value: ExprId) {
        if matches!(m.expr(value).kind, ExprKind::Int(_) | ExprKind::Float(_)) && (is_rate(name) || share_of_time(name)) {
            self.decline(format!("`{name}` of {} says how much of something there is in a time", m.text(value)));
        }
    }

    /// Keeps the timeouts from the `known`-th on as they are.
    pub(super) fn hold(&mut self, known: usize, why: &str) {
        for (form, _) in &self.timeouts[known..] {
            for &(i, _) in form {
                self.model.durations[i].frozen.get_or_insert_with(|| why.to_owned());
            }
        }
    }

    /// A number in a string, under a name that says it is a duration.
    fn written_out(&mut self, name: &str, number: &str) {
        if duration_name(name).is_some()
            && let Ok(seconds) = number.trim().parse::<f64>()
            && seconds > 0.0
        {
            self.spoken.push((seconds, format!("{name}={number}")));
        }
    }

    /// `"lru-gt-1s"`, `"500ms"`: a string without spaces that ends a number with a unit of time.
    pub(super) fn spoken(&mut self, m: &Arc<Module>, e: ExprId, text: &str) {
        let own_statement = matches!(m.stmt(m.expr(e).stmt).kind, StmtKind::Expr(whole) if whole == e);
        // `assertIn("gen.sleep(1)", traceback)`: the source itself is what is looked at.
        if !own_statement && text.contains("sleep(") {
            self.decline(format!("`{}` names the source itself", text.lines().next().unwrap_or_default()));
        }
        // `SET wait_timeout=1`, `Max-Age=1; Path=/`
        if !own_statement {
            for (at, _) in text.match_indices('=') {
                let name = text[..at].trim_end().rsplit(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-')).next();
                let number = text[at + 1..].trim_start().split(|c: char| !c.is_ascii_digit() && c != '.').next();
                if let (Some(name), Some(number)) = (name, number) {
                    self.written_out(&name.replace('-', "_"), number);
                }
            }
        }
        let message = matches!(m.stmt(m.expr(e).stmt).kind, StmtKind::Assert { .. });
        if !own_statement
            && !message
            && text.len() <= 40
            && let Some(seconds) = time_in(text)
        {
            self.spoken.push((seconds, text.to_owned()));
        }
    }

    /// A function of the test code that is handed over as a value is run by whoever gets it, nobody sees how often: what it sleeps may
    /// be waited for.
    pub(super) fn handed_over(&mut self, m: &Arc<Module>, e: ExprId, env: &Env, depth: usize) {
        let called = m.expr(e).parent.is_some_and(|p| matches!(m.expr(p).kind, ExprKind::Call { func, .. } if func == e));
        if called || self.decorating {
            return;
        }
        let Type::Function(def) = self.sem.type_of(m, e) else { return };
        let key = (Arc::as_ptr(&def.module) as usize, def.stmt);
        if def.module.role == Role::Product || self.handed.contains(&key) {
            return;
        }
        self.handed.push(key);
        self.function(&def, env, depth + 1);
        for u in self.sem.body_uses(self.counter, &def) {
            if u.site.kind == SiteKind::Sleep
                && !u.unslept
                && !self.slept.contains(&u.site.key())
                && let Some(amount) = u.amount.as_ref().filter(|a| a.value > SHORT_S && a.value <= LONG_S)
                && let Some(form) = self.form(amount, "sleep")
            {
                self.slept.push(u.site.key());
                self.timeouts.push((form, false));
                self.hold(self.timeouts.len() - 1, "what runs the function it is in is not seen");
            }
        }
    }

    /// `self.assertIn(bar.ETA, …)`, `assert meter.speed > 10`: what is asserted is computed from how long something took.
    pub(super) fn speeds(&mut self, m: &Arc<Module>, e: ExprId) {
        const SPEEDS: &[&str] = &["eta", "speed", "throughput", "fps", "bps", "hz", "velocity"];
        let mut stack = vec![e];
        while let Some(e) = stack.pop() {
            if let ExprKind::Name(n) | ExprKind::Attribute { attr: n, .. } = m.expr(e).kind
                && m.name(n).to_ascii_lowercase().split('_').any(|part| SPEEDS.contains(&part))
            {
                self.decline(format!("an assertion depends on the time taken: `{}`", excerpt(m, e)));
                return;
            }
            m.expr(e).kind.children(&mut |c| stack.push(c));
        }
    }

    /// `assert len(calls) >= 4` after two seconds, `size = queue.qsize()` and `assert 80 <= size`.
    pub(super) fn counts(&mut self, m: &Arc<Module>, value: ExprId, op: CompareOp, n: f64) {
        const COUNTS: &[&str] = &["len(", "count", "call", "times", "sum(", "hits", "ticks", "qsize(", "num_"];
        let (least, exact) = match op {
            CompareOp::GtE => (n, false),
            CompareOp::Gt => (n + 1.0, false),
            CompareOp::Eq => (n, true),
            _ => return,
        };
        let is_count = |e: ExprId| {
            let text = m.text(e).to_ascii_lowercase();
            COUNTS.iter().any(|w| text.contains(w))
        };
        let assigned = |b: &&Binding| matches!(b.kind, BindingKind::Assign { value, .. } if is_count(value));
        let is_named_count = || match m.expr(value).kind {
            ExprKind::Name(name) => match m.scopes.lookup(&m.ast, value, name) {
                Lookup::Bound(_, bindings) => bindings.iter().any(assigned),
                Lookup::Free(_) => false,
            },
            _ => false,
        };
        if least >= 2.0 && (is_count(value) || is_named_count()) {
            let counted = if exact { &mut self.counted_exactly } else { &mut self.counted };
            counted.get_or_insert_with(|| excerpt(m, value));
        }
    }

    /// Declines where something comes about while the test sleeps, and no time that is known brings it.
    pub(super) fn unexplained(&mut self) {
        let longest = self.windows().iter().map(|w| self.seconds(w)).fold(0.0, f64::max);
        for (form, what) in std::mem::take(&mut self.changing) {
            let times = self.timeouts.iter().map(|(t, _)| t).chain(&self.deadlines);
            let elsewhere = self.sleeps.iter().filter(|(_, naps)| naps.iter().all(|nap| nap.form != form));
            let others = elsewhere.flat_map(|(_, naps)| naps).map(|nap| &nap.form);
            if !times.chain(others).any(|t| self.seconds(t) <= longest + 1e-9) {
                self.decline(format!("{what} while it sleeps, and no number here says after how long"));
            }
        }
    }

    /// Declines where a time is said in a way that cannot be changed along with the rest.
    pub(super) fn unsaid(&mut self) {
        let longest = self.model.durations.iter().filter(|d| d.waited > Waited::No).map(|d| d.value * d.unit).fold(0.0, f64::max);
        if let Some((_, text)) = self.spoken.iter().find(|(s, _)| *s <= longest + 1e-9).cloned() {
            self.decline(format!("`{text}` may be a time that it waits for"));
        }
        let repeats = self.timeouts.iter().any(|(_, repeats)| *repeats);
        let counted = self.counted.take().filter(|_| !repeats || self.paced);
        if let Some(text) = counted.or_else(|| self.counted_exactly.take().filter(|_| self.paced)) {
            self.decline(format!("an assertion says how often something happened: `{text}`"));
        }
    }
}

/// Whether a keyword says how long something lives in a store, as far as a call that is not followed tells: stores count in whole
/// seconds more often than not (HAZARDS row 13).
pub(super) fn lives(name: &str, method: Option<&str>) -> bool {
    let Some(method) = method else { return false };
    let words = words(name);
    let any = |list: &[&str]| words.iter().any(|w| list.contains(&&**w));
    any(&["ttl", "expire", "expires", "expiry", "expiration", "lease", "age", "lifetime"])
        // `hexpire("key", timedelta(seconds=1))`
        || method.contains("expire")
        || any(&["timeout"])
            && matches!(
                method,
                "set"
                    | "add"
                    | "touch"
                    | "set_many"
                    | "add_many"
                    | "get_or_set"
                    | "multi_set"
                    | "incr"
                    | "decr"
                    | "push"
                    | "cached"
                    | "memoize"
            )
}

/// Whether a name says that a number is how often something happens in a second; not what is sampled, nor a part of something.
fn is_rate(name: &str) -> bool {
    const OTHER: &[&str] = &[
        "sample", "sampling", "frame", "bit", "baud", "learning", "dropout", "error", "failure", "success", "hit", "tax", "limit",
    ];
    let parts = words(name);
    parts.iter().any(|p| matches!(&**p, "rate" | "rps" | "qps")) && !parts.iter().any(|p| OTHER.contains(&&**p))
}

/// Whether a function's name says that it is handed a time: `call_later`, `submit_after`, `set_timeout`.
fn announces(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "later",
        "after",
        "delay",
        "delayed",
        "every",
        "interval",
        "timeout",
        "expire",
        "expires",
        "expiration",
        "ttl",
        "periodic",
        "countdown",
        "debounce",
        "throttle",
    ];
    !name.starts_with("assert") && words(name).iter().any(|part| WORDS.contains(&&**part))
}

/// Whether the first time that a function is handed is how often it is to do something.
fn periodic(name: &str) -> bool {
    words(name).iter().any(|part| matches!(&**part, "every" | "interval" | "periodic"))
}

/// Functions that do something else with a fraction than wait for it.
fn reckons(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.starts_with("assert")
        || lower.ends_with("sleep")
        || lower.ends_with("timer")
        || matches!(
            lower.as_str(),
            "approx"
                | "isclose"
                | "allclose"
                | "round"
                | "float"
                | "int"
                | "str"
                | "repr"
                | "format"
                | "print"
                | "abs"
                | "min"
                | "max"
                | "sum"
                | "decimal"
                | "fraction"
                | "uniform"
                | "random"
                | "append"
                | "insert"
                | "extend"
                | "isinstance"
                | "array"
                | "dumps"
                | "loads"
                | "pack"
                | "unpack"
                | "wait"
                | "get"
                | "join"
                | "result"
                | "acquire"
                | "poll"
                | "timedelta"
        )
}

/// The seconds that a string without spaces names: `1` for `lru-gt-1s`.
fn time_in(text: &str) -> Option<f64> {
    if text.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '\\' | '%' | '{')) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let (stem, unit) = [("ms", 1e-3), ("seconds", 1.0), ("second", 1.0), ("secs", 1.0), ("sec", 1.0), ("s", 1.0), ("min", 60.0)]
        .iter()
        .find_map(|&(suffix, unit)| {
            lower.strip_suffix(suffix).filter(|s| s.ends_with(|c: char| c.is_ascii_digit())).map(|s| (s, unit))
        })?;
    let start = stem.rfind(|c: char| !c.is_ascii_digit() && c != '.').map_or(0, |at| at + 1);
    if stem[..start].ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    stem[start..].parse::<f64>().ok().map(|n| n * unit)
}
