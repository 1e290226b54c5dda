//! An execution: one run of a program, from start to end. Its head is one document; what grows lives in rows (`rows.rs`), its
//! calls in `call.rs`. What a slice of running does is in `turn.rs`.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::live::{self, Heap, Live};
use super::program::{by_name, version_key};
use super::{CC_HISTORY, HEAP_PAGES, OUTPUTS, call, document, program, rows, turn};
use crate::code::Code;
use crate::decision::{Change, Command, Ctx, Decision, Lifecycle, Loaded, ReadSet, Rejection, View};
use crate::id;
use crate::limits::LogLevel;
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{Collection, Field, Index, Key, Predicate, Query, Reference};
use crate::time::Timestamp;
use crate::value::{Document, Json, check_plain};
use crate::vm::{self, BYTECODE_VERSION};

/// An execution.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Its id.
    pub id: String,
    /// The program's id.
    pub program_id: String,
    /// The program's name, for queries.
    pub program_name: String,
    /// The version it runs, to its end.
    pub program_version: u32,
    /// What it is doing.
    pub state: State,
    /// Program counter.
    pub pc: u32,
    /// Operand stack and scopes as saved; `None` where they stand in rows of their own ([`Heap::spill`]).
    pub(super) frames: Option<live::Frames>,
    /// The newest lines of output: at most 100 and 16 KiB.
    pub output: Vec<String>,
    /// All lines printed so far.
    pub output_count: u64,
    /// Rows of output so far.
    pub output_rows: u64,
    /// Running digest of all output.
    pub output_digest: String,
    /// When it was started.
    pub started: Timestamp,
    /// When it was last written.
    pub last_modified: Timestamp,
    /// Counters.
    pub metrics: Metrics,
    /// What start was given.
    pub input: Option<Json>,
    /// The execution that started this one.
    pub parent_id: Option<String>,
    /// State of the program's random source.
    pub(super) random: Json,
    /// The pages in force.
    pub(super) heap: Heap,
    /// Overrides the engine's level.
    pub log_level: Option<LogLevel>,
}

/// Counters of an execution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Instructions run.
    pub instructions_executed: u64,
    /// Calls made.
    pub cc_calls_count: u64,
    /// Time spent running, as far as saves show it: from each save of a running execution to the next.
    pub execution_time_ms: i64,
}

/// What an execution waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CcWaiting {
    /// The instruction it waits at.
    pub instruction_id: u32,
    /// The question.
    pub prompt: String,
    /// When it was asked.
    pub requested_at: Timestamp,
    /// The first open call.
    pub call_id: String,
    /// How many calls are open.
    pub open_calls: u32,
}

/// Why a program failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProgramError {
    /// In words.
    pub message: String,
    /// `TypeError`, `LimitError`, or what the program threw.
    pub name: String,
    /// Line of the source, from 1.
    pub line: u32,
    /// Column of the source, from 1.
    pub column: u32,
    /// The failing instruction.
    pub instruction: u32,
    /// Where from, innermost first.
    pub stack: Vec<String>,
    /// When.
    pub timestamp: Timestamp,
}

/// What an execution is doing. Terminal states own the time they ended.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It runs, or was left by the process that ran it; after `lease_until` anyone takes it for left.
    Running {
        /// The end of the lease.
        lease_until: Timestamp,
    },
    /// It waits for an answer.
    Waiting(CcWaiting),
    /// It rests until it is unpaused.
    Paused(Resting),
    /// It came to its end.
    Complete {
        /// When.
        at: Timestamp,
        /// The value of the program.
        result: Json,
    },
    /// It failed; it may be tried again at the failing instruction.
    Failed {
        /// When.
        at: Timestamp,
        /// Why.
        error: ProgramError,
    },
    /// Somebody ended it.
    Cancelled {
        /// When.
        at: Timestamp,
    },
    /// Its rows are being removed; then it is gone.
    Deleted {
        /// What it was.
        was: Status,
        /// When it had ended.
        at: Timestamp,
    },
}

/// What a paused execution goes back to.
#[derive(Clone, Debug, PartialEq)]
pub enum Resting {
    /// Running.
    Running,
    /// Waiting for this.
    Waiting(CcWaiting),
}

