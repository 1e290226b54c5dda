//! Approvals: a call of a kind that the policy of its execution lists waits until a person approves it. Until then no
//! worker gets it, and no answer closes it. The approval is in the commit that releases the call, and stays in its row.
//!
//! An early answer was accepted when no process could know that its call needs an approval. It is kept in the row of
//! the call until the decision: refused, it would be lost although its sender has no reason to send it again.
//!
//! A call whose budget lacks its cost may await an approval too (`call_cost.rs`). Its approval raises the budget.

use runstate_core::decision::TypedQuery;
use runstate_core::lease::check_name;
use runstate_core::limits::PLAIN_VALUE_BYTES;
use runstate_core::prelude::*;
use runstate_value::{check_plain, json_bytes};
use serde_json::json;

use super::call::{CC_HISTORY, COGNITIVE, Call, CallError, CallOutcome};
use super::execution::{EXECUTIONS, ExecutionEvent, ExecutionHead, ExecutionStatus, RunSlice};
use super::settings::Settings;
use super::{call_cost, child_rows, codes, request_text, waiting};
use crate::LogLevel;

/// Longest note of an approval, and longest reason of a rejection, in bytes.
const NOTE_BYTES: usize = 4 * 1024;

/// The decision on a call that awaited an approval.
#[derive(Fields, Wire, Clone, Debug, PartialEq)]
#[entity(rename_all = "camelCase")]
pub struct Approval {
    /// Whether it was approved, and not rejected.
    pub approved: bool,
    /// The person that decided.
    pub by: String,
    /// When it was decided.
    pub timestamp: Timestamp,
    /// The note of the approval, or the reason of the rejection.
    pub note: Option<String>,
    /// The arguments that the program passed, if the approval has replaced them.
    pub original_args: Option<Json>,
}

/// Approves a call that awaits it. Workers may claim it from then on, or once it leaves the queue. An answer that was
/// there before the call closes it now, and its execution runs to its next stop. If budgets lack the cost of the call,
/// they are raised by what they lack, and the cost is reserved for an hour, in the same commit.
///
/// Errors: `not_found` (the execution, or a call of it), `already_approved` (or it needs no approval),
/// `already_answered` (it is closed), `deadline_passed`, `illegal_transition` (the execution has ended, or is paused),
/// `invalid`; `limit` and `invalid_answer` (the program cannot take the earlier answer: reject the call); `stale`
/// (budgets lack more than the call has shown: it shows that now), and the other reasons for which budgets refuse a
/// cost.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Operation)]
#[operation(name = "cvm.approve", cli = "approve", contends(EXECUTIONS, execution))]
pub struct Approve {
    /// The execution.
    #[operation(subject)]
    pub execution: String,
    /// The call.
    pub call: String,
    /// The person that approves it, at most 200 bytes.
    pub by: String,
    /// A note, at most 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The arguments with which the worker gets the call, in place of those of the program, at most 1 MiB.
    #[operation(json)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "runstate_value::deserialize_some")]
    pub args: Option<Json>,
}

