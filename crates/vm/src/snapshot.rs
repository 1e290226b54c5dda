//! Saving and restoring a machine. The head (frames, stack, counters) and the pages of the heap are saved separately,
//! so that a commit writes only the pages that changed.
//!
//! | entry | form |
//! |---|---|
//! | free slot | `null` |
//! | variable shared by closures | `["c", value]` |
//! | array | `["a", frozen, table of other properties or null, [value…]]` |
//! | array of more than 512 elements | `["A", frozen, table or null, start, length, [chunk…]]` |
//! | chunk of an array | `["k", [value…]]` |
//! | object | `["o", flags, prototype, table]`, and if it has one: `, table of what is not enumerable` |
//! | function | `["f", number, [cell…]]`, and if it has more: `, this or [], home or 0, static, class, table, hidden table]` |
//! | class, within its function | `[prototype, parent or [], field initializer or 0]` or null |
//! | error | `["e", kind, hidden table, flags, prototype, table]` |
//! | Map, Set | `["m", table]`, `["s", table]` |
//! | iterator | `["i", source, "keys" "values" "entries" or "names", position]` |
//! | regular expression | `["r", pattern, flags, lastIndex]` |
//! | date | `["d", time]` |
//! | symbol | `["y", description]`, or `["y"]` without one |
//! | bound function | `["b", function, this, [argument…]]` |
//! | promise | `["P", "pending" "fulfilled" or "rejected", handled, value, [first, last]]`: its reactions |
//! | reaction, job | `["R", kind, [promise, derived promise or suspended function, next], index, [value, value]]` |
//! | suspended function | `["C", number, instruction, [function, promise], [this, slot…, operand…]]` |
//! | ArrayBuffer | `["u", bytes in base64]`, and one of more than 4096 bytes: `["U", length, [chunk…]]` |
//! | chunk of an ArrayBuffer | `["x", bytes in base64]` |
//! | typed array, DataView | `["v", class, buffer, offset, length]` |
//! | chunk of a table | `["p", [key, value, …], [insertion number…]]` |
//!
//! The flags of an object: 1 frozen, 4 null prototype, 8 with a hidden Map or Set, 16 not extensible, 32 sealed. Its
//! prototype is 0 (the default one), a reference or the name of a built-in.
//!
//! A table is `[key, value, …]` in order of insertion; that of a Map or Set is `{ next, numbers, pairs }`; one with
//! more than 256 entries is `{ len, chunks, next }`. Values have their wire form (`wire.rs`) or one of `{"$ref":n}`,
//! `{"$builtin":name}`, `{"$symbol":n}`, `{"$uninitialised":true}`, `{"$hole":true}` and `{"$accessor":n}`, which
//! refers to an array of getter and setter. References are page × 64 + slot. A key that refers to an object is a private name.
//!
//! `machine.call` is present while the running function blocks on calls: the operands of its instruction, and the answers
//! to a group so far. `machine.tasks` is absent in a program without promises and open calls: `awaiting` or `ended`, the
//! promise of the program; `jobs` and `rejections`, each first and last; `calls`, the open calls on which the running
//! function blocks, each with the record of the host; `open`, the table of the others (`open_call_table.rs`), where an
//! error is that of one that ends the program, and `repeated` marks one at which it has failed. `machine.keys` is the
//! reference of a Map from keys to the number of calls with each, `machine.console` that of a Map with the indentation,
//! the counters and the timers of the console, `machine.symbols` that of a Map from keys to the symbols of `Symbol.for`.

use std::sync::Arc;

