//! Committing: one transaction, whose first write is the row of the ledger; again where the server gave it up, and asked about where
//! its end had no answer.

use std::collections::BTreeMap;
use std::time::Duration;

use mongodb::bson::RawDocumentBuf;
use mongodb::bson::raw::{RawArrayBuf, cstr};
use mongodb::error::Error as Fault;
use tokio::time::{Instant, timeout_at};

use super::again::{self, AFTER_LOSS, pause};
use super::faults::{self, End, Refusal};
use super::lifetime;
use super::names::HOLDS;
use super::port::CAPABILITIES;
use super::statements::{By, Command, Order, Seen, checked_by, checks, commands, holds_of, unseen};
use super::transaction::Transaction;
use super::{Declarations, Mongo};
use crate::schema::Key;
use crate::store::batch::next_revision;
use crate::store::{Batch, COMMANDS, Error, Op, Receipt};

/// How often a transaction that met another one is made again before its caller is told, where the other may leave all as it is: it only
/// checks, or it is this command's own, of an earlier attempt.
const CONTENTIONS: u32 = 16;
/// The same where the other most likely changes what this one was decided on.
const LOST: u32 = 2;
/// The same for an insert: until the other transaction ends, neither the document nor its unique entries exist. About one second in all.
const INSERT_CONTENTIONS: u32 = 64;
/// How long who finds no hold waits at the most before he makes one: that many doublings of a millisecond.
const UNHELD: u32 = 4;
/// How often an end is sent again that is answered with an error which says neither that it was done nor that it was not.
const OPEN_ENDS: u32 = 4;
/// What is waited at the most after meeting another transaction.
const AFTER_CONTENTION: Duration = Duration::from_millis(30);

/// Why an attempt did not commit.
enum Stop {
    /// It cannot be committed.
    Error(Error),
    /// A unique index refused it; maybe only since it is asked before all is written.
    Taken(Error),
    /// What it rests on is not there any more; not judged beside the ledger: it may be the repeat of what was done.
    Outdated(Error),
    /// A document that many check has not the hold that this process uses.
    Unheld,
    /// The ledger has the command, or may have it.
    Repeat,
    /// The server gave it up, or something failed on the way.
    Fault(Fault),
    /// Another transaction writes the same; how often to try again.
    Contended(u32),
    /// Another transaction writes the row of the ledger: it is of this very command, and may be committed.
    Twin,
    /// The time is up.
    Late,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        if faults::number(&fault) == Some(faults::WRITE_CONFLICT) {
            Stop::Contended(CONTENTIONS)
        } else {
            Stop::Fault(fault)
        }
    }
}

impl From<again::Stop> for Stop {
    fn from(stop: again::Stop) -> Self {
        match stop {
            again::Stop::Error(error) | again::Stop::Again(error) => Stop::Error(error),
            again::Stop::Fault(fault) => fault.into(),
        }
    }
}

/// One commit, over all its attempts.
struct Commit<'a> {
    store: &'a Mongo,
    batch: &'a Batch,
    declarations: &'a Declarations,
    deadline: Instant,
    order: Order,
    /// How documents are checked that many check.
    by: By,
    /// An end of a transaction was sent and not answered: it may have been committed.
    in_doubt: bool,
    /// The last attempt met another transaction of the same command.
    has_twin: bool,
    /// What went wrong last on the way to the server.
    lost: Option<Fault>,
}

impl Mongo {
    pub(super) async fn do_commit(&self, batch: &Batch) -> Result<Receipt, Error> {
        let declarations = self.declared_for_writing().await?;
        if let Err(refused) = batch.check(&declarations.catalog, CAPABILITIES.limits()) {
            // A repeat is answered, whatever it holds.
            let asked = self.replay(batch, true).await?;
            return asked.ok_or(refused);
        }
        let deadline = Instant::now() + self.patience;
        let (order, lost) = (Order::InPlace, None);
        let mut commit = Commit {
            store: self,
            batch,
            declarations: &declarations,
            deadline,
            order,
            by: By::Hold(self.holds.pick()),
            in_doubt: false,
            has_twin: false,
            lost,
        };
        commit.run().await
    }

    /// What a repeat of the command is answered with; none: it is no repeat.
    async fn replay(&self, batch: &Batch, replayed: bool) -> Result<Option<Receipt>, Error> {
        let Some(row) = self.ledger(&batch.command).await? else { return Ok(None) };
        if row.fingerprint != batch.fingerprint {
            return Err(Error::CommandIdReused { command: batch.command.clone() });
        }
        Ok(Some(Receipt { position: row.position, result: row.result, replayed }))
    }
}

