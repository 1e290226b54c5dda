//! Documentation that faces show, for builds with the feature `schema`.

/// The text.
#[doc(hidden)]
#[macro_export]
macro_rules! documentation {
    ($text:expr) => {
        $text
    };
}
