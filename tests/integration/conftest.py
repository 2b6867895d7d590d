# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Shared by the tests of all scenarios: the host's output if one of them fails."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the units of the collection and their last journal lines to the report of a failed test."""
    report = yield
    host: Any = getattr(item, "funcargs", {}).get("host")
    # Some files have a fixture of this name of their own.
    if report.failed and hasattr(host, "backend"):
        for title, command in (
            ("units", "systemctl --no-pager --full status 'thor-*' | head -n 60"),
            ("journal", "journalctl --no-pager --lines 80 --output short-iso -u 'thor-*'"),
        ):
            report.sections.append((f"{title} of {host.backend.get_hostname()}", host.run(command).stdout))
    return report
