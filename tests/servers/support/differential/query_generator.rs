//! Random documents and queries, of every kind, declared and undeclared, also meaningless ones.

use runstate::schema::Direction::{self, Ascending, Descending};
use runstate::schema::{
    Accumulator, Aggregate, Collection, Field, Filter, Group, Index, Literal, Predicate, Query, Sort, Ttl,
};
use runstate::time::Millis;
use runstate::value::{Document, Json};
use serde_json::json;

/// Fields of every kind, at the top and inside objects, declared and not.
pub const ITEMS: Collection = Collection::new("diff.items", 1)
    .fields(&[
        Field::id("id"),
        Field::text("name").optional(),
        Field::int("n").optional(),
        Field::float("x").optional(),
        Field::bool("live").default(Literal::Bool(false)),
        Field::decimal("cost").optional(),
        Field::timestamp("at").optional(),
        Field::json("any").optional(),
        Field::list("tags").optional(),
        Field::object("meta").optional(),
        Field::timestamp("meta.at").optional(),
        Field::decimal("meta.cost").optional(),
        Field::int("meta.n"),
        // `loose` may hold a value of any kind.
        Field::timestamp("loose.at").optional(),
        Field::int("loose.n").optional(),
        Field::bool("pinned").optional(),
    ])
    .indexes(&[
        Index::ordered(&[("name", Ascending), ("n", Descending)]),
        Index::ordered(&[("any", Ascending)]),
        Index::ordered(&[("cost", Ascending)]).unique().partial(Predicate::Eq("live", Literal::Bool(true))),
        Index::ordered(&[("n", Ascending), ("at", Ascending)]).partial(Predicate::Missing("pinned")),
        Index::ordered(&[("meta.at", Descending)]).partial(Predicate::Exists("meta.at")),
        Index::each(&[("tags", Ascending)]),
    ])
    .ttl(Ttl { field: "at", after: Millis(1_000), partial: Some(Predicate::Missing("pinned")) });

/// Paths for filters and sorts.
const PATHS: [&str; 25] = [
    "id",
    "name",
    "n",
    "x",
    "live",
    "cost",
    "at",
    "any",
    "any.k",
    "tags",
    "meta",
    "meta.at",
    "meta.cost",
    "meta.n",
    "meta.k",
    "loose",
    "loose.at",
    "loose.n",
    "loose.at.n",
    "pinned",
    "odd",
    "_rev",
    "a..b",
    "any.$k",
    "tags.0",
];

const IDS: [&str; 12] = ["a", "b", "B", "é", "\u{ffff}", "\u{10000}", "x/y", "$c", "c.d", "d", "e", "f"];

/// A pseudo-random generator (xorshift): the same seed produces the same documents and queries.
pub struct QueryGenerator(pub u64);

