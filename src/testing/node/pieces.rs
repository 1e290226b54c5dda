//! Writing a file in pieces and reading it back: the file system calls that only snapshots use.

use crate::store::file::NodeFs;
use crate::store::file::fs::{Fs, FsError, Pieces, Reason};

struct VecPieces(std::vec::IntoIter<Vec<u8>>);

impl Pieces for VecPieces {
    fn next(&mut self) -> Option<Result<Vec<u8>, FsError>> {
        self.0.next().map(Ok)
    }
}

struct FailingPieces;

impl Pieces for FailingPieces {
    fn next(&mut self) -> Option<Result<Vec<u8>, FsError>> {
        Some(Err(FsError { reason: Reason::Full, call: "write", path: "piece".to_owned(), why: "no piece".to_owned() }))
    }
}

/// Checks the contract of [`Fs`] on pieces, sources and ranges.
pub async fn check_pieces(folder: &str, pieces: Vec<Vec<u8>>) -> Result<(), String> {
    let fs = NodeFs::new(folder, false).ok_or("this host has no files")?;
    let whole = pieces.concat();
    let describe = |e: FsError| e.to_string();
    fs.put_pieces("file", Box::new(VecPieces(pieces.clone().into_iter()))).await.map_err(describe)?;
    expect_equal("the size", &fs.size("file").await.map_err(describe)?, &(whole.len() as u64))?;
    expect_equal("all of it", &fs.read("file", None).await.map_err(describe)?, &whole)?;
    let length = whole.len();
    for (start, end) in [(0, length), (1, length / 2), (length / 2, length + 99), (length + 5, length + 9)] {
        let expected = whole.get(start..end.min(length)).unwrap_or_default();
        let range = start as u64..end as u64;
        expect_equal("a range", &fs.read("file", Some(range)).await.map_err(describe)?.as_slice(), &expected)?;
    }
    let again = fs.put_pieces("file", Box::new(VecPieces(pieces.into_iter()))).await;
    expect_equal("a name that is taken", &again.map_err(|e| e.reason), &Err(Reason::Exists))?;
    let broken = fs.put_pieces("broken", Box::new(FailingPieces)).await;
    expect_equal("a piece that fails", &broken.map_err(|e| e.reason), &Err(Reason::Full))?;

    let source = fs.open_file("file").await.map_err(describe)?;
    fs.remove("file").await.map_err(describe)?;
    expect_equal("the removed file", &fs.size("file").await.map_err(|e| e.reason), &Err(Reason::Missing))?;
    expect_equal("the size of the source", &source.size(), &(length as u64))?;
    expect_equal(
        "the end of the source",
        &source.read_at(length as u64 - 1, 1).map_err(describe)?.as_slice(),
        &&whole[length - 1..],
    )?;
    expect_equal("the source beyond its end", &source.read_at(1, length).is_err(), &true)?;
    expect_equal("an absurd length", &source.read_at(0, usize::MAX).is_err(), &true)
}

fn expect_equal<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}
