//! Several owners and one question: the total opens, and no part of it.

#[path = "support/market.rs"]
mod market;

use std::sync::Arc;

use market::{PLANS, Person, START, people, policy, table, table_under};
use sealock::asset::{Column, Schema, Terms};
use sealock::federation::{FederationError, Member};
use sealock::job::JobRequest;
use sealock::order::{Consumer, FederatedTicket, Order};
use sealock::owner::{Offer, Owner};
use sealock::policy::{Policy, PolicyError};
use sealock::program::{Query, col, count, mean, secret, stddev, sum};
use sealock::receipt::Receipt;
use sealock::release::SealedResult;
use sealock::time::ManualClock;
use sealock::{Account, Asset, Error, ErrorKind, Exchange, Result};

/// Owners on one ledger, each with people of its own, who answer together.
struct Federation {
    exchange: Exchange,
    owners: Vec<Owner>,
    assets: Vec<Asset>,
    people: Vec<Vec<Person>>,
}

fn terms() -> Terms {
    Terms::free(100).uses_per_order(2).valid_for(3600)
}

fn members(owners: &[Owner]) -> Vec<Member> {
    owners.iter().map(Owner::member).collect()
}

impl Federation {
    fn open(count: usize) -> Self {
        Self::with(count, |owners, _| policy().federation(members(owners)))
    }

    fn with(count: usize, policy_of: impl Fn(&[Owner], usize) -> Policy) -> Self {
        let exchange = Exchange::in_memory_at(Arc::new(ManualClock::at(START))).unwrap();
        let owners: Vec<Owner> = (0..count).map(|_| exchange.owner(Account::generate()).unwrap()).collect();
        let all = people(3000 * count);
        let people: Vec<Vec<Person>> = all.chunks(3000).map(<[Person]>::to_vec).collect();
        let publish = |(place, owner): (usize, &Owner)| {
            let table = table(&people[place]);
            owner.publish(&Offer::new("people", &table, policy_of(&owners, place), terms())).unwrap().asset
        };
        let assets = owners.iter().enumerate().map(publish).collect();
        Self { exchange, owners, assets, people }
    }

    /// A consumer with an order of every asset.
    fn consumer(&self) -> (Consumer, Vec<Order>) {
        let consumer = self.exchange.consumer(Account::generate()).unwrap();
        let orders = self.assets.iter().map(|asset| order(&consumer, asset)).collect();
        (consumer, orders)
    }

    fn run(&self, ticket: &FederatedTicket) -> Vec<(SealedResult, Receipt)> {
        ticket.requests().map(|request| self.owner_of(request).node().run(request.clone()).unwrap()).collect()
    }

    fn owner_of(&self, request: &JobRequest) -> &Owner {
        let place = self.assets.iter().position(|asset| asset.did().to_string() == request.asset()).unwrap();
        &self.owners[place]
    }

    fn rows(&self, keep: impl Fn(&Person) -> bool) -> i128 {
        self.people.iter().flatten().filter(|person| keep(person)).count() as i128
    }
}

fn order(consumer: &Consumer, asset: &Asset) -> Order {
    consumer.buy(asset, 1).unwrap();
    consumer.order(asset).unwrap()
}

fn by_reference(orders: &[Order]) -> Vec<&Order> {
    orders.iter().collect()
}

fn policy_error(error: Error) -> PolicyError {
    match error {
        Error::Policy(e) => *e,
        other => panic!("{other:?}"),
    }
}

