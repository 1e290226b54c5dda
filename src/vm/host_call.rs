//! Host calls: `call_spec.rs` reads the calls of an instruction from its operands. The machine counts them by key and
//! suspends until it receives their results.
//!
//! A single call is stored as a request. A group can have many calls, so only their number is stored; they are read again
//! from the operands when they are needed.

use std::collections::HashMap;

use serde_json::json;

use super::abrupt_completion::{AbruptCompletion, range_error, type_error};
use super::call_spec::{CENTURY_MS, CallSite, CallSpec, PayloadBudget, truncate_for_message};
use super::entry::Entry;
use super::globals::HostFunction;
use super::interpreter::InstructionOutcome;
use super::machine::{CallKey, CallRequest, Machine, StopReason, SuspendedCall, SuspendedRequests};
use super::program::DecodedInstruction;
use super::table::{Table, TableKind};
use super::value::{HeapRef, Value};
use crate::time::Timestamp;

type HostCallResult = Result<InstructionOutcome, AbruptCompletion>;

impl Machine {
    /// Runs an instruction that makes a host call. Its operands stay on the stack until no step can fail any more.
    pub(super) fn run_host_call(&mut self, instruction: DecodedInstruction) -> HostCallResult {
        let mut room = PayloadBudget::from_limits(&self.limits);
        let result = self.prepare_host_call(instruction, &mut room);
        if result.is_err() {
            // A successful call ends the slice. A failed one can be repeated, so its work is charged.
            self.charge_work(room.visited);
        }
        result
    }

    fn prepare_host_call(&mut self, instruction: DecodedInstruction, room: &mut PayloadBudget) -> HostCallResult {
        let from = self.stack.len().saturating_sub(instruction.stack_effect().0 as usize);
        let operand = |index: usize| self.stack.get(from + index).cloned().unwrap_or(Value::Undefined);
        let one = match instruction {
            DecodedInstruction::Ask { function: HostFunction::All, .. } => return self.prepare_call_group(from, room),
            DecodedInstruction::Ask { function: HostFunction::Call, argc } => {
                let mut one = CallSpec::new(&self.read_tool("the first argument of call(…)", &operand(0))?);
                if argc > 1 && !matches!(operand(1), Value::Undefined) {
                    one.args = self.read_json(CallSite::Call, "args", &operand(1), room)?;
                }
                if argc > 2 {
                    self.read_options(CallSite::Call, &operand(2), &mut one, room)?;
                }
                Some(one)
            }
            DecodedInstruction::Ask { function: HostFunction::Sleep, .. } => self.read_sleep(from)?,
            DecodedInstruction::Ask { function: HostFunction::SleepUntil, .. } => self.read_sleep_until(&operand(0))?,
            DecodedInstruction::Ask { function: what, .. } => {
                let mut args =
                    json!({ "path": self.read_text(&format!("the path of {}", what.name()), &operand(0), room)? });
                if what == HostFunction::WriteFile {
                    args["text"] = self.read_text("the text of fs.writeFile", &operand(1), room)?;
                }
                Some(CallSpec { args, ..CallSpec::new(what.name()) })
            }
            _ => {
                let mut one = CallSpec::new("cc");
                one.prompt = self.read_prompt(&self.to_text_at(from)?, room)?;
                if let DecodedInstruction::Cc { options: true } = instruction {
                    self.read_options(CallSite::Cc, &operand(1), &mut one, room)?;
                }
                Some(one)
            }
        };
        match one {
            Some(one) => Ok(self.suspend(from, vec![one], false)),
            // A timer that is already due needs no suspension.
            None => self.replace_operands(self.stack.len() - from, Value::Undefined),
        }
    }

    fn prepare_call_group(&mut self, from: usize, room: &mut PayloadBudget) -> HostCallResult {
        let list = self.stack.get(from).cloned().unwrap_or(Value::Undefined);
        let questions = self.read_call_specs(&list, room)?;
        if questions.is_empty() {
            let answers = self.heap.new_array(Vec::new());
            return self.replace_operands(1, Value::Ref(answers));
        }
        Ok(self.suspend(from, questions, true))
    }

    /// `sleep(ms)`; `None` where no wait is needed.
    fn read_sleep(&self, from: usize) -> Result<Option<CallSpec>, AbruptCompletion> {
        let ms = self.to_number_at(from)?;
        if ms.is_nan() || ms <= 0.0 {
            return Ok(None);
        }
        if ms > CENTURY_MS {
            return range_error("sleep waits at most 100 years");
        }
        // Rounded up: a timer never ends early.
        Ok(Some(CallSpec { options: json!({ "timeoutMs": ms.ceil() as i64 }), ..CallSpec::new("timer") }))
    }

