//! The limits of plain values, each with its reason.

/// Deepest nesting of a plain value (input, answer, result). It is deep enough for real data and safe for every
/// parser's stack.
pub const VALUE_DEPTH: usize = 64;

/// Largest plain value that enters an execution (input, answer), in bytes of its JSON.
pub const PLAIN_VALUE_BYTES: usize = 1024 * 1024;

/// Largest absolute value of an integer in a document: 2^53 - 1. Integers beyond it are not exact in JavaScript or in
/// stores that keep only doubles.
pub const SAFE_INTEGER: i64 = (1 << 53) - 1;
