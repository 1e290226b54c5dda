//! Entities that a decision changes, whether they exist or not.
use runstate_core::prelude::*;

/// An entity as it was read, or a new one.
pub struct Writable<E> {
    /// The entity, to change it.
    pub entity: E,
    loaded: Option<LoadedEntity<E>>,
}

impl<E: Entity + Clone> Writable<E> {
    /// A new entity.
    pub fn new(entity: E) -> Self {
        Self { entity, loaded: None }
    }

    /// The entity with this id; a new one if it does not exist.
    pub fn load(view: &View, id: &str, new: impl FnOnce() -> E) -> Result<Self> {
        Ok(view.find_entity::<E>(id)?.map_or_else(|| Self::new(new()), Self::from))
    }

    /// The entity as it was read.
    pub fn before(&self) -> Option<&E> {
        self.loaded.as_ref().map(|loaded| &loaded.entity)
    }

    /// Stores it. One that was read and is unchanged is checked.
    pub fn save<O>(self, decision: Decision<O>, now: Timestamp) -> Result<Decision<O>> {
        let Self { entity, loaded } = self;
        match loaded {
            Some(mut loaded) => {
                loaded.entity = entity;
                decision.save(loaded, now)
            }
            None => decision.and_insert(&entity),
        }
    }
}

impl<E: Clone> From<LoadedEntity<E>> for Writable<E> {
    fn from(loaded: LoadedEntity<E>) -> Self {
        Self { entity: loaded.entity.clone(), loaded: Some(loaded) }
    }
}
