# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The options of an engine for whose version no list is stored, and the models that it knows: asked on the device, and kept there.

vLLM and SGLang are asked through their own parser (real_parser.py), and their own registry of models is read (architectures.py), in the
engine's own Python: in a Python environment (:func:`ask`) or in a container of the image (images/ask.py). There it gets no GPU and no
network. kept_flags.py keeps the answer.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, cast

from ansible_collections.jetson.thor.plugins.module_utils import (
    architectures,
    bounded,
    flags,
    kept_flags,
    real_parser,
    records,
)
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem, nearest

# Importing an engine takes 10 s on an idle CPU, and minutes from a cold disk.
SECONDS = 600.0
MOST_OUTPUT = 8 * 1024 * 1024  # bytes
# What the engines read. The question must not make them look for a GPU, fetch a model or report their use.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "NVIDIA_VISIBLE_DEVICES": "void",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "TERM": "dumb",
}
# On the device the question is asked without privileges. setpriv and unshare are in util-linux, which every Ubuntu has.
NOBODY = 65534
UNPRIVILEGED = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", "--")
NO_NETWORK = ("unshare", "--net", "--")
_DEFAULTS: Mapping[str, Any] = {"aliases": [], "takes": "value", "negation": None, "choices": None}


@dataclass(frozen=True)
class Subject:
    """What is asked: the version of an engine on this host, and the arguments of the services that would use it."""

    engine: str
    version: str  # the catalog's
    fingerprint: str  # of the environment, or the digest of the image
    parser: str  # see real_parser.ENGINES
    argvs: Mapping[str, Sequence[str]]  # by service, with or without the engine's own command
    wanted: Mapping[str, Sequence[str]] = field(
        default_factory=dict
    )  # architectures of the services' models, if no list has them


class Unaskable(Exception):
    """The engine does not answer; the message says why."""


def question(parser: str, argvs: Mapping[str, Sequence[str]]) -> list[str]:
    """The arguments for the engine's Python that make it answer. ``parser``: see real_parser.ENGINES."""
    return ["-c", program(), "errors", parser, json.dumps(list(argvs.values()))]


def program() -> str:
    """The two questions as one program: real_parser.py, whose answer has what architectures.py reads beside it."""
    parser = inspect.getsource(real_parser).replace("from __future__ import annotations\n", "", 1)
    return inspect.getsource(architectures) + parser.replace(
        "raise SystemExit(main())", "raise SystemExit(main(of_installed))"
    )


def ask(
    command: Sequence[str], parser: str, argvs: Mapping[str, Sequence[str]], seconds: float = SECONDS
) -> dict[str, Any]:
    """The options of an engine in a Python environment, and what its parser says of the services' arguments.

    ``command``: the environment's Python. ``parser``: whose parser it is, see real_parser.ENGINES. ``argvs``: by service, with or
    without the engine's own command. Returns
    ``{"engine_version", "options", "removed", "architectures", "transformers", "errors": {service: text}}``; the two lists of models
    are absent where they could not be read. Raises Unaskable.
    """
    with tempfile.TemporaryDirectory(prefix="thor-flags-") as folder:
        # The engine may write its caches there and nowhere else.
        home = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), folder)
        path = os.environ.get("PATH", os.defpath)
        environment = {"PATH": path, "LANG": "C.UTF-8", **ENVIRONMENT, **home}
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        words = [*_confinement(), *command, "-I", *question(parser, argvs)]
        status, output = _run(words, environment, folder, seconds)
    return read_answer(output, argvs, status, seconds)


def settle(subject: Subject, answered: Callable[[], dict[str, Any]], images: Iterable[str] = ()) -> list[Problem]:
    """Ask an engine, keep its list and what its parser accepted, and say what is wrong with the services' arguments.

    ``answered`` asks, and may raise Unaskable. ``images``: the digests of the images on this host, whose lists stay.
    """
    try:
        answer = answered()
    except Unaskable as error:
        return [_unaskable(subject, error)]
    found = {service: _problems(subject, service, answer) for service in subject.argvs}
    digests = {
        service: kept_flags.digest_of(subject.parser, argv, subject.wanted.get(service, ()))
        for service, argv in subject.argvs.items()
    }
    refused = {digests[service] for service, problems in found.items() if problems}
    accepted = sorted({*digests.values()} - refused)
    kept_flags.keep(subject.engine, subject.fingerprint, answer, accepted, refused, images)
    return [problem for problems in found.values() for problem in problems]


