//! stub
use std::path::{Path, PathBuf};
use std::sync::Arc;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role { Test, Conftest, Helper, Product }
#[derive(Debug, Clone)]
pub struct Found { pub path: PathBuf, pub role: Role, pub suite: Arc<Suite>, pub explicit: bool }
#[derive(Debug, Clone, Default)]
pub struct Suite { pub root: PathBuf, pub python_classes: Vec<String>, pub python_functions: Vec<String>, pub pythonpath: Vec<PathBuf> }
pub fn module_roots(suite: &Suite, file: &Path) -> Vec<PathBuf> {
    let mut base = file.parent().unwrap_or(Path::new("/")).to_path_buf();
    while base.join("__init__.py").is_file() { if !base.pop() { break } }
    let mut out = suite.pythonpath.clone();
    out.push(base); out.push(suite.root.clone()); out.push(suite.root.join("src"));
    out
}
