//! The compiler's state: the functions under construction, the variables in scope, and the diagnostics so far.

use std::collections::{BTreeSet, HashMap};

use oxc_ast::ast::{Expression, IdentifierReference, StaticMemberExpression};
use oxc_semantic::{ScopeId, Semantic, SymbolFlags, SymbolId};
use oxc_span::Span;
use runstate_value::sort_by;
use runstate_vm::op::Op;
use runstate_vm::program::{Capture, FunctionKind, Instruction};
use runstate_vm::wire;
use serde_json::{Value as Json, json};

use super::diagnostic::{self, Diagnostic, DiagnosticKind, Diagnostics};
use super::function_code::{self, FunctionCode, InstructionArg, Label};
use super::modules::{Binding, ModuleGraph, ResolvedExport};
use super::names::{StorageClass, VariablePlan};
use super::private_name::PrivateScopes;
use super::schema_literal::{SchemaLiteral, SchemaLiterals};

/// What the compiler makes of the files.
pub(super) struct CompiledParts {
    pub(super) bytecode: Vec<Instruction>,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) schemas: Vec<SchemaLiteral>,
    pub(super) used_tools: BTreeSet<String>,
}

/// Deepest nesting of statements and expressions.
const MAX_DEPTH: usize = 220;

/// The storage of a variable in its frame.
#[derive(Debug, Clone, Copy)]
pub(super) enum Storage {
    Slot(u16),
    Cell(u16),
    Global(u16),
}

/// How the current function accesses a variable.
#[derive(Debug, Clone, Copy)]
pub(super) enum VariableAccess {
    Slot(u16),
    Cell(u16),
    Capture(u16),
    Global(u16),
}

/// A construct that `break`, `continue` and `return` pass on their way out, innermost last.
pub(super) enum ControlScope<'a> {
    /// A loop, a `switch` or a labelled statement.
    Target { labels: Vec<&'a str>, leave: Label, next: Option<Label>, plain_break: bool },
    /// A hidden slot in use, which an early exit clears.
    Hidden(u16),
    /// The iterator in a hidden slot, which an exit closes. The code of exits from inner iterators is after its use,
    /// once for each.
    Iterator { slot: u16, is_async: bool, exits: Vec<SharedExit> },
    /// The block of a `try` with `catch`. The code of exits that may throw is after it, once for each, so that it does
    /// not catch their errors.
    Catch(Vec<SharedExit>),
    /// A `try` with `finally`: an exit runs the block first.
    Finally { kind: u16, value: u16, entry: Label, exits: Vec<DeferredExit> },
}

/// An exit from a `try` that continues after the block.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum DeferredExit {
    Return,
    Jump(Label, usize),
}

/// The code of an exit from a block, to which all such exits jump.
pub(super) struct SharedExit {
    pub(super) exit: DeferredExit,
    pub(super) label: Label,
    /// The location of the first of them.
    pub(super) location: (u32, u32),
}

/// A function under construction.
pub(super) struct FunctionState<'a> {
    pub(super) code: FunctionCode,
    pub(super) index: usize,
    pub(super) storage: HashMap<SymbolId, Storage>,
    pub(super) control: Vec<ControlScope<'a>>,
    pub(super) kind: FunctionKind,
    /// The hidden cell with the list of its arguments, if it reads them.
    pub(super) arguments: Option<u16>,
}

/// The state of a file whose code is not being compiled.
struct ModuleState<'a, 's> {
    plan: VariablePlan,
    diagnostics: Diagnostics<'s>,
    /// The variables of the global frame under the names of the file.
    storage: HashMap<SymbolId, Storage>,
    semantic: &'s Semantic<'a>,
}

