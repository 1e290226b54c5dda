//! The files of a program: what they import and export, and the order of their evaluation. ECMA-262 §16.2 Modules.
//!
//! The files become one program. Each top-level variable has a slot of the global frame, and an import is another name
//! for such a slot. So imports are live, and cycles behave as in ECMA-262: functions exist from the start, other
//! variables once their file has run. Deviation: a program reads only members of a namespace (`import * as ns`), which
//! is not a value.

use std::collections::{BTreeMap, HashMap, HashSet};

use oxc_ast::AstKind;
use oxc_ast::ast::{
    BindingIdentifier, Declaration, ExportDefaultDeclarationKind, ExportSpecifier, Expression, ImportAttributeKey,
    ImportDeclarationSpecifier, ModuleExportName, Program, Statement,
};
use oxc_semantic::{Semantic, SymbolFlags, SymbolId};
use oxc_span::{GetSpan, Span, min_edit_distance};

use super::SourceForm;
use super::diagnostic::{DiagnosticKind, Diagnostics};
use super::tool::{ToolList, ToolUses};

/// Most files of one program.
pub const MAX_FILES: usize = 1_000;

/// A file of a program.
pub(super) struct Module<'a> {
    pub(super) path: &'a str,
    pub(super) source: &'a str,
    pub(super) program: &'a Program<'a>,
    pub(super) semantic: Semantic<'a>,
    /// The files that are evaluated before it, in the order of its imports.
    pub(super) requests: Vec<usize>,
    imports: HashMap<SymbolId, Import<'a>>,
    exports: BTreeMap<&'a str, Export<'a>>,
    stars: Vec<usize>,
    /// The variables that its imports refer to.
    pub(super) bindings: HashMap<SymbolId, Binding>,
    /// The functions whose bodies use `this`.
    this_functions: HashSet<Span>,
    /// Whether it imports itself, directly or through other files.
    pub(super) is_cyclic: bool,
    /// Whether it is a JSON file, which exports its value.
    pub(super) is_json: bool,
    /// Whether it is a source of built-ins.
    pub(super) is_prelude: bool,
    pub(super) tools: ToolUses,
}

/// A name that a file imports.
struct Import<'a> {
    target: usize,
    /// `None`: all exports.
    name: Option<&'a str>,
    span: Span,
    /// Whether the file uses it for more than types and exports.
    is_used: bool,
}

/// A name that a file exports.
enum Export<'a> {
    /// A variable of the file, or an import.
    Local(SymbolId),
    /// The value of `export default`.
    Default,
    /// A type.
    Type,
    /// An export of another file.
    From(usize, &'a str),
    /// All exports of another file.
    All(usize),
}

/// The variable that a name of a file refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Binding {
    /// A variable of a file.
    Variable(usize, SymbolId),
    /// The value of `export default` of a file.
    Default(usize),
    /// All exports of a file.
    Namespace(usize),
}

/// The meaning of a name that a file exports. ECMA-262 §16.2.1.7.2.2 ResolveExport.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ResolvedExport {
    Binding(Binding),
    Type,
    Missing,
    Ambiguous,
}

/// An import that waits for its file.
pub(super) struct ModuleRequest<'a> {
    pub(super) specifier: &'a str,
    pub(super) span: Span,
}

fn exported_name<'a>(name: &'a ModuleExportName<'a>) -> &'a str {
    match name {
        ModuleExportName::IdentifierName(name) => name.name.as_str(),
        ModuleExportName::IdentifierReference(name) => name.name.as_str(),
        ModuleExportName::StringLiteral(name) => name.value.as_str(),
    }
}

/// The functions whose bodies use `this`, those of arrow functions in them included.
fn find_this_functions(semantic: &Semantic<'_>) -> HashSet<Span> {
    let nodes = semantic.nodes();
    let this = nodes.iter().filter(|node| matches!(node.kind(), AstKind::ThisExpression(_)));
    let owners = this.filter_map(|node| {
        nodes.ancestor_kinds(node.id()).find_map(|kind| match kind {
            AstKind::Function(function) => Some(Some(function.span)),
            AstKind::PropertyDefinition(_) | AstKind::StaticBlock(_) => Some(None),
            _ => None,
        })
    });
    owners.flatten().collect()
}

