"""Access proofs by themselves: identities, groups, keys and their check, proofs, and what other verifiers take.

An `Exchange` makes and checks its proofs without being asked. These are the parts, for whoever puts them together otherwise.

    from sealock import zk

    keys = zk.setup(20)  # the owner, once; keys.bundle is published
    key = zk.check_setup(keys.bundle)  # the consumer, once; note key.digest

    secret = zk.IdentitySecret.generate()
    credential = zk.Credential(asset=zk.hash_to_field("example/v1/asset", [b"an asset"]), limit=3, expiry=2_000_000_000)
    group = zk.LeanImt(keys.bundle.depth)
    group.insert_many(others)  # the leaves of other orders: alone, nobody is hidden
    place = group.insert(credential.leaf(secret.commitment))

    statement, proof = zk.prove(
        key,
        root=group.root,
        message=zk.hash_to_field("example/v1/message", [b"a job"]),
        scope=zk.hash_to_field("example/v1/scope", [b"chain, ledger, asset, service"]),
        now=1_900_000_000,
        secret=secret,
        credential=credential,
        use_index=0,
        membership=group.proof(place),
    )
    zk.verify(keys.verifying_key, statement, proof)

Field elements are `int`, at least 0 and below `FIELD_ORDER`. Numbers outside are refused, never reduced. What is proved, and
what is not: `docs/access-proofs.md` of the repository. `sealock.zk.semaphore` is the protocol of that name.
"""

from .._records import Keys
from .._sealock import (
    FIELD_ORDER,
    MAX_DEPTH,
    SMALLEST_ANONYMOUS_GROUP,
    Credential,
    IdentitySecret,
    KeyBundle,
    LeanImt,
    MerkleProof,
    Proof,
    ProvingKey,
    VerifyingKey,
    check_setup,
    hash_to_field,
    poseidon,
    prove,
    setup,
    verify,
)
from .._sealock import AccessStatement as Statement
from . import semaphore

__all__ = [
    "FIELD_ORDER",
    "MAX_DEPTH",
    "SMALLEST_ANONYMOUS_GROUP",
    "Credential",
    "IdentitySecret",
    "KeyBundle",
    "Keys",
    "LeanImt",
    "MerkleProof",
    "Proof",
    "ProvingKey",
    "Statement",
    "VerifyingKey",
    "check_setup",
    "hash_to_field",
    "poseidon",
    "prove",
    "semaphore",
    "setup",
    "verify",
]