use runstate_value::write_canonical_json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::array_sort::{ArraySort, MergeSort, SortAlgorithm, UncomparedElements};
use super::callback::{CallbackMethod, NativeFrame};
use super::entry::Entry;
use super::entry_decoder::{self, EntryDecoder, ReadResult};
use super::entry_encoder::{EntryEncoder, put};
use super::frame::{CallKind, CodeFrame, Frame};
use super::heap::{ENTRIES_PER_PAGE, Heap};
use super::limits::{Limits, TurnCount};
use super::machine::{Machine, SuspendedCall};
use super::machine_tasks::{EARLIER_VERSION, MachineTasks, ProgramTask};
use super::open_call_table::OpenCalls;
use super::program::{DecodedInstruction, VerifiedProgram};
use super::table::TableKind;
use super::timsort::TimSort;
use super::value::{HeapRef, Value};
use super::xoshiro::Xoshiro256;
use super::{abrupt_completion, coroutine, generator, legacy, open_call, property};

/// A machine without its heap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MachineSnapshot {
    /// The next instruction; while a call is open, the instruction that made it.
    pub pc: u32,
    /// Operands of all frames, outermost first.
    pub stack: Json,
    /// Frames with their variables; the first is the global scope.
    pub scopes: Json,
    /// Number of pages and the state of allocation.
    pub heap: Json,
    /// The state of `Math.random`.
    pub random: Json,
    /// Counters and the open calls.
    pub machine: Json,
}

/// The reason why a machine cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the saved state cannot be restored: {message}")]
pub struct RestoreError {
    /// The defect of the saved state.
    pub message: String,
}

/// The counts of turns: the names of the total and of the total when the turn began.
const INSTRUCTIONS: (&str, &str) = ("instructions", "instructionsBeforeTurn");
const OUTPUT_BYTES: (&str, &str) = ("outputBytes", "outputBytesBeforeTurn");

impl Machine {
    /// The state of the machine without its heap.
    #[must_use]
    pub fn save(&self) -> MachineSnapshot {
        let mut encoder = EntryEncoder::exact(&self.heap);
        let (scopes, stack) = self.encode_frames(&mut encoder);
        let mut machine = Map::new();
        for ((name, before), count) in [(INSTRUCTIONS, self.instructions), (OUTPUT_BYTES, self.output_bytes)] {
            put(&mut machine, name, json!(count.total));
            put(&mut machine, before, (count.before_turn > 0).then(|| json!(count.before_turn)));
        }
        put(&mut machine, "calls", json!(self.calls));
        let call = self.suspended_call.as_ref().map(|call| encode_suspended_call(call, &mut encoder));
        put(&mut machine, "call", call);
        put(&mut machine, "tasks", self.tasks.encode(&mut encoder).map(Json::Object));
        put(&mut machine, "keys", encoder.optional_reference(self.key_counts));
        put(&mut machine, "console", encoder.optional_reference(self.console));
        put(&mut machine, "symbols", encoder.optional_reference(self.symbols));
        put(&mut machine, "pending", self.pending.as_ref().map(|pending| encoder.value(pending)));
        put(&mut machine, "owed", (self.deferred_work > 0).then(|| json!(self.deferred_work)));
        put(&mut machine, "spent", self.heap_discarded.then_some(Json::Bool(true)));
        put(&mut machine, "output", (!self.output.is_empty()).then(|| json!(self.output)));
        MachineSnapshot {
            pc: self.pc,
            stack,
            scopes,
            heap: json!({
                "pageCount": self.heap.page_count(),
                "nextRef": u64::from(self.heap.page_count()) * u64::from(ENTRIES_PER_PAGE),
                "cursors": self.heap.cursors,
                "allocated": self.heap.allocated,
                "live": self.heap.live,
                "claimed": self.heap.shared_text_bytes,
            }),
            random: encode_random(&self.random),
            machine: Json::Object(machine),
        }
    }

    /// Pages that changed since [`Machine::mark_clean`] or [`Machine::restore`].
    #[must_use]
    pub fn dirty_pages(&self) -> Vec<u32> {
        self.heap.dirty_pages()
    }

    /// Weight of these pages in bytes.
    #[must_use]
    pub fn dirty_bytes(&self) -> u64 {
        self.heap.dirty_weight()
    }

