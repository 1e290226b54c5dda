//! A temporary server for each run of the tests: on a free port, in a temporary folder, ended with this process for any reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::report::{StepContext, last_lines};
use crate::error::XtaskError;
use crate::mongodb::MongodServer;
use crate::postgres::PostgresServer;
use crate::process::ProgramCall;
use crate::test_results::Skip;

/// Ends the server when this process ends for any reason.
const KEEPER_SCRIPT: &str = include_str!("../../tests/servers/support/keeper.sh");

/// Time within which a started server must be ready.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Number of ports to try: another program may take a free port before the server starts.
const ATTEMPTS: u32 = 5;

/// How a kind of server is started.
pub struct ServerKind {
    /// Its name, in messages and in the name of its folder.
    pub name: &'static str,
    /// The signal that ends it without a wait.
    pub signal: &'static str,
    /// The file in its folder with its log.
    pub log: &'static str,
    /// The text in the log when it accepts connections.
    pub ready: &'static str,
}

pub struct Server {
    pub port: u16,
    kind: &'static ServerKind,
    /// Removed when the server ends.
    pub folder: PathBuf,
    keeper: Child,
}

impl Server {
    /// Starts a server. `prepare` makes its data in a new folder, and returns the command for that folder and a port.
    pub fn start(
        kind: &'static ServerKind,
        step: &mut StepContext,
        prepare: impl Fn(&Path, u16, &mut StepContext) -> Result<Command, XtaskError>,
    ) -> Result<Self, XtaskError> {
        for _ in 0..ATTEMPTS {
            let (folder, port) = (create_temporary_folder(kind.name)?, free_port()?);
            let command = prepare(&folder, port, step)?;
            if let Some(server) = Self::start_on(kind, port, folder, &command)? {
                return Ok(server);
            }
            step.say(format_args!("another program took the port of {}; trying another port", kind.name));
        }
        Err(XtaskError::rule(format!(
            "{} cannot start: other programs took {ATTEMPTS} free ports in turn; run again",
            kind.name
        )))
    }

    /// Starts a server on `port`; `None` if the port is already in use.
    fn start_on(
        kind: &'static ServerKind,
        port: u16,
        folder: PathBuf,
        command: &Command,
    ) -> Result<Option<Self>, XtaskError> {
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER_SCRIPT, "keep"]).env("KEEPER_SIGNAL", kind.signal).arg(&folder);
        keeper.arg(command.get_program()).args(command.get_args()).stdin(Stdio::piped()).stdout(Stdio::null());
        let keeper = keeper.spawn().map_err(|source| XtaskError::Start { call: kind.name.into(), source })?;
        // From here, an error drops the server and so ends it.
        let server = Self { port, kind, folder, keeper };
        // Another program may listen on the port, so the log is read.
        let until = Instant::now() + START_TIMEOUT;
        loop {
            let log = server.log();
            if log.contains(kind.ready) {
                return Ok(Some(server));
            }
            if log.contains("Address already in use") {
                return Ok(None);
            }
            if Instant::now() > until {
                return Err(server.with_log(XtaskError::rule(format!("{} did not start", kind.name))));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join(self.kind.log)).unwrap_or_default()
    }

    /// Appends the last lines of the server's log.
    pub fn with_log(&self, error: XtaskError) -> XtaskError {
        XtaskError::rule(format!("{error}\n{}", last_lines(self.log().as_bytes(), 5)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Closes the keeper's stdin, so that it ends the server.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn create_temporary_folder(name: &str) -> Result<PathBuf, XtaskError> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let folder = data_folder().join(format!("runstate-{name}-{}-{now}", std::process::id()));
    fs::create_dir(&folder).map_err(XtaskError::file(&folder))?;
    Ok(folder)
}

/// The folder of all servers' data: in memory if 8 GiB are free there, because servers wait for the disk at each
/// commit. A killed server loses nothing there either.
fn data_folder() -> PathBuf {
    let free = ProgramCall::new("df").words("--output=avail --block-size=1G /dev/shm").output().unwrap_or_default();
    let free = free.split_whitespace().last().and_then(|gib| gib.parse().ok()).unwrap_or(0);
    if free >= 8 { "/dev/shm".into() } else { std::env::temp_dir() }
}

fn free_port() -> Result<u16, XtaskError> {
    let bound = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    Ok(bound.map_err(XtaskError::file(Path::new("a free port")))?.port())
}

#[derive(Default)]
pub struct TestServers {
    mongodb: Option<MongodServer>,
    postgres: Option<PostgresServer>,
}

impl TestServers {
    /// Starts all. Tests on a server that cannot be started are skipped.
    pub fn start(step: &mut StepContext) -> Self {
        let (mongodb, postgres) = (MongodServer::start(step), PostgresServer::start(step));
        for (server, error) in [("MongoDB", mongodb.as_ref().err()), ("PostgreSQL", postgres.as_ref().err())] {
            error
                .into_iter()
                .for_each(|why| step.skips.push(Skip { what: format!("tests on {server}"), why: why.to_string() }));
        }
        Self { mongodb: mongodb.ok(), postgres: postgres.ok() }
    }

    /// Starts the one that a bench or a test needs, if its name has that of a server.
    pub fn start_for(name: &str, step: &mut StepContext) -> Result<Self, XtaskError> {
        let mongodb = name.contains("mongo").then(|| MongodServer::start(step)).transpose()?;
        let postgres = name.contains("postgres").then(|| PostgresServer::start(step)).transpose()?;
        Ok(Self { mongodb, postgres })
    }

    /// Adds to a call the environment to reach the servers, and to start others like them.
    pub fn environment(&self, call: ProgramCall) -> ProgramCall {
        let call = self.mongodb.iter().fold(call, |call, server| server.environment(call));
        self.postgres.iter().fold(call, |call, server| server.environment(call))
    }
}
