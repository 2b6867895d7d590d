# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module bench_report: check mode writes nothing, and a second run changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import made_up_results as made_up
import module_promises


def test_it_keeps_its_promises(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    for document in made_up.many(2):
        file = results / f"{document['host']}-{document['run']}.json"
        file.write_text(json.dumps(document), encoding="utf-8")
    arguments = {
        "results": [str(results)],
        "template": str(made_up.ROOT / "roles/bench/templates/report.html.j2"),
        "markdown": str(tmp_path / "out/report.md"),
    }
    before = module_promises.snapshot(tmp_path)
    forecast = module_promises.run_action("bench_report", arguments, check=True)
    assert module_promises.snapshot(tmp_path) == before, "check mode has written something"
    done = module_promises.run_action("bench_report", arguments)
    assert (tmp_path / "out/report.md").read_text().startswith("# Benchmark report")
    assert (forecast["changed"], done["changed"]) == (True, True)
    assert module_promises.run_action("bench_report", arguments, check=True)["changed"] is False
    assert module_promises.run_action("bench_report", arguments)["changed"] is False
    assert module_promises.promised("bench_report")["diff_mode"] == "none" and "diff" not in done
