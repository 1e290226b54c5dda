//! The storage of each variable: a slot of its frame, a cell that closures share, or a slot of the global frame that
//! all functions access directly. Scopes and references come from oxc's semantic analysis. Names without a declaration
//! in the source are `input`, host functions, built-ins, names that exist only in Node, and unknown names.

use std::borrow::Cow;
use std::collections::HashSet;

use oxc_ast::AstKind;
use oxc_ast::ast::{
    AssignmentTarget, Expression, IdentifierReference, MethodDefinitionKind, PropertyKey, PropertyKind,
    StaticMemberExpression,
};
use oxc_semantic::{AstNodes, NodeId, Scoping, SymbolFlags, SymbolId};
use oxc_span::{GetSpan, Span, min_edit_distance};
use runstate_vm::globals::{
    CLASSES, CONSTANTS, FUNCTIONS, METHODS, NAMESPACES, PROTOTYPES, SYMBOLS, UNSUPPORTED_CALLS, UNSUPPORTED_METHODS,
};
use runstate_vm::op::Op;
use serde_json::json;

use super::call_form::CallForms;
use super::compiler::Compiler;
use super::diagnostic::DiagnosticKind;
use super::host_call::is_host_name;
use super::modules::{Binding, Module};
use super::prelude::is_prelude_name;
use super::statement::IMPORT_HINT;
use super::{SourceForm, arguments, async_await, call_form, feature_test, generator, host_call, tool};

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
#[derive(Default)]
pub(super) struct VariablePlan {
    variables: Vec<Variable>,
    /// Names of properties that the program defines. They may shadow names that the machine lacks.
    pub(super) own_properties: HashSet<String>,
    /// Whether a read of a property or a conversion may run code of the program: a getter, `toString`, `valueOf`,
    /// `join`, `[Symbol.toPrimitive]`.
    pub(super) reads_have_effects: bool,
    /// Whether the program may have promises. Otherwise `await` has no effect.
    pub(super) has_promises: bool,
    /// Whether the program may have iterators of its own.
    pub(super) has_iterators: bool,
    /// The host calls that do not block, if the program has promises.
    pub(super) calls: CallForms,
}

