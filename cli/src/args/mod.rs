//! The definition of the command line. The groups of commands in the help are in `help.rs`.

mod app_executions;
mod artifacts;
mod options;
mod queries;

use std::path::PathBuf;
use std::time::Duration;

pub use app_executions::{AppsCommand, ExecutionCommand};
pub use artifacts::{ArtifactCommand, GetArtifactArgs, PutArtifactArgs, StorageArgs};
use clap::{ColorChoice, Parser, Subcommand};
use clap_complete::Shell;
#[cfg(any(feature = "age", feature = "object-store"))]
pub use options::BackupRecipientArgs;
pub use options::{
    ActorArgs, AnswerSourceArgs, AnswerValueArgs, BackupArgs, BackupIdentityArgs, CallSelector, CodeArgs, ExportArgs,
    ImportArgs, ListArgs, MirrorArgs, RestoreArgs, RunArgs, SourceArgs, StartArgs, SweepArgs, WorkArgs, WriteArgs,
};
pub use queries::{LogLevelArg, LogsArgs, ProgramCommand, QuestionArgs, ShowProgramArgs, word};
use runstate::decision::DomainSettings as _;
use runstate::engine::LedgerSettings;

use super::help::{import_help, prepare_help, store_help};
use super::time_format::{duration_millis, parse_duration};

/// Parses a time for which a ledger may keep rows.
fn parse_ledger(text: &str) -> Result<Duration, String> {
    let is_valid = |kept: &Duration| LedgerSettings { kept: Some(duration_millis(*kept)) }.check().is_ok();
    parse_duration(text).ok().filter(is_valid).ok_or_else(|| "write from 1 to 365 days: 7d".to_owned())
}

/// Durable TypeScript: programs wait for a model, a tool or a person, and continue where they stopped.
#[derive(Debug, Parser)]
#[command(name = "runstate", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  runstate run review.ts                     compile, start, and ask at the terminal
  runstate start review --id r1              run to the first question
  runstate answer r1 --text yes              answer it, and run to the next one
  runstate resume r1                         continue it here, also after a crash
  runstate export backup.jsonl               the whole store, to import elsewhere

Exit codes: 0 done or complete, 1 the program failed, 2 usage or compile error, 3 waiting for an
answer, 4 store error, 5 rejected, 130 interrupted (what was committed can be resumed).")]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Option<CliCommand>,
}

#[derive(Debug, clap::Args)]
pub struct GlobalArgs {
    #[arg(long, global = true, value_name = "URL", help = store_help(), display_order = 900)]
    pub store: Option<String>,
    /// Print one JSON value per line, errors included, on standard output
    #[arg(long, global = true, display_order = 900)]
    pub json: bool,
    /// Colors: on a terminal (`auto`), `always` or `never`
    #[arg(
        long,
        global = true,
        display_order = 900,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub color: ColorChoice,
}

#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Compile a program, start it, and run it to its end
    ///
    /// Asks at the terminal, where an answer may have several lines: Alt-Enter begins a new one, and a pasted text is
    /// one answer. Answers can also come from a file, from a command, or from a pipe, one per line.
    #[command(after_help = "\
Examples:
  runstate run review.ts
  runstate run review.ts --id r1 --input '{\"strict\": true}' --answers answers.json
  runstate run review.ts --answer-with 'model --print' --allow-read src
  printf 'yes\\n2\\n' | runstate run review.ts --json")]
    Run {
        #[command(flatten)]
        source: SourceArgs,
        /// Id of the execution [default: a new id, which is printed]
        #[arg(long, allow_hyphen_values = true)]
        id: Option<String>,
        /// The program's `input`: JSON, `@FILE` with it, or `-` for standard input
        #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
        input: Option<String>,
        #[command(flatten)]
        answering: AnswerSourceArgs,
        #[command(flatten)]
        starting: StartArgs,
        #[command(flatten)]
        writing: WriteArgs,
        #[command(flatten)]
        running: RunArgs,
    },
    /// Compile a program and store it under its name
    ///
    /// Loading the same source again changes nothing. A changed source, or a changed file that it imports, is the next
    /// version, which new executions use.
    #[command(after_help = "\
