//! The queries: compiling `queries/*.scm`, validating them, and running them over a parsed file.
//!
//! A query says *where to look*. It captures one site (`@sleep`, `@join`, …) and what belongs to it (`@callee`,
//! `@receiver`, …), and asks the semantic model with predicates of our own:
//!
//! * `(#resolves-to? @callee "time.sleep" …)`: the name, followed through imports and aliases, is one of these;
//! * `(#instance-of? @receiver "threading.Thread" …)`: the value is an instance of one of these or a subclass;
//! * `(#subclass-of? @callee "threading.Thread" …)`: the name is one of these classes or a subclass;
//!
//! each also as `#not-…?`. Settings describe the site: `(#set! amount "0 secs")` says that the quantity is the
//! first positional argument or the keyword `secs`; `(#set! scale "8")` that one unit is eight bytes.
//!
//! tree-sitter accepts unknown predicates and captures silently, which would turn a typing error into a rule that
//! finds nothing. Here they are errors at load, with file and line.
//!
//! Every file starts with its triggers (see [`trigger`]). A file of Python in which none holds is not parsed, and only queries
//! that some file needs are compiled (a pattern costs about 0.5 ms). What is compiled for a file is one tree-sitter query, so
//! matching is one pass a file.

mod trigger;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use regex::bytes::RegexSet;
use tree_sitter::{Query, QueryCursor, QueryErrorKind, QueryPredicateArg, StreamingIterator, Tree};

use self::trigger::{Expressions, Text, Triggers};
use crate::config::Budgets;
use crate::python::ast::{Ast, ExprId};
use crate::source::Span;

/// What a query looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SiteKind {
    /// Something that sleeps for an amount of seconds.
    Sleep,
    /// A wait for the end of a thread or process.
    Join,
    /// The construction of a thread or process.
    Thread,
    /// The construction of a pool of threads or processes.
    Pool,
    /// An allocation of an amount of elements.
    Allocation,
    /// A loop, by what it iterates over.
    Loop,
    /// A mark on a test.
    Mark,
    /// A call that waits for another thread or process, with or without a timeout.
    Wait,
    /// The start of something that runs beside the test.
    Start,
    /// The opening of something that has to be closed.
    Resource,
    /// A site of a project's own query.
    Custom,
}

/// The capture that marks each kind of site.
const SITES: &[(&str, SiteKind)] = &[
    ("sleep", SiteKind::Sleep),
    ("join", SiteKind::Join),
    ("thread", SiteKind::Thread),
    ("pool", SiteKind::Pool),
    ("allocation", SiteKind::Allocation),
    ("loop", SiteKind::Loop),
    ("mark", SiteKind::Mark),
    ("wait", SiteKind::Wait),
    ("start", SiteKind::Start),
    ("resource", SiteKind::Resource),
    ("site", SiteKind::Custom),
];

/// Captures that say what belongs to a site. A name that starts with `_` is the query's own business.
const ROLES: &[(&str, Role)] =
    &[("callee", Role::Callee), ("receiver", Role::Receiver), ("amount", Role::Amount), ("unit", Role::Unit)];

/// What a capture is to its site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Callee,
    Receiver,
    Amount,
    Unit,
}

/// The files in `queries/`.
const BUILTIN: &[(&str, &str)] = &[
    ("queries/allocation.scm", include_str!("../queries/allocation.scm")),
    ("queries/join.scm", include_str!("../queries/join.scm")),
    ("queries/loop.scm", include_str!("../queries/loop.scm")),
    ("queries/mark.scm", include_str!("../queries/mark.scm")),
    ("queries/pool.scm", include_str!("../queries/pool.scm")),
    ("queries/resource.scm", include_str!("../queries/resource.scm")),
    ("queries/sleep.scm", include_str!("../queries/sleep.scm")),
    ("queries/sleep-value.scm", include_str!("../queries/sleep-value.scm")),
    ("queries/start.scm", include_str!("../queries/start.scm")),
    ("queries/thread.scm", include_str!("../queries/thread.scm")),
    ("queries/wait.scm", include_str!("../queries/wait.scm")),
];

