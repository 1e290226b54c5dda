//! Programs of several files: their output is that of Node.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use runstate_lang::{Diagnostic, MAX_FILES, MAX_SOURCE, compile, compile_modules, compile_with};
use runstate_vm::{Limits, Machine, MachineFailure, StopReason, TurnContext, VerifiedProgram};
use serde_json::Value as Json;

const TURN: TurnContext = TurnContext { now_ms: 1_700_000_000_000 };

/// The files of a program. `//- path` begins a file; the first one is the entry.
struct ModuleSources {
    entry: String,
    files: BTreeMap<String, String>,
}

fn parse_files(text: &str) -> ModuleSources {
    let parts = text.split("//- ").skip(1).filter_map(|part| part.split_once('\n'));
    let files: Vec<(String, String)> =
        parts.map(|(path, source)| (path.trim().to_owned(), source.to_owned())).collect();
    ModuleSources { entry: files[0].0.clone(), files: files.into_iter().collect() }
}

fn compile_text(text: &str) -> Result<Arc<VerifiedProgram>, Vec<Diagnostic>> {
    let sources = parse_files(text);
    let compiled = compile_modules(&sources.entry, &sources.files)?;
    Ok(Arc::new(VerifiedProgram::decode(&compiled.bytecode).unwrap()))
}

#[track_caller]
fn program(text: &str) -> Arc<VerifiedProgram> {
    compile_text(text).unwrap_or_else(|found| panic!("{text}\n{}", listing(&found)))
}

fn listing(found: &[Diagnostic]) -> String {
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn restore_copy(machine: &Machine, program: &Arc<VerifiedProgram>) -> Machine {
    let pages: Vec<String> = (0..machine.page_count()).map(|page| machine.encode_page(page)).collect();
    let parsed = pages.iter().map(|page| Ok(serde_json::from_str(page).unwrap()));
    let mut copy = Machine::restore(Arc::clone(program), &machine.save(), parsed, Limits::default()).unwrap();
    copy.mark_clean();
    copy
}

/// The output of a program, and its failure. After each `fuel` instructions it is saved and restored.
fn run(program: &Arc<VerifiedProgram>, fuel: u64) -> (Vec<String>, Result<Json, MachineFailure>) {
    let mut machine = Machine::start(Arc::clone(program), &Json::Null, [7; 32], Limits::default()).unwrap();
    let mut lines = Vec::new();
    loop {
        let stop = machine.run(fuel, &TURN);
        lines.extend(machine.take_output());
        match stop {
            StopReason::Fuel => machine = restore_copy(&machine, program),
            StopReason::Waiting(calls) => {
                machine = restore_copy(&machine, program);
                machine.answer(&format!("answer to {}", calls[0].request.prompt).into()).unwrap();
            }
            StopReason::Complete(result) => return (lines, Ok(result)),
            StopReason::Failed(failure) => return (lines, Err(failure)),
        }
    }
}

/// The output of a program, with its error as the last line.
fn output(program: &Arc<VerifiedProgram>, fuel: u64) -> Vec<String> {
    let (lines, end) = run(program, fuel);
    let mut lines: Vec<String> = lines.iter().flat_map(|line| line.split('\n')).map(str::to_owned).collect();
    if let Err(failure) = end {
        lines.push(format!("{}: {}", failure.name, failure.message));
    }
    lines
}

fn output_in_node(name: &str, text: &str) -> Option<Vec<String>> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("modules").join(name);
    let sources = parse_files(text);
    for (path, source) in &sources.files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, source).unwrap();
    }
    std::fs::write(folder.join("package.json"), r#"{"type":"module"}"#).unwrap();
    let run = Command::new("node").arg("--no-warnings").arg(folder.join(&sources.entry)).output().ok()?;
    let mut lines: Vec<String> = String::from_utf8(run.stdout).unwrap().lines().map(str::to_owned).collect();
    let errors = String::from_utf8(run.stderr).unwrap();
    lines.extend(
        errors
            .lines()
            .find(|line| line.split(':').next().is_some_and(|name| name.ends_with("Error")))
            .map(str::to_owned),
    );
    Some(lines)
}

