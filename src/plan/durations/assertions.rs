//! What a test asserts about time: bounds on what elapsed, numbers written a second time, tolerances.

use std::sync::Arc;

use super::{Builder, Key, Link, duration_name, excerpt};
use crate::python::ast::{Arg, ArgKind, CompareOp, ExprId, ExprKind};
use crate::python::project::Module;
use crate::python::value::Env;

impl Builder<'_, '_> {
    /// `assert elapsed >= 2`, `assert m.timeout == 2.0`.
    pub(super) fn assertion(&mut self, m: &Arc<Module>, test: ExprId, env: &Env) {
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
    pub(super) fn tolerance(&mut self, m: &Arc<Module>, test: ExprId) {
        const TIMES: &[&str] = &["time", "elapsed", "duration", "took", "wait", "slept", "seconds", "start", "delay"];
        self.speeds(m, test);
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

    pub(super) fn unittest_assertion(&mut self, m: &Arc<Module>, method: &str, args: &[Arg], env: &Env) {
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
        // `assertRaises(TimeoutError, loop.run_sync, f, timeout=0.01)` calls it with the rest.
        if method == "assertRaises" {
            self.keywords(m, args, env, None);
        }
        if let (Some(condition), "assertTrue" | "assert_") = (args.first(), method) {
            self.assertion(m, condition.value, env);
            self.tolerance(m, condition.value);
        }
        for arg in args {
            self.speeds(m, arg.value);
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

    /// `assert status["LastUpdateTime"] > update_time`: times that somebody else writes down are whole seconds as often as not (HAZARDS
    /// row 13).
    fn later(&mut self, m: &Arc<Module>, left: ExprId, op: CompareOp, right: ExprId) {
        if matches!(op, CompareOp::Gt | CompareOp::Lt | CompareOp::NotEq) && is_moment(m, left) && is_moment(m, right) {
            self.decline(format!("whether `{}` is later may depend on how finely it is told", excerpt(m, left)));
        }
    }

    fn comparison(&mut self, m: &Arc<Module>, left: ExprId, op: CompareOp, right: ExprId, env: &Env) {
        // What was empty when it was made is filled since.
        let counted = |e: ExprId| matches!(m.expr(e).kind, ExprKind::Call { func, .. } if m.text(func) == "len");
        let known = |e: ExprId| if counted(e) { None } else { self.sem.constant(m, e, env) };
        let (value, constant, op) = match (known(left), known(right)) {
            (None, Some(c)) => (left, c, op),
            (Some(c), None) => (right, c, flipped(op)),
            (None, None) => return self.later(m, left, op, right),
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
        if !timed && constant.integer {
            self.counts(m, value, op, constant.value);
        }
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
}

/// Whether a name says when something was changed: `LastUpdateTime`, `modified_at`.
fn is_moment(m: &Module, e: ExprId) -> bool {
    let text = m.text(e).to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|w| text.contains(w));
    any(&["update", "modif", "mtime", "creat", "chang", "touch"])
        && any(&["time", "date", "_at", "modified"])
        && !text.contains('-')
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
