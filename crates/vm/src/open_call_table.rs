//! The table of open calls. A program may await a thousand calls, and each answer saves the machine. So a call with a
//! promise is saved in the heap, of which a commit writes only what changed: [`OpenCalls::table`] is a Map from the
//! numbers of calls to arrays of a text, the promise, the signal and the error of the call. The calls on which the
//! running function blocks are answered together, and are saved in the head.

use std::ops::Deref;

use runstate_value::sort_by;
use serde_json::{Map, Value as Json};

use super::entry::Entry;
use super::entry_decoder::{self, ReadResult};
use super::entry_encoder::{EntryEncoder, put};
use super::heap::{self, Heap};
use super::machine::Machine;
use super::open_call::{CallProgress, OpenRequest};
use super::table::{Table, TableKind};
use super::value::{HeapRef, Value};

/// The open calls in order of number.
#[derive(Debug, Clone, Default)]
pub(super) struct OpenCalls {
    list: Vec<OpenRequest>,
    /// The saved form of those that do not block the running function; [`HeapRef::NONE`] without one.
    table: HeapRef,
}

impl Deref for OpenCalls {
    type Target = [OpenRequest];

    fn deref(&self) -> &[OpenRequest] {
        &self.list
    }
}

impl OpenCalls {
    /// The position of a call.
    pub(super) fn position(&self, number: u64) -> Option<usize> {
        self.list.binary_search_by_key(&number, |call| call.number).ok()
    }

    pub(super) fn find(&self, number: u64) -> Option<&OpenRequest> {
        self.list.get(self.position(number)?)
    }

    pub(super) fn visit_values(&self, visit: &mut dyn FnMut(&Value)) {
        visit(&Value::Ref(self.table));
        for call in &self.list {
            visit(&Value::Ref(call.promise));
            visit(&Value::Ref(call.signal));
            if let CallProgress::Failed(error) = &call.progress {
                visit(error);
            }
        }
    }

    /// Adds a call that is newer than all others.
    pub(super) fn add(&mut self, heap: &mut Heap, call: OpenRequest) {
        self.store(heap, &call);
        self.list.push(call);
    }

    /// Stores a call that is new or changed.
    fn store(&mut self, heap: &mut Heap, call: &OpenRequest) {
        if call.is_blocking() {
            return;
        }
        if self.table == HeapRef::NONE {
            self.table = heap.allocate(Entry::Map(Box::new(Table::numbered())));
        }
        let elements = call.encode_elements();
        match heap.table(self.table, TableKind::Main).and_then(|table| heap.table_get(table, &key(call))) {
            Some(Value::Ref(stored)) => heap.set_elements(stored, elements),
            _ => {
                let stored = Value::Ref(heap.new_array(elements));
                heap.table_set(self.table, TableKind::Main, key(call), stored);
            }
        }
    }

    pub(super) fn change(&mut self, heap: &mut Heap, position: usize, change: impl FnOnce(&mut OpenRequest)) {
        if let Some(call) = self.list.get_mut(position) {
            change(call);
            let call = call.clone();
            self.store(heap, &call);
        }
    }

    pub(super) fn change_all(&mut self, heap: &mut Heap, change: impl Fn(&mut OpenRequest)) {
        (0..self.list.len()).for_each(|position| self.change(heap, position, &change));
    }

    /// Removes calls, which are no longer open.
    pub(super) fn remove(&mut self, heap: &mut Heap, is_removed: impl Fn(&OpenRequest) -> bool) -> Vec<OpenRequest> {
        let removed: Vec<_> = self.list.extract_if(.., |call| is_removed(call)).collect();
        for call in removed.iter().filter(|call| !call.is_blocking()) {
            if let Some(Value::Ref(stored)) =
                heap.table(self.table, TableKind::Main).and_then(|table| heap.table_get(table, &key(call)))
            {
                heap.free(stored);
            }
            heap.table_remove(self.table, TableKind::Main, &key(call));
        }
        if self.table != HeapRef::NONE && self.list.iter().all(OpenRequest::is_blocking) {
            heap.free(std::mem::replace(&mut self.table, HeapRef::NONE));
        }
        removed
    }

