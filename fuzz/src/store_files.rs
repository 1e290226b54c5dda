//! Files of a store. A store with edited files is refused, or it is read-only, or it holds data that it held before.
//! The second kind of edit has correct checksums, as another program's mistake would: it may change the data, and
//! nothing else.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use runstate::client::Cvm;
use runstate::domain::cvm::COLLECTIONS;
use runstate::engine::{Engine, RunLimit};
use runstate::id::hex;
use runstate::schema::{Catalog, Query};
use runstate::store::file::check::{repair_on, verify_on};
use runstate::store::file::fault::{Disk, FaultFs};
use runstate::store::file::{FileStore, FileStoreOptions, SnapshotPolicy};
use runstate::store::{Freshness, Store, StoreAdmin, StoreError};
use runstate::testing::{SimHost, block_on};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{Choices, InputOutcome};

/// The files of a store by their paths.
type Files = BTreeMap<String, Vec<u8>>;

const IDENTITY: &str = "runstate.json";

/// Length of `,"crc":"01234567"}` and the end of the line.
const SEAL: usize = 19;

struct StoreFixture {
    files: Files,
    /// Every document that the store held after any of its commits.
    documents: HashSet<String>,
}

static FIXTURES: LazyLock<Vec<StoreFixture>> =
    LazyLock::new(|| ["files-1", "files-1-failed", "files-1-snapshot"].map(StoreFixture::read).into());

