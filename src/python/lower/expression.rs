//! Expressions: from ruff's to those of the [`Ast`](crate::python::ast::Ast).

use ruff_python_ast::{self as ruff, ArgOrKeyword, FStringPart, InterpolatedStringElements};
use ruff_text_size::{Ranged, TextRange};

use super::literal::{self, Literal};
use super::{Lowering, MAX_DEPTH, STACK, span};
use crate::python::ast::{Arg, ArgKind, BinaryOp, Clause, CompareOp, ComprehensionKind, ExprId, ExprKind, Param, ParamKind};
use crate::source::Span;

impl<'a> Lowering<'a> {
    pub(super) fn exprs(&mut self, exprs: &'a [ruff::Expr]) -> Vec<ExprId> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    pub(super) fn optional(&mut self, expr: Option<&'a ruff::Expr>) -> Option<ExprId> {
        expr.map(|expr| self.expr(expr))
    }

    pub(super) fn expr(&mut self, expr: &'a ruff::Expr) -> ExprId {
        self.expr_over(expr, span(expr.range()))
    }

    /// Lowers an expression that takes up a span.
    fn expr_over(&mut self, expr: &'a ruff::Expr, span: Span) -> ExprId {
        self.depth += 1;
        let kind = if self.depth > MAX_DEPTH {
            self.too_deep(span);
            ExprKind::Other(Vec::new())
        } else {
            stacker::maybe_grow(STACK.0, STACK.1, || self.expr_kind(expr))
        };
        self.depth -= 1;
        self.new_expr(kind, span)
    }

