//! Random stories, told to the embedded ledger and to a model of a few maps: both allow the same and hold the same.

use std::{collections::HashMap, sync::Arc};

use proptest::prelude::*;
use sealock::{
    Account, Address, ErrorKind,
    error::Classify,
    ledger::{
        Amount, Dispenser, EFFECTIVE_GRAIN, EmbeddedLedger, FixedRate, Ledger, LedgerError, OrderTerms, Publication,
    },
    time::ManualClock,
};

const UNIT: u128 = 1_000_000_000_000_000_000;
const PEOPLE: usize = 3;
/// Tokens 0 and 1 are datatokens, 2 is the base token.
const TOKENS: usize = 3;
const COIN: usize = 2;
const CAPS: [u128; TOKENS] = [5 * UNIT, 3 * UNIT + 1, 40 * UNIT];
const TERMS: OrderTerms = OrderTerms::new(1, 10);

#[derive(Clone, Debug)]
enum Act {
    Mint { who: usize, token: usize, to: usize, amount: u128 },
    Transfer { who: usize, token: usize, to: usize, amount: u128 },
    Minter { who: usize, token: usize, account: usize, add: bool },
    Rate { who: usize, token: usize, rate: u128, active: bool, with_mint: bool },
    Dispenser { who: usize, token: usize, max_amount: u128, max_balance: u128, active: bool },
    Buy { who: usize, token: usize, amount: u128, max_cost: u128 },
    Dispense { who: usize, token: usize, amount: u128 },
    Order { who: usize, token: usize, commitment: u8 },
    Revoke { who: usize, token: usize, order: u8, refund: bool },
    Give { who: usize, token: usize, to: usize },
}