    /// Bytes of the output that was not taken yet.
    #[must_use]
    pub fn pending_output_bytes(&self) -> u64 {
        self.output.iter().map(|line| line.len() as u64).sum()
    }

    /// Bytes of the heap, including garbage. The machine must have stopped.
    #[must_use]
    pub fn heap_bytes(&self) -> u64 {
        self.heap.weight()
    }

    /// Number of pages of the heap.
    #[must_use]
    pub fn page_count(&self) -> u32 {
        self.heap.page_count()
    }

    /// The JSON text of a page of the heap: an array of entries, with null for free slots. Its row stores the page as
    /// one string, because a tree of small JSON values takes thirty times the memory of its text.
    #[must_use]
    pub fn encode_page(&self, page: u32) -> String {
        let mut encoder = EntryEncoder::exact(&self.heap);
        encoder.text.push('[');
        let mut end = encoder.text.len();
        for slot in 0..self.heap.page(page).len() as u32 {
            let at = HeapRef(page * ENTRIES_PER_PAGE + slot);
            if slot > 0 {
                encoder.text.push(',');
            }
            encoder.write_entry(at);
            // Free slots at the end are omitted.
            if !matches!(self.heap.get(at), Entry::Free) {
                end = encoder.text.len();
            }
        }
        encoder.text.truncate(end);
        encoder.text.push(']');
        encoder.text
    }

    /// Marks all pages as saved.
    pub fn mark_clean(&mut self) {
        self.heap.mark_clean();
    }

    /// A machine from its saved state. `pages` are in order of number, and each is taken after the one before it is
    /// read. Null is an empty page; an error is the reason why a page is not available.
    ///
    /// # Errors
    /// A state that is damaged or belongs to another program.
    pub fn restore(
        program: Arc<VerifiedProgram>,
        saved: &MachineSnapshot,
        pages: impl IntoIterator<Item = Result<Json, String>>,
        limits: Limits,
    ) -> Result<Machine, RestoreError> {
        let mut machine = Machine::blank(program, limits);
        machine.read_snapshot(saved, pages).map_err(|message| RestoreError { message })?;
        Ok(machine)
    }

    /// Writes the input of the state hash as canonical JSON: frames, operands, variables, every entry reachable from
    /// them, renumbered in the order of discovery, the state of `Math.random` and the open call.
    pub fn write_state(&self, text: &mut String) {
        let mut encoder = EntryEncoder::canonical(&self.heap);
        let (scopes, stack) = self.encode_frames(&mut encoder);
        let pending = self.pending.as_ref().map_or(Json::Null, |value| encoder.value(value));
        let call = self.suspended_call.as_ref().map_or(Json::Null, |call| encode_suspended_call(call, &mut encoder));
        let keys = encoder.optional_reference(self.key_counts);
        let tasks = self.tasks.encode(&mut encoder);
        let console = encoder.optional_reference(self.console);
        let symbols = encoder.optional_reference(self.symbols);
        let part = |text: &mut String, name: &str, value: &Json| {
            text.push_str(name);
            write_canonical_json(value, text);
        };
        part(text, "{\"call\":", &call);
        if let Some(console) = console {
            part(text, ",\"console\":", &console);
        }
        text.push_str(",\"heap\":[");
        encoder.text = std::mem::take(text);
        let mut written = 0;
        while let Some(at) = encoder.discovered.get(written).copied() {
            if written > 0 {
                encoder.text.push(',');
            }
            written += 1;
            encoder.write_entry(at);
        }
        *text = encoder.text;
        text.push(']');
        // The member is absent without keys, so that states without keys keep their hash.
        if let Some(keys) = keys {
            part(text, ",\"keys\":", &keys);
        }
        part(text, ",\"pc\":", &json!(self.pc));
        part(text, ",\"pending\":", &pending);
        part(text, ",\"random\":", &encode_random(&self.random));
        part(text, ",\"scopes\":", &scopes);
        part(text, ",\"stack\":", &stack);
        if let Some(symbols) = symbols {
            part(text, ",\"symbols\":", &symbols);
        }
        if let Some(tasks) = tasks {
            part(text, ",\"tasks\":", &Json::Object(tasks));
        }
        text.push('}');
    }

