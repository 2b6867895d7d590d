# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Start the build, show its steps, return its result (documented in plugins/modules/cmake_build.py)."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.plugin_utils.long_running import LongRunning


class ActionModule(LongRunning):
    """Start the job, show its progress, return its result."""
