# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a Docker Engine reports about itself."""

from __future__ import annotations

from typing import Any

# The parts of GET /info of a Docker Engine 26.1 that show its configuration.
INFO: dict[str, Any] = {
    "ServerVersion": "26.1.5",
    "Runtimes": {
        "io.containerd.runc.v2": {"path": "runc"},
        "nvidia": {"path": "nvidia-container-runtime"},
        "runc": {"path": "runc"},
    },
    "DefaultRuntime": "runc",
    "DockerRootDir": "/var/lib/docker",
    "Debug": False,
    "LiveRestoreEnabled": False,
    "Labels": ["rack=3"],
    "LoggingDriver": "json-file",
    "RegistryConfig": {
        "IndexConfigs": {
            "docker.io": {"Name": "docker.io", "Secure": True},
            "registry.test:5000": {"Name": "registry.test:5000", "Secure": False},
        },
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "Mirrors": ["https://mirror.example.org/"],
    },
}
