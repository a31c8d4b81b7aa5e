//! What the embedded ledger promises beside the trait: signed transactions, a log that shows every edit, and a file.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};
use sealock::{
    Account, Address, ErrorKind, Signature,
    codec::to_canonical,
    error::Classify,
    ledger::{
        Action, Amount, Dispenser, EMBEDDED_CHAIN_ID, EmbeddedLedger, Event, FixedRate, Ledger, LedgerError,
        OrderTerms, Publication, Published, SignedTransaction, TRANSACTION_LIMIT, Transaction,
    },
    time::{Clock, ManualClock, Timestamp},
};

const ONE: Amount = Amount::ONE;
const TERMS: OrderTerms = OrderTerms::new(3, 60);

fn ledger() -> EmbeddedLedger {
    EmbeddedLedger::in_memory(Arc::new(ManualClock::at(1_000))).unwrap()
}

fn account(n: u8) -> Account {
    Account::from_secret_bytes(&[n; 32]).unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, LedgerError>, kind: ErrorKind) {
    let error = result.expect_err("it should be refused");
    assert_eq!(error.kind(), kind, "{error}");
}

/// A token of which `owner` holds ten.
fn coin(ledger: &EmbeddedLedger, owner: &Account) -> Address {
    let coin = ledger.deploy_token(owner, "Coin", "COIN", Amount::whole(100)).unwrap();
    ledger.mint(owner, coin, owner.address(), Amount::whole(10)).unwrap();
    coin
}

fn payment(ledger: &EmbeddedLedger, coin: Address, from: &Account, to: Address) -> Transaction {
    let nonce = ledger.nonce(from.address()).unwrap();
    ledger.transaction(from.address(), nonce, Action::Transfer { token: coin, to, amount: ONE })
}

/// One of each action, for the forms on the wire.
fn actions() -> Vec<Action> {
    let (token, to, account, nft, base_token) = {
        let a = |n| Address::from_bytes([n; 20]);
        (a(1), a(2), a(3), a(4), a(5))
    };
    let (name, symbol, amount, cap) = ("Name".to_owned(), "SYM".to_owned(), ONE, Amount::MAX);
    let rate = FixedRate { base_token, rate: ONE, active: true, with_mint: false };
    let dispenser = Dispenser { max_amount: ONE, max_balance: ONE, active: false };
    vec![
        Action::Publish { name: name.clone(), symbol: symbol.clone(), cap },
        Action::DeployToken { name, symbol, cap },
        Action::Mint { token, to, amount },
        Action::Transfer { token, to, amount },
        Action::AddMinter { token, account },
        Action::RemoveMinter { token, account },
        Action::SetFixedRate { token, rate },
        Action::SetDispenser { token, dispenser },
        Action::Buy { token, amount, base_token, max_cost: Amount::MAX },
        Action::Dispense { token, amount },
        Action::SetOrderTerms { token, service: 7, terms: TERMS },
        Action::Order { token, service: 7, terms: TERMS, commitment: [9; 32] },
        Action::RevokeOrder { token, service: 7, order: 1, effective: 120, refund: true },
        Action::SetMetadata { nft, ddo: b"{}".to_vec() },
        Action::TransferNft { nft, to },
    ]
}

#[test]
fn a_transaction_signed_elsewhere_is_applied_once() {
    let (ledger, alice, bob) = (ledger(), account(1), account(2));
    let coin = coin(&ledger, &alice);
    let signed = payment(&ledger, coin, &alice, bob.address()).sign(&alice).unwrap();
    let arrived = SignedTransaction::decode(&signed.encode().unwrap()).unwrap();
    let receipt = ledger.submit(&arrived).unwrap();
    assert_eq!(receipt.tx, signed.transaction.digest().unwrap());
    assert_eq!(ledger.receipt(&receipt.tx).unwrap(), receipt, "a lost answer can be had again");

    match ledger.submit(&arrived) {
        Err(LedgerError::NonceMismatch { expected: 3, got: 2, account }) => assert_eq!(account, alice.address()),
        other => panic!("{other:?}"),
    }
    let mut early = payment(&ledger, coin, &alice, bob.address());
    early.nonce += 1;
    refused(ledger.submit(&early.sign(&alice).unwrap()), ErrorKind::NonceMismatch);
    assert_eq!(ledger.balance_of(coin, bob.address()).unwrap(), ONE);
    refused(ledger.receipt(&sealock::Digest::sha256(b"?")), ErrorKind::NotFound);
}

