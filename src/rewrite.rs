//! Where new code goes: a line beside a statement, a parameter of a test, an import, a cleanup.
//!
//! Everything here proposes edits and decides nothing about whether they are worth it. What has no safe place is an error that
//! says why, in words that can stand in a finding.

use std::sync::Arc;

use crate::discover::Role;
use crate::edit::Edit;
use crate::python::ast::{ExprId, ExprKind, ParamKind, StmtId, StmtKind};
use crate::python::project::Module;
use crate::python::scope::{BindingKind, MODULE};
use crate::python::semantics::{Def, Semantics, Type};
use crate::python::stdlib;
use crate::source::Span;

/// A group of edits by what it is about and where it starts.
#[must_use]
pub fn group(what: &str, m: &Module, span: Span) -> String {
    let file = m.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    format!("{what}:{file}:{}", span.start)
}

/// Whether a file is one that fixes may change at all.
///
/// # Errors
/// With the reason why not.
pub fn editable(m: &Module) -> Result<(), String> {
    if m.role == Role::Product {
        return Err("it is product code".to_owned());
    }
    if m.broken() {
        return Err("the file could not be parsed as a whole".to_owned());
    }
    Ok(())
}

/// Whether an expression can be evaluated twice with the same result and no effect: names, attributes, constant subscripts.
#[must_use]
pub fn repeatable(m: &Module, e: ExprId) -> bool {
    match &m.expr(e).kind {
        ExprKind::Name(_) | ExprKind::Int(_) | ExprKind::Str { .. } => true,
        ExprKind::Attribute { value, .. } => repeatable(m, *value),
        ExprKind::Unary { operand, .. } => repeatable(m, *operand),
        ExprKind::Subscript { value, index } => repeatable(m, *value) && repeatable(m, *index),
        ExprKind::Slice(parts) | ExprKind::Tuple(parts) | ExprKind::List(parts) => parts.iter().all(|&p| repeatable(m, p)),
        // `.values()` and `.items()` of a dict, `zip`, `enumerate` give a fresh iterator each time.
        ExprKind::Call { func, args, .. } => {
            let name = match m.expr(*func).kind {
                ExprKind::Name(n) => m.name(n),
                ExprKind::Attribute { attr, value, .. } if repeatable(m, value) => m.name(attr),
                _ => return false,
            };
            matches!(name, "values" | "items" | "keys" | "enumerate" | "zip" | "reversed" | "list" | "sorted" | "range" | "len")
                && args.iter().all(|a| repeatable(m, a.value))
        }
        _ => false,
    }
}

/// Whether nothing but a comment shares a statement's first and last line with it.
#[must_use]
pub fn alone(m: &Module, stmt: StmtId) -> bool {
    let (span, source) = (m.stmt(stmt).span, &m.source);
    let start = source.line_span(source.line_of(span.start)).start;
    let end = source.line_span(source.line_of(span.end)).end;
    let rest = source.slice(Span::new(span.end, end)).trim_start();
    source.slice(Span::new(start, span.start)).trim().is_empty() && (rest.is_empty() || rest.starts_with('#'))
}

/// A line of its own after a statement, indented as it is.
///
/// # Errors
/// When the statement shares its line with another.
pub fn line_after(m: &Module, stmt: StmtId, text: &str) -> Result<Edit, String> {
    if !alone(m, stmt) {
        return Err("it shares its line with another statement".to_owned());
    }
    let (span, source) = (m.stmt(stmt).span, &m.source);
    let end = source.line_span(source.line_of(span.end)).end;
    Ok(Edit::insert(&m.file, end, format!("{}{}{text}", source.newline().as_str(), source.indent_at(span.start))))
}

/// Most lines that a new `with` moves: more, and the diff says less than a cleanup would.
const MOVED: usize = 12;

