//! A machine saved and restored. The head (frames, stack, counters) and the pages of the heap are saved apart, so that a
//! turn writes the pages it changed and no others.
//!
//! | entry | form |
//! |---|---|
//! | free place | `null` |
//! | variable shared by closures | `["c", value]` |
//! | array | `["a", frozen, table of other properties or null, [value…]]` |
//! | array of more than 512 elements | `["A", frozen, table or null, start, length, [chunk…]]` |
//! | chunk of an array | `["k", [value…]]` |
//! | object | `["o", flags (1 frozen, 2 prototype of a class), prototype or 0, table]` |
//! | function | `["f", number, [cell…]]`, and where it has more: `, this or [], home or 0, static, class, table, hidden table]` |
//! | class, within its function | `[prototype, parent or [], field initialiser or 0]` or null |
//! | error | `["e", kind, hidden table, flags, prototype or 0, table]` |
//! | Map, Set | `["m", table]`, `["s", table]` |
//! | iterator | `["i", source, "keys" "values" "entries" or "names", position]` |
//! | regular expression | `["r", pattern, flags, lastIndex]` |
//! | bound function | `["b", function, this, [argument…]]` |
//! | chunk of a table | `["p", [key, value, …], [insertion number…]]` |
//!
//! A table is `[key, value, …]` in order of insertion; of a Map or Set `{ next, numbers, pairs }`; of more than 256
//! entries `{ len, chunks, next }`. Values are as on the wire (`wire.rs`), and beside those `{"$ref":n}`,
//! `{"$builtin":name}`, `{"$uninitialised":true}` and `{"$hole":true}`. References are page × 64 + slot.
//!
//! `machine.call` is what is open: one question with all it says, or `{ together: n }` where the operands tell n of them.
//! `machine.keys` is the reference of a Map: how often was asked under each key.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::callback::{Kind, Waiting};
use super::encode::Encoder;
use super::entry::Entry;
use super::frame::{CodeFrame, Entered, Frame};
use super::heap::{Heap, PAGE};
use super::limits::Limits;
use super::machine::{Asked, Machine, OpenCall};
use super::open::read_asked;
use super::program::Program;
use super::random::Random;
use super::read::{self, Read, Reader};
use super::sorting::{MergeSort, Order, Sorting, Uncompared};
use super::timsort::TimSort;
use super::value::HeapRef;
use crate::value::canonical_into;

/// A machine without its heap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The next instruction; while a call is open, the one that asked.
    pub pc: u32,
    /// Operands of all frames, outermost first.
    pub stack: Json,
    /// Frames with their variables; the first is the global scope.
    pub scopes: Json,
    /// Number of pages and the state of allocation.
    pub heap: Json,
    /// The state of `Math.random`.
    pub random: Json,
    /// Counters and the open call.
    pub machine: Json,
}

/// Why a machine cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the saved state cannot be restored: {message}")]
pub struct RestoreError {
    /// What is wrong with it.
    pub message: String,
}

impl Machine {
    /// The machine without its heap.
    #[must_use]
    pub fn save(&self) -> Saved {
        let mut encoder = Encoder::exact(&self.heap);
        let (scopes, stack) = self.encode_frames(&mut encoder);
        let mut machine = Map::new();
        machine.insert("instructions".to_owned(), json!(self.instructions));
        machine.insert("calls".to_owned(), json!(self.calls));
        machine.insert("outputBytes".to_owned(), json!(self.output_bytes));
        if let Some(open) = &self.open {
            let mut call = self.call_of(open);
            call.insert("operands".to_owned(), encoder.values(&open.operands));
            machine.insert("call".to_owned(), Json::Object(call));
        }
        if self.keys != HeapRef::NONE {
            machine.insert("keys".to_owned(), encoder.reference(self.keys));
        }
        if let Some(pending) = &self.pending {
            machine.insert("pending".to_owned(), encoder.value(pending));
        }
        if self.owed > 0 {
            machine.insert("owed".to_owned(), json!(self.owed));
        }
        if self.spent {
            machine.insert("spent".to_owned(), json!(true));
        }
        if !self.output.is_empty() {
            machine.insert("output".to_owned(), json!(self.output));
        }
        Saved {
            pc: self.pc,
            stack,
            scopes,
            heap: json!({
                "pageCount": self.heap.page_count(),
                "nextRef": u64::from(self.heap.page_count()) * u64::from(PAGE),
                "cursors": self.heap.cursors,
                "allocated": self.heap.allocated,
                "live": self.heap.live,
                "claimed": self.heap.claimed,
            }),
            random: random_of(&self.random),
            machine: Json::Object(machine),
        }
    }

