//! What a rule gets to see: the sites of a file with the tests that reach them, and the budgets they are held against.

use rustc_hash::FxHashMap as HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::Code;
use crate::config::Settings;
use crate::discover::Role;
use crate::finding::{Cost, Finding, Severity};
use crate::plan::counts::{self, CountPlan, Dimension};
use crate::plan::durations::Key;
use crate::python::ast::ExprId;
use crate::python::cost::{Counter, Site, TestFacts, Use};
use crate::python::project::Module;
use crate::python::semantics::Semantics;
use crate::python::value::{Constant, Env};
use crate::query::SiteKind;
use crate::source::Span;

/// A finding before its group of durations is solved, which takes the whole run.
#[derive(Debug)]
pub struct Draft {
    /// The finding; complete but for a fix that [`Self::durations`] may bring.
    pub finding: Finding,
    /// Literals whose group, once solved, is the fix.
    pub durations: Vec<Key>,
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
