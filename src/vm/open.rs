//! Open calls in their saved form, and what they must be to be believed.

use serde_json::{Map, Value as Json, json};

use super::array::Array;
use super::globals::Ask;
use super::machine::{Asked, CallRequest, Keyed, Machine, OpenCall};
use super::program::Instruction;
use super::read::{self, Read};
use super::value::Value;

impl Machine {
    /// What is open, without its operands.
    pub(super) fn call_of(&self, open: &OpenCall) -> Map<String, Json> {
        let mut call = Map::new();
        match &open.asked {
            Asked::One(request) => {
                call.insert("kind".to_owned(), json!(request.kind));
                call.insert("prompt".to_owned(), json!(request.prompt));
                call.insert("options".to_owned(), request.options.clone());
                call.insert("instruction".to_owned(), json!(request.instruction));
                call.insert("line".to_owned(), json!(request.line));
                if !request.args.is_null() {
                    call.insert("args".to_owned(), request.args.clone());
                }
                if let Some(Keyed { key, occurrence }) = &request.key {
                    call.insert("key".to_owned(), json!(key));
                    call.insert("occurrence".to_owned(), json!(occurrence));
                }
            }
            Asked::Together(count) => {
                call.insert("together".to_owned(), json!(count));
                call.insert("instruction".to_owned(), json!(self.pc));
                call.insert("line".to_owned(), json!(self.line()));
            }
        }
        call
    }

    /// Checks what is open against the instruction that asked, and says how many operands that took.
    pub(super) fn check_open(&self, open: &OpenCall, instruction: Instruction) -> Read<u32> {
        let fits = match (&open.asked, instruction) {
            (Asked::One(_), Instruction::Ask { what: Ask::All, .. }) => false,
            (Asked::One(_), Instruction::Cc { .. } | Instruction::Ask { .. }) => true,
            (Asked::Together(count), Instruction::Ask { what: Ask::All, .. }) => match open.operands.as_slice() {
                [Value::Ref(list)] => *count > 0 && self.heap.array(*list).map(Array::len) == Some(*count),
                _ => false,
            },
            _ => false,
        };
        let taken = instruction.effect().0;
        if fits && open.operands.len() == taken as usize {
            return Ok(taken);
        }
        Err("a call is open at an instruction that does not ask so".to_owned())
    }
}

/// What is open, from its saved form.
pub(super) fn read_asked(call: &Json) -> Read<Asked> {
    if let Some(together) = call.get("together") {
        return Ok(Asked::Together(read::number(together)? as usize));
    }
    let key = match call.get("key") {
        None => None,
        Some(key) => Some(Keyed { key: read::word(key)?.to_owned(), occurrence: read::number64(&call["occurrence"])? }),
    };
    Ok(Asked::One(Box::new(CallRequest {
        kind: read::word(&call["kind"])?.to_owned(),
        prompt: read::word(&call["prompt"])?.to_owned(),
        args: call.get("args").cloned().unwrap_or_default(),
        key,
        options: call["options"].clone(),
        instruction: read::number(&call["instruction"])?,
        line: read::number(&call["line"])?,
    })))
}
