//! stub
use std::path::{Path, PathBuf};
use crate::rules::Code;
#[derive(Debug, Clone)]
pub struct Budgets { pub sleep_per_test: f64, pub sleep_per_file: f64, pub sleep_per_suite: f64, pub threads_per_test: u64, pub threads_target: u64, pub allocation: u64, pub iterations_per_loop: u64 }
#[derive(Debug, Clone)]
pub struct FixSettings { pub fast_time: bool, pub join_timeout: f64, pub floor: f64, pub margin: f64 }
#[derive(Debug, Clone)]
pub struct Settings { pub root: PathBuf, pub budgets: Budgets, pub fix: FixSettings }
impl Default for Settings { fn default() -> Self { Self { root: PathBuf::new(), budgets: Budgets { sleep_per_test: 0.5, sleep_per_file: 5.0, sleep_per_suite: 60.0, threads_per_test: 5, threads_target: 3, allocation: 20_000, iterations_per_loop: 1000 }, fix: FixSettings { fast_time: false, join_timeout: 5.0, floor: 0.1, margin: 0.1 } } } }
impl Settings {
    pub fn enabled(&self, code: &Code, _path: &Path) -> bool { code.rule().is_none_or(|r| r.default) }
    pub fn fixable(&self, _code: &Code) -> bool { true }
}
