//! Assignments, `++` and `--`, of variables and of properties.

use oxc_ast::ast::{
    AssignmentExpression, AssignmentOperator, AssignmentTarget, ComputedMemberExpression, Expression,
    IdentifierReference, LogicalOperator, PrivateFieldExpression, SimpleAssignmentTarget, StaticMemberExpression,
    UpdateExpression, UpdateOperator,
};
use oxc_semantic::SymbolFlags;
use oxc_span::{GetSpan, Span};
use runstate_vm::globals::NAMESPACES;
use runstate_vm::op::Op;
use serde_json::json;

use super::compiler::Compiler;
use super::diagnostic::DiagnosticKind;
use super::expression::{binary_op, short_circuit_jump};
use super::{destructuring, names, private_name, tool};

/// The target of an assignment, without TypeScript's type assertions. ECMA-262 §13.15 Assignment Operators.
enum LeftHandSide<'a> {
    Variable(&'a IdentifierReference<'a>),
    Static(&'a StaticMemberExpression<'a>),
    Computed(&'a ComputedMemberExpression<'a>),
    Private(&'a PrivateFieldExpression<'a>),
    Other(Span),
}

fn simple_left_hand_side<'a>(target: &'a SimpleAssignmentTarget<'a>) -> LeftHandSide<'a> {
    match target {
        SimpleAssignmentTarget::AssignmentTargetIdentifier(id) => LeftHandSide::Variable(id),
        SimpleAssignmentTarget::StaticMemberExpression(member) => LeftHandSide::Static(member),
        SimpleAssignmentTarget::ComputedMemberExpression(member) => LeftHandSide::Computed(member),
        SimpleAssignmentTarget::PrivateFieldExpression(member) => LeftHandSide::Private(member),
        SimpleAssignmentTarget::TSAsExpression(inner) => unwrap_left_hand_side(&inner.expression),
        SimpleAssignmentTarget::TSSatisfiesExpression(inner) => unwrap_left_hand_side(&inner.expression),
        SimpleAssignmentTarget::TSNonNullExpression(inner) => unwrap_left_hand_side(&inner.expression),
        SimpleAssignmentTarget::TSTypeAssertion(inner) => unwrap_left_hand_side(&inner.expression),
    }
}

fn unwrap_left_hand_side<'a>(expression: &'a Expression<'a>) -> LeftHandSide<'a> {
    match expression.get_inner_expression() {
        Expression::Identifier(id) => LeftHandSide::Variable(id),
        Expression::StaticMemberExpression(member) => LeftHandSide::Static(member),
        Expression::ComputedMemberExpression(member) => LeftHandSide::Computed(member),
        Expression::PrivateFieldExpression(member) => LeftHandSide::Private(member),
        other => LeftHandSide::Other(other.span()),
    }
}

/// An assignment; its value remains on the stack if `value` is set. ECMA-262 §13.15 Assignment Operators.
pub(super) fn assignment<'a>(compiler: &mut Compiler<'a, '_>, assignment: &'a AssignmentExpression<'a>, value: bool) {
    compiler.with_nesting(assignment.span, |this| assignment_inner(this, assignment, value));
}

fn assignment_inner<'a>(compiler: &mut Compiler<'a, '_>, assignment: &'a AssignmentExpression<'a>, value: bool) {
    let Some(simple) = assignment.left.as_simple_assignment_target() else {
        compiler.expression(&assignment.right);
        if value {
            compiler.emit(Op::Dup);
        }
        return destructuring::assign_pattern(compiler, &assignment.left);
    };
    let target = simple_left_hand_side(simple);
    if assignment.operator == AssignmentOperator::Assign {
        return plain_assignment(compiler, target, assignment, value);
    }
    if let Some(operator) = assignment.operator.to_logical_operator() {
        return logical_assignment(compiler, target, operator, &assignment.right, assignment.span, value);
    }
    read_for_update(compiler, &target);
    compiler.expression(&assignment.right);
    compiler.set_location(assignment.span);
    if let Some(operator) = assignment.operator.to_binary_operator() {
        compiler.emit(binary_op(operator));
    }
    write_back(compiler, &target, assignment.span, value);
}

/// The value of a variable that an assignment sets. In parentheses, the variable does not name a function. ECMA-262
/// §13.15.2 Evaluation.
fn assigned_value<'a>(
    compiler: &mut Compiler<'a, '_>,
    id: &IdentifierReference<'a>,
    right: &'a Expression<'a>,
    assignment: Span,
) {
    match id.span.start == assignment.start {
        true => compiler.named_expression(right, id.name.as_str()),
        false => compiler.expression(right),
    }
}

