//! The recipe "A field" of CONTRIBUTING.md on a domain of its own: one collection as an older and as a newer program
//! declare it.

use std::sync::Arc;

use runstate::decision::{Command, Ctx, Decision, ReadSet, Rejection, View};
use runstate::engine::{Engine, SystemHost};
use runstate::id::CommandId;
use runstate::operation::{Domain, Operation};
use runstate::schema::{Entity, Key, Wire};
use runstate::store::{Freshness, Memory, Store};
use runstate::testing::block_on;
use serde::Serialize;

mod older {
    use super::*;

    pub static DOMAIN: Domain =
        Domain::new("notes").collections(&[&Reminder::COLLECTION]).operations(&[&AddReminder::OPERATION]);

    /// A reminder.
    #[derive(Entity, Wire, Clone, Debug, PartialEq)]
    #[entity(collection = "notes.reminders", version = 1)]
    pub struct Reminder {
        #[entity(id)]
        pub id: String,
        pub text: String,
    }

    /// Adds a reminder.
    #[derive(Serialize, Operation)]
    #[operation(name = "notes.reminder.add", creates)]
    pub struct AddReminder {
        /// Id of the reminder.
        #[operation(subject)]
        pub id: String,
        /// The text to remember.
        pub text: String,
    }

    impl Command for AddReminder {
        type Output = Reminder;

        fn reads(&self, _: &View) -> ReadSet {
            ReadSet::entity::<Reminder>(&self.id)
        }

        fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<Reminder>, Rejection> {
            view.check_absent::<Reminder>(&self.id)?;
            Decision::insert(Reminder { id: self.id.clone(), text: self.text.clone() })
        }
    }
}

mod newer {
    use super::*;

    pub static DOMAIN: Domain =
        Domain::new("notes").collections(&[&Reminder::COLLECTION]).operations(&[&AddReminder::OPERATION]);

    /// A reminder.
    #[derive(Entity, Wire, Clone, Debug, PartialEq)]
    #[entity(collection = "notes.reminders", version = 1)]
    pub struct Reminder {
        #[entity(id)]
        pub id: String,
        pub text: String,
        #[entity(max = 200)]
        pub owner: Option<String>,
    }

    /// Adds a reminder.
    #[derive(Serialize, Operation)]
    #[operation(name = "notes.reminder.add", creates)]
    pub struct AddReminder {
        /// Id of the reminder.
        #[operation(subject)]
        pub id: String,
        /// The text to remember.
        pub text: String,
        /// Person who added it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub owner: Option<String>,
    }

    impl Command for AddReminder {
        type Output = Reminder;

        fn reads(&self, _: &View) -> ReadSet {
            ReadSet::entity::<Reminder>(&self.id)
        }

        fn decide(&self, view: &View, _: &mut Ctx) -> Result<Decision<Reminder>, Rejection> {
            view.check_absent::<Reminder>(&self.id)?;
            Decision::insert(Reminder { id: self.id.clone(), text: self.text.clone(), owner: self.owner.clone() })
        }
    }
}

#[test]
fn a_new_field_leaves_documents_and_fingerprints_as_they_are() {
    let store = Arc::new(Memory::new());
    let open = |domain| block_on(Engine::new(store.clone(), Arc::new(SystemHost), &[domain])).unwrap();
    let id = CommandId::new("one").unwrap();
    let tea = older::AddReminder { id: "tea".into(), text: "Drink tea".into() };
    block_on(open(&older::DOMAIN).execute_as(&tea, Some(&id))).unwrap();

    let engine = open(&newer::DOMAIN);
    let tea = newer::AddReminder { id: "tea".into(), text: "Drink tea".into(), owner: None };
    let repeat = block_on(engine.execute_as(&tea, Some(&id))).unwrap();
    assert!(repeat.replayed, "an absent parameter does not change the fingerprint");
    let soup = newer::AddReminder { id: "soup".into(), text: "Cook soup".into(), owner: Some("ada".into()) };
    block_on(engine.execute(&soup)).unwrap();

    let keys = ["tea", "soup"].map(|id| Key::new(&newer::Reminder::COLLECTION, id));
    let found = block_on(store.get(&keys, Freshness::Linearizable)).unwrap();
    let owners: Vec<_> = found.iter().flatten().map(|stored| stored.document.get("owner").cloned()).collect();
    assert_eq!(owners, [None, Some("ada".into())], "an absent value is not written");
}
