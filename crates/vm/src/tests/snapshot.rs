//! Saved states: a damaged one is refused with a reason or accepted as a valid state. Also the size of a machine in
//! memory and in a snapshot.
//!
//! The complete state of a machine is compared field by field, without the encoder of snapshots. A new field in one of
//! these types does not compile here until it is compared or excluded explicitly.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::{TURN, pages, program, restore_copy, start};
use crate::array::{Array, ChunkedElements, Elements};
use crate::array_buffer::{ArrayBuffer, View};
use crate::array_sort::{ArraySort, MergeSort, SortAlgorithm};
use crate::callback::NativeFrame;
use crate::coroutine::Coroutine;
use crate::entry::{Entry, Pairs};
use crate::frame::{CodeFrame, Frame};
use crate::generator::Generator;
use crate::heap::ENTRIES_PER_PAGE;
use crate::machine_tasks::MachineTasks;
use crate::object::{BoundFunction, Class, Closure, ErrorObject, IteratorObject, Object, RegExp};
use crate::promise::{PromiseObject, Reaction};
use crate::table::{Table, TableParts};
use crate::timsort::TimSort;
use crate::value::{HeapRef, Value};
use crate::{Limits, Machine, StopReason};

/// A machine that waits for an answer within a callback within a function.
const NESTED: &str = "function f(x) { const y = [x, 2].map(z => CC('q' + z)); return y } CC('k', { key: 'k' }); f(1)";

const SORTS: &str = "CC('first'); [2, 1, 3].sort((a, b) => (CC('s'), a - b))";

/// A machine at its second call.
fn machine_at_second_call(source: &str) -> Machine {
    let mut machine = start(source);
    machine.run(u64::MAX, &TURN);
    machine.answer(&json!("a")).unwrap();
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)), "{source}");
    machine
}

/// The whole saved state of a machine: `saved` and `pages`.
fn full_snapshot(machine: &Machine) -> Json {
    let pages: Vec<Json> = super::pages(machine).iter().map(|page| serde_json::from_str(page).unwrap()).collect();
    json!({ "saved": machine.save(), "pages": pages })
}

/// Restores a machine; `Err` is the reason of a refusal.
fn restore(machine: &Machine, snapshot: &Json, limits: Limits) -> Result<Machine, String> {
    let saved = serde_json::from_value(snapshot["saved"].clone()).map_err(|error| error.to_string())?;
    let pages = snapshot["pages"].as_array().ok_or("no pages")?.iter().cloned().map(Ok);
    Machine::restore(Arc::clone(&machine.program), &saved, pages, limits).map_err(|error| error.message)
}

#[test]
fn a_snapshot_whose_program_reaches_its_open_calls_is_refused() {
    let mut machine = start("let kept = {}; const all = Promise.all([CC('a?'), CC('b?')]); await all; kept");
    machine.run(u64::MAX, &TURN);
    let snapshot = full_snapshot(&machine);
    assert!(restore(&machine, &snapshot, Limits::default()).is_ok());
    let table = snapshot["saved"]["machine"]["tasks"]["open"].clone();
    let pages = snapshot["pages"].as_array().unwrap();
    let calls: Vec<u64> = (1..pages[0].as_array().unwrap().len() as u64)
        .filter(|at| pages[0][*at as usize].to_string().contains("prompt"))
        .collect();
    assert_eq!(calls.len(), 2, "{snapshot}");
    for shared in [table.as_u64().unwrap(), calls[0], calls[1]] {
        let mut forged = snapshot.clone();
        forged["saved"]["scopes"][0]["variables"]["kept"] = json!({"$ref": shared});
        let refused = restore(&machine, &forged, Limits::default()).err();
        assert_eq!(refused.as_deref(), Some("another value has an open call"), "{shared}");
    }
}