impl StoreFixture {
    fn read(name: &str) -> Self {
        // The folder of the crate that runs it: of the main workspace, or `fuzz/`.
        let fixtures =
            ["tests/fixtures", "../tests/fixtures"].map(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
        let folder = fixtures.iter().find(|path| path.exists()).expect("the fixtures").join(name);
        let mut files = Files::new();
        for path in [IDENTITY.to_owned()].into_iter().chain(["commits", "snapshots"].into_iter().flat_map(|inner| {
            let entries = std::fs::read_dir(folder.join(inner)).unwrap().map(Result::unwrap);
            entries.map(|entry| format!("{inner}/{}", entry.file_name().display())).collect::<Vec<_>>()
        })) {
            files.insert(path.clone(), std::fs::read(folder.join(path)).unwrap());
        }
        let (mut history, mut documents) = (files.clone(), HashSet::new());
        loop {
            documents.extend(read_documents(&open(&disk(&history)).unwrap()).unwrap());
            let Some(last) = history.keys().rfind(|path| path.starts_with("commits/")).cloned() else { break };
            history.remove(&last);
        }
        Self { files, documents }
    }
}

fn disk(files: &Files) -> Disk {
    let disk = Disk::new();
    for (path, bytes) in files {
        disk.edit(path, Some(bytes));
    }
    disk
}

fn open(disk: &Disk) -> Result<FileStore<FaultFs>, StoreError> {
    let options =
        FileStoreOptions { reserve_bytes: 0, snapshots: SnapshotPolicy::NEVER, ..FileStoreOptions::default() };
    let store = block_on(FileStore::open_on(disk.process(), options))?;
    block_on(store.declare(&catalog()))?;
    Ok(store)
}

fn catalog() -> Catalog {
    Catalog::new(COLLECTIONS).unwrap()
}

/// Reads every document, with its revision; `None` if a read fails.
fn read_documents(store: &impl Store) -> Option<Vec<String>> {
    let mut documents = Vec::new();
    for collection in COLLECTIONS {
        for row in block_on(store.query(&Query::of(collection), Freshness::Linearizable)).ok()?.items {
            let document = serde_json::to_string(&*row.stored.document).unwrap();
            documents.push(format!("{}/{} {} {document}", collection.name, row.id, row.stored.revision));
        }
    }
    Some(documents)
}

/// Opens a store folder with edited files, reads it, and writes to it or repairs it.
pub fn store_files(data: &[u8]) -> InputOutcome {
    let mut choices = Choices(data);
    let fixture = choices.pick(&FIXTURES);
    let mut files = fixture.files.clone();
    let is_sealed = choices.below(2) == 1;
    for _ in 0..=choices.below(2) {
        if is_sealed { edit_contents(&mut files, &mut choices) } else { edit_bytes(&mut files, &mut choices) }
    }
    if is_sealed {
        seal(&mut files);
    }
    let expect_known = |store: &FileStore<FaultFs>| {
        let unknown =
            read_documents(store).into_iter().flatten().find(|document| !fixture.documents.contains(document));
        assert!(is_sealed || unknown.is_none(), "{unknown:?}");
    };

    let disk = disk(&files);
    let findings = block_on(verify_on(&disk.process(), &catalog(), None));
    let store = open(&disk);
    let verdict = match &store {
        Ok(store) if store.read_only_reason().is_none() => InputOutcome::Accepted,
        _ => InputOutcome::Refused,
    };
    store.iter().for_each(expect_known);
    if choices.below(2) == 0 {
        if block_on(repair_on(&disk.process(), &catalog(), None)).is_ok() {
            let repaired = open(&disk).and_then(|store| {
                expect_known(&store);
                store.read_only_reason().map_or(Ok(()), Err)
            });
            // Edited contents may be of a newer version, or violate a unique index. A repair removes no intact file.
            let is_refused =
                matches!(repaired, Err(StoreError::NewerVersion { .. } | StoreError::UniqueViolation { .. }));
            assert!(repaired.is_ok() || is_sealed && is_refused, "{repaired:?} after {findings:?}");
        }
    } else if let Ok(store) = store {
        let host = Arc::new(SimHost::default());
        if let Ok(engine) = block_on(Engine::new(Arc::new(store), host, runstate::domain::ALL)) {
            // Each is a result or an error.
            let _ = block_on(engine.verify(|_| {}));
            for execution in ["r1", "r2", "f1"] {
                let _ = block_on(Cvm::new(&engine).show(execution));
                let _ = block_on(Cvm::new(&engine).answer(execution, "approve"));
                let _ = block_on(Cvm::new(&engine).retry(execution));
            }
            let _ = block_on(engine.run_due(10, RunLimit::Stop));
        }
    }
    verdict
}

fn pick_path(files: &Files, choices: &mut Choices) -> String {
    files.keys().nth(choices.below(files.len())).cloned().unwrap_or_default()
}

/// Edits the bytes of a file, as a disk or a copy does.
fn edit_bytes(files: &mut Files, choices: &mut Choices) {
    let path = pick_path(files, choices);
    let other = files[&pick_path(files, choices)].clone();
    let mut bytes = files[&path].clone();
    let at = choices.below(bytes.len());
    match choices.below(6) {
        0 => bytes[at] ^= 1 << choices.below(8),
        1 => bytes.truncate(at),
        2 => drop(files.remove(&path)),
        3 => bytes = other,
        4 => drop(bytes.splice(at..at, (0..choices.below(8)).map(|n| n as u8).collect::<Vec<_>>())),
        _ => drop(bytes.drain(at..(at + choices.below(64)).min(bytes.len()))),
    }
    if files.contains_key(&path) {
        files.insert(path, bytes);
    }
}

/// Edits the JSON of a file.
fn edit_contents(files: &mut Files, choices: &mut Choices) {
    let path = pick_path(files, choices);
    let bytes = files[&path].clone();
    if !path.ends_with(".jsonl") {
        let Ok(mut json) = serde_json::from_slice::<Json>(&bytes) else { return };
        choices.edit_json(&mut json);
        // The seal is the last member.
        json.as_object_mut().map(|members| members.shift_remove("crc"));
        let text = json.to_string();
        files.insert(path, format!("{},\"crc\":\"00000000\"}}\n", text.trim_end_matches('}')).into_bytes());
        return;
    }
    let text = String::from_utf8(bytes).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = choices.below(lines.len());
    let Ok(mut json) = serde_json::from_str::<Json>(&lines[at]) else { return };
    choices.edit_json(&mut json);
    // Blocks have fixed places.
    let width = lines[at].len();
    lines[at] = format!("{:<width$}", json.to_string());
    files.insert(path, format!("{}\n", lines.join("\n")).into_bytes());
}

/// Makes the checksums and the hashes of all files fit their contents.
fn seal(files: &mut Files) {
    for (path, bytes) in files.iter_mut() {
        if path.ends_with(".jsonl") {
            seal_blocks(bytes);
        }
        seal_end(bytes);
    }
    let mut previous: Option<String> = None;
    for (_, bytes) in files.iter_mut().filter(|(path, _)| path.starts_with("commits/")) {
        if let Some(previous) = previous {
            set_member(bytes, "prev", &previous);
            seal_end(bytes);
        }
        previous = Some(hex(&Sha256::digest(&*bytes)));
    }
}

fn seal_end(bytes: &mut [u8]) {
    let end = bytes.len().saturating_sub(SEAL);
    if bytes.get(end..end + 8) == Some(b",\"crc\":\"") {
        let crc = format!("{:08x}", crc32fast::hash(&bytes[..end]));
        bytes[end + 8..end + 16].copy_from_slice(crc.as_bytes());
    }
}

/// Sets a text member that is there, by a text of the same length.
fn set_member(bytes: &mut [u8], name: &str, value: &str) {
    let pattern = format!("\"{name}\":\"");
    let found = bytes.windows(pattern.len()).position(|window| window == pattern.as_bytes());
    if let Some(target) = found.map(|at| at + pattern.len()).and_then(|at| bytes.get_mut(at..at + value.len())) {
        target.copy_from_slice(value.as_bytes());
    }
}

/// Seals the blocks of a snapshot, and its directory.
fn seal_blocks(bytes: &mut [u8]) {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let Some(last) = text.lines().last() else { return };
    let footer: Json = serde_json::from_str(last).unwrap_or_default();
    let Some(directory_at) = footer["directory_at"].as_u64().map(|at| at as usize) else { return };
    let end = text.len() - last.len() - 1;
    let Some(directory) = text.get(directory_at..end) else { return };
    let mut sealed = String::new();
    for line in directory.lines() {
        let block: Json = serde_json::from_str(line).unwrap_or_default();
        let range = block["at"].as_u64().zip(block["bytes"].as_u64());
        let contents = range.and_then(|(at, length)| bytes.get(at as usize..at.checked_add(length)? as usize));
        sealed += &match (contents, block["crc"].as_str()) {
            (Some(contents), Some(crc)) if crc.len() == 8 => {
                line.replace(crc, &format!("{:08x}", crc32fast::hash(contents)))
            }
            _ => line.to_owned(),
        };
        sealed += "\n";
    }
    let crc = format!("{:08x}", crc32fast::hash(sealed.as_bytes()));
    if sealed.len() == directory.len() {
        bytes[directory_at..end].copy_from_slice(sealed.as_bytes());
        set_member(&mut bytes[end..], "directory", &crc);
    }
}