/// The compiler of a program.
pub(super) struct Compiler<'a, 's> {
    pub(super) graph: &'s ModuleGraph<'a>,
    /// The file whose code is being compiled.
    pub(super) module: usize,
    /// The other files.
    other_modules: Vec<Option<ModuleState<'a, 's>>>,
    /// The slots of the variables that files can import.
    pub(super) exported_slots: HashMap<Binding, u16>,
    pub(super) semantic: &'s Semantic<'a>,
    pub(super) plan: VariablePlan,
    pub(super) diagnostics: Diagnostics<'s>,
    pub(super) codes: Vec<Option<FunctionCode>>,
    pub(super) enclosing: Vec<FunctionState<'a>>,
    pub(super) current: FunctionState<'a>,
    /// Labels directly before the next statement.
    pub(super) pending_labels: Vec<&'a str>,
    pub(super) private_scopes: PrivateScopes,
    pub(super) schemas: SchemaLiterals,
    /// The slots of the global frame that keep the functions of tools, by their names.
    pub(super) tool_slots: HashMap<String, u16>,
    pub(super) used_tools: BTreeSet<String>,
    depth: usize,
}

impl<'a, 's> Compiler<'a, 's> {
    /// A compiler of these files, of which the entry is the first.
    pub(super) fn new(graph: &'s ModuleGraph<'a>, diagnostics: Vec<Diagnostics<'s>>) -> Self {
        let plans = VariablePlan::of_modules(&graph.modules);
        let states = graph.modules.iter().zip(plans).zip(diagnostics);
        let mut states = states.map(|((module, plan), mut diagnostics)| {
            for warning in &plan.calls.warnings {
                diagnostics.warn(warning.span.start, &warning.message, warning.hint);
            }
            ModuleState { plan, diagnostics, storage: HashMap::new(), semantic: &module.semantic }
        });
        // The entry is always there.
        let entry = states.next().unwrap_or_else(|| ModuleState {
            plan: VariablePlan::default(),
            diagnostics: Diagnostics::new("", ""),
            storage: HashMap::new(),
            semantic: &graph.modules[0].semantic,
        });
        let mut other_modules = vec![None];
        other_modules.extend(states.map(Some));
        Compiler {
            graph,
            module: 0,
            other_modules,
            exported_slots: HashMap::new(),
            semantic: entry.semantic,
            plan: entry.plan,
            diagnostics: entry.diagnostics,
            codes: vec![None],
            enclosing: Vec::new(),
            current: FunctionState {
                code: FunctionCode::new("", 0),
                index: 0,
                storage: entry.storage,
                control: Vec::new(),
                kind: FunctionKind::Function,
                arguments: None,
            },
            pending_labels: Vec::new(),
            private_scopes: Vec::new(),
            schemas: SchemaLiterals::default(),
            tool_slots: HashMap::new(),
            used_tools: BTreeSet::new(),
            depth: 0,
        }
    }

    /// Continues in the global frame with the code of a file.
    pub(super) fn enter_module(&mut self, module: usize) {
        let Some(next) = self.other_modules.get_mut(module).and_then(Option::take) else { return };
        self.other_modules[self.module] = Some(ModuleState {
            plan: std::mem::replace(&mut self.plan, next.plan),
            diagnostics: std::mem::replace(&mut self.diagnostics, next.diagnostics),
            storage: std::mem::replace(&mut self.current.storage, next.storage),
            semantic: std::mem::replace(&mut self.semantic, next.semantic),
        });
        self.module = module;
        self.current.code.enter_file(module);
        self.set_location(Span::default());
    }

    // ---- modules ----

    /// Declares the top-level variables of a file, and its value of `export default`.
    pub(super) fn declare_module(&mut self) {
        let module = &self.graph.modules[self.module];
        self.enter_scope(module.program.scope_id.get());
        let is_single = self.graph.modules.len() == 1 && !module.is_cyclic;
        if is_single && self.graph.function_to_call() != Some(Binding::Default(0)) {
            return;
        }
        for symbol in module.exported_symbols() {
            if let Some(Storage::Slot(slot) | Storage::Global(slot)) = self.current.storage.get(&symbol) {
                self.exported_slots.insert(Binding::Variable(self.module, symbol), *slot);
            }
        }
        if module.has_default_value() {
            let default = Binding::Default(self.module);
            let mut names = self.graph.modules.iter().flat_map(|module| {
                let symbol =
                    module.bindings.iter().filter(|(_, binding)| **binding == default).map(|(symbol, _)| *symbol).min();
                symbol.map(|symbol| module.semantic.scoping().symbol_name(symbol))
            });
            let slot = self.current.code.add_slot(names.next().unwrap_or("default"));
            if module.is_cyclic {
                self.emit_slot(Op::Uninit, slot);
            }
            self.exported_slots.insert(default, slot);
        }
    }

