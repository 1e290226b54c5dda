//! `artifact`: bytes go in and come back, in documents, in a directory and on S3, whatever dies or fails meanwhile.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use insta::assert_snapshot;
use runstate::domain::apps::{AppExecution, Blob, PART_BYTES};
use runstate::id::CommandId;
use runstate::schema::{Collection, Entity as _, Freshness, Key, Query};
use runstate::store::{Batch, Expectation, Write as StoreWrite, WriteOp};
use runstate::time::Millis;
use runstate::value::Document;
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use crate::s3_server::{KEY, S3Server, SECRET, files};
use crate::settings::is_full_run;
use crate::support::{CliFixture, CliOutput, Signal, block_on, send, wait_until};

/// Bytes that differ everywhere.
fn content(bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

/// A scene with the execution `e` of an app.
fn scene() -> CliFixture {
    let scene = CliFixture::new();
    let configuration = json!({"steps": [{"id": 1, "name": "draw"}]});
    let app = json!({"appId": 1, "appName": "a", "version": "1", "activate": true, "configuration": configuration});
    let start = json!({"appId": 1, "userId": "u", "id": "e"});
    block_on(async {
        let engine = scene.engine().await;
        for (operation, parameters) in [("apps.configuration.save", app), ("apps.execution.start", start)] {
            engine.call(operation, parameters.as_object().cloned().unwrap()).await.unwrap();
        }
        engine.store().close().await.unwrap();
    });
    scene
}

/// Stores `bytes`, and returns the id of the artifact.
fn put(scene: &CliFixture, bytes: &[u8], flags: &[&str]) -> String {
    scene.file("put.bin", bytes);
    let output = scene.run(&[&["apps", "artifact", "put", "e", "1", "put.bin"], flags].concat()).expect_exit(0);
    output.out.trim_end().to_owned()
}

/// Runs the binary. Its output need not be text.
fn run_binary(scene: &CliFixture, args: &[&str]) -> Output {
    scene.command(args).output().unwrap()
}

/// The names in the folder of the scene.
fn names(scene: &CliFixture) -> Vec<String> {
    let names = std::fs::read_dir(scene.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

/// The files of blobs in the directory `artifacts` of the scene.
fn blobs(scene: &CliFixture) -> Vec<PathBuf> {
    let mut found = files(&scene.path().join("artifacts"));
    found.retain(|path| path.file_name().is_some_and(|name| name != "storage.id"));
    found
}

/// Adds the settings of a bucket.
fn with_s3<'a>(command: &'a mut Command, endpoint: &str, secret: &str) -> &'a mut Command {
    let command = command.env("AWS_ENDPOINT", endpoint).env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", secret)
}

fn run_s3(scene: &CliFixture, endpoint: &str, secret: &str, args: &[&str]) -> CliOutput {
    with_s3(&mut scene.command(&[args, &["--artifacts", "s3://bytes/some/prefix"]].concat()), endpoint, secret)
        .output()
        .unwrap()
        .into()
}

#[test]
fn artifacts_come_back_as_they_were_put() {
    let scene = scene();
    let bytes = content(PART_BYTES + 1_000_003);
    for (storage, name) in [("chunks:", "a.PNG"), ("local:artifacts", "b.tar.gz")] {
        let id = put(&scene, &bytes, &["--artifacts", storage, "--name", name, "--metadata", r#"{"page": 1}"#]);
        let to = format!("{name}.copy");
        scene.run(&["apps", "artifact", "get", &id, "--to", &to, "--artifacts", storage]).expect_exit(0);
        assert!(std::fs::read(scene.path().join(&to)).unwrap() == bytes, "{storage}");
        for (range, expected) in [
            ("5242878..5242885", &bytes[5_242_878..5_242_885]),
            ("6242880..", &bytes[6_242_880..]),
            ("..3", &bytes[..3]),
            ("9000000..9000009", &[]),
        ] {
            let got = run_binary(&scene, &["apps", "artifact", "get", &id, "--range", range, "--artifacts", storage]);
            assert!(got.status.success() && got.stdout == expected, "{storage} {range}: {got:?}");
        }
        let row = scene.run(&["apps", "artifact", "show", &id, "--json"]).expect_exit(0).json();
        assert_eq!((&row["sizeBytes"], &row["metadata"]), (&json!(bytes.len()), &json!({"page": 1})), "{row}");
    }
    let listed = scene.run(&["apps", "artifact", "list", "--sort", "createdAt"]).expect_exit(0);
    assert_snapshot!(listed.text(), @"
    ID                                    EXECUTION  STEP  TYPE  NAME      MEDIA TYPE          BYTES  STORAGE  CREATED
    [id]  e             1  file  a.PNG     image/png         6242883  chunks   [time]
    [id]  e             1  file  b.tar.gz  application/gzip  6242883  local    [time]
    ");
    scene.run(&["verify"]).expect_exit(0);
}

#[test]
fn artifacts_go_through_pipes() {
    let scene = scene();
    let put = ["apps", "artifact", "put", "e", "1", "-", "--name", "make.log", "--type", "log"];
    let id = scene.run_with(&put, "two circles\n").expect_exit(0).expect_stderr(&["make.log, text/plain: 12 B stored"]);
    let get = scene.run(&["apps", "artifact", "get", id.out.trim_end()]).expect_exit(0);
    assert_eq!((get.out.as_str(), get.err.as_str()), ("two circles\n", ""));
    let empty = scene.run_with(&[&put[..], &["--json"]].concat(), "").expect_exit(0).json();
    assert_eq!((&empty["sizeBytes"], &empty["mimeType"]), (&json!(0), &json!("text/plain")));
    let empty = empty["id"].as_str().unwrap();
    assert_eq!(scene.run(&["apps", "artifact", "get", empty, "--to", "-"]).expect_exit(0).out, "");
    scene.run(&put[..6]).expect_exit(2).expect_stderr(&["--name"]);
    scene.run(&["apps", "artifact", "get", empty, "--json"]).expect_exit(2).json();
    let written = scene.run(&["apps", "artifact", "get", empty, "--to", "empty", "--json"]).expect_exit(0).json();
    assert_eq!((&written["to"], &written["sizeBytes"]), (&json!("empty"), &json!(0)));
}

#[test]
fn a_file_is_not_replaced_without_force() {
    let scene = scene();
    let id = put(&scene, b"new", &[]);
    scene.file("page.txt", "old");
    let get = ["apps", "artifact", "get", &id, "--to", "page.txt"];
    let refused = scene.run(&get).expect_exit(5).expect_stderr(&["page.txt exists", "--force"]);
    assert_eq!((refused.out.as_str(), std::fs::read(scene.path().join("page.txt")).unwrap()), ("", b"old".to_vec()));
    scene.run(&[&get[..], &["--force"]].concat()).expect_exit(0);
    assert_eq!(std::fs::read(scene.path().join("page.txt")).unwrap(), b"new");
    assert_eq!(names(&scene), ["page.txt", "put.bin", "store"]);
}

#[test]
fn changed_bytes_are_corrupt_and_leave_no_file() {
    let scene = scene();
    let bytes = content(PART_BYTES + 9);
    let local = ["--artifacts", "local:artifacts"];
    let id = put(&scene, &bytes, &local);
    let file = blobs(&scene).pop().unwrap();
    let mut changed = bytes;
    changed[PART_BYTES + 3] ^= 1;
    std::fs::write(&file, &changed).unwrap();
    scene.file("kept", "old");
    for (to, force) in [("new", ""), ("kept", "--force")] {
        let args: Vec<&str> =
            ["apps", "artifact", "get", &id, "--to", to, "--json", force].into_iter().chain(local).collect();
        let args: Vec<&str> = args.into_iter().filter(|arg| !arg.is_empty()).collect();
        assert_eq!(scene.run(&args).expect_exit(4).error_code(), "corrupt");
    }
    assert_eq!(names(&scene), ["artifacts", "kept", "put.bin", "store"], "no part of a file is left");
    assert_eq!(std::fs::read(scene.path().join("kept")).unwrap(), b"old");
    let undamaged = [&["apps", "artifact", "get", &id, "--range", "..9"][..], &local].concat();
    assert_eq!(run_binary(&scene, &undamaged).stdout, &changed[..9]);
    std::fs::remove_file(&file).unwrap();
    scene.run(&undamaged).expect_exit(4).expect_stderr(&["are missing"]);
    // A plain verification does not read them.
    scene.run(&["verify"]).expect_exit(0);
    let verify = |storage: &[&str], exit: i32, words: &[&str]| {
        let out = scene.run(&[&["verify", "--artifacts"], storage].concat()).expect_exit(exit).out;
        assert!(words.iter().all(|word| out.contains(word)), "{out}");
    };
    verify(&[], 0, &["0 intact", "1 in other storages were not read"]);
    verify(&["local:artifacts"], 4, &["damaged: apps.execution_artifacts/", "are missing"]);
    // The same bytes, put again, mend it.
    changed[PART_BYTES + 3] ^= 1;
    put(&scene, &changed, &local);
    verify(&["local:artifacts"], 0, &["1 intact"]);
}

#[test]
fn wrong_names_are_errors_that_say_so_and_store_nothing() {
    let scene = scene();
    scene.file("f", "bytes");
    let put = |args: &[&str]| scene.run(&[&["apps", "artifact", "put"], args, &["--json"]].concat());
    assert_eq!(put(&["missing", "1", "f", "--artifacts", "local:artifacts"]).expect_exit(5).error_code(), "not_found");
    assert_eq!(blobs(&scene), Vec::<PathBuf>::new());
    assert_eq!(put(&["e", "1", "no-such-file"]).expect_exit(2).error_code(), "io");
    assert_eq!(put(&["e", "1", "store"]).expect_exit(2).error_code(), "io");
    assert_eq!(put(&["e", "1", "f", "--metadata", "[]"]).expect_exit(2).error_code(), "usage");
    for url in ["ftp:x", "local:", "gridfs:", "s3:x"] {
        assert_eq!(put(&["e", "1", "f", "--artifacts", url]).expect_exit(2).error_code(), "invalid_url", "{url}");
    }
    let id = self::put(&scene, b"bytes", &["--artifacts", "local:artifacts"]);
    let get = |args: &[&str]| scene.run(&[&["apps", "artifact", "get"], args, &["--to", "x"]].concat());
    get(&["missing"]).expect_exit(5).expect_stderr(&["missing"]);
    get(&[&id]).expect_exit(4).expect_stderr(&["local://", "--artifacts URL"]);
    get(&[&id, "--artifacts", "local:typo"]).expect_exit(2).expect_stderr(&["typo", "does not exist"]);
    get(&[&id, "--range", "9..3"]).expect_exit(2).expect_stderr(&["ends before it begins"]);
    assert_eq!(names(&scene), ["artifacts", "f", "put.bin", "store"]);
    let environment =
        scene.command(&["apps", "artifact", "get", &id]).env("RUNSTATE_ARTIFACTS", "local:artifacts").output();
    assert_eq!(environment.unwrap().stdout, b"bytes");
    assert_eq!(scene.run(&["apps", "artifact", "list", "--json"]).expect_exit(0).values().len(), 1);
}

#[test]
fn removed_artifacts_leave_no_bytes() {
    let scene = scene();
    let local = ["--artifacts", "local:artifacts"];
    let (first, second) = (put(&scene, b"same", &local), put(&scene, b"same", &local));
    let collect =
        || scene.run(&[&["apps", "artifact", "collect", "--json"][..], &local].concat()).expect_exit(0).json();
    collect();
    assert_eq!(blobs(&scene).len(), 1);
    let removed = scene.run(&["apps", "artifact", "delete", &first]).expect_exit(0);
    assert_eq!(removed.out, format!("{first} is deleted\n"));
    assert_eq!((collect(), blobs(&scene).len()), (json!({"removed": 0, "elsewhere": 0}), 1));
    let removed = scene.run(&["apps", "artifact", "delete", &second, "--json"]).expect_exit(0).json();
    assert_eq!(removed, json!({"id": second, "deleted": true}));
    scene.run(&["apps", "artifact", "collect"]).expect_exit(0).expect_stderr(&["1 are in other storages"]);
    assert_eq!((collect(), blobs(&scene).len()), (json!({"removed": 1, "elsewhere": 0}), 0));
    scene.run(&["apps", "artifact", "delete", &second]).expect_exit(5);
}

#[test]
fn a_bucket_keeps_artifacts_or_says_why_not() {
    let (runtime, scene) = (Runtime::new().unwrap(), scene());
    let server = S3Server::start(&runtime);
    let bytes = content(2 * PART_BYTES + 5);
    scene.file("f.bin", &bytes);
    let put = ["apps", "artifact", "put", "e", "1", "f.bin", "--json"];
    let refused = run_s3(&scene, &server.endpoint, "wrong", &put).expect_exit(4);
    assert_eq!(refused.error_code(), "not_authorized");
    let gone = run_s3(&scene, "http://127.0.0.1:1", SECRET, &put).expect_exit(4);
    assert_eq!((gone.error_code().as_str(), &gone.json()["error"]["retryable"]), ("unavailable", &json!(true)));
    assert_eq!(scene.run(&["apps", "artifact", "list", "--json"]).expect_exit(0).values(), Vec::<Json>::new());
    let stored = run_s3(&scene, &server.endpoint, SECRET, &put).expect_exit(0).json();
    let get = ["apps", "artifact", "get", stored["id"].as_str().unwrap(), "--to", "copy"];
    run_s3(&scene, &server.endpoint, SECRET, &get).expect_exit(0);
    assert!(std::fs::read(scene.path().join("copy")).unwrap() == bytes);
    let collected =
        run_s3(&scene, &server.endpoint, SECRET, &["apps", "artifact", "collect", "--json"]).expect_exit(0).json();
    assert_eq!(collected, json!({"removed": 2, "elsewhere": 0}), "the refused uploads had a row");
    assert_eq!((server.objects().len(), server.parts()), (1, 0));
}

#[test]
fn ctrl_c_while_a_bucket_does_not_answer_leaves_no_file() {
    let (runtime, scene) = (Runtime::new().unwrap(), scene());
    let server = S3Server::start(&runtime);
    scene.file("f.bin", "bytes");
    let put = ["apps", "artifact", "put", "e", "1", "f.bin", "--json"];
    let stored = run_s3(&scene, &server.endpoint, SECRET, &put).expect_exit(0).json();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let get = [
        "apps",
        "artifact",
        "get",
        stored["id"].as_str().unwrap(),
        "--to",
        "copy",
        "--artifacts",
        "s3://bytes/some/prefix",
    ];
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let mut command = scene.command(&get);
    let child = with_s3(&mut command, &endpoint, SECRET).stderr(Stdio::piped()).spawn().unwrap();
    let _connection = silent.accept().unwrap();
    send(Signal::INT, child.id());
    CliOutput::from(child.wait_with_output().unwrap()).expect_exit(130).expect_stderr(&["no file was written"]);
    assert_eq!(names(&scene), ["f.bin", "store"]);
}

/// Starts an upload from a pipe that stays open, and returns it when its first part is in the storage.
fn begin_upload(scene: &CliFixture, storage: &str, endpoint: &str, is_written: impl Fn() -> bool) -> Child {
    let mut command = scene.command(&["apps", "artifact", "put", "e", "1", "-", "--name", "x", "--artifacts", storage]);
    let command = with_s3(&mut command, endpoint, SECRET).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(&content(2 * PART_BYTES)).unwrap();
    wait_until("a part is written", is_written);
    child
}

#[test]
fn an_interrupted_upload_is_aborted_and_its_bytes_are_removed() {
    let scene = scene();
    std::fs::create_dir(scene.path().join("artifacts")).unwrap();
    let mut child = begin_upload(&scene, "local:artifacts", "", || !blobs(&scene).is_empty());
    // The pipe stays open until the process has ended.
    let _input = child.stdin.take();
    send(Signal::INT, child.id());
    let output = CliOutput::from(child.wait_with_output().unwrap()).expect_exit(130);
    output.expect_stderr(&["nothing was stored"]);
    let collect = ["apps", "artifact", "collect", "--artifacts", "local:artifacts", "--json"];
    assert_eq!(scene.run(&collect).expect_exit(0).json()["removed"], 1);
    assert_eq!(blobs(&scene), Vec::<PathBuf>::new());
    assert_eq!(scene.run(&["apps", "artifact", "list", "--json"]).values().len(), 0);
}

/// Moves the time in a field of the only document of a collection back, and returns the document.
fn hasten(scene: &CliFixture, collection: &'static Collection, field: &str, by: Millis) -> Document {
    block_on(async {
        let engine = scene.engine().await;
        let page = engine.store().query(&Query::of(collection), Freshness::Linearizable).await.unwrap();
        let [row] = page.items.as_slice() else { panic!("{} documents", page.items.len()) };
        let mut document = (*row.stored.document).clone();
        let time = document[field].as_i64().unwrap() - by.0;
        document.insert(field.to_owned(), time.into());
        let op = WriteOp::Put { version: collection.version, document: document.clone().into() };
        let batch = Batch {
            command: CommandId::new(&format!("hasten-{field}")).unwrap(),
            fingerprint: "test".to_owned(),
            at: engine.now(),
            result: Json::Null,
            writes: vec![StoreWrite { key: Key::new(collection, &row.id), expect: Expectation::Any, op }],
            checks: Vec::new(),
            frees_space: false,
        };
        engine.store().commit(batch).await.unwrap();
        engine.store().close().await.unwrap();
        document
    })
}

/// Kills an upload with SIGKILL, and lets the time of its lease pass. Its bytes are removed, and not before.
fn kill_and_collect(scene: &CliFixture, storage: &str, endpoint: &str, left: impl Fn() -> usize) {
    let mut child = begin_upload(scene, storage, endpoint, || left() > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    let collect = || {
        let mut command = scene.command(&["apps", "artifact", "collect", "--json", "--artifacts", storage]);
        let output = CliOutput::from(with_s3(&mut command, endpoint, SECRET).output().unwrap());
        output.expect_exit(0).json()["removed"].as_u64().unwrap()
    };
    let hasten_blob = |field| hasten(scene, &Blob::COLLECTION, field, Millis::minutes(90));
    assert_eq!((collect(), left() > 0), (0, true), "the process of the upload may live");
    assert_eq!(hasten_blob("review_at")["status"], "uploading");
    assert_eq!((collect(), left() > 0), (0, true), "it is abandoned now, and may still write");
    assert_eq!(hasten_blob("remove_at")["status"], "removed");
    assert_eq!((collect(), left()), (1, 0));
    assert_eq!(scene.run(&["apps", "artifact", "list", "--json"]).values().len(), 0);
    scene.run(&["verify"]).expect_exit(0);
}

#[test]
fn an_upload_that_was_killed_leaves_no_file() {
    let scene = scene();
    std::fs::create_dir(scene.path().join("artifacts")).unwrap();
    kill_and_collect(&scene, "local:artifacts", "", || blobs(&scene).len());
}

#[test]
fn an_upload_that_was_killed_leaves_no_object() {
    let (runtime, scene) = (Runtime::new().unwrap(), scene());
    let server = S3Server::start(&runtime);
    kill_and_collect(&scene, "s3://bytes", &server.endpoint, || server.objects().len() + server.parts());
}

/// The most memory that a process that still runs has had, in bytes.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

/// Most memory of a process that stores or reads an artifact. One that held 64 MiB beside its own 45 MB would take
/// more.
const MOST_MEMORY: u64 = 80_000_000;

#[test]
fn memory_does_not_grow_with_an_artifact() {
    let pieces = if is_full_run() { 1_024 } else { 64 };
    let (runtime, scene) = (Runtime::new().unwrap(), scene());
    let server = S3Server::start(&runtime);
    let piece = content(1 << 20);
    for storage in ["local:artifacts", "s3://bytes"] {
        let start = |args: &[&str]| {
            let mut command = scene.command(&[args, &["--artifacts", storage]].concat());
            let command = with_s3(&mut command, &server.endpoint, SECRET).stdin(Stdio::piped()).stdout(Stdio::piped());
            command.spawn().unwrap()
        };
        let mut child = start(&["apps", "artifact", "put", "e", "1", "-", "--name", "large"]);
        let input = child.stdin.as_mut().unwrap();
        (0..pieces).for_each(|_| input.write_all(&piece).unwrap());
        let peak = peak_memory(child.id());
        println!("{storage}: put {} MB at the most", peak / 1_000_000);
        assert!(peak < MOST_MEMORY, "{storage}: storing took {peak} bytes");
        let id = CliOutput::from(child.wait_with_output().unwrap()).expect_exit(0).out;
        let mut child = start(&["apps", "artifact", "get", id.trim_end()]);
        let (mut output, mut got) = (child.stdout.take().unwrap(), vec![0; 1 << 20]);
        for number in 0..pieces {
            output.read_exact(&mut got).unwrap();
            assert!(got == piece, "{storage} {number}");
            if number == pieces - 2 {
                // The process waits: its last part is larger than the pipe.
                let peak = peak_memory(child.id());
                println!("{storage}: get {} MB at the most", peak / 1_000_000);
                assert!(peak < MOST_MEMORY, "{storage}: reading took {peak} bytes");
            }
        }
        assert_eq!((output.read(&mut got).unwrap(), child.wait().unwrap().code()), (0, Some(0)));
    }
}

#[test]
fn a_sweep_removes_an_execution_whose_retention_has_ended() {
    let scene = scene();
    put(&scene, b"bytes", &[]);
    scene.run(&["apps", "execution", "cancel", "e"]).expect_exit(0);
    let count =
        || scene.run(&["sweep", "--dry-run", "--json"]).expect_exit(0).json()["retention"]["apps.retention"].clone();
    assert_eq!(count(), 0);
    hasten(&scene, &AppExecution::COLLECTION, "remove_at", Millis::days(365));
    assert_eq!(count(), 1);
    let counted = scene.run(&["sweep", "--dry-run"]).expect_exit(0).out;
    assert!(counted.contains("apps.retention: 1 to remove, with all that belongs to them\n"), "{counted}");
    assert_eq!(scene.run(&["sweep", "--json"]).expect_exit(0).json()["deleted"], 1);
    for list in ["execution", "step", "artifact"] {
        assert_eq!(scene.run(&["apps", list, "list", "--json"]).values().len(), 0, "{list}");
    }
    scene.run(&["verify"]).expect_exit(0);
}
