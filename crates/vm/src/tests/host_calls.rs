//! Host calls of a program: tools, timers, files, several calls at once, and invalid calls.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::super::{
    CallKey, CallRequest, Instruction, Limits, MAX_OPEN_CALLS, Machine, Reply, StopReason, VerifiedProgram,
};
use super::{
    PROGRAMS, TURN, bytecode, expect_call, expect_calls, expect_failure, program, refusal, reply, restore_copy,
    run_with_limits, start, throw,
};

/// The output of a program that completes without a host call.
#[track_caller]
fn run_and_take_output(source: &str) -> Vec<String> {
    let mut machine = start(source);
    let stop = machine.run(u64::MAX, &TURN);
    assert!(matches!(stop, StopReason::Complete(_)), "{source}: {stop:?}");
    machine.take_output()
}

fn call_key(key: &str, occurrence: u64) -> Option<CallKey> {
    Some(CallKey { key: key.to_owned(), occurrence })
}

#[test]
fn every_form_of_host_call_yields_its_request() {
    let options = json!({"choices": ["a"], "key": "k", "timeoutMs": 5, "default": null, "schema": {"type": "string"}});
    let options_source = "{ choices: ['a'], key: 'k', timeoutMs: 5, default: null, schema: { type: 'string' } }";
    let now = TURN.now_ms;
    for (source, kind, prompt, args, options, key) in [
        ("CC('q')".to_owned(), "cc", "q", Json::Null, Json::Null, None),
        ("CC(5, undefined)".to_owned(), "cc", "5", Json::Null, Json::Null, None),
        ("CC('q', { timeoutMs: '1.5h' })".to_owned(), "cc", "q", Json::Null, json!({"timeoutMs": 5_400_000}), None),
        ("CC('q', {})".to_owned(), "cc", "q", Json::Null, json!({}), None),
        (format!("CC('q', {options_source})"), "cc", "q", Json::Null, options.clone(), call_key("k", 1)),
        (
            format!(
                "const o = {options_source}; CC('q', {{ ...o, choices: undefined, key: undefined, schema: undefined }})"
            ),
            "cc",
            "q",
            Json::Null,
            json!({"timeoutMs": 5, "default": null}),
            None,
        ),
        ("call('t')".to_owned(), "t", "", Json::Null, Json::Null, None),
        ("call('t', undefined, null)".to_owned(), "t", "", Json::Null, Json::Null, None),
        (
            format!("call('web.get', [1, {{ a: NaN }}], {options_source})"),
            "web.get",
            "",
            json!([1, {"a": null}]),
            options,
            call_key("k", 1),
        ),
        ("sleep(1.5)".to_owned(), "timer", "", Json::Null, json!({"timeoutMs": 2}), None),
        ("sleep('250ms')".to_owned(), "timer", "", Json::Null, json!({"timeoutMs": 250}), None),
        ("sleep('2d')".to_owned(), "timer", "", Json::Null, json!({"timeoutMs": 172_800_000}), None),
        (format!("sleepUntil({now} + 1)"), "timer", "", Json::Null, json!({"until": now + 1}), None),
        (
            "sleepUntil('2024-01-01T01:00:00+01:00')".to_owned(),
            "timer",
            "",
            Json::Null,
            json!({"until": 1_704_067_200_000_i64}),
            None,
        ),
        ("fs.readFile('a/b')".to_owned(), "fs.readFile", "", json!({"path": "a/b"}), Json::Null, None),
        ("fs.listFiles('')".to_owned(), "fs.listFiles", "", json!({"path": ""}), Json::Null, None),
        ("fs.writeFile('p', '')".to_owned(), "fs.writeFile", "", json!({"path": "p", "text": ""}), Json::Null, None),
    ] {
        let mut machine = start(&source);
        let request = expect_call(machine.run(u64::MAX, &TURN));
        assert_eq!(
            (request.kind.as_str(), request.prompt.as_str(), &request.args, &request.options, &request.key),
            (kind, prompt, &args, &options, &key),
            "{source}"
        );
        assert_eq!(
            (request.instruction, request.line, machine.open_calls().len(), machine.calls()),
            (machine.pc(), 1, 1, 1)
        );
        assert_eq!(
            expect_call(restore_copy(&machine).run(1, &TURN)),
            request,
            "{source}: restored, it makes another request"
        );
    }
}

