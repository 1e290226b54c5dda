//! A slice of running: the machine goes on until it stops or its fuel is used up, and all that came of it is told as changes to be
//! written in one commit.

use serde_json::json;

use super::call::{COGNITIVE, Call, CallError, CallOutcome, Response, TIMER};
use super::early::{Early, Row};
use super::execution::{EXECUTIONS, End, Event, Execution, ProgramError, Reached};
use super::live::Live;
use super::{close, document, rows};
use crate::decision::{Change, Ctx, Decision, Hint, Loaded, Rejection, View};
use crate::id::{hex, sha256};
use crate::limits::{LogLevel, PLAIN_VALUE_BYTES};
use crate::schema::Key;
use crate::time::Millis;
use crate::value::json_bytes;
use crate::vm::{CallRequest, Machine, Stop, Turn};

/// Lines of output that the head shows at the most.
const TAIL_LINES: usize = 100;

/// Bytes of output that the head shows at the most.
const TAIL_BYTES: usize = 16 * 1024;

/// Bytes of a call's context: enough to see where the program stands, little enough that a turn stays small.
pub(super) const CONTEXT_BYTES: usize = 4 * 1024;

/// Instructions of a slice where each has its row in the log.
const TRACED: u64 = 256;

/// Instructions after which it is looked how much of the heap has changed.
const STRETCH: u64 = 10_000;

/// Bytes of output after which a slice ends. Rows of output are not staged: as JSON they have to fit into one batch, where a character may take
/// six bytes.
const OUTPUT_BYTES: u64 = 1024 * 1024;

/// Bytes of the operands that such a row shows, before and after.
const TRACED_BYTES: usize = 1024;

/// What a slice left to be written besides the head.
#[derive(Default)]
pub(super) struct Written {
    pub changes: Vec<Change>,
    pub hints: Vec<Hint>,
    /// An answer that was there before its question was taken.
    took_early: bool,
}

impl Written {
    /// The place in the log of what comes next.
    fn order(&self, instructions: u64) -> rows::Order {
        rows::Order { instructions, changes: self.changes.len() }
    }
}

/// Runs a slice of an execution that was read, and decides on it: the head's update, what `with_it` must be written with it, and what
/// the slice left.
pub(super) fn go_on(
    view: &View,
    before: &Loaded,
    mut execution: Execution,
    mut live: Live,
    ctx: &mut Ctx,
    with_it: Vec<Change>,
) -> Result<Decision<Reached>, Rejection> {
    let written = slice(view, &mut execution, &mut live, ctx)?;
    let key = Key::new(&EXECUTIONS, &execution.id);
    let after = execution.to_document()?;
    let mut decision =
        Decision::of(execution.reached()).change(Change::Update { key: key.clone(), before: before.clone(), after });
    decision.changes.extend(with_it);
    decision.changes.extend(written.changes);
    decision.hints = written.hints;
    decision.warm.extend(live.keep(key, execution));
    Ok(decision)
}

/// Runs `live` for a slice and brings `execution` up to it.
pub(super) fn slice(
    view: &View,
    execution: &mut Execution,
    live: &mut Live,
    ctx: &mut Ctx,
) -> Result<Written, Rejection> {
    let mut written = Written::default();
    let level = execution.log_level.unwrap_or(ctx.settings.log_level);
    let begun = ctx.stopwatch.map(|stopwatch| stopwatch());
    let end = run(view, execution, live, ctx, &mut written, level)?;
    print(execution, &live.machine.take_output(), &mut written)?;
    execution.state = execution.step(Event::Ran(end))?;
    if let (Some(stopwatch), Some(begun)) = (ctx.stopwatch, begun) {
        let ran = stopwatch().saturating_sub(begun).saturating_add(500) / 1_000;
        execution.metrics.execution_time_ms += i64::try_from(ran).unwrap_or_default();
    }
    execution.metrics.instructions_executed = live.machine.instructions();
    execution.last_modified = ctx.now;
    let pages = live.save(execution, ctx)?;
    written.changes.extend(pages);
    Ok(written)
}

