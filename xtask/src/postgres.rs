//! A temporary PostgreSQL server.

use std::path::{Path, PathBuf};

use super::report::StepContext;
use crate::error::XtaskError;
use crate::process::ProgramCall;
use crate::server::{Server, ServerKind};
use crate::tools;

/// `QUIT` is the immediate shutdown, which leaves no shared memory behind.
const KIND: ServerKind = ServerKind {
    name: "postgres",
    signal: "QUIT",
    log: "output",
    ready: "database system is ready to accept connections",
};

/// The owner of the server's databases. Its login needs no password.
const USER: &str = "runstate";

/// The server refuses to run as root, so root starts it as this user.
const SYSTEM_USER: &str = "nobody";

/// Tests run concurrently, each with its own connections.
const SETTINGS: &str =
    "-c max_connections=400 -c max_prepared_transactions=0 -c deadlock_timeout=200ms -c max_wal_size=256MB";

/// A server on a free port, in a temporary folder. It ends when this value is dropped, and when this process ends.
pub struct PostgresServer {
    programs: PathBuf,
    pooler: PathBuf,
    server: Server,
}

impl PostgresServer {
    pub fn start(step: &mut StepContext) -> Result<Self, XtaskError> {
        let (programs, pooler) = (tools::postgres(step)?, tools::pgbouncer(step)?);
        let server = Server::start(&KIND, step, |folder, port, step| {
            let data = folder.join("data");
            if tools::is_root() {
                ProgramCall::new("chown").arg(SYSTEM_USER).arg(folder).run(step)?;
            }
            let initdb = as_system_user(&programs.join("initdb"));
            let initdb = initdb.words("--auth=trust --encoding=UTF8 --no-locale --no-sync --username").arg(USER);
            initdb.arg("--pgdata").arg(&data).folder(Path::new("/")).output()?;
            let mut command = as_system_user(&programs.join("postgres")).into_command();
            command.args(SETTINGS.split_whitespace()).arg("-D").arg(&data).arg("-k").arg(folder);
            command.args(["-h", "127.0.0.1", "-p"]).arg(port.to_string());
            Ok(command)
        })?;
        let server = Self { programs, pooler, server };
        step.say(format_args!("started a PostgreSQL server: {}", server.url()));
        Ok(server)
    }

    fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.server.port)
    }

    /// Adds to a call the environment to reach the server, and to start others like it.
    pub fn environment(&self, call: ProgramCall) -> ProgramCall {
        let call = call.env("RUNSTATE_TEST_POSTGRES", self.url()).env("RUNSTATE_PGBIN", &self.programs);
        call.env("RUNSTATE_PGBOUNCER", &self.pooler)
    }
}

fn as_system_user(program: &Path) -> ProgramCall {
    if !tools::is_root() {
        return ProgramCall::new(program);
    }
    let call = ProgramCall::new("setpriv").words("--clear-groups --regid=nogroup --reuid").arg(SYSTEM_USER);
    call.arg(program)
}
