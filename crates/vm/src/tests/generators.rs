//! Generators and iterators of the program: stopped at any instruction, limited, damaged.
//! `tests/language/programs/generators.ts` and `async_generators.ts` compare them with Node.

use serde_json::{Value as Json, json};

use super::mapping::is_full_run;
use super::promises::{damage_states, run_in_order};
use super::{TURN, expect_failure, program, restore_copy, run_with_limits, start};
use crate::{Limits, Machine, StopReason, VerifiedProgram};

const PIPELINE: &str = "class Tree { constructor(v, l, r) { this.v = v; this.l = l; this.r = r } *[Symbol.iterator]() { if (this.l) yield* this.l; yield this.v; if (this.r) yield* this.r } } function* ask(n) { try { for (let i = 0; i < n; i++) { const x = yield CC('q' + i, { key: 'k' + i }); if (x) console.log('got', x) } return 'end' } catch (e) { yield 'caught ' + e } finally { console.log('closed') } } const own = { [Symbol.iterator]() { let i = 0; return { next() { return { value: CC('next' + i), done: ++i > 2 } }, return() { console.log(CC('close')); return {} } } } }; function* all() { const r = yield* ask(2); yield [r, ...own]; const [a] = own; for (const x of own) { yield x; break } return a } const it = all(); console.log(it.next(), it.next('x'), [...it]); const jt = ask(3); jt.next(); console.log(jt.throw('t'), jt.return(5)); console.log([...new Tree(2, new Tree(1), new Tree(3))].map((x) => x * 2), new Map(function* () { yield ['a', CC('v')] }()), Array.from(ask(1)))";

const STREAMS: &str = "async function* ask(name, n) { try { for (let i = 0; i < n; i++) yield await CC(name + i, { key: name + i }); return 'end' } finally { await null; console.log('closed', name) } } async function* all() { console.log(yield* ask('x', 2)); for await (const x of ask('b', 3)) { yield x; break } yield* [1, Promise.resolve(2)] } const it = all(); const queued = Promise.all([it.next(), it.next(), it.return('r'), it.next()]); const out = []; for await (const x of all()) out.push(x); console.log(out, await queued, await Promise.all((function* () { yield ask('c', 1).next(); yield CC('d') })())); const own = { [Symbol.asyncIterator]() { let i = 0; return { async next() { return { value: await CC('n' + i), done: ++i > 2 } } } } }; for await (const x of own) console.log(x)";

const HELPERS: &str = "function* ask() { try { for (let i = 0; ; i++) yield CC('q' + i) } finally { console.log('closed', CC('close')) } } console.log(ask().filter((x, i) => i % 2 && CC('keep')).map((x) => [x, CC('map')]).drop(1).take(2).toArray()); for (const x of ask().flatMap((x) => ask().take(2).map((y) => x + y))) { console.log(x); if (CC('stop?')) break } console.log(ask().reduce((a, b, i) => { if (i > 2) throw a; return a + b + CC('sum') }, ''))";

#[test]
fn iterator_helpers_restored_at_any_instruction_run_the_same() {
    let unstopped = run_in_order(HELPERS, 0, 1);
    assert!(matches!(unstopped.1, StopReason::Failed(_)), "{unstopped:?}");
    assert_eq!(unstopped.0.iter().filter(|line| line.starts_with("closed")).count(), 4, "{unstopped:?}");
    for stride in [1, 7, 50] {
        assert_eq!(run_in_order(HELPERS, stride, 1), unstopped, "every {stride}");
    }
}

#[test]
fn generators_restored_at_any_instruction_run_the_same() {
    for source in [PIPELINE, STREAMS] {
        let unstopped = run_in_order(source, 0, 1);
        assert_eq!(unstopped.1, StopReason::Complete(Json::Null), "{unstopped:?}");
        for stride in [1, 7, 50] {
            assert_eq!(run_in_order(source, stride, 1), unstopped, "every {stride}");
        }
    }
}

#[test]
fn damaged_state_of_generators_is_refused_or_ends_with_an_error() {
    let mut states = Vec::new();
    for (source, counts) in [(PIPELINE, [60, 150, 30]), (STREAMS, [90, 200, 40]), (HELPERS, [120, 250, 60])] {
        let mut machine = start(source);
        for count in counts {
            if let StopReason::Waiting(calls) = machine.run(count, &TURN) {
                machine.settle(calls[0].number, &crate::Reply::Value(json!("b"))).unwrap();
            }
            states.push(restore_copy(&machine));
        }
    }
    damage_states(&states);
}