fn run(
    view: &View,
    execution: &mut Execution,
    live: &mut Live,
    ctx: &mut Ctx,
    written: &mut Written,
    level: LogLevel,
) -> Result<End, Rejection> {
    let logs = level != LogLevel::Off;
    let traced = level == LogLevel::Instructions;
    let most = if traced { TRACED.min(ctx.settings.slice_instructions) } else { ctx.settings.slice_instructions };
    let until = live.machine.instructions().saturating_add(most.max(1));
    let turn = Turn { now_ms: ctx.now.as_millis() };
    // A save takes several times what it writes, so it writes a part of the heap that is allowed.
    let bytes = ctx.settings.slice_bytes.min(execution.heap_bytes.unwrap_or(ctx.settings.heap_bytes) / 4);
    (execution.together, execution.together_bytes) = (0, 0);
    loop {
        let fuel = until.saturating_sub(live.machine.instructions());
        let stop = if traced {
            trace(&execution.id, live, fuel, &turn, ctx, written)?
        } else {
            run_on(&mut live.machine, fuel, bytes, &turn)
        };
        let (requests, together) = match stop {
            Stop::Call(request) => (vec![request], 0),
            Stop::Calls(requests) => {
                let together = u32::try_from(requests.len()).unwrap_or(u32::MAX);
                (requests, together)
            }
            stop => return end(stop, execution, live, ctx, written, logs),
        };
        execution.together = together;
        match ask(view, execution, live, requests, ctx, written, logs)? {
            Asking::Waits(calls) => {
                if let Some(waiting) = close::waiting_for(&calls) {
                    return Ok(End::Asked(waiting));
                }
                close::resume(live, &calls)?;
            }
            Asking::Refused(message) => live.machine.refuse("TypeError", &message),
            Asking::Later => return Ok(End::Slice(ctx.now + ctx.settings.run_lease)),
        }
    }
}

/// Runs until the machine stops, the fuel is used up, so many bytes of its heap have changed, or much was printed: all of it is written at once.
fn run_on(machine: &mut Machine, fuel: u64, bytes: u64, turn: &Turn) -> Stop {
    let until = machine.instructions().saturating_add(fuel);
    loop {
        let left = until.saturating_sub(machine.instructions());
        let stop = machine.run(left.min(STRETCH), turn);
        let much = machine.dirty_bytes() > bytes || machine.waiting_output_bytes() > OUTPUT_BYTES;
        if stop != Stop::Fuel || left <= STRETCH || much {
            return stop;
        }
    }
}

/// Runs instruction after instruction, with a row in the log for each.
fn trace(
    execution: &str,
    live: &mut Live,
    fuel: u64,
    turn: &Turn,
    ctx: &mut Ctx,
    written: &mut Written,
) -> Result<Stop, Rejection> {
    let machine = &mut live.machine;
    let until = machine.instructions().saturating_add(fuel);
    while machine.instructions() < until {
        let (pc, instruction, before) = (machine.pc(), machine.instruction(), machine.operands(TRACED_BYTES));
        let begun = ctx.stopwatch.map(|stopwatch| stopwatch());
        // What built-in functions owe is paid first, and then one instruction is run.
        let stop = machine.run(1 + machine.due(), turn);
        let mut details = json!({"pc": pc, "instruction": instruction, "stackBefore": before, "stackAfter": machine.operands(TRACED_BYTES)});
        if let (Some(stopwatch), Some(begun)) = (ctx.stopwatch, begun) {
            details["executionTimeUs"] = stopwatch().saturating_sub(begun).into();
        }
        let order = written.order(machine.instructions());
        written.changes.push(rows::log(execution, order, "instruction", details, ctx)?);
        if stop != Stop::Fuel {
            return Ok(stop);
        }
    }
    Ok(Stop::Fuel)
}

