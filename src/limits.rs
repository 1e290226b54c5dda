//! The limits that hold on every store and host, each with its reason. The limits of the machine are in `vm::Limits`.

/// Largest document, in bytes of its JSON. It is half of MongoDB's limit, so that the overhead of its encoding always fits.
pub const DOCUMENT_BYTES: usize = 8 * 1024 * 1024;

/// Deepest nesting of a document, itself included. It is MongoDB's limit. JSON parsers stop at 128, which leaves some levels for the frame
/// that a store puts around a document.
pub const DOCUMENT_DEPTH: usize = 100;

/// Longest id, in bytes of UTF-8. It fits every backend's index key beside other fields.
pub const ID_BYTES: usize = 200;

/// Deepest nesting of a plain value (input, answer, result). It is deep enough for real data and safe for every parser's stack.
pub const VALUE_DEPTH: usize = 64;

/// Largest plain value that enters an execution (input, answer), in bytes of its JSON.
pub const PLAIN_VALUE_BYTES: usize = 1024 * 1024;

/// Matcher steps that all patterns of a schema may take together to check one answer, besides eight for every unit of a text. The check
/// runs within a decision, while other commands wait.
pub const SCHEMA_PATTERN_STEPS: u64 = 1_000_000;

/// Largest number of characters in one `pattern` of a schema. Each of them may need a table of its own.
pub const SCHEMA_PATTERN_CHARS: usize = 1_000;

/// Largest number of characters in all patterns of a schema together.
pub const SCHEMA_PATTERNS_CHARS: usize = 10_000;

/// Largest total size of the answers to a group of calls (`CC.all`), in bytes of their JSON. The program gets them in one turn, and a page
/// must be able to hold them too.
pub const GROUP_ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// Largest result in the command ledger, in bytes. Ids and a status fit many times over.
pub const LEDGER_RESULT_BYTES: usize = 4 * 1024;

/// Days for which the ledger keeps a command. A command that is sent again later than that counts as a new one.
pub const LEDGER_DAYS: i64 = 7;

/// Largest absolute value of an integer in a document: 2^53 - 1. Integers beyond it are not exact in JavaScript or in stores that keep only
/// doubles.
pub const SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Heap limits that an execution may have, in bytes.
pub const HEAP_BYTES: std::ops::RangeInclusive<u64> = 1024 * 1024..=4 * 1024 * 1024 * 1024;

/// Checks a heap limit. The error gives the reason.
pub(crate) fn check_heap_bytes(bytes: u64) -> Result<(), String> {
    if HEAP_BYTES.contains(&bytes) {
        return Ok(());
    }
    Err(format!("it is {bytes}, expected {} to {}", HEAP_BYTES.start(), HEAP_BYTES.end()))
}

/// How often a command is decided before its caller gets the conflict.
pub const DECIDE_ATTEMPTS: u32 = 64;

/// The level of detail in an execution's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum LogLevel {
    /// No rows.
    Off,
    /// Calls, errors and the end.
    #[default]
    Calls,
    /// Every instruction as well.
    Instructions,
}

/// The settings of an engine. Every setting has a default.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Instructions after which a running computation is saved. It is the most work that a crash can cost. The CLI calls it `--save-every`
    /// and JavaScript `saveEvery`.
    pub slice_instructions: u64,
    /// Approximate bytes of changed heap after which the computation is saved sooner. It is about the largest size of one save.
    pub slice_bytes: u64,
    /// Time without a save after which a `running` execution counts as abandoned by a dead process.
    pub run_lease: crate::time::Millis,
    /// Instructions that one execution may run in total.
    pub execution_instructions: u64,
    /// Heap limit, in bytes, of an execution that does not set its own. A process that runs one execution at this limit stays below three
    /// times as much plus 50 MB.
    pub heap_bytes: u64,
    /// Log level of executions that do not set their own.
    pub log_level: LogLevel,
    /// Time for which a finished execution is kept, with everything that belongs to it; `None`: forever.
    pub retention: Option<crate::time::Millis>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slice_instructions: 1_000_000,
            slice_bytes: 16 * 1024 * 1024,
            run_lease: crate::time::Millis::seconds(30),
            execution_instructions: 10_000_000_000,
            heap_bytes: 64 * 1024 * 1024,
            log_level: LogLevel::Calls,
            retention: None,
        }
    }
}
