//! What the processes of each search do.

use super::script::Act::{self, *};
use super::script::Deed::*;
use super::search::{Scenario, Searched};

/// A store of one note, and on it so many countings.
fn counting(counts: usize) -> Vec<super::script::Deed> {
    let mut deeds = vec![Insert("a", "A")];
    deeds.extend((0..counts).map(|_| CountUp("a")));
    deeds
}

/// Processes that have the store open when the search begins.
fn open(scripts: &[&[Act]]) -> Vec<(usize, Vec<Act>)> {
    scripts.iter().map(|acts| (1, [&[Open], *acts].concat())).collect()
}

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

pub fn one_who_creates() -> Scenario {
    Scenario {
        deeds: vec![Insert("a", "A"), Insert("b", "B")],
        before: vec![],
        processes: vec![(0, vec![Open, Commit(0)])],
        powers: 2,
        after: vec![Open, Commit(1), Read],
    }
}

pub fn two_who_create() -> Scenario {
    Scenario { processes: vec![(0, vec![Open, Commit(0)]), (0, vec![Open])], powers: 0, ..one_who_creates() }
}

/// Takes minutes.
pub fn two_who_create_and_commit() -> Scenario {
    Scenario {
        processes: vec![(0, vec![Open, Commit(0)]), (0, vec![Open, Commit(1)])],
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
        processes: vec![(1, [&[Open], acts].concat()), (3, vec![Open, Commit(2), Commit(3)]), (1, vec![Open, Compact])],
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
        processes: vec![(0, vec![Open, Read]), (1, vec![Open, Compact])],
        powers: 0,
        after: vec![],
    }
}

pub fn one_opens_while_another_commits() -> Scenario {
    Scenario {
        deeds: counting(2),
        before: vec![Open, Commit(0)],
        processes: vec![(0, vec![Open, Read]), (1, vec![Open, Commit(1), Commit(2)])],
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
        processes: vec![(1, vec![Open, Commit(2), Read]), (0, vec![PutBack(2, &[1, 2])])],
        powers: 0,
        after: vec![],
    }
}

pub fn three() -> Scenario {
    Scenario {
        deeds: counting(2),
        before: vec![Open, Commit(0)],
        processes: vec![(1, vec![Open, Commit(1)]), (2, vec![Open, Commit(2), Compact]), (1, vec![Open, Read])],
        powers: 0,
        after: vec![],
    }
}

macro_rules! hold {
    ($($name:ident: $scenario:expr, $least:expr;)+) => {
        $(#[test]
        fn $name() {
            let searched = holds(&$scenario);
            assert!(searched.states > $least, "{searched:?}");
        })+
    };
}

hold! {
    a_store_is_created: one_who_creates(), 100;
    two_processes_create_a_store: two_who_create(), 100;
    two_processes_commit_at_once: two_who_count(), 100;
    two_processes_insert_at_once: two_who_insert(), 100;
    a_reader_knows_what_was_acknowledged: one_reads_what_another_commits(), 100;
    a_sleeper_commits: a_sleeper_who(&[Commit(1)]), 100;
    a_sleeper_reads: a_sleeper_who(&[Read]), 100;
    a_sleeper_on_a_snapshot_commits: a_sleeper_on_a_snapshot_who(&[Commit(1)]), 100;
    a_sleeper_on_a_snapshot_reads: a_sleeper_on_a_snapshot_who(&[Read]), 100;
    a_store_opens_while_it_is_compacted: one_opens_while_another_compacts(), 100;
    a_store_opens_while_commits_come: one_opens_while_another_commits(), 100;
    two_processes_compact_at_once: two_who_compact(), 100;
    the_power_fails_twice: one_compacts_and_the_power_fails_twice(), 100;
    a_repeated_command_is_done_once: a_repeat_in_another_process(), 100;
    what_is_deleted_stays_deleted: what_is_deleted_while_another_compacts(), 100;
    a_group_goes_as_one: a_group_beside_a_commit(), 100;
    a_store_is_opened_again: one_closes_and_opens_again(), 100;
    a_copy_that_is_put_back_is_gone_on_from: somebody_puts_a_copy_back(), 50;
    three_processes: three(), 100;
}

mod rules {
    use super::*;
    use crate::store::file::fs::Rule;

    /// The search finds what goes wrong without a rule, and finds nothing with it.
    fn fails(rule: Rule, scenario: Scenario, with: &str) {
        let begun = std::time::Instant::now();
        match scenario.search(Some(rule), 2_000_000) {
            Ok(searched) => panic!("without {rule:?} nothing goes wrong in {searched:?}"),
            Err(violation) => {
                eprintln!("{:?}: {}\n{}", begun.elapsed(), violation.why, violation.trace.join("\n"));
                let told = format!("{}\n{}", violation.why, violation.trace.join("\n"));
                assert!(violation.why.contains(with), "{told}");
            }
        }
    }

    macro_rules! without {
        ($($name:ident: $rule:ident, $scenario:expr, $why:expr;)+) => {
            $(#[test]
            fn $name() {
                fails(Rule::$rule, $scenario, $why);
            })+
        };
    }

    without! {
        without_rule_1_sync_folders_first_the_model_fails: SyncFoldersFirst, one_who_creates(), "";
        without_rule_3_look_again_the_model_fails: LookAgain, one_opens_while_another_compacts(), "";
        without_rule_3_base_stands_the_model_fails: BaseStands, one_opens_while_another_compacts(), "";
        without_rule_4_list_after_temp_the_model_fails: ListAfterTemp, a_sleeper_who(&[Commit(1)]), "";
        without_rule_4_head_stands_the_model_fails: HeadStandsBeforeLink, somebody_puts_a_copy_back(), "";
        without_rule_5_sync_before_link_the_model_fails: SyncBeforeLink, two_who_insert(), "";
        without_rule_6_judge_again_the_model_fails: JudgeAgain, two_who_count(), "";
        without_rule_6_new_temp_the_model_fails: NewTemp, two_who_count(), "";
        without_rule_6_sync_before_acknowledging_the_model_fails: SyncBeforeAcknowledging, two_who_count(), "";
        without_rule_7_catch_up_the_model_fails: CatchUpBeforeReply, one_reads_what_another_commits(), "";
        without_rule_7_head_stands_the_model_fails: HeadStandsBeforeReply, a_sleeper_who(&[Read]), "";
        without_rule_7_sync_before_reply_the_model_fails: SyncBeforeReply, one_reads_what_another_commits(), "";
        without_rule_8_no_lower_snapshot_the_model_fails: NoLowerSnapshot, two_who_compact(), "";
        without_rule_8_sync_snapshot_the_model_fails: SyncSnapshot, one_compacts_and_the_power_fails_twice(), "";
        without_rule_8_fence_the_model_fails: Fence, a_sleeper_who(&[Commit(1)]), "";
        without_rule_9_commits_ascending_the_model_fails: CommitsAscending, a_sleeper_who(&[Read]), "";
        without_rule_11_create_once_the_model_fails: CreateOnce, two_who_count(), "";
        without_rule_12_gap_looked_at_again_the_model_fails: GapLookedAtAgain, one_opens_while_another_commits(), "";
    }
}
