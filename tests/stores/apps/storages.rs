//! Artifacts in directories, and in the bucket of a real server with the protocol of S3.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::ClientOptions;
use runstate::blob::{Artifacts, BlobStore, Chunks, CollectReport, LocalDirectory, S3Bucket};
use runstate::domain::apps::{Blob, PART_BYTES};
use runstate::engine::Error;
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::schema::Entity as _;
use runstate::store::Memory;
use runstate::testing::{BatchExt as _, batch, block_on};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::artifacts::{content, no_death_separates_an_artifact_from_its_bytes, put, read, rows, scene_with_execution};
use super::scene::AppScene;
use crate::support::s3_server::{KEY, S3Server, SECRET, files};

fn open(directory: impl Into<PathBuf>) -> LocalDirectory {
    block_on(LocalDirectory::open(directory)).unwrap()
}

/// The files of blobs below a directory.
fn blobs(directory: &Path) -> Vec<PathBuf> {
    let mut found = files(directory);
    found.retain(|path| path.file_name().is_some_and(|name| name != "storage.id"));
    found
}

/// Runs `work`, which uses storages that need a tokio runtime.
fn within_tokio<T>(work: impl FnOnce(&Runtime) -> T) -> T {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    work(&runtime)
}

/// Opens a bucket of the server.
fn open_bucket(server: &S3Server, url: &str, secret: &str) -> Result<S3Bucket, Error> {
    open_bucket_at(&server.endpoint, url, secret, ClientOptions::new())
}

fn open_bucket_at(endpoint: &str, url: &str, secret: &str, options: ClientOptions) -> Result<S3Bucket, Error> {
    let builder = object_store::aws::AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_client_options(options.with_allow_http(true))
        .with_region("us-east-1")
        .with_access_key_id(KEY)
        .with_secret_access_key(secret);
    S3Bucket::with_builder(url, builder)
}

fn round_trip(storage: impl BlobStore + 'static) -> (AppScene, Artifacts, Vec<String>) {
    let scene = scene_with_execution(Arc::new(Memory::new()));
    let artifacts = Artifacts::new(&scene.engine, storage);
    let mut ids = Vec::new();
    for bytes in [0, 1, PART_BYTES, 2 * PART_BYTES + 5] {
        let (expected, end) = (content(bytes), bytes as u64);
        let id = block_on(put(&artifacts, &expected)).unwrap();
        let part = PART_BYTES as u64;
        for range in [0..end, 1..end, part - 2..part + 2, end + 5..end + 9] {
            let slice = |at: u64| at.min(end) as usize;
            let expected = expected.get(slice(range.start)..slice(range.end)).unwrap_or_default();
            assert!(block_on(read(&artifacts, &id, range.clone())).unwrap() == expected, "{bytes} {range:?}");
        }
        ids.push(id);
    }
    (scene, artifacts, ids)
}

fn assert_nothing_is_left(scene: &AppScene, artifacts: &Artifacts, ids: &[String], left: impl Fn() -> usize) {
    assert_eq!(left(), ids.len());
    for id in ids {
        block_on(artifacts.remove(id)).unwrap();
    }
    assert_eq!(block_on(artifacts.collect()).unwrap().removed as usize, ids.len());
    assert_eq!((left(), rows(scene, &Blob::COLLECTION).len()), (0, 0));
}

#[test]
fn a_directory_keeps_bytes() {
    within_tokio(|_| {
        let directory = TempDir::new().unwrap();
        let (scene, artifacts, ids) = round_trip(open(directory.path()));
        let row = scene.ok("artifact.show", json!({"id": ids[1]}));
        assert_eq!(row["storageType"], "local");
        assert_nothing_is_left(&scene, &artifacts, &ids, || blobs(directory.path()).len());
    });
}

#[test]
fn a_directory_is_known_by_its_id() {
    within_tokio(|_| {
        let directory = TempDir::new().unwrap();
        let (here, elsewhere) = (directory.path().join("here"), directory.path().join("elsewhere"));
        let scene = scene_with_execution(Arc::new(Memory::new()));
        let of = |path: &Path| Artifacts::new(&scene.engine, open(path));
        let first = block_on(put(&of(&here), b"bytes")).unwrap();
        let second = block_on(put(&of(&elsewhere), b"bytes")).unwrap();
        assert_eq!((blobs(&here).len(), blobs(&elsewhere).len()), (1, 1), "equal bytes are stored in each directory");
        assert_eq!(block_on(read(&of(&here), &second, 0..9)).unwrap_err().code, ErrorCode::UNSUPPORTED);
        block_on(of(&here).remove(&second)).unwrap();
        assert_eq!(block_on(of(&here).collect()).unwrap(), CollectReport { removed: 0, elsewhere: 1 });
        assert_eq!(block_on(of(&elsewhere).collect()).unwrap(), CollectReport { removed: 1, elsewhere: 0 });
        assert_eq!((blobs(&here).len(), blobs(&elsewhere).len()), (1, 0));
        let moved = directory.path().join("moved");
        std::fs::rename(&here, &moved).unwrap();
        assert_eq!(block_on(read(&of(&moved), &first, 0..9)).unwrap(), b"bytes");
        std::fs::write(moved.join("storage.id"), "..").unwrap();
        assert_eq!(block_on(LocalDirectory::open(&moved)).err().unwrap().code, ErrorCode::CORRUPT);
    });
}

