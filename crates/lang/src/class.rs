//! Classes: constructor, methods, fields, static members, `extends` of a class or of a built-in one. ECMA-262 §15.7
//! Class Definitions.
//!
//! Private names are in `private_name.rs`.

use std::collections::HashMap;

use oxc_ast::AstKind;
use oxc_ast::ast::{
    BindingIdentifier, BindingPattern, Class, ClassElement, Expression, FormalParameter, FormalParameters, Function,
    MethodDefinition, MethodDefinitionKind, PropertyDefinition, Statement,
};
use oxc_span::{GetSpan, Span};
use runstate_vm::op::Op;
use runstate_vm::program::{FunctionKind, MemberKind};
use serde_json::json;

use super::compiler::Compiler;
use super::{function, is_types_only, names, private_name};

/// `( -- class )`. The variable of the class is set before static fields run, which may use it.
/// ECMA-262 §15.7.14 ClassDefinitionEvaluation.
pub(super) fn class<'a>(compiler: &mut Compiler<'a, '_>, class: &'a Class<'a>, name: Option<&str>) {
    compiler.set_location(class.span);
    if let Some(decorator) = class.decorators.first() {
        compiler.unsupported(decorator.span, "decorators are not supported", "call the function on the class");
    }
    compiler.enter_scope(class.scope_id.get());
    check_own_name(compiler, class);
    let name = class.id.as_ref().map(|id| id.name.as_str()).or(name).unwrap_or_default();
    let derived = class.heritage.is_some();
    if let Some(heritage) = &class.heritage {
        compile_heritage(compiler, &heritage.expression);
    }
    private_name::enter_class(compiler, class, name);
    let properties = constructor(compiler, class, name, derived);
    compiler.set_location(class.span);
    compiler.emit_json(Op::Class, json!({ "derived": derived }));
    let keys = members(compiler, class, &properties);
    if let Some(id) = &class.id
        && let Some(symbol) = id.symbol_id.get()
    {
        compiler.emit(Op::Dup);
        compiler.init_symbol(symbol, id.span);
    }
    static_elements(compiler, class, &keys);
    compiler.private_scopes.pop();
}

/// The hidden variables with the computed keys of fields, by the position of the field.
struct FieldKeys {
    owner: usize,
    slots: HashMap<u32, u16>,
}

/// Refuses an assignment to the class's name if the class uses it: within the class the name is a separate constant.
fn check_own_name<'a>(compiler: &mut Compiler<'a, '_>, class: &Class<'a>) {
    let Some((id, symbol)) = class.id.as_ref().and_then(|id| Some((id, id.symbol_id.get()?))) else { return };
    let (scoping, nodes) = (compiler.semantic.scoping(), compiler.semantic.nodes());
    let inside = |span: Span| class.span.start <= span.start && span.end <= class.span.end;
    let used_inside = || {
        let mut references = scoping.get_resolved_references(symbol);
        references.any(|reference| inside(nodes.kind(reference.node_id()).span()))
    };
    if scoping.symbol_is_mutated(symbol) && used_inside() {
        let message = format!("the name of the class `{}` is assigned, and used within the class", id.name);
        compiler.unsupported(id.span, message, "assign to another variable");
    }
}

/// Built-in classes that cannot be extended.
const FINAL_CLASSES: [&str; 6] = ["Boolean", "Function", "Number", "Promise", "RegExp", "String"];

/// The expression after `extends`. Deviation: some of the built-in classes cannot be extended.
fn compile_heritage<'a>(compiler: &mut Compiler<'a, '_>, parent: &'a Expression<'a>) {
    if let Some(root) = names::builtin_root(compiler, parent)
        && FINAL_CLASSES.contains(&root)
    {
        compiler.unsupported(
            parent.span(),
            format!("a class that extends `{root}` is not supported"),
            "keep it in a field",
        );
    }
    compiler.expression(parent);
}

/// `( -- constructor )` Returns the names of its parameter properties. ECMA-262 §15.7.14 ClassDefinitionEvaluation.
fn constructor<'a>(compiler: &mut Compiler<'a, '_>, class: &'a Class<'a>, name: &str, derived: bool) -> Vec<&'a str> {
    let kind = if derived { FunctionKind::Derived } else { FunctionKind::Class };
    let declared = class.body.body.iter().find_map(|element| match element {
        ClassElement::MethodDefinition(method)
            if method.kind == MethodDefinitionKind::Constructor && method.value.body.is_some() =>
        {
            Some(method)
        }
        _ => None,
    });
    match declared {
        Some(method) => {
            function::compile_function(compiler, &method.value, name, kind);
            parameter_properties(&method.value.params).map(|(id, _)| id.name.as_str()).collect()
        }
        None => {
            function::begin_function(compiler, name, kind, (false, false));
            if derived {
                let arguments = compiler.current.code.add_hidden_slot();
                compiler.current.code.function.rest = true;
                compiler.emit_slot(Op::Load, arguments);
                compiler.emit(Op::SuperCallSpread);
                compiler.emit(Op::Pop);
            }
            compiler.emit(Op::InitFields);
            compiler.emit(Op::Pop);
            function::end_function(compiler, class.span);
            Vec::new()
        }
    }
}

