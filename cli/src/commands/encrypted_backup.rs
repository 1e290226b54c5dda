//! Encrypted backups, in the format of age (age-encryption.org/v1), as exports are. Each segment is encrypted for public
//! keys: those of the options, or one of the folder, whose secret key is in each segment, encrypted under the
//! passphrase. A key from a passphrase takes a second, and a backup that follows writes a segment every second.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use age::secrecy::{ExposeSecret as _, SecretString};
use age::{Decryptor, scrypt, x25519};
use runstate::engine::Error;
use runstate::error_code::ErrorCode;
use runstate::transfer::backup::{BackupDecryption, BackupEncryption};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use super::encrypted_export::{AgeEncryption, AgeIdentity, decrypt_error, parse_identities};
use crate::args::{BackupIdentityArgs, BackupRecipientArgs};
use crate::error::CliError;

/// The encryption that the options ask for, if any.
pub fn backup_encryption(args: &BackupRecipientArgs) -> Result<Option<Arc<dyn BackupEncryption>>, CliError> {
    Ok(AgeEncryption::from_args(args)?.map(|encryption| match encryption {
        AgeEncryption::Passphrase(passphrase) => Arc::new(FolderKey::new(passphrase)) as Arc<dyn BackupEncryption>,
        AgeEncryption::Recipients(recipients) => Arc::new(BackupRecipients(recipients)),
    }))
}

/// The decryption that the options ask for, if any.
pub fn backup_decryption(args: &BackupIdentityArgs) -> Result<Option<Box<dyn BackupDecryption>>, CliError> {
    Ok(AgeIdentity::from_args(args)?.map(|identity| match identity {
        AgeIdentity::Passphrase(passphrase) => Box::new(FolderKey::new(passphrase)) as Box<dyn BackupDecryption>,
        AgeIdentity::Identities(identities) => Box::new(BackupIdentities(identities)),
    }))
}

/// The parameters of an encrypted folder, in clear text.
#[derive(Serialize, Deserialize)]
struct Parameters {
    /// The public keys for which its segments are encrypted.
    recipients: BTreeSet<String>,
    /// The secret key, encrypted under a passphrase: text of age. `None`: it is not in the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl Parameters {
    fn read(parameters: &Json) -> Result<Self, Error> {
        Self::deserialize(parameters)
            .map_err(|why| Error::new(ErrorCode::CORRUPT, format!("its encryption is not known: {why}")))
    }

    fn recipients_text(&self) -> String {
        self.recipients.iter().map(String::as_str).collect::<Vec<_>>().join(",")
    }
}

fn key_missing(message: String) -> Error {
    Error::new(ErrorCode::KEY_MISSING, message)
}

fn encrypt_for(recipients: &[x25519::Recipient], segment: &[u8]) -> Result<Vec<u8>, Error> {
    let encrypt = || {
        let mut encrypted = Vec::with_capacity(segment.len());
        let mut writer = AgeEncryption::encryptor_for(recipients)?.wrap_output(&mut encrypted)?;
        writer.write_all(segment)?;
        writer.finish()?;
        Ok(encrypted)
    };
    encrypt().map_err(|error: std::io::Error| Error::internal(format!("a segment cannot be encrypted: {error}")))
}

fn decrypt_with<'a>(
    identities: impl Iterator<Item = &'a dyn age::Identity>,
    encrypted: &[u8],
    name: &str,
) -> Result<Vec<u8>, Error> {
    let decrypt = || {
        let mut plain = Vec::new();
        Decryptor::new_buffered(encrypted)?.decrypt(identities)?.read_to_end(&mut plain)?;
        Ok(plain)
    };
    decrypt().map_err(|why| decrypt_error(name, why))
}

#[derive(Debug)]
struct BackupRecipients(Vec<x25519::Recipient>);

impl BackupEncryption for BackupRecipients {
    fn new_parameters(&self) -> Result<Json, Error> {
        let recipients = self.0.iter().map(ToString::to_string).collect();
        Ok(json!(Parameters { recipients, key: None }))
    }

