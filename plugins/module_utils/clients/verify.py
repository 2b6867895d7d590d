# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Verification: representative requests to each service of a host, and the problems of its answers, with their codes."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils.clients import (
    adapters,
    answer_checks,
    api,
    chat,
    embedding,
    rerank,
    sample_image,
    tool_calls,
    transcription,
    vector_checks,
    verdicts,
    wake,
)
from ansible_collections.jetson.thor.plugins.module_utils.clients.verdicts import Result, Service
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem
from ansible_collections.jetson.thor.plugins.module_utils.services import deployed, parts

SHOWN = 200  # characters of an answer
BLOCKED_SECONDS = 5.0  # to wait for a forbidden fetch
# The factor by which a thinking service gets more tokens, because a truncated thought is no proof of an answer. Qwen3-8B thinks
# a few hundred tokens about a greeting, which even the slowest device manages within verify_timeout.
THINKING_TIMES = 6
# Families whose embedders have no layer behind the pooling: Qwen3-Embedding; bge-m3 and multilingual E5.
UNPROJECTED = ("qwen3", "xlm-roberta")


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
    let_sleep: Collection[str] = (),
) -> list[Result]:
    """Send the requests of all services concurrently; those of a group that takes turns are asked one service after the other.

    Returns an entry for each request, in the order of the services (shape: RETURN of the module verify).

    ``missing`` says why a service cannot be asked at all. ``listening`` are the host's listening sockets (observe/sockets.py): a
    service that listens on another address than its own is a problem, however well it answers. ``let_sleep``: names of services that
    start on demand, and are not asked while they sleep; others are woken.
    """
    if not services:
        return []
    chains = [
        [partial(_service, one, questions, missing, listening, let_sleep, len(group)) for one in group]
        for group in _together(services)
    ]
    with ThreadPoolExecutor(max_workers=len(chains)) as pool:
        found = pool.map(lambda chain: [result for ask in chain for result in ask()], chains)
        results = [result for chain in found for result in chain]
    names = [service["name"] for service in services]
    return sorted(results, key=lambda result: names.index(result["name"]))


def _together(services: Sequence[Service]) -> list[list[Service]]:
    """The services that are asked one after the other, because they take turns; each other one alone."""
    found: dict[tuple[str, str], list[Service]] = {}
    for service in services:
        group = service.get("exclusive")
        found.setdefault(("group", group) if group else ("service", service["name"]), []).append(service)
    return list(found.values())


def _service(
    service: Service,
    questions: Questions,
    missing: Callable[[Service], Problem | None],
    listening: Sequence[Mapping[str, Any]],
    let_sleep: Collection[str],
    turns: int,
) -> list[Result]:
    """The results of one service, whose requests are sent at once."""
    if gone := missing(service):
        requests: list[Callable[[], Result]] = [partial(verdicts.result, service, "is it there", [gone])]
    elif service["name"] in let_sleep and wake.is_asleep(service, listening):
        said = "sleeps until its first request"
        requests = [partial(verdicts.result, service, service["api"], state="asleep", ok=True, answer=said)]
    else:
        try:
            wake.wake(service, turns)
        except api.ProbeError as error:
            problem = verdicts.problem("THOR-ANSWER-MISSING", service, None, f"it does not wake up: {error}.")
            requests = [partial(verdicts.result, service, service["api"], [problem])]
        else:
            requests = requests_of(service, questions)
    if open_to := exposed(service, listening):
        requests.append(partial(verdicts.result, service, "where it listens", [open_to]))
    with ThreadPoolExecutor(max_workers=len(requests)) as pool:
        return list(pool.map(lambda request: request(), requests))


def exposed(service: Service, listening: Sequence[Mapping[str, Any]]) -> Problem | None:
    """The problem of a service that listens on other addresses than its own; loopback does not count."""
    wanted = ipaddress.ip_address(service["address"])
    units = {None, service["unit"]}
    inside = set()  # the engine's own port, if that is not the service's
    if service.get("on_demand"):
        units |= {parts.socket_of(service["name"]), parts.proxy_of(service["name"])}
        inside = {wake.engine_port(service)}
    found = {
        str(address)
        for socket in listening
        if socket["port"] in {service["port"], *inside} and socket["unit"] in units
        if not (address := _plain(socket["address"])).is_loopback
        if socket["port"] in inside or (address != wanted and not wanted.is_unspecified)
    }
    if not found:
        return None
    reason = f"{service['unit']} listens on {', '.join(sorted(found))} as well or instead, so whoever can reach it can use the service."
    return verdicts.problem("THOR-LISTENS-OPEN", service, service["address"], reason)


