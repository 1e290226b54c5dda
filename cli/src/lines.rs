//! Standard input, a line at a time, read by a thread of its own so that waiting for it never keeps the process from ending.

use std::io::{self, BufRead, Read};

use runstate::limits::PLAIN_VALUE_BYTES;
use tokio::sync::mpsc;

use crate::bounded;
use crate::failure::{self, Failure};

type Line = io::Result<Vec<u8>>;

/// The lines. Nothing is read before the first one is asked for: what is left belongs to whoever reads after us.
#[derive(Default)]
pub struct Lines {
    reading: Option<mpsc::Receiver<Line>>,
}

impl Lines {
    /// The next line without its end; `None`: there are no more.
    pub async fn next(&mut self) -> Result<Option<String>, Failure> {
        const FROM: &str = "standard input";
        let Some(line) = self.reading.get_or_insert_with(read).recv().await else { return Ok(None) };
        let mut bytes = line.map_err(|error| failure::io("standard input cannot be read", &error))?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        if bytes.len() > PLAIN_VALUE_BYTES {
            return Err(bounded::too_large(FROM));
        }
        String::from_utf8(bytes).map(Some).map_err(|error| bounded::not_text(FROM, error.utf8_error().valid_up_to()))
    }
}

/// Begins to read, one line ahead.
fn read() -> mpsc::Receiver<Line> {
    let (send, received) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        loop {
            let line = line(&mut stdin);
            let ended = !matches!(&line, Ok(Some(_)));
            let told = line.transpose().is_none_or(|line| send.blocking_send(line).is_ok());
            if ended || !told {
                return;
            }
        }
    });
    received
}

/// The next line with its end, cut a little beyond the largest answer; `None` at the end.
fn line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(PLAIN_VALUE_BYTES as u64 + 3).read_until(b'\n', &mut bytes)?;
    Ok((!bytes.is_empty()).then_some(bytes))
}