impl<'a> Module<'a> {
    pub(super) fn new(path: &'a str, source: &'a str, program: &'a Program<'a>, semantic: Semantic<'a>) -> Self {
        let this_functions = find_this_functions(&semantic);
        Module {
            path,
            source,
            program,
            semantic,
            this_functions,
            requests: Vec::new(),
            imports: HashMap::new(),
            exports: BTreeMap::new(),
            stars: Vec::new(),
            bindings: HashMap::new(),
            is_cyclic: false,
            is_json: false,
            is_prelude: false,
            tools: ToolUses::default(),
        }
    }

    /// A compiler of TypeScript leaves out imports whose names are used as types only.
    fn is_typescript(&self) -> bool {
        !self.path.ends_with(".js") && !self.path.ends_with(".mjs")
    }

    /// Whether a value is exported that no variable of the program holds.
    pub(super) fn has_default_value(&self) -> bool {
        matches!(self.exports.get("default"), Some(Export::Default))
    }

    /// The variables of the file that other files can import.
    pub(super) fn exported_symbols(&self) -> impl Iterator<Item = SymbolId> {
        self.exports.values().filter_map(|export| match export {
            Export::Local(symbol) => Some(*symbol),
            _ => None,
        })
    }

    /// The span of the first `await` outside functions.
    fn top_level_await(&self) -> Option<Span> {
        let nodes = self.semantic.nodes();
        nodes.iter().find_map(|node| {
            let is_await = match node.kind() {
                AstKind::AwaitExpression(_) => true,
                AstKind::ForOfStatement(statement) => statement.r#await,
                _ => false,
            };
            let is_function = |kind| matches!(kind, AstKind::Function(_) | AstKind::ArrowFunctionExpression(_));
            (is_await && !nodes.ancestor_kinds(node.id()).any(is_function)).then(|| node.kind().span())
        })
    }

    pub(super) fn has_top_level_await(&self) -> bool {
        self.top_level_await().is_some()
    }

    /// Whether a name is used for more than types and exports.
    fn is_used(&self, symbol: SymbolId) -> bool {
        let nodes = self.semantic.nodes();
        self.semantic.scoping().get_resolved_references(symbol).any(|reference| {
            reference.is_value() && !matches!(nodes.parent_kind(reference.node_id()), AstKind::ExportSpecifier(_))
        })
    }

    /// Whether the file itself exports a name.
    pub(super) fn exports(&self, name: &str) -> bool {
        self.exports.contains_key(name)
    }

    fn is_exported(&self, symbol: SymbolId) -> bool {
        self.exported_symbols().any(|exported| exported == symbol)
    }

    /// Adds an export. A value may have the name of a type. ECMA-262 §16.2.1.1 Static Semantics: Early Errors.
    fn add_export(&mut self, name: &'a str, export: Export<'a>, span: Span, diagnostics: &mut Diagnostics<'_>) {
        match self.exports.get(name) {
            Some(_) if matches!(export, Export::Type) => {}
            None | Some(Export::Type) => drop(self.exports.insert(name, export)),
            Some(_) => {
                let hint = Some("export it under another name".to_owned());
                diagnostics.add(span.start, DiagnosticKind::Syntax, format!("Duplicate export of '{name}'"), hint);
            }
        }
    }

    fn add_local_export(&mut self, name: &'a str, id: &BindingIdentifier<'a>, diagnostics: &mut Diagnostics<'_>) {
        let Some(symbol) = id.symbol_id.get() else { return };
        // The declarations of an overloaded function are one export, those of a variable are several.
        let is_variable = self.semantic.scoping().symbol_flags(symbol).intersects(SymbolFlags::Variable);
        let is_known = !is_variable && matches!(self.exports.get(name), Some(Export::Local(known)) if *known == symbol);
        if !is_known {
            self.add_export(name, self.local_export(symbol), id.span, diagnostics);
        }
    }

