# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Tests of the folder of the authority: modes, renewal, several processes at once, damage."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway import certificates
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.authority import Authority
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.certificates import Unusable

NOW = datetime.now(UTC)


def test_it_makes_a_folder_for_its_owner_alone(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "thor-ca")
    assert authority.due("thor01", ["thor01"], NOW) == "there is none yet"
    assert not (tmp_path / "thor-ca").exists(), "to look writes nothing"
    authority.renewed("thor01", ["thor01"], NOW)
    modes = {
        str(path.relative_to(tmp_path)): f"{path.stat().st_mode & 0o777:o}" for path in sorted(tmp_path.rglob("*"))
    }
    assert modes == {
        "thor-ca": "700",
        "thor-ca/.gitignore": "644",
        "thor-ca/.lock": "600",
        "thor-ca/ca.crt": "644",
        "thor-ca/ca.key": "600",
        "thor-ca/hosts": "700",
        "thor-ca/hosts/thor01.crt": "644",
        "thor-ca/hosts/thor01.key": "600",
    }


def test_git_sees_nothing_of_it(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    Authority(tmp_path / "thor-ca").renewed("thor01", ["thor01"], NOW)
    seen = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert seen.stdout == ""


def test_it_renews_only_what_is_due(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first = authority.renewed("thor01", ["thor01"], NOW)
    assert authority.renewed("thor01", ["thor01"], NOW) == first == authority.pair("thor01")
    assert authority.due("thor01", ["thor01"], NOW) is None
    later = NOW + timedelta(days=300)
    second = authority.renewed("thor01", ["thor01"], later)
    assert second.key != first.key and authority.due("thor01", ["thor01"], later) is None
    ca = authority.certificate.read_text(encoding="utf-8")
    assert certificates.due(second, ca, ["thor01"], later) is None, "the same authority has signed it"


PROGRAM = """
import sys
from datetime import UTC, datetime
from ansible_collections.jetson.thor.plugins.plugin_utils.gateway.authority import Authority
Authority(sys.argv[1]).renewed(sys.argv[2], [sys.argv[2]], datetime.now(UTC))
"""


def test_several_hosts_at_once_get_certificates_of_one_authority(tmp_path: Path) -> None:
    hosts = [f"thor{number:02d}" for number in range(6)]
    running = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path / "ca", host], env={"PYTHONPATH": ":".join(sys.path)})
        for host in hosts
    ]
    assert [one.wait(60) for one in running] == [0] * len(hosts)
    authority = Authority(tmp_path / "ca")
    assert [authority.due(host, [host], datetime.now(UTC)) for host in hosts] == [None] * len(hosts)


def test_an_authority_without_its_key_is_not_replaced_in_silence(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.renewed("thor01", ["thor01"], NOW)
    authority.key.unlink()
    for attempt in (authority.due, authority.renewed):
        with pytest.raises(Unusable, match=r"ca\.key"):
            attempt("thor01", ["thor01"], NOW)


def test_an_authority_past_its_end_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.renewed("thor01", ["thor01"], NOW)
    with pytest.raises(Unusable, match=r"ca\.crt: The certificate ended"):
        authority.due("thor01", ["thor01"], NOW + timedelta(days=3651))


def test_a_damaged_pair_is_made_anew(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.renewed("thor01", ["thor01"], NOW)
    (tmp_path / "hosts/thor01.key").write_text("", encoding="utf-8")
    assert "cannot be read" in (authority.due("thor01", ["thor01"], NOW) or "")
    authority.renewed("thor01", ["thor01"], NOW)
    assert authority.due("thor01", ["thor01"], NOW) is None
