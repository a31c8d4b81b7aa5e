//! Nodes that lie, fail and limit, wrong chains, accounts without money: what the ledger on Ocean's contracts says of them.
#![cfg(feature = "ocean")]

#[path = "support/ocean.rs"]
mod ocean;
#[path = "support/peers.rs"]
mod peers;
#[path = "support/proxy.rs"]
mod proxy;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ocean::Chain;
use proxy::{Proxy, Reply};
use sealock::error::Classify;
use sealock::ledger::ocean::{Finality, OceanAddresses, OceanLedger, OceanOptions, OrderOffer};
use sealock::ledger::{Amount, EFFECTIVE_GRAIN, Ledger, LedgerError, OrderSigner, OrderTerms, Publication};
use sealock::{Account, Address, ErrorKind};
use serde_json::{Value, json};

const TERMS: OrderTerms = OrderTerms::new(3, 86_400);

fn connect(chain: &Chain, url: &str) -> Result<OceanLedger, LedgerError> {
    let options =
        OceanOptions { timeout: Duration::from_secs(3), patience: Duration::from_secs(5), ..Default::default() };
    OceanLedger::connect(url, chain.contracts(), options)
}

struct Scene {
    chain: Chain,
    proxy: Proxy,
    ledger: OceanLedger,
    owner: Arc<Account>,
    consumer: Account,
    nft: Address,
    token: Address,
}

/// An asset with two orders, seen through a proxy that tells the truth so far.
fn scene() -> Scene {
    let chain = Chain::without_fees();
    let proxy = Proxy::of(&chain.url);
    let ledger = connect(&chain, &proxy.url).unwrap();
    let (owner, consumer) = (Arc::new(chain.account()), chain.account());
    let publication = Publication { name: "Wards".into(), symbol: "W".into(), cap: Amount::MAX };
    let made = ledger.publish(&owner, &publication).unwrap();
    let (nft, token) = (made.nft, made.datatoken);
    ledger.attend(&(Arc::clone(&owner) as Arc<dyn OrderSigner>));
    ledger.set_order_terms(&owner, token, 0, TERMS).unwrap();
    ledger.set_metadata(&owner, nft, b"{\"id\": 1}").unwrap();
    ledger.mint(&owner, token, consumer.address(), Amount::whole(9)).unwrap();
    for commitment in 1..=2 {
        ledger.order(&consumer, token, 0, TERMS, [commitment; 32]).unwrap();
    }
    Scene { chain, proxy, ledger, owner, consumer, nft, token }
}

impl Scene {
    /// A ledger that has read nothing yet.
    fn fresh(&self) -> OceanLedger {
        connect(&self.chain, &self.proxy.url).unwrap()
    }
    fn fresh_anyhow(&self) -> Option<OceanLedger> {
        connect(&self.chain, &self.proxy.url).ok()
    }
    fn orders(&self) -> Result<usize, LedgerError> {
        self.fresh().orders(self.token, 0, 0, 9).map(|orders| orders.len())
    }
}

