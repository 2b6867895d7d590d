# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What can be wrong, in one shape: a stable code, the culprit, the reason and the way out.

Every code is documented in docs/errors.md; a unit test holds the two together.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

# What stands under such a name is not shown, and is not written where others read it.
# "bucket-time-to-first-token" and "experts-per-token" count something.
_SECRET = re.compile(
    r"(?:^|(?<!per)(?<!first)[-_])(?:token|secret|password|passwd|passphrase|apikey|key)$", re.IGNORECASE
)
LONGEST = 400  # characters of a value that are shown


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
        plain = asdict(self)
        if self._hidden():
            plain["value"] = None
            return plain
        try:
            json.dumps(self.value, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError):
            plain["value"] = _shown(self.value)
        return {key: _printable(one) if isinstance(one, str) else one for key, one in plain.items()}

    def _hidden(self) -> bool:
        """Whether the value may be a secret, by the name that it has."""
        return is_secret((re.findall(r"[\w-]+", self.variable) or [""])[-1], self.value)


def is_secret(name: str, value: Any) -> bool:
    """Whether a value is a secret by its name: HF_TOKEN and api-key are, MAX_TOKEN=512 and TOKENIZERS_PARALLELISM are not."""
    return bool(_SECRET.search(name)) and not (
        value is None or isinstance(value, bool | int | float) or re.fullmatch(r"\d*|true|false", str(value).casefold())
    )


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


def fail_text(host: str, problems: Iterable[Problem]) -> str:
    """All problems of one host as the message of a failed task, a line each."""
    lines = [f"{host}: {problem.text()}" for problem in problems]
    count = f"{len(lines)} problem{'s' if len(lines) != 1 else ''}"
    return "\n".join([f"{host}: {count}, nothing was changed (each code is explained in docs/errors.md)", *lines])


def closest(word: object, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    try:
        return next(iter(difflib.get_close_matches(str(word), sorted(known), n=1)), None)
    except ValueError:  # an integer of thousands of digits
        return None


def nearest(word: object, known: Iterable[str]) -> str:
    """A hint such as ``Did you mean 'port'?``, or the known names where none is near."""
    names = sorted(known)
    close = closest(word, names)
    if close:
        return f"Did you mean {close!r}?"
    return f"Known: {', '.join(names)}." if names else "None is known."
