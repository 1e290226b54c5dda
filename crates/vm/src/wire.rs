//! JSON forms of values that JSON cannot represent: `undefined`, some numbers, and strings with NUL or lone
//! surrogates. Logs of single instructions get the next instruction in its wire form here.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::globals::HostFunction;
use super::machine::Machine;
use super::op::Op;
use super::program::{BytecodeConstant, DecodedInstruction, VerifiedProgram};
use super::value::Symbol;

/// A constant from its wire form; `None` if the JSON is not a valid constant.
pub(super) fn decode_constant(json: &Json) -> Option<BytecodeConstant> {
    Some(match json {
        Json::Null => BytecodeConstant::Null,
        Json::Bool(truth) => BytecodeConstant::Bool(*truth),
        Json::Number(number) => BytecodeConstant::Number(number.as_f64()?),
        Json::String(text) => BytecodeConstant::Text(text.encode_utf16().collect::<Vec<_>>().into()),
        Json::Object(object) if object.len() == 1 => {
            let (tag, value) = object.iter().next()?;
            match (tag.as_str(), value) {
                ("$undefined", Json::Bool(true)) => BytecodeConstant::Undefined,
                ("$number", Json::String(text)) => BytecodeConstant::Number(special_number(text)?),
                ("$text", Json::String(text)) => BytecodeConstant::Text(Arc::from(unescape(text)?)),
                ("$symbol", Json::String(name)) => BytecodeConstant::Symbol(Symbol::from_name(name)?),
                _ => return None,
            }
        }
        Json::Object(_) | Json::Array(_) => return None,
    })
}

/// The wire form of a constant.
pub(super) fn encode_constant(constant: &BytecodeConstant) -> Json {
    match constant {
        BytecodeConstant::Undefined => json!({ "$undefined": true }),
        BytecodeConstant::Null => Json::Null,
        BytecodeConstant::Bool(truth) => Json::Bool(*truth),
        BytecodeConstant::Number(value) => number(*value),
        BytecodeConstant::Text(units) => text(units),
        BytecodeConstant::Symbol(symbol) => json!({ "$symbol": symbol.name() }),
    }
}

/// The wire form of a number: a JSON number if it has the same value, else `{"$number":…}`.
#[must_use]
pub fn number(value: f64) -> Json {
    if value.is_nan() {
        return json!({ "$number": "NaN" });
    }
    if value.is_infinite() {
        return json!({ "$number": if value > 0.0 { "Infinity" } else { "-Infinity" } });
    }
    if value == 0.0 && value.is_sign_negative() {
        return json!({ "$number": "-0" });
    }
    // Whole numbers are integers below 2^53, where every JSON reader reads them exactly. Documents hold no larger
    // integers.
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        return Json::from(value as i64);
    }
    Json::from(value)
}

/// The number of a `$number` tag.
#[must_use]
pub fn special_number(text: &str) -> Option<f64> {
    Some(match text {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        "-0" => -0.0,
        _ => return None,
    })
}

/// The wire form of a text: a JSON string if it is valid Unicode without NUL, else `{"$text":…}` with `\uXXXX` for NUL,
/// lone surrogates and the backslash.
#[must_use]
pub fn text(units: &[u16]) -> Json {
    match String::from_utf16(units) {
        Ok(plain) if !units.contains(&0) => Json::String(plain),
        _ => json!({ "$text": escape(units) }),
    }
}

fn escape(units: &[u16]) -> String {
    let mut out = String::with_capacity(units.len());
    for decoded in char::decode_utf16(units.iter().copied()) {
        match decoded {
            Ok(c @ ('\0' | '\\')) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            Ok(c) => out.push(c),
            Err(lone) => out.push_str(&format!("\\u{:04x}", lone.unpaired_surrogate())),
        }
    }
    out
}

/// The text of a `$text` tag; `None` if an escape is invalid.
#[must_use]
pub fn unescape(text: &str) -> Option<Vec<u16>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut buffer = [0u16; 2];
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            out.extend_from_slice(c.encode_utf16(&mut buffer));
            continue;
        }
        let digits = rest.strip_prefix('u')?.get(..4)?;
        out.push(u16::from_str_radix(digits, 16).ok()?);
        rest = &rest[5..];
    }
    Some(out)
}

