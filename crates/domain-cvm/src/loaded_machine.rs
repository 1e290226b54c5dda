//! The loaded machine of an execution, with its heap. It is decoded from the head and the rows of its pages, cached
//! between turns, and saved as what changed in its pages. A cached machine and one decoded anew decide the same.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::Arc;

use runstate_core::decision::CachedValue;
use runstate_core::error_code::ErrorCode;
use runstate_core::prelude::*;
use runstate_value::{self as value, DeserializeError, canonical_json, json_bytes, write_canonical_json};
use runstate_vm as vm;
use serde::{Deserializer, Serializer, de};
use serde_json::json;
use smallvec::{SmallVec, smallvec};

use super::child_rows::RowNumber;
use super::execution::{EXECUTIONS, ExecutionHead, ExecutionLimits, ExecutionState};
use super::program::{DecodedProgram, version_key};
use super::request_text::LongRequests;
use super::settings::Settings;
use super::sliced_text::{RowWriter, Slice, Slot, StoredTexts};
use super::{child_rows, recorded_answers};
use crate::codes;

/// Largest JSON of stack and scopes in the head, in bytes. A larger one is a text of its own, of which a turn writes
/// what changed.
const FRAMES_BYTES: usize = 16 * 1024;

/// Largest size of the open calls in the head, in bytes. Larger ones are in that text.
const OPEN_CALL_BYTES: u64 = 16 * 1024;

/// Page number of stack and scopes.
const FRAMES_PAGE: i64 = -1;

/// The number of stack and scopes among the stored texts. That of a page is one more than its number.
const FRAMES_TEXT: usize = 0;

/// The version of the rows of a save: a counter in its last byte, and above it a number derived from the command that
/// wrote them. Rows that a dead process staged for another command, or that belonged to an earlier execution of this
/// id, therefore never collide with new ones. `last`: the version of the last save.
fn next_version(ctx: &Ctx, last: u64) -> u64 {
    let [a, b, c, d, ..] = ctx.seed("pages");
    u64::from(u32::from_be_bytes([a, b, c, d])) << 8 | (last.wrapping_add(1) & 0xff)
}

/// Where the current pages are, and the other data of the heap that an exact continuation needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Document")]
pub(super) struct PageTable {
    /// The pages by number.
    #[serde(with = "page_groups")]
    pub pages: Vec<PageRef>,
    /// Stack and scopes, if they are not in the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spill: Option<PageRef>,
    /// Version of the newest rows.
    #[serde(skip_serializing_if = "is_zero")]
    pub saved: u64,
    /// The rows that slices name, by slot. That of a free slot is 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowNumber>,
    /// The long requests of its calls.
    #[serde(skip_serializing_if = "LongRequests::is_empty")]
    pub requests: LongRequests,
    /// The heap's own counters (`nextRef` and others).
    #[serde(flatten)]
    pub counters: Document,
}

/// The fields beside the counters.
#[derive(Deserialize)]
struct PageTableFields {
    #[serde(with = "page_groups")]
    pages: Vec<PageRef>,
    spill: Option<PageRef>,
    #[serde(default)]
    saved: u64,
    #[serde(default)]
    rows: Vec<RowNumber>,
    #[serde(default)]
    requests: LongRequests,
}

impl TryFrom<Document> for PageTable {
    type Error = DeserializeError;

    fn try_from(mut counters: Document) -> Result<Self, DeserializeError> {
        let PageTableFields { pages, spill, saved, rows, requests } = value::from_document(&counters)?;
        counters.retain(|name, _| !matches!(name.as_str(), "pages" | "spill" | "saved" | "rows" | "requests"));
        Ok(Self { pages, spill, saved, rows, requests, counters })
    }
}

impl PageTable {
    /// Stack and scopes, and the pages, each with its page number.
    fn texts(&self) -> impl Iterator<Item = (i64, &PageRef)> {
        self.spill.iter().map(|frames| (FRAMES_PAGE, frames)).chain((0..).zip(&self.pages))
    }

    /// The slices of all texts.
    fn slices(&self) -> impl Iterator<Item = &Slice> {
        self.texts().flat_map(|(_, text)| text.slices())
    }

    /// The slices of each text, in the order of the numbers of texts.
    fn slices_by_number(&self) -> impl Iterator<Item = &[Slice]> {
        let frames = self.spill.as_ref().map_or(&[][..], PageRef::slices);
        iter::once(frames).chain(self.pages.iter().map(PageRef::slices))
    }

