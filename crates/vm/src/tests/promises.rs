//! Promises, tasks and open calls: answered in any order, stopped at any instruction, limited, damaged.
//! `tests/language/programs/tasks.ts` compares their order with Node.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{
    TURN, expect_call, expect_failure, pages, program, record_calls, refusal, reply, restore_copy, start, state_text,
};
use crate::entry_encoder::EntryEncoder;
use crate::{InspectBounds, Limits, MAX_OPEN_CALLS, Machine, PendingCall, Reply, StopReason, VerifiedProgram};

const FAN_OUT: &str = "async function ask(q, n) { const out = []; for (let i = 0; i < n; i++) { try { out.push(await CC(q + i, { key: q })) } catch (e) { out.push(e.name) } finally { await null } } return out } const results = await Promise.all([ask('a', 3), ask('b', 2), ask('c', 1), CC.all([]), (async () => { for await (const x of [call('t', 1), ask('d', 1)]) console.log('element', x) })()]); console.log(JSON.stringify(results)); class A { #x = 2; async m(...r) { return this.#x + r.length + (await CC('m')).length * (await this.n()) } async n() { await sleep(5); return 3 } } console.log(await new A().m(1, 2), await Promise.race([await CC('r1'), ask('r', 1)]), await Promise.allSettled([ask('s', 1), Promise.reject(1)]))";

/// The reply depends on the call only, so the results do not depend on the order of the answers.
fn reply_to(call: &PendingCall) -> Reply {
    match call.request.prompt.as_str() {
        "a1" => Reply::Error { name: "CallError".to_owned(), message: "no".to_owned(), code: Json::Null },
        prompt => Reply::Value(json!(format!("{prompt}!"))),
    }
}

/// Runs a program to its end, and answers its calls in the order of a seed. Every `stride` instructions it is saved and
/// restored.
pub(super) fn run_in_order(source: &str, stride: u64, mut seed: u64) -> (Vec<String>, StopReason, u64) {
    let mut machine = start(source);
    let mut output = Vec::new();
    loop {
        let stop = machine.run(if stride == 0 { u64::MAX } else { stride }, &TURN);
        output.extend(machine.take_output());
        if stride > 0 {
            machine = restore_copy(&machine);
        }
        match stop {
            StopReason::Fuel => {}
            StopReason::Waiting(calls) => {
                assert_eq!(machine.open_calls(), calls);
                record_calls(&mut machine);
                assert!(machine.open_calls().iter().all(|call| call.record.is_some()));
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let chosen = calls.iter().find(|call| call.is_blocking);
                let call = chosen.unwrap_or(&calls[(seed >> 33) as usize % calls.len()]);
                machine.settle(call.number, &reply_to(call)).unwrap();
                if seed.is_multiple_of(3)
                    && let Some(other) = machine.open_calls().first().cloned()
                {
                    machine.settle(other.number, &reply_to(&other)).unwrap();
                }
            }
            stop => return (output, stop, machine.instructions()),
        }
    }
}

#[test]
fn tasks_restored_at_any_instruction_run_the_same() {
    let unstopped = run_in_order(FAN_OUT, 0, 1);
    assert_eq!(unstopped.1, StopReason::Complete(Json::Null), "{unstopped:?}");
    for stride in [1, 7, 50] {
        assert_eq!(run_in_order(FAN_OUT, stride, 1), unstopped, "every {stride}");
    }
}

#[test]
fn open_calls_may_be_answered_in_any_order() {
    let sorted = |seed| {
        let (mut output, stop, _) = run_in_order(FAN_OUT, 0, seed);
        assert_eq!(stop, StopReason::Complete(Json::Null), "{output:?}");
        output.sort();
        output
    };
    let expected = sorted(0);
    for seed in 1..60 {
        assert_eq!(sorted(seed), expected, "seed {seed}");
    }
}

