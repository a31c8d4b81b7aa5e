//! Groups and their roots over time, revocation, epochs, and proofs presented where they do not belong.

#[path = "support/forger.rs"]
mod forger;
#[path = "support/market.rs"]
mod market;

use std::sync::atomic::{AtomicUsize, Ordering};

use forger::{Forger, Forgery, first_orders, json, request};
use market::{Market, START, policy};
use sealock::access::{Group, ROOT_WINDOW, Service};
use sealock::asset::Terms;
use sealock::job::JobRequest;
use sealock::journal::{JobRecord, Journal, JournalError};
use sealock::ledger::{Amount, EFFECTIVE_GRAIN};
use sealock::order::JobTicket;
use sealock::owner::REVOCATION_NOTICE;
use sealock::policy::Policy;
use sealock::program::{Query, count};
use sealock::{Account, Address, Digest, Error, ErrorKind, Exchange};
use sealock_zk::{LeanImt, Proof, Scalar, verify};

fn any() -> Query {
    Query::select([count()])
}

fn run(market: &Market, request: &JobRequest) -> Result<(), Error> {
    market.owner.node().run(request.clone()).map(drop)
}

#[track_caller]
fn assert_rejected(market: &Market, request: &JobRequest, expected: ErrorKind) {
    let node = market.owner.node();
    assert_eq!(node.run(request.clone()).unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(node.refusals().last().unwrap().kind, expected);
}

/// The request has a proof that counts. It goes no further, since its query was encrypted for another nullifier.
#[track_caller]
fn assert_entitled(market: &Market, request: &JobRequest) {
    assert_rejected(market, request, ErrorKind::Encryption);
}

/// An order of nobody's, which joins the group.
fn order(market: &Market, commitment: u64) {
    let (ledger, service, account) = (market.exchange.ledger(), market.asset.service(), Account::generate());
    ledger.dispense(&account, service.datatoken, Amount::whole(1)).unwrap();
    let commitment = Scalar::from(commitment).to_bytes();
    ledger.order(&account, service.datatoken, 0, market.asset.order_terms(), commitment).unwrap();
}

fn group(market: &Market, now: u64) -> Group {
    let mut group = Group::new(market.asset.service());
    group.sync(market.exchange.ledger(), now).unwrap();
    group
}

/// Whoever shows a consumer an old ledger leaves it among few. A proof about that group verifies: what refuses it is the
/// node's window.
#[test]
fn a_stale_root_is_refused_and_one_of_the_last_hour_is_not() {
    let market = Market::with(policy(), Terms::free(100).uses_per_order(9).valid_for(86_400));
    let forger = Forger::new(&market);
    let template = json(market.order().request(&any()).unwrap().request());
    let alone = || first_orders(&market, 1);
    for commitment in 1..20 {
        market.clock.advance(1);
        order(&market, commitment);
    }
    let of_one = |use_index| Forgery { group: alone(), ..forger.honest(&market, use_index) };

    market.clock.advance(ROOT_WINDOW - 60);
    let (fresh, _) = forger.forge(&market, template.clone(), &of_one(0));
    assert_entitled(&market, &fresh);

    market.clock.advance(120);
    let (stale, statement) = forger.forge(&market, template.clone(), &of_one(1));
    let proof = Proof::from_bytes(&serde_json::from_value::<Vec<u8>>(json(&stale)["proof"].clone()).unwrap()).unwrap();
    assert_eq!(verify(forger.key.verifying_key(), &statement, &proof), Ok(()), "there is nothing wrong with the proof");
    assert_rejected(&market, &stale, ErrorKind::UnknownRoot);
    // A proof about the present group counts.
    assert_entitled(&market, &forger.sign(&market, template, 1));
    // A node that starts afresh reads the same from the ledger.
    let now = market.exchange.clock().now();
    let afresh = group(&market, now);
    assert!(!afresh.accepts(alone().root().unwrap(), now));
    assert!(afresh.accepts(first_orders(&market, usize::MAX).root().unwrap(), now));
    assert!(!afresh.accepts(Scalar::ZERO, now));
}

#[test]
fn orders_push_no_root_out_of_the_window_and_time_does() {
    let market = Market::with(policy(), Terms::free(1000).valid_for(86_400));
    let mut kept = group(&market, START);
    let mut roots = Vec::new();
    for commitment in 1..200 {
        order(&market, commitment);
        market.clock.advance(10);
        kept.sync(market.exchange.ledger(), START + 10 * commitment).unwrap();
        roots.push(first_orders(&market, commitment as usize).root().unwrap());
    }
    let end = START + 10 * 199;
    assert!(roots.iter().all(|root| kept.accepts(*root, end)), "all of them within the hour");
    assert_eq!(kept.window(), 199);
    for (later, left) in [(ROOT_WINDOW, 2), (2 * ROOT_WINDOW, 1)] {
        let now = end + later - 15;
        kept.sync(market.exchange.ledger(), now).unwrap();
        let accepted: Vec<bool> = roots.iter().map(|root| kept.accepts(*root, now)).collect();
        assert_eq!(accepted, (0..199).map(|i| i >= 199 - left).collect::<Vec<_>>(), "{later}");
        let afresh = group(&market, now);
        assert_eq!(roots.iter().map(|root| afresh.accepts(*root, now)).collect::<Vec<_>>(), accepted);
        assert_eq!((afresh.window(), kept.window()), (left, left));
    }
}

#[test]
fn a_revoked_order_admits_nothing_from_the_stated_time_on() {
    let market = Market::open();
    let (mine, theirs) = (market.order(), market.order());
    let forger = Forger::new(&market);
    let template = json(theirs.request(&any()).unwrap().request());
    let ledger = market.exchange.ledger();
    let token = market.asset.service().datatoken;

    // The owner announces it, and pays back.
    let orders = market.owner.orders(&market.asset).unwrap();
    assert_eq!(orders, [*mine.record(), *theirs.record(), forger.order]);
    assert_eq!(mine.revocation().unwrap(), None);
    let revoked = market.owner.revoke(mine.record(), None, true).unwrap();
    let effective = revoked.effective;
    let earliest = START + REVOCATION_NOTICE;
    assert!((earliest..earliest + 60).contains(&effective));
    assert_eq!(mine.revocation().unwrap(), Some(revoked));
    assert_eq!(ledger.balance_of(token, mine.record().consumer).unwrap(), Amount::ONE);
    let again = market.owner.revoke(mine.record(), None, true).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::OrderRevoked);
    let early = market.owner.revoke(theirs.record(), Some(START + 60), true).unwrap_err();
    assert!(early.kind() == ErrorKind::InvalidArgument && early.to_string().contains(&(START + 300).to_string()));
    let foreign = market.exchange.owner(Account::generate()).unwrap().revoke(theirs.record(), None, true);
    assert_eq!(foreign.unwrap_err().kind(), ErrorKind::NotAuthorized);
    // With the forger's, which is revoked without being paid back.
    market.owner.revoke(&forger.order, Some(effective), false).unwrap();

    // Until then it counts, and what was asked before then is answered.
    market.clock.advance(effective - 1 - START);
    run(&market, mine.request(&any()).unwrap().request()).unwrap();
    let in_flight = mine.request(&any()).unwrap();
    let old_group = first_orders(&market, usize::MAX);
    market.clock.advance(2);
    run(&market, in_flight.request()).unwrap();

    // From then on it does not, whoever says so.
    let error = mine.request(&any()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OrderRevoked);
    assert!(error.to_string().contains(&effective.to_string()) && error.to_string().contains("paid back"), "{error}");
    assert_eq!(mine.uses_left().unwrap(), 1, "nothing was taken");
    let with = |now| Forgery { group: old_group.clone(), now, ..forger.honest(&market, 0) };
    let (at_once, statement) = forger.forge(&market, template.clone(), &with(effective));
    let proof =
        Proof::from_bytes(&serde_json::from_value::<Vec<u8>>(json(&at_once)["proof"].clone()).unwrap()).unwrap();
    assert_eq!(verify(forger.key.verifying_key(), &statement, &proof), Ok(()), "the old root is an hour young");
    assert_rejected(&market, &at_once, ErrorKind::UnknownRoot);
    // What states a time of before is of before, and is refused once that is too long ago.
    let (backdated, _) = forger.forge(&market, template, &with(effective - 60));
    market.clock.advance(180);
    assert_rejected(&market, &backdated, ErrorKind::DeadlinePassed);

    // Others go on, in a smaller group.
    run(&market, theirs.request(&any()).unwrap().request()).unwrap();
    let now = market.exchange.clock().now();
    let left = group(&market, now);
    assert_eq!((left.len(), left.crowd(now, market.owner.address())), (3, 1));
    assert_eq!(left.crowd(effective - 1, market.owner.address()), 3);
}