/// Where a site's quantity is among the arguments of its call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Amount {
    /// Positional index.
    pub index: Option<usize>,
    /// Keywords.
    pub keywords: Vec<String>,
    /// The keyword holds a tuple or list whose element of that index is the quantity.
    pub element: Option<usize>,
}

/// A question for the semantic model.
#[derive(Debug, Clone)]
pub struct Predicate {
    /// What is asked.
    pub ask: Ask,
    /// Of which capture.
    capture: u32,
    /// Dotted names.
    pub names: Vec<String>,
    /// `#not-…?`
    pub negated: bool,
}

/// The kinds of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// `#resolves-to?`
    ResolvesTo,
    /// `#instance-of?`
    InstanceOf,
    /// `#subclass-of?`
    SubclassOf,
}

/// One pattern of a query and what it means.
#[derive(Debug)]
pub struct Pattern {
    /// What a match is.
    pub kind: SiteKind,
    /// Questions that decide whether the match counts.
    pub predicates: Vec<Predicate>,
    /// Where the quantity is, unless captured.
    pub amount: Option<Amount>,
    /// Bytes, seconds or threads one unit of the quantity stands for.
    pub scale: f64,
    /// For [`SiteKind::Custom`] and project queries: index into the project's own rules.
    pub custom: Option<usize>,
    /// `FILE:LINE` of the pattern, for the test that every pattern matches some case.
    pub origin: String,
}

/// A syntactic match, its predicates not asked yet.
#[derive(Debug)]
pub struct Match {
    /// The pattern.
    pub pattern: Arc<Pattern>,
    /// The expression that is the site.
    pub site: ExprId,
    /// What the quantity is, where captured.
    pub amount: Option<ExprId>,
    /// The repeated element of an allocation.
    pub unit: Option<ExprId>,
    /// What is waited for or called upon.
    pub receiver: Option<ExprId>,
    /// Captures by the index predicates use.
    captures: Vec<(u32, ExprId)>,
}

impl Match {
    /// The expression a predicate asks about.
    #[must_use]
    pub fn subject(&self, predicate: &Predicate) -> Option<ExprId> {
        self.captures.iter().find(|(i, _)| *i == predicate.capture).map(|(_, e)| *e)
    }
}

/// A query that does not load.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct QueryError {
    /// The `.scm` file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// A set of query files: bit *n* stands for the *n*-th.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Mask(u64);

impl Mask {
    /// No query.
    pub const NONE: Self = Self(0);

    /// Whether no query is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All queries of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

struct File {
    name: String,
    text: String,
    triggers: Triggers,
    custom: Option<usize>,
}

/// All queries of a run: testdiet's own and the project's.
pub struct Queries {
    files: Vec<File>,
    triggers: RegexSet,
    compiled: Mutex<HashMap<Mask, Arc<Compiled>>>,
}

/// Queries compiled into one.
pub struct Compiled {
    mask: Mask,
    query: Query,
    patterns: Vec<Arc<Pattern>>,
    /// Site kind or role by capture index.
    captures: Vec<Result<SiteKind, Option<Role>>>,
}

#[derive(Debug, Clone)]
/// A project's own query: its file, its text, and the index of the rule it belongs to.
pub struct Own {
    /// Path, for messages.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// Index of the rule.
    pub rule: usize,
}

impl Queries {
    /// Loads the built-in queries and a project's own.
    ///
    /// # Errors
    /// When one of the project's does not compile, or names a predicate, capture or setting that does not exist.
    pub fn load(own: Vec<Own>) -> Result<Self, QueryError> {
        Self::load_for(own, &Budgets::default(), |_| true)
    }

