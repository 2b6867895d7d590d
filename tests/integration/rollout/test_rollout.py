# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The real rollout.yml on three hosts: in waves, with a host that fails, then again with the waiting hosts.

They need the three provisioned hosts of the group fleet (inventories/sandbox). Each test continues where the previous one ended:
a fleet on its way from one model to the next.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from lost_connection import lost_connection

ROOT = Path(__file__).resolve().parents[3]
HOSTS = ("thor05", "thor06", "thor07")
SSH = ["ssh", "-F", str(ROOT / ".sandbox" / "ssh_config")]
OLD, NEW = "Hello from the sandbox!", "Hello from the second revision"
NEXT: dict[str, Any] = {"profile": "tiny-next-llama-cpp", "name": "chat", "thinking": False}
# It does not start: there is no such file.
DIES = {**NEXT, "options": {"grammar-file": "/srv/none.gbnf"}}
# It starts and answers, but thinks although it must not.
THINKS = {**NEXT, "options": {"reasoning-budget": -1, "chat-template-file": None}}


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A second inventory beside the sandbox's, with the services of the fleet."""
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "hosts.yml").write_text("thor: {children: {fleet: {}}}\n")
    want(tmp_path, NEXT)
    return tmp_path


def want(inventory: Path, entry: dict[str, Any], host: str = "") -> None:
    """Set these services for the fleet, or for one host of it."""
    place = f"host_vars/{host}.yml" if host else "group_vars/fleet.yml"
    (inventory / place).write_text(json.dumps({"thor_profiles": [entry]}))


def slow_down(inventory: Path, host: str) -> None:
    """Make a host the last to be sorted: its connections wait from its plan on until it is."""
    between = "ansible_facts.thor_plan is defined and 'thor_rollout_waiting' not in groups"
    wait = f"lookup('ansible.builtin.pipe', 'sleep 5') if {between} else ''"
    arguments = f"-F {ROOT / '.sandbox' / 'ssh_config'} {{{{ {wait} }}}}"
    (inventory / "host_vars" / f"{host}.yml").write_text(json.dumps({"ansible_ssh_common_args": arguments}))