    fn check(&self, parameters: &Json) -> Result<(), Error> {
        let found = Parameters::read(parameters)?;
        if found.key.is_some() {
            return Err(key_missing("it is encrypted with a passphrase. Give --passphrase-file".to_owned()));
        }
        if self.0.iter().map(ToString::to_string).collect::<BTreeSet<_>>() != found.recipients {
            let recipients = found.recipients_text();
            let message =
                format!("it is for other public keys. Give --encrypt-to {recipients}, or name an empty folder");
            return Err(key_missing(message));
        }
        Ok(())
    }

    fn encrypt(&self, _: &Json, segment: &[u8]) -> Result<Vec<u8>, Error> {
        encrypt_for(&self.0, segment)
    }
}

/// Decrypts with secret keys.
struct BackupIdentities(Zeroizing<String>);

impl fmt::Debug for BackupIdentities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupIdentities").finish_non_exhaustive()
    }
}

impl BackupDecryption for BackupIdentities {
    fn decrypt(&self, parameters: &Json, encrypted: &[u8], name: &str) -> Result<Vec<u8>, Error> {
        if Parameters::read(parameters)?.key.is_some() {
            return Err(key_missing(format!("{name} is encrypted with a passphrase. Give --passphrase-file")));
        }
        // They are parsed each time, because identities of age cannot be shared by threads.
        let identities = parse_identities(&self.0).map_err(Error::internal)?;
        decrypt_with(identities.iter().map(|one| &**one), encrypted, name)
    }
}

/// The secret key of a folder, under a passphrase.
struct FolderKey {
    passphrase: SecretString,
    /// The last one that was decrypted, with its encrypted form.
    decrypted: Mutex<Option<(String, x25519::Identity)>>,
}

impl FolderKey {
    fn new(passphrase: SecretString) -> Self {
        Self { passphrase, decrypted: Mutex::new(None) }
    }

    fn identity(&self, parameters: &Json, name: &str) -> Result<x25519::Identity, Error> {
        let parameters = Parameters::read(parameters)?;
        let Some(key) = &parameters.key else {
            let recipients = parameters.recipients_text();
            let remedy = "Give --encrypt-to to continue it, or --identity-file to restore it";
            return Err(key_missing(format!("{name} is encrypted for the public keys {recipients}. {remedy}")));
        };
        let mut decrypted = self.decrypted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, identity)) = decrypted.as_ref().filter(|(encrypted, _)| encrypted == key) {
            return Ok(identity.clone());
        }
        let damaged = || Error::new(ErrorCode::CORRUPT, format!("{name}: its secret key is damaged"));
        let plain = age::decrypt(&scrypt::Identity::new(self.passphrase.clone()), key.as_bytes());
        let plain = String::from_utf8(plain.map_err(|why| decrypt_error(name, why))?);
        let plain = SecretString::from(plain.map_err(|_| damaged())?);
        let identity: x25519::Identity = plain.expose_secret().parse().map_err(|_| damaged())?;
        *decrypted = Some((key.clone(), identity.clone()));
        Ok(identity)
    }
}

impl fmt::Debug for FolderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderKey").finish_non_exhaustive()
    }
}

impl BackupEncryption for FolderKey {
    fn new_parameters(&self) -> Result<Json, Error> {
        let identity = x25519::Identity::generate();
        let passphrase = scrypt::Recipient::new(self.passphrase.clone());
        let key = age::encrypt_and_armor(&passphrase, identity.to_string().expose_secret().as_bytes());
        let key = key.map_err(|error| Error::internal(format!("a key cannot be encrypted: {error}")))?;
        // Without the public key, which would let any reader of the folder encrypt segments for it.
        Ok(json!(Parameters { recipients: BTreeSet::new(), key: Some(key) }))
    }

    fn check(&self, parameters: &Json) -> Result<(), Error> {
        self.identity(parameters, "its key").map(drop)
    }

    fn encrypt(&self, parameters: &Json, segment: &[u8]) -> Result<Vec<u8>, Error> {
        encrypt_for(&[self.identity(parameters, "its key")?.to_public()], segment)
    }
}

impl BackupDecryption for FolderKey {
    fn decrypt(&self, parameters: &Json, encrypted: &[u8], name: &str) -> Result<Vec<u8>, Error> {
        let identity = self.identity(parameters, name)?;
        decrypt_with(std::iter::once(&identity as &dyn age::Identity), encrypted, name)
    }
}