#[test]
fn invalid_host_call_throws_an_error_that_can_be_caught() {
    let cyclic = "const o: any = {}; o.o = [o]; ";
    let deep = "let o: any = 1; for (let i = 0; i < 70; i++) o = [o]; ";
    let invalid_calls = [
        "const p: any = { prompt: 'q' }; CC(p)",
        "const p: any = ['q']; CC(p)",
        "const p: any = null; CC(p)",
        "let p: any; CC(p)",
        "let p: any = true; CC(p)",
        "const o: any = { timeout: 1 }; CC('q', o)",
        "CC('q', 'now' as any)",
        "CC('q', [])",
        "CC('q', { key: '' })",
        "CC('q', { key: 'é'.repeat(101) })",
        "CC('q', { key: 'a\\n' })",
        "CC('q', { key: '\\ud800' })",
        "CC('q', { key: 5 as any })",
        "const t: any = '5'; CC('q', { timeoutMs: t })",
        "CC('q', { timeoutMs: 0 })",
        "CC('q', { timeoutMs: 0 / 0 })",
        "CC('q', { timeoutMs: 4e12 })",
        "CC('q', { default: () => 1 })",
        &format!("{cyclic} CC('q', {{ default: o }})"),
        &format!("{deep} CC('q', {{ default: o }})"),
        "CC('q', { signal: {} as any })",
        "class AbortSignal { #reason = 1 } call('t', 1, { signal: new AbortSignal() as any })",
        "const o = { signal: new AbortController().signal }; CC('q', o)",
        "CC.all(['a', { prompt: 'b', signal: AbortSignal.abort() }])",
        "call(5 as any)",
        "call('')",
        "call('x'.repeat(101))",
        "call('cc')",
        "call('timer')",
        "call('fs.readFile', { path: 'p' })",
        &format!("{cyclic} call('t', o)"),
        "call('t', new Map())",
        "call('t', {}, { ['x'.repeat(1e6)]: 1 })",
        "const o: any = { retries: 1 }; call('t', {}, o)",
        "sleep(Infinity)",
        "sleep(0 / 0)",
        "let t: any; sleep(t)",
        "const t: any = null; sleep(t)",
        "const t: any = {}; sleep(t)",
        "const t: any = true; sleep(t)",
        "const t: any = '5'; sleep(t)",
        "const t: any = 'soon'; sleep(t)",
        "sleep(3155760000001)",
        "sleepUntil(Infinity)",
        "sleepUntil(NaN)",
        "sleepUntil('tomorrow')",
        "sleepUntil('x'.repeat(1e6))",
        "sleepUntil('2030-01-31T09:00:00')",
        "sleepUntil('2030-01-31T09:00:00+01:00[Europe/Paris]')",
        "sleepUntil(null as any)",
        "fs.readFile(5 as any)",
        "fs.writeFile('p', null as any)",
        "const q: any = 'q'; CC.all(q)",
        "const q: any = ['a', 5]; CC.all(q)",
        "const q: any = new Array(2); q[0] = 'a'; CC.all(q)",
        "const q: any = ['a', {}]; CC.all(q)",
        "const q: any = [{ prompt: 'a', tool: 'b' }]; CC.all(q)",
        "const q: any = [{ prompt: 5 }]; CC.all(q)",
        "const q: any = [{ prompt: 'p', args: 1 }]; CC.all(q)",
        "const q: any = [{ tool: 'cc' }]; CC.all(q)",
        "const q: any = ['a', { prompt: 'b', name: 'c' }]; CC.all(q)",
        "const q: any = [{ tool: 't', args: { f: () => 1 } }]; CC.all(q)",
        "CC.all(new Array(1001).fill('q'))",
    ];
    let mut messages = Vec::new();
    for source in invalid_calls {
        let lines = run_and_take_output(&format!(
            "try {{ {source}; console.log('asked') }} catch (e) {{ console.log(`${{e.name}}: ${{e.message}}`) }}"
        ));
        messages.push(format!("{source}\n    {}", lines.join("\n")));
        let (mut machine, stop) = run_with_limits(source, Limits::default());
        let failure = expect_failure(stop);
        assert_eq!(vec![format!("{}: {}", failure.name, failure.message)], lines);
        assert_eq!((machine.calls(), machine.open_calls().len()), (0, 0));
        // It is still at the instruction, and a retry fails in the same way.
        assert_eq!(
            expect_failure(restore_copy(&machine).run(u64::MAX, &TURN)),
            expect_failure(machine.run(u64::MAX, &TURN))
        );
    }
    insta::assert_snapshot!(messages.join("\n"));
}

