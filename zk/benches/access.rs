//! Times of proving, verifying and checking keys at depth 20, on one thread; those of checking also on two.
//!
//! `cargo bench --workspace --bench access --profile dev` prints the median of several runs, in milliseconds.

use std::{
    hint::black_box,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use ark_bn254::Fr;
use light_poseidon::{Poseidon, PoseidonHasher};
use rayon::prelude::*;
use sealock_zk::{
    Claim, Credential, IdentitySecret, KeyBundle, Keys, LeanImt, MerkleProof, Proof, ProvingKey, Scalar, Statement,
    Witness, check_setup,
    circuit::constraints,
    os_rng, prove,
    rng::{SeedableRng, StdRng},
    setup, verify, verify_batch,
};

const DEPTH: usize = 20;
const ORDERS: u64 = 1000;

fn main() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
    let bundle = pool(1).install(run);
    println!("the same, two threads");
    pool(2).install(|| check(&bundle));
    println!("a group of 2^{DEPTH} orders, all threads, and light-poseidon 0.5 on as many");
    rebuild();
    println!("proving at depth {DEPTH}, all threads, in turns");
    against_peers(&bundle);
}

/// Proving here and with the provers of `zk/benches/peers`, which `make bench` builds: other circuits of the same depth and
/// hash, so that a constraint is what compares. Ours also checks the statement first and verifies the proof last.
fn against_peers(bundle: &[u8]) {
    let program = std::env::current_exe().expect("this program has a path");
    // …/target/debug/deps/access-…
    let program = program.ancestors().nth(3).expect("a target folder").join("proof-peers/release/proof-peers");
    let Ok(mut peers) = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
        println!("not measured: there are no peers at {}", program.display());
        return;
    };
    let mut ask = peers.stdin.take().expect("it is piped");
    let mut answers = BufReader::new(peers.stdout.take().expect("it is piped")).lines();
    let order = Order::new(&mut StdRng::seed_from_u64(1));
    let bundle = KeyBundle::from_bytes(bundle).expect("an honest bundle");
    let key = ProvingKey::from_pinned_bytes(&bundle.to_bytes(), &bundle.digest()).expect("the pinned key");
    let mut rng = StdRng::seed_from_u64(2);
    order.prove(&key, &mut rng);

    const RUNS: usize = 5;
    let mut sides = [("ours", Vec::new(), constraints(DEPTH)), ("rln", Vec::new(), 0), ("semaphore", Vec::new(), 0)];
    for _ in 0..4 {
        for (name, times, size) in &mut sides {
            if *name == "ours" {
                times.extend((0..RUNS).map(|_| {
                    let start = Instant::now();
                    order.prove(&key, &mut rng);
                    start.elapsed().as_secs_f64() * 1e3
                }));
                continue;
            }
            writeln!(ask, "{name} {RUNS}").expect("the peer listens");
            let answer = answers.next().expect("the peer answers").expect("a line");
            let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
            *size = answer["constraints"].as_u64().expect("a number") as usize;
            times.extend(answer["milliseconds"].as_array().expect("a list").iter().filter_map(|time| time.as_f64()));
        }
    }
    drop(ask);
    peers.wait().expect("it ends with its input");
    let each = sides.map(|(name, mut times, size)| {
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let what = match name {
            "ours" => "ours, with its verification",
            "rln" => "rln 3.0",
            _ => "semaphore-rs 0.6",
        };
        let each = median * 1e3 / size as f64;
        println!("{what:<28}{median:>10.2} ms {size:>8} constraints {each:>8.2} us each");
        each
    });
    println!("{:<28}{:>10.2}", "rln / ours, per constraint", each[1] / each[0]);
    println!("{:<28}{:>10.2}", "semaphore-rs / ours", each[2] / each[0]);
}

