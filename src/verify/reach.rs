//! Which tests a fix can reach. Told from the text alone and rather too many than too few: an edit in a test function that
//! nothing else mentions reaches that function; one in what can only be had by its name (see [`super::outline`]) reaches whatever mentions
//! that name, and what mentions this, and so on; any other edit of a file reaches all of its tests and those of every file that
//! mentions it, or imports it where it is a file of tests; one in a `conftest.py` reaches everything below it; one in anything
//! but Python reaches the whole suite.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::outline::{Kind, Outline, Part};
use super::units::{Originals, Unit};
use crate::discover::{Found, Role};
use crate::python::ast::{ExprKind, StmtKind};
use crate::python::lower;
use crate::source::{SourceFile, Span};

/// Tests of files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// By absolute path.
    pub files: BTreeMap<PathBuf, Which>,
    /// Files whose text says so: where the fix is, and those that hand on what it is in.
    pub through: BTreeSet<PathBuf>,
}

/// Tests of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those of functions of these names.
    Of(BTreeSet<String>),
}

impl Reach {
    /// Whether a test is among them. `function` is the name of the test's function.
    #[must_use]
    pub fn holds(&self, file: &Path, function: &str) -> bool {
        match self.files.get(file) {
            Some(Which::All) => true,
            Some(Which::Of(names)) => names.contains(function),
            None => false,
        }
    }

    /// Adds what another one reaches.
    pub fn extend(&mut self, other: &Self) {
        self.through.extend(other.through.iter().cloned());
        for (file, which) in &other.files {
            match which {
                Which::All => self.add_all(file),
                Which::Of(names) => names.iter().for_each(|name| self.add(file, name)),
            }
        }
    }

    fn add_all(&mut self, file: &Path) {
        self.files.insert(file.to_path_buf(), Which::All);
    }

    fn add(&mut self, file: &Path, name: &str) {
        let known = self.files.entry(file.to_path_buf()).or_insert_with(|| Which::Of(BTreeSet::new()));
        if let Which::Of(names) = known {
            names.insert(name.to_owned());
        }
    }
}

/// The files of the suites, and what they mention.
pub struct Files<'f> {
    found: &'f [Found],
    texts: Vec<Option<Arc<SourceFile>>>,
    /// Who may use what is in a file, once it was asked.
    importers: RefCell<HashMap<PathBuf, Rc<BTreeSet<PathBuf>>>>,
    /// What stands in a file, once it was asked.
    outlines: RefCell<HashMap<PathBuf, Option<Rc<Outline>>>>,
}

impl<'f> Files<'f> {
    /// Reads the files, which are sorted by path. One that cannot be read mentions nothing: pytest cannot import it either.
    #[must_use]
    pub fn read(found: &'f [Found]) -> Self {
        let texts = found.iter().map(|f| SourceFile::read(&f.path).ok().map(Arc::new)).collect();
        Self { found, texts, importers: RefCell::default(), outlines: RefCell::default() }
    }

    /// What a unit reaches, in all of its versions.
    #[must_use]
    pub fn reach(&self, unit: &Unit, originals: &Originals) -> Reach {
        let mut reach = Reach::default();
        let mut whole: BTreeSet<PathBuf> = BTreeSet::new();
        for (_, edit) in unit.versions.iter().flat_map(|v| &v.edits) {
            reach.through.insert((*edit.file).clone());
            let source = originals.get(&edit.file);
            if let Some(Place { function, within_class }) = source.and_then(|s| self.test_function(s, edit.span)) {
                reach.add(&edit.file, &function);
                if within_class {
                    // A class of tests may be inherited from.
                    whole.extend(self.importers(&edit.file).iter().cloned());
                }
            } else if let Some(named) = source.and_then(|s| self.named(s, edit.span)) {
                reach.extend(&named.reach);
                whole.extend(named.whole);
            } else {
                whole.insert((*edit.file).clone());
            }
        }
        // What is reached through a module that is reached, and so on.
        let mut pending: Vec<PathBuf> = whole.iter().cloned().collect();
        while let Some(file) = pending.pop() {
            for more in self.importers(&file).iter() {
                if whole.insert(more.clone()) {
                    pending.push(more.clone());
                }
            }
        }
        for file in whole {
            if self.role(&file) == Some(Role::Test) {
                reach.add_all(&file);
            }
        }
        reach
    }

