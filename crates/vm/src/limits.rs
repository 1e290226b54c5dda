//! Limits of one execution. A limit of a value is a RangeError, since data may exceed it. What the machine must enforce
//! ends the program, and no handler catches it: instructions, heap and output. Instructions and output are counted from
//! one answer to the next, so that a program may run for years, and in total, so that it ends.

/// Most calls that `CC.all` opens at once. Each is a row in one commit, and all answers arrive in one slice.
pub const MAX_OPEN_CALLS: usize = 1_000;

/// Most bytes of all calls of one `CC.all` together, since one commit writes them.
pub const MAX_CALL_GROUP_BYTES: u64 = 8 << 20;

/// Number of calls of the largest size [`Limits::call_bytes`] that fit into one `CC.all`.
const LARGEST_CALLS_PER_GROUP: u64 = 8;

/// A program may use this many times the instructions and the output of a turn in total.
pub const TOTAL_TURNS: u64 = 1_000;

/// Limits of one machine. A turn is what it runs from one answer to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Instructions of a turn; a thousand times as many in total.
    pub instructions: u64,
    /// Depth of nested calls.
    pub frames: u32,
    /// Values on the stack: operands and variables of all frames.
    pub stack: u32,
    /// Bytes of the heap.
    pub heap_bytes: u64,
    /// UTF-16 code units of one string.
    pub text_units: u32,
    /// Bytes printed in a turn; a thousand times as many in total.
    pub output_bytes: u64,
    /// Bytes of one call's prompt, arguments and options.
    pub call_bytes: u32,
    /// Depth of plain values at the boundary: input, result, arguments and answers.
    pub json_depth: u32,
    /// Steps of matching a regular expression in one call, in addition to sixteen for every unit of the text. A match
    /// cannot be suspended, and so many steps take about 50 ms.
    pub match_steps: u64,
}

impl Limits {
    /// Most bytes of calls that are opened at once.
    #[must_use]
    pub fn call_group_bytes(&self) -> u64 {
        MAX_CALL_GROUP_BYTES.min(LARGEST_CALLS_PER_GROUP * u64::from(self.call_bytes))
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            instructions: 10_000_000_000,
            frames: 10_000,
            stack: 1_000_000,
            heap_bytes: 64 << 20,
            text_units: 1 << 26,
            output_bytes: 64 << 20,
            call_bytes: 1 << 20,
            json_depth: 64,
            match_steps: 1_500_000,
        }
    }
}

/// What a machine has used of something that is limited for a turn and in total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TurnCount {
    pub total: u64,
    /// The total when the turn began.
    pub before_turn: u64,
}

impl TurnCount {
    /// What may still be used if `limit` is that of a turn.
    pub fn left(self, limit: u64) -> u64 {
        let of_turn = limit.saturating_sub(self.total - self.before_turn);
        of_turn.min(limit.saturating_mul(TOTAL_TURNS).saturating_sub(self.total))
    }

    pub fn begin_turn(&mut self) {
        self.before_turn = self.total;
    }
}

/// A limit that a program exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExceededLimit {
    /// [`Limits::instructions`]
    Instructions,
    /// [`Limits::frames`]
    Frames,
    /// [`Limits::stack`]
    Stack,
    /// [`Limits::heap_bytes`]
    HeapBytes,
    /// Twice [`Limits::heap_bytes`]: the heap was discarded.
    SavedBytes,
    /// [`Limits::text_units`]
    TextUnits,
    /// [`Limits::output_bytes`]
    OutputBytes,
    /// [`Limits::call_bytes`]
    CallBytes,
    /// [`Limits::call_group_bytes`]
    CallGroupBytes,
    /// [`Limits::json_depth`]
    JsonDepth,
    /// [`Limits::match_steps`]
    MatchSteps,
    /// The maximum length of an array.
    ArrayLength,
}

impl ExceededLimit {
    /// Whether it is an error that the program may catch.
    #[must_use]
    pub fn is_catchable(self) -> bool {
        use ExceededLimit::{HeapBytes, Instructions, OutputBytes, SavedBytes};
        !matches!(self, Instructions | HeapBytes | SavedBytes | OutputBytes)
    }

    /// The message of the failure. The author of a script cannot retry it: its host sets the limits.
    pub fn message(self, limits: &Limits, is_script: bool) -> String {
        let hint = |of_script: &'static str, of_program: &'static str| if is_script { of_script } else { of_program };
        match self {
            ExceededLimit::Instructions => {
                format!(
                    "instruction limit reached: {} since the last answer, or {TOTAL_TURNS} times as many in total; {}",
                    limits.instructions,
                    hint(
                        "compute less between two calls",
                        "retry with a higher limit (CLI: retry ID --instructions N)"
                    )
                )
            }
            ExceededLimit::Frames => {
                format!(
                    "call depth limit reached: {} nested calls; check the program for endless recursion",
                    limits.frames
                )
            }
            ExceededLimit::Stack => format!("stack limit reached: {} values", limits.stack),
            ExceededLimit::HeapBytes => format!(
                "heap limit reached: {} bytes; {}",
                limits.heap_bytes,
                hint(
                    "keep less data at once, or split the work into several scripts",
                    "retry with a higher limit (CLI: retry ID --heap 128MiB)"
                )
            ),
            ExceededLimit::SavedBytes => format!(
                "heap limit reached: more than twice {} bytes, which cannot be kept; {}",
                limits.heap_bytes,
                hint(
                    "keep less data at once, or split the work into several scripts",
                    "start the program again with a higher limit (CLI: --heap 256MiB --answers-from ID)"
                )
            ),
            ExceededLimit::TextUnits => {
                format!("string length limit reached: {} UTF-16 code units", limits.text_units)
            }
            ExceededLimit::OutputBytes => format!(
                "output limit reached: {} bytes since the last answer, or {TOTAL_TURNS} times as many in total; {}",
                limits.output_bytes,
                hint("print less", "retry with a higher limit (CLI: retry ID --output 128MiB)")
            ),
            ExceededLimit::CallBytes => format!("call payload limit reached: {} bytes", limits.call_bytes),
            ExceededLimit::CallGroupBytes => {
                format!("call payload limit reached: {} bytes in all questions of CC.all", limits.call_group_bytes())
            }
            ExceededLimit::JsonDepth => format!("value depth limit reached: {} levels", limits.json_depth),
            ExceededLimit::MatchSteps => {
                format!(
                    "regular expression limit reached: {} steps; its pattern backtracks too much",
                    limits.match_steps
                )
            }
            ExceededLimit::ArrayLength => format!("array length limit reached: {} elements", super::array::MAX_LENGTH),
        }
    }
}
