# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What engines without a stored list of options answered on this device (asked_flags.py), and when one has to be asked again.

Each answer is kept in ``/var/lib/thor/flags/<engine>-<fingerprint>.json``; for an image the fingerprint is the beginning of its
digest. ``accepted`` identifies the arguments of services that the engine's own parser accepted. Arguments that it refused, or that
are new, are not there, so the engine is asked again: a list of options does not know everything that a parser checks.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import real_parser, records

# The architectures of models that the engine has itself, and that its Transformers have; absent where they could not be read.
MODELS = ("architectures", "transformers")
KEPT = Path("/var/lib/thor/flags")
ENGINES = Path("/opt/thor/engines")
SHAPE = {
    "engine": str,
    "engine_version": (str, type(None)),
    "options": {
        str: {"aliases?": [str], "takes?": str, "negation?": str, "choices?": [str], "kind?": str, "auto?": bool}
    },
    "removed": {str: str},
    "architectures?": [str],
    "transformers?": [str],
    "accepted": [str],
}
# Lists of environments and images that are in use are all kept, and others up to this number in all.
MOST_KEPT = 8
MOST_ACCEPTED = 64  # of one engine, beside those of the services that use it now
LONGEST_LIST = 256 * 1024  # bytes
# Options in thor_host, which every run carries: the list of SGLang 0.5.23 takes 33 kB, that of vLLM 0.33.0 takes 21 kB.
MOST_CARRIED = 100_000  # bytes


def name_of(engine: str, fingerprint: str) -> str:
    """The name of a kept list. ``fingerprint``: of an environment, or the digest of an image."""
    return f"{engine}-{_short(fingerprint)}"


def digest_of(parser: str, argv: Sequence[str], wanted: Sequence[str] = ()) -> str:
    """Identifies the arguments that a parser gets, and the architectures that are looked for.

    ``argv``: with or without the engine's own command.
    """
    asked = [parser, *real_parser.arguments_of(parser, argv), *([sorted(wanted)] if wanted else [])]
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def is_asked(
    kept: Mapping[str, Any] | None,
    parser: str | None,
    argvs: Mapping[str, Sequence[str]],
    wanted: Mapping[str, Sequence[str]] | None = None,
) -> bool:
    """Whether an engine need not be asked: it has accepted what these services would give it, arguments and models. Pure.

    ``wanted``: the architectures of the services' models that no stored list has, by service.
    ``kept`` is its list as :func:`read` or ``thor_host["flags"]`` has it; ``parser`` is None if a list is stored in the collection.
    """
    if parser is None:
        return True
    digests = (digest_of(parser, argv, (wanted or {}).get(service, ())) for service, argv in argvs.items())
    return kept is not None and all(digest in kept["accepted"] for digest in digests)


def keep(
    engine: str,
    fingerprint: str,
    answer: Mapping[str, Any],
    accepted: Collection[str] = (),
    refused: Collection[str] = (),
    images: Iterable[str] = (),
) -> None:
    """Keep the list of an answer and what was accepted with it (see digest_of), and forget unused lists beyond MOST_KEPT.

    ``images``: the digests of the images on this host.
    """
    path = KEPT / f"{name_of(engine, fingerprint)}.json"
    earlier = read(engine, fingerprint) or {"accepted": []}
    others = [one for one in earlier["accepted"] if one not in {*accepted, *refused}]
    content = {"engine": engine, **{key: answer[key] for key in ("engine_version", "options", "removed")}}
    content |= {key: answer[key] for key in MODELS if key in answer}
    KEPT.mkdir(parents=True, exist_ok=True)
    records.write(path, {**content, "accepted": [*accepted, *others[:MOST_ACCEPTED]]}, 0o644)
    used = in_use(images) | {_short(fingerprint)}
    paths = _kept()
    unused = [one for one in paths if _fingerprint(one) not in used]
    for one in unused[max(0, MOST_KEPT - (len(paths) - len(unused))) :]:
        one.unlink(missing_ok=True)


def read(engine: str, fingerprint: str) -> dict[str, Any] | None:
    """The kept list of an engine; None if there is none."""
    return records.read(KEPT / f"{name_of(engine, fingerprint)}.json", SHAPE)


def observe(images: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The lists of environments and images on this host by their names, for ``thor_host["flags"]``. Read-only.

    ``images``: the digests of the images on this host. ``options`` is None for the oldest ones where all would take more than
    MOST_CARRIED: those services' options are then checked by the engine's parser alone.
    """
    used, left = in_use(images), MOST_CARRIED
    found: dict[str, dict[str, Any]] = {}
    for path in _kept():
        content = records.read(path, SHAPE) if _fingerprint(path) in used else None
        if content is None:
            continue
        left -= len(json.dumps(content["options"]))
        found[path.stem] = {
            "engine_version": content["engine_version"],
            "options": content["options"] if left >= 0 else None,
            "accepted": content["accepted"],
        }
    return dict(sorted(found.items()))


def in_use(images: Iterable[str]) -> set[str]:
    """Fingerprints, as in the names of lists, of what is on this host: current environments (and builds), and ``images``."""
    trees = [Path(os.readlink(link)).name for link in ENGINES.glob("*/*") if link.is_symlink()]
    return {name.rpartition("-")[2] for name in trees} | {_short(digest) for digest in images}


def _short(fingerprint: str) -> str:
    return fingerprint.removeprefix("sha256:")[:12]


def _fingerprint(path: Path) -> str:
    return path.stem.rpartition("-")[2]


def _kept() -> list[Path]:
    """The kept lists, the newest first."""
    paths = [path for path in KEPT.glob("*.json") if path.is_file() and path.stat().st_size <= 2 * LONGEST_LIST]
    return sorted(paths, key=lambda path: (-path.stat().st_mtime_ns, path.name))
