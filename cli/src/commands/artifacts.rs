//! `apps artifact put`: stores a file as an artifact. `get`: writes its bytes to a file or to standard output.
//! `collect`: removes bytes that no artifact has.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use runstate::blob::{ArtifactReader, ArtifactUpload, Artifacts, CollectReport, NewArtifact};
use runstate::engine::{Error, Host, SystemHost};
use runstate::error_code::ErrorCode;
use runstate::transfer::disk::{OverwritePolicy, StagedExport};
use runstate::value::Document;
use serde_json::{Value as Json, json};

use super::verify::format_bytes;
use super::{is_stdio, read_json};
use crate::args::{GetArtifactArgs, PutArtifactArgs, StorageArgs};
use crate::error::{CliError, usage};
use crate::exit::CliExit;
use crate::progress::Bar;
use crate::session::Session;
use crate::{error, input, interrupt};

const UPLOAD_INTERRUPTED_NOTE: &str = "nothing was stored; `apps artifact collect` removes the bytes that were written";

/// The state after an interrupt in the last step of an upload.
const FINISH_INTERRUPTED_NOTE: &str =
    "the upload was at its end; `apps artifact list` shows whether the artifact was stored";

const DOWNLOAD_INTERRUPTED_NOTE: &str = "no file was written";

/// The state after an interrupted removal.
const COLLECT_INTERRUPTED_NOTE: &str = "what was removed stays removed; repeat the command to continue";

/// How much of a file is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// An artifact to store, and the source of its bytes.
pub struct NewUpload {
    artifact: NewArtifact,
    storage: StorageArgs,
    source: Box<dyn Read + Send>,
    source_name: String,
    /// The number of bytes, if it is known.
    total: Option<u64>,
}

impl NewUpload {
    /// Opens the file, and checks the options.
    pub fn open(args: PutArtifactArgs) -> Result<Self, CliError> {
        let PutArtifactArgs { execution, step, file, artifact_type, name, mime, metadata, storage } = args;
        let file_name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.or(file_name).ok_or_else(|| usage(format!("{} is not the name of a file", file.display())))?;
        let mime = mime.unwrap_or_else(|| media_type(&name).to_owned());
        let metadata = match metadata.map(|text| read_json("--metadata", &text)).transpose()? {
            None => Document::new(),
            Some(Json::Object(metadata)) => metadata,
            Some(_) => return Err(usage("--metadata is not a JSON object, such as '{\"page\": 1}'")),
        };
        let source_name = if is_stdio(&file) { "standard input".to_owned() } else { file.display().to_string() };
        let (source, total): (Box<dyn Read + Send>, _) = if is_stdio(&file) {
            (Box::new(io::stdin()), None)
        } else {
            let unreadable = |error: io::Error| error::io(format!("{source_name} cannot be read"), &error);
            let file = File::open(&file).map_err(unreadable)?;
            let metadata = file.metadata().map_err(unreadable)?;
            (Box::new(file), metadata.is_file().then_some(metadata.len()))
        };
        let artifact = NewArtifact::of_step(execution, step).named(artifact_type, name, mime);
        Ok(Self { artifact: NewArtifact { metadata, ..artifact }, storage, source, source_name, total })
    }

    pub async fn store(self, session: &Session) -> Result<CliExit, CliError> {
        let Self { artifact, storage, source, source_name, total } = self;
        let artifacts = session.artifacts(storage.url()).await?;
        let bar = Bar::new(session.out);
        let mut upload = artifacts.put(artifact.clone()).await?;
        let writing = async {
            let mut pieces = input::read_pieces_in_thread(source, PIECE_BYTES);
            let mut bytes = 0;
            while let Some(piece) = pieces.recv().await {
                let piece = piece.map_err(|error| error::io(format!("{source_name} cannot be read"), &error))?;
                upload.write(&piece).await?;
                bytes += piece.len() as u64;
                bar.bytes("storing", bytes, total);
            }
            Ok::<_, CliError>(bytes)
        };
        let bytes = match interrupt::run_interruptible(UPLOAD_INTERRUPTED_NOTE, writing).await {
            Ok(bytes) => bytes,
            Err(failure) => return Err(abort(upload, failure).await),
        };
        let id = interrupt::run_interruptible(FINISH_INTERRUPTED_NOTE, upload.finish()).await?;
        bar.clear();
        print_stored(session, &id, &artifact, bytes)
    }
}

