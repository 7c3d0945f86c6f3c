//! The built-in queries, matched on the [`Ast`].

use std::sync::Arc;

use super::shape::{Drawn, Node, Term, nodes, read};
use super::{File, Mask, Match, Meaning, Pattern, QueryError, Written, meaning};
use crate::python::ast::Ast;

/// All of them.
pub(super) struct Builtin {
    patterns: Vec<(Drawn, Arc<Pattern>)>,
    /// What their captures mean, by index.
    captures: Vec<Meaning>,
}

impl Builtin {
    /// Reads those of some files that are built in.
    ///
    /// # Errors
    /// When one of them is wrong, which a test rules out.
    pub(super) fn read(files: &[File]) -> Result<Self, QueryError> {
        let (mut patterns, mut names, mut captures) = (Vec::new(), Vec::new(), Vec::new());
        for (i, file) in files.iter().enumerate().filter(|(_, file)| file.custom.is_none()) {
            let error = |(offset, message): (usize, String)| file.error(offset, message);
            for mut drawn in read(&file.text, &mut names).map_err(error)? {
                for name in &names[captures.len()..] {
                    captures.push(meaning(name).map_err(|message| error((drawn.offset, message)))?);
                }
                let pattern = file.pattern(Mask(1 << i), drawn.offset, written(&mut drawn), &captures)?;
                patterns.push((drawn, Arc::new(pattern)));
            }
        }
        Ok(Self { patterns, captures })
    }

    pub(super) fn patterns(&self) -> impl Iterator<Item = &Arc<Pattern>> {
        self.patterns.iter().map(|(_, pattern)| pattern)
    }

    /// Matches those of the wanted queries.
    pub(super) fn run(&self, wanted: Mask, ast: &Ast, found: &mut Vec<Match>) {
        let chosen: Vec<_> = self.patterns.iter().filter(|(_, pattern)| pattern.query.within(wanted)).collect();
        if chosen.is_empty() {
            return;
        }
        nodes(ast, &mut |kind, node| {
            for (drawn, pattern) in chosen.iter().filter(|(drawn, _)| drawn.root().is_none_or(|root| root == kind)) {
                drawn.fits(ast, node, &mut |captures| {
                    let captures = captures.iter().filter_map(|&(index, node)| match node {
                        Node::Expr(id) => Some((index, id)),
                        _ => None,
                    });
                    found.extend(Match::new(pattern, captures.collect(), &self.captures));
                });
            }
        });
    }
}

/// Takes out of a pattern what it says besides what it looks like.
fn written(drawn: &mut Drawn) -> Written {
    let mut written = Written { captures: drawn.captures(), predicates: Vec::new(), settings: Vec::new() };
    for (operator, terms) in std::mem::take(&mut drawn.predicates) {
        match (operator.as_str(), terms.as_slice()) {
            ("set!", [Term::Text(key), Term::Text(value)]) => written.settings.push((key.clone(), value.clone())),
            _ => written.predicates.push((operator, terms)),
        }
    }
    written
}
