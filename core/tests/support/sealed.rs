//! A sealed table, its owner, and whoever asks and computes.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::Read;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use sealock::asset::{Column, Schema, Table, Terms};
use sealock::order::{JobTicket, Order};
use sealock::owner::{Offer, Owner};
use sealock::policy::Policy;
use sealock::program::{Aggregation, Query};
use sealock::receipt::Receipt;
use sealock::release::{Answer, SealedResult};
use sealock::sealed::{Executor, ExecutorResult, Releaser, SealedManifest, SealedOptions, Task};
use sealock::store::{Cid, unixfs};
use sealock::time::ManualClock;
use sealock::{Account, Asset, Error, Exchange};

pub const PLANS: [&str; 3] = ["free", "half", "full"];
pub const REGIONS: [&str; 2] = ["north", "south"];

/// Numbers without pattern, the same each time.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

pub fn schema() -> Schema {
    Schema::new(vec![
        Column::category("plan", PLANS).dimension(),
        Column::category("region", REGIONS).dimension().nullable(),
        // Tenths, as a dimension in bins and as a measure.
        Column::decimal("score", 1, -300, 300).dimension().measure().nullable().bins([-300, -50, 80, 300]),
        Column::boolean("limited").measure(),
        Column::integer("visits", -5, 50).measure().nullable(),
        Column::decimal("cost", 2, -100_000, 900_000).measure(),
    ])
    .unwrap()
}

pub fn table(rows: usize) -> Table {
    let mut dice = Dice(7);
    let mut plans = Vec::new();
    let (mut regions, mut scores, mut limited, mut visits, mut costs) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..rows {
        plans.push(PLANS[dice.below(3) as usize]);
        regions.push(Some(dice.below(9)).filter(|n| *n < 8).map(|n| REGIONS[n as usize % 2]));
        scores.push(Some(dice.below(660)).filter(|n| *n <= 600).map(|n| n as f64 / 10.0 - 30.0));
        limited.push(dice.below(3) == 0);
        visits.push(Some(dice.below(72)).filter(|n| *n <= 55).map(|n| n as i64 - 5));
        costs.push(dice.below(1_000_001) as f64 / 100.0 - 1000.0);
    }
    let columns: [(&str, ArrayRef); 6] = [
        ("plan", Arc::new(StringArray::from_iter_values(plans))),
        ("region", Arc::new(StringArray::from_iter(regions))),
        ("score", Arc::new(arrow::array::Float64Array::from(scores))),
        ("limited", Arc::new(BooleanArray::from(limited))),
        ("visits", Arc::new(Int64Array::from(visits))),
        ("cost", Arc::new(arrow::array::Float64Array::from(costs))),
    ];
    Table::from_batches(schema(), [RecordBatch::try_from_iter(columns).unwrap()]).unwrap()
}

pub fn policy() -> Policy {
    Policy::deny_all()
        .dimensions(["plan", "region", "score"])
        .measures(["limited", "visits", "cost"])
        .aggregations(Aggregation::ALL)
        .any_program()
        .min_group_size(2)
}

/// A narrow policy, for tests of what happens around the computation: one encrypted dimension, counts and sums.
pub fn narrow() -> Policy {
    Policy::deny_all()
        .dimensions(["plan"])
        .measures(["visits"])
        .aggregations([Aggregation::Count, Aggregation::Sum])
        .any_program()
        .min_group_size(1)
}

pub struct World {
    pub exchange: Exchange,
    pub owner: Owner,
    pub asset: Asset,
}

pub fn terms() -> Terms {
    Terms::free(100).uses_per_order(60).valid_for(24 * 3600)
}

impl World {
    pub fn new(table: &Table, policy: Policy, options: SealedOptions) -> Self {
        let clock = Arc::new(ManualClock::at(1_800_000_000));
        let exchange = Exchange::in_memory_at(clock).unwrap();
        let owner = exchange.owner(Account::generate()).unwrap();
        let asset = owner.publish(&Offer::new("sealed people", table, policy, terms()).sealed(options)).unwrap().asset;
        Self { exchange, owner, asset }
    }

    pub fn executor(&self) -> Executor {
        Executor::on(&self.exchange, Account::generate())
    }

    pub fn order(&self, asset: &Asset) -> Order {
        let consumer = self.exchange.consumer(Account::generate()).unwrap();
        consumer.buy(asset, 1).unwrap();
        consumer.order(asset).unwrap()
    }

    pub fn releaser(&self, executors: &[&Executor]) -> Releaser<'_> {
        Releaser::new(self.owner.node(), executors.iter().map(|executor| executor.address()))
    }

    /// Admits a request, and gives its task.
    pub fn task(&self, ticket: &JobTicket) -> Task {
        let releaser = self.releaser(&[]);
        releaser.task(&self.owner.node().admit(ticket.request().clone()).unwrap()).unwrap()
    }

    pub fn release(
        &self,
        ticket: &JobTicket,
        executors: &[&Executor],
        results: &[ExecutorResult],
    ) -> Result<(SealedResult, Receipt), Error> {
        let grant = self.owner.node().admit(ticket.request().clone())?;
        self.releaser(executors).release(grant, results)
    }

    pub fn reason(&self) -> String {
        self.owner.node().refusals().last().expect("something was refused").reason.clone()
    }

    pub fn read(&self, file: &Cid) -> Vec<u8> {
        let mut bytes = Vec::new();
        unixfs::Reader::open(self.exchange.store(), file).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    pub fn write(&self, bytes: &[u8]) -> Cid {
        let profile = unixfs::Profile::UnixfsV1_2025;
        unixfs::add(self.exchange.store(), &mut &*bytes, profile, &mut |_| std::ops::ControlFlow::Continue(()))
            .unwrap()
            .root
    }

    pub fn manifest(&self) -> SealedManifest {
        let encrypted = self.asset.description().sealed.encrypted.clone().unwrap();
        SealedManifest::load(self.exchange.store(), &encrypted.manifest, self.asset.owner()).unwrap()
    }
}

pub fn count_of(answer: &Answer) -> f64 {
    answer.numbers("count").unwrap().to_f64()[0].unwrap()
}

/// What the same owner answers about the same table in a sealed query, computed by the cube.
pub fn plainly(world: &World, order: &Order, query: &Query) -> Answer {
    let ticket = order.request(query).unwrap();
    let (result, receipt) = world.owner.node().run(ticket.request().clone()).unwrap();
    ticket.open(&result, &receipt).unwrap()
}
