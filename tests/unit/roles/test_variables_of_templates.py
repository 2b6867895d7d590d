# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Templates of roles and playbooks read only variables that always exist: optional ones go through ``default``."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import jinja2.nodes
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.parent.name for path in ROOT.glob("roles/*/tasks"))
# Keys whose values Ansible reads as expressions without braces.
BARE = {"when", "that", "until", "failed_when", "changed_when"}
MAGIC = re.compile(
    r"ansible_\w+|groups|group_names|hostvars|inventory_\w+|playbook_dir|role_path|omit|item|loop|lookup|query|q|now|range|dict|namespace"
)
JINJA = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"], autoescape=True)


def load(path: Path) -> Any:
    """A YAML file's content; an absent or empty one is an empty mapping."""
    return (yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None) or {}


def templates(node: Any, key: str = "") -> Iterator[str]:
    """Every template of a YAML document."""
    if isinstance(node, dict):
        for name, child in node.items():
            yield from templates(child, str(name))
    elif isinstance(node, list):
        for child in node:
            yield from templates(child, key)
    elif isinstance(node, str) and (key in BARE or "{{" in node or "{%" in node):
        yield node if "{{" in node or "{%" in node else f"{{{{ {node} }}}}"


def unguarded(template: str) -> set[str]:
    """The variables, of this host or of others, without which a template cannot be resolved."""
    tree = JINJA.parse(template)
    asked = {id(test.node) for test in tree.find_all(jinja2.nodes.Test) if test.name in ("defined", "undefined")}
    asked |= {id(one.node) for one in tree.find_all(jinja2.nodes.Filter) if one.name in ("default", "d")}
    # `x is defined and x ...` and `y if x is defined else z` are guards, too.
    tested = {
        test.node.name
        for test in tree.find_all(jinja2.nodes.Test)
        if test.name == "defined" and isinstance(test.node, jinja2.nodes.Name)
    }
    local = {name.name for name in tree.find_all(jinja2.nodes.Name) if name.ctx != "load"}
    found = {
        name.name
        for name in tree.find_all(jinja2.nodes.Name)
        if name.ctx == "load" and id(name) not in asked and name.name not in tested | local
    }
    for node in tree.find_all(jinja2.nodes.Filter):
        keywords = {str(one.key): one.value for one in node.kwargs if isinstance(one, jinja2.nodes.Keyword)}
        attribute = keywords.get("attribute")
        if node.name == "map" and isinstance(attribute, jinja2.nodes.Const) and "default" not in keywords:
            found |= {str(attribute.value)} if str(attribute.value).startswith("thor_") else set()
    keys = [(id(one), one.node, one.attr) for one in tree.find_all(jinja2.nodes.Getattr)]
    keys += [
        (id(one), one.node, str(one.arg.value))
        for one in tree.find_all(jinja2.nodes.Getitem)
        if isinstance(one.arg, jinja2.nodes.Const)
    ]
    for access, owner, name in keys:
        # Facts and groups are ours: they exist from the task that creates them.
        if name.startswith("thor_") and not re.search("'(ansible_facts|groups)'", str(owner)) and access not in asked:
            found.add(name)
    return found


def given(node: Any) -> Iterator[str]:
    """Names of the variables that tasks create with register, set_fact and vars."""
    if isinstance(node, dict):
        yield from (str(name) for name in node.get("vars") or {})
        yield from (str(name) for name in node.get("ansible.builtin.set_fact") or {})
        yield from [str(node["register"])] if "register" in node else []
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from given(child)


def files(role: str, *rooms: str) -> list[Path]:
    """The files of some rooms of a role."""
    return [path for room in rooms for path in sorted((ROOT / "roles" / role / room).rglob("*")) if path.is_file()]


def read_in(role: str, *rooms: str) -> list[tuple[Path, str]]:
    """The templates of some rooms of a role, each with its file."""
    found: list[tuple[Path, str]] = []
    for path in files(role, *rooms):
        if path.suffix == ".j2":
            # A plugin fills in the report's page, which has no variables of Ansible.
            found += [] if path.name == "report.html.j2" else [(path, path.read_text(encoding="utf-8"))]
        else:
            found += [(path, template) for template in templates(load(path))]
    return found


@functools.cache
def made_by(role: str) -> set[str]:
    """The variables that a role always has, or creates itself."""
    names = set(load(ROOT / "roles" / role / "defaults/main.yml")) | set(load(ROOT / "roles" / role / "vars/main.yml"))
    for spec in load(ROOT / "roles" / role / "meta/argument_specs.yml").get("argument_specs", {}).values():
        names |= {name for name, option in (spec.get("options") or {}).items() if option.get("required")}
    for path in files(role, "tasks", "handlers"):
        names |= set(given(load(path)))
    for _path, template in read_in(role, "templates"):
        # A template that another one includes sees what that has set.
        names |= {name.name for name in JINJA.parse(template).find_all(jinja2.nodes.Name) if name.ctx != "load"}
    return names


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{{ thor_a }}", {"thor_a"}),
        ("no {{ thor_a | to_json }} here", {"thor_a"}),
        ("{{ thor_a | default(1) }}", set()),
        ("{{ thor_a | default(thor_b) }}", {"thor_b"}),
        ("{{ thor_a is defined and thor_a > 1 }}", set()),
        ("{{ hosts | map('extract', hostvars) | map(attribute='thor_a') }}", {"hosts", "hostvars", "thor_a"}),
        ("{{ hosts | map('extract', hostvars) | map(attribute='thor_a', default=1) }}", {"hosts", "hostvars"}),
        ("{{ hostvars['a']['thor_a'] }}", {"hostvars", "thor_a"}),
        ("{{ hostvars['a'].thor_a | default(1) }}", {"hostvars"}),
        ("{{ ansible_facts['thor_host'] }}", {"ansible_facts"}),
        ("{% for one in thor_a %}{{ one }}{% endfor %}", {"thor_a"}),
    ],
)
def test_the_required_variables_of_a_template_are_found(template: str, names: set[str]) -> None:
    assert unguarded(template) == names


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_other_variables_only_with_a_default(role: str) -> None:
    there = made_by(role).union(
        *({name for name in made_by(other) if name.startswith(f"__{other}_")} for other in ROLES)
    )
    # Ansible resolves a message even where its assertion holds: one that cannot be resolved ends the play in any case.
    for path, template in read_in(role, "tasks", "handlers", "vars", "defaults", "templates"):
        if path.parent.name == "templates" and role in (
            "gateway",
            "serving",
        ):  # plugin_utils renders them, without Ansible
            continue
        missing = {name for name in unguarded(template) - there if not MAGIC.fullmatch(name)}
        assert missing == set(), f"{path.relative_to(ROOT)}: {template}"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_the_inventory_only_in_its_defaults(role: str) -> None:
    for path, template in read_in(role, "tasks", "handlers", "vars", "templates"):
        names = {name.name for name in JINJA.parse(template).find_all(jinja2.nodes.Name)}
        assert {name for name in names if name.startswith("thor_")} == set(), f"{path.relative_to(ROOT)}: {template}"


@pytest.mark.parametrize("playbook", sorted(ROOT.glob("playbooks/*.yml")), ids=lambda path: path.stem)
def test_a_playbook_reads_a_variable_only_with_a_default(playbook: Path) -> None:
    for template in templates(load(playbook)):
        theirs = {name for name in unguarded(template) if not MAGIC.fullmatch(name)}
        assert theirs == set(), template