/// Orders and revocations in any order, read in any parts: everybody has the same groups.
#[test]
fn a_group_is_the_same_however_it_is_read() {
    let mut state = 7u64;
    let mut next = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    for _ in 0..3 {
        let market = Market::with(policy(), Terms::free(1000).valid_for(86_400));
        let (service, ledger) = (market.asset.service(), market.exchange.ledger());
        let mut often = group(&market, START);
        let (mut now, mut orders, mut revoked) = (START, 0u64, Vec::<(u64, u64)>::new());
        for _ in 0..120 {
            match next(4) {
                0 | 1 => {
                    orders += 1;
                    order(&market, orders);
                }
                2 if orders > 0 => {
                    let at = (now + 60 + next(600)).next_multiple_of(EFFECTIVE_GRAIN);
                    let which = next(orders);
                    let done = ledger.revoke_order(&market.owner_account(), service.datatoken, 0, which, at, false);
                    if done.is_ok() {
                        revoked.push((at, which));
                    }
                }
                _ => {
                    let passed = next(400);
                    market.clock.advance(passed);
                    now += passed;
                }
            }
            if next(2) == 0 {
                often.sync(ledger, now).unwrap();
            }
        }
        for group in [&mut often, &mut group(&market, now)] {
            group.sync(ledger, now).unwrap();
            // By hand: every order, and zero in the place of one whose revocation has taken effect.
            let mut leaves = first_orders(&market, usize::MAX).leaves().to_vec();
            for (_, which) in revoked.iter().filter(|(at, _)| *at <= now) {
                leaves[*which as usize] = Scalar::ZERO;
            }
            let mut expected = LeanImt::new();
            expected.restore(&leaves).unwrap();
            assert!(group.accepts(expected.root().unwrap(), now));
            assert_eq!(group.len() as u64, orders);
            assert!(revoked.iter().any(|(at, _)| *at <= now), "something was revoked");
            assert!(!group.accepts(first_orders(&market, usize::MAX).root().unwrap(), now));
        }
        assert_eq!(often.crowd(now, market.owner.address()), group(&market, now).crowd(now, market.owner.address()));
    }
}

