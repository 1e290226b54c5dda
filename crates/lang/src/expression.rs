//! Expressions that read and compute: literals, operators, conditions, properties. Assignments are in `assignment.rs`,
//! calls in `call.rs`. Each expression leaves exactly one value on the stack.

use oxc_ast::ast::{
    ArrayExpression, ArrayExpressionElement, BinaryExpression, BinaryOperator, ConditionalExpression, Expression,
    Function, LogicalExpression, LogicalOperator, ObjectExpression, ObjectProperty, ObjectPropertyKind, PropertyKind,
    RegExpLiteral, TemplateLiteral, UnaryExpression, UnaryOperator,
};
use oxc_span::GetSpan;
use runstate_vm::bigint::{BigInt, MAX_BITS};
use runstate_vm::check_regexp;
use runstate_vm::op::Op;
use runstate_vm::program::{FunctionKind, MemberKind};
use runstate_vm::wire;
use serde_json::json;

use super::compiler::Compiler;
use super::diagnostic::DiagnosticKind;
use super::function_code::Label;
use super::{
    assignment, async_await, call, class, diagnostic, feature_test, function, generator, names, private_name, template,
};

impl<'a> Compiler<'a, '_> {
    pub(super) fn expression(&mut self, expression: &'a Expression<'a>) {
        if !self.with_nesting(expression.span(), |this| this.expression_inner(expression)) {
            self.push_undefined();
        }
    }

    /// ECMA-262 §13.2.1 The this Keyword, §13.2.3 Literals, §13.2.9 The Grouping Operator, §13.16 Comma Operator. The
    /// code of TypeScript's type assertions is that of the inner expression.
    fn expression_inner(&mut self, expression: &'a Expression<'a>) {
        match expression {
            Expression::BooleanLiteral(literal) => self.emit_json(Op::Push, json!(literal.value)),
            Expression::NullLiteral(_) => self.emit_json(Op::Push, json!(null)),
            Expression::NumericLiteral(literal) => self.push_number(literal.value),
            Expression::StringLiteral(literal) => {
                let units = decode_units(&literal.value, literal.lone_surrogates);
                self.emit_json(Op::Push, wire::text(&units));
            }
            Expression::TemplateLiteral(template) => self.template(template),
            Expression::RegExpLiteral(literal) => self.regexp(literal),
            Expression::Identifier(identifier) => names::read_identifier(self, identifier),
            Expression::ThisExpression(this) => self.emit_at(Op::This, this.span),
            Expression::ArrayExpression(array) => self.array(array),
            Expression::ObjectExpression(object) => self.object(object),
            Expression::FunctionExpression(function) => function::function_expression(self, function, None),
            Expression::ArrowFunctionExpression(arrow) => function::arrow(self, arrow, None),
            Expression::ClassExpression(class) => class::class(self, class, None),
            Expression::BinaryExpression(binary) => self.binary(binary),
            Expression::LogicalExpression(logical) => self.logical(logical),
            Expression::UnaryExpression(unary) => self.unary(unary),
            Expression::UpdateExpression(update) => assignment::update(self, update, true),
            Expression::AssignmentExpression(assignment) => assignment::assignment(self, assignment, true),
            Expression::ConditionalExpression(conditional) => self.conditional(conditional, None),
            Expression::SequenceExpression(sequence) => {
                let last = sequence.expressions.len().saturating_sub(1);
                for (at, one) in sequence.expressions.iter().enumerate() {
                    if at < last { self.discard(one) } else { self.expression(one) }
                }
            }
            Expression::CallExpression(call) => call::compile_call(self, call, None),
            Expression::NewExpression(new) => call::new_expression(self, new),
            Expression::ChainExpression(chain) => call::compile_chain(self, chain),
            Expression::AwaitExpression(inner) => async_await::await_expression(self, inner),
            Expression::YieldExpression(inner) => generator::yield_expression(self, inner),
            Expression::ParenthesizedExpression(inner) => self.expression(&inner.expression),
            Expression::TSAsExpression(inner) => self.expression(&inner.expression),
            Expression::TSSatisfiesExpression(inner) => self.expression(&inner.expression),
            Expression::TSTypeAssertion(inner) => self.expression(&inner.expression),
            Expression::TSNonNullExpression(inner) => self.expression(&inner.expression),
            Expression::TSInstantiationExpression(inner) => self.expression(&inner.expression),
            Expression::StaticMemberExpression(_)
            | Expression::ComputedMemberExpression(_)
            | Expression::PrivateFieldExpression(_) => call::member(self, expression, None),
            Expression::PrivateInExpression(test) => private_name::test(self, test),
            Expression::TaggedTemplateExpression(tagged) => template::tagged(self, tagged),
            Expression::NewTarget(target) if self.current.kind == FunctionKind::Arrow => self.unsupported_value(
                target.span,
                "`new.target` in an arrow function is not supported",
                "store it in a variable outside: const target = new.target",
            ),
            Expression::NewTarget(_) => self.emit(Op::NewTarget),
            Expression::BigIntLiteral(literal) => match BigInt::from_digits(&literal.value) {
                Some(value) => self.emit_json(Op::Push, wire::bigint(&value)),
                None => self.unsupported_value(
                    literal.span,
                    format!("a BigInt of more than {MAX_BITS} bits is not supported"),
                    "",
                ),
            },
            other => self.unsupported_expression(other),
        }
    }

    /// Deviations from ECMA-262 §13 ECMAScript Language: Expressions. These expressions are refused.
    fn unsupported_expression(&mut self, expression: &Expression<'a>) {
        let (message, hint) = match expression {
            Expression::ImportExpression(_) => ("`import()` is not supported", self.import_hint()),
            Expression::ImportMeta(_) => {
                ("`import.meta` is not supported", "pass the values that a program needs in `input`")
            }
            Expression::JSXElement(_) | Expression::JSXFragment(_) => ("JSX is not supported", ""),
            Expression::Super(_) => ("`super` is allowed only in `super(…)`, `super.name` and `super[name]`", ""),
            _ => ("this expression is not supported", ""),
        };
        self.unsupported_value(expression.span(), message, hint);
    }

    /// An expression whose anonymous function or class gets a name: `const f = () => …`. ECMA-262 §8.4.5
    /// NamedEvaluation.
    pub(super) fn named_expression(&mut self, expression: &'a Expression<'a>, name: &str) {
        match expression.get_inner_expression() {
            Expression::FunctionExpression(function) => function::function_expression(self, function, Some(name)),
            Expression::ArrowFunctionExpression(arrow) => function::arrow(self, arrow, Some(name)),
            Expression::ClassExpression(class) => class::class(self, class, Some(name)),
            _ => self.expression(expression),
        }
    }

    /// ECMA-262 §13.2.8 Template Literals.
    fn template(&mut self, template: &'a TemplateLiteral<'a>) {
        let mut empty = true;
        for (at, part) in template.quasis.iter().enumerate() {
            let cooked = part.value.cooked.as_ref().map(|text| text.as_str()).unwrap_or_default();
            if !cooked.is_empty() || (template.expressions.is_empty() && empty) {
                let units = decode_units(cooked, part.lone_surrogates);
                self.emit_json(Op::Push, wire::text(&units));
                if !empty {
                    self.emit(Op::Concat);
                }
                empty = false;
            }
            if let Some(expression) = template.expressions.get(at) {
                self.expression(expression);
                self.emit(if empty { Op::ToText } else { Op::Concat });
                empty = false;
            }
        }
    }

    /// ECMA-262 §13.2.7 Regular Expression Literals. Deviation: strings of several characters in classes are refused.
    fn regexp(&mut self, literal: &'a RegExpLiteral<'a>) {
        let (pattern, flags) = (literal.regex.pattern.text.as_str(), literal.regex.flags.to_string());
        if let Err(reason) = check_regexp(pattern, &flags) {
            let is_valid = reason.contains("not supported");
            let kind = if is_valid { DiagnosticKind::Unsupported } else { DiagnosticKind::Syntax };
            self.diagnostics.add(literal.span.start, kind, format!("Invalid regular expression: {reason}"), None);
        }
        self.set_location(literal.span);
        self.emit_json(Op::RegExp, json!({ "pattern": pattern, "flags": flags }));
    }

    /// ECMA-262 §13.2.4 Array Initializer.
    fn array(&mut self, array: &'a ArrayExpression<'a>) {
        let plain = array.elements.iter().take_while(|element| element.is_expression()).count();
        // Long literals are built in parts, so that the operand stack stays small.
        let first = plain.min(64);
        for element in &array.elements[..first] {
            if let Some(expression) = element.as_expression() {
                self.expression(expression);
            }
        }
        self.emit_json(Op::Array, json!(first));
        for element in &array.elements[first..] {
            match element {
                ArrayExpressionElement::SpreadElement(spread) => {
                    self.expression(&spread.argument);
                    self.set_location(spread.span);
                    let text = diagnostic::iterable_text(&spread.argument);
                    self.emit_json(Op::Spread, json!({ "text": text }));
                }
                ArrayExpressionElement::Elision(_) => {
                    self.emit(Op::Dup);
                    self.emit(Op::Dup);
                    self.emit_json(Op::GetProp, json!("length"));
                    self.push_number(1.0);
                    self.emit(Op::Add);
                    self.emit_json(Op::SetProp, json!("length"));
                    self.emit(Op::Pop);
                }
                element => {
                    if let Some(expression) = element.as_expression() {
                        self.expression(expression);
                        self.emit(Op::Append);
                    }
                }
            }
        }
    }

    /// ECMA-262 §13.2.5 Object Initializer.
    fn object(&mut self, object: &'a ObjectExpression<'a>) {
        self.emit_json(Op::Map, json!(0));
        for property in &object.properties {
            match property {
                ObjectPropertyKind::SpreadProperty(spread) => {
                    self.expression(&spread.argument);
                    self.emit(Op::SpreadProps);
                }
                ObjectPropertyKind::ObjectProperty(property) => self.property(property),
            }
        }
    }

    /// ECMA-262 §13.2.5.5 PropertyDefinitionEvaluation.
    fn property(&mut self, property: &'a ObjectProperty<'a>) {
        if property.kind != PropertyKind::Init {
            return self.accessor(property);
        }
        match (property.computed, names::static_name(&property.key)) {
            (false, Some(name)) => {
                if name == "__proto__" && !property.shorthand && !property.method {
                    self.emit(Op::Dup);
                    self.expression(&property.value);
                    assignment::set_property(self, &name);
                    return self.emit(Op::Pop);
                }
                match literal_method(property) {
                    Some(method) if function::uses_super(self, method) => {
                        self.push_text(&name);
                        return class::define_member(self, method, &name, MemberKind::Method, true, false);
                    }
                    Some(method) => function::compile_function(self, method, &name, FunctionKind::Method),
                    None => self.named_expression(&property.value, &name),
                }
                self.emit_json(Op::InitProp, json!(name));
            }
            _ => {
                match property.key.as_expression() {
                    Some(key) => self.property_key(key),
                    None => self.unsupported_value(property.span, "this key is not supported", ""),
                }
                if let Some(method) = literal_method(property).filter(|method| function::uses_super(self, method)) {
                    return class::define_member(self, method, "", MemberKind::Method, true, false);
                }
                let is_named_by_key = is_named_by_key(&property.value);
                if is_named_by_key {
                    self.emit(Op::Dup);
                }
                match literal_method(property) {
                    Some(method) => function::compile_function(self, method, "", FunctionKind::Method),
                    None => self.expression(&property.value),
                }
                if is_named_by_key {
                    self.emit_json(Op::CallNative, json!({ "name": "function name", "argc": 2 }));
                }
                self.emit(Op::InitIndex);
            }
        }
    }

    /// `( -- key )` A computed key, which is converted before what follows it. ECMA-262 §7.1.19 ToPropertyKey.
    pub(super) fn property_key(&mut self, key: &'a Expression<'a>) {
        self.expression(key);
        if self.plan.reads_have_effects && !key.is_literal() {
            self.emit_json(Op::CallNative, json!({ "name": "property key", "argc": 1 }));
        }
    }

    /// A getter or setter of an object literal. ECMA-262 §15.4.5 MethodDefinitionEvaluation.
    fn accessor(&mut self, property: &'a ObjectProperty<'a>) {
        let kind = if property.kind == PropertyKind::Get { MemberKind::Get } else { MemberKind::Set };
        let Expression::FunctionExpression(function) = &property.value else { return };
        let name = match names::static_name(&property.key).filter(|_| !property.computed) {
            Some(name) => {
                self.push_text(&name);
                class::member_name(kind, &name)
            }
            None => {
                match property.key.as_expression() {
                    Some(key) => self.expression(key),
                    None => self.unsupported_value(property.span, "this key is not supported", ""),
                }
                String::new()
            }
        };
        let has_home = function::uses_super(self, function);
        class::define_member(self, function, &name, kind, has_home, false);
    }

    /// ECMA-262 §13.15.4 EvaluateStringOrNumericBinaryExpression, §13.10 Relational Operators, §13.11 Equality
    /// Operators.
    fn binary(&mut self, binary: &'a BinaryExpression<'a>) {
        // The operands of a long sum are nested to the left; a loop follows them without recursion.
        let mut spine = vec![binary];
        let mut left = &binary.left;
        while let Expression::BinaryExpression(inner) = left {
            spine.push(inner);
            left = &inner.left;
        }
        self.expression(left);
        for one in spine.into_iter().rev() {
            self.expression(&one.right);
            self.emit_at(binary_op(one.operator), one.span);
        }
    }

    /// ECMA-262 §13.13 Binary Logical Operators.
    fn logical(&mut self, logical: &'a LogicalExpression<'a>) {
        let mut spine = vec![logical];
        let mut left = &logical.left;
        while let Expression::LogicalExpression(inner) = left {
            spine.push(inner);
            left = &inner.left;
        }
        self.expression(left);
        for one in spine.into_iter().rev() {
            let end = self.new_label();
            self.jump(short_circuit_jump(one.operator), end);
            match feature_test::decides(self, &one.left, one.operator) {
                true => self.push_undefined(),
                false => self.expression(&one.right),
            }
            self.bind_label(end);
        }
    }

    /// ECMA-262 §13.5 Unary Operators.
    fn unary(&mut self, unary: &'a UnaryExpression<'a>) {
        let op = match unary.operator {
            UnaryOperator::Delete => return self.delete(unary),
            UnaryOperator::Void => {
                self.discard(&unary.argument);
                return self.push_undefined();
            }
            UnaryOperator::UnaryNegation => {
                if let Expression::NumericLiteral(literal) = &unary.argument {
                    return self.push_number(-literal.value);
                }
                Op::Neg
            }
            UnaryOperator::UnaryPlus => Op::UnaryPlus,
            UnaryOperator::LogicalNot => Op::Not,
            UnaryOperator::BitwiseNot => Op::BitNot,
            UnaryOperator::Typeof => match feature_test::type_of_name(self, &unary.argument) {
                Some(name) => return self.push_text(name),
                None => Op::TypeOf,
            },
        };
        self.expression(&unary.argument);
        self.emit_at(op, unary.span);
    }

    /// ECMA-262 §13.5.1 The delete Operator. Deviation: the operand must be a property.
    fn delete(&mut self, unary: &'a UnaryExpression<'a>) {
        match unary.argument.get_inner_expression() {
            Expression::StaticMemberExpression(member) => {
                self.expression(&member.object);
                self.push_text(&member.property.name);
            }
            Expression::ComputedMemberExpression(member) => {
                self.expression(&member.object);
                self.expression(&member.expression);
            }
            _ => {
                self.unsupported_value(
                    unary.span,
                    "`delete` of this expression is not supported",
                    "write delete object.key",
                );
                return;
            }
        }
        self.emit_at(Op::Delete, unary.span);
    }

    /// ECMA-262 §13.14 Conditional Operator.
    pub(super) fn conditional(&mut self, conditional: &'a ConditionalExpression<'a>, name: Option<&str>) {
        let (otherwise, end) = (self.new_label(), self.new_label());
        let truth = feature_test::truth(self, &conditional.test);
        self.jump_unless(&conditional.test, otherwise);
        self.branch(&conditional.consequent, name, truth != Some(false));
        self.jump(Op::Jump, end);
        self.bind_label(otherwise);
        self.branch(&conditional.alternate, name, truth != Some(true));
        self.bind_label(end);
    }

    fn branch(&mut self, expression: &'a Expression<'a>, name: Option<&str>, may_run: bool) {
        match name {
            _ if !may_run => self.push_undefined(),
            Some(name) => self.named_expression(expression, name),
            None => self.expression(expression),
        }
    }

    /// Jumps if the condition is falsy, without a value for `&&`, `||` and `!`.
    pub(super) fn jump_unless(&mut self, condition: &'a Expression<'a>, target: Label) {
        self.condition(condition, target, false);
    }

    /// Jumps if the condition is truthy.
    pub(super) fn jump_if(&mut self, condition: &'a Expression<'a>, target: Label) {
        self.condition(condition, target, true);
    }

    /// Jumps if the condition is truthy (`when`) or falsy. ECMA-262 §13.13 Binary Logical Operators, §13.5.7 Logical
    /// NOT Operator.
    fn condition(&mut self, condition: &'a Expression<'a>, target: Label, when: bool) {
        let compiled = self.with_nesting(condition.span(), |this| match condition {
            Expression::ParenthesizedExpression(inner) => this.condition(&inner.expression, target, when),
            Expression::UnaryExpression(unary) if unary.operator == UnaryOperator::LogicalNot => {
                this.condition(&unary.argument, target, !when);
            }
            Expression::LogicalExpression(logical) if logical.operator != LogicalOperator::Coalesce => {
                let is_decided = feature_test::decides(this, &logical.left, logical.operator);
                let end = this.new_label();
                // `a && b` is falsy if one operand is falsy and truthy if both are; `||` is the opposite.
                if (logical.operator == LogicalOperator::And) == when {
                    this.condition(&logical.left, end, !when);
                } else {
                    this.condition(&logical.left, target, when);
                }
                if !is_decided {
                    this.condition(&logical.right, target, when);
                }
                this.bind_label(end);
            }
            other => {
                this.expression(other);
                this.jump(if when { Op::JumpIf } else { Op::JumpIfN }, target);
            }
        });
        if !compiled {
            self.jump(Op::Jump, target);
        }
    }
}

