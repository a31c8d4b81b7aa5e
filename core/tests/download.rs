//! The data itself for whoever may decrypt it: what an order of it gives, and what gives it to nobody else.

#[path = "support/market.rs"]
mod market;

use std::io::{Read, Seek, SeekFrom};
use std::ops::ControlFlow;

use market::{Market, START, policy, table};
use sealock::asset::Terms;
use sealock::destruction::DestructionReceipt;
use sealock::envelope::{DatasetKey, DatasetRef, RecipientKey, RecipientPublicKey};
use sealock::job::JobRequest;
use sealock::ledger::Amount;
use sealock::order::DownloadOrder;
use sealock::owner::{NewEpoch, Offer};
use sealock::policy::Policy;
use sealock::program::{Query, count};
use sealock::progress::Stage;
use sealock::receipt::{Receipt, verify_chain};
use sealock::release::SealedResult;
use sealock::store::{Block, Codec};
use sealock::{Account, Digest, Error, ErrorKind, download};
use serde_json::{Value, to_value};

fn market() -> Market {
    Market::with(policy().allow_download(), Terms::free(100).uses_per_order(3).valid_for(3600))
}

fn order(market: &Market) -> DownloadOrder {
    let consumer = market.consumer();
    consumer.buy(&market.asset, 1).unwrap();
    consumer.order_download(&market.asset).unwrap()
}

fn json(request: &JobRequest) -> Value {
    to_value(request).unwrap()
}

fn request(json: &Value) -> JobRequest {
    serde_json::from_value(json.clone()).unwrap()
}

fn assert_rejected(market: &Market, request: JobRequest, expected: ErrorKind) {
    let error = market.owner.node().run(request).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Rejected, "rejected"));
    assert_eq!(market.owner.node().refusals().last().unwrap().kind, expected);
}

