//! One run of a command: what goes in, what comes out, and for how long.

use std::io;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use runstate::limits::PLAIN_VALUE_BYTES;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};
use tokio::time::timeout;

use super::group::Group;
use super::{Exec, Given, Ran, TAIL, Unanswered};

/// What a command may print: an answer of the largest size, its line end, and one byte that says there is more.
const MOST: usize = PLAIN_VALUE_BYTES + 3;

/// How long what a command printed may still come after it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Longest line of standard error that is told in one piece.
const LINE: usize = 4 * 1024;

pub(super) async fn run(exec: &Exec, given: &Given, heard: impl FnMut(&str)) -> Result<Ran, Unanswered> {
    let mut command = shell(&exec.line);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    given.set(&mut command);
    let cannot = |error: io::Error| Unanswered::CannotRun(format!("no shell can be started: {error}"));
    let (mut child, mut group) = Group::spawn(&mut command).map_err(cannot)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());

    let (mut printed, mut tail) = (Vec::new(), Vec::new());
    let (status, too_much) = {
        let answer = print(stdout, &mut printed);
        let remarks = async {
            listen(stderr, &mut tail, heard).await;
            Ok(())
        };
        let mut talk = pin!(async {
            tokio::select! {
                said = async { tokio::try_join!(answer, remarks).map(|_| ()) } => said,
                said = tell(stdin, &given.stdin) => said,
            }
        });
        let ended = timeout(exec.timeout, async {
            let mut silent = None;
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status.ok(),
                    said = &mut talk, if silent.is_none() => {
                        silent = Some(said);
                        if said.is_err() {
                            break None;
                        }
                    }
                }
            };
            // What it has started beside itself holds its output open.
            group.end();
            if silent.is_none() {
                silent = timeout(LAST_WORDS, &mut talk).await.ok();
            }
            (status, matches!(silent, Some(Err(TooMuch))))
        });
        ended.await.unwrap_or((None, false))
    };
    group.end();
    let tail = String::from_utf8_lossy(&tail).into_owned();
    Ok(Ran { status, too_much, printed, tail })
}

fn shell(line: &str) -> Command {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut command = Command::new(shell);
    command.arg(flag).arg(line);
    command
}

/// More was printed than is read.
#[derive(Clone, Copy)]
struct TooMuch;

/// Tells the question, and then no more. It never comes back: when the talk ends is for the other side to say.
async fn tell(stdin: Option<ChildStdin>, question: &str) -> Result<(), TooMuch> {
    // Who does not read the question may well know the answer.
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(question.as_bytes()).await;
        drop(stdin);
    }
    std::future::pending().await
}

/// Reads what is printed, as far as it can be an answer.
async fn print(stdout: Option<impl AsyncRead + Unpin>, printed: &mut Vec<u8>) -> Result<(), TooMuch> {
    if let Some(stdout) = stdout {
        let _ = stdout.take(MOST as u64).read_to_end(printed).await;
    }
    // Whoever prints on waits for a reader for ever.
    if printed.len() < MOST { Ok(()) } else { Err(TooMuch) }
}

/// Reads standard error: each line goes to `heard`, the end of all of it to `tail`.
async fn listen(stderr: Option<impl AsyncRead + Unpin>, tail: &mut Vec<u8>, mut heard: impl FnMut(&str)) {
    let Some(mut stderr) = stderr else { return };
    let mut line = Vec::new();
    let mut chunk = vec![0; 8 * 1024];
    while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
        let read = &chunk[..read];
        for byte in read {
            if *byte != b'\n' {
                line.push(*byte);
            }
            if *byte == b'\n' || line.len() >= LINE {
                heard(String::from_utf8_lossy(&line).trim_end_matches('\r'));
                line.clear();
            }
        }
        tail.extend_from_slice(read);
        tail.drain(..tail.len().saturating_sub(TAIL));
    }
    if !line.is_empty() {
        heard(&String::from_utf8_lossy(&line));
    }
}
