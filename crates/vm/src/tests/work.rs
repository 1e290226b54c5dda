//! Work that depends on data counts as instructions, so that a slice ends.

use super::*;

/// The instructions of ten repetitions of an operation, without those of what it needs.
fn cost_of_ten(needs: &str, operation: &str) -> u64 {
    let [none, ten] = [0, 10].map(|times| {
        let source = format!(
            "const n = {SIZE}; let r: any; {needs} function work(): void {{ {operation} }} for (let i = 0; i < {times}; i++) work();"
        );
        run(&source, 0).2
    });
    ten - none
}

const SIZE: u64 = 8_000;

#[test]
fn what_an_instruction_reads_is_counted() {
    let texts = "const a: any = 'x'.repeat(n) + 'y', b: any = 'x'.repeat(n) + 'z', spaces = ' '.repeat(n); const map = new Map<any, any>([[a, 1]]), named: any = { [a]: 1 };";
    let lists = "const list: any = Array(n).fill(0), holes = new Array(n);";
    let tables = "const object: any = {}; for (let i = 0; i < n; i++) object['k' + i] = i; const table = new Map<any, any>(Object.entries(object)), set: any = new Set(table.keys());";
    let chains = "let last: any = {}, bound: any = () => 1; class A {} for (let i = 0; i < n; i++) { last = Object.create(last); bound = bound.bind(null); }";
    let cases: [(&str, &[&str]); 4] = [
        (
            texts,
            &[
                "r = a === b",
                "r = a !== b",
                "r = a == b",
                "r = a < b",
                "if (a === b) r = 1",
                "switch (a) { case b: r = 1 }",
                "r = Object.is(a, b)",
                "r = [b].includes(a)",
                "r = [b].indexOf(a)",
                "r = [b].lastIndexOf(a)",
                "r = a.startsWith(b)",
                "r = a.endsWith(b)",
                "r = map.has(b)",
                "r = named[b]",
                "r = +a",
                "r = parseInt(a)",
                "r = spaces.trim()",
                "r = spaces.trimStart()",
                "r = spaces.trimEnd()",
                "try { JSON.parse(spaces + 'x') } catch { r = 1 }",
            ],
        ),
        (
            lists,
            &[
                "r = list.includes(1)",
                "r = list.indexOf(1)",
                "r = list.lastIndexOf(1)",
                "r = [...list]",
                "r = list.slice()",
                "r = list.concat([1])",
                "r = list.reverse()",
                "r = list.fill(1)",
                "r = list.map(Boolean)",
                "r = structuredClone(list)",
                "holes.forEach(() => { r = 1 })",
            ],
        ),
        (
            tables,
            &[
                "r = Object.keys(object)",
                "r = { ...object }",
                "const { k1, ...rest } = object; r = rest",
                "for (const key in object) { r = key; break }",
                "r = new Map(table)",
                "r = set.isSubsetOf(table)",
                "r = structuredClone(object)",
            ],
        ),
        (chains, &["r = last.missing", "r = 'missing' in last", "r = last instanceof A", "r = bound()"]),
    ];
    for (needs, operations) in cases {
        for operation in operations {
            let cost = cost_of_ten(needs, operation);
            assert!(cost >= 10 * SIZE / 80, "{operation}: {cost}");
        }
    }
}

#[test]
fn a_long_name_is_counted() {
    let name = "p".repeat(SIZE as usize);
    let cost = cost_of_ten(&format!("const o: any = {{ {name}x: 1, {name}y: 2 }};"), &format!("r = o.{name}y"));
    assert!(cost >= 10 * SIZE / 80, "{cost}");
}

/// A restored text is joined and shared with nothing.
#[test]
fn what_is_counted_depends_on_the_state_only() {
    let source = "const a = 'x'.repeat(3000), b = a, m = new Map<any, any>(), s = new Set<any>(); let n = 0;
        for (let i = 0; i < 30; i++) {
            if (a === b) n++;
            m.set(a + (i % 20), i); m.delete(a + (i - 9)); s.add(a + i);
            n += [a, b].indexOf(b) + (a + i).indexOf('' + i) + m.size + s.union(s).size;
        }
        console.log(n)";
    let whole = run(source, 0);
    for stride in [97, 1_000] {
        assert_eq!(run(source, stride), whole);
    }
}

#[test]
fn a_run_that_joins_much_text_ends_early() {
    let source = "const s = 'x'.repeat(1e6); let n = 0; for (let i = 0; i < 200; i++) { const t = s + i; n += t.charCodeAt(3) } console.log(n)";
    let mut machine = start(source);
    assert_eq!(machine.run(u64::MAX, &TURN), StopReason::Fuel);
    let whole = run(source, 0);
    assert_eq!(whole.0, ["24000"]);
    assert_eq!(run(source, 10_000), whole);
}

#[test]
fn a_step_of_a_match_costs_at_least_an_instruction() {
    let limits = Limits { match_steps: 10_000, ..Limits::default() };
    let source = "try { /(a+)+$/.test('a'.repeat(30) + 'b') } catch (error: any) { console.log(error.name) }";
    let (mut machine, stop) = run_with_limits(source, limits);
    assert_eq!((stop, machine.take_output()), (StopReason::Complete(Json::Null), vec!["RangeError".to_owned()]));
    let mut after = machine.instructions();
    after += machine.deferred_fuel();
    assert!(after > 10_000, "{after}");
}

#[test]
fn the_memory_of_a_match_is_limited_as_the_heap() {
    let limits = Limits { heap_bytes: 2 << 20, ..Limits::default() };
    for source in ["/(?:a|b)*c/.test('a'.repeat(1e6))", "'a'.repeat(1e6).match(/a/g)"] {
        let failure = expect_failure(run_with_limits(source, limits.clone()).1);
        assert!(failure.limit && failure.message.contains("heap limit"), "{source}: {failure:?}");
    }
}

#[test]
fn nested_to_json_takes_linear_work() {
    let instructions = |depth: u32| {
        let source = format!(
            "const make = (k: number): any => ({{ toJSON: () => (k === 0 ? 1 : {{ next: make(k - 1) }}) }}); console.log(JSON.stringify(make({depth})).length)"
        );
        run(&source, 0).2
    };
    let [less, more] = [2_000, 4_000].map(instructions);
    assert!(more * 10 < less * 25, "{less}, {more}");
}

#[test]
fn built_in_functions_that_call_each_other_reach_the_instruction_limit() {
    let source = "const list: any = Array(200).fill(0); let f: any = Boolean; for (let i = 0; i < 3; i++) f = list.forEach.bind(list, f); f()";
    let limits = Limits { instructions: 100_000, ..Limits::default() };
    let failure = expect_failure(run_with_limits(source, limits).1);
    assert!(failure.limit && failure.message.contains("instruction limit"), "{failure:?}");
}