impl VariablePlan {
    /// The plans for the files of a program. A property or a promise of one file concerns all files.
    pub(super) fn of_modules(modules: &[Module<'_>]) -> Vec<Self> {
        let own_properties: HashSet<String> = modules
            .iter()
            .filter(|module| !module.is_prelude)
            .flat_map(|module| own_properties(module.semantic.nodes()))
            .collect();
        let calls = call_form::of_modules(modules, &own_properties);
        let has_then = own_properties.contains("then");
        let may_have_promises = |module: &Module<'_>| {
            async_await::may_have_promises(module.semantic.scoping(), module.semantic.nodes(), has_then)
        };
        let has_promises =
            modules.iter().any(may_have_promises) || calls.iter().any(|calls: &CallForms| calls.makes_promises);
        let reads_have_effects = ["join", "toString", "valueOf"].iter().any(|name| own_properties.contains(*name))
            || modules.iter().flat_map(|module| module.semantic.nodes().iter()).any(|node| match node.kind() {
                AstKind::ObjectProperty(property) => property.kind != PropertyKind::Init || property.computed,
                AstKind::MethodDefinition(method) => method.kind == MethodDefinitionKind::Get || method.computed,
                AstKind::IdentifierName(name) => name.name == "toPrimitive",
                _ => false,
            });
        let has_iterators = modules
            .iter()
            .any(|module| generator::may_have_iterators(module.semantic.scoping(), module.semantic.nodes()));
        let plan = |(module, calls): (&Module<'_>, CallForms)| {
            let (scoping, nodes) = (module.semantic.scoping(), module.semantic.nodes());
            let variable = |symbol| {
                let mut variable = variable(scoping, nodes, symbol);
                let flags = scoping.symbol_flags(symbol);
                // Another file may run functions of this file before the declaration.
                variable.dead_zone |= module.is_cyclic
                    && scoping.symbol_scope_id(symbol) == scoping.root_scope_id()
                    && flags.intersects(SymbolFlags::BlockScopedVariable | SymbolFlags::Class);
                variable
            };
            let variables = scoping.symbol_ids().map(variable).collect();
            VariablePlan {
                variables,
                reads_have_effects,
                own_properties: own_properties.clone(),
                has_promises,
                has_iterators,
                calls: if has_promises { calls } else { CallForms::default() },
            }
        };
        modules.iter().zip(calls).map(plan).collect()
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

/// The name of a member that is known when the program is compiled. ECMA-262 §13.2.5.5 PropertyDefinitionEvaluation,
/// LiteralPropertyName.
pub(super) fn static_name<'k>(key: &'k PropertyKey<'_>) -> Option<Cow<'k, str>> {
    match key {
        PropertyKey::NumericLiteral(literal) => Some(runstate_value::number_text(literal.value).into()),
        key => key.static_name(),
    }
}

pub(super) fn own_properties(nodes: &AstNodes<'_>) -> HashSet<String> {
    let key = |kind: AstKind<'_>| match kind {
        AstKind::ObjectProperty(property) => static_name(&property.key).map(|name| name.into_owned()),
        AstKind::MethodDefinition(method) => static_name(&method.key).map(|name| name.into_owned()),
        AstKind::PropertyDefinition(property) => static_name(&property.key).map(|name| name.into_owned()),
        AstKind::AssignmentExpression(assignment) => match &assignment.left {
            AssignmentTarget::StaticMemberExpression(member) => Some(member.property.name.to_string()),
            _ => None,
        },
        AstKind::TSPropertySignature(signature) => static_name(&signature.key).map(|name| name.into_owned()),
        _ => None,
    };
    // An assignment to `__proto__` does not make it a property of the program.
    nodes.iter().filter_map(|node| key(node.kind())).filter(|name| name != "__proto__").collect()
}

/// Names that exist in Node but not in a program, with spaces between them, and a hint for the replacement.
const NODE_ONLY: &[(&str, &str)] = &[
    ("CallError", "check the name: error.name === \"CallError\""),
    ("RejectedError", "check the name: error.name === \"RejectedError\""),
    ("PermissionError", "check the name: error.name === \"PermissionError\""),
    ("NotFoundError", "check the name: error.name === \"NotFoundError\""),
    ("setImmediate", "a program does not run in the background"),
    (NETWORK, "call a tool: call(\"fetch\", { url })"),
    ("require", IMPORT_HINT),
    ("module exports", "write export { name }"),
    ("process", "pass the values that a program needs in `input`"),
    (
        "global window document WeakRef Proxy eval Atomics FinalizationRegistry \
         SuppressedError WebAssembly clearImmediate __dirname __filename navigator Event \
         CustomEvent BroadcastChannel MessageChannel MessagePort WritableStream TransformStream CompressionStream \
         DecompressionStream",
        "",
    ),
    ("globalThis self", "use a variable"),
    ("Buffer Blob", "use text or a Uint8Array"),
    ("Function", "write a function"),
    ("arguments", "use a rest parameter: (...args)"),
    ("SharedArrayBuffer", "use an ArrayBuffer"),
    ("Float16Array BigInt64Array BigUint64Array", "use a Float64Array or an array of numbers"),
    ("DOMException", "check the name: error.name === \"AbortError\""),
    ("Temporal", "use Date"),
    ("localStorage sessionStorage", "keep data in variables: they are saved with the execution"),
    ("alert", "use console.log"),
    ("File", "use fs.readFile and fs.writeFile"),
    ("EventTarget", "write a class with a list of functions"),
    ("Worker", "start the calls together: Promise.all([...])"),
    ("ReadableStream", "write an async generator function"),
];

/// The hints that a script gets instead.
const SCRIPT_HINTS: &[(&str, &str)] = &[
    ("module exports", "write return value"),
    ("process", "pass the values that the script needs in `input`"),
    ("setImmediate", "call it at once: a script does not run in the background"),
    ("localStorage sessionStorage", "keep data in variables: they are saved with the run"),
    ("File", "a script has no files: a tool reads and writes them"),
];

/// Names of the network, which a program does not have.
const NETWORK: &str = "fetch Headers Request Response FormData XMLHttpRequest WebSocket EventSource";

/// Whether the machine has a built-in function, class or namespace of this name.
pub(super) fn is_builtin(name: &str) -> bool {
    CLASSES.contains(&name) || NAMESPACES.contains(&name) || FUNCTIONS.contains(&name)
}

pub(super) fn is_builtin_name(name: &str) -> bool {
    is_builtin(name) || is_host_name(name) || is_prelude_name(name) || matches!(name, "undefined" | "NaN" | "Infinity")
}

/// The name of the built-in that an expression refers to, unless the program declares the name itself.
pub(super) fn builtin_root<'a>(compiler: &Compiler<'a, '_>, expression: &Expression<'a>) -> Option<&'a str> {
    match expression.get_inner_expression() {
        Expression::Identifier(id) if compiler.resolve_symbol(id).is_none() => {
            Some(id.name.as_str()).filter(|name| !is_prelude_name(name))
        }
        _ => None,
    }
}

