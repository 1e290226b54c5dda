//! The calls that differ between operating systems.

/// Makes names in a folder durable, and reads at an offset of a file, on Unix.
#[cfg(unix)]
pub mod folder {
    use std::fs::File;
    use std::io::{self, ErrorKind};
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    /// Syncs the names in a folder.
    ///
    /// Known as: durable directory entries (`fsync` of the parent folder).
    pub fn sync(folder: &Path) -> io::Result<()> {
        let opened = File::open(folder)?;
        if !opened.metadata()?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        opened.sync_all()
    }

    /// Syncs the folders above `folder`: another process may have just created them without a sync yet. A folder that
    /// this process may not open was created by another user, long before.
    pub fn sync_ancestors(folder: &Path) -> io::Result<()> {
        let folder = folder.canonicalize()?;
        for above in folder.ancestors().skip(1) {
            match sync(above) {
                Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {}
                // Some kernels refuse to sync folders of special file systems; a store's own folder is never on one.
                Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// Fills `bytes` from the file, starting at `offset`.
    pub fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        file.read_exact_at(bytes, offset)
    }
}

/// The same calls for systems whose folders cannot be synced (Windows). The journal of NTFS orders names, so no call is
/// needed.
#[cfg(not(unix))]
pub mod folder {
    use std::fs::File;
    use std::io::{self, ErrorKind};
    use std::os::windows::fs::FileExt;
    use std::path::Path;

    /// Checks that the folder exists.
    pub fn sync(folder: &Path) -> io::Result<()> {
        std::fs::metadata(folder).map(|_| ())
    }

    /// Does nothing.
    pub fn sync_ancestors(_: &Path) -> io::Result<()> {
        Ok(())
    }

    /// Fills `bytes` from the file, starting at `offset`.
    pub fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match file.seek_read(bytes, offset)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => {
                    bytes = &mut bytes[read..];
                    offset += read as u64;
                }
            }
        }
        Ok(())
    }
}

/// Rename without replacing (`renameat2` with `RENAME_NOREPLACE`): creates a name only once on file systems without
/// hard links (vfat, exFAT). `std` lacks the call; `rustix` makes it without `unsafe` here. Record:
/// `docs/decisions/0001`.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub mod rename {
    use std::io;
    use std::path::Path;

    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;

    /// Renames `from` to `to`. Fails if `to` exists, and with `Unsupported` or `InvalidInput` if the file system lacks
    /// the call.
    pub fn rename_no_replace(from: &Path, to: &Path) -> io::Result<()> {
        renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(|errno| match errno {
            Errno::NOSYS | Errno::NOTSUP => io::ErrorKind::Unsupported.into(),
            other => other.into(),
        })
    }
}

/// The same call for systems whose rename always replaces: it is not offered.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub mod rename {
    use std::io;
    use std::path::Path;

    /// Returns `Unsupported`.
    pub fn rename_no_replace(_: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