#[test]
fn an_order_has_its_uses_again_in_every_epoch() {
    let hourly = Terms::free(9).uses_per_order(2).valid_for(3 * 3600).renewed_every(3600);
    let market = Market::with(policy(), hourly);
    assert_eq!(START % 3600, 0);
    assert_eq!(market.asset.order_terms().epoch_secs, Some(3600));
    let order = market.order();
    let spend = |ticket: &JobTicket| run(&market, ticket.request());
    for epoch in 0..3 {
        assert_eq!(order.uses_left().unwrap(), 2);
        spend(&order.request(&any()).unwrap()).unwrap();
        market.clock.advance(1800);
        spend(&order.request(&any()).unwrap()).unwrap();
        let spent = order.request(&any()).unwrap_err();
        assert_eq!(spent.kind(), ErrorKind::UseLimitReached);
        assert!(spent.hint().unwrap().contains(&(START + 3600 * (epoch + 1)).to_string()), "{spent:?}");
        // The circuit says so, too.
        let forced = order.request_use(&any(), 2).unwrap_err();
        assert_eq!(forced.kind(), ErrorKind::UseLimitReached);
        market.clock.advance(1800);
    }
    market.clock.advance(1);
    assert_eq!(order.request(&any()).unwrap_err().kind(), ErrorKind::OrderExpired);
}

