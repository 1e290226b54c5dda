//! What the processes of each search do.

use super::script::Act::*;
use super::script::Deed::*;
use super::search::{Scenario, Searched};

/// Goes through all of it.
fn holds(scenario: &Scenario) -> Searched {
    let begun = std::time::Instant::now();
    match scenario.search(None, 2_000_000) {
        Ok(searched) => {
            eprintln!("{searched:?} in {:?}", begun.elapsed());
            searched
        }
        Err(violation) => panic!("{}\n{}", violation.why, violation.trace.join("\n")),
    }
}

#[test]
fn two_who_commit_at_once() {
    let searched = holds(&Scenario {
        deeds: vec![Insert("a", "A"), CountUp("a"), CountUp("a")],
        before: vec![Open, Commit(0)],
        processes: vec![(1, vec![Open, Commit(1)]), (1, vec![Open, Commit(2)])],
        powers: 1,
        after: vec![Open, Read],
    });
    assert!(searched.states > 100, "{searched:?}");
}

#[test]
fn one_commits_and_reads_while_another_compacts() {
    let searched = holds(&Scenario {
        deeds: vec![Insert("a", "A"), CountUp("a"), CountUp("a")],
        before: vec![Open, Commit(0)],
        processes: vec![(1, vec![Open, Commit(1), Read]), (1, vec![Open, Commit(2), Compact])],
        powers: 1,
        after: vec![Open, Read],
    });
    assert!(searched.states > 100, "{searched:?}");
}