Examples:
  runstate load review.ts --name review
  runstate load examples/modules
  runstate load review.ts --tag review --tag daily --description 'Asks whether files are ready'")]
    Load {
        #[command(flatten)]
        source: SourceArgs,
        /// Tags to find the program by, joined by commas (repeatable); they replace the stored ones, and `''` clears them
        #[arg(long, value_name = "T", value_delimiter = ',')]
        tag: Vec<String>,
        /// Description of the program
        #[arg(long, value_name = "D", allow_hyphen_values = true)]
        description: Option<String>,
        /// Id of the program, if its name is new [default: a new id]
        #[arg(long, allow_hyphen_values = true)]
        id: Option<String>,
        #[command(flatten)]
        writing: WriteArgs,
    },
    /// Start a loaded program, and run it to its first question or its end
    #[command(after_help = "Example:\n  runstate start review --id r1 --input '{\"strict\": true}'")]
    Start {
        /// Name of the program
        name: String,
        /// Id of the execution [default: a new id, which is printed]
        #[arg(long, allow_hyphen_values = true)]
        id: Option<String>,
        /// The program's `input`: JSON, `@FILE` with it, or `-` for standard input
        #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
        input: Option<String>,
        #[command(flatten)]
        starting: StartArgs,
        #[command(flatten)]
        writing: WriteArgs,
        #[command(flatten)]
        running: RunArgs,
    },
    /// Answer a question, and run to the next one or the end
    ///
    /// A question with a key can be answered before it is asked: the answer is stored until then.
    #[command(after_help = "\
Examples:
  runstate answer r1 --text yes
  runstate answer r1 --key verdict --text yes --by ada
  runstate answer r1 --json-value '{\"score\": 7}'
  model < prompt.txt | runstate answer r1 --call 0199… --file -")]
    Answer {
        /// Id of the execution
        id: String,
        #[command(flatten)]
        call: CallSelector,
        #[command(flatten)]
        answer: AnswerValueArgs,
        /// Name of the person or model that answers, stored with the answer
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Actual cost of the answer, in the unit of the call's cost [default: the cost that the call names]
        #[arg(long, value_name = "AMOUNT")]
        cost: Option<String>,
        #[command(flatten)]
        writing: WriteArgs,
        #[command(flatten)]
        running: RunArgs,
    },
    Questions(QuestionArgs),
    /// Continue an execution from where it is, and run it to its end
    #[command(after_help = "\
Examples:
  runstate resume r1
  runstate resume r1 --answers answers.json      answers that were used are skipped
  runstate resume r1 --answer-with 'model --print'")]
    Resume {
        /// Id of the execution
        id: String,
        #[command(flatten)]
        answering: AnswerSourceArgs,
        #[command(flatten)]
        writing: WriteArgs,
        #[command(flatten)]
        running: RunArgs,
    },
    /// Serve calls or steps of apps: run a command for each, until stopped
    ///
    /// The command reads the question from standard input (for a tool: its arguments as JSON) and prints the answer.
    /// RUNSTATE_CALL, _EXECUTION, _PROGRAM, _KIND, _ATTEMPT, _ARGS, _CHOICES, _SCHEMA and _ERROR (of the last attempt)
    /// describe the call to it. If the command fails, the call is retried after a delay. Ctrl-c lets running calls
    /// finish, a second one releases them. If the worker is killed with SIGKILL, its commands may continue, and other
    /// workers claim its calls when the lease expires.
    ///
    /// The command of a step reads its input as JSON and prints its output: JSON, or else a text. RUNSTATE_STEP, _KIND
    /// (its name), _EXECUTION, _ATTEMPT and _ERROR describe it. The configuration of the app says how often it is tried.
    #[command(after_help = "\
