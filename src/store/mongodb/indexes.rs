//! Declared indexes as the server knows them, under its own default names.

use mongodb::bson::{Bson, Document as Spec, doc};

use super::codec::{Declared, encode_value};
use super::place::may_be_lists;
use crate::schema::{Collection, Constant, Direction, Index, IndexKind, Kind, Predicate, Ttl};
use crate::store::Error;

/// An index as the server is told of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// Its name on the server.
    pub(super) name: String,
    /// Its fields.
    pub(super) key: Spec,
    /// What else makes it what it is.
    pub(super) options: Spec,
}

/// The options that make an index another one.
const TELLING: [&str; 3] = ["unique", "partialFilterExpression", "expireAfterSeconds"];

/// Those of them by which the server tells two indexes of the same fields apart: both may stand at once.
const APART: [&str; 2] = ["unique", "partialFilterExpression"];

/// The indexes that a collection needs.
pub(super) fn wanted(declared: &Declared) -> Result<Vec<Wanted>, Error> {
    let mut found = Vec::new();
    for index in declared.collection.indexes {
        found.extend(Wanted::of(declared, index)?.map(|wanted| (wanted.key.len() < index.fields.len(), wanted)));
    }
    // What is left of an index may be another one.
    let is_spare = |n: usize, of: &Wanted| {
        found.iter().enumerate().any(|(m, (is_part, other))| other.name == of.name && (!is_part || m < n))
    };
    let parts = found.iter().enumerate().filter(|(n, (is_part, one))| !is_part || !is_spare(*n, one));
    let mut wanted: Vec<Wanted> = parts.map(|(_, (_, one))| one.clone()).collect();
    if let Some(ttl) = &declared.collection.ttl {
        add_expiry(declared, ttl, &mut wanted);
    }
    Ok(wanted)
}

impl Wanted {
    /// `None`: the server has it anyway, or nothing is asked of it. Words are looked for by patterns, since the server has its own idea of them, and
    /// takes only one index of them a collection.
    fn of(declared: &Declared, index: &Index) -> Result<Option<Self>, Error> {
        if index.kind == IndexKind::Text {
            return Ok(None);
        }
        let partial = match &index.partial {
            None => None,
            Some(predicate) => match stated(declared, predicate) {
                None if index.unique => return Err(not_stated(declared, index)),
                // Others than unique ones only make questions faster, and may hold more.
                None => stated_nearly(predicate),
                stated => stated,
            },
        };
        let mut key = Spec::new();
        let most = if index.unique { index.fields.len() } else { before_second_list(declared.collection, index) };
        for (path, direction) in index.fields.iter().take(most) {
            let path = if declared.implied_id && *path == "id" { "_id" } else { *path };
            key.insert(path, if *direction == Direction::Ascending { 1 } else { -1 });
        }
        if key.len() == 1 && key.contains_key("_id") {
            return Ok(None);
        }
        let mut options = Spec::new();
        if index.unique {
            options.insert("unique", true);
        }
        if let Some(partial) = partial {
            options.insert("partialFilterExpression", partial);
        }
        Ok(Some(Self { name: name_of(&key), key, options }))
    }

    /// As `createIndexes` takes it.
    pub(super) fn spec(&self) -> Spec {
        let mut spec = doc! {"name": &self.name, "key": self.key.clone()};
        spec.extend(self.options.clone());
        spec
    }

    /// As the meta document names it.
    pub(super) fn record(&self) -> Spec {
        doc! {"name": &self.name, "key": self.key.clone(), "options": self.options.clone()}
    }

    /// Whether that index of the server, by whatever name, is this one.
    pub(super) fn is(&self, found: &Spec) -> bool {
        self.same_key(found) && TELLING.iter().all(|option| same(self.options.get(option), found.get(option)))
    }

    /// Whether that index of the server, though another one, cannot stand beside this.
    pub(super) fn clashes(&self, found: &Spec) -> bool {
        self.same_key(found) && APART.iter().all(|option| same(self.options.get(option), found.get(option)))
    }

    /// The same under that name of the server's.
    pub(super) fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// The same under its own name, or where that is taken under one like it.
    pub(super) fn beside(&self, is_taken: impl Fn(&str) -> bool) -> Self {
        let (mut index, mut number) = (self.clone(), 1);
        while is_taken(&index.name) {
            number += 1;
            index.name = format!("{}_{number}", self.name);
        }
        index
    }

    fn same_key(&self, found: &Spec) -> bool {
        let Ok(key) = found.get_document("key") else { return false };
        let directions = |key: &Spec| key.iter().map(|(path, value)| (path.clone(), number(value))).collect::<Vec<_>>();
        directions(key) == directions(&self.key)
    }
}

