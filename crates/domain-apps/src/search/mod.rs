//! Full-text search of steps and of artifacts that are texts. Each of them has an entry with its words, which the
//! commit that writes the step or the artifact writes too. Entries expire with their step or artifact.
//!
//! | file | contents |
//! |---|---|
//! | `entry.rs` | entries: of steps, by a trigger, and of artifacts |
//! | `text.rs` | the texts of an entry, their words, and excerpts |
//! | `query.rs` | the search |

mod entry;
mod query;
mod text;

pub use entry::{STEP_ENTRIES, SearchEntry, SearchKind};
pub use query::{Search, SearchHit};
pub use text::TEXT_BYTES;
pub use text::{SearchedField, SearchedText, joined_words, step_texts};
