//! What the processes of each search do.

use super::script::Act::{self, *};
use super::script::Deed::*;
use super::search::Asleep::{self, *};
use super::search::{Scenario, Searched};

/// A store of one note, and on it so many countings.
fn counting(counts: usize) -> Vec<super::script::Deed> {
    let mut deeds = vec![Insert("a", "A")];
    deeds.extend((0..counts).map(|_| CountUp("a")));
    deeds
}

/// Processes that have the store open when the search begins.
fn open(scripts: &[&[Act]]) -> Vec<(Asleep, Vec<Act>)> {
    scripts.iter().map(|acts| (After(1), [&[Open], *acts].concat())).collect()
}

/// Goes through all of it.
fn holds(scenario: &Scenario) -> Searched {
    let begun = std::time::Instant::now();
    match scenario.search(None, 2_000_000) {
        Ok(searched) => {
            eprintln!("{searched} in {:?}", begun.elapsed());
            searched
        }
        Err(violation) => panic!("{}\n{}", violation.why, violation.trace.join("\n")),
    }
}

pub fn one_who_creates() -> Scenario {
    Scenario {
        deeds: vec![Insert("a", "A"), Insert("b", "B")],
        before: vec![],
        processes: vec![(After(0), vec![Open, Commit(0)])],
        powers: 2,
        after: vec![Open, Commit(1), Read],
    }
}

pub fn two_who_create() -> Scenario {
    Scenario {
        processes: vec![(After(0), vec![Open, Commit(0)]), (After(0), vec![Open])],
        powers: 0,
        ..one_who_creates()
    }
}

/// Takes seconds.
pub fn two_who_create_and_commit() -> Scenario {
    Scenario {
        processes: vec![(After(0), vec![Open, Commit(0)]), (After(0), vec![Open, Commit(1)])],
        powers: 1,
        after: vec![Open, Read],
        ..one_who_creates()
    }
}

pub fn two_who_count() -> Scenario {
    Scenario {
        deeds: counting(2),
        before: vec![Open, Commit(0)],
        processes: open(&[&[Commit(1)], &[Commit(2)]]),
        powers: 1,
        after: vec![Open, Read],
    }
}

pub fn two_who_insert() -> Scenario {
    Scenario { deeds: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "C")], ..two_who_count() }
}

pub fn one_reads_what_another_commits() -> Scenario {
    Scenario {
        deeds: counting(1),
        before: vec![Open, Commit(0)],
        processes: open(&[&[Read, Read], &[Commit(1)]]),
        powers: 1,
        after: vec![Open, Read],
    }
}

/// A process that sleeps while another goes on and removes what it knows.
pub fn a_sleeper_who(acts: &[Act]) -> Scenario {
    Scenario {
        deeds: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "C"), Insert("d", "D")],
        before: vec![Open, Commit(0)],
        // What another one commits stands there already: nothing of it tells the sleeper anything before it looks.
        processes: vec![
            (After(1), [&[Open], acts].concat()),
            (After(3), vec![Open, Commit(2), Commit(3)]),
            (After(1), vec![Open, Compact]),
        ],
        powers: 0,
        after: vec![],
    }
}

/// As above, and the commits can come at any moment.
pub fn a_light_sleeper_who(acts: &[Act]) -> Scenario {
    Scenario { processes: open(&[acts, &[Commit(2), Commit(3), Compact]]), ..a_sleeper_who(acts) }
}

/// A process that knows a snapshot and nothing after it.
pub fn a_sleeper_on_a_snapshot_who(acts: &[Act]) -> Scenario {
    Scenario { before: vec![Open, Commit(0), Compact], ..a_sleeper_who(acts) }
}

pub fn one_opens_while_another_compacts() -> Scenario {
    Scenario {
        deeds: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "C")],
        before: vec![Open, Commit(0), Commit(1)],
        processes: vec![(After(0), vec![Open, Read]), (After(1), vec![Open, Compact])],
        powers: 0,
        after: vec![],
    }
}

pub fn one_opens_while_another_commits() -> Scenario {
    Scenario {
        deeds: counting(2),
        before: vec![Open, Commit(0)],
        processes: vec![(After(0), vec![Open, Read]), (After(1), vec![Open, Commit(1), Commit(2)])],
        powers: 1,
        after: vec![Open, Read],
    }
}

