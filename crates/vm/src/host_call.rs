//! Host calls: `call_spec.rs` reads the calls of an instruction from its operands. The machine counts them by key, and
//! `open_call.rs` keeps them until it receives their results.

use std::collections::HashMap;

use runstate_value::time::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::abrupt_completion::{Completion, internal, range_error, type_error};
use super::call_spec::{CENTURY_MS, CallSite, CallSpec, PayloadBudget, truncate_for_message};
use super::entry::Entry;
use super::entry_decoder::ReadResult;
use super::entry_encoder::put;
use super::globals::HostFunction;
use super::interpreter::{InstructionOutcome, StepResult};
use super::json::display_text;
use super::machine::{CallKey, CallRequest, Machine};
use super::program::DecodedInstruction;
use super::table::{Table, TableKind};
use super::value::{HeapRef, Value};
use super::{abrupt_completion, added_class, call_spec, conversion, entry_decoder, open_call, promise, slow_path};

/// The form of a question by this name (`CC`, `ask`), for messages.
#[must_use]
pub fn prompt_form(name: &str) -> String {
    format!("the prompt of {name} is a text; options are the second argument: {name}(\"Merge?\", {{ choices }})")
}

/// Runs an instruction that makes a host call. Its operands stay on the stack until no step can fail any more.
pub(super) fn run_host_call(machine: &mut Machine, instruction: DecodedInstruction) -> StepResult {
    let mut budget = PayloadBudget::from_limits(&machine.limits);
    let result = prepare_host_call(machine, instruction, &mut budget);
    if !matches!(result, Ok(InstructionOutcome::Stop(_))) {
        // A suspension ends the slice. A failed call can be repeated, so its work is charged.
        machine.charge_work(budget.visited);
    }
    result
}

fn prepare_host_call(machine: &mut Machine, instruction: DecodedInstruction, budget: &mut PayloadBudget) -> StepResult {
    let from = machine.stack.len().saturating_sub(instruction.stack_effect().0 as usize);
    let operand = |index: usize| machine.stack.get(from + index).cloned().unwrap_or(Value::Undefined);
    let (function, argc) = match instruction {
        DecodedInstruction::Ask { function, argc } => (Some(function), argc),
        DecodedInstruction::Open { function, argc } => (function, argc),
        DecodedInstruction::Cc { options } => (None, 1 + u16::from(options)),
        _ => return internal("a host call of another instruction"),
    };
    let spec = match function {
        Some(HostFunction::All) => return prepare_call_group(machine, from, budget),
        Some(HostFunction::Tool) => return prepare_tool_call(machine, from, budget),
        Some(HostFunction::Call) => {
            let mut spec = CallSpec::new(&call_spec::read_tool(machine, "the first argument of call(…)", &operand(0))?);
            if argc > 1 && !matches!(operand(1), Value::Undefined) {
                spec.args = call_spec::read_json(machine, CallSite::Call, "args", &operand(1), budget)?;
            }
            if argc > 2 {
                call_spec::read_options(machine, CallSite::Call, &operand(2), &mut spec, budget)?;
            }
            Some(spec)
        }
        Some(HostFunction::Sleep) => read_sleep(machine, &operand(0))?,
        Some(HostFunction::SleepUntil) => read_sleep_until(machine, &operand(0))?,
        Some(function) if function != HostFunction::Question => {
            let mut args = json!({ "path": call_spec::read_text(machine, &format!("the path of {}", function.name()), &operand(0), budget)? });
            if function == HostFunction::WriteFile {
                args["text"] = call_spec::read_text(machine, "the text of fs.writeFile", &operand(1), budget)?;
            }
            Some(CallSpec { args, ..CallSpec::new(function.name()) })
        }
        question => {
            let mut spec = CallSpec::new("cc");
            let site = if question.is_some() { CallSite::Question } else { CallSite::Cc };
            let prompt = match operand(0) {
                prompt @ (Value::Text(_) | Value::Number(_)) => conversion::to_text(machine, &prompt)?,
                _ => return type_error(prompt_form(&site.to_string())),
            };
            spec.prompt = call_spec::read_prompt(&prompt, budget)?;
            if argc > 1 {
                call_spec::read_options(machine, site, &operand(1), &mut spec, budget)?;
            }
            Some(spec)
        }
    };
    match spec {
        Some(spec) => make_calls(machine, from, vec![spec], false),
        // A timer that is already due needs no suspension.
        None => finish_at_once(machine, from, Value::Undefined),
    }
}

