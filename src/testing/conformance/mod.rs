//! The contract of a store as a list of cases that any store can run: the one list in [`CASES`], a test for each by
//! [`conformance!`](crate::conformance).
//!
//! ```
//! use runstate::store::Memory;
//! use runstate::testing::conformance::Subject;
//!
//! async fn fresh() -> Subject {
//!     Subject::of(Memory::new())
//! }
//!
//! // In a file under `tests/` this one line makes every case a `#[test]`.
//! runstate::conformance!(fresh);
//! ```

mod aggregates;
mod bounds;
mod commits;
mod documents;
mod feed;
mod fidelity;
mod ledger;
mod life;
mod queries;
mod retention;
mod scene;
mod unique;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::marker::{BoxFuture, MaybeSync};
use crate::store::{Error, Store};

/// One thing that a store promises, and how it is tried.
pub struct Case {
    /// Its name, unique in the list.
    pub name: &'static str,
    /// The line of the contract that it holds a store to.
    pub holds: &'static str,
    /// Tries it on a store that has nothing in it.
    pub run: for<'a> fn(&'a Subject) -> BoxFuture<'a, Verdict>,
}

/// The store that is tried.
pub struct Subject {
    store: Arc<dyn Store>,
    again: Option<Box<dyn OpenAgain>>,
}

/// Opens the storage of a subject once more, as another process or tab would. What the storage needs to live as long as the
/// subject (a temporary folder) it holds.
pub trait OpenAgain: MaybeSync {
    /// Another store on the same storage.
    fn open_again(&self) -> BoxFuture<'_, Result<Arc<dyn Store>, Error>>;
}

impl<F: Fn() -> BoxFuture<'static, Result<Arc<dyn Store>, Error>> + MaybeSync> OpenAgain for F {
    fn open_again(&self) -> BoxFuture<'_, Result<Arc<dyn Store>, Error>> {
        self()
    }
}

impl Subject {
    /// A store whose contents end with it.
    pub fn of(store: impl Store + 'static) -> Self {
        Self { store: Arc::new(store), again: None }
    }

    /// A store whose contents outlive it: `again` opens them once more.
    pub fn durable(store: impl Store + 'static, again: impl OpenAgain + 'static) -> Self {
        Self { store: Arc::new(store), again: Some(Box::new(again)) }
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Another store on the same storage; `None`: the contents end with the store.
    pub async fn open_again(&self) -> Result<Option<Arc<dyn Store>>, Failure> {
        match &self.again {
            Some(again) => Ok(Some(again.open_again().await?)),
            None => Ok(None),
        }
    }
}

/// What trying a case came to.
pub type Verdict = Result<(), Failure>;

/// How a store failed a case.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    what: String,
    at: &'static Location<'static>,
}

impl Failure {
    /// A failure seen at the caller's line.
    #[track_caller]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), at: Location::caller() }
    }
}

impl From<Error> for Failure {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self { what: format!("a call that had to succeed failed ({}): {error}", error.code()), at: Location::caller() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {})", self.what, self.at)
    }
}

/// As [`fmt::Display`]: test frameworks print failures so.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

/// Runs the case of that name on `subject`.
pub async fn run(name: &str, subject: Subject) -> Verdict {
    let Some(case) = CASES.iter().find(|case| case.name == name) else {
        return Err(Failure::new(format!("there is no case `{name}`")));
    };
    (case.run)(&subject)
        .await
        .map_err(|failure| Failure { what: format!("{}: {}", case.holds, failure.what), ..failure })
}

macro_rules! ensure {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err($crate::testing::conformance::Failure::new(format!($($what)+)));
        }
    };
}

macro_rules! ensure_eq {
    ($found:expr, $expected:expr) => {
        match (&$found, &$expected) {
            (found, expected) => {
                if found != expected {
                    let what = format!("{} is\n   found {found:?}\nexpected {expected:?}", stringify!($found));
                    return Err($crate::testing::conformance::Failure::new(what));
                }
            }
        }
    };
}

