//! `mirror`: keeps another store equal to this one, and compares the two.

use std::sync::Arc;
use std::time::Duration;

use runstate::domain::cvm::Settings;
use runstate::engine::{Engine, Error, SystemHost};
use runstate::open::{self, MissingStore, OpenedStore};
use runstate::time::Millis;
use runstate::transfer::mirror::{DocumentDifference, FoundIn, Mirror, MirrorComparison, MirrorOptions, compare};
use serde_json::json;

use crate::args::{GlobalArgs, MirrorArgs};
use crate::error::{self, CliError};
use crate::exit::CliExit;
use crate::interrupt;
use crate::keys::keys_from_environment;
use crate::printer::Printer;
use crate::progress::Bar;
use crate::session::{explain_open_error, resolve_store_url};
use crate::table::{Cell, TableColumn, TextTable, terminal_width};

const LISTED: usize = 100;

/// The time for which `--follow` waits for a change before it looks again.
const WAIT: Millis = Millis::seconds(5);

const INTERRUPTED_NOTE: &str = "what was mirrored is kept; repeat the command to continue";

pub async fn mirror_store(global: &GlobalArgs, args: &MirrorArgs, out: Printer) -> Result<CliExit, CliError> {
    let url = resolve_store_url(global)?;
    let opened = open::open_with_keys(&url, MissingStore::Refuse, keys_from_environment()?).await;
    let primary = opened.map_err(|error| explain_open_error(global, &url, error))?;
    let missing = if args.compare || args.finish { MissingStore::Refuse } else { MissingStore::Create };
    let secondary = open::open_with_keys(&args.to, missing, keys_from_environment()?).await?;
    if primary.id.is_some() && primary.id == secondary.id {
        return Err(error::usage("--to names the same store as --store; name another one"));
    }
    let stores = [primary.store.clone(), secondary.store.clone()];
    let result = mirror_opened(primary, secondary, args, out).await;
    for store in stores {
        if let (Err(error), true) = (store.close().await, result.is_ok()) {
            return Err(Error::from(error).into());
        }
    }
    result
}

async fn mirror_opened(
    primary: OpenedStore,
    secondary: OpenedStore,
    args: &MirrorArgs,
    out: Printer,
) -> Result<CliExit, CliError> {
    let bar = Bar::new(out);
    if args.compare {
        let open = |store| Engine::for_reading(store, Arc::new(SystemHost), crate::domains(), Settings::default());
        let (primary, secondary) = (open(primary.store).await?, open(secondary.store).await?);
        let comparing = compare(&primary, &secondary, LISTED, |progress| bar.show(progress));
        let comparison = interrupt::run_interruptible("nothing was changed", comparing).await;
        bar.clear();
        return print_comparison(&comparison?, out);
    }
    let options = MirrorOptions { source: primary.id.unwrap_or_default(), replace: args.replace };
    let mirror = Mirror::open(primary.store, secondary.store, Arc::new(SystemHost), crate::domains(), options).await?;
    if args.finish {
        let finishing = mirror.finish(LISTED, |progress| bar.show(progress));
        let comparison = interrupt::run_interruptible(INTERRUPTED_NOTE, finishing).await;
        bar.clear();
        return print_comparison(&comparison?, out);
    }
    let mut wait = Millis(0);
    loop {
        let catching_up = mirror.catch_up(wait, |progress| bar.show(progress));
        let caught_up = interrupt::run_interruptible(INTERRUPTED_NOTE, catching_up).await;
        bar.clear();
        match caught_up {
            Ok(changes) if changes > 0 || wait.0 == 0 => print_changes(changes, out)?,
            Ok(_) => {}
            // A store that cannot be reached for a while does not end the mirror.
            Err(CliError::Error(error)) if args.follow && error.retryable && wait.0 > 0 => {
                out.remark(&format!("the mirror is behind: {error}"));
                let pause = async {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    Ok::<_, Error>(())
                };
                interrupt::run_interruptible(INTERRUPTED_NOTE, pause).await?;
            }
            Err(failure) => return Err(failure),
        }
        if !args.follow {
            return Ok(CliExit::Done);
        }
        wait = WAIT;
    }
}

fn print_changes(changes: u64, out: Printer) -> Result<(), CliError> {
    match out.is_json() {
        true => out.value(&json!({ "changes": changes })),
        false => out.line(&format!("caught up; {changes} changes after the first copy")),
    }
}

fn print_comparison(comparison: &MirrorComparison, out: Printer) -> Result<CliExit, CliError> {
    let exit = if comparison.is_equal() { CliExit::Done } else { CliExit::Rejected };
    if out.is_json() {
        let mut printed = json!(comparison);
        printed["equal"] = json!(comparison.is_equal());
        out.value(&printed)?;
        return Ok(exit);
    }
    let mut table = TextTable::new([
        TableColumn::text("COLLECTION"),
        TableColumn::number("HERE"),
        TableColumn::number("THERE"),
        TableColumn::number("DIFFERING"),
        TableColumn::text("SHA-256").shrinkable(8, 8),
    ]);
    for compared in &comparison.collections {
        let is_same = compared.primary.sha256 == compared.secondary.sha256;
        let counts =
            [compared.primary.documents, compared.secondary.documents, compared.differing].map(|n| n.to_string());
        table.push_row([
            Cell::from(&*compared.primary.collection),
            Cell::from(&*counts[0]),
            Cell::from(&*counts[1]),
            Cell::from(&*counts[2]),
            Cell::from(if is_same { &*compared.primary.sha256 } else { "differs" }),
        ]);
    }
    out.styled_lines(&table.lines(terminal_width(), out.paint()))?;
    let describe = |difference: &DocumentDifference| {
        let DocumentDifference { collection, id, found_in, fields } = difference;
        let what = match found_in {
            FoundIn::Primary => "is missing there".to_owned(),
            FoundIn::Secondary => "is only there".to_owned(),
            FoundIn::Both => format!("differs in {}", fields.join(", ")),
        };
        format!("{collection}/{id} {what}")
    };
    out.lines(&comparison.differences.iter().map(describe).collect::<Vec<_>>())?;
    out.line(if comparison.is_equal() { "the stores are equal" } else { "the stores differ" })?;
    Ok(exit)
}
