//! What every ledger must do, as functions over `&dyn Ledger`.
//!
//! [`CASES`] lists them all. An implementation provides a [`Host`]: the ledger, accounts that can pay its fees, and a way to
//! let time pass.

#[path = "ledger_races.rs"]
mod races;

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sealock::{
    Account, Address, Digest, ErrorKind,
    error::Classify,
    ledger::{
        Amount, Control, Dispenser, EFFECTIVE_GRAIN, Event, EventKind, FixedRate, Ledger, LedgerError, METADATA_LIMIT,
        NAME_LIMIT, OrderSigner, OrderTerms, Publication, Published,
    },
    time::Timestamp,
};

/// What a test of a ledger needs beside it.
pub trait Host: Sync {
    /// The ledger.
    fn ledger(&self) -> &dyn Ledger;
    /// A fresh account that can pay the ledger's own fees.
    fn account(&self) -> Account;
    /// Lets `seconds` pass.
    fn advance(&self, seconds: u64);
    /// The ledger's time.
    fn now(&self) -> Timestamp;
    /// Checks whatever more the implementation can check about its whole state.
    fn audit(&self);
    /// Whether a sale can sell what the owner holds, and not only what it mints.
    fn sells_from_stock(&self) -> bool {
        true
    }
    /// Whether a datatoken can have a cap.
    fn has_caps(&self) -> bool {
        true
    }
}

pub type Case = (&'static str, fn(&dyn Host));

/// Every case, with its name.
pub const CASES: &[Case] = &[
    ("publishing gives an NFT with one datatoken", publishing),
    ("names have limits", names),
    ("only minters mint and only up to the cap", minting),
    ("minters come and go at the owner's word", minters),
    ("a transfer moves what is there and no more", transferring),
    ("a sale costs what it says, at most what the buyer accepts", selling),
    ("a sale without minting sells what the owner holds", selling_from_stock),
    ("a changed sale does not catch a buyer who saw the old one", changed_sale),
    ("a dispenser gives within its limits", dispensing),
    ("an order pays one datatoken and appends its commitment", ordering),
    ("an order is refused for every reason there is", refused_orders),
    ("a consumer who saw other terms gets no order", changed_terms),
    ("orders are listed per service and in parts", listing),
    ("an order expires", expiry),
    ("an order is taken back from a stated time on", revoking),
    ("the epochs of a service stay", epochs),
    ("a commitment is bytes", commitments),
    ("a description is stored with its hash", metadata),
    ("a new owner starts clean", new_owner),
    ("nothing is known of what was never published", unknown),
    ("base tokens are no datatokens", base_tokens),
    ("one token cannot be spent twice by 64 threads", races::double_spend),
    ("64 threads order with one account", races::one_account_many_threads),
    ("one commitment is ordered once by 64 threads", races::one_commitment_many_threads),
    ("the log names who speaks", log),
];

pub const TERMS: OrderTerms = OrderTerms::new(5, 3600);
const ONE: Amount = Amount::ONE;

/// Commitments that no other case uses.
fn fresh() -> [u8; 32] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut out = [0xc0; 32];
    out[24..].copy_from_slice(&NEXT.fetch_add(1, Ordering::SeqCst).to_be_bytes());
    out
}

/// Balances and supplies, to compare before and after a refusal.
fn holdings(ledger: &dyn Ledger, tokens: &[Address], accounts: &[&Account]) -> Vec<Amount> {
    let of = |token: &Address| {
        let held = accounts.iter().map(|a| ledger.balance_of(*token, a.address()).unwrap());
        held.chain([ledger.total_supply(*token).unwrap()]).collect::<Vec<_>>()
    };
    tokens.iter().flat_map(of).collect()
}

/// Asserts the kind of a refusal.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, LedgerError>, kind: ErrorKind) {
    let error = result.expect_err("it should be refused");
    assert_eq!(error.kind(), kind, "{error}");
}

/// An asset, its owner, and a base token that the owner mints.
struct Market {
    owner: Arc<Account>,
    nft: Address,
    token: Address,
    coin: Address,
}

/// An account that signs offers of orders where the ledger needs them.
fn provider(host: &dyn Host) -> Arc<Account> {
    let account = Arc::new(host.account());
    host.ledger().attend(&(Arc::clone(&account) as Arc<dyn OrderSigner>));
    account
}

fn market(host: &dyn Host, cap: Amount) -> Market {
    let (ledger, owner) = (host.ledger(), provider(host));
    let coin = ledger.deploy_token(&owner, "Coin", "COIN", Amount::whole(1_000_000)).unwrap();
    let mut publication = Publication { name: "Admissions".into(), symbol: "ADM".into(), cap };
    if !host.has_caps() {
        if cap != Amount::MAX {
            refused(ledger.publish(&owner, &publication), ErrorKind::InvalidArgument);
        }
        publication.cap = Amount::MAX;
    }
    let Published { nft, datatoken: token } = ledger.publish(&owner, &publication).unwrap();
    ledger.set_order_terms(&owner, token, 0, TERMS).unwrap();
    Market { owner, nft, token, coin }
}

