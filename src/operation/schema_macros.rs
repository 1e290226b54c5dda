//! Schemas of operations, for builds with the feature `schema`.

/// The function that describes an operation.
#[doc(hidden)]
#[macro_export]
macro_rules! description {
    ($documentation:expr, $command_line:expr, $parameters:ty, $result:ty) => {
        Some(|| $crate::operation::Description::new::<$parameters, $result>($documentation, $command_line))
    };
}

/// The described parameters of a struct.
#[doc(hidden)]
#[macro_export]
macro_rules! described_parameters {
    ($(($name:expr, $documentation:expr, $type:ty)),*) => {
        &[$(($name, $documentation, $crate::operation::parameter_schema::<$type>)),*]
    };
}
