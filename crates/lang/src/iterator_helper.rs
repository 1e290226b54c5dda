//! The programs that may call an iterator helper. ECMA-262 §27.1.4 Properties of the Iterator Prototype Object.
//!
//! The compiler knows no types, so `list.map(…)` may be the method of an array or of an iterator. A program needs the
//! source of the helpers only if both occur in its files: an expression that can give it an iterator as a value, and
//! the name of a helper at a receiver that is not an array. A name as text counts too, as in `it["map"]`. A name that
//! is made at run time is not found here: the machine then throws an `UnsupportedError`, and does nothing wrong.

use std::collections::HashSet;

use oxc_ast::AstKind;
use oxc_ast::ast::{CallExpression, Expression, IdentifierReference, StaticMemberExpression};
use oxc_semantic::{NodeId, Semantic, SymbolFlags};
use oxc_span::GetSpan;

use super::modules::Module;
use super::names::own_properties;

/// The helpers. `Iterator.from` needs no iterator.
const HELPERS: &[&str] =
    &["drop", "every", "filter", "find", "flatMap", "forEach", "map", "reduce", "some", "take", "toArray"];

/// Methods of built-ins that return an iterator.
const ITERATOR_METHODS: &[&str] = &["entries", "keys", "matchAll", "values"];

/// Methods that return arrays, typed arrays or texts, unless the program has a property of that name. Iterators lack
/// them.
const ARRAY_METHODS: &[&str] =
    &["concat", "flat", "reverse", "slice", "sort", "splice", "split", "toReversed", "toSorted", "toSpliced", "trim"];

/// Methods that return an array if the receiver is one.
const MAPPING_METHODS: &[&str] = &["filter", "flatMap", "map"];

/// Functions that return arrays.
const ARRAY_FUNCTIONS: &[(&str, &[&str])] =
    &[("Array", &["from", "of"]), ("Object", &["entries", "getOwnPropertyNames", "keys", "values"])];

/// Functions that read an iterator to its end and keep only its values. So do `new Map` and `new Set`.
const READERS: &[(&str, &[&str])] = &[("Array", &["from"]), ("Object", &["fromEntries"])];

/// Most expressions that are followed to the origin of a value.
const MOST_STEPS: u32 = 16;

/// Whether a program of these files, of which some may be other sources of built-ins, may call an iterator helper.
pub(super) fn may_be_called(modules: &[Module<'_>]) -> bool {
    let program = || modules.iter().filter(|module| !module.is_prelude).map(|module| &module.semantic);
    let has_iterators = program().any(|file| file.nodes().iter().any(|node| gives_iterator(file, node.id())));
    if !has_iterators {
        return false;
    }
    let own: HashSet<String> = program().flat_map(|file| own_properties(file.nodes())).collect();
    program().any(|file| file.nodes().iter().any(|node| names_helper(file, node.id(), &own)))
}

/// Whether an expression can give the program an iterator as a value.
fn gives_iterator(file: &Semantic<'_>, node: NodeId) -> bool {
    match file.nodes().kind(node) {
        AstKind::Function(function) => function.generator && !function.r#async,
        AstKind::IdentifierReference(id) => match global_name(file, id) {
            Some("Iterator") => true,
            Some("Symbol") => member_name(file, node).is_none_or(|name| name == "iterator"),
            Some("globalThis") => member_name(file, node).is_none_or(|name| matches!(name, "Iterator" | "Symbol")),
            _ => false,
        },
        AstKind::StaticMemberExpression(member) => {
            ITERATOR_METHODS.contains(&member.property.name.as_str())
                && !is_function(file, member, ARRAY_FUNCTIONS)
                && !is_read_at_once(file, node)
        }
        kind => is_text_or_key(file, node, kind, ITERATOR_METHODS),
    }
}

/// Whether a node is the name of a helper, at a receiver that may be an iterator.
fn names_helper(file: &Semantic<'_>, node: NodeId, own: &HashSet<String>) -> bool {
    match file.nodes().kind(node) {
        AstKind::StaticMemberExpression(member) => {
            let is_from =
                || matches!(&member.object, Expression::Identifier(id) if global_name(file, id) == Some("Iterator"));
            match member.property.name.as_str() {
                "from" => is_from(),
                name => HELPERS.contains(&name) && !is_array(file, &member.object, own, MOST_STEPS),
            }
        }
        // `const { from } = Iterator` and `globalThis.Iterator` are not followed.
        AstKind::IdentifierReference(id) => match global_name(file, id) {
            Some("Iterator") => member_name(file, node).is_none(),
            Some("globalThis") => member_name(file, node).is_none_or(|name| name == "Iterator"),
            _ => false,
        },
        kind => is_text_or_key(file, node, kind, HELPERS),
    }
}

/// Whether a node is a text, or a key of a pattern, that is one of these names.
fn is_text_or_key(file: &Semantic<'_>, node: NodeId, kind: AstKind<'_>, names: &[&str]) -> bool {
    match kind {
        AstKind::StringLiteral(literal) => names.contains(&literal.value.as_str()),
        AstKind::TemplateElement(element) => {
            element.value.cooked.as_ref().is_some_and(|text| names.contains(&text.as_str()))
        }
        AstKind::IdentifierName(name) => {
            names.contains(&name.name.as_str())
                && matches!(
                    file.nodes().parent_kind(node),
                    AstKind::BindingProperty(_) | AstKind::AssignmentTargetPropertyProperty(_)
                )
        }
        AstKind::AssignmentTargetPropertyIdentifier(property) => names.contains(&property.binding.name.as_str()),
        _ => false,
    }
}

/// The name of a value that the program does not declare.
fn global_name<'a>(file: &Semantic<'a>, id: &IdentifierReference<'a>) -> Option<&'a str> {
    let reference = file.scoping().get_reference(id.reference_id.get()?);
    let is_declared =
        reference.symbol_id().is_some_and(|symbol| !file.scoping().symbol_flags(symbol).contains(SymbolFlags::Ambient));
    (reference.is_value() && !is_declared).then(|| id.name.as_str())
}

/// The name of the member of this node that is read.
fn member_name<'a>(file: &Semantic<'a>, node: NodeId) -> Option<&'a str> {
    match file.nodes().parent_kind(node) {
        AstKind::StaticMemberExpression(member) => Some(member.property.name.as_str()),
        _ => None,
    }
}

