//! Servers that fail at chosen commands, by the server's own failpoints and only for the connections of one test. A
//! server without them (`enableTestCommands`) skips these tests.

use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use runstate::id::{CommandId, uuid_v7};
use runstate::schema::Direction::Ascending;
use runstate::schema::{Catalog, Collection, Field, Index, Key, TimeSeries, Ttl};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Batch, Expectation, Freshness, Outcome, Receipt, Store, StoreAdmin, StoreError};
use runstate::time::{Millis, Timestamp};
use serde_json::json;

use super::recorder::{Exchange, Recorder};
use crate::support::batches::{batch, insert, put};
use crate::support::mongodb::{fresh_url, run_on_server};

const C: Collection = Collection::new("t.c", 1);
const LEASES: Collection = Collection::new("t.leases", 1)
    .fields(&[Field::timestamp("until").optional(), Field::text("n").optional()])
    .indexes(&[Index::ordered(&[("n", Ascending)])])
    .ttl(Ttl { field: "until", after: Millis(1), partial: None });
const SAMPLES: Collection = Collection::new("t.samples", 1)
    .fields(&[Field::timestamp("at"), Field::text("by")])
    .detached(TimeSeries { time: "at", meta: "by" });
const UNINDEXED: Collection = Collection::new("t.leases", 1);

/// A store whose connections fail on request.
struct FailpointStore {
    store: Mongo,
    recorder: Recorder,
    client: mongodb::Client,
    name: String,
}

impl FailpointStore {
    /// `None` if the server has no failpoints.
    async fn open(test: &str, options: &str) -> Option<Self> {
        let url = fresh_url();
        let name = url.rsplit_once('/').unwrap().1.split('?').next().unwrap().to_owned();
        let recorder = Recorder::start(&url);
        let proxy_url = format!("{}&appName={name}&heartbeatFrequencyMS=500{options}", recorder.url());
        let store = Mongo::open(&proxy_url, MongoOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&C]).unwrap()).await.unwrap();
        let client = mongodb::Client::with_uri_str(&url).await.unwrap();
        let scene = Self { store, recorder, client, name };
        if scene.configure(doc! {"mode": "off"}).await.is_err() {
            println!("skipped: {test}: the server was started without enableTestCommands");
            return None;
        }
        Some(scene)
    }

    async fn configure(&self, settings: Document) -> Result<Document, mongodb::error::Error> {
        let mut command = doc! {"configureFailPoint": "failCommand"};
        command.extend(settings);
        self.client.database("admin").run_command(command).await
    }

    /// Makes the next `times` of these commands fail. Returns the number of failures before.
    async fn fail(&self, commands: &[&str], times: i32, failure: Document) -> i64 {
        let mut data = doc! {"failCommands": commands, "appName": &self.name};
        data.extend(failure);
        let reply = self.configure(doc! {"mode": {"times": times}, "data": data}).await.unwrap();
        reply.get_i64("count").or_else(|_| reply.get_i32("count").map(i64::from)).unwrap()
    }

    async fn stop_failing(&self) {
        self.configure(doc! {"mode": "off"}).await.unwrap();
    }

    /// Commits while all server commands of this name fail. They still fail when this returns, since a command that was
    /// sent may arrive later. Checks the code of the error, and returns the command id. On a busy machine the time
    /// limit may pass before the failure happens; then another commit is made.
    async fn commit_failing(&self, name: &str, failure: &Document, code: &str) -> String {
        let is_answered = failure.contains_key("errorCode") || failure.contains_key("writeConcernError");
        for n in 0..20 {
            let before = self.fail(&[name], 1_000_000, failure.clone()).await;
            let command = format!("{name}-{before}-{n}");
            self.recorder.take();
            let error = self.commit(&command, &command, Expectation::Absent).await.unwrap_err();
            let sent = self.recorder.take();
            let has_failed =
                sent.iter().any(|exchange| exchange.name() == name && (exchange.reply.is_some() || !is_answered));
            if has_failed && error.code().as_str() == code {
                return command;
            }
            let is_late = ["timeout", "unknown_outcome"].contains(&error.code().as_str());
            assert!(
                is_late && !(has_failed && is_answered),
                "{failure}: expected {code}, not {error}; sent: {sent:#?}"
            );
        }
        panic!("the time limit always passed before `{name}` failed");
    }

    /// Returns once one more command than `before` has failed.
    async fn wait_until_entered(&self, before: i64) {
        let wait = doc! {"waitForFailPoint": "failCommand", "timesEntered": before + 1, "maxTimeMS": 120_000};
        self.client.database("admin").run_command(wait).await.unwrap();
    }

    async fn commit(&self, command: &str, id: &str, expect: Expectation) -> Result<Receipt, StoreError> {
        let batch = batch(command, vec![put(&C, id, expect, json!({"n": command}))]);
        self.store.commit(Batch { result: json!(command), ..batch }).await
    }

    async fn outcome(&self, command: &str) -> Outcome {
        self.store.outcome(&CommandId::new(command).unwrap()).await.unwrap()
    }
}

