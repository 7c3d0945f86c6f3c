//! What expressions refer to: names followed through imports, and the types of values.
//!
//! [`Semantics`] answers for one file under judgement, loading whatever modules the answers need. It never guesses: a name
//! with several meanings has a type only if they all agree, and what cannot be followed is [`Type::Unknown`].

use rustc_hash::FxHashMap as HashMap;
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use super::ast::{Arg, ArgKind, BinaryOp, ComprehensionKind, ExprId, ExprKind, ParamKind, StmtId, StmtKind, Symbol};
use super::project::{Module, Project, WriteKind};
use super::scope::{Binding, BindingKind, Lookup, MODULE, ScopeId};
use super::stdlib;
use super::suite::Fixtures;
use super::view::View;
use crate::discover::{Role, Suite};
use crate::query::{Ask, Match, Predicate, SiteKind};

/// A function or class by where it is defined.
#[derive(Clone)]
pub struct Def {
    /// The module.
    pub module: Arc<Module>,
    /// Its `def` or `class` statement.
    pub stmt: StmtId,
}

impl PartialEq for Def {
    fn eq(&self, other: &Self) -> bool {
        self.stmt == other.stmt && self.module.file == other.module.file
    }
}

impl std::fmt::Debug for Def {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}:{}", self.module, self.module.stmt(self.stmt).span.start)
    }
}

/// A class: read, or known by name only.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassRef {
    /// Defined in the project.
    Project(Def),
    /// Outside of it, by dotted name.
    External(Rc<str>),
}

/// The type of a value, as far as it can be followed.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Not known, or several things.
    Unknown,
    /// No value at all (the elements of a list that stays empty): agrees with everything.
    Never,
    /// `None`; agrees with everything, since using it as something else would fail.
    None,
    /// A module, class or function outside of the project, by dotted name.
    External(Rc<str>),
    /// A module of the project.
    Module(Arc<Module>),
    /// A function or method of the project.
    Function(Def),
    /// A class of the project.
    Class(Def),
    /// An instance.
    Instance(ClassRef),
    /// A list, set, deque or iterator with elements of one type.
    List(Box<Type>),
    /// A tuple.
    Tuple(Vec<Type>),
    /// A dict with keys and values of one type each.
    Dict(Box<Type>, Box<Type>),
    /// A method of a builtin container.
    Method(Box<Type>, Rc<str>),
    /// One of several; at least two, all known.
    Either(Vec<Type>),
}

impl Type {
    fn instance(name: &str) -> Self {
        Self::Instance(ClassRef::External(stdlib::canonical(name).into()))
    }

    fn list(element: Self) -> Self {
        Self::List(Box::new(element))
    }

    /// What is left when a value may have either type.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Never | Self::None, t) | (t, Self::Never | Self::None) => t,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (a, b) if a == b => a,
            (Self::List(a), Self::List(b)) => Self::list(a.or(*b)),
            (Self::Dict(a, b), Self::Dict(c, d)) => Self::Dict(Box::new(a.or(*c)), Box::new(b.or(*d))),
            (Self::Either(mut a), b) | (b, Self::Either(mut a)) => {
                let more = if let Self::Either(b) = b { b } else { vec![b] };
                for t in more {
                    if !a.contains(&t) {
                        a.push(t);
                    }
                }
                if a.len() > 6 { Self::Unknown } else { Self::Either(a) }
            }
            (a, b) => Self::Either(vec![a, b]),
        }
    }
}

/// Answers about one file and everything it reaches.
pub struct Semantics<'p> {
    /// The modules.
    pub project: View<'p>,
    /// The suite the file belongs to.
    pub suite: Arc<Suite>,
    types: RefCell<HashMap<(usize, ExprId), Type>>,
    busy: RefCell<Vec<(usize, ExprId)>>,
    /// What classes of the product are known to reach outside; there is one list of calls to ask about.
    pub(super) reached: RefCell<HashMap<(usize, StmtId), Option<&'static str>>>,
    /// Types of parameters, by function and position.
    parameters: RefCell<HashMap<(usize, StmtId, usize), Type>>,
    /// What import statements bind, by statement and position: every mention of `time` asks for it.
    imports: RefCell<HashMap<(usize, StmtId, usize), Type>>,
    /// What modules give names. While one is looked for, those that are met on the way are here too: packages that re-export each
    /// other's names would be gone through in all orders.
    attributes: RefCell<HashMap<(usize, Box<str>), Type>>,
    /// The attributes met on the way to the one that is looked for.
    met: RefCell<Vec<(usize, Box<str>)>>,
    roots: RefCell<HashMap<PathBuf, Rc<Vec<PathBuf>>>>,
    /// The fixtures of modules and classes: every test asks for all of them.
    pub(super) fixtures: RefCell<HashMap<(usize, ScopeId), Fixtures>>,
    /// How many imports are being followed: modules may import each other in circles.
    importing: Cell<usize>,
}

/// Longest chain of imports followed.
const IMPORTS: usize = 12;

/// Deepest chain of expressions followed; real code stays far below.
const DEPTH: usize = 60;

fn key(m: &Arc<Module>) -> usize {
    Arc::as_ptr(m) as usize
}

/// Whether the source leaves open what something is, or what the class it is of derives from.
fn undecided(t: &Type) -> bool {
    match t {
        Type::Unknown | Type::Instance(ClassRef::Project(_)) => true,
        Type::Instance(ClassRef::External(name)) => !name.starts_with("builtins."),
        Type::Either(all) => all.iter().any(undecided),
        _ => false,
    }
}

impl<'p> Semantics<'p> {
    /// For a file of `suite`.
    #[must_use]
    pub fn new(project: &'p Project, suite: Arc<Suite>) -> Self {
        Self {
            project: View::of(project),
            suite,
            types: RefCell::default(),
            busy: RefCell::default(),
            reached: RefCell::default(),
            parameters: RefCell::default(),
            imports: RefCell::default(),
            attributes: RefCell::default(),
            met: RefCell::default(),
            roots: RefCell::default(),
            fixtures: RefCell::default(),
            importing: Cell::new(0),
        }
    }