#[test]
fn endless_generators_end_at_a_limit() {
    let endless = [
        "function* g() { for (;;) yield 1 } for (const x of g());",
        "function* g() { for (;;) yield 1 } const all = [...g()];",
        "function* g() { yield* g() } [...g()];",
        "const all = []; function* g(a) { const b = 'x'.repeat(100) + a; yield b; yield b } for (let i = 0; ; i++) { const it = g(i); it.next(); all.push(it) }",
        "function* g() { try { yield 1 } finally { for (;;) { try { yield 2 } finally { continue } } } } const it = g(); it.next(); for (;;) it.return(1);",
        "const step = [Object][0].bind(null, {}); [...{ [Symbol.iterator]: () => ({ next: step }) }];",
        "async function* g() { for (;;) yield 1 } for await (const x of g());",
        "async function* g() { await new Promise(() => {}) } const it = g(); for (;;) it.next();",
        "function* g() { for (;;) yield 1 } g().filter(() => false).next();",
        "function* g() { for (;;) yield 1 } g().toArray();",
        "let it = [1].values(); for (;;) it = it.map((x) => x);",
        "let it = [1].values(); for (let i = 0; i < 9e3; i++) it = it.map((x) => x); for (;;) it.take(1).toArray();",
        "for await (const x of { [Symbol.asyncIterator]: () => ({ next: () => ({}) }) });",
    ];
    for source in endless {
        // The spread of an endless generator fills the heap after 1,530,000.
        let instructions = if is_full_run() { 3_000_000 } else { 2_000_000 };
        let limits = Limits { heap_bytes: 4 << 20, instructions, ..Limits::default() };
        let mut machine = Machine::start(program(source), &Json::Null, [7; 32], limits).unwrap();
        let failure = expect_failure(machine.run(u64::MAX, &TURN));
        assert!(failure.limit, "{source}: {failure:?}");
        assert!(machine.heap_bytes() < 16 << 20, "{source}: {}", machine.heap_bytes());
        assert!(expect_failure(restore_copy(&machine).run(u64::MAX, &TURN)).limit, "{source}");
    }
}

#[test]
fn ended_generators_leave_nothing_in_the_heap() {
    let source = "function* g(n) { const big = 'x'.repeat(1000) + n; yield big; yield big.length } async function* h() { yield 1; yield 2 } for (let i = 0; i < 20000; i++) { for (const x of g(i)) break; const [a] = g(i); for await (const x of h()) break }";
    let (_, stop) = run_with_limits(source, Limits { heap_bytes: 12 << 20, ..Limits::default() });
    assert_eq!(stop, StopReason::Complete(Json::Null));
}

#[test]
fn error_in_a_loop_keeps_its_location() {
    for values in ["[1]", "g()", "new Set([1])"] {
        let source = format!("function* g() {{ yield 1 }}\nfor (const x of {values}) {{\n  null.x;\n}}");
        let (machine, stop) = run_with_limits(&source, Limits::default());
        assert_eq!(expect_failure(stop).line, 3, "{source}");
        let failure = expect_failure(restore_copy(&machine).run(u64::MAX, &TURN));
        assert_eq!(failure.line, 3, "{source}");
    }
}

#[test]
fn bytecode_that_yields_outside_a_generator_is_refused() {
    let enter = json!({ "op": 96, "arg": { "name": "", "entry": 1, "params": 1, "slots": ["input"] } });
    let generator = |more: Json| {
        let mut function = json!({ "name": "g", "entry": 3, "slots": [], "generator": true });
        function.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        json!([enter, { "op": 97, "arg": function }, { "op": 255 }, { "op": 135 }, { "op": 1, "arg": 1 },
            { "op": 136, "arg": { "target": 6 } }, { "op": 49 }])
    };
    let cases = [
        (json!([enter, { "op": 135 }, { "op": 255 }]), "yields"),
        (json!([enter, { "op": 1, "arg": 1 }, { "op": 136, "arg": { "target": 3 } }, { "op": 255 }]), "yields"),
        (json!([enter, { "op": 1, "arg": 1 }, { "op": 137 }, { "op": 255 }]), "yields"),
        (json!([enter, { "op": 138, "arg": { "slot": 1, "target": 2 } }, { "op": 255 }]), "names slot 1"),
        (json!([enter, { "op": 139, "arg": 2 }, { "op": 255 }]), "takes 1 operands"),
        (generator(json!({ "kind": "class" })), "cannot be a generator"),
        (generator(json!({ "async": true })), "cannot be a generator"),
        (
            generator(json!({ "handlers": [{ "start": 4, "end": 5, "target": 6, "depth": 0, "slot": 0 }] })),
            "names slot 0",
        ),
        (json!([enter, { "op": 1, "arg": { "$symbol": "Symbol.species" } }, { "op": 255 }]), "a constant"),
    ];
    for (wire, message) in cases {
        let wire: Vec<crate::Instruction> = serde_json::from_value(wire).unwrap();
        let error = VerifiedProgram::decode(&wire).unwrap_err();
        assert!(error.message.contains(message), "{error}");
    }
    let valid: Vec<crate::Instruction> = serde_json::from_value(generator(json!({}))).unwrap();
    VerifiedProgram::decode(&valid).unwrap();
}
