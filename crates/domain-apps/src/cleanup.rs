//! Clean-up after an import, or after documents were deleted by hand: entries of the search that are missing, and rows
//! whose execution is missing.

use std::any::Any;

use runstate_core::prelude::*;
use runstate_core::schema::{DamageCode, Freshness, sealed};
use runstate_value::{collect_document, json_bytes};

use crate::artifact::Artifact;
use crate::execution::AppExecution;
use crate::search::{SearchEntry, joined_words, step_texts};
use crate::step::{QueuedStep, Step};

/// The collections that it reads, in order.
const COLLECTIONS: [&Collection; 4] =
    [&Step::COLLECTION, &Artifact::COLLECTION, &SearchEntry::COLLECTION, &QueuedStep::COLLECTION];

/// Number of rows that one commit reads. Steps have their inputs and outputs.
const ROWS: u32 = 50;

/// The bytes of entries after which a commit ends.
const BYTES: usize = 4 * 1024 * 1024;

/// Writes for each row at most: a step, its entry and its place in the queue.
const WRITES_PER_ROW: usize = 3;

/// The name of the query for rows.
const FOUND: &str = "rows";

/// Makes the entries of the search that are missing or have other texts than their step, removes those whose step or
/// artifact is missing, and removes steps and rows of the queue whose execution is missing. Documents that another
/// program wrote need it: an import of such documents ends with it.
///
/// Errors: `invalid` (`from`).
#[derive(Clone, Debug, Default, Serialize, Operation)]
#[operation(name = "apps.cleanup")]
pub struct CleanUp {
    /// Whether steps and rows of the queue stay whose execution is missing.
    pub search_only: bool,
    /// Where it begins: `next` of an earlier result; by default at the first document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// The parameters that complete the search, and remove nothing else.
pub(super) fn search_only() -> Document {
    collect_document([("searchOnly".to_owned(), true.into())])
}

/// The result of a clean-up.
#[derive(Wire, Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanUpReport {
    /// Number of entries of the search that were made or corrected.
    pub completed: u64,
    /// Number of rows that were removed.
    pub removed: u64,
    /// Where it continues; missing: it is done.
    pub next: Option<String>,
}

impl CleanUp {
    /// The index of the collection that it reads, and the id after which it begins.
    fn place(&self) -> Option<(usize, &str)> {
        let Some(from) = &self.from else { return Some((0, "")) };
        let (name, id) = from.split_once('/')?;
        Some((COLLECTIONS.iter().position(|collection| collection.name == name)?, id))
    }
}

impl Command for CleanUp {
    type Output = CleanUpReport;

    fn check(&self) -> Result<()> {
        match self.place() {
            Some(_) => Ok(()),
            None => Err(Rejection::invalid("from", "it must be `next` of an earlier result")),
        }
    }

    fn reads(&self, _: &View) -> ReadSet {
        let (index, after) = self.place().unwrap_or_default();
        let query = Query::of(COLLECTIONS[index]).filter(Filter::Gt("id".to_owned(), after.into()));
        // It decides on what is missing.
        ReadSet::empty().with_freshness(Freshness::Linearizable).query(FOUND, query.limit(ROWS).with_unreadable())
    }

