"""Private inference on real data: a clinic's model tells benign from malignant tumours, for a practice whose patients'
measurements the clinic never sees, and whose doctors never see the model.

Data: the Wisconsin diagnostic breast cancer data that comes with scikit-learn (569 patients, 30 measurements each).

Needs: pip install ./bindings/python scikit-learn
"""

from __future__ import annotations

import logging
import time

import numpy as np
import sealock as sl
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

#: Vectors in one job.
BATCH = 48

#: What the measurements may be, as one who knows them and not these patients would say: twice the usual.
LIMITS = {
    "radius": 60,
    "texture": 80,
    "perimeter": 400,
    "area": 6000,
    "smoothness": 0.5,
    "compactness": 2,
    "concavity": 3,
    "concave points": 1,
    "symmetry": 1,
    "fractal dimension": 0.5,
}


def limit(feature: str) -> float:
    """The largest value of a feature: of a mean, of the worst of several, or of an error."""
    return next(most for name, most in LIMITS.items() if name in feature)


def main() -> None:
    # The library warns that a single practice is no crowd to hide in, and logs the refusal at the end.
    logging.getLogger("sealock").setLevel(logging.CRITICAL)
    data, target = load_breast_cancer(return_X_y=True, as_frame=True)
    known, patients, outcome, truth = train_test_split(data, target, test_size=0.25, random_state=7, stratify=target)

    print("The clinic fits a model in the clear, on its own patients.")
    fitted = LogisticRegression(max_iter=20_000).fit(known, outcome)
    model = sl.Model.from_sklearn(fitted, ranges=[(0, limit(feature)) for feature in data.columns])
    print(f"  {model}, scores with {model.info.scale} decimal places")
    print(f"  rounding moves no score by more than {model.error_bound[0]:.3f}, whatever the patient")

    exchange = sl.Exchange.in_memory()
    clinic = exchange.owner(sl.Account.generate())
    asset = clinic.publish_model(
        model,
        name="Tumours, benign or malignant",
        policy=sl.Policy(allow_inference=BATCH, max_jobs=100, purpose="diagnosis"),
        price=sl.Price.free(),
        uses_per_order=3,
        description="Logistic regression on 30 measurements of cell nuclei. 0 is malignant, 1 benign.",
    ).asset
    print(f"\nIt publishes it, encrypted: {asset.did[:24]}…")
    print("  everybody sees the features, their ranges and the classes; nobody sees a coefficient")

    practice = exchange.consumer(sl.Account.generate())
    practice.buy(asset)
    order = practice.order(asset)
    print(f"\nA practice orders, and has {len(patients)} patients scored in jobs of {BATCH}.")
    parts = []
    start = time.perf_counter()
    for first in range(0, len(patients), BATCH):
        ticket = order.infer(patients[first : first + BATCH])
        released = clinic.node.run(ticket.request)
        parts.append(ticket.open(*released))
        sent, received = len(ticket.request.to_bytes()), len(released.result.to_bytes())
        print(f"  job {ticket.job[:8]}…: {sent / 1e3:.0f} kB there, {received / 1e3:.0f} kB back")
    print(f"  {time.perf_counter() - start:.1f} s in all, access proofs included")

    scores = np.concatenate([part.scores for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    exact = [row for part in parts for row in part.exact]
    plain = fitted.predict(patients)
    print("\nWhat came of it:")
    print(f"  equal to the published model in the clear, digit by digit: {exact == model.predict(patients).exact}")
    print(
        f"  largest difference from scikit-learn's scores: {np.abs(scores - fitted.decision_function(patients)).max():.4f}"
    )
    print(f"  the same label as scikit-learn: {(labels == plain).sum()} of {len(patients)} patients")
    print(f"  right about the patient: {(labels == truth).mean():.1%}; scikit-learn: {(plain == truth).mean():.1%}")

    print(f"\nWhat a policy is for: {len(model.features.columns) + 1} scores tell whoever has them every coefficient.")
    policy = sl.Policy(allow_inference=10, max_jobs=3)
    guarded = clinic.publish_model(model, name="The same, guarded", policy=policy, price=sl.Price.free()).asset
    practice.buy(guarded)
    order = practice.order(guarded)
    try:
        for first in range(0, 31, 10):
            ticket = order.infer(patients[first : first + 10])
            ticket.open(*clinic.node.run(ticket.request))
            print(f"  {first + 10} vectors scored")
    except sl.errors.Rejected:
        print(f"  the next job is refused: {clinic.node.refusals()[-1].reason}")


if __name__ == "__main__":
    main()
