//! Steps of this library on a store.

use std::sync::Arc;

use runstate::id::{CommandId, Revision};
use runstate::schema::{Catalog, Collection, Field, Key};
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

pub struct LibraryTarget(Arc<dyn Store>);

pub struct LibraryRun {
    id: String,
    n: usize,
    revision: Revision,
}

impl LibraryTarget {
    /// Prepares a store for the steps.
    pub async fn new(store: impl Store + 'static) -> Result<Self, BenchError> {
        store.migrate(&Catalog::new(&[&RUNS, &ROWS])?).await?;
        Ok(Self(Arc::new(store)))
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
        frees_space: false,
    })
}
