//! Reading what people hand in, never more of it than can be meant.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use runstate::limits::PLAIN_VALUE_BYTES;

use crate::failure::{self, Failure};

/// Largest file of answers: many answers of the largest size.
const ANSWERS_BYTES: usize = 64 * 1024 * 1024;

/// The bytes of `reader`, or `None` where there are more than `limit`: then no more than that was read.
pub fn read(reader: impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

/// The bytes of a file, or of standard input where it is `-`, and how that is called; no bytes where there are more than `limit`.
fn file(path: &Path, limit: usize) -> Result<(String, Option<Vec<u8>>), Failure> {
    let (from, bytes) = match path.as_os_str() == "-" {
        true => ("standard input".to_owned(), read(io::stdin().lock(), limit)),
        false => (path.display().to_string(), File::open(path).and_then(|file| read(file, limit))),
    };
    let bytes = bytes.map_err(|error| failure::io(format!("{from} cannot be read"), &error))?;
    Ok((from, bytes))
}

/// An answer from a file, or from standard input where it is `-`, without its last line end.
pub fn answer(path: &Path) -> Result<String, Failure> {
    // The last line end is allowed for.
    let (from, bytes) = file(path, PLAIN_VALUE_BYTES + 2)?;
    let bytes = bytes.ok_or_else(|| too_large(&from))?;
    let mut text = String::from_utf8(bytes).map_err(|error| not_text(&from, error.utf8_error().valid_up_to()))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// The text of an `--answers` file.
pub fn answers(path: &Path) -> Result<String, Failure> {
    let (from, bytes) = file(path, ANSWERS_BYTES)?;
    let bytes =
        bytes.ok_or_else(|| failure::usage(format!("{from} has more than {ANSWERS_BYTES} bytes of answers")))?;
    String::from_utf8(bytes).map_err(|error| failure::usage(not_utf8(&from, error.utf8_error().valid_up_to())))
}

/// An answer of more than 1 MiB.
pub fn too_large(from: &str) -> Failure {
    failure::invalid_answer(format!(
        "the answer from {from} is larger than {PLAIN_VALUE_BYTES} bytes; nothing was changed"
    ))
}

/// An answer that is no text.
pub fn not_text(from: &str, at: usize) -> Failure {
    let hint = "nothing was changed. Convert it, or encode what is no text (as base64, say)";
    failure::invalid_answer(format!("{}; {hint}", not_utf8(from, at)))
}

fn not_utf8(from: &str, at: usize) -> String {
    format!("{from} is not text in UTF-8: byte {} is the first that is not", at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_the_limit() {
        let mut endless = io::repeat(b'x');
        assert_eq!(read(&mut endless, 10).unwrap(), None);
        assert_eq!(read(&b"0123456789"[..], 10).unwrap().unwrap().len(), 10);
    }
}
