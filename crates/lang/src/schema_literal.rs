//! Schemas of host calls that are written as literals. They are known before the program runs, so that the domain
//! refuses a wrong one when the program is loaded. A schema that the program computes is checked when it is used.

use oxc_ast::AstKind;
use oxc_ast::ast::{
    ArrayExpressionElement, Expression, IdentifierReference, ObjectPropertyKind, PropertyKind, UnaryOperator,
};
use oxc_span::Span;
use serde_json::{Map, Value as Json};

use super::compiler::Compiler;
use super::diagnostic::{Diagnostic, DiagnosticKind};
use super::names;

/// Most values of all literals of a program. The same constant may be in many calls.
const MAX_VALUES: usize = 200_000;

/// Deepest nesting of a literal, as of any plain value.
const MAX_DEPTH: usize = runstate_value::limits::VALUE_DEPTH;

/// A schema in the source.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaLiteral {
    /// The schema.
    pub schema: Json,
    /// Its place, without a message.
    place: Diagnostic,
}

impl SchemaLiteral {
    /// The diagnostic that refuses it.
    pub fn refusal(&self, why: String) -> Diagnostic {
        Diagnostic { message: why, ..self.place.clone() }
    }
}

/// The literals found so far.
#[derive(Default)]
pub(super) struct SchemaLiterals {
    pub(super) found: Vec<SchemaLiteral>,
    values: usize,
}

/// The value of an expression that is a literal: written in place, or a constant.
pub(super) fn plain_value<'a>(compiler: &mut Compiler<'a, '_>, expression: &Expression<'a>) -> Option<Json> {
    let mut values = compiler.schemas.values;
    let value = literal(compiler, expression, 0, &mut values);
    compiler.schemas.values = values;
    value
}

/// Keeps the schema of a host call if it is a literal.
pub(super) fn collect<'a>(compiler: &mut Compiler<'a, '_>, span: Span, value: &Expression<'a>) {
    if let Some(schema) = plain_value(compiler, value) {
        let place = compiler.diagnostics.diagnostic(span.start, DiagnosticKind::Unsupported, String::new(), None);
        compiler.schemas.found.push(SchemaLiteral { schema, place });
    }
}

/// Keeps the schema of options that are a constant.
pub(super) fn collect_from_constant<'a>(compiler: &mut Compiler<'a, '_>, options: &Expression<'a>) {
    let Expression::Identifier(identifier) = options.get_inner_expression() else { return };
    let mut values = compiler.schemas.values;
    let options = constant(compiler, identifier, &mut values).filter(|_| values <= MAX_VALUES);
    compiler.schemas.values = values;
    let Some(Expression::ObjectExpression(object)) = options.map(Expression::get_inner_expression) else { return };
    for property in &object.properties {
        if let ObjectPropertyKind::ObjectProperty(property) = property
            && !property.computed
            && names::static_name(&property.key).is_some_and(|name| name == "schema")
        {
            collect(compiler, property.span, &property.value);
        }
    }
}

/// The value of a literal; `None` if a part of it is known only when the program runs.
fn literal<'a>(compiler: &Compiler<'a, '_>, value: &Expression<'a>, depth: usize, values: &mut usize) -> Option<Json> {
    *values += 1;
    if *values > MAX_VALUES || depth > MAX_DEPTH {
        return None;
    }
    Some(match value.get_inner_expression() {
        Expression::NullLiteral(_) => Json::Null,
        Expression::BooleanLiteral(literal) => literal.value.into(),
        Expression::NumericLiteral(literal) => number(literal.value),
        Expression::UnaryExpression(unary) if unary.operator == UnaryOperator::UnaryNegation => {
            let Expression::NumericLiteral(literal) = unary.argument.get_inner_expression() else { return None };
            number(-literal.value)
        }
        Expression::StringLiteral(literal) => {
            *values += literal.value.len() / 16;
            literal.value.as_str().into()
        }
        Expression::TemplateLiteral(template) => {
            let text = template.single_quasi()?;
            *values += text.len() / 16;
            text.as_str().into()
        }
        Expression::ArrayExpression(array) => {
            let item =
                |element: &ArrayExpressionElement<'a>| literal(compiler, element.as_expression()?, depth + 1, values);
            array.elements.iter().map(item).collect::<Option<Vec<Json>>>()?.into()
        }
        Expression::ObjectExpression(object) => {
            let mut members = Map::new();
            for property in &object.properties {
                let ObjectPropertyKind::ObjectProperty(property) = property else { return None };
                let name = names::static_name(&property.key).filter(|name| name != "__proto__");
                let is_plain = property.kind == PropertyKind::Init && !property.computed && !property.method;
                let name = name.filter(|_| is_plain)?.into_owned();
                members.insert(name, literal(compiler, &property.value, depth + 1, values)?);
            }
            members.into()
        }
        Expression::Identifier(identifier) => {
            literal(compiler, constant(compiler, identifier, values)?, depth + 1, values)?
        }
        _ => return None,
    })
}

/// The value of a variable that the program neither assigns again nor may change by a member.
fn constant<'a>(
    compiler: &Compiler<'a, '_>,
    identifier: &IdentifierReference<'a>,
    values: &mut usize,
) -> Option<&'a Expression<'a>> {
    let symbol = compiler.resolve_symbol(identifier)?;
    let (scoping, nodes) = (compiler.semantic.scoping(), compiler.semantic.nodes());
    let AstKind::VariableDeclarator(declarator) = nodes.kind(scoping.symbol_declaration(symbol)) else { return None };
    let mut may_change = scoping.symbol_is_mutated(symbol);
    for reference in scoping.get_resolved_references(symbol) {
        *values += 1;
        let place = nodes.parent_kind(reference.node_id());
        may_change |= matches!(place, AstKind::StaticMemberExpression(_) | AstKind::ComputedMemberExpression(_));
    }
    declarator.init.as_ref().filter(|_| declarator.id.is_binding_identifier() && !may_change)
}

/// Whole numbers are written without a fraction, as the program writes them.
fn number(value: f64) -> Json {
    let is_whole = value.fract() == 0.0 && value.abs() <= runstate_value::limits::SAFE_INTEGER as f64;
    if is_whole { (value as i64).into() } else { value.into() }
}