/// The status on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// See [`State::Running`].
    Running,
    /// See [`State::Waiting`].
    WaitingCc,
    /// See [`State::Paused`].
    Paused,
    /// See [`State::Complete`].
    Complete,
    /// See [`State::Failed`].
    Error,
    /// See [`State::Cancelled`].
    Cancelled,
}

/// `cvm.executions`.
pub const EXECUTIONS: Collection = Collection::new("cvm.executions", 1)
    .fields(&[
        Field::id("id"),
        Field::id("programId"),
        Field::text("programName"),
        Field::int("programVersion"),
        Field::object("state"),
        Field::int("state.pc"),
        Field::list("state.stack"),
        Field::list("state.scopes"),
        Field::text("state.status").one_of(Status::ALL),
        Field::list("state.output"),
        Field::int("state.outputCount"),
        Field::object("ccWaiting").optional(),
        Field::timestamp("started"),
        Field::timestamp("completed").optional(),
        Field::timestamp("lastModified"),
        Field::object("metrics"),
        Field::object("error").optional(),
        Field::json("result").optional(),
        Field::json("input").optional(),
        Field::id("parentId").optional(),
        Field::object("pausedFrom").optional(),
        Field::json("random"),
        Field::object("heap"),
        Field::text("outputDigest"),
        Field::text("logLevel").optional(),
        Field::timestamp("wakeAt").optional(),
        Field::bool("deleting").optional(),
    ])
    .indexes(&[
        Index::by(&[("programId", Ascending)]),
        Index::by(&[("state.status", Ascending)]),
        Index::by(&[("started", Descending)]),
        Index::by(&[("programName", Ascending), ("started", Descending)]),
        Index::by(&[("parentId", Ascending)]),
        Index::by(&[("completed", Ascending)]),
        Index::by(&[("wakeAt", Ascending)]).partial(Predicate::Exists("wakeAt")),
    ])
    .references(&[
        Reference { field: "programId", collection: "cvm.programs" },
        Reference { field: "parentId", collection: "cvm.executions" },
    ]);

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

/// Removes a finished execution with all its rows, a bounded batch at a time. To be repeated until it is `done`.
#[derive(Clone, Debug, Serialize)]
pub struct Delete {
    /// The execution.
    pub id: String,
}

/// How far a deletion is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// The execution.
    pub id: String,
    /// Nothing of it is left.
    pub done: bool,
}

/// What happens to an execution.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A slice was run, and ended so.
    Ran(End),
    /// Its open call was answered.
    Answer,
    /// See [`Pause`].
    Pause,
    /// See [`Unpause`].
    Unpause,
    /// See [`Cancel`].
    Cancel(Timestamp),
    /// See [`Retry`].
    Retry,
    /// See [`Delete`].
    Delete,
}

/// How a slice ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// With more to run.
    Slice(Timestamp),
    /// With a question.
    Asked(CcWaiting),
    /// With the program's value.
    Complete(Timestamp, Json),
    /// With an error.
    Failed(ProgramError),
}

impl Lifecycle for Execution {
    type State = State;
    type Event = Event;

    fn transition(state: State, event: Event) -> Result<State, Rejection> {
        let refused = Rejection::IllegalTransition {
            key: Key::new(&EXECUTIONS, "?"),
            from: Self::status(&state),
            command: Self::command(&event),
        };
        // A lease of nothing: what goes back to running is given one by the slice that runs it.
        let running = State::Running { lease_until: Timestamp::default() };
        Ok(match (state, event) {
            (State::Running { .. }, Event::Ran(end)) => match end {
                End::Slice(lease_until) => State::Running { lease_until },
                End::Asked(call) => State::Waiting(call),
                End::Complete(at, result) => State::Complete { at, result },
                End::Failed(error) => State::Failed { at: error.timestamp, error },
            },
            // Whoever asks a resting or finished execution to run is told how it stands.
            (state @ (State::Waiting(_) | State::Complete { .. } | State::Failed { .. } | State::Cancelled { .. }), Event::Ran(_)) => state,

            (State::Waiting(_), Event::Answer) => running,
            (state @ State::Paused(Resting::Waiting(_)), Event::Answer) => state,

            (State::Running { .. }, Event::Pause) => State::Paused(Resting::Running),
            (State::Waiting(call), Event::Pause) => State::Paused(Resting::Waiting(call)),
            (state @ State::Paused(_), Event::Pause) => state,

            (State::Paused(Resting::Running), Event::Unpause) => running,
            (State::Paused(Resting::Waiting(call)), Event::Unpause) => State::Waiting(call),

            (State::Running { .. } | State::Waiting(_) | State::Paused(_), Event::Cancel(at)) => State::Cancelled { at },
            (State::Failed { .. }, Event::Retry) => running,

            (State::Complete { at, .. }, Event::Delete) => State::Deleted { was: Status::Complete, at },
            (State::Failed { at, .. }, Event::Delete) => State::Deleted { was: Status::Error, at },
            (State::Cancelled { at }, Event::Delete) => State::Deleted { was: Status::Cancelled, at },
            (state @ State::Deleted { .. }, Event::Delete) => state,

            (
                State::Running { .. }
                | State::Waiting(_)
                | State::Paused(_)
                | State::Complete { .. }
                | State::Failed { .. }
                | State::Cancelled { .. }
                | State::Deleted { .. },
                _,
            ) => return Err(refused),
        })
    }

