//! What a rule gets to see: the sites of a file with the tests that reach them, and the budgets they are held against.

use rustc_hash::FxHashMap as HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::{Code, missing_slow_marker, sleep_before_assert};
use crate::config::{Settings, Strategy};
use crate::discover::Role;
use crate::edit::{Applicability, Fix};
use crate::evidence::Slept;
use crate::finding::{Cost, Finding, Severity};
use crate::plan::counts::{self, CountPlan, Dimension};
use crate::plan::durations::Key;
use crate::plan::fast_time;
use crate::python::ast::{ExprId, StmtId};
use crate::python::cost::{Counter, Site, TestFacts, Use};
use crate::python::ended::outermost;
use crate::python::project::Module;
use crate::python::semantics::Semantics;
use crate::python::value::{Constant, Env};
use crate::query::SiteKind;
use crate::rewrite;
use crate::source::Span;

/// A finding before its group of durations is solved, which takes the whole run.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Draft {
    /// The finding; complete but for a fix that [`Self::durations`] may bring.
    pub finding: Finding,
    /// Literals whose group, once solved, is the fix.
    pub durations: Vec<Key>,
    /// A fix that is preferred to shorter durations.
    pub first: Option<Fix>,
    /// A fix for when durations cannot be made shorter.
    pub last: Option<Fix>,
    /// Why a better way than shorter durations is not taken, for the reason of the fix.
    pub note: Option<String>,
    /// What was measured of it, and what would make a better way than shorter durations possible.
    pub hint: Option<String>,
    /// Findings whose fixes would make this one needless: it is only told when none of them has any.
    pub unless: Vec<Draft>,
}

impl Draft {
    /// A finding that is complete.
    #[must_use]
    pub const fn new(finding: Finding) -> Self {
        Self { finding, durations: Vec::new(), first: None, last: None, note: None, hint: None, unless: Vec::new() }
    }

    /// The same with the durations that its fix is to shrink.
    #[must_use]
    pub fn durations(self, durations: Vec<Key>) -> Self {
        Self { durations, ..self }
    }
}

/// The first line of a text, cut to what fits a message.
#[must_use]
pub fn excerpt(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > 50 { format!("{}…", line.chars().take(49).collect::<String>()) } else { line.to_owned() }
}

/// One file under judgement.
pub struct Context<'a> {
    /// Names, types, values.
    pub sem: &'a Semantics<'a>,
    /// Counting.
    pub counter: &'a Counter,
    /// The file.
    pub module: &'a Arc<Module>,
    /// Its tests.
    pub tests: &'a [TestFacts],
    /// Budgets and choices.
    pub settings: &'a Settings,
    /// Sites of this file and of helpers that its tests reach, in order.
    pub sites: Vec<Rc<Site>>,
    reached: HashMap<(usize, ExprId, SiteKind), Vec<(usize, usize)>>,
}

fn site_key(site: &Site) -> (usize, ExprId, SiteKind) {
    (Arc::as_ptr(&site.module) as usize, site.expr, site.kind)
}

impl<'a> Context<'a> {
    /// Gathers the sites of a file.
    #[must_use]
    pub fn new(
        sem: &'a Semantics<'a>,
        counter: &'a Counter,
        module: &'a Arc<Module>,
        tests: &'a [TestFacts],
        settings: &'a Settings,
    ) -> Self {
        let mut sites: Vec<Rc<Site>> = sem.sites(counter, module).values().flatten().map(Rc::clone).collect();
        let mut reached: HashMap<_, Vec<(usize, usize)>> = HashMap::default();
        for (t, test) in tests.iter().enumerate() {
            for (u, one) in test.uses.iter().enumerate() {
                let uses = reached.entry(site_key(&one.site)).or_default();
                if uses.is_empty() && !Arc::ptr_eq(&one.site.module, module) {
                    sites.push(Rc::clone(&one.site));
                }
                uses.push((t, u));
            }
        }
        sites.sort_by_key(|s| (Arc::clone(&s.module.file), s.module.expr(s.expr).span, s.kind));
        Self { sem, counter, module, tests, settings, sites, reached }
    }

    /// The sites of a kind that testdiet's own queries found; a project's own belong to its own rules.
    pub fn of_kind(&self, kind: SiteKind) -> impl Iterator<Item = &Rc<Site>> {
        self.sites.iter().filter(move |s| s.kind == kind && s.custom.is_none())
    }

    /// Each test's use of a site.
    pub fn uses(&self, site: &Site) -> impl Iterator<Item = (&'a TestFacts, &'a Use)> {
        let tests = self.tests;
        self.reached.get(&site_key(site)).into_iter().flatten().map(move |&(t, u)| (&tests[t], &tests[t].uses[u]))
    }

