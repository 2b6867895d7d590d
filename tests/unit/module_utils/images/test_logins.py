# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Logins of registries. test_pull.py sends them."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.module_utils.images import logins
from image_runs import KEY, VLLM, login


def test_a_registry_is_compared_with_its_port() -> None:
    spec = {"registry_logins": [*login("hub:5000"), *login("index.docker.io")]}
    assert logins.login_of(spec, VLLM) == {"username": "$oauthtoken", "password": KEY}
    assert logins.login_of(spec, "vllm/vllm-openai:v0.31.0") is not None, "Docker Hub has several names"
    for other in ("hub:5001/nvidia/vllm:25.10-py3", "nvcr.io/nvidia/vllm:1"):
        assert logins.login_of(spec, other) is None and logins.header(spec, other) == {}


def test_a_password_is_hidden_wherever_it_stands() -> None:
    password = 'a"pass\\wörd'
    spec = {
        "registry_logins": [
            {"registry": "hub:5000", "login": {"username": "one", "password": password[:8]}},
            {"registry": "nvcr.io", "login": {"username": "two", "password": password}},
        ]
    }
    data = {"problems": [{"reason": f"x {password} y", "value": 3}], password: None, "part": password[:8]}
    assert logins.hidden(data, spec) == {
        "problems": [{"reason": "x ******** y", "value": 3}],
        "********": None,
        "part": "********",
    }
