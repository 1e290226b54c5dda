//! Programs on the machine: stopped and restored at any instruction, limited, failing, retried. `tests/language.rs`
//! tests the semantics of the language against Node.

mod failed_calls;
mod failures;
mod generators;
mod host_calls;
mod inspect;
mod mapping;
mod promises;
mod signals;
mod snapshot;
mod tools;
mod unsupported;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value as Json, json};
use snapshot::{MachineContents, assert_same_state, machine_state};

use runstate_value::time::Timestamp;

use super::{
    CallRecord, CallRequest, Instruction, Limits, Machine, MachineFailure, PendingCall, Refusal, Reply, StopReason,
    TurnContext, VerifiedProgram,
};

const TURN: TurnContext = TurnContext { now_ms: 1_700_000_000_000 };

/// Compiles a program. The compiler has an `Instruction` of its own build of this crate, so the bytecode is handed over
/// as JSON.
fn bytecode(source: &str) -> Vec<Instruction> {
    let compiled = runstate_lang::compile("t.ts", source).unwrap_or_else(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{source}\n{}", lines.join("\n"))
    });
    serde_json::from_value(serde_json::to_value(&compiled.bytecode).unwrap()).unwrap()
}

fn program(source: &str) -> Arc<VerifiedProgram> {
    Arc::new(VerifiedProgram::decode(&bytecode(source)).unwrap())
}

fn start(source: &str) -> Machine {
    Machine::start(program(source), &Json::Null, [7; 32], Limits::default()).unwrap()
}

fn run_with_limits(source: &str, limits: Limits) -> (Machine, StopReason) {
    let mut machine = Machine::start(program(source), &Json::Null, [7; 32], limits).unwrap();
    let stop = machine.run(u64::MAX, &TURN);
    (machine, stop)
}

