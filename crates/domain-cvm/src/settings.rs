//! The settings of this domain.

use runstate_core::decision::DomainSettings;
use runstate_core::limits::check_heap_bytes;
use runstate_core::operation::SettingsDeclaration;
use runstate_core::prelude::*;

/// The level of detail in an execution's log.
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq, Default, Parameter)]
pub enum LogLevel {
    /// No rows.
    Off,
    /// Calls, errors and the end.
    #[default]
    Calls,
    /// Every instruction as well.
    Instructions,
}

/// The settings of programs and their executions. Every setting has a default.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Instructions after which a running computation is saved. It is the most work that a crash can cost. The CLI
    /// calls it `--save-every` and JavaScript `saveEvery`.
    pub slice_instructions: u64,
    /// Approximate bytes of changed heap after which the computation is saved sooner. It is about the largest size of
    /// one save.
    pub slice_bytes: u64,
    /// Time without a save after which a `running` execution counts as abandoned by a dead process.
    pub run_lease: Millis,
    /// Instructions that an execution which sets no limit of its own may run from one answer to the next; a thousand
    /// times as many in total.
    pub execution_instructions: u64,
    /// Heap limit, in bytes, of an execution that does not set its own. A process that runs one execution at this limit
    /// stays below three times as much plus 50 MB.
    pub heap_bytes: u64,
    /// Log level of executions that do not set their own.
    pub log_level: LogLevel,
    /// Time for which a finished execution is kept, with everything that belongs to it; `None`: forever.
    pub retention: Option<Millis>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slice_instructions: 1_000_000,
            slice_bytes: 16 * 1024 * 1024,
            run_lease: Millis::seconds(30),
            execution_instructions: 10_000_000_000,
            heap_bytes: 64 * 1024 * 1024,
            log_level: LogLevel::Calls,
            retention: None,
        }
    }
}

impl Settings {
    /// The settings for a decision.
    pub(super) fn of(ctx: &Ctx) -> Self {
        ctx.settings.get()
    }
}

impl DomainSettings for Settings {
    fn check(&self) -> Result<()> {
        check_heap_bytes(self.heap_bytes).map_err(|reason| Rejection::invalid("heapBytes", reason))
    }
}

/// The options of the settings. Slices are small by default, because a page does nothing else meanwhile. The size of a
/// slice does not change an execution's state, only how its rows are split.
#[derive(Parameters)]
struct SettingsParameters {
    /// How long a finished execution is kept, in milliseconds; by default forever.
    #[operation(name = "retentionMs")]
    retention: Option<Millis>,
    /// Log level of executions that set none.
    log_level: Option<LogLevel>,
    /// Heap limit in bytes of executions that set none; by default 67,108,864.
    heap_bytes: Option<u64>,
    /// Instructions in a slice. The default takes about 10 ms in a page.
    #[operation(default = 250_000)]
    slice_instructions: u64,
    /// Approximate bytes of changed heap after which a slice ends early. Writing the default takes about 50 ms in a
    /// page.
    #[operation(default = 512 * 1024)]
    slice_bytes: u64,
}

/// The settings for callers without types.
pub(super) static DECLARATION: SettingsDeclaration = SettingsDeclaration {
    parameters: SettingsParameters::PARAMETERS,
    described: SettingsParameters::DESCRIBED,
    apply: |settings, reader| {
        let SettingsParameters { retention, log_level, heap_bytes, slice_instructions, slice_bytes } =
            SettingsParameters::read(reader)?;
        let default = Settings::default();
        Ok(settings.with(Settings {
            retention,
            log_level: log_level.unwrap_or(default.log_level),
            heap_bytes: heap_bytes.unwrap_or(default.heap_bytes),
            slice_instructions: slice_instructions.max(1),
            slice_bytes,
            ..default
        }))
    },
};