/// `a = b`. ECMA-262 §13.15 Assignment Operators.
fn plain_assignment<'a>(
    compiler: &mut Compiler<'a, '_>,
    target: LeftHandSide<'a>,
    assignment: &'a AssignmentExpression<'a>,
    value: bool,
) {
    match &target {
        LeftHandSide::Variable(id) => assigned_value(compiler, id, &assignment.right, assignment.span),
        LeftHandSide::Static(member) => {
            member_object(compiler, &member.object);
            compiler.expression(&assignment.right);
        }
        LeftHandSide::Computed(member) => {
            member_object(compiler, &member.object);
            compiler.expression(&member.expression);
            compiler.expression(&assignment.right);
        }
        LeftHandSide::Private(member) => {
            member_object(compiler, &member.object);
            private_name::load_name(compiler, member.field.name.as_str());
            compiler.expression(&assignment.right);
        }
        LeftHandSide::Other(_) => compiler.expression(&assignment.right),
    }
    compiler.set_location(assignment.span);
    write_back(compiler, &target, assignment.span, value);
}

/// Reads the target and leaves the operands of `write_back` below its value.
fn read_for_update<'a>(compiler: &mut Compiler<'a, '_>, target: &LeftHandSide<'a>) {
    match target {
        LeftHandSide::Variable(id) => names::read_identifier(compiler, id),
        LeftHandSide::Static(member) => {
            member_object(compiler, &member.object);
            compiler.emit(Op::Dup);
            compiler.set_location(member.property.span);
            compiler.emit_json(Op::GetProp, json!(member.property.name.as_str()));
        }
        LeftHandSide::Computed(member) => {
            member_object(compiler, &member.object);
            compiler.expression(&member.expression);
            compiler.emit(Op::Dup2);
            compiler.emit_at(Op::GetIndex, member.span);
        }
        LeftHandSide::Private(member) => {
            member_object(compiler, &member.object);
            let arg = private_name::load_name(compiler, member.field.name.as_str());
            compiler.emit(Op::Dup2);
            compiler.set_location(member.span);
            compiler.emit_json(Op::PrivateGet, arg);
        }
        LeftHandSide::Other(_) => compiler.push_undefined(),
    }
}

/// `( [object [key]] value -- [value] )`. ECMA-262 §6.2.5.6 PutValue.
fn write_back<'a>(compiler: &mut Compiler<'a, '_>, target: &LeftHandSide<'a>, span: Span, value: bool) {
    match target {
        LeftHandSide::Variable(id) => {
            if value {
                compiler.emit(Op::Dup);
            }
            compiler.set_location(span);
            store_identifier(compiler, id);
            return;
        }
        LeftHandSide::Static(member) => {
            set_property(compiler, member.property.name.as_str());
        }
        LeftHandSide::Computed(_) => compiler.emit(Op::SetIndex),
        LeftHandSide::Private(member) => {
            let arg = private_name::arg(compiler, member.field.name.as_str());
            compiler.emit_json(Op::PrivateSet, arg);
        }
        LeftHandSide::Other(span) => report_invalid_target(compiler, *span),
    }
    if !value {
        compiler.emit(Op::Pop);
    }
}

/// `a ||= b`: the right side is evaluated and assigned only if the left side does not decide the result.
/// ECMA-262 §13.15 Assignment Operators.
fn logical_assignment<'a>(
    compiler: &mut Compiler<'a, '_>,
    target: LeftHandSide<'a>,
    operator: LogicalOperator,
    right: &'a Expression<'a>,
    span: Span,
    value: bool,
) {
    let (decided, end) = (compiler.new_label(), compiler.new_label());
    read_for_update(compiler, &target);
    compiler.jump(short_circuit_jump(operator), decided);
    match &target {
        LeftHandSide::Variable(id) => assigned_value(compiler, id, right, span),
        _ => compiler.expression(right),
    }
    write_back(compiler, &target, span, true);
    compiler.jump(Op::Jump, end);
    compiler.bind_label(decided);
    let operand_count = match target {
        LeftHandSide::Static(_) => 1,
        LeftHandSide::Computed(_) | LeftHandSide::Private(_) => 2,
        LeftHandSide::Variable(_) | LeftHandSide::Other(_) => 0,
    };
    for _ in 0..operand_count {
        compiler.emit(Op::Swap);
        compiler.emit(Op::Pop);
    }
    compiler.bind_label(end);
    if !value {
        compiler.emit(Op::Pop);
    }
}

/// `++` and `--`. ECMA-262 §13.4 Update Expressions.
pub(super) fn update<'a>(compiler: &mut Compiler<'a, '_>, update: &'a UpdateExpression<'a>, value: bool) {
    let target = simple_left_hand_side(&update.argument);
    let step = if update.operator == UpdateOperator::Increment { Op::Inc } else { Op::Dec };
    compiler.set_location(update.span);
    read_for_update(compiler, &target);
    if update.prefix || !value {
        compiler.emit(step);
        return write_back(compiler, &target, update.span, value);
    }
    // The old value remains below the operands of the assignment.
    compiler.emit(Op::ToNumber);
    match &target {
        LeftHandSide::Variable(_) | LeftHandSide::Other(_) => compiler.emit(Op::Dup),
        LeftHandSide::Static(_) => compiler.emit(Op::DupX1),
        LeftHandSide::Computed(_) | LeftHandSide::Private(_) => compiler.emit(Op::DupX2),
    }
    compiler.emit(step);
    write_back(compiler, &target, update.span, false);
}

