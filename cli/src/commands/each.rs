//! `pause`, `unpause`, `cancel`, `retry`: each of the executions named, judged by itself.

use runstate::domain::cvm::{ExecutionView, Reached, Status};
use runstate::engine::Error;

use super::named::{Named, One};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::print::visible;
use crate::prompt;
use crate::session::Session;
use crate::table::one_line;
use crate::told::Told;

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
    let view = session.cvm.show(&one.id).await?;
    if session.out.json() {
        session.out.value(&Told::from(&view))?;
    } else {
        let (id, status) = (visible(&view.id), session.out.paint().status(view.status.as_str()));
        session.out.painted(&[format!("{id} is {status}{}", one_line(&why(&view)))])?;
    }
    Ok(Exit::of(view.status))
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
fn why(view: &ExecutionView) -> String {
    match (view.status, view.calls.first(), &view.error) {
        (Status::WaitingCc, Some(call), _) => format!(": {}", call.prompt),
        (Status::Error, _, Some(error)) => {
            format!(" at line {}, column {}: {}: {}", error.line, error.column, error.name, error.message)
        }
        (Status::Complete, ..) if !view.result.is_null() => format!(" = {}", prompt::shown(&view.result)),
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