#[test]
fn processes_that_open_a_directory_at_once_agree_on_its_id() {
    within_tokio(|_| {
        let directory = TempDir::new().unwrap();
        let bases = std::thread::scope(|scope| {
            let opened: Vec<_> = (0..8).map(|_| scope.spawn(|| open(directory.path()).base().to_owned())).collect();
            opened.into_iter().map(|opened| opened.join().unwrap()).collect::<BTreeSet<_>>()
        });
        assert_eq!(bases.len(), 1);
    });
}

#[test]
fn an_artifact_that_is_removed_while_it_is_read_is_not_found() {
    within_tokio(|_| {
        let directory = TempDir::new().unwrap();
        let scene = scene_with_execution(Arc::new(Memory::new()));
        let artifacts = Artifacts::new(&scene.engine, open(directory.path()));
        let id = block_on(put(&artifacts, &content(PART_BYTES + 9))).unwrap();
        let mut reader = block_on(artifacts.read(&id, ..)).unwrap();
        assert!(block_on(reader.next()).unwrap().is_some());
        block_on(artifacts.remove(&id)).unwrap();
        block_on(artifacts.collect()).unwrap();
        assert_eq!(block_on(reader.next()).unwrap_err().code, ErrorCode::NOT_FOUND);
    });
}

#[test]
fn no_death_separates_an_artifact_from_its_file() {
    within_tokio(|_| {
        let directory = TempDir::new().unwrap();
        let of = |run: usize| directory.path().join(run.to_string());
        no_death_separates_an_artifact_from_its_bytes(|_, run| open(of(run)), |_, run| blobs(&of(run)).len());
    });
}

#[test]
fn bytes_that_were_changed_on_disk_are_not_returned() {
    within_tokio(|_| {
        let directory = TempDir::new().unwrap();
        let scene = scene_with_execution(Arc::new(Memory::new()));
        let artifacts = Artifacts::new(&scene.engine, open(directory.path()));
        let bytes = content(PART_BYTES + 9);
        let id = block_on(put(&artifacts, &bytes)).unwrap();
        let file = blobs(directory.path()).pop().unwrap();
        let mut changed = bytes.clone();
        changed[PART_BYTES + 3] ^= 1;
        std::fs::write(&file, &changed).unwrap();
        let error = block_on(read(&artifacts, &id, 0..u64::MAX)).unwrap_err();
        assert_eq!((error.code, error.key), (ErrorCode::CORRUPT, Some(id.clone())));
        assert!(error.message.contains("bytes 5242880 to 5242889 of artifact"), "{}", error.message);
        assert_eq!(block_on(read(&artifacts, &id, 0..10)).unwrap(), content(10), "the other part is intact");
        std::fs::write(&file, &bytes[..PART_BYTES + 2]).unwrap();
        assert_eq!(block_on(read(&artifacts, &id, 0..u64::MAX)).unwrap_err().code, ErrorCode::CORRUPT);
        std::fs::remove_file(&file).unwrap();
        let error = block_on(read(&artifacts, &id, 0..1)).unwrap_err();
        assert_eq!(error.code, ErrorCode::CORRUPT);
        assert!(error.message.ends_with("are missing"), "{}", error.message);
    });
}

#[test]
fn rows_that_lie_remove_and_read_nothing_else() {
    within_tokio(|_| {
        let directory = TempDir::new().unwrap();
        let (inside, outside) = (directory.path().join("artifacts"), directory.path().join("precious"));
        std::fs::write(&outside, "precious").unwrap();
        let scene = scene_with_execution(Arc::new(Memory::new()));
        let storage = open(&inside);
        let base = storage.base().to_owned();
        let artifacts = Artifacts::new(&scene.engine, storage);
        let id = block_on(put(&artifacts, b"ten bytes!")).unwrap();
        for hostile in ["..", ".", "../artifacts", "a/../.."] {
            let path = format!("{base}{hostile}");
            let row = json!({"id": hostile, "storage_type": "local", "storage_path": path, "status": "removed", "remove_at": 1});
            scene.put(&Blob::COLLECTION, hostile, row);
        }
        assert_eq!(block_on(artifacts.collect()).unwrap(), CollectReport { removed: 0, elsewhere: 4 });
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "precious");
        assert_eq!(block_on(read(&artifacts, &id, 0..99)).unwrap(), b"ten bytes!");
        // A row that names more bytes than there are.
        let mut row = rows(&scene, &Blob::COLLECTION).into_iter().find(|row| row["status"] == "stored").unwrap();
        row["size_bytes"] = json!(100);
        let blob = row["id"].as_str().unwrap().to_owned();
        let lie = batch(CommandId::new("lie").unwrap()).put(&Blob::COLLECTION, &blob, row);
        block_on(scene.engine.store().commit(lie)).unwrap();
        assert_eq!(block_on(read(&artifacts, &id, 50..60)).unwrap_err().code, ErrorCode::CORRUPT);
    });
}

