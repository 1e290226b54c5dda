//! Diagnostics of the compiler: the location, the reason and a hint. Messages quote an expression as V8 prints it
//! (`CallPrinter`): "o.f is not a function", "(a || b) is not iterable".

use oxc_ast::ast::{Expression, UnaryOperator};
use runstate_value::sort_by;
use schemars::JsonSchema;
use serde::Serialize;

/// The reason why a source was refused, or is warned of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "DiagnosticKind")]
pub enum DiagnosticKind {
    /// The source is not TypeScript.
    Syntax,
    /// The source is TypeScript that cannot run here with its meaning in Node.
    Unsupported,
    /// The source uses an undefined name.
    Name,
    /// The source compiles, but may mean something else than it seems to.
    Warning,
}

/// One diagnostic. All diagnostics of a file are returned at once, in source order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// The file as the caller named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in UTF-16 units as editors count.
    pub column: u32,
    /// The reason.
    pub kind: DiagnosticKind,
    /// The message.
    pub message: String,
    /// The remedy, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The line of the source, truncated to 200 characters.
    pub source_line: String,
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        write!(f, "    {}", self.source_line)?;
        match &self.hint {
            Some(hint) => write!(f, "\n    hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Most warnings of a file that are kept.
const MOST_WARNINGS: usize = 100;

/// Maps byte offsets to lines and columns.
pub(super) struct LineIndex<'a> {
    source: &'a str,
    starts: Vec<usize>,
    /// For each non-ASCII character, its end and the number of bytes up to there in excess of UTF-16 units.
    wide: Vec<(usize, usize)>,
}

impl<'a> LineIndex<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        let bytes = source.as_bytes();
        let mut starts = vec![0];
        for (at, byte) in bytes.iter().enumerate() {
            // CRLF is one line end, and so is the lone CR of old editors.
            if *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')) {
                starts.push(at + 1);
            }
        }
        let mut wide = Vec::new();
        let mut surplus = 0;
        for (at, c) in source.char_indices().filter(|(_, c)| !c.is_ascii()) {
            surplus += c.len_utf8() - c.len_utf16();
            wide.push((at + c.len_utf8(), surplus));
        }
        LineIndex { source, starts, wide }
    }

    /// Bytes before an offset that are not UTF-16 units.
    fn surplus(&self, offset: usize) -> usize {
        let count = self.wide.partition_point(|(end, _)| *end <= offset);
        count.checked_sub(1).map_or(0, |last| self.wide[last].1)
    }

    /// Line and column, both from 1.
    pub(super) fn location(&self, offset: u32) -> (u32, u32) {
        let offset = (offset as usize).min(self.source.len());
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        let start = self.starts[line];
        let column = (offset - start) - (self.surplus(offset) - self.surplus(start));
        (u32::try_from(line + 1).unwrap_or(u32::MAX), u32::try_from(column + 1).unwrap_or(u32::MAX))
    }

    pub(super) fn line_text(&self, line: u32) -> String {
        let index = (line as usize).saturating_sub(1).min(self.starts.len() - 1);
        let end = self.starts.get(index + 1).copied().unwrap_or(self.source.len());
        let text = self.source.get(self.starts[index]..end).unwrap_or_default();
        text.trim_end_matches(['\r', '\n']).chars().take(200).collect()
    }
}

/// The diagnostics of one file.
pub(super) struct Diagnostics<'a> {
    file: &'a str,
    lines: LineIndex<'a>,
    list: Vec<(u32, Diagnostic)>,
    warnings: Vec<(u32, Diagnostic)>,
}