    fn expr_kind(&mut self, expr: &'a ruff::Expr) -> ExprKind {
        match expr {
            ruff::Expr::Name(name) if name.id.is_empty() => ExprKind::Other(Vec::new()),
            ruff::Expr::Name(name) => ExprKind::Name(self.intern(name.id.as_str())),
            ruff::Expr::Attribute(attribute) => {
                let value = self.expr(&attribute.value);
                let (attr, attr_span) = self.name(&attribute.attr);
                ExprKind::Attribute { value, attr, attr_span }
            }
            ruff::Expr::Call(call) => {
                let func = self.expr(&call.func);
                ExprKind::Call { func, args: self.args(&call.arguments), args_span: span(call.arguments.range()) }
            }
            ruff::Expr::NumberLiteral(number) => match &number.value {
                ruff::Number::Int(_) => ExprKind::Int(literal::integer(self.slice(span(number.range())))),
                ruff::Number::Float(value) => ExprKind::Float(*value),
                ruff::Number::Complex { .. } => ExprKind::Imaginary,
            },
            ruff::Expr::StringLiteral(string) => self.literals(false, string.value.iter().map(Ranged::range)),
            ruff::Expr::BytesLiteral(bytes) => self.literals(true, bytes.value.iter().map(Ranged::range)),
            ruff::Expr::FString(string) => {
                let mut parts = Vec::new();
                for part in &string.value {
                    if let FStringPart::FString(part) = part {
                        self.interpolations(&part.elements, &mut parts);
                    }
                }
                self.formatted(parts, string.value.iter().map(Ranged::range))
            }
            ruff::Expr::TString(string) => {
                let mut parts = Vec::new();
                for part in &string.value {
                    self.interpolations(&part.elements, &mut parts);
                }
                self.formatted(parts, string.value.iter().map(Ranged::range))
            }
            ruff::Expr::BooleanLiteral(literal) => ExprKind::Bool(literal.value),
            ruff::Expr::NoneLiteral(_) => ExprKind::None,
            ruff::Expr::EllipsisLiteral(_) => ExprKind::Ellipsis,
            ruff::Expr::List(list) => ExprKind::List(self.exprs(&list.elts)),
            ruff::Expr::Tuple(tuple) => ExprKind::Tuple(self.exprs(&tuple.elts)),
            ruff::Expr::Set(set) => ExprKind::Set(self.exprs(&set.elts)),
            ruff::Expr::Dict(dict) => {
                let item = |item: &'a ruff::DictItem| (self.optional(item.key.as_ref()), self.expr(&item.value));
                ExprKind::Dict(dict.items.iter().map(item).collect())
            }
            ruff::Expr::ListComp(comp) => self.comprehension(ComprehensionKind::List, &comp.elt, None, &comp.generators),
            ruff::Expr::SetComp(comp) => self.comprehension(ComprehensionKind::Set, &comp.elt, None, &comp.generators),
            ruff::Expr::Generator(comp) => self.comprehension(ComprehensionKind::Generator, &comp.elt, None, &comp.generators),
            ruff::Expr::DictComp(comp) => match &comp.key {
                Some(key) => self.comprehension(ComprehensionKind::Dict, key, Some(&comp.value), &comp.generators),
                None => self.comprehension(ComprehensionKind::Dict, &comp.value, None, &comp.generators),
            },
            ruff::Expr::Lambda(lambda) => {
                let params = lambda.parameters.as_deref().map(|params| self.params(params)).unwrap_or_default();
                ExprKind::Lambda { params, body: self.expr(&lambda.body) }
            }
            ruff::Expr::BinOp(binary) => {
                let (left, right) = (self.expr(&binary.left), self.expr(&binary.right));
                ExprKind::Binary { op: operator(binary.op), left, right }
            }
            ruff::Expr::UnaryOp(unary) => {
                let operand = self.expr(&unary.operand);
                match unary.op {
                    ruff::UnaryOp::Not => ExprKind::Not(operand),
                    ruff::UnaryOp::Invert => ExprKind::Unary { op: '~', operand },
                    ruff::UnaryOp::UAdd => ExprKind::Unary { op: '+', operand },
                    ruff::UnaryOp::USub => ExprKind::Unary { op: '-', operand },
                }
            }
            ruff::Expr::BoolOp(operation) => self.bool_op(operation),
            ruff::Expr::Compare(compare) => {
                let first = self.expr(&compare.left);
                let rest = compare.ops.iter().zip(&compare.comparators);
                ExprKind::Compare { first, rest: rest.map(|(op, right)| (comparison(*op), self.expr(right))).collect() }
            }
            ruff::Expr::Subscript(subscript) => {
                let (value, index) = (self.expr(&subscript.value), self.expr(&subscript.slice));
                ExprKind::Subscript { value, index }
            }
            ruff::Expr::Slice(slice) => {
                let parts = slice.lower.iter().chain(&slice.upper).chain(&slice.step);
                ExprKind::Slice(parts.map(|part| self.expr(part)).collect())
            }
            ruff::Expr::If(choice) => {
                let (then, test, otherwise) = (self.expr(&choice.body), self.expr(&choice.test), self.expr(&choice.orelse));
                ExprKind::IfElse { test, then, otherwise }
            }
            ruff::Expr::Await(awaited) => ExprKind::Await(self.expr(&awaited.value)),
            ruff::Expr::Yield(yielded) => ExprKind::Yield { value: self.optional(yielded.value.as_deref()), from: false },
            ruff::Expr::YieldFrom(yielded) => ExprKind::Yield { value: Some(self.expr(&yielded.value)), from: true },
            ruff::Expr::Named(named) => {
                let (target, value) = (self.expr(&named.target), self.expr(&named.value));
                ExprKind::Walrus { target, value }
            }
            ruff::Expr::Starred(starred) => ExprKind::Starred(self.expr(&starred.value)),
            ruff::Expr::IpyEscapeCommand(_) => ExprKind::Other(Vec::new()),
        }
    }

