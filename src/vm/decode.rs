//! The wire form of instructions, read in one place: each operation's argument in the form that `op.rs` documents.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::globals::Ask;
use super::op::Op;
use super::program::{BytecodeError, Function, Instruction, Program, Wait, WireInstruction};
use super::wire;
use crate::value;

/// Decodes instruction by instruction, with tables for what is named more than once.
pub(super) struct Decoder {
    pub(super) program: Program,
    names: HashMap<String, u32>,
    constants: HashMap<String, u32>,
}

type Decoded<T> = Result<T, BytecodeError>;

impl Decoder {
    pub(super) fn new(wire: &[WireInstruction]) -> Self {
        let named_globals = wire.first().is_none_or(|first| first.op != u64::from(Op::Enter.code()));
        let mut program = Program {
            code: Vec::with_capacity(wire.len()),
            places: Vec::with_capacity(wire.len()),
            constants: Vec::new(),
            names: Vec::new(),
            functions: Vec::new(),
            texts: HashMap::new(),
            waits: HashMap::new(),
            depths: Vec::new(),
            owners: Vec::new(),
            named_globals,
        };
        if named_globals {
            // Slot 0 is the input, as it is in a compiled program.
            program.functions.push(Function {
                params: 1,
                length: 1,
                slots: vec!["input".to_owned()],
                ..Function::default()
            });
        }
        Decoder { program, names: HashMap::new(), constants: HashMap::new() }
    }