/// Rebuilding the largest group that the key has room for, and as many hashes of light-poseidon's, in turns.
fn rebuild() {
    let leaves: Vec<_> = (1..=1u64 << DEPTH).map(Scalar::from).collect();
    let hashes = leaves.len() - 1;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let start = Instant::now();
        let mut group = LeanImt::with_max_depth(DEPTH).expect("a depth that exists");
        group.insert_many(&leaves).expect("new leaves");
        black_box(group.root());
        ours.push(start.elapsed());
        let start = Instant::now();
        (0..rayon::current_num_threads()).into_par_iter().for_each(|thread| {
            let mut hasher = Poseidon::<Fr>::new_circom(2).expect("circomlib has two inputs");
            let mut state = Fr::from(thread as u64);
            for _ in 0..hashes.div_ceil(rayon::current_num_threads()) {
                state = hasher.hash(&[state, state]).expect("two inputs");
            }
            black_box(state);
        });
        theirs.push(start.elapsed());
    }
    ours.sort();
    theirs.sort();
    report("rebuild the group", ours[1]);
    report("light-poseidon, its hashes", theirs[1]);
    println!("{:<28}{:>10.2}", "light-poseidon / ours", theirs[1].as_secs_f64() / ours[1].as_secs_f64());
}

/// What a consumer does once per key.
fn check(bundle: &[u8]) {
    measure("decode key bundle", 5, || KeyBundle::from_bytes(bundle).expect("an honest bundle"));
    let bundle = KeyBundle::from_bytes(bundle).expect("an honest bundle");
    measure("check key bundle", 5, || check_setup(&bundle, &mut os_rng()).expect("an honest bundle"));
}

/// Gives the bytes of a key bundle.
fn run() -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(1);
    println!("access proof, depth {DEPTH}, {} constraints, one thread", constraints(DEPTH));

    let start = Instant::now();
    let Keys { bundle, proving_key: key, verifying_key } = setup(DEPTH, &mut rng).expect("a depth that exists");
    report("setup", start.elapsed());

    let bundle = bundle.to_bytes();
    println!("{:<28}{:>10} bytes", "key bundle", bundle.len());
    let digest = key.digest();
    measure("load checked key", 9, || ProvingKey::from_pinned_bytes(&bundle, &digest).expect("the pinned key"));
    check(&bundle);

    let start = Instant::now();
    let order = Order::new(&mut rng);
    report(&format!("add {ORDERS} orders at once"), start.elapsed());
    let start = Instant::now();
    let (statement, proof) = order.prove(&key, &mut rng);
    report("first proof under a key", start.elapsed());
    measure("prove", 9, || order.prove(&key, &mut rng));

    measure("verify", 21, || verify(&verifying_key, &statement, &proof).expect("an honest proof"));
    for count in [2, 4, 16, 64] {
        let proofs = vec![(&statement, &proof); count];
        let of_one = || verify_batch(&verifying_key, &proofs, &mut os_rng()).expect("honest proofs");
        let time = median(5, of_one) / count as u32;
        report(&format!("verify, each of {count}"), time);
    }
    let bytes = proof.to_bytes();
    println!("{:<28}{:>10} bytes", "proof", bytes.len());
    measure("decode proof", 21, || Proof::from_bytes(&bytes).expect("an honest proof"));
    bundle
}

/// One of [`ORDERS`] orders.
struct Order {
    secret: IdentitySecret,
    credential: Credential,
    membership: MerkleProof,
}

impl Order {
    fn new(rng: &mut StdRng) -> Self {
        let secret = IdentitySecret::generate(rng);
        let credential = Credential { asset: Scalar::from(1), limit: 10, expiry: 2_000_000_000 };
        let mut group = LeanImt::new();
        let place = group.insert(credential.leaf(secret.commitment())).expect("a new leaf");
        group.insert_many(&(1..ORDERS).map(Scalar::from).collect::<Vec<_>>()).expect("new leaves");
        let membership = group.proof(place).expect("our leaf");
        Self { secret, credential, membership }
    }

    fn prove(&self, key: &ProvingKey, rng: &mut StdRng) -> (Statement, Proof) {
        let Self { secret, credential, membership } = self;
        let root = membership.root();
        let claim = Claim { root, message: Scalar::from(2), scope: Scalar::from(3), now: 1_900_000_000 };
        let witness = Witness { secret, credential, use_index: 0, membership };
        prove(key, &claim, &witness, rng).expect("an order that is granted")
    }
}

/// Prints the median time of `runs` calls.
fn measure<T>(name: &str, runs: usize, call: impl FnMut() -> T) {
    report(name, median(runs, call));
}

fn median<T>(runs: usize, mut call: impl FnMut() -> T) -> Duration {
    let mut times: Vec<_> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            black_box(call());
            start.elapsed()
        })
        .collect();
    times.sort();
    times[runs / 2]
}

fn report(name: &str, time: Duration) {
    println!("{name:<28}{:>10.2} ms", time.as_secs_f64() * 1e3);
}