    /// The frames, and the values of the stack that are not variables.
    fn encode_frames(&self, encoder: &mut EntryEncoder<'_>) -> (Json, Json) {
        let mut scopes = Vec::with_capacity(self.frames.len());
        let mut operands = Vec::new();
        let mut at = 0;
        for (index, frame) in self.frames.iter().enumerate() {
            let mut scope = Map::new();
            put(&mut scope, "returnPc", (index > 0).then(|| json!(frame.return_pc())));
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
                        put(&mut scope, "function", json!(property::function_name(self, frame.function)));
                        put(&mut scope, "$function", json!(frame.function));
                        put(&mut scope, "$closure", encoder.reference(frame.closure));
                        put(&mut scope, "$bottom", json!(frame.bottom));
                        put(&mut scope, "$base", json!(frame.base));
                        if let Some((key, at)) = frame.call_kind.entry() {
                            put(&mut scope, key, encoder.reference(at));
                        }
                    }
                    put(&mut scope, "variables", Json::Object(variables));
                }
                Frame::Native(frame) => {
                    put(&mut scope, "function", json!(frame.kind.name()));
                    put(&mut scope, "variables", json!({}));
                    put(&mut scope, "$waiting", encode_native_frame(frame, encoder));
                }
            }
            scopes.push(Json::Object(scope));
        }
        operands.extend(self.stack.get(at..).unwrap_or(&[]).iter().map(|v| encoder.value(v)));
        (Json::Array(scopes), Json::Array(operands))
    }

    fn read_snapshot(
        &mut self,
        saved: &MachineSnapshot,
        pages: impl IntoIterator<Item = ReadResult<Json>>,
    ) -> ReadResult<()> {
        let count = entry_decoder::number(&saved.heap["pageCount"])? as usize;
        let mut heap = Vec::new();
        let mut decoder = EntryDecoder::new(self.linked.name_texts());
        for (number, page) in pages.into_iter().enumerate() {
            let page = page.map_err(|message| format!("page {number}: {message}"))?;
            let entries = if page.is_null() { &[][..] } else { entry_decoder::list(&page)? };
            if entries.len() > ENTRIES_PER_PAGE as usize {
                return Err(format!("page {number} holds more than {ENTRIES_PER_PAGE} entries"));
            }
            let entries = entries.iter().map(|entry| decoder.entry(entry)).collect::<ReadResult<Vec<_>>>();
            heap.push(entries.map_err(|message| format!("page {number}: {message}"))?);
        }
        if heap.len() != count {
            return Err(format!("{} pages of the heap, expected {count}", heap.len()));
        }
        self.heap = Heap::from_pages(heap);
        self.heap.index_tables();
        self.heap.check_buffers()?;
        self.heap.limit = self.limits.heap_bytes;
        let cursors = entry_decoder::list(&saved.heap["cursors"])?;
        for (cursor, json) in self.heap.cursors.iter_mut().zip(cursors) {
            *cursor = entry_decoder::number(json)?.max(1);
            // The heap would grow up to the cursor.
            if *cursor as usize > (count * ENTRIES_PER_PAGE as usize).max(1) {
                return Err(format!("cursor {cursor} is beyond the {count} pages of the heap"));
            }
        }
        self.heap.allocated = entry_decoder::counter(&saved.heap["allocated"])?;
        self.heap.live = entry_decoder::counter(&saved.heap["live"])?;
        self.heap.shared_text_bytes = saved.heap.get("claimed").map_or(Ok(0), entry_decoder::counter)?;
        self.heap.mark_clean();
        let words = entry_decoder::list(&saved.random)?;
        let mut state = [0; 4];
        for (word, json) in state.iter_mut().zip(words) {
            *word = u64::from_str_radix(entry_decoder::string(json)?, 16).map_err(|error| error.to_string())?;
        }
        self.random = Xoshiro256 { words: state };
        self.pc = saved.pc;
        self.read_counters(&saved.machine)?;
        if let Some(variables) = saved.scopes.get(0).and_then(|scope| scope["variables"].as_object()) {
            legacy::add_named_globals(self, variables)?;
        }
        self.read_frames(&saved.scopes, &saved.stack)?;
        OpenCalls::check_unshared(self)?;
        self.check_frames()
    }

    fn read_counters(&mut self, machine: &Json) -> ReadResult<()> {
        self.instructions = turn_count(machine, INSTRUCTIONS)?;
        self.calls = entry_decoder::counter(&machine["calls"])?;
        self.output_bytes = turn_count(machine, OUTPUT_BYTES)?;
        self.heap_discarded = machine.get("spent").is_some();
        self.deferred_work = machine.get("owed").map_or(Ok(0), entry_decoder::counter)?;
        if let Some(pending) = machine.get("pending") {
            self.pending = Some(entry_decoder::value(pending)?);
        }
        if let Some(output) = machine.get("output") {
            self.output = entry_decoder::list(output)?
                .iter()
                .map(|line| entry_decoder::string(line).map(str::to_owned))
                .collect::<ReadResult<_>>()?;
        }
        if let Some(call) = machine.get("call") {
            // The call itself was here, and is among the open ones now.
            if ["kind", "together", "promise"].iter().any(|part| call.get(part).is_some()) {
                return Err(EARLIER_VERSION.to_owned());
            }
            self.suspended_call = Some(SuspendedCall {
                operands: entry_decoder::values(&call["operands"])?,
                answers: call.get("answers").map(entry_decoder::reference).transpose()?.unwrap_or_default(),
            });
        }
        if let Some(tasks) = machine.get("tasks") {
            self.tasks = MachineTasks::decode(self, tasks)?;
            if tasks.get("open").is_none() {
                // An earlier version has saved all calls in the head.
                self.tasks.open_calls.change_all(&mut self.heap, |_| ());
                self.heap.seal();
            }
        }
        let maps = [
            ("keys", "key counts", &mut self.key_counts),
            ("console", "the console", &mut self.console),
            ("symbols", "symbols", &mut self.symbols),
        ];
        for (name, content, map) in maps {
            if let Some(reference) = machine.get(name) {
                *map = entry_decoder::reference(reference)?;
                if !matches!(self.heap.get(*map), Entry::Map(_)) {
                    return Err(format!("the map of {content} is missing"));
                }
            }
        }
        let mut checked = Ok(());
        if let Some(counts) = self.heap.table(self.key_counts, TableKind::Main) {
            self.heap.visit_table_entries(counts, |_, count| {
                if checked.is_ok() {
                    checked = entry_decoder::check_counter(count);
                }
            });
        }
        checked
    }

    fn read_frames(&mut self, scopes: &Json, stack: &Json) -> ReadResult<()> {
        let program = Arc::clone(&self.program);
        let mut operands = entry_decoder::values(stack)?.into_iter();
        for (index, scope) in entry_decoder::list(scopes)?.iter().enumerate() {
            let return_pc = if index == 0 { 0 } else { entry_decoder::number(&scope["returnPc"])? };
            if let Some(native_frame) = scope.get("$waiting") {
                self.frames.push(Frame::Native(Box::new(read_native_frame(native_frame, return_pc)?)));
                continue;
            }
            let code_frame_number = |name: &str| if index == 0 { Ok(0) } else { entry_decoder::number(&scope[name]) };
            let (function, bottom, base) =
                (code_frame_number("$function")?, code_frame_number("$bottom")?, code_frame_number("$base")?);
            let Some(function_description) = program.functions.get(function as usize) else {
                return Err(format!("scope {index} names function {function}, which the program does not have"));
            };
            if (base as usize) < self.stack.len() || bottom > base || (index > 0 && bottom == base) {
                return Err(format!("scope {index} overlaps the scope before it"));
            }
            while self.stack.len() < base as usize {
                self.stack.push(operands.next().ok_or(format!("scope {index} begins beyond the end of the stack"))?);
            }
            for name in &function_description.slots {
                let variable = scope["variables"].get(name);
                self.stack
                    .push(entry_decoder::value(variable.ok_or(format!("scope {index} lacks the variable {name}"))?)?);
            }
            let call_kind = match (scope.get("$new"), scope.get("$super"), scope.get("$async"), scope.get("$resumed")) {
                (Some(class), ..) => CallKind::New(entry_decoder::reference(class)?),
                (_, Some(class), ..) => CallKind::Super(entry_decoder::reference(class)?),
                (_, _, Some(promise), _) => CallKind::Async(entry_decoder::reference(promise)?),
                (.., Some(promise)) => CallKind::Resumed(entry_decoder::reference(promise)?),
                _ => match scope.get("$generator") {
                    Some(at) if function_description.returns_promise => {
                        CallKind::AsyncGenerator(entry_decoder::reference(at)?)
                    }
                    Some(at) => CallKind::Generator(entry_decoder::reference(at)?),
                    None => CallKind::Plain,
                },
            };
            self.frames.push(Frame::Code(CodeFrame {
                function,
                return_pc,
                bottom,
                base,
                closure: if index == 0 { HeapRef::NONE } else { entry_decoder::reference(&scope["$closure"])? },
                call_kind,
            }));
            self.base = base as usize;
        }
        self.stack.extend(operands);
        Ok(())
    }

    /// Checks every frame against the verified stack depth of its current instruction. A damaged or foreign state
    /// therefore cannot make the interpreter access missing slots or operands.
    pub(super) fn check_frames(&self) -> ReadResult<()> {
        let program = &self.program;
        let Some(Frame::Code(_)) = self.frames.first() else { return Err("there is no global scope".to_owned()) };
        let Some(Frame::Code(_)) = self.frames.last() else {
            return Err("the innermost scope is a built-in function".to_owned());
        };
        self.check_tasks()?;
        let mut end = self.stack.len();
        for (index, pc) in abrupt_completion::frames_with_pc(self) {
            let callee = self.frames.get(index + 1);
            match self.frames.get(index) {
                Some(Frame::Code(frame)) => {
                    let slots = program.functions.get(frame.function as usize).map_or(0, |f| f.slots.len());
                    let owner = program.owners.get(pc as usize).copied();
                    let depth = program.stack_depths.get(pc as usize).copied().flatten();
                    let (Some(depth), Some(instruction)) = (depth, program.code.get(pc as usize)) else {
                        return Err(format!("scope {index} is at instruction {pc}, which no path leads to"));
                    };
                    if owner != Some(frame.function) {
                        return Err(format!("scope {index} is at instruction {pc} of another function"));
                    }
                    let popped = match callee {
                        _ if index == 0 && self.tasks.program != ProgramTask::Running => instruction.stack_effect().0,
                        None => match &self.suspended_call {
                            Some(call) => open_call::check_suspended_call(self, call, *instruction)?,
                            None => 0,
                        },
                        Some(Frame::Native(frame)) if frame.reruns_instruction() => 0,
                        // The callee returns one value.
                        Some(_) if instruction.stack_effect().1 != 1 => {
                            return Err(format!("scope {index} is at instruction {pc}, which calls no function"));
                        }
                        Some(_) => instruction.stack_effect().0,
                    };
                    let from = frame.base as usize + slots;
                    let operand_count = end.checked_sub(from).ok_or(format!("scope {index} lies outside the stack"))?;
                    let needed = depth.saturating_sub(popped) as usize;
                    // Operands that the older machine left below these are not reachable by any instruction.
                    let surplus = program.named_globals && index == 0 && operand_count > needed;
                    if operand_count != needed && !surplus {
                        return Err(format!("scope {index} has {operand_count} operands at instruction {pc}"));
                    }
                    end = frame.bottom as usize;
                }
                Some(Frame::Native(frame)) => {
                    // A conversion of an argument of its callback keeps `this` and the arguments.
                    let converts = matches!(callee, Some(Frame::Native(callee)) if callee.reruns_instruction());
                    let fits = if converts { end > frame.top as usize } else { end == frame.top as usize };
                    if !fits || frame.bottom > frame.top {
                        return Err(format!("scope {index} lies outside the stack"));
                    }
                    end = frame.bottom as usize;
                }
                None => {}
            }
        }
        if end == 0 { Ok(()) } else { Err("the global scope is not at the bottom of the stack".to_owned()) }
    }
}