impl Market {
    fn fund(&self, ledger: &dyn Ledger, to: &Account, datatokens: u64, coins: u64) {
        ledger.mint(&self.owner, self.token, to.address(), Amount::whole(datatokens)).unwrap();
        ledger.mint(&self.owner, self.coin, to.address(), Amount::whole(coins)).unwrap();
    }
    fn rate(&self, rate: u64, with_mint: bool) -> FixedRate {
        FixedRate { base_token: self.coin, rate: Amount::whole(rate), active: true, with_mint }
    }
}

fn publishing(host: &dyn Host) {
    let (ledger, m) = (host.ledger(), market(host, Amount::whole(10)));
    assert_eq!(ledger.owner_of(m.nft).unwrap(), m.owner.address());
    assert!(ledger.is_deployed(m.nft, m.token).unwrap());
    assert!(ledger.is_minter(m.token, m.owner.address()).unwrap());
    let info = ledger.token(m.token).unwrap();
    assert_eq!((info.name.as_str(), info.symbol.as_str(), info.decimals), ("Admissions", "ADM", 18));
    let cap = if host.has_caps() { Amount::whole(10) } else { Amount::MAX };
    assert_eq!((info.control, info.cap, info.supply), (Control::Nft(m.nft), cap, Amount::ZERO));
    assert_eq!(ledger.cap(m.token).unwrap(), cap);
    let other = market(host, ONE);
    assert!(!ledger.is_deployed(m.nft, other.token).unwrap());
    assert!(!ledger.is_deployed(m.nft, m.coin).unwrap());
    let all = [m.nft, m.token, m.coin, other.nft, other.token, other.coin, ledger.address()];
    assert!((1..all.len()).all(|i| !all[..i].contains(&all[i])), "addresses are distinct");
}

fn names(host: &dyn Host) {
    let (ledger, owner) = (host.ledger(), host.account());
    let publish = |name: &str, symbol: &str, cap| {
        ledger.publish(&owner, &Publication { name: name.into(), symbol: symbol.into(), cap })
    };
    refused(publish("", "X", ONE), ErrorKind::InvalidArgument);
    refused(publish("X", " ", ONE), ErrorKind::InvalidArgument);
    refused(publish("X\n", "X", ONE), ErrorKind::InvalidArgument);
    refused(publish("X", "X", Amount::ZERO), ErrorKind::InvalidArgument);
    refused(publish(&"x".repeat(NAME_LIMIT + 1), "X", ONE), ErrorKind::TooLarge);
    refused(ledger.deploy_token(&owner, "X", &"x".repeat(NAME_LIMIT + 1), ONE), ErrorKind::TooLarge);
    publish(&"x".repeat(NAME_LIMIT), "Universitätsklinikum", Amount::MAX).unwrap();
}

fn minting(host: &dyn Host) {
    let (ledger, mut m, other) = (host.ledger(), market(host, Amount::whole(3)), host.account());
    if !host.has_caps() {
        m.token = ledger.deploy_token(&m.owner, "Capped", "CAP", Amount::whole(3)).unwrap();
    }
    ledger.mint(&m.owner, m.token, other.address(), Amount::whole(2)).unwrap();
    assert_eq!(ledger.balance_of(m.token, other.address()).unwrap(), Amount::whole(2));
    let before = holdings(ledger, &[m.token], &[&m.owner, &other]);
    refused(ledger.mint(&other, m.token, other.address(), ONE), ErrorKind::NotAuthorized);
    refused(ledger.mint(&m.owner, m.token, other.address(), Amount::whole(2)), ErrorKind::CapExceeded);
    let above = Amount::from_units(ONE.units() + 1);
    refused(ledger.mint(&m.owner, m.token, other.address(), above), ErrorKind::CapExceeded);
    refused(ledger.mint(&m.owner, m.token, other.address(), Amount::MAX), ErrorKind::CapExceeded);
    refused(ledger.mint(&m.owner, m.token, Address::ZERO, ONE), ErrorKind::InvalidArgument);
    assert_eq!(holdings(ledger, &[m.token], &[&m.owner, &other]), before);
    ledger.mint(&m.owner, m.token, other.address(), ONE).unwrap();
    assert_eq!(ledger.total_supply(m.token).unwrap(), ledger.cap(m.token).unwrap());
}

fn minters(host: &dyn Host) {
    let (ledger, m, other) = (host.ledger(), market(host, Amount::whole(3)), host.account());
    refused(ledger.add_minter(&other, m.token, other.address()), ErrorKind::NotAuthorized);
    ledger.add_minter(&m.owner, m.token, other.address()).unwrap();
    assert!(ledger.is_minter(m.token, other.address()).unwrap());
    ledger.mint(&other, m.token, other.address(), ONE).unwrap();
    // A minter mints, and that is all.
    refused(ledger.remove_minter(&other, m.token, m.owner.address()), ErrorKind::NotAuthorized);
    ledger.remove_minter(&m.owner, m.token, other.address()).unwrap();
    assert!(!ledger.is_minter(m.token, other.address()).unwrap());
    refused(ledger.mint(&other, m.token, other.address(), ONE), ErrorKind::NotAuthorized);
    assert_eq!(ledger.total_supply(m.token).unwrap(), ONE);
}

