//! The answers that another execution has recorded, for an execution that was started with them. A call that asks the
//! same gets the recorded answer when it is made, as it gets an early one: in the same commit, at no cost, and once.
//!
//! A call with a key asks the same as the other's call with that key and occurrence. One without a key is compared with
//! the other's calls in the order in which they were made: kind, prompt and arguments must be equal. Calls that the new
//! program lacks are passed over, and calls that it adds are asked, as are those that have failed or timed out. A call
//! that needs an approval gets an answer only if that call was approved too.

use runstate_core::decision::LoadedDocument;
use runstate_core::prelude::*;
use runstate_core::schema::Direction::Ascending;

use super::answer::{EarlyAnswer, keyed_id};
use super::approval::Approval;
use super::call::{CC_HISTORY, Call, CallOutcome, Response, TIMER};
use super::execution::ExecutionHead;
use super::request_text;

/// Whose answers an execution gets.
#[derive(Fields, Clone, Debug, Default, PartialEq)]
#[entity(rename_all = "camelCase")]
pub struct RecordedAnswers {
    /// The other execution.
    pub execution: String,
    /// The number of its newest call without a key that was passed.
    pub step: u64,
}

/// The name of the query for the next calls of the other execution.
const RECORDED: &str = "recorded calls";

/// How many of them are read at once.
const WINDOW: u32 = 64;

/// Among how many of them a call is looked for: the program may lack some of them.
const LOOKAHEAD: usize = 16;

impl RecordedAnswers {
    /// All answers of an execution.
    pub fn of(execution: &str) -> Self {
        Self { execution: execution.to_owned(), step: 0 }
    }

    /// The read set for running an execution with these answers.
    pub fn reads(&self) -> ReadSet {
        let later = Filter::Gt("step".to_owned(), self.step.into());
        let calls = Query::of(&CC_HISTORY).eq("executionId", self.execution.as_str()).filter(later);
        ReadSet::empty().query(RECORDED, calls.sort("step", Ascending).limit(WINDOW))
    }

    /// The row of the other's call with the key of `call`.
    pub fn keyed(&self, call: &Call) -> Option<Key> {
        let (key, occurrence) = (call.key.as_ref()?, call.occurrence?);
        Some(Key::new(&CC_HISTORY, &keyed_id(&self.execution, key, occurrence)))
    }

    /// Whether this slice has passed so many of the rows that it must end, and the next one read further ones.
    pub fn are_used_up(&self, view: &View) -> bool {
        let read = view.rows(RECORDED).unwrap_or_default().len();
        let left = self.left(view).count();
        view.next_cursor(RECORDED).is_some() && left < LOOKAHEAD && left < read
    }

    /// The rows that were not passed.
    fn left<'a>(&self, view: &'a View) -> impl Iterator<Item = &'a LoadedDocument> {
        let passed = self.step;
        let step = |row: &LoadedDocument| row.document.get("step").and_then(Json::as_u64);
        let rows = view.rows(RECORDED).unwrap_or_default().iter().map(|(_, row)| row);
        rows.skip_while(move |row| step(row).is_none_or(|step| step <= passed))
    }

    /// The response to the same call; `None`: the call must be asked.
    pub(super) fn take(&mut self, view: &View, call: &Call) -> Result<Option<RecordedAnswer>> {
        let answer = |other: Call| RecordedAnswer::of(other, call);
        let whole = |mut other: Call| {
            other.request = request_text::whole(view, &other)?.into_owned();
            Ok::<Call, Rejection>(other)
        };
        if let Some(key) = self.keyed(call) {
            let early = EarlyAnswer::find(view, &key.id)?.map(|early| early.entity.response);
            let made = || Call::find(view, &key.id)?.map(|row| whole(row.entity)).transpose();
            return match early {
                Some(response) => Ok((!call.awaits_approval).then_some(RecordedAnswer { response, approved: None })),
                None => Ok(made()?.filter(|other| other.kind == call.kind).and_then(answer)),
            };
        }
        // A row that cannot be read is asked again.
        let others = self.left(view).take(LOOKAHEAD).filter_map(|row| Call::from_document(&row.document).ok());
        let others = others.filter(|other| other.key.is_none() && other.kind == call.kind);
        let others: Vec<Call> = others.collect();
        request_text::require(view, &others)?;
        let others = others.into_iter().map(whole).collect::<Result<Vec<Call>>>()?;
        let same = others.into_iter().find(|other| asks_the_same(other, call));
        Ok(same.and_then(|other| {
            self.step = other.step;
            answer(other)
        }))
    }
}

/// A recorded answer.
pub(super) struct RecordedAnswer {
    /// The answer, or the end of a timer.
    pub response: Response,
    /// The approval of its call, and the arguments that were approved.
    approved: Option<(Approval, Json)>,
}

impl RecordedAnswer {
    /// The answer of `other`, or the end of a timer, if `call` may get it.
    fn of(other: Call, call: &Call) -> Option<Self> {
        let has_ended = other.outcome == Some(CallOutcome::Defaulted) && other.kind == TIMER;
        // An approval is one of this question or of these arguments.
        let is_same = *other.original_args() == call.request.args && other.request.prompt == call.request.prompt;
        let response = other.response.filter(|_| has_ended || other.outcome == Some(CallOutcome::Answered))?;
        let approval = other.approval.filter(|approval| approval.approved && is_same);
        let approved = approval.map(|approval| (approval, other.request.args));
        (!call.awaits_approval || approved.is_some()).then_some(Self { response, approved })
    }

    /// Records in `call` the approval under which the answer was given.
    pub fn approve(self, call: &mut Call) {
        if let Some((approval, args)) = self.approved {
            (call.approval, call.request.args) = (Some(approval), args);
        }
    }
}

fn asks_the_same(other: &Call, call: &Call) -> bool {
    let (before, now) = (&other.request, &call.request);
    if other.kind != call.kind || before.prompt != now.prompt || *other.original_args() != now.args {
        return false;
    }
    // A timer is named by its duration, or by its end.
    let duration = |one: &Call| one.request.deadline.map(|at| at.since(one.request.timestamp));
    call.kind != TIMER || before.deadline == now.deadline || duration(other) == duration(call)
}

/// The read set for the answers that an execution gets from another one.
pub(super) fn reads(execution: &ExecutionHead) -> ReadSet {
    execution.answers_from.as_ref().map_or_else(ReadSet::empty, RecordedAnswers::reads)
}
