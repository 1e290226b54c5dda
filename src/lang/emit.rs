//! Code under construction: one list of instructions per function, labels instead of indexes until all of them are laid out
//! one after the other.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use crate::vm::op::Op;
use crate::vm::program::{Capture, Function, Handler, WireInstruction};

/// A place in one function's code, known once it is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// The argument of an instruction under construction.
#[derive(Debug, Clone)]
pub(super) enum Arg {
    None,
    Json(Json),
    Target(Label),
    IterNext { slot: u16, target: Label },
    Function(usize),
}

struct Emitted {
    op: Op,
    arg: Arg,
    line: u32,
    column: u32,
}

struct PendingHandler {
    start: u32,
    end: u32,
    target: Label,
}

/// One function's code.
pub(super) struct Code {
    pub(super) function: Function,
    instructions: Vec<Emitted>,
    labels: Vec<Option<u32>>,
    handlers: Vec<PendingHandler>,
    names: HashSet<String>,
    free: Vec<u16>,
    hidden: usize,
    place: (u32, u32),
}

impl Code {
    pub(super) fn new(name: &str) -> Self {
        Code {
            function: Function { name: name.to_owned(), ..Function::default() },
            instructions: Vec::new(),
            labels: Vec::new(),
            handlers: Vec::new(),
            names: HashSet::new(),
            free: Vec::new(),
            hidden: 0,
            place: (0, 0),
        }
    }

    /// Where the instructions that follow come from.
    pub(super) fn set_place(&mut self, place: (u32, u32)) {
        self.place = place;
    }

    pub(super) fn place(&self) -> (u32, u32) {
        self.place
    }

    pub(super) fn emit(&mut self, op: Op, arg: Arg) {
        let (line, column) = self.place;
        self.instructions.push(Emitted { op, arg, line, column });
    }

    pub(super) fn here(&self) -> u32 {
        u32::try_from(self.instructions.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    pub(super) fn mark(&mut self, label: Label) {
        let here = self.here();
        self.labels[label.0] = Some(here);
    }

    /// Catches errors of `start..end` at `target`. Inner ranges are added before outer ones.
    pub(super) fn handler(&mut self, start: u32, end: u32, target: Label) {
        if start < end {
            self.handlers.push(PendingHandler { start, end, target });
        }
    }

    /// A slot for a variable of the program, under a name that no other slot has.
    pub(super) fn slot(&mut self, name: &str) -> u16 {
        let escaped = name.replace('$', "$$");
        self.named_slot(&escaped)
    }

    fn named_slot(&mut self, name: &str) -> u16 {
        let mut unique = name.to_owned();
        let mut count = 1;
        while !self.names.insert(unique.clone()) {
            unique = format!("{name}${count}");
            count += 1;
        }
        self.function.slots.push(unique);
        u16::try_from(self.function.slots.len() - 1).unwrap_or(u16::MAX)
    }

    /// A hidden slot, to be given back with `release` so that loops do not pile them up.
    pub(super) fn hidden(&mut self) -> u16 {
        self.free.pop().unwrap_or_else(|| self.fixed_hidden())
    }

    /// A hidden slot that is never used for anything else.
    pub(super) fn fixed_hidden(&mut self) -> u16 {
        self.hidden += 1;
        self.named_slot(&format!("${}", self.hidden))
    }

    /// The global frame's one parameter.
    pub(super) fn input(&mut self) {
        self.named_slot("input");
        self.function.params = 1;
        self.function.length = 1;
    }

    pub(super) fn release(&mut self, slot: u16) {
        self.emit(Op::Clear, Arg::Json(json!(slot)));
        self.free.push(slot);
    }

    /// The index of a capture, added when it is new.
    pub(super) fn capture(&mut self, capture: Capture, name: &str) -> u16 {
        let known = self.function.captures.iter().position(|one| *one == capture);
        let index = known.unwrap_or_else(|| {
            self.function.captures.push(capture);
            self.function.capture_names.push(name.replace('$', "$$"));
            self.function.captures.len() - 1
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// Whether the frame is larger than instructions can say.
    pub(super) fn is_too_large(&self) -> bool {
        self.function.slots.len() > 60_000 || self.function.captures.len() > 60_000
    }

    fn target(&self, label: Label, base: u32) -> u32 {
        self.labels[label.0].unwrap_or(0) + base
    }
}

/// Lays the functions out, the global frame first, and resolves every label.
pub(super) fn layout(mut codes: Vec<Code>) -> Vec<WireInstruction> {
    let mut bases = Vec::with_capacity(codes.len());
    let mut next = 1u32;
    for code in &codes {
        bases.push(next);
        next += code.here();
    }
    for (code, base) in codes.iter_mut().zip(&bases) {
        code.function.entry = *base;
        let handlers: Vec<Handler> = code
            .handlers
            .iter()
            .map(|pending| Handler {
                start: pending.start + base,
                end: pending.end + base,
                target: code.target(pending.target, *base),
                depth: 0,
            })
            .collect();
        code.function.handlers = handlers;
    }
    let descriptions: Vec<Json> =
        codes.iter().map(|code| serde_json::to_value(&code.function).unwrap_or(Json::Null)).collect();
    let mut wire = Vec::with_capacity(next as usize);
    let enter = descriptions.first().cloned();
    wire.push(WireInstruction { op: u64::from(Op::Enter.code()), arg: enter, line: 0, column: None });
    for (code, base) in codes.iter().zip(&bases) {
        for one in &code.instructions {
            let arg = match &one.arg {
                Arg::None => None,
                Arg::Json(json) => Some(json.clone()),
                Arg::Target(label) => Some(json!(code.target(*label, *base))),
                Arg::IterNext { slot, target } => Some(json!({ "slot": slot, "target": code.target(*target, *base) })),
                Arg::Function(index) => descriptions.get(*index).cloned(),
            };
            let column = (one.column > 0).then_some(one.column);
            wire.push(WireInstruction { op: u64::from(one.op.code()), arg, line: one.line, column });
        }
    }
    wire
}
