//! Feature tests: conditions on names that a program does not have, as in `typeof process !== "undefined"`. Their truth
//! is known when the program is compiled, and the code that they exclude is not compiled.

use oxc_ast::AstKind;
use oxc_ast::ast::{BinaryOperator, Expression, LogicalOperator, UnaryOperator};
use oxc_semantic::SymbolFlags;

use super::compiler::Compiler;
use super::host_call::is_host_name;
use super::names::{builtin_root, is_builtin_name};
use super::tool;

/// Most expressions that are examined for one condition.
const MOST_STEPS: usize = 64;

/// The truth of a condition that depends only on names that a program does not have.
pub(super) fn truth<'a>(compiler: &Compiler<'a, '_>, condition: &Expression<'a>) -> Option<bool> {
    truth_within(compiler, condition, &mut { MOST_STEPS })
}

/// Whether a condition decides the value of `condition && other` or `condition || other`.
pub(super) fn decides<'a>(compiler: &Compiler<'a, '_>, condition: &Expression<'a>, operator: LogicalOperator) -> bool {
    match operator {
        LogicalOperator::And => truth(compiler, condition) == Some(false),
        LogicalOperator::Or => truth(compiler, condition) == Some(true),
        LogicalOperator::Coalesce => false,
    }
}

fn truth_within<'a>(compiler: &Compiler<'a, '_>, condition: &Expression<'a>, steps: &mut usize) -> Option<bool> {
    *steps = steps.checked_sub(1)?;
    match condition.get_inner_expression() {
        Expression::UnaryExpression(unary) if unary.operator == UnaryOperator::LogicalNot => {
            truth_within(compiler, &unary.argument, steps).map(|truth| !truth)
        }
        Expression::LogicalExpression(logical) if logical.operator != LogicalOperator::Coalesce => {
            let decisive = logical.operator == LogicalOperator::Or;
            let left = truth_within(compiler, &logical.left, steps);
            let right = truth_within(compiler, &logical.right, steps);
            if left == Some(decisive) || right == Some(decisive) {
                return Some(decisive);
            }
            left.and(right)
        }
        Expression::BinaryExpression(binary) => {
            let is_equality = match binary.operator {
                BinaryOperator::Equality | BinaryOperator::StrictEquality => true,
                BinaryOperator::Inequality | BinaryOperator::StrictInequality => false,
                _ => return None,
            };
            let sides = (binary.left.get_inner_expression(), binary.right.get_inner_expression());
            let (unary, text) = match sides {
                (Expression::UnaryExpression(unary), Expression::StringLiteral(text))
                | (Expression::StringLiteral(text), Expression::UnaryExpression(unary)) => (unary, text),
                _ => return None,
            };
            let is_missing = unary.operator == UnaryOperator::Typeof && is_missing(compiler, &unary.argument);
            is_missing.then(|| (text.value == "undefined") == is_equality)
        }
        Expression::Identifier(id) => {
            let symbol = compiler.resolve_symbol(id)?;
            let scoping = compiler.semantic.scoping();
            let is_constant = scoping.symbol_flags(symbol).contains(SymbolFlags::ConstVariable);
            match compiler.semantic.nodes().kind(scoping.symbol_declaration(symbol)) {
                AstKind::VariableDeclarator(one) if is_constant && one.id.get_binding_identifier().is_some() => {
                    truth_within(compiler, one.init.as_ref()?, steps)
                }
                _ => None,
            }
        }
        member @ Expression::StaticMemberExpression(_) if is_missing(compiler, member) => Some(false),
        _ => None,
    }
}

/// Whether an expression is a name that a program does not have, or such a member of `globalThis`.
fn is_missing<'a>(compiler: &Compiler<'a, '_>, expression: &Expression<'a>) -> bool {
    match expression.get_inner_expression() {
        Expression::StaticMemberExpression(member) => {
            builtin_root(compiler, &member.object) == Some("globalThis") && is_missing_name(&member.property.name)
        }
        expression => builtin_root(compiler, expression).is_some_and(is_missing_name),
    }
}

/// Whether a name that the program does not declare is none of those that it has.
pub(super) fn is_missing_name(name: &str) -> bool {
    !is_builtin_name(name) && !matches!(name, "input" | "globalThis" | "arguments")
}

/// The type of a name that the program does not declare and that is not a value: `typeof process`. ECMA-262 §13.5.3 The
/// typeof Operator.
pub(super) fn type_of_name<'a>(compiler: &Compiler<'a, '_>, expression: &Expression<'a>) -> Option<&'static str> {
    if let Some(name) = tool::type_of(compiler, expression) {
        return Some(name);
    }
    match builtin_root(compiler, expression)? {
        "globalThis" | "fs" => Some("object"),
        name if is_host_name(name) => Some("function"),
        name if is_missing_name(name) => Some("undefined"),
        _ => None,
    }
}
