//! Each rule switched off: the search finds a violation. With the rule, the same scenarios hold (`scenarios.rs`).

use super::scenarios::*;
use super::script::ModelAct::*;
use super::search::Scenario;
use crate::store::file::fs::Rule;

/// Maximum number of states of a search.
const MAX_STATES: usize = 2_000_000;

/// Checks that the search finds a violation without a rule.
fn assert_fails_without(rule: Rule, scenario: &Scenario, with: &str) {
    let begun = std::time::Instant::now();
    match scenario.search(Some(rule), MAX_STATES) {
        Ok(searched) => panic!("without {rule:?} there is no violation in {searched}"),
        Err(violation) => {
            let report = format!("{}\n{}", violation.why, violation.trace.join("\n"));
            eprintln!("{:?}: {report}", begun.elapsed());
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
    without_rule_4_list_after_temp_the_model_fails: ListAfterTemp, a_sleeper(&[Commit(1)]), "is lost";
    without_rule_4_head_check_the_model_fails: CheckHeadBeforeLink, a_copy_is_restored(), "is missing, but";
    without_rule_5_sync_before_link_the_model_fails: SyncBeforeLink, two_processes_insert(), "is missing, but";
    without_rule_6_expectation_recheck_the_model_fails: RecheckExpectations, two_processes_count(), "does not give the recorded";
    without_rule_6_new_temp_the_model_fails: NewTemp, two_processes_insert(), "its `seq` is";
    without_rule_6_sync_before_acknowledging_the_model_fails: SyncBeforeAcknowledging, two_processes_count(), "is lost";
    without_rule_7_catch_up_the_model_fails: CatchUpBeforeReply, one_reads_what_another_commits(), "after 10 was reported";
    without_rule_7_head_check_the_model_fails: CheckHeadBeforeReply, a_sleeper(&[Read]), "was reported as committed";
    without_rule_7_sync_before_reply_the_model_fails: SyncBeforeReply, one_reads_what_another_commits(), "is lost";
    without_rule_8_sync_snapshot_the_model_fails: SyncSnapshot, one_compacts_and_the_power_fails_twice(), "is missing, but";
    without_rule_8_fence_the_model_fails: Fence, a_sleeper(&[Commit(1)]), "is lost";
    without_rule_9_commits_ascending_the_model_fails: CommitsAscending, a_sleeper(&[Read]), "was reported as committed";
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

/// Opening gives no reply yet. Every reply and every link checks the head again (4, 7). A gap that a clean-up made is
/// read again (12), because the last commit of a snapshot stays.
#[test]
fn rule_3_is_covered_by_rules_4_7_and_12() {
    for rule in [Rule::RecheckSnapshots, Rule::BaseExists] {
        assert_covered_by_other_rules(rule, &[one_opens_while_another_compacts(), one_opens_while_another_commits()]);
    }
}

/// A lower snapshot is one more old one: the higher one is durable before any file is removed, and readers open the
/// highest.
#[test]
fn rule_8_no_lower_snapshot_saves_work_only() {
    assert_covered_by_other_rules(Rule::NoLowerSnapshot, &[a_lower_snapshot()]);
}

/// A process whose snapshot vanishes while it opens starts over, and a process whose base it is looks for a higher one.
#[test]
fn rule_9_snapshots_last_is_covered_by_rules_2_and_7() {
    let sleepers = [a_sleeper_on_a_snapshot(&[Read]), one_opens_while_another_compacts()];
    assert_covered_by_other_rules(Rule::SnapshotsLast, &sleepers);
    assert_covered_by_other_rules(Rule::SnapshotsLast, &[one_compacts_and_the_power_fails_twice()]);
}