impl Commit<'_> {
    async fn run(&mut self) -> Result<Receipt, Error> {
        // Before a transaction begins: what others have written since then would stop it.
        let (By::Hold(hold) | By::Touch(hold)) = self.by;
        let turns = &self.store.turns;
        let awaited = turns.awaited(self.batch, |key| checked_by(self.declarations, key, hold));
        let turn = timeout_at(self.deadline, turns.take(awaited)).await;
        let _turn = turn.map_err(|_| self.late())?;
        let (mut contentions, mut losses) = (0, 0);
        loop {
            match self.attempt().await {
                Ok(receipt) => return Ok(receipt),
                Err(Stop::Repeat) => match self.repeat().await? {
                    Some(receipt) => return Ok(receipt),
                    // Its time in the ledger ended just now; or it was in doubt, and was not committed so far.
                    None => {
                        losses += 1;
                        pause(losses, AFTER_LOSS).await;
                    }
                },
                Err(Stop::Taken(error)) if self.order == Order::DeletedFirst || !self.rewrites(&error) => {
                    return Err(self.told(error));
                }
                Err(Stop::Taken(_)) => self.order = Order::DeletedFirst,
                Err(Stop::Error(error)) => return Err(self.told(error)),
                Err(Stop::Unheld) => {
                    self.by = By::Touch(hold);
                    // Whoever took it is about to change the document, and goes first.
                    pause(UNHELD, AFTER_CONTENTION).await;
                }
                Err(Stop::Outdated(error)) => return self.outdated(error).await,
                Err(Stop::Contended(most)) if contentions >= most => return self.contended().await,
                Err(Stop::Contended(_)) => {
                    contentions += 1;
                    // Whoever was faster may have made it.
                    self.by = By::Hold(hold);
                    pause(contentions, AFTER_CONTENTION).await;
                    self.let_go().await;
                }
                Err(Stop::Twin) => {
                    losses += 1;
                    self.has_twin = true;
                    pause(losses, AFTER_LOSS).await;
                }
                Err(Stop::Fault(fault)) if faults::transient(&fault) => {
                    losses += 1;
                    self.lost = Some(fault);
                    pause(losses + 2, AFTER_LOSS).await;
                }
                Err(Stop::Fault(fault)) => return Err(self.told(self.store.error(&fault, &self.doing()))),
                Err(Stop::Late) => return Err(self.late()),
            }
        }
    }

    /// One transaction, from its beginning to its end.
    async fn attempt(&mut self) -> Result<Receipt, Stop> {
        if Instant::now() >= self.deadline {
            return Err(Stop::Late);
        }
        self.has_twin = false;
        let deadline = self.deadline;
        let mut transaction = timeout_at(deadline, self.store.begin(deadline)).await.map_err(|_| Stop::Late)??;
        // Where the time is up the transaction is dropped, and aborted.
        let written = timeout_at(deadline, self.write(&mut transaction)).await.map_err(|_| Stop::Late)?;
        if let Err(stop) = written {
            if timeout_at(deadline, transaction.abort()).await.is_err() {
                return Err(Stop::Late);
            }
            return Err(stop);
        }
        self.end(&mut transaction).await?;
        Ok(Receipt {
            position: self.store.position(transaction.begun()),
            result: self.batch.result.clone(),
            replayed: false,
        })
    }

    /// All that the transaction writes: what many rest on first, since there it most likely fails; then the row of the ledger.
    async fn write(&self, transaction: &mut Transaction) -> Result<(), Stop> {
        for command in checks(self.batch, self.declarations, self.by) {
            let checked = self.run_command(transaction, &command, CONTENTIONS).await;
            checked.map_err(|stop| match (stop, self.by) {
                (Stop::Error(Error::Conflict { .. }), By::Hold(_)) if command.is_of_holds() => Stop::Unheld,
                // Two make the same hold at once.
                (Stop::Error(Error::Conflict { .. }), By::Touch(_)) if command.is_of_holds() => {
                    Stop::Contended(CONTENTIONS)
                }
                (Stop::Error(error @ Error::Conflict { .. }), _) => Stop::Outdated(error),
                (stop, _) => stop,
            })?;
        }
        self.write_ledger(transaction).await?;
        let seen = self.look(transaction).await?;
        for command in commands(self.batch, self.declarations, &seen, self.order)? {
            let most = if command.inserts() {
                INSERT_CONTENTIONS
            } else if command.is_much_checked(self.declarations) {
                // A check leaves the document as it is.
                CONTENTIONS
            } else {
                LOST
            };
            self.run_command(transaction, &command, most).await?;
        }
        Ok(())
    }

    async fn write_ledger(&self, transaction: &mut Transaction) -> Result<(), Stop> {
        let (key, row) = self.batch.ledger_row();
        let declared = self.declarations.collections.get(COMMANDS.name);
        let declared = declared
            .ok_or_else(|| Error::Invalid { key: key.clone(), reason: "no catalog was declared".to_owned() })?;
        let revision = next_revision(&key, None, &self.batch.command);
        let mut row = declared.encode_document(&key, &revision, COMMANDS.version, &row)?;
        let kept = self.store.time.of(self.batch.at);
        row.append(cstr!("_kept"), kept);
        let mut rows = RawArrayBuf::new();
        rows.push(row);
        let mut insert = RawDocumentBuf::new();
        insert.append(cstr!("insert"), self.store.layout.place(COMMANDS.name).collection);
        insert.append(cstr!("documents"), rows);
        let refusal = match transaction.run(&self.store.database(COMMANDS.name), insert).await {
            Ok(reply) => faults::refusal(&reply),
            Err(fault) if faults::number(&fault) == Some(faults::WRITE_CONFLICT) => Some(Refusal::Contended),
            Err(fault) => Some(faults::refused(&fault).ok_or(fault)?),
        };
        match refusal {
            None => match transaction.begun() {
                Some(now) if !lifetime::is_of_now(kept, now) => {
                    self.store.time.is(now);
                    Err(Stop::Repeat)
                }
                _ => Ok(()),
            },
            Some(Refusal::Contended) => Err(Stop::Twin),
            Some(Refusal::Other(number, why)) => {
                Err(faults::numbered(Some(number), why, self.store.what(&self.doing())).into())
            }
            Some(_) => Err(Stop::Repeat),
        }
    }

    /// What stands where that must be known before writing.
    async fn look(&self, transaction: &mut Transaction) -> Result<Seen, Stop> {
        let mut asked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for key in unseen(self.batch, self.order) {
            asked.entry(&key.collection).or_default().push(&key.id);
        }
        let mut seen = Seen::new();
        for (collection, ids) in asked {
            self.store.find_in(transaction, self.declarations, collection, &ids, &mut seen).await?;
        }
        Ok(seen)
    }

    /// Runs one of its commands; `contentions`: how often it is worth meeting another transaction there.
    async fn run_command(
        &self,
        transaction: &mut Transaction,
        command: &Command<'_>,
        contentions: u32,
    ) -> Result<(), Stop> {
        let place = self.store.layout.place(command.collection);
        let database = self.store.client.database(&place.database);
        let refusal = match transaction.run(&database, command.body(&place.collection)).await {
            Ok(reply) => command.judge(&reply).err(),
            Err(fault) if faults::number(&fault) == Some(faults::WRITE_CONFLICT) => Some(Refusal::Contended),
            Err(fault) => Some(faults::refused(&fault).ok_or(fault)?),
        };
        let Some(refusal) = refusal else { return Ok(()) };
        let key = |statement| command.key(statement).cloned().unwrap_or_else(|| self.first());
        Err(match refusal {
            Refusal::Missed => Stop::Error(Error::Conflict { key: key(0) }),
            Refusal::Present { statement } => Stop::Error(Error::Conflict { key: key(statement) }),
            Refusal::Taken { statement, index } => Stop::Taken(Error::UniqueViolation { key: key(statement), index }),
            Refusal::Contended => Stop::Contended(contentions),
            Refusal::Other(faults::PARALLEL_LISTS, reason) => Error::Invalid { key: key(0), reason }.into(),
            Refusal::Other(number, why) => {
                let what = self.store.what(&format!("writing {} for {}", key(0), self.doing()));
                faults::numbered(Some(number), why, what).into()
            }
        })
    }

    /// Takes the holds from documents that are to be changed, so that those who check them for ever do not keep this one from it: they must
    /// make them again. Outside of any transaction the server waits for who has them. Holds may go at any time, so nothing is lost
    /// where this fails.
    async fn let_go(&self) {
        let (database, place) = (self.store.database(HOLDS), self.store.layout.place(HOLDS));
        for removal in holds_of(self.batch, self.declarations) {
            drop(timeout_at(self.deadline, database.run_raw_command(removal.body(&place.collection))).await);
        }
    }

    /// Sends the end of the transaction until there is an answer to it.
    async fn end(&mut self, transaction: &mut Transaction) -> Result<(), Stop> {
        let mut losses = 0;
        loop {
            // What is given up from here on may have happened.
            let doubt = std::mem::replace(&mut self.in_doubt, true);
            match timeout_at(self.deadline, transaction.commit()).await {
                Err(_) => return Err(Stop::Late),
                Ok(Ok(confirmed)) => {
                    confirmed.into_iter().for_each(|time| self.store.clock.confirmed(time));
                    return Ok(());
                }
                Ok(Err(fault)) => match faults::end(&fault) {
                    End::Open if losses >= OPEN_ENDS => {
                        self.lost = Some(fault);
                        return Err(Stop::Repeat);
                    }
                    End::Unanswered | End::Open => {
                        losses += 1;
                        self.lost = Some(fault);
                        let waited = timeout_at(self.deadline, pause(losses + 2, AFTER_LOSS)).await;
                        waited.map_err(|_| Stop::Late)?;
                    }
                    End::Dead => {
                        self.in_doubt = doubt || losses > 0;
                        return Err(fault.into());
                    }
                },
            }
        }
    }

    async fn repeat(&self) -> Result<Option<Receipt>, Error> {
        let asked = timeout_at(self.deadline, self.store.replay(self.batch, !self.in_doubt)).await;
        asked.unwrap_or_else(|_| Err(self.late())).map_err(|error| self.told(error))
    }

    /// What it rests on has changed, unless it was committed before.
    async fn outdated(&self, error: Error) -> Result<Receipt, Error> {
        let repeated = self.repeat().await?;
        repeated.ok_or_else(|| if self.in_doubt { self.unknown(error.to_string()) } else { error })
    }

    /// Others were always faster.
    async fn contended(&self) -> Result<Receipt, Error> {
        let repeated = self.repeat().await?;
        repeated.ok_or_else(|| match self.in_doubt {
            // Whoever is met again and again may be this command's own transaction, whose end is not known.
            true => self.unknown("a transaction writes the same and does not end".to_owned()),
            false => Error::Conflict { key: self.first() },
        })
    }

    /// An error as it is told: while an end is in doubt nothing can be said but that.
    fn told(&self, error: Error) -> Error {
        let lasting = matches!(error, Error::Unknown { .. } | Error::CommandIdReused { .. });
        // Judged in a transaction that had the row of the ledger: then the command was not committed before.
        let judged = matches!(error, Error::Conflict { .. } | Error::UniqueViolation { .. });
        if self.in_doubt && !lasting && !judged { self.unknown(error.to_string()) } else { error }
    }

    fn late(&self) -> Error {
        let what = || self.store.what(&self.doing());
        if self.has_twin {
            let doing = self.store.what("waiting for another transaction of the same command");
            return self.unknown(format!("{doing}: it did not end within {} seconds", self.store.patience.as_secs()));
        }
        match (&self.lost, self.in_doubt) {
            (None, true) => {
                let doing = self.store.what("ending its transaction");
                self.unknown(format!("{doing}: there was no answer within {} seconds", self.store.patience.as_secs()))
            }
            (Some(fault), true) => self.unknown(self.store.error(fault, "ending its transaction").to_string()),
            (Some(fault), false) => faults::error(fault, &what()),
            (None, false) => Error::Timeout { what: what(), seconds: self.store.patience.as_secs() },
        }
    }

    fn unknown(&self, why: String) -> Error {
        Error::Unknown { command: self.batch.command.clone(), why }
    }

    /// Whether the index may have refused only what it saw in between: other documents of that collection are written over.
    fn rewrites(&self, error: &Error) -> bool {
        let Error::UniqueViolation { key, .. } = error else { return false };
        let over = |op: &Op| !matches!(op, Op::Delete);
        let others = self.batch.writes.iter().filter(|write| write.key != *key);
        others
            .filter(|write| write.key.collection == key.collection)
            .any(|write| over(&write.op) && write.expect != crate::store::Expect::Absent)
    }

    /// A document of the batch, where the server does not say which.
    fn first(&self) -> Key {
        let written = self.batch.writes.iter().map(|write| &write.key);
        let first = written.chain(self.batch.checks.iter().map(|check| &check.key)).next();
        first.cloned().unwrap_or_else(|| Key::new(&COMMANDS, self.batch.command.as_str()))
    }

    fn doing(&self) -> String {
        format!("committing command `{}`", self.batch.command)
    }
}