#[test]
fn a_use_of_an_epoch_is_of_no_use_in_another() {
    let market = Market::with(policy(), Terms::free(9).uses_per_order(3).valid_for(86_400).renewed_every(600));
    let order = market.order();
    let (spent, unsent) = (order.request(&any()).unwrap(), order.request(&any()).unwrap());
    run(&market, spent.request()).unwrap();
    market.clock.advance(600);
    // The answer of a use that was spent is there for ever; the same use pays for nothing else.
    run(&market, spent.request()).unwrap();
    let mut redated = json(spent.request());
    redated["now"] = (START + 600).into();
    assert_rejected(&market, &request(&redated), ErrorKind::InvalidProof);
    // A request that was never sent cannot be renewed, and says what to do.
    let mut unsent = unsent;
    let error = unsent.renew().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeadlinePassed);
    assert!(error.to_string().contains(&(START + 600).to_string()), "{error}");
    assert!(error.hint().unwrap().contains("present epoch"));
    assert_eq!(order.uses_left().unwrap(), 3);
}

/// Stating a time of before the order would give it the uses of epochs in which it was not there.
#[test]
fn an_order_has_no_uses_of_epochs_before_it() {
    let market = Market::with(policy(), Terms::free(9).uses_per_order(3).valid_for(600).renewed_every(600));
    market.clock.advance(30);
    let forger = Forger::new(&market);
    let template = json(market.order().request(&any()).unwrap().request());
    let here = market.asset.service();
    let at = |now| Forgery { now, scope: here.scope(now), ..forger.honest(&market, 0) };
    assert_ne!(here.epoch(START - 60), here.epoch(START));
    let (before, _) = forger.forge(&market, template.clone(), &at(START - 60));
    assert_rejected(&market, &before, ErrorKind::UnknownRoot);
    let (since, _) = forger.forge(&market, template, &at(START));
    assert_entitled(&market, &since);
}

/// Whoever states a time of after its revocation, while the node's clock is before it, is not believed.
#[test]
fn a_revoked_order_admits_nothing_for_a_time_that_is_stated_ahead() {
    let market = Market::with(policy(), Terms::free(9).uses_per_order(3).renewed_every(600));
    let forger = Forger::new(&market);
    let template = json(market.order().request(&any()).unwrap().request());
    let revoked = market.owner.revoke(&forger.order, Some(START + 600), true).unwrap();
    assert_eq!(revoked.effective, START + 600);
    market.clock.advance(430);
    let here = market.asset.service();
    let at = |now| Forgery { now, scope: here.scope(now), ..forger.honest(&market, 0) };
    let (ahead, _) = forger.forge(&market, template.clone(), &at(START + 600));
    assert_rejected(&market, &ahead, ErrorKind::UnknownRoot);
    let (still, _) = forger.forge(&market, template, &at(START + 599));
    assert_entitled(&market, &still);
}

/// A use that no order has takes none.
#[test]
fn a_use_beyond_the_limit_takes_none() {
    let market = Market::open();
    let order = market.order();
    let error = order.request_use(&any(), 3).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UseLimitReached);
    assert_eq!(order.uses_left().unwrap(), 3);
}