#[test]
fn waiting_machine_waits_for_the_same_calls_until_they_are_settled() {
    let mut machine = start("const t = async (q) => console.log(q, await CC(q)); t('a'); t('b'); console.log('end')");
    let StopReason::Waiting(calls) = machine.run(u64::MAX, &TURN) else { panic!("it does not wait") };
    let shown: Vec<_> =
        calls.iter().map(|call| (call.number, call.request.prompt.as_str(), call.record.is_none())).collect();
    assert_eq!(shown, [(1, "a", true), (2, "b", true)]);
    assert_eq!(machine.calls(), 2);
    assert_eq!(restore_copy(&machine).run(1, &TURN), StopReason::Waiting(calls));
    record_calls(&mut machine);
    let mut copy = restore_copy(&machine);
    assert_eq!(copy.open_calls(), machine.open_calls());
    let before = state_text(&machine);
    assert!(machine.settle(3, &Reply::Nothing).is_err());
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    assert!(machine.settle(1, &Reply::Value(deep)).is_err());
    assert_eq!(state_text(&machine), before, "a refused result changes nothing");
    copy.settle(2, &Reply::Value(json!(2))).unwrap();
    assert!(copy.settle(2, &Reply::Value(json!(2))).is_err(), "it is not open any more");
    assert!(
        matches!(copy.run(u64::MAX, &TURN), StopReason::Waiting(calls) if calls.len() == 1 && calls[0].number == 1)
    );
    copy.refuse(vec![refusal(1, "refused")]).unwrap();
    let failure = expect_failure(copy.run(u64::MAX, &TURN));
    assert_eq!((failure.name.as_str(), failure.message.as_str()), ("TypeError", "refused"));
    assert_eq!(copy.take_output(), ["end", "b 2"]);
}

const AWAITED: &str = "const t = async (i) => CC(`question ${i}`, { choices: ['a'] }); \
    const all = Promise.all(Array.from({ length: N }, (_, i) => t(i))); console.log((await all).length)";

/// A machine that waits for `count` calls, as the host has recorded and saved it.
fn awaiting(count: usize) -> Machine {
    let mut machine = start(&AWAITED.replace('N', &count.to_string()));
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(calls) if calls.len() == count));
    record_calls(&mut machine);
    machine.mark_clean();
    machine
}

#[test]
fn an_answer_saves_as_much_however_many_calls_are_awaited() {
    let saved_bytes = |machine: &Machine| {
        let changed: usize = machine.dirty_pages().into_iter().map(|page| machine.encode_page(page).len()).sum();
        (machine.save().machine.to_string().len(), changed)
    };
    let measure = |count| {
        let mut machine = awaiting(count);
        let mut answer = |call| {
            machine.settle(call, &Reply::Value(json!("a"))).unwrap();
            assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)));
            let bytes = saved_bytes(&machine);
            machine.mark_clean();
            bytes
        };
        // What the start has allocated may be collected with the first answer.
        answer(count as u64 / 2);
        let bytes = answer(count as u64 / 2 + 1);
        restore_copy(&machine);
        bytes
    };
    // Fewer calls do not fill the pages that an answer changes.
    let (few, many) = (measure(200), measure(1_000));
    assert!(many.0 < few.0 + 50, "the head: {few:?}, {many:?}");
    assert!(many.1 < 2 * few.1, "the pages: {few:?}, {many:?}");
}

#[test]
fn open_calls_that_an_earlier_version_has_saved_in_the_head_are_read() {
    let mut machine = awaiting(3);
    let mut saved = machine.save();
    let mut encoder = EntryEncoder::exact(&machine.heap);
    let listed: Vec<Json> = machine.tasks.open_calls.iter().map(|call| call.encode(&mut encoder)).collect();
    let tasks = saved.machine["tasks"].as_object_mut().unwrap();
    assert!(tasks.shift_remove("open").is_some() && tasks.insert("calls".to_owned(), listed.into()).is_none());
    let pages: Vec<_> = pages(&machine).iter().map(|page| Ok(serde_json::from_str(page).unwrap())).collect();
    let mut earlier = Machine::restore(machine.program.clone(), &saved, pages, Limits::default()).unwrap();
    assert_eq!((state_text(&earlier), earlier.open_calls()), (state_text(&machine), machine.open_calls()));
    earlier.mark_clean();
    for machine in [&mut restore_copy(&earlier), &mut earlier, &mut machine] {
        reply(machine, &[0; 3].map(|_| Reply::Value(json!("a"))));
        assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Complete(Json::Null));
        assert_eq!(machine.take_output(), ["3"]);
    }
}