    /// The rows of all texts.
    fn keys(&self, execution: &str) -> impl Iterator<Item = Key> {
        let older = self.texts().flat_map(move |(page, text)| text.older_keys(execution, page));
        older.chain(self.row_keys(execution).map(|(_, key)| key))
    }

    /// The rows that slices name.
    fn row_keys(&self, execution: &str) -> impl Iterator<Item = (Slot, Key)> {
        let rows = (0..).zip(&self.rows).filter(|(_, row)| !row.is_none());
        rows.map(move |(slot, row)| (slot, child_rows::slices_key(execution, *row)))
    }

    /// A writer of rows in free slots. `bytes`: about the size of all that is saved.
    fn writer(&self, bytes: u64) -> RowWriter {
        let rows = self.rows.clone();
        RowWriter::new((0..).filter(move |slot: &Slot| rows.get(*slot as usize).is_none_or(|row| row.is_none())), bytes)
    }

    /// Takes the new rows of a writer into the table, and those that are not in use out of it. Returns the changes.
    fn replace_rows(&mut self, execution: &str, writer: RowWriter, stored: &mut StoredTexts) -> Result<Vec<Change>> {
        let mut unused = stored.remove_unused(self.slices());
        let mut changes = Vec::new();
        for (part, (slot, text)) in writer.into_rows().into_iter().enumerate() {
            // What was copied out of a row of this save was written twice.
            if !unused.remove(&slot) {
                let row = RowNumber::new(self.saved, part);
                let slot = slot as usize;
                self.rows.resize(self.rows.len().max(slot + 1), RowNumber::default());
                self.rows[slot] = row;
                changes.push(child_rows::slices_row(execution, row, text)?);
            }
        }
        for slot in unused {
            if let Some(row) = self.rows.get_mut(slot as usize) {
                changes.push(Change::Retire { key: child_rows::slices_key(execution, std::mem::take(row)) });
            }
        }
        let used = self.rows.iter().rposition(|row| !row.is_none()).map_or(0, |last| last + 1);
        self.rows.truncate(used);
        Ok(changes)
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Where a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PageRef {
    /// It is one row of this version, in the form before slices; version 0: it was never written.
    Whole(u64),
    /// It is this number of rows, in the form before slices.
    Parts(u64, u32),
    /// It is these slices of rows, mostly one. In JSON one list: the slot of the row, start and length of each.
    Slices(SmallVec<[Slice; 1]>),
}

impl PageRef {
    fn numbers(&self) -> SmallVec<[u64; 3]> {
        match self {
            PageRef::Whole(version) => smallvec![*version],
            PageRef::Parts(version, parts) => smallvec![*version, (*parts).into()],
            PageRef::Slices(slices) => {
                slices.iter().flat_map(|slice| [slice.row, slice.start, slice.len]).map(u64::from).collect()
            }
        }
    }

    /// `None`: these numbers are no place of a page.
    fn of_numbers(numbers: &[u64]) -> Option<Self> {
        let small = |number: u64| u32::try_from(number).ok();
        let slice =
            |[row, start, len]: &[u64; 3]| Some(Slice { row: small(*row)?, start: small(*start)?, len: small(*len)? });
        match *numbers {
            [version] => Some(PageRef::Whole(version)),
            [version, parts] => Some(PageRef::Parts(version, small(parts)?)),
            _ => {
                let (slices, rest) = numbers.as_chunks::<3>();
                let slices = rest.is_empty().then(|| slices.iter().map(slice).collect::<Option<_>>())?;
                slices.map(PageRef::Slices)
            }
        }
    }

    /// The slices of a saved text.
    fn of_slices(slices: &[Slice]) -> Self {
        PageRef::Slices(SmallVec::from_slice(slices))
    }
}

impl Serialize for PageRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            PageRef::Whole(version) => serializer.serialize_u64(*version),
            PageRef::Parts(..) | PageRef::Slices(_) => serializer.collect_seq(self.numbers()),
        }
    }
}

impl<'de> Deserialize<'de> for PageRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let numbers = match StoredPageRef::deserialize(deserializer)? {
            StoredPageRef::Version(version) => vec![version],
            StoredPageRef::Numbers(numbers) => numbers,
        };
        PageRef::of_numbers(&numbers).ok_or_else(invalid_page)
    }
}

