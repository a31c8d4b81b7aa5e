//! The story as a dialogue between the parties, and what each of them cannot do.

#[path = "support/market.rs"]
mod market;

use std::io::Read;
use std::sync::Arc;

use market::{Market, PLANS, Person, START, policy, table};
use sealock::access::MAX_CLOCK_SKEW;
use sealock::asset::Terms;
use sealock::job::JobRequest;
use sealock::ledger::Amount;
use sealock::order::JobTicket;
use sealock::owner::Offer;
use sealock::policy::Policy;
use sealock::program::{Aggregation, Query, col, count, mean, secret, sum};
use sealock::receipt::verify_chain;
use sealock::release::{Answer, SealedResult};
use sealock::store::unixfs;
use sealock::time::ManualClock;
use sealock::{Account, Error, ErrorKind, Exchange};
use sealock_zk::{Claim, IdentitySecret, LeanImt, ProvingKey, Witness, os_rng, prove};

fn ask(market: &Market, ticket: &JobTicket) -> Result<Answer, Error> {
    let (result, receipt) = market.owner.node().run(ticket.request().clone())?;
    ticket.open(&result, &receipt)
}

/// What the owner's log says of the last refusal.
fn reason(market: &Market) -> ErrorKind {
    market.owner.node().refusals().last().expect("something was refused").kind
}