    /// Pages that changed since [`Machine::mark_clean`] or [`Machine::restore`].
    #[must_use]
    pub fn dirty_pages(&self) -> Vec<u32> {
        self.heap.dirty_pages()
    }

    /// Bytes of these pages.
    #[must_use]
    pub fn dirty_bytes(&self) -> u64 {
        self.heap.dirty_weight()
    }

    /// Bytes of the output that waits to be taken.
    #[must_use]
    pub fn waiting_output_bytes(&self) -> u64 {
        self.output.iter().map(|line| line.len() as u64).sum()
    }

    /// Bytes that the heap takes, garbage included. The machine has stopped.
    #[must_use]
    pub fn heap_bytes(&self) -> u64 {
        self.heap.weight()
    }

    /// Number of pages of the heap.
    #[must_use]
    pub fn page_count(&self) -> u32 {
        self.heap.page_count()
    }

    /// The JSON text of a page of the heap: a list of entries, null for free places. A page is a text in its row because a tree of small
    /// JSON values takes thirty times the memory of its text.
    #[must_use]
    pub fn encode_page(&self, page: u32) -> String {
        let mut encoder = Encoder::exact(&self.heap);
        encoder.text.push('[');
        let mut end = encoder.text.len();
        for slot in 0..self.heap.page(page).len() as u32 {
            let at = HeapRef(page * PAGE + slot);
            if slot > 0 {
                encoder.text.push(',');
            }
            encoder.write_entry(at);
            // Free places at the end say nothing.
            if !matches!(self.heap.get(at), Entry::Free) {
                end = encoder.text.len();
            }
        }
        encoder.text.truncate(end);
        encoder.text.push(']');
        encoder.text
    }

    /// Forgets which pages changed: they are saved.
    pub fn mark_clean(&mut self) {
        self.heap.mark_clean();
    }

    /// A machine as it was saved. `pages` are by number, each taken when the one before it is read; null is an empty page, and an error is why
    /// a page cannot be had.
    ///
    /// # Errors
    /// A state that is damaged or belongs to another program.
    pub fn restore(
        program: Arc<Program>,
        saved: &Saved,
        pages: impl IntoIterator<Item = Result<Json, String>>,
        limits: Limits,
    ) -> Result<Machine, RestoreError> {
        let mut machine = Machine::blank(program, limits);
        machine.read(saved, pages).map_err(|message| RestoreError { message })?;
        Ok(machine)
    }

    /// Writes what the state hash is taken of, as canonical JSON: frames, operands, variables, everything reachable from them renumbered in the
    /// order in which it is met, the state of `Math.random` and the open call.
    pub fn write_state(&self, text: &mut String) {
        let mut encoder = Encoder::canonical(&self.heap);
        let (scopes, stack) = self.encode_frames(&mut encoder);
        let pending = self.pending.as_ref().map_or(Json::Null, |value| encoder.value(value));
        let mut call = self.open.as_ref().map_or(Json::Null, |open| Json::Object(self.call_of(open)));
        if let Some(open) = self.open.as_ref().filter(|open| matches!(open.asked, Asked::Together(_))) {
            call["operands"] = encoder.values(&open.operands);
        }
        let keys = (self.keys != HeapRef::NONE).then(|| encoder.reference(self.keys));
        let part = |text: &mut String, name: &str, value: &Json| {
            text.push_str(name);
            canonical_into(value, text);
        };
        part(text, "{\"call\":", &call);
        text.push_str(",\"heap\":[");
        encoder.text = std::mem::take(text);
        let mut written = 0;
        while let Some(at) = encoder.met.get(written).copied() {
            if written > 0 {
                encoder.text.push(',');
            }
            written += 1;
            encoder.write_entry(at);
        }
        *text = encoder.text;
        text.push(']');
        // A state without keys has the hash that it always had.
        if let Some(keys) = keys {
            part(text, ",\"keys\":", &keys);
        }
        part(text, ",\"pc\":", &json!(self.pc));
        part(text, ",\"pending\":", &pending);
        part(text, ",\"random\":", &random_of(&self.random));
        part(text, ",\"scopes\":", &scopes);
        part(text, ",\"stack\":", &stack);
        text.push('}');
    }