/// The forms of a place of a page in JSON.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a version, a version and a number of rows, or slots with starts and lengths")]
enum StoredPageRef {
    Version(u64),
    Numbers(Vec<u64>),
}

fn invalid_page<E: de::Error>() -> E {
    de::Error::custom("the place of a page has other numbers than a version, or slots with starts and lengths")
}

/// Pages in JSON: a text for each 8, with `;` between pages and `,` between numbers. As lists of numbers, the pages of a
/// large heap are most of the values in a head, and each turn copies, compares and checks those: 100,000 objects are in
/// 3,322 pages. Before, the list had an element for each page; that form is read too.
mod page_groups {
    use super::*;

    const GROUP: usize = 8;

    pub fn serialize<S: Serializer>(pages: &[PageRef], serializer: S) -> Result<S::Ok, S::Error> {
        let group = |group: &[PageRef]| {
            let (mut text, mut digits) = (String::new(), itoa::Buffer::new());
            for (index, page) in group.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ";" });
                for (index, number) in page.numbers().into_iter().enumerate() {
                    text.push_str(if index == 0 { "" } else { "," });
                    text.push_str(digits.format(number));
                }
            }
            text
        };
        serializer.collect_seq(pages.chunks(GROUP).map(group))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PageRef>, D::Error> {
        let mut pages = Vec::new();
        for stored in Vec::<Stored<'de>>::deserialize(deserializer)? {
            match stored {
                Stored::Page(page) => pages.push(page),
                Stored::Group(text) => {
                    for page in text.split(';') {
                        let numbers: Result<SmallVec<[u64; 3]>, _> =
                            page.split_terminator(',').map(str::parse).collect();
                        let page = numbers.ok().and_then(|numbers| PageRef::of_numbers(&numbers));
                        pages.push(page.ok_or_else(invalid_page)?);
                    }
                }
            }
        }
        Ok(pages)
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored<'a> {
        Group(#[serde(borrow)] Cow<'a, str>),
        Page(PageRef),
    }
}

impl PageRef {
    fn slices(&self) -> &[Slice] {
        if let PageRef::Slices(slices) = self { slices } else { &[] }
    }

    /// The rows of a page in the form before slices.
    fn older_keys(&self, execution: &str, page: i64) -> impl Iterator<Item = Key> {
        let (version, parts) = match *self {
            PageRef::Whole(version) => (version, u32::from(version > 0)),
            PageRef::Parts(version, parts) => (version, parts),
            PageRef::Slices(_) => (0, 0),
        };
        (0..parts).map(move |part| child_rows::page_key(execution, page, version, part))
    }
}

/// The rows of the pages of an execution that was read.
struct PageRows<'v> {
    view: &'v View,
    execution: &'v str,
    /// The texts of the rows that slices name.
    texts: BTreeMap<Slot, &'v str>,
}

impl<'v> PageRows<'v> {
    fn load(view: &'v View, execution: &'v ExecutionHead) -> Result<Self> {
        let mut rows = Self { view, execution: &execution.id, texts: BTreeMap::new() };
        for (slot, key) in execution.heap.row_keys(&execution.id) {
            let row = rows.row(&key)?;
            rows.texts.insert(slot, child_rows::page_text(row).unwrap_or_default());
        }
        let mut older = execution.heap.texts().flat_map(|(page, text)| text.older_keys(&execution.id, page));
        older.try_for_each(|key| rows.row(&key).map(drop))?;
        Ok(rows)
    }

    fn row(&self, key: &Key) -> Result<&'v Document> {
        let missing = || Rejection::Torn(format!("{key} is missing"));
        self.view.get(key).map(|row| &*row.document).ok_or_else(missing)
    }

    /// The JSON of a page. Its text is recorded in `stored`.
    fn json(&self, page: i64, reference: &PageRef, stored: &mut StoredTexts) -> Result<Json, String> {
        let PageRef::Slices(slices) = reference else {
            let rows = reference.older_keys(self.execution, page).map(|key| self.row(&key));
            let rows = rows.collect::<Result<Vec<_>>>().map_err(|missing| missing.to_string())?;
            return child_rows::page_json(&rows);
        };
        let part = |slice: &Slice| self.texts.get(&slice.row).and_then(|row| slice.of(row));
        let parts: Option<Vec<&str>> = slices.iter().map(part).collect();
        let parts = parts.ok_or_else(|| format!("page {page} names text that its rows do not have"))?;
        let text = if let [part] = parts[..] { Cow::Borrowed(part) } else { Cow::Owned(parts.concat()) };
        stored.add(text_number(page), &text);
        value::parse(&text).map_err(|error| error.to_string())
    }
}