#[test]
fn damaged_open_calls_are_refused() {
    let machine = awaiting(2);
    let saved = machine.save();
    let texts = pages(&machine);
    let restore = |from: &str, to: &str| {
        assert!(texts.iter().any(|page| page.contains(from)), "{from}: {texts:?}");
        let pages = texts.iter().map(|page| Ok(serde_json::from_str(&page.replacen(from, to, 1)).unwrap()));
        Machine::restore(machine.program.clone(), &saved, pages, Limits::default()).map(drop)
    };
    assert_eq!(restore("question", "question"), Ok(()));
    for (from, to) in [
        (r#"\"number\":2"#, r#"\"number\":1"#),
        (r#"\"number\":2"#, r#"\"number\":-2"#),
        (r#"\"prompt\""#, r#"\"promp\""#),
        (r#"{\"kind\""#, r#"[\"kind\""#),
        (r#"\"record\":[\"call 1\""#, r#"\"record\":[7"#),
    ] {
        assert!(restore(from, to).is_err(), "{to}");
    }
    for reference in [json!(9_999), json!(1), json!("a")] {
        let mut saved = machine.save();
        saved.machine["tasks"]["open"] = reference;
        let pages = texts.iter().map(|page| Ok(serde_json::from_str(page).unwrap()));
        assert!(Machine::restore(machine.program.clone(), &saved, pages, Limits::default()).is_err());
    }
}

#[test]
fn blocking_call_stops_with_the_open_calls() {
    let source = "const t = async (q) => console.log(q, await CC(q)); t('a'); try { console.log('b', CC('b')) } catch (e) { console.log(e.message) } console.log(CC.all(['c', 'd'])); console.log('last')";
    let mut machine = start(source);
    let StopReason::Waiting(calls) = machine.run(u64::MAX, &TURN) else { panic!("it does not wait") };
    let shown: Vec<_> = calls.iter().map(|call| (call.number, call.is_blocking)).collect();
    assert_eq!(shown, [(1, false), (2, true)]);
    // The task of the first call continues when the blocking call has returned.
    machine.settle(1, &Reply::Value(json!("A"))).unwrap();
    let mut machine = restore_copy(&machine);
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(calls) if calls.len() == 1));
    assert!(machine.take_output().is_empty());
    machine
        .settle(2, &Reply::Error { name: "CallError".to_owned(), message: "failed".to_owned(), code: Json::Null })
        .unwrap();
    let stop = machine.run(u64::MAX, &TURN);
    assert!(matches!(&stop, StopReason::Waiting(calls) if calls.len() == 2), "{stop:?}");
    reply(&mut machine, &[Reply::Value(json!("C")), Reply::Value(json!("D"))]);
    assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Complete(Json::Null));
    assert_eq!(machine.take_output(), ["failed", "[ 'C', 'D' ]", "last", "a A"]);
}

#[test]
fn blocking_group_among_open_calls_returns_all_answers() {
    let mut machine =
        start("const t = async (q) => console.log(q, await CC(q)); t('a'); console.log(CC.all(['c', 'd']))");
    let StopReason::Waiting(calls) = machine.run(u64::MAX, &TURN) else { panic!("it does not wait") };
    assert_eq!(calls.iter().filter(|call| call.is_blocking).map(|call| call.number).collect::<Vec<_>>(), [2, 3]);
    for number in [3, 1, 2] {
        assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)));
        machine = restore_copy(&machine);
        machine.settle(number, &Reply::Value(json!(number))).unwrap();
    }
    assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Complete(Json::Null));
    assert_eq!(machine.take_output(), ["[ 2, 3 ]", "a 1"]);
}

