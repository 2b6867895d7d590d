# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Docker and NVIDIA's toolkit as they are observed on a host."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils import daemon_json, docker_api, systemd
from ansible_collections.jetson.thor.plugins.module_utils.observe import docker_host
from docker_info import INFO


def test_packages_and_holds_are_read_together() -> None:
    text = "ii |docker.io|26.1.5+dfsg1-9\nhi |nvidia-container-toolkit|1.18.1-1\nun |docker-ce|\nrc |runc|1.1\niU |containerd|1.7\n"
    assert docker_host.parse_packages(text) == (
        {"docker.io": "26.1.5+dfsg1-9", "nvidia-container-toolkit": "1.18.1-1"},
        ["nvidia-container-toolkit"],
    )


def test_dockers_own_description_is_abridged() -> None:
    containers: list[dict[str, Any]] = [
        {"Names": ["/thor-chat"], "Image": "nvcr.io/x", "Labels": {"thor.service": "thor-chat.service"}},
        {"Names": ["/web"], "Image": "nginx", "Labels": None},
    ]
    found = docker_host.describe(
        {**INFO, "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}, containers
    )
    assert found["version"] == "26.1.5" and found["data_root"] == "/var/lib/docker" and found["containerd_store"]
    assert found["runtimes"] == ["io.containerd.runc.v2", "nvidia", "runc"] and found["default_runtime"] == "runc"
    assert [one["service"] for one in found["containers"]] == ["thor-chat.service", None]
    assert [one["name"] for one in found["containers"]] == ["thor-chat", "web"]
    assert docker_host.disk_paths({"docker": found}) == ["/var/lib/docker", "/var/lib/containerd"]
    assert docker_host.disk_paths({"docker": None}) == ["/var/lib/docker"]
    assert docker_host.disk_paths({"docker": None, "daemon_json": {"data-root": "/data"}}) == ["/data"]


def test_a_stopped_docker_is_not_started_by_observation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def connect(*_arguments: object, **_options: object) -> None:
        raise AssertionError("the socket was opened: systemd would start dockerd")

    monkeypatch.setattr(docker_api, "Docker", connect)
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(docker_host, "_PATH", str(tmp_path))
    unit = {"LoadState": "loaded", "ActiveState": "inactive", "MainPID": "0"}
    monkeypatch.setattr(systemd, "observe", lambda *_asked: {"docker.service": unit})
    observed = docker_host.observe(None)
    assert observed["docker"]["running"] is False and observed["docker"]["version"] is None
    json.dumps(observed)


@pytest.mark.parametrize(("pid", "seen"), [("17", "restart"), ("18", None)])
def test_an_interrupted_change_is_visible_until_dockerd_is_restarted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pid: str, seen: str | None
) -> None:
    monkeypatch.setattr(docker_host, "PENDING", tmp_path / "pending.json")
    assert docker_host.pending(pid) == {}
    (tmp_path / "pending.json").write_text(json.dumps({"action": "restart", "pid": 17, "keys": ["mtu"]}))
    assert docker_host.pending(pid).get("action") == seen
    (tmp_path / "pending.json").write_text("{")
    assert docker_host.pending(pid) == {}


def test_only_our_variable_of_dockerds_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(docker_host, "PROC", tmp_path)
    (tmp_path / "17").mkdir()
    (tmp_path / "17/environ").write_bytes(b"HTTP_PROXY=http://u:p@x\0DOCKER_INSECURE_NO_IPTABLES_RAW=1\0")
    assert docker_host.environment("17") == {"DOCKER_INSECURE_NO_IPTABLES_RAW": "1"}
    assert docker_host.environment("18") == {}


@pytest.mark.parametrize(
    ("config", "nft", "there"),
    [
        ("CONFIG_IP_NF_RAW=m\n", False, True),
        ("# CONFIG_IP_NF_RAW is not set\nCONFIG_NF_TABLES=m\n", False, False),
        ("# CONFIG_IP_NF_RAW is not set\nCONFIG_NF_TABLES=m\nCONFIG_NFT_COMPAT=m\n", True, True),
        ("# CONFIG_IP_NF_RAW is not set\nCONFIG_NF_TABLES=m\n# CONFIG_NFT_COMPAT is not set\n", True, False),
    ],
)
def test_the_kernels_configuration_tells_whether_it_has_the_raw_table(config: str, nft: bool, there: bool) -> None:
    assert docker_host.has_raw_table(config, nft) is there


def test_the_kernels_configuration_is_read_below_the_facts_root(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/config.gz").write_bytes(gzip.compress(b"# CONFIG_IP_NF_RAW is not set\n"))
    assert docker_host.observe(tmp_path)["raw_table"] is False


def test_the_hosts_file_is_read_without_its_passwords(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(daemon_json, "PATH", tmp_path / "daemon.json")
    assert docker_host.read_daemon_json() == (None, None)
    (tmp_path / "daemon.json").write_text('{"proxies": {"http-proxy": "http://me:s3cret@x"}}')
    assert docker_host.observe(None)["daemon_json"] == {"proxies": {"http-proxy": "http://me:***@x"}}
    (tmp_path / "daemon.json").write_text('{"debug" true}')
    observed = docker_host.observe(None)
    assert observed["daemon_json"] is None and observed["daemon_json_error"].startswith("line 1, column 10: ")
    (tmp_path / "daemon.json").write_bytes(b"\xff\xfe{")
    assert docker_host.observe(None)["daemon_json_error"].startswith("line 1, column 1: ")