    /// Whether code stands in a test, a fixture or a setup, itself or in a function written there; a script or a class that happens
    /// to lie among the tests looks after itself.
    #[must_use]
    pub fn in_a_test(&self, m: &Arc<Module>, stmt: StmtId) -> bool {
        const SETUPS: [&str; 8] =
            ["setUp", "tearDown", "asyncSetUp", "asyncTearDown", "setup_method", "teardown_method", "setUpClass", "setup_class"];
        outermost(m, stmt).is_some_and(|home| {
            self.sem.is_test_function(m, home)
                || self.sem.fixture_decorator(m, home).is_some()
                || m.scopes.class_of(home).is_some() && m.function(home).is_some_and(|f| SETUPS.contains(&m.name(f.name)))
        })
    }

    /// The use with the largest amount, and that amount; for a site no test reaches, the amount alone.
    #[must_use]
    pub fn worst(&self, site: &Site) -> Option<(Option<(&'a TestFacts, &'a Use)>, Constant)> {
        let worst =
            self.uses(site).filter_map(|(t, u)| Some(((t, u), u.amount.clone()?))).max_by(|a, b| a.1.value.total_cmp(&b.1.value));
        match worst {
            Some((at, amount)) => Some((Some(at), amount)),
            None => self.sem.amount(site, &Env::default()).map(|amount| (None, amount)),
        }
    }

    /// What the tests of this file were measured to sleep at a site, and the share of that of one run of `test`; `None` unless all
    /// of those that reach it were measured, and nobody else sleeps in its lines.
    #[must_use]
    pub fn measured(&self, site: &Site, test: &TestFacts) -> Option<(Slept, f64)> {
        let evidence = self.sem.project.evidence;
        if evidence.stamp() == 0 {
            return None;
        }
        let m = &site.module;
        let lines = m.lines(site.expr);
        let beside = |other: &&&Rc<Site>| Arc::ptr_eq(&other.module, m) && m.lines(other.expr).any(|line| lines.contains(&line));
        if self.of_kind(SiteKind::Sleep).collect::<Vec<_>>().iter().filter(beside).count() != 1 {
            return None;
        }
        let mut all = Slept::default();
        let mut own = 0.0;
        let mut told: Vec<&str> = Vec::new();
        for (t, _) in self.uses(site) {
            if told.contains(&t.test.id.as_str()) {
                continue;
            }
            told.push(&t.test.id);
            let (slept, runs) = evidence.slept(&self.sem.suite.root, &t.test.id, &m.source, lines.clone())?;
            all.calls += slept.calls;
            all.seconds += slept.seconds;
            if t.test.id == test.test.id {
                own = slept.seconds / runs as f64;
            }
        }
        Some((all, own))
    }

    /// Tells in the finding of a sleep what was measured of it.
    pub fn tell_measured(&self, site: &Site, test: &TestFacts, finding: &mut Finding) {
        let Some((slept, own)) = self.measured(site, test) else { return };
        finding.cost.sleep_s = own;
        let plural = if slept.calls == 1 { "" } else { "s" };
        let seconds = super::long_sleep::seconds(slept.seconds);
        finding.message = match slept.calls {
            0 => format!("{}; measured: nobody slept here", finding.message),
            n => format!("{}; measured: {seconds} s in {n} call{plural}", finding.message),
        };
    }

    /// Whether all tests of this file that reach a site were measured to have no other thread or process beside them.
    #[must_use]
    pub fn alone(&self, site: &Site) -> bool {
        let evidence = self.sem.project.evidence;
        let mut tests = self.uses(site).map(|(t, _)| &t.test.id).peekable();
        evidence.stamp() != 0 && tests.peek().is_some() && tests.all(|test| evidence.alone(&self.sem.suite.root, test))
    }

    /// A finding at an expression.
    #[must_use]
    pub fn finding(&self, code: &'static Code, m: &Arc<Module>, span: Span, message: String) -> Finding {
        Finding {
            code: code.clone(),
            message,
            severity: Severity::Warning,
            source: Arc::clone(&m.source),
            file: Arc::clone(&m.file),
            span,
            test: None,
            cost: Cost::default(),
            fix: None,
            declined: None,
        }
    }

    /// The literals behind a duration.
    #[must_use]
    pub fn keys(constant: &Constant) -> Vec<Key> {
        constant
            .terms
            .iter()
            .map(|t| Key { file: Arc::clone(&t.module.file), span: t.module.expr(t.expr).span, parameter: String::new() })
            .collect()
    }

