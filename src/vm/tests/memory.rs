//! The size of a machine in memory and in a snapshot.

use serde_json::Value as Json;

use super::super::entry::Entry;
use super::super::heap::ENTRIES_PER_PAGE;
use super::super::table::TableParts;
use super::super::value::{HeapRef, Value};
use super::{TURN, pages, program, restore_copy};
use crate::vm::{Limits, Machine, StopReason};

const OBJECTS: usize = 10_000;

/// A machine with `OBJECTS` objects of one property each.
fn objects() -> Machine {
    let source = format!("const a: any[] = []; for (let i = 0; i < {OBJECTS}; i++) a.push({{ x: i }}); CC('q')");
    let mut machine = Machine::start(program(&source), &Json::Null, [7; 32], Limits::default()).unwrap();
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Call(_)));
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
fn hash_of_a_state_is_that_of_earlier_versions() {
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
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Call(_)));
    let hash = crate::id::hex(&crate::id::sha256(&[super::state_text(&machine).as_bytes()]));
    assert_eq!(hash, "15ccc7abb0f130a1e84549400576f9b5c945bd0273549cb528b98faea7c93c46");
}
