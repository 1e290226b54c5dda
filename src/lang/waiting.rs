//! `async`, which is accepted as long as no promise can be seen: a call is already a wait.

use oxc_ast::AstKind;
use oxc_ast::ast::{CallExpression, Expression};
use oxc_semantic::{NodeId, SymbolId};
use oxc_span::GetSpan;

use super::ask::is_asking;
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
                if self.plan.async_members.contains(member.property.name.as_str())
                    && !self.builtin_root(&member.object).is_some_and(is_asking) =>
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
