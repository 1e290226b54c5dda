//! Servers that a test starts itself, with the program that RUNSTATE_MONGOD names: replica sets with and without users,
//! and a standalone server. They end with the test, even if it is killed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use mongodb::Client;
use mongodb::bson::{Document, doc};
use tempfile::TempDir;

use super::wait::{data_folder, free_port, wait_until};

/// The TTL monitor deletes nothing during a test, transactions of killed clients end soon, and servers keep little in
/// memory. Readers may not write, so that each of their linearizable reads waits for the next write of the journal.
const SERVER_ARGUMENTS: &str = "--bind_ip 127.0.0.1 --nounixsocket --wiredTigerCacheSizeGB 0.25 \
    --setParameter ttlMonitorEnabled=false --setParameter ttlMonitorSleepSecs=1 --setParameter diagnosticDataCollectionEnabled=false \
    --setParameter transactionLifetimeLimitSeconds=3 --journalCommitInterval 2";

const SET_ARGUMENTS: [&str; 4] = ["--replSet", "rs0", "--oplogSize", "128"];

const KEEPER: &str = include_str!("../support/keeper.sh");

/// The user with all privileges, on servers with access control.
const ROOT: &str = "root:root-secret@";

/// The server's program. If there is none, prints that the test is skipped.
fn program() -> Option<PathBuf> {
    let program = std::env::var_os("RUNSTATE_MONGOD").map(PathBuf::from);
    if program.is_none() {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        println!("skipped: {test}: RUNSTATE_MONGOD names no server; `cargo xtask test` does");
    }
    program
}

/// One or several servers.
pub struct Servers {
    nodes: Vec<ServerNode>,
    program: PathBuf,
    arguments: Vec<String>,
    /// `user:password@` of the user with all privileges.
    root: &'static str,
    folder: TempDir,
}

/// One server. It has the same port and data each time it runs.
struct ServerNode {
    port: u16,
    data: PathBuf,
    /// A client of this server alone, created when the server listens.
    client: Option<Client>,
    keeper: Option<Keeper>,
}

/// The process that ends the server when the test has ended.
struct Keeper {
    child: Child,
    /// The server's process id.
    process: String,
}

/// Each constructor returns `None`, after a printed note, if there is no program of the server.
impl Servers {
    /// A replica set of `size` nodes. The first is the primary whenever it can be.
    pub async fn replica_set(size: usize) -> Option<Self> {
        let servers = Self::start_nodes(size, &SET_ARGUMENTS).await?;
        servers.initiate().await;
        Some(servers)
    }

    /// A set of one node that keeps its oplog as short as possible.
    pub async fn with_short_oplog() -> Option<Self> {
        let servers = Self::start_nodes(1, &["--replSet", "rs0", "--oplogSize", "1", "--syncdelay", "1"]).await?;
        servers.initiate().await;
        Some(servers)
    }

    /// A set of one node with access control: `root` has all privileges, and [`Servers::create_user`] adds users.
    pub async fn with_access_control() -> Option<Self> {
        let mut servers = Self::start_nodes(0, &[&SET_ARGUMENTS[..], &["--keyFile"]].concat()).await?;
        let key = servers.folder.path().join("key");
        fs::write(&key, "bm8gc2VjcmV0IGF0IGFsbA==").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        servers.arguments.push(key.to_string_lossy().into_owned());
        servers.add_node().await;
        servers.initiate().await;
        let root = doc! { "createUser": "root", "pwd": "root-secret", "roles": ["root"] };
        servers.command(0, "admin", root).await.unwrap();
        servers.root = ROOT;
        servers.nodes[0].client = Some(client(&servers.direct_url(0, "")).await);
        Some(servers)
    }

    /// A set of one node with failpoints.
    pub async fn with_failpoints() -> Option<Self> {
        let servers = Self::start_nodes(1, &["--replSet", "rs0", "--setParameter", "enableTestCommands=1"]).await?;
        servers.initiate().await;
        Some(servers)
    }

    /// A server that is not a member of a replica set.
    pub async fn standalone() -> Option<Self> {
        Self::start_nodes(1, &[]).await
    }

    async fn start_nodes(size: usize, arguments: &[&str]) -> Option<Self> {
        let program = program()?;
        let arguments =
            SERVER_ARGUMENTS.split_whitespace().chain(arguments.iter().copied()).map(str::to_owned).collect();
        let folder = data_folder("mongod");
        let mut servers = Self { nodes: Vec::new(), program, arguments, root: "", folder };
        for _ in 0..size {
            servers.add_node().await;
        }
        Some(servers)
    }

    async fn add_node(&mut self) {
        let data = self.folder.path().join(self.nodes.len().to_string());
        fs::create_dir(&data).unwrap();
        let port = free_port();
        self.nodes.push(ServerNode { port, data, client: None, keeper: None });
        let node = self.nodes.len() - 1;
        self.start(node);
        wait_until("the server listens", async || self.try_connect(node).await).await;
        self.nodes[node].client = Some(client(&self.direct_url(node, "")).await);
    }

