//! A file that is open in Node.

use std::ops::Range;

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;

use super::failure;
use super::files::{OpenFile, count, number};
use crate::store::file::fs::{FsError, Reason, Source};

/// Up to so many bytes are read or written on JavaScript's own thread, in about 30 µs.
const SHORT: usize = 65_536;

/// Bytes in one trip to another thread. They are copied into a buffer of JavaScript. One buffer serves a whole read or write, because
/// JavaScript collects such buffers late.
const PIECE: usize = 262_144;

/// An open file. Dropping it closes it.
#[derive(Debug)]
pub struct File {
    file: OpenFile,
    path: String,
}

impl File {
    pub fn new(file: OpenFile, path: String) -> Self {
        Self { file, path }
    }

    /// Adds bytes at the end.
    pub async fn write(&self, bytes: &[u8]) -> Result<(), FsError> {
        let buffer = buffer_for(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = match &buffer {
                None => self.file.write(rest).map(Some),
                Some(buffer) => {
                    let piece = &rest[..rest.len().min(PIECE)];
                    let buffer = buffer.subarray(0, length(piece));
                    buffer.copy_from(piece);
                    self.file.write_long(buffer).await.map(|written| written.as_f64())
                }
            };
            match index(written.map_err(self.fail("write"))?) {
                0 => return Err(self.wrong("write", "the system took none of the bytes".to_owned())),
                written => rest = rest.get(written..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// What was written survives the loss of power afterwards.
    pub async fn sync(&self) -> Result<(), FsError> {
        self.file.sync().await.map_err(self.fail("write"))
    }

    /// The bytes of `range`, as many as there are.
    pub async fn read(&self, range: Range<u64>) -> Result<Vec<u8>, FsError> {
        let mut bytes = vec![0; index(Some(number(range.end.min(self.size()).saturating_sub(range.start))))];
        let buffer = buffer_for(bytes.len());
        let mut done = 0;
        while done < bytes.len() {
            let (offset, rest) = (number(range.start + done as u64), &mut bytes[done..]);
            let read = match &buffer {
                None => self.file.read(offset, rest).map(Some),
                Some(buffer) => {
                    let piece = rest.len().min(PIECE);
                    let rest = &mut rest[..piece];
                    let buffer = buffer.subarray(0, length(rest));
                    let read = self.file.read_long(offset, buffer.clone()).await.map(|read| read.as_f64());
                    buffer.copy_to(rest);
                    read
                }
            };
            match index(read.map_err(self.fail("read"))?) {
                0 => break,
                read => done += read,
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    fn wrong(&self, call: &'static str, why: String) -> FsError {
        FsError { reason: Reason::Other, call, path: self.path.clone(), why }
    }

    fn fail(&self, call: &'static str) -> impl FnOnce(JsValue) -> FsError {
        move |e| failure(&e, call, self.path.clone())
    }
}

impl Source for File {
    fn size(&self) -> u64 {
        count(self.file.size())
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, FsError> {
        let too_early = |missing: u64| self.wrong("read", format!("the file ends {missing} bytes too early"));
        // What a damaged file says of lengths must not fill the memory.
        let missing = (length as u64).saturating_sub(self.size().saturating_sub(offset));
        if missing > 0 {
            return Err(too_early(missing));
        }
        let mut bytes = vec![0; length];
        let mut done = 0;
        while done < length {
            let read = self.file.read(number(offset + done as u64), &mut bytes[done..]).map_err(self.fail("read"))?;
            match index(Some(read)) {
                0 => return Err(too_early((length - done) as u64)),
                read => done += read,
            }
        }
        Ok(bytes)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.file.close();
    }
}

/// The buffer for asynchronous calls; `None` where the bytes are few and the call is synchronous. WebAssembly memory can move during an
/// asynchronous call, so JavaScript gets no view into it.
fn buffer_for(bytes: usize) -> Option<Uint8Array> {
    (bytes > SHORT).then(|| Uint8Array::new_with_length(u32::try_from(bytes.min(PIECE)).unwrap_or(u32::MAX)))
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// A byte count that a call returned.
fn index(bytes: Option<f64>) -> usize {
    usize::try_from(bytes.map_or(0, count)).unwrap_or(usize::MAX)
}