    /// The frames, and the values of the stack that are no variables.
    fn encode_frames(&self, encoder: &mut Encoder<'_>) -> (Json, Json) {
        let mut scopes = Vec::with_capacity(self.frames.len());
        let mut operands = Vec::new();
        let mut at = 0;
        for (index, frame) in self.frames.iter().enumerate() {
            let mut scope = Map::new();
            if index > 0 {
                scope.insert("returnPc".to_owned(), json!(frame.return_pc()));
            }
            match frame {
                Frame::Code(frame) => {
                    let function = self.program.functions.get(frame.function as usize);
                    let names = function.map_or(&[][..], |f| f.slots.as_slice());
                    let base = frame.base as usize;
                    operands.extend(self.stack.get(at..base).unwrap_or(&[]).iter().map(|v| encoder.value(v)));
                    at = base + names.len();
                    let values = self.stack.get(base..at).unwrap_or(&[]);
                    let mut variables = Map::new();
                    variables.extend(names.iter().cloned().zip(values.iter().map(|v| encoder.value(v))));
                    if index > 0 {
                        scope.insert("function".to_owned(), json!(self.function_name(frame.function)));
                        scope.insert("$function".to_owned(), json!(frame.function));
                        scope.insert("$closure".to_owned(), encoder.reference(frame.closure));
                        scope.insert("$bottom".to_owned(), json!(frame.bottom));
                        scope.insert("$base".to_owned(), json!(frame.base));
                        match frame.entry {
                            Entered::Plain => {}
                            Entered::New(class) => {
                                scope.insert("$new".to_owned(), encoder.reference(class));
                            }
                            Entered::Super(class) => {
                                scope.insert("$super".to_owned(), encoder.reference(class));
                            }
                        }
                    }
                    scope.insert("variables".to_owned(), Json::Object(variables));
                }
                Frame::Native(waiting) => {
                    scope.insert("function".to_owned(), json!(waiting.kind.name()));
                    scope.insert("variables".to_owned(), json!({}));
                    scope.insert("$waiting".to_owned(), encode_waiting(waiting, encoder));
                }
            }
            scopes.push(Json::Object(scope));
        }
        operands.extend(self.stack.get(at..).unwrap_or(&[]).iter().map(|v| encoder.value(v)));
        (Json::Array(scopes), Json::Array(operands))
    }

    fn read(&mut self, saved: &Saved, pages: impl IntoIterator<Item = Read<Json>>) -> Read<()> {
        let count = read::number(&saved.heap["pageCount"])? as usize;
        let mut heap = Vec::new();
        let mut reader = Reader::new(self.linked.texts());
        for (number, page) in pages.into_iter().enumerate() {
            let page = page.map_err(|message| format!("page {number}: {message}"))?;
            let entries = if page.is_null() { &[][..] } else { read::list(&page)? };
            if entries.len() > PAGE as usize {
                return Err(format!("page {number} holds more than {PAGE} entries"));
            }
            let entries = entries.iter().map(|entry| reader.entry(entry)).collect::<Read<Vec<_>>>();
            heap.push(entries.map_err(|message| format!("page {number}: {message}"))?);
        }
        if heap.len() != count {
            return Err(format!("{} pages of the heap, expected {count}", heap.len()));
        }
        self.heap = Heap::from_pages(heap);
        self.heap.index_tables();
        self.heap.limit = self.limits.heap_bytes;
        let cursors = read::list(&saved.heap["cursors"])?;
        for (cursor, json) in self.heap.cursors.iter_mut().zip(cursors) {
            *cursor = read::number(json)?.max(1);
        }
        self.heap.allocated = read::number64(&saved.heap["allocated"])?;
        self.heap.live = read::number64(&saved.heap["live"])?;
        self.heap.claimed = saved.heap.get("claimed").map_or(Ok(0), read::number64)?;
        self.heap.mark_clean();
        let words = read::list(&saved.random)?;
        let mut state = [0; 4];
        for (word, json) in state.iter_mut().zip(words) {
            *word = u64::from_str_radix(read::word(json)?, 16).map_err(|error| error.to_string())?;
        }
        self.random = Random { words: state };
        self.pc = saved.pc;
        self.read_counters(&saved.machine)?;
        if let Some(variables) = saved.scopes.get(0).and_then(|scope| scope["variables"].as_object()) {
            self.name_globals(variables)?;
        }
        self.read_frames(&saved.scopes, &saved.stack)?;
        self.check_frames()
    }

