//! No schemas of operations, for builds without the feature `schema`.

/// The function that describes an operation.
#[doc(hidden)]
#[macro_export]
macro_rules! description {
    ($documentation:expr, $command_line:expr, $parameters:ty, $result:ty) => {
        None
    };
}

/// The described parameters of a list.
#[doc(hidden)]
#[macro_export]
macro_rules! described_list {
    ($entity:ty, $(($name:expr, $field:expr)),*) => {
        &[]
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
