//! The scenarios: the acts of the processes of each search. If the processes leave a rule out, the search finds a
//! violation. With the rule, the same scenarios hold.

use super::rules::Rule;
use super::script::ModelAct;
use super::script::ModelAct::*;
use super::script::ModelCommand::*;
use super::search::StartPoint::*;
use super::search::{Scenario, SearchStats, StartPoint};

/// Commands that insert one note and then increment it `counts` times.
fn insert_and_count_up(counts: usize) -> Vec<super::script::ModelCommand> {
    let mut commands = vec![Insert("a", "A")];
    commands.extend((0..counts).map(|_| CountUp("a")));
    commands
}

/// Processes that have opened the store before the search begins.
fn open(scripts: &[&[ModelAct]]) -> Vec<(StartPoint, Vec<ModelAct>)> {
    scripts.iter().map(|acts| (After(1), [&[Open], *acts].concat())).collect()
}

/// Searches all states of a scenario.
fn search_all(scenario: &Scenario) -> SearchStats {
    let started = std::time::Instant::now();
    match scenario.search(None, 2_000_000) {
        Ok(searched) => {
            eprintln!("{searched} in {:?}", started.elapsed());
            searched
        }
        Err(violation) => panic!("{}\n{}", violation.why, violation.trace.join("\n")),
    }
}

pub fn one_process_creates() -> Scenario {
    Scenario {
        commands: vec![Insert("a", "A"), Insert("b", "B")],
        before: vec![],
        processes: vec![(After(0), vec![Open, Commit(0)])],
        power_losses: 2,
        after: vec![Open, Commit(1), Read],
    }
}

pub fn two_processes_create() -> Scenario {
    Scenario {
        processes: vec![(After(0), vec![Open, Commit(0)]), (After(0), vec![Open])],
        power_losses: 0,
        ..one_process_creates()
    }
}

/// Takes seconds.
pub fn two_processes_create_and_commit() -> Scenario {
    Scenario {
        processes: vec![(After(0), vec![Open, Commit(0)]), (After(0), vec![Open, Commit(1)])],
        power_losses: 1,
        after: vec![Open, Read],
        ..one_process_creates()
    }
}

pub fn two_processes_count() -> Scenario {
    Scenario {
        commands: insert_and_count_up(2),
        before: vec![Open, Commit(0)],
        processes: open(&[&[Commit(1)], &[Commit(2)]]),
        power_losses: 1,
        after: vec![Open, Read],
    }
}

pub fn two_processes_insert() -> Scenario {
    Scenario { commands: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "C")], ..two_processes_count() }
}

pub fn one_reads_what_another_commits() -> Scenario {
    Scenario {
        commands: insert_and_count_up(1),
        before: vec![Open, Commit(0)],
        processes: open(&[&[Read, Read], &[Commit(1)]]),
        power_losses: 1,
        after: vec![Open, Read],
    }
}

/// A process that is paused while another one commits and removes the files that it knows.
pub fn a_paused_process(acts: &[ModelAct]) -> Scenario {
    Scenario {
        commands: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "C"), Insert("d", "D")],
        before: vec![Open, Commit(0)],
        // The commits of the other process exist already; the paused process does not notice them before its next read.
        processes: vec![
            (After(1), [&[Open], acts].concat()),
            (After(3), vec![Open, Commit(2), Commit(3)]),
            (After(1), vec![Open, Compact]),
        ],
        power_losses: 0,
        after: vec![],
    }
}

/// As above, but the commits can come at any moment.
pub fn a_process_paused_at_any_call(acts: &[ModelAct]) -> Scenario {
    Scenario { processes: open(&[acts, &[Commit(2), Commit(3), Compact]]), ..a_paused_process(acts) }
}

/// A process whose state is a snapshot without commits after it.
pub fn a_process_paused_on_a_snapshot(acts: &[ModelAct]) -> Scenario {
    Scenario { before: vec![Open, Commit(0), Compact], ..a_paused_process(acts) }
}

pub fn one_opens_while_another_compacts() -> Scenario {
    Scenario {
        commands: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "C")],
        before: vec![Open, Commit(0), Commit(1)],
        processes: vec![(After(0), vec![Open, Read]), (After(1), vec![Open, Compact])],
        power_losses: 0,
        after: vec![],
    }
}

pub fn one_opens_while_another_commits() -> Scenario {
    Scenario {
        commands: insert_and_count_up(2),
        before: vec![Open, Commit(0)],
        processes: vec![(After(0), vec![Open, Read]), (After(1), vec![Open, Commit(1), Commit(2)])],
        power_losses: 1,
        after: vec![Open, Read],
    }
}

