//! Numbers over documents.

use super::Mongo;
use crate::schema::Aggregate;
use crate::store::Error;
use crate::value::Document;

impl Mongo {
    /// Numbers over the documents that match.
    pub(super) async fn ask_aggregate(&self, aggregate: &Aggregate) -> Result<Vec<Document>, Error> {
        let by = "the store on MongoDB".to_owned();
        Err(Error::Unsupported { what: format!("an aggregate of {}", aggregate.collection), by })
    }
}