#[test]
fn a_node_of_another_chain_is_refused() {
    let chain = Chain::start();
    let options = OceanOptions { chain_id: Some(137), ..Default::default() };
    let error = OceanLedger::connect(&chain.url, chain.contracts(), options).err().unwrap();
    assert!(matches!(error, LedgerError::WrongChain { expected: 137, got: 8996, .. }), "{error}");
    // It changes its mind: what is signed for the one chain is of no use on the other, and orders are void.
    let nowhere = OceanAddresses { factory: Address::from_bytes([7; 20]), ..chain.contracts() };
    let error = OceanLedger::connect(&chain.url, nowhere, OceanOptions::default()).err().unwrap();
    assert!(error.to_string().contains("ERC721Factory"), "{error}");
    for url in ["", "127.0.0.1:8545", "ftp://127.0.0.1", "http://", "http://name:secret@127.0.0.1:1"] {
        let error = OceanLedger::connect(url, chain.contracts(), OceanOptions::default()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{url}: {error}");
        assert!(!error.to_string().contains("secret"));
    }
    // A key in the path shows in no error.
    let error = connect(&chain, "http://127.0.0.1:1/v3/SECRETKEY").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(!format!("{error} {error:?}").contains("SECRETKEY"), "{error:?}");
}

#[test]
fn logs_that_were_not_asked_for_or_do_not_fit_are_refused() {
    let scene = scene();
    assert_eq!(scene.orders().unwrap(), 2);
    type Change = fn(&mut Value);
    let changes: &[(&str, Change)] = &[
        ("another emitter", |log| log["address"] = json!("0x00000000000000000000000000000000000000aa")),
        ("another topic", |log| log["topics"][0] = json!(format!("0x{}", "1".repeat(64)))),
        ("another block", |log| log["blockNumber"] = json!("0x7fffffff")),
        ("a block that is not the chain's", |log| log["blockHash"] = json!(format!("0x{}", "2".repeat(64)))),
        ("no block", |log| log["blockNumber"] = Value::Null),
        ("taken back", |log| log["removed"] = json!(true)),
        ("no transaction", |log| log["transactionHash"] = Value::Null),
    ];
    for (what, change) in changes {
        let change = *change;
        scene.proxy.change("eth_getLogs", move |logs| logs.as_array_mut().unwrap().iter_mut().for_each(change));
        let error = scene.orders().unwrap_err();
        assert!(matches!(error, LedgerError::FalseAnswer { .. }), "{what}: {error}");
    }
    scene.proxy.change("eth_getLogs", |logs| {
        let logs = logs.as_array_mut().unwrap();
        let first = logs.first().cloned();
        logs.extend(first);
    });
    assert!(matches!(scene.orders(), Err(LedgerError::FalseAnswer { .. })), "one log twice");
    scene.proxy.lie(|method, params, truth| {
        let mut answer = truth();
        if method == "eth_getBlockByNumber" && params[0] != "latest" {
            answer["result"]["number"] = json!("0x1");
        }
        Reply::Json(answer)
    });
    assert!(matches!(scene.orders(), Err(LedgerError::FalseAnswer { .. })), "another block than was asked for");
    scene.proxy.tell_the_truth();
    assert_eq!(scene.orders().unwrap(), 2);
}

#[test]
fn logs_that_are_kept_back_are_found_by_an_audit() {
    let scene = scene();
    let whole = scene.ledger.verify_log().unwrap();
    assert_eq!(whole, scene.ledger.events(0, usize::MAX).unwrap().len() as u64);
    // The attack: one order is not told of, and nothing shows.
    let started = "0xe1c4fa794edfa8f619b8257a077398950357b9c6398528f94480307352f9afcc";
    let hide = move |logs: &mut Value| {
        let logs = logs.as_array_mut().unwrap();
        let topics: Vec<_> = logs.iter().map(|log| log["topics"][0].as_str().unwrap_or_default().to_owned()).collect();
        let last = topics.iter().rposition(|topic| topic == started);
        if let Some(last) = last {
            logs.remove(last);
        }
    };
    scene.proxy.change("eth_getLogs", hide);
    let fewer = scene.orders().unwrap();
    assert_eq!(fewer, 1, "what does not look sees one order less");
    let error = scene.fresh().verify_log().unwrap_err();
    assert!(matches!(error, LedgerError::BrokenLog { .. }), "{error}");
    // Receipts that agree with it do not agree with the header.
    scene.proxy.lie(move |method, _, truth| {
        let mut answer = truth();
        match method {
            "eth_getLogs" => hide(&mut answer["result"]),
            "eth_getBlockReceipts" => {
                for receipt in answer["result"].as_array_mut().unwrap() {
                    receipt["logs"].as_array_mut().unwrap().retain(|log| log["topics"][0] != started);
                }
            }
            _ => {}
        }
        Reply::Json(answer)
    });
    let error = scene.fresh().verify_log().unwrap_err();
    assert!(error.to_string().contains("receipts are not what the header says"), "{error}");
    // A header that agrees with those has another hash.
    scene.proxy.change("eth_getBlockByNumber", |block| block["logsBloom"] = json!(format!("0x{}", "0".repeat(512))));
    let error = scene.fresh().verify_log().unwrap_err();
    assert!(error.to_string().contains("hash"), "{error}");
    scene.proxy.tell_the_truth();
    assert_eq!(scene.fresh().verify_log().unwrap(), whole);
}

#[test]
fn answers_that_are_too_long_late_or_garbled_end() {
    let scene = scene();
    scene.proxy.lie(|method, _, truth| if method == "eth_getLogs" { Reply::Endless } else { Reply::Json(truth()) });
    let start = Instant::now();
    let error = scene.orders().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout), "{error}");
    assert!(start.elapsed() < Duration::from_secs(90));
    scene.proxy.lie(|method, _, truth| match method {
        "eth_getLogs" => Reply::Silence(Duration::from_secs(5)),
        _ => Reply::Json(truth()),
    });
    assert_eq!(scene.orders().unwrap_err().kind(), ErrorKind::Timeout);
    for garbage in
        [&b"<html>no</html>"[..], b"", b"[]", b"{}", b"{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":[]}", b"null"]
    {
        scene.proxy.lie(move |method, _, truth| match method {
            "eth_getLogs" => Reply::Bytes(garbage.to_vec()),
            _ => Reply::Json(truth()),
        });
        let error = scene.orders().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{garbage:?}: {error}");
    }
    scene.proxy.lie(|_, _, _| Reply::Close);
    assert_eq!(scene.ledger.orders(scene.token, 0, 0, 9).unwrap_err().kind(), ErrorKind::Unreachable);
    scene.proxy.tell_the_truth();
    assert_eq!(scene.ledger.orders(scene.token, 0, 0, 9).unwrap().len(), 2, "and it goes on");
}

