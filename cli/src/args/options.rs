//! Groups of options that several commands share, and the options of commands with many.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use runstate::domain::cvm::{CallView, LogLevel, Policy, Start, TIMER};
use runstate::operation::Parameter as _;
use runstate::time::Timestamp;
use runstate::transfer::{ConflictPolicy, ImportOptions};
use serde_json::Value as Json;

use super::LogLevelArg;
use crate::help::IMPORT_FROM_HELP;
use crate::sandbox::SandboxArgs;
use crate::time_format::{parse_duration, parse_time};

#[derive(Debug, clap::Args)]
pub struct WriteArgs {
    /// Id of this command: a repeated id has no further effect; commands that run an execution then print its
    /// current status, others their first result
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub command_id: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct ActorArgs {
    /// Name under which this command appears in an audit log [default: RUNSTATE_ACTOR, else the name or number of the user]
    #[arg(long, value_name = "NAME")]
    pub actor: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Fail an execution that has no limit of its own after this many instructions from one answer to the next, and
    /// after a thousand times as many in total [default: 10000000000]
    #[arg(long, value_name = "N", env = "RUNSTATE_MAX_INSTRUCTIONS", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub max_instructions: Option<u64>,
    /// Save a running execution after this many instructions [default: 1000000]
    #[arg(long, value_name = "N", env = "RUNSTATE_SAVE_EVERY", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub save_every: Option<u64>,
    /// Save it earlier, after this much changed memory, such as 4MiB [default: 16MiB]
    #[arg(long, value_name = "SIZE", env = "RUNSTATE_SAVE_EVERY_BYTES", hide_env_values = true)]
    pub save_every_bytes: Option<bytesize::ByteSize>,
}

/// A program to compile.
#[derive(Debug, clap::Args)]
pub struct SourceArgs {
    /// The program: a TypeScript file, or a folder. Files that it imports are loaded too
    pub file: PathBuf,
    /// Entry of the folder [default: main.ts, index.ts, or `main` of package.json]
    #[arg(long, value_name = "FILE")]
    pub entry: Option<String>,
    /// Name of the program [default: the file's stem, or the folder's name]
    #[arg(long)]
    pub name: Option<String>,
    /// The file is a script, the body of a function: `await` and `return` are allowed outside functions, and `return`
    /// gives the result
    #[arg(long)]
    pub script: bool,
    /// The tools that `tools` has, such as crm.find,pay.refund (repeatable); others are refused [default: any]
    #[arg(long, value_name = "TOOL", value_delimiter = ',')]
    pub tools: Option<Vec<String>>,
}

/// Options of an execution that are stored with it.
#[derive(Debug, clap::Args)]
pub struct StartArgs {
    /// Log level of the execution [default: RUNSTATE_LOG_LEVEL of the process that runs it, else calls]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<LogLevelArg>,
    /// Fail if its objects, arrays and strings take more memory, such as 16MiB [default: 64MiB]
    #[arg(long = "heap", alias = "heap-limit", value_name = "SIZE")]
    pub heap: Option<bytesize::ByteSize>,
    /// Fail if it runs more instructions from one answer to the next, or a thousand times as many in total [default:
    /// that of the process, --max-instructions]
    #[arg(long, value_name = "N")]
    pub instructions: Option<u64>,
    /// Fail if it prints more from one answer to the next, or a thousand times as much in total [default: 64MiB]
    #[arg(long = "output", value_name = "SIZE")]
    pub output: Option<bytesize::ByteSize>,
    /// Take the answers that this execution of the program has got: calls that ask the same are answered at once
    #[arg(long, value_name = "ID")]
    pub answers_from: Option<String>,
    /// Allow and limit its calls, such as '{"kinds":["find","pay"],"approve":["pay"],"calls":100,"open":8,"ms":60000}'
    #[arg(long, value_name = "JSON", value_parser = parse_policy)]
    pub policy: Option<Policy>,
}

fn parse_policy(text: &str) -> Result<Policy, String> {
    let policy = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
    Policy::from_json(policy).map_err(|mismatch| mismatch.into_rejection("policy").to_string())
}

impl StartArgs {
    /// Returns the command that starts `program` with these options.
    pub fn start(&self, program: String, id: Option<String>, input: Option<Json>) -> Start {
        Start {
            id,
            program,
            program_version: None,
            input,
            log_level: self.log_level.map(LogLevel::from),
            heap_bytes: self.heap.map(|size| size.as_u64()),
            instructions: self.instructions,
            output_bytes: self.output.map(|size| size.as_u64()),
            answers_from: self.answers_from.clone(),
            policy: self.policy.clone(),
            parent: None,
        }
    }
}

#[derive(Debug, clap::Args)]
pub struct CallSelector {
    /// Id of the call to answer; optional if one question is open
    #[arg(long, conflicts_with = "key")]
    pub call: Option<String>,
    /// Key of the call to answer, which may not be open yet
    #[arg(long, value_name = "K", allow_hyphen_values = true)]
    pub key: Option<String>,
    /// Number of the call among the execution's calls with that key, from 1 [default: the first open one, else the next]
    #[arg(long, value_name = "N", requires = "key", value_parser = clap::value_parser!(u64).range(1..))]
    pub occurrence: Option<u64>,
}

impl CallSelector {
    /// The call among those that are open; `None`: it is not open, or not known before the answer.
    pub fn find<'a>(&self, open: &'a [CallView]) -> Option<&'a CallView> {
        match (&self.call, &self.key) {
            (Some(id), _) => open.iter().find(|call| call.id == *id),
            (None, Some(_)) if self.occurrence.is_some() => None,
            (None, Some(key)) => open.iter().find(|call| call.key.as_ref() == Some(key)),
            (None, None) => {
                let mut answerable = open.iter().filter(|call| call.kind != TIMER);
                answerable.next().filter(|_| answerable.next().is_none())
            }
        }
    }
}