/// Programs of JavaScript, which Node runs too.
const CASES: &[(&str, &str)] = &[
    (
        "evaluation_is_depth_first_in_the_order_of_imports",
        r#"//- main.js
console.log("main");
import { c } from "./c.js";
import "./a.js";
import "./b.js";
console.log(c);
//- a.js
import "./b.js"; import "./d/e.js";
console.log("a");
//- b.js
import "./d/e.js";
console.log("b");
//- c.js
import "./b.js";
console.log("c"); export const c = "value of c";
//- d/e.js
import "../a.js";
console.log("e");
"#,
    ),
    (
        "imports_are_live",
        r#"//- main.js
import { count, increment, counter as box } from "./counter.js";
import * as all from "./counter.js";
console.log(count, all.count, box.n);
increment(); increment();
console.log(count, all.count, box.n, [1, 2].map(() => { increment(); return count }));
const read = () => count + all.count; increment(); console.log(read(), `${count}`, { count });
//- counter.js
export let count = 0; export const counter = { n: 0 };
export function increment() { count++; counter.n += 2 }
"#,
    ),
    (
        "cycles_read_functions_early_and_variables_never",
        r#"//- main.js
import { early } from "./a.js";
export const value = 1; export let later = 2; export var old = 3;
export function hoisted() { return "hoisted" }
export class K {} export default class D {}
console.log(early(), value);
//- a.js
import { value, later, old, hoisted, K } from "./main.js";
import D from "./main.js";
import * as main from "./main.js";
const attempt = (name, f) => { try { console.log(name, f()) } catch (e) { console.log(name, String(e)) } };
attempt("value", () => value); attempt("later", () => later); attempt("old", () => old);
attempt("hoisted", () => hoisted()); attempt("K", () => new K()); attempt("D", () => D);
attempt("member", () => main.value); attempt("typeof", () => typeof later);
try { console.log(value) } catch (e) { console.log(e.name, e.message) }
export const early = () => [value, later, old, typeof K, typeof D];
"#,
    ),
    (
        "uncaught_early_read_fails",
        r#"//- main.js
import { b } from "./b.js";
export const a = 1;
console.log("never");
//- b.js
import { a } from "./main.js";
console.log("b");
export const b = a + 1;
"#,
    ),
    (
        "function_of_a_cycle_reads_its_own_variable_early",
        r#"//- main.js
import "./b.js";
const secret = 1; let count = 0;
export function read() { return secret } export function bump() { count = 5; return count }
console.log(read(), bump());
//- b.js
import { read, bump } from "./main.js";
for (const f of [read, bump]) try { console.log(f()) } catch (e) { console.log(String(e)) }
"#,
    ),
    (
        "same_names_are_different_variables",
        r#"//- main.js
import { get as getA } from "./a.js"; import { get as getB, value as theirs } from "./b.js";
const value = "main"; let state = 1; function helper() { return "helper of main " + state }
class Item { toString() { return "Item of main" } }
console.log(value, theirs, helper(), getA(), getB(), `${new Item()}`);
state++; console.log(helper(), getA());
{ const getA = () => "inner"; console.log(getA()) }
console.log(((value) => value)("parameter"));
//- a.js
const value = "a"; let state = 10; function helper() { return "helper of a " + ++state }
class Item { toString() { return "Item of a" } }
export const get = () => [value, helper(), `${new Item()}`];
//- b.js
export const value = "b"; function helper() { return "helper of b" } const state = { value };
export function get() { return [helper(), state.value] }
"#,
    ),
    (
        "default_exports_have_their_names",
        r#"//- main.js
import f from "./f.js"; import g from "./g.js"; import K from "./k.js"; import Named from "./named.js";
import value from "./value.js"; import { default as again, other } from "./value.js"; import arrow, { more } from "./arrow.js";
import Anonymous from "./class.js"; import call from "./call.js"; import fe from "./fe.js";
console.log(f.name, g.name, K.name, Named.name, arrow.name, Anonymous.name, fe.name);
console.log(f(), g(), new K().k, new Named().n, value, again, other, arrow(), more, new Anonymous().x, call);
//- f.js
export default function () { return "f" }
//- g.js
export default function g() { return g.name }
//- k.js
export default class { k = 1 }
//- named.js
export default class Named { n = 2; static self = Named.name }
//- value.js
let n = 5; export default n; n = 6; export { n as other };
//- arrow.js
export default () => "arrow"; export const more = "more";
//- class.js
export default (class { x = 3 });
//- call.js
export default [1, 2].map((n) => n * 2);
//- fe.js
export default (function named() {});
"#,
    ),
    (
        "default_export_of_a_function_is_hoisted_and_live",
        r#"//- main.js
import "./b.js"; import change, { it } from "./c.js"; import it2 from "./d.js";
export default function () { return "hoisted default" }
console.log(it()); change(); console.log(it(), it2);
//- b.js
import main from "./main.js"; console.log(main(), main.name);
//- c.js
export { it }; let it = () => 1; export default function change() { it = () => 2 }
//- d.js
let x = 1; export { x as default }; x = 2;
"#,
    ),
    (
        "exports_are_passed_on",
        r#"//- main.js
import { a, renamed, c, inner, d, again } from "./index.js";
import * as index from "./index.js";
console.log(a, renamed, c, inner.a, inner.b(), d, again, index.inner.a, index.c, index.renamed, index.d.length);
//- index.js
export { a, b as renamed } from "./x.js"; export * from "./y.js"; export * as inner from "./x.js";
import def, { e } from "./y.js"; export { def as d, e as again };
//- x.js
console.log("x"); export const a = "a"; export function b() { return "b" } export default "not passed on";
//- y.js
console.log("y"); export const c = "c", e = "e"; export default "default of y"; export const a = "hidden by index";
"#,
    ),
    (
        "star_exports_of_one_variable_are_not_ambiguous",
        r#"//- main.js
import { shared, own } from "./both.js"; console.log(shared, own);
//- both.js
export * from "./left.js"; export * from "./right.js"; export const own = "own";
//- left.js
export { shared } from "./base.js"; export const own = "left";
//- right.js
export * from "./base.js"; export const own = "right";
//- base.js
export const shared = "shared";
"#,
    ),
    (
        "star_exports_in_a_circle_end",
        r#"//- main.js
import { a, b } from "./a.js"; console.log(a, b);
//- a.js
export * from "./b.js"; export const a = 1;
//- b.js
export * from "./a.js"; export const b = 2;
"#,
    ),
    (
        "members_of_namespaces",
        r#"//- main.js
import * as tools from "./tools.js"; import * as nothing from "./empty.js";
console.log(tools.add(1, 2), tools.default(3), typeof tools.add, new tools.Point(1).x, tools?.value, tools.value?.deep);
console.log(tools.tag`a${1}b`, [1, 2].map(tools.double), tools.color.red, tools.maybe?.(), (tools.add)(5, 6));
const { color } = { color: tools.color }; console.log(color); function inside() { return tools.value.deep + tools.double(2) } console.log(inside());
class Sub extends tools.Point { y = 2 } console.log(new Sub(9));
//- tools.js
export const add = (a, b) => a + b, double = (n) => n * 2, value = { deep: 1 }, color = { red: 1 };
export let maybe; export function tag(parts, ...values) { return parts.join("|") + values }
export class Point { constructor(x) { this.x = x } } export default (n) => n + 1;
//- empty.js
console.log("empty");
"#,
    ),
    (
        "declarations_export_all_their_names",
        r#"//- main.js
import { a, b, rest, first, others, x, y, f, g, K, deep } from "./d.js";
console.log(a, b, rest, first, others, x, y, f(), g(), K.name, new K().v, deep);
//- d.js
export const { a, b = 2, ...rest } = { a: 1, c: 3, d: 4 }, [first, , ...others] = [1, 2, 3, 4];
export let x = 1, y; export var { z: { deep } } = { z: { deep: "deep" } };
export function f() { return "f" } export const g = () => g.name; export class K { v = x }
y = "assigned later";
"#,
    ),
    (
        "json_files_are_values",
        r#"//- main.js
import data from "./data.json" with { type: "json" }; import * as all from "./data.json" with { type: "json" };
import list from "./deep/list.json" with { type: "json" }; import other from "./other.js";
console.log(data, data.a.b, all.default === data, list, other === data); data.added = 1; console.log(other.added);
//- data.json
{ "a": { "b": [1, 2.50, -0, 1e3, "é\u0000\ud83d\ude00"] }, "__proto__": 1, "then": null }
//- deep/list.json
[true, false, null, "text"]
//- other.js
export { default } from "./data.json" with { type: "json" };
"#,
    ),
    (
        "entry_imports_itself",
        r#"//- main.js
import * as me from "./main.js"; import { f as g } from "./main.js";
try { console.log(me.v) } catch (e) { console.log(String(e)) }
export const v = 1; export function f() { return me.v } console.log(f(), me.f === g);
"#,
    ),
    (
        "names_with_dollars_and_string_names",
        r#"//- main.js
import { $, _$1, "a name" as named } from "./d.js"; const $1 = 3; console.log($, _$1, named, $1);
//- d.js
export const $ = 1, _$1 = 2; const $1 = "own"; export { $1 as "a name" };
"#,
    ),
    (
        "errors_cross_files",
        r#"//- main.js
import { boom, Failure } from "./b.js";
try { boom(null) } catch (e) { console.log(e instanceof TypeError, e.message) }
try { boom({ get x() { throw new Failure("own") } }) } catch (e) { console.log(e instanceof Failure, e.name, e.message) }
boom(undefined);
//- b.js
export class Failure extends Error { name = "Failure" } export function boom(o) { return o.x }
"#,
    ),
    (
        "functions_of_files_have_their_own_scopes",
        r#"//- main.js
import { make, total } from "./acc.js"; const a = make(), b = make(); a(); a(); b(); console.log(a(), b(), total);
for (const f of [make, () => total]) console.log(typeof f());
//- acc.js
export let total = 0; export function make() { let n = 0; return () => { n++; total++; return n } }
"#,
    ),
    (
        "promises_of_files",
        r#"//- main.js
import { load, order } from "./a.js"; order.push("main"); Promise.resolve().then(() => order.push("job"));
console.log(await load(1), order); await null; console.log(order.join());
//- a.js
export const order = []; export async function load(n) { order.push("load"); await null; order.push("loaded"); return n + 1 }
Promise.resolve().then(() => order.push("job of a"));
"#,
    ),
    (
        "await_at_the_top_of_a_file_that_all_wait_for",
        r#"//- main.js
import { b } from "./b.js"; import { a } from "./a.js"; console.log("main", a, b);
//- a.js
console.log("a begins"); Promise.resolve().then(() => console.log("job 1"));
export const a = await Promise.resolve("a"); Promise.resolve().then(() => console.log("job 2")); console.log("a ends");
//- b.js
import { a } from "./a.js"; console.log("b", a); export const b = a + "b"; Promise.resolve().then(() => console.log("job 3"));
"#,
    ),
    (
        "classes_and_static_members_of_files",
        r#"//- main.js
import { Base } from "./base.js"; class Sub extends Base { #p = 2; sum() { return super.sum() + this.#p } static { console.log(Base.count) } }
console.log(new Sub().sum(), Base.count, Sub.count, new Base() instanceof Base);
//- base.js
export class Base { #p = 1; static count = 0; constructor() { Base.count++ } sum() { return this.#p } }
"#,
    ),
    (
        "file_without_imports_that_are_used_runs_once",
        r#"//- main.js
import { unused } from "./a.js"; import {} from "./b.js"; import "./a.js"; console.log("main");
//- a.js
console.log("a"); export const unused = 1;
//- b.js
console.log("b");
"#,
    ),
    (
        "constants_of_other_files_stay_constant",
        r#"//- main.js
import { set, box } from "./a.js"; try { set() } catch (e) { console.log(String(e)) } box.v = 2; console.log(box);
//- a.js
const fixed = 1; export { fixed }; export const box = { v: 1 }; export function set() { fixed = 2 }
"#,
    ),
];

#[test]
fn module_graphs_behave_as_in_node() {
    let mut differences = Vec::new();
    for (name, text) in CASES {
        let Some(expected) = output_in_node(name, text) else {
            println!("skipped: module_graphs_behave_as_in_node: there is no node on this machine");
            assert!(std::env::var_os("CI").is_none(), "under CI a skip is a failure");
            return;
        };
        match compile_text(text) {
            Ok(program) => {
                for fuel in [u64::MAX, 3] {
                    let found = output(&program, fuel);
                    if found != expected {
                        differences.push(format!("{name}\n  node: {expected:#?}\n  here: {found:#?}"));
                    }
                }
            }
            Err(found) => differences.push(format!("{name}\n{}", listing(&found))),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Programs of TypeScript with their output.
const TYPED_CASES: &[(&str, &[&str])] = &[
    (
        r#"//- main.ts
import type { A } from "./absent"; import { type B } from "./absent.ts"; import { C, type D } from "openai";
import { Shape, area } from "./shapes"; import Default, * as everything from "./types-only";
export type { A } from "./absent"; export interface Own { a: A } export type { Own as Renamed };
const square: Shape = { side: 3 }; const c: C | D | B | Default | everything.T | undefined = undefined;
console.log(area(square), c);
//- shapes.ts
export interface Shape { side: number } export function area(shape: Shape): number { return shape.side ** 2 }
export type { Own } from "./main";
"#,
        &["9 undefined"],
    ),
    (
        r#"//- src/main.ts
import { Color, Level as L } from "./colors.js"; import { one } from "./folder"; import { two } from "../lib/two";
import { up } from ".."; export { Color }; import settings from "../settings.json"; import old from "./old.js";
export default function main(input: unknown) { return [Color.Red, Color[1], L.High, one, two, up, settings.a, old] }
//- src/colors.ts
export enum Color { Red, Green = 1 } export const enum Level { High = "high" }
//- src/folder/index.ts
export const one: number = 1;
//- lib/two.ts
export const two = 2;
//- index.ts
export const up = "up";
//- settings.json
{"a": 1}
//- src/old.js
export default "old";
"#,
        &[r#"= [0,"Green","high",1,2,"up",1,"old"]"#],
    ),
    (
        // `main` of an imported file is not the entry's.
        r#"//- main.ts
import { main } from "./other"; console.log(typeof main);
//- other.ts
export function main() { console.log("not called") }
"#,
        &["function"],
    ),
    (
        r#"//- main.ts
import { main as other } from "./other"; export const main = (input: any) => [other(), "entry"];
//- other.ts
export function main() { return "other" }
"#,
        &[r#"= ["other","entry"]"#],
    ),
    (
        r#"//- main.ts
import { name } from "./ask"; import { greet } from "./greet"; console.log(greet(), name);
//- ask.ts
const first = CC("first?"); export const name = `${first}, ${CC("second?")}`; console.log("asked");
//- greet.ts
import { name } from "./ask"; const prefix = CC("prefix?"); export const greet = () => prefix + name.length;
"#,
        &["asked", "answer to prefix?35 answer to first?, answer to second?"],
    ),
    (
        r#"//- main.ts
import { A } from "./reexport"; import { B } from "./reexport"; const a: A = { x: B }; console.log(a);
//- reexport.ts
import { A, B } from "./base"; export { A, B };
//- base.ts
export interface A { x: number } export const B = 2;
"#,
        &["{ x: 2 }"],
    ),
];

#[test]
fn types_vanish_and_paths_are_found_as_in_typescript() {
    for (text, expected) in TYPED_CASES {
        let program = program(text);
        for fuel in [u64::MAX, 1] {
            let (mut lines, end) = run(&program, fuel);
            match end.unwrap() {
                Json::Null => {}
                result => lines.push(format!("= {result}")),
            }
            assert_eq!(lines, *expected, "{text}");
        }
    }
}

#[test]
fn single_file_compiles_to_the_same_code_as_before() {
    let source = "export const a = 1; export default class {} export function main(input) { return a }";
    let one = compile("main.ts", source).unwrap();
    let files = BTreeMap::from([("main.ts".to_owned(), source.to_owned()), ("other.ts".to_owned(), "{".to_owned())]);
    assert_eq!(compile_modules("main.ts", &files).unwrap(), one);
    assert!(one.files.is_empty() && !format!("{:?}", one.bytecode).contains("files"));
}

#[test]
fn only_imported_files_are_read_and_kept() {
    let sources = parse_files(
        "//- a/main.ts\nimport './b'; import type { T } from './types'; import '../c.json'\n//- a/b.ts\n//- c.json\n1\n//- a/types.ts\n//- d.ts\n",
    );
    let mut read = Vec::new();
    let compiled = compile_with("a/main.ts", &sources.files["a/main.ts"], &mut |path| {
        read.push(path.to_owned());
        Ok(sources.files.get(path).cloned())
    });
    assert_eq!(compiled.unwrap().files.into_keys().collect::<Vec<_>>(), ["a/b.ts", "c.json"]);
    assert_eq!(read, ["a/b.ts", "c.json"]);
}

#[test]
fn the_function_that_the_entry_exports_is_called_with_the_input() {
    let helper = "//- helper.ts\nexport function main(input: any) { return ['helper', input] }\nexport default main; export const value = 1; export function run() { return 'run' }\n";
    for (entry, expected) in [
        ("export default function () { return 'default' }", serde_json::json!("default")),
        ("export default async (input: any) => ['arrow', input]", serde_json::json!(["arrow", null])),
        ("export default function other() { return 'named' }", serde_json::json!("named")),
        ("function run() { return 'as' } export { run as main }", serde_json::json!("as")),
        ("const run = () => 'as default'; export { run as default }", serde_json::json!("as default")),
        ("export { main } from './helper'", serde_json::json!(["helper", null])),
        ("export { run as main } from './helper'", serde_json::json!("run")),
        ("import { run } from './helper'; export { run as default }", serde_json::json!("run")),
        ("export * from './helper'", serde_json::json!(["helper", null])),
        (
            "export function main() { return 'main' } export default function other() { return 'other' }",
            serde_json::json!("main"),
        ),
        // The top level calls it already, or it is not a function.
        ("import { run } from './helper'; run(); export { run as main }", Json::Null),
        ("export default class {}", Json::Null),
        ("export default function* () { yield 1 }", Json::Null),
        ("export default async function* other() { yield 1 }", Json::Null),
        ("export { value as main } from './helper'", Json::Null),
        ("export default 1", Json::Null),
        ("export function other() { return 'other' }", Json::Null),
    ] {
        let text = format!("//- entry.ts\n{entry}\n{helper}");
        let (_, end) = run(&program(&text), 1);
        assert_eq!(end.unwrap(), expected, "{entry}");
    }
}

#[test]
fn stack_traces_and_failures_name_files() {
    let program = program(
        "//- main.ts\nimport { check } from './lib/check';\nfunction run(n: number) {\n  return check(n);\n}\nclass K { static s = run(1) }\n\
         //- lib/check.ts\nimport { fail } from '../fail.ts';\nexport const check = (n: number) => [n].map((one) => fail(one));\n\
         //- fail.ts\n\n  export default 1; export function fail(n: number): never { throw new Error(`no ${n}`) }\n",
    );
    let failure = run(&program, u64::MAX).1.unwrap_err();
    let expected = [
        "at fail (fail.ts:2:62)",
        "at <anonymous> (lib/check.ts:2:54)",
        "at check (lib/check.ts:2:41)",
        "at run (main.ts:3:10)",
        "at <anonymous> (main.ts:5:22)",
        "at <program> (main.ts:5:1)",
    ];
    assert_eq!(failure.stack, expected);
    assert_eq!((failure.file.as_deref(), failure.line, failure.column), (Some("fail.ts"), 2, 62));
}

#[test]
fn names_of_saved_variables_stay_readable() {
    let program = program(
        "//- main.ts\nimport { count as other, read } from './a'; import prompts from './prompts.json'; let count = 1; CC(`${count}${other}${read()}${prompts}`)\n\
         //- a.ts\nexport let count = 2; export const read = () => count;\n//- prompts.json\n{}\n",
    );
    let slots = &program.functions[0].slots;
    for name in ["count", "count$1", "read", "prompts"] {
        assert!(slots.iter().any(|slot| slot == name), "{name}: {slots:?}");
    }
}

/// Sources that are refused.
const REFUSED: &[&str] = &[
    "//- main.ts\nimport OpenAI from 'openai';\nnew OpenAI()\n",
    "//- main.ts\nimport fs from 'node:fs'; fs.x",
    "//- main.ts\nimport { x } from '/etc/passwd'; x",
    "//- main.ts\nimport { x } from 'https://example.com/x.ts'; x",
    "//- main.ts\nimport { x } from '../../etc/passwd'; x",
    "//- main.ts\nimport { x } from './a%20b?c'; import './a\\\\b'; x",
    "//- main.ts\nimport { x } from './x'; import './x.js'; import './x.ts'; import './x.css'; import './'; x",
    "//- main.ts\nimport { serch, Type } from './tools';\nserch(Type)\n//- tools.ts\nexport const search = 1; export type Type = 1;",
    "//- main.ts\nimport d from './tools'; import * as tools from './tools'; d; tools.serch(); tools;\ntools['search']; tools.search = 1; tools.search++; const { search } = tools; delete tools.search; console.log({ tools });\n//- tools.ts\nexport const search = 1;",
    "//- main.ts\nimport { a } from './both'; a\n//- both.ts\nexport * from './x'; export * from './y'\n//- x.ts\nexport const a = 1\n//- y.ts\nexport const a = 2\n",
    "//- main.ts\nexport const a = 1; const b = 2; export { b as a };",
    "//- main.ts\nexport default 1; export default 2;",
    "//- main.ts\nexport var a, a; export var [b, { b }] = [1, { b: 2 }]; export function f(x: 1): 1; export function f(x: any) { return x }",
    "//- main.ts\nexport { nowhere }; export { x, y as z } from './a'\n//- a.ts\nexport let y = 1",
    "//- main.ts\nimport * as a from './a'; a.f(); a.g`x`; a.h?.(); a.k();\n//- a.ts\nexport function f() { return () => this } export const g = function () { return this }; export async function h() { await this }\nexport function k() { return { m() { return this } } }",
    "//- main.ts\nexport { a } from './b'\n//- b.ts\nimport { a } from './main'; export { a }",
    "//- main.ts\nimport { a } from './a'; a = 1; a++; [a] = [1]; for (a of []); ({ a } = { a: 1 }); a ||= 2;\n//- a.ts\nexport let a = 1",
    "//- main.ts\nimport { a } from './a'; const a = 1;\n//- a.ts\nexport let a = 1",
    "//- main.ts\nconst a = await import('./a'); import.meta.url; require('./a'); module.exports = 1;\n",
    "//- main.ts\nimport x = require('./a');\n",
    "//- main.ts\nexport = 1;\n",
    "//- main.ts\nimport './a.json'; import b from './b' with { type: 'json' }; b; import { a } from './a.json' with { kind: 'x' }; a\n//- a.json\n{\"a\": 1,\n  b}\n//- b.ts\nexport default 1\n",
    "//- main.ts\nimport { a } from './a.json'; a\n//- a.json\n{\"a\": 1}\n",
    "//- main.ts\nimport { f } from './a'; import * as a from './a'; new f(); new a.f(); f(1\n//- a.ts\nexport function f() {}\n",
    "//- main.ts\nimport { f } from './a'; f(nowhere)\n//- a.ts\nexport const f = import.meta; const g = nothing;\n",
    "//- main.ts\nimport './a'; import './b'; await 1\n//- a.ts\n\nexport const x = await CC('a')\n//- b.ts\nconsole.log('b')\n",
    "//- main.ts\nimport './a'; export const m = 1;\n//- a.ts\nimport { m } from './main'; for await (const x of [m]);\n",
];

#[test]
fn refused_module_graphs() {
    let found: Vec<String> = REFUSED
        .iter()
        .map(|text| {
            let found = compile_text(text).expect_err(text);
            format!(
                "{}\n{}\n",
                text.trim_end(),
                listing(&found).lines().map(|line| format!("  > {line}\n")).collect::<String>()
            )
        })
        .collect();
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn too_many_and_too_large_files_are_refused() {
    let endless = compile_with("main.ts", "import './1'", &mut |path| {
        let number: usize = path.strip_suffix(".ts").unwrap().parse().unwrap();
        Ok(Some(format!("import './{}'", number + 1)))
    });
    let found = endless.unwrap_err();
    assert_eq!(found[0].message, format!("the program has more than {MAX_FILES} files"));
    let large = compile_with("main.ts", "import './a'", &mut |_| Ok(Some(" ".repeat(MAX_SOURCE))));
    assert!(large.unwrap_err()[0].message.contains("bytes; at most"));
    let unreadable = compile_with("main.ts", "import './a'", &mut |path| Err(format!("{path} cannot be read")));
    assert_eq!(unreadable.unwrap_err()[0].message, "a.ts cannot be read");
    let missing = compile_modules("main.ts", &BTreeMap::from([("a.ts".to_owned(), String::new())])).unwrap_err();
    assert_eq!(
        (missing[0].message.as_str(), missing[0].hint.as_deref()),
        ("the entry main.ts is not a file of the program", Some("the files are a.ts"))
    );
}

#[test]
fn chain_of_all_allowed_files_compiles() {
    let last = MAX_FILES - 1;
    let compiled = compile_with("main.ts", "import { n } from './1'; console.log(n)", &mut |path| {
        let number: usize = path.strip_suffix(".ts").unwrap().parse().unwrap();
        Ok(Some(if number == last {
            "export const n = 'end'".to_owned()
        } else {
            format!("export * from './{}'", number + 1)
        }))
    });
    let program = Arc::new(VerifiedProgram::decode(&compiled.unwrap().bytecode).unwrap());
    assert_eq!(output(&program, u64::MAX), ["end"]);
}