#[test]
fn one_transaction_submitted_by_64_threads_is_applied_once() {
    let (ledger, alice, bob) = (ledger(), account(1), account(2));
    let coin = coin(&ledger, &alice);
    let signed = payment(&ledger, coin, &alice, bob.address()).sign(&alice).unwrap();
    let barrier = std::sync::Barrier::new(64);
    let submit = || {
        barrier.wait();
        ledger.submit(&signed).map_err(|e| e.kind())
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64).map(|_| scope.spawn(submit)).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    assert_eq!(results.iter().filter(|r| **r == Err(ErrorKind::NonceMismatch)).count(), 63);
    assert_eq!(ledger.balance_of(coin, bob.address()).unwrap(), ONE);
    ledger.audit().unwrap();
}

#[test]
fn the_form_of_a_transaction_is_that_of_version_1() {
    let transaction = Transaction {
        version: 1,
        chain_id: EMBEDDED_CHAIN_ID,
        ledger: Address::from_bytes([0xaa; 20]),
        nonce: 7,
        sender: account(1).address(),
        action: Action::Transfer {
            token: Address::from_bytes([0xbb; 20]),
            to: Address::from_bytes([0xcc; 20]),
            amount: ONE,
        },
    };
    assert_eq!(
        transaction.digest().unwrap().to_string(),
        "3fc8c3ee83f5ccfafb65884200e3bb1d49e63129c5a3d1cb3847a4d0d2b7ef47"
    );
    // ECDSA is deterministic here (RFC 6979), and so are the bytes.
    let bytes = transaction.sign(&account(1)).unwrap().encode().unwrap();
    let expected = concat!(
        "01a2697369676e6174757265584102cbadb01fbb449df2957a10aab570c93fd8e02a79ba248c7d849c8a92ce21823b31b2e9",
        "2c25a496a777741ee15fbfbd882522b907b4b52478d2729a19d55272016b7472616e73616374696f6ea6656e6f6e63650766",
        "616374696f6ea1685472616e73666572a362746f54cccccccccccccccccccccccccccccccccccccccc65746f6b656e54bbbb",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb66616d6f756e745000000000000000000de0b6b3a7640000666c656467657254",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa6673656e646572541a642f0e3c3af545e7acbd38b07251b3990914f16776",
        "657273696f6e0168636861696e5f69641a005ea10c",
    );
    assert_eq!(hex::encode(bytes), expected);
}

#[test]
fn a_refused_transaction_uses_no_nonce_and_leaves_no_trace() {
    let (ledger, alice, bob) = (ledger(), account(1), account(2));
    let coin = coin(&ledger, &alice);
    let tip = ledger.tip().unwrap();
    let all = Action::Transfer { token: coin, to: alice.address(), amount: ONE };
    let signed = ledger.transaction(bob.address(), 0, all).sign(&bob).unwrap();
    refused(ledger.submit(&signed), ErrorKind::InsufficientBalance);
    assert_eq!((ledger.tip().unwrap(), ledger.nonce(bob.address()).unwrap()), (tip, 0));
    refused(ledger.receipt(&signed.transaction.digest().unwrap()), ErrorKind::NotFound);
    // Once there is money, the same transaction goes through.
    ledger.transfer(&alice, coin, bob.address(), ONE).unwrap();
    ledger.submit(&signed).unwrap();
}

