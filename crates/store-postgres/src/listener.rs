//! Notifications: a commit announces a change, and readers of changes are woken. Each process has at most one listening
//! connection. A notification is only a hint: readers also poll.
//!
//! `NOTIFY` within a transaction serializes all commits of the server. So it is sent after commits, once for all that
//! ended meanwhile.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_postgres::AsyncMessage;

use super::Postgres;

/// The channel of notifications.
const CHANNEL: &str = "runstate_changes";
/// The delay before other processes are notified: one notification for all commits meanwhile.
const NOTIFY_DELAY: Duration = Duration::from_millis(5);
/// The delay before listening again.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// Whether tasks of this store run.
#[derive(Default)]
pub(super) struct NotificationTasks {
    /// A task listens.
    listening: AtomicBool,
    /// A task sends notifications.
    sending: AtomicBool,
    /// A commit was not announced yet.
    pending: AtomicBool,
}

impl Postgres {
    /// Announces a change: to readers in this process at once, and to others soon.
    pub(super) fn announce_change(&self) {
        self.changed.notify(usize::MAX);
        self.notifications.pending.store(true, Ordering::Release);
        if self.notifications.sending.swap(true, Ordering::AcqRel) {
            return;
        }
        let store = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(NOTIFY_DELAY).await;
            while store.notifications.pending.swap(false, Ordering::AcqRel) && !store.closed.load(Ordering::Acquire) {
                if let Err(error) = store.notify().await {
                    tracing::debug!(%error, "a change was not announced; readers poll");
                    break;
                }
                tokio::time::sleep(NOTIFY_DELAY).await;
            }
            store.notifications.sending.store(false, Ordering::Release);
        });
    }

    async fn notify(&self) -> Result<(), tokio_postgres::Error> {
        let connection = self.pool.acquire().await?;
        // It may be lost, so the server need not wait for the disk.
        connection.run_script(&format!("SET LOCAL synchronous_commit = off; NOTIFY {CHANNEL}")).await?;
        connection.release();
        Ok(())
    }

    /// Begins to listen, if no task does.
    pub(super) fn listen(&self) {
        // A pooler between transactions does not keep the subscription of a session.
        if !self.pool.settings().prepared || self.notifications.listening.swap(true, Ordering::AcqRel) {
            return;
        }
        let (settings, changed, closed) = (self.pool.settings().clone(), self.changed.clone(), self.closed.clone());
        tokio::spawn(async move {
            while !closed.load(Ordering::Acquire) && Arc::strong_count(&changed) > 1 {
                if let Err(error) = receive_notifications(&settings, &changed, &closed).await {
                    tracing::debug!(%error, "not listening for changes; readers poll");
                }
                tokio::time::sleep(RECONNECT_DELAY).await;
            }
        });
    }
}

/// Receives notifications until the connection ends or the store is closed.
async fn receive_notifications(
    settings: &super::options::ServerSettings,
    changed: &Arc<event_listener::Event>,
    closed: &AtomicBool,
) -> Result<(), tokio_postgres::Error> {
    /// How often the task looks whether the store is still open.
    const CHECK_INTERVAL: Duration = Duration::from_secs(5);
    let (client, mut connection) = settings.config.connect(settings.tls.clone()).await?;
    let listen_command = format!("LISTEN {CHANNEL}");
    let subscribing = client.batch_execute(&listen_command);
    let mut subscribing = std::pin::pin!(subscribing);
    let mut subscribed = false;
    let mut check = tokio::time::interval(CHECK_INTERVAL);
    loop {
        tokio::select! {
            result = &mut subscribing, if !subscribed => {
                result?;
                subscribed = true;
            }
            message = poll_fn(|context| connection.poll_message(context)) => match message {
                Some(Ok(AsyncMessage::Notification(_))) => {
                    changed.notify(usize::MAX);
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
            _ = check.tick() => {
                if closed.load(Ordering::Acquire) || Arc::strong_count(changed) <= 1 {
                    return Ok(());
                }
            }
        }
    }
}