    // ---- the queries' predicates ----

    /// Whether a syntactic match holds: all its predicates are true.
    #[must_use]
    pub fn accepts(&self, m: &Arc<Module>, found: &Match) -> bool {
        let proven = self.proven(m, found);
        let (SiteKind::Join, Some(receiver)) = (found.pattern.kind, found.receiver) else { return proven };
        match self.seen_to_join_threads(m, found.site) {
            None => proven,
            // What was measured decides where the source does not, and never speaks for what the source proves to be another.
            Some(threads) => threads && (proven || undecided(&self.type_of(m, receiver))),
        }
    }

    /// Whether the source alone shows that all predicates of a match hold.
    #[must_use]
    pub fn proven(&self, m: &Arc<Module>, found: &Match) -> bool {
        found.pattern.predicates.iter().all(|p| found.subject(p).is_some_and(|e| self.ask(m, e, p) != p.negated))
    }

    /// Whether a join was measured to wait for threads and processes only; `None` where it was not measured, or where its lines hold
    /// another join.
    fn seen_to_join_threads(&self, m: &Module, call: ExprId) -> Option<bool> {
        if self.project.evidence.stamp() == 0 {
            return None;
        }
        let lines = m.lines(call);
        let threads = self.project.evidence.joins_threads(&m.source, lines.clone())?;
        let beside = |&&other: &&ExprId| m.lines(other).any(|line| lines.contains(&line));
        (m.calls(m.symbol("join")?).iter().filter(beside).count() == 1).then_some(threads)
    }

    fn ask(&self, m: &Arc<Module>, e: ExprId, p: &Predicate) -> bool {
        match p.ask {
            Ask::ResolvesTo => self.resolves_to(m, e, &p.names),
            Ask::InstanceOf => self.instance_of(&self.type_of(m, e), &p.names),
            Ask::SubclassOf => self.subclass_of(&self.type_of(m, e), &p.names),
        }
    }

    /// Whether an expression refers to one of the dotted names: a library's, or (for a project's own queries) a
    /// function or class of the project by the module it is defined in.
    #[must_use]
    pub fn resolves_to(&self, m: &Arc<Module>, e: ExprId, names: &[impl AsRef<str>]) -> bool {
        let mut names = names.iter().map(AsRef::as_ref);
        // An attribute keeps its name whatever the object is called: most calls end here.
        if let ExprKind::Attribute { attr, .. } = m.expr(e).kind {
            let attr = m.name(attr);
            if !names.clone().any(|n| n.strip_suffix(attr).is_some_and(|before| before.is_empty() || before.ends_with('.'))) {
                return false;
            }
        }
        match self.type_of(m, e) {
            Type::External(name) => {
                let name = stdlib::canonical(&name);
                names.any(|n| n == name)
            }
            Type::Function(def) | Type::Class(def) => {
                let local = self.local_name(&def);
                names.any(|n| n == local || n.ends_with(&format!(".{local}")) || local.ends_with(&format!(".{n}")))
            }
            _ => false,
        }
    }

    /// `module.Class.method` of a definition; the module by its file's name only.
    fn local_name(&self, def: &Def) -> String {
        let mut parts = Vec::new();
        let mut at = Some(def.stmt);
        while let Some(id) = at {
            match &def.module.stmt(id).kind {
                StmtKind::Function(f) => parts.push(def.module.name(f.name).to_owned()),
                StmtKind::Class(c) => parts.push(def.module.name(c.name).to_owned()),
                _ => {}
            }
            at = def.module.stmt(id).parent;
        }
        parts.push(def.module.file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default());
        parts.reverse();
        parts.join(".")
    }

    /// Whether a type is an instance of one of the named classes or of a subclass.
    #[must_use]
    pub fn instance_of(&self, t: &Type, names: &[String]) -> bool {
        match t {
            Type::Instance(class) => names.iter().any(|n| self.derives(class, n, 0)),
            Type::List(_) => names.iter().any(|n| n == "builtins.list"),
            Type::Tuple(_) => names.iter().any(|n| n == "builtins.tuple"),
            Type::Dict(..) => names.iter().any(|n| n == "builtins.dict"),
            Type::Either(all) => all.iter().all(|t| self.instance_of(t, names)),
            _ => false,
        }
    }

    fn subclass_of(&self, t: &Type, names: &[String]) -> bool {
        let class = match t {
            Type::Class(def) => ClassRef::Project(def.clone()),
            Type::External(name) => ClassRef::External(Rc::clone(name)),
            Type::Either(all) => return all.iter().all(|t| self.subclass_of(t, names)),
            _ => return false,
        };
        names.iter().any(|n| self.derives(&class, n, 0))
    }

    /// Whether a class is, or derives from, the named one.
    #[must_use]
    pub fn derives(&self, class: &ClassRef, ancestor: &str, depth: usize) -> bool {
        match class {
            ClassRef::External(name) => stdlib::derives(name, ancestor),
            ClassRef::Project(def) => depth < 20 && self.bases(def).iter().any(|base| self.derives(base, ancestor, depth + 1)),
        }
    }

    /// Direct bases of a class.
    #[must_use]
    pub fn bases(&self, class: &Def) -> Vec<ClassRef> {
        let Some(c) = class.module.class(class.stmt) else { return Vec::new() };
        c.args
            .iter()
            .filter(|a| a.kind == ArgKind::Positional)
            .filter_map(|a| match self.type_of(&class.module, a.value) {
                Type::Class(def) if def != *class => Some(ClassRef::Project(def)),
                Type::External(name) => Some(ClassRef::External(name)),
                _ => None,
            })
            .collect()
    }

    // ---- types ----