/// Documents expire by an index too, where the server can state which ones; else [`Store::sweep`](crate::store::Store::sweep) finds them by
/// a plain one, and nothing expires by itself that should stay.
fn add_expiry(declared: &Declared, ttl: &Ttl, wanted: &mut Vec<Wanted>) {
    let key = doc! {declared.expires_by(ttl): 1};
    let partial = ttl.partial.as_ref().map(|predicate| stated(declared, predicate));
    let mut options = Spec::new();
    if partial != Some(None) {
        // Never earlier than it is declared.
        let seconds = ttl.after.0.max(0).saturating_add(999) / 1_000;
        options.insert("expireAfterSeconds", i32::try_from(seconds).unwrap_or(i32::MAX));
    }
    if let Some(Some(partial)) = partial {
        options.insert("partialFilterExpression", partial);
    }
    let mut name = name_of(&key);
    if let Some(twin) = wanted.iter_mut().find(|wanted| wanted.name == name) {
        if twin.options.is_empty() && !options.contains_key("partialFilterExpression") {
            // One index serves both.
            twin.options = options;
            return;
        }
        name += "_ttl";
    }
    wanted.push(Wanted { name, key, options });
}

/// How many of an index's fields the server can take: of those in one document only one may be a list, and where two are it refuses the document.
/// What is left serves as well, but for speed.
fn before_second_list(collection: &Collection, index: &Index) -> usize {
    let mut lists: Vec<&str> = Vec::new();
    for (n, (path, _)) in index.fields.iter().enumerate() {
        let own: Vec<&str> = may_be_lists(collection, path).collect();
        let apart = |one: &str, other: &str| !leads_to(one, other) && !leads_to(other, one);
        if own.iter().any(|own| lists.iter().any(|list| apart(list, own))) {
            return n;
        }
        lists.extend(own);
    }
    index.fields.len()
}

/// Whether `path` is, or leads through, `part`.
fn leads_to(part: &str, path: &str) -> bool {
    path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The server's default name.
fn name_of(key: &Spec) -> String {
    let parts = key.iter().map(|(path, direction)| format!("{path}_{direction}"));
    parts.collect::<Vec<_>>().join("_")
}

/// A condition as the server takes it in an index. `None`: it cannot be stated there.
fn stated(declared: &Declared, predicate: &Predicate) -> Option<Spec> {
    match predicate {
        Predicate::Exists(path) => Some(doc! {*path: {"$exists": true}}),
        Predicate::Missing(_) => None,
        Predicate::Eq(path, constant) => Some(doc! {*path: value(declared, path, constant)?}),
        Predicate::In(path, constants) => {
            let values =
                constants.iter().map(|constant| value(declared, path, constant)).collect::<Option<Vec<_>>>()?;
            Some(doc! {*path: {"$in": values}})
        }
        Predicate::All(all) => Some(doc! {"$and": every(declared, all)?}),
        Predicate::Any(any) => Some(doc! {"$or": every(declared, any)?}),
    }
}

/// A condition that holds for some more. What is missing is null too, and that can be stated; whoever asks for what is missing says both.
fn stated_nearly(predicate: &Predicate) -> Option<Spec> {
    match predicate {
        Predicate::Missing(path) => Some(doc! {*path: Bson::Null}),
        _ => None,
    }
}

fn every(declared: &Declared, predicates: &[Predicate]) -> Option<Vec<Spec>> {
    predicates.iter().map(|predicate| stated(declared, predicate)).collect()
}

/// A constant that single values are compared with. In lists and objects the server finds more than is meant.
fn value(declared: &Declared, path: &str, constant: &Constant) -> Option<Bson> {
    let kind = declared.collection.kind_of(path);
    let single = !matches!(kind, Kind::Json | Kind::List | Kind::Object);
    let plain = !matches!(constant, Constant::EmptyList | Constant::EmptyObject);
    if single && plain { encode_value(kind, &constant.to_json()) } else { None }
}

/// Numbers and truth as the server may keep them in another type.
fn same(one: Option<&Bson>, other: Option<&Bson>) -> bool {
    match (one, other) {
        (None, Some(Bson::Boolean(false))) | (Some(Bson::Boolean(false)), None) => true,
        (Some(one), Some(other)) => one == other || number(one).is_some() && number(one) == number(other),
        (one, other) => one == other,
    }
}

fn number(value: &Bson) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "directions and seconds are small")]
    let float = || value.as_f64().map(|number| number as i64);
    super::open::whole(value).or_else(float)
}

