//! Source text of expressions as V8 prints it in messages (`CallPrinter`): "o.f is not a function", "(a || b) is not iterable".

use oxc_ast::ast::{Expression, UnaryOperator};

use super::compiler::Compiler;

/// V8's text for an expression that it does not print.
const INTERMEDIATE_VALUE: &str = "(intermediate value)";
/// Deepest nesting of operators that is printed.
const DEPTH: usize = 16;

impl<'a> Compiler<'a, '_> {
    /// A callee, as in "… is not a function".
    pub(super) fn callee_text(&self, expression: &Expression<'a>) -> String {
        self.text_within(expression, 0)
    }

    /// An iterated value, as in "… is not iterable".
    pub(super) fn iterable_text(&self, expression: &Expression<'a>) -> String {
        match expression.get_inner_expression() {
            Expression::CallExpression(call) => {
                format!("{} is not a function or its return value", self.callee_text(&call.callee))
            }
            other => self.callee_text(other),
        }
    }

    fn text_within(&self, expression: &Expression<'a>, depth: usize) -> String {
        if depth > DEPTH {
            return INTERMEDIATE_VALUE.to_owned();
        }
        let written = |inner: &Expression<'a>| self.text_within(inner, depth + 1);
        match expression.get_inner_expression() {
            Expression::Identifier(identifier) => identifier.name.to_string(),
            Expression::ThisExpression(_) => "this".to_owned(),
            Expression::NullLiteral(_) => "null".to_owned(),
            Expression::BooleanLiteral(literal) => literal.value.to_string(),
            Expression::NumericLiteral(literal) => crate::vm::number::to_text(literal.value).to_utf8(),
            Expression::StringLiteral(literal) => format!("\"{}\"", literal.value),
            Expression::RegExpLiteral(literal) => literal.regex.to_string(),
            Expression::TemplateLiteral(template) => match template.single_quasi() {
                Some(text) => format!("\"{text}\""),
                None => template.expressions.iter().map(written).collect(),
            },
            Expression::ArrayExpression(array) => {
                let elements = array
                    .elements
                    .iter()
                    .map(|element| element.as_expression().map_or_else(|| INTERMEDIATE_VALUE.to_owned(), written));
                format!("[{}]", elements.collect::<Vec<_>>().join(","))
            }
            Expression::ObjectExpression(object) => {
                format!("{{{}}}", INTERMEDIATE_VALUE.repeat(object.properties.len()))
            }
            Expression::StaticMemberExpression(member) => {
                let dot = if member.optional { "?." } else { "." };
                format!("{}{dot}{}", written(&member.object), member.property.name)
            }
            Expression::ComputedMemberExpression(member) => {
                let (object, mark) = (written(&member.object), if member.optional { "?." } else { "" });
                match member.expression.get_inner_expression() {
                    Expression::StringLiteral(key) if member.optional => format!("{object}?.{}", key.value),
                    Expression::StringLiteral(key) => format!("{object}.{}", key.value),
                    Expression::TemplateLiteral(key) if key.is_no_substitution_template() => {
                        format!("{object}.{}", key.single_quasi().map(|text| text.to_string()).unwrap_or_default())
                    }
                    key => format!("{object}{mark}[{}]", written(key)),
                }
            }
            Expression::CallExpression(call) => format!("{}(...)", written(&call.callee)),
            Expression::UnaryExpression(unary) => {
                let (operator, inner) = (unary.operator.as_str(), written(&unary.argument));
                match (unary.operator, unary.argument.get_inner_expression()) {
                    // A negative number is printed without parentheses.
                    (UnaryOperator::UnaryNegation, Expression::NumericLiteral(_)) => format!("-{inner}"),
                    _ if operator.len() > 1 => format!("({operator} {inner})"),
                    _ => format!("({operator}{inner})"),
                }
            }
            Expression::SequenceExpression(sequence) => {
                format!("({})", sequence.expressions.iter().map(written).collect::<Vec<_>>().join(" , "))
            }
            Expression::ConditionalExpression(_) => INTERMEDIATE_VALUE.repeat(3),
            other => {
                let Some((operator, mut left, right)) = operands(other) else { return INTERMEDIATE_VALUE.to_owned() };
                let mut written_operands = vec![written(right)];
                while let Some((_, first, second)) = operands(left).filter(|inner| inner.0 == operator) {
                    written_operands.push(written(second));
                    left = first;
                }
                written_operands.push(written(left));
                written_operands.reverse();
                format!("({})", written_operands.join(&format!(" {operator} ")))
            }
        }
    }
}

/// The operator of a binary expression with its operands.
fn operands<'e, 'a>(expression: &'e Expression<'a>) -> Option<(&'static str, &'e Expression<'a>, &'e Expression<'a>)> {
    match expression.get_inner_expression() {
        Expression::BinaryExpression(binary) => Some((binary.operator.as_str(), &binary.left, &binary.right)),
        Expression::LogicalExpression(logical) => Some((logical.operator.as_str(), &logical.left, &logical.right)),
        _ => None,
    }
}