impl QueryGenerator {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    pub fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()].clone()
    }

    pub fn id(&mut self) -> String {
        self.pick(&IDS).to_owned()
    }

    /// A value of any kind, often one that other documents have too.
    pub fn value(&mut self) -> Json {
        match self.below(16) {
            0 => Json::Null,
            1 => self.pick(&[json!(true), json!(false)]),
            2 | 3 => self.below(4).into(),
            4 => self.pick(&[
                json!(1.0),
                json!(-0.5),
                json!(2.5),
                json!(1e300),
                json!(-0.0),
                json!(i64::MIN),
                json!(u64::MAX),
            ]),
            5 => self.pick(&[json!(9_007_199_254_740_991i64), json!(9_007_199_254_740_992.0), json!(-3)]),
            6 | 7 => self.text(),
            8 => self.decimal(),
            9 => (i64::try_from(self.below(4_000)).unwrap() - 100).into(),
            10 | 11 => (0..self.below(3)).map(|_| self.value()).collect(),
            12 => self.pick(&[json!({}), json!({"k": 1}), json!({"k": {"l": 1}, "n": 2}), json!({"at": 5, "n": 1})]),
            13 => self.pick(&[
                json!([{"k": 1}, {"at": 5}]),
                json!([9_007_199_254_740_993i64]),
                json!([9_007_199_254_740_992.0]),
            ]),
            _ => self.below(3).into(),
        }
    }

    fn text(&mut self) -> Json {
        self.pick(&["", "p", "q", "pq", "P q-p", "Kelvin \u{212a}", "é", "a\u{0}b", "1.5", "a_b"]).into()
    }

    fn decimal(&mut self) -> Json {
        self.pick(&["0", "1.5", "1.50", "-2", "10", "0.001", "7.922816251426433759354395033", "100.00"]).into()
    }

    fn instant(&mut self) -> Json {
        (i64::try_from(self.below(40)).unwrap() * 100 - 500).into()
    }

    /// A document that mostly follows its declaration.
    pub fn item(&mut self, id: &str) -> Document {
        let mut item = Document::new();
        item.insert("id".into(), if self.below(8) == 0 { self.id().into() } else { id.into() });
        let mut set = |random: &mut Self, often: u64, name: &str, value: fn(&mut Self) -> Json| {
            if random.below(4) < often {
                let value = if random.below(12) == 0 { Json::Null } else { value(random) };
                item.insert(name.into(), value);
            }
        };
        set(self, 3, "name", Self::text);
        set(self, 3, "n", |random| random.below(4).into());
        set(self, 2, "x", |random| random.pick(&[json!(1), json!(1.0), json!(0.1), json!(-2.5), json!(3)]));
        set(self, 2, "cost", Self::decimal);
        set(self, 2, "at", Self::instant);
        set(self, 3, "any", Self::value);
        set(self, 2, "tags", |random| (0..random.below(4)).map(|_| random.value()).collect());
        set(self, 2, "meta", Self::meta);
        set(self, 2, "loose", |random| match random.below(4) {
            0 => json!([{"at": 5, "n": 1}, {"n": 2}]),
            1 => json!(7),
            _ => json!({"at": random.instant(), "n": random.below(3)}),
        });
        set(self, 1, "pinned", |_| json!(true));
        set(self, 1, "odd", Self::value);
        if self.below(3) == 0 {
            item.insert("live".into(), (self.below(3) == 0).into());
        }
        item
    }

    fn meta(&mut self) -> Json {
        let mut meta = json!({"n": self.below(3), "k": self.value()});
        if self.below(2) == 0 {
            meta["at"] = self.instant();
        }
        if self.below(2) == 0 {
            meta["cost"] = self.decimal();
        }
        if self.below(4) == 0 {
            meta["$a.b"] = self.value();
        }
        meta
    }

    fn path(&mut self) -> String {
        self.pick(&PATHS).to_owned()
    }

    /// A value to compare a field with, mostly of the field's kind.
    fn comparable_value(&mut self, path: &str) -> Json {
        match path {
            _ if self.below(4) == 0 => self.value(),
            "id" => self.id().into(),
            "name" => self.text(),
            "at" | "meta.at" | "loose.at" => {
                if self.below(6) == 0 {
                    json!(99.5)
                } else {
                    self.instant()
                }
            }
            "cost" | "meta.cost" => self.decimal(),
            "n" | "meta.n" | "loose.n" | "meta.k" => self.below(4).into(),
            "x" => self.pick(&[json!(1), json!(0.1), json!(-2.5)]),
            "live" | "pinned" => (self.below(2) == 0).into(),
            _ => self.value(),
        }
    }

    pub fn filter(&mut self, levels: u32) -> Filter {
        let path = self.path();
        let value = self.comparable_value(&path);
        match self.below(if levels == 0 { 12 } else { 17 }) {
            0 => Filter::All,
            1 | 2 => Filter::Eq(path, value),
            3 => Filter::Ne(path, value),
            4 => Filter::In(path.clone(), (0..self.below(4)).map(|_| self.comparable_value(&path)).collect()),
            5 => Filter::Lt(path, value),
            6 => Filter::Lte(path, value),
            7 => Filter::Gt(path, value),
            8 => Filter::Gte(path, value),
            9 => Filter::Exists(path, self.below(2) == 0),
            10 => Filter::Contains(path, value),
            11 => Filter::Text(path, self.pick(&["p", "Q p", "kelvin", "k", "é", "", "5", "b a", "1.5"]).to_owned()),
            12 | 13 => Filter::And((0..self.below(4)).map(|_| self.filter(levels - 1)).collect()),
            14 => Filter::Or((0..self.below(4)).map(|_| self.filter(levels - 1)).collect()),
            _ => Filter::Not(Box::new(self.filter(levels - 1))),
        }
    }

    fn direction(&mut self) -> Direction {
        self.pick(&[Ascending, Descending])
    }

    pub fn query(&mut self) -> Query {
        let mut query = Query::of(&ITEMS);
        query.filter = self.filter(3);
        for _ in 0..self.below(4) {
            let field =
                if self.below(3) == 0 { self.path() } else { self.pick(&["n", "name", "at", "cost"]).to_owned() };
            query.sort.push(Sort { field, direction: self.direction() });
        }
        query.limit = self.pick(&[None, Some(0), Some(1), Some(2), Some(3), Some(7)]);
        if self.below(3) == 0 {
            query.projection = (0..=self.below(3)).map(|_| self.path()).collect();
        }
        query
    }

    pub fn aggregate(&mut self) -> Aggregate {
        let filter = if self.below(2) == 0 { Filter::All } else { self.filter(2) };
        let mut groups = Vec::new();
        for _ in 0..self.below(3) {
            let path = self.path();
            groups.push(match self.below(4) {
                0 => Group::Bucket(
                    self.pick(&["at", "meta.at", "n", "any", "name"]).to_owned(),
                    Millis(self.pick(&[1, 3, 1_000])),
                ),
                1 => Group::Field(self.pick(&["n", "name", "live", "at"]).to_owned()),
                _ => Group::Field(path),
            });
        }
        // Of floats that are equal one is shown: the first by id.
        let count = self.below(4);
        let numbers = (0..count).map(|nth| (format!("number {nth}"), self.accumulator()));
        let accumulators = numbers.collect();
        Aggregate { collection: ITEMS.name.to_owned(), filter, group_by: groups, accumulators }
    }

    fn accumulator(&mut self) -> Accumulator {
        let path = if self.below(2) == 0 { self.path() } else { self.pick(&["n", "cost", "at", "meta.n"]).to_owned() };
        match self.below(8) {
            0 => Accumulator::Count,
            1 | 2 => Accumulator::CountIf(self.filter(1)),
            3 => Accumulator::Sum(path),
            4 => Accumulator::Avg(path),
            5 => Accumulator::Min(path),
            6 => Accumulator::Max(path),
            _ => Accumulator::Percentile(path, self.pick(&[0.0, 50.0, 95.0])),
        }
    }
}
