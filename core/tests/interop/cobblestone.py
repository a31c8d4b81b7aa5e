"""Seals and opens files with Python's `cryptography`, an implementation that is not ours.

usage: cobblestone.py seal|open KEY CONTEXT IN OUT
       cobblestone.py hpke-open SECRET INFO IN OUT      (keys, context and info in hex)
       cobblestone.py speed BYTES      prints the seconds that sealing so many bytes in memory takes, the best of two
"""

import sys
import time

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey


def speed(size: int) -> None:
    data = bytes(size)
    times = []
    for _ in range(2):
        sealing = Cobblestone256Encryptor(bytes(32), b"bench")
        start = time.perf_counter()
        sealing.update(data)
        sealing.finalize()
        times.append(time.perf_counter() - start)
    print(min(times))


def main() -> None:
    if sys.argv[1] == "speed":
        return speed(int(sys.argv[2]))
    verb, key, context, source, sink = sys.argv[1:]
    key_bytes, context_bytes = bytes.fromhex(key), bytes.fromhex(context)
    with open(source, "rb") as file:
        data = file.read()
    if verb == "hpke-open":
        suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
        out = suite.decrypt(data, X25519PrivateKey.from_private_bytes(key_bytes), context_bytes)
    else:
        worker = {"seal": Cobblestone256Encryptor, "open": Cobblestone256Decryptor}[verb](key_bytes, context_bytes)
        out = worker.update(data) + worker.finalize()
    with open(sink, "wb") as file:
        file.write(out)


if __name__ == "__main__":
    main()