    fn decide(&self, view: &View, ctx: &mut Ctx) -> Result<Decision<CleanUpReport>> {
        let (index, after) = self.place().unwrap_or_default();
        let rows = view.rows(FOUND).unwrap_or_default();
        let execution = |row: &Document| {
            let id = row.get("execution_id").and_then(Json::as_str).unwrap_or_default();
            Key::new(&AppExecution::COLLECTION, id)
        };
        let beside = |id: &str| COLLECTIONS.map(|collection| Key::new(collection, id));
        view.require(rows.iter().flat_map(|(key, row)| beside(&key.id).into_iter().chain([execution(&row.document)])))?;
        let most = (ctx.max_writes.saturating_sub(2) / WRITES_PER_ROW).max(1);
        let mut decision = Decision::new(CleanUpReport::default());
        let unreadable = view.page_of::<()>(FOUND, Vec::new()).damaged;
        let unreadable =
            unreadable.into_iter().map(|one| (Key::new(COLLECTIONS[index], &one.id), one.code, one.reason));
        decision.damaged.extend(unreadable);
        let (mut bytes, mut last, mut read) = (0, after, 0);
        for (key, row) in rows.iter().take(most) {
            let is_orphan = view.get(&execution(&row.document)).is_none();
            let [step, artifact, entry, queued] = beside(&key.id);
            let exists = |key: &Key| view.get(key).is_some();
            let sealed = || sealed::violation(Step::COLLECTION.fields, &row.document);
            let remove = match index {
                0 if is_orphan
                    && !self.search_only
                    && let Some(why) = sealed() =>
                {
                    decision.damaged.push((key.clone(), DamageCode::KeyMissing, why.to_string()));
                    Vec::new()
                }
                0 if is_orphan && !self.search_only => vec![step, entry, queued],
                2 if !exists(&step) && !exists(&artifact) => vec![entry],
                3 if (is_orphan || !exists(&step)) && !self.search_only => vec![queued],
                0 | 1 => {
                    match complete_entry(key, &row.document, view, ctx, &mut decision) {
                        Ok(written) => bytes += written,
                        // It is reported, and delays no other.
                        Err(damage) if let Some(code) = damage.damage_code() => {
                            decision.damaged.push((key.clone(), code, damage.to_string()));
                        }
                        Err(other) => return Err(other),
                    }
                    Vec::new()
                }
                _ => Vec::new(),
            };
            for key in remove {
                if let Some(found) = view.get(&key) {
                    decision.output.removed += 1;
                    decision.changes.push(Change::Delete { key, revision: Some(found.revision.clone()) });
                }
            }
            (last, read) = (&key.id, read + 1);
            if bytes > BYTES {
                break;
            }
        }
        let is_over = read == rows.len() && view.next_cursor(FOUND).is_none();
        decision.output.next = match COLLECTIONS.get(index + 1) {
            _ if !is_over => Some(format!("{}/{last}", COLLECTIONS[index].name)),
            Some(next) => Some(format!("{}/", next.name)),
            None => None,
        };
        Ok(decision)
    }

    fn next(&self, output: &CleanUpReport, _: &Ports) -> Option<Box<dyn AnyCommand>> {
        let from = Some(output.next.clone()?);
        Some(TypedCommand::boxed(Self { from, ..self.clone() }))
    }

    fn absorb(&self, output: &mut CleanUpReport, part: Box<dyn Any>) {
        if let Ok(part) = part.downcast::<CleanUpReport>() {
            output.completed += part.completed;
            output.removed += part.removed;
            output.next = part.next;
        }
    }
}

/// Makes or corrects the entry of a step or of an artifact. Returns the bytes that it writes.
fn complete_entry(
    key: &Key,
    row: &Document,
    view: &View,
    ctx: &Ctx,
    decision: &mut Decision<CleanUpReport>,
) -> Result<usize> {
    let execution = row.get("execution_id").and_then(Json::as_str).unwrap_or_default();
    let app = view.get(&Key::new(&AppExecution::COLLECTION, execution));
    let app_id = app.and_then(|app| app.document.get("app_id")?.as_i64());
    let found = view.find_entity::<SearchEntry>(&key.id)?;
    let entry = if key.collection == Step::COLLECTION.name {
        let texts = step_texts(&Step::COLLECTION, row);
        if let Some(mut found) = found {
            if found.entity.texts == texts && found.entity.words == joined_words(&texts) {
                return Ok(0);
            }
            (found.entity.words, found.entity.texts, found.entity.at) = (joined_words(&texts), texts, ctx.now);
            decision.output.completed += 1;
            let change = found.update(ctx.now)?;
            let bytes = change.document().map_or(0, json_bytes);
            decision.changes.push(change);
            return Ok(bytes);
        }
        SearchEntry::of_step(&key.id, row, app_id, texts, ctx.now)
    } else {
        // The content of one that another program stored is not known here: it is found by its name.
        let artifact = Artifact::from_document(row).map_err(|violation| Rejection::unreadable(key, &violation))?;
        if found.is_some() || !Artifact::is_text(&artifact.artifact_type, &artifact.mime_type) {
            return Ok(0);
        }
        SearchEntry { app_id, ..SearchEntry::of_artifact(&artifact, 0, "") }
    };
    decision.output.completed += 1;
    let change = Change::insert(&entry)?;
    let bytes = change.document().map_or(0, json_bytes);
    decision.changes.push(change);
    Ok(bytes)
}
