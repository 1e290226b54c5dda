//! Telling those who wait for changes, in this tab and in others. A hint may be lost, so nobody relies on one.

use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::Closure;

use super::binding::{Channel, host};
use crate::store::feed::{Waiter, Waiters};

/// Who waits here, and the way to the other tabs.
pub(super) struct Hints {
    waiters: Rc<Waiters>,
    /// Another tab has told something since it was last asked whether one did.
    heard: Rc<Cell<bool>>,
    /// None where the host has no such channels.
    channel: Option<Channel>,
    // Alive as long as it may be called.
    _on_message: Option<Closure<dyn FnMut()>>,
}

impl Hints {
    /// On the channel of a database.
    pub(super) fn of(database: &str) -> Self {
        let (waiters, heard) = (Rc::new(Waiters::default()), Rc::new(Cell::new(false)));
        // Where a host has none, or refuses it, waiting looks once a second.
        let there = !host().broadcast_channel().is_undefined();
        let channel = there.then(|| Channel::new(&format!("runstate:{database}")).ok()).flatten();
        let (waiting, hearing) = (waiters.clone(), heard.clone());
        let on_message = channel.as_ref().map(|channel| {
            let closure: Closure<dyn FnMut()> = Closure::new(move || {
                hearing.set(true);
                waiting.wake();
            });
            channel.on_message(closure.as_ref());
            closure
        });
        Self { waiters, heard, channel, _on_message: on_message }
    }

    /// Something was committed.
    pub(super) fn tell(&self) {
        self.wake();
        if let Some(channel) = &self.channel {
            // A channel that was closed has nobody to tell.
            drop(channel.post(&JsValue::NULL));
        }
    }

    /// Whether another tab has told something since this was last asked.
    pub(super) fn heard(&self) -> bool {
        self.heard.replace(false)
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