    /// `sleepUntil(time)`; `None` for a time that has passed.
    fn read_sleep_until(&self, moment: &Value) -> Result<Option<CallSpec>, AbruptCompletion> {
        let ms = match moment {
            Value::Number(ms) if !ms.is_nan() => Some(ms.ceil()),
            Value::Text(text) => Timestamp::from_rfc3339(&text.to_utf8()).map(|moment| moment.as_millis() as f64),
            _ => None,
        };
        let Some(ms) = ms else {
            let message = "sleepUntil takes milliseconds since 1970 or a string such as \"2030-01-31T09:00:00Z\"";
            return type_error(format!("{message}, not {}", truncate_for_message(&self.display_text(moment))));
        };
        if ms <= self.now_ms as f64 {
            return Ok(None);
        }
        if ms - self.now_ms as f64 > CENTURY_MS {
            return range_error("sleepUntil waits at most 100 years");
        }
        Ok(Some(CallSpec { options: json!({ "until": ms as i64 }), ..CallSpec::new("timer") }))
    }

    /// Suspends at these calls. No step fails from here on.
    fn suspend(&mut self, from: usize, questions: Vec<CallSpec>, together: bool) -> InstructionOutcome {
        self.calls += questions.len() as u64;
        for question in &questions {
            if let Some(key) = &question.key {
                let count = self.key_count(key).saturating_add(1);
                self.set_key_count(key, count);
            }
        }
        let mut requests = self.build_requests(questions);
        let operands = self.stack.split_off(from);
        let (asked, stop) = match requests.pop() {
            Some(request) if !together => {
                (SuspendedRequests::Single(Box::new(request.clone())), StopReason::Call(request))
            }
            last => {
                requests.extend(last);
                (SuspendedRequests::All(requests.len()), StopReason::Calls(requests))
            }
        };
        self.suspended_call = Some(SuspendedCall { requests: asked, operands });
        InstructionOutcome::Stop(Box::new(stop))
    }

    /// The requests for the host. The keys are already counted.
    fn build_requests(&self, questions: Vec<CallSpec>) -> Vec<CallRequest> {
        let (instruction, line) = (self.pc, self.line());
        let mut later: HashMap<String, u64> = HashMap::new();
        let mut requests: Vec<CallRequest> = Vec::with_capacity(questions.len());
        // Backwards: of several calls with the same key the last was counted last.
        for CallSpec { kind, prompt, args, options, key } in questions.into_iter().rev() {
            let key = key.map(|key| {
                let behind = later.entry(key.clone()).or_default();
                let occurrence = self.key_count(&key).saturating_sub(*behind);
                *behind += 1;
                CallKey { key, occurrence }
            });
            requests.push(CallRequest { kind, prompt, args, key, options, instruction, line });
        }
        requests.reverse();
        requests
    }

    /// Builds the stop at the open calls again.
    pub(super) fn current_call_stop(&self, open: &SuspendedCall) -> StopReason {
        match open.requests {
            SuspendedRequests::Single(ref request) => StopReason::Call((**request).clone()),
            SuspendedRequests::All(count) => match self.reread_call_specs(open) {
                Some(questions) if questions.len() == count => StopReason::Calls(self.build_requests(questions)),
                _ => StopReason::Failed(
                    self.to_failure(&AbruptCompletion::Internal("open calls that cannot be read again")),
                ),
            },
        }
    }

    fn reread_call_specs(&self, open: &SuspendedCall) -> Option<Vec<CallSpec>> {
        self.read_call_specs(open.operands.first()?, &mut PayloadBudget::for_reread()).ok()
    }

    /// Retracts the calls of this slice, which no reader has seen.
    pub(super) fn retract_calls(&mut self) {
        let Some(open) = self.suspended_call.take() else { return };
        let keys: Vec<String> = match &open.requests {
            SuspendedRequests::Single(request) => request.key.iter().map(|keyed| keyed.key.clone()).collect(),
            SuspendedRequests::All(_) => {
                self.reread_call_specs(&open).into_iter().flatten().filter_map(|question| question.key).collect()
            }
        };
        for key in keys {
            let count = self.key_count(&key).saturating_sub(1);
            self.set_key_count(&key, count);
        }
        self.calls = self.calls.saturating_sub(open.count() as u64);
        self.stack.extend(open.operands);
    }

    /// The number of calls made with a key.
    fn key_count(&self, key: &str) -> u64 {
        let table = self.heap.table(self.key_counts, TableKind::Main);
        match table.and_then(|table| self.heap.table_get(table, &Value::text(key))) {
            Some(Value::Number(count)) => count as u64,
            _ => 0,
        }
    }

    fn set_key_count(&mut self, key: &str, count: u64) {
        if self.key_counts == HeapRef::NONE {
            self.key_counts = self.heap.allocate(Entry::Map(Box::new(Table::numbered())));
        }
        self.heap.table_set(self.key_counts, TableKind::Main, Value::text(key), Value::Number(count as f64));
    }
}
