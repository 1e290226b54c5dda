//! Committing.

use super::Mongo;
use crate::store::{Batch, Error, Receipt};

impl Mongo {
    pub(super) async fn do_commit(&self, _batch: &Batch) -> Result<Receipt, Error> {
        Err(Error::Unsupported { what: "a commit".to_owned(), by: "the store on MongoDB".to_owned() })
    }
}
