# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Where Python packages come from: pip's arguments, as people write them, for pip and for uv. Pure.

uv does not read pip's configuration and spells its options differently, so the arguments that say where packages come from are
translated. Everything is passed in environment variables: an address may hold a password, and arguments are visible to everybody.
Names of variables: uv 0.13, https://docs.astral.sh/uv/reference/environment/, and those of pip's own documentation (General Options).
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

# pip's options that say where packages come from; ``True`` for those with a value.
OPTIONS = {
    "--index-url": True,
    "--extra-index-url": True,
    "--find-links": True,
    "--no-index": False,
    "--trusted-host": True,
    "--cert": True,
    "--proxy": True,
}
_SHORT = {"-i": "--index-url", "-f": "--find-links"}
VARIABLE = "thor_pip_extra_args"


class ArgumentError(ValueError):
    """Arguments that cannot be translated; the message has the reason, without values that may hold a password."""


@dataclass(frozen=True)
class Index:
    """Where packages come from. Empty: the package index that pip and uv use by themselves."""

    default: str | None = None
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted: tuple[str, ...] = ()
    cert: str | None = None
    proxy: str | None = None

    def for_uv(self, extra_first: bool = False) -> dict[str, str]:
        """The environment of uv. Whether there is an index at all is an argument: see ``no_index``.

        Of several indexes with a version, uv takes the first one's file, whatever its hash is. Locks are made from the default index,
        so that comes first, unless ``extra_first``; uv by itself would take it last.
        """
        # The host's certificates, which include a site's own.
        found = {"UV_SYSTEM_CERTS": "1"}
        if self.default:
            found["UV_DEFAULT_INDEX"] = self.default
        if self.extra:
            first = [] if extra_first or not self.default else [self.default]
            found["UV_INDEX"] = " ".join([*first, *self.extra])
            # As pip does it. A name on several indexes is no danger: only files with the lock's hashes are accepted.
            found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
        if self.find_links:
            found["UV_FIND_LINKS"] = ",".join(self.find_links)
        if self.trusted:
            found["UV_INSECURE_HOST"] = " ".join(self.trusted)
        if self.cert:
            found["SSL_CERT_FILE"] = self.cert
        return found | self._proxies()

    def for_pip(self) -> dict[str, str]:
        """The environment of pip."""
        values = {
            "PIP_INDEX_URL": self.default,
            "PIP_EXTRA_INDEX_URL": " ".join(self.extra),
            "PIP_FIND_LINKS": " ".join(self.find_links),
            "PIP_NO_INDEX": "1" if self.no_index else None,
            "PIP_TRUSTED_HOST": " ".join(self.trusted),
            "PIP_CERT": self.cert,
        }
        return {name: value for name, value in values.items() if value} | self._proxies()

    def _proxies(self) -> dict[str, str]:
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        return dict.fromkeys(names, self.proxy) if self.proxy else {}

    def secrets(self) -> set[str]:
        """User names and passwords in the addresses, as they are written there and decoded."""
        found: set[str] = set()
        for address in filter(None, (self.default, self.proxy, *self.extra, *self.find_links)):
            user, separator, _host = urlsplit(address).netloc.rpartition("@")
            if separator:
                name, colon, password = user.partition(":")
                # A token may stand alone. Beside a password, the user is no secret.
                found |= {password, unquote(password)} if colon else {name, unquote(name)}
        return found - {""}


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """A text in which no password stands: none of ``secrets``, and none in any address."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "****")
    return re.sub(r"://[^/\s@]+@", "://****@", text)


def parse(arguments: str, configured: Iterable[str] = ()) -> Index:
    """pip's arguments as an Index. ``configured``: arguments that stand before them. Raises ArgumentError."""
    if not isinstance(arguments, str):  # shlex.split(None) would read standard input
        raise ArgumentError("it must be a text")
    try:
        words = [*configured, *shlex.split(arguments)]
    except ValueError as error:
        raise ArgumentError(f"it cannot be parsed: {error}") from None
    values: dict[str, list[str]] = {name: [] for name in OPTIONS}
    while words:
        name, value = _split(words.pop(0))
        if name not in OPTIONS:
            raise ArgumentError(f"{name} has no equivalent for uv. Known: {', '.join(OPTIONS)}")
        if not OPTIONS[name]:
            if value is not None:
                raise ArgumentError(f"{name} takes no value")
            value = name
        elif value is None:
            if not words:
                raise ArgumentError(f"{name} lacks its value")
            value = words.pop(0)
        values[name].append(value)
    for name in ("--index-url", "--extra-index-url", "--find-links", "--proxy"):
        for address in values[name]:
            _check_address(name, address)
    return Index(
        default=_last(values["--index-url"]),
        extra=tuple(dict.fromkeys(values["--extra-index-url"])),
        find_links=tuple(dict.fromkeys(values["--find-links"])),
        no_index=bool(values["--no-index"]),
        trusted=tuple(dict.fromkeys(values["--trusted-host"])),
        cert=_last(values["--cert"]),
        proxy=_proxy_address(_last(values["--proxy"])),
    )