/// Selects the executions to list.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only executions with this status
    #[arg(long)]
    pub status: Option<StatusArg>,
    /// Only executions that have not ended: running, waiting, paused
    #[arg(long, conflicts_with = "status")]
    pub active: bool,
    /// Only executions of this program
    #[arg(long, value_name = "NAME")]
    pub program: Option<String>,
    /// At most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// The source of answers, and the folders that the execution may use.
#[derive(Debug, clap::Args)]
pub struct AnswerSourceArgs {
    /// Take the answers from a JSON array, in the order of the calls (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    pub answers: Option<PathBuf>,
    /// Answer each question with a command, which reads the question from standard input and prints the
    /// answer
    #[arg(long, value_name = "CMD", conflicts_with = "answers")]
    pub answer_with: Option<String>,
    /// Timeout of the command for one answer
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = parse_duration, requires = "answer_with")]
    pub timeout: Duration,
    /// Pass the question as it was asked, without a description of the expected answer
    #[arg(long, requires = "answer_with")]
    pub plain: bool,
    #[command(flatten)]
    pub allow: SandboxArgs,
}

#[derive(Debug, clap::Args)]
pub struct WorkArgs {
    /// Kind of calls to serve: `cc` for `CC(…)`, a tool's name for `call(tool, …)` (repeatable)
    #[arg(long, required_unless_present_any = ["step", "webhooks"], value_name = "K", value_delimiter = ',')]
    pub kind: Vec<String>,
    /// Name of steps of apps to serve instead of calls (repeatable)
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "exec", conflicts_with_all = ["kind", "webhooks", "attempts", "plain", "allow_read"])]
    pub step: Vec<String>,
    /// Number of the app whose steps are served [default: all]
    #[arg(long, value_name = "N", requires = "step")]
    pub app: Option<i64>,
    /// Serve the step first that may be claimed for the longest time
    #[arg(long, requires = "step")]
    pub oldest_first: bool,
    /// Send the messages of subscriptions instead of serving calls
    #[arg(long, conflicts_with_all = ["kind", "exec", "concurrency", "attempts", "timeout", "plain", "allow_read"])]
    pub webhooks: bool,
    /// Host, or HOST:PORT, of a receiver that may have an address that is not public and no TLS (repeatable)
    #[arg(long, value_name = "HOST", requires = "webhooks", value_delimiter = ',')]
    pub webhook_trusted_host: Vec<String>,
    /// Shell command that answers; `fs.readFile`, `fs.listFiles` and `fs.writeFile` need none
    #[arg(long, value_name = "CMD")]
    pub exec: Option<String>,
    /// Calls of each kind that are served at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub concurrency: u32,
    /// Timeout of the command for one answer
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Attempts at a call before its program gets the error
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub attempts: u32,
    /// Time without a heartbeat after which other workers may claim the calls of this one
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = parse_duration)]
    pub lease: Duration,
    /// Name of this worker, stored with its answers [default: HOST:PID]
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// Exit when no such call is open
    #[arg(long)]
    pub drain: bool,
    /// Pass the question as it was asked, without a description of the expected answer
    #[arg(long)]
    pub plain: bool,
    /// Leave timers, deadlines and executions of dead processes to other processes
    #[arg(long)]
    pub no_due: bool,
    #[command(flatten)]
    pub allow: SandboxArgs,
    #[command(flatten)]
    pub running: RunArgs,
}