fn assert_rejected(market: &Market, request: JobRequest, expected: ErrorKind) {
    let error = market.owner.node().run(request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(error.to_string(), "rejected", "a remote party learns one word");
    assert_eq!(reason(market), expected);
}

fn plain(people: &[Person], keep: impl Fn(&Person) -> bool) -> (i128, i128, i128) {
    people.iter().filter(|p| keep(p)).fold((0, 0, 0), |(rows, sum, valid), p| {
        (rows + 1, sum + i128::from(p.visits.unwrap_or(0)), valid + i128::from(p.visits.is_some() as u8))
    })
}

#[test]
fn a_hidden_question_gets_the_plaintext_answer() {
    let market = Market::open();
    let order = market.order();
    let query = Query::select([count(), sum("visits"), mean("visits")])
        .filter((col("age").ge(secret(40)) | col("plan").eq(secret("free"))) & !col("plan").is_in(secret(["full"])))
        .group_by(["plan"]);
    let answer = ask(&market, &order.request(&query).unwrap()).unwrap();
    assert_eq!(answer.group("plan").unwrap(), PLANS.map(|plan| Some(plan.to_owned())));
    let batch = answer.to_record_batch().unwrap();
    assert_eq!(batch.num_rows(), 3);
    for (group, _) in PLANS.iter().enumerate() {
        let (rows, total, valid) =
            plain(&market.people, |p| p.plan == group && (p.age >= 40 || p.plan == 0) && p.plan != 2);
        let at = |name: &str| answer.numbers(name).unwrap().to_f64()[group];
        assert_eq!(at("count"), Some(rows as f64));
        assert_eq!(at("sum(visits)"), Some(total as f64));
        assert_eq!(at("mean(visits)"), (valid > 0).then(|| total as f64 / valid as f64));
    }
}

#[test]
fn clear_and_hidden_conditions_join() {
    let market = Market::open();
    let order = market.order();
    let query = Query::select([count()]).filter(col("age").lt(60) & col("plan").ne(secret("half")));
    let answer = ask(&market, &order.request(&query).unwrap()).unwrap();
    let (rows, ..) = plain(&market.people, |p| p.age < 60 && p.plan != 1);
    assert_eq!(answer.numbers("count").unwrap().to_f64(), [Some(rows as f64)]);
    let everything = ask(&market, &order.request(&Query::select([count()])).unwrap()).unwrap();
    assert_eq!(everything.numbers("count").unwrap().to_f64(), [Some(market.people.len() as f64)]);
}

#[test]
fn the_request_carries_no_secret_in_the_clear() {
    let market = Market::open();
    let order = market.order();
    let ask_with = |age: i64| {
        let query = Query::select([count()]).filter(col("age").ge(secret(age)));
        (query.program(), order.request_use(&query, 0).unwrap())
    };
    let ((one, first), (two, second)) = (ask_with(20), ask_with(60));
    assert_eq!(one, two, "the program is the same whatever the secret");
    let (first, second) = (first.request().to_bytes().unwrap(), second.request().to_bytes().unwrap());
    assert_eq!(first.len(), second.len());
}

#[test]
fn the_same_request_again_is_the_same_job() {
    let market = Market::open();
    let (order, node) = (market.order(), market.owner.node());
    let ticket = order.request(&Query::select([count()])).unwrap();
    let (result, receipt) = node.run(ticket.request().clone()).unwrap();
    // Long after, and past the deadline: a paid result is not lost.
    market.clock.advance(48 * 3600);
    let (again, same) = node.run(ticket.request().clone()).unwrap();
    assert_eq!((result.to_bytes().unwrap(), &receipt), (again.to_bytes().unwrap(), &same));
    assert_eq!(node.receipts().unwrap().len(), 1);
    ticket.open(&again, &same).unwrap();
}

#[test]
fn an_order_has_so_many_uses_and_no_more() {
    let market = Market::open();
    let order = market.order();
    let query = Query::select([count()]);
    for left in (0..3).rev() {
        ask(&market, &order.request(&query).unwrap()).unwrap();
        assert_eq!(order.uses_left().unwrap(), left);
    }
    assert_eq!(order.request(&query).unwrap_err().kind(), ErrorKind::UseLimitReached);
    assert_eq!(
        order.request_use(&query, 3).unwrap_err().kind(),
        ErrorKind::UseLimitReached,
        "the circuit says so, too"
    );
    for used in 0..3 {
        let replay = order.request_use(&query, used).unwrap();
        assert_rejected(&market, replay.request().clone(), ErrorKind::NullifierSpent);
    }
}

#[test]
fn one_use_pays_for_one_of_many_simultaneous_requests() {
    let market = Market::open();
    let order = market.order();
    let tickets: Vec<_> = (0..8).map(|_| order.request_use(&Query::select([count()]), 0).unwrap()).collect();
    let node = market.owner.node();
    let admitted = std::thread::scope(|scope| {
        let runs: Vec<_> = tickets.iter().map(|t| scope.spawn(|| node.run(t.request().clone()).is_ok())).collect();
        runs.into_iter().map(|run| run.join().unwrap()).filter(|ok| *ok).count()
    });
    assert_eq!(admitted, 1);
    assert_eq!(node.receipts().unwrap().len(), 1);
}

#[test]
fn every_part_of_a_request_is_bound_by_its_proof() {
    let market = Market::open();
    let ticket = market.order().request(&Query::select([count()])).unwrap();
    let other = market.order().request(&Query::select([sum("visits")])).unwrap();
    let bytes = ticket.request().to_bytes().unwrap();
    let decoded: serde_json::Value = decode(&bytes);
    let foreign: serde_json::Value = decode(&other.request().to_bytes().unwrap());
    let mut checked = 0;
    for (field, value) in foreign.as_object().unwrap() {
        if decoded[field] == *value {
            continue;
        }
        let mut mixed = decoded.clone();
        mixed[field] = value.clone();
        assert_rejected(&market, encode(&mixed), ErrorKind::InvalidProof);
        checked += 1;
    }
    assert!(checked >= 6, "program, query, result key, nullifier, root or time, and proof differ between two requests");
    // And the untouched request still pays.
    ask(&market, &ticket).unwrap();
}

/// A request as JSON with byte strings as arrays, to exchange its parts.
fn decode(bytes: &[u8]) -> serde_json::Value {
    let request = JobRequest::from_bytes(bytes).unwrap();
    serde_json::to_value(&request).unwrap()
}

fn encode(json: &serde_json::Value) -> JobRequest {
    serde_json::from_value(json.clone()).unwrap()
}

#[test]
fn a_nullifier_plus_the_fields_order_is_no_second_use() {
    // BN254's scalar field, big-endian.
    const ORDER: &str = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";
    let market = Market::open();
    let ticket = market.order().request(&Query::select([count()])).unwrap();
    ask(&market, &ticket).unwrap();
    let order: Vec<u8> = hex::decode(ORDER).unwrap();
    let mut shifted = decode(&ticket.request().to_bytes().unwrap());
    let mut carry = 0u16;
    let bytes: Vec<u8> = ticket.request().nullifier().to_vec();
    let mut sum = vec![0u8; 32];
    for i in (0..32).rev() {
        let digit = u16::from(bytes[i]) + u16::from(order[i]) + carry;
        sum[i] = digit as u8;
        carry = digit >> 8;
    }
    assert_eq!(carry, 0, "the sum still has 32 bytes");
    shifted["nullifier"] = serde_json::to_value(sum).unwrap();
    assert_rejected(&market, encode(&shifted), ErrorKind::Malformed);
}

#[test]
fn a_proof_about_another_group_asset_or_time_is_rejected() {
    let market = Market::open();
    let request = |json: serde_json::Value| encode(&json);
    let ticket = market.order().request(&Query::select([count()])).unwrap();
    let original = decode(&ticket.request().to_bytes().unwrap());

    let people = market::people(500);
    let second = market.owner.publish(&Offer::new("other", &table(&people), policy(), Terms::free(9))).unwrap().asset;
    let mut moved = original.clone();
    moved["asset"] = second.did().to_string().into();
    assert_rejected(&market, request(moved), ErrorKind::InvalidProof);

    let mut unknown = original.clone();
    unknown["asset"] = "did:op:0000".into();
    assert_rejected(&market, request(unknown), ErrorKind::NotFound);

    let mut late = original.clone();
    late["now"] = (START + 1).into();
    assert_rejected(&market, request(late), ErrorKind::InvalidProof);

    market.clock.advance(MAX_CLOCK_SKEW + 1);
    assert_rejected(&market, request(original), ErrorKind::DeadlinePassed);
}

#[test]
fn a_root_of_the_consumers_own_making_is_unknown() {
    let market = Market::open();
    let template = market.order().request(&Query::select([count()])).unwrap();
    let mut json = decode(&template.request().to_bytes().unwrap());

    // An order that nobody paid for, in a group of the attacker's own, proved with the owner's key: the proof verifies.
    let access = &market.asset.description().sealed.access;
    let mut key = Vec::new();
    unixfs::Reader::open(market.exchange.store(), &access.proving_key).unwrap().read_to_end(&mut key).unwrap();
    let key = ProvingKey::from_pinned_bytes(&key, access.digest.as_bytes()).unwrap();
    let secret = IdentitySecret::generate(&mut os_rng());
    let credential = market.asset.service().credential(3, START + 1000);
    let mut group = LeanImt::new();
    group.insert(credential.leaf(secret.commitment())).unwrap();
    let membership = group.proof(0).unwrap();
    let (scope, message) = (market.asset.service().scope(START), template.request().message());
    let claim = Claim { root: membership.root(), message, scope, now: START };
    let witness = Witness { secret: &secret, credential: &credential, use_index: 0, membership: &membership };
    let (statement, proof) = prove(&key, &claim, &witness, &mut os_rng()).unwrap();
    json["root"] = serde_json::to_value(statement.root.to_bytes()).unwrap();
    json["nullifier"] = serde_json::to_value(statement.nullifier.to_bytes()).unwrap();
    json["proof"] = serde_json::to_value(proof.to_bytes().as_slice()).unwrap();
    assert_rejected(&market, encode(&json), ErrorKind::UnknownRoot);
}

#[test]
fn an_expired_order_proves_nothing() {
    let market = Market::open();
    let order = market.order();
    market.clock.advance(3601);
    let error = order.request(&Query::select([count()])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OrderExpired);
    assert_eq!(order.uses_left().unwrap(), 3, "nothing was taken");
}

#[test]
fn every_rule_of_the_policy_names_itself() {
    let base = || {
        Policy::deny_all()
            .dimensions(["plan"])
            .measures(["visits"])
            .aggregations([Aggregation::Count])
            .any_program()
            .expires(START + 1800)
            .max_jobs(1)
    };
    let market = Market::with(base(), Terms::free(9).uses_per_order(9));
    let order = market.order();
    let cases = [
        (Query::select([count()]).filter(col("age").lt(secret(40))), "dimension_columns"),
        (Query::select([count()]).group_by(["age"]), "dimension_columns"),
        (Query::select([sum("visits")]), "allowed_aggregations"),
    ];
    for (query, rule) in cases {
        let local = order.request(&query).unwrap_err();
        assert_eq!(local.kind(), ErrorKind::PolicyDenied);
        assert!(local.to_string().contains(rule), "{local}");
        let forced = order.request_without_policy_check(&query).unwrap();
        assert_rejected(&market, forced.request().clone(), ErrorKind::PolicyDenied);
        assert!(market.owner.node().refusals().last().unwrap().reason.contains(rule));
    }
    let allowed = Query::select([count()]).filter(col("plan").eq(secret("free")));
    ask(&market, &order.request(&allowed).unwrap()).unwrap();
    assert_rejected(&market, order.request(&allowed).unwrap().request().clone(), ErrorKind::PolicyDenied);
    assert!(market.owner.node().refusals().last().unwrap().reason.contains("max_jobs"));
    market.clock.advance(1800);
    let expired = order.request(&allowed).unwrap_err();
    assert!(expired.to_string().contains("expires"), "{expired}");
}

#[test]
fn what_is_not_allowed_is_denied_and_a_policy_that_allows_nothing_is_not_published() {
    let market = Market::open();
    let (rows, terms) = (table(&market.people), || Terms::free(9));
    let refused = |policy: Policy| market.owner.publish(&Offer::new("none", &rows, policy, terms())).unwrap_err();
    let assets = market.exchange.assets().unwrap().len();
    let nothing = [
        Policy::deny_all(),
        policy().max_jobs(0),
        policy().expires(START),
        policy().min_group_size(5000),
        Policy::deny_all().any_program(),
        Policy::deny_all().aggregations([Aggregation::Count]),
    ];
    for policy in nothing {
        assert!(matches!(refused(policy).kind(), ErrorKind::InvalidArgument | ErrorKind::PolicyDenied));
    }
    assert_eq!(market.exchange.assets().unwrap().len(), assets, "nothing was published");

    let digest = Query::select([count()]).program().digest().unwrap();
    let policy = Policy::deny_all().programs([digest]).aggregations([Aggregation::Count]);
    let market = Market::with(policy, Terms::free(9));
    let order = market.order();
    ask(&market, &order.request(&Query::select([count()])).unwrap()).unwrap();
    let other = order.request(&Query::select([count()]).group_by(["plan"])).unwrap_err();
    assert!(other.to_string().contains("allowed_programs"), "{other}");
}

#[test]
fn small_groups_are_withheld_from_every_answer() {
    let mut people = market::people(3000);
    // Five people over eighty on a plan of their own.
    people.retain(|p| !(p.plan == 2 && p.age >= 80));
    people.extend((0..5).map(|i| Person { plan: 2, age: 80 + i, visits: Some(9) }));
    let market = Market::open();
    let small = table(&people);
    let offer = Offer::new("small", &small, policy(), Terms::free(9));
    let published = market.owner.publish(&offer).unwrap();
    assert_eq!(published.suppression.suppressed_rows, 5);
    assert!(published.asset.max_rows() >= 3000 && published.asset.max_rows() != people.len() as u64);
    let consumer = market.consumer();
    consumer.buy(&published.asset, 1).unwrap();
    let order = consumer.order(&published.asset).unwrap();
    let total = |query: Query| {
        let (result, receipt) = {
            let ticket = order.request(&query).unwrap();
            let (result, receipt) = market.owner.node().run(ticket.request().clone()).unwrap();
            (ticket.open(&result, &receipt).unwrap(), receipt)
        };
        drop(receipt);
        result.numbers("count").unwrap().to_f64()[0].unwrap() as i128
    };
    // Everybody, and everybody but the five: two answers that must not differ.
    let all = total(Query::select([count()]));
    let others = total(Query::select([count()]).filter(!(col("plan").eq(secret("full")) & col("age").ge(secret(80)))));
    assert_eq!(all, others);
    assert_eq!(all, people.len() as i128 - 5);
}

#[test]
fn a_result_opens_for_its_own_request_alone() {
    let market = Market::open();
    let node = market.owner.node();
    let (one, two) = (market.order(), market.order());
    let first = one.request(&Query::select([count()])).unwrap();
    let second = two.request(&Query::select([count()])).unwrap();
    let (result, receipt) = node.run(first.request().clone()).unwrap();
    let (other, other_receipt) = node.run(second.request().clone()).unwrap();
    for (error, what) in [
        (second.open(&result, &receipt).unwrap_err(), "result"),
        (first.open(&result, &other_receipt).unwrap_err(), "receipt"),
        (first.open(&other, &receipt).unwrap_err(), "result"),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().starts_with(&format!("the {what} is of job ")), "{error}");
    }
    let bytes = result.to_bytes().unwrap();
    for i in (0..bytes.len()).step_by(997) {
        let mut bad = bytes.clone();
        bad[i] ^= 4;
        assert!(SealedResult::from_bytes(&bad).map_err(Error::from).and_then(|r| first.open(&r, &receipt)).is_err());
    }
    first.open(&result, &receipt).unwrap();
    verify_chain(market.owner.address(), &node.receipts().unwrap()).unwrap();
}

