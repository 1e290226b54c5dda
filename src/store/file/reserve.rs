//! The reserve: a file of bytes that is given up when the disk is full, so that deleting still works. Best effort: nothing rests on it.

use super::format::RESERVE;
use super::fs::{Fs, optional};
use super::steps::put_new;
use crate::id::sha256;

/// Makes the reserve where there is none. Where there is no space or no access for it the store does without.
pub(super) async fn keep<F: Fs>(fs: &F, bytes: u64) {
    let there = optional(fs.size(RESERVE).await);
    if bytes == 0 || !matches!(there, Ok(None)) {
        return;
    }
    drop(put_new(fs, RESERVE, &contents(bytes)).await);
}

/// Gives the reserve up; `false`: there is none.
pub(super) async fn spend<F: Fs>(fs: &F) -> bool {
    fs.remove(RESERVE).await.is_ok()
}

/// Bytes that no file system stores in less space, and that can be checked.
pub(super) fn contents(bytes: u64) -> Vec<u8> {
    let blocks = (0..bytes.div_ceil(32)).flat_map(|n| sha256(&[b"reserve", &n.to_be_bytes()]));
    blocks.take(usize::try_from(bytes).unwrap_or(usize::MAX)).collect()
}
