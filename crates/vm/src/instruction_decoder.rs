//! Decodes the wire form of instructions: each operation's argument in the form that `op.rs` documents.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use runstate_value::{SortedMap, from_value, json_text};
use serde_json::Value as Json;

use super::globals::HostFunction;
use super::op::{self, Op};
use super::program::{
    BytecodeError, DecodedInstruction, Function, Instruction, MemberKind, PromiseUse, VerifiedProgram,
};
use super::wire;

/// A decoder of instructions, with tables for names and constants that occur more than once.
pub(super) struct InstructionDecoder {
    pub(super) program: VerifiedProgram,
    names: HashMap<String, u32>,
    constants: HashMap<String, u32>,
}

type DecodeResult<T> = Result<T, BytecodeError>;

impl InstructionDecoder {
    pub(super) fn new(wire: &[Instruction]) -> Self {
        let named_globals = wire.first().is_none_or(|first| first.op != u64::from(Op::Enter.code()));
        let mut program = VerifiedProgram {
            code: Vec::with_capacity(wire.len()),
            locations: Vec::with_capacity(wire.len()),
            constants: Vec::new(),
            names: Vec::new(),
            functions: Vec::new(),
            callee_texts: SortedMap::default(),
            promise_uses: SortedMap::default(),
            stack_depths: Vec::new(),
            owners: Vec::new(),
            named_globals,
            linked: OnceLock::new(),
        };
        if named_globals {
            // Slot 0 is the input, as in a compiled program.
            program.functions.push(Function {
                params: 1,
                length: 1,
                slots: vec!["input".to_owned()],
                ..Function::default()
            });
        }
        InstructionDecoder { program, names: HashMap::new(), constants: HashMap::new() }
    }

    pub(super) fn instruction(&mut self, at: u32, wire: &Instruction) -> DecodeResult<DecodedInstruction> {
        let Some(op) = Op::from_code(wire.op) else {
            return Err(BytecodeError::new(at, format!("no operation has the number {}", wire.op)));
        };
        let arg = WireArg { at, op, json: wire.arg.as_ref() };
        if let Some(text) = arg.optional_text("text")? {
            self.program.callee_texts.insert(at, Arc::from(text));
        }
        if let Some(promise_use) = arg.optional_text("wait")? {
            let promise_use = PromiseUse::from_name(promise_use)
                .ok_or_else(|| arg.wrong_argument("an object whose `wait` is \"await\" or \"return\""))?;
            self.program.promise_uses.insert(at, promise_use);
        }
        match (op, self.global_by_name(&arg)?) {
            (Op::Load, Some(slot)) => Ok(DecodedInstruction::LoadGlobal(slot)),
            (Op::Store, Some(slot)) => Ok(DecodedInstruction::Store(slot)),
            _ => self.decode_operands(&arg),
        }
    }

    /// An instruction whose argument has a form of its own.
    fn own_form(&mut self, arg: &WireArg<'_>) -> DecodeResult<DecodedInstruction> {
        use DecodedInstruction as I;
        match arg.op {
            Op::Cc if arg.json.is_none_or(Json::is_null) => Ok(I::Cc { options: false }),
            Op::Cc => match arg.json.and_then(Json::as_u64) {
                Some(form @ 1..=2) => Ok(I::Cc { options: form == 2 }),
                _ => Err(arg.wrong_argument("1 or 2")),
            },
            Op::Ask => arg.host_call(),
            Op::Open => arg.open_call(),
            Op::Builtin => Ok(I::Builtin { name: self.name(arg, arg.text()?)? }),
            Op::Enter if arg.at != 0 => Err(BytecodeError::new(arg.at, "ENTER is allowed only at instruction 0")),
            Op::Enter => self.function(arg).map(|_| I::Enter),
            _ => self.function(arg),
        }
    }

    /// The index of a name.
    fn name<T: TryFrom<u32>>(&mut self, arg: &WireArg<'_>, text: &str) -> DecodeResult<T> {
        let index = match self.names.get(text) {
            Some(index) => *index,
            None => {
                let index = u32::try_from(self.program.names.len()).unwrap_or(u32::MAX);
                self.program.names.push(Arc::from(text));
                self.names.insert(text.to_owned(), index);
                index
            }
        };
        T::try_from(index).map_err(|_| arg.wrong_argument("one of the first 65,536 names"))
    }

