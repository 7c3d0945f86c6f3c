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
//! Every file starts with its triggers (see [`trigger`]). A file of Python in which none holds is not parsed. The built-in
//! queries are matched on the tree that the semantic model is built on (see [`shape`]), all in one pass. A project's own may ask
//! for anything in the grammar: tree-sitter runs them (see [`own`]), over the files that trigger them.

mod builtin;
mod own;
mod shape;
mod trigger;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use regex::bytes::RegexSet;

use self::builtin::Builtin;
use self::own::OwnQueries;
use self::shape::Term;
use self::trigger::{Expressions, Text, Triggers};
use crate::config::Budgets;
use crate::python::ast::{Ast, ExprId};

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
    /// The query that it stands in.
    query: Mask,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
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

    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

struct File {
    name: String,
    text: String,
    triggers: Triggers,
    custom: Option<usize>,
}

/// All queries of a run: the built-in ones and the project's own.
pub struct Queries {
    files: Vec<File>,
    triggers: RegexSet,
    builtin: Builtin,
    own: Option<OwnQueries>,
}

/// What a capture means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Site(SiteKind),
    Part(Role),
    /// The query's own business.
    Nothing,
}

/// A project's own query: its file, its text, and the index of the rule it belongs to.
#[derive(Debug, Clone)]
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
        let builtin = Builtin::read(&files)?;
        let own = OwnQueries::compile(&files)?;
        Ok(Self { files, triggers, builtin, own })
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

    /// All patterns.
    pub fn patterns(&self) -> impl Iterator<Item = &Arc<Pattern>> {
        self.builtin.patterns().chain(self.own.iter().flat_map(OwnQueries::patterns))
    }

    /// Runs those of the wanted queries over a file, in the order of the sites. A match whose captures have no expression in the
    /// tree (a nesting too deep to lower) is dropped.
    #[must_use]
    pub fn run(&self, wanted: Mask, ast: &Ast, text: &str) -> Vec<Match> {
        let mut found = Vec::new();
        self.builtin.run(wanted, ast, &mut found);
        if let Some(own) = &self.own {
            own.run(wanted, ast, text, &mut found);
        }
        found.sort_by_key(|m| ast.expr(m.site).span.start);
        found
    }
}

impl Match {
    fn new(pattern: &Arc<Pattern>, captures: Vec<(u32, ExprId)>, meanings: &[Meaning]) -> Option<Self> {
        let is = |wanted: fn(Meaning) -> bool| {
            captures.iter().rev().find(|(index, _)| wanted(meanings[*index as usize])).map(|(_, expr)| *expr)
        };
        let site = is(|meaning| matches!(meaning, Meaning::Site(_)))?;
        let amount = is(|meaning| meaning == Meaning::Part(Role::Amount));
        let unit = is(|meaning| meaning == Meaning::Part(Role::Unit));
        let receiver = is(|meaning| meaning == Meaning::Part(Role::Receiver));
        Some(Self { pattern: Arc::clone(pattern), site, amount, unit, receiver, captures })
    }
}

/// What a capture of some name means.
fn meaning(name: &str) -> Result<Meaning, String> {
    if let Some((_, kind)) = SITES.iter().find(|(n, _)| *n == name) {
        return Ok(Meaning::Site(*kind));
    }
    if let Some((_, role)) = ROLES.iter().find(|(n, _)| *n == name) {
        return Ok(Meaning::Part(*role));
    }
    if name.starts_with('_') {
        return Ok(Meaning::Nothing);
    }
    let known = SITES.iter().map(|s| s.0).chain(ROLES.iter().map(|r| r.0)).map(|n| format!("@{n}"));
    let known = known.collect::<Vec<_>>().join(" ");
    Err(format!("unknown capture `@{name}`; the captures are {known} (and any that starts with `@_`)"))
}

/// What a pattern says besides what it looks like.
struct Written {
    /// The captures in it.
    captures: Vec<u32>,
    /// Names without `#`, and what follows them.
    predicates: Vec<(String, Vec<Term>)>,
    settings: Vec<(String, String)>,
}

impl File {
    fn error(&self, offset: usize, message: String) -> QueryError {
        let line = self.text[..offset.min(self.text.len())].matches('\n').count() + 1;
        QueryError { file: self.name.clone(), line, message }
    }

    /// A pattern of this file, which starts at an offset.
    fn pattern(&self, query: Mask, offset: usize, written: Written, meanings: &[Meaning]) -> Result<Pattern, QueryError> {
        let pattern = pattern(written, meanings).map_err(|message| self.error(offset, message))?;
        let line = self.text[..offset].matches('\n').count() + 1;
        Ok(Pattern { origin: format!("{}:{line}", self.name), custom: self.custom, query, ..pattern })
    }
}

fn pattern(written: Written, meanings: &[Meaning]) -> Result<Pattern, String> {
    let sites = written.captures.iter().filter_map(|capture| match meanings[*capture as usize] {
        Meaning::Site(kind) => Some(kind),
        _ => None,
    });
    let [kind] = sites.collect::<Vec<_>>()[..] else {
        return Err(format!(
            "a pattern marks exactly one site with {}",
            SITES.iter().map(|s| format!("@{}", s.0)).collect::<Vec<_>>().join(", ")
        ));
    };
    let mut predicates = Vec::new();
    for (operator, terms) in written.predicates {
        let (name, negated) = match operator.strip_prefix("not-") {
            Some(rest) => (rest, true),
            None => (&*operator, false),
        };
        let ask = match name {
            "resolves-to?" => Ask::ResolvesTo,
            "instance-of?" => Ask::InstanceOf,
            "subclass-of?" => Ask::SubclassOf,
            _ => {
                return Err(format!(
                    "unknown predicate `#{operator}`; the predicates are #resolves-to? #instance-of? #subclass-of? (each also #not-…?) and tree-sitter's #eq? #match? #any-of? #set!"
                ));
            }
        };
        let Some((&Term::Capture(capture), names)) = terms.split_first() else {
            return Err(format!("`#{operator}` asks about a capture, then names"));
        };
        let names: Option<Vec<String>> = names
            .iter()
            .map(|term| match term {
                Term::Text(text) => Some(text.clone()),
                Term::Capture(_) => None,
            })
            .collect();
        let names = names
            .filter(|n| !n.is_empty())
            .ok_or_else(|| format!("`#{operator}` takes one capture and at least one dotted name"))?;
        predicates.push(Predicate { ask, capture, names, negated });
    }
    let mut amount = None;
    let mut scale = 1.0;
    for (key, value) in written.settings {
        match key.as_str() {
            "amount" => amount = Some(parse_amount(&value)?),
            "scale" => scale = value.parse().map_err(|_| format!("`{value}` is not a number"))?,
            other => return Err(format!("unknown setting `{other}`; the settings are `amount` and `scale`")),
        }
    }
    Ok(Pattern { kind, predicates, amount, scale, custom: None, origin: String::new(), query: Mask::NONE })
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
