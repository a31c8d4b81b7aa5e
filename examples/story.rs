//! The whole story once, on real data: an insurer publishes, researchers buy and order, and one of them asks a question
//! that the insurer cannot read and gets an answer that nobody else can.
//!
//! Data: the RAND Health Insurance Experiment (see `examples/data/README.md`).
//!
//! The ledger is one in a folder; or, where `SEALOCK_OCEAN_URL` and `SEALOCK_OCEAN_ADDRESSES` are set, Ocean Protocol's contracts
//! on a chain, with accounts whose secret keys are in `SEALOCK_OCEAN_KEYS` (`make demo-ocean`).

#[path = "data/records.rs"]
mod records;

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use records::{HEALTH, Records, schema};
use sealock::asset::{Table, Terms};
use sealock::ledger::ocean::{OceanLedger, OceanOptions};
use sealock::ledger::{Amount, EmbeddedLedger, Ledger};
use sealock::owner::Offer;
use sealock::policy::Policy;
use sealock::program::{Aggregation, Query, col, count, mean, secret};
use sealock::receipt::verify_chain;
use sealock::store::{IpfsConfig, IpfsStore, Store};
use sealock::time::SystemClock;
use sealock::{Account, ErrorKind, Exchange};

type Any<T> = Result<T, Box<dyn Error>>;

