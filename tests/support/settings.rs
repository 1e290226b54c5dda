//! Settings of a run of tests, from the environment: its form and its seed.

/// Whether the long form of the tests was requested. A test takes about a minute in it on a quiet machine, so that it
/// can be run whole.
pub fn is_full_run() -> bool {
    std::env::var_os("RUNSTATE_FULL").is_some()
}

/// The seed of all random choices. It is printed.
pub fn seed() -> u64 {
    let seed = std::env::var("RUNSTATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261);
    println!("seed {seed} (RUNSTATE_SEED=… runs others)");
    seed
}
