//! Open calls: the host calls that the machine waits for, in the order in which the program made them. The answer of a
//! call settles a promise, or continues the function that runs and blocks on the call. The table that keeps them is in
//! `open_call_table.rs`.

use std::collections::HashMap;
use std::sync::Arc;

use runstate_value::json_bytes;
use runstate_value::time::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::abrupt_completion::{self, AbruptCompletion, Completion, range_error};
use super::array::Array;
use super::entry::Entry;
use super::entry_decoder::{self, ReadResult};
use super::entry_encoder::{EntryEncoder, put};
use super::failed_call;
use super::globals::HostFunction;
use super::host_call;
use super::json as json_conversion;
use super::limits::{ExceededLimit, MAX_OPEN_CALLS};
use super::machine::{CallKey, CallRequest, Machine, MachineFailure, REJECTION_WORK, Reply, StopReason, SuspendedCall};
use super::object::ErrorKind;
use super::program::DecodedInstruction;
use super::promise::{self, PromiseState, Reaction, ReactionKind};
use super::table::TableKind;
use super::value::{HeapRef, Value};

/// A call that the host refuses to create, and the error that its program gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The number of the call.
    pub number: u64,
    /// The name of the error.
    pub name: &'static str,
    /// Its message.
    pub message: String,
}

/// A call that the machine waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingCall {
    /// [`Machine::calls`] directly after the call was made.
    pub number: u64,
    /// The call.
    pub request: Arc<CallRequest>,
    /// Its position in the list of a `CC.all`.
    pub index: Option<u32>,
    /// The record of the host, once it has created the call.
    pub record: Option<Arc<CallRecord>>,
    /// Whether the running function waits for it. All others are awaited by suspended functions, or by none.
    pub is_blocking: bool,
}

/// What the host has stored of a call, so that it finds the call again. The machine keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// The id of the call.
    pub id: String,
    /// When the call was made.
    pub requested_at: Timestamp,
    /// The deadline of the call.
    pub deadline: Option<Timestamp>,
}

impl CallRecord {
    fn encode(&self) -> Json {
        match self.deadline {
            Some(deadline) => json!([self.id, self.requested_at.as_millis(), deadline.as_millis()]),
            None => json!([self.id, self.requested_at.as_millis()]),
        }
    }

    fn decode(record: &Json) -> ReadResult<CallRecord> {
        let time =
            |json: &Json| json.as_i64().map(Timestamp::from_millis).ok_or("a time of a call is missing".to_owned());
        Ok(CallRecord {
            id: entry_decoder::string(&record[0])?.to_owned(),
            requested_at: time(&record[1])?,
            deadline: record.get(2).map(time).transpose()?,
        })
    }
}

/// Size of the saved form of a call beside its request, in bytes: numbers, names and the record.
const CALL_OVERHEAD: u64 = 256;

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

