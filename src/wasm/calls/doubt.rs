//! `not_found` on a damaged store: the document may be in a part of the store that cannot be read.

use crate::engine::{Engine, Error};
use crate::error_code::ErrorCode;

/// Turns `not_found` into `corrupt` if the store is read-only because of damage. Other errors are returned unchanged.
pub fn explain_not_found(engine: &Engine, error: Error) -> Error {
    match engine.store().read_only_reason() {
        Some(read_only_reason)
            if error.code == ErrorCode::NotFound && read_only_reason.code() == ErrorCode::Corrupt =>
        {
            let hint =
                "run `runstate verify` to list the damage, and the native `runstate repair` to keep the intact data";
            let message =
                format!("{error}, or it is in a part of the store that cannot be read: {read_only_reason}; {hint}");
            Error { code: ErrorCode::Corrupt, message, ..error }
        }
        _ => error,
    }
}