#[test]
fn a_transaction_changed_in_any_field_is_refused() {
    let (ledger, alice, bob) = (ledger(), account(1), account(2));
    let coin = coin(&ledger, &alice);
    let signed = payment(&ledger, coin, &alice, bob.address()).sign(&alice).unwrap();
    let tip = ledger.tip().unwrap();
    type Change = fn(&mut Transaction);
    let changes: [(Change, ErrorKind); 8] = [
        (|t| t.version += 1, ErrorKind::UnsupportedVersion),
        (|t| t.chain_id += 1, ErrorKind::InvalidArgument),
        (|t| t.ledger = Address::ZERO, ErrorKind::InvalidArgument),
        (|t| t.nonce += 1, ErrorKind::BadSignature),
        (|t| t.sender = account(2).address(), ErrorKind::BadSignature),
        (|t| set_transfer(t, |token, _, _| *token = Address::ZERO), ErrorKind::BadSignature),
        (|t| set_transfer(t, |_, to, _| *to = account(3).address()), ErrorKind::BadSignature),
        (|t| set_transfer(t, |_, _, amount| *amount = Amount::whole(9)), ErrorKind::BadSignature),
    ];
    for (change, kind) in changes {
        let mut changed = signed.clone();
        change(&mut changed.transaction);
        refused(ledger.submit(&changed), kind);
    }
    assert_eq!(ledger.tip().unwrap(), tip);
    ledger.submit(&signed).unwrap();
}

fn set_transfer(transaction: &mut Transaction, change: impl FnOnce(&mut Address, &mut Address, &mut Amount)) {
    let Action::Transfer { token, to, amount } = &mut transaction.action else { panic!("it is a transfer") };
    change(token, to, amount);
}

#[test]
fn every_bit_of_the_signature_counts() {
    let (ledger, alice, bob) = (ledger(), account(1), account(2));
    let coin = coin(&ledger, &alice);
    let signed = payment(&ledger, coin, &alice, bob.address()).sign(&alice).unwrap();
    for bit in 0..65 * 8 {
        let mut bytes = *signed.signature.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let flipped = SignedTransaction { signature: Signature::from_bytes(bytes), ..signed.clone() };
        refused(ledger.submit(&flipped), ErrorKind::BadSignature);
    }
    // Nobody signs for another.
    refused(payment(&ledger, coin, &alice, bob.address()).sign(&bob), ErrorKind::BadSignature);
    ledger.submit(&signed).unwrap();
}

#[test]
fn a_transaction_for_another_ledger_or_chain_is_refused() {
    let (here, there, alice) = (ledger(), ledger(), account(1));
    assert_ne!(here.address(), there.address());
    let action = Action::DeployToken { name: "Coin".into(), symbol: "COIN".into(), cap: ONE };
    let signed = there.transaction(alice.address(), 0, action.clone()).sign(&alice).unwrap();
    refused(here.submit(&signed), ErrorKind::InvalidArgument);
    let other_chain = Transaction { chain_id: 1, ..here.transaction(alice.address(), 0, action) };
    refused(here.submit(&other_chain.sign(&alice).unwrap()), ErrorKind::InvalidArgument);
    assert_eq!(here.tip().unwrap().transactions, 0);
    there.submit(&signed).unwrap();
    assert_eq!(here.chain_id(), EMBEDDED_CHAIN_ID);
}

