# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Turns what uv and pip say about a failed installation into a problem with a way out. Pure.

uv writes ``error: ...`` with a chain of ``cause: ...`` lines and ``hint: ...``. The words below are those of uv 0.13.9 against a
server with each fault (tests/unit/module_utils/environments/test_uv_faults.py has uv itself say them), and pip's own
(pip/_internal/exceptions.py, index/package_finder.py), because pip installs uv. An error counts as transient only if it is
known to be: words that match nothing are shown as they are, and nothing is tried again.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NoReturn

from ansible_collections.jetson.thor.plugins.module_utils import network_errors
from ansible_collections.jetson.thor.plugins.module_utils.builds.tools import raise_no_space
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

INDEX_WAY_OUT = (
    "thor_pip_extra_args (--index-url, --find-links, --proxy, ...) names another index, a folder of wheels or a proxy."
)
_SAYS = "; the installer says: "
LONGEST = 1500  # characters of a program's words that are shown

_HASH = re.compile(r"hash mismatch|DO NOT MATCH THE HASHES", re.IGNORECASE)
_NO_HASH = re.compile(r"no trusted hash was provided|Hash-checking is required|Hashes are required", re.IGNORECASE)
_PLATFORM = re.compile(
    r"no wheels with a matching|we only found wheels|has no usable wheels|is not a supported wheel on this platform|"
    r"no wheel.{0,40}compatible|is incompatible with|incompatible wheel",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b40[13] (Unauthorized|Forbidden)|valid authentication credentials|\b407\b|proxy authentication required",
    re.IGNORECASE,
)
_TRUST = re.compile(
    r"invalid peer certificate|UnknownIssuer|certificate verify failed|InvalidContentType|self.signed|SSLError|NotValidForName|"
    r"certificate has expired|\bExpired\b",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"\b404 Not Found|there is no version of|was not found in the (package registry|provided package locations)|not found in the cache|"
    r"Failed to read `--find-links`|No matching distribution found|no versions of",
    re.IGNORECASE,
)
_BUSY = re.compile(r"\b429 Too Many|\b408 Request", re.IGNORECASE)
_CUT = re.compile(
    r"end of file before message length|error reading a body|error decoding response body|body error|connection closed before|"
    r"Connection broken|IncompleteRead|unexpected end of file|unexpected EOF",
    re.IGNORECASE,
)
_BUILD = re.compile(r"Failed to (download and )?build|build backend|Failed to resolve requirements from", re.IGNORECASE)
_DOWN = re.compile(
    r"Failed to download distribution due to network timeout|dns error|client error \(Connect\)", re.IGNORECASE
)
# "beta==1.0" in backquotes or in a sentence of the resolver.
_PACKAGE = re.compile(
    r"`([A-Za-z0-9._-]+==[^`\s]+)`|\b([a-z0-9][a-z0-9._-]*==[0-9][\w.!+]*)|\b([a-z0-9][\w.-]*) was not found"
)
_UNHASHED = re.compile(r"no trusted hash was provided for: `([^`]+)`")
_ADDRESS = re.compile(r"(?:https?|file)://(?:[^/\s@]*@)?([^/\s)]*)")


class PackagesError(Exception):
    """An installation that failed. ``transient``: another attempt may help."""

    def __init__(self, problem: Problem, transient: bool = False) -> None:
        super().__init__(problem.text())
        self.problem = problem
        self.transient = transient


def explain(words: str, engine: str, version: str) -> PackagesError:
    """A failed installation, by the words of the program. Raises OSError ENOSPC if the disk is full."""
    raise_no_space(words.splitlines())
    package, host = package_of(words), host_of(words)
    if network_errors.clock_is_behind(words) or "NotValidYet" in words:
        reason, remedy = "according to this host's clock, its certificate is not valid yet", network_errors.CLOCK_REMEDY
        return _error("THOR-CLOCK-WRONG", engine, version, f"{host}: {reason}", remedy, words)
    for pattern, describe in _KINDS:
        if pattern.search(words):
            code, reason, remedy, transient = describe(package, host)
            return _error(code, engine, version, reason, remedy, words, transient)
    if network_errors.is_cut(words):
        code, reason, remedy, transient = _cut(package, host)
        return _error(code, engine, version, reason, remedy, words, transient)
    if _DOWN.search(words) or network_errors.is_down(words) or _BUSY.search(words):
        reason = f"{host} does not answer as an index should"
        remedy = f"Check that the host reaches it (DNS, proxy, firewall), then run the play again: it continues from there. {INDEX_WAY_OUT}"
        return _error("THOR-PACKAGES-INDEX", engine, version, reason, remedy, words, transient=True)
    remedy = "Search for these words; the whole log is the job's. What was downloaded is kept, and the next run continues from there."
    reason = "the installation failed for an unknown reason, so it was not tried again"
    return _error("THOR-PACKAGES-FAILED", engine, version, reason, remedy, words)


