//! An open file in Node. Short calls are synchronous, and long ones run on another thread of Node;
//! `docs/decisions/0004` has the measurements.

use std::ops::Range;

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;

use super::binding::{OpenFile, from_js_number, to_js_number};
use super::fs_error_from_js;
use crate::store::file::fs::{FsError, RandomAccessFile, Reason};

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
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = match &buffer {
                None => self.file.write(rest).map(Some),
                Some(buffer) => {
                    let piece = &rest[..rest.len().min(CHUNK_BYTES)];
                    let buffer = buffer.subarray(0, len_u32(piece));
                    buffer.copy_from(piece);
                    self.file.write_long(buffer).await.map(|written| written.as_f64())
                }
            };
            match byte_count(written.map_err(self.fs_error("write"))?) {
                0 => return Err(self.other_error("write", "the system wrote none of the bytes".to_owned())),
                written => rest = rest.get(written..).unwrap_or_default(),
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
        let mut bytes = vec![0; byte_count(Some(to_js_number(range.end.min(self.size()).saturating_sub(range.start))))];
        let buffer = buffer_for(bytes.len());
        let mut done = 0;
        while done < bytes.len() {
            let (offset, rest) = (to_js_number(range.start + done as u64), &mut bytes[done..]);
            let read = match &buffer {
                None => self.file.read(offset, rest).map(Some),
                Some(buffer) => {
                    let piece = rest.len().min(CHUNK_BYTES);
                    let rest = &mut rest[..piece];
                    let buffer = buffer.subarray(0, len_u32(rest));
                    let read = self.file.read_long(offset, buffer.clone()).await.map(|read| read.as_f64());
                    buffer.copy_to(rest);
                    read
                }
            };
            match byte_count(read.map_err(self.fs_error("read"))?) {
                0 => break,
                read => done += read,
            }
        }
        bytes.truncate(done);
        Ok(bytes)
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
        let mut bytes = vec![0; length];
        let mut done = 0;
        while done < length {
            let read = self
                .file
                .read(to_js_number(offset + done as u64), &mut bytes[done..])
                .map_err(self.fs_error("read"))?;
            match byte_count(Some(read)) {
                0 => return Err(too_early((length - done) as u64)),
                read => done += read,
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
    (bytes > MAX_SYNC_BYTES)
        .then(|| Uint8Array::new_with_length(u32::try_from(bytes.min(CHUNK_BYTES)).unwrap_or(u32::MAX)))
}

fn len_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Converts the byte count that a call returned.
fn byte_count(bytes: Option<f64>) -> usize {
    usize::try_from(bytes.map_or(0, from_js_number)).unwrap_or(usize::MAX)
}
