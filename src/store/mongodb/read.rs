//! Reading documents by key.

use super::Mongo;
use crate::id::CommandId;
use crate::schema::Key;
use crate::store::{Error, Outcome, Stored};

impl Mongo {
    pub(super) async fn read(&self, _keys: &[Key]) -> Result<Vec<Option<Stored>>, Error> {
        Ok(Vec::new())
    }

    pub(super) async fn ask_outcome(&self, _command: &CommandId) -> Result<Outcome, Error> {
        Ok(Outcome::Absent)
    }
}
