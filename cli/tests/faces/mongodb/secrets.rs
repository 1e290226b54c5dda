//! No command prints the secret parts of a URL.

use super::CliServerFixture;
use crate::settings::{is_full_run, seed};
use crate::support::{CliFixture, CliOutput, SUM};

/// The secret in every URL of these tests.
const SECRET: &str = "Hidden7f3";

/// All commands that use a store, with arguments.
const COMMANDS: &[&[&str]] = &[
    &["run", "sum.ts", "--input", "{}"],
    &["load", "sum.ts"],
    &["programs"],
    &["program", "show", "sum"],
    &["stats"],
    &["slowest"],
    &["mcp", "--domain", "none"],
    &["runs", "overview"],
    &["sessions", "list"],
    &["sessions", "project", "counts"],
    &["fleet", "project", "list"],
    &["mirror", "--to", "file:mirror", "--compare"],
    &["backup", "--to", "local:backup"],
    &["restore", "--from", "local:backup"],
    &["sessions", "task", "list"],
    &["sessions", "removal", "list"],
    &["sessions", "cleanup"],
    &["sessions", "machine", "list"],
    &["apps", "list"],
    &["apps", "configuration", "list"],
    &["apps", "execution", "list"],
    &["apps", "step", "list"],
    &["apps", "report", "success"],
    &["apps", "search", "word"],
    &["apps", "metrics", "list", "x"],
    &["apps", "subscription", "list"],
    &["apps", "delivery", "list"],
    &["apps", "audit", "list"],
    &["apps", "artifact", "list"],
    &["fleet", "intelligent-machine", "list"],
    &["fleet", "machine-type", "list"],
    &["fleet", "checkpoint", "list"],
    &["fleet", "verification", "list"],
    &["budget", "list"],
    &["budget", "account", "list"],
    &["budget", "event", "list"],
    &["budget", "reservation", "list"],
    &["budget", "usage", "list"],
    &["budget", "exchange-rate", "list"],
    &["fleet", "greediness-change", "list"],
    &["fleet", "hub", "list"],
    &["fleet", "hub-checkpoint", "list"],
    &["fleet", "experiment", "list"],
    &["fleet", "maintenance", "list"],
    &["store", "capabilities"],
    &["due", "next"],
    &["documents", "collections"],
    &["health"],
    &["start", "sum"],
    &["next", "x"],
    &["resume", "x"],
    &["list"],
    &["show", "x"],
    &["variables", "x"],
    &["output", "x"],
    &["logs", "x"],
    &["pause", "x"],
    &["unpause", "x"],
    &["cancel", "x"],
    &["retry", "x"],
    &["delete", "x", "--yes"],
    &["answer", "x", "--text", "y"],
    &["approve", "x", "--call", "y", "--by", "ann"],
    &["reject", "x", "--call", "y", "--by", "ann"],
    &["calls"],
    &["questions"],
    &["work", "--kind", "cc", "--exec", "true", "--drain"],
    &["tick"],
    &["info"],
    &["prepare"],
    &["roles"],
    &["export", "out.jsonl"],
    &["import", "whole.jsonl"],
    &["backup", "--to", "local:backup"],
    &["restore", "--from", "local:backup"],
    &["sweep", "--yes"],
    &["verify"],
    &["repair"],
    &["compact"],
];

/// Arguments after which a URL is in the wrong place. The URL follows each.
const MISPLACED: [&[&str]; 14] = [
    &[],
    &["info"],
    &["list", "--status"],
    &["list", "--limit"],
    &["program", "show", "sum", "--version"],
    &["help"],
    &["completions"],
    &["show"],
    &["output"],
    &["delete", "--yes"],
    &["start"],
    &["run"],
    &["load"],
    &["answer", "x", "--text", "y", "--call"],
];

