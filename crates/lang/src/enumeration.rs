//! Enumerations of TypeScript, which are objects: `Color.Red` is a number or a text, and `Color[0]` the name of a
//! numeric member. TypeScript Handbook, Enums. A `const enum` is such an object too, as a compiler makes it that reads
//! one file at a time.

use oxc_ast::ast::{BinaryOperator, Expression, TSEnumDeclaration, TSEnumMember, TSEnumMemberName};
use oxc_semantic::SymbolId;
use oxc_span::GetSpan;
use runstate_vm::op::Op;
use serde_json::json;

use super::compiler::Compiler;

/// `( -- )` Creates the object of an enumeration and stores it in its variable before its members are evaluated, which
/// may use it.
pub(super) fn compile_enum<'a>(compiler: &mut Compiler<'a, '_>, declaration: &'a TSEnumDeclaration<'a>) {
    let Some(symbol) = declaration.id.symbol_id.get() else { return };
    if !compiler.semantic.scoping().symbol_redeclarations(symbol).is_empty() {
        let message = format!("`{}` has several declarations", declaration.id.name);
        return compiler.unsupported(declaration.span, message, "declare all members in one `enum`");
    }
    compiler.set_location(declaration.span);
    compiler.emit_json(Op::Map, json!(0));
    compiler.init_symbol(symbol, declaration.id.span);
    compiler.enter_scope(declaration.body.scope_id.get());
    let mut previous = None;
    for member in &declaration.body.members {
        previous = compile_member(compiler, declaration, member, symbol, previous);
    }
}

/// The member before, whose successor a member without a value is.
#[derive(Clone, Copy)]
enum EnumValue {
    /// A number, in the variable of the member.
    Number(SymbolId),
    /// A text, which has no successor.
    Text,
}

fn compile_member<'a>(
    compiler: &mut Compiler<'a, '_>,
    declaration: &'a TSEnumDeclaration<'a>,
    member: &'a TSEnumMember<'a>,
    object: SymbolId,
    previous: Option<EnumValue>,
) -> Option<EnumValue> {
    let span = member.span;
    let Some(name) = member_name(&member.id) else {
        compiler.unsupported(span, "the name of this member is not a text", "write a name");
        return None;
    };
    let scope = declaration.body.scope_id.get()?;
    let Some(symbol) = compiler.semantic.scoping().get_binding(scope, name.into()) else {
        compiler.unsupported(span, "this member has no name", "write a name");
        return None;
    };
    compiler.set_location(span);
    match (&member.initializer, previous) {
        (Some(value), _) => compiler.expression(value),
        (None, None) => compiler.push_number(0.0),
        (None, Some(EnumValue::Number(before))) => {
            compiler.load_symbol(before, span);
            compiler.emit(Op::Inc);
        }
        (None, Some(EnumValue::Text)) => {
            compiler.unsupported_value(span, "a member after one with a text needs a value", "write the value");
        }
    }
    compiler.init_symbol(symbol, span);
    compiler.load_symbol(object, span);
    compiler.load_symbol(symbol, span);
    compiler.emit_json(Op::InitProp, json!(name));
    compiler.emit(Op::Pop);
    if member.initializer.as_ref().is_some_and(|value| is_text(compiler, declaration, value)) {
        return Some(EnumValue::Text);
    }
    compiler.load_symbol(object, span);
    compiler.load_symbol(symbol, span);
    compiler.push_text(name);
    compiler.emit(Op::InitIndex);
    compiler.emit(Op::Pop);
    Some(EnumValue::Number(symbol))
}

/// Whether the value of a member is a text: a literal, a template, a sum with one, or another member with a text.
fn is_text<'a>(compiler: &Compiler<'a, '_>, declaration: &TSEnumDeclaration<'a>, value: &Expression<'a>) -> bool {
    match value.get_inner_expression() {
        Expression::StringLiteral(_) | Expression::TemplateLiteral(_) => true,
        Expression::BinaryExpression(binary) => {
            binary.operator == BinaryOperator::Addition
                && (is_text(compiler, declaration, &binary.left) || is_text(compiler, declaration, &binary.right))
        }
        Expression::Identifier(id) => is_text_member(compiler, declaration, id.name.as_str(), value),
        Expression::StaticMemberExpression(member) => {
            matches!(member.object.get_inner_expression(), Expression::Identifier(id) if id.name == declaration.id.name)
                && is_text_member(compiler, declaration, member.property.name.as_str(), value)
        }
        _ => false,
    }
}

/// Whether an earlier member of this name has a text.
fn is_text_member<'a>(
    compiler: &Compiler<'a, '_>,
    declaration: &TSEnumDeclaration<'a>,
    name: &str,
    user: &Expression<'a>,
) -> bool {
    let is_earlier = |member: &&TSEnumMember<'a>| member.span.end <= user.span().start;
    let mut earlier = declaration.body.members.iter().take_while(is_earlier);
    earlier
        .find(|member| member_name(&member.id) == Some(name))
        .is_some_and(|member| member.initializer.as_ref().is_some_and(|value| is_text(compiler, declaration, value)))
}

fn member_name<'m>(id: &'m TSEnumMemberName<'_>) -> Option<&'m str> {
    match id {
        TSEnumMemberName::Identifier(name) => Some(name.name.as_str()),
        TSEnumMemberName::String(text) | TSEnumMemberName::ComputedString(text) => Some(text.value.as_str()),
        TSEnumMemberName::ComputedTemplateString(_) => None,
    }
}
