//! The modules of a project: read, parsed and lowered on demand, each once.
//!
//! A [`Module`] depends on nothing but its own text, so loading can happen from any thread in any order; everything
//! that crosses modules (types, values, costs) is asked later, of [`super::semantics`].

use rustc_hash::FxHashMap as HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::ast::{Arg, Ast, Expr, ExprId, ExprKind, Function, Stmt, StmtId, StmtKind, Symbol};
use super::lower;
use super::scope::Scopes;
use crate::discover::{Role, Suite};
use crate::evidence::Evidence;
use crate::query::{Mask, Match, Queries};
use crate::source::SourceFile;

/// A parsed file.
pub struct Module {
    /// Its text.
    pub source: Arc<SourceFile>,
    /// Its path, shared with findings and edits.
    pub file: Arc<PathBuf>,
    /// Its syntax.
    pub ast: Ast,
    /// Its names.
    pub scopes: Scopes,
    /// What the queries matched, predicates not asked yet.
    pub matches: Vec<Match>,
    /// What it is to the suite. A module that was loaded because something imports it is [`Role::Product`] unless the walk
    /// found it among the tests.
    pub role: Role,
    /// `x.append(y)`, `x[k] = y`, `self.x = y` by name, for the types of containers and attributes.
    writes: OnceLock<HashMap<Symbol, Vec<Write>>>,
    /// Calls by the last name of what is called.
    calls: OnceLock<HashMap<Symbol, Vec<ExprId>>>,
    /// Symbols by text.
    symbols: HashMap<String, Symbol>,
}

/// A write through a name or attribute: what reaches a container or an instance other than by plain assignment.
#[derive(Debug, Clone, Copy)]
pub struct Write {
    /// `x` in `x.append(y)`, `self` in `self.x = y`.
    pub receiver: ExprId,
    /// What is written.
    pub value: ExprId,
    /// How.
    pub kind: WriteKind,
}

/// How a [`Write`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// `x.append(value)`, `x.add(value)`, `x.insert(i, value)`, `x.put(value)`
    Element,
    /// `x.extend(value)`, `x += value`
    Elements,
    /// `x[key] = value`
    Item,
    /// `receiver.x = value`
    Attribute,
}

impl PartialEq for Module {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Module({})", self.file.display())
    }
}

impl Module {
    /// Parses a file and matches the queries that it triggers.
    #[must_use]
    pub fn new(source: Arc<SourceFile>, role: Role, queries: &Queries, mask: Mask) -> Self {
        let file = Arc::new(source.path.clone());
        let ast = lower::lower(source.text());
        let matches = queries.run(mask, &ast, source.text());
        let scopes = Scopes::build(&ast);
        let symbols =
            ast.names.iter().enumerate().map(|(i, n)| (n.clone(), Symbol(u32::try_from(i).unwrap_or(u32::MAX)))).collect();
        Self { source, file, ast, scopes, matches, role, writes: OnceLock::new(), calls: OnceLock::new(), symbols }
    }