    /// What gets at an edit by name. `None` when there may be other ways, or no test is seen to get at it.
    fn named(&self, source: &SourceFile, span: Span) -> Option<Named> {
        let outline = self.outline(&source.path)?;
        let part = outline.around(span)?;
        let name = part.only_by_name()?;
        let mut named = Named::default();
        let mut seen: BTreeSet<(PathBuf, String)> = BTreeSet::new();
        let mut pending: Vec<(PathBuf, Rc<Part>)> = Vec::new();
        // A function of tests that is mentioned elsewhere, or a class with tests of its own.
        self.reached(&mut named, &source.path, part.tests());
        seen.insert((source.path.clone(), name.to_owned()));
        pending.push((source.path.clone(), part));
        while let Some((file, part)) = pending.pop() {
            let Some(name) = &part.name else { continue };
            // `usefixtures` of a configuration gives it to everybody.
            if self.configuration(&file).is_some_and(|text| mentions(&text, name) > 0) {
                return None;
            }
            let importers = self.importers(&file);
            for place in std::iter::once(&file).chain(importers.iter()) {
                let text = self.text(place)?;
                // A conftest.py hands on the fixtures of a plugin that it names, and a star import everything.
                let hands_on = *place != file && (is_conftest(place) || text.contains("import *"));
                if hands_on && seen.insert((place.clone(), name.clone())) {
                    pending.push((place.clone(), Rc::clone(&part)));
                }
                if mentions(text, name) == 0 {
                    continue;
                }
                for user in &self.outline(place)?.parts {
                    if Rc::ptr_eq(user, &part) || mentions(&text[user.span.range()], name) == 0 {
                        continue;
                    }
                    // Its tests are all that mentions it; whoever imports the class may inherit them.
                    if let Some(tests) = user.in_tests(text, name) {
                        self.reached(&mut named, place, tests);
                        named.whole.extend(self.importers(place).iter().cloned());
                        continue;
                    }
                    match user.kind {
                        // What is imported is to be had there, too; pytest collects what looks like a test.
                        Kind::Import => {
                            if part.is_collected && self.role(place) == Some(Role::Test) {
                                named.whole.insert(place.clone());
                            }
                            if mentions(&text[user.span.range()], "as") > 0 {
                                named.whole.insert(place.clone());
                            } else if *place != file && seen.insert((place.clone(), name.clone())) {
                                pending.push((place.clone(), Rc::clone(&part)));
                            }
                        }
                        Kind::Function | Kind::Class | Kind::Constant
                            if user.inherits(text, name) || user.only_by_name().is_none() =>
                        {
                            named.whole.insert(place.clone());
                        }
                        Kind::Function | Kind::Class | Kind::Constant => {
                            self.reached(&mut named, place, user.tests());
                            let key = (place.clone(), user.name.clone().unwrap_or_default());
                            if seen.insert(key) {
                                pending.push((place.clone(), Rc::clone(user)));
                            }
                        }
                        Kind::Other => _ = named.whole.insert(place.clone()),
                    }
                }
            }
        }
        named.reach.through.extend(seen.into_iter().map(|(file, _)| file));
        (!named.reach.files.is_empty() || !named.whole.is_empty()).then_some(named)
    }

