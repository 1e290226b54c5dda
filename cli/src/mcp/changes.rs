//! Notifications: of resources that a client subscribed to, and of executions that appear and disappear. The change
//! feed also has the commits of other processes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::service::{Peer, SubscriptionSink};
use runstate::domain::cvm::{CC_HISTORY, EXECUTIONS, OUTPUTS};
use runstate::engine::{ChangeFilter, Engine, EngineChange};
use runstate::error_code::ErrorCode;
use runstate::time::Millis;

use super::resources::{OPEN_CALLS, execution_uri};

/// How long one request for changes waits.
const WAIT: Millis = Millis::seconds(30);

/// The pause after a failure of the store.
const RETRY: Duration = Duration::from_secs(1);

pub enum Listener {
    /// A client that subscribes to one resource at a time.
    Session {
        /// The client.
        peer: Peer<RoleServer>,
        subscribed: Arc<Mutex<BTreeSet<String>>>,
    },
    /// A subscription that names its resources.
    Subscription(SubscriptionSink),
}

#[derive(Default)]
struct Notifications {
    updated: BTreeSet<String>,
    list_changed: bool,
}

/// Notifies of changes from now on, until the client has gone or the store is closed.
pub async fn watch(engine: Engine, listener: Listener) {
    let collections = [&EXECUTIONS, &CC_HISTORY, &OUTPUTS].map(|collection| collection.name.to_owned());
    let filter = ChangeFilter { collections: Some(collections.to_vec()), ..ChangeFilter::default() };
    let mut position = None;
    loop {
        // The first request returns the position now.
        let wait = if position.is_some() { WAIT } else { Millis(0) };
        match engine.changes(position.clone(), &filter, wait).await {
            Ok(changes) => {
                position = Some(changes.next);
                if !listener.notify(Notifications::of_changes(&changes.events)).await {
                    return;
                }
            }
            Err(error) if error.code == ErrorCode::POSITION_EXPIRED => {
                position = None;
                if !listener.notify(Notifications { list_changed: true, ..Notifications::default() }).await {
                    return;
                }
            }
            Err(error) if [ErrorCode::CLOSED, ErrorCode::UNSUPPORTED, ErrorCode::CORRUPT].contains(&error.code) => {
                return;
            }
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

impl Notifications {
    fn of_changes(changes: &[EngineChange]) -> Self {
        let mut notifications = Self::default();
        for EngineChange { event, document } in changes {
            let collection = event.key.collection.as_ref();
            let execution = if collection == EXECUTIONS.name { Some(&*event.key.id) } else { document.as_deref() };
            let Some(uri) = execution.map(execution_uri) else { continue };
            if collection == EXECUTIONS.name {
                // A first revision is a new execution.
                notifications.list_changed |=
                    event.revision.as_ref().is_none_or(|revision| revision.to_string().starts_with("1-"));
            } else if collection == CC_HISTORY.name {
                notifications.updated.extend([format!("{uri}/calls"), OPEN_CALLS.to_owned()]);
            } else {
                notifications.updated.insert(format!("{uri}/output"));
            }
            notifications.updated.insert(uri);
        }
        notifications
    }
}

impl Listener {
    /// Sends the notifications. Returns whether the client is still there.
    async fn notify(&self, notifications: Notifications) -> bool {
        let Notifications { updated, list_changed } = notifications;
        match self {
            Listener::Session { peer, subscribed } => {
                let subscribed = subscribed.lock().unwrap_or_else(PoisonError::into_inner).clone();
                for uri in updated.intersection(&subscribed) {
                    let updated = ResourceUpdatedNotificationParam::new(uri.clone());
                    if peer.notify_resource_updated(updated).await.is_err() {
                        return false;
                    }
                }
                !list_changed || peer.notify_resource_list_changed().await.is_ok()
            }
            Listener::Subscription(sink) => {
                // The sink sends only what the subscription selects, and fails for the rest.
                for uri in updated {
                    _ = sink.notify_resource_updated(uri).await;
                }
                if list_changed {
                    _ = sink.notify_resource_list_changed().await;
                }
                true
            }
        }
    }
}
