//! A proxy in front of the server that records each command with its reply, and delays replies on request. It runs on
//! its own threads. Also a store whose commands are recorded, and short functions to use it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use mongodb::bson::{self, Document};
use runstate::schema::Direction::Ascending;
use runstate::schema::{Catalog, Collection, Field, Index, Key, Ttl};
use runstate::store::mongodb::{Mongo, MongoOptions};
use runstate::store::{Batch, Check, Freshness, Store, StoreAdmin, StoredDocument, Write};
use runstate::time::Millis;

use crate::support::batches::batch;
use crate::support::mongodb::fresh_url;

/// The opcode of messages that carry commands and replies, in the MongoDB wire protocol.
const OP_MSG: i32 = 2013;

/// Commands that the driver itself sends, at any time.
const DRIVER_COMMANDS: [&str; 5] = ["hello", "isMaster", "ismaster", "killCursors", "endSessions"];

/// A command and its reply.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub command: Document,
    /// `None` if there is no reply yet.
    pub reply: Option<Document>,
}

impl Exchange {
    /// The name of the command.
    pub fn name(&self) -> &str {
        self.command.keys().next().unwrap()
    }

    pub fn read_concern(&self) -> Document {
        let concern = self.command.get_document("readConcern");
        concern.unwrap_or_else(|_| panic!("{} has no read concern", self.command)).clone()
    }

    /// The cluster time in the reply.
    pub fn operation_time(&self) -> bson::Timestamp {
        self.reply.as_ref().unwrap().get_timestamp("operationTime").unwrap()
    }
}

/// A proxy that records commands.
pub struct Recorder {
    url: String,
    shared: Arc<RecorderShared>,
}

#[derive(Default)]
struct RecorderShared {
    state: Mutex<RecorderState>,
    changed: Condvar,
}

#[derive(Default)]
struct RecorderState {
    /// By the id of the request, in the order in which they were sent.
    exchanges: Vec<(i32, Exchange)>,
    /// Replies to commands of this name are delayed.
    delayed: Option<&'static str>,
}

impl Recorder {
    /// Starts a proxy in front of the one server that a URL names.
    pub fn start(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (server, path) = rest.split_once('/').unwrap();
        let (user, host) = server.rsplit_once('@').map_or(("", server), |(user, host)| (&server[..=user.len()], host));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{user}{}/{path}", listener.local_addr().unwrap());
        let (shared, host) = (Arc::<RecorderShared>::default(), host.to_owned());
        let inner = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                inner.connect(client, &host);
            }
        });
        Self { url, shared }
    }

    /// The URL of the server through this proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything that was sent since the last call.
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.shared.state().exchanges).into_iter().map(|(_, exchange)| exchange).collect()
    }

    /// From now on replies to commands of that name are delayed.
    pub fn hold(&self, name: &'static str) {
        self.shared.state().delayed = Some(name);
    }

    /// Releases the delayed replies.
    pub fn release(&self) {
        self.shared.state().delayed = None;
        self.shared.changed.notify_all();
    }

    /// Waits until a command of that name was sent.
    pub async fn wait_until_sent(&self, name: &str) {
        let is_sent = || self.shared.state().exchanges.iter().any(|(_, exchange)| exchange.name() == name);
        while !is_sent() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl RecorderShared {
    fn state(&self) -> MutexGuard<'_, RecorderState> {
        self.state.lock().unwrap()
    }

    fn connect(self: &Arc<Self>, client: TcpStream, server: &str) {
        let server = TcpStream::connect(server).unwrap();
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
        }
        let (to_server, to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let (requests, replies) = (self.clone(), self.clone());
        std::thread::spawn(move || copy(client, to_server, |message| requests.record_request(message)));
        std::thread::spawn(move || copy(server, to_client, |message| replies.record_reply(message)));
    }

    fn record_request(&self, message: &[u8]) {
        let Some(command) = parse_document(message) else { return };
        let exchange = Exchange { command, reply: None };
        if !DRIVER_COMMANDS.contains(&exchange.name()) {
            self.state().exchanges.push((header_number(message, 4), exchange));
        }
    }

    fn record_reply(&self, message: &[u8]) {
        let request_id = header_number(message, 8);
        let mut state = self.state();
        let Some((_, exchange)) = state.exchanges.iter_mut().rev().find(|(id, _)| *id == request_id) else { return };
        exchange.reply = parse_document(message);
        let name = exchange.name().to_owned();
        drop(self.changed.wait_while(state, |state| state.delayed == Some(&*name)).unwrap());
    }
}

/// Copies messages until either end is closed, and then closes both.
fn copy(mut from: TcpStream, mut to: TcpStream, pass: impl Fn(&[u8])) {
    let mut length = [0; 4];
    while from.read_exact(&mut length).is_ok() {
        let mut message = length.to_vec();
        message.resize(i32::from_le_bytes(length) as usize, 0);
        if from.read_exact(&mut message[4..]).is_err() {
            break;
        }
        pass(&message);
        if to.write_all(&message).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// A number in the header of a message: its length, its id, the id of the request that it answers, or its opcode.
fn header_number(message: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(message[at..at + 4].try_into().unwrap())
}

/// The command or reply in a message, which is its first section.
fn parse_document(message: &[u8]) -> Option<Document> {
    let is_document = header_number(message, 12) == OP_MSG && message[20] == 0;
    is_document.then(|| Document::from_reader(&message[21..]).unwrap())
}

pub const HEADS: Collection = Collection::new("recorded.heads", 1)
    .fields(&[Field::int("n").optional(), Field::timestamp("at").optional()])
    .indexes(&[Index::ordered(&[("n", Ascending)])])
    .ttl(Ttl { field: "at", after: Millis(1_000), partial: None });
pub const LEADS: Collection = Collection::new("recorded.leads", 1);
pub const ROWS: Collection = Collection::new("recorded.rows", 1).insert_only();

/// A store behind a recorder.
pub struct RecordedStore {
    pub store: Mongo,
    pub recorder: Recorder,
}

impl RecordedStore {
    /// `options` are added to the URL.
    pub async fn new(options: &str) -> Self {
        Self::open(&format!("{}{options}", fresh_url())).await
    }

    pub async fn open(url: &str) -> Self {
        let recorder = Recorder::start(url);
        let store = Mongo::open(recorder.url(), MongoOptions::default()).await.unwrap();
        store.migrate(&Catalog::new(&[&HEADS, &LEADS, &ROWS]).unwrap()).await.unwrap();
        Self { store, recorder }
    }

    pub async fn commit(&self, command: &str, writes: Vec<Write>, checks: Vec<Check>) {
        self.store.commit(Batch { checks, ..batch(command, writes) }).await.unwrap();
    }

    pub async fn find(&self, collection: &Collection, id: &str) -> Option<StoredDocument> {
        self.store.get(&[Key::new(collection, id)], Freshness::Linearizable).await.unwrap().remove(0)
    }

    /// A check that a document is at its current revision.
    pub async fn check(&self, collection: &Collection, id: &str) -> Check {
        Check { key: Key::new(collection, id), revision: self.find(collection, id).await.unwrap().revision }
    }

    /// The commands with these names that were sent since the last call.
    pub fn sent(&self, names: &[&str]) -> Vec<Exchange> {
        let mut sent = self.recorder.take();
        sent.retain(|exchange| names.contains(&exchange.name()));
        sent
    }
}
