//! Differential test: tables over a snapshot give the same answers as tables in memory after the same operations.

use std::collections::BTreeMap;
use std::ops::Bound;

use runstate_core::schema::{Accumulator, Aggregate, Filter, Group};
use runstate_store::tables::{LoggedCommit, LoggedOp, PendingCommits};
use runstate_value::{Document, difference};

use super::super::write::pieces_with_block_size;
use super::*;
use crate::commit_file::CommitEntry;

/// The notes as another program declares them.
const OTHERWISE: Collection = Collection::new("t.notes", 2)
    .fields(&[Field::json("a").optional(), Field::text("b").optional(), Field::timestamp("at").optional()])
    .indexes(&[Index::ordered(&[("b", Ascending)]), Index::ordered(&[("a", Descending), ("at", Ascending)])])
    .ttl(Ttl { field: "at", after: Millis(3), partial: Some(Predicate::Exists("a")) });

/// A small random generator, seeded by `RUNSTATE_SEED` so that a failure can be reproduced.
struct RandomGenerator(u64);

impl RandomGenerator {
    fn new(round: u64) -> Self {
        let seed = std::env::var("RUNSTATE_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(20_261u64);
        println!("round {round}: RUNSTATE_SEED={seed}");
        let mut random = Self((seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1);
        for _ in 0..8 {
            random.below(2);
        }
        random
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn choose<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }

    fn value(&mut self) -> Json {
        self.choose(&[
            json!(0),
            json!(1),
            json!(2),
            json!(1.0),
            json!(null),
            json!(true),
            json!("x"),
            json!("y y"),
            json!([1]),
        ])
    }

    fn document(&mut self) -> Document {
        let mut document = Document::new();
        let mut set = |random: &mut Self, name: &str, value: Json| {
            if random.below(4) > 0 {
                document.insert(name.to_owned(), value);
            }
        };
        let a = self.value();
        set(self, "a", a);
        let b = self.choose(&[json!("1"), json!("1.0"), json!("-2.50"), json!("10")]);
        set(self, "b", b);
        let tags = (0..self.below(3)).map(|_| self.value()).collect();
        set(self, "tags", tags);
        let text = self.choose(&["one two", "Two, three!", "", "three"]);
        set(self, "text", text.into());
        let any = self.value();
        set(self, "any", any);
        let at = self.below(30);
        set(self, "at", at.into());
        document
    }

    fn id(&mut self) -> String {
        format!("{:02x}", self.below(60))
    }

    fn filter(&mut self) -> Filter {
        let path = self.choose(&["a", "b", "at"]).to_owned();
        let value = if path == "b" { json!("1") } else { self.value() };
        match self.below(14) {
            0 => Filter::All,
            1 | 2 => Filter::Eq(path, value),
            3 => Filter::In(path, vec![value, json!(1), json!("10")]),
            4 => Filter::Gte("at".to_owned(), self.below(30).into()),
            5 => Filter::Lt("at".to_owned(), self.below(30).into()),
            6 => Filter::Contains("tags".to_owned(), value),
            7 => Filter::Text("text".to_owned(), self.choose(&["two", "THREE", "one two", "", "four"]).to_owned()),
            8 => Filter::Contains(
                "any".to_owned(),
                self.choose(&[json!(1), json!("x"), json!(null), json!({}), json!([1])]),
            ),
            9 => Filter::Exists(path, self.below(2) == 0),
            10 => Filter::Not(Box::new(self.filter())),
            11 => Filter::Or(vec![self.filter(), self.filter()]),
            _ => Filter::And(vec![self.filter(), self.filter()]),
        }
    }
}

/// Both tables, and the commits since the base.
struct TablesPair {
    plain: Tables,
    based: Tables,
    base: Option<Arc<SnapshotBase>>,
    since: Vec<LoggedCommit>,
    catalog: Catalog,
    successes: BTreeMap<&'static str, usize>,
    commands: usize,
}

impl TablesPair {
    fn new() -> Self {
        let plain = Tables::new(&catalog(), BatchLimits::default());
        let (based, catalog) = (plain.clone(), catalog());
        Self { plain, based, base: None, since: Vec::new(), catalog, successes: BTreeMap::new(), commands: 0 }
    }

    fn count(&mut self, operation: &'static str, succeeded: bool) {
        *self.successes.entry(operation).or_default() += usize::from(succeeded);
    }

    fn batch(&mut self, random: &mut RandomGenerator) -> Batch {
        // Occasionally repeats the previous command id.
        self.commands += usize::from(random.below(12) > 0);
        let mut writes: BTreeMap<Key, Write> = BTreeMap::new();
        for _ in 0..=random.below(4) {
            let write = if random.below(4) == 0 { name(random) } else { self.write(random) };
            writes.insert(write.key.clone(), write);
        }
        batch(&format!("c{}", self.commands), writes.into_values().collect())
    }

    fn write(&self, random: &mut RandomGenerator) -> Write {
        let key = Key::new(&NOTES, &random.id());
        let document = Arc::new(random.document());
        let found = self.plain.get(&key).unwrap();
        let version = self.catalog.get(NOTES.name).map_or(1, |c| c.version);
        match (random.below(6), found) {
            (0, _) => Write { key, expect: Expectation::Any, op: WriteOp::Delete },
            (1, _) => Write { key, expect: Expectation::Absent, op: WriteOp::Put { version, document } },
            (2 | 3, Some(found)) => {
                let mut after = Document::clone(&found.document);
                after.insert(random.choose(&["a", "any"]).to_owned(), random.value());
                let op = WriteOp::Change {
                    difference: Arc::new(difference(&found.document, &after)),
                    after: Arc::new(after),
                };
                Write { key, expect: Expectation::Revision(found.revision), op }
            }
            _ => Write { key, expect: Expectation::Any, op: WriteOp::Put { version, document } },
        }
    }

    fn commit(&mut self, random: &mut RandomGenerator) {
        let (mut plain, mut based) = (PendingCommits::default(), PendingCommits::default());
        for _ in 0..=random.below(3) {
            let batch = self.batch(random);
            let planned = (self.plain.plan_after(&plain, &batch), self.based.plan_after(&based, &batch));
            assert_eq!(format!("{:?}", planned.0), format!("{:?}", planned.1));
            match planned {
                (Ok(BatchPlan::PlannedCommit(a)), Ok(BatchPlan::PlannedCommit(b))) => {
                    self.count("commit", true);
                    self.since.push(CommitEntry::from_batch(&batch, &a).logged);
                    plain.push(a);
                    based.push(b);
                }
                (Ok(_), _) => self.count("replay", true),
                (Err(error), _) => self.count(error.code().as_str(), true),
            }
        }
        plain.into_commits().into_iter().for_each(|commit| self.plain.apply(commit));
        based.into_commits().into_iter().for_each(|commit| self.based.apply(commit));
    }

    fn sweep(&mut self, random: &mut RandomGenerator) {
        let now = Timestamp::from_millis(random.below(25) as i64);
        let limit = 1 + random.below(3) as usize;
        let (a, b) = (self.plain.plan_sweep(NOTES.name, now, limit), self.based.plan_sweep(NOTES.name, now, limit));
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
        let (a, b) = (a.unwrap(), b.unwrap());
        self.count("sweep", !a.changes.is_empty());
        let ops = a.changes.iter().map(|change| (change.key.clone(), LoggedOp::Delete)).collect();
        self.since.push(LoggedCommit { command: a.command.clone(), entry: None, ops });
        self.plain.apply(a);
        self.based.apply(b);
    }

    fn query(&mut self, random: &mut RandomGenerator) {
        let mut query = Query::of(&NOTES).filter(random.filter());
        for _ in 0..random.below(3) {
            query = query.sort(random.choose(&["a", "b", "at"]), random.choose(&[Ascending, Descending]));
        }
        query.limit = (random.below(3) > 0).then(|| 1 + random.below(5) as u32);
        loop {
            let (a, b) = (self.plain.query(&query).unwrap(), self.based.query(&query).unwrap());
            assert_eq!(a, b, "{query:?}");
            self.count("query", !a.items.is_empty());
            self.count("page", query.cursor.is_some() && !a.items.is_empty());
            query.cursor = a.next;
            if query.cursor.is_none() {
                break;
            }
        }
    }

    fn aggregate(&mut self, random: &mut RandomGenerator) {
        let group_by =
            random.choose(&[vec![], vec![Group::Field("a".into())], vec![Group::Bucket("at".into(), Millis(7))]]);
        let numbers = [
            ("count", Accumulator::Count),
            ("if", Accumulator::CountIf(random.filter())),
            ("sum", Accumulator::Sum("at".into())),
            ("avg", Accumulator::Avg("b".into())),
            ("max", Accumulator::Max("b".into())),
            ("half", Accumulator::Percentile("at".into(), 50.0)),
        ];
        let accumulators = numbers.into_iter().map(|(name, number)| (name.to_owned(), number)).collect();
        let request = Aggregate { collection: NOTES.name.into(), filter: random.filter(), group_by, accumulators };
        let (a, b) = (self.plain.aggregate(&request).unwrap(), self.based.aggregate(&request).unwrap());
        assert_eq!(a, b, "{request:?}");
        self.count("aggregate", a.iter().any(|row| row["count"] != json!(0)));
    }

    fn snapshot(&mut self, random: &mut RandomGenerator) {
        let bytes = pieces_with_block_size(&header(), &self.based, random.choose(&[1, 100, 700, 1 << 15]))
            .into_bytes()
            .unwrap();
        assert_eq!(write(&header(), &self.based).unwrap(), write(&header(), &self.plain).unwrap());
        let base = open_base(&bytes);
        base.verify().unwrap();
        self.base = Some(base);
        self.since.clear();
        self.count("snapshot", true);
        self.reopen();
    }

    /// Reopens as a store does: the snapshot, then the commits since, and then the catalog.
    fn reopen(&mut self) {
        let Some(base) = self.base.clone() else { return };
        let mut based = Tables::with_base(base, BatchLimits::default()).unwrap();
        for logged in &self.since {
            based.apply_logged(logged).unwrap();
        }
        based.declare(&self.catalog).unwrap();
        self.count("reopen", !self.since.is_empty());
        self.based = based;
    }

    fn declare(&mut self, random: &mut RandomGenerator) {
        let other = Catalog::new(&[&OTHERWISE]).unwrap();
        self.catalog = random.choose(&[catalog(), catalog(), other]);
        let declared = (self.plain.declare(&self.catalog), self.based.declare(&self.catalog));
        assert_eq!(declared, (Ok(()), Ok(())));
        self.count("declare", true);
    }

    fn compare(&mut self) {
        assert_eq!(self.plain.len(), self.based.len());
        assert_eq!(self.plain.collections().collect::<Vec<_>>(), self.based.collections().collect::<Vec<_>>());
        let all = |tables: &Tables| tables.iter().map(|row| format!("{row:?}")).collect::<Vec<_>>();
        assert_eq!(all(&self.plain), all(&self.based));
        let command = CommandId::new(&format!("c{}", self.commands)).unwrap();
        assert_eq!(self.plain.outcome(&command), self.based.outcome(&command));
        assert_eq!(self.plain.indexes(), self.based.indexes());
        for part in self.plain.indexes() {
            let all = |tables: &Tables| tables.entries(&part, Bound::Unbounded).collect::<Result<Vec<_>, _>>().unwrap();
            assert_eq!(all(&self.plain), all(&self.based), "{part:?}");
        }
    }
}

fn name(random: &mut RandomGenerator) -> Write {
    let mut document = json!({"live": random.below(4) > 0});
    if random.below(5) > 0 {
        document["name"] = format!("n{}", random.below(12)).into();
    }
    put(&NAMES, random.choose(&["n1", "n2", "n3", "n4", "n5"]), document)
}

#[test]
fn tables_over_a_base_answer_as_tables_in_memory_do() {
    let mut successes: BTreeMap<&'static str, usize> = BTreeMap::new();
    for round in 0..6 {
        let mut random = RandomGenerator::new(round);
        let mut pair = TablesPair::new();
        for _ in 0..250 {
            match random.below(20) {
                0..=6 => pair.commit(&mut random),
                7 => pair.sweep(&mut random),
                8..=13 => pair.query(&mut random),
                14..=15 => pair.aggregate(&mut random),
                16 => pair.snapshot(&mut random),
                17 => pair.reopen(),
                18 => pair.declare(&mut random),
                _ => pair.compare(),
            }
        }
        pair.compare();
        pair.successes.into_iter().for_each(|(operation, count)| *successes.entry(operation).or_default() += count);
    }
    let all = ["commit", "replay", "sweep", "query", "page", "aggregate", "snapshot", "reopen", "declare", "conflict"];
    for operation in all.into_iter().chain(["unique_violation"]) {
        assert!(successes.get(operation).is_some_and(|count| *count > 0), "{operation} never succeeded: {successes:?}");
    }
}