    fn local_export(&self, symbol: SymbolId) -> Export<'a> {
        let flags = self.semantic.scoping().symbol_flags(symbol);
        let is_value =
            flags.intersects(SymbolFlags::Value | SymbolFlags::Import) && !flags.contains(SymbolFlags::Ambient);
        if is_value { Export::Local(symbol) } else { Export::Type }
    }

    /// Records what the file exports and imports. `resolve` finds the file of an import.
    pub(super) fn link_statements(
        &mut self,
        diagnostics: &mut Diagnostics<'_>,
        resolve: &mut dyn FnMut(ModuleRequest<'a>, &mut Diagnostics<'_>) -> Option<usize>,
    ) {
        let program = self.program;
        if self.is_json {
            self.exports.insert("default", Export::Default);
        }
        for statement in &program.body {
            self.record_own_export(statement, diagnostics);
        }
        for statement in &program.body {
            self.record_import(statement, diagnostics, resolve);
        }
    }

    fn record_own_export(&mut self, statement: &'a Statement<'a>, diagnostics: &mut Diagnostics<'_>) {
        match statement {
            Statement::ExportNamedDeclaration(export) => {
                for specifier in &export.specifiers {
                    let name = exported_name(&specifier.exported);
                    if export.export_kind.is_type() || specifier.export_kind.is_type() {
                        self.add_export(name, Export::Type, specifier.span, diagnostics);
                    } else if let ModuleExportName::IdentifierReference(local) = &specifier.local {
                        let reference = local.reference_id.get();
                        let scoping = self.semantic.scoping();
                        match reference.and_then(|reference| scoping.get_reference(reference).symbol_id()) {
                            Some(symbol) => {
                                self.add_export(name, self.local_export(symbol), specifier.span, diagnostics);
                            }
                            None => {
                                let message = format!("{} is not defined", local.name);
                                diagnostics.add(local.span.start, DiagnosticKind::Name, message, None);
                            }
                        }
                    }
                }
            }
            Statement::ExportDeclaration(export) => match &export.declaration {
                Declaration::VariableDeclaration(declaration) => {
                    for declarator in &declaration.declarations {
                        for id in declarator.id.get_binding_identifiers() {
                            self.add_local_export(id.name.as_str(), id, diagnostics);
                        }
                    }
                }
                declaration => {
                    if let Some(id) = declaration.id() {
                        self.add_local_export(id.name.as_str(), id, diagnostics);
                    }
                }
            },
            Statement::ExportDefaultDeclaration(export) => {
                let id = match &export.declaration {
                    ExportDefaultDeclarationKind::FunctionDeclaration(function) => function.id.as_ref(),
                    ExportDefaultDeclarationKind::ClassDeclaration(class) => class.id.as_ref(),
                    ExportDefaultDeclarationKind::TSInterfaceDeclaration(interface) => Some(&interface.id),
                    _ => None,
                };
                match id {
                    Some(id) => self.add_local_export("default", id, diagnostics),
                    None => self.add_export("default", Export::Default, export.span, diagnostics),
                }
            }
            _ => {}
        }
    }

    fn record_import(
        &mut self,
        statement: &'a Statement<'a>,
        diagnostics: &mut Diagnostics<'_>,
        resolve: &mut dyn FnMut(ModuleRequest<'a>, &mut Diagnostics<'_>) -> Option<usize>,
    ) {
        let is_value = |specifier: &&'a ExportSpecifier<'a>| !specifier.export_kind.is_type();
        let (source, attributes) = match statement {
            Statement::ImportDeclaration(import) if !import.import_kind.is_type() => {
                if import.phase.is_some() {
                    let message = "`import defer` and `import source` are not supported";
                    let hint = Some("write import { name } from \"./file.ts\"".to_owned());
                    return diagnostics.add(import.span.start, DiagnosticKind::Unsupported, message, hint);
                }
                if import.specifiers.is_some() && self.is_typescript() && self.kept_imports(statement).is_empty() {
                    return;
                }
                (&import.source, &import.with_clause)
            }
            Statement::ExportFromDeclaration(export)
                if !export.export_kind.is_type() && export.specifiers.iter().any(|one| is_value(&one)) =>
            {
                (&export.source, &export.with_clause)
            }
            Statement::ExportAllDeclaration(export) if !export.export_kind.is_type() => {
                (&export.source, &export.with_clause)
            }
            _ => return,
        };
        let request = ModuleRequest { specifier: source.value.as_str(), span: source.span };
        let Some(target) = resolve(request, diagnostics) else { return };
        for attribute in attributes.iter().flat_map(|clause| &clause.with_entries) {
            let key = match &attribute.key {
                ImportAttributeKey::Identifier(name) => name.name.as_str(),
                ImportAttributeKey::StringLiteral(name) => name.value.as_str(),
            };
            let is_json = key == "type" && attribute.value.value.as_str() == "json";
            if !is_json || !source.value.ends_with(".json") {
                let message = "this attribute of an import is not supported";
                let hint =
                    Some("write with { type: \"json\" } for a JSON file, and nothing for other files".to_owned());
                diagnostics.add(attribute.span.start, DiagnosticKind::Unsupported, message, hint);
            }
        }
        if !self.requests.contains(&target) {
            self.requests.push(target);
        }
        match statement {
            Statement::ImportDeclaration(_) => {
                for (symbol, name, span) in self.kept_imports(statement) {
                    let import = Import { target, name, span, is_used: self.is_used(symbol) };
                    self.imports.insert(symbol, import);
                }
            }
            Statement::ExportFromDeclaration(export) => {
                for specifier in export.specifiers.iter().filter(is_value) {
                    let export = Export::From(target, exported_name(&specifier.local));
                    self.add_export(exported_name(&specifier.exported), export, specifier.span, diagnostics);
                }
            }
            Statement::ExportAllDeclaration(export) => match &export.exported {
                Some(name) => self.add_export(exported_name(name), Export::All(target), export.span, diagnostics),
                None => self.stars.push(target),
            },
            _ => {}
        }
    }

    /// The names that an import declares for values.
    fn kept_imports(&self, statement: &'a Statement<'a>) -> Vec<(SymbolId, Option<&'a str>, Span)> {
        let Statement::ImportDeclaration(import) = statement else { return Vec::new() };
        let specifiers = import.specifiers.iter().flatten().filter_map(|specifier| {
            let (local, name) = match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(one) if one.import_kind.is_type() => return None,
                ImportDeclarationSpecifier::ImportSpecifier(one) => (&one.local, Some(exported_name(&one.imported))),
                ImportDeclarationSpecifier::ImportDefaultSpecifier(one) => (&one.local, Some("default")),
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(one) => (&one.local, None),
            };
            let symbol = local.symbol_id.get()?;
            let is_kept = !self.is_typescript() || self.is_used(symbol) || self.is_exported(symbol);
            is_kept.then_some((symbol, name, specifier.span()))
        });
        specifiers.collect()
    }
}

