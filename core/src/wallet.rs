//! The consumer's memory: which uses of an order are spent, and the keys of the requests that are under way.
//!
//! Tickets hold secrets, so each is kept as a sealed envelope under a key derived from the account's.

use std::collections::HashMap;
use std::path::Path;

use hkdf::Hkdf;
use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::Sha512;
use zeroize::{Zeroize, Zeroizing};

use crate::access::Service;
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::durable::{Durable, DurableError, Format, via_durable};
use crate::envelope::{self, EnvelopeError, ObjectKey, RecipientKey};
use crate::error::{Classify, ErrorKind};
use crate::job::{JobId, JobRequest, MAX_REQUEST_BYTES};
use crate::ledger::METADATA_LIMIT;
use crate::program::{MAX_PROGRAM_BYTES, Output};
use crate::{Account, Address, Digest};

const FORMAT: Format = Format { name: "sealock-wallet", version: 1 };
/// [`tally`] of an order to the number of uses taken.
const USES: TableDefinition<&[u8; 32], u64> = TableDefinition::new("uses");
/// Job to its ticket, sealed.
const TICKETS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("tickets");

/// Largest ticket: a request, a description and some keys.
const MAX_TICKET_BYTES: usize = MAX_REQUEST_BYTES + METADATA_LIMIT + MAX_PROGRAM_BYTES + 4096;

/// Why the wallet failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// The database under it failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// A ticket does not decode.
    #[error("the wallet is damaged: {0}")]
    Row(#[from] CodecError),
    /// A ticket is sealed under another account's key.
    #[error("the wallet belongs to another account, or is damaged: {0}")]
    Sealed(#[from] EnvelopeError),
}

impl Classify for WalletError {
    fn kind(&self) -> ErrorKind {
        match self {
            WalletError::Durable(e) => e.kind(),
            WalletError::Row(_) => ErrorKind::CorruptState,
            WalletError::Sealed(e) => e.kind(),
        }
    }
    fn hint(&self) -> Option<String> {
        match self {
            WalletError::Durable(e) => e.hint(),
            _ => None,
        }
    }
}

via_durable!(WalletError, TableError, StorageError);

/// What a request needs later: to be opened without the ledger, and to be proved again.
pub(crate) struct Ticket {
    pub(crate) service: Service,
    pub(crate) owner: Address,
    /// The asset's description as it was.
    pub(crate) ddo: Vec<u8>,
    /// Which of the account's orders of the asset pays.
    pub(crate) counter: u64,
    pub(crate) use_index: u64,
    pub(crate) request: JobRequest,
    /// What the query makes of its program's numbers.
    pub(crate) outputs: Vec<Output>,
    pub(crate) seed: Zeroizing<[u8; 32]>,
    pub(crate) result_key: RecipientKey,
}

/// A ticket's form inside its envelope.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    version: u64,
    service: Service,
    owner: Address,
    ddo: ByteBuf,
    counter: u64,
    use_index: u64,
    request: ByteBuf,
    outputs: Vec<Output>,
    #[serde(with = "serde_bytes")]
    seed: [u8; 32],
    #[serde(with = "serde_bytes")]
    result_secret: [u8; 32],
}

impl Drop for Row {
    fn drop(&mut self) {
        self.seed.zeroize();
        self.result_secret.zeroize();
    }
}

/// See the module.
pub struct Wallet {
    db: Durable,
    key: Zeroizing<[u8; 32]>,
}

impl Wallet {
    /// Opens the wallet of `account` at `path`, and makes it if there is none.
    ///
    /// # Errors
    /// [`WalletError::Durable`]: in use by another process, or no wallet.
    pub fn open(path: impl AsRef<Path>, account: &Account) -> Result<Self, WalletError> {
        Ok(Self { db: Durable::open(path, FORMAT)?, key: wallet_key(account) })
    }

    /// Opens the wallet of `account` that `backend` stores.
    ///
    /// # Errors
    /// As [`Wallet::open`].
    pub fn with_backend(backend: impl redb::StorageBackend, account: &Account) -> Result<Self, WalletError> {
        Ok(Self { db: Durable::with_backend(backend, FORMAT)?, key: wallet_key(account) })
    }

    /// A wallet that is gone when it is dropped.
    ///
    /// # Errors
    /// None that memory gives rise to.
    pub fn in_memory(account: &Account) -> Result<Self, WalletError> {
        Ok(Self { db: Durable::in_memory(FORMAT)?, key: wallet_key(account) })
    }

    /// How many uses of an order were taken, in an epoch if they are counted in epochs.
    pub(crate) fn uses(&self, commitment: &[u8; 32], epoch: Option<u64>) -> Result<u64, WalletError> {
        self.db.read_table(USES, |uses| Ok(uses.get(&tally(commitment, epoch))?.map_or(0, |n| n.value())))
    }

    /// Takes the next use of an order, if there is one. A use is taken once, even if no request comes of it: two requests
    /// with one use would be linked, and the second refused.
    pub(crate) fn take_use(
        &self,
        commitment: &[u8; 32],
        epoch: Option<u64>,
        limit: u64,
    ) -> Result<Option<u64>, WalletError> {
        Ok(self.take_uses(&[(*commitment, epoch, limit)])?.ok().map(|taken| taken[0]))
    }

