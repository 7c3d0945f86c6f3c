//! Which tests a fix can reach. Told from the text alone and rather too many than too few: an edit in a test function that
//! nothing else mentions reaches that function; any other edit of a file reaches all of its tests and those of every file that
//! mentions it, or imports it where it is a file of tests; one in a `conftest.py` reaches everything below it; one in anything
//! but Python reaches the whole suite.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::units::{Originals, Unit};
use crate::discover::{Found, Role};
use crate::python::lower;
use crate::source::{SourceFile, Span};

/// Tests of files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// By absolute path.
    pub files: BTreeMap<PathBuf, Which>,
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
}

impl<'f> Files<'f> {
    /// Reads the files, which are sorted by path. One that cannot be read mentions nothing: pytest cannot import it either.
    #[must_use]
    pub fn read(found: &'f [Found]) -> Self {
        let texts = found.iter().map(|f| SourceFile::read(&f.path).ok().map(Arc::new)).collect();
        Self { found, texts, importers: RefCell::default() }
    }

    /// What a unit reaches, in all of its versions.
    #[must_use]
    pub fn reach(&self, unit: &Unit, originals: &Originals) -> Reach {
        let mut reach = Reach::default();
        let mut whole: BTreeSet<PathBuf> = BTreeSet::new();
        for (_, edit) in unit.versions.iter().flat_map(|v| &v.edits) {
            let function = originals.get(&edit.file).and_then(|source| self.test_function(source, edit.span));
            match function {
                Some(Place { function, within_class }) => {
                    reach.add(&edit.file, &function);
                    if within_class {
                        // A class of tests may be inherited from.
                        whole.extend(self.importers(&edit.file).iter().cloned());
                    }
                }
                None => _ = whole.insert((*edit.file).clone()),
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
        let conftest = file.file_name().is_some_and(|name| name == "conftest.py");
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
        let tree = lower::parse(source.text())?;
        let mut node = tree.root_node();
        let mut within_class = false;
        loop {
            let mut cursor = node.walk();
            let inner = node.named_children(&mut cursor).find(|n| {
                let range = n.byte_range();
                range.start <= span.range().start && span.range().end <= range.end
            })?;
            node = inner;
            match inner.kind() {
                "class_definition" => within_class = true,
                "block" | "decorated_definition" => {}
                "function_definition" => break,
                _ => return None,
            }
        }
        let name = source.text().get(node.child_by_field_name("name")?.byte_range())?;
        let tests = found.suite.python_functions.iter().map(|p| p.trim_end_matches('*')).chain(["test"]);
        let is_test = tests.into_iter().any(|prefix| name.starts_with(prefix));
        let decorated = node.parent().filter(|p| p.kind() == "decorated_definition");
        let fixture = decorated.is_some_and(|d| source.text()[d.start_byte()..node.start_byte()].contains("fixture"));
        let only_defined = mentions(source.text(), name) == definitions(source.text(), name);
        (is_test && !fixture && only_defined).then(|| Place { function: name.to_owned(), within_class })
    }
}

struct Place {
    function: String,
    within_class: bool,
}

/// Whether a text may get at a module: it imports it, or has a path or a dotted name with it in a string.
fn imports(text: &str, module: &str) -> bool {
    let by_name = ["import_module", "importorskip", "__import__", "pytest_plugins"].iter().any(|word| mentions(text, word) > 0);
    let Some(tree) = lower::parse(text) else { return true };
    let mut pending = vec![tree.root_node()];
    while let Some(node) = pending.pop() {
        let counts = match node.kind() {
            "import_statement" | "import_from_statement" => true,
            "string_content" => by_name || node.byte_range().len() > module.len(),
            _ => false,
        };
        if counts && text.get(node.byte_range()).is_some_and(|part| mentions(part, module) > 0) {
            return true;
        }
        let mut cursor = node.walk();
        pending.extend(node.named_children(&mut cursor));
    }
    false
}

/// How often a text has a word.
fn mentions(text: &str, word: &str) -> usize {
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
            for (name, text) in files.iter().chain(&[("pytest.ini", "[pytest]\n")]) {
                let path = dir.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
            }
            let suites = Suites::default();
            let mut found: Vec<Found> = files
                .iter()
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
        for word in ["LIMIT", "USED", "CLASS", "ODD"] {
            assert_eq!(suite.reach("tests/test_a.py", word), ["tests/deep/test_c.py", "tests/test_a.py"], "{word}");
        }
        // Through conftest.py and through another module.
        assert_eq!(suite.reach("tests/helpers.py", "HELPER"), all);
        assert_eq!(suite.reach("tests/conftest.py", "FIXTURE"), all);
        assert_eq!(suite.reach("tests/deep/more.py", "MORE"), ["tests/test_b.py"]);
        assert_eq!(suite.reach("other/test_d.py", "FIFTH"), ["other/test_d.py", "other/test_f.py", "other/test_g.py"]);
        let others = ["d", "e", "f", "g"].map(|name| format!("other/test_{name}.py"));
        let everything = [&others[..], &all.map(String::from)].concat();
        assert_eq!(suite.reach("pytest.ini", "pytest"), everything);
    }
}