/// Rejects a call that awaits an approval, and runs its execution to its next stop. The call is closed, and its program
/// gets a `RejectedError` with the reason. If budgets lack the cost of the call, the `code` of the error is that of the
/// refusal.
///
/// Errors: as those of `cvm.approve`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Operation)]
#[operation(name = "cvm.reject", cli = "reject", contends(EXECUTIONS, execution))]
pub struct Reject {
    /// The execution.
    #[operation(subject)]
    pub execution: String,
    /// The call.
    pub call: String,
    /// The person that rejects it, at most 200 bytes.
    pub by: String,
    /// The reason, at most 4 KiB: the message of the program's error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Rejects a note that is too long.
fn check_note(field: &str, note: Option<&String>) -> Result<()> {
    match note.map(String::len).filter(|bytes| *bytes > NOTE_BYTES) {
        Some(bytes) => Err(Rejection::invalid(field, format!("has {bytes} bytes; at most {NOTE_BYTES} are allowed"))),
        None => Ok(()),
    }
}

/// The execution and its call, which must await an approval.
fn load_awaiting(
    view: &View,
    ctx: &Ctx,
    execution: &str,
    id: &str,
) -> Result<(LoadedEntity<ExecutionHead>, LoadedEntity<Call>)> {
    let row = Call::load_of(view, id, execution)?;
    let call = &row.entity;
    // As for answers: a closed call is reported as closed, whatever the execution does by now.
    call.require_open()?;
    let head = ExecutionHead::load(view, execution)?;
    head.entity.next_state(ExecutionEvent::Approve)?;
    call.require_awaited()?;
    call.require_before_deadline(ctx.now)?;
    if !call.awaits_approval {
        let why = match call.cost_approval.as_ref().or(call.approval.as_ref()) {
            Some(approval) => format!("was approved by {}", approval.by),
            None => "needs no approval".to_owned(),
        };
        let message = format!("call {} of execution `{execution}` {why}; nothing was changed", call.step);
        return Err(Rejection::domain(codes::ALREADY_APPROVED, message));
    }
    Ok((head, row))
}

/// Records the decision in the call, and returns the row of the log.
fn record(head: &ExecutionHead, call: &mut Call, approval: Approval, ctx: &mut Ctx) -> Result<Option<Change>> {
    let Approval { approved, by, note, .. } = &approval;
    let mut details = json!({"callId": call.id, "approved": approved, "by": by, "note": note});
    if call.is_unapproved() {
        call.approval = Some(approval);
    } else {
        details["shortfall"] = json!(call.shortfall);
        call.cost_approval = Some(approval);
    }
    call.awaits_approval = false;
    if head.log_level.unwrap_or(Settings::of(ctx).log_level) == LogLevel::Off {
        return Ok(None);
    }
    let position = child_rows::LogPosition { instructions: head.metrics.instructions_executed, changes: 0 };
    child_rows::log_row(&head.id, position, "approval", details, ctx).map(Some)
}

impl Command for Approve {
    type Output = ExecutionStatus;

    fn check(&self) -> Result<()> {
        // First of all, because a value built in memory may be nested deeper than recursive code can handle.
        if let Some(args) = &self.args {
            check_plain(args).map_err(|excess| Rejection::invalid("args", excess.to_string()))?;
        }
        check_name("by", Some(&self.by))?;
        check_note("note", self.note.as_ref())
    }

