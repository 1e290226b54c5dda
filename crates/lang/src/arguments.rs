//! `arguments`, where an array does the same as its object: its length, its elements, and places that read a list.
//! ECMA-262 §10.4.4 Arguments Exotic Objects. Deviation: all other uses are refused.
//!
//! A function that reads them has only a rest parameter, from which it sets its parameters.

use oxc_ast::AstKind;
use oxc_ast::ast::{CallExpression, Expression, FormalParameters, IdentifierReference, UnaryOperator};
use oxc_semantic::{AstNodes, NodeId, ScopeId};
use oxc_span::{GetSpan, Span};
use runstate_vm::op::Op;
use runstate_vm::program::FunctionKind;

use super::compiler::Compiler;
use super::is_types_only;

const NAME: &str = "arguments";

/// Methods of arrays that give the same for the object.
const LIST_METHODS: &[&str] = &[
    "every", "filter", "find", "forEach", "includes", "indexOf", "join", "map", "pop", "reduce", "shift", "slice",
    "some",
];

/// Whether a function reads its `arguments`, perhaps in an arrow function.
pub(super) fn are_read<'a>(compiler: &Compiler<'a, '_>, scope: Option<ScopeId>) -> bool {
    let (scoping, nodes) = (compiler.semantic.scoping(), compiler.semantic.nodes());
    let Some(scope) = scope.filter(|_| compiler.current.kind != FunctionKind::Arrow) else { return false };
    let function = scoping.get_node_id(scope);
    let references = scoping.root_unresolved_references().iter().filter(|(name, _)| name.as_str() == NAME);
    references.flat_map(|(_, references)| references).any(|reference| {
        let node = scoping.get_reference(*reference).node_id();
        nodes.ancestor_ids(node).find(|id| matches!(nodes.kind(*id), AstKind::Function(_))) == Some(function)
    })
}

/// Sets the parameters of a function from the list of its arguments, and keeps the list in a cell.
pub(super) fn bind<'a>(compiler: &mut Compiler<'a, '_>, params: &'a FormalParameters<'a>, list: u16, slots: &[u16]) {
    if let Some(rest) = &params.rest {
        let message = "`arguments` in a function with a rest parameter is not supported";
        compiler.unsupported(rest.span, message, "use the rest parameter");
    }
    (compiler.current.code.function.params, compiler.current.code.function.rest) = (0, true);
    for (at, slot) in (0u32..).zip(slots) {
        compiler.emit_slot(Op::Load, list);
        compiler.push_number(f64::from(at));
        compiler.emit(Op::GetIndex);
        compiler.emit_slot(Op::Store, *slot);
    }
    let cell = compiler.current.code.add_hidden_slot();
    compiler.emit_slot(Op::NewCell, cell);
    compiler.emit_slot(Op::Load, list);
    compiler.emit_slot(Op::InitCell, cell);
    compiler.current.arguments = Some(cell);
}

/// `( -- list )` Reads `arguments`. False if it is not supported here.
pub(super) fn read<'a>(compiler: &mut Compiler<'a, '_>, identifier: &IdentifierReference<'a>) -> bool {
    let Some(reference) = identifier.reference_id.get().filter(|_| identifier.name == NAME) else { return false };
    let node = compiler.semantic.scoping().get_reference(reference).node_id();
    let functions = std::iter::once(&compiler.current).chain(compiler.enclosing.iter().rev());
    let function = functions.into_iter().find(|function| function.kind != FunctionKind::Arrow);
    let cell = function.and_then(|function| function.arguments.map(|cell| (function.index, cell)));
    match cell.filter(|_| is_list(compiler.semantic.nodes(), node, identifier.span)) {
        Some((owner, cell)) => {
            compiler.load_hidden_cell(owner, cell);
            true
        }
        None => false,
    }
}

/// Whether the place of a name reads a list.
fn is_list(nodes: &AstNodes<'_>, node: NodeId, mut span: Span) -> bool {
    let mut parent = nodes.parent_id(node);
    while is_types_only(&nodes.kind(parent)) {
        (parent, span) = (nodes.parent_id(parent), nodes.kind(parent).span());
    }
    match nodes.kind(parent) {
        AstKind::StaticMemberExpression(member) => member.property.name == "length" && is_read(nodes, parent),
        AstKind::ComputedMemberExpression(member) => {
            member.object.span() == span
                && !matches!(member.expression, Expression::StringLiteral(_))
                && is_read(nodes, parent)
        }
        AstKind::SpreadElement(_) => true,
        AstKind::ForOfStatement(one) => one.right.span() == span,
        AstKind::CallExpression(call) => takes_list(call, span),
        _ => false,
    }
}

fn is_read(nodes: &AstNodes<'_>, member: NodeId) -> bool {
    match nodes.parent_kind(member) {
        AstKind::AssignmentExpression(assignment) => assignment.left.span() != nodes.kind(member).span(),
        AstKind::UnaryExpression(unary) => unary.operator != UnaryOperator::Delete,
        AstKind::UpdateExpression(_) => false,
        _ => true,
    }
}

/// Whether a call reads this argument as a list: `f.apply(this, arguments)`, `Array.from(arguments)`,
/// `[].slice.call(arguments)`.
fn takes_list(call: &CallExpression<'_>, span: Span) -> bool {
    let Expression::StaticMemberExpression(callee) = &call.callee else { return false };
    let is_array = |object: &Expression<'_>| matches!(object, Expression::Identifier(id) if id.name == "Array");
    let place = call.arguments.iter().position(|argument| argument.span() == span);
    match (callee.property.name.as_str(), place) {
        ("apply", Some(1..)) => true,
        ("from", Some(0)) => is_array(&callee.object),
        ("call", Some(0)) => match &callee.object {
            Expression::StaticMemberExpression(method) => {
                LIST_METHODS.contains(&method.property.name.as_str())
                    && match &method.object {
                        Expression::ArrayExpression(_) => true,
                        Expression::StaticMemberExpression(owner) => {
                            owner.property.name == "prototype" && is_array(&owner.object)
                        }
                        _ => false,
                    }
            }
            _ => false,
        },
        _ => false,
    }
}
