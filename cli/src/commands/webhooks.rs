//! `work --webhooks`: a worker that sends the deliveries of subscriptions.

use runstate::domain::apps::DeliveryWork;
use runstate::webhook::{WebhookClient, WebhookSettings};
use runstate::work::{Worker, WorkerEvent};
use serde_json::{Value as Json, json};

use super::due::WorkerReporter;
use crate::args::WorkArgs;
use crate::error::{self, CliError};
use crate::printer::Printer;
use crate::session::Session;
use crate::time_format::{duration_millis, format_seconds};

/// The worker that these options describe.
pub fn webhook_worker(session: &Session, args: &WorkArgs, owner: &str) -> Result<Worker<DeliveryWork>, CliError> {
    let settings = WebhookSettings { trusted_hosts: args.webhook_trusted_host.clone(), ..WebhookSettings::default() };
    let client = WebhookClient::new(settings).map_err(|failure| error::usage(failure.message))?;
    let (out, reporter) = (session.out, WorkerReporter::default());
    let worker = runstate::client::webhook_worker(&session.engine, owner, client).lease(duration_millis(args.lease));
    let worker = worker.on_event(move |event| report_event(event, &reporter, out));
    Ok(if args.no_due { worker.without_due() } else { worker })
}

/// Reports what the worker does, in one line for each attempt. A URL is not shown, since its path may be a secret.
fn report_event(worker_event: &WorkerEvent<'_, DeliveryWork>, reporter: &WorkerReporter, out: Printer) {
    let (event, work, message, retry_at) = match worker_event {
        WorkerEvent::Answered { work, .. } => ("delivered", work, None, None),
        WorkerEvent::Failed { work, failure, retry_at, .. } => ("failed", work, Some(&failure.message), *retry_at),
        WorkerEvent::Lost { work, why } => ("lost", work, Some(&why.message), None),
        WorkerEvent::Released(work) => ("released", work, None, None),
        WorkerEvent::Due(due) => return reporter.report_due(due, out),
        WorkerEvent::Trouble(error) => return reporter.report_error(error, out),
        _ => return,
    };
    let (delivery, retry_at) = (&work.delivery, retry_at.map(|at| (at.to_rfc3339(), format_seconds(at))));
    if out.is_json() {
        let line: Json = json!({
            "event": event,
            "delivery": delivery.id,
            "subscription": delivery.subscription_id,
            "type": delivery.event,
            "attempt": delivery.attempts,
            "message": message,
            "retryAt": retry_at.map(|(text, _)| text),
        });
        // If standard output is closed, the worker continues.
        let _ = out.value(&line);
        return;
    }
    let next = match (event, retry_at) {
        ("failed", Some((_, at))) => format!(", next attempt at {at}"),
        ("failed", None) => ", a dead letter now".to_owned(),
        _ => String::new(),
    };
    let reason = message.map(|message| format!(": {message}")).unwrap_or_default();
    let (id, subscription) = (&delivery.id, &delivery.subscription_id);
    out.remark(&format!(
        "{event} {id} of {} to {subscription}, attempt {}{next}{reason}",
        delivery.event, delivery.attempts
    ));
}
