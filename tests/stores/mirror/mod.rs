//! A second store that is kept equal to a store: under deaths of the process, failures of either store, two mirrors at
//! once, and changes that the feed does not keep.

pub mod commands;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use runstate::domain;
use runstate::engine::{Engine, Error};
use runstate::error_code::ErrorCode;
use runstate::id::CommandId;
use runstate::operation::Domain;
use runstate::schema::{Collection, Direction::Ascending, Field, Index};
use runstate::store::file::fault::Disk;
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::layer::Method;
use runstate::store::{Batch, BatchLimits, Memory, Store, StoreAdmin, StoreError};
use runstate::testing::{BatchExt as _, SimHost, SimIds, batch, block_on};
use runstate::testing::{Fault, FaultStore, LimitedStore};
use runstate::time::Millis;
use runstate::transfer::LineWriter;
use runstate::transfer::mirror::{FoundIn, Mirror, MirrorOptions, MirroredStore, MirroringOptions};
use serde_json::{Value as Json, json};

static NOTES: Collection = Collection::new("demo.notes", 1)
    .fields(&[Field::text("title").optional(), Field::json("body").optional()])
    .indexes(&[Index::ordered(&[("title", Ascending)]).unique()]);
static LINES: Collection = Collection::new("demo.lines", 1).insert_only();
static DEMO: Domain = Domain::new("demo").collections(&[&NOTES, &LINES]);
static DEMO_ONLY: &[&Domain] = &[&DEMO];

type AnyStore = Arc<dyn Store>;

/// The host of a process. No two of them have the same ids.
fn host() -> Arc<SimHost> {
    static HOSTS: AtomicU64 = AtomicU64::new(0);
    let ids = SimIds::new(HOSTS.fetch_add(1, Ordering::Relaxed));
    Arc::new(SimHost { ids, ..SimHost::default() })
}

