//! Views of values: in Node's form, compared with the output of `util.inspect` in Node 20, and in the tagged form.

use serde_json::{Value as Json, json};

use super::super::{FrameView, InspectBounds, Machine, MachineView, StopReason, ValueView};
use super::{TURN, restore_copy, start};

/// Expressions, and Node's output for their values.
const NODE_OUTPUT: &[(&str, &str)] = &[
    (r#"undefined"#, r#"undefined"#),
    (r#"null"#, r#"null"#),
    (r#"true"#, r#"true"#),
    (r#"[NaN, Infinity, -Infinity, -0, 0, 1e21, 0.1]"#, r#"[ NaN, Infinity, -Infinity, -0, 0, 1e+21, 0.1 ]"#),
    (r#"''"#, r#"''"#),
    (r#"'it\'s'"#, r#""it's""#),
    (r#"'"x" it\'s'"#, r#"`"x" it's`"#),
    (r#"'a\nb\tc\\d\u0000\u007f'"#, r#"'a\nb\tc\\d\x00\x7F'"#),
    (r#"'\ud83d!'"#, r#"'\ud83d!'"#),
    (r#"{}"#, r#"{}"#),
    (r#"[]"#, r#"[]"#),
    (r#"{ a: 1, 'b-c': 2, $d: 3, _e: 4, 5: 6 }"#, r#"{ '5': 6, a: 1, 'b-c': 2, '$d': 3, _e: 4 }"#),
    (
        r#"{ a: undefined, b: null, c: () => 1, d: function f() {} }"#,
        r#"{ a: undefined, b: null, c: [Function: c], d: [Function: f] }"#,
    ),
    (r#"{ a: { b: { c: { d: 1 } } } }"#, r#"{ a: { b: { c: [Object] } } }"#),
    (r#"{ a: { b: { c: {} } } }"#, r#"{ a: { b: { c: {} } } }"#),
    (r#"[[[[1]]]]"#, r#"[ [ [ [Array] ] ] ]"#),
    (r#"[[[[]]]]"#, r#"[ [ [ [] ] ] ]"#),
    (r#"new Map()"#, r#"Map(0) {}"#),
    (r#"new Map([['a', 1], ['b', { c: [1] }]])"#, r#"Map(2) { 'a' => 1, 'b' => { c: [ 1 ] } }"#),
    (r#"new Set([1, 'two', { three: 3 }])"#, r#"Set(3) { 1, 'two', { three: 3 } }"#),
    (r#"new Map([[{ k: 1 }, new Set([[1, 2]])]])"#, r#"Map(1) { { k: 1 } => Set(1) { [ 1, 2 ] } }"#),
    (r#"/a\/b/gi"#, r#"/a\/b/gi"#),
    (
        r#"(() => { const a: any = [1]; a[2] = 3; a.length = 5; return a })()"#,
        r#"[ 1, <1 empty item>, 3, <2 empty items> ]"#,
    ),
    (r#"(() => { const a: any = []; a.length = 1; return a })()"#, r#"[ <1 empty item> ]"#),
    (
        r#"Array.from({ length: 7 }, (_, i) => i)"#,
        r#"[
  0, 1, 2, 3,
  4, 5, 6
]"#,
    ),
    (
        r#"Array.from({ length: 30 }, (_, i) => i * 37)"#,
        r#"[
    0,  37,  74, 111,  148,  185,
  222, 259, 296, 333,  370,  407,
  444, 481, 518, 555,  592,  629,
  666, 703, 740, 777,  814,  851,
  888, 925, 962, 999, 1036, 1073
]"#,
    ),
    (
        r#"Array.from({ length: 120 }, (_, i) => i)"#,
        r#"[
   0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11,
  12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
  24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
  36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
  48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59,
  60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71,
  72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83,
  84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95,
  96, 97, 98, 99,
  ... 20 more items
]"#,
    ),
    (
        r#"Array.from({ length: 27 }, (_, i) => 'w'.repeat(1 + i % 5))"#,
        r#"[
  'w',     'ww',    'www',   'wwww',
  'wwwww', 'w',     'ww',    'www',
  'wwww',  'wwwww', 'w',     'ww',
  'www',   'wwww',  'wwwww', 'w',
  'ww',    'www',   'wwww',  'wwwww',
  'w',     'ww',    'www',   'wwww',
  'wwwww', 'w',     'ww'
]"#,
    ),
    (
        r#"Array.from({ length: 8 }, (_, i) => ({ i }))"#,
        r#"[
  { i: 0 }, { i: 1 },
  { i: 2 }, { i: 3 },
  { i: 4 }, { i: 5 },
  { i: 6 }, { i: 7 }
]"#,
    ),
    (
        r#"Array.from({ length: 10 }, (_, i) => 'x'.repeat(i * 9))"#,
        r#"[
  '',
  'xxxxxxxxx',
  'xxxxxxxxxxxxxxxxxx',
  'xxxxxxxxxxxxxxxxxxxxxxxxxxx',
  'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
]"#,
    ),
    (
        r#"{ long: 'x'.repeat(60), other: 'y'.repeat(20) }"#,
        r#"{
  long: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  other: 'yyyyyyyyyyyyyyyyyyyy'
}"#,
    ),
    (
        r#"{ text: 'line\n'.repeat(20) }"#,
        r#"{
  text: 'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n' +
    'line\n'
}"#,
    ),
    (
        r#"'x'.repeat(100)"#,
        r#"'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'"#,
    ),
    (
        r#"{ list: ['a'.repeat(30), 'b'.repeat(30), 'c'.repeat(30)], n: 1 }"#,
        r#"{
  list: [
    'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
    'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',
    'cccccccccccccccccccccccccccccc'
  ],
  n: 1
}"#,
    ),
    (r#"{ a: { b: { c: 1 } }, d: [1, [2, [3]]] }"#, r#"{ a: { b: { c: 1 } }, d: [ 1, [ 2, [Array] ] ] }"#),
    (
        r#"{ id: 'r1', tags: ['x', 'y'], nested: { at: new Map([['k', [1, 2, 3]]]), set: new Set(['q']) } }"#,
        r#"{
  id: 'r1',
  tags: [ 'x', 'y' ],
  nested: { at: Map(1) { 'k' => [Array] }, set: Set(1) { 'q' } }
}"#,
    ),
    (
        r#"Array.from({ length: 3 }, (_, i) => ({ id: i, name: 'name ' + i, tags: ['t' + i] }))"#,
        r#"[
  { id: 0, name: 'name 0', tags: [ 't0' ] },
  { id: 1, name: 'name 1', tags: [ 't1' ] },
  { id: 2, name: 'name 2', tags: [ 't2' ] }
]"#,
    ),
    (r#"[1.5, -2, 300000]"#, r#"[ 1.5, -2, 300000 ]"#),
    (
        r#"[true, false, true, true, false, true, true]"#,
        r#"[
  true,  false,
  true,  true,
  false, true,
  true
]"#,
    ),
    (r#"Object.assign([1, 2], { foo: 3 })"#, r#"[ 1, 2, foo: 3 ]"#),
    (r#"new Set(Array.from({ length: 10 }, (_, i) => i))"#, r#"Set(10) { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }"#),
    (
        r#"{ m: new Map(Array.from({ length: 8 }, (_, i) => ['key' + i, 'value ' + i])) }"#,
        r#"{
  m: Map(8) {
    'key0' => 'value 0',
    'key1' => 'value 1',
    'key2' => 'value 2',
    'key3' => 'value 3',
    'key4' => 'value 4',
    'key5' => 'value 5',
    'key6' => 'value 6',
    'key7' => 'value 7'
  }
}"#,
    ),
    (r#"{ f: Math.max, g: parseInt }"#, r#"{ f: [Function: max], g: [Function: parseInt] }"#),
    (
        r#"(() => { const o: any = { name: 'o' }; o.self = o; o.list = [o, { up: o }]; return o })()"#,
        r#"<ref *1> {
  name: 'o',
  self: [Circular *1],
  list: [ [Circular *1], { up: [Circular *1] } ]
}"#,
    ),
    (r#"(() => { const a: any = [1]; a.push(a); return a })()"#, r#"<ref *1> [ 1, [Circular *1] ]"#),
    (
        r#"(() => { const m: any = new Map(); m.set('m', m); return m })()"#,
        r#"<ref *1> Map(1) { 'm' => [Circular *1] }"#,
    ),
    (
        r#"(() => { const p: any = { n: 1 }; const q: any = { p }; p.q = q; return [p, q] })()"#,
        r#"[
  <ref *1> { n: 1, q: { p: [Circular *1] } },
  <ref *2> { p: <ref *1> { n: 1, q: [Circular *2] } }
]"#,
    ),
    (r#"new (class Point { x = 1; y = { z: [1] } })()"#, r#"Point { x: 1, y: { z: [ 1 ] } }"#),
    (r#"new (class Empty {})()"#, r#"Empty {}"#),
    (r#"class A {}"#, r#"[class A]"#),
    (r#"(() => { class A {} class B extends A {} return [A, B] })()"#, r#"[ [class A], [class B extends A] ]"#),
];

/// The machine of a program after it ran to its first stop.
fn run_to_stop(source: &str) -> Machine {
    let mut machine = start(source);
    let stop = machine.run(u64::MAX, &TURN);
    assert!(!matches!(stop, StopReason::Fuel), "{source}");
    machine
}

/// Bounds on variables that omit nothing here.
const WIDE: InspectBounds = InspectBounds {
    variable_bytes: 1 << 20,
    bytes: 1 << 20,
    depth: 2,
    items: 100,
    members: 100,
    text: 10_000,
    frames: 50,
    functions: true,
};

#[track_caller]
fn value(view: &MachineView, name: &str) -> ValueView {
    let mut variables = view.frames.iter().flat_map(|frame| &frame.variables);
    variables.find(|variable| variable.name == name).unwrap_or_else(|| panic!("{name}: {view:?}")).value.clone()
}

/// The value of an expression, at a call and after the machine was saved and restored.
#[track_caller]
fn inspect_expression(expression: &str, bounds: InspectBounds) -> ValueView {
    let machine = run_to_stop(&format!("const v: any = {expression};\nCC('?');"));
    let view = machine.view(bounds);
    assert_eq!(view, restore_copy(&machine).view(bounds), "{expression}");
    value(&view, "v")
}

#[test]
fn values_are_written_as_node_writes_them() {
    for (expression, text) in NODE_OUTPUT {
        assert_eq!(inspect_expression(expression, WIDE).text, *text, "{expression}");
    }
}

#[test]
fn tagged_json_represents_values_that_json_lacks() {
    for (expression, tagged) in [
        ("undefined", json!({"$undefined": true})),
        (
            "[NaN, Infinity, -Infinity, -0, 0]",
            json!([{"$number": "NaN"}, {"$number": "Infinity"}, {"$number": "-Infinity"}, {"$number": "-0"}, 0]),
        ),
        ("'\\ud83d!'", json!({"$text": "\\ud83d!"})),
        (
            "new Map<any, any>([['a', 1], [{ k: undefined }, [2]]])",
            json!({"$map": [["a", 1], [{"k": {"$undefined": true}}, [2]]]}),
        ),
        ("new Set([1, 'x'])", json!({"$set": [1, "x"]})),
        ("/a+/gi", json!({"$regexp": {"source": "a+", "flags": "gi"}})),
        (
            "(() => { const a: any = [1]; a[3] = 2; a.foo = 'bar'; return a })()",
            json!({"$array": [1, {"$holes": 2}, 2], "foo": "bar"}),
        ),
        ("{ $a: 1, $$b: 2, c: null }", json!({"$$a": 1, "$$$b": 2, "c": null})),
        (
            "(() => { const o: any = { list: [] }; o.list.push(o, { o }); return o })()",
            json!({"list": [{"$circular": 2}, {"o": {"$circular": 3}}]}),
        ),
        ("{ a: { b: { c: { d: 1 } } } }", json!({"a": {"b": {"c": {"$deep": "Object"}}}})),
        ("new (class Point { x = 1; at = new Map() })()", json!({"$class": "Point", "x": 1, "at": {"$map": []}})),
        ("[parseInt, function f() {}]", json!([{"$function": "[Function: parseInt]"}, {"$function": "[Function: f]"}])),
    ] {
        assert_eq!(inspect_expression(expression, WIDE).value, tagged, "{expression}");
    }
    let error = inspect_expression("Object.assign(new TypeError('no'), { code: 7 })", WIDE);
    assert_eq!(error.value["$error"]["name"], "TypeError");
    assert_eq!(error.value["$error"]["message"], "no");
    assert_eq!(error.value["code"], 7);
    assert!(
        error.text.starts_with("TypeError: no\n    at <program> (1:") && error.text.ends_with(" {\n  code: 7\n}"),
        "{}",
        error.text
    );
}

#[test]
fn omitted_parts_are_marked_and_full_bounds_omit_nothing() {
    let long = inspect_expression("'x'.repeat(10003)", WIDE);
    assert!(
        long.text.ends_with("x'... 3 more characters") && long.text.len() == 10_000 + 2 + 21,
        "{}",
        long.text.len()
    );
    assert_eq!((&long.value["of"], long.value["$cut"].as_str().unwrap().len()), (&json!(10_003), 10_000));
    let list = inspect_expression("Array.from({ length: 1000 }, (_, i) => i)", WIDE);
    assert_eq!((list.value.as_array().unwrap().len(), &list.value[100]), (101, &json!({"$cut": 900})));
    assert!(list.text.ends_with("\n  ... 900 more items\n]"), "{}", list.text);
    let object = "Object.fromEntries(Array.from({ length: 103 }, (_, i) => ['k' + i, i]))";
    assert_eq!(inspect_expression(object, WIDE).value["$cut"], 3);
    assert!(inspect_expression(object, WIDE).text.ends_with("  ... 3 more properties\n}"));

    let full = InspectBounds::full();
    assert_eq!(inspect_expression("'x'.repeat(10003)", full).value, "x".repeat(10_003));
    assert_eq!(
        inspect_expression("Array.from({ length: 1000 }, (_, i) => i)", full).value.as_array().unwrap().len(),
        1000
    );
    assert_eq!(inspect_expression("{ a: { b: { c: { d: 1 } } } }", full).value, json!({"a": {"b": {"c": {"d": 1}}}}));
}

#[test]
fn densely_shared_objects_end_at_the_bounds() {
    let mesh = "(() => { let o: any = [1]; for (let i = 0; i < 40; i++) o = [o, o]; return o })()";
    let bounded = inspect_expression(mesh, InspectBounds::default());
    assert!(bounded.text.len() < 1_000, "{}", bounded.text.len());
    let deep = InspectBounds { depth: 32, ..InspectBounds::default() };
    let cut = inspect_expression(mesh, deep);
    assert!(serde_json::to_string(&cut.value).unwrap().len() < 64 * 1024);
    let view = run_to_stop(
        "let o: any = [1]; for (let i = 0; i < 1000; i++) o = [o]; const many = 'y'.repeat(1 << 20); CC('?')",
    );
    assert!(view.view(InspectBounds::default()).cut);
    assert!(serde_json::to_string(&view.view(InspectBounds::full())).unwrap().contains(r#"{"$deep":"Array"}"#));
}

#[test]
fn every_call_is_shown_with_its_variables() {
    let source = "\
let total = 3;
let later;
function outer(n) {
  const seen = new Set([n]);
  return [10].map((x) => inner(x + n));
}
function inner(y) {
  const add = (z) => z + y + total;
  const answer = CC('?');
  const after = 1;
  return add(answer.length + after);
}
const result = outer(5);
let never = 1;";
    let view = run_to_stop(source).view(InspectBounds::default());
    let named = |frame: &FrameView| {
        let variables = frame.variables.iter().map(|variable| format!("{}={}", variable.name, variable.value.text));
        format!("{}:{} {}", frame.function, frame.line, variables.collect::<Vec<_>>().join(" "))
    };
    let frames: Vec<String> = view.frames.iter().map(named).collect();
    assert_eq!(
        frames,
        [
            "inner:9 y=15 answer=<not yet assigned> after=<not yet assigned>",
            "<anonymous>:5 x=10",
            "map:5 ",
            "outer:5 n=5 seen=Set(1) { 5 }",
            "<program>:13 input=null total=3 later=undefined result=<not yet assigned> never=<not yet assigned>",
        ]
    );
    assert_eq!((view.line, view.pc, view.cut), (9, view.frames[0].pc, false));
    assert_eq!(value(&view, "never").value, json!({"$uninitialised": true}));
    let deep =
        run_to_stop("function f(n) { return n === 0 ? CC('?') : f(n - 1) } f(200)").view(InspectBounds::default());
    assert_eq!((deep.frames.len(), deep.cut), (50, true));
}

#[test]
fn a_failed_program_shows_the_variables_where_it_failed() {
    let machine = run_to_stop(
        "const order = { items: [1, NaN] };\nfunction check(o, missing) {\n  return missing.name;\n}\ncheck(order, null);",
    );
    let view = machine.view(InspectBounds::default());
    assert_eq!((view.frames[0].function.as_str(), view.line), ("check", 3));
    assert_eq!(value(&view, "o").value, json!({"items": [1, {"$number": "NaN"}]}));
    assert_eq!(value(&view, "missing").value, Json::Null);
    assert_eq!(value(&view, "order").text, "{ items: [ 1, NaN ] }");
}

#[test]
fn a_variable_is_found_by_name_in_every_call_that_has_it() {
    let machine = run_to_stop("const v = 1; function f(v) { return CC('?') } function g() { return f([2]) } g();");
    let found = machine.variables_named("v", InspectBounds::default());
    let texts: Vec<_> =
        found.iter().map(|frame| (frame.function.as_str(), frame.variables[0].value.text.as_str())).collect();
    assert_eq!(texts, [("f", "[ 2 ]"), ("<program>", "1")]);
    assert_eq!(machine.variables_named("g", InspectBounds::default())[0].variables[0].value.text, "[Function: g]");
    assert!(machine.variables_named("w", InspectBounds::default()).is_empty());
}

#[test]
fn captured_variables_of_returned_functions_are_shown() {
    let machine = run_to_stop(
        "function counter() { let count = 7; return () => CC('?' + count++) } const next = counter(); next();",
    );
    let view = machine.view(InspectBounds::default());
    assert_eq!(value(&view, "count").text, "8");
    assert_eq!(view.frames.iter().flat_map(|frame| &frame.variables).filter(|v| v.name == "count").count(), 1);
}