/// Returns URLs that hold the secret, each in another place. `at` is a database on a server: `host:port/name`.
fn urls(at: &str) -> Vec<String> {
    let wait = "serverSelectionTimeoutMS=150&connectTimeoutMS=150&directConnection=true";
    let s = SECRET;
    let fits = [
        // Valid URLs, of a port without a listener and of a server that does not know the user.
        format!("mongodb://{s}:{s}%40%25@127.0.0.1:1/app?{wait}"),
        format!("mongodb://ann:{s}%40%25@{at}?{wait}"),
        format!("mongodb://ann:{s}@{at}?{wait}&authMechanism=PLAIN&authSource=%24external"),
        format!(
            "mongodb://ann:{s}@{at}?{wait}&authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:{s}"
        ),
        format!("mongodb://{at}?{wait}&tlsCertificateKeyFilePassword={s}"),
        format!("mongodb://{at}?{wait}&tls=true&tlsCertificateKeyFile=none.pem&tlsCertificateKeyFilePassword={s}"),
        format!("mongodb://{at}?{wait}&proxyHost=127.0.0.1&proxyUsername={s}&proxyPassword={s}"),
    ];
    let wrong = [
        // URLs with characters that must be encoded, and with other errors beside the secret.
        format!("mongodb://ann:{s}%zz@{at}?{wait}"),
        format!("mongodb://ann:a@{s}@{at}?{wait}"),
        format!("mongodb://ann:a/{s}@{at}?{wait}"),
        format!("mongodb://ann:a?{s}@{at}?{wait}"),
        format!("mongodb://ann:a#{s}@{at}?{wait}"),
        // With both `@` and `?`: the driver would read a part of them as the host.
        format!("mongodb://ann:a@{s}?w=1@{at}?{wait}"),
        format!("mongodb://ann:a@b?{s}=1@{at}?{wait}"),
        format!("mongodb://ann:a:{s}@{at}?{wait}"),
        format!("mongodb://ann:{s}@127.0.0.1:port/app?{wait}"),
        format!("mongodb://ann:{s}@{at}?{wait}&nonsense=1"),
        format!("mongodb://ann:{s}@{at}?layout=seed&{wait}"),
        format!("mongodb://ann:{s}@{at}?layout={s}"),
        format!("mongodb://{at}?{wait}&authMechanismProperties={s}"),
        format!("mongodb://{at}?{wait}&authMechanismProperties=AWS_SESSION_TOKEN:a,{s}"),
        format!("mongodb://{at}?{wait}&authMechanismProperties=AWS_SESSION_TOKEN:a@{s}"),
        format!("mongodb://{at}?{wait}&authmechanismproperties=ALLOWED_HOSTS:{s}"),
        format!("mongodb://{at}?{wait}&tlsCertificateKeyFilePassword={s}&tlsCertificateKeyFilePassword={s}"),
        format!("mongodb://{at}?{wait}&tlsCertificateKeyFilePassword=a@{s}"),
        format!("mongodb://{at}?{wait}&tls=false&tlsCertificateKeyFilePassword={s}"),
        format!("mongodb://{at}?{wait}&tlsCertificateKeyFilePassword=a&{s}"),
        format!("mongodb://{at}?{wait}&authMechanismProperties=AWS_SESSION_TOKEN:a&{s}"),
        format!("mongodb://{at}?{wait}&authMechanismProperties=AWS_SESSION_TOKEN:a&{s}=1"),
        format!("mongodb://{at}?{wait}&password={s}"),
        format!("mongodb+srv://ann:{s}@127.0.0.1:7/app"),
        format!("mongo://ann:{s}@{at}?tlsCertificateKeyFilePassword={s}"),
        format!("mongo://{at}?tlsCertificateKeyFilePassword=a@{s}"),
        format!("MONGODB://ann:{s}@{at}"),
        format!("mongodb:ann:{s}@{at}"),
        format!("mongodb//ann:{s}@{at}"),
        format!("postgres://ann:{s}@{at}?sslpassword={s}"),
        format!("http://ann:{s}@{at}?token={s}"),
    ];
    fits.into_iter().chain(wrong).collect()
}

