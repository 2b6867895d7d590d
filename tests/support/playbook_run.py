# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Run a playbook of the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def play(
    playbook: str, *arguments: str, inventory: str = "inventories/example", timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a playbook of the checkout as a person would, with the settings of the checkout."""
    return subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", inventory, playbook, *arguments],
        cwd=ROOT,
        # Molecule asks Ansible for colours, which tests would have to look past.
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
