//! Bytecode in its wire form and decoded. `instruction_decoder.rs` reads the wire form. Code that passed
//! `VerifiedProgram::decode` cannot jump out of its function, name a slot that does not exist or underflow the operand
//! stack.

use std::sync::{Arc, LazyLock, OnceLock};

use runstate_value::SortedMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::bigint::BigInt;
use super::instruction_decoder::InstructionDecoder;
use super::machine::LinkedProgram;
use super::value::WellKnownSymbol;
use super::verifier;

pub use super::op::DecodedInstruction;

/// The version of the bytecode that this library writes (`metadata.version`).
pub const BYTECODE_VERSION: u32 = 1;

/// Most instructions of one program.
pub const MAX_INSTRUCTIONS: usize = 4_000_000;

/// One instruction in its wire form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Instruction")]
pub struct Instruction {
    /// Number of the operation.
    pub op: u64,
    /// Its argument, in the form that the operation's documentation gives.
    // Null differs from absent. Bytecode must round-trip through JSON unchanged, because its hash is part of the state.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "runstate_value::deserialize_some")]
    pub arg: Option<Json>,
    /// Line of the source, from 1; 0 if there is none.
    #[serde(default)]
    pub line: u32,
    /// Column of the source, from 1 in UTF-16 units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
}

/// The reason why bytecode was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad bytecode at instruction {instruction}: {message}")]
pub struct BytecodeError {
    /// Index of the invalid instruction.
    pub instruction: u32,
    /// The violation.
    pub message: String,
}

impl BytecodeError {
    pub(super) fn new(instruction: u32, message: impl Into<String>) -> Self {
        BytecodeError { instruction, message: message.into() }
    }
}

/// The source of a captured cell when a closure is created.
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
pub struct ExceptionHandler {
    /// First instruction covered.
    pub start: u32,
    /// First instruction that is not covered any more.
    pub end: u32,
    /// Instruction that handles the error: the operand stack is truncated to `depth` and the error is pushed.
    pub target: u32,
    /// Operands of the frame that are kept.
    pub depth: u32,
    /// The handler applies only while the iterator in this slot must be closed. ECMA-262 §7.4.11 IteratorClose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u16>,
}

/// How a function is called and what `this` is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FunctionKind {
    /// An ordinary function, or a method of a class: `this` comes from the call.
    #[default]
    Function,
    /// A method of an object literal: an ordinary function without a `prototype`.
    Method,
    /// An arrow function: `this` (and the home class) are those of the frame that created it.
    Arrow,
    /// A class constructor: only `new` may call it.
    Class,
    /// A constructor of a derived class: `this` is available after `super(…)` returned.
    Derived,
}

named_enum! {
    /// The immediate use of a call's value. An async function runs only for these.
    pub enum PromiseUse {
        /// `await` awaits it.
        Await = "await",
        /// The calling function returns it to a caller that may await it.
        Return = "return",
    }
}

named_enum! {
    /// The kind of a member that DEFINE defines.
    #[allow(missing_docs, reason = "each is the member of its name")]
    pub enum MemberKind {
        Method = "method",
        Get = "get",
        Set = "set",
    }
}

/// The file of the instructions from `start` up to the next range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// First instruction of the range.
    pub start: u32,
    /// Path of the file, as the program names it.
    pub path: String,
}

