//! The file system of Node, over `node:fs`: the extension host of VS Code and plain Node share a directory with native
//! processes. `pkg/src/node/files.ts` makes the calls of Node. The rules are the same as natively, but Node has no
//! rename that does not replace.

mod binding;
mod file;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::iter;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_timer::Delay;
use js_sys::Reflect;
use wasm_bindgen::{JsCast, JsValue};

use self::binding::{Mounts, from_js_number};
use self::file::NodeFile;
use super::fs::{Fs, FsError, FsKind, Pieces, RandomAccessFile, Reason};
use super::mounts::fs_kind_from_mounts;
use crate::marker::BoxFuture;
use crate::time::Millis;

pub use self::binding::NodeFiles;

thread_local! {
    /// The file calls of this host, a global like `crypto` and `setTimeout`; a page has none.
    static FILES: RefCell<Option<NodeFiles>> = const { RefCell::new(None) };
}

/// The file system of the Node process that this WebAssembly runs in.
#[derive(Clone, Debug)]
pub struct NodeFs {
    files: NodeFiles,
    root: String,
    single_process: bool,
    /// Set after the first refusal: this file system has no hard links.
    no_links: Cell<bool>,
}

impl NodeFs {
    /// Sets the file calls of all later stores: the object of `pkg/src/node/files.ts`.
    pub fn set_host_files(files: Option<NodeFiles>) {
        FILES.set(files);
    }

    /// Returns the file system under `root`, or `None` in a host without files, such as a page. With `single_process`
    /// the caller promises that no other process uses the store. The store then works without hard links.
    pub fn new(root: impl Into<String>, single_process: bool) -> Option<Self> {
        let files = FILES.with_borrow(Clone::clone)?;
        Some(Self { files, root: root.into(), single_process, no_links: Cell::new(false) })
    }

    fn full_path(&self, path: &str) -> String {
        if path.is_empty() { self.root.clone() } else { format!("{}/{path}", self.root.trim_end_matches('/')) }
    }

    fn fs_error(&self, call: &'static str, path: &str) -> impl FnOnce(JsValue) -> FsError {
        let path = self.full_path(path);
        move |e| fs_error_from_js(&e, call, path)
    }

    /// Rule 11: a hard link. Node has no rename that does not replace, so without hard links only a single process may
    /// continue.
    ///
    /// Known as: exclusive creation (`O_EXCL`); atomic publication (`linkat`).
    async fn link(&self, from: &str, to: &str) -> Result<(), FsError> {
        let (source, target) = (self.full_path(from), self.full_path(to));
        if !self.no_links.get() {
            let refused = match self.files.link(&source, &target) {
                Ok(()) => return Ok(()),
                Err(e) => e,
            };
            if !is_link_unsupported(&refused) {
                return Err(fs_error_from_js(&refused, "link", target));
            }
            if !self.single_process {
                return Err(FsError { reason: Reason::Unsupported, ..fs_error_from_js(&refused, "link", target) });
            }
        }
        match self.size(to).await {
            // No other process uses the store, so no name can be taken between the check and the rename.
            Err(e) if e.is_missing() => {}
            Ok(_) => {
                let why = "the name exists".to_owned();
                return Err(FsError { reason: Reason::Exists, call: "link", path: target, why });
            }
            Err(e) => return Err(FsError { call: "link", ..e }),
        }
        self.files.rename(&source, &target).await.map_err(self.fs_error("link", to))?;
        self.no_links.set(true);
        Ok(())
    }

    /// Writes and syncs a new file. After an error an unfinished file remains.
    async fn write_pieces(
        &self,
        path: &str,
        pieces: impl Iterator<Item = Result<Cow<'_, [u8]>, FsError>>,
    ) -> Result<(), FsError> {
        let file = NodeFile::new(
            self.files.create(&self.full_path(path)).map_err(self.fs_error("write", path))?,
            self.full_path(path),
        );
        for piece in pieces {
            file.write(&piece?).await?;
        }
        file.sync().await
    }

    fn open(&self, path: &str) -> Result<NodeFile, FsError> {
        Ok(NodeFile::new(
            self.files.open(&self.full_path(path)).map_err(self.fs_error("open", path))?,
            self.full_path(path),
        ))
    }
}

impl Fs for NodeFs {
    fn root(&self) -> String {
        self.root.clone()
    }