    pub(super) fn remove_at(&mut self, heap: &mut Heap, position: usize) -> Option<OpenRequest> {
        let number = self.list.get(position)?.number;
        self.remove(heap, |call| call.number == number).pop()
    }

    /// The saved form: the list of calls in the head, and the table of the others.
    pub(super) fn encode(&self, tasks: &mut Map<String, Json>, encoder: &mut EntryEncoder<'_>) {
        let is_canonical = encoder.is_canonical();
        let listed = self.list.iter().filter(|call| is_canonical || call.is_blocking());
        let listed: Vec<Json> = listed.map(|call| call.encode(encoder)).collect();
        put(tasks, "calls", (!listed.is_empty()).then_some(Json::Array(listed)));
        put(tasks, "open", encoder.optional_reference(self.table).filter(|_| !is_canonical));
    }

    /// Checks that nothing else refers to the saved form. A program that reached it could change it, and the next
    /// process would read other calls than this one has.
    pub(super) fn check_unshared(machine: &Machine) -> ReadResult<()> {
        let (heap, table) = (&machine.heap, machine.tasks.open_calls.table);
        if table == HeapRef::NONE {
            return Ok(());
        }
        let parts = |at: HeapRef| {
            let mut parts = Vec::new();
            heap.get(at).visit_values(&mut |value| parts.extend(value.reference()));
            parts
        };
        // The table, its chunks if it is large, and its calls.
        let mut own = vec![table];
        for part in parts(table) {
            own.push(part);
            if heap.get(part).is_chunk() {
                own.extend(parts(part));
            }
        }
        sort_by(&mut own, HeapRef::cmp);
        let mut references = 0;
        let mut count = |value: &Value| {
            references += usize::from(value.reference().is_some_and(|at| own.binary_search(&at).is_ok()));
        };
        for page in 0..heap.page_count() {
            heap.page(page).iter().for_each(|entry| entry.visit_values(&mut count));
        }
        heap::visit_roots(machine, &mut count);
        // One of the machine to the table, and one to each of the others. The list of a call is not large.
        let is_large = |at: &HeapRef| parts(*at).iter().any(|part| heap.get(*part).is_chunk());
        let has_large = own.iter().any(|at| matches!(heap.get(*at), Entry::Array(_)) && is_large(at));
        if references == own.len() && !has_large { Ok(()) } else { Err("another value has an open call".to_owned()) }
    }

    pub(super) fn decode(machine: &Machine, tasks: &Json) -> ReadResult<OpenCalls> {
        let listed = tasks.get("calls").map_or(Ok(&[][..]), entry_decoder::list)?;
        let mut list = listed.iter().map(|call| OpenRequest::decode(machine, call)).collect::<ReadResult<Vec<_>>>()?;
        let table = tasks.get("open").map(entry_decoder::reference).transpose()?.unwrap_or_default();
        if table != HeapRef::NONE {
            let Entry::Map(entries) = machine.heap.get(table) else {
                return Err("the open calls are missing".to_owned());
            };
            let mut read = Ok(());
            machine.heap.visit_table_entries(entries, |number, stored| {
                let call = match stored {
                    Value::Ref(at) => OpenRequest::decode_elements(machine, *at),
                    _ => Err("an open call is missing".to_owned()),
                };
                match call {
                    Ok(call) if matches!(number, Value::Number(number) if call.number as f64 == *number) => {
                        list.push(call)
                    }
                    Ok(_) => read = Err("an open call has two numbers".to_owned()),
                    Err(error) => read = Err(error),
                }
            });
            read?;
        }
        sort_by(&mut list, |a, b| a.number.cmp(&b.number));
        if list.windows(2).any(|pair| pair[0].number == pair[1].number) {
            return Err("two open calls with one number".to_owned());
        }
        Ok(OpenCalls { list, table })
    }
}

/// The key of a call in the table.
fn key(call: &OpenRequest) -> Value {
    Value::Number(call.number as f64)
}