/// ECMA-262 §15.7.13 ClassElementEvaluation, §7.3.33 InitializeInstanceElements.
fn members<'a>(compiler: &mut Compiler<'a, '_>, class: &'a Class<'a>, properties: &[&'a str]) -> FieldKeys {
    let mut keys = FieldKeys { owner: compiler.current.index, slots: HashMap::new() };
    for element in &class.body.body {
        match element {
            ClassElement::MethodDefinition(method) => compile_method(compiler, method),
            ClassElement::AccessorProperty(accessor) => {
                compiler.unsupported(accessor.span, "`accessor` is not supported", "use a field")
            }
            ClassElement::PropertyDefinition(field) if field.computed && is_defined(field) => {
                let slot = compiler.current.code.add_hidden_slot();
                compiler.emit_slot(Op::NewCell, slot);
                if let Some(key) = field.key.as_expression() {
                    compiler.expression(key);
                    if !names::is_symbol(compiler, key) {
                        compiler.emit_json(Op::CallNative, json!({ "name": "property key", "argc": 1 }));
                    }
                }
                compiler.emit_slot(Op::InitCell, slot);
                keys.slots.insert(field.span.start, slot);
            }
            ClassElement::StaticBlock(_) | ClassElement::PropertyDefinition(_) | ClassElement::TSIndexSignature(_) => {}
        }
    }
    let fields: Vec<&'a PropertyDefinition<'a>> = field_definitions(class).collect();
    if fields.is_empty() && properties.is_empty() {
        return keys;
    }
    function::begin_function(compiler, "", FunctionKind::Function, (false, false));
    // Node initializes parameter properties before all other fields, with undefined until the body of the constructor
    // runs.
    for name in properties {
        compiler.emit(Op::This);
        compiler.push_undefined();
        compiler.emit_json(Op::InitProp, json!(name));
        compiler.emit(Op::Pop);
    }
    for field in fields {
        check_early_this(compiler, field, properties);
        compile_field(compiler, field, &keys);
    }
    function::end_function(compiler, class.span);
    compiler.emit(Op::Fields);
    keys
}

fn field_definitions<'a>(class: &'a Class<'a>) -> impl Iterator<Item = &'a PropertyDefinition<'a>> + use<'a> {
    class.body.body.iter().filter_map(|element| match element {
        ClassElement::PropertyDefinition(field) if !field.r#static && is_defined(field) => Some(&**field),
        _ => None,
    })
}

/// Whether a field exists when the program runs.
fn is_defined(field: &PropertyDefinition<'_>) -> bool {
    !field.declare && !field.r#type.is_abstract()
}

/// One field, with `this` as the object (for a static field, the class). ECMA-262 §15.7.10
/// ClassFieldDefinitionEvaluation.
fn compile_field<'a>(compiler: &mut Compiler<'a, '_>, field: &'a PropertyDefinition<'a>, keys: &FieldKeys) {
    compiler.emit_at(Op::This, field.span);
    if let Some(name) = private_name::private_name(&field.key) {
        let mut arg = private_name::load_name(compiler, name);
        if let Some(arg) = arg.as_object_mut() {
            arg.shift_remove("text");
        }
        field_value(compiler, field, &format!("#{name}"));
        compiler.emit_json(Op::PrivateInit, arg);
    } else if let Some(slot) = keys.slots.get(&field.span.start) {
        compiler.load_hidden_cell(keys.owner, *slot);
        let named = field.value.as_ref().is_some_and(super::expression::is_named_by_key);
        if named {
            compiler.emit(Op::Dup);
        }
        match &field.value {
            Some(value) => compiler.expression(value),
            None => compiler.push_undefined(),
        }
        if named {
            compiler.emit_json(Op::CallNative, json!({ "name": "function name", "argc": 2 }));
        }
        compiler.emit(Op::InitIndex);
    } else {
        let name = names::static_name(&field.key).unwrap_or_default();
        field_value(compiler, field, &name);
        compiler.emit_json(Op::InitProp, json!(name));
    }
    compiler.emit(Op::Pop);
}

