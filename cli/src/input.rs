//! Reading input files with size limits.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use runstate::limits::PLAIN_VALUE_BYTES;

use crate::error::{self, CliError};

/// The largest file of answers: many answers of the largest size.
const ANSWERS_BYTES: usize = 64 * 1024 * 1024;

/// Returns the bytes of `reader`, or `None` if there are more than `limit`. It reads at most one byte more than that.
pub fn read_limited(reader: impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

/// Returns the name of a file, or of standard input for `-`, and its bytes; no bytes if there are more than `limit`.
fn read_file_or_stdin(path: &Path, limit: usize) -> Result<(String, Option<Vec<u8>>), CliError> {
    let (from, bytes) = match path.as_os_str() == "-" {
        true => ("standard input".to_owned(), read_limited(io::stdin().lock(), limit)),
        false => (path.display().to_string(), File::open(path).and_then(|file| read_limited(file, limit))),
    };
    let bytes = bytes.map_err(|error| error::io(format!("{from} cannot be read"), &error))?;
    Ok((from, bytes))
}

/// Reads an answer from a file, or from standard input for `-`, without its last line end.
pub fn read_answer(path: &Path) -> Result<String, CliError> {
    // A line end does not count as part of the answer.
    let (from, bytes) = read_file_or_stdin(path, PLAIN_VALUE_BYTES + 2)?;
    let bytes = bytes.ok_or_else(|| answer_too_large(&from))?;
    let mut text =
        String::from_utf8(bytes).map_err(|error| answer_not_utf8(&from, error.utf8_error().valid_up_to()))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// Reads the text of an `--answers` file.
pub fn read_answers(path: &Path) -> Result<String, CliError> {
    let (from, bytes) = read_file_or_stdin(path, ANSWERS_BYTES)?;
    let bytes = bytes.ok_or_else(|| error::usage(format!("{from} is larger than {ANSWERS_BYTES} bytes")))?;
    String::from_utf8(bytes).map_err(|error| error::usage(not_utf8_message(&from, error.utf8_error().valid_up_to())))
}

/// Returns the error for an answer of more than 1 MiB.
pub fn answer_too_large(from: &str) -> CliError {
    error::invalid_answer(format!(
        "the answer from {from} is larger than {PLAIN_VALUE_BYTES} bytes; nothing was changed"
    ))
}

/// Returns the error for an answer that is not text.
pub fn answer_not_utf8(from: &str, at: usize) -> CliError {
    let hint = "nothing was changed. Convert the text to UTF-8, or encode binary data, for example as base64";
    error::invalid_answer(format!("{}; {hint}", not_utf8_message(from, at)))
}

fn not_utf8_message(from: &str, at: usize) -> String {
    format!("{from} is not valid UTF-8: byte {} is the first invalid byte", at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_the_limit() {
        let mut endless = io::repeat(b'x');
        assert_eq!(read_limited(&mut endless, 10).unwrap(), None);
        assert_eq!(read_limited(&b"0123456789"[..], 10).unwrap().unwrap().len(), 10);
    }
}