/// Turns `name = value` into `with value as name:` over what follows in its block as far as that uses it, or what it made of it.
///
/// # Errors
/// Where it is used beyond that, or where its lines cannot be moved as they are.
pub fn with_block(m: &Module, stmt: StmtId, value: ExprId) -> Result<Vec<Edit>, String> {
    let (span, source) = (m.stmt(stmt).span, &m.source);
    let StmtKind::Assign { targets, .. } = &m.stmt(stmt).kind else { return Err("it is not kept by a name".to_owned()) };
    let [target] = targets[..] else { return Err("it is not kept by a name".to_owned()) };
    let ExprKind::Name(name) = m.expr(target).kind else { return Err("it is kept by more than a local name".to_owned()) };
    if !alone(m, stmt) || m.expr(value).span.end != span.end {
        return Err("it shares its lines with something else".to_owned());
    }
    let parent = m.stmt(stmt).parent.ok_or("it stands in no function")?;
    let mut after: Vec<StmtId> = Vec::new();
    m.stmt(parent).kind.blocks(&mut |block| {
        if let Some(at) = block.iter().position(|s| *s == stmt) {
            after = block[at + 1..].to_vec();
        }
    });
    // What is made of it is used up with it: a cursor, a reader, a future.
    let mut names = vec![name];
    let mentions = |region: Span, names: &[crate::python::ast::Symbol]| {
        m.ast.exprs.iter().any(|e| matches!(e.kind, ExprKind::Name(n) if names.contains(&n)) && region.contains(e.span))
    };
    let mut used = 0;
    for (i, &next) in after.iter().enumerate() {
        let region = m.stmt(next).span;
        if !mentions(region, &names) {
            continue;
        }
        used = i + 1;
        for s in m.ast.stmts.iter().filter(|s| region.contains(s.span)) {
            if !mentions(s.span, &names) {
                continue;
            }
            let mut bound = Vec::new();
            match &s.kind {
                StmtKind::Assign { targets, .. } => bound.extend(targets.iter().copied()),
                StmtKind::For { target, .. } => bound.push(*target),
                StmtKind::With { items, .. } => bound.extend(items.iter().filter_map(|(_, target)| *target)),
                StmtKind::Function(_) | StmtKind::Class(_) => {
                    return Err("a function that may be called later uses it".to_owned());
                }
                _ => {}
            }
            while let Some(target) = bound.pop() {
                match &m.expr(target).kind {
                    ExprKind::Name(n) => names.push(*n),
                    ExprKind::Tuple(parts) | ExprKind::List(parts) => bound.extend(parts),
                    _ => return Err("what is made of it is kept elsewhere".to_owned()),
                }
            }
        }
        let lambda = m
            .ast
            .exprs
            .iter()
            .any(|e| matches!(e.kind, ExprKind::Lambda { .. }) && region.contains(e.span) && mentions(e.span, &names));
        if lambda {
            return Err("a function that may be called later uses it".to_owned());
        }
    }
    let Some(&last) = after.get(used.wrapping_sub(1)) else { return Err("nothing in its block uses it".to_owned()) };
    let home = m.scopes.function_around(stmt).ok_or("it stands in no function")?;
    let rest = Span::new(m.stmt(last).span.end, m.stmt(home).span.end);
    let before = Span::new(m.stmt(home).span.start, span.start);
    if mentions(rest, &names) || mentions(before, &[name]) {
        return Err("it is used outside of the block that opens it".to_owned());
    }
    let (from, to) = (source.line_of(span.end) + 1, source.line_of(m.stmt(last).span.end));
    let moved = source.slice(Span::new(span.end, m.stmt(last).span.end));
    if !alone(m, last) || to + 1 - from > MOVED {
        return Err("too much follows".to_owned());
    }
    if moved.contains("\"\"\"") || moved.contains("'''") || moved.lines().any(|line| line.ends_with('\\')) {
        return Err("a text that follows is spread over lines, which moving it would change".to_owned());
    }
    let unit =
        source.indent_at(span.start).strip_prefix(source.indent_at(m.stmt(parent).span.start)).filter(|unit| !unit.is_empty());
    let unit = unit.ok_or("its block is not indented as it should be")?;
    let mut edits = vec![
        Edit::replace(&m.file, Span::new(span.start, m.expr(value).span.start), "with "),
        Edit::insert(&m.file, span.end, format!(" as {}:", m.name(name))),
    ];
    let lines = (from..=to).filter(|&line| !source.line(line).trim().is_empty());
    edits.extend(lines.map(|line| Edit::insert(&m.file, source.line_span(line).start, unit)));
    Ok(edits)
}

