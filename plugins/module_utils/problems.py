# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What can be wrong, in one shape: a stable code, the culprit, the reason and the way out.

Every code is documented in docs/errors.md; a unit test holds the two together.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# What stands under such a name is not shown, and is not written where others read it. These are secrets whatever the value.
_CERTAIN = re.compile(
    r"(?:^|[-_])(?:api[-_]?keys?|(?:hf|hugging[-_]?face[-_]hub)[-_]token)$|(?:^|[-_])secret[-_](?:access[-_])?key",
    re.IGNORECASE,
)
# And these unless they count or switch something. "bucket-time-to-first-token" and "experts-per-token" do, and "allow-credentials";
# "classifier_from_token" of vLLM's hf-overrides names words.
_SECRET = re.compile(
    r"(?:^|(?<!per)(?<!first)(?<!from)(?<!allow)(?<!cors)[-_])(?:token|secrets?|passwd|pass|passphrases?|pat|credentials?|keys?)$|passwords?$",
    re.IGNORECASE,
)
# The user's part of an address: a password, or a token alone.
_USER = re.compile(r"https?://[^/?#@\s]+@|://[^/?#@\s]*:[^/?#@\s]*@", re.IGNORECASE)
LONGEST = 400  # characters of a value that are shown
DEEPEST = 16  # levels of a value that are looked through


@dataclass(frozen=True)
class Problem:
    """One thing that a person has to put right.

    ``variable`` is a path as a person would write it (``thor_profiles[0].port``), ``value`` is what stands there.
    """

    code: str
    variable: str
    value: Any
    reason: str
    remedy: str

    def text(self) -> str:
        """The problem in one line, without the host."""
        value = "" if self.value is None or self._hidden() else f" = {_shown(self.value)}"
        return _printable(f"{self.code}: {self.variable}{value}: {_sentence(self.reason)} {_sentence(self.remedy)}")

    def as_dict(self) -> dict[str, Any]:
        """The problem as plain data, for facts and results: a value that JSON cannot hold is a text."""
        plain = dict(vars(self))
        if self._hidden():
            plain["value"] = None
            return plain
        try:
            json.dumps(self.value, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError):
            plain["value"] = _shown(self.value)
        return {key: _printable(one) if isinstance(one, str) else one for key, one in plain.items()}

    def _hidden(self) -> bool:
        """Whether the value may be a secret, by one of the names in the path to it or by itself."""
        return any(is_secret(name, self.value) for name in re.findall(r"[\w-]+", self.variable) or [""])


def is_secret(name: str, value: Any, depth: int = 0) -> bool:
    """Whether a value is or holds a secret: HF_TOKEN and api-key are, MAX_TOKEN=512 and TOKENIZERS_PARALLELISM are not."""
    if value in (None, False, "") or depth > DEEPEST:
        return False
    if _CERTAIN.search(name):
        if value is True:
            return name.casefold() != "hf-token"  # vLLM then takes the token that the account has
        return not (isinstance(value, str) and value.casefold() == "false")
    if isinstance(value, Mapping):
        return any(is_secret(str(key), one, depth + 1) for key, one in value.items())
    if isinstance(value, list):
        return any(is_secret(name, one, depth + 1) for one in value)
    if not isinstance(value, str):
        return False
    if value.lstrip().startswith(("{", "[")):
        with contextlib.suppress(ValueError, RecursionError):
            return is_secret(name, json.loads(value), depth + 1)
    # <|image|> stands for something in a prompt.
    harmless = re.fullmatch(r"\d+|true|false|<.*>", value.casefold())
    return bool(_USER.search(value) or (_SECRET.search(name) and not harmless))


def _printable(text: str) -> str:
    """A text without what moves a terminal's cursor or cannot be written; lines stay, since programs' words have them."""
    return "".join(one if one.isprintable() or one == "\n" else repr(one)[1:-1] for one in text)


def _shown(value: Any) -> str:
    """A value as JSON where it can be, on one line and not without end."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):  # keys that are no texts, integers of thousands of digits
        text = f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


class Failed(Exception):
    """A module's failure: the text of a problem on this host."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text().replace(": ", f": {platform.node()}: ", 1))


def fail_text(host: str, problems: Iterable[Problem]) -> str:
    """All problems of one host as the message of a failed task, a line each."""
    lines = [f"{host}: {problem.text()}" for problem in problems]
    count = f"{len(lines)} problem{'s' if len(lines) != 1 else ''}"
    return "\n".join([f"{host}: {count}, nothing was changed (each code is explained in docs/errors.md)", *lines])


def closest(word: object, known: Iterable[str]) -> str | None:
    """The known name that was probably meant: the same in other letters (vLLM), or one that is spelled nearly so."""
    names = sorted(known)
    try:
        same = [name for name in names if name.casefold() == str(word).casefold()]
        return next(iter(same or difflib.get_close_matches(str(word), names, n=1)), None)
    except ValueError:  # an integer of thousands of digits
        return None


def nearest(word: object, known: Iterable[str]) -> str:
    """A hint such as ``Did you mean 'port'?``, or the known names where none is near."""
    names = sorted(known)
    close = closest(word, names)
    if close:
        return f"Did you mean {close!r}?"
    return f"Known: {', '.join(names)}." if names else "None is known."
