//! The commands that begin, move and end executions; deleting them is in `delete.rs`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::super::live::{self, Heap, Live};
use super::super::program::{self, by_name, version_key};
use super::super::{call, close, document, turn, waited};
use super::{CcWaiting, EXECUTIONS, End, Event, Execution, Metrics, State, Status};
use crate::code::Code;
use crate::decision::{Change, Command, Ctx, Decision, ReadSet, Rejection, View};
use crate::id;
use crate::limits::{LogLevel, check_heap_bytes};
use crate::schema::Key;
use crate::time::Millis;
use crate::value::{Json, check_plain};
use crate::vm::BYTECODE_VERSION;

/// What a command that drives an execution came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
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
    /// Bytes that its heap may take; `None`: as the engine's settings say.
    // Left out where it is none: the fingerprint of a start stays what it was before there was this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heap_bytes: Option<u64>,
    /// The execution that starts this one.
    pub parent: Option<String>,
}

impl Start {
    /// The newest version of `program`, under an id of its own, without input.
    pub fn of(program: &str) -> Self {
        Self { id: None, program: program.to_owned(), input: None, log_level: None, heap_bytes: None, parent: None }
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
    /// Its deletion is to be gone on with: the incarnation for [`DeleteRows`](super::DeleteRows).
    pub deleting: Option<String>,
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
        self.heap_bytes
            .map_or(Ok(()), check_heap_bytes)
            .map_err(|reason| Rejection::Invalid { field: "heapBytes".to_owned(), reason })?;
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
        let mut live = Live::start(&decoded, &input, self.heap_bytes, ctx)?;
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
            heap_bytes: self.heap_bytes,
            together: 0,
            together_bytes: 0,
        };
        let changes = turn::slice(view, &mut execution, &mut live, ctx)?;
        let insert = Change::Insert { key: key.clone(), document: execution.to_document()? };
        let mut decision = Decision::of(execution.reached()).change(insert).check(program_key.clone(), found);
        decision.changes.extend(changes.changes);
        decision.hints = changes.hints;
        decision.warm = vec![(decoded_key, decoded.cached())];
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
        let (before, execution) = Execution::find_owned(view, &self.id)?;
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
        let (before, mut execution) = Execution::find_owned(view, &self.id)?;
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
        let (before, mut execution) = Execution::find_owned(view, &self.id)?;
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
        let (before, mut execution) = Execution::find_owned(view, &self.id)?;
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
        let (before, mut execution) = Execution::find_owned(view, &self.id)?;
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