#[track_caller]
fn expect_failure(stop: StopReason) -> MachineFailure {
    match stop {
        StopReason::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

/// The input of the state hash.
fn state_text(machine: &Machine) -> String {
    let mut text = String::new();
    machine.write_state(&mut text);
    text
}

fn pages(machine: &Machine) -> Vec<String> {
    (0..machine.page_count()).map(|page| machine.encode_page(page)).collect()
}

/// The requests of the calls that a machine waits for.
#[track_caller]
fn expect_calls(stop: StopReason) -> Vec<CallRequest> {
    match stop {
        StopReason::Waiting(calls) => calls.iter().map(|call| (*call.request).clone()).collect(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn expect_call(stop: StopReason) -> CallRequest {
    let mut calls = expect_calls(stop);
    assert_eq!(calls.len(), 1);
    calls.remove(0)
}

/// Settles the open calls in their order.
fn reply(machine: &mut Machine, replies: &[Reply]) {
    for (call, reply) in machine.open_calls().iter().zip(replies) {
        machine.settle(call.number, reply).unwrap();
    }
}

fn refusal(number: u64, message: &str) -> Refusal {
    Refusal { number, name: "TypeError", message: message.to_owned() }
}

/// Settles the first open call with an error.
fn throw(machine: &mut Machine, name: &str, message: &str) {
    reply(machine, &[Reply::Error { name: name.to_owned(), message: message.to_owned(), code: Json::Null }]);
}

/// Records all open calls.
fn record_calls(machine: &mut Machine) {
    let record = |call: &PendingCall| {
        let (id, requested_at) = (format!("call {}", call.number), Timestamp::from_millis(TURN.now_ms));
        (call.number, CallRecord { id, requested_at, deadline: None })
    };
    let records: Vec<_> = machine.open_calls().iter().map(record).collect();
    machine.record_calls(records);
}

fn restore_copy(machine: &Machine) -> Machine {
    let saved = machine.save();
    let pages = pages(machine);
    // Through text, as a store keeps it.
    let saved = serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap();
    let parsed = pages.iter().map(|page| Ok(serde_json::from_str(page).unwrap()));
    let copy = Machine::restore(Arc::clone(&machine.program), &saved, parsed, machine.limits.clone()).unwrap();
    assert_eq!(saved, copy.save(), "saved again, the head differs");
    assert_eq!(pages, self::pages(&copy), "saved again, the pages differ");
    assert_eq!(state_text(machine), state_text(&copy), "the state hash differs");
    assert!(copy.dirty_pages().is_empty());
    copy
}

/// Runs to the end, stopped and restored after every `stride` instructions; 0 never stops. Each call is answered with
/// the length of its prompt.
fn run(source: &str, stride: u64) -> (Vec<String>, StopReason, u64, String) {
    let mut machine = start(source);
    let mut output = Vec::new();
    loop {
        let stop = machine.run(if stride == 0 { u64::MAX } else { stride }, &TURN);
        output.extend(machine.take_output());
        match stop {
            StopReason::Fuel => {}
            StopReason::Waiting(calls) => {
                if stride > 0 {
                    machine = restore_copy(&machine);
                }
                let prompt = &calls[0].request.prompt;
                machine.answer(&json!(format!("{prompt}{}", prompt.len()))).unwrap();
            }
            stop => {
                let end = machine.instructions();
                return (output, stop, end, state_text(&machine));
            }
        }
        if stride > 0 {
            machine = restore_copy(&machine);
        }
    }
}

const PROGRAMS: &[&str] = &[
    "let s = 0; for (let i = 0; i < 20; i++) { s += i } console.log(s, -0, NaN, 1 / 0, 'a\\u0000\\ud800')",
    "const fs: any = []; for (let i = 0; i < 3; i++) fs.push(() => i++); console.log(fs.map(f => f() + f()))",
    "function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) } console.log(fib(8)); fib(3)",
    "const o: any = { b: 1, a: { c: [1, undefined, 3] }, 2: 'x', 1: 'y', $z: undefined, $$w: null }; o.self = o; for (const k in o) console.log(k); console.log(o.a.c, 7 in o.a.c)",
    "function f() { try { try { throw new TypeError('x') } finally { console.log('f') } } catch (e) { console.log(e.name, e instanceof Error); return 1 } finally { console.log('g') } } console.log(f())",
    "outer: for (const x of [1, 2, 3]) { for (const c of 'añ😀') { if (x === 2) continue outer; console.log(x, c) } }",
    "const m = new Map([['a', 1], ['b', 2]]); for (const [k, v] of m) { if (k === 'a') { m.delete('a'); m.set('c', 3) } console.log(k, v) } console.log(new Set([1, 1, NaN, NaN, -0]).size)",
    "const a = [3, 1, 2, undefined, 10]; a.sort((x, y) => y - x); console.log(a, [5, 1, 4].map(x => [x].map(y => y + x)).flat(), a.reduce((p, c) => p + (c ?? 0), 0))",
    "class A { n = 1; constructor(public x) {} get2() { return this.x + this.n } static make() { return new A(5) } } class B extends A { m = 2; constructor() { super(7); this.m++ } get2() { return super.get2() * this.m } } const b: any = new B(); console.log(b.get2(), A.make().get2(), b instanceof A, b)",
    "class E extends Error { code = 5; constructor(m) { super('!' + m); this.name = 'E' } } try { throw new E('boom') } catch (e: any) { console.log(String(e), e.code, e instanceof E, e instanceof Error, e.message) }",
    "const t = [1, 2, 3].map(x => CC('q' + x)); console.log(t, [2, 1].sort((a, b) => CC('cmp').length - 4 ? a - b : b - a))",
    "console.log('a-b-c'.replace(/-(.)/g, (m, g, i) => g.toUpperCase() + i + CC(m)), 'x1y22'.match(/\\d+/g), [...'a1b2'.matchAll(/[a-z](?<n>\\d)/g)].map(m => m.groups.n + m.index))",
    "const big: any = []; for (let i = 0; i < 700; i++) big.push({ i }); const d: any = {}; for (let i = 0; i < 300; i++) d['k' + i] = i; let s = 0; for (const x of big) { s += x.i; if (x.i === 650) break } for (const k in d) s += d[k]; delete d.k5; big.length = 600; console.log(s, big.length, Object.keys(d).length)",
    "class V { constructor(public n) {} } const v: any = new V(4); v['to' + 'String'] = function () { return 'V' + this.n }; v['value' + 'Of'] = function () { return this.n * 2 }; console.log(`${v}`, v + 1, v > 7, String(v), 'x'.concat(v), { V4: 1 }[v])",
    "const re = /a/g; const s = 'aXa'; while (re.test(s)) console.log(re.lastIndex); const bound = Math.max.bind(null, 5); console.log(bound(3), ((...r) => r.length).call(null, 1, 2), Math.random(), Date.now())",
    "function deep(n) { return n === 0 ? CC('deep') : [deep(n - 1)] } console.log(deep(5)); const { a, ...rest } = { a: 1, b: 2, c: 3 }; console.log(a, rest, structuredClone(rest), JSON.stringify([rest], null, 2), JSON.parse('{\"x\":[1,{}]}'))",
    "let n = 0; function next() { return ++n } const o: any = { get: next, list: [1, 2, 3, 4] }; label: { if (o.get() > 0) break label; console.log('no') } switch (o.list.length) { case 4: console.log('four'); default: console.log('more') } do { n += 2 } while (n < 6); console.log(n, typeof next, void 0, [...[1], 1].length)",
    "const a = Symbol('s'), b = Symbol('s'), r = Symbol.for('s'), list: any = []; const o: any = { [a]: 1, [b]: 2, get [r]() { return this[a] }, [Symbol.toPrimitive]: (h) => h }; for (const s of [a, b, r, a]) list.push(o[s]); console.log(list, `${o}`, o + 1, Symbol.for('s') === r, a === b, Symbol.keyFor(r), new Map([[a, b]]), o)",
];

#[test]
fn restoring_at_any_instruction_does_not_change_the_run() {
    for source in PROGRAMS {
        let unstopped = run(source, 0);
        assert!(!matches!(unstopped.1, StopReason::Failed(_)), "{source}\n{unstopped:?}");
        // Every instruction of a short program, about fifty instructions of a long one.
        for stride in [unstopped.2 / 50 + 1, unstopped.2 / 37 + 1] {
            assert_eq!(run(source, stride), unstopped, "{source} at every {stride}");
        }
    }
}

#[test]
fn the_output_is_what_node_prints() {
    for (source, lines) in [
        (PROGRAMS[0], vec!["190 -0 NaN Infinity a\u{0}\u{fffd}"]),
        (PROGRAMS[1], vec!["[ 1, 3, 5 ]"]),
        (PROGRAMS[3], vec!["1", "2", "b", "a", "$z", "$$w", "self", "[ 1, undefined, 3 ] false"]),
        (PROGRAMS[6], vec!["a 1", "b 2", "c 3", "3"]),
        (PROGRAMS[8], vec!["24 6 true B { x: 7, n: 1, m: 3 }"]),
        (PROGRAMS[9], vec!["E: !boom 5 true true !boom"]),
        (PROGRAMS[11], vec!["aB1-b2C3-c2 [ '1', '22' ] [ '10', '22' ]"]),
        (PROGRAMS[13], vec!["V4 9 true V4 xV4 1"]),
        (
            PROGRAMS[17],
            vec![
                "[ 1, 2, 1, 1 ] string default1 true false s Map(1) { Symbol(s) => Symbol(s) } {",
                "  [Symbol(s)]: 1,",
                "  [Symbol(s)]: 2,",
                "  [Symbol(s)]: [Getter],",
                "  [Symbol(Symbol.toPrimitive)]: [Function: [Symbol.toPrimitive]]",
                "}",
            ],
        ),
    ] {
        let (output, stop, ..) = run(source, 0);
        let output: Vec<String> = output.iter().flat_map(|line| line.split('\n').map(str::to_owned)).collect();
        assert_eq!(output, lines, "{source}: {stop:?}");
    }
}

#[test]
fn normal_forms_of_all_characters_are_those_of_node() {
    let source = r#"
        const checks: any = [];
        for (const form of ["NFC", "NFD", "NFKC", "NFKD"]) {
            let sum = 0, changed = 0;
            const add = (from: number, to: number, step = 1) => {
                for (let point = from; point < to; point += step) {
                    const one = String.fromCodePoint(point), other = one.normalize(form);
                    if (other === one) continue;
                    changed++;
                    for (let i = 0; i < other.length; i++) sum = (sum * 31 + other.charCodeAt(i)) % 1000003;
                }
            };
            add(0xa0, 0x3400);
            add(0xa000, 0xac00);
            add(0xac00, 0xd7a4, 97);
            add(0xf900, 0x20000);
            add(0x2f800, 0x2fa20);
            checks.push(form, changed, sum);
        }
        console.log(checks.join(" "));"#;
    // The sums of the same program in Node 20.
    assert_eq!(run(source, 0).0, ["NFC 1120 396935 NFD 2197 791116 NFKC 4965 454026 NFKD 6030 897512"]);
}

#[test]
fn restored_machine_collects_garbage_at_the_same_instructions() {
    let source = "let keep: any = []; for (let i = 0; i < 40000; i++) { const x: any = { a: [i], b: 'text ' + i }; if (i % 100 === 0) keep.push(x) } console.log(keep.length, keep[399].b)";
    let mut warm = start(source);
    let mut cold = start(source);
    loop {
        let (a, b) = (warm.run(97_000, &TURN), cold.run(97_000, &TURN));
        assert_eq!(a, b);
        assert_eq!(warm.save(), cold.save());
        if a != StopReason::Fuel {
            break;
        }
        cold = restore_copy(&cold);
    }
    assert_eq!(warm.take_output(), ["400 text 39900"]);
    assert!(warm.page_count() < 6_000, "garbage was collected: {} pages", warm.page_count());
}

/// Each field must take several values. A field that is not saved is found because its value differs from the initial
/// one.
#[test]
fn every_field_of_a_machine_survives_its_snapshot() {
    let mut values_by_field: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut record_state = |machine: &Machine| {
        let state: MachineContents = machine_state(machine);
        assert_same_state(&state, &machine_state(&restore_copy(machine)));
        for (field, value) in state {
            values_by_field.entry(field).or_default().insert(value);
        }
    };
    let sources = [
        // Symbols, two of them registered.
        "const s = Symbol(), o = { [s]: Symbol('d') }; CC('a'); Symbol.for('r'); CC('b'); o[Symbol.for('q')] = s; CC('c')",
        // Keys, options of a call, several calls at once.
        "console.group(); CC('a', { key: 'k', choices: [1] }); CC.all(['b', { prompt: 'c', key: 'k', timeoutMs: 5 }])",
        // An array and an object of several chunks, a shifted array, frozen ones, a match with its own properties.
        "const a: any = []; for (let i = 0; i < 700; i++) a.push(i); a.shift(); const o: any = {}; for (let i = 0; i < 300; i++) o['k' + i] = i; Object.freeze(a); Object.freeze(o); Object.freeze([1]); const m: any = new RegExp('b', 'y').exec('b'); const r = /a/g; r.test('aa'); CC(a.length + m.index)",
        "const m = new Map(); const s = new Set(); for (let i = 0; i < 300; i++) { m.set(i, [i]); s.add('' + i) } m.delete(5); s.delete('1'); for (const x of m.keys()) { if (x > 200) { CC('x'); break } }",
        // Objects of classes that extend Map and Array, and a WeakMap.
        "class M extends Map {} class A extends Array {} const m = new M([[1, 2]]), a: any = new A(); a.push(m); const w = new WeakMap([[m, a]]); CC('x'); w.delete(m)",
        // Classes with fields, parents and static members; functions with captures, properties and bound arguments.
        "class A { n = 1; static s = [2]; static m() { return () => super.toString } } class B extends A { m = 2; static m() { return super.m } constructor() { super(); CC('in') } } let n = 0; const f: any = () => n++; f.p = 1; const g = f.bind({ t: 1 }, 2, 3); const e: any = new RangeError('r'); e.own = 1; new B(); A.m(); CC(g.length + e)",
        // Built-in functions that wait for callbacks.
        "const t: any = { k: 3 }; const h: any = [3, undefined]; h[3] = 1; h.push(2, 5, 4); h.sort((a, b) => (CC('s'), a - b)); [1, 2].map(function (x) { CC('m'); return this.k + x }, t); [1, 2, 3].reduce((a, b) => (CC('r'), a + b)); Array.from([1, 2], x => (CC('f'), x)); [1].map(...[x => (CC('p'), x)])",
        // A sort that merges runs.
        "Array.from({ length: 200 }, (_, i) => (i * 37) % 200).sort((a, b) => a - b)",
        // Work that is not counted as instructions yet, and repeated text.
        "let s = 'x'.repeat(50000); for (let i = 0; i < 60; i++) { const t = s + i; t.indexOf('y') } console.log(s.length)",
        // Tasks: jobs, rejections, open calls, suspended functions, and handlers of promises that wait.
        "const t = async (q, n) => { for (let i = 0; i < n; i++) { try { await CC(q) } finally { await Promise.reject(1).catch((e) => e) } } }; t('a', 2); t('b', 1); CC('blocking'); await Promise.all([CC.all(['c', 'd']), t('e', 1), Promise.allSettled([1, Promise.reject(2)]), Promise.any([Promise.reject(3), 4])]); await new Promise((r) => { CC('in'); r({ then(f) { CC('then'); f(5) } }) }).then((x) => CC('' + x)).finally(() => CC('f')); t('g', 1); const u = async (q) => t(await CC(q), 1); u('h'); await u('i'); setTimeout(u, 5, 'j'); setTimeout(() => CC('k'), 1); await CC('l'); CC('m'); await null",
    ];
    let limits = Limits { heap_bytes: 1 << 20, ..Limits::default() };
    for source in sources.iter().chain(PROGRAMS) {
        let machine = Machine::start(program(source), &Json::Null, [7; 32], limits.clone()).unwrap();
        let instructions = run_in_slices(u64::MAX, machine.clone(), &mut |_| {});
        run_in_slices(instructions / 25 + 1, machine, &mut record_state);
    }
    // A pending error, and a discarded heap.
    let mut machine = start("CC('x')");
    machine.run(u64::MAX, &TURN);
    throw(&mut machine, "TimeoutError", "late");
    record_state(&machine);
    record_state(
        &run_with_limits(
            "function f(s, n) { return n === 0 ? CC('x') : f(s, n - 1) + 1 } f('x'.repeat(1e5), 5000)",
            limits,
        )
        .0,
    );
    let constant_fields: Vec<_> =
        values_by_field.iter().filter(|(_, values)| values.len() < 2).map(|(field, _)| *field).collect();
    assert_eq!(constant_fields, [""; 0], "fields with only one value");
}

/// Runs to the end and passes the machine to `observe` at every stop: at each call, and after `fuel` instructions.
/// Returns the number of instructions.
fn run_in_slices(fuel: u64, mut machine: Machine, observe: &mut dyn FnMut(&Machine)) -> u64 {
    loop {
        observe(&machine);
        match machine.run(fuel, &TURN) {
            StopReason::Fuel => {}
            StopReason::Waiting(calls) => {
                observe(&machine);
                record_calls(&mut machine);
                observe(&machine);
                machine.settle(calls[0].number, &Reply::Value(json!("a"))).unwrap();
            }
            StopReason::Complete(_) | StopReason::Failed(_) => {
                observe(&machine);
                return machine.instructions();
            }
        }
    }
}

/// Garbage collection depends on the text repeated since the last one.
#[test]
fn restored_machine_counts_repeated_text_for_collection() {
    let limits = Limits { heap_bytes: 1 << 17, ..Limits::default() };
    // Each iteration repeats 8,000 bytes and allocates next to nothing: the fifth one starts a collection.
    let source =
        "const s = 'x'.repeat(8000); let n = 0; for (let i = 0; i < 30; i++) { const t = s + i; n += t.length }";
    let mut warm = Machine::start(program(source), &Json::Null, [7; 32], limits).unwrap();
    let mut cold = warm.clone();
    let (mut shared_bytes, mut collections) = (0, 0);
    loop {
        let (one, other) = (warm.run(7, &TURN), cold.run(7, &TURN));
        assert_eq!(one, other);
        assert_eq!(warm.save(), cold.save());
        collections += usize::from(warm.heap.shared_text_bytes < shared_bytes);
        shared_bytes = warm.heap.shared_text_bytes;
        if one != StopReason::Fuel {
            break;
        }
        cold = restore_copy(&cold);
    }
    assert!(collections >= 5, "{collections} collections");
}

#[test]
fn slice_dirties_only_the_pages_it_changes() {
    let mut machine = start(
        "const a: any = []; for (let i = 0; i < 100000; i++) a.push(i); CC('1'); a[50000] = 'x'; a.push(1); CC('2'); CC('3')",
    );
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)));
    machine.mark_clean();
    machine.answer(&json!("")).unwrap();
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)));
    assert!(machine.dirty_pages().len() <= 3, "{:?}", machine.dirty_pages());
    machine.mark_clean();
    machine.answer(&json!("")).unwrap();
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)));
    assert!(machine.dirty_pages().is_empty());
}

