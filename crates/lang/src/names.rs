//! The storage of each variable: a slot of its frame, a cell that closures share, or a slot of the global frame that
//! all functions access directly. Scopes and references come from oxc's semantic analysis. Names without a declaration
//! in the source are `input`, host functions, built-ins, names that exist only in Node, and unknown names.

use std::collections::HashSet;

use oxc_ast::AstKind;
use oxc_ast::ast::{AssignmentTarget, Expression, IdentifierReference, StaticMemberExpression};
use oxc_semantic::{AstNodes, NodeId, Scoping, Semantic, SymbolFlags, SymbolId};
use oxc_span::{GetSpan, Span, min_edit_distance};
use runstate_vm::globals::{CLASSES, CONSTANTS, FUNCTIONS, NAMESPACES, UNSUPPORTED_CALLS, UNSUPPORTED_METHODS};
use runstate_vm::op::Op;
use serde_json::json;

use super::compiler::Compiler;
use super::diagnostic::DiagnosticKind;
use super::host_call;
use super::host_call::is_host_name;

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
    /// Whether it must be uninitialized before its declaration has run (temporal dead zone).
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
    let declaration_end = nodes.kind(scoping.symbol_declaration(symbol)).span().end;
    let in_switch = matches!(nodes.kind(scope_node), AstKind::SwitchStatement(_));
    let (mut captured, mut early) = (false, in_switch);
    for reference in scoping.get_resolved_references(symbol) {
        captured |= enclosing_function(nodes, reference.node_id()) != owner;
        early |= nodes.kind(reference.node_id()).span().start < declaration_end;
    }
    let storage_class = if own_name {
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
    let dead_zone = (lexical && (early || storage_class != StorageClass::Slot)) || (parameter && early);
    Variable { storage_class, dead_zone, declaration_end, in_switch }
}

/// The function (or field initializer, or program) whose frame runs this node.
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
    let (asynchronous, plain): (Vec<_>, Vec<_>) =
        nodes.iter().filter_map(|node| member(node.kind())).partition(|one| one.1);
    let plain: HashSet<String> = plain.into_iter().map(|one| one.0).collect();
    asynchronous.into_iter().map(|one| one.0).filter(|name| !plain.contains(name)).collect()
}

/// Names that exist in Node but not in a program, each with a hint for the replacement.
const NODE_ONLY: &[(&str, &str)] = &[
    (
        "Promise",
        "calls block until they return: write const a = f(); or await f(); CC.all([...]) makes several calls at once",
    ),
    ("CallError", "check the name: error.name === \"CallError\""),
    ("PermissionError", "check the name: error.name === \"PermissionError\""),
    ("NotFoundError", "check the name: error.name === \"NotFoundError\""),
    ("setTimeout", "wait with sleep(ms); a program does not run in the background"),
    ("setInterval", "a program does not run in the background"),
    ("setImmediate", "a program does not run in the background"),
    ("clearTimeout", ""),
    ("clearInterval", ""),
    ("queueMicrotask", ""),
    ("fetch", "call a tool: call(\"fetch\", { url })"),
    ("require", "a program is one file"),
    ("module", "a program is one file"),
    ("exports", "a program is one file"),
    ("process", "pass the values that a program needs in `input`"),
    ("global", ""),
    ("globalThis", "use a variable"),
    ("window", ""),
    ("document", ""),
    ("Buffer", "use text or an array of numbers"),
    ("Symbol", "use text"),
    ("BigInt", "use a number (exact up to 2^53) or text"),
    ("WeakMap", "use Map"),
    ("WeakSet", "use Set"),
    ("WeakRef", ""),
    ("Proxy", ""),
    ("Reflect", "use Object.keys, `in` and delete"),
    ("Intl", ""),
    ("eval", ""),
    ("Function", "write a function"),
    ("Date", "only Date.now() is available: milliseconds since 1970"),
    ("arguments", "use a rest parameter: (...args)"),
    ("AggregateError", "use Error"),
    ("ArrayBuffer", "use an array of numbers"),
    ("Uint8Array", "use an array of numbers"),
    ("Int32Array", "use an array of numbers"),
    ("Float64Array", "use an array of numbers"),
    ("DataView", ""),
    ("TextEncoder", ""),
    ("TextDecoder", ""),
    ("URL", ""),
    ("URLSearchParams", ""),
    ("AbortController", ""),
    ("crypto", "Math.random is available"),
    ("performance", "Date.now is available"),
    ("encodeURIComponent", ""),
    ("decodeURIComponent", ""),
    ("encodeURI", ""),
    ("decodeURI", ""),
    ("escape", ""),
    ("unescape", ""),
    ("atob", ""),
    ("btoa", ""),
];

/// Whether the machine has a built-in function, class or namespace of this name.
pub(super) fn is_builtin(name: &str) -> bool {
    CLASSES.contains(&name) || NAMESPACES.contains(&name) || FUNCTIONS.contains(&name) || name == "Date"
}

pub(super) fn is_builtin_name(name: &str) -> bool {
    is_builtin(name) || is_host_name(name) || matches!(name, "undefined" | "NaN" | "Infinity")
}

/// The name of the built-in that an expression refers to, unless the program declares the name itself.
pub(super) fn builtin_root<'a>(compiler: &Compiler<'a, '_>, expression: &Expression<'a>) -> Option<&'a str> {
    match expression.get_inner_expression() {
        Expression::Identifier(id) if compiler.resolve_symbol(id).is_none() => Some(id.name.as_str()),
        _ => None,
    }
}