#[test]
fn bytes_that_are_not_exactly_a_transaction_are_refused() {
    let (ledger, alice) = (ledger(), account(1));
    for action in actions() {
        let signed = ledger.transaction(alice.address(), 0, action).sign(&alice).unwrap();
        let bytes = signed.encode().unwrap();
        assert_eq!(SignedTransaction::decode(&bytes).unwrap(), signed);
        for cut in 0..bytes.len() {
            assert!(SignedTransaction::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        refused(SignedTransaction::decode(&[&bytes[..], &[0]].concat()), ErrorKind::Malformed);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = SignedTransaction::decode(&flipped) {
                let error = ledger.submit(&read).expect_err("a changed transaction is not signed");
                let kinds = [ErrorKind::BadSignature, ErrorKind::InvalidArgument, ErrorKind::UnsupportedVersion];
                assert!(kinds.contains(&error.kind()), "{error}");
            }
        }
    }
    refused(SignedTransaction::decode(&[]), ErrorKind::Malformed);
    refused(SignedTransaction::decode(&[2, 0]), ErrorKind::UnsupportedVersion);
    refused(SignedTransaction::decode(&vec![1; TRANSACTION_LIMIT + 1]), ErrorKind::TooLarge);
    // An announced length is not believed: an array of 2^40 elements in nine bytes.
    refused(SignedTransaction::decode(&[1, 0x9b, 0, 0, 1, 0, 0, 0, 0, 0]), ErrorKind::Malformed);
    let huge = Action::SetMetadata { nft: Address::ZERO, ddo: vec![0; TRANSACTION_LIMIT] };
    refused(ledger.transaction(alice.address(), 0, huge).sign(&alice).unwrap().encode(), ErrorKind::TooLarge);
    assert_eq!(ledger.tip().unwrap().transactions, 0);
}

#[test]
fn a_description_that_is_too_long_is_refused_by_the_ledger_itself() {
    let (ledger, alice) = (ledger(), account(1));
    let publication = Publication { name: "A".into(), symbol: "A".into(), cap: ONE };
    let Published { nft, .. } = ledger.publish(&alice, &publication).unwrap();
    let action = Action::SetMetadata { nft, ddo: vec![0; sealock::ledger::METADATA_LIMIT + 1] };
    let signed = ledger.transaction(alice.address(), 1, action).sign(&alice).unwrap();
    refused(ledger.submit(&signed), ErrorKind::TooLarge);
    assert_eq!(ledger.metadata(nft).unwrap(), None);
}

/// A clock that can be put back.
struct Wound(std::sync::atomic::AtomicU64);
impl Clock for Wound {
    fn now(&self) -> Timestamp {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[test]
fn the_logs_time_never_runs_back() {
    let clock = Arc::new(Wound(1_000.into()));
    let (ledger, alice) = (EmbeddedLedger::in_memory(clock.clone()).unwrap(), account(1));
    let coin = coin(&ledger, &alice);
    let mut times = Vec::new();
    for now in [2_000, 500, 0, 1_999, 2_001] {
        clock.0.store(now, std::sync::atomic::Ordering::SeqCst);
        times.push(ledger.mint(&alice, coin, alice.address(), ONE).unwrap().time);
    }
    assert_eq!(times, [2_000, 2_000, 2_000, 2_000, 2_001]);
    ledger.audit().unwrap();
}

#[test]
fn one_process_at_a_time_has_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let clock = || Arc::new(ManualClock::at(5));
    let first = EmbeddedLedger::open(&path, clock()).unwrap();
    refused(EmbeddedLedger::open(&path, clock()), ErrorKind::Locked);
    let address = first.address();
    drop(first);
    assert_eq!(EmbeddedLedger::open(&path, clock()).unwrap().address(), address);
    refused(EmbeddedLedger::open(folder.path().join("no/such/folder"), clock()), ErrorKind::Io);
    std::fs::write(&path, b"something else").unwrap();
    refused(EmbeddedLedger::open(&path, clock()), ErrorKind::CorruptState);
}

const EVENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("events");
const TRANSACTIONS: TableDefinition<u64, &[u8]> = TableDefinition::new("transactions");
const BALANCES: TableDefinition<&[u8; 40], u128> = TableDefinition::new("balances");
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const METADATA: TableDefinition<&[u8; 20], &[u8]> = TableDefinition::new("metadata");
const ORDERS: TableDefinition<&[u8; 32], u64> = TableDefinition::new("orders");

/// A ledger in a file with an order and a description, and its parts.
fn written(path: &Path) -> (EmbeddedLedger, Published) {
    let ledger = EmbeddedLedger::open(path, Arc::new(ManualClock::at(1_000))).unwrap();
    let (owner, consumer) = (account(1), account(2));
    let publication = Publication { name: "A".into(), symbol: "A".into(), cap: Amount::whole(9) };
    let asset = ledger.publish(&owner, &publication).unwrap();
    ledger.set_order_terms(&owner, asset.datatoken, 0, TERMS).unwrap();
    ledger.set_metadata(&owner, asset.nft, b"{}").unwrap();
    ledger.mint(&owner, asset.datatoken, consumer.address(), Amount::whole(3)).unwrap();
    ledger.order(&consumer, asset.datatoken, 0, TERMS, [1; 32]).unwrap();
    ledger.order(&consumer, asset.datatoken, 0, TERMS, [2; 32]).unwrap();
    ledger.transfer(&consumer, asset.datatoken, owner.address(), ONE).unwrap();
    ledger.audit().unwrap();
    (ledger, asset)
}

/// Edits a copy of the file behind the ledger's back, and opens it.
fn edited(edit: impl Fn(&redb::WriteTransaction, &Published)) -> (Result<EmbeddedLedger, LedgerError>, Published) {
    static ORIGINAL: OnceLock<(Vec<u8>, Published)> = OnceLock::new();
    let (bytes, asset) = ORIGINAL.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let (ledger, asset) = written(&path);
        drop(ledger);
        (std::fs::read(path).unwrap(), asset)
    });
    let backend = Shared::default();
    backend.set_len(bytes.len() as u64).unwrap();
    backend.write(0, bytes).unwrap();
    let db = Database::builder().create_with_backend(backend.clone()).unwrap();
    let txn = db.begin_write().unwrap();
    edit(&txn, asset);
    txn.commit().unwrap();
    drop(db);
    (EmbeddedLedger::with_backend(backend, Arc::new(ManualClock::at(1_000))), *asset)
}