    fn states() -> Vec<State> {
        let at = Timestamp::default();
        vec![
            State::Running { lease_until: at },
            State::Waiting(CcWaiting::sample()),
            State::Paused(Resting::Running),
            State::Paused(Resting::Waiting(CcWaiting::sample())),
            State::Complete { at, result: Json::Null },
            State::Failed { at, error: ProgramError::sample() },
            State::Cancelled { at },
            State::Deleted { was: Status::Complete, at },
        ]
    }

    fn events() -> Vec<Event> {
        let at = Timestamp::default();
        vec![
            Event::Ran(End::Slice(at)),
            Event::Ran(End::Asked(CcWaiting::sample())),
            Event::Ran(End::Complete(at, Json::Null)),
            Event::Ran(End::Failed(ProgramError::sample())),
            Event::Answer,
            Event::Pause,
            Event::Unpause,
            Event::Cancel(at),
            Event::Retry,
            Event::Delete,
        ]
    }

    fn status(state: &State) -> &'static str {
        match state {
            State::Deleted { .. } => "deleted",
            other => other.status().as_str(),
        }
    }

    fn command(event: &Event) -> &'static str {
        match event {
            Event::Ran(_) => "run",
            Event::Answer => "answered",
            Event::Pause => "paused",
            Event::Unpause => "unpaused",
            Event::Cancel(_) => "cancelled",
            Event::Retry => "retried",
            Event::Delete => "deleted",
        }
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
            && let (Some(id), Some(version)) =
                (found.document.get("id").and_then(Json::as_str), found.document.get("programVersion").and_then(Json::as_u64))
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
        if program.metadata.version != BYTECODE_VERSION {
            let message = format!("program `{}` was compiled for bytecode version {}; load its source again", program.name, program.metadata.version);
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
        };
        let changes = turn::slice(&mut execution, &mut live, ctx)?;
        let insert = Change::Insert { key: key.clone(), document: execution.to_document()? };
        let mut decision = Decision::of(execution.reached()).change(insert).check(program_key.clone(), found);
        decision.changes.extend(changes.changes);
        decision.hints = changes.hints;
        decision.warm = vec![(decoded_key, std::sync::Arc::new(decoded)), (key, live.warm(&execution))];
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
        let (before, mut execution) = Execution::find(view, &self.id)?;
        match &execution.state {
            State::Running { .. } => {
                // What lies between two saves of a running execution was spent running, unless its process died in between.
                let ran = ctx.now.since(execution.last_modified).0.clamp(0, ctx.settings.run_lease.0);
                execution.metrics.execution_time_ms += ran;
                let live = Live::of(view, &execution, ctx)?;
                turn::go_on(before, execution, live, ctx, Vec::new())
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
        call::with_open_call(live::reads(view, &self.id), view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        let (before, mut execution) = Execution::find(view, &self.id)?;
        execution.state = execution.step(Event::Unpause)?;
        let State::Waiting(waiting) = &execution.state else {
            execution.state = State::Running { lease_until: ctx.now + ctx.settings.run_lease };
            return execution.rewrite(before, view, ctx);
        };
        let (key, row, open) = call::Call::find(view, &waiting.call_id)?;
        match open.response {
            None => {
                // That no answer is there yet is what this rests on.
                let row = row.clone();
                Ok(execution.rewrite(before, view, ctx)?.check(key, &row))
            }
            Some(response) => {
                let mut live = Live::of(view, &execution, ctx)?;
                live.answer(&response.result);
                execution.state = execution.step(Event::Answer)?;
                turn::go_on(before, execution, live, ctx, Vec::new())
            }
        }
    }
}

impl Command for Cancel {
    const NAME: &'static str = "cvm.cancel";
    type Output = Reached;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, view: &View) -> ReadSet {
        call::with_open_call(ReadSet::key(Key::new(&EXECUTIONS, &self.id)), view, &self.id)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Reached>, Rejection> {
        let (before, mut execution) = Execution::find(view, &self.id)?;
        let open = execution.open_call().map(|call| call.call_id.clone());
        execution.state = execution.step(Event::Cancel(ctx.now))?;
        let mut decision = execution.rewrite(before, view, ctx)?;
        if let Some(call) = open {
            decision.changes.extend(call::cancel(view, &call)?);
        }
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
        turn::go_on(before, execution, live, ctx, Vec::new())
    }
}

/// Rows that one batch of a deletion removes, of each collection.
const DELETE_ROWS: u32 = 250;

impl Command for Delete {
    const NAME: &'static str = "cvm.delete";
    type Output = Deleted;

    fn subject(&self) -> Option<Key> {
        Some(Key::new(&EXECUTIONS, &self.id))
    }

    fn reads(&self, _: &View) -> ReadSet {
        let rows = |of: &Collection| Query::of(of).eq("executionId", self.id.as_str()).limit(DELETE_ROWS);
        ReadSet::key(Key::new(&EXECUTIONS, &self.id))
            .query("outputs", rows(&OUTPUTS))
            .query("pages", rows(&HEAP_PAGES))
            .query("calls", rows(&CC_HISTORY))
            .query("logs", rows(&rows::EXECUTION_LOGS))
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<Deleted>, Rejection> {
        let key = Key::new(&EXECUTIONS, &self.id);
        let gone = |done| Decision::of(Deleted { id: self.id.clone(), done });
        let before = view.get(&key).ok_or_else(|| not_found(&self.id))?;
        let mut execution = Execution::from_document(&key, before)?;
        let begun = matches!(execution.state, State::Deleted { .. });
        execution.state = execution.step(Event::Delete)?;
        let rows: Vec<&(Key, Loaded)> =
            ["outputs", "pages", "calls", "logs"].iter().flat_map(|name| view.rows(name).unwrap_or_default()).collect();
        // The head goes last and alone marks what is going on: its id is free only when nothing of it is left. It is marked in a batch
        // of its own first, so that nobody adds rows any more when the last ones are looked for.
        if !begun {
            execution.last_modified = ctx.now;
            let after = execution.to_document()?;
            return Ok(gone(false).change(Change::Update { key, before: before.clone(), after }));
        }
        if rows.is_empty() {
            return Ok(gone(true).change(Change::Delete { key, revision: Some(before.revision.clone()) }));
        }
        let mut decision = gone(false).check(key, before);
        decision.changes.extend(rows.into_iter().map(|(key, _)| Change::Delete { key: key.clone(), revision: None }));
        Ok(decision)
    }
}

impl Status {
    /// All of them, as they stand on the wire.
    pub const ALL: &'static [&'static str] = &["running", "waiting_cc", "paused", "complete", "error", "cancelled"];

    /// As it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::WaitingCc => "waiting_cc",
            Status::Paused => "paused",
            Status::Complete => "complete",
            Status::Error => "error",
            Status::Cancelled => "cancelled",
        }
    }
}

