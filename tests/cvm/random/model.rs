//! The results of callers, and their comparison with the documents.

use std::collections::BTreeMap;

use runstate::domain::cvm::{CC_HISTORY, ClaimedCall, EXECUTIONS};
use runstate::testing::block_on;
use runstate::time::Timestamp;
use runstate::value::Json;

use super::run::{RETENTION, RandomRun};
use super::step::RandomCommand;
use crate::documents::RevisionedDocument;

/// An answer that was acknowledged.
pub struct AcknowledgedAnswer {
    pub execution: String,
    incarnation: String,
    call: String,
    answer: Json,
    /// It is an early answer, and may not be valid for its call.
    is_invalid: bool,
}

/// A claim that a worker got.
#[derive(Clone)]
pub struct HeldClaim {
    pub claimed: ClaimedCall,
    incarnation: String,
    until: Timestamp,
    /// No other worker may have the call.
    pub is_exclusive: bool,
}

impl RandomRun {
    fn incarnation(&self, execution: &str) -> String {
        self.documents.head(execution).map_or(String::new(), |head| head.incarnation().to_owned())
    }

    /// Records the result of a caller while another one acted at the same moment.
    pub(super) fn record_raced(&mut self, command: &RandomCommand, result: &Json) {
        let gone = |execution: &str| self.documents.head(execution).is_none_or(|head| head.has("deleting"));
        let may_drop = |row: &RevisionedDocument| row.value("request.schema").is_object() && !row.has("outcome");
        let moot = match command {
            RandomCommand::Answer { execution, .. } => gone(execution),
            // The answer was early, was not valid for its call, and was dropped.
            RandomCommand::AnswerKey { execution, key, answer, .. } => {
                let rows = self.documents.collection(&CC_HISTORY).values();
                let of: Vec<&RevisionedDocument> =
                    rows.filter(|row| row.text("executionId") == execution && row.text("key") == key).collect();
                let there = of.iter().any(|row| row.value("response.result") == answer);
                gone(execution) || (!there && of.into_iter().any(may_drop))
            }
            RandomCommand::Complete { claimed, .. } => gone(&claimed.execution),
            RandomCommand::Claim { .. } => {
                let claimed = serde_json::from_value::<ClaimedCall>(result.clone());
                claimed.is_ok_and(|claimed| gone(&claimed.execution))
            }
            _ => false,
        };
        if !moot {
            self.record(command, result);
        }
    }

    /// Records the result of a caller.
    pub(super) fn record(&mut self, command: &RandomCommand, result: &Json) {
        match command {
            RandomCommand::Answer { execution, call, answer } => {
                let call = call.clone().unwrap_or_else(|| self.call_answered_with(execution, answer));
                self.acknowledge(execution, call, answer);
            }
            RandomCommand::AnswerKey { execution, answer, .. } => {
                let call = self.call_answered_with(execution, answer);
                self.acknowledge(execution, call, answer);
            }
            RandomCommand::Complete { claimed, answer } => {
                self.end_claim(claimed);
                self.expect_current_claim(claimed);
                self.acknowledge(&claimed.execution, claimed.call.clone(), answer);
            }
            RandomCommand::Fail { claimed, .. } | RandomCommand::Release(claimed) => {
                self.end_claim(claimed);
                self.expect_current_claim(claimed);
            }
            RandomCommand::Heartbeat(claimed) => {
                self.expect_current_claim(claimed);
                let until = result.as_i64().map(Timestamp::from_millis);
                let held = self.held.iter_mut().find(|held| held.claimed == *claimed);
                if let (Some(held), Some(until)) = (held, until) {
                    held.until = until;
                }
            }
            RandomCommand::Claim { .. } => {
                if let Ok(claimed) = serde_json::from_value::<ClaimedCall>(result.clone()) {
                    self.record_claim(claimed);
                }
            }
            _ => {}
        }
    }

    /// The call that has this answer, which was given once.
    fn call_answered_with(&self, execution: &str, answer: &Json) -> String {
        let rows = self.documents.collection(&CC_HISTORY).iter();
        let with: Vec<&String> = rows
            .filter(|(_, row)| row.text("executionId") == execution && row.value("response.result") == answer)
            .map(|(id, _)| id)
            .collect();
        match with.as_slice() {
            [one] => (*one).clone(),
            _ => panic!("{answer} was acknowledged, and is in {with:?}"),
        }
    }

