//! Open calls: host calls whose answers settle promises, while other tasks run.

use std::sync::Arc;

use runstate_value::json_bytes;
use serde_json::{Value as Json, json};

use super::abrupt_completion::{self, AbruptCompletion, range_error};
use super::entry::Entry;
use super::entry_decoder::{self, ReadResult};
use super::entry_encoder::EntryEncoder;
use super::failed_call;
use super::globals::HostFunction;
use super::host_call;
use super::json as json_conversion;
use super::limits::{ExceededLimit, MAX_OPEN_CALLS};
use super::machine::{CallRequest, Machine, MachineFailure, REJECTION_WORK, Reply, StopReason, SuspendedCall};
use super::promise::{self, PromiseState, Reaction, ReactionKind};
use super::value::{HeapRef, Value};

/// A call that is open while the tasks of the program continue.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingCall {
    /// [`Machine::calls`] directly after the call was made.
    pub number: u64,
    /// The call.
    pub request: Arc<CallRequest>,
    /// Whether it was made after the last [`Machine::acknowledge_calls`].
    pub is_new: bool,
    /// Whether the running function waits for it. All others are awaited by suspended functions, or by none.
    pub is_blocking: bool,
}

/// The progress of an open call.
#[derive(Debug, Clone)]
pub(super) enum CallProgress {
    /// It waits for its answer.
    Open,
    /// It failed with this error, which ends the program when no job is left.
    Failed(Value),
    /// The program failed at it. It is made again when the machine runs.
    Repeated,
}

/// An open call and the promise that its answer settles.
#[derive(Debug, Clone)]
pub(super) struct OpenRequest {
    pub(super) number: u64,
    pub(super) request: Arc<CallRequest>,
    pub(super) promise: HeapRef,
    /// The position of its answer in the list of a `CC.all`.
    pub(super) index: Option<u32>,
    /// The signal that cancels it, or nothing.
    pub(super) signal: HeapRef,
    /// Whether it is a timer of `setTimeout`.
    is_timeout: bool,
    /// Whether the program completes without it: a timer of `AbortSignal.timeout`.
    pub(super) is_unawaited: bool,
    pub(super) progress: CallProgress,
    /// Size of the request.
    bytes: u64,
}

impl OpenRequest {
    fn new(number: u64, request: CallRequest, promise: HeapRef, index: Option<u32>) -> OpenRequest {
        let bytes = request_bytes(&request);
        let signal = HeapRef::NONE;
        let request = Arc::new(request);
        let progress = CallProgress::Open;
        OpenRequest { number, request, promise, index, signal, is_timeout: false, is_unawaited: false, progress, bytes }
    }

    /// Whether it waits for its answer.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.progress, CallProgress::Open)
    }

    pub(super) fn encode(&self, encoder: &mut EntryEncoder<'_>) -> Json {
        let mut encoded = host_call::encode_request(&self.request);
        encoded.insert("number".to_owned(), json!(self.number));
        encoded.insert("promise".to_owned(), encoder.reference(self.promise));
        if let Some(index) = self.index {
            encoded.insert("index".to_owned(), json!(index));
        }
        if self.is_timeout {
            encoded.insert("timeout".to_owned(), json!(true));
        }
        if self.is_unawaited {
            encoded.insert("unawaited".to_owned(), json!(true));
        }
        if self.signal != HeapRef::NONE {
            encoded.insert("signal".to_owned(), encoder.reference(self.signal));
        }
        match &self.progress {
            CallProgress::Open => {}
            CallProgress::Failed(error) => {
                encoded.insert("failed".to_owned(), encoder.value(error));
            }
            CallProgress::Repeated => {
                encoded.insert("repeated".to_owned(), json!(true));
            }
        }
        Json::Object(encoded)
    }

    pub(super) fn decode(machine: &Machine, call: &Json) -> ReadResult<OpenRequest> {
        let promise = entry_decoder::reference(&call["promise"])?;
        if !matches!(machine.heap.get(promise), Entry::Promise(_)) {
            return Err("an open call without its promise".to_owned());
        }
        let index = call.get("index").map(entry_decoder::number).transpose()?;
        let number = entry_decoder::number64(&call["number"])?;
        let (is_timeout, is_unawaited) = (call.get("timeout").is_some(), call.get("unawaited").is_some());
        let signal = call.get("signal").map(entry_decoder::reference).transpose()?.unwrap_or_default();
        let progress = match call.get("failed").map(entry_decoder::value).transpose()? {
            Some(error) => CallProgress::Failed(error),
            None if call.get("repeated").is_some() => CallProgress::Repeated,
            None => CallProgress::Open,
        };
        Ok(OpenRequest {
            progress,
            signal,
            is_timeout,
            is_unawaited,
            ..OpenRequest::new(number, host_call::read_request(call)?, promise, index)
        })
    }
}

