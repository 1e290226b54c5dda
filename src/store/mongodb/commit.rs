//! Committing: one transaction, whose first write is the row of the ledger; again where the server gave it up, and asked about where
//! its end had no answer.

use std::time::Duration;

use mongodb::bson::RawDocumentBuf;
use mongodb::bson::raw::{RawArrayBuf, cstr};
use mongodb::error::Error as Fault;
use tokio::time::{Instant, timeout_at};

use super::again::{self, AFTER_LOSS, pause};
use super::faults::{self, Refusal};
use super::port::CAPABILITIES;
use super::statements::{Command, Order, Seen, commands, seen_of, unseen};
use super::transaction::Transaction;
use super::{Declarations, Mongo};
use crate::schema::Key;
use crate::store::batch::next_revision;
use crate::store::{Batch, COMMANDS, Error, Op, Receipt};

/// How often a transaction that met another one is made again before its caller is told.
const CONTENTIONS: u32 = 16;
/// What is waited at the most after meeting another transaction.
const AFTER_CONTENTION: Duration = Duration::from_millis(30);

/// Why an attempt did not commit.
enum Stop {
    /// It cannot be committed.
    Error(Error),
    /// A unique index refused it; maybe only since it is asked before all is written.
    Taken(Error),
    /// The ledger has the command.
    Repeat,
    /// The server gave it up, or something failed on the way.
    Fault(Fault),
    /// Another transaction writes the same.
    Contended,
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
        if faults::number(&fault) == Some(faults::WRITE_CONFLICT) { Stop::Contended } else { Stop::Fault(fault) }
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
    /// An end of a transaction was sent and not answered: it may have been committed.
    in_doubt: bool,
    /// What went wrong last on the way to the server.
    lost: Option<Fault>,
}

