//! Which orders count on Ocean's contracts, and which do not: every attack is shown to pass the contracts first.
#![cfg(feature = "ocean")]

#[path = "support/ocean.rs"]
mod ocean;
#[path = "support/peers.rs"]
mod peers;

use std::sync::Arc;

use ocean::{Chain, fee};
use peers::Peer;
use sealock::error::Classify;
use sealock::ledger::ocean::{
    Finality, MarketFee, OceanLedger, OceanOptions, OrderOffer, Publish, Sale, SignedOffer, Template,
};
use sealock::ledger::{Amount, EventKind, FixedRate, Ledger, LedgerError, OrderSigner, OrderTerms, Publication};
use sealock::{Account, Address, Digest, ErrorKind};
use serde_json::{Value, json};

const ONE: Amount = Amount::ONE;
const TERMS: OrderTerms = OrderTerms::new(3, 86_400);

fn publication(name: &str) -> Publication {
    Publication { name: name.into(), symbol: "DT".into(), cap: Amount::MAX }
}

/// An asset with a service, of an owner who does not attend.
struct Asset {
    owner: Arc<Account>,
    nft: Address,
    token: Address,
}

fn asset(chain: &Chain, ledger: &OceanLedger) -> Asset {
    let owner = Arc::new(chain.account());
    let made = ledger.publish(&owner, &publication("Wards")).unwrap();
    ledger.set_order_terms(&owner, made.datatoken, 0, TERMS).unwrap();
    Asset { owner, nft: made.nft, token: made.datatoken }
}

impl Asset {
    fn give(&self, ledger: &OceanLedger, to: &Account, count: u64) {
        ledger.mint(&self.owner, self.token, to.address(), Amount::whole(count)).unwrap();
    }
    fn offer(&self, ledger: &OceanLedger, consumer: &Account, commitment: u8) -> SignedOffer {
        ledger.sign_offer(&self.owner, self.token, 0, consumer.address(), [commitment; 32]).unwrap()
    }
    fn commitments(&self, ledger: &OceanLedger) -> Vec<u8> {
        ledger.orders(self.token, 0, 0, 99).unwrap().iter().map(|order| order.commitment[0]).collect()
    }
}

fn order(token: Address, consumer: &Account, offer: &SignedOffer) -> Value {
    json!({"do": "order", "datatoken": token.to_string(), "service": 0, "consumer": consumer.address().to_string(),
        "providerFee": fee(offer)})
}

/// What a careless reader does: any `OrderStarted` in the transaction will do.
fn careless(client: &mut Peer, tx: &Value) -> usize {
    let logs = client.ask(json!({"do": "logs", "tx": tx}));
    let logs = logs.as_array().cloned().unwrap_or_else(|| logs["logs"].as_array().cloned().unwrap());
    logs.iter().filter(|log| log["event"] == "OrderStarted").count()
}

#[test]
fn an_order_of_another_token_does_not_count_here() {
    let chain = Chain::start();
    let ledger = chain.ledger();
    let (dear, cheap) = (asset(&chain, &ledger), asset(&chain, &ledger));
    let thief = chain.account();
    let mut client = chain.client(&thief);
    cheap.give(&ledger, &thief, 3);

    // A real order of the cheap asset, with the offer of the dear one in its provider fee: the contract takes it.
    let stolen = dear.offer(&ledger, &thief, 1);
    let tx = client.ask(order(cheap.token, &thief, &stolen))["tx"].clone();
    assert_eq!(careless(&mut client, &tx), 1, "the attack: the right event, the wrong emitter");
    // And named again at the dear one.
    let reuse = json!({"do": "reuse", "datatoken": dear.token.to_string(), "order": tx, "providerFee": fee(&stolen)});
    let reused = client.ask(reuse)["tx"].clone();
    let logs = client.ask(json!({"do": "logs", "tx": reused})).to_string();
    assert!(logs.contains("OrderReused") && logs.contains(&dear.token.to_string()), "{logs}");
    assert_eq!((dear.commitments(&ledger), cheap.commitments(&ledger)), (vec![], vec![]));

    // Bought together, where both emit: only what each datatoken says itself counts for it.
    let own = cheap.offer(&ledger, &thief, 2);
    dear.give(&ledger, &thief, 1);
    client.ask(json!({"do": "approve", "token": dear.token.to_string(), "spender": ledger.address().to_string(), "amount": "5"}));
    client.ask(json!({"do": "approve", "token": cheap.token.to_string(), "spender": ledger.address().to_string(), "amount": "5"}));
    let orders = json!([order(cheap.token, &thief, &own), order(dear.token, &thief, &own)]);
    client.ask(json!({"do": "orderMany", "orders": orders}));
    assert_eq!((dear.commitments(&ledger), cheap.commitments(&ledger)), (vec![], vec![2]));
}

