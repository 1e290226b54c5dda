//! In place of databases on MongoDB, where this build has no driver.

use super::{Ask, OlderDatabase, Rows};
use crate::code::Code;
use crate::engine::Error;
use crate::marker::BoxFuture;

/// A database of the older CVM on a MongoDB server: this build opens none.
pub struct OlderMongoDb {
    never: std::convert::Infallible,
}

impl OlderMongoDb {
    /// Says how to build what can.
    #[allow(clippy::unused_async, reason = "as the one that opens it")]
    pub async fn open(_url: &str) -> Result<Self, Error> {
        let message = "cannot read a database on MongoDB: this build of runstate has no driver for it; build one with `cargo install \
                       runstate-cli --features mongodb`, or with the feature `mongodb` of the crate `runstate`";
        Err(Error::new(Code::Unsupported, message))
    }
}

impl OlderDatabase for OlderMongoDb {
    fn name(&self) -> &str {
        match self.never {}
    }

    fn ask<'a>(&'a self, _: Ask<'a>) -> BoxFuture<'a, Result<Box<dyn Rows + 'a>, Error>> {
        match self.never {}
    }
}
