//! The domains of builds with the feature `fleet`, which turns on `apps`.

use super::{apps, cvm, fleet, orchestration};

domains!(
    [&cvm::DOMAIN, &orchestration::DOMAIN, &apps::DOMAIN, &fleet::DOMAIN],
    [cvm::Work, apps::StepWork, fleet::CheckpointWork]
);
