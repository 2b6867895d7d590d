# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A branch moves on the hub: the device keeps what it has until it is told, then exchanges model and service in one switch, and back."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from playbook_run import ROOT, play

HOST = "thor08"
MODEL = "sandbox/moving-GGUF"
FOLDER = f"/models/{MODEL}"
FILE = "tiny-q8_0.gguf"
FIRST, SECOND = "Hello from the sandbox!", "Hello from the second revision"
RESTORE = {"restore": True, "units": ["thor.target", "thor-drop-caches.socket"]}


def publish(folder: Path, revision: str) -> None:
    """Let the branch on the hub hold the tiny model's ``revision``, and a page that is always the same."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / ".sandbox" / "hub" / "models" / "sandbox" / "tiny-GGUF" / revision / "files" / FILE, folder)
    (folder / "README.md").write_text("# Always the same\n")
    subprocess.run(["script/sandbox", "publish", MODEL, "master", str(folder)], cwd=ROOT, check=True, timeout=120)


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second inventory: the services of the host, and one whose model's branch moves."""
    folder = tmp_path_factory.mktemp("inventory")
    known = yaml.safe_load((ROOT / "inventories" / "sandbox" / "host_vars" / f"{HOST}.yml").read_text())
    known["thor_extra_models"]["moving"] = {"huggingface": MODEL, "include": [FILE, "README.md"], "file": FILE}
    known["thor_profiles"].append({"model": "moving", "engine": "llama.cpp", "port": 8006, "thinking": False})
    (folder / "host_vars").mkdir()
    (folder / "host_vars" / f"{HOST}.yml").write_text(yaml.safe_dump(known))
    (folder / "hosts.yml").write_text(f"thor: {{hosts: {{{HOST}: {{}}}}}}\n")
    return folder


def site(inventory: Path, **extra: Any) -> int:
    """Run site.yml; the number of changes."""
    words = ("-i", str(inventory), "-l", HOST, "-e", json.dumps(extra))
    run = play("site.yml", *words, inventory="inventories/sandbox", timeout=300)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    recap = re.search(rf"{HOST}\s*:.*changed=(\d+)", re.sub(r"\x1b\[[0-9;]*m", "", run.stdout))
    assert recap is not None, run.stdout[-2000:]
    return int(recap[1])


def answer(host: Any) -> str:
    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 40, "temperature": 0})
    url = "http://127.0.0.1:8006/v1/chat/completions"
    found = json.loads(host.check_output("curl -sS --fail --max-time 120 --json %s %s", body, url))
    return str(found["choices"][0]["message"]["content"])


def others(host: Any) -> str:
    """The main processes of the services that use other models."""
    units = [f"thor-{name}.service" for name in ("chat", "mine", "embedder", "reranker", "drafted", "caller")]
    return str(host.check_output("systemctl show --property=MainPID --value " + " ".join(units)))


@pytest.fixture(scope="module")
def served(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The service with the first commit, before the branch moved; the folder from which the hub is filled."""
    folder = tmp_path_factory.mktemp("hub") / "moving"
    publish(folder, "master")
    site(inventory)
    yield folder
    # Gone again, so that the scenario can be verified a second time.
    assert play("site.yml", "-l", HOST, inventory="inventories/sandbox", timeout=300).returncode == 0


def test_the_first_commit_is_kept_until_somebody_asks_for_a_newer_one(host: Any, inventory: Path, served: Path) -> None:
    assert answer(host).startswith(FIRST)
    publish(served, "v2")
    assert site(inventory) == 0
    assert answer(host).startswith(FIRST)


@pytest.mark.usefixtures("served")
def test_an_update_exchanges_model_and_service_together(host: Any, inventory: Path) -> None:
    before, page = others(host), host.check_output(f"stat -c %i {FOLDER}/README.md")
    assert site(inventory, thor_update_models=True) > 0
    assert answer(host).startswith(SECOND)
    assert host.check_output(f"stat -c %i {FOLDER}/README.md") == page  # not fetched again
    assert others(host) == before
    assert site(inventory, thor_update_models=True) == 0


@pytest.mark.usefixtures("served")
def test_going_back_brings_the_old_model_with_the_old_service(host: Any, inventory: Path) -> None:
    words = [
        str(Path(sys.executable).parent / "ansible"),
        HOST,
        "-i",
        "inventories/sandbox",
        "-i",
        str(inventory),
        "-b",
    ]
    subprocess.run(
        [*words, "-m", "jetson.thor.services", "-a", json.dumps(RESTORE)],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        check=True,
        timeout=180,
    )
    assert answer(host).startswith(FIRST)
