//! A server of the protocol of S3, in this process, on files. Tests of the library and of the command line share it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder as ConnectionBuilder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub const KEY: &str = "key";
pub const SECRET: &str = "secret";

/// All files below a directory.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// A server on a free port, with the bucket `bytes` in a directory.
pub struct S3Server {
    pub directory: TempDir,
    pub endpoint: String,
}

impl S3Server {
    pub fn start(runtime: &Runtime) -> Self {
        let directory = TempDir::new().unwrap();
        std::fs::create_dir(directory.path().join("bytes")).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(directory.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = ConnectionBuilder::new(TokioExecutor::new());
                    // A client may go away at any time.
                    _ = server.serve_connection(TokioIo::new(connection), service).await;
                });
            }
        });
        Self { directory, endpoint }
    }

    /// The files of the bucket that are not those of the server itself.
    pub fn objects(&self) -> BTreeSet<PathBuf> {
        files(&self.directory.path().join("bytes")).into_iter().collect()
    }

    /// The parts of uploads that were neither completed nor aborted.
    pub fn parts(&self) -> usize {
        let is_part = |path: &PathBuf| path.to_string_lossy().contains(".upload_id-");
        files(self.directory.path()).iter().filter(|path| is_part(path)).count()
    }
}