/// A proof is bound to its scope. Each of these verifies under the scope that it was made for: a node of that ledger, asset,
/// service or epoch would accept it.
#[test]
fn a_proof_for_another_chain_ledger_asset_service_or_epoch_is_rejected() {
    let market = Market::with(policy().allow_download(), Terms::free(9).uses_per_order(9).renewed_every(3600));
    let forger = Forger::new(&market);
    let template = json(market.order().request(&any()).unwrap().request());
    let here = market.asset.service();
    let other = Address::from_bytes([9; 20]);
    let elsewhere = [
        ("chain", Service { chain_id: here.chain_id + 1, ..here }.scope(START)),
        ("ledger", Service { ledger: other, ..here }.scope(START)),
        ("asset", Service { nft: other, ..here }.scope(START)),
        ("datatoken", Service { datatoken: other, ..here }.scope(START)),
        ("service", market.asset.download_service().unwrap().scope(START)),
        ("earlier epoch", here.scope(START - 1)),
        ("later epoch", here.scope(START + 3600)),
        ("length of epochs", Service { epoch_secs: Some(7200), ..here }.scope(START)),
        ("no epochs", Service { epoch_secs: None, ..here }.scope(START)),
    ];
    for (use_index, (what, scope)) in (0..).zip(elsewhere) {
        let (there, statement) =
            forger.forge(&market, template.clone(), &Forgery { scope, ..forger.honest(&market, use_index % 9) });
        let bytes = serde_json::from_value::<Vec<u8>>(json(&there)["proof"].clone()).unwrap();
        let proof = Proof::from_bytes(&bytes).unwrap();
        assert_eq!(verify(forger.key.verifying_key(), &statement, &proof), Ok(()), "{what}");
        assert_rejected(&market, &there, ErrorKind::InvalidProof);
    }
    assert_entitled(&market, &forger.sign(&market, template, 0));
}

