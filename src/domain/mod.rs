//! The domains of runstate: one folder per domain, one file per entity. The code is pure: documents and commands in, decisions out.

/// Lists the domains of a build, and the items in them that workers claim.
macro_rules! domains {
    ($domains:expr, [$($item:ty),+]) => {
        /// Every domain of this library.
        pub static ALL: &[&$crate::operation::Domain] = &$domains;

        /// Calls `visitor` with the type of the items in this collection. `None`: workers claim nothing there.
        pub fn visit_work_items<V: $crate::operation::WorkItemVisitor>(collection: &str, visitor: V) -> Option<V::Output> {
            $(if collection == <$item as $crate::operation::WorkItem>::COLLECTION.name {
                return Some(visitor.visit::<$item>());
            })+
            None
        }
    };
}

#[cfg(feature = "fleet")]
mod all;
#[cfg(all(feature = "apps", not(feature = "fleet")))]
#[path = "all_without_fleet.rs"]
mod all;
#[cfg(not(feature = "apps"))]
#[path = "all_without_apps.rs"]
mod all;
#[cfg(feature = "apps")]
pub mod apps;
pub mod cvm;
#[cfg(feature = "fleet")]
pub mod fleet;
pub mod orchestration;

pub use all::{ALL, visit_work_items};

use crate::operation::{Registry, RegistryError};
use crate::schema::Catalog;

/// The collections of every domain of this library.
pub fn catalog() -> Result<Catalog, RegistryError> {
    Ok(Registry::new(ALL)?.catalog().clone())
}