    /// Loads a project's own queries, and of the built-in ones those that some wanted rule needs: one that only serves rules
    /// that are off says so (`;; only for: rule, rule`) and costs nothing, not even its triggers. What is within the budgets is
    /// not looked for.
    ///
    /// # Errors
    /// As [`Queries::load`].
    pub fn load_for(own: Vec<Own>, budgets: &Budgets, wanted: impl Fn(&str) -> bool) -> Result<Self, QueryError> {
        let mut files = Vec::new();
        let mut expressions = Expressions::default();
        let serves = |text: &str| {
            let rules = text.lines().find_map(|line| line.strip_prefix(";; only for: "));
            rules.is_none_or(|rules| rules.split(',').any(|rule| wanted(rule.trim())))
        };
        let builtin = BUILTIN.iter().filter(|(_, text)| serves(text));
        let builtin = builtin.map(|(name, text)| ((*name).to_owned(), (*text).to_owned(), None));
        let own = own.into_iter().map(|o| (o.file.display().to_string(), o.text, Some(o.rule)));
        for (name, text, custom) in builtin.chain(own) {
            let mut triggers = Triggers::default();
            for (line, header) in text.lines().enumerate() {
                let read = triggers.read(header, budgets, &mut expressions);
                read.map_err(|message| QueryError { file: name.clone(), line: line + 1, message })?;
            }
            files.push(File { name, text, triggers, custom });
        }
        if files.len() > 64 {
            let last = &files[64];
            return Err(QueryError {
                file: last.name.clone(),
                line: 1,
                message: format!("at most {} own queries are supported", 64 - BUILTIN.len()),
            });
        }
        let triggers =
            expressions.build().map_err(|e| QueryError { file: "queries".to_owned(), line: 1, message: e.to_string() })?;
        let queries = Self { files, triggers, compiled: Mutex::new(HashMap::new()) };
        // A project's own query is compiled now, triggered or not, so that a mistake in it is told at once.
        for i in 0..queries.files.len() {
            if queries.files[i].custom.is_some() {
                queries.compile(Mask(1 << i))?;
            }
        }
        Ok(queries)
    }

    /// Which queries have something to look for in a text. One without triggers always has.
    #[must_use]
    pub fn triggered(&self, text: &str) -> Mask {
        let text = Text::new(text, &self.triggers);
        let mut mask = 0;
        for (i, file) in self.files.iter().enumerate() {
            mask |= u64::from(file.triggers.hold(&text)) << i;
        }
        Mask(mask)
    }

    /// Compiles what a run needs, given how many bytes of source have triggered which queries.
    ///
    /// Compiling a query costs about as much as running it over 200 KB of source, and every pattern costs at every node of
    /// every file it is run over. So a set of queries that much source needs is compiled for itself, and one for all the
    /// others together. A query that does not compile is told when it is asked for.
    pub fn prepare(&self, weights: &BTreeMap<Mask, usize>) {
        const WORTH_IT: usize = 200_000;
        let mut wanted: Vec<Mask> = weights.iter().filter(|(m, n)| !m.is_empty() && **n >= WORTH_IT).map(|(m, _)| *m).collect();
        let rest = weights.iter().filter(|(_, n)| **n < WORTH_IT).fold(Mask::NONE, |all, (m, _)| all.union(*m));
        if !rest.is_empty() {
            wanted.push(rest);
        }
        wanted.par_iter().for_each(|&mask| {
            if let Ok(compiled) = self.compile(mask) {
                self.compiled.lock().unwrap_or_else(PoisonError::into_inner).insert(mask, Arc::new(compiled));
            }
        });
    }

    /// The queries of a mask as one, compiled once; a wider one that is there already serves too.
    ///
    /// # Errors
    /// As [`Queries::load`].
    pub fn compiled(&self, mask: Mask) -> Result<Arc<Compiled>, QueryError> {
        let mut cache = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = cache.iter().filter(|(have, _)| mask.within(**have)).min_by_key(|(have, _)| have.0.count_ones());
        if let Some((_, found)) = fitting {
            return Ok(Arc::clone(found));
        }
        let compiled = Arc::new(self.compile(mask)?);
        cache.insert(mask, Arc::clone(&compiled));
        Ok(compiled)
    }

