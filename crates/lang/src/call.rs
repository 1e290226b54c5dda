//! Property reads, calls, `new` and optional chains. Calls with an object as `this` are those of its methods, and of
//! the result of an optional chain.

use oxc_ast::ast::{
    Argument, CallExpression, ChainElement, ChainExpression, Expression, MemberExpression, NewExpression,
    ObjectPropertyKind, StaticMemberExpression, UnaryOperator,
};
use oxc_span::{GetSpan, Span};
use runstate_vm::globals::{CALLABLE_CLASSES, CLASSES, FUNCTIONS, NAMESPACES};
use runstate_vm::op::Op;
use runstate_vm::program::FunctionKind;
use serde_json::{Value as Json, json};

use super::compiler::Compiler;
use super::function_code::Label;
use super::host_call::is_host_name;
use super::names::is_builtin;
use super::{diagnostic, host_call, locale_literal, names, prelude, private_name, tool};

/// The pushed arguments: their number, or one array.
enum PushedArguments {
    Count(usize),
    Array,
}

/// Reads a property. In an optional chain, `nullish` is the target if an object is missing. ECMA-262 §13.3.2 Property
/// Accessors.
pub(super) fn member<'a>(compiler: &mut Compiler<'a, '_>, expression: &'a Expression<'a>, nullish: Option<Label>) {
    if expression.as_member_expression().is_some_and(|member| tool::member(compiler, member)) {
        return;
    }
    match expression {
        Expression::StaticMemberExpression(member) => {
            if let Expression::Super(_) = &member.object {
                compiler.set_location(member.span);
                return compiler.emit_json(Op::SuperGet, json!(member.property.name.as_str()));
            }
            if names::builtin_member(compiler, member) {
                return;
            }
            chain_link(compiler, &member.object, member.optional, nullish);
            read_property(compiler, member);
        }
        Expression::ComputedMemberExpression(member) if matches!(member.object, Expression::Super(_)) => {
            compiler.expression(&member.expression);
            compiler.emit_at(Op::SuperGetIndex, member.span);
        }
        Expression::ComputedMemberExpression(member) => {
            refuse_computed_builtin(compiler, &member.object);
            chain_link(compiler, &member.object, member.optional, nullish);
            compiler.expression(&member.expression);
            compiler.emit_at(Op::GetIndex, member.span);
        }
        Expression::PrivateFieldExpression(member) => private_name::read(compiler, member, nullish),
        other => compiler.expression(other),
    }
}

/// `( object -- value )`. ECMA-262 §13.3.4 EvaluatePropertyAccessWithIdentifierKey.
pub(super) fn read_property<'a>(compiler: &mut Compiler<'a, '_>, member: &StaticMemberExpression<'a>) {
    names::check_member_name(compiler, member.property.name.as_str(), member.property.span, false);
    compiler.set_location(member.property.span);
    compiler.emit_json(Op::GetProp, json!(member.property.name.as_str()));
}

pub(super) fn refuse_computed_builtin<'a>(compiler: &mut Compiler<'a, '_>, object: &Expression<'a>) {
    let is_refused = |root: &&str| is_builtin(root) && !NAMESPACES.contains(root);
    if let Some(root) = names::builtin_root(compiler, object).filter(is_refused) {
        compiler.unsupported(
            object.span(),
            format!("members of `{root}` are read by name only"),
            "write Number.isInteger, not Number[name]",
        );
    }
}

/// One link of a chain: the object, and the jump if it is nullish after `?.`. ECMA-262 §13.3.9.2 ChainEvaluation.
pub(super) fn chain_link<'a>(
    compiler: &mut Compiler<'a, '_>,
    object: &'a Expression<'a>,
    optional: bool,
    nullish: Option<Label>,
) {
    match optional && tool::is_missing(compiler, object) {
        true => compiler.push_undefined(),
        false => chain_expression(compiler, object, nullish),
    }
    if let (true, Some(nullish)) = (optional, nullish) {
        compiler.jump(Op::JumpNullish, nullish);
    }
}

/// An expression that continues the chain around it.
fn chain_expression<'a>(compiler: &mut Compiler<'a, '_>, expression: &'a Expression<'a>, nullish: Option<Label>) {
    if nullish.is_none() {
        return compiler.expression(expression);
    }
    let compiled = compiler.with_nesting(expression.span(), |this| match expression {
        Expression::StaticMemberExpression(_)
        | Expression::ComputedMemberExpression(_)
        | Expression::PrivateFieldExpression(_) => member(this, expression, nullish),
        Expression::CallExpression(call) => compile_call(this, call, nullish),
        Expression::TSNonNullExpression(inner) => chain_expression(this, &inner.expression, nullish),
        other => this.expression(other),
    });
    if !compiled {
        compiler.push_undefined();
    }
}

