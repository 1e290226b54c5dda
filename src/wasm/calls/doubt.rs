//! What is not found where not everything can be read: it may have been there.

use crate::code::Code;
use crate::engine::{Engine, Error};

/// The error of a call, with what is known better by the health of the store.
pub fn doubted(engine: &Engine, error: Error) -> Error {
    match engine.store().health() {
        Some(illness) if error.code == Code::NotFound && illness.code() == Code::Corrupt => {
            let hint = "`runstate verify` says what is damaged; the native `runstate repair` keeps what is whole";
            let message = format!("{error}, or it stands in what cannot be read: {illness}; {hint}");
            Error { code: Code::Corrupt, message, ..error }
        }
        _ => error,
    }
}