    fn reads(&self, view: &View) -> ReadSet {
        let key = Key::new(&CC_HISTORY, &self.call);
        let reads = ReadSet::entity::<ExecutionHead>(&self.execution).with_key(key.clone());
        match view.peek_entity::<Call>(&self.call) {
            Some(call) if call.early_answer.is_some() => waiting::reads(view, &self.execution, &key),
            Some(call) if !call.shortfall.is_empty() => reads.with(call_cost::reads(view, &call)),
            _ => reads,
        }
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>> {
        let (mut head, mut row) = load_awaiting(view, ctx, &self.execution, &self.call)?;
        if !row.entity.is_unapproved() {
            return self.decide_cost(view, ctx, &head, row);
        }
        let call = &mut row.entity;
        call.request = request_text::whole(view, call)?.into_owned();
        let mut original_args = None;
        if let Some(args) = &self.args {
            if call.kind == COGNITIVE {
                return Err(Rejection::invalid("args", "is not expected: a question has no arguments"));
            }
            if call.early_answer.is_some() {
                return Err(Rejection::invalid("args", "is not expected: the call is answered already, with its own"));
            }
            let bytes = json_bytes(args) + json_bytes(&call.request.prompt);
            if bytes > PLAIN_VALUE_BYTES {
                let reason = format!("has {bytes} bytes of JSON; at most {PLAIN_VALUE_BYTES} are allowed");
                return Err(Rejection::invalid("args", reason));
            }
            original_args = Some(std::mem::replace(&mut call.request.args, args.clone()));
        }
        let (by, note) = (self.by.clone(), self.note.clone());
        let approval = Approval { approved: true, by, timestamp: ctx.now, note, original_args };
        let log = record(&head.entity, call, approval, ctx)?;
        if call.take_early_answer() {
            let mut writes = Decision::new(());
            writes.changes.extend(log);
            return waiting::close_call(view, ctx, head, row, writes);
        }
        call.make_available(ctx.now);
        // The decision depends on the execution: it must wait, or run.
        let mut decision = match head.entity.most_open_calls() {
            None => Decision::new(head.entity.execution_status()).check_entity(&head),
            Some(_) => {
                let is_full = head.entity.is_full();
                head.entity.forget_calls(0, 1);
                if is_full {
                    head.entity.enqueue(call);
                }
                ExecutionHead::store(head, view, ctx)?
            }
        };
        let hint = call.hint();
        decision.changes.push(row.update(ctx.now)?);
        decision.changes.extend(log);
        decision.hints.extend(hint);
        Ok(decision)
    }

    fn is_refusal(&self, output: &ExecutionStatus) -> bool {
        output.id.is_empty()
    }

    fn next(&self, output: &ExecutionStatus, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        // The call asks again.
        if self.is_refusal(output) {
            return Some(TypedQuery::boxed(RefusedApproval { call: self.call.clone() }));
        }
        RunSlice::after(output)
    }
}

impl Approve {
    /// The decision on the cost of a call, which budgets lacked.
    fn decide_cost(
        &self,
        view: &View,
        ctx: &mut Ctx,
        head: &LoadedEntity<ExecutionHead>,
        mut row: LoadedEntity<Call>,
    ) -> Result<Decision<ExecutionStatus>> {
        let call = &mut row.entity;
        if self.args.is_some() {
            return Err(Rejection::invalid("args", "is not expected: the cost of the call is approved"));
        }
        let Some(reserved) = call_cost::approve(view, ctx, call)? else {
            let refused = ExecutionStatus { id: String::new(), ..head.entity.execution_status() };
            return Decision::new(refused).check_entity(head).save(row, ctx.now);
        };
        let (by, note) = (self.by.clone(), self.note.clone());
        let approval = Approval { approved: true, by, timestamp: ctx.now, note, original_args: None };
        let log = record(&head.entity, call, approval, ctx)?;
        call.shortfall.clear();
        call.refusal = None;
        call.make_available(ctx.now);
        let hint = call.hint();
        // The decision depends on the execution: it must wait, or run.
        let mut decision = reserved.map(|()| head.entity.execution_status()).check_entity(head);
        decision.changes.push(row.update(ctx.now)?);
        decision.changes.extend(log);
        decision.hints.extend(hint);
        Ok(decision)
    }
}

/// Rejects an approval after which the call asks again: budgets lack more than it had shown.
#[derive(OperationName)]
#[operation(name = "cvm.refusedApproval")]
struct RefusedApproval {
    call: String,
}

impl DomainQuery for RefusedApproval {
    type Output = ();

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<()> {
        let call = Call::load(view, &self.call)?.entity;
        let needs = match &call.refusal {
            Some(refusal) if !call.shortfall.is_empty() => format!(": it {} now", refusal.message),
            // A repetition comes after the decision of another person.
            _ => String::new(),
        };
        let what = format!(
            "the approval was not applied: budgets lacked more for call {} of execution `{}` than it had shown{needs}; \
             read the call again, then approve it",
            call.step, call.execution_id
        );
        Err(Rejection::Stale { what })
    }
}

impl Command for Reject {
    type Output = ExecutionStatus;

    fn check(&self) -> Result<()> {
        check_name("by", Some(&self.by))?;
        check_note("reason", self.reason.as_ref())
    }

    fn reads(&self, view: &View) -> ReadSet {
        waiting::reads(view, &self.execution, &Key::new(&CC_HISTORY, &self.call))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<ExecutionStatus>> {
        let (head, mut row) = load_awaiting(view, ctx, &self.execution, &self.call)?;
        let call = &mut row.entity;
        let (timestamp, note) = (ctx.now, self.reason.clone());
        let refusal = call.refusal.take().filter(|_| !call.is_unapproved());
        let needs = refusal.as_ref().map_or_else(String::new, |refusal| format!(": it {}", refusal.message));
        let message = match &note {
            Some(note) => call_cost::with_unknown_attempt(call, note.clone()),
            None => format!("{} was rejected{needs}", call.label()),
        };
        let (name, code) = (Some("RejectedError".to_owned()), refusal.and_then(|refusal| refusal.name));
        call.error = Some(CallError { name, code, message, timestamp, by: Some(self.by.clone()) });
        let approval = Approval { approved: false, by: self.by.clone(), timestamp, note, original_args: None };
        let mut writes = Decision::new(());
        writes.changes.extend(record(&head.entity, call, approval, ctx)?);
        call.close(CallOutcome::Failed);
        waiting::close_call(view, ctx, head, row, writes)
    }

    fn next(&self, output: &ExecutionStatus, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        RunSlice::after(output)
    }
}
