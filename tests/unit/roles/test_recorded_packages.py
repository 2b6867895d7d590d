# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a role records as installed by us is what it installs: remove.yml would remove a package of a person otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
RECORD, APT = "jetson.thor.install_record", "ansible.builtin.apt"
FILES = [
    path for path in sorted(ROOT.glob("roles/*/tasks/*.yml")) if f"{RECORD}:\n    packages:" in path.read_text("utf-8")
]


def names(packages: Any) -> list[str]:
    """Packages as a task has them: a list, one name, or an expression."""
    return sorted(packages) if isinstance(packages, list) else [str(packages)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_the_recorded_packages_are_the_installed_ones(path: Path) -> None:
    tasks = yaml.safe_load(path.read_text(encoding="utf-8"))
    recorded = [(at, task[RECORD]["packages"]) for at, task in enumerate(tasks) if "packages" in task.get(RECORD, {})]
    assert recorded
    for at, packages in recorded:
        after = [one for task in tasks[at:] for one in (task, *task.get("block", []))]
        installed = next(task[APT]["name"] for task in after if APT in task)
        assert names(packages) == names(installed)


def test_they_were_found() -> None:
    assert len(FILES) >= 9
