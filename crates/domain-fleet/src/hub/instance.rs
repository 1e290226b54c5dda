//! Hubs: entity, lifecycle and commands.

use runstate_core::decision::Event;
use runstate_core::prelude::*;
use runstate_core::schema::{FieldType, State};

use crate::codes;
use crate::writable::Writable;

/// A hub.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "fleet.hub_instances", version = 1, noun = "hub", filters(status, r#type))]
#[index(status)]
#[index(r#type)]
pub struct HubInstance {
    /// Its id.
    #[entity(id, format = uuid)]
    pub uuid: String,
    /// Its type.
    #[entity(format = varchar(50))]
    pub r#type: HubType,
    /// Its status.
    #[entity(state)]
    pub state: HubState,
    /// The virtual machine.
    #[entity(format = varchar(100))]
    pub vm_id: String,
    /// The node of the virtual machine.
    #[entity(format = varchar(100))]
    pub vm_node: Option<String>,
    /// Its version.
    #[entity(format = varchar(50))]
    pub version: Option<String>,
    /// Its configuration.
    #[entity(default)]
    pub configuration: Document,
    /// The hub from which it was made.
    #[entity(references = "fleet.hub_instances", format = uuid)]
    pub parent_hub_uuid: Option<String>,
    /// The experiment that it is part of.
    #[entity(references = "fleet.hub_experiments", format = uuid)]
    pub experiment_id: Option<String>,
    /// When it was registered.
    pub spawned_at: Timestamp,
    /// When it made a checkpoint last.
    pub last_checkpoint_at: Option<Timestamp>,
    /// Further information.
    #[entity(default)]
    pub metadata: Document,
}

/// A type of hubs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FieldType, Wire, Parameter)]
pub enum HubType {
    /// The one that does the work.
    Primary,
    /// One to develop with.
    Development,
    /// One with a changed configuration, for an experiment.
    Experimental,
    /// One for projects of one domain.
    DomainSpecific,
}

/// Status of a hub.
#[derive(State, Wire, Clone, Debug, PartialEq)]
#[state(status = HubStatus)]
pub enum HubState {
    /// It works.
    Active,
    /// It does not work.
    Inactive,
    /// It works for an experiment.
    Experimental,
    /// It works no more.
    Retiring {
        /// When it was retired.
        terminated_at: Timestamp,
    },
}

/// An event of a hub.
#[derive(Event, Clone, Copy, Debug, PartialEq)]
pub enum HubEvent {
    /// It begins to work.
    Activate,
    /// It stops to work.
    Deactivate,
    /// It begins to work for an experiment.
    Experiment,
    /// It stops to work for good.
    Retire(Timestamp),
}

impl Lifecycle for HubInstance {
    type Event = HubEvent;

    fn transition(state: HubState, event: HubEvent) -> Option<HubState> {
        use HubState::{Active, Experimental, Inactive, Retiring};
        match (state, event) {
            (Inactive | Experimental, HubEvent::Activate) => Some(Active),
            (Active | Experimental, HubEvent::Deactivate) => Some(Inactive),
            (Inactive, HubEvent::Experiment) => Some(Experimental),
            (Active | Inactive | Experimental, HubEvent::Retire(terminated_at)) => Some(Retiring { terminated_at }),
            _ => None,
        }
    }
}

/// The one document that names the active primary hub: a hub becomes it only by a write of this document.
#[derive(Entity, Wire, Clone, Debug, PartialEq)]
#[entity(collection = "fleet.hub_primary", version = 1)]
pub struct PrimaryHub {
    /// Its id: `primary`.
    #[entity(id)]
    pub id: String,
    /// The hub; missing if none is active.
    #[entity(references = "fleet.hub_instances", format = uuid)]
    pub hub_uuid: Option<String>,
}

impl PrimaryHub {
    /// The id of the document.
    pub(super) const ID: &'static str = "primary";

    /// The document, to change it.
    pub(super) fn load(view: &View) -> Result<Writable<Self>> {
        Writable::load(view, Self::ID, || Self { id: Self::ID.to_owned(), hub_uuid: None })
    }
}