/// Runs a test on a store with failpoints. Only one such test runs at a time, since a server has one `failCommand`
/// failpoint.
fn with_failpoints(test: &str, options: &str, run: impl AsyncFn(FailpointStore)) {
    run_on_server(async {
        // Locked across processes, since each test may have its own.
        let lock_file = std::fs::File::create(std::env::temp_dir().join("runstate-mongodb-failpoint")).unwrap();
        lock_file.lock().unwrap();
        if let Some(scene) = FailpointStore::open(test, options).await {
            run(scene).await;
        }
    });
}

#[test]
fn unanswered_commit_transaction_is_sent_again() {
    with_failpoints("unanswered_commit_transaction_is_sent_again", "", async |scene: FailpointStore| {
        scene.fail(&["commitTransaction"], 3, doc! {"closeConnection": true}).await;
        let receipt = scene.commit("unanswered", "a", Expectation::Absent).await.unwrap();
        assert!(!receipt.replayed);
        // Committed, but the reply says that the outcome is not known.
        let unknown = doc! {"writeConcernError": {"code": 91, "errmsg": "shutting down"}};
        scene.fail(&["commitTransaction"], 3, unknown).await;
        let receipt = scene.commit("outcome-not-known", "b", Expectation::Absent).await.unwrap();
        assert!(!receipt.replayed);
        let stored = scene.store.get(&[Key::new(&C, "a"), Key::new(&C, "b")], Freshness::Linearizable).await.unwrap();
        assert!(stored.iter().all(|found| found.as_ref().unwrap().revision.writes() == 1));
    });
}

#[test]
fn transaction_aborted_by_the_server_is_retried() {
    with_failpoints("transaction_aborted_by_the_server_is_retried", "", async |scene: FailpointStore| {
        let no_such_transaction = doc! {"errorCode": 251, "errorLabels": ["TransientTransactionError"]};
        for (command, failing) in [("at-ledger", "insert"), ("at-document", "insert"), ("at-end", "commitTransaction")]
        {
            scene.fail(&[failing], 2, no_such_transaction.clone()).await;
            assert!(!scene.commit(command, command, Expectation::Absent).await.unwrap().replayed);
        }
        let write_conflict = doc! {"errorCode": 112, "errorLabels": ["TransientTransactionError"]};
        scene.fail(&["insert"], 3, write_conflict.clone()).await;
        scene.commit("busy", "busy", Expectation::Absent).await.unwrap();
        // Another client writes the document and does not commit for a while.
        let mut other = scene.client.start_session().await.unwrap();
        other.start_transaction().await.unwrap();
        let collection = scene.client.database(&scene.name).collection::<Document>(C.name);
        collection.update_one(doc! {"_id": "busy"}, doc! {"$set": {"_touch": "x"}}).session(&mut other).await.unwrap();
        let revision = scene
            .store
            .get(&[Key::new(&C, "busy")], Freshness::Linearizable)
            .await
            .unwrap()
            .remove(0)
            .unwrap()
            .revision;
        let error = scene.commit("too-busy", "busy", Expectation::Revision(revision.clone())).await.unwrap_err();
        assert_eq!(error.code().as_str(), "conflict", "{error}");
        assert_eq!(scene.outcome("too-busy").await, Outcome::Absent);
        other.abort_transaction().await.unwrap();
        scene.commit("too-busy", "busy", Expectation::Revision(revision)).await.unwrap();
    });
}