    /// The symbol of a name, if the file mentions it.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        self.symbols.get(name).copied()
    }

    /// An expression.
    #[must_use]
    pub fn expr(&self, id: ExprId) -> &Expr {
        self.ast.expr(id)
    }

    /// A statement.
    #[must_use]
    pub fn stmt(&self, id: StmtId) -> &Stmt {
        self.ast.stmt(id)
    }

    /// Text of a symbol.
    #[must_use]
    pub fn name(&self, symbol: Symbol) -> &str {
        self.ast.name(symbol)
    }

    /// Source text of an expression.
    #[must_use]
    pub fn text(&self, id: ExprId) -> &str {
        self.source.slice(self.expr(id).span)
    }

    /// Comments that belong to a statement, without the `#`: the one at its end, and those right above it.
    pub fn comments_at(&self, stmt: StmtId) -> impl Iterator<Item = &str> {
        let span = self.stmt(stmt).span;
        let beside = self.source.line(self.source.line_of(span.end)).split_once(" #").map(|(_, comment)| comment);
        let above = (0..self.source.line_of(span.start)).rev();
        let above = above.map_while(|line| self.source.line(line).trim_start().strip_prefix('#'));
        beside.into_iter().chain(above)
    }

    /// The lines of an expression, from 1.
    #[must_use]
    pub fn lines(&self, id: ExprId) -> std::ops::RangeInclusive<u32> {
        let span = self.expr(id).span;
        let line = |offset| u32::try_from(self.source.line_of(offset) + 1).unwrap_or(u32::MAX);
        line(span.start)..=line(span.end)
    }

    /// The function a `def` statement defines.
    #[must_use]
    pub fn function(&self, id: StmtId) -> Option<&Function> {
        match &self.stmt(id).kind {
            StmtKind::Function(f) => Some(f),
            _ => None,
        }
    }

    /// The class a `class` statement defines.
    #[must_use]
    pub fn class(&self, id: StmtId) -> Option<&super::ast::Class> {
        match &self.stmt(id).kind {
            StmtKind::Class(c) => Some(c),
            _ => None,
        }
    }

    /// The argument passed for a parameter, by position or keyword. `None` when absent, and when a splat makes it unknowable.
    #[must_use]
    pub fn argument<'a>(&self, args: &'a [Arg], index: Option<usize>, keywords: &[&str]) -> Option<&'a Arg> {
        use super::ast::ArgKind;
        let keyword = args.iter().find(|a| matches!(a.kind, ArgKind::Keyword(k) if keywords.contains(&self.name(k))));
        if keyword.is_some() {
            return keyword;
        }
        let index = index?;
        let leading = args.iter().take_while(|a| a.kind == ArgKind::Positional).count();
        if index < leading { args.iter().filter(|a| a.kind == ArgKind::Positional).nth(index) } else { None }
    }

    /// Whether the file may define a fixture under another name: `@pytest.fixture(name="…")`.
    #[must_use]
    pub fn text_mentions_name_keyword(&self) -> bool {
        self.source.text().contains("name=")
    }

    /// Whether the text could not be parsed as a whole; such a file is not fixed.
    #[must_use]
    pub fn broken(&self) -> bool {
        !self.ast.errors.is_empty()
    }

    /// Calls of something named so: `name(…)`, `x.name(…)`.
    #[must_use]
    pub fn calls(&self, name: Symbol) -> &[ExprId] {
        let calls = self.calls.get_or_init(|| {
            let mut out: HashMap<Symbol, Vec<ExprId>> = HashMap::default();
            for (i, expr) in self.ast.exprs.iter().enumerate() {
                let ExprKind::Call { func, .. } = expr.kind else { continue };
                if let ExprKind::Name(n) | ExprKind::Attribute { attr: n, .. } = self.expr(func).kind {
                    out.entry(n).or_default().push(ExprId(u32::try_from(i).unwrap_or(u32::MAX)));
                }
            }
            out
        });
        calls.get(&name).map_or(&[], Vec::as_slice)
    }

    /// Writes through the name or attribute `name`.
    #[must_use]
    pub fn writes(&self, name: Symbol) -> &[Write] {
        self.writes.get_or_init(|| self.collect_writes()).get(&name).map_or(&[], Vec::as_slice)
    }

    fn collect_writes(&self) -> HashMap<Symbol, Vec<Write>> {
        let mut out: HashMap<Symbol, Vec<Write>> = HashMap::default();
        // `x` of `x`, `self.x`, `obj.attr.x`: the last name says which container is meant.
        let container = |e: ExprId| match self.expr(e).kind {
            ExprKind::Name(n) => Some(n),
            ExprKind::Attribute { attr, .. } => Some(attr),
            _ => None,
        };
        for expr in &self.ast.exprs {
            let ExprKind::Call { func, args, .. } = &expr.kind else { continue };
            let ExprKind::Attribute { value, attr, .. } = self.expr(*func).kind else { continue };
            let (kind, index) = match self.name(attr) {
                "append" | "add" | "appendleft" => (WriteKind::Element, 0),
                "insert" => (WriteKind::Element, 1),
                "extend" | "update" => (WriteKind::Elements, 0),
                _ => continue,
            };
            if let (Some(name), Some(arg)) = (container(value), args.get(index)) {
                out.entry(name).or_default().push(Write { receiver: value, value: arg.value, kind });
            }
        }
        for stmt in &self.ast.stmts {
            match &stmt.kind {
                StmtKind::Assign { targets, value: Some(value), .. } => {
                    let mut pairs: Vec<(ExprId, ExprId)> = targets.iter().map(|&t| (t, *value)).collect();
                    while let Some((target, value)) = pairs.pop() {
                        match self.expr(target).kind {
                            // `self.a, self.b = 1, x`; what a value that is not taken apart gives each of them is not known, which
                            // is what a target says of itself.
                            ExprKind::Tuple(ref parts) | ExprKind::List(ref parts) => {
                                let values = match &self.expr(value).kind {
                                    ExprKind::Tuple(values) | ExprKind::List(values) if values.len() == parts.len() => {
                                        Some(values)
                                    }
                                    _ => None,
                                };
                                pairs.extend(parts.iter().enumerate().map(|(i, &p)| (p, values.map_or(p, |v| v[i]))));
                            }
                            ExprKind::Subscript { value: object, .. } => {
                                if let Some(name) = container(object) {
                                    out.entry(name).or_default().push(Write { receiver: object, value, kind: WriteKind::Item });
                                }
                            }
                            ExprKind::Attribute { value: object, attr, .. } => {
                                out.entry(attr).or_default().push(Write { receiver: object, value, kind: WriteKind::Attribute });
                            }
                            _ => {}
                        }
                    }
                }
                StmtKind::AugAssign { target, value, .. } => {
                    if let Some(name) = container(*target) {
                        out.entry(name).or_default().push(Write { receiver: *target, value: *value, kind: WriteKind::Elements });
                    }
                }
                StmtKind::With { items, .. } => {
                    for &(context, target) in items {
                        if let Some(target) = target
                            && let ExprKind::Attribute { value: object, attr, .. } = self.expr(target).kind
                        {
                            out.entry(attr).or_default().push(Write {
                                receiver: object,
                                value: context,
                                kind: WriteKind::Attribute,
                            });
                        }
                    }
                }
                _ => {}
            }
        }
        out
    }
}