/// `a?.b.c`: undefined as a whole if a `?.` follows a nullish value. ECMA-262 §13.3.9 Optional Chains.
pub(super) fn compile_chain<'a>(compiler: &mut Compiler<'a, '_>, chain: &'a ChainExpression<'a>) {
    let (nullish, end) = (compiler.new_label(), compiler.new_label());
    match &chain.expression {
        element if element.as_member_expression().is_some_and(|member| tool::member(compiler, member)) => {}
        ChainElement::CallExpression(call) => compile_call(compiler, call, Some(nullish)),
        ChainElement::TSNonNullExpression(inner) => chain_expression(compiler, &inner.expression, Some(nullish)),
        ChainElement::StaticMemberExpression(member) => {
            if !names::builtin_member(compiler, member) {
                chain_link(compiler, &member.object, member.optional, Some(nullish));
                read_property(compiler, member);
            }
        }
        ChainElement::ComputedMemberExpression(member) => {
            chain_link(compiler, &member.object, member.optional, Some(nullish));
            compiler.expression(&member.expression);
            compiler.emit_at(Op::GetIndex, member.span);
        }
        ChainElement::PrivateFieldExpression(member) => private_name::read(compiler, member, Some(nullish)),
    }
    compiler.jump(Op::Jump, end);
    compiler.bind_label(nullish);
    compiler.push_undefined();
    compiler.bind_label(end);
}

/// ECMA-262 §13.3.6 Function Calls.
pub(super) fn compile_call<'a>(compiler: &mut Compiler<'a, '_>, call: &'a CallExpression<'a>, nullish: Option<Label>) {
    if tool::call(compiler, call) {
        return;
    }
    // Type assertions and parentheses around a callee (`o.f!()`, `(o.f as any)()`) have no effect: `this` is the
    // object.
    match call.callee.get_inner_expression() {
        Expression::Super(_) => compile_super_call(compiler, call),
        Expression::Identifier(id) if compiler.resolve_symbol(id).is_none() => {
            named_call(compiler, id.name.as_str(), id.span, call)
        }
        Expression::StaticMemberExpression(member) if compiler.namespace(&member.object).is_none() => {
            locale_literal::check(compiler, member, &call.arguments);
            method_call(compiler, member, call, nullish)
        }
        callee @ Expression::ComputedMemberExpression(read) if matches!(read.object, Expression::Super(_)) => {
            compiler.emit_at(Op::This, call.span);
            member(compiler, callee, None);
            call_with_this(compiler, call, nullish);
        }
        Expression::ComputedMemberExpression(member) => {
            refuse_computed_builtin(compiler, &member.object);
            chain_link(compiler, &member.object, member.optional, nullish);
            compiler.emit(Op::Dup);
            compiler.expression(&member.expression);
            compiler.emit_at(Op::GetIndex, member.span);
            call_with_this(compiler, call, nullish);
        }
        Expression::PrivateFieldExpression(member) => {
            chain_link(compiler, &member.object, member.optional, nullish);
            compiler.emit(Op::Dup);
            private_name::read_member(compiler, member);
            call_with_this(compiler, call, nullish);
        }
        Expression::ChainExpression(chain) => {
            chain_callee(compiler, chain);
            call_with_this(compiler, call, nullish);
        }
        callee => {
            refuse_namespace_this(compiler, callee);
            chain_expression(compiler, callee, nullish);
            if let (true, Some(nullish)) = (call.optional, nullish) {
                compiler.jump(Op::JumpNullish, nullish);
            }
            let arg = json!({ "text": diagnostic::callee_text(&call.callee) });
            emit_call(compiler, (Op::Call, Op::CallSpread), arg, &call.arguments, call.span);
        }
    }
}

/// Refuses the call of a function as a member of a namespace if it uses `this`, which is then the namespace. ECMA-262
/// §13.3.6.2 EvaluateCall.
pub(super) fn refuse_namespace_this<'a>(compiler: &mut Compiler<'a, '_>, callee: &Expression<'a>) {
    let is_member = matches!(callee, Expression::StaticMemberExpression(_));
    if is_member && compiler.binding(callee).is_some_and(|binding| compiler.graph.uses_this(binding)) {
        let message = "this function uses `this`, which would be the namespace of the file";
        compiler.unsupported(callee.span(), message, "import the function by its name, or write a class");
    }
}