/// Makes a test or fixture ask for a fixture: nothing, where it does already.
///
/// # Errors
/// When its decorators, or the way its parameters are written, leave no place where pytest would see it.
pub fn fixture_parameter(sem: &Semantics<'_>, def: &Def, name: &str) -> Result<Option<Edit>, String> {
    let m = &def.module;
    editable(m)?;
    let f = m.function(def.stmt).ok_or("it is no function")?;
    if f.params.iter().any(|p| m.name(p.name) == name) {
        return Ok(None);
    }
    let taken = m.symbol(name).zip(m.scopes.of_def(def.stmt)).is_some_and(|(s, scope)| !m.scopes.bindings(scope, s).is_empty());
    if taken {
        return Err(format!("`{name}` is the name of something else in the test"));
    }
    if let Some(class) = m.scopes.class_of(def.stmt)
        && !plain_class(sem, &Def { module: Arc::clone(m), stmt: class }, 0)
    {
        return Err("its class derives from one that is not seen, whose tests may take no fixtures".to_owned());
    }
    for &d in &f.decorators {
        let callee = match m.expr(d).kind {
            ExprKind::Call { func, .. } => func,
            _ => d,
        };
        if !passes_fixtures_on(&m.text(callee).split_whitespace().collect::<String>()) {
            return Err(format!("`@{}` may not pass a fixture on", m.text(callee)));
        }
    }
    if f.params.iter().any(|p| p.kind == ParamKind::PositionalOnly) {
        return Err("its parameters are positional only".to_owned());
    }
    let later = |kind: ParamKind| matches!(kind, ParamKind::Star | ParamKind::DoubleStar | ParamKind::KeywordOnly);
    // Mocks of `@patch` come first by position, and what has a default is no fixture.
    let before = f.params.iter().position(|p| p.default.is_some() || later(p.kind));
    Ok(Some(match (before, f.params.last()) {
        (Some(i), _) => {
            let p = &f.params[i];
            // `**kwargs` and `*args` start with their stars.
            Edit::insert(&m.file, p.span.start, format!("{name}, "))
        }
        (None, Some(last)) => Edit::insert(&m.file, last.span.end, format!(", {name}")),
        (None, None) => Edit::insert(&m.file, f.params_span.start + 1, name),
    }))
}

/// Whether all that a class derives from is seen, and none of it unittest's: pytest then passes fixtures to its methods.
fn plain_class(sem: &Semantics<'_>, class: &Def, depth: usize) -> bool {
    let m = &class.module;
    let Some(c) = m.class(class.stmt) else { return false };
    depth < 10
        && c.args.iter().all(|base| match sem.type_of(m, base.value) {
            Type::Class(def) => plain_class(sem, &def, depth + 1),
            Type::External(name) => matches!(&*name, "builtins.object" | "abc.ABC" | "typing.Generic" | "typing.Protocol"),
            _ => false,
        })
}

/// Whether a decorator leaves a function's parameters to pytest.
fn passes_fixtures_on(callee: &str) -> bool {
    let last = callee.rsplit('.').next().unwrap_or(callee);
    callee.contains("pytest.mark.")
        || callee.starts_with("mark.")
        || last == "fixture"
        || callee.split('.').any(|part| part == "patch")
        || matches!(last, "staticmethod" | "classmethod" | "skipIf" | "skipUnless" | "skip" | "expectedFailure")
}

