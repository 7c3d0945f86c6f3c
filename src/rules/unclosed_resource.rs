//! # unclosed-resource
//!
//! A file, socket, database connection or pool that a test opens and never closes.
//!
//! ## Why is this bad?
//! It stays open until the garbage collector finds it, which may be many tests later: descriptors run out (1,024 on a small
//! machine), a file's last lines are not on the disk yet, a port stays taken, a pool's threads stay alive. The warning about it
//! shows up in some other test.
//!
//! ## Example
//! ```python
//! def test_sum():
//!     pool = ThreadPoolExecutor(max_workers=2)
//!     assert pool.submit(sum, [1, 2]).result(timeout=5) == 3
//! ```
//!
//! Use instead:
//! ```python
//! def test_sum():
//!     with ThreadPoolExecutor(max_workers=2) as pool:
//!         assert pool.submit(sum, [1, 2]).result(timeout=5) == 3
//! ```
//!
//! ## Fix
//! A `with`, where the resource and all that is made of it (a cursor, a future, a line) is used in the block that opens it and
//! nowhere else, and no more than a dozen lines have to move; leaving the block closes it. Otherwise a cleanup, which runs also when
//! the test fails: `request.addfinalizer(…)`, and in a `unittest.TestCase` `self.addCleanup(…)`. A database connection always gets a
//! cleanup: its `with` ends a transaction and closes nothing.
//!
//! *Unsafe*: the code under test may close it itself later. Declined where it is not kept by a name, and outside of tests and
//! fixtures. Not reported where it is handed on to something that may close it, where opening it is expected to fail, and in tests of
//! what becomes of a resource that nobody closes.

use std::sync::Arc;

use super::context::{Context, Draft, excerpt};
use super::{Code, Rule};
use crate::discover::Role;
use crate::edit::{Applicability, Fix};
use crate::python::ast::{ExprKind, StmtId, StmtKind};
use crate::python::cost::Site;
use crate::python::ended::outermost;
use crate::python::fate::{Fate, Keeper};
use crate::python::project::Module;
use crate::python::semantics::Type;
use crate::query::SiteKind;
use crate::rewrite;

pub(super) static RULE: Rule = Rule {
    code: Code::new("unclosed-resource"),
    title: "Resource that is never closed",
    source: include_str!("unclosed_resource.rs"),
    default: false,
    judge: Some(judge),
};

/// Methods after which a resource is no longer the test's to close.
const ENDS: &[&str] =
    &["close", "shutdown", "terminate", "cleanup", "detach", "unlink", "__exit__", "release", "join", "makefile", "__enter__"];

fn judge(cx: &Context<'_>, out: &mut Vec<Draft>) {
    for site in cx.of_kind(SiteKind::Resource) {
        let m = &site.module;
        let stmt = m.expr(site.expr).stmt;
        let Some(home) = m.scopes.function_around(stmt) else { continue };
        if m.role == Role::Product || !cx.in_a_test(m, stmt) && cx.uses(site).next().is_none() {
            continue;
        }
        if meant(m, site, home) {
            continue;
        }
        let keeper = match kept(m, site) {
            Kept::By(keeper) => Some(keeper),
            Kept::Nothing => None,
            Kept::Elsewhere => continue,
        };
        let name = excerpt(m.text(site.expr));
        if let Some(keeper) = &keeper {
            match cx.sem.fate(m, home, keeper, ENDS) {
                Fate::Left => {}
                Fate::Given if cx.sem.fixture_decorator(m, home).is_some() => {}
                _ => continue,
            }
            // Kept on an instance that is no test's: whoever has that instance closes it.
            if matches!(keeper, Keeper::Attribute(_)) && !in_test_class(cx, m, home) {
                continue;
            }
        }
        let mut finding = cx.finding(&RULE.code, m, m.expr(site.expr).span, format!("`{name}` is opened and never closed"));
        finding.test = cx.uses(site).next().map(|(t, _)| t.test.id.clone());
        let fix = match &keeper {
            Some(keeper) => fix(cx, site, keeper),
            None => Err("it has no name; open it in a `with`".to_owned()),
        };
        match fix {
            Ok(fix) => finding.fix = Some(fix),
            Err(why) => finding.declined = Some(why),
        }
        out.push(Draft::new(finding));
    }
}