def _plain(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address; ::ffff:a.b.c.d, as an IPv6 socket shows an IPv4 address, becomes a.b.c.d."""
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def requests_of(service: Service, questions: Questions) -> list[Callable[[], Result]]:
    """The representative requests of a service; calling one sends it and checks the answer."""
    only = {"transcription": _transcription, "embedding": _embedding, "rerank": _rerank}.get(service["api"])
    if only:
        return [partial(only, service, questions)]
    if service["api"] != "chat":
        return [partial(verdicts.result, service, service["api"], state="unverified")]
    requests: list[Callable[[], Result]] = [partial(_chat, service, questions)]
    requests += [partial(_tool_call, service, questions)] if service.get("tools") else []
    requests += [partial(_adapter, service, questions, one) for one in service.get("loras") or ()]
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


def _embedding(service: Service, questions: Questions) -> Result:
    """Texts of which two are related, and a third is not."""

    def send() -> tuple[embedding.Vectors, str | None]:
        found = embedding.embed(service, vector_checks.TEXTS, timeout=questions.timeout)
        trained = bool(service.get("trained", True))
        return found, vector_checks.wrong_vectors(found, dimension_of(service), trained=trained)

    return _computed(service, send, "THOR-EMBEDDING-WRONG", lambda found: f"{len(found.vectors[0])} numbers")


def _rerank(service: Service, questions: Questions) -> Result:
    """A question, and documents of which one answers it."""

    def send() -> tuple[rerank.Ranking, str | None]:
        found = rerank.rank(service, vector_checks.QUERY, vector_checks.DOCUMENTS, timeout=questions.timeout)
        return found, vector_checks.wrong_ranking(found, trained=bool(service.get("trained", True)))

    return _computed(
        service, send, "THOR-RERANK-WRONG", lambda found: ", ".join(f"{score:.3g}" for score in found.scores)
    )


def dimension_of(service: Service) -> int | None:
    """How many numbers a vector of an embedder has, as far as its model says so.

    That is the width of the model, unless a further layer of the embedder changes it, of which nothing is known here.
    """
    about = service.get("about") or {}
    # config.json names the family, a GGUF file its architecture.
    families = {str(one).replace("_", "-") for one in [about.get("model_type"), *(about.get("architectures") or ())]}
    is_plain = not families.isdisjoint(UNPROJECTED)
    return api.count((about.get("geometry") or {}).get("hidden")) if is_plain else None


def _computed(
    service: Service, send: Callable[[], tuple[Any, str | None]], code: str, shown: Callable[[Any], str]
) -> Result:
    """Send a request that is answered by numbers, and check them. ``code`` is for the problem if they are wrong."""
    what = str(service["api"])
    try:
        found, reason = send()
    except api.ProbeError as error:
        code = code if error.kind == "shape" else "THOR-ANSWER-MISSING"
        return verdicts.result(service, what, [verdicts.problem(code, service, None, f"{what}: {error}.")])
    reason = api.wrong_model(found.model, service["served_name"]) or reason
    wrong = [verdicts.problem(code, service, None, f"{what}: {reason}.")] if reason else []
    return verdicts.result(
        service, what, wrong, seconds=round(found.seconds, 3), tokens=found.prompt_tokens, answer=shown(found)
    )


def _tokens(service: Service, questions: Questions) -> int:
    return questions.max_tokens * (1 if service.get("thinking") is False else THINKING_TIMES)


def _chat(service: Service, questions: Questions) -> Result:
    tokens = _tokens(service, questions)
    send = partial(chat.ask, service, questions.prompt, max_tokens=tokens, timeout=questions.timeout)
    return _checked(service, "chat", send, "THOR-ANSWER-MISSING", None)


def _tool_call(service: Service, questions: Questions) -> Result:
    """A request that wants a tool called. A model without trained weights is made to call it."""
    what = "tool call"
    forced = not service.get("trained", True)
    try:
        answer = tool_calls.ask(
            service, forced=forced, max_tokens=_tokens(service, questions), timeout=questions.timeout
        )
    except api.ProbeError as error:
        code = "THOR-TOOL-WRONG" if error.kind in ("shape", "status") else "THOR-ANSWER-MISSING"
        value = True if code == "THOR-TOOL-WRONG" else None
        return verdicts.result(service, what, [verdicts.problem(code, service, value, f"{what}: {error}.")])
    reason = tool_calls.wrong_call(answer) or api.wrong_model(answer.model, service["served_name"])
    wrong = [verdicts.problem("THOR-TOOL-WRONG", service, True, f"{what}: {reason}.")] if reason else []
    return _answered(service, what, answer, wrong, tool_calls.shown(answer))


def _adapter(service: Service, questions: Questions, adapter: Mapping[str, Any]) -> Result:
    """Whether the engine lists a LoRA adapter, and answers by it."""
    what = f"adapter {adapter['name']}"
    try:
        names = adapters.loaded(service, questions.timeout)
    except api.ProbeError as error:
        return verdicts.result(
            service, what, [verdicts.problem("THOR-ANSWER-MISSING", service, None, f"{what}: {error}.")]
        )
    if adapters.known_as(service, adapter) not in names:
        reason = f"the engine does not list {adapters.known_as(service, adapter)} (it lists {', '.join(names) or 'nothing'})."
        return verdicts.result(service, what, [verdicts.problem("THOR-LORA-MISSING", service, adapter["name"], reason)])
    send = partial(
        adapters.ask,
        service,
        adapter,
        names,
        prompt=questions.prompt,
        max_tokens=_tokens(service, questions),
        timeout=questions.timeout,
    )
    return _checked(service, what, send, "THOR-LORA-MISSING", adapter["name"], adapters.answers_as(service, adapter))


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
        found = verdicts.problem("THOR-MEDIA-FOLDER", service, vision["folder"], reason)
        if isinstance(error, PermissionError) and not deployed.is_root():
            found = deployed.no_root()
        return verdicts.result(service, what, [found])


def _blocked(service: Service, questions: Questions) -> Result:
    """Whether a service that must not fetch remote images does not fetch one. Its answer does not matter."""
    what = "image by URL (blocked)"
    # At the device's own network address, because loopback is open even to units that may reach nothing else.
    address = sample_image.own_address()
    if address is None:
        return verdicts.result(service, what, state="unverified", answer="the device is on no network")
    said = "answered without it"
    with sample_image.Gallery(address) as gallery:
        try:
            # Engines fetch first. If the kernel blocks them, it drops their packets, and they wait until the timeout.
            chat.ask(service, questions.image_prompt, image=gallery.url, max_tokens=1, timeout=BLOCKED_SECONDS)
        except api.ProbeError as error:
            if error.kind == "unreachable":
                return verdicts.result(
                    service, what, [verdicts.problem("THOR-ANSWER-MISSING", service, None, f"{what}: {error}.")]
                )
            said = "blocked" if error.kind == "timeout" else "refused"
        fetched = gallery.visits > 0
    if fetched:
        reason = "the engine fetched an image although remote_media is false."
        return verdicts.result(service, what, [verdicts.problem("THOR-MEDIA-OPEN", service, gallery.url, reason)])
    return verdicts.result(service, what, answer=f"{said}, as it should be")


def _checked(
    service: Service, what: str, send: Callable[[], api.Answer], code: str, culprit: object, model: str | None = None
) -> Result:
    """Send a request and check the answer. ``code`` and ``culprit`` are for the problem if the service refuses this request.

    ``model`` is the name that the answer must carry, if that is not the served one.
    """
    try:
        answer = send()
    except api.ProbeError as error:
        if error.kind == "shape":
            return verdicts.result(
                service, what, [verdicts.problem("THOR-ANSWER-WRONG", service, None, f"{what}: {error}.")]
            )
        refused = error.kind == "status"
        code, culprit = (code, culprit) if refused else ("THOR-ANSWER-MISSING", None)
        return verdicts.result(service, what, [verdicts.problem(code, service, culprit, f"{what}: {error}.")])
    return _answered(service, what, answer, _wrong(service, what, answer, model or service["served_name"]))


def _answered(service: Service, what: str, answer: api.Answer, problems: Sequence[Problem], shown: str = "") -> Result:
    return verdicts.result(
        service,
        what,
        problems,
        seconds=round(answer.seconds, 3),
        tokens=answer.completion_tokens,
        tokens_per_second=round(answer.tokens_per_second, 1) if answer.tokens_per_second else None,
        answer=answer_checks.printable((shown or answer.text or answer.reasoning).strip()[:SHOWN]),
    )


def _wrong(service: Service, what: str, answer: api.Answer, model: str) -> list[Problem]:
    """The problems of an answer that arrived."""
    # A model without trained weights does not answer in a language.
    reasons = [answer_checks.wrong_text(answer)] if service.get("trained", True) else []
    if service["api"] == "chat":
        reasons.append(api.wrong_model(answer.model, model))
    if what == "chat" and service.get("trained", True) and not any(reasons):
        reasons.append(answer_checks.unfinished(answer))
    found = [verdicts.problem("THOR-ANSWER-WRONG", service, None, f"{what}: {reason}.") for reason in reasons if reason]
    thought = answer_checks.thinking(answer) if service.get("thinking") is False else None
    if thought:
        found.append(verdicts.problem("THOR-ANSWER-THINKING", service, False, f"{what}: {thought}."))
    if what == "chat" and must_think(service) and not found and (reason := answer_checks.unthinking(answer)):
        found.append(verdicts.problem("THOR-ANSWER-UNTHINKING", service, service["thinking"], f"{what}: {reason}."))
    return found


def must_think(service: Service) -> bool:
    """Whether an answer without reasoning is wrong. With little effort a model may see nothing to think about in a greeting."""
    return bool(service.get("trained", True)) and service.get("thinking") not in (None, False, "low")
