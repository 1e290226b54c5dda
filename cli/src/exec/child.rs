//! One run of a command: its input, its output, its timeout, and its process group, which is killed as a whole.
//!
//! `process-wrap` 10.0 would replace 3 of the 60 lines about groups, those that start one. It neither kills a group
//! when its handle is dropped nor lists the groups that run, and [`kill_all_groups`] signals them from another thread.

use std::collections::BTreeSet;
use std::io;
use std::pin::pin;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use runstate::limits::PLAIN_VALUE_BYTES;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

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
    let cannot_start = |error: io::Error| ExecError::CannotRun(format!("the shell cannot be started: {error}"));
    let (mut child, mut group) = ProcessGroup::spawn(&mut command).map_err(cannot_start)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());

    let (mut output, mut stderr_tail) = (Vec::new(), Vec::new());
    let (status, exceeded_limit) = {
        let answer = read_stdout(stdout, &mut output);
        let remarks = async {
            read_stderr(stderr, &mut stderr_tail, on_stderr_line).await;
            Ok(())
        };
        let mut exchange = pin!(async {
            tokio::select! {
                result = async { tokio::try_join!(answer, remarks).map(|_| ()) } => result,
                result = write_question(stdin, &input.stdin) => result,
            }
        });
        let outcome = timeout(exec.timeout, async {
            let mut exchanged = None;
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status.ok(),
                    result = &mut exchange, if exchanged.is_none() => {
                        exchanged = Some(result);
                        if result.is_err() {
                            break None;
                        }
                    }
                }
            };
            // Processes that the command left behind keep its output open.
            group.kill();
            if exchanged.is_none() {
                exchanged = timeout(DRAIN_TIMEOUT, &mut exchange).await.ok();
            }
            (status, matches!(exchanged, Some(Err(OutputLimitExceeded))))
        });
        outcome.await.unwrap_or((None, false))
    };
    group.kill();
    // Ctrl-c has killed the command and ends this process: the command has no result to report.
    if running().is_none() {
        std::future::pending::<()>().await;
    }
    let stderr_tail = String::from_utf8_lossy(&stderr_tail).into_owned();
    Ok(ExecOutput { status, exceeded_limit, stdout: output, stderr_tail })
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

/// Writes the question, then never completes: the exchange ends with the output of the command.
async fn write_question(stdin: Option<ChildStdin>, question: &str) -> Result<(), OutputLimitExceeded> {
    // A command that does not read the question may still answer.
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(question.as_bytes()).await;
        drop(stdin);
    }
    std::future::pending().await
}

/// Reads standard output, up to the limit of an answer.
async fn read_stdout(stdout: Option<impl AsyncRead + Unpin>, output: &mut Vec<u8>) -> Result<(), OutputLimitExceeded> {
    if let Some(stdout) = stdout {
        let _ = stdout.take(OUTPUT_LIMIT as u64).read_to_end(output).await;
    }
    // A command that prints more would wait forever, because nothing reads it.
    if output.len() < OUTPUT_LIMIT { Ok(()) } else { Err(OutputLimitExceeded) }
}

/// Reads standard error: passes each line to `on_line`, and keeps the end in `tail`.
pub async fn read_stderr(stderr: Option<impl AsyncRead + Unpin>, tail: &mut Vec<u8>, mut on_line: impl FnMut(&str)) {
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

/// The groups that run. `None` when this process is ending: no further group starts.
static RUNNING: Mutex<Option<BTreeSet<u32>>> = Mutex::new(Some(BTreeSet::new()));

/// The group that a command leads. It is killed when this is dropped.
pub struct ProcessGroup(Option<u32>);

impl ProcessGroup {
    /// Starts `command` as the leader of a new group. The lock is held from the start to the registration, so that
    /// [`kill_all_groups`], which another thread calls, misses no group.
    pub fn spawn(command: &mut Command) -> io::Result<(Child, Self)> {
        #[cfg(unix)]
        command.process_group(0);
        command.kill_on_drop(true);
        let mut running = running();
        let running = running.as_mut().ok_or(io::ErrorKind::Interrupted)?;
        let child = command.spawn()?;
        let id = child.id();
        running.extend(id);
        Ok((child, Self(id)))
    }

    pub fn kill(&mut self) {
        if let Some(id) = self.0.take() {
            kill_group(id);
            if let Some(running) = running().as_mut() {
                running.remove(&id);
            }
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills all groups that run, before this process ends.
pub fn kill_all_groups() {
    running().take().into_iter().flatten().for_each(kill_group);
}

fn running() -> MutexGuard<'static, Option<BTreeSet<u32>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn kill_group(id: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(group) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        // This fails if the group has ended already.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// On other systems only the command itself is killed, when its child is dropped.
#[cfg(not(unix))]
fn kill_group(_: u32) {}
