# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""daemon.json: merging, errors, and what dockerd needs in order to apply it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import daemon_json
from docker_info import INFO

NVIDIA: dict[str, Any] = {"runtimes": {"nvidia": {"path": "nvidia-container-runtime", "args": []}}}


def test_a_persons_own_keys_survive() -> None:
    current = {
        "log-driver": "journald",
        "log-opts": {"tag": "x"},
        "runtimes": {"kata": {"path": "kata"}},
        "insecure-registries": ["mine:5000"],
    }
    wanted = {**NVIDIA, "insecure-registries": ["ours:5000", "mine:5000"], "log-opts": {"labels": "y"}}
    merged = daemon_json.merge(current, wanted)
    assert merged == {
        "log-driver": "journald",
        "log-opts": {"tag": "x", "labels": "y"},
        "runtimes": {"kata": {"path": "kata"}, **NVIDIA["runtimes"]},
        "insecure-registries": ["mine:5000", "ours:5000"],
    }
    assert list(merged) == [*current], "the order of the file stays"
    assert daemon_json.merge(merged, wanted) == merged
    assert current["runtimes"] == {"kata": {"path": "kata"}}, "the arguments are not changed"


def test_a_runtime_registered_by_its_full_path_stays() -> None:
    current = {"runtimes": {"nvidia": {"path": "/usr/bin/nvidia-container-runtime", "args": ["--x"]}}}
    assert daemon_json.merge(current, NVIDIA) == current
    other = {"runtimes": {"nvidia": {"path": "/usr/bin/something", "args": []}}}
    assert daemon_json.merge(other, NVIDIA) == NVIDIA


@pytest.mark.parametrize(
    ("current", "wanted"),
    [
        ({"runtimes": []}, NVIDIA),
        (
            {"labels": "a=b"},
            {"labels": ["a=b"]},
        ),
        ({"debug": {}}, {"debug": True}),
    ],
)
def test_values_of_different_kinds_are_reported(current: dict[str, Any], wanted: dict[str, Any]) -> None:
    with pytest.raises(daemon_json.Conflict, match=next(iter(current))):
        daemon_json.merge(current, wanted)


@pytest.mark.parametrize(
    ("text", "where", "there"),
    [
        ('{\n  "debug": true\n  "labels": []\n}', "line 3, column 3:", '"labels": []'),
        ("[1]", "line 1, column 1:", "[1]"),
        ('{"debug": true', "line 1, column 15:", '{"debug": true'),
        ("# nothing yet", "line 1, column 1:", "# nothing yet"),
    ],
)
def test_a_broken_file_is_reported_by_line_and_column(text: str, where: str, there: str) -> None:
    content, error = daemon_json.parse(text)
    assert content == {}
    assert error
    assert error.startswith(where), error
    assert there in error


@pytest.mark.parametrize("text", ["", " \n\t", "{}", "\ufeff{}"])
def test_an_empty_file_is_an_empty_configuration(text: str) -> None:
    assert daemon_json.parse(text) == ({}, None)


def test_a_rendered_file_can_be_read_again() -> None:
    data = {"labels": ["größe=3"], **NVIDIA}
    text = daemon_json.render(data)
    assert "größe" in text
    assert text.endswith("}\n")
    assert json.loads(text) == data


@pytest.mark.parametrize(
    ("keys", "action"),
    [
        ([], "none"),
        (["runtimes", "insecure-registries"], "reload"),
        (["runtimes", "data-root"], "restart"),
        (["features"], "restart"),
    ],
)
def test_a_restart_is_needed_only_if_a_reload_does_not_suffice(keys: list[str], action: str) -> None:
    assert daemon_json.action(keys) == action


def test_changed_keys_have_different_values() -> None:
    assert daemon_json.changed_keys({"a": 1, "b": [1], "c": 1}, {"a": 1, "b": [1, 2], "d": 1}) == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("wanted", "lacking"),
    [
        (NVIDIA, []),
        ({"runtimes": {"kata": {"path": "kata"}}}, ["runtimes"]),
        ({"runtimes": {"nvidia": {"path": "/opt/nvidia-container-runtime"}}}, ["runtimes"]),
        ({"default-runtime": "nvidia"}, ["default-runtime"]),
        ({"data-root": "/var/lib/docker/"}, []),
        ({"data-root": "/data/docker"}, ["data-root"]),
        ({"insecure-registries": ["registry.test:5000", "127.0.0.0/8"]}, []),
        ({"insecure-registries": ["registry.test:5000", "other:5000"]}, ["insecure-registries"]),
        ({"registry-mirrors": ["https://mirror.example.org"]}, []),
        ({"labels": ["rack=4"]}, ["labels"]),
        ({"live-restore": True, "debug": False}, ["live-restore"]),
        ({"log-opts": {"max-size": "10m"}}, []),  # dockerd does not report it
    ],
)
def test_keys_that_the_running_daemon_lacks(wanted: dict[str, Any], lacking: list[str]) -> None:
    assert daemon_json.lacking(wanted, daemon_json.merge({}, wanted), daemon_json.effective(INFO)) == lacking


def test_passwords_in_addresses_are_not_shown() -> None:
    data = {"proxies": {"http-proxy": "http://me:s3cret@proxy:3128", "no-proxy": "localhost"}, "l": ["http://u:p@x"]}
    shown = daemon_json.redact(data)
    assert shown["proxies"] == {"http-proxy": "http://me:***@proxy:3128", "no-proxy": "localhost"}
    assert daemon_json.passwords(data) == ["s3cret", "p"]
    error = daemon_json.parse('{"proxies": {"http-proxy": "http://me:s3cret@proxy:3128"}')[1]
    assert error
    assert "s3cret" not in error