    /// Takes the next use of each of some orders, or of none: then the place of the first that has none left is returned.
    pub(crate) fn take_uses(
        &self,
        orders: &[([u8; 32], Option<u64>, u64)],
    ) -> Result<Result<Vec<u64>, usize>, WalletError> {
        self.db.write(|txn| {
            let mut uses = txn.open_table(USES)?;
            let mut next: HashMap<[u8; 32], u64> = HashMap::new();
            let mut taken = Vec::with_capacity(orders.len());
            for (place, (commitment, epoch, limit)) in orders.iter().enumerate() {
                let tally = tally(commitment, *epoch);
                let use_index = match next.get(&tally) {
                    Some(next) => *next,
                    None => uses.get(&tally)?.map_or(0, |n| n.value()),
                };
                if use_index >= *limit {
                    return Ok(Err(place));
                }
                next.insert(tally, use_index + 1);
                taken.push(use_index);
            }
            for (tally, next) in &next {
                uses.insert(tally, next)?;
            }
            Ok(Ok(taken))
        })
    }

    /// The envelope of one ticket is bound to its job.
    fn ticket_key(&self, job: &[u8; 32]) -> ObjectKey {
        ObjectKey::from_secret_parts(&self.key, job)
    }

    pub(crate) fn keep(&self, ticket: &Ticket) -> Result<(), WalletError> {
        self.keep_all(&[ticket])
    }

    /// Keeps some tickets, or none.
    pub(crate) fn keep_all(&self, tickets: &[&Ticket]) -> Result<(), WalletError> {
        let sealed = tickets.iter().map(|ticket| self.seal(ticket)).collect::<Result<Vec<_>, _>>()?;
        self.db.write(|txn| {
            let mut table = txn.open_table(TICKETS)?;
            for (id, sealed) in &sealed {
                table.insert(id.digest().as_bytes(), sealed.as_slice())?;
            }
            Ok(())
        })
    }

    fn seal(&self, ticket: &Ticket) -> Result<(JobId, Vec<u8>), WalletError> {
        let id = ticket.request.id();
        let row = Row {
            version: 1,
            service: ticket.service,
            owner: ticket.owner,
            ddo: ByteBuf::from(ticket.ddo.clone()),
            counter: ticket.counter,
            use_index: ticket.use_index,
            request: ByteBuf::from(ticket.request.to_bytes()?),
            outputs: ticket.outputs.clone(),
            seed: *ticket.seed,
            result_secret: *ticket.result_key.expose_secret_bytes(),
        };
        let plain = Zeroizing::new(to_canonical("ticket", &row)?);
        Ok((id, envelope::seal_bytes(&self.ticket_key(id.digest().as_bytes()), &plain)?))
    }

    pub(crate) fn tickets(&self) -> Result<Vec<Ticket>, WalletError> {
        self.db.read_table(TICKETS, |tickets| {
            let open = |entry: Result<(_, redb::AccessGuard<'_, &[u8]>), redb::StorageError>| {
                let (id, sealed): (redb::AccessGuard<'_, &[u8; 32]>, _) = entry?;
                let plain = Zeroizing::new(envelope::open_bytes(&self.ticket_key(id.value()), sealed.value())?);
                let row: Row = from_canonical("ticket", &plain, MAX_TICKET_BYTES)?;
                Ok(Ticket {
                    service: row.service,
                    owner: row.owner,
                    ddo: row.ddo.to_vec(),
                    counter: row.counter,
                    use_index: row.use_index,
                    request: JobRequest::from_bytes(&row.request)?,
                    outputs: row.outputs.clone(),
                    seed: Zeroizing::new(row.seed),
                    result_key: RecipientKey::from_secret_bytes(&row.result_secret)?,
                })
            };
            tickets.iter()?.map(open).collect()
        })
    }

    /// Marks a use as taken that the caller has chosen.
    pub(crate) fn mark_used(
        &self,
        commitment: &[u8; 32],
        epoch: Option<u64>,
        use_index: u64,
    ) -> Result<(), WalletError> {
        let tally = tally(commitment, epoch);
        self.db.write(|txn| {
            let mut uses = txn.open_table(USES)?;
            let taken = uses.get(&tally)?.map_or(0, |n| n.value());
            uses.insert(&tally, taken.max(use_index.saturating_add(1)))?;
            Ok(())
        })
    }

    pub(crate) fn forget(&self, job: JobId) -> Result<(), WalletError> {
        self.db.write(|txn| {
            txn.open_table(TICKETS)?.remove(job.digest().as_bytes())?;
            Ok(())
        })
    }
}

/// Under what the uses of an order are counted: its commitment or, where uses are counted in epochs, that and the epoch.
fn tally(commitment: &[u8; 32], epoch: Option<u64>) -> [u8; 32] {
    match epoch {
        Some(epoch) => *Digest::of("sealock/v1/wallet-epoch", &[commitment, &epoch.to_be_bytes()]).as_bytes(),
        None => *commitment,
    }
}

fn wallet_key(account: &Account) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0u8; 32]);
    Hkdf::<Sha512>::new(Some(b"sealock/v1/wallet"), account.expose_secret_bytes().as_ref())
        .expand(account.address().as_bytes(), key.as_mut())
        .expect("32 bytes are within HKDF's limit");
    key
}

