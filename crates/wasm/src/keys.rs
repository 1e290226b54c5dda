//! The option `keys` of `open`.

use std::sync::Arc;

use runstate::encryption::Keys;
use runstate::open::StoreKeys;
use runstate_core::error_code::ErrorCode;
use runstate_engine::Error;
use runstate_value::{Document, Json};

/// Takes the keys from the options of `open`, where they are a text.
pub(super) fn take_keys(options: &mut Document) -> Result<StoreKeys, Error> {
    let usage = |message: String| Error::new(ErrorCode::USAGE, message);
    match options.shift_remove("keys") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(list)) => {
            let keys = Keys::parse(&list).map_err(|invalid| usage(format!("open: `keys`: {invalid}")))?;
            Ok(Some(Arc::new(keys)))
        }
        Some(_) => Err(usage("open: `keys` is not a text".to_owned())),
    }
}