/// The number of a page among the stored texts.
fn text_number(page: i64) -> usize {
    usize::try_from(page - FRAMES_PAGE).unwrap_or(FRAMES_TEXT)
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
    /// What is stored of its pages.
    stored: StoredTexts,
    /// What is stored of its last long requests.
    pub requests: StoredTexts,
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
    reads.keys.extend(execution.heap.keys(id));
    reads.keys.extend(execution.heap.requests.keys(id));
    reads
}

/// At most `limit` rows that hold the heap of `execution`.
pub(super) fn heap_rows(execution: &ExecutionHead, limit: usize) -> Vec<Key> {
    rows_in_use(execution).into_iter().take(limit).collect()
}

/// All rows of [`HEAP_PAGES`](super::HEAP_PAGES) that the head of `execution` names.
pub(super) fn rows_in_use(execution: &ExecutionHead) -> Vec<Key> {
    execution.heap.keys(&execution.id).collect()
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
        Self {
            machine,
            program_hash,
            stored: StoredTexts::default(),
            requests: StoredTexts::default(),
            unrunnable_reason: None,
        }
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
        Ok(Self { unrunnable_reason: Some(reason.into()), ..Self::new(machine, program_hash) })
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
        let rows = PageRows::load(view, execution)?;
        let mut stored = StoredTexts::default();
        for (row, text) in &rows.texts {
            stored.add_row(*row, text.len());
        }
        let frames = match &execution.heap.spill {
            None => execution.frames.clone(),
            Some(spill) => rows
                .json(FRAMES_PAGE, spill, &mut stored)
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
        let pages = (0..).zip(&execution.heap.pages).map(|(page, text)| rows.json(page, text, &mut stored));
        let program = if unrunnable_reason.is_some() { vm::VerifiedProgram::halting() } else { decoded.program };
        let machine = vm::Machine::restore(program, &saved, pages, limits(&execution.limits, ctx))
            .map_err(|e| Rejection::damaged(&key, &e))?;
        let requests = execution.heap.requests.load(view, &execution.id)?;
        Ok(Self { stored, requests, unrunnable_reason, ..Self::new(machine, decoded.hash) })
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
        let mapped = self.machine.check_failed_statement().and_then(|()| self.machine.map_to(decoded.program));
        let machine = mapped.map_err(|error| {
            let hint =
                "a start with `answersFrom` runs the new version from its beginning, with the answers given so far";
            let message = format!("{error}; nothing was changed; {hint}");
            let details = json!({ "line": error.line, "newLine": error.new_line });
            Rejection::Domain { code: codes::VERSION_MISMATCH, message, details }
        })?;
        execution.program_version = version;
        Ok(Self { stored: self.stored, requests: self.requests, ..Self::new(machine, decoded.hash) })
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

    /// Stores the machine's state in the head. Returns the changes of rows: what changed in the pages, and the removal
    /// of what is not used any more.
    pub fn save(&mut self, execution: &mut ExecutionHead, ctx: &Ctx) -> Result<Vec<Change>> {
        let saved = self.machine.save();
        let id = execution.id.clone();
        let mut frames = Frames { stack: saved.stack, scopes: saved.scopes, machine: saved.machine };
        match &self.unrunnable_reason {
            // The instruction at which it ended stays. The position of the halting machine has no meaning.
            Some(why) => frames.machine[UNRUNNABLE_KEY] = Json::from(&**why),
            None => execution.pc = saved.pc,
        }
        let frames_bytes: usize = [&frames.stack, &frames.scopes, &frames.machine].into_iter().map(json_bytes).sum();
        let heap = &mut execution.heap;
        heap.saved = next_version(ctx, heap.saved);
        let mut writer = heap.writer(self.machine.dirty_bytes());
        let older = heap.spill.iter().flat_map(|old| old.older_keys(&id, FRAMES_PAGE));
        let mut retired: Vec<Key> = older.collect();
        // The head is written for each call of a group that is closed.
        let spilled = frames_bytes > FRAMES_BYTES || self.machine.blocking_call_bytes() > OPEN_CALL_BYTES;
        execution.frames = if spilled { Frames::empty() } else { frames.clone() };
        let frames = spilled.then(|| value::to_json_string(&frames)).transpose();
        let frames = frames.map_err(|e| Rejection::domain(ErrorCode::INTERNAL, e.to_string()))?;
        let none = BTreeSet::new();
        let old = heap.spill.take().unwrap_or(PageRef::Whole(0));
        match &frames {
            None => writer.add_replaced(&self.stored, FRAMES_TEXT, old.slices()),
            Some(text) => {
                let all = heap.slices_by_number();
                let slices = writer.save(&mut self.stored, FRAMES_TEXT, old.slices(), all, text, &none);
                heap.spill = Some(PageRef::of_slices(&slices));
            }
        }
        for page in self.machine.dirty_pages() {
            let index = page as usize;
            // Pages between the last known one and this one are new too, and follow in this loop.
            heap.pages.resize(heap.pages.len().max(index + 1), PageRef::Whole(0));
            retired.extend(heap.pages[index].older_keys(&id, page.into()));
            heap.pages[index] = self.save_page(&mut writer, page, &heap.pages[index], heap.slices_by_number(), &none);
        }
        let unwanted = self.stored.rows_to_copy(&writer, heap.slices());
        if !unwanted.is_empty() {
            let is_unwanted = |text: &PageRef| text.slices().iter().any(|slice| unwanted.contains(&slice.row));
            if let (Some(text), Some(old)) = (&frames, heap.spill.as_ref().filter(|text| is_unwanted(text))) {
                let slices = writer.save(&mut self.stored, FRAMES_TEXT, old.slices(), iter::empty(), text, &unwanted);
                heap.spill = Some(PageRef::of_slices(&slices));
            }
            for (page, reference) in (0..).zip(&mut heap.pages).filter(|(_, text)| is_unwanted(text)) {
                *reference = self.save_page(&mut writer, page, reference, iter::empty(), &unwanted);
            }
        }
        self.machine.mark_clean();
        let mut changes: Vec<Change> = retired.into_iter().map(|key| Change::Retire { key }).collect();
        changes.extend(heap.replace_rows(&id, writer, &mut self.stored)?);
        if let Json::Object(counters) = saved.heap {
            heap.counters = counters;
        }
        execution.random = saved.random;
        Ok(changes)
    }

    fn save_page<'a>(
        &mut self,
        writer: &mut RowWriter,
        page: u32,
        old: &PageRef,
        all: impl Iterator<Item = &'a [Slice]>,
        unwanted: &BTreeSet<Slot>,
    ) -> PageRef {
        let text = self.machine.encode_page(page);
        let number = text_number(page.into());
        PageRef::of_slices(&writer.save(&mut self.stored, number, old.slices(), all, &text, unwanted))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn table(pages: Json) -> Result<PageTable, String> {
        let document = json!({ "pages": pages, "saved": 5, "nextRef": 7 });
        value::from_document(document.as_object().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn pages_are_a_text_for_each_group_and_lists_of_numbers_are_read() {
        let slice = |row| Slice { row, start: 1, len: 2 };
        let mut pages = vec![PageRef::Whole(0), PageRef::Parts(9, 3), PageRef::of_slices(&[slice(4), slice(5)])];
        pages.extend((0..7).map(|row| PageRef::of_slices(&[slice(row)])));
        let older = serde_json::to_value(&pages).unwrap();
        let read = table(older).unwrap();
        assert_eq!(read.pages, pages);
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(written["pages"], json!(["0;9,3;4,1,2,5,1,2;0,1,2;1,1,2;2,1,2;3,1,2;4,1,2", "5,1,2;6,1,2"]));
        assert_eq!(table(written["pages"].clone()).unwrap(), read);
    }

    #[test]
    fn pages_that_are_nowhere_are_refused() {
        for pages in [json!(["1,2,3,4"]), json!(["x"]), json!(["-1"]), json!([[1, 2, 4_294_967_296_u64]]), json!("1")] {
            assert!(table(pages.clone()).is_err(), "{pages}");
        }
    }
}
