//! Loading of the files of a program: the entry, then the files that each file imports.

use std::borrow::Cow;
use std::collections::HashMap;

use oxc_allocator::Allocator;

use super::diagnostic::{self, Diagnostic, DiagnosticKind, Diagnostics};
use super::modules::{MAX_FILES, Module, ModuleGraph, ModuleRequest, SpecifierError, candidate_paths};
use super::prelude::PRELUDES;
use super::statement::SCRIPT_IMPORT_HINT;
use super::tool::{self, ToolList, ToolUses};
use super::{CompileOptions, MAX_SOURCE, ReadFile, SourceForm, parse};

/// The files that are known so far.
struct ModuleLoader<'a, 'r> {
    allocator: &'a Allocator,
    form: SourceForm,
    read: &'r mut ReadFile<'r>,
    /// The index of each path; `None`: no such file.
    found: HashMap<String, Option<usize>>,
    files: Vec<(&'a str, &'a str)>,
    bytes: usize,
}

/// Loads the entry and all files that it imports, directly or through others. Returns them with their diagnostics.
///
/// # Errors
/// The diagnostics of files that are not valid.
pub(super) fn load_modules<'a>(
    allocator: &'a Allocator,
    entry: &str,
    source: &str,
    read: &mut ReadFile<'_>,
    options: &CompileOptions,
) -> Result<(ModuleGraph<'a>, Vec<Diagnostics<'a>>), Vec<Diagnostic>> {
    let mut read = |path: &str| read(path);
    let CompileOptions { form, ref tools } = *options;
    let (found, files) = (HashMap::new(), Vec::new());
    let mut loader = ModuleLoader { allocator, form, read: &mut read, found, files, bytes: 0 };
    let source = match form {
        SourceForm::Script => without_fence(source),
        SourceForm::Program => Cow::Borrowed(source),
    };
    loader.add_file(entry, &source);
    let (mut modules, mut diagnostics): (Vec<Module<'_>>, Vec<_>) = (Vec::new(), Vec::new());
    while let Some((path, source)) = loader.files.get(modules.len()).copied() {
        let mut found = Diagnostics::new(path, source);
        if loader.bytes > MAX_SOURCE {
            let message = format!("the source has {} bytes; at most {MAX_SOURCE} are compiled", loader.bytes);
            let hint = Some("split the work into several programs".to_owned());
            found.add(0, DiagnosticKind::Unsupported, message, hint);
            return Err(found.into_list());
        }
        let is_json = !modules.is_empty() && path.ends_with(".json");
        if is_json {
            check_json(source, &mut found);
        }
        let parsed = parse(allocator, if is_json { "" } else { source }, form, &mut found);
        let Some((program, semantic)) = parsed else {
            diagnostics.push(found);
            return Err(diagnostic::into_list(diagnostics));
        };
        let mut module = Module::new(path, source, program, semantic);
        module.is_json = is_json;
        module.link_statements(&mut found, &mut |request, found| loader.find_file(path, &request, found));
        modules.push(module);
        diagnostics.push(found);
    }
    let tools = ToolList::new(tools.as_deref());
    let mut add = |modules: &mut Vec<Module<'a>>, path: &'a str, source: &'a str| {
        let mut found = Diagnostics::new(path, source);
        if let Some((program, semantic)) = parse(allocator, source, SourceForm::Program, &mut found) {
            let mut module = Module::new(path, source, program, semantic);
            module.is_prelude = true;
            module.link_statements(&mut found, &mut |_, _| None);
            // It is evaluated before the files of the program.
            let index = modules.len();
            modules[0].requests.insert(0, index);
            modules.push(module);
        }
        diagnostics.push(found);
    };
    for prelude in PRELUDES {
        if !prelude.is_used(&modules) {
            continue;
        }
        let source = match prelude.source(&modules, &mut read) {
            Ok(source) => allocator.alloc_str(&source),
            Err(message) => {
                let mut found = Diagnostics::new(prelude.path, "");
                let hint = "build the compiler with the feature `built-ins`, or give it this file".to_owned();
                found.add(0, DiagnosticKind::Unsupported, message, Some(hint));
                diagnostics.push(found);
                return Err(diagnostic::into_list(diagnostics));
            }
        };
        add(&mut modules, prelude.path, source);
        if prelude.path == tool::PRELUDE {
            modules.iter_mut().for_each(|module| module.tools = ToolUses::find(module, &tools));
            if modules.iter().any(|module| module.tools.needs_tree) {
                add(&mut modules, tool::TREE, allocator.alloc_str(&tools.tree_source()));
            }
        }
    }
    Ok((ModuleGraph { modules, tools, form }, diagnostics))
}

