//! The store in memory under the conformance suite.
#![cfg(feature = "testing")]

use runstate::store::Memory;
use runstate::testing::conformance::Subject;

async fn fresh() -> Subject {
    Subject::of(Memory::new())
}

runstate::conformance!(fresh);
