//! No schemas of operations, for builds without the feature `schema`.

/// The function that describes an operation.
#[doc(hidden)]
#[macro_export]
macro_rules! description {
    ($documentation:expr, $command_line:expr, $parameters:ty, $result:ty) => {
        None
    };
}

/// The described parameters of a struct.
#[doc(hidden)]
#[macro_export]
macro_rules! described_parameters {
    ($(($name:expr, $documentation:expr, $type:ty)),*) => {
        &[]
    };
}