#[test]
fn an_accounts_key_alone_finds_its_orders_again() {
    let market = Market::open();
    let account = Account::generate();
    let secret_bytes = account.expose_secret_bytes();
    let consumer = market.exchange.consumer(account).unwrap();
    consumer.buy(&market.asset, 2).unwrap();
    for _ in 0..2 {
        consumer.order(&market.asset).unwrap();
    }
    market.order();
    assert_eq!(
        market.exchange.consumer(Account::from_secret_bytes(&secret_bytes).unwrap()).err().unwrap().kind(),
        ErrorKind::Locked,
        "two wallets of one account would spend the same uses"
    );
    drop(consumer);
    // Another machine: the same key, an empty wallet.
    let again = market.exchange.consumer(Account::from_secret_bytes(&secret_bytes).unwrap()).unwrap();
    let orders = again.orders(&market.asset).unwrap();
    assert_eq!(orders.len(), 2);
    ask(&market, &orders[1].request(&Query::select([count()])).unwrap()).unwrap();
    assert!(market.consumer().orders(&market.asset).unwrap().is_empty());
}

#[test]
fn a_junk_commitment_joins_no_group_and_breaks_none() {
    let market = Market::open();
    let (service, terms) = (market.asset.service(), market.asset.order_terms());
    let vandal = Account::generate();
    let ledger = market.exchange.ledger();
    ledger.dispense(&vandal, service.datatoken, Amount::whole(1)).unwrap();
    ledger.order(&vandal, service.datatoken, service.service, terms, [0xff; 32]).unwrap();
    ask(&market, &market.order().request(&Query::select([count()])).unwrap()).unwrap();
}

