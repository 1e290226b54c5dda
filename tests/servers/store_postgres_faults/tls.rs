//! A server with TLS, whose certificate is verified whenever TLS is used.

use std::path::Path;
use std::process::Command;

use runstate::store::postgres::{Postgres, PostgresOptions};
use runstate::store::{StoreAdmin as _, StoreError};
use tempfile::TempDir;

use super::load;
use super::server::{PostgresNode, give_to_system_user, run};

/// Certificates for one server, and of another authority.
struct Certificates(TempDir);

impl Certificates {
    fn create() -> Self {
        let folder = tempfile::Builder::new().prefix("runstate-tls-").tempdir().unwrap();
        let certificates = Self(folder);
        for authority in ["ca", "other"] {
            certificates.openssl(&[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=test",
                "-keyout",
                &format!("{authority}.key"),
                "-out",
                &format!("{authority}.pem"),
            ]);
        }
        certificates.openssl(&[
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-keyout",
            "server.key",
            "-out",
            "server.csr",
        ]);
        std::fs::write(certificates.path().join("names"), "subjectAltName = DNS:localhost\n").unwrap();
        certificates.openssl(&[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
            "-out",
            "server.pem",
        ]);
        certificates
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn openssl(&self, words: &[&str]) {
        run(Command::new("openssl").args(words).current_dir(self.path()));
    }

    /// The path of the certificate of an authority, as a URL has it.
    fn authority(&self, name: &str) -> String {
        self.path().join(name).to_string_lossy().into_owned()
    }
}

async fn open(url: &str) -> Result<Postgres, StoreError> {
    Postgres::open(url, PostgresOptions::default()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_and_name_of_the_server_are_verified() {
    let Some(mut node) = PostgresNode::start_new().await else { return };
    let name = node.create_database("tls").await;
    node.kill();
    let certificates = Certificates::create();
    for file in ["server.key", "server.pem"] {
        let target = node.data().join(file);
        std::fs::copy(certificates.path().join(file), &target).unwrap();
        run(Command::new("chmod").arg("600").arg(&target));
        give_to_system_user(&target);
    }
    for setting in ["ssl=on", "ssl_cert_file=server.pem", "ssl_key_file=server.key"] {
        node.add_setting(setting);
    }
    let rules = "hostssl all all 127.0.0.1/32 trust\n";
    node.write_access_rules(&format!("{rules}host postgres all 127.0.0.1/32 trust\n"));
    node.start().await;
    let url = |host: &str, mode: &str, authority: &str| {
        let authority = certificates.authority(authority);
        format!("postgres://runstate@{host}:{}/{name}?sslmode={mode}&sslrootcert={authority}", node.port)
    };
    let store = open(&url("localhost", "verify-full", "ca.pem")).await.unwrap();
    store.migrate(&load::catalog()).await.unwrap();
    load::count(&store, 1, 0, "all").await;
    let used = node.connect().await;
    let tls = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND datname = $1";
    assert!(used.query_one(tls, &[&name]).await.unwrap().get::<_, i64>(0) > 0);
    for (host, mode, authority) in [
        ("localhost", "require", "other.pem"),
        ("localhost", "prefer", "other.pem"),
        // The certificate has another name.
        ("127.0.0.1", "verify-full", "ca.pem"),
    ] {
        let error = open(&url(host, mode, authority)).await.err().unwrap();
        assert!(error.to_string().contains("certificate"), "{host} {mode} {authority}: {error}");
    }
    let plain = open(&url("localhost", "disable", "ca.pem")).await.err().unwrap();
    assert!(matches!(plain, StoreError::NotAuthorized { .. }), "{plain}");
}