#[test]
fn a_thousand_submissions_of_one_nullifier_are_one_job() {
    let market = Market::open();
    let order = market.order();
    let tickets: Vec<_> = (0..5).map(|_| order.request_use(&any(), 0).unwrap()).collect();
    let (node, accepted) = (market.owner.node(), AtomicUsize::new(0));
    let winners: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50)
            .map(|thread: usize| {
                let (tickets, accepted) = (&tickets, &accepted);
                scope.spawn(move || {
                    let mut won = Vec::new();
                    for round in 0..20 {
                        let ticket = &tickets[(thread + round) % tickets.len()];
                        // Granted again is granted once: it is the same job.
                        if let Ok(grant) = node.admit(ticket.request().clone()) {
                            accepted.fetch_add(1, Ordering::Relaxed);
                            won.push(grant.job());
                        }
                    }
                    won
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(accepted.into_inner() > 0 && winners.windows(2).all(|pair| pair[0] == pair[1]), "one job, and no other");
    assert_eq!(node.resume().unwrap(), 1);
    assert_eq!(node.receipts().unwrap().len(), 1);
    let answered = tickets.iter().filter(|ticket| run(&market, ticket.request()).is_ok()).count();
    assert_eq!(answered, 1, "of five requests with one use");
}

/// A node verifies together the proofs that come together: with each of the wrong ones, others are right.
#[test]
fn of_requests_that_come_together_those_with_a_wrong_proof_are_refused_and_no_others() {
    const COUNT: usize = 24;
    let market = Market::with(policy(), Terms::free(100).uses_per_order(COUNT as u64));
    let (order, node) = (market.order(), market.owner.node());
    let right: Vec<_> = (0..COUNT).map(|_| order.request(&any()).unwrap().request().clone()).collect();
    let wrong = |place: usize| place % 5 == 2;
    let sent = |place: usize| {
        let mut changed = json(&right[place]);
        if wrong(place) {
            // It is a proof, but of the next request.
            changed["proof"] = json(&right[place + 1])["proof"].clone();
        }
        request(&changed)
    };
    let sent: Vec<_> = (0..COUNT).map(sent).collect();
    for admitted_before in [false, true] {
        let start = &std::sync::Barrier::new(COUNT);
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let submit = |request: &JobRequest| {
                start.wait();
                node.submit(request.clone())
            };
            let threads: Vec<_> = sent.iter().map(|request| scope.spawn(move || submit(request))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (place, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(job) => assert!(!wrong(place) && job == right[place].id(), "{place}, {admitted_before}"),
                Err(refused) => assert!(wrong(place) && refused.kind() == ErrorKind::Rejected, "{place}: {refused}"),
            }
        }
        let refusals = node.refusals();
        assert!(refusals.iter().all(|refusal| refusal.kind == ErrorKind::InvalidProof), "{refusals:?}");
    }
    let refused = (0..COUNT).filter(|place| wrong(*place)).count();
    assert_eq!(node.refusals().len(), 2 * refused);
    assert_eq!(node.unfinished().unwrap().len(), COUNT - refused);
    // A refusal has spent nothing.
    for place in (0..COUNT).filter(|place| wrong(*place)) {
        node.submit(right[place].clone()).unwrap();
    }
    assert_eq!(node.unfinished().unwrap().len(), COUNT);
}

/// The journal alone, where nothing before it slows the race: a thousand different requests, one nullifier.
#[test]
fn of_a_thousand_requests_with_one_nullifier_the_journal_admits_one() {
    let market = Market::open();
    let ticket = market.order().request(&any()).unwrap();
    let (journal, open) = (Journal::in_memory().unwrap(), Policy::deny_all().any_program());
    let admitted = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50u64)
            .map(|thread| {
                let (journal, open, original) = (&journal, &open, json(ticket.request()));
                scope.spawn(move || {
                    let mut admitted = 0;
                    for round in 0..20 {
                        let mut changed = original.clone();
                        changed["deadline"] = (START + 20 * thread + round).into();
                        let changed = request(&changed);
                        let record = JobRecord {
                            asset: changed.asset().into(),
                            program: Digest::sha256(b"program"),
                            policy: Digest::sha256(b"policy"),
                            nullifier: *changed.nullifier(),
                            admitted_at: START,
                            receipt: None,
                            epsilon: None,
                            access: None,
                        };
                        match journal.admit(&record, &changed, open) {
                            Ok(_) => admitted += 1,
                            Err(JournalError::NullifierSpent) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                    admitted
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u32>()
    });
    assert_eq!(admitted, 1);
    assert_eq!(journal.unfinished().unwrap().len(), 1);
}

/// One note for each key, and one that another version of the check has made counts for nothing.
#[test]
fn that_a_key_was_checked_is_noted_in_the_exchanges_folder() {
    let folder = tempfile::tempdir().unwrap();
    let notes = || {
        let names = std::fs::read_dir(folder.path().join("state")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("checked-key-")).collect::<Vec<_>>()
    };
    let (owner, consumer) = (Account::generate(), Account::generate());
    let (owner_key, consumer_key) = (*owner.expose_secret_bytes(), *consumer.expose_secret_bytes());
    let account = |bytes| Account::from_secret_bytes(&bytes).unwrap();
    let ask = |exchange: &Exchange, nft| {
        let (owner, consumer) =
            (exchange.owner(account(owner_key)).unwrap(), exchange.consumer(account(consumer_key)).unwrap());
        let asset = exchange.asset(nft).unwrap();
        consumer.buy(&asset, 1).unwrap();
        let ticket = consumer.order(&asset).unwrap().request(&any()).unwrap();
        owner.node().run(ticket.request().clone()).map(drop).unwrap();
        asset.description().sealed.access.digest
    };
    let nft = {
        let exchange = Exchange::local(folder.path()).unwrap();
        let owner = exchange.owner(account(owner_key)).unwrap();
        let table = market::table(&market::people(500));
        let offer = sealock::owner::Offer::new("people", &table, policy(), Terms::free(9));
        let nft = owner.publish(&offer).unwrap().asset.nft();
        assert_eq!(notes(), Vec::<String>::new(), "an owner's own key needs no check");
        drop(owner);
        let digest = ask(&exchange, nft);
        assert_eq!(notes(), [format!("checked-key-v{}-{digest}", sealock_zk::CHECK_VERSION)]);
        nft
    };
    ask(&Exchange::local(folder.path()).unwrap(), nft);
    assert_eq!(notes().len(), 1);
    // What an earlier check noted is no note of this one.
    let state = folder.path().join("state");
    let note = notes().remove(0);
    let version = format!("-v{}-", sealock_zk::CHECK_VERSION);
    std::fs::rename(state.join(&note), state.join(note.replace(&version, "-v0-"))).unwrap();
    ask(&Exchange::local(folder.path()).unwrap(), nft);
    assert!(notes().contains(&note), "it was checked again");
}