#[test]
fn buying_and_ordering_without_means_changes_nothing() {
    let clock = Arc::new(ManualClock::at(START));
    let exchange = Exchange::in_memory_at(clock.clone()).unwrap();
    let mint = Account::generate();
    let coin = exchange.ledger().deploy_token(&mint, "coin", "COIN", Amount::whole(100)).unwrap();
    let market = Market::on(exchange, clock, policy(), Terms::fixed(coin, Amount::whole(2)));
    let consumer = market.consumer();
    let token = market.asset.service().datatoken;
    let error = consumer.buy(&market.asset, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InsufficientBalance);
    assert_eq!(consumer.order(&market.asset).unwrap_err().kind(), ErrorKind::InsufficientBalance);
    let ledger = market.exchange.ledger();
    assert_eq!(ledger.balance_of(token, consumer.address()).unwrap(), Amount::ZERO);
    ledger.mint(&mint, coin, consumer.address(), Amount::whole(3)).unwrap();
    consumer.buy(&market.asset, 1).unwrap();
    assert_eq!(ledger.balance_of(coin, consumer.address()).unwrap(), Amount::whole(1));
    assert_eq!(ledger.balance_of(coin, market.owner.address()).unwrap(), Amount::whole(2));
    consumer.order(&market.asset).unwrap();
}

