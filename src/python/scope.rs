//! Scopes and bindings: which assignments, imports, definitions or parameters a name may refer to.
//!
//! [`Scopes::lookup`] answers with the bindings that can *reach* a use, not with all of a scope: an earlier
//! assignment that a later unconditional one overwrites is not among them. A name that is left with several
//! bindings has several possible meanings; it is for the callers (types, values) to see whether they agree.

use rustc_hash::FxHashMap as HashMap;

use super::ast::{Ast, Clause, ExprId, ExprKind, Param, StmtId, StmtKind, Symbol};

/// Index of a scope; 0 is the module's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub u32);

/// The module's own scope.
pub const MODULE: ScopeId = ScopeId(0);

/// What opened a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeKind {
    /// The file.
    Module,
    /// A class body: invisible to the functions in it.
    Class(StmtId),
    /// A function body.
    Function(StmtId),
    /// A lambda.
    Lambda(ExprId),
    /// A comprehension.
    Comprehension(ExprId),
}

/// One scope.
#[derive(Debug)]
pub struct Scope {
    /// What opened it.
    pub kind: ScopeKind,
    /// The scope around it.
    pub parent: Option<ScopeId>,
    /// Bindings by name, in source order.
    pub bindings: HashMap<Symbol, Vec<Binding>>,
    /// `from x import *` statements.
    pub stars: Vec<StmtId>,
    /// `global` and `nonlocal` names, with whether it is `global`.
    declared: HashMap<Symbol, bool>,
}

/// One way a name gets its value.
#[derive(Debug, Clone)]
pub struct Binding {
    /// How.
    pub kind: BindingKind,
    /// The statement that does it.
    pub stmt: StmtId,
    /// Offset of the name, for order.
    pub at: u32,
    /// Whether it stands in an `except ImportError:` beside another import: used only when that one is missing.
    pub fallback: bool,
    /// The block the binding is made in.
    block: Block,
}

/// How a name gets its value.
#[derive(Debug, Clone)]
pub enum BindingKind {
    /// `import a.b as c`: the statement's alias of that index.
    Import(usize),
    /// `from a import b as c`
    From(usize),
    /// `def`
    Function,
    /// `class`
    Class,
    /// A parameter of the function (`stmt`), by index.
    Param(usize),
    /// A parameter of a lambda.
    LambdaParam(ExprId),
    /// `name = value`; the path leads through tuple targets to the name.
    Assign {
        /// Right-hand side.
        value: ExprId,
        /// Indices into nested tuple targets.
        path: Vec<usize>,
    },
    /// `name: annotation` without a value.
    Declared(ExprId),
    /// `name += …`
    Augmented,
    /// `for name in iter`, in a statement or comprehension.
    Iteration {
        /// What is iterated.
        iter: ExprId,
        /// Indices into nested tuple targets.
        path: Vec<usize>,
    },
    /// `with context as name`
    With {
        /// The context manager.
        context: ExprId,
        /// Indices into nested tuple targets.
        path: Vec<usize>,
    },
    /// Something whose value is not followed: `except … as`, a pattern's capture, `del`.
    Opaque,
}

/// A list of statements: the compound statement it belongs to and which of its bodies it is.
type Block = (Option<StmtId>, u8);

/// All scopes of a file.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "the scopes among what is known about them")]
pub struct Scopes {
    scopes: Vec<Scope>,
    /// Scope each statement runs in.
    of_stmt: Vec<ScopeId>,
    /// Block each statement is in.
    block_of: Vec<Block>,
    /// Scopes opened by lambdas and comprehensions.
    of_expr: HashMap<ExprId, ScopeId>,
    /// Scopes opened by functions and classes.
    of_def: HashMap<StmtId, ScopeId>,
}

/// What a name may refer to.
#[derive(Debug)]
pub enum Lookup<'a> {
    /// Bindings of a scope that can reach the use.
    Bound(ScopeId, Vec<&'a Binding>),
    /// No scope binds it: a builtin, or a name from a star import (listed, last first).
    Free(Vec<StmtId>),
}