/// A function, in its wire form and decoded. The global frame is function 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Name, for stack traces and `f.name`; empty if it has none.
    #[serde(default)]
    pub name: String,
    /// First instruction of the function (of ENTER: the instruction after it).
    pub entry: u32,
    /// Number of arguments stored in the first slots. Missing ones are undefined; additional ones are dropped unless
    /// `rest`. The global frame has one parameter: the input.
    #[serde(default)]
    pub params: u16,
    /// `f.length`.
    #[serde(default)]
    pub length: u16,
    /// Slot `params` receives an array of the arguments after the first `params`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rest: bool,
    /// Names of the slots, unique within the function. Names of hidden slots begin with `$`, those of variables of
    /// built-ins that are written in the language with `$:`; a `$` of the program is doubled. All slots after the
    /// parameters begin as undefined.
    pub slots: Vec<String>,
    /// Cells that the closure captures when it is created.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captures: Vec<Capture>,
    /// Names of the captured variables, for error messages and for views of a scope.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capture_names: Vec<String>,
    /// Handlers, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handlers: Vec<ExceptionHandler>,
    /// How it is called.
    #[serde(default)]
    pub kind: FunctionKind,
    /// Whether a call returns a promise in Node, in bytecode of versions without promises. Such a function runs only
    /// where its call is awaited at once. Never with `promise`.
    #[serde(default, rename = "async", skip_serializing_if = "std::ops::Not::not")]
    pub is_async: bool,
    /// Whether a call returns a promise at once, and AWAIT suspends the function. ECMA-262 §27.7 AsyncFunction Objects.
    #[serde(default, rename = "promise", skip_serializing_if = "std::ops::Not::not")]
    pub returns_promise: bool,
    /// Whether a call returns a generator, which GENERATOR creates; with `promise`, an async generator. ECMA-262 §27.3
    /// GeneratorFunction Objects, §27.4 AsyncGeneratorFunction Objects.
    #[serde(default, rename = "generator", skip_serializing_if = "std::ops::Not::not")]
    pub is_generator: bool,
    /// Of ENTER: whether the open calls are cancelled when the global frame has returned and its result is settled.
    #[serde(default, rename = "script", skip_serializing_if = "std::ops::Not::not")]
    pub is_script: bool,
    /// Of ENTER, in a program of several files: the files of the instructions, in the order of their first
    /// instructions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SourceFile>,
    /// Most operands on the stack at once, set by verification.
    #[serde(skip)]
    pub max_stack: u32,
}

/// A constant of the program.
#[derive(Debug, Clone, PartialEq)]
pub enum BytecodeConstant {
    /// `undefined`
    Undefined,
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string, as UTF-16 code units.
    Text(Arc<[u16]>),
    /// A well-known symbol.
    Symbol(WellKnownSymbol),
    /// A BigInt.
    BigInt(BigInt),
}

/// The location of an instruction in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceLocation {
    /// Line of the source, from 1; 0 if there is none.
    pub line: u32,
    /// Column of the source, from 1; 0 if there is none.
    pub column: u32,
}

/// A program that passed verification.
#[derive(Debug, Clone)]
pub struct VerifiedProgram {
    /// The instructions, with the indexes of the wire form.
    pub code: Vec<DecodedInstruction>,
    /// The location of each instruction.
    pub locations: Vec<SourceLocation>,
    /// Constants.
    pub constants: Vec<BytecodeConstant>,
    /// Names of properties, methods, built-ins and error classes; patterns, flags and messages.
    pub names: Vec<Arc<str>>,
    /// Functions; 0 is the global frame.
    pub functions: Vec<Function>,
    /// Source texts of callees by instruction ("rows.each" in "rows.each is not a function").
    pub callee_texts: SortedMap<u32, Arc<str>>,
    /// The immediate use of a call's value by instruction, if the program has async functions.
    pub promise_uses: SortedMap<u32, PromiseUse>,
    /// Operands on the frame's stack before each instruction; `None` if it is not reachable.
    pub stack_depths: Vec<Option<u32>>,
    /// The function that each reachable instruction belongs to.
    pub owners: Vec<u32>,
    /// Whether the program has no ENTER: globals are found by name, and a global that was never stored "is not
    /// defined".
    pub named_globals: bool,
    /// The form that machines run. The first machine creates it.
    pub(super) linked: OnceLock<Arc<LinkedProgram>>,
}