#[test]
fn machine_copies_are_independent() {
    let mut machine = start("const a: any = [1]; const b = CC('?'); a.push(b); console.log(a)");
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)));
    let mut copy = machine.clone();
    machine.answer(&json!("left")).unwrap();
    copy.answer(&json!({"r": [1, null]})).unwrap();
    machine.run(u64::MAX, &TURN);
    copy.run(u64::MAX, &TURN);
    assert_eq!(machine.take_output(), ["[ 1, 'left' ]"]);
    assert_eq!(copy.take_output(), ["[ 1, { r: [ 1, null ] } ]"]);
}

#[test]
fn limit_failure_names_the_limit() {
    let small = Limits {
        instructions: 1_000_000,
        frames: 500,
        heap_bytes: 1 << 20,
        text_units: 100_000,
        output_bytes: 1000,
        call_bytes: 100,
        ..Limits::default()
    };
    for (source, limit) in [
        ("while (true) {}", "instruction limit"),
        ("function f() { return f() } f()", "call depth limit"),
        ("let s = 'ab'; while (true) s = s + s", "string length limit"),
        ("const a: any = []; while (true) a.push([1, 2, 3])", "heap limit"),
        ("new Array(60000000)", "heap limit"),
        ("'x'.repeat(1e9)", "string length limit"),
        ("while (true) console.log('x')", "output limit"),
        ("try { while (true) {} } catch { console.log('caught') }", "instruction limit"),
        ("const a: any = []; try { while (true) a.push([1, 2, 3]) } catch { console.log('caught') }", "heap limit"),
        ("try { while (true) console.log('x') } finally { console.log('y') }", "output limit"),
        ("CC('x'.repeat(101))", "call payload limit"),
        ("const f: any = []; f.map(x => x); [1].map(function g(x) { return [x].map(g) })", "call depth limit"),
    ] {
        let (machine, stop) = run_with_limits(source, small.clone());
        let failure = expect_failure(stop);
        assert!(failure.limit && failure.message.contains(limit), "{source}: {failure:?}");
        assert!(!machine.output.iter().any(|line| line == "caught"), "{source}");
        restore_copy(&machine);
    }
}

