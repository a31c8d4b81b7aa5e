//! Steps on Ocean Protocol's contracts, by Sealock and by ocean.js: gas, and time from the call to the receipt, on one chain of
//! a developer's own (anvil), which mines each transaction at once.
//!
//! `cargo bench --workspace --bench ocean --profile dev`, after `make test` has set the peers up.

#[path = "../tests/support/ocean.rs"]
mod ocean;
#[path = "../tests/support/peers.rs"]
mod peers;

use std::sync::Arc;
use std::time::Instant;

use ocean::{Chain, fee};
use sealock::ledger::ocean::{OceanLedger, Publish, Sale};
use sealock::ledger::{Amount, Dispenser, FixedRate, Ledger, OrderSigner, OrderTerms, Publication};
use sealock::{Account, Digest};
use serde_json::{Value, json};

const ROUNDS: usize = 15;
const TERMS: OrderTerms = OrderTerms::new(3, 86_400);

/// Times in milliseconds and gas of a step.
#[derive(Default)]
struct Step {
    ms: Vec<f64>,
    gas: u64,
}

impl Step {
    fn ours(&mut self, ledger: &OceanLedger, work: impl FnOnce() -> Digest) {
        let start = Instant::now();
        let tx = work();
        self.ms.push(start.elapsed().as_secs_f64() * 1e3);
        self.gas = ledger.gas_used(tx).expect("a receipt");
    }

    fn theirs(&mut self, answer: &Value) {
        self.ms.push(answer["ms"].as_f64().expect("a time"));
        self.gas = answer["gas"].as_u64().or_else(|| answer["gas"].as_str()?.parse().ok()).expect("gas");
    }

    fn median(&mut self) -> f64 {
        self.ms.sort_by(f64::total_cmp);
        self.ms[self.ms.len() / 2]
    }
}

