//! Sealock and ocean.js in one market: each buys and orders what the other published. And the whole story on Ocean's
//! contracts.
#![cfg(feature = "ocean")]

#[path = "support/market.rs"]
mod market;
#[path = "support/ocean.rs"]
mod ocean;
#[path = "support/peers.rs"]
mod peers;

use std::sync::Arc;

use market::{PLANS, people, policy, table};
use ocean::{Chain, fee};
use peers::Peer;
use sealock::account::ExternalSigner;
use sealock::asset::{Did, Terms};
use sealock::error::Classify;
use sealock::ledger::ocean::OceanLedger;
use sealock::ledger::{Amount, Dispenser, FixedRate, Ledger, OrderSigner, OrderTerms, Price};
use sealock::order::Consumer;
use sealock::owner::{Offer, Owner};
use sealock::program::{Query, col, count, secret, sum};
use sealock::store::MemoryStore;
use sealock::time::SystemClock;
use sealock::{Account, Address, Asset, Digest, ErrorKind, Exchange, Signature};
use serde_json::{Value, json};

const ONE: Amount = Amount::ONE;

/// An exchange on the chain. The store is the exchange's own.
fn exchange(chain: &Chain) -> Exchange {
    Exchange::new(MemoryStore::new(), chain.ledger(), Arc::new(SystemClock), None)
}

fn again(account: &Account) -> Account {
    Account::from_secret_bytes(&account.expose_secret_bytes()).unwrap()
}

struct Sold {
    exchange: Exchange,
    owner: Owner,
    account: Account,
    asset: Asset,
}

/// An asset of Sealock's for two OCEAN.
fn sold(chain: &Chain) -> Sold {
    let (exchange, account) = (exchange(chain), chain.account());
    let owner = exchange.owner(again(&account)).unwrap();
    let terms = Terms::fixed(chain.ocean(), Amount::whole(2)).uses_per_order(3).valid_for(86_400);
    let asset = owner.publish(&Offer::new("people", &table(&people(3000)), policy(), terms)).unwrap().asset;
    Sold { exchange, owner, account, asset }
}

fn buyer(chain: &Chain, exchange: &Exchange) -> Consumer {
    exchange.consumer(chain.account_with(5)).unwrap()
}

#[test]
fn the_story_runs_on_oceans_contracts() {
    let chain = Chain::start();
    let Sold { exchange, owner, asset, .. } = sold(&chain);
    assert_eq!(exchange.assets().unwrap().len(), 1);
    assert_eq!(asset.did(), Did::new(asset.service().nft, 8996));
    let consumers: Vec<_> = (0..3).map(|_| buyer(&chain, &exchange)).collect();
    let orders = consumers.iter().map(|consumer| {
        consumer.buy(&asset, 1).unwrap();
        consumer.order(&asset).unwrap()
    });
    let orders: Vec<_> = orders.collect();
    let query = Query::select([count(), sum("visits")]).filter(col("age").ge(secret(40))).group_by(["plan"]);
    let ticket = orders[1].request(&query).unwrap();
    let (result, receipt) = owner.node().run(ticket.request().clone()).unwrap();
    let answer = ticket.open(&result, &receipt).unwrap();
    for (group, plan) in PLANS.iter().enumerate() {
        let chosen = people(3000).into_iter().filter(|p| PLANS[p.plan] == *plan && p.age >= 40);
        let (rows, visits) = chosen.fold((0, 0), |(rows, sum), p| (rows + 1, sum + p.visits.unwrap_or(0)));
        assert_eq!(answer.numbers("count").unwrap().to_f64()[group], Some(f64::from(rows)));
        assert_eq!(answer.numbers("sum(visits)").unwrap().to_f64()[group], Some(visits as f64));
    }
    // The account's key alone finds its orders again, also from elsewhere.
    assert_eq!(consumers[1].orders(&asset).unwrap().len(), 1);
    let elsewhere = Exchange::new(MemoryStore::new(), chain.ledger(), Arc::new(SystemClock), None);
    let found = elsewhere.asset(asset.service().nft).unwrap();
    assert_eq!((found.did(), found.owner()), (asset.did(), owner.address()));
    // There, nobody signs offers; it costs nothing to find out.
    let stranger = buyer(&chain, &elsewhere);
    stranger.buy(&found, 1).unwrap();
    assert_eq!(stranger.order(&found).unwrap_err().kind(), ErrorKind::Unreachable);
    let token = asset.service().datatoken;
    assert_eq!(elsewhere.ledger().balance_of(token, stranger.address()).unwrap(), ONE);
    // The commitment goes to the owner, the offer comes back: bytes, by whatever way.
    let commitment = stranger.commitment(&found).unwrap();
    let offer = owner.offer(&asset, stranger.address(), commitment).unwrap();
    let other = owner.offer(&asset, stranger.address(), [9; 32]).unwrap();
    for bad in [&other[..], &offer[1..], &[]] {
        assert!(stranger.order_offered(&found, bad).is_err());
    }
    assert_eq!(elsewhere.ledger().balance_of(token, stranger.address()).unwrap(), ONE);
    let order = stranger.order_offered(&found, &offer).unwrap();
    let used = stranger.order_offered(&found, &offer).unwrap_err();
    assert_eq!(used.kind(), ErrorKind::InvalidArgument, "{used}");
    assert_eq!(stranger.orders(&found).unwrap().len(), 1);
    assert_ne!(stranger.commitment(&found).unwrap(), commitment);
    // What it pays for is asked as ever, once the key and the data are here.
    assert_eq!(order.uses_left().unwrap(), 3);
    exchange.ledger().verify_log().unwrap();
}

