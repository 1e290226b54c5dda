//! The command line of runstate.
fn main() {}
