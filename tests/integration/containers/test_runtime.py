# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Docker is configured as the role says, and a person's own configuration is still there."""

from __future__ import annotations

import json
from typing import Any

PACKAGES = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)


def test_the_runtime_is_registered_and_running(host: Any) -> None:
    info = json.loads(host.check_output("docker info --format '{{json .Runtimes}}'"))
    assert info["nvidia"]["path"] == "nvidia-container-runtime"
    assert host.service("docker.service").is_enabled


def test_the_toolkit_has_one_version_and_nothing_is_on_hold(host: Any) -> None:
    versions = {host.package(name).version for name in PACKAGES}
    assert versions == {"1.18.1-1"}
    assert not set(PACKAGES) & set(host.check_output("apt-mark showhold").split())


def test_no_key_is_trusted_for_all_repositories(host: Any) -> None:
    assert host.check_output("find /etc/apt/trusted.gpg.d /etc/apt -maxdepth 1 -name '*nvidia*' -name '*.gpg'") == ""
    sources = host.check_output("cat /etc/apt/sources.list.d/*nvidia*")
    assert "Signed-By" in sources


def test_no_job_is_left_behind(host: Any) -> None:
    assert host.check_output("systemctl list-units --all --no-legend --plain 'thor-job-*'") == ""
