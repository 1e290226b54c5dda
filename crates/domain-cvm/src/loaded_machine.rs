//! The loaded machine of an execution, with its heap. It is decoded from the head and the current page rows, cached
//! between turns, and saved as the pages that changed. A cached machine and one decoded anew decide the same.

use std::fmt;
use std::sync::Arc;

use runstate_core::decision::CachedValue;
use runstate_core::error_code::ErrorCode;
use runstate_core::prelude::*;
use runstate_value::{self as value, DeserializeError, canonical_json, json_bytes, write_canonical_json};
use runstate_vm as vm;
use serde::Deserializer;
use serde::de::{self, SeqAccess, Unexpected, Visitor};
use serde_json::json;

use super::execution::{EXECUTIONS, ExecutionHead, ExecutionLimits, ExecutionState};
use super::program::{DecodedProgram, version_key};
use super::settings::Settings;
use super::{child_rows, recorded_answers};
use crate::codes;

/// Largest JSON of stack and scopes in the head, in bytes. A larger one has rows of its own.
const FRAMES_BYTES: usize = 256 * 1024;

/// Largest size of the open calls in the head, in bytes. Larger ones have rows of their own, with stack and scopes.
const OPEN_CALL_BYTES: u64 = 16 * 1024;

/// Page number of the rows that hold stack and scopes when the head does not.
const FRAMES_PAGE: i64 = -1;

/// The version of a page: a counter in its last byte, and above it a number derived from the command that wrote it.
/// Rows that a dead process staged for another command, or that belonged to an earlier execution of this id, therefore
/// never collide with new ones.
#[derive(Clone, Copy)]
struct PageVersions {
    writer: u64,
}

impl PageVersions {
    fn new(ctx: &Ctx) -> Self {
        let [a, b, c, d, ..] = ctx.seed("pages");
        Self { writer: u64::from(u32::from_be_bytes([a, b, c, d])) << 8 }
    }

    /// The version that replaces `old`. It always differs from `old`.
    fn after(self, old: u64) -> u64 {
        self.writer | (old.wrapping_add(1) & 0xff)
    }
}

/// The current pages, and the other data of the heap that an exact continuation needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Document")]
pub(super) struct PageTable {
    /// The pages by number.
    pub pages: Vec<PageRef>,
    /// The rows of stack and scopes, if they are not in the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spill: Option<PageRef>,
    /// Version of the newest rows of stack and scopes.
    #[serde(skip_serializing_if = "is_zero")]
    pub spilled: u64,
    /// The heap's own counters (`nextRef` and others).
    #[serde(flatten)]
    pub counters: Document,
}

/// The fields beside the counters.
#[derive(Deserialize)]
struct PageTableFields {
    pages: Vec<PageRef>,
    spill: Option<PageRef>,
    #[serde(default)]
    spilled: u64,
}

impl TryFrom<Document> for PageTable {
    type Error = DeserializeError;

    fn try_from(mut counters: Document) -> Result<Self, DeserializeError> {
        let PageTableFields { pages, spill, spilled } = value::from_document(&counters)?;
        counters.retain(|name, _| !matches!(name.as_str(), "pages" | "spill" | "spilled"));
        Ok(Self { pages, spill, spilled, counters })
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The current version of a page, and its number of rows if that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum PageRef {
    /// The page is one row.
    Whole(u64),
    /// The page is this number of rows.
    Parts(u64, u32),
}

impl<'de> Deserialize<'de> for PageRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PageRefVisitor)
    }
}

struct PageRefVisitor;

impl<'de> Visitor<'de> for PageRefVisitor {
    type Value = PageRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version, or a version and a number of rows")
    }

    fn visit_u64<E: de::Error>(self, version: u64) -> Result<PageRef, E> {
        Ok(PageRef::Whole(version))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<PageRef, A::Error> {
        match (sequence.next_element()?, sequence.next_element()?) {
            (Some(version), Some(parts)) => Ok(PageRef::Parts(version, parts)),
            _ => Err(de::Error::invalid_type(Unexpected::Seq, &self)),
        }
    }
}

impl PageRef {
    /// References rows of this version.
    fn new(version: u64, rows: usize) -> Self {
        if rows == 1 {
            PageRef::Whole(version)
        } else {
            PageRef::Parts(version, u32::try_from(rows).unwrap_or(u32::MAX))
        }
    }

