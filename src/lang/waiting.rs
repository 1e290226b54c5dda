//! `async`, which is accepted as long as no promise can be seen: a call is already a wait.

use oxc_ast::AstKind;
use oxc_ast::ast::{CallExpression, Expression, Statement};
use oxc_semantic::{NodeId, SymbolId};
use oxc_span::GetSpan;
use serde_json::json;

use crate::vm::op::Op;
use crate::vm::program::Wait;

use super::ask::is_asking;
use super::compiler::Compiler;
use super::is_types_only;

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
        let scoping = self.semantic.scoping();
        let others = scoping.symbol_redeclarations(symbol).iter().map(|one| one.declaration);
        std::iter::once(scoping.symbol_declaration(symbol)).chain(others).any(|node| self.declares_async(node))
    }

    fn declares_async(&self, declaration: NodeId) -> bool {
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
                if self.plan.async_members.contains(member.property.name.as_str())
                    && !self.builtin_root(&member.object).is_some_and(is_asking) =>
            {
                member.property.name.as_str()
            }
            Expression::ArrowFunctionExpression(arrow) if arrow.r#async => "(anonymous)",
            Expression::FunctionExpression(function) if function.r#async => "(anonymous)",
            _ => return,
        };
        if self.wait_of(call).is_none() || self.is_in_callback(call.node_id.get()) {
            let message = format!("the call of the async function `{name}` is not awaited");
            self.unsupported(
                call.span,
                message,
                "write await before the call: without it Node goes on before the call is done",
            );
        }
    }

    /// Whether the function around a node is given to a built-in, which does not wait for what it returns.
    fn is_in_callback(&self, node: NodeId) -> bool {
        let nodes = self.semantic.nodes();
        let is_function =
            |id: &NodeId| matches!(nodes.kind(*id), AstKind::Function(_) | AstKind::ArrowFunctionExpression(_));
        let Some(function) = nodes.ancestor_ids(node).find(is_function) else { return false };
        let waits = match nodes.kind(function) {
            AstKind::Function(function) => function.r#async,
            AstKind::ArrowFunctionExpression(arrow) => arrow.r#async,
            _ => true,
        };
        let name = match nodes.ancestor_kinds(function).find(|kind| !is_types_only(kind)) {
            Some(AstKind::CallExpression(call)) => match call.callee.get_inner_expression() {
                Expression::StaticMemberExpression(member) => member.property.name.as_str(),
                _ => return false,
            },
            _ => return false,
        };
        !waits && CALLING_METHODS.contains(&name) && !self.plan.own_properties.contains(name)
    }

    /// `( value -- value )` Node calls the `then` of what is awaited, or returned by an async function: where the program has such
    /// a property, the machine looks for it.
    pub(super) fn check_thenable(&mut self) {
        if self.plan.own_properties.contains("then") {
            self.emit_json(Op::CallNative, json!({ "name": "await", "argc": 1 }));
        }
    }

    /// The immediate use of a call's value, where the program has async functions.
    pub(super) fn wait_of(&self, call: &CallExpression<'a>) -> Option<Wait> {
        if !self.plan.has_async {
            return None;
        }
        let nodes = self.semantic.nodes();
        let mut span = call.span;
        for node in nodes.ancestors(call.node_id.get()) {
            let kind = node.kind();
            let passes_on = match kind {
                AstKind::AwaitExpression(_) => return Some(Wait::Await),
                // A handler around would see an error of the promise only if it were awaited there.
                AstKind::ReturnStatement(_) => return (!self.is_guarded(node.id())).then_some(Wait::Return),
                AstKind::ArrowFunctionExpression(arrow) => {
                    let body = arrow.body.as_expression().map(GetSpan::span);
                    return (body == Some(span)).then_some(Wait::Return);
                }
                // The last thing that the program does.
                AstKind::ExpressionStatement(statement) => {
                    let last = nodes.program().body.iter().rev().find(|one| !declares_only(one)).map(GetSpan::span);
                    return (!self.calls_main && last == Some(statement.span)).then_some(Wait::Await);
                }
                AstKind::ConditionalExpression(either) => either.test.span() != span,
                AstKind::LogicalExpression(logical) => logical.right.span() == span,
                AstKind::SequenceExpression(sequence) => {
                    sequence.expressions.last().is_some_and(|last| last.span() == span)
                }
                AstKind::ChainExpression(_) => true,
                kind => is_types_only(&kind),
            };
            if !passes_on {
                return None;
            }
            span = kind.span();
        }
        None
    }

    /// Whether a statement is inside a `try` of its function whose `catch` or `finally` is still to come.
    fn is_guarded(&self, statement: NodeId) -> bool {
        let nodes = self.semantic.nodes();
        let mut span = nodes.kind(statement).span();
        for kind in nodes.ancestor_kinds(statement) {
            match kind {
                AstKind::Function(_) | AstKind::ArrowFunctionExpression(_) => return false,
                AstKind::TryStatement(guard) => {
                    let in_handler = guard.handler.as_ref().is_some_and(|handler| handler.span == span);
                    if guard.block.span == span || (in_handler && guard.finalizer.is_some()) {
                        return true;
                    }
                }
                _ => {}
            }
            span = kind.span();
        }
        false
    }
}

/// Whether a statement has nothing to do when the program comes to it.
fn declares_only(statement: &Statement<'_>) -> bool {
    matches!(
        statement,
        Statement::FunctionDeclaration(_)
            | Statement::TSTypeAliasDeclaration(_)
            | Statement::TSInterfaceDeclaration(_)
            | Statement::EmptyStatement(_)
    )
}
