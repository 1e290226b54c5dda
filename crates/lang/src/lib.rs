//! The compiler: a TypeScript subset to bytecode. A program that compiles has the meaning that it has in Node. Every
//! other program is refused with a location and a hint. The compiler reads only the source and has no access to a
//! running machine.

use std::collections::{BTreeMap, HashSet};

use compiler::{CompiledParts, Compiler};
use diagnostic::Diagnostics;
use oxc_allocator::Allocator;
use oxc_ast::AstKind;
use oxc_ast::ast::Program;
use oxc_parser::{ParseOptions, Parser};
use oxc_semantic::{Semantic, SemanticBuilder, SymbolFlags};
use oxc_span::{SourceType, Span};
use runstate_vm::program::Instruction;

mod arguments;
mod assignment;
mod async_await;
mod call;
mod call_form;
mod class;
mod compiler;
mod control;
mod destructuring;
mod diagnostic;
mod enumeration;
mod expression;
mod feature_test;
mod function;
mod function_code;
mod generator;
mod host_call;
mod iterator_helper;
mod locale_literal;
mod main_function;
mod module_loader;
mod modules;
mod names;
mod nesting;
mod prelude;
mod private_name;
mod schema_literal;
mod statement;
mod template;
mod tool;
mod unawaited;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

pub use diagnostic::{Diagnostic, DiagnosticKind};
pub use modules::MAX_FILES;
pub use schema_literal::SchemaLiteral;

/// Maximum length of the sources of a program, in bytes.
pub const MAX_SOURCE: usize = 1 << 20;

/// Maximum size of a compiled program with its sources, in bytes of their JSON. A store keeps them in one document,
/// which has at most 8 MiB; the rest is for its name, purpose and tags.
pub const MAX_COMPILED: usize = (8 << 20) - (64 << 10);

/// A compiled program.
#[derive(Debug, Clone, PartialEq)]
pub struct CompiledProgram {
    /// The instructions in their wire form.
    pub bytecode: Vec<Instruction>,
    /// The sources of the files that the entry imports, directly or through others, by their paths.
    pub files: BTreeMap<String, String>,
    /// What compiles, but may mean something else than it seems to; in source order.
    pub warnings: Vec<Diagnostic>,
    /// The schemas of calls that are written as literals.
    pub schemas: Vec<SchemaLiteral>,
    /// The form of the source.
    pub form: SourceForm,
    /// The tools of the given list that the program uses, sorted; `None` if no list was given.
    pub tools: Option<Vec<String>>,
}

/// Reads a file of a program: its source, `None` if the file does not exist, or the reason why it cannot be read. The
/// path is relative to the root of the program, with `/` and without `..`. Builds without the feature `built-ins` also
/// read the built-ins that are written in the language, by paths as `runstate:intl`, when a program uses them.
pub type ReadFile<'r> = dyn FnMut(&str) -> Result<Option<String>, String> + 'r;

/// The form of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SourceForm {
    /// A module. Its function `main`, or the one of `export default`, is called with the input and gives the result.
    #[default]
    Program,
    /// One file with the body of an async function: `return` outside functions gives the result, and calls that are
    /// open when it has returned are cancelled. Without one, the value of a call that it ends with is the result, as in
    /// `main()`. Or one function: `main`, `export default`, or `async () => { … }`.
    Script,
}

impl SourceForm {
    /// The form of a source that is a script or a program.
    pub fn of(is_script: bool) -> Self {
        if is_script { Self::Script } else { Self::Program }
    }
}

/// What a source is compiled for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompileOptions {
    /// The form of the source.
    pub form: SourceForm,
    /// The tools that it may call, as `github.search` for `tools.github.search`. Other names are refused. `None`: all
    /// names are accepted.
    pub tools: Option<Vec<String>>,
}

/// Compiles one source. `file` appears only in diagnostics.
///
/// # Errors
/// All diagnostics, in source order.
///
/// ```
/// let compiled = runstate_lang::compile("hello.ts", "console.log('hello')").expect("it compiles");
/// assert!(!compiled.bytecode.is_empty());
///
/// let found = runstate_lang::compile("hello.ts", "consle.log('hello')").expect_err("no such name");
/// assert_eq!((found[0].line, found[0].hint.as_deref()), (1, Some("did you mean console?")));
/// ```
pub fn compile(file: &str, source: &str) -> Result<CompiledProgram, Vec<Diagnostic>> {
    compile_with(file, source, &mut |_| Ok(None))
}