    fn acknowledge(&mut self, execution: &str, call: String, answer: &Json) {
        let incarnation = self.incarnation(execution);
        let row = &self.documents.collection(&CC_HISTORY)[&call];
        let is_early = !row.has("request");
        assert_eq!((row.text("outcome"), row.value("response.result")), ("answered", answer));
        let same = |one: &AcknowledgedAnswer| one.call == call && one.incarnation == incarnation && !one.is_invalid;
        assert!(!self.acknowledged.iter().any(same), "call {call} took two answers");
        self.acknowledged.push(AcknowledgedAnswer {
            execution: execution.to_owned(),
            incarnation,
            call,
            answer: answer.clone(),
            is_invalid: is_early && answer.is_string(),
        });
    }

    fn record_claim(&mut self, claimed: ClaimedCall) {
        let incarnation = self.incarnation(&claimed.execution);
        let now = self.now();
        for other in
            self.held.iter().filter(|held| held.claimed.call == claimed.call && held.incarnation == incarnation)
        {
            assert!(other.claimed.token < claimed.token, "token {} was given before", claimed.token);
            assert!(!other.is_exclusive || other.until <= now, "{claimed:?} was taken from {:?}", other.claimed);
        }
        self.held.push(HeldClaim { until: claimed.until, claimed, incarnation, is_exclusive: true });
    }

    pub(super) fn record_release(&mut self, command: &RandomCommand) {
        if let RandomCommand::Release(claimed) = command {
            self.end_claim(claimed);
        }
    }

    /// A worker whose command was accepted holds the newest claim, on the execution whose call it claimed.
    fn expect_current_claim(&self, claimed: &ClaimedCall) {
        let incarnation = self.incarnation(&claimed.execution);
        let held = self.held.iter().find(|held| held.claimed == *claimed).unwrap();
        assert_eq!(held.incarnation, incarnation, "{claimed:?} is of an execution that is gone");
        let newer = |held: &&HeldClaim| held.claimed.call == claimed.call && held.claimed.token > claimed.token;
        assert_eq!(self.held.iter().find(newer).map(|held| &held.claimed), None, "{claimed:?} was taken over");
    }

    pub(super) fn end_claim(&mut self, claimed: &ClaimedCall) {
        self.held.iter_mut().filter(|held| held.claimed == *claimed).for_each(|held| held.is_exclusive = false);
    }

    /// Acknowledged answers are stored, and no others are; counts agree with the documents.
    pub(super) fn compare_with_documents(&mut self) {
        for one in &self.acknowledged {
            let head = self.documents.head(&one.execution);
            if !head.is_some_and(|head| head.incarnation() == one.incarnation && !head.has("deleting")) {
                continue;
            }
            let row = &self.documents.collection(&CC_HISTORY)[&one.call];
            let kept = (row.text("outcome"), row.value("response.result")) == ("answered", &one.answer);
            let may_be_dropped = one.is_invalid && row.has("request") && row.value("request.schema").is_object();
            assert!(kept || may_be_dropped, "{} was acknowledged, and its row is {row:?}", one.answer);
        }
        let mut seen = Vec::new();
        for (id, row) in self.documents.collection(&CC_HISTORY) {
            let outcome = row.text("outcome");
            if row.has("request") && !outcome.is_empty() {
                seen.push(format!("outcome {outcome}"));
            }
            let head = self.documents.head(row.text("executionId")).unwrap();
            let known = |one: &AcknowledgedAnswer| one.call == *id && one.incarnation == head.incarnation();
            assert!(
                outcome != "answered" || head.has("deleting") || self.acknowledged.iter().any(known),
                "no answer to {id} was acknowledged"
            );
        }
        seen.into_iter().for_each(|outcome| self.count(outcome));
        let cvm = self.process(0).cvm.clone();
        assert_eq!(block_on(cvm.next_due()).unwrap(), self.expected_due(), "next due");
        let counted = block_on(cvm.statuses(None)).unwrap();
        let mut statuses = BTreeMap::new();
        for head in self.documents.collection(&EXECUTIONS).values().filter(|head| !head.has("deleting")) {
            *statuses.entry(head.text("state.status").to_owned()).or_insert(0u64) += 1;
        }
        assert_eq!(counted.into_iter().filter(|(_, n)| *n > 0).collect::<BTreeMap<_, _>>(), statuses);
    }

    /// The next due time according to the rules.
    fn expected_due(&self) -> Option<Timestamp> {
        let heads = self.documents.collection(&EXECUTIONS).values();
        let due = |head: &RevisionedDocument| {
            let kept = head.number("completed").filter(|_| !head.has("deleting")).map(|at| at + RETENTION.0);
            head.number("wakeAt").into_iter().chain(kept).min()
        };
        heads.filter_map(due).min().map(Timestamp::from_millis)
    }
}