#[test]
fn orders_through_the_factory_count() {
    let chain = Chain::start();
    let ledger = chain.ledger();
    let (a, b) = (asset(&chain, &ledger), asset(&chain, &ledger));
    let consumer = chain.account();
    let mut client = chain.client(&consumer);
    for asset in [&a, &b] {
        asset.give(&ledger, &consumer, 2);
        client.ask(json!({"do": "approve", "token": asset.token.to_string(), "spender": ledger.address().to_string(), "amount": "5"}));
    }
    // Two of one datatoken and one of another, in one transaction that the factory sends on.
    let offers = [a.offer(&ledger, &consumer, 1), b.offer(&ledger, &consumer, 2), a.offer(&ledger, &consumer, 3)];
    let orders: Vec<Value> = offers.iter().map(|offer| order(offer.offer.token, &consumer, offer)).collect();
    let tx = client.ask(json!({"do": "orderMany", "orders": orders}))["tx"].clone();
    assert_eq!((a.commitments(&ledger), b.commitments(&ledger)), (vec![1, 3], vec![2]));
    let counted = ledger.orders(a.token, 0, 0, 9).unwrap();
    assert!(counted.iter().all(|order| order.consumer == consumer.address() && order.amount == ONE));
    assert_eq!(tx, format!("0x{}", counted[0].tx));
    // The log has them, with their emitters.
    let events = ledger.events(0, usize::MAX).unwrap();
    let started = events.iter().filter(|e| matches!(e.kind, EventKind::OrderStarted { .. }));
    assert_eq!(started.map(|e| e.emitter).collect::<Vec<_>>(), [a.token, b.token, a.token]);
    assert_eq!(ledger.verify_log().unwrap(), events.len() as u64);
}