#[test]
fn damaged_snapshot_is_refused_with_a_reason() {
    let nested = machine_at_second_call(NESTED);
    let sorts = machine_at_second_call(SORTS);
    let (scopes, stack) = (nested.save().scopes, nested.save().stack);
    let without_top = json!(&scopes.as_array().unwrap()[..scopes.as_array().unwrap().len() - 1]);
    let more = json!([stack.as_array().unwrap().as_slice(), &[json!(1)]].concat());
    for (machine, path, damage, reason) in [
        (&nested, "/pages", json!([]), "0 pages of the heap, expected 1"),
        (&nested, "/pages/0", json!(vec![Json::Null; 65]), "page 0 holds more than 64 entries"),
        (&nested, "/pages/0", json!({}), "expected an array"),
        (&nested, "/pages/0/1", json!(["z"]), "page 0: expected a heap entry"),
        (&nested, "/saved/heap/pageCount", json!(2), "1 pages of the heap, expected 2"),
        (&nested, "/saved/heap/allocated", json!(-1), "expected a whole number"),
        (&nested, "/saved/heap/claimed", json!("many"), "expected a whole number"),
        (&nested, "/saved/machine/outputBytes", json!(u64::MAX), "expected a whole number"),
        (&nested, "/saved/heap/cursors", json!(1), "expected an array"),
        (&nested, "/saved/heap/cursors/0", json!(65), "cursor 65 is beyond the 1 pages of the heap"),
        (&nested, "/saved/heap/cursors/1", json!(u32::MAX), "is beyond the 1 pages of the heap"),
        (&nested, "/saved/machine/calls", json!((1_u64 << 53) - 1), "expected a whole number"),
        (&nested, "/saved/random/0", json!("not hexadecimal"), "invalid digit"),
        (&nested, "/saved/machine/keys", json!(2_000_000_000_u32), "the map of key counts is missing"),
        (&nested, "/saved/machine/instructions", Json::Null, "expected a whole number"),
        (&nested, "/saved/pc", json!(4_000_000), "which no path leads to"),
        (&nested, "/saved/pc", json!(1), "is at instruction 1 of another function"),
        (&nested, "/saved/stack", more, "operands at instruction"),
        (&nested, "/saved/scopes", json!([]), "there is no global scope"),
        (&nested, "/saved/scopes", without_top, "the innermost scope is a built-in function"),
        (&nested, "/saved/scopes/1/variables", json!({}), "scope 1 lacks the variable x"),
        (&nested, "/saved/scopes/1/$function", json!(99), "scope 1 names function 99, which the program does not have"),
        (&nested, "/saved/scopes/1/$base", json!(0), "scope 1 overlaps the scope before it"),
        (&nested, "/saved/scopes/1/$base", json!(4_000_000), "scope 1 begins beyond the end of the stack"),
        (&nested, "/saved/scopes/2/$waiting/kind", json!("wait"), "unknown callback method wait"),
        (&nested, "/saved/scopes/2/$waiting/top", json!(0), "scope 2 lies outside the stack"),
        (&sorts, "/saved/scopes/1/$waiting/sorting/progress/low", json!(-2), "invalid state of a sort"),
        (&sorts, "/saved/scopes/1/$waiting/sorting/progress/step", json!("wait"), "invalid state of a sort: "),
        (&sorts, "/saved/scopes/1/$waiting/sorting/progress/merge/workLeft", json!(9), "invalid state of a sort"),
        (&sorts, "/saved/scopes/1/$waiting/sorting/progress", Json::Null, "invalid state of a sort"),
    ] {
        let mut damaged = full_snapshot(machine);
        *damaged.pointer_mut(path).unwrap_or_else(|| panic!("there is no {path}")) = damage.clone();
        let refused = restore(machine, &damaged, Limits::default()).map(|_| ()).unwrap_err();
        assert!(refused.contains(reason), "{path} = {damage}: {refused}");
    }
}