fn transferring(host: &dyn Host) {
    let (ledger, m) = (host.ledger(), market(host, Amount::whole(10)));
    let (a, b) = (host.account(), host.account());
    m.fund(ledger, &a, 5, 0);
    ledger.transfer(&a, m.token, b.address(), Amount::whole(2)).unwrap();
    // To oneself, and nothing: both allowed, both without effect.
    ledger.transfer(&a, m.token, a.address(), Amount::whole(3)).unwrap();
    ledger.transfer(&a, m.token, b.address(), Amount::ZERO).unwrap();
    let before = holdings(ledger, &[m.token], &[&a, &b]);
    assert_eq!(before, [3, 2, 5].map(Amount::whole));
    let above = Amount::from_units(Amount::whole(3).units() + 1);
    for amount in [above, Amount::MAX] {
        refused(ledger.transfer(&a, m.token, b.address(), amount), ErrorKind::InsufficientBalance);
        refused(ledger.transfer(&a, m.token, a.address(), amount), ErrorKind::InsufficientBalance);
    }
    refused(ledger.transfer(&a, m.token, Address::ZERO, ONE), ErrorKind::InvalidArgument);
    assert_eq!(holdings(ledger, &[m.token], &[&a, &b]), before);
}

fn selling(host: &dyn Host) {
    let (ledger, m, buyer) = (host.ledger(), market(host, Amount::whole(3)), host.account());
    m.fund(ledger, &buyer, 0, 10);
    let buy = |amount, max| ledger.buy(&buyer, m.token, amount, m.coin, max);
    refused(buy(ONE, Amount::MAX), ErrorKind::NotForSale);
    refused(ledger.set_fixed_rate(&buyer, m.token, m.rate(2, true)), ErrorKind::NotAuthorized);
    let free = FixedRate { rate: Amount::ZERO, ..m.rate(2, true) };
    refused(ledger.set_fixed_rate(&m.owner, m.token, free), ErrorKind::InvalidArgument);
    let itself = FixedRate { base_token: m.token, ..m.rate(2, true) };
    refused(ledger.set_fixed_rate(&m.owner, m.token, itself), ErrorKind::InvalidArgument);
    ledger.set_fixed_rate(&m.owner, m.token, m.rate(2, true)).unwrap();
    assert_eq!(ledger.price(m.token).unwrap().fixed_rate, Some(m.rate(2, true)));

    let parties = [&buyer, &m.owner];
    let before = holdings(ledger, &[m.token, m.coin], &parties);
    let below = Amount::from_units(Amount::whole(2).units() - 1);
    refused(buy(ONE, below), ErrorKind::PriceExceeded);
    refused(buy(ONE, Amount::ZERO), ErrorKind::PriceExceeded);
    refused(buy(Amount::ZERO, Amount::MAX), ErrorKind::InvalidArgument);
    if host.has_caps() {
        refused(buy(Amount::whole(4), Amount::MAX), ErrorKind::CapExceeded);
    }
    refused(buy(Amount::whole(6), Amount::MAX), ErrorKind::InsufficientBalance);
    refused(buy(Amount::MAX, Amount::MAX), ErrorKind::InvalidArgument);
    assert_eq!(holdings(ledger, &[m.token, m.coin], &parties), before, "a refusal costs nothing");

    let receipt = buy(ONE, Amount::whole(2)).unwrap();
    let held = ledger.balance_of(m.coin, m.owner.address()).unwrap();
    let collected = ledger.collect(&buyer, m.token).unwrap();
    let paid = ledger.balance_of(m.coin, m.owner.address()).unwrap();
    assert_eq!(held.checked_add(collected), Some(paid), "what was not paid at once is paid out");
    assert_eq!(ledger.collect(&buyer, m.token).unwrap(), Amount::ZERO, "and once only");
    assert_eq!(ledger.sale_fees(m.token, ONE, m.coin).unwrap(), Amount::ZERO);
    let cost = receipt.events.iter().find_map(|e| match e.kind {
        EventKind::Sold { cost, .. } if e.emitter == m.token => Some(cost),
        _ => None,
    });
    assert_eq!(cost, Some(Amount::whole(2)));
    let after = holdings(ledger, &[m.token, m.coin], &parties);
    assert_eq!(after, [1, 0, 1, 8, 2, 10].map(Amount::whole));
    // The smallest amount is not free.
    buy(Amount::from_units(1), Amount::from_units(2)).unwrap();
    refused(buy(Amount::from_units(1), Amount::from_units(1)), ErrorKind::PriceExceeded);

    ledger.set_fixed_rate(&m.owner, m.token, FixedRate { active: false, ..m.rate(2, true) }).unwrap();
    refused(buy(ONE, Amount::MAX), ErrorKind::NotForSale);
}

