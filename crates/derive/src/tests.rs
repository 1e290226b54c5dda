//! Errors of the derives: the message, and the text at which it points.

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::condition::{self, Constant, IndexCondition};
use crate::{entity, event, name, operation, state, wire};

type Derive = fn(&DeriveInput) -> syn::Result<TokenStream>;

/// The error of `derive` for this source: the text it points at, and the message.
fn error(derive: Derive, source: &str) -> (String, String) {
    let input: DeriveInput = syn::parse_str(source).unwrap();
    let error = derive(&input).unwrap_err();
    let (start, end) = (error.span().start(), error.span().end());
    let lines: Vec<&str> = source.lines().collect();
    let text = match start.line == end.line {
        true => &lines[start.line - 1][start.column..end.column],
        false => &lines[start.line - 1][start.column..],
    };
    (text.to_owned(), error.to_string())
}

fn entity_error(fields: &str) -> (String, String) {
    error(entity::derive_entity, &format!("#[entity(collection = \"a.b\", version = 1)]\nstruct Note {{ {fields} }}"))
}

fn index_error(index: &str) -> (String, String) {
    let source = format!(
        "#[entity(collection = \"a.b\", version = 1)]\n{index}\nstruct Note {{ #[entity(id)] id: String, at: Timestamp }}"
    );
    error(entity::derive_entity, &source)
}

fn assert_error((at, message): (String, String), expected_at: &str, expected: &str) {
    assert!(message.contains(expected), "{message}");
    assert_eq!(at, expected_at, "{message}");
}

#[test]
fn errors_of_fields_point_at_them() {
    let cases = [
        (
            "#[entity(id)] id: String, #[entity(maximum = 3)] text: String",
            "maximum",
            "`maximum` is not a valid attribute; use `id`, `composed_of`",
        ),
        (
            "#[entity(id)] id: String, #[entity(kind = integer)] n: String",
            "integer",
            "`integer` is not a valid kind; use `text`, `int`",
        ),
        (
            "#[entity(id)] id: String, #[entity(format = char)] n: String",
            "char",
            "`char` is not a valid format; use `uuid`, `date`, `varchar`",
        ),
        ("#[entity(id)] id: String, #[entity(format = decimal(3))] n: Decimal", "decimal", "`decimal` has 2 numbers"),
        ("#[entity(id)] id: String, #[entity(path = \"a..b\")] n: String", "\"a..b\"", "`a..b` is not a path"),
        ("#[entity(id)] id: String, #[entity(rename = \"_rev\")] n: String", "\"_rev\"", "beginning with _"),
        (
            "#[entity(id)] id: String, #[entity(rename = \"id\")] other: String",
            "other",
            "another field is stored as `id` too",
        ),
        ("#[entity(id)] id: String, #[entity(id)] other: String", "other", "an entity has one id"),
        ("#[entity(id, composed_of(n))] id: String, n: u32", "id", "the id that documents may lack"),
        ("#[entity(id, default, composed_of(m))] id: String, n: u32", "m", "`m` is not a valid field of `Note`"),
        ("#[entity(id, shard)] id: String, #[entity(shard)] other: String", "other", "an entity has one shard key"),
        ("#[entity(id)] id: String, #[entity(state)] a: A, #[entity(state)] b: B", "b", "an entity has one state"),
        ("text: String", "Note", "an entity needs a field with `#[entity(id)]`"),
        ("#[entity(id, optional)] id: Option<String>", "id", "an entity has an id"),
        (
            "#[entity(id)] id: String, #[entity(state, max = 3)] state: State",
            "state",
            "`state` and `flatten` exclude the other attributes",
        ),
        (
            "#[entity(id)] id: String, #[entity(undeclared, max = 3)] text: String",
            "text",
            "`undeclared` field has no declaration",
        ),
        ("#[entity(id)] id: String, #[entity(default = 1, optional)] n: u32", "n", "`default = …` excludes"),
        (
            "#[entity(id)] id: String, #[entity(rename = \"a\", path = \"b\")] n: u32",
            "n",
            "`path` and `rename` exclude each other",
        ),
        ("#[entity(id)] id: String, #[entity(declared(\"a\" = required))] n: N", "required", "use `optional`"),
    ];
    for (fields, at, message) in cases {
        assert_error(entity_error(fields), at, message);
    }
}

