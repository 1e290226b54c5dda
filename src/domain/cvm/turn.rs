//! A slice of running: the machine goes on until it stops or its fuel is used up, and all that came of it is told as changes to be
//! written in one commit.

use serde_json::json;

use super::call::Call;
use super::execution::{CcWaiting, EXECUTIONS, End, Event, Execution, ProgramError, Reached};
use super::live::Live;
use super::rows;
use crate::decision::{Change, Ctx, Decision, Hint, Loaded, Rejection};
use crate::id::{hex, sha256};
use crate::limits::{LogLevel, PLAIN_VALUE_BYTES};
use crate::schema::Key;
use crate::value::json_bytes;
use crate::vm::{Stop, Turn};

/// Lines of output that the head shows at the most.
const TAIL_LINES: usize = 100;

/// Bytes of output that the head shows at the most.
const TAIL_BYTES: usize = 16 * 1024;

/// Bytes of a call's context: enough to see where the program stands, little enough that a turn stays small.
const CONTEXT_BYTES: usize = 4 * 1024;

/// What a slice left to be written besides the head.
#[derive(Default)]
pub(super) struct Written {
    pub changes: Vec<Change>,
    pub hints: Vec<Hint>,
}

/// Runs a slice of an execution that was read, and decides on it: the head's update, what `with_it` must be written with it, and what
/// the slice left.
pub(super) fn go_on(
    before: &Loaded,
    mut execution: Execution,
    mut live: Live,
    ctx: &mut Ctx,
    with_it: Vec<Change>,
) -> Result<Decision<Reached>, Rejection> {
    let written = slice(&mut execution, &mut live, ctx)?;
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
pub(super) fn slice(execution: &mut Execution, live: &mut Live, ctx: &mut Ctx) -> Result<Written, Rejection> {
    let mut written = Written::default();
    let logs = execution.log_level.unwrap_or(ctx.settings.log_level) != LogLevel::Off;
    let end = run(execution, live, ctx, &mut written, logs)?;
    print(execution, &live.machine.take_output(), &mut written)?;
    execution.state = execution.step(Event::Ran(end))?;
    execution.metrics.instructions_executed = live.machine.instructions();
    execution.last_modified = ctx.now;
    let pages = live.save(execution, ctx)?;
    written.changes.extend(pages);
    Ok(written)
}

fn run(
    execution: &mut Execution,
    live: &mut Live,
    ctx: &mut Ctx,
    written: &mut Written,
    logs: bool,
) -> Result<End, Rejection> {
    let until = live.machine.instructions().saturating_add(ctx.settings.slice_instructions.max(1));
    let turn = Turn { now_ms: ctx.now.as_millis() };
    let mut log = |event, details, ctx: &mut Ctx| {
        if logs {
            written.changes.push(rows::log(&execution.id, event, details, ctx)?);
        }
        Ok(())
    };
    loop {
        let fuel = until.saturating_sub(live.machine.instructions());
        return Ok(match live.machine.run(fuel, &turn) {
            Stop::Fuel => End::Slice(ctx.now + ctx.settings.run_lease),
            Stop::Call(request) => {
                let call = match Call::asked(execution, &request, live.machine.variables(CONTEXT_BYTES), ctx) {
                    Ok(call) => call,
                    // The program asked wrongly: that is an error at its own line, which it may catch.
                    Err(message) => {
                        live.machine.throw("TypeError", &message);
                        continue;
                    }
                };
                execution.metrics.cc_calls_count += 1;
                let details = json!({"callId": call.id, "pc": call.context.pc, "line": call.context.line});
                log("cc_call", details, ctx)?;
                written.hints.push(Hint::CallOpen { kind: call.kind.clone() });
                let waiting = CcWaiting {
                    instruction_id: request.instruction,
                    prompt: request.prompt,
                    requested_at: ctx.now,
                    call_id: call.id.clone(),
                    open_calls: 1,
                };
                written.changes.push(call.insert()?);
                End::Asked(waiting)
            }
            Stop::Calls(_) => return Err(Rejection::domain(crate::code::Code::Unsupported, "several calls at once")),
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
                let error = ProgramError::of(failure, ctx.now).bounded();
                log("error", error.to_json(), ctx)?;
                End::Failed(error)
            }
        });
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
