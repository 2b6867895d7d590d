# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Enforce the rules of the house: what no linter knows about this collection, and what goes stale unnoticed."""

from __future__ import annotations

import ast
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import module_docs
import pytest
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.metrics.exposition import FAMILIES
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import role_variables, schema, shapes
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.variables import FACTS, KNOWN
from ansible_collections.jetson.thor.plugins.plugin_utils.plan.settings import PLANNED
from checkout import ROOT, run, tracked

ROLES = sorted(path.parent.name for path in ROOT.glob("roles/*/tasks"))
MODULES = sorted(path.stem for path in ROOT.glob("plugins/modules/*.py"))
PLAYBOOKS = ["site.yml", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("playbooks/*.yml"))]
CODE = re.compile(r"\bTHOR-[A-Z0-9]+(?:-[A-Z0-9]+)*\b")


def load(path: Path) -> Any:
    """A YAML file's content; an empty mapping if it is absent or empty."""
    return (yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None) or {}


def entry_points(role: str) -> dict[str, Any]:
    """A role's argument_specs by entry point."""
    specs: dict[str, Any] = load(ROOT / "roles" / role / "meta/argument_specs.yml").get("argument_specs", {})
    return specs


def own_variables(role: str) -> dict[str, Any]:
    """Variables that a role's defaults and vars define."""
    return {**load(ROOT / "roles" / role / "defaults/main.yml"), **load(ROOT / "roles" / role / "vars/main.yml")}