    /// The type of an expression's value.
    #[must_use]
    pub fn type_of(&self, m: &Arc<Module>, e: ExprId) -> Type {
        let id = (key(m), e);
        if let Some(known) = self.types.borrow().get(&id) {
            return known.clone();
        }
        {
            let mut busy = self.busy.borrow_mut();
            // Something defined by itself has no type that could be told without guessing.
            if busy.contains(&id) || busy.len() > DEPTH {
                return Type::Unknown;
            }
            busy.push(id);
        }
        let t = self.compute(m, e);
        self.busy.borrow_mut().pop();
        self.types.borrow_mut().insert(id, t.clone());
        t
    }

    fn compute(&self, m: &Arc<Module>, e: ExprId) -> Type {
        match &m.expr(e).kind {
            ExprKind::Name(name) => self.name(m, e, *name),
            ExprKind::Attribute { value, attr, .. } => {
                let object = self.type_of(m, *value);
                self.attribute(&object, m.name(*attr))
            }
            ExprKind::Call { func, args, .. } => {
                let callee = self.type_of(m, *func);
                self.call(m, &callee, args)
            }
            ExprKind::Int(_) => Type::instance("builtins.int"),
            ExprKind::Float(_) => Type::instance("builtins.float"),
            ExprKind::Str { bytes: true, .. } => Type::instance("builtins.bytes"),
            ExprKind::Str { .. } => Type::instance("builtins.str"),
            ExprKind::Bool(_) => Type::instance("builtins.bool"),
            ExprKind::None => Type::None,
            ExprKind::List(items) | ExprKind::Set(items) => Type::list(self.all(m, items)),
            ExprKind::Tuple(items) => Type::Tuple(items.iter().map(|&i| self.type_of(m, i)).collect()),
            ExprKind::Dict(items) => {
                let (mut k, mut v) = (Type::Never, Type::Never);
                for (key, value) in items {
                    match key {
                        Some(key) => {
                            k = k.or(self.type_of(m, *key));
                            v = v.or(self.type_of(m, *value));
                        }
                        None => v = Type::Unknown,
                    }
                }
                Type::Dict(Box::new(k), Box::new(v))
            }
            ExprKind::Comprehension { kind, element, value, .. } => match (kind, value) {
                (ComprehensionKind::Dict, Some(value)) => {
                    Type::Dict(Box::new(self.type_of(m, *element)), Box::new(self.type_of(m, *value)))
                }
                _ => Type::list(self.type_of(m, *element)),
            },
            ExprKind::Binary { op, left, right } => self.binary(*op, self.type_of(m, *left), self.type_of(m, *right)),
            ExprKind::Unary { operand, .. } => self.type_of(m, *operand),
            ExprKind::IfElse { then, otherwise, .. } => self.type_of(m, *then).or(self.type_of(m, *otherwise)),
            ExprKind::Bool2 { left, right, .. } => self.type_of(m, *left).or(self.type_of(m, *right)),
            ExprKind::Await(inner) => self.type_of(m, *inner),
            ExprKind::Walrus { value, .. } => self.type_of(m, *value),
            ExprKind::Starred(inner) => match self.type_of(m, *inner) {
                Type::List(element) => *element,
                Type::Tuple(items) => items.into_iter().fold(Type::Never, Type::or),
                _ => Type::Unknown,
            },
            ExprKind::Subscript { value, index } => {
                let container = self.type_of(m, *value);
                if matches!(m.expr(*index).kind, ExprKind::Slice(_)) {
                    return match container {
                        Type::Tuple(items) => Type::list(items.into_iter().fold(Type::Never, Type::or)),
                        other => other,
                    };
                }
                match (container, &m.expr(*index).kind) {
                    (Type::Tuple(items), ExprKind::Int(Some(i))) => {
                        usize::try_from(*i).ok().and_then(|i| items.get(i).cloned()).unwrap_or(Type::Unknown)
                    }
                    (Type::Tuple(items), _) => items.into_iter().fold(Type::Never, Type::or),
                    (Type::List(element), _) => *element,
                    (Type::Dict(_, value), _) => *value,
                    (t @ Type::Instance(_), _) if self.instance_of(&t, &["builtins.str".to_owned()]) => t,
                    _ => Type::Unknown,
                }
            }
            _ => Type::Unknown,
        }
    }

    fn all(&self, m: &Arc<Module>, items: &[ExprId]) -> Type {
        items.iter().fold(Type::Never, |t, &i| t.or(self.type_of(m, i)))
    }

    fn binary(&self, op: BinaryOp, left: Type, right: Type) -> Type {
        let text = ["builtins.str".to_owned(), "builtins.bytes".to_owned(), "builtins.bytearray".to_owned()];
        match (op, &left, &right) {
            (BinaryOp::Add, Type::List(_), Type::List(_)) => left.or(right),
            (BinaryOp::Mul, Type::List(_), _) => left,
            (BinaryOp::Mul, Type::Tuple(items), _) => Type::list(items.iter().cloned().fold(Type::Never, Type::or)),
            (BinaryOp::Mul, _, Type::List(_)) => right,
            (BinaryOp::Add | BinaryOp::Mul | BinaryOp::Mod, l, _) if self.instance_of(l, &text) => left,
            (BinaryOp::Mul, _, r) if self.instance_of(r, &text) => right,
            (BinaryOp::Div, l, _) if self.instance_of(l, &["pathlib.PurePath".to_owned()]) => left,
            _ => Type::Unknown,
        }
    }

    fn name(&self, m: &Arc<Module>, e: ExprId, name: Symbol) -> Type {
        match m.scopes.lookup(&m.ast, e, name) {
            Lookup::Bound(scope, bindings) => {
                let t = bindings.into_iter().fold(Type::Never, |t, b| t.or(self.binding(m, name, b)));
                self.widen(m, scope, name, t)
            }
            Lookup::Free(stars) => {
                for star in stars {
                    if let t @ (Type::Module(_) | Type::Function(_) | Type::Class(_) | Type::External(_) | Type::Instance(_)) =
                        self.starred(m, star, m.name(name))
                    {
                        return t;
                    }
                }
                Type::External(format!("builtins.{}", m.name(name)).into())
            }
        }
    }

