//! Two processes that declare different versions of one collection at the same time.

use std::cell::Cell;
use std::sync::Arc;

use runstate::error_code::ErrorCode;
use runstate::store::StoreError;
use runstate::store::layer::Method;
use runstate::testing::SimHost;
use runstate::testing::{Fault, FaultStore, yield_now};

use super::cases::{
    Reopen, ask, call, engine_of_all_domains as engine_over, expect_all_in_use, named, notes, notes_with,
};
use super::{files, memory};

/// A process declares a version while another is at any step of declaring a different one, whether the store accepts
/// the later one or not. One declaration remains, and both processes work with it, as do those that were open before
/// and those that open later.
async fn versions_declared_at_the_same_time_leave_one_declaration(open: &Reopen<'_>) {
    let host = SimHost::default();
    let steps = [(Method::Commit, 1), (Method::Migrate, 1), (Method::Commit, 2), (Method::Migrate, 2)];
    for (at, ((method, nth), is_refused)) in
        steps.iter().flat_map(|step| [false, true].map(|is_refused| (*step, is_refused))).enumerate()
    {
        let name = format!("notes{at}");
        let older = engine_over(open().await.unwrap(), &host).await;
        ask(&older, "documents.declare", named(notes(), &name)).await;
        let slow = Arc::new(FaultStore::new(open().await.unwrap()));
        let first = engine_over(slow.clone(), &host).await;
        let refusing = Arc::new(FaultStore::new(open().await.unwrap()));
        let second = engine_over(refusing.clone(), &host).await;
        slow.plan(method, nth, Fault::Pause);
        let is_done = Cell::new(false);
        let others = async {
            while !slow.is_paused() {
                assert!(!is_done.get(), "the declaration has fewer steps");
                yield_now().await;
            }
            if is_refused {
                let refusal = StoreError::NotAuthorized { what: "creating an index".into(), why: "no".into() };
                refusing.plan(Method::Migrate, 1, Fault::FailBefore(refusal));
            }
            let declared = call(&second, "documents.declare", named(notes_with("size"), &name)).await;
            slow.resume();
            declared
        };
        let declare = async {
            let declared = call(&first, "documents.declare", named(notes_with("rank"), &name)).await;
            is_done.set(true);
            declared
        };
        let (one, other) = tokio::join!(declare, others);
        let context = format!("{method:?} {nth} {is_refused}: {one:?} {other:?}");
        assert!(one.is_ok() || other.is_ok(), "{context}");
        for error in [one.err(), other.err()].into_iter().flatten() {
            // The second one lacks the field of the first one.
            assert!([ErrorCode::INVALID, ErrorCode::NOT_AUTHORIZED].contains(&error.code), "{context}");
        }
        let later = engine_over(open().await.unwrap(), &host).await;
        expect_all_in_use(&[&older, &first, &second, &later], &name).await;
    }
}

#[tokio::test]
async fn versions_declared_at_the_same_time_leave_one_declaration_in_memory() {
    versions_declared_at_the_same_time_leave_one_declaration(&memory()).await;
}

#[tokio::test]
async fn versions_declared_at_the_same_time_leave_one_declaration_on_files() {
    let folder = tempfile::tempdir().unwrap();
    versions_declared_at_the_same_time_leave_one_declaration(&files(folder.path().to_owned())).await;
}