    pub(super) fn instruction(&mut self, at: u32, wire: &WireInstruction) -> Decoded<Instruction> {
        use Instruction as I;
        let Some(op) = Op::from_code(wire.op) else {
            return Err(BytecodeError::at(at, format!("no operation has the number {}", wire.op)));
        };
        let arg = Arg { at, op, json: wire.arg.as_ref() };
        if let Some(text) = arg.optional("text")? {
            self.program.texts.insert(at, Arc::from(text));
        }
        if let Some(wait) = arg.optional("wait")? {
            let wait =
                Wait::named(wait).ok_or_else(|| arg.wrong("an object whose `wait` is \"await\" or \"return\""))?;
            self.program.waits.insert(at, wait);
        }
        Ok(match op {
            Op::Push => I::Push(self.constant(&arg)?),
            Op::Pop => arg.none(I::Pop)?,
            Op::Load => match self.global_by_name(&arg)? {
                Some(slot) => I::LoadGlobal(slot),
                None => I::Load(arg.slot()?),
            },
            Op::Store => match self.global_by_name(&arg)? {
                Some(slot) => I::Store(slot),
                None => I::Store(arg.slot()?),
            },
            Op::Concat => arg.none(I::Concat)?,
            Op::Cc => match arg.json.and_then(Json::as_u64) {
                _ if arg.json.is_none_or(Json::is_null) => I::Cc { options: false },
                Some(1) => I::Cc { options: false },
                Some(2) => I::Cc { options: true },
                _ => return Err(arg.wrong("1 or 2")),
            },
            Op::Print => arg.none(I::Print)?,
            Op::Dup => arg.none(I::Dup)?,
            Op::Dup2 => arg.none(I::Dup2)?,
            Op::Swap => arg.none(I::Swap)?,
            Op::DupX1 => arg.none(I::DupX1)?,
            Op::DupX2 => arg.none(I::DupX2)?,
            Op::Jump => I::Jump(arg.whole()?),
            Op::JumpIf => I::JumpIf(arg.whole()?),
            Op::JumpIfN => I::JumpIfN(arg.whole()?),
            Op::JumpIfKeep => I::JumpIfKeep(arg.whole()?),
            Op::JumpIfNKeep => I::JumpIfNKeep(arg.whole()?),
            Op::JumpSomeKeep => I::JumpSomeKeep(arg.whole()?),
            Op::JumpNullish => I::JumpNullish(arg.whole()?),
            Op::JumpDefinedKeep => I::JumpDefinedKeep(arg.whole()?),
            Op::Eq => arg.none(I::Eq)?,
            Op::Neq => arg.none(I::Neq)?,
            Op::Lt => arg.none(I::Lt)?,
            Op::Gt => arg.none(I::Gt)?,
            Op::Le => arg.none(I::Le)?,
            Op::Ge => arg.none(I::Ge)?,
            Op::LooseEq => arg.none(I::LooseEq)?,
            Op::LooseNeq => arg.none(I::LooseNeq)?,
            Op::Add => arg.none(I::Add)?,
            Op::Sub => arg.none(I::Sub)?,
            Op::Mul => arg.none(I::Mul)?,
            Op::Div => arg.none(I::Div)?,
            Op::Mod => arg.none(I::Mod)?,
            Op::Pow => arg.none(I::Pow)?,
            Op::BitAnd => arg.none(I::BitAnd)?,
            Op::BitOr => arg.none(I::BitOr)?,
            Op::BitXor => arg.none(I::BitXor)?,
            Op::Shl => arg.none(I::Shl)?,
            Op::Shr => arg.none(I::Shr)?,
            Op::UShr => arg.none(I::UShr)?,
            Op::Neg => arg.none(I::Neg)?,
            Op::ToNumber => arg.none(I::ToNumber)?,
            Op::Not => arg.none(I::Not)?,
            Op::BitNot => arg.none(I::BitNot)?,
            Op::TypeOf => arg.none(I::TypeOf)?,
            Op::In => arg.none(I::In)?,
            Op::InstanceOf => arg.none(I::InstanceOf)?,
            Op::Inc => arg.none(I::Inc)?,
            Op::Dec => arg.none(I::Dec)?,
            Op::ToText => arg.none(I::ToText)?,
            Op::Array => I::Array(arg.count()?),
            Op::Map => I::Map(arg.count()?),
            Op::GetIndex => arg.none(I::GetIndex)?,
            Op::SetIndex => arg.none(I::SetIndex)?,
            Op::GetProp => I::GetProp(self.name(arg.text()?)),
            Op::SetProp => I::SetProp(self.name(arg.text()?)),
            Op::Delete => arg.none(I::Delete)?,
            Op::InitProp => I::InitProp(self.name(arg.text()?)),
            Op::InitIndex => arg.none(I::InitIndex)?,
            Op::Append => arg.none(I::Append)?,
            Op::Spread => I::Spread,
            Op::SpreadProps => arg.none(I::SpreadProps)?,
            Op::RestProps => I::RestProps(arg.count()?),
            Op::RegExp => {
                let pattern = self.name(arg.member("pattern")?);
                I::RegExp { pattern, flags: self.short_name(&arg, arg.member("flags")?)? }
            }
            Op::RequireObject => I::RequireObject,
            Op::Call => I::Call { argc: arg.argc()? },
            Op::Return => arg.none(I::Return)?,
            Op::CallMethod => I::CallMethod { argc: arg.argc()?, name: self.name(arg.member("name")?) },
            Op::CallNative => I::CallNative { argc: arg.argc()?, name: self.name(arg.member("name")?) },
            Op::CallThis => I::CallThis { argc: arg.argc()? },
            Op::CallSpread => I::CallSpread,
            Op::CallMethodSpread => I::CallMethodSpread { name: self.name(arg.member("name")?) },
            Op::CallThisSpread => I::CallThisSpread,
            Op::CallNativeSpread => I::CallNativeSpread { name: self.name(arg.member("name")?) },
            Op::New => I::New { argc: arg.argc()? },
            Op::NewSpread => I::NewSpread,
            Op::NewNative => I::NewNative { argc: arg.argc()?, name: self.name(arg.member("name")?) },
            Op::NewNativeSpread => I::NewNativeSpread { name: self.name(arg.member("name")?) },
            Op::Builtin => I::Builtin { name: self.name(arg.text()?) },
            Op::Ask => arg.ask()?,
            Op::Enter => self.enter(&arg)?,
            Op::Function => self.function(&arg)?,
            Op::This => arg.none(I::This)?,
            Op::NewCell => I::NewCell(arg.slot()?),
            Op::LoadCell => I::LoadCell(arg.slot()?),
            Op::StoreCell => I::StoreCell(arg.slot()?),
            Op::InitCell => I::InitCell(arg.slot()?),
            Op::LoadCapture => I::LoadCapture(arg.slot()?),
            Op::StoreCapture => I::StoreCapture(arg.slot()?),
            Op::CopyCell => I::CopyCell(arg.slot()?),
            Op::StoreChecked => I::StoreChecked(arg.slot()?),
            Op::Uninit => I::Uninit(arg.slot()?),
            Op::Clear => I::Clear(arg.slot()?),
            Op::LoadGlobal => I::LoadGlobal(arg.slot()?),
            Op::StoreGlobal => I::StoreGlobal(arg.slot()?),
            Op::Iter => I::Iter(arg.slot()?),
            Op::IterNext => I::IterNext { slot: arg.slot()?, target: arg.number("target")? },
            Op::Keys => I::Keys(arg.slot()?),
            Op::IterTake => I::IterTake(arg.slot()?),
            Op::IterRest => I::IterRest(arg.slot()?),
            Op::Throw => arg.none(I::Throw)?,
            Op::ThrowError => {
                let name = self.short_name(&arg, arg.member("name")?)?;
                I::ThrowError { name, message: self.name(arg.member("message")?) }
            }
            Op::Class => I::Class { derived: arg.flag("derived")? },
            Op::Method => I::Method { fixed: arg.flag("static")?, name: self.name(arg.member("name")?) },
            Op::Fields => arg.none(I::Fields)?,
            Op::InitFields => arg.none(I::InitFields)?,
            Op::SuperCall => I::SuperCall { argc: arg.argc()? },
            Op::SuperCallSpread => arg.none(I::SuperCallSpread)?,
            Op::SuperGet => I::SuperGet(self.name(arg.text()?)),
            Op::Halt => arg.none(I::Halt)?,
        })
    }

