//! The worker that sends the deliveries of subscriptions.

use runstate_core::operation::Failure;
use runstate_domain_apps::DeliveryWork;
use runstate_engine::Engine;
use runstate_engine::work::{Backoff, Task, Worker};
use runstate_value::Json;
use runstate_webhook::{WebhookClient, WebhookMessage};

/// Messages that one worker sends at once. Each waits for its receiver, so they are many.
const CONCURRENCY: usize = 64;

/// A worker that sends the deliveries of all subscriptions. It also does due work, which makes deliveries of events.
/// Any number of workers may run, in any processes.
///
/// A message that was received may be sent again, under the same id: if this process dies before it records the
/// response.
///
/// ```no_run
/// use runstate::client::webhook_worker;
/// use runstate::webhook::{WebhookClient, WebhookSettings};
/// # async fn example(engine: &runstate::engine::Engine) -> Result<(), Box<dyn std::error::Error>> {
/// let client = WebhookClient::new(WebhookSettings::default()).map_err(|failure| failure.message)?;
/// webhook_worker(engine, "me", client).run(std::future::pending()).await?;
/// # Ok(()) }
/// ```
pub fn webhook_worker(engine: &Engine, owner: impl Into<String>, client: WebhookClient) -> Worker<DeliveryWork> {
    // The delivery decides when it is a dead letter.
    let backoff = Backoff { attempts: u32::MAX, ..Backoff::default() };
    let sender = engine.clone();
    Worker::new(engine, owner).backoff(backoff).handle(DeliveryWork::KIND, CONCURRENCY, move |task| {
        let (engine, client) = (sender.clone(), client.clone());
        async move { send(&engine, &client, &task).await }
    })
}

async fn send(engine: &Engine, client: &WebhookClient, task: &Task<DeliveryWork>) -> Result<Json, Failure> {
    let DeliveryWork { delivery, url, secret } = &task.work;
    let message = WebhookMessage { id: &delivery.id, sent_at: engine.now(), url, secret, body: &task.work.body() };
    client.deliver(message).await.map(Json::from)
}