    /// Notes tests that are reached, where pytest collects them.
    fn reached<'t>(&self, named: &mut Named, file: &Path, tests: impl IntoIterator<Item = &'t str>) {
        if self.role(file) == Some(Role::Test) {
            tests.into_iter().for_each(|test| named.reach.add(file, test));
        }
    }

    /// The text of the configuration that pytest reads for a file.
    fn configuration(&self, file: &Path) -> Option<String> {
        let at = self.found.binary_search_by(|f| f.path.as_path().cmp(file)).ok()?;
        std::fs::read_to_string(self.found[at].suite.config_file.as_ref()?).ok()
    }

    fn text(&self, file: &Path) -> Option<&str> {
        let at = self.found.binary_search_by(|f| f.path.as_path().cmp(file)).ok()?;
        self.texts[at].as_ref().map(|source| source.text())
    }

    fn outline(&self, file: &Path) -> Option<Rc<Outline>> {
        if let Some(known) = self.outlines.borrow().get(file) {
            return known.clone();
        }
        let at = self.found.binary_search_by(|f| f.path.as_path().cmp(file)).ok()?;
        let outline = self.text(file).and_then(|text| Outline::of(text, &self.found[at].suite)).map(Rc::new);
        self.outlines.borrow_mut().insert(file.to_path_buf(), outline.clone());
        outline
    }

    fn role(&self, path: &Path) -> Option<Role> {
        let at = self.found.binary_search_by(|f| f.path.as_path().cmp(path)).ok()?;
        Some(self.found[at].role)
    }

    /// Files that may use what is in a file.
    fn importers(&self, file: &Path) -> Rc<BTreeSet<PathBuf>> {
        if let Some(known) = self.importers.borrow().get(file) {
            return Rc::clone(known);
        }
        let found = Rc::new(self.find_importers(file));
        self.importers.borrow_mut().insert(file.to_path_buf(), Rc::clone(&found));
        found
    }

    fn find_importers(&self, file: &Path) -> BTreeSet<PathBuf> {
        let Some(folder) = file.parent() else { return BTreeSet::new() };
        let python = file.extension().is_some_and(|e| e == "py" || e == "pyi");
        let conftest = is_conftest(file);
        let module = if file.file_name().is_some_and(|n| n == "__init__.py") { folder.file_name() } else { file.file_stem() };
        let module = module.map(|m| m.to_string_lossy().into_owned()).unwrap_or_default();
        // `test_queue` is a name that much else in a suite may have too; a helper may be run as a program.
        let tests = self.role(file) == Some(Role::Test);
        let mut out = BTreeSet::new();
        for (found, text) in self.found.iter().zip(&self.texts) {
            let below = conftest && found.path.starts_with(folder);
            let mentions = |text: &str| mentions(text, &module) > 0 && (!tests || imports(text, &module));
            if !python || below || text.as_ref().is_some_and(|t| mentions(t.text())) {
                out.insert(found.path.clone());
            }
        }
        out.remove(file);
        out
    }

    /// The test function around an edit, if the edit can reach nothing else.
    fn test_function(&self, source: &SourceFile, span: Span) -> Option<Place> {
        let found = self.found.iter().find(|f| f.path == source.path && f.role == Role::Test)?;
        let ast = lower::lower(source.text());
        let mut block = &ast.body;
        let mut within_class = false;
        let (function, at) = loop {
            let inner = ast.stmt(*block.iter().find(|&&id| ast.stmt(id).span.contains(span))?);
            match &inner.kind {
                StmtKind::Class(class) => {
                    within_class = true;
                    block = &class.body;
                }
                StmtKind::Function(function) => break (function, inner.span),
                _ => return None,
            }
        };
        let name = ast.name(function.name);
        let is_test = found.suite.may_be_test(name);
        let decorators = &source.text()[function.outer_span.start as usize..at.start as usize];
        let fixture = decorators.contains("fixture");
        let only_defined = mentions(source.text(), name) == definitions(source.text(), name);
        (is_test && !fixture && only_defined).then(|| Place { function: name.to_owned(), within_class })
    }
}

/// What gets at something by its name.
#[derive(Default)]
struct Named {
    reach: Reach,
    /// Files that get at it in ways that are not followed.
    whole: BTreeSet<PathBuf>,
}

fn is_conftest(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "conftest.py")
}

struct Place {
    function: String,
    within_class: bool,
}

/// Whether a text may get at a module: it imports it, or has a path or a dotted name with it in a string.
fn imports(text: &str, module: &str) -> bool {
    let by_name = ["import_module", "importorskip", "__import__", "pytest_plugins"].iter().any(|word| mentions(text, word) > 0);
    let ast = lower::lower(text);
    let mentioned = |span: Span| mentions(&text[span.range()], module) > 0;
    let imported = || {
        let mut imports = ast.stmts.iter().filter(|s| matches!(s.kind, StmtKind::Import(_) | StmtKind::ImportFrom { .. }));
        imports.any(|import| mentioned(import.span))
    };
    let mut exprs = ast.exprs.iter();
    let mut named = || {
        exprs.any(|expr| match &expr.kind {
            ExprKind::Str { text: Some(text), .. } => (by_name || text.len() > module.len()) && mentions(text, module) > 0,
            ExprKind::Str { .. } => mentioned(expr.span),
            _ => false,
        })
    };
    !ast.errors.is_empty() || imported() || named()
}

/// How often a text has a word.
pub(super) fn mentions(text: &str, word: &str) -> usize {
    let letter = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80);
    let bytes = text.as_bytes();
    let alone = |at: &usize| !letter(at.checked_sub(1).and_then(|i| bytes.get(i))) && !letter(bytes.get(at + word.len()));
    if word.is_empty() { 0 } else { memchr::memmem::find_iter(bytes, word).filter(alone).count() }
}

