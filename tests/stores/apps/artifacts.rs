//! Artifacts: their bytes, the blobs that they share, and processes that die between the two.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use runstate::blob::{Artifacts, BlobStore, BlobWriter, Chunks, NewArtifact, StorageType};
use runstate::domain::apps::{AppExecution, Artifact, Blob, BlobChunk, PART_BYTES};
use runstate::engine::{Engine, Error};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::marker::BoxFuture;
use runstate::schema::{Collection, Entity as _, Freshness, Query};
use runstate::store::layer::Method;
use runstate::store::{Memory, Store, VerifyReport};
use runstate::testing::{BatchExt as _, batch, block_on};
use runstate::testing::{Fault, FaultStore};
use runstate::time::Millis;
use runstate::value::Json;
use serde_json::json;

use super::scene::AppScene;
use crate::settings::is_full_run;

/// Bytes that differ everywhere.
pub fn content(bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// An artifact of step 1 of the execution `e`.
pub fn report() -> NewArtifact {
    NewArtifact::of_step("e", 1).named("report", "report.pdf", "application/pdf")
}

pub async fn put(artifacts: &Artifacts, bytes: &[u8]) -> Result<String, Error> {
    let mut upload = artifacts.put(report()).await?;
    // In pieces that fit no part.
    for piece in bytes.chunks(PART_BYTES / 3 + 7) {
        upload.write(piece).await?;
    }
    upload.finish().await
}

pub async fn read(artifacts: &Artifacts, id: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
    let mut reader = artifacts.read(id, range).await?;
    let mut bytes = Vec::new();
    while let Some(part) = reader.next().await? {
        bytes.extend(part);
    }
    Ok(bytes)
}

/// A scene with the execution `e`.
pub fn scene_with_execution(store: Arc<dyn Store>) -> AppScene {
    let scene = AppScene::with_store(store);
    scene.save("1", json!({"steps": [{"id": 1, "name": "a"}]}));
    scene.start(json!({}));
    scene
}

/// The documents of a collection.
pub fn rows(scene: &AppScene, collection: &'static Collection) -> Vec<Json> {
    let query = Query::of(collection).limit(1_000);
    let page = block_on(scene.engine.store().query(&query, Freshness::Linearizable)).unwrap();
    page.items.iter().map(|row| Json::Object((*row.stored.document).clone())).collect()
}

fn count(scene: &AppScene, collection: &'static Collection) -> usize {
    rows(scene, collection).len()
}

/// Lets the time of everything that is abandoned come, and removes it.
fn collect(scene: &AppScene, artifacts: &Artifacts) {
    for _ in 0..3 {
        scene.after(Millis::minutes(61));
        block_on(artifacts.collect()).unwrap();
    }
}

#[test]
fn bytes_are_read_as_they_were_written() {
    let scene = scene_with_execution(Arc::new(Memory::new()));
    let artifacts = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
    let part = PART_BYTES as u64;
    for bytes in [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 5] {
        let (expected, end) = (content(bytes), bytes as u64);
        let id = block_on(put(&artifacts, &expected)).unwrap();
        let ranges = [0..end, 0..u64::MAX, 1..end, part - 2..part + 2, end..end, end + 5..end + 9, 3..3];
        for range in ranges {
            let slice = |at: u64| at.min(end) as usize;
            let expected = expected.get(slice(range.start)..slice(range.end)).unwrap_or_default();
            assert!(block_on(read(&artifacts, &id, range.clone())).unwrap() == expected, "{bytes} {range:?}");
        }
        let row = scene.ok("artifact.show", json!({"id": id}));
        assert_eq!((&row["sizeBytes"], &row["storageType"]), (&json!(bytes), &json!("chunks")));
    }
    assert_eq!(scene.ok("artifact.list", json!({"execution": "e", "step": 1}))["items"].as_array().unwrap().len(), 6);
    scene.verify();
}

#[test]
fn equal_bytes_are_stored_once_and_removed_with_the_last_artifact() {
    let scene = scene_with_execution(Arc::new(Memory::new()));
    let artifacts = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
    let bytes = content(PART_BYTES + 1);
    let ids: Vec<String> = (0..3).map(|_| block_on(put(&artifacts, &bytes)).unwrap()).collect();
    block_on(artifacts.collect()).unwrap();
    assert_eq!((count(&scene, &Blob::COLLECTION), count(&scene, &BlobChunk::COLLECTION)), (1, 2));
    for (at, id) in ids.iter().enumerate() {
        assert_eq!(block_on(read(&artifacts, id, 0..10)).unwrap(), content(10));
        block_on(artifacts.remove(id)).unwrap();
        let collected = block_on(artifacts.collect()).unwrap();
        assert_eq!(collected.removed, u32::from(at == 2));
        assert_eq!(scene.code("artifact.show", json!({"id": id})), "not_found");
    }
    assert_eq!((count(&scene, &Blob::COLLECTION), count(&scene, &BlobChunk::COLLECTION)), (0, 0));
    assert_eq!(block_on(artifacts.remove(&ids[0])).unwrap_err().code, ErrorCode::NOT_FOUND);
    let audited = |command: &str| {
        let rows = scene.ok("audit.list", json!({"step": "e:1", "command": format!("apps.artifact.{command}")}));
        rows["items"].as_array().map(Vec::len)
    };
    assert_eq!((audited("put"), audited("remove")), (Some(3), Some(3)));
}

/// The bytes of an older artifact were lost, or changed. Those that are put again replace them for both.
#[test]
fn equal_bytes_that_were_lost_are_stored_again() {
    for damage in [None, Some(json!("AAAA"))] {
        let scene = scene_with_execution(Arc::new(Memory::new()));
        let artifacts = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
        let bytes = content(PART_BYTES + 1);
        let older: Vec<String> = (0..2).map(|_| block_on(put(&artifacts, &bytes)).unwrap()).collect();
        block_on(artifacts.collect()).unwrap();
        let id_of = |row: &Json| row["id"].as_str().unwrap().to_owned();
        let mut chunks = rows(&scene, &BlobChunk::COLLECTION).into_iter();
        let mut chunk = chunks.find(|row| id_of(row).ends_with(":00001")).unwrap();
        let id = id_of(&chunk);
        let delete = batch(CommandId::new("lose").unwrap()).delete(&BlobChunk::COLLECTION, &id);
        block_on(scene.engine.store().commit(delete)).unwrap();
        if let Some(data) = damage {
            chunk["data"] = data;
            scene.put(&BlobChunk::COLLECTION, &id, chunk);
        }
        let verify = || {
            let mut report = VerifyReport::default();
            let read = block_on(artifacts.verify(&mut report, |_| {})).unwrap();
            (read.read, report.findings.len())
        };
        assert_eq!(block_on(read(&artifacts, &older[0], 0..u64::MAX)).unwrap_err().code, ErrorCode::CORRUPT);
        assert_eq!(verify(), (0, 1));
        let newer = block_on(put(&artifacts, &bytes)).unwrap();
        for id in older.iter().chain([&newer]) {
            assert!(block_on(read(&artifacts, id, 0..u64::MAX)).unwrap() == bytes, "{id}");
        }
        assert_eq!(verify(), (1, 0));
        // The lost blob is removed, and the next equal artifact has the new one.
        block_on(artifacts.collect()).unwrap();
        block_on(put(&artifacts, &bytes)).unwrap();
        block_on(artifacts.collect()).unwrap();
        assert_eq!((count(&scene, &Blob::COLLECTION), count(&scene, &BlobChunk::COLLECTION)), (1, 2));
        scene.verify();
    }
}

#[test]
fn expired_artifacts_leave_no_bytes() {
    let scene = scene_with_execution(Arc::new(Memory::new()));
    let artifacts = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
    let bytes = content(10);
    block_on(put(&artifacts, &bytes)).unwrap();
    scene.after(Millis::days(50));
    let later = block_on(put(&artifacts, &bytes)).unwrap();
    scene.after(Millis::days(44));
    block_on(scene.engine.sweep(scene.host.clock.now(), 1_000)).unwrap();
    collect(&scene, &artifacts);
    assert_eq!(block_on(read(&artifacts, &later, 0..99)).unwrap(), bytes, "the newer artifact has them still");
    scene.after(Millis::days(50));
    block_on(scene.engine.sweep(scene.host.clock.now(), 1_000)).unwrap();
    collect(&scene, &artifacts);
    assert_eq!((count(&scene, &Blob::COLLECTION), count(&scene, &BlobChunk::COLLECTION)), (0, 0));
}

#[test]
fn an_artifact_of_no_execution_is_refused_and_leaves_no_bytes() {
    let scene = scene_with_execution(Arc::new(Memory::new()));
    let artifacts = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
    let put =
        |execution: &str| block_on(artifacts.put(NewArtifact::of_step(execution, 1).named("log", "l", "text/plain")));
    assert_eq!(put("missing").err().unwrap().code, ErrorCode::NOT_FOUND);
    // The execution is deleted during the upload.
    let mut upload = put("e").unwrap();
    block_on(upload.write(b"bytes")).unwrap();
    let deletion = batch(CommandId::new("delete").unwrap()).delete(&AppExecution::COLLECTION, "e");
    block_on(scene.engine.store().commit(deletion)).unwrap();
    assert_eq!(block_on(upload.finish()).unwrap_err().code, ErrorCode::NOT_FOUND);
    assert_eq!(block_on(artifacts.collect()).unwrap().removed, 1);
    assert_eq!((count(&scene, &Blob::COLLECTION), count(&scene, &BlobChunk::COLLECTION)), (0, 0));
}

#[test]
fn an_upload_that_waits_too_long_is_refused_and_one_that_continues_is_not() {
    let scene = scene_with_execution(Arc::new(Memory::new()));
    let artifacts = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
    let mut slow = block_on(artifacts.put(report())).unwrap();
    let mut paused = block_on(artifacts.put(report())).unwrap();
    block_on(paused.write(&content(PART_BYTES + 1))).unwrap();
    for _ in 0..8 {
        block_on(slow.write(&content(PART_BYTES))).unwrap();
        scene.after(Millis::minutes(30));
    }
    assert_eq!(block_on(paused.finish()).unwrap_err().code.as_str(), "stale_upload");
    let id = block_on(slow.finish()).unwrap();
    collect(&scene, &artifacts);
    assert_eq!((count(&scene, &Blob::COLLECTION), count(&scene, &BlobChunk::COLLECTION)), (1, 8));
    assert_eq!(block_on(read(&artifacts, &id, 0..10)).unwrap(), content(10));
}

#[test]
fn chunks_take_a_bounded_number_of_bytes() {
    let scene = scene_with_execution(Arc::new(Memory::new()));
    let artifacts = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
    let part = content(PART_BYTES);
    let mut upload = block_on(artifacts.put(report())).unwrap();
    for _ in 0..20 {
        block_on(upload.write(&part)).unwrap();
    }
    block_on(upload.write(b"more")).unwrap();
    let error = block_on(upload.finish()).unwrap_err();
    assert_eq!(error.code, ErrorCode::LIMIT);
    assert!(error.message.contains("at most 104857600 bytes"), "{error}");
    block_on(artifacts.collect()).unwrap();
    assert_eq!((count(&scene, &Blob::COLLECTION), count(&scene, &BlobChunk::COLLECTION)), (0, 0));
}

#[test]
fn two_processes_that_remove_the_last_two_artifacts_remove_the_bytes() {
    let store = Arc::new(FaultStore::new(Memory::new()));
    let scene = scene_with_execution(store.clone());
    let artifacts = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
    let ids: Vec<String> = (0..2).map(|_| block_on(put(&artifacts, b"same")).unwrap()).collect();
    block_on(artifacts.collect()).unwrap();
    // Both have read that two artifacts are left before either commits.
    let other = scene.open_beside(store.clone());
    let others = Artifacts::new(&other.engine, Chunks::new(&other.engine));
    store.plan(Method::Commit, 1, Fault::Pause);
    let first = artifacts.remove(&ids[0]);
    let second = async {
        while !store.is_paused() {
            tokio::task::yield_now().await;
        }
        others.remove(&ids[1]).await.unwrap();
        store.resume();
    };
    let (first, ()) = block_on(async { tokio::join!(first, second) });
    first.unwrap();
    assert_eq!(block_on(artifacts.collect()).unwrap().removed, 1);
    assert_eq!(count(&scene, &BlobChunk::COLLECTION), 0);
}

/// A storage whose process dies before or after one of its calls: no later call returns.
pub struct DyingStorage<S> {
    inner: S,
    calls: Arc<AtomicU64>,
    dies_at: u64,
}

impl<S: BlobStore> DyingStorage<S> {
    /// Even numbers die before a call, odd ones after it.
    pub fn new(inner: S, dies_at: u64) -> Self {
        Self { inner, calls: Arc::default(), dies_at }
    }
}

/// Passes a call, unless the process dies.
async fn pass<T>(calls: &AtomicU64, dies_at: u64, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let died = || Err(Error::new(ErrorCode::CLOSED, "the process died"));
    let before = calls.fetch_add(2, Relaxed);
    if before >= dies_at {
        return died();
    }
    let result = call.await;
    if before + 1 >= dies_at { died() } else { result }
}

impl<S: BlobStore> BlobStore for DyingStorage<S> {
    fn storage_type(&self) -> StorageType {
        self.inner.storage_type()
    }

    fn base(&self) -> &str {
        self.inner.base()
    }

    fn put<'a>(&'a self, id: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(pass(&self.calls, self.dies_at, self.inner.put(id, bytes)))
    }

    fn begin<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Box<dyn BlobWriter>, Error>> {
        Box::pin(async move {
            let inner = pass(&self.calls, self.dies_at, self.inner.begin(id)).await?;
            let (calls, dies_at) = (self.calls.clone(), self.dies_at);
            Ok(Box::new(DyingWriter { inner: Some(inner), calls, dies_at }) as Box<dyn BlobWriter>)
        })
    }

    fn read<'a>(&'a self, id: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        Box::pin(pass(&self.calls, self.dies_at, self.inner.read(id, range)))
    }

    fn remove<'a>(&'a self, id: &'a str, upload: Option<&'a str>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(pass(&self.calls, self.dies_at, self.inner.remove(id, upload)))
    }
}