/// All files of a program; the entry is the first one.
pub(super) struct ModuleGraph<'a> {
    pub(super) modules: Vec<Module<'a>>,
    pub(super) tools: ToolList,
    pub(super) form: SourceForm,
}

impl<'a> ModuleGraph<'a> {
    /// The order of evaluation: each file after those that it imports. ECMA-262 §16.2.1.6.1.3.1 InnerModuleEvaluation.
    pub(super) fn evaluation_order(&self) -> Vec<usize> {
        let (mut order, mut visited) = (Vec::new(), HashSet::from([0]));
        let mut path = vec![(0, 0)];
        while let Some((module, next)) = path.last_mut() {
            match self.modules[*module].requests.get(*next) {
                Some(target) => {
                    *next += 1;
                    if visited.insert(*target) {
                        path.push((*target, 0));
                    }
                }
                None => {
                    order.push(*module);
                    path.pop();
                }
            }
        }
        order
    }

    /// The files that a file imports, directly or through others.
    fn dependencies(&self, module: usize) -> HashSet<usize> {
        let (mut found, mut open) = (HashSet::new(), self.modules[module].requests.clone());
        while let Some(target) = open.pop() {
            if found.insert(target) {
                open.extend(&self.modules[target].requests);
            }
        }
        found
    }

    /// Whether a binding is a function whose body uses `this`.
    pub(super) fn uses_this(&self, binding: Binding) -> bool {
        let Binding::Variable(module, symbol) = binding else { return false };
        let semantic = &self.modules[module].semantic;
        let nodes = semantic.nodes();
        let own = match nodes.kind(semantic.scoping().symbol_declaration(symbol)) {
            AstKind::Function(function) => function.span,
            AstKind::VariableDeclarator(declarator) => {
                match declarator.init.as_ref().map(Expression::get_inner_expression) {
                    Some(Expression::FunctionExpression(function)) => function.span,
                    _ => return false,
                }
            }
            _ => return false,
        };
        self.modules[module].this_functions.contains(&own)
    }

    /// ECMA-262 §16.2.1.7.2.2 ResolveExport.
    pub(super) fn resolve_export(&self, module: usize, name: &str) -> ResolvedExport {
        self.resolve_unvisited(module, name, &mut HashSet::new())
    }