/// `tools.name(args, options?)`. The arguments are plain already, or a promise that is rejected because they could not
/// be converted. An error rejects the promise. Options that are not an object are ignored, so that the function may be
/// a callback: `list.map(tools.find)`.
fn prepare_tool_call(machine: &mut Machine, from: usize, budget: &mut PayloadBudget) -> StepResult {
    let operand = |index: usize| machine.stack.get(from + index).cloned().unwrap_or(Value::Undefined);
    let (name, args, options) = (operand(0), operand(1), operand(2));
    let count = machine.stack.len() - from;
    if promise::is_promise(machine, &args) {
        return slow_path::replace_operands(machine, count, args);
    }
    let spec = read_tool_call(machine, &name, &args, &options, budget);
    match spec.and_then(|spec| make_calls(machine, from, vec![spec], false)) {
        Err(completion) => {
            let reason = abrupt_completion::thrown_value(machine, completion)?;
            let promise = promise::new_promise(machine);
            promise::reject(machine, promise, reason);
            slow_path::replace_operands(machine, count, Value::Ref(promise))
        }
        outcome => outcome,
    }
}

fn read_tool_call(
    machine: &Machine,
    name: &Value,
    args: &Value,
    options: &Value,
    budget: &mut PayloadBudget,
) -> Completion<CallSpec> {
    let mut spec = CallSpec::new(&call_spec::read_tool(machine, "the name after `tools.`", name)?);
    let name = spec.kind.clone();
    let site = CallSite::Tool(&name);
    if !matches!(args, Value::Undefined) {
        spec.args = call_spec::read_json(machine, site, "args", args, budget)?;
    }
    if call_spec::plain_object_entries(machine, options).is_some() {
        call_spec::read_options(machine, site, options, &mut spec, budget)?;
    }
    Ok(spec)
}

fn prepare_call_group(machine: &mut Machine, from: usize, budget: &mut PayloadBudget) -> StepResult {
    let list = machine.stack.get(from).cloned().unwrap_or(Value::Undefined);
    let specs = call_spec::read_call_specs(machine, &list, budget)?;
    if specs.is_empty() {
        let answers = machine.heap.new_array(Vec::new());
        return finish_at_once(machine, from, Value::Ref(answers));
    }
    make_calls(machine, from, specs, true)
}

/// The value of a call that needs no host, or its promise.
fn finish_at_once(machine: &mut Machine, from: usize, value: Value) -> StepResult {
    let count = machine.stack.len() - from;
    if !is_open_instruction(machine) {
        return slow_path::replace_operands(machine, count, value);
    }
    let promise = promise::new_promise(machine);
    promise::fulfill(machine, promise, value);
    slow_path::replace_operands(machine, count, Value::Ref(promise))
}

fn is_open_instruction(machine: &Machine) -> bool {
    matches!(machine.program.code.get(machine.pc as usize), Some(DecodedInstruction::Open { .. }))
}

/// `sleep(time)`; `None` where no wait is needed.
fn read_sleep(machine: &Machine, time: &Value) -> Completion<Option<CallSpec>> {
    let given = || truncate_for_message(&display_text(machine, time));
    match call_spec::read_duration(time) {
        None => type_error(format!("sleep takes milliseconds or a text such as \"5s\", not {}", given())),
        Some(ms) if ms <= 0.0 => Ok(None),
        Some(ms) if ms > CENTURY_MS => range_error(format!("sleep takes at most 100 years, not {} ms", given())),
        // Rounded up: a timer never ends early.
        Some(ms) => Ok(Some(CallSpec { options: json!({ "timeoutMs": ms.ceil() as i64 }), ..CallSpec::new("timer") })),
    }
}

/// `sleepUntil(time)`; `None` for a time that has passed.
fn read_sleep_until(machine: &Machine, time: &Value) -> Completion<Option<CallSpec>> {
    let ms = match time {
        Value::Number(ms) if !ms.is_nan() => Some(ms.ceil()),
        Value::Text(text) => Timestamp::from_rfc3339(&text.to_utf8()).map(|time| time.as_millis() as f64),
        _ => None,
    };
    let Some(ms) = ms else {
        let message = "sleepUntil takes milliseconds since 1970 or a string such as \"2030-01-31T09:00:00Z\"";
        return type_error(format!("{message}, not {}", truncate_for_message(&display_text(machine, time))));
    };
    if ms <= machine.now_ms as f64 {
        return Ok(None);
    }
    if ms - machine.now_ms as f64 > CENTURY_MS {
        let given = truncate_for_message(&display_text(machine, time));
        return range_error(format!("sleepUntil takes a time at most 100 years ahead, not {given}"));
    }
    Ok(Some(CallSpec { options: json!({ "until": ms as i64 }), ..CallSpec::new("timer") }))
}

