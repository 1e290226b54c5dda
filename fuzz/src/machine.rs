//! Bytecode and snapshots of the machine. Both are verified before they run, so no edit may make the machine panic, and
//! a machine that was saved and restored continues as the one that was not.

use std::sync::{Arc, LazyLock};

use runstate::vm::{Instruction, Limits, Machine, Reply, StopReason, TurnContext, VerifiedProgram};
use serde_json::{Value as Json, json};

use super::{Choices, InputOutcome};

const TURN: TurnContext = TurnContext { now_ms: 1_700_000_000_000 };

/// Small limits, so that no input needs much time or memory.
pub const LIMITS: Limits = Limits {
    instructions: 20_000,
    frames: 200,
    stack: 10_000,
    heap_bytes: 1 << 20,
    text_units: 1 << 16,
    output_bytes: 1 << 16,
    call_bytes: 1 << 12,
    json_depth: 32,
    match_steps: 20_000,
};

const SOURCES: [&str; 11] = [
    "function f(x) { const y = [x, 2].map(z => CC('q' + z)); return y } CC('k', { key: 'k' }); console.log(f(1))",
    "CC('first'); const a = [3, 1, 2, undefined, 10]; a.sort((x, y) => (CC('s'), x - y)); console.log(a, a.reduce((p, c) => p + (c ?? 0), 0))",
    "class A { n = 1; static s = [2]; constructor(public x) {} get2() { return this.x + this.n } } class B extends A { m = [1, 2].map(y => CC('q' + y)); constructor() { super(7) } get2() { return super.get2() } } const b: any = new B(); console.log(b.get2(), b instanceof A, b)",
    "const m = new Map([['a', 1], ['b', 2]]); for (const [k, v] of m) { if (k === 'a') { m.delete('a'); m.set('c', 3) } CC(k + v) } console.log(new Set([1, 1, NaN, -0]).size)",
    "function f() { try { try { throw new TypeError('x') } finally { CC('f') } } catch (e: any) { console.log(e.name, e instanceof Error); return 1 } finally { console.log('g') } } console.log(f())",
    "const all = CC.all(['a', { prompt: 'b', key: 'k', timeoutMs: 5 }]); console.log(all, call('t', { a: [1] }, { key: 'k' }))",
    "const big: any = []; for (let i = 0; i < 600; i++) big.push({ i }); const d: any = {}; for (let i = 0; i < 300; i++) d['k' + i] = i; CC('x'); for (const k in d) big[0].i += d[k]; big.length = 5; console.log(JSON.stringify(big))",
    "const re = /(a)(?<n>\\d)/g; console.log('xa1a2'.replace(re, (m, g, i) => g + CC(m))); for (const c of 'añ😀') { console.log(c.padStart(3, '-')) } const g = Math.max.bind(null, 5); console.log(g(3), `${[1, [2]]}`, structuredClone({ d: [1] }))",
    "const t = async (q: any, n: any) => { for (let i = 0; i < n; i++) { try { console.log(await CC(q)) } catch (e) { throw e } finally { await null } } return q }; const all = Promise.all([t('a', 2), t('b', 1), CC.all(['c', 'd'])]); CC('blocking'); console.log(await all, await Promise.race([t('e', 1), t('f', 1)]))",
    "class A { #x = 1; async m(f: any) { for await (const x of [f(1), 2]) this.#x += await x; return this.#x } } setTimeout((x: any) => console.log(x), 1, 'timer'); const p = new Promise((r: any) => { CC('in'); r({ then(f: any) { f(CC('then')) } }) }); console.log(await p.then((x: any) => [x, CC('handler')]).finally(() => CC('f')), await new A().m(async (x: any) => (await sleep(1), x)), await Promise.allSettled([Promise.reject(1), p]))",
    "let n = 0; const fs: any = []; for (let i = 0; i < 3; i++) fs.push(() => i++ + n++); const { a, ...rest } = { a: 1, b: 2, c: 3 }; label: for (const f of fs) { switch (f()) { case 0: continue label; default: CC('s') } } console.log(a, rest, Object.entries(rest).flat(), JSON.parse('[1]'))",
];

/// A compiled program, and the machine at each of its stops.
struct CompiledFixture {
    wire: Json,
    program: Arc<VerifiedProgram>,
    snapshots: Vec<Json>,
}