/// A wallet in another place: it signs, and shows no key.
struct Wallet(Account);

impl ExternalSigner for Wallet {
    fn address(&self) -> Address {
        self.0.address()
    }
    fn sign(&self, digest: &Digest) -> Result<Signature, String> {
        self.0.sign(digest).map_err(|e| e.to_string())
    }
}

#[test]
fn a_folder_is_of_one_ledger() {
    let chain = Chain::start();
    let folder = tempfile::tempdir().unwrap();
    let on = |ledger| Exchange::local_on(folder.path(), MemoryStore::new(), ledger);
    on(Arc::new(chain.ledger())).unwrap();
    on(Arc::new(chain.ledger())).unwrap();
    let refused = Exchange::local(folder.path()).err().unwrap();
    assert!(refused.kind() == ErrorKind::InvalidArgument && refused.hint().is_some(), "{refused}");
    let embedded = tempfile::tempdir().unwrap();
    Exchange::local(embedded.path()).unwrap();
    assert!(Exchange::local_on(embedded.path(), MemoryStore::new(), Arc::new(chain.ledger())).is_err());
    // An order needs no offer where the ledger takes none.
    let exchange = Exchange::in_memory().unwrap();
    let none = exchange.ledger().offer(&Account::generate(), chain.ocean(), 0, chain.ocean(), [1; 32]).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::InvalidArgument, "{none}");
}

#[test]
fn parties_whose_keys_are_elsewhere_trade_and_compute() {
    let chain = Chain::start();
    let exchange = exchange(&chain);
    let external = |account: Account| Account::external(Arc::new(Wallet(account))).unwrap();
    let owner = exchange.owner(external(chain.account())).unwrap();
    let terms = Terms::fixed(chain.ocean(), Amount::whole(2)).uses_per_order(3).valid_for(86_400);
    let asset = owner.publish(&Offer::new("people", &table(&people(3000)), policy(), terms)).unwrap().asset;
    let consumer = exchange.consumer(external(chain.account_with(5))).unwrap();
    consumer.buy(&asset, 1).unwrap();
    let order = consumer.order(&asset).unwrap();
    let ticket = order.request(&Query::select([count()])).unwrap();
    let (result, receipt) = owner.node().run(ticket.request().clone()).unwrap();
    assert_eq!(ticket.open(&result, &receipt).unwrap().numbers("count").unwrap().to_f64(), [Some(3000.0)]);
    assert_eq!(consumer.orders(&asset).unwrap().len(), 1, "found again by what the wallet signs");
}

