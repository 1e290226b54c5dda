//! What can be seen of a store: its documents, and what is asked of it in lists and numbers.

use serde::Serialize;
use serde_json::json;

use crate::code::Code;
use crate::domain;
use crate::engine::{self, CallListing, Cvm, Error, Listing, Paging};
use crate::schema::{Collection, Query};
use crate::store::{COMMANDS, Store};
use crate::value::{Json, canonical};

/// How many questions [`look`] knows.
pub const LOOKS: usize = 8;

/// The answer to one of them, over all that there is.
pub async fn look(cvm: &Cvm, which: usize) -> Result<Json, Error> {
    let page = Paging { limit: Some(3), ..Paging::default() };
    match which % LOOKS {
        0 => told(cvm.list(&Listing { limit: Some(10), ..Listing::default() }).await),
        1 => told(cvm.active(100).await),
        2 => told(cvm.stats(None).await),
        3 => told(cvm.latency_by_program().await),
        4 => told(cvm.calls(&CallListing { open: true, limit: Some(7), ..CallListing::default() }).await),
        5 => told(cvm.slowest(None, 9).await),
        6 => told(cvm.programs(&page).await),
        _ => told(cvm.next_due().await),
    }
}

pub fn told<T: Serialize>(result: Result<T, Error>) -> Result<Json, Error> {
    serde_json::to_value(result?).map_err(|e| Error::internal(e.to_string()))
}

/// All documents, a line each.
pub async fn documents(store: &dyn Store) -> Result<Vec<String>, Error> {
    let domain = domain::catalog().map_err(|e| Error::new(Code::Internal, e.to_string()))?;
    let catalog = engine::catalog(&domain)?;
    let mut lines = Vec::new();
    for collection in catalog.iter().chain([&COMMANDS as &'static Collection]) {
        let mut query = Query::of(collection).limit(200);
        loop {
            let page = store.query(&query).await?;
            for row in page.rows {
                let document = canonical(&json!(*row.stored.document));
                lines.push(format!("{}/{} {} {document}", collection.name, row.id, row.stored.revision));
            }
            match page.cursor {
                Some(cursor) => query = query.after(Some(cursor)),
                None => break,
            }
        }
    }
    Ok(lines)
}
