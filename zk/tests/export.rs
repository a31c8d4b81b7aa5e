//! Access proofs before verifiers that share no code with this crate: snarkjs, and a contract.

use std::sync::LazyLock;

use sealock_zk::{
    Claim, Credential, IdentitySecret, Keys, LeanImt, Proof, ProvingKey, Scalar, Statement, Witness, prove,
    rng::{SeedableRng as _, StdRng},
    setup, verify,
};
use serde_json::{Value, json};

#[path = "../../core/tests/support/peers.rs"]
mod peers;
use peers::Peer;

static KEYS: LazyLock<Keys> = LazyLock::new(|| setup(6, &mut StdRng::seed_from_u64(500)).unwrap());

/// p and q, the orders of scalars and of coordinates.
const P: &str = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";
const Q: &str = "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47";

fn proved() -> (Statement, Proof) {
    proved_under(&KEYS.proving_key)
}

fn proved_under(key: &ProvingKey) -> (Statement, Proof) {
    let mut rng = StdRng::seed_from_u64(501);
    let secret = IdentitySecret::generate(&mut rng);
    let credential = Credential { asset: Scalar::from(1), limit: 3, expiry: 2_000_000_000 };
    let mut group = LeanImt::new();
    group.insert_many(&(10..40).map(Scalar::from).collect::<Vec<_>>()).unwrap();
    let place = group.insert(credential.leaf(secret.commitment())).unwrap();
    let field = |part: &[u8]| Scalar::hash("sealock/v1/test", &[part]);
    let root = group.root().unwrap();
    let claim = Claim { root, message: field(b"message"), scope: field(b"scope"), now: 1_900_000_000 };
    let membership = group.proof(place).unwrap();
    let witness = Witness { secret: &secret, credential: &credential, use_index: 2, membership: &membership };
    prove(key, &claim, &witness, &mut rng).unwrap()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn snarkjs_accepts_access_proofs_and_no_other_statement() {
    let (statement, proof) = proved();
    let mut snarkjs = Peer::script("snarkjs.mjs");
    let mut accepts = |inputs: Value, proof: Value| {
        let command =
            json!({"do": "verify", "key": parsed(&KEYS.verifying_key.to_snarkjs()), "public": inputs, "proof": proof});
        snarkjs.ask(command)["accepted"].as_bool().unwrap()
    };
    let (inputs, points) = (parsed(&statement.to_snarkjs()), parsed(&proof.to_snarkjs()));
    assert!(accepts(inputs.clone(), points.clone()));
    for i in 0..5 {
        let mut other = inputs.clone();
        other[i] = "1".into();
        assert!(!accepts(other, points.clone()), "input {i}");
    }
    let mut other = points.clone();
    other["pi_c"] = other["pi_a"].clone();
    assert!(!accepts(inputs, other));
}

/// Adds two numbers of 32 bytes, without carry beyond.
fn plus(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut sum: Vec<u8> = a
        .iter()
        .zip(b)
        .rev()
        .map(|(a, b)| {
            let digit = u16::from(*a) + u16::from(*b) + carry;
            carry = digit >> 8;
            digit as u8
        })
        .collect();
    assert_eq!(carry, 0, "the sum has 256 bits");
    sum.reverse();
    sum
}

/// A contract on a chain of its own.
struct Contract {
    evm: Peer,
    address: Value,
}

/// Number of words in a call, behind the selector: A, B, C, and five inputs.
const WORDS: usize = 8 + 5;

impl Contract {
    fn deploy() -> Self {
        let mut evm = Peer::script("evm.mjs");
        let source = KEYS.verifying_key.to_solidity("AccessVerifier").unwrap();
        let deployed = evm.ask(json!({"do": "deploy", "source": source, "name": "AccessVerifier"}));
        println!("the contract has {} bytes", deployed["bytes"]);
        Self { evm, address: deployed["address"].clone() }
    }

    fn try_call(&mut self, data: &[u8]) -> Result<(Vec<u8>, u64), String> {
        let data = format!("0x{}", hex::encode(data));
        let answer = self.evm.try_ask(&json!({"do": "call", "to": self.address, "data": data}))?;
        let output = answer["output"].as_str().unwrap().strip_prefix("0x").unwrap();
        Ok((hex::decode(output).unwrap(), answer["gas"].as_u64().unwrap()))
    }

    /// Whether the contract accepts, and the gas that this took.
    fn call(&mut self, data: &[u8]) -> (bool, u64) {
        let (output, gas) = self.try_call(data).unwrap();
        let (last, zeros) = output.split_last().unwrap();
        assert!(output.len() == 32 && zeros.iter().all(|byte| *byte == 0) && *last <= 1, "not a bool: {output:?}");
        (*last == 1, gas)
    }

    fn accepts(&mut self, data: &[u8]) -> bool {
        self.call(data).0
    }
}

/// A call with one word changed.
fn with_word(data: &[u8], word: usize, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let at = 4 + 32 * word;
    [&data[..at], &change(&data[at..at + 32]), &data[at + 32..]].concat()
}

#[test]
fn the_contract_accepts_what_we_accept_and_nothing_else() {
    let mut contract = Contract::deploy();
    let (statement, proof) = proved();
    let data = proof.to_evm_calldata(&statement);
    assert_eq!(data.len(), 4 + 32 * WORDS);
    let (accepted, gas) = contract.call(&data);
    println!("verifying takes {gas} gas, without the transaction and its data");
    assert!(accepted);
    assert!((190_000..240_000).contains(&gas), "{gas} gas; four pairings and five multiplications take 212,000");

    // Each number of the call, changed in its lowest bit, in its highest, and by the order of its field: with the last,
    // an input would be the same element under a second name.
    let one = [vec![0; 31], vec![1]].concat();
    for word in 0..WORDS {
        let order = hex::decode(if word < 8 { Q } else { P }).unwrap();
        let flip = |at: usize, bit: u8| {
            move |number: &[u8]| {
                let mut number = number.to_vec();
                number[at] ^= bit;
                number
            }
        };
        assert!(!contract.accepts(&with_word(&data, word, flip(31, 1))), "word {word}");
        assert!(!contract.accepts(&with_word(&data, word, flip(0, 0x80))), "word {word}");
        assert!(!contract.accepts(&with_word(&data, word, |number| plus(number, &order))), "word {word} and the order");
        assert!(!contract.accepts(&with_word(&data, word, |_| vec![0; 32])), "word {word} zero");
        assert!(!contract.accepts(&with_word(&data, word, |_| one.clone())), "word {word} one");
        assert!(!contract.accepts(&with_word(&data, word, |_| vec![0xff; 32])), "word {word} largest");
    }
    // The identity in place of A, B and C, which the precompiles would take.
    for (from, to) in [(0, 2), (2, 6), (6, 8)] {
        let identity = (from..to).fold(data.clone(), |data, word| with_word(&data, word, |_| vec![0; 32]));
        assert!(!contract.accepts(&identity), "words {from} to {to}");
    }
    // A call that is cut off reverts, and so does one of another function.
    assert!(contract.try_call(&data[..data.len() - 1]).is_err());
    assert!(contract.try_call(&[&[0; 4], &data[4..]].concat()).is_err());
}

#[test]
fn the_contract_knows_its_key() {
    let mut contract = Contract::deploy();
    // KEY_DIGEST()
    let (digest, _) = contract.try_call(&[0xd4, 0xab, 0x8b, 0x76]).unwrap();
    assert_eq!(digest, KEYS.verifying_key.digest());
    let other = setup(6, &mut StdRng::seed_from_u64(502)).unwrap();
    let (statement, proof) = proved_under(&other.proving_key);
    assert_eq!(verify(&other.verifying_key, &statement, &proof), Ok(()));
    assert!(!contract.accepts(&proof.to_evm_calldata(&statement)));
}
