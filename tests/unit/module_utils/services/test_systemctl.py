# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Hold the answers of systemd against what is made of them, with stand-ins for its programs on PATH."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.services.systemctl import (
    NEVER_EDITED,
    Systemctl,
    runs_another,
)


@pytest.fixture(name="program")
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def says(program: Path, needs_reload: dict[str, str]) -> None:
    """Stand in for ``systemctl show``: a block for each unit that is asked for."""
    cases = "".join(f"{unit}) answer={answer} ;;\n" for unit, answer in needs_reload.items())
    script = f"""#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift
for unit; do
    case $unit in
        {cases}*) answer=no ;;
    esac
    printf 'ActiveState=active\\nUnitFileState=enabled\\nInvocationID=1\\nNeedDaemonReload=%s\\nDropInPaths=\\nMainPID=0\\n\\n' $answer
done
"""
    (program / "systemctl").write_text(script, encoding="utf-8")
    (program / "systemctl").chmod(0o755)


def test_a_unit_that_systemd_has_not_read_again_is_stale(program: Path) -> None:
    says(program, {"thor-chat.service": "yes"})
    states = Systemctl().states(["thor-chat.service", "thor-ear.service"])
    assert [states[unit].stale for unit in ("thor-chat.service", "thor-ear.service")] == [True, False]
    assert list(states) == ["thor-chat.service", "thor-ear.service"]


def test_what_systemd_says_of_every_unit_is_no_change_of_ours(program: Path) -> None:
    # systemd 255 after a `systemctl enable --no-reload` of anybody, such as a refresh of snapd.
    says(program, {"thor-chat.service": "yes", NEVER_EDITED: "yes"})
    assert not Systemctl().states(["thor-chat.service"])["thor-chat.service"].stale


def test_a_journal_may_hold_any_bytes(program: Path) -> None:
    (program / "journalctl").write_text("#!/bin/sh\nprintf 'half a sign: \\303\\nand more\\n'\n", encoding="utf-8")
    (program / "journalctl").chmod(0o755)
    assert Systemctl().journal("thor-chat.service", 0) == ["half a sign: \ufffd", "and more"]


def test_another_command_than_the_one_that_systemd_would_start_is_seen() -> None:
    mine = Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
    shown = "{{ path=/x ; argv[]={} ; ignore_errors=no ; start_time=[n/a] ; pid=0 ; status=0/0 }}"
    process = str(os.getpid())
    assert runs_another({"MainPID": process, "ExecStart": shown.format(mine)}) is False
    assert runs_another({"MainPID": process, "ExecStart": shown.format(f"{mine} --host 0.0.0.0")}) is True
    # What cannot be told is no reason to restart anything.
    assert runs_another({"MainPID": process, "ExecStart": shown.format("/x $$HOME")}) is False
    assert runs_another({"MainPID": process, "ExecStart": "{ path=/x ; argv[]=two"}) is False
    assert runs_another({"MainPID": "0", "ExecStart": shown.format("/x")}) is False
    assert runs_another({}) is False