/// How a slice ended that stopped at no question.
fn end(
    stop: Stop,
    execution: &Execution,
    live: &Live,
    ctx: &mut Ctx,
    written: &mut Written,
    logs: bool,
) -> Result<End, Rejection> {
    let mut log = |event, details, ctx: &mut Ctx| {
        if logs {
            let order = written.order(live.machine.instructions());
            written.changes.push(rows::log(&execution.id, order, event, details, ctx)?);
        }
        Ok(())
    };
    Ok(match stop {
        Stop::Fuel | Stop::Call(_) | Stop::Calls(_) => End::Slice(ctx.now + ctx.settings.run_lease),
        Stop::Complete(result) if json_bytes(&result) > PLAIN_VALUE_BYTES => {
            let error = ProgramError::too_large("the result", json_bytes(&result), ctx.now);
            log("error", error.to_json(), ctx)?;
            End::Failed(error)
        }
        Stop::Complete(result) => {
            log("complete", json!({"instructionsExecuted": live.machine.instructions()}), ctx)?;
            End::Complete(ctx.now, result)
        }
        Stop::Failed(failure) => {
            let error = ProgramError::of(failure, live.machine.instruction(), ctx.now).bounded();
            log("error", error.to_json(), ctx)?;
            End::Failed(error)
        }
    })
}

/// What came of asking.
enum Asking {
    /// The calls as they were written; those that were over at once are closed already.
    Waits(Vec<Call>),
    /// The program asked wrongly: that is an error at its own line, which it may catch.
    Refused(String),
    /// Whether they were answered already must be read first, and this slice has come far enough.
    Later,
}

/// Writes the calls that a program asks, each with the answer that came before it, if any.
fn ask(
    view: &View,
    execution: &mut Execution,
    live: &Live,
    requests: Vec<CallRequest>,
    ctx: &mut Ctx,
    written: &mut Written,
    logs: bool,
) -> Result<Asking, Rejection> {
    let asked = requests.len();
    let mut calls = Vec::with_capacity(asked);
    for (index, request) in requests.into_iter().enumerate() {
        let what = named(&request.kind, (execution.together > 0).then_some(index));
        let step = execution.metrics.cc_calls_count + 1 + index as u64;
        match Call::asked(execution, request, step, ctx) {
            Ok(call) => calls.push(call),
            Err(message) => return Ok(Asking::Refused(format!("{what}: {message}"))),
        }
    }
    // Where very many are asked at once, the first ones tell where the program stands.
    let variables = live.machine.variables(CONTEXT_BYTES / asked.clamp(1, 16));
    calls.iter_mut().take(16).for_each(|call| call.context.variables.clone_from(&variables));
    let unread: Vec<Key> =
        calls.iter().filter(|c| c.key.is_some()).map(Call::key).filter(|k| !view.has_read(k)).collect();
    if !unread.is_empty() {
        // What was decided so far would be decided again, each time up to the next of such questions: one is enough.
        return if written.took_early { Ok(Asking::Later) } else { Err(Rejection::Unread(unread)) };
    }
    for call in &mut calls {
        execution.metrics.cc_calls_count += 1;
        let key = call.key();
        let early = match view.get(&key).map(|found| Ok((found, Row::read(&key, found)?))).transpose()? {
            None => None,
            Some((found, Row::Early(early))) => Some((found, early)),
            Some((_, Row::Asked(_))) => return Err(document::damaged(&key, "it was asked before")),
        };
        if let Some((_, early)) = &early {
            written.took_early = true;
            if let Some(why) = take_early(execution, call, early)
                && logs
            {
                let details = json!({"callId": call.id, "key": call.key, "dropped": "early answer", "message": why});
                let order = written.order(live.machine.instructions());
                written.changes.push(rows::log(&execution.id, order, "error", details, ctx)?);
            }
        }
        if call.outcome.is_none() && call.is_over(ctx.now) {
            call.expire(ctx.now);
        }
        if logs {
            let details = json!({"callId": call.id, "pc": call.context.pc, "line": call.context.line});
            let order = written.order(live.machine.instructions());
            written.changes.push(rows::log(&execution.id, order, "cc_call", details, ctx)?);
        }
        written.changes.push(match early {
            Some((found, _)) => call.update(found)?,
            None => call.insert()?,
        });
        if call.outcome.is_none() {
            let hint = if call.kind == TIMER { Hint::Due } else { Hint::CallOpen { kind: call.kind.clone() } };
            if !written.hints.contains(&hint) {
                written.hints.push(hint);
            }
        }
    }
    Ok(Asking::Waits(calls))
}

