//! Replaces `mongodb.rs` in builds without the driver.

use super::{ForeignSource, InvalidDocument};
use crate::engine::{Error, Progress};
use crate::error_code::ErrorCode;
use crate::operation::Domain;
use crate::time::Timestamp;

/// Fails as `unsupported`: this build has no driver.
pub async fn read_server(
    _: &str,
    _: &Domain,
    _: Timestamp,
    _: impl FnMut(InvalidDocument),
    _: impl FnMut(Progress),
) -> Result<ForeignSource, Error> {
    let message = "cannot read a database on MongoDB: this build of runstate has no driver for it. Build one with `cargo install \
                   runstate-cli --features mongodb`, or with the feature `mongodb` of the crate `runstate`";
    Err(Error::new(ErrorCode::UNSUPPORTED, message))
}