pub fn two_who_compact() -> Scenario {
    Scenario {
        deeds: counting(1),
        before: vec![Open, Commit(0)],
        processes: open(&[&[Compact], &[Commit(1), Compact]]),
        powers: 0,
        after: vec![Open, Commit(1), Compact, Read],
    }
}

pub fn one_compacts_and_the_power_fails_twice() -> Scenario {
    Scenario {
        deeds: counting(2),
        before: vec![Open, Commit(0)],
        processes: open(&[&[Commit(1), Compact]]),
        powers: 2,
        after: vec![Open, Commit(2), Compact, Read],
    }
}

pub fn a_repeat_in_another_process() -> Scenario {
    Scenario {
        deeds: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "B")],
        before: vec![Open, Commit(0)],
        processes: open(&[&[Commit(1), Ask(1)], &[Commit(1), Commit(2)]]),
        powers: 1,
        after: vec![Open, Ask(1), Commit(1), Read],
    }
}

pub fn what_is_deleted_while_another_compacts() -> Scenario {
    Scenario {
        deeds: vec![Insert("a", "A"), Delete("a"), Insert("b", "A")],
        before: vec![Open, Commit(0)],
        processes: open(&[&[Commit(1), Commit(2)], &[Compact, Read]]),
        powers: 1,
        after: vec![Open, Read],
    }
}

pub fn a_group_beside_a_commit() -> Scenario {
    Scenario {
        deeds: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "B"), CountUp("a")],
        before: vec![Open, Commit(0)],
        processes: open(&[&[Both(1, 2)], &[Commit(3), Read]]),
        powers: 1,
        after: vec![Open, Read],
    }
}

pub fn one_closes_and_opens_again() -> Scenario {
    Scenario {
        deeds: counting(2),
        before: vec![Open, Commit(0)],
        processes: open(&[&[Commit(1), Close, Open, Read], &[Commit(2)]]),
        powers: 0,
        after: vec![],
    }
}

pub fn somebody_puts_a_copy_back() -> Scenario {
    Scenario {
        deeds: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "C")],
        before: vec![Open, Commit(0), Commit(1)],
        processes: vec![(After(1), vec![Open, Commit(2), Read]), (After(0), vec![PutBack(2, &[1, 2])])],
        powers: 0,
        after: vec![],
    }
}

/// Who cleans up what another one left, who died right after its snapshot was linked, while a third one sleeps right before its link.
pub fn a_cleaner_after_a_crash() -> Scenario {
    Scenario {
        deeds: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "C"), Insert("d", "D")],
        before: vec![Open, Commit(0)],
        processes: vec![
            (BeforeLink(1), vec![Open, Commit(1)]),
            (After(3), vec![Open, Commit(2), Commit(3)]),
            (DeadAfterLink(1), vec![Open, Compact]),
            (After(1), vec![Open, Compact]),
        ],
        powers: 0,
        after: vec![],
    }
}

/// One sleeps right before it links a snapshot, which another one has overtaken.
pub fn a_lower_snapshot() -> Scenario {
    Scenario {
        deeds: counting(3),
        before: vec![Open, Commit(0)],
        processes: vec![
            (BeforeLink(1), vec![Open, Compact, Read]),
            (After(2), vec![Open, Commit(1)]),
            (After(1), vec![Open, Compact]),
        ],
        powers: 1,
        after: vec![Open, Commit(2), Compact, Read],
    }
}

/// Two who make a store; one sleeps right before runstate.json.
pub fn two_who_make_an_identity() -> Scenario {
    Scenario {
        processes: vec![(BeforeLink(0), vec![Open, Commit(0)]), (After(0), vec![Open])],
        powers: 0,
        ..one_who_creates()
    }
}

/// Takes seconds: with the power.
pub fn two_who_compact_and_lose_power() -> Scenario {
    Scenario { powers: 1, ..two_who_compact() }
}

/// Takes for ever; for random walks.
pub fn a_crowd() -> Scenario {
    Scenario {
        deeds: [counting(4), vec![Insert("b", "B"), Delete("b"), Insert("c", "B")]].concat(),
        before: vec![Open, Commit(0)],
        processes: vec![
            (After(0), vec![Open, Commit(1), Compact, Commit(2), Read]),
            (After(1), vec![Open, Commit(3), Commit(5), Close, Open, Commit(6), Compact, Read]),
            (After(1), vec![Open, Read, Both(4, 7), Compact, Ask(3), Read]),
        ],
        powers: 2,
        after: vec![Open, Compact, Read],
    }
}

