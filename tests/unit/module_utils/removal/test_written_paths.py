# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What roles and modules write on a device is known to the removal, and the documentation says how to remove it."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

from ansible_collections.jetson.thor.plugins.module_utils.removal import folders, units

ROOT = Path(__file__).resolve().parents[4]
SECTION = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split("\n## Remove\n")[1].split("\n## ")[0]
# Paths of ours, in whatever way a role or a module writes them.
OURS = re.compile(r"(?<![\w.}-])/(?:etc|opt|var|run|usr)/[\w@./-]*thor[\w@./-]*")
KNOWN = (
    *(f"{name}*" for name in (*folders.FOLDERS, *folders.FILES)),
    *(f"{units.UNITS}/{name}*" for name in ("thor-", "thor.target", "jetson-thor-", ".thor-", "*.d/jetson-thor")),
    # Gone with the next boot; remove.yml reloads systemd and leaves no unit that made them.
    "/run/systemd/system/*",
    # Named by what installs_record has noted, and removed as it says.
    "/etc/apt/sources.list.d/*",
    "/etc/apt/keyrings/*",
)


def test_every_path_of_ours_is_known_to_the_removal() -> None:
    left: dict[str, str] = {}
    for path in (path for part in ("roles", "plugins") for path in (ROOT / part).rglob("*")):
        if not path.is_file() or path.suffix in {".md", ".wav", ".pyc"} or {"catalog", "removal"} & set(path.parts):
            continue
        for found in OURS.findall(path.read_text(encoding="utf-8", errors="replace")):
            name = found.rstrip("/.")
            if not any(fnmatch(name, pattern) for pattern in KNOWN):
                left[name] = str(path.relative_to(ROOT))
    assert left == {}


def test_the_pages_say_how_to_remove() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "playbooks/remove.yml" in text and "playbooks/remove.yml" in SECTION
    assert "script/test " in text.split("\n## ")[0] and "before the first run" in text.split("\n## ")[0]