#[test]
fn a_node_that_limits_ranges_is_read_in_smaller_pages() {
    let scene = scene();
    scene.chain.mine(300);
    let pages = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pages);
    scene.proxy.lie(move |method, params, truth| {
        if method != "eth_getLogs" {
            return Reply::Json(truth());
        }
        let block = |name: &str| u64::from_str_radix(&params[0][name].as_str().unwrap()[2..], 16).unwrap();
        counted.fetch_add(1, Ordering::SeqCst);
        if block("toBlock") - block("fromBlock") > 20 {
            let error = json!({"code": -32005, "message": "query returned more than 10000 results"});
            // The id is that of the question, which only the real node knows here.
            let mut answer = truth();
            answer.as_object_mut().unwrap().remove("result");
            answer["error"] = error;
            return Reply::Json(answer);
        }
        Reply::Json(truth())
    });
    assert_eq!(scene.orders().unwrap(), 2);
    assert!(pages.load(Ordering::SeqCst) > 15);
    assert!(scene.fresh().events(0, usize::MAX).unwrap().len() > 5);
}

#[test]
fn a_description_must_be_what_its_hash_says() {
    let scene = scene();
    let mut client = scene.chain.client(&scene.owner);
    let mut set = |fields: Value| {
        let mut command = json!({"do": "setMetadata", "nft": scene.nft.to_string(), "ddo": "{}"});
        command.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        client.ask(command);
        scene.ledger.metadata(scene.nft)
    };
    assert_eq!(set(json!({"ddo": "{\"a\":1}"})).unwrap().unwrap().ddo, b"{\"a\":1}");
    let bad = [
        ("another hash", json!({"hash": format!("0x{}", "3".repeat(64))})),
        ("compressed, it says", json!({"flags": "0x01"})),
        ("encrypted, and nobody decrypts", json!({"flags": "0x02", "encrypted": "0x1234"})),
        ("flags of tomorrow", json!({"flags": "0x04"})),
    ];
    for (what, fields) in bad {
        let error = set(fields).unwrap_err();
        assert!(matches!(error, LedgerError::BadDescription { .. }), "{what}: {error}");
    }
    // Who has the key sets a decryptor.
    scene.ledger.set_decryptor(scene.nft, Arc::new(|data| Ok(data.iter().map(|byte| byte ^ 0x55).collect())));
    let hidden: Vec<u8> = b"{}".iter().map(|byte| byte ^ 0x55).collect();
    let read = set(json!({"flags": "0x02", "encrypted": format!("0x{}", hex::encode(hidden))})).unwrap().unwrap();
    assert_eq!(read.ddo, b"{}");
    let error = set(json!({"flags": "0x02", "encrypted": "0x00"})).unwrap_err();
    assert!(matches!(error, LedgerError::BadDescription { .. }), "{error}");
}

