# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Action of the module engine_image: its work may run as a job."""

from __future__ import annotations

from ansible_collections.jetson.thor.plugins.plugin_utils.long_running import LongRunning


class ActionModule(LongRunning):
    """Start the job, show its progress, return its result."""