def _split(word: str) -> tuple[str, str | None]:
    """An option and its value, if that is part of the same word."""
    if word.startswith("--"):
        name, separator, value = word.partition("=")
        return _SHORT.get(name, name), value if separator else None
    if word[:2] in _SHORT:
        return _SHORT[word[:2]], word[2:].removeprefix("=") or None
    # Only the letter of a short option: its value, which may hold a password, is part of the same word.
    return (word[:2] if word.startswith("-") else "a word without an option"), None


def _check_address(name: str, address: str) -> None:
    """Refuse an address whose password would end the host early: nothing here would know that what follows is secret."""
    address = address if "://" in address or name != "--proxy" else f"http://{address}"
    try:
        parts = urlsplit(address)
    except ValueError:
        raise ArgumentError(f"the address after {name} cannot be read") from None
    if parts.scheme != "file" and parts.netloc and "@" in address.partition(parts.netloc)[2]:
        raise ArgumentError(
            f"the address after {name} has an @ behind its host. Write / as %2F, ? as %3F, # as %23 and @ as %40 in a user name, "
            "a password or a path"
        )


def _last(values: list[str]) -> str | None:
    return values[-1] if values else None


def _proxy_address(value: str | None) -> str | None:
    """pip takes a proxy without its scheme, too."""
    return f"http://{value}" if value and "://" not in value else value


def source(arguments: str) -> str:
    """Where packages come from by pip's arguments, in words and without passwords."""
    try:
        chosen = parse(arguments)
    except ArgumentError:
        chosen = Index()  # refused elsewhere
    indexes = () if chosen.no_index else (chosen.default or "the package index", *chosen.extra)
    return without_secrets(" and ".join([*indexes, *chosen.find_links]), chosen.secrets()) or "nowhere"


def problem(arguments: str, variable: str = VARIABLE) -> Problem | None:
    """What is wrong with pip's arguments, for a refusal before anything is done."""
    try:
        parse(arguments)
    except ArgumentError as error:
        remedy = (
            "Python environments are made by uv: give only arguments that say where packages come from; set others for one role, "
            "in model_store_pip_extra_args or engine_image_pip_extra_args."
        )
        return Problem("THOR-PACKAGES-ARGUMENTS", variable, None, str(error), remedy)
    return None


def configured(listing: str) -> list[str]:
    """The arguments that stand for pip's own configuration files, from the output of ``pip config list``.

    Its lines are ``global.index-url='http://...'``; ``:env:`` are variables, which do not belong to the host. What has several
    values has them on several lines or separated by spaces.
    """
    found: list[str] = []
    for line in listing.splitlines():
        match = re.fullmatch(r"(?:global|install)\.([a-z-]+)=(.+)", line.strip())
        if match is None or f"--{match[1]}" not in OPTIONS:
            continue
        try:
            value = str(ast.literal_eval(match[2]))
        except (ValueError, SyntaxError):
            continue
        name = f"--{match[1]}"
        if not OPTIONS[name]:
            found += [name] if value.casefold() in {"1", "true", "yes", "on", "y", "t"} else []
        else:
            found += [f"{name}={one}" for one in value.split()]
    return found
