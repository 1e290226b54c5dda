//! A file in pieces and back: the calls of the file store that only snapshots make.

use crate::store::file::NodeFs;
use crate::store::file::fs::{Fs, FsError, Pieces, Reason};

struct Given(std::vec::IntoIter<Vec<u8>>);

impl Pieces for Given {
    fn next(&mut self) -> Option<Result<Vec<u8>, FsError>> {
        self.0.next().map(Ok)
    }
}

struct Broken;

impl Pieces for Broken {
    fn next(&mut self) -> Option<Result<Vec<u8>, FsError>> {
        Some(Err(FsError { reason: Reason::Full, call: "write", path: "piece".to_owned(), why: "no piece".to_owned() }))
    }
}

/// Each line is a promise of [`Fs`] on pieces, sources and ranges.
pub async fn round(folder: &str, pieces: Vec<Vec<u8>>) -> Result<(), String> {
    let fs = NodeFs::new(folder, false).ok_or("this host has no files")?;
    let whole = pieces.concat();
    let said = |e: FsError| e.to_string();
    fs.put_pieces("file", Box::new(Given(pieces.clone().into_iter()))).await.map_err(said)?;
    same("the size", &fs.size("file").await.map_err(said)?, &(whole.len() as u64))?;
    same("all of it", &fs.read("file", None).await.map_err(said)?, &whole)?;
    let length = whole.len();
    for (start, end) in [(0, length), (1, length / 2), (length / 2, length + 99), (length + 5, length + 9)] {
        let expected = whole.get(start..end.min(length)).unwrap_or_default();
        let range = start as u64..end as u64;
        same("a range", &fs.read("file", Some(range)).await.map_err(said)?.as_slice(), &expected)?;
    }
    let again = fs.put_pieces("file", Box::new(Given(pieces.into_iter()))).await;
    same("a name that is taken", &again.map_err(|e| e.reason), &Err(Reason::Exists))?;
    let broken = fs.put_pieces("broken", Box::new(Broken)).await;
    same("a piece that fails", &broken.map_err(|e| e.reason), &Err(Reason::Full))?;

    let source = fs.source("file").await.map_err(said)?;
    fs.remove("file").await.map_err(said)?;
    same("the removed file", &fs.size("file").await.map_err(|e| e.reason), &Err(Reason::Missing))?;
    same("the size of the source", &source.size(), &(length as u64))?;
    same(
        "the end of the source",
        &source.read_at(length as u64 - 1, 1).map_err(said)?.as_slice(),
        &&whole[length - 1..],
    )?;
    same("the source beyond its end", &source.read_at(1, length).is_err(), &true)?;
    same("an absurd length", &source.read_at(0, usize::MAX).is_err(), &true)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}
