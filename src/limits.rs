//! The bounds that hold on every store and host, each with its reason. Limits of the machine are in `vm::Limits`.

/// Largest document, in bytes of its JSON. Half of what MongoDB takes, so that its own encoding never surprises.
pub const DOCUMENT_BYTES: usize = 8 * 1024 * 1024;

/// Longest id in bytes of UTF-8: it fits every backend's index key beside other fields.
pub const ID_BYTES: usize = 200;

/// Deepest nesting of a plain value (input, answer, result): deep enough for real data, and no parser's stack is in danger.
pub const VALUE_DEPTH: usize = 64;

/// Largest plain value that crosses into a run (input, answer), in bytes of its JSON.
pub const PLAIN_VALUE_BYTES: usize = 1024 * 1024;

/// Largest result that the command ledger keeps: ids and a status fit many times over.
pub const LEDGER_RESULT_BYTES: usize = 4 * 1024;

/// How long the ledger remembers a command, in days. Who repeats a command later than this is no longer repeating it.
pub const LEDGER_DAYS: i64 = 7;

/// Integers beyond this are not exact in JavaScript, so schema integers stop here: 2^53 - 1.
pub const SAFE_INTEGER: i64 = (1 << 53) - 1;

/// How often a command is decided again after a conflict before its caller is told.
pub const DECIDE_ATTEMPTS: u32 = 64;
