# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""status.yml, logs.yml and support.yml on a host that serves, beside a host that is down; and no secret in what they show."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playbook_run import play

HOST = "thor08"
ARGUMENTS = ("-i", "molecule/gateway/inventory")
DROP_IN = "/etc/systemd/system/thor-chat.service.d/limits.conf"
UNIT = "/etc/systemd/system/thor-planted.service"
SAID = "/run/thor-planted"
SECRET = "/etc/thor/secrets/chat-0000test.env"
TOKEN = "hf_planted-in-a-journal-0123456789"
# The timer of thor_metrics writes meanwhile.
LISTED = "find /etc/thor /var/lib/thor /etc/systemd/system -path /var/lib/thor/metrics -prune -o -printf '%p %T@ %s\\n' | sort"
PASSWORD = "planted sesame 0123456789"


def run(name: str, *more: str, limit: str = HOST, **variables: Any) -> subprocess.CompletedProcess[str]:
    """A run of a playbook."""
    extra = ["-e", json.dumps(variables)] if variables else []
    words = (*ARGUMENTS, *more, "-l", limit, *extra)
    return play(f"playbooks/{name}.yml", *words, inventory="inventories/sandbox", timeout=200)


@pytest.fixture(scope="module", name="planted")
def _planted(host: Any) -> Iterator[None]:
    """A drop-in that limits a service, a secret of a service, and a unit by hand that says both in its journal."""
    said = f"using {TOKEN}; {PASSWORD[:9]}\\n{PASSWORD[9:]} is it; Authorization: Bearer abcdef0123456789"
    unit = f"[Service]\\nType=oneshot\\nExecStart=/bin/cat {SAID}\\n"
    host.check_output(f"mkdir -p {Path(DROP_IN).parent} && printf '[Service]\\nNice=1\\n' > {DROP_IN}")
    host.check_output(
        f"install -d -m 700 /etc/thor/secrets && umask 077 && printf 'PLANTED=\"{PASSWORD}\"\\n' > {SECRET}"
    )
    host.check_output(f"printf '{said}\\n' > {SAID} && printf '{unit}' > {UNIT}")
    host.check_output("systemctl daemon-reload && systemctl start thor-planted")
    yield
    host.check_output(f"rm -f {DROP_IN} {SECRET} {SAID} {UNIT}; rmdir {Path(DROP_IN).parent}; systemctl daemon-reload")


@pytest.mark.usefixtures("planted")
def test_one_table_has_every_host_also_one_that_is_down(host: Any, tmp_path: Path) -> None:
    down = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-o ConnectTimeout=3"}
    (tmp_path / "down.json").write_text(json.dumps({"thor": {"hosts": {"thor97": down}}}), encoding="utf-8")
    before = host.check_output(LISTED)
    file = tmp_path / "status.json"
    done = run("status", "-i", str(tmp_path / "down.json"), limit=f"{HOST},thor97", thor_status_file=str(file))
    assert done.returncode == 2 and "THOR-STATUS-UNREAD: thor97: unreachable" in done.stdout, done.stdout[-6000:]
    assert len(re.findall(r"^changed: ", done.stdout, re.MULTILINE)) == 0
    hosts = {one["host"]: one for one in json.loads(file.read_text(encoding="utf-8"))["hosts"]}
    assert hosts["thor97"]["state"] == "down" and re.search(r"^ +thor97 +- +down ", done.stdout, re.MULTILINE)
    found = hosts[HOST]
    services = {one["name"]: one for one in found["services"]}
    assert services["chat"]["state"] == "running" and services["chat"]["memory_bytes"] > 10**6
    assert services["chat"]["wanted"]["pin"] and services["chat"]["verify"]["state"] == "ok"
    assert f"thor-chat.service: {DROP_IN} limits or orders the unit; it is left as it is" in found["drift"]["by_hand"]
    assert "thor-planted.service: a unit by hand, which nothing here manages" in found["drift"]["by_hand"]
    assert f"{HOST}: by hand: thor-chat.service: {DROP_IN}" in done.stdout
    assert host.check_output(LISTED) == before


@pytest.mark.usefixtures("planted")
def test_logs_show_a_journal_and_name_the_services_that_there_are() -> None:
    done = run("logs", thor_service="chat", thor_logs_lines=20)
    assert done.returncode == 0 and len(re.findall(r"^ +\d{4}-\d\d-\d\dT\S+Z \S+: ", done.stdout, re.MULTILINE)) > 5, (
        done.stdout
    )
    wrong = run("logs", thor_service="chatt")
    said = " ".join(wrong.stdout.split())
    assert wrong.returncode == 2 and "THOR-LOGS-SERVICE" in said and re.search("of this host: .*chat", said), (
        wrong.stdout
    )


@pytest.mark.usefixtures("planted")
def test_a_bundle_has_what_helps_and_no_secret(host: Any, tmp_path: Path) -> None:
    listed = "find / -xdev -newermt '-5 minutes' -name '*.tar.gz' 2>/dev/null"
    done = run("support", "-vvv", thor_support_dir=str(tmp_path))
    assert done.returncode == 0, done.stdout[-4000:]
    (file,) = tmp_path.glob(f"{HOST}-*.tar.gz")
    assert file.stat().st_mode & 0o777 == 0o600 and file.stat().st_size < 8 << 20
    assert host.check_output(listed) == "", "nothing of it is on the host"
    with tarfile.open(file) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    texts = {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()
    }
    assert {
        "facts.json",
        "status.json",
        "files/etc/systemd/system/thor-chat.service",
        "journals/thor-chat.service.txt",
    } <= set(texts)
    assert f"files{DROP_IN}" in texts
    assert SECRET in texts["listing.txt"]
    journal = texts["journals/thor-planted.service.txt"]
    assert "using [redacted]" in journal and "is it" in journal, journal
    everything = "\n".join(texts.values()) + done.stdout
    assert PASSWORD not in everything and TOKEN not in everything and PASSWORD[9:] not in everything
