# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module node_metrics: check mode, diff mode, a second run, and the way back, with a systemctl of our own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import module_promises
import pytest
from ansible_collections.jetson.thor.plugins.module_utils.observe import metrics

# Keeps which units were started and enabled, and answers show with it.
SYSTEMCTL = """#!/bin/sh
state={folder}/units
case $1 in
show)
    shift 3
    for unit; do
        active=inactive enabled=
        test ! -e "$state/$unit" || active=active enabled=enabled
        printf 'ActiveState=%s\\nUnitFileState=%s\\n\\n' "$active" "$enabled"
    done ;;
*)
    echo "$@" >>{folder}/orders
    case $1 in
    restart) touch "$state/$2" ;;
    stop) shift; for unit; do rm -f "$state/$unit"; done ;;
    esac ;;
esac
"""
FILES = [
    {"path": "/opt/thor/metrics/a/b.py", "content": "1\n"},
    {"path": f"/etc/systemd/system/{metrics.TIMER}", "content": "[Timer]\n"},
    {"path": metrics.DROP_IN, "content": "[Service]\n"},
]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("bin", "units", "root"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/systemctl").write_text(SYSTEMCTL.format(folder=tmp_path))
    (tmp_path / "bin/systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(metrics, "ROOT", tmp_path / "root")
    return tmp_path / "root"


def orders(root: Path) -> list[str]:
    """What systemd was ordered since the last call."""
    path = root.parent / "orders"
    found = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def test_it_keeps_its_promises(root: Path) -> None:
    result = module_promises.keep("node_metrics", {"files": FILES}, root)
    assert result["written"] == [one["path"] for one in FILES] and result["removed"] == []
    assert orders(root) == [
        "daemon-reload",
        f"start {metrics.UNIT}",
        f"enable --quiet {metrics.TIMER}",
        f"restart {metrics.TIMER}",
        f"enable --quiet {metrics.EXPORTER}",
        f"restart {metrics.EXPORTER}",
    ]


def test_an_exporter_of_somebody_else_gets_no_order(root: Path) -> None:
    module_promises.run("node_metrics", {"files": FILES[:2], "exporter": False})
    assert not [order for order in orders(root) if metrics.EXPORTER in order]


def test_a_unit_that_does_not_run_is_started_again_and_nothing_else(root: Path) -> None:
    module_promises.run("node_metrics", {"files": FILES})
    orders(root)
    (root.parent / "units" / metrics.EXPORTER).unlink()
    result = module_promises.run("node_metrics", {"files": FILES})
    assert (result["changed"], result["started"], result["written"]) == (True, [metrics.EXPORTER], [])
    assert f"restart {metrics.TIMER}" not in orders(root)


def test_files_of_an_earlier_version_go(root: Path) -> None:
    module_promises.run("node_metrics", {"files": FILES})
    result = module_promises.run("node_metrics", {"files": FILES[1:]})
    assert result["removed"] == ["/opt/thor/metrics/a/b.py"] and not (root / "opt/thor/metrics").exists()


def test_absent_leaves_nothing_and_no_exporter_that_listens_everywhere(root: Path) -> None:
    module_promises.run("node_metrics", {"files": FILES})
    textfile = root / metrics.TEXTFILES.lstrip("/") / metrics.NAME
    textfile.parent.mkdir(parents=True)
    textfile.write_text("x 1\n")
    orders(root)
    module_promises.keep("node_metrics", {"state": "absent"}, root)
    assert [path for path in root.rglob("*") if path.is_file()] == []
    assert f"disable --quiet --no-reload {metrics.EXPORTER}" in (found := orders(root))
    assert f"stop {metrics.TIMER} {metrics.UNIT} {metrics.EXPORTER}" in found
    assert found[-1] == "daemon-reload"


def test_what_systemd_refuses_has_a_code(root: Path) -> None:
    (root.parent / "bin/systemctl").write_text("#!/bin/sh\ntest $1 != start || { echo 'no such unit' >&2; exit 5; }\n")
    arguments: dict[str, Any] = {"files": FILES}
    with pytest.raises(AssertionError) as caught:
        module_promises.run("node_metrics", arguments)
    assert "THOR-METRICS-FAILED" in str(caught.value) and "no such unit" in str(caught.value)