pub fn two_processes_compact() -> Scenario {
    Scenario {
        commands: insert_and_count_up(1),
        before: vec![Open, Commit(0)],
        processes: open(&[&[Compact], &[Commit(1), Compact]]),
        power_losses: 0,
        after: vec![Open, Commit(1), Compact, Read],
    }
}

pub fn one_compacts_and_the_power_fails_twice() -> Scenario {
    Scenario {
        commands: insert_and_count_up(2),
        before: vec![Open, Commit(0)],
        processes: open(&[&[Commit(1), Compact]]),
        power_losses: 2,
        after: vec![Open, Commit(2), Compact, Read],
    }
}

pub fn a_repeat_in_another_process() -> Scenario {
    Scenario {
        commands: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "B")],
        before: vec![Open, Commit(0)],
        processes: open(&[&[Commit(1), QueryOutcome(1)], &[Commit(1), Commit(2)]]),
        power_losses: 1,
        after: vec![Open, QueryOutcome(1), Commit(1), Read],
    }
}

pub fn deletion_during_compaction() -> Scenario {
    Scenario {
        commands: vec![Insert("a", "A"), Delete("a"), Insert("b", "A")],
        before: vec![Open, Commit(0)],
        processes: open(&[&[Commit(1), Commit(2)], &[Compact, Read]]),
        power_losses: 1,
        after: vec![Open, Read],
    }
}

pub fn a_group_beside_a_commit() -> Scenario {
    Scenario {
        commands: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "B"), CountUp("a")],
        before: vec![Open, Commit(0)],
        processes: open(&[&[CommitBoth(1, 2)], &[Commit(3), Read]]),
        power_losses: 1,
        after: vec![Open, Read],
    }
}

pub fn one_closes_and_opens_again() -> Scenario {
    Scenario {
        commands: insert_and_count_up(2),
        before: vec![Open, Commit(0)],
        processes: open(&[&[Commit(1), Close, Open, Read], &[Commit(2)]]),
        power_losses: 0,
        after: vec![],
    }
}

pub fn a_copy_is_restored() -> Scenario {
    Scenario {
        commands: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "C")],
        before: vec![Open, Commit(0), Commit(1)],
        processes: vec![(After(1), vec![Open, Commit(2), Read]), (After(0), vec![RestoreCopy(2, &[1, 2])])],
        power_losses: 0,
        after: vec![],
    }
}

/// A process cleans up after another that died right after its snapshot was linked. A third process is paused right
/// before its link.
pub fn a_cleaner_after_a_crash() -> Scenario {
    Scenario {
        commands: vec![Insert("a", "A"), Insert("b", "B"), Insert("c", "C"), Insert("d", "D")],
        before: vec![Open, Commit(0)],
        processes: vec![
            (BeforeLink(1), vec![Open, Commit(1)]),
            (After(3), vec![Open, Commit(2), Commit(3)]),
            (DeadAfterLink(1), vec![Open, Compact]),
            (After(1), vec![Open, Compact]),
        ],
        power_losses: 0,
        after: vec![],
    }
}

/// A process is paused right before it links a snapshot that another one has overtaken.
pub fn a_lower_snapshot() -> Scenario {
    Scenario {
        commands: insert_and_count_up(3),
        before: vec![Open, Commit(0)],
        processes: vec![
            (BeforeLink(1), vec![Open, Compact, Read]),
            (After(2), vec![Open, Commit(1)]),
            (After(1), vec![Open, Compact]),
        ],
        power_losses: 1,
        after: vec![Open, Commit(2), Compact, Read],
    }
}

/// Two processes create a store; one is paused right before it links runstate.json.
pub fn two_processes_create_the_identity() -> Scenario {
    Scenario {
        processes: vec![(BeforeLink(0), vec![Open, Commit(0)]), (After(0), vec![Open])],
        power_losses: 0,
        ..one_process_creates()
    }
}

/// Takes seconds: includes a power failure.
pub fn two_processes_compact_and_lose_power() -> Scenario {
    Scenario { power_losses: 1, ..two_processes_compact() }
}