/// An open call and the receiver of its answer.
#[derive(Debug, Clone)]
pub(super) struct OpenRequest {
    pub(super) number: u64,
    pub(super) request: Arc<CallRequest>,
    pub(super) record: Option<Arc<CallRecord>>,
    /// The promise that its answer settles; [`HeapRef::NONE`]: the running function waits for it.
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
        OpenRequest {
            number,
            bytes: request_bytes(&request),
            request: Arc::new(request),
            record: None,
            promise,
            index,
            signal: HeapRef::NONE,
            is_timeout: false,
            is_unawaited: false,
            progress: CallProgress::Open,
        }
    }

    /// Whether it waits for its answer.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.progress, CallProgress::Open)
    }

    /// Whether the running function waits for it.
    pub(super) fn is_blocking(&self) -> bool {
        self.promise == HeapRef::NONE
    }

    /// The saved form in the head and in the state hash, which has no times and no ids.
    pub(super) fn encode(&self, encoder: &mut EntryEncoder<'_>) -> Json {
        let mut encoded = self.encode_data(!encoder.is_canonical());
        put(&mut encoded, "promise", encoder.optional_reference(self.promise));
        put(&mut encoded, "signal", encoder.optional_reference(self.signal));
        if let CallProgress::Failed(error) = &self.progress {
            put(&mut encoded, "failed", encoder.value(error));
        }
        Json::Object(encoded)
    }

    /// The saved form but for what refers to the heap.
    fn encode_data(&self, with_record: bool) -> Map<String, Json> {
        let mut encoded = host_call::encode_request(&self.request);
        put(&mut encoded, "number", json!(self.number));
        let record = self.record.as_ref().filter(|_| with_record);
        put(&mut encoded, "record", record.map(|record| record.encode()));
        put(&mut encoded, "index", self.index.map(Json::from));
        put(&mut encoded, "timeout", self.is_timeout.then_some(Json::Bool(true)));
        put(&mut encoded, "unawaited", self.is_unawaited.then_some(Json::Bool(true)));
        put(&mut encoded, "repeated", matches!(self.progress, CallProgress::Repeated).then_some(Json::Bool(true)));
        encoded
    }

    /// The elements of its array in the heap.
    pub(super) fn encode_elements(&self) -> Vec<Value> {
        let reference = |at: HeapRef| if at == HeapRef::NONE { Value::Undefined } else { Value::Ref(at) };
        let text = Json::Object(self.encode_data(true)).to_string();
        let mut elements = vec![Value::text(&text), reference(self.promise), reference(self.signal)];
        if let CallProgress::Failed(error) = &self.progress {
            elements.push(error.clone());
        }
        elements
    }

    pub(super) fn decode(machine: &Machine, call: &Json) -> ReadResult<OpenRequest> {
        let reference = |name| call.get(name).map(entry_decoder::reference).transpose().map(Option::unwrap_or_default);
        let (promise, signal) = (reference("promise")?, reference("signal")?);
        let error = call.get("failed").map(entry_decoder::value).transpose()?;
        OpenRequest::decode_data(machine, call, promise, signal, error)
    }

    pub(super) fn decode_elements(machine: &Machine, elements: HeapRef) -> ReadResult<OpenRequest> {
        let element = |index| machine.heap.element(elements, index);
        let reference = |index| if let Value::Ref(at) = element(index) { at } else { HeapRef::NONE };
        let error = Some(element(3)).filter(|error| !matches!(error, Value::Hole));
        let Value::Text(text) = element(0) else { return Err("an open call without its request".to_owned()) };
        let data = serde_json::from_str(&text.to_string()).map_err(|error| format!("an open call: {error}"))?;
        let call = OpenRequest::decode_data(machine, &data, reference(1), reference(2), error)?;
        if call.is_blocking() { Err("an open call in the heap without its promise".to_owned()) } else { Ok(call) }
    }

    fn decode_data(
        machine: &Machine,
        data: &Json,
        promise: HeapRef,
        signal: HeapRef,
        error: Option<Value>,
    ) -> ReadResult<OpenRequest> {
        if promise != HeapRef::NONE && !matches!(machine.heap.get(promise), Entry::Promise(_)) {
            return Err("an open call without its promise".to_owned());
        }
        let index = data.get("index").map(entry_decoder::number).transpose()?;
        let number = entry_decoder::number64(&data["number"])?;
        Ok(OpenRequest {
            record: data.get("record").map(CallRecord::decode).transpose()?.map(Arc::new),
            progress: match error {
                Some(error) => CallProgress::Failed(error),
                None if data.get("repeated").is_some() => CallProgress::Repeated,
                None => CallProgress::Open,
            },
            signal,
            is_timeout: data.get("timeout").is_some(),
            is_unawaited: data.get("unawaited").is_some(),
            ..OpenRequest::new(number, host_call::read_request(data)?, promise, index)
        })
    }
}

fn request_bytes(request: &CallRequest) -> u64 {
    (request.prompt.len() + json_bytes(&request.args) + json_bytes(&request.options)) as u64
}