def rollout(
    inventory: Path, *arguments: str, at: str = "", then: Callable[[], object] = lambda: None, **variables: Any
) -> tuple[int, str]:
    """Run the playbook; its exit status and output. ``then`` is called when a line contains the text ``at``."""
    # `...` is for: not as an extra variable.
    extra = {
        name: value for name, value in {"thor_rollout_waves": [1, 1, "100%"], **variables}.items() if value is not ...
    }
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        *("-i", "inventories/sandbox", "-i", str(inventory), "-l", "fleet"),
        *("-e", json.dumps(extra)),
        "playbooks/rollout.yml",
        *arguments,
    ]
    environment = {
        **os.environ,
        "NO_COLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    }
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        watchdog = threading.Timer(900, process.kill)
        watchdog.start()
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if at and at in line:
                # The play waits meanwhile, so that its next task finds what ``then`` has done.
                process.send_signal(signal.SIGSTOP)
                try:
                    then()
                finally:
                    process.send_signal(signal.SIGCONT)
        process.wait()
        watchdog.cancel()
    return process.returncode, "".join(lines)


def states(output: str) -> dict[str, str]:
    """The last table of the rollout status: state by host."""
    table = output[output.rindex("host    state") :]
    return dict(re.findall(r"^ *(thor\d\d)  (.+?)  +(?:chat,|not known|nothing)", table, re.MULTILINE))


def waves(output: str) -> list[list[str]]:
    """The hosts of each wave, in the order of the waves."""
    plays = output.split("PLAY [Switch and verify, wave by wave]")[1:]
    begun = [play.split("Note that the switch has begun]")[1].split("TASK")[0] for play in plays]
    return [re.findall(r"^ok: \[(thor\d\d)\]", play, re.MULTILINE) for play in begun]


def on_host(host: str, command: str) -> str:
    """The output of a command on a host, as root."""
    words = [*SSH, host, f"sudo sh -c {shlex.quote(command)}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def invocation(host: str) -> str:
    """Identifies one start of the service."""
    return on_host(host, "systemctl show --value --property=InvocationID thor-chat.service")


def says(host: str) -> str:
    """What the service answers."""
    body = json.dumps({"messages": [{"role": "user", "content": "Hi"}]})
    url = "http://127.0.0.1:8000/v1/chat/completions"
    answer = json.loads(on_host(host, f"curl -sS --fail --max-time 20 {url} -d {shlex.quote(body)}"))
    return str(answer["choices"][0]["message"]["content"])


@pytest.fixture(scope="module", autouse=True)
def _all_serve_the_old_model() -> None:
    assert all(says(host).startswith(OLD) for host in HOSTS)


def test_a_failing_host_is_rolled_back_and_no_further_wave_begins(inventory: Path) -> None:
    want(inventory, DIES, "thor06")
    slow_down(inventory, "thor05")
    before = {host: invocation(host) for host in HOSTS}
    status, output = rollout(inventory)
    assert status != 0
    sorting = output.split("waiting | Sort the hosts]")[1].split("TASK")[0]
    assert re.findall(r"thor\d\d", sorting)[-1] == "thor05", "the race was not forced"
    assert waves(output) == [["thor05"], ["thor06"]]
    assert "THOR-ROLLOUT-STOPPED: thor06 failed, more than the 0 allowed" in " ".join(output.split())
    assert states(output) == {"thor05": "switched", "thor06": "back on its previous services", "thor07": "waiting"}
    assert says("thor05").startswith(NEW)
    assert says("thor06").startswith(OLD)
    assert invocation("thor07") == before["thor07"], "waiting hosts have served all the time"
    # Everything that can be prepared in advance was, on all hosts.
    assert on_host("thor07", "test -e /models/sandbox/tiny-next-GGUF/tiny-q8_0.gguf && echo there") == "there"


def test_a_second_run_continues_with_the_waiting_hosts_and_a_wrong_answer_is_a_failure_too(inventory: Path) -> None:
    want(inventory, THINKS, "thor06")
    first = invocation("thor05")
    (inventory / "group_vars" / "thor.yml").write_text('thor_rollout_waves: [2, "100%"]\n')
    status, output = rollout(inventory, thor_rollout_waves=..., thor_rollout_max_failures=1)
    assert output.count("PLAY [Switch and verify, wave by wave]") == 1, "as many waves as the inventory says"
    assert status != 0, "the exit status shows a failed host"
    assert "THOR-ROLLOUT-STOPPED" not in output
    assert "THOR-ROLLOUT-FAILED: thor06" in output and "THOR-ANSWER-THINKING" in output
    assert states(output) == {"thor05": "up to date", "thor06": "back on its previous services", "thor07": "switched"}
    assert says("thor06").startswith(OLD)
    assert says("thor07").startswith(NEW)
    assert invocation("thor05") == first


def test_the_last_run_switches_the_rest_and_the_next_one_changes_nothing(inventory: Path) -> None:
    kept = {host: invocation(host) for host in ("thor05", "thor07")}
    # Without any setting for waves, like the first command on the page.
    status, output = rollout(inventory, thor_rollout_waves=...)
    assert status == 0, output
    assert states(output) == {"thor05": "up to date", "thor06": "switched", "thor07": "up to date"}
    assert says("thor06").startswith(NEW)
    begin = time.monotonic()
    status, output = rollout(inventory)
    assert status == 0, output
    assert states(output) == dict.fromkeys(HOSTS, "up to date")
    assert all(re.search(rf"^{host} .*changed=0 .*skipped=0 ", output, re.MULTILINE) for host in HOSTS)
    assert {host: invocation(host) for host in kept} == kept
    assert time.monotonic() - begin < 120


def test_what_cannot_work_is_refused_before_anything_is_fetched(inventory: Path) -> None:
    want(inventory, {"profile": "tiny-llama-cpp", "name": "chat", "port": 80}, "thor06")
    status, output = rollout(inventory)
    assert status != 0
    assert "THOR-PORT-INVALID" in output and "thor06" in output
    assert "Switch" not in output.replace("Switch and verify, wave by wave", "")


@pytest.mark.parametrize("waves", [0, "110%", ["1", "all"], [], None])
def test_invalid_waves_are_refused_before_anything_is_fetched(inventory: Path, waves: object) -> None:
    status, output = rollout(inventory, thor_rollout_waves=waves)
    assert status != 0
    # A value that is not a number is refused with all other values; the role refuses the rest.
    assert re.search(r"THOR-(ROLLOUT-WAVES|VALUE-INVALID|TYPE-INVALID): thor_rollout_waves\b", " ".join(output.split()))
    assert "Build and fetch" not in output


def test_check_mode_shows_the_plan_and_switches_no_host(inventory: Path) -> None:
    want(inventory, {"profile": "tiny-llama-cpp", "name": "chat", "thinking": False})
    kept = {host: invocation(host) for host in HOSTS}
    status, output = rollout(inventory, "--check", thor_rollout_first=["thor07"])
    assert status == 0, output
    assert waves(output) == [["thor07"], ["thor05"], ["thor06"]]
    assert list(states(output)) == ["thor07", "thor05", "thor06"]
    assert states(output) == dict.fromkeys(HOSTS, "would be switched")
    assert {host: invocation(host) for host in HOSTS} == kept


def test_a_host_lost_in_its_wave_is_a_failure_and_its_services_are_unknown(inventory: Path) -> None:
    want(inventory, {"profile": "tiny-llama-cpp", "name": "chat", "thinking": False})
    with ExitStack() as until_back:

        def lose_it() -> None:
            until_back.enter_context(lost_connection("thor06", "sleep 30"))
            time.sleep(3)

        status, output = rollout(inventory, at="waiting | Sort the hosts", then=lose_it, thor_rollout_waves=["100%"])
        assert status != 0
        assert "THOR-ROLLOUT-STOPPED: thor06 failed, more than the 0 allowed" in " ".join(output.split())
        assert states(output) == {"thor05": "switched", "thor06": "lost while switching", "thor07": "switched"}
    assert says("thor06").startswith(NEW), "nothing was done to it"
