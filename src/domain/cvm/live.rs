//! An execution in its live form: a machine with its heap. Read from the head and the page rows in force, kept warm between turns, and
//! saved as the pages that changed. Warm and cold, it decides the same.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use super::execution::{EXECUTIONS, Execution, State};
use super::program::{Decoded, version_key};
use super::{document, rows};
use crate::code::Code;
use crate::decision::{CachedValue, Change, Ctx, ReadSet, Rejection, View};
use crate::schema::Key;
use crate::value::{self, Document, Json, Unfit, canonical, canonical_into};
use crate::vm;

/// Largest JSON of stack and scopes that the head carries; more stands in rows of its own.
const FRAMES_BYTES: usize = 256 * 1024;

/// Page number of the rows that hold stack and scopes where the head cannot.
const FRAMES_PAGE: i64 = -1;

/// A version of a page: a counter in its last byte, and above it what names the command that wrote it. Rows that a dead process staged
/// for another command, or that stood here for an earlier execution of this id, are never in the way.
#[derive(Clone, Copy)]
struct Versions {
    writer: u64,
}

impl Versions {
    fn of(ctx: &Ctx) -> Self {
        let [a, b, c, d, ..] = ctx.seed("pages");
        Self { writer: u64::from(u32::from_be_bytes([a, b, c, d])) << 8 }
    }

    /// The version that replaces `old`, from which it differs in any case.
    fn after(self, old: u64) -> u64 {
        self.writer | (old.wrapping_add(1) & 0xff)
    }
}

/// Which pages are in force, and what else of the heap must be known to go on exactly.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Document")]
pub(super) struct Heap {
    /// By page number.
    pub pages: Vec<PageRef>,
    /// Where stack and scopes stand, when not in the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spill: Option<PageRef>,
    /// Version of the newest rows of stack and scopes.
    #[serde(skip_serializing_if = "is_zero")]
    pub spilled: u64,
    /// The heap's own counters (`nextRef` and others).
    #[serde(flatten)]
    pub counters: Document,
}

/// What stands beside the counters.
#[derive(Deserialize)]
struct Rows {
    pages: Vec<PageRef>,
    spill: Option<PageRef>,
    #[serde(default)]
    spilled: u64,
}

impl TryFrom<Document> for Heap {
    type Error = Unfit;

    fn try_from(mut counters: Document) -> Result<Self, Unfit> {
        let Rows { pages, spill, spilled } = value::read_document(&counters)?;
        counters.retain(|name, _| !matches!(name.as_str(), "pages" | "spill" | "spilled"));
        Ok(Self { pages, spill, spilled, counters })
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The version of a page in force, and its number of rows where that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum PageRef {
    /// One row holds it.
    Whole(u64),
    /// So many rows hold it.
    Parts(u64, u32),
}

impl<'de> Deserialize<'de> for PageRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyPageRef)
    }
}

struct AnyPageRef;

impl<'de> Visitor<'de> for AnyPageRef {
    type Value = PageRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version, or a version and a number of rows")
    }

    fn visit_u64<E: de::Error>(self, version: u64) -> Result<PageRef, E> {
        Ok(PageRef::Whole(version))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut both: A) -> Result<PageRef, A::Error> {
        match (both.next_element()?, both.next_element()?) {
            (Some(version), Some(parts)) => Ok(PageRef::Parts(version, parts)),
            _ => Err(de::Error::invalid_type(Unexpected::Seq, &self)),
        }
    }
}

impl PageRef {
    /// To rows of this version.
    fn to(version: u64, rows: usize) -> Self {
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
        (0..parts).map(move |part| rows::page_key(execution, page, version, part))
    }

    fn retire(self, execution: &str, page: i64) -> impl Iterator<Item = Change> {
        self.keys(execution, page).map(|key| Change::Retire { key })
    }

    /// The rows of the page.
    fn rows<'v>(self, view: &'v View, execution: &str, page: i64) -> Result<Vec<&'v Document>, Rejection> {
        let row = |key| match view.get(&key) {
            Some(row) => Ok(&*row.document),
            None => Err(Rejection::Torn(format!("{key} is missing"))),
        };
        self.keys(execution, page).map(row).collect()
    }
}

/// Stack, scopes and what else the machine saves of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Frames {
    pub stack: Json,
    pub scopes: Json,
    #[serde(default)]
    pub machine: Json,
}

impl Frames {
    /// What the head shows where they stand elsewhere.
    pub fn elsewhere() -> Self {
        Self { stack: json!([]), scopes: json!([]), machine: Json::Null }
    }
}

/// A machine, and the hash of the program it runs.
#[derive(Clone)]
pub(super) struct Live {
    pub machine: vm::Machine,
    pub program_hash: Arc<str>,
    /// Why it cannot run; the machine only holds the variables and operands then. `None`: it can.
    unable: Option<Arc<str>>,
}

/// Under this name the saved machine says why it cannot run.
const UNABLE: &str = "unable";

/// What is kept beside an execution's document: its typed and its live form.
pub(super) struct Warm {
    // Apart from the machine: the allocator of glibc joins all that is free each time it is asked for 1 KiB or more.
    pub execution: Box<Execution>,
    pub live: Live,
}

