# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with vectors and scores."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import vector_checks
from ansible_collections.jetson.thor.plugins.module_utils.clients.embedding import Vectors
from ansible_collections.jetson.thor.plugins.module_utils.clients.rerank import Ranking

NEAR, FAR = (1.0, 0.1), (0.0, -1.0)


def vectors(*found: tuple[float, ...]) -> Vectors:
    return Vectors(vectors=found, seconds=0.1)


def test_vectors_of_the_right_order_are_good() -> None:
    assert vector_checks.wrong_vectors(vectors((1.0, 0.0), NEAR, FAR), 2, trained=True) is None
    assert vector_checks.wrong_vectors(vectors((1.0, 0.0), NEAR, FAR), None, trained=True) is None


@pytest.mark.parametrize(
    ("found", "dimension", "reason"),
    [
        (((1.0, 0.0), (1.0,), FAR), None, r"different lengths \(2, 1, 2\)"),
        (((1.0, 0.0), NEAR, FAR), 1024, "have 2 numbers, and the model's have 1024"),
        (((1.0, 0.0), NEAR, (0.0, 0.0)), None, "nothing but zeros"),
        (((1.0, 0.0), FAR, NEAR), None, "related sentences are as far"),
        (((1.0, 0.0), NEAR, NEAR), None, "related sentences are as far"),
    ],
)
def test_unusable_vectors(found: tuple[tuple[float, ...], ...], dimension: int | None, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(vector_checks.wrong_vectors(vectors(*found), dimension, trained=True))


def test_a_model_without_trained_weights_has_no_order_but_a_shape() -> None:
    assert vector_checks.wrong_vectors(vectors((1.0, 0.0), FAR, NEAR), 2, trained=False) is None
    assert vector_checks.wrong_vectors(vectors((1.0, 0.0), FAR, NEAR), 3, trained=False)
    assert vector_checks.wrong_ranking(Ranking((0.9, 0.1, 0.5), 0.1), trained=False) is None
    assert vector_checks.wrong_ranking(Ranking((0.9, -1e6, 0.5), 0.1), trained=False)


def test_the_known_texts_are_in_order_for_a_bag_of_words() -> None:
    def shared(one: str, other: str) -> int:
        words = [set(text.lower().replace(",", "").replace(".", "").replace("?", "").split()) for text in (one, other)]
        return len(words[0] & words[1])

    texts, documents = vector_checks.TEXTS, vector_checks.DOCUMENTS
    assert shared(texts[0], texts[1]) > shared(texts[0], texts[2])
    scores = [shared(vector_checks.QUERY, one) for one in documents]
    assert scores.index(max(scores)) == vector_checks.RELEVANT and scores.count(max(scores)) == 1


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ((0.9, 0.5, 0.1), r"not the first \(scores 0.9, 0.5, 0.1\)"),
        ((0.5, 0.5, 0.5), "not the first"),
        ((0.1, 0.9, -1e6), "document 2 got the score -1000000, by which llama.cpp says that it failed"),
    ],
)
def test_unusable_scores(scores: tuple[float, ...], reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(vector_checks.wrong_ranking(Ranking(scores, 0.1), trained=True))
    assert vector_checks.wrong_ranking(Ranking((-3.0, 0.2, -5.0), 0.1), trained=True) is None