/// Gives a call the answer that came before it; or says why it does not fit, and then it stays open.
fn take_early(execution: &mut Execution, call: &mut Call, early: &Early) -> Option<String> {
    let taken = call.fit(&early.response.result).and_then(|result| {
        let (timestamp, latency_ms) = (early.response.timestamp, Millis(0));
        call.response = Some(Response { result, timestamp, latency_ms, by: early.response.by.clone() });
        close::together_bytes(execution, call)
    });
    match taken {
        Ok(bytes) => {
            execution.together_bytes = if execution.together > 1 { bytes } else { 0 };
            call.close(CallOutcome::Answered);
            None
        }
        Err(why) => {
            call.response = None;
            let why = why.to_string().trim_end_matches("; nothing was changed").to_owned();
            // Also where nothing is logged, whoever looks at the call sees it.
            let message = format!("an answer came before it was asked, and was dropped: {why}");
            let (timestamp, by) = (early.response.timestamp, early.response.by.clone());
            call.error = Some(CallError { name: None, message, timestamp, by });
            Some(why)
        }
    }
}

/// A call as its program's author knows it.
fn named(kind: &str, index: Option<usize>) -> String {
    match (kind, index) {
        (_, Some(index)) => format!("CC.all, question {index}"),
        (COGNITIVE, None) => "CC".to_owned(),
        (TIMER, None) => "sleep".to_owned(),
        (tool, None) => format!("call of {tool}"),
    }
}

/// Adds lines to the output: rows for all of them, the newest ones in the head, all in the digest.
pub(super) fn print(execution: &mut Execution, lines: &[String], written: &mut Written) -> Result<(), Rejection> {
    let (rows, next) = rows::output(&execution.id, execution.output_rows, lines)?;
    written.changes.extend(rows);
    execution.output_rows = next;
    execution.output_count += lines.len() as u64;
    for line in lines {
        execution.output_digest = hex(&sha256(&[execution.output_digest.as_bytes(), line.as_bytes()]));
    }
    let tail = &mut execution.output;
    tail.extend(lines.iter().rev().take(TAIL_LINES).rev().map(|line| cut(line)));
    let too_much =
        |tail: &[String]| tail.len() > TAIL_LINES || tail.iter().map(String::len).sum::<usize>() > TAIL_BYTES;
    if too_much(tail) {
        // Down to half at once: moving the whole list at every line would write it anew at every turn.
        let mut bytes = 0;
        let keep = tail.iter().rev().take(TAIL_LINES / 2).take_while(|line| {
            bytes += line.len();
            bytes <= TAIL_BYTES / 2
        });
        let keep = keep.count().max(1);
        tail.drain(..tail.len() - keep);
    }
    Ok(())
}

/// A line as the head shows it.
pub(super) fn cut(line: &str) -> String {
    if line.len() <= TAIL_BYTES {
        return line.to_owned();
    }
    format!("{}…", &line[..line.floor_char_boundary(TAIL_BYTES - 4)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_with_a_mark() {
        let line = cut(&"é".repeat(TAIL_BYTES));
        assert!(line.len() <= TAIL_BYTES && line.ends_with('…'));
    }
}