/// Compiles a program of several files: the file `entry`, and the files that it imports. Other files are ignored.
///
/// # Errors
/// All diagnostics, those of the entry first.
///
/// ```
/// let files = [("main.ts", "import { greet } from './greet'; greet()"), ("greet.ts", "export const greet = () => console.log('hello')")];
/// let files = files.map(|(path, source)| (path.to_owned(), source.to_owned())).into();
/// let compiled = runstate_lang::compile_modules("main.ts", &files).expect("it compiles");
/// assert_eq!(compiled.files.keys().collect::<Vec<_>>(), ["greet.ts"]);
/// ```
pub fn compile_modules(entry: &str, files: &BTreeMap<String, String>) -> Result<CompiledProgram, Vec<Diagnostic>> {
    let Some(source) = files.get(entry) else {
        let mut diagnostics = Diagnostics::new(entry, "");
        let hint =
            format!("the files are {}", files.keys().take(10).map(String::as_str).collect::<Vec<_>>().join(", "));
        diagnostics.add(
            0,
            DiagnosticKind::Unsupported,
            format!("the entry {entry} is not a file of the program"),
            Some(hint),
        );
        return Err(diagnostics.into_list());
    };
    compile_with(entry, source, &mut |path| Ok(files.get(path).cloned()))
}

/// Compiles the program whose entry is `entry` with this source. `read` reads the files that it imports.
///
/// # Errors
/// All diagnostics, those of the entry first.
pub fn compile_with(entry: &str, source: &str, read: &mut ReadFile<'_>) -> Result<CompiledProgram, Vec<Diagnostic>> {
    compile_for(entry, source, read, &CompileOptions::default())
}

/// As [`compile_with`], with options.
///
/// # Errors
/// All diagnostics, those of the entry first.
///
/// ```
/// use runstate_lang::{CompileOptions, SourceForm, compile_for};
///
/// let options = CompileOptions { form: SourceForm::Script, tools: Some(vec!["crm.find".to_owned()]) };
/// let compile = |source: &str| compile_for("script.ts", source, &mut |_| Ok(None), &options);
/// assert!(compile("return await tools.crm.find({ q: 'a' })").is_ok());
///
/// let found = compile("return await tools.crm.fnd({ q: 'a' })").expect_err("no such tool");
/// assert_eq!(found[0].hint.as_deref(), Some("did you mean tools.crm.find?"));
/// ```
pub fn compile_for(
    entry: &str,
    source: &str,
    read: &mut ReadFile<'_>,
    options: &CompileOptions,
) -> Result<CompiledProgram, Vec<Diagnostic>> {
    let allocator = Allocator::default();
    let (mut graph, mut diagnostics) = module_loader::load_modules(&allocator, entry, source, read, options)?;
    graph.bind_imports(&mut diagnostics);
    let main = graph.function_to_call();
    graph.warn_of_uncalled_main(&mut diagnostics);
    graph.warn_of_idle_script(&mut diagnostics[0]);
    let mut compiler = Compiler::new(&graph, diagnostics);
    unawaited::warn(&mut compiler);
    function::program(&mut compiler, main);
    let CompiledParts { bytecode, warnings, schemas, used_tools } = compiler.finish()?;
    let imported = graph
        .modules
        .iter()
        .skip(1)
        .filter(|module| !module.is_prelude)
        .map(|module| (module.path.to_owned(), module.source.to_owned()));
    let tools = options.tools.as_ref().map(|_| used_tools.into_iter().collect());
    let compiled =
        CompiledProgram { bytecode, files: imported.collect(), warnings, schemas, form: options.form, tools };
    check_size(entry, source, &compiled)?;
    Ok(compiled)
}

/// Refuses a program that no store could keep.
fn check_size(entry: &str, source: &str, compiled: &CompiledProgram) -> Result<(), Vec<Diagnostic>> {
    let text = runstate_value::json_bytes::<str>;
    let files: usize = compiled.files.iter().map(|(path, source)| text(path) + text(source) + 32).sum();
    let instructions = compiled.bytecode.iter().map(|one| serde_json::to_string(one).map_or(0, |json| json.len() + 1));
    let bytes = text(source) + files + instructions.sum::<usize>();
    if bytes <= MAX_COMPILED {
        return Ok(());
    }
    let mut diagnostics = Diagnostics::new(entry, source);
    let message = format!("the compiled program has {bytes} bytes with its sources; at most {MAX_COMPILED} are loaded");
    let hint = "move data into `input`, or split the work into several programs".to_owned();
    diagnostics.add(0, DiagnosticKind::Unsupported, message, Some(hint));
    Err(diagnostics.into_list())
}

