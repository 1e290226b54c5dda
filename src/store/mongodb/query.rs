//! Questions for documents.

use super::Mongo;
use crate::schema::Query;
use crate::store::{Error, Page};

impl Mongo {
    /// The documents that match.
    pub(super) async fn ask_query(&self, query: &Query) -> Result<Page, Error> {
        let by = "the store on MongoDB".to_owned();
        Err(Error::Unsupported { what: format!("a query of {}", query.collection), by })
    }
}