#[test]
fn ocean_js_buys_and_orders_what_sealock_published() {
    let chain = Chain::start();
    let Sold { exchange, account, asset, .. } = sold(&chain);
    let (nft, token) = (asset.service().nft, asset.service().datatoken);
    let consumer = chain.account_with(5);
    let mut client = chain.client(&consumer);

    // The description: what ocean.js reads is what was written, Ocean's validator accepts it, and the DID is Ocean's.
    let read = client.ask(json!({"do": "readMetadata", "nft": nft.to_string()}));
    let data = hex::decode(read["data"].as_str().unwrap().trim_start_matches("0x")).unwrap();
    let ledger = chain.ledger();
    assert_eq!(ledger.metadata(nft).unwrap().unwrap().ddo, data, "it is plain: {read}");
    let ddo: Value = serde_json::from_slice(&data).unwrap();
    let mut validator = Peer::ocean_validator();
    let valid = validator.ask(json!({"do": "validate", "ddo": ddo}));
    assert_eq!(valid["valid"], json!(true), "{valid}");
    let did = validator.ask_text(json!({"do": "did", "nft": nft.to_string(), "chainId": 8996}), "did");
    assert_eq!(did, asset.did().to_string());

    // The price, the purchase, and an order with an offer that the owner signed.
    let state = client.ask(json!({"do": "token", "datatoken": token.to_string()}));
    assert_eq!(state["nft"], json!(nft.to_string()));
    let id = state["exchanges"][0]["id"].as_str().or(state["exchanges"][0].as_str()).unwrap().to_owned();
    client.ask(json!({"do": "buy", "exchange": id, "amount": "1", "max": "3"}));
    assert_eq!(ledger.balance_of(token, consumer.address()).unwrap(), ONE);
    let offer = ledger.sign_offer(&account, token, 0, consumer.address(), [7; 32]).unwrap();
    let tx = client.ask(json!({
        "do": "order", "datatoken": token.to_string(), "service": 0, "consumer": consumer.address().to_string(),
        "providerFee": fee(&offer),
    }))["tx"]
        .clone();
    let orders = exchange.ledger().orders(token, 0, 0, 9).unwrap();
    assert_eq!(orders.len(), 1);
    assert_eq!((orders[0].consumer, orders[0].commitment), (consumer.address(), [7; 32]));
    assert_eq!((orders[0].limit, orders[0].amount), (3, ONE));
    assert_eq!(tx, json!(format!("0x{}", orders[0].tx)));
}

/// What ocean.js published, for Sealock's eyes.
struct Theirs {
    chain: Chain,
    ledger: OceanLedger,
    owner: Arc<Account>,
    client: Peer,
    made: Value,
}

fn theirs(publish: Value) -> Theirs {
    let chain = Chain::start();
    let (ledger, owner) = (chain.ledger(), Arc::new(chain.account()));
    let mut client = chain.client(&owner);
    let mut command = json!({"do": "publish", "name": "Theirs", "symbol": "TH"});
    command.as_object_mut().unwrap().extend(publish.as_object().unwrap().clone());
    command["token"] = json!(chain.ocean().to_string());
    let made = client.ask(command);
    Theirs { chain, ledger, owner, client, made }
}

impl Theirs {
    fn address(&self, name: &str) -> sealock::Address {
        self.made[name].as_str().unwrap().parse().unwrap()
    }
}

#[test]
fn sealock_buys_and_orders_what_ocean_js_published() {
    let mut theirs = theirs(json!({"price": "2"}));
    let (nft, token) = (theirs.address("nft"), theirs.address("datatoken"));
    let Theirs { chain, ledger, owner, client, .. } = &mut theirs;
    let ocean = chain.ocean();
    assert_eq!(ledger.owner_of(nft).unwrap(), owner.address());
    assert!(ledger.is_deployed(nft, token).unwrap());
    assert_eq!(ledger.token(token).unwrap().name, "Theirs");
    let rate = FixedRate { base_token: ocean, rate: Amount::whole(2), active: true, with_mint: true };
    assert_eq!(ledger.price(token).unwrap(), Price { fixed_rate: Some(rate), dispenser: None });
    assert_eq!(ledger.nfts(0, 9).unwrap(), [nft]);

    // A description of theirs is read and checked, and it is none of ours.
    assert_eq!(ledger.metadata(nft).unwrap(), None);
    let ddo = std::fs::read_to_string(peers::interop("ocean/fixtures/v4-services.json")).unwrap();
    client.ask(json!({"do": "setMetadata", "nft": nft.to_string(), "ddo": ddo}));
    assert_eq!(ledger.metadata(nft).unwrap().unwrap().ddo, ddo.as_bytes());
    let exchange = exchange(chain);
    assert_eq!(exchange.assets().unwrap().len(), 0);
    assert!(exchange.asset(nft).is_err());

    // Its owner sets order terms, and then Sealock's orders are possible, beside Ocean's own, which are none.
    let consumer = chain.account_with(9);
    let fees = ledger.sale_fees(token, Amount::whole(2), ocean).unwrap();
    let max = Amount::whole(4).checked_add(fees).unwrap();
    ledger.buy(&consumer, token, Amount::whole(2), ocean, max).unwrap();
    let terms = OrderTerms::new(5, 3600);
    assert_eq!(ledger.order(&consumer, token, 0, terms, [1; 32]).unwrap_err().kind(), ErrorKind::OrderMismatch);
    ledger.set_order_terms(owner, token, 0, terms).unwrap();
    ledger.attend(&(Arc::clone(owner) as Arc<dyn OrderSigner>));
    let order = ledger.order(&consumer, token, 0, terms, [1; 32]).unwrap();
    let mut theirs = chain.client(&consumer);
    let secret = format!("0x{}", hex::encode(*owner.expose_secret_bytes()));
    let plain = theirs.ask(json!({"do": "signProviderFee", "providerData": "0x7b7d", "secret": secret}));
    theirs.ask(json!({"do": "order", "datatoken": token.to_string(), "service": 0, "providerFee": plain}));
    assert_eq!(ledger.orders(token, 0, 0, 9).unwrap(), [order]);
}

