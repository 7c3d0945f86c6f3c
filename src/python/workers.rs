//! What threads run: the function a constructor is given, and whether a statement stands in one.

use std::rc::Rc;
use std::sync::Arc;

use super::ast::{ExprKind, StmtId};
use super::cost::{Counter, Site};
use super::project::Module;
use super::scope::{Binding, BindingKind, Lookup};
use super::semantics::{ClassRef, Def, Semantics, Type};
use crate::query::SiteKind;

impl Semantics<'_> {
    /// What a thread or process is told to run, if its constructor says.
    #[must_use]
    pub fn worker(&self, m: &Arc<Module>, site: &Site) -> Option<Type> {
        let ExprKind::Call { args, .. } = &m.expr(site.expr).kind else { return None };
        let arg = m.argument(args, Some(1), &["target", "function"])?;
        Some(self.type_of(m, arg.value))
    }

    /// The site that constructs the thread whose start (or join) another site is, where that is one call whose value a name holds.
    #[must_use]
    pub fn constructor(&self, c: &Counter, m: &Arc<Module>, site: &Site) -> Option<Rc<Site>> {
        let ExprKind::Name(name) = m.expr(site.receiver?).kind else { return None };
        let Lookup::Bound(_, bindings) = m.scopes.lookup(&m.ast, site.receiver?, name) else { return None };
        let [Binding { kind: BindingKind::Assign { value, path }, .. }] = bindings[..] else { return None };
        if !path.is_empty() {
            return None;
        }
        self.sites(c, m).get(value)?.iter().find(|s| s.kind == SiteKind::Thread).cloned()
    }

    /// Whether a statement belongs to a function that some thread of its module runs.
    #[must_use]
    pub fn runs_in_a_worker(&self, c: &Counter, m: &Arc<Module>, stmt: StmtId) -> bool {
        let mut function = m.scopes.function_around(stmt);
        while let Some(def) = function {
            if self.workers_of(c, m).contains(&def) {
                return true;
            }
            if let Some(class) = m.scopes.class_of(def)
                && m.function(def).is_some_and(|f| m.name(f.name) == "run")
                && self.is_thread_class(&ClassRef::Project(Def { module: Arc::clone(m), stmt: class }))
            {
                return true;
            }
            function = m.scopes.function_around(def);
        }
        false
    }

    /// Functions of a module that it hands to a thread or process as its work.
    fn workers_of(&self, c: &Counter, m: &Arc<Module>) -> Vec<StmtId> {
        let mut out = Vec::new();
        for site in self.sites(c, m).values().flatten().filter(|s| s.kind == SiteKind::Thread) {
            if let Some(Type::Function(def)) = self.worker(m, site)
                && Arc::ptr_eq(&def.module, m)
            {
                out.push(def.stmt);
            }
        }
        out
    }
}
