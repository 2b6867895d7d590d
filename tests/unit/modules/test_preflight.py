# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module preflight: it plans and changes nothing, in check mode too."""

from __future__ import annotations

import module_promises
from sample_host import HOST


def test_it_keeps_its_promises() -> None:
    arguments = {"services": [], "host": HOST}
    results = [module_promises.run_action("preflight", arguments, check=check) for check in (True, False)]
    assert results[0] == results[1]
    assert module_promises.promised("preflight")["check_mode"] == "full"
    assert results[0]["changed"] is False and "diff" not in results[0]
    assert results[0]["ansible_facts"]["thor_plan"]["problems"] == []
