//! The waits before a program runs: an empty program on a store in memory, and the compilation of 2,000 lines. The raw
//! cost of the former is a process that does nothing.

#[path = "../../benches/figures/mod.rs"]
mod figures;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use figures::{Figure, Figures, median, ms};

const ROUNDS: usize = 30;
/// Lines of the long program.
const LINES: usize = 2_000;
/// Programs as people write them, whose lines are repeated in the long one.
const PARTS: [&str; 3] = ["agent_loop", "saga", "fan_out"];

type BenchError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), BenchError> {
    let mut figures = Figures::create("start")?;
    let folder = tempfile::tempdir()?;
    let empty = folder.path().join("empty.ts");
    fs::write(&empty, "")?;
    let (mut runs, mut starts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        runs.push(time_process(Command::new(PROGRAM).args(["run", "--store", "memory:"]).arg(&empty))?);
        starts.push(time_process(&mut Command::new("true"))?);
    }
    figures.add(Figure::ms("empty program in memory", median(&mut runs)).raw(ms(median(&mut starts))).at_most(10.0))?;

    let source = long_program()?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        runstate::lang::compile("long.ts", &source).map_err(|found| format!("{found:?}"))?;
        times.push(begun.elapsed());
    }
    let name = format!("compile {} lines", source.lines().count());
    Ok(figures.add(Figure::ms(name, median(&mut times)).at_most(20.0))?)
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_runstate");

fn time_process(command: &mut Command) -> Result<Duration, BenchError> {
    let begun = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if !status.success() {
        return Err(format!("{command:?} failed: {status}").into());
    }
    Ok(begun.elapsed())
}

/// The examples repeatedly, each in a block of its own.
fn long_program() -> Result<String, BenchError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let parts: Vec<String> = PARTS
        .iter()
        .map(|part| fs::read_to_string(folder.join(part).with_extension("ts")))
        .collect::<Result<_, _>>()?;
    let mut program = String::new();
    for part in parts.iter().cycle() {
        if program.lines().count() + part.lines().count() > LINES {
            break;
        }
        program += &format!("{{\n{part}\n}}\n");
    }
    Ok(program)
}