fn not_stated(declared: &Declared, index: &Index) -> Error {
    let what = format!(
        "the unique index {} of {}, partial by what is no single value,",
        index.name(),
        declared.collection.name
    );
    Error::Unsupported { what, by: "the store on MongoDB".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Direction::{Ascending, Descending};
    use crate::schema::Field;
    use crate::time::Millis;

    const C: Collection = Collection::new("t.c", 1)
        .fields(&[
            Field::id("id"),
            Field::text("s").optional(),
            Field::text("state.status").optional(),
            Field::timestamp("at").optional(),
            Field::list("tags").optional(),
        ])
        .indexes(&[
            Index::by(&[("id", Ascending)]).unique(),
            Index::by(&[("s", Ascending), ("at", Descending)]).unique().partial(Predicate::All(&[
                Predicate::Exists("at"),
                Predicate::In("state.status", &[Constant::Text("a"), Constant::Text("b")]),
            ])),
            Index::by(&[("s", Ascending)]).partial(Predicate::Missing("at")),
            Index::each(&[("tags", Ascending)]),
            Index::text(&[("s", Ascending)]),
            Index::by(&[("at", Ascending)]),
        ])
        .ttl(Ttl { field: "at", after: Millis(1_500), partial: None });

    #[test]
    fn indexes_bear_the_names_that_the_server_gives() {
        let found = wanted(&Declared::of(&C)).unwrap();
        let specs: Vec<Spec> = found.iter().map(Wanted::spec).collect();
        let partial = doc! {"$and": [{"at": {"$exists": true}}, {"state.status": {"$in": ["a", "b"]}}]};
        assert_eq!(
            specs,
            [
                doc! {"name": "id_1", "key": {"id": 1}, "unique": true},
                doc! {"name": "s_1_at_-1", "key": {"s": 1, "at": -1}, "unique": true, "partialFilterExpression": partial},
                doc! {"name": "s_1", "key": {"s": 1}, "partialFilterExpression": {"at": Bson::Null}},
                doc! {"name": "tags_1", "key": {"tags": 1}},
                doc! {"name": "at_1", "key": {"at": 1}, "expireAfterSeconds": 2},
            ]
        );
    }

    #[test]
    fn of_what_may_be_lists_an_index_has_one() {
        const LISTS: Collection = Collection::new("t.l", 1)
            .fields(&[
                Field::json("any").optional(),
                Field::list("tags").optional(),
                Field::text("s").optional(),
                Field::text("a.b").optional(),
                Field::text("a.c").optional(),
                Field::text("o.b"),
            ])
            .indexes(&[
                Index::by(&[
                    ("s", Ascending),
                    ("any", Ascending),
                    ("o.b", Ascending),
                    ("tags", Ascending),
                    ("s", Ascending),
                ]),
                Index::by(&[("a.b", Ascending), ("a.c", Ascending), ("s", Ascending)]),
                Index::by(&[("any", Ascending), ("a.b", Ascending)]),
                Index::by(&[("any", Descending), ("tags", Ascending)]),
                Index::by(&[("any", Ascending), ("tags", Ascending)]),
                Index::by(&[("any", Descending)]),
            ]);
        let found = wanted(&Declared::of(&LISTS)).unwrap();
        let names: Vec<&str> = found.iter().map(|index| index.name.as_str()).collect();
        assert_eq!(names, ["s_1_any_1_o.b_1", "a.b_1_a.c_1_s_1", "any_1", "any_-1"]);
    }

    #[test]
    fn nothing_expires_by_itself_that_the_server_cannot_tell_from_what_stays() {
        const PINNED: Collection = Collection::new("t.p", 1).fields(&[Field::timestamp("at")]).ttl(Ttl {
            field: "at",
            after: Millis(1),
            partial: Some(Predicate::Missing("pinned")),
        });
        let found = wanted(&Declared::of(&PINNED)).unwrap();
        assert_eq!(found.iter().map(Wanted::spec).collect::<Vec<_>>(), [doc! {"name": "at_1", "key": {"at": 1}}]);
    }

    #[test]
    fn an_index_is_known_by_what_it_does_and_not_by_its_name() {
        let found = &wanted(&Declared::of(&C)).unwrap()[4];
        let other = |seconds: Bson| doc! {"v": 2, "key": {"at": 1.0}, "name": "mine", "expireAfterSeconds": seconds};
        assert!(found.is(&other(Bson::Int64(2))) && found.is(&other(Bson::Double(2.0))));
        assert!(!found.is(&other(Bson::Int32(3))) && !found.is(&doc! {"key": {"at": 1}, "name": "at_1"}));
    }
}
