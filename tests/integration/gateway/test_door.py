# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The gateway beside an nginx that belongs to somebody else: theirs stays, ours goes and comes without a trace."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
HOST = "thor08"
SITE = "/etc/nginx/sites-enabled/person"
OURS = ("/etc/thor/gateway", "/etc/systemd/system/thor-gateway.service", "/etc/logrotate.d/thor-gateway")
PERSON = "server {{ listen 127.0.0.1:{port}; return 200 'a site of a person'; }}"


def site(playbook: str = "site.yml", **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run a playbook on the host, with other values for some variables."""
    extra = ROOT / ".sandbox" / "door.json"
    extra.write_text(json.dumps(variables), encoding="utf-8")
    inventories = [f"--inventory={ROOT / path}" for path in ("inventories/sandbox", "molecule/gateway/inventory")]
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return subprocess.run(
        [program, *inventories, "-l", HOST, playbook, "-e", f"@{extra}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def succeed(**variables: Any) -> str:
    done = site(**variables)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def state(host: Any) -> str:
    """Everything of a person's nginx: its process, its files and links."""
    found: str = host.check_output(
        "systemctl show -P MainPID nginx.service; find /etc/nginx | sort; find /etc/nginx -type f | xargs sha256sum"
    )
    return found


def serves(host: Any, port: int) -> bool:
    return bool(host.run(f"curl -s -m 5 http://127.0.0.1:{port}/").stdout == "a site of a person")


@pytest.fixture(scope="module")
def person(host: Any) -> Iterator[Any]:
    """The distribution's nginx with a site of a person, which starts at boot."""
    try:
        write_site(host, 8099)
        host.check_output("rm -f /etc/nginx/sites-enabled/default && systemctl enable --now nginx.service")
        yield host
    finally:
        host.check_output(f"systemctl disable --now nginx.service; rm -f {SITE}")
        succeed()


def write_site(host: Any, port: int) -> None:
    host.check_output(f"printf %s {shlex.quote(PERSON.format(port=port))} > {SITE}")
    host.run("systemctl try-reload-or-restart nginx.service")


def test_the_unit_is_confined(host: Any) -> None:
    # systemd's own measure, 0 (closed) to 10: root's rights to bind the port and to become www-data, LuaJIT, and the network are left.
    result = host.run("systemd-analyze security --no-pager --threshold=30 thor-gateway.service")
    assert result.rc == 0, result.stdout.splitlines()[-1]


def test_the_distributions_nginx_was_neither_started_nor_enabled(host: Any) -> None:
    assert host.run("systemctl is-enabled nginx.service").stdout.strip() == "disabled"
    assert host.run("systemctl is-active nginx.service").stdout.strip() == "inactive"


def test_the_gateway_goes_without_a_trace_and_the_site_of_a_person_stays(person: Any) -> None:
    assert serves(person, 8099)
    assert "remove gateway" in succeed(thor_gateway=False)
    assert serves(person, 8099)
    assert [path for path in OURS if person.file(path).exists] == []
    assert person.run("pgrep -f '[n]ginx -c /etc/thor'").rc == 1
    assert "gateway" not in person.check_output("ls -A /etc/thor")
    assert not person.socket("tcp://0.0.0.0:443").is_listening


def test_the_port_of_a_person_is_left_to_them(person: Any) -> None:
    write_site(person, 443)
    try:
        assert serves(person, 443)
        done = site()
        assert done.returncode != 0
        assert "THOR-GATEWAY-PORT-TAKEN" in done.stdout and "nginx" in done.stdout
        assert serves(person, 443) and not person.file(OURS[0]).exists
    finally:
        write_site(person, 8099)


def test_the_gateway_comes_and_nothing_of_a_person_changes(person: Any) -> None:
    # As on a host where a person's nginx was first: without the modules that only the gateway needs.
    person.check_output("apt-get purge -y -q libnginx-mod-http-lua libnginx-mod-http-ndk")
    before = state(person)
    assert "install libnginx-mod-http-lua" in succeed()
    assert person.socket("tcp://0.0.0.0:443").is_listening
    assert serves(person, 8099) and state(person) == before


def test_a_gateway_of_files_that_nginx_refuses_goes_on_with_the_old_ones(person: Any) -> None:
    """nginx's module for Lua is damaged, as by an upgrade that was cut: what runs has it in memory."""
    main = person.check_output("systemctl show -P MainPID thor-gateway.service")
    link = person.check_output("readlink /etc/thor/gateway")
    person.check_output(
        "mv /usr/lib/nginx/modules/ngx_http_lua_module.so /usr/lib/nginx/modules/kept; touch /usr/lib/nginx/modules/ngx_http_lua_module.so"
    )
    try:
        done = site(thor_gateway={"names": ["another-name"], "ca_dir": str(ROOT / ".sandbox" / "gateway-ca")})
    finally:
        person.check_output("mv /usr/lib/nginx/modules/kept /usr/lib/nginx/modules/ngx_http_lua_module.so")
    assert done.returncode != 0 and "THOR-GATEWAY-CONFIGURATION" in done.stdout + done.stderr
    assert person.check_output("readlink /etc/thor/gateway") == link
    assert person.check_output("systemctl show -P MainPID thor-gateway.service") == main
    assert person.socket("tcp://0.0.0.0:443").is_listening