impl Scopes {
    /// Builds the scopes of a file.
    #[must_use]
    pub fn build(ast: &Ast) -> Self {
        let mut builder = Builder {
            ast,
            out: Self {
                scopes: vec![Scope::new(ScopeKind::Module, None)],
                of_stmt: vec![MODULE; ast.stmts.len()],
                block_of: vec![(None, 0); ast.stmts.len()],
                of_expr: HashMap::default(),
                of_def: HashMap::default(),
            },
            fallback: false,
        };
        builder.block(&ast.body, MODULE, (None, 0));
        builder.expressions();
        for scope in &mut builder.out.scopes {
            for bindings in scope.bindings.values_mut() {
                bindings.sort_by_key(|b| b.at);
            }
        }
        builder.out
    }

    /// A scope.
    #[must_use]
    pub fn get(&self, id: ScopeId) -> &Scope {
        &self.scopes[id.0 as usize]
    }

    /// The scope a function or class opens.
    #[must_use]
    pub fn of_def(&self, def: StmtId) -> Option<ScopeId> {
        self.of_def.get(&def).copied()
    }

    /// The scope a statement runs in.
    #[must_use]
    pub fn of_stmt(&self, stmt: StmtId) -> ScopeId {
        self.of_stmt[stmt.0 as usize]
    }

    /// The scope an expression is evaluated in.
    #[must_use]
    pub fn of_expr(&self, ast: &Ast, expr: ExprId) -> ScopeId {
        let mut child = expr;
        let mut at = ast.expr(expr).parent;
        while let Some(parent) = at {
            if let Some(&scope) = self.of_expr.get(&parent)
                && opens_for(ast, parent, child)
            {
                return scope;
            }
            child = parent;
            at = ast.expr(parent).parent;
        }
        self.of_stmt(ast.expr(expr).stmt)
    }

    /// The innermost function (as its `def` statement) around a statement, itself not counted.
    #[must_use]
    pub fn function_around(&self, stmt: StmtId) -> Option<StmtId> {
        let mut scope = self.of_stmt(stmt);
        loop {
            let s = self.get(scope);
            if let ScopeKind::Function(def) = s.kind {
                return Some(def);
            }
            scope = s.parent?;
        }
    }

    /// The class whose body directly holds this `def`, if any.
    #[must_use]
    pub fn class_of(&self, def: StmtId) -> Option<StmtId> {
        match self.get(self.of_stmt(def)).kind {
            ScopeKind::Class(class) => Some(class),
            _ => None,
        }
    }

    /// All bindings of a name in one scope, wherever they stand.
    #[must_use]
    pub fn bindings(&self, scope: ScopeId, name: Symbol) -> &[Binding] {
        self.get(scope).bindings.get(&name).map_or(&[], Vec::as_slice)
    }

    /// What the name read by `expr` may refer to.
    #[must_use]
    pub fn lookup(&self, ast: &Ast, expr: ExprId, name: Symbol) -> Lookup<'_> {
        let from = self.of_expr(ast, expr);
        let mut scope = from;
        let mut stars = Vec::new();
        loop {
            let s = self.get(scope);
            let visible = scope == from || !matches!(s.kind, ScopeKind::Class(_));
            if visible {
                if s.declared.get(&name) == Some(&true) && scope != MODULE {
                    scope = MODULE;
                    continue;
                }
                if let Some(all) = s.bindings.get(&name).filter(|_| !s.declared.contains_key(&name)) {
                    let reaching = if scope == from { self.reaching(ast, all, expr) } else { all.iter().collect() };
                    return Lookup::Bound(scope, without_fallbacks(reaching));
                }
                stars.extend(s.stars.iter().rev());
            }
            match s.parent {
                Some(parent) => scope = parent,
                None => return Lookup::Free(stars),
            }
        }
    }

    /// The bindings among `all` (of the scope the use runs in) whose value can be the one read.
    fn reaching<'a>(&self, ast: &Ast, all: &'a [Binding], using: ExprId) -> Vec<&'a Binding> {
        if all.len() == 1 {
            return all.iter().collect();
        }
        let stmt = ast.expr(using).stmt;
        let offset = ast.expr(using).span.start;
        // Blocks from the use outwards, and the outermost loop of this scope around it.
        let mut blocks: Vec<Block> = Vec::new();
        let mut loop_end = None;
        let mut at = Some(stmt);
        let scope = self.of_stmt(stmt);
        while let Some(id) = at {
            if self.of_stmt(id) != scope {
                break;
            }
            if matches!(ast.stmt(id).kind, StmtKind::For { .. } | StmtKind::While { .. }) {
                if id != stmt {
                    loop_end = Some(ast.stmt(id).span);
                }
                // A use inside the body sees the loop's own target.
                blocks.push((Some(id), 0));
            }
            blocks.push(self.block_of[id.0 as usize]);
            at = ast.stmt(id).parent;
        }
        let before = |b: &Binding| {
            let own = b.stmt == stmt && !matches!(b.kind, BindingKind::Param(_) | BindingKind::With { .. });
            if own { b.at < offset && is_walrus_target(ast, b) } else { b.at < offset }
        };
        let mut reaching = Vec::new();
        for b in all.iter().filter(|b| before(b)) {
            // What `name += …` adds to is still read.
            if blocks.contains(&b.block) && !matches!(b.kind, BindingKind::Augmented) {
                reaching.clear();
            }
            reaching.push(b);
        }
        if let Some(body) = loop_end {
            reaching.extend(all.iter().filter(|b| !before(b) && body.start <= b.at && b.at < body.end));
        }
        if reaching.is_empty() { all.iter().collect() } else { reaching }
    }
}

