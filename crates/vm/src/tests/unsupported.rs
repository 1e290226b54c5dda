//! Operations that Node has and this machine lacks are errors that the program may catch: data may decide which
//! operation it is.

use super::{TURN, expect_call, expect_failure, restore_copy, start};

#[test]
fn unsupported_operation_is_caught_and_the_program_continues() {
    let cases = [
        ("const o = { get then() { return 1 } }; await o; Promise;", "the getter of `then`"),
        ("const f = [Date]; new (f[0].bind(1))();", "is not supported; write a class"),
        ("const F = Function; new F('return 1');", "of a text is not supported"),
        ("const F = (async () => 1).constructor; F('return 1');", "AsyncFunction of a text is not supported"),
        ("const S = String; new S('x');", "`new` of S"),
        ("const f = [function () {}]; class A extends f[0].bind(1) {}", "extends a bound function"),
        ("Object.create([]);", "only an object, null or a built-in prototype"),
        ("Object.setPrototypeOf([], {});", "setting the prototype of a Array"),
        ("Object.seal([1]);", "this kind of object cannot be sealed"),
        ("Object.defineProperty([1], 'length', { writable: false });", "attributes of the property 'length'"),
        ("const P = Promise; class A extends P {}", "extends `Promise`"),
        ("const R = RegExp; class A extends R {}", "extends `RegExp`"),
        ("class A extends Array { x = 1 } new A().map((x) => x);", "a constructor or fields"),
        ("class A extends Array { constructor(n: number) { super(); } } new A(1).slice();", "a constructor or fields"),
        ("class A extends Array { x = 1 } A.from([1]);", "Array.from and Array.of make arrays"),
        ("Array.from.call(Map, [1]);", "Array.from and Array.of make arrays"),
        ("const it = { [Symbol.iterator]() {} }; Array.from.call(Map, it);", "make arrays"),
        ("await Array.fromAsync.call(Map, [1]);", "Array.from and Array.of make arrays"),
        ("class A extends Array { *[Symbol.iterator]() { yield 1; } }", "an iterator of its own"),
        ("const a: any = []; a[Symbol.iterator] = () => 1;", "setting the property Symbol(Symbol.iterator)"),
        ("const p: any = Promise.resolve(); p[Symbol('a')] = 1;", "setting the property Symbol(a)"),
        ("class E extends Error { get name() { return [1].join(); } } console.log([new E()]);", "getter of `name`"),
        ("class M extends Map { m() { return super[Symbol.iterator](); } } new M().m();", "under a symbol"),
        ("class T { get [Symbol.toStringTag]() { return [1].join(); } } String(new T());", "Symbol.toStringTag"),
        ("class T { get [Symbol.toStringTag]() { return [1].join(); } } console.log(new T());", "Symbol.toStringTag"),
        ("console.log({ [Symbol.for('nodejs.util.inspect.custom')]() {} });", "nodejs.util.inspect.custom"),
        ("class M extends Map { set(k, v) { return super.set(k, v); } } new M([[1, 2]]);", "its own `set`"),
        ("class S extends Set { add(v) { return super.add(v); } } new S('ab');", "its own `add`"),
        ("class A extends Array { m() { return super.length; } } new A().m();", "`super.length`"),
        ("const M = Math; structuredClone(M);", "structuredClone of"),
        ("new Date(0).toLocaleDateString('ru' + '-RU');", "locales other than en-US"),
        ("new Date(0).toLocaleDateString('en-US', { timeZone: `Europe/${'Berlin'}` });", "time zone `Europe/Berlin`"),
        ("new Date(-1).toLocaleString('en-US', { timeZone: 'Europe/Berlin' });", "the offset of Europe/Berlin"),
        ("new Date(0).toLocaleString('de-DE', { timeZoneName: 'short' });", "this format of dates"),
        ("(1).toLocaleString('de-DE', { notation: 'compact' });", "this format of numbers"),
        ("new Intl.NumberFormat('s' + 'w');", "the locale sw"),
        ("new Intl.NumberFormat('en', { roundingIncrement: 5 });", "the option `roundingIncrement`"),
        ("new Intl.DateTimeFormat('en', { era: 'short' });", "the option `era`"),
        ("new Intl.ListFormat('d' + 'e');", "locales other than en-US"),
        ("new Intl.NumberFormat('en').formatRange(1, 2);", "a range is not supported"),
        ("class F extends Intl.NumberFormat {} new F();", "a class that extends Intl.NumberFormat"),
        ("new Date(0).toLocaleDateString('en-US', { era: 'short' });", "the option `era`"),
        ("new Date(0).toLocaleDateString('en-US', { year: 'numeric', day: 'numeric' });", "format the parts"),
        ("[].indexOf.call({ length: 1 }, 1);", "Array.from"),
        ("[].push.call({ length: 2 ** 53 - 1 }, 1);", "Array.from"),
        ("const r = /a/; r.x = 1;", "'x' of a RegExp"),
        ("const f = Object.assign.bind(Object); f({}, { get x() { return 1 } });", "bound Object.assign"),
        ("[2, 1].sort(() => ({ valueOf() { return 1 } }));", "call Number() on it"),
        ("new Uint8Array([{ valueOf() { return 1 } }]);", "call Number() on it"),
        ("new Uint8Array(1).map(() => ({ valueOf() { return 1 } }));", "call Number() on it"),
        ("[1].values()['ma' + 'p']((x) => x);", "`Iterator.prototype.map` has no code in this program"),
        ("const k = 'resize'; new ArrayBuffer(1)[k](2);", "`ArrayBuffer.prototype.resize`"),
        ("new ArrayBuffer(1, { maxByteLength: 2 });", "options of an ArrayBuffer"),
        ("const k = 'getBigInt64'; new DataView(new ArrayBuffer(8))[k](0);", "`DataView.prototype.getBigInt64`"),
        ("const U = Uint8Array; class A extends U {}", "extends `Uint8Array`"),
        ("new Uint8Array(1).note = 1;", "'note' of a TypedArray"),
        ("new TextDecoder('utf-16le');", "the encoding utf-16le is not supported"),
        ("[1].at([{ toString() { return '0' } }]);", "an array index"),
        ("[1].flat({ valueOf() { return 1 } });", "an array index"),
        ("structuredClone([() => 1]);", "structuredClone of"),
        ("const c = new AbortController(); c.abort(); structuredClone(c.signal.reason);", "structuredClone of"),
        ("Object('ab');", "object of a primitive"),
        ("const O = Object, k = 'groupBy'; O[k]([], (x) => x);", "`Object.groupBy` is not supported"),
        ("const f = [(x) => x]; String(f[0]);", "source text of the function"),
        ("const e = new Error('x'); e.message = e; String(e);", "errors nested deeper than 64"),
        ("const f = [function g() {}]; `${f}`;", "source text of the function `g`"),
        ("const c = [1]; c.join = 5; String(c);", "join is not a function"),
        ("const c = [1]; c.join = 5; String([c]);", "call String() on it"),
        ("const o = { ['toString']: () => 'x' }; Object.fromEntries([[o, 1]]);", "toString"),
        ("const o = { get a() { return 1 } }; structuredClone(o);", "does not call getters"),
        ("const o = { set a(v) {} }; Object.assign(o, { a: 1 });", "setter of `a`"),
        ("class A { static get x() { return 1 } } A.x = 2;", "only a getter"),
        ("const o = { toJSON: () => 1 }; console.log('%j', o);", "toJSON and getters"),
        ("Object.freeze(/a/);", "this kind of object cannot be sealed or frozen"),
        ("Object.assign(Promise.resolve(), { a: 1 });", "'a' of a Promise"),
        ("const k = '__lookupGetter__', p = {}; p[k];", "`Object.prototype.__lookupGetter__`"),
        ("'a'.localeCompare('b', 'd' + 'e');", "locales other than en-US"),
        ("'a'.localeCompare('b', 'en', { caseFirst: 'upper' });", "the option `caseFirst`"),
        ("(1).toLocaleString('en-US', { style: 'currency', currency: 'XTS' });", "the currency `XTS`"),
        ("const style = 'unit'; (1).toLocaleString('en-US', { style, unit: 'liter' });", "the style `unit`"),
        ("(1).toLocaleString('en-US', { roundingIncrement: 5 });", "the option `roundingIncrement`"),
        ("console.dir({}, { sorted: true });", "the option `sorted` of console.dir"),
        ("console.dir({}, { colors: true });", "colors of console.dir"),
        ("const k = 'toLocaleString'; [1][k]();", "`Array.prototype.toLocaleString`"),
        ("new Date(0).toLocaleString('ru' + '-RU');", "locales other than en-US"),
        ("new Date(-1e15).toLocaleString();", "before the year 1"),
        ("new Set().union({ size: 0, has: () => 1, keys: () => [] });", "takes a Set or a Map"),
        ("const k = 'defineProperty', O = Object; O[k]({}, 'x', {});", "`Object.defineProperty` under a name"),
        ("const a = [1], k = 'constructor'; a[k] = Object; a.map((x) => x);", "an array with a constructor"),
        ("const o = { ['valueOf']: () => 1 }; [1, 2].fill(0, o);", "as an array index"),
        ("const a = [1], o = { ['valueOf']: () => a.push(2) && -1 }; a.at(o);", "as an array index"),
        ("const a = [1], o = { ['valueOf']: () => a.push(2) && -1 }; a.with(o, 3);", "as an array index"),
        ("const a = [1], o = { ['valueOf']: () => a.push(2) && -1 }; a.lastIndexOf(1, o);", "as an array index"),
        ("const a = [1], o = { ['valueOf']: () => a.push(2) }; a.splice(0, o);", "as an array index"),
        (
            "const n = { toLocaleString: 1 }, k = [n.toLocaleString]; k.toLocaleString();",
            "`Array.prototype.toLocaleString`",
        ),
        ("Array.of.call(Object, 1);", "call them on Array"),
        ("const P = Promise; P.all.call(Map, []);", "call them on Promise"),
        ("Object.assign('ab', {});", "object of a primitive"),
        ("class A {} class B extends A { constructor() { super(); super() } } new B();", "second call of the super"),
    ];
    for (source, message) in cases {
        let caught = format!(
            "try {{ {source} console.log('ran') }} catch (e: any) {{ console.log(e instanceof TypeError, e.name, e.message) }} CC('next')"
        );
        let mut machine = start(&caught);
        assert_eq!(expect_call(machine.run(u64::MAX, &TURN)).prompt, "next", "{source}");
        let output = machine.take_output();
        let is_expected =
            output.len() == 1 && output[0].starts_with("true UnsupportedError ") && output[0].contains(message);
        assert!(is_expected, "{source}: {output:?}");
        restore_copy(&machine);
        let failure = expect_failure(start(source).run(u64::MAX, &TURN));
        assert!((failure.name.as_str(), failure.limit) == ("UnsupportedError", false), "{source}: {failure:?}");
        assert!(failure.message.contains(message), "{source}: {}", failure.message);
    }
}

