//! Steps by this library: of the store, and of an execution.

use std::sync::Arc;

use runstate::domain::cvm::{Load, Start};
use runstate::engine::{Cvm, Engine, SystemHost};
use runstate::id::{CommandId, Revision};
use runstate::limits::Settings;
use runstate::schema::{Catalog, Collection, Field, Key};
use runstate::store::mongodb::{Mongo, Options};
use runstate::store::{Batch, Expect, Op, Store, Write};
use runstate::time::Timestamp;
use runstate::value::{Difference, Document, Json, Path, Segment};

use super::{Failure, Steps};

const RUNS: Collection = Collection::new("bench.runs", 1).fields(&[Field::int("n"), Field::text("status")]);
const ROWS: Collection =
    Collection::new("bench.rows", 1).fields(&[Field::text("run"), Field::int("n"), Field::text("line")]).insert_only();

/// What both write as a row.
pub const LINE: &str =
    "what this step has said, in a line of a hundred characters or so, as programs say it all day long";

pub struct Ours(Mongo);

pub struct Run {
    id: String,
    n: usize,
    revision: Revision,
}

impl Ours {
    pub async fn open(url: &str) -> Result<Self, Failure> {
        let store = Mongo::open(url, Options::default()).await?;
        store.migrate(&Catalog::new(&[&RUNS, &ROWS])?).await?;
        Ok(Self(store))
    }
}

impl Steps for Ours {
    type Run = Run;

    async fn begin(&self, id: &str) -> Result<Run, Failure> {
        let op = Op::Put { version: 1, document: run(0) };
        let batch =
            batch(&format!("begin-{id}"), vec![Write { key: Key::new(&RUNS, id), expect: Expect::Absent, op }])?;
        let revision = Revision::first(&batch.command, RUNS.name, id);
        self.0.commit(batch).await?;
        Ok(Run { id: id.to_owned(), n: 0, revision })
    }

    async fn step(&self, at: &mut Run) -> Result<(), Failure> {
        at.n += 1;
        let path = Path(vec![Segment::Key("n".to_owned())]);
        let difference = Difference { set: vec![(path, Json::from(at.n))], unset: Vec::new() };
        let op = Op::Change { difference: Arc::new(difference), after: run(at.n) };
        let mut writes =
            vec![Write { key: Key::new(&RUNS, &at.id), expect: Expect::Revision(at.revision.clone()), op }];
        for part in ["a", "b"] {
            let key = Key::new(&ROWS, &format!("{}-{}{part}", at.id, at.n));
            let op = Op::Put { version: 1, document: row(&at.id, at.n) };
            writes.push(Write { key, expect: Expect::Absent, op });
        }
        self.0.commit(batch(&format!("{}-{}", at.id, at.n), writes)?).await?;
        at.revision = at.revision.next();
        Ok(())
    }
}

fn run(n: usize) -> Arc<Document> {
    document([("n", n.into()), ("status", "running".into())])
}

fn row(run: &str, n: usize) -> Arc<Document> {
    document([("run", run.into()), ("n", n.into()), ("line", LINE.into())])
}

fn document<const N: usize>(fields: [(&str, Json); N]) -> Arc<Document> {
    Arc::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn batch(command: &str, writes: Vec<Write>) -> Result<Batch, Failure> {
    Ok(Batch {
        command: CommandId::new(command)?,
        fingerprint: "0123456789abcdef".to_owned(),
        at: Timestamp::from_millis(1_705_744_800_000),
        result: Json::Null,
        writes,
        checks: Vec::new(),
    })
}

/// An execution that asks again and again, and is answered by the process that knows it.
pub struct Answers(Cvm);

impl Answers {
    pub async fn begin(url: &str) -> Result<Self, Failure> {
        let store = Arc::new(Mongo::open(url, Options::default()).await?);
        let catalog = runstate::domain::catalog()?;
        let cvm = Engine::new(store, Arc::new(SystemHost), catalog, Settings::default()).await?.cvm();
        let source = r#"for (let i = 0; ; i++) console.log(i, CC("next?"))"#;
        let bytecode = runstate::lang::compile("asks.ts", source).map_err(|found| format!("{found:?}"))?.bytecode;
        cvm.load(&Load::new("asks", source, bytecode), None).await?;
        cvm.start(&Start::of("asks").id("run"), None).await?;
        Ok(Self(cvm))
    }

    /// The call that it waits for, as whoever answers has seen it.
    pub async fn open(&self) -> Result<String, Failure> {
        Ok(self.0.stands("run").await?.call.ok_or("it asks nothing")?)
    }

    pub async fn answer(&self, call: &str) -> Result<(), Failure> {
        self.0.answer("run", Some(call), "yes".into(), None, None).await?;
        Ok(())
    }
}
