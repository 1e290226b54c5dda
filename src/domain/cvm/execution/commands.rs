//! The commands that begin, move and end executions.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::super::live::{self, Heap, Live};
use super::super::program::{self, by_name, version_key};
use super::super::{CC_HISTORY, HEAP_PAGES, OUTPUTS, call, close, document, rows, turn, waited};
use super::{CcWaiting, EXECUTIONS, End, Event, Execution, Metrics, State, Status, not_found};
use crate::code::Code;
use crate::decision::{Change, Command, Ctx, Decision, Loaded, ReadSet, Rejection, View};
use crate::id;
use crate::limits::LogLevel;
use crate::schema::Direction::Ascending;
use crate::schema::{Collection, Filter, Key, Query};
use crate::time::{Millis, Timestamp};
use crate::value::{Json, check_plain};
use crate::vm::BYTECODE_VERSION;

/// What a command that drives an execution came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// The execution.
    pub id: String,
    /// Its status after the command.
    pub status: Status,
}

/// Starts a program under a new id and runs it to its first stop, a slice at the most.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    /// Id of the execution; `None`: one is made.
    pub id: Option<String>,
    /// Name of the program; its newest version is taken.
    pub program: String,
    /// The program's `input`.
    pub input: Option<Json>,
    /// Overrides the engine's level of logging.
    pub log_level: Option<LogLevel>,
    /// The execution that starts this one.
    pub parent: Option<String>,
}

impl Start {
    /// The newest version of `program`, under an id of its own, without input.
    pub fn of(program: &str) -> Self {
        Self { id: None, program: program.to_owned(), input: None, log_level: None, parent: None }
    }

    /// Under this id.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// With this input.
    pub fn input(mut self, input: Json) -> Self {
        self.input = Some(input);
        self
    }
}

/// Runs a running execution one slice further. Where it does not run there is nothing to do.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The execution.
    pub id: String,
}

/// Lets an execution rest. Answers that come meanwhile are kept.
#[derive(Clone, Debug, Serialize)]
pub struct Pause {
    /// The execution.
    pub id: String,
}

/// Lets a paused execution go on, with the answer that came meanwhile.
#[derive(Clone, Debug, Serialize)]
pub struct Unpause {
    /// The execution.
    pub id: String,
}

/// Ends an execution for good; its open call is cancelled.
#[derive(Clone, Debug, Serialize)]
pub struct Cancel {
    /// The execution.
    pub id: String,
}

/// Lets a failed execution go on at the failing instruction.
#[derive(Clone, Debug, Serialize)]
pub struct Retry {
    /// The execution.
    pub id: String,
}

/// Does what is due of an execution: goes on where its process died, lets deadlines pass, and tells whether its deletion was left half
/// done. Where nothing is due there is nothing to do.
#[derive(Clone, Debug, Serialize)]
pub struct Wake {
    /// The execution.
    pub id: String,
    /// Whoever wakes it does not go on with it after this: what is left is anybody's at once.
    pub hand_back: bool,
}

/// What was due of an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Woken {
    /// How it stands; `None`: it is gone, or being deleted.
    pub reached: Option<Reached>,
    /// Something was due.
    pub was_due: bool,
    /// Its deletion is to be gone on with: the incarnation for [`DeleteRows`].
    pub deleting: Option<String>,
}

/// Begins to remove a finished execution: from here on it refuses everything else. [`DeleteRows`] does the rest.
#[derive(Clone, Debug, Serialize)]
pub struct Delete {
    /// The execution.
    pub id: String,
    /// Only if it had ended by then: what was tried again or begun anew since stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<Timestamp>,
}

/// Removes a bounded batch of the rows of an execution that is being deleted, in the end its head. To be repeated until it is `done`.
#[derive(Clone, Debug, Serialize)]
pub struct DeleteRows {
    /// The execution.
    pub id: String,
    /// Which one of that id: what was started under it since is another.
    pub incarnation: String,
    /// Where the batch before ended ([`Deleted::from`]).
    #[serde(skip)]
    pub from: UpTo,
}

/// Where a batch of a deletion ended, so that the next one need not look past what is removed. Nothing rests on it: in the end it is looked
/// for what is left without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpTo {
    /// Step of the last call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// Time of the last row of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<i64>,
}

impl DeleteRows {
    /// From the first row on.
    pub fn of(id: &str, incarnation: String) -> Self {
        Self { id: id.to_owned(), incarnation, from: UpTo::default() }
    }
}

