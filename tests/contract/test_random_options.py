# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Random options, as the collection renders them, through the engines' real parsers: each arrives as intended, and no text
becomes an option of its own."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.service import Service
from contract_helper import REAL, REAL_PARSER, arguments_of, run, versions
from hypothesis import assume, given
from random_inventories import plausible_services, resolved


@pytest.mark.parametrize("name", sorted(REAL))
def test_what_is_rendered_is_what_the_real_parser_reads(name: str) -> None:
    engine, version = REAL[name]["engine"], versions(REAL[name])[-1]
    services: list[tuple[dict[str, Any], dict[str, Any]]] = []

    @given(plausible_services((engine,), most=1, version=version))
    def collect(inputs: dict[str, Any]) -> None:
        resolution = resolved(inputs)
        assume(not resolution.problems)
        services.append((inputs["profiles"][0]["options"], resolution.facts[0]))

    collect()
    argvs = [arguments_of(service) for _options, service in services]
    answer = run(REAL[name]["package"], REAL_PARSER, "parse", engine, text=json.dumps(argvs))
    compared = 0
    for (chosen, service), said in zip(services, answer["answers"], strict=True):
        values = said["values"]
        if said["error"] is not None:
            # A parser may object to the meaning of a value, but it always knows which word is an option and which is its value.
            structure = re.search(
                "unrecognized|expected (one|at least one) argument|ambiguous|required|index", said["error"]
            )
            assert not structure, (said["error"], service["argv"])
            continue
        # Where the engine itself listens: behind its door, if it starts on demand.
        known = Service.from_facts(service)
        assert (values["host"], values["port"]) == (known.engine_address, known.engine_port)
        for key, value in chosen.items():
            flag = REAL[name]["options"][f"--{key}"]
            read = values.get(key.replace("-", "_"))
            if isinstance(value, str) and isinstance(read, str):
                assert read == value, (key, service["argv"])
                compared += 1
            elif isinstance(value, dict) and isinstance(read, dict) and flag.get("kind") == "json":
                # Mappings are merged key by key: what the profile says beside it stays.
                assert {name for name, one in value.items() if one is not None} <= set(read), (key, service["argv"])
                compared += 1
            elif isinstance(value, int | float) and isinstance(read, int | float) and flag.get("takes") != "none":
                assert read == pytest.approx(value), (key, service["argv"])
                compared += 1
    assert compared > len(services) / 3, "too little was compared"
