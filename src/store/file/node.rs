//! The file store's calls on `node:fs`: VS Code's extension host and plain Node share a directory with native processes. What Node is
//! asked for stands in `node/files.rs`; the rules are the same as natively, but that Node cannot rename without replacing.

mod file;
mod files;

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

use self::file::File;
use self::files::{Mounts, count};
use super::fs::{Fs, FsError, Kind, Pieces, Reason, Source};
use super::mounts::kind_in;
use crate::marker::BoxFuture;
use crate::time::Millis;

pub use self::files::NodeFiles;

thread_local! {
    /// The files of this host, as `crypto` and `setTimeout` are its others; a page has none.
    static FILES: RefCell<Option<NodeFiles>> = const { RefCell::new(None) };
}

/// The files of the Node process that this WebAssembly runs in.
#[derive(Clone, Debug)]
pub struct NodeFs {
    files: NodeFiles,
    root: String,
    single_process: bool,
    /// Learnt from the first refusal: hard links are missing here.
    no_links: Cell<bool>,
}

impl NodeFs {
    /// Tells where the calls of all later stores go: the object of `pkg/src/node/files.ts`.
    pub fn provide(files: Option<NodeFiles>) {
        FILES.set(files);
    }

    /// The files under `root`; `None` in a host that has provided none, such as a page. With `single_process` the caller promises
    /// that nobody else uses the store meanwhile, and a store can then stand where files cannot be linked.
    pub fn new(root: impl Into<String>, single_process: bool) -> Option<Self> {
        let files = FILES.with_borrow(Clone::clone)?;
        Some(Self { files, root: root.into(), single_process, no_links: Cell::new(false) })
    }

    fn at(&self, path: &str) -> String {
        if path.is_empty() { self.root.clone() } else { format!("{}/{path}", self.root.trim_end_matches('/')) }
    }

    fn fail(&self, call: &'static str, path: &str) -> impl FnOnce(JsValue) -> FsError {
        let path = self.at(path);
        move |e| failure(&e, call, path)
    }

    /// Rule 11: a link where there are links. Where there are none Node has no rename that refuses to replace; so only a process that is
    /// promised to be alone goes on.
    async fn link(&self, from: &str, to: &str) -> Result<(), FsError> {
        let (source, target) = (self.at(from), self.at(to));
        if !self.no_links.get() {
            let refused = match self.files.link(&source, &target) {
                Ok(()) => return Ok(()),
                Err(e) => e,
            };
            if !links_are_missing(&refused) {
                return Err(failure(&refused, "link", target));
            }
            if !self.single_process {
                return Err(FsError { reason: Reason::Unsupported, ..failure(&refused, "link", target) });
            }
        }
        match self.size(to).await {
            // Nobody else is here, so nobody can take the name between the question and the rename.
            Err(e) if e.missing() => {}
            Ok(_) => {
                let why = "the name is taken".to_owned();
                return Err(FsError { reason: Reason::Exists, call: "link", path: target, why });
            }
            Err(e) => return Err(FsError { call: "link", ..e }),
        }
        self.files.rename(&source, &target).await.map_err(self.fail("link", to))?;
        self.no_links.set(true);
        Ok(())
    }

    /// A file that is written whole or left behind unfinished.
    async fn write_pieces(
        &self,
        path: &str,
        pieces: impl Iterator<Item = Result<Cow<'_, [u8]>, FsError>>,
    ) -> Result<(), FsError> {
        let file = File::new(self.files.create(&self.at(path)).map_err(self.fail("write", path))?, self.at(path));
        for piece in pieces {
            file.write(&piece?).await?;
        }
        file.sync().await
    }

    fn open(&self, path: &str) -> Result<File, FsError> {
        Ok(File::new(self.files.open(&self.at(path)).map_err(self.fail("open", path))?, self.at(path)))
    }
}

impl Fs for NodeFs {
    fn root(&self) -> String {
        self.root.clone()
    }

    fn kind(&self) -> BoxFuture<'_, Result<Kind, FsError>> {
        Box::pin(async move {
            let mounts = self.files.mounts(&self.root).await.map_err(self.fail("look at", ""))?;
            let mounts: Mounts = mounts.unchecked_into();
            Ok(kind_in(&mounts.table(), Path::new(&mounts.at())))
        })
    }

    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move { self.files.make_folder(&self.at(path)).await.map_err(self.fail("make folder", path)) })
    }

    fn put_temp<'a>(&'a self, path: &'a str, bytes: &'a [u8]) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.write_pieces(path, iter::once(Ok(Cow::Borrowed(bytes)))))
    }

    fn put_pieces<'a>(&'a self, path: &'a str, mut pieces: Box<dyn Pieces>) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.write_pieces(path, iter::from_fn(move || Some(pieces.next()?.map(Cow::Owned)))))
    }

    fn sync_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move {
            let synced = self.files.sync_folder(&self.at(path), path.is_empty()).await;
            synced.map_err(self.fail("sync folder", path))
        })
    }

    fn link_new<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(self.link(from, to))
    }

    fn list<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Vec<String>, FsError>> {
        Box::pin(async move { self.files.list(&self.at(path)).map_err(self.fail("list", path)) })
    }

    fn read<'a>(&'a self, path: &'a str, range: Option<Range<u64>>) -> BoxFuture<'a, Result<Vec<u8>, FsError>> {
        Box::pin(async move {
            let file = self.open(path)?;
            file.read(range.unwrap_or(0..u64::MAX)).await
        })
    }

    fn source<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Arc<dyn Source>, FsError>> {
        Box::pin(async move {
            #[allow(
                clippy::arc_with_non_send_sync,
                reason = "the port shares sources by Arc; here they stay on one thread"
            )]
            let source = Arc::new(self.open(path)?);
            Ok(source as Arc<dyn Source>)
        })
    }

    fn remove<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move { self.files.remove(&self.at(path)).map_err(self.fail("remove", path)) })
    }

    fn size<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<u64, FsError>> {
        Box::pin(async move { self.files.size(&self.at(path)).map(count).map_err(self.fail("look at", path)) })
    }

    fn entropy(&self) -> Result<[u8; 16], FsError> {
        let mut bytes = [0; 16];
        files::random_values(&mut bytes).map_err(self.fail("ask for randomness", ""))?;
        Ok(bytes)
    }

    fn pause(&self, span: Millis) -> BoxFuture<'_, ()> {
        Box::pin(Delay::new(Duration::from_millis(u64::try_from(span.0).unwrap_or(0))))
    }

    fn background(&self, work: BoxFuture<'static, ()>) -> Option<BoxFuture<'static, ()>> {
        wasm_bindgen_futures::spawn_local(work);
        None
    }
}

fn failure(e: &JsValue, call: &'static str, path: String) -> FsError {
    let text = |name: &str| Reflect::get(e, &name.into()).ok().and_then(|value| value.as_string());
    let why = text("message").or_else(|| e.as_string()).unwrap_or_else(|| format!("{e:?}"));
    FsError { reason: text("code").map_or(Reason::Other, |code| reason(&code)), call, path, why }
}

/// What a code of Node means; as `native.rs` reads the errors of std.
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

/// Whether a link failed because the file system has none. vfat says "not permitted" of a file that is our own, and Windows
/// reports an unknown function on exFAT, which Node takes for an operation on a folder.
fn links_are_missing(e: &JsValue) -> bool {
    let code = Reflect::get(e, &"code".into()).ok().and_then(|code| code.as_string());
    matches!(code.as_deref(), Some("EPERM" | "ENOTSUP" | "EOPNOTSUPP" | "ENOSYS" | "EISDIR"))
}
