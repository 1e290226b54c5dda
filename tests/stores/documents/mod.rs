//! Documents of the user's own: declarations at run time, generic reads and writes, and commits together with a
//! command.

mod cases;
mod commits;
mod declarations;
mod races;
mod transfers;

use crate::support::handles::{files, memory};

mod on_memory {
    use super::{cases, memory};

    crate::document_cases!(memory(), #[tokio::test]);
}

mod on_files {
    use super::{cases, files};

    crate::document_cases!(files(tempfile::tempdir().unwrap().keep()), #[tokio::test]);
}