#[test]
fn a_buyer_decrypts_what_the_owner_published() {
    let market = market();
    let (order, node) = (order(&market), market.owner.node());
    let ticket = order.request().unwrap();
    // As it travels.
    let grant = node.admit_bytes(&ticket.request().to_bytes().unwrap()).unwrap();
    let (result, receipt) = node.release(node.compute(grant).unwrap()).unwrap();
    let result = SealedResult::from_bytes(&result.to_bytes().unwrap()).unwrap();
    let receipt = Receipt::from_bytes(&receipt.to_bytes().unwrap()).unwrap();
    let data = ticket.open(&result, &receipt).unwrap();
    assert_eq!(data.table().unwrap(), table(&market.people));
    let visits = data.columns().unwrap().read(["visits"], 10..20).unwrap();
    assert_eq!(*visits.stored("visits").unwrap(), table(&market.people).stored("visits").unwrap().slice(10, 10));
    assert_eq!(data.manifest().cid(), &market.asset.description().sealed.manifest);
    // The receipt says what was released.
    let said = receipt.statement();
    assert_eq!((said.program, said.data), (download::program_digest(), market.asset.data()));
    verify_chain(market.owner.address(), &node.receipts().unwrap()).unwrap();
    // As a stream, and at any place.
    let mut whole = Vec::new();
    let mut steps = Vec::new();
    let mut told = |step: sealock::progress::Step| {
        steps.push(step);
        ControlFlow::Continue(())
    };
    let written = data.write_to_with(&mut whole, &mut told).unwrap();
    assert_eq!((written, written), (whole.len() as u64, data.size().unwrap()));
    assert!(steps.iter().any(|s| s.stage == Stage::Open && s.total == Some(s.done)), "{steps:?}");
    let mut reader = data.reader().unwrap();
    reader.seek(SeekFrom::End(-4)).unwrap();
    let mut magic = [0; 4];
    reader.read_exact(&mut magic).unwrap();
    assert_eq!(&magic, b"PAR1");
    let mut stop = |_: sealock::progress::Step| ControlFlow::Break(());
    assert_eq!(data.write_to_with(&mut Vec::new(), &mut stop).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(order.uses_left().unwrap(), 2);
}

#[test]
fn the_same_request_again_gives_the_same_key_and_a_lost_wallet_is_no_loss() {
    let market = market();
    let consumer = market.consumer();
    consumer.buy(&market.asset, 1).unwrap();
    let order = consumer.order_download(&market.asset).unwrap();
    let mut ticket = order.request().unwrap();
    let node = market.owner.node();
    market.clock.advance(600);
    assert_rejected(&market, ticket.request().clone(), ErrorKind::DeadlinePassed);
    let job = ticket.job();
    ticket.renew().unwrap();
    assert_eq!(ticket.job(), job);
    let (result, receipt) = node.run(ticket.request().clone()).unwrap();
    market.clock.advance(48 * 3600);
    let (again, same) = node.run(ticket.request().clone()).unwrap();
    assert_eq!((&result, &receipt), (&again, &same));
    // The wallet keeps queries and downloads apart.
    assert!(consumer.tickets().unwrap().is_empty() && consumer.orders(&market.asset).unwrap().is_empty());
    let kept = consumer.download_tickets().unwrap().pop().unwrap();
    kept.open(&result, &receipt).unwrap();
    let found = consumer.download_orders(&market.asset).unwrap().pop().unwrap();
    assert_eq!(found.record(), order.record());
    assert_eq!(order.request().unwrap_err().kind(), ErrorKind::OrderExpired);
}

#[test]
fn an_order_of_one_service_pays_for_nothing_of_the_other() {
    let market = market();
    let (download, compute) = (order(&market).request().unwrap(), market.order());
    let query = compute.request(&Query::select([count()])).unwrap();
    let (asked, wanted) = (json(query.request()), json(download.request()));
    // A query's proof under the download program, and the other way round: the scope and the message both tell.
    for (from, other) in [(&asked, &wanted), (&wanted, &asked)] {
        let mut mixed = from.clone();
        for part in ["program", "query"] {
            mixed[part] = other[part].clone();
        }
        assert_rejected(&market, request(&mixed), ErrorKind::InvalidProof);
    }
    // Each with every other part of the other, its proof included: another nullifier, another group.
    for part in ["nullifier", "root", "proof", "result_key"] {
        let mut mixed = wanted.clone();
        mixed[part] = asked[part].clone();
        assert_rejected(&market, request(&mixed), ErrorKind::InvalidProof);
    }
    market.owner.node().run(query.request().clone()).unwrap();
    market.owner.node().run(download.request().clone()).unwrap();
    // Same account, same counter: neither commitments nor nullifiers are shared.
    let consumer = market.consumer();
    consumer.buy(&market.asset, 2).unwrap();
    let (one, two) = (consumer.order(&market.asset).unwrap(), consumer.order_download(&market.asset).unwrap());
    assert_ne!(one.record().commitment, two.record().commitment);
}

#[test]
fn a_download_goes_to_the_key_that_was_proved_and_is_paid_once() {
    let market = market();
    let order = order(&market);
    let ticket = order.request().unwrap();
    let thief = RecipientKey::generate();
    let mut stolen = json(ticket.request());
    stolen["result_key"] = to_value(thief.public().as_bytes()).unwrap();
    assert_rejected(&market, request(&stolen), ErrorKind::InvalidProof);
    let mut padded = json(ticket.request());
    padded["query"] = to_value([0u8; 4]).unwrap();
    assert_rejected(&market, request(&padded), ErrorKind::InvalidProof);
    let (result, receipt) = market.owner.node().run(ticket.request().clone()).unwrap();
    ticket.open(&result, &receipt).unwrap();
    // Another request with the same use.
    assert_rejected(&market, order.request_use(0).unwrap().request().clone(), ErrorKind::NullifierSpent);
    // Another's result, and another's receipt.
    let second = order.request().unwrap();
    let (other, other_receipt) = market.owner.node().run(second.request().clone()).unwrap();
    for (result, receipt) in [(&other, &other_receipt), (&other, &receipt), (&result, &other_receipt)] {
        assert!(ticket.open(result, receipt).is_err());
    }
    let bytes = result.to_bytes().unwrap();
    for i in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[i] ^= 1;
        assert!(SealedResult::from_bytes(&bad).map_err(Error::from).and_then(|r| ticket.open(&r, &receipt)).is_err());
    }
    order.request().unwrap();
    assert_eq!(order.request().unwrap_err().kind(), ErrorKind::UseLimitReached);
}

#[test]
fn what_the_policy_does_not_allow_is_neither_sold_nor_released() {
    let market = Market::open();
    let consumer = market.consumer();
    consumer.buy(&market.asset, 1).unwrap();
    let error = consumer.order_download(&market.asset).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyDenied);
    assert!(error.to_string().contains("offers no downloads"), "{error}");
    let (service, terms) = (market.asset.service(), market.asset.order_terms());
    assert_eq!(market.asset.download_service(), None);
    // Whoever orders it behind the library's back pays for nothing: the ledger has no such service.
    let account = Account::generate();
    let ledger = market.exchange.ledger();
    ledger.dispense(&account, service.datatoken, Amount::whole(1)).unwrap();
    assert!(ledger.order(&account, service.datatoken, 1, terms, [1; 32]).is_err());
    // And a request for it is refused, whatever it proves.
    let allowed = self::market();
    let ticket = order(&allowed).request().unwrap();
    let mut moved = json(ticket.request());
    moved["asset"] = market.asset.did().to_string().into();
    assert_rejected(&market, request(&moved), ErrorKind::PolicyDenied);
    assert!(market.owner.node().refusals().last().unwrap().reason.contains("rule download"));

    // Downloads count as jobs, and end when the asset does.
    let limited = policy().allow_download().max_jobs(1).expires(START + 1800);
    let market = Market::with(limited, Terms::free(9).uses_per_order(9));
    let order = order(&market);
    market.owner.node().run(order.request().unwrap().request().clone()).unwrap();
    assert_rejected(&market, order.request().unwrap().request().clone(), ErrorKind::PolicyDenied);
    market.clock.advance(1800);
    assert!(order.request().unwrap_err().to_string().contains("expires"));
}

