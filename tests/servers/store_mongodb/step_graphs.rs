//! Random graphs of steps end on MongoDB as in memory, also if processes die.

#[path = "../../stores/apps/agreement.rs"]
mod agreement;
#[allow(dead_code, reason = "tests of the domain need more of it")]
#[path = "../../stores/apps/graph.rs"]
mod graph;

use std::sync::Arc;

use runstate::store::Memory;
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::testing::SimIds;

use self::graph::{Deaths, run_on};
use crate::support::mongodb::{fresh_url, run_on_server};

const STEPS: usize = 20;

#[test]
fn a_graph_of_steps_ends_as_in_memory_whatever_dies() {
    run_on_server(async {
        let store = Arc::new(Mongo::open(&fresh_url(), MongoOptions::default()).await.unwrap());
        let (end, died) = run_on(store, Deaths::Often(SimIds::new(7)), &SimIds::new(1), STEPS, 30).await;
        println!("{died} deaths");
        assert!(died > 5, "{died}");
        let (calm, _) = run_on(Arc::new(Memory::new()), Deaths::None, &SimIds::new(1), STEPS, 30).await;
        assert_eq!(end, calm);
    });
}
