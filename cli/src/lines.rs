//! Standard input, a line at a time, read by a thread of its own so that waiting for it never keeps the process from ending.

use std::io::{self, BufRead, Read};

use runstate::limits::PLAIN_VALUE_BYTES;
use tokio::sync::mpsc;

use crate::bounded;
use crate::failure::{self, Failure};

/// The lines.
pub struct Lines {
    received: mpsc::Receiver<io::Result<Vec<u8>>>,
}

impl Lines {
    /// Begins to read.
    pub fn of_stdin() -> Self {
        // One line ahead: what is not asked for is not read.
        let (send, received) = mpsc::channel(1);
        std::thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            loop {
                let line = line(&mut stdin);
                let ended = matches!(&line, Ok(None) | Err(_));
                if let Some(line) = line.transpose()
                    && send.blocking_send(line).is_err()
                {
                    return;
                }
                if ended {
                    return;
                }
            }
        });
        Self { received }
    }

    /// The next line without its end; `None`: there are no more.
    pub async fn next(&mut self) -> Result<Option<String>, Failure> {
        const FROM: &str = "standard input";
        let Some(line) = self.received.recv().await else { return Ok(None) };
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

/// The next line with its end, cut a little beyond the largest answer; `None` at the end.
fn line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    from.take(PLAIN_VALUE_BYTES as u64 + 3).read_until(b'\n', &mut bytes)?;
    Ok((!bytes.is_empty()).then_some(bytes))
}