    fn read_counters(&mut self, machine: &Json) -> Read<()> {
        self.instructions = read::number64(&machine["instructions"])?;
        self.calls = read::number64(&machine["calls"])?;
        self.output_bytes = read::number64(&machine["outputBytes"])?;
        self.spent = machine.get("spent").is_some();
        self.owed = machine.get("owed").map_or(Ok(0), read::number64)?;
        if let Some(pending) = machine.get("pending") {
            self.pending = Some(read::value(pending)?);
        }
        if let Some(output) = machine.get("output") {
            self.output =
                read::list(output)?.iter().map(|line| read::word(line).map(str::to_owned)).collect::<Read<_>>()?;
        }
        if let Some(call) = machine.get("call") {
            self.open = Some(OpenCall { asked: read_asked(call)?, operands: read::values(&call["operands"])? });
        }
        if let Some(keys) = machine.get("keys") {
            self.keys = read::reference(keys)?;
            if !matches!(self.heap.get(self.keys), Entry::Map(_)) {
                return Err("the counts of keys are nowhere".to_owned());
            }
        }
        Ok(())
    }

    fn read_frames(&mut self, scopes: &Json, stack: &Json) -> Read<()> {
        let program = Arc::clone(&self.program);
        let mut operands = read::values(stack)?.into_iter();
        for (index, scope) in read::list(scopes)?.iter().enumerate() {
            let return_pc = if index == 0 { 0 } else { read::number(&scope["returnPc"])? };
            if let Some(waiting) = scope.get("$waiting") {
                self.frames.push(Frame::Native(Box::new(read_waiting(waiting, return_pc)?)));
                continue;
            }
            let plain = |name: &str| if index == 0 { Ok(0) } else { read::number(&scope[name]) };
            let (function, bottom, base) = (plain("$function")?, plain("$bottom")?, plain("$base")?);
            let Some(described) = program.functions.get(function as usize) else {
                return Err(format!("scope {index} is of function {function}, which the program does not have"));
            };
            if (base as usize) < self.stack.len() || bottom > base || (index > 0 && bottom == base) {
                return Err(format!("scope {index} lies within the one before"));
            }
            while self.stack.len() < base as usize {
                self.stack.push(operands.next().ok_or(format!("scope {index} begins above the stack"))?);
            }
            for name in &described.slots {
                let variable = scope["variables"].get(name);
                self.stack.push(read::value(variable.ok_or(format!("scope {index} lacks the variable {name}"))?)?);
            }
            let entry = match (scope.get("$new"), scope.get("$super")) {
                (Some(class), _) => Entered::New(read::reference(class)?),
                (_, Some(class)) => Entered::Super(read::reference(class)?),
                _ => Entered::Plain,
            };
            self.frames.push(Frame::Code(CodeFrame {
                function,
                return_pc,
                bottom,
                base,
                closure: if index == 0 { HeapRef::NONE } else { read::reference(&scope["$closure"])? },
                entry,
            }));
            self.base = base as usize;
        }
        self.stack.extend(operands);
        Ok(())
    }

    /// Checks every frame against what verification knows of the instruction it is at, so that a damaged or foreign state
    /// cannot make the interpreter take what is not there.
    pub(super) fn check_frames(&self) -> Read<()> {
        let program = &self.program;
        let Some(Frame::Code(_)) = self.frames.first() else { return Err("there is no global scope".to_owned()) };
        let Some(Frame::Code(_)) = self.frames.last() else { return Err("a built-in function is on top".to_owned()) };
        let mut end = self.stack.len();
        for (index, pc) in self.running() {
            let above = self.frames.get(index + 1);
            match self.frames.get(index) {
                Some(Frame::Code(frame)) => {
                    let slots = program.functions.get(frame.function as usize).map_or(0, |f| f.slots.len());
                    let owner = program.owners.get(pc as usize).copied();
                    let depth = program.depths.get(pc as usize).copied().flatten();
                    let (Some(depth), Some(instruction)) = (depth, program.code.get(pc as usize)) else {
                        return Err(format!("scope {index} is at instruction {pc}, which no path leads to"));
                    };
                    if owner != Some(frame.function) {
                        return Err(format!("scope {index} is at instruction {pc} of another function"));
                    }
                    let taken = match above {
                        None => match &self.open {
                            Some(open) => self.check_open(open, *instruction)?,
                            None => 0,
                        },
                        Some(Frame::Native(waiting)) if waiting.again() => 0,
                        Some(_) => instruction.effect().0,
                    };
                    let from = frame.base as usize + slots;
                    let there = end.checked_sub(from).ok_or(format!("scope {index} lies outside the stack"))?;
                    let needed = depth.saturating_sub(taken) as usize;
                    // Operands that another machine left below them are out of reach of every instruction.
                    let surplus = program.named_globals && index == 0 && there > needed;
                    if there != needed && !surplus {
                        return Err(format!("scope {index} has {there} operands at instruction {pc}"));
                    }
                    end = frame.bottom as usize;
                }
                Some(Frame::Native(waiting)) => {
                    if end != waiting.top as usize || waiting.bottom > waiting.top {
                        return Err(format!("scope {index} lies outside the stack"));
                    }
                    end = waiting.bottom as usize;
                }
                None => {}
            }
        }
        if end == 0 { Ok(()) } else { Err("the global scope does not begin the stack".to_owned()) }
    }
}

