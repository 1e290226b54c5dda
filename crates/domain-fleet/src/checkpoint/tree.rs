//! The tree of checkpoints: the path to the first one, and differences between two.

use runstate_core::prelude::*;
use runstate_core::schema::Page;

use super::{Checkpoint, FileEntry};

/// Largest number of checkpoints in one page of a path. Each of them is found by the one after it.
const PATH_ROWS: usize = 25;

/// Returns a checkpoint and those before it, page by page, up to the first one of its project. The cursor of the next
/// page is the id of its first checkpoint.
///
/// Errors: `not_found`, `corrupt` (a checkpoint is before itself: its document was not written by an operation).
#[derive(Clone, Debug, Operation)]
#[operation(name = "fleet.checkpoint.path", query)]
pub struct ShowPath {
    /// The checkpoint.
    #[operation(subject)]
    pub uuid: String,
}

/// The first part of the path from a checkpoint to the first one of its project.
pub struct CheckpointPath {
    /// The checkpoints, with the newest one first.
    items: Vec<Checkpoint>,
    /// The id of the one before them.
    next: Option<String>,
}

impl CheckpointPath {
    /// Reads the path up to [`PATH_ROWS`] checkpoints, or to one that was read.
    pub fn read(view: &View, uuid: &str) -> Result<Self> {
        let mut path = Self { items: Vec::new(), next: Some(uuid.to_owned()) };
        while let Some(id) = path.next.take_if(|id| path.items.len() < PATH_ROWS && !contains(&path.items, id)) {
            let checkpoint = view.entity::<Checkpoint>(&id)?.entity;
            path.next.clone_from(&checkpoint.parent_checkpoint_uuid);
            path.items.push(checkpoint);
        }
        Ok(path)
    }

    /// The checkpoint of the path that is before itself.
    pub fn cycle(&self) -> Option<&str> {
        self.next.as_deref().filter(|id| contains(&self.items, id))
    }
}

fn contains(items: &[Checkpoint], id: &str) -> bool {
    items.iter().any(|checkpoint| checkpoint.uuid == id)
}

impl DomainQuery for ShowPath {
    type Output = Page<Checkpoint>;

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Page<Checkpoint>> {
        let path = CheckpointPath::read(view, &self.uuid)?;
        if let Some(id) = path.cycle() {
            return Err(Rejection::Torn(format!("checkpoint `{id}` is before itself")));
        }
        Ok(Page::new(path.items, path.next))
    }
}

/// Returns the files that differ between two checkpoints, by name.
///
/// Errors: `not_found`.
#[derive(Clone, Debug, Operation)]
#[operation(name = "fleet.checkpoint.diff", query)]
pub struct DiffCheckpoints {
    /// The older checkpoint.
    #[operation(subject)]
    pub from_uuid: String,
    /// The newer checkpoint.
    #[operation(subject)]
    pub to_uuid: String,
}

/// A file that differs.
#[derive(Wire, Clone, Debug, PartialEq)]
pub struct FileChange {
    /// Its name.
    pub name: String,
    /// How it differs.
    pub kind: FileChangeKind,
    /// The file in the older checkpoint.
    pub before: Option<FileEntry>,
    /// The file in the newer checkpoint.
    pub after: Option<FileEntry>,
}

/// How a file differs.
#[derive(Wire, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileChangeKind {
    /// Only the newer checkpoint has it.
    Added,
    /// Only the older checkpoint has it.
    Removed,
    /// Its size or its bytes differ.
    Changed,
}

impl DomainQuery for DiffCheckpoints {
    type Output = Vec<FileChange>;

    fn reads(&self, _: &View) -> ReadSet {
        ReadSet::entity::<Checkpoint>(&self.from_uuid).with_entity::<Checkpoint>(&self.to_uuid)
    }

    fn evaluate(&self, view: &View, _: &Ctx) -> Result<Vec<FileChange>> {
        let files =
            |id: &str| Ok::<_, Rejection>(view.entity::<Checkpoint>(id)?.entity.file_manifest.unwrap_or_default());
        let (mut from, to) = (files(&self.from_uuid)?, files(&self.to_uuid)?);
        let mut changes = Vec::new();
        for (name, after) in to {
            let before = from.remove(&name);
            let kind = match &before {
                None => FileChangeKind::Added,
                Some(before) if before.size == after.size && before.sha256 == after.sha256 => continue,
                Some(_) => FileChangeKind::Changed,
            };
            changes.push(FileChange { name, kind, before, after: Some(after) });
        }
        let removed =
            |(name, before)| FileChange { name, kind: FileChangeKind::Removed, before: Some(before), after: None };
        changes.extend(from.into_iter().map(removed));
        runstate_value::sort_by(&mut changes, |a, b| a.name.cmp(&b.name));
        Ok(changes)
    }
}