use {ensure, ensure_eq};

macro_rules! list_cases {
    ({} $($module:ident::$name:ident $holds:literal;)+) => {
        /// All cases.
        pub const CASES: &[Case] = &[$(
            Case { name: stringify!($name), holds: $holds, run: |subject| Box::pin($module::$name(subject)) }
        ),+];
    };
}

/// The list itself; hands it to the macro named first.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ([$($then:tt)+] $args:tt) => {
        $($then)+! { $args
            documents::absent_documents_are_none "get answers for every key in order, None where nothing stands";
            documents::a_commit_is_visible_to_the_next_get "after Ok every write is visible to the next get";
            documents::every_write_counts "a revision counts the writes of its incarnation";
            documents::a_recreated_document_is_another "delete and insert make another incarnation";
            documents::one_get_is_one_snapshot "one get shows one moment";
            documents::ids_are_exact "ids that look alike are different ids";
            documents::what_is_no_id_is_refused "an id has 1 to 200 bytes and no control characters";

            commits::absent_means_nothing_is_there "Expect::Absent over a document is a conflict";
            commits::a_revision_is_expected_exactly "Expect::Revision holds for that revision only";
            commits::any_takes_what_is_there "Expect::Any takes whatever is there";
            commits::a_check_holds_or_conflicts "a check holds at its revision only, and never on what is missing";
            commits::all_or_nothing "a batch that fails writes nothing, and its command may be decided again";
            commits::a_batch_may_not_contradict_itself "two writes to one key, or a check on a written one, are invalid";
            commits::only_declared_collections_are_written "undeclared collections and the ledger are not written by batches";
            commits::what_is_inserted_only_never_changes "documents of insert-only collections are inserted, expecting absence, and deleted";
            commits::declarations_are_kept "a document that breaks its declaration is invalid, however it is written";
            commits::what_some_store_cannot_hold_is_refused "names, integers, NUL in keys and depth are bounded the same on every store";
            commits::an_operation_fits_its_expectation "a change needs an expected revision, and what is absent cannot be deleted";
            commits::a_change_rests_on_its_revision "a change is made on the revision it was taken from, or is a conflict";
            commits::a_difference_leads_to_its_document "a difference that contradicts the document given with it is invalid";

            ledger::a_repeat_gets_the_first_result "a repeated command writes nothing and gets the first result";
            ledger::the_ledger_is_asked_first "the ledger is asked before any expectation";
            ledger::an_id_is_one_command "another command under a used id is refused";
            ledger::outcomes_are_known "outcome tells what was committed, and Absent of all else";
            ledger::a_command_without_writes_is_remembered "a batch without writes has its row in the ledger too";
            ledger::the_ledger_is_a_collection "rows of the ledger are found and expire as documents do";
            ledger::results_are_small "a result of more than 4 KiB is refused";
            ledger::one_of_many_repeats_writes "of one command sent many times at once one is committed";

            unique::an_entry_stands_once "a unique index refuses a second document with an entry, and names both";
            unique::null_is_a_value "two documents without a field clash in a unique index";
            unique::a_partial_index_leaves_out "a partial unique index judges only what it holds";
            unique::a_batch_is_judged_after_the_whole "documents may swap unique values, or hand them on, in one batch";
            unique::of_many_claims_one_wins "of many claims at once to one unique entry one is committed";

            bounds::documents_are_bounded "a document of more than the largest size is refused, a smaller one is not";
            bounds::batches_are_bounded_in_writes "a batch of more writes than the capability is refused";
            bounds::batches_are_bounded_in_bytes "a batch of more bytes than the capability is refused";

            fidelity::values_come_back_as_they_went "every kind of JSON, odd keys and odd texts come back unchanged";
            fidelity::differences_come_back_as_they_went "fields, nested keys and list elements are set and unset in place";
            fidelity::random_documents_come_back "whatever is written and changed is read back";

            queries::filters_mean_what_they_say "every filter finds what the reference says";
            queries::kinds_sort_in_one_order "null, booleans, numbers, texts, lists, objects; the id decides last";
            queries::orders_of_several_fields "several fields and directions, with and without an index";
            queries::pages_hold_everything_once "limit and cursor walk through all rows once";
            queries::a_cursor_survives_writes "a cursor goes on behind its row, whatever was written in between";
            queries::a_projection_keeps_what_is_asked "a projection shows the fields asked for";
            queries::questions_without_meaning_are_refused "an undeclared collection or a foreign cursor is invalid";
            queries::words_are_found "text search finds whole words in any case";

            aggregates::numbers_over_everything "count, sum, avg, min, max, percentile and count_if, also over nothing";
            aggregates::numbers_over_groups "groups and time buckets, in the order of their values";
            aggregates::decimals_are_exact "decimals are summed and compared exactly";

            retention::a_sweep_takes_exactly_what_is_expired "sweep deletes what is expired at that moment and nothing else";
            retention::a_sweep_is_bounded "sweep deletes up to its limit and tells how many";
            retention::what_was_refreshed_stays "a deadline moves with its field";

            feed::changes_come_in_order "changes tell command, key and revision in the order of commits";
            feed::a_position_resumes "no change after a position is left out, however small the pages";
            feed::now_is_the_default_beginning "without a position only what comes is told";
            feed::waiting_ends "waiting ends with a change or when its time is up";
            feed::junk_positions_are_invalid "a text that is not a position is invalid";
            feed::what_was_swept_is_told "deletions by sweep are changes too, repeats of commands are not";

            life::migrating_again_changes_nothing "migrate is idempotent and keeps documents";
            life::a_newer_store_is_only_read "an older program reads a newer store and does not write it";
            life::new_indexes_hold_for_old_documents "an index that is declared later knows what was there before";
            life::a_closed_store_says_so "after close every call is Closed; closing again is fine";
            life::what_was_acknowledged_is_there_again "documents, revisions and ledger survive closing and opening";
            life::two_stores_on_one_storage_agree "two stores on one storage see and refuse each other's writes";
            life::counting_at_once_counts_exactly "increments at once through expected revisions lose none";
        }
    };
}

