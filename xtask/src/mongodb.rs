//! A MongoDB server of its own for each run of the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::error::Error;
use crate::process::Call;
use crate::step::Step;
use crate::wheel::MONGOD;
use crate::wire;

/// Ends the server when we are gone, however that comes about.
const KEEPER: &str = include_str!("../../tests/store_mongodb_faults/keep.sh");

/// Documents do not expire while a test reads them. The transaction of a killed client ends after ten seconds. The cache holds the largest
/// transaction of a test beside those of other tests. Failpoints are enabled.
const WORDS: &str = "--bind_ip 127.0.0.1 --nounixsocket --replSet rs0 --wiredTigerCacheSizeGB 0.5 --oplogSize 256 \
    --setParameter ttlMonitorEnabled=false --setParameter diagnosticDataCollectionEnabled=false \
    --setParameter transactionLifetimeLimitSeconds=10 --setParameter enableTestCommands=1";

/// Until a server that was started must answer, and be what it is made to be.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many ports are tried: another program may take one between the question which is free and the start of the server.
const ATTEMPTS: u32 = 5;

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let path = path.display().to_string();
    move |source| Error::File { path, source }
}

/// A replica set of one node on a free port, in a temporary folder.
pub struct Server {
    program: PathBuf,
    url: String,
    keeper: Child,
}

impl Server {
    /// Starts one; it ends when this is dropped, and when this process ends.
    pub fn start(step: &mut Step) -> Result<Self, Error> {
        let program = MONGOD.get(step)?;
        for _ in 0..ATTEMPTS {
            match Self::start_on(free_port()?, &program, step)? {
                Some(server) => return Ok(server),
                None => step.say("its port was taken meanwhile by another program"),
            }
        }
        Err(Error::Broken(vec![format!(
            "mongod: {ATTEMPTS} free ports were taken by other programs before it could use them"
        )]))
    }

    /// None: the port is in use by now.
    fn start_on(port: u16, program: &Path, step: &mut Step) -> Result<Option<Self>, Error> {
        let folder = temporary()?;
        let mut keeper = Command::new("sh");
        keeper.arg("-c").arg(KEEPER).arg("keep").arg(&folder).arg(program).args(WORDS.split_whitespace());
        keeper
            .arg("--dbpath")
            .arg(&folder)
            .arg("--port")
            .arg(port.to_string())
            .arg("--logpath")
            .arg(folder.join("log"));
        let keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let keeper = keeper.map_err(|source| Error::Start { call: "mongod".into(), source })?;
        let url = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
        // From here on whatever fails ends the server with it.
        let server = Self { program: program.to_owned(), url, keeper };
        let until = Instant::now() + PATIENCE;
        if !listens(&folder, until)? {
            return Ok(None);
        }
        initiate(port, until).map_err(|why| with_log(why, &folder))?;
        step.say(format_args!("a replica set of one node: {}", server.url));
        Ok(Some(server))
    }

    /// A call with what it needs to reach the server, and to start others like it.
    pub fn environment(&self, call: Call) -> Call {
        call.env("RUNSTATE_TEST_MONGODB", &self.url).env("RUNSTATE_MONGOD", &self.program)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The keeper's stdin closes, and it ends the server.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Whether it listens on its port; false where the port is in use. Its log is asked, not the port: somebody else might answer there.
fn listens(folder: &Path, until: Instant) -> Result<bool, Error> {
    loop {
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        if log.contains("Waiting for connections") {
            return Ok(true);
        }
        if log.contains("Address already in use") {
            return Ok(false);
        }
        if Instant::now() > until {
            return Err(with_log(Error::Broken(vec!["mongod does not start".into()]), folder));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Makes a set of the one node, and waits until it takes writes.
fn initiate(port: u16, until: Instant) -> Result<(), Error> {
    let config = json!({
        "_id": "rs0",
        "members": [{"_id": 0, "host": format!("127.0.0.1:{port}")}],
        "settings": {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500},
    });
    loop {
        // A repeated initiation is refused and changes nothing.
        let initiated = wire::command(port, "replSetInitiate", &config);
        let hello = initiated.and_then(|_| wire::command(port, "hello", &Value::from(1)));
        if hello.as_ref().is_ok_and(|reply| wire::says_yes(reply, "isWritablePrimary")) {
            return Ok(());
        }
        if Instant::now() > until {
            let why = hello.err().map_or("it takes no writes".to_owned(), |error| error.to_string());
            return Err(Error::Broken(vec![format!("mongod on port {port}: {why}")]));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the server itself said last.
fn with_log(error: Error, folder: &Path) -> Error {
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let last = lines.iter().skip(lines.len().saturating_sub(5));
    Error::Broken(std::iter::once(error.to_string()).chain(last.map(|line| (*line).to_owned())).collect())
}

fn temporary() -> Result<PathBuf, Error> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let folder = std::env::temp_dir().join(format!("runstate-mongod-{}-{now}", std::process::id()));
    fs::create_dir(&folder).map_err(failed(&folder))?;
    Ok(folder)
}

fn free_port() -> Result<u16, Error> {
    let bound = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    Ok(bound.map_err(|source| Error::File { path: "a free port".into(), source })?.port())
}
