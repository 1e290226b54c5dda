//! The domains of builds with the feature `apps`, and without `fleet`.

use super::{apps, cvm, orchestration};

domains!([&cvm::DOMAIN, &orchestration::DOMAIN, &apps::DOMAIN], [cvm::Work, apps::StepWork]);
