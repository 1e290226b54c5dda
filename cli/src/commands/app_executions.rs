//! `apps execution wait`: waits until an execution of an app has ended.

use std::time::Duration;

use runstate::domain::apps::AppExecution;
use runstate::schema::{Entity as _, Key};
use runstate::value::Document;
use serde_json::{Value as Json, json};

use super::output::{current_position, wait_for_change};
use crate::error::CliError;
use crate::exit::CliExit;
use crate::interrupt;
use crate::operations;
use crate::session::Session;
use crate::time_format::{duration_millis, duration_text};

/// Waits until the execution has ended, at most for `timeout`, and prints how.
pub async fn wait_for_execution(
    session: &Session,
    typed: &str,
    timeout: Option<Duration>,
) -> Result<CliExit, CliError> {
    interrupt::exit_on_ctrl_c();
    let id = session.full_id(AppExecution::COLLECTION.name, typed).await?;
    let ended = wait_for_end(session, &id);
    let execution = match timeout {
        Some(timeout) => match tokio::time::timeout(timeout, ended).await {
            Ok(execution) => execution?,
            Err(_) => return report_timeout(session, &id, timeout).await,
        },
        None => ended.await?,
    };
    let status = execution["status"].as_str().unwrap_or_default();
    if session.out.is_json() {
        session.out.value(&execution)?;
    } else {
        let reason = execution["error"]["message"].as_str().map(|message| format!(": {message}")).unwrap_or_default();
        session.out.line(&format!("{id} is {status}{reason}"))?;
    }
    Ok(if status == "completed" { CliExit::Done } else { CliExit::ProgramFailed })
}

async fn report_timeout(session: &Session, id: &str, timeout: Duration) -> Result<CliExit, CliError> {
    if session.out.is_json() {
        session.out.value(&show(session, id).await?)?;
    }
    session.out.remark(&format!("{id} has not ended within {}", duration_text(duration_millis(timeout))));
    Ok(CliExit::Waiting)
}

/// Waits until the execution has ended. Returns it.
async fn wait_for_end(session: &Session, id: &str) -> Result<Json, CliError> {
    let head = Key::new(&AppExecution::COLLECTION, id);
    // The position is read before each look, so that an end between the two is not missed.
    let mut position = current_position(session).await?;
    loop {
        let execution = show(session, id).await?;
        if execution["status"] != "running" {
            return Ok(execution);
        }
        position = wait_for_change(session, position, |key| *key == head).await?;
    }
}

async fn show(session: &Session, id: &str) -> Result<Json, CliError> {
    let parameters: Document = [("id".to_owned(), json!(id))].into_iter().collect();
    Ok(operations::call(&session.engine, "apps.execution.show", parameters).await?)
}
