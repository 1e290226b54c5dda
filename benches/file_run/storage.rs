//! The disk space of a run of 1,000 turns, compared with its unique bytes: the content that had to be stored at least
//! once. They are counted from the commits, as bytes of JSON:
//!
//! - a new document: all of it, including its row in the ledger;
//! - a changed document: only the new values, without their paths;
//! - a row of heap pages: its text, which no earlier row of the page has;
//! - a deletion: nothing. Revisions, hashes, checksums and index entries do not count as content.
//!
//! Live bytes are a stricter measure: the JSON of the documents at the end, without replaced versions. Both are
//! reported. The reserve is not counted. Disk space is the bytes of files, or the blocks that the file system allocated
//! for them.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use runstate::client::Cvm;
use runstate::domain::cvm::{COLLECTIONS, HEAP_PAGES, Start};
use runstate::schema::Query;
use runstate::store::file::FileStoreOptions;
use runstate::store::{COMMANDS, Freshness, Store};
use runstate::value::Json;

use super::BenchError;
use super::figures::{Figure, Figures};

const TURNS: usize = 1_000;

const PROGRAM: &str = r#"
const notes = [];
const seen = {};
for (let turn = 0; turn < 1000; turn++) {
    const answer = CC(`Question ${turn} of a long run: what is to be done next?`);
    const words = answer.split(" ");
    for (const word of words) seen[word] = (seen[word] ?? 0) + 1;
    notes.push({ turn, answer, words: words.length, done: turn % 3 === 0 });
    console.log(`turn ${turn}: ${answer}`);
}
"#;

const WORDS: [&str; 24] = [
    "read", "write", "check", "the", "a", "file", "index", "plan", "again", "before", "after", "with", "page",
    "answer", "question", "slowly", "commit", "snapshot", "document", "key", "then", "every", "small", "large",
];

/// Bytes of files, and of their allocated blocks.
#[derive(Clone, Copy, Default)]
pub struct DiskSize {
    pub apparent: u64,
    blocks: u64,
}

pub async fn bench(figures: &mut Figures) -> Result<(), BenchError> {
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    let (store, engine) = super::open(root, FileStoreOptions::default(), PROGRAM).await?;
    let watch = SizeWatcher::start(root);
    let mut unique = UniqueBytes::default();
    Cvm::new(&engine).start(&Start::new("bench").id("run")).await?;
    unique.read(root)?;
    for turn in 0..TURNS {
        Cvm::new(&engine).answer("run", answer(turn)).await?;
        unique.read(root)?;
    }
    let most = watch.stop();
    store.compact().await?;
    let (compact, live) = (disk_size(root), document_bytes(&*store).await?);
    let unique = unique.bytes as f64;
    let kb = |name: String, bytes: f64| Figure::new(name, "KB", bytes / 1e3);
    figures.add(kb(format!("{TURNS} turns: unique content"), unique))?;
    figures.add(kb(format!("{TURNS} turns: live content at the end"), live as f64))?;
    let kinds = [("", compact.apparent, most.apparent), (", in blocks", compact.blocks, most.blocks)];
    for (kind, compact, most) in kinds {
        let (compact, most) = (compact as f64, most as f64);
        figures.add(kb(format!("on disk, compacted{kind}"), compact).raw(unique / 1e3).ratio_at_most(1.3))?;
        figures.add(kb(format!("on disk, the most{kind}"), most).raw(unique / 1e3).ratio_at_most(2.5))?;
        figures.add(kb(format!("on disk, compacted{kind}; raw: live content"), compact).raw(live as f64 / 1e3))?;
    }
    Ok(store.close().await?)
}

/// An answer of 20 to 59 words, the same in every run.
fn answer(turn: usize) -> String {
    let mut state = turn as u64 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0)
    };
    let count = 20 + next() % 40;
    (0..count).map(|_| WORDS[next() % WORDS.len()]).collect::<Vec<_>>().join(" ")
}

