# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""prune.yml and remove.yml on a host with everything on it: afterwards it is like a host that never saw the collection."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator

import playbook_run
import pytest
from host_state import ROOT, HostState, on_host

HOST = os.environ.get("THOR_TEST_HOST", "thor08").split()[0]
FRESH = "thor18"
LAYER = os.environ.get("THOR_TEST_LAYER", "molecule/gateway/inventory")
MINE = "/models/mine"
# What may differ: a person's models, and /models, which may be a person's; the compiler cache, which is a mount; what the packages leave
# behind themselves (configuration, accounts, logs: apt-get remove is no purge); traces of Ansible, of systemd and of the tests.
ALLOWED = re.compile(
    rf"/models d|{MINE}|/var/lib/thor(-test-mine|/ccache)? |nginx|prometheus|/(home/nvidia|root)/\.ansible"
    r"|/var/lib/(systemd|private|logrotate)|/var/(log|cache)/(?!thor|private/thor)"
)


def run(playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook for this host, with the inventory of the scenario."""
    return playbook_run.play(
        playbook, "-i", LAYER, "-l", HOST, *arguments, inventory="inventories/sandbox", timeout=300
    )


def play(playbook: str, *arguments: str) -> str:
    """What a playbook that succeeds says."""
    done = run(playbook, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def changed(said: str) -> int:
    """The changes in the recap."""
    found = re.search(rf"^{HOST} .*changed=(\d+)", said, re.MULTILINE)
    assert found, said
    return int(found[1])


@pytest.fixture(scope="module")
def fresh() -> Iterator[HostState]:
    """A host that was created a moment ago."""
    subprocess.run([ROOT / "script/sandbox", "up", FRESH], check=True, timeout=120, capture_output=True)
    yield HostState.of(FRESH)
    subprocess.run([ROOT / "script/sandbox", "down", FRESH], check=True, timeout=60, capture_output=True)


def test_prune_removes_what_nothing_needs_and_leaves_the_services_alone() -> None:
    on_host(
        HOST,
        f"""mkdir -p {MINE} /var/cache/thor/gone /srv/keep
        echo mine > {MINE}/note.txt; echo kept > /srv/keep/file; echo cache > /var/cache/thor/gone/kernels
        ln -sfn /srv/keep /models/linked; ln -sfn /srv/keep /opt/thor/linked
        mkdir -p /opt/thor/engines/llama.cpp/0000000-000000000000/bin
        cp $(ls /opt/thor/engines/llama.cpp/*-*/build.json | tail -n 1) /opt/thor/engines/llama.cpp/0000000-000000000000/""",
    )
    before = on_host(HOST, "systemctl show -p InvocationID --value 'thor-*.service'; stat -c '%n %i %Y' /models/mine/*")
    forecast = play("playbooks/prune.yml", "--check", "--diff")
    assert "-/opt/thor/engines/llama.cpp/0000000-000000000000" in forecast and "-/var/cache/thor/gone" in forecast
    said = play("playbooks/prune.yml")
    assert "llama.cpp 0000000-000000000000" in said and "cache of gone" in said
    assert changed(play("playbooks/prune.yml")) == 0
    assert (
        on_host(HOST, "systemctl show -p InvocationID --value 'thor-*.service'; stat -c '%n %i %Y' /models/mine/*")
        == before
    )
    on_host(HOST, "test ! -e /opt/thor/engines/llama.cpp/0000000-000000000000; cat /srv/keep/file")


def test_a_host_that_is_not_named_is_refused() -> None:
    done = run("playbooks/remove.yml")
    assert done.returncode != 0 and f"-e thor_remove_confirm={HOST}" in " ".join(done.stdout.split())
    assert on_host(HOST, "ls /etc/thor")


def test_nothing_of_ours_is_left_and_nothing_else_is_gone(fresh: HostState) -> None:
    record = json.loads(on_host(HOST, "cat /var/lib/thor/installed.json"))
    arguments = (
        "-e",
        f"thor_remove_confirm={HOST}",
        "-e",
        "thor_remove_models=true",
        "-e",
        "thor_remove_packages=true",
    )
    play("playbooks/remove.yml", "--check", *arguments)
    assert on_host(HOST, "ls /etc/thor"), "check mode removes nothing"
    said = play("playbooks/remove.yml", *arguments)
    assert "thor.target" in said and "/opt/thor" in said
    on_host(HOST, "cat /srv/keep/file && rm -r /srv/keep && rm /models/linked")
    left = HostState.of(HOST)
    assert left.beyond(fresh, ALLOWED) == {}
    assert not {f"installed {name}" for name in record["packages"]} & left.packages
    assert left.daemon_json == fresh.daemon_json
    assert on_host(HOST, f"cat {MINE}/note.txt") == "mine\n"
    again = play("playbooks/remove.yml", *arguments)
    assert changed(again) == 0 and "nothing to remove" in again