fn main() {
    let chain = Chain::start();
    let ledger = chain.ledger();
    let ocean = chain.ocean();
    let owner = Arc::new(chain.account_with(10));
    let (consumer, their_owner, their_consumer) = (chain.account_with(900), chain.account(), chain.account_with(900));
    let mut publisher = chain.client(&their_owner);
    let mut client = chain.client(&their_consumer);
    let publication = || Publication { name: "Bench".into(), symbol: "B".into(), cap: Amount::MAX };

    // What both work on: one asset each, sold for 2 OCEAN.
    let sale = Sale::FixedRate { base_token: ocean, rate: Amount::whole(2), market_fee: Amount::ZERO };
    let made =
        ledger.publish_with(&owner, &Publish { sale: Some(sale), ..Publish::new(publication()) }).expect("published").0;
    let (nft, token) = (made.nft, made.datatoken);
    ledger.set_order_terms(&owner, token, 0, TERMS).expect("terms");
    ledger.attend(&(Arc::clone(&owner) as Arc<dyn OrderSigner>));
    let theirs = publisher.ask(json!({"do": "publish", "price": "2", "token": ocean.to_string()}));
    let free = ledger.publish(&owner, &publication()).expect("published").datatoken;
    let dispenser = Dispenser { max_amount: Amount::ONE, max_balance: Amount::whole(1 << 20), active: true };
    ledger.set_dispenser(&owner, free, dispenser).expect("a dispenser");
    let their_free = publisher.ask(json!({"do": "publish", "dispenser": {"tokens": "1", "balance": "1000000"}}));
    let ddo = format!("{{\"description\": \"{}\"}}", "a dataset ".repeat(200));

    let names = [
        "publish a data NFT with a datatoken",
        "publish with a sale at a fixed rate",
        "describe (2 kB)",
        "mint a datatoken",
        "buy for OCEAN (approve, buyDT)",
        "take from a dispenser",
        "order (startOrder)",
    ];
    let mut ours: Vec<Step> = names.iter().map(|_| Step::default()).collect();
    let mut others: Vec<Step> = names.iter().map(|_| Step::default()).collect();
    let max = Amount::whole(3);
    for round in 0..ROUNDS {
        ours[0].ours(&ledger, || ledger.publish_with(&owner, &Publish::new(publication())).expect("published").1.tx);
        others[0].theirs(&publisher.ask(json!({"do": "publish"})));
        let with_sale = Publish { sale: Some(sale), ..Publish::new(publication()) };
        ours[1].ours(&ledger, || ledger.publish_with(&owner, &with_sale).expect("published").1.tx);
        others[1].theirs(&publisher.ask(json!({"do": "publish", "price": "2", "token": ocean.to_string()})));
        ours[2].ours(&ledger, || ledger.set_metadata(&owner, nft, ddo.as_bytes()).expect("described").tx);
        others[2].theirs(&publisher.ask(json!({"do": "setMetadata", "nft": theirs["nft"], "ddo": ddo})));
        ours[3].ours(&ledger, || ledger.mint(&owner, token, consumer.address(), Amount::ONE).expect("minted").tx);
        let to = their_consumer.address().to_string();
        others[3]
            .theirs(&publisher.ask(json!({"do": "mint", "datatoken": theirs["datatoken"], "amount": "1", "to": to})));
        ours[4].ours(&ledger, || ledger.buy(&consumer, token, Amount::ONE, ocean, max).expect("bought").tx);
        let start = Instant::now();
        let mut bought = client.ask(json!({"do": "buy", "exchange": theirs["exchange"], "amount": "1", "max": "3"}));
        // Its own time leaves the approval out.
        bought["ms"] = json!(start.elapsed().as_secs_f64() * 1e3);
        others[4].theirs(&bought);
        ours[5].ours(&ledger, || ledger.dispense(&consumer, free, Amount::ONE).expect("given").tx);
        others[5].theirs(&client.ask(json!({"do": "dispense", "datatoken": their_free["datatoken"], "amount": "1"})));
        let mut commitment = [7; 32];
        commitment[..8].copy_from_slice(&(round as u64).to_be_bytes());
        ours[6].ours(&ledger, || ledger.order(&consumer, token, 0, TERMS, commitment).expect("ordered").tx);
        let foreign =
            ledger.sign_offer(&owner, token, 0, their_consumer.address(), [round as u8; 32].map(|b| b ^ 0x55));
        let provider = fee(&foreign.expect("signed"));
        others[6].theirs(
            &client
                .ask(json!({"do": "order", "datatoken": theirs["datatoken"], "service": 0, "providerFee": provider})),
        );
    }
    println!("{:38} {:>10} {:>10} {:>11} {:>11} {:>8}", "", "gas", "ocean.js", "ms", "ocean.js", "ratio");
    for ((name, ours), others) in names.iter().zip(&mut ours).zip(&mut others) {
        let (mine, other) = (ours.median(), others.median());
        println!("{name:38} {:>10} {:>10} {mine:>11.1} {other:>11.1} {:>8.1}", ours.gas, others.gas, other / mine);
    }
    println!("(medians of {ROUNDS}; the ratio is ocean.js to Sealock, in time)");
    println!(
        "Sealock checks before it sends, and reads and verifies the order after it; ocean.js waits for the receipt."
    );
    let offer = ledger.sign_offer(&owner, token, 0, consumer.address(), [1; 32]).expect("signed").offer.to_bytes();
    println!("An order carries {} bytes of offer in both columns. ocean.js polls every 10 ms.\n", offer.len());

    rebuild(&chain, &ledger, &owner, token, &consumer);
    let rate = FixedRate { base_token: ocean, rate: Amount::whole(2), active: false, with_mint: true };
    ledger.set_fixed_rate(&owner, token, rate).expect("ended");
}

/// Reading the group of a datatoken from nothing, and reading on.
fn rebuild(chain: &Chain, ledger: &OceanLedger, owner: &Account, token: sealock::Address, consumer: &Account) {
    const ORDERS: u64 = 400;
    ledger.mint(owner, token, consumer.address(), Amount::whole(ORDERS)).expect("minted");
    for i in 0..ORDERS {
        let mut commitment = [9; 32];
        commitment[..8].copy_from_slice(&i.to_be_bytes());
        ledger.order(consumer, token, 0, TERMS, commitment).expect("ordered");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let cached = || {
        let cache = Some(folder.path().join("ocean.redb"));
        chain.ledger_with(sealock::ledger::ocean::OceanOptions { cache, ..Default::default() })
    };
    let read = |ledger: &OceanLedger| {
        let start = Instant::now();
        let orders = ledger.orders(token, 0, 0, usize::MAX).expect("orders").len();
        (start.elapsed().as_secs_f64() * 1e3, orders)
    };
    let (first, orders) = read(&cached());
    let (again, _) = read(&cached());
    let kept = cached();
    read(&kept);
    let (on, _) = read(&kept);
    println!("the verified orders of a datatoken, {orders} of them, from the logs of the chain:");
    println!("  from nothing {first:.0} ms; after a restart {again:.0} ms; nothing new {on:.1} ms");
}