    /// What `from x import *` gives a name, where `x` is known to define it.
    fn starred(&self, m: &Arc<Module>, star: StmtId, name: &str) -> Type {
        let StmtKind::ImportFrom { level, module, .. } = &m.stmt(star).kind else { return Type::Unknown };
        match self.module(m, *level, module) {
            Type::Module(other) if !name.starts_with('_') => self.module_attribute(&other, name),
            // Of what is not read, only the names the library is known to export are taken from a star import.
            Type::External(lib) if stdlib::exports(&lib, name) => Type::External(format!("{lib}.{name}").into()),
            _ => Type::Unknown,
        }
    }

    /// A container's type with what is put into it later.
    fn widen(&self, m: &Arc<Module>, scope: ScopeId, name: Symbol, t: Type) -> Type {
        if !matches!(t, Type::List(_) | Type::Dict(..)) {
            return t;
        }
        let mut t = t;
        for write in m.writes(name) {
            let same = match m.expr(write.receiver).kind {
                ExprKind::Name(n) => matches!(m.scopes.lookup(&m.ast, write.receiver, n), Lookup::Bound(s, _) if s == scope),
                _ => false,
            };
            if same {
                t = self.written(m, t, write.value, write.kind);
            }
        }
        t
    }

    fn written(&self, m: &Arc<Module>, t: Type, value: ExprId, kind: WriteKind) -> Type {
        let value = self.type_of(m, value);
        match (t, kind, value) {
            (Type::List(element), WriteKind::Element | WriteKind::Item, v) => Type::list(element.or(v)),
            (Type::List(element), WriteKind::Elements, Type::List(v)) => Type::list(element.or(*v)),
            (Type::List(element), WriteKind::Elements, Type::Tuple(v)) => Type::list(v.into_iter().fold(*element, Type::or)),
            (Type::List(_), WriteKind::Elements, _) => Type::list(Type::Unknown),
            (Type::Dict(k, old), WriteKind::Item, v) => Type::Dict(k, Box::new(old.or(v))),
            (Type::Dict(k, old), WriteKind::Elements, Type::Dict(_, v)) => Type::Dict(k, Box::new(old.or(*v))),
            (Type::Dict(k, _), WriteKind::Elements, _) => Type::Dict(k, Box::new(Type::Unknown)),
            (t, ..) => t,
        }
    }

    fn binding(&self, m: &Arc<Module>, name: Symbol, b: &Binding) -> Type {
        match (&b.kind, &m.stmt(b.stmt).kind) {
            (BindingKind::Import(i) | BindingKind::From(i), _) => {
                let key = (key(m), b.stmt, *i);
                if let Some(known) = self.imports.borrow().get(&key) {
                    return known.clone();
                }
                let t = self.import(m, b.stmt, *i);
                // In a circle of imports the answer depends on where it was entered.
                if self.importing.get() == 0 {
                    self.imports.borrow_mut().insert(key, t.clone());
                }
                t
            }
            (BindingKind::Function, _) => Type::Function(Def { module: Arc::clone(m), stmt: b.stmt }),
            (BindingKind::Class, _) => Type::Class(Def { module: Arc::clone(m), stmt: b.stmt }),
            (BindingKind::Param(i), StmtKind::Function(_)) => self.parameter(m, b.stmt, *i),
            (BindingKind::Assign { value, path }, StmtKind::Assign { annotation: Some(annotation), .. }) if path.is_empty() => {
                match self.type_of(m, *value) {
                    Type::Unknown => self.annotated(m, *annotation),
                    // An annotated empty container says what it will hold.
                    t @ (Type::List(_) | Type::Dict(..)) => t.or(Type::Never),
                    t => t,
                }
            }
            (BindingKind::Assign { value, path }, _) => element(self.type_of(m, *value), path),
            (BindingKind::Declared(annotation), _) => self.annotated(m, *annotation),
            (BindingKind::Iteration { iter, path }, _) => element(self.iterated(self.type_of(m, *iter)), path),
            (BindingKind::With { context, path }, _) => element(self.entered(m, *context), path),
            // `x += …` keeps the type of what x was; what it adds is in the writes.
            (BindingKind::Augmented, _) => {
                let _ = name;
                Type::Never
            }
            _ => Type::Unknown,
        }
    }

    /// What the `i`-th name of an import statement is bound to.
    fn import(&self, m: &Arc<Module>, stmt: StmtId, i: usize) -> Type {
        match &m.stmt(stmt).kind {
            StmtKind::Import(aliases) => {
                let alias = &aliases[i];
                // `import a.b` binds `a`.
                let dotted =
                    if alias.asname.is_some() { alias.name.as_str() } else { alias.name.split('.').next().unwrap_or_default() };
                self.module(m, 0, dotted)
            }
            StmtKind::ImportFrom { level, module, names } => self.imported(m, *level, module, &names[i].name),
            _ => Type::Unknown,
        }
    }

    /// The type of what iterating over a value gives.
    #[must_use]
    pub fn iterated(&self, t: Type) -> Type {
        match t {
            Type::List(element) => *element,
            Type::Tuple(items) => items.into_iter().fold(Type::Never, Type::or),
            Type::Dict(key, _) => *key,
            Type::Never => Type::Never,
            Type::Instance(_) if self.instance_of(&t, &["builtins.str".to_owned()]) => t,
            _ => Type::Unknown,
        }
    }

