//! A database of the older CVM on a MongoDB server.

use runstate_core::marker::BoxFuture;
use runstate_engine::Error;
use runstate_engine::name_invalid_url;
use runstate_store_mongodb::{ForeignDatabase, ForeignRows};
use runstate_value::Json;

use super::{LegacyDatabase, LegacyDocument, LegacyQuery, LegacyRowKind, LegacyRows};

/// The database in which the older CVM stored its collections.
const DATABASE: &str = "cvm";

/// A database of the older CVM on any MongoDB server, even a standalone one.
pub struct LegacyMongoDb {
    database: ForeignDatabase,
    name: String,
}

impl LegacyMongoDb {
    /// Opens the database in the path of the URL, else `cvm`.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let database = ForeignDatabase::open(url, DATABASE).await.map_err(|error| name_invalid_url(url, error))?;
        let name = database.name();
        Ok(Self { database, name })
    }
}

pub(super) fn open_server(url: &str) -> BoxFuture<'_, Result<Box<dyn LegacyDatabase>, Error>> {
    Box::pin(async move { Ok(Box::new(LegacyMongoDb::open(url).await?) as Box<dyn LegacyDatabase>) })
}

/// Documents, or executions with their number of rows.
struct MongoRows {
    rows: ForeignRows,
    are_counts: bool,
}

impl LegacyRows for MongoRows {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<LegacyDocument>, Error>> {
        Box::pin(async move {
            let Some((id, document)) = self.rows.next().await? else { return Ok(None) };
            let document = match self.are_counts {
                true => Ok(document.ok().and_then(|row| row.get("n").cloned()).unwrap_or(Json::Null)),
                false => document.map(Json::Object),
            };
            Ok(Some(LegacyDocument { id, document }))
        })
    }
}

/// The field of a row with the id of its execution.
const OWNER: &str = "executionId";

impl LegacyDatabase for LegacyMongoDb {
    fn name(&self) -> &str {
        &self.name
    }

    fn query<'a>(&'a self, query: LegacyQuery<'a>) -> BoxFuture<'a, Result<Box<dyn LegacyRows + 'a>, Error>> {
        let database = &self.database;
        Box::pin(async move {
            let rows = match query {
                LegacyQuery::Programs => database.find("programs", None, "_id").await?,
                LegacyQuery::Executions => database.find("executions", None, "_id").await?,
                LegacyQuery::Rows(kind, owner) => {
                    let order = match kind {
                        LegacyRowKind::Calls => "request.timestamp",
                        LegacyRowKind::Logs | LegacyRowKind::History => "timestamp",
                        LegacyRowKind::Output => "_id",
                    };
                    database.find(kind.collection(), Some((OWNER, owner)), order).await?
                }
                LegacyQuery::Owners(kind) => database.count_values(kind.collection(), OWNER).await?,
            };
            let are_counts = matches!(query, LegacyQuery::Owners(_));
            Ok(Box::new(MongoRows { rows, are_counts }) as Box<dyn LegacyRows>)
        })
    }
}
