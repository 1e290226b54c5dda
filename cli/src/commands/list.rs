//! `list`: executions, newest first.

use runstate::domain::cvm::Status;
use runstate::engine::{Listing, Summary};

use crate::args::OfStatus;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::print::visible;
use crate::session::Session;
use crate::told::ToldSummary;

/// Characters of a question that fit on a line.
const PROMPT: usize = 60;

/// Lists them.
pub async fn execute(
    session: &Session,
    status: Option<OfStatus>,
    program: Option<String>,
    limit: Option<u32>,
) -> Result<Exit, Failure> {
    let listing = Listing { status: status.map(Status::from), program, limit };
    let found = session.cvm.list(&listing).await?;
    if session.out.json() {
        found.iter().try_for_each(|summary| session.out.value(&ToldSummary::from(summary)))?;
    } else if found.is_empty() {
        session.out.remark("no executions");
    } else {
        session.out.lines(&table(&found))?;
    }
    Ok(Exit::Done)
}

fn table(found: &[Summary]) -> Vec<String> {
    let width = |text: &dyn Fn(&Summary) -> usize, head: usize| found.iter().map(text).max().unwrap_or(0).max(head);
    let id = width(&|s| visible(&s.id).chars().count(), 2);
    let program = width(&|s| visible(&s.program_name).chars().count(), 7);
    let head = format!("{:id$}  {:program$}  {:10}  {:20}  QUESTION", "ID", "PROGRAM", "STATUS", "STARTED");
    let row = |s: &Summary| {
        // To the second: people read it.
        let started: String = s.started.to_rfc3339().chars().take(19).collect();
        let prompt = first_line(s.prompt.as_deref().unwrap_or_default());
        let status = s.status.as_str();
        let row = format!(
            "{:id$}  {:program$}  {status:10}  {started:19}Z  {prompt}",
            visible(&s.id),
            visible(&s.program_name)
        );
        row.trim_end().to_owned()
    };
    std::iter::once(head).chain(found.iter().map(row)).collect()
}

fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.len() == text.len() && line.chars().count() <= PROMPT {
        return line.to_owned();
    }
    let cut: String = line.chars().take(PROMPT - 1).collect();
    format!("{cut}…")
}