fn amount() -> impl Strategy<Value = u128> {
    prop_oneof![
        5 => (0..6u128).prop_map(|n| n * UNIT),
        2 => 0..4 * UNIT,
        1 => prop_oneof![Just(1), Just(UNIT - 1), Just(UNIT + 1), Just(u128::MAX)],
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let (who, token, data) = (0..PEOPLE, 0..TOKENS, 0..COIN);
    // Mostly by those who may, or else nothing happens.
    let boss = prop_oneof![4 => Just(0usize), 1 => 0..PEOPLE];
    prop_oneof![
        3 => (boss.clone(), token.clone(), who.clone(), amount())
            .prop_map(|(who, token, to, amount)| Act::Mint { who, token, to, amount }),
        3 => (who.clone(), token.clone(), who.clone(), amount())
            .prop_map(|(who, token, to, amount)| Act::Transfer { who, token, to, amount }),
        1 => (boss.clone(), token.clone(), who.clone(), any::<bool>())
            .prop_map(|(who, token, account, add)| Act::Minter { who, token, account, add }),
        1 => (boss.clone(), data.clone(), amount(), prop::bool::weighted(0.8), any::<bool>())
            .prop_map(|(who, token, rate, active, with_mint)| Act::Rate { who, token, rate, active, with_mint }),
        1 => (boss.clone(), data.clone(), amount(), amount(), prop::bool::weighted(0.8)).prop_map(
            |(who, token, max_amount, max_balance, active)| Act::Dispenser { who, token, max_amount, max_balance, active }
        ),
        3 => (who.clone(), data.clone(), amount(), prop_oneof![Just(u128::MAX), amount()])
            .prop_map(|(who, token, amount, max_cost)| Act::Buy { who, token, amount, max_cost }),
        3 => (who.clone(), data.clone(), amount()).prop_map(|(who, token, amount)| Act::Dispense { who, token, amount }),
        3 => (who.clone(), data.clone(), 0..6u8).prop_map(|(who, token, commitment)| Act::Order { who, token, commitment }),
        2 => (boss.clone(), data.clone(), 0..3u8, any::<bool>())
            .prop_map(|(who, token, order, refund)| Act::Revoke { who, token, order, refund }),
        1 => (boss, data, who).prop_map(|(who, token, to)| Act::Give { who, token, to }),
    ]
}

/// What the ledger should hold. Works on a copy and keeps it only if the whole action is allowed.
#[derive(Clone, Default)]
struct Model {
    balances: HashMap<(usize, usize), u128>,
    supply: [u128; TOKENS],
    owner: [usize; TOKENS],
    minters: HashMap<(usize, usize), ()>,
    /// Rate, active, with mint.
    rates: HashMap<usize, (u128, bool, bool)>,
    /// Most at once, most held, active.
    dispensers: HashMap<usize, (u128, u128, bool)>,
    orders: HashMap<usize, Vec<(usize, u8)>>,
    /// Order, refunded.
    revoked: HashMap<usize, Vec<(u64, bool)>>,
}

type Outcome = Result<(), ErrorKind>;

fn ensure(condition: bool, kind: ErrorKind) -> Outcome {
    if condition { Ok(()) } else { Err(kind) }
}

impl Model {
    fn new() -> Self {
        let mut model = Self::default();
        model.minters.extend((0..TOKENS).map(|token| ((token, 0), ())));
        model
    }

    fn held(&self, token: usize, who: usize) -> u128 {
        self.balances.get(&(token, who)).copied().unwrap_or(0)
    }

    fn mint(&mut self, token: usize, to: usize, amount: u128) -> Outcome {
        ensure(amount <= CAPS[token] - self.supply[token], ErrorKind::CapExceeded)?;
        self.supply[token] += amount;
        *self.balances.entry((token, to)).or_default() += amount;
        Ok(())
    }

    fn pay(&mut self, token: usize, from: usize, to: usize, amount: u128) -> Outcome {
        ensure(amount <= self.held(token, from), ErrorKind::InsufficientBalance)?;
        *self.balances.entry((token, from)).or_default() -= amount;
        *self.balances.entry((token, to)).or_default() += amount;
        Ok(())
    }

    fn owns(&self, token: usize, who: usize) -> Outcome {
        ensure(self.owner[token] == who, ErrorKind::NotAuthorized)
    }

    fn run(&mut self, act: &Act) -> Outcome {
        let mut next = self.clone();
        next.step(act)?;
        *self = next;
        Ok(())
    }

    fn step(&mut self, act: &Act) -> Outcome {
        match *act {
            Act::Mint { who, token, to, amount } => {
                ensure(self.minters.contains_key(&(token, who)), ErrorKind::NotAuthorized)?;
                self.mint(token, to, amount)
            }
            Act::Transfer { who, token, to, amount } => self.pay(token, who, to, amount),
            Act::Minter { who, token, account, add } => {
                self.owns(token, who)?;
                match add {
                    true => self.minters.insert((token, account), ()),
                    false => self.minters.remove(&(token, account)),
                };
                Ok(())
            }
            Act::Rate { who, token, rate, active, with_mint } => {
                self.owns(token, who)?;
                ensure(rate > 0, ErrorKind::InvalidArgument)?;
                self.rates.insert(token, (rate, active, with_mint));
                Ok(())
            }
            Act::Dispenser { who, token, max_amount, max_balance, active } => {
                self.owns(token, who)?;
                self.dispensers.insert(token, (max_amount, max_balance, active));
                Ok(())
            }
            Act::Buy { who, token, amount, max_cost } => {
                ensure(amount > 0, ErrorKind::InvalidArgument)?;
                let (rate, active, with_mint) = *self.rates.get(&token).ok_or(ErrorKind::NotForSale)?;
                ensure(active, ErrorKind::NotForSale)?;
                let cost = wide_cost(amount, rate).ok_or(ErrorKind::InvalidArgument)?;
                ensure(cost <= max_cost, ErrorKind::PriceExceeded)?;
                let seller = self.owner[token];
                self.pay(COIN, who, seller, cost)?;
                if with_mint { self.mint(token, who, amount) } else { self.pay(token, seller, who, amount) }
            }
            Act::Dispense { who, token, amount } => {
                ensure(amount > 0, ErrorKind::InvalidArgument)?;
                let (max_amount, max_balance, active) = *self.dispensers.get(&token).ok_or(ErrorKind::NotForSale)?;
                ensure(active, ErrorKind::NotForSale)?;
                ensure(amount <= max_amount && self.held(token, who) < max_balance, ErrorKind::DispenserLimit)?;
                self.mint(token, who, amount)
            }
            Act::Order { who, token, commitment } => {
                ensure(commitment != 0, ErrorKind::InvalidArgument)?;
                let orders = self.orders.entry(token).or_default();
                ensure(orders.iter().all(|(_, c)| *c != commitment), ErrorKind::InvalidArgument)?;
                orders.push((who, commitment));
                self.pay(token, who, self.owner[token], UNIT)
            }
            Act::Revoke { who, token, order, refund } => {
                self.owns(token, who)?;
                let orders = self.orders.get(&token).map_or(&[][..], Vec::as_slice);
                let &(consumer, _) = orders.get(usize::from(order)).ok_or(ErrorKind::OrderMismatch)?;
                let revoked = self.revoked.entry(token).or_default();
                ensure(revoked.iter().all(|(other, _)| *other != u64::from(order)), ErrorKind::OrderRevoked)?;
                revoked.push((order.into(), refund));
                if refund { self.pay(token, who, consumer, UNIT) } else { Ok(()) }
            }
            Act::Give { who, token, to } => {
                self.owns(token, who)?;
                self.owner[token] = to;
                self.minters.retain(|(t, _), ()| *t != token);
                self.rates.remove(&token);
                self.dispensers.remove(&token);
                Ok(())
            }
        }
    }
}

/// `⌈a · b / 10^18⌉` by long multiplication and long division in base 2^64: the slow way, which needs no argument.
fn wide_cost(a: u128, b: u128) -> Option<u128> {
    let split = |x: u128| [x & u128::from(u64::MAX), x >> 64];
    let mut limbs = [0u128; 4];
    for (i, x) in split(a).into_iter().enumerate() {
        let mut carry = 0;
        for (j, y) in split(b).into_iter().enumerate() {
            let sum = limbs[i + j] + x * y + carry;
            limbs[i + j] = sum & u128::from(u64::MAX);
            carry = sum >> 64;
        }
        limbs[i + 2] += carry;
    }
    let mut remainder = 0;
    for limb in limbs.iter_mut().rev() {
        let part = remainder << 64 | *limb;
        (*limb, remainder) = (part / UNIT, part % UNIT);
    }
    let quotient = (limbs[2] == 0 && limbs[3] == 0).then_some(limbs[1] << 64 | limbs[0])?;
    quotient.checked_add(u128::from(remainder > 0))
}

struct Real {
    ledger: EmbeddedLedger,
    people: Vec<Account>,
    nfts: [Address; 2],
    tokens: [Address; TOKENS],
}

impl Real {
    fn new() -> Self {
        let ledger = EmbeddedLedger::in_memory(Arc::new(ManualClock::at(1))).unwrap();
        let people: Vec<_> = (1..=PEOPLE as u8).map(|n| Account::from_secret_bytes(&[n; 32]).unwrap()).collect();
        let publish = |token: usize| {
            let cap = Amount::from_units(CAPS[token]);
            let publication = Publication { name: "D".into(), symbol: "D".into(), cap };
            let asset = ledger.publish(&people[0], &publication).unwrap();
            ledger.set_order_terms(&people[0], asset.datatoken, 0, TERMS).unwrap();
            asset
        };
        let (first, second) = (publish(0), publish(1));
        let coin = ledger.deploy_token(&people[0], "C", "C", Amount::from_units(CAPS[COIN])).unwrap();
        let (nfts, tokens) = ([first.nft, second.nft], [first.datatoken, second.datatoken, coin]);
        Self { ledger, people, nfts, tokens }
    }

    fn run(&self, act: &Act) -> Result<(), LedgerError> {
        let (ledger, units) = (&self.ledger, Amount::from_units);
        let who = |n: usize| &self.people[n];
        let at = |n: usize| self.people[n].address();
        let token = |n: usize| self.tokens[n];
        match *act {
            Act::Mint { who: w, token: t, to, amount } => {
                ledger.mint(who(w), token(t), at(to), units(amount)).map(drop)
            }
            Act::Transfer { who: w, token: t, to, amount } => {
                ledger.transfer(who(w), token(t), at(to), units(amount)).map(drop)
            }
            Act::Minter { who: w, token: t, account, add: true } => {
                ledger.add_minter(who(w), token(t), at(account)).map(drop)
            }
            Act::Minter { who: w, token: t, account, add: false } => {
                ledger.remove_minter(who(w), token(t), at(account)).map(drop)
            }
            Act::Rate { who: w, token: t, rate, active, with_mint } => {
                let rate = FixedRate { base_token: token(COIN), rate: units(rate), active, with_mint };
                ledger.set_fixed_rate(who(w), token(t), rate).map(drop)
            }
            Act::Dispenser { who: w, token: t, max_amount, max_balance, active } => {
                let dispenser = Dispenser { max_amount: units(max_amount), max_balance: units(max_balance), active };
                ledger.set_dispenser(who(w), token(t), dispenser).map(drop)
            }
            Act::Buy { who: w, token: t, amount, max_cost } => {
                ledger.buy(who(w), token(t), units(amount), token(COIN), units(max_cost)).map(drop)
            }
            Act::Dispense { who: w, token: t, amount } => ledger.dispense(who(w), token(t), units(amount)).map(drop),
            Act::Order { who: w, token: t, commitment } => {
                ledger.order(who(w), token(t), 0, TERMS, [commitment; 32]).map(drop)
            }
            Act::Revoke { who: w, token: t, order, refund } => {
                ledger.revoke_order(who(w), token(t), 0, order.into(), EFFECTIVE_GRAIN, refund).map(drop)
            }
            Act::Give { who: w, token: t, to } => ledger.transfer_nft(who(w), self.nfts[t], at(to)).map(drop),
        }
    }

    fn compare(&self, model: &Model) {
        for (t, token) in self.tokens.iter().enumerate() {
            let mut sum = 0;
            for (p, person) in self.people.iter().enumerate() {
                let held = self.ledger.balance_of(*token, person.address()).unwrap().units();
                assert_eq!(held, model.held(t, p), "balance of token {t} of person {p}");
                assert_eq!(
                    self.ledger.is_minter(*token, person.address()).unwrap(),
                    model.minters.contains_key(&(t, p)),
                    "minters of token {t}"
                );
                sum += held;
            }
            let supply = self.ledger.total_supply(*token).unwrap().units();
            assert_eq!((supply, sum), (model.supply[t], supply), "supply of token {t}");
            assert!(supply <= CAPS[t]);
        }
        for (t, nft) in self.nfts.iter().enumerate() {
            assert_eq!(self.ledger.owner_of(*nft).unwrap(), self.people[model.owner[t]].address());
            let orders = self.ledger.orders(self.tokens[t], 0, 0, usize::MAX).unwrap();
            let orders: Vec<_> = orders.iter().map(|o| (o.consumer, o.commitment)).collect();
            let expected = model.orders.get(&t).into_iter().flatten();
            let expected: Vec<_> = expected.map(|(p, c)| (self.people[*p].address(), [*c; 32])).collect();
            assert_eq!(orders, expected, "orders of token {t}");
            let revoked = self.ledger.revocations(self.tokens[t], 0, 0, usize::MAX).unwrap();
            let revoked: Vec<_> = revoked.iter().map(|r| (r.order, r.refunded)).collect();
            assert_eq!(revoked, model.revoked.get(&t).cloned().unwrap_or_default(), "revocations of token {t}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_ledger_does_what_a_model_of_a_few_maps_does(acts in prop::collection::vec(act(), 1..60)) {
        let (real, mut model) = (Real::new(), Model::new());
        for act in &acts {
            let before = real.ledger.tip().unwrap();
            let outcome = real.run(act).map_err(|e| e.kind());
            prop_assert_eq!(outcome, model.run(act), "{:?}", act);
            if outcome.is_err() {
                prop_assert_eq!(real.ledger.tip().unwrap(), before, "a refusal leaves no trace");
            }
            real.compare(&model);
        }
        real.ledger.audit().unwrap();
    }

    #[test]
    fn costs_are_those_of_long_division(a: u128, b: u128, shift_a in 0..127u32, shift_b in 0..127u32) {
        let (a, b) = (a >> shift_a, b >> shift_b);
        prop_assert_eq!(Amount::from_units(a).cost_at(Amount::from_units(b)).map(Amount::units), wide_cost(a, b));
    }
}
