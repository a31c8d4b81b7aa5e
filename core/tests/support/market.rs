//! A small market for the flow tests: one owner, some consumers, a table of made-up people.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use sealock::asset::{Column, Schema, Table, Terms};
use sealock::order::{Consumer, Order};
use sealock::owner::{Offer, Owner};
use sealock::policy::Policy;
use sealock::program::Aggregation;
use sealock::time::ManualClock;
use sealock::{Account, Asset, Exchange};

pub const START: u64 = 1_800_000_000;
pub const PLANS: [&str; 3] = ["free", "half", "full"];

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    pub plan: usize,
    pub age: i64,
    pub visits: Option<i64>,
}

/// People without pattern, the same each time: every cell of plan and decade of age holds more than ten.
pub fn people(count: usize) -> Vec<Person> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    (0..count)
        .map(|_| Person {
            plan: next(3) as usize,
            age: next(100) as i64,
            visits: (next(4) != 0).then(|| next(50) as i64 - 5),
        })
        .collect()
}

pub fn schema() -> Schema {
    Schema::new(vec![
        Column::category("plan", PLANS).dimension(),
        Column::integer("age", 0, 99).dimension().bins([0, 20, 40, 60, 80, 99]),
        Column::integer("visits", -5, 50).measure().nullable(),
    ])
    .unwrap()
}

pub fn table(people: &[Person]) -> Table {
    table_under(schema(), people)
}

pub fn table_under(schema: Schema, people: &[Person]) -> Table {
    let columns: [(&str, ArrayRef); 3] = [
        ("plan", Arc::new(StringArray::from_iter_values(people.iter().map(|p| PLANS[p.plan])))),
        ("age", Arc::new(Int64Array::from_iter_values(people.iter().map(|p| p.age)))),
        ("visits", Arc::new(people.iter().map(|p| p.visits).collect::<Int64Array>())),
    ];
    Table::from_batches(schema, [RecordBatch::try_from_iter(columns).unwrap()]).unwrap()
}

pub fn policy() -> Policy {
    Policy::deny_all()
        .dimensions(["plan", "age"])
        .measures(["visits"])
        .aggregations([Aggregation::Count, Aggregation::Sum, Aggregation::Mean])
        .any_program()
        .min_group_size(10)
}

pub struct Market {
    owner_secret: [u8; 32],
    pub exchange: Exchange,
    pub clock: Arc<ManualClock>,
    pub owner: Owner,
    pub asset: Asset,
    pub people: Vec<Person>,
}

impl Market {
    /// A market in memory with one asset, free of charge.
    pub fn open() -> Self {
        Self::with(policy(), Terms::free(100).uses_per_order(3).valid_for(3600))
    }

    pub fn with(policy: Policy, terms: Terms) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let exchange = Exchange::in_memory_at(clock.clone()).unwrap();
        Self::on(exchange, clock, policy, terms)
    }

    pub fn on(exchange: Exchange, clock: Arc<ManualClock>, policy: Policy, terms: Terms) -> Self {
        let people = people(3000);
        let account = Account::generate();
        let owner_secret = *account.expose_secret_bytes();
        let owner = exchange.owner(account).unwrap();
        let asset = owner.publish(&Offer::new("people", &table(&people), policy, terms)).unwrap().asset;
        Self { owner_secret, exchange, clock, owner, asset, people }
    }

    /// The owner's account, for what an owner does behind the library's back.
    pub fn owner_account(&self) -> Account {
        Account::from_secret_bytes(&self.owner_secret).unwrap()
    }

    pub fn consumer(&self) -> Consumer {
        self.exchange.consumer(Account::generate()).unwrap()
    }

    /// A new consumer with an order.
    pub fn order(&self) -> Order {
        let consumer = self.consumer();
        consumer.buy(&self.asset, 1).unwrap();
        consumer.order(&self.asset).unwrap()
    }
}
