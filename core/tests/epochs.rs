//! Sharing, new keys, new epochs and the end of a key: what changes, what does not, and what an interruption leaves.

#[path = "support/failing.rs"]
mod failing;
#[path = "support/freeze.rs"]
mod freeze;
#[path = "support/market.rs"]
mod market;

use std::collections::BTreeSet;
use std::sync::Arc;

use failing::Failing;
use freeze::{Disk, Loss};
use market::{Market, START, people, policy, table};
use sealock::asset::{Column, Schema, Table, Terms};
use sealock::destruction::DestructionReceipt;
use sealock::envelope::{Manifest, RecipientKey, RecipientPublicKey};
use sealock::keystore::KeyStore;
use sealock::ledger::EmbeddedLedger;
use sealock::owner::{NewEpoch, Offer};
use sealock::program::{Query, count};
use sealock::store::{MemoryStore, Store, dag};
use sealock::time::ManualClock;
use sealock::{Account, Asset, ErrorKind, Exchange};

/// Everything under an asset's manifest but the manifest itself.
fn objects(store: &dyn Store, asset: &Asset) -> BTreeSet<String> {
    let manifest = asset.description().sealed.manifest;
    let all = dag::reachable(store, &[manifest]).unwrap();
    all.into_iter().filter(|cid| *cid != manifest).map(|cid| cid.to_string()).collect()
}

fn manifest(store: &dyn Store, asset: &Asset) -> Manifest {
    let block = store.get(&asset.description().sealed.manifest).unwrap();
    Manifest::decode(block.bytes(), asset.owner()).unwrap()
}

fn counted(market: &Market, asset: &Asset) -> f64 {
    let consumer = market.consumer();
    consumer.buy(asset, 1).unwrap();
    let ticket = consumer.order(asset).unwrap().request(&Query::select([count()])).unwrap();
    let (result, receipt) = market.owner.node().run(ticket.request().clone()).unwrap();
    ticket.open(&result, &receipt).unwrap().numbers("count").unwrap().to_f64()[0].unwrap()
}

/// A market on a store that counts what is put.
fn counting() -> (Market, Arc<Failing>) {
    let (store, clock) = (Arc::new(Failing::new(MemoryStore::new())), Arc::new(ManualClock::at(START)));
    let ledger = EmbeddedLedger::in_memory(clock.clone()).unwrap();
    let exchange = Exchange::new(Arc::clone(&store), ledger, clock.clone(), None);
    (Market::on(exchange, clock, policy().allow_download(), Terms::free(100).uses_per_order(3)), store)
}

