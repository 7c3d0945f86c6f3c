//! What helper modules and conftest.py files have for others, so that those who take it up are judged.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::Run;
use crate::discover::{Found, Role};
use crate::plan::durations;
use crate::python::ast::{ArgKind, ExprKind, StmtId, StmtKind};
use crate::python::cost::Counter;
use crate::python::project::Module;
use crate::python::semantics::Semantics;
use crate::python::view::Fact;
use crate::query::SiteKind;
use crate::source::{SourceFile, Span};

/// What a helper module or conftest file has for others: a file that takes it up is judged, whatever else is in it.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Offer {
    /// The names, as one regular expression.
    names: String,
    /// Where they can be used without an import.
    below: Option<PathBuf>,
    /// The module's name, which an import mentions.
    module: Option<String>,
}

impl Offer {
    pub(super) fn names(&self) -> Option<regex::bytes::Regex> {
        regex::bytes::RegexBuilder::new(&self.names).unicode(false).build().ok()
    }

    pub(super) fn is_taken_up_by(&self, source: &SourceFile, names: &regex::bytes::Regex) -> bool {
        let text = source.text().as_bytes();
        self.below.as_ref().is_none_or(|folder| source.path.starts_with(folder))
            && self.module.as_ref().is_none_or(|name| memchr::memmem::find(text, name.as_bytes()).is_some())
            && names.is_match(text)
    }
}

impl Run<'_> {
    /// What a helper module or conftest file offers, with what the answer rests on.
    pub(super) fn offer(&self, i: usize, source: &Arc<SourceFile>) -> (Option<Offer>, Vec<Fact>) {
        let found = &self.input.files[i].0;
        let sem = Semantics::new(&self.project, Arc::clone(&found.suite));
        let offer = sem.project.load(&source.path).and_then(|module| Self::offered(found, &sem, &module));
        (offer, sem.project.facts())
    }

    /// What of a module sleeps, starts threads or holds a duration.
    fn offered(found: &Found, sem: &Semantics<'_>, module: &Arc<Module>) -> Option<Offer> {
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut autouse = false;
        let sites = sem.sites(&Counter::default(), module);
        let heavy = |kind: SiteKind| matches!(kind, SiteKind::Sleep | SiteKind::Thread | SiteKind::Pool | SiteKind::Custom);
        let spans: Vec<Span> = sites.values().flatten().filter(|s| heavy(s.kind)).map(|s| module.expr(s.expr).span).collect();
        // What holds a site, and what mentions something that does.
        let mut costly: Vec<StmtId> = Vec::new();
        let mut mentioned: BTreeSet<&str> = BTreeSet::new();
        loop {
            let before = costly.len();
            for &id in &module.ast.body {
                let (StmtKind::Function(_) | StmtKind::Class(_)) = &module.stmt(id).kind else { continue };
                let span = module.stmt(id).span;
                let text = module.source.slice(span);
                if !costly.contains(&id)
                    && (spans.iter().any(|s| span.contains(*s)) || mentioned.iter().any(|n| text.contains(n)))
                {
                    costly.push(id);
                    match &module.stmt(id).kind {
                        StmtKind::Function(f) => mentioned.insert(module.name(f.name)),
                        StmtKind::Class(c) => mentioned.insert(module.name(c.name)),
                        _ => false,
                    };
                }
            }
            if costly.len() == before {
                break;
            }
        }
        for &id in &module.ast.body {
            match &module.stmt(id).kind {
                StmtKind::Function(f) if costly.contains(&id) => {
                    names.insert(module.name(f.name).to_owned());
                    // What a decorator says may make it a fixture of another name, or one that nobody has to name.
                    for &d in &f.decorators {
                        if !module.text(d).contains("fixture") {
                            continue;
                        }
                        names.insert(module.name(f.name).to_owned());
                        let ExprKind::Call { args, .. } = &module.expr(d).kind else { continue };
                        for arg in args {
                            let ArgKind::Keyword(keyword) = arg.kind else { continue };
                            match (module.name(keyword), &module.expr(arg.value).kind) {
                                ("name", ExprKind::Str { text: Some(text), .. }) => {
                                    names.insert(text.clone());
                                }
                                ("autouse", ExprKind::Bool(true)) => autouse = true,
                                _ => {}
                            }
                        }
                    }
                }
                StmtKind::Class(c) if costly.contains(&id) => {
                    names.insert(module.name(c.name).to_owned());
                }
                StmtKind::Assign { targets, .. } => {
                    for &t in targets {
                        if let ExprKind::Name(n) = module.expr(t).kind
                            && durations::duration_name(module.name(n)).is_some()
                        {
                            names.insert(module.name(n).to_owned());
                        }
                    }
                }
                _ => {}
            }
        }
        if names.is_empty() && !autouse {
            return None;
        }
        let folder = module.file.parent()?.to_path_buf();
        let names = names.iter().map(|n| regex::escape(n)).collect::<Vec<_>>().join("|");
        let names = if autouse { String::new() } else { format!(r"\b(?:{names})\b") };
        // The fixtures of a conftest.py reach what lies below it; anything else has to be imported by the module's name.
        Some(if found.role == Role::Conftest {
            Offer { names, below: Some(folder), module: None }
        } else {
            let stem = module.file.file_stem()?.to_string_lossy().into_owned();
            let module = if stem == "__init__" { folder.file_name()?.to_string_lossy().into_owned() } else { stem };
            Offer { names, below: None, module: Some(module) }
        })
    }
}