#[test]
fn host_call_without_a_wait_returns_immediately() {
    let source = format!(
        "console.log(sleep(0), sleep(-5), sleep('0s'), sleepUntil({}), sleepUntil('2001-01-01T00:00:00Z'), CC.all([]))",
        TURN.now_ms
    );
    assert_eq!(run_and_take_output(&source), ["undefined undefined undefined undefined undefined []"]);
}

#[test]
fn sleep_and_write_file_always_return_undefined() {
    let mut machine =
        start("console.log([fs.writeFile('p', 'x'), sleep(5), fs.readFile('p'), call('t')].map((x) => typeof x))");
    for _ in 0..4 {
        expect_call(machine.run(u64::MAX, &TURN));
        reply(&mut machine, &[Reply::Value(json!("value"))]);
    }
    machine.run(u64::MAX, &TURN);
    assert_eq!(machine.take_output(), ["[ 'undefined', 'undefined', 'string', 'string' ]"]);
}

#[test]
fn cc_all_stops_once_and_returns_a_list() {
    let mut machine = start(
        "const q = ['a', { prompt: 'b', choices: [1, 2] }, { tool: 't', args: [1], key: 'k' }, { prompt: 'c', key: 'k' }]; const r = CC.all(q); q.length = 0; console.log(r, r.length)",
    );
    let requests = expect_calls(machine.run(u64::MAX, &TURN));
    let kinds: Vec<_> =
        requests.iter().map(|call| (call.kind.as_str(), call.prompt.as_str(), call.key.clone())).collect();
    assert_eq!(
        kinds,
        [("cc", "a", None), ("cc", "b", None), ("t", "", call_key("k", 1)), ("cc", "c", call_key("k", 2))]
    );
    assert_eq!((&requests[1].options, &requests[2].args), (&json!({"choices": [1, 2]}), &json!([1])));
    assert_eq!((machine.open_calls().len(), machine.calls()), (4, 4));

    let mut machine = restore_copy(&machine);
    assert_eq!(expect_calls(machine.run(u64::MAX, &TURN)), requests);
    assert_eq!(expect_calls(machine.run(u64::MAX, &TURN)), requests);

    let replies = [Reply::Value(json!(1)), Reply::Nothing, Reply::Value(json!({"x": []})), Reply::Value(Json::Null)];
    reply(&mut machine, &replies);
    let mut machine = restore_copy(&machine);
    assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Complete(Json::Null));
    assert_eq!(machine.take_output(), ["[ 1, undefined, { x: [] }, null ] 4"]);
}

#[test]
fn cc_all_throws_the_first_error_and_a_retry_repeats_all_calls() {
    let mut machine =
        start("const all = CC.all(['a', { prompt: 'b', key: 'k' }, { prompt: 'c', key: 'k' }]); console.log(all)");
    let first = expect_calls(machine.run(u64::MAX, &TURN));
    let error = |name: &str| Reply::Error { name: name.to_owned(), message: "no".to_owned(), code: Json::Null };
    reply(&mut machine, &[Reply::Value(json!(1)), error("CallError"), error("TimeoutError")]);
    let failure = expect_failure(restore_copy(&machine).run(u64::MAX, &TURN));
    assert_eq!((failure.name.as_str(), failure.message.as_str(), failure.line), ("CallError", "no", 1));
    assert_eq!(expect_failure(machine.run(u64::MAX, &TURN)), failure);
    let second = expect_calls(restore_copy(&machine).run(u64::MAX, &TURN));
    let occurrences = |calls: &[CallRequest]| {
        calls.iter().map(|call| call.key.as_ref().map_or(0, |k| k.occurrence)).collect::<Vec<_>>()
    };
    assert_eq!((occurrences(&first), occurrences(&second)), (vec![0, 1, 2], vec![0, 3, 4]));
    assert_eq!(
        first.iter().map(|call| &call.prompt).collect::<Vec<_>>(),
        second.iter().map(|call| &call.prompt).collect::<Vec<_>>()
    );
}

