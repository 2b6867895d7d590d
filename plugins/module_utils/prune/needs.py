# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What a host still needs: its services, those of the inventory, those that a rollback would bring back, and what a person pinned."""

from __future__ import annotations

import fnmatch
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import referrers

INVENTORY = "the inventory"


@dataclass(frozen=True)
class Needs:
    """``texts``: of everything that may name something, by its path. ``keep``: generations; ``pins``: patterns of names or paths."""

    root: Path
    texts: Mapping[str, str]
    services: frozenset[str]  # names, on the host, in the inventory and in what a rollback would bring back
    wanted: tuple[Mapping[str, Any], ...]  # the services of the inventory
    keep: int
    pins: tuple[str, ...]

    @classmethod
    def of(cls, root: Path, wanted: Iterable[Mapping[str, Any]], keep: int, pins: Iterable[str]) -> Needs:
        """What is needed on the host below ``root`` with these services in the inventory."""
        services = tuple(wanted)
        places = [(root / str(folder).lstrip("/"), pattern) for folder, pattern in referrers.REFERRERS]
        texts = {f"/{Path(path).relative_to(root)}": text for path, text in referrers.texts(places).items()}
        names = {found[1] for path in texts if (found := re.search(r"/thor-(.+)\.service$", path))}
        names |= {found[1] for path in texts if (found := re.search(r"/services/([^/.]+)\.json$", path))}
        names |= {name for text in texts.values() for name in re.findall(r"/etc/thor/services/([\w.-]+?)\.json", text)}
        names |= {str(one["name"]) for one in services}
        texts[INVENTORY] = json.dumps([*services, _files(services)])
        return cls(root, texts, frozenset(names), services, keep, tuple(pins))

    @property
    def text(self) -> str:
        """All of them as one text."""
        return "\n".join(self.texts.values())

    def names(self, path: str) -> str | None:
        """What names a path of the host: as a whole, or as the beginning of another."""
        pattern = re.compile(rf"{re.escape(path)}(?![\w.-])")
        # In a unit a percent sign is written twice.
        return next((place for place, text in self.texts.items() if pattern.search(text.replace("%%", "%"))), None)

    def pinned(self, *names: str) -> bool:
        """Whether a person has pinned one of these names."""
        return any(fnmatch.fnmatchcase(name, pin) for name in names for pin in self.pins)

    def versions(self, engine: str) -> set[str]:
        """The versions of an engine that the inventory's services run."""
        return {str(one["version"]) for one in self.wanted if one["engine"] == engine}

    def places(self) -> set[str]:
        """The folders and files of the inventory's models as they are on the host."""
        return {os.path.realpath(self.root / place.lstrip("/")) for place in _files(self.wanted)}

    def path(self, absolute: str) -> Path:
        """A path of the host."""
        return self.root / absolute.lstrip("/")


def _files(services: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each folder and each single file of these services' models."""
    found = []
    for service in services:
        drafted = (service.get("speculative") or {}).get("model")
        for one in (service["model"], *service["files"], *([drafted] if drafted else [])):
            found.append(str(one["path"]))
            found += [f"{one['path']}/{one[key]}" for key in ("file", "projector") if one.get(key)]
    return found
