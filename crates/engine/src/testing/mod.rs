//! Tools for tests of domains: hosts with simulated time and entropy, and scenes of one domain.

mod domain_scene;
mod host;

pub use domain_scene::DomainScene;
pub use host::{SimHost, TimedHost};