#[test]
fn commit_answered_with_a_transient_error_is_retried() {
    with_failpoints("commit_answered_with_a_transient_error_is_retried", "", async |scene: FailpointStore| {
        // Committed and then interrupted while waiting for the majority, or the reply of a server that may not know the
        // outcome.
        for (n, failure) in [
            doc! {"writeConcernError": {"code": 11_601, "errmsg": "interrupted"}},
            doc! {"writeConcernError": {"code": 251, "errmsg": "no such transaction"}},
            doc! {"writeConcernError": {"code": 100, "errmsg": "not enough members"}},
            doc! {"errorCode": 251, "errorLabels": []},
            doc! {"errorCode": 225},
            doc! {"errorCode": 8_000},
        ]
        .into_iter()
        .enumerate()
        {
            scene.fail(&["commitTransaction"], 2, failure.clone()).await;
            let name = format!("c{n}");
            let receipt = scene.commit(&name, &name, Expectation::Absent).await;
            assert!(receipt.is_ok(), "{failure}: {receipt:?}");
            let found =
                scene.store.get(&[Key::new(&C, &name)], Freshness::Linearizable).await.unwrap().remove(0).unwrap();
            assert_eq!(found.revision.writes(), 1, "{failure}");
        }
    });
}

#[test]
fn commit_never_confirmed_has_an_unknown_outcome() {
    with_failpoints(
        "commit_never_confirmed_has_an_unknown_outcome",
        "&timeoutMS=3000",
        async |scene: FailpointStore| {
            let command = scene.commit_failing("commitTransaction", &doc! {"errorCode": 225}, "unknown_outcome").await;
            assert_eq!(scene.outcome(&command).await, Outcome::Absent);
            scene.stop_failing().await;
            // Its transaction is still open and may be committed. The outcome stays unknown until the server ends the
            // transaction, which it also does if the next one uses the same session.
            if let Err(error) = scene.commit(&command, &command, Expectation::Absent).await {
                // On a busy machine the three seconds may pass before the server says what it waits for.
                let is_known = error.to_string().contains("another transaction of the same command");
                let expected = if is_known { "unknown_outcome" } else { "timeout" };
                assert_eq!(error.code().as_str(), expected, "{error}");
            }
        },
    );
}

