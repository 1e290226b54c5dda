//! One command of the command line on a file store: a list and a heartbeat with 10,000 sessions, and a list after an
//! import of 15,000 documents. Each runs as a process of its own; its processor time and peak memory are what the
//! system counted. The raw cost is a process that does nothing, and reading all files of the store once.

#[path = "../../benches/figures/mod.rs"]
mod figures;

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use figures::{Figure, Figures, median, ms};
use runstate::domain::orchestration::{CreateSession, RegisterMachine, SessionHeartbeat};
use runstate::engine::{Engine, SystemHost};
use runstate::store::file::{FileStore, FileStoreOptions};
use serde_json::{Value, json};

const ROUNDS: usize = 15;
const SESSIONS: usize = 10_000;
const MACHINES: usize = 100;
const DOCUMENTS: usize = 15_000;
const PER_COMMIT: usize = 500;

/// Heartbeats after the sessions were created, after each of which the commands are measured.
const BEATS: [usize; 4] = [0, 300, 600, 900];

const PROGRAM: &str = env!("CARGO_BIN_EXE_runstate");

type BenchError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), BenchError> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    match words.as_slice() {
        ["sessions", folder] => runtime.block_on(create_sessions(Path::new(folder))),
        ["beats", folder, count] => runtime.block_on(beat(Path::new(folder), count.parse()?)),
        ["documents", folder] => runtime.block_on(write_documents(Path::new(folder))),
        ["resources", arguments @ ..] => print_resources(arguments),
        _ => bench(),
    }
}

fn bench() -> Result<(), BenchError> {
    let mut figures = Figures::create("file_commands")?;
    let folder = tempfile::tempdir()?;
    let sessions = folder.path().join("sessions");
    run_part(&["sessions", path_text(&sessions)?])?;
    let mut done = 0;
    for beats in BEATS {
        run_part(&["beats", path_text(&sessions)?, &(beats - done).to_string()])?;
        done = beats;
        let name = format!("{SESSIONS} sessions, {beats} beats");
        measure(&mut figures, &format!("{name}: list"), &sessions, &["sessions", "list", "--limit", "5"], 20.0)?;
    }
    let name = format!("{SESSIONS} sessions: heartbeat");
    measure(&mut figures, &name, &sessions, &["sessions", "heartbeat", "session-77"], 20.0)?;

    let (documents, imported) = (folder.path().join("documents"), folder.path().join("imported"));
    let export = folder.path().join("export.jsonl");
    run_part(&["documents", path_text(&documents)?])?;
    run_program(&documents, &["export", path_text(&export)?])?;
    run_program(&imported, &["import", path_text(&export)?])?;
    let name = format!("import of {DOCUMENTS} documents");
    measure(&mut figures, &format!("{name}: list"), &imported, &["list"], 10.0)
}

/// Measures a command in turn with the raw cost.
fn measure(figures: &mut Figures, name: &str, store: &Path, command: &[&str], most: f64) -> Result<(), BenchError> {
    let (mut times, mut starts, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    let mut bytes = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        run_program(store, command)?;
        times.push(begun.elapsed());
        starts.push(time_process(&mut Command::new("true"))?);
        let begun = Instant::now();
        bytes = read_all(store)?;
        reads.push(begun.elapsed());
    }
    let raw = ms(median(&mut starts)) + ms(median(&mut reads));
    figures.add(Figure::ms(name, median(&mut times)).raw(raw).at_most(most))?;
    figures.add(Figure::new(format!("{name}: files"), "MB", bytes as f64 / 1e6))?;
    let store = store_url(store)?;
    let command = [&["--store", &store][..], command].concat();
    let (mut used, mut starts) = (Vec::new(), Vec::new());
    let mut peak = 0.0;
    for _ in 0..ROUNDS {
        let (time, memory) = resources_of(&command)?;
        used.push(time);
        peak = memory;
        starts.push(resources_of(&["--help"])?.0);
    }
    let help = ms(median(&mut starts));
    figures.add(Figure::ms(format!("{name}: processor (raw: --help)"), median(&mut used)).raw(help))?;
    Ok(figures.add(Figure::new(format!("{name}: peak memory"), "MB", peak))?)
}

/// Runs a part of this bench in a process of its own, whose memory does not count.
fn run_part(arguments: &[&str]) -> Result<(), BenchError> {
    time_process(Command::new(std::env::current_exe()?).args(arguments)).map(drop)
}

fn run_program(store: &Path, arguments: &[&str]) -> Result<(), BenchError> {
    time_process(Command::new(PROGRAM).args(["--store", &store_url(store)?]).args(arguments)).map(drop)
}

fn time_process(command: &mut Command) -> Result<Duration, BenchError> {
    let begun = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if !status.success() {
        return Err(format!("{command:?} failed: {status}").into());
    }
    Ok(begun.elapsed())
}

