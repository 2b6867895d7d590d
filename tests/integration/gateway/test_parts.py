# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The playbooks of parts on a host that serves, and a fetch through a proxy with a password that nothing else sees."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from playbook_run import ROOT, play

HOST = "thor08"
ARGUMENTS = ("-i", "molecule/gateway/inventory", "-l", HOST)
NEXT = "/models/sandbox/tiny-next-GGUF"
PORT = 3128
PATTERN = "/root/proxy/pattern"  # the password, for grep
LAYER = yaml.safe_load((ROOT / "molecule/gateway/inventory/host_vars/thor08.yml").read_text(encoding="utf-8"))
# What the host serves, and one more model, which models.yml fetches and nobody serves.
FETCHED = {
    "thor_extra_models": {
        **LAYER["thor_extra_models"],
        "next": {"modelscope": "sandbox/tiny-next-GGUF", "file": "tiny-q8_0.gguf"},
    },
    "thor_profiles": [
        *LAYER["thor_profiles"],
        {"model": "next", "engine": "llama.cpp", "name": "next", "port": 8090, "memory_gib": 0.5},
    ],
}
BROKEN = """[Service]
ExecStart=
ExecStart=/bin/sh -c 'echo "supervisor: THOR-ENGINE-EXITED: broken on purpose"; exit 1'
"""