impl State {
    /// Its status on the wire.
    pub fn status(&self) -> Status {
        match self {
            State::Running { .. } => Status::Running,
            State::Waiting(_) => Status::WaitingCc,
            State::Paused(_) => Status::Paused,
            State::Complete { .. } => Status::Complete,
            State::Failed { .. } => Status::Error,
            State::Cancelled { .. } => Status::Cancelled,
            State::Deleted { was, .. } => *was,
        }
    }
}

fn not_found(id: &str) -> Rejection {
    Rejection::NotFound { what: "execution", id: id.to_owned(), hint: "; list shows what is there".to_owned() }
}

impl Execution {
    /// The execution of that id as it was read. One that is being deleted is not there any more.
    pub(super) fn find<'a>(view: &'a View, id: &str) -> Result<(&'a Loaded, Execution), Rejection> {
        let key = Key::new(&EXECUTIONS, id);
        let loaded = view.get(&key).ok_or_else(|| not_found(id))?;
        let execution = match view.warm::<live::Warm>(&key) {
            Some(warm) => warm.execution.clone(),
            None => Self::from_document(&key, loaded)?,
        };
        match execution.state {
            State::Deleted { .. } => Err(not_found(id)),
            _ => Ok((loaded, execution)),
        }
    }

    /// The next state by the lifecycle.
    pub(super) fn step(&self, event: Event) -> Result<State, Rejection> {
        Self::transition(self.state.clone(), event).map_err(|rejection| match rejection {
            Rejection::IllegalTransition { from, command, .. } => {
                Rejection::IllegalTransition { key: Key::new(&EXECUTIONS, &self.id), from, command }
            }
            other => other,
        })
    }

    /// What a caller is told.
    pub(super) fn reached(&self) -> Reached {
        Reached { id: self.id.clone(), status: self.state.status() }
    }

    /// What it waits for, paused or not.
    pub fn open_call(&self) -> Option<&CcWaiting> {
        match &self.state {
            State::Waiting(call) | State::Paused(Resting::Waiting(call)) => Some(call),
            _ => None,
        }
    }

    /// The decision that writes the head anew where the machine did not move; its live form goes on.
    fn rewrite(mut self, before: &Loaded, view: &View, ctx: &Ctx) -> Result<Decision<Reached>, Rejection> {
        self.last_modified = ctx.now;
        let key = Key::new(&EXECUTIONS, &self.id);
        let change = Change::Update { key: key.clone(), before: before.clone(), after: self.to_document()? };
        let mut decision = Decision::of(self.reached()).change(change);
        if let Some(warm) = view.warm::<live::Warm>(&key) {
            decision.warm.push((key, warm.live.clone().warm(&self)));
        }
        Ok(decision)
    }

    /// When somebody should look at it again.
    fn wake_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Running { lease_until } => Some(*lease_until),
            _ => None,
        }
    }

    /// As a document.
    pub fn to_document(&self) -> Result<Document, Rejection> {
        let (mut cc_waiting, mut completed, mut error, mut result, mut paused_from, mut deleting) = Default::default();
        match &self.state {
            State::Running { .. } => {}
            State::Waiting(call) => cc_waiting = Some(call.clone()),
            State::Paused(Resting::Running) => paused_from = Some(PausedFrom { status: Status::Running, cc_waiting: None }),
            State::Paused(Resting::Waiting(call)) => {
                paused_from = Some(PausedFrom { status: Status::WaitingCc, cc_waiting: Some(call.clone()) });
            }
            State::Complete { at, result: value } => (completed, result) = (Some(*at), Some(value.clone())),
            State::Failed { at, error: why } => (completed, error) = (Some(*at), Some(why.clone())),
            State::Cancelled { at } => completed = Some(*at),
            State::Deleted { at, .. } => (completed, deleting) = (Some(*at), Some(true)),
        }
        let frames = self.frames.clone().unwrap_or_else(live::Frames::elsewhere);
        document::write(&Wire {
            id: self.id.clone(),
            program_id: self.program_id.clone(),
            program_name: self.program_name.clone(),
            program_version: self.program_version,
            state: WireState {
                pc: self.pc,
                stack: frames.stack,
                scopes: frames.scopes,
                machine: frames.machine,
                status: self.state.status(),
                output: self.output.clone(),
                output_count: self.output_count,
                output_rows: self.output_rows,
            },
            cc_waiting,
            started: self.started,
            completed,
            last_modified: self.last_modified,
            metrics: self.metrics,
            error,
            result,
            input: self.input.clone(),
            parent_id: self.parent_id.clone(),
            paused_from,
            random: self.random.clone(),
            heap: self.heap.clone(),
            output_digest: self.output_digest.clone(),
            log_level: self.log_level,
            wake_at: self.wake_at(),
            deleting,
        })
    }

    /// From a document; one whose parts contradict each other is damaged.
    pub fn from_document(key: &Key, loaded: &Loaded) -> Result<Self, Rejection> {
        let wire: Wire = document::read(key, loaded)?;
        let wrong = |what: &str| document::damaged(key, &format!("it is {} {what}", wire.state.status.as_str()));
        let at = || wire.completed.ok_or_else(|| wrong("and has no time of its end"));
        let waiting = |call: &Option<CcWaiting>| call.clone().ok_or_else(|| wrong("and says not for what"));
        let state = match wire.state.status {
            status if wire.deleting == Some(true) => State::Deleted { was: status, at: at()? },
            Status::Running => State::Running { lease_until: wire.wake_at.unwrap_or_default() },
            Status::WaitingCc => State::Waiting(waiting(&wire.cc_waiting)?),
            Status::Paused => match wire.paused_from.as_ref().ok_or_else(|| wrong("and says not from what"))? {
                PausedFrom { status: Status::WaitingCc, cc_waiting } => State::Paused(Resting::Waiting(waiting(cc_waiting)?)),
                _ => State::Paused(Resting::Running),
            },
            Status::Complete => State::Complete { at: at()?, result: wire.result.clone().unwrap_or(Json::Null) },
            Status::Error => {
                State::Failed { at: at()?, error: wire.error.clone().ok_or_else(|| wrong("and says not which"))? }
            }
            Status::Cancelled => State::Cancelled { at: at()? },
        };
        let frames = live::Frames { stack: wire.state.stack, scopes: wire.state.scopes, machine: wire.state.machine };
        Ok(Self {
            id: wire.id,
            program_id: wire.program_id,
            program_name: wire.program_name,
            program_version: wire.program_version,
            state,
            pc: wire.state.pc,
            frames: wire.heap.spill.is_none().then_some(frames),
            output: wire.state.output,
            output_count: wire.state.output_count,
            output_rows: wire.state.output_rows,
            output_digest: wire.output_digest,
            started: wire.started,
            last_modified: wire.last_modified,
            metrics: wire.metrics,
            input: wire.input,
            parent_id: wire.parent_id,
            random: wire.random,
            heap: wire.heap,
            log_level: wire.log_level,
        })
    }
}

