# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The attributes that modules document, each kind once."""

from __future__ import annotations


class ModuleDocFragment:
    """``jetson.thor.attributes`` is for modules that change something; a module overrides what differs."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and predict whether it would change something, without changing the target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: full
"""

    # For modules that only read.
    READS = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and return what it finds, without changing the target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in check mode.
    support: none
    details: It changes nothing, so there is nothing to show.
"""

    ACTION = r"""
options: {}
attributes:
  action:
    description: Has an action plugin, so that parts of it run on the controller.
    support: full
"""

    # For modules that are all action plugin.
    CONTROLLER = r"""
options: {}
attributes:
  action:
    description: Has an action plugin, which does all of its work on the controller.
    support: full
  connection:
    description: Uses the target's configured connection information to execute code on it.
    support: none
"""

    IDEMPOTENT = r"""
options: {}
attributes:
  idempotent:
    description: When run twice in a row with the same arguments, the second run indicates no change.
    support: full
"""

    FACTS = r"""
options: {}
attributes:
  facts:
    description: Returns facts for the host.
    support: full
"""