#[must_use]
pub(crate) fn next_instruction_json(machine: &Machine) -> Json {
    machine.program.instruction_json(machine.pc)
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
    pub(super) fn wire_form(&self, at: u32, instruction: DecodedInstruction) -> (Op, Option<Json>) {
        use DecodedInstruction as I;
        let name = |index: u32| self.names.get(index as usize).map_or("", |name| &**name);
        let text = self.callee_texts.get(&at).map(|text| &**text);
        let promise_use = self.promise_uses.get(&at).map(|promise_use| promise_use.name());
        let annotate = |mut arg: Json| {
            for (key, value) in [("text", text), ("wait", promise_use)] {
                if let Some(value) = value {
                    arg[key] = json!(value);
                }
            }
            arg
        };
        let is_annotated = text.is_some() || promise_use.is_some();
        let count = |argc: u16| if is_annotated { annotate(json!({ "argc": argc })) } else { json!(argc) };
        let named = |index: u32, argc: Option<u16>| {
            let mut arg = json!({ "name": name(index) });
            if let Some(argc) = argc {
                arg["argc"] = json!(argc);
            }
            Some(annotate(arg))
        };
        let annotation = is_annotated.then(|| annotate(json!({})));
        match instruction {
            I::Push(constant) => (Op::Push, self.constants.get(constant as usize).map(encode_constant)),
            I::Load(slot) => (Op::Load, Some(json!(slot))),
            // By name, in a program without ENTER.
            I::LoadGlobal(slot) if self.named_globals => (Op::Load, Some(json!(self.global_name(slot)))),
            I::Store(slot) if self.named_globals => (Op::Store, Some(json!(self.global_name(slot)))),
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
            I::Ask { function, argc } => (Op::Ask, Some(json!({ "name": function.name(), "argc": argc }))),
            I::Open { function, argc } => {
                (Op::Open, Some(json!({ "name": function.map_or("CC", HostFunction::name), "argc": argc })))
            }
            I::Await => (Op::Await, None),
            I::Generator => (Op::Generator, None),
            I::Yield { target } => (Op::Yield, Some(json!({ "target": target }))),
            I::Delegate => (Op::Delegate, None),
            I::IterReturn { slot, target } => {
                (Op::IterReturn, Some(annotate(json!({ "slot": slot, "target": target }))))
            }
            I::Leave(target) => (Op::Leave, Some(json!(target))),
            I::RequireObject => (Op::RequireObject, annotation),
            I::CallSpread => (Op::CallSpread, annotation),
            I::CallThisSpread => (Op::CallThisSpread, annotation),
            I::NewSpread => (Op::NewSpread, annotation),
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
                (Op::Iter, Some(if is_annotated { annotate(json!({ "slot": slot })) } else { json!(slot) }))
            }
            I::IterNext { slot, target } => (Op::IterNext, Some(json!({ "slot": slot, "target": target }))),
            I::ThrowError { name: class, message } => {
                (Op::ThrowError, Some(json!({ "name": name(u32::from(class)), "message": name(message) })))
            }
            I::Class { derived } => (Op::Class, Some(json!({ "derived": derived }))),
            I::Method { is_static, name: method } => {
                (Op::Method, Some(json!({ "name": name(method), "static": is_static })))
            }
            I::Define { kind, is_static, private } => {
                (Op::Define, Some(json!({ "kind": kind.name(), "static": is_static, "private": private })))
            }
            I::PrivateGet(private) => (Op::PrivateGet, named(private, None)),
            I::PrivateSet(private) => (Op::PrivateSet, named(private, None)),
            I::PrivateInit(private) => (Op::PrivateInit, named(private, None)),
            I::PrivateIn(private) => (Op::PrivateIn, named(private, None)),
            I::NewTarget => (Op::NewTarget, None),
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
            I::Spread => (Op::Spread, annotation),
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

    fn global_name(&self, slot: u16) -> &str {
        self.functions.first().and_then(|global| global.slots.get(usize::from(slot))).map_or("", String::as_str)
    }

    fn function_summary(&self, number: u32) -> Json {
        let function = self.functions.get(number as usize);
        function.map_or(Json::Null, |function| json!({ "name": function.name, "entry": function.entry }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_json_lacks_round_trip() {
        for units in
            [vec![0xD800], vec![0, 0x5C, 0x41], vec![0xDC00, 0xD83D, 0xDE00], "plain \\ text".encode_utf16().collect()]
        {
            assert_eq!(decode_constant(&text(&units)), Some(BytecodeConstant::Text(units.into())));
        }
        for value in [0.0, -1.5, 1e300, f64::INFINITY, f64::NEG_INFINITY, 9_007_199_254_740_993.0] {
            assert_eq!(decode_constant(&number(value)), Some(BytecodeConstant::Number(value)));
        }
        assert!(matches!(decode_constant(&number(f64::NAN)), Some(BytecodeConstant::Number(n)) if n.is_nan()));
        assert!(
            matches!(decode_constant(&number(-0.0)), Some(BytecodeConstant::Number(n)) if n == 0.0 && n.is_sign_negative())
        );
    }

    #[test]
    fn integers_end_below_2_to_the_53rd() {
        let edge = 9_007_199_254_740_992.0_f64;
        for whole in [0.0, 1.0, edge - 1.0, 1.0 - edge] {
            assert!(number(whole).is_i64(), "{whole}");
        }
        for beyond in [edge, -edge, edge + 2.0, 18_446_744_073_709_551_616.0, 1e21, -1e300, f64::MAX] {
            assert!(number(beyond).is_f64(), "{beyond}");
            assert_eq!(runstate_value::check_storable(&number(beyond), 1), Ok(()));
        }
    }

    #[test]
    fn broken_constants_are_refused() {
        for bad in
            [json!({"$text": "\\u12"}), json!({"$text": "\\x"}), json!({"$number": "1"}), json!([]), json!({"a": 1})]
        {
            assert_eq!(decode_constant(&bad), None, "{bad}");
        }
    }
}
