//! Notification of readers that wait for changes, in this tab and in others. A notification may be lost, so no reader relies on it.

use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;

use super::binding::{Channel, global_object};
use crate::store::feed::{Waiter, Waiters};

/// The waiters of this tab, and the channel to other tabs.
pub(super) struct ChangeNotifier {
    waiters: Rc<Waiters>,
    /// Another tab has committed since this flag was last taken.
    other_tab_changed: Rc<Cell<bool>>,
    /// None if the host has no `BroadcastChannel`.
    channel: Option<Channel>,
    // Kept alive while the browser may call it.
    _on_message: Option<Closure<dyn FnMut()>>,
}

impl ChangeNotifier {
    /// Creates the notifier for the channel of a database.
    pub(super) fn new(database: &str) -> Self {
        let (waiters, other_tab_changed) = (Rc::new(Waiters::default()), Rc::new(Cell::new(false)));
        // Without a channel, waiters poll once a second.
        let there = !global_object().broadcast_channel().is_undefined();
        let channel = there.then(|| Channel::new(&format!("runstate:{database}")).ok()).flatten();
        let (waiting, changed) = (waiters.clone(), other_tab_changed.clone());
        let on_message = channel.as_ref().map(|channel| {
            let closure: Closure<dyn FnMut()> = Closure::new(move || {
                changed.set(true);
                waiting.wake();
            });
            channel.on_message(closure.as_ref());
            closure
        });
        Self { waiters, other_tab_changed, channel, _on_message: on_message }
    }

    /// Notifies this tab and other tabs of a commit.
    pub(super) fn notify(&self) {
        self.wake();
        if let Some(channel) = &self.channel {
            // A closed channel has no listeners.
            drop(channel.post(&JsValue::NULL));
        }
    }

    /// Returns whether another tab has committed since the last call of this method.
    pub(super) fn take_other_tab_changed(&self) -> bool {
        self.other_tab_changed.replace(false)
    }

    /// Wakes the waiters of this tab.
    pub(super) fn wake(&self) {
        self.waiters.wake();
    }

    /// Registers a waiter. Call it before reading the feed, so that no change in between is missed.
    pub(super) fn listen(&self) -> Waiter {
        self.waiters.listen()
    }

    /// Closes the channel to other tabs.
    pub(super) fn close(&self) {
        if let Some(channel) = &self.channel {
            channel.close();
        }
    }
}

impl Drop for ChangeNotifier {
    fn drop(&mut self) {
        if let Some(channel) = &self.channel {
            channel.on_message(&JsValue::NULL);
            channel.close();
        }
    }
}
