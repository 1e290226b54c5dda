//! The actions of a script's steps, chosen at random by weight.

use serde::{Deserialize, Serialize};

use crate::testing::SimIds;

/// The action of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is the command or query of its name")]
pub enum ScriptAction {
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

/// The relative frequency of each action.
const WEIGHTS: [(usize, ScriptAction); 22] = [
    (1, ScriptAction::Load),
    (12, ScriptAction::Start),
    (2, ScriptAction::Next),
    (22, ScriptAction::Answer),
    (8, ScriptAction::AnswerKey),
    (3, ScriptAction::AnswerWrong),
    (4, ScriptAction::Pause),
    (6, ScriptAction::Unpause),
    (1, ScriptAction::Cancel),
    (3, ScriptAction::Retry),
    (4, ScriptAction::Delete),
    (9, ScriptAction::Claim),
    (3, ScriptAction::Heartbeat),
    (7, ScriptAction::Complete),
    (2, ScriptAction::Fail),
    (2, ScriptAction::FailAgain),
    (2, ScriptAction::Release),
    (7, ScriptAction::RunDue),
    (7, ScriptAction::Pass),
    (4, ScriptAction::Repeat),
    (3, ScriptAction::Look),
    (1, ScriptAction::Restart),
];

impl ScriptAction {
    /// All actions.
    pub fn all() -> impl Iterator<Item = Self> {
        WEIGHTS.into_iter().map(|(_, act)| act)
    }

    pub(super) fn random(chance: &SimIds) -> Self {
        let mut drawn = chance.below(WEIGHTS.iter().map(|(often, _)| often).sum());
        for (often, act) in WEIGHTS {
            if drawn < often {
                return act;
            }
            drawn -= often;
        }
        ScriptAction::Look
    }
}