    /// The type of what `with context as …` binds.
    fn entered(&self, m: &Arc<Module>, context: ExprId) -> Type {
        let t = self.type_of(m, context);
        match &t {
            // A generator function under @contextmanager: what it yields.
            Type::List(element) => (**element).clone(),
            Type::Instance(ClassRef::Project(class)) => match self.member(class, "__enter__", 0) {
                Some(Type::Function(def)) => self.returned(&def),
                _ => t,
            },
            Type::Instance(ClassRef::External(name)) if !matches!(&**name, "unittest.mock._patch") => t,
            _ => Type::Unknown,
        }
    }

    /// The module that `from level·dotted` names.
    pub(super) fn module(&self, m: &Arc<Module>, level: u32, dotted: &str) -> Type {
        if level > 0 {
            let mut base = m.file.parent().map(PathBuf::from).unwrap_or_default();
            for _ in 1..level {
                base.pop();
            }
            let path = dotted.split('.').filter(|p| !p.is_empty()).fold(base, |p, part| p.join(part));
            for candidate in [path.with_extension("py"), path.join("__init__.py")] {
                if self.project.exists(&candidate) && (!dotted.is_empty() || candidate.ends_with("__init__.py")) {
                    return self.project.load(&candidate).map_or(Type::Unknown, Type::Module);
                }
            }
            return Type::Unknown;
        }
        let roots = self.roots(m);
        match self.project.find(&roots, dotted) {
            Some(path) => self.project.load(&path).map_or(Type::Unknown, Type::Module),
            None => Type::External(dotted.into()),
        }
    }

    fn roots(&self, m: &Arc<Module>) -> Rc<Vec<PathBuf>> {
        let folder = m.file.parent().unwrap_or(&m.file);
        if let Some(known) = self.roots.borrow().get(folder) {
            return Rc::clone(known);
        }
        let roots = Rc::new(self.project.roots(&self.suite, folder));
        self.roots.borrow_mut().insert(folder.to_path_buf(), Rc::clone(&roots));
        roots
    }

    /// What `from level·module import name` binds.
    pub(super) fn imported(&self, m: &Arc<Module>, level: u32, module: &str, name: &str) -> Type {
        if self.importing.get() >= IMPORTS {
            return Type::Unknown;
        }
        self.importing.set(self.importing.get() + 1);
        let t = self.imported_once(m, level, module, name);
        self.importing.set(self.importing.get() - 1);
        t
    }

    fn imported_once(&self, m: &Arc<Module>, level: u32, module: &str, name: &str) -> Type {
        if level > 0 {
            if (!module.is_empty() || m.file.parent().is_some())
                && let Type::Module(other) = self.module(m, level, module)
            {
                match self.module_attribute(&other, name) {
                    Type::Unknown => {}
                    t => return t,
                }
            }
            let dotted = if module.is_empty() { name.to_owned() } else { format!("{module}.{name}") };
            return self.module(m, level, &dotted);
        }
        match self.module(m, 0, module) {
            Type::Module(other) => self.module_attribute(&other, name),
            // A namespace package: `from tests import helpers` where `tests/` has no `__init__.py`.
            Type::External(lib) => match self.module(m, 0, &format!("{module}.{name}")) {
                t @ Type::Module(_) => t,
                _ => Type::External(format!("{lib}.{name}").into()),
            },
            t => t,
        }
    }

    /// The value a module gives a name; in a circle of imports, unknown.
    fn module_attribute(&self, m: &Arc<Module>, name: &str) -> Type {
        let key = (key(m), Box::from(name));
        if let Some(known) = self.attributes.borrow().get(&key) {
            return known.clone();
        }
        let outermost = self.met.borrow().is_empty();
        self.attributes.borrow_mut().insert(key.clone(), Type::Unknown);
        self.met.borrow_mut().push(key.clone());
        let t = self.module_attribute_anew(m, name);
        let mut attributes = self.attributes.borrow_mut();
        if outermost {
            // The answers on the way depend on where the circle was entered.
            for met in self.met.borrow_mut().drain(..) {
                attributes.remove(&met);
            }
        }
        attributes.insert(key, t.clone());
        t
    }

    fn module_attribute_anew(&self, m: &Arc<Module>, name: &str) -> Type {
        if let Some(symbol) = m.symbol(name) {
            let bindings = m.scopes.bindings(MODULE, symbol);
            if !bindings.is_empty() {
                let real = bindings.iter().any(|b| !b.fallback);
                let t =
                    bindings.iter().filter(|b| !real || !b.fallback).fold(Type::Never, |t, b| t.or(self.binding(m, symbol, b)));
                // `from package import module` in the package itself leads back here: then it is the submodule.
                let from = bindings.iter().all(|b| matches!(b.kind, BindingKind::From(_)));
                if !(from && matches!(t, Type::Unknown)) {
                    return self.widen(m, MODULE, symbol, t);
                }
            }
        }
        for &star in m.scopes.get(MODULE).stars.iter().rev() {
            if let StmtKind::ImportFrom { level, module, .. } = &m.stmt(star).kind
                && let Type::Module(other) = self.module(m, *level, module)
            {
                match self.module_attribute(&other, name) {
                    Type::Unknown => {}
                    t => return t,
                }
            }
        }
        // A submodule of a package.
        if m.file.ends_with("__init__.py") {
            let base = m.file.with_file_name(name);
            for candidate in [base.with_extension("py"), base.join("__init__.py")] {
                if self.project.exists(&candidate) {
                    return self.project.load(&candidate).map_or(Type::Unknown, Type::Module);
                }
            }
        }
        Type::Unknown
    }

    fn parameter(&self, m: &Arc<Module>, def: StmtId, index: usize) -> Type {
        let key = (key(m), def, index);
        if let Some(known) = self.parameters.borrow().get(&key) {
            return known.clone();
        }
        let t = self.parameter_anew(m, def, index);
        self.parameters.borrow_mut().insert(key, t.clone());
        t
    }