    fn constant(&mut self, arg: &WireArg<'_>) -> DecodeResult<u32> {
        let json = arg.json.unwrap_or(&Json::Null);
        let key = json_text(json);
        if let Some(index) = self.constants.get(&key) {
            return Ok(*index);
        }
        let constant = wire::decode_constant(json).ok_or_else(|| arg.wrong_argument("a constant"))?;
        let index = u32::try_from(self.program.constants.len()).unwrap_or(u32::MAX);
        self.program.constants.push(constant);
        self.constants.insert(key, index);
        Ok(index)
    }

    /// The slot of a global that LOAD or STORE names, in a program without ENTER.
    fn global_by_name(&mut self, arg: &WireArg<'_>) -> DecodeResult<Option<u16>> {
        let (Op::Load | Op::Store, Some(Json::String(name))) = (arg.op, arg.json) else { return Ok(None) };
        if !self.program.named_globals {
            return Err(arg.wrong_argument("a slot number, as the program begins with ENTER"));
        }
        let slots = &mut self.program.functions[0].slots;
        let at = slots.iter().position(|slot| slot == name).unwrap_or_else(|| {
            slots.push(name.clone());
            slots.len() - 1
        });
        u16::try_from(at).map(Some).map_err(|_| arg.wrong_argument("one of at most 65,536 globals"))
    }

    fn function(&mut self, arg: &WireArg<'_>) -> DecodeResult<DecodedInstruction> {
        let json = arg.json.ok_or_else(|| arg.wrong_argument("a function description"))?;
        let function: Function =
            from_value(json).map_err(|error| arg.wrong_argument(&format!("a function description ({error})")))?;
        let index = u32::try_from(self.program.functions.len()).unwrap_or(u32::MAX);
        self.program.functions.push(function);
        Ok(DecodedInstruction::Function(index))
    }
}

/// The argument of one instruction.
struct WireArg<'a> {
    at: u32,
    op: Op,
    json: Option<&'a Json>,
}

impl<'a> WireArg<'a> {
    fn wrong_argument(&self, expected: &str) -> BytecodeError {
        BytecodeError::new(self.at, format!("the argument of {} must be {expected}", self.op.name()))
    }

    fn require_absent(&self, instruction: DecodedInstruction) -> DecodeResult<DecodedInstruction> {
        match self.json {
            None | Some(Json::Null) => Ok(instruction),
            Some(_) => Err(self.wrong_argument("absent")),
        }
    }

    fn whole_number(&self) -> DecodeResult<u32> {
        let number = self.json.and_then(Json::as_u64).and_then(|n| u32::try_from(n).ok());
        number.ok_or_else(|| self.wrong_argument("a whole number"))
    }

    /// Number of operands of a literal, bounded so that stack depths stay small.
    fn count(&self) -> DecodeResult<u32> {
        let count = self.whole_number()?;
        if count > 1_000_000 { Err(self.wrong_argument("at most 1,000,000")) } else { Ok(count) }
    }

    fn number(&self, key: &str) -> DecodeResult<u32> {
        let number = self.json.and_then(|json| json.get(key)).and_then(Json::as_u64);
        number
            .and_then(|n| u32::try_from(n).ok())
            .ok_or_else(|| self.wrong_argument(&format!("an object with a whole number `{key}`")))
    }

    /// A bare number, or the member `key` of an object.
    fn small_number(&self, key: &str) -> DecodeResult<u16> {
        let number = match self.json {
            Some(json @ Json::Object(_)) => json.get(key).and_then(Json::as_u64),
            Some(json) => json.as_u64(),
            None => None,
        };
        number
            .and_then(|n| u16::try_from(n).ok())
            .ok_or_else(|| self.wrong_argument(&format!("`{key}`, at most 65,535")))
    }

    fn host_call(&self) -> DecodeResult<DecodedInstruction> {
        let function = HostFunction::from_name(self.member("name")?)
            .ok_or_else(|| self.wrong_argument("the name of a host function"))?;
        let argc = self.small_number("argc")?;
        if function.arity().contains(&argc) {
            return Ok(DecodedInstruction::Ask { function, argc });
        }
        Err(self.wrong_argument(&format!("`argc`, as many arguments as {} takes", function.name())))
    }

    fn open_call(&self) -> DecodeResult<DecodedInstruction> {
        if self.member("name")? != "CC" {
            return Ok(match self.host_call()? {
                DecodedInstruction::Ask { function, argc } => {
                    DecodedInstruction::Open { function: Some(function), argc }
                }
                other => other,
            });
        }
        match self.small_number("argc")? {
            argc @ 1..=2 => Ok(DecodedInstruction::Open { function: None, argc }),
            _ => Err(self.wrong_argument("`argc`, 1 or 2 for CC")),
        }
    }