/// Memory that outlives the database on it.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<redb::backends::InMemoryBackend>);

impl StorageBackend for Shared {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}

fn edit_event(txn: &redb::WriteTransaction, index: u64, change: impl Fn(&mut Event)) {
    let mut table = txn.open_table(EVENTS).unwrap();
    let bytes = table.get(index).unwrap().unwrap().value().to_vec();
    let mut event: Event = sealock::codec::from_canonical("event", &bytes, 1 << 16).unwrap();
    let before = event.clone();
    change(&mut event);
    assert_ne!(event, before, "the edit changes something");
    table.insert(index, to_canonical("event", &event).unwrap().as_slice()).unwrap();
}

#[test]
fn every_edited_event_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, _) = written(&folder.path().join("ledger"));
    let count = ledger.verify_log().unwrap();
    type Change = fn(&mut Event);
    let changes: [Change; 5] = [
        |e| e.index += 1,
        |e| e.previous = sealock::Digest::sha256(b""),
        |e| e.tx = sealock::Digest::sha256(b""),
        |e| e.time += 1,
        |e| e.emitter = Address::ZERO,
    ];
    for index in 0..count {
        for change in changes {
            match edited(|txn, _| edit_event(txn, index, change)).0 {
                // The tip is checked when it opens, the rest when asked for.
                Err(e) => assert_eq!((e.kind(), index), (ErrorKind::CorruptState, count - 1)),
                Ok(ledger) => {
                    refused(ledger.verify_log(), ErrorKind::CorruptState);
                    refused(ledger.audit(), ErrorKind::CorruptState);
                }
            }
        }
    }
}

