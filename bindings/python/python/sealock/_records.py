"""What the library tells: plain, frozen records. They compare, hash and pickle by their fields."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from decimal import Decimal

    from ._sealock import Asset, KeyBundle, Price, ProvingKey, Receipt, SealedResult, VerifyingKey


@dataclass(frozen=True, kw_only=True, slots=True)
class Suppression:
    """How much of a table the protection of small groups withholds. For the owner; it is not published."""

    #: Cells of the base cube: combinations of all the policy's dimensions.
    cells: int
    #: Cells that hold rows, but too few.
    suppressed_cells: int
    #: Rows of the table.
    rows: int
    #: Rows in suppressed cells.
    suppressed_rows: int
    #: Values of nullable measures that sums and means leave out although their rows are counted: in their cells, too few
    #: rows have a value or lack one.
    suppressed_values: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """How far a long call is."""

    #: The part that it is in: "fold", "store", "fetch", "upload", "export", "import", "open", "publish", "load key",
    #: "encrypt", "prove", "admit", "compute", "release", or "wait" for a node that cannot be reached or is busy.
    stage: str
    #: How much of the part is done: bytes of what is stored or moved, rows, transactions, proofs, seconds of waiting.
    done: int
    #: How much there is to do, where that is known.
    total: int | None
    #: How long the rest of the part will take at the rate so far, where that can be said.
    eta: timedelta | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What publishing did."""

    asset: Asset
    #: How much of the table every answer leaves out. If it is much, bin more coarsely.
    suppression: Suppression
    #: Bytes in the store, as ciphertext.
    sealed_bytes: int
    #: Whether it is sealed and its rows are encrypted a second time, packed, so that programs of few digits need no bootstraps: as
    #: asked for, or where it pays.
    packed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberError:
    """How far noise moves one of the numbers that an answer is made of, in the column's units."""

    #: "count", "sum(visits)", or "count(visits)" for the rows that have a value.
    name: str
    #: Standard deviation where the filter picks a single cell.
    cell_deviation: float
    #: Noisy cells that a row of the answer sums at most.
    cells: int
    #: Standard deviation where the filter picks all of them.
    deviation: float
    #: What the error stays within with a probability of at least 95 %, at the most cells.
    half_width: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What an asset has spent of its privacy budget, in ε. For the owner alone."""

    #: Spent by the jobs that were admitted, or by protected cubes that were made.
    spent: Decimal
    #: What the policy allows in all; `None` for no limit.
    limit: Decimal | None
    #: What is left of it.
    left: Decimal | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelInfo:
    """What everybody may know of a model, beside the schema of its features."""

    #: What is made of its scores: "linear", "logistic" or "multinomial".
    kind: Literal["linear", "logistic", "multinomial"]
    #: The names of the targets of a linear model, the classes of others.
    outputs: tuple[bool | int | float | str, ...]
    #: Decimal places of the scores. Where the owner did not declare it, it tells about how large the largest coefficient is.
    scale: int
    #: Signed width of the coefficients, in bits.
    coefficient_bits: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What a query, or an inference, will cost, and how large its answer will be."""

    #: How a datatoken is had, if it is on offer. One order costs one.
    price: Price | None
    #: For how many such queries one order pays, in all or in each epoch.
    uses_per_order: int
    #: The length of the epochs in which an order has its uses anew; `None` if it has them once.
    renewed_every: timedelta | None
    #: Rows of the answer; vectors of an inference.
    groups: int
    #: Encrypted numbers that each row of the answer is made of. A mean takes two. An inference has its scores.
    numbers: int
    #: Cells that the encrypted part of the filter spans; of an inference, the numbers that are encrypted.
    hidden_cells: int
    #: Length of the request, in bytes.
    request_bytes: int
    #: Length of the sealed result, in bytes.
    result_bytes: int
    #: Time of the encrypted product on one core of this machine.
    compute_time: timedelta
    #: Privacy budget ε that the answer spends; `None` where the policy adds no noise, 0 where all answers are made of one
    #: protected cube.
    epsilon: float | None
    #: With what probability it may be passed, where the policy lets it.
    delta: float | None
    #: The ε that the policy limits the asset to. How much of it is left, its owner's node knows.
    epsilon_limit: float | None
    #: How far noise moves the numbers that the answer is made of. Empty where there is none.
    errors: tuple[NumberError, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Executed:
    """Who computed a job on sealed data, as far as the owner found their results right."""

    #: How many executors had to agree.
    quorum: int
    #: How many results the owner was given.
    results: int
    #: Addresses of the executors that agreed.
    executors: list[str]
    #: With how many chunks of made-up rows each of their results was compared.
    canaries: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What a receipt says. Digests and job are hexadecimal text."""

    #: Position in the node's chain, from 0.
    number: int
    #: Digest of the receipt before, or of the owner's address for the first.
    previous: str
    #: DID of the asset.
    asset: str
    job: str
    program: str
    policy: str
    #: Digest of what was computed on.
    data: str
    #: The device that computed.
    device: str
    #: The use that paid for it.
    nullifier: bytes
    #: Digest of the sealed result.
    result: str
    #: Privacy budget that the answer spent; `None` where the policy adds no noise.
    epsilon: float | None
    released_at: datetime
    #: Who computed, for sealed data; `None` where the owner's node did.
    executed: Executed | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """What a node refused, and why. For the owner alone."""

    at: datetime
    #: The asset that was named; not checked.
    asset: str
    #: Name of the kind of the reason, as of a class in `sealock.errors`.
    kind: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRecord:
    """What a node has on record of a job."""

    #: DID of the asset.
    asset: str
    #: Digest of the program.
    program: str
    #: Digest of the policy.
    policy: str
    admitted_at: datetime
    #: Number of its receipt, once it is complete.
    receipt: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeInfo:
    """What a node that is far away says of itself."""

    #: Version of Sealock.
    version: str
    #: The address that signs its receipts, as it says.
    address: str
    #: Its ledger's chain id and address.
    chain_id: int
    ledger: str
    #: Whether it has the ledger, so that exchanges follow it there.
    serves_ledger: bool
    #: What it computes on.
    devices: tuple[str, ...]
    #: The longest request, and the longest result.
    max_request_bytes: int
    max_result_bytes: int
    #: For how long a result is kept that nobody discards.
    result_retention: timedelta
    #: Its clock, when it was connected to.
    now: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetEntry:
    """An asset that a node says it serves."""

    #: DID of the asset.
    did: str
    #: The data NFT. `Exchange.asset` takes either.
    nft: str
    #: Its description, an Ocean DDO (v4).
    ddo: dict[str, Any]
    #: How a datatoken is had, `{"type": "fixed", …}` or `{"type": "free", …}`; `None` if it is not on offer.
    price: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobStatus:
    """How far a job is at a node that is far away."""

    job: str
    #: A job that was cancelled or has failed is taken up by the same request again; of one that has expired the result is no
    #: longer kept.
    state: Literal["queued", "running", "complete", "cancelled", "failed", "expired"]
    #: The part that it is in while it runs: "compute" or "release".
    stage: str | None
    #: How many jobs are before it while it is queued.
    ahead: int | None
    #: Length of its result, and until when it is kept, once it is complete.
    result_bytes: int | None
    kept_until: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """How many jobs a server has that wait, and how many that are being computed."""

    waiting: int
    running: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Revocation:
    """An order that its seller takes back.

    It admits no jobs from `effective` on; `refunded` says whether the datatoken that it cost was paid back, and `announced` when
    the ledger recorded it.
    """

    effective: datetime
    refunded: bool
    announced: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderRecord:
    """What the ledger shows of an order.

    `service` is 0 for queries and 1 for downloads, `index` its place among the orders of the service, from 0. `consumer` is the
    address of the account that ordered, `commitment` its identity commitment. The order gives `uses` jobs, in all or in each
    epoch, until the end of the second `expires`. `revocation` is `None` unless it was taken back.
    """

    service: int
    index: int
    consumer: str
    commitment: bytes
    uses: int
    ordered: datetime
    expires: datetime
    revocation: Revocation | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """One encryption of a dataset, under keys of its own."""

    #: The dataset, as `Asset.dataset` names it.
    dataset: str
    epoch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Freed:
    """What a garbage collection freed."""

    blocks: int
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What was written as a CAR."""

    blocks: int
    #: Length of the CAR.
    bytes: int


class Released(NamedTuple):
    """What a node sends back."""

    result: SealedResult
    receipt: Receipt


class Keys(NamedTuple):
    """What an owner has after a setup."""

    #: To be published.
    bundle: KeyBundle
    #: To prove with, for the owner alone: consumers get theirs from `check_setup`.
    proving_key: ProvingKey
    #: To verify with.
    verifying_key: VerifyingKey