/// Makes a test use a fixture that it asks nothing of, by the marker `usefixtures`.
///
/// # Errors
/// When the marker cannot be imported.
pub fn use_fixture(def: &Def, name: &str) -> Result<Vec<Edit>, String> {
    let m = &def.module;
    editable(m)?;
    let f = m.function(def.stmt).ok_or("it is no function")?;
    let indent = m.source.indent_at(f.outer_span.start);
    let marker = format!("@pytest.mark.usefixtures(\"{name}\"){}{indent}", m.source.newline().as_str());
    let mut edits = vec![Edit::insert(&m.file, f.outer_span.start, marker)];
    edits.extend(import(m, "pytest", None)?);
    Ok(edits)
}

/// Runs `call` (a bound method, not called: `monitor.stop`) once the test around a statement is over, however it ends.
///
/// # Errors
/// When the statement does not belong to a test or fixture, or that has no place for a cleanup.
pub fn cleanup(sem: &Semantics<'_>, m: &Arc<Module>, stmt: StmtId, call: &str) -> Result<Vec<Edit>, String> {
    editable(m)?;
    let home = m.scopes.function_around(stmt).ok_or("it stands outside of any test")?;
    let def = Def { module: Arc::clone(m), stmt: home };
    let f = m.function(home).ok_or("it stands outside of any test")?;
    if let Some(class) = m.scopes.class_of(home)
        && sem.is_test_case(&Def { module: Arc::clone(m), stmt: class })
    {
        let name = m.name(f.name);
        let this = f.params.first().filter(|p| p.default.is_none()).map(|p| m.name(p.name));
        let runs_for_each = name.starts_with("test") || matches!(name, "setUp" | "asyncSetUp");
        return match this {
            Some(this) if runs_for_each => Ok(vec![line_after(m, stmt, &format!("{this}.addCleanup({call})"))?]),
            _ => Err("it stands in no test method and no setUp".to_owned()),
        };
    }
    if !sem.is_test_function(m, home) && sem.fixture_decorator(m, home).is_none() {
        return Err("it stands in neither a test nor a fixture, so nothing here says when it is over".to_owned());
    }
    let mut edits = vec![line_after(m, stmt, &format!("request.addfinalizer({call})"))?];
    edits.extend(fixture_parameter(sem, &def, "request")?);
    Ok(edits)
}

