# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Verification: the requests that each service of a host is there for, and what is wrong with its answers.

probe.py knows the requests, is deployed alone and imports nothing of ours; here are the judgement and its codes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import api, sample_image
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.module_utils.services import deployed

SHOWN = 200  # characters of an answer
CLOSED_SECONDS = 5.0  # for which it is watched whether an engine fetches what it must not
# A service that may think gets as many times more tokens: a thought that was cut proves no answer. Qwen3-8B thinks some
# hundred tokens about a greeting; on the slowest device that is still within verify_timeout.
THINKING_TIMES = 6
Service = Mapping[str, Any]
Result = dict[str, Any]


@dataclass(frozen=True)
class Questions:
    """What is asked. ``timeout`` is that of each answer, in seconds; ``image_url`` takes the place of a picture of our own."""

    prompt: str
    max_tokens: int
    timeout: float
    image_prompt: str = "What do you see?"
    image_url: str = ""
    sound_name: str = "silence.wav"
    sound: bytes = b""


def ask_all(
    services: Sequence[Service],
    questions: Questions,
    missing: Callable[[Service], Problem | None] = lambda _service: None,
    listening: Sequence[Mapping[str, Any]] = (),
) -> list[Result]:
    """Send all requests of all services side by side; an entry for each, in their order (shape: RETURN of the module verify).

    ``missing`` says why a service need not be asked at all. ``listening``: the sockets of the host that listen
    (observe.listening); a service on another address than its own is told of, however well it answers.
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
    """What is wrong where a service listens on more than its address. Loopback is never more."""
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
    reason = (
        f"{service['unit']} listens on {', '.join(sorted(found))} as well or instead: whoever reaches that may use it."
    )
    return _problem("THOR-LISTENS-OPEN", service, service["address"], reason)


def _plain(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address; an IPv4 one that a socket of IPv6 shows as ::ffff:a.b.c.d as itself."""
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def requests_of(service: Service, questions: Questions) -> list[Callable[[], Result]]:
    """The requests that a service is there for; each, when called, is sent and judged."""
    if service["api"] == "transcription":
        return [partial(_transcription, service, questions)]
    if service["api"] != "chat":
        return [partial(_result, service, service["api"], state="unverified")]
    requests: list[Callable[[], Result]] = [partial(_chat, service, questions)]
    vision = service.get("vision")
    if vision is not None:
        by_address = _image_by_address if service.get("remote_media") else _closed
        requests += [partial(by_address, service, questions)]
        requests += [partial(_image_from_folder, service, questions)] if vision["folder"] else []
    return requests


def _transcription(service: Service, questions: Questions) -> Result:
    name, sound = questions.sound_name, questions.sound or api.silence()
    send = partial(api.transcribe, service, name, sound, timeout=questions.timeout)
    return _judged(service, "transcription", send, "THOR-AUDIO-FAILED", name)


def _chat(service: Service, questions: Questions) -> Result:
    tokens = questions.max_tokens * (1 if service.get("thinking") is False else THINKING_TIMES)
    send = partial(api.chat, service, questions.prompt, max_tokens=tokens, timeout=questions.timeout)
    return _judged(service, "chat", send, "THOR-ANSWER-MISSING", None)


def _about(service: Service, questions: Questions, what: str, image: str) -> Result:
    """A chat about an image."""
    send = partial(
        api.chat,
        service,
        questions.image_prompt,
        image=image,
        max_tokens=questions.max_tokens,
        timeout=questions.timeout,
    )
    return _judged(service, what, send, "THOR-MEDIA-FAILED", image)


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
        reason = f"no file can be laid there: {error.strerror}."
        problem = _problem("THOR-MEDIA-FOLDER", service, vision["folder"], reason)
        if isinstance(error, PermissionError) and not deployed.is_root():
            problem = deployed.no_root()
        return _result(service, what, [problem])


def _closed(service: Service, questions: Questions) -> Result:
    """A service that must not fetch what a client names: whether it stays at home. What it answers does not matter."""
    what = "image by URL (closed)"
    # By its own address on the network, because this device's loopback is open to a unit that is closed to all others.
    address = sample_image.own_address()
    if address is None:
        return _result(service, what, state="unverified", answer="the device is on no network")
    said = "answered without it"
    with sample_image.Gallery(address) as gallery:
        try:
            # Engines fetch before anything else. A kernel that holds them back drops what they send, so that they wait and wait.
            api.chat(service, questions.image_prompt, image=gallery.url, max_tokens=1, timeout=CLOSED_SECONDS)
        except api.ProbeError as error:
            if error.kind == "unreachable":
                return _result(service, what, [_problem("THOR-ANSWER-MISSING", service, None, f"{what}: {error}.")])
            said = "held back" if error.kind == "timeout" else "refused"
        fetched = gallery.visits > 0
    if fetched:
        reason = "the engine fetched an image although remote_media is false."
        return _result(service, what, [_problem("THOR-MEDIA-OPEN", service, gallery.url, reason)])
    return _result(service, what, answer=f"{said}, as it should be")


def _judged(service: Service, what: str, send: Callable[[], api.Answer], code: str, culprit: object) -> Result:
    """Send a request and judge the answer. ``code`` and ``culprit``: of the problem where the service refuses this very request."""
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
        answer=api.printable((answer.text or answer.reasoning).strip()[:SHOWN]),
    )


def _wrong(service: Service, what: str, answer: api.Answer) -> list[Problem]:
    """What is wrong with an answer that came."""
    # A model without trained weights has nothing to say, and what it says is no language.
    reasons = [api.wrong_text(answer)] if service.get("trained", True) else []
    if service["api"] == "chat":
        reasons.append(api.wrong_model(answer, service["served_name"]))
    if what == "chat" and service.get("trained", True) and not any(reasons):
        reasons.append(api.unfinished(answer))
    found = [_problem("THOR-ANSWER-WRONG", service, None, f"{what}: {reason}.") for reason in reasons if reason]
    thought = api.thinking(answer) if service.get("thinking") is False else None
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
    journal = f"Look into sudo journalctl -u {service['unit']}, then run the play again."
    remedy = {
        "THOR-LISTENS-OPEN": f"sudo systemctl cat {service['unit']} shows who changes it; remove that, then run site.yml.",
        "THOR-ANSWER-MISSING": journal,
        "THOR-ANSWER-WRONG": "Look whether playbooks/plan.yml knows this combination as broken, and choose another "
        "version of the engine, another precision or another model.",
        "THOR-ANSWER-THINKING": "The profile's options_not_thinking do not work with this version of the engine: "
        "choose another, or report it.",
        "THOR-AUDIO-FAILED": "Send another format (verify_audio_file; a WAV file of 16 bits is understood by all), have whisper-server "
        f"convert it (options: {{convert: true}}), or see what the engine lacks: sudo journalctl -u {service['unit']}.",
        "THOR-MEDIA-FAILED": "Check that the device reaches the address, and that it is an image; "
        f"sudo journalctl -u {service['unit']} has the engine's words.",
        "THOR-MEDIA-FOLDER": "Make the folder, or name one that is there in the option of the profile (media-path of llama.cpp, "
        "allowed-local-media-path of vLLM).",
        "THOR-MEDIA-OPEN": "The kernel or this version of the engine does not hold it back: block it in the network, or choose another "
        "version of the engine.",
    }[code]
    keys = {
        "THOR-ANSWER-THINKING": ".thinking",
        "THOR-MEDIA-OPEN": ".remote_media",
        "THOR-MEDIA-FOLDER": ".vision.folder",
    }
    return Problem(code, f"thor_services[{service['name']}]{keys.get(code, '')}", value, reason, remedy)