    fn text(&self) -> DecodeResult<&'a str> {
        self.json.and_then(Json::as_str).ok_or_else(|| self.wrong_argument("a string"))
    }

    fn member(&self, key: &str) -> DecodeResult<&'a str> {
        self.json
            .and_then(|json| json.get(key))
            .and_then(Json::as_str)
            .ok_or_else(|| self.wrong_argument(&format!("an object with a string `{key}`")))
    }

    fn kind(&self) -> DecodeResult<MemberKind> {
        MemberKind::from_name(self.member("kind")?)
            .ok_or_else(|| self.wrong_argument("an object whose `kind` is \"method\", \"get\" or \"set\""))
    }

    fn flag(&self, key: &str) -> DecodeResult<bool> {
        match self.json.and_then(|json| json.get(key)) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong_argument(&format!("an object with a boolean `{key}`"))),
        }
    }

    /// The optional source text of a callee, or another optional string.
    fn optional_text(&self, key: &str) -> DecodeResult<Option<&'a str>> {
        match self.json {
            Some(Json::Object(object)) if self.op != Op::Push => match object.get(key) {
                None => Ok(None),
                Some(Json::String(text)) => Ok(Some(text)),
                Some(_) => Err(self.wrong_argument(&format!("an object whose `{key}` is a string"))),
            },
            _ => Ok(None),
        }
    }
}

/// Decodes one operand; the registry names it.
#[rustfmt::skip]
macro_rules! operand {
    ($decoder:ident, $arg:ident, constant) => { $decoder.constant($arg)? };
    ($decoder:ident, $arg:ident, text) => { $decoder.name($arg, $arg.text()?)? };
    ($decoder:ident, $arg:ident, private_name) => { $decoder.name($arg, $arg.member("name")?)? };
    ($decoder:ident, $arg:ident, to) => { $arg.whole_number()? };
    ($decoder:ident, $arg:ident, count) => { $arg.count()? };
    ($decoder:ident, $arg:ident, slot) => { $arg.small_number("slot")? };
    ($decoder:ident, $arg:ident, argc) => { $arg.small_number("argc")? };
    ($decoder:ident, $arg:ident, target) => { $arg.number("target")? };
    ($decoder:ident, $arg:ident, kind) => { $arg.kind()? };
    ($decoder:ident, $arg:ident, is_static) => { $arg.flag("static")? };
    ($decoder:ident, $arg:ident, derived) => { $arg.flag("derived")? };
    ($decoder:ident, $arg:ident, private) => { $arg.flag("private")? };
    ($decoder:ident, $arg:ident, $name:ident) => { $decoder.name($arg, $arg.member(stringify!($name))?)? };
}

/// Decodes the argument of one operation.
macro_rules! decoded {
    ($decoder:ident, $arg:ident, own $($row:tt)*) => { $decoder.own_form($arg) };
    ($decoder:ident, $arg:ident, noted $op:ident) => { Ok(DecodedInstruction::$op) };
    ($decoder:ident, $arg:ident, noted $($row:tt)*) => { decoded!($decoder, $arg, $($row)*) };
    ($decoder:ident, $arg:ident, $op:ident) => { $arg.require_absent(DecodedInstruction::$op) };
    ($decoder:ident, $arg:ident, $op:ident ($operand:ident)) => {
        Ok(DecodedInstruction::$op(operand!($decoder, $arg, $operand)))
    };
    ($decoder:ident, $arg:ident, $op:ident { $($field:ident)* }) => {
        Ok(DecodedInstruction::$op { $($field: operand!($decoder, $arg, $field)),* })
    };
}

macro_rules! define_decoding {
    ($($(#[$doc:meta])* $op:ident $(($operand:ident: $type:ty))? $({ $($field:ident: $field_type:ty),* })?
        = $code:literal $name:literal $($form:ident)?: $pops:expr => $pushes:expr,)*) => {
        impl InstructionDecoder {
            fn decode_operands(&mut self, arg: &WireArg<'_>) -> DecodeResult<DecodedInstruction> {
                match arg.op {
                    $(Op::$op => decoded!(self, arg, $($form)? $op $(($operand))? $({ $($field)* })?),)*
                }
            }
        }
    };
}

op::operations!(define_decoding);
