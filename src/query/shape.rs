//! Patterns in tree-sitter's query language, matched on the [`Ast`].
//!
//! The built-in queries ask for a handful of node kinds, all of which the tree has that the semantic model is built on.
//! Matching them there saves a second parse of every file, which would be more than half of a run's time. What is read here is
//! the part of the language that `queries/` uses; everything else is an error. A test holds the two to one another: tree-sitter
//! compiles each of these queries, and finds the same with it.

use crate::python::ast::{ArgKind, Ast, BinaryOp, Clause, ComprehensionKind, ExprId, ExprKind, StmtId, StmtKind, Symbol};

/// A node of tree-sitter's grammar that patterns may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Call,
    ArgumentList,
    KeywordArgument,
    Attribute,
    Identifier,
    Integer,
    Float,
    BinaryOperator,
    ListComprehension,
    ForInClause,
    ForStatement,
}

const KINDS: &[(&str, Kind)] = &[
    ("call", Kind::Call),
    ("argument_list", Kind::ArgumentList),
    ("keyword_argument", Kind::KeywordArgument),
    ("attribute", Kind::Attribute),
    ("identifier", Kind::Identifier),
    ("integer", Kind::Integer),
    ("float", Kind::Float),
    ("binary_operator", Kind::BinaryOperator),
    ("list_comprehension", Kind::ListComprehension),
    ("for_in_clause", Kind::ForInClause),
    ("for_statement", Kind::ForStatement),
];

/// A field of tree-sitter's grammar that patterns may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Function,
    Arguments,
    Object,
    Attribute,
    Name,
    Value,
    Left,
    Operator,
    Right,
}

const FIELDS: &[(&str, Field)] = &[
    ("function", Field::Function),
    ("arguments", Field::Arguments),
    ("object", Field::Object),
    ("attribute", Field::Attribute),
    ("name", Field::Name),
    ("value", Field::Value),
    ("left", Field::Left),
    ("operator", Field::Operator),
    ("right", Field::Right),
];

/// What a node has to be like.
#[derive(Debug)]
struct Shape {
    test: Test,
    /// Names of what is captured, by index.
    captures: Vec<u32>,
}

#[derive(Debug)]
enum Test {
    /// `(_)`
    Any,
    /// `"*"`
    Token(BinaryOp),
    /// `[(a) (b)]`
    OneOf(Vec<Shape>),
    /// `(kind field: (a) . (b))`
    Node(Kind, Vec<Child>),
}

#[derive(Debug)]
struct Child {
    field: Option<Field>,
    /// `.` before it: it follows what precedes it in the pattern, or comes first.
    follows: bool,
    /// `.` after it, at the end: it comes last.
    last: bool,
    shape: Shape,
}

/// What a predicate or a setting is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term {
    Capture(u32),
    Text(String),
}

/// A pattern as it is written.
#[derive(Debug)]
pub(super) struct Drawn {
    /// Where it starts in its file.
    pub(super) offset: usize,
    /// `#name` and what follows, in order; the `#` is left out.
    pub(super) predicates: Vec<(String, Vec<Term>)>,
    /// What a capture has to be called: `#eq?`, `#any-of?`.
    called: Vec<(u32, Vec<String>)>,
    shape: Shape,
}

/// Reads the patterns of a file. Names of captures are kept in `names`, those of other files before them.
///
/// # Errors
/// With an offset, where it is more than is understood here.
pub(super) fn read(text: &str, names: &mut Vec<String>) -> Result<Vec<Drawn>, (usize, String)> {
    let mut reader = Reader { text, at: 0, names };
    let mut patterns = Vec::new();
    while reader.peek().is_some() {
        patterns.push(reader.pattern().map_err(|message| (reader.at, message))?);
    }
    Ok(patterns)
}

struct Reader<'t, 'n> {
    text: &'t str,
    at: usize,
    names: &'n mut Vec<String>,
}