    /// `a and b and c` is `(a and b) and c`.
    fn bool_op(&mut self, operation: &'a ruff::ExprBoolOp) -> ExprKind {
        let (and, start) = (operation.op == ruff::BoolOp::And, operation.start().to_u32());
        let values = &operation.values;
        if self.depth + values.len() > MAX_DEPTH {
            self.too_deep(span(operation.range()));
            return ExprKind::Other(Vec::new());
        }
        let Some((first, rest)) = values.split_first() else { return ExprKind::Other(Vec::new()) };
        // The operands of the innermost operation are the most deeply nested.
        self.depth += rest.len().saturating_sub(1);
        let mut left = self.expr(first);
        for (i, value) in rest.iter().enumerate() {
            let right = self.expr(value);
            let kind = ExprKind::Bool2 { and, left, right };
            let Some(next) = rest.get(i + 1) else { return kind };
            self.depth -= 1;
            let end = self.parenthesized_end(value.end().to_u32(), next.start().to_u32());
            left = self.new_expr(kind, Span::new(start, end));
        }
        ExprKind::Other(vec![left])
    }

    fn comprehension(
        &mut self,
        kind: ComprehensionKind,
        element: &'a ruff::Expr,
        value: Option<&'a ruff::Expr>,
        generators: &'a [ruff::Comprehension],
    ) -> ExprKind {
        let (element, value) = (self.expr(element), self.optional(value));
        let mut clauses = Vec::with_capacity(generators.len());
        for generator in generators {
            let (target, iter) = (self.expr(&generator.target), self.expr(&generator.iter));
            clauses.push(Clause::For { target, iter, is_async: generator.is_async });
            clauses.extend(generator.ifs.iter().map(|test| Clause::If(self.expr(test))));
        }
        ExprKind::Comprehension { kind, element, value, clauses }
    }

    /// String literals joined by juxtaposition, none with an interpolation.
    fn literals(&self, bytes: bool, parts: impl Iterator<Item = TextRange>) -> ExprKind {
        let mut text = Some(String::new());
        let len = parts.map(|part| Literal::new(self.slice(span(part))).decode(&mut text)).sum();
        ExprKind::Str { bytes, text, len: Some(len), parts: Vec::new() }
    }

    fn formatted(&self, interpolated: Vec<ExprId>, parts: impl Iterator<Item = TextRange>) -> ExprKind {
        if interpolated.is_empty() {
            return self.literals(false, parts);
        }
        ExprKind::Str { bytes: false, text: None, len: None, parts: interpolated }
    }