fn federation_error(error: Error) -> FederationError {
    match error {
        Error::Federation(e) => *e,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_total_of_three_owners_opens_and_equals_that_of_one_table() -> Result<()> {
    let federation = Federation::open(3);
    let (consumer, orders) = federation.consumer();
    let query = Query::select([count(), sum("visits"), mean("visits")])
        .filter(col("age").ge(secret(40)) & col("plan").ne("full"))
        .group_by(["plan"]);
    let ticket = consumer.request_federated(&by_reference(&orders), &query)?;
    let mut results = federation.run(&ticket);
    results.rotate_left(1);
    let answer = ticket.open(&results)?;
    for (group, plan) in PLANS.iter().enumerate() {
        let kept: Vec<&Person> = federation
            .people
            .iter()
            .flatten()
            .filter(|p| p.plan == group && p.age >= 40 && PLANS[p.plan] != "full")
            .collect();
        let visits: Vec<i64> = kept.iter().filter_map(|p| p.visits).collect();
        let total: i64 = visits.iter().sum();
        let at = |name: &str| answer.numbers(name).unwrap().to_f64()[group];
        assert_eq!(at("count"), Some(kept.len() as f64), "{plan}");
        assert_eq!(at("sum(visits)"), Some(total as f64));
        assert_eq!(at("mean(visits)"), (!visits.is_empty()).then(|| total as f64 / visits.len() as f64));
    }

    // In another order, and with arithmetic on the total.
    let others = [&orders[2], &orders[0], &orders[1]];
    let ticket = consumer.request_federated(&others, &Query::select([(sum("visits") / count()).alias("rate")]))?;
    let answer = ticket.open(&federation.run(&ticket))?;
    let all: Vec<&Person> = federation.people.iter().flatten().collect();
    let total: i64 = all.iter().filter_map(|p| p.visits).sum();
    assert_eq!(answer.numbers("rate").unwrap().to_f64(), [Some(total as f64 / all.len() as f64)]);
    Ok(())
}

#[test]
fn no_part_opens_by_itself_nor_do_some() -> Result<()> {
    let federation = Federation::open(3);
    let (consumer, orders) = federation.consumer();
    let ticket = consumer.request_federated(&by_reference(&orders), &Query::select([count()]))?;
    let results = federation.run(&ticket);
    for (part, (result, receipt)) in ticket.parts().iter().zip(&results) {
        let error = part.open(result, receipt).unwrap_err();
        assert!(matches!(federation_error(error), FederationError::Results(_)));
    }
    let refused = |results: &[(SealedResult, Receipt)]| federation_error(ticket.open(results).unwrap_err()).to_string();
    assert!(refused(&results[..2]).contains("is missing"));
    assert!(refused(&[]).contains("is missing"));
    let twice = [results.clone(), vec![results[0].clone()]].concat();
    assert!(refused(&twice).contains("4 came for 3 parts"));
    let doubled = [results[0].clone(), results[0].clone(), results[1].clone()];
    assert!(refused(&doubled).contains("has two"));
    // A receipt of another part.
    let mixed = [
        (results[0].0.clone(), results[1].1.clone()),
        (results[1].0.clone(), results[0].1.clone()),
        results[2].clone(),
    ];
    assert_eq!(ticket.open(&mixed).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(ticket.open(&results)?.numbers("count").unwrap().to_f64(), [Some(federation.rows(|_| true) as f64)]);
    // The consumer's list of single requests does not offer parts.
    assert!(consumer.tickets()?.is_empty());
    Ok(())
}

#[test]
fn parts_of_two_rounds_add_up_to_nothing() -> Result<()> {
    let federation = Federation::open(2);
    let (consumer, orders) = federation.consumer();
    let query = Query::select([count()]);
    let [one, other] = [0, 1].map(|_| consumer.request_federated(&by_reference(&orders), &query).unwrap());
    let (first, second) = (federation.run(&one), federation.run(&other));
    assert!(one.open(&[first[0].clone(), second[1].clone()]).is_err(), "another job's");
    one.open(&first)?;
    other.open(&second)?;
    Ok(())
}

#[test]
fn owners_who_name_other_members_or_keys_are_not_asked_together() -> Result<()> {
    let exchange = Exchange::in_memory()?;
    let [stranger, third] = [0, 1].map(|_| exchange.owner(Account::generate()).unwrap().member());
    let variants: [fn(&mut Vec<Member>, Member, Member); 2] = [
        // The first owner has been told a wrong key of the second.
        |members, stranger, _| members[1].key = stranger.key,
        |members, _, third| members.push(third),
    ];
    for (variant, change) in variants.into_iter().enumerate() {
        let federation = Federation::with(2, |owners, place| {
            let mut members = members(owners);
            if place == 0 {
                change(&mut members, stranger, third);
            }
            policy().federation(members)
        });
        let (consumer, orders) = federation.consumer();
        let error = consumer.request_federated(&by_reference(&orders), &Query::select([count()])).unwrap_err();
        match variant {
            0 => assert!(matches!(federation_error(error), FederationError::OtherMembers { .. })),
            _ => assert!(matches!(policy_error(error), PolicyError::FederationSize { got: 2, expected: 3 })),
        }
        assert!(orders.iter().all(|order| order.uses_left().unwrap() == 2));
    }
    Ok(())
}

/// The difference of two totals that differ by one owner is that owner's part, so there are none.
#[test]
fn attack_a_sum_over_some_members_only_is_refused_by_every_node() -> Result<()> {
    let federation = Federation::open(3);
    let (consumer, orders) = federation.consumer();
    let query = Query::select([count()]);
    let pair = [&orders[0], &orders[1]];
    let error = policy_error(consumer.request_federated(&pair, &query).unwrap_err());
    assert!(matches!(error, PolicyError::FederationSize { got: 2, expected: 3 }), "{error}");

    // Where the rule was of these two, their total is to be had; and with it the third's part of the other.
    let two = Federation::with(3, |owners, place| match place {
        2 => policy(),
        _ => policy().federation(members(&owners[..2])),
    });
    let (consumer, orders) = two.consumer();
    let ticket = consumer.request_federated(&[&orders[0], &orders[1]], &query)?;
    let total = ticket.open(&two.run(&ticket))?.numbers("count").unwrap().to_f64()[0].unwrap();
    assert_eq!(two.rows(|_| true) as f64 - total, two.people[2].len() as f64, "what all three would give away");
    Ok(())
}

#[test]
fn an_asset_answers_alone_or_together_and_not_both() -> Result<()> {
    let federation = Federation::open(2);
    let alone = federation.owners[0].publish(&Offer::new("alone", &table(&people(900)), policy(), terms()))?.asset;
    let (consumer, orders) = federation.consumer();
    let query = Query::select([count()]);

    let error = policy_error(orders[0].request(&query).unwrap_err());
    assert!(matches!(error, PolicyError::FederatedOnly { others: 1 }), "{error}");
    let unchecked = orders[0].request_without_policy_check(&query)?;
    let node = federation.owners[0].node();
    assert_eq!(node.run(unchecked.request().clone()).unwrap_err().kind(), ErrorKind::Rejected);
    assert!(node.refusals().last().unwrap().reason.contains("rule federation: the asset answers together"));

    let single = order(&consumer, &alone);
    let error = policy_error(consumer.request_federated(&[&single, &orders[1]], &query).unwrap_err());
    assert!(matches!(error, PolicyError::NotFederated), "{error}");
    // And the use that was not taken is there.
    assert_eq!(orders[1].uses_left()?, 2);
    assert_eq!(single.request(&query)?.request().round(), None);
    Ok(())
}

#[test]
fn too_few_parties_strangers_and_doubles_are_refused_before_anything_is_taken() -> Result<()> {
    let federation = Federation::open(3);
    let outsider = federation.exchange.owner(Account::generate())?;
    let both = policy().federation([outsider.member(), federation.owners[0].member()]);
    let strange = outsider.publish(&Offer::new("outsider", &table(&people(900)), both, terms()))?.asset;
    let (consumer, orders) = federation.consumer();
    let query = Query::select([count()]);
    let ask = |orders: &[&Order]| consumer.request_federated(orders, &query).unwrap_err();

    let strange = order(&consumer, &strange);
    let error = policy_error(ask(&[&orders[0], &orders[1], &strange]));
    assert!(matches!(error, PolicyError::FederationStranger { owner } if owner == outsider.address()), "{error}");
    for few in [&[][..], &[&orders[0]]] {
        assert!(matches!(federation_error(ask(few)), FederationError::Orders(_)));
    }
    let error = federation_error(ask(&[&orders[0], &orders[1], &orders[0]]));
    assert!(error.to_string().contains("ordered twice"), "{error}");
    let (_, foreign) = federation.consumer();
    let error = federation_error(ask(&[&orders[0], &orders[1], &foreign[2]]));
    assert!(error.to_string().contains("another consumer's"), "{error}");
    for order in &orders {
        assert_eq!(order.uses_left()?, 2);
    }
    Ok(())
}

#[test]
fn assets_with_other_cells_are_not_added_up() -> Result<()> {
    let exchange = Exchange::in_memory_at(Arc::new(ManualClock::at(START)))?;
    let owners: Vec<Owner> = (0..2).map(|_| exchange.owner(Account::generate()).unwrap()).collect();
    let rule = || policy().federation(members(&owners));
    let rows = people(900);
    let usual = owners[0].publish(&Offer::new("people", &table(&rows), rule(), terms()))?.asset;
    let columns = |change: &dyn Fn(usize, Column) -> Column| {
        let schema = table(&rows[..1]).schema().clone();
        Schema::new(schema.columns().iter().cloned().enumerate().map(|(i, c)| change(i, c)).collect()).unwrap()
    };
    let mut reversed = PLANS;
    reversed.reverse();
    let swapped = Schema::new([1, 0, 2].map(|i| table(&rows[..1]).schema().columns()[i].clone()).to_vec()).unwrap();
    let variants: [(&str, Schema); 5] = [
        ("different orders", swapped),
        ("plan", columns(&|i, c| if i == 0 { Column::category("plan", reversed).dimension() } else { c })),
        ("age", columns(&|i, c| if i == 1 { c.bins([0, 30, 60, 99]) } else { c })),
        ("visits", columns(&|i, c| if i == 2 { Column::integer("visits", -5, 50).measure() } else { c })),
        ("", columns(&|i, c| if i == 2 { Column::integer("visits", -500, 999).measure().nullable() } else { c })),
    ];
    let consumer = exchange.consumer(Account::generate())?;
    let grouped = Query::select([sum("visits")]).filter(col("age").ge(secret(60))).group_by(["plan"]);
    let both = Query::select([sum("visits")]).filter(col("age").ge(secret(60)) & col("plan").eq(secret("half")));
    for (differs, schema) in variants {
        let query = if differs == "different orders" { &both } else { &grouped };
        let mut rows = rows.clone();
        if differs == "visits" {
            rows.iter_mut().for_each(|p| p.visits = Some(1));
        }
        let other = table_under(schema, &rows);
        let other = owners[1].publish(&Offer::new("people", &other, rule(), terms()))?.asset;
        let (one, two) = (order(&consumer, &usual), order(&consumer, &other));
        let asked = consumer.request_federated(&[&one, &two], query);
        match differs {
            // Another range is another width, and nothing else.
            "" => {
                let ticket = asked?;
                let results: Vec<_> = ticket
                    .requests()
                    .zip(&owners)
                    .map(|(request, owner)| owner.node().run(request.clone()).unwrap())
                    .collect();
                let answer = ticket.open(&results)?;
                let total: i64 = rows.iter().filter(|p| p.age >= 60 && p.plan == 1).filter_map(|p| p.visits).sum();
                assert_eq!(answer.numbers("sum(visits)").unwrap().to_f64()[1], Some(2.0 * total as f64));
            }
            name => {
                let error = federation_error(asked.unwrap_err());
                let named = error.to_string().contains(&format!("{name:?}"));
                assert!(named || error.to_string().contains(name), "{error}");
            }
        }
    }
    Ok(())
}

#[test]
fn uses_are_taken_from_all_orders_or_from_none() -> Result<()> {
    let federation = Federation::open(2);
    let (consumer, mut orders) = federation.consumer();
    let query = Query::select([count()]);
    for _ in 0..2 {
        consumer.request_federated(&by_reference(&orders), &query)?;
    }
    orders[0] = order(&consumer, &federation.assets[0]);
    let error = consumer.request_federated(&by_reference(&orders), &query).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UseLimitReached);
    assert_eq!(orders[0].uses_left()?, 2);
    Ok(())
}

#[test]
fn a_wallet_finds_whole_rounds_again_and_a_node_answers_once() -> Result<()> {
    let federation = Federation::open(2);
    let (consumer, orders) = federation.consumer();
    let query = Query::select([count()]).filter(col("age").lt(secret(40)));
    let ticket = consumer.request_federated(&by_reference(&orders), &query)?;
    let first = federation.run(&ticket);
    let again = federation.run(&ticket);
    for ((one, receipt), (two, same)) in first.iter().zip(&again) {
        assert_eq!((one, receipt), (two, same), "nothing is blinded twice");
    }
    let kept = consumer.federated_tickets()?;
    assert_eq!(kept.len(), 1);
    let expected = federation.rows(|p| p.age < 40) as f64;
    assert_eq!(kept[0].open(&first)?.numbers("count").unwrap().to_f64(), [Some(expected)]);
    let order: Vec<_> = kept[0].jobs().collect();
    assert_eq!(order, ticket.jobs().collect::<Vec<_>>());
    consumer.forget(order[1])?;
    assert!(consumer.federated_tickets()?.is_empty());
    Ok(())
}

#[test]
fn each_owner_protects_its_own_part() -> Result<()> {
    // The second has five people aged 80 and more on the plan "half": too few for it, whatever the others have.
    let exchange = Exchange::in_memory_at(Arc::new(ManualClock::at(START)))?;
    let owners: Vec<Owner> = (0..2).map(|_| exchange.owner(Account::generate()).unwrap()).collect();
    let all = people(1800);
    let old_half = |p: &Person| p.age >= 80 && p.plan == 1;
    let (first, mut second) = (all[..900].to_vec(), all[900..].to_vec());
    let few: Vec<Person> = second.iter().copied().filter(old_half).take(5).collect();
    second.retain(|p| !old_half(p));
    second.extend(few);
    let rule = || policy().federation(members(&owners));
    let consumer = exchange.consumer(Account::generate())?;
    let orders: Vec<Order> = [&first, &second]
        .iter()
        .zip(&owners)
        .map(|(rows, owner)| {
            let asset = owner.publish(&Offer::new("people", &table(rows), rule(), terms())).unwrap().asset;
            order(&consumer, &asset)
        })
        .collect();
    let query = Query::select([count()]).filter(col("age").ge(secret(80)) & col("plan").eq(secret("half")));
    let ticket = consumer.request_federated(&by_reference(&orders), &query)?;
    let results: Vec<_> =
        ticket.requests().zip(&owners).map(|(request, owner)| owner.node().run(request.clone()).unwrap()).collect();
    let expected = first.iter().filter(|p| old_half(p)).count() as f64;
    assert_eq!(ticket.open(&results)?.numbers("count").unwrap().to_f64(), [Some(expected)]);
    Ok(())
}

#[test]
fn unfit_rules_are_refused_at_publication() {
    let exchange = Exchange::in_memory().unwrap();
    let owners: Vec<Owner> = (0..3).map(|_| exchange.owner(Account::generate()).unwrap()).collect();
    let (me, other) = (owners[0].member(), owners[1].member());
    let forged = Member { owner: me.owner, key: other.key };
    let publish = |policy: Policy| {
        owners[0].publish(&Offer::new("people", &table(&people(900)), policy, terms())).unwrap_err().to_string()
    };
    let weak = Member { owner: other.owner, key: [0; 32] };
    for (members, expected) in [
        (vec![me], "has 1 of the 2 to 64 members"),
        (vec![], "has 0 of"),
        (vec![other, owners[2].member()], "does not name its owner"),
        (vec![forged, other], "a key that is not its own"),
        (vec![me, other, forged], "twice"),
        (vec![me, me, other], "twice"),
        (vec![me, weak], "small order"),
    ] {
        let error = publish(policy().federation(members));
        assert!(error.contains(expected), "{error}");
    }
    let error = publish(policy().federation([me, other]).allow_download());
    assert!(error.contains("downloads"), "{error}");
    let rules = policy().federation([me, other]);
    assert_eq!(rules, policy().federation([other, me]), "in any order");
    assert_eq!(rules.federated().unwrap().parties(), 2);
}

/// A request as JSON, to exchange its parts.
fn changed(request: &JobRequest, change: impl FnOnce(&mut serde_json::Value)) -> JobRequest {
    let mut json = serde_json::to_value(request).unwrap();
    change(&mut json);
    serde_json::from_value(json).unwrap()
}

#[test]
fn a_request_whose_round_was_changed_is_rejected() -> Result<()> {
    let federation = Federation::open(3);
    let (consumer, orders) = federation.consumer();
    let ticket = consumer.request_federated(&by_reference(&orders), &Query::select([count()]))?;
    let request = ticket.parts()[0].request();
    let node = federation.owners[0].node();
    let cases: [fn(&mut serde_json::Value); 7] = [
        // Dropping a party would leave the sum of two, or of one.
        |json| drop(json["round"]["parties"].as_array_mut().unwrap().pop()),
        |json| json["round"]["parties"].as_array_mut().unwrap().swap(0, 1),
        |json| json["round"] = serde_json::Value::Null,
        |json| json["round"]["layout"] = json["policy"].clone(),
        |json| json["round"]["widths"][0] = 60.into(),
        |json| {
            let byte = json["round"]["parties"][1]["nullifier"][31].as_u64().unwrap();
            json["round"]["parties"][1]["nullifier"][31] = (byte ^ 1).into();
        },
        |json| {
            let first = json["round"]["parties"][0].clone();
            json["round"]["parties"][1] = first;
        },
    ];
    for change in cases {
        let error = node.run(changed(request, change)).unwrap_err();
        assert_eq!(error.to_string(), "rejected");
        assert_eq!(node.refusals().last().unwrap().kind, ErrorKind::InvalidProof);
    }
    // What no request may say at all is refused as it is read.
    for change in [
        |json: &mut serde_json::Value| json["round"]["parties"].as_array_mut().unwrap().truncate(1),
        |json: &mut serde_json::Value| {
            let parties = json["round"]["parties"].as_array_mut().unwrap();
            parties.push(parties[0].clone());
        },
        |json: &mut serde_json::Value| json["round"]["parties"][2]["asset"] = "did:op:0".into(),
        |json: &mut serde_json::Value| {
            let party = json["round"]["parties"][0].clone();
            json["round"]["parties"] = vec![party; 65].into();
        },
    ] {
        let bytes = changed(request, change).to_bytes()?;
        let error = JobRequest::from_bytes(&bytes).unwrap_err();
        assert!(error.to_string().contains("round"), "{error}");
    }
    // And the request itself is still good.
    node.run(request.clone())?;
    Ok(())
}

#[test]
fn estimates_count_the_round() -> Result<()> {
    let federation = Federation::open(3);
    let (consumer, orders) = federation.consumer();
    let query = Query::select([count(), mean("visits"), stddev("visits")]).group_by(["plan"]);
    let refused = federation.assets[0].estimate(&query).unwrap_err();
    assert!(matches!(policy_error(refused), PolicyError::Aggregation { .. }), "as ever");
    let query = Query::select([count(), mean("visits")]).filter(col("age").ge(secret(40))).group_by(["plan"]);
    let estimate = federation.assets[0].estimate(&query)?;
    let ticket = consumer.request_federated(&by_reference(&orders), &query)?;
    let results = federation.run(&ticket);
    assert_eq!(results[0].0.to_bytes()?.len() as u64, estimate.result_bytes);
    let requested = ticket.parts()[0].request().to_bytes()?.len() as u64;
    assert!(requested.abs_diff(estimate.request_bytes) <= 16, "{requested}, {} estimated", estimate.request_bytes);
    Ok(())
}