    /// Gives the imports of a file the slots of their variables.
    pub(super) fn declare_imports(&mut self) {
        for (symbol, binding) in &self.graph.modules[self.module].bindings {
            if let Some(slot) = self.exported_slots.get(binding) {
                self.current.storage.insert(*symbol, Storage::Global(*slot));
            }
        }
    }

    /// `( -- value )` Reads a built-in that is written in the language. False if there is none of this name.
    pub(super) fn load_prelude(&mut self, path: &str) -> bool {
        let modules = &self.graph.modules;
        let found = modules.iter().rposition(|module| module.is_prelude && module.exports(path));
        // The sources of built-ins use the functions of the machine.
        let Some(module) = found.filter(|_| !modules[self.module].is_prelude) else { return false };
        self.load_built_in(module, path);
        true
    }

    /// `( -- value )` Reads an export of a source of built-ins.
    pub(super) fn load_built_in(&mut self, module: usize, name: &str) {
        if let ResolvedExport::Binding(binding) = self.graph.resolve_export(module, name)
            && let Some(slot) = self.exported_slots.get(&binding).copied()
        {
            self.load_exported(slot);
        }
    }

    fn load_exported(&mut self, slot: u16) {
        let op = if self.enclosing.is_empty() { Op::Load } else { Op::LoadGlobal };
        self.emit_slot(op, slot);
    }

    /// The slot for the value of `export default` of the current file, if other files can import it.
    pub(super) fn default_slot(&self) -> Option<u16> {
        self.exported_slots.get(&Binding::Default(self.module)).copied()
    }

