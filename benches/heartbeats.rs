//! The cost of heartbeats of sessions on files: their rate beside appends of as many bytes, each synced, in the same
//! run; and the processor time of 10,000 sessions that each beat once a minute, with the snapshots that the store
//! writes meanwhile, beside the system calls alone.

#[path = "figures/mod.rs"]
mod figures;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runstate::domain::orchestration::{CreateSession, DOMAIN, RegisterMachine, SessionHeartbeat};
use runstate::engine::{Engine, SystemHost};
use runstate::store::Store;
use runstate::store::file::{FileStore, FileStoreOptions};

use figures::{Figure, Figures, median, put_new};

const MACHINES: usize = 100;
const SESSIONS: usize = 10_000;

/// Heartbeats one after the other, each beside an append.
const SINGLE: usize = 1_000;

const TASKS: usize = 64;
const ROUNDS: usize = 20;
const BEATS_PER_TASK: u32 = 10;

/// Each session beats once in this time.
const PERIOD: Duration = Duration::from_secs(60);

/// The parts of the measurement of processor time. Each is long enough for a snapshot.
const PARTS: usize = 5;
const PART: Duration = Duration::from_secs(4);

type BenchError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let folder = tempfile::tempdir()?;
    runtime.block_on(bench(folder.path()))
}

async fn bench(folder: &Path) -> Result<(), BenchError> {
    let store = Arc::new(FileStore::open(folder.join("store"), FileStoreOptions::default()).await?);
    let engine = Engine::new(store.clone(), Arc::new(SystemHost), &[&DOMAIN]).await?;
    let machines: Vec<_> = (0..MACHINES).map(|n| tokio::spawn(create_sessions(engine.clone(), n))).collect();
    for machine in machines {
        machine.await??;
    }
    beat(&engine, 0).await?;
    let bytes = newest_commit_bytes(&folder.join("store/commits"))?;
    let mut log = File::create(folder.join("raw"))?;
    let mut figures = Figures::create("heartbeats")?;
    figures.add(Figure::new("commit of a heartbeat", "B", bytes as f64))?;

    let (mut beats, mut appends) = (Vec::new(), Vec::new());
    for n in 0..SINGLE {
        let begun = Instant::now();
        beat(&engine, n).await?;
        beats.push(begun.elapsed());
        appends.push(append(&mut log, bytes)?);
    }
    figures.add(rate_figure("heartbeats, one after the other", 1, &mut beats, &mut appends))?;

    let (mut beats, mut appends) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(run_beats(engine.clone(), task))).collect();
        for task in tasks {
            task.await??;
        }
        beats.push(begun.elapsed() / BEATS_PER_TASK);
        appends.push(append(&mut log, bytes * TASKS)?);
    }
    figures.add(rate_figure(&format!("heartbeats, {TASKS} at once"), TASKS, &mut beats, &mut appends))?;

    let share = processor_share(async |n| beat(&engine, n).await).await?;
    // Nothing runs in the background any more.
    store.close().await?;
    let raw = processor_share(async |_| Ok(append(&mut log, bytes).map(drop)?)).await?;
    let puts = folder.join("puts");
    fs::create_dir(&puts)?;
    let content = vec![b'x'; bytes];
    let put = processor_share(async |n| Ok(put_new(&puts, &n.to_string(), &content).map(drop)?)).await?;
    if let (Some(share), Some(put), Some(raw)) = (share, put, raw) {
        let name = format!("{SESSIONS} sessions, a beat a minute");
        figures.add(Figure::new(name, "% of a core", share).raw(raw).at_most(10.0))?;
        figures.add(Figure::new("system calls of as many commits", "% of a core", put).raw(raw))?;
    }
    Ok(())
}

/// Creates the sessions of a machine.
async fn create_sessions(engine: Engine, machine: usize) -> Result<(), BenchError> {
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

async fn beat(engine: &Engine, n: usize) -> Result<(), BenchError> {
    engine.execute(&SessionHeartbeat { session_id: session_id(n), epoch: Some(1) }).await?;
    Ok(())
}

async fn run_beats(engine: Engine, task: usize) -> Result<(), BenchError> {
    for n in 0..BEATS_PER_TASK as usize {
        beat(&engine, n * TASKS + task).await?;
    }
    Ok(())
}

/// The rate from the median times of `count` heartbeats and of one append of their bytes.
fn rate_figure(name: &str, count: usize, beats: &mut [Duration], appends: &mut [Duration]) -> Figure {
    let rate = |times: &mut [Duration]| count as f64 / median(times).as_secs_f64();
    Figure::new(name, "/s", rate(beats)).raw(rate(appends))
}

/// The median share of a core, in percent, that the process uses while it acts at the rate of all sessions.
async fn processor_share(mut act: impl AsyncFnMut(usize) -> Result<(), BenchError>) -> Result<Option<f64>, BenchError> {
    let mut interval = tokio::time::interval(PERIOD / SESSIONS as u32);
    let (mut n, mut used) = (0, Vec::new());
    for _ in 0..PARTS {
        let (begun, Some(before)) = (Instant::now(), processor::used_time()?) else { return Ok(None) };
        while begun.elapsed() < PART {
            interval.tick().await;
            act(n).await?;
            n += 1;
        }
        let spent = processor::used_time()?.unwrap_or_default() - before;
        used.push(spent.div_f64(begun.elapsed().as_secs_f64()));
    }
    Ok(Some(median(&mut used).as_secs_f64() * 100.0))
}

/// Writes and syncs as many bytes as heartbeats write.
fn append(log: &mut File, bytes: usize) -> io::Result<Duration> {
    let content = vec![b'x'; bytes];
    let begun = Instant::now();
    log.write_all(&content)?;
    log.sync_data()?;
    Ok(begun.elapsed())
}

fn newest_commit_bytes(commits: &Path) -> Result<usize, BenchError> {
    let mut names =
        fs::read_dir(commits)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    names.sort();
    let newest = names.pop().ok_or("the store has no commit")?;
    Ok(fs::metadata(newest)?.len().try_into()?)
}

#[cfg(unix)]
mod processor {
    use std::time::Duration;

    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike as _;

    /// The processor time of this process so far.
    pub fn used_time() -> nix::Result<Option<Duration>> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        let micros = (usage.user_time() + usage.system_time()).num_microseconds();
        Ok(Some(Duration::from_micros(micros.unsigned_abs())))
    }
}

#[cfg(not(unix))]
mod processor {
    /// Not known here.
    pub fn used_time() -> std::io::Result<Option<std::time::Duration>> {
        Ok(None)
    }
}
