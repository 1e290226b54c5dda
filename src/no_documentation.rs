//! No documentation, for builds without the feature `schema`.

/// The text.
#[doc(hidden)]
#[macro_export]
macro_rules! documentation {
    ($text:expr) => {
        ""
    };
}