#[test]
fn a_folder_keeps_everything_through_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (owner_key, consumer_key) = (Account::generate(), Account::generate());
    let (owner_key, consumer_key) = (owner_key.expose_secret_bytes(), consumer_key.expose_secret_bytes());
    let account = |key: &[u8; 32]| Account::from_secret_bytes(key).unwrap();
    let people = market::people(1000);
    let (nft, job, result) = {
        let exchange = Exchange::local(folder.path()).unwrap();
        assert_eq!(Exchange::local(folder.path()).err().unwrap().kind(), ErrorKind::Locked);
        assert_eq!(Exchange::local("").err().unwrap().kind(), ErrorKind::InvalidArgument);
        let owner = exchange.owner(account(&owner_key)).unwrap();
        let asset = owner.publish(&Offer::new("people", &table(&people), policy(), Terms::free(5))).unwrap().asset;
        let consumer = exchange.consumer(account(&consumer_key)).unwrap();
        consumer.buy(&asset, 1).unwrap();
        let ticket = consumer.order(&asset).unwrap().request(&Query::select([count()])).unwrap();
        // Admitted, and then the power goes.
        let grant = owner.node().admit(ticket.request().clone()).unwrap();
        (asset.service().nft, grant.job(), ticket.job())
    };
    assert_eq!(job, result);
    let exchange = Exchange::local(folder.path()).unwrap();
    let owner = exchange.owner(account(&owner_key)).unwrap();
    assert_eq!(exchange.assets().unwrap()[0].service().nft, nft);
    assert_eq!(owner.node().resume().unwrap(), 1);
    assert_eq!(owner.node().resume().unwrap(), 0);
    let consumer = exchange.consumer(account(&consumer_key)).unwrap();
    let ticket = consumer.tickets().unwrap().pop().unwrap();
    let (sealed, receipt) = owner.node().run(ticket.request().clone()).unwrap();
    let answer = ticket.open(&sealed, &receipt).unwrap();
    assert_eq!(answer.numbers("count").unwrap().to_f64(), [Some(1000.0)]);
    consumer.forget(ticket.job()).unwrap();
    assert!(consumer.tickets().unwrap().is_empty());
    assert_eq!(consumer.orders(&exchange.asset(nft).unwrap()).unwrap()[0].uses_left().unwrap(), 9);
    assert!(exchange.clock().now() > 0);
}

