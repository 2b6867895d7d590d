# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The module resolve: it reads, in check mode too."""

from __future__ import annotations

import module_promises
from real_catalog import CHAT, FILES


def test_it_keeps_its_promises() -> None:
    arguments = {"catalog": str(FILES), "profiles": [CHAT]}
    results = [module_promises.run_action("resolve", arguments, check=check) for check in (True, False)]
    assert results[0] == results[1]
    assert module_promises.promised("resolve")["check_mode"] == "full"
    assert results[0]["changed"] is False and "diff" not in results[0]
    assert [one["profile"] for one in results[0]["ansible_facts"]["thor_services"]] == [CHAT]