def part(name: str, *more: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """A run of a playbook for the host."""
    extra = ["-e", json.dumps(variables)] if variables else []
    return play(f"playbooks/{name}.yml", *ARGUMENTS, *extra, *more, inventory="inventories/sandbox", timeout=300)


def done(name: str, *more: str, **variables: Any) -> str:
    """The output of one that must succeed."""
    run = part(name, *more, **variables)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    return run.stdout


def changes(output: str) -> int:
    """How many tasks have changed something."""
    (count,) = re.findall(rf"^{HOST} +: .* changed=(\d+) ", output, re.MULTILINE)
    return int(count)


def process(host: Any, name: str) -> str:
    """The process of a service, which a restart changes."""
    return str(host.check_output("systemctl show --property=MainPID --value %s", f"thor-{name}.service"))


def test_check_mode_says_what_would_be_restarted_and_restarts_nothing(host: Any) -> None:
    before = [process(host, name) for name in ("chat", "embedder")]
    output = done("restart", "--check")
    assert re.search(r"restart chat; .*restart embedder", output) and changes(output) == 1
    assert [process(host, name) for name in ("chat", "embedder")] == before


def test_one_service_is_restarted_and_verified(host: Any) -> None:
    chat, embedder = process(host, "chat"), process(host, "embedder")
    output = done("restart", thor_service="chat")
    assert f"{HOST}: restart chat" in output and changes(output) == 1
    assert process(host, "chat") not in ("0", chat) and process(host, "embedder") == embedder
    table = output[output.index("tok/s") :]
    assert "chat" in table and "embedder" not in table


def test_a_service_that_the_host_does_not_have_is_refused(host: Any) -> None:
    before = process(host, "chat")
    run = part("restart", thor_service="chatt")
    assert run.returncode != 0 and process(host, "chat") == before
    assert f"{HOST}: THOR-SERVICE-UNKNOWN: thor_service" in run.stdout + run.stderr
    assert "Did you mean 'chat'?" in run.stdout + run.stderr


def test_a_restart_that_fails_says_why_in_the_services_own_words(host: Any) -> None:
    folder = "/run/systemd/system/thor-embedder.service.d"
    host.check_output(
        "mkdir -p %s && printf '%%s' %s > %s/zz-test.conf && systemctl daemon-reload", folder, BROKEN, folder
    )
    speech = process(host, "speech")
    try:
        run = part("restart", thor_service="embedder,speech")
    finally:
        host.check_output("rm -r %s && systemctl daemon-reload && systemctl restart thor-embedder.service", folder)
    said = " ".join((run.stdout + run.stderr).split())
    assert run.returncode != 0
    assert "thor-embedder.service was restarted but has not answered: THOR-ENGINE-EXITED: broken on purpose" in said
    assert "Left as they are: thor-speech.service." in said and process(host, "speech") == speech


def test_a_host_that_has_everything_has_no_part_left_to_do() -> None:
    for name in ("images", "models"):
        output = done(name)
        assert f"{HOST}: nothing to do" in output and changes(output) == 0, name


def test_tags_that_nothing_has_are_an_error() -> None:
    for name in ("images", "models", "restart"):
        run = part(name, "--tags", "chat")
        assert run.returncode != 0 and "THOR-TAGS-UNKNOWN: --tags chat" in run.stderr


@dataclass(frozen=True)
class Site:
    """A proxy on the host itself, which wants a login."""

    host: Any
    password: str

    @property
    def variable(self) -> dict[str, str]:
        """thor_proxy of the inventory."""
        return {"http": f"http://robot:{self.password}@127.0.0.1:{PORT}"}

    def passed(self) -> list[str]:
        """What has passed it, or was refused."""
        return str(self.host.check_output("cat /root/proxy/log")).splitlines()


@pytest.fixture(scope="module", name="site")
def _site(host: Any) -> Iterator[Site]:
    script = base64.b64encode((ROOT / "tests/support/forward_proxy.py").read_bytes()).decode()
    host.check_output("mkdir -pm 700 /root/proxy && printf '%%s' %s | base64 -d > /root/proxy/proxy.py", script)
    # Made there: sudo writes the commands of this test into the journal.
    host.check_output(
        f"head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \\n' > {PATTERN}; : > /root/proxy/log; rm -rf {NEXT}"
    )
    host.check_output(f"printf robot: | cat - {PATTERN} > /root/proxy/login")
    options = f"--port {PORT} --login /root/proxy/login --log /root/proxy/log"
    host.check_output(f"systemd-run --quiet --collect --unit=test-proxy python3 /root/proxy/proxy.py {options}")
    host.check_output(f"timeout 20 bash -c 'until : < /dev/tcp/127.0.0.1/{PORT}; do sleep 0.2; done' 2>/dev/null")
    yield Site(host, str(host.check_output(f"cat {PATTERN}")))
    host.check_output(f"systemctl stop test-proxy; rm -rf /root/proxy {NEXT}")


def test_models_are_fetched_through_the_proxy_and_nothing_is_served(host: Any, site: Site, tmp_path: Path) -> None:
    # A file, as a vault would be: what is on the command line is shown by -vvv.
    (tmp_path / "proxy.json").write_text(json.dumps({"thor_proxy": site.variable}), encoding="utf-8")
    given = ("-e", f"@{tmp_path}/proxy.json")
    before = process(host, "chat")
    output = done("models", "-vvv", "--diff", *given, **FETCHED)
    assert f"{HOST}: write proxy of apt; fetch next" in output
    assert host.file(f"{NEXT}/tiny-q8_0.gguf").exists and process(host, "chat") == before
    log = site.passed()
    assert any("hub.test:8080" in line and "tiny-next-GGUF" in line for line in log), log
    assert not [line for line in log if line.endswith("refused")]
    assert site.password not in output
    assert changes(done("models", *given, **FETCHED)) == 0
    # Requests to services, on the device itself, never pass it.
    count = len(site.passed())
    done("verify", *given)
    assert len(site.passed()) == count


def test_the_password_is_in_roots_files_and_nowhere_else(host: Any, site: Site) -> None:
    file = host.file("/etc/thor/proxy/apt.conf")
    assert (file.user, file.mode, site.password in file.content_string) == ("root", 0o600, True)
    for kind in ("cmdline", "environ"):
        # The shell that runs this names only the file.
        assert host.run(f"cat /proc/[0-9]*/{kind} 2>/dev/null | grep -aqFf {PATTERN}").rc == 1, kind
    assert host.run(f"journalctl --no-pager -o export | grep -aqFf {PATTERN}").rc == 1
    found = host.run(f"grep -rlFf {PATTERN} /etc /run /var/lib /tmp /opt/thor 2>/dev/null").stdout.split()
    assert "/etc/thor/proxy/apt.conf" in found
    open_to_others = [path for path in found if host.file(path).mode & 0o077]
    assert open_to_others == []


def test_without_the_variable_the_file_goes(host: Any) -> None:
    output = done("models")
    assert f"{HOST}: remove proxy of apt" in output and changes(output) == 1
    assert not host.file("/etc/thor/proxy").exists
    assert changes(done("models")) == 0