#[test]
fn limit_of_a_value_is_a_range_error_that_can_be_caught() {
    let small = Limits { frames: 500, stack: 2_000, text_units: 100_000, match_steps: 10_000, ..Limits::default() };
    for (source, limit) in [
        ("function f() { return f() } f()", "call depth limit"),
        ("async function f() { return await f() } await f()", "call depth limit"),
        ("[1].map(function g(x) { return [x].map(g) })", "call depth limit"),
        ("Math.max(...new Array(3000).fill(1))", "stack limit"),
        ("'x'.repeat(1e9)", "string length limit"),
        ("let s = 'ab'; while (true) s = s + s", "string length limit"),
        ("await Promise.resolve(1e9).then('ab'.repeat.bind('ab'))", "string length limit"),
        ("await Promise.reject(1).finally('ab'.repeat.bind('ab', 1e9))", "string length limit"),
        ("const t: any = { then: 'ab'.repeat.bind('ab', 1e9) }; await t", "string length limit"),
        ("new Array(1e9).fill(0)", "array length limit"),
        ("/(a+)+$/.test('a'.repeat(18) + 'b')", "regular expression limit"),
        ("await Promise.resolve('a'.repeat(18) + 'b').then((s) => /(a+)+$/.test(s))", "regular expression limit"),
        ("CC('x'.repeat(2 ** 20)), CC('x'.repeat(2 ** 20 + 1))", "string length limit"),
        ("call('t', new Array(2 ** 20).fill(1))", "call payload limit"),
        ("CC.all(new Array(90).fill('x'.repeat(99_000)))", "call payload limit"),
    ] {
        let source = format!(
            "try {{ {source} }} catch (e: any) {{ console.log(e instanceof RangeError, e.name, e.message) }} CC('next')"
        );
        let (mut machine, stop) = run_with_limits(&source, small.clone());
        assert_eq!(expect_call(stop).prompt, "next", "{source}");
        let output = machine.take_output();
        assert!(
            output.len() == 1 && output[0].starts_with(&format!("true RangeError {limit}")),
            "{source}: {output:?}"
        );
        restore_copy(&machine);
    }
}