    /// The exported variable that a name or a member of a namespace refers to.
    pub(super) fn binding(&self, expression: &Expression<'a>) -> Option<Binding> {
        match expression.get_inner_expression() {
            Expression::Identifier(id) => {
                let symbol = self.resolve_symbol(id)?;
                let binding = self.graph.modules[self.module].bindings.get(&symbol);
                Some(binding.copied().unwrap_or(Binding::Variable(self.module, symbol)))
            }
            Expression::StaticMemberExpression(member) => {
                match self.graph.resolve_export(self.namespace(&member.object)?, member.property.name.as_str()) {
                    ResolvedExport::Binding(binding) => Some(binding),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn is_unbound_import(&self, symbol: SymbolId) -> bool {
        self.semantic.scoping().symbol_flags(symbol).contains(SymbolFlags::Import)
            && !self.graph.modules[self.module].bindings.contains_key(&symbol)
    }

    /// The file whose exports an expression refers to: `ns` after `import * as ns`.
    pub(super) fn namespace(&self, expression: &Expression<'a>) -> Option<usize> {
        match self.binding(expression)? {
            Binding::Namespace(module) => Some(module),
            _ => None,
        }
    }

    /// `( -- value )` Reads a member of a namespace. False if the object is not a namespace. ECMA-262 §10.4.6.8
    /// [[Get]]. Deviation: a member that does not exist is refused, and so is the call of a function that uses `this`,
    /// which would be the namespace.
    pub(super) fn namespace_member(&mut self, member: &StaticMemberExpression<'a>) -> bool {
        let Some(module) = self.namespace(&member.object) else { return false };
        let name = member.property.name.as_str();
        match self.graph.resolve_export(module, name) {
            ResolvedExport::Binding(Binding::Namespace(_)) => self.namespace_as_value(member.span),
            ResolvedExport::Binding(binding) => {
                self.set_location(member.property.span);
                match self.exported_slots.get(&binding).copied() {
                    Some(slot) => self.load_exported(slot),
                    None => self.unsupported_value(member.span, "this name cannot be used as a value here", ""),
                }
            }
            resolved => {
                let (kind, message, hint) = self.graph.describe_missing(module, name, resolved);
                self.diagnostics.add(member.property.span.start, kind, message, hint);
                self.push_undefined();
            }
        }
        true
    }

    pub(super) fn namespace_as_value(&mut self, span: Span) {
        let message = "a namespace of a file is not a value here";
        self.unsupported_value(span, message, "read its members by name, as in tools.search, or import { search }");
    }

    // ---- diagnostics ----

    pub(super) fn unsupported(&mut self, span: Span, message: impl Into<String>, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.diagnostics.add(span.start, DiagnosticKind::Unsupported, message, hint);
    }

    /// Reports an expression that cannot run here. A placeholder value is pushed, so that the remaining source is
    /// compiled too.
    pub(super) fn unsupported_value(&mut self, span: Span, message: impl Into<String>, hint: &str) {
        self.unsupported(span, message, hint);
        self.push_undefined();
    }

    /// Runs `inner` one level deeper, or reports that the source is nested too deeply.
    pub(super) fn with_nesting(&mut self, span: Span, inner: impl FnOnce(&mut Self)) -> bool {
        if self.depth >= MAX_DEPTH {
            self.unsupported(span, "this is nested too deeply", "split it into several statements or functions");
            return false;
        }
        self.depth += 1;
        inner(self);
        self.depth -= 1;
        true
    }

    // ---- emitting ----

    pub(super) fn emit(&mut self, op: Op) {
        self.current.code.emit(op, InstructionArg::None);
    }

    pub(super) fn emit_at(&mut self, op: Op, span: Span) {
        self.set_location(span);
        self.emit(op);
    }

    pub(super) fn emit_json(&mut self, op: Op, arg: Json) {
        self.current.code.emit(op, InstructionArg::Json(arg));
    }

    pub(super) fn emit_slot(&mut self, op: Op, slot: u16) {
        self.emit_json(op, json!(slot));
    }

    pub(super) fn jump(&mut self, op: Op, label: Label) {
        self.current.code.emit(op, InstructionArg::Target(label));
    }

    pub(super) fn new_label(&mut self) -> Label {
        self.current.code.new_label()
    }

    pub(super) fn bind_label(&mut self, label: Label) {
        self.current.code.bind_label(label);
    }

    pub(super) fn set_location(&mut self, span: Span) {
        let is_prelude = self.graph.modules[self.module].is_prelude;
        let location = if is_prelude { (0, 0) } else { self.diagnostics.location(span.start) };
        self.current.code.set_location(location);
    }

    pub(super) fn push_undefined(&mut self) {
        self.emit_json(Op::Push, json!({ "$undefined": true }));
    }

    pub(super) fn push_number(&mut self, value: f64) {
        self.emit_json(Op::Push, wire::number(value));
    }

    pub(super) fn push_text(&mut self, text: &str) {
        let units: Vec<u16> = text.encode_utf16().collect();
        self.emit_json(Op::Push, wire::text(&units));
    }

    // ---- scopes ----

    /// Creates the variables of a scope, uninitialized where that is observable. ECMA-262 §14.2.3
    /// BlockDeclarationInstantiation.
    pub(super) fn enter_scope(&mut self, scope: Option<ScopeId>) {
        let Some(scope) = scope else { return };
        let mut symbols: Vec<SymbolId> = self.semantic.scoping().get_bindings(scope).values().copied().collect();
        sort_by(&mut symbols, Ord::cmp);
        for symbol in symbols {
            self.declare(symbol);
        }
    }

    /// Allocates the storage of a variable. A parameter that already has a slot moves into a cell if closures share it.
    pub(super) fn declare(&mut self, symbol: SymbolId) {
        let scoping = self.semantic.scoping();
        let flags = scoping.symbol_flags(symbol);
        if flags.contains(SymbolFlags::Ambient)
            || !flags.intersects(SymbolFlags::Value)
            || flags.contains(SymbolFlags::FunctionExpression)
        {
            return;
        }
        let variable = self.plan.variable(symbol);
        if let Some(Storage::Slot(slot)) = self.current.storage.get(&symbol).copied() {
            if variable.storage_class == StorageClass::Cell {
                self.emit_slot(Op::Load, slot);
                self.emit_slot(Op::NewCell, slot);
                self.emit_slot(Op::InitCell, slot);
                self.current.storage.insert(symbol, Storage::Cell(slot));
            }
            return;
        }
        let name = scoping.symbol_name(symbol);
        let slot = match self.graph.modules[self.module].is_prelude {
            true => self.current.code.add_built_in_slot(name),
            false => self.current.code.add_slot(name),
        };
        let storage = match variable.storage_class {
            StorageClass::Slot => Storage::Slot(slot),
            StorageClass::Global => Storage::Global(slot),
            StorageClass::Cell => {
                self.emit_slot(Op::NewCell, slot);
                if !variable.dead_zone {
                    self.push_undefined();
                    self.emit_slot(Op::InitCell, slot);
                }
                Storage::Cell(slot)
            }
        };
        if variable.dead_zone && variable.storage_class != StorageClass::Cell {
            self.emit_slot(Op::Uninit, slot);
        }
        self.current.storage.insert(symbol, storage);
    }

    // ---- variables ----

    /// How the current function accesses a variable. Captures are added to all functions in between. ECMA-262 §9.4.2
    /// ResolveBinding.
    pub(super) fn resolve_access(&mut self, symbol: SymbolId) -> Option<VariableAccess> {
        if let Some(storage) = self.current.storage.get(&symbol) {
            return Some(match (*storage, self.enclosing.is_empty()) {
                (Storage::Slot(slot), _) | (Storage::Global(slot), true) => VariableAccess::Slot(slot),
                (Storage::Global(slot), false) => VariableAccess::Global(slot),
                (Storage::Cell(slot), _) => VariableAccess::Cell(slot),
            });
        }
        let depth = self.enclosing.iter().rposition(|frame| frame.storage.contains_key(&symbol))?;
        let slot = match self.enclosing[depth].storage.get(&symbol)? {
            Storage::Global(slot) => return Some(VariableAccess::Global(*slot)),
            Storage::Cell(slot) => *slot,
            Storage::Slot(_) => return None,
        };
        let name = self.semantic.scoping().symbol_name(symbol);
        let mut capture = Capture::Slot(slot);
        for frame in &mut self.enclosing[depth + 1..] {
            capture = Capture::Capture(frame.code.add_capture(capture, name));
        }
        Some(VariableAccess::Capture(self.current.code.add_capture(capture, name)))
    }

    /// `( -- value )` Reads the cell in a hidden slot of this function, or of one around it.
    pub(super) fn load_hidden_cell(&mut self, owner: usize, slot: u16) {
        let Some(depth) = self.enclosing.iter().position(|frame| frame.index == owner) else {
            return self.emit_slot(Op::LoadCell, slot);
        };
        let mut capture = Capture::Slot(slot);
        for frame in &mut self.enclosing[depth + 1..] {
            capture = Capture::Capture(frame.code.add_hidden_capture(capture));
        }
        let index = self.current.code.add_hidden_capture(capture);
        self.emit_slot(Op::LoadCapture, index);
    }

    pub(super) fn resolve_symbol(&self, identifier: &IdentifierReference<'a>) -> Option<SymbolId> {
        let reference = identifier.reference_id.get()?;
        let symbol = self.semantic.scoping().get_reference(reference).symbol_id()?;
        // `declare const x: T` only declares the type of a name that the host provides.
        (!self.semantic.scoping().symbol_flags(symbol).contains(SymbolFlags::Ambient)).then_some(symbol)
    }

    /// `( -- value )`. ECMA-262 §9.1.1.1.6 GetBindingValue.
    pub(super) fn load_symbol(&mut self, symbol: SymbolId, span: Span) {
        match self.resolve_access(symbol) {
            Some(VariableAccess::Slot(slot)) => self.emit_slot(Op::Load, slot),
            Some(VariableAccess::Cell(slot)) => self.emit_slot(Op::LoadCell, slot),
            Some(VariableAccess::Capture(index)) => self.emit_slot(Op::LoadCapture, index),
            Some(VariableAccess::Global(slot)) => self.emit_slot(Op::LoadGlobal, slot),
            // The import is reported.
            None if self.is_unbound_import(symbol) => self.push_undefined(),
            None => self.unsupported_value(span, "this name cannot be used as a value here", ""),
        }
    }

    /// `( value -- )`. A constant throws instead. ECMA-262 §9.1.1.1.5 SetMutableBinding.
    pub(super) fn store_symbol(&mut self, symbol: SymbolId, span: Span) {
        let flags = self.semantic.scoping().symbol_flags(symbol);
        // The name of a function expression is a constant too.
        if flags.intersects(SymbolFlags::ConstVariable | SymbolFlags::FunctionExpression) {
            self.emit(Op::Pop);
            self.emit_json(
                Op::ThrowError,
                json!({ "name": "TypeError", "message": "Assignment to constant variable." }),
            );
            // The code after it is not reachable, but must have a consistent stack.
            return;
        }
        let variable = self.plan.variable(symbol);
        let early = variable.dead_zone && (span.start < variable.declaration_end || variable.in_switch);
        match self.resolve_access(symbol) {
            Some(VariableAccess::Slot(slot)) if early => self.emit_slot(Op::StoreChecked, slot),
            Some(VariableAccess::Slot(slot)) => self.emit_slot(Op::Store, slot),
            Some(VariableAccess::Cell(slot)) => self.emit_slot(Op::StoreCell, slot),
            Some(VariableAccess::Capture(index)) => self.emit_slot(Op::StoreCapture, index),
            Some(VariableAccess::Global(slot)) => self.emit_slot(Op::StoreGlobal, slot),
            None => self.unsupported(span, "this name cannot be assigned here", ""),
        }
    }

    /// `( value -- )` Initializes a variable of the current function. ECMA-262 §9.1.1.1.4 InitializeBinding.
    pub(super) fn init_symbol(&mut self, symbol: SymbolId, span: Span) {
        match self.current.storage.get(&symbol) {
            Some(Storage::Slot(slot) | Storage::Global(slot)) => self.emit_slot(Op::Store, *slot),
            Some(Storage::Cell(slot)) => self.emit_slot(Op::InitCell, *slot),
            None => self.store_symbol(symbol, span),
        }
    }

    /// Lays out the code with the warnings, or returns the diagnostics.
    pub(super) fn finish(mut self) -> Result<CompiledParts, Vec<Diagnostic>> {
        self.enter_module(0);
        let others = self.other_modules.into_iter().flatten().map(|state| state.diagnostics);
        let found: Vec<Diagnostics<'_>> = std::iter::once(self.diagnostics).chain(others).collect();
        let warnings = found.iter().flat_map(Diagnostics::warnings).collect();
        let diagnostics = diagnostic::into_list(found);
        if !diagnostics.is_empty() {
            return Err(diagnostics);
        }
        self.codes[0] = Some(self.current.code);
        let codes = self.codes.into_iter().flatten().collect();
        let modules = &self.graph.modules;
        // A program of one file has no names of files.
        let paths = match modules.iter().filter(|module| !module.is_prelude).count() {
            1 => Vec::new(),
            _ => modules.iter().map(|module| module.path).collect(),
        };
        let bytecode = function_code::lay_out(codes, &paths);
        Ok(CompiledParts { bytecode, warnings, schemas: self.schemas.found, used_tools: self.used_tools })
    }
}