/// A hub after a command.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct HubSummary {
    /// Its id.
    pub uuid: String,
    /// Its type.
    pub r#type: HubType,
    /// Its status.
    pub status: HubStatus,
}

impl HubInstance {
    /// The hub as commands return it.
    pub fn summary(&self) -> HubSummary {
        HubSummary { uuid: self.uuid.clone(), r#type: self.r#type, status: self.state.status() }
    }
}

/// Registers a hub, which is inactive then.
///
/// Errors: `already_exists`, `not_found` (the hub from which it was made), `invalid`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.hub.register", creates)]
pub struct RegisterHub {
    /// Its type.
    #[operation(subject, name = "type")]
    pub hub_type: HubType,
    /// The virtual machine.
    pub vm_id: String,
    /// The node of the virtual machine.
    pub vm_node: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its configuration.
    pub configuration: Option<Document>,
    /// The hub from which it was made.
    pub parent_hub_uuid: Option<String>,
    /// Further information.
    pub metadata: Option<Document>,
    /// Its id, a UUID; by default a new one.
    pub uuid: Option<String>,
}

impl Command for RegisterHub {
    type Output = HubSummary;

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<HubSummary>> {
        if let Some(parent) = &self.parent_hub_uuid {
            view.entity::<HubInstance>(parent)?;
        }
        let uuid = self.uuid.clone().unwrap_or_else(|| ctx.new_id());
        view.check_absent::<HubInstance>(&uuid)?;
        let hub = HubInstance {
            uuid,
            r#type: self.hub_type,
            state: HubState::Inactive,
            vm_id: self.vm_id.clone(),
            vm_node: self.vm_node.clone(),
            version: self.version.clone(),
            configuration: self.configuration.clone().unwrap_or_default(),
            parent_hub_uuid: self.parent_hub_uuid.clone(),
            experiment_id: None,
            spawned_at: ctx.now,
            last_checkpoint_at: None,
            metadata: self.metadata.clone().unwrap_or_default(),
        };
        Decision::new(hub.summary()).and_insert(&hub)
    }
}

/// Changes the status of a hub. At most one primary hub is active.
///
/// Errors: `not_found`, `illegal_transition`, `primary_exists`.
#[derive(Clone, Debug, Serialize, Operation)]
#[operation(name = "fleet.hub.status")]
pub struct SetHubStatus {
    /// The hub.
    #[operation(subject)]
    pub uuid: String,
    /// The new status.
    #[operation(subject)]
    pub status: HubStatus,
}

impl Command for SetHubStatus {
    type Output = HubSummary;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<HubInstance>(&self.uuid).with_entity::<PrimaryHub>(PrimaryHub::ID)
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<HubSummary>> {
        let mut hub = view.entity::<HubInstance>(&self.uuid)?;
        hub.entity.apply(match self.status {
            HubStatus::Active => HubEvent::Activate,
            HubStatus::Inactive => HubEvent::Deactivate,
            HubStatus::Experimental => HubEvent::Experiment,
            HubStatus::Retiring => HubEvent::Retire(ctx.now),
        })?;
        let mut decision = Decision::new(hub.entity.summary());
        if hub.entity.r#type == HubType::Primary {
            let mut primary = PrimaryHub::load(view)?;
            let holder = &mut primary.entity.hub_uuid;
            match (holder.as_deref(), hub.entity.state == HubState::Active) {
                (Some(other), true) if other != self.uuid => {
                    let message =
                        format!("hub `{other}` is the active primary one; deactivate it first; nothing was changed");
                    return Err(Rejection::domain(codes::PRIMARY_EXISTS, message));
                }
                (_, true) => *holder = Some(self.uuid.clone()),
                (Some(own), false) if own == self.uuid => *holder = None,
                _ => {}
            }
            decision = primary.save(decision, ctx.now)?;
        }
        decision.save(hub, ctx.now)
    }
}
