//! Encrypted exports, in the format of age (age-encryption.org/v1): for a passphrase, or for the holders of other keys.
//! The program `age` can decrypt them too. They are written and read in chunks; each is authenticated, and so is the
//! end.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _, Write};
use std::path::Path;

use age::secrecy::SecretString;
use age::stream::{StreamReader, StreamWriter};
use age::{DecryptError, Decryptor, Encryptor, IdentityFile, Recipient, scrypt, x25519};
use runstate::engine::Error;
use runstate::error_code::ErrorCode;
use runstate::transfer::disk::StagedExport;
use runstate::transfer::{ExportSummary, LineWriter};
use zeroize::Zeroizing;

use super::transfer::write_export;
use crate::args::{BackupIdentityArgs, BackupRecipientArgs, ExportArgs};
use crate::error::{self, CliError};
use crate::keys::read_private_file;
use crate::progress::Bar;
use crate::session::Session;

/// Writes the export encrypted, if the options ask for it: to standard output, or into `staged`. `None`: they do not.
pub async fn export_encrypted(
    session: &Session,
    export: &ExportArgs,
    staged: Option<&StagedExport>,
    bar: &Bar,
) -> Result<Option<ExportSummary>, CliError> {
    let Some(encryption) = AgeEncryption::from_args(&export.encryption)? else { return Ok(None) };
    let Some(staged) = staged else {
        let stdout_error = |error| error::io("standard output cannot be written", &error);
        let stream = encryption.writer(BufWriter::new(io::stdout().lock())).map_err(stdout_error)?;
        let mut lines = LineWriter::new(stream, "standard output");
        let summary = write_export(session, export, &mut lines, bar).await?;
        lines.into_inner().finish().and_then(|mut output| output.flush()).map_err(stdout_error)?;
        return Ok(Some(summary));
    };
    let mut lines = EncryptedFile::create(staged, encryption)?;
    let summary = write_export(session, export, &mut lines, bar).await?;
    lines.into_inner().finish(staged)?;
    Ok(Some(summary))
}

/// For whom an export or a backup is encrypted.
pub(super) enum AgeEncryption {
    Passphrase(SecretString),
    Recipients(Vec<x25519::Recipient>),
}

impl AgeEncryption {
    /// The encryption that the options ask for, if any.
    pub(super) fn from_args(args: &BackupRecipientArgs) -> Result<Option<Self>, CliError> {
        if let Some(file) = &args.passphrase_file {
            return Ok(Some(Self::Passphrase(read_passphrase(file)?)));
        }
        let parse = |text: &String| {
            text.parse().map_err(|why| {
                error::usage(format!("--encrypt-to: `{text}` is not a public key of age, `age1…` ({why})"))
            })
        };
        let recipients: Vec<x25519::Recipient> = args.encrypt_to.iter().map(parse).collect::<Result<_, _>>()?;
        Ok((!recipients.is_empty()).then_some(Self::Recipients(recipients)))
    }

    /// Encrypts what is written. [`StreamWriter::finish`] ends it.
    fn writer<W: Write>(&self, output: W) -> io::Result<StreamWriter<W>> {
        let encryptor = match self {
            Self::Passphrase(passphrase) => Encryptor::with_user_passphrase(passphrase.clone()),
            Self::Recipients(recipients) => Self::encryptor_for(recipients)?,
        };
        encryptor.wrap_output(output)
    }

    pub(super) fn encryptor_for(recipients: &[x25519::Recipient]) -> io::Result<Encryptor> {
        Encryptor::with_recipients(recipients.iter().map(|one| one as &dyn Recipient))
            .map_err(|error| io::Error::other(error.to_string()))
    }
}

struct EncryptedFile {
    /// `None` only after an error.
    stream: Option<StreamWriter<BufWriter<File>>>,
    encryption: AgeEncryption,
}

impl EncryptedFile {
    fn create(staged: &StagedExport, encryption: AgeEncryption) -> Result<LineWriter<Self>, CliError> {
        let create = || {
            let file = File::options().read(true).write(true).create_new(true).open(staged.path())?;
            let stream = Some(encryption.writer(BufWriter::new(file))?);
            Ok(Self { stream, encryption })
        };
        let file =
            create().map_err(|error: io::Error| error::io(format!("{} cannot be written", staged.name()), &error))?;
        Ok(LineWriter::new(file, staged.name()).with_restart(Self::restart))
    }