fn request_bytes(request: &CallRequest) -> u64 {
    (request.prompt.len() + json_bytes(&request.args) + json_bytes(&request.options)) as u64
}

/// Checks that these requests may be open together with those that are.
pub(super) fn check_room(machine: &Machine, count: usize, bytes: u64) -> Result<(), AbruptCompletion> {
    let open = &machine.tasks.open_calls;
    if open.len() + count > MAX_OPEN_CALLS {
        return range_error(format!("at most {MAX_OPEN_CALLS} calls are open at once, not {}", open.len() + count));
    }
    let total = bytes + open.iter().map(|call| call.bytes).sum::<u64>();
    if total > machine.limits.call_group_bytes() {
        return Err(ExceededLimit::CallGroupBytes.into());
    }
    Ok(())
}

/// Opens calls that were counted, with the signals that cancel them. Their promise is settled with the answer, or with
/// the list of answers of a group.
pub(super) fn open_calls(
    machine: &mut Machine,
    requests: Vec<CallRequest>,
    signals: &[HeapRef],
    is_group: bool,
) -> HeapRef {
    let promise = promise::new_promise(machine);
    if is_group {
        let answers = machine.heap.new_array(vec![Value::Undefined; requests.len()]);
        let group = machine.heap.new_array(vec![Value::Ref(answers), Value::Undefined, Value::Undefined]);
        if let Some(Entry::Promise(promise)) = machine.heap.get_mut(promise) {
            promise.value = Value::Ref(group);
        }
    }
    let first = machine.calls.saturating_sub(requests.len() as u64) + 1;
    for ((number, (index, request)), signal) in (first..).zip((0u32..).zip(requests)).zip(signals) {
        let call = OpenRequest::new(number, request, promise, is_group.then_some(index));
        machine.tasks.open_calls.push(OpenRequest { signal: *signal, ..call });
    }
    promise
}

/// `setTimeout` and `AbortSignal.timeout`: opens a timer that calls a function, and returns its number.
pub(super) fn open_timeout(
    machine: &mut Machine,
    callback: Value,
    ms: f64,
    is_unawaited: bool,
) -> Result<u64, AbruptCompletion> {
    let options = json!({ "timeoutMs": ms as u64 });
    check_room(machine, 1, json_bytes(&options) as u64)?;
    let (promise, derived) = (promise::new_promise(machine), promise::new_promise(machine));
    let values = [callback, Value::Undefined];
    promise::add_reaction(machine, promise, Reaction { values, ..Reaction::new(ReactionKind::Finally, derived) })?;
    machine.calls += 1;
    let instruction = machine.pc;
    let line = machine.program.location(abrupt_completion::traced_pc(machine)).line;
    let (kind, prompt) = ("timer".to_owned(), String::new());
    let request = CallRequest { kind, prompt, args: Json::Null, key: None, options, instruction, line };
    let request =
        OpenRequest { is_timeout: true, is_unawaited, ..OpenRequest::new(machine.calls, request, promise, None) };
    machine.tasks.open_calls.push(request);
    Ok(machine.calls)
}