fn selling_from_stock(host: &dyn Host) {
    let (ledger, m, buyer) = (host.ledger(), market(host, Amount::whole(9)), host.account());
    m.fund(ledger, &buyer, 0, 10);
    if !host.sells_from_stock() {
        refused(ledger.set_fixed_rate(&m.owner, m.token, m.rate(1, false)), ErrorKind::InvalidArgument);
        assert_eq!(ledger.price(m.token).unwrap(), Default::default());
        return;
    }
    ledger.set_fixed_rate(&m.owner, m.token, m.rate(1, false)).unwrap();
    let parties = [&buyer, &m.owner];
    let before = holdings(ledger, &[m.token, m.coin], &parties);
    refused(ledger.buy(&buyer, m.token, ONE, m.coin, ONE), ErrorKind::InsufficientBalance);
    assert_eq!(holdings(ledger, &[m.token, m.coin], &parties), before, "the buyer keeps the money");
    m.fund(ledger, &m.owner, 2, 0);
    ledger.buy(&buyer, m.token, ONE, m.coin, ONE).unwrap();
    assert_eq!(holdings(ledger, &[m.token, m.coin], &parties), [1, 1, 2, 9, 1, 10].map(Amount::whole));
}

fn changed_sale(host: &dyn Host) {
    let (ledger, m, buyer) = (host.ledger(), market(host, Amount::whole(9)), host.account());
    let gold = ledger.deploy_token(&m.owner, "Gold", "GLD", Amount::whole(100)).unwrap();
    m.fund(ledger, &buyer, 0, 10);
    ledger.mint(&m.owner, gold, buyer.address(), Amount::whole(10)).unwrap();
    ledger.set_fixed_rate(&m.owner, m.token, m.rate(2, true)).unwrap();
    let seen = ledger.price(m.token).unwrap().fixed_rate.unwrap();
    let max = ONE.cost_at(seen.rate).unwrap();
    let before = holdings(ledger, &[m.token, m.coin, gold], &[&buyer, &m.owner]);
    ledger.set_fixed_rate(&m.owner, m.token, FixedRate { base_token: gold, ..seen }).unwrap();
    refused(ledger.buy(&buyer, m.token, ONE, seen.base_token, max), ErrorKind::NotForSale);
    ledger.set_fixed_rate(&m.owner, m.token, m.rate(3, true)).unwrap();
    refused(ledger.buy(&buyer, m.token, ONE, seen.base_token, max), ErrorKind::PriceExceeded);
    assert_eq!(holdings(ledger, &[m.token, m.coin, gold], &[&buyer, &m.owner]), before);
}

fn dispensing(host: &dyn Host) {
    let (ledger, m) = (host.ledger(), market(host, Amount::whole(4)));
    let (a, b, c) = (host.account(), host.account(), host.account());
    refused(ledger.dispense(&a, m.token, ONE), ErrorKind::NotForSale);
    let dispenser = Dispenser { max_amount: Amount::whole(2), max_balance: Amount::whole(2), active: true };
    refused(ledger.set_dispenser(&a, m.token, dispenser), ErrorKind::NotAuthorized);
    ledger.set_dispenser(&m.owner, m.token, dispenser).unwrap();
    assert_eq!(ledger.price(m.token).unwrap().dispenser, Some(dispenser));
    ledger.dispense(&a, m.token, Amount::whole(2)).unwrap();
    let before = holdings(ledger, &[m.token], &[&a, &b, &c]);
    refused(ledger.dispense(&a, m.token, ONE), ErrorKind::DispenserLimit);
    refused(ledger.dispense(&b, m.token, Amount::whole(3)), ErrorKind::DispenserLimit);
    refused(ledger.dispense(&b, m.token, Amount::ZERO), ErrorKind::InvalidArgument);
    assert_eq!(holdings(ledger, &[m.token], &[&a, &b, &c]), before);
    ledger.dispense(&b, m.token, ONE).unwrap();
    if host.has_caps() {
        refused(ledger.dispense(&c, m.token, Amount::whole(2)), ErrorKind::CapExceeded);
    }
    ledger.set_dispenser(&m.owner, m.token, Dispenser { active: false, ..dispenser }).unwrap();
    refused(ledger.dispense(&c, m.token, ONE), ErrorKind::NotForSale);
    assert_eq!(ledger.total_supply(m.token).unwrap(), Amount::whole(3));
}

fn ordering(host: &dyn Host) {
    let (ledger, m, consumer) = (host.ledger(), market(host, Amount::whole(9)), host.account());
    m.fund(ledger, &consumer, 2, 0);
    let commitment = fresh();
    let now = host.now();
    let order = ledger.order(&consumer, m.token, 0, TERMS, commitment).unwrap();
    assert_eq!((order.token, order.service, order.index), (m.token, 0, 0));
    assert_eq!((order.consumer, order.commitment, order.amount), (consumer.address(), commitment, ONE));
    assert_eq!((order.limit, order.expiry), (TERMS.limit, order.time + TERMS.validity_secs));
    assert!(order.time >= now);
    assert_eq!(ledger.orders(m.token, 0, 0, 10).unwrap(), [order]);
    assert_eq!(holdings(ledger, &[m.token], &[&consumer, &m.owner]), [1, 1, 2].map(Amount::whole));
}