/// What has to be read to run an execution: its head, and where no live form is held, its program and its heap.
pub(super) fn reads(view: &View, id: &str) -> ReadSet {
    let key = Key::new(&EXECUTIONS, id);
    let mut reads = ReadSet::key(key.clone());
    let Some(head) = view.get(&key) else { return reads };
    if view.warm::<Warm>(&key).is_some() {
        return reads;
    }
    // A head that cannot be read is told when it is decided on.
    let Ok(execution) = Execution::from_document(&key, head) else { return reads };
    reads = reads.and(version_key(&execution.program_id, execution.program_version));
    for (page, reference) in (0..).zip(&execution.heap.pages) {
        reads.keys.extend(reference.keys(id, page));
    }
    if let Some(spill) = execution.heap.spill {
        reads.keys.extend(spill.keys(id, FRAMES_PAGE));
    }
    reads
}

/// Up to `most` rows in which the heap of `execution` stands.
pub(super) fn heap_rows(execution: &Execution, most: usize) -> Vec<Key> {
    pages_in_use(execution).take(most).collect()
}

/// All rows of [`HEAP_PAGES`](super::HEAP_PAGES) that the head of `execution` names.
pub(super) fn rows_in_use(execution: &Execution) -> impl Iterator<Item = Key> {
    let frames = execution.heap.spill.into_iter().flat_map(|spill| spill.keys(&execution.id, FRAMES_PAGE));
    pages_in_use(execution).chain(frames)
}

fn pages_in_use(execution: &Execution) -> impl Iterator<Item = Key> {
    (0..).zip(&execution.heap.pages).flat_map(|(page, reference)| reference.keys(&execution.id, page))
}

impl Live {
    /// A new machine at the first instruction.
    pub fn start(decoded: &Decoded, input: &Json, heap_bytes: Option<u64>, ctx: &Ctx) -> Result<Self, Rejection> {
        let limits = limits(heap_bytes, ctx);
        let machine = vm::Machine::start(decoded.program.clone(), input, ctx.seed("random"), limits)
            .map_err(|failure| Rejection::Invalid { field: "input".to_owned(), reason: failure.message })?;
        Ok(Self::new(machine, decoded.hash.clone()))
    }

    /// A machine that can run, of the program with this hash.
    pub fn new(machine: vm::Machine, program_hash: Arc<str>) -> Self {
        Self { machine, program_hash, unable: None }
    }

    /// The variables and operands of an imported execution whose program cannot be where it ended. They are kept by a machine of a program
    /// that only halts.
    pub fn kept(
        program_hash: Arc<str>,
        seed: [u8; 32],
        limits: vm::Limits,
        standing: &vm::Standing<'_>,
        unable: &str,
    ) -> Result<Self, vm::RestoreError> {
        let standing = vm::Standing { pc: 0, prompt: None, ..*standing };
        let machine = vm::Machine::standing(vm::Program::halting(), seed, limits, &standing)?;
        Ok(Self { machine, program_hash, unable: Some(unable.into()) })
    }

    /// The machine of `execution` to run it: the one held for the revision that was read, else from its rows.
    pub fn of(view: &View, execution: &Execution, ctx: &Ctx) -> Result<Self, Rejection> {
        let live = Self::loaded(view, execution, ctx)?;
        if let Some(why) = &live.unable {
            let message = format!(
                "execution `{}` was imported as it ended and cannot run here: {why}; start its program again instead",
                execution.id
            );
            return Err(Rejection::domain(Code::IllegalTransition, message));
        }
        Ok(live)
    }

    /// As [`Live::of`], for looking only.
    pub fn loaded(view: &View, execution: &Execution, ctx: &Ctx) -> Result<Self, Rejection> {
        let key = Key::new(&EXECUTIONS, &execution.id);
        if let Some(warm) = view.warm::<Warm>(&key) {
            return Ok(warm.live.clone());
        }
        let decoded = Decoded::of(view, &version_key(&execution.program_id, execution.program_version))?;
        let pages: Vec<Vec<&Document>> = (0..)
            .zip(&execution.heap.pages)
            .map(|(page, reference)| reference.rows(view, &execution.id, page))
            .collect::<Result<_, _>>()?;
        let frames = match (&execution.frames, execution.heap.spill) {
            (Some(frames), _) => frames.clone(),
            (None, Some(spill)) => rows::page_json(&spill.rows(view, &execution.id, FRAMES_PAGE)?)
                .and_then(|frames| value::read(&frames).map_err(|e| e.to_string()))
                .map_err(|why| document::damaged(&key, &why))?,
            (None, None) => return Err(document::damaged(&key, "its stack is nowhere")),
        };
        let unable: Option<Arc<str>> = frames.machine.get(UNABLE).and_then(Json::as_str).map(Arc::from);
        let saved = vm::Saved {
            pc: if unable.is_some() { 0 } else { execution.pc },
            stack: frames.stack,
            scopes: frames.scopes,
            heap: Json::Object(execution.heap.counters.clone()),
            random: execution.random.clone(),
            machine: frames.machine,
        };
        let pages = pages.iter().map(|rows| rows::page_json(rows));
        let program = if unable.is_some() { vm::Program::halting() } else { decoded.program };
        let machine = vm::Machine::restore(program, &saved, pages, limits(execution.heap_bytes, ctx))
            .map_err(|e| document::damaged(&key, &e.to_string()))?;
        Ok(Self { machine, program_hash: decoded.hash, unable })
    }