/// `clearTimeout`: the function of the timer is not called. The call is not open any more.
pub(super) fn clear_timeout(machine: &mut Machine, number: f64) {
    machine.tasks.open_calls.retain(|call| !call.is_timeout || call.number as f64 != number);
    machine.tasks.due_timeouts.retain(|(due, _)| *due as f64 != number);
}

/// Closes the calls of a signal that was aborted, and rejects their promises. A group is rejected when its last call is
/// closed.
pub(super) fn cancel_calls(machine: &mut Machine, signal: HeapRef, reason: &Value) -> Result<(), AbruptCompletion> {
    let open = std::mem::take(&mut machine.tasks.open_calls);
    let (cancelled, open) = open.into_iter().partition(|call| call.signal == signal);
    machine.tasks.open_calls = open;
    let cancelled: Vec<OpenRequest> = cancelled;
    for call in cancelled {
        machine.finish_call(&call, Err(reason.clone()))?;
    }
    Ok(())
}

/// Continues after a blocking call whose promise is settled. Otherwise the machine stops at all open calls.
pub(super) fn leave_blocking_call(machine: &mut Machine, promise: HeapRef) -> Option<StopReason> {
    let (state, value) = match promise::promise_state(machine, promise) {
        Ok((PromiseState::Pending, _)) if machine.tasks.open_calls.iter().any(OpenRequest::is_open) => {
            return Some(StopReason::Waiting(machine.open_calls()));
        }
        Ok((PromiseState::Pending, _)) => {
            let completion = AbruptCompletion::Internal("a blocking call that is not open");
            return Some(StopReason::Failed(abrupt_completion::to_failure(machine, &completion)));
        }
        Ok(settled) => settled,
        Err(completion) => return Some(StopReason::Failed(abrupt_completion::to_failure(machine, &completion))),
    };
    let SuspendedCall { operands, .. } = machine.suspended_call.take()?;
    if state == PromiseState::Rejected {
        machine.stack.extend(operands);
        machine.pending = Some(value);
    } else {
        machine.stack.push(value);
        machine.pc += 1;
    }
    None
}

impl Machine {
    /// The open calls in order of number, without a blocking call that was made while no other was open.
    #[must_use]
    pub fn open_calls(&self) -> Vec<PendingCall> {
        let blocking = self.suspended_call.as_ref().and_then(SuspendedCall::promise).unwrap_or_default();
        let open = self.tasks.open_calls.iter().filter(|call| call.is_open());
        let calls = open.map(|call| PendingCall {
            number: call.number,
            request: Arc::clone(&call.request),
            is_new: call.number > self.tasks.acknowledged,
            is_blocking: call.promise == blocking,
        });
        calls.collect()
    }