    fn parameter_anew(&self, m: &Arc<Module>, def: StmtId, index: usize) -> Type {
        let Some(f) = m.function(def) else { return Type::Unknown };
        let param = &f.params[index];
        match param.kind {
            ParamKind::Star => return Type::list(Type::Unknown),
            ParamKind::DoubleStar => return Type::Unknown,
            _ => {}
        }
        if let Some(annotation) = param.annotation {
            match self.annotated(m, annotation) {
                Type::Unknown => {}
                t => return t,
            }
        }
        if index == 0
            && let Some(class) = m.scopes.class_of(def)
            && !self.decorated(m, def, "builtins.staticmethod")
        {
            let class = Def { module: Arc::clone(m), stmt: class };
            return if self.decorated(m, def, "builtins.classmethod") {
                Type::Class(class)
            } else {
                Type::Instance(ClassRef::Project(class))
            };
        }
        let name = m.name(param.name);
        if m.role != Role::Product && (self.is_test_function(m, def) || self.fixture_decorator(m, def).is_some()) {
            if self.parametrized(m, def, name).is_some() {
                return Type::Unknown;
            }
            if let Some(fixture) = self.fixture(m, def, name) {
                return self.fixture_value(&fixture);
            }
            return stdlib::fixture(name).map_or(Type::Unknown, Type::instance);
        }
        // Asked for again while it is looked for (a recursive helper), it adds nothing.
        self.parameters.borrow_mut().insert((key(m), def, index), Type::Never);
        self.passed(m, def, index)
    }

    /// The type of a parameter by what the calls that are seen pass for it: those of its own module, and for a function of a
    /// helper module that joins something, those of all test code that mentions it.
    fn passed(&self, m: &Arc<Module>, def: StmtId, index: usize) -> Type {
        let Some(f) = m.function(def) else { return Type::Unknown };
        let mut t = self.passed_in(m, m, def, index);
        // Strings are joined everywhere; a join of a thread has no argument, or a timeout.
        let text = m.source.slice(m.stmt(def).span);
        let shared =
            matches!(m.role, Role::Helper | Role::Conftest) && (text.contains(".join()") || text.contains(".join(timeout"));
        if shared {
            for other in self.project.mentioning(&m.file, m.name(f.name)) {
                if other.file != m.file {
                    t = t.or(self.passed_in(&other, m, def, index));
                }
            }
        }
        t
    }

    /// What the calls in `caller` pass for a parameter of a function of `m`.
    fn passed_in(&self, caller: &Arc<Module>, m: &Arc<Module>, def: StmtId, index: usize) -> Type {
        let Some(f) = m.function(def) else { return Type::Unknown };
        let Some(symbol) = caller.symbol(m.name(f.name)) else { return Type::Never };
        let name = m.name(f.params[index].name);
        let method = m.scopes.class_of(def).is_some();
        let position = if method { index.checked_sub(1) } else { Some(index) };
        let mut t = Type::Never;
        for &call in caller.calls(symbol) {
            let expr = caller.expr(call);
            let ExprKind::Call { func, args, .. } = &expr.kind else { continue };
            // `helpers.run_all(…)` is an attribute too, of a module.
            let by_name = matches!(caller.expr(*func).kind, ExprKind::Name(_));
            if (by_name && method)
                || !matches!(self.type_of(caller, *func), Type::Function(d) if d.stmt == def && d.module.file == m.file)
            {
                continue;
            }
            if caller.file == m.file && m.scopes.function_around(expr.stmt) == Some(def) {
                continue;
            }
            match caller.argument(args, position, &[name]) {
                Some(arg) => t = t.or(self.type_of(caller, arg.value)),
                None => match f.params[index].default {
                    Some(default) => t = t.or(self.type_of(m, default)),
                    None => return Type::Unknown,
                },
            }
        }
        t
    }

    /// The type an annotation promises.
    fn annotated(&self, m: &Arc<Module>, annotation: ExprId) -> Type {
        match &m.expr(annotation).kind {
            ExprKind::Name(_) | ExprKind::Attribute { .. } => match self.type_of(m, annotation) {
                Type::Class(def) => Type::Instance(ClassRef::Project(def)),
                Type::External(name) => match &*name {
                    "builtins.list" | "builtins.set" | "builtins.tuple" | "typing.List" | "builtins.dict" | "typing.Dict"
                    | "typing.Any" | "builtins.object" => Type::Unknown,
                    _ => stdlib::returns(&name).map_or(Type::Unknown, Type::instance),
                },
                _ => Type::Unknown,
            },
            ExprKind::None => Type::None,
            // `X | None`
            ExprKind::Binary { op: BinaryOp::BitOr, left, right } => self.annotated(m, *left).or(self.annotated(m, *right)),
            ExprKind::Subscript { value, index } => {
                let Type::External(generic) = self.type_of(m, *value) else { return Type::Unknown };
                let args: Vec<ExprId> = match &m.expr(*index).kind {
                    ExprKind::Tuple(items) => items.clone(),
                    _ => vec![*index],
                };
                let arg = |i: usize| args.get(i).map_or(Type::Unknown, |&a| self.annotated(m, a));
                match generic.rsplit('.').next().unwrap_or_default() {
                    "Optional" | "Annotated" | "Final" | "ClassVar" => arg(0),
                    "Union" => args.iter().fold(Type::Never, |t, &a| t.or(self.annotated(m, a))),
                    "List" | "list" | "Set" | "set" | "Sequence" | "Iterable" | "Iterator" | "Collection" | "deque" | "Deque"
                    | "Generator" | "AsyncIterator" | "AsyncGenerator" | "frozenset" | "FrozenSet" => Type::list(arg(0)),
                    "Dict" | "dict" | "Mapping" | "MutableMapping" | "defaultdict" | "DefaultDict" => {
                        Type::Dict(Box::new(arg(0)), Box::new(arg(1)))
                    }
                    "Tuple" | "tuple" => match args.last().map(|&a| &m.expr(a).kind) {
                        Some(ExprKind::Ellipsis) => Type::list(arg(0)),
                        _ => Type::Tuple((0..args.len()).map(arg).collect()),
                    },
                    _ => stdlib::returns(&generic).map_or(Type::Unknown, Type::instance),
                }
            }
            _ => Type::Unknown,
        }
    }