#[test]
fn uncaught_error_has_a_location_and_can_be_retried() {
    let mut machine =
        start("function inner(x) {\n  return x.y.z\n}\nconst o = { y: CC('y') }\nconsole.log(inner(null))");
    machine.run(u64::MAX, &TURN);
    machine.answer(&json!("")).unwrap();
    let failure = expect_failure(machine.run(u64::MAX, &TURN));
    assert_eq!(failure.name, "TypeError");
    assert_eq!(failure.message, "Cannot read properties of null (reading 'y')");
    assert_eq!(failure.line, 2);
    assert!(failure.stack[0].starts_with("at inner (2:"), "{:?}", failure.stack);
    assert!(failure.stack[1].starts_with("at <program> (5:"), "{:?}", failure.stack);
    let mut restored = restore_copy(&machine);
    assert_eq!(expect_failure(restored.run(u64::MAX, &TURN)), failure);
    assert_eq!(expect_failure(machine.run(u64::MAX, &TURN)), failure);
    assert_eq!(restored.save(), machine.save());
}

#[test]
fn failed_call_can_be_caught_or_else_retried() {
    let mut machine = start(
        "try { CC('a') } catch (e: any) { console.log(e.name, e.message, e instanceof TimeoutError) } CC('b', { choices: ['x'] })",
    );
    machine.run(u64::MAX, &TURN);
    throw(&mut machine, "TimeoutError", "too late");
    let mut machine = restore_copy(&machine);
    let call = expect_call(machine.run(u64::MAX, &TURN));
    assert_eq!(machine.take_output(), ["TimeoutError too late true"]);
    assert_eq!((call.prompt.as_str(), &call.options), ("b", &json!({"choices": ["x"]})));
    throw(&mut machine, "ToolError", "broken");
    let failure = expect_failure(machine.run(u64::MAX, &TURN));
    assert_eq!((failure.name.as_str(), failure.message.as_str()), ("ToolError", "broken"));
    let mut machine = restore_copy(&machine);
    assert_eq!(expect_call(machine.run(u64::MAX, &TURN)), call);
    machine.answer(&json!("x")).unwrap();
    assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Complete(Json::Null));
    assert_eq!(machine.calls(), 3);
}