#[test]
fn open_call_shows_the_function_that_awaits_it() {
    let source = "const all = [1];\nclass A { constructor(n) { this.n = n }\n async ask(q) { const own = q + this.n; return await CC(own) } }\nconst p = new A(2).ask('x'), r = new A(3).ask('y'); setTimeout(() => 1, 5); await CC('top')";
    let mut machine = start(source);
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(calls) if calls.len() == 4));
    let shown = machine.awaiting_function(2, InspectBounds::default()).unwrap();
    assert_eq!((shown.function.as_str(), shown.line, shown.column), ("ask", 3, 48));
    let variables: Vec<_> = shown.variables.iter().map(|one| (one.name.as_str(), one.value.text.as_str())).collect();
    assert_eq!(variables, [("this", "A { n: 3 }"), ("q", "'y'"), ("own", "'y3'")]);
    assert!([3, 4, 5].iter().all(|number| machine.awaiting_function(*number, InspectBounds::default()).is_none()));
    let variables = machine.call_variables(1, 1_000);
    assert_eq!((&variables["own"], &variables["all"]), (&json!("x2"), &json!([1])));
    assert!(machine.call_variables(4, 1_000).get("own").is_none());
}

const RACE: &str = "async function ask() { return await CC('q') } async function late(ms) { await sleep(ms); return 'late' } const timer = (ms) => new Promise((resolve) => setTimeout(resolve, ms, 'timer'));";

#[test]
fn call_that_lost_a_race_does_not_keep_the_execution_open() {
    for (result, winner) in [
        ("Promise.race([ask(), late(5)])", 2),
        ("Promise.race([ask(), late('1h')])", 1),
        ("Promise.race([ask(), timer(5)])", 2),
        ("Promise.race([ask(), timer(5)])", 1),
        ("Promise.race([ask().then(undefined), Promise.race([late(5)])])", 2),
        ("Promise.any([ask(), late(5)])", 2),
        ("Promise.race([Promise.all([ask(), ask()]), Promise.allSettled([late(5)])])", 3),
        ("Promise.all([ask(), late(5).then(() => Promise.reject(new Error('e')))]).catch(() => 1)", 2),
    ] {
        let mut machine = start(&format!("{RACE} async function main() {{ return await {result} }}"));
        let StopReason::Waiting(calls) = machine.run(u64::MAX, &TURN) else { panic!("{result}") };
        super::record_calls(&mut machine);
        machine.settle(winner, &Reply::Value(json!("a"))).unwrap();
        let mut machine = restore_copy(&machine);
        assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Complete(_)), "{result}");
        assert!(machine.open_calls().is_empty(), "{result}");
        assert_eq!(machine.take_cancelled().len(), calls.len() - 1, "{result}");
    }
}

#[test]
fn call_that_has_lost_before_the_program_waits_is_cancelled() {
    let mut machine = start(&format!("{RACE} async function main() {{ return await Promise.any([ask(), 'first']) }}"));
    assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Complete(json!("first")));
    assert!(machine.open_calls().is_empty());
}

#[test]
fn call_with_effects_keeps_the_execution_open() {
    for result in [
        "(ask(), late(5))",
        "Promise.race([(async () => { const a = await CC('q'); console.log(a); return a })(), late(5)])",
        "Promise.race([(async () => { try { return await CC('q') } finally { console.log('end') } })(), late(5)])",
        "Promise.race([ask().then((a) => console.log(a)), late(5)])",
        "Promise.race([(async () => { const p = ask(); p.finally(() => console.log('done')); return await p })(), late(5)])",
    ] {
        let mut machine = start(&format!("{RACE} async function main() {{ return await {result} }}"));
        assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)), "{result}");
        machine.settle(2, &Reply::Nothing).unwrap();
        let StopReason::Waiting(calls) = machine.run(u64::MAX, &TURN) else { panic!("{result}") };
        assert_eq!(calls.iter().map(|call| call.number).collect::<Vec<_>>(), [1], "{result}");
        machine.settle(1, &Reply::Value(json!("a"))).unwrap();
        assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Complete(_)), "{result}");
    }
}