    fn kind(&self) -> BoxFuture<'_, Result<FsKind, FsError>> {
        Box::pin(async move {
            let mounts = self.files.mounts(&self.root).await.map_err(self.fs_error("look at", ""))?;
            let mounts: Mounts = mounts.unchecked_into();
            Ok(fs_kind_from_mounts(&mounts.table(), Path::new(&mounts.at())))
        })
    }

    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move {
            self.files.make_folder(&self.full_path(path)).await.map_err(self.fs_error("make folder", path))
        })
    }

    fn put_temp<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.write_pieces(path, iter::once(Ok(Cow::Borrowed(bytes)))))
    }

    fn put_pieces<'a>(&'a self, path: &'a str, mut pieces: Box<dyn Pieces>) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.write_pieces(path, iter::from_fn(move || Some(pieces.next()?.map(Cow::Owned)))))
    }

    fn sync_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move {
            let synced = self.files.sync_folder(&self.full_path(path), path.is_empty()).await;
            synced.map_err(self.fs_error("sync folder", path))
        })
    }

    fn link_new<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.link(from, to))
    }

    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<String>, FsError>> {
        Box::pin(async move { self.files.list(&self.full_path(path)).map_err(self.fs_error("list", path)) })
    }

    fn read<'a>(&'a self, path: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<Vec<u8>, FsError>> {
        Box::pin(async move {
            let file = self.open(path)?;
            file.read(range.unwrap_or(0..u64::MAX)).await
        })
    }

    fn open_file<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Arc<dyn RandomAccessFile>, FsError>> {
        Box::pin(async move {
            #[allow(
                clippy::arc_with_non_send_sync,
                reason = "the port shares sources by Arc; here they stay on one thread"
            )]
            let source = Arc::new(self.open(path)?);
            Ok(source as Arc<dyn RandomAccessFile>)
        })
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move { self.files.remove(&self.full_path(path)).map_err(self.fs_error("remove", path)) })
    }

    fn size<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, FsError>> {
        Box::pin(async move {
            self.files.size(&self.full_path(path)).map(from_js_number).map_err(self.fs_error("look at", path))
        })
    }

    fn entropy(&self) -> Result<[u8; 16], FsError> {
        let mut bytes = [0; 16];
        binding::random_values(&mut bytes).map_err(self.fs_error("generate random bytes", ""))?;
        Ok(bytes)
    }

    fn pause(&self, span: Millis) -> BoxFuture<'_, ()> {
        Box::pin(Delay::new(Duration::from_millis(u64::try_from(span.0).unwrap_or(0))))
    }

    fn spawn(&self, work: BoxFuture<'static, ()>) -> Option<BoxFuture<'static, ()>> {
        wasm_bindgen_futures::spawn_local(work);
        None
    }
}

fn fs_error_from_js(e: &JsValue, call: &'static str, path: String) -> FsError {
    let text = |name: &str| Reflect::get(e, &name.into()).ok().and_then(|value| value.as_string());
    let why = text("message").or_else(|| e.as_string()).unwrap_or_else(|| format!("{e:?}"));
    FsError { reason: text("code").map_or(Reason::Other, |code| reason(&code)), call, path, why }
}

/// Maps an error code of Node, as `native.rs` maps the errors of `std`.
fn reason(code: &str) -> Reason {
    match code {
        "ENOENT" => Reason::Missing,
        "EEXIST" => Reason::Exists,
        "ENOSPC" | "EDQUOT" => Reason::Full,
        "EACCES" | "EPERM" => Reason::Denied,
        "EROFS" => Reason::ReadOnly,
        "ENOTDIR" => Reason::NotFolder,
        "ENOTSUP" | "EOPNOTSUPP" | "ENOSYS" => Reason::Unsupported,
        _ => Reason::Other,
    }
}

/// Whether a link failed because the file system has no hard links. vfat returns "not permitted" for the user's own
/// file. Windows reports an unknown function on exFAT, which Node maps to an operation on a folder.
fn is_link_unsupported(e: &JsValue) -> bool {
    let code = Reflect::get(e, &"code".into()).ok().and_then(|code| code.as_string());
    matches!(code.as_deref(), Some("EPERM" | "ENOTSUP" | "EOPNOTSUPP" | "ENOSYS" | "EISDIR"))
}