    fn name(&mut self, text: &str) -> u32 {
        if let Some(index) = self.names.get(text) {
            return *index;
        }
        let index = u32::try_from(self.program.names.len()).unwrap_or(u32::MAX);
        self.program.names.push(Arc::from(text));
        self.names.insert(text.to_owned(), index);
        index
    }

    /// A name whose index must fit the small operand.
    fn short_name(&mut self, arg: &Arg<'_>, text: &str) -> Decoded<u16> {
        u16::try_from(self.name(text)).map_err(|_| arg.wrong("one of the first 65,536 names"))
    }

    fn constant(&mut self, arg: &Arg<'_>) -> Decoded<u32> {
        let json = arg.json.unwrap_or(&Json::Null);
        let key = value::json_text(json);
        if let Some(index) = self.constants.get(&key) {
            return Ok(*index);
        }
        let constant = wire::constant(json).ok_or_else(|| arg.wrong("a constant"))?;
        let index = u32::try_from(self.program.constants.len()).unwrap_or(u32::MAX);
        self.program.constants.push(constant);
        self.constants.insert(key, index);
        Ok(index)
    }

    /// The slot of a global that a hand-written program names; `None` when the argument is no text.
    fn global_by_name(&mut self, arg: &Arg<'_>) -> Decoded<Option<u16>> {
        let Some(Json::String(name)) = arg.json else { return Ok(None) };
        if !self.program.named_globals {
            return Err(arg.wrong("a slot number, as the program begins with ENTER"));
        }
        let slots = &mut self.program.functions[0].slots;
        let at = slots.iter().position(|slot| slot == name).unwrap_or_else(|| {
            slots.push(name.clone());
            slots.len() - 1
        });
        u16::try_from(at).map(Some).map_err(|_| arg.wrong("one of at most 65,536 globals"))
    }

    fn enter(&mut self, arg: &Arg<'_>) -> Decoded<Instruction> {
        if arg.at != 0 {
            return Err(BytecodeError::at(arg.at, "ENTER stands only at instruction 0"));
        }
        self.function(arg)?;
        Ok(Instruction::Enter)
    }