#[test]
fn deadlock_names_the_pending_awaits() {
    let source = "async function waits() {\n  await new Promise(() => {});\n}\nasync function main() {\n  await Promise.all([waits(), 1]);\n}";
    let mut machine = start(source);
    let failure = expect_failure(machine.run(u64::MAX, &TURN));
    assert_eq!((failure.name.as_str(), failure.limit), ("DeadlockError", false));
    assert_eq!(failure.stack, ["at waits (2:3)", "at main (5:3)", "at <program> (4:1)"], "{failure:?}");
    assert!(failure.message.ends_with("at waits (2:3), at main (5:3), at <program> (4:1)"), "{}", failure.message);
    assert_eq!(expect_failure(restore_copy(&machine).run(u64::MAX, &TURN)), failure, "it fails again");
}

#[test]
fn unhandled_rejection_fails_at_the_location_of_its_error() {
    let source = "async function lost() {\n  await null;\n  throw new RangeError('r');\n}\nlost();\nasync function main() { await CC('q'); console.log('never') }";
    let mut machine = start(source);
    let failure = expect_failure(machine.run(u64::MAX, &TURN));
    assert_eq!((failure.name.as_str(), failure.message.as_str()), ("RangeError", "r"));
    assert_eq!((failure.line, failure.stack.first().map(String::as_str)), (3, Some("at lost (3:9)")), "{failure:?}");
    assert_eq!(expect_failure(restore_copy(&machine).run(u64::MAX, &TURN)), failure, "it fails again");
}

#[test]
fn stack_trace_lists_the_functions_that_await() {
    let source = "async function inner() {\n  await null;\n  throw new Error('deep');\n}\nasync function outer() {\n  await inner();\n}\nasync function main() {\n  await Promise.all([1, outer()]);\n}";
    let failure = expect_failure(start(source).run(u64::MAX, &TURN));
    let expected = [
        "at inner (3:9)",
        "at async outer (6:3)",
        "at async Promise.all (index 1)",
        "at async main (9:3)",
        "at async <program> (8:1)",
    ];
    assert_eq!(failure.stack, expected);
}

#[test]
fn failed_await_of_the_program_fails_again() {
    let mut machine = start("async function main() { await null; throw new TypeError('from main') }");
    let failure = expect_failure(machine.run(u64::MAX, &TURN));
    assert_eq!((failure.name.as_str(), failure.line, failure.column), ("TypeError", 1, 43));
    assert_eq!(expect_failure(restore_copy(&machine).run(u64::MAX, &TURN)), failure);
}

#[test]
fn endless_jobs_use_fuel() {
    let endless = [
        "const f = () => Promise.resolve().then(f); f()",
        "async function f() { for (;;) await null } f()",
        "async function f() { await null; return f() } f()",
        "const t = { then(r) { r(t) } }; Promise.resolve(t)",
        "async function f() { while (true) { try { await Promise.reject(1) } catch {} } } f()",
    ];
    for source in endless {
        let mut machine = start(source);
        for _ in 0..5 {
            assert_eq!(machine.run(10_000, &TURN), StopReason::Fuel, "{source}");
            machine = restore_copy(&machine);
        }
        let limits = Limits { instructions: 50_000, ..Limits::default() };
        let mut machine = Machine::start(program(source), &Json::Null, [7; 32], limits).unwrap();
        let failure = expect_failure(machine.run(u64::MAX, &TURN));
        assert!(failure.limit && failure.message.contains("instruction limit"), "{source}: {failure:?}");
    }
}

