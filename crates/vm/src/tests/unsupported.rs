//! Operations that Node has and this machine lacks end the program. No handler of the program runs then: a handler would run code
//! that Node does not run.

use super::{MachineFailure, TURN, expect_failure, start};

fn run_to_failure(source: &str) -> (MachineFailure, Vec<String>) {
    let mut machine = start(source);
    let stop = machine.run(u64::MAX, &TURN);
    (expect_failure(stop), machine.take_output())
}

#[test]
fn unsupported_operations_end_the_program_uncaught() {
    let cases = [
        ("const t = [async () => 1]; t[0]();", "async function `(anonymous)` is not awaited"),
        ("const t = [async () => 1]; [1].map(t[0]);", "async function"),
        ("const t = [async function sorts() { return 1 }]; [2, 1].sort(t[0]);", "async function `sorts`"),
        ("const o = { a: async () => 0 }, k = 'a'; await (o[k]() || 5);", "async function `a`"),
        ("const o = { a: async () => 0 }, k = 'a'; const p = o[k](); await p;", "async function `a`"),
        (
            "const o = { f: async () => 1 }, k = 'f'; async function g() { try { return o[k]() } finally { } } await g();",
            "`f`",
        ),
        ("const w = [async () => 1]; const g = (f) => f(); [1].forEach(() => g(w[0]));", "async function"),
        ("const w = [async () => 1]; const g = (f) => f(); const p = g(w[0]);", "async function"),
        ("const w = [async () => 1]; w[0].call(null);", "async function"),
        ("const o = { then(f) { f(1) } }; await o;", "`then` of its own"),
        ("const o = { then(f) { f(1) } }; const w = [async () => o]; await w[0]();", "`then` of its own"),
        ("const o = { then(f) { f(1) } }; async function g() { return o } await g();", "`then` of its own"),
        ("const f = [function () {}]; new f[0]();", "`new` of f[0], a plain function"),
        ("const f = [function () {}]; new (f[0].bind(1))();", "plain function"),
        ("const S = String; new S('x');", "`new` of S"),
        ("const f = [function () {}]; class A extends f[0] {}", "extends a plain function"),
        ("const M = Map; class A extends M {}", "extends `Map`"),
        ("class A extends null {}", "extends null"),
        ("[].indexOf.call({ length: 1 }, 1);", "Array.from"),
        ("[].push.call({ length: 2 ** 53 - 1 }, 1);", "Array.from"),
        ("Math.max.apply(null, { length: 1 });", "Array.from"),
        ("const O = Object; O.keys = 1;", "'keys' of a built-in"),
        ("const O = Object; delete O.keys;", "'keys' of a built-in"),
        ("const m = new Map(); m.x = 1;", "'x' of a Map"),
        ("structuredClone([() => 1]);", "structuredClone of"),
        ("Object('ab');", "object of a primitive"),
        ("const r = [(k, v) => v]; JSON.stringify({}, r[0]);", "replacer"),
        ("const r = [(k, v) => v]; JSON.parse('{}', r[0]);", "reviver"),
        ("const o = {}, k = 'toJSON'; o[k] = () => o; JSON.stringify([o]);", "toJSON"),
        ("const o = [], k = 'toJSON'; o[k] = () => o; JSON.stringify({ o });", "toJSON"),
        ("const f = [(x) => x]; String(f[0]);", "source text of the function"),
        ("const f = [function g() {}]; `${f}`;", "source text of the function `g`"),
        ("const o = { ['toString']: () => 'x' }; [o].join();", "toString"),
        ("const o = { ['toString']: () => 'x' }; Object.fromEntries([[o, 1]]);", "toString"),
        ("const p = {}, k = '__proto__'; p[k] = { z: 1 };", "setting a prototype"),
        ("const p = {}, k = '__proto__'; p[k];", "a prototype as a value"),
        ("const k = 'localeCompare'; ['b', 'a'].map((x) => x[k]('a'));", "`String.prototype.localeCompare`"),
        ("const k = 'toLocaleString'; [1][k]();", "`Array.prototype.toLocaleString`"),
        ("const k = 'union'; new Set()[k](new Set());", "`Set.prototype.union`"),
        ("const k = 'defineProperty', O = Object; O[k]({}, 'x', {});", "`Object.defineProperty`"),
        ("const a = [1], k = 'constructor'; a[k] = Object; a.map((x) => x);", "an array with a constructor"),
        ("const o = { ['valueOf']: () => 1 }; [1, 2].fill(0, o);", "as an array index"),
        (
            "const n = { toLocaleString: 1 }, k = [n.toLocaleString]; k.toLocaleString();",
            "`Array.prototype.toLocaleString`",
        ),
        ("Array.of.call(Object, 1);", "call them on Array"),
        ("Object.assign('ab', {});", "object of a primitive"),
        ("class A {} class B extends A { constructor() { super(); super() } } new B();", "second call of the super"),
    ];
    for (source, message) in cases {
        let source = format!(
            "try {{ {source} console.log('ran') }} catch (e) {{ console.log(e.name, e.message) }} finally {{ console.log('finally') }}"
        );
        let (failure, output) = run_to_failure(&source);
        assert_eq!(failure.name, "UnsupportedError", "{source}: {failure:?} {output:?}");
        assert!(failure.message.contains(message) && !failure.limit, "{source}: {}", failure.message);
        assert!(output.is_empty(), "{source}: {output:?}");
    }
}

#[test]
fn programs_without_async_marks_run_async_functions_as_before() {
    // The form of an older compiler: neither functions nor calls are marked.
    let mut wire = super::bytecode("const t = [async () => 'x']; console.log(t[0]())");
    for one in &mut wire {
        if let Some(arg) = one.arg.as_mut().and_then(serde_json::Value::as_object_mut) {
            arg.remove("async");
        }
    }
    let program = std::sync::Arc::new(super::VerifiedProgram::decode(&wire).unwrap());
    let mut machine =
        super::Machine::start(program, &serde_json::Value::Null, [7; 32], super::Limits::default()).unwrap();
    assert!(matches!(machine.run(u64::MAX, &TURN), super::StopReason::Complete(_)));
    assert_eq!(machine.take_output(), ["x"]);
}
