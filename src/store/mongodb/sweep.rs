//! Deleting what is expired.

use super::Mongo;
use crate::store::Error;
use crate::time::Timestamp;

impl Mongo {
    /// Deletes what is expired; how many.
    pub(super) async fn do_sweep(&self, collection: &str, _now: Timestamp, _limit: usize) -> Result<usize, Error> {
        let by = "the store on MongoDB".to_owned();
        Err(Error::Unsupported { what: format!("a sweep of {collection}"), by })
    }
}
