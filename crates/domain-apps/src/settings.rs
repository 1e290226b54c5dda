//! The settings of this domain.

use runstate_core::decision::{Ctx, DomainSettings};
use runstate_core::operation::Parameters;

/// The settings of apps. Every setting has a default.
#[derive(Clone, Debug, PartialEq, Parameters)]
#[operation(default)]
pub struct AppsSettings {
    /// The name under which this process appears in the audit log; by default `unknown`.
    #[operation(name = "auditActor", default = "unknown".to_owned())]
    pub actor: String,
    /// Largest input of an execution, and input or output of a step, in bytes of its JSON; by default 1,048,576.
    #[operation(default = 1024 * 1024)]
    pub value_bytes: u64,
}

impl AppsSettings {
    /// The settings for a decision.
    pub(super) fn of(ctx: &Ctx) -> Self {
        ctx.settings.get()
    }
}

impl DomainSettings for AppsSettings {}