def package_of(words: str) -> str:
    """The package that a failure is about: the one that the lock lacks, if a build asks for it."""
    if unhashed := _UNHASHED.search(words):
        return unhashed[1]
    found = _PACKAGE.search(words)
    return next(filter(None, found.groups())) if found else "a package"


def host_of(words: str) -> str:
    """The host of the first address in the words."""
    found = _ADDRESS.search(words)
    return (found[1] or "the local folder") if found else "the package index"


def gave_up(error: PackagesError, attempts: int) -> PackagesError:
    """The last of several attempts."""
    what, separator, words = error.problem.reason.partition(_SAYS)
    reason = f"{what} (attempt {attempts} without another complete package){separator}{words}"
    return PackagesError(replace(error.problem, reason=reason))


def refuse(code: str, engine: str, version: str, reason: str, remedy: str) -> NoReturn:
    """Raise a problem of an environment that no program worded."""
    raise PackagesError(Problem(code, f"thor_services[{engine} {version}].packages", None, reason, remedy))


_Found = tuple[str, str, str, bool]


def _hash(package: str, host: str) -> _Found:
    remedy = (
        "It is not the file that was locked, or it was damaged on the way. Run the play again; if the error stays, find out why that index "
        "has another file before you change the lock."
    )
    return (
        "THOR-PACKAGES-HASH",
        f"{package} from {host} does not have the lock's SHA-256, and was not installed",
        remedy,
        False,
    )


def _no_hash(package: str, _host: str) -> _Found:
    remedy = "Write the lock anew with script/lock --packages."
    return "THOR-LOCK-INVALID", f"the lock has no hash for {package}", remedy, False


def _denied(_package: str, host: str) -> _Found:
    remedy = f"Check user and password in thor_pip_extra_args (--index-url http://USER:PASSWORD@...) or in root's ~/.netrc. {INDEX_WAY_OUT}"
    return "THOR-PACKAGES-DENIED", f"{host} denies access", remedy, False


def _trust(_package: str, host: str) -> _Found:
    remedy = (
        "Install the site's certificate on the host (/usr/local/share/ca-certificates, then update-ca-certificates), or name it with "
        "--cert in thor_pip_extra_args."
    )
    return "THOR-PACKAGES-INDEX", f"a TLS connection to {host} is not possible", remedy, False


def _platform(package: str, _host: str) -> _Found:
    remedy = (
        "Use a lock for this Python and machine (script/lock --packages makes one), or another version of the engine."
    )
    return "THOR-PACKAGES-PLATFORM", f"the index has no wheel of {package} for this platform", remedy, False


def _missing(package: str, host: str) -> _Found:
    remedy = (
        f"Use an index that has it, or add the wheel to your folder of wheels. {INDEX_WAY_OUT} Of several indexes, one that refuses "
        "access counts as one without the package."
    )
    return "THOR-PACKAGES-MISSING", f"{host} does not have {package}", remedy, False


def _cut(package: str, host: str) -> _Found:
    remedy = "Run the play again: complete packages are kept, and it continues from there."
    return "THOR-PACKAGES-CUT", f"the transfer of {package} from {host} was interrupted", remedy, True


def _build(package: str, _host: str) -> _Found:
    remedy = "Its build requirements are in the lock (# build: ...); write the lock anew with script/lock --packages if one is missing."
    return "THOR-PACKAGES-BUILD", f"{package}, which exists as source only, could not be built", remedy, False


# The first match counts. A refusal comes before "not found", because uv says both of an index that refuses.
_KINDS = (
    (_HASH, _hash),
    (_DENIED, _denied),
    (_TRUST, _trust),
    (_NO_HASH, _no_hash),
    (_PLATFORM, _platform),
    (_MISSING, _missing),
    (_CUT, _cut),
    (_BUILD, _build),
)


def _error(
    code: str, engine: str, version: str, reason: str, remedy: str, words: str, transient: bool = False
) -> PackagesError:
    # uv's greetings and warnings come before its error.
    said = " ".join(words[max(words.find("error: "), 0) :].split())
    said = said if len(said) <= LONGEST else f"...{said[-LONGEST:]}"
    where = f"thor_services[{engine} {version}].packages"
    return PackagesError(Problem(code, where, None, f"{reason}{_SAYS}{said or 'nothing'}", remedy), transient)
