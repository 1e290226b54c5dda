//! Bytecode as it travels and as it runs. The wire form is read in `decode.rs`, and nothing that passed `Program::decode` can jump wildly, name a slot that is not there or underflow the operand stack.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::decode::Decoder;
use super::globals::Ask;
use super::verify;

/// The version of the bytecode that this library writes (`metadata.version`).
pub const BYTECODE_VERSION: u32 = 1;

/// Instructions that one program may have.
pub const MAX_INSTRUCTIONS: usize = 4_000_000;

/// One instruction as it travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS), ts(rename = "Instruction"))]
pub struct WireInstruction {
    /// Number of the operation.
    pub op: u64,
    /// Its argument, in the form that the operation's documentation gives.
    // Null is one too, and bytecode that travels as JSON must come back as it was: its hash is part of the state.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::value::present")]
    pub arg: Option<Json>,
    /// Line of the source, from 1; 0 where there is none.
    #[serde(default)]
    pub line: u32,
    /// Column of the source, from 1 in UTF-16 units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

/// Why bytecode was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad bytecode at instruction {instruction}: {message}")]
pub struct BytecodeError {
    /// Index of the instruction at fault.
    pub instruction: u32,
    /// What is wrong with it.
    pub message: String,
}

impl BytecodeError {
    pub(super) fn at(instruction: u32, message: impl Into<String>) -> Self {
        BytecodeError { instruction, message: message.into() }
    }
}

/// Where a closure takes a captured cell from when it is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Capture {
    /// The cell in this slot of the creating frame.
    Slot(u16),
    /// The capture of this index of the creating frame's closure.
    Capture(u16),
}

/// A range of instructions whose errors are caught. The innermost handler comes first in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handler {
    /// First instruction covered.
    pub start: u32,
    /// First instruction no longer covered.
    pub end: u32,
    /// Where the error is caught: the operand stack is cut to `depth` and the error pushed.
    pub target: u32,
    /// Operands of the frame that are kept.
    pub depth: u32,
}

/// How a function is called and what `this` is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FunctionKind {
    /// An ordinary function or a method: `this` comes from the call.
    #[default]
    Function,
    /// An arrow: `this` (and the home class) are those of the frame that created it.
    Arrow,
    /// A class constructor: only `new` may call it.
    Class,
    /// A constructor of a derived class: `this` is there once `super(…)` returned.
    Derived,
}

/// The immediate use of a call's value. An async function runs only for these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It is awaited.
    Await,
    /// The function that calls returns it, to a caller that may await it.
    Return,
}

impl Wait {
    /// As the wire names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Wait::Await => "await",
            Wait::Return => "return",
        }
    }

    /// The one of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Wait> {
        [Wait::Await, Wait::Return].into_iter().find(|wait| wait.name() == name)
    }
}

/// A function, in the same words on the wire and decoded. The global frame is function 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Name, for stack traces and `f.name`; empty when it has none.
    #[serde(default)]
    pub name: String,
    /// Its first instruction (of ENTER: the instruction after it).
    pub entry: u32,
    /// Arguments that are put into the first slots; missing ones are undefined, more are dropped unless `rest`.
    /// The global frame has one parameter: the input.
    #[serde(default)]
    pub params: u16,
    /// `f.length`.
    #[serde(default)]
    pub length: u16,
    /// Slot `params` receives an array of the arguments after the first `params`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rest: bool,
    /// Names of the slots, unique within the function; hidden ones begin with `$`, a program's own `$` is doubled.
    /// All slots beyond the parameters begin as undefined.
    pub slots: Vec<String>,
    /// Cells taken along at creation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captures: Vec<Capture>,
    /// Names of the captured variables, for error messages and for showing a scope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capture_names: Vec<String>,
    /// Handlers, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handlers: Vec<Handler>,
    /// How it is called.
    #[serde(default)]
    pub kind: FunctionKind,
    /// Its call gives a promise in Node: it runs only where that is awaited at once.
    #[serde(default, rename = "async", skip_serializing_if = "std::ops::Not::not")]
    pub is_async: bool,
    /// Most operands that stand on the stack at once, found by verification.
    #[serde(skip)]
    pub max_stack: u32,
}

