"""Sealock: a privacy-preserving data exchange.

An owner publishes an encrypted table and sells datatokens for it. A consumer orders, proves in zero knowledge that some
order is theirs, and gets the answer to a question whose literals the owner never sees.

    import sealock as sl

    exchange = sl.Exchange.local("a/folder")
    owner = exchange.owner(sl.Account.generate())
    asset = owner.publish(frame, name="Visits", schema=schema, policy=policy, price=sl.Price.free()).asset

    consumer = exchange.consumer(sl.Account.generate())
    consumer.buy(asset)
    query = sl.select(sl.mean("visits")).filter(sl.col("plan") == sl.secret("paid"))
    ticket = consumer.order(asset).request(query)
    answer = ticket.open(*owner.node.run(ticket.request))

What is protected and what is not: see the README.
"""

import atexit as _atexit

from . import _sealock, errors, zk
from ._file import SealedFile
from ._jobs import Job
from ._records import (
    Epoch,
    Estimate,
    Exported,
    Freed,
    JobRecord,
    OrderRecord,
    Published,
    Refusal,
    Released,
    Revocation,
    Statement,
    Step,
    Suppression,
)
from ._sealock import (
    Account,
    Aggregate,
    Answer,
    Asset,
    Bin,
    Col,
    Column,
    Consumer,
    DestructionReceipt,
    Download,
    DownloadOrder,
    DownloadTicket,
    Exchange,
    Expr,
    Filter,
    IpfsNode,
    JobRequest,
    JobTicket,
    KeyStore,
    KuboDaemon,
    Node,
    Order,
    Owner,
    Policy,
    Price,
    Program,
    Query,
    Receipt,
    RecipientKey,
    RecipientPublicKey,
    Schema,
    SealedResult,
    Secret,
    Store,
    Table,
    __version__,
    col,
    count,
    histogram,
    max,
    mean,
    median,
    min,
    quantile,
    secret,
    select,
    sql,
    stddev,
    stddev_pop,
    sum,
    var_pop,
    variance,
    verify_chain,
)
from .errors import InferredSchemaWarning, SealockError

# Working threads must not enter an interpreter that is gone.
_atexit.register(_sealock.close)

__all__ = [
    "Account",
    "Aggregate",
    "Answer",
    "Asset",
    "Bin",
    "Col",
    "Column",
    "Consumer",
    "DestructionReceipt",
    "Download",
    "DownloadOrder",
    "DownloadTicket",
    "Epoch",
    "Estimate",
    "Exchange",
    "Exported",
    "Expr",
    "Filter",
    "Freed",
    "InferredSchemaWarning",
    "IpfsNode",
    "Job",
    "JobRecord",
    "JobRequest",
    "JobTicket",
    "KeyStore",
    "KuboDaemon",
    "Node",
    "Order",
    "OrderRecord",
    "Owner",
    "Policy",
    "Price",
    "Program",
    "Published",
    "Query",
    "Receipt",
    "RecipientKey",
    "RecipientPublicKey",
    "Refusal",
    "Released",
    "Revocation",
    "Schema",
    "SealedFile",
    "SealedResult",
    "SealockError",
    "Secret",
    "Statement",
    "Step",
    "Store",
    "Suppression",
    "Table",
    "__version__",
    "col",
    "count",
    "errors",
    "histogram",
    "max",
    "mean",
    "median",
    "min",
    "quantile",
    "secret",
    "select",
    "sql",
    "stddev",
    "stddev_pop",
    "sum",
    "var_pop",
    "variance",
    "verify_chain",
    "zk",
]
