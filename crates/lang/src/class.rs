//! Classes: constructor, methods, fields, static members, `extends` of a class or of a built-in error. ECMA-262 §15.7 Class Definitions.
//!
//! Deviations: accessors, private names, computed member names, static blocks and generators are not supported.

use oxc_ast::AstKind;
use oxc_ast::ast::{
    BindingIdentifier, BindingPattern, Class, ClassElement, Expression, FormalParameter, FormalParameters,
    MethodDefinition, MethodDefinitionKind, PropertyDefinition,
};
use oxc_span::{GetSpan, Span};
use runstate_vm::op::Op;
use runstate_vm::program::FunctionKind;
use serde_json::json;

use super::compiler::Compiler;
use super::{function, is_types_only, names};

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
    let properties = constructor(compiler, class, name, derived);
    compiler.set_location(class.span);
    compiler.emit_json(Op::Class, json!({ "derived": derived }));
    members(compiler, class, &properties);
    if let Some(id) = &class.id
        && let Some(symbol) = id.symbol_id.get()
    {
        compiler.emit(Op::Dup);
        compiler.init_symbol(symbol, id.span);
    }
    static_fields(compiler, class);
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

/// The expression after `extends`. Deviation: of the built-in classes only errors can be extended.
fn compile_heritage<'a>(compiler: &mut Compiler<'a, '_>, parent: &'a Expression<'a>) {
    if let Some(root) = names::builtin_root(compiler, parent)
        && super::names::is_builtin(root)
        && !root.ends_with("Error")
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
            function::begin_function(compiler, name, kind, false);
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
fn members<'a>(compiler: &mut Compiler<'a, '_>, class: &'a Class<'a>, properties: &[&'a str]) {
    for element in &class.body.body {
        match element {
            ClassElement::MethodDefinition(method) => compile_method(compiler, method),
            ClassElement::AccessorProperty(accessor) => {
                compiler.unsupported(accessor.span, "`accessor` is not supported", "use a field")
            }
            ClassElement::StaticBlock(block) => {
                compiler.unsupported(block.span, "static blocks are not supported", "run it after the class")
            }
            ClassElement::PropertyDefinition(_) | ClassElement::TSIndexSignature(_) => {}
        }
    }
    let fields: Vec<&'a PropertyDefinition<'a>> = field_definitions(class, false).collect();
    if fields.is_empty() && properties.is_empty() {
        return;
    }
    function::begin_function(compiler, "", FunctionKind::Function, false);
    // Node initializes parameter properties before all other fields, with undefined until the body of the constructor runs.
    for name in properties {
        compiler.emit(Op::This);
        compiler.push_undefined();
        compiler.emit_json(Op::InitProp, json!(name));
        compiler.emit(Op::Pop);
    }
    for field in fields {
        check_early_this(compiler, field, properties);
        compile_field(compiler, field);
    }
    function::end_function(compiler, class.span);
    compiler.emit(Op::Fields);
}

fn field_definitions<'a>(
    class: &'a Class<'a>,
    is_static: bool,
) -> impl Iterator<Item = &'a PropertyDefinition<'a>> + use<'a> {
    class.body.body.iter().filter_map(move |element| match element {
        ClassElement::PropertyDefinition(field)
            if field.r#static == is_static && !field.declare && !field.r#type.is_abstract() =>
        {
            Some(&**field)
        }
        _ => None,
    })
}

/// One field, with `this` as the object (for a static field, the class). ECMA-262 §15.7.10 ClassFieldDefinitionEvaluation.
fn compile_field<'a>(compiler: &mut Compiler<'a, '_>, field: &'a PropertyDefinition<'a>) {
    compiler.set_location(field.span);
    let Some(name) = member_name(
        compiler,
        field.computed,
        field.key.static_name().as_deref(),
        field.key.is_private_identifier(),
        field.span,
    ) else {
        return;
    };
    compiler.emit(Op::This);
    match &field.value {
        Some(value) => compiler.named_expression(value, &name),
        None => compiler.push_undefined(),
    }
    compiler.emit_json(Op::InitProp, json!(name));
    compiler.emit(Op::Pop);
}