/// Aborts an upload, so that its bytes may be removed at once. A further ctrl-c ends the process: an upload that does
/// not continue is abandoned anyway.
async fn abort(upload: ArtifactUpload, failure: CliError) -> CliError {
    let aborting = async {
        upload.abort().await;
        Ok::<(), CliError>(())
    };
    interrupt::run_interruptible(UPLOAD_INTERRUPTED_NOTE, aborting).await.err().unwrap_or(failure)
}

fn print_stored(session: &Session, id: &str, artifact: &NewArtifact, bytes: u64) -> Result<CliExit, CliError> {
    let NewArtifact { artifact_name, mime_type, .. } = artifact;
    if session.out.is_json() {
        session
            .out
            .value(&json!({"id": id, "artifactName": artifact_name, "mimeType": mime_type, "sizeBytes": bytes}))?;
    } else {
        session.out.line(id)?;
        let read = session.next_step(|| format!("read it with: {}", session.invocation("apps artifact get", id, "")));
        session.out.remark(&format!("{artifact_name}, {mime_type}: {} stored. {read}", format_bytes(bytes)));
    }
    Ok(CliExit::Done)
}

fn media_type(name: &str) -> &'static str {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        // In the registry of media types, these are videos.
        "ts" | "mts" | "cts" => "application/typescript",
        extension => mime_guess::from_ext(extension).first_raw().unwrap_or("application/octet-stream"),
    }
}

/// Checks where the bytes go before the store is opened.
pub fn check_target(args: &GetArtifactArgs, json: bool) -> Result<(), CliError> {
    let is_stdout = args.to.as_deref().is_none_or(is_stdio);
    if is_stdout && json {
        return Err(usage("--json and the artifact cannot both use standard output; name a file: --to FILE"));
    }
    if args.to.is_none() && io::stdout().is_terminal() {
        return Err(usage("an artifact is not printed on a terminal; name a file (--to FILE), or use --to -"));
    }
    Ok(())
}

/// Writes the bytes of an artifact to a file, which appears under its name when it is complete, or to standard output.
pub async fn get_artifact(session: &Session, args: &GetArtifactArgs) -> Result<CliExit, CliError> {
    let bar = Bar::new(session.out);
    let Some(to) = args.to.as_deref().filter(|to| !is_stdio(to)) else {
        let mut reader = open_reader(session, args).await?;
        interrupt::exit_on_ctrl_c();
        write_all(&mut reader, &mut io::stdout().lock(), "standard output", &bar).await?;
        return Ok(CliExit::Done);
    };
    let overwrite = if args.force { OverwritePolicy::Replace } else { OverwritePolicy::Keep };
    let staged = StagedExport::new(to, overwrite, SystemHost.entropy())?;
    let name = staged.name();
    let unwritable = |error: io::Error| error::io(format!("{name} cannot be written"), &error);
    let downloading = async {
        let mut reader = open_reader(session, args).await?;
        let mut file = File::options().write(true).create_new(true).open(staged.path()).map_err(unwritable)?;
        let bytes = write_all(&mut reader, &mut file, &name, &bar).await?;
        file.sync_all().map_err(unwritable)?;
        Ok::<_, CliError>((reader, bytes))
    };
    let (reader, bytes) = interrupt::run_interruptible(DOWNLOAD_INTERRUPTED_NOTE, downloading).await?;
    staged.publish()?;
    bar.clear();
    let artifact = reader.artifact();
    if session.out.is_json() {
        let (name, mime) = (&artifact.artifact_name, &artifact.mime_type);
        let to = to.display().to_string();
        session
            .out
            .value(&json!({"id": artifact.id, "artifactName": name, "mimeType": mime, "sizeBytes": bytes, "to": to}))?;
    } else {
        session.out.line(&format!("{name}: {}, {}", format_bytes(bytes), artifact.mime_type))?;
    }
    Ok(CliExit::Done)
}

