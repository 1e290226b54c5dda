//! The stored forms are contracts: snapshots pin the exact text of a commit, a head, a call and a heap page.

use std::sync::Arc;

use runstate::client::Cvm;
use runstate::domain::cvm::Settings;
use runstate::domain::cvm::{Load, Start};
use runstate::engine::Engine;
use runstate::id::{CommandId, hex, sha256};
use runstate::schema::{Field, NumberRange, Query, Wire};
use runstate::store::file::{FileStore, FileStoreOptions};
use runstate::store::layer::Method;
use runstate::store::{BatchLimits, Freshness, Memory, Store};
use runstate::testing::SimHost;
use runstate::testing::{Fault, FaultStore, LimitedStore};

const PROGRAM: &str = r#"
const seen = [{ when: "now", odd: [NaN, -0, undefined, null, "\u0000", "\ud800"], $key: 1 }];
seen[0].self = seen;
function ask(n) { return () => CC(`n=${n}?`, { choices: ["yes", "no"] }); }
console.log("before", seen.length);
const answer = ask(1)();
console.log(answer);
"#;

#[tokio::test]
async fn files_of_a_small_run_match_the_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::open(folder.path(), FileStoreOptions::default()).await.unwrap();
    let engine = Engine::with_settings(
        Arc::new(store),
        Arc::new(SimHost::default()),
        runstate::domain::ALL,
        Settings::default(),
    )
    .await
    .unwrap();
    let command = |id: &str| Some(CommandId::new(id).unwrap());
    let bytecode = runstate::lang::compile("program.ts", PROGRAM).unwrap().bytecode;
    Cvm::new(&engine).with_id(command("load").as_ref()).load(&Load::new("program", PROGRAM, bytecode)).await.unwrap();
    Cvm::new(&engine).with_id(command("start").as_ref()).start(&Start::new("program").id("run")).await.unwrap();
    Cvm::new(&engine).with_id(command("answer").as_ref()).answer("run", "yes").await.unwrap();

    let read = |seq: u64| std::fs::read_to_string(folder.path().join(format!("commits/{seq:016}.json"))).unwrap();
    // 1 is the migration, 2 the program. The chain begins with the store's random id, so the links are redacted.
    let shown: Vec<String> = [3, 4].map(|seq| redact(&read(seq))).into();
    insta::assert_snapshot!(shown.join("\n"));

    // A fingerprint has the name of the operation and the command as JSON. If one of them changes, a repeat of a
    // command of an older version is refused. It does not depend on the order of keys.
    let mut start = serde_json::to_value(Start::new("program").id("run")).unwrap();
    start.sort_all_objects();
    let start = start.to_string();
    let fingerprint = hex(&sha256(&[b"cvm.start", start.as_bytes()])[..16]);
    assert!(shown[0].contains(&fingerprint));
    insta::assert_snapshot!(format!("cvm.start{start}\n{fingerprint}"), @r#"
    cvm.start{"id":"run","input":null,"log_level":null,"parent":null,"program":"program"}
    5ece60347ebecc23ca5b814aaec08e2e
    "#);
}

/// The process dies before the deciding batch: it leaves a marker, and a ledger row for every batch.
#[tokio::test]
async fn rows_of_a_dead_staged_turn_match_the_snapshot() {
    let limits = BatchLimits { document_bytes: 8 * 1024, batch_bytes: 8 * 1024, ..BatchLimits::default() };
    let store = Arc::new(FaultStore::new(LimitedStore::new(Memory::new(), limits)));
    let host = Arc::new(SimHost::default());
    let engine = Engine::with_settings(store.clone(), host, runstate::domain::ALL, Settings::default()).await.unwrap();
    let source = "const all = []; for (let i = 0; i < 300; i++) all.push({ i, name: `item ${i}` }); CC(\"?\");";
    let bytecode = runstate::lang::compile("program.ts", source).unwrap().bytecode;
    Cvm::new(&engine).load(&Load::new("program", source, bytecode)).await.unwrap();
    store.plan(Method::Commit, 3, Fault::DieBefore);
    let command = CommandId::new("start").unwrap();
    Cvm::new(&engine).with_id(&command).start(&Start::new("program").id("run")).await.unwrap_err();
    let mut shown = String::new();
    for own in runstate::engine::COLLECTIONS {
        for row in store.inner().query(&Query::of(own), Freshness::Linearizable).await.unwrap().items {
            shown += &format!("{}/{} {}\n", own.name, row.id, serde_json::to_string(&*row.stored.document).unwrap());
        }
    }
    insta::assert_snapshot!(shown);
}

/// Redacts the values that differ between stores: links of the chain, and the checksum over them.
fn redact(text: &str) -> String {
    let mut out = text.to_owned();
    for (name, len) in [("\"prev\":\"", 64), ("\"store\":\"", 8), ("\"crc\":\"", 8)] {
        if let Some(at) = out.find(name) {
            out.replace_range(at + name.len()..at + name.len() + len, "…");
        }
    }
    out
}

