# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a plan is made of: steps, the share of one role, the plan of a host. Plain data; docs/plan.md describes its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, fail_text

SCHEMA = 1


class Kind(StrEnum):
    """What a step does."""

    INSTALL = "install"
    CONFIGURE = "configure"
    BUILD = "build"
    PULL = "pull"
    CHECK = "check"
    FETCH = "fetch"
    WRITE = "write"
    START = "start"
    RESTART = "restart"
    SWITCH = "switch"
    REMOVE = "remove"


@dataclass(frozen=True)
class Step:
    """One thing to do on a host. ``concern`` is the role that does it; ``bytes`` and ``seconds`` are None if unknown."""

    kind: Kind
    concern: str
    subject: str
    reason: str
    bytes: int | None = None
    seconds: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The step as plain data."""
        return {
            "kind": str(self.kind),
            "concern": self.concern,
            "subject": self.subject,
            "reason": self.reason,
            "bytes": self.bytes,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Share:
    """What one role has to do on a host. ``section`` holds what the role acts on."""

    concern: str
    steps: tuple[Step, ...] = ()
    section: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What has to be done on a host, and what prevents it. A plan with problems has no steps."""

    host: str
    observed: bool  # False: planned from the inventory alone, as if the host had nothing yet
    shares: tuple[Share, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in the order in which the roles run."""
        return tuple(step for share in self.shares for step in share.steps)

    @property
    def due(self) -> tuple[str, ...]:
        """The roles that have something to do, in the order in which they run."""
        return tuple(share.concern for share in self.shares if share.steps)

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know although nothing has to be done: settings that the device does not support, for example."""
        return tuple(note for share in self.shares for note in share.notes)

    @property
    def refusal(self) -> str:
        """The message that a play fails with; empty without problems."""
        return fail_text(self.host, self.problems) if self.problems else ""

    def sections(self, *roles: str) -> dict[str, Any]:
        """The sections of these roles."""
        return {share.concern: dict(share.section) for share in self.shares if share.concern in roles}

    def as_dict(self) -> dict[str, Any]:
        """The plan as the fact ``thor_plan``: each role has a section, whether it is due or not."""
        return {
            "schema": SCHEMA,
            "host": self.host,
            "observed": self.observed,
            "due": list(self.due),
            "steps": [step.as_dict() for step in self.steps],
            "problems": [problem.as_dict() for problem in self.problems],
            "notes": list(self.notes),
            **self.sections(*(share.concern for share in self.shares)),
        }