#[test]
fn sharing_touches_the_manifest_alone() {
    let (market, store) = counting();
    let (alice, bob, eve) = (RecipientKey::generate(), RecipientKey::generate(), RecipientKey::generate());
    let old = &market.asset;
    let before = objects(&*store, old);
    let ticket = market.order().request(&Query::select([count()])).unwrap();
    let admitted = market.order().request(&Query::select([count()])).unwrap();
    let grant = market.owner.node().admit(admitted.request().clone()).unwrap();
    let put = store.put_count();
    let asset = market.owner.share(old, &[alice.public(), bob.public(), alice.public()]).unwrap();
    assert_eq!(store.put_count() - put, 1, "the manifest is all that is put");
    assert_eq!(objects(&*store, &asset), before);
    let signed = manifest(&*store, &asset);
    assert_eq!(signed.body().previous().unwrap(), Some(old.description().sealed.manifest));
    assert_eq!(signed.body().recipients.len(), 2);
    assert_eq!((asset.data(), asset.dataset()), (old.data(), old.dataset()));
    for recipient in [&alice, &bob] {
        let data = market.exchange.open_shared(&asset, recipient).unwrap();
        assert_eq!(data.table().unwrap(), table(&market.people));
    }
    assert_eq!(market.exchange.open_shared(&asset, &eve).unwrap_err().kind(), ErrorKind::WrongKey);
    // More of them, later; the first ones stay. Nobody new is no change.
    let asset = market.owner.share(&asset, &[eve.public()]).unwrap();
    for recipient in [&alice, &bob, &eve] {
        market.exchange.open_shared(&asset, recipient).unwrap();
    }
    let same = market.owner.share(&asset, &[bob.public()]).unwrap();
    assert_eq!(same.description(), asset.description());
    // Requests from before are about the same data.
    let node = market.owner.node();
    let (result, receipt) = node.run(ticket.request().clone()).unwrap();
    ticket.open(&result, &receipt).unwrap();
    let (result, receipt) = node.release(node.compute(grant).unwrap()).unwrap();
    admitted.open(&result, &receipt).unwrap();
    assert_eq!(counted(&market, &asset), 3000.0);
    // What was replaced is not kept.
    let pins = store.pins().unwrap();
    assert!(!pins.contains(&old.description().sealed.manifest) && pins.contains(&asset.description().sealed.manifest));
    // A point of small order is no key, and another owner's asset is not to be shared.
    let weak = market.owner.share(&asset, &[RecipientPublicKey::from_bytes([0; 32])]).unwrap_err();
    assert_eq!(weak.kind(), ErrorKind::InvalidArgument);
    let other = market.exchange.owner(Account::generate()).unwrap();
    assert_eq!(other.share(&asset, &[eve.public()]).unwrap_err().kind(), ErrorKind::NotAuthorized);
    assert_eq!(other.reencrypt(&asset, &NewEpoch::new()).unwrap_err().kind(), ErrorKind::NotAuthorized);
    assert_eq!(other.destroy_key(&asset).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn recipients_may_be_named_when_it_is_published() {
    let market = Market::open();
    let (alice, rows) = (RecipientKey::generate(), table(&market.people));
    let offer = Offer::new("shared", &rows, policy(), Terms::free(9)).recipients([alice.public()]);
    let asset = market.owner.publish(&offer).unwrap().asset;
    assert_eq!(market.exchange.open_shared(&asset, &alice).unwrap().table().unwrap(), rows);
    assert_eq!(market.exchange.open_shared(&market.asset, &alice).unwrap_err().kind(), ErrorKind::WrongKey);
}

#[test]
fn another_owner_key_touches_the_manifest_alone_and_shuts_the_old_one_out() {
    let (market, store) = counting();
    let alice = RecipientKey::generate();
    let shared = market.owner.share(&market.asset, &[alice.public()]).unwrap();
    let (before, old, put) = (objects(&*store, &shared), manifest(&*store, &shared), store.put_count());
    let asset = market.owner.rewrap(&shared).unwrap();
    assert_eq!(store.put_count() - put, 1);
    assert_eq!(objects(&*store, &asset), before);
    let new = manifest(&*store, &asset);
    assert_ne!(new.body().key, old.body().key);
    assert_eq!(new.body().recipients, old.body().recipients);
    assert_eq!(market.owner.keys().epochs(), [asset.dataset()], "one key, the new one");
    // The key store opens the new manifest, and the old one no more.
    market.owner.download(&asset).unwrap();
    assert_eq!(asset.data(), shared.data());
    store.put(old.block()).unwrap();
    assert_eq!(market.owner.download(&shared).unwrap_err().kind(), ErrorKind::WrongKey);
    market.exchange.open_shared(&asset, &alice).unwrap();
    assert_eq!(counted(&market, &asset), 3000.0);
}

#[test]
fn a_new_epoch_is_closed_to_the_keys_of_the_old_one() {
    let (market, store) = counting();
    let (alice, bob) = (RecipientKey::generate(), RecipientKey::generate());
    let old = market.owner.share(&market.asset, &[alice.public(), bob.public()]).unwrap();
    let before = objects(&*store, &old);
    let read = market.exchange.open_shared(&old, &alice).unwrap();
    let new = market.owner.reencrypt(&old, &NewEpoch::new().recipients([bob.public()])).unwrap();
    assert_eq!((new.dataset().dataset, new.dataset().epoch), (old.dataset().dataset, 1));
    assert_ne!(new.data(), old.data());
    assert!(objects(&*store, &new).is_disjoint(&before), "every block is another");
    let signed = manifest(&*store, &new);
    assert_eq!(signed.body().previous().unwrap(), Some(old.description().sealed.manifest));
    assert_eq!(market.owner.download(&new).unwrap().table().unwrap(), table(&market.people));
    assert_eq!(market.exchange.open_shared(&new, &bob).unwrap().table().unwrap(), table(&market.people));
    assert_eq!(market.exchange.open_shared(&new, &alice).unwrap_err().kind(), ErrorKind::WrongKey);
    // Who could read the old epoch can still, while its blocks are anywhere: revocation takes nothing back.
    assert_eq!(read.table().unwrap(), table(&market.people));
    store.gc().unwrap();
    assert!(read.table().is_err());
    assert!(before.iter().all(|cid| !store.has(&cid.parse().unwrap()).unwrap()), "given up");
    assert_eq!(counted(&market, &new), 3000.0);
    // Kept, if that is wanted, through whatever comes later.
    let kept = market.owner.reencrypt(&new, &NewEpoch::new().keep_previous()).unwrap();
    let kept = market.owner.share(&kept, &[alice.public()]).unwrap();
    store.gc().unwrap();
    assert_eq!(market.owner.download(&new).unwrap().table().unwrap(), table(&market.people));
    assert_eq!(market.exchange.open_shared(&kept, &alice).unwrap().table().unwrap(), table(&market.people));
    assert_eq!(market.owner.keys().epochs().len(), 3);
}

#[test]
fn an_update_replaces_the_data_and_keeps_to_the_policy() {
    let (market, _) = counting();
    let fewer = people(2000);
    let published = market.owner.update(&market.asset, &table(&fewer), &NewEpoch::new()).unwrap();
    let asset = published.asset;
    assert_eq!((asset.dataset().epoch, asset.max_rows()), (1, 2048));
    assert_eq!(counted(&market, &asset), 2000.0);
    assert_eq!(market.owner.download(&asset).unwrap().table().unwrap(), table(&fewer));
    assert!(asset.description().metadata.updated >= market.asset.description().metadata.created);
    assert_eq!(asset.price(), market.asset.price());
    // The node finds it after a restart, from the ledger and the store alone.
    let description = asset.description().clone();
    let bare = Schema::new(vec![Column::category("plan", market::PLANS).dimension()]).unwrap();
    let bare = Table::from_csv(bare, "plan\nfree\n".as_bytes()).unwrap();
    let unfit = market.owner.update(&asset, &bare, &NewEpoch::new()).unwrap_err();
    assert_eq!(unfit.kind(), ErrorKind::UnknownColumn, "{unfit}");
    let small = market.owner.update(&asset, &table(&fewer[..9]), &NewEpoch::new()).unwrap_err();
    assert_eq!(small.kind(), ErrorKind::InvalidArgument, "{small}");
    assert_eq!(market.exchange.asset(asset.nft()).unwrap().description(), &description, "nothing changed");
    let mut calls = 0;
    let mut stop = |step: sealock::progress::Step| {
        calls += 1;
        if step.stage == sealock::progress::Stage::Publish {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    };
    let pins = market.exchange.store().pins().unwrap();
    let cancelled = market.owner.update_with(&asset, &table(&fewer), &NewEpoch::new(), &mut stop).unwrap_err();
    assert_eq!(cancelled.kind(), ErrorKind::Cancelled);
    assert!(calls > 3);
    assert_eq!(market.exchange.store().pins().unwrap(), pins);
    assert_eq!(market.owner.keys().epochs().len(), 2, "the key of the epoch that did not come is gone");
    assert_eq!(counted(&market, &asset), 2000.0);
}

#[test]
fn a_destroyed_key_leaves_a_receipt_and_nothing_to_read() {
    let (market, store) = counting();
    let (alice, ledger) = (RecipientKey::generate(), market.exchange.ledger());
    let asset = market.owner.share(&market.asset, &[alice.public()]).unwrap();
    let old = manifest(&*store, &asset);
    let consumer = market.consumer();
    consumer.buy(&asset, 2).unwrap();
    let order = consumer.order(&asset).unwrap();
    let (answered, late) =
        (order.request(&Query::select([count()])).unwrap(), order.request(&Query::select([count()])).unwrap());
    market.owner.node().run(answered.request().clone()).unwrap();
    assert_eq!(market.owner.destruction_receipt(&asset, 0).unwrap(), None);
    market.clock.advance(5);
    let receipt = market.owner.destroy_key(&asset).unwrap();
    receipt.verify(market.owner.address()).unwrap();
    let said = receipt.statement();
    assert_eq!((said.asset.as_str(), said.epoch), (asset.did().to_string().as_str(), 0));
    assert_eq!((said.dataset, said.manifest), (asset.dataset().dataset, *old.cid()));
    assert_eq!((said.owner, said.destroyed_at), (market.owner.address(), START + 5));
    // Again, later, and with an older description of the same epoch: the same receipt.
    market.clock.advance(60);
    for named in [&asset, &market.asset] {
        assert_eq!(market.owner.destroy_key(named).unwrap(), receipt);
    }
    assert_eq!(market.owner.destruction_receipt(&asset, 0).unwrap(), Some(receipt.clone()));
    assert_eq!(DestructionReceipt::from_bytes(&receipt.to_bytes().unwrap()).unwrap(), receipt);
    // Nothing that needs the key works any more, even where the node had a cube in memory.
    let node = market.owner.node();
    assert_eq!(node.run(late.request().clone()).unwrap_err().to_string(), "rejected");
    assert_eq!(node.refusals().last().unwrap().kind, ErrorKind::KeyDestroyed);
    assert_eq!(node.job(late.job()).unwrap(), None);
    node.run(answered.request().clone()).unwrap();
    let now = market.exchange.asset(asset.nft()).unwrap();
    for failed in [
        market.owner.download(&now).map(drop),
        market.owner.share(&now, &[alice.public()]).map(drop),
        market.owner.rewrap(&now).map(drop),
        market.owner.reencrypt(&now, &NewEpoch::new()).map(drop),
    ] {
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::KeyDestroyed);
    }
    assert_eq!(now.price(), None, "not for sale");
    assert_eq!(market.consumer().buy(&now, 1).unwrap_err().kind(), ErrorKind::NotForSale);
    assert!(ledger.verify_log().is_ok());
    // As documented: whoever kept the ciphertext and a key of its own still reads.
    assert_eq!(market.exchange.open_shared(&asset, &alice).unwrap().table().unwrap(), table(&market.people));
    store.gc().unwrap();
    assert!(!store.has(old.cid()).unwrap(), "the blocks are given up");
    // Epochs that never were have no receipt.
    assert_eq!(market.owner.destroy_epoch(&asset, 7).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_old_epochs_key_is_destroyed_by_itself() {
    let (market, store) = counting();
    let new = market.owner.reencrypt(&market.asset, &NewEpoch::new().keep_previous()).unwrap();
    let receipt = market.owner.destroy_epoch(&new, 0).unwrap();
    assert_eq!(
        (receipt.statement().epoch, receipt.statement().manifest),
        (0, market.asset.description().sealed.manifest)
    );
    assert_eq!(market.owner.download(&market.asset).unwrap_err().kind(), ErrorKind::KeyDestroyed);
    assert!(!store.is_pinned(&market.asset.description().sealed.manifest).unwrap());
    assert_eq!(counted(&market, &new), 3000.0);
    assert!(new.price().is_some());
    // An asset that names another one's dataset destroys nothing of it.
    let rows = table(&market.people);
    let other = market.owner.publish(&Offer::new("other", &rows, policy(), Terms::free(9))).unwrap().asset;
    let mut forged = other.description().clone();
    forged.sealed.dataset = new.description().sealed.dataset;
    market
        .exchange
        .ledger()
        .set_metadata(&market.owner_account(), other.nft(), &forged.to_ddo_bytes().unwrap())
        .unwrap();
    let forged = market.exchange.asset(other.nft()).unwrap();
    assert_eq!(forged.dataset(), new.dataset());
    assert_eq!(market.owner.destroy_key(&forged).unwrap_err().kind(), ErrorKind::NotFound);
    market.owner.download(&new).unwrap();
}

#[test]
fn a_backup_of_the_key_store_revives_a_destroyed_key() {
    // What the documentation warns of, carried out.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("owner.age");
    let create = KeyStore::create_with_work_factor(&path, Account::generate(), "passphrase", 4).unwrap();
    let exchange = Exchange::in_memory().unwrap();
    let rows = table(&people(500));
    let owner = exchange.owner_from(create).unwrap();
    let offer = Offer::new("people", &rows, policy().min_group_size(1), Terms::free(5));
    let asset = owner.publish(&offer).unwrap().asset;
    let manifest = asset.description().sealed.manifest;
    let backup = std::fs::read(&path).unwrap();
    owner.destroy_key(&asset).unwrap();
    drop(owner);
    assert!(KeyStore::open(&path, "passphrase").unwrap().epochs().is_empty());
    std::fs::write(&path, backup).unwrap();
    assert_eq!(KeyStore::open(&path, "passphrase").unwrap().epochs(), [asset.dataset()]);
    assert!(exchange.store().has(&manifest).unwrap() && !exchange.store().is_pinned(&manifest).unwrap());
}

/// Where everything of an exchange survives the process.
struct Machine {
    folder: tempfile::TempDir,
    store: Arc<MemoryStore>,
    image: Vec<u8>,
    account: [u8; 32],
}

impl Machine {
    /// An exchange whose store or ledger fails at one operation, and the disk of its ledger.
    fn start(&self, store_stops: Option<u64>, ledger_stops: Option<u64>) -> (Exchange, Arc<Failing>, Disk) {
        let clock = Arc::new(ManualClock::at(START));
        let store = Arc::new(Failing::stopping(Arc::clone(&self.store), store_stops));
        let disk = Disk::new(self.image.clone(), ledger_stops);
        let ledger = EmbeddedLedger::with_backend(disk.clone(), clock.clone()).unwrap();
        (Exchange::new(Arc::clone(&store), ledger, clock, Some(self.folder.path().into())), store, disk)
    }

    fn account(&self) -> Account {
        Account::from_secret_bytes(&self.account).unwrap()
    }
}

#[test]
fn an_interruption_anywhere_leaves_the_old_asset_or_the_new_one() {
    let rows = people(400);
    let (old, new) = (table(&rows[..300]), table(&rows));
    let published = || {
        let mut machine = Machine {
            folder: tempfile::tempdir().unwrap(),
            store: Arc::new(MemoryStore::new()),
            image: Vec::new(),
            account: *Account::generate().expose_secret_bytes(),
        };
        let (exchange, _, disk) = machine.start(None, None);
        let owner = exchange.owner(machine.account()).unwrap();
        let offer = Offer::new("people", &old, policy().min_group_size(1), Terms::free(5));
        let nft = owner.publish(&offer).unwrap().asset.nft();
        drop((owner, exchange));
        machine.image = disk.image(Loss::Nothing);
        (machine, nft)
    };
    type Change = fn(&sealock::owner::Owner, &Asset, &Table) -> Result<(), sealock::Error>;
    let changes: [(&str, Change); 3] = [
        ("update", |owner, asset, new| owner.update(asset, new, &NewEpoch::new()).map(drop)),
        ("rewrap", |owner, asset, _| owner.rewrap(asset).map(drop)),
        ("destroy", |owner, asset, _| owner.destroy_key(asset).map(drop)),
    ];
    for (name, change) in changes {
        let (mut olds, mut news) = (0, 0);
        // Every operation of the store, and then every write and sync of the ledger.
        for of_store in [true, false] {
            for stop in 0.. {
                let (mut machine, nft) = published();
                // Opening costs operations of its own: count them first.
                let (exchange, _, disk) = machine.start(None, None);
                drop(exchange.owner(machine.account()).unwrap());
                let opening = disk.operations();
                drop(exchange);
                let (at_store, at_ledger) = if of_store { (Some(stop), None) } else { (None, Some(opening + stop)) };
                let (exchange, failing, disk) = machine.start(None, at_ledger);
                let owner = exchange.owner(machine.account()).unwrap();
                let asset = exchange.asset(nft).unwrap();
                failing.stop_after(at_store);
                let done = change(&owner, &asset, &new);
                let stopped = failing.stopped() || disk.operations() > at_ledger.unwrap_or(u64::MAX);
                drop((owner, exchange));
                if !stopped {
                    done.unwrap();
                    assert!(stop > 1, "{name}: something failed on the way");
                    break;
                }
                // The machine comes back.
                machine.image = disk.image(Loss::Everything);
                let at = format!("{name}, {} {stop}, {done:?}", if of_store { "store" } else { "ledger" });
                let (exchange, ..) = machine.start(None, None);
                let owner = exchange.owner(machine.account()).unwrap();
                let asset = exchange.asset(nft).unwrap();
                match owner.download(&asset) {
                    Ok(data) => {
                        let found = data.table().unwrap();
                        let is_new = asset.dataset().epoch == 1;
                        assert_eq!(found, if is_new { new.clone() } else { old.clone() }, "{at}");
                        if is_new { news += 1 } else { olds += 1 }
                    }
                    Err(e) => {
                        assert_eq!((name, e.kind()), ("destroy", ErrorKind::KeyDestroyed), "{at}: {e:?}");
                        news += 1;
                    }
                }
                // Repeating it is always right, and cleans up.
                change(&owner, &asset, &new).unwrap_or_else(|e| panic!("{at}: {e:?}"));
                let now = exchange.asset(nft).unwrap();
                let manifests = |epoch| {
                    let decoded = machine.store.pins().unwrap().into_iter().filter_map(|pin| {
                        Manifest::decode(machine.store.get(&pin).unwrap().bytes(), owner.address()).ok()
                    });
                    decoded.filter(|m| m.body().epoch == epoch).count()
                };
                let expected = usize::from(name != "destroy");
                assert_eq!(manifests(now.dataset().epoch), expected, "{at}");
                let destroyed = owner.destroy_key(&now).unwrap();
                destroyed.verify(owner.address()).unwrap();
                assert_eq!(owner.download(&now).unwrap_err().kind(), ErrorKind::KeyDestroyed);
            }
        }
        assert!(olds > 0, "{name}");
        assert!(news > 0 || name == "rewrap", "{name}");
    }
}