/// The built-ins that give a property attributes, or that let it block an assignment to an object that inherits it.
const DEFINING: [&str; 4] = ["create", "defineProperties", "defineProperty", "freeze"];

impl VerifiedProgram {
    /// Whether a property may have a getter, a setter or attributes. Under a name that the program computes,
    /// `Object.defineProperty` is refused.
    pub fn has_accessors(&self) -> bool {
        self.code.iter().any(|one| matches!(one, DecodedInstruction::Define { .. }))
            || self.names.iter().any(|name| DEFINING.contains(&name.rsplit('.').next().unwrap_or_default()))
    }

    /// Decodes and verifies bytecode.
    ///
    /// # Errors
    /// The first invalid instruction, with the reason.
    pub fn decode(wire: &[Instruction]) -> Result<VerifiedProgram, BytecodeError> {
        if wire.len() > MAX_INSTRUCTIONS {
            return Err(BytecodeError::new(
                0,
                format!("{} instructions; at most {MAX_INSTRUCTIONS} are run", wire.len()),
            ));
        }
        let mut decoder = InstructionDecoder::new(wire);
        for (at, instruction) in wire.iter().enumerate() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let decoded = decoder.instruction(at, instruction)?;
            decoder.program.code.push(decoded);
            decoder
                .program
                .locations
                .push(SourceLocation { line: instruction.line, column: instruction.column.unwrap_or(0) });
        }
        let mut program = decoder.program;
        verifier::verify(&mut program)?;
        Ok(program)
    }

    /// A program without ENTER that only halts. It names no globals, so any globals can be added to it.
    #[must_use]
    pub fn halting() -> Arc<VerifiedProgram> {
        static HALTING: LazyLock<Arc<VerifiedProgram>> = LazyLock::new(|| {
            let mut program = InstructionDecoder::new(&[]).program;
            program.code.push(DecodedInstruction::Halt);
            program.locations.push(SourceLocation::default());
            (program.stack_depths, program.owners) = (vec![Some(0)], vec![0]);
            Arc::new(program)
        });
        Arc::clone(&HALTING)
    }

    /// The location of an instruction for messages; zeros past the end.
    #[must_use]
    pub fn location(&self, instruction: u32) -> SourceLocation {
        self.locations.get(instruction as usize).copied().unwrap_or_default()
    }

    /// The file of an instruction, in a program of several files.
    #[must_use]
    pub fn file(&self, instruction: u32) -> Option<&str> {
        let files = &self.functions.first()?.files;
        let next = files.partition_point(|file| file.start <= instruction);
        files.get(next.checked_sub(1)?).map(|file| file.path.as_str())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decode(wire: serde_json::Value) -> Result<VerifiedProgram, BytecodeError> {
        let wire: Vec<Instruction> = serde_json::from_value(wire).unwrap();
        VerifiedProgram::decode(&wire)
    }

    #[test]
    fn program_without_enter_finds_its_globals_by_name() {
        let program = decode(json!([
            {"op": 1, "arg": "Ada", "line": 1}, {"op": 3, "arg": "name", "line": 2}, {"op": 5, "line": 2}, {"op": 7, "line": 2}, {"op": 255, "line": 3}
        ]))
        .unwrap();
        assert!(program.named_globals);
        assert_eq!(program.functions[0].slots, ["input", "name"]);
        assert_eq!(program.functions[0].max_stack, 2);
        assert_eq!(program.code[1], DecodedInstruction::LoadGlobal(1));
        assert_eq!(std::mem::size_of::<DecodedInstruction>(), 8);
    }

    #[test]
    fn bytecode_round_trips_through_json() {
        let text = r#"[{"op":1,"arg":null,"line":1},{"op":2,"line":1,"column":3},{"op":255,"line":2}]"#;
        let wire: Vec<Instruction> = serde_json::from_str(text).unwrap();
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
            (json!([{"op": 3, "arg": 9}, {"op": 255}]), 0, "names slot 9, but there are 1"),
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