#[test]
fn pending_promises_are_limited_by_the_heap() {
    let hostile = [
        "const all = []; for (let i = 0; i < 1000000; i++) all.push(new Promise(() => {})); await Promise.all(all)",
        "const f = async () => { await new Promise(() => {}) }; const all = []; for (let i = 0; i < 1000000; i++) all.push(f())",
        "const p = new Promise(() => {}); for (let i = 0; i < 1000000; i++) p.then(() => i)",
        "for (let i = 0; i < 1000000; i++) Promise.resolve(i).then(() => i)",
        "const f = async () => { f(); f(); await null }; f()",
        "const all = []; for (let i = 0; i < 1000000; i++) all.push(Promise.reject(i))",
    ];
    for source in hostile {
        let limits = Limits { heap_bytes: 4 << 20, instructions: 20_000_000, ..Limits::default() };
        let mut machine = Machine::start(program(source), &Json::Null, [7; 32], limits).unwrap();
        let failure = expect_failure(machine.run(u64::MAX, &TURN));
        assert!(failure.limit, "{source}: {failure:?}");
        assert!(machine.heap_bytes() < 16 << 20, "{source}: {}", machine.heap_bytes());
        assert!(expect_failure(restore_copy(&machine).run(u64::MAX, &TURN)).limit, "{source}");
    }
}

#[test]
fn settled_tasks_leave_nothing_in_the_heap() {
    let source = "async function f(x) { await x; return Promise.resolve(x) } async function main() { for (let i = 0; i < 20000; i++) { await f(i); await f(i).then((v) => v).finally(() => {}); await Promise.all([f(i)]); await Promise.reject(i).catch(() => {}) } }";
    let limits = Limits { heap_bytes: 12 << 20, ..Limits::default() };
    let mut machine = Machine::start(program(source), &Json::Null, [7; 32], limits).unwrap();
    assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Complete(Json::Null));
}

#[test]
fn open_calls_are_limited_in_number_and_size() {
    let source = |count: usize, prompt: &str| {
        format!(
            "const ask = async (i) => {{ try {{ return await CC({prompt}) }} catch (e) {{ return e.message }} }}; const all = []; for (let i = 0; i < {count}; i++) all.push(ask(i)); console.log((await Promise.all(all)).at(-1))"
        )
    };
    let mut machine = start(&source(MAX_OPEN_CALLS + 1, "'q'"));
    let StopReason::Waiting(calls) = machine.run(u64::MAX, &TURN) else { panic!("it does not wait") };
    assert_eq!(calls.len(), MAX_OPEN_CALLS);
    for call in calls {
        machine.settle(call.number, &Reply::Value(json!("a"))).unwrap();
    }
    assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Complete(Json::Null));
    assert_eq!(machine.take_output(), ["at most 1000 calls are open at once, not 1001"]);
    let mut machine = start(&source(20, "'x'.repeat(1000000)"));
    let StopReason::Waiting(calls) = machine.run(u64::MAX, &TURN) else { panic!("it does not wait") };
    assert_eq!(calls.len(), 8);
    for call in calls {
        machine.settle(call.number, &Reply::Value(json!("a"))).unwrap();
    }
    assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Complete(Json::Null));
    assert_eq!(machine.take_output(), ["call payload limit reached: 8388608 bytes in all questions of CC.all"]);
}

#[test]
fn damaged_state_of_tasks_is_refused_or_ends_with_an_error() {
    let mut machine = start(FAN_OUT);
    machine.run(400, &TURN);
    let mut states = vec![restore_copy(&machine)];
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Waiting(_)));
    machine.settle(2, &Reply::Value(json!("b"))).unwrap();
    states.push(restore_copy(&machine));
    machine.run(3, &TURN);
    states.push(restore_copy(&machine));
    damage_states(&states);
}

