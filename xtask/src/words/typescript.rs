//! Names, comments and messages of TypeScript and JavaScript sources, by the parser that the compiler uses too.

use std::path::Path;

use oxc_allocator::Allocator;
use oxc_ast::ast::{
    BindingIdentifier, CallExpression, Class, Expression, Function, IdentifierName, JSXText, MethodDefinition,
    MethodDefinitionKind, PrivateIdentifier, StringLiteral, TSEnumDeclaration, TSGlobalDeclaration,
    TSInterfaceDeclaration, TSMethodSignature, TSTypeAliasDeclaration, TemplateLiteral, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_parser::Parser;
use oxc_span::{GetSpan as _, SourceType, Span};
use oxc_syntax::scope::ScopeFlags;

use super::source::{Identifiers, NameKind, PassageKind, Source};

/// Functions that declare a test; their first argument is its name.
const TEST_FUNCTIONS: &[&str] = &["test", "it", "describe", "suite"];

/// Reads a source into `source`.
pub fn read(text: &str, source: &mut Source) {
    let allocator = Allocator::default();
    let source_type = SourceType::from_path(Path::new(&source.path)).unwrap_or_else(|_| SourceType::tsx());
    let parsed = Parser::new(&allocator, text, source_type).parse();
    source.syntax_error =
        parsed.panicked.then(|| parsed.diagnostics.first().map(ToString::to_string).unwrap_or_default());
    let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut collector = Collector { text, line_starts, source, identifiers: Identifiers::default(), global: false };
    collector.read_comments(&parsed.program.comments);
    collector.visit_program(&parsed.program);
}

struct Collector<'s, 'o> {
    text: &'s str,
    line_starts: Vec<usize>,
    source: &'o mut Source,
    identifiers: Identifiers<'s>,
    /// Inside `declare global`: what is declared there exists elsewhere.
    global: bool,
}

impl<'s> Collector<'s, '_> {
    fn line(&self, at: u32) -> usize {
        self.line_starts.partition_point(|start| *start <= at as usize)
    }

    fn slice(&self, span: Span) -> &'s str {
        &self.text[span.start as usize..span.end as usize]
    }

    /// The source of a literal without its quotes.
    fn unquoted(&self, span: Span) -> &'s str {
        let text = self.slice(span);
        text.get(1..text.len().saturating_sub(1)).unwrap_or_default()
    }

    fn declare(&mut self, span: Span, kind: NameKind) {
        if !self.global {
            self.source.name(self.slice(span).trim_start_matches('#'), self.line(span.start), kind);
        }
    }

    fn declare_type(&mut self, span: Span) {
        self.declare(span, NameKind::Type { conditional: false, alias: None });
    }

    fn add_identifier(&mut self, span: Span) {
        self.identifiers.add(self.slice(span).trim_start_matches('#'), self.line(span.start), self.source);
    }

    fn read_comments(&mut self, comments: &[oxc_ast::ast::Comment]) {
        // The line of the last comment with a line of its own.
        let mut last = 0;
        for comment in comments {
            let body = self.slice(comment.content_span());
            let line = self.line(comment.span.start);
            let kind = if comment.is_jsdoc() { PassageKind::DocComment } else { PassageKind::Comment };
            let alone = self.text[self.line_starts[line - 1]..comment.span.start as usize].trim().is_empty();
            if comment.is_line() {
                self.source.line_comment(body.strip_prefix(' ').unwrap_or(body), line, kind, alone && last + 1 == line);
                last = if alone { line } else { 0 };
            } else {
                self.source.block_comment(body.trim_start_matches('*'), line, kind);
                last = 0;
            }
        }
    }
}

impl<'a> Visit<'a> for Collector<'_, '_> {
    fn visit_class(&mut self, it: &Class<'a>) {
        if let Some(id) = &it.id {
            self.declare_type(id.span);
        }
        walk::walk_class(self, it);
    }

    fn visit_ts_interface_declaration(&mut self, it: &TSInterfaceDeclaration<'a>) {
        self.declare_type(it.id.span);
        walk::walk_ts_interface_declaration(self, it);
    }

    fn visit_ts_type_alias_declaration(&mut self, it: &TSTypeAliasDeclaration<'a>) {
        self.declare_type(it.id.span);
        walk::walk_ts_type_alias_declaration(self, it);
    }

    fn visit_ts_enum_declaration(&mut self, it: &TSEnumDeclaration<'a>) {
        self.declare_type(it.id.span);
        walk::walk_ts_enum_declaration(self, it);
    }

    fn visit_ts_global_declaration(&mut self, it: &TSGlobalDeclaration<'a>) {
        let outer = std::mem::replace(&mut self.global, true);
        walk::walk_ts_global_declaration(self, it);
        self.global = outer;
    }

    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        if let Some(id) = &it.id {
            self.declare(id.span, NameKind::Function);
        }
        walk::walk_function(self, it, flags);
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        let function =
            matches!(it.init, Some(Expression::ArrowFunctionExpression(_) | Expression::FunctionExpression(_)));
        if let Some(id) = it.id.get_binding_identifier().filter(|_| function) {
            self.declare(id.span, NameKind::Function);
        }
        walk::walk_variable_declarator(self, it);
    }

    fn visit_method_definition(&mut self, it: &MethodDefinition<'a>) {
        if it.kind == MethodDefinitionKind::Method && !it.computed {
            self.declare(it.key.span(), if it.r#static { NameKind::Constructor } else { NameKind::Function });
        }
        walk::walk_method_definition(self, it);
    }

    fn visit_ts_method_signature(&mut self, it: &TSMethodSignature<'a>) {
        if !it.computed {
            self.declare(it.key.span(), NameKind::Function);
        }
        walk::walk_ts_method_signature(self, it);
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        let callee = self.slice(it.callee.span()).split('.').next().unwrap_or_default();
        if TEST_FUNCTIONS.contains(&callee)
            && let Some(title) = it.arguments.first().map(|argument| argument.span())
            && self.slice(title).starts_with(['"', '\'', '`'])
        {
            self.source.name(self.unquoted(title), self.line(title.start), NameKind::Test);
        }
        walk::walk_call_expression(self, it);
    }

    fn visit_binding_identifier(&mut self, it: &BindingIdentifier<'a>) {
        self.add_identifier(it.span);
    }

    fn visit_identifier_name(&mut self, it: &IdentifierName<'a>) {
        self.add_identifier(it.span);
    }

    fn visit_private_identifier(&mut self, it: &PrivateIdentifier<'a>) {
        self.add_identifier(it.span);
    }

    fn visit_string_literal(&mut self, it: &StringLiteral<'a>) {
        self.source.literal(self.unquoted(it.span), self.line(it.span.start), PassageKind::Message, true);
    }

    fn visit_template_literal(&mut self, it: &TemplateLiteral<'a>) {
        let mut body = String::new();
        let mut end = it.span.start + 1;
        for quasi in &it.quasis {
            // An expression is one word, and keeps its lines.
            let skipped = &self.text[end as usize..quasi.span.start as usize];
            if !skipped.is_empty() {
                body.push('_');
                body.extend(skipped.chars().filter(|c| *c == '\n'));
            }
            body.push_str(self.slice(quasi.span));
            end = quasi.span.end;
        }
        self.source.literal(&body, self.line(it.span.start), PassageKind::Message, true);
        walk::walk_template_literal(self, it);
    }

    fn visit_jsx_text(&mut self, it: &JSXText<'a>) {
        self.source.literal(self.slice(it.span), self.line(it.span.start), PassageKind::Message, false);
    }
}
