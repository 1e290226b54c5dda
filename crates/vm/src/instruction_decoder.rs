//! Decodes the wire form of instructions: each operation's argument in the form that `op.rs` documents.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use runstate_value::{SortedMap, from_value, json_text};
use serde_json::Value as Json;

use super::globals::HostFunction;
use super::op::Op;
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
        use DecodedInstruction as I;
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
        Ok(match op {
            Op::Push => I::Push(self.constant(&arg)?),
            Op::Pop => arg.require_absent(I::Pop)?,
            Op::Load => match self.global_by_name(&arg)? {
                Some(slot) => I::LoadGlobal(slot),
                None => I::Load(arg.slot()?),
            },
            Op::Store => match self.global_by_name(&arg)? {
                Some(slot) => I::Store(slot),
                None => I::Store(arg.slot()?),
            },
            Op::Concat => arg.require_absent(I::Concat)?,
            Op::Cc => match arg.json.and_then(Json::as_u64) {
                _ if arg.json.is_none_or(Json::is_null) => I::Cc { options: false },
                Some(1) => I::Cc { options: false },
                Some(2) => I::Cc { options: true },
                _ => return Err(arg.wrong_argument("1 or 2")),
            },
            Op::Print => arg.require_absent(I::Print)?,
            Op::Dup => arg.require_absent(I::Dup)?,
            Op::Dup2 => arg.require_absent(I::Dup2)?,
            Op::Swap => arg.require_absent(I::Swap)?,
            Op::DupX1 => arg.require_absent(I::DupX1)?,
            Op::DupX2 => arg.require_absent(I::DupX2)?,
            Op::Jump => I::Jump(arg.whole_number()?),
            Op::JumpIf => I::JumpIf(arg.whole_number()?),
            Op::JumpIfN => I::JumpIfN(arg.whole_number()?),
            Op::JumpIfKeep => I::JumpIfKeep(arg.whole_number()?),
            Op::JumpIfNKeep => I::JumpIfNKeep(arg.whole_number()?),
            Op::JumpSomeKeep => I::JumpSomeKeep(arg.whole_number()?),
            Op::JumpNullish => I::JumpNullish(arg.whole_number()?),
            Op::JumpDefinedKeep => I::JumpDefinedKeep(arg.whole_number()?),
            Op::Eq => arg.require_absent(I::Eq)?,
            Op::Neq => arg.require_absent(I::Neq)?,
            Op::Lt => arg.require_absent(I::Lt)?,
            Op::Gt => arg.require_absent(I::Gt)?,
            Op::Le => arg.require_absent(I::Le)?,
            Op::Ge => arg.require_absent(I::Ge)?,
            Op::LooseEq => arg.require_absent(I::LooseEq)?,
            Op::LooseNeq => arg.require_absent(I::LooseNeq)?,
            Op::Add => arg.require_absent(I::Add)?,
            Op::Sub => arg.require_absent(I::Sub)?,
            Op::Mul => arg.require_absent(I::Mul)?,
            Op::Div => arg.require_absent(I::Div)?,
            Op::Mod => arg.require_absent(I::Mod)?,
            Op::Pow => arg.require_absent(I::Pow)?,
            Op::BitAnd => arg.require_absent(I::BitAnd)?,
            Op::BitOr => arg.require_absent(I::BitOr)?,
            Op::BitXor => arg.require_absent(I::BitXor)?,
            Op::Shl => arg.require_absent(I::Shl)?,
            Op::Shr => arg.require_absent(I::Shr)?,
            Op::UShr => arg.require_absent(I::UShr)?,
            Op::Neg => arg.require_absent(I::Neg)?,
            Op::ToNumber => arg.require_absent(I::ToNumber)?,
            Op::Not => arg.require_absent(I::Not)?,
            Op::BitNot => arg.require_absent(I::BitNot)?,
            Op::TypeOf => arg.require_absent(I::TypeOf)?,
            Op::In => arg.require_absent(I::In)?,
            Op::InstanceOf => arg.require_absent(I::InstanceOf)?,
            Op::Inc => arg.require_absent(I::Inc)?,
            Op::Dec => arg.require_absent(I::Dec)?,
            Op::ToText => arg.require_absent(I::ToText)?,
            Op::Array => I::Array(arg.count()?),
            Op::Map => I::Map(arg.count()?),
            Op::GetIndex => arg.require_absent(I::GetIndex)?,
            Op::SetIndex => arg.require_absent(I::SetIndex)?,
            Op::GetProp => I::GetProp(self.name(arg.text()?)),
            Op::SetProp => I::SetProp(self.name(arg.text()?)),
            Op::Delete => arg.require_absent(I::Delete)?,
            Op::InitProp => I::InitProp(self.name(arg.text()?)),
            Op::InitIndex => arg.require_absent(I::InitIndex)?,
            Op::Append => arg.require_absent(I::Append)?,
            Op::Spread => I::Spread,
            Op::SpreadProps => arg.require_absent(I::SpreadProps)?,
            Op::RestProps => I::RestProps(arg.count()?),
            Op::RegExp => {
                let pattern = self.name(arg.member("pattern")?);
                I::RegExp { pattern, flags: self.short_name(&arg, arg.member("flags")?)? }
            }
            Op::RequireObject => I::RequireObject,
            Op::Call => I::Call { argc: arg.argc()? },
            Op::Return => arg.require_absent(I::Return)?,
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
            Op::Ask => arg.host_call()?,
            Op::Open => arg.open_call()?,
            Op::Await => arg.require_absent(I::Await)?,
            Op::Generator => arg.require_absent(I::Generator)?,
            Op::Yield => I::Yield { target: arg.number("target")? },
            Op::Delegate => arg.require_absent(I::Delegate)?,
            Op::IterReturn => I::IterReturn { slot: arg.slot()?, target: arg.number("target")? },
            Op::Leave => I::Leave(arg.whole_number()?),
            Op::Enter => self.enter(&arg)?,
            Op::Function => self.function(&arg)?,
            Op::This => arg.require_absent(I::This)?,
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
            Op::Throw => arg.require_absent(I::Throw)?,
            Op::ThrowError => {
                let name = self.short_name(&arg, arg.member("name")?)?;
                I::ThrowError { name, message: self.name(arg.member("message")?) }
            }
            Op::Class => I::Class { derived: arg.flag("derived")? },
            Op::Method => I::Method { is_static: arg.flag("static")?, name: self.name(arg.member("name")?) },
            Op::Fields => arg.require_absent(I::Fields)?,
            Op::InitFields => arg.require_absent(I::InitFields)?,
            Op::SuperCall => I::SuperCall { argc: arg.argc()? },
            Op::SuperCallSpread => arg.require_absent(I::SuperCallSpread)?,
            Op::SuperGet => I::SuperGet(self.name(arg.text()?)),
            Op::Define => {
                let kind = MemberKind::from_name(arg.member("kind")?)
                    .ok_or_else(|| arg.wrong_argument("an object whose `kind` is \"method\", \"get\" or \"set\""))?;
                I::Define { kind, is_static: arg.flag("static")?, private: arg.flag("private")? }
            }
            Op::PrivateGet => I::PrivateGet(self.name(arg.member("name")?)),
            Op::PrivateSet => I::PrivateSet(self.name(arg.member("name")?)),
            Op::PrivateInit => I::PrivateInit(self.name(arg.member("name")?)),
            Op::PrivateIn => I::PrivateIn(self.name(arg.member("name")?)),
            Op::NewTarget => arg.require_absent(I::NewTarget)?,
            Op::Halt => arg.require_absent(I::Halt)?,
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

    /// Interns a name whose index must fit into 16 bits.
    fn short_name(&mut self, arg: &WireArg<'_>, text: &str) -> DecodeResult<u16> {
        u16::try_from(self.name(text)).map_err(|_| arg.wrong_argument("one of the first 65,536 names"))
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

    /// The slot of a global that a program without ENTER names; `None` if the argument is not a string.
    fn global_by_name(&mut self, arg: &WireArg<'_>) -> DecodeResult<Option<u16>> {
        let Some(Json::String(name)) = arg.json else { return Ok(None) };
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

    fn enter(&mut self, arg: &WireArg<'_>) -> DecodeResult<DecodedInstruction> {
        if arg.at != 0 {
            return Err(BytecodeError::new(arg.at, "ENTER is allowed only at instruction 0"));
        }
        self.function(arg)?;
        Ok(DecodedInstruction::Enter)
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

    fn slot(&self) -> DecodeResult<u16> {
        self.small_number("slot")
    }

    fn argc(&self) -> DecodeResult<u16> {
        self.small_number("argc")
    }

    fn host_call(&self) -> DecodeResult<DecodedInstruction> {
        let function = HostFunction::from_name(self.member("name")?)
            .ok_or_else(|| self.wrong_argument("the name of a host function"))?;
        let argc = self.argc()?;
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
        match self.argc()? {
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