    fn version(self) -> u64 {
        match self {
            PageRef::Whole(version) | PageRef::Parts(version, _) => version,
        }
    }

    fn keys(self, execution: &str, page: i64) -> impl Iterator<Item = Key> {
        let (version, parts) = match self {
            PageRef::Whole(version) => (version, 1),
            PageRef::Parts(version, parts) => (version, parts),
        };
        (0..parts).map(move |part| child_rows::page_key(execution, page, version, part))
    }

    fn retire(self, execution: &str, page: i64) -> impl Iterator<Item = Change> {
        self.keys(execution, page).map(|key| Change::Retire { key })
    }

    fn rows<'v>(self, view: &'v View, execution: &str, page: i64) -> Result<Vec<&'v Document>> {
        let row = |key| match view.get(&key) {
            Some(row) => Ok(&*row.document),
            None => Err(Rejection::Torn(format!("{key} is missing"))),
        };
        self.keys(execution, page).map(row).collect()
    }
}

/// Stack, scopes and the rest of the machine's saved state.
#[derive(Fields, Wire, Clone, Debug, PartialEq)]
#[entity(inside = "state")]
pub(super) struct Frames {
    #[entity(kind = list)]
    pub stack: Json,
    #[entity(kind = list)]
    pub scopes: Json,
    #[entity(default, undeclared)]
    pub machine: Json,
}

impl Frames {
    /// The value in the head when the frames are in rows of their own.
    pub fn empty() -> Self {
        Self { stack: json!([]), scopes: json!([]), machine: Json::Null }
    }
}

/// A machine, and the hash of its program.
#[derive(Clone)]
pub(super) struct LoadedMachine {
    pub machine: vm::Machine,
    pub program_hash: Arc<str>,
    /// The reason why it cannot run; it then only holds variables and operands. `None`: it can run.
    unrunnable_reason: Option<Arc<str>>,
}

/// The field of a saved machine that holds the reason why it cannot run.
const UNRUNNABLE_KEY: &str = "unable";

/// The read set for running an execution: its head and, if no machine is cached, its program and its heap.
pub(super) fn reads(view: &View, id: &str) -> ReadSet {
    let key = Key::new(&EXECUTIONS, id);
    let mut reads = ReadSet::key(key.clone());
    let Some(execution) = view.peek_entity::<ExecutionHead>(id) else { return reads };
    reads = reads.with(recorded_answers::reads(&execution));
    if view.cached::<LoadedMachine>(&key).is_some() {
        return reads;
    }
    reads = reads.with_key(version_key(&execution.program_id, execution.program_version));
    for (page, reference) in (0..).zip(&execution.heap.pages) {
        reads.keys.extend(reference.keys(id, page));
    }
    if let Some(spill) = execution.heap.spill {
        reads.keys.extend(spill.keys(id, FRAMES_PAGE));
    }
    reads
}

/// At most `limit` rows that hold the heap of `execution`.
pub(super) fn heap_rows(execution: &ExecutionHead, limit: usize) -> Vec<Key> {
    pages_in_use(execution).take(limit).collect()
}

/// All rows of [`HEAP_PAGES`](super::HEAP_PAGES) that the head of `execution` names.
pub(super) fn rows_in_use(execution: &ExecutionHead) -> impl Iterator<Item = Key> {
    let frames = execution.heap.spill.into_iter().flat_map(|spill| spill.keys(&execution.id, FRAMES_PAGE));
    pages_in_use(execution).chain(frames)
}

fn pages_in_use(execution: &ExecutionHead) -> impl Iterator<Item = Key> {
    (0..).zip(&execution.heap.pages).flat_map(|(page, reference)| reference.keys(&execution.id, page))
}

impl LoadedMachine {
    /// Creates a machine at the first instruction.
    pub fn start(decoded: &DecodedProgram, input: &Json, own_limits: &ExecutionLimits, ctx: &Ctx) -> Result<Self> {
        let limits = limits(own_limits, ctx);
        let machine = vm::Machine::start(decoded.program.clone(), input, ctx.seed("random"), limits)
            .map_err(|failure| Rejection::invalid("input", failure.message))?;
        Ok(Self::new(machine, decoded.hash.clone()))
    }

    /// Wraps a machine that can run, with the hash of its program.
    pub fn new(machine: vm::Machine, program_hash: Arc<str>) -> Self {
        Self { machine, program_hash, unrunnable_reason: None }
    }

