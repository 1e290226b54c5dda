//! `#[derive(Entity)]` as its users see it: the declaration, the document, and the way back.

use std::collections::BTreeMap;

use proptest::prelude::*;
use runstate::schema::{
    Catalog, Collection, Direction, Entity, FieldType, Fields, Index, Kind, Literal, Predicate, Presence, ShardKey,
    State, TimeSeries, check,
};
use runstate::time::{Millis, Timestamp};
use runstate::value::{Document, Json};
use rust_decimal::Decimal;
use serde_json::json;

const COLORS: &[&str] = &["red", "green"];

/// Every attribute once.
#[derive(Entity, Clone, Debug, PartialEq)]
#[entity(collection = "toy.ovens", version = 3, rename_all = "camelCase")]
#[index(oven_name, unique)]
#[index(status, last_seen desc)]
#[index(each(tags))]
#[index(text(oven_name, note))]
#[index(contains(extra))]
#[index("place.city", when = "exists(last_seen) and status in ['idle', 'broken']")]
#[ttl(last_seen, days = 30, when = "status = 'retired'")]
struct Oven {
    #[entity(id)]
    oven_id: String,
    #[entity(references = "toy.owners")]
    owner_id: Option<String>,
    #[entity(max = 20 * 10)]
    oven_name: String,
    #[entity(values = COLORS)]
    color: Option<String>,
    /// A missing grade is the literal of its declaration.
    #[entity(default = "good")]
    grade: Grade,
    #[entity(default)]
    slots: u32,
    #[entity(omit_default)]
    tags: Vec<String>,
    #[entity(secret)]
    token: Option<String>,
    #[entity(path = "meta.size")]
    size: f64,
    #[entity(path = "meta.price", undeclared)]
    price: Decimal,
    #[entity(rename = "remark", max = 50)]
    note: Option<String>,
    place: Option<Address>,
    #[entity(declared("city" = optional))]
    home: Address,
    #[entity(optional)]
    step: i64,
    wait: Millis,
    extra: Json,
    answer: Option<Json>,
    by_slot: BTreeMap<String, Address>,
    #[entity(state)]
    state: OvenState,
}

#[derive(Fields, Clone, Debug, PartialEq)]
#[entity(rename_all = "camelCase", upgrade = Address::upgraded)]
struct Address {
    city: String,
    #[entity(default)]
    house_number: u32,
    #[entity(default)]
    house: Option<String>,
}

impl Address {
    /// An older version stored the number as a text.
    fn upgraded(mut self) -> Self {
        if let Some(number) = self.house.take_if(|house| house.parse::<u32>().is_ok()) {
            self.house_number = number.parse().unwrap_or_default();
        }
        self
    }
}

#[derive(FieldType, Clone, Copy, Debug, PartialEq)]
enum Grade {
    Good,
    VeryGood,
    #[entity(rename = "poor!")]
    Poor,
}

