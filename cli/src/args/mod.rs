//! The command line as it may be written. Which group of the help a command stands in is in `help.rs`.

mod asked;
mod offered;
mod parts;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::colour::When;

pub use asked::{Calls, Level, Logs, Program, Programs, ShowProgram, Stats, Variables};
pub use parts::{Answering, Export, Given, Import, List, Of, Running, Starting, Sweeping, These, Working, Writing};

/// Runs programs that stop to ask, and never loses an execution.
#[derive(Debug, Parser)]
#[command(name = "runstate", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  runstate run review.ts                     compile, start, and answer at the terminal
  runstate start review --id r1              run to the first question
  runstate answer r1 --text yes              answer it, and run to the next one
  runstate resume r1                         go on with it here, after anything
  runstate export backup.jsonl               all of the store, for another one

Exit codes: 0 done or complete, 1 the program failed, 2 wrong use or compile error, 3 waiting for an
answer, 4 store error, 5 rejected, 130 interrupted (what was committed can be resumed).")]
pub struct Args {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
pub struct Global {
    #[arg(long, global = true, value_name = "URL", help = offered::STORE)]
    pub store: Option<String>,
    /// Print one JSON value a line, errors included, on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Colours: on a terminal (`auto`), `always` or `never`
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub color: When,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compile a program, start it, and drive it to its end
    ///
    /// Asks at the terminal. Answers may also come from a file, or line by line through a pipe.
    #[command(after_help = "\
Examples:
  runstate run review.ts
  runstate run review.ts --id r1 --input '{\"strict\": true}' --answers answers.json
  runstate run review.ts --answer-with 'model --print' --allow-read src
  printf 'yes\\n2\\n' | runstate run review.ts --json")]
    Run {
        /// The program: a TypeScript file
        file: PathBuf,
        /// Name of the program [default: the file's stem]
        #[arg(long)]
        name: Option<String>,
        /// Id of the execution [default: a new one, printed]
        #[arg(long, allow_hyphen_values = true)]
        id: Option<String>,
        /// The program's `input`, as JSON
        #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
        input: Option<String>,
        #[command(flatten)]
        answering: Answering,
        #[command(flatten)]
        starting: Starting,
        #[command(flatten)]
        writing: Writing,
        #[command(flatten)]
        running: Running,
    },
    /// Compile a program and keep it under its name
    ///
    /// The same source again changes nothing; a changed one is the next version, for new executions.
    #[command(after_help = "\
Examples:
  runstate load review.ts --name review
  runstate load review.ts --tag review --tag daily --description 'Asks whether files are ready'")]
    Load {
        /// The program: a TypeScript file
        file: PathBuf,
        /// Name of the program [default: the file's stem]
        #[arg(long)]
        name: Option<String>,
        /// A word to find it by; may be given several times, and then replaces all that are there
        #[arg(long, value_name = "T")]
        tag: Vec<String>,
        /// What it is for
        #[arg(long, value_name = "D", allow_hyphen_values = true)]
        description: Option<String>,
        /// Id of the program, where it is new under its name [default: a new one]
        #[arg(long, allow_hyphen_values = true)]
        id: Option<String>,
        #[command(flatten)]
        writing: Writing,
    },
    /// Start a program that was loaded, and run it to its first question or its end
    #[command(after_help = "Example:\n  runstate start review --id r1 --input '{\"strict\": true}'")]
    Start {
        /// Name of the program
        name: String,
        /// Id of the execution [default: a new one, printed]
        #[arg(long, allow_hyphen_values = true)]
        id: Option<String>,
        /// The program's `input`, as JSON
        #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
        input: Option<String>,
        #[command(flatten)]
        starting: Starting,
        #[command(flatten)]
        writing: Writing,
        #[command(flatten)]
        running: Running,
    },
    /// Continue an execution that was left running, and tell its question or its end
    #[command(after_help = "Example:\n  runstate next r1")]
    Next {
        /// The execution
        id: String,
        #[command(flatten)]
        writing: Writing,
        #[command(flatten)]
        running: Running,
    },
    /// Answer a question, and run to the next one or the end
    ///
    /// A question that has a key can be answered before it is asked: the answer is kept until then.
    #[command(after_help = "\
Examples:
  runstate answer r1 --text yes
  runstate answer r1 --key verdict --text yes --by ada
  runstate answer r1 --json-value '{\"score\": 7}'
  model < prompt.txt | runstate answer r1 --call 0199… --file -")]
    Answer {
        /// The execution
        id: String,
        #[command(flatten)]
        of: Of,
        #[command(flatten)]
        answer: Given,
        /// Who answers, for the record
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        #[command(flatten)]
        writing: Writing,
        #[command(flatten)]
        running: Running,
    },
    /// Go on with an execution from wherever it is, and drive it to its end
    #[command(after_help = "\
Examples:
  runstate resume r1
  runstate resume r1 --answers answers.json      those already taken are skipped
  runstate resume r1 --answer-with 'model --print'")]
    Resume {
        /// The execution
        id: String,
        #[command(flatten)]
        answering: Answering,
        #[command(flatten)]
        writing: Writing,
        #[command(flatten)]
        running: Running,
    },
    /// Serve calls: have each answered by a command, until told to stop
    ///
    /// The command reads the question from standard input (a tool's arguments as JSON), and prints the answer. It knows its call from
    /// RUNSTATE_CALL, _EXECUTION, _PROGRAM, _KIND, _ATTEMPT, _ARGS, _CHOICES, _SCHEMA and _ERROR (of the last attempt). Where it fails, the call is
    /// tried again after a while. Ctrl-c lets what runs end, once more gives it back. Where the worker itself is killed outright its
    /// commands may go on; others take its calls over when the lease ends.
    #[command(after_help = "\
Examples:
  runstate work --kind cc --exec 'model --print' --concurrency 4
  runstate work --kind search --kind fetch --exec ./tools.sh --timeout 1m
  runstate work --kind cc --exec 'model --print' --drain       end when nothing is open
  runstate work --kind fs.readFile --allow-read data

Exit codes: 0 told to stop, or nothing is open; 2 the command cannot be run; 130 told twice.")]
    Work(Box<Working>),
    /// Do what is due: timers, deadlines, what dead processes left, what is kept no longer
    ///
    /// Every command that works with executions does some of it before.
    #[command(after_help = "\
Examples:
  runstate tick              what is due by now
  runstate tick --follow     go on, until ctrl-c

Exit codes: 4 some of it could not be done.")]
    Tick {
        /// Go on with what becomes due
        #[arg(long, short)]
        follow: bool,
        #[command(flatten)]
        running: Running,
    },
    /// Remove what has expired: old commands and logs, and executions that ended long ago
    #[command(after_help = "\
Examples:
  runstate sweep --dry-run
  runstate sweep --finished-before 30d
  runstate sweep --finished-before 2024-01-20T10:00:00Z --yes")]
    Sweep(Sweeping),
    /// Let executions rest; answers that come meanwhile are kept
    #[command(after_help = "\
Examples:
  runstate pause r1
  runstate pause r1 r2 r3 --command-id night

Exit codes: 5 any of them was refused; what worked is done.")]
    Pause(These),
    /// Let resting executions go on, to the next question or the end
    #[command(after_help = "Example:\n  runstate unpause r1")]
    Unpause {
        #[command(flatten)]
        these: These,
        #[command(flatten)]
        running: Running,
    },
    /// End executions for good
    ///
    /// Their open questions are cancelled. What they printed and asked is kept until they are deleted.
    #[command(after_help = "Example:\n  runstate cancel r1 r2")]
    Cancel(These),
    /// Let failed executions go on at the instruction that failed, to the next question or the end
    #[command(after_help = "Example:\n  runstate retry r1 --max-instructions 1000000000")]
    Retry {
        #[command(flatten)]
        these: These,
        #[command(flatten)]
        running: Running,
    },
    /// Remove ended executions, with all they printed, asked and were answered
    ///
    /// Asks before it does, at a terminal.
    #[command(after_help = "\
Examples:
  runstate delete r1
  runstate delete r1 r2 r3 --yes

Exit codes: 5 any of them was refused, or the answer was no; what is deleted stays deleted.")]
    Delete {
        #[command(flatten)]
        these: These,
        /// Ask nothing
        #[arg(long, short)]
        yes: bool,
    },
    /// Show all of an execution: output, instruction, calls and variables
    #[command(after_help = "Examples:\n  runstate show r1\n  runstate show r1 --full --json")]
    Show {
        /// The execution
        id: String,
        /// Show everything that its variables hold
        #[arg(long)]
        full: bool,
    },
    /// Print what an execution has printed
    #[command(after_help = "\
Examples:
  runstate output r1
  runstate output r1 --follow --json

Exit codes: 0; with --follow that of the execution: 0 complete, 1 failed or cancelled.")]
    Output {
        /// The execution
        id: String,
        /// Go on with new lines as they are printed, until the execution has ended
        #[arg(long, short)]
        follow: bool,
    },
    /// List executions, newest first
    #[command(after_help = "\
Examples:
  runstate list --active
  runstate list --status waiting_cc --program review --limit 10")]
    List(List),
    Programs(Programs),
    Variables(Variables),
    /// Show, remove and tell the versions of programs
    #[command(after_help = "Examples:\n  runstate program show review --source\n  runstate help program rm")]
    Program {
        #[command(subcommand)]
        command: Program,
    },
    Calls(Calls),
    Logs(Logs),
    Stats(Stats),
    /// Say whether the store answers and can be written
    ///
    /// One read of one row, whatever the store holds.
    #[command(after_help = "\
Examples:
  runstate health
  runstate health --store file:data --json

Exit codes: 0 it answers and can be written, 4 it does not, or can only be read.")]
    Health,
    /// Tell what a store is and holds: collections, executions by status, health
    #[command(after_help = "Examples:\n  runstate info\n  runstate info --store file:data --json")]
    Info,
    /// Make a store where there is none, and all that this version needs in it
    ///
    /// Whatever makes executions does so too. This is for who may not: on a server the right to make collections and indexes may be another
    /// user's than the one that works with them.
    #[command(after_help = offered::PREPARE)]
    Prepare,
    /// Write all that a store holds into a file, for another store of any kind
    ///
    /// Every program, execution, answer, line of output and command goes along, so that an execution continues exactly where it is wherever
    /// it is imported. The file appears under its name only when it is whole.
    #[command(after_help = "\
Examples:
  runstate export backup.jsonl
  runstate export --tree backup                  a folder of readable files
  runstate export - | ssh host runstate import -
  runstate --store file:old export - | runstate --store file:new import -")]
    Export(Export),
    /// Read an export into a store, which is made where there is none
    ///
    /// Takes files and folders that `export` wrote, and what the older CVM kept, whose executions go on where they stood. All of an export is
    /// checked before anything is written, and nothing that is there is overwritten. An import that was interrupted goes on when it is repeated.
    #[command(after_help = offered::IMPORT)]
    Import(Import),
    /// Check all that a store holds
    ///
    /// Reads every document: its schema, its references, the entries of all indexes, executions with their heap, output and calls, and the results
    /// of commands. On files, before that, every file: checksums, the chain of commits, and that each commit does what it says. Changes nothing;
    /// others may use the store meanwhile.
    #[command(after_help = "Example:\n  runstate verify --store file:data\n\nExit codes: 0 whole, 4 damaged.")]
    Verify,
    /// Go on from what is whole of a damaged store, and name what is gone
    ///
    /// What is damaged is kept in the folder `damaged` of the store, and never deleted. Commits behind a damaged one are kept where they
    /// touch nothing that was lost.
    #[command(after_help = "\
Examples:
  runstate --store file:data repair --dry-run     say what would be done
  runstate --store file:data repair")]
    Repair {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Write all that lives into one file now, and remove what it replaces
    ///
    /// A store does this by itself from time to time.
    #[command(after_help = "Example:\n  runstate compact --store file:data")]
    Compact,
    /// Print what makes a shell complete this command line
    #[command(after_help = "\
Examples:
  runstate completions bash > ~/.local/share/bash-completion/completions/runstate
  runstate completions zsh > ~/.zfunc/_runstate      in a folder of $fpath
  runstate completions fish > ~/.config/fish/completions/runstate.fish")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};
    use runstate::domain::cvm::Status;

    use super::parts::OfStatus;
    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_status_can_be_listed() {
        let names: Vec<String> =
            OfStatus::value_variants().iter().map(|s| Status::from(*s).as_str().to_owned()).collect();
        assert_eq!(names, Status::ALL);
        for status in OfStatus::value_variants() {
            let name = status.to_possible_value().unwrap().get_name().to_owned();
            assert_eq!(name, Status::from(*status).as_str());
        }
    }
}