def mappings(node: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a YAML document."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from mappings(child)


def text_constant(path: Path, name: str) -> str:
    """The text assigned to a top-level name of a Python file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return str(ast.literal_eval(node.value))
    return ""


# Roles


@pytest.mark.parametrize("role", ROLES)
def test_argument_specs_equal_defaults(role: str) -> None:
    defaults = load(ROOT / "roles" / role / "defaults/main.yml")
    options: dict[str, Any] = {}
    for spec in entry_points(role).values():
        options |= spec.get("options") or {}
    documented = {name: option["default"] for name, option in options.items() if "default" in option}
    assert documented == defaults
    for name, option in options.items():
        assert "default" in option or option.get("required"), f"{name} has no default and is not required"


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_of_a_role_has_a_specification(role: str) -> None:
    entries = {path.stem for path in (ROOT / "roles" / role / "tasks").glob("*.yml")}
    assert "main" in entry_points(role)
    assert set(entry_points(role)) <= entries
    used_elsewhere = set()
    for path in [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")]:
        for mapping in mappings(load(path)):
            if str(mapping.get("name", mapping.get("role", ""))) == f"jetson.thor.{role}" and "tasks_from" in mapping:
                used_elsewhere.add(mapping["tasks_from"].removesuffix(".yml"))
    assert used_elsewhere <= set(entry_points(role)), "an entry point that others use is not documented"


@pytest.mark.parametrize("role", ROLES)
def test_role_variables_carry_the_role_as_prefix_and_are_used(role: str) -> None:
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for part in ("tasks", "handlers", "templates", "vars", "defaults")
        for path in (ROOT / "roles" / role / part).rglob("*")
        if path.is_file()
    )
    for name in own_variables(role):
        assert re.match(rf"(__)?{role}_", name), f"{name} lacks the prefix {role}_"
        if name == f"__{role}_planned" and role in PLANNED:
            continue  # plugins/action/preflight.py reads it
        # Once where it is defined, and once more where it is read.
        assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{name} is defined and never used"


@pytest.mark.parametrize("role", ROLES)
def test_no_role_defines_a_variable_of_the_inventory(role: str) -> None:
    for path in (ROOT / "roles" / role).rglob("*.yml"):
        if "files" in path.parts or "meta" in path.parts:
            continue
        document = load(path)
        named = set(document) if isinstance(document, dict) else set()
        for mapping in mappings(document):
            named |= set(mapping.get("vars") or {}) | set(mapping.get("ansible.builtin.set_fact") or {})
            named.add(mapping.get("register", ""))
        assert not [name for name in named if name.startswith("thor_")], path.relative_to(ROOT)


def test_nobody_reads_the_internals_of_a_role() -> None:
    """But for ``__ROLE_planned``, which plugin_utils/planned.py reads for the plan."""
    paths = [path for part in ("playbooks", "plugins", "roles") for path in ROOT.glob(f"{part}/**/*") if path.is_file()]
    for path in [path for path in paths if path.suffix in {".j2", ".py", ".yml"}]:
        place = path.relative_to(ROOT).parts
        mine = place[1] if place[0] == "roles" else ""
        for name in re.findall(r"(?<!\w)__([a-z]\w*[a-z])\b", path.read_text(encoding="utf-8")):
            owner = max((role for role in ROLES if name.startswith(f"{role}_")), key=len, default=mine)
            assert owner == mine or name == f"{owner}_planned", f"{path.relative_to(ROOT)}: __{name}"


def test_the_list_of_known_variables_is_what_roles_and_playbooks_read() -> None:
    files = [
        path
        for part in ("defaults", "vars", "tasks", "handlers", "templates")
        for path in ROOT.glob(f"roles/*/{part}/**/*")
        if path.is_file()
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in [*files, *ROOT.glob("playbooks/*.yml")])
    text = re.sub(r"^ *#.*$", "", text, flags=re.MULTILINE)
    groups = set(re.findall(r"groups\['(\w+)'\]", text))
    read = set(re.findall(r"\bthor_\w*[a-z]\b", text)) - set(FACTS) - groups
    assert sorted(read) == list(KNOWN)


def test_documentation_names_no_variable_that_nothing_reads() -> None:
    pages = [path for path in tracked() if path.suffix == ".md" and path.name != "CHANGELOG.md"]
    for page in [*pages, *ROOT.glob("inventories/example/**/*.yml")]:
        named = set(re.findall(r"(?<![/\w])thor_\w*[a-z]\b", page.read_text(encoding="utf-8")))
        unread = named - set(KNOWN) - set(FACTS) - set(FAMILIES)
        groups = {
            "thor_rollout_current",
            "thor_rollout_waiting",
            "thor_due",
            "thor_models_unknown",
            "thor_status_unread",
        }
        assert unread <= groups, page.relative_to(ROOT)


# Arguments that roles pass to each other, and those that plugin_utils/catalog/resolve.py checks under the inventory's names.
PASSED_ON = {
    "cmake_build_builds",
    "cmake_build_tools",
    "catalog_refuse",
    "catalog_seen",
    "catalog_update_models",
    *(f"catalog_{key}" for key in schema.HOST),
}
PASSED_ON |= {"serving_profiles", "serving_extra_profiles", "gateway_profiles", "gateway_extra_profiles"}
PASSED_ON |= {"gateway_settings"}  # true or a mapping: checked as thor_gateway
PASSED_ON |= {f"catalog_{noun}" for noun in ("profiles", "extra_engines", "extra_models", "extra_profiles")}
TYPES = {"bool": bool, "int": int, "float": float, "list": list, "dict": dict, "str": str, "path": str}


@pytest.mark.parametrize("role", ROLES)
def test_every_variable_of_a_role_has_a_range_or_a_pattern(role: str) -> None:
    for spec in entry_points(role).values():
        for name, option in (spec.get("options") or {}).items():
            if name in PASSED_ON:
                continue
            shape = role_variables.VARIABLES.get(name)
            assert shape, f"{name}: say in plugins/plugin_utils/catalog/role_variables.py what it may be"
            is_one_of_several = option["type"] == "raw" and len(shape.types) > 1
            assert is_one_of_several or TYPES[option["type"]] in shape.types, name
            assert set(shape.choices) == set(option.get("choices") or ()), name
            unbounded = shape.types in {(bool,), (list,), (dict,)} or shape in [
                shapes.TEXT,
                shapes.PROSE,
                shapes.SECRET,
            ]
            bounded = shape.choices or shape.pattern or shape.maximum < shapes.LARGEST
            assert unbounded or bounded, f"{name}: give it a range, a pattern or choices"
            default = option.get("default")
            if default is not None and "{{" not in str(default):
                assert shapes.check(role_variables.coerce(default, shape), shape, name) == []


def test_every_variable_of_an_inventory_has_a_shape() -> None:
    entries = {
        "thor_profiles",
        "thor_extra_engines",
        "thor_extra_models",
        "thor_extra_profiles",
    }  # those of the catalog
    assert set(KNOWN) - entries <= set(role_variables.VARIABLES), (
        "say in plugins/plugin_utils/catalog/role_variables.py what it may be"
    )


# Plugins


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_documented_with_examples_and_attributes(module: str) -> None:
    path = ROOT / "plugins/modules" / f"{module}.py"
    documentation = module_docs.documentation()[module]
    examples = yaml.safe_load(text_constant(path, "EXAMPLES"))
    assert documentation["module"] == module
    assert any(f"jetson.thor.{module}" in task for task in examples)
    assert text_constant(path, "RETURN"), "say what it returns, or # for nothing of its own"
    attributes = documentation["attributes"]
    assert {"check_mode", "diff_mode"} <= set(attributes)
    for name, attribute in attributes.items():
        assert attribute["support"] in {"full", "partial", "none", "N/A"}
        assert attribute["support"] != "partial" or attribute.get("details"), f"{name} is partial: in what way?"


def runs_of(module: str) -> set[str]:
    """The functions of tests/support/module_promises.py that the test of a module calls for it."""
    path = ROOT / "tests/unit/modules" / f"test_{module}.py"
    source = path.read_text(encoding="utf-8") if path.exists() else ""
    return {
        node.func.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args
        if ast.unparse(node.func.value) == "module_promises" and ast.unparse(node.args[0]) == repr(module)
    }


@pytest.mark.parametrize("module", MODULES)
def test_check_and_diff_mode_of_a_module_are_tested_by_running_it(module: str) -> None:
    path = ROOT / "plugins/modules" / f"{module}.py"
    attributes = module_docs.documentation()[module]["attributes"]
    assert attributes["check_mode"]["support"] != "none"
    runs = runs_of(module)
    if attributes["diff_mode"]["support"] != "none":
        assert "keep" in runs, f"tests/unit/modules/test_{module}.py: module_promises.keep({module!r}, ...)"
    elif "AnsibleModule(" in path.read_text(encoding="utf-8"):
        assert runs & {"keep", "keep_reading", "keep_noting", "keep_repeating"}, (
            f"tests/unit/modules/test_{module}.py runs it with neither"
        )
    else:
        assert "run_action" in runs, f"tests/unit/modules/test_{module}.py does not run its action"


def test_every_fragment_of_documentation_is_used_more_than_once() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("plugins/modules/*.py"))
    used = re.findall(r"^  - jetson\.thor\.(\S+)$", text, re.MULTILINE)
    for path in ROOT.glob("plugins/doc_fragments/*.py"):
        names = re.findall(r"^    ([A-Z]+) = r", path.read_text(encoding="utf-8"), re.MULTILINE)
        slugs = {path.stem if name == "DOCUMENTATION" else f"{path.stem}.{name.lower()}" for name in names}
        assert slugs and all(used.count(slug) > 1 for slug in slugs), path.name


@pytest.mark.parametrize("module", MODULES)
def test_a_module_documents_whether_it_has_an_action_plugin(module: str) -> None:
    documented = module_docs.documentation()[module]
    routed = load(ROOT / "meta/runtime.yml")["plugin_routing"]["modules"]
    has_action = module in routed or (ROOT / "plugins/action" / f"{module}.py").exists()
    assert has_action == (documented["attributes"].get("action", {}).get("support") == "full")


def test_the_action_group_holds_every_module() -> None:
    assert sorted(load(ROOT / "meta/runtime.yml")["action_groups"]["thor"]) == MODULES


# Documentation


def test_every_code_is_documented_and_every_documented_code_is_used() -> None:
    used: set[str] = set()
    for path in tracked():
        if path.relative_to(ROOT).parts[0] in {"plugins", "roles", "script"}:
            used |= set(CODE.findall(path.read_text(encoding="utf-8", errors="replace")))
    documented = re.findall(
        r"^\| `?(THOR-[A-Z0-9-]+)`? \|", (ROOT / "docs/errors.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(documented) == len(set(documented))
    assert sorted(used - set(documented)) == [], "used, but not on the page"
    assert sorted(set(documented) - used) == [], "on the page, but not used"


def test_generated_documentation_is_up_to_date() -> None:
    result = run("python", "script/docs", "--check")
    assert result.returncode == 0, result.stdout + result.stderr


def test_links_between_pages_lead_somewhere() -> None:
    for page in [path for path in tracked() if path.suffix == ".md"]:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_changelog_fragments_are_valid() -> None:
    result = run("antsibull-changelog", "lint")
    assert result.returncode == 0, result.stdout + result.stderr


# Playbooks, packaging, files


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_playbook_is_well_formed(playbook: str) -> None:
    result = run("ansible-playbook", "--syntax-check", "-i", "inventories/example", playbook)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "[WARNING]" not in result.stderr, result.stderr


def test_a_task_that_puts_hosts_into_groups_is_no_change() -> None:
    """Ansible counts a new member of a group as a change, whatever the module says."""
    grouping = 0
    for path in ROOT.glob("roles/*/tasks/*.yml"):
        for task in yaml.safe_load(path.read_text(encoding="utf-8")) or []:
            plans = "jetson.thor.preflight" in task and "roles" not in task["jetson.thor.preflight"]
            if plans or {"ansible.builtin.group_by", "jetson.thor.host_facts", "jetson.thor.resolve"} & set(task):
                grouping += 1
                assert task.get("changed_when") is False, (path.relative_to(ROOT), task["name"])
    assert grouping >= 8


def test_the_archive_holds_what_a_user_needs_and_nothing_else(tmp_path: Path) -> None:
    result = run("ansible-galaxy", "collection", "build", "--output-path", str(tmp_path))
    assert result.returncode == 0, result.stderr
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        top = {name.split("/")[0] for name in archive.getnames()}
        tests = {name for name in archive.getnames() if name.startswith("tests/")}
    files = {"CHANGELOG.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md"}
    folders = {"changelogs", "docs", "inventories", "meta", "playbooks", "plugins", "requirements", "roles", "tests"}
    assert top == files | folders
    assert tests == {"tests/config.yml"}


def test_requirements_are_pinned_and_agree() -> None:
    pins = {}
    for path in ROOT.glob("requirements/*.txt"):
        lines = path.read_text(encoding="utf-8").splitlines()
        pins[path.stem] = {line for line in lines if line and not line.startswith("#")}
        marker = r'( ; python_version (<|>=) "3\.12")?'
        assert [line for line in pins[path.stem] if not re.fullmatch(rf"[\w.-]+==(\d+!)?[\w.+]+{marker}", line)] == []
    engines = {"client", "contract", "contract-newer", "dashboard", "real-vllm"}  # environments without Ansible
    assert set(pins) == {"controller", "dev", "importer"} | engines
    # Demo and tests use the core of the oldest Python; nightly/newest-core uses the other.
    oldest = {line.removesuffix(' ; python_version < "3.12"') for line in pins["controller"] if ">=" not in line}
    cores = sorted(line for line in pins["controller"] if line.startswith("ansible-core=="))
    assert [line.split(" ; ")[1] for line in cores] == ['python_version < "3.12"', 'python_version >= "3.12"']
    assert all(oldest <= pins[name] for name in ("dev", "importer"))