#[test]
fn dropped_commit_leaves_no_open_transaction() {
    with_failpoints("dropped_commit_leaves_no_open_transaction", "", async |scene: FailpointStore| {
        scene.commit("first", "a", Expectation::Absent).await.unwrap();
        let revision = async || {
            scene.store.get(&[Key::new(&C, "a")], Freshness::Linearizable).await.unwrap().remove(0).unwrap().revision
        };
        // The caller drops the commit while the server works on it. A busy machine may delay the caller until the
        // server is done.
        for (n, block) in [300, 3_000, 30_000].into_iter().enumerate() {
            let before = revision().await;
            let count = scene.fail(&["insert"], 1, doc! {"blockConnection": true, "blockTimeMS": block}).await;
            let command = format!("going-{n}");
            tokio::select! {
                biased;
                result = scene.commit(&command, "a", Expectation::Revision(before.clone())) => {
                    result.unwrap();
                    continue;
                }
                () = scene.wait_until_entered(count) => {}
            }
            // The commit ends without a repeat.
            let until = Instant::now() + Duration::from_secs(120);
            while scene.outcome(&command).await == Outcome::Absent {
                assert!(Instant::now() < until, "the commit does not end");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let error = scene.commit("late", "a", Expectation::Revision(before)).await.unwrap_err();
            return assert_eq!(error.code().as_str(), "conflict");
        }
        panic!("every caller was delayed");
    });
}

#[test]
fn commit_never_answered_is_unknown_and_its_outcome_is_readable() {
    let options = "&timeoutMS=3000";
    with_failpoints(
        "commit_never_answered_is_unknown_and_its_outcome_is_readable",
        options,
        async |scene: FailpointStore| {
            let unknown = doc! {"writeConcernError": {"code": 91, "errmsg": "shutting down"}};
            let command = scene.commit_failing("commitTransaction", &unknown, "unknown_outcome").await;
            scene.stop_failing().await;
            assert!(matches!(scene.outcome(&command).await, Outcome::Committed { .. }));
            assert!(scene.commit(&command, &command, Expectation::Absent).await.unwrap().replayed);
        },
    );
}

#[test]
fn failure_before_the_commit_changes_nothing_and_has_its_code() {
    let options = "&timeoutMS=3000";
    with_failpoints(
        "failure_before_the_commit_changes_nothing_and_has_its_code",
        options,
        async |scene: FailpointStore| {
            for (failure, code) in [
                (doc! {"errorCode": 13}, "not_authorized"),
                (doc! {"errorCode": 14_031}, "full"),
                (doc! {"errorCode": 388}, "too_large"),
                (doc! {"closeConnection": true}, "unavailable"),
                (doc! {"errorCode": 10_107}, "unavailable"),
                (doc! {"blockConnection": true, "blockTimeMS": 4_000}, "timeout"),
            ] {
                let command = scene.commit_failing("insert", &failure, code).await;
                assert_eq!(scene.outcome(&command).await, Outcome::Absent);
            }
        },
    );
}

#[test]
fn reads_survive_lost_servers() {
    with_failpoints("reads_survive_lost_servers", "", async |scene: FailpointStore| {
        scene.commit("c", "a", Expectation::Absent).await.unwrap();
        for keys in [&["a"][..], &["a", "b"]] {
            let keys: Vec<Key> = keys.iter().map(|id| Key::new(&C, id)).collect();
            for failure in [doc! {"closeConnection": true}, doc! {"errorCode": 189}, doc! {"errorCode": 246}] {
                scene.fail(&["find", "findAndModify"], 3, failure).await;
                assert!(scene.store.get(&keys, Freshness::Linearizable).await.unwrap()[0].is_some());
            }
        }
    });
}

#[test]
fn unconfirmed_read_fence_is_written_again() {
    let test = "unconfirmed_read_fence_is_written_again";
    with_failpoints(test, "", async |scene: FailpointStore| {
        let keys = [Key::new(&C, "a")];
        scene.commit("c", "a", Expectation::Absent).await.unwrap();
        for code in [64, 91, 11_602] {
            let unconfirmed = doc! {"writeConcernError": {"code": code, "errmsg": "not replicated"}};
            scene.fail(&["findAndModify"], 2, unconfirmed).await;
            scene.recorder.take();
            assert!(scene.store.get(&keys, Freshness::Linearizable).await.unwrap()[0].is_some());
            let sent = scene.recorder.take();
            let names: Vec<&str> = sent.iter().map(Exchange::name).collect();
            assert_eq!(names, ["findAndModify", "findAndModify", "findAndModify", "find"], "{code}");
        }
        // An error that no retry can resolve is returned.
        let full = doc! {"writeConcernError": {"code": 14_031, "errmsg": "no space"}};
        scene.fail(&["findAndModify"], 1, full).await;
        let error = scene.store.get(&keys, Freshness::Linearizable).await.unwrap_err();
        assert!(error.to_string().contains("the majority did not confirm the write"), "{error}");
    });
}

#[test]
fn read_only_user_reads_linearizably_before_a_snapshot() {
    let test = "read_only_user_reads_linearizably_before_a_snapshot";
    with_failpoints(test, "", async |scene: FailpointStore| {
        scene.commit("c", "a", Expectation::Absent).await.unwrap();
        scene.fail(&["findAndModify"], 1, doc! {"errorCode": 13}).await;
        scene.recorder.take();
        assert!(scene.store.get(&[Key::new(&C, "a")], Freshness::Linearizable).await.unwrap()[0].is_some());
        let sent = scene.recorder.take();
        let names: Vec<&str> = sent.iter().map(Exchange::name).collect();
        assert_eq!(names, ["findAndModify", "find", "find"]);
        assert_eq!(sent[1].read_concern(), doc! {"level": "linearizable"});
        assert_eq!(sent[2].read_concern(), doc! {"level": "snapshot", "atClusterTime": sent[1].operation_time()});
    });
}

#[test]
fn sweep_with_a_lost_reply_counts_every_deletion() {
    with_failpoints("sweep_with_a_lost_reply_counts_every_deletion", "", async |scene: FailpointStore| {
        scene.store.migrate(&Catalog::new(&[&C, &LEASES]).unwrap()).await.unwrap();
        let unconfirmed = doc! {"writeConcernError": {"code": 91, "errmsg": "shutting down"}};
        for (command, failure) in [("done", unconfirmed), ("undone", doc! {"closeConnection": true})] {
            let lease = |n: i64| insert(&LEASES, &format!("{command}{n}"), json!({"until": n}));
            scene.store.commit(batch(command, (1..8).map(lease).collect())).await.unwrap();
            let sweep = async |now| scene.store.sweep(LEASES.name, Timestamp::from_millis(now), 100).await.unwrap();
            scene.fail(&["delete"], 2, failure).await;
            assert_eq!(sweep(6).await, 5, "{command}");
            assert_eq!(sweep(100).await, 2, "{command}");
        }
    });
}

#[test]
fn migration_survives_lost_servers() {
    with_failpoints("migration_survives_lost_servers", "", async |scene: FailpointStore| {
        for collection in [&LEASES, &UNINDEXED] {
            for failure in [doc! {"closeConnection": true}, doc! {"errorCode": 189}] {
                scene.fail(&["create", "dropIndexes", "update", "find", "listIndexes"], 4, failure).await;
                scene.store.migrate(&Catalog::new(&[&C, collection]).unwrap()).await.unwrap();
            }
            scene.stop_failing().await;
        }
    });
}

#[test]
fn unconfirmed_index_build_is_not_taken_as_done() {
    let test = "unconfirmed_index_build_is_not_taken_as_done";
    with_failpoints(test, "", async |scene: FailpointStore| {
        let (indexed, unindexed) =
            [&LEASES, &UNINDEXED].map(|collection| Catalog::new(&[&C, collection]).unwrap()).into();
        let unconfirmed = || doc! {"writeConcernError": {"code": 64, "errmsg": "not replicated"}};
        let sent = |name: &str| scene.recorder.take().iter().filter(|exchange| exchange.name() == name).count();

        // The server continues the build by itself, so it is neither undone nor requested again at once.
        scene.fail(&["createIndexes"], 1, unconfirmed()).await;
        let error = scene.store.migrate(&indexed).await.unwrap_err();
        assert!(error.to_string().contains("the majority did not confirm the write"), "{error}");
        assert_eq!((error.code().as_str(), sent("dropIndexes")), ("unavailable", 0));
        scene.store.migrate(&indexed).await.unwrap();

        scene.recorder.take();
        scene.fail(&["dropIndexes"], 1, unconfirmed()).await;
        scene.store.migrate(&unindexed).await.unwrap();
        assert_eq!(sent("dropIndexes"), 2);
    });
}

#[test]
fn rows_of_a_time_series_are_stored_once_whatever_reply_is_lost() {
    with_failpoints("rows_of_a_time_series_are_stored_once", "&timeoutMS=4000", async |scene| {
        scene.store.migrate(&Catalog::new(&[&C, &SAMPLES]).unwrap()).await.unwrap();
        let rows = scene.client.database(&scene.name).collection::<Document>("t.samples");
        let sample = |n: i64| {
            let at = Timestamp::from_millis(1_705_744_800_000 + n);
            let row = json!({"at": at.as_millis(), "by": "a"});
            batch(&format!("sample-{n}"), vec![insert(&SAMPLES, &uuid_v7(at, [1; 10]), row)])
        };
        let unconfirmed = doc! {"writeConcernError": {"code": 11_602, "errmsg": "interrupted"}};
        for (n, failure) in (0..).zip([doc! {"closeConnection": true}, doc! {"errorCode": 11_602}, unconfirmed]) {
            scene.fail(&["insert"], 1, failure.clone()).await;
            let receipt = scene.store.commit(sample(n)).await.unwrap();
            assert!(!receipt.replayed, "{failure}");
            assert_eq!(rows.count_documents(doc! {}).await.unwrap(), n as u64 + 1, "{failure}");
        }
        // The rows are stored, and their ledger row is not.
        let data = doc! {"failCommands": ["insert"], "appName": &scene.name, "errorCode": 11_602};
        scene.configure(doc! {"mode": {"skip": 1}, "data": data}).await.unwrap();
        let error = scene.store.commit(sample(3)).await.unwrap_err();
        assert_eq!(error.code().as_str(), "unknown_outcome", "{error}");
        assert_eq!(
            (rows.count_documents(doc! {}).await.unwrap(), scene.outcome("sample-3").await),
            (4, Outcome::Absent)
        );
        scene.stop_failing().await;
        assert!(!scene.store.commit(sample(3)).await.unwrap().replayed);
        assert!(scene.store.commit(sample(3)).await.unwrap().replayed);
        assert_eq!(rows.count_documents(doc! {}).await.unwrap(), 4);
    });
}
