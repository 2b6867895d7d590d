# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The inventories of the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]


def hosts(group: dict[str, Any]) -> set[str]:
    """All hosts of a group and of those below it."""
    below = (hosts(child or {}) for child in (group.get("children") or {}).values())
    return set(group.get("hosts") or {}).union(*below)


def test_the_hosts_with_the_real_vllm_are_of_their_inventory_alone() -> None:
    """Ansible gives a host the ``inventory_dir`` of the first inventory that names it, and theirs leads to their files."""
    own = yaml.safe_load((ROOT / "tests/integration/real_vllm/inventory.yml").read_text(encoding="utf-8"))
    sandbox = yaml.safe_load((ROOT / "inventories/sandbox/hosts.yml").read_text(encoding="utf-8"))
    assert hosts(own["thor"]) and "inventory_dir" in str(own)
    assert not hosts(own["thor"]) & hosts(sandbox["thor"])
