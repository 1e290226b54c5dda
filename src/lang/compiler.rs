//! The compiler's state: the functions under construction, the variables in reach, and what was found wrong so far.

use std::collections::HashMap;

use oxc_ast::ast::IdentifierReference;
use oxc_semantic::{ScopeId, Semantic, SymbolFlags, SymbolId};
use oxc_span::Span;
use serde_json::{Value as Json, json};

use crate::vm::op::Op;
use crate::vm::program::{Capture, FunctionKind};
use crate::vm::wire;

use super::diagnostic::{Findings, Kind};
use super::emit::{Arg, Code, Label};
use super::resolve::{Home, Plan};

/// Nesting of statements and expressions that is compiled.
const MAX_DEPTH: usize = 220;

/// Where a variable of a frame is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Storage {
    Slot(u16),
    Cell(u16),
    Global(u16),
}

/// How the current function reaches a variable.
#[derive(Debug, Clone, Copy)]
pub(super) enum Access {
    Slot(u16),
    Cell(u16),
    Capture(u16),
    Global(u16),
}

/// What `break`, `continue` and `return` pass on their way out, innermost last.
pub(super) enum Control<'a> {
    /// A loop, a `switch` or a labelled statement.
    Target { labels: Vec<&'a str>, leave: Label, next: Option<Label>, plain_break: bool },
    /// A hidden slot in use; left early, it is cleared.
    Hidden(u16),
    /// A `try` with `finally`: leaving it runs the block first.
    Finally { kind: u16, value: u16, entry: Label, exits: Vec<Exit> },
}

/// A way out of a `try` that goes on after `finally`.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Exit {
    Return,
    Jump(Label, usize),
}

/// A function under construction.
pub(super) struct Frame<'a> {
    pub(super) code: Code,
    pub(super) index: usize,
    pub(super) storage: HashMap<SymbolId, Storage>,
    pub(super) control: Vec<Control<'a>>,
    pub(super) kind: FunctionKind,
}

/// Compiles one source.
pub(super) struct Compiler<'a, 's> {
    pub(super) semantic: &'s Semantic<'a>,
    pub(super) plan: Plan,
    pub(super) findings: Findings<'s>,
    pub(super) codes: Vec<Option<Code>>,
    pub(super) frames: Vec<Frame<'a>>,
    pub(super) current: Frame<'a>,
    /// Labels that stand directly before the statement to come.
    pub(super) pending_labels: Vec<&'a str>,
    /// Whether `main` is called behind the last statement.
    pub(super) calls_main: bool,
    depth: usize,
}

impl<'a, 's> Compiler<'a, 's> {
    pub(super) fn new(semantic: &'s Semantic<'a>, findings: Findings<'s>) -> Self {
        Compiler {
            semantic,
            plan: Plan::new(semantic),
            findings,
            codes: vec![None],
            frames: Vec::new(),
            current: Frame {
                code: Code::new(""),
                index: 0,
                storage: HashMap::new(),
                control: Vec::new(),
                kind: FunctionKind::Function,
            },
            pending_labels: Vec::new(),
            calls_main: false,
            depth: 0,
        }
    }

    // ---- findings ----

    pub(super) fn unsupported(&mut self, span: Span, message: impl Into<String>, hint: &str) {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        self.findings.add(span.start, Kind::Unsupported, message, hint);
    }

    /// Reports an expression that cannot run here; a value stands in, so that the rest is looked at too.
    pub(super) fn unsupported_value(&mut self, span: Span, message: impl Into<String>, hint: &str) {
        self.unsupported(span, message, hint);
        self.push_undefined();
    }

    /// Runs `inner` one level deeper, or reports that the source nests too deep.
    pub(super) fn nested(&mut self, span: Span, inner: impl FnOnce(&mut Self)) -> bool {
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
        self.current.code.emit(op, Arg::None);
    }

    pub(super) fn emit_json(&mut self, op: Op, arg: Json) {
        self.current.code.emit(op, Arg::Json(arg));
    }

    pub(super) fn emit_slot(&mut self, op: Op, slot: u16) {
        self.emit_json(op, json!(slot));
    }

    pub(super) fn jump(&mut self, op: Op, label: Label) {
        self.current.code.emit(op, Arg::Target(label));
    }

    pub(super) fn label(&mut self) -> Label {
        self.current.code.label()
    }

    pub(super) fn mark(&mut self, label: Label) {
        self.current.code.mark(label);
    }

