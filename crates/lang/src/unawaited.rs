//! Warnings of promises that a script does not use: when its body has returned, calls that are open are cancelled. The
//! rule reads only the syntax.
//!
//! A promise is not used if it is a statement, or in a variable that is never read, also with `.then`, `.catch` or
//! `.finally`; or if the callback of `forEach` returns it, or that of a `map` whose list is not used. `void` says that
//! this is meant. In the function that `new Promise` takes, others wait for what it resolves.

use oxc_ast::AstKind;
use oxc_ast::ast::{BindingPattern, CallExpression, Expression, StaticMemberExpression};
use oxc_semantic::{AstNodes, NodeId, Scoping};
use oxc_span::{GetSpan, Span};

use super::compiler::Compiler;
use super::diagnostic::callee_text;
use super::main_function::{chained_promise, method_of};
use super::modules::Binding;
use super::{SourceForm, is_types_only, names, tool};

/// What happens to calls that are not awaited.
const CONSEQUENCE: &str = "when the script returns, calls that are open are cancelled";

/// Longest list whose text is in a hint, in bytes.
const LIST_BYTES: usize = 40;

/// A promise that is not used.
struct Unused {
    span: Span,
    message: String,
    hint: String,
}

/// Warns of the promises that a script does not use.
pub(super) fn warn(compiler: &mut Compiler<'_, '_>) {
    if compiler.graph.form != SourceForm::Script {
        return;
    }
    let semantic = compiler.semantic;
    let promises = Promises { compiler, nodes: semantic.nodes(), scoping: semantic.scoping() };
    let calls = semantic.nodes().iter().filter_map(|node| match node.kind() {
        AstKind::CallExpression(call) => Some((node.id(), call)),
        _ => None,
    });
    let found: Vec<Unused> = calls.filter_map(|(id, call)| promises.unused(id, call)).collect();
    for Unused { span, message, hint } in found {
        compiler.diagnostics.warn(span.start, &format!("{message}: {CONSEQUENCE}"), &hint);
    }
}

/// The promises of a script.
struct Promises<'c, 'a, 's> {
    compiler: &'c Compiler<'a, 's>,
    nodes: &'s AstNodes<'a>,
    scoping: &'s Scoping,
}

impl<'a> Promises<'_, 'a, '_> {
    /// The promise of a call, or of its callback, if it is not used.
    fn unused(&self, id: NodeId, call: &'a CallExpression<'a>) -> Option<Unused> {
        if self.is_in_new_promise(id) {
            return None;
        }
        if let Some(method) = self.dropping_method(id, call) {
            let callback = call.arguments.first()?.as_expression()?;
            let what = match callback.is_function() {
                true => "its async callback".to_owned(),
                false => format!("{}(…)", callee_text(callback)),
            };
            return self.is_async(callback).then(|| of_callback(callback.span(), &what, method));
        }
        if !self.is_promise(call) {
            return None;
        }
        let name = match call.callee.get_inner_expression().is_function() {
            true => "this async function".to_owned(),
            false => format!("{}(…)", callee_text(&call.callee)),
        };
        let end = self.end_of_value(id);
        let parent = self.nodes.parent_id(end);
        match self.nodes.kind(parent) {
            AstKind::ReturnStatement(_) | AstKind::ArrowFunctionExpression(_) => {
                let callback = self.returning_callback(parent)?;
                let outer = self.nodes.parent_id(self.end_of_types(callback));
                let AstKind::CallExpression(taker) = self.nodes.kind(outer) else { return None };
                let is_first = taker.arguments.first().is_some_and(|first| {
                    first
                        .as_expression()
                        .is_some_and(|first| first.get_inner_expression().span() == self.nodes.kind(callback).span())
                });
                let method = self.dropping_method(outer, taker).filter(|_| is_first)?;
                Some(of_callback(call.span, &name, method))
            }
            _ => self.is_unused(end, true).then(|| Unused {
                span: call.span,
                message: format!("{name} is not awaited"),
                hint: "write `await` before it".to_owned(),
            }),
        }
    }

    /// The method that a call names, if no code uses what its callback returns.
    fn dropping_method(&self, id: NodeId, call: &'a CallExpression<'a>) -> Option<&'a StaticMemberExpression<'a>> {
        let method = method_of(call)?;
        let name = method.property.name.as_str();
        if self.compiler.plan.own_properties.contains(name) {
            return None;
        }
        let drops = match name {
            "forEach" => true,
            "map" | "flatMap" => self.is_unused(self.end_of_value(id), false),
            _ => false,
        };
        drops.then_some(method)
    }

    /// Whether a call is a promise: that of a tool, of another call that does not block, of an async function of the
    /// script, or `Promise.all`.
    fn is_promise(&self, call: &CallExpression<'a>) -> bool {
        let is_combinator = || {
            method_of(call).is_some_and(|method| {
                names::builtin_root(self.compiler, &method.object) == Some("Promise")
                    && matches!(method.property.name.as_str(), "all" | "allSettled" | "any" | "race")
            })
        };
        self.compiler.plan.calls.forms.contains_key(&call.span) || self.is_async(&call.callee) || is_combinator()
    }