#[test]
fn program_without_enter_runs() {
    let wire: Vec<Instruction> = serde_json::from_value(json!([
        {"op": 1, "arg": "What is your name?", "line": 1},
        {"op": 6, "line": 1},
        {"op": 4, "arg": "name", "line": 1},
        {"op": 1, "arg": "Hello, ", "line": 2},
        {"op": 3, "arg": "name", "line": 2},
        {"op": 5, "line": 2},
        {"op": 7, "line": 2},
        {"op": 3, "arg": "missing", "line": 3},
        {"op": 255, "line": 4}
    ]))
    .unwrap();
    let program = Arc::new(VerifiedProgram::decode(&wire).unwrap());
    let mut machine = Machine::start(program, &Json::Null, [0; 32], Limits::default()).unwrap();
    let call = expect_call(machine.run(100, &TURN));
    assert_eq!((call.prompt.as_str(), call.line, machine.pc()), ("What is your name?", 1, 1));
    let saved = machine.save();
    assert_eq!((saved.pc, &saved.stack), (1, &json!([])));
    machine.answer(&json!("Ada")).unwrap();
    let failure = expect_failure(machine.run(100, &TURN));
    assert_eq!(machine.take_output(), ["Hello, Ada"]);
    assert_eq!(
        (failure.name.as_str(), failure.message.as_str(), failure.line),
        ("ReferenceError", "missing is not defined", 3)
    );
}

#[test]
fn variables_show_the_scope_and_are_truncated() {
    let mut machine = start(
        "const name = 'Ada'; let big = 'x'.repeat(50000); const list = [1, { a: true }]; function ask(question) { const inner = 1; return CC(question + name) } ask('who')",
    );
    machine.run(u64::MAX, &TURN);
    let variables = machine.variables(2000);
    assert_eq!(
        (&variables["question"], &variables["inner"], &variables["name"]),
        (&json!("who"), &json!(1), &json!("Ada"))
    );
    assert!(variables["big"].as_str().unwrap().ends_with('…'), "{variables}");
    for max in [10, 100, 1000, 16 << 10] {
        assert!(machine.variables(max).to_string().len() <= max + 8, "{max}");
    }
}

/// Bytes of the whole saved state of a machine.
fn saved_bytes(machine: &Machine) -> usize {
    let head = serde_json::to_string(&machine.save()).unwrap().len();
    pages(machine).iter().map(String::len).sum::<usize>() + head
}

#[test]
fn shared_text_counts_as_often_as_it_is_saved() {
    let limits = Limits { heap_bytes: 1 << 20, ..Limits::default() };
    for source in [
        // One text in five thousand frames.
        "function f(s, n) { if (n === 0) return CC('x'); return f(s, n - 1) + 1 } f('x'.repeat(1e5), 5000)",
        // The same in the heap: elements, properties, captured variables, a Map, bound arguments.
        "const s = 'x'.repeat(1e5); const a = []; for (let i = 0; i < 100; i++) a.push(s); CC('x')",
        "const s = 'x'.repeat(1e5); const a = new Array(1000).fill(s); CC('x')",
        "const s = 'x'.repeat(1e5); const a = []; for (let i = 0; i < 100; i++) a.push({ s }); CC('x')",
        "const a = []; for (let i = 0; i < 100; i++) a.push([0]); const s = 'x'.repeat(1e5); for (const b of a) b[0] = s; CC('x')",
        "const s = 'x'.repeat(1e5); const m = new Map(); for (let i = 0; i < 1000; i++) m.set(i, s); CC('x')",
        "const s = 'x'.repeat(1e5); const a = []; for (let i = 0; i < 100; i++) { let t = s; a.push(() => t) } CC('x')",
        "const s = 'x'.repeat(1e5); function g() {} const a = []; for (let i = 0; i < 100; i++) a.push(g.bind(null, s)); CC('x')",
        // An uncaught error is a stop like any other.
        "function f(s, n) { if (n === 0) throw new Error('x'); return f(s, n - 1) + 1 } f('x'.repeat(1e5), 5000)",
    ] {
        let (mut machine, stop) = run_with_limits(source, limits.clone());
        let failure = expect_failure(stop);
        assert!(failure.limit && failure.message.contains("heap limit"), "{source}: {failure:?}");
        assert!(saved_bytes(&machine) < 3 << 20, "{source}: {}", saved_bytes(&machine));
        let mut restored = restore_copy(&machine);
        assert_eq!(expect_failure(restored.run(u64::MAX, &TURN)), failure, "{source}");
        assert_eq!(expect_failure(machine.run(u64::MAX, &TURN)), failure, "{source}");
        assert_eq!(restored.save(), machine.save(), "{source}");
    }
}

#[test]
fn restored_machine_reaches_the_heap_limit_at_the_same_instruction() {
    let limits = Limits { heap_bytes: 1 << 20, ..Limits::default() };
    // Programs that create strings with built-in functions spend most of their instructions there.
    for (source, stride) in [
        (
            "function f(s, n) { const t = s + n; t.charCodeAt(3); return f(s, n + 1) + t.length } f('x'.repeat(60000), 0)",
            40,
        ),
        ("function f(n) { const t = 'x'.repeat(60000); return f(n + 1) + t } f(0)", 1_000),
        (
            "const a = []; const s = 'x'.repeat(60000); for (let i = 0; ; i++) { a.push(`${s}${i}`); a[i].charCodeAt(3) }",
            40,
        ),
        ("const a = []; for (let i = 0; ; i++) a.push('y'.padStart(60000, i))", 1_000),
    ] {
        let mut warm = Machine::start(program(source), &Json::Null, [7; 32], limits.clone()).unwrap();
        let mut cold = warm.clone();
        let failure = loop {
            let (one, other) = (warm.run(stride, &TURN), cold.run(stride, &TURN));
            assert_eq!(one, other, "{source}");
            if let StopReason::Failed(failure) = one {
                break failure;
            }
            cold = restore_copy(&cold);
        };
        assert!(failure.message.contains("heap limit"), "{source}: {failure:?}");
        assert_eq!(warm.instructions(), cold.instructions(), "{source}");
        assert_eq!(warm.save(), cold.save(), "{source}");
        assert!(saved_bytes(&warm) < 3 << 20, "{source}");
    }
    // Released strings do not count.
    let source =
        "let s = ''; for (let i = 0; i < 20000; i++) { s += 'abc'; if (i % 100 === 0) s.charCodeAt(3) } s.length";
    assert_eq!(run_to_end(source, limits.clone()), StopReason::Complete(Json::Null));
    let source = "const s = 'ab'.repeat(20000); let n = 0; s.replace(/a/g, (m, at, text) => { n += text.length - s.length; return m })";
    let large = Limits { heap_bytes: 8 << 20, ..Limits::default() };
    assert_eq!(run_to_end(source, large), StopReason::Complete(Json::Null));
}

