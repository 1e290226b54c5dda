//! `CC` and its options; and `async`, which is accepted as long as no promise can be seen: a call is already a wait.

use oxc_ast::AstKind;
use oxc_ast::ast::{CallExpression, Expression, ObjectPropertyKind};
use oxc_semantic::{NodeId, SymbolId};
use oxc_span::GetSpan;
use serde_json::json;

use crate::vm::op::Op;

use super::compiler::Compiler;

/// Built-in methods that call what they are given; a promise from it would not be waited for.
const CALLING_METHODS: &[&str] = &[
    "map",
    "filter",
    "forEach",
    "reduce",
    "reduceRight",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "some",
    "every",
    "sort",
    "toSorted",
    "flatMap",
    "replace",
    "replaceAll",
    "Array.from",
];

impl<'a> Compiler<'a, '_> {
    /// `CC(prompt, { choices }?)`
    pub(super) fn cognitive_call(&mut self, call: &'a CallExpression<'a>) {
        let spread = call.arguments.iter().any(|argument| !argument.is_expression());
        if spread || call.arguments.is_empty() || call.arguments.len() > 2 {
            return self.unsupported_value(
                call.span,
                "CC takes a prompt and, if wanted, options",
                "write CC(\"prompt\") or CC(prompt, { choices: [...] })",
            );
        }
        for argument in &call.arguments {
            if let Some(expression) = argument.as_expression() {
                self.expression(expression);
            }
        }
        if let Some(options) = call.arguments.get(1).and_then(|argument| argument.as_expression()) {
            self.check_options(options);
        }
        self.at(call.span);
        let argc = call.arguments.len();
        if argc == 1 { self.emit(Op::Cc) } else { self.emit_json(Op::Cc, json!(argc)) }
    }

    /// Options are read here as far as they go, so that one that does nothing is never dropped silently.
    fn check_options(&mut self, options: &Expression<'a>) {
        let Expression::ObjectExpression(object) = options.get_inner_expression() else {
            return self.unsupported(
                options.span(),
                "the options of CC must be written where it is called",
                "write CC(prompt, { choices: [...] })",
            );
        };
        for property in &object.properties {
            let name = match property {
                ObjectPropertyKind::ObjectProperty(property) if !property.computed => property.key.static_name(),
                _ => None,
            };
            match name.as_deref() {
                Some("choices") => {}
                Some(name) => self.unsupported(
                    property.span(),
                    format!("the option `{name}` of CC is not supported yet"),
                    "use choices",
                ),
                None => self.unsupported(
                    property.span(),
                    "the options of CC must be named where it is called",
                    "write { choices: [...] }",
                ),
            }
        }
    }

    /// An async function given to a built-in that calls it.
    pub(super) fn refuse_promises(&mut self, name: &str, call: &CallExpression<'a>) {
        if !CALLING_METHODS.contains(&name) || self.plan.own_properties.contains(name) {
            return;
        }
        for argument in &call.arguments {
            let is_async = match argument.as_expression().map(Expression::get_inner_expression) {
                Some(Expression::ArrowFunctionExpression(arrow)) => arrow.r#async,
                Some(Expression::FunctionExpression(function)) => function.r#async,
                Some(Expression::Identifier(id)) => self.symbol_of(id).is_some_and(|symbol| self.is_async(symbol)),
                _ => false,
            };
            if is_async {
                let hint = "leave `async` and `await` away, or write a for-of loop; a call is already a wait";
                self.unsupported(
                    argument.span(),
                    "an async function here would give promises that nobody waits for",
                    hint,
                );
            }
        }
    }

    /// Whether a name is declared as an async function.
    fn is_async(&self, symbol: SymbolId) -> bool {
        let declaration = self.semantic.scoping().symbol_declaration(symbol);
        match self.semantic.nodes().kind(declaration) {
            AstKind::Function(function) => function.r#async,
            AstKind::VariableDeclarator(declarator) => {
                match declarator.init.as_ref().map(Expression::get_inner_expression) {
                    Some(Expression::ArrowFunctionExpression(arrow)) => arrow.r#async,
                    Some(Expression::FunctionExpression(function)) => function.r#async,
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// The promise of an async function must be awaited at once; anywhere else Node would go on before it is done.
    pub(super) fn check_unawaited(&mut self, call: &CallExpression<'a>) {
        let name = match call.callee.get_inner_expression() {
            Expression::Identifier(id) if self.symbol_of(id).is_some_and(|symbol| self.is_async(symbol)) => {
                id.name.as_str()
            }
            Expression::StaticMemberExpression(member)
                if self.plan.async_members.contains(member.property.name.as_str()) =>
            {
                member.property.name.as_str()
            }
            Expression::ArrowFunctionExpression(arrow) if arrow.r#async => "(anonymous)",
            Expression::FunctionExpression(function) if function.r#async => "(anonymous)",
            _ => return,
        };
        if !self.is_awaited(call.node_id.get()) {
            let message = format!("the call of the async function `{name}` is not awaited");
            self.unsupported(
                call.span,
                message,
                "write await before the call: without it Node goes on before the call is done",
            );
        }
    }

    fn is_awaited(&self, call: NodeId) -> bool {
        let nodes = self.semantic.nodes();
        let mut node = nodes.parent_id(call);
        loop {
            match nodes.kind(node) {
                AstKind::AwaitExpression(_) => return true,
                AstKind::ReturnStatement(_) | AstKind::ArrowFunctionExpression(_) => return self.current.is_async,
                // The last thing that the program does.
                AstKind::ExpressionStatement(statement) => {
                    let last = nodes.program().body.last();
                    return last.is_some_and(|last| last.span() == statement.span);
                }
                AstKind::ParenthesizedExpression(_)
                | AstKind::ChainExpression(_)
                | AstKind::ConditionalExpression(_)
                | AstKind::LogicalExpression(_)
                | AstKind::TSAsExpression(_)
                | AstKind::TSNonNullExpression(_) => node = nodes.parent_id(node),
                _ => return false,
            }
        }
    }
}