/// Counts the unique bytes commit by commit.
#[derive(Default)]
struct UniqueBytes {
    bytes: usize,
    /// The next commit to read.
    next: u64,
}

impl UniqueBytes {
    /// Counts the new commits. It runs after each commit, before a snapshot can remove one.
    fn read(&mut self, root: &Path) -> Result<(), BenchError> {
        self.next = self.next.max(1);
        loop {
            let path = root.join(format!("commits/{:016}.json", self.next));
            let text = match fs::read(path) {
                Ok(text) => text,
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(e) => return Err(e.into()),
            };
            self.next += 1;
            let mut file: Json = serde_json::from_slice(&text)?;
            for commit in file["commits"].as_array_mut().into_iter().flatten() {
                let ops = commit["ops"].take();
                ops.as_array().into_iter().flatten().for_each(|op| self.count(op));
                self.bytes += ["cmd", "at", "fingerprint", "result"]
                    .map(|field| json_bytes(&commit[field]))
                    .iter()
                    .sum::<usize>();
            }
        }
    }

    fn count(&mut self, op: &Json) {
        let values = op["set"].as_array().into_iter().flatten().map(|set| json_bytes(&set[1]));
        self.bytes += values.sum::<usize>();
        if op["doc"].is_null() {
            return;
        }
        if op["c"] != HEAP_PAGES.name {
            self.bytes += json_bytes(&op["doc"]);
            return;
        }
        self.bytes += json_bytes(&op["doc"]["text"]);
    }
}

fn json_bytes(value: &Json) -> usize {
    if value.is_null() { 0 } else { value.to_string().len() }
}

/// The JSON of all documents, the ledger's included.
async fn document_bytes(store: &dyn Store) -> Result<usize, BenchError> {
    let mut bytes = 0;
    for collection in COLLECTIONS.iter().copied().chain([&COMMANDS]) {
        for row in store.query(&Query::of(collection), Freshness::Linearizable).await?.items {
            bytes += Json::Object(row.stored.document.as_ref().clone()).to_string().len();
        }
    }
    Ok(bytes)
}

/// The disk space of all files of a store, without its reserve. Files that vanish meanwhile are not counted.
pub fn disk_size(folder: &Path) -> DiskSize {
    let mut size = DiskSize::default();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            let below = self::disk_size(&entry.path());
            size = DiskSize { apparent: size.apparent + below.apparent, blocks: size.blocks + below.blocks };
        } else if entry.file_name() != "reserve" {
            size.apparent += metadata.len();
            size.blocks += blocks(&metadata);
        }
    }
    size
}

#[cfg(unix)]
fn blocks(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

#[cfg(not(unix))]
fn blocks(metadata: &fs::Metadata) -> u64 {
    metadata.len()
}

/// Measures the folder repeatedly on its own thread, because snapshots are taken in the background.
struct SizeWatcher {
    ended: Arc<AtomicBool>,
    peak: Arc<(AtomicU64, AtomicU64)>,
    thread: std::thread::JoinHandle<()>,
}

impl SizeWatcher {
    fn start(root: &Path) -> Self {
        let (ended, most) = (Arc::new(AtomicBool::new(false)), Arc::new((AtomicU64::new(0), AtomicU64::new(0))));
        let (root, end, seen) = (root.to_owned(), ended.clone(), most.clone());
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let now = disk_size(&root);
                seen.0.fetch_max(now.apparent, Ordering::Relaxed);
                seen.1.fetch_max(now.blocks, Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        Self { ended, peak: most, thread }
    }

    fn stop(self) -> DiskSize {
        self.ended.store(true, Ordering::Relaxed);
        // A panic of the thread loses nothing: its maximum is already stored.
        drop(self.thread.join());
        DiskSize { apparent: self.peak.0.load(Ordering::Relaxed), blocks: self.peak.1.load(Ordering::Relaxed) }
    }
}
