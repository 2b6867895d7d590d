# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Debian packages that we installed. Only those are removed that nothing else on the host needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ansible_collections.jetson.thor.plugins.module_utils import apt, install_record
from ansible_collections.jetson.thor.plugins.module_utils.removable import Kept, Removable
from ansible_collections.jetson.thor.plugins.module_utils.removal.step import Host

# Without these apt keeps what another package merely recommends or suggests (apt-pkg/depcache.cc, pkgDepCache::MarkRequired).
STRICT = ("-oAPT::AutoRemove::RecommendsImportant=false", "-oAPT::AutoRemove::SuggestsImportant=false")
Simulate = Callable[..., set[str]]


class Packages:
    """The step that removes them, if it is asked to; they are listed otherwise."""

    def __init__(self, host: Host, remove: bool) -> None:
        self.host = host
        self.wanted = remove

    def find(self) -> Iterator[Removable | Kept]:
        """The recorded packages that are still installed, with what apt installed only for them."""
        asked = sorted(set(self.host.record["packages"]) & set(install_record.installed()))
        if not asked:
            return
        if not self.wanted:
            why = "installed by us, and others may use them by now: thor_remove_packages=true removes them"
            yield Kept("packages", " ".join(asked), why)
            return
        going, staying = choose(asked, self.host.record["present"], self._automatic(), self._simulate)
        for name in going:
            yield Removable("package", name, (), 0, "installed by the collection")
        for name, others in staying.items():
            yield Kept("package", name, f"apt would also remove {', '.join(others)}, which we did not install")

    def remove(self, items: list[Removable]) -> Iterable[Kept]:
        """Remove the packages in one run of apt; their configuration files stay, as with apt-get remove."""
        names = [one.name for one in items]
        command = ("apt-get", "remove", "--yes", "-oDPkg::Lock::Timeout=600", *names)
        code, output = self.host.run(*command) if names else (0, "")
        return (
            [Kept("package", name, f"apt-get remove said: {apt.complaints(output)}") for name in names] if code else []
        )

    def _automatic(self) -> list[str]:
        return self.host.run("apt-mark", "showauto")[1].split()

    def _simulate(self, *arguments: str) -> set[str]:
        """The packages that apt would remove."""
        _code, output = self.host.run("apt-get", "--simulate", "--allow-change-held-packages", *STRICT, *arguments)
        return {line.split()[0] for line in apt.removed(output)}


def choose(
    asked: Iterable[str], present: Iterable[str], automatic: Iterable[str], simulate: Simulate
) -> tuple[list[str], dict[str, list[str]]]:
    """The packages to remove, and by name those that stay because something else needs them. Pure but for ``simulate``.

    ``asked``: those that we named. ``present``: what was installed before us; ``automatic``: what apt installed for others (apt-mark
    showauto). ``simulate``: the packages that a command of apt-get would remove. What was installed only for ours is what apt would
    remove as unneeded with them, and would not without.
    """
    theirs = simulate("autoremove") | set(present)
    going, staying = set(asked), dict[str, list[str]]()
    while going:
        with_them = simulate("remove", "--auto-remove", *sorted(going))
        ours = going | ((with_them & set(automatic)) - theirs)
        needed = {name: sorted(simulate("remove", name) - ours) for name in sorted(going)}
        blocked = {name: others for name, others in needed.items() if others}
        if not blocked:
            return sorted(ours), staying
        staying |= blocked
        going -= set(blocked)
    return [], staying