/// How often a text defines a function of a name.
fn definitions(text: &str, name: &str) -> usize {
    mentions(text, &format!("def {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::Suites;
    use crate::edit::Edit;
    use crate::verify::units::Version;

    /// A suite on disk, and what an edit of a word in one of its files reaches.
    struct Suite {
        dir: tempfile::TempDir,
        found: Vec<Found>,
    }

    impl Suite {
        fn new(files: &[(&str, &str)]) -> Self {
            use std::io::Write;
            let dir = tempfile::tempdir().unwrap();
            for (name, text) in [("pytest.ini", "[pytest]\n")].iter().chain(files) {
                let path = dir.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
            }
            let suites = Suites::default();
            let mut found: Vec<Found> = files
                .iter()
                .filter(|(name, _)| *name != "pytest.ini")
                .map(|(name, _)| {
                    let path = dir.path().join(name);
                    let suite = suites.of_folder(path.parent().unwrap(), dir.path());
                    Found { role: suite.role(&path), path, suite, explicit: false }
                })
                .collect();
            found.sort_by(|a, b| a.path.cmp(&b.path));
            Self { dir, found }
        }

        fn reach(&self, file: &str, word: &str) -> Vec<String> {
            let path = self.dir.path().join(file);
            let source = Arc::new(SourceFile::read(&path).unwrap());
            let at = u32::try_from(source.text().find(word).unwrap()).unwrap();
            let file = Arc::new(path);
            let edit = Edit::replace(&file, Span::new(at, at + 1), "x");
            let unit = Unit::of(vec![Version { edits: vec![(0, edit)], messages: Vec::new() }]);
            let originals = [(file, source)].into();
            let reach = Files::read(&self.found).reach(&unit, &originals);
            let name = |path: &Path| path.strip_prefix(self.dir.path()).unwrap().to_string_lossy().replace('\\', "/");
            let told = |(file, which): (&PathBuf, &Which)| match which {
                Which::All => vec![name(file)],
                Which::Of(names) => names.iter().map(|n| format!("{}::{n}", name(file))).collect(),
            };
            reach.files.iter().flat_map(told).collect()
        }
    }

    #[test]
    fn an_edit_reaches_what_its_place_reaches() {
        let suite = Suite::new(&[
            ("tests/conftest.py", "from tests.helpers import start\n@pytest.fixture\ndef box(): FIXTURE\n"),
            ("tests/helpers.py", "NAP = 1\ndef start(): HELPER\n"),
            ("tests/deep/more.py", "from .. import helpers\nMORE = 1\n"),
            (
                "tests/test_a.py",
                "LIMIT = 2\ndef test_one():\n    ONE\ndef test_two():\n    TWO\ndef test_used():\n    USED\n\
                 def test_caller():\n    test_used()\nclass TestX:\n    x = CLASS\n    def test_m(self): METHOD\n\
                 @pytest.fixture\ndef test_like_fixture(): ODD\n",
            ),
            ("tests/test_b.py", "from .deep.more import MORE\ndef test_three(): THREE\n"),
            ("tests/deep/test_c.py", "from tests.test_a import TestX\ndef test_four(): FOUR\n"),
            ("other/test_d.py", "FIFTH = 5\ndef test_five(): FIVE\n"),
            // Names that are no modules.
            ("other/test_e.py", "def test_a(): return 'test_a', 'test_d', test_d\n"),
            ("other/test_f.py", "PATH = 'tests/test_d.py'\n"),
            ("other/test_g.py", "b = importlib.import_module('test_d')\n"),
        ]);
        let all = ["tests/deep/test_c.py", "tests/test_a.py", "tests/test_b.py"];
        assert_eq!(suite.reach("tests/test_a.py", "ONE"), ["tests/test_a.py::test_one"]);
        assert_eq!(suite.reach("other/test_d.py", "FIVE"), ["other/test_d.py::test_five"]);
        // A method may be inherited by whoever imports the file.
        assert_eq!(suite.reach("tests/test_a.py", "METHOD"), ["tests/deep/test_c.py", "tests/test_a.py::test_m"]);
        // A constant and a fixture that nobody is seen to use.
        for word in ["LIMIT", "ODD"] {
            assert_eq!(suite.reach("tests/test_a.py", word), ["tests/deep/test_c.py", "tests/test_a.py"], "{word}");
        }
        assert_eq!(suite.reach("tests/test_a.py", "USED"), ["tests/test_a.py::test_caller", "tests/test_a.py::test_used"]);
        assert_eq!(suite.reach("tests/test_a.py", "CLASS"), ["tests/deep/test_c.py", "tests/test_a.py::test_m"]);
        // Through conftest.py and through another module.
        assert_eq!(suite.reach("tests/helpers.py", "HELPER"), all);
        assert_eq!(suite.reach("tests/conftest.py", "FIXTURE"), all);
        assert_eq!(suite.reach("tests/deep/more.py", "MORE"), ["tests/test_b.py"]);
        assert_eq!(suite.reach("other/test_d.py", "FIFTH"), ["other/test_d.py", "other/test_f.py", "other/test_g.py"]);
        let others = ["d", "e", "f", "g"].map(|name| format!("other/test_{name}.py"));
        let everything = [&others[..], &all.map(String::from)].concat();
        assert_eq!(suite.reach("pytest.ini", "pytest"), everything);
    }

    #[test]
    fn what_is_only_had_by_name_reaches_who_says_it() {
        let suite = Suite::new(&[
            (
                "tests/conftest.py",
                "pytest_plugins = ['tests.plug']\n@pytest.fixture\ndef late(served): pass\n@pytest.fixture\ndef box(tray): BOX\n@pytest.fixture\ndef tray(): TRAY\n\
                 @pytest.fixture(autouse=True)\ndef always(): ALWAYS\n@pytest.fixture(name='tin')\ndef can(): TIN\n\
                 def pytest_runtest_setup(item): HOOK\n@register\ndef given(): GIVEN\n",
            ),
            ("tests/plug.py", "@pytest.fixture\ndef served(): SERVED\n@pytest.fixture\ndef everywhere(): EVERYWHERE\n"),
            ("pytest.ini", "[pytest]\nusefixtures = everywhere\n"),
            ("tests/__init__.py", "from .helpers import wait\n"),
            (
                "tests/helpers.py",
                "NAP = 1\nLONG = [2]\ndef wait(): NAP; WAIT\ndef poll(): POLL\ndef quiet(): QUIET\n\
                 class Server(Thread):\n    def stop(self): STOP\nclass Base(TestCase):\n    def help(self): HELP\n",
            ),
            (
                "tests/test_a.py",
                "from tests import wait\nfrom .helpers import *\ndef test_waits(): wait()\ndef test_box(box): pass\n\
                 class TestServer(Odd):\n    def test_one(self): Server()\n    def test_two(self): pass\n",
            ),
            // Not collected itself.
            ("tests/shared.py", "from .helpers import Server\nclass Shared(Odd):\n    def test_shared(self): Server()\n"),
            ("tests/test_b.py", "from . import helpers\nPOLLED = helpers.poll()\ndef test_polled(): pass\n"),
            (
                "tests/test_c.py",
                "from .helpers import Base, NAP\nclass TestC(Base):\n    def test_c(self): pass\ndef test_nap(): NAP\n\
                 def test_served(served): pass\ndef test_rest(): pass\n",
            ),
            ("tests/test_d.py", "from .helpers import quiet as calm\ndef test_calm(): calm()\ndef test_tin(tin): pass\n"),
        ]);
        let all = ["tests/test_a.py", "tests/test_b.py", "tests/test_c.py", "tests/test_d.py"];
        let conftest = |word| suite.reach("tests/conftest.py", word);
        let helpers = |word| suite.reach("tests/helpers.py", word);
        // A fixture, and one that another one uses.
        assert_eq!(conftest("BOX"), ["tests/test_a.py::test_box"]);
        assert_eq!(conftest("TRAY"), ["tests/test_a.py::test_box"]);
        // What comes without being named, or by another name.
        for word in ["ALWAYS", "TIN", "HOOK", "GIVEN"] {
            assert_eq!(conftest(word), all, "{word}");
        }
        // A fixture of a plugin that conftest.py names, and has a use of its own for.
        assert_eq!(suite.reach("tests/plug.py", "SERVED"), ["tests/test_c.py::test_served"]);
        assert_eq!(suite.reach("tests/plug.py", "EVERYWHERE"), all);
        // A helper that a package hands on, and the constant that it uses.
        assert_eq!(helpers("WAIT"), ["tests/test_a.py::test_waits"]);
        assert_eq!(helpers("NAP"), ["tests/test_a.py::test_waits", "tests/test_c.py::test_nap"]);
        // A class by the only test that mentions it, although its own class has a base that is not known.
        assert_eq!(helpers("STOP"), ["tests/test_a.py::test_one"]);
        // What a module does when it is imported, what is inherited, what gets another name.
        assert_eq!(helpers("POLL"), ["tests/test_b.py"]);
        assert_eq!(helpers("HELP"), ["tests/test_c.py"]);
        assert_eq!(helpers("QUIET"), ["tests/test_d.py"]);
        // What nobody is seen to use.
        assert_eq!(helpers("LONG"), all);
    }
}