/// A constant of the program.
#[derive(Debug, Clone, PartialEq)]
pub enum Constant {
    /// `undefined`
    Undefined,
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text, as UTF-16 units.
    Text(Arc<[u16]>),
}

/// A decoded instruction: eight bytes. Names and constants are indexes into the program's tables, jump targets are
/// absolute, `argc` counts arguments without receiver and callee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each says what the operation of the same name says in op.rs")]
pub enum Instruction {
    Push(u32),
    Pop,
    Load(u16),
    Store(u16),
    Concat,
    Cc { options: bool },
    Print,
    Dup,
    Dup2,
    Swap,
    DupX1,
    DupX2,
    Jump(u32),
    JumpIf(u32),
    JumpIfN(u32),
    JumpIfKeep(u32),
    JumpIfNKeep(u32),
    JumpSomeKeep(u32),
    JumpNullish(u32),
    JumpDefinedKeep(u32),
    Eq,
    Neq,
    Lt,
    Gt,
    Le,
    Ge,
    LooseEq,
    LooseNeq,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    BitAnd,
    BitOr,
    BitXor,
    Shl,
    Shr,
    UShr,
    Neg,
    ToNumber,
    Not,
    BitNot,
    TypeOf,
    In,
    InstanceOf,
    Inc,
    Dec,
    ToText,
    Array(u32),
    Map(u32),
    GetIndex,
    SetIndex,
    GetProp(u32),
    SetProp(u32),
    Delete,
    InitProp(u32),
    InitIndex,
    Append,
    Spread,
    SpreadProps,
    RestProps(u32),
    RegExp { pattern: u32, flags: u16 },
    RequireObject,
    Call { argc: u16 },
    Return,
    CallMethod { argc: u16, name: u32 },
    CallNative { argc: u16, name: u32 },
    CallThis { argc: u16 },
    CallSpread,
    CallMethodSpread { name: u32 },
    CallThisSpread,
    CallNativeSpread { name: u32 },
    New { argc: u16 },
    NewSpread,
    NewNative { argc: u16, name: u32 },
    NewNativeSpread { name: u32 },
    Builtin { name: u32 },
    Ask { what: Ask, argc: u16 },
    Enter,
    Function(u32),
    This,
    NewCell(u16),
    LoadCell(u16),
    StoreCell(u16),
    InitCell(u16),
    LoadCapture(u16),
    StoreCapture(u16),
    CopyCell(u16),
    StoreChecked(u16),
    Uninit(u16),
    Clear(u16),
    LoadGlobal(u16),
    StoreGlobal(u16),
    Iter(u16),
    IterNext { slot: u16, target: u32 },
    Keys(u16),
    IterTake(u16),
    IterRest(u16),
    Throw,
    ThrowError { name: u16, message: u32 },
    Class { derived: bool },
    Method { fixed: bool, name: u32 },
    Fields,
    InitFields,
    SuperCall { argc: u16 },
    SuperCallSpread,
    SuperGet(u32),
    Halt,
}

/// Where an instruction comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Line of the source, from 1; 0 where there is none.
    pub line: u32,
    /// Column of the source, from 1; 0 where there is none.
    pub column: u32,
}

/// A program that passed verification.
#[derive(Debug, Clone)]
pub struct Program {
    /// The instructions; indexes are those of the wire form.
    pub code: Vec<Instruction>,
    /// Where each instruction comes from.
    pub places: Vec<Place>,
    /// Constants.
    pub constants: Vec<Constant>,
    /// Names of properties, methods, built-ins, error classes; patterns, flags and messages.
    pub names: Vec<Arc<str>>,
    /// Functions; 0 is the global frame.
    pub functions: Vec<Function>,
    /// Callees as they are written, by instruction ("rows.each" in "rows.each is not a function").
    pub texts: HashMap<u32, Arc<str>>,
    /// The immediate use of calls' values, by instruction, where the program has async functions.
    pub waits: HashMap<u32, Wait>,
    /// Operands on the frame's stack before each instruction; `None` where no path leads.
    pub depths: Vec<Option<u32>>,
    /// The function that each instruction belongs to, where a path leads to it.
    pub owners: Vec<u32>,
    /// Written by hand without ENTER: globals are found by name, and one that was never stored "is not defined".
    pub named_globals: bool,
}