#[test]
fn a_lost_journal_is_noticed_before_anything_is_spent_twice() {
    let folder = tempfile::tempdir().unwrap();
    let key = Account::generate().expose_secret_bytes();
    let account = || Account::from_secret_bytes(&key).unwrap();
    let people = market::people(500);
    let rows = table(&people);
    let offer = || Offer::new("people", &rows, policy().min_group_size(1), Terms::free(5));
    let journal = {
        let exchange = Exchange::local(folder.path()).unwrap();
        exchange.owner(account()).unwrap().publish(&offer()).unwrap();
        folder.path().join("state").join(format!("node-{}.redb", account().address()))
    };
    std::fs::remove_file(&journal).unwrap();
    let exchange = Exchange::local(folder.path()).unwrap();
    let error = exchange.owner(account()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::CorruptState);
    assert!(error.hint().unwrap().contains("owner_afresh"));
    exchange.owner_afresh(account()).unwrap().publish(&offer()).unwrap();
    exchange.owner(account()).unwrap();
}

#[test]
fn requests_that_are_none_are_rejected_in_one_word() {
    let market = Market::open();
    let bytes = market.order().request(&Query::select([count()])).unwrap().request().to_bytes().unwrap();
    let node = market.owner.node();
    let mut extended = bytes.clone();
    extended.push(0);
    for bad in
        [&[][..], &bytes[..bytes.len() - 1], &extended, &[0xff; 64], &vec![0; sealock::job::MAX_REQUEST_BYTES + 1]]
    {
        assert_eq!(node.admit_bytes(bad).unwrap_err().to_string(), "rejected");
    }
    for i in (0..bytes.len()).step_by(1999) {
        let mut flipped = bytes.clone();
        flipped[i] ^= 1;
        assert_eq!(node.admit_bytes(&flipped).unwrap_err().to_string(), "rejected", "byte {i}");
    }
    assert!(node.admit_bytes(&bytes).is_ok());
}
