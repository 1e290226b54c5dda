//! The speed of programs: the machine beside `node --jitless`, which runs the same source in the same run, and beside
//! QuickJS if RUNSTATE_QUICKJS is a Python with the package `quickjs`. The time is that of `work()`, without start and
//! compilation.

#[path = "figures/mod.rs"]
mod figures;

use std::ffi::OsStr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runstate::vm::{Limits, Machine, StopReason, TurnContext, VerifiedProgram};
use serde_json::Value as Json;

use figures::{Figure, Figures, median, ms};

/// Rounds; the engines alternate, so that other load on the machine affects all of them alike.
const ROUNDS: usize = 5;

/// The largest ratio to `node --jitless`.
const MOST: f64 = 2.0;

/// Names and sources. `work()` returns a checksum, which must be the same everywhere.
const PROGRAMS: [(&str, &str); 13] = [
    ("fib(27)", "function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); } function work() { return fib(27); }"),
    (
        "loop of 3 M",
        "function work() { let s = 0; for (let i = 0; i < 3_000_000; i++) s = (s + i * 3) % 1000003; return s; }",
    ),
    (
        "sort 100,000 with a comparator",
        "let x = 7; const list = Array.from({ length: 100_000 }, () => (x = (x * 48271) % 2147483647)); \
         function work() { const sorted = list.slice().sort((a, b) => a - b); return sorted[0] + sorted[99_999]; }",
    ),
    (
        "100,000 appends and index reads of text",
        "function work() { let s = ''; for (let i = 0; i < 100_000; i++) s += 'ab'; let n = 0; \
         for (let i = 0; i < 100_000; i++) n += s[i * 2 + 1] === 'b' ? 1 : 0; return n; }",
    ),
    (
        "appends that are read each time",
        "function work() { let s = ''; let n = 0; for (let i = 0; i < 50_000; i++) { s += 'ab'; n += s.length + s.charCodeAt(i); } return n; }",
    ),
    (
        "200,000 Map operations",
        "function work() { const m = new Map(); for (let i = 0; i < 100_000; i++) m.set('k' + i, i); let s = 0; \
         for (let i = 0; i < 100_000; i++) s += m.get('k' + i); return s + m.size; }",
    ),
    (
        "objects as dictionaries",
        "function work() { const o = {}; for (let i = 0; i < 100_000; i++) { const k = 'w' + (i % 5000); o[k] = (o[k] ?? 0) + 1; } \
         let s = 0; for (const k in o) s += o[k]; return s; }",
    ),
    (
        "classes",
        "class A { constructor(n) { this.n = n; } add(m) { this.n += m; return this; } get twice() { return this.n * 2; } } \
         class B extends A { add(m) { return super.add(m + 1); } } \
         function work() { let s = 0; for (let i = 0; i < 200_000; i++) { const b = new B(i); s += b.add(1).twice; } return s; }",
    ),
    (
        "closures",
        "function counter() { let n = 0; return () => ++n; } \
         function work() { let s = 0; for (let i = 0; i < 50_000; i++) { const c = counter(); c(); c(); s += c(); } return s; }",
    ),
    (
        "map, filter, reduce",
        "const list = Array.from({ length: 200_000 }, (_, i) => i); \
         function work() { return list.map((n) => n * 2).filter((n) => n % 3 === 0).reduce((a, b) => a + b, 0); }",
    ),
    (
        "JSON of 1 MB",
        "const rows = Array.from({ length: 10_000 }, (_, i) => ({ id: i, name: `row ${i}`, tags: ['a', 'b'], nested: { x: i / 3, ok: i % 2 === 0, none: null } })); \
         function work() { const text = JSON.stringify(rows); return JSON.parse(text).length + text.length; }",
    ),
    (
        "words of a text",
        "const text = 'the quick brown fox jumps over the lazy dog and runs away\\n'.repeat(4_000); \
         function work() { const counts = {}; for (const line of text.split('\\n')) for (const word of line.split(' ')) counts[word] = (counts[word] ?? 0) + 1; \
         return Object.values(counts).reduce((a, b) => a + b, 0); }",
    ),
    (
        "100,000 awaits",
        "async function one(n) { await n; return n; } async function work() { let s = 0; for (let i = 0; i < 50_000; i++) s += await one(i); return s; }",
    ),
];

