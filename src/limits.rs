//! The bounds that hold on every store and host, each with its reason. Limits of the machine are in `vm::Limits`.

/// Largest document, in bytes of its JSON. Half of what MongoDB takes, so that its own encoding never surprises.
pub const DOCUMENT_BYTES: usize = 8 * 1024 * 1024;

/// Deepest nesting of a document, itself included: what MongoDB takes. Readers of JSON stop at 128, which leaves the frame that a store
/// puts around a document some levels.
pub const DOCUMENT_DEPTH: usize = 100;

/// Longest id in bytes of UTF-8: it fits every backend's index key beside other fields.
pub const ID_BYTES: usize = 200;

/// Deepest nesting of a plain value (input, answer, result): deep enough for real data, and no parser's stack is in danger.
pub const VALUE_DEPTH: usize = 64;

/// Largest plain value that crosses into a run (input, answer), in bytes of its JSON.
pub const PLAIN_VALUE_BYTES: usize = 1024 * 1024;

/// Steps of the matcher that all patterns of a schema may take together to check one answer, beside eight for every unit of a
/// text: it is checked within a decision, where others wait.
pub const SCHEMA_PATTERN_STEPS: u64 = 1_000_000;

/// Characters that one `pattern` of a schema may have: each may need a table of its own.
pub const SCHEMA_PATTERN_CHARS: usize = 1_000;

/// Characters that all patterns of a schema may have together.
pub const SCHEMA_PATTERNS_CHARS: usize = 10_000;

/// Largest answers to calls that were asked together (`CC.all`), in bytes of their JSON: they come back in one turn, and a page has to hold
/// them too.
pub const TOGETHER_ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// Largest result that the command ledger keeps: ids and a status fit many times over.
pub const LEDGER_RESULT_BYTES: usize = 4 * 1024;

/// How long the ledger remembers a command, in days. Who repeats a command later than this is no longer repeating it.
pub const LEDGER_DAYS: i64 = 7;

/// Integers beyond this are not exact in JavaScript, and some stores keep no others, so those of documents stop here: 2^53 - 1.
pub const SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Bytes that the heap of an execution may be allowed to take.
pub const HEAP_BYTES: std::ops::RangeInclusive<u64> = 1024 * 1024..=4 * 1024 * 1024 * 1024;

/// Whether a heap may be allowed so many bytes; the error says what is wrong with them.
pub(crate) fn check_heap_bytes(bytes: u64) -> Result<(), String> {
    if HEAP_BYTES.contains(&bytes) {
        return Ok(());
    }
    Err(format!("it is {bytes}, expected {} to {}", HEAP_BYTES.start(), HEAP_BYTES.end()))
}

/// How often a command is decided again after a conflict before its caller is told.
pub const DECIDE_ATTEMPTS: u32 = 64;

/// How much of the log an execution keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Calls, errors, the end.
    #[default]
    Calls,
    /// Every instruction too.
    Instructions,
}

/// What an engine's owner may choose; everything has a default.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Instructions after which a computation that does not stop is saved: what a crash can cost at the most. `--save-every` and `saveEvery`
    /// on the other faces.
    pub slice_instructions: u64,
    /// Bytes of changed heap after which it is saved sooner, near enough: what one save may take at about the most.
    pub slice_bytes: u64,
    /// After how long without a save a `running` execution counts as left by a dead process.
    pub run_lease: crate::time::Millis,
    /// Instructions that one execution may run in all.
    pub execution_instructions: u64,
    /// Bytes that the heap of an execution may take where it does not say itself. A process that runs one execution at this limit stays below three
    /// times as much plus 50 MB.
    pub heap_bytes: u64,
    /// What executions log where they do not say themselves.
    pub log_level: LogLevel,
    /// How long a finished execution is kept, with everything that belongs to it; `None`: for ever.
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
