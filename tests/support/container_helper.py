# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The command with which the role serving starts a container."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.jetson.thor.plugins.module_utils.images.environment import container_environment

TEMPLATE = Path(__file__).resolve().parents[2] / "roles" / "serving" / "templates" / "docker_run.json.j2"


def docker_run(
    service: dict[str, Any] | None = None, images: dict[str, Any] | None = None, **variables: Any
) -> list[str]:
    """The command that the role makes for a service, by Ansible's own templating."""
    defaults = {
        "name": "chat",
        "image": "hub:5000/nvidia/vllm:25.10-py3",
        "image_digest": "sha256:aa",
        "argv": ["vllm", "serve", '{"a": "b c"}'],
        "environment": container_environment({"VLLM_USE_MODELSCOPE": "true"}),
        "generation_config": None,
    }
    templar = Templar(
        loader=DataLoader(),
        variables={
            "ansible_facts": {"thor_host": {"images": images or {}, "docker": None}},
            "service": {**defaults, **(service or {})},
            "serving_container_ipc": "private",
            "serving_container_shm_size": "8g",
            "serving_container_ulimits": {"memlock": -1},
            "serving_stop_timeout": 30,
            **variables,
        },
    )
    text = templar.template(trust_as_template(TEMPLATE.read_text(encoding="utf-8")))
    argv: list[str] = text if isinstance(text, list) else json.loads(text)
    return argv