impl Machine {
    /// Checks that the frames of promises have their promises, and that those of a job are directly above the global
    /// frame.
    fn check_tasks(&self) -> ReadResult<()> {
        // The promises and generators were discarded with the heap. Such a machine never runs again.
        if self.heap_discarded {
            return Ok(());
        }
        let is_running = self.tasks.program == ProgramTask::Running;
        if !is_running && self.suspended_call.is_some() && self.frames.len() < 2 {
            return Err("a call of a program that does not run".to_owned());
        }
        if let ProgramTask::Awaiting(_) = self.tasks.program {
            let pc = self.frames.get(1).map_or(self.pc, Frame::call_pc);
            if self.program.code.get(pc as usize) != Some(&DecodedInstruction::Await) {
                return Err("the program awaits at another instruction".to_owned());
            }
        }
        for (index, frame) in self.frames.iter().enumerate() {
            let is_job = match frame {
                Frame::Code(CodeFrame { call_kind: CallKind::AsyncGenerator(at), .. }) => {
                    generator::caller_promise(self, *at) == Some(HeapRef::NONE)
                }
                Frame::Code(frame) => matches!(frame.call_kind, CallKind::Resumed(_)),
                Frame::Native(frame) => frame.kind.is_job(),
            };
            if let Frame::Code(frame) = frame
                && !generator::is_sound_frame(self, frame)
            {
                return Err(format!("scope {index} lacks its generator"));
            }
            let promise = match frame {
                Frame::Code(CodeFrame { call_kind: CallKind::Resumed(promise) | CallKind::Async(promise), .. }) => {
                    Some(*promise)
                }
                Frame::Native(native) if coroutine::rejects_promise(frame) => match native.out {
                    Value::Ref(promise) => Some(promise),
                    _ => Some(HeapRef::NONE),
                },
                _ => None,
            };
            if is_job != (index == 1 && !is_running) {
                return Err(format!("scope {index} is at the wrong place for a job"));
            }
            if promise.is_some_and(|promise| !matches!(self.heap.get(promise), Entry::Promise(_))) {
                return Err(format!("scope {index} lacks its promise"));
            }
        }
        Ok(())
    }
}