#[test]
fn words_of_a_text_are_keys_of_an_object() {
    let words = "['a', '__proto__', 'toLocaleString', 'isPrototypeOf', 'propertyIsEnumerable', 'constructor', 'toString', '__defineGetter__', 'a']";
    let source = format!(
        "const count: any = {{}}, lists: any = {{}}; for (const w of {words}) {{ try {{ count[w] = (typeof count[w] === 'number' ? count[w] : 0) + 1; lists[w] = [w] }} catch (e: any) {{ console.log(w, e.name) }} }} console.log(Object.keys(count).join(), Object.keys(lists).join()); CC('next')"
    );
    let mut machine = start(&source);
    assert_eq!(expect_call(machine.run(u64::MAX, &TURN)).prompt, "next");
    let keys = "a,toLocaleString,isPrototypeOf,propertyIsEnumerable,constructor,toString";
    let expected = [
        "__proto__ UnsupportedError".to_owned(),
        "__defineGetter__ UnsupportedError".to_owned(),
        format!("{keys} {keys}"),
    ];
    assert_eq!(machine.take_output(), expected);
}

#[test]
fn programs_without_async_marks_run_async_functions_as_before() {
    // The form of an older compiler: neither functions nor calls are marked.
    let mut wire = super::bytecode("const t = [async () => 'x']; console.log(t[0]())");
    for one in &mut wire {
        if let Some(arg) = one.arg.as_mut().and_then(serde_json::Value::as_object_mut) {
            arg.shift_remove("promise");
        }
    }
    let program = std::sync::Arc::new(super::VerifiedProgram::decode(&wire).unwrap());
    let mut machine =
        super::Machine::start(program, &serde_json::Value::Null, [7; 32], super::Limits::default()).unwrap();
    assert!(matches!(machine.run(u64::MAX, &TURN), super::StopReason::Complete(_)));
    assert_eq!(machine.take_output(), ["x"]);
}