    /// Completes the finding of a sleep with the ways to sleep less, in the order of the configuration: what comes before shorter
    /// durations is taken where it can be, what comes after them where those cannot.
    #[must_use]
    pub fn sleepless(&self, site: &Site, amount: &Constant, finding: Finding) -> Draft {
        let fix = &self.settings.fix;
        let mut draft = Draft::new(finding);
        let equipped = fix.fast_time || self.sem.equipped(self.module);
        let mut hints = Vec::new();
        if self.alone(site) {
            hints.push("measured: no other thread or process is alive meanwhile, only the clock goes on");
        }
        if !equipped && fix.allows(Strategy::FastTime) {
            hints.push("with `fast_time`, which `testdiet init` brings, it might not have to");
        }
        draft.hint = (!hints.is_empty()).then(|| hints.join("; "));
        let mut shrinks = false;
        for strategy in &fix.strategies {
            let other = match strategy {
                Strategy::Shrink => {
                    draft.durations = Self::keys(amount);
                    shrinks = true;
                    continue;
                }
                Strategy::FastTime if equipped => match self.virtual_time(site) {
                    Ok(fix) => fix,
                    Err(why) => {
                        draft.note = why;
                        continue;
                    }
                },
                // After shorter durations it is `missing-slow-marker` that sees what is left.
                Strategy::Slow if !shrinks => match missing_slow_marker::slow(self, site) {
                    Ok(fix) => fix,
                    Err(_) => continue,
                },
                Strategy::WaitUntil if equipped => {
                    let Some(fix) = sleep_before_assert::wait_until(self, site, amount.value) else { continue };
                    fix
                }
                _ => continue,
            };
            // Why it is not the better way belongs to the reason.
            let reason = match (&other.reason, &draft.note) {
                (Some(reason), Some(note)) if *strategy != Strategy::FastTime => format!("{reason}; {note}"),
                (reason, _) => reason.clone().unwrap_or_default(),
            };
            let other = other.because(reason);
            if shrinks {
                draft.last.get_or_insert(other);
            } else {
                draft.first.get_or_insert(other);
            }
        }
        if !shrinks && draft.first.is_none() {
            draft.finding.fix = None;
            draft.finding.declined = Some("`shrink` is not among the strategies of the configuration".to_owned());
        }
        if draft.first.is_some() && draft.durations.is_empty() {
            draft.durations = Self::keys(amount);
        }
        draft
    }

    /// The fix that runs all tests of this file that reach a sleep on virtual time, where that is allowed and goes before another way.
    #[must_use]
    pub fn virtual_time_before(&self, site: &Site, other: Strategy) -> Option<Fix> {
        let fix = &self.settings.fix;
        let may = fix.prefers(Strategy::FastTime, other) && (fix.fast_time || self.sem.equipped(self.module));
        may.then(|| self.virtual_time(site).ok()).flatten()
    }

    /// The fix that runs all tests of this file that reach a sleep on virtual time.
    ///
    /// # Errors
    /// With the reason why it cannot be, if that is worth telling.
    fn virtual_time(&self, site: &Site) -> Result<Fix, Option<String>> {
        let mut edits = Vec::new();
        let mut ids = Vec::new();
        for (test, used) in self.uses(site) {
            if used.times <= 0.0 || test.fast_time || test.slow || ids.contains(&&test.test.id) {
                continue;
            }
            ids.push(&test.test.id);
            edits.extend(
                fast_time::adopt(self.sem, self.counter, test)
                    .map_err(|why| Some(format!("`{}` is not used: {why}", fast_time::FIXTURE)))?,
            );
        }
        let message = match ids.as_slice() {
            [] => return Err(None),
            [_] => format!("Run the test on virtual time, with the fixture `{}`", fast_time::FIXTURE),
            all => {
                format!("Run the {} tests that reach it on virtual time, with the fixture `{}`", all.len(), fast_time::FIXTURE)
            }
        };
        let reason = "nothing seen here keeps its own time, so no number has to shrink; only a run can tell what is not seen";
        let group = rewrite::group(fast_time::FIXTURE, &site.module, site.module.expr(site.expr).span);
        Ok(Fix::new(Applicability::Unsafe, message, edits, group).because(reason))
    }

    /// Plans a smaller count for a site.
    ///
    /// # Errors
    /// With the reason why there is none.
    pub fn smaller(&self, site: &Site, constant: &Constant, target: u64, dimension: Dimension) -> Result<CountPlan, String> {
        if site.module.role == Role::Product {
            return Err("it is product code".to_owned());
        }
        if site.module.broken() {
            return Err("the file could not be parsed as a whole".to_owned());
        }
        counts::plan(self.sem, &site.module, site.expr, constant, target, dimension)
    }
}
