# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module status_report: all action plugin, on the controller."""

from __future__ import annotations

from pathlib import Path

import module_promises


def test_it_keeps_its_promises(tmp_path: Path) -> None:
    arguments = {"hosts": ["thor01"], "observed": "nobody_has_registered_this"}
    results = [module_promises.run_action("status_report", arguments, check=check) for check in (True, False)]
    for result in results:
        assert result["changed"] is False and "diff" not in result
        (host,) = result["hosts"]
        assert host["state"] == "unreadable" and "nobody has looked" in host["reason"]
    file = tmp_path / "folder" / "status.json"
    written = module_promises.run_action("status_report", {**arguments, "file": str(file)}, check=True)
    assert file.exists() and written["file"] == str(file), "it is what was asked for, in check mode too"
