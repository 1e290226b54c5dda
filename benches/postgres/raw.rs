//! The same rows written directly with the driver: one transaction of prepared statements, all sent at once, on a
//! connection of each run.

use runstate::id::{CommandId, Revision};
use tokio_postgres::{Client, NoTls, Statement};

use super::steps::library::LINE;
use super::steps::{BenchError, StepTarget};

pub struct HandwrittenTarget(String);

pub struct HandwrittenRun {
    id: String,
    n: i64,
    revision: Revision,
    client: Client,
    command: Statement,
    update: Statement,
    row: Statement,
    change: Statement,
}

/// Creates a database beside the one that the URL names, and returns its URL.
pub async fn create_database(url: &str, name: &str) -> Result<String, BenchError> {
    connect(url).await?.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
    let (server, _) = url.rsplit_once('/').ok_or("the server URL must have the form postgres://HOST/DATABASE")?;
    Ok(format!("{server}/{name}"))
}

async fn connect(url: &str) -> Result<Client, BenchError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

impl HandwrittenTarget {
    pub async fn open(url: &str) -> Result<Self, BenchError> {
        // The ledger and the changes have an index on time, which sweeping needs.
        let tables = "CREATE SCHEMA by_hand; \
            CREATE TABLE by_hand.commands (id text COLLATE \"C\" PRIMARY KEY, rev text NOT NULL, v int NOT NULL, at timestamptz, fingerprint text, result jsonb); \
            CREATE INDEX ON by_hand.commands (at); \
            CREATE TABLE by_hand.runs (id text COLLATE \"C\" PRIMARY KEY, rev text NOT NULL, v int NOT NULL, n bigint, status text); \
            CREATE TABLE by_hand.rows (id text COLLATE \"C\" PRIMARY KEY, rev text NOT NULL, v int NOT NULL, run text, n bigint, line text); \
            CREATE TABLE by_hand.changes (transaction bigint PRIMARY KEY, command text NOT NULL, changes jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now()); \
            CREATE INDEX ON by_hand.changes (at)";
        connect(url).await?.batch_execute(tables).await?;
        Ok(Self(url.to_owned()))
    }
}

impl StepTarget for HandwrittenTarget {
    type Run = HandwrittenRun;

    async fn begin(&self, id: &str) -> Result<HandwrittenRun, BenchError> {
        let client = connect(&self.0).await?;
        let revision = Revision::first(&CommandId::new(&format!("begin-{id}"))?, "by_hand.runs", id);
        let insert = "INSERT INTO by_hand.runs VALUES ($1, $2, 1, 0, 'running')";
        client.execute(insert, &[&id, &revision.to_string()]).await?;
        let command = "INSERT INTO by_hand.commands VALUES ($1, $2, 1, '2024-01-20', '0123456789abcdef', 'null') ON CONFLICT DO NOTHING";
        let change = "INSERT INTO by_hand.changes (transaction, command, changes) VALUES (pg_current_xact_id()::text::bigint, $1, to_jsonb($2::text[]))";
        Ok(HandwrittenRun {
            id: id.to_owned(),
            n: 0,
            revision,
            command: client.prepare(command).await?,
            update: client.prepare("UPDATE by_hand.runs SET n = $3, rev = $4 WHERE id = $1 AND rev = $2").await?,
            row: client.prepare("INSERT INTO by_hand.rows VALUES ($1, $2, 1, $3, $4, $5)").await?,
            change: client.prepare(change).await?,
            client,
        })
    }

    async fn step(&self, run: &mut HandwrittenRun) -> Result<(), BenchError> {
        run.n += 1;
        let (n, next, client) = (run.n, run.revision.next(), &run.client);
        let command = format!("{}-{n}", run.id);
        let revision = Revision::first(&CommandId::new(&command)?, "by_hand.commands", &command).to_string();
        let (before, after) = (run.revision.to_string(), next.to_string());
        let ids = ["a", "b"].map(|part| format!("{command}{part}"));
        let changes = vec![&run.id, &ids[0], &ids[1]];
        let (ledger, update) = ([&command, &revision], (&run.id, &before, &n, &after));
        let begin = client.batch_execute("BEGIN");
        let inserted = client.execute_raw(&run.command, ledger);
        let (id, from, number, to) = update;
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [id, from, number, to];
        let updated = client.execute(&run.update, &parameters);
        let one: [&(dyn tokio_postgres::types::ToSql + Sync); 5] = [&ids[0], &revision, &run.id, &n, &LINE];
        let other: [&(dyn tokio_postgres::types::ToSql + Sync); 5] = [&ids[1], &revision, &run.id, &n, &LINE];
        let change: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&command, &changes];
        let rows =
            (client.execute(&run.row, &one), client.execute(&run.row, &other), client.execute(&run.change, &change));
        let (_, inserted, updated, _, _, _) = tokio::try_join!(begin, inserted, updated, rows.0, rows.1, rows.2)?;
        if (inserted, updated) != (1, 1) {
            return Err("another client has changed the run".into());
        }
        client.batch_execute("COMMIT").await?;
        run.revision = next;
        Ok(())
    }
}
