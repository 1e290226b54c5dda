//! A database of the older CVM on a MongoDB server.

use super::{Ask, Found, OlderDatabase, RowKind, Rows};
use crate::engine::Error;
use crate::marker::BoxFuture;
use crate::store::mongodb::{Foreign, ForeignRows};
use crate::value::Json;

/// The database that the older CVM kept its collections in.
const DATABASE: &str = "cvm";

/// A database of the older CVM on a MongoDB server; any will do, a single one too.
pub struct OlderMongoDb {
    database: Foreign,
    name: String,
}

impl OlderMongoDb {
    /// The one that the URL names: that of its path, else `cvm`.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let database = Foreign::open(url, DATABASE).await?;
        let name = database.name();
        Ok(Self { database, name })
    }
}

/// Documents, or executions with how many rows each has.
enum Told {
    Documents(ForeignRows),
    Owners(ForeignRows),
}

impl Rows for Told {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Found>, Error>> {
        Box::pin(async move {
            let found = match self {
                Told::Documents(rows) => rows.next().await?.map(|(id, document)| Found { id, document }),
                Told::Owners(rows) => rows.next().await?.map(|(id, row)| {
                    let count = row.ok().and_then(|row| row.get("n").cloned()).unwrap_or(Json::Null);
                    Found { id, document: Ok(count) }
                }),
            };
            Ok(found)
        })
    }
}

/// The field by which rows say whose they are.
const OWNER: &str = "executionId";

impl OlderDatabase for OlderMongoDb {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask<'a>(&'a self, ask: Ask<'a>) -> BoxFuture<'a, Result<Box<dyn Rows + 'a>, Error>> {
        let database = &self.database;
        Box::pin(async move {
            Ok(Box::new(match ask {
                Ask::Programs => Told::Documents(database.find("programs", None, "_id").await?),
                Ask::Executions => Told::Documents(database.find("executions", None, "_id").await?),
                Ask::Rows(kind, owner) => {
                    let order = match kind {
                        RowKind::Calls => "request.timestamp",
                        RowKind::Logs | RowKind::History => "timestamp",
                        RowKind::Output => "_id",
                    };
                    Told::Documents(database.find(kind.collection(), Some((OWNER, owner)), order).await?)
                }
                Ask::Owners(kind) => Told::Owners(database.owners(kind.collection(), OWNER).await?),
            }) as Box<dyn Rows>)
        })
    }
}
