//! The file system of Node, over `node:fs`: the extension host of VS Code and plain Node share a directory with native
//! processes. The rules are the same as natively, but Node has no rename that does not replace. The npm package
//! provides the calls (`pkg/src/node/files.ts`); paths include the store's folder, and errors are Node's, with a
//! `code`. Short calls are synchronous, and long ones run on another thread of Node (`docs/decisions/0004` has the
//! measurements).

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::iter;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_timer::Delay;
use js_sys::{Reflect, Uint8Array};
use runstate_core::marker::BoxFuture;
use runstate_value::time::Millis;
use wasm_bindgen::prelude::*;
use wasm_bindgen::{JsCast, JsValue};

use super::fs::{Fs, FsError, FsKind, Pieces, RandomAccessFile, Reason};
use super::mounts::fs_kind_from_mounts;

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
            let mounts = self.files.mounts(&self.root).await.map_err(self.fs_error("read mounts of", ""))?;
            let mounts: Mounts = mounts.unchecked_into();
            Ok(fs_kind_from_mounts(&mounts.table(), Path::new(&mounts.at())))
        })
    }

    fn make_folder<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(
            async move { self.files.make_folder(&self.full_path(path)).await.map_err(self.fs_error("mkdir", path)) },
        )
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
            self.files.size(&self.full_path(path)).map(from_js_number).map_err(self.fs_error("stat", path))
        })
    }

    fn entropy(&self) -> Result<[u8; 16], FsError> {
        runstate_js::random_bytes().map_err(self.fs_error("read random bytes", ""))
    }

    fn pause(&self, duration: Millis) -> BoxFuture<'_, ()> {
        Box::pin(Delay::new(Duration::from_millis(u64::try_from(duration.0).unwrap_or(0))))
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