    /// Keeps the variables and operands of an imported execution whose program cannot resume where it ended. The
    /// machine that holds them runs a program that only halts.
    pub fn unrunnable(
        program_hash: Arc<str>,
        seed: [u8; 32],
        limits: vm::Limits,
        legacy_state: &vm::LegacyMachineState<'_>,
        reason: &str,
    ) -> Result<Self, vm::RestoreError> {
        let legacy_state = vm::LegacyMachineState { pc: 0, prompt: None, ..*legacy_state };
        let machine = vm::Machine::from_legacy_state(vm::VerifiedProgram::halting(), seed, limits, &legacy_state)?;
        Ok(Self { machine, program_hash, unrunnable_reason: Some(reason.into()) })
    }

    /// Returns the machine of `execution`, to run it: the cached one for the revision that was read, or else one
    /// decoded from rows.
    pub fn load_runnable(view: &View, execution: &ExecutionHead, ctx: &Ctx) -> Result<Self> {
        let loaded = Self::load(view, execution, ctx)?;
        if let Some(why) = &loaded.unrunnable_reason {
            let message = format!(
                "execution `{}` was imported after its end and cannot run here: {why}; start its program again instead",
                execution.id
            );
            return Err(Rejection::domain(ErrorCode::ILLEGAL_TRANSITION, message));
        }
        Ok(loaded)
    }

    /// As [`LoadedMachine::load_runnable`], for reading only.
    pub fn load(view: &View, execution: &ExecutionHead, ctx: &Ctx) -> Result<Self> {
        let key = Key::new(&EXECUTIONS, &execution.id);
        if let Some(cached) = view.cached::<LoadedMachine>(&key) {
            return Ok(cached.clone());
        }
        let decoded = DecodedProgram::load(view, &version_key(&execution.program_id, execution.program_version))?;
        let pages: Vec<Vec<&Document>> = (0..)
            .zip(&execution.heap.pages)
            .map(|(page, reference)| reference.rows(view, &execution.id, page))
            .collect::<Result<_, _>>()?;
        let frames = match execution.heap.spill {
            None => execution.frames.clone(),
            Some(spill) => child_rows::page_json(&spill.rows(view, &execution.id, FRAMES_PAGE)?)
                .and_then(|frames| value::from_value(&frames).map_err(|e| e.to_string()))
                .map_err(|why| Rejection::damaged(&key, &why))?,
        };
        let unrunnable_reason: Option<Arc<str>> =
            frames.machine.get(UNRUNNABLE_KEY).and_then(Json::as_str).map(Arc::from);
        let saved = vm::MachineSnapshot {
            pc: if unrunnable_reason.is_some() { 0 } else { execution.pc },
            stack: frames.stack,
            scopes: frames.scopes,
            heap: Json::Object(execution.heap.counters.clone()),
            random: execution.random.clone(),
            machine: frames.machine,
        };
        let pages = pages.iter().map(|rows| child_rows::page_json(rows));
        let program = if unrunnable_reason.is_some() { vm::VerifiedProgram::halting() } else { decoded.program };
        let machine = vm::Machine::restore(program, &saved, pages, limits(&execution.limits, ctx))
            .map_err(|e| Rejection::damaged(&key, &e))?;
        Ok(Self { machine, program_hash: decoded.hash, unrunnable_reason })
    }

    /// The machine in another version of its program, which `execution` then has.
    pub fn in_version(self, view: &View, execution: &mut ExecutionHead, version: u32) -> Result<Self> {
        let key = version_key(&execution.program_id, version);
        if view.get(&key).is_none() {
            let (name, own) = (&execution.program_name, execution.program_version);
            let hint = format!(" of program `{name}`; the execution has version {own}");
            return Err(Rejection::NotFound { what: "version", id: version.to_string(), hint });
        }
        let decoded = DecodedProgram::load(view, &key)?;
        let machine = self.machine.map_to(decoded.program).map_err(|error| {
            let message = format!("{error}; nothing was changed");
            let details = json!({ "line": error.line, "newLine": error.new_line });
            Rejection::Domain { code: codes::VERSION_MISMATCH, message, details }
        })?;
        execution.program_version = version;
        Ok(Self::new(machine, decoded.hash))
    }