/// Parses a file and analyzes its names.
fn parse<'a>(
    allocator: &'a Allocator,
    source: &'a str,
    form: SourceForm,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<(&'a Program<'a>, Semantic<'a>)> {
    if let Err(error) = nesting::check(source) {
        diagnostics.add(
            error.offset,
            DiagnosticKind::Unsupported,
            format!("this is nested too deeply: {}", error.construct),
            Some("split it up".to_owned()),
        );
        return None;
    }
    let options = ParseOptions {
        preserve_parens: false,
        allow_return_outside_function: form == SourceForm::Script,
        ..ParseOptions::default()
    };
    // ECMA-262 §16.2.1.7 Source Text Module Records: module code is strict, and so is every program.
    let parsed = Parser::new(allocator, source, SourceType::ts().with_module(true)).with_options(options).parse();
    let errors: Vec<_> = parsed.diagnostics.errors().collect();
    let starts: Vec<u32> = errors.iter().map(|error| error.labels.first().map_or(0, |label| label.offset())).collect();
    for (error, offset) in errors.iter().zip(starts.iter().copied()) {
        // A literal that the lexer refuses is also an unexpected token.
        let end = offset + error.labels.first().map_or(0, |label| label.len());
        let is_unexpected = |error: &str| error == "Unexpected token";
        let mut others = errors.iter().zip(&starts).filter(|(other, _)| !is_unexpected(&other.message));
        if is_unexpected(&error.message) && others.any(|(_, start)| (offset..end).contains(start)) {
            continue;
        }
        diagnostics.add(
            offset,
            DiagnosticKind::Syntax,
            error.message.to_string(),
            error.help.as_ref().map(ToString::to_string),
        );
    }
    // The names of a script are checked all the same.
    let is_checked = |diagnostics: &Diagnostics<'_>| form == SourceForm::Script || diagnostics.is_empty();
    if parsed.panicked || !is_checked(diagnostics) {
        return None;
    }
    let mut program = parsed.program;
    // Redeclarations follow JavaScript's rules: TypeScript's rules would accept functions that a module refuses.
    program.source_type = SourceType::mjs();
    let program: &Program<'_> = allocator.alloc(program);
    let built = SemanticBuilder::new().with_check_syntax_error(true).with_build_nodes(true).build(program);
    let semantic = built.semantic;
    let merged = merged_declarations(&semantic);
    let namespaces: Vec<Span> = namespace_spans(&semantic).collect();
    for error in built.diagnostics.errors() {
        if error.labels.len() > 1 && error.labels.iter().all(|label| merged.contains(&label.offset())) {
            continue;
        }
        let offset = error.labels.first().map_or(0, |label| label.offset());
        // A namespace is refused as a whole.
        if namespaces.iter().any(|one| (one.start..one.end).contains(&offset)) {
            continue;
        }
        diagnostics.add(
            offset,
            DiagnosticKind::Syntax,
            error.message.to_string(),
            error.help.as_ref().map(ToString::to_string),
        );
    }
    is_checked(diagnostics).then_some((program, semantic))
}

fn namespace_spans(semantic: &Semantic<'_>) -> impl Iterator<Item = Span> {
    semantic.nodes().iter().filter_map(|node| match node.kind() {
        AstKind::TSNamespaceDeclaration(namespace) => Some(namespace.span),
        _ => None,
    })
}

/// Whether a node affects only types: `main!`, `(main as any)`.
fn is_types_only(kind: &AstKind<'_>) -> bool {
    matches!(
        kind,
        AstKind::ParenthesizedExpression(_)
            | AstKind::TSAsExpression(_)
            | AstKind::TSInstantiationExpression(_)
            | AstKind::TSNonNullExpression(_)
            | AstKind::TSSatisfiesExpression(_)
            | AstKind::TSTypeAssertion(_)
    )
}

/// Start offsets of the declarations of names that have at most one declaration at run time. Their other declarations
/// are overloads and types, which JavaScript's rules would report as redeclarations.
fn merged_declarations(semantic: &Semantic<'_>) -> HashSet<u32> {
    let (scoping, nodes) = (semantic.scoping(), semantic.nodes());
    let mut starts = HashSet::new();
    for symbol in scoping.symbol_ids() {
        let declarations = scoping.symbol_redeclarations(symbol);
        let at_run_time = declarations.iter().filter(|one| {
            let body = !matches!(nodes.kind(one.declaration), AstKind::Function(function) if function.body.is_none());
            body && one.flags.intersects(SymbolFlags::Value | SymbolFlags::Import)
                && !one.flags.contains(SymbolFlags::Ambient)
        });
        if at_run_time.count() <= 1 {
            starts.extend(declarations.iter().map(|one| one.span.start));
        }
    }
    starts
}
