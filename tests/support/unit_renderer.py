# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The units that the role serving writes for hosts, by Ansible's own templating of the role's own files.

A program, because Ansible's loader of collections stays in the process that it was set up in: it reads a list of hosts, each
``{"services": thor_services, "host": thor_host}`` (and further "variables"), as JSON from its input, and prints the role's list of
units for each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "serving"


def main() -> None:
    """Render the hosts of the input."""
    init_plugin_loader([str(ROOT / "collections")])
    loader = DataLoader()
    loader.set_basedir(str(ROLE))
    variables: dict[str, Any] = {}
    for part in ("defaults", "vars"):
        variables |= loader.load_from_file(str(ROLE / part / "main.yml"), trusted_as_template=True)
    rendered = []
    for one in json.load(sys.stdin):
        facts = {"thor_services": one["services"], "thor_host": one["host"]}
        given = {
            **variables,
            **one.get("variables", {}),
            "ansible_facts": facts,
            "role_path": str(ROLE),
            "ansible_search_path": [str(ROLE)],
        }
        templar = Templar(loader=loader, variables=given)
        rendered.append(templar.template(variables["__serving_services"]))
    json.dump(rendered, sys.stdout)


if __name__ == "__main__":
    main()
