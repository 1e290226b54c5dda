//! The domains of builds without the feature `apps`: the WebAssembly module of pages.

use super::{cvm, orchestration};

domains!([&cvm::DOMAIN, &orchestration::DOMAIN], [cvm::Work]);