    /// The value for the engine's cache. An ended execution is not cached, since its readers can wait for its rows.
    pub fn into_cached(self, execution: ExecutionHead) -> Option<(Key, CachedValue)> {
        let is_active = matches!(
            execution.state,
            ExecutionState::Running { .. } | ExecutionState::Waiting(_) | ExecutionState::Paused(_)
        );
        let bytes = self.machine.heap_bytes();
        is_active.then(|| {
            let key = Key::new(&EXECUTIONS, &execution.id);
            (key, CachedValue::new(self, bytes).with_entity(execution))
        })
    }

    /// Stores the machine's state in the head. Returns the changes of rows: new versions of the changed pages, and the
    /// removal of the old ones.
    pub fn save(&mut self, execution: &mut ExecutionHead, ctx: &Ctx) -> Result<Vec<Change>> {
        let saved = self.machine.save();
        let versions = PageVersions::new(ctx);
        let id = execution.id.clone();
        let heap = &mut execution.heap;
        let mut changes = Vec::new();
        for page in self.machine.dirty_pages() {
            let index = page as usize;
            // Version 0 only fills the table up to a later page.
            let old = heap.pages.get(index).copied().filter(|old| old.version() > 0);
            let version = versions.after(old.map_or(0, PageRef::version));
            let rows = child_rows::page_rows(&id, i64::from(page), version, &self.machine.encode_page(page))?;
            changes.extend(old.into_iter().flat_map(|old| old.retire(&id, i64::from(page))));
            // Pages between the last known one and this one are new too, and follow in this loop.
            heap.pages.resize(heap.pages.len().max(index + 1), PageRef::Whole(0));
            heap.pages[index] = PageRef::new(version, rows.len());
            changes.extend(rows);
        }
        self.machine.mark_clean();
        changes.extend(heap.spill.take().into_iter().flat_map(|old| old.retire(&id, FRAMES_PAGE)));
        let mut frames = Frames { stack: saved.stack, scopes: saved.scopes, machine: saved.machine };
        match &self.unrunnable_reason {
            // The instruction at which it ended stays. The position of the halting machine has no meaning.
            Some(why) => frames.machine[UNRUNNABLE_KEY] = Json::from(&**why),
            None => execution.pc = saved.pc,
        }
        let bytes: usize = [&frames.stack, &frames.scopes, &frames.machine].into_iter().map(json_bytes).sum();
        // The head is written for each call of a group that is closed.
        if bytes > FRAMES_BYTES || self.machine.blocking_call_bytes() > OPEN_CALL_BYTES {
            let text =
                value::to_json_string(&frames).map_err(|e| Rejection::domain(ErrorCode::INTERNAL, e.to_string()))?;
            heap.spilled = versions.after(heap.spilled);
            let rows = child_rows::page_rows(&id, FRAMES_PAGE, heap.spilled, &text)?;
            heap.spill = Some(PageRef::new(heap.spilled, rows.len()));
            changes.extend(rows);
            execution.frames = Frames::empty();
        } else {
            execution.frames = frames;
        }
        if let Json::Object(counters) = saved.heap {
            heap.counters = counters;
        }
        execution.random = saved.random;
        Ok(changes)
    }

    /// The state hash: the same wherever the execution is loaded. It covers no times and no ids, but the state of the
    /// random source, whose seed derives from the command that started the execution. Two starts of one program have
    /// the same hash only under the same command id.
    pub fn state_hash(&self, execution: &ExecutionHead, calls: &Json) -> String {
        // The fields are in canonical order. The machine is written directly, because as JSON values it takes many
        // times the memory.
        let mut text = String::from("{\"calls\":");
        write_canonical_json(calls, &mut text);
        text.push_str(",\"machine\":");
        self.machine.write_state(&mut text);
        for (name, value) in [
            ("output", json!(execution.output_digest)),
            ("program", json!(&*self.program_hash)),
            ("status", json!(execution.state.status().as_str())),
        ] {
            text.push_str(&format!(",\"{name}\":{}", canonical_json(&value)));
        }
        text.push('}');
        runstate_core::id::hex(&runstate_core::id::sha256(&[text.as_bytes()]))
    }
}

/// The limits of a machine under these settings. `own` are those of its execution.
pub(super) fn limits(own: &ExecutionLimits, ctx: &Ctx) -> vm::Limits {
    let (settings, default) = (Settings::of(ctx), vm::Limits::default());
    vm::Limits {
        instructions: own.instructions.unwrap_or(settings.execution_instructions),
        heap_bytes: own.heap_bytes.unwrap_or(settings.heap_bytes),
        output_bytes: own.output_bytes.unwrap_or(default.output_bytes),
        ..default
    }
}