/// Reads an identifier. ECMA-262 §9.4.2 ResolveBinding. A host name or a namespace of a file is refused: neither is a
/// value here.
pub(super) fn read_identifier<'a>(compiler: &mut Compiler<'a, '_>, identifier: &IdentifierReference<'a>) {
    if let Some(symbol) = compiler.resolve_symbol(identifier) {
        if let Some(Binding::Namespace(_)) = compiler.graph.modules[compiler.module].bindings.get(&symbol) {
            return compiler.namespace_as_value(identifier.span);
        }
        compiler.set_location(identifier.span);
        return compiler.load_symbol(symbol, identifier.span);
    }
    if !arguments::read(compiler, identifier) {
        read_name(compiler, identifier.name.as_str(), identifier.span);
    }
}

/// Reads a name that the program does not declare.
pub(super) fn read_name<'a>(compiler: &mut Compiler<'a, '_>, name: &str, span: Span) {
    match name {
        "undefined" => compiler.push_undefined(),
        "NaN" => compiler.push_number(f64::NAN),
        "Infinity" => compiler.push_number(f64::INFINITY),
        // The input is the only parameter of the global frame.
        "input" => compiler.emit_slot(if compiler.enclosing.is_empty() { Op::Load } else { Op::LoadGlobal }, 0),
        "tools" => tool::value(compiler, "", span),
        _ if is_host_name(name) => host_call::host_name_as_value(compiler, name, span),
        _ if compiler.load_prelude(name) => {}
        _ if is_builtin(name) => compiler.emit_json(Op::Builtin, json!(name)),
        _ => unknown_name(compiler, name, span),
    }
}

pub(super) fn unknown_name<'a>(compiler: &mut Compiler<'a, '_>, name: &str, span: Span) {
    let hint_in = |list: &'static [(&'static str, &'static str)]| {
        list.iter().find(|(names, _)| names.split(' ').any(|one| one == name)).copied()
    };
    if let Some((names, hint)) = hint_in(NODE_ONLY) {
        let is_script = compiler.graph.form == SourceForm::Script;
        let hint: Cow<'_, str> = match hint_in(SCRIPT_HINTS).filter(|_| is_script) {
            Some((_, hint)) => hint.into(),
            None if is_script && names == NETWORK => {
                format!("a script reaches the network only by its tools: {}", compiler.graph.tools.summary()).into()
            }
            None if hint == IMPORT_HINT => compiler.import_hint().into(),
            None => hint.into(),
        };
        return compiler.unsupported_value(span, format!("`{name}` is not supported"), &hint);
    }
    let scoping = compiler.semantic.scoping();
    let is_elsewhere = scoping.symbol_ids().any(|symbol| {
        scoping.symbol_name(symbol) == name && scoping.symbol_flags(symbol).intersects(SymbolFlags::Value)
    });
    let hint = match is_elsewhere {
        true => Some("it is declared in another block or function".to_owned()),
        false => nearest_name(compiler, name).map(|near| format!("did you mean {near}?")),
    };
    compiler.diagnostics.add(span.start, DiagnosticKind::Name, format!("{name} is not defined"), hint);
    compiler.push_undefined();
}

/// The known name with the smallest edit distance to this one.
fn nearest_name<'a>(compiler: &Compiler<'a, '_>, name: &str) -> Option<String> {
    let declared = compiler.semantic.scoping().symbol_names();
    let builtins = FUNCTIONS.iter().chain(CLASSES).chain(NAMESPACES).copied().filter(|name| !name.contains('.'));
    let known = declared.chain(builtins).chain(["CC", "ask", "call", "fs", "input", "sleep", "sleepUntil", "tools"]);
    nearest(known, name).map(str::to_owned)
}

/// The candidate with the same first letter and the smallest edit distance: at most 2, and 1 for a short name.
pub(super) fn nearest<'n>(candidates: impl Iterator<Item = &'n str>, name: &str) -> Option<&'n str> {
    let limit = if name.len() > 4 { 2 } else { 1 };
    let first = |name: &str| name.bytes().next().map(|byte| byte.to_ascii_lowercase());
    let distance =
        |candidate: &str| if candidate.eq_ignore_ascii_case(name) { 0 } else { min_edit_distance(candidate, name) };
    let near = candidates
        .filter(|candidate| *candidate != name && first(candidate) == first(name))
        .map(|candidate| (distance(candidate), candidate));
    near.filter(|(distance, _)| *distance <= limit).min().map(|(_, nearest)| nearest)
}