/// The first part of a dotted name.
fn top(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// Whether a top-level module lies beside a file or in a folder above it.
fn in_project(m: &Module, module: &str) -> bool {
    let lies_in = |folder: &std::path::Path| folder.join(module).is_dir() || folder.join(format!("{module}.py")).is_file();
    m.file.ancestors().skip(1).take(8).any(|folder| lies_in(folder) || lies_in(&folder.join("src")))
}

/// Binds `name` of `module` (or the module itself) at the top of a file: after the docstring and `__future__`, in the group of
/// third-party imports where there is one, in its alphabetical place. Nothing, where it is bound already.
///
/// # Errors
/// When the name means something else in the file.
pub fn import(m: &Module, module: &str, name: Option<&str>) -> Result<Option<Edit>, String> {
    let bound = name.unwrap_or(module);
    if let Some(symbol) = m.symbol(bound) {
        let bindings = m.scopes.bindings(MODULE, symbol);
        let ours = bindings.iter().any(|b| match (&b.kind, &m.stmt(b.stmt).kind) {
            (BindingKind::From(i), StmtKind::ImportFrom { level: 0, module: from, names }) => {
                from == module && Some(names[*i].name.as_str()) == name
            }
            (BindingKind::Import(i), StmtKind::Import(names)) => name.is_none() && names[*i].name == module,
            _ => false,
        });
        if ours {
            return Ok(None);
        }
        if !bindings.is_empty() {
            return Err(format!("`{bound}` is the name of something else in the file"));
        }
    }
    let newline = m.source.newline().as_str();
    let line = name.map_or_else(|| format!("import {module}"), |name| format!("from {module} import {name}"));
    // The imports at the head, as (statement, module, whether `from`).
    let mut head: Vec<(StmtId, &str, bool)> = Vec::new();
    let mut docstring = None;
    for (i, &id) in m.ast.body.iter().enumerate() {
        match &m.stmt(id).kind {
            StmtKind::Import(names) => head.push((id, names.first().map_or("", |n| n.name.as_str()), false)),
            StmtKind::ImportFrom { level: 0, module, .. } => head.push((id, module, true)),
            StmtKind::ImportFrom { .. } => head.push((id, ".", true)),
            StmtKind::Expr(e) if i == 0 && matches!(m.expr(*e).kind, ExprKind::Str { .. }) => docstring = Some(id),
            _ => break,
        }
    }
    if let Some(name) = name
        && let Some((id, ..)) = head.iter().find(|(_, from, is_from)| *is_from && *from == module)
        && let StmtKind::ImportFrom { names, .. } = &m.stmt(*id).kind
        && let Some(last) = names.last()
    {
        return Ok(Some(Edit::insert(&m.file, last.span.end, format!(", {name}"))));
    }
    let after = |id: StmtId| m.source.line_span(m.source.line_of(m.stmt(id).span.end)).end;
    // The third-party group is the one with pytest in it, or else with something that is neither the standard library's nor lies in
    // the project; as far as no blank line parts it.
    let pytest = head.iter().position(|(_, name, _)| top(name) == "pytest");
    let foreign =
        || head.iter().rposition(|(_, name, _)| *name != "." && !stdlib::is_module(top(name)) && !in_project(m, top(name)));
    if let Some(i) = pytest.or_else(foreign) {
        let parted = |a: StmtId, b: StmtId| {
            let line = |offset: u32| m.source.line_of(offset);
            line(m.stmt(b).span.start) > line(m.stmt(a).span.end) + 1
        };
        let from = (0..i).rev().take_while(|&k| !parted(head[k].0, head[k + 1].0)).last().unwrap_or(i);
        let to = (i + 1..head.len()).take_while(|&k| !parted(head[k - 1].0, head[k].0)).last().unwrap_or(i);
        // `import a` comes before `from b`, each in the alphabet's order.
        let before = head[from..=to].iter().rfind(|(_, other, from)| match (from, name) {
            (false, Some(_)) => true,
            (true, None) => false,
            _ => *other < module,
        });
        return Ok(Some(match before {
            Some((id, ..)) => Edit::insert(&m.file, after(*id), format!("{newline}{line}")),
            None => Edit::insert(&m.file, m.stmt(head[from].0).span.start, format!("{line}{newline}")),
        }));
    }
    let standard = head.iter().take_while(|(_, name, _)| stdlib::is_module(top(name))).last();
    Ok(Some(match (standard, head.first(), docstring) {
        (Some((id, ..)), ..) => Edit::insert(&m.file, after(*id), format!("{newline}{newline}{line}")),
        (None, Some((first, ..)), _) => Edit::insert(&m.file, m.stmt(*first).span.start, format!("{line}{newline}{newline}")),
        (None, None, Some(doc)) => Edit::insert(&m.file, after(doc), format!("{newline}{newline}{line}")),
        // Before everything but what has to be on the first lines: an interpreter and an encoding.
        (None, None, None) => {
            let lines = (0..m.source.line_count()).take_while(|&n| {
                let text = m.source.line(n);
                n < 2 && (text.starts_with("#!") || text.starts_with('#') && text.contains("coding"))
            });
            let at = lines.last().map_or(0, |n| m.source.line_span(n + 1).start);
            Edit::insert(&m.file, at, format!("{line}{newline}{newline}"))
        }
    }))
}