#[test]
fn a_dispenser_of_ocean_js_gives_to_sealock() {
    let theirs = theirs(json!({"dispenser": {"tokens": "1", "balance": "1"}}));
    let token = theirs.address("datatoken");
    let dispenser = Dispenser { max_amount: ONE, max_balance: ONE, active: true };
    assert_eq!(theirs.ledger.price(token).unwrap().dispenser, Some(dispenser));
    let consumer = theirs.chain.account();
    theirs.ledger.dispense(&consumer, token, ONE).unwrap();
    let again = theirs.ledger.dispense(&consumer, token, ONE).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::DispenserLimit, "{again}");
    // Its owner goes on with it by Sealock.
    let more = Dispenser { max_amount: Amount::whole(2), max_balance: Amount::whole(4), active: true };
    theirs.ledger.set_dispenser(&theirs.owner, token, more).unwrap();
    theirs.ledger.dispense(&consumer, token, Amount::whole(2)).unwrap();
    assert_eq!(theirs.ledger.balance_of(token, consumer.address()).unwrap(), Amount::whole(3));
}

#[test]
fn a_job_is_paid_from_the_escrow() {
    use sealock::ledger::ocean::{Escrow, EscrowFunds};
    let chain = Chain::start();
    let ledger = chain.ledger();
    let escrow = ledger.escrow().unwrap();
    let (payer, node) = (chain.account_with(50), chain.account());
    let ocean = chain.ocean();
    let whole = Amount::whole;
    assert_eq!(escrow.deposit(&payer, ocean, whole(51)).unwrap_err().kind(), ErrorKind::InsufficientBalance);
    escrow.deposit(&payer, ocean, whole(20)).unwrap();
    let (job, other) = (Escrow::job_number("job-1"), Escrow::job_number("job-2"));
    let lock = |job, amount, secs| escrow.lock(&node, job, ocean, payer.address(), amount, secs);
    assert_eq!(lock(job, whole(5), 60).unwrap_err().kind(), ErrorKind::NotAuthorized);
    escrow.authorize(&payer, ocean, node.address(), whole(10), 3600, 2).unwrap();
    assert_eq!(lock(job, whole(21), 60).unwrap_err().kind(), ErrorKind::InsufficientBalance);
    assert_eq!(lock(job, whole(11), 60).unwrap_err().kind(), ErrorKind::NotAuthorized);
    assert_eq!(lock(job, whole(5), 3601).unwrap_err().kind(), ErrorKind::NotAuthorized);
    lock(job, whole(5), 3600).unwrap();
    let twice = lock(job, whole(1), 60).unwrap_err();
    assert!(twice.to_string().contains("JobId already exists"), "{twice}");
    lock(other, whole(4), 60).unwrap();
    assert_eq!(escrow.funds(payer.address(), ocean).unwrap(), EscrowFunds { available: whole(11), locked: whole(9) });
    // What is not available is not paid out, and not in silence.
    assert_eq!(escrow.withdraw(&payer, ocean, whole(12)).unwrap_err().kind(), ErrorKind::InsufficientBalance);

    let receipt = sealock::Digest::sha256(b"a receipt");
    let claim = |job, amount| escrow.claim(&node, job, ocean, payer.address(), amount, receipt);
    assert_eq!(claim(job, whole(6)).unwrap_err().kind(), ErrorKind::InsufficientBalance);
    let tx = claim(job, whole(3)).unwrap();
    assert_eq!(escrow.claimed(tx).unwrap().0, receipt, "the proof is the receipt's digest");
    assert_eq!(claim(job, whole(1)).unwrap_err().kind(), ErrorKind::NotAuthorized);
    // Ocean's community has 0.1 % of it.
    let got = ledger.balance_of(ocean, node.address()).unwrap();
    assert_eq!(got, Amount::from_units(3 * ONE.units() / 1000 * 999));

    // A lock that is over is given back, and no longer claimed.
    let early = escrow.cancel(&payer, other, ocean, payer.address(), node.address()).unwrap_err();
    assert_eq!(early.kind(), ErrorKind::InvalidArgument, "{early}");
    chain.advance(61);
    assert_eq!(claim(other, whole(4)).unwrap_err().kind(), ErrorKind::NotAuthorized);
    escrow.cancel(&payer, other, ocean, payer.address(), node.address()).unwrap();
    assert_eq!(escrow.funds(payer.address(), ocean).unwrap(), EscrowFunds { available: whole(17), locked: whole(0) });
    escrow.withdraw(&payer, ocean, whole(17)).unwrap();
    assert_eq!(ledger.balance_of(ocean, payer.address()).unwrap(), whole(47));
}

