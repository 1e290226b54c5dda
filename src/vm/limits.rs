//! What one execution may take. Every limit names itself when it stops a program, and no program can catch it.

/// Calls that `CC.all` may open at once. Each is a row in one commit, and all answers come back in one turn.
pub const MAX_OPEN_CALLS: usize = 1_000;

/// Bytes that the questions of one `CC.all` may have together at the most: they are written in one commit.
pub const MAX_TOGETHER_BYTES: u64 = 8 << 20;

/// How many questions of the largest size [`Limits::call_bytes`] fit into one `CC.all`.
const LARGEST_TOGETHER: u64 = 8;

/// Limits of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Instructions in all.
    pub instructions: u64,
    /// Calls within calls.
    pub frames: u32,
    /// Values on the stack: operands and variables of all frames.
    pub stack: u32,
    /// Bytes that the heap takes.
    pub heap_bytes: u64,
    /// UTF-16 units of one text.
    pub text_units: u32,
    /// Bytes printed in all.
    pub output_bytes: u64,
    /// Bytes of one call's prompt, arguments and options.
    pub call_bytes: u32,
    /// Depth of plain values that come in and go out.
    pub json_depth: u32,
    /// Steps that one call may take to match a regular expression, beside sixteen for every unit of the text.
    pub match_steps: u64,
}

impl Limits {
    /// Bytes that calls opened at once may have together.
    #[must_use]
    pub fn together_bytes(&self) -> u64 {
        MAX_TOGETHER_BYTES.min(LARGEST_TOGETHER * u64::from(self.call_bytes))
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
            match_steps: 20_000_000,
        }
    }
}

/// The limit that stopped a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exceeded {
    /// [`Limits::instructions`]
    Instructions,
    /// [`Limits::frames`]
    Frames,
    /// [`Limits::stack`]
    Stack,
    /// [`Limits::heap_bytes`]
    HeapBytes,
    /// [`Limits::text_units`]
    TextUnits,
    /// [`Limits::output_bytes`]
    OutputBytes,
    /// [`Limits::call_bytes`]
    CallBytes,
    /// [`Limits::together_bytes`]
    TogetherBytes,
    /// [`Limits::json_depth`]
    JsonDepth,
    /// [`Limits::match_steps`]
    MatchSteps,
    /// The most elements of one array.
    ArrayLength,
}

impl Exceeded {
    /// The failure's message.
    pub fn message(self, limits: &Limits) -> String {
        match self {
            Exceeded::Instructions => format!("instruction limit reached: {} instructions in all", limits.instructions),
            Exceeded::Frames => format!("call depth limit reached: {} calls within calls", limits.frames),
            Exceeded::Stack => format!("stack limit reached: {} values", limits.stack),
            Exceeded::HeapBytes => format!("heap limit reached: {} bytes", limits.heap_bytes),
            Exceeded::TextUnits => format!("string length limit reached: {} units", limits.text_units),
            Exceeded::OutputBytes => format!("output limit reached: {} bytes in all", limits.output_bytes),
            Exceeded::CallBytes => format!("call payload limit reached: {} bytes", limits.call_bytes),
            Exceeded::TogetherBytes => {
                format!("call payload limit reached: {} bytes in all questions of CC.all", limits.together_bytes())
            }
            Exceeded::JsonDepth => format!("value depth limit reached: {} levels", limits.json_depth),
            Exceeded::MatchSteps => {
                format!(
                    "regular expression limit reached: {} steps; its pattern backtracks too much",
                    limits.match_steps
                )
            }
            Exceeded::ArrayLength => format!("array length limit reached: {} elements", super::array::MAX_LENGTH),
        }
    }
}