#[test]
fn artifacts_of_a_storage_that_is_not_open_are_named_and_kept() {
    within_tokio(|_| {
        let directory = TempDir::new().unwrap();
        let scene = scene_with_execution(Arc::new(Memory::new()));
        let local = Artifacts::new(&scene.engine, open(directory.path()));
        let chunks = Artifacts::new(&scene.engine, Chunks::new(&scene.engine));
        let (in_file, in_chunks) = (block_on(put(&local, b"a")).unwrap(), block_on(put(&chunks, b"b")).unwrap());
        let error = block_on(read(&chunks, &in_file, 0..1)).unwrap_err();
        assert_eq!(error.code, ErrorCode::UNSUPPORTED);
        assert!(error.message.contains("local://"), "{}", error.message);
        assert_eq!(block_on(read(&local, &in_chunks, 0..1)).unwrap(), b"b");
        block_on(chunks.remove(&in_file)).unwrap();
        assert_eq!(block_on(chunks.collect()).unwrap(), CollectReport { removed: 0, elsewhere: 1 });
        assert_eq!(block_on(local.collect()).unwrap(), CollectReport { removed: 1, elsewhere: 0 });
        assert_eq!(blobs(directory.path()).len(), 0);
    });
}

#[test]
fn a_bucket_keeps_bytes() {
    within_tokio(|runtime| {
        let server = S3Server::start(runtime);
        let (scene, artifacts, ids) = round_trip(open_bucket(&server, "s3://bytes/some/prefix", SECRET).unwrap());
        let row = scene.ok("artifact.show", json!({"id": ids[1]}));
        assert!(row["storagePath"].as_str().unwrap().starts_with("s3://bytes/some/prefix/"), "{row}");
        assert_nothing_is_left(&scene, &artifacts, &ids, || server.objects().len());
        assert_eq!(server.parts(), 0);
    });
}

#[test]
fn no_death_separates_an_artifact_from_its_object() {
    within_tokio(|runtime| {
        let server = S3Server::start(runtime);
        no_death_separates_an_artifact_from_its_bytes(
            |_, run| open_bucket(&server, &format!("s3://bytes/{run}"), SECRET).unwrap(),
            |_, run| server.objects().iter().filter(|path| path.parent().unwrap().ends_with(run.to_string())).count(),
        );
        assert_eq!(server.parts(), 0);
    });
}

#[test]
fn a_bucket_that_refuses_is_an_error_that_says_so() {
    within_tokio(|runtime| {
        let server = S3Server::start(runtime);
        let scene = scene_with_execution(Arc::new(Memory::new()));
        let put = |bucket| block_on(put(&Artifacts::new(&scene.engine, bucket), b"bytes")).unwrap_err();
        let error = put(open_bucket(&server, "s3://bytes", "wrong").unwrap());
        assert_eq!((error.code, error.retryable), (ErrorCode::NOT_AUTHORIZED, false), "{error}");
        let gone = S3Server { endpoint: "http://127.0.0.1:1".to_owned(), ..server };
        let error = put(open_bucket(&gone, "s3://bytes", SECRET).unwrap());
        assert_eq!((error.code, error.retryable), (ErrorCode::UNAVAILABLE, true), "{error}");
        assert!(error.message.starts_with("the bucket `bytes`: "), "{error}");
        assert_eq!(open_bucket(&gone, "bytes", SECRET).err().unwrap().code, ErrorCode::INVALID_URL);
        assert!(scene.ok("artifact.list", json!({}))["items"].as_array().unwrap().is_empty());
    });
}

/// A server that reads each request and answers with this text, or never. No real server is full or slow at will.
fn start_answering(runtime: &Runtime, answer: Option<&'static [u8]>) -> String {
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"bytes") && connection.read_buf(&mut request).await.is_ok_and(|read| read > 0) {}
            match answer {
                Some(answer) => connection.write_all(answer).await.unwrap(),
                None => silent.push(connection),
            }
        }
    });
    endpoint
}

#[test]
fn a_bucket_that_is_full_or_silent_is_an_error_that_says_so() {
    within_tokio(|runtime| {
        let scene = scene_with_execution(Arc::new(Memory::new()));
        let put = |answer: Option<&'static [u8]>| {
            let options = ClientOptions::new().with_timeout(Duration::from_millis(300));
            let bucket = open_bucket_at(&start_answering(runtime, answer), "s3://bytes", SECRET, options).unwrap();
            block_on(put(&Artifacts::new(&scene.engine, bucket), b"bytes")).unwrap_err()
        };
        let error = put(Some(b"HTTP/1.1 507 Insufficient Storage\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
        assert_eq!((error.code, error.retryable), (ErrorCode::FULL, false), "{error}");
        assert_eq!(error.message, "the bucket `bytes`: the server has no space left");
        let error = put(None);
        assert_eq!((error.code, error.retryable), (ErrorCode::UNAVAILABLE, true), "{error}");
        assert!(scene.ok("artifact.list", json!({}))["items"].as_array().unwrap().is_empty());
    });
}