/// Assigns the value that `value` pushes to a target in a pattern. Object and key of a property are evaluated first.
/// ECMA-262 §13.15.5.6 KeyedDestructuringAssignmentEvaluation.
pub(super) fn assign_target<'a>(
    compiler: &mut Compiler<'a, '_>,
    target: &'a AssignmentTarget<'a>,
    value: impl FnOnce(&mut Compiler<'a, '_>),
) {
    match target.as_simple_assignment_target().map(simple_left_hand_side) {
        Some(LeftHandSide::Static(member)) => {
            member_object(compiler, &member.object);
            value(compiler);
            set_property(compiler, member.property.name.as_str());
            compiler.emit(Op::Pop);
        }
        Some(LeftHandSide::Computed(member)) => {
            member_object(compiler, &member.object);
            compiler.expression(&member.expression);
            value(compiler);
            compiler.emit(Op::SetIndex);
            compiler.emit(Op::Pop);
        }
        Some(LeftHandSide::Private(member)) => {
            member_object(compiler, &member.object);
            let arg = private_name::load_name(compiler, member.field.name.as_str());
            value(compiler);
            compiler.emit_json(Op::PrivateSet, arg);
            compiler.emit(Op::Pop);
        }
        _ => {
            value(compiler);
            destructuring::assign_pattern(compiler, target);
        }
    }
}

/// `( value -- )` Assigns to a simple target after its value is known, as in the head of a `for-of` loop.
pub(super) fn assign_simple<'a>(compiler: &mut Compiler<'a, '_>, target: &'a AssignmentTarget<'a>) {
    let Some(simple) = target.as_simple_assignment_target() else {
        return compiler.emit(Op::Pop);
    };
    match simple_left_hand_side(simple) {
        LeftHandSide::Variable(id) => store_identifier(compiler, id),
        LeftHandSide::Static(member) => {
            member_object(compiler, &member.object);
            compiler.emit(Op::Swap);
            set_property(compiler, member.property.name.as_str());
            compiler.emit(Op::Pop);
        }
        LeftHandSide::Computed(_) | LeftHandSide::Private(_) => {
            let value_slot = compiler.current.code.acquire_hidden_slot();
            compiler.emit_slot(Op::Store, value_slot);
            assign_target(compiler, target, |compiler| compiler.emit_slot(Op::Load, value_slot));
            compiler.current.code.release_hidden_slot(value_slot);
        }
        LeftHandSide::Other(span) => {
            report_invalid_target(compiler, span);
            compiler.emit(Op::Pop);
        }
    }
}

fn report_invalid_target(compiler: &mut Compiler<'_, '_>, span: Span) {
    let hint = "assign to a variable or to a property";
    compiler.unsupported(span, "assigning to this expression is not supported", hint);
}

/// `( object value -- value )`. An assignment to `__proto__` may call the setter of `Object.prototype`. ECMA-262 §B.2.2.1.2
/// set Object.prototype.__proto__.
pub(super) fn set_property(compiler: &mut Compiler<'_, '_>, name: &str) {
    if name != "__proto__" {
        return compiler.emit_json(Op::SetProp, json!(name));
    }
    compiler.push_text(name);
    compiler.emit(Op::Swap);
    compiler.emit(Op::SetIndex);
}

/// The object of a property that is assigned.
fn member_object<'a>(compiler: &mut Compiler<'a, '_>, object: &'a Expression<'a>) {
    if let Expression::Super(keyword) = object {
        return compiler.unsupported_value(keyword.span, "assigning to `super` is not supported", "assign to `this`");
    }
    if let Some(root) = names::builtin_root(compiler, object).filter(|root| NAMESPACES.contains(root)) {
        let message = format!("assigning to a member of `{root}` is not supported");
        return compiler.unsupported_value(object.span(), message, "write an object of your own");
    }
    if tool::path(compiler, object).is_some() {
        return compiler.unsupported_value(object.span(), "`tools` is frozen", "write an object of your own");
    }
    compiler.expression(object);
}

/// `( value -- )` Assigns to a name. ECMA-262 §6.2.5.6 PutValue. An undeclared name is a compile error.
pub(super) fn store_identifier<'a>(compiler: &mut Compiler<'a, '_>, identifier: &IdentifierReference<'a>) {
    match compiler.resolve_symbol(identifier) {
        Some(symbol) if compiler.semantic.scoping().symbol_flags(symbol).contains(SymbolFlags::Import) => {
            let message = format!("`{}` is an import, which cannot be assigned", identifier.name);
            compiler.unsupported(identifier.span, message, "export a function that assigns it, and call that");
            compiler.emit(Op::Pop);
        }
        Some(symbol) => compiler.store_symbol(symbol, identifier.span),
        None => {
            let name = identifier.name.as_str();
            let (kind, hint) = if name == "input" || names::is_builtin_name(name) {
                (DiagnosticKind::Unsupported, "choose another name".to_owned())
            } else {
                (DiagnosticKind::Name, format!("declare it: let {name} = …"))
            };
            let message = if kind == DiagnosticKind::Name {
                format!("{name} is not defined")
            } else {
                format!("`{name}` cannot be assigned")
            };
            compiler.diagnostics.add(identifier.span.start, kind, message, Some(hint));
            compiler.emit(Op::Pop);
        }
    }
}