#[cfg(test)]
#[path = "../tests/support/freeze.rs"]
mod freeze;

#[cfg(test)]
mod tests {
    use super::*;

    use super::freeze::{Disk, Loss, every_crash_point, healthy};

    fn ticket(use_index: u64) -> Ticket {
        let any = Address::from_bytes([1; 20]);
        let digest = Digest::sha256(b"any");
        let request = JobRequest {
            version: JobRequest::VERSION,
            asset: format!("did:op:{digest}"),
            program: ByteBuf::new(),
            query: ByteBuf::from(vec![7; 3000]),
            result_key: [1; 32],
            policy: digest,
            data: digest,
            deadline: 9,
            root: [2; 32],
            nullifier: [use_index as u8; 32],
            now: 8,
            proof: ByteBuf::new(),
            round: None,
            query_digest: Default::default(),
        };
        let service = Service { chain_id: 1, ledger: any, nft: any, datatoken: any, service: 0, epoch_secs: None };
        Ticket {
            outputs: vec![(crate::program::sum("a") / 2).alias("half")],
            service,
            owner: any,
            ddo: b"{}".to_vec(),
            counter: 0,
            use_index,
            request,
            seed: Zeroizing::new([use_index as u8; 32]),
            result_key: RecipientKey::generate(),
        }
    }

    #[test]
    fn no_use_is_handed_out_twice_and_no_kept_ticket_is_lost_whenever_the_power_fails() {
        let account = Account::from_secret_bytes(&[3; 32]).unwrap();
        let (commitment, limit) = ([5; 32], 3);
        // Uses handed out, and tickets kept.
        let run = |disk: Disk| -> (u64, usize) {
            let mut done = (0, 0);
            let mut work = || -> Result<(), WalletError> {
                let wallet = Wallet::with_backend(disk.clone(), &account)?;
                while let Some(use_index) = wallet.take_use(&commitment, None, limit)? {
                    done.0 = use_index + 1;
                    wallet.keep(&ticket(use_index))?;
                    done.1 += 1;
                }
                Ok(())
            };
            let _ = work();
            done
        };
        let fresh = Disk::new(Vec::new(), None);
        drop(Wallet::with_backend(fresh.clone(), &account).unwrap());
        let image = fresh.image(Loss::Nothing);
        assert_eq!(run(Disk::new(image.clone(), None)), (3, 3));
        every_crash_point(&image, 2, run, |crash| {
            let ((taken, kept), point) = (*crash.acknowledged, crash.point);
            let wallet = Wallet::with_backend(healthy(&crash.image), &account).unwrap();
            let found = wallet.uses(&commitment, None).unwrap();
            assert!((taken..=taken + 1).contains(&found), "{taken} handed out, {found} known at {point:?}");
            let tickets = wallet.tickets().unwrap();
            assert!((kept..=kept + 1).contains(&tickets.len()), "{kept} kept, {} found at {point:?}", tickets.len());
            assert!(tickets.iter().all(|t| *t.seed == [t.use_index as u8; 32]), "{point:?}");
            assert_eq!(
                wallet.take_use(&commitment, None, limit).unwrap(),
                (found < limit).then_some(found),
                "{point:?}"
            );
        });
    }

    #[test]
    fn uses_of_several_orders_are_taken_together_or_not_at_all() {
        let wallet = Wallet::in_memory(&Account::generate()).unwrap();
        let orders = [([1; 32], None, 2), ([2; 32], None, 1)];
        assert_eq!(wallet.take_uses(&orders).unwrap(), Ok(vec![0, 0]));
        assert_eq!(wallet.take_uses(&orders).unwrap(), Err(1), "the second has none left");
        assert_eq!(wallet.uses(&[1; 32], None).unwrap(), 1, "and the first kept its own");
        let twice = [([3; 32], None, 2), ([3; 32], None, 2)];
        assert_eq!(wallet.take_uses(&twice).unwrap(), Ok(vec![0, 1]), "no use is handed out twice");
    }

    #[test]
    fn a_ticket_opens_for_its_account_alone() {
        let (owner, other) = (Account::generate(), Account::generate());
        let disk = Disk::new(Vec::new(), None);
        Wallet::with_backend(disk.clone(), &owner).unwrap().keep(&ticket(1)).unwrap();
        let image = disk.image(Loss::Nothing);
        assert!(!image.windows(8).any(|bytes| bytes == [1; 8]), "neither seed nor request is there in the clear");
        let foreign = Wallet::with_backend(healthy(&image), &other).unwrap();
        assert_eq!(foreign.tickets().err().unwrap().kind(), ErrorKind::WrongKey);
        assert_eq!(Wallet::with_backend(healthy(&image), &owner).unwrap().tickets().unwrap().len(), 1);
    }
}
