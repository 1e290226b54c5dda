//! What a turn costs: answering a question of a program with an empty heap and of ones with 1,000 and 100,000 live objects, warm, on files,
//! beside a raw put_new (temp, fsync, link, fsync of the folder) of the same run; and the bytes each turn writes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Engine, SystemHost, open};
use runstate::limits::Settings;
use runstate::value::Json;

const TURNS: usize = 400;

const PROGRAM: &str = r#"
const items = [];
for (let i = 0; i < input; i++) items.push({ i, name: `item ${i}`, tags: [] });
let turn = 0;
while (true) {
    const answer = CC("next?");
    turn += 1;
    if (items.length > 0) items[(turn * 7919) % items.length].answer = answer;
}
"#;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = Vec::new();
        let mut sizes = Vec::new();
        let mut raw = Vec::new();
        let mut runs = Vec::new();
        for objects in [0, 1_000, 100_000] {
            let dir = folder.path().join(objects.to_string());
            runs.push((objects, start(&dir, objects).await, dir));
        }
        let mut times = vec![Vec::new(); runs.len()];
        let mut bytes = vec![Vec::new(); runs.len()];
        // In turns, so that a noisy neighbour disturbs all of them alike.
        for _ in 0..TURNS {
            for (k, (_, engine, dir)) in runs.iter().enumerate() {
                let begun = Instant::now();
                engine.cvm().answer("bench", None, "yes".into(), None, None).await.unwrap();
                times[k].push(begun.elapsed());
                bytes[k].push(newest(dir));
            }
            raw.push(put_new(folder.path(), 2_048));
        }
        for (k, (objects, ..)) in runs.iter().enumerate() {
            rows.push((format!("turn, {objects} objects"), median(&mut times[k])));
            sizes.push((objects, bytes[k].iter().sum::<u64>() / TURNS as u64, *bytes[k].iter().max().unwrap()));
        }
        let raw = median(&mut raw);
        println!("{TURNS} turns each, in turns with the raw put_new; p50");
        println!("{:<28} {:>10.3} ms", "raw put_new, 2 KiB", ms(raw));
        for (name, time) in &rows {
            println!("{name:<28} {:>10.3} ms   {:>5.2} × raw", ms(*time), time.as_secs_f64() / raw.as_secs_f64());
        }
        println!(
            "100,000 objects against none: {:.2} × and {:+.3} ms over the raw put_new",
            rows[2].1.as_secs_f64() / rows[0].1.as_secs_f64(),
            ms(rows[2].1) - ms(raw)
        );
        for (objects, mean, most) in sizes {
            println!("bytes a turn, {objects} objects: mean {mean}, most {most}");
        }
    });
}

async fn start(dir: &Path, objects: usize) -> Engine {
    let store = open::open(&format!("file:{}", dir.display())).await.unwrap();
    let catalog = runstate::domain::catalog().unwrap();
    let engine = Engine::new(store, Arc::new(SystemHost), catalog, Settings::default()).await.unwrap();
    let bytecode = runstate::lang::compile("bench.ts", PROGRAM).unwrap().bytecode;
    let load = Load::new("bench", PROGRAM, bytecode);
    engine.cvm().load(&load, None).await.unwrap();
    let start = Start::of("bench").id("bench").input(Json::from(objects));
    engine.cvm().start(&start, None).await.unwrap();
    engine
}

fn newest(dir: &Path) -> u64 {
    let newest =
        fs::read_dir(dir.join("commits")).unwrap().map(|e| e.unwrap()).max_by_key(std::fs::DirEntry::file_name);
    newest.unwrap().metadata().unwrap().len()
}

/// What a durable commit costs at the least on this file system.
fn put_new(dir: &Path, size: usize) -> Duration {
    let folder = dir.join("raw");
    fs::create_dir_all(&folder).unwrap();
    let (temp, name) = (folder.join(".tmp"), folder.join(format!("{:?}", Instant::now())));
    let bytes = vec![b'x'; size];
    let begun = Instant::now();
    let mut file = File::create(&temp).unwrap();
    file.write_all(&bytes).unwrap();
    file.sync_all().unwrap();
    fs::hard_link(&temp, &name).unwrap();
    File::open(&folder).unwrap().sync_all().unwrap();
    fs::remove_file(&temp).unwrap();
    begun.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