    /// What `object.attr` is.
    fn attribute(&self, object: &Type, attr: &str) -> Type {
        match object {
            Type::External(name) => Type::External(stdlib::canonical(&format!("{name}.{attr}")).into()),
            Type::Module(m) => self.module_attribute(m, attr),
            Type::Class(def) => self.member(def, attr, 0).unwrap_or(Type::Unknown),
            Type::Instance(ClassRef::Project(def)) => match self.member(def, attr, 0) {
                Some(Type::Function(f)) if self.decorated(&f.module, f.stmt, "builtins.property") => self.returned(&f),
                Some(t) => t,
                None => Type::Unknown,
            },
            Type::Instance(ClassRef::External(name)) if &**name == "multiprocessing.context" => {
                Type::External(stdlib::canonical(&format!("multiprocessing.{attr}")).into())
            }
            Type::Instance(ClassRef::External(name)) => Type::External(format!("{name}.{attr}").into()),
            Type::List(_) | Type::Dict(..) => Type::Method(Box::new(object.clone()), attr.into()),
            Type::Either(all) => all.iter().fold(Type::Never, |t, o| t.or(self.attribute(o, attr))),
            _ => Type::Unknown,
        }
    }

    /// An attribute of a class or its instances: methods, class variables, what its methods assign to `self`.
    #[must_use]
    pub fn member(&self, class: &Def, attr: &str, depth: usize) -> Option<Type> {
        if depth > 20 {
            return None;
        }
        let m = &class.module;
        let scope = m.scopes.of_def(class.stmt)?;
        if let Some(symbol) = m.symbol(attr) {
            let mut t = Type::Never;
            let mut found = false;
            for b in m.scopes.bindings(scope, symbol) {
                t = t.or(self.binding(m, symbol, b));
                found = true;
            }
            let writes: Vec<_> = m.writes(symbol).to_vec();
            for w in writes.iter().filter(|w| w.kind == WriteKind::Attribute && self.is_self_of(m, w.receiver, class.stmt)) {
                let value = match m.stmt(m.expr(w.receiver).stmt).kind {
                    StmtKind::With { .. } => self.entered(m, w.value),
                    _ => self.type_of(m, w.value),
                };
                t = t.or(value);
                found = true;
            }
            if found {
                if matches!(t, Type::List(_) | Type::Dict(..)) {
                    for w in writes.iter().filter(|w| w.kind != WriteKind::Attribute) {
                        if let ExprKind::Attribute { value, .. } = m.expr(w.receiver).kind
                            && self.is_self_of(m, value, class.stmt)
                        {
                            t = self.written(m, t, w.value, w.kind);
                        }
                    }
                }
                return Some(t);
            }
        }
        self.bases(class).iter().find_map(|base| match base {
            ClassRef::Project(def) => self.member(def, attr, depth + 1),
            ClassRef::External(name) => {
                // A method of a library's class: `self.join()` in a Thread subclass.
                (stdlib::derives(name, "threading.Thread") || stdlib::derives(name, "multiprocessing.process.BaseProcess"))
                    .then(|| Type::External(format!("{name}.{attr}").into()))
            }
        })
    }

    /// Whether an expression is the `self` (or `cls`) of a method of the class.
    #[must_use]
    pub fn is_self_of(&self, m: &Module, e: ExprId, class: StmtId) -> bool {
        let ExprKind::Name(name) = m.expr(e).kind else { return false };
        let Lookup::Bound(_, bindings) = m.scopes.lookup(&m.ast, e, name) else { return false };
        matches!(bindings[..], [Binding { kind: BindingKind::Param(0), stmt, .. }] if m.scopes.class_of(*stmt) == Some(class))
    }

