//! Open calls in their saved form, and the checks that a saved open call must pass.

use serde_json::{Map, Value as Json, json};

use super::array::Array;
use super::entry_decoder::{self, ReadResult};
use super::globals::HostFunction;
use super::machine::{CallKey, CallRequest, Machine, SuspendedCall, SuspendedRequests};
use super::program::DecodedInstruction;
use super::value::Value;

impl Machine {
    /// The saved form of an open call without its operands.
    pub(super) fn encode_suspended_call(&self, open: &SuspendedCall) -> Map<String, Json> {
        let mut call = Map::new();
        match &open.requests {
            SuspendedRequests::Single(request) => {
                call.insert("kind".to_owned(), json!(request.kind));
                call.insert("prompt".to_owned(), json!(request.prompt));
                call.insert("options".to_owned(), request.options.clone());
                call.insert("instruction".to_owned(), json!(request.instruction));
                call.insert("line".to_owned(), json!(request.line));
                if !request.args.is_null() {
                    call.insert("args".to_owned(), request.args.clone());
                }
                if let Some(CallKey { key, occurrence }) = &request.key {
                    call.insert("key".to_owned(), json!(key));
                    call.insert("occurrence".to_owned(), json!(occurrence));
                }
            }
            SuspendedRequests::All(count) => {
                call.insert("together".to_owned(), json!(count));
                call.insert("instruction".to_owned(), json!(self.pc));
                call.insert("line".to_owned(), json!(self.line()));
            }
        }
        call
    }

    /// Checks an open call against the instruction that made it, and returns the number of operands of that instruction.
    pub(super) fn check_suspended_call(
        &self,
        open: &SuspendedCall,
        instruction: DecodedInstruction,
    ) -> ReadResult<u32> {
        let fits = match (&open.requests, instruction) {
            (SuspendedRequests::Single(_), DecodedInstruction::Ask { function: HostFunction::All, .. }) => false,
            (SuspendedRequests::Single(_), DecodedInstruction::Cc { .. } | DecodedInstruction::Ask { .. }) => true,
            (SuspendedRequests::All(count), DecodedInstruction::Ask { function: HostFunction::All, .. }) => {
                match open.operands.as_slice() {
                    [Value::Ref(list)] => *count > 0 && self.heap.array(*list).map(Array::len) == Some(*count),
                    _ => false,
                }
            }
            _ => false,
        };
        let taken = instruction.stack_effect().0;
        if fits && open.operands.len() == taken as usize {
            return Ok(taken);
        }
        Err("the open call does not match its instruction".to_owned())
    }
}

/// Reads the requests of an open call from their saved form.
pub(super) fn read_suspended_requests(call: &Json) -> ReadResult<SuspendedRequests> {
    if let Some(together) = call.get("together") {
        return Ok(SuspendedRequests::All(entry_decoder::number(together)? as usize));
    }
    let key = match call.get("key") {
        None => None,
        Some(key) => Some(CallKey {
            key: entry_decoder::string(key)?.to_owned(),
            occurrence: entry_decoder::number64(&call["occurrence"])?,
        }),
    };
    Ok(SuspendedRequests::Single(Box::new(CallRequest {
        kind: entry_decoder::string(&call["kind"])?.to_owned(),
        prompt: entry_decoder::string(&call["prompt"])?.to_owned(),
        args: call.get("args").cloned().unwrap_or_default(),
        key,
        options: call["options"].clone(),
        instruction: entry_decoder::number(&call["instruction"])?,
        line: entry_decoder::number(&call["line"])?,
    })))
}
