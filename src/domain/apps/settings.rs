//! The settings of this domain.

use crate::decision::{Ctx, DomainSettings};
use crate::operation::{Parameters, SettingsDeclaration};

/// The settings of apps. Every setting has a default.
#[derive(Clone, Debug, PartialEq, Parameters)]
pub struct AppsSettings {
    /// The name under which this process appears in the audit log; by default `unknown`.
    #[operation(name = "auditActor", default = DEFAULT_ACTOR.to_owned())]
    pub actor: String,
    /// Largest input of an execution, and input or output of a step, in bytes of its JSON; by default 1,048,576.
    #[operation(default = DEFAULT_VALUE_BYTES)]
    pub value_bytes: u64,
}

const DEFAULT_ACTOR: &str = "unknown";
const DEFAULT_VALUE_BYTES: u64 = 1024 * 1024;

impl Default for AppsSettings {
    fn default() -> Self {
        Self { actor: DEFAULT_ACTOR.to_owned(), value_bytes: DEFAULT_VALUE_BYTES }
    }
}

impl AppsSettings {
    /// The settings for a decision.
    pub(super) fn of(ctx: &Ctx) -> Self {
        ctx.settings.get()
    }
}

impl DomainSettings for AppsSettings {}

/// The settings for callers without types.
pub(super) static DECLARATION: SettingsDeclaration = SettingsDeclaration {
    parameters: AppsSettings::PARAMETERS,
    described: AppsSettings::DESCRIBED,
    apply: |settings, reader| Ok(settings.with(AppsSettings::read(reader)?)),
};