/// The processor time of a command in a process of its own, and the peak of its resident memory in megabytes.
fn resources_of(command: &[&str]) -> Result<(Duration, f64), BenchError> {
    let measured = Command::new(std::env::current_exe()?).arg("resources").args(command).output()?;
    let (micros, kilobytes): (u64, f64) = serde_json::from_slice(&measured.stdout)?;
    Ok((Duration::from_micros(micros), kilobytes / 1e3))
}

/// Runs the program, and prints its processor time in microseconds and the peak of its resident memory in kilobytes.
fn print_resources(arguments: &[&str]) -> Result<(), BenchError> {
    time_process(Command::new(PROGRAM).args(arguments))?;
    let (micros, kilobytes) = resources::of_children()?;
    println!("[{micros},{kilobytes}]");
    Ok(())
}

fn store_url(folder: &Path) -> Result<String, BenchError> {
    Ok(format!("file:{}", path_text(folder)?))
}

fn path_text(path: &Path) -> Result<&str, BenchError> {
    path.to_str().ok_or_else(|| "the path is not Unicode".into())
}

fn read_all(folder: &Path) -> io::Result<usize> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += match entry.file_type()?.is_dir() {
            true => read_all(&entry.path())?,
            false if entry.file_name() == "reserve" => 0,
            false => fs::read(entry.path())?.len(),
        };
    }
    Ok(bytes)
}

/// An engine with the domains of the command line.
async fn open(folder: &Path) -> Result<Engine, BenchError> {
    let store = Arc::new(FileStore::open(folder, FileStoreOptions::default()).await?);
    Ok(Engine::new(store, Arc::new(SystemHost), runstate::domain::ALL).await?)
}

async fn create_sessions(folder: &Path) -> Result<(), BenchError> {
    let engine = open(folder).await?;
    let machines: Vec<_> = (0..MACHINES).map(|n| tokio::spawn(create_sessions_of(engine.clone(), n))).collect();
    for machine in machines {
        machine.await??;
    }
    Ok(engine.store().close().await?)
}

async fn create_sessions_of(engine: Engine, machine: usize) -> Result<(), BenchError> {
    let machine_id = format!("machine-{machine}");
    let hostname = machine_id.clone();
    engine.execute(&RegisterMachine { machine_id: machine_id.clone(), hostname, slots: None, metadata: None }).await?;
    for n in (machine..SESSIONS).step_by(MACHINES) {
        let (id, project, machine) = (Some(session_id(n)), "project".to_owned(), machine_id.clone());
        engine.execute(&CreateSession { id, project, machine, slot: None, metadata: None }).await?;
    }
    Ok(())
}

fn session_id(n: usize) -> String {
    format!("session-{}", n % SESSIONS)
}

async fn beat(folder: &Path, count: usize) -> Result<(), BenchError> {
    let engine = open(folder).await?;
    for n in 0..count {
        engine.execute(&SessionHeartbeat { session_id: session_id(n * 7_919), epoch: Some(1) }).await?;
    }
    Ok(engine.store().close().await?)
}

async fn write_documents(folder: &Path) -> Result<(), BenchError> {
    let engine = open(folder).await?;
    let declaration = json!({
        "collection": "notes",
        "fields": [{ "name": "tag", "kind": "text", "required": true }, { "name": "created", "kind": "timestamp" }],
        "indexes": [{ "fields": ["tag", "-created"] }, { "fields": ["created"] }],
    });
    call(&engine, "documents.declare", declaration).await?;
    for first in (0..DOCUMENTS).step_by(PER_COMMIT) {
        let text = "what a note says ".repeat(20);
        let document = |n: usize| json!({ "tag": format!("tag {}", n % 100), "created": n, "text": text });
        let write = |n: usize| json!({ "collection": "notes", "id": format!("note-{n}"), "put": document(n) });
        let writes: Vec<Value> = (first..first + PER_COMMIT).map(write).collect();
        call(&engine, "documents.commit", json!({ "writes": writes })).await?;
    }
    Ok(engine.store().close().await?)
}

async fn call(engine: &Engine, name: &str, parameters: Value) -> Result<(), BenchError> {
    let parameters = parameters.as_object().ok_or("the parameters are not an object")?;
    Ok(engine.call(name, parameters.clone()).await.map(drop)?)
}

mod resources {
    /// The processor time of the child that ended, in microseconds, and the peak of its resident memory in kilobytes.
    #[cfg(target_os = "linux")]
    pub fn of_children() -> nix::Result<(i64, i64)> {
        use nix::sys::resource::{UsageWho, getrusage};
        use nix::sys::time::TimeValLike as _;

        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        Ok(((usage.user_time() + usage.system_time()).num_microseconds(), usage.max_rss()))
    }

    /// Not known here.
    #[cfg(not(target_os = "linux"))]
    pub fn of_children() -> std::io::Result<(i64, i64)> {
        Ok((0, 0))
    }
}
