//! A project's own queries, run by tree-sitter.

use std::cell::RefCell;
use std::sync::Arc;

use tree_sitter::{Node, Parser, Query, QueryCursor, QueryErrorKind, QueryPredicateArg, StreamingIterator, Tree};

use super::shape::Term;
use super::{File, Mask, Match, Meaning, Pattern, QueryError, Written, meaning};
use crate::python::ast::{Ast, ExprId};
use crate::source::Span;

/// All of them as one, so that running them is one pass a file.
pub(super) struct OwnQueries {
    mask: Mask,
    query: Query,
    patterns: Vec<Arc<Pattern>>,
    captures: Vec<Meaning>,
}

impl OwnQueries {
    /// Compiles those of some files that are a project's own, whether a file triggers them or not: a mistake is told at once.
    pub(super) fn compile(files: &[File]) -> Result<Option<Self>, QueryError> {
        let own: Vec<(Mask, &File)> =
            files.iter().enumerate().filter(|(_, file)| file.custom.is_some()).map(|(i, file)| (Mask(1 << i), file)).collect();
        if own.is_empty() {
            return Ok(None);
        }
        let mut text = String::new();
        let mut starts = Vec::new();
        for (_, file) in &own {
            starts.push(text.len());
            text.push_str(&file.text);
            text.push('\n');
        }
        // Which file an offset of the joined text is in, and the offset there.
        let origin = |offset: usize| {
            let i = starts.partition_point(|&s| s <= offset).saturating_sub(1);
            (own[i], offset - starts[i])
        };
        let error = |offset: usize, message: String| {
            let ((_, file), offset) = origin(offset);
            file.error(offset, message)
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
        let captures = query
            .capture_names()
            .iter()
            .map(|name| meaning(name).map_err(|message| error(text.find(&format!("@{name}")).unwrap_or(0), message)));
        let captures: Vec<Meaning> = captures.collect::<Result<_, _>>()?;
        let mut mask = Mask::NONE;
        let mut patterns = Vec::new();
        for i in 0..query.pattern_count() {
            let at = query.start_byte_for_pattern(i);
            let ((one, file), offset) = origin(at);
            let written = written(&query, i, &text[at..query.end_byte_for_pattern(i)]).map_err(|message| error(at, message))?;
            patterns.push(Arc::new(file.pattern(one, offset, written, &captures)?));
            mask = mask.union(one);
        }
        Ok(Some(Self { mask, query, patterns, captures }))
    }

    pub(super) fn patterns(&self) -> impl Iterator<Item = &Arc<Pattern>> {
        self.patterns.iter()
    }

    /// Runs those of the wanted queries over a text. Captures are looked up in its lowered tree.
    pub(super) fn run(&self, wanted: Mask, ast: &Ast, text: &str, found: &mut Vec<Match>) {
        if !self.mask.meets(wanted) {
            return;
        }
        let Some(tree) = parse(text) else { return };
        let mut cursor = QueryCursor::new();
        let mut matches = cursor.matches(&self.query, tree.root_node(), text.as_bytes());
        while let Some(m) = matches.next() {
            let pattern = &self.patterns[m.pattern_index];
            if pattern.query.within(wanted) {
                let captures = m.captures().iter().filter_map(|c| Some((c.index, expression(ast, c.node)?)));
                found.extend(Match::new(pattern, captures.collect(), &self.captures));
            }
        }
    }
}

/// `None` only if tree-sitter refuses its own grammar, which a test rules out.
fn parse(text: &str) -> Option<Tree> {
    thread_local! {
        static PARSER: RefCell<Option<Parser>> = RefCell::new(parser());
    }
    PARSER.with_borrow_mut(|parser| parser.as_mut()?.parse(text, None))
}

fn parser() -> Option<Parser> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
    Some(parser)
}

/// What the lowered tree has for a node: for parentheses, what is inside.
fn expression(ast: &Ast, mut node: Node<'_>) -> Option<ExprId> {
    while node.kind() == "parenthesized_expression" {
        let mut cursor = node.walk();
        node = node.named_children(&mut cursor).find(|child| !child.is_extra())?;
    }
    let range = node.byte_range();
    ast.expr_at(Span::new(u32::try_from(range.start).ok()?, u32::try_from(range.end).ok()?))
}

fn written(query: &Query, i: usize, text: &str) -> Result<Written, String> {
    let captures = (0..).zip(query.capture_names()).filter(|(_, name)| mentions(text, name)).map(|(index, _)| index).collect();
    let term = |arg: &QueryPredicateArg| match arg {
        QueryPredicateArg::Capture(capture) => Term::Capture(*capture),
        QueryPredicateArg::String(text) => Term::Text(text.to_string()),
    };
    let predicates =
        query.general_predicates(i).iter().map(|p| (p.operator.to_string(), p.args.iter().map(term).collect())).collect();
    if !query.property_predicates(i).is_empty() {
        return Err("unknown predicates `#is?`, `#is-not?`".to_owned());
    }
    let settings = query.property_settings(i).iter();
    let settings = settings.map(|s| (s.key.to_string(), s.value.as_deref().unwrap_or_default().to_owned())).collect();
    Ok(Written { captures, predicates, settings })
}

fn mentions(text: &str, capture: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        text[at + 1..]
            .strip_prefix(capture)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_loads() {
        assert!(parse("x = 1\n").is_some());
    }
}