impl Program {
    /// Decodes and verifies bytecode.
    ///
    /// # Errors
    /// The first instruction at fault, and why.
    pub fn decode(wire: &[WireInstruction]) -> Result<Program, BytecodeError> {
        if wire.len() > MAX_INSTRUCTIONS {
            return Err(BytecodeError::at(
                0,
                format!("{} instructions; at most {MAX_INSTRUCTIONS} are run", wire.len()),
            ));
        }
        let mut decoder = Decoder::new(wire);
        for (at, instruction) in wire.iter().enumerate() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let decoded = decoder.instruction(at, instruction)?;
            decoder.program.code.push(decoded);
            decoder.program.places.push(Place { line: instruction.line, column: instruction.column.unwrap_or(0) });
        }
        let mut program = decoder.program;
        verify::verify(&mut program)?;
        Ok(program)
    }

    /// A program written by hand that only halts. It names no globals, so any may be put into it.
    #[must_use]
    pub fn halting() -> Arc<Program> {
        static HALTING: LazyLock<Arc<Program>> = LazyLock::new(|| {
            let mut program = Decoder::new(&[]).program;
            program.code.push(Instruction::Halt);
            program.places.push(Place::default());
            (program.depths, program.owners) = (vec![Some(0)], vec![0]);
            Arc::new(program)
        });
        Arc::clone(&HALTING)
    }

    /// The operation, line and column of an instruction for messages; zeroes past the end.
    #[must_use]
    pub fn place(&self, instruction: u32) -> Place {
        self.places.get(instruction as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decode(wire: serde_json::Value) -> Result<Program, BytecodeError> {
        let wire: Vec<WireInstruction> = serde_json::from_value(wire).unwrap();
        Program::decode(&wire)
    }

    #[test]
    fn a_program_written_by_hand_finds_its_globals_by_name() {
        let program = decode(json!([
            {"op": 1, "arg": "Ada", "line": 1}, {"op": 3, "arg": "name", "line": 2}, {"op": 5, "line": 2}, {"op": 7, "line": 2}, {"op": 255, "line": 3}
        ]))
        .unwrap();
        assert!(program.named_globals);
        assert_eq!(program.functions[0].slots, ["input", "name"]);
        assert_eq!(program.functions[0].max_stack, 2);
        assert_eq!(program.code[1], Instruction::LoadGlobal(1));
        assert_eq!(std::mem::size_of::<Instruction>(), 8);
    }

    #[test]
    fn bytecode_comes_back_from_json_as_it_was() {
        let text = r#"[{"op":1,"arg":null,"line":1},{"op":2,"line":1,"column":3},{"op":255,"line":2}]"#;
        let wire: Vec<WireInstruction> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&wire).unwrap(), text);
    }

    #[test]
    fn bad_bytecode_is_refused_with_its_place() {
        let cases = [
            (json!([]), 0, "no instructions"),
            (json!([{"op": 99999}]), 0, "no operation has the number"),
            (json!([{"op": 2}, {"op": 255}]), 0, "takes 1 operands where 0 are"),
            (json!([{"op": 16, "arg": 7}]), 0, "past the end"),
            (json!([{"op": 1, "arg": 1}]), 0, "past the end"),
            (json!([{"op": 16, "arg": -1}]), 0, "a whole number"),
            (json!([{"op": 1, "arg": []}, {"op": 255}]), 0, "a constant"),
            (json!([{"op": 3, "arg": 9}, {"op": 255}]), 0, "names slot 9 of 1"),
            (json!([{"op": 1, "arg": 1}, {"op": 16, "arg": 0}]), 1, "another path with 0"),
            (json!([{"op": 255}, {"op": 96, "arg": {"entry": 0, "slots": []}}]), 1, "only at instruction 0"),
            (json!([{"op": 96, "arg": {"entry": 1, "slots": ["a", "a"]}}, {"op": 255}]), 1, "two slots named"),
        ];
        for (wire, instruction, message) in cases {
            let error = decode(wire.clone()).unwrap_err();
            assert!(error.message.contains(message) && error.instruction == instruction, "{wire}: {error}");
        }
    }
}