/// Too large for a full search; for random walks.
pub fn three_busy_processes() -> Scenario {
    Scenario {
        commands: [insert_and_count_up(4), vec![Insert("b", "B"), Delete("b"), Insert("c", "B")]].concat(),
        before: vec![Open, Commit(0)],
        processes: vec![
            (After(0), vec![Open, Commit(1), Compact, Commit(2), Read]),
            (After(1), vec![Open, Commit(3), Commit(5), Close, Open, Commit(6), Compact, Read]),
            (After(1), vec![Open, Read, CommitBoth(4, 7), Compact, QueryOutcome(3), Read]),
        ],
        power_losses: 2,
        after: vec![Open, Compact, Read],
    }
}

pub fn commit_compact_and_read() -> Scenario {
    Scenario {
        commands: insert_and_count_up(2),
        before: vec![Open, Commit(0)],
        processes: vec![
            (After(1), vec![Open, Commit(1)]),
            (After(2), vec![Open, Commit(2), Compact]),
            (After(1), vec![Open, Read]),
        ],
        power_losses: 0,
        after: vec![],
    }
}

macro_rules! full_search_tests {
    ($($name:ident: $scenario:expr, $least:expr;)+) => {
        $(#[test]
        fn $name() {
            let searched = search_all(&$scenario);
            assert!(searched.states > $least, "{searched}");
        })+
    };
}

full_search_tests! {
    a_store_is_created: one_process_creates(), 100;
    two_processes_create_a_store: two_processes_create_the_identity(), 100;
    two_processes_commit_at_once: two_processes_count(), 100;
    two_processes_insert_at_once: two_processes_insert(), 100;
    a_reader_sees_every_acknowledged_commit: one_reads_what_another_commits(), 100;
    a_paused_process_commits: a_paused_process(&[Commit(1)]), 100;
    a_paused_process_reads: a_paused_process(&[Read]), 100;
    a_process_paused_on_a_snapshot_commits: a_process_paused_on_a_snapshot(&[Commit(1)]), 100;
    a_process_paused_on_a_snapshot_reads: a_process_paused_on_a_snapshot(&[Read]), 100;
    a_store_opens_while_it_is_compacted: one_opens_while_another_compacts(), 100;
    a_store_opens_during_commits: one_opens_while_another_commits(), 100;
    one_snapshot_overtakes_another: a_lower_snapshot(), 100;
    one_cleans_up_after_another: a_cleaner_after_a_crash(), 100;
    the_power_fails_twice: one_compacts_and_the_power_fails_twice(), 100;
    a_repeated_command_is_committed_once: a_repeat_in_another_process(), 100;
    a_deleted_document_stays_deleted: deletion_during_compaction(), 100;
    a_group_is_committed_as_one: a_group_beside_a_commit(), 100;
    a_store_is_opened_again: one_closes_and_opens_again(), 100;
    a_restored_copy_is_continued: a_copy_is_restored(), 50;
    three_processes_commit_compact_and_read: commit_compact_and_read(), 100;
}

fn full() -> bool {
    std::env::var_os("RUNSTATE_FULL").is_some()
}

