# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""One package repository of apt: its key, its entry in the sources of the host, and what its lists offer."""

from __future__ import annotations

import contextlib
import http.client
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ansible.module_utils.urls import fetch_url
from ansible_collections.jetson.thor.plugins.module_utils import apt, bounded
from ansible_collections.jetson.thor.plugins.module_utils.apt import failed, unreadable
from ansible_collections.jetson.thor.plugins.module_utils.apt_sources import Entry, SignedBy, entries, signed_by
from ansible_collections.jetson.thor.plugins.module_utils.problems import Failed

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

SOURCES = Path("/etc/apt")
KEYRINGS = Path("/etc/apt/keyrings")
KEY_BYTES = 1 << 20
UNCHANGED = "Keys and sources are unchanged."


class Repository:
    """The wanted repository, from the parameters of the module apt_source."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.wanted = module.params
        self.path = SOURCES / "sources.list.d" / f"{self.wanted['name']}.sources"
        self.key_path = KEYRINGS / f"{self.wanted['name']}.asc"
        self.fingerprint = re.sub(r"\s", "", self.wanted["fingerprint"]).upper()

    def text(self, key: Path) -> str:
        """The source in deb822 format, with this key."""
        lines = [
            "# Written by jetson.thor.",
            "Types: deb",
            f"URIs: {self.wanted['url']}",
            f"Suites: {self.wanted['suite']}",
            *([f"Components: {' '.join(self.wanted['components'])}"] if self.wanted["components"] else []),
            f"Architectures: {self.wanted['architecture']}",
            f"Signed-By: {key}",
        ]
        return "\n".join([*lines, ""])

    def variable(self, option: str) -> str:
        """The variable in which users set an option."""
        return str(self.wanted["variables"].get(option, option))

    def _key_wrong(self, reason: str, remedy: str) -> Failed:
        return failed("THOR-KEY-WRONG", self.variable("fingerprint"), self.fingerprint, reason, f"{remedy} {UNCHANGED}")

    # --- The key ---

    def fetch_key(self) -> bytes:
        """The key file from its server. Raises Failed."""
        url = self.wanted["key_url"]
        content = b""
        try:
            # fetch_url reads the body of an error itself, and the connection may break there.
            response, info = fetch_url(self.module, url, timeout=self.wanted["timeout"], use_proxy=True)
            said = info["msg"]
            if info["status"] == 200:
                said = "the answer is empty"
                content = bounded.read(response, KEY_BYTES, self.wanted["timeout"])
        except (OSError, bounded.TooMuch, http.client.HTTPException) as error:
            said = str(error)
        if not content:
            reason = f"the key cannot be fetched: {said}."
            remedy = f"Check network, DNS and proxy of the host, or name a copy of your own: we check its fingerprint. {UNCHANGED}"
            raise unreadable(self.variable("key_url"), url, reason, remedy, str(said))
        return bytes(content)

    def fingerprints(self, keys: Sequence[Path], where: str) -> dict[str, str] | None:
        """Fingerprints in key files, each with that of its primary key; None in check mode without gpg. Raises Failed."""
        program = self.module.get_bin_path("gpg")
        if program is None and self.module.check_mode:
            return None
        if program is None:
            reason = f"gpg, which reads the key {where}, is missing."
            raise failed("THOR-REPOSITORY-FAILED", "gpg", None, reason, f"Install the package gpg. {UNCHANGED}")
        with tempfile.TemporaryDirectory(prefix="thor-gpg-") as home:
            argv = [program, "--homedir", home, "--batch", "--show-keys", "--with-colons", *map(str, keys)]
            _code, out, err = self.module.run_command(argv)
        found = apt.fingerprints_of(out)
        if not found:
            reason = f"{where} is not a key: {' '.join(err.split()) or 'gpg finds none in it'}."
            raise self._key_wrong(reason, "Check what the address returns.")
        return found

    def check_key(self, where: str, *keys: Path) -> str | None:
        """The fingerprint of the only key in the files; None in check mode without gpg. Raises Failed if it is the wrong key."""
        found = self.fingerprints(keys, where)
        return None if found is None else self._check_fingerprints(where, set(found.values()))

    def _check_fingerprints(self, where: str, found: set[str]) -> str:
        if found != {self.fingerprint}:
            reason = f"{where} has the fingerprint {', '.join(sorted(found))}. It was not installed, and nothing was fetched with it."
            raise self._key_wrong(reason, "Ask the publisher which one is right before you change the variable.")
        return self.fingerprint

    # --- Its entry on the host ---

    def present(self) -> tuple[Path, Entry] | None:
        """The file that already contains this repository, and its entry there."""
        folder = self.path.parent
        for path in sorted([SOURCES / "sources.list", *folder.glob("*.list"), *folder.glob("*.sources")]):
            with contextlib.suppress(OSError):
                for entry in entries(path.read_text(encoding="utf-8", errors="replace"), self.wanted["architecture"]):
                    if entry.url.rstrip("/") == self.wanted["url"].rstrip("/"):
                        return path, entry
        return None

    def check_entry(self, path: Path, entry: Entry) -> str | None:
        """The fingerprint of the key of somebody else's entry; None in check mode without gpg. Raises Failed if it is wrong."""
        named = signed_by(entry.signed_by)
        reason = _unsafe(path, entry, named)
        if reason:
            remedy = f"Correct it there, or remove the entry: this role writes one with its key. {UNCHANGED}"
            raise failed("THOR-KEY-WRONG", self.variable("url"), self.wanted["url"], reason, remedy)
        files = [Path(name) for name in named.files]
        if named.key:
            with tempfile.TemporaryDirectory(prefix="thor-gpg-") as folder:
                key = Path(folder) / "embedded.asc"
                key.write_text(named.key, encoding="utf-8")
                return self.check_key(f"the key in {path}", key)
        if not named.fingerprints:
            return self.check_key(f"{' and '.join(named.files)}, which {path} names,", *files)
        # The fingerprints select keys in the files; the other keys there do not count.
        selected = set(named.fingerprints)
        if selected != {self.fingerprint}:
            keyrings = files or [place for place in _trusted() if place.is_file()]
            known = (self.fingerprints(keyrings, f"Signed-By in {path}") if keyrings else {}) or {}
            selected = {known.get(one, one) for one in selected}
        return self._check_fingerprints(f"Signed-By in {path}", selected)

    # --- Its lists ---

    def read_lists(self, sources: Path) -> None:
        """Let apt read the lists of the sources in a folder and no others. Raises Failed."""
        argv = [
            "apt-get",
            "update",
            *_only(sources),
            # Lists of other sources stay.
            "-oAPT::Get::List-Cleanup=0",
            "-oAPT::Update::Error-Mode=any",
            "-oAcquire::Retries=2",
            f"-oAcquire::http::Timeout={min(30, self.wanted['timeout'])}",
            "-oDPkg::Lock::Timeout=300",
        ]
        code, out, err = self.module.run_command(["timeout", str(self.wanted["timeout"]), *argv])
        if code:
            said = " ".join(line for line in (err or out).splitlines() if line.startswith(("E:", "W:")))
            reason = f"apt cannot read it: {said or 'no answer in time.'}"
            remedy = f"Check network and proxy of the host, or name a mirror of your own. {UNCHANGED}"
            raise unreadable(self.variable("url"), self.wanted["url"], reason, remedy, out + err)

    def check_packages(self, sources: Path) -> None:
        """Check that the repository has the packages. Raises Failed."""
        for package in self.wanted["packages"]:
            name, _equals, version = package.partition("=")
            _code, out, _err = self.module.run_command(["apt-cache", "madison", *_only(sources), name])
            found = apt.versions(out)
            if not found or (version and version not in found):
                reason = f"{self.wanted['url']} does not have {package} for {self.wanted['architecture']}. {apt.available(out)}"
                remedy = f"Choose another version. {UNCHANGED}"
                raise failed("THOR-PACKAGE-MISSING", self.variable("packages"), version or name, reason, remedy)


def _unsafe(path: Path, entry: Entry, named: SignedBy) -> str:
    """Why apt might accept packages for this entry that nobody we trust has signed; empty if it cannot."""
    missing = [name for name in named.files if not Path(name).is_file()]
    if entry.unsigned:
        return f"{path} tells apt not to require a signature of this repository (trusted, allow-insecure)."
    if named.unclear:
        return (
            f"Signed-By in {path} names {', '.join(named.unclear)}: neither an absolute path nor a whole fingerprint."
        )
    if missing:
        return f"Signed-By in {path} names {', '.join(missing)}: no such file."
    if named == SignedBy():
        return (
            f"{path} has this repository without a key of its own (signed-by), so apt accepts any key that it trusts."
        )
    return ""


def _trusted() -> list[Path]:
    """The keyrings of all sources that name none."""
    return [SOURCES / "trusted.gpg", *sorted((SOURCES / "trusted.gpg.d").glob("*"))]


def _only(sources: Path) -> list[str]:
    """Options that make apt see the sources of one folder only."""
    return ["-oDir::Etc::sourcelist=/dev/null", f"-oDir::Etc::sourceparts={sources}"]
