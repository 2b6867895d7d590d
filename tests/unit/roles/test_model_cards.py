# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Every command of NVIDIA's model cards can be said with a model and options, and its flags arrive as they were written."""

from __future__ import annotations

import json

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import option_names
from model_cards import CARDS, COMMANDS, KEYS, SOURCES, flags_of, resolved, said
from real_catalog import BUILT_IN, run


def is_same(written: str | None, arrived: str) -> bool:
    """Whether a value arrived: word for word, or as the same JSON."""
    if written is None or written == arrived:
        return True
    try:
        return bool(json.loads(written) == json.loads(arrived)) and written[:1] in "{["
    except ValueError:
        return False


def test_there_are_61_commands_and_what_their_cards_say_beside() -> None:
    ours = [(engine, card) for engine, card in COMMANDS if ", " not in card and card != "nemotron-nano-30b-a3b"]
    assert len(ours) == 61
    assert (
        len({card for _engine, card in ours}) == 51
    )  # the other cards of 57 have no command for these engines on a Thor


@pytest.mark.parametrize("with_keys", [True, False], ids=["keys", "options"])
@pytest.mark.parametrize("in_yaml", [True, False], ids=["yaml", "quoted"])
@pytest.mark.parametrize(("engine", "card"), COMMANDS, ids=[f"{engine}-{card}" for engine, card in COMMANDS])
def test_a_command_can_be_said_and_its_flags_arrive_as_written(
    engine: str, card: str, in_yaml: bool, with_keys: bool
) -> None:
    command = CARDS[engine][card]
    result = resolved(engine, command, in_yaml, with_keys)
    assert result.problems == []
    (service,) = result.services
    known, accepts = BUILT_IN.some_flags_of(engine), BUILT_IN.engines[engine].get("option_names") or ()
    options = [option_names.identity(word.partition("=")[0], known, accepts) for word in service.argv]
    for flag, value in flags_of(command):
        name = flag.lstrip("-")
        if name in SOURCES:
            continue
        if flag in service.replaced:
            assert service.replaced[flag] in " ".join(service.argv) and flag not in service.argv
            continue
        identity = option_names.identity(flag, known, accepts)
        assert options.count(identity) == 1, flag  # under whatever name
        if name not in KEYS or not with_keys:
            index = service.argv.index(flag)
            assert value is None or is_same(value, service.argv[index + 1]), (flag, service.argv[index + 1])
    if service.kind != "build" or "version" not in command:
        assert service.flags_checked or "image" in command


@pytest.mark.parametrize("spelling", ["--{}", "{_}", "--{_}"])
@pytest.mark.parametrize("engine", CARDS)
def test_names_arrive_as_they_were_spelled(engine: str, spelling: str) -> None:
    """With their dashes, and with underscores, which both parsers accept (option_names of engines.yml)."""
    for card, command in CARDS[engine].items():
        if "image" in command or "version" in command:
            continue
        _entry, model = said(engine, command, in_yaml=True)
        written = {flag: value for flag, value in flags_of(command) if flag.startswith("--")}
        names = {
            flag: spelling.replace("{_}", flag[2:].replace("-", "_")).replace("{}", flag[2:])
            for flag in written
            if flag[2:] not in (*SOURCES, "host")
        }
        options = {name: written[flag] or True for flag, name in names.items()}
        result = run(
            {"model": "mine", "engine": engine, "options": options},
            extra={"models": {"mine": model}},
            allow_unsafe_options=["trust-remote-code", "reasoning-parser-plugin"],
        )
        assert result.problems == [], card
        argv = result.services[0].argv
        for flag, name in names.items():
            word = f"--{name.removeprefix('--')}"
            if word in result.services[0].replaced:
                continue
            index = argv.index(word)
            assert written[flag] in (None, argv[index + 1]), (card, word)


def test_a_draft_that_is_named_in_the_command_needs_no_permission_where_the_engine_is_offline() -> None:
    card = CARDS["vllm"]["nemotron3-5-lightning"]
    today = resolved("vllm", {key: value for key, value in card.items() if key != "version"}, True, False)
    assert not today.problems and today.services[0].kind == "packages"


def test_only_one_command_has_a_flag_that_is_gone() -> None:
    replaced = {card: resolved(engine, CARDS[engine][card], True).services[0].replaced for engine, card in COMMANDS}
    assert {card: one for card, one in replaced.items() if one} == {
        "nemotron-3-super": {"--no-mmap": "--load-mode none"}
    }


@pytest.mark.parametrize("in_yaml", [True, False])
def test_keys_stand_for_what_the_cards_write_as_flags(in_yaml: bool) -> None:
    (service,) = resolved("llama.cpp", CARDS["llama.cpp"]["muse-glimmer-30b"], in_yaml).services
    assert (service.address, service.port) == ("0.0.0.0", 8080)
    assert service.argv[2] == "/models/meta-models/Muse-Glimmer-30B-GGUF/muse-glimmer-30B-kquant-17gb.gguf"
    (service,) = resolved("vllm", CARDS["vllm"]["nemotron3-5-lightning"], in_yaml).services
    assert service.served_name == "nemotron35"
    assert service.memory_gib == pytest.approx(0.7 * 122 + 6)
