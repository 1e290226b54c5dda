//! A server that a test starts itself, with the programs in the folder that RUNSTATE_PGBIN names. It ends with the
//! test, even if it is killed.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio_postgres::NoTls;

use super::wait::{data_folder, free_port, fresh_database, wait_until};

const KEEPER: &str = include_str!("../support/keeper.sh");

/// The server refuses to run as root, so root starts it as this user.
const SYSTEM_USER: [&str; 4] = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];

/// A server. It has the same port and data each time it runs.
pub struct PostgresNode {
    pub port: u16,
    programs: PathBuf,
    folder: TempDir,
    /// Settings of the server: `name=value`.
    settings: Vec<String>,
    /// The process that ends the server when the test has ended.
    keeper: Option<Child>,
}

impl PostgresNode {
    /// Starts a server. None, after a printed note, if there is no program of the server.
    pub async fn start_new() -> Option<Self> {
        let mut node = Self::prepare_new()?;
        let mut initdb = node.call("initdb");
        initdb.args([
            "--auth=trust",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "--username",
            "runstate",
            "--pgdata",
        ]);
        run(initdb.arg(node.data()));
        node.start().await;
        Some(node)
    }

    /// Starts a standby of this server, and lets commits of this server wait for it.
    pub async fn start_standby(&self) -> Self {
        let mut standby = Self::prepare_new().unwrap();
        let mut backup = standby.call("pg_basebackup");
        backup.args(["--host=127.0.0.1", "--username=runstate", "--write-recovery-conf", "--checkpoint=fast"]);
        run(backup.args(["--no-sync", "--port", &self.port.to_string(), "--pgdata"]).arg(standby.data()));
        standby.start().await;
        self.set("synchronous_standby_names", "*").await;
        self.wait_for_standby().await;
        standby
    }

    /// Waits until commits of this server wait for a standby that is there.
    pub async fn wait_for_standby(&self) {
        wait_until("the standby is synchronous", async || {
            let state = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'";
            self.connect().await.query_opt(state, &[]).await.unwrap().map(drop)
        })
        .await;
    }

    /// From now on this standby does not apply what it receives.
    pub async fn pause_replay(&self) {
        self.connect().await.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
        wait_until("the replay is paused", async || {
            let state = "SELECT 1 FROM pg_get_wal_replay_pause_state() AS state WHERE state = 'paused'";
            self.connect().await.query_opt(state, &[]).await.unwrap().map(drop)
        })
        .await;
    }

    /// Makes this standby the primary. Its commits wait for no standby.
    pub async fn promote(&self) {
        let promoted = self.connect().await.query_one("SELECT pg_promote(true, 60)", &[]).await.unwrap();
        assert!(promoted.get::<_, bool>(0));
        self.set("synchronous_standby_names", "").await;
    }

    /// Changes a setting.
    pub async fn set(&self, name: &str, value: &str) {
        let client = self.connect().await;
        client.batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'")).await.unwrap();
        client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    }

    /// A connection as an operator has it.
    pub async fn connect(&self) -> tokio_postgres::Client {
        self.connect_to("postgres").await
    }

    /// A connection to a database, as an operator has it.
    pub async fn connect_to(&self, database: &str) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Lets the server issue that many ids of transactions.
    pub async fn use_transaction_ids(&self, count: u32) {
        let each = "BEGIN INSERT INTO used VALUES (1); EXCEPTION WHEN OTHERS THEN RAISE; END;";
        let script =
            format!("CREATE TEMP TABLE used (n int); DO $$ BEGIN FOR i IN 1..{count} LOOP {each} END LOOP; END $$");
        self.connect().await.batch_execute(&script).await.unwrap();
    }

    /// Restores a dump of a database of this server on another one.
    pub async fn restore_dump_on(&self, other: &Self, database: &str) {
        let create = format!("CREATE DATABASE {database} TEMPLATE template0");
        other.connect().await.batch_execute(&create).await.unwrap();
        let dump = self.folder.path().join("dump.sql");
        let connect =
            |port: u16| ["--host=127.0.0.1".to_owned(), "--username=runstate".to_owned(), format!("--port={port}")];
        run(self.call("pg_dump").args(connect(self.port)).arg("--file").arg(&dump).arg(database));
        let mut psql = other.call("psql");
        psql.args(connect(other.port)).args(["--quiet", "--set=ON_ERROR_STOP=1", "--dbname", database]);
        run(psql.arg("--file").arg(&dump));
    }

