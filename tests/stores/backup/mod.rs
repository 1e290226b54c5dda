//! Backups that follow the change feed: every point is a state of the store, under deaths of the process, two backups
//! at once, positions that have expired, and damage. The losses of a killed process are measured.

mod killed;
mod recovery_points;

use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use runstate::domain;
use runstate::engine::{Engine, Error};
use runstate::error_code::ErrorCode;
use runstate::id::{CommandId, hex};
use runstate::objects::ObjectFolder;
use runstate::operation::Domain;
use runstate::schema::{Collection, Direction::Ascending, Field, Index};
use runstate::store::layer::Method;
use runstate::store::{Batch, Memory, Outcome, Store, StoreError};
use runstate::testing::{BatchExt as _, SimHost, SimIds};
use runstate::testing::{Fault, FaultStore};
use runstate::time::{Millis, Timestamp};
use runstate::transfer::backup::{
    BackedUpStore, Backup, BackupDecryption, BackupEncryption, BackupOptions, BackupSource, points,
};
use runstate::transfer::{ImportSource as _, LineWriter, check};
use runstate::value::canonical_json;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::mirror::{commands, named};
use crate::settings::{is_full_run, seed};
use crate::support::s3_server;

static NOTES: Collection = Collection::new("demo.notes", 1)
    .fields(&[Field::text("title").optional(), Field::json("body").optional()])
    .indexes(&[Index::ordered(&[("title", Ascending)]).unique()]);
static LINES: Collection = Collection::new("demo.lines", 1).insert_only();
static DEMO: Domain = Domain::new("demo").collections(&[&NOTES, &LINES]);
static DEMO_ONLY: &[&Domain] = &[&DEMO];

type AnyStore = Arc<dyn Store>;

fn folder(directory: &TempDir) -> Arc<ObjectFolder> {
    Arc::new(ObjectFolder::open(&format!("local:{}", directory.path().display())).unwrap())
}

fn host(seed: u64) -> Arc<SimHost> {
    Arc::new(SimHost { ids: SimIds::new(seed), ..SimHost::default() })
}

