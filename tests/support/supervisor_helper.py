# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What tests of the supervisor share: a configuration, engines' output, containers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from fake_dockerd import LABEL, Dockerd
from thor_supervisor.container import Container

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "tests/unit/module_utils/services/logs"
STAND_IN = ROOT / "tests/support/stand-in-engine"
ENGINES = yaml.safe_load((ROOT / "roles/catalog/files/engines.yml").read_text(encoding="utf-8"))["engines"]
GPU = ENGINES["llama.cpp"]["gpu"]

Run = Callable[..., tuple[int, str]]  # see the fixture


def service_document(**settings: Any) -> dict[str, Any]:
    """The configuration of a service, as the role serving writes it."""
    return {
        "name": "chat",
        "api": "chat",
        "served_name": "stand-in",
        "address": "127.0.0.1",
        "port": 8000,
        "start_timeout": 20,
        "stop_timeout": 5,
        "require_gpu": False,
        "gpu": None,
        "progress": None,
        "liveness": {"interval": 0.2, "timeout": 0.5, "failures": 3},
        **settings,
    }


def log_arguments(log: str) -> list[str]:
    """Arguments that make the stand-in print a recorded log."""
    return [word for line in (LOGS / log).read_text(encoding="utf-8").splitlines() for word in ("--log", line)]


def container_settings(dockerd: Dockerd) -> dict[str, Any]:
    """The part of a configuration that names the container."""
    return {"container": {"name": "thor-chat", "label": LABEL, "socket": str(dockerd.path)}}


def container(dockerd: Dockerd) -> Container:
    """The container of the service ``chat``."""
    return Container("thor-chat", LABEL, str(dockerd.path))