fn refused_orders(host: &dyn Host) {
    let (ledger, m, other) = (host.ledger(), market(host, Amount::whole(9)), market(host, Amount::whole(9)));
    let consumer = host.account();
    m.fund(ledger, &consumer, 1, 0);
    ledger.set_order_terms(&m.owner, m.token, 1, TERMS).unwrap();
    // The right amount of the wrong datatoken, and a unit too few of the right one.
    refused(ledger.order(&consumer, other.token, 0, TERMS, fresh()), ErrorKind::InsufficientBalance);
    let poor = host.account();
    ledger.mint(&m.owner, m.token, poor.address(), Amount::from_units(ONE.units() - 1)).unwrap();
    let before = holdings(ledger, &[m.token, other.token], &[&consumer, &poor, &m.owner]);
    let commitment = fresh();
    refused(ledger.order(&poor, m.token, 0, TERMS, commitment), ErrorKind::InsufficientBalance);
    refused(ledger.order(&consumer, m.token, 2, TERMS, fresh()), ErrorKind::OrderMismatch);
    refused(ledger.order(&consumer, m.token, 0, TERMS, [0; 32]), ErrorKind::InvalidArgument);
    refused(ledger.order(&consumer, m.coin, 0, TERMS, fresh()), ErrorKind::UnknownToken);
    refused(ledger.order(&consumer, m.nft, 0, TERMS, fresh()), ErrorKind::UnknownToken);
    assert_eq!(holdings(ledger, &[m.token, other.token], &[&consumer, &poor, &m.owner]), before);
    assert!(ledger.orders(m.token, 0, 0, 10).unwrap().is_empty());

    // The commitment of a refused order is still free; that of an accepted one is not, whoever asks.
    ledger.order(&consumer, m.token, 0, TERMS, commitment).unwrap();
    m.fund(ledger, &consumer, 1, 0);
    m.fund(ledger, &poor, 1, 0);
    refused(ledger.order(&consumer, m.token, 0, TERMS, commitment), ErrorKind::InvalidArgument);
    refused(ledger.order(&poor, m.token, 0, TERMS, commitment), ErrorKind::InvalidArgument);
    // Another service is another group.
    ledger.order(&poor, m.token, 1, TERMS, commitment).unwrap();
}

fn changed_terms(host: &dyn Host) {
    let (ledger, m, consumer) = (host.ledger(), market(host, Amount::whole(9)), host.account());
    m.fund(ledger, &consumer, 2, 0);
    refused(ledger.order_terms(m.token, 7), ErrorKind::OrderMismatch);
    refused(ledger.set_order_terms(&consumer, m.token, 0, TERMS), ErrorKind::NotAuthorized);
    for bad in [OrderTerms { limit: 0, ..TERMS }, OrderTerms { validity_secs: 0, ..TERMS }] {
        refused(ledger.set_order_terms(&m.owner, m.token, 0, bad), ErrorKind::InvalidArgument);
    }
    let seen = ledger.order_terms(m.token, 0).unwrap();
    assert_eq!(seen, TERMS);
    let first = ledger.order(&consumer, m.token, 0, seen, fresh()).unwrap();
    let worse = OrderTerms::new(1, 1);
    ledger.set_order_terms(&m.owner, m.token, 0, worse).unwrap();
    refused(ledger.order(&consumer, m.token, 0, seen, fresh()), ErrorKind::OrderMismatch);
    assert_eq!(ledger.balance_of(m.token, consumer.address()).unwrap(), ONE);
    let second = ledger.order(&consumer, m.token, 0, worse, fresh()).unwrap();
    assert_eq!((second.index, second.limit), (1, 1));
    // What was ordered before keeps its terms.
    assert_eq!(ledger.orders(m.token, 0, 0, 10).unwrap(), [first, second]);
    // An order that would end after the end of time.
    let forever = OrderTerms::new(1, u64::MAX);
    ledger.set_order_terms(&m.owner, m.token, 0, forever).unwrap();
    m.fund(ledger, &consumer, 1, 0);
    refused(ledger.order(&consumer, m.token, 0, forever, fresh()), ErrorKind::InvalidArgument);
    assert_eq!(ledger.balance_of(m.token, consumer.address()).unwrap(), ONE);
}

