//! The settings of this domain.

use crate::decision::{Ctx, DomainSettings, Rejection};
use crate::operation::{Parameters, SettingsDeclaration};
use crate::time::Millis;

/// The settings of sessions, tasks and machines. Every setting has a default.
#[derive(Clone, Debug, PartialEq, Parameters)]
pub struct OrchestrationSettings {
    /// How long a session stays active or paused without a heartbeat, in milliseconds; by default 5 minutes.
    #[operation(name = "stallAfterMs", default = DEFAULT.stall_after)]
    pub stall_after: Millis,
    /// How long a session may stay stalled or paused before it fails, in milliseconds; by default 7 days.
    #[operation(name = "inactiveLimitMs", default = DEFAULT.inactive_limit)]
    pub inactive_limit: Millis,
    /// How long a machine stays online without a heartbeat, in milliseconds; by default 10 minutes.
    #[operation(name = "offlineAfterMs", default = DEFAULT.offline_after)]
    pub offline_after: Millis,
    /// Time since the heartbeat below which a session is healthy, in milliseconds; by default 60 seconds.
    #[operation(name = "healthyWithinMs", default = DEFAULT.healthy_within)]
    pub healthy_within: Millis,
    /// Time since the heartbeat below which a session is degraded, in milliseconds; by default 120 seconds.
    #[operation(name = "degradedWithinMs", default = DEFAULT.degraded_within)]
    pub degraded_within: Millis,
    /// Time since the heartbeat below which a session is unresponsive, in milliseconds; by default 300 seconds.
    #[operation(name = "unresponsiveWithinMs", default = DEFAULT.unresponsive_within)]
    pub unresponsive_within: Millis,
    /// How often a session can be recovered; by default 3.
    #[operation(default = DEFAULT.recovery_attempts)]
    pub recovery_attempts: u32,
    /// Number of recoveries in the history of a session; by default the last 10.
    #[operation(default = DEFAULT.recovery_history)]
    pub recovery_history: u32,
    /// Largest metadata of a session or machine, in bytes of its JSON; by default 65,536.
    #[operation(default = DEFAULT.metadata_bytes)]
    pub metadata_bytes: u64,
}

const DEFAULT: OrchestrationSettings = OrchestrationSettings {
    stall_after: Millis::minutes(5),
    inactive_limit: Millis::days(7),
    offline_after: Millis::minutes(10),
    healthy_within: Millis::seconds(60),
    degraded_within: Millis::seconds(120),
    unresponsive_within: Millis::seconds(300),
    recovery_attempts: 3,
    recovery_history: 10,
    metadata_bytes: 64 * 1024,
};

impl Default for OrchestrationSettings {
    fn default() -> Self {
        DEFAULT
    }
}

impl OrchestrationSettings {
    /// The settings for a decision.
    pub(super) fn of(ctx: &Ctx) -> Self {
        ctx.settings.get()
    }
}

impl DomainSettings for OrchestrationSettings {
    fn check(&self) -> Result<(), Rejection> {
        let ordered = self.healthy_within <= self.degraded_within && self.degraded_within <= self.unresponsive_within;
        let reason = || "it must be at least healthyWithinMs and at most unresponsiveWithinMs".to_owned();
        if ordered {
            Ok(())
        } else {
            Err(Rejection::Invalid { field: "degradedWithinMs".to_owned(), reason: reason() })
        }
    }
}

/// The settings for callers without types.
pub(super) static DECLARATION: SettingsDeclaration = SettingsDeclaration {
    parameters: OrchestrationSettings::PARAMETERS,
    described: OrchestrationSettings::DESCRIBED,
    apply: |settings, reader| Ok(settings.with(OrchestrationSettings::read(reader)?)),
};
