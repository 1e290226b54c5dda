//! The store on MongoDB with servers that are killed, cut off, protected or not in a replica set, and with clients that are killed. Nothing
//! that was acknowledged is lost, nothing is applied twice, and every error has its proper code.
#![cfg(unix)]
// Test helpers may panic.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "store_mongodb_faults/access.rs"]
mod access;
#[path = "store_mongodb_faults/checker.rs"]
mod checker;
#[path = "store_mongodb_faults/crash.rs"]
mod crash;
#[path = "store_mongodb_faults/feed.rs"]
mod feed;
#[path = "store_mongodb_faults/index_builds.rs"]
mod index_builds;
#[path = "store_mongodb_faults/linearizability.rs"]
mod linearizability;
#[path = "store_mongodb_faults/load.rs"]
mod load;
#[path = "store_mongodb_faults/network.rs"]
mod network;
#[path = "store_mongodb_faults/register.rs"]
mod register;
#[path = "store_mongodb_faults/server.rs"]
mod server;
#[path = "store_mongodb_faults/workers.rs"]
mod workers;

/// Whether the long form of the tests was requested.
fn is_full_run() -> bool {
    std::env::var_os("RUNSTATE_FULL").is_some()
}

/// Pseudo-random numbers from the seed of the run, which is printed.
struct SeededRandom(u64);

impl SeededRandom {
    fn seeded() -> Self {
        let seed = std::env::var("RUNSTATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261);
        println!("seed {seed} (RUNSTATE_SEED=… runs others)");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }
}