    fn resolve_unvisited(&self, module: usize, name: &str, visited: &mut HashSet<(usize, String)>) -> ResolvedExport {
        if !visited.insert((module, name.to_owned())) {
            return ResolvedExport::Missing;
        }
        let this = &self.modules[module];
        match this.exports.get(name) {
            Some(Export::Local(symbol)) => {
                if let Some(import) = this.imports.get(symbol) {
                    return match import.name {
                        Some(name) => self.resolve_unvisited(import.target, name, visited),
                        None => ResolvedExport::Binding(Binding::Namespace(import.target)),
                    };
                }
                // An import that is not there is used as a type only.
                return match this.semantic.scoping().symbol_flags(*symbol).intersects(SymbolFlags::Value) {
                    true => ResolvedExport::Binding(Binding::Variable(module, *symbol)),
                    false => ResolvedExport::Type,
                };
            }
            Some(Export::Default) => return ResolvedExport::Binding(Binding::Default(module)),
            Some(Export::Type) => return ResolvedExport::Type,
            Some(Export::From(target, name)) => return self.resolve_unvisited(*target, name, visited),
            Some(Export::All(target)) => return ResolvedExport::Binding(Binding::Namespace(*target)),
            None if name == "default" => return ResolvedExport::Missing,
            None => {}
        }
        let mut found = ResolvedExport::Missing;
        for target in &this.stars {
            match (self.resolve_unvisited(*target, name, visited), found) {
                (ResolvedExport::Missing, _) => {}
                (ResolvedExport::Ambiguous, _) => return ResolvedExport::Ambiguous,
                (ResolvedExport::Binding(one), ResolvedExport::Binding(other)) if one != other => {
                    return ResolvedExport::Ambiguous;
                }
                (ResolvedExport::Type, ResolvedExport::Binding(_)) => {}
                (resolved, _) => found = resolved,
            }
        }
        found
    }

