//! Replaces databases on MongoDB where this build has no driver.

use super::{LegacyDatabase, LegacyQuery, LegacyRows};
use crate::engine::Error;
use crate::error_code::ErrorCode;
use crate::marker::BoxFuture;

/// A database of the older CVM on a MongoDB server, which this build cannot open.
pub struct LegacyMongoDb {
    never: std::convert::Infallible,
}

impl LegacyMongoDb {
    /// Fails, and names a build that can open it.
    #[allow(clippy::unused_async, reason = "the other implementation awaits")]
    pub async fn open(_url: &str) -> Result<Self, Error> {
        let message = "cannot read a database on MongoDB: this build of runstate has no driver for it. Build one with `cargo install \
                       runstate-cli --features mongodb`, or with the feature `mongodb` of the crate `runstate`";
        Err(Error::new(ErrorCode::UNSUPPORTED, message))
    }
}

impl LegacyDatabase for LegacyMongoDb {
    fn name(&self) -> &str {
        match self.never {}
    }

    fn query<'a>(&'a self, _: LegacyQuery<'a>) -> BoxFuture<'a, Result<Box<dyn LegacyRows + 'a>, Error>> {
        match self.never {}
    }
}