    fn function(&mut self, arg: &Arg<'_>) -> Decoded<Instruction> {
        let json = arg.json.ok_or_else(|| arg.wrong("a function description"))?;
        let function: Function =
            value::read(json).map_err(|error| arg.wrong(&format!("a function description ({error})")))?;
        let index = u32::try_from(self.program.functions.len()).unwrap_or(u32::MAX);
        self.program.functions.push(function);
        Ok(Instruction::Function(index))
    }
}

/// The argument of one instruction, read in the form that its operation asks for.
struct Arg<'a> {
    at: u32,
    op: Op,
    json: Option<&'a Json>,
}

impl<'a> Arg<'a> {
    fn wrong(&self, expected: &str) -> BytecodeError {
        BytecodeError::at(self.at, format!("the argument of {} must be {expected}", self.op.name()))
    }

    fn none(&self, instruction: Instruction) -> Decoded<Instruction> {
        match self.json {
            None | Some(Json::Null) => Ok(instruction),
            Some(_) => Err(self.wrong("absent")),
        }
    }

    fn whole(&self) -> Decoded<u32> {
        let number = self.json.and_then(Json::as_u64).and_then(|n| u32::try_from(n).ok());
        number.ok_or_else(|| self.wrong("a whole number"))
    }

    /// How many operands a literal takes; bounded so that depths stay small numbers.
    fn count(&self) -> Decoded<u32> {
        let count = self.whole()?;
        if count > 1_000_000 { Err(self.wrong("at most 1,000,000")) } else { Ok(count) }
    }

    fn number(&self, key: &str) -> Decoded<u32> {
        let number = self.json.and_then(|json| json.get(key)).and_then(Json::as_u64);
        number
            .and_then(|n| u32::try_from(n).ok())
            .ok_or_else(|| self.wrong(&format!("an object with a whole number `{key}`")))
    }

    /// A bare number, or the member `key` of an object.
    fn small(&self, key: &str) -> Decoded<u16> {
        let number = match self.json {
            Some(json @ Json::Object(_)) => json.get(key).and_then(Json::as_u64),
            Some(json) => json.as_u64(),
            None => None,
        };
        number.and_then(|n| u16::try_from(n).ok()).ok_or_else(|| self.wrong(&format!("`{key}`, at most 65,535")))
    }

    fn slot(&self) -> Decoded<u16> {
        self.small("slot")
    }

    fn argc(&self) -> Decoded<u16> {
        self.small("argc")
    }

    fn ask(&self) -> Decoded<Instruction> {
        let what = Ask::named(self.member("name")?).ok_or_else(|| self.wrong("the name of something to be asked"))?;
        let argc = self.argc()?;
        if what.arguments().contains(&argc) {
            return Ok(Instruction::Ask { what, argc });
        }
        Err(self.wrong(&format!("`argc`, as many arguments as {} takes", what.name())))
    }

    fn text(&self) -> Decoded<&'a str> {
        self.json.and_then(Json::as_str).ok_or_else(|| self.wrong("a text"))
    }

    fn member(&self, key: &str) -> Decoded<&'a str> {
        self.json
            .and_then(|json| json.get(key))
            .and_then(Json::as_str)
            .ok_or_else(|| self.wrong(&format!("an object with a text `{key}`")))
    }

    fn flag(&self, key: &str) -> Decoded<bool> {
        match self.json.and_then(|json| json.get(key)) {
            None => Ok(false),
            Some(Json::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(&format!("an object with a truth value `{key}`"))),
        }
    }

    /// The callee as it is written, which calls may carry.
    fn optional(&self, key: &str) -> Decoded<Option<&'a str>> {
        match self.json {
            Some(Json::Object(object)) if self.op != Op::Push => match object.get(key) {
                None => Ok(None),
                Some(Json::String(text)) => Ok(Some(text)),
                Some(_) => Err(self.wrong(&format!("an object whose `{key}` is a text"))),
            },
            _ => Ok(None),
        }
    }
}
