//! Telling those who wait for changes, in this tab and in others. A hint may be lost, so nobody relies on one.

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;

use super::binding::{Channel, host};
use crate::store::feed::{Waiter, Waiters};

/// Who waits here, and the way to the other tabs.
pub(super) struct Hints {
    waiters: std::rc::Rc<Waiters>,
    /// None where the host has no such channels.
    channel: Option<Channel>,
    // Alive as long as it may be called.
    _on_message: Option<Closure<dyn FnMut()>>,
}

impl Hints {
    /// On the channel of a database.
    pub(super) fn of(database: &str) -> Self {
        let waiters = std::rc::Rc::new(Waiters::default());
        // Where a host has none, or refuses it, waiting looks once a second.
        let there = !host().broadcast_channel().is_undefined();
        let channel = there.then(|| Channel::new(&format!("runstate:{database}")).ok()).flatten();
        let heard = waiters.clone();
        let on_message = channel.as_ref().map(|channel| {
            let closure: Closure<dyn FnMut()> = Closure::new(move || heard.wake());
            channel.on_message(closure.as_ref());
            closure
        });
        Self { waiters, channel, _on_message: on_message }
    }

    /// Something was committed.
    pub(super) fn tell(&self) {
        self.wake();
        if let Some(channel) = &self.channel {
            // A channel that was closed has nobody to tell.
            drop(channel.post(&JsValue::NULL));
        }
    }

    /// Wakes those who wait in this tab.
    pub(super) fn wake(&self) {
        self.waiters.wake();
    }

    /// Made before looking, so that what happens in between is not missed.
    pub(super) fn listen(&self) -> Waiter {
        self.waiters.listen()
    }

    /// Hears and tells no more.
    pub(super) fn end(&self) {
        if let Some(channel) = &self.channel {
            channel.close();
        }
    }
}

impl Drop for Hints {
    fn drop(&mut self) {
        if let Some(channel) = &self.channel {
            channel.on_message(&JsValue::NULL);
            channel.close();
        }
    }
}