/// A script without the fence of Markdown around it, as models write it. An empty line replaces the line of the fence,
/// so that the lines of the script keep their numbers.
fn without_fence(source: &str) -> Cow<'_, str> {
    fenced_text(source).map_or(Cow::Borrowed(source), Cow::Owned)
}

/// CommonMark §4.5 Fenced code blocks. Deviation: the fence must be closed, and at most one word is behind it.
fn fenced_text(source: &str) -> Option<String> {
    let source = source.strip_prefix('\u{FEFF}').unwrap_or(source);
    let (before, block) = source.split_at(source.len() - source.trim_start().len());
    let (fence, rest) = block.trim_end().split_once('\n')?;
    let mark = fence.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let word = fence.trim_start_matches(mark);
    let length = fence.len() - word.len();
    let (script, end) = rest.rsplit_once('\n').unwrap_or(("", rest));
    let end = end.trim();
    let is_word = word.trim().chars().all(|c| c.is_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'));
    let is_closed = end.len() >= length && end.chars().all(|c| c == mark);
    (length >= 3 && is_word && is_closed).then(|| format!("{before}\n{script}"))
}

impl<'a> ModuleLoader<'a, '_> {
    fn add_file(&mut self, path: &str, source: &str) -> usize {
        let source = source.strip_prefix('\u{FEFF}').unwrap_or(source);
        self.files.push((self.allocator.alloc_str(path), self.allocator.alloc_str(source)));
        self.bytes += source.len();
        self.found.insert(path.to_owned(), Some(self.files.len() - 1));
        self.files.len() - 1
    }

    /// The file of an import.
    fn find_file(
        &mut self,
        importer: &str,
        request: &ModuleRequest<'a>,
        diagnostics: &mut Diagnostics<'_>,
    ) -> Option<usize> {
        let specifier = request.specifier;
        if self.form == SourceForm::Script {
            let message = format!("a script cannot import `{specifier}`");
            let hint = Some(SCRIPT_IMPORT_HINT.to_owned());
            diagnostics.add(request.span.start, DiagnosticKind::Unsupported, message, hint);
            return None;
        }
        let (message, hint) = match candidate_paths(importer, specifier) {
            Ok(paths) => match self.first_file(&paths) {
                Ok(Some(module)) => return Some(module),
                Ok(None) => (
                    format!("`{specifier}` was not found as {}", paths.join(" or ")),
                    "write the path of a file of the program, and load the program with all its files",
                ),
                Err(message) => (message, "import a source file of the program"),
            },
            Err(SpecifierError::Package) => (
                format!("`{specifier}` is a package or a module of Node, which a program cannot import"),
                "import files with ./ or ../, and let a tool do the rest: call(\"tool\", { name: value })",
            ),
            Err(SpecifierError::Outside) => (
                format!("`{specifier}` is outside the folder of the program"),
                "load a folder that has all files of the program",
            ),
            Err(SpecifierError::Malformed) => (
                format!("`{specifier}` is not a valid path of a file"),
                "write a path without \\, %, ? and #, as in ./file.ts",
            ),
        };
        diagnostics.add(request.span.start, DiagnosticKind::Unsupported, message, Some(hint.to_owned()));
        None
    }

    fn first_file(&mut self, paths: &[String]) -> Result<Option<usize>, String> {
        for path in paths {
            let module = match self.found.get(path) {
                Some(module) => *module,
                None => match (self.read)(path)? {
                    Some(_) if self.files.len() >= MAX_FILES => {
                        return Err(format!("the program has more than {MAX_FILES} files"));
                    }
                    Some(source) => Some(self.add_file(path, &source)),
                    None => {
                        self.found.insert(path.clone(), None);
                        None
                    }
                },
            };
            if module.is_some() {
                return Ok(module);
            }
        }
        Ok(None)
    }
}

/// Reports text that is not JSON.
fn check_json(source: &str, diagnostics: &mut Diagnostics<'_>) {
    let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(source) else { return };
    let line_start: usize = source.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let offset = u32::try_from(line_start + error.column().saturating_sub(1)).unwrap_or(u32::MAX);
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    let hint = Some("a JSON file has one value, without comments".to_owned());
    diagnostics.add(offset, DiagnosticKind::Syntax, format!("this is not valid JSON: {reason}"), hint);
}
