//! What a step does: by chance, some more often than others.

use serde::{Deserialize, Serialize};

use crate::testing::SimIds;

/// What a step of a script does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is the command or query of its name")]
pub enum Act {
    Load,
    Start,
    Next,
    Answer,
    AnswerKey,
    AnswerWrong,
    Pause,
    Unpause,
    Cancel,
    Retry,
    Delete,
    Claim,
    Heartbeat,
    Complete,
    Fail,
    FailAgain,
    Release,
    RunDue,
    Pass,
    Repeat,
    Look,
    Restart,
}

/// How often each one is done, in proportion.
const OFTEN: [(usize, Act); 22] = [
    (1, Act::Load),
    (12, Act::Start),
    (2, Act::Next),
    (22, Act::Answer),
    (8, Act::AnswerKey),
    (3, Act::AnswerWrong),
    (4, Act::Pause),
    (6, Act::Unpause),
    (1, Act::Cancel),
    (3, Act::Retry),
    (4, Act::Delete),
    (9, Act::Claim),
    (3, Act::Heartbeat),
    (7, Act::Complete),
    (2, Act::Fail),
    (2, Act::FailAgain),
    (2, Act::Release),
    (7, Act::RunDue),
    (7, Act::Pass),
    (4, Act::Repeat),
    (3, Act::Look),
    (1, Act::Restart),
];

impl Act {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        OFTEN.into_iter().map(|(_, act)| act)
    }

    pub(super) fn by_chance(chance: &SimIds) -> Self {
        let mut drawn = chance.below(OFTEN.iter().map(|(often, _)| often).sum());
        for (often, act) in OFTEN {
            if drawn < often {
                return act;
            }
            drawn -= often;
        }
        Act::Look
    }
}
