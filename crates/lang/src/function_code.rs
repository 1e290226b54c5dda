//! Code under construction: one list of instructions per function, with labels instead of indexes until the layout of
//! all functions is known.

use std::collections::HashSet;

use runstate_vm::op::Op;
use runstate_vm::program::{Capture, ExceptionHandler, Function, Instruction, SourceFile};
use serde_json::{Value as Json, json};

/// A position in one function's code, known once the label is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// The argument of an instruction under construction.
#[derive(Debug, Clone)]
pub(super) enum InstructionArg {
    None,
    Json(Json),
    Target(Label),
    /// An object to which the member `target` is added.
    Targeted {
        arg: Json,
        target: Label,
    },
    Function(usize),
}

struct PendingInstruction {
    op: Op,
    arg: InstructionArg,
    line: u32,
    column: u32,
}

struct PendingHandler {
    start: u32,
    end: u32,
    target: Label,
    depth: u32,
    slot: Option<u16>,
}

/// The code of one function.
pub(super) struct FunctionCode {
    pub(super) function: Function,
    instructions: Vec<PendingInstruction>,
    labels: Vec<Option<u32>>,
    handlers: Vec<PendingHandler>,
    names: HashSet<String>,
    free_slots: Vec<u16>,
    hidden_count: usize,
    location: (u32, u32),
    /// The files of the instructions, each with the index of its first instruction.
    files: Vec<(u32, usize)>,
}

impl FunctionCode {
    /// The code of a function in this file.
    pub(super) fn new(name: &str, file: usize) -> Self {
        FunctionCode {
            function: Function { name: name.to_owned(), ..Function::default() },
            instructions: Vec::new(),
            labels: Vec::new(),
            handlers: Vec::new(),
            names: HashSet::new(),
            free_slots: Vec::new(),
            hidden_count: 0,
            location: (0, 0),
            files: vec![(0, file)],
        }
    }

    /// Sets the file of the following instructions.
    pub(super) fn enter_file(&mut self, file: usize) {
        self.files.push((self.next_index(), file));
    }

    /// Sets the source location of the following instructions.
    pub(super) fn set_location(&mut self, location: (u32, u32)) {
        self.location = location;
    }

    pub(super) fn location(&self) -> (u32, u32) {
        self.location
    }

    pub(super) fn emit(&mut self, op: Op, arg: InstructionArg) {
        let (line, column) = self.location;
        self.instructions.push(PendingInstruction { op, arg, line, column });
    }