fn main() -> Any<()> {
    let folder = std::env::temp_dir().join(format!("sealock-story-{}", std::process::id()));
    let outcome = story(&folder);
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

fn story(folder: &Path) -> Any<()> {
    let clock = Steps::default();
    let records = Records::read()?;

    let mut world = World::of_environment()?;
    clock.step("An exchange opens: a ledger, and an IPFS node on loopback.");
    let desk = IpfsStore::open(folder.join("desk"), &IpfsConfig::new())?;
    let exchange = Exchange::local_on(folder, desk.clone(), world.ledger(folder)?)?;
    let market = world.account()?;
    let ocean = exchange.ledger().deploy_token(&market, "Ocean", "OCEAN", Amount::whole(1_000_000))?;
    let secret_key = world.account()?.expose_secret_bytes();
    let insurer = exchange.owner(Account::from_secret_bytes(&secret_key)?)?;
    let ledger = exchange.ledger();
    clock.done(&[
        world.name().into(),
        format!("chain {}, ledger {}; to pay with: token {ocean}", ledger.chain_id(), ledger.address()),
        "the insurer makes the key that access proofs are made with; its secret part is forgotten".into(),
    ]);

    clock.step("The insurer publishes its table: encrypts it, stores it, mints a data NFT and datatokens.");
    let table = Table::from_batches(schema()?, [records.batch()?])?;
    let policy = Policy::deny_all()
        .dimensions(["health", "cost_share", "chronic"])
        .measures(["visits"])
        .aggregations([Aggregation::Count, Aggregation::Mean])
        .any_program()
        .min_group_size(5)
        .purpose("public health research");
    let terms = Terms::fixed(ocean, Amount::whole(2)).uses_per_order(3).valid_for(30 * 86_400);
    let offer = Offer::new("RAND Health Insurance Experiment", &table, policy, terms)
        .description("Outpatient visits per person and year, with health, cost sharing and chronic diseases.")
        .author("RAND Corporation")
        .license("public domain")
        .tags(["health", "insurance"]);
    let published = insurer.publish(&offer)?;
    let asset = published.asset;
    clock.done(&[
        format!("{} rows, {} bytes in the store, as ciphertext", table.len(), published.sealed_bytes),
        format!("{}, NFT {}", asset.did(), asset.service().nft),
        format!("groups smaller than 5: {} rows withheld", published.suppression.suppressed_rows),
        "the store learns sizes; the ledger learns who published, the columns, the price and the policy".into(),
    ]);

    clock.step(
        "The insurer's compute node, another node of the network, fetches the asset over QUIC. The first one stops.",
    );
    let rack = IpfsStore::open(folder.join("rack"), &IpfsConfig::new())?;
    let address = desk.addresses()?.into_iter().find(|a| a.contains("quic")).ok_or("the node does not speak QUIC")?;
    rack.connect(&address)?;
    let mut fetched = 0;
    for root in asset.roots() {
        let _adding = rack.adding()?;
        let mut bytes = 0;
        rack.fetch(&root, &mut |step| {
            bytes = step.done;
            ControlFlow::Continue(())
        })?;
        rack.pin(&root)?;
        fetched += bytes;
    }
    drop((insurer, exchange, desk));
    let exchange = Exchange::local_on(folder, rack, world.ledger(folder)?)?;
    let insurer = exchange.owner(Account::from_secret_bytes(&secret_key)?)?;
    clock.done(&[format!("{fetched} bytes, each block checked against its CID"), "peers learn CIDs and sizes".into()]);

    clock.step("Four researchers buy a datatoken each and order. Each order carries a commitment to a fresh secret.");
    let (mut researchers, mut transactions) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        let consumer = exchange.consumer(world.account()?)?;
        // Two for the datatoken, and something for the fees that a chain's contracts may take.
        exchange.ledger().mint(&market, ocean, consumer.address(), Amount::whole(3))?;
        transactions.push(format!("{} bought in transaction {}", consumer.address(), consumer.buy(&asset, 1)?.tx));
        let order = consumer.order(&asset)?;
        researchers.push((consumer, order));
    }
    transactions.push("the ledger learns who paid, and when".into());
    clock.done(&transactions);

    clock.step("One of them asks: mean and count of visits by health, of people whose cost sharing and chronic diseases are secret.");
    let (_, order) = &researchers[2];
    let query = Query::select([mean("visits"), count()])
        .filter(col("cost_share").is_in(secret(["25-50%", "95-100%"])) & col("chronic").ge(secret(10)))
        .group_by(["health"]);
    let ticket = order.request(&query)?;
    let request = ticket.request().to_bytes()?;
    clock.done(&[
        format!(
            "the request has {} bytes: the program without its literals, the encrypted literals, the proof",
            request.len()
        ),
        "the proof says that one of the four orders is used, not which".into(),
    ]);

    clock.step("The insurer's node admits the job, computes and releases.");
    let node = insurer.node();
    let grant = node.admit_bytes(&request)?;
    let computed = node.compute(grant)?;
    let (result, receipt) = node.release(computed)?;
    clock.done(&[
        format!("the sealed result has {} bytes", result.to_bytes()?.len()),
        "the node learns the program's shape; not who asked, not the literals, not the answer".into(),
    ]);

    clock.step("The researcher checks the receipt and opens the answer.");
    let answer = ticket.open(&result, &receipt)?;
    clock.done(&[]);
    println!("{answer}\n");
    let expected = records.plain_answer();
    let groups = answer.group("health").ok_or("the answer is grouped by health")?;
    let means = answer.numbers("mean(visits)").ok_or("the answer has a mean")?.to_f64();
    let counts = answer.numbers("count").ok_or("the answer has a count")?.to_f64();
    println!("   computed on the plaintext, without any of this:");
    let mut equal = true;
    for (row, (group, (visits, people))) in HEALTH.iter().zip(expected).enumerate() {
        let plain = visits as f64 / people as f64;
        println!("   {group:<10} mean {plain:.6}  count {people}");
        equal &=
            groups[row].as_deref() == Some(*group) && counts[row] == Some(people as f64) && means[row] == Some(plain);
    }
    if !equal {
        return Err("the answer differs from the plaintext answer".into());
    }
    println!("   The answer is the plaintext answer.\n");

    clock.step("A job that the policy does not allow: the total of visits by cost sharing.");
    let greedy = Query::select([sealock::program::sum("visits")]).group_by(["cost_share"]);
    let local = order.request(&greedy).err().ok_or("the consumer's own check lets it through")?;
    println!("   the researcher's own check, before anything is spent: {local}");
    let forced = order.request_without_policy_check(&greedy)?;
    let refused = node.run(forced.request().clone()).err().ok_or("the node lets it through")?;
    println!("   the node, to one who skips the check: {refused}");
    let log = node.refusals();
    println!("   the insurer's log: {}", log.last().map_or("", |r| r.reason.as_str()));
    clock.done(&["the use was not spent: a refused request costs nothing".into()]);
    if refused.kind() != ErrorKind::Rejected || log.last().map(|r| r.kind) != Some(ErrorKind::PolicyDenied) {
        return Err("the refusal is not the policy's".into());
    }

    clock.step("A replay: the use that paid for the first question is to pay for a second.");
    let second = Query::select([count()]).filter(col("chronic").lt(secret(5)));
    let replay = order.request_use(&second, 0)?;
    let refused = node.run(replay.request().clone()).err().ok_or("the node lets the replay through")?;
    println!("   the node: {refused}");
    let log = node.refusals();
    println!("   the insurer's log: {}", log.last().map_or("", |r| r.reason.as_str()));
    if log.last().map(|r| r.kind) != Some(ErrorKind::NullifierSpent) {
        return Err("the refusal is not the nullifier's".into());
    }
    let (again, _) = node.run(ticket.request().clone())?;
    if again != result {
        return Err("the same request again does not give the same result".into());
    }
    clock
        .done(&["the first request again, as after a lost connection, gives the same result and costs nothing".into()]);

    verify_chain(insurer.address(), &node.receipts()?)?;
    println!("The insurer's {} receipt(s) verify. Done.", node.receipts()?.len());
    Ok(())
}