/// Returns the seed of random walks and prints it.
fn seed() -> u64 {
    let seed = std::env::var("RUNSTATE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("RUNSTATE_SEED={seed}");
    seed
}

/// Follows random paths through a scenario.
fn random_walks(scenario: &Scenario, walks: u64) -> SearchStats {
    let seed = seed();
    let walked = scenario.walk(seed, walks);
    let searched = walked.unwrap_or_else(|found| panic!("seed {seed}: {}\n{}", found.why, found.trace.join("\n")));
    eprintln!("{searched}");
    searched
}

/// Random walks through a large scenario in a short run.
const WALKS: u64 = 200;

/// For large scenarios: random walks in a short run, a full search in a full run.
macro_rules! sampled_search_tests {
    ($($name:ident: $scenario:expr, $least:expr;)+) => {
        $(#[test]
        fn $name() {
            let searched = if full() { search_all(&$scenario) } else { random_walks(&$scenario, WALKS) };
            assert!(searched.states > $least, "{searched}");
        })+
    };
}

sampled_search_tests! {
    two_processes_create_a_store_at_once: two_processes_create(), 100;
    two_processes_create_a_store_and_commit: two_processes_create_and_commit(), 100;
    a_process_that_pauses_at_any_call_commits: a_process_paused_at_any_call(&[Commit(1)]), 100;
    two_processes_compact_and_the_power_fails: two_processes_compact_and_lose_power(), 100;
}

#[test]
fn a_large_scenario_holds_on_random_walks() {
    let searched = random_walks(&three_busy_processes(), if full() { 3_000 } else { 20 });
    assert!(searched.states > 500, "{searched}");
}

/// Maximum number of states of a search.
const MAX_STATES: usize = 2_000_000;

/// Checks that the search finds a violation without a rule.
fn assert_fails_without(rule: Rule, scenario: &Scenario, with: &str) {
    let started = std::time::Instant::now();
    match scenario.search(Some(rule), MAX_STATES) {
        Ok(searched) => panic!("without {rule:?} there is no violation in {searched}"),
        Err(violation) => {
            let report = format!("{}\n{}", violation.why, violation.trace.join("\n"));
            eprintln!("{:?}: {report}", started.elapsed());
            assert!(violation.why.contains(with), "{report}");
        }
    }
}

macro_rules! fails_without {
    ($($name:ident: $rule:ident, $scenario:expr, $why:expr;)+) => {
        $(#[test]
        fn $name() {
            assert_fails_without(Rule::$rule, &$scenario, $why);
        })+
    };
}

fails_without! {
    without_rule_1_sync_folders_first_the_model_fails: SyncFoldersFirst, one_process_creates(), "is missing, although";
    without_rule_4_list_after_temp_the_model_fails: ListAfterTemp, a_paused_process(&[Commit(1)]), "is lost";
    without_rule_4_head_check_the_model_fails: CheckHeadBeforeLink, a_copy_is_restored(), "is missing, but";
    without_rule_5_sync_before_link_the_model_fails: SyncBeforeLink, two_processes_insert(), "is missing, but";
    without_rule_6_expectation_recheck_the_model_fails: RecheckExpectations, two_processes_count(), "does not give the recorded";
    without_rule_6_new_temp_the_model_fails: NewTemp, two_processes_insert(), "its `seq` is";
    without_rule_6_sync_before_acknowledging_the_model_fails: SyncBeforeAcknowledging, two_processes_count(), "is lost";
    without_rule_7_catch_up_the_model_fails: CatchUpBeforeReply, one_reads_what_another_commits(), "after 10 was reported";
    without_rule_7_head_check_the_model_fails: CheckHeadBeforeReply, a_paused_process(&[Read]), "was reported as committed";
    without_rule_7_sync_before_reply_the_model_fails: SyncBeforeReply, one_reads_what_another_commits(), "is lost";
    without_rule_8_sync_snapshot_the_model_fails: SyncSnapshot, one_compacts_and_the_power_fails_twice(), "is missing, but";
    without_rule_8_fence_the_model_fails: Fence, a_paused_process(&[Commit(1)]), "is lost";
    without_rule_9_commits_ascending_the_model_fails: CommitsAscending, a_paused_process(&[Read]), "was reported as committed";
    without_rule_10_the_model_fails: CleanerFences, a_cleaner_after_a_crash(), "is lost";
    without_rule_11_create_once_the_model_fails: CreateOnce, two_processes_count(), "is lost";
    without_rule_12_gap_recheck_the_model_fails: RecheckGap, one_opens_while_another_commits(), "is missing, but";
}

/// Checks that other rules cover a rule. If a search fails here one day, the rule is needed from then on.
fn assert_covered_by_other_rules(rule: Rule, scenarios: &[Scenario]) {
    for scenario in scenarios {
        if let Err(violation) = scenario.search(Some(rule), MAX_STATES) {
            panic!("{rule:?} is needed: {}\n{}", violation.why, violation.trace.join("\n"));
        }
    }
}

macro_rules! covered_by_other_rules {
    ($($(#[$doc:meta])+ $name:ident: $rule:ident, [$($scenario:expr),+];)+) => {
        $($(#[$doc])+
        #[test]
        fn $name() {
            assert_covered_by_other_rules(Rule::$rule, &[$($scenario),+]);
        })+
    };
}

covered_by_other_rules! {
    /// Opening gives no reply yet. Every reply and every link checks the head again (4, 7), because the last commit of
    /// a snapshot stays. A damaged state is loaded again if a higher snapshot exists.
    rule_3_is_covered_by_rules_4_and_7: RecheckSnapshots, [one_opens_while_another_compacts(), one_opens_while_another_commits()];
    /// A lower snapshot is one more old one: the higher one is durable before any file is removed, and readers open the
    /// highest.
    rule_8_no_lower_snapshot_saves_work_only: NoLowerSnapshot, [a_lower_snapshot()];
    /// A process whose snapshot vanishes while it opens starts over, and a process whose base it is looks for a higher
    /// one.
    rule_9_snapshots_last_is_covered_by_rules_2_and_7: SnapshotsLast, [a_process_paused_on_a_snapshot(&[Read]), one_opens_while_another_compacts(), one_compacts_and_the_power_fails_twice()];
}
