# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Verification: one question to each service, and what is wrong with its answer.

probe.py knows the requests, is deployed alone and imports nothing of ours; here are the judgement and its codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.jetson.thor.plugins.module_utils import probe
from ansible_collections.jetson.thor.plugins.module_utils.problems import Problem

SHOWN = 200  # characters of an answer


def ask_all(
    services: Sequence[Mapping[str, Any]], prompt: str, max_tokens: int, timeout: float
) -> list[dict[str, Any]]:
    """Ask all services at the same time; one entry for each, in their order (shape: RETURN of the module verify)."""
    if not services:
        return []
    with ThreadPoolExecutor(max_workers=len(services)) as pool:
        return list(pool.map(lambda service: ask(service, prompt, max_tokens, timeout), services))


def ask(service: Mapping[str, Any], prompt: str, max_tokens: int, timeout: float) -> dict[str, Any]:
    """Ask one service, and judge its answer."""
    result: dict[str, Any] = {
        "name": service["name"],
        "api": service["api"],
        "endpoint": f"http://{service['address']}:{service['port']}",
        "seconds": None,
        "tokens": None,
        "tokens_per_second": None,
        "answer": "",
        "problems": [],
        "messages": [],
    }
    if service["api"] != "chat":
        return {**result, "state": "unverified", "ok": False}
    found: list[Problem] = []
    try:
        answer = probe.chat(
            service["address"], service["port"], service["served_name"], prompt, max_tokens=max_tokens, timeout=timeout
        )
    except probe.ProbeError as error:
        wrong = error.kind == "shape"
        found.append(_problem("THOR-ANSWER-WRONG" if wrong else "THOR-ANSWER-MISSING", service, None, f"{error}."))
    else:
        result["seconds"] = round(answer.seconds, 3)
        result["tokens"] = answer.completion_tokens
        result["tokens_per_second"] = round(answer.tokens_per_second, 1) if answer.tokens_per_second else None
        result["answer"] = (answer.text or answer.reasoning).strip()[:SHOWN]
        wrongs = (probe.wrong_model(answer, service["served_name"]), probe.wrong_text(answer))
        found += [_problem("THOR-ANSWER-WRONG", service, None, f"{reason}.") for reason in wrongs if reason]
        thought = probe.thinking(answer) if service.get("thinking") is False else None
        if thought:
            found.append(_problem("THOR-ANSWER-THINKING", service, False, f"{thought}."))
    result["problems"] = [problem.as_dict() for problem in found]
    result["messages"] = [problem.text() for problem in found]
    return {**result, "state": "failed" if found else "ok", "ok": not found}


def _problem(code: str, service: Mapping[str, Any], value: object, reason: str) -> Problem:
    remedy = {
        "THOR-ANSWER-MISSING": f"Look into journalctl -u {service['unit']}, then run the play again.",
        "THOR-ANSWER-WRONG": "Look whether playbooks/plan.yml knows this combination as broken, and choose another "
        "version of the engine, another precision or another model.",
        "THOR-ANSWER-THINKING": "The profile's options_not_thinking do not work with this version of the engine: "
        "choose another, or report it.",
    }[code]
    variable = f"thor_services[{service['name']}]" + (".thinking" if code == "THOR-ANSWER-THINKING" else "")
    return Problem(code, variable, value, reason, remedy)