    /// Tells what became of the open calls; an answer that the machine cannot take is refused.
    pub fn reply(&mut self, replies: &[vm::Reply]) -> Result<(), Rejection> {
        self.machine.reply(replies).map_err(|failure| Rejection::domain(Code::InvalidAnswer, failure.message))
    }

    /// As [`Live::reply`], where nobody is there to be refused: what the machine cannot take is thrown in the program.
    pub fn reply_or_throw(&mut self, replies: &[vm::Reply]) {
        if let Err(failure) = self.machine.reply(replies) {
            self.machine.throw("RangeError", &failure.message);
        }
    }

    /// What the engine is to keep of it: nothing where the execution has ended, since whoever looks at it then can wait for its rows.
    pub fn keep(self, key: Key, execution: Execution) -> Option<(Key, CachedValue)> {
        let going_on = matches!(execution.state, State::Running { .. } | State::Waiting(_) | State::Paused(_));
        let bytes = self.machine.heap_bytes();
        going_on.then(|| (key, CachedValue::new(Warm { execution: Box::new(execution), live: self }, bytes)))
    }

    /// Puts the machine's state into the head, and returns the changes of rows: new versions of the pages that changed, the old ones gone.
    pub fn save(&mut self, execution: &mut Execution, ctx: &Ctx) -> Result<Vec<Change>, Rejection> {
        let saved = self.machine.save();
        let versions = Versions::of(ctx);
        let id = execution.id.clone();
        let heap = &mut execution.heap;
        let mut changes = Vec::new();
        for page in self.machine.dirty_pages() {
            let index = page as usize;
            // Version 0 is a place that was only made for a page behind it.
            let old = heap.pages.get(index).copied().filter(|old| old.version() > 0);
            let version = versions.after(old.map_or(0, PageRef::version));
            let rows = rows::page(&id, i64::from(page), version, &self.machine.encode_page(page))?;
            changes.extend(old.into_iter().flat_map(|old| old.retire(&id, i64::from(page))));
            // Pages between the last one known and this one are new too, and come in this very loop.
            heap.pages.resize(heap.pages.len().max(index + 1), PageRef::Whole(0));
            heap.pages[index] = PageRef::to(version, rows.len());
            changes.extend(rows);
        }
        self.machine.mark_clean();
        changes.extend(heap.spill.take().into_iter().flat_map(|old| old.retire(&id, FRAMES_PAGE)));
        let mut frames = Frames { stack: saved.stack, scopes: saved.scopes, machine: saved.machine };
        match &self.unable {
            // The instruction at which it ended stays: that of the machine says nothing.
            Some(why) => frames.machine[UNABLE] = Json::from(&**why),
            None => execution.pc = saved.pc,
        }
        let text = value::written(&frames).map_err(|e| Rejection::domain(Code::Internal, e.to_string()))?;
        if text.len() > FRAMES_BYTES {
            heap.spilled = versions.after(heap.spilled);
            let rows = rows::page(&id, FRAMES_PAGE, heap.spilled, &text)?;
            heap.spill = Some(PageRef::to(heap.spilled, rows.len()));
            changes.extend(rows);
            execution.frames = None;
        } else {
            execution.frames = Some(frames);
        }
        if let Json::Object(counters) = saved.heap {
            heap.counters = counters;
        }
        execution.random = saved.random;
        Ok(changes)
    }

    /// The state hash: what the execution is, wherever it is loaded. No times, no ids; but the state of its random source, whose seed
    /// comes from the command that started it. Two starts of one program have one hash only under one command id.
    pub fn state_hash(&self, execution: &Execution, calls: &Json) -> String {
        // The fields in canonical order; the machine is written at once, since as JSON values it takes many times the memory.
        let mut text = String::from("{\"calls\":");
        canonical_into(calls, &mut text);
        text.push_str(",\"machine\":");
        self.machine.write_state(&mut text);
        for (name, value) in [
            ("output", json!(execution.output_digest)),
            ("program", json!(&*self.program_hash)),
            ("status", json!(execution.state.status().as_str())),
        ] {
            text.push_str(&format!(",\"{name}\":{}", canonical(&value)));
        }
        text.push('}');
        crate::id::hex(&crate::id::sha256(&[text.as_bytes()]))
    }
}

/// The limits of a machine under these settings; `heap_bytes` as its execution says.
pub(super) fn limits(heap_bytes: Option<u64>, ctx: &Ctx) -> vm::Limits {
    vm::Limits {
        instructions: ctx.settings.execution_instructions,
        heap_bytes: heap_bytes.unwrap_or(ctx.settings.heap_bytes),
        ..vm::Limits::default()
    }
}