__conformance_cases!([list_cases] {});

/// Makes every case of [`testing::conformance`](crate::testing::conformance) a test.
///
/// - `conformance!(fresh)`: a `#[test]` each; `fresh` is an `async fn() -> Subject` that makes an empty store.
/// - `conformance!(fresh, block_on = path)`: the futures run in `path`, a function as
///   [`block_on`](crate::testing::block_on) (a store that needs a runtime brings it so).
/// - `conformance!(fresh, #[attribute])`: an `async fn` each under that attribute, `#[wasm_bindgen_test]` for instance.
#[macro_export]
macro_rules! conformance {
    ($fresh:expr $(,)?) => {
        $crate::conformance!($fresh, block_on = $crate::testing::block_on);
    };
    ($fresh:expr, block_on = $block_on:path $(,)?) => {
        $crate::__conformance_cases!([$crate::__conformance_tests] { $fresh, $block_on });
    };
    ($fresh:expr, #$attribute:tt) => {
        $crate::__conformance_cases!([$crate::__conformance_tests] { $fresh, #$attribute });
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ({ $fresh:expr, #$attribute:tt } $($module:ident::$name:ident $holds:literal;)+) => {
        $(
            #$attribute
            async fn $name() -> $crate::testing::conformance::Verdict {
                $crate::testing::conformance::run(stringify!($name), $fresh().await).await
            }
        )+
    };
    ({ $fresh:expr, $block_on:path } $($module:ident::$name:ident $holds:literal;)+) => {
        $(
            #[test]
            fn $name() -> $crate::testing::conformance::Verdict {
                $block_on(async { $crate::testing::conformance::run(stringify!($name), $fresh().await).await })
            }
        )+
    };
}
