//! `work --webhooks`: a receiver on a loopback port gets a message.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::support::{CliFixture, CliOutput};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn a_worker_sends_the_messages_of_subscriptions() {
    let scene = CliFixture::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let receiver = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let begin = head.len();
            assert_ne!(reader.read_line(&mut head).unwrap(), 0);
            length = head[begin..].trim().strip_prefix("content-length: ").map_or(length, |text| text.parse().unwrap());
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        (head, String::from_utf8(body).unwrap())
    });
    let url = format!("http://{host}/hook?token=t");
    let create =
        ["apps", "subscription", "create", &url, "--id", "s", "--secret", SECRET, "--events", "apps.execution.failed"];
    assert_eq!(scene.run(&create).expect_exit(0).out, "s is created\n");
    let id = scene.run(&["apps", "subscription", "test", "s", "--json"]).expect_exit(0).json();
    // Without the flag, a private address is refused, and the delivery is a dead letter.
    let refused = scene.run(&["work", "--webhooks", "--drain"]).expect_exit(0);
    let refused =
        refused.expect_stderr(&["a dead letter now: the URL of the webhook is refused", "trusted hosts only"]);
    assert_eq!(scene.run(&["apps", "subscription", "redeliver", "s", "--json"]).expect_exit(0).json()["deliveries"], 1);
    let sent = scene.run(&["work", "--webhooks", "--webhook-trusted-host", &host, "--drain", "--json"]).expect_exit(0);
    let line = sent.values().into_iter().find(|line| line["event"] == "delivered").unwrap();
    assert_eq!((&line["delivery"], &line["subscription"]), (&id, &"s".into()));
    let (head, body) = receiver.join().unwrap();
    assert!(head.contains(&format!("webhook-id: {}\r\n", id.as_str().unwrap())), "{head}");
    assert!(body.contains("\"apps.subscription.test\""), "{body}");
    let shown = scene.run(&["apps", "subscription", "list", "--json"]).expect_exit(0);
    assert!(!format!("{}{}{}{}", shown.out, refused.err, sent.out, sent.err).contains(&SECRET[6..]));
    scene.run(&["work", "--webhooks", "--kind", "cc"]).expect_exit(2).expect_stderr(&["--kind"]);
    scene.run(&["work", "--webhook-trusted-host", "a"]).expect_exit(2);
}

#[test]
fn the_audit_log_knows_who_ran_a_command() {
    let scene = CliFixture::new();
    let create = |id: &str, flags: &[&str], set: &[(&str, &str)]| {
        let url = "https://example.com/hook";
        let args = [
            "apps",
            "subscription",
            "create",
            url,
            "--id",
            id,
            "--secret",
            SECRET,
            "--events",
            "apps.execution.failed",
        ];
        let mut command = scene.command(&[&args, flags].concat());
        command.env_remove("RUNSTATE_ACTOR").env("USER", "ada").envs(set.iter().copied());
        CliOutput::from(command.output().unwrap()).expect_exit(0);
        let rows = scene.run(&["apps", "audit", "list", "--json"]).expect_exit(0).values();
        let row = rows.into_iter().find(|row| row["target"].as_str().unwrap().ends_with(id)).unwrap();
        row["actor"].as_str().unwrap().to_owned()
    };
    assert_eq!(create("s1", &[], &[]), "ada");
    assert_eq!(create("s2", &[], &[("RUNSTATE_ACTOR", "ci")]), "ci");
    assert_eq!(create("s3", &["--actor", "deploy"], &[("RUNSTATE_ACTOR", "ci")]), "deploy");
    let settings = [("RUNSTATE_SETTINGS", r#"{"valueBytes": 1000000}"#)];
    assert_eq!(create("s6", &["--actor", "deploy"], &settings), "deploy");
    let without_names = [("USER", ""), ("LOGNAME", ""), ("USERNAME", "")];
    assert_eq!(create("s4", &[], &[("USER", ""), ("LOGNAME", "bob")]), "bob");
    assert!(!cfg!(unix) || create("s5", &[], &without_names).starts_with("uid "));
    assert_eq!(scene.run(&["apps", "audit", "list", "--actor", "ci", "--json"]).expect_exit(0).values().len(), 1);
}