    fn compile(&self, mask: Mask) -> Result<Compiled, QueryError> {
        let chosen: Vec<&File> = (0..self.files.len()).filter(|i| mask.0 >> i & 1 == 1).map(|i| &self.files[i]).collect();
        let mut text = String::new();
        let mut starts = Vec::new();
        for file in &chosen {
            starts.push(text.len());
            text.push_str(&file.text);
            text.push('\n');
        }
        // Which file an offset of the joined text is in, and its line there.
        let origin = |offset: usize| {
            let i = starts.partition_point(|&s| s <= offset).saturating_sub(1);
            let line = text[starts[i]..offset.min(text.len())].matches('\n').count() + 1;
            (chosen[i], line)
        };
        let error = |offset: usize, message: String| {
            let (file, line) = origin(offset);
            QueryError { file: file.name.clone(), line, message }
        };
        let query = Query::new(&tree_sitter_python::LANGUAGE.into(), &text).map_err(|e| {
            let what = match e.kind {
                QueryErrorKind::NodeType => {
                    format!("there is no node type `{}` in tree-sitter-python", e.message.trim_matches('"'))
                }
                QueryErrorKind::Field => format!("there is no field `{}` in tree-sitter-python", e.message.trim_matches('"')),
                QueryErrorKind::Capture => {
                    format!("the predicate names `@{}`, which the pattern does not capture", e.message.trim_matches('"'))
                }
                QueryErrorKind::Structure => "this pattern can never match".to_owned(),
                _ => e.message.clone(),
            };
            error(e.offset, what)
        })?;
        let mut captures = Vec::new();
        for name in query.capture_names() {
            if let Some((_, kind)) = SITES.iter().find(|(n, _)| n == name) {
                captures.push(Ok(*kind));
            } else if let Some((_, role)) = ROLES.iter().find(|(n, _)| n == name) {
                captures.push(Err(Some(*role)));
            } else if name.starts_with('_') {
                captures.push(Err(None));
            } else {
                let known: Vec<String> =
                    SITES.iter().map(|s| s.0).chain(ROLES.iter().map(|r| r.0)).map(|n| format!("@{n}")).collect();
                let at = text.find(&format!("@{name}")).unwrap_or(0);
                return Err(error(
                    at,
                    format!("unknown capture `@{name}`; the captures are {} (and any that starts with `@_`)", known.join(" ")),
                ));
            }
        }
        let mut patterns = Vec::new();
        for i in 0..query.pattern_count() {
            let at = query.start_byte_for_pattern(i);
            let (file, line) = origin(at);
            let pattern = pattern(&query, i, &captures, file, &text[at..query.end_byte_for_pattern(i)])
                .map_err(|message| error(at, message))?;
            patterns.push(Arc::new(Pattern { origin: format!("{}:{line}", file.name), ..pattern }));
        }
        Ok(Compiled { mask, query, patterns, captures })
    }
}

fn pattern(
    query: &Query,
    i: usize,
    captures: &[Result<SiteKind, Option<Role>>],
    file: &File,
    text: &str,
) -> Result<Pattern, String> {
    let kinds: Vec<SiteKind> = query
        .capture_names()
        .iter()
        .zip(captures)
        .filter(|(name, kind)| kind.is_ok() && mentions(text, name))
        .filter_map(|(_, kind)| kind.ok())
        .collect();
    let [kind] = kinds[..] else {
        return Err(format!(
            "a pattern marks exactly one site with {}",
            SITES.iter().map(|s| format!("@{}", s.0)).collect::<Vec<_>>().join(", ")
        ));
    };
    let mut predicates = Vec::new();
    for p in query.general_predicates(i) {
        let (name, negated) = match p.operator.strip_prefix("not-") {
            Some(rest) => (rest, true),
            None => (&*p.operator, false),
        };
        let ask = match name {
            "resolves-to?" => Ask::ResolvesTo,
            "instance-of?" => Ask::InstanceOf,
            "subclass-of?" => Ask::SubclassOf,
            _ => {
                return Err(format!(
                    "unknown predicate `#{}`; the predicates are #resolves-to? #instance-of? #subclass-of? (each also #not-…?) and tree-sitter's #eq? #match? #any-of? #set!",
                    p.operator
                ));
            }
        };
        let Some((QueryPredicateArg::Capture(capture), names)) = p.args.split_first() else {
            return Err(format!("`#{}` asks about a capture, then names", p.operator));
        };
        let names: Option<Vec<String>> = names
            .iter()
            .map(|a| match a {
                QueryPredicateArg::String(s) => Some(s.to_string()),
                QueryPredicateArg::Capture(_) => None,
            })
            .collect();
        let names = names
            .filter(|n| !n.is_empty())
            .ok_or_else(|| format!("`#{}` takes one capture and at least one dotted name", p.operator))?;
        predicates.push(Predicate { ask, capture: *capture, names, negated });
    }
    if !query.property_predicates(i).is_empty() {
        return Err("unknown predicates `#is?`, `#is-not?`".to_owned());
    }
    let mut amount = None;
    let mut scale = 1.0;
    for setting in query.property_settings(i) {
        let value = setting.value.as_deref().unwrap_or_default();
        match &*setting.key {
            "amount" => amount = Some(parse_amount(value)?),
            "scale" => scale = value.parse().map_err(|_| format!("`{value}` is not a number"))?,
            other => return Err(format!("unknown setting `{other}`; the settings are `amount` and `scale`")),
        }
    }
    Ok(Pattern { kind, predicates, amount, scale, custom: file.custom, origin: String::new() })
}

fn mentions(text: &str, capture: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        text[at + 1..]
            .strip_prefix(capture)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')))
    })
}