/// Runs a program to its end: a run that works much on texts ends before.
fn run_to_end(source: &str, limits: Limits) -> StopReason {
    let (mut machine, mut stop) = run_with_limits(source, limits);
    while stop == StopReason::Fuel {
        stop = machine.run(1_000_000, &TURN);
    }
    stop
}

#[test]
fn oversized_values_are_refused_before_allocation() {
    let limits = Limits { heap_bytes: 16 << 20, text_units: 1 << 22, ..Limits::default() };
    for (source, limit) in [
        ("'x'.repeat(2**30)", "string length limit"),
        ("Array(2**31)", "array length limit"),
        ("new Array(1e9).fill(0)", "array length limit"),
        ("new Array(6e7).fill(0)", "heap limit"),
        ("'ab'.repeat(1e6).split('')", "heap limit"),
        ("'ab'.repeat(1e6).split('a')", "heap limit"),
        ("[...'ab'.repeat(1e6)]", "heap limit"),
        ("const a: any = []; a.push(a); a.flat(Infinity)", "heap limit"),
        ("let a: any = []; for (let i = 0; i < 60; i++) a = [a, a]; a.flat(Infinity)", "heap limit"),
        ("Array.from('ab'.repeat(1e6))", "heap limit"),
        ("''.padStart(2**27)", "string length limit"),
        ("'\u{fdfa}'.repeat(1e6).normalize('NFKD')", "string length limit"),
        ("Array(1e6).join('x'.repeat(1000))", "string length limit"),
        ("'ab'.repeat(1e6).replaceAll('', 'x')", "heap limit"),
        ("('a' + 'b'.repeat(1e6)).replace('a', \"$'\".repeat(1e6))", "string length limit"),
        ("const s = 'x'.repeat(1e6); `${s}${s}${s}${s}${s}${s}${s}`", "string length limit"),
        ("Object.keys(new Uint8Array(1e6))", "heap limit"),
        ("JSON.stringify(new Uint8Array(1e6))", "heap limit"),
        ("for (const key in new Uint8Array(1e6)) key", "heap limit"),
        ("const a = { ...new Uint8Array(1e6) }", "heap limit"),
        ("[...new Uint8Array(2e6)]", "heap limit"),
        ("let a: any = [1]; for (let i = 0; i < 60; i++) a = [a, a]; JSON.stringify(a)", "string length limit"),
        ("function main() { let a: any = [1]; for (let i = 0; i < 60; i++) a = [a, a]; return a }", "heap limit"),
        ("let a: any = [1]; for (let i = 0; i < 60; i++) a = [a, a]; CC('x', { choices: a })", "call payload limit"),
    ] {
        let failure = expect_failure(run_with_limits(source, limits.clone()).1);
        assert!(failure.limit && failure.message.contains(limit), "{source}: {failure:?}");
    }
}

#[test]
fn a_buffer_beyond_the_heap_is_an_error_that_a_program_catches() {
    let limits = Limits { heap_bytes: 16 << 20, ..Limits::default() };
    for made in [
        "new ArrayBuffer(2e7)",
        "new Float64Array(3e6)",
        "new Float64Array(new Uint8Array(3e6))",
        "structuredClone(new ArrayBuffer(2e7))",
    ] {
        let source = format!("try {{ {made}; }} catch (error) {{ console.log(`${{error}}`); }}");
        let (mut machine, stop) = run_with_limits(&source, limits.clone());
        assert_eq!(stop, StopReason::Complete(Json::Null), "{made}");
        assert_eq!(machine.take_output(), ["RangeError: Array buffer allocation failed"], "{made}");
    }
    // Buffers that are not reachable any more leave their room to others.
    let source = "let b: any; for (let i = 0; i < 40; i++) { b = null; b = new Uint8Array(6e6); b[i] = 1; }";
    assert_eq!(run_with_limits(source, limits).1, StopReason::Complete(Json::Null));
}

#[test]
fn catastrophic_backtracking_hits_a_limit() {
    // Without the limit each match ends after some million steps.
    let limits = Limits { match_steps: 10_000, ..Limits::default() };
    for call in
        ["/(a+)+$/.test(s)", "s.replace(/(a|a)*$/g, '')", "s.split(/(a|aa)+$/)", "s.match(new RegExp('(a+)+$'))"]
    {
        let source = format!("const s = 'a'.repeat(18) + 'b'; {call}");
        let (machine, stop) = run_with_limits(&source, limits.clone());
        let failure = expect_failure(stop);
        assert!(failure.limit && failure.message.contains("regular expression limit"), "{source}: {failure:?}");
        let mut restored = restore_copy(&machine);
        assert_eq!(expect_failure(restored.run(u64::MAX, &TURN)), failure);
    }
}