#[test]
fn forged_offers_do_not_count() {
    let chain = Chain::start();
    let ledger = chain.ledger();
    let a = asset(&chain, &ledger);
    let (consumer, stranger, node) = (chain.account(), Account::generate(), chain.account());
    let mut client = chain.client(&consumer);
    a.give(&ledger, &consumer, 20);
    let offer = |commitment: u8, terms| {
        OrderOffer::new(ledger.chain_id(), a.token, 0, consumer.address(), [commitment; 32], terms)
    };
    let free = |offer: OrderOffer, by: &Account, until| offer.sign(by, Address::ZERO, Amount::ZERO, until).unwrap();
    let later = ledger.now().unwrap() + 9999;

    // The contract takes any provider that signs.
    let by_stranger = free(offer(1, OrderTerms::new(u64::MAX, u64::MAX / 2)), &stranger, later);
    let by_myself = free(offer(2, TERMS), &consumer, later);
    // And provider zero with no signature at all: `ecrecover` answers a bad one with zero.
    let mut by_nobody = fee(&free(offer(3, TERMS), &stranger, later));
    by_nobody["providerFeeAddress"] = json!(Address::ZERO.to_string());
    (by_nobody["v"], by_nobody["r"], by_nobody["s"]) =
        (json!(0), json!(format!("0x{}", "0".repeat(64))), json!(format!("0x{}", "0".repeat(64))));
    let too_late = free(offer(4, TERMS), &a.owner, ledger.now().unwrap() - 1);
    let zeros = free(offer(0, TERMS), &a.owner, later);
    let endless = free(offer(5, OrderTerms::new(1, u64::MAX)), &a.owner, later);
    let other_epochs = free(offer(6, OrderTerms { epoch_secs: Some(60), ..TERMS }), &a.owner, later);
    let other_chain = free(OrderOffer::new(1, a.token, 0, consumer.address(), [7; 32], TERMS), &a.owner, later);
    let other_consumer =
        free(OrderOffer::new(ledger.chain_id(), a.token, 0, stranger.address(), [8; 32], TERMS), &a.owner, later);
    let other_service =
        free(OrderOffer::new(ledger.chain_id(), a.token, 1, consumer.address(), [9; 32], TERMS), &a.owner, later);
    let signed =
        [by_stranger, by_myself, too_late, zeros, endless, other_epochs, other_chain, other_consumer, other_service];
    let mut fees: Vec<Value> = signed.iter().map(fee).collect();
    let mut noise = fee(&by_myself);
    noise["providerData"] = json!("0x7b7d");
    let noise_signed = client.ask(json!({
        "do": "signProviderFee", "providerData": "0x7b7d",
        "secret": format!("0x{}", hex::encode(*a.owner.expose_secret_bytes())),
    }));
    fees.extend([by_nobody.clone(), noise_signed]);
    for provider_fee in &fees {
        let started = json!({"do": "order", "datatoken": a.token.to_string(), "service": 0,
            "consumer": consumer.address().to_string(), "providerFee": provider_fee});
        let tx = client.ask(started)["tx"].clone();
        assert_eq!(careless(&mut client, &tx), 1, "the contract takes {provider_fee}");
    }
    assert_eq!(a.commitments(&ledger), Vec::<u8>::new());
    // Bytes that were not signed, the contract itself refuses.
    let forged = json!({"do": "order", "datatoken": a.token.to_string(), "service": 0, "providerFee": noise});
    assert!(client.try_ask(&forged).unwrap_err().contains("Invalid provider fee"));

    // Our own side pays for none of them.
    let held = ledger.balance_of(a.token, consumer.address()).unwrap();
    for offer in signed {
        let error = ledger.order_with(&consumer, &offer).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidArgument | ErrorKind::OrderMismatch), "{error}");
    }
    assert_eq!(ledger.balance_of(a.token, consumer.address()).unwrap(), held);

    // One who is appointed may sign, from then on, and until the NFT has a new owner.
    let by_node = |commitment| free(offer(commitment, TERMS), &node, later);
    client.ask(order(a.token, &consumer, &by_node(20)));
    ledger.appoint(&a.owner, a.token, 0, &[node.address()]).unwrap();
    let found = ledger.order_with(&consumer, &by_node(21)).unwrap();
    assert_eq!((found.commitment, found.index), ([21; 32], 0));
    // New terms keep who is appointed.
    ledger.set_order_terms(&a.owner, a.token, 0, OrderTerms::new(9, 60)).unwrap();
    ledger.order_with(&consumer, &by_node(22)).unwrap();
    ledger.transfer_nft(&a.owner, a.nft, stranger.address()).unwrap();
    for stale in [by_node(23), free(offer(24, TERMS), &a.owner, later)] {
        let tx = client.ask(order(a.token, &consumer, &stale))["tx"].clone();
        assert_eq!(careless(&mut client, &tx), 1);
    }
    assert_eq!(a.commitments(&ledger), [21, 22]);
}

