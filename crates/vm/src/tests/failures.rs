//! Programs that fail within built-in functions, jobs and iterators: their states are restored, and fail again in the
//! same way.

use super::{Limits, Machine, StopReason, TURN, expect_failure, restore_copy, run_with_limits, start};

/// Runs to the failure, and again from the saved state.
fn fails_again(source: &str, message: &str) {
    let mut machine = start(source);
    let failure = expect_failure(machine.run(u64::MAX, &TURN));
    assert!(failure.message.contains(message), "{source}: {failure:?}");
    let mut restored: Machine = restore_copy(&machine);
    let again = restored.run(u64::MAX, &TURN);
    assert_eq!(again, machine.run(u64::MAX, &TURN), "{source}");
    let StopReason::Failed(again) = again else { panic!("{source}: {again:?}") };
    assert_eq!(again.message, failure.message, "{source}");
    restore_copy(&machine);
}

#[test]
fn a_result_that_an_outer_built_in_refuses_leaves_its_frame() {
    fails_again("[2, 1].sort([Symbol.iterator].find.bind([Symbol.iterator], () => true))", "Symbol");
    fails_again(
        "const f = [1].map.bind([1], () => Symbol.iterator); ['b', 'a'].map(String).sort(() => f()[0])",
        "Symbol",
    );
}

#[test]
fn an_async_function_fails_where_it_throws() {
    let source = "async function f(r) { await null;\n  return r.a.b }\nawait f({})";
    fails_again(source, "reading 'b'");
    let mut machine = start(source);
    expect_failure(machine.run(u64::MAX, &TURN));
    assert_eq!(machine.line(), 2);
    // Another job runs first, and prints.
    let mut machine = start(&format!("Promise.resolve().then(() => {{}}).then(() => console.log('job'));\n{source}"));
    expect_failure(machine.run(u64::MAX, &TURN));
    assert_eq!(machine.take_output(), ["job"]);
}

#[test]
fn a_callee_that_left_the_stack_is_not_put_back() {
    fails_again("String([{ *toString() { const a = 1; yield a } }])", "");
    fails_again(
        "await Promise.resolve(); String([{ async toString() { const a = 1; await null; return 'x' + a } }])",
        "",
    );
    fails_again("await Promise.resolve(); String([{ async toString() { const a = 1; throw new Error('x') } }])", "");
}

#[test]
fn a_failed_call_gets_its_operands_back() {
    let object = "const o = { toString() { return {} } };";
    for call in [
        "[].map.call([o], String)",
        "[].map.apply([o], [String])",
        "const f = [].map.bind([o], String); f()",
        "const f = [].map.bind([o]); f(String, 1, 2)",
        "[o].map(...[String, 0])",
        "[o].map(...[String])",
        "[].map.call(...[[o], String])",
        "const f = [].map.bind([o]); f(...[String, 1])",
        "new Map(...[[o, o].map(...[String])])",
    ] {
        fails_again(&format!("{object} {call}"), "Cannot convert object to primitive value");
    }
    let json = "const o = { toString() { return '{' } };";
    fails_again(&format!("{json} [o].map(...[JSON.parse])"), "JSON");
}

#[test]
fn an_async_generator_refuses_a_getter_of_then_at_once() {
    for source in [
        "async function* g() {} const it = g(); it.return({ get then() { return 1 } })",
        "async function* g() { await null; return 1 } const it = g(); it.next(); it.return({ get then() { return 1 } }); await null; await null; await null",
        "function boom() { const a = 1; throw new Error('x' + a) } async function* g() { await null; boom() } const it = g(); it.next(); it.return({ get then() { return 1 } }); await Promise.resolve(); await null; await null",
    ] {
        fails_again(source, "the getter of `then`");
    }
}

#[test]
fn a_value_thrown_into_a_generator_is_thrown_again() {
    for code in [
        "const it = g(); it.next(); it.throw(new Error('thrown'))",
        "const it = g(); it.next(); [1].forEach(() => it.throw(new Error('thrown')))",
        "const it = h(); it.next(); it.throw(new Error('thrown'))",
    ] {
        fails_again(&format!("function* g() {{ yield 1 }} function* h() {{ yield* g() }} {code}"), "thrown");
    }
}

