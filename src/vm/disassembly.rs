//! Disassembly for logs of single instructions: the next instruction in its wire form.

use serde_json::{Value as Json, json};

use super::machine::Machine;
use super::op::Op;
use super::program::{DecodedInstruction, VerifiedProgram};
use super::wire;

impl Machine {
    /// The next instruction in its wire form: `{"op":n}`, with `"arg"` if it has one. A function is summarised by name and entry.
    #[must_use]
    pub fn next_instruction_json(&self) -> Json {
        self.program.instruction_json(self.pc)
    }
}

impl VerifiedProgram {
    /// The instruction of that index, as in [`Machine::next_instruction_json`]; null past the end.
    #[must_use]
    pub fn instruction_json(&self, at: u32) -> Json {
        let Some(instruction) = self.code.get(at as usize) else { return Json::Null };
        let (op, arg) = self.wire_form(at, *instruction);
        match arg {
            Some(arg) => json!({ "op": op.code(), "arg": arg }),
            None => json!({ "op": op.code() }),
        }
    }

    /// The operation of an instruction and its argument.
    fn wire_form(&self, at: u32, instruction: DecodedInstruction) -> (Op, Option<Json>) {
        use DecodedInstruction as I;
        let name = |index: u32| self.names.get(index as usize).map_or("", |name| &**name);
        let text = self.callee_texts.get(&at).map(|text| &**text);
        let wait = self.promise_uses.get(&at).map(|wait| wait.name());
        let note = |mut arg: Json| {
            for (key, value) in [("text", text), ("wait", wait)] {
                if let Some(value) = value {
                    arg[key] = json!(value);
                }
            }
            arg
        };
        let is_noted = text.is_some() || wait.is_some();
        let count = |argc: u16| if is_noted { note(json!({ "argc": argc })) } else { json!(argc) };
        let named = |index: u32, argc: Option<u16>| {
            let mut arg = json!({ "name": name(index) });
            if let Some(argc) = argc {
                arg["argc"] = json!(argc);
            }
            Some(note(arg))
        };
        let noted = is_noted.then(|| note(json!({})));
        match instruction {
            I::Push(constant) => (Op::Push, self.constants.get(constant as usize).map(wire::of_constant)),
            I::Load(slot) => (Op::Load, Some(json!(slot))),
            // By name, in a program without ENTER.
            I::LoadGlobal(slot) if self.named_globals => (Op::Load, Some(json!(self.global(slot)))),
            I::Store(slot) if self.named_globals => (Op::Store, Some(json!(self.global(slot)))),
            I::Cc { options } => (Op::Cc, options.then(|| json!(2))),
            I::Jump(target) => (Op::Jump, Some(json!(target))),
            I::JumpIf(target) => (Op::JumpIf, Some(json!(target))),
            I::JumpIfN(target) => (Op::JumpIfN, Some(json!(target))),
            I::JumpIfKeep(target) => (Op::JumpIfKeep, Some(json!(target))),
            I::JumpIfNKeep(target) => (Op::JumpIfNKeep, Some(json!(target))),
            I::JumpSomeKeep(target) => (Op::JumpSomeKeep, Some(json!(target))),
            I::JumpNullish(target) => (Op::JumpNullish, Some(json!(target))),
            I::JumpDefinedKeep(target) => (Op::JumpDefinedKeep, Some(json!(target))),
            I::Array(count) => (Op::Array, Some(json!(count))),
            I::Map(count) => (Op::Map, Some(json!(count))),
            I::RestProps(count) => (Op::RestProps, Some(json!(count))),
            I::GetProp(property) => (Op::GetProp, Some(json!(name(property)))),
            I::SetProp(property) => (Op::SetProp, Some(json!(name(property)))),
            I::InitProp(property) => (Op::InitProp, Some(json!(name(property)))),
            I::SuperGet(property) => (Op::SuperGet, Some(json!(name(property)))),
            I::RegExp { pattern, flags } => {
                (Op::RegExp, Some(json!({ "pattern": name(pattern), "flags": name(u32::from(flags)) })))
            }
            I::Call { argc } => (Op::Call, Some(count(argc))),
            I::CallThis { argc } => (Op::CallThis, Some(count(argc))),
            I::New { argc } => (Op::New, Some(count(argc))),
            I::SuperCall { argc } => (Op::SuperCall, Some(count(argc))),
            I::CallMethod { argc, name } => (Op::CallMethod, named(name, Some(argc))),
            I::CallNative { argc, name } => (Op::CallNative, named(name, Some(argc))),
            I::NewNative { argc, name } => (Op::NewNative, named(name, Some(argc))),
            I::CallMethodSpread { name } => (Op::CallMethodSpread, named(name, None)),
            I::CallNativeSpread { name } => (Op::CallNativeSpread, named(name, None)),
            I::NewNativeSpread { name } => (Op::NewNativeSpread, named(name, None)),
            I::Builtin { name: builtin } => (Op::Builtin, Some(json!(name(builtin)))),
            I::Ask { function: what, argc } => (Op::Ask, Some(json!({ "name": what.name(), "argc": argc }))),
            I::RequireObject => (Op::RequireObject, noted),
            I::CallSpread => (Op::CallSpread, noted),
            I::CallThisSpread => (Op::CallThisSpread, noted),
            I::NewSpread => (Op::NewSpread, noted),
            I::Enter => (Op::Enter, Some(self.function_summary(0))),
            I::Function(number) => (Op::Function, Some(self.function_summary(number))),
            I::Store(slot) => (Op::Store, Some(json!(slot))),
            I::NewCell(slot) => (Op::NewCell, Some(json!(slot))),
            I::LoadCell(slot) => (Op::LoadCell, Some(json!(slot))),
            I::StoreCell(slot) => (Op::StoreCell, Some(json!(slot))),
            I::InitCell(slot) => (Op::InitCell, Some(json!(slot))),
            I::LoadCapture(slot) => (Op::LoadCapture, Some(json!(slot))),
            I::StoreCapture(slot) => (Op::StoreCapture, Some(json!(slot))),
            I::CopyCell(slot) => (Op::CopyCell, Some(json!(slot))),
            I::StoreChecked(slot) => (Op::StoreChecked, Some(json!(slot))),
            I::Uninit(slot) => (Op::Uninit, Some(json!(slot))),
            I::Clear(slot) => (Op::Clear, Some(json!(slot))),
            I::LoadGlobal(slot) => (Op::LoadGlobal, Some(json!(slot))),
            I::StoreGlobal(slot) => (Op::StoreGlobal, Some(json!(slot))),
            I::Keys(slot) => (Op::Keys, Some(json!(slot))),
            I::IterTake(slot) => (Op::IterTake, Some(json!(slot))),
            I::IterRest(slot) => (Op::IterRest, Some(json!(slot))),
            I::Iter(slot) => {
                (Op::Iter, Some(text.map_or_else(|| json!(slot), |text| json!({ "slot": slot, "text": text }))))
            }
            I::IterNext { slot, target } => (Op::IterNext, Some(json!({ "slot": slot, "target": target }))),
            I::ThrowError { name: class, message } => {
                (Op::ThrowError, Some(json!({ "name": name(u32::from(class)), "message": name(message) })))
            }
            I::Class { derived } => (Op::Class, Some(json!({ "derived": derived }))),
            I::Method { is_static: fixed, name: method } => {
                (Op::Method, Some(json!({ "name": name(method), "static": fixed })))
            }
            I::Pop => (Op::Pop, None),
            I::Concat => (Op::Concat, None),
            I::Print => (Op::Print, None),
            I::Dup => (Op::Dup, None),
            I::Dup2 => (Op::Dup2, None),
            I::Swap => (Op::Swap, None),
            I::DupX1 => (Op::DupX1, None),
            I::DupX2 => (Op::DupX2, None),
            I::Eq => (Op::Eq, None),
            I::Neq => (Op::Neq, None),
            I::Lt => (Op::Lt, None),
            I::Gt => (Op::Gt, None),
            I::Le => (Op::Le, None),
            I::Ge => (Op::Ge, None),
            I::LooseEq => (Op::LooseEq, None),
            I::LooseNeq => (Op::LooseNeq, None),
            I::Add => (Op::Add, None),
            I::Sub => (Op::Sub, None),
            I::Mul => (Op::Mul, None),
            I::Div => (Op::Div, None),
            I::Mod => (Op::Mod, None),
            I::Pow => (Op::Pow, None),
            I::BitAnd => (Op::BitAnd, None),
            I::BitOr => (Op::BitOr, None),
            I::BitXor => (Op::BitXor, None),
            I::Shl => (Op::Shl, None),
            I::Shr => (Op::Shr, None),
            I::UShr => (Op::UShr, None),
            I::Neg => (Op::Neg, None),
            I::ToNumber => (Op::ToNumber, None),
            I::Not => (Op::Not, None),
            I::BitNot => (Op::BitNot, None),
            I::TypeOf => (Op::TypeOf, None),
            I::In => (Op::In, None),
            I::InstanceOf => (Op::InstanceOf, None),
            I::Inc => (Op::Inc, None),
            I::Dec => (Op::Dec, None),
            I::ToText => (Op::ToText, None),
            I::GetIndex => (Op::GetIndex, None),
            I::SetIndex => (Op::SetIndex, None),
            I::Delete => (Op::Delete, None),
            I::InitIndex => (Op::InitIndex, None),
            I::Append => (Op::Append, None),
            I::Spread => (Op::Spread, noted),
            I::SpreadProps => (Op::SpreadProps, None),
            I::Return => (Op::Return, None),
            I::This => (Op::This, None),
            I::Throw => (Op::Throw, None),
            I::Fields => (Op::Fields, None),
            I::InitFields => (Op::InitFields, None),
            I::SuperCallSpread => (Op::SuperCallSpread, None),
            I::Halt => (Op::Halt, None),
        }
    }

    fn global(&self, slot: u16) -> &str {
        self.functions.first().and_then(|global| global.slots.get(usize::from(slot))).map_or("", String::as_str)
    }

    fn function_summary(&self, number: u32) -> Json {
        let function = self.functions.get(number as usize);
        function.map_or(Json::Null, |function| json!({ "name": function.name, "entry": function.entry }))
    }
}