#[test]
fn an_offer_counts_once_and_for_its_consumer() {
    let chain = Chain::start();
    let ledger = chain.ledger();
    let a = asset(&chain, &ledger);
    let (consumer, friend) = (chain.account(), chain.account());
    a.give(&ledger, &consumer, 5);
    a.give(&ledger, &friend, 5);
    let offer = a.offer(&ledger, &consumer, 1);
    // Somebody else pays: it is the consumer's order all the same.
    let mut paying = chain.client(&friend);
    paying.ask(order(a.token, &consumer, &offer));
    let placed = ledger.orders(a.token, 0, 0, 9).unwrap();
    assert_eq!((placed.len(), placed[0].consumer), (1, consumer.address()));
    // The contract takes the same offer again.
    let mut client = chain.client(&consumer);
    let tx = client.ask(order(a.token, &consumer, &offer))["tx"].clone();
    assert_eq!(careless(&mut client, &tx), 1);
    assert_eq!(ledger.orders(a.token, 0, 0, 9).unwrap(), placed);
    // We see it before we pay.
    let again = ledger.order_with(&consumer, &offer).unwrap_err();
    assert!(matches!(again, LedgerError::DuplicateCommitment { .. }), "{again}");
    // Nobody signs a second time for a commitment that has an order.
    assert!(ledger.sign_offer(&a.owner, a.token, 0, consumer.address(), [1; 32]).is_err());
}

#[test]
fn without_a_provider_the_error_says_who_could_sign() {
    let chain = Chain::start();
    let ledger = chain.ledger();
    let a = asset(&chain, &ledger);
    let consumer = chain.account();
    a.give(&ledger, &consumer, 2);
    let refused = ledger.order(&consumer, a.token, 0, TERMS, [1; 32]).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unreachable);
    assert!(refused.to_string().contains(&a.owner.address().to_string()) && refused.hint().is_some(), "{refused}");
    ledger.attend(&(Arc::clone(&a.owner) as Arc<dyn OrderSigner>));
    ledger.order(&consumer, a.token, 0, TERMS, [1; 32]).unwrap();
    // It signs for as long as somebody holds it.
    let Asset { owner, token, .. } = a;
    drop(owner);
    assert!(matches!(ledger.order(&consumer, token, 0, TERMS, [2; 32]), Err(LedgerError::NoProvider { .. })));
}