/// Whether a member is one of these functions of built-ins: `Object.keys`.
fn is_function<'a>(file: &Semantic<'a>, member: &StaticMemberExpression<'a>, functions: &[(&str, &[&str])]) -> bool {
    let Expression::Identifier(id) = &member.object else { return false };
    let Some(root) = global_name(file, id) else { return false };
    let name = member.property.name.as_str();
    functions.iter().any(|(owner, names)| *owner == root && names.contains(&name))
}

/// Whether a method is called and its result is read where it is called: `for (const key of map.keys())`. A built-in
/// iterator stays unknown to the program there, and one of the program has another origin.
fn is_read_at_once(file: &Semantic<'_>, method: NodeId) -> bool {
    let nodes = file.nodes();
    let call = nodes.parent_id(method);
    let AstKind::CallExpression(called) = nodes.kind(call) else { return false };
    if called.callee.span() != nodes.kind(method).span() {
        return false;
    }
    match nodes.parent_kind(call) {
        AstKind::SpreadElement(_) => true,
        AstKind::ForOfStatement(statement) => statement.right.span() == called.span,
        AstKind::CallExpression(outer) => match &outer.callee {
            Expression::StaticMemberExpression(member) => is_function(file, member, READERS),
            _ => false,
        },
        AstKind::NewExpression(outer) => match &outer.callee {
            Expression::Identifier(id) => matches!(global_name(file, id), Some("Map" | "Set")),
            _ => false,
        },
        _ => false,
    }
}

/// Whether the value of an expression is surely an array or a text.
fn is_array<'a>(file: &Semantic<'a>, expression: &Expression<'a>, own: &HashSet<String>, steps: u32) -> bool {
    let Some(steps) = steps.checked_sub(1) else { return false };
    match expression.get_inner_expression() {
        Expression::ArrayExpression(_) | Expression::StringLiteral(_) | Expression::TemplateLiteral(_) => true,
        Expression::CallExpression(call) => returns_array(file, call, own, steps),
        Expression::Identifier(id) => {
            let scoping = file.scoping();
            let symbol = id.reference_id.get().and_then(|id| scoping.get_reference(id).symbol_id());
            let Some(symbol) = symbol.filter(|id| scoping.symbol_flags(*id).contains(SymbolFlags::ConstVariable))
            else {
                return false;
            };
            match file.nodes().kind(scoping.symbol_declaration(symbol)) {
                AstKind::VariableDeclarator(declarator) if declarator.id.is_binding_identifier() => {
                    declarator.init.as_ref().is_some_and(|init| is_array(file, init, own, steps))
                }
                _ => false,
            }
        }
        _ => false,
    }
}

fn returns_array<'a>(file: &Semantic<'a>, call: &CallExpression<'a>, own: &HashSet<String>, steps: u32) -> bool {
    let Expression::StaticMemberExpression(member) = call.callee.get_inner_expression() else { return false };
    let name = member.property.name.as_str();
    is_function(file, member, ARRAY_FUNCTIONS)
        || (ARRAY_METHODS.contains(&name) && !own.contains(name))
        || (MAPPING_METHODS.contains(&name) && is_array(file, &member.object, own, steps))
}