    /// Discards what was written.
    fn restart(&mut self) -> io::Result<()> {
        let mut file = self.take()?;
        file.set_len(0)?;
        file.rewind()?;
        self.stream = Some(self.encryption.writer(BufWriter::new(file))?);
        Ok(())
    }

    /// Ends the file, and syncs it to the disk.
    fn finish(mut self, staged: &StagedExport) -> Result<(), CliError> {
        let synced = self.take().and_then(|file| file.sync_all());
        synced.map_err(|error| error::io(format!("{} cannot be written", staged.name()), &error))
    }

    fn take(&mut self) -> io::Result<File> {
        let stream = self.stream.take().ok_or_else(closed)?;
        stream.finish()?.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl Write for EncryptedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.as_mut().ok_or_else(closed)?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.as_mut().ok_or_else(closed)?.flush()
    }
}

fn closed() -> io::Error {
    io::Error::other("the file was closed after an earlier error")
}

/// A person or program that can decrypt an export or a backup.
pub(super) enum AgeIdentity {
    Passphrase(SecretString),
    /// The text of a file of identities, which was parsed once.
    Identities(Zeroizing<String>),
}

impl AgeIdentity {
    /// The identity that the options name, if any.
    pub(super) fn from_args(args: &BackupIdentityArgs) -> Result<Option<Self>, CliError> {
        match (&args.passphrase_file, &args.identity_file) {
            (Some(passphrase), _) => Ok(Some(Self::Passphrase(read_passphrase(passphrase)?))),
            (None, Some(path)) => {
                let text = read_private_file("--identity-file", path)?;
                parse_identities(&text).map_err(|why| {
                    error::usage(format!("{} is not a file of identities of age: {why}", path.display()))
                })?;
                Ok(Some(Self::Identities(text)))
            }
            (None, None) => Ok(None),
        }
    }
}

pub(super) fn parse_identities(text: &str) -> Result<Vec<Box<dyn age::Identity>>, String> {
    let file = IdentityFile::from_buffer(text.as_bytes()).map_err(|error| error.to_string())?;
    file.into_identities().map_err(|error| error.to_string())
}

/// Decrypts an encrypted export while it is read. `name` is that of the file.
pub fn decrypting_reader(
    file: File,
    name: &str,
    args: &BackupIdentityArgs,
) -> Result<BufReader<StreamReader<BufReader<File>>>, CliError> {
    let identities: Vec<Box<dyn age::Identity>> = match AgeIdentity::from_args(args)? {
        Some(AgeIdentity::Passphrase(passphrase)) => vec![Box::new(scrypt::Identity::new(passphrase))],
        Some(AgeIdentity::Identities(text)) => parse_identities(&text).map_err(error::usage)?,
        None => {
            let message = format!("{name} is encrypted. Give --passphrase-file or --identity-file");
            return Err(Error::new(ErrorCode::KEY_MISSING, message).into());
        }
    };
    let decrypt = || Decryptor::new_buffered(BufReader::new(file))?.decrypt(identities.iter().map(|one| &**one));
    Ok(BufReader::new(decrypt().map_err(|why| decrypt_error(name, why))?))
}

/// The error of a file that cannot be decrypted. `name` is that of the file.
pub(super) fn decrypt_error(name: &str, why: DecryptError) -> Error {
    match why {
        DecryptError::NoMatchingKeys | DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            let message = format!("{name} cannot be decrypted: it was encrypted for another passphrase or key");
            Error::new(ErrorCode::KEY_MISSING, message)
        }
        DecryptError::Io(why) if !matches!(why.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => {
            Error::new(ErrorCode::IO, format!("{name} cannot be read: {why}"))
        }
        why => Error::new(ErrorCode::CORRUPT, format!("{name} is damaged: {why}")),
    }
}

/// The first line of a file.
fn read_passphrase(path: &Path) -> Result<SecretString, CliError> {
    let text = read_private_file("--passphrase-file", path)?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(SecretString::from(line.to_owned())),
        None => Err(error::usage(format!("--passphrase-file: the first line of {} is empty", path.display()))),
    }
}