fn listing(host: &dyn Host) {
    let (ledger, m, consumer) = (host.ledger(), market(host, Amount::whole(99)), host.account());
    m.fund(ledger, &consumer, 8, 0);
    ledger.set_order_terms(&m.owner, m.token, u32::MAX, TERMS).unwrap();
    let order = |service| ledger.order(&consumer, m.token, service, TERMS, fresh()).unwrap();
    let (mut zero, mut last) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        zero.push(order(0));
        last.push(order(u32::MAX));
    }
    assert_eq!(ledger.orders(m.token, 0, 0, usize::MAX).unwrap(), zero);
    assert_eq!(ledger.orders(m.token, u32::MAX, 0, usize::MAX).unwrap(), last);
    assert_eq!(ledger.orders(m.token, 0, 1, 2).unwrap(), zero[1..3]);
    assert_eq!(ledger.orders(m.token, 0, 0, 0).unwrap(), []);
    assert_eq!(ledger.orders(m.token, 0, 4, 9).unwrap(), []);
    assert_eq!(ledger.orders(m.token, 0, u64::MAX, 9).unwrap(), []);
    assert_eq!(ledger.orders(m.token, 5, 0, 9).unwrap(), []);
}

fn expiry(host: &dyn Host) {
    let (ledger, m, consumer) = (host.ledger(), market(host, Amount::whole(9)), host.account());
    m.fund(ledger, &consumer, 2, 0);
    let order = ledger.order(&consumer, m.token, 0, TERMS, fresh()).unwrap();
    assert!(!order.expired(order.expiry));
    host.advance(TERMS.validity_secs + 1);
    assert!(order.expired(host.now()));
    let next = ledger.order(&consumer, m.token, 0, TERMS, fresh()).unwrap();
    assert!(next.time > order.expiry && !next.expired(host.now()));
    assert_eq!(ledger.orders(m.token, 0, 0, 9).unwrap(), [order, next], "an expired order keeps its place");
}

fn revoking(host: &dyn Host) {
    let (ledger, m, consumer) = (host.ledger(), market(host, Amount::whole(9)), host.account());
    m.fund(ledger, &consumer, 3, 0);
    ledger.set_order_terms(&m.owner, m.token, 1, TERMS).unwrap();
    let order = |service| ledger.order(&consumer, m.token, service, TERMS, fresh()).unwrap();
    let orders = [order(0), order(0), order(1)];
    let revoke =
        |who: &Account, service, order, at, refund| ledger.revoke_order(who, m.token, service, order, at, refund);
    let later = (host.now() / EFFECTIVE_GRAIN + 2) * EFFECTIVE_GRAIN;

    let before = holdings(ledger, &[m.token], &[&consumer, &m.owner]);
    refused(revoke(&consumer, 0, 0, later, true), ErrorKind::NotAuthorized);
    refused(revoke(&m.owner, 0, 2, later, true), ErrorKind::OrderMismatch);
    refused(revoke(&m.owner, 5, 0, later, true), ErrorKind::OrderMismatch);
    refused(revoke(&m.owner, 0, 0, later + 1, true), ErrorKind::InvalidArgument);
    refused(revoke(&m.owner, 0, 0, host.now() / EFFECTIVE_GRAIN * EFFECTIVE_GRAIN, true), ErrorKind::InvalidArgument);
    assert_eq!(ledger.revocations(m.token, 0, 0, 9).unwrap(), []);
    assert_eq!(holdings(ledger, &[m.token], &[&consumer, &m.owner]), before);

    let refunded = revoke(&m.owner, 0, 1, later, true).unwrap();
    assert_eq!((refunded.number, refunded.order, refunded.effective, refunded.refunded), (0, 1, later, true));
    assert!(refunded.time < later);
    assert_eq!(ledger.balance_of(m.token, consumer.address()).unwrap(), ONE);
    assert_eq!(ledger.balance_of(m.token, m.owner.address()).unwrap(), Amount::whole(2));
    refused(revoke(&m.owner, 0, 1, later + EFFECTIVE_GRAIN, false), ErrorKind::OrderRevoked);
    let cancelled = revoke(&m.owner, 0, 0, later + EFFECTIVE_GRAIN, false).unwrap();
    let other = revoke(&m.owner, 1, 0, later, true).unwrap();
    assert_eq!((cancelled.number, other.number), (1, 0), "they are numbered by service");
    assert_eq!(ledger.balance_of(m.token, consumer.address()).unwrap(), Amount::whole(2));

    assert_eq!(ledger.revocations(m.token, 0, 0, 9).unwrap(), [refunded, cancelled]);
    assert_eq!(ledger.revocations(m.token, 0, 1, 9).unwrap(), [cancelled]);
    assert_eq!(ledger.revocations(m.token, 0, 0, 1).unwrap(), [refunded]);
    assert_eq!(ledger.revocations(m.token, 1, 0, 9).unwrap(), [other]);
    assert_eq!(ledger.revocations(m.token, 7, 0, 9).unwrap(), []);
    assert_eq!(ledger.orders(m.token, 0, 0, 9).unwrap(), orders[..2], "a revoked order keeps its place");

    // Who has spent what an order brought cannot pay it back, and the order stands.
    let broke = market(host, Amount::whole(9));
    broke.fund(ledger, &consumer, 1, 0);
    ledger.order(&consumer, broke.token, 0, TERMS, fresh()).unwrap();
    ledger.transfer(&broke.owner, broke.token, consumer.address(), ONE).unwrap();
    let later = (host.now() / EFFECTIVE_GRAIN + 2) * EFFECTIVE_GRAIN;
    refused(ledger.revoke_order(&broke.owner, broke.token, 0, 0, later, true), ErrorKind::InsufficientBalance);
    assert_eq!(ledger.revocations(broke.token, 0, 0, 9).unwrap(), []);
    ledger.revoke_order(&broke.owner, broke.token, 0, 0, later, false).unwrap();
    host.audit();
}

