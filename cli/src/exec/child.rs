//! One run of a command: its input, its output and its timeout.

use std::io;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use runstate::limits::PLAIN_VALUE_BYTES;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};
use tokio::time::timeout;

use super::process_group::ProcessGroup;
use super::{Exec, ExecError, ExecInput, ExecOutput, STDERR_TAIL_BYTES};

/// The longest output that is read: an answer of the largest size, its line end, and one byte that shows there is more.
const OUTPUT_LIMIT: usize = PLAIN_VALUE_BYTES + 3;

/// How long the output of a command is still read after the command has ended.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest line of standard error that is passed on in one piece.
const STDERR_LINE_BYTES: usize = 4 * 1024;

pub(super) async fn run(
    exec: &Exec,
    input: &ExecInput,
    on_stderr_line: impl FnMut(&str),
) -> Result<ExecOutput, ExecError> {
    let mut command = shell(&exec.line);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    input.apply_to(&mut command);
    let cannot = |error: io::Error| ExecError::CannotRun(format!("the shell cannot be started: {error}"));
    let (mut child, mut group) = ProcessGroup::spawn(&mut command).map_err(cannot)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());

    let (mut printed, mut tail) = (Vec::new(), Vec::new());
    let (status, exceeded_limit) = {
        let answer = read_stdout(stdout, &mut printed);
        let remarks = async {
            read_stderr(stderr, &mut tail, on_stderr_line).await;
            Ok(())
        };
        let mut talk = pin!(async {
            tokio::select! {
                done = async { tokio::try_join!(answer, remarks).map(|_| ()) } => done,
                done = write_question(stdin, &input.stdin) => done,
            }
        });
        let ended = timeout(exec.timeout, async {
            let mut silent = None;
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status.ok(),
                    done = &mut talk, if silent.is_none() => {
                        silent = Some(done);
                        if done.is_err() {
                            break None;
                        }
                    }
                }
            };
            // Processes that the command left behind keep its output open.
            group.end();
            if silent.is_none() {
                silent = timeout(DRAIN_TIMEOUT, &mut talk).await.ok();
            }
            (status, matches!(silent, Some(Err(OutputLimitExceeded))))
        });
        ended.await.unwrap_or((None, false))
    };
    group.end();
    let tail = String::from_utf8_lossy(&tail).into_owned();
    Ok(ExecOutput { status, exceeded_limit, printed, tail })
}

fn shell(line: &str) -> Command {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut command = Command::new(shell);
    command.arg(flag).arg(line);
    command
}

/// The command printed more than [`OUTPUT_LIMIT`].
#[derive(Clone, Copy)]
struct OutputLimitExceeded;

/// Writes the question, then waits for ever: the end of the output decides when the exchange is over.
async fn write_question(stdin: Option<ChildStdin>, question: &str) -> Result<(), OutputLimitExceeded> {
    // A command that does not read the question may still know the answer.
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(question.as_bytes()).await;
        drop(stdin);
    }
    std::future::pending().await
}

/// Reads standard output, up to the limit of an answer.
async fn read_stdout(stdout: Option<impl AsyncRead + Unpin>, printed: &mut Vec<u8>) -> Result<(), OutputLimitExceeded> {
    if let Some(stdout) = stdout {
        let _ = stdout.take(OUTPUT_LIMIT as u64).read_to_end(printed).await;
    }
    // A command that prints more would wait for a reader for ever.
    if printed.len() < OUTPUT_LIMIT { Ok(()) } else { Err(OutputLimitExceeded) }
}

/// Reads standard error: passes each line to `on_line`, and keeps the end in `tail`.
async fn read_stderr(stderr: Option<impl AsyncRead + Unpin>, tail: &mut Vec<u8>, mut on_line: impl FnMut(&str)) {
    let Some(mut stderr) = stderr else { return };
    let mut line = Vec::new();
    let mut chunk = vec![0; 8 * 1024];
    while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
        let read = &chunk[..read];
        for byte in read {
            if *byte != b'\n' {
                line.push(*byte);
            }
            if *byte == b'\n' || line.len() >= STDERR_LINE_BYTES {
                on_line(String::from_utf8_lossy(&line).trim_end_matches('\r'));
                line.clear();
            }
        }
        tail.extend_from_slice(read);
        tail.drain(..tail.len().saturating_sub(STDERR_TAIL_BYTES));
    }
    if !line.is_empty() {
        on_line(&String::from_utf8_lossy(&line));
    }
}
