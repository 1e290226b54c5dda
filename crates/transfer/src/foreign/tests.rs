use runstate_core::schema::Field;
use serde_json::json;

use super::super::{ImportSource, SourceItem, check};
use super::*;

static RUNS: Collection =
    Collection::new("demo.runs", 1).fields(&[Field::id("run"), Field::timestamp("at")]).id_fields(&["run"]);
static STEPS: Collection = Collection::new("demo.steps", 1)
    .fields(&[Field::id("run"), Field::int("step"), Field::json("note").optional()])
    .id_fields(&["run", "step"]);
static NOTES: Collection = Collection::new("demo.notes", 1).fields(&[Field::text("title").max(5)]);

fn document(fields: Json) -> Result<Document, String> {
    Ok(fields.as_object().unwrap().clone())
}

fn documents() -> ForeignDocuments {
    ForeignDocuments::new("a program", &[&STEPS, &RUNS, &NOTES], Timestamp::from_millis(0)).unwrap()
}

#[test]
fn documents_in_any_order_become_a_source_in_the_order_of_exports() {
    let mut documents = documents();
    for step in [2.0, 10.0, 1.0] {
        let fields = json!({"run": "a", "step": step, "note": {"half": 0.5, "none": null}});
        assert_eq!(documents.add(&STEPS, "?", document(fields)).unwrap(), None);
    }
    for run in ["a", "a!", "A"] {
        assert_eq!(documents.add(&RUNS, "?", document(json!({"run": run, "at": 7}))).unwrap(), None);
    }
    documents.add(&NOTES, "0102", document(json!({"title": "t"}))).unwrap();
    let ForeignSource { mut source, collections, invalid } = documents.finish(|one| panic!("{one:?}")).unwrap();
    assert_eq!(invalid, 0);
    let counts: Vec<(&str, u64)> = collections.iter().map(|one| (one.collection.as_str(), one.documents)).collect();
    assert_eq!(counts, [("demo.notes", 1), ("demo.runs", 3), ("demo.steps", 3)]);
    let catalog = Catalog::new(&[&STEPS, &RUNS, &NOTES]).unwrap();
    let checked = check(&mut source, &catalog, |_| {}).unwrap();
    assert_eq!(checked.summary().documents(), 7);
    source.rewind().unwrap();
    let (mut keys, mut steps) = (Vec::new(), Vec::new());
    while let SourceItem::Record(record) = source.next().unwrap() {
        keys.push(record.key().to_string());
        steps.extend(record.document.get("step").cloned());
    }
    let expected = ["notes/0102", "runs/A", "runs/a", "runs/a!", "steps/a:1", "steps/a:10", "steps/a:2"];
    assert_eq!(keys, expected.map(|key| format!("demo.{key}")));
    assert_eq!(steps, [1, 10, 2]);
}

#[test]
fn each_document_that_cannot_be_imported_is_reported_with_its_reason() {
    let mut documents = documents();
    let mut reasons = Vec::new();
    let mut report = |one: InvalidDocument| reasons.push(format!("{}/{}: {}", one.collection, one.id, one.reason));
    let large = "x".repeat(DOCUMENT_BYTES);
    for (collection, id, found) in [
        (&RUNS, "1", document(json!({"at": 7}))),
        (&RUNS, "2", document(json!({"run": "", "at": 7}))),
        (&RUNS, "3", document(json!({"run": "a"}))),
        (&RUNS, "4", document(json!({"run": ["a"], "at": 7}))),
        (&STEPS, "5", document(json!({"run": "a", "step": 1.5}))),
        (&STEPS, "6", Err("`note` holds NaN, which is not a finite number".to_owned())),
        (&NOTES, "7", document(json!({"title": "too long"}))),
        (&NOTES, "8", document(json!({"title": "a", "$b": 1}))),
        (&NOTES, "9", document(json!({"title": "a", "b": large}))),
        (&NOTES, "", document(json!({"title": "a"}))),
    ] {
        report(documents.add(collection, id, found).unwrap().unwrap());
    }
    for _ in 0..3 {
        assert_eq!(documents.add(&RUNS, "?", document(json!({"run": "twin", "at": 7}))).unwrap(), None);
    }
    let ForeignSource { collections, invalid, .. } = documents.finish(&mut report).unwrap();
    assert_eq!((collections, invalid), (Vec::new(), 13));
    insta::assert_snapshot!(reasons.join("\n"), @r"
    demo.runs/1: its id is composed of `run`, which is neither a text nor a number
    demo.runs/2: an id may not be empty
    demo.runs/3: at: is missing
    demo.runs/4: its id is composed of `run`, which is neither a text nor a number
    demo.steps/5: step: is not an integer within ±(2^53 - 1)
    demo.steps/6: `note` holds NaN, which is not a finite number
    demo.notes/7: title: has 8 bytes; at most 5 are allowed
    demo.notes/8: $b: a name at the top level of a document cannot begin with `$`
    demo.notes/9: it has 8388628 bytes; at most 8388608 are allowed
    demo.notes/: an id may not be empty
    demo.runs/twin: 3 documents have this id
    ");
}