    /// All names that a file exports. ECMA-262 §16.2.1.7.2.1 GetExportedNames.
    fn exported_names(&self, module: usize) -> Vec<&'a str> {
        let (mut names, mut visited, mut open) = (Vec::new(), HashSet::new(), vec![module]);
        while let Some(module) = open.pop() {
            if visited.insert(module) {
                names.extend(self.modules[module].exports.keys().copied());
                open.extend(&self.modules[module].stars);
            }
        }
        names
    }

    /// The files that export a name from each other in a cycle, from the first to the same one again.
    fn find_reexport_cycle(&self, module: usize, name: &str) -> Option<Vec<&'a str>> {
        let (mut visited, mut at) = (Vec::new(), (module, name));
        loop {
            if let Some(start) = visited.iter().position(|one| *one == at) {
                let path = |(module, _): &(usize, &str)| self.modules[*module].path;
                return Some(visited[start..].iter().chain([&at]).map(path).collect());
            }
            visited.push(at);
            let this = &self.modules[at.0];
            at = match this.exports.get(at.1)? {
                Export::From(target, name) => (*target, *name),
                Export::Local(symbol) => {
                    let import = this.imports.get(symbol)?;
                    (import.target, import.name?)
                }
                _ => return None,
            };
        }
    }

    /// The message and the hint for a name that a file does not export as a value.
    pub(super) fn describe_missing(
        &self,
        module: usize,
        name: &str,
        resolved: ResolvedExport,
    ) -> (DiagnosticKind, String, Option<String>) {
        let path = self.modules[module].path;
        match resolved {
            ResolvedExport::Type => {
                let message = format!("`{name}` of {path} is a type, and has no value");
                (DiagnosticKind::Name, message, Some(format!("export a value, or write import type {{ {name} }}")))
            }
            ResolvedExport::Ambiguous => {
                let message = format!("two files that {path} exports with `export *` export `{name}`");
                (DiagnosticKind::Name, message, Some("import it from the file that declares it".to_owned()))
            }
            _ => {
                if let Some(cycle) = self.find_reexport_cycle(module, name) {
                    let cycle = cycle.join(" → ");
                    let message =
                        format!("`{name}` of {path} is never declared: files export it from each other ({cycle})");
                    let hint = format!("declare it in one of these files, as in export const {name} = 1");
                    return (DiagnosticKind::Name, message, Some(hint));
                }
                let names = self.exported_names(module);
                let near = names.iter().map(|other| (min_edit_distance(other, name), *other)).min();
                let hint = match near.filter(|(distance, _)| *distance <= 2) {
                    Some((_, near)) => format!("did you mean {near}?"),
                    None if names.is_empty() => "it exports nothing".to_owned(),
                    None => format!("it exports {}", names[..names.len().min(10)].join(", ")),
                };
                (DiagnosticKind::Name, format!("{path} has no export named `{name}`"), Some(hint))
            }
        }
    }

    /// Finds the variable of each import and of each export. Reports those that do not exist.
    pub(super) fn bind_imports(&mut self, diagnostics: &mut [Diagnostics<'_>]) {
        for (module, found) in diagnostics.iter_mut().enumerate() {
            let mut bindings = HashMap::new();
            for (symbol, import) in &self.modules[module].imports {
                let resolved = match import.name {
                    Some(name) => self.resolve_export(import.target, name),
                    None => ResolvedExport::Binding(Binding::Namespace(import.target)),
                };
                match resolved {
                    ResolvedExport::Binding(binding) => drop(bindings.insert(*symbol, binding)),
                    ResolvedExport::Type if !import.is_used => {}
                    resolved => {
                        let name = import.name.unwrap_or_default();
                        let (kind, message, hint) = self.describe_missing(import.target, name, resolved);
                        found.add(import.span.start, kind, message, hint);
                    }
                }
            }
            self.check_reexports(module, found);
            let is_cyclic = self.dependencies(module).contains(&module);
            let module = &mut self.modules[module];
            (module.bindings, module.is_cyclic) = (bindings, is_cyclic);
        }
        self.check_awaits(diagnostics);
    }

    /// Reports `export { name } from` of names that do not exist.
    fn check_reexports(&self, module: usize, diagnostics: &mut Diagnostics<'_>) {
        for statement in &self.modules[module].program.body {
            let Statement::ExportFromDeclaration(export) = statement else { continue };
            for specifier in &export.specifiers {
                let name = exported_name(&specifier.exported);
                let Some(Export::From(target, from)) = self.modules[module].exports.get(name) else { continue };
                let resolved = self.resolve_export(*target, from);
                if matches!(resolved, ResolvedExport::Missing | ResolvedExport::Ambiguous) {
                    let (kind, message, hint) = self.describe_missing(*target, from, resolved);
                    diagnostics.add(specifier.span.start, kind, message, hint);
                }
            }
        }
    }

    /// Refuses an `await` outside functions if Node evaluates another file meanwhile. ECMA-262 §16.2.1.6.1.3.2
    /// ExecuteAsyncModule. Deviation: files are evaluated one after another.
    fn check_awaits(&self, diagnostics: &mut [Diagnostics<'_>]) {
        let order = self.evaluation_order();
        for (at, module) in order.iter().enumerate() {
            let Some(span) = self.modules[*module].top_level_await() else { continue };
            let later = &order[at + 1..];
            let other = later
                .iter()
                .find(|later| self.modules[*module].is_cyclic || !self.dependencies(**later).contains(module));
            if let Some(other) = other {
                let other = self.modules[*other].path;
                let message = format!("`await` outside a function is not supported here: {other} does not wait for it");
                let hint = Some(format!("await in a function, or import this file in {other} too"));
                diagnostics[*module].add(span.start, DiagnosticKind::Unsupported, message, hint);
            }
        }
    }
}

/// The reason why a specifier does not name a file of the program.
pub(super) enum SpecifierError {
    /// A package, or a module of Node.
    Package,
    /// A path above the root.
    Outside,
    /// Not a plain path.
    Malformed,
}

/// The paths at which the file of an import may be, the first choice first. TypeScript Handbook, Modules - Theory,
/// module resolution.
pub(super) fn candidate_paths(importer: &str, specifier: &str) -> Result<Vec<String>, SpecifierError> {
    if !specifier.split('/').next().is_some_and(|first| matches!(first, "." | "..")) {
        return Err(SpecifierError::Package);
    }
    if specifier.contains(['\\', '%', '?', '#', '\0']) {
        return Err(SpecifierError::Malformed);
    }
    let mut parts: Vec<&str> = importer.split('/').collect();
    parts.pop();
    for part in specifier.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or(SpecifierError::Outside)?),
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    let is_folder = specifier.ends_with(['/']) || specifier.ends_with("..") || specifier == "." || path.is_empty();
    let index = |extension: &str| format!("{path}{}index.{extension}", if path.is_empty() { "" } else { "/" });
    if is_folder {
        return Ok(vec![index("ts"), index("js")]);
    }
    Ok(match path.rsplit_once('.') {
        Some((_, "ts" | "mts" | "json")) => vec![path],
        Some((stem, "js")) => vec![format!("{stem}.ts"), path],
        Some((stem, "mjs")) => vec![format!("{stem}.mts"), path],
        _ => vec![format!("{path}.ts"), format!("{path}.js"), index("ts"), index("js")],
    })
}
