//! JSON forms of values that JSON cannot represent: `undefined`, some numbers, BigInts, and strings with NUL or lone
//! surrogates. Logs of single instructions get the next instruction in its wire form here.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::bigint::BigInt;
use super::globals::HostFunction;
use super::machine::Machine;
use super::op::{self, Op};
use super::program::{BytecodeConstant, DecodedInstruction, VerifiedProgram};
use super::value::WellKnownSymbol;

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
                ("$bigint", Json::String(text)) => BytecodeConstant::BigInt(BigInt::from_wire(text)?),
                ("$symbol", Json::String(name)) => BytecodeConstant::Symbol(WellKnownSymbol::from_name(name)?),
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
        BytecodeConstant::BigInt(value) => bigint(value),
    }
}

/// The wire form of a BigInt: `{"$bigint":"-ff"}`.
#[must_use]
pub fn bigint(value: &BigInt) -> Json {
    json!({ "$bigint": value.to_wire() })
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

impl Machine {
    /// The next instruction in its wire form: `{"op":n}`, with `"arg"` if it has one. A function is summarized by name
    /// and entry.
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

    /// The argument of an instruction that has a form of its own.
    fn own_argument(&self, instruction: DecodedInstruction) -> Option<Json> {
        use DecodedInstruction as I;
        match instruction {
            I::Cc { options } => options.then(|| json!(2)),
            I::Ask { function, argc } => Some(json!({ "name": function.name(), "argc": argc })),
            I::Open { function, argc } => {
                Some(json!({ "name": function.map_or("CC", HostFunction::name), "argc": argc }))
            }
            I::Builtin { name } => Some(json!(self.name(name))),
            I::Function(number) => Some(self.function_summary(number)),
            _ => Some(self.function_summary(0)),
        }
    }

    fn name(&self, index: u32) -> &str {
        self.names.get(index as usize).map_or("", |name| &**name)
    }

    /// The argument with the notes of an instruction.
    fn annotated(&self, at: u32, mut arg: Json) -> Json {
        if let Some(text) = self.callee_texts.get(&at) {
            arg["text"] = json!(&**text);
        }
        if let Some(promise_use) = self.promise_uses.get(&at) {
            arg["wait"] = json!(promise_use.name());
        }
        arg
    }

    fn global_name(&self, slot: u16) -> &str {
        self.functions.first().and_then(|global| global.slots.get(usize::from(slot))).map_or("", String::as_str)
    }

    fn function_summary(&self, number: u32) -> Json {
        let function = self.functions.get(number as usize);
        function.map_or(Json::Null, |function| json!({ "name": function.name, "entry": function.entry }))
    }
}

/// Encodes one operand; the registry names it.
macro_rules! operand {
    ($program:ident, $at:ident, constant $constant:ident) => {
        $program.constants.get($constant as usize).map_or(Json::Null, encode_constant)
    };
    ($program:ident, $at:ident, private_name $name:ident) => {
        $program.annotated($at, json!({ "name": $program.name($name) }))
    };
    ($program:ident, $at:ident, text $name:ident) => { json!($program.name($name)) };
    ($program:ident, $at:ident, name $name:ident) => { json!($program.name(u32::from($name))) };
    ($program:ident, $at:ident, pattern $name:ident) => { json!($program.name($name)) };
    ($program:ident, $at:ident, flags $name:ident) => { json!($program.name(u32::from($name))) };
    ($program:ident, $at:ident, message $name:ident) => { json!($program.name($name)) };
    ($program:ident, $at:ident, kind $kind:ident) => { json!($kind.name()) };
    ($program:ident, $at:ident, $operand:ident $value:ident) => { json!($value) };
}

/// The key of an operand in an argument that is an object.
macro_rules! key {
    (is_static) => {
        "static"
    };
    ($operand:ident) => {
        stringify!($operand)
    };
}

/// Encodes the argument of one operation.
macro_rules! argument {
    ($program:ident, $at:ident, $instruction:ident, own $($row:tt)*) => { $program.own_argument($instruction) };
    ($program:ident, $at:ident, $instruction:ident, noted $op:ident) => {
        Some($program.annotated($at, json!({}))).filter(|notes| *notes != json!({}))
    };
    ($program:ident, $at:ident, $instruction:ident, noted $op:ident $operand:tt) => {{
        let notes = $program.annotated($at, argument!(@object $program, $at, $operand));
        let is_bare = notes.as_object().is_some_and(|notes| notes.len() == 1);
        Some(if is_bare { argument!(@bare $operand) } else { notes })
    }};
    ($program:ident, $at:ident, $instruction:ident, $op:ident) => { None };
    ($program:ident, $at:ident, $instruction:ident, $op:ident ($operand:ident)) => {
        Some(operand!($program, $at, $operand $operand))
    };
    ($program:ident, $at:ident, $instruction:ident, $op:ident $operands:tt) => {
        Some($program.annotated($at, argument!(@object $program, $at, $operands)))
    };
    (@object $program:ident, $at:ident, ($operand:ident)) => { json!({ key!($operand): $operand }) };
    (@object $program:ident, $at:ident, { $($operand:ident)* }) => {
        json!({ $(key!($operand): operand!($program, $at, $operand $operand)),* })
    };
    (@bare ($operand:ident)) => { json!($operand) };
    (@bare { $operand:ident }) => { json!($operand) };
}

macro_rules! define_encoding {
    ($($(#[$doc:meta])* $op:ident $(($operand:ident: $type:ty))? $({ $($field:ident: $field_type:ty),* })?
        = $code:literal $name:literal $($form:ident)?: $pops:expr => $pushes:expr,)*) => {
        impl VerifiedProgram {
            /// The operation of an instruction and its argument.
            #[allow(unused_variables, reason = "an argument of an own form is encoded elsewhere")]
            pub(super) fn wire_form(&self, at: u32, instruction: DecodedInstruction) -> (Op, Option<Json>) {
                match instruction {
                    // By name, in a program without ENTER.
                    DecodedInstruction::LoadGlobal(slot) if self.named_globals => {
                        (Op::Load, Some(json!(self.global_name(slot))))
                    }
                    DecodedInstruction::Store(slot) if self.named_globals => {
                        (Op::Store, Some(json!(self.global_name(slot))))
                    }
                    $(DecodedInstruction::$op $(($operand))? $({ $($field),* })? => (
                        Op::$op,
                        argument!(self, at, instruction, $($form)? $op $(($operand))? $({ $($field)* })?),
                    ),)*
                }
            }
        }
    };
}

op::operations!(define_encoding);

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
