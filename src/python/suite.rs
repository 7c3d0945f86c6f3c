//! The suite as pytest sees it: tests, fixtures, parametrize, markers, setup and teardown.

use std::rc::Rc;
use std::sync::Arc;

use super::ast::{ArgKind, ExprId, ExprKind, StmtId, StmtKind};
use super::project::Module;
use super::scope::{BindingKind, MODULE, ScopeId, ScopeKind};
use super::semantics::{ClassRef, Def, Semantics, Type};
use super::value::Env;
use crate::discover::{Role, equipment};

/// A test that pytest collects.
#[derive(Clone, Debug)]
pub struct Test {
    /// The function.
    pub def: Def,
    /// The class it is collected for (a subclass of the one that defines it, when inherited).
    pub class: Option<Def>,
    /// pytest's node id, relative to the suite's root, without parameters.
    pub id: String,
}

/// Values that parametrize gives an argument.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// The module they are written in.
    pub module: Arc<Module>,
    /// One expression a run.
    pub values: Vec<ExprId>,
}

/// What a fixture's decorator says.
#[derive(Clone, Debug, Default)]
pub struct FixtureInfo {
    /// `name=`, where it differs from the function's.
    pub name: Option<String>,
    /// `autouse=True`
    pub autouse: bool,
    /// Set up once for several tests (any scope but `function`).
    pub shared: bool,
    /// Number of `params`, at least 1.
    pub params: u64,
}

/// Fixtures of a module or class, with what their decorators say.
pub(super) type Fixtures = Rc<[(Def, FixtureInfo)]>;