/// Reads an identifier. ECMA-262 §9.4.2 ResolveBinding. A host name or a namespace is refused: neither is a value here.
pub(super) fn read_identifier<'a>(compiler: &mut Compiler<'a, '_>, identifier: &IdentifierReference<'a>) {
    if let Some(symbol) = compiler.resolve_symbol(identifier) {
        compiler.set_location(identifier.span);
        return compiler.load_symbol(symbol, identifier.span);
    }
    let name = identifier.name.as_str();
    let span = identifier.span;
    match name {
        "undefined" => compiler.push_undefined(),
        "NaN" => compiler.push_number(f64::NAN),
        "Infinity" => compiler.push_number(f64::INFINITY),
        // The input is the only parameter of the global frame.
        "input" => compiler.emit_slot(if compiler.enclosing.is_empty() { Op::Load } else { Op::LoadGlobal }, 0),
        _ if is_host_name(name) => host_call::host_name_as_value(compiler, name, span),
        _ if FUNCTIONS.contains(&name) || CLASSES.contains(&name) => compiler.emit_json(Op::Builtin, json!(name)),
        _ if NAMESPACES.contains(&name) => {
            let message = format!("`{name}` is not a value here");
            compiler.unsupported_value(span, message, "use its members directly, as in Math.max(a, b)");
        }
        _ => unknown_name(compiler, name, span),
    }
}

pub(super) fn unknown_name<'a>(compiler: &mut Compiler<'a, '_>, name: &str, span: Span) {
    if let Some((_, hint)) = NODE_ONLY.iter().find(|(node_name, _)| *node_name == name) {
        return compiler.unsupported_value(span, format!("`{name}` is not supported"), hint);
    }
    let hint = nearest_name(compiler, name).map(|near| format!("did you mean {near}?"));
    compiler.diagnostics.add(span.start, DiagnosticKind::Name, format!("{name} is not defined"), hint);
    compiler.push_undefined();
}

/// The known name with the smallest edit distance to this one.
fn nearest_name<'a>(compiler: &Compiler<'a, '_>, name: &str) -> Option<String> {
    let limit = if name.len() > 4 { 2 } else { 1 };
    let declared = compiler.semantic.scoping().symbol_names();
    let builtins = FUNCTIONS.iter().chain(CLASSES).chain(NAMESPACES).copied().filter(|name| !name.contains('.'));
    let distance =
        |candidate: &str| if candidate.eq_ignore_ascii_case(name) { 0 } else { min_edit_distance(candidate, name) };
    let near = declared
        .chain(builtins)
        .chain(["CC", "call", "fs", "input", "sleep", "sleepUntil"])
        .map(|candidate| (distance(candidate), candidate));
    near.filter(|(distance, _)| *distance <= limit).min().map(|(_, nearest)| nearest.to_owned())
}

/// Reads a member of a built-in: `Math.PI`, `Number.isInteger`. Returns `false` if the object is not a built-in.
pub(super) fn builtin_member<'a>(compiler: &mut Compiler<'a, '_>, member: &StaticMemberExpression<'a>) -> bool {
    let Some(root) = builtin_root(compiler, &member.object) else { return false };
    if is_host_name(root) {
        host_call::host_name_as_value(compiler, &format!("{root}.{}", member.property.name), member.span);
        return true;
    }
    if !is_builtin(root) {
        return false;
    }
    let path = format!("{root}.{}", member.property.name);
    if let Some((_, value)) = CONSTANTS.iter().find(|(name, _)| *name == path) {
        compiler.push_number(*value);
    } else if FUNCTIONS.contains(&path.as_str()) {
        compiler.emit_json(Op::Builtin, json!(path));
    } else {
        missing_builtin(compiler, &path, member.span);
        compiler.push_undefined();
    }
    true
}

pub(super) fn missing_builtin<'a>(compiler: &mut Compiler<'a, '_>, path: &str, span: Span) {
    let members =
        FUNCTIONS.iter().copied().chain(CONSTANTS.iter().map(|(name, _)| *name)).filter(|name| name.contains('.'));
    let near = members.map(|name| (min_edit_distance(name, path), name)).min().filter(|(distance, _)| *distance <= 3);
    let hint = near.map(|(_, name)| format!("did you mean {name}?")).unwrap_or_default();
    compiler.unsupported(span, format!("`{path}` is not supported"), &hint);
}

/// Refuses members that built-in values have in Node but not in the machine, unless the program defines them itself.
pub(super) fn check_member_name<'a>(compiler: &mut Compiler<'a, '_>, name: &str, span: Span, called: bool) {
    if compiler.plan.own_properties.contains(name) {
        return;
    }
    if matches!(name, "prototype" | "constructor") {
        return compiler.unsupported(span, format!("`.{name}` is not supported"), "use instanceof or typeof");
    }
    if UNSUPPORTED_METHODS.contains(&name) || (called && UNSUPPORTED_CALLS.contains(&name)) {
        let hint = match name {
            "then" | "catch" | "finally" => {
                "calls block until they return: use the result directly, try/catch for errors"
            }
            "localeCompare" => "compare with < and >",
            name if name.starts_with("toLocale") => "locales differ between machines; use the method without Locale",
            _ => "",
        };
        compiler.unsupported(span, format!("`.{name}` is not supported"), hint);
    }
}
