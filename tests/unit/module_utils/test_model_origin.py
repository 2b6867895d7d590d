# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A model is called what the hub that is asked first calls it."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.module_utils.model_origin import identity, revision


def test_the_first_hub_names_a_model_and_others_have_no_name_there() -> None:
    sources = [
        {"hub": "huggingface", "id": "a/B", "revision": "main"},
        {"hub": "modelscope", "id": "a/b", "revision": "master"},
    ]
    assert (identity({"sources": sources}), revision({"sources": sources})) == ("a/B", "main")
    assert (identity({"key": "t", "url": "https://h/t"}), revision({"key": "t"})) == (None, None)
