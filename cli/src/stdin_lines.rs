//! Standard input, line by line. A separate thread reads it, so that waiting for a line never keeps the process from ending.

use std::io::{self, BufRead, Read};

use runstate::limits::PLAIN_VALUE_BYTES;
use tokio::sync::mpsc;

use crate::error::{self, CliError};
use crate::input;

type StdinLine = io::Result<Vec<u8>>;

/// The lines. Reading starts at the first request: unread input belongs to the next reader.
#[derive(Default)]
pub struct StdinLines {
    receiver: Option<mpsc::Receiver<StdinLine>>,
}

impl StdinLines {
    /// Returns the next line without its end; `None`: there are no more.
    pub async fn next(&mut self) -> Result<Option<String>, CliError> {
        const FROM: &str = "standard input";
        let Some(line) = self.receiver.get_or_insert_with(spawn_reader).recv().await else { return Ok(None) };
        let mut bytes = line.map_err(|error| error::io("standard input cannot be read", &error))?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        if bytes.len() > PLAIN_VALUE_BYTES {
            return Err(input::answer_too_large(FROM));
        }
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|error| input::answer_not_utf8(FROM, error.utf8_error().valid_up_to()))
    }
}

/// Starts the thread, which reads one line ahead.
fn spawn_reader() -> mpsc::Receiver<StdinLine> {
    let (send, received) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        loop {
            let line = read_line(&mut stdin);
            let ended = !matches!(&line, Ok(Some(_)));
            let sent = line.transpose().is_none_or(|line| send.blocking_send(line).is_ok());
            if ended || !sent {
                return;
            }
        }
    });
    received
}

/// Reads the next line with its end, cut a little beyond the largest answer; `None` at the end.
fn read_line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(PLAIN_VALUE_BYTES as u64 + 3).read_until(b'\n', &mut bytes)?;
    Ok((!bytes.is_empty()).then_some(bytes))
}