async fn open_reader(session: &Session, args: &GetArtifactArgs) -> Result<ArtifactReader, CliError> {
    let artifacts = open_existing(session, &args.storage).await?;
    let reader = artifacts.read(&args.id, args.range.clone().unwrap_or(0..u64::MAX)).await;
    let hint = || "; name its storage with --artifacts URL or RUNSTATE_ARTIFACTS".to_owned();
    reader.map_err(|error| CliError::from(error).explain(ErrorCode::UNSUPPORTED, hint))
}

/// Writes the bytes of an artifact, each part once it is checked.
async fn write_all(
    reader: &mut ArtifactReader,
    target: &mut impl Write,
    name: &str,
    bar: &Bar,
) -> Result<u64, CliError> {
    let unwritable = |error: io::Error| match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::OutputClosed,
        _ => error::io(format!("{name} cannot be written"), &error),
    };
    let range = reader.range();
    let (total, mut bytes) = (range.end.saturating_sub(range.start), 0);
    while let Some(part) = reader.next().await? {
        target.write_all(&part).map_err(unwritable)?;
        bytes += part.len() as u64;
        bar.bytes("reading", bytes, Some(total));
    }
    target.flush().map_err(unwritable)?;
    Ok(bytes)
}

/// Removes the bytes that no artifact has.
pub async fn collect_artifacts(session: &Session, storage: &StorageArgs) -> Result<CliExit, CliError> {
    let artifacts = open_existing(session, storage).await?;
    let bar = Bar::with_total(session.out, "removing", 1);
    let collecting = async {
        let mut all = CollectReport::default();
        loop {
            let CollectReport { removed, elsewhere } = artifacts.collect().await?;
            all = CollectReport { removed: all.removed + removed, elsewhere };
            if removed == 0 {
                return Ok::<_, Error>(all);
            }
        }
    };
    let CollectReport { removed, elsewhere } =
        interrupt::run_interruptible(COLLECT_INTERRUPTED_NOTE, collecting).await?;
    bar.clear();
    if session.out.is_json() {
        session.out.value(&json!({"removed": removed, "elsewhere": elsewhere}))?;
        return Ok(CliExit::Done);
    }
    session.out.line(&format!("{removed} removed"))?;
    if elsewhere > 0 {
        session.out.remark(&format!("{elsewhere} are in other storages; name one with --artifacts URL"));
    }
    Ok(CliExit::Done)
}

/// Opens the artifacts for a command that stores none. It creates no directory: the name is probably mistyped.
async fn open_existing(session: &Session, storage: &StorageArgs) -> Result<Artifacts, CliError> {
    if let Some(directory) = storage.url().and_then(|url| url.strip_prefix("local:"))
        && !directory.starts_with('~')
        && !Path::new(directory).is_dir()
    {
        return Err(
            Error::new(ErrorCode::IO, format!("the directory {directory} of --artifacts does not exist")).into()
        );
    }
    Ok(session.artifacts(storage.url()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_of_a_file_is_guessed_from_its_name() {
        let types = ["page.png", "A.JPG", "make.log", "notes.md", "data.json", "review.ts", "x.unknown", "none", ".md"];
        insta::assert_snapshot!(types.map(|name| format!("{name}: {}", media_type(name))).join("\n"), @"
        page.png: image/png
        A.JPG: image/jpeg
        make.log: text/plain
        notes.md: text/markdown
        data.json: application/json
        review.ts: application/typescript
        x.unknown: application/octet-stream
        none: application/octet-stream
        .md: application/octet-stream
        ");
    }
}
