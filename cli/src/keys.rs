//! The keys of secret fields, from the environment.

use std::env;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use runstate::encryption::Keys;
use runstate::engine::Error;
use runstate::error_code::ErrorCode;
use runstate::open::StoreKeys;
use zeroize::Zeroizing;

/// The variable with a list of keys.
pub const KEYS_ENV: &str = "RUNSTATE_KEYS";

/// The variable with the name of a file that has such a list.
const KEYS_FILE_ENV: &str = "RUNSTATE_KEYS_FILE";

/// Returns the keys that the environment gives; none if it gives none.
pub fn keys_from_environment() -> Result<StoreKeys, Error> {
    let var = |name| env::var_os(name).filter(|value| !value.is_empty());
    let usage = |message: String| Error::new(ErrorCode::USAGE, message);
    let (name, parsed) = match (var(KEYS_ENV), var(KEYS_FILE_ENV)) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(usage(format!("{KEYS_ENV} and {KEYS_FILE_ENV} are both set; set one of them")));
        }
        (Some(list), None) => (KEYS_ENV, Keys::parse(&list.to_string_lossy())),
        (None, Some(file)) => (KEYS_FILE_ENV, Keys::parse(&read_private_file(KEYS_FILE_ENV, Path::new(&file))?)),
    };
    let keys = parsed.map_err(|invalid| usage(format!("{name}: {invalid}")))?;
    Ok(Some(Arc::new(keys)))
}

/// Reads a file that holds a secret. `option` names it. [`ErrorCode::USAGE`]: other users can use it.
pub fn read_private_file(option: &str, path: &Path) -> Result<Zeroizing<String>, Error> {
    let unreadable = |error| Error::new(ErrorCode::IO, format!("{option}: {} cannot be read: {error}", path.display()));
    if let Some(mode) = shared_mode(&fs::metadata(path).map_err(unreadable)?) {
        let path = path.display();
        let message =
            format!("{option}: other users can use {path} (mode {mode:o}); protect it with: chmod 600 {path}");
        return Err(Error::new(ErrorCode::USAGE, message));
    }
    fs::read_to_string(path).map(Zeroizing::new).map_err(unreadable)
}

/// The mode of a file, if it gives rights to the group or to others.
#[cfg(unix)]
fn shared_mode(metadata: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(metadata.permissions().mode() & 0o777).filter(|mode| mode & 0o077 != 0)
}

/// Other systems have no modes.
#[cfg(not(unix))]
fn shared_mode(_: &fs::Metadata) -> Option<u32> {
    None
}