#[test]
fn an_order_counts_when_it_is_final_and_not_if_the_chain_drops_it() {
    let chain = Chain::start();
    let deep = chain.ledger_with(OceanOptions { finality: Some(Finality::Blocks(3)), ..Default::default() });
    let rash = chain.ledger();
    let a = asset(&chain, &rash);
    let consumer = chain.account();
    a.give(&rash, &consumer, 3);
    chain.mine(5);
    let orders = |ledger: &OceanLedger| ledger.orders(a.token, 0, 0, 9);
    assert_eq!(orders(&deep).unwrap(), []);

    let offer = a.offer(&rash, &consumer, 1);
    chain.client(&consumer).ask(order(a.token, &consumer, &offer));
    assert_eq!(orders(&rash).unwrap().len(), 1, "who waits for nothing sees it at once");
    assert_eq!(orders(&deep).unwrap(), []);
    chain.mine(1);
    // The attack: the chain is reorganised, and the datatoken is the consumer's again.
    chain.ask(json!({"do": "reorg", "depth": 2}));
    chain.mine(4);
    assert_eq!(rash.balance_of(a.token, consumer.address()).unwrap(), Amount::whole(3));
    assert_eq!(orders(&deep).unwrap(), [], "it never counted");
    // Who counted it knows that it was wrong, and says nothing more from what it knew.
    for _ in 0..2 {
        let broken = orders(&rash).unwrap_err();
        assert_eq!(broken.kind(), ErrorKind::CorruptState);
        assert!(broken.hint().unwrap().contains("finality"), "{broken}");
    }
    assert_eq!(orders(&chain.ledger()).unwrap(), [], "and reads anew when it is opened again");

    // A transaction that waits for its depth returns when it has it.
    let waiting = std::thread::scope(|scope| {
        let placed = scope.spawn(|| deep.order_with(&consumer, &a.offer(&deep, &consumer, 2)).unwrap());
        while !placed.is_finished() {
            chain.mine(1);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        placed.join().unwrap()
    });
    assert_eq!(orders(&deep).unwrap(), [waiting]);
}

#[test]
fn logs_are_read_on_after_a_restart_and_anew_after_a_reorganisation() {
    let chain = Chain::start();
    let folder = tempfile::tempdir().unwrap();
    let options = || OceanOptions { cache: Some(folder.path().join("ocean.redb")), ..Default::default() };
    let ledger = chain.ledger_with(options());
    let a = asset(&chain, &ledger);
    let consumer = chain.account();
    a.give(&ledger, &consumer, 9);
    for commitment in 1..=3 {
        ledger.order_with(&consumer, &a.offer(&ledger, &consumer, commitment)).unwrap();
    }
    let before = ledger.orders(a.token, 0, 0, 9).unwrap();
    // One process at a time has the file.
    let locked = OceanLedger::connect(&chain.url, chain.contracts(), options()).err().unwrap();
    assert_eq!(locked.kind(), ErrorKind::Locked);
    drop(ledger);

    let ledger = chain.ledger_with(options());
    assert_eq!(ledger.orders(a.token, 0, 0, 9).unwrap(), before);
    ledger.order_with(&consumer, &a.offer(&ledger, &consumer, 4)).unwrap();
    assert_eq!(a.commitments(&ledger), [1, 2, 3, 4]);
    drop(ledger);
    // The last order is dropped while nobody looks.
    chain.ask(json!({"do": "reorg", "depth": 1}));
    let ledger = chain.ledger_with(options());
    assert_eq!(a.commitments(&ledger), [1, 2, 3]);
}

#[test]
fn bought_and_ordered_in_one_transaction() {
    let chain = Chain::start();
    let ledger = chain.ledger();
    let (owner, market) = (Arc::new(chain.account_with(100)), chain.account());
    let consumer = chain.account_with(100);
    let ocean = chain.ocean();
    let sale = Sale::FixedRate { base_token: ocean, rate: Amount::whole(2), market_fee: Amount::ZERO };
    let publish = Publish {
        template: Template::Enterprise,
        sale: Some(sale),
        market: Some(MarketFee { market: market.address(), token: ocean, amount: Amount::whole(3) }),
        ..Publish::new(Publication { cap: Amount::whole(5), ..publication("Both at once") })
    };
    let (made, _) = ledger.publish_with(&owner, &publish).unwrap();
    let token = made.datatoken;
    ledger.set_order_terms(&owner, token, 0, TERMS).unwrap();
    let offer = |commitment| ledger.sign_offer(&owner, token, 0, consumer.address(), [commitment; 32]).unwrap();
    assert_eq!(ledger.cap(token).unwrap(), Amount::whole(5));
    // It is not sold otherwise.
    let alone = ledger.buy(&consumer, token, ONE, ocean, Amount::MAX).unwrap_err();
    assert_eq!(alone.kind(), ErrorKind::NotForSale, "{alone}");
    // 2 OCEAN, 0.1 % of them to Ocean's community, and 3 to the market.
    let dear = ledger.buy_and_order(&consumer, &offer(1), ocean, Amount::whole(2)).unwrap_err();
    assert_eq!(dear.kind(), ErrorKind::PriceExceeded, "{dear}");
    let fees = ledger.sale_fees(token, ONE, ocean).unwrap();
    assert_eq!(fees, Amount::from_units(2 * ONE.units() / 1000));
    let max = Amount::whole(2).checked_add(fees).unwrap();
    let order = ledger.buy_and_order(&consumer, &offer(1), ocean, max).unwrap();
    assert_eq!((order.index, order.commitment), (0, [1; 32]));
    let spent = Amount::whole(5).checked_add(fees).unwrap();
    let left = Amount::whole(100).checked_sub(spent).unwrap();
    assert_eq!(ledger.balance_of(ocean, consumer.address()).unwrap(), left);
    assert_eq!(ledger.balance_of(ocean, market.address()).unwrap(), Amount::whole(3));
    assert_eq!(ledger.balance_of(ocean, owner.address()).unwrap(), Amount::whole(102));

    // The standard template takes any call and does nothing: nobody is charged for that.
    let plain = asset(&chain, &ledger);
    let silent = ledger.buy_and_order(&consumer, &plain.offer(&ledger, &consumer, 1), ocean, max).unwrap_err();
    assert_eq!(silent.kind(), ErrorKind::InvalidArgument, "{silent}");
}

#[test]
fn oceans_fees_are_paid_and_told() {
    let chain = Chain::start();
    let ledger = chain.ledger();
    let a = asset(&chain, &ledger);
    let consumer = chain.account_with(50);
    let ocean = chain.ocean();
    let rate = FixedRate { base_token: ocean, rate: Amount::whole(10), active: true, with_mint: true };
    ledger.set_fixed_rate(&a.owner, a.token, rate).unwrap();
    let fees = ledger.sale_fees(a.token, Amount::whole(2), ocean).unwrap();
    assert_eq!(fees, Amount::from_units(20 * ONE.units() / 1000));
    let without = ledger.buy(&consumer, a.token, Amount::whole(2), ocean, Amount::whole(20)).unwrap_err();
    assert_eq!(without.kind(), ErrorKind::PriceExceeded);
    ledger.buy(&consumer, a.token, Amount::whole(2), ocean, Amount::whole(20).checked_add(fees).unwrap()).unwrap();
    assert_eq!(
        ledger.collect(&consumer, a.token).unwrap(),
        Amount::whole(20),
        "anybody may ask that the owner be paid"
    );
    assert_eq!(ledger.balance_of(ocean, a.owner.address()).unwrap(), Amount::whole(20));
    // Of an order's datatoken the community takes 3 %; of its own fee, the provider gets all.
    let fee = Amount::whole(1);
    let until = ledger.now().unwrap() + 99;
    let offer = OrderOffer::new(ledger.chain_id(), a.token, 0, consumer.address(), [1; 32], TERMS);
    let order = ledger.order_with(&consumer, &offer.sign(&a.owner, ocean, fee, until).unwrap()).unwrap();
    assert_eq!(order.amount, ONE);
    let kept = Amount::from_units(ONE.units() / 100 * 97);
    assert_eq!(ledger.balance_of(a.token, a.owner.address()).unwrap(), kept);
    assert_eq!(ledger.balance_of(ocean, a.owner.address()).unwrap(), Amount::whole(21));
    // Royalties: another gets what orders pay.
    let artist = Account::generate().address();
    assert_eq!(ledger.payment_collector(a.token).unwrap(), a.owner.address());
    ledger.set_payment_collector(&a.owner, a.token, artist).unwrap();
    ledger.order_with(&consumer, &a.offer(&ledger, &consumer, 2)).unwrap();
    assert_eq!(ledger.balance_of(a.token, artist).unwrap(), kept);
    // Ocean's proof of service, which both sign.
    let receipt = Digest::sha256(b"receipt");
    let acknowledged = OceanLedger::acknowledge(&consumer, b"got it").unwrap();
    ledger.order_executed(&a.owner, &order, receipt.as_bytes(), b"got it", &acknowledged).unwrap();
    let forged = OceanLedger::acknowledge(&a.owner, b"got it").unwrap();
    let refused = ledger.order_executed(&a.owner, &order, receipt.as_bytes(), b"got it", &forged).unwrap_err();
    assert!(matches!(&refused, LedgerError::Reverted { reason, .. } if !reason.is_empty()), "{refused}");
    // A datatoken can be spent by a signature: the relay pays the gas.
    let (relay, spender) = (chain.account(), Account::generate().address());
    ledger.permit(&consumer, &relay, a.token, spender, ONE, u64::MAX).unwrap();
    let expired = ledger.permit(&consumer, &relay, a.token, spender, ONE, 0).unwrap_err();
    assert!(expired.to_string().contains("EXPIRED"), "{expired}");
}

#[test]
fn what_a_stranger_writes_into_his_own_nft_says_nothing_of_others() {
    let chain = Chain::start();
    let ledger = chain.ledger();
    let victim = asset(&chain, &ledger);
    let stranger = Arc::new(chain.account());
    let own = ledger.publish(&stranger, &publication("Noise")).unwrap();
    // Records of the victim's datatoken, of one that is none, and of a service with other epochs, in the stranger's NFT.
    let set = ledger.set_order_terms(&victim.owner, victim.token, 5, OrderTerms::new(1_000_000, 99)).unwrap();
    let read = chain.client(&stranger).ask(json!({"do": "logs", "tx": format!("0x{}", set.tx)}));
    let logs = read.as_array().cloned().unwrap_or_else(|| read["logs"].as_array().cloned().unwrap());
    let changed = logs.iter().find(|log| log["event"] == "DataChanged").unwrap();
    let (key, value) = (changed["args"]["key"].clone(), changed["args"]["value"].clone());
    let (key, value) =
        if key.is_null() { (changed["args"][0].clone(), changed["args"][1].clone()) } else { (key, value) };
    chain.client(&stranger).ask(json!({"do": "setRawData", "nft": own.nft.to_string(), "key": key, "value": value}));
    let events = ledger.events(0, usize::MAX).unwrap();
    let told = events.iter().filter(|e| matches!(e.kind, EventKind::OrderTermsSet { service: 5, .. })).count();
    assert_eq!(told, 1, "the owner's own, and not the stranger's");
    assert_eq!(ledger.verify_log().unwrap(), events.len() as u64);
    // A base token is one for good, and a datatoken never becomes one.
    let coin = ledger.deploy_token(&stranger, "Coin", "COIN", Amount::whole(9)).unwrap();
    assert_eq!(chain.ledger().price(coin).unwrap_err().kind(), ErrorKind::UnknownToken);
    let reserved = Publication { symbol: "sealock/v1/base-token".into(), ..publication("Coin") };
    assert_eq!(ledger.publish(&stranger, &reserved).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_markets_fee_is_in_the_price_that_is_shown() {
    let chain = Chain::start();
    let ledger = chain.ledger();
    let owner = chain.account();
    let ocean = chain.ocean();
    // 25 % for the market, who is the owner.
    let market_fee = Amount::from_units(ONE.units() / 4);
    let sale = Sale::FixedRate { base_token: ocean, rate: Amount::whole(10), market_fee };
    let publish = Publish { sale: Some(sale), ..Publish::new(publication("Dear")) };
    let token = ledger.publish_with(&owner, &publish).unwrap().0.datatoken;
    let shown = ledger.price(token).unwrap().fixed_rate.unwrap().rate;
    assert_eq!(shown, Amount::from_units(ONE.units() / 2 * 25));
    // Who ends the sale, and begins it again at the price that he sees, has not made it dearer.
    let seen = ledger.price(token).unwrap().fixed_rate.unwrap();
    ledger.set_fixed_rate(&owner, token, FixedRate { active: false, ..seen }).unwrap();
    for _ in 0..2 {
        ledger.set_fixed_rate(&owner, token, seen).unwrap();
    }
    assert_eq!(ledger.price(token).unwrap().fixed_rate, Some(seen));
    // What comes on top is Ocean's alone: 0.1 % of the price without the market's fee.
    assert_eq!(ledger.sale_fees(token, ONE, ocean).unwrap(), Amount::from_units(ONE.units() / 100));
}

#[test]
fn what_a_party_acknowledges_is_no_offer() {
    let owner = Account::generate();
    // The attack: bytes that are an offer, followed by the other fields that a provider signs.
    let offer = OrderOffer::new(8996, Address::from_bytes([2; 20]), 0, owner.address(), [9; 32], OrderTerms::new(9, 9));
    let mut bytes = offer.to_bytes();
    bytes.extend_from_slice(owner.address().as_bytes());
    bytes.extend_from_slice(&[0; 20 + 32 + 32]);
    let honest = offer.sign(&owner, Address::ZERO, Amount::ZERO, 0).unwrap();
    assert!(honest.is_signed());
    let signature = OceanLedger::acknowledge(&owner, &bytes).unwrap();
    assert!(!SignedOffer { signature, ..honest }.is_signed());
}
