# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Models: those that we fetched go if that is asked for. Waiting revisions and interrupted downloads go in any case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.jetson.thor.plugins.module_utils.prune import models
from ansible_collections.jetson.thor.plugins.module_utils.prune.needs import Needs
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host


class Models:
    """The step that removes them as prune does: nothing that a person has put there."""

    def __init__(self, host: Host, remove: bool) -> None:
        self.host = host
        self.wanted = remove
        self.needs = Needs(host.root, {}, frozenset(), (), 0, ())

    def find(self) -> Iterator[Removable | Kept]:
        """Without services every model is unneeded."""
        staying = []
        for one in models.find(self.needs):
            if isinstance(one, Removable) and one.kind == "model" and not self.wanted:
                staying.append(one)
            elif isinstance(one, Removable):
                why = "fetched by the collection" if one.kind == "model" else one.why
                yield Removable(one.kind, one.name, one.paths, one.bytes, why)
            else:
                yield one
        if staying:
            size = sum(one.bytes for one in staying) / 1e9
            names = ", ".join(one.name for one in staying)
            yield Kept("models", names, f"{size:.2f} GB, fetched by us: thor_remove_models=true removes them")

    def remove(self, items: list[Removable]) -> Iterable[Kept]:
        """Remove them, one after the other."""
        kept = []
        removers = {"revision": models.remove_beside, "download": models.remove_staged}
        for one in items:
            try:
                if one.kind == "model":
                    left = models.remove(self.needs, one)
                    kept += [Kept("file", path, "not ours") for path in left]
                else:
                    removers[one.kind](self.needs, one)
            except OSError as error:
                kept.append(Kept(one.kind, one.name, f"it cannot be removed: {error}"))
        for folder in ("/models/.thor/staging", "/models/.thor/beside", "/models/.thor"):
            path = self.host.path(folder)
            if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
                path.rmdir()
        return kept
