"""From triples to a fine-tuned encoder, in NumPy: run on a stub, shaped for yours.

    clickstream export training --format triples --title meta.title -o triples.ndjson
    python examples/finetune_embedder.py triples.ndjson

The stub embeds a text as the mean of random vectors of its letter trigrams, and learns one matrix
on top. It shows what the triples are good for, not what a language model would reach: no
model is loaded. For a real one keep `triples`, `split` and `accuracy`, and put into the place of
`Stub.train`:

    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, losses
    model = SentenceTransformer("the model of your choice")
    trainer = SentenceTransformerTrainer(
        model, train_dataset=Dataset.from_list(triples), loss=losses.TripletLoss(model))
    trainer.train()

(That part was not run here.) The triples have the columns `anchor`, `positive`, `negative`, which
that library reads by their order.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]
Triple = tuple[str, str, str]

SIZE = 64
EPOCHS = 30
RATE = 0.5
MARGIN = 0.2


def triples(path: Path) -> list[Triple]:
    """Query, what was clicked, what was passed over above it."""
    with path.open(encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    return [(each["anchor"], each["positive"], each["negative"]) for each in found]


def split(found: Sequence[Triple], percent: int = 20) -> tuple[list[Triple], list[Triple]]:
    """For training and for testing; a query is in one of them, always the same one."""

    def is_for_testing(query: str) -> bool:
        return int(hashlib.sha256(query.encode()).hexdigest(), 16) % 100 < percent

    train = [each for each in found if not is_for_testing(each[0])]
    return train, [each for each in found if is_for_testing(each[0])]


class Stub:
    """An encoder without a language model. The same texts give the same vectors everywhere."""

    def __init__(self) -> None:
        self._matrix = np.eye(SIZE)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """A vector of length 1 for each."""
        return _unit(_features(texts) @ self._matrix)

    def train(self, found: Sequence[Triple]) -> None:
        """Gradient steps on max(0, margin - anchor·positive + anchor·negative)."""
        anchors, positives, negatives = (
            _features([each[place] for each in found]) for place in range(3)
        )
        for _ in range(EPOCHS):
            a, p, n = (each @ self._matrix for each in (anchors, positives, negatives))
            is_wrong = (MARGIN - (a * p).sum(1) + (a * n).sum(1) > 0)[:, None]
            step = anchors.T @ (is_wrong * (p - n)) + ((positives - negatives) * is_wrong).T @ a
            self._matrix += RATE * step / len(found)
            self._matrix /= np.linalg.norm(self._matrix, 2)


def accuracy(model: Stub, found: Sequence[Triple]) -> float:
    """Share of triples whose query is nearer to what was clicked."""
    anchors, positives, negatives = (
        model.encode([each[place] for each in found]) for place in range(3)
    )
    return float(((anchors * positives).sum(1) > (anchors * negatives).sum(1)).mean())


def _features(texts: Sequence[str]) -> Vectors:
    known = {text: _of_trigrams(text) for text in set(texts)}
    return np.stack([known[text] for text in texts])


def _of_trigrams(text: str) -> Vectors:
    padded = f"  {text.lower()} "
    vectors = [
        np.random.default_rng(
            int.from_bytes(hashlib.sha256(padded[at : at + 3].encode()).digest()[:8], "big")
        ).normal(size=SIZE)
        for at in range(len(padded) - 2)
    ]
    vector: Vectors = _unit(np.mean(vectors, axis=0, keepdims=True))[0]
    return vector


def _unit(vectors: Vectors) -> Vectors:
    scaled: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return scaled


def main(path: Path) -> None:
    train, test = split(triples(path))
    if not train or not test:
        raise SystemExit("too few queries have triples: ten or more are needed")
    model = Stub()
    before = accuracy(model, test)
    model.train(train)
    print(f"{len(train):,} triples for training, {len(test):,} of other queries for testing")
    print(f"nearer to what was clicked: {before:.2f} before, {accuracy(model, test):.2f} after")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
