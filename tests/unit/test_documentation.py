# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Every command block says where it is run, every inventory shown can be planned, and the map of the code is right."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import blocks
import pytest
import yaml
from ansible_collections.jetson.thor.plugins.module_utils.environments.lock import parse
from blocks import ROOT, Block

ALL = blocks.blocks()
# Blocks that only a device or a person can run. For one more, give a reason and raise this number.
PERSONS = 7
INVENTORIES = [block for block in ALL if block.language == "yaml" and block.kind == "here"]


def ansible(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook with the collection of this checkout."""
    program = Path(sys.executable).with_name("ansible-playbook")
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def test_there_are_blocks() -> None:
    assert {"README.md", "docs/operations.md", "docs/catalog.md"} <= {block.page for block in ALL}
    assert any(block.page == "README.md" and "playbooks/verify.yml\n" in block.text for block in ALL), "a table"


@pytest.mark.parametrize("block", ALL, ids=lambda block: block.place)
def test_a_block_says_where_it_is_run(block: Block) -> None:
    assert block.kind, (
        "write <!-- run: here -->, <!-- run: client -->, <!-- run: ci PART --> or <!-- run: person: REASON --> before it"
    )
    assert block.language in ("sh", "yaml", "python"), (
        "sh for commands, yaml for an inventory, python for a client's program"
    )
    assert (block.language == "python") == bool(blocks.program_of(block)), "a program begins with its name: # ask.py"
    if block.kind == "person":
        assert len(block.detail) > 10, "say why"


@pytest.mark.parametrize(
    "page", ["README.md", "docs/clients.md", "docs/gateway.md", "docs/monitoring.md", "docs/on_demand.md"]
)
def test_commands_for_clients_are_in_blocks(page: str) -> None:
    """Nothing runs what stands in a sentence."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert re.findall(r"`(?:curl|sudo) [^`\n]*`", text) == []


def test_few_blocks_are_left_for_a_person_to_run() -> None:
    assert [block.place for block in ALL if block.kind == "person"][PERSONS:] == []


@pytest.mark.parametrize("block", [block for block in ALL if block.kind == "ci"], ids=lambda block: block.place)
def test_a_part_of_ci_runs_it(block: Block) -> None:
    script = (ROOT / "script/test").read_text(encoding="utf-8")
    parts = set(re.findall(r"^part_(\w+)\(\)", script, re.MULTILINE))
    for line in block.text.splitlines():
        words = line.split("#")[0].split()
        if words[0] == "script/test":
            assert not words[1:] or words[1].replace("-", "_") in parts, line
        else:
            assert words[0] == f"script/{block.detail}" and (ROOT / words[0]).exists(), line


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "sh"], ids=lambda block: block.place)
def test_commands_are_valid_shell(block: Block) -> None:
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "python"], ids=lambda block: block.place)
def test_programs_are_valid_python(block: Block) -> None:
    assert block.kind in ("client", "person")
    compile(block.text, block.place, "exec")


def test_every_inventory_can_be_planned(tmp_path: Path) -> None:
    hosts: dict[str, Any] = {}
    for block in INVENTORIES:
        shown = list(blocks.files_of(block).values()) or [block.text]
        document = {key: value for text in shown for key, value in yaml.safe_load(text).items()}
        # A block that only adds to the catalog is planned with the profile of the example.
        hosts[block.place.replace(":", "-")] = {  # a number after a colon would be a port
            "thor_profiles": ["qwen3-8b-q5-k-m-llama-cpp"],
            **{key: value for key, value in document.items() if key.startswith("thor_")},
        }
    assert len(hosts) > 10
    (tmp_path / "hosts.yml").write_text(json.dumps({"thor": {"hosts": hosts}}), encoding="utf-8")
    done = ansible("-i", "hosts.yml", ROOT / "playbooks/plan.yml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("page", "words"),
    [("README.md", "qwen3-30b-a3b-nvfp4-vllm"), ("docs/operations.md", 'thor_engine_versions: {vllm: "0.33.0"}')],
)
def test_vllm_without_docker_takes_two_lines_of_inventory_at_most(page: str, words: str, tmp_path: Path) -> None:
    (block,) = [block for block in INVENTORIES if block.page == page and words in block.text]
    assert len([line for line in block.text.splitlines() if line.strip()]) <= 2
    hosts = {"thor": {"hosts": {"thor01": yaml.safe_load(block.text)}}}
    (tmp_path / "hosts.yml").write_text(json.dumps(hosts), encoding="utf-8")
    done = ansible(
        "-i", "hosts.yml", ROOT / "playbooks/plan.yml", "-e", f"thor_plan_file={tmp_path}/plan.json", folder=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    planned = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))["thor01"]
    (service,) = planned["services"]
    assert (service["engine"], service["engine_version"], service["kind"]) == ("vllm", "0.33.0", "packages")
    assert planned["plan"]["due"] == ["python_engine", "model_store", "serving"], "no Docker and no image"
    assert "Python packages of the package index, for vllm[audio]==0.33.0" in done.stdout


def test_the_sizes_in_the_readme_are_those_of_the_locks() -> None:
    folder = ROOT / "roles/catalog/files/packages"
    sizes = [
        parse((folder / f"{name}-cp312-aarch64.txt").read_text(encoding="utf-8")).bytes / 1e9
        for name in ("vllm-0.33.0", "sglang-0.5.23")
    ]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Python packages ({sizes[0]:.1f} GB, each with its hash)" in readme
    assert f"from Python packages, each | {sizes[0]:.1f} or {sizes[1]:.1f} GB, about 10 GB on disk |" in readme


def test_the_examples_of_modules_are_tasks(tmp_path: Path) -> None:
    tasks = [task for block in blocks.blocks_of(blocks.MODULES) for task in yaml.safe_load(block.text)]
    assert len(tasks) > 10
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    (tmp_path / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    done = ansible("--syntax-check", "-i", "localhost,", "play.yml", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


DEVELOPMENT = (ROOT / "docs/development.md").read_text(encoding="utf-8")
MAP = DEVELOPMENT.split("\n## Doubles")[0]
TOP = {path.name for path in ROOT.iterdir() if path.is_dir()} - {".cache", ".venv", "meta"}
NAMED = sorted(
    {
        word.rstrip("/")
        for code in re.findall(r"`([^`\n]+)`", DEVELOPMENT)
        for word in code.split()
        if word.split("/")[0] in TOP and "/" in word
    }
)


def test_the_page_for_developers_names_paths() -> None:
    assert len(NAMED) > 50


@pytest.mark.parametrize("path", [name for name in NAMED if not name.startswith("tests/output")])
def test_every_path_on_the_page_for_developers_exists(path: str) -> None:
    assert list(ROOT.glob(path)), "docs/development.md: correct the path"


def test_the_map_names_no_file_without_its_folder() -> None:
    bare = set(re.findall(r"`([\w-]+\.(?:py|j2|yml))`", MAP)) - {"site.yml", "rollout.yml"}
    assert bare == set(), "give the path from the root of the repository"


def test_the_map_has_every_room() -> None:
    plugins = ROOT / "plugins"
    rooms = {*plugins.iterdir(), *(plugins / "plugin_utils").iterdir(), *(plugins / "module_utils").iterdir()}
    names = {str(room.relative_to(ROOT)) for room in rooms if any(room.glob("*.py")) and room.name != "__pycache__"}
    rows = set(re.findall(r"^\| `([^`]+)` \|", MAP.split("\n## Rooms\n")[1].split("\n## ")[0], re.MULTILINE))
    assert names - {"plugins/plugin_utils", "plugins/module_utils"} <= rows