fn field_value<'a>(compiler: &mut Compiler<'a, '_>, field: &'a PropertyDefinition<'a>, name: &str) {
    match &field.value {
        Some(value) => compiler.named_expression(value, name),
        None => compiler.push_undefined(),
    }
}

/// Static fields and static blocks, in their order. ECMA-262 §15.7.14 ClassDefinitionEvaluation, §15.7.11
/// ClassStaticBlockDefinitionEvaluation.
fn static_elements<'a>(compiler: &mut Compiler<'a, '_>, class: &'a Class<'a>, keys: &FieldKeys) {
    let mut elements = class.body.body.iter().filter(|element| match element {
        ClassElement::PropertyDefinition(field) => field.r#static && is_defined(field),
        ClassElement::StaticBlock(_) => true,
        _ => false,
    });
    let Some(first) = elements.next() else { return };
    // They run as a function with the class as `this`.
    compiler.emit(Op::Dup);
    function::begin_function(compiler, "", FunctionKind::Function, (false, false));
    for element in std::iter::once(first).chain(elements) {
        check_static_super(compiler, element.span());
        match element {
            ClassElement::PropertyDefinition(field) => compile_field(compiler, field, keys),
            ClassElement::StaticBlock(block) => {
                compiler.enter_scope(block.scope_id.get());
                compiler.statements(&block.body);
            }
            _ => {}
        }
    }
    function::end_function(compiler, class.span);
    compiler.emit_json(Op::CallThis, json!(0));
    compiler.emit(Op::Pop);
}

/// Refuses `super` in static fields and blocks: they are not methods and have no home object.
fn check_static_super(compiler: &mut Compiler<'_, '_>, element: Span) {
    let inside = |span: Span| element.start <= span.start && span.end <= element.end;
    let mut kinds = compiler.semantic.nodes().iter().map(|node| node.kind());
    if let Some(found) = kinds.find(|kind| matches!(kind, AstKind::Super(_)) && inside(kind.span())) {
        let hint = "write the name of the class that is extended";
        compiler.unsupported(found.span(), "`super` in a static field or block is not supported", hint);
    }
}

/// ECMA-262 §15.4.5 MethodDefinitionEvaluation.
fn compile_method<'a>(compiler: &mut Compiler<'a, '_>, method: &'a MethodDefinition<'a>) {
    if method.kind == MethodDefinitionKind::Constructor || method.value.body.is_none() {
        return;
    }
    if let Some(decorator) = method.decorators.first() {
        compiler.unsupported(decorator.span, "decorators are not supported", "call the function on the method");
    }
    let kind = match method.kind {
        MethodDefinitionKind::Get => MemberKind::Get,
        MethodDefinitionKind::Set => MemberKind::Set,
        _ => MemberKind::Method,
    };
    let name = names::static_name(&method.key).filter(|_| !method.computed);
    match (name, private_name::private_name(&method.key)) {
        (Some(name), _) if kind == MemberKind::Method => {
            function::compile_function(compiler, &method.value, &name, FunctionKind::Function);
            compiler.emit_json(Op::Method, json!({ "name": name, "static": method.r#static }));
        }
        (Some(name), _) => {
            compiler.push_text(&name);
            define_member(compiler, &method.value, &member_name(kind, &name), kind, method.r#static, false);
        }
        (None, Some(name)) => {
            private_name::load_name(compiler, name);
            let name = member_name(kind, &format!("#{name}"));
            define_member(compiler, &method.value, &name, kind, method.r#static, true);
        }
        (None, None) => {
            if let Some(key) = method.key.as_expression() {
                compiler.expression(key);
            }
            define_member(compiler, &method.value, "", kind, method.r#static, false);
        }
    }
}

/// The name of a method or accessor. ECMA-262 §10.2.9 SetFunctionName.
pub(super) fn member_name(kind: MemberKind, name: &str) -> String {
    match kind {
        MemberKind::Method => name.to_owned(),
        kind => format!("{} {name}", kind.name()),
    }
}

/// `( target key -- target )`.
pub(super) fn define_member<'a>(
    compiler: &mut Compiler<'a, '_>,
    function: &'a Function<'a>,
    name: &str,
    kind: MemberKind,
    is_static: bool,
    private: bool,
) {
    function::compile_function(compiler, function, name, FunctionKind::Function);
    compiler.emit_json(Op::Define, json!({ "kind": kind.name(), "static": is_static, "private": private }));
}

/// The statements of a function, in which a constructor sets its parameter properties: at the beginning, or in a
/// derived class directly after `super(…)`. TypeScript, parameter properties.
pub(super) fn compile_body<'a>(
    compiler: &mut Compiler<'a, '_>,
    params: &'a FormalParameters<'a>,
    statements: &'a [Statement<'a>],
) {
    let Some((_, first)) = parameter_properties(params).next() else { return compiler.statements(statements) };
    if compiler.current.kind != FunctionKind::Derived {
        assign_parameter_properties(compiler, params);
        return compiler.statements(statements);
    }
    let is_super_call = |statement: &Statement<'a>| {
        matches!(statement, Statement::ExpressionStatement(one)
            if matches!(&one.expression, Expression::CallExpression(call) if matches!(call.callee, Expression::Super(_))))
    };
    match statements.iter().position(is_super_call) {
        Some(at) => {
            compiler.hoist_functions(statements);
            compiler.statements_in_order(&statements[..=at]);
            assign_parameter_properties(compiler, params);
            compiler.statements_in_order(&statements[at + 1..]);
        }
        None => {
            let message = "a constructor with parameter properties calls `super(…)` in a statement of its own";
            compiler.unsupported(first.span, message, "write super(…); at the beginning");
        }
    }
}

fn assign_parameter_properties<'a>(compiler: &mut Compiler<'a, '_>, params: &'a FormalParameters<'a>) {
    for (id, _) in parameter_properties(params) {
        let Some(symbol) = id.symbol_id.get() else { continue };
        compiler.emit(Op::This);
        compiler.load_symbol(symbol, id.span);
        compiler.emit_json(Op::InitProp, json!(id.name.as_str()));
        compiler.emit(Op::Pop);
    }
}

