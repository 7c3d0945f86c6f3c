//! A project as one judgement sees it: every answer is noted, because what was judged holds for as long as the answers do.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustc_hash::FxHashSet as HashSet;
use serde::{Deserialize, Serialize};

use super::project::{Module, Project};
use super::stdlib;
use crate::discover::{Role, Suite, module_roots, packages};
use crate::evidence::Evidence;
use crate::source::{SourceError, SourceFile};

/// The answer to one question about the project.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fact {
    /// The bytes of a file, by their digest; `None` where it cannot be read.
    Text(PathBuf, Option<[u64; 2]>),
    /// What a file is to its suite.
    Role(PathBuf, Role),
    /// Whether there is a file.
    Exists(PathBuf, bool),
    /// Whether there is a folder.
    Folder(PathBuf, bool),
    /// Where the modules in a folder look for others, in the suite with this root.
    Roots(PathBuf, PathBuf, Vec<PathBuf>),
    /// The file of a module that is looked for there.
    Found(Vec<PathBuf>, String, Option<PathBuf>),
    /// The test code that mentions a function of a helper module.
    Mentioned(PathBuf, String, Vec<PathBuf>),
    /// The packages of the suite with this root.
    Packages(PathBuf, Vec<PathBuf>),
}

impl Fact {
    /// The bytes of a file as it was read.
    #[must_use]
    pub fn text(source: &SourceFile) -> Self {
        Self::Text(source.path.clone(), source.digest.map(halves))
    }

    /// Whether it is so in a project.
    #[must_use]
    pub fn holds(&self, project: &Project) -> bool {
        match self {
            Self::Text(path, digest) => project.digest(path).map(halves) == *digest,
            Self::Role(path, role) => project.role(path) == *role,
            Self::Exists(path, is) => project.exists(path) == *is,
            Self::Folder(path, is) => path.is_dir() == *is,
            Self::Roots(suite, folder, roots) => {
                let suite = project.suites().iter().find(|s| s.root == *suite);
                suite.is_some_and(|suite| module_roots(suite, folder) == *roots)
            }
            Self::Found(roots, dotted, path) => project.find(roots, dotted) == *path,
            Self::Mentioned(helper, name, files) => project.mentioning(helper, name) == *files,
            Self::Packages(root, files) => packages(root) == *files,
        }
    }
}

/// JSON has no numbers as large as digests.
#[allow(clippy::cast_possible_truncation)] // that is what halves are
const fn halves(digest: u128) -> [u64; 2] {
    [(digest >> 64) as u64, digest as u64]
}

/// What one judgement asks a project, and the answers.
pub struct View<'p> {
    project: &'p Project,
    /// What runs of the tests have shown; the same for all judgements of a run.
    pub evidence: &'p Evidence,
    /// Kept only when somebody wants to know.
    facts: Option<RefCell<HashSet<Fact>>>,
}

impl<'p> View<'p> {
    /// A view in which nothing was asked yet.
    #[must_use]
    pub fn of(project: &'p Project) -> Self {
        Self { project, evidence: &project.evidence, facts: project.noting.then(RefCell::default) }
    }

    fn note(&self, fact: impl FnOnce() -> Fact) {
        if let Some(facts) = &self.facts {
            facts.borrow_mut().insert(fact());
        }
    }

    /// What was asked so far, in order.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        let mut facts: Vec<Fact> =
            self.facts.iter().flat_map(|facts| facts.borrow().iter().cloned().collect::<Vec<_>>()).collect();
        facts.sort();
        facts
    }

    /// As [`Project::source`].
    ///
    /// # Errors
    /// As [`SourceFile::read`].
    pub fn source(&self, path: &Path) -> Result<Arc<SourceFile>, SourceError> {
        self.note(|| Fact::Text(path.to_path_buf(), self.project.digest(path).map(halves)));
        self.project.source(path)
    }

    /// The packages that lie in a suite's root.
    #[must_use]
    pub fn packages(&self, suite: &Suite) -> Vec<PathBuf> {
        let found = packages(&suite.root);
        self.note(|| Fact::Packages(suite.root.clone(), found.clone()));
        found
    }

    /// As [`Project::load`].
    #[must_use]
    pub fn load(&self, path: &Path) -> Option<Arc<Module>> {
        let module = self.project.load(path);
        self.note(|| Fact::Role(path.to_path_buf(), self.project.role(path)));
        self.note(|| match &module {
            Some(module) => Fact::text(&module.source),
            None => Fact::Text(path.to_path_buf(), self.project.digest(path).map(halves)),
        });
        module
    }

    /// As [`Project::exists`].
    #[must_use]
    pub fn exists(&self, path: &Path) -> bool {
        let is = self.project.exists(path);
        self.note(|| Fact::Exists(path.to_path_buf(), is));
        is
    }

    /// Whether there is a folder.
    #[must_use]
    pub fn is_folder(&self, path: &Path) -> bool {
        let is = path.is_dir();
        self.note(|| Fact::Folder(path.to_path_buf(), is));
        is
    }

    /// As [`module_roots`].
    #[must_use]
    pub fn roots(&self, suite: &Suite, folder: &Path) -> Vec<PathBuf> {
        let roots = module_roots(suite, folder);
        self.note(|| Fact::Roots(suite.root.clone(), folder.to_path_buf(), roots.clone()));
        roots
    }

    /// As [`Project::find`].
    #[must_use]
    pub fn find(&self, roots: &[PathBuf], dotted: &str) -> Option<PathBuf> {
        let found = self.project.find(roots, dotted);
        // Whether it is the standard library's is no question of the project.
        if !stdlib::is_module(dotted.split('.').next().unwrap_or(dotted)) {
            self.note(|| Fact::Found(roots.to_vec(), dotted.to_owned(), found.clone()));
        }
        found
    }

    /// The modules of [`Project::mentioning`].
    #[must_use]
    pub fn mentioning(&self, helper: &Path, name: &str) -> Vec<Arc<Module>> {
        let files = self.project.mentioning(helper, name);
        self.note(|| Fact::Mentioned(helper.to_path_buf(), name.to_owned(), files.clone()));
        files.iter().filter_map(|path| self.load(path)).collect()
    }
}