    /// The functions that await an open call, innermost first, as lines of a stack trace: `at async f (line:column)`.
    #[must_use]
    pub fn list_waiting_functions(&self, number: u64) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(call) = self.tasks.open_calls.iter().find(|call| call.number == number) {
            abrupt_completion::append_async_lines(self, call.promise, &mut lines);
        }
        lines
    }

    /// Records that the host has created all open calls. They are not new any more.
    pub fn acknowledge_calls(&mut self) {
        self.tasks.acknowledged = self.calls;
    }

    /// Delivers the result of one open call. [`Machine::run`] then continues the functions that await it.
    ///
    /// # Errors
    /// A number that is not open, and a value that is nested too deep or too large for the limits. The machine is
    /// unchanged then.
    pub fn settle(&mut self, number: u64, reply: &Reply) -> Result<(), MachineFailure> {
        let Some(position) = self.tasks.open_calls.iter().position(|call| call.is_open() && call.number == number)
        else {
            let completion = AbruptCompletion::Internal("the result of a call that is not open");
            return Err(abrupt_completion::to_failure(self, &completion));
        };
        let request = self.tasks.open_calls.get(position).map(|call| Arc::clone(&call.request));
        let has_value = request.as_ref().is_some_and(|request| !HostFunction::is_without_value(&request.kind));
        let value = match reply {
            Reply::Value(value) if has_value => match json_conversion::value_from_json(self, value) {
                Ok(value) => value,
                Err(completion) => return Err(abrupt_completion::to_failure(self, &completion)),
            },
            _ => Value::Undefined,
        };
        let is_fatal = matches!(reply, Reply::Error { .. }) && self.is_fatal_error(position);
        let mut result = Ok(value);
        if let (Reply::Error { name, message }, Some(request)) = (reply, request) {
            let error = abrupt_completion::new_call_error(self, name, message);
            abrupt_completion::set_trace(self, &error, request.instruction);
            if let Some(call) = self.tasks.open_calls.get_mut(position).filter(|_| is_fatal) {
                call.progress = CallProgress::Failed(error);
                self.heap.seal();
                return Ok(());
            }
            result = Err(error);
        }
        let call = self.tasks.open_calls.remove(position);
        if call.is_timeout {
            // Each function of a timer runs when no job is left.
            self.tasks.due_timeouts.push((number, call.promise));
            self.heap.seal();
            return Ok(());
        }
        self.finish_call(&call, result)
            .map_err(|limit| abrupt_completion::to_failure(self, &AbruptCompletion::Limit(limit)))?;
        self.heap.seal();
        Ok(())
    }

    /// Whether an error of an open call ends the program. The running function receives that of a blocking call.
    fn is_fatal_error(&self, position: usize) -> bool {
        let blocking = self.suspended_call.as_ref().and_then(SuspendedCall::promise);
        let call = self.tasks.open_calls.get(position);
        call.is_some_and(|call| Some(call.promise) != blocking && failed_call::is_fatal_rejection(self, call.promise))
    }

    /// Settles the promise of a call that is not open any more, unless other calls of its group are.
    pub(super) fn finish_call(
        &mut self,
        call: &OpenRequest,
        result: Result<Value, Value>,
    ) -> Result<(), ExceededLimit> {
        let result = match call.index {
            Some(index) => self.add_to_group(call.promise, index, result)?,
            None => Some(result),
        };
        match result {
            Some(Ok(value)) => promise::fulfill(self, call.promise, value),
            Some(Err(error)) => promise::reject(self, call.promise, error),
            None => {}
        }
        Ok(())
    }

    /// Adds a result to a group. After the last one, returns the list of answers, or the first error in the order of
    /// the calls.
    fn add_to_group(
        &mut self,
        promise: HeapRef,
        index: u32,
        result: Result<Value, Value>,
    ) -> Result<Option<Result<Value, Value>>, ExceededLimit> {
        let Ok((PromiseState::Pending, Value::Ref(group))) = promise::promise_state(self, promise) else {
            return Ok(None);
        };
        let (answers, failed) = (self.heap.element(group, 0), self.heap.element(group, 1));
        let changes = match (result, &answers) {
            (Ok(value), Value::Ref(answers)) => vec![(*answers, index as usize, value)],
            (Err(error), _) if !matches!(failed, Value::Number(first) if first < f64::from(index)) => {
                vec![(group, 1, Value::Number(f64::from(index))), (group, 2, error)]
            }
            _ => Vec::new(),
        };
        for (list, at, value) in changes {
            // The list has a place for each answer, unless the state is damaged.
            if at < self.heap.array_len(list) {
                self.heap.set_element(list, at, value)?;
            }
        }
        if self.tasks.open_calls.iter().any(|other| other.promise == promise) {
            return Ok(None);
        }
        Ok(Some(match self.heap.element(group, 1) {
            Value::Undefined => Ok(answers),
            _ => Err(self.heap.element(group, 2)),
        }))
    }

    /// As [`Machine::settle`] with an error, for a call that the host refused to create.
    ///
    /// # Errors
    /// As [`Machine::settle`].
    pub fn reject_open_call(&mut self, number: u64, name: &str, message: &str) -> Result<(), MachineFailure> {
        self.settle(number, &Reply::Error { name: name.to_owned(), message: message.to_owned() })?;
        self.charge_work(REJECTION_WORK);
        Ok(())
    }
}