impl<'t> Reader<'t, '_> {
    /// The next character that is neither space nor in a comment.
    fn peek(&mut self) -> Option<char> {
        loop {
            let rest = &self.text[self.at..];
            let next = rest.chars().next()?;
            match next {
                ';' => self.at += rest.find('\n').unwrap_or(rest.len()),
                _ if next.is_whitespace() => self.at += next.len_utf8(),
                _ => return Some(next),
            }
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(format!("`{wanted}` is missing")) }
    }

    /// A name: letters, digits, `_`, `-`, `.`, `?` and `!`.
    fn word(&mut self) -> Result<&'t str, String> {
        self.peek();
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "_-.?!".contains(c))).unwrap_or(rest.len());
        self.at += end;
        if end == 0 { Err("a name is missing".to_owned()) } else { Ok(&rest[..end]) }
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let rest = &self.text[self.at..];
        let end = rest.find('"').ok_or("a string does not end")?;
        self.at += end + 1;
        if rest[..end].contains('\\') { Err("escapes are not understood".to_owned()) } else { Ok(rest[..end].to_owned()) }
    }

    fn name(&mut self) -> Result<u32, String> {
        let name = self.word()?;
        let index = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        u32::try_from(index).map_err(|e| e.to_string())
    }

    /// `(node) @capture`, or `((node) @capture (#predicate …))`.
    fn pattern(&mut self) -> Result<Drawn, String> {
        self.peek();
        let offset = self.at;
        self.expect('(')?;
        let grouped = matches!(self.peek(), Some('(' | '['));
        if !grouped {
            self.at = offset;
        }
        let shape = self.shape()?;
        let mut drawn = Drawn { offset, predicates: Vec::new(), called: Vec::new(), shape };
        while grouped && !self.take(')') {
            self.expect('(')?;
            self.expect('#')?;
            let operator = self.word()?.to_owned();
            let mut terms = Vec::new();
            while !self.take(')') {
                terms.push(match self.peek() {
                    Some('@') => {
                        self.at += 1;
                        Term::Capture(self.name()?)
                    }
                    Some('"') => Term::Text(self.string()?),
                    _ => Term::Text(self.word()?.to_owned()),
                });
            }
            match (operator.as_str(), terms.split_first()) {
                ("eq?" | "any-of?", Some((&Term::Capture(capture), texts))) => {
                    let texts = texts.iter().map(|term| match term {
                        Term::Text(text) => Ok(text.clone()),
                        Term::Capture(_) => Err("captures are not compared".to_owned()),
                    });
                    drawn.called.push((capture, texts.collect::<Result<_, _>>()?));
                }
                _ => drawn.predicates.push((operator, terms)),
            }
        }
        Ok(drawn)
    }

    fn shape(&mut self) -> Result<Shape, String> {
        let test = match self.peek() {
            Some('"') => match self.string()?.as_str() {
                "*" => Test::Token(BinaryOp::Mul),
                other => return Err(format!("the token `{other}` is not known")),
            },
            Some('[') => {
                self.at += 1;
                let mut alternatives = Vec::new();
                while !self.take(']') {
                    alternatives.push(self.shape()?);
                }
                Test::OneOf(alternatives)
            }
            _ => {
                self.expect('(')?;
                let name = self.word()?;
                if name == "_" {
                    self.expect(')')?;
                    Test::Any
                } else {
                    let kind = KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
                    Test::Node(kind.ok_or_else(|| format!("the node `{name}` is not known"))?, self.children()?)
                }
            }
        };
        let mut captures = Vec::new();
        while self.take('@') {
            captures.push(self.name()?);
        }
        Ok(Shape { test, captures })
    }

    /// What is inside of a node, up to its `)`.
    fn children(&mut self) -> Result<Vec<Child>, String> {
        let mut children: Vec<Child> = Vec::new();
        let mut follows = false;
        loop {
            match self.peek() {
                Some(')') => {
                    self.at += 1;
                    if let Some(child) = children.last_mut() {
                        child.last = follows;
                    }
                    return Ok(children);
                }
                Some('.') => {
                    self.at += 1;
                    follows = true;
                    continue;
                }
                Some('(' | '[' | '"') => children.push(Child { field: None, follows, last: false, shape: self.shape()? }),
                _ => {
                    let name = self.word()?;
                    self.expect(':')?;
                    let field = FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| *field);
                    let field = Some(field.ok_or_else(|| format!("the field `{name}` is not known"))?);
                    children.push(Child { field, follows, last: false, shape: self.shape()? });
                }
            }
            follows = false;
        }
    }
}

/// Something in the tree that is a node to tree-sitter's grammar.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node {
    Expr(ExprId),
    Stmt(StmtId),
    /// The parentheses of a call.
    Arguments(ExprId),
    /// `name=value` in the call, by its place among the arguments.
    Keyword(ExprId, usize),
    /// `for … in …` of a comprehension, by its place among the clauses.
    Clause(ExprId, usize),
    Name(Symbol),
    Token(BinaryOp),
    /// What no pattern asks for, but may stand between what some do.
    Other,
}

