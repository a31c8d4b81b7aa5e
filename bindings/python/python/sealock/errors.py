"""What can go wrong: one class for each kind of error of the library, with the library's stable numbers.

Every class derives from `SealockError`, and from a built-in exception where there is one that says the same. Wrong types of
arguments raise a plain `TypeError`.
"""

from __future__ import annotations

import sys

__all__ = [
    "BadSignature",
    "BudgetExhausted",
    "Busy",
    "Cancelled",
    "CapExceeded",
    "CidMismatch",
    "CorruptState",
    "DeadlinePassed",
    "DispenserLimit",
    "Encryption",
    "InferredSchemaWarning",
    "InsufficientBalance",
    "Internal",
    "InvalidArgument",
    "InvalidManifest",
    "InvalidProgram",
    "InvalidProof",
    "Io",
    "KeyDestroyed",
    "Locked",
    "Malformed",
    "NonceMismatch",
    "NotAMember",
    "NotAuthorized",
    "NotForSale",
    "NotFound",
    "NullifierSpent",
    "OrderExpired",
    "OrderMismatch",
    "OrderRevoked",
    "OutOfDomain",
    "PolicyDenied",
    "PriceExceeded",
    "Rejected",
    "SchemaMismatch",
    "SealockError",
    "Tampered",
    "Timeout",
    "TooLarge",
    "Truncated",
    "UnknownColumn",
    "UnknownRoot",
    "UnknownToken",
    "Unreachable",
    "UnsafeKey",
    "UnsupportedProgram",
    "UnsupportedType",
    "UnsupportedVersion",
    "UseLimitReached",
    "WrongKey",
]


class SealockError(Exception):
    """Any error of Sealock. `str(error)` is the message; `hint` says what to do about it, where there is something to do."""

    #: The stable number of the kind, as in the C ABI.
    code: int = 0
    #: What to do about it, or `None`.
    hint: str | None

    def __init__(self, message: str = "", *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        if hint is not None and sys.version_info >= (3, 11):
            self.add_note(f"hint: {hint}")

    def __str__(self) -> str:
        message = str(self.args[0]) if self.args else ""
        # Notes, which Python shows below the message, came with 3.11.
        if self.hint is not None and sys.version_info < (3, 11):
            return f"{message} (hint: {self.hint})"
        return message

    @property
    def kind(self) -> str:
        """The name of the kind: that of the class."""
        return type(self).__name__


class InferredSchemaWarning(UserWarning):
    """A table is published with a schema that was inferred from it, and so quotes it."""


class Internal(SealockError, RuntimeError):
    """A bug of Sealock's own, caught before it did harm. Please report it."""

    code = 1


class InvalidArgument(SealockError, ValueError):
    """An argument is outside what the function takes."""

    code = 100


class TooLarge(SealockError, ValueError):
    """More bytes than the limit of this type allows."""

    code = 101


class Malformed(SealockError, ValueError):
    """Bytes that do not decode, are not canonical, or carry something after their end."""

    code = 102


class UnsupportedVersion(SealockError, ValueError):
    """A version or suite that this build does not know."""

    code = 103


class Io(SealockError, OSError):
    """The operating system refused a read or a write."""

    code = 104


class Cancelled(SealockError):
    """The caller cancelled the operation."""

    code = 105


class CorruptState(SealockError):
    """A database of Sealock's own is damaged or was written by something else."""

    code = 106


class BadSignature(SealockError):
    """A signature does not belong to the expected account."""

    code = 107


class SchemaMismatch(SealockError, ValueError):
    """A table does not have the shape that its schema declares."""

    code = 200


class OutOfDomain(SealockError, ValueError):
    """A value lies outside the domain that its column declares."""

    code = 201


class UnknownColumn(SealockError, LookupError):
    """There is no column of that name."""

    code = 202


class UnsupportedType(SealockError, TypeError):
    """A column's Arrow type has no counterpart in a Sealock schema."""

    code = 203


class WrongKey(SealockError):
    """The key does not open this object."""

    code = 300


class Tampered(SealockError):
    """A ciphertext was changed, reordered or spliced."""

    code = 301


class Truncated(SealockError):
    """A ciphertext ends too early."""

    code = 302


class InvalidManifest(SealockError):
    """A manifest is inconsistent."""

    code = 303


class KeyDestroyed(SealockError):
    """The key was destroyed: what it sealed is deleted."""

    code = 304


class NotFound(SealockError, LookupError):
    """There is no such block, object or record."""

    code = 400


class CidMismatch(SealockError):
    """A block's bytes are not what its CID says."""

    code = 401


class Locked(SealockError):
    """The store is in use by another process."""

    code = 402


class Timeout(SealockError, TimeoutError):
    """Nobody answered in time."""

    code = 403


class Unreachable(SealockError, ConnectionError):
    """A peer or daemon cannot be reached, or does not speak the protocol."""

    code = 404


class Busy(SealockError):
    """A node has too much to do, and took nothing. The same again later may succeed."""

    code = 405


class InsufficientBalance(SealockError):
    """The account holds less than the transfer needs."""

    code = 500


class NotAuthorized(SealockError):
    """The account may not do this to that token."""

    code = 501


class CapExceeded(SealockError):
    """Minting would pass the token's cap."""

    code = 502


class NonceMismatch(SealockError):
    """A transaction's nonce is not the account's next one."""

    code = 503


class UnknownToken(SealockError, LookupError):
    """There is no such token on the ledger."""

    code = 504


class NotForSale(SealockError):
    """The token is not for sale in this way."""

    code = 505


class PriceExceeded(SealockError):
    """The price moved above what the buyer accepts."""

    code = 506


class DispenserLimit(SealockError):
    """A dispenser gives no more to this account."""

    code = 507


class OrderMismatch(SealockError):
    """The order is not one of this asset's."""

    code = 508


class OrderExpired(SealockError):
    """The order has expired."""

    code = 509


class OrderRevoked(SealockError):
    """The order was taken back by its seller."""

    code = 510


class Rejected(SealockError):
    """A remote request was rejected. It says no more to a remote party."""

    code = 600


class NotAMember(SealockError):
    """The credential is not in the group."""

    code = 601


class NullifierSpent(SealockError):
    """The use was spent before."""

    code = 602


class UseLimitReached(SealockError):
    """All uses of the order are spent."""

    code = 603


class InvalidProof(SealockError):
    """The access proof does not verify."""

    code = 604


class UnknownRoot(SealockError):
    """The group root is not one that the owner accepts."""

    code = 605


class DeadlinePassed(SealockError):
    """The request's deadline has passed, or lies too far ahead."""

    code = 606


class UnsafeKey(SealockError):
    """An access key is not what the circuit says: proofs under it could tell orders apart."""

    code = 607


class InvalidProgram(SealockError, ValueError):
    """A program does not fit the asset's schema."""

    code = 700


class UnsupportedProgram(SealockError, ValueError):
    """A program is valid, but nothing here can run it."""

    code = 701


class PolicyDenied(SealockError):
    """The asset's policy does not allow this."""

    code = 800


class BudgetExhausted(SealockError):
    """The asset's privacy budget does not suffice for another answer."""

    code = 801


class Encryption(SealockError):
    """An encrypted computation's parameters or inputs do not fit."""

    code = 900
