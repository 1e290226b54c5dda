//! Lifecycles: the states of an entity, and the events that change them. The table in the docs is derived by running
//! the transition over every pair of state and event.

pub use runstate_derive::Event;
use runstate_value::SortedSet;

use super::Rejection;
use crate::schema::{Key, StatefulEntity};

/// A state of a lifecycle: an enum with data, so that illegal combinations do not compile. `#[state(status =
/// SessionStatus)]` on an enum that derives [`State`](macro@crate::schema::State) implements it.
pub trait LifecycleState: Clone {
    /// Its name on the wire.
    fn name(&self) -> &'static str;

    /// One sample of every state that behaves differently.
    fn samples() -> Vec<Self>;
}

/// An event of a lifecycle. `#[derive(Event)]` implements it for an enum whose fields have defaults: the command of an
/// event is its name in snake case, or that of `#[event(name = "…")]`.
pub trait LifecycleEvent: Sized {
    /// The command that causes it.
    fn command(&self) -> &'static str;

    /// Samples of every event.
    fn samples() -> Vec<Self>;
}

/// A state machine: an entity with a state, and the events that change it.
///
/// ```
/// use runstate::decision::{Event, Lifecycle};
/// use runstate::schema::{Entity, State};
/// use runstate::time::Timestamp;
///
/// #[derive(Entity, Clone)]
/// #[entity(collection = "demo.lamps", version = 1)]
/// struct Lamp {
///     #[entity(id)]
///     id: String,
///     #[entity(state)]
///     state: LampState,
/// }
///
/// /// State of a lamp.
/// #[derive(State, Clone)]
/// #[state(status = LampStatus)]
/// enum LampState {
///     /// It is dark.
///     Off,
///     /// It is bright.
///     On {
///         since: Timestamp,
///     },
/// }
///
/// #[derive(Event)]
/// enum LampEvent {
///     Light(Timestamp),
///     #[event(name = "turn off")]
///     Darken,
/// }
///
/// impl Lifecycle for Lamp {
///     type Event = LampEvent;
///
///     fn transition(state: LampState, event: LampEvent) -> Option<LampState> {
///         match (state, event) {
///             (LampState::Off, LampEvent::Light(since)) => Some(LampState::On { since }),
///             (LampState::On { .. }, LampEvent::Darken) => Some(LampState::Off),
///             _ => None,
///         }
///     }
/// }
///
/// let mut lamp = Lamp { id: "l1".into(), state: LampState::Off };
/// assert_eq!(
///     lamp.apply(LampEvent::Darken).unwrap_err().to_string(),
///     "`l1` is off: `turn off` is not possible now; nothing was changed"
/// );
/// lamp.apply(LampEvent::Light(Timestamp::default()))?;
/// assert_eq!(lamp.state.status(), LampStatus::On);
/// # Ok::<(), runstate::decision::Rejection>(())
/// ```
pub trait Lifecycle: StatefulEntity<State: LifecycleState> {
    /// An event that changes the state.
    type Event: LifecycleEvent;

    /// Returns the next state; `None`: the event is illegal in this state.
    fn transition(state: Self::State, event: Self::Event) -> Option<Self::State>;

    /// The command that makes an illegal event legal.
    fn remedy(state: &Self::State, event: &Self::Event) -> Option<&'static str> {
        _ = (state, event);
        None
    }

    /// The state after an event, or the rejection if the event is illegal.
    fn next_state(&self, event: Self::Event) -> Result<Self::State, Rejection> {
        let (command, remedy) = (event.command(), Self::remedy(self.state(), &event));
        Self::transition(self.state().clone(), event).ok_or_else(|| self.illegal(command, remedy))
    }

    /// The rejection of a command that is illegal in this state. `remedy` is the command that makes it legal.
    fn illegal(&self, command: &'static str, remedy: Option<&'static str>) -> Rejection {
        let key = Key::new(&Self::COLLECTION, self.id());
        Rejection::IllegalTransition { key, from: self.state().name(), command, remedy }
    }

    /// Changes the state.
    fn apply(&mut self, event: Self::Event) -> Result<(), Rejection> {
        *self.state_mut() = self.next_state(event)?;
        Ok(())
    }
}

/// The status × command table of a lifecycle, as Markdown, derived from its transition. A cell lists every status to
/// which the command can lead; `–` means that it is rejected.
pub fn transition_table<L: Lifecycle>() -> String {
    let states = L::State::samples().iter().map(L::State::name).collect::<Vec<_>>();
    let events = L::Event::samples().iter().map(L::Event::command).collect::<Vec<_>>();
    format_transitions(&states, &events, &|i, j| {
        let (state, event) = (L::State::samples().into_iter().nth(i)?, L::Event::samples().into_iter().nth(j)?);
        Some(L::transition(state, event)?.name())
    })
}

/// The table of states, each with its status, and events, each with its command. `next` returns the status after an
/// event, if it is legal.
fn format_transitions(
    states: &[&'static str],
    events: &[&'static str],
    next: &dyn Fn(usize, usize) -> Option<&'static str>,
) -> String {
    let mut commands: Vec<&str> = Vec::new();
    for command in events {
        if !commands.contains(command) {
            commands.push(command);
        }
    }
    let mut statuses: Vec<&str> = Vec::new();
    let mut cells: Vec<Vec<SortedSet<&str>>> = Vec::new();
    for (i, status) in states.iter().enumerate() {
        let row = statuses.iter().position(|s| s == status).unwrap_or_else(|| {
            statuses.push(status);
            cells.push(vec![SortedSet::default(); commands.len()]);
            statuses.len() - 1
        });
        for (j, command) in events.iter().enumerate() {
            let Some(column) = commands.iter().position(|c| c == command) else { continue };
            cells[row][column].extend(next(i, j).map(|status| (status, ())));
        }
    }
    let mut out = format!("| status | {} |\n|{}\n", commands.join(" | "), "---|".repeat(commands.len() + 1));
    for (status, row) in statuses.iter().zip(cells) {
        let row = row.into_iter().map(|cell| {
            if cell.is_empty() { "–".to_owned() } else { cell.keys().copied().collect::<Vec<_>>().join(" · ") }
        });
        out += &format!("| {status} | {} |\n", row.collect::<Vec<_>>().join(" | "));
    }
    out
}
