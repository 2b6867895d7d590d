# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The order of engines' versions is that of Python packages: compared with the package ``packaging`` itself."""

from __future__ import annotations

import itertools
import re

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import engine_version
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

NUMBER = st.integers(0, 30).map(str)
RELEASE = st.lists(NUMBER, min_size=1, max_size=4).map(".".join)
VERSIONS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "v"]),
        RELEASE,
        st.one_of(st.just(""), st.builds("{}{}".format, st.sampled_from(["a", ".b", "rc", "-alpha", "beta."]), NUMBER)),
        st.one_of(st.just(""), NUMBER.map(".post{}".format), NUMBER.map("-{}".format)),
        st.one_of(st.just(""), NUMBER.map(".dev{}".format), st.just("dev")),
    ),
)


@given(VERSIONS, VERSIONS)
def test_the_order_is_that_of_packaging(one: str, other: str) -> None:
    assert re.fullmatch(engine_version.PATTERN, one)
    theirs = (Version(one) < Version(other), Version(one) == Version(other))
    ours = (engine_version.key(one), engine_version.key(other))
    assert (ours[0] < ours[1], ours[0] == ours[1]) == theirs


def test_versions_that_are_in_use_are_in_order() -> None:
    ordered = [
        "0.5.3",
        "0.5.3.post1",
        "0.5.5",
        "0.5.5.post2",
        "0.5.11",
        "0.10.2",
        "0.11.0rc1",
        "0.11.0",
        "0.20.1",
        "0.33.0",
    ]
    keys = [engine_version.key(one) for one in ordered]
    assert all(one < other for one, other in itertools.pairwise(keys))
    assert engine_version.key("0.10.2+cu130") == engine_version.key("0.10.2") == engine_version.key("v0.10.2.0")


@pytest.mark.parametrize("text", ["", "main", "0.20.x", "25.10-py3", "1.0 ", "0.20\n", "1..2"])
def test_a_text_that_is_no_version_has_no_place_in_the_order(text: str) -> None:
    assert not re.fullmatch(engine_version.PATTERN, text)
    with pytest.raises(ValueError, match="not a version"):
        engine_version.key(text)


@pytest.mark.parametrize(
    ("statement", "covered", "not_covered"),
    [
        ({"before": "0.20"}, ["0.19.4", "0.20.0rc1", "0.9.9"], ["0.20", "0.20.0", "0.33.0"]),
        ({"from": "0.20"}, ["0.20.0", "0.100"], ["0.19", "0.20.0.dev3"]),
        ({"from": "0.20", "before": "0.28"}, ["0.20.1", "0.27.1"], ["0.28.0", "0.19"]),
        ({"engine_versions": ["0.10.2", "0.11"]}, ["0.10.2", "0.10.2+cu130", "0.11.0"], ["0.10.2.post1", "0.12"]),
        ({"engine_versions": ["0.10.2"], "from": "0.30"}, ["0.10.2", "0.31.0"], ["0.20"]),
        ({"versions": ["25.10"]}, [], ["0.10.2"]),
        ({}, [], ["0.10.2"]),
    ],
)
def test_a_statement_covers_versions_and_ranges(
    statement: dict[str, str], covered: list[str], not_covered: list[str]
) -> None:
    assert [one for one in covered + not_covered if engine_version.covers(statement, one)] == covered
