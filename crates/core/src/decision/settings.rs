//! The settings of an engine: those of each domain, by type. A domain that has none set uses its defaults.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::Rejection;

/// The settings of one domain.
pub trait DomainSettings: Any + fmt::Debug + Clone + Default + Send + Sync {
    /// Checks the values. An engine with settings that are not valid is refused at its start.
    fn check(&self) -> Result<(), Rejection> {
        Ok(())
    }
}

/// The settings of all domains. Cheap to clone.
///
/// ```
/// use runstate::domain::cvm;
/// use runstate::decision::EngineSettings;
///
/// let settings = EngineSettings::from(cvm::Settings { heap_bytes: 8 << 20, ..cvm::Settings::default() });
/// assert_eq!(settings.get::<cvm::Settings>().heap_bytes, 8 << 20);
/// assert_eq!(EngineSettings::default().get::<cvm::Settings>(), cvm::Settings::default());
/// ```
#[derive(Clone, Debug, Default)]
pub struct EngineSettings(Arc<Vec<Arc<dyn AnySettings>>>);

/// EngineSettings without their type.
trait AnySettings: fmt::Debug + Send + Sync {
    fn check(&self) -> Result<(), Rejection>;
    fn as_any(&self) -> &dyn Any;
}

impl<T: DomainSettings> AnySettings for T {
    fn check(&self) -> Result<(), Rejection> {
        DomainSettings::check(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl EngineSettings {
    /// Sets the settings of one domain, in place of earlier ones of this type.
    pub fn with<T: DomainSettings>(mut self, settings: T) -> Self {
        let all = Arc::make_mut(&mut self.0);
        all.retain(|other| !other.as_any().is::<T>());
        all.push(Arc::new(settings));
        self
    }

    /// The settings of one domain.
    pub fn get<T: DomainSettings>(&self) -> T {
        self.0.iter().find_map(|one| one.as_any().downcast_ref::<T>()).cloned().unwrap_or_default()
    }

    /// Checks the settings of all domains.
    pub fn check(&self) -> Result<(), Rejection> {
        self.0.iter().try_for_each(|one| one.check())
    }
}

impl<T: DomainSettings> From<T> for EngineSettings {
    fn from(settings: T) -> Self {
        Self::default().with(settings)
    }
}