#[test]
fn data_may_be_sold_without_answering_queries() {
    let alone = || Policy::deny_all().allow_download();
    let market = Market::with(alone(), Terms::free(9));
    let consumer = market.consumer();
    consumer.buy(&market.asset, 1).unwrap();
    assert!(consumer.order(&market.asset).unwrap_err().to_string().contains("offers no queries"));
    let ticket = consumer.order_download(&market.asset).unwrap().request().unwrap();
    let (result, receipt) = market.owner.node().run(ticket.request().clone()).unwrap();
    assert_eq!(ticket.open(&result, &receipt).unwrap().table().unwrap().len(), market.people.len());
    // Half a rule for queries is a mistake, with downloads and without.
    let rows = table(&market.people);
    let refused = |policy: Policy| market.owner.publish(&Offer::new("none", &rows, policy, Terms::free(9))).is_err();
    assert!(refused(alone().any_program()));
    assert!(refused(alone().aggregations([sealock::program::Aggregation::Count])));
}

#[test]
fn services_and_policy_of_a_description_have_to_agree() {
    let market = market();
    let (ledger, owner, nft) = (market.exchange.ledger(), market.owner_account(), market.asset.nft());
    let description = market.asset.description().clone();
    assert_eq!(description.download.as_ref().unwrap().id, "1");
    let mut without = description.clone();
    without.download = None;
    let mut stricter = description.clone();
    stricter.sealed.policy.rules = policy().to_json().unwrap();
    stricter.sealed.policy.digest = policy().digest().unwrap();
    for bad in [without, stricter] {
        ledger.set_metadata(&owner, nft, &bad.to_ddo_bytes().unwrap()).unwrap();
        assert_eq!(market.exchange.asset(nft).unwrap_err().kind(), ErrorKind::NotFound);
    }
    ledger.set_metadata(&owner, nft, &description.to_ddo_bytes().unwrap()).unwrap();
    // An order of the data costs what the description says.
    let terms = sealock::ledger::OrderTerms::new(1, 1);
    ledger.set_order_terms(&owner, market.asset.service().datatoken, 1, terms).unwrap();
    assert!(market.exchange.asset(nft).unwrap_err().to_string().contains("other terms"));
}

#[test]
fn what_is_released_opens_the_data_that_was_described_or_nothing() {
    let market = market();
    let ticket = order(&market).request().unwrap();
    let (result, receipt) = market.owner.node().run(ticket.request().clone()).unwrap();
    // The description points at a manifest of other contents: what the ticket was about stays what it was about.
    let before = market.asset.clone();
    let changed: Vec<_> = market.people[..2000].to_vec();
    market.owner.update(&market.asset, &table(&changed), &NewEpoch::new().keep_previous()).unwrap();
    assert_eq!(ticket.open(&result, &receipt).unwrap().table().unwrap(), table(&market.people));
    // A consumer's copy of the description that names another epoch's manifest, or claims other contents.
    let after = market.exchange.asset(market.asset.nft()).unwrap();
    assert_ne!(before.data(), after.data());
    assert_eq!(after.dataset(), DatasetRef { epoch: 1, ..before.dataset() });
    let mut lying = before.description().clone();
    lying.sealed.manifest = after.description().sealed.manifest;
    let (ledger, owner) = (market.exchange.ledger(), market.owner_account());
    ledger.set_metadata(&owner, before.nft(), &lying.to_ddo_bytes().unwrap()).unwrap();
    let lying = market.exchange.asset(before.nft()).unwrap();
    assert_eq!(market.owner.download(&lying).unwrap_err().kind(), ErrorKind::InvalidManifest);
    // The node releases nothing about it either.
    let consumer = market.consumer();
    consumer.buy(&lying, 1).unwrap();
    let ticket = consumer.order_download(&lying).unwrap().request().unwrap();
    assert_eq!(market.owner.node().run(ticket.request().clone()).unwrap_err().kind(), ErrorKind::InvalidManifest);
    assert!(market.owner.node().job(ticket.job()).unwrap().unwrap().receipt.is_none());
}

