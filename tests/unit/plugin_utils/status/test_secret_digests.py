# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Which texts of an inventory are secrets."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.jetson.thor.plugins.module_utils.redaction import digest
from ansible_collections.jetson.thor.plugins.plugin_utils.status.secret_digests import secret_digests

STORED = digest("only the client has it")


def as_written(value: Any) -> Any:
    if value == "{{ missing }}":
        raise AnsibleError("undefined")
    return value


def test_secrets_are_found_wherever_an_inventory_has_them_and_nothing_else() -> None:
    variables = {
        "thor_hf_token": "hf_of-the-inventory",
        "thor_modelscope_token": "{{ missing }}",
        "thor_registry_logins": {"nvcr.io": {"username": "ordinary-word", "password": "nvapi-password"}},
        "thor_gateway_keys": {
            "robot7": {"key": "key-of-robot-7", "models": ["long-model-name"]},
            "web": {"sha256": STORED.upper()},
        },
        "thor_profiles": [{"profile": "p", "secrets": {"A": "of-the-service"}}],
        "thor_extra_profiles": {"p": {"secrets": {"B": "of-the-profile"}}},
        "thor_address": "127.0.0.1",
        "my_password": "not ours",
    }
    secrets = ("hf_of-the-inventory", "nvapi-password", "key-of-robot-7", "of-the-service", "of-the-profile")
    assert secret_digests(variables, as_written) == sorted([*map(digest, secrets), STORED])


def test_values_of_another_shape_are_left_to_other_playbooks() -> None:
    broken = {"thor_gateway_keys": ["x"], "thor_profiles": 5, "thor_registry_logins": "x", "thor_hf_token": None}
    assert secret_digests(broken, as_written) == []