fn epochs(host: &dyn Host) {
    let (ledger, m) = (host.ledger(), market(host, Amount::whole(9)));
    let daily = |limit| OrderTerms { epoch_secs: Some(86_400), ..OrderTerms::new(limit, 3600) };
    for secs in [0, 59, 61] {
        let odd = OrderTerms { epoch_secs: Some(secs), ..TERMS };
        refused(ledger.set_order_terms(&m.owner, m.token, 1, odd), ErrorKind::InvalidArgument);
    }
    ledger.set_order_terms(&m.owner, m.token, 1, daily(2)).unwrap();
    ledger.set_order_terms(&m.owner, m.token, 1, daily(3)).unwrap();
    for other in [TERMS, OrderTerms { epoch_secs: Some(3600), ..TERMS }] {
        refused(ledger.set_order_terms(&m.owner, m.token, 1, other), ErrorKind::InvalidArgument);
    }
    refused(ledger.set_order_terms(&m.owner, m.token, 0, daily(2)), ErrorKind::InvalidArgument);
    assert_eq!(ledger.order_terms(m.token, 1).unwrap(), daily(3));
}

fn commitments(host: &dyn Host) {
    let (ledger, m, consumer) = (host.ledger(), market(host, Amount::whole(9)), host.account());
    m.fund(ledger, &consumer, 2, 0);
    // The order of BN254's scalar field, and more than it: no canonical field elements. That is the proof system's to
    // refuse; the ledger keeps what it was given.
    let order = Digest::from_str("30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001").unwrap();
    let given = [*order.as_bytes(), [0xff; 32]];
    for commitment in given {
        assert_eq!(ledger.order(&consumer, m.token, 0, TERMS, commitment).unwrap().commitment, commitment);
    }
    let found = ledger.orders(m.token, 0, 0, 9).unwrap();
    assert!(found.iter().map(|o| o.commitment).eq(given));
}

fn metadata(host: &dyn Host) {
    let (ledger, m, other) = (host.ledger(), market(host, ONE), host.account());
    assert_eq!(ledger.metadata(m.nft).unwrap(), None);
    refused(ledger.set_metadata(&other, m.nft, b"{}"), ErrorKind::NotAuthorized);
    refused(ledger.set_metadata(&m.owner, m.nft, &vec![b'x'; METADATA_LIMIT + 1]), ErrorKind::TooLarge);
    assert_eq!(ledger.metadata(m.nft).unwrap(), None);
    for ddo in [b"{}".to_vec(), vec![b'x'; METADATA_LIMIT], b"{\"id\":1}".to_vec()] {
        ledger.set_metadata(&m.owner, m.nft, &ddo).unwrap();
        let found = ledger.metadata(m.nft).unwrap().unwrap();
        assert_eq!((found.hash, found.ddo), (Digest::sha256(&ddo), ddo));
    }
    refused(ledger.set_metadata(&m.owner, m.token, b"{}"), ErrorKind::UnknownToken);
}

fn new_owner(host: &dyn Host) {
    let (ledger, m) = (host.ledger(), market(host, Amount::whole(9)));
    let (heir, minter, consumer) = (provider(host), host.account(), host.account());
    m.fund(ledger, &consumer, 2, 9);
    ledger.add_minter(&m.owner, m.token, minter.address()).unwrap();
    ledger.set_fixed_rate(&m.owner, m.token, m.rate(1, true)).unwrap();
    let dispenser = Dispenser { max_amount: ONE, max_balance: ONE, active: true };
    ledger.set_dispenser(&m.owner, m.token, dispenser).unwrap();
    refused(ledger.transfer_nft(&heir, m.nft, heir.address()), ErrorKind::NotAuthorized);
    refused(ledger.transfer_nft(&m.owner, m.nft, Address::ZERO), ErrorKind::InvalidArgument);
    ledger.transfer_nft(&m.owner, m.nft, heir.address()).unwrap();
    assert_eq!(ledger.owner_of(m.nft).unwrap(), heir.address());
    // Nobody mints or sells in the new owner's name.
    for former in [&*m.owner, &minter] {
        refused(ledger.mint(former, m.token, former.address(), ONE), ErrorKind::NotAuthorized);
    }
    assert_eq!(ledger.price(m.token).unwrap(), Default::default());
    refused(ledger.buy(&consumer, m.token, ONE, m.coin, Amount::MAX), ErrorKind::NotForSale);
    refused(ledger.dispense(&heir, m.token, ONE), ErrorKind::NotForSale);
    refused(ledger.set_metadata(&m.owner, m.nft, b"{}"), ErrorKind::NotAuthorized);
    refused(ledger.set_order_terms(&m.owner, m.token, 0, TERMS), ErrorKind::NotAuthorized);
    refused(ledger.add_minter(&m.owner, m.token, m.owner.address()), ErrorKind::NotAuthorized);
    // The new owner is paid and rules.
    ledger.order(&consumer, m.token, 0, TERMS, fresh()).unwrap();
    assert_eq!(ledger.balance_of(m.token, heir.address()).unwrap(), ONE);
    ledger.add_minter(&heir, m.token, heir.address()).unwrap();
    ledger.mint(&heir, m.token, heir.address(), ONE).unwrap();
    ledger.set_fixed_rate(&heir, m.token, m.rate(1, true)).unwrap();
    ledger.buy(&consumer, m.token, ONE, m.coin, ONE).unwrap();
    ledger.collect(&heir, m.token).unwrap();
    assert_eq!(ledger.balance_of(m.coin, heir.address()).unwrap(), ONE);
}