    async fn initiate(&self) {
        let member = |(n, node): (usize, &ServerNode)| {
            doc! { "_id": n as i32, "host": format!("127.0.0.1:{}", node.port), "priority": if n == 0 { 2 } else { 1 } }
        };
        let members: Vec<Document> = self.nodes.iter().enumerate().map(member).collect();
        let settings = doc! { "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500 };
        let config = doc! { "_id": "rs0", "members": members, "settings": settings };
        for node in 0..self.nodes.len() {
            wait_until("the server replies", async || self.hello(node).await).await;
        }
        self.command(0, "admin", doc! { "replSetInitiate": config }).await.unwrap();
        self.primary().await;
        for node in 0..self.nodes.len() {
            self.wait_until_caught_up(node).await;
        }
    }

    /// Starts a node that is not running.
    pub fn start(&mut self, node: usize) {
        let ServerNode { port, data, keeper, .. } = &mut self.nodes[node];
        let mut command = Command::new("sh");
        command.arg("-c").arg(KEEPER).arg("keep").arg("-").arg(&self.program).args(&self.arguments);
        command.arg("--dbpath").arg(&*data).arg("--port").arg(port.to_string());
        command.arg("--logappend").arg("--logpath").arg(data.join("log"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut process = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut process).unwrap();
        *keeper = Some(Keeper { child, process: process.trim().to_owned() });
    }

    /// Pauses a node: it keeps running but does not reply.
    pub fn pause(&self, node: usize) {
        self.nodes[node].signal("-STOP");
    }

    /// Resumes a paused node.
    pub fn resume(&self, node: usize) {
        self.nodes[node].signal("-CONT");
    }

    /// Kills a node with -9, and waits until it has ended.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// The node that accepts writes. Waits until there is one.
    pub async fn primary(&self) -> usize {
        self.primary_of(|_| true).await
    }

    /// Waits until a node other than `excluded` accepts writes.
    pub async fn primary_other_than(&self, excluded: usize) -> usize {
        self.primary_of(|node| node != excluded).await
    }

    async fn primary_of(&self, is_candidate: impl Fn(usize) -> bool) -> usize {
        let is_running = |node: &usize| self.nodes[*node].keeper.is_some() && is_candidate(*node);
        let find_primary = async || {
            for node in (0..self.nodes.len()).filter(is_running) {
                let hello = self.hello(node).await;
                if hello.is_some_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or_default()) {
                    return Some(node);
                }
            }
            None
        };
        wait_until("one node is primary", find_primary).await
    }

    /// Waits until no transaction is open on a node.
    pub async fn wait_until_no_transaction(&self, node: usize) {
        let no_transaction = async || {
            let status = self.command(node, "admin", doc! { "serverStatus": 1 }).await.ok()?;
            (status.get_document("transactions").ok()?.get_i64("currentOpen").ok()? == 0).then_some(())
        };
        wait_until("no transaction is open", no_transaction).await;
    }

    /// Waits until a node is the primary or a secondary of the set.
    pub async fn wait_until_caught_up(&self, node: usize) {
        let is_member = |hello: &Document| {
            ["secondary", "isWritablePrimary"].iter().any(|role| hello.get_bool(role).unwrap_or_default())
        };
        wait_until("the node has caught up", async || self.hello(node).await.filter(is_member)).await;
    }

    /// Makes the primary step down.
    pub async fn step_down(&self) {
        let primary = self.primary().await;
        // It closes connections while it answers, so the reply does not matter: the next primary shows whether it
        // stepped down.
        let _ = self.command(primary, "admin", doc! { "replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 2 }).await;
    }

    /// Connects without the driver, which waits half a second after a refused connection before it tries again.
    async fn try_connect(&self, node: usize) -> Option<()> {
        tokio::net::TcpStream::connect(("127.0.0.1", self.nodes[node].port)).await.ok().map(drop)
    }

    async fn hello(&self, node: usize) -> Option<Document> {
        self.try_connect(node).await?;
        self.command(node, "admin", doc! { "hello": 1 }).await.ok()
    }

    /// Adds a user of the database `admin`.
    pub async fn create_user(&self, user: &str, password: &str, roles: Document) {
        let roles = roles.get_array("roles").unwrap().clone();
        self.command(0, "admin", doc! { "createUser": user, "pwd": password, "roles": roles }).await.unwrap();
    }

    pub async fn command(&self, node: usize, database: &str, command: Document) -> mongodb::error::Result<Document> {
        self.client(node).database(database).run_command(command).await
    }

    /// A client of a node alone, which may do everything.
    pub fn client(&self, node: usize) -> Client {
        self.nodes[node].client.clone().unwrap()
    }

    pub fn port(&self, node: usize) -> u16 {
        self.nodes[node].port
    }

    /// The URL of the whole set.
    pub fn url(&self, database: &str) -> String {
        let hosts: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("mongodb://{}{}/{database}?replicaSet=rs0{}", self.root, hosts.join(","), self.auth_source())
    }

    /// The URL of one node.
    pub fn direct_url(&self, node: usize, database: &str) -> String {
        self.direct_url_via(self.nodes[node].port, self.root, database)
    }

    /// The URL of one node, by its port or by the port of a proxy. `user` is `user:password@`, or empty.
    pub fn direct_url_via(&self, port: u16, user: &str, database: &str) -> String {
        let source = if user.is_empty() { "" } else { "&authSource=admin" };
        format!("mongodb://{user}127.0.0.1:{port}/{database}?directConnection=true{source}")
    }

    fn auth_source(&self) -> &'static str {
        if self.root.is_empty() { "" } else { "&authSource=admin" }
    }
}

impl ServerNode {
    fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            // The keeper's stdin closes, and it ends the server.
            drop(keeper.child.stdin.take());
            keeper.child.wait().unwrap();
        }
    }

    fn signal(&self, signal: &str) {
        let process = &self.keeper.as_ref().unwrap().process;
        assert!(Command::new("kill").args([signal, process]).status().unwrap().success());
    }
}

impl Drop for ServerNode {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A client that does not wait long for a server that is down.
pub async fn client(url: &str) -> Client {
    Client::with_uri_str(format!("{url}&serverSelectionTimeoutMS=1000&connectTimeoutMS=1000")).await.unwrap()
}