/// Whether a resource is meant not to be opened at all, or to be left open.
fn meant(m: &Module, site: &Site, home: StmtId) -> bool {
    let stmt = m.expr(site.expr).stmt;
    let text = m.source.slice(m.stmt(outermost(m, home).unwrap_or(home)).span);
    // A test of what becomes of it, and one that opens nothing.
    if ["ResourceWarning", "gc_collect", "gc.collect", "mock_open", "builtins.open\""].iter().any(|w| text.contains(w)) {
        return true;
    }
    let Some(parent) = m.stmt(stmt).parent else { return false };
    match &m.stmt(parent).kind {
        StmtKind::With { items, .. } => items.iter().any(|(item, _)| m.text(*item).to_ascii_lowercase().contains("raises")),
        // `try: f = open(…)`, and only its handlers have something to say.
        StmtKind::Try { body, handlers, .. } if !handlers.is_empty() && body.last() == Some(&stmt) => {
            let Some(Keeper::Name(name)) = Keeper::of_value(m, site.expr) else { return false };
            let region = m.stmt(home).span;
            m.ast.exprs.iter().filter(|e| region.contains(e.span) && m.source.slice(e.span) == name).count() == 1
        }
        _ => false,
    }
}

/// What keeps a resource.
enum Kept {
    By(Keeper),
    /// Used once and gone: `open(path).read()`.
    Nothing,
    /// Handed on, or closed at once.
    Elsewhere,
}

fn kept(m: &Module, site: &Site) -> Kept {
    if let Some(keeper) = Keeper::of_value(m, site.expr) {
        return Kept::By(keeper);
    }
    match m.expr(site.expr).parent.map(|parent| &m.expr(parent).kind) {
        Some(ExprKind::Attribute { attr, .. })
            if matches!(m.name(*attr), "read" | "readlines" | "readline" | "write" | "writelines" | "read_text") =>
        {
            Kept::Nothing
        }
        _ => Kept::Elsewhere,
    }
}

fn in_test_class(cx: &Context<'_>, m: &Arc<Module>, home: StmtId) -> bool {
    let Some(class) = m.scopes.class_of(home) else { return false };
    let case = crate::python::semantics::Def { module: Arc::clone(m), stmt: class };
    cx.sem.is_test_case(&case) || m.class(class).is_some_and(|c| m.name(c.name).starts_with("Test"))
}

fn fix(cx: &Context<'_>, site: &Site, keeper: &Keeper) -> Result<Fix, String> {
    let m = &site.module;
    let stmt = m.expr(site.expr).stmt;
    if !matches!(m.stmt(stmt).kind, StmtKind::Assign { .. }) {
        return Err("it is not kept by a name".to_owned());
    }
    let ExprKind::Call { func, .. } = m.expr(site.expr).kind else { return Err("it is no call".to_owned()) };
    let callee = m.text(func);
    let end = match callee.rsplit('.').next().unwrap_or(callee) {
        "TemporaryDirectory" => "cleanup",
        last if last.ends_with("Executor") => "shutdown",
        last if last.ends_with("Pool") => "terminate",
        _ => "close",
    };
    let name = keeper.text();
    let group = rewrite::group("close", m, m.expr(site.expr).span);
    let transaction = matches!(cx.sem.type_of(m, func), Type::External(name) if &*name == "sqlite3.connect");
    if let (Keeper::Name(_), false, Ok(edits)) = (keeper, transaction, rewrite::with_block(m, stmt, site.expr)) {
        rewrite::editable(m)?;
        return Ok(Fix::new(Applicability::Unsafe, format!("Open it in a `with`, which closes `{name}`"), edits, group)
            .because("the code under test may close it itself, and waiting for what it does may take long"));
    }
    let edits = rewrite::cleanup(cx.sem, m, stmt, &format!("{name}.{end}"))?;
    Ok(Fix::new(Applicability::Unsafe, format!("Call `{name}.{end}` when the test is over"), edits, group)
        .because("the code under test may close it itself, and waiting for what it does may take long"))
}
