//! The settings of this domain.

use runstate_core::decision::DomainSettings;
use runstate_core::prelude::*;

/// The settings of machines and budgets. Every setting has a default.
#[derive(Clone, Debug, PartialEq, Parameters)]
#[operation(default)]
pub struct FleetSettings {
    /// How long a machine lives without a heartbeat, in milliseconds; by default 30 minutes.
    #[operation(name = "terminateAfterMs", default = Millis::minutes(30))]
    pub terminate_after: Millis,
    /// After how long a machine should make a checkpoint, in milliseconds; by default 5 minutes.
    #[operation(name = "checkpointIntervalMs", default = Millis::minutes(5))]
    pub checkpoint_interval: Millis,
    /// Number of failures in a row after which nothing is reserved; by default 3.
    #[operation(default = 3)]
    pub breaker_failures: u32,
    /// How long nothing is reserved then, in milliseconds; by default 5 minutes.
    #[operation(name = "breakerOpenMs", default = Millis::minutes(5))]
    pub breaker_open: Millis,
}

impl FleetSettings {
    /// The settings for a decision.
    pub(super) fn of(ctx: &Ctx) -> Self {
        ctx.settings.get()
    }
}

impl DomainSettings for FleetSettings {}
