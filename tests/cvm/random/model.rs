//! What callers were told, and that it is so.

use std::collections::BTreeMap;

use runstate::domain::cvm::{CC_HISTORY, Claimed, EXECUTIONS};
use runstate::testing::block_on;
use runstate::time::Timestamp;
use runstate::value::Json;

use super::run::{RETENTION, Run};
use super::step::Command;
use crate::documents::Found;

/// An answer that somebody was told was taken.
pub struct Acknowledged {
    pub execution: String,
    incarnation: String,
    call: String,
    answer: Json,
    /// It was given before its question was asked, and does not fit it.
    unfit: bool,
}

/// What a worker was given.
#[derive(Clone)]
pub struct Held {
    pub claimed: Claimed,
    incarnation: String,
    until: Timestamp,
    /// Nobody else may have it.
    pub alone: bool,
}

impl Run {
    fn incarnation(&self, execution: &str) -> String {
        self.documents.head(execution).map_or(String::new(), |head| head.incarnation().to_owned())
    }

    /// What a caller knows now.
    pub(super) fn learn(&mut self, command: &Command, result: &Json) {
        match command {
            Command::Answer { execution, call, answer } => {
                let call = call.clone().unwrap_or_else(|| self.answered_with(execution, answer));
                self.acknowledge(execution, call, answer);
            }
            Command::AnswerKey { execution, answer, .. } => {
                let call = self.answered_with(execution, answer);
                self.acknowledge(execution, call, answer);
            }
            Command::Complete { claimed, answer } => {
                self.let_go(claimed);
                self.is_his(claimed);
                self.acknowledge(&claimed.execution, claimed.call.clone(), answer);
            }
            Command::Fail { claimed, .. } | Command::Release(claimed) => {
                self.let_go(claimed);
                self.is_his(claimed);
            }
            Command::Heartbeat(claimed) => {
                self.is_his(claimed);
                let until = result.as_i64().map(Timestamp::from_millis);
                let held = self.held.iter_mut().find(|held| held.claimed == *claimed);
                if let (Some(held), Some(until)) = (held, until) {
                    held.until = until;
                }
            }
            Command::Claim { .. } => {
                if let Ok(claimed) = serde_json::from_value::<Claimed>(result.clone()) {
                    self.hold(claimed);
                }
            }
            _ => {}
        }
    }

    /// The call that has this answer, which was given once.
    fn answered_with(&self, execution: &str, answer: &Json) -> String {
        let rows = self.documents.each(&CC_HISTORY).iter();
        let with: Vec<&String> = rows
            .filter(|(_, row)| row.text("executionId") == execution && row.at("response.result") == answer)
            .map(|(id, _)| id)
            .collect();
        match with.as_slice() {
            [one] => (*one).clone(),
            _ => panic!("{answer} was acknowledged, and stands in {with:?}"),
        }
    }

    fn acknowledge(&mut self, execution: &str, call: String, answer: &Json) {
        let incarnation = self.incarnation(execution);
        let row = &self.documents.each(&CC_HISTORY)[&call];
        let unfit = !row.has("request");
        assert_eq!((row.text("outcome"), row.at("response.result")), ("answered", answer));
        let same = |one: &Acknowledged| one.call == call && one.incarnation == incarnation && !one.unfit;
        assert!(!self.acknowledged.iter().any(same), "call {call} took two answers");
        self.acknowledged.push(Acknowledged {
            execution: execution.to_owned(),
            incarnation,
            call,
            answer: answer.clone(),
            unfit: unfit && answer.is_string(),
        });
    }

    fn hold(&mut self, claimed: Claimed) {
        let incarnation = self.incarnation(&claimed.execution);
        let now = self.now();
        for other in
            self.held.iter().filter(|held| held.claimed.call == claimed.call && held.incarnation == incarnation)
        {
            assert!(other.claimed.token < claimed.token, "token {} was given before", claimed.token);
            assert!(!other.alone || other.until <= now, "{claimed:?} was taken from {:?}", other.claimed);
        }
        self.held.push(Held { until: claimed.until, claimed, incarnation, alone: true });
    }

    pub(super) fn learn_given_back(&mut self, command: &Command) {
        if let Command::Release(claimed) = command {
            self.let_go(claimed);
        }
    }

    /// Whoever was taken at his word holds the newest claim, on the execution that he claimed it of.
    fn is_his(&self, claimed: &Claimed) {
        let incarnation = self.incarnation(&claimed.execution);
        let his = self.held.iter().find(|held| held.claimed == *claimed).unwrap();
        assert_eq!(his.incarnation, incarnation, "{claimed:?} is of an execution that is gone");
        let newer = |held: &&Held| held.claimed.call == claimed.call && held.claimed.token > claimed.token;
        assert_eq!(self.held.iter().find(newer).map(|held| &held.claimed), None, "{claimed:?} was taken over");
    }

    pub(super) fn let_go(&mut self, claimed: &Claimed) {
        self.held.iter_mut().filter(|held| held.claimed == *claimed).for_each(|held| held.alone = false);
    }

    /// What was acknowledged stands, and nothing else does; what is counted is there.
    pub(super) fn compare(&mut self) {
        for one in &self.acknowledged {
            let head = self.documents.head(&one.execution);
            if !head.is_some_and(|head| head.incarnation() == one.incarnation && !head.has("deleting")) {
                continue;
            }
            let row = &self.documents.each(&CC_HISTORY)[&one.call];
            let kept = (row.text("outcome"), row.at("response.result")) == ("answered", &one.answer);
            let may_be_dropped = one.unfit && row.has("request") && row.at("request.schema").is_object();
            assert!(kept || may_be_dropped, "{} was acknowledged, and this stands there: {row:?}", one.answer);
        }
        let mut seen = Vec::new();
        for (id, row) in self.documents.each(&CC_HISTORY) {
            let outcome = row.text("outcome");
            if row.has("request") && !outcome.is_empty() {
                seen.push(format!("outcome {outcome}"));
            }
            let head = self.documents.head(row.text("executionId")).unwrap();
            let known = |one: &Acknowledged| one.call == *id && one.incarnation == head.incarnation();
            assert!(
                outcome != "answered" || head.has("deleting") || self.acknowledged.iter().any(known),
                "nobody answered {id} so"
            );
        }
        seen.into_iter().for_each(|outcome| self.count(outcome));
        let cvm = self.process(0).cvm.clone();
        assert_eq!(block_on(cvm.next_due()).unwrap(), self.due(), "next due");
        let counted = block_on(cvm.statuses(None)).unwrap();
        let mut statuses = BTreeMap::new();
        for head in self.documents.each(&EXECUTIONS).values().filter(|head| !head.has("deleting")) {
            *statuses.entry(head.text("state.status").to_owned()).or_insert(0u64) += 1;
        }
        assert_eq!(counted.into_iter().filter(|(_, n)| *n > 0).collect::<BTreeMap<_, _>>(), statuses);
    }

    /// When there is something to do next, by the rules.
    fn due(&self) -> Option<Timestamp> {
        let heads = self.documents.each(&EXECUTIONS).values();
        let due = |head: &Found| {
            let kept = head.number("completed").filter(|_| !head.has("deleting")).map(|at| at + RETENTION.0);
            head.number("wakeAt").into_iter().chain(kept).min()
        };
        heads.filter_map(due).min().map(Timestamp::from_millis)
    }
}
