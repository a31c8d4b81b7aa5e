"""Scores vectors with Concrete ML, in the Python of its own that its dependencies need.

usage: concrete_ml.py ROWS     prints one line of JSON: seconds of wall clock and of processor, and the scores' signs
"""

from __future__ import annotations

import json
import sys
import time

from concrete.ml.sklearn import LogisticRegression
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler


def main() -> None:
    rows = int(sys.argv[1])
    features, target = load_breast_cancer(return_X_y=True)
    features = StandardScaler().fit_transform(features)
    model = LogisticRegression(n_bits=8, max_iter=5000)
    model.fit(features, target)
    model.compile(features)
    asked = features[[row % len(features) for row in range(rows)]]
    # The first call makes the key.
    model.predict(asked[:1], fhe="execute")
    wall, cpu = time.perf_counter(), time.process_time()
    labels = model.predict(asked, fhe="execute")
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    clear = model.predict(asked)
    print(json.dumps({"wall": wall, "cpu": cpu, "equal": bool((labels == clear).all())}))


if __name__ == "__main__":
    main()