fn random_of(random: &Random) -> Json {
    Json::Array(random.words.iter().map(|word| json!(format!("{word:016x}"))).collect())
}

fn encode_waiting(waiting: &Waiting, encoder: &mut Encoder<'_>) -> Json {
    let sorting = waiting.sorting.as_ref().map_or(Json::Null, |sorting| {
        let Uncompared { undefined, holes } = sorting.uncompared;
        match &sorting.order {
            Order::Tim(sort) => json!({
                "work": encoder.values(&sort.work),
                "temp": encoder.values(&sort.temp),
                "progress": serde_json::to_value(&sort.progress).unwrap_or(Json::Null),
                "undefined": undefined,
                "holes": holes,
            }),
            Order::Merge(sort) => json!({
                "from": encoder.values(&sort.from),
                "into": encoder.values(&sort.into),
                "width": sort.width,
                "left": sort.left,
                "right": sort.right,
                "undefined": undefined,
                "holes": holes,
            }),
        }
    });
    json!({
        "kind": waiting.kind.name(),
        "bottom": waiting.bottom,
        "top": waiting.top,
        "callback": encoder.value(&waiting.callback),
        "this": encoder.value(&waiting.this),
        "source": encoder.value(&waiting.source),
        "index": waiting.index,
        "len": waiting.len,
        "out": encoder.value(&waiting.out),
        "item": encoder.value(&waiting.item),
        "sorting": sorting,
    })
}

fn read_sorting(json: &Json) -> Read<Sorting> {
    let uncompared = Uncompared { undefined: read::number(&json["undefined"])?, holes: read::number(&json["holes"])? };
    let damaged = || "a sort that cannot go on".to_owned();
    if let Some(progress) = json.get("progress") {
        let sort = TimSort {
            work: read::values(&json["work"])?,
            temp: read::values(&json["temp"])?,
            progress: crate::value::read(progress).map_err(|error| format!("{}: {error}", damaged()))?,
        };
        let order = sort.is_sound().then_some(Order::Tim(sort)).ok_or_else(damaged)?;
        return Ok(Sorting { order, uncompared });
    }
    let sort = MergeSort {
        from: read::values(&json["from"])?,
        into: read::values(&json["into"])?,
        width: read::number(&json["width"])?,
        left: read::number(&json["left"])?,
        right: read::number(&json["right"])?,
    };
    if sort.width == 0 || sort.into.len() > sort.from.len() {
        return Err(damaged());
    }
    Ok(Sorting { order: Order::Merge(sort), uncompared })
}

fn read_waiting(json: &Json, return_pc: u32) -> Read<Waiting> {
    let sorting = match &json["sorting"] {
        Json::Null => None,
        sorting => Some(Box::new(read_sorting(sorting)?)),
    };
    let name = read::word(&json["kind"])?;
    Ok(Waiting {
        kind: Kind::named(name).ok_or(format!("no built-in function waits as {name}"))?,
        bottom: read::number(&json["bottom"])?,
        top: read::number(&json["top"])?,
        return_pc,
        callback: read::value(&json["callback"])?,
        this: read::value(&json["this"])?,
        source: read::value(&json["source"])?,
        index: read::number(&json["index"])?,
        len: read::number(&json["len"])?,
        out: read::value(&json["out"])?,
        item: read::value(&json["item"])?,
        sorting,
    })
}