impl CcWaiting {
    fn sample() -> Self {
        let at = Timestamp::default();
        Self { instruction_id: 0, prompt: String::new(), requested_at: at, call_id: "call".into(), open_calls: 1 }
    }
}

impl ProgramError {
    /// What a failure of the machine is on the wire.
    pub(super) fn of(failure: vm::Failure, timestamp: Timestamp) -> Self {
        let vm::Failure { name, message, line, column, instruction, stack, .. } = failure;
        Self { message, name, line, column, instruction, stack, timestamp }
    }

    fn sample() -> Self {
        let at = Timestamp::default();
        Self { message: String::new(), name: String::new(), line: 1, column: 1, instruction: 0, stack: vec![], timestamp: at }
    }

    /// For logs.
    pub(super) fn to_json(&self) -> Json {
        json!({"name": self.name, "message": self.message, "line": self.line, "column": self.column})
    }
}

/// The document's shape.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    id: String,
    program_id: String,
    program_name: String,
    program_version: u32,
    state: WireState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cc_waiting: Option<CcWaiting>,
    started: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completed: Option<Timestamp>,
    last_modified: Timestamp,
    metrics: Metrics,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ProgramError>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "document::present")]
    result: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "document::present")]
    input: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paused_from: Option<PausedFrom>,
    random: Json,
    heap: Heap,
    output_digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_level: Option<LogLevel>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wake_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleting: Option<bool>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireState {
    pc: u32,
    stack: Json,
    scopes: Json,
    #[serde(default)]
    machine: Json,
    status: Status,
    output: Vec<String>,
    output_count: u64,
    #[serde(default)]
    output_rows: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PausedFrom {
    status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cc_waiting: Option<CcWaiting>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lifecycle_is_the_specified_one() {
        insta::assert_snapshot!(crate::decision::table::<Execution>(), @"");
    }
}
