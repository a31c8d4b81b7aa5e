//! Proving Semaphore's circuit at depth 20 under the ceremony's key, here and in snarkjs, in turns on one machine.
//!
//! `cargo bench --workspace --bench semaphore --profile dev` prints medians in milliseconds, and the ratio. Both sides
//! use all cores that they can; both start with the files read, and end with a proof. Ours verifies it besides.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use sealock_zk::{
    LeanImt, Scalar,
    rng::{SeedableRng, StdRng},
    semaphore::{Identity, ProvingKey, Signal, VerifyingKey, prove, verify},
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

#[path = "../tests/support/keys.rs"]
mod keys;
#[path = "../../core/tests/support/peers.rs"]
mod peers;
use peers::Peer;

const DEPTH: usize = 20;
const MEMBERS: u64 = 1000;

/// Each side's turns, and its proofs in a turn.
const TURNS: usize = 4;
const RUNS: usize = 5;

fn main() {
    println!("Semaphore v4, depth {DEPTH}, key of the ceremony, {} cores", cores());
    let bytes = keys::artifact(DEPTH, "zkey");
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    println!("{:<36}{:>10} bytes", "key file", bytes.len());
    let from_zkey = || ProvingKey::from_zkey(&bytes).expect("the ceremony's key");
    report("load key, all points checked", median(3, from_zkey));
    report("load pinned key", median(9, || ProvingKey::from_pinned_zkey(&bytes, &digest).expect("the pinned key")));
    let key = from_zkey();

    let mut rng = StdRng::seed_from_u64(1);
    let identity = Identity::from_private_key("benchmark");
    let mut group = LeanImt::new();
    group.insert_many(&(1..MEMBERS).map(Scalar::from).collect::<Vec<_>>()).expect("new leaves");
    let place = group.insert(identity.commitment()).expect("a new leaf");
    let path = group.proof(place).expect("our leaf");
    let decimal = |leaf: &Scalar| Signal::from_bytes(leaf.to_bytes()).to_string();
    let members: Vec<_> = group.leaves().iter().map(decimal).collect();
    let command = json!({"do": "prove", "key": "benchmark", "members": members, "depth": DEPTH, "runs": RUNS});

    let mut snarkjs = Peer::script("bench.mjs");
    let (mut ours, mut theirs, mut last) = (Vec::new(), Vec::new(), None);
    for turn in 0..=TURNS {
        let mut times = Vec::new();
        for _ in 0..RUNS {
            let start = Instant::now();
            let proof = prove(&key, &identity, &path, Signal::from(1), Signal::from(2), &mut rng).expect("a member");
            times.push(start.elapsed());
            last = Some(proof);
        }
        let answer = snarkjs.ask(command.clone());
        let milliseconds = answer["milliseconds"].as_array().expect("a list").iter().filter_map(|time| time.as_f64());
        // Neither side has warmed up in the first turn.
        if turn > 0 {
            ours.extend(times);
            theirs.extend(milliseconds.map(|time| Duration::from_secs_f64(time / 1e3)));
        }
    }
    let (ours, theirs) = (middle(ours), middle(theirs));
    report("prove", ours);
    report("prove, snarkjs 0.7.6", theirs);
    println!("{:<36}{:>10.2}", "snarkjs / ours", theirs.as_secs_f64() / ours.as_secs_f64());
    let proof = last.expect("at least one run");
    report("verify", median(21, || verify(key.verifying_key(), &proof).expect("an honest proof")));
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The median time of `runs` calls.
fn median<T>(runs: usize, mut call: impl FnMut() -> T) -> Duration {
    let times = (0..runs).map(|_| {
        let start = Instant::now();
        black_box(call());
        start.elapsed()
    });
    middle(times.collect())
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn report(name: &str, time: Duration) {
    println!("{name:<36}{:>10.2} ms", time.as_secs_f64() * 1e3);
}
