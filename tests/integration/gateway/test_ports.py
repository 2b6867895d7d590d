# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What the network sees of a host: a scan of all its ports from another machine."""

from __future__ import annotations

import re

import client_machine

HOST = "thor08"
EXPECTED = {22, 443}


def test_a_scan_finds_ssh_and_the_gateway_and_nothing_else() -> None:
    report = client_machine.check(f"nmap -Pn -n -sT -p- --open -T4 -oG - {HOST}", timeout=300)
    assert set(map(int, re.findall(r"(\d+)/open/tcp", report))) == EXPECTED, report
