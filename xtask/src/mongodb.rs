//! A temporary MongoDB server for each run of the tests. A driver is not used, because every developer command would
//! wait for its build: a replica set is initiated by two commands.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io};

use bson::{Document, doc};

use super::report::StepContext;
use super::tools::MONGOD;
use crate::error::XtaskError;
use crate::process::ProgramCall;

/// Ends the server when this process ends for any reason.
const KEEPER_SCRIPT: &str = include_str!("../../tests/store_mongodb_faults/keeper.sh");

/// Documents do not expire while a test reads them. The transaction of a killed client ends after ten seconds. The cache holds the largest
/// transaction of a test and those of concurrent tests. Failpoints are enabled.
const MONGOD_ARGS: &str = "--bind_ip 127.0.0.1 --nounixsocket --replSet rs0 --wiredTigerCacheSizeGB 0.5 --oplogSize 256 \
    --setParameter ttlMonitorEnabled=false --setParameter diagnosticDataCollectionEnabled=false \
    --setParameter transactionLifetimeLimitSeconds=10 --setParameter enableTestCommands=1";

/// Time within which a started server must accept connections and become primary.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Number of ports to try: another program may take a free port before the server starts.
const ATTEMPTS: u32 = 5;

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> XtaskError + use<> {
    let path = path.display().to_string();
    move |source| XtaskError::File { path, source }
}

/// A replica set of one node on a free port, in a temporary folder.
pub struct MongodServer {
    program: PathBuf,
    url: String,
    keeper: Child,
}

impl MongodServer {
    /// Starts a server. It ends when this value is dropped, and when this process ends.
    pub fn start(step: &mut StepContext) -> Result<Self, XtaskError> {
        let program = MONGOD.get(step)?;
        for _ in 0..ATTEMPTS {
            match Self::start_on(free_port()?, &program, step)? {
                Some(server) => return Ok(server),
                None => step.say("another program took the port of mongod; trying another port"),
            }
        }
        Err(XtaskError::RuleViolated(vec![format!(
            "mongod cannot start: other programs took {ATTEMPTS} free ports in turn; run again"
        )]))
    }

    /// Starts a server on `port`; `None` if the port is already in use.
    fn start_on(port: u16, program: &Path, step: &mut StepContext) -> Result<Option<Self>, XtaskError> {
        let folder = create_temporary_folder()?;
        let mut keeper = Command::new("sh");
        keeper.arg("-c").arg(KEEPER_SCRIPT).arg("keep").arg(&folder).arg(program).args(MONGOD_ARGS.split_whitespace());
        keeper
            .arg("--dbpath")
            .arg(&folder)
            .arg("--port")
            .arg(port.to_string())
            .arg("--logpath")
            .arg(folder.join("log"));
        let keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let keeper = keeper.map_err(|source| XtaskError::Start { call: "mongod".into(), source })?;
        let url = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
        // From here, an error drops the server and so ends it.
        let server = Self { program: program.to_owned(), url, keeper };
        let until = Instant::now() + START_TIMEOUT;
        if !wait_until_listening(&folder, until)? {
            return Ok(None);
        }
        initiate(port, until).map_err(|why| with_log(why, &folder))?;
        step.say(format_args!("started a replica set of one node: {}", server.url));
        Ok(Some(server))
    }

    /// Adds to a call the environment to reach the server, and to start others like it.
    pub fn environment(&self, call: ProgramCall) -> ProgramCall {
        call.env("RUNSTATE_TEST_MONGODB", &self.url).env("RUNSTATE_MONGOD", &self.program)
    }
}

impl Drop for MongodServer {
    fn drop(&mut self) {
        // Closes the keeper's stdin, so that it ends the server.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Waits until the server listens on its port; false if the port is in use. It reads the server's log, because another program may listen on
/// the port.
fn wait_until_listening(folder: &Path, until: Instant) -> Result<bool, XtaskError> {
    loop {
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        if log.contains("Waiting for connections") {
            return Ok(true);
        }
        if log.contains("Address already in use") {
            return Ok(false);
        }
        if Instant::now() > until {
            return Err(with_log(XtaskError::RuleViolated(vec!["mongod did not start".into()]), folder));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Initiates a replica set of the one node, and waits until it is writable.
fn initiate(port: u16, until: Instant) -> Result<(), XtaskError> {
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

/// Appends the last lines of the server's log.
fn with_log(error: XtaskError, folder: &Path) -> XtaskError {
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let last = lines.iter().skip(lines.len().saturating_sub(5));
    XtaskError::RuleViolated(std::iter::once(error.to_string()).chain(last.map(|line| (*line).to_owned())).collect())
}

fn create_temporary_folder() -> Result<PathBuf, XtaskError> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let folder = std::env::temp_dir().join(format!("runstate-mongod-{}-{now}", std::process::id()));
    fs::create_dir(&folder).map_err(failed(&folder))?;
    Ok(folder)
}

fn free_port() -> Result<u16, XtaskError> {
    let bound = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    Ok(bound.map_err(|source| XtaskError::File { path: "a free port".into(), source })?.port())
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
