# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of what a gateway is."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.gateway import Client, Paths


def test_a_client_may_do_nothing_until_it_is_said() -> None:
    client = Client(name="robot7", sha256="0" * 64)
    assert client.models == () and not client.metrics


def test_all_paths_are_absolute() -> None:
    paths = Paths()
    assert all(path.startswith("/") for path in (paths.configuration, paths.log, paths.run, paths.modules))
