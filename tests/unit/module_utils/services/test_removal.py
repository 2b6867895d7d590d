# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The section Remove of the documentation names everything that the roles put on a device."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
SECTION = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").split("\n## Remove\n")[1].split("\n## ")[0]
# Paths of ours, in whatever way a role or a module writes them.
OURS = re.compile(r"(?<![\w.}-])/(?:etc|opt|var|run|usr)/[\w@./-]*thor[\w@./-]*")
# What the first command removes, as the roles do where a service or a setting is no longer wanted; what no command of ours wrote.
BY_THE_ROLES = {
    "/etc/systemd/system/jetson-thor-clocks.service",
    "/etc/sysctl.d/90-jetson-thor.conf",
    "/run/thor-drop-caches.sock",  # the socket unit's
}


def removed() -> list[str]:
    """The paths that the commands remove."""
    commands = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)[0]
    paths: list[str] = []
    for line in commands.splitlines():
        folder = match[1] if (match := re.search(r"\bcd (\S+)", line)) else ""
        for words in re.findall(r"\brm -rf ([^&;\n]+)", line):
            paths += [word if word.startswith("/") else f"{folder}/{word}" for word in words.split()]
    return paths


def test_every_path_of_ours_is_removed_or_named() -> None:
    left: dict[str, str] = {}
    files = [path for part in ("roles", "plugins") for path in (ROOT / part).rglob("*")]
    for path in files:
        if not path.is_file() or path.suffix in {".md", ".wav", ".pyc"} or "catalog" in path.parts:
            continue
        for found in OURS.findall(path.read_text(encoding="utf-8", errors="replace")):
            name = found.rstrip("/.")
            if any(f"{name}/".startswith(f"{gone}/") for gone in removed()) or name in BY_THE_ROLES or name in SECTION:
                continue
            left[name] = str(path.relative_to(ROOT))
    assert left == {}


def test_what_it_cannot_name_by_a_path_is_named() -> None:
    for word in (
        "userdel thor",
        "/models",
        "daemon.json",
        "docker.sources",
        "nvidia-container-toolkit.sources",
        "thor-derived",
    ):
        assert word in SECTION
    names = {
        match
        for path in (ROOT / "roles").glob("*/tasks/*.yml")
        for match in re.findall(r"jetson\.thor\.apt_source:\n +name: (\S+)", path.read_text(encoding="utf-8"))
    }
    assert names and all(f"{name}.sources" in SECTION for name in names)


def test_the_first_page_says_how_to_remove() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\n## Remove\n" in text and "docs/operations.md#remove" in text
    assert "script/test " in text.split("\n## ")[0] and "before the first run" in text.split("\n## ")[0]
