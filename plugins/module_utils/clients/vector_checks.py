# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the answers of embedders and rerankers, judged by texts whose order is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ansible_collections.jetson.thor.plugins.module_utils.clients.embedding import Vectors
from ansible_collections.jetson.thor.plugins.module_utils.clients.rerank import Ranking

# The second text says much the same as the first, in mostly the same words; the third has nothing to do with them.
TEXTS = (
    "The cat sleeps on the sofa in the living room.",
    "The cat sleeps on the old sofa.",
    "Quarterly profits of both banks fell sharply.",
)
QUERY = "How long does it take to boil an egg?"
DOCUMENTS = (
    "Both banks raised their interest rates in autumn.",
    "Boil an egg for eight minutes, and it is hard.",
    "A hammer drives nails into wood.",
)
RELEVANT = 1
# What llama.cpp scores a document with that it could not compute (send_rerank in tools/server/server-context.cpp).
NOT_COMPUTED = -1e6


def wrong_vectors(vectors: Vectors, dimension: int | None, *, trained: bool) -> str | None:
    """Why the vectors of TEXTS are unusable, or None. ``dimension`` is the model's, where it is known."""
    lengths = [len(vector) for vector in vectors.vectors]
    if len(set(lengths)) > 1:
        return f"the vectors of one request have different lengths ({', '.join(map(str, lengths))})"
    if dimension is not None and lengths[0] != dimension:
        return f"the vectors have {lengths[0]} numbers, and the model's have {dimension}"
    if not all(any(vector) for vector in vectors.vectors):
        return "a vector is nothing but zeros: the engine computes garbage"
    related, unrelated = (similarity(vectors.vectors[0], vectors.vectors[index]) for index in (1, 2))
    if trained and not related > unrelated:
        return (
            f"related sentences are as far from each other ({related:.3f}) as unrelated ones ({unrelated:.3f}; cosine similarity): "
            "the engine computes garbage, or pools the model's output in another way than the model needs"
        )
    return None


def similarity(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of the angle between two vectors that are not zero."""
    return math.fsum(a * b for a, b in zip(one, other, strict=True)) / (math.hypot(*one) * math.hypot(*other))


def wrong_ranking(ranking: Ranking, *, trained: bool) -> str | None:
    """Why the scores of DOCUMENTS are unusable, or None."""
    if NOT_COMPUTED in ranking.scores:
        return f"document {ranking.scores.index(NOT_COMPUTED)} got the score {NOT_COMPUTED:.0f}, by which llama.cpp says that it failed"
    best = max(range(len(ranking.scores)), key=lambda index: ranking.scores[index])
    if trained and (best != RELEVANT or ranking.scores.count(ranking.scores[best]) > 1):
        scores = ", ".join(f"{score:.3g}" for score in ranking.scores)
        return (
            f"the relevant document (number {RELEVANT}) is not the first (scores {scores}): the model has no rank head, or "
            "the engine does not use it"
        )
    return None