Examples:
  runstate work --kind cc --exec 'model --print' --concurrency 4
  runstate work --kind search --kind fetch --exec ./tools.sh --timeout 1m
  runstate work --kind cc --exec 'model --print' --drain       exit when no call is open
  runstate work --kind fs.readFile --allow-read data
  runstate work --step fetch --step publish --exec ./steps.sh  steps of apps
  runstate work --webhooks                                     send the messages of subscriptions

Exit codes: 0 stopped, or no call is open; 2 the command cannot be run; 130 stopped twice.")]
    Work(Box<WorkArgs>),
    /// Do due work: timers, deadlines, executions of dead processes, deletion of expired rows
    ///
    /// Every command that works with executions first does some of it.
    #[command(after_help = "\
Examples:
  runstate tick              the work that is due now
  runstate tick --follow     also what becomes due, until ctrl-c

Exit codes: 4 some due work failed.")]
    Tick {
        /// Keep running, and do work when it becomes due
        #[arg(long, short)]
        follow: bool,
        #[command(flatten)]
        running: RunArgs,
    },
    /// Delete expired command results and logs, and executions that ended long ago
    #[command(after_help = "\
Examples:
  runstate sweep --dry-run
  runstate sweep --finished-before 30d
  runstate sweep --finished-before 2024-01-20T10:00:00Z --yes")]
    Sweep(SweepArgs),
    /// Show an execution: status, output, current instruction, calls and variables
    #[command(after_help = "Examples:\n  runstate show r1\n  runstate show r1 --full --json")]
    Show {
        /// Id of the execution
        id: String,
        /// Show the values of its variables in full
        #[arg(long)]
        full: bool,
    },
    /// Print the output of an execution
    #[command(after_help = "\
Examples:
  runstate output r1
  runstate output r1 --follow --json

Exit codes: 0; with --follow by the status of the execution: 0 complete, 1 failed or cancelled.")]
    Output {
        /// Id of the execution
        id: String,
        /// Keep printing new lines until the execution ends
        #[arg(long, short)]
        follow: bool,
    },
    /// List executions, newest first
    #[command(after_help = "\
Examples:
  runstate list --active
  runstate list --status waiting_cc --program review --limit 10")]
    List(ListArgs),
    /// Show and delete programs, and list their versions
    #[command(after_help = "Examples:\n  runstate program show review --source\n  runstate help program delete")]
    Program {
        #[command(subcommand)]
        command: ProgramCommand,
    },
    Logs(LogsArgs),
    /// Apps: their configurations, executions, steps, artifacts, metrics and webhooks
    #[command(after_help = "Examples:\n  runstate apps execution list\n  runstate help apps step")]
    Apps {
        #[command(subcommand)]
        command: AppsCommand,
    },
    /// Check that the store can be read and written
    ///
    /// Reads one row, however large the store is.
    #[command(after_help = "\
Examples:
  runstate health
  runstate health --store file:data --json

Exit codes: 0 ok, 4 the store cannot be read, or is read-only.")]
    Health,
    /// Show what a store is and holds: collections, executions by status, health
    #[command(after_help = "Examples:\n  runstate info\n  runstate info --store file:data --json")]
    Info,
    /// Create a store if it is missing, with everything that this version needs in it
    ///
    /// `load`, `run` and `import` do this too. `prepare` is for a server on which the user of these commands may not
    /// create collections and indexes, and another user may.
    #[command(after_help = prepare_help())]
    Prepare {
        /// How long the results of commands are kept, for all processes: 1 to 365 days. A command id is valid for that
        /// time [default: RUNSTATE_LEDGER_DAYS, else as the store has it, 7 days in a new one]
        #[arg(long, value_name = "SPAN", value_parser = parse_ledger)]
        ledger: Option<Duration>,
    },
    /// Print a script that creates the roles of a store on MongoDB or PostgreSQL: reader, worker, operator and owner
    ///
    /// For MongoDB it is a script for `mongosh`, which creates the roles in the database `admin`, or updates them. For
    /// PostgreSQL it is one for `psql`, to be run once after `prepare`. It creates no users. No server is contacted.
    /// With `--json`, the commands are printed.
    #[command(after_help = "Examples:
  runstate roles --store mongodb://host/app > roles.js
  runstate roles --store 'mongodb://host/?layout=seed' --json
  runstate roles --store postgres://host/app > roles.sql

