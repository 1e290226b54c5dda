//! What is on the disk in memory: folders with the names that live and those that would survive the loss of power.

use std::collections::BTreeMap;

use super::{Fault, Survivors};
use crate::id::sha256;
use crate::store::file::fs::Reason;
use crate::time::Millis;

/// The name of the store's folder in the one above it.
pub(super) const STORE: &str = "store";

#[derive(Default)]
pub(super) struct State {
    /// By number; 0 is the folder above the store's.
    pub(super) folders: Vec<Folder>,
    pub(super) files: Vec<File>,
    /// Whether each process lives.
    pub(super) alive: Vec<bool>,
    /// What was called, and by which process.
    pub(super) trace: Vec<(usize, String)>,
    pub(super) faults: BTreeMap<usize, Fault>,
    pub(super) next: Vec<(usize, &'static str, Fault)>,
    pub(super) full: bool,
    pub(super) network: Option<String>,
    pub(super) drawn: u64,
    pub(super) pauses: Vec<Millis>,
    pub(super) hooks: Vec<Hook>,
}

/// Something that happens before a call.
pub(super) struct Hook {
    pub(super) process: usize,
    pub(super) call: &'static str,
    pub(super) path: String,
    pub(super) act: Box<dyn FnOnce() + Send>,
}

#[derive(Clone, Default)]
pub(super) struct Folder {
    pub(super) live: BTreeMap<String, Node>,
    pub(super) durable: BTreeMap<String, Node>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Folder(usize),
    File(usize),
}

pub(super) struct File {
    pub(super) live: Vec<u8>,
    pub(super) durable: Option<Vec<u8>>,
}

impl State {
    pub(super) fn find(&self, path: &str) -> Option<Node> {
        let store = *self.folders.first()?.live.get(STORE)?;
        path.split('/').filter(|name| !name.is_empty()).try_fold(store, |node, name| match node {
            Node::Folder(folder) => self.folders.get(folder)?.live.get(name).copied(),
            Node::File(_) => None,
        })
    }

    /// The folder that has the file of this path, and the file's name in it.
    pub(super) fn place<'p>(&self, path: &'p str) -> Result<(usize, &'p str), Reason> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        match self.find(folder) {
            Some(Node::Folder(folder)) => Ok((folder, name)),
            Some(Node::File(_)) => Err(Reason::NotFolder),
            None => Err(Reason::Missing),
        }
    }

    pub(super) fn folder_for(&mut self, name: &str) -> usize {
        if let Some(Node::Folder(folder)) = self.folders[0].live.get(name) {
            return *folder;
        }
        let made = self.make_folder(0, name);
        let node = Node::Folder(made);
        self.folders[0].durable.insert(name.to_owned(), node);
        made
    }

    pub(super) fn folder_in(&mut self, folder: usize, name: &str) -> usize {
        if let Some(Node::Folder(found)) = self.folders[folder].live.get(name) {
            return *found;
        }
        let made = self.make_folder(folder, name);
        self.folders[folder].durable.insert(name.to_owned(), Node::Folder(made));
        made
    }

    pub(super) fn make_folder(&mut self, within: usize, name: &str) -> usize {
        self.folders.push(Folder::default());
        let made = self.folders.len() - 1;
        self.folders[within].live.insert(name.to_owned(), Node::Folder(made));
        made
    }

    pub(super) fn lose_power(&mut self, survivors: Survivors) {
        let mut coin = 0u64;
        let mut survives = || match survivors {
            Survivors::None => false,
            Survivors::All => true,
            Survivors::Some(seed) => {
                coin += 1;
                sha256(&[&seed.to_be_bytes(), &coin.to_be_bytes()])[0] & 1 == 1
            }
        };
        for folder in &mut self.folders {
            let names: Vec<String> = folder.live.keys().chain(folder.durable.keys()).cloned().collect();
            for name in names {
                let (live, durable) = (folder.live.get(&name).copied(), folder.durable.get(&name).copied());
                if live != durable && survives() {
                    match live {
                        Some(node) => folder.durable.insert(name, node),
                        None => folder.durable.remove(&name),
                    };
                }
            }
            folder.live = folder.durable.clone();
        }
        for file in &mut self.files {
            // Bytes that were not synced may be there in part, or as zeros.
            let unsynced = if survives() { file.live[..file.live.len() / 2].to_vec() } else { Vec::new() };
            file.live = file.durable.clone().unwrap_or(unsynced);
            file.durable = Some(file.live.clone());
        }
        self.alive.fill(false);
    }
}