/// Makes these calls: suspends at them, or opens them. No step fails after the first.
fn make_calls(machine: &mut Machine, from: usize, specs: Vec<CallSpec>, is_group: bool) -> StepResult {
    let is_open = is_open_instruction(machine);
    let signals: Vec<HeapRef> = specs.iter().map(|spec| spec.signal).collect();
    if !is_open && signals.iter().any(|signal| *signal != HeapRef::NONE) {
        return type_error("a call with a signal gives a promise: write await CC(prompt, { signal })");
    }
    if let Some(reason) = signals.iter().find_map(|signal| added_class::abort_reason(machine, *signal)) {
        let promise = promise::new_promise(machine);
        promise::reject(machine, promise, reason);
        return slow_path::replace_operands(machine, machine.stack.len() - from, Value::Ref(promise));
    }
    let size = |spec: &CallSpec| {
        spec.prompt.len() + runstate_value::json_bytes(&spec.args) + runstate_value::json_bytes(&spec.options)
    };
    open_call::check_room(machine, specs.len(), specs.iter().map(size).sum::<usize>() as u64)?;
    machine.calls += specs.len() as u64;
    for spec in &specs {
        if let Some(key) = &spec.key {
            count_key(machine, key);
        }
    }
    let requests = build_requests(machine, specs);
    if is_open {
        let promise = open_call::open_calls(machine, requests, &signals, is_group);
        return slow_path::replace_operands(machine, machine.stack.len() - from, Value::Ref(promise));
    }
    let operands = machine.stack.split_off(from);
    Ok(InstructionOutcome::Stop(Box::new(open_call::suspend(machine, requests, operands, is_group))))
}

/// The requests for the host. The keys are already counted.
fn build_requests(machine: &Machine, specs: Vec<CallSpec>) -> Vec<CallRequest> {
    // A call by a function of a built-in that is written in the language has the line of its caller.
    let instruction = abrupt_completion::traced_pc(machine);
    let line = machine.program.location(instruction).line;
    let mut later_calls: HashMap<String, u64> = HashMap::new();
    let mut requests: Vec<CallRequest> = Vec::with_capacity(specs.len());
    // Backwards: of several calls with the same key the last was counted last.
    for CallSpec { kind, prompt, args, options, key, .. } in specs.into_iter().rev() {
        let key = key.map(|key| {
            let count = later_calls.entry(key.clone()).or_default();
            let occurrence = key_count(machine, &key).saturating_sub(*count);
            *count += 1;
            CallKey { key, occurrence }
        });
        requests.push(CallRequest { kind, prompt, args, key, options, instruction, line });
    }
    requests.reverse();
    requests
}

/// The number of calls made with a key.
pub(super) fn key_count(machine: &Machine, key: &str) -> u64 {
    let table = machine.heap.table(machine.key_counts, TableKind::Main);
    match table.and_then(|table| machine.heap.table_get(table, &Value::text(key))) {
        Some(Value::Number(count)) => count as u64,
        _ => 0,
    }
}

/// Counts a call with a key, and returns its occurrence.
pub(super) fn count_key(machine: &mut Machine, key: &str) -> u64 {
    let count = key_count(machine, key).saturating_add(1);
    set_key_count(machine, key, count);
    count
}

/// Does not count the newest call with a key.
pub(super) fn uncount_key(machine: &mut Machine, key: &str) {
    let count = key_count(machine, key).saturating_sub(1);
    set_key_count(machine, key, count);
}

fn set_key_count(machine: &mut Machine, key: &str, count: u64) {
    if machine.key_counts == HeapRef::NONE {
        machine.key_counts = machine.heap.allocate(Entry::Map(Box::new(Table::numbered())));
    }
    machine.heap.table_set(machine.key_counts, TableKind::Main, Value::text(key), Value::Number(count as f64));
}

/// The saved form of a request.
pub(super) fn encode_request(request: &CallRequest) -> Map<String, Json> {
    let mut encoded = Map::new();
    put(&mut encoded, "kind", json!(request.kind));
    put(&mut encoded, "prompt", json!(request.prompt));
    put(&mut encoded, "options", request.options.clone());
    put(&mut encoded, "instruction", json!(request.instruction));
    put(&mut encoded, "line", json!(request.line));
    put(&mut encoded, "args", Some(request.args.clone()).filter(|args| !args.is_null()));
    if let Some(CallKey { key, occurrence }) = &request.key {
        put(&mut encoded, "key", json!(key));
        put(&mut encoded, "occurrence", json!(occurrence));
    }
    encoded
}

/// Reads a request from its saved form.
pub(super) fn read_request(call: &Json) -> ReadResult<CallRequest> {
    let key = match call.get("key") {
        None => None,
        Some(key) => Some(CallKey {
            key: entry_decoder::string(key)?.to_owned(),
            occurrence: entry_decoder::number64(&call["occurrence"])?,
        }),
    };
    Ok(CallRequest {
        kind: entry_decoder::string(&call["kind"])?.to_owned(),
        prompt: entry_decoder::string(&call["prompt"])?.to_owned(),
        args: call.get("args").cloned().unwrap_or_default(),
        key,
        options: call["options"].clone(),
        instruction: entry_decoder::number(&call["instruction"])?,
        line: entry_decoder::number(&call["line"])?,
    })
}