/// Assignment targets stand before their value; a walrus's value is the only one evaluated before its own binding
/// in the same statement, so it alone can be seen by later parts of that statement.
fn is_walrus_target(ast: &Ast, binding: &Binding) -> bool {
    match binding.kind {
        BindingKind::Assign { value, .. } => {
            ast.expr(value).parent.is_some_and(|p| matches!(ast.expr(p).kind, ExprKind::Walrus { .. }))
        }
        _ => false,
    }
}

fn without_fallbacks(mut bindings: Vec<&Binding>) -> Vec<&Binding> {
    if bindings.iter().any(|b| !b.fallback) {
        bindings.retain(|b| !b.fallback);
    }
    bindings
}

/// Whether `child`, a direct child of the lambda or comprehension `parent`, is evaluated in the scope it opens:
/// a comprehension's first iterable and a lambda's defaults are not.
fn opens_for(ast: &Ast, parent: ExprId, child: ExprId) -> bool {
    match &ast.expr(parent).kind {
        ExprKind::Comprehension { clauses, .. } => !matches!(clauses.first(), Some(Clause::For { iter, .. }) if *iter == child),
        ExprKind::Lambda { body, .. } => *body == child,
        _ => false,
    }
}

impl Scope {
    fn new(kind: ScopeKind, parent: Option<ScopeId>) -> Self {
        Self { kind, parent, bindings: HashMap::default(), stars: Vec::new(), declared: HashMap::default() }
    }
}

struct Builder<'a> {
    ast: &'a Ast,
    out: Scopes,
    /// Inside an `except ImportError:` block.
    fallback: bool,
}