/// How far a deletion is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// The execution.
    pub id: String,
    /// Which one of that id.
    pub incarnation: String,
    /// Nothing of it is left.
    pub done: bool,
    /// For the next batch.
    #[serde(default)]
    pub from: UpTo,
}

impl Delete {
    /// This one, whenever it ended.
    pub fn of(id: &str) -> Self {
        Self { id: id.to_owned(), ended_by: None }
    }
}

impl Command for Start {
    const NAME: &'static str = "cvm.start";
    type Output = Reached;

    fn subject(&self) -> Option<Key> {
        self.id.as_ref().map(|id| Key::new(&EXECUTIONS, id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        let mut reads = ReadSet::none().query("program", by_name(&self.program));
        if let Some(id) = &self.id {
            reads = reads.and(Key::new(&EXECUTIONS, id));
        }
        if let Some([(_, found), ..]) = view.rows("program")
            && let (Some(id), Some(version)) = (
                found.document.get("id").and_then(Json::as_str),
                found.document.get("programVersion").and_then(Json::as_u64),
            )
        {
            reads = reads.and(version_key(id, u32::try_from(version).unwrap_or(0)));
        }
        reads
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        let invalid = |field: &str, reason: String| Rejection::Invalid { field: field.to_owned(), reason };
        let id = self.id.clone().unwrap_or_else(|| ctx.new_id());
        id::check(&id).map_err(|e| invalid("id", e.to_string()))?;
        check_plain(self.input.as_ref().unwrap_or(&Json::Null)).map_err(|e| invalid("input", e.to_string()))?;
        let key = Key::new(&EXECUTIONS, &id);
        if view.get(&key).is_some() {
            return Err(Rejection::AlreadyExists { what: "execution", id });
        }
        let Some([(program_key, found), ..]) = view.rows("program") else {
            let hint = "; load it first, or list what is there".to_owned();
            return Err(Rejection::NotFound { what: "program", id: self.program.clone(), hint });
        };
        let program: program::Program = document::read(program_key, found)?;
        if program.removing {
            let hint = " any more: it is being removed; load it again".to_owned();
            return Err(Rejection::NotFound { what: "program", id: self.program.clone(), hint });
        }
        if program.metadata.version != BYTECODE_VERSION {
            let message = format!(
                "program `{}` was compiled for bytecode version {}; load its source again",
                program.name, program.metadata.version
            );
            return Err(Rejection::domain(Code::NeedsRecompile, message));
        }
        let decoded_key = version_key(&program.id, program.program_version);
        let decoded = program::Decoded::of(view, &decoded_key)?;
        let input = self.input.clone().unwrap_or(Json::Null);
        let mut live = Live::start(&decoded, &input, ctx)?;
        let mut execution = Execution {
            id: id.clone(),
            program_id: program.id,
            program_name: program.name,
            program_version: program.program_version,
            state: State::Running { lease_until: ctx.now + ctx.settings.run_lease },
            pc: 0,
            frames: None,
            output: Vec::new(),
            output_count: 0,
            output_rows: 0,
            output_digest: String::new(),
            started: ctx.now,
            last_modified: ctx.now,
            metrics: Metrics::default(),
            input: self.input.clone(),
            parent_id: self.parent.clone(),
            random: Json::Null,
            heap: Heap::default(),
            log_level: self.log_level,
            together: 0,
            together_bytes: 0,
        };
        let changes = turn::slice(view, &mut execution, &mut live, ctx)?;
        let insert = Change::Insert { key: key.clone(), document: execution.to_document()? };
        let mut decision = Decision::of(execution.reached()).change(insert).check(program_key.clone(), found);
        decision.changes.extend(changes.changes);
        decision.hints = changes.hints;
        decision.warm = vec![(decoded_key, std::sync::Arc::new(decoded))];
        decision.warm.extend(live.keep(key, execution));
        Ok(decision)
    }
}

impl Command for Run {
    const NAME: &'static str = "cvm.run";
    type Output = Reached;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        live::reads(view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        let (before, execution) = Execution::find(view, &self.id)?;
        match &execution.state {
            State::Running { .. } => {
                let live = Live::of(view, &execution, ctx)?;
                turn::go_on(view, before, execution, live, ctx, Vec::new())
            }
            // Judged by the table, so that what is illegal is told as such.
            _ => {
                execution.step(Event::Ran(End::Slice(ctx.now)))?;
                Ok(Decision::of(execution.reached()))
            }
        }
    }
}

impl Command for Pause {
    const NAME: &'static str = "cvm.pause";
    type Output = Reached;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&EXECUTIONS, &self.id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        let (before, mut execution) = Execution::find(view, &self.id)?;
        let after = execution.step(Event::Pause)?;
        if after == execution.state {
            return Ok(Decision::of(execution.reached()));
        }
        execution.state = after;
        execution.rewrite(before, view, ctx)
    }
}

impl Command for Unpause {
    const NAME: &'static str = "cvm.unpause";
    type Output = Reached;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        waited::with_open_calls(live::reads(view, &self.id), view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        let (before, mut execution) = Execution::find(view, &self.id)?;
        let calls = waited::waited_for(view, &execution)?;
        execution.state = execution.step(Event::Unpause)?;
        let running = State::Running { lease_until: ctx.now + ctx.settings.run_lease };
        if calls.is_empty() {
            execution.state = running;
            return execution.rewrite(before, view, ctx);
        }
        let calls: Vec<call::Call> = calls.into_iter().map(|(_, call)| call).collect();
        if let Some(waiting) = close::waiting_for(&calls) {
            execution.state = State::Waiting(waiting);
            return execution.rewrite(before, view, ctx);
        }
        let mut live = Live::of(view, &execution, ctx)?;
        close::resume(&mut live, &calls)?;
        execution.state = running;
        turn::go_on(view, before, execution, live, ctx, Vec::new())
    }
}

impl Command for Cancel {
    const NAME: &'static str = "cvm.cancel";
    type Output = Reached;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        waited::with_open_calls(ReadSet::key(Key::new(&EXECUTIONS, &self.id)), view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        let (before, mut execution) = Execution::find(view, &self.id)?;
        let cancelled = execution.step(Event::Cancel(ctx.now))?;
        let calls = close::cancel(view, &execution)?;
        execution.state = cancelled;
        let mut decision = execution.rewrite(before, view, ctx)?;
        decision.changes.extend(calls);
        Ok(decision)
    }
}

impl Command for Retry {
    const NAME: &'static str = "cvm.retry";
    type Output = Reached;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        live::reads(view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        let (before, mut execution) = Execution::find(view, &self.id)?;
        execution.state = execution.step(Event::Retry)?;
        let live = Live::of(view, &execution, ctx)?;
        turn::go_on(view, before, execution, live, ctx, Vec::new())
    }
}

impl Command for Wake {
    const NAME: &'static str = "cvm.wake";
    type Output = Woken;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        waited::with_open_calls(live::reads(view, &self.id), view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Woken>, Rejection> {
        let key = Key::new(&EXECUTIONS, &self.id);
        if self.hand_back {
            ctx.settings.run_lease = Millis(0);
        }
        let gone = Woken { reached: None, was_due: false, deleting: None };
        let Some(head) = view.get(&key) else { return Ok(Decision::of(gone)) };
        let execution = Execution::peek(view, &self.id).map(Cow::into_owned);
        let mut execution = execution.map_or_else(|| Execution::from_document(&key, head), Ok)?;
        let decision = match &execution.state {
            State::Running { lease_until } if *lease_until <= ctx.now => {
                let live = Live::of(view, &execution, ctx)?;
                turn::go_on(view, head, execution, live, ctx, Vec::new())?
            }
            State::Waiting(CcWaiting { due: Some(due), .. }) if *due <= ctx.now => {
                close::passed(view, ctx, head, execution)?
            }
            State::Deleted { lease_until, .. } if *lease_until <= ctx.now => {
                // Whoever began it is gone: this one goes on, and others leave it alone for a while.
                let deleting = Some(head.revision.incarnation().to_owned());
                if let State::Deleted { lease_until, .. } = &mut execution.state {
                    *lease_until = ctx.now + ctx.settings.run_lease;
                }
                let change = Change::Update { key, before: head.clone(), after: execution.to_document()? };
                return Ok(Decision::of(Woken { reached: None, was_due: true, deleting }).change(change));
            }
            State::Deleted { .. } => return Ok(Decision::of(gone)),
            _ => {
                return Ok(Decision::of(Woken { reached: Some(execution.reached()), was_due: false, deleting: None }));
            }
        };
        Ok(decision.map(|reached| Woken { reached: Some(reached), was_due: true, deleting: None }))
    }
}

/// Rows that one batch of a deletion removes, of each collection.
const DELETE_ROWS: u32 = 250;

/// How many rows a commit removes at the most, beside the head.
fn beside_head(ctx: &Ctx) -> usize {
    ctx.most_writes.saturating_sub(1).max(1)
}

impl Command for Delete {
    const NAME: &'static str = "cvm.delete";
    type Output = Deleted;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::key(Key::new(&EXECUTIONS, &self.id))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Deleted>, Rejection> {
        let key = Key::new(&EXECUTIONS, &self.id);
        let before = view.get(&key).ok_or_else(|| not_found(&self.id))?;
        let mut execution = Execution::from_document(&key, before)?;
        let begun = matches!(execution.state, State::Deleted { .. });
        if let Some(by) = self.ended_by
            && execution.ended().is_none_or(|at| at > by)
        {
            let incarnation = before.revision.incarnation().to_owned();
            return Ok(Decision::of(Deleted { id: self.id.clone(), incarnation, done: true, from: UpTo::default() }));
        }
        execution.state = execution.step(Event::Delete(ctx.now + ctx.settings.run_lease))?;
        let incarnation = before.revision.incarnation().to_owned();
        let decision = Decision::of(Deleted { id: self.id.clone(), incarnation, done: false, from: UpTo::default() });
        if begun {
            return Ok(decision);
        }
        execution.last_modified = ctx.now;
        let after = execution.to_document()?;
        let mut decision = decision.change(Change::Update { key, before: before.clone(), after });
        // Something is taken away at once: that is how a full disk knows a command that makes room.
        let rows = live::heap_rows(&execution, beside_head(ctx).min(DELETE_ROWS as usize)).into_iter();
        decision.changes.extend(rows.map(|key| Change::Delete { key, revision: None }));
        Ok(decision)
    }
}

impl Command for DeleteRows {
    const NAME: &'static str = "cvm.delete_rows";
    type Output = Deleted;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, _: &View) -> ReadSet {
        let rows = |of: &Collection| Query::of(of).eq("executionId", self.id.as_str()).limit(DELETE_ROWS);
        let after = |query: Query, field: &str, from: Option<Json>| {
            let query = query.sort(field, Ascending);
            from.map_or(query.clone(), |from| query.filter(Filter::Gte(field.to_owned(), from)))
        };
        let calls = after(rows(&CC_HISTORY), "step", self.from.step.map(Json::from));
        // Small ones go many at once.
        let logs = rows(&rows::EXECUTION_LOGS).limit(8 * DELETE_ROWS);
        let logs = after(logs, "timestamp", self.from.log.map(Json::from));
        ReadSet::key(Key::new(&EXECUTIONS, &self.id))
            .query("outputs", rows(&OUTPUTS))
            .query("pages", rows(&HEAP_PAGES))
            .query("calls", calls)
            .query("logs", logs)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Deleted>, Rejection> {
        let key = Key::new(&EXECUTIONS, &self.id);
        let gone = |done| {
            let from = UpTo::default();
            Decision::of(Deleted { id: self.id.clone(), incarnation: self.incarnation.clone(), done, from })
        };
        let Some(head) = view.get(&key) else { return Ok(gone(true)) };
        if !matches!(Execution::from_document(&key, head)?.state, State::Deleted { .. }) {
            // Somebody else finished, and another execution has the id by now: its rows are none of ours. One that is being deleted is gone on
            // with whichever it is: where it was imported, a deletion that began elsewhere knows it by another incarnation.
            if head.revision.incarnation() != self.incarnation {
                return Ok(gone(true));
            }
            return Err(Rejection::Stale { what: format!("the deletion of `{}` was never begun", self.id) });
        }
        let rows: Vec<&(Key, Loaded)> =
            ["outputs", "pages", "calls", "logs"].iter().flat_map(|name| view.rows(name).unwrap_or_default()).collect();
        // The head goes last: its id is free only when nothing of it is left. It was marked in a commit before, so nobody adds rows any
        // more while the last ones are looked for.
        if rows.is_empty() && self.from != UpTo::default() {
            // Nothing behind the last batch: whether anything is before it is looked for next.
            return Ok(gone(false));
        }
        if rows.is_empty() {
            return Ok(gone(true).change(Change::Delete { key, revision: Some(head.revision.clone()) }));
        }
        let mut decision = gone(false).check(key, head);
        let from = &mut decision.output.from;
        *from = self.from;
        for (key, row) in rows.into_iter().take(beside_head(ctx)) {
            from.step = row.document.get("step").and_then(Json::as_u64).or(from.step);
            if key.collection == rows::EXECUTION_LOGS.name {
                from.log = row.document.get("timestamp").and_then(Json::as_i64).or(from.log);
            }
            decision.changes.push(Change::Delete { key: key.clone(), revision: None });
        }
        Ok(decision)
    }
}
