"""The command `sealock-node`: the one that `cargo build` makes, from this package."""

from __future__ import annotations

import signal
import sys

from ._sealock import command


def main() -> int:
    """Runs the command with the arguments of this process, and returns its exit status."""
    # A server that runs stops on SIGINT by itself, and everything else ends: Python would only take note of the signal.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return command(sys.argv)