/// ECMA-262 §15.7.14 ClassDefinitionEvaluation.
fn static_fields<'a>(compiler: &mut Compiler<'a, '_>, class: &'a Class<'a>) {
    let fields: Vec<&'a PropertyDefinition<'a>> = field_definitions(class, true).collect();
    if fields.is_empty() {
        return;
    }
    // They run as a function with the class as `this`.
    compiler.emit(Op::Dup);
    function::begin_function(compiler, "", FunctionKind::Function, false);
    for field in fields {
        check_static_super(compiler, field);
        compile_field(compiler, field);
    }
    function::end_function(compiler, class.span);
    compiler.emit_json(Op::CallThis, json!(0));
    compiler.emit(Op::Pop);
}

/// Refuses `super` in static fields: their initializer is not a method and has no home object.
fn check_static_super<'a>(compiler: &mut Compiler<'a, '_>, field: &PropertyDefinition<'a>) {
    let inside = |span: Span| field.span.start <= span.start && span.end <= field.span.end;
    let mut kinds = compiler.semantic.nodes().iter().map(|node| node.kind());
    if let Some(found) = kinds.find(|kind| matches!(kind, AstKind::Super(_)) && inside(kind.span())) {
        let hint = "write the name of the class that is extended";
        compiler.unsupported(found.span(), "`super` in a static field is not supported", hint);
    }
}

/// ECMA-262 §15.4.5 MethodDefinitionEvaluation.
fn compile_method<'a>(compiler: &mut Compiler<'a, '_>, method: &'a MethodDefinition<'a>) {
    if method.kind == MethodDefinitionKind::Constructor || method.value.body.is_none() {
        return;
    }
    if matches!(method.kind, MethodDefinitionKind::Get | MethodDefinitionKind::Set) {
        return compiler.unsupported(method.span, "getters and setters are not supported", "write a method");
    }
    if let Some(decorator) = method.decorators.first() {
        compiler.unsupported(decorator.span, "decorators are not supported", "call the function on the method");
    }
    let name = member_name(
        compiler,
        method.computed,
        method.key.static_name().as_deref(),
        method.key.is_private_identifier(),
        method.span,
    );
    let Some(name) = name else { return };
    compiler.check_conversion_method(method.span, &name);
    function::compile_function(compiler, &method.value, &name, FunctionKind::Function);
    compiler.emit_json(Op::Method, json!({ "name": name, "static": method.r#static }));
}

fn member_name<'a>(
    compiler: &mut Compiler<'a, '_>,
    computed: bool,
    name: Option<&str>,
    private: bool,
    span: Span,
) -> Option<String> {
    match name {
        Some(name) if !computed && !private => return Some(name.to_owned()),
        _ if private => {
            let hint = "use an ordinary member; TypeScript's `private` is accepted";
            compiler.unsupported(span, "private names (`#x`) are not supported", hint);
        }
        _ => compiler.unsupported(span, "computed member names are not supported", "write the name"),
    }
    None
}

/// `constructor(private x: number)` sets a field after the parameters are initialized. TypeScript, parameter properties.
pub(super) fn assign_parameter_properties<'a>(compiler: &mut Compiler<'a, '_>, params: &'a FormalParameters<'a>) {
    for (id, item) in parameter_properties(params) {
        let Some(symbol) = id.symbol_id.get() else { continue };
        if compiler.current.kind == FunctionKind::Derived {
            compiler.unsupported(
                item.span,
                "parameter properties of a derived class are not supported",
                "assign to this after super(…)",
            );
        }
        compiler.emit(Op::This);
        compiler.load_symbol(symbol, id.span);
        compiler.emit_json(Op::InitProp, json!(id.name.as_str()));
        compiler.emit(Op::Pop);
    }
}

/// Refuses the initial value of a field if it may read a parameter property. Compilers differ: with the fields of JavaScript the
/// property is undefined then; with fields assigned in the constructor it has its value.
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

/// Whether `this` below these nodes is the object under construction during its construction. An arrow function that is not
/// called at once runs later.
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
