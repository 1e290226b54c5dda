//! The domains of builds with the feature `apps`.

use super::{apps, cvm, orchestration};
use crate::operation::Domain;

/// Every domain of this library.
pub static ALL: &[&Domain] = &[&cvm::DOMAIN, &orchestration::DOMAIN, &apps::DOMAIN];