fn unknown(host: &dyn Host) {
    let (ledger, m, account) = (host.ledger(), market(host, ONE), host.account());
    let nowhere = host.account().address();
    let kind = ErrorKind::UnknownToken;
    for address in [nowhere, Address::ZERO, ledger.address(), m.nft] {
        refused(ledger.balance_of(address, account.address()), kind);
        refused(ledger.token(address), kind);
        refused(ledger.is_minter(address, account.address()), kind);
        refused(ledger.price(address), kind);
        refused(ledger.order_terms(address, 0), kind);
        refused(ledger.orders(address, 0, 0, 1), kind);
        refused(ledger.mint(&account, address, account.address(), ONE), kind);
        refused(ledger.transfer(&account, address, account.address(), Amount::ZERO), kind);
        refused(ledger.buy(&account, address, ONE, m.coin, ONE), kind);
        refused(ledger.dispense(&account, address, ONE), kind);
        refused(ledger.order(&account, address, 0, TERMS, fresh()), kind);
        refused(ledger.set_order_terms(&account, address, 0, TERMS), kind);
        refused(ledger.add_minter(&account, address, account.address()), kind);
    }
    for address in [nowhere, Address::ZERO, m.token] {
        refused(ledger.owner_of(address), kind);
        refused(ledger.metadata(address), kind);
        refused(ledger.is_deployed(address, m.token), kind);
        refused(ledger.transfer_nft(&account, address, account.address()), kind);
    }
    let rate = FixedRate { base_token: nowhere, ..m.rate(1, true) };
    refused(ledger.set_fixed_rate(&m.owner, m.token, rate), kind);
}

fn base_tokens(host: &dyn Host) {
    let (ledger, m) = (host.ledger(), market(host, ONE));
    assert_eq!(ledger.token(m.coin).unwrap().control, Control::Deployer(m.owner.address()));
    refused(ledger.price(m.coin), ErrorKind::UnknownToken);
    refused(ledger.orders(m.coin, 0, 0, 1), ErrorKind::UnknownToken);
    refused(ledger.set_order_terms(&m.owner, m.coin, 0, TERMS), ErrorKind::UnknownToken);
    refused(ledger.set_fixed_rate(&m.owner, m.coin, m.rate(1, true)), ErrorKind::UnknownToken);
    let dispenser = Dispenser { max_amount: ONE, max_balance: ONE, active: true };
    refused(ledger.set_dispenser(&m.owner, m.coin, dispenser), ErrorKind::UnknownToken);
    let other = host.account();
    refused(ledger.add_minter(&other, m.coin, other.address()), ErrorKind::NotAuthorized);
    ledger.add_minter(&m.owner, m.coin, other.address()).unwrap();
    ledger.mint(&other, m.coin, other.address(), ONE).unwrap();
}

fn log(host: &dyn Host) {
    let (ledger, m, consumer) = (host.ledger(), market(host, Amount::whole(9)), host.account());
    m.fund(ledger, &consumer, 1, 0);
    let order = ledger.order(&consumer, m.token, 0, TERMS, fresh()).unwrap();
    let events = ledger.events(0, usize::MAX).unwrap();
    assert!(events.windows(2).all(|w| w[0].index < w[1].index && w[0].time <= w[1].time));
    assert_eq!(ledger.verify_log().unwrap(), events.len() as u64);
    assert_eq!(ledger.events(events[1].index, 2).unwrap(), events[1..3]);
    assert_eq!(ledger.events(events[0].index + 1, 2).unwrap(), events[1..3]);
    let made = |event: &Event| matches!(event.kind, EventKind::NftCreated { .. }).then_some(event.emitter);
    let nfts: Vec<_> = events.iter().filter_map(made).collect();
    assert!(nfts.contains(&m.nft));
    assert_eq!(ledger.nfts(0, usize::MAX).unwrap(), nfts);
    assert_eq!(ledger.nfts(1, 1).unwrap(), nfts[1..2]);
    let of_order: Vec<_> = events.iter().filter(|e| e.tx == order.tx).collect();
    assert!(!of_order.is_empty() && of_order.iter().all(|e| e.emitter == m.token));
}