    pub(super) fn next_index(&self) -> u32 {
        u32::try_from(self.instructions.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn new_label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    pub(super) fn bind_label(&mut self, label: Label) {
        let index = self.next_index();
        self.labels[label.0] = Some(index);
    }

    /// Adds a handler at `target` for errors of `start..end`. Inner ranges are added before outer ones.
    pub(super) fn add_handler(&mut self, start: u32, end: u32, target: Label) {
        if start < end {
            self.handlers.push(PendingHandler { start, end, target, depth: 0, slot: None });
        }
    }

    /// Adds the handlers of code that uses the iterator in a slot: that of the closing, which keeps the first error,
    /// and that of the use, which applies while the iterator must be closed.
    pub(super) fn add_iterator_handlers(&mut self, close: (u32, u32, Label), used: (u32, u32, Label), slot: u16) {
        for ((start, end, target), depth, slot) in [(close, 1, None), (used, 0, Some(slot))] {
            if start < end {
                self.handlers.push(PendingHandler { start, end, target, depth, slot });
            }
        }
    }

    /// A slot for a variable of the program. Its name is made unique.
    pub(super) fn add_slot(&mut self, name: &str) -> u16 {
        let escaped = name.replace('$', "$$");
        self.add_named_slot(&escaped)
    }

    /// A slot for a variable of a built-in that is written in the language: no view of the program shows it.
    pub(super) fn add_built_in_slot(&mut self, name: &str) -> u16 {
        self.add_named_slot(&format!("$:{}", name.replace('$', "$$")))
    }

    fn add_named_slot(&mut self, name: &str) -> u16 {
        let mut unique = name.to_owned();
        let mut count = 1;
        while !self.names.insert(unique.clone()) {
            unique = format!("{name}${count}");
            count += 1;
        }
        self.function.slots.push(unique);
        u16::try_from(self.function.slots.len() - 1).unwrap_or(u16::MAX)
    }

    /// A hidden slot. `release_hidden_slot` returns it for reuse, so that loops do not accumulate slots.
    pub(super) fn acquire_hidden_slot(&mut self) -> u16 {
        self.free_slots.pop().unwrap_or_else(|| self.add_hidden_slot())
    }

    /// A hidden slot that is never reused.
    pub(super) fn add_hidden_slot(&mut self) -> u16 {
        self.hidden_count += 1;
        self.add_named_slot(&format!("${}", self.hidden_count))
    }

    /// Adds the only parameter of the global frame.
    pub(super) fn add_input_parameter(&mut self) {
        self.add_named_slot("input");
        self.function.params = 1;
        self.function.length = 1;
    }

    pub(super) fn release_hidden_slot(&mut self, slot: u16) {
        self.emit(Op::Clear, InstructionArg::Json(json!(slot)));
        self.free_slots.push(slot);
    }

    /// The index of a capture. A new capture is added.
    pub(super) fn add_capture(&mut self, capture: Capture, name: &str) -> u16 {
        self.add_named_capture(capture, name.replace('$', "$$"))
    }

    /// The index of the capture of a hidden variable.
    pub(super) fn add_hidden_capture(&mut self, capture: Capture) -> u16 {
        self.add_named_capture(capture, "$".to_owned())
    }

    fn add_named_capture(&mut self, capture: Capture, name: String) -> u16 {
        let existing = self.function.captures.iter().position(|other| *other == capture);
        let index = existing.unwrap_or_else(|| {
            self.function.captures.push(capture);
            self.function.capture_names.push(name);
            self.function.captures.len() - 1
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// Whether the frame is too large for the indexes of instructions.
    pub(super) fn is_too_large(&self) -> bool {
        self.function.slots.len() > 60_000 || self.function.captures.len() > 60_000
    }

    fn label_target(&self, label: Label, base: u32) -> u32 {
        self.labels[label.0].unwrap_or(0) + base
    }
}

/// Lays the functions out one after another, the global frame first, and resolves all labels. If there are several
/// files, the global frame lists the files of the instructions.
pub(super) fn lay_out(mut codes: Vec<FunctionCode>, paths: &[&str]) -> Vec<Instruction> {
    let mut bases = Vec::with_capacity(codes.len());
    let mut next = 1u32;
    for code in &codes {
        bases.push(next);
        next += code.next_index();
    }
    for (code, base) in codes.iter_mut().zip(&bases) {
        code.function.entry = *base;
        let handlers: Vec<ExceptionHandler> = code
            .handlers
            .iter()
            .map(|pending| ExceptionHandler {
                start: pending.start + base,
                end: pending.end + base,
                target: code.label_target(pending.target, *base),
                depth: pending.depth,
                slot: pending.slot,
            })
            .collect();
        code.function.handlers = handlers;
    }
    if paths.len() > 1 {
        let files = source_files(&codes, &bases, paths);
        if let Some(global) = codes.first_mut() {
            global.function.files = files;
        }
    }
    let descriptions: Vec<Json> =
        codes.iter().map(|code| serde_json::to_value(&code.function).unwrap_or(Json::Null)).collect();
    let mut bytecode = Vec::with_capacity(next as usize);
    let enter = descriptions.first().cloned();
    bytecode.push(Instruction { op: u64::from(Op::Enter.code()), arg: enter, line: 0, column: None });
    for (code, base) in codes.iter().zip(&bases) {
        for instruction in &code.instructions {
            let arg = match &instruction.arg {
                InstructionArg::None => None,
                InstructionArg::Json(json) => Some(json.clone()),
                InstructionArg::Target(label) => Some(json!(code.label_target(*label, *base))),
                InstructionArg::Targeted { arg, target } => {
                    let mut arg = arg.clone();
                    arg["target"] = json!(code.label_target(*target, *base));
                    Some(arg)
                }
                InstructionArg::Function(index) => descriptions.get(*index).cloned(),
            };
            let column = (instruction.column > 0).then_some(instruction.column);
            bytecode.push(Instruction { op: u64::from(instruction.op.code()), arg, line: instruction.line, column });
        }
    }
    bytecode
}

/// The ranges of instructions with the files that they come from.
fn source_files(codes: &[FunctionCode], bases: &[u32], paths: &[&str]) -> Vec<SourceFile> {
    let ranges =
        codes.iter().zip(bases).flat_map(|(code, base)| code.files.iter().map(move |(at, file)| (at + base, *file)));
    let mut files: Vec<SourceFile> = Vec::new();
    for (start, file) in ranges {
        let path = paths.get(file).copied().unwrap_or_default();
        if files.last().is_some_and(|last| last.start == start) {
            files.pop();
        }
        if files.last().is_none_or(|last| last.path != path) {
            files.push(SourceFile { start, path: path.to_owned() });
        }
    }
    files
}
