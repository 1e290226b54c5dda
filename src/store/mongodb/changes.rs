//! The feed of committed changes.

use super::Mongo;
use crate::store::{Changes, Error, Position};
use crate::time::Millis;

impl Mongo {
    /// Changes after a position.
    pub(super) async fn ask_changes(
        &self,
        _from: Option<Position>,
        _limit: usize,
        _wait: Millis,
    ) -> Result<Changes, Error> {
        let by = "the store on MongoDB".to_owned();
        Err(Error::Unsupported { what: "the feed of changes".to_owned(), by })
    }
}