#[test]
fn an_account_without_money_is_told_so() {
    let scene = scene();
    let poor = Account::generate();
    scene.ledger.mint(&scene.owner, scene.token, poor.address(), Amount::ONE).unwrap();
    let error = scene.ledger.transfer(&poor, scene.token, scene.owner.address(), Amount::ONE).unwrap_err();
    assert!(matches!(error, LedgerError::InsufficientGas { account, .. } if account == poor.address()), "{error}");
    assert_eq!(error.kind(), ErrorKind::InsufficientBalance);
    assert!(error.hint().unwrap().contains(&poor.address().to_string()));
}

#[test]
fn a_crash_between_refund_and_revocation_pays_once() {
    let scene = scene();
    let Scene { ledger, owner, consumer, token, .. } = &scene;
    let held = || scene.fresh().balance_of(*token, consumer.address()).unwrap();
    let later = (ledger.now().unwrap() / EFFECTIVE_GRAIN + 5) * EFFECTIVE_GRAIN;
    assert_eq!(held(), Amount::whole(7));
    // The node is lost after the first transaction, which pays.
    let sent = Arc::new(AtomicUsize::new(0));
    scene.proxy.lie(move |method, _, truth| {
        if method == "eth_sendRawTransaction" && sent.fetch_add(1, Ordering::SeqCst) > 0 {
            return Reply::Close;
        }
        Reply::Json(truth())
    });
    assert_eq!(ledger.revoke_order(owner, *token, 0, 0, later, true).unwrap_err().kind(), ErrorKind::Timeout);
    scene.proxy.tell_the_truth();
    assert_eq!(held(), Amount::whole(8), "it was paid");
    assert_eq!(ledger.revocations(*token, 0, 0, 9).unwrap(), [], "and not revoked");
    let revoked = ledger.revoke_order(owner, *token, 0, 0, later, true).unwrap();
    assert!(revoked.refunded);
    assert_eq!(held(), Amount::whole(8), "it was paid once");
    // A gift of the same amount is no refund of another order.
    ledger.transfer(owner, *token, consumer.address(), Amount::ONE).unwrap();
    let error = ledger.revoke_order(owner, *token, 0, 1, later, true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InsufficientBalance, "{error}");
}

#[test]
fn an_answer_that_is_lost_loses_no_transaction() {
    let scene = scene();
    // The node takes the transaction, and its answer is lost.
    scene.proxy.lie(|method, _, truth| {
        let answer = truth();
        if method == "eth_sendRawTransaction" { Reply::Close } else { Reply::Json(answer) }
    });
    // It is looked for, and found.
    scene.ledger.transfer(&scene.consumer, scene.token, scene.owner.address(), Amount::ONE).unwrap();
    scene.proxy.tell_the_truth();
    // The next one has the next nonce.
    scene.ledger.transfer(&scene.consumer, scene.token, scene.owner.address(), Amount::ONE).unwrap();
    let held = scene.ledger.balance_of(scene.token, scene.consumer.address()).unwrap();
    assert_eq!(held, Amount::whole(5));
}

#[test]
fn an_order_whose_answer_is_lost_is_not_paid_twice() {
    let scene = scene();
    let Scene { ledger, consumer, token, .. } = &scene;
    let order = |commitment| ledger.order(consumer, *token, 0, TERMS, [commitment; 32]);
    let held = || scene.chain.ledger().balance_of(*token, consumer.address()).unwrap();
    // The node has it, and nobody hears of that.
    scene.proxy.lie(|method, _, truth| {
        let answer = truth();
        if method == "eth_sendRawTransaction" { Reply::Close } else { Reply::Json(answer) }
    });
    let found = order(3).unwrap();
    scene.proxy.tell_the_truth();
    assert_eq!((found.index, found.commitment, held()), (2, [3; 32], Amount::whole(6)), "it is looked for, and found");
    assert!(matches!(order(3), Err(LedgerError::DuplicateCommitment { .. })), "and it is known");
    // It waits to be mined for longer than the patience.
    scene.chain.ask(json!({"do": "automine", "on": false}));
    assert_eq!(order(4).unwrap_err().kind(), ErrorKind::Timeout);
    scene.chain.ask(json!({"do": "automine", "on": true}));
    scene.chain.mine(1);
    assert_eq!(order(4).unwrap().index, 3);
    assert_eq!(held(), Amount::whole(5));
    // It never reached the node: it is sent anew.
    scene.proxy.lie(|method, _, truth| match method {
        "eth_sendRawTransaction" => Reply::Close,
        _ => Reply::Json(truth()),
    });
    assert_eq!(order(5).unwrap_err().kind(), ErrorKind::Timeout, "nobody knows");
    scene.proxy.tell_the_truth();
    assert_eq!(order(5).unwrap().index, 4);
    assert_eq!(held(), Amount::whole(4));
}

