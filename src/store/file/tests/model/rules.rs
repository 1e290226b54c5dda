//! Each rule left out: the search finds what goes wrong. With the rule the same scenarios hold (`scenarios.rs`).

use super::scenarios::*;
use super::script::Act::*;
use super::search::Scenario;
use crate::store::file::fs::Rule;

/// Most states that are looked at.
const MOST: usize = 2_000_000;

/// Without a rule the search finds a way to what must not be.
fn fails(rule: Rule, scenario: &Scenario, with: &str) {
    let begun = std::time::Instant::now();
    match scenario.search(Some(rule), MOST) {
        Ok(searched) => panic!("without {rule:?} nothing goes wrong in {searched}"),
        Err(violation) => {
            let told = format!("{}\n{}", violation.why, violation.trace.join("\n"));
            eprintln!("{:?}: {told}", begun.elapsed());
            assert!(violation.why.contains(with), "{told}");
        }
    }
}

macro_rules! without {
    ($($name:ident: $rule:ident, $scenario:expr, $why:expr;)+) => {
        $(#[test]
        fn $name() {
            fails(Rule::$rule, &$scenario, $why);
        })+
    };
}

without! {
    without_rule_1_sync_folders_first_the_model_fails: SyncFoldersFirst, one_who_creates(), "is missing beside";
    without_rule_4_list_after_temp_the_model_fails: ListAfterTemp, a_sleeper_who(&[Commit(1)]), "is lost";
    without_rule_4_head_stands_the_model_fails: HeadStandsBeforeLink, somebody_puts_a_copy_back(), "is missing, while";
    without_rule_5_sync_before_link_the_model_fails: SyncBeforeLink, two_who_insert(), "is missing, while";
    without_rule_6_judge_again_the_model_fails: JudgeAgain, two_who_count(), "gives another";
    without_rule_6_new_temp_the_model_fails: NewTemp, two_who_insert(), "it says it is commit";
    without_rule_6_sync_before_acknowledging_the_model_fails: SyncBeforeAcknowledging, two_who_count(), "is lost";
    without_rule_7_catch_up_the_model_fails: CatchUpBeforeReply, one_reads_what_another_commits(), "after 10 was told";
    without_rule_7_head_stands_the_model_fails: HeadStandsBeforeReply, a_sleeper_who(&[Read]), "was told to be there";
    without_rule_7_sync_before_reply_the_model_fails: SyncBeforeReply, one_reads_what_another_commits(), "is lost";
    without_rule_8_sync_snapshot_the_model_fails: SyncSnapshot, one_compacts_and_the_power_fails_twice(), "is missing, while";
    without_rule_8_fence_the_model_fails: Fence, a_sleeper_who(&[Commit(1)]), "is lost";
    without_rule_9_commits_ascending_the_model_fails: CommitsAscending, a_sleeper_who(&[Read]), "was told to be there";
    without_rule_10_the_model_fails: CleanerFences, a_cleaner_after_a_crash(), "is lost";
    without_rule_11_create_once_the_model_fails: CreateOnce, two_who_count(), "is lost";
    without_rule_12_gap_looked_at_again_the_model_fails: GapLookedAtAgain, one_opens_while_another_commits(), "is missing, while";
}

/// These rules are covered by others, and the searches show it: should one of them fail here one day, it is needed from then on.
fn covered(rule: Rule, scenarios: &[Scenario]) {
    for scenario in scenarios {
        if let Err(violation) = scenario.search(Some(rule), MOST) {
            panic!("{rule:?} is needed: {}\n{}", violation.why, violation.trace.join("\n"));
        }
    }
}

/// Who opens tells nothing yet: every reply and every link asks again whether what it rests on stands (4, 7), and a gap that cleaning made
/// is looked at again (12), since the last commit of a snapshot stays.
#[test]
fn rule_3_is_covered_by_rules_4_7_and_12() {
    for rule in [Rule::LookAgain, Rule::BaseStands] {
        covered(rule, &[one_opens_while_another_compacts(), one_opens_while_another_commits()]);
    }
}

/// A lower snapshot is one more old one: the higher one is safe before anything is removed, and whoever reads takes the highest.
#[test]
fn rule_8_no_lower_snapshot_saves_work_only() {
    covered(Rule::NoLowerSnapshot, &[a_lower_snapshot()]);
}

/// Who reads an old snapshot that vanishes starts over, and who stands on it looks for a higher one.
#[test]
fn rule_9_snapshots_last_is_covered_by_rules_2_and_7() {
    let sleepers = [a_sleeper_on_a_snapshot_who(&[Read]), one_opens_while_another_compacts()];
    covered(Rule::SnapshotsLast, &sleepers);
    covered(Rule::SnapshotsLast, &[one_compacts_and_the_power_fails_twice()]);
}
