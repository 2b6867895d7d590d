# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Verification: representative requests to each service of a host, and the problems of its answers, with their codes."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import (
    answer_checks,
    api,
    chat,
    sample_image,
    transcription,
)
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.module_utils.services import deployed

SHOWN = 200  # characters of an answer
BLOCKED_SECONDS = 5.0  # to wait for a forbidden fetch
# The factor by which a thinking service gets more tokens, because a truncated thought is no proof of an answer. Qwen3-8B thinks
# a few hundred tokens about a greeting, which even the slowest device manages within verify_timeout.
THINKING_TIMES = 6
Service = Mapping[str, Any]
Result = dict[str, Any]


@dataclass(frozen=True)
class Questions:
    """What to ask. ``timeout`` applies to each answer, in seconds; ``image_url`` replaces the built-in picture."""

    prompt: str
    max_tokens: int
    timeout: float
    image_prompt: str = "What do you see?"
    image_url: str = ""
    sound_name: str = "silence.wav"
    sound: bytes = b""


def verify_services(
    services: Sequence[Service],
    questions: Questions,
    missing: Callable[[Service], Problem | None] = lambda _service: None,
    listening: Sequence[Mapping[str, Any]] = (),
) -> list[Result]:
    """Send the requests of all services concurrently; returns an entry for each, in order (shape: RETURN of the module verify).

    ``missing`` says why a service cannot be asked at all. ``listening`` are the host's listening sockets (observe/sockets.py): a
    service that listens on another address than its own is a problem, however well it answers.
    """
    requests: list[Callable[[], Result]] = []
    for service in services:
        problem = missing(service)
        requests += (
            [partial(_result, service, "is it there", [problem])] if problem else requests_of(service, questions)
        )
        if open_to := exposed(service, listening):
            requests.append(partial(_result, service, "where it listens", [open_to]))
    if not requests:
        return []
    with ThreadPoolExecutor(max_workers=len(requests)) as pool:
        return list(pool.map(lambda request: request(), requests))


def exposed(service: Service, listening: Sequence[Mapping[str, Any]]) -> Problem | None:
    """The problem of a service that listens on other addresses than its own; loopback does not count."""
    wanted = ipaddress.ip_address(service["address"])
    found = {
        str(address)
        for socket in listening
        if socket["port"] == service["port"] and socket["unit"] in {None, service["unit"]}
        if not (address := _plain(socket["address"])).is_loopback
        if address != wanted and not wanted.is_unspecified
    }
    if not found:
        return None
    reason = f"{service['unit']} listens on {', '.join(sorted(found))} as well or instead, so whoever can reach it can use the service."
    return _problem("THOR-LISTENS-OPEN", service, service["address"], reason)


