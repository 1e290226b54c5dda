//! Writing a file: all of it or nothing, and folders on the way to it.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use runstate::value::json_bytes;

use super::read::{open, plain};
use super::refused::{Fault, too_large};
use super::{TEXT_BYTES, modes};

/// Around the name of what is only being written. Short, since the longest names leave no room for more.
const DRAFT: (&str, &str) = (".runstate-", ".draft");

/// Writes `text` as the file at `path`. Whoever reads it finds the former text or this one, also after a loss of power.
pub(super) fn text(root: &Dir, path: &Path, text: &str) -> Result<(), Fault> {
    let bytes = json_bytes(text);
    if bytes > TEXT_BYTES {
        return Err(too_large(&format!("{bytes} bytes as JSON"), TEXT_BYTES));
    }
    let former = former(root, path)?;
    // As everywhere a link stands for the file it leads to; renaming would replace the link.
    let led = match &former {
        Some(_) if root.symlink_metadata(path)?.is_symlink() => Some(root.canonicalize(path)?),
        _ => None,
    };
    let path = led.as_deref().unwrap_or(path);
    let name = path.file_name().ok_or_else(|| Fault::Unfit("the path is that of a folder".to_owned()))?;
    let folder = folder(root, above(path))?;
    let mut draft = Draft::new(&folder)?;
    // Before anything is in it that not everybody may read.
    if let Some(former) = &former {
        modes::keep(&draft.file, former)?;
    }
    draft.file.write_all(text.as_bytes())?;
    draft.file.sync_all()?;
    draft.publish(Path::new(name))?;
    Ok(sync(&folder)?)
}

/// What is known of the file that is to be replaced.
fn former(root: &Dir, path: &Path) -> Result<Option<Metadata>, Fault> {
    match root.metadata(path) {
        Ok(known) => plain(&known)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let dangling = root.symlink_metadata(path).is_ok_and(|known| known.is_symlink());
            let nowhere = || Fault::Unfit("it is a link that leads nowhere".to_owned());
            return if dangling { Err(nowhere()) } else { Ok(None) };
        }
        Err(error) => return Err(error.into()),
    };
    // Replacing asks for rights on the folder alone; that the file may be written is for the system to say.
    let (_, known) = open(root, path, OpenOptions::new().write(true))?;
    Ok(Some(known))
}

/// The folder at `path`. What is missing of it is made, and made to last.
fn folder(root: &Dir, path: &Path) -> io::Result<Dir> {
    let mut missing = Vec::new();
    let mut at = path;
    loop {
        match root.open_dir(at) {
            Err(error) if error.kind() == ErrorKind::NotFound && at != Path::new(".") => missing.push(at),
            Err(error) => return Err(error),
            Ok(dir) if missing.is_empty() => return Ok(dir),
            Ok(_) => break,
        }
        at = above(at);
    }
    // `new/..` is there as soon as `new` is.
    for path in missing.into_iter().rev().filter(|path| path.file_name().is_some()) {
        match root.create_dir(path) {
            Ok(()) => sync(&root.open_dir(above(path))?)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    root.open_dir(path)
}

/// The path of the folder that holds `path`.
fn above(path: &Path) -> &Path {
    path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable.
fn sync(folder: &Dir) -> io::Result<()> {
    match modes::of_names(folder).map(|names| names.sync_all()) {
        // File systems that cannot do this say so; they have nothing better.
        Some(Err(error)) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Err(error),
        _ => Ok(()),
    }
}

/// Whether a file is only being written, or was when its writer died.
pub(super) fn is_draft(name: &str) -> bool {
    name.starts_with(DRAFT.0) && name.ends_with(DRAFT.1)
}

/// A file that is being written. It is removed unless it was published.
struct Draft<'f> {
    folder: &'f Dir,
    name: String,
    file: File,
    published: bool,
}

impl<'f> Draft<'f> {
    fn new(folder: &'f Dir) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let name = format!("{}{}-{}{}", DRAFT.0, process::id(), COUNT.fetch_add(1, Ordering::Relaxed), DRAFT.1);
            match folder.open_with(&name, OpenOptions::new().write(true).create_new(true)) {
                Ok(file) => return Ok(Self { folder, name, file, published: false }),
                // Of a process that died, or of another machine that shares the folder.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn publish(mut self, name: &Path) -> io::Result<()> {
        self.folder.rename(&self.name, self.folder, name)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.published {
            // It is not listed, so what cannot be removed is in nobody's way.
            let _ = self.folder.remove_file(&self.name);
        }
    }
}