/// What was captured, by the index of its name.
pub(super) type Captures = Vec<(u32, Node)>;

impl Drawn {
    /// The kind of node that the whole pattern is about, if it is about one kind.
    pub(super) const fn root(&self) -> Option<Kind> {
        match self.shape.test {
            Test::Node(kind, _) => Some(kind),
            _ => None,
        }
    }

    /// The names of what it captures, by index.
    pub(super) fn captures(&self) -> Vec<u32> {
        let mut captures = Vec::new();
        self.shape.collect(&mut captures);
        captures
    }

    /// Calls `f` with the captures of each way in which a node fits.
    pub(super) fn fits(&self, ast: &Ast, node: Node, f: &mut dyn FnMut(&Captures)) {
        let called = |(name, texts): &(u32, Vec<String>), captures: &Captures| {
            captures.iter().filter(|(index, _)| index == name).all(|(_, node)| {
                let text = match *node {
                    Node::Name(symbol) => ast.name(symbol),
                    Node::Expr(id) => match ast.expr(id).kind {
                        ExprKind::Name(symbol) => ast.name(symbol),
                        _ => return false,
                    },
                    _ => return false,
                };
                texts.iter().any(|wanted| wanted == text)
            })
        };
        self.shape.fits(ast, node, &mut Vec::new(), &mut |captures| {
            if self.called.iter().all(|names| called(names, captures)) {
                f(captures);
            }
        });
    }
}

impl Shape {
    fn collect(&self, into: &mut Vec<u32>) {
        into.extend(&self.captures);
        match &self.test {
            Test::Any | Test::Token(_) => {}
            Test::OneOf(shapes) => shapes.iter().for_each(|shape| shape.collect(into)),
            Test::Node(_, children) => children.iter().for_each(|child| child.shape.collect(into)),
        }
    }

    /// Calls `then` for each way to fit, with what was captured before and what is captured here.
    fn fits(&self, ast: &Ast, node: Node, captures: &mut Captures, then: &mut dyn FnMut(&mut Captures)) {
        let before = captures.len();
        captures.extend(self.captures.iter().map(|&capture| (capture, node)));
        match &self.test {
            Test::Any => then(captures),
            Test::Token(wanted) => {
                if matches!(node, Node::Token(op) if op == *wanted) {
                    then(captures);
                }
            }
            Test::OneOf(shapes) => shapes.iter().for_each(|shape| shape.fits(ast, node, captures, then)),
            Test::Node(wanted, children) => {
                if kind(ast, node) == Some(*wanted) {
                    inside(ast, node, children, 0, captures, then);
                }
            }
        }
        captures.truncate(before);
    }
}

/// Fits what is inside of a node; children that have no field come after the first `from` of the node's.
fn inside(ast: &Ast, node: Node, wanted: &[Child], from: usize, captures: &mut Captures, then: &mut dyn FnMut(&mut Captures)) {
    let Some((child, rest)) = wanted.split_first() else { return then(captures) };
    if let Some(name) = child.field {
        if let Some(found) = field(ast, node, name) {
            child.shape.fits(ast, found, captures, &mut |captures| inside(ast, node, rest, from, captures, then));
        }
        return;
    }
    let nodes = children(ast, node);
    for (i, &found) in nodes.iter().enumerate().skip(from) {
        if !child.last || i + 1 == nodes.len() {
            child.shape.fits(ast, found, captures, &mut |captures| inside(ast, node, rest, i + 1, captures, then));
        }
        if child.follows {
            break;
        }
    }
}

/// What a node is in tree-sitter's grammar, of what patterns ask for.
fn kind(ast: &Ast, node: Node) -> Option<Kind> {
    Some(match node {
        Node::Expr(id) => match &ast.expr(id).kind {
            ExprKind::Call { .. } => Kind::Call,
            ExprKind::Attribute { .. } => Kind::Attribute,
            ExprKind::Name(_) => Kind::Identifier,
            ExprKind::Int(_) => Kind::Integer,
            ExprKind::Float(_) => Kind::Float,
            ExprKind::Binary { .. } => Kind::BinaryOperator,
            ExprKind::Comprehension { kind: ComprehensionKind::List, .. } => Kind::ListComprehension,
            _ => return None,
        },
        Node::Stmt(id) => match &ast.stmt(id).kind {
            StmtKind::For { .. } => Kind::ForStatement,
            _ => return None,
        },
        Node::Arguments(_) => Kind::ArgumentList,
        Node::Keyword(..) => Kind::KeywordArgument,
        Node::Clause(..) => Kind::ForInClause,
        Node::Name(_) => Kind::Identifier,
        Node::Token(_) | Node::Other => return None,
    })
}