    /// What a call returns.
    fn call(&self, m: &Arc<Module>, callee: &Type, args: &[Arg]) -> Type {
        let first = || args.iter().find(|a| a.kind == ArgKind::Positional).map(|a| self.type_of(m, a.value));
        match callee {
            Type::Class(def) => Type::Instance(ClassRef::Project(def.clone())),
            Type::Function(def) => self.returned(def),
            Type::Method(object, name) => match (&**object, &**name) {
                (Type::List(element), "pop" | "popleft" | "__getitem__") => (**element).clone(),
                (Type::List(_) | Type::Dict(..), "copy") => (**object).clone(),
                (Type::Dict(_, value), "get" | "pop" | "setdefault") => (**value).clone(),
                (Type::Dict(_, value), "values") => Type::list((**value).clone()),
                (Type::Dict(key, _), "keys") => Type::list((**key).clone()),
                (Type::Dict(key, value), "items") => Type::list(Type::Tuple(vec![(**key).clone(), (**value).clone()])),
                _ => Type::Unknown,
            },
            Type::External(name) => match stdlib::canonical(name) {
                "builtins.list" | "builtins.sorted" | "builtins.reversed" | "builtins.set" | "builtins.frozenset"
                | "builtins.tuple" | "builtins.iter" | "collections.deque" | "builtins.filter" => {
                    let arg = if &**name == "builtins.filter" { args.get(1).map(|a| self.type_of(m, a.value)) } else { first() };
                    Type::list(arg.map_or(Type::Never, |t| self.iterated(t)))
                }
                "builtins.dict" | "collections.defaultdict" | "collections.OrderedDict" => {
                    if args.is_empty() || &**name == "collections.defaultdict" {
                        Type::Dict(Box::new(Type::Never), Box::new(Type::Never))
                    } else {
                        Type::Unknown
                    }
                }
                "builtins.enumerate" => {
                    let inner = first().map_or(Type::Unknown, |t| self.iterated(t));
                    Type::list(Type::Tuple(vec![Type::instance("builtins.int"), inner]))
                }
                "builtins.zip" | "itertools.zip_longest" => {
                    Type::list(Type::Tuple(args.iter().map(|a| self.iterated(self.type_of(m, a.value))).collect()))
                }
                "itertools.chain" => {
                    Type::list(args.iter().fold(Type::Never, |t, a| t.or(self.iterated(self.type_of(m, a.value)))))
                }
                "builtins.range" => Type::list(Type::instance("builtins.int")),
                "builtins.map" => match (first(), args.get(1)) {
                    (Some(function), Some(_)) => Type::list(self.call(m, &function, &[])),
                    _ => Type::Unknown,
                },
                "builtins.next" | "builtins.min" | "builtins.max" => first().map_or(Type::Unknown, |t| self.iterated(t)),
                // `Process = staticmethod(ctx.Process)`, `partial(Thread, daemon=True)`: calling it calls the first argument.
                "builtins.staticmethod"
                | "functools.partial"
                | "copy.copy"
                | "copy.deepcopy"
                | "contextlib.closing"
                | "weakref.proxy" => first().unwrap_or(Type::Unknown),
                "typing.cast" => args.first().map_or(Type::Unknown, |a| self.annotated(m, a.value)),
                "threading.enumerate" => Type::list(Type::instance("threading.Thread")),
                "multiprocessing.active_children" => Type::list(Type::instance("multiprocessing.Process")),
                importer if stdlib::IMPORTERS.contains(&importer) => match args.first().map(|a| &m.expr(a.value).kind) {
                    Some(ExprKind::Str { text: Some(text), .. }) => self.module(m, 0, text),
                    _ => Type::Unknown,
                },
                method if method.starts_with("builtins.str.") => {
                    let name = method.rsplit('.').next().unwrap_or_default();
                    match name {
                        "split" | "splitlines" | "rsplit" => Type::list(Type::instance("builtins.str")),
                        "encode" => Type::instance("builtins.bytes"),
                        "join" | "format" | "strip" | "lstrip" | "rstrip" | "lower" | "upper" | "replace" | "title" | "ljust"
                        | "rjust" | "center" | "zfill" => Type::instance("builtins.str"),
                        _ => Type::Unknown,
                    }
                }
                other => stdlib::returns(other).map_or(Type::Unknown, Type::instance),
            },
            Type::Either(all) => all.iter().fold(Type::Never, |t, c| t.or(self.call(m, c, args))),
            _ => Type::Unknown,
        }
    }

    /// What a function of the project returns: a generator's call returns a list of what it yields.
    #[must_use]
    pub fn returned(&self, def: &Def) -> Type {
        let m = &def.module;
        let Some(f) = m.function(def.stmt) else { return Type::Unknown };
        if self.busy.borrow().len() > DEPTH / 2 {
            return Type::Unknown;
        }
        if let Some(returns) = f.returns {
            match self.annotated(m, returns) {
                Type::Unknown => {}
                t => return t,
            }
        }
        let yields = self.yields(m, def.stmt);
        if !yields.is_empty() {
            let all = yields.into_iter().fold(Type::Never, |t, y| t.or(y.map_or(Type::None, |e| self.type_of(m, e))));
            return Type::list(all);
        }
        let mut t = Type::Never;
        let mut found = false;
        for_each_statement(m, &f.body, &mut |id| {
            if let StmtKind::Return(value) = m.stmt(id).kind {
                found = true;
                t = std::mem::replace(&mut t, Type::Never).or(value.map_or(Type::None, |e| self.type_of(m, e)));
            }
        });
        if found { t } else { Type::None }
    }

    /// The values a function yields, if it is a generator.
    pub(super) fn yields(&self, m: &Module, def: StmtId) -> Vec<Option<ExprId>> {
        let Some(f) = m.function(def) else { return Vec::new() };
        let mut out = Vec::new();
        for_each_statement(m, &f.body, &mut |id| {
            m.stmt(id).kind.exprs(&mut |e| {
                let mut stack = vec![e];
                while let Some(e) = stack.pop() {
                    match &m.expr(e).kind {
                        ExprKind::Yield { value, from: false } => out.push(*value),
                        ExprKind::Lambda { .. } => {}
                        kind => kind.children(&mut |c| stack.push(c)),
                    }
                }
            });
        });
        out
    }

    /// Whether a function or class has a decorator that is, or calls, the named object.
    #[must_use]
    pub fn decorated(&self, m: &Arc<Module>, def: StmtId, name: &str) -> bool {
        let decorators = match &m.stmt(def).kind {
            StmtKind::Function(f) => &f.decorators,
            StmtKind::Class(c) => &c.decorators,
            _ => return false,
        };
        decorators.iter().any(|&d| {
            let callee = match m.expr(d).kind {
                ExprKind::Call { func, .. } => func,
                _ => d,
            };
            self.resolves_to(m, callee, &[name])
        })
    }
}

/// Follows tuple targets into a type.
fn element(t: Type, path: &[usize]) -> Type {
    path.iter().fold(t, |t, &i| match t {
        Type::Tuple(items) => items.get(i).cloned().unwrap_or(Type::Unknown),
        Type::List(element) => *element,
        Type::Never => Type::Never,
        _ => Type::Unknown,
    })
}

/// Calls `f` with every statement of a body, nested ones too, but not those of functions and classes defined in it.
pub fn for_each_statement(m: &Module, body: &[StmtId], f: &mut dyn FnMut(StmtId)) {
    for &id in body {
        f(id);
        if !matches!(m.stmt(id).kind, StmtKind::Function(_) | StmtKind::Class(_)) {
            m.stmt(id).kind.blocks(&mut |b| for_each_statement(m, b, f));
        }
    }
}