#[test]
fn what_a_gateway_sends_twice_is_paid_once() {
    let scene = scene();
    // The transaction arrives, and arrives again: the node says that its nonce is too low.
    scene.proxy.lie(|method, _, truth| {
        let first = truth();
        Reply::Json(if method == "eth_sendRawTransaction" { truth() } else { first })
    });
    scene.ledger.order(&scene.consumer, scene.token, 0, TERMS, [3; 32]).unwrap();
    scene.ledger.transfer(&scene.consumer, scene.token, scene.owner.address(), Amount::ONE).unwrap();
    let held = scene.ledger.balance_of(scene.token, scene.consumer.address()).unwrap();
    assert_eq!(held, Amount::whole(5), "one for the order, one for the transfer");
}

#[test]
fn a_refund_that_is_not_final_yet_is_not_paid_again() {
    let scene = scene();
    let Scene { chain, owner, consumer, token, .. } = &scene;
    let options = OceanOptions {
        finality: Some(Finality::Blocks(3)),
        patience: Duration::from_millis(700),
        ..Default::default()
    };
    let deep = chain.ledger_with(options);
    chain.mine(5);
    let later = (deep.now().unwrap() / EFFECTIVE_GRAIN + 5) * EFFECTIVE_GRAIN;
    for _ in 0..3 {
        let error = deep.revoke_order(owner, *token, 0, 0, later, true).unwrap_err();
        assert!(matches!(error, LedgerError::NotConfirmed { .. }), "{error}");
    }
    assert_eq!(chain.ledger().balance_of(*token, consumer.address()).unwrap(), Amount::whole(8), "paid once");
    chain.mine(5);
    // Now the refund is final, and the revocation is sent, and waits.
    assert!(deep.revoke_order(owner, *token, 0, 0, later, true).is_err());
    chain.mine(5);
    let revoked = deep.revocations(*token, 0, 0, 9).unwrap();
    assert!(revoked.len() == 1 && revoked[0].refunded, "{revoked:?}");
    // Three at once refund another order once.
    let ledger = &scene.ledger;
    ledger.mint(owner, *token, owner.address(), Amount::whole(5)).unwrap();
    let done = std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..3).map(|_| scope.spawn(|| ledger.revoke_order(owner, *token, 0, 1, later, true).is_ok())).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).filter(|ok| *ok).count()
    });
    assert_eq!(done, 1);
    assert_eq!(chain.ledger().balance_of(*token, consumer.address()).unwrap(), Amount::whole(9));
}

#[test]
fn a_void_order_does_not_stand_in_the_way() {
    let scene = scene();
    let Scene { chain, ledger, owner, consumer, token, .. } = &scene;
    // It is mined when its offer is too old, and was paid for.
    let until = ledger.now().unwrap() + 30;
    let offer = OrderOffer::new(ledger.chain_id(), *token, 0, consumer.address(), [3; 32], TERMS);
    let offer = offer.sign(owner, Address::ZERO, Amount::ZERO, until).unwrap();
    chain.ask(json!({"do": "automine", "on": false}));
    assert_eq!(ledger.order_with(consumer, &offer).unwrap_err().kind(), ErrorKind::Timeout);
    chain.advance(3600);
    chain.ask(json!({"do": "automine", "on": true}));
    assert_eq!(ledger.balance_of(*token, consumer.address()).unwrap(), Amount::whole(6));
    assert_eq!(ledger.orders(*token, 0, 0, 9).unwrap().len(), 2, "it does not count");
    let order = ledger.order(consumer, *token, 0, TERMS, [3; 32]).unwrap();
    assert_eq!((order.index, order.commitment), (2, [3; 32]));
}

