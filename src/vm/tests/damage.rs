//! Damaged saved states: each is refused with a reason or accepted as a valid state.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::super::{Limits, Machine, StopReason};
use super::state::{assert_same_state, machine_state};
use super::{TURN, restore_copy, start};

/// A machine that waits for an answer within a callback within a function.
const NESTED: &str = "function f(x) { const y = [x, 2].map(z => CC('q' + z)); return y } CC('k', { key: 'k' }); f(1)";

const SORTS: &str = "CC('first'); [2, 1, 3].sort((a, b) => (CC('s'), a - b))";

/// A machine at its second call.
fn machine_at_second_call(source: &str) -> Machine {
    let mut machine = start(source);
    machine.run(u64::MAX, &TURN);
    machine.answer(&json!("a")).unwrap();
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Call(_)), "{source}");
    machine
}

/// The whole saved state of a machine: `saved` and `pages`.
fn full_snapshot(machine: &Machine) -> Json {
    let pages: Vec<Json> = super::pages(machine).iter().map(|page| serde_json::from_str(page).unwrap()).collect();
    json!({ "saved": machine.save(), "pages": pages })
}

/// Restores a machine; `Err` is the reason of a refusal.
fn restore(of: &Machine, whole: &Json, limits: Limits) -> Result<Machine, String> {
    let saved = serde_json::from_value(whole["saved"].clone()).map_err(|error| error.to_string())?;
    let pages = whole["pages"].as_array().ok_or("no pages")?.iter().cloned().map(Ok);
    Machine::restore(Arc::clone(&of.program), &saved, pages, limits).map_err(|error| error.message)
}

#[test]
fn damaged_snapshot_is_refused_with_a_reason() {
    let nested = machine_at_second_call(NESTED);
    let sorts = machine_at_second_call(SORTS);
    let (scopes, stack) = (nested.save().scopes, nested.save().stack);
    let without_top = json!(&scopes.as_array().unwrap()[..scopes.as_array().unwrap().len() - 1]);
    let more = json!([stack.as_array().unwrap().as_slice(), &[json!(1)]].concat());
    for (of, path, damage, why) in [
        (&nested, "/pages", json!([]), "0 pages of the heap, expected 1"),
        (&nested, "/pages/0", json!(vec![Json::Null; 65]), "page 0 holds more than 64 entries"),
        (&nested, "/pages/0", json!({}), "expected an array"),
        (&nested, "/pages/0/1", json!(["z"]), "page 0: expected a heap entry"),
        (&nested, "/saved/heap/pageCount", json!(2), "1 pages of the heap, expected 2"),
        (&nested, "/saved/heap/allocated", json!(-1), "expected a whole number"),
        (&nested, "/saved/heap/claimed", json!("many"), "expected a whole number"),
        (&nested, "/saved/heap/cursors", json!(1), "expected an array"),
        (&nested, "/saved/random/0", json!("not hexadecimal"), "invalid digit"),
        (&nested, "/saved/machine/keys", json!(4_000_000_000_u32), "the map of key counts is missing"),
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
        let mut damaged = full_snapshot(of);
        *damaged.pointer_mut(path).unwrap_or_else(|| panic!("there is no {path}")) = damage.clone();
        let refused = restore(of, &damaged, Limits::default()).map(|_| ()).unwrap_err();
        assert!(refused.contains(why), "{path} = {damage}: {refused}");
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
    while let StopReason::Call(request) = machine.run(u64::MAX, &TURN) {
        prompts.push(request.prompt);
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
    ] {
        damage_each_place(source, &mut outcomes);
    }
    for outcome in ["refused", "failed", "continued"] {
        assert!(outcomes.get(outcome).is_some_and(|times| *times > 5), "{outcomes:?}");
    }
}

/// Replaces each part of a saved state in turn.
fn damage_each_place(source: &str, outcomes: &mut BTreeMap<&str, usize>) {
    let mut machine = start(source);
    machine.run(u64::MAX, &TURN);
    let whole = full_snapshot(&machine);
    let mut paths = Vec::new();
    collect_paths(&whole, String::new(), &mut paths);
    let kinds = [json!(0), json!({"$ref": 3}), json!(4_000_000_000u32), Json::Null, json!(1), json!("x"), json!([])];
    for (index, path) in paths.into_iter().enumerate() {
        for damage in [&kinds[index % 7], &kinds[(index + 3) % 7]] {
            let mut damaged = whole.clone();
            *damaged.pointer_mut(&path).unwrap() = damage.clone();
            let limits = Limits { instructions: 100_000, heap_bytes: 1 << 20, ..Limits::default() };
            let outcome = match restore(&machine, &damaged, limits) {
                Err(why) => {
                    assert!(!why.is_empty(), "{path} = {damage}");
                    "refused"
                }
                Ok(one) => run_beside_restored_copy(one),
            };
            *outcomes.entry(outcome).or_default() += 1;
        }
    }
}

/// Runs a machine and a copy that was restored from its snapshot.
fn run_beside_restored_copy(mut one: Machine) -> &'static str {
    let mut other = restore_copy(&one);
    assert_same_state(&machine_state(&one), &machine_state(&other));
    assert_eq!(one.answer(&json!("a")), other.answer(&json!("a")));
    let stops = (one.run(1_000, &TURN), other.run(1_000, &TURN));
    assert_eq!(stops.0, stops.1);
    assert_same_state(&machine_state(&one), &machine_state(&other));
    assert_eq!((one.save(), super::state_text(&one)), (other.save(), super::state_text(&other)));
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
