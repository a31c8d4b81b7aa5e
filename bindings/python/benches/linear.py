"""Encrypted products against other libraries that do the same work: the same numbers, both sides in one process, taking turns.

usage: linear.py [PYTHON]      with PYTHON, one that has concrete-ml (6 GB), scoring is measured against it as well
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import concrete_ml_extensions as fhext
import numpy as np
import phe
import sealock.linear as linear
import tenseal as ts
from numpy.typing import NDArray

Job = Callable[[], NDArray[np.int64]]
ROUNDS = 2
CONTEXT = b"benchmark"


class Times:
    def __init__(self) -> None:
        self.wall = self.cpu = float("inf")
        self.error = 0

    def take(self, job: Job, expected: NDArray[np.int64]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        result = job()
        self.wall = min(self.wall, time.perf_counter() - wall)
        self.cpu = min(self.cpu, time.process_time() - cpu)
        self.error = max(self.error, int(np.abs(result - expected).max()))


def compare(title: str, expected: NDArray[np.int64], ours: Job, theirs: dict[str, Job], rounds: int = ROUNDS) -> None:
    """Runs all in turn, and prints the best of each and its ratio to ours."""
    print(title)
    times = {name: Times() for name in ["sealock", *theirs]}
    for _ in range(rounds):
        for name, job in {"sealock": ours, **theirs}.items():
            times[name].take(job, expected)
    for name, taken in times.items():
        exact = "exact" if taken.error == 0 else f"off by up to {taken.error}"
        print(f"{name:34} {taken.wall * 1e3:12.1f} ms {taken.cpu * 1e3:12.1f} ms of processor   {exact}")
    for name, taken in list(times.items())[1:]:
        print(f"  {name + ' / sealock':40} {taken.wall / times['sealock'].wall:10.1f}")
    if times["sealock"].error:
        raise AssertionError("Sealock's result is not exact")
    print()


def multiplied(a: NDArray[np.int64], b: NDArray[np.int64], weight_bits: int, entry_bits: int) -> NDArray[np.int64]:
    """Both sides of a product: a key, encryption, evaluation and decryption."""
    product = linear.Product(*a.shape, b.shape[1], weight_bits=weight_bits, entry_bits=entry_bits)
    key = linear.SecretKey.generate()
    answers = product.evaluate(product.encrypt(key, a, context=CONTEXT), b, context=CONTEXT)
    return product.decrypt(key, answers)


def product(rng: np.random.Generator) -> None:
    size = 2048
    a, b = rng.integers(0, 128, (1, size)), rng.integers(0, 128, (size, size))

    def ours() -> NDArray[np.int64]:
        return multiplied(a, b, 8, 8)

    params = fhext.MatmulCryptoParameters.deserialize(fhext.default_params())
    private, compression = fhext.create_private_key(params)

    def concrete() -> NDArray[np.int64]:
        sealed = fhext.encrypt_matrix(pkey=private, crypto_params=params, data=a.astype(np.uint64))
        answer = fhext.matrix_multiplication(
            encrypted_matrix=sealed, data=b.astype(np.uint64), compression_key=compression
        )
        plain = fhext.decrypt_matrix(
            compressed_matrix=answer,
            private_key=private,
            crypto_params=params,
            num_valid_glwe_values_in_last_ciphertext=size,
        )
        return np.asarray(plain).astype(np.int64)

    context = ts.context(ts.SCHEME_TYPE.CKKS, poly_modulus_degree=8192, coeff_mod_bit_sizes=[60, 40, 40, 60])
    context.global_scale = 2**40
    context.generate_galois_keys()

    def tenseal() -> NDArray[np.int64]:
        answer = ts.ckks_vector(context, a[0].tolist()).matmul(b.tolist())
        return np.rint(np.array([answer.decrypt()])).astype(np.int64)

    theirs: dict[str, Job] = {"concrete-ml-extensions 0.2.0": concrete, "TenSEAL 0.3.18, CKKS": tenseal}
    compare(
        f"Encrypted 1x{size} times clear {size}x{size}, entries of 8 bits; encryption and decryption included; "
        "the others' keys are made before",
        a @ b,
        ours,
        theirs,
    )


def filtered_sum(rng: np.random.Generator) -> None:
    rows, cells, threshold = 100_000, 128, 40
    ages, values = rng.integers(0, cells, rows), rng.integers(0, 2**32, rows)
    expected = np.array([[values[ages >= threshold].sum()]])
    indicator = (np.arange(cells) >= threshold).astype(np.int64)

    def cube() -> NDArray[np.int64]:
        sums = np.zeros(cells, dtype=np.int64)
        np.add.at(sums, ages, values)
        return sums

    def ours() -> NDArray[np.int64]:
        return multiplied(indicator[None, :], cube()[:, None], 2, 50)

    context = ts.context(ts.SCHEME_TYPE.BFV, poly_modulus_degree=8192, plain_modulus=1125899907219457)
    context.generate_galois_keys()

    def bfv() -> NDArray[np.int64]:
        answer = ts.bfv_vector(context, indicator.tolist()).dot(cube().tolist())
        return np.array([answer.decrypt()])

    public, private = phe.generate_paillier_keypair(n_length=3072)

    def paillier() -> NDArray[np.int64]:
        sealed = [public.encrypt(int(bit)) for bit in indicator]
        total = public.encrypt(0)
        for weight, cell in zip(sealed, cube()):
            total += weight * int(cell)
        return np.array([[private.decrypt(total)]])

    compare(
        f"Sum of a 32-bit measure over {rows} rows under a hidden filter on a column of {cells} values, folded first",
        expected,
        ours,
        {"SEAL's BFV by TenSEAL 0.3.18": bfv, "Paillier, 3072 bits, by phe 1.5": paillier},
    )


def scoring(python: str, rng: np.random.Generator) -> None:
    features, batch = 30, 1000
    vectors, weights = rng.integers(-128, 128, (batch, features)), rng.integers(-(2**15), 2**15, (features, 1))

    def ours() -> NDArray[np.int64]:
        return multiplied(vectors, weights, 8, 16)

    taken = Times()
    for _ in range(ROUNDS):
        taken.take(ours, vectors @ weights)
    script = Path(__file__).with_name("concrete_ml.py")
    output = subprocess.run([python, os.fspath(script), str(batch)], check=True, capture_output=True, text=True).stdout
    theirs = json.loads(output.splitlines()[-1])
    print(f"Scores of a logistic model of {features} features for {batch} vectors, features of 8 bits")
    print(
        f"{'sealock, coefficients of 16 bits':34} {taken.wall * 1e3:12.1f} ms {taken.cpu * 1e3:12.1f} ms of processor"
    )
    print(
        f"{'Concrete ML 1.9, n_bits=8':34} {theirs['wall'] * 1e3:12.1f} ms {theirs['cpu'] * 1e3:12.1f} ms of processor"
    )
    print(f"  {'Concrete ML / sealock':40} {theirs['wall'] / taken.wall:10.1f}")
    if taken.error or not theirs["equal"]:
        raise AssertionError("a result differs from the clear one")


def main() -> None:
    rng = np.random.default_rng(13)
    product(rng)
    filtered_sum(rng)
    if len(sys.argv) > 1:
        scoring(sys.argv[1], rng)
    else:
        print("Scoring was not measured against Concrete ML: its 6 GB were not installed.")


if __name__ == "__main__":
    main()