#[test]
fn built_in_work_counts_as_instructions_in_slices_of_any_size() {
    let source = "const s = 'ab '.repeat(2e3); let n = 0; for (let i = 0; i < 5; i++) n += s.indexOf('c') + s.split(' ').sort().join('').length + [s.split(' ')].flat().length + s.match(/\\w+/g).length + ('é' + s).normalize('NFD').length; const b = new Uint8Array(1e5).fill(1); console.log(n, b.indexOf(2), b.slice().sort()[0])";
    let (lines, stop, instructions, _) = run(source, 0);
    assert!(instructions > 40_000, "{instructions}");
    for stride in [997, 5000] {
        let sliced = run(source, stride);
        assert_eq!((&sliced.0, &sliced.1, sliced.2), (&lines, &stop, instructions));
    }
    let mut machine = start("while (true) 'x'.repeat(1e6).indexOf('y')");
    assert_eq!(machine.run(1_000_000, &TURN), StopReason::Fuel);
    assert_eq!(machine.instructions(), 1_000_000);
}

#[test]
fn the_steps_of_a_match_are_counted_as_instructions() {
    let source = |text: &str| format!("/(a+)+$/.test('{text}'); let n = 0; for (let i = 0; i < 9; i++) n += i");
    let instructions = |text: &str| {
        let (machine, stop) = run_with_limits(&source(text), Limits::default());
        assert_eq!(stop, StopReason::Complete(Json::Null));
        machine.instructions()
    };
    // Each additional character doubles the steps of the match.
    let [few, more] = [13, 14].map(|count| instructions(&("a".repeat(count) + "b")));
    assert!(few > 2_000 && more > few * 19 / 10, "{few}, {more}");
}

#[test]
fn substring_search_takes_linear_time() {
    let source = "const s = 'a'.repeat(2e5); const t = 'a'.repeat(1e5) + 'b'; console.log(s.indexOf(t), s.lastIndexOf('b' + t), (s + t).indexOf(t), (t + s).lastIndexOf(t), ('α' + s).indexOf(t))";
    assert_eq!(run(source, 0).0, ["-1 -1 200000 0 -1"]);
}

#[test]
fn equal_regexps_share_their_compiled_pattern_and_no_state() {
    let source = r#"
        function main() {
            const found: any[] = [];
            for (const text of ["ab", "ab"]) {
                const [literal, made] = [/b/gi, new RegExp("b", "ig")];
                found.push(literal.test(text), literal.lastIndex, made.lastIndex, made.flags, /b/.flags);
            }
            // More than a thread remembers, and then the first ones again.
            for (let i = 0; i < 40; i++) found.push(new RegExp("^" + (i % 20) + "$").test("" + (i % 20)));
            return found;
        }"#;
    let once = [json!(true), json!(2), json!(0), json!("gi"), json!("")];
    let expected: Vec<Json> = once.iter().chain(&once).cloned().chain(vec![json!(true); 40]).collect();
    assert_eq!(run_with_limits(source, Limits::default()).1, StopReason::Complete(Json::Array(expected)));
}

#[test]
fn a_replacement_is_converted_before_a_sticky_match() {
    let source = "const re = /a/y; console.log('aab'.replace(re, { toString() { return 'x' } }), re.lastIndex)";
    assert_eq!(run(source, 0).0, ["xab 1"]);
}

/// Node 20, with which the programs of `tests/language` are compared, lacks these methods.
#[test]
fn set_methods_combine_sets() {
    let source = "const a = new Set([1, 2, 3, NaN, 0]), b = new Set([3, NaN, -0, 'x']), m = new Map([[2, 'two'], ['k', 1]]);
console.log(a.union(b), a.intersection(b), a.difference(b), a.symmetricDifference(b));
console.log(a.isSubsetOf(b), new Set([3]).isSubsetOf(a), a.isSupersetOf(new Set([1])), a.isDisjointFrom(new Set(['y'])));
console.log(a.union(m), a.intersection(m), a.difference(m), new Set().isSubsetOf(b), a.size, a === a.union(a));
try { a.union([1]); } catch (error) { console.log(error.message); }";
    let (mut machine, _) = run_with_limits(source, Limits::default());
    let expected = [
        "Set(6) { 1, 2, 3, NaN, 0, 'x' } Set(3) { 3, NaN, 0 } Set(2) { 1, 2 } Set(3) { 1, 2, 'x' }",
        "false true true true",
        "Set(6) { 1, 2, 3, NaN, 0, 'k' } Set(1) { 2 } Set(4) { 1, 3, NaN, 0 } true 5 false",
        "a method of a Set takes a Set or a Map here",
    ];
    assert_eq!(machine.take_output(), expected);
}

/// The times of Node's timers are those of its clock.
#[test]
fn console_timers_measure_turns() {
    let source = "console.time(); console.time('x'); console.timeLog('x', 1, '%s'); sleep(1500); console.timeEnd(); console.timeEnd();
sleep(60000); console.timeLog('x'); sleep(4000000); console.timeEnd('x'); console.timeLog('none')";
    let (mut machine, mut output) = (start(source), Vec::new());
    let mut now_ms = TURN.now_ms;
    for slept in [1_500, 60_000, 4_000_000] {
        assert!(matches!(machine.run(u64::MAX, &TurnContext { now_ms }), StopReason::Waiting(_)));
        now_ms += slept;
        output.extend(machine.take_output());
        machine = restore_copy(&machine);
        reply(&mut machine, &[Reply::Nothing]);
    }
    assert!(matches!(machine.run(u64::MAX, &TurnContext { now_ms }), StopReason::Complete(_)));
    output.extend(machine.take_output());
    let expected = ["x: 0ms 1 %s", "default: 1.500s", "x: 1:01.500 (m:ss.mmm)", "x: 1:07:41.500 (h:mm:ss.mmm)"];
    assert_eq!(output, expected);
}
