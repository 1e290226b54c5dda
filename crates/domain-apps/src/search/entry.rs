//! Entries: of steps, by a trigger, and of artifacts.

use runstate_core::operation::{ChangedDocument, Trigger};
use runstate_core::prelude::*;
use runstate_core::schema::FieldType;

use super::text::{SearchedText, artifact_texts, joined_words, step_texts};
use crate::artifact::Artifact;
use crate::execution::AppExecution;
use crate::step::Step;

/// The words of a step or an artifact, under its id.
#[derive(Entity, Clone, Debug, PartialEq)]
#[entity(collection = "apps.search_entries", version = 1)]
#[index(text(words))]
#[index(execution_id)]
#[ttl(expires_at, seconds = 0)]
pub struct SearchEntry {
    /// Its id: that of the step or the artifact.
    #[entity(id)]
    pub id: String,
    /// Whether it is of a step or of an artifact.
    pub kind: SearchKind,
    /// The execution.
    #[entity(references = "apps.executions")]
    pub execution_id: String,
    /// The number of the app; missing if the execution was deleted.
    pub app_id: Option<i64>,
    /// The number of the step.
    pub step_id: i64,
    /// The texts.
    pub texts: Vec<SearchedText>,
    /// Their words, once each.
    #[entity(words)]
    pub words: String,
    /// When the texts changed last.
    pub at: Timestamp,
    /// When the step or the artifact expires; missing if that is not known yet.
    pub expires_at: Option<Timestamp>,
}

/// The kind of a search entry.
#[derive(FieldType, Wire, Parameter, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchKind {
    /// Steps.
    Step,
    /// Artifacts.
    Artifact,
}

/// An entry follows its step.
pub const STEP_ENTRIES: Trigger = Trigger { collection: Step::COLLECTION.name, concerns: |_| true, run: follow_step };

/// Writes the entry of a changed step, if its texts or its expiry change.
fn follow_step(changed: ChangedDocument<'_>, decision: &mut Decision<()>) -> Result<()> {
    let ChangedDocument { key, after, view, ctx, .. } = changed;
    let searched = |step: &Document| {
        let expires_at = Step::COLLECTION.ttl.and_then(|ttl| ttl.expires_at(step));
        (step_texts(&Step::COLLECTION, step), expires_at)
    };
    let (texts, expires_at) = searched(after);
    let before = view.get(key).map(|before| searched(&before.document));
    let unchanged = (texts, expires_at);
    if before.as_ref() == Some(&unchanged) {
        return Ok(());
    }
    let (texts, expires_at) = unchanged;
    if before.is_some() {
        require_entries(view, decision)?;
        if let Some(mut entry) = decision.current::<SearchEntry>(view, &key.id)? {
            entry.expires_at = expires_at;
            if entry.texts != texts {
                (entry.words, entry.texts, entry.at) = (joined_words(&texts), texts, ctx.now);
            }
            return decision.write(view, entry, ctx.now);
        }
    }
    // The step is new, or an earlier version has created it.
    let execution_id = after.get("execution_id").and_then(Json::as_str).unwrap_or_default();
    let app_id = app_of(execution_id, view, decision);
    let entry = SearchEntry::of_step(&key.id, after, app_id, texts, ctx.now);
    decision.changes.push(Change::insert(&entry)?);
    Ok(())
}

/// Reads the entries of all changed steps at once, if one was not read yet.
fn require_entries(view: &View, decision: &Decision<()>) -> Result<()> {
    let updated = decision.changes.iter().filter_map(|change| match change {
        Change::Update { key, .. } if key.collection == Step::COLLECTION.name => Some(key),
        _ => None,
    });
    let entries = updated.map(|step| Key::new(&SearchEntry::COLLECTION, &step.id));
    let unread: Vec<Key> = entries.filter(|entry| !view.has_read(entry)).collect();
    if unread.is_empty() { Ok(()) } else { Err(Rejection::Unread(unread)) }
}

/// The app of an execution. It never changes, so it is not checked.
fn app_of(execution_id: &str, view: &View, decision: &Decision<()>) -> Option<i64> {
    let key = Key::new(&AppExecution::COLLECTION, execution_id);
    let changed = decision.changes.iter().find(|change| *change.key() == key);
    let execution = changed.and_then(Change::document).or_else(|| view.get(&key).map(|read| &*read.document));
    execution?.get("app_id")?.as_i64()
}

impl SearchEntry {
    /// The entry of a step with these texts.
    pub(crate) fn of_step(
        id: &str,
        step: &Document,
        app_id: Option<i64>,
        texts: Vec<SearchedText>,
        now: Timestamp,
    ) -> Self {
        Self {
            id: id.to_owned(),
            kind: SearchKind::Step,
            execution_id: step.get("execution_id").and_then(Json::as_str).unwrap_or_default().to_owned(),
            app_id,
            step_id: step.get("step_id").and_then(Json::as_i64).unwrap_or_default(),
            words: joined_words(&texts),
            texts,
            at: now,
            expires_at: Step::COLLECTION.ttl.and_then(|ttl| ttl.expires_at(step)),
        }
    }

    /// The entry of a new artifact with this content.
    pub(crate) fn of_artifact(artifact: &Artifact, app_id: i64, content: &str) -> Self {
        let texts = artifact_texts(artifact, content);
        Self {
            id: artifact.id.clone(),
            kind: SearchKind::Artifact,
            execution_id: artifact.execution_id.clone(),
            app_id: Some(app_id),
            step_id: artifact.step_id,
            words: joined_words(&texts),
            texts,
            at: artifact.created_at,
            expires_at: Artifact::COLLECTION.ttl.map(|ttl| artifact.created_at + ttl.after),
        }
    }
}
