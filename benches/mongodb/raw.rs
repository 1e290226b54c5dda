//! The same rows written directly with the driver: one transaction of its typed calls, on a reused session.

use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::{TransactionOptions, WriteConcern};
use mongodb::{Client, ClientSession, Collection, Database};
use runstate::id::{CommandId, Revision};

use super::steps::library::LINE;
use super::steps::{BenchError, StepTarget};

pub struct RawTarget {
    client: Client,
    commands: Collection<Document>,
    runs: Collection<Document>,
    rows: Collection<Document>,
}

pub struct RawRun {
    id: String,
    n: i32,
    revision: Revision,
    session: ClientSession,
}

impl RawTarget {
    pub async fn open(url: &str, database: &str) -> Result<Self, BenchError> {
        let client = Client::with_uri_str(url).await?;
        let database: Database = client.database(database);
        let [commands, runs, rows] = ["by_hand.commands", "by_hand.runs", "by_hand.rows"];
        for name in [commands, runs, rows] {
            database.create_collection(name).await?;
        }
        // The ledger has an index on time, which sweeping needs.
        let at = mongodb::IndexModel::builder().keys(doc! { "at": 1 }).build();
        let [commands, runs, rows] = [commands, runs, rows].map(|name| database.collection(name));
        commands.create_index(at).await?;
        Ok(Self { client, commands, runs, rows })
    }

    pub async fn drop_all(&self, databases: &[&str]) -> Result<(), BenchError> {
        for database in databases {
            self.client.database(database).drop().await?;
        }
        Ok(())
    }
}

impl StepTarget for RawTarget {
    type Run = RawRun;

    async fn begin(&self, id: &str) -> Result<RawRun, BenchError> {
        let revision = Revision::first(&CommandId::new(&format!("begin-{id}"))?, "by_hand.runs", id);
        let run = doc! { "_id": id, "_rev": revision.to_string(), "_v": 1, "n": 0, "status": "running" };
        self.runs.insert_one(run).await?;
        Ok(RawRun { id: id.to_owned(), n: 0, revision, session: self.client.start_session().await? })
    }

    async fn step(&self, run: &mut RawRun) -> Result<(), BenchError> {
        run.n += 1;
        let (n, next, session) = (run.n, run.revision.next(), &mut run.session);
        let majority = TransactionOptions::builder().write_concern(WriteConcern::majority()).build();
        session.start_transaction().with_options(majority).await?;
        let command = format!("{}-{n}", run.id);
        let revision = Revision::first(&CommandId::new(&command)?, "by_hand.commands", &command).to_string();
        let when = DateTime::from_millis(1_705_744_800_000);
        let ledger = doc! {
            "_id": &command, "_rev": &revision, "_v": 1, "at": when, "fingerprint": "0123456789abcdef", "result": null,
        };
        self.commands.insert_one(ledger).session(&mut *session).await?;
        let selector = doc! { "_id": &run.id, "_rev": run.revision.to_string() };
        let set = doc! { "$set": { "n": n, "_rev": next.to_string() } };
        if self.runs.update_one(selector, set).session(&mut *session).await?.matched_count != 1 {
            return Err("another client has changed the run".into());
        }
        let row = |part| {
            doc! {
                "_id": format!("{command}{part}"), "_rev": &revision, "_v": 1, "run": &run.id, "n": n, "line": LINE,
            }
        };
        self.rows.insert_many([row("a"), row("b")]).session(&mut *session).await?;
        session.commit_transaction().await?;
        run.revision = next;
        Ok(())
    }
}