def _plain(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address; ::ffff:a.b.c.d, as an IPv6 socket shows an IPv4 address, becomes a.b.c.d."""
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def requests_of(service: Service, questions: Questions) -> list[Callable[[], Result]]:
    """The representative requests of a service; calling one sends it and checks the answer."""
    if service["api"] == "transcription":
        return [partial(_transcription, service, questions)]
    if service["api"] != "chat":
        return [partial(_result, service, service["api"], state="unverified")]
    requests: list[Callable[[], Result]] = [partial(_chat, service, questions)]
    vision = service.get("vision")
    if vision is not None:
        by_address = _image_by_address if service.get("remote_media") else _blocked
        requests += [partial(by_address, service, questions)]
        requests += [partial(_image_from_folder, service, questions)] if vision["folder"] else []
    return requests


def _transcription(service: Service, questions: Questions) -> Result:
    name, sound = questions.sound_name, questions.sound or transcription.silence()
    send = partial(transcription.transcribe, service, name, sound, timeout=questions.timeout)
    return _checked(service, "transcription", send, "THOR-AUDIO-FAILED", name)


def _chat(service: Service, questions: Questions) -> Result:
    tokens = questions.max_tokens * (1 if service.get("thinking") is False else THINKING_TIMES)
    send = partial(chat.ask, service, questions.prompt, max_tokens=tokens, timeout=questions.timeout)
    return _checked(service, "chat", send, "THOR-ANSWER-MISSING", None)


def _about(service: Service, questions: Questions, what: str, image: str) -> Result:
    """A chat about an image."""
    send = partial(
        chat.ask,
        service,
        questions.image_prompt,
        image=image,
        max_tokens=questions.max_tokens,
        timeout=questions.timeout,
    )
    return _checked(service, what, send, "THOR-MEDIA-FAILED", image)


def _image_by_address(service: Service, questions: Questions) -> Result:
    what = "image by URL"
    if questions.image_url:
        return _about(service, questions, what, questions.image_url)
    with sample_image.Gallery() as gallery:
        return _about(service, questions, what, gallery.url)


def _image_from_folder(service: Service, questions: Questions) -> Result:
    what, vision = "image by file", service["vision"]
    try:
        with sample_image.picture_in(vision["folder"]) as path:
            return _about(service, questions, what, vision["file_url"].format(path=path, name=path.name))
    except OSError as error:
        reason = f"no file can be written there: {error.strerror}."
        problem = _problem("THOR-MEDIA-FOLDER", service, vision["folder"], reason)
        if isinstance(error, PermissionError) and not deployed.is_root():
            problem = deployed.no_root()
        return _result(service, what, [problem])


def _blocked(service: Service, questions: Questions) -> Result:
    """Whether a service that must not fetch remote images does not fetch one. Its answer does not matter."""
    what = "image by URL (blocked)"
    # At the device's own network address, because loopback is open even to units that may reach nothing else.
    address = sample_image.own_address()
    if address is None:
        return _result(service, what, state="unverified", answer="the device is on no network")
    said = "answered without it"
    with sample_image.Gallery(address) as gallery:
        try:
            # Engines fetch first. If the kernel blocks them, it drops their packets, and they wait until the timeout.
            chat.ask(service, questions.image_prompt, image=gallery.url, max_tokens=1, timeout=BLOCKED_SECONDS)
        except api.ProbeError as error:
            if error.kind == "unreachable":
                return _result(service, what, [_problem("THOR-ANSWER-MISSING", service, None, f"{what}: {error}.")])
            said = "blocked" if error.kind == "timeout" else "refused"
        fetched = gallery.visits > 0
    if fetched:
        reason = "the engine fetched an image although remote_media is false."
        return _result(service, what, [_problem("THOR-MEDIA-OPEN", service, gallery.url, reason)])
    return _result(service, what, answer=f"{said}, as it should be")


def _checked(service: Service, what: str, send: Callable[[], api.Answer], code: str, culprit: object) -> Result:
    """Send a request and check the answer. ``code`` and ``culprit`` are for the problem if the service refuses this request."""
    try:
        answer = send()
    except api.ProbeError as error:
        if error.kind == "shape":
            return _result(service, what, [_problem("THOR-ANSWER-WRONG", service, None, f"{what}: {error}.")])
        refused = error.kind == "status"
        code, culprit = (code, culprit) if refused else ("THOR-ANSWER-MISSING", None)
        return _result(service, what, [_problem(code, service, culprit, f"{what}: {error}.")])
    return _result(
        service,
        what,
        _wrong(service, what, answer),
        seconds=round(answer.seconds, 3),
        tokens=answer.completion_tokens,
        tokens_per_second=round(answer.tokens_per_second, 1) if answer.tokens_per_second else None,
        answer=answer_checks.printable((answer.text or answer.reasoning).strip()[:SHOWN]),
    )


def _wrong(service: Service, what: str, answer: api.Answer) -> list[Problem]:
    """The problems of an answer that arrived."""
    # A model without trained weights does not answer in a language.
    reasons = [answer_checks.wrong_text(answer)] if service.get("trained", True) else []
    if service["api"] == "chat":
        reasons.append(api.wrong_model(answer.model, service["served_name"]))
    if what == "chat" and service.get("trained", True) and not any(reasons):
        reasons.append(answer_checks.unfinished(answer))
    found = [_problem("THOR-ANSWER-WRONG", service, None, f"{what}: {reason}.") for reason in reasons if reason]
    thought = answer_checks.thinking(answer) if service.get("thinking") is False else None
    if thought:
        found.append(_problem("THOR-ANSWER-THINKING", service, False, f"{what}: {thought}."))
    return found


def _result(service: Service, what: str, problems: Sequence[Problem] = (), state: str = "", **more: Any) -> Result:
    """One entry of what the module returns."""
    state = state or ("failed" if problems else "ok")
    return {
        "name": service["name"],
        "request": what,
        "api": service["api"],
        "endpoint": api.where(service["address"], service["port"], service["api_path"]),
        "seconds": None,
        "tokens": None,
        "tokens_per_second": None,
        "answer": "",
        "problems": [problem.as_dict() for problem in problems],
        "messages": [problem.text() for problem in problems],
        "state": state,
        "ok": state == "ok",
        **more,
    }


def _problem(code: str, service: Service, value: object, reason: str) -> Problem:
    journal = f"Read sudo journalctl -u {service['unit']}, then run the play again."
    remedy = {
        "THOR-LISTENS-OPEN": f"sudo systemctl cat {service['unit']} shows who changes it; remove that, then run site.yml.",
        "THOR-ANSWER-MISSING": journal,
        "THOR-ANSWER-WRONG": "Check whether playbooks/plan.yml lists this combination as broken, and choose another "
        "version of the engine, another precision or another model.",
        "THOR-ANSWER-THINKING": "The profile's options_not_thinking do not work with this version of the engine: "
        "choose another, or report it.",
        "THOR-AUDIO-FAILED": "Send another format (verify_audio_file; every engine understands a 16-bit WAV file), have whisper-server "
        f"convert it (options: {{convert: true}}), or see what the engine is missing: sudo journalctl -u {service['unit']}.",
        "THOR-MEDIA-FAILED": "Check that the device reaches the address, and that it is an image; "
        f"sudo journalctl -u {service['unit']} has the engine's messages.",
        "THOR-MEDIA-FOLDER": "Create the folder, or name an existing one in the option of the profile (media-path of llama.cpp, "
        "allowed-local-media-path of vLLM).",
        "THOR-MEDIA-OPEN": "Neither the kernel nor this version of the engine blocks it: block it in the network, or choose another "
        "version of the engine.",
    }[code]
    keys = {
        "THOR-ANSWER-THINKING": ".thinking",
        "THOR-MEDIA-OPEN": ".remote_media",
        "THOR-MEDIA-FOLDER": ".vision.folder",
    }
    return Problem(code, f"thor_services[{service['name']}]{keys.get(code, '')}", value, reason, remedy)
