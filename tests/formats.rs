//! The formats for other programs, read as those programs read them: SARIF against its official schema, JUnit by an XML parser.

mod sandbox;

use std::path::Path;
use std::process::{Command, Stdio};

use sandbox::Sandbox;
use serde_json::Value;

/// What is awkward to say: names to be encoded, characters that XML and URIs do not take, several lines, a damaged file.
fn awkward() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "tests/test_a &<b>%.py",
        "import threading\nimport time\n\n\ndef test_é():\n    x = '漢'; time.sleep(\n        2.5)\n    t = threading.Thread(target=print)\n    \
         t.start()\n    t.join()\n",
    );
    sandbox.write("tests/test_crlf.py", "import time\r\n\r\n\r\ndef test_a():\r\n    time.sleep(2.5)\r\n    time.sleep(2.5)\r\n");
    sandbox.write("tests/test_broken.py", "def test_a(:\n");
    sandbox.write("tests/test_binary.py", b"x = '\xff'\n");
    sandbox
}

fn python(program: &str, args: &[&Path], interpreter: &str) -> String {
    let output = Command::new(interpreter).args(["-c", program]).args(args).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn sarif_is_valid_by_its_official_schema() {
    const PROGRAM: &str = "\
import fastjsonschema, json, sys
read = lambda path: json.load(open(path, encoding='utf-8'))
validate = fastjsonschema.compile(read(sys.argv[1]))
for path in sys.argv[2:]:
    validate(read(path))
log = read(sys.argv[2])
log['runs'][0]['results'][0]['locations'][0]['physicalLocation']['region']['startLine'] = 0
try:
    validate(log)
except fastjsonschema.JsonSchemaException:
    print('and finds faults')
";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let venv = Command::new("python3").arg(root.join("dev.py")).args(["venv", "fastjsonschema"]).output().unwrap();
    assert!(venv.status.success(), "{}", String::from_utf8_lossy(&venv.stderr));
    let interpreter = String::from_utf8(venv.stdout).unwrap();

    let sandbox = awkward();
    sandbox.copy(&root.join("tests/suites/m2"));
    let none = Sandbox::of("tests/test_a.py", "def test_a():\n    pass\n");
    for (project, rules, code) in [(&sandbox, "ALL", 1), (&none, "ALL", 0)] {
        let output = project.run(&["check", "--select", rules, "--output-format", "sarif", "-o", "log.sarif", "."]);
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let schema = root.join("tests/assets/sarif/sarif-schema-2.1.0.json");
    let logs = [sandbox.root().join("log.sarif"), none.root().join("log.sarif")];
    assert_eq!(python(PROGRAM, &[&schema, &logs[0], &logs[1]], interpreter.trim()), "and finds faults\n");
    let log: Value = serde_json::from_slice(&sandbox.read("log.sarif")).unwrap();
    assert!(log["runs"][0]["results"].as_array().unwrap().len() > 50);
}

/// Applies the fixes of a log to a text as a reader of SARIF does: places count from 1, in characters, ends exclusive.
fn replaced(text: &str, results: &[&Value]) -> String {
    let offset = |line: &Value, column: &Value| {
        let [line, column] = [line, column].map(|n| usize::try_from(n.as_u64().unwrap()).unwrap());
        let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        start + text[start..].chars().take(column - 1).map(char::len_utf8).sum::<usize>()
    };
    let mut edits: Vec<(usize, usize, String)> = Vec::new();
    for fix in results.iter().map(|r| &r["fixes"][0]) {
        let [change] = &fix["artifactChanges"].as_array().unwrap()[..] else { panic!("one file: {fix}") };
        for edit in change["replacements"].as_array().unwrap() {
            let at = &edit["deletedRegion"];
            let [start, end] = [["startLine", "startColumn"], ["endLine", "endColumn"]].map(|[l, c]| offset(&at[l], &at[c]));
            edits.push((start, end, edit["insertedContent"]["text"].as_str().unwrap().to_owned()));
        }
    }
    edits.sort();
    edits.dedup();
    let mut out = text.to_owned();
    for (start, end, content) in edits.into_iter().rev() {
        out.replace_range(start..end, &content);
    }
    out
}

#[test]
fn the_fixes_of_a_sarif_log_do_what_fix_does() {
    let sandbox = awkward();
    let output = sandbox.run(&["check", "--output-format", "sarif"]);
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let names = ["tests/test_a &<b>%.py", "tests/test_crlf.py"];
    let of = |uri: &str| {
        let mine =
            |r: &&Value| r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri && r.get("fixes").is_some();
        results.iter().filter(mine).collect::<Vec<_>>()
    };
    let [awkward, crlf] = [of("tests/test_a%20%26%3Cb%3E%25.py"), of("tests/test_crlf.py")];
    assert!(awkward.len() == 2 && crlf.len() == 2, "{results:#?}");
    let text = |name: &str| String::from_utf8(sandbox.read(name)).unwrap();
    let expected = [replaced(&text(names[0]), &awkward), replaced(&text(names[1]), &crlf)];
    assert_ne!(expected[0], text(names[0]));
    sandbox.run(&["fix", "--unsafe-fixes"]);
    assert_eq!(names.map(text), expected);
}

#[test]
fn junit_is_xml_that_counts_right() {
    const PROGRAM: &str = "\
import sys, xml.etree.ElementTree as tree
suites = tree.parse(sys.argv[1]).getroot()
cases = list(suites.iter('testcase'))
assert int(suites.get('tests')) == len(cases), suites.attrib
assert int(suites.get('failures')) == len(list(suites.iter('failure'))) == sum(int(s.get('failures')) for s in suites)
assert len({(c.get('classname'), c.get('name')) for c in cases}) == len(cases)
print(len(cases), sorted(s.get('name') for s in suites)[0])
";
    let sandbox = awkward();
    assert_eq!(sandbox.run(&["check", "--output-format", "junit", "-o", "junit.xml"]).status.code(), Some(1));
    let told = python(PROGRAM, &[&sandbox.root().join("junit.xml")], "python3");
    assert_eq!(told, "5 tests/test_a &<b>%.py\n");
}

#[test]
fn programs_get_names_from_the_top_of_the_repository() {
    let sandbox = Sandbox::of("sub/tests/test_a.py", "import time\n\n\ndef test_a():\n    time.sleep(2.5)\n");
    sandbox.write("sub/pyproject.toml", "[tool.pytest.ini_options]\n");
    assert!(Command::new("git").args(["init", "-q"]).current_dir(sandbox.root()).status().unwrap().success());
    for (format, name) in [
        ("sarif", "\"uri\": \"sub/tests/test_a.py\""),
        ("github", "file=sub/tests/test_a.py,"),
        ("gitlab", "\"path\": \"sub/tests/test_a.py\""),
        ("junit", "file=\"sub/tests/test_a.py\""),
        ("json", "\"filename\": \"tests/test_a.py\""),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_testdiet"))
            .args(["check", "--output-format", format])
            .current_dir(sandbox.root().join("sub"))
            .output()
            .unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code() == Some(1) && out.contains(name), "{format}: {out}");
    }
}

#[test]
fn what_has_no_place_for_counts_says_so_before_anything_is_changed() {
    let sandbox = awkward();
    let before = sandbox.read("tests/test_crlf.py");
    for command in [&["check"][..], &["fix", "--unsafe-fixes"]] {
        for format in ["sarif", "github", "gitlab", "junit", "html"] {
            let output = sandbox.run(&[command, &["--statistics", "--output-format", format]].concat());
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2));
            assert!(told.starts_with(&format!("error: `{format}` has no place for --statistics; full, ")), "{told}");
        }
    }
    assert_eq!(sandbox.read("tests/test_crlf.py"), before);
}

#[test]
fn the_page_is_well_formed_and_complete_in_itself() {
    // Every element is closed by its own end, and nothing is fetched.
    const PROGRAM: &str = "\
import sys
from html.parser import HTMLParser
class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], {}, ''
    def handle_starttag(self, tag, attrs):
        self.seen[tag] = self.seen.get(tag, 0) + 1
        assert not {'src', 'href', 'onclick', 'onload'} & {name for name, _ in attrs}, attrs
        if tag not in ('meta', 'br', 'wbr'):
            self.open.append(tag)
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.getpos())
    def handle_data(self, data):
        self.text += data
page = Page()
page.feed(open(sys.argv[1], encoding='utf-8').read())
page.close()
assert not page.open and 'script' not in page.seen and 'link' not in page.seen
assert 'url(' not in page.text and '@import' not in page.text
assert 'x = \\'漢\\'; time.sleep(' in page.text and 'test_a &<b>%.py' in page.text
print(page.seen['article'], page.seen['details'])
";
    let sandbox = awkward();
    assert_eq!(sandbox.run(&["check", "--output-format", "html", "-o", "page.html"]).status.code(), Some(1));
    assert_eq!(python(PROGRAM, &[&sandbox.root().join("page.html")], "python3"), "5 3\n");
}
