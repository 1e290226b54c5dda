//! The storage of each variable: a slot of its frame, a cell that closures share, or a slot of the global frame that all
//! functions access directly. Scopes and references come from oxc's semantic analysis.

use std::collections::HashSet;

use oxc_ast::AstKind;
use oxc_ast::ast::{AssignmentTarget, Expression};
use oxc_semantic::{AstNodes, NodeId, Scoping, Semantic, SymbolFlags, SymbolId};
use oxc_span::GetSpan;

/// The storage class of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StorageClass {
    /// A slot of the frame that declares it.
    Slot,
    /// A cell on the heap, because a closure shares it.
    Cell,
    /// A slot of the global frame: declared once per execution and used by functions.
    Global,
}

/// The properties of a variable that are known before its declaration is compiled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variable {
    pub(super) storage_class: StorageClass,
    /// Whether it must be uninitialised before its declaration has run (temporal dead zone).
    pub(super) dead_zone: bool,
    /// End of its declaration in the source. Uses after it in the same function run after the declaration.
    pub(super) declaration_end: u32,
    /// Whether its scope is a `switch`, where a case may skip the declaration.
    pub(super) in_switch: bool,
}

/// The plan for all variables of a source.
pub(super) struct VariablePlan {
    variables: Vec<Variable>,
    /// Names of properties that the program defines. They may shadow names that the machine lacks.
    pub(super) own_properties: HashSet<String>,
    /// Members whose every definition in the program is an async function.
    pub(super) async_members: HashSet<String>,
    /// Whether any function is async. Only then do calls record the immediate use of their values.
    pub(super) has_async: bool,
}

impl VariablePlan {
    pub(super) fn new(semantic: &Semantic<'_>) -> Self {
        let (scoping, nodes) = (semantic.scoping(), semantic.nodes());
        let variables = scoping.symbol_ids().map(|symbol| variable(scoping, nodes, symbol)).collect();
        let has_async = nodes.iter().any(|node| match node.kind() {
            AstKind::Function(function) => function.r#async,
            AstKind::ArrowFunctionExpression(arrow) => arrow.r#async,
            _ => false,
        });
        VariablePlan {
            variables,
            own_properties: own_properties(nodes),
            async_members: async_members(nodes),
            has_async,
        }
    }

    pub(super) fn variable(&self, symbol: SymbolId) -> Variable {
        self.variables[symbol.index()]
    }
}

fn variable(scoping: &Scoping, nodes: &AstNodes<'_>, symbol: SymbolId) -> Variable {
    let flags = scoping.symbol_flags(symbol);
    let scope_node = scoping.get_node_id(scoping.symbol_scope_id(symbol));
    let own_name =
        flags.contains(SymbolFlags::FunctionExpression) && matches!(nodes.kind(scope_node), AstKind::Function(_));
    // The name of a function expression is stored outside the function, so that the closure can be assigned to it.
    let home_node = if own_name { nodes.parent_id(scope_node) } else { scope_node };
    let owner = enclosing_function(nodes, home_node);
    let declared_by = nodes.kind(scoping.symbol_declaration(symbol)).span().end;
    let in_switch = matches!(nodes.kind(scope_node), AstKind::SwitchStatement(_));
    let (mut captured, mut early) = (false, in_switch);
    for reference in scoping.get_resolved_references(symbol) {
        captured |= enclosing_function(nodes, reference.node_id()) != owner;
        early |= nodes.kind(reference.node_id()).span().start < declared_by;
    }
    let home = if own_name {
        StorageClass::Cell
    } else if !captured {
        StorageClass::Slot
    } else if matches!(nodes.kind(owner), AstKind::Program(_)) && !in_loop(nodes, scope_node) {
        StorageClass::Global
    } else {
        StorageClass::Cell
    };
    let lexical = flags.intersects(SymbolFlags::BlockScopedVariable | SymbolFlags::Class);
    // The default of a parameter may read the parameter itself, or one to its right.
    let parameter = matches!(
        nodes.kind(scoping.symbol_declaration(symbol)),
        AstKind::FormalParameter(_) | AstKind::FormalParameterRest(_)
    );
    let dead_zone = (lexical && (early || home != StorageClass::Slot)) || (parameter && early);
    Variable { storage_class: home, dead_zone, declaration_end: declared_by, in_switch }
}

/// The function (or field initialiser, or program) whose frame runs this node.
fn enclosing_function(nodes: &AstNodes<'_>, node: NodeId) -> NodeId {
    let is_function = |id: &NodeId| {
        matches!(
            nodes.kind(*id),
            AstKind::Function(_)
                | AstKind::ArrowFunctionExpression(_)
                | AstKind::Program(_)
                | AstKind::PropertyDefinition(_)
                | AstKind::StaticBlock(_)
        )
    };
    std::iter::once(node).chain(nodes.ancestor_ids(node)).find(is_function).unwrap_or(node)
}

/// Whether a scope may be entered more than once in one run of its frame.
fn in_loop(nodes: &AstNodes<'_>, node: NodeId) -> bool {
    std::iter::once(node).chain(nodes.ancestor_ids(node)).any(|id| {
        matches!(
            nodes.kind(id),
            AstKind::ForStatement(_)
                | AstKind::ForInStatement(_)
                | AstKind::ForOfStatement(_)
                | AstKind::WhileStatement(_)
                | AstKind::DoWhileStatement(_)
        )
    })
}

fn own_properties(nodes: &AstNodes<'_>) -> HashSet<String> {
    let key = |kind: AstKind<'_>| match kind {
        AstKind::ObjectProperty(property) => property.key.static_name().map(|name| name.into_owned()),
        AstKind::MethodDefinition(method) => method.key.static_name().map(|name| name.into_owned()),
        AstKind::PropertyDefinition(property) => property.key.static_name().map(|name| name.into_owned()),
        AstKind::AssignmentExpression(assignment) => match &assignment.left {
            AssignmentTarget::StaticMemberExpression(member) => Some(member.property.name.to_string()),
            _ => None,
        },
        AstKind::TSPropertySignature(signature) => signature.key.static_name().map(|name| name.into_owned()),
        _ => None,
    };
    // An assignment to `__proto__` does not make it a property of the program.
    nodes.iter().filter_map(|node| key(node.kind())).filter(|name| name != "__proto__").collect()
}

fn async_members(nodes: &AstNodes<'_>) -> HashSet<String> {
    let is_async = |value: &Expression<'_>| match value.get_inner_expression() {
        Expression::ArrowFunctionExpression(arrow) => arrow.r#async,
        Expression::FunctionExpression(function) => function.r#async,
        _ => false,
    };
    let member = |kind: AstKind<'_>| match kind {
        AstKind::ObjectProperty(property) => {
            Some((property.key.static_name()?.into_owned(), is_async(&property.value)))
        }
        AstKind::MethodDefinition(method) => Some((method.key.static_name()?.into_owned(), method.value.r#async)),
        AstKind::PropertyDefinition(field) => {
            Some((field.key.static_name()?.into_owned(), field.value.as_ref().is_some_and(is_async)))
        }
        _ => None,
    };
    let (waiting, plain): (Vec<_>, Vec<_>) = nodes.iter().filter_map(|node| member(node.kind())).partition(|one| one.1);
    let plain: HashSet<String> = plain.into_iter().map(|one| one.0).collect();
    waiting.into_iter().map(|one| one.0).filter(|name| !plain.contains(name)).collect()
}