#[wasm_bindgen]
extern "C" {
    /// The file calls of the host: the object of `pkg/src/node/files.ts`, which describes each call.
    #[derive(Clone, Debug)]
    pub type NodeFiles;

    #[wasm_bindgen(method, catch, js_name = makeFolder)]
    pub(super) async fn make_folder(this: &NodeFiles, path: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn create(this: &NodeFiles, path: &str) -> Result<OpenFile, JsValue>;

    #[wasm_bindgen(method, catch, js_name = syncFolder)]
    pub(super) async fn sync_folder(this: &NodeFiles, path: &str, and_above: bool) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn link(this: &NodeFiles, from: &str, to: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn rename(this: &NodeFiles, from: &str, to: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn list(this: &NodeFiles, path: &str) -> Result<Vec<String>, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn remove(this: &NodeFiles, path: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn size(this: &NodeFiles, path: &str) -> Result<f64, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn open(this: &NodeFiles, path: &str) -> Result<OpenFile, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn mounts(this: &NodeFiles, path: &str) -> Result<JsValue, JsValue>;

    /// An open file, as [`NodeFiles::create`] and [`NodeFiles::open`] return it.
    #[derive(Debug)]
    pub(super) type OpenFile;

    #[wasm_bindgen(method, getter)]
    pub(super) fn size(this: &OpenFile) -> f64;

    #[wasm_bindgen(method, catch)]
    pub(super) fn read(this: &OpenFile, offset: f64, length: f64) -> Result<Vec<u8>, JsValue>;

    #[wasm_bindgen(method, catch, js_name = readLong)]
    pub(super) async fn read_long(this: &OpenFile, offset: f64, into: Uint8Array) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn write(this: &OpenFile, bytes: &[u8]) -> Result<f64, JsValue>;

    #[wasm_bindgen(method, catch, js_name = writeLong)]
    pub(super) async fn write_long(this: &OpenFile, bytes: Uint8Array) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn sync(this: &OpenFile) -> Result<(), JsValue>;

    #[wasm_bindgen(method)]
    pub(super) fn close(this: &OpenFile);

    /// The result of [`NodeFiles::mounts`].
    pub(super) type Mounts;

    #[wasm_bindgen(method, getter)]
    pub(super) fn at(this: &Mounts) -> String;

    #[wasm_bindgen(method, getter)]
    pub(super) fn table(this: &Mounts) -> String;
}

/// Converts a byte count to a JavaScript number.
#[expect(clippy::cast_precision_loss, reason = "files are far smaller than 2^53 bytes")]
pub fn to_js_number(n: u64) -> f64 {
    n as f64
}

/// Converts a JavaScript number to a byte count; an invalid number gives 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, and files are small")]
pub fn from_js_number(n: f64) -> u64 {
    n as u64
}

/// Maximum bytes of a synchronous call, which takes the JavaScript thread about 30 µs.
const MAX_SYNC_BYTES: usize = 65_536;

/// Bytes of one asynchronous call, copied into a buffer of JavaScript. One buffer serves a whole read or write, because
/// JavaScript collects such buffers late.
const CHUNK_BYTES: usize = 262_144;

/// An open file. Dropping it closes it.
#[derive(Debug)]
pub struct NodeFile {
    file: OpenFile,
    path: String,
}

impl NodeFile {
    pub fn new(file: OpenFile, path: String) -> Self {
        Self { file, path }
    }

    /// Appends bytes.
    pub async fn write(&self, bytes: &[u8]) -> Result<(), FsError> {
        let buffer = buffer_for(bytes.len());
        let mut remaining = bytes;
        while !remaining.is_empty() {
            let written = match &buffer {
                None => self.file.write(remaining).map(Some),
                Some(buffer) => {
                    let piece = &remaining[..remaining.len().min(CHUNK_BYTES)];
                    let buffer = buffer.subarray(0, to_u32(piece.len()));
                    buffer.copy_from(piece);
                    self.file.write_long(buffer).await.map(|written| written.as_f64())
                }
            };
            match byte_count(written.map_err(self.fs_error("write"))?) {
                0 => return Err(self.other_error("write", "the system wrote none of the bytes".to_owned())),
                written => remaining = remaining.get(written..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// Syncs the file: the written bytes then survive a power failure.
    pub async fn sync(&self) -> Result<(), FsError> {
        self.file.sync().await.map_err(self.fs_error("write"))
    }

    /// Reads `range`, or the part of it that the file has.
    pub async fn read(&self, range: Range<u64>) -> Result<Vec<u8>, FsError> {
        let length = byte_count(Some(to_js_number(range.end.min(self.size()).saturating_sub(range.start))));
        let mut bytes = Vec::with_capacity(length);
        let buffer = buffer_for(length);
        while bytes.len() < length {
            let (offset, missing) = (range.start + bytes.len() as u64, length - bytes.len());
            let read = match &buffer {
                None => self.read_piece(offset, missing)?,
                Some(buffer) => {
                    let buffer = buffer.subarray(0, to_u32(missing.min(CHUNK_BYTES)));
                    let read = self.file.read_long(to_js_number(offset), buffer.clone()).await;
                    let read = byte_count(read.map_err(self.fs_error("read"))?.as_f64());
                    runstate_js::to_bytes(&buffer.subarray(0, to_u32(read)))
                }
            };
            if read.is_empty() {
                break;
            }
            bytes.extend(read);
        }
        Ok(bytes)
    }

    /// Reads at most `length` bytes; none: the file ends at `offset`.
    fn read_piece(&self, offset: u64, length: usize) -> Result<Vec<u8>, FsError> {
        self.file.read(to_js_number(offset), to_js_number(length as u64)).map_err(self.fs_error("read"))
    }

    fn other_error(&self, call: &'static str, why: String) -> FsError {
        FsError { reason: Reason::Other, call, path: self.path.clone(), why }
    }

    fn fs_error(&self, call: &'static str) -> impl FnOnce(JsValue) -> FsError {
        move |e| fs_error_from_js(&e, call, self.path.clone())
    }
}

impl RandomAccessFile for NodeFile {
    fn size(&self) -> u64 {
        from_js_number(self.file.size())
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, FsError> {
        let too_early = |missing: u64| self.other_error("read", format!("the file ends {missing} bytes too early"));
        // A length from a damaged file must not exhaust the memory.
        let missing = (length as u64).saturating_sub(self.size().saturating_sub(offset));
        if missing > 0 {
            return Err(too_early(missing));
        }
        let mut bytes = self.read_piece(offset, length)?;
        while bytes.len() < length {
            let missing = length - bytes.len();
            match self.read_piece(offset + bytes.len() as u64, missing)? {
                read if read.is_empty() => return Err(too_early(missing as u64)),
                read => bytes.extend(read),
            }
        }
        Ok(bytes)
    }
}

impl Drop for NodeFile {
    fn drop(&mut self) {
        self.file.close();
    }
}

/// Returns the buffer for asynchronous calls, or `None` if the bytes are few and the call is synchronous. WebAssembly
/// memory can move during an asynchronous call, so JavaScript gets no view into it.
fn buffer_for(bytes: usize) -> Option<Uint8Array> {
    (bytes > MAX_SYNC_BYTES).then(|| Uint8Array::new_with_length(to_u32(bytes.min(CHUNK_BYTES))))
}

fn to_u32(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Converts the byte count that a call returned.
fn byte_count(bytes: Option<f64>) -> usize {
    usize::try_from(bytes.map_or(0, from_js_number)).unwrap_or(usize::MAX)
}