    fn prepare_new() -> Option<Self> {
        let Some(programs) = std::env::var_os("RUNSTATE_PGBIN").map(PathBuf::from) else {
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            println!("skipped: {test}: RUNSTATE_PGBIN names no programs of a server; `cargo xtask test` does");
            return None;
        };
        let folder = data_folder("postgres");
        give_to_system_user(folder.path());
        Some(Self { port: free_port(), programs, folder, settings: Vec::new(), keeper: None })
    }

    /// The folder of the server's data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Adds a setting, which holds from the next start on.
    pub fn add_setting(&mut self, setting: impl Into<String>) {
        self.settings.push(setting.into());
    }

    /// A call of a program of the server.
    fn call(&self, name: &str) -> Command {
        let mut call = Command::new("env");
        call.args(as_system_user(&self.programs.join(name))).current_dir("/").stdin(Stdio::null());
        call
    }

    /// Starts the server, which is not running, and waits until it accepts connections.
    pub async fn start(&mut self) {
        let mut words = as_system_user(&self.programs.join("postgres"));
        words.extend(["-D".to_owned(), self.data().to_string_lossy().into_owned()]);
        words.extend(["-k".to_owned(), self.folder.path().to_string_lossy().into_owned()]);
        words.extend(["-h", "127.0.0.1", "-p"].map(str::to_owned));
        words.push(self.port.to_string());
        let settings = ["max_connections=100", "deadlock_timeout=100ms"].map(str::to_owned);
        for setting in settings.iter().chain(&self.settings) {
            words.extend(["-c".to_owned(), setting.clone()]);
        }
        // An immediate shutdown is a crash of all processes, and leaves no shared memory behind.
        self.keeper = Some(start_kept("QUIT", &words));
        wait_until("the server accepts connections", async || {
            tokio_postgres::connect(&self.url("postgres"), NoTls).await.ok().map(drop)
        })
        .await;
    }

    /// From its next reload on, the server asks this user for a password.
    pub fn require_password_of(&self, user: &str) {
        self.write_access_rules(&format!(
            "host all {user} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
        ));
    }

    /// Writes the rules of access, which hold from the next reload or start on.
    pub fn write_access_rules(&self, rules: &str) {
        std::fs::write(self.data().join("pg_hba.conf"), rules).unwrap();
    }

    /// Ends the server as a crash does, and waits until it has ended.
    pub fn kill(&mut self) {
        end_kept(&mut self.keeper);
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        self.url_via(self.port, database)
    }

    /// The URL of a database, by the port of a proxy.
    pub fn url_via(&self, port: u16, database: &str) -> String {
        format!("postgres://runstate@127.0.0.1:{port}/{database}")
    }

    /// Creates a database, and returns its name.
    pub async fn create_database(&self, test: &str) -> String {
        let name = fresh_database(test);
        let create = format!("CREATE DATABASE {name} TEMPLATE template0");
        self.connect().await.batch_execute(&create).await.unwrap();
        name
    }
}

impl Drop for PostgresNode {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a program that the signal ends when this process has ended.
pub fn start_kept(signal: &str, words: &[String]) -> Child {
    let mut command = Command::new("sh");
    command.env("KEEPER_SIGNAL", signal).arg("-c").arg(KEEPER).arg("keep").arg("-").args(words);
    let mut child = command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut process = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut process).unwrap();
    child
}

/// Ends such a program, and waits until it has ended.
pub fn end_kept(kept: &mut Option<Child>) {
    if let Some(mut keeper) = kept.take() {
        // The keeper's stdin closes, and it ends the program.
        drop(keeper.stdin.take());
        keeper.wait().unwrap();
    }
}

/// The words that start a program as a user who is not root.
pub fn as_system_user(program: &Path) -> Vec<String> {
    let user = SYSTEM_USER.iter().filter(|_| is_root()).map(|word| (*word).to_owned());
    user.chain([program.to_string_lossy().into_owned()]).collect()
}

/// Gives a file to the user who runs the servers.
pub fn give_to_system_user(path: &Path) {
    if is_root() {
        run(Command::new("chown").arg("nobody").arg(path));
    }
}

/// Runs a program, which succeeds.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}