#[test]
fn a_cut_or_spliced_log_is_noticed() {
    let cut = |from_end: u64| {
        edited(move |txn, _| {
            let mut table = txn.open_table(EVENTS).unwrap();
            let last = table.last().unwrap().unwrap().0.value();
            table.remove(last - from_end).unwrap();
        })
        .0
    };
    refused(cut(0), ErrorKind::CorruptState);
    refused(cut(1).unwrap().verify_log(), ErrorKind::CorruptState);
    let appended = edited(|txn, _| {
        let mut table = txn.open_table(EVENTS).unwrap();
        let (last, bytes) = table.last().unwrap().map(|(k, v)| (k.value(), v.value().to_vec())).unwrap();
        table.insert(last + 1, bytes.as_slice()).unwrap();
    });
    refused(appended.0, ErrorKind::CorruptState);
    let swapped = edited(|txn, _| {
        let mut table = txn.open_table(TRANSACTIONS).unwrap();
        let (a, b) = (1, 2);
        let [x, y] = [a, b].map(|n| table.get(n).unwrap().unwrap().value().to_vec());
        table.insert(a, y.as_slice()).unwrap();
        table.insert(b, x.as_slice()).unwrap();
    });
    refused(swapped.0.unwrap().verify_log(), ErrorKind::CorruptState);
    let tip_gone = edited(|txn, _| drop(txn.open_table(META).unwrap().remove("tip").unwrap()));
    refused(tip_gone.0, ErrorKind::CorruptState);
}

#[test]
fn a_log_of_actions_that_nobody_signed_is_noticed() {
    // The operator changes a transaction, and could make all hashes fit; the signature is what he cannot make.
    let (ledger, _) = edited(|txn, _| {
        let mut table = txn.open_table(TRANSACTIONS).unwrap();
        let bytes = table.get(3).unwrap().unwrap().value().to_vec();
        let mut signed = SignedTransaction::decode(&bytes).unwrap();
        let Action::Mint { amount, .. } = &mut signed.transaction.action else { panic!("it is the mint") };
        *amount = Amount::whole(9);
        table.insert(3, signed.encode().unwrap().as_slice()).unwrap();
    });
    match ledger.unwrap().verify_log() {
        Err(LedgerError::BrokenLog { why, .. }) => assert!(why.contains("not signed"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_edited_state_is_noticed_by_the_audit() {
    let (ledger, _) = edited(|txn, _| {
        let mut table = txn.open_table(BALANCES).unwrap();
        let (key, units) = table.first().unwrap().map(|(k, v)| (*k.value(), v.value())).unwrap();
        table.insert(&key, units + 1).unwrap();
    });
    let ledger = ledger.unwrap();
    ledger.verify_log().unwrap();
    refused(ledger.audit(), ErrorKind::CorruptState);

    let (ledger, asset) = edited(|txn, asset| {
        txn.open_table(METADATA).unwrap().insert(asset.nft.as_bytes(), b"{!}".as_slice()).unwrap();
    });
    let ledger = ledger.unwrap();
    refused(ledger.metadata(asset.nft), ErrorKind::CorruptState);
    refused(ledger.audit(), ErrorKind::CorruptState);
}

#[test]
fn an_order_that_its_datatoken_did_not_emit_is_not_listed() {
    // A row that points to another event, one that points nowhere, and a gap.
    for to in [Some(0), Some(999), None] {
        let (ledger, asset) = edited(|txn, _| {
            let mut table = txn.open_table(ORDERS).unwrap();
            let first = *table.first().unwrap().unwrap().0.value();
            match to {
                Some(event) => drop(table.insert(&first, event).unwrap()),
                None => drop(table.remove(&first).unwrap()),
            };
        });
        let ledger = ledger.unwrap();
        refused(ledger.orders(asset.datatoken, 0, 0, 9), ErrorKind::CorruptState);
        refused(ledger.audit(), ErrorKind::CorruptState);
    }
}

#[test]
fn what_is_on_the_disk_is_what_was_signed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let (ledger, _) = written(&path);
    let tip = ledger.tip().unwrap();
    drop(ledger);
    let db = Database::open(&path).unwrap();
    let txn = db.begin_read().unwrap();
    let table = txn.open_table(TRANSACTIONS).unwrap();
    let signed: Vec<_> =
        table.iter().unwrap().map(|row| SignedTransaction::decode(row.unwrap().1.value()).unwrap()).collect();
    assert_eq!(signed.len() as u64, tip.transactions);
    for signed in signed {
        let digest = signed.transaction.digest().unwrap();
        assert_eq!(signed.signature.signer(&digest), Some(signed.transaction.sender));
    }
}