fn field(ast: &Ast, node: Node, field: Field) -> Option<Node> {
    let kind = match node {
        Node::Expr(id) => (id, &ast.expr(id).kind),
        Node::Keyword(id, i) => {
            let ExprKind::Call { args, .. } = &ast.expr(id).kind else { return None };
            return match (field, args[i].kind) {
                (Field::Name, ArgKind::Keyword(name)) => Some(Node::Name(name)),
                (Field::Value, _) => Some(Node::Expr(args[i].value)),
                _ => None,
            };
        }
        Node::Clause(id, i) => {
            let ExprKind::Comprehension { clauses, .. } = &ast.expr(id).kind else { return None };
            return match (field, &clauses[i]) {
                (Field::Left, Clause::For { target, .. }) => Some(Node::Expr(*target)),
                (Field::Right, Clause::For { iter, .. }) => Some(Node::Expr(*iter)),
                _ => None,
            };
        }
        Node::Stmt(id) => {
            return match (field, &ast.stmt(id).kind) {
                (Field::Left, StmtKind::For { target, .. }) => Some(Node::Expr(*target)),
                (Field::Right, StmtKind::For { iter, .. }) => Some(Node::Expr(*iter)),
                _ => None,
            };
        }
        _ => return None,
    };
    match (field, kind) {
        (Field::Function, (_, ExprKind::Call { func, .. })) => Some(Node::Expr(*func)),
        (Field::Arguments, (id, ExprKind::Call { .. })) => Some(Node::Arguments(id)),
        (Field::Object, (_, ExprKind::Attribute { value, .. })) => Some(Node::Expr(*value)),
        (Field::Attribute, (_, ExprKind::Attribute { attr, .. })) => Some(Node::Name(*attr)),
        (Field::Left, (_, ExprKind::Binary { left, .. })) => Some(Node::Expr(*left)),
        (Field::Operator, (_, ExprKind::Binary { op, .. })) => Some(Node::Token(*op)),
        (Field::Right, (_, ExprKind::Binary { right, .. })) => Some(Node::Expr(*right)),
        _ => None,
    }
}

/// The named children of a node, where patterns ask for them without a field.
fn children(ast: &Ast, node: Node) -> Vec<Node> {
    match node {
        Node::Arguments(id) => {
            let ExprKind::Call { args, .. } = &ast.expr(id).kind else { return Vec::new() };
            let node = |(i, arg): (usize, &crate::python::ast::Arg)| match arg.kind {
                ArgKind::Positional => Node::Expr(arg.value),
                ArgKind::Keyword(_) => Node::Keyword(id, i),
                ArgKind::Star | ArgKind::DoubleStar => Node::Other,
            };
            args.iter().enumerate().map(node).collect()
        }
        Node::Expr(id) => match &ast.expr(id).kind {
            ExprKind::Comprehension { element, clauses, .. } => {
                let clause = |(i, clause): (usize, &Clause)| match clause {
                    Clause::For { .. } => Node::Clause(id, i),
                    Clause::If(_) => Node::Other,
                };
                std::iter::once(Node::Expr(*element)).chain(clauses.iter().enumerate().map(clause)).collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Calls `f` with everything in a tree that a pattern may be about, and its kind.
pub(super) fn nodes(ast: &Ast, f: &mut dyn FnMut(Kind, Node)) {
    let ids = |len: usize| 0..u32::try_from(len).unwrap_or(u32::MAX);
    for id in ids(ast.exprs.len()).map(ExprId) {
        let node = Node::Expr(id);
        if let Some(kind) = kind(ast, node) {
            f(kind, node);
        }
        if let ExprKind::Comprehension { clauses, .. } = &ast.expr(id).kind {
            let fors = clauses.iter().enumerate().filter(|(_, clause)| matches!(clause, Clause::For { .. }));
            fors.for_each(|(i, _)| f(Kind::ForInClause, Node::Clause(id, i)));
        }
    }
    for id in ids(ast.stmts.len()).map(StmtId) {
        if let Some(kind) = kind(ast, Node::Stmt(id)) {
            f(kind, Node::Stmt(id));
        }
    }
}
