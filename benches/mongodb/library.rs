//! Steps of this library: on the store, and of an execution.

use std::sync::Arc;

use runstate::client::Answer;
use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Engine, SystemHost};
use runstate::id::{CommandId, Revision};
use runstate::schema::{Catalog, Collection, Field, Key};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Batch, Expectation, Store, Write, WriteOp};
use runstate::time::Timestamp;
use runstate::value::{Difference, Document, FieldPath, Json, Segment};

use super::{BenchError, StepTarget};

const RUNS: Collection = Collection::new("bench.runs", 1).fields(&[Field::int("n"), Field::text("status")]);
const ROWS: Collection =
    Collection::new("bench.rows", 1).fields(&[Field::text("run"), Field::int("n"), Field::text("line")]).insert_only();

/// The content of a row, for both targets.
pub const LINE: &str =
    "one line of output of about a hundred characters, which is the usual length of a line of a program";

pub struct LibraryTarget(Mongo);

pub struct LibraryRun {
    id: String,
    n: usize,
    revision: Revision,
}

impl LibraryTarget {
    pub async fn open(url: &str) -> Result<Self, BenchError> {
        let store = Mongo::open(url, MongoOptions::default()).await?;
        store.migrate(&Catalog::new(&[&RUNS, &ROWS])?).await?;
        Ok(Self(store))
    }
}

impl StepTarget for LibraryTarget {
    type Run = LibraryRun;

    async fn begin(&self, id: &str) -> Result<LibraryRun, BenchError> {
        let op = WriteOp::Put { version: 1, document: run_document(0) };
        let batch =
            batch(&format!("begin-{id}"), vec![Write { key: Key::new(&RUNS, id), expect: Expectation::Absent, op }])?;
        let revision = Revision::first(&batch.command, RUNS.name, id);
        self.0.commit(batch).await?;
        Ok(LibraryRun { id: id.to_owned(), n: 0, revision })
    }

    async fn step(&self, run: &mut LibraryRun) -> Result<(), BenchError> {
        run.n += 1;
        let path = FieldPath(vec![Segment::Key("n".to_owned())]);
        let difference = Difference { set: vec![(path, Json::from(run.n))], unset: Vec::new() };
        let op = WriteOp::Change { difference: Arc::new(difference), after: run_document(run.n) };
        let mut writes =
            vec![Write { key: Key::new(&RUNS, &run.id), expect: Expectation::Revision(run.revision.clone()), op }];
        for part in ["a", "b"] {
            let key = Key::new(&ROWS, &format!("{}-{}{part}", run.id, run.n));
            let op = WriteOp::Put { version: 1, document: row(&run.id, run.n) };
            writes.push(Write { key, expect: Expectation::Absent, op });
        }
        self.0.commit(batch(&format!("{}-{}", run.id, run.n), writes)?).await?;
        run.revision = run.revision.next();
        Ok(())
    }
}

fn run_document(n: usize) -> Arc<Document> {
    document([("n", n.into()), ("status", "running".into())])
}

fn row(run: &str, n: usize) -> Arc<Document> {
    document([("run", run.into()), ("n", n.into()), ("line", LINE.into())])
}

fn document<const N: usize>(fields: [(&str, Json); N]) -> Arc<Document> {
    Arc::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn batch(command: &str, writes: Vec<Write>) -> Result<Batch, BenchError> {
    Ok(Batch {
        command: CommandId::new(command)?,
        fingerprint: "0123456789abcdef".to_owned(),
        at: Timestamp::from_millis(1_705_744_800_000),
        result: Json::Null,
        writes,
        checks: Vec::new(),
    })
}

/// An execution that repeatedly makes a call.
pub struct AnsweredExecution {
    store: Arc<Mongo>,
    cvm: Cvm,
}

impl AnsweredExecution {
    pub async fn begin(url: &str) -> Result<Self, BenchError> {
        let store = Arc::new(Mongo::open(url, MongoOptions::default()).await?);
        let cvm = Self::engine(&store).await?;
        let source = r#"for (let i = 0; ; i++) console.log(i, CC("next?"))"#;
        let bytecode =
            runstate::lang::compile("asks.ts", source).map_err(|diagnostics| format!("{diagnostics:?}"))?.bytecode;
        cvm.load(&Load::new("asks", source, bytecode)).await?;
        cvm.start(&Start::new("asks").id("run")).await?;
        Ok(Self { store, cvm })
    }

    async fn engine(store: &Arc<Mongo>) -> Result<Cvm, BenchError> {
        let domains = runstate::domain::ALL;
        Ok(Engine::with_settings(store.clone(), Arc::new(SystemHost), domains, Settings::default()).await?.cvm())
    }

    /// Continues as a process that has nothing cached.
    pub async fn forget(&mut self) -> Result<(), BenchError> {
        self.cvm = Self::engine(&self.store).await?;
        Ok(())
    }

    /// The id of the call that it waits for, as a client that answers it has read it.
    pub async fn open_call(&self) -> Result<String, BenchError> {
        Ok(self.cvm.status("run").await?.call.ok_or("the execution has no open call")?)
    }

    pub async fn answer(&self, call: &str) -> Result<(), BenchError> {
        self.cvm.answer("run", Answer::to_call(call).value("yes")).await?;
        Ok(())
    }
}