type Slot = Arc<OnceLock<Option<Arc<Module>>>>;

/// Files that mention a function, by the helper module that defines it and its name.
type Mentions = HashMap<(PathBuf, String), Vec<PathBuf>>;

/// What a file that the walk did not find is, by the suite around it.
#[must_use]
pub fn role(suites: &[Arc<Suite>], path: &Path) -> Role {
    let around = suites.iter().filter(|s| path.starts_with(&s.root));
    around.max_by_key(|s| s.root.components().count()).map_or(Role::Product, |s| s.role(path))
}

/// Everything the analysis of one run shares between threads.
pub struct Project {
    /// What is looked for.
    pub queries: Queries,
    /// What runs of the tests have shown.
    pub evidence: Arc<Evidence>,
    /// Files as they would be after fixes of earlier rounds.
    overlay: HashMap<PathBuf, Arc<SourceFile>>,
    /// Files the walk found, with what they are.
    roles: HashMap<PathBuf, Role>,
    /// Suites of those files: they say what a file is that the walk did not find.
    suites: Vec<Arc<Suite>>,
    /// Test code that mentions a function of a helper module.
    mentions: Mutex<Mentions>,
    /// Files parsed, and their bytes.
    parsed: (AtomicUsize, AtomicUsize),
    modules: Mutex<HashMap<PathBuf, Slot>>,
    found: Mutex<HashMap<(PathBuf, String), Option<PathBuf>>>,
    /// Files as they were when first read: a run sees each in one state.
    texts: Mutex<HashMap<PathBuf, Arc<SourceFile>>>,
    /// Whether judgements are to note what they ask.
    pub(super) noting: bool,
}

impl Project {
    /// A project over the files that the walk found, in these suites.
    #[must_use]
    pub fn new(queries: Queries, roles: HashMap<PathBuf, Role>, suites: Vec<Arc<Suite>>) -> Self {
        Self {
            queries,
            evidence: Arc::default(),
            overlay: HashMap::default(),
            roles,
            suites,
            mentions: Mutex::new(HashMap::default()),
            parsed: (AtomicUsize::new(0), AtomicUsize::new(0)),
            modules: Mutex::new(HashMap::default()),
            found: Mutex::new(HashMap::default()),
            texts: Mutex::new(HashMap::default()),
            noting: false,
        }
    }

