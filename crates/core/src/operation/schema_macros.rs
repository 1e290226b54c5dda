//! Schemas of operations, in constants that are empty without the feature `schema`.

/// The function that describes an operation.
#[doc(hidden)]
#[macro_export]
macro_rules! description {
    ($name:expr, $documentation:expr, $command_line:expr, $parameters:ty, $result:ty) => {
        if $crate::HAS_SCHEMAS {
            Some(|| $crate::operation::Description::new::<$parameters, $result>($name, $documentation, $command_line))
        } else {
            None
        }
    };
}

/// The described parameters of a list: its filters and the common ones.
#[doc(hidden)]
#[macro_export]
macro_rules! described_list {
    ($entity:ty, $order:expr, $(($name:expr, $field:expr, $documentation:expr)),*) => {
        if !$crate::HAS_SCHEMAS { &[] } else { &[
            $(($name, $documentation, |_| {
                $crate::operation::filter_schema(&<$entity as $crate::schema::Entity>::COLLECTION, $field)
            }),)*
            ("sort", concat!("The field by which they are sorted; by default ", $order, "."), |_| {
                $crate::operation::sort_schema(
                    &<$entity as $crate::schema::Entity>::COLLECTION,
                    <$entity as $crate::operation::EntityQueries>::ROW_FIELDS,
                )
            }),
            ("descending", "Whether the sort is in descending order.", $crate::operation::parameter_schema::<bool>),
            (
                "limit",
                "Maximum number of rows; by default 100, never more than 1,000.",
                $crate::operation::parameter_schema::<Option<u32>>,
            ),
            (
                "cursor",
                "`next` of the page before; by default the first page.",
                $crate::operation::parameter_schema::<Option<String>>,
            ),
        ] }
    };
}

/// The described parameters of a struct.
#[doc(hidden)]
#[macro_export]
macro_rules! described_parameters {
    ($(($name:expr, $documentation:expr, $type:ty)),*) => {
        if !$crate::HAS_SCHEMAS { &[] } else { &[$(($name, $documentation, $crate::operation::parameter_schema::<$type>)),*] }
    };
}