#[test]
fn errors_of_indexes_point_at_the_name() {
    let cases = [
        ("#[index(att)]", "att", "`att` is not a valid field of `Note`; use `id`, `at`"),
        ("#[index(at down)]", "down", "`down` is not a valid direction; use `asc`, `desc`"),
        ("#[index(every(at))]", "every", "`every` is not a valid kind of index; use `each`, `text`, `contains`"),
        ("#[index(unique)]", "#[index(unique)]", "an index needs a field"),
        ("#[index(at, if = \"missing(at)\")]", "if", "use `when`"),
        ("#[index(at, when = \"missing at\")]", "\"missing at\"", "`=` or `in` is expected after `missing`"),
        ("#[index(at, when = \"missing(end)\")]", "\"missing(end)\"", "`end` is not a valid field of `Note`"),
        ("#[ttl(at, months = 3)]", "months", "`months` is not a valid time to live; use `days`"),
    ];
    for (index, at, message) in cases {
        assert_error(index_error(index), at, message);
    }
}

#[test]
fn errors_of_a_struct_point_at_its_name_or_attribute() {
    let cases: [(Derive, &str, &str, &str); 9] = [
        (
            entity::derive_entity,
            "struct Note { #[entity(id)] id: String }",
            "Note",
            "an entity needs `#[entity(collection =",
        ),
        (
            entity::derive_entity,
            "#[entity(collection = \"a.b\", version = 0)] struct Note { #[entity(id)] id: String }",
            "0",
            "from 1",
        ),
        (
            entity::derive_fields,
            "#[entity(version = 1)] struct Note { a: u32 }",
            "version",
            "use `rename_all`, `inside`, `upgrade`",
        ),
        (
            entity::derive_fields,
            "#[entity(rename_all = \"UPPER\")] struct Note { a: u32 }",
            "\"UPPER\"",
            "`UPPER` is not a valid case",
        ),
        (entity::derive_fields, "struct Note { #[entity(id)] a: String }", "a", "belong to the fields of an entity"),
        (entity::derive_fields, "struct Note<T> { a: T }", "<T>", "has no generic parameters"),
        (entity::derive_fields, "struct Note(u32);", "Note", "named fields"),
        (entity::derive_fields, "enum Note { A }", "Note", "needs a struct"),
        (state::derive_state, "struct Note { a: u32 }", "Note", "needs an enum"),
    ];
    for (derive, source, at, message) in cases {
        assert_error(error(derive, source), at, message);
    }
}

#[test]
fn errors_of_a_state_point_at_the_variant() {
    let cases: [(Derive, &str, &str, &str); 9] = [
        (
            state::derive_state,
            "#[state(status = T)] enum S { A, #[state(name = \"c\")] B }",
            "B",
            "a state with a `status` are stored by their names",
        ),
        (event::derive_event, "enum E { #[event(named = \"a\")] A }", "named", "use `name`"),
        (event::derive_event, "struct E;", "E", "needs an enum"),
        (state::derive_state, "enum S { #[state(called = \"a\")] A }", "called", "use `name`, `marker`"),
        (state::derive_state, "enum S { A, #[state(name = \"a\")] B }", "B", "another variant is stored as `a` too"),
        (state::derive_state, "enum S { A(String) }", "String", "a field without a name needs"),
        (
            state::derive_state,
            "enum S { A { #[entity(shard)] of: String } }",
            "of",
            "belong to the fields of an entity",
        ),
        (
            state::derive_field_type,
            "enum S { A { at: u32 } }",
            "A { at: u32 }",
            "an enum whose variants own fields derives `State`",
        ),
        (state::derive_field_type, "enum S { #[entity(name = \"b\")] A }", "name", "use `rename`"),
    ];
    for (derive, source, at, message) in cases {
        assert_error(error(derive, source), at, message);
    }
}

