//! Input files and standard input, with size limits. A separate thread reads standard input line by line or in pieces,
//! so that the process can end while it waits for them.

use std::fs::File;
use std::io;
use std::io::{BufRead, Read};
use std::path::Path;

use runstate::limits::PLAIN_VALUE_BYTES;
use tokio::sync::mpsc;

use crate::error;
use crate::error::CliError;

/// The largest file of answers: many answers of the largest size.
const ANSWERS_BYTES: usize = 64 * 1024 * 1024;

/// Returns the bytes of `reader`, or `None` if there are more than `limit`. It reads at most one byte more than that.
pub fn read_limited(reader: impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit).then_some(bytes))
}

/// Removes one line end, of either kind.
pub fn without_line_end(mut text: Vec<u8>) -> Vec<u8> {
    if text.ends_with(b"\n") {
        text.truncate(text.len() - if text.ends_with(b"\r\n") { 2 } else { 1 });
    }
    text
}

/// Returns the name of a file, or of standard input for `-`, and its bytes; no bytes if there are more than `limit`.
fn read_file_or_stdin(path: &Path, limit: usize) -> Result<(String, Option<Vec<u8>>), CliError> {
    let (name, bytes) = match path.as_os_str() == "-" {
        true => ("standard input".to_owned(), read_limited(io::stdin().lock(), limit)),
        false => (path.display().to_string(), File::open(path).and_then(|file| read_limited(file, limit))),
    };
    let bytes = bytes.map_err(|error| error::io(format!("{name} cannot be read"), &error))?;
    Ok((name, bytes))
}

/// Reads an answer from a file, or from standard input for `-`, without its last line end.
pub fn read_answer(path: &Path) -> Result<String, CliError> {
    // A line end does not count as part of the answer.
    let (name, bytes) = read_file_or_stdin(path, PLAIN_VALUE_BYTES + 2)?;
    let bytes = without_line_end(bytes.ok_or_else(|| answer_too_large(&name))?);
    String::from_utf8(bytes).map_err(|error| answer_not_utf8(&name, error.utf8_error().valid_up_to()))
}

/// Reads the text of an `--answers` file.
pub fn read_answers(path: &Path) -> Result<String, CliError> {
    let (name, bytes) = read_file_or_stdin(path, ANSWERS_BYTES)?;
    let bytes = bytes.ok_or_else(|| {
        error::usage(format!("{name} is larger than {ANSWERS_BYTES} bytes; use --answer-with CMD for so many answers"))
    })?;
    String::from_utf8(bytes).map_err(|error| error::usage(not_utf8_message(&name, error.utf8_error().valid_up_to())))
}

/// Returns the error for an answer that is larger than a value may be.
pub fn answer_too_large(source: &str) -> CliError {
    error::invalid_answer(format!(
        "the answer from {source} is larger than {PLAIN_VALUE_BYTES} bytes; nothing was changed"
    ))
}

pub fn answer_not_utf8(source: &str, at: usize) -> CliError {
    let hint = "nothing was changed. Convert the text to UTF-8, or encode binary data, for example as base64";
    error::invalid_answer(format!("{}; {hint}", not_utf8_message(source, at)))
}

/// Says where a text is not text.
pub fn not_utf8_message(source: &str, at: usize) -> String {
    format!("{source} is not valid UTF-8: byte {} is the first invalid byte", at + 1)
}

/// A line with its end, cut a little beyond the limit of its reader.
pub type StdinLine = io::Result<Vec<u8>>;

/// The lines. Reading starts at the first request: unread input belongs to the next reader.
#[derive(Default)]
pub struct StdinLines {
    receiver: Option<mpsc::Receiver<StdinLine>>,
}

impl StdinLines {
    /// Returns the next line without its end; `None`: there are no more.
    pub async fn next(&mut self) -> Result<Option<String>, CliError> {
        let Some(line) = self.receiver.get_or_insert_with(|| read_lines_in_thread(PLAIN_VALUE_BYTES)).recv().await
        else {
            return Ok(None);
        };
        line_text(line).map(Some)
    }
}

/// Reads one line of a terminal, and no other: the terminal keeps the next one. `None`: there are no more.
pub fn read_stdin_line() -> Result<Option<String>, CliError> {
    read_line(&mut io::stdin().lock(), PLAIN_VALUE_BYTES).transpose().map(line_text).transpose()
}

/// The text of a line, without its end.
fn line_text(line: StdinLine) -> Result<String, CliError> {
    const SOURCE: &str = "standard input";
    let bytes = without_line_end(line.map_err(|error| error::io("standard input cannot be read", &error))?);
    if bytes.len() > PLAIN_VALUE_BYTES {
        return Err(answer_too_large(SOURCE));
    }
    String::from_utf8(bytes).map_err(|error| answer_not_utf8(SOURCE, error.utf8_error().valid_up_to()))
}

/// Starts the thread, which reads one line ahead. The rest of a line that is longer than `limit` is skipped.
pub fn read_lines_in_thread(limit: usize) -> mpsc::Receiver<StdinLine> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        loop {
            let line = read_line(&mut stdin, limit);
            let ended = !matches!(&line, Ok(Some(_)));
            let is_cut = matches!(&line, Ok(Some(line)) if line.len() > limit && !line.ends_with(b"\n"));
            let sent = line.transpose().is_none_or(|line| sender.blocking_send(line).is_ok());
            // The line is sent before the rest arrives: it may never end.
            if ended || !sent || (is_cut && stdin.skip_until(b'\n').is_err()) {
                return;
            }
        }
    });
    receiver
}

/// Starts a thread that reads pieces of at most `piece_bytes`, one ahead.
pub fn read_pieces_in_thread(
    mut source: impl Read + Send + 'static,
    piece_bytes: usize,
) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        loop {
            let mut piece = Vec::with_capacity(piece_bytes);
            let read = source.by_ref().take(piece_bytes as u64).read_to_end(&mut piece).map(|_| piece);
            let (is_end, is_last) = (read.as_ref().is_ok_and(Vec::is_empty), read.is_err());
            if is_end || sender.blocking_send(read).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// Reads the next line with its end, cut a little beyond the limit; `None` at the end.
fn read_line(stdin: &mut impl BufRead, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    stdin.take(limit as u64 + 3).read_until(b'\n', &mut bytes)?;
    Ok((!bytes.is_empty()).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_stops_after_the_limit() {
        let mut endless = io::repeat(b'x');
        assert_eq!(read_limited(&mut endless, 10).unwrap(), None);
        assert_eq!(read_limited(&b"0123456789"[..], 10).unwrap().unwrap().len(), 10);
    }
}