    fn interpolations(&mut self, elements: &'a InterpolatedStringElements, into: &mut Vec<ExprId>) {
        for interpolation in elements.interpolations() {
            into.push(self.expr(&interpolation.expression));
            let Some(format) = &interpolation.format_spec else { continue };
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                self.too_deep(span(format.range));
            } else {
                self.interpolations(&format.elements, into);
            }
            self.depth -= 1;
        }
    }

    pub(super) fn args(&mut self, arguments: &'a ruff::Arguments) -> Vec<Arg> {
        let within = span(arguments.range());
        if let ([generator @ ruff::Expr::Generator(comp)], true) = (&*arguments.args, arguments.keywords.is_empty())
            && !comp.parenthesized
        {
            // `f(x for x in y)`: the generator has the call's parentheses.
            let value = self.expr_over(generator, within);
            return vec![Arg { kind: ArgKind::Positional, value, span: within }];
        }
        let mut args = Vec::with_capacity(arguments.len());
        let mut after = within.start + 1;
        for arg in arguments.iter_source_order() {
            let mut span = match arg {
                ArgOrKeyword::Arg(arg) => span(arg.range()),
                ArgOrKeyword::Keyword(keyword) => span(keyword.range()),
            };
            let end = self.parenthesized_end(span.end, within.end.saturating_sub(1));
            if end > span.end {
                // As many were opened before it.
                span = Span::new(self.next_token(after), end);
            }
            after = end;
            let (kind, value) = match arg {
                ArgOrKeyword::Arg(ruff::Expr::Starred(starred)) => (ArgKind::Star, self.expr(&starred.value)),
                ArgOrKeyword::Arg(arg) => (ArgKind::Positional, self.expr(arg)),
                ArgOrKeyword::Keyword(keyword) => {
                    let kind = keyword.arg.as_ref().map_or(ArgKind::DoubleStar, |name| ArgKind::Keyword(self.name(name).0));
                    (kind, self.expr(&keyword.value))
                }
            };
            args.push(Arg { kind, value, span });
        }
        args
    }

    pub(super) fn params(&mut self, params: &'a ruff::Parameters) -> Vec<Param> {
        let mut out = Vec::with_capacity(params.len());
        let several = |params: &'a [ruff::ParameterWithDefault], kind: ParamKind, lowering: &mut Self, out: &mut Vec<Param>| {
            for param in params {
                out.push(lowering.param(&param.parameter, kind, param.default.as_deref(), span(param.range())));
            }
        };
        several(&params.posonlyargs, ParamKind::PositionalOnly, self, &mut out);
        several(&params.args, ParamKind::Normal, self, &mut out);
        if let Some(param) = &params.vararg {
            out.push(self.param(param, ParamKind::Star, None, span(param.range())));
        }
        several(&params.kwonlyargs, ParamKind::KeywordOnly, self, &mut out);
        if let Some(param) = &params.kwarg {
            out.push(self.param(param, ParamKind::DoubleStar, None, span(param.range())));
        }
        out
    }

    fn param(&mut self, param: &'a ruff::Parameter, kind: ParamKind, default: Option<&'a ruff::Expr>, span: Span) -> Param {
        let (name, name_span) = self.name(&param.name);
        let annotation = self.optional(param.annotation.as_deref());
        Param { name, name_span, kind, annotation, default: self.optional(default), span }
    }

    /// Where the next token after an offset is, which is no comma.
    fn next_token(&self, mut at: u32) -> u32 {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(at as usize) {
            match byte {
                b' ' | b'\t' | b'\x0c' | b'\\' | b'\r' | b'\n' | b',' => at += 1,
                b'#' => {
                    let line = memchr::memchr2(b'\n', b'\r', &bytes[at as usize..]);
                    at = line.map_or(bytes.len(), |n| at as usize + n).try_into().unwrap_or(u32::MAX);
                }
                _ => break,
            }
        }
        at
    }

    /// Where an expression ends with the parentheses around it, of which none is closed after `limit`.
    fn parenthesized_end(&self, mut end: u32, limit: u32) -> u32 {
        loop {
            let at = self.next_token(end);
            if at >= limit || self.text.as_bytes().get(at as usize) != Some(&b')') {
                return end;
            }
            end = at + 1;
        }
    }
}

pub(super) fn operator(op: ruff::Operator) -> BinaryOp {
    match op {
        ruff::Operator::Add => BinaryOp::Add,
        ruff::Operator::Sub => BinaryOp::Sub,
        ruff::Operator::Mult => BinaryOp::Mul,
        ruff::Operator::MatMult => BinaryOp::MatMul,
        ruff::Operator::Div => BinaryOp::Div,
        ruff::Operator::Mod => BinaryOp::Mod,
        ruff::Operator::Pow => BinaryOp::Pow,
        ruff::Operator::LShift => BinaryOp::ShiftLeft,
        ruff::Operator::RShift => BinaryOp::ShiftRight,
        ruff::Operator::BitOr => BinaryOp::BitOr,
        ruff::Operator::BitXor => BinaryOp::BitXor,
        ruff::Operator::BitAnd => BinaryOp::BitAnd,
        ruff::Operator::FloorDiv => BinaryOp::FloorDiv,
    }
}

fn comparison(op: ruff::CmpOp) -> CompareOp {
    match op {
        ruff::CmpOp::Eq => CompareOp::Eq,
        ruff::CmpOp::NotEq => CompareOp::NotEq,
        ruff::CmpOp::Lt => CompareOp::Lt,
        ruff::CmpOp::LtE => CompareOp::LtE,
        ruff::CmpOp::Gt => CompareOp::Gt,
        ruff::CmpOp::GtE => CompareOp::GtE,
        ruff::CmpOp::Is => CompareOp::Is,
        ruff::CmpOp::IsNot => CompareOp::IsNot,
        ruff::CmpOp::In => CompareOp::In,
        ruff::CmpOp::NotIn => CompareOp::NotIn,
    }
}
