//! The domains of builds without the feature `apps`: the WebAssembly module of pages.

use super::{cvm, orchestration};
use crate::operation::Domain;

/// Every domain of this library.
pub static ALL: &[&Domain] = &[&cvm::DOMAIN, &orchestration::DOMAIN];