fn expect_no_secret(url: &str, args: &[&str], output: &CliOutput) {
    for text in [&output.out, &output.err] {
        assert!(!text.contains(SECRET), "{args:?} on {url} says: {text}");
    }
    let silent = output.code != Some(0) && output.err.is_empty() && output.out.is_empty();
    assert!(!silent, "{args:?} on {url} does not say why it failed");
}

fn scene() -> CliFixture {
    let scene = CliFixture::with("sum", SUM);
    scene.run(&["export", "whole.jsonl"]).expect_exit(0);
    scene
}

#[test]
fn the_list_of_commands_is_complete() {
    let help = scene().run(&["help", "all"]).expect_exit(0).out;
    let (mut domain, mut found) = (None, 0);
    for line in help.lines() {
        if let Some(header) = line.strip_suffix(':') {
            domain = header.starts_with(char::is_lowercase).then_some(header);
        }
        let row = line.strip_prefix("  ").unwrap_or_default().split_once("  ").map_or("", |(name, _)| name);
        let words: Vec<&str> = domain.into_iter().chain((!row.is_empty()).then_some(row)).collect();
        if row.contains(' ') || row.starts_with('-') || words.is_empty() || ["completions", "help"].contains(&row) {
            continue;
        }
        found += 1;
        assert!(COMMANDS.iter().any(|args| args.starts_with(&words)), "{words:?}");
    }
    assert!(found > 60, "{help}");
}

#[test]
fn no_command_prints_a_secret_of_a_url() {
    let Some(on) = CliServerFixture::new("no_command_prints_a_secret_of_a_url") else { return };
    let database = on.url.split_once("://").and_then(|(_, rest)| rest.split('?').next()).unwrap();
    let (scene, urls) = (scene(), urls(database));
    let on = |url: &str, args: &[&str]| expect_no_secret(url, args, &scene.run(&[&["--store", url], args].concat()));
    // Runs each command with the first URL, and with each URL those commands that open a store or parse the URL. In the
    // short form every fourth misplacement of each URL, in one of its two forms: others with the next URLs, and
    // with the next seed.
    let shift = seed() as usize;
    let is_left_out = |nth: usize, at: usize, form: usize| {
        let turn = shift.wrapping_add(nth).wrapping_add(at);
        !is_full_run() && (!turn.is_multiple_of(4) || turn / 4 % 2 != form)
    };
    let each = |(nth, url): (usize, &String)| {
        for args in [&["info"][..], &["import", "whole.jsonl", "--json"], &["verify"]] {
            on(url, args);
        }
        for args in [&["import", url.as_str()][..], &["export", url], &["export", "--tree", url]] {
            expect_no_secret(url, args, &scene.run(args));
        }
        for (at, args) in MISPLACED.into_iter().enumerate() {
            for (form, json) in [&[][..], &["--json"]].into_iter().enumerate() {
                if is_left_out(nth, at, form) {
                    continue;
                }
                let args = [args, &[url.as_str()], json].concat();
                expect_no_secret(url, &args, &scene.run(&[&["--store", "memory:"], &args[..]].concat()));
            }
        }
        let mut command = scene.command(&["programs"]);
        command.env_remove("RUNSTATE_STORE").env("CVM_STORAGE_TYPE", "mongodb").env("MONGODB_URI", url);
        expect_no_secret(url, &["MONGODB_URI"], &command.output().unwrap().into());
    };
    std::thread::scope(|scope| {
        // The commands mostly wait.
        let part = urls.len().div_ceil(4);
        for (chunk, some) in urls.chunks(part).enumerate() {
            scope.spawn(move || (chunk * part..).zip(some).for_each(each));
        }
        COMMANDS.iter().for_each(|args| on(&urls[0], args));
    });
}
