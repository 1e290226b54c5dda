//! Private names: `#x` of fields, methods and accessors. ECMA-262 §6.2.12 Private Names.
//!
//! Each evaluation of a class creates a new object per name, in a hidden variable that the members of the class
//! capture.

use std::collections::HashMap;

use oxc_ast::ast::{Class, ClassElement, PrivateFieldExpression, PrivateInExpression, PropertyKey};
use runstate_vm::op::Op;
use serde_json::{Value as Json, json};

use super::call;
use super::compiler::Compiler;
use super::function_code::Label;

/// A private name of a class under construction.
pub(super) struct PrivateName {
    /// The function that evaluates the class.
    owner: usize,
    /// Its hidden variable.
    slot: u16,
    /// The objects that have the method or accessor, for messages.
    receiver: Option<String>,
}

/// The private names of the classes around the code under construction, innermost last.
pub(super) type PrivateScopes = Vec<HashMap<String, PrivateName>>;

/// Creates the private names of a class. ECMA-262 §15.7.14 ClassDefinitionEvaluation.
pub(super) fn enter_class<'a>(compiler: &mut Compiler<'a, '_>, class: &'a Class<'a>, class_name: &str) {
    let mut names: HashMap<String, PrivateName> = HashMap::new();
    let class_name = if class_name.is_empty() { "anonymous" } else { class_name };
    for element in &class.body.body {
        let (key, is_static, is_method) = match element {
            ClassElement::MethodDefinition(method) => (&method.key, method.r#static, true),
            ClassElement::PropertyDefinition(field) => (&field.key, field.r#static, false),
            _ => continue,
        };
        let Some(name) = private_name(key).filter(|name| !names.contains_key(*name)) else { continue };
        let slot = compiler.current.code.add_hidden_slot();
        compiler.emit_slot(Op::NewCell, slot);
        compiler.emit_json(Op::Map, json!(0));
        compiler.emit_slot(Op::InitCell, slot);
        let receiver = match (is_method, is_static) {
            (false, _) => None,
            (true, true) => Some(format!("class {class_name}")),
            (true, false) => Some(format!("an instance of class {class_name}")),
        };
        names.insert(name.to_owned(), PrivateName { owner: compiler.current.index, slot, receiver });
    }
    compiler.private_scopes.push(names);
}

/// The private name that is a key, without `#`.
pub(super) fn private_name<'k>(key: &'k PropertyKey<'_>) -> Option<&'k str> {
    match key {
        PropertyKey::PrivateIdentifier(id) => Some(id.name.as_str()),
        _ => None,
    }
}

/// `( -- name )` Pushes a private name. Returns the argument of the instruction that uses it.
pub(super) fn load_name(compiler: &mut Compiler<'_, '_>, name: &str) -> Json {
    match find(compiler, name).map(|found| (found.owner, found.slot)) {
        Some((owner, slot)) => compiler.load_hidden_cell(owner, slot),
        // The parser refuses names that no class declares.
        None => compiler.push_undefined(),
    }
    arg(compiler, name)
}

/// The argument of an instruction that uses a private name.
pub(super) fn arg(compiler: &Compiler<'_, '_>, name: &str) -> Json {
    let mut arg = json!({ "name": format!("#{name}") });
    if let Some(receiver) = find(compiler, name).and_then(|found| found.receiver.as_ref()) {
        arg["text"] = json!(receiver);
    }
    arg
}

fn find<'c>(compiler: &'c Compiler<'_, '_>, name: &str) -> Option<&'c PrivateName> {
    compiler.private_scopes.iter().rev().find_map(|names| names.get(name))
}

/// `object.#name`. In an optional chain, `nullish` is the target if the object is missing. ECMA-262 §13.3.2 Property
/// Accessors.
pub(super) fn read<'a>(
    compiler: &mut Compiler<'a, '_>,
    member: &'a PrivateFieldExpression<'a>,
    nullish: Option<Label>,
) {
    call::chain_link(compiler, &member.object, member.optional, nullish);
    read_member(compiler, member);
}

/// `( object -- value )`.
pub(super) fn read_member<'a>(compiler: &mut Compiler<'a, '_>, member: &'a PrivateFieldExpression<'a>) {
    let arg = load_name(compiler, member.field.name.as_str());
    compiler.set_location(member.field.span);
    compiler.emit_json(Op::PrivateGet, arg);
}

/// `#name in object`. ECMA-262 §13.10.1 Relational Operators.
pub(super) fn test<'a>(compiler: &mut Compiler<'a, '_>, test: &'a PrivateInExpression<'a>) {
    compiler.expression(&test.right);
    let mut arg = load_name(compiler, test.left.name.as_str());
    if let Some(arg) = arg.as_object_mut() {
        arg.shift_remove("text");
    }
    compiler.set_location(test.span);
    compiler.emit_json(Op::PrivateIn, arg);
}