Then an administrator runs the script:
  mongosh mongodb://admin@host/admin roles.js
  psql postgres://admin@host/app -f roles.sql")]
    Roles,
    /// Export everything in a store to a file, for another store of any kind
    ///
    /// The export holds every program, execution, answer, line of output and command result, so that an execution
    /// continues exactly where it was in the store that imports it. The file appears under its name only when it is
    /// complete.
    #[command(after_help = "\
Examples:
  runstate export backup.jsonl
  runstate export --tree backup                  a folder of readable files
  runstate export - | ssh host runstate import -
  runstate --store file:old export - | runstate --store file:new import -")]
    Export(ExportArgs),
    /// Import an export into a store, which is created if it is missing
    ///
    /// Reads files and folders that `export` wrote, and data of the older CVM, whose executions continue where they
    /// were. With `--domain` it reads collections of that domain that another program has on MongoDB. The whole source
    /// is checked before anything is written. Repeat an interrupted import to continue it. Import a later export of the
    /// same store to continue from there: what an import wrote and nothing has changed here since is updated, and
    /// nothing else is overwritten.
    #[command(after_help = import_help())]
    Import(ImportArgs),
    /// Back up a store to a folder or a bucket, and every change of it
    ///
    /// The first time everything is written, then what has changed. The store can be restored as it was at any of these
    /// times. Repeat an interrupted command to continue. Secrets stay encrypted; with a key everything is encrypted, and
    /// every run needs the same key. The settings of a bucket are in the
    /// environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT.
    #[command(after_help = "\
Examples:
  runstate backup --to local:/mnt/backup             what has changed since the last time
  runstate backup --to s3://bucket/runstate --follow every change, until ctrl-c
  runstate backup --to local:/mnt/backup --keep 30d  and remove what is older
  runstate backup --to local:/mnt/backup --encrypt-to age1…

Exit codes: 0 done, 4 the store or the folder failed.")]
    Backup(BackupArgs),
    /// Restore a store from its backup, as it was at a time
    ///
    /// The store is created if it is missing, and nothing in it is overwritten but what an earlier restore wrote: name
    /// an empty one. Repeat an interrupted command to continue.
    #[command(after_help = "\
Examples:
  runstate --store file:new restore --from local:/mnt/backup
  runstate --store file:new restore --from local:/mnt/backup --at 2h
  runstate --store file:new restore --from local:/mnt/backup --at 2026-03-01T12:00:00Z
  runstate --store file:new restore --from local:/mnt/backup --identity-file key.txt
  runstate restore --from local:/mnt/backup --list   the times that can be restored")]
    Restore(RestoreArgs),
    /// Keep another store equal to this one, to switch to it
    ///
    /// Everything is copied once, then every change. Repeat an interrupted command to continue. Documents that only the
    /// other store has are deleted there, so it must be empty at first, or `--replace` is given.
    #[command(after_help = "\
Examples:
  runstate mirror --to file:new                 copy what is missing there
  runstate mirror --to file:new --follow        and every change, until ctrl-c
  runstate mirror --to file:new --compare       counts, hashes and differences; changes nothing
  runstate mirror --to file:new --finish        before the switch: copy the rest, compare, and end the mirror

Exit codes: 0 equal or copied, 4 a store failed, 5 the stores differ, or the other store has documents of its own.")]
    Mirror(MirrorArgs),
    /// Check everything in a store
    ///
    /// Checks every document: its schema, its references, its index entries, executions with their heap, output and
    /// calls, and command results. On a file store it first checks every file: checksums, the chain of commits, and
    /// that each commit makes the changes that it records. Changes nothing; other processes may use the store
    /// meanwhile.
    #[command(after_help = "\
