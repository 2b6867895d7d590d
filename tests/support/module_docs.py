# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The documentation of modules as ansible-doc shows it, with their fragments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@cache
def documentation() -> dict[str, dict[str, Any]]:
    """What every module of the collection documents, by its name."""
    names = [f"jetson.thor.{path.stem}" for path in sorted((ROOT / "plugins/modules").glob("*.py"))]
    program = Path(sys.executable).with_name("ansible-doc")
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "NO_COLOR": "1"}
    command = [str(program), "--type", "module", "--json", *names]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return {name.rpartition(".")[2]: found["doc"] for name, found in json.loads(done.stdout).items()}