impl Mongo {
    pub(super) async fn do_commit(&self, batch: &Batch) -> Result<Receipt, Error> {
        let declarations = self.declarations();
        if let Err(refused) = batch.check(&declarations.catalog, CAPABILITIES.limits()) {
            // A repeat is answered, whatever it holds.
            let asked = self.replay(batch, true).await?;
            return asked.ok_or(refused);
        }
        let deadline = Instant::now() + self.patience;
        let (order, lost) = (Order::InPlace, None);
        let mut commit =
            Commit { store: self, batch, declarations: &declarations, deadline, order, in_doubt: false, lost };
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
        let (mut contentions, mut losses) = (0, 0);
        loop {
            match self.attempt().await {
                Ok(receipt) => return Ok(receipt),
                Err(Stop::Repeat) => match self.repeat().await? {
                    Some(receipt) => return Ok(receipt),
                    // It was there a moment ago; its time in the ledger ended just now.
                    None => losses += 1,
                },
                Err(Stop::Taken(error)) if self.order == Order::DeletedFirst || !self.rewrites(&error) => {
                    return Err(self.told(error));
                }
                Err(Stop::Taken(_)) => self.order = Order::DeletedFirst,
                Err(Stop::Error(error)) => return Err(self.told(error)),
                Err(Stop::Contended) if contentions == CONTENTIONS => return self.contended().await,
                Err(Stop::Contended) => {
                    contentions += 1;
                    pause(contentions, AFTER_CONTENTION).await;
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
        let deadline = self.deadline;
        let mut transaction = timeout_at(deadline, self.store.begin()).await.map_err(|_| Stop::Late)??;
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

    /// All that the transaction writes: the row of the ledger first.
    async fn write(&self, transaction: &mut Transaction) -> Result<(), Stop> {
        self.write_ledger(transaction).await?;
        let seen = self.look(transaction).await?;
        for command in commands(self.batch, self.declarations, &seen, self.order)? {
            self.run_command(transaction, &command).await?;
        }
        Ok(())
    }

    async fn write_ledger(&self, transaction: &mut Transaction) -> Result<(), Stop> {
        let (key, row) = self.batch.ledger_row();
        let declared = self.declarations.collections.get(COMMANDS.name);
        let declared = declared
            .ok_or_else(|| Error::Invalid { key: key.clone(), reason: "no catalog was declared".to_owned() })?;
        let revision = next_revision(&key, None, &self.batch.command);
        let row = declared.encode_document(&key, &revision, COMMANDS.version, &row)?;
        let mut rows = RawArrayBuf::new();
        rows.push(row);
        let mut insert = RawDocumentBuf::new();
        insert.append(cstr!("insert"), self.store.layout.place(COMMANDS.name).collection);
        insert.append(cstr!("documents"), rows);
        let refusal = match transaction.run(&self.store.database(COMMANDS.name), insert).await {
            Ok(reply) => faults::refusal(&reply),
            Err(fault) => Some(faults::refused(&fault).ok_or(fault)?),
        };
        match refusal {
            None => Ok(()),
            Some(Refusal::Contended) => Err(Stop::Contended),
            Some(Refusal::Other(number, why)) => {
                Err(faults::numbered(Some(number), why, self.store.what(&self.doing())).into())
            }
            Some(_) => Err(Stop::Repeat),
        }
    }

    /// What stands where that must be known before writing.
    async fn look(&self, transaction: &mut Transaction) -> Result<Seen, Stop> {
        let mut seen = Seen::new();
        for key in unseen(self.batch, self.order) {
            let found = self.store.find_in(transaction, self.declarations, key).await?;
            seen.insert(key.clone(), found.as_ref().map(seen_of));
        }
        Ok(seen)
    }

    async fn run_command(&self, transaction: &mut Transaction, command: &Command<'_>) -> Result<(), Stop> {
        let place = self.store.layout.place(command.collection);
        let database = self.store.client.database(&place.database);
        let refusal = match transaction.run(&database, command.body(&place.collection)).await {
            Ok(reply) => command.judge(&reply).err(),
            Err(fault) => Some(faults::refused(&fault).ok_or(fault)?),
        };
        let Some(refusal) = refusal else { return Ok(()) };
        let key = |statement| command.key(statement).cloned().unwrap_or_else(|| self.first());
        Err(match refusal {
            Refusal::Missed => Stop::Error(Error::Conflict { key: key(0) }),
            Refusal::Present { statement } => Stop::Error(Error::Conflict { key: key(statement) }),
            Refusal::Taken { statement, index } => Stop::Taken(Error::UniqueViolation { key: key(statement), index }),
            Refusal::Contended => Stop::Contended,
            Refusal::Other(number, why) => {
                let what = self.store.what(&format!("writing {} for {}", key(0), self.doing()));
                faults::numbered(Some(number), why, what).into()
            }
        })
    }

    /// Sends the end of the transaction until there is an answer to it.
    async fn end(&mut self, transaction: &mut Transaction) -> Result<(), Stop> {
        let mut losses = 0;
        loop {
            // What is given up from here on may have happened.
            let doubt = std::mem::replace(&mut self.in_doubt, true);
            match timeout_at(self.deadline, transaction.commit()).await {
                Err(_) => return Err(Stop::Late),
                Ok(Ok(())) => return Ok(()),
                Ok(Err(fault)) if faults::undecided(&fault) => {
                    losses += 1;
                    self.lost = Some(fault);
                    let waited = timeout_at(self.deadline, pause(losses + 2, AFTER_LOSS)).await;
                    waited.map_err(|_| Stop::Late)?;
                }
                Ok(Err(fault)) => {
                    // An answer at last: this transaction was not committed, or the server knows nothing of it. Then the ledger does.
                    self.in_doubt = doubt || losses > 0;
                    return Err(fault.into());
                }
            }
        }
    }

    async fn repeat(&self) -> Result<Option<Receipt>, Error> {
        let asked = timeout_at(self.deadline, self.store.replay(self.batch, !self.in_doubt)).await;
        asked.unwrap_or_else(|_| Err(self.late())).map_err(|error| self.told(error))
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