impl Semantics<'_> {
    /// Whether pytest collects a function as a test, in the class or module that it is defined in.
    #[must_use]
    pub fn is_test_function(&self, m: &Arc<Module>, def: StmtId) -> bool {
        let Some(f) = m.function(def) else { return false };
        let name = m.name(f.name);
        match m.scopes.get(m.scopes.of_stmt(def)).kind {
            ScopeKind::Module => m.role == Role::Test && matches_any(&self.suite.python_functions, name),
            ScopeKind::Class(class) => {
                let class = Def { module: Arc::clone(m), stmt: class };
                if self.is_test_case(&class) { name.starts_with("test") } else { matches_any(&self.suite.python_functions, name) }
            }
            _ => false,
        }
    }

    /// Whether a class derives from `unittest.TestCase`.
    #[must_use]
    pub fn is_test_case(&self, class: &Def) -> bool {
        self.derives(&ClassRef::Project(class.clone()), "unittest.TestCase", 0)
    }

    fn is_test_class(&self, class: &Def) -> bool {
        let Some(c) = class.module.class(class.stmt) else { return false };
        self.is_test_case(class)
            || matches_any(&self.suite.python_classes, class.module.name(c.name)) && self.member(class, "__init__", 0).is_none()
    }

    /// The tests a file holds, in source order, inherited ones at their class.
    #[must_use]
    pub fn tests(&self, m: &Arc<Module>) -> Vec<Test> {
        let mut out = Vec::new();
        if m.role != Role::Test {
            return out;
        }
        let file = m.file.strip_prefix(&self.suite.root).unwrap_or(&m.file).to_string_lossy().replace('\\', "/");
        self.collect(m, &m.ast.body, &file, None, &mut out);
        out
    }

    fn collect(&self, m: &Arc<Module>, body: &[StmtId], prefix: &str, class: Option<&Def>, out: &mut Vec<Test>) {
        for &id in body {
            let def = Def { module: Arc::clone(m), stmt: id };
            match &m.stmt(id).kind {
                StmtKind::Function(f) => {
                    let name = m.name(f.name);
                    if class.is_none() && self.is_test_function(m, id) && self.fixture_decorator(m, id).is_none() {
                        out.push(Test { def, class: None, id: format!("{prefix}::{name}") });
                    }
                }
                StmtKind::Class(c) if self.is_test_class(&def) => {
                    let prefix = format!("{prefix}::{}", m.name(c.name));
                    for test in self.methods(&def) {
                        let name =
                            test.module.function(test.stmt).map(|f| test.module.name(f.name).to_owned()).unwrap_or_default();
                        out.push(Test { def: test, class: Some(def.clone()), id: format!("{prefix}::{name}") });
                    }
                    self.collect(m, &c.body, &prefix, Some(&def), out);
                }
                // `if sys.platform == …:` around tests.
                StmtKind::If { body, orelse, .. } => {
                    self.collect(m, body, prefix, class, out);
                    self.collect(m, orelse, prefix, class, out);
                }
                StmtKind::Try { body, .. } | StmtKind::With { body, .. } => self.collect(m, body, prefix, class, out),
                _ => {}
            }
        }
    }

    /// Test methods of a class with those it inherits, each name once.
    fn methods(&self, class: &Def) -> Vec<Def> {
        let mut out: Vec<Def> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        let case = self.is_test_case(class);
        let mut queue = vec![class.clone()];
        let mut steps = 0;
        while let Some(at) = queue.pop() {
            steps += 1;
            if steps > 20 {
                break;
            }
            let m = &at.module;
            let Some(c) = m.class(at.stmt) else { continue };
            for &id in &c.body {
                if let StmtKind::Function(f) = &m.stmt(id).kind {
                    let name = m.name(f.name);
                    let test = if case { name.starts_with("test") } else { matches_any(&self.suite.python_functions, name) };
                    if test && !seen.iter().any(|s| s == name) {
                        seen.push(name.to_owned());
                        out.push(Def { module: Arc::clone(m), stmt: id });
                    }
                }
            }
            for base in self.bases(&at).into_iter().rev() {
                if let ClassRef::Project(def) = base {
                    queue.push(def);
                }
            }
        }
        out
    }

    /// The arguments of a `@pytest.fixture` (or `pytest_asyncio.fixture`) decorator, if a function has one.
    #[must_use]
    pub fn fixture_decorator(&self, m: &Arc<Module>, def: StmtId) -> Option<FixtureInfo> {
        let f = m.function(def)?;
        let names = ["pytest.fixture", "pytest.yield_fixture", "pytest_asyncio.fixture", "anyio.pytest_plugin.fixture"];
        for &d in &f.decorators {
            let (callee, args) = match &m.expr(d).kind {
                ExprKind::Call { func, args, .. } => (*func, args.as_slice()),
                _ => (d, &[][..]),
            };
            if !self.resolves_to(m, callee, &names) {
                continue;
            }
            let mut info = FixtureInfo { params: 1, ..FixtureInfo::default() };
            for arg in args {
                let ArgKind::Keyword(keyword) = arg.kind else { continue };
                match (m.name(keyword), &m.expr(arg.value).kind) {
                    ("name", ExprKind::Str { text: Some(text), .. }) => info.name = Some(text.clone()),
                    ("autouse", ExprKind::Bool(on)) => info.autouse = *on,
                    ("scope", ExprKind::Str { text: Some(text), .. }) => info.shared = text != "function",
                    ("params", _) => {
                        info.params = self.length(m, arg.value, &Env::default(), 0).map_or(1, |(n, _)| n.count().max(1));
                    }
                    _ => {}
                }
            }
            return Some(info);
        }
        None
    }

    /// The fixture that a parameter of `def` asks for: of its class, its module (imports included), the conftest files above.
    #[must_use]
    pub fn fixture(&self, m: &Arc<Module>, def: StmtId, name: &str) -> Option<Def> {
        let mut scope = Some(m.scopes.of_stmt(def));
        while let Some(s) = scope {
            if let Some(found) = self.fixture_in(m, s, name, Some(def)) {
                return Some(found);
            }
            scope = m.scopes.get(s).parent;
        }
        self.conftests(m).into_iter().find_map(|c| self.fixture_in(&c, MODULE, name, None))
    }

    /// The fixture of a name defined in one scope; `asking` is the definition of this very module that asks for it.
    fn fixture_in(&self, m: &Arc<Module>, scope: ScopeId, name: &str, asking: Option<StmtId>) -> Option<Def> {
        let named = m.symbol(name).and_then(|symbol| {
            m.scopes.bindings(scope, symbol).iter().rev().find_map(|b| {
                let def = match b.kind {
                    BindingKind::Function => Def { module: Arc::clone(m), stmt: b.stmt },
                    BindingKind::From(i) => {
                        let StmtKind::ImportFrom { level, module, names } = &m.stmt(b.stmt).kind else { return None };
                        match self.imported(m, *level, module, &names[i].name) {
                            Type::Function(def) => def,
                            _ => return None,
                        }
                    }
                    _ => return None,
                };
                let info = self.fixture_decorator(&def.module, def.stmt)?;
                // A fixture may ask for another of its own name further out.
                (info.name.is_none_or(|n| n == name) && Some(def.stmt) != asking).then_some(def)
            })
        });
        named.or_else(|| {
            // @pytest.fixture(name="…") on a function of another name: rare enough to look at each only when nothing else fits.
            m.text_mentions_name_keyword().then(|| {
                let named = |(_, info): &&(Def, FixtureInfo)| info.name.as_deref() == Some(name);
                self.fixtures_in(m, scope).iter().find(named).map(|(def, _)| def.clone())
            })?
        })
    }

    /// All fixtures defined in one scope.
    fn fixtures_in(&self, m: &Arc<Module>, scope: ScopeId) -> Fixtures {
        let key = (Arc::as_ptr(m) as usize, scope);
        if let Some(known) = self.fixtures.borrow().get(&key) {
            return Rc::clone(known);
        }
        let body = match m.scopes.get(scope).kind {
            ScopeKind::Module => Some(&m.ast.body),
            ScopeKind::Class(class) => m.class(class).map(|c| &c.body),
            _ => None,
        };
        let fixture = |&id: &StmtId| Some((Def { module: Arc::clone(m), stmt: id }, self.fixture_decorator(m, id)?));
        let found: Fixtures = body.into_iter().flatten().filter_map(fixture).collect();
        self.fixtures.borrow_mut().insert(key, Rc::clone(&found));
        found
    }

    /// The conftest files that apply to a module, nearest first.
    #[must_use]
    pub fn conftests(&self, m: &Arc<Module>) -> Vec<Arc<Module>> {
        let mut out = Vec::new();
        let mut dir = m.file.parent();
        while let Some(d) = dir {
            let path = d.join("conftest.py");
            if path != **m.file && self.project.exists(&path) {
                out.extend(self.project.load(&path));
            }
            if d == self.suite.root {
                break;
            }
            dir = d.parent();
        }
        out
    }

    /// Whether a file's tests have testdiet's fixtures: its project needs testdiet, or `testdiet init` has written them into the
    /// block that is its own in the file's conftest chain. That block may also hold something else.
    #[must_use]
    pub fn equipped(&self, m: &Arc<Module>) -> bool {
        self.suite.requires_testdiet()
            || self.conftests(m).iter().any(|c| {
                let text = c.source.text();
                equipment::block(text).is_some_and(|block| text[block].contains("fast_time"))
            })
    }

    /// Whether a fixture of this name that a test would get is the project's own, rather than testdiet's.
    #[must_use]
    pub fn has_own_fixture(&self, m: &Arc<Module>, test: StmtId, name: &str) -> bool {
        self.fixture(m, test, name).is_some_and(|def| {
            let at = def.module.stmt(def.stmt).span.range();
            equipment::block(def.module.source.text()).is_none_or(|block| !(block.start <= at.start && at.end <= block.end))
        })
    }

    /// What a fixture gives: what it returns, or what it yields.
    #[must_use]
    pub fn fixture_value(&self, def: &Def) -> Type {
        match self.returned(def) {
            // A generator fixture gives what it yields.
            Type::List(element) if self.is_generator(def) => *element,
            t => t,
        }
    }

    /// Whether a function yields.
    #[must_use]
    pub fn is_generator(&self, def: &Def) -> bool {
        !self.yields(&def.module, def.stmt).is_empty()
    }

    /// The fixtures that run for a test, each once, with those that they ask for.
    #[must_use]
    pub fn fixtures_of(&self, test: &Test) -> Vec<(Def, FixtureInfo)> {
        let mut out: Vec<(Def, FixtureInfo)> = Vec::new();
        let m = &test.def.module;
        let home = test.class.as_ref().map_or(m, |c| &c.module);
        let mut wanted: Vec<(Arc<Module>, StmtId, String)> = Vec::new();
        let asks = |m: &Arc<Module>, def: StmtId, wanted: &mut Vec<(Arc<Module>, StmtId, String)>| {
            if let Some(f) = m.function(def) {
                for p in &f.params {
                    let name = m.name(p.name);
                    if name != "self" && name != "cls" && name != "request" && p.default.is_none() {
                        wanted.push((Arc::clone(m), def, name.to_owned()));
                    }
                }
            }
        };
        asks(m, test.def.stmt, &mut wanted);
        for name in self.marked_fixtures(test) {
            wanted.push((Arc::clone(home), test.class.as_ref().map_or(test.def.stmt, |c| c.stmt), name));
        }
        let mut scopes = vec![self.fixtures_in(home, MODULE)];
        if let Some(class) = &test.class
            && let Some(scope) = class.module.scopes.of_def(class.stmt)
        {
            scopes.push(self.fixtures_in(&class.module, scope));
        }
        for c in self.conftests(home) {
            scopes.push(self.fixtures_in(&c, MODULE));
        }
        for fixture in scopes.iter().flat_map(|fixtures| &**fixtures).filter(|(_, info)| info.autouse) {
            asks(&fixture.0.module, fixture.0.stmt, &mut wanted);
            if !out.iter().any(|(def, _)| *def == fixture.0) {
                out.push(fixture.clone());
            }
        }
        while let Some((m, asking, name)) = wanted.pop() {
            if out.len() > 60 || self.parametrized(&m, asking, &name).is_some() {
                continue;
            }
            let Some(def) = self.fixture(&m, asking, &name) else { continue };
            if out.iter().any(|(d, _)| *d == def) {
                continue;
            }
            let info = self.fixture_decorator(&def.module, def.stmt).unwrap_or_default();
            asks(&def.module, def.stmt, &mut wanted);
            out.push((def, info));
        }
        out
    }

    /// Why what a class or function of the product does lies outside of what numbers in the tests can say: the first of the named
    /// calls that it, or what it calls in turn, makes.
    #[must_use]
    pub fn reaches(&self, def: Def, calls: &[(&str, &'static str)]) -> Option<&'static str> {
        let key = (Arc::as_ptr(&def.module) as usize, def.stmt);
        if let Some(known) = self.reached.borrow().get(&key) {
            return *known;
        }
        let answer = self.reaches_anew(def, calls);
        self.reached.borrow_mut().insert(key, answer);
        answer
    }

    /// The same, not remembered: for a list that is asked about seldom.
    #[must_use]
    pub fn reaches_anew(&self, def: Def, calls: &[(&str, &'static str)]) -> Option<&'static str> {
        let mut seen: Vec<Def> = vec![def];
        let mut at = 0;
        while at < seen.len() && at < 40 {
            let def = seen[at].clone();
            at += 1;
            let m = &def.module;
            let body = m.stmt(def.stmt).span;
            for expr in m.ast.exprs.iter().filter(|e| body.contains(e.span)) {
                let ExprKind::Call { func, .. } = expr.kind else { continue };
                match self.type_of(m, func) {
                    Type::External(name) => {
                        if let Some((_, why)) = calls.iter().find(|(prefix, _)| name.starts_with(prefix)) {
                            return Some(why);
                        }
                    }
                    Type::Class(d) | Type::Function(d) if d.module.role == Role::Product && !seen.contains(&d) => seen.push(d),
                    _ => {}
                }
            }
        }
        None
    }

    /// The modules of the product that a test module imports, its conftests included, and what those import in turn.
    #[must_use]
    pub fn product_modules(&self, m: &Arc<Module>) -> Vec<Arc<Module>> {
        /// A package's own modules are within reach of two steps: its `__init__`, and what that names.
        const STEPS: usize = 3;
        /// More than that are no longer read for one test module.
        const MOST: usize = 80;
        let mut out: Vec<Arc<Module>> = Vec::new();
        let mut frontier = vec![Arc::clone(m)];
        frontier.extend(self.conftests(m));
        self.follow_imports(frontier, STEPS, MOST, &mut out);
        // What is tested comes from a configuration or a plugin: it is one of the project's packages.
        if out.is_empty() {
            let packages = self.project.packages(&self.suite).into_iter().filter_map(|p| self.project.load(&p));
            out.extend(packages.filter(|p| p.role == Role::Product).take(MOST));
            self.follow_imports(out.clone(), STEPS - 1, MOST, &mut out);
        }
        out
    }

    /// Adds the product modules that are imported from some, and from those, so many times over.
    fn follow_imports(&self, mut frontier: Vec<Arc<Module>>, steps: usize, most: usize, out: &mut Vec<Arc<Module>>) {
        for _ in 0..steps {
            let mut next: Vec<Arc<Module>> = Vec::new();
            for at in frontier {
                for found in self.imports_of(&at) {
                    if out.len() < most && found.role == Role::Product && !out.iter().any(|k| k.file == found.file) {
                        out.push(Arc::clone(&found));
                        next.push(found);
                    }
                }
            }
            frontier = next;
        }
    }

    /// The project's modules that a module's import statements name.
    fn imports_of(&self, m: &Arc<Module>) -> Vec<Arc<Module>> {
        let mut out = Vec::new();
        let mut note = |t: Type| {
            if let Type::Module(found) | Type::Class(Def { module: found, .. }) | Type::Function(Def { module: found, .. }) = t {
                out.push(found);
            }
        };
        for stmt in &m.ast.stmts {
            match &stmt.kind {
                StmtKind::Import(names) => names.iter().for_each(|alias| note(self.module(m, 0, &alias.name))),
                StmtKind::ImportFrom { level, module, names } => {
                    note(self.module(m, *level, module));
                    for alias in names.iter().filter(|a| a.name != "*") {
                        note(self.imported(m, *level, module, &alias.name));
                    }
                }
                _ => {}
            }
        }
        out
    }

    /// Names of all fixtures a test asks for, found or not: parameters and `usefixtures`.
    #[must_use]
    pub fn asked_fixtures(&self, test: &Test) -> Vec<String> {
        let m = &test.def.module;
        let mut names: Vec<String> =
            m.function(test.def.stmt).map(|f| f.params.iter().map(|p| m.name(p.name).to_owned()).collect()).unwrap_or_default();
        names.extend(self.marked_fixtures(test));
        for (def, _) in self.fixtures_of(test) {
            if let Some(f) = def.module.function(def.stmt) {
                names.push(def.module.name(f.name).to_owned());
            }
        }
        names
    }

    fn marked_fixtures(&self, test: &Test) -> Vec<String> {
        let mut out = Vec::new();
        for (m, args) in self.marks(test, "usefixtures") {
            for arg in args {
                if let ExprKind::Str { text: Some(text), .. } = &m.expr(arg).kind {
                    out.push(text.clone());
                }
            }
        }
        out
    }

    /// Whether a test carries `@pytest.mark.NAME`, itself, by its class or by its module.
    #[must_use]
    pub fn marked(&self, test: &Test, name: &str) -> bool {
        !self.marks(test, name).is_empty()
    }

    /// Positional arguments of each `pytest.mark.NAME` that applies to a test.
    fn marks(&self, test: &Test, name: &str) -> Vec<(Arc<Module>, Vec<ExprId>)> {
        let m = &test.def.module;
        let mut out = Vec::new();
        let mut decorators: Vec<(Arc<Module>, ExprId)> = Vec::new();
        if let Some(f) = m.function(test.def.stmt) {
            decorators.extend(f.decorators.iter().map(|&d| (Arc::clone(m), d)));
        }
        let mut home = Arc::clone(m);
        if let Some(class) = &test.class {
            home = Arc::clone(&class.module);
            let mut classes = vec![class.clone()];
            classes.extend(self.bases(class).into_iter().filter_map(|b| match b {
                ClassRef::Project(def) => Some(def),
                ClassRef::External(_) => None,
            }));
            for class in classes {
                let cm = &class.module;
                if let Some(c) = cm.class(class.stmt) {
                    decorators.extend(c.decorators.iter().map(|&d| (Arc::clone(cm), d)));
                }
                if let Some(scope) = cm.scopes.of_def(class.stmt) {
                    decorators.extend(self.pytestmark(cm, scope).into_iter().map(|d| (Arc::clone(cm), d)));
                }
            }
        }
        decorators.extend(self.pytestmark(&home, MODULE).into_iter().map(|d| (Arc::clone(&home), d)));
        let wanted = [format!("pytest.mark.{name}")];
        for (m, d) in decorators {
            let (callee, args) = match &m.expr(d).kind {
                ExprKind::Call { func, args, .. } => {
                    (*func, args.iter().filter(|a| a.kind == ArgKind::Positional).map(|a| a.value).collect())
                }
                _ => (d, Vec::new()),
            };
            if self.resolves_to(&m, callee, &wanted) {
                out.push((m, args));
            }
        }
        out
    }

    /// The marks assigned to `pytestmark` in a scope.
    fn pytestmark(&self, m: &Arc<Module>, scope: ScopeId) -> Vec<ExprId> {
        let Some(symbol) = m.symbol("pytestmark") else { return Vec::new() };
        let mut out = Vec::new();
        for b in m.scopes.bindings(scope, symbol) {
            if let BindingKind::Assign { value, .. } = b.kind {
                match &m.expr(value).kind {
                    ExprKind::List(items) | ExprKind::Tuple(items) => out.extend(items),
                    _ => out.push(value),
                }
            }
        }
        out
    }

    /// The values that parametrize gives an argument of a test function, if it does.
    #[must_use]
    pub fn parametrized(&self, m: &Arc<Module>, def: StmtId, argument: &str) -> Option<Parameters> {
        let test = self.plain(m, def);
        for (pm, args) in self.marks(&test, "parametrize") {
            let (Some(&names), Some(&values)) = (args.first(), args.get(1)) else { continue };
            let names = argument_names(&pm, names);
            let Some(position) = names.iter().position(|n| n == argument) else { continue };
            let items = match &pm.expr(values).kind {
                ExprKind::List(items) | ExprKind::Tuple(items) => items.clone(),
                _ => Vec::new(),
            };
            let values = items.iter().filter_map(|&item| self.parameter_value(&pm, item, position, names.len())).collect();
            return Some(Parameters { module: pm, values });
        }
        None
    }

    fn parameter_value(&self, m: &Arc<Module>, item: ExprId, position: usize, names: usize) -> Option<ExprId> {
        match &m.expr(item).kind {
            // pytest.param(a, b, id="…")
            ExprKind::Call { func, args, .. } if self.resolves_to(m, *func, &["pytest.param"]) => {
                args.iter().filter(|a| a.kind == ArgKind::Positional).nth(position).map(|a| a.value)
            }
            ExprKind::Tuple(parts) | ExprKind::List(parts) if names > 1 => parts.get(position).copied(),
            _ if names == 1 => Some(item),
            _ => None,
        }
    }

    /// How often a test runs: the product of its parametrizations and of the params of its fixtures.
    #[must_use]
    pub fn runs(&self, test: &Test, fixtures: &[(Def, FixtureInfo)]) -> u64 {
        let mut runs: u64 = fixtures.iter().map(|(_, i)| i.params).fold(1, u64::saturating_mul);
        for (m, args) in self.marks(test, "parametrize") {
            if let Some(&values) = args.get(1) {
                let n = self.length(&m, values, &Env::default(), 0).map_or(1, |(n, _)| n.count().max(1));
                runs = runs.saturating_mul(n);
            }
        }
        runs.min(1_000_000)
    }

    /// A test as its own class and module mark it.
    fn plain(&self, m: &Arc<Module>, def: StmtId) -> Test {
        let class = m.scopes.class_of(def).map(|stmt| Def { module: Arc::clone(m), stmt });
        Test { def: Def { module: Arc::clone(m), stmt: def }, class, id: String::new() }
    }

    /// What runs around each test of a class or module without being asked for: xunit's and unittest's methods.
    #[must_use]
    pub fn setups(&self, test: &Test) -> Vec<Def> {
        let mut out = Vec::new();
        if let Some(class) = &test.class {
            for name in
                ["setUp", "tearDown", "asyncSetUp", "asyncTearDown", "setup_method", "teardown_method", "setup", "teardown"]
            {
                if let Some(Type::Function(def)) = self.member(class, name, 0) {
                    out.push(def);
                }
            }
        } else {
            let m = &test.def.module;
            for name in ["setup_function", "teardown_function"] {
                if let Some(b) = m.symbol(name).and_then(|s| m.scopes.bindings(MODULE, s).first())
                    && matches!(b.kind, BindingKind::Function)
                {
                    out.push(Def { module: Arc::clone(m), stmt: b.stmt });
                }
            }
        }
        out
    }
}

/// `"a, b"`, `("a", "b")`, `["a"]`
fn argument_names(m: &Module, names: ExprId) -> Vec<String> {
    match &m.expr(names).kind {
        ExprKind::Str { text: Some(text), .. } => {
            text.split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect()
        }
        ExprKind::List(items) | ExprKind::Tuple(items) => items
            .iter()
            .map(|&i| match &m.expr(i).kind {
                ExprKind::Str { text: Some(text), .. } => text.trim().to_owned(),
                _ => String::new(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// pytest's rule for `python_functions` and `python_classes`: a prefix, or a glob when it holds a wildcard.
fn matches_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|p| {
        if p.contains(['*', '?', '[']) {
            globset::Glob::new(p).is_ok_and(|g| g.compile_matcher().is_match(name))
        } else {
            name.starts_with(p.as_str())
        }
    })
}
