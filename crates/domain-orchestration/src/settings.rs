//! The settings of this domain.

use runstate_core::decision::DomainSettings;
use runstate_core::prelude::*;

/// The time after which the store expires what a command has ended, if that is the retention.
pub(super) const EXPIRY: Millis = Millis::days(30);

/// A time that does not come.
const FOR_EVER: Millis = Millis::days(36_500);

/// The settings of sessions, tasks and machines. Every setting has a default.
#[derive(Clone, Debug, PartialEq, Parameters)]
#[operation(default)]
pub struct OrchestrationSettings {
    /// How long a session stays active or paused without a heartbeat, in milliseconds; by default 5 minutes.
    #[operation(name = "stallAfterMs", default = Millis::minutes(5))]
    pub stall_after: Millis,
    /// How long a session may stay stalled or paused before it fails, in milliseconds; by default 7 days; 0: for ever.
    #[operation(name = "inactiveLimitMs", default = Millis::days(7))]
    pub inactive_limit: Millis,
    /// How long ended sessions and tasks are kept, in milliseconds; by default 30 days; 0: for ever.
    #[operation(name = "sessionRetentionMs", default = EXPIRY)]
    pub session_retention: Millis,
    /// How long a machine stays online without a heartbeat, in milliseconds; by default 10 minutes.
    #[operation(name = "offlineAfterMs", default = Millis::minutes(10))]
    pub offline_after: Millis,
    /// Time since the heartbeat below which a session is healthy, in milliseconds; by default 60 seconds.
    #[operation(name = "healthyWithinMs", default = Millis::seconds(60))]
    pub healthy_within: Millis,
    /// Time since the heartbeat below which a session is degraded, in milliseconds; by default 120 seconds.
    #[operation(name = "degradedWithinMs", default = Millis::seconds(120))]
    pub degraded_within: Millis,
    /// Time since the heartbeat below which a session is unresponsive, in milliseconds; by default 300 seconds.
    #[operation(name = "unresponsiveWithinMs", default = Millis::seconds(300))]
    pub unresponsive_within: Millis,
    /// How often a session can be recovered; by default 3.
    #[operation(default = 3)]
    pub recovery_attempts: u32,
    /// Number of recoveries in the history of a session; by default the last 10.
    #[operation(default = 10)]
    pub recovery_history: u32,
    /// Largest metadata of a session or machine, in bytes of its JSON; by default 65,536.
    #[operation(default = 64 * 1024)]
    pub metadata_bytes: u64,
}

impl OrchestrationSettings {
    /// The settings for a decision.
    pub(super) fn of(ctx: &Ctx) -> Self {
        ctx.settings.get()
    }

    /// How long a session may stay inactive.
    pub(super) fn inactive_limit(&self) -> Millis {
        if self.inactive_limit.0 == 0 { FOR_EVER } else { self.inactive_limit }
    }

    /// How long ended sessions and tasks are kept; `None`: for ever.
    pub(super) fn retention(&self) -> Option<Millis> {
        (self.session_retention.0 > 0).then_some(self.session_retention)
    }

    /// Whether the store may expire what a command has ended: it knows no other time than [`EXPIRY`].
    pub(super) fn expires(&self) -> bool {
        self.session_retention == EXPIRY
    }
}

impl DomainSettings for OrchestrationSettings {
    fn check(&self) -> Result<()> {
        let spans = [("inactiveLimitMs", self.inactive_limit), ("sessionRetentionMs", self.session_retention)];
        if let Some((field, span)) = spans.iter().find(|(_, span)| !(Millis(0)..=FOR_EVER).contains(span)) {
            let reason = format!("it is {}; it must be from 0 to {} (100 years)", span.0, FOR_EVER.0);
            return Err(Rejection::invalid(*field, reason));
        }
        let ordered = self.healthy_within <= self.degraded_within && self.degraded_within <= self.unresponsive_within;
        let reason = || "it must be at least healthyWithinMs and at most unresponsiveWithinMs".to_owned();
        if ordered { Ok(()) } else { Err(Rejection::invalid("degradedWithinMs", reason())) }
    }
}
