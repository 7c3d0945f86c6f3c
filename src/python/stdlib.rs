//! What the model knows of modules it does not read: which names are the standard library's, what a few of its functions
//! return, and which of its classes derive from which.
//!
//! Only what decides whether something *is* a thread, process, queue, string or path belongs here; which names matter to a rule
//! is said in `queries/`.

/// Top-level modules never looked up among a project's files: the standard library's that the queries and rules speak of, so
/// that `import time` costs no look at the disk.
const MODULES: &[&str] = &[
    "__future__",
    "_thread",
    "abc",
    "argparse",
    "array",
    "ast",
    "asyncio",
    "atexit",
    "base64",
    "builtins",
    "bz2",
    "calendar",
    "collections",
    "concurrent",
    "configparser",
    "contextlib",
    "contextvars",
    "copy",
    "csv",
    "ctypes",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "email",
    "enum",
    "errno",
    "faulthandler",
    "fcntl",
    "fnmatch",
    "fractions",
    "functools",
    "gc",
    "getpass",
    "glob",
    "gzip",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "http",
    "importlib",
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "locale",
    "logging",
    "lzma",
    "math",
    "mimetypes",
    "mock",
    "multiprocessing",
    "numbers",
    "operator",
    "os",
    "pathlib",
    "pickle",
    "platform",
    "pprint",
    "pytest",
    "queue",
    "random",
    "re",
    "resource",
    "sched",
    "secrets",
    "select",
    "selectors",
    "shlex",
    "shutil",
    "signal",
    "socket",
    "socketserver",
    "sqlite3",
    "ssl",
    "stat",
    "statistics",
    "string",
    "struct",
    "subprocess",
    "sys",
    "sysconfig",
    "tempfile",
    "textwrap",
    "threading",
    "time",
    "timeit",
    "tokenize",
    "traceback",
    "types",
    "typing",
    "unittest",
    "urllib",
    "uuid",
    "warnings",
    "weakref",
    "xml",
    "zipfile",
    "zlib",
];

/// Whether a top-level name is a module of the standard library (or pytest), never a project's file.
#[must_use]
pub fn is_module(top: &str) -> bool {
    MODULES.binary_search(&top).is_ok()
}

/// Classes and functions of one name under several.
const ALIASES: &[(&str, &str)] = &[
    ("_thread.start_new_thread", "_thread.start_new_thread"),
    ("threading._Timer", "threading.Timer"),
    ("threading._Event", "threading.Event"),
    ("multiprocessing.context.Process", "multiprocessing.Process"),
    ("multiprocessing.context.ForkProcess", "multiprocessing.Process"),
    ("multiprocessing.context.SpawnProcess", "multiprocessing.Process"),
    ("multiprocessing.context.ForkServerProcess", "multiprocessing.Process"),
    ("multiprocessing.process.Process", "multiprocessing.Process"),
    ("multiprocessing.dummy.Process", "threading.Thread"),
    ("multiprocessing.Pool", "multiprocessing.pool.Pool"),
    ("multiprocessing.dummy.Pool", "multiprocessing.pool.ThreadPool"),
    ("concurrent.futures.thread.ThreadPoolExecutor", "concurrent.futures.ThreadPoolExecutor"),
    ("concurrent.futures.process.ProcessPoolExecutor", "concurrent.futures.ProcessPoolExecutor"),
    ("Queue.Queue", "queue.Queue"),
    ("asyncio.tasks.sleep", "asyncio.sleep"),
    ("unittest.case.TestCase", "unittest.TestCase"),
    ("builtins.unicode", "builtins.str"),
];

/// The one name that queries use for an object known by several.
#[must_use]
pub fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, real)| real)
}

/// Direct bases of classes the model does not read.
const BASES: &[(&str, &str)] = &[
    ("threading.Timer", "threading.Thread"),
    ("threading._DummyThread", "threading.Thread"),
    ("multiprocessing.Process", "multiprocessing.process.BaseProcess"),
    ("multiprocessing.pool.ThreadPool", "multiprocessing.pool.Pool"),
    ("unittest.IsolatedAsyncioTestCase", "unittest.TestCase"),
    ("unittest.async_case.IsolatedAsyncioTestCase", "unittest.TestCase"),
    ("pathlib.Path", "pathlib.PurePath"),
    ("queue.LifoQueue", "queue.Queue"),
    ("queue.PriorityQueue", "queue.Queue"),
    ("builtins.bool", "builtins.int"),
];

/// What pytest takes for a class of tests, whatever its name.
const TEST_CASE: &str = "unittest.TestCase";

/// Whether a class outside of the project is `ancestor` or derives from it, as far as is known.
#[must_use]
pub fn derives(class: &str, ancestor: &str) -> bool {
    let mut at = canonical(class);
    let ancestor = canonical(ancestor);
    loop {
        if at == ancestor {
            return true;
        }
        match BASES.iter().find(|(derived, _)| *derived == at) {
            Some((_, base)) => at = base,
            // `testtools.TestCase`, `django.test.TransactionTestCase`: what a library calls so is one.
            None => return ancestor == TEST_CASE && at.ends_with("TestCase"),
        }
    }
}