def read_answer(
    output: str, argvs: Mapping[str, Sequence[str]], status: int | None, seconds: float = SECONDS
) -> dict[str, Any]:
    """The answer in what the engine's Python printed. ``status``: its exit status, None if it took too long. Raises Unaskable."""
    if status is None:
        raise Unaskable(f"it did not answer within {seconds:g} s; its last output: {_tail(output)}")
    found = re.findall(rf"^{real_parser.MARK}(.*)$", output.replace("\r", ""), re.MULTILINE)
    if not found:
        raise Unaskable(f"it ended with {status} and did not answer; its last output: {_tail(output)}")
    try:
        answer = bounded.parse(found[-1])
        if "error" in answer:
            raise Unaskable(str(answer["error"]))
        content = {key: answer[key] for key in ("engine_version", "removed")}
        content["options"] = compact(answer["options"])
        content.update({key: answer[key] for key in kept_flags.MODELS if answer.get(key)})
        errors = [one["error"] for one in answer["answers"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Unaskable(f"it answered something else than its options: {found[-1][:200]}") from None
    if (
        not content["options"]
        or len(errors) != len(argvs)
        or records.mismatch({"engine": "", "accepted": [], **content}, kept_flags.SHAPE)
    ):
        raise Unaskable("it answered something else than its options")
    if (size := len(json.dumps(content))) > kept_flags.LONGEST_LIST:
        most = kept_flags.LONGEST_LIST
        raise Unaskable(f"its list of options has {size:,} bytes, more than the {most:,} that are kept")
    return {**content, "errors": {name: text for name, text in zip(argvs, errors, strict=True) if text}}


def _problems(subject: Subject, service: str, answer: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a service's arguments: options that the engine lacks, or else whatever its parser refuses.

    Names must be exact, as with a stored list: a parser also accepts a beginning that is unambiguous today.
    """
    options = answer["options"]
    label = f"{subject.engine} {subject.version}"
    where = f"thor_services[{service!r}].argv"
    found: list[Problem] = []
    for name in flags.unknown(real_parser.arguments_of(subject.parser, subject.argvs[service]), options):
        advice = answer["removed"].get(name)
        reason = f"{label} has no {name}."
        found.append(Problem("THOR-FLAG-UNKNOWN", where, name, reason, advice or nearest(name, options)))
    if service in answer["errors"] and not found:
        reason = f"The parser of {label} refuses these arguments: {answer['errors'][service]}"
        found.append(Problem("THOR-FLAG-VALUE", where, None, reason, "Correct the option that it names."))
    return [*found, *_unknown_model(subject, service, answer)]


def _unknown_model(subject: Subject, service: str, answer: Mapping[str, Any]) -> Iterable[Problem]:
    """A model that neither the engine nor its Transformers know. Nothing is said where the engine's own list could not be read."""
    names, known = subject.wanted.get(service, ()), answer.get("architectures")
    if not names or not known or architectures.has(subject.engine, known, names):
        return
    # Without its list, nobody can say what its Transformers cannot do.
    others = answer.get("transformers")
    if others is None or any(name in others for name in names):
        return
    label = f"{subject.engine} {subject.version}"
    reason = (
        f"{label} does not know the architecture {' or '.join(names)} of the model, and neither do its Transformers."
    )
    where = f"thor_services[{service!r}].model"
    yield Problem("THOR-MODEL-ARCHITECTURE", where, " or ".join(names), reason, "Choose a version that knows it.")


def _unaskable(subject: Subject, error: Unaskable) -> Problem:
    """The problem with an engine that does not answer."""
    reason = f"{subject.engine} {subject.version} cannot be asked for its options: {error}"
    remedy = (
        "It would hardly start either: choose another version, or repair what the exception names. If it serves all the same, store its "
        "list with script/flags, on a machine where it can be imported."
    )
    where = f"thor_engine_versions[{subject.engine!r}]"
    return Problem("THOR-ENGINE-UNASKABLE", where, subject.version, reason, remedy)


def compact(options: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """A list of options without the keys that say nothing: who reads a list takes them for the same."""
    return {
        name: {key: value for key, value in entry.items() if key not in _DEFAULTS or value != _DEFAULTS[key]}
        for name, entry in options.items()
    }


def _confinement() -> list[str]:
    """What runs a command without network and without privileges, as far as this host allows it."""
    if os.geteuid() != 0:
        return []
    return [word for words in (NO_NETWORK, UNPRIVILEGED) if _works(words) for word in words]


def _works(words: Sequence[str]) -> bool:
    """Whether a command can be run that way: a container may not be allowed to make a network namespace."""
    if shutil.which(words[0]) is None:
        return False
    run = subprocess.run([*words, "true"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
    return run.returncode == 0


def _run(command: Sequence[str], environment: Mapping[str, str], folder: str, seconds: float) -> tuple[int | None, str]:
    """Exit status (None if it took too long) and output of a command, whose whole process group is gone afterwards."""
    deadline = time.monotonic() + seconds
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
        )
    except OSError as error:
        raise Unaskable(f"{command[0]} cannot be run: {error.strerror}") from None
    try:
        return _read(process, deadline)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(process: subprocess.Popen[bytes], deadline: float) -> tuple[int | None, str]:
    output = bytearray()
    with cast(IO[bytes], process.stdout) as stream:
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([stream], [], [], min(left, 1))[0]:
                # A process that it has left behind may hold the other end.
                if process.poll() is not None:
                    break
                continue
            block = os.read(stream.fileno(), 1 << 16)
            output += block
            if not block:
                break
            if len(output) > MOST_OUTPUT:
                raise Unaskable(f"it printed more than {MOST_OUTPUT:,} bytes; the last: {_tail(_text(output[-2000:]))}")
    try:
        status: int | None = process.wait(max(0.1, min(5, deadline - time.monotonic())))
    except subprocess.TimeoutExpired:
        status = None
    return status, _text(output)


def _text(output: bytes | bytearray) -> str:
    return bytes(output).decode(errors="replace")


def _tail(output: str) -> str:
    """The last lines of an output in one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " | ".join(lines[-5:])[-800:] or "none"