/// Which ledger the story is told on.
enum World {
    Folder,
    Ocean { url: String, addresses: String, keys: Vec<String> },
}

impl World {
    fn of_environment() -> Any<Self> {
        let Ok(url) = std::env::var("SEALOCK_OCEAN_URL") else { return Ok(World::Folder) };
        let addresses = std::fs::read_to_string(std::env::var("SEALOCK_OCEAN_ADDRESSES")?)?;
        let keys = std::env::var("SEALOCK_OCEAN_KEYS")?.split(',').map(str::to_owned).collect();
        Ok(World::Ocean { url, addresses, keys })
    }

    fn name(&self) -> &'static str {
        match self {
            World::Folder => "a ledger in a folder, no chain, no service",
            World::Ocean { .. } => "Ocean Protocol's contracts on a chain",
        }
    }

    fn ledger(&self, folder: &Path) -> Any<Arc<dyn Ledger>> {
        Ok(match self {
            World::Folder => {
                std::fs::create_dir_all(folder)?;
                Arc::new(EmbeddedLedger::open(folder.join("ledger.redb"), Arc::new(SystemClock))?)
            }
            World::Ocean { url, addresses, .. } => {
                std::fs::create_dir_all(folder)?;
                let options = OceanOptions { cache: Some(folder.join("ocean.redb")), ..OceanOptions::default() };
                Arc::new(OceanLedger::connect_with_json(url, addresses, options)?)
            }
        })
    }

    /// An account; on a chain, one that can pay for gas.
    fn account(&mut self) -> Any<Account> {
        match self {
            World::Folder => Ok(Account::generate()),
            World::Ocean { keys, .. } => {
                let key = hex::decode(keys.pop().ok_or("there are too few accounts")?)?;
                Ok(Account::from_secret_bytes(key.as_slice().try_into()?)?)
            }
        }
    }
}

/// Numbers the steps and times them.
#[derive(Default)]
struct Steps(std::cell::RefCell<(u32, Option<Instant>)>);

impl Steps {
    fn step(&self, what: &str) {
        let mut state = self.0.borrow_mut();
        state.0 += 1;
        println!("{}. {what}", state.0);
        state.1 = Some(Instant::now());
    }

    fn done(&self, notes: &[String]) {
        let elapsed = self.0.borrow().1.map(|t| t.elapsed());
        for note in notes {
            println!("   {note}");
        }
        if let Some(elapsed) = elapsed {
            println!("   {:.2} s\n", elapsed.as_secs_f64());
        }
    }
}