/// Reads a member of a built-in or of a namespace: `Math.PI`, `Number.isInteger`. Returns `false` if the object is
/// neither.
pub(super) fn builtin_member<'a>(compiler: &mut Compiler<'a, '_>, member: &StaticMemberExpression<'a>) -> bool {
    if compiler.namespace_member(member) {
        return true;
    }
    let Some(root) = builtin_root(compiler, &member.object) else { return false };
    if is_host_name(root) {
        host_call::host_name_as_value(compiler, &format!("{root}.{}", member.property.name), member.span);
        return true;
    }
    if root == "globalThis" {
        // Deviation: without the members that only Node has.
        match member.property.name.as_str() {
            name if feature_test::is_missing_name(name) => compiler.push_undefined(),
            name => read_name(compiler, name, member.span),
        }
        return true;
    }
    let path = match (root, member.property.name.as_str()) {
        // ECMA-262 §21.1.2.12, §21.1.2.13: they are the global functions.
        ("Number", name @ ("parseFloat" | "parseInt")) => name.to_owned(),
        (root, name) => format!("{root}.{name}"),
    };
    if SYMBOLS.contains(&path.as_str()) {
        compiler.emit_json(Op::Push, json!({ "$symbol": path }));
        return true;
    }
    if PROTOTYPES.contains(&path.as_str()) {
        compiler.emit_json(Op::Builtin, json!(path));
        return true;
    }
    if !is_builtin(root) {
        return false;
    }
    if compiler.load_prelude(&path) {
        return true;
    }
    if let Some((_, value)) = CONSTANTS.iter().find(|(name, _)| *name == path) {
        compiler.push_number(*value);
    } else if FUNCTIONS.contains(&path.as_str()) {
        compiler.emit_json(Op::Builtin, json!(path));
    } else if is_inherited_by_builtin(&path) {
        compiler.emit_json(Op::Builtin, json!(root));
        compiler.emit_json(Op::GetProp, json!(member.property.name.as_str()));
    } else {
        missing_builtin(compiler, &path, member.span);
        compiler.push_undefined();
    }
    true
}

/// Whether a member of a built-in, as in `Map.name`, is one that each function or object has.
pub(super) fn is_inherited_by_builtin(path: &str) -> bool {
    let Some((root, name)) = path.split_once('.') else { return false };
    let owners = if NAMESPACES.contains(&root) { &["Object"][..] } else { &["Function", "Object"] };
    let methods = METHODS.iter().filter(|(owner, _)| owners.contains(owner));
    !FUNCTIONS.contains(&path) && methods.flat_map(|(_, names)| *names).chain([&"constructor"]).any(|one| *one == name)
}

pub(super) fn missing_builtin<'a>(compiler: &mut Compiler<'a, '_>, path: &str, span: Span) {
    let (root, member) = path.split_once('.').unwrap_or((path, ""));
    let names = FUNCTIONS.iter().copied().chain(CONSTANTS.iter().map(|(name, _)| *name));
    let members = names.filter_map(|name| name.strip_prefix(root)?.strip_prefix('.'));
    let hint = nearest(members, member).map(|near| format!("did you mean {root}.{near}?")).unwrap_or_default();
    compiler.unsupported(span, format!("`{path}` is not supported"), &hint);
}

pub(super) fn is_symbol<'a>(compiler: &Compiler<'a, '_>, expression: &Expression<'a>) -> bool {
    match expression.get_inner_expression() {
        Expression::StaticMemberExpression(member) => builtin_root(compiler, &member.object)
            .is_some_and(|root| SYMBOLS.contains(&format!("{root}.{}", member.property.name).as_str())),
        _ => false,
    }
}

/// Refuses members that built-in values have in Node but not in the machine, unless the program defines them itself.
pub(super) fn check_member_name<'a>(compiler: &mut Compiler<'a, '_>, name: &str, span: Span, called: bool) {
    if compiler.plan.own_properties.contains(name) {
        return;
    }
    if UNSUPPORTED_METHODS.contains(&name) || (called && UNSUPPORTED_CALLS.contains(&name)) {
        compiler.unsupported(span, format!("`.{name}` is not supported"), "");
    }
}
