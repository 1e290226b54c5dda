//! The domains of runstate, each in a crate of its own. Their code is pure: documents and commands in, decisions out.

#[cfg(feature = "apps")]
#[doc(inline)]
pub use runstate_domain_apps as apps;
#[doc(inline)]
pub use runstate_domain_cvm as cvm;
#[cfg(feature = "fleet")]
#[doc(inline)]
pub use runstate_domain_fleet as fleet;
#[cfg(feature = "orchestration")]
#[doc(inline)]
pub use runstate_domain_orchestration as orchestration;

use crate::operation::{Domain, Registry, RegistryError, WorkItem, WorkItemVisitor};
use crate::schema::{Catalog, Entity as _};

/// Every domain of this build.
pub static ALL: &[&Domain] = &[
    &cvm::DOMAIN,
    #[cfg(feature = "orchestration")]
    &orchestration::DOMAIN,
    #[cfg(feature = "apps")]
    &apps::DOMAIN,
    #[cfg(feature = "fleet")]
    &fleet::DOMAIN,
];

/// Calls `visitor` with the type of the items in this collection. `None`: workers claim nothing there.
pub fn visit_work_items<V: WorkItemVisitor>(collection: &str, visitor: V) -> Option<V::Output> {
    fn holds<T: WorkItem>(collection: &str) -> bool {
        T::Row::COLLECTION.name == collection
    }
    match collection {
        _ if holds::<cvm::Work>(collection) => Some(visitor.visit::<cvm::Work>()),
        #[cfg(feature = "apps")]
        _ if holds::<apps::StepWork>(collection) => Some(visitor.visit::<apps::StepWork>()),
        // The npm package has no worker for it, and the worker's code is 46 KB of its module.
        #[cfg(all(feature = "fleet", not(target_family = "wasm")))]
        _ if holds::<fleet::CheckpointWork>(collection) => Some(visitor.visit::<fleet::CheckpointWork>()),
        _ => None,
    }
}

/// The collections of every domain of this build.
pub fn catalog() -> Result<Catalog, RegistryError> {
    Ok(Registry::new(ALL)?.catalog().clone())
}
