//! Lifecycles: a transition consumes a state and returns the next state or a rejection. The table in the docs is derived by running the
//! transition over every pair of state and event.

use std::collections::BTreeSet;

use super::Rejection;

/// A state machine: its states, and the events that change them.
pub trait Lifecycle {
    /// An enum with data, so that illegal combinations do not compile.
    type State;
    /// An event that changes the state.
    type Event;

    /// Returns the next state, or the rejection if the event is illegal in this state.
    fn transition(state: Self::State, event: Self::Event) -> Result<Self::State, Rejection>;

    /// One sample of every state that behaves differently.
    fn states() -> Vec<Self::State>;

    /// Samples of every event.
    fn events() -> Vec<Self::Event>;

    /// The state's name on the wire.
    fn status(state: &Self::State) -> &'static str;

    /// The command that causes the event.
    fn command(event: &Self::Event) -> &'static str;
}

/// The status × command table of a lifecycle, as Markdown, derived from its transition. A cell lists every status to which the command can
/// lead; `–` means that it is rejected.
pub fn transition_table<L: Lifecycle>() -> String {
    let mut commands: Vec<&str> = Vec::new();
    for event in L::events() {
        let name = L::command(&event);
        if !commands.contains(&name) {
            commands.push(name);
        }
    }
    let mut statuses: Vec<&str> = Vec::new();
    let mut cells: Vec<Vec<BTreeSet<String>>> = Vec::new();
    for i in 0..L::states().len() {
        for j in 0..L::events().len() {
            let (Some(state), Some(event)) = (L::states().into_iter().nth(i), L::events().into_iter().nth(j)) else {
                continue;
            };
            let (status, command) = (L::status(&state), L::command(&event));
            let row = statuses.iter().position(|s| *s == status).unwrap_or_else(|| {
                statuses.push(status);
                cells.push(vec![BTreeSet::new(); commands.len()]);
                statuses.len() - 1
            });
            let Some(column) = commands.iter().position(|c| *c == command) else { continue };
            if let Ok(next) = L::transition(state, event) {
                cells[row][column].insert(L::status(&next).to_owned());
            }
        }
    }
    let mut out = format!("| status | {} |\n|{}\n", commands.join(" | "), "---|".repeat(commands.len() + 1));
    for (status, row) in statuses.iter().zip(cells) {
        let row = row.into_iter().map(|cell| {
            if cell.is_empty() { "–".to_owned() } else { cell.into_iter().collect::<Vec<_>>().join(" · ") }
        });
        out += &format!("| {status} | {} |\n", row.collect::<Vec<_>>().join(" | "));
    }
    out
}