    pub(super) fn at(&mut self, span: Span) {
        let place = self.findings.place(span.start);
        self.current.code.set_place(place);
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

    /// Makes the variables of a scope, uninitialised where that can be seen, and its functions.
    pub(super) fn enter_scope(&mut self, scope: Option<ScopeId>) {
        let Some(scope) = scope else { return };
        let mut symbols: Vec<SymbolId> = self.semantic.scoping().get_bindings(scope).values().copied().collect();
        symbols.sort_unstable();
        for symbol in symbols {
            self.declare(symbol);
        }
    }

    /// Gives a variable its place. A parameter that already has its slot moves into a cell when closures share it.
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
            if variable.home == Home::Cell {
                self.emit_slot(Op::Load, slot);
                self.emit_slot(Op::NewCell, slot);
                self.emit_slot(Op::InitCell, slot);
                self.current.storage.insert(symbol, Storage::Cell(slot));
            }
            return;
        }
        let slot = self.current.code.slot(scoping.symbol_name(symbol));
        let storage = match variable.home {
            Home::Slot => Storage::Slot(slot),
            Home::Global => Storage::Global(slot),
            Home::Cell => {
                self.emit_slot(Op::NewCell, slot);
                if !variable.dead_zone {
                    self.push_undefined();
                    self.emit_slot(Op::InitCell, slot);
                }
                Storage::Cell(slot)
            }
        };
        if variable.dead_zone && variable.home != Home::Cell {
            self.emit_slot(Op::Uninit, slot);
        }
        self.current.storage.insert(symbol, storage);
    }

    // ---- variables ----

    /// How the current function reaches a variable; captures are added to every function between.
    pub(super) fn access(&mut self, symbol: SymbolId) -> Option<Access> {
        if let Some(storage) = self.current.storage.get(&symbol) {
            return Some(match (*storage, self.frames.is_empty()) {
                (Storage::Slot(slot), _) | (Storage::Global(slot), true) => Access::Slot(slot),
                (Storage::Global(slot), false) => Access::Global(slot),
                (Storage::Cell(slot), _) => Access::Cell(slot),
            });
        }
        let depth = self.frames.iter().rposition(|frame| frame.storage.contains_key(&symbol))?;
        let slot = match self.frames[depth].storage.get(&symbol)? {
            Storage::Global(slot) => return Some(Access::Global(*slot)),
            Storage::Cell(slot) => *slot,
            Storage::Slot(_) => return None,
        };
        let name = self.semantic.scoping().symbol_name(symbol);
        let mut capture = Capture::Slot(slot);
        for frame in &mut self.frames[depth + 1..] {
            capture = Capture::Capture(frame.code.capture(capture, name));
        }
        Some(Access::Capture(self.current.code.capture(capture, name)))
    }

    pub(super) fn symbol_of(&self, identifier: &IdentifierReference<'a>) -> Option<SymbolId> {
        let reference = identifier.reference_id.get()?;
        let symbol = self.semantic.scoping().get_reference(reference).symbol_id()?;
        // `declare const x: T` only tells the type of what the host gives.
        (!self.semantic.scoping().symbol_flags(symbol).contains(SymbolFlags::Ambient)).then_some(symbol)
    }

    pub(super) fn load_symbol(&mut self, symbol: SymbolId, span: Span) {
        match self.access(symbol) {
            Some(Access::Slot(slot)) => self.emit_slot(Op::Load, slot),
            Some(Access::Cell(slot)) => self.emit_slot(Op::LoadCell, slot),
            Some(Access::Capture(index)) => self.emit_slot(Op::LoadCapture, index),
            Some(Access::Global(slot)) => self.emit_slot(Op::LoadGlobal, slot),
            None => self.unsupported_value(span, "this name cannot be used as a value here", ""),
        }
    }

    /// Assigns the value on the stack; a constant throws instead.
    pub(super) fn store_symbol(&mut self, symbol: SymbolId, span: Span) {
        let flags = self.semantic.scoping().symbol_flags(symbol);
        // The own name of a function expression is a constant too.
        if flags.intersects(SymbolFlags::ConstVariable | SymbolFlags::FunctionExpression) {
            self.emit(Op::Pop);
            self.emit_json(
                Op::ThrowError,
                json!({ "name": "TypeError", "message": "Assignment to constant variable." }),
            );
            // What follows is never reached; it only has to find the stack as it expects it.
            return;
        }
        let variable = self.plan.variable(symbol);
        let early = variable.dead_zone && (span.start < variable.declared_by || variable.in_switch);
        match self.access(symbol) {
            Some(Access::Slot(slot)) if early => self.emit_slot(Op::StoreChecked, slot),
            Some(Access::Slot(slot)) => self.emit_slot(Op::Store, slot),
            Some(Access::Cell(slot)) => self.emit_slot(Op::StoreCell, slot),
            Some(Access::Capture(index)) => self.emit_slot(Op::StoreCapture, index),
            Some(Access::Global(slot)) => self.emit_slot(Op::StoreGlobal, slot),
            None => self.unsupported(span, "this name cannot be assigned here", ""),
        }
    }

    /// Initialises a variable of the current function with the value on the stack.
    pub(super) fn init_symbol(&mut self, symbol: SymbolId, span: Span) {
        match self.current.storage.get(&symbol) {
            Some(Storage::Slot(slot) | Storage::Global(slot)) => self.emit_slot(Op::Store, *slot),
            Some(Storage::Cell(slot)) => self.emit_slot(Op::InitCell, *slot),
            None => self.store_symbol(symbol, span),
        }
    }

    /// Lays out the code, or gives what was found.
    pub(super) fn finish(mut self) -> Result<super::Compiled, Vec<super::Diagnostic>> {
        if !self.findings.is_empty() {
            return Err(self.findings.into_list());
        }
        self.codes[0] = Some(self.current.code);
        let codes = self.codes.into_iter().flatten().collect();
        Ok(super::Compiled { bytecode: super::emit::layout(codes) })
    }
}