/// The servers whose tools scripts call.
#[derive(Debug, Default, clap::Args)]
pub struct CodeArgs {
    /// Serve three tools for scripts that call the tools of other servers
    #[arg(long, conflicts_with_all = ["read_only", "domain", "all"])]
    pub code: bool,
    /// Server whose tools scripts may call as `tools.NAME`, with its command (repeatable)
    #[arg(long, value_name = "NAME=COMMAND", requires = "code")]
    pub server: Vec<String>,
    /// File of servers, as desktop clients have it: {"mcpServers": {"NAME": {"command": "…", "args": [], "env": {}}}}
    #[arg(long, value_name = "FILE", requires = "code")]
    pub config: Option<PathBuf>,
    /// Tools whose calls wait for the approval of a person; `*` is any text, as in `pay.*` (repeatable)
    #[arg(long, value_name = "PATTERN", requires = "code", value_delimiter = ',')]
    pub approve: Vec<String>,
    /// Time after which calls are made again that were at a server when this process was killed
    #[arg(long, value_name = "SPAN", requires = "code", default_value = "30s", value_parser = parse_duration)]
    pub lease: Duration,
}

/// Selects the rows and executions to delete.
#[derive(Debug, clap::Args)]
pub struct SweepArgs {
    /// Only count what would be deleted
    #[arg(long)]
    pub dry_run: bool,
    /// Also delete executions that ended before this: an age (`30d`) or a time that has passed (RFC 3339)
    /// [default: RUNSTATE_RETENTION_DAYS]
    #[arg(long, value_name = "WHEN", value_parser = parse_time)]
    pub finished_before: Option<Timestamp>,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// File or folder to write (`-`: standard output)
    #[arg(value_name = "FILE")]
    pub to: PathBuf,
    /// Only this execution, with its rows and its version of the program
    #[arg(long, value_name = "ID")]
    pub execution: Option<String>,
    /// Write a folder of readable files, one per document
    #[arg(long, conflicts_with_all = ["encrypt_to", "passphrase_file"])]
    pub tree: bool,
    /// Replace an existing file, or an existing folder that is an export
    #[arg(long)]
    pub force: bool,
    /// Decrypt secret fields; without it they stay encrypted
    #[arg(long)]
    pub plain_text: bool,
    #[command(flatten)]
    pub encryption: BackupRecipientArgs,
}

/// For whom a whole export or backup is encrypted.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub struct BackupRecipientArgs {
    /// Encrypt everything for this public key of age, `age1…` (repeatable)
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    pub encrypt_to: Vec<String>,
    /// Encrypt everything with the passphrase in the first line of this file
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl BackupRecipientArgs {
    /// Whether nothing is encrypted.
    #[cfg(not(feature = "age"))]
    pub fn is_empty(&self) -> bool {
        self.encrypt_to.is_empty() && self.passphrase_file.is_none()
    }
}

/// How an encrypted export or backup is decrypted.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub struct BackupIdentityArgs {
    /// Decrypt with the passphrase in the first line of this file
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Decrypt with the secret keys of age in this file
    #[arg(long, value_name = "FILE")]
    pub identity_file: Option<PathBuf>,
}

impl BackupIdentityArgs {
    /// Whether nothing is decrypted.
    #[cfg(all(feature = "object-store", not(feature = "age")))]
    pub fn is_empty(&self) -> bool {
        self.passphrase_file.is_none() && self.identity_file.is_none()
    }
}

