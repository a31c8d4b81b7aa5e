//! Times of proving, verifying and loading keys at depth 20, on one thread.
//!
//! `cargo bench --workspace --bench access --profile dev` prints the median of several runs, in milliseconds.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use sealock_zk::{
    Claim, Credential, IdentitySecret, LeanImt, Proof, ProvingKey, Scalar, Witness,
    circuit::constraints,
    prove,
    rng::{SeedableRng, StdRng},
    setup, verify,
};

const DEPTH: usize = 20;
const ORDERS: u64 = 1000;

fn main() {
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool of one thread");
    one_thread.install(run);
}

fn run() {
    let mut rng = StdRng::seed_from_u64(1);
    println!("access proof, depth {DEPTH}, {} constraints, one thread", constraints(DEPTH));

    let start = Instant::now();
    let (key, verifying_key) = setup(DEPTH, &mut rng).expect("a depth that exists");
    report("setup", start.elapsed());

    let bytes = key.to_bytes();
    println!("{:<28}{:>10} bytes", "proving key", bytes.len());
    let digest = key.digest();
    measure("load pinned key", 9, || ProvingKey::from_pinned_bytes(&bytes, &digest).expect("the pinned key"));
    measure("load key, all points checked", 3, || ProvingKey::from_bytes(&bytes).expect("a well-formed key"));

    let secret = IdentitySecret::generate(&mut rng);
    let credential = Credential { asset: Scalar::from(1), limit: 10, expiry: 2_000_000_000 };
    let others: Vec<_> = (1..ORDERS).map(Scalar::from).collect();
    let mut group = LeanImt::new();
    let place = group.insert(credential.leaf(secret.commitment())).expect("a new leaf");
    let start = Instant::now();
    group.insert_many(&others).expect("new leaves");
    report(&format!("add {ORDERS} orders at once"), start.elapsed());

    let membership = group.proof(place).expect("our leaf");
    let root = group.root().expect("a group with leaves");
    let claim = Claim { root, message: Scalar::from(2), scope: Scalar::from(3), now: 1_900_000_000 };
    let witness = Witness { secret: &secret, credential: &credential, use_index: 0, membership: &membership };
    let start = Instant::now();
    let (statement, proof) = prove(&key, &claim, &witness, &mut rng).expect("an order that is granted");
    report("first proof under a key", start.elapsed());
    measure("prove", 9, || prove(&key, &claim, &witness, &mut rng).expect("an order that is granted"));

    measure("verify", 21, || verify(&verifying_key, &statement, &proof).expect("an honest proof"));
    let bytes = proof.to_bytes();
    println!("{:<28}{:>10} bytes", "proof", bytes.len());
    measure("decode proof", 21, || Proof::from_bytes(&bytes).expect("an honest proof"));
}

/// Prints the median time of `runs` calls.
fn measure<T>(name: &str, runs: usize, mut call: impl FnMut() -> T) {
    let mut times: Vec<_> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            black_box(call());
            start.elapsed()
        })
        .collect();
    times.sort();
    report(name, times[runs / 2]);
}

fn report(name: &str, time: Duration) {
    println!("{name:<28}{:>10.2} ms", time.as_secs_f64() * 1e3);
}