#[test]
fn damaged_entry_of_the_heap_is_refused_with_a_reason() {
    let source = "const re = /a/g; Symbol.for('s'); CC('x', { key: 'k' }); CC('y'); console.log(re)";
    let machine = machine_at_second_call(source);
    let whole = full_snapshot(&machine).to_string();
    for (part, damage, reason) in [
        (r#"["y","s"]"#, r#"["y",5]"#, "expected a description"),
        (r#""symbols":"#, r#""symbols":4000,"s":"#, "the map of symbols is missing"),
        (r#""symbols":"#, r#""symbols":{},"s":"#, "expected a whole number"),
        (r#"["r","a","g""#, r#"["r","a","\u0000""#, "expected the flags of a regexp"),
        (r#"["r","a","g""#, r#"["r","a","gg""#, "expected the flags of a regexp"),
        (r#""pairs":["k",1]"#, r#""pairs":["k",9007199254740992]"#, "a counter in the heap is not a whole number"),
        (r#""pairs":["k",1]"#, r#""pairs":["k",1.5]"#, "a counter in the heap is not a whole number"),
    ] {
        assert_eq!(whole.matches(part).count(), 1, "{part} in {whole}");
        let damaged = serde_json::from_str(&whole.replace(part, damage)).unwrap();
        let refused = restore(&machine, &damaged, Limits::default()).map(|_| ()).unwrap_err();
        assert!(refused.contains(reason), "{damage}: {refused}");
    }
}

#[test]
fn damaged_buffer_of_the_heap_is_refused_with_a_reason() {
    let source = "const a = new Uint16Array([1, 2, 3]).subarray(1), b = new Uint8Array(5000); CC('x', { key: 'k' }); CC('y'); a[b[0]]";
    let machine = machine_at_second_call(source);
    let whole = full_snapshot(&machine).to_string();
    for (part, damage, reason) in [
        (r#"["u","AQACAAMA"]"#, r#"["u","AQACAAM"]"#, "expected bytes in base64"),
        (r#"["u","AQACAAMA"]"#, r#"["u",7]"#, "expected a string"),
        (r#"["u","AQACAAMA"]"#, r#"["u","AQACAA=="]"#, "lacks its bytes"),
        (r#"["u","AQACAAMA"]"#, r#"["c",1]"#, "lacks its bytes"),
        (r#""Uint16Array",2,2,2"#, r#""Uint16Array",2,2,3"#, "lacks its bytes"),
        (r#""Uint16Array",2,2,2"#, r#""Uint16Array",2,4294967294,4294967295"#, "lacks its bytes"),
        (r#""Uint16Array",2,2,2"#, r#""Uint16Array",2,1,2"#, "lacks its bytes"),
        (r#""Uint16Array",2,2,2"#, r#""Array",2,2,2"#, "expected the class of a view"),
        (r#"["U",5000"#, r#"["U",5001"#, "lacks its bytes"),
        (r#"["U",5000"#, r#"["U",4000"#, "lacks its bytes"),
    ] {
        assert_eq!(whole.matches(part).count(), 1, "{part} in {whole}");
        let damaged = serde_json::from_str(&whole.replace(part, damage)).unwrap();
        let refused = restore(&machine, &damaged, Limits::default()).map(|_| ()).unwrap_err();
        assert!(refused.contains(reason), "{damage}: {refused}");
    }
}

#[test]
fn merge_sort_begun_by_an_older_version_is_finished() {
    let sorts = machine_at_second_call("CC('first'); console.log([2, 1, 3].sort((a, b) => (CC(`${a} ${b}`), a - b)))");
    let mut older = full_snapshot(&sorts);
    older["saved"]["scopes"][1]["$waiting"]["sorting"] =
        json!({ "from": [2, 1, 3], "into": [], "width": 1, "left": 0, "right": 1, "undefined": 0, "holes": 0 });
    let mut machine = restore_copy(&restore(&sorts, &older, Limits::default()).unwrap());
    let mut prompts = Vec::new();
    while let StopReason::Waiting(calls) = machine.run(u64::MAX, &TURN) {
        prompts.push(calls[0].request.prompt.clone());
        machine.answer(&json!("a")).unwrap();
    }
    assert_eq!(prompts, ["1 2", "3 1", "3 2"]);
    assert_eq!(machine.take_output(), ["[ 1, 2, 3 ]"]);
}

#[test]
fn accepted_damaged_snapshot_runs_like_its_restored_copy() {
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for source in [
        "class A { x = [1, 2].map(y => CC('q' + y)) } const m = new Map([[1, 2]]); for (const [k] of m) console.log(k, new A())",
        "const a = CC.all(['a', { prompt: 'b', key: 'k' }]); console.log(a)",
        "console.log(1, call('t', { a: [1] }, { key: 'k', timeoutMs: 5 }))",
        "const b = new Uint16Array([1, 2, 3]).subarray(1); console.log(b.map((x) => (CC('a'), x * 2)), b, b.buffer)",
        "const o = { f: (x) => x.g(), g: { h: [1] } }; CC('a'); console.log(o.f({ g: () => o.g.h[0] }), o.g.h.map((x) => x + 1))",
        "const s = Symbol('s'), t = Symbol.for('t'), o = { [s]: 1, [t]: s }; CC('a'); console.log(o, o[s], o[Symbol.for('t')], String(s), s in o)",
    ] {
        damage_each_value(source, &mut outcomes);
    }
    for outcome in ["refused", "failed", "continued"] {
        assert!(outcomes.get(outcome).is_some_and(|times| *times > 5), "{outcomes:?}");
    }
}

/// Counters and references that no program makes: the machine must neither panic, nor run for ever, nor take memory
/// that its limits exclude.
#[test]
fn restored_machine_of_an_edited_snapshot_ends() {
    let map = "const m = new Map([[1, 2]]); CC('a'); CC('b'); for (const [k] of m) m.set(k + 1, 0); console.log(m)";
    let bound = "const f = (() => 1).bind(null); CC('a'); CC('b'); ";
    let [name, test, shown] =
        ["f.name + f.length", "[] instanceof f", "console.log(f)"].map(|read| format!("{bound}{read}"));
    for (source, edits, expected) in [
        (map, &[("\"numbers\":[0]", "\"numbers\":[4294967295]")][..], "Complete"),
        (map, &[("\"next\":1", "\"next\":4294967295")], "Complete"),
        (SORTS, &[("\"low\":0", "\"low\":1"), ("\"end\":0", "\"end\":3"), ("begin", "insert")], "Complete"),
        (SORTS, &[("\"holes\":0", "\"holes\":4294967295")], "Complete"),
        (SORTS, &[("\"undefined\":0", "\"undefined\":4294967295")], "heap limit reached"),
        (&name, &[("[\"b\",{\"$ref\":1}", "[\"b\",{\"$ref\":2}")], "is bound more than"),
        (&test, &[("[\"b\",{\"$ref\":1}", "[\"b\",{\"$ref\":2}")], "is bound more than"),
        (&shown, &[("[\"b\",{\"$ref\":1}", "[\"b\",{\"$ref\":2}")], "Complete"),
    ] {
        let machine = machine_at_second_call(source);
        let mut snapshot = full_snapshot(&machine).to_string();
        for (part, edited) in edits {
            assert_eq!(snapshot.matches(part).count(), 1, "{part} in {snapshot}");
            snapshot = snapshot.replace(part, edited);
        }
        let limits = Limits { instructions: 100_000, heap_bytes: 1 << 20, ..Limits::default() };
        let mut restored = restore(&machine, &serde_json::from_str(&snapshot).unwrap(), limits).unwrap();
        let stop = loop {
            restored.answer(&json!("a")).unwrap();
            match restored.run(u64::MAX, &TURN) {
                StopReason::Waiting(_) => {}
                stop => break format!("{stop:?}"),
            }
        };
        assert!(stop.contains(expected), "{source}: {stop}");
    }
}

/// Replaces each part of a saved state in turn.
fn damage_each_value(source: &str, outcomes: &mut BTreeMap<&str, usize>) {
    let mut machine = start(source);
    machine.run(u64::MAX, &TURN);
    let snapshot = full_snapshot(&machine);
    let mut paths = Vec::new();
    collect_paths(&snapshot, String::new(), &mut paths);
    let kinds = [json!(0), json!({"$ref": 3}), json!(2_000_000_000u32), Json::Null, json!(1), json!("x"), json!([])];
    for (index, path) in paths.into_iter().enumerate() {
        for damage in [&kinds[index % 7], &kinds[(index + 3) % 7]] {
            let mut damaged = snapshot.clone();
            *damaged.pointer_mut(&path).unwrap() = damage.clone();
            let limits = Limits { instructions: 100_000, heap_bytes: 1 << 20, ..Limits::default() };
            let outcome = match restore(&machine, &damaged, limits) {
                Err(reason) => {
                    assert!(!reason.is_empty(), "{path} = {damage}");
                    "refused"
                }
                Ok(restored) => run_beside_restored_copy(restored),
            };
            *outcomes.entry(outcome).or_default() += 1;
        }
    }
}

/// Runs a machine and a copy that was restored from its snapshot.
fn run_beside_restored_copy(mut machine: Machine) -> &'static str {
    let mut copy = restore_copy(&machine);
    assert_same_state(&machine_state(&machine), &machine_state(&copy));
    assert_eq!(machine.answer(&json!("a")), copy.answer(&json!("a")));
    let stops = (machine.run(1_000, &TURN), copy.run(1_000, &TURN));
    assert_eq!(stops.0, stops.1);
    assert_same_state(&machine_state(&machine), &machine_state(&copy));
    assert_eq!((machine.save(), super::state_text(&machine)), (copy.save(), super::state_text(&copy)));
    if matches!(stops.0, StopReason::Failed(_)) { "failed" } else { "continued" }
}

fn collect_paths(json: &Json, path: String, paths: &mut Vec<String>) {
    match json {
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_paths(item, format!("{path}/{index}"), paths);
            }
        }
        Json::Object(members) => {
            for (key, member) in members {
                collect_paths(member, format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), paths);
            }
        }
        _ => {}
    }
    if !path.is_empty() {
        paths.push(path);
    }
}

const OBJECTS: usize = 10_000;

/// A machine with `OBJECTS` objects of one property each.
fn objects() -> Machine {
    let source = format!("const a: any[] = []; for (let i = 0; i < {OBJECTS}; i++) a.push({{ x: i }}); CC('q')");
    let mut machine = Machine::start(program(&source), &Json::Null, [7; 32], Limits::default()).unwrap();
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)));
    machine
}

#[test]
fn small_object_takes_few_bytes_of_a_snapshot() {
    let machine = objects();
    // As stored: its text is escaped once more.
    let bytes: usize = pages(&machine).iter().map(|page| serde_json::to_string(page).unwrap().len()).sum();
    assert!(bytes <= 120 * OBJECTS, "{} bytes an object", bytes / OBJECTS);
}

#[test]
fn weight_of_small_objects_is_near_what_they_allocate() {
    let machine = objects();
    let weight = machine.heap_bytes() / OBJECTS as u64;
    // An entry, a table with room for four properties, and a reference in an array.
    assert!((180..300).contains(&weight), "{weight} bytes an object");
}

#[test]
fn restored_objects_share_the_names_of_their_properties() {
    let machine = restore_copy(&objects());
    let mut names = Vec::new();
    for page in 0..machine.heap.page_count() {
        for slot in 0..machine.heap.page(page).len() as u32 {
            if let Entry::Object(object) = machine.heap.get(HeapRef(page * ENTRIES_PER_PAGE + slot))
                && let TableParts::Small([(Value::Text(name), _)], _) = object.table.parts()
            {
                names.push(name.clone());
            }
        }
    }
    assert_eq!(names.len(), OBJECTS);
    assert!(names.iter().all(|name| name.ptr_eq(&names[0])));
}

#[test]
fn hash_of_a_state_is_stable() {
    let source = r#"
        class Base { x = 1; name: string; static made = 0; constructor(name: string) { this.name = name; Base.made++; } twice() { return this.x * 2; } }
        class Derived extends Base { secret = -0; method() { return this.secret; } }
        const shared = { list: [1, undefined, null, NaN, Infinity, 0.1, 1e21, 2 ** 53], text: "a\u0000b\ud800 \u20ac \u{1f600} \" \\ \n" };
        const map = new Map<any, any>([[1, "one"], [shared, 2]]); map.delete(1); map.set("k", map);
        const set = new Set([1, 2, 3]); set.delete(2);
        const large = Array.from({ length: 700 }, (_, i) => i % 7 ? i : { i });
        const table: any = {}; for (let i = 0; i < 300; i++) table["key " + i] = i; table[7] = "seven";
        const many = new Map<any, any>(); for (let i = 0; i < 300; i++) many.set(i, [i]);
        const pattern = /(a+)(?<n>b)?/giu; pattern.lastIndex = 2;
        const bound = function (this: any, a: number, b: number) { return a + b; }.bind(shared, 1);
        const error = new TypeError("wrong", { cause: shared });
        const cursor = map.entries(); cursor.next();
        const frozen = Object.freeze([Object.freeze({ a: 1 })]);
        function counter() { let n = 0; return () => ++n; }
        const count = counter(); count();
        function deep(n: number): any { const here = { n }; return n === 0 ? [3, 1, 2].map((b) => CC("q") - b) : deep(n - 1); }
        [1, 2].map(n => deep(n + new Derived("d").twice()));
    "#;
    let mut machine = Machine::start(program(source), &Json::Null, [7; 32], Limits::default()).unwrap();
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)));
    // The hash of an execution puts the length of each part before it (`sha256` in `src/id.rs`).
    let text = super::state_text(&machine);
    let digest = Sha256::new().chain_update((text.len() as u64).to_be_bytes()).chain_update(text).finalize();
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "6bc88bd64dc7120a32e514fb215b6627686528f045519cdf778bec670a4b6398");
}

/// Fields by name with their values, in an order that the machine determines.
pub type MachineContents = Vec<(&'static str, String)>;

fn record(state: &mut MachineContents, field: &'static str, value: &dyn Debug) {
    state.push((field, format!("{value:?}")));
}

macro_rules! record {
    ($state:ident, $of:literal: $($field:ident),+) => {
        $(record($state, concat!($of, ".", stringify!($field)), $field);)+
    };
}

/// The state of a machine that has stopped.
pub fn machine_state(machine: &Machine) -> MachineContents {
    let Machine {
        stack,
        frames,
        pc,
        base,
        heap,
        random,
        instructions,
        calls,
        output,
        output_bytes,
        suspended_call,
        tasks,
        key_counts,
        console,
        symbols,
        pending,
        deferred_work,
        heap_discarded,
        // The caller of `restore` provides the program and the limits, and each run provides the time.
        program: _,
        linked: _,
        registry: _,
        limits: _,
        now_ms: _,
    } = machine;
    let mut fields = MachineContents::new();
    let state = &mut fields;
    record!(state, "machine": stack, pc, base, random, instructions, calls, output, output_bytes);
    record!(state, "machine": suspended_call, key_counts, console, symbols, pending, deferred_work, heap_discarded);
    let MachineTasks {
        program,
        first_job,
        last_job,
        first_rejection,
        last_rejection,
        open_calls,
        due_timeouts,
        // The host takes them after each run.
        cancelled: _,
    } = tasks;
    record!(state, "tasks": program, first_job, last_job, first_rejection, last_rejection, open_calls);
    record!(state, "tasks": due_timeouts);
    frames.iter().for_each(|frame| record_frame(state, frame));
    heap.counters().into_iter().for_each(|(name, value)| record(state, name, &value));
    record(state, "heap.weight", &heap.weight());
    for page in 0..heap.page_count() {
        for (address, entry) in (page * ENTRIES_PER_PAGE..).zip(heap.page(page)) {
            record_entry(state, address, entry);
        }
    }
    fields
}

fn record_frame(state: &mut MachineContents, frame: &Frame) {
    match frame {
        Frame::Code(frame) => {
            let CodeFrame { function, return_pc, bottom, base, closure, call_kind } = frame;
            record!(state, "frame": function, return_pc, bottom, base, closure, call_kind);
        }
        Frame::Native(frame) => {
            let NativeFrame {
                kind,
                bottom,
                top,
                return_pc,
                callback,
                this,
                source,
                index,
                len,
                out,
                item,
                spread,
                sorting,
            } = &**frame;
            record!(state, "native_frame": kind, bottom, top, return_pc, callback, this, source, index, len, out, item);
            record!(state, "native_frame": spread);
            if let Some(sorting) = sorting {
                let ArraySort { order, uncompared } = &**sorting;
                record!(state, "sorting": uncompared);
                match order {
                    SortAlgorithm::Tim(TimSort { work, temp, progress }) => {
                        record!(state, "sorting": work, temp, progress);
                    }
                    SortAlgorithm::Merge(MergeSort { from, into, width, left, right }) => {
                        record!(state, "sorting": from, into, width, left, right);
                    }
                }
            }
        }
    }
}

fn record_entry(state: &mut MachineContents, address: u32, entry: &Entry) {
    if matches!(entry, Entry::Free) {
        return;
    }
    record(state, "address", &address);
    match entry {
        Entry::Free => {}
        Entry::Cell(value) => record(state, "cell", value),
        Entry::Array(array) => {
            let Array { elements, frozen, extra } = array;
            match elements {
                Elements::Small(values) => record(state, "array.values", values),
                Elements::Chunked(large) => {
                    let ChunkedElements { start, len, chunks } = &**large;
                    record!(state, "array": start, len, chunks);
                }
            }
            record!(state, "array": frozen);
            extra.iter().for_each(|table| record_table(state, "array.extra", table));
        }
        Entry::Object(object) => record_object(state, object),
        Entry::Closure(closure) => {
            let Closure { function, captures, this, home_object, is_static, class, table, hidden } = &**closure;
            record!(state, "closure": function, captures, this, home_object, is_static);
            if let Some(class) = class {
                let Class { prototype, parent, fields } = class;
                record!(state, "class": prototype, parent, fields);
            }
            record_table(state, "closure.table", table);
            record_table(state, "closure.hidden", hidden);
        }
        Entry::Error(error) => {
            let ErrorObject { kind, hidden, object } = &**error;
            record!(state, "error": kind);
            record_table(state, "error.hidden", hidden);
            record_object(state, object);
        }
        Entry::Map(table) => record_table(state, "map", table),
        Entry::Set(table) => record_table(state, "set", table),
        Entry::Iterator(iterator) => {
            let IteratorObject { source, kind, position } = &**iterator;
            record!(state, "iterator": source, kind, position);
        }
        Entry::Symbol(description) => record(state, "symbol", description),
        Entry::Date(_) => {}
        Entry::RegExp(regexp) => {
            // Compiled from the source and the flags.
            let RegExp { source, flags, last_index, compiled: _ } = &**regexp;
            record!(state, "regexp": source, flags, last_index);
        }
        Entry::Bound(bound) => {
            let BoundFunction { target, this, args } = &**bound;
            record!(state, "bound": target, this, args);
        }
        Entry::Promise(promise) => {
            let PromiseObject { state: promise_state, handled, value, first, last } = promise;
            record!(state, "promise": promise_state, handled, value, first, last);
        }
        Entry::Reaction(reaction) => {
            let Reaction { kind, source, derived, next, index, values } = &**reaction;
            record!(state, "reaction": kind, source, derived, next, index, values);
        }
        Entry::Coroutine(coroutine) => {
            let Coroutine { function, pc, closure, promise, values } = &**coroutine;
            record!(state, "coroutine": function, pc, closure, promise, values);
        }
        Entry::Generator(generator) => {
            let Generator { coroutine, state: generator_state, queue } = &**generator;
            let Coroutine { function, pc, closure, promise, values } = coroutine;
            record!(state, "generator": generator_state, queue, function, pc, closure, promise, values);
        }
        Entry::Buffer(ArrayBuffer::Small(bytes)) => record(state, "buffer", bytes),
        Entry::Buffer(ArrayBuffer::Chunked { len, chunks }) => {
            record!(state, "buffer": len, chunks);
        }
        Entry::View(view) => {
            let View { kind, buffer, offset, len } = view;
            record!(state, "view": kind, buffer, offset, len);
        }
        Entry::Bytes(bytes) => record(state, "bytes", bytes),
        Entry::Chunk(values) => record(state, "chunk", values),
        Entry::Pairs(pairs) => {
            let Pairs { items, numbers } = &**pairs;
            record!(state, "pairs": items, numbers);
        }
    }
}

fn record_object(state: &mut MachineContents, object: &Object) {
    let Object { table, hidden, proto, integrity, holds_collection } = object;
    record!(state, "object": proto, integrity, holds_collection);
    record_table(state, "object.table", table);
    if let Some(hidden) = hidden {
        record_table(state, "object.hidden", hidden);
    }
}

fn record_table(state: &mut MachineContents, field: &'static str, table: &Table) {
    match table.parts() {
        TableParts::Small(pairs, numbers) => record(state, field, &(pairs, numbers)),
        TableParts::Chunked(len, chunks, next) => record(state, field, &(len, chunks, next)),
    }
}

/// Fails with the first field that differs.
#[track_caller]
pub fn assert_same_state(one: &MachineContents, other: &MachineContents) {
    let differs = one.iter().zip(other).find(|(one, other)| one != other);
    assert!(differs.is_none(), "{differs:?}");
    assert_eq!(one.len(), other.len(), "one state has more fields");
}
