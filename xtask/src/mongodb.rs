//! A temporary replica set of one MongoDB server. A driver is not used, because every developer command would wait for its build: two commands
//! initiate a replica set, and they have three kinds of values.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::report::StepContext;
use super::tools::MONGOD;
use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::server::{Server, ServerKind};

const KIND: ServerKind = ServerKind { name: "mongod", signal: "KILL", log: "log", ready: "Waiting for connections" };

/// Documents do not expire while a test reads them. The transaction of a killed client ends after ten seconds. The cache holds the largest
/// transaction of a test and those of concurrent tests. Failpoints are enabled.
const MONGOD_ARGS: &str = "--bind_ip 127.0.0.1 --nounixsocket --replSet rs0 --wiredTigerCacheSizeGB 0.5 --oplogSize 256 \
    --setParameter ttlMonitorEnabled=false --setParameter diagnosticDataCollectionEnabled=false \
    --setParameter transactionLifetimeLimitSeconds=10 --setParameter enableTestCommands=1 --journalCommitInterval 2";

/// Time within which the server must become primary.
const PRIMARY_TIMEOUT: Duration = Duration::from_secs(60);

/// A replica set of one node on a free port, in a temporary folder. It ends when this value is dropped, and when this process ends.
pub struct MongodServer {
    program: PathBuf,
    server: Server,
}

impl MongodServer {
    pub fn start(step: &mut StepContext) -> Result<Self, XtaskError> {
        let program = MONGOD.get(step)?;
        let server = Server::start(&KIND, step, |folder, port, _| {
            let mut command = Command::new(&program);
            command.args(MONGOD_ARGS.split_whitespace()).arg("--dbpath").arg(folder);
            command.arg("--port").arg(port.to_string()).arg("--logpath").arg(folder.join(KIND.log));
            Ok(command)
        })?;
        initiate(server.port).map_err(|why| server.with_log(why))?;
        let server = Self { program, server };
        step.say(format_args!("started a replica set of one node: {}", server.url()));
        Ok(server)
    }

    fn url(&self) -> String {
        format!("mongodb://127.0.0.1:{}/?directConnection=true", self.server.port)
    }

    /// Adds to a call the environment to reach the server, and to start others like it.
    pub fn environment(&self, call: ProgramCall) -> ProgramCall {
        let call = call.env("RUNSTATE_TEST_MONGODB", self.url()).env("RUNSTATE_MONGOD", &self.program);
        call.env("RUNSTATE_SERVER_DATA", &self.server.folder)
    }
}

/// Initiates a replica set of the one node, and waits until it is writable.
fn initiate(port: u16) -> Result<(), XtaskError> {
    let until = Instant::now() + PRIMARY_TIMEOUT;
    let host = format!("127.0.0.1:{port}");
    let member = document(&[element(INT, "_id", &0_i32.to_le_bytes()), element(TEXT, "host", &text(&host))]);
    let settings = [("electionTimeoutMillis", 2000_i32), ("heartbeatIntervalMillis", 500)];
    let settings = document(&settings.map(|(name, number)| element(INT, name, &number.to_le_bytes())));
    let set = document(&[
        element(TEXT, "_id", &text("rs0")),
        element(LIST, "members", &document(&[element(DOCUMENT, "0", &member)])),
        element(DOCUMENT, "settings", &settings),
    ]);
    let database = || element(TEXT, "$db", &text("admin"));
    let initiation = document(&[element(DOCUMENT, "replSetInitiate", &set), database()]);
    let hello = document(&[element(INT, "hello", &1_i32.to_le_bytes()), database()]);
    let writable = element(BOOLEAN, "isWritablePrimary", &[1]);
    loop {
        // A repeated initiation fails and changes nothing.
        let reply = run_command(port, &initiation).and_then(|_| run_command(port, &hello));
        if reply.as_ref().is_ok_and(|reply| reply.windows(writable.len()).any(|part| part == writable)) {
            return Ok(());
        }
        if Instant::now() > until {
            let why = reply.err().map_or("it is not writable".to_owned(), |error| error.to_string());
            return Err(XtaskError::rule(format!("mongod on port {port} did not become primary: {why}")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

// BSON (bsonspec.org): a document has its length in bytes, its elements and a zero. An element has its kind, its name with a zero, and its value.
const TEXT: u8 = 2;
const DOCUMENT: u8 = 3;
const LIST: u8 = 4;
const BOOLEAN: u8 = 8;
const INT: u8 = 16;

fn document(elements: &[Vec<u8>]) -> Vec<u8> {
    let body = elements.concat();
    [&length(body.len() + 5), body.as_slice(), &[0]].concat()
}

fn element(kind: u8, name: &str, value: &[u8]) -> Vec<u8> {
    [&[kind], name.as_bytes(), &[0], value].concat()
}

/// A text has its length, with the zero that ends it.
fn text(text: &str) -> Vec<u8> {
    [&length(text.len() + 1), text.as_bytes(), &[0]].concat()
}

fn length(bytes: usize) -> [u8; 4] {
    (bytes as u32).to_le_bytes()
}

const OP_MSG: u32 = 2013;

/// The bytes of a message before its document.
const HEAD_BYTES: usize = 16 + 4 + 1;

/// Runs a command, and returns the bytes of the reply after its length. A message has a header (length, request id, response-to id, opcode), flags,
/// and one section of kind 0.
fn run_command(port: u16, command: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let head = [(HEAD_BYTES + command.len()) as u32, 1, 0, OP_MSG, 0].map(u32::to_le_bytes).concat();
    stream.write_all(&[head.as_slice(), &[0], command].concat())?;
    let mut size = [0; 4];
    stream.read_exact(&mut size)?;
    let mut reply = vec![0; (u32::from_le_bytes(size) as usize).saturating_sub(size.len())];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}