#[test]
fn conditions_are_parsed_with_their_precedence() {
    let text = |text: &str| Constant::Text(text.to_owned());
    let missing = || IndexCondition::Missing("outcome".to_owned());
    let cases = [
        ("missing(outcome)", missing()),
        ("exists(a.b)", IndexCondition::Exists("a.b".to_owned())),
        (
            "status in ['completed', \"failed\"]",
            IndexCondition::In("status".to_owned(), vec![text("completed"), text("failed")]),
        ),
        ("n = -3", IndexCondition::Eq("n".to_owned(), Constant::Int(-3))),
        (
            "missing(outcome) and (kind == 'cc' or open = true) and end = null",
            IndexCondition::All(vec![
                missing(),
                IndexCondition::Any(vec![
                    IndexCondition::Eq("kind".to_owned(), text("cc")),
                    IndexCondition::Eq("open".to_owned(), Constant::Bool(true)),
                ]),
                IndexCondition::Eq("end".to_owned(), Constant::Null),
            ]),
        ),
    ];
    for (source, expected) in cases {
        assert_eq!(condition::parse(source), Ok(expected), "{source}");
    }
}

#[test]
fn invalid_conditions_report_what_is_allowed() {
    let cases = [
        ("", "a condition is `exists(field)`"),
        ("absent(a)", "use `exists` or `missing`"),
        ("a in 'b'", "`[` is expected before `'b'`"),
        ("a = b", "use a text in quotes"),
        ("a = 'b", "a text is not closed"),
        ("a = 1 b", "joined by `and` and `or`"),
        ("a > 1", "`>` is not valid"),
    ];
    for (source, expected) in cases {
        let problem = condition::parse(source).unwrap_err();
        assert!(problem.contains(expected), "{source}: {problem}");
    }
}

#[test]
fn names_are_stored_in_their_case() {
    assert_eq!(name::Case::Camel.apply("last_heart_beat"), "lastHeartBeat");
    assert_eq!(name::Case::Snake.apply("last_heart_beat"), "last_heart_beat");
    assert_eq!(name::snake_case("WaitingCc"), "waiting_cc");
}

#[test]
fn errors_of_queries_point_at_their_attributes() {
    let error = |attribute: &str| {
        let source = format!(
            "#[entity(collection = \"a.b\", version = 1)]\n#[entity({attribute})]\nstruct Note {{ #[entity(id)] id: String }}"
        );
        error(entity::derive_entity, &source)
    };
    assert_error(error("filters(id)"), "id", "filters need a `noun`");
    assert_error(error("noun = \"note\", filters(status)"), "status", "`status` is not a valid field of `Note`");
    assert_error(error("noun = \"note\", list(order = \"at\")"), "order", "`order`");
    assert_error(
        error("noun = \"note\", list(sort = \"status desc\")"),
        "\"status desc\"",
        "`status` is not a valid field",
    );
    assert_error(error("noun = \"note\", filters(kind = \"status\")"), "\"status\"", "`status` is not a valid field");
    assert_error(error("noun = \"Two Notes\""), "\"Two Notes\"", "one word in camel case");
    assert_error(error("detached(time = at, meta = id)"), "at", "`at` is not a valid field of `Note`");
    assert_error(error("partition_by_month = day"), "day", "`day` is not a valid field of `Note`");
    assert_error(error("detached(when = id)"), "when", "use `time`, `meta`");
    assert_error(error("detached(time = id)"), "detached(time = id)", "needs `detached(time = …, meta = …)`");
}

#[test]
fn names_of_operations_are_checked() {
    let named = |attribute: &str| error(operation::operation_name, &format!("#[operation({attribute})] struct Touch;"));
    assert_error(named("name = \"touch\""), "\"touch\"", "`domain.verb` or `domain.noun.verb`");
    assert_error(named("name = \"a.touch_it\""), "\"a.touch_it\"", "each word in camel case");
    assert_error(named("query"), "Touch", "an operation needs a name");
}

#[test]
fn members_of_results_have_names_of_their_own() {
    let cases = [
        ("struct Note { #[entity(id)] note_id: String, uuid: String }", "uuid", "another member is `id`"),
        ("struct Note { id: String, #[entity(id)] key: String }", "key", "another member is `id`"),
        ("#[state(tag = \"state.kind\")] enum Note { A { at: u32, kind: u32 } }", "kind", "another member is `kind`"),
    ];
    for (source, at, message) in cases {
        assert_error(error(wire::derive_wire, source), at, message);
    }
    for allowed in [
        "struct Note { id: String, #[entity(hidden)] uuid: String }",
        "struct Note { #[entity(id)] name: String, id: u32 }",
    ] {
        assert!(wire::derive_wire(&syn::parse_str(allowed).unwrap()).is_ok());
    }
}