/// `Math.max(…)`, `console.log(…)`.
pub(super) fn builtin_call<'a>(
    compiler: &mut Compiler<'a, '_>,
    root: &str,
    member: &StaticMemberExpression<'a>,
    call: &'a CallExpression<'a>,
) {
    let path = format!("{root}.{}", member.property.name);
    if host_call::host_call(compiler, &path, call) {
        return;
    }
    if is_host_name(root) {
        return host_call::host_name_as_value(compiler, &path, member.span);
    }
    if compiler.load_prelude(&path) {
        return call_value(compiler, &path, &call.arguments, call.span);
    }
    if !FUNCTIONS.contains(&path.as_str()) {
        names::missing_builtin(compiler, &path, member.span);
    }
    emit_call(compiler, NATIVE_CALL, json!({ "name": path }), &call.arguments, call.span);
}

/// `( f -- result )`; pushes the arguments first.
pub(super) fn call_value<'a>(compiler: &mut Compiler<'a, '_>, text: &str, arguments: &'a [Argument<'a>], span: Span) {
    emit_call(compiler, (Op::Call, Op::CallSpread), json!({ "text": text }), arguments, span);
}

const NATIVE_CALL: (Op, Op) = (Op::CallNative, Op::CallNativeSpread);
const NATIVE_NEW: (Op, Op) = (Op::NewNative, Op::NewNativeSpread);

/// Pushes the arguments and emits the first operation with their number, or the second one if they are one array.
fn emit_call<'a>(
    compiler: &mut Compiler<'a, '_>,
    (op, spread): (Op, Op),
    mut arg: Json,
    arguments: &'a [Argument<'a>],
    span: Span,
) {
    let pushed = compile_arguments(compiler, arguments);
    compiler.set_location(span);
    match pushed {
        PushedArguments::Count(argc) => {
            arg["argc"] = json!(argc);
            compiler.emit_json(op, arg);
        }
        PushedArguments::Array => compiler.emit_json(spread, arg),
    }
}

/// A call of a name that the program does not declare. ECMA-262 §13.3.6 Function Calls.
fn named_call<'a>(compiler: &mut Compiler<'a, '_>, name: &str, span: Span, call: &'a CallExpression<'a>) {
    if host_call::host_call(compiler, name, call) {
        return;
    }
    if let Some(native) = prelude::native_name(compiler, name) {
        return emit_call(compiler, NATIVE_CALL, json!({ "name": native }), &call.arguments, call.span);
    }
    if compiler.load_prelude(name) {
        return call_value(compiler, name, &call.arguments, call.span);
    }
    // A call of RegExp returns its argument if that is a regexp.
    if name == "RegExp" || (FUNCTIONS.contains(&name) && !CALLABLE_CLASSES.contains(&name)) {
        return emit_call(compiler, NATIVE_CALL, json!({ "name": name }), &call.arguments, call.span);
    }
    if CALLABLE_CLASSES.contains(&name) {
        return emit_call(compiler, NATIVE_NEW, json!({ "name": name }), &call.arguments, call.span);
    }
    if CLASSES.contains(&name) && name != "Function" {
        let message = format!("`{name}` cannot be called without `new`");
        return compiler.unsupported_value(span, message, &format!("write new {name}()"));
    }
    if name == "input" {
        names::read_name(compiler, name, span);
        return call_value(compiler, name, &call.arguments, call.span);
    }
    names::unknown_name(compiler, name, span);
    if matches!(compile_arguments(compiler, &call.arguments), PushedArguments::Array) {
        compiler.emit(Op::Pop);
    }
}

/// ECMA-262 §13.3.5 The new Operator.
pub(super) fn new_expression<'a>(compiler: &mut Compiler<'a, '_>, new: &'a NewExpression<'a>) {
    if let Some(root) = names::builtin_root(compiler, &new.callee) {
        if !new.arguments.is_empty() && compiler.load_prelude(&format!("new {root}")) {
            return call_value(compiler, root, &new.arguments, new.span);
        }
        if CLASSES.contains(&root) && root != "Function" {
            return emit_call(compiler, NATIVE_NEW, json!({ "name": root }), &new.arguments, new.span);
        }
        let message = format!("`new {root}` is not supported");
        return match is_builtin(root) || is_host_name(root) {
            true => compiler.unsupported_value(new.span, message, ""),
            false => names::unknown_name(compiler, root, new.callee.span()),
        };
    }
    if let Expression::StaticMemberExpression(class) = new.callee.get_inner_expression() {
        locale_literal::check(compiler, class, &new.arguments);
    }
    compiler.expression(&new.callee);
    let arg = json!({ "text": diagnostic::callee_text(&new.callee) });
    emit_call(compiler, (Op::New, Op::NewSpread), arg, &new.arguments, new.span);
}