async fn engine(store: &AnyStore, host: &Arc<SimHost>, domains: &[&'static Domain]) -> Result<Engine, Error> {
    Engine::new(store.clone(), host.clone(), domains).await
}

fn options() -> BackupOptions {
    BackupOptions { segments: 20, ..BackupOptions::new("store") }
}

async fn back_up(engine: &Engine, folder: &Arc<ObjectFolder>, options: BackupOptions) -> Result<u64, Error> {
    let backup = Backup::new(engine, folder.clone(), options)?;
    Ok(backup.catch_up(Millis(0), |_| {}).await?.documents)
}

/// The documents of a store, without the ledger: rows of commands that changed nothing are not in the feed.
async fn documents(store: &AnyStore, domains: &[&'static Domain]) -> String {
    let engine = engine(store, &host(99), domains).await.unwrap();
    let mut lines = Vec::new();
    runstate::transfer::export(&engine, &mut LineWriter::new(&mut lines, "a store"), |_| {}).await.unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let is_document = |line: &&str| line.contains(r#""document""#) && !line.contains(r#""runstate.commands""#);
    lines.lines().filter(is_document).collect::<Vec<_>>().join("\n")
}

async fn source(folder: &ObjectFolder, until: Option<Timestamp>, engine: &Engine) -> Result<BackupSource, Error> {
    BackupSource::open(folder, until, None, &engine.catalog(), |_| {}).await
}

/// An empty store with the last point that is not after `until`.
async fn restore(folder: &ObjectFolder, until: Option<Timestamp>, domains: &[&'static Domain]) -> AnyStore {
    let store: AnyStore = Arc::new(Memory::new());
    let engine = engine(&store, &host(98), domains).await.unwrap();
    let mut source = source(folder, until, &engine).await.unwrap();
    let checked = check(&mut source, &engine.catalog(), |_| {}).unwrap();
    runstate::transfer::import(&engine, &mut source, &checked, |_| {}).await.unwrap();
    store
}

/// Encrypts by a key of one byte, as if it could not be undone.
#[derive(Debug)]
struct ByteKey(u8);

impl ByteKey {
    fn apply(&self, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().map(|byte| byte ^ self.0).collect()
    }

    fn matches(&self, parameters: &Json) -> Result<(), Error> {
        let is_same = *parameters == json!({"key": self.0});
        is_same.then_some(()).ok_or_else(|| Error::new(ErrorCode::KEY_MISSING, "another key"))
    }
}

impl BackupEncryption for ByteKey {
    fn new_parameters(&self) -> Result<Json, Error> {
        Ok(json!({"key": self.0}))
    }

    fn check(&self, parameters: &Json) -> Result<(), Error> {
        self.matches(parameters)
    }

    fn encrypt(&self, _: &Json, segment: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.apply(segment))
    }
}

impl BackupDecryption for ByteKey {
    fn decrypt(&self, parameters: &Json, encrypted: &[u8], _: &str) -> Result<Vec<u8>, Error> {
        self.matches(parameters).map(|()| self.apply(encrypted))
    }
}

async fn demo() -> (AnyStore, Arc<SimHost>, Engine) {
    let (store, host): (AnyStore, _) = (Arc::new(Memory::new()), host(1));
    let engine = engine(&store, &host, DEMO_ONLY).await.unwrap();
    (store, host, engine)
}

#[tokio::test]
async fn every_point_is_a_state_of_the_store() {
    let (directory, host) = (TempDir::new().unwrap(), host(7));
    let (folder, store): (_, AnyStore) = (folder(&directory), Arc::new(Memory::new()));
    let engine = engine(&store, &host, domain::ALL).await.unwrap();
    let (mut script, ids, mut states) = (commands::RandomCommands::default(), SimIds::new(7), Vec::new());
    let backup = Backup::new(&engine, folder.clone(), options()).unwrap();
    for _ in 0..60 {
        script.run_next(&engine, &ids).await;
        host.clock.advance(Millis::seconds(1));
        backup.catch_up(Millis(0), |_| {}).await.unwrap();
        states.push((engine.now(), documents(&store, domain::ALL).await));
    }
    for (at, state) in states.iter().step_by(7).chain(states.last()) {
        let restored = restore(&folder, Some(*at), domain::ALL).await;
        assert_eq!(documents(&restored, domain::ALL).await, *state, "at {at:?}");
        // Between two points the earlier one counts.
        let point = source(&folder, Some(*at), &engine).await.unwrap().point().clone();
        assert!(point.at <= *at);
        assert_eq!(source(&folder, Some(*at + Millis(999)), &engine).await.unwrap().point(), &point);
    }
    let error = source(&folder, Some(Timestamp::from_millis(-1)), &engine).await.err().unwrap();
    assert_eq!(error.code, ErrorCode::NOT_FOUND, "{error}");
    let listed = points(&folder, 3, None).await.unwrap();
    assert_eq!(listed.len(), 3);
    assert!(listed[0].at > listed[1].at && listed[0].base > 1, "{listed:?}");
}

#[tokio::test]
async fn a_restored_store_knows_its_commands() {
    let directory = TempDir::new().unwrap();
    let (store, _, engine) = demo().await;
    store.commit(named("first").put(&NOTES, "a", json!({"title": "a"}))).await.unwrap();
    back_up(&engine, &folder(&directory), options()).await.unwrap();
    let batch = named("second").put(&NOTES, "b", json!({"title": "b"}));
    store.commit(batch.clone()).await.unwrap();
    back_up(&engine, &folder(&directory), options()).await.unwrap();
    let restored = restore(&folder(&directory), None, DEMO_ONLY).await;
    for command in ["first", "second"] {
        let outcome = restored.outcome(&CommandId::new(command).unwrap()).await.unwrap();
        assert!(matches!(outcome, Outcome::Committed { .. }), "{command}");
    }
    assert!(restored.commit(batch).await.unwrap().replayed);
}

#[tokio::test]
async fn every_death_of_a_backup_loses_nothing() {
    let mut deaths = 0;
    // The short form lets every third call die, others with each seed.
    let (first, stride, fewest) = if is_full_run() { (1, 1, 60) } else { (1 + seed() % 3, 3, 12) };
    for method in [Method::Get, Method::Query, Method::Changes] {
        for nth in (first..25).step_by(stride) {
            let (directory, host) = (TempDir::new().unwrap(), host(nth));
            let (folder, store): (_, AnyStore) = (folder(&directory), Arc::new(Memory::new()));
            engine(&store, &host, DEMO_ONLY).await.unwrap();
            for round in 0..4 {
                for n in 0..70 {
                    let (id, title) = (format!("n{}", n + 5 * round), format!("{round} {n}"));
                    let batch = named(format!("{round}-{n}")).put(&NOTES, &id, json!({"title": title}));
                    store.commit(batch.insert(&LINES, &format!("{round}-{n}"), json!({"n": n}))).await.unwrap();
                }
                store.commit(named(format!("{round}-d")).delete(&NOTES, &format!("n{}", 5 * round))).await.unwrap();
                host.clock.advance(Millis::seconds(1));
                let dying = Arc::new(FaultStore::new(store.clone()));
                dying.plan(method, nth, Fault::DieBefore);
                let shared: AnyStore = dying.clone();
                if let Ok(engine) = engine(&shared, &host, DEMO_ONLY).await {
                    let written = back_up(&engine, &folder, BackupOptions { segments: 3, ..options() }).await;
                    assert_eq!(written.is_err(), dying.is_dead());
                }
                deaths += u32::from(dying.is_dead());
            }
            let engine = engine(&store, &host, DEMO_ONLY).await.unwrap();
            back_up(&engine, &folder, options()).await.unwrap();
            let restored = restore(&folder, None, DEMO_ONLY).await;
            assert_eq!(documents(&restored, DEMO_ONLY).await, documents(&store, DEMO_ONLY).await, "{method:?} {nth}");
        }
    }
    assert!(deaths > fewest, "{deaths} deaths");
}

#[tokio::test]
async fn two_backups_at_once_write_one_sequence() {
    for seed in 0..10 {
        let (directory, ids) = (TempDir::new().unwrap(), SimIds::new(seed));
        let (store, host, _) = demo().await;
        let delayed = async || {
            let store = FaultStore::new(store.clone());
            for _ in 0..30 {
                let method = [Method::Get, Method::Changes][ids.below(2)];
                store.plan(method, 1 + ids.below(40) as u64, Fault::Delay(ids.below(20) as u32));
            }
            engine(&(Arc::new(store) as AnyStore), &host, DEMO_ONLY).await.unwrap()
        };
        let engines = [delayed().await, delayed().await];
        let writes = async {
            for n in 0..40 {
                let id = ids.below(5).to_string();
                let batch = named(n).put(&NOTES, &id, json!({"title": n.to_string(), "body": n}));
                store.commit(batch).await.unwrap();
                for _ in 0..ids.below(6) {
                    tokio::task::yield_now().await;
                }
            }
        };
        let folder = folder(&directory);
        let follow = async |engine: &Engine| {
            let backup = Backup::new(engine, folder.clone(), options()).unwrap();
            for _ in 0..10 {
                backup.catch_up(Millis(0), |_| {}).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(writes, follow(&engines[0]), follow(&engines[1]));
        back_up(&engines[0], &folder, options()).await.unwrap();
        let restored = restore(&folder, None, DEMO_ONLY).await;
        assert_eq!(documents(&restored, DEMO_ONLY).await, documents(&store, DEMO_ONLY).await);
    }
}

#[tokio::test]
async fn an_expired_position_begins_a_new_base() {
    let directory = TempDir::new().unwrap();
    let (store, host, engine) = demo().await;
    let folder = folder(&directory);
    store.commit(named("first").put(&NOTES, "gone", json!({"title": "gone"}))).await.unwrap();
    back_up(&engine, &folder, options()).await.unwrap();
    let at = engine.now();
    let before = documents(&store, DEMO_ONLY).await;
    host.clock.advance(Millis::seconds(1));
    store.commit(named("deletion").delete(&NOTES, "gone")).await.unwrap();
    // More changes than the feed keeps.
    for n in 0..11 {
        let ids = (0..1_000).map(|id| format!("{id:03}"));
        let write = |batch: Batch, id: String| batch.put(&NOTES, &id, json!({"title": format!("{n} {id}")}));
        store.commit(ids.fold(named(n), write)).await.unwrap();
    }
    back_up(&engine, &folder, options()).await.unwrap();
    assert_eq!(
        documents(&restore(&folder, None, DEMO_ONLY).await, DEMO_ONLY).await,
        documents(&store, DEMO_ONLY).await
    );
    assert_eq!(documents(&restore(&folder, Some(at), DEMO_ONLY).await, DEMO_ONLY).await, before);
}

#[tokio::test]
async fn documents_that_swap_a_unique_value_are_restored() {
    let directory = TempDir::new().unwrap();
    let (store, _, engine) = demo().await;
    let put = |name: &str, id: &str, title: &str| named(name).put(&NOTES, id, json!({"title": title}));
    store.commit(put("1", "a", "x").put(&NOTES, "b", json!({"title": "y"}))).await.unwrap();
    back_up(&engine, &folder(&directory), options()).await.unwrap();
    for (name, id, title) in [("2", "a", "z"), ("3", "b", "x"), ("4", "a", "y")] {
        store.commit(put(name, id, title)).await.unwrap();
        back_up(&engine, &folder(&directory), options()).await.unwrap();
    }
    let restored = restore(&folder(&directory), None, DEMO_ONLY).await;
    assert_eq!(documents(&restored, DEMO_ONLY).await, documents(&store, DEMO_ONLY).await);
}

#[tokio::test]
async fn damage_of_a_segment_is_found_and_nothing_is_imported() {
    let directory = TempDir::new().unwrap();
    let (store, _, engine) = demo().await;
    for n in 0..3 {
        store.commit(named(n).put(&NOTES, "a", json!({"title": n.to_string()}))).await.unwrap();
        back_up(&engine, &folder(&directory), options()).await.unwrap();
    }
    let mut files = s3_server::files(directory.path());
    files.sort();
    for file in &files {
        let whole = std::fs::read(file).unwrap();
        let mut changed = whole.clone();
        let at = changed.len() / 2;
        changed[at] ^= 1;
        let newer = String::from_utf8(whole.clone()).unwrap().replacen("\"format\":1", "\"format\":9", 1);
        for (damage, found) in [(&whole[..whole.len() - 9], "cut off"), (&changed, ""), (newer.as_bytes(), "hash")] {
            std::fs::write(file, damage).unwrap();
            let error = source(&folder(&directory), None, &engine).await.err().unwrap();
            assert_eq!(error.code, ErrorCode::CORRUPT, "{error}");
            assert!(error.message.contains(found), "{error}");
        }
        std::fs::remove_file(file).unwrap();
        if file != files.last().unwrap() {
            let error = source(&folder(&directory), None, &engine).await.err().unwrap();
            assert!(error.code == ErrorCode::CORRUPT && error.message.contains("it is missing"), "{error}");
        }
        std::fs::write(file, whole).unwrap();
    }
    assert_eq!(source(&folder(&directory), None, &engine).await.unwrap().point().segment, files.len() as u64);
}

#[tokio::test]
async fn old_segments_are_removed_and_the_kept_time_can_be_restored() {
    let directory = TempDir::new().unwrap();
    let (store, host, engine) = demo().await;
    let folder = folder(&directory);
    let kept = BackupOptions { segments: 5, keep: Some(Millis::seconds(20)), ..options() };
    let mut states = Vec::new();
    for n in 0..60 {
        store.commit(named(n).put(&NOTES, &format!("{}", n % 7), json!({"title": n.to_string()}))).await.unwrap();
        host.clock.advance(Millis::seconds(1));
        back_up(&engine, &folder, kept.clone()).await.unwrap();
        states.push((engine.now(), documents(&store, DEMO_ONLY).await));
    }
    let names = folder.names().await.unwrap();
    assert!(names.len() < 40, "{}", names.len());
    for (at, state) in &states[39..] {
        assert_eq!(documents(&restore(&folder, Some(*at), DEMO_ONLY).await, DEMO_ONLY).await, *state);
    }
    assert_eq!(source(&folder, Some(states[0].0), &engine).await.err().unwrap().code, ErrorCode::NOT_FOUND);
}

#[tokio::test]
async fn an_encrypted_folder_is_continued_and_thinned_without_decrypting_it() {
    let directory = TempDir::new().unwrap();
    let (store, host, engine) = demo().await;
    let folder = folder(&directory);
    let encrypted = |key| BackupOptions {
        segments: 5,
        keep: Some(Millis::seconds(20)),
        encryption: Some(Arc::new(ByteKey(key))),
        ..options()
    };
    for n in 0..60 {
        store
            .commit(named(n).put(&NOTES, &format!("{}", n % 7), json!({"title": format!("title {n}")})))
            .await
            .unwrap();
        host.clock.advance(Millis::seconds(1));
        back_up(&engine, &folder, encrypted(7)).await.unwrap();
    }
    let names = folder.names().await.unwrap();
    assert!(names.len() < 40, "{}", names.len());
    for name in &names {
        let text = String::from_utf8(folder.read(name).await.unwrap().unwrap()).unwrap();
        // An older version refuses it as newer. What the folder shows is its first line.
        assert!(text.starts_with(r#"{"format":2,"runstate":"backup","segment":{"#), "{text}");
        assert!(!text.contains("title") && !text.contains("declarations"), "{text}");
    }
    // Another key, and none, write nothing.
    for (options, code) in [(encrypted(8), ErrorCode::KEY_MISSING), (options(), ErrorCode::KEY_MISSING)] {
        assert_eq!(back_up(&engine, &folder, options).await.unwrap_err().code, code);
    }
    assert_eq!(folder.names().await.unwrap().len(), names.len());
    let open = async |key| BackupSource::open(&folder, None, key, &engine.catalog(), |_| {}).await;
    assert_eq!(open(None).await.err().unwrap().code, ErrorCode::KEY_MISSING);
    assert_eq!(open(Some(&ByteKey(8))).await.err().unwrap().code, ErrorCode::KEY_MISSING);
    let mut source = open(Some(&ByteKey(7) as &dyn BackupDecryption)).await.unwrap();
    let restored: AnyStore = Arc::new(Memory::new());
    let target = self::engine(&restored, &self::host(98), DEMO_ONLY).await.unwrap();
    let checked = check(&mut source, &target.catalog(), |_| {}).unwrap();
    runstate::transfer::import(&target, &mut source, &checked, |_| {}).await.unwrap();
    assert_eq!(documents(&restored, DEMO_ONLY).await, documents(&store, DEMO_ONLY).await);
    assert_eq!(points(&folder, 3, None).await.unwrap(), points(&folder, 3, Some(&ByteKey(7))).await.unwrap());

    // A clear header that was changed, with a hash that agrees, is not believed.
    let last = names.iter().max().unwrap();
    let text = String::from_utf8(folder.read(last).await.unwrap().unwrap()).unwrap();
    let (header, lines) = text.split_once('\n').unwrap();
    let mut header: Json = serde_json::from_str(header).unwrap();
    header["segment"]["position"] = json!("elsewhere");
    let before = format!("{}\n{}\n", canonical_json(&header), lines.lines().next().unwrap());
    let sha256 = hex(&<[u8; 32]>::from(Sha256::digest(&before)));
    let forged = format!("{before}{}\n", canonical_json(&json!({"end": {"lines": 1, "sha256": sha256}})));
    std::fs::write(directory.path().join(last), forged).unwrap();
    let error = open(Some(&ByteKey(7))).await.err().unwrap();
    assert!(error.code == ErrorCode::CORRUPT && error.message.contains("its clear header differs"), "{error}");
}

#[tokio::test]
async fn a_folder_has_the_backup_of_one_store() {
    let directory = TempDir::new().unwrap();
    let (_, _, engine) = demo().await;
    back_up(&engine, &folder(&directory), options()).await.unwrap();
    let error = back_up(&engine, &folder(&directory), BackupOptions::new("another")).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ALREADY_EXISTS, "{error}");
    assert_eq!(ObjectFolder::open("ftp://x").err().unwrap().code, ErrorCode::INVALID_URL);
}

#[tokio::test]
async fn a_commit_is_acknowledged_when_its_backup_has_it() {
    let directory = TempDir::new().unwrap();
    let (store, host, _) = demo().await;
    let failing = Arc::new(FaultStore::new(store.clone()));
    let shared: AnyStore = failing.clone();
    let engine = engine(&shared, &host, DEMO_ONLY).await.unwrap();
    let backup = Arc::new(Backup::new(&engine, folder(&directory), options()).unwrap());
    let waiting = BackedUpStore::new(store.clone(), backup.clone(), &["demo.notes"]);
    waiting.commit(named("first").put(&NOTES, "a", json!({"title": "a"}))).await.unwrap();
    // Another collection does not wait.
    let read = failing.calls(Method::Changes);
    waiting.commit(named("line").insert(&LINES, "l", json!({"n": 1}))).await.unwrap();
    assert_eq!(failing.calls(Method::Changes), read);
    let cut = || StoreError::Unavailable { what: "a call".to_owned(), why: "the line is cut".to_owned() };
    failing.plan(Method::Changes, 1, Fault::FailBefore(cut()));
    let batch = named("second").put(&NOTES, "b", json!({"title": "b"}));
    let error = waiting.commit(batch.clone()).await.unwrap_err();
    assert!(matches!(&error, StoreError::UnknownOutcome { .. }), "{error}");
    failing.plan(Method::Changes, 1, Fault::FailBefore(cut()));
    let command = CommandId::new("second").unwrap();
    assert!(matches!(waiting.outcome(&command).await, Err(StoreError::Unavailable { .. })));
    assert!(matches!(waiting.outcome(&command).await.unwrap(), Outcome::Committed { .. }));
    let restored = restore(&folder(&directory), None, DEMO_ONLY).await;
    assert_eq!(documents(&restored, DEMO_ONLY).await, documents(&store, DEMO_ONLY).await);
}

#[test]
fn a_backup_in_a_bucket_is_restored() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = s3_server::S3Server::start(&runtime);
    let builder = AmazonS3Builder::new().with_endpoint(&server.endpoint).with_allow_http(true).with_region("us-east-1");
    let builder = builder.with_access_key_id(s3_server::KEY).with_secret_access_key(s3_server::SECRET);
    runtime.block_on(async {
        let (folder, (store, _, engine)) = (ObjectFolder::in_bucket("s3://bytes/backups/one", builder), demo().await);
        let folder = Arc::new(folder.unwrap());
        for n in 0..3 {
            store.commit(named(n).put(&NOTES, "a", json!({"title": n.to_string()}))).await.unwrap();
            back_up(&engine, &folder, options()).await.unwrap();
        }
        // The second of two creations is refused.
        assert!(!folder.create(&folder.names().await.unwrap()[0], vec![1]).await.unwrap());
        let restored = restore(&folder, None, DEMO_ONLY).await;
        assert_eq!(documents(&restored, DEMO_ONLY).await, documents(&store, DEMO_ONLY).await);
        assert_eq!(source(&folder, None, &engine).await.unwrap().rewind().unwrap().format, 1);
    });
}
