# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What prune and remove have removed from a host, or would remove, and what they leave: as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.jetson.thor.plugins.plugin_utils.report.text_table import text_table

COLUMNS = {"kind": "kind", "name": "name", "gb": "GB", "why": "reason"}


def removal_text(result: Mapping[str, Any], host: str, check: bool) -> list[str]:
    """The lines for a person. ``result``: of the modules prune and remove_host; ``check``: nothing has been removed."""
    removed: Sequence[Mapping[str, Any]] = result["removed"]
    kept: Sequence[Mapping[str, Any]] = result["kept"]
    total = f"{result['bytes'] / 1e9:.2f} GB"
    if not removed:
        lines = [f"{host}: nothing to remove"]
    else:
        lines = [f"{host}: {'would remove' if check else 'removed'} {len(removed)} ({total})"]
        rows = [{**one, "gb": f"{one['bytes'] / 1e9:.2f}" if one.get("bytes") else None} for one in removed]
        lines += [f"  {line}" for line in text_table(rows, COLUMNS).splitlines()]
    if kept:
        lines.append(f"{host}: {'would leave' if check else 'left'}:")
        lines += [f"  {one['name']}: {one['why']}" for one in kept]
    return lines
