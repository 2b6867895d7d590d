# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the plan learns of a role outside of it, and that it is the same as within."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleTemplateError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.jetson.thor.plugins.plugin_utils import planned
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import PLANNED

ROOT = Path(__file__).resolve().parents[3]


def templar() -> Templar:
    return Templar(loader=DataLoader())


def of(template: str, **variables: Any) -> Any:
    """The value of an entry of a role's planned values."""
    wanted = {"it": trust_as_template(template)}
    return planned.value("python_engine", wanted, variables, templar())["it"]


def test_a_default_counts_until_somebody_sets_the_variable() -> None:
    def enabled(**variables: Any) -> Any:
        return planned.of_role("metrics", variables, templar())["enabled"]

    assert enabled() is False
    assert enabled(thor_metrics=True) is True
    assert enabled(thor_metrics=True, metrics_enabled=False) is False
    assert enabled(thor_metrics=trust_as_template("{{ 1 == number }}"), number=1) is True


def test_nobody_overrides_what_is_internal() -> None:
    variables = {"rollout_waves": [2], "__rollout_waves": [9], "__rollout_said": {"waves": [9]}}
    assert planned.value("rollout", "__rollout_said", variables, templar())["waves"] == [2]


def test_a_name_leads_to_its_value_over_other_names() -> None:
    names = {"a": trust_as_template("{{ b }}"), "b": trust_as_template("{{ c }}")}
    assert of("{{ a }}", **names, c=[1, {"two": 2}]) == [1, {"two": 2}]
    assert of("{{ a }}", **names, c=trust_as_template("{{ 1 + 1 }}")) == 2


def test_a_value_that_nobody_trusts_is_text() -> None:
    assert of("{{ a }}", a="{{ secret }}", secret="not to be seen") == "{{ secret }}"
    assert of("{{ a }}", a=trust_as_template("{{ b }}"), b="{{ secret }}", secret="not to be seen") == "{{ secret }}"


@pytest.mark.parametrize("variables", [{}, {"a": trust_as_template("{{ b }}"), "b": trust_as_template("{{ a }}")}])
def test_a_name_that_leads_nowhere_is_an_error_of_the_template(variables: dict[str, Any]) -> None:
    with pytest.raises(AnsibleTemplateError):
        of("{{ a }}", **variables)


def test_what_all_hosts_share_is_read_once_before_the_processes_of_hosts_begin() -> None:
    """Ansible imports an action in its main process: nothing is left to read for those that it forks."""
    program = """
import builtins, json, sys
from ansible_collections.jetson.thor.plugins.action import preflight, resolve
from ansible_collections.jetson.thor.plugins.plugin_utils import planned
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files
read, opened = [], builtins.open
def watched(path, *rest, **more):
    read.append(str(path))
    return opened(path, *rest, **more)
builtins.open = watched
import io
io.open = watched
files.read(files.CATALOG)
planned.read(json.loads(sys.argv[1]))
print(json.dumps(read))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(list(PLANNED))],
        cwd=ROOT / "collections",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