/// Checks that these requests may be open together with those that are.
pub(super) fn check_room(machine: &Machine, count: usize, bytes: u64) -> Completion {
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

/// Opens calls that were counted, with the signals that cancel them, and returns the promise of the answer, or of the
/// list of answers of a group.
pub(super) fn open_calls(
    machine: &mut Machine,
    requests: Vec<CallRequest>,
    signals: &[HeapRef],
    is_group: bool,
) -> HeapRef {
    let promise = promise::new_promise(machine);
    if is_group {
        let group = new_group(machine, requests.len());
        if let Some(Entry::Promise(promise)) = machine.heap.get_mut(promise) {
            promise.value = Value::Ref(group);
        }
    }
    append_calls(machine, requests, signals, is_group, promise);
    promise
}

/// The place of the answers to a group of calls: the list of answers, the index of the first call that failed, and its
/// error.
fn new_group(machine: &mut Machine, count: usize) -> HeapRef {
    let answers = machine.heap.new_array(vec![Value::Undefined; count]);
    machine.heap.new_array(vec![Value::Ref(answers), Value::Undefined, Value::Undefined])
}

/// Opens calls that were counted, on which the running function blocks at an instruction with these operands.
pub(super) fn suspend(
    machine: &mut Machine,
    requests: Vec<CallRequest>,
    operands: Vec<Value>,
    is_group: bool,
) -> StopReason {
    let signals = vec![HeapRef::NONE; requests.len()];
    append_calls(machine, requests, &signals, is_group, HeapRef::NONE);
    machine.suspended_call = Some(SuspendedCall { operands, answers: HeapRef::NONE });
    StopReason::Waiting(machine.open_calls())
}

fn append_calls(
    machine: &mut Machine,
    requests: Vec<CallRequest>,
    signals: &[HeapRef],
    is_group: bool,
    promise: HeapRef,
) {
    let first = machine.calls.saturating_sub(requests.len() as u64) + 1;
    for ((number, (index, request)), signal) in (first..).zip((0u32..).zip(requests)).zip(signals) {
        let call = OpenRequest::new(number, request, promise, is_group.then_some(index));
        machine.tasks.open_calls.add(&mut machine.heap, OpenRequest { signal: *signal, ..call });
    }
}

/// `setTimeout` and `AbortSignal.timeout`: opens a timer that calls a function, and returns its number.
pub(super) fn open_timeout(machine: &mut Machine, callback: Value, ms: f64, is_unawaited: bool) -> Completion<u64> {
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
    machine.tasks.open_calls.add(&mut machine.heap, request);
    Ok(machine.calls)
}

/// `clearTimeout`: the function of the timer is not called. The call is not open any more.
pub(super) fn clear_timeout(machine: &mut Machine, number: f64) {
    machine.cancel_calls(|call| call.is_timeout && call.number as f64 == number);
    machine.tasks.due_timeouts.retain(|(due, _)| *due as f64 != number);
}

/// Closes the calls of a signal that was aborted, and rejects their promises. A group is rejected when its last call is
/// closed.
pub(super) fn cancel_calls(machine: &mut Machine, signal: HeapRef, reason: &Value) -> Completion {
    let cancelled = machine.cancel_calls(|call| call.signal == signal);
    for call in cancelled {
        machine.finish_call(&call, Err(reason.clone()))?;
    }
    Ok(())
}

/// Does not count the keys of calls that have ended before the host has made them: an answer to the next call with
/// that key would be one to a call that was never seen. Later calls with the key, which it has not made either, move
/// up.
fn uncount_unmade(machine: &mut Machine, ended: &[OpenRequest]) {
    let is_unmade = |call: &OpenRequest| call.is_open() && call.record.is_none();
    let mut uncounted: HashMap<String, Vec<u64>> = HashMap::new();
    for call in ended.iter().rev().filter(|call| is_unmade(call)) {
        let Some(CallKey { key, occurrence }) = &call.request.key else { continue };
        // A discarded heap has no counts.
        if host_call::key_count(machine, key) >= *occurrence {
            host_call::uncount_key(machine, key);
            uncounted.entry(key.clone()).or_default().push(*occurrence);
        }
    }
    if uncounted.is_empty() {
        return;
    }
    let moved = |call: &OpenRequest| {
        let CallKey { key, occurrence } = call.request.key.as_ref().filter(|_| is_unmade(call))?;
        let earlier = uncounted.get(key)?.iter().filter(|ended| *ended < occurrence).count() as u64;
        (earlier > 0).then_some(earlier)
    };
    let open = machine.tasks.open_calls.iter().enumerate();
    let later: Vec<(usize, u64)> = open.filter_map(|(position, call)| Some((position, moved(call)?))).collect();
    for (position, earlier) in later {
        let mut bytes = 0;
        machine.tasks.open_calls.change(&mut machine.heap, position, |call| {
            bytes = call.bytes;
            Arc::make_mut(&mut call.request).key.iter_mut().for_each(|key| key.occurrence -= earlier);
        });
        machine.charge_work(bytes);
    }
}

impl Machine {
    /// The open calls in order of number.
    #[must_use]
    pub fn open_calls(&self) -> Vec<PendingCall> {
        let open = self.tasks.open_calls.iter().filter(|call| call.is_open());
        let calls = open.map(|call| PendingCall {
            number: call.number,
            request: Arc::clone(&call.request),
            index: call.index,
            record: call.record.clone(),
            is_blocking: call.is_blocking(),
        });
        calls.collect()
    }

    /// About the size of the calls on which the running function blocks in the saved head, in bytes.
    #[must_use]
    pub fn blocking_call_bytes(&self) -> u64 {
        self.tasks.open_calls.iter().filter(|call| call.is_blocking()).map(|call| call.bytes + CALL_OVERHEAD).sum()
    }

    /// Whether no function can continue before the last of the open calls is settled: one promise, or the running
    /// function, waits for all of them.
    #[must_use]
    pub fn wakes_at_last_call(&self) -> bool {
        let mut receivers = self.tasks.open_calls.iter().map(|call| call.promise);
        let first = receivers.next();
        receivers.all(|receiver| Some(receiver) == first) && !self.tasks.has_jobs()
    }

    /// The functions that await an open call, innermost first, as lines of a stack trace: `at async f (line:column)`.
    #[must_use]
    pub fn list_waiting_functions(&self, number: u64) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(call) = self.tasks.open_calls.find(number).filter(|call| !call.is_blocking()) {
            abrupt_completion::append_async_lines(self, call.promise, &mut lines);
        }
        lines
    }

    /// Keeps the records of the host of open calls, by their numbers.
    pub fn record_calls(&mut self, records: impl IntoIterator<Item = (u64, CallRecord)>) {
        for (number, record) in records {
            if let Some(position) = self.tasks.open_calls.position(number) {
                let record = Some(Arc::new(record));
                self.tasks.open_calls.change(&mut self.heap, position, |call| call.record = record);
            }
        }
        self.heap.seal();
    }

    /// Removes open calls, and keeps their records for [`Machine::take_cancelled`].
    pub(super) fn cancel_calls(&mut self, is_cancelled: impl Fn(&OpenRequest) -> bool) -> Vec<OpenRequest> {
        let cancelled = self.tasks.open_calls.remove(&mut self.heap, is_cancelled);
        uncount_unmade(self, &cancelled);
        self.tasks.cancelled.extend(cancelled.iter().filter_map(|call| call.record.clone()));
        cancelled
    }

    /// The records of calls that the program has cancelled since the last call of this function, because it no longer
    /// waits for them.
    pub fn take_cancelled(&mut self) -> Vec<Arc<CallRecord>> {
        std::mem::take(&mut self.tasks.cancelled)
    }

    /// Delivers the result of one open call. [`Machine::run`] then continues the functions that wait for it. A group
    /// (`CC.all`) has a result after its last call: the list of answers, or the first error in the order of the calls.
    /// The value of a timer and of `fs.writeFile` is always `undefined`.
    ///
    /// # Errors
    /// A number that is not open, and a value that is nested too deep or too large for the limits. The machine is
    /// unchanged then.
    pub fn settle(&mut self, number: u64, reply: &Reply) -> Result<(), MachineFailure> {
        let is_open = |position: &usize| self.tasks.open_calls.get(*position).is_some_and(OpenRequest::is_open);
        let Some(position) = self.tasks.open_calls.position(number).filter(is_open) else {
            let completion = AbruptCompletion::Internal("the result of a call that is not open");
            return Err(abrupt_completion::to_failure(self, &completion));
        };
        self.begin_turn();
        let request = self.tasks.open_calls.get(position).map(|call| Arc::clone(&call.request));
        let has_value = request.as_ref().is_some_and(|request| !HostFunction::is_without_value(&request.kind));
        let value = match reply {
            Reply::Value(value) if has_value => match json_conversion::value_from_json(self, value) {
                Ok(value) => value,
                Err(completion) => return Err(abrupt_completion::to_failure(self, &completion)),
            },
            _ => Value::Undefined,
        };
        let code = match reply {
            Reply::Error { code: code @ (Json::String(_) | Json::Number(_)), .. } => {
                let code = json_conversion::value_from_json(self, code);
                Some(code.map_err(|completion| abrupt_completion::to_failure(self, &completion))?)
            }
            _ => None,
        };
        let is_fatal = matches!(reply, Reply::Error { .. }) && self.is_fatal_error(position);
        let mut result = Ok(value);
        if let (Reply::Error { name, message, .. }, Some(request)) = (reply, request) {
            let error = abrupt_completion::new_call_error(self, name, message);
            if let (Value::Ref(at), Some(code)) = (&error, code) {
                self.heap.table_set(*at, TableKind::Main, Value::text("code"), code);
            }
            abrupt_completion::set_trace(self, &error, request.instruction);
            if is_fatal {
                let failed = CallProgress::Failed(error);
                self.tasks.open_calls.change(&mut self.heap, position, |call| call.progress = failed);
                self.heap.seal();
                return Ok(());
            }
            result = Err(error);
        }
        let Some(call) = self.tasks.open_calls.remove_at(&mut self.heap, position) else { return Ok(()) };
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

    /// Closes the open calls with a `CancelledError`, as [`Machine::take_cancelled`] reports, and returns whether there
    /// was one. Timers of `setTimeout` and `AbortSignal.timeout`, which call a function, remain open. [`Machine::run`]
    /// then continues the functions that wait for the calls.
    ///
    /// # Errors
    /// The heap is full.
    pub fn cancel_open_calls(&mut self, message: &str) -> Result<bool, MachineFailure> {
        let cancelled = self.cancel_calls(|call| call.is_open() && !call.is_timeout);
        if cancelled.is_empty() {
            return Ok(false);
        }
        self.begin_turn();
        for call in cancelled {
            let error = abrupt_completion::new_call_error(self, ErrorKind::Cancelled.name(), message);
            abrupt_completion::set_trace(self, &error, call.request.instruction);
            self.finish_call(&call, Err(error))
                .map_err(|limit| abrupt_completion::to_failure(self, &AbruptCompletion::Limit(limit)))?;
        }
        self.heap.seal();
        Ok(true)
    }

    /// Whether an error of an open call ends the program. The running function receives that of a blocking call.
    fn is_fatal_error(&self, position: usize) -> bool {
        let call = self.tasks.open_calls.get(position);
        call.is_some_and(|call| !call.is_blocking() && failed_call::is_fatal_rejection(self, call.promise))
    }

    /// Passes the result of a call that is not open any more to its receiver, unless other calls of its group are open.
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
            Some(result) if call.is_blocking() => self.leave_blocking_call(result),
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
        let group = match self.suspended_call.as_mut().filter(|_| promise == HeapRef::NONE) {
            Some(SuspendedCall { answers, .. }) if *answers != HeapRef::NONE => *answers,
            Some(_) => {
                // The other calls of the group are still open.
                let places = self.tasks.open_calls.iter().filter(|other| other.promise == promise);
                let places = places.filter_map(|other| other.index).chain([index]).max().unwrap_or(index);
                let group = new_group(self, places as usize + 1);
                self.suspended_call.iter_mut().for_each(|call| call.answers = group);
                group
            }
            None => match promise::promise_state(self, promise) {
                Ok((PromiseState::Pending, Value::Ref(group))) => group,
                _ => return Ok(None),
            },
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

    /// Continues the running function after the calls on which it blocks: with a value, or with an error that it may
    /// catch.
    fn leave_blocking_call(&mut self, result: Result<Value, Value>) {
        let Some(SuspendedCall { operands, .. }) = self.suspended_call.take() else { return };
        match result {
            Ok(value) => {
                self.stack.push(value);
                self.pc += 1;
            }
            // The operands are restored, so that the call can be repeated if the error ends the program.
            Err(error) => {
                self.stack.extend(operands);
                self.pending = Some(error);
            }
        }
    }

    /// As [`Machine::settle`] with errors, for calls that the host refuses to create: their keys are not counted. The
    /// function that blocks on a call gets the error as if it had made neither the call nor the others of its group.
    ///
    /// # Errors
    /// As [`Machine::settle`].
    pub fn refuse(&mut self, refused: Vec<Refusal>) -> Result<(), MachineFailure> {
        let mut ended = Vec::new();
        for Refusal { number, name, message } in refused {
            match self.tasks.open_calls.find(number).cloned() {
                Some(call) if call.is_blocking() => {
                    ended.extend(self.retract_blocking_calls());
                    let error = abrupt_completion::new_call_error(self, name, &message);
                    self.leave_blocking_call(Err(error));
                }
                call => {
                    self.settle(number, &Reply::Error { name: name.to_owned(), message, code: Json::Null })?;
                    ended.extend(call);
                }
            }
            self.charge_work(REJECTION_WORK);
        }
        uncount_unmade(self, &ended);
        self.heap.seal();
        Ok(())
    }

    /// Removes the calls on which the running function blocks.
    fn retract_blocking_calls(&mut self) -> Vec<OpenRequest> {
        let blocking = self.tasks.open_calls.remove(&mut self.heap, OpenRequest::is_blocking);
        for call in blocking.iter().rev() {
            self.calls = self.calls.saturating_sub(u64::from(self.calls == call.number));
        }
        blocking
    }
}

/// Checks that a running function with a suspended call has open calls that fit to the instruction of the call, and
/// returns the number of the operands of that instruction.
pub(super) fn check_suspended_call(
    machine: &Machine,
    call: &SuspendedCall,
    instruction: DecodedInstruction,
) -> ReadResult<u32> {
    let is_group = matches!(instruction, DecodedInstruction::Ask { function: HostFunction::All, .. });
    let is_call = matches!(instruction, DecodedInstruction::Cc { .. } | DecodedInstruction::Ask { .. });
    // The operand of a group is the list of its calls.
    let count = match call.operands.as_slice() {
        [Value::Ref(list)] if is_group => machine.heap.array(*list).map_or(0, Array::len),
        _ => 0,
    };
    let open: Vec<&OpenRequest> = machine.tasks.open_calls.iter().filter(|call| call.is_blocking()).collect();
    let has_calls = match open.as_slice() {
        [] => false,
        [only] if !is_group => only.index.is_none(),
        _ => is_group && open.iter().all(|call| call.index.is_some_and(|index| (index as usize) < count)),
    };
    let has_answers = match machine.heap.array(call.answers) {
        Some(group) => is_group && group.len() == 3,
        None => call.answers == HeapRef::NONE,
    };
    let operands = instruction.stack_effect().0;
    if is_call && has_calls && has_answers && call.operands.len() == operands as usize {
        return Ok(operands);
    }
    Err("the open call does not match its instruction".to_owned())
}