/// ECMA-262 §13.3.7 The super Keyword. Deviation: `super(…)` within an arrow function is not supported.
fn compile_super_call<'a>(compiler: &mut Compiler<'a, '_>, call: &'a CallExpression<'a>) {
    if compiler.current.kind != FunctionKind::Derived {
        compiler.unsupported(call.span, "`super(…)` within an arrow function is not supported", "call it directly");
    }
    match compile_arguments(compiler, &call.arguments) {
        PushedArguments::Count(argc) => {
            compiler.set_location(call.span);
            compiler.emit_json(Op::SuperCall, json!(argc));
        }
        PushedArguments::Array => compiler.emit_at(Op::SuperCallSpread, call.span),
    }
    compiler.emit(Op::InitFields);
    compiler.emit(Op::Pop);
}

/// ECMA-262 §13.3.8 Argument Lists.
fn compile_arguments<'a>(compiler: &mut Compiler<'a, '_>, arguments: &'a [Argument<'a>]) -> PushedArguments {
    if arguments.iter().all(|argument| argument.is_expression()) && arguments.len() <= 250 {
        for argument in arguments {
            if let Some(expression) = argument.as_expression() {
                compiler.expression(expression);
            }
        }
        return PushedArguments::Count(arguments.len());
    }
    compiler.emit_json(Op::Array, Json::from(0));
    for argument in arguments {
        match argument {
            Argument::SpreadElement(spread) => {
                compiler.expression(&spread.argument);
                compiler.emit_at(Op::Spread, spread.span);
            }
            other => {
                if let Some(expression) = other.as_expression() {
                    compiler.expression(expression);
                    compiler.emit(Op::Append);
                }
            }
        }
    }
    PushedArguments::Array
}

/// `(a?.b)()`: calls the result of a chain with its last object as `this`. `( -- this f )`. ECMA-262 §13.3.9 Optional
/// Chains.
pub(super) fn chain_callee<'a>(compiler: &mut Compiler<'a, '_>, chain: &'a ChainExpression<'a>) {
    let member = match &chain.expression {
        ChainElement::TSNonNullExpression(inner) => inner.expression.get_inner_expression().as_member_expression(),
        element => element.as_member_expression(),
    };
    let Some(member) = member else {
        compiler.push_undefined();
        return compile_chain(compiler, chain);
    };
    let (nullish, end) = (compiler.new_label(), compiler.new_label());
    chain_link(compiler, member.object(), member.optional(), Some(nullish));
    compiler.emit(Op::Dup);
    match member {
        MemberExpression::StaticMemberExpression(member) => read_property(compiler, member),
        MemberExpression::ComputedMemberExpression(member) => {
            compiler.expression(&member.expression);
            compiler.emit_at(Op::GetIndex, member.span);
        }
        MemberExpression::PrivateFieldExpression(member) => private_name::read_member(compiler, member),
    }
    compiler.jump(Op::Jump, end);
    compiler.bind_label(nullish);
    compiler.push_undefined();
    compiler.push_undefined();
    compiler.bind_label(end);
}

/// `( this f -- result )`; pushes the arguments first. ECMA-262 §13.3.6.2 EvaluateCall.
pub(super) fn call_with_this<'a>(
    compiler: &mut Compiler<'a, '_>,
    call: &'a CallExpression<'a>,
    nullish: Option<Label>,
) {
    let (missing, end) = (compiler.new_label(), compiler.new_label());
    let optional = call.optional && nullish.is_some();
    if optional {
        compiler.jump(Op::JumpNullish, missing);
    }
    let arg = json!({ "text": diagnostic::callee_text(&call.callee) });
    emit_call(compiler, (Op::CallThis, Op::CallThisSpread), arg, &call.arguments, call.span);
    if let (true, Some(nullish)) = (optional, nullish) {
        compiler.jump(Op::Jump, end);
        // If the method is missing, the receiver is still on the stack.
        compiler.bind_label(missing);
        compiler.emit(Op::Pop);
        compiler.jump(Op::Jump, nullish);
        compiler.bind_label(end);
    }
}