#[test]
fn descriptions_of_every_form_are_read_back() {
    use sealock::ledger::ocean::DescriptionForm as Form;
    let chain = Chain::start();
    let ledger = chain.ledger();
    let owner = chain.account();
    let publication = sealock::ledger::Publication { name: "Forms".into(), symbol: "F".into(), cap: Amount::MAX };
    let nft = ledger.publish(&owner, &publication).unwrap().nft;
    let mut client = chain.client(&owner);
    let ddo = b"{\"id\": \"did:op:1\"}".repeat(100);
    for (form, flags) in [(Form::Plain, "0x00"), (Form::Compressed, "0x01"), (Form::Shortest, "0x00")] {
        ledger.describe(&owner, nft, &ddo, form, "https://node.example").unwrap();
        assert_eq!(ledger.metadata(nft).unwrap().unwrap().ddo, ddo);
        let read = client.ask(json!({"do": "readMetadata", "nft": nft.to_string()}));
        assert_eq!((&read["flags"], &read["url"]), (&json!(flags), &json!("https://node.example")));
    }
    let long = ddo.repeat(20);
    ledger.describe(&owner, nft, &long, Form::Shortest, "").unwrap();
    let read = client.ask(json!({"do": "readMetadata", "nft": nft.to_string()}));
    assert_eq!(read["flags"], json!("0x01"));
    assert!(read["data"].as_str().unwrap().len() < long.len() / 10);
    assert_eq!(chain.ledger().metadata(nft).unwrap().unwrap().ddo, long);
    // Encrypted and compressed: what a node decrypts is the LZMA form.
    let sealed = Form::Encrypted { data: vec![1, 2, 3], compressed: false };
    ledger.describe(&owner, nft, &ddo, sealed, "").unwrap();
    let hidden = ledger.metadata(nft).unwrap_err();
    assert!(hidden.to_string().contains("encrypted") && hidden.kind() == ErrorKind::Malformed, "{hidden}");
    let plain = ddo.clone();
    ledger
        .set_decryptor(nft, Arc::new(move |data| if data == [1, 2, 3] { Ok(plain.clone()) } else { Err("no".into()) }));
    assert_eq!(ledger.metadata(nft).unwrap().unwrap().ddo, ddo);
}

#[test]
fn ocean_js_acts_for_an_owner_and_sealock_reads_it() {
    let Theirs { chain, ledger, owner, mut client, made } = theirs(json!({}));
    let token: sealock::Address = made["datatoken"].as_str().unwrap().parse().unwrap();
    let nft: sealock::Address = made["nft"].as_str().unwrap().parse().unwrap();
    client.ask(json!({"do": "mint", "datatoken": token.to_string(), "amount": "3"}));
    assert_eq!(ledger.balance_of(token, owner.address()).unwrap(), Amount::whole(3));
    let heir = Arc::new(chain.account());
    ledger.set_order_terms(&owner, token, 0, OrderTerms::new(1, 60)).unwrap();
    client.ask(json!({"do": "transferNft", "nft": nft.to_string(), "to": heir.address().to_string()}));
    assert_eq!(ledger.owner_of(nft).unwrap(), heir.address());
    let refused = ledger.mint(&owner, token, owner.address(), ONE).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotAuthorized);
    // The new owner signs offers now, and the old one no longer.
    let consumer = chain.account();
    ledger.add_minter(&heir, token, heir.address()).unwrap();
    ledger.mint(&heir, token, consumer.address(), ONE).unwrap();
    assert_eq!(
        ledger.sign_offer(&owner, token, 0, consumer.address(), [1; 32]).unwrap_err().kind(),
        ErrorKind::NotAuthorized
    );
    let offer = ledger.sign_offer(&heir, token, 0, consumer.address(), [1; 32]).unwrap();
    ledger.order_with(&consumer, &offer).unwrap();
    // An offer travels as bytes.
    let bytes = offer.to_bytes();
    assert_eq!(sealock::ledger::ocean::SignedOffer::from_bytes(&bytes).unwrap(), offer);
    assert!(sealock::ledger::ocean::SignedOffer::from_bytes(&bytes[1..]).is_err());
}