#[test]
fn a_result_without_a_member_has_its_declared_default() {
    #[derive(Wire, Debug, PartialEq)]
    struct Trial {
        #[entity(default = 14)]
        duration_days: u32,
        #[entity(default = true)]
        is_open: bool,
        #[entity(default)]
        runs: u32,
    }
    let expected = Trial { duration_days: 14, is_open: true, runs: 0 };
    assert_eq!(serde_json::from_str::<Trial>("{}").unwrap(), expected);
}

#[test]
fn a_result_is_read_as_it_was_written_or_names_what_is_wrong() {
    #[derive(Wire, Debug, PartialEq)]
    struct Parcel {
        #[entity(id)]
        parcel_id: String,
        sent_at: Option<u64>,
        size: Size,
        #[entity(state)]
        state: ParcelState,
    }

    #[derive(Wire, Debug, PartialEq)]
    enum Size {
        Small,
        #[entity(rename = "extra-large")]
        ExtraLarge,
    }

    #[derive(Wire, Debug, PartialEq)]
    #[state(tag = "parcel_status")]
    enum ParcelState {
        Packed,
        OnItsWay { lorry_number: u32 },
    }

    let way = ParcelState::OnItsWay { lorry_number: 7 };
    let parcel = Parcel { parcel_id: "p1".to_owned(), sent_at: None, size: Size::ExtraLarge, state: way };
    let text = serde_json::to_string(&parcel).unwrap();
    let expected = r#"{"id":"p1","sentAt":null,"size":"extra-large","parcelStatus":"on_its_way","lorryNumber":7}"#;
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<Parcel>(&text).unwrap(), parcel);
    let packed = r#"{"size":"small","new":[1],"parcelStatus":"packed","id":"p2"}"#;
    let packed = serde_json::from_str::<Parcel>(packed).unwrap();
    assert_eq!((packed.size, packed.sent_at, packed.state), (Size::Small, None, ParcelState::Packed));
    for (text, reason) in [
        (r#"{"size":"small","parcelStatus":"packed"}"#, "missing field `id`"),
        (r#"{"id":null,"size":"small","parcelStatus":"packed"}"#, "invalid type: null, expected a string"),
        (
            r#"{"id":"p","size":"huge","parcelStatus":"packed"}"#,
            "unknown variant `huge`, expected `small` or `extra-large`",
        ),
        (
            r#"{"id":"p","size":"small","parcelStatus":"lost"}"#,
            "unknown variant `lost`, expected `packed` or `on_its_way`",
        ),
        (r#"{"id":"p","size":"small","parcelStatus":"on_its_way"}"#, "missing field `lorryNumber`"),
        (r#"{"id":"p","size":"small"}"#, "missing field `parcelStatus`"),
        ("[]", "invalid type: sequence, expected a map"),
    ] {
        let error = serde_json::from_str::<Parcel>(text).unwrap_err().to_string();
        assert!(error.starts_with(reason), "{text}: {error}");
    }
}

#[test]
fn declared_collections_match_the_snapshot() {
    let catalog = runstate::domain::catalog().unwrap();
    let mut out = String::new();
    for collection in catalog.iter().chain(runstate::engine::COLLECTIONS.iter().copied()) {
        out += &format!("{} v{}\n", collection.name, collection.version);
        // Their order has no meaning.
        let mut fields: Vec<&Field> = collection.fields.iter().collect();
        fields.sort_by_key(|field| field.name);
        for Field { name, kind, format, range, presence, values, max_bytes, .. } in fields {
            let max = if *max_bytes > 0 { format!(" max {max_bytes}") } else { String::new() };
            let format = format.map(|format| format!(" {format}")).unwrap_or_default();
            let range = if *range == NumberRange::ANY { String::new() } else { format!(" {range}") };
            out += &format!("  {name}: {kind:?} {presence:?} {}{max}{format}{range}\n", values.join("|"));
        }
        for index in collection.indexes {
            let unique = if index.unique { " unique" } else { "" };
            out += &format!("  index {} {:?}{unique} {:?}\n", index.name(), index.kind, index.partial);
        }
        out.extend(collection.partition_day.map(|day| format!("  partition by the month of {day}\n")));
        for view in collection.views {
            out += &format!("  view {} by {}\n", view.name, view.key.join(", "));
        }
        out += &format!("  ttl {:?}\n", collection.ttl);
        for reference in collection.references() {
            out += &format!("  reference {} {}\n", reference.field, reference.collection);
        }
        out += &format!("  insert_only {}\n", collection.insert_only);
        out.extend(
            collection.detached.map(|detached| format!("  detached by {} and {}\n", detached.time, detached.meta)),
        );
    }
    insta::assert_snapshot!(out);
}