#[test]
fn a_node_that_was_wrong_once_is_found_out_and_forgotten() {
    let scene = scene();
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let cache = Some(folder.path().join("ocean.redb"));
        OceanLedger::connect(&scene.proxy.url, scene.chain.contracts(), OceanOptions { cache, ..Default::default() })
            .unwrap()
    };
    // It hides one order, once; and does not know the datatoken for one, once.
    let started = "0xe1c4fa794edfa8f619b8257a077398950357b9c6398528f94480307352f9afcc";
    scene.proxy.change("eth_getLogs", move |logs| {
        logs.as_array_mut().unwrap().retain(|log| log["topics"][0] != started);
    });
    let ledger = open();
    assert_eq!(ledger.orders(scene.token, 0, 0, 9).unwrap(), []);
    scene.proxy.tell_the_truth();
    assert_eq!(ledger.orders(scene.token, 0, 0, 9).unwrap(), [], "what was read is read");
    drop(ledger);
    let ledger = open();
    assert_eq!(ledger.orders(scene.token, 0, 0, 9).unwrap(), [], "and is kept");
    let error = ledger.verify_log().unwrap_err();
    assert!(error.to_string().contains("kept some back"), "{error}");
    assert!(ledger.orders(scene.token, 0, 0, 9).is_err());
    drop(ledger);
    let ledger = open();
    assert_eq!(ledger.orders(scene.token, 0, 0, 9).unwrap().len(), 2, "it is read anew");
    ledger.verify_log().unwrap();

    // Another owner of the NFT than the log has: an audit compares what logs say.
    let transfer = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
    scene.proxy.change("eth_getLogs", move |logs| {
        for log in logs.as_array_mut().unwrap() {
            if log["topics"][0] == transfer && log["topics"].as_array().unwrap().len() == 4 {
                log["topics"][2] = json!(format!("0x{}", "77".repeat(32)));
            }
        }
    });
    assert!(scene.fresh().verify_log().is_err());

    // A head that runs ahead and comes back.
    scene.proxy.tell_the_truth();
    let fresh = scene.fresh();
    fresh.orders(scene.token, 0, 0, 9).unwrap();
    scene.chain.mine(600);
    fresh.orders(scene.token, 0, 0, 9).unwrap();
    scene.proxy.lie(|method, params, truth| {
        let mut answer = truth();
        if method == "eth_getBlockByNumber" && params[0] == "latest" {
            answer["result"]["number"] = json!("0x10");
        }
        Reply::Json(answer)
    });
    assert!(matches!(fresh.orders(scene.token, 0, 0, 9), Err(LedgerError::FalseAnswer { .. })));
    // A datatoken that a node did not know for one is asked for again.
    scene.proxy.change("eth_call", |result| *result = json!(format!("0x{}", "0".repeat(64))));
    let fresh = scene.fresh_anyhow();
    assert!(fresh.as_ref().is_none_or(|fresh| fresh.order_terms(scene.token, 0).is_err()));
    scene.proxy.tell_the_truth();
    if let Some(fresh) = fresh {
        assert_eq!(fresh.order_terms(scene.token, 0).unwrap(), TERMS);
    }
}

#[test]
fn two_ledgers_send_for_one_account_at_once() {
    let scene = scene();
    let others = [scene.fresh(), scene.fresh()];
    std::thread::scope(|scope| {
        for ledger in &others {
            let (consumer, token, to) = (&scene.consumer, scene.token, scene.owner.address());
            scope.spawn(move || {
                for _ in 0..10 {
                    ledger.transfer(consumer, token, to, Amount::from_units(1)).unwrap();
                }
            });
        }
    });
    let held = scene.ledger.balance_of(scene.token, scene.consumer.address()).unwrap();
    assert_eq!(held, Amount::from_units(Amount::whole(7).units() - 20));
}
