//! Encryption of the segments of a backup, by ports: this crate knows no cipher.

use std::fmt::Debug;

use runstate_core::error_code::ErrorCode;
use runstate_engine::Error;
use runstate_value::Json;

/// Encrypts the segments of a backup. It need not be able to decrypt them.
///
/// Each segment has the parameters of its folder in clear text, such as public keys, or a key that is encrypted under a
/// passphrase. A folder keeps the parameters of its first segment.
pub trait BackupEncryption: Debug + Send + Sync {
    /// Returns the parameters of a new folder.
    fn new_parameters(&self) -> Result<Json, Error>;

    /// Checks that this encrypts as a folder with these parameters is encrypted.
    ///
    /// Errors: `key_missing` if they belong to another key; `corrupt`.
    fn check(&self, parameters: &Json) -> Result<(), Error>;

    /// Encrypts a segment, so that a change of any byte is detected when it is decrypted. `parameters` were checked.
    fn encrypt(&self, parameters: &Json, segment: &[u8]) -> Result<Vec<u8>, Error>;
}

/// Decrypts the segments of a backup.
pub trait BackupDecryption: Debug + Send + Sync {
    /// Decrypts a segment. `name` is its name in errors.
    ///
    /// Errors: `key_missing` if it was encrypted for another key; `corrupt` if it was changed or cut off.
    fn decrypt(&self, parameters: &Json, encrypted: &[u8], name: &str) -> Result<Vec<u8>, Error>;
}

/// Checks that a folder with `parameters` is continued as it was begun. `name` is that of the folder.
pub(super) fn check_encryption(
    encryption: Option<&dyn BackupEncryption>,
    parameters: Option<&Json>,
    name: &str,
) -> Result<(), Error> {
    match (encryption, parameters) {
        (None, None) => Ok(()),
        (Some(encryption), Some(parameters)) => encryption
            .check(parameters)
            .map_err(|error| Error { message: format!("{name} has an encrypted backup: {}", error.message), ..error }),
        (Some(_), None) => {
            let remedy = "Name an empty folder, or leave out --encrypt-to and --passphrase-file";
            let message = format!("{name} has a backup in plain text, which is not continued encrypted. {remedy}");
            Err(Error::new(ErrorCode::ALREADY_EXISTS, message))
        }
        (None, Some(_)) => {
            let remedy = "Give --encrypt-to or --passphrase-file as for its first run";
            let message = format!("{name} has an encrypted backup, which is not continued in plain text. {remedy}");
            Err(Error::new(ErrorCode::KEY_MISSING, message))
        }
    }
}