impl<'a> Diagnostics<'a> {
    pub(super) fn new(file: &'a str, source: &'a str) -> Self {
        Diagnostics { file, lines: LineIndex::new(source), list: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn location(&self, offset: u32) -> (u32, u32) {
        self.lines.location(offset)
    }

    pub(super) fn add(&mut self, offset: u32, kind: DiagnosticKind, message: impl Into<String>, hint: Option<String>) {
        let diagnostic = self.diagnostic(offset, kind, message.into(), hint);
        if !self.list.iter().any(|(_, other)| *other == diagnostic) {
            self.list.push((offset, diagnostic));
        }
    }

    pub(super) fn warn(&mut self, offset: u32, message: &str, hint: &str) {
        let warning = self.diagnostic(offset, DiagnosticKind::Warning, message.to_owned(), Some(hint.to_owned()));
        self.warnings.push((offset, warning));
    }

    pub(super) fn diagnostic(
        &self,
        offset: u32,
        kind: DiagnosticKind,
        message: String,
        hint: Option<String>,
    ) -> Diagnostic {
        let (line, column) = self.lines.location(offset);
        let source_line = self.lines.line_text(line);
        Diagnostic { file: self.file.to_owned(), line, column, kind, message, hint, source_line }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The first warnings, in source order.
    pub(super) fn warnings(&self) -> Vec<Diagnostic> {
        let mut warnings: Vec<&(u32, Diagnostic)> = self.warnings.iter().collect();
        sort_by(&mut warnings, |a, b| a.0.cmp(&b.0));
        warnings.into_iter().take(MOST_WARNINGS).map(|(_, warning)| warning.clone()).collect()
    }

    /// All diagnostics, in source order.
    pub(super) fn into_list(mut self) -> Vec<Diagnostic> {
        sort_by(&mut self.list, |a, b| a.0.cmp(&b.0));
        self.list.into_iter().map(|(_, diagnostic)| diagnostic).collect()
    }
}

/// The diagnostics of all files, in their order.
pub(super) fn into_list(diagnostics: Vec<Diagnostics<'_>>) -> Vec<Diagnostic> {
    diagnostics.into_iter().flat_map(Diagnostics::into_list).collect()
}

/// V8's text for an expression that it does not print.
const INTERMEDIATE_VALUE: &str = "(intermediate value)";
/// Deepest nesting of operators that is printed.
const MAX_PRINTED_DEPTH: usize = 16;

/// A callee, as in "… is not a function".
pub(super) fn callee_text(expression: &Expression<'_>) -> String {
    text_within(expression, 0)
}

/// An iterated value, as in "… is not iterable".
pub(super) fn iterable_text(expression: &Expression<'_>) -> String {
    match expression.get_inner_expression() {
        Expression::CallExpression(call) => {
            format!("{} is not a function or its return value", callee_text(&call.callee))
        }
        other => callee_text(other),
    }
}

fn text_within(expression: &Expression<'_>, depth: usize) -> String {
    if depth > MAX_PRINTED_DEPTH {
        return INTERMEDIATE_VALUE.to_owned();
    }
    let print = |inner: &Expression<'_>| text_within(inner, depth + 1);
    match expression.get_inner_expression() {
        Expression::Identifier(identifier) => identifier.name.to_string(),
        Expression::ThisExpression(_) => "this".to_owned(),
        Expression::NullLiteral(_) => "null".to_owned(),
        Expression::BooleanLiteral(literal) => literal.value.to_string(),
        Expression::NumericLiteral(literal) => runstate_value::number_text(literal.value),
        Expression::StringLiteral(literal) => format!("\"{}\"", literal.value),
        Expression::RegExpLiteral(literal) => literal.regex.to_string(),
        Expression::TemplateLiteral(template) => match template.single_quasi() {
            Some(text) => format!("\"{text}\""),
            None => template.expressions.iter().map(print).collect(),
        },
        Expression::ArrayExpression(array) => {
            let elements = array
                .elements
                .iter()
                .map(|element| element.as_expression().map_or_else(|| INTERMEDIATE_VALUE.to_owned(), print));
            format!("[{}]", elements.collect::<Vec<_>>().join(","))
        }
        Expression::ObjectExpression(object) => {
            format!("{{{}}}", INTERMEDIATE_VALUE.repeat(object.properties.len()))
        }
        Expression::StaticMemberExpression(member) => {
            let dot = if member.optional { "?." } else { "." };
            format!("{}{dot}{}", print(&member.object), member.property.name)
        }
        Expression::ComputedMemberExpression(member) => {
            let (object, mark) = (print(&member.object), if member.optional { "?." } else { "" });
            match member.expression.get_inner_expression() {
                Expression::StringLiteral(key) if member.optional => format!("{object}?.{}", key.value),
                Expression::StringLiteral(key) => format!("{object}.{}", key.value),
                Expression::TemplateLiteral(key) if key.is_no_substitution_template() => {
                    format!("{object}.{}", key.single_quasi().map(|text| text.to_string()).unwrap_or_default())
                }
                key => format!("{object}{mark}[{}]", print(key)),
            }
        }
        Expression::CallExpression(call) => format!("{}(...)", print(&call.callee)),
        Expression::UnaryExpression(unary) => {
            let (operator, inner) = (unary.operator.as_str(), print(&unary.argument));
            match (unary.operator, unary.argument.get_inner_expression()) {
                // A negative number is printed without parentheses.
                (UnaryOperator::UnaryNegation, Expression::NumericLiteral(_)) => format!("-{inner}"),
                _ if operator.len() > 1 => format!("({operator} {inner})"),
                _ => format!("({operator}{inner})"),
            }
        }
        Expression::SequenceExpression(sequence) => {
            format!("({})", sequence.expressions.iter().map(print).collect::<Vec<_>>().join(" , "))
        }
        Expression::ConditionalExpression(_) => INTERMEDIATE_VALUE.repeat(3),
        other => {
            let Some((operator, mut left, right)) = operands(other) else { return INTERMEDIATE_VALUE.to_owned() };
            let mut printed = vec![print(right)];
            while let Some((_, first, second)) = operands(left).filter(|inner| inner.0 == operator) {
                printed.push(print(second));
                left = first;
            }
            printed.push(print(left));
            printed.reverse();
            format!("({})", printed.join(&format!(" {operator} ")))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_utf16_units_and_lines_end_in_three_ways() {
        let lines = LineIndex::new("a\r\n😀b\rc\nd");
        assert_eq!(lines.location(0), (1, 1));
        assert_eq!(lines.location(3), (2, 1));
        assert_eq!(lines.location(7), (2, 3));
        assert_eq!(lines.location(9), (3, 1));
        assert_eq!(lines.location(11), (4, 1));
        assert_eq!(lines.line_text(2), "😀b");
    }
}