#[test]
fn errors_of_failed_calls_keep_their_names() {
    for name in ["TimeoutError", "CallError", "PermissionError", "NotFoundError"] {
        let source = "try { fs.readFile('x') } catch (e: any) { console.log(e.name, String(e), e instanceof Error, e instanceof TypeError) } call('t')";
        let mut machine = start(source);
        expect_call(machine.run(u64::MAX, &TURN));
        throw(&mut machine, name, "why");
        expect_call(machine.run(u64::MAX, &TURN));
        assert_eq!(machine.take_output(), [format!("{name} {name}: why true false")]);
        throw(&mut machine, name, "why");
        let failure = expect_failure(machine.run(u64::MAX, &TURN));
        assert_eq!((failure.name.as_str(), failure.message.as_str()), (name, "why"));
    }
}

#[test]
fn call_keys_are_counted_in_the_heap() {
    let source = "for (let i = 0; i < 2000; i++) { try { CC('q', { key: 'key ' + (i % 700) }) } catch (e) {} } let g: any; for (let i = 0; i < 60000; i++) g = { i, t: 'some text ' + i }; CC('end', { key: 'key 0' })";
    let mut machine = start(source);
    for i in 0..2000 {
        let request = expect_call(machine.run(u64::MAX, &TURN));
        assert_eq!(request.key, call_key(&format!("key {}", i % 700), i / 700 + 1));
        if i % 3 == 0 {
            machine.answer(&json!("")).unwrap();
        } else {
            throw(&mut machine, "TypeError", "asked wrongly");
        }
        if i % 400 == 0 {
            machine = restore_copy(&machine);
        }
    }
    // Meanwhile the garbage of the loop is collected and the counts are kept.
    assert_eq!(expect_call(machine.run(u64::MAX, &TURN)).key, call_key("key 0", 4));
    assert!(machine.save().machine.to_string().len() < 500, "the counts are not in the head");
    let (with, without) = (super::state_text(&machine), super::state_text(&start("CC('q')")));
    assert!(with.contains("\"keys\":") && !without.contains("\"keys\":"), "a state without keys keeps its hash");
}

#[test]
fn snapshot_has_the_operands_of_a_blocking_call_and_the_list_of_calls() {
    let mut machine = start("console.log(CC('q', { choices: ['a'] }))");
    let request = expect_call(machine.run(u64::MAX, &TURN));
    let saved = machine.save().machine;
    let call = json!({"kind": "cc", "prompt": "q", "options": {"choices": ["a"]}, "instruction": request.instruction, "line": 1, "number": 1});
    assert_eq!(saved["tasks"], json!({ "calls": [call] }));
    assert_eq!(saved["call"]["operands"].as_array().map(Vec::len), Some(2));
    let members: Vec<&String> = saved.as_object().unwrap().keys().collect();
    assert_eq!(members, ["instructions", "outputBytes", "calls", "call", "tasks"]);
    super::record_calls(&mut machine);
    let record = json!(["call 1", TURN.now_ms]);
    assert_eq!(machine.save().machine["tasks"]["calls"][0]["record"], record);
    assert!(!super::state_text(&machine).contains("record"), "the hash depends on the host");
}

#[test]
fn state_of_an_earlier_version_with_an_open_call_is_refused() {
    let source = "CC('q')";
    let mut machine = start(source);
    machine.run(u64::MAX, &TURN);
    let mut saved = machine.save();
    saved.machine["call"] =
        json!({"kind": "cc", "prompt": "q", "options": null, "instruction": 1, "line": 1, "operands": ["q"]});
    let refused = Machine::restore(program(source), &saved, [], Limits::default()).unwrap_err();
    assert!(refused.message.contains("an earlier version of runstate"), "{refused}");
    let mut saved = machine.save();
    saved.machine["tasks"]["acknowledged"] = json!(1);
    let refused = Machine::restore(program(source), &saved, [], Limits::default()).unwrap_err();
    assert!(refused.message.contains("an earlier version of runstate"), "{refused}");
}

#[test]
fn refused_call_of_a_group_leaves_no_call_of_it() {
    let source = "try { CC.all([{ prompt: 'a', key: 'k' }, { prompt: 'b', key: 'k' }]) } catch (e) { console.log(e.name, e.message) } CC('c', { key: 'k' })";
    let mut machine = start(source);
    assert_eq!(expect_calls(machine.run(u64::MAX, &TURN)).len(), 2);
    machine.refuse(vec![refusal(2, "no such schema")]).unwrap();
    assert_eq!((machine.open_calls().len(), machine.calls()), (0, 0));
    let mut machine = restore_copy(&machine);
    assert_eq!(expect_call(machine.run(u64::MAX, &TURN)).key, call_key("k", 1));
    assert_eq!(machine.take_output(), ["TypeError no such schema"]);
}