static FIXTURES: LazyLock<Vec<CompiledFixture>> =
    LazyLock::new(|| SOURCES.iter().map(|source| CompiledFixture::new(source)).collect());

impl CompiledFixture {
    fn new(source: &str) -> Self {
        let bytecode = runstate::lang::compile("program.ts", source).unwrap().bytecode;
        let program = Arc::new(VerifiedProgram::decode(&bytecode).unwrap());
        let mut machine = Machine::start(program.clone(), &json!({"n": 1}), [7; 32], LIMITS).unwrap();
        let mut snapshots = Vec::new();
        for fuel in [40, 1_000, 1_000, 10_000] {
            let stop = machine.run(fuel, &TURN);
            if matches!(stop, StopReason::Complete(_) | StopReason::Failed(_)) {
                break;
            }
            snapshots.push(save(&machine));
            reply(&mut machine, &stop);
        }
        // Without positions in the source: edits of them reach nothing.
        let mut wire = serde_json::to_value(bytecode).unwrap();
        for instruction in wire.as_array_mut().unwrap().iter_mut().filter_map(Json::as_object_mut) {
            instruction.retain(|name, _| name != "line" && name != "column");
        }
        Self { wire, program, snapshots }
    }
}

/// The bytecode decoder, and the machine on what it accepts.
pub fn bytecode(data: &[u8]) -> InputOutcome {
    let mut choices = Choices(data);
    let mut wire = choices.pick(&FIXTURES).wire.clone();
    choices.edit_json(&mut wire);
    let Ok(wire) = serde_json::from_value::<Vec<Instruction>>(wire) else { return InputOutcome::Refused };
    let Ok(program) = VerifiedProgram::decode(&wire) else { return InputOutcome::Refused };
    if let Ok(machine) = Machine::start(Arc::new(program.clone()), &json!({"n": 1}), [7; 32], LIMITS) {
        run(&Arc::new(program), machine);
    }
    InputOutcome::Accepted
}

/// The reader of snapshots, and the machine that it restores.
pub fn snapshot(data: &[u8]) -> InputOutcome {
    let mut choices = Choices(data);
    let fixture = choices.pick(&FIXTURES);
    let mut snapshot = choices.pick(&fixture.snapshots).clone();
    choices.edit_json(&mut snapshot);
    match restore(&fixture.program, &snapshot) {
        Ok(machine) => {
            run(&fixture.program, machine);
            InputOutcome::Accepted
        }
        Err(reason) => {
            assert!(!reason.is_empty());
            InputOutcome::Refused
        }
    }
}

/// Runs a machine in slices, beside a copy that is restored before each of them.
fn run(program: &Arc<VerifiedProgram>, mut machine: Machine) {
    for _ in 0..8 {
        let saved = save(&machine);
        let mut copy = restore(program, &saved).unwrap_or_else(|reason| panic!("{reason}: {saved}"));
        assert_eq!(saved, save(&copy));
        let (stop, copied) = (machine.run(1_000, &TURN), copy.run(1_000, &TURN));
        assert_eq!(stop, copied);
        assert_eq!(save(&machine), save(&copy));
        assert_eq!(state(&machine), state(&copy));
        let _ = (machine.variables(1_000), machine.operands(1_000));
        machine.take_output();
        if matches!(stop, StopReason::Complete(_) | StopReason::Failed(_)) {
            return;
        }
        reply(&mut machine, &stop);
    }
}

fn reply(machine: &mut Machine, stop: &StopReason) {
    if let StopReason::Waiting(calls) = stop {
        machine.settle(calls[0].number, &Reply::Value(json!("yes"))).unwrap();
    }
}

fn save(machine: &Machine) -> Json {
    let pages = (0..machine.page_count()).map(|page| machine.encode_page(page));
    let pages: Vec<Json> = pages.map(|page| serde_json::from_str(&page).unwrap()).collect();
    json!({"saved": machine.save(), "pages": pages})
}

fn restore(program: &Arc<VerifiedProgram>, snapshot: &Json) -> Result<Machine, String> {
    let saved = serde_json::from_value(snapshot["saved"].clone()).map_err(|error| error.to_string())?;
    let pages = snapshot["pages"].as_array().ok_or("no pages")?.iter().cloned().map(Ok);
    Machine::restore(program.clone(), &saved, pages, LIMITS).map_err(|error| error.message)
}

fn state(machine: &Machine) -> String {
    let mut text = String::new();
    machine.write_state(&mut text);
    text
}