    /// The same project seen after some files changed: nothing of the old modules is kept.
    pub fn overlay(&mut self, files: impl IntoIterator<Item = Arc<SourceFile>>) {
        for file in files {
            self.overlay.insert(file.path.clone(), file);
        }
        self.modules.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.mentions.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What a file is to its suite.
    #[must_use]
    pub fn role(&self, path: &Path) -> Role {
        self.roles.get(path).copied().unwrap_or_else(|| role(&self.suites, path))
    }

    /// The suites of the files that the walk found.
    #[must_use]
    pub fn suites(&self) -> &[Arc<Suite>] {
        &self.suites
    }

    /// Has judgements from now on note what they ask.
    pub const fn note_questions(&mut self) {
        self.noting = true;
    }

    /// A file's current text.
    ///
    /// # Errors
    /// As [`SourceFile::read`].
    pub fn source(&self, path: &Path) -> Result<Arc<SourceFile>, crate::source::SourceError> {
        if let Some(file) = self.overlay.get(path) {
            return Ok(Arc::clone(file));
        }
        if let Some(file) = self.texts.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            return Ok(Arc::clone(file));
        }
        let read = Arc::new(SourceFile::read(path)?);
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(texts.entry(path.to_path_buf()).or_insert(read)))
    }

    /// The digest of a file's bytes; what is no text is known by them all the same.
    #[must_use]
    pub fn digest(&self, path: &Path) -> Option<u128> {
        match self.source(path) {
            Ok(file) => file.digest,
            Err(_) => std::fs::read(path).ok().map(|bytes| crate::source::digest(&bytes)),
        }
    }

    /// Parses a file, given the queries that it triggers.
    #[must_use]
    pub fn parse(&self, source: Arc<SourceFile>, role: Role, mask: Mask) -> Module {
        self.parsed.0.fetch_add(1, Ordering::Relaxed);
        self.parsed.1.fetch_add(source.text().len(), Ordering::Relaxed);
        Module::new(source, role, &self.queries, mask)
    }

    /// How many files were parsed, and how many bytes that was.
    #[must_use]
    pub fn parsed(&self) -> (usize, usize) {
        (self.parsed.0.load(Ordering::Relaxed), self.parsed.1.load(Ordering::Relaxed))
    }

    /// A module that something imports, parsed once and kept.
    #[must_use]
    pub fn load(&self, path: &Path) -> Option<Arc<Module>> {
        let slot = {
            let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(modules.entry(path.to_path_buf()).or_default())
        };
        slot.get_or_init(|| {
            let source = self.source(path).ok()?;
            let mask = self.queries.triggered(source.text());
            Some(Arc::new(self.parse(source, self.role(path), mask)))
        })
        .clone()
    }

    /// A module that has been loaded already, for whatever reason.
    #[must_use]
    pub fn loaded(&self, path: &Path) -> Option<Arc<Module>> {
        self.modules.lock().unwrap_or_else(PoisonError::into_inner).get(path)?.get()?.clone()
    }

    /// The test code that mentions a function of a helper module and, as an import has to, that module; looked for once.
    #[must_use]
    pub fn mentioning(&self, helper: &Path, name: &str) -> Vec<PathBuf> {
        let key = (helper.to_path_buf(), name.to_owned());
        if let Some(known) = self.mentions.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        // A package is imported by its folder's name.
        let module = if helper.ends_with("__init__.py") { helper.parent() } else { Some(helper) };
        let Some(stem) = module.and_then(Path::file_stem).and_then(|s| s.to_str()) else { return Vec::new() };
        let mut paths: Vec<&PathBuf> = self.roles.iter().filter(|(_, r)| **r != Role::Product).map(|(p, _)| p).collect();
        paths.sort();
        let holds = |text: &str| {
            let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
            has(stem) && has(name)
        };
        let found: Vec<PathBuf> = paths.into_iter().filter(|p| self.source(p).is_ok_and(|s| holds(s.text()))).cloned().collect();
        self.mentions.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
        found
    }

    /// Whether a file exists, on disk or among the changed ones.
    #[must_use]
    pub fn exists(&self, path: &Path) -> bool {
        self.roles.contains_key(path) || self.overlay.contains_key(path) || path.is_file()
    }

    /// Where a dotted module name is, looking in `roots` as `sys.path` would.
    #[must_use]
    pub fn find(&self, roots: &[PathBuf], dotted: &str) -> Option<PathBuf> {
        let top = dotted.split('.').next().unwrap_or(dotted);
        if super::stdlib::is_module(top) {
            return None;
        }
        roots.iter().find_map(|root| {
            let key = (root.clone(), dotted.to_owned());
            if let Some(known) = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
                return known.clone();
            }
            let base = dotted.split('.').fold(root.clone(), |p, part| p.join(part));
            let file = base.with_extension("py");
            // `with_extension` would cut `a.b`, but no part of a dotted name holds a dot.
            let found = if file.is_file() {
                Some(file)
            } else {
                let package = base.join("__init__.py");
                // A namespace package has no file of its own; its submodules are found by their full names.
                package.is_file().then_some(package)
            };
            self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
            found
        })
    }
}

/// A file under judgement and the suite it belongs to.
#[derive(Clone)]
pub struct Place {
    /// The module.
    pub module: Arc<Module>,
    /// Its suite.
    pub suite: Arc<Suite>,
}