#[test]
fn a_wrapped_key_is_bound_to_dataset_and_epoch() {
    let of = |epoch| DatasetRef { dataset: Digest::sha256(b"one"), epoch };
    let (key, recipient) = (DatasetKey::generate(of(0)), RecipientKey::generate());
    let entry = RecipientPublicKey::from_bytes(*recipient.public().as_bytes()).wrap(&key).unwrap();
    assert!(recipient.unwrap(&entry, of(0)).unwrap() == key);
    assert!(recipient.unwrap(&entry, of(1)).is_err());
    assert!(recipient.unwrap(&entry, DatasetRef { dataset: Digest::sha256(b"two"), epoch: 0 }).is_err());
}

#[test]
fn a_request_about_an_old_epoch_is_refused_and_spends_nothing() {
    let market = market();
    let order = order(&market);
    let (early, complete) = (order.request().unwrap(), order.request().unwrap());
    let (result, receipt) = market.owner.node().run(complete.request().clone()).unwrap();
    let asset = market.owner.reencrypt(&market.asset, &NewEpoch::new().keep_previous()).unwrap();
    assert_rejected(&market, early.request().clone(), ErrorKind::PolicyDenied);
    assert_eq!(market.owner.node().job(early.job()).unwrap(), None);
    // What was released is to be had again, and opens what it was for.
    assert_eq!(market.owner.node().run(complete.request().clone()).unwrap(), (result.clone(), receipt.clone()));
    assert_eq!(complete.open(&result, &receipt).unwrap().manifest().body().epoch, 0);
    // The order's use is good for the new epoch.
    assert_eq!(order.request().unwrap_err().kind(), ErrorKind::PolicyDenied, "the consumer's copy is old");
    drop(order);
    let _ = asset;
}

#[test]
fn a_destroyed_key_is_released_to_nobody_any_more() {
    let market = market();
    let order = order(&market);
    let (released, admitted, late) = (order.request().unwrap(), order.request().unwrap(), order.request().unwrap());
    let node = market.owner.node();
    let query = market.order().request(&Query::select([count()])).unwrap();
    let (answer, _) = node.run(query.request().clone()).unwrap();
    let (result, receipt) = node.run(released.request().clone()).unwrap();
    let under_way = node.compute(node.admit(admitted.request().clone()).unwrap()).unwrap();
    let destroyed = market.owner.destroy_key(&market.asset).unwrap();
    destroyed.verify(market.owner.address()).unwrap();
    // Not what was computed and not yet released, not what was released before, not what comes now.
    assert_eq!(node.release(under_way).unwrap_err().kind(), ErrorKind::KeyDestroyed);
    assert_rejected(&market, released.request().clone(), ErrorKind::KeyDestroyed);
    assert_rejected(&market, admitted.request().clone(), ErrorKind::KeyDestroyed);
    assert_rejected(&market, late.request().clone(), ErrorKind::KeyDestroyed);
    assert_eq!(node.resume().unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(node.job(late.job()).unwrap(), None, "nothing was spent");
    assert_eq!(market.owner.download(&market.asset).unwrap_err().kind(), ErrorKind::KeyDestroyed);
    // Receipts stay, and so do the results of queries, which carry no key.
    assert_eq!(node.receipts().unwrap().len(), 2);
    assert_eq!(node.run(query.request().clone()).unwrap().0, answer);
    // And what the documentation says it does not do: who has the result has the key.
    assert_eq!(released.open(&result, &receipt).unwrap().table().unwrap(), table(&market.people));
    let again = market.owner.destroy_key(&market.asset).unwrap();
    assert_eq!(DestructionReceipt::from_bytes(&again.to_bytes().unwrap()).unwrap(), destroyed);
}

#[test]
fn a_grant_that_was_made_by_somebody_else_does_not_open() {
    let market = market();
    let ticket = order(&market).request().unwrap();
    let (result, receipt) = market.owner.node().run(ticket.request().clone()).unwrap();
    // The store loses the manifest, and then has another block in the asset's place: neither opens, and neither panics.
    let data = ticket.open(&result, &receipt).unwrap();
    let root = data.manifest().object("table.parquet").unwrap().root;
    market.exchange.store().unpin(data.manifest().cid()).unwrap();
    market.exchange.store().gc().unwrap();
    assert_eq!(data.table().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(ticket.open(&result, &receipt).unwrap_err().kind(), ErrorKind::NotFound);
    let stranger = Block::new(Codec::DagCbor, vec![0xa0]).unwrap();
    market.exchange.store().put(&stranger).unwrap();
    assert!(!market.exchange.store().has(&root).unwrap());
}