impl Builder<'_> {
    fn open(&mut self, kind: ScopeKind, parent: ScopeId) -> ScopeId {
        self.out.scopes.push(Scope::new(kind, Some(parent)));
        ScopeId(u32::try_from(self.out.scopes.len() - 1).unwrap_or(u32::MAX))
    }

    fn bind(&mut self, scope: ScopeId, name: Symbol, kind: BindingKind, stmt: StmtId, at: u32) {
        let block = match self.ast.stmt(stmt).kind {
            // The target is bound by entering the body; after the loop it may be unbound.
            StmtKind::For { .. } => (Some(stmt), 0),
            _ => self.out.block_of[stmt.0 as usize],
        };
        let binding = Binding { kind, stmt, at, fallback: self.fallback, block };
        let mut target = scope;
        match self.out.get(scope).declared.get(&name) {
            Some(true) => target = MODULE,
            Some(false) => {
                let mut up = self.out.get(scope).parent;
                while let Some(s) = up {
                    let is_function = matches!(self.out.get(s).kind, ScopeKind::Function(_));
                    if is_function && self.out.get(s).bindings.contains_key(&name) {
                        target = s;
                        break;
                    }
                    up = self.out.get(s).parent;
                }
            }
            None => {}
        }
        self.out.scopes[target.0 as usize].bindings.entry(name).or_default().push(binding);
    }

    fn block(&mut self, body: &[StmtId], scope: ScopeId, block: Block) {
        for &id in body {
            self.out.of_stmt[id.0 as usize] = scope;
            self.out.block_of[id.0 as usize] = block;
            self.statement(id, scope);
        }
    }

    fn statement(&mut self, id: StmtId, scope: ScopeId) {
        let ast = self.ast;
        let start = ast.stmt(id).span.start;
        match &ast.stmt(id).kind {
            StmtKind::Function(f) => {
                self.bind(scope, f.name, BindingKind::Function, id, f.name_span.start);
                let inner = self.open(ScopeKind::Function(id), scope);
                self.out.of_def.insert(id, inner);
                self.declarations(&f.body, inner);
                for (i, Param { name, name_span, .. }) in f.params.iter().enumerate() {
                    self.bind(inner, *name, BindingKind::Param(i), id, name_span.start);
                    // A parameter is bound before the body, in the body's own block.
                    if let Some(b) = self.out.scopes[inner.0 as usize].bindings.get_mut(name).and_then(|v| v.last_mut()) {
                        b.block = (Some(id), 0);
                    }
                }
                let outer = std::mem::replace(&mut self.fallback, false);
                self.block(&f.body, inner, (Some(id), 0));
                self.fallback = outer;
            }
            StmtKind::Class(c) => {
                self.bind(scope, c.name, BindingKind::Class, id, c.name_span.start);
                let inner = self.open(ScopeKind::Class(id), scope);
                self.out.of_def.insert(id, inner);
                self.block(&c.body, inner, (Some(id), 0));
            }
            StmtKind::Assign { targets, annotation, value } => {
                for &target in targets {
                    match (value, annotation) {
                        (Some(value), _) => {
                            self.target(target, scope, id, &|path| BindingKind::Assign { value: *value, path });
                        }
                        (None, Some(annotation)) => {
                            self.target(target, scope, id, &|_| BindingKind::Declared(*annotation));
                        }
                        (None, None) => {}
                    }
                }
            }
            StmtKind::AugAssign { target, .. } => self.target(*target, scope, id, &|_| BindingKind::Augmented),
            StmtKind::For { target, iter, body, orelse, .. } => {
                self.target(*target, scope, id, &|path| BindingKind::Iteration { iter: *iter, path });
                self.block(body, scope, (Some(id), 0));
                self.block(orelse, scope, (Some(id), 1));
            }
            StmtKind::While { body, orelse, .. } | StmtKind::If { body, orelse, .. } => {
                self.block(body, scope, (Some(id), 0));
                self.block(orelse, scope, (Some(id), 1));
            }
            StmtKind::With { items, body, .. } => {
                for (context, target) in items {
                    if let Some(target) = target {
                        self.target(*target, scope, id, &|path| BindingKind::With { context: *context, path });
                    }
                }
                // A `with` body always runs: its block is the block around it.
                let block = self.out.block_of[id.0 as usize];
                self.block(body, scope, block);
            }
            StmtKind::Try { body, handlers, orelse, finally } => {
                self.block(body, scope, (Some(id), 0));
                for (i, handler) in handlers.iter().enumerate() {
                    let n = u8::try_from(i).unwrap_or(250).saturating_add(3);
                    if let Some((name, span)) = handler.name {
                        self.bind(scope, name, BindingKind::Opaque, id, span.start);
                    }
                    let outer = self.fallback;
                    self.fallback |= handler.exception.is_some_and(|e| catches_import_error(ast, e));
                    self.block(&handler.body, scope, (Some(id), n));
                    self.fallback = outer;
                }
                self.block(orelse, scope, (Some(id), 1));
                let block = self.out.block_of[id.0 as usize];
                self.block(finally, scope, block);
            }
            StmtKind::Match { cases, .. } => {
                for (i, case) in cases.iter().enumerate() {
                    for &name in &case.captures {
                        self.bind(scope, name, BindingKind::Opaque, id, start);
                    }
                    self.block(&case.body, scope, (Some(id), u8::try_from(i).unwrap_or(u8::MAX)));
                }
            }
            StmtKind::Import(aliases) => {
                for (i, alias) in aliases.iter().enumerate() {
                    if let Some(name) = alias.binds {
                        self.bind(scope, name, BindingKind::Import(i), id, alias.span.start);
                    }
                }
            }
            StmtKind::ImportFrom { names, .. } => {
                for (i, alias) in names.iter().enumerate() {
                    match alias.binds {
                        Some(name) => self.bind(scope, name, BindingKind::From(i), id, alias.span.start),
                        None => self.out.scopes[scope.0 as usize].stars.push(id),
                    }
                }
            }
            StmtKind::Delete(targets) => {
                for &target in targets {
                    if let ExprKind::Name(name) = ast.expr(target).kind {
                        self.bind(scope, name, BindingKind::Opaque, id, start);
                    }
                }
            }
            StmtKind::Global(_)
            | StmtKind::Nonlocal(_)
            | StmtKind::Return(_)
            | StmtKind::Raise(_)
            | StmtKind::Assert { .. }
            | StmtKind::Expr(_)
            | StmtKind::Break
            | StmtKind::Continue
            | StmtKind::Other(_) => {}
        }
    }

    /// `global` and `nonlocal` hold for the whole function, wherever they stand in it.
    fn declarations(&mut self, body: &[StmtId], scope: ScopeId) {
        for &id in body {
            match &self.ast.stmt(id).kind {
                StmtKind::Global(names) => {
                    for &name in names {
                        self.out.scopes[scope.0 as usize].declared.insert(name, true);
                    }
                }
                StmtKind::Nonlocal(names) => {
                    for &name in names {
                        self.out.scopes[scope.0 as usize].declared.insert(name, false);
                    }
                }
                StmtKind::Function(_) | StmtKind::Class(_) => {}
                kind => kind.blocks(&mut |b| self.declarations(b, scope)),
            }
        }
    }

    fn target(&mut self, target: ExprId, scope: ScopeId, stmt: StmtId, kind: &dyn Fn(Vec<usize>) -> BindingKind) {
        let mut stack = vec![(target, Vec::new())];
        while let Some((expr, path)) = stack.pop() {
            match &self.ast.expr(expr).kind {
                ExprKind::Name(name) => {
                    self.bind(scope, *name, kind(path), stmt, self.ast.expr(expr).span.start);
                }
                ExprKind::Tuple(items) | ExprKind::List(items) => {
                    let mut starred = false;
                    for (i, &item) in items.iter().enumerate() {
                        starred |= matches!(self.ast.expr(item).kind, ExprKind::Starred(_));
                        let mut path = path.clone();
                        // After a star the position is not known.
                        path.push(if starred { usize::MAX } else { i });
                        stack.push((item, path));
                    }
                }
                ExprKind::Starred(inner) => stack.push((*inner, path)),
                _ => {}
            }
        }
    }

    /// Scopes of lambdas and comprehensions, and the names walrus operators bind.
    fn expressions(&mut self) {
        let ast = self.ast;
        let openers: Vec<ExprId> = (0..u32::try_from(ast.exprs.len()).unwrap_or(u32::MAX))
            .map(ExprId)
            .filter(|&e| matches!(ast.expr(e).kind, ExprKind::Lambda { .. } | ExprKind::Comprehension { .. }))
            .collect();
        for &e in &openers {
            let kind = match ast.expr(e).kind {
                ExprKind::Lambda { .. } => ScopeKind::Lambda(e),
                _ => ScopeKind::Comprehension(e),
            };
            let id = self.open(kind, MODULE);
            self.out.of_expr.insert(e, id);
        }
        for &e in &openers {
            let id = self.out.of_expr[&e];
            let parent = self.out.of_expr(ast, e);
            self.out.scopes[id.0 as usize].parent = Some(parent);
            let stmt = ast.expr(e).stmt;
            match &ast.expr(e).kind {
                ExprKind::Lambda { params, .. } => {
                    for param in params {
                        self.bind(id, param.name, BindingKind::LambdaParam(e), stmt, param.name_span.start);
                    }
                }
                ExprKind::Comprehension { clauses, .. } => {
                    for clause in clauses {
                        if let Clause::For { target, iter, .. } = clause {
                            self.target(*target, id, stmt, &|path| BindingKind::Iteration { iter: *iter, path });
                        }
                    }
                }
                _ => {}
            }
        }
        for (i, expr) in ast.exprs.iter().enumerate() {
            if let ExprKind::Walrus { target, value } = expr.kind {
                let mut scope = self.out.of_expr(ast, ExprId(u32::try_from(i).unwrap_or(u32::MAX)));
                while let ScopeKind::Comprehension(_) = self.out.get(scope).kind {
                    scope = self.out.get(scope).parent.unwrap_or(MODULE);
                }
                self.target(target, scope, expr.stmt, &|path| BindingKind::Assign { value, path });
            }
        }
    }
}

fn catches_import_error(ast: &Ast, exception: ExprId) -> bool {
    let is_import =
        |e: ExprId| matches!(ast.expr(e).kind, ExprKind::Name(n) if matches!(ast.name(n), "ImportError" | "ModuleNotFoundError"));
    match &ast.expr(exception).kind {
        ExprKind::Tuple(items) => items.iter().any(|&e| is_import(e)),
        _ => is_import(exception),
    }
}
