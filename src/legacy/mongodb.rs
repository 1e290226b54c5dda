//! A database of the older CVM on a MongoDB server.

use super::{LegacyDatabase, LegacyDocument, LegacyQuery, LegacyRowKind, LegacyRows};
use crate::engine::Error;
use crate::engine::open::backends::mongodb::name_invalid_url;
use crate::marker::BoxFuture;
use crate::store::mongodb::{ForeignDatabase, ForeignRows};
use crate::value::Json;

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

/// Documents, or executions with their number of rows.
enum MongoRows {
    Documents(ForeignRows),
    Owners(ForeignRows),
}

impl LegacyRows for MongoRows {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<LegacyDocument>, Error>> {
        Box::pin(async move {
            let document = match self {
                MongoRows::Documents(rows) => rows.next().await?.map(|(id, document)| LegacyDocument { id, document }),
                MongoRows::Owners(rows) => rows.next().await?.map(|(id, row)| {
                    let count = row.ok().and_then(|row| row.get("n").cloned()).unwrap_or(Json::Null);
                    LegacyDocument { id, document: Ok(count) }
                }),
            };
            Ok(document)
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
            Ok(Box::new(match query {
                LegacyQuery::Programs => MongoRows::Documents(database.find("programs", None, "_id").await?),
                LegacyQuery::Executions => MongoRows::Documents(database.find("executions", None, "_id").await?),
                LegacyQuery::Rows(kind, owner) => {
                    let order = match kind {
                        LegacyRowKind::Calls => "request.timestamp",
                        LegacyRowKind::Logs | LegacyRowKind::History => "timestamp",
                        LegacyRowKind::Output => "_id",
                    };
                    MongoRows::Documents(database.find(kind.collection(), Some((OWNER, owner)), order).await?)
                }
                LegacyQuery::Owners(kind) => MongoRows::Owners(database.count_values(kind.collection(), OWNER).await?),
            }) as Box<dyn LegacyRows>)
        })
    }
}