#[derive(State, Clone, Debug, PartialEq)]
#[state(rename_all = "camelCase")]
enum OvenState {
    Idle,
    #[state(name = "at_work")]
    Working {
        last_seen: Timestamp,
        #[entity(path = "work.task")]
        task: String,
    },
    Paused(#[entity(rename = "pausedFrom")] Earlier),
    Broken(#[entity(flatten)] Breakdown),
    Retired {
        #[entity(default)]
        last_seen: Timestamp,
    },
    #[state(marker = "leaving")]
    Leaving {
        #[entity(rename = "status")]
        last_status: String,
    },
}

#[derive(State, Clone, Debug, PartialEq)]
enum Earlier {
    Idle,
    Working { task: String },
}

#[derive(Fields, Clone, Debug, PartialEq)]
#[entity(inside = "fault")]
struct Breakdown {
    code: u32,
    #[entity(path = "lastSeen")]
    last_seen: Option<Timestamp>,
}

const OWNERS: Collection = Collection::new("toy.owners", 1);

fn oven(state: OvenState) -> Oven {
    Oven {
        oven_id: "m1".to_owned(),
        owner_id: None,
        oven_name: "Press".to_owned(),
        color: None,
        grade: Grade::VeryGood,
        slots: 2,
        tags: Vec::new(),
        token: None,
        size: 1.5,
        price: Decimal::new(1250, 2),
        note: None,
        place: None,
        home: Address { city: "Bern".to_owned(), house_number: 7, house: None },
        step: -1,
        wait: Millis(5),
        extra: json!([1]),
        answer: None,
        by_slot: BTreeMap::new(),
        state,
    }
}

fn document(state: OvenState) -> Json {
    Json::Object(oven(state).to_document().unwrap())
}

#[test]
fn the_declaration_is_that_of_the_struct_its_objects_and_its_state() {
    let text: Vec<String> = Oven::COLLECTION
        .fields
        .iter()
        .map(|field| {
            let presence = match field.presence {
                Presence::Required => String::new(),
                Presence::Optional => "?".to_owned(),
                Presence::Default(literal) => format!(" = {}", literal.to_json()),
            };
            let values = if field.values.is_empty() { String::new() } else { format!(" {}", field.values.join("|")) };
            let max = if field.max_bytes > 0 { format!(" ≤{}", field.max_bytes) } else { String::new() };
            let secret = if field.secret { " secret" } else { "" };
            format!("{}{presence}: {:?}{values}{max}{secret}", field.name, field.kind)
        })
        .collect();
    let expected = [
        "ovenId: Id",
        "ownerId?: Id",
        "ovenName: Text ≤200",
        "color?: Text red|green",
        "grade = \"good\": Text good|very_good|poor!",
        "slots?: Int",
        "tags?: List",
        "token?: Text secret",
        "meta: Object",
        "meta.size: Float",
        "remark?: Text ≤50",
        "place?: Object",
        "place.city?: Text",
        "place.houseNumber?: Int",
        "place.house?: Text",
        "home: Object",
        "home.city?: Text",
        "step?: Int",
        "wait: Int",
        "extra: Json",
        "answer?: Json",
        "bySlot: Object",
        "status: Text idle|at_work|paused|broken|retired",
        "lastSeen?: Timestamp",
        "work?: Object",
        "work.task?: Text",
        "pausedFrom?: Object",
        "pausedFrom.status?: Text idle|working",
        "pausedFrom.task?: Text",
        "fault?: Object",
        "fault.code?: Int",
        "leaving?: Bool",
    ];
    assert_eq!(text, expected);
}

#[test]
fn indexes_ttl_references_and_flags_are_declared() {
    let collection = Oven::COLLECTION;
    let names: Vec<String> =
        collection.indexes.iter().map(|index| format!("{:?} {} {}", index.kind, index.name(), index.unique)).collect();
    let expected = [
        "Ordered ovenName true",
        "Ordered status_lastSeen- false",
        "Each tags false",
        "Text ovenName_remark false",
        "Contains extra false",
        "Ordered place.city false",
    ];
    assert_eq!(names, expected);
    const PARTIAL: Predicate = Predicate::All(&[
        Predicate::Exists("lastSeen"),
        Predicate::In("status", &[Literal::Text("idle"), Literal::Text("broken")]),
    ]);
    assert_eq!(collection.indexes.last().and_then(|index| index.partial), Some(PARTIAL));
    let Some(ttl) = &collection.ttl else { panic!("it has a time to live") };
    let retired = Predicate::Eq("status", Literal::Text("retired"));
    assert_eq!((ttl.field, ttl.after, ttl.partial), ("lastSeen", Millis::days(30), Some(retired)));
    let references: Vec<_> = collection.references().map(|one| (one.field, one.collection)).collect();
    assert_eq!(references, [("ownerId", "toy.owners")]);
    assert_eq!((collection.name, collection.version), ("toy.ovens", 3));
    assert!(!collection.insert_only);
    assert!(Catalog::new(&[&Oven::COLLECTION, &OWNERS]).is_ok());
    assert_eq!(oven(OvenState::Idle).id(), "m1");
}

/// A temperature of an oven.
#[derive(Entity, Clone, Debug, PartialEq)]
#[entity(collection = "toy.temperatures", version = 1, detached(time = measured, meta = oven_id), rename_all = "camelCase")]
#[ttl(measured, days = 1)]
struct Temperature {
    #[entity(id)]
    id: String,
    oven_id: String,
    measured: Timestamp,
    degrees: f64,
}

#[test]
fn a_time_series_names_its_stored_fields() {
    let collection = &Temperature::COLLECTION;
    assert!(collection.insert_only);
    assert_eq!(collection.detached, Some(TimeSeries { time: "measured", meta: "ovenId" }));
    assert!(Catalog::new(&[&Temperature::COLLECTION]).is_ok());
}

/// A key that may be borrowed.
#[derive(Entity, Clone, Debug, PartialEq)]
#[entity(collection = "toy.keys", version = 1, insert_only)]
#[index(oven_id)]
struct OvenKey {
    #[entity(id)]
    id: String,
    #[entity(part_of = "toy.ovens", shard)]
    oven_id: String,
    handover: Option<Handover>,
    #[entity(state)]
    state: KeyState,
}

#[derive(Fields, Clone, Debug, PartialEq)]
struct Handover {
    #[entity(references = "toy.owners")]
    witness: String,
}

#[derive(State, Clone, Debug, PartialEq)]
enum KeyState {
    Hanging,
    Borrowed {
        #[entity(references = "toy.owners")]
        borrower: String,
    },
}

#[test]
fn references_in_objects_and_states_have_their_paths() {
    let references: Vec<_> =
        OvenKey::COLLECTION.references().map(|one| (one.field, one.collection, one.part)).collect();
    let expected =
        [("oven_id", "toy.ovens", true), ("handover.witness", "toy.owners", false), ("borrower", "toy.owners", false)];
    assert_eq!(references, expected);
    assert_eq!(OvenKey::COLLECTION.kind_of("handover.witness"), Kind::Id);
    assert!(Catalog::new(&[&Oven::COLLECTION, &OvenKey::COLLECTION, &OWNERS]).is_ok());
    let unknown = Catalog::new(&[&Oven::COLLECTION, &OvenKey::COLLECTION]).unwrap_err();
    assert!(unknown.problem.contains("`toy.owners`, which is not declared"), "{unknown}");
    let handover = Some(Handover { witness: "Ada".into() });
    let state = KeyState::Borrowed { borrower: "Bob".into() };
    let key = OvenKey { id: "k".into(), oven_id: "m1".into(), handover, state };
    assert_eq!(OvenKey::from_document(&key.to_document().unwrap()), Ok(key));
    assert_ne!(KeyState::Hanging, KeyState::Borrowed { borrower: String::new() });
}

#[test]
fn a_shard_key_is_declared_by_its_field() {
    assert_eq!(OvenKey::COLLECTION.shard, Some(ShardKey::Ranged("oven_id")));
    assert_eq!(Oven::COLLECTION.shard, None);
}

#[test]
fn a_document_holds_what_the_struct_holds() {
    let idle = json!({
        "ovenId": "m1", "ovenName": "Press", "grade": "very_good", "slots": 2, "meta": {"size": 1.5, "price": "12.50"},
        "home": {"city": "Bern", "houseNumber": 7}, "step": -1, "wait": 5, "extra": [1], "bySlot": {}, "status": "idle"
    });
    assert_eq!(document(OvenState::Idle), idle);
    let working = OvenState::Working { last_seen: Timestamp::from_millis(9), task: "t".to_owned() };
    let working = document(working);
    assert_eq!(
        (&working["status"], &working["lastSeen"], &working["work"]),
        (&json!("at_work"), &json!(9), &json!({"task": "t"}))
    );
    let paused = document(OvenState::Paused(Earlier::Working { task: "t".to_owned() }));
    assert_eq!(
        (&paused["status"], &paused["pausedFrom"]),
        (&json!("paused"), &json!({"status": "working", "task": "t"}))
    );
    let broken = document(OvenState::Broken(Breakdown { code: 4, last_seen: Some(Timestamp::from_millis(3)) }));
    assert_eq!((&broken["fault"], &broken["lastSeen"]), (&json!({"code": 4}), &json!(3)));
    let leaving = document(OvenState::Leaving { last_status: "broken".to_owned() });
    assert_eq!((&leaving["status"], &leaving["leaving"]), (&json!("broken"), &json!(true)));
}

#[test]
fn missing_and_null_are_read_by_the_rules_of_the_field() {
    let read = |edit: &dyn Fn(&mut Document)| {
        let mut document = oven(OvenState::Idle).to_document().unwrap();
        edit(&mut document);
        Oven::from_document(&document).map_err(|violation| violation.to_string())
    };
    let without = |name: &'static str| read(&move |document| drop(document.shift_remove(name)));
    let with =
        |name: &'static str, value: Json| read(&move |document| drop(document.insert(name.to_owned(), value.clone())));
    assert_eq!(without("grade").unwrap().grade, Grade::Good);
    assert_eq!(without("slots").unwrap().slots, 0);
    assert_eq!(with("ownerId", Json::Null).unwrap().owner_id, None);
    assert_eq!(with("answer", Json::Null).unwrap().answer, Some(Json::Null), "null is a value of JSON");
    let old = with("home", json!({"city": "Bern", "house": "12"})).unwrap().home;
    assert_eq!((old.house_number, old.house), (12, None), "an older version stored a text");
    assert_eq!(without("ovenName").unwrap_err(), "ovenName: is missing");
    assert_eq!(with("meta", json!({"size": 1})).unwrap_err(), "meta.price: is missing");
    assert_eq!(with("home", json!({})).unwrap_err(), "home.city: is missing");
    assert_eq!(with("slots", json!("2")).unwrap_err(), "slots: invalid type: string \"2\", expected u32");
    assert_eq!(with("tags", json!(["a", 1])).unwrap_err(), "tags.1: invalid type: integer `1`, expected a string");
    assert_eq!(with("bySlot", json!({"1": {}})).unwrap_err(), "bySlot.1.city: is missing");
    assert_eq!(with("grade", json!("bad")).unwrap_err(), "grade: is not one of good, very_good, poor!");
    assert_eq!(
        with("status", json!("lost")).unwrap_err(),
        "status: is not one of idle, at_work, paused, broken, retired"
    );
    assert_eq!(with("status", json!("at_work")).unwrap_err(), "lastSeen: is missing");
}

fn states() -> impl Strategy<Value = OvenState> {
    let at = || any::<i32>().prop_map(|ms| Timestamp::from_millis(ms.into()));
    let earlier = prop_oneof![Just(Earlier::Idle), ".*".prop_map(|task| Earlier::Working { task })];
    prop_oneof![
        Just(OvenState::Idle),
        (at(), ".*").prop_map(|(last_seen, task)| OvenState::Working { last_seen, task }),
        earlier.prop_map(OvenState::Paused),
        (any::<u32>(), proptest::option::of(at()))
            .prop_map(|(code, last_seen)| OvenState::Broken(Breakdown { code, last_seen })),
        at().prop_map(|last_seen| OvenState::Retired { last_seen }),
        "idle|broken".prop_map(|last_status| OvenState::Leaving { last_status }),
    ]
}

fn addresses() -> impl Strategy<Value = Address> {
    (".*", any::<u32>(), proptest::option::of("[a-z]+")).prop_map(|(city, house_number, house)| Address {
        city,
        house_number,
        house,
    })
}

fn ovens() -> impl Strategy<Value = Oven> {
    let answers = prop_oneof![Just(None), Just(Some(Json::Null)), any::<i32>().prop_map(|n| Some(json!({"n": n})))];
    let lists = (proptest::collection::vec(".*", 0..3), proptest::collection::btree_map("[0-9]", addresses(), 0..3));
    let options = (proptest::option::of(".{1,9}"), proptest::option::of(addresses()), answers);
    let grades = prop_oneof![Just(Grade::Good), Just(Grade::VeryGood), Just(Grade::Poor)];
    (states(), lists, options, grades, any::<u32>(), -1e9..1e9f64, any::<i32>()).prop_map(
        |(state, (tags, by_slot), (note, place, answer), grade, slots, size, step)| Oven {
            color: place.as_ref().map(|_| "red".to_owned()),
            price: Decimal::new(step.into(), 3),
            step: step.into(),
            tags,
            by_slot,
            note,
            place,
            answer,
            grade,
            slots,
            size,
            ..oven(state)
        },
    )
}

proptest! {
    #[test]
    fn a_document_gives_back_the_entity_that_wrote_it(oven in ovens()) {
        let document = oven.to_document().unwrap();
        prop_assert_eq!(check(&Oven::COLLECTION, &document), Ok(()));
        let reread = Oven::from_document(&document).unwrap();
        prop_assert_eq!(&reread, &oven);
        prop_assert_eq!(reread.to_document().unwrap(), document);
    }
}

#[test]
fn a_derived_declaration_equals_one_written_by_hand() {
    let index = &Oven::COLLECTION.indexes[1];
    let by_hand = Index::ordered(&[("status", Direction::Ascending), ("lastSeen", Direction::Descending)]);
    assert_eq!((index.fields, index.kind), (by_hand.fields, by_hand.kind));
    assert_eq!(Oven::COLLECTION.kind_of("lastSeen"), Kind::Timestamp);
}