Examples:
  runstate verify --store file:data
  runstate verify --artifacts                  read the bytes of all artifacts too
  runstate verify --artifacts local:/mnt/data  where they are in that folder

Exit codes: 0 ok, 4 damaged.")]
    Verify {
        /// Read the bytes of all artifacts, in the storage with this URL (see `apps artifact put --help`), by default
        /// that of RUNSTATE_ARTIFACTS
        #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
        artifacts: Option<String>,
    },
    /// Repair a damaged file store, and list what is lost
    ///
    /// The undamaged part is kept. Damaged files are moved to the folder `damaged` of the store and never deleted.
    /// Commits after a damaged one are kept if they touch nothing that was lost.
    #[command(after_help = "\
Examples:
  runstate --store file:data repair --dry-run     print what would be done
  runstate --store file:data repair")]
    Repair {
        /// Only print what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Write a snapshot of a file store now, and remove the files that it replaces
    ///
    /// A store does this by itself from time to time.
    #[command(after_help = "Example:\n  runstate compact --store file:data")]
    Compact,
    /// Serve programs and executions to a model or an agent, over the Model Context Protocol
    ///
    /// The client starts this command and writes requests to its standard input. The tools load, start, answer and show
    /// programs; `search` finds all other operations, and `call` makes them. With --all or --domain each operation is a
    /// tool. Executions are resources, with their output and open calls. Subscribed clients are notified of changes.
    ///
    /// The client runs programs, so it may not approve or reject their calls: people do with `runstate approve` and
    /// `runstate reject`.
    ///
    /// With --code it serves three tools instead: `run` takes a script that calls the tools of other servers, `result`
    /// waits for a run, and `search` finds tools. A run is an execution in the store, so it survives the end of this
    /// process.
    #[command(after_help = "\
Examples:
  runstate mcp --store file:data
  runstate mcp --read-only                   only tools that change nothing
  runstate mcp --domain cvm                  each operation of programs as a tool
  runstate mcp --all                         each operation as a tool: more than 200
  runstate mcp --allow-approvals             for the client of a person who approves calls
  runstate mcp --allow-read programs         `load` takes the `path` of a source below this folder
  runstate mcp --code --server 'github=npx -y @modelcontextprotocol/server-github'
  runstate mcp --code --config servers.json --approve 'pay.*'")]
    Mcp {
        /// Serve only operations that change nothing
        #[arg(long)]
        read_only: bool,
        /// Serve each operation of this domain as a tool: the first word of their names (repeatable)
        #[arg(long, value_name = "D", value_delimiter = ',')]
        domain: Vec<String>,
        /// Serve each operation of all domains as a tool
        #[arg(long, conflicts_with = "domain")]
        all: bool,
        /// Serve the approval and the rejection of calls too
        #[arg(long)]
        allow_approvals: bool,
        /// Let `load` and `start` read sources and inputs below DIR by name (repeatable)
        #[arg(long, value_name = "DIR", conflicts_with = "code")]
        allow_read: Vec<PathBuf>,
        #[command(flatten)]
        code: CodeArgs,
        #[command(flatten)]
        running: RunArgs,
    },
    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  runstate completions bash > ~/.local/share/bash-completion/completions/runstate
  runstate completions zsh > ~/.zfunc/_runstate      in a folder of $fpath
  runstate completions fish > ~/.config/fish/completions/runstate.fish")]
    Completions {
        /// Name of the shell
        shell: Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};
    use runstate::domain::cvm::Status;

    use super::options::StatusArg;
    use super::*;

    #[test]
    fn clap_accepts_the_command_line_definition() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_status_can_be_listed() {
        assert_eq!(StatusArg::value_variants().iter().map(word).collect::<Vec<_>>(), Status::ALL);
    }
}
