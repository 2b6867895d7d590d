# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""bench with and without a draft: the service runs as before afterwards, whatever happens to the measurement."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playbook_run import ROOT, play

INVENTORY = "inventories/sandbox"
HOST = "thor08"
UNIT = "thor-drafted.service"
DROP_IN = f"/run/systemd/system/{UNIT}.d"
QUICK = {
    "bench_input_tokens": 64,
    "bench_output_tokens": 64,
    "bench_requests": 3,
    "bench_concurrency": [1],
    "bench_services": ["drafted"],
    "bench_speculation": True,
    "bench_tools": False,
}


def command(host: Any) -> str:
    """The command that the unit's main process runs; empty if it does not run."""
    process = host.check_output("systemctl show --property=MainPID --value %s", UNIT)
    return str(host.run("tr '\\0' ' ' </proc/%s/cmdline", process).stdout) if process != "0" else ""


def eventually(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.5)


def runs_as_before(host: Any, before: str) -> bool:
    active = host.run("systemctl is-active %s", UNIT).stdout.strip() == "active"
    return active and command(host) == before and not host.file(DROP_IN).exists


@pytest.fixture
def before(host: Any) -> str:
    found = command(host)
    assert "--spec-type" in found
    return found


def test_bench_says_what_a_draft_is_worth(host: Any, before: str, tmp_path: Path) -> None:
    extra = json.dumps({**QUICK, "thor_bench_results": str(tmp_path)})
    run = play("playbooks/bench.yml", "-l", HOST, "-e", extra, inventory=INVENTORY)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    (drafted,) = json.loads(next(tmp_path.glob("*.json")).read_text(encoding="utf-8"))["services"]
    assert drafted["state"] == "measured" and drafted["speculative"]["method"] == "draft"
    assert drafted["loads"][0]["speculation"]["drafted_tokens"] > 0
    plain = drafted["without_speculation"]
    assert (plain["state"], plain["loads"][0]["speculation"]) == ("measured", None), plain["reason"]
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "## Speculation" in page and "times as fast" in page
    assert runs_as_before(host, before)


def test_a_measurement_that_is_killed_is_undone(host: Any, before: str, tmp_path: Path) -> None:
    extra = json.dumps({**QUICK, "bench_requests": 1500, "thor_bench_results": str(tmp_path)})
    words = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        INVENTORY,
        "playbooks/bench.yml",
        "-l",
        HOST,
        "-e",
        extra,
    ]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as playing:
        try:
            eventually(lambda: bool(command(host)) and "--spec-type" not in command(host), 400)
            assert host.file(DROP_IN).exists
            # A play that compares the unit with the inventory leaves it alone meanwhile.
            site = play("site.yml", "-l", HOST, inventory=INVENTORY)
            assert site.returncode != 0 and "THOR-UNIT-DRIFT" in site.stdout
            host.check_output("systemctl kill --signal=KILL thor-job-bench.service")
            playing.wait(300)
        finally:
            playing.kill()
    eventually(lambda: runs_as_before(host, before))