#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    #[arg(value_name = "FILE", help = IMPORT_FROM_HELP)]
    pub from: PathBuf,
    /// The source is a folder that `export --tree` wrote
    #[arg(long)]
    pub tree: bool,
    /// The domain whose collections another program has in the database; without it, or with `cvm`, the older CVM
    #[arg(long, value_name = "D", value_parser = domain_names(), conflicts_with = "tree")]
    pub domain: Option<String>,
    /// Import the valid documents, even if others of the database are not valid
    #[arg(long, requires = "domain")]
    pub skip_invalid: bool,
    /// What happens to documents that have changed both in the source and here since they were imported
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub conflicts: ConflictChoice,
    /// Import documents again that an import wrote and that were deleted here since
    #[arg(long)]
    pub restore_deleted: bool,
    #[command(flatten)]
    pub decryption: BackupIdentityArgs,
}

/// What an import does with documents that have changed on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ConflictChoice {
    /// Fail, and change nothing
    #[default]
    Refuse,
    /// Keep them as they are here, and import the others
    Keep,
}

impl ImportArgs {
    pub fn options(&self) -> ImportOptions {
        let conflicts = match self.conflicts {
            ConflictChoice::Refuse => ConflictPolicy::Refuse,
            ConflictChoice::Keep => ConflictPolicy::Keep,
        };
        ImportOptions { conflicts, restore_deleted: self.restore_deleted, exact: false }
    }
}

#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    /// The folder of the backup: `local:DIR` or `s3://BUCKET/PREFIX`
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Continue with every change, until ctrl-c
    #[arg(long, short)]
    pub follow: bool,
    /// The time between two writes to the backup, which may be lost with the store
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = parse_duration, requires = "follow")]
    pub every: Duration,
    /// Remove what only states older than this need
    #[arg(long, value_name = "SPAN", value_parser = parse_duration)]
    pub keep: Option<Duration>,
    #[command(flatten)]
    pub encryption: BackupRecipientArgs,
}

#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// The folder of the backup: `local:DIR` or `s3://BUCKET/PREFIX`
    #[arg(long, value_name = "URL")]
    pub from: String,
    /// The time: an age (`2h`) or a time that has passed (RFC 3339) [default: the last one]
    #[arg(long, value_name = "WHEN", value_parser = parse_time)]
    pub at: Option<Timestamp>,
    /// Only list the last times that can be restored
    #[arg(long)]
    pub list: bool,
    #[command(flatten)]
    pub decryption: BackupIdentityArgs,
}

#[derive(Debug, clap::Args)]
pub struct MirrorArgs {
    /// URL of the other store
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Continue with every change, until ctrl-c
    #[arg(long, short, conflicts_with_all = ["compare", "finish"])]
    pub follow: bool,
    /// Only compare the two stores
    #[arg(long, conflicts_with_all = ["finish", "replace"])]
    pub compare: bool,
    /// Copy the rest, compare, and end the mirror if the stores are equal
    #[arg(long)]
    pub finish: bool,
    /// Make the other store equal to this one, even if it has documents of its own
    #[arg(long)]
    pub replace: bool,
}

fn domain_names() -> PossibleValuesParser {
    PossibleValuesParser::new(crate::domains().iter().map(|domain| domain.name))
}

/// The answer, given in exactly one of three ways.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct AnswerValueArgs {
    /// The answer as text
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub text: Option<String>,
    /// The answer as JSON: a value, `@FILE` with it, or `-` for standard input
    #[arg(long, value_name = "J", allow_hyphen_values = true)]
    pub json_value: Option<String>,
    /// The answer as the text of a file, without its last line end (`-`: standard input)
    #[arg(long, value_name = "F", allow_hyphen_values = true)]
    pub file: Option<PathBuf>,
}

/// A status to list.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum StatusArg {
    /// Running, or left running by a process that died
    Running,
    /// Waiting for an answer or a timer
    #[value(alias = "waiting")]
    WaitingCc,
    /// Paused until `unpause`
    Paused,
    /// Ended normally
    Complete,
    /// Ended with an error
    Error,
    /// Ended by `cancel`
    Cancelled,
}