#[test]
fn inline_async_function_that_is_not_awaited_is_unsupported() {
    let cases = [
        ("const t = [async () => 1]; t[0]();", "async function `(anonymous)` is not awaited"),
        ("const t = [async () => 1]; [1].map(t[0]);", "async function"),
        ("const t = [async function sorts() { return 1 }]; [2, 1].sort(t[0]);", "async function `sorts`"),
        ("const w = [async () => 1]; const g = (f) => f(); const p = g(w[0]);", "async function"),
        ("const w = [async () => 1]; w[0].call(null);", "async function"),
    ];
    for (source, message) in cases {
        let mut wire = super::bytecode(source);
        for one in &mut wire {
            if let Some(arg) = one.arg.as_mut().and_then(serde_json::Value::as_object_mut)
                && let Some(mark) = arg.shift_remove("promise")
            {
                arg.insert("async".to_owned(), mark);
            }
        }
        let program = std::sync::Arc::new(super::VerifiedProgram::decode(&wire).unwrap());
        let mut machine =
            super::Machine::start(program, &serde_json::Value::Null, [7; 32], super::Limits::default()).unwrap();
        let failure = super::expect_failure(machine.run(u64::MAX, &TURN));
        assert_eq!(failure.name, "UnsupportedError", "{source}: {failure:?}");
        assert!(failure.message.contains(message), "{source}: {}", failure.message);
    }
}