/// What calling something outside of the project returns, where that is an instance the rules ask about.
const RETURNS: &[(&str, &str)] = &[
    ("multiprocessing.get_context", "multiprocessing.context"),
    ("threading.current_thread", "threading.Thread"),
    ("threading.currentThread", "threading.Thread"),
    ("threading.main_thread", "threading.Thread"),
    ("multiprocessing.current_process", "multiprocessing.Process"),
    ("multiprocessing.parent_process", "multiprocessing.Process"),
    ("concurrent.futures.ThreadPoolExecutor.submit", "concurrent.futures.Future"),
    ("concurrent.futures.ProcessPoolExecutor.submit", "concurrent.futures.Future"),
    ("asyncio.run_coroutine_threadsafe", "concurrent.futures.Future"),
    ("multiprocessing.pool.Pool.apply_async", "multiprocessing.pool.AsyncResult"),
    ("multiprocessing.pool.Pool.map_async", "multiprocessing.pool.AsyncResult"),
    ("multiprocessing.pool.ThreadPool.apply_async", "multiprocessing.pool.AsyncResult"),
    ("multiprocessing.pool.ThreadPool.map_async", "multiprocessing.pool.AsyncResult"),
    ("builtins.open", "io.IOBase"),
    ("io.open", "io.IOBase"),
    ("builtins.str", "builtins.str"),
    ("builtins.repr", "builtins.str"),
    ("builtins.chr", "builtins.str"),
    ("builtins.bytes", "builtins.bytes"),
    ("builtins.bytearray", "builtins.bytearray"),
    ("builtins.int", "builtins.int"),
    ("builtins.len", "builtins.int"),
    ("builtins.float", "builtins.float"),
    ("os.getcwd", "builtins.str"),
    ("os.urandom", "builtins.bytes"),
    ("os.path.join", "builtins.str"),
    ("os.path.dirname", "builtins.str"),
    ("os.path.abspath", "builtins.str"),
    ("tempfile.mkdtemp", "builtins.str"),
];

/// The class of what a call of `function` returns: by the table, else, for a name that starts like a class does, itself.
#[must_use]
pub fn returns(function: &str) -> Option<&str> {
    let function = canonical(function);
    if let Some((_, class)) = RETURNS.iter().find(|(name, _)| *name == function) {
        return Some(class);
    }
    let last = function.rsplit('.').next().unwrap_or(function);
    last.starts_with(|c: char| c.is_ascii_uppercase()).then_some(function)
}

/// Functions whose call returns the module that their first argument names.
pub const IMPORTERS: &[&str] = &[
    "builtins.__import__",
    "importlib.import_module",
    "pytest.importorskip",
    "test.support.import_helper.import_module",
    "test.support.import_helper.import_fresh_module",
    "test.support.import_module",
];

/// Names that `from module import *` is taken to bind, of modules that are not read.
const EXPORTS: &[(&str, &[&str])] = &[
    ("time", &["sleep", "time", "monotonic", "perf_counter"]),
    ("threading", &["Thread", "Timer", "Event", "Lock", "RLock", "Condition", "Semaphore", "Barrier"]),
    ("multiprocessing", &["Process", "Pool", "Queue", "Event", "get_context"]),
    ("queue", &["Queue", "LifoQueue", "PriorityQueue"]),
    ("asyncio", &["sleep", "Queue", "Event", "wait_for", "gather"]),
];

/// Whether `from module import *` binds a name.
#[must_use]
pub fn exports(module: &str, name: &str) -> bool {
    EXPORTS.iter().any(|(m, names)| *m == module && names.contains(&name))
}

/// Fixtures that pytest and its well-known plugins provide, by the class of what they give; `None` where it does not matter.
#[must_use]
pub fn fixture(name: &str) -> Option<&'static str> {
    Some(match name {
        "tmp_path" => "pathlib.Path",
        "tmpdir" => "py.path.local",
        "mocker" => "pytest_mock.MockerFixture",
        "monkeypatch" => "pytest.MonkeyPatch",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_table_can_be_searched() {
        assert!(MODULES.is_sorted());
        assert!(is_module("time") && !is_module("times"));
    }

    #[test]
    fn classes_are_known_through_aliases_and_bases() {
        assert!(derives("threading.Timer", "threading.Thread"));
        assert!(derives("multiprocessing.context.SpawnProcess", "multiprocessing.Process"));
        assert!(!derives("queue.Queue", "threading.Thread"));
        assert_eq!(returns("threading.Event"), Some("threading.Event"));
        assert_eq!(returns("os.listdir"), None);
    }
}