fn literal_method<'a>(property: &'a ObjectProperty<'a>) -> Option<&'a Function<'a>> {
    match &property.value {
        Expression::FunctionExpression(function) if property.method => Some(function),
        _ => None,
    }
}

/// Whether an anonymous function or class gets the name of its computed key. ECMA-262 §8.4.5 NamedEvaluation.
pub(super) fn is_named_by_key(value: &Expression<'_>) -> bool {
    match value.get_inner_expression() {
        Expression::FunctionExpression(function) => function.id.is_none(),
        Expression::ClassExpression(class) => class.id.is_none(),
        other => other.is_function(),
    }
}

pub(super) fn binary_op(operator: BinaryOperator) -> Op {
    match operator {
        BinaryOperator::Equality => Op::LooseEq,
        BinaryOperator::Inequality => Op::LooseNeq,
        BinaryOperator::StrictEquality => Op::Eq,
        BinaryOperator::StrictInequality => Op::Neq,
        BinaryOperator::LessThan => Op::Lt,
        BinaryOperator::LessEqualThan => Op::Le,
        BinaryOperator::GreaterThan => Op::Gt,
        BinaryOperator::GreaterEqualThan => Op::Ge,
        BinaryOperator::Addition => Op::Add,
        BinaryOperator::Subtraction => Op::Sub,
        BinaryOperator::Multiplication => Op::Mul,
        BinaryOperator::Division => Op::Div,
        BinaryOperator::Remainder => Op::Mod,
        BinaryOperator::Exponential => Op::Pow,
        BinaryOperator::ShiftLeft => Op::Shl,
        BinaryOperator::ShiftRight => Op::Shr,
        BinaryOperator::ShiftRightZeroFill => Op::UShr,
        BinaryOperator::BitwiseOR => Op::BitOr,
        BinaryOperator::BitwiseXOR => Op::BitXor,
        BinaryOperator::BitwiseAnd => Op::BitAnd,
        BinaryOperator::In => Op::In,
        BinaryOperator::Instanceof => Op::InstanceOf,
    }
}

/// The jump that keeps the left operand if it decides the result. ECMA-262 §13.13 Binary Logical Operators.
pub(super) fn short_circuit_jump(operator: LogicalOperator) -> Op {
    match operator {
        LogicalOperator::Or => Op::JumpIfKeep,
        LogicalOperator::And => Op::JumpIfNKeep,
        LogicalOperator::Coalesce => Op::JumpSomeKeep,
    }
}

/// The UTF-16 code units of a literal. ECMA-262 §12.9.4.2 SV.
pub(super) fn decode_units(value: &str, lone_surrogates: bool) -> Vec<u16> {
    if !lone_surrogates {
        return value.encode_utf16().collect();
    }
    let mut units = Vec::with_capacity(value.len());
    let mut remaining = value;
    while let Some(at) = remaining.find('\u{FFFD}') {
        units.extend(remaining[..at].encode_utf16());
        remaining = &remaining[at + '\u{FFFD}'.len_utf8()..];
        let unit = remaining.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
        units.push(unit.unwrap_or(0xFFFD));
        remaining = if unit.is_some() { &remaining[4..] } else { remaining };
    }
    units.extend(remaining.encode_utf16());
    units
}