#[test]
fn a_job_that_fails_runs_again() {
    for (source, message) in [
        ("Promise.resolve(() => 1).then(String)", "source text"),
        ("Promise.reject(1).finally([String][0].bind(null, () => 1))", "source text"),
        ("Promise.resolve({ then: [String][0].bind(null, () => 1) })", "source text"),
        ("Promise.resolve([{ *toString() { yield 1 } }]).then(String)", "returns an object"),
        ("Promise.resolve(1).then(() => ({ get then() { return 1 } }))", "the getter of `then`"),
    ] {
        fails_again(source, message);
    }
}

#[test]
fn a_job_that_failed_is_the_first_one_of_a_retry() {
    let source = "Promise.resolve(1e6).then([Array][0]).then((x) => console.log(x.length)); Promise.resolve().then(() => {}).then(() => console.log('second'))";
    let (mut machine, stop) = run_with_limits(source, Limits { heap_bytes: 1 << 20, ..Limits::default() });
    assert!(expect_failure(stop).limit);
    machine.limits = Limits::default();
    let mut machine = restore_copy(&machine);
    assert!(matches!(machine.run(u64::MAX, &TURN), StopReason::Complete(_)));
    assert_eq!(machine.take_output(), ["1000000", "second"]);
}

#[test]
fn a_step_of_an_iterator_that_fails_is_taken_again() {
    for (next, message) in [
        ("next: Math.max", "is not an object"),
        ("next: 1", "is not a function"),
        ("next() { try { return 1 } catch (e) { return { done: true } } }", "is not an object"),
    ] {
        for code in ["for (const x of it) console.log(x)", "const [a] = it", "const [...a] = it"] {
            fails_again(&format!("const it = {{ [Symbol.iterator]: () => ({{ {next} }}) }}; {code}"), message);
        }
    }
}

#[test]
fn an_iterator_whose_end_fails_is_closed_by_a_retry() {
    for (end, message) in
        [("get return() { return () => ({}) }", "the getter of `return`"), ("return: 1", "is not a function")]
    {
        for code in ["for (const x of it) break", "const [a] = it", "function f() { for (const x of it) return x } f()"]
        {
            let it = format!("{{ [Symbol.iterator]: () => ({{ next: () => ({{ value: 1 }}), {end} }}) }}");
            fails_again(&format!("const it = {it}; {code}"), message);
        }
    }
    let source = "const it = { [Symbol.iterator]: () => ({ next: () => ({ value: 1 }), return: 'ab'.repeat.bind('ab', 50) }) }; for (const x of it) break";
    let (mut machine, stop) = run_with_limits(source, Limits { text_units: 64, ..Limits::default() });
    assert!(expect_failure(stop).limit);
    machine.limits.text_units = 1_000;
    let failure = expect_failure(restore_copy(&machine).run(u64::MAX, &TURN));
    assert!(failure.message.contains("is not an object"), "{failure:?}");
}

#[test]
fn a_callback_does_not_catch_the_error_of_its_result() {
    let sort = "[2, 1].sort(() => { try { return Symbol.iterator } catch (e) { console.log('callback'); return 0 } })";
    fails_again(sort, "Symbol");
    let mut machine = start(&format!("try {{ {sort} }} catch (e) {{ console.log(e.name) }}"));
    machine.run(u64::MAX, &TURN);
    assert_eq!(machine.take_output(), ["TypeError"]);
}

#[test]
fn bound_functions_convert_their_arguments() {
    let source = "const max = Math.max.bind(null, 1); console.log(max({ valueOf() { return 2 } }), max(...[3]), [4, 0].map([parseInt][0].bind(null, '12')).join());";
    let mut machine = start(source);
    machine.run(u64::MAX, &TURN);
    assert_eq!(machine.take_output(), ["2 3 6,12"]);
}

#[test]
fn a_generator_as_a_callback_has_the_receiver_of_each_call() {
    let mut machine =
        start("console.log([1, 2].map(function* () { yield typeof this }).map((it) => [...it][0]).join())");
    machine.run(u64::MAX, &TURN);
    assert_eq!(machine.take_output(), ["undefined,undefined"]);
}

#[test]
fn a_promise_that_could_not_be_resolved_fails_again() {
    fails_again("await new Promise((resolve) => resolve({ get then() { return 1 } }))", "then");
}
