"""Semaphore v4: identities, groups and proofs that `@semaphore-protocol/*` 4.14 accepts, and whose proofs are accepted here.

A member of a group says a message in a scope, once. There are no limits, no expiry and no assets in this statement; where
those matter, use the access proofs of `sealock.zk`. The keys are those of Semaphore's ceremony: take
`semaphore-<depth>.zkey` from npm's `@zk-kit/semaphore-artifacts`, note `hashlib.sha256(data).hexdigest()` of a file that you
trust, and read it with `ProvingKey.from_pinned_zkey(data, digest)` from then on.

    from sealock import zk
    from sealock.zk import semaphore

    identity = semaphore.Identity.generate()
    key = semaphore.ProvingKey.from_zkey(open("semaphore-10.zkey", "rb").read())
    group = zk.LeanImt(key.depth)  # or a zk.MerkleProof of a group that somebody else keeps
    place = group.insert(identity.commitment)

    proof = semaphore.prove(
        key,
        identity=identity,
        membership=group.proof(place),
        message=semaphore.Signal.text("yes"),
        scope=semaphore.Signal.text("the ballot"),
    )
    semaphore.verify(key.verifying_key, proof)
"""

from .._sealock import SEMAPHORE_MAX_DEPTH as MAX_DEPTH
from .._sealock import SemaphoreIdentity as Identity
from .._sealock import SemaphoreProof as Proof
from .._sealock import SemaphoreProvingKey as ProvingKey
from .._sealock import SemaphoreSignal as Signal
from .._sealock import SemaphoreVerifyingKey as VerifyingKey
from .._sealock import semaphore_prove as prove
from .._sealock import semaphore_verify as verify

__all__ = [
    "MAX_DEPTH",
    "Identity",
    "Proof",
    "ProvingKey",
    "Signal",
    "VerifyingKey",
    "prove",
    "verify",
]