    /// Whether an expression is a tool, or an async function of the script.
    fn is_async(&self, function: &Expression<'a>) -> bool {
        let is_async_function = |function: &Expression<'a>| match function.get_inner_expression() {
            Expression::ArrowFunctionExpression(arrow) => arrow.r#async,
            Expression::FunctionExpression(function) => function.r#async && !function.generator,
            _ => false,
        };
        if is_async_function(function) || tool::is_tool(self.compiler, function) {
            return true;
        }
        let Some(Binding::Variable(0, symbol)) = self.compiler.binding(function) else { return false };
        match self.nodes.kind(self.scoping.symbol_declaration(symbol)) {
            AstKind::Function(function) => function.r#async && !function.generator,
            AstKind::VariableDeclarator(one) => {
                one.id.get_binding_identifier().is_some() && one.init.as_ref().is_some_and(is_async_function)
            }
            _ => false,
        }
    }

    /// The node that has the value of a node, beyond types.
    fn end_of_types(&self, id: NodeId) -> NodeId {
        let mut id = id;
        while is_types_only(&self.nodes.kind(self.nodes.parent_id(id))) {
            id = self.nodes.parent_id(id);
        }
        id
    }

    /// The node that has the value of a node, or a promise that follows from it: beyond types, branches, the last of a
    /// sequence, and `.then`, `.catch` and `.finally`.
    fn end_of_value(&self, id: NodeId) -> NodeId {
        let mut id = id;
        loop {
            let (span, parent) = (self.nodes.kind(id).span(), self.nodes.parent_id(id));
            id = match self.nodes.kind(parent) {
                AstKind::ChainExpression(_) => parent,
                AstKind::ConditionalExpression(conditional) if conditional.test.span() != span => parent,
                AstKind::LogicalExpression(logical) if logical.right.span() == span => parent,
                AstKind::SequenceExpression(sequence)
                    if sequence.expressions.last().is_some_and(|last| last.span() == span) =>
                {
                    parent
                }
                AstKind::StaticMemberExpression(_) => {
                    let outer = self.nodes.parent_id(parent);
                    match self.nodes.kind(outer) {
                        AstKind::CallExpression(call)
                            if chained_promise(call).is_some_and(|promise| promise.span() == span) =>
                        {
                            outer
                        }
                        _ => return id,
                    }
                }
                kind if is_types_only(&kind) => parent,
                _ => return id,
            };
        }
    }

    /// Whether no code uses the value of a node. The script waits for a promise that it ends with.
    fn is_unused(&self, id: NodeId, is_promise: bool) -> bool {
        let span = self.nodes.kind(id).span();
        match self.nodes.kind(self.nodes.parent_id(id)) {
            AstKind::ExpressionStatement(_) => {
                let last = self.compiler.graph.last_expression().filter(|_| is_promise);
                last.is_none_or(|(_, last)| last.span() != span)
            }
            AstKind::SequenceExpression(_) => true,
            AstKind::VariableDeclarator(declarator) => match &declarator.id {
                BindingPattern::BindingIdentifier(name) => {
                    let symbol = name.symbol_id.get();
                    symbol.is_some_and(|symbol| self.scoping.get_resolved_references(symbol).next().is_none())
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// The function that returns a value from this node, unless it is async: its own promise is what counts then.
    fn returning_callback(&self, id: NodeId) -> Option<NodeId> {
        let (function, is_plain) =
            std::iter::once(id).chain(self.nodes.ancestor_ids(id)).find_map(|id| match self.nodes.kind(id) {
                AstKind::Function(function) => Some((id, !function.r#async && !function.generator)),
                AstKind::ArrowFunctionExpression(arrow) => Some((id, !arrow.r#async)),
                _ => None,
            })?;
        is_plain.then_some(function)
    }

    /// Whether a node is in the function that `new Promise` takes.
    fn is_in_new_promise(&self, id: NodeId) -> bool {
        self.nodes.ancestor_ids(id).any(|id| {
            matches!(self.nodes.kind(id), AstKind::Function(_) | AstKind::ArrowFunctionExpression(_))
                && matches!(self.nodes.parent_kind(self.end_of_types(id)), AstKind::NewExpression(new)
                    if names::builtin_root(self.compiler, &new.callee) == Some("Promise"))
        })
    }
}

/// A promise that the callback of a method returns.
fn of_callback(span: Span, what: &str, method: &StaticMemberExpression<'_>) -> Unused {
    let message = match method.property.name.as_str() {
        "forEach" => format!("`forEach` does not wait for {what}"),
        name => format!("nothing waits for {what} in `{name}`"),
    };
    let text = callee_text(&method.object);
    let list = if text.len() > LIST_BYTES || text.contains('(') { "list" } else { text.as_str() };
    let hint = format!("write `await Promise.all({list}.map(…))`, or `for (const one of {list}) await …`");
    Unused { span, message, hint }
}
