# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""How long a port does not answer when one service of a host changes its profile, or its profile and name, there and back.

The host must have containers and be provisioned already (molecule converge -s containers). A script on the host queries the port
every 50 ms, with real requests; dockerd's events show the rest. Prints JSON. The target: no answer for at most the old
engine's drain (from its SIGTERM to its end) and the new engine's own start-up (from the start of its process to its first
answer) together, plus 2 seconds; and no other service restarts. The first run of a profile fetches what it needs; that
must not show here, because model and image are there before the old engine stops.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SSH = ["ssh", "-F", str(ROOT / ".sandbox" / "ssh_config")]
LIMIT = 2.0  # seconds besides drain and start-up

# Runs on the host until its input ends; prints [begin, end, answered] of every request.
POLLER = """
import http.client, json, sys, threading, time
port, body = int(sys.argv[1]), sys.argv[2]
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
seen = []
while not over.wait(0.05):
    begin, good = time.time(), False
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        good = "choices" in json.loads(answer.read()) and answer.status == 200
        connection.close()
    except (OSError, ValueError, http.client.HTTPException):
        pass
    seen.append([begin, time.time(), good])
print(json.dumps(seen))
"""


def on_host(host: str, *words: str) -> str:
    """The output of a command on the host, as root."""
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in ("sudo", *words))
    return subprocess.run([*SSH, host, quoted], capture_output=True, text=True, check=True, timeout=60).stdout


def invocations(host: str) -> dict[str, str]:
    """Our running units, and an id for each of their starts."""
    listing = on_host(host, "systemctl", "list-units", "--plain", "--no-legend", "--state=active", "thor-*.service")
    units = [line.split()[0] for line in listing.splitlines()]
    return {
        unit: on_host(host, "systemctl", "show", "--value", "--property=InvocationID", unit).strip() for unit in units
    }


def events(host: str, names: set[str], begin: float, end: float) -> list[tuple[float, str, str]]:
    """What happened to the containers of these services, from dockerd: (time, action, signal)."""
    lines = on_host(
        host,
        *("docker", "events", "--format", "{{json .}}", *(f"--filter=container=thor-{name}" for name in sorted(names))),
        *("--since", f"{begin:.3f}", "--until", f"{end:.3f}"),
    )
    found = [json.loads(line) for line in lines.splitlines()]
    return [(one["timeNano"] / 1e9, one["Action"], one["Actor"]["Attributes"].get("signal", "")) for one in found]


def measure(host: str, names: set[str], port: int, served_name: str, change: Callable[[], object]) -> dict[str, Any]:
    """Watch the port while ``change`` switches the service, whose old and new name are ``names``; seconds."""
    body = json.dumps({"model": served_name, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1})
    before = invocations(host)
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in ("python3", "-c", POLLER, str(port), body))
    poller = subprocess.Popen([*SSH, host, quoted], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    begin = float(on_host(host, "date", "+%s.%N"))
    time.sleep(1)
    change()
    time.sleep(1)
    output, _ = poller.communicate(timeout=60)
    end = float(on_host(host, "date", "+%s.%N"))
    after = invocations(host)
    ours = {f"thor-{name}.service" for name in names}
    return {
        **figures(json.loads(output), events(host, names, begin, end)),
        "restarts_of_other_services": sum(after.get(unit) != one for unit, one in before.items() if unit not in ours),
    }


def figures(seen: list[list[Any]], happened: list[tuple[float, str, str]]) -> dict[str, Any]:
    """From all requests and events to the figures."""
    answered = [(one[0], one[1]) for one in seen if one[2]]
    # From the end of one answer to the end of the next, where the gap is longest.
    last, first = max(((left[1], right[1]) for left, right in itertools.pairwise(answered)), key=gap)
    stopped = next(time for time, action, signal in happened if action == "kill" and signal == "15")
    died = next(time for time, action, _ in happened if action == "die")
    started = next(time for time, action, _ in happened if action == "start" and time > died)
    dark, drain, start_up = first - last, died - stopped, first - started
    return {
        "requests": len(seen),
        "unanswered": sum(not one[2] for one in seen),
        "old_drain": round(drain, 3),
        "new_start_up": round(start_up, 3),
        "dark": round(dark, 3),
        "overhead": round(dark - drain - start_up, 3),
        "from_last_answer_to_sigterm": round(stopped - last, 3),
        "from_end_to_start": round(started - died, 3),
        "limit": LIMIT,
        "within_limit": dark - drain - start_up <= LIMIT,
    }


def gap(pair: tuple[float, float]) -> float:
    """Seconds between two moments."""
    return pair[1] - pair[0]


def main() -> None:
    """Switch there and back, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", default="inventories/sandbox")
    parser.add_argument("--host", default="thor04")
    parser.add_argument("--service", default="chat")
    parser.add_argument("--served-name", default="qwen3", help="what its requests ask for")
    parser.add_argument("--profile", default="qwen3-8b-fp8-vllm", help="what the service changes to; it keeps its port")
    arguments = parser.parse_args()
    folder = Path(sys.executable).parent
    listing = [str(folder / "ansible-inventory"), "-i", arguments.inventory, "--host", arguments.host]
    profiles = json.loads(run(listing))["thor_profiles"]
    (entry,) = [one for one in profiles if one.get("name") == arguments.service]
    other = {**entry, "profile": arguments.profile}
    renamed = {**other, "name": f"{arguments.service}-renamed"}
    site = [str(folder / "ansible-playbook"), "-i", arguments.inventory, "site.yml", "-l", arguments.host]

    names = {entry["name"], renamed["name"]}

    def switch(wanted: dict[str, Any]) -> dict[str, Any]:
        extra = json.dumps({"thor_profiles": [wanted if one is entry else one for one in profiles]})
        served_name = str(entry.get("served_name", arguments.served_name))
        return measure(arguments.host, names, entry["port"], served_name, lambda: run([*site, "-e", extra]))

    switches = {
        "there": switch(other),
        "back": switch(entry),
        "there, under another name": switch(renamed),
        "back to its name": switch(entry),
    }
    on_host(arguments.host, "docker", "volume", "rm", "--force", f"thor-{renamed['name']}-cache")
    print(
        json.dumps(
            {"host": arguments.host, "service": arguments.service, "from": entry["profile"], "to": arguments.profile}
            | switches,
            indent=2,
        )
    )
    if not all(one["within_limit"] and not one["restarts_of_other_services"] for one in switches.values()):
        sys.exit(1)


def run(command: list[str]) -> str:
    """The output of a command that must succeed."""
    environment = {**os.environ, "NO_COLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