/// `"0 secs seconds"`, `"- max_workers"`, `"args.0"`.
fn parse_amount(text: &str) -> Result<Amount, String> {
    let mut amount = Amount::default();
    for word in text.split_whitespace() {
        if let Ok(index) = word.parse() {
            amount.index = Some(index);
        } else if let Some((keyword, element)) = word.split_once('.') {
            amount.keywords.push(keyword.to_owned());
            amount.element = Some(element.parse().map_err(|_| format!("`{word}`: after the dot comes an index"))?);
        } else if word != "-" {
            amount.keywords.push(word.to_owned());
        }
    }
    if amount.index.is_none() && amount.keywords.is_empty() {
        return Err("an amount is a position, keywords, or both: \"0 seconds\"".to_owned());
    }
    Ok(amount)
}

impl Compiled {
    /// The queries compiled in.
    #[must_use]
    pub const fn mask(&self) -> Mask {
        self.mask
    }

    /// All patterns.
    #[must_use]
    pub fn patterns(&self) -> &[Arc<Pattern>] {
        &self.patterns
    }

    /// Runs over a tree; captures are looked up in its lowered form. A match whose captures have no expression there
    /// (an ERROR node, a nesting too deep to lower) is dropped.
    #[must_use]
    pub fn run(&self, tree: &Tree, ast: &Ast, text: &str) -> Vec<Match> {
        let mut cursor = QueryCursor::new();
        let mut found = Vec::new();
        let mut matches = cursor.matches(&self.query, tree.root_node(), text.as_bytes());
        while let Some(m) = matches.next() {
            let pattern = &self.patterns[m.pattern_index];
            let mut site = None;
            let (mut amount, mut unit, mut receiver) = (None, None, None);
            let mut captures = Vec::with_capacity(m.captures().len());
            for capture in m.captures() {
                let Some(expr) = expr_of(ast, capture.node.byte_range()) else { continue };
                captures.push((capture.index, expr));
                match self.captures[capture.index as usize] {
                    Ok(_) => site = Some(expr),
                    Err(Some(Role::Amount)) => amount = Some(expr),
                    Err(Some(Role::Unit)) => unit = Some(expr),
                    Err(Some(Role::Receiver)) => receiver = Some(expr),
                    Err(Some(Role::Callee) | None) => {}
                }
            }
            if let Some(site) = site {
                found.push(Match { pattern: Arc::clone(pattern), site, amount, unit, receiver, captures });
            }
        }
        found
    }
}

fn expr_of(ast: &Ast, range: std::ops::Range<usize>) -> Option<ExprId> {
    let span = Span::new(u32::try_from(range.start).ok()?, u32::try_from(range.end).ok()?);
    ast.expr_at(span)
}

/// Reads a project's own query.
///
/// # Errors
/// When the file cannot be read.
pub fn read_own(path: &Path, rule: usize) -> Result<Own, QueryError> {
    let text = std::fs::read_to_string(path).map_err(|e| QueryError {
        file: path.display().to_string(),
        line: 1,
        message: format!("cannot read this query: {e}"),
    })?;
    Ok(Own { file: path.to_path_buf(), text, rule })
}
