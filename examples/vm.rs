//! Runs a program on the bare machine: `cargo run --release --features compiler --example vm -- program.ts`.
//! The lines of standard input answer its questions. Prints output, result and instructions per second.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Instant;

use runstate::vm::{Limits, Machine, Reply, StopReason, TurnContext, VerifiedProgram};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("which program?")?;
    let source = std::fs::read_to_string(&file)?;
    let compiled = runstate::lang::compile(&file, &source)
        .map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let program = Arc::new(VerifiedProgram::decode(&compiled.bytecode)?);
    let mut machine = Machine::start(program, &serde_json::Value::Null, [7; 32], Limits::default())
        .map_err(|failure| failure.message)?;
    let mut answers = std::io::stdin().lock().lines();
    let mut out = std::io::stdout().lock();
    let begin = Instant::now();
    loop {
        let stop = machine.run(10_000_000, &TurnContext { now_ms: 0 });
        for line in machine.take_output() {
            writeln!(out, "{line}")?;
        }
        match stop {
            StopReason::Fuel => {}
            StopReason::Waiting(calls) => {
                let Some(call) = calls.first() else { return Err("it waits for nothing".into()) };
                writeln!(out, "? {} {}{}", call.request.kind, call.request.prompt, call.request.args)?;
                let reply = match call.request.kind.as_str() {
                    "timer" => Reply::Nothing,
                    _ => Reply::Value(answers.next().ok_or("no more answers")??.into()),
                };
                machine.settle(call.number, &reply).map_err(|failure| failure.message)?;
            }
            StopReason::Complete(result) => {
                writeln!(out, "= {result}")?;
                break;
            }
            StopReason::Failed(failure) => {
                writeln!(out, "{}: {}\n{}", failure.name, failure.message, failure.stack.join("\n"))?;
                break;
            }
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let millions = machine.instructions() as f64 / 1e6;
    eprintln!("{millions:.1} M instructions in {seconds:.3} s, {:.1} M/s", millions / seconds);
    Ok(())
}