/// Refuses the initial value of a field if it may read a parameter property. Compilers differ: with the fields of
/// JavaScript the property is undefined then; with fields assigned in the constructor it has its value.
fn check_early_this<'a>(compiler: &mut Compiler<'a, '_>, field: &PropertyDefinition<'a>, properties: &[&'a str]) {
    if properties.is_empty() {
        return;
    }
    let nodes = compiler.semantic.nodes();
    let inside = nodes.iter().skip(field.node_id.get().index() + 1);
    let early = inside.take_while(|node| node.kind().span().start < field.span.end).find_map(|node| {
        let AstKind::ThisExpression(this) = node.kind() else { return None };
        let mut kinds = nodes.ancestor_kinds(node.id()).skip_while(is_types_only);
        let (parent, outer) = (kinds.next(), kinds.find(|kind| !is_types_only(kind)));
        let plain = matches!(parent, Some(AstKind::StaticMemberExpression(member))
                if !properties.contains(&member.property.name.as_str()))
            && !matches!(outer, Some(AstKind::CallExpression(call))
                if call.callee.get_inner_expression().span().start == this.span.start);
        (!plain && runs_with_fields(nodes.ancestor_kinds(node.id()))).then_some(this.span)
    });
    if let Some(span) = early {
        let message = "`this` here may read a parameter property before the constructor has set it";
        compiler.unsupported(span, message, "set this field in the constructor");
    }
}

/// The parameters of a constructor that are also fields: `private x: number`.
fn parameter_properties<'a>(
    params: &'a FormalParameters<'a>,
) -> impl Iterator<Item = (&'a BindingIdentifier<'a>, &'a FormalParameter<'a>)> {
    let declares = |item: &&FormalParameter<'a>| item.accessibility.is_some() || item.readonly || item.r#override;
    params.items.iter().filter(declares).filter_map(|item| match &item.pattern {
        BindingPattern::BindingIdentifier(id) => Some((&**id, item)),
        BindingPattern::AssignmentPattern(inner) => match &inner.left {
            BindingPattern::BindingIdentifier(id) => Some((&**id, item)),
            _ => None,
        },
        _ => None,
    })
}

/// Whether `this` below these nodes is the object under construction during its construction. An arrow function that is
/// not called at once runs later.
fn runs_with_fields<'k, 'a: 'k>(ancestors: impl Iterator<Item = AstKind<'a>> + 'k) -> bool {
    let mut deferred = false;
    for kind in ancestors {
        match kind {
            AstKind::PropertyDefinition(_) => break,
            AstKind::Function(_) | AstKind::Class(_) => return false,
            AstKind::ArrowFunctionExpression(_) => deferred = true,
            AstKind::CallExpression(_) | AstKind::NewExpression(_) => deferred = false,
            _ => {}
        }
    }
    !deferred
}