#[test]
fn call_payloads_are_limited_singly_and_in_total() {
    let max = MAX_OPEN_CALLS;
    let (machine, stop) = run_with_limits(&format!("CC.all(new Array({max}).fill('q'))"), Limits::default());
    assert_eq!((expect_calls(stop).len(), machine.calls()), (max, max as u64));
    let small = Limits { call_bytes: 100, ..Limits::default() };
    for (source, limit) in [
        ("CC.all(['x'.repeat(101)])", "100 bytes"),
        ("CC.all([{ tool: 't', args: 'x'.repeat(50), default: 'x'.repeat(50) }])", "100 bytes"),
        ("call('t', new Array(101).fill(1))", "100 bytes"),
        ("fs.writeFile('p', 'x'.repeat(100))", "100 bytes"),
        ("let o: any = 1; for (let i = 0; i < 60; i++) o = [o, o]; call('t', o)", "100 bytes"),
        ("CC.all(new Array(9).fill('x'.repeat(90)))", "800 bytes in all questions of CC.all"),
    ] {
        let (machine, stop) = run_with_limits(source, small.clone());
        let failure = expect_failure(stop);
        assert!(
            failure.limit
                && failure.message.starts_with("call payload limit reached: ")
                && failure.message.ends_with(limit),
            "{source}: {failure:?}"
        );
        restore_copy(&machine);
    }
}

#[test]
fn call_above_the_heap_limit_is_made_when_it_is_retried() {
    let limits = Limits { heap_bytes: 1 << 20, ..Limits::default() };
    for (ask, count) in [("CC('x', { key: 'k' })", 1), ("CC.all([{ prompt: 'x', key: 'k' }, 'y'])", 2)] {
        let source = format!("const s = 'x'.repeat(1e5); const a = []; for (let i = 0; i < 15; i++) a.push(s); {ask}");
        let (mut machine, stop) = run_with_limits(&source, limits.clone());
        assert!(expect_failure(stop).message.contains("heap limit"));
        assert!(machine.open_calls().iter().all(|call| call.record.is_none()));
        machine.limits = Limits::default();
        let requests = expect_calls(machine.run(u64::MAX, &TURN));
        assert_eq!((requests.len(), machine.calls()), (count, count as u64));
        assert_eq!(requests[0].key, call_key("k", 1), "it is the same call");
    }
}

/// The heap, with the open calls, is above twice its limit and discarded.
#[test]
fn blocking_call_beside_a_timer_is_restored_without_its_heap() {
    let source = "setTimeout(() => {}, 1); const a = []; for (let i = 0; i < 30; i++) a.push('x'.repeat(1e5)); CC('y')";
    let (mut machine, stop) = run_with_limits(source, Limits { heap_bytes: 1 << 20, ..Limits::default() });
    assert!(expect_failure(stop).message.contains("heap limit"));
    let mut restored = restore_copy(&machine);
    assert_eq!(restored.run(u64::MAX, &TURN), machine.run(u64::MAX, &TURN));
}

#[test]
fn invalid_host_call_bytecode_is_refused() {
    for (arg, message) in [
        (json!({"name": "call", "argc": 4}), "as many arguments as call takes"),
        (json!({"name": "CC.all", "argc": 0}), "as many arguments as CC.all takes"),
        (json!({"name": "CC", "argc": 1}), "the name of a host function"),
        (json!({"argc": 1}), "`name`"),
        (json!({"name": "sleep", "argc": 1}), "takes 1 operands where 0 are"),
    ] {
        let wire: Vec<Instruction> = serde_json::from_value(json!([{"op": 92, "arg": arg}, {"op": 255}])).unwrap();
        let error = VerifiedProgram::decode(&wire).unwrap_err();
        assert!(error.message.contains(message), "{arg}: {error}");
    }
}