struct DyingWriter {
    inner: Option<Box<dyn BlobWriter>>,
    calls: Arc<AtomicU64>,
    dies_at: u64,
}

impl BlobWriter for DyingWriter {
    fn multipart_upload(&self) -> Option<&str> {
        self.inner.as_ref()?.multipart_upload()
    }

    fn write(&mut self, part: Vec<u8>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(pass(&self.calls, self.dies_at, self.inner.as_mut().unwrap().write(part)))
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(pass(&self.calls, self.dies_at, self.inner.as_mut().unwrap().finish()))
    }
}

impl Drop for DyingWriter {
    fn drop(&mut self) {
        // A process that dies cleans nothing up.
        if self.calls.load(Relaxed) >= self.dies_at {
            std::mem::forget(self.inner.take());
        }
    }
}

/// Kills a process at every call of the store and of the storage, while it stores an artifact, the same bytes again,
/// and removes the first. After each death another process finds: every artifact has its bytes, and nothing else is
/// left when the time of the abandoned has come. `open` and `stored_blobs` get the number of the death, which has a
/// storage of its own.
pub fn no_death_separates_an_artifact_from_its_bytes<S: BlobStore + 'static>(
    open: impl Fn(&Engine, usize) -> S,
    stored_blobs: impl Fn(&AppScene, usize) -> usize,
) {
    // The short run lets every sixth call die.
    let stride = if is_full_run() { 1 } else { 6 };
    let bytes = content(PART_BYTES + 9);
    let (mut deaths, mut runs) = (0, 0);
    let mut run = |fault: Option<(u64, Fault)>, dies_at: u64| {
        runs += 1;
        let disk = Arc::new(Memory::new());
        let survivor = scene_with_execution(disk.clone());
        let store = Arc::new(FaultStore::new(disk));
        let dying = survivor.open_beside(store.clone());
        if let Some((nth, fault)) = &fault {
            store.plan(Method::Commit, *nth, fault.clone());
        }
        let artifacts = Artifacts::new(&dying.engine, DyingStorage::new(open(&dying.engine, runs), dies_at));
        let work = async {
            let first = put(&artifacts, &bytes).await?;
            put(&artifacts, &bytes).await?;
            put(&artifacts, b"small").await?;
            artifacts.remove(&first).await?;
            artifacts.collect().await
        };
        let died = block_on(work).is_err();
        deaths += u64::from(died);
        let artifacts = Artifacts::new(&survivor.engine, open(&survivor.engine, runs));
        for artifact in rows(&survivor, &Artifact::COLLECTION) {
            let id = artifact["_id"].as_str().or(artifact["id"].as_str()).unwrap();
            let expected: &[u8] = if artifact["size_bytes"] == 5 { b"small" } else { &bytes };
            assert!(
                block_on(read(&artifacts, id, 0..u64::MAX)).unwrap() == expected,
                "{fault:?} {dies_at}: {artifact}"
            );
        }
        collect(&survivor, &artifacts);
        let shas = rows(&survivor, &Artifact::COLLECTION).iter().map(|row| row["sha256"].to_string()).collect();
        let shas: std::collections::BTreeSet<String> = shas;
        let blobs = rows(&survivor, &Blob::COLLECTION);
        assert!(blobs.iter().all(|blob| blob["status"] == "stored"), "{fault:?} {dies_at}: {blobs:?}");
        assert_eq!((blobs.len(), stored_blobs(&survivor, runs)), (shas.len(), shas.len()), "{fault:?} {dies_at}");
        survivor.verify();
        died
    };
    for fault in [Fault::DieBefore, Fault::DieAfter] {
        assert!((1..100).step_by(stride).any(|nth| !run(Some((nth, fault.clone())), u64::MAX)));
    }
    assert!((0..100).step_by(stride).any(|dies_at| !run(None, dies_at)));
    assert!(deaths > 30 / stride as u64, "{deaths}");
}

#[test]
fn no_death_separates_an_artifact_from_its_chunks() {
    no_death_separates_an_artifact_from_its_bytes(
        |engine, _| Chunks::new(engine),
        |scene, _| {
            let chunks = rows(scene, &BlobChunk::COLLECTION);
            chunks.iter().map(|chunk| chunk["blob"].to_string()).collect::<std::collections::BTreeSet<_>>().len()
        },
    );
}