/// ECMA-262 §13.3.6 Function Calls, with a property as callee.
pub(super) fn method_call<'a>(
    compiler: &mut Compiler<'a, '_>,
    member: &'a StaticMemberExpression<'a>,
    call: &'a CallExpression<'a>,
    nullish: Option<Label>,
) {
    let name = member.property.name.as_str();
    let text = || json!({ "argc": 1, "text": diagnostic::callee_text(&call.callee) });
    if let Expression::Super(_) = &member.object {
        compiler.emit_at(Op::This, call.span);
        let is_localized = load_localized(compiler, name, call);
        compiler.emit_json(Op::SuperGet, json!(name));
        if is_localized {
            compiler.emit_json(Op::Call, text());
        }
        return call_with_this(compiler, call, nullish);
    }
    match names::builtin_root(compiler, &member.object) {
        Some("globalThis") => {
            compiler.push_undefined();
            names::builtin_member(compiler, member);
            return call_with_this(compiler, call, nullish);
        }
        Some(root)
            if (is_builtin(root) && !names::is_inherited_by_builtin(&format!("{root}.{name}")))
                || is_host_name(root) =>
        {
            return builtin_call(compiler, root, member, call);
        }
        _ => {}
    }
    names::check_member_name(compiler, name, member.property.span, true);
    chain_link(compiler, &member.object, member.optional, nullish);
    if load_localized(compiler, name, call) {
        compiler.emit(Op::Swap);
        compiler.emit(Op::DupX1);
        read_property(compiler, member);
        compiler.emit_json(Op::Call, text());
        return call_with_this(compiler, call, nullish);
    }
    // CALL_METHOD looks up the method after the arguments. That is not observable if the arguments have no effects.
    let has_effects = call.arguments.iter().any(|argument| argument.as_expression().is_none_or(has_effect))
        || (compiler.plan.reads_have_effects && !call.arguments.iter().all(is_effect_free));
    if has_effects || (call.optional && nullish.is_some()) {
        compiler.emit(Op::Dup);
        read_property(compiler, member);
        return call_with_this(compiler, call, nullish);
    }
    let arg = json!({ "text": diagnostic::callee_text(&call.callee), "name": name });
    emit_call(compiler, (Op::CallMethod, Op::CallMethodSpread), arg, &call.arguments, member.property.span);
}

/// `( -- localized )` Whether `Intl` formats in place of the machine. Then pushes its function from a method to the one
/// that is called.
fn load_localized<'a>(compiler: &mut Compiler<'a, '_>, name: &str, call: &CallExpression<'a>) -> bool {
    name.starts_with("toLocale") && !call.arguments.is_empty() && compiler.load_prelude(&format!(".{name}"))
}

/// Whether the evaluation cannot call a getter or a conversion method of the program.
fn is_effect_free(argument: &Argument<'_>) -> bool {
    argument.as_expression().map(Expression::get_inner_expression).is_some_and(|expression| {
        expression.is_literal()
            || expression.is_function()
            || matches!(expression, Expression::Identifier(_) | Expression::ThisExpression(_))
    })
}

/// Whether the evaluation may change the method that a name refers to, make a host call, or print.
fn has_effect(expression: &Expression<'_>) -> bool {
    match expression.get_inner_expression() {
        Expression::ArrayExpression(array) => {
            array.elements.iter().any(|element| element.as_expression().is_none_or(has_effect))
        }
        Expression::ObjectExpression(object) => object.properties.iter().any(|property| match property {
            ObjectPropertyKind::ObjectProperty(property) => property.computed || has_effect(&property.value),
            ObjectPropertyKind::SpreadProperty(_) => true,
        }),
        Expression::BinaryExpression(binary) => has_effect(&binary.left) || has_effect(&binary.right),
        Expression::LogicalExpression(logical) => has_effect(&logical.left) || has_effect(&logical.right),
        Expression::ConditionalExpression(conditional) => {
            has_effect(&conditional.test) || has_effect(&conditional.consequent) || has_effect(&conditional.alternate)
        }
        Expression::UnaryExpression(unary) => unary.operator == UnaryOperator::Delete || has_effect(&unary.argument),
        Expression::TemplateLiteral(template) => template.expressions.iter().any(has_effect),
        Expression::StaticMemberExpression(member) => has_effect(&member.object),
        Expression::ComputedMemberExpression(member) => has_effect(&member.object) || has_effect(&member.expression),
        other => {
            !(other.is_literal()
                || other.is_function()
                || matches!(other, Expression::Identifier(_) | Expression::ThisExpression(_) | Expression::Super(_)))
        }
    }
}