async fn mirror(
    primary: &AnyStore,
    secondary: &AnyStore,
    host: &Arc<SimHost>,
    domains: &[&'static Domain],
) -> Result<Mirror, Error> {
    let options = MirrorOptions { source: "primary".to_owned(), replace: false };
    Mirror::open(primary.clone(), secondary.clone(), host.clone(), domains, options).await
}

async fn contents(store: &AnyStore, domains: &[&'static Domain]) -> String {
    let engine = Engine::new(store.clone(), host(), domains).await.unwrap();
    let mut lines = Vec::new();
    runstate::transfer::export(&engine, &mut LineWriter::new(&mut lines, "a store"), |_| {}).await.unwrap().contents
}

/// Ends the mirror, and compares the exports of both stores.
async fn expect_equal(primary: &AnyStore, secondary: &AnyStore, domains: &[&'static Domain]) {
    let mirror = mirror(primary, secondary, &host(), domains).await.unwrap();
    let comparison = mirror.finish(10, |_| {}).await.unwrap();
    assert!(comparison.is_equal(), "{comparison:#?}");
    assert_eq!(comparison.differences, []);
    assert_eq!(contents(primary, domains).await, contents(secondary, domains).await);
    // The mirror has ended, so the secondary is never overwritten again.
    if comparison.collections.iter().any(|one| one.primary.documents > 0) {
        let error = mirror_error(primary, secondary, domains).await;
        assert_eq!(error.code, ErrorCode::ALREADY_EXISTS, "{error}");
    }
}

async fn mirror_error(primary: &AnyStore, secondary: &AnyStore, domains: &[&'static Domain]) -> Error {
    let mirror = mirror(primary, secondary, &host(), domains).await.unwrap();
    mirror.catch_up(Millis(0), |_| {}).await.unwrap_err()
}

fn memory() -> AnyStore {
    Arc::new(Memory::new())
}

fn files() -> AnyStore {
    Arc::new(block_on(FileStore::open_on(Disk::new().process(), FileStoreOptions::default())).unwrap())
}

async fn demo() -> (AnyStore, AnyStore) {
    let (primary, secondary) = (memory(), memory());
    Engine::new(primary.clone(), host(), DEMO_ONLY).await.unwrap();
    (primary, secondary)
}

pub fn named(name: impl std::fmt::Display) -> Batch {
    batch(CommandId::new(&name.to_string()).unwrap())
}

async fn commit(store: &AnyStore, batch: Batch) {
    store.commit(batch).await.unwrap();
}

fn unavailable() -> StoreError {
    StoreError::Unavailable { what: "a call".to_owned(), why: "the line is cut".to_owned() }
}

#[test]
fn random_commands_are_mirrored_while_processes_die() {
    let mut deaths = 0;
    for seed in 0..30 {
        deaths += block_on(async {
            let ids = SimIds::new(seed);
            let host = host();
            let on_files = seed % 3 == 0;
            let (primary, secondary) = (memory(), if on_files { files() } else { memory() });
            let mut script = commands::RandomCommands::default();
            let mut deaths = 0;
            for _ in 0..12 {
                let ours = Arc::new(FaultStore::new(primary.clone()));
                let theirs = Arc::new(FaultStore::new(secondary.clone()));
                let fault = [Fault::DieBefore, Fault::DieAfter][ids.below(2)].clone();
                let store = if ids.below(2) == 0 { &ours } else { &theirs };
                let method = [Method::Commit, Method::Commit, Method::Get][ids.below(3)];
                store.plan(method, 1 + ids.below(25) as u64, fault);
                let shared: (AnyStore, AnyStore) = (ours.clone(), theirs.clone());
                let Ok(mirror) = mirror(&shared.0, &shared.1, &host, domain::ALL).await else {
                    deaths += 1;
                    continue;
                };
                let options = MirroringOptions { pause: Millis(0), ..MirroringOptions::default() };
                let mirrored = Arc::new(MirroredStore::new(shared.0.clone(), Arc::new(mirror), options));
                let Ok(engine) = Engine::new(mirrored, host.clone(), domain::ALL).await else {
                    deaths += 1;
                    continue;
                };
                for _ in 0..6 {
                    script.run_next(&engine, &ids).await;
                    host.clock.advance(Millis::seconds(1));
                    if ours.is_dead() || theirs.is_dead() {
                        deaths += 1;
                        break;
                    }
                }
            }
            expect_equal(&primary, &secondary, domain::ALL).await;
            deaths
        });
    }
    assert!(deaths > 60, "{deaths} deaths");
}

#[test]
fn every_death_of_a_mirror_between_two_calls_loses_nothing() {
    for nth in 1..40 {
        for (method, fault) in
            [(Method::Commit, Fault::DieBefore), (Method::Commit, Fault::DieAfter), (Method::Get, Fault::DieBefore)]
        {
            block_on(async {
                let (primary, secondary) = demo().await;
                for n in 0..5 {
                    commit(&primary, named(n).put(&NOTES, &format!("n{n}"), json!({"title": n.to_string()}))).await;
                }
                mirror(&primary, &secondary, &host(), DEMO_ONLY)
                    .await
                    .unwrap()
                    .catch_up(Millis(0), |_| {})
                    .await
                    .unwrap();
                for n in 5..9 {
                    let batch = named(n)
                        .put(&NOTES, "n0", json!({"title": n.to_string()}))
                        .delete(&NOTES, &format!("n{}", n - 4));
                    commit(&primary, batch.insert(&LINES, &n.to_string(), json!({"n": n}))).await;
                }
                let dying = Arc::new(FaultStore::new(secondary.clone()));
                dying.plan(method, nth, fault);
                let shared: AnyStore = dying.clone();
                if let Ok(mirror) = mirror(&primary, &shared, &host(), DEMO_ONLY).await {
                    assert_eq!(mirror.catch_up(Millis(0), |_| {}).await.is_err(), dying.is_dead());
                }
                expect_equal(&primary, &secondary, DEMO_ONLY).await;
            });
        }
    }
}

#[test]
fn a_failing_secondary_fails_no_commit_and_is_made_up_for() {
    block_on(async {
        let (primary, secondary) = demo().await;
        let host = host();
        let failing = Arc::new(FaultStore::new(secondary.clone()));
        let shared: AnyStore = failing.clone();
        let mirror = Arc::new(mirror(&primary, &shared, &host, DEMO_ONLY).await.unwrap());
        let store = Arc::new(MirroredStore::new(primary.clone(), mirror, MirroringOptions::default()));
        let property = async || {
            let properties = store.properties().await.unwrap();
            properties.into_iter().find(|one| one.name == "mirror").unwrap().value
        };
        let shared: AnyStore = store.clone();
        commit(&shared, named("a").put(&NOTES, "a", json!({"title": "a"}))).await;
        assert_eq!(property().await, json!({"behind": false}));
        let calls = failing.calls(Method::Commit);
        failing.plan(Method::Commit, 1, Fault::FailBefore(unavailable()));
        for n in 0..20 {
            commit(&shared, named(n).put(&NOTES, "b", json!({"title": n.to_string()}))).await;
        }
        // One commit has waited for the secondary, and the others have not.
        assert_eq!(failing.calls(Method::Commit), calls + 1);
        let behind = property().await;
        assert_eq!(behind["behind"], true);
        assert!(behind["error"].as_str().unwrap().contains("the line is cut"), "{behind}");
        host.clock.advance(Millis::seconds(10));
        commit(&shared, named("c").put(&NOTES, "c", json!({"title": "c"}))).await;
        assert_eq!(property().await, json!({"behind": false}));
        // A command without changes is in the ledger of both.
        commit(&shared, named("nothing")).await;
        let outcome = secondary.outcome(&CommandId::new("nothing").unwrap()).await.unwrap();
        assert_eq!(outcome, primary.outcome(&CommandId::new("nothing").unwrap()).await.unwrap());
        assert_eq!(contents(&primary, DEMO_ONLY).await, contents(&secondary, DEMO_ONLY).await);
        expect_equal(&primary, &secondary, DEMO_ONLY).await;
    });
}

#[tokio::test]
async fn a_slow_secondary_delays_a_commit_only_for_the_longest_time() {
    let (primary, secondary) = demo().await;
    let slow = Arc::new(FaultStore::new(secondary.clone()));
    let shared: AnyStore = slow.clone();
    let mirror = Arc::new(mirror(&primary, &shared, &host(), DEMO_ONLY).await.unwrap());
    let options = MirroringOptions { longest_delay: Millis(20), ..MirroringOptions::default() };
    let store: AnyStore = Arc::new(MirroredStore::new(primary.clone(), mirror, options));
    slow.plan(Method::Commit, 1, Fault::Pause);
    commit(&store, named("a").put(&NOTES, "a", json!({"title": "a"}))).await;
    assert!(slow.is_paused());
    slow.resume();
    expect_equal(&primary, &secondary, DEMO_ONLY).await;
}

#[tokio::test]
async fn two_mirrors_at_once_apply_every_change_in_order() {
    for seed in 0..20 {
        let ids = SimIds::new(seed);
        let (primary, secondary) = demo().await;
        let delayed = || {
            let store = FaultStore::new(secondary.clone());
            for _ in 0..30 {
                let method = [Method::Get, Method::Commit][ids.below(2)];
                store.plan(method, 1 + ids.below(60) as u64, Fault::Delay(ids.below(20) as u32));
            }
            Arc::new(store) as AnyStore
        };
        let stores = [delayed(), delayed()];
        let one = mirror(&primary, &stores[0], &host(), DEMO_ONLY).await.unwrap();
        let other = mirror(&primary, &stores[1], &host(), DEMO_ONLY).await.unwrap();
        let writes = async {
            for n in 0..40 {
                let id = ids.below(5).to_string();
                commit(&primary, named(n).put(&NOTES, &id, json!({"title": n.to_string(), "body": n}))).await;
                for _ in 0..ids.below(6) {
                    tokio::task::yield_now().await;
                }
            }
        };
        let follow = async |mirror: &Mirror| {
            for _ in 0..20 {
                mirror.catch_up(Millis(0), |_| {}).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(writes, follow(&one), follow(&other));
        expect_equal(&primary, &secondary, DEMO_ONLY).await;
    }
}

#[test]
fn an_expired_position_leads_to_a_comparison_of_everything() {
    block_on(async {
        let (primary, secondary) = demo().await;
        let mirror = mirror(&primary, &secondary, &host(), DEMO_ONLY).await.unwrap();
        commit(&primary, named("first").put(&NOTES, "kept", json!({"title": "kept"})).put(&NOTES, "gone", json!({})))
            .await;
        mirror.catch_up(Millis(0), |_| {}).await.unwrap();
        commit(&primary, named("deletion").delete(&NOTES, "gone").put(&NOTES, "kept", json!({"title": "new"}))).await;
        // More changes than the feed keeps.
        for n in 0..11 {
            let ids = (0..1_000).map(|id| format!("{id:03}"));
            let write = |batch: Batch, id: String| batch.put(&NOTES, &id, json!({"title": format!("{n} {id}")}));
            commit(&primary, ids.fold(named(n), write)).await;
        }
        mirror.catch_up(Millis(0), |_| {}).await.unwrap();
        expect_equal(&primary, &secondary, DEMO_ONLY).await;
    });
}

#[test]
fn documents_that_swap_a_unique_value_are_mirrored() {
    block_on(async {
        let (primary, secondary) = demo().await;
        let mirror = mirror(&primary, &secondary, &host(), DEMO_ONLY).await.unwrap();
        let put = |name: &str, id: &str, title: &str| named(name).put(&NOTES, id, json!({"title": title}));
        commit(
            &primary,
            put("1", "a", "x").put(&NOTES, "b", json!({"title": "y"})).insert(&LINES, "l", json!({"n": 1})),
        )
        .await;
        mirror.catch_up(Millis(0), |_| {}).await.unwrap();
        for (name, id, title) in [("2", "a", "z"), ("3", "b", "x"), ("4", "a", "y")] {
            commit(&primary, put(name, id, title)).await;
        }
        // A row that never changes is deleted and created anew.
        commit(&primary, named("5").delete(&LINES, "l")).await;
        commit(&primary, named("6").insert(&LINES, "l", json!({"n": 2}))).await;
        mirror.catch_up(Millis(0), |_| {}).await.unwrap();
        assert_eq!(contents(&primary, DEMO_ONLY).await, contents(&secondary, DEMO_ONLY).await);
        // The same while everything is compared: the secondary has values that other documents have now.
        commit(
            &secondary,
            put("7", "a", "p").put(&NOTES, "b", json!({"title": "y"})).put(&NOTES, "c", json!({"title": "x"})),
        )
        .await;
        let options = MirrorOptions { source: "another name".to_owned(), replace: true };
        let again = Mirror::open(primary.clone(), secondary.clone(), host(), DEMO_ONLY, options).await.unwrap();
        again.catch_up(Millis(0), |_| {}).await.unwrap();
        assert!(
            again.finish(10, |_| {}).await.unwrap().differences.iter().all(|one| one.collection == "runstate.commands")
        );
    });
}

#[test]
fn a_manual_edit_of_the_secondary_is_found() {
    block_on(async {
        let (primary, secondary) = demo().await;
        let batch = named("1").put(&NOTES, "a", json!({"title": "x", "body": {"n": 1}})).put(
            &NOTES,
            "b",
            json!({"title": "y"}),
        );
        commit(&primary, batch).await;
        let mirror = mirror(&primary, &secondary, &host(), DEMO_ONLY).await.unwrap();
        mirror.catch_up(Millis(0), |_| {}).await.unwrap();
        assert!(mirror.compare(10, |_| {}).await.unwrap().is_equal());
        let edit = named("edit").put(&NOTES, "a", json!({"title": "x", "body": {"n": 2}, "more": null}));
        commit(&secondary, edit.delete(&NOTES, "b").put(&NOTES, "c", json!({"title": "z"}))).await;
        let comparison = mirror.finish(10, |_| {}).await.unwrap();
        let found: Vec<_> = comparison
            .differences
            .iter()
            .map(|one| (one.collection, one.id.as_str(), one.found_in, one.fields.join(" ")))
            .collect();
        assert_eq!(
            found,
            [
                ("demo.notes", "a", FoundIn::Both, "body more".to_owned()),
                ("demo.notes", "b", FoundIn::Primary, String::new()),
                ("demo.notes", "c", FoundIn::Secondary, String::new()),
            ]
        );
        let notes = &comparison.collections[0];
        assert_eq!((notes.primary.documents, notes.secondary.documents, notes.differing), (2, 2, 3));
        assert_ne!(notes.primary.sha256, notes.secondary.sha256);
        let listed = mirror.compare(1, |_| {}).await.unwrap();
        assert_eq!((listed.differences.len(), listed.is_equal()), (1, false));
    });
}

#[test]
fn batches_fit_the_limits_of_the_secondary() {
    block_on(async {
        let (primary, secondary) = demo().await;
        let limits = BatchLimits { batch_bytes: 100_000, batch_writes: 20, ..BatchLimits::default() };
        let limited: AnyStore = Arc::new(LimitedStore::new(secondary.clone(), limits));
        let text = |n: usize| json!({"title": n.to_string(), "body": "x".repeat(5_000)});
        let all = |name: &str, from: usize| {
            (from..from + 50).fold(named(name), |batch, n| batch.put(&NOTES, &n.to_string(), text(n)))
        };
        commit(&primary, all("1", 0)).await;
        let mirror = mirror(&primary, &limited, &host(), DEMO_ONLY).await.unwrap();
        mirror.catch_up(Millis(0), |_| {}).await.unwrap();
        commit(&primary, all("2", 50)).await;
        mirror.catch_up(Millis(0), |_| {}).await.unwrap();
        expect_equal(&primary, &secondary, DEMO_ONLY).await;
    });
}

#[test]
fn a_store_with_other_documents_is_not_overwritten() {
    block_on(async {
        let (primary, secondary) = demo().await;
        Engine::new(secondary.clone(), host(), DEMO_ONLY).await.unwrap();
        commit(&secondary, named("own").put(&NOTES, "own", json!({"title": "own"}))).await;
        let error = mirror_error(&primary, &secondary, DEMO_ONLY).await;
        assert_eq!(error.code, ErrorCode::ALREADY_EXISTS);
        assert!(error.message.contains("it has demo.notes/own"), "{error}");
        let with = |source: &str, replace| MirrorOptions { source: source.to_owned(), replace };
        let open =
            async |options| Mirror::open(primary.clone(), secondary.clone(), host(), DEMO_ONLY, options).await.unwrap();
        open(with("primary", true)).await.catch_up(Millis(0), |_| {}).await.unwrap();
        let error = open(with("another", false)).await.catch_up(Millis(0), |_| {}).await.unwrap_err();
        assert!(error.message.contains("the mirror of another store (`primary`)"), "{error}");
        let comparison = open(with("primary", false)).await.compare(10, |_| {}).await.unwrap();
        assert!(comparison.differences.iter().all(|one| one.collection == "runstate.commands"), "{comparison:?}");
    });
}

#[test]
fn collections_that_are_declared_at_run_time_are_mirrored() {
    block_on(async {
        let (primary, secondary) = (memory(), memory());
        let engine = Engine::new(primary.clone(), host(), domain::ALL).await.unwrap();
        let call = async |name: &str, parameters: Json| {
            engine.call(name, parameters.as_object().unwrap().clone()).await.unwrap()
        };
        let mirror = mirror(&primary, &secondary, &host(), domain::ALL).await.unwrap();
        mirror.catch_up(Millis(0), |_| {}).await.unwrap();
        let declaration = json!({"collection": "notes", "fields": [{"name": "tag", "kind": "text"}], "indexes": [{"fields": ["tag"]}]});
        call("documents.declare", declaration).await;
        let write = json!({"collection": "notes", "id": "a", "put": {"tag": "work"}});
        call("documents.commit", json!({"writes": [write]})).await;
        mirror.catch_up(Millis(0), |_| {}).await.unwrap();
        expect_equal(&primary, &secondary, domain::ALL).await;
    });
}

#[test]
fn stores_of_different_kinds_are_mirrored() {
    for (primary, secondary) in [(memory(), files()), (files(), memory()), (files(), files())] {
        block_on(async {
            let host = host();
            let (ids, mut script) = (SimIds::new(1), commands::RandomCommands::default());
            let engine = Engine::new(primary.clone(), host.clone(), domain::ALL).await.unwrap();
            for _ in 0..20 {
                script.run_next(&engine, &ids).await;
            }
            let mirror = mirror(&primary, &secondary, &host, domain::ALL).await.unwrap();
            mirror.catch_up(Millis(0), |_| {}).await.unwrap();
            for _ in 0..20 {
                script.run_next(&engine, &ids).await;
                host.clock.advance(Millis::minutes(3));
                mirror.catch_up(Millis(0), |_| {}).await.unwrap();
            }
            // Documents that have expired are deleted in both; rows of the ledger expire in each store by itself.
            let later = host.clock.advance(Millis::days(400));
            engine.sweep(later, 1_000).await.unwrap();
            mirror.catch_up(Millis(0), |_| {}).await.unwrap();
            Engine::new(secondary.clone(), host.clone(), domain::ALL).await.unwrap().sweep(later, 1_000).await.unwrap();
            expect_equal(&primary, &secondary, domain::ALL).await;
        });
    }
}
