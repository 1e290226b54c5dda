//! `pause`, `unpause`, `cancel`, `retry`: each of the executions named, judged by itself.

use runstate::domain::cvm::{Reached, Seen, Status};
use runstate::engine::Error;

use super::named::{Named, One};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::print::visible;
use crate::prompt;
use crate::session::Session;
use crate::table::one_line;

/// What is done to each.
#[derive(Clone, Copy)]
pub enum Act {
    /// See [`runstate::engine::Cvm::pause`].
    Pause,
    /// See [`runstate::engine::Cvm::unpause`].
    Unpause,
    /// See [`runstate::engine::Cvm::cancel`].
    Cancel,
    /// See [`runstate::engine::Cvm::retry`].
    Retry,
}

/// Does it to each of them.
pub async fn execute(session: &Session, act: Act, named: Named) -> Result<Exit, Failure> {
    let interrupt = act.drives().then(|| Interrupt::watch(session.out));
    if let Some(one) = named.alone() {
        return alone(session, act, one, interrupt.as_ref()).await;
    }
    let mut worst = Exit::Done;
    for one in named.all() {
        let exit = match among(session, act, one, interrupt.as_ref()).await {
            Ok(exit) => exit,
            Err(failure) => session.out.refused("execution", &one.id, failure)?,
        };
        worst = worst.graver(exit);
    }
    Ok(worst)
}

/// To one: what it runs to is told as `next` tells it.
async fn alone(session: &Session, act: Act, one: &One, interrupt: Option<&Interrupt>) -> Result<Exit, Failure> {
    let Some(interrupt) = interrupt else { return said(session, &act.on(session, one).await?) };
    interrupt.driving(&one.id, session.resume(&one.id));
    let seen = session.seen(&one.id).await?;
    act.on(session, one).await?;
    session.stands(&one.id, seen).await
}

/// To one among several: a line.
async fn among(session: &Session, act: Act, one: &One, interrupt: Option<&Interrupt>) -> Result<Exit, Failure> {
    if let Some(interrupt) = interrupt {
        interrupt.driving(&one.id, session.resume(&one.id));
    }
    let reached = act.on(session, one).await?;
    if !act.drives() {
        return said(session, &reached);
    }
    if session.out.json() {
        return session.reply(&one.id).await;
    }
    let seen = session.status(&one.id).await?;
    let (id, status) = (visible(&one.id), session.out.paint().status(seen.status.as_str()));
    session.out.painted(&[format!("{id} is {status}{}", one_line(&why(&seen)))])?;
    Ok(Exit::of(seen.status))
}

fn said(session: &Session, reached: &Reached) -> Result<Exit, Failure> {
    if session.out.json() {
        session.out.value(reached)?;
    } else {
        let (id, status) = (visible(&reached.id), session.out.paint().status(reached.status.as_str()));
        session.out.painted(&[format!("{id} is {status}")])?;
    }
    Ok(Exit::Done)
}

/// What there is to say of where an execution stands.
fn why(seen: &Seen) -> String {
    match (seen.status, seen.calls.first(), &seen.error) {
        (Status::WaitingCc, Some(call), _) => format!(": {}", call.prompt),
        (Status::Error, _, Some(error)) => {
            format!(" at line {}, column {}: {}: {}", error.line, error.column, error.name, error.message)
        }
        (Status::Complete, ..) if !seen.result.is_null() => format!(" = {}", prompt::shown(&seen.result)),
        _ => String::new(),
    }
}

impl Act {
    /// Whether it runs what it is done to.
    fn drives(self) -> bool {
        matches!(self, Act::Unpause | Act::Retry)
    }

    async fn on(self, session: &Session, One { id, command }: &One) -> Result<Reached, Error> {
        let (cvm, command) = (&session.cvm, command.as_ref());
        match self {
            Act::Pause => cvm.pause(id, command).await,
            Act::Unpause => cvm.unpause(id, command).await,
            Act::Cancel => cvm.cancel(id, command).await,
            Act::Retry => cvm.retry(id, command).await,
        }
    }
}