/// Damages each part of the states, and runs those that are accepted.
pub(super) fn damage_states(states: &[Machine]) {
    for machine in states {
        let saved = machine.save();
        let text: Vec<String> = pages(machine);
        let whole = json!({ "saved": saved, "pages": text.iter().map(|page| serde_json::from_str::<Json>(page).unwrap()).collect::<Vec<_>>() });
        let leaves = count_leaves(&whole);
        for seed in 0..leaves as u64 * 3 {
            let mut damaged = whole.clone();
            let mut at = seed as usize % leaves;
            damage_leaf(&mut damaged, &mut at, seed / leaves as u64);
            let Ok(saved) = serde_json::from_value(damaged["saved"].clone()) else { continue };
            let pages = damaged["pages"].as_array().cloned().unwrap_or_default().into_iter().map(Ok);
            let limits = Limits { instructions: 100_000, heap_bytes: 8 << 20, ..Limits::default() };
            let Ok(mut restored) = Machine::restore(Arc::clone(&machine.program), &saved, pages, limits) else {
                continue;
            };
            for _ in 0..60 {
                match restored.run(50_000, &TURN) {
                    StopReason::Waiting(calls) => {
                        let _ = restored.settle(calls[0].number, &reply_to(&calls[0]));
                    }
                    StopReason::Fuel => {}
                    _ => break,
                }
            }
            let _ = restored.save();
        }
    }
}

fn count_leaves(json: &Json) -> usize {
    match json {
        Json::Array(list) => list.iter().map(count_leaves).sum(),
        Json::Object(members) => members.values().map(count_leaves).sum(),
        _ => 1,
    }
}

/// Changes the leaf of a number.
fn damage_leaf(json: &mut Json, at: &mut usize, kind: u64) {
    match json {
        Json::Array(list) => list.iter_mut().for_each(|one| damage_leaf(one, at, kind)),
        Json::Object(members) => members.values_mut().for_each(|one| damage_leaf(one, at, kind)),
        leaf => {
            if *at == 0 {
                *leaf = match (leaf.as_u64(), kind) {
                    (Some(number), 0) => json!(number + 1),
                    (Some(number), 1) => json!(number.saturating_sub(1)),
                    (Some(_), _) => json!(3),
                    (None, 0) => json!(1),
                    (None, 1) => json!({ "$ref": 5 }),
                    (None, _) => json!("then"),
                };
            }
            *at = at.wrapping_sub(1);
        }
    }
}

#[test]
fn long_chain_of_bound_functions_is_limited() {
    let chain = |count: u32| {
        format!(
            "let f: any = (...a) => a.join(); for (let i = 0; i < {count}; i++) f = f.bind(null, i); console.log(f('x'))"
        )
    };
    let mut machine = start(&chain(5));
    assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Complete(Json::Null));
    assert_eq!(machine.take_output(), ["0,1,2,3,4,x"]);
    let failure = expect_failure(start(&chain(20_000)).run(u64::MAX, &TURN));
    assert!(failure.limit && failure.message.contains("call depth"), "{failure:?}");
}

#[test]
fn program_without_promises_has_no_state_of_tasks() {
    let mut machine = start("const a = await CC('q'); await null; console.log(await a, [1].map((x) => x))");
    expect_call(machine.run(u64::MAX, &TURN));
    machine.answer(&json!("a")).unwrap();
    assert!(machine.save().machine.get("tasks").is_none());
    assert!(!state_text(&machine).contains("tasks"));
}

/// Programs of the version that ran async functions inline.
#[test]
fn programs_with_inline_async_functions_run() {
    let programs: Vec<Json> = serde_json::from_str(include_str!("inline_async.json")).unwrap();
    for one in programs {
        let wire: Vec<crate::Instruction> = serde_json::from_value(one["bytecode"].clone()).unwrap();
        let program = Arc::new(VerifiedProgram::decode(&wire).unwrap());
        let mut machine = Machine::start(program, &Json::Null, [7; 32], Limits::default()).unwrap();
        let mut output = Vec::new();
        let result = loop {
            let stop = machine.run(u64::MAX, &TURN);
            output.extend(machine.take_output());
            machine = restore_copy(&machine);
            match stop {
                StopReason::Waiting(calls) => {
                    machine.answer(&json!(format!("{}!", calls[0].request.prompt))).unwrap();
                }
                StopReason::Complete(result) => break result,
                other => panic!("{}: {other:?}", one["source"]),
            }
        };
        let lines: Vec<String> = serde_json::from_value(one["lines"].clone()).unwrap();
        assert_eq!((&output, &result), (&lines, &one["result"]), "{}", one["source"]);
        assert_eq!(json!(state_text(&machine)), one["state"]);
    }
}