/// Reads a count. One that was saved before turns were counted began its turn at 0.
fn turn_count(machine: &Json, (name, before): (&str, &str)) -> ReadResult<TurnCount> {
    let total = entry_decoder::counter(&machine[name])?;
    let before_turn = machine.get(before).map_or(Ok(0), entry_decoder::counter)?;
    if before_turn > total {
        return Err(format!("`{before}` is {before_turn}, more than `{name}`"));
    }
    Ok(TurnCount { total, before_turn })
}

fn encode_suspended_call(call: &SuspendedCall, encoder: &mut EntryEncoder<'_>) -> Json {
    let mut encoded = json!({ "operands": encoder.values(&call.operands) });
    if call.answers != HeapRef::NONE {
        encoded["answers"] = encoder.reference(call.answers);
    }
    encoded
}

fn encode_random(random: &Xoshiro256) -> Json {
    Json::Array(random.words.iter().map(|word| json!(format!("{word:016x}"))).collect())
}

fn encode_native_frame(frame: &NativeFrame, encoder: &mut EntryEncoder<'_>) -> Json {
    let sorting = frame.sorting.as_ref().map_or(Json::Null, |sorting| {
        let UncomparedElements { undefined, holes } = sorting.uncompared;
        match &sorting.order {
            SortAlgorithm::Tim(sort) => json!({
                "work": encoder.values(&sort.work),
                "temp": encoder.values(&sort.temp),
                "progress": serde_json::to_value(&sort.progress).unwrap_or(Json::Null),
                "undefined": undefined,
                "holes": holes,
            }),
            SortAlgorithm::Merge(sort) => json!({
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
    let mut json = json!({
        "kind": frame.kind.name(),
        "bottom": frame.bottom,
        "top": frame.top,
        "callback": encoder.value(&frame.callback),
        "this": encoder.value(&frame.this),
        "source": encoder.value(&frame.source),
        "index": frame.index,
        "len": frame.len,
        "out": encoder.value(&frame.out),
        "item": encoder.value(&frame.item),
        "sorting": sorting,
    });
    if let Some(spread) = &frame.spread {
        json["spread"] = encoder.value(spread);
    }
    json
}

fn read_sorting(json: &Json) -> ReadResult<ArraySort> {
    let uncompared = UncomparedElements {
        undefined: entry_decoder::number(&json["undefined"])?,
        holes: entry_decoder::number(&json["holes"])?,
    };
    let invalid_sort = || "invalid state of a sort".to_owned();
    if let Some(progress) = json.get("progress") {
        let sort = TimSort {
            work: entry_decoder::values(&json["work"])?,
            temp: entry_decoder::values(&json["temp"])?,
            progress: runstate_value::from_value(progress).map_err(|error| format!("{}: {error}", invalid_sort()))?,
        };
        let order = sort.is_sound().then_some(SortAlgorithm::Tim(sort)).ok_or_else(invalid_sort)?;
        return Ok(ArraySort { order, uncompared });
    }
    let sort = MergeSort {
        from: entry_decoder::values(&json["from"])?,
        into: entry_decoder::values(&json["into"])?,
        width: entry_decoder::number(&json["width"])?,
        left: entry_decoder::number(&json["left"])?,
        right: entry_decoder::number(&json["right"])?,
    };
    if sort.width == 0 || sort.into.len() > sort.from.len() {
        return Err(invalid_sort());
    }
    Ok(ArraySort { order: SortAlgorithm::Merge(sort), uncompared })
}

fn read_native_frame(json: &Json, return_pc: u32) -> ReadResult<NativeFrame> {
    let sorting = match &json["sorting"] {
        Json::Null => None,
        sorting => Some(Box::new(read_sorting(sorting)?)),
    };
    let name = entry_decoder::string(&json["kind"])?;
    Ok(NativeFrame {
        kind: CallbackMethod::from_name(name).ok_or(format!("unknown callback method {name}"))?,
        bottom: entry_decoder::number(&json["bottom"])?,
        top: entry_decoder::number(&json["top"])?,
        return_pc,
        callback: entry_decoder::value(&json["callback"])?,
        this: entry_decoder::value(&json["this"])?,
        source: entry_decoder::value(&json["source"])?,
        index: entry_decoder::number(&json["index"])?,
        len: entry_decoder::number(&json["len"])?,
        out: entry_decoder::value(&json["out"])?,
        item: entry_decoder::value(&json["item"])?,
        spread: json.get("spread").map(entry_decoder::value).transpose()?,
        sorting,
    })
}