type BenchError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), BenchError> {
    let mut figures = Figures::create("vm")?;
    let quickjs = std::env::var_os("RUNSTATE_QUICKJS");
    let filter = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    for (name, source) in PROGRAMS {
        if filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        let (mut own, mut node, mut quick) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (result, time) = run_here(source)?;
            own.push(time);
            let mut others = vec![(run_in_node(source)?, &mut node)];
            if let Some(python) = &quickjs {
                others.push((run_in_quickjs(source, python)?, &mut quick));
            }
            for ((expected, time), times) in others {
                if expected != result {
                    return Err(format!("{name}: {result} here, {expected} elsewhere").into());
                }
                times.push(time);
            }
        }
        let time = median(&mut own);
        figures.add(
            Figure::ms(format!("{name}; raw: node --jitless"), time).raw(ms(median(&mut node))).ratio_at_most(MOST),
        )?;
        if !quick.is_empty() {
            figures.add(
                Figure::ms(format!("{name}; raw: QuickJS"), time).raw(ms(median(&mut quick))).ratio_at_most(1.0),
            )?;
        }
    }
    Ok(())
}

/// The result of a program as text, and its time.
type EngineRun = (String, Duration);

fn run_in_quickjs(source: &str, python: &OsStr) -> Result<EngineRun, BenchError> {
    // The package runs jobs only on request.
    let script = format!(
        "import quickjs\ncontext = quickjs.Context()\ncontext.set_max_stack_size(64 << 20)\ncontext.eval({})\n\
         while context.execute_pending_job(): pass\nprint(context.eval('shown'))",
        Json::from(timed(source, "Date", "shown ="))
    );
    parse_run(Command::new(python).arg("-c").arg(script))
}

fn run_in_node(source: &str) -> Result<EngineRun, BenchError> {
    parse_run(Command::new("node").args(["--jitless", "-e"]).arg(timed(source, "performance", "console.log")))
}

/// A script that shows the result of `work()` and its milliseconds. The end of an async one is waited for.
fn timed(source: &str, clock: &str, show: &str) -> String {
    format!(
        "var shown; {source}\n const begun = {clock}.now(); const made = work(); \
         const report = (result) => {{ {show}(`${{result}} ${{{clock}.now() - begun}}`); }}; \
         if (typeof made === 'object') made.then(report); else report(made);"
    )
}

fn parse_run(command: &mut Command) -> Result<EngineRun, BenchError> {
    let output = command.output()?;
    let text = String::from_utf8(output.stdout)?;
    let Some((result, time)) = text.trim().rsplit_once(' ') else {
        return Err(format!("no result: {}", String::from_utf8_lossy(&output.stderr)).into());
    };
    Ok((result.to_owned(), Duration::from_secs_f64(time.parse::<f64>()? / 1e3)))
}

fn run_here(source: &str) -> Result<EngineRun, BenchError> {
    // The pause ends the first turn, so that the preparation is not measured.
    let source = format!("{source}\nfunction main() {{ CC('begin?'); return work(); }}");
    let compiled = runstate::lang::compile("bench.ts", &source).map_err(|found| format!("{found:?}"))?;
    let program = Arc::new(VerifiedProgram::decode(&compiled.bytecode)?);
    let mut machine =
        Machine::start(program, &Json::Null, [7; 32], Limits::default()).map_err(|failure| failure.message)?;
    let mut begun = Instant::now();
    loop {
        match machine.run(1_000_000, &TurnContext { now_ms: 0 }) {
            StopReason::Fuel => {}
            StopReason::Waiting(_) => {
                machine.answer(&Json::Null).map_err(|failure| failure.message)?;
                begun = Instant::now();
            }
            StopReason::Complete(result) => return Ok((result.to_string(), begun.elapsed())),
            stop => return Err(format!("{stop:?}").into()),
        }
    }
}