pub fn three() -> Scenario {
    Scenario {
        deeds: counting(2),
        before: vec![Open, Commit(0)],
        processes: vec![
            (After(1), vec![Open, Commit(1)]),
            (After(2), vec![Open, Commit(2), Compact]),
            (After(1), vec![Open, Read]),
        ],
        powers: 0,
        after: vec![],
    }
}

macro_rules! hold {
    ($($name:ident: $scenario:expr, $least:expr;)+) => {
        $(#[test]
        fn $name() {
            let searched = holds(&$scenario);
            assert!(searched.states > $least, "{searched}");
        })+
    };
}

hold! {
    a_store_is_created: one_who_creates(), 100;
    two_processes_create_a_store: two_who_make_an_identity(), 100;
    two_processes_commit_at_once: two_who_count(), 100;
    two_processes_insert_at_once: two_who_insert(), 100;
    a_reader_knows_what_was_acknowledged: one_reads_what_another_commits(), 100;
    a_sleeper_commits: a_sleeper_who(&[Commit(1)]), 100;
    a_sleeper_reads: a_sleeper_who(&[Read]), 100;
    a_sleeper_on_a_snapshot_commits: a_sleeper_on_a_snapshot_who(&[Commit(1)]), 100;
    a_sleeper_on_a_snapshot_reads: a_sleeper_on_a_snapshot_who(&[Read]), 100;
    a_store_opens_while_it_is_compacted: one_opens_while_another_compacts(), 100;
    a_store_opens_while_commits_come: one_opens_while_another_commits(), 100;
    one_snapshot_overtakes_another: a_lower_snapshot(), 100;
    one_cleans_up_after_another: a_cleaner_after_a_crash(), 100;
    the_power_fails_twice: one_compacts_and_the_power_fails_twice(), 100;
    a_repeated_command_is_done_once: a_repeat_in_another_process(), 100;
    what_is_deleted_stays_deleted: what_is_deleted_while_another_compacts(), 100;
    a_group_goes_as_one: a_group_beside_a_commit(), 100;
    a_store_is_opened_again: one_closes_and_opens_again(), 100;
    a_copy_that_is_put_back_is_gone_on_from: somebody_puts_a_copy_back(), 50;
    three_processes: three(), 100;
}

fn full() -> bool {
    std::env::var_os("RUNSTATE_FULL").is_some()
}

/// The seed of random walks; it is printed.
fn seed() -> u64 {
    let seed = std::env::var("RUNSTATE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("RUNSTATE_SEED={seed}");
    seed
}

/// Goes along random ways.
fn walks(scenario: &Scenario, walks: u64) -> Searched {
    let seed = seed();
    let walked = scenario.walk(seed, walks);
    let searched = walked.unwrap_or_else(|found| panic!("seed {seed}: {}\n{}", found.why, found.trace.join("\n")));
    eprintln!("{searched}");
    searched
}

/// Random ways through a large scenario in the short run.
const WALKS: u64 = 200;

/// Of a scenario that takes long to go through: some random ways in the short run, all of it in the full run.
macro_rules! hold_in_part {
    ($($name:ident: $scenario:expr, $least:expr;)+) => {
        $(#[test]
        fn $name() {
            let searched = if full() { holds(&$scenario) } else { walks(&$scenario, WALKS) };
            assert!(searched.states > $least, "{searched}");
        })+
    };
}

hold_in_part! {
    two_processes_create_a_store_at_once: two_who_create(), 100;
    two_processes_create_a_store_and_commit: two_who_create_and_commit(), 100;
    a_process_that_sleeps_anywhere_commits: a_light_sleeper_who(&[Commit(1)]), 100;
    two_processes_compact_and_the_power_fails: two_who_compact_and_lose_power(), 100;
}

#[test]
fn a_crowd_holds_along_random_ways() {
    let searched = walks(&a_crowd(), if full() { 3_000 } else { 20 });
    assert!(searched.states > 500, "{searched}");
}
