//! An execution: one run of a program, from start to end. Its head is one document; what grows lives in rows (`rows.rs`), its
//! calls in `call.rs`. Here are its states and what moves them; the commands are in `commands.rs`, the document's shape in
//! `wire.rs`, what a slice of running does in `turn.rs`.

mod commands;
mod delete;
mod error;
mod lifecycle;
mod wire;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::live::{self, Heap};
use crate::decision::{Change, Ctx, Decision, Lifecycle, Loaded, Rejection, View};
use crate::limits::LogLevel;
use crate::schema::Direction::{Ascending, Descending};
use crate::schema::{Collection, Field, Index, Key, Predicate, Reference};
use crate::time::Timestamp;
use crate::value::Json;

pub use commands::{Cancel, Pause, Reached, Retry, Run, Start, Unpause, Wake, Woken};
pub use delete::{Delete, DeleteRows, Deleted, UpTo};
pub use error::{ImportedFailure, ProgramError};
pub use lifecycle::{End, Event};

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
    /// Bytes that its heap may take; `None`: as the engine's settings say.
    pub heap_bytes: Option<u64>,
    /// How many calls it asked together when it last asked.
    pub(super) together: u32,
    /// Bytes of the answers to these that are in, as JSON.
    pub(super) together_bytes: u64,
}

/// Counters of an execution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Metrics {
    /// Instructions run.
    pub instructions_executed: u64,
    /// Calls made.
    pub cc_calls_count: u64,
    /// Time that the machine spent running, each turn rounded to a millisecond; 0 where the host does not measure.
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
    /// How many calls are open. Paused, none may be: then it goes on when it is unpaused.
    pub open_calls: u32,
    /// The earliest deadline among the open calls. Of an execution that waits it stands on the wire as `wakeAt`; one that rests has none.
    #[serde(skip)]
    pub due: Option<Timestamp>,
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
        /// The end of the lease of who deletes it; afterwards anyone goes on with that.
        lease_until: Timestamp,
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
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
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

/// `cvm.executions`. In version 1 `error.instruction` was an index; documents of it are read all the same (`error.rs`).
pub const EXECUTIONS: Collection = Collection::new("cvm.executions", 2)
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
        Field::timestamp("ccWaiting.requestedAt").optional(),
        Field::timestamp("started"),
        Field::timestamp("completed").optional(),
        Field::timestamp("lastModified"),
        Field::object("metrics"),
        Field::object("error").optional(),
        Field::timestamp("error.timestamp").optional(),
        Field::json("result").optional(),
        Field::json("input").optional(),
        Field::id("parentId").optional(),
        Field::object("pausedFrom").optional(),
        Field::object("pausedFrom.ccWaiting").optional(),
        Field::timestamp("pausedFrom.ccWaiting.requestedAt").optional(),
        Field::json("random"),
        Field::object("heap"),
        Field::text("outputDigest"),
        Field::text("logLevel").optional(),
        Field::int("heapBytes").optional(),
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
    pub(super) fn find<'a>(view: &'a View, id: &str) -> Result<(&'a Loaded, Cow<'a, Execution>), Rejection> {
        let key = Key::new(&EXECUTIONS, id);
        let loaded = view.get(&key).ok_or_else(|| not_found(id))?;
        let execution = match view.warm::<live::Warm>(&key) {
            Some(warm) => Cow::Borrowed(&*warm.execution),
            None => Cow::Owned(Self::from_document(&key, loaded)?),
        };
        match execution.state {
            State::Deleted { .. } => Err(not_found(id)),
            _ => Ok((loaded, execution)),
        }
    }

    /// As [`Execution::find`], for a command that changes it.
    pub(super) fn find_owned<'a>(view: &'a View, id: &str) -> Result<(&'a Loaded, Execution), Rejection> {
        Self::find(view, id).map(|(loaded, execution)| (loaded, execution.into_owned()))
    }

    /// The execution of that id as far as it was read; what is to be told of one that is not there or cannot be read is told when it is decided on.
    pub(super) fn peek<'a>(view: &'a View, id: &str) -> Option<Cow<'a, Execution>> {
        let key = Key::new(&EXECUTIONS, id);
        let head = view.get(&key)?;
        match view.warm::<live::Warm>(&key) {
            Some(warm) => Some(Cow::Borrowed(&warm.execution)),
            None => Self::from_document(&key, head).ok().map(Cow::Owned),
        }
    }

    /// Refuses where an answer to an open call means nothing.
    pub(super) fn must_wait(&self) -> Result<(), Rejection> {
        // Which calls are left open is found out later; that any answer may come is the lifecycle's to say.
        let left = self.open_call().cloned().unwrap_or_else(CcWaiting::sample);
        self.step(Event::Answer(left)).map(|_| ())
    }

    /// The step of the first call that it asked when it last asked.
    pub(super) fn first_step(&self) -> u64 {
        (self.metrics.cc_calls_count + 1).saturating_sub(u64::from(self.together.max(1)))
    }

    /// The next state by the lifecycle.
    pub(super) fn step(&self, event: Event) -> Result<State, Rejection> {
        Self::transition(self.state.clone(), event).map_err(|rejection| match rejection {
            Rejection::IllegalTransition { from, command, remedy, .. } => {
                Rejection::IllegalTransition { key: Key::new(&EXECUTIONS, &self.id), from, command, remedy }
            }
            other => other,
        })
    }

    /// What a caller is told.
    pub(super) fn reached(&self) -> Reached {
        Reached { id: self.id.clone(), status: self.state.status() }
    }

    /// When it came to its end.
    pub fn ended(&self) -> Option<Timestamp> {
        match &self.state {
            State::Complete { at, .. }
            | State::Failed { at, .. }
            | State::Cancelled { at }
            | State::Deleted { at, .. } => Some(*at),
            State::Running { .. } | State::Waiting(_) | State::Paused(_) => None,
        }
    }

    /// What it waits for, paused or not.
    pub fn open_call(&self) -> Option<&CcWaiting> {
        match &self.state {
            State::Waiting(call) | State::Paused(Resting::Waiting(call)) => Some(call),
            _ => None,
        }
    }

    /// The decision that writes the head anew where the machine did not move; its live form goes on.
    pub(super) fn rewrite(mut self, before: &Loaded, view: &View, ctx: &Ctx) -> Result<Decision<Reached>, Rejection> {
        self.last_modified = ctx.now;
        let key = Key::new(&EXECUTIONS, &self.id);
        let change = Change::Update { key: key.clone(), before: before.clone(), after: self.to_document()? };
        let mut decision = Decision::of(self.reached()).change(change);
        if let Some(warm) = view.warm::<live::Warm>(&key) {
            decision.warm.extend(warm.live.clone().keep(key, self));
        }
        Ok(decision)
    }

    /// When somebody should look at it again.
    fn wake_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Running { lease_until } | State::Deleted { lease_until, .. } => Some(*lease_until),
            State::Waiting(waiting) => waiting.due,
            State::Paused(_) | State::Complete { .. } | State::Failed { .. } | State::Cancelled { .. } => None,
        }
    }
}

impl CcWaiting {
    pub(super) fn sample() -> Self {
        let at = Timestamp::default();
        Self {
            instruction_id: 0,
            prompt: String::new(),
            requested_at: at,
            call_id: "call".into(),
            open_calls: 1,
            due: None,
        }
    }
}
