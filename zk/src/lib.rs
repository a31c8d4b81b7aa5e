//! Anonymous, rate-limited access proofs.
//!
//! # Who the parties are
//!
//! * The **consumer** bought access to an asset. It holds an [`IdentitySecret`] and publishes only the secret's
//!   commitment, inside its order.
//! * The **owner** of the asset sells orders, keeps the group of all orders of the asset as a [`LeanImt`] (anybody can
//!   rebuild it from the ledger), makes the keys ([`setup()`]) and verifies proofs.
//! * The **ledger** shows who ordered what, with which limit of uses and which expiry.
//!
//! # What each learns
//!
//! A proof convinces the owner that *some* order of the group allows this use: the prover knows the secret of an order,
//! the order has not expired, and the use is below its limit. The owner learns the [`Statement`] and nothing else: not
//! which order it was, and not whether two uses belong to the same order. It learns when one use is presented twice,
//! because the nullifier is then the same. The consumer learns nothing about other orders beyond the public group.
//!
//! Two things limit this promise. Anonymity is within the group: a group of one or two orders hides nobody
//! ([`SMALLEST_ANONYMOUS_GROUP`]). And the keys come from the owner: a proof made under a key that the owner built
//! dishonestly can fail for some orders and not for others, which tells them apart. So there is no proving under a key
//! before [`check_setup()`] has found it to be what the circuit says; see [`check`] for what that proves.
//!
//! # The papers
//!
//! * Groth, *On the Size of Pairing-based Non-interactive Arguments*, EUROCRYPT 2016,
//!   <https://eprint.iacr.org/2016/260>: the proof system, over the curve BN254 (about 100 bits of security,
//!   <https://eprint.iacr.org/2017/334>).
//! * Fuchsbauer, *Subversion-zero-knowledge SNARKs*, PKC 2018, <https://eprint.iacr.org/2017/587>, and Abdolmaleki et al.,
//!   *A Subversion-Resistant SNARK*, ASIACRYPT 2017, <https://eprint.iacr.org/2017/599>: why a setup made by the verifier can
//!   be safe for the prover.
//! * Grassi et al., *Poseidon*, USENIX Security 2021, <https://eprint.iacr.org/2019/458>: the hash, with circomlib's
//!   parameters.
//! * The group is zk-kit's *LeanIMT*, and the shape of the statement follows Semaphore v4 and its rate-limiting relative
//!   RLN: <https://docs.semaphore.pse.dev/>, <https://rate-limiting-nullifier.github.io/rln-docs/>.
//!
//! # Reading order
//!
//! [`scalar`] (field elements) → [`poseidon`](mod@poseidon) (the hash) → [`identity`] (the consumer's secret and its
//! order's terms) → [`tree`] (the group) → [`circuit`] (what is proved) → [`setup`](mod@setup) (making keys) → [`keys`]
//! (their bytes) → [`check`] (what a consumer checks) → [`proof`] (proving and verifying). [`wire`] holds what the byte
//! formats share, [`rng`] the randomness. [`export`] writes proofs and keys for verifiers elsewhere, and `semaphore`, a
//! feature, is the protocol of that name.
//!
//! # Example
//!
//! ```
//! use sealock_zk::{
//!     Claim, Credential, IdentitySecret, KeyBundle, Keys, LeanImt, ProvingKey, Scalar, Witness, check_setup, os_rng, prove,
//!     setup, verify,
//! };
//!
//! let mut rng = os_rng();
//! let Keys { bundle, verifying_key, .. } = setup(4, &mut rng)?; // the owner, once per depth
//! let published = bundle.to_bytes();
//!
//! // The consumer checks what the owner published, once, and notes the digest for the next time.
//! let checked = check_setup(&KeyBundle::from_bytes(&published)?, &mut rng)?;
//! let noted = checked.digest();
//! let proving_key = ProvingKey::from_pinned_bytes(&published, &noted)?;
//!
//! // The consumer orders; the ledger shows its commitment and what was granted.
//! let secret = IdentitySecret::generate(&mut rng);
//! let asset = Scalar::hash("example/asset", &[b"did:op:1234"]);
//! let credential = Credential { asset, limit: 3, expiry: 2_000_000_000 };
//! let mut group = LeanImt::with_max_depth(proving_key.depth())?;
//! for other in 10..15u64 {
//!     group.insert(Scalar::from(other))?;
//! }
//! let place = group.insert(credential.leaf(secret.commitment()))?;
//!
//! // The consumer proves its second use.
//! let claim = Claim {
//!     root: group.root().expect("the group has leaves"),
//!     message: Scalar::hash("example/message", &[b"the job"]),
//!     scope: Scalar::hash("example/scope", &[b"chain, ledger, asset, service"]),
//!     now: 1_900_000_000,
//! };
//! let membership = group.proof(place)?;
//! let witness = Witness { secret: &secret, credential: &credential, use_index: 1, membership: &membership };
//! let (statement, proof) = prove(&proving_key, &claim, &witness, &mut rng)?;
//!
//! // The owner has checked that root, message, scope and now are the right ones.
//! verify(&verifying_key, &statement, &proof)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod scalar;

pub mod poseidon;

pub mod identity;

pub mod tree;

pub mod circuit;

pub mod setup;

pub mod keys;

pub mod check;

pub mod proof;

pub mod export;

#[cfg(feature = "semaphore")]
pub mod semaphore;

pub mod rng;
pub mod wire;

mod gadget;
mod qap;

pub use check::{CHECK_VERSION, CheckError, check_setup};
pub use circuit::MAX_DEPTH;
pub use identity::{Credential, IdentitySecret};
pub use keys::{Element, KeyBundle, ProvingKey, VerifyingKey};
pub use poseidon::poseidon;
pub use proof::{Claim, Proof, ProveError, Rejected, Statement, Witness, prove, verify, verify_batch};
pub use rng::os_rng;
pub use scalar::Scalar;
pub use setup::{Keys, SetupError, setup};
pub use tree::{LeanImt, MerkleProof, SMALLEST_ANONYMOUS_GROUP, TreeError};
pub use wire::DecodeError;