#[test]
fn snapshot_with_mismatched_open_calls_is_refused() {
    let source = "const q = ['a', { prompt: 'b', key: 'k' }]; console.log(CC.all(q), call('t'))";
    let mut machine = start(source);
    expect_calls(machine.run(u64::MAX, &TURN));
    let pages = super::pages(&machine);
    let restore = |change: &dyn Fn(&mut Json)| {
        let mut saved = machine.save();
        change(&mut saved.machine);
        let pages = pages.iter().map(|page| Ok(serde_json::from_str(page).unwrap()));
        Machine::restore(program(source), &saved, pages, Limits::default()).map(|mut machine| machine.run(1, &TURN))
    };
    assert!(matches!(restore(&|_| ()), Ok(StopReason::Waiting(_))));
    assert!(restore(&|m| m["tasks"]["calls"] = json!([])).is_err());
    assert!(restore(&|m| m["tasks"]["calls"][1]["index"] = json!(5000)).is_err());
    assert!(restore(&|m| m["call"]["answers"] = json!(1)).is_err());
    assert!(restore(&|m| m["call"] = Json::Null).is_err());
    assert!(restore(&|m| m["call"]["operands"] = json!([])).is_err());
    assert!(restore(&|m| m["call"]["operands"] = json!(["a"])).is_err());
    assert!(restore(&|m| m["tasks"]["calls"][1]["index"] = json!(2)).is_err());
    assert!(restore(&|m| m["keys"] = json!(0)).is_err());
    assert!(restore(&|m| m["keys"] = json!(9999)).is_err());
}

#[test]
fn single_stepping_gives_the_same_state_as_one_run() {
    for source in PROGRAMS {
        let bytecode = bytecode(source);
        let mut machine = Machine::start(
            Arc::new(VerifiedProgram::decode(&bytecode).unwrap()),
            &Json::Null,
            [7; 32],
            Limits::default(),
        )
        .unwrap();
        let mut unstepped = machine.clone();
        let mut steps = 0;
        loop {
            let wire = &bytecode[machine.pc() as usize];
            let disassembly = machine.next_instruction_json();
            assert_eq!(disassembly["op"], json!(wire.op));
            if ![96, 97].contains(&wire.op) {
                assert_eq!(disassembly.get("arg"), wire.arg.as_ref(), "{source}");
            }
            assert!(machine.operands(500).to_string().len() <= 500);
            let (before, fuel) = (machine.instructions(), 1 + machine.deferred_fuel());
            let stop = machine.run(fuel, &TURN);
            assert_eq!(machine.instructions(), before + fuel, "{source}: exactly one");
            steps += 1;
            if let StopReason::Fuel = stop {
                continue;
            }
            let expected_stop = loop {
                let expected_stop = unstepped.run(u64::MAX, &TURN);
                if expected_stop != StopReason::Fuel {
                    break expected_stop;
                }
            };
            assert_eq!((&stop, machine.save()), (&expected_stop, unstepped.save()), "{source}");
            if machine.open_calls().is_empty() {
                break;
            }
            machine.answer(&json!("a")).unwrap();
            unstepped.answer(&json!("a")).unwrap();
        }
        assert!(steps <= machine.instructions(), "{source}");
    }
}

#[test]
fn disassembly_without_enter_names_the_globals() {
    let wire: Vec<Instruction> = serde_json::from_value(json!([
        {"op": 1, "arg": {"$undefined": true}}, {"op": 4, "arg": "x"}, {"op": 3, "arg": "x"}, {"op": 2}, {"op": 16, "arg": 0}
    ]))
    .unwrap();
    let program = Arc::new(VerifiedProgram::decode(&wire).unwrap());
    let mut machine = Machine::start(program, &Json::Null, [0; 32], Limits::default()).unwrap();
    for expected in &wire {
        let disassembly = machine.next_instruction_json();
        assert_eq!((&disassembly["op"], disassembly.get("arg")), (&json!(expected.op), expected.arg.as_ref()));
        machine.run(1, &TURN);
    }
}

#[test]
fn operands_are_truncated_from_the_bottom_of_the_stack() {
    let mut machine = start("function f(a) { return [a, 'b'.repeat(300), { c: [1] }, call('t')] } f('first')");
    expect_call(machine.run(u64::MAX, &TURN));
    assert_eq!(machine.operands(1000), json!(["first", "b".repeat(300), {"c": [1]}]));
    assert_eq!(machine.operands(20), json!(["…"]));
    let cut = machine.operands(200);
    assert!(cut[0] == "first" && cut[1].as_str().unwrap().ends_with("b…"), "{cut}");
    for max in [0, 2, 10, 20, 50, 100, 400] {
        assert!(machine.operands(max).to_string().len() <= max.max(8), "{max}: {}", machine.operands(max));
    }
}
