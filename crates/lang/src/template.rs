//! Tagged templates. ECMA-262 §13.3.11 Tagged Templates.

use oxc_ast::ast::{Expression, TaggedTemplateExpression, TemplateLiteral};
use runstate_vm::op::Op;
use runstate_vm::wire;
use serde_json::json;

use super::compiler::Compiler;
use super::expression::decode_units;
use super::{call, diagnostic, names, private_name};

/// ``tag`a${b}c` ``: a call with the strings, then the values.
pub(super) fn tagged<'a>(compiler: &mut Compiler<'a, '_>, tagged: &'a TaggedTemplateExpression<'a>) {
    let quasi = &tagged.quasi;
    let argc = 1 + quasi.expressions.len();
    let text = diagnostic::callee_text(&tagged.tag);
    let tag = tagged.tag.get_inner_expression();
    if let Expression::StaticMemberExpression(member) = tag
        && let Some(root) = names::builtin_root(compiler, &member.object).filter(|root| names::is_builtin(root))
    {
        let path = format!("{root}.{}", member.property.name);
        if path != "String.raw" {
            names::missing_builtin(compiler, &path, member.span);
        }
        push_arguments(compiler, quasi);
        compiler.set_location(tagged.span);
        return compiler.emit_json(Op::CallNative, json!({ "name": path, "argc": argc }));
    }
    let has_receiver = match tag {
        Expression::StaticMemberExpression(member) if compiler.namespace(&member.object).is_none() => {
            compiler.expression(&member.object);
            compiler.emit(Op::Dup);
            call::read_property(compiler, member);
            true
        }
        Expression::ComputedMemberExpression(member) => {
            call::refuse_computed_builtin(compiler, &member.object);
            compiler.expression(&member.object);
            compiler.emit(Op::Dup);
            compiler.expression(&member.expression);
            compiler.emit(Op::GetIndex);
            true
        }
        Expression::PrivateFieldExpression(member) => {
            compiler.expression(&member.object);
            compiler.emit(Op::Dup);
            private_name::read_member(compiler, member);
            true
        }
        tag => {
            call::refuse_namespace_this(compiler, tag);
            compiler.expression(tag);
            false
        }
    };
    push_arguments(compiler, quasi);
    compiler.set_location(tagged.span);
    compiler.emit_json(if has_receiver { Op::CallThis } else { Op::Call }, json!({ "argc": argc, "text": text }));
}

fn push_arguments<'a>(compiler: &mut Compiler<'a, '_>, quasi: &'a TemplateLiteral<'a>) {
    template_object(compiler, quasi);
    for expression in &quasi.expressions {
        compiler.expression(expression);
    }
}

/// The array of strings, which is the same one at each evaluation. A hidden variable of the global frame holds it.
/// ECMA-262 §13.2.8.4 GetTemplateObject.
fn template_object<'a>(compiler: &mut Compiler<'a, '_>, quasi: &'a TemplateLiteral<'a>) {
    let is_global = compiler.enclosing.is_empty();
    let global = compiler.enclosing.first_mut().unwrap_or(&mut compiler.current);
    let slot = global.code.add_hidden_slot();
    let known = compiler.new_label();
    compiler.emit_slot(if is_global { Op::Load } else { Op::LoadGlobal }, slot);
    compiler.jump(Op::JumpDefinedKeep, known);
    for part in &quasi.quasis {
        match &part.value.cooked {
            Some(cooked) => {
                let units = decode_units(cooked, part.lone_surrogates);
                compiler.emit_json(Op::Push, wire::text(&units));
            }
            None => compiler.push_undefined(),
        }
    }
    compiler.emit_json(Op::Array, json!(quasi.quasis.len()));
    for part in &quasi.quasis {
        compiler.push_text(&part.value.raw);
    }
    compiler.emit_json(Op::Array, json!(quasi.quasis.len()));
    compiler.emit_json(Op::CallNative, json!({ "name": "template strings", "argc": 2 }));
    compiler.emit(Op::Dup);
    compiler.emit_slot(if is_global { Op::Store } else { Op::StoreGlobal }, slot);
    compiler.bind_label(known);
}
