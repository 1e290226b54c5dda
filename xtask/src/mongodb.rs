//! A temporary replica set of one MongoDB server. A driver is not used, because every developer command would wait for its build: a replica
//! set is initiated by two commands.

use std::io;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use bson::{Document, doc};

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
    --setParameter transactionLifetimeLimitSeconds=10 --setParameter enableTestCommands=1";

/// Time within which the server must become primary.
const PRIMARY_TIMEOUT: Duration = Duration::from_secs(60);

/// A replica set of one node on a free port, in a temporary folder. It ends when this value is dropped, and when this process ends.
pub struct MongodServer {
    program: PathBuf,
    server: Server,
}

impl MongodServer {
    /// Starts a server.
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
        call.env("RUNSTATE_TEST_MONGODB", self.url()).env("RUNSTATE_MONGOD", &self.program)
    }
}

/// Initiates a replica set of the one node, and waits until it is writable.
fn initiate(port: u16) -> Result<(), XtaskError> {
    let until = Instant::now() + PRIMARY_TIMEOUT;
    let initiation = doc! {
        "replSetInitiate": {
            "_id": "rs0",
            "members": [{"_id": 0, "host": format!("127.0.0.1:{port}")}],
            "settings": {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500},
        },
        "$db": "admin",
    };
    loop {
        // A repeated initiation fails and changes nothing.
        let initiated = run_command(port, &initiation);
        let hello = initiated.and_then(|_| run_command(port, &doc! {"hello": 1, "$db": "admin"}));
        if hello.as_ref().is_ok_and(|reply| matches!(reply.get_bool("isWritablePrimary"), Ok(true))) {
            return Ok(());
        }
        if Instant::now() > until {
            let why = hello.err().map_or("it is not writable".to_owned(), |error| error.to_string());
            return Err(XtaskError::RuleViolated(vec![format!("mongod on port {port} did not become primary: {why}")]));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

const OP_MSG: u32 = 2013;

/// The bytes of a message before its document.
const HEAD_BYTES: usize = 16 + 4 + 1;

/// Runs a command, and returns the reply. A message has a header (length, request id, response-to id, opcode), flags, and one section of kind 0.
fn run_command(port: u16, command: &Document) -> io::Result<Document> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let document = command.to_vec().map_err(io::Error::other)?;
    let length = (HEAD_BYTES + document.len()) as u32;
    let head = [length, 1, 0, OP_MSG, 0].map(u32::to_le_bytes).concat();
    stream.write_all(&[head.as_slice(), &[0], &document].concat())?;
    stream.read_exact(&mut [0; HEAD_BYTES])?;
    Document::from_reader(stream).map_err(io::Error::other)
}
