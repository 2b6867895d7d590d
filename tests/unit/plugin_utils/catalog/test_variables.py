# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""Variables that nothing reads are refused, with the name that was probably meant."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog import files
from ansible_collections.jetson.thor.plugins.plugin_utils.catalog.variables import FACTS, KNOWN, RENAMED, unknown


def refused(*names: str) -> dict[str, str]:
    """The names that are refused, each with the way out."""
    return {problem.variable: problem.remedy for problem in files.unknown_variables(names).problems}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("thor_profile", "thor_profiles"),
        ("thor_adress", "thor_address"),
        ("thor-profiles", "thor_profiles"),
        ("THOR_PROFILES", "thor_profiles"),
        ("thor_engine_version", "thor_engine_versions"),
        ("serving_requre_gpu", "serving_require_gpu"),
        ("power_mod", "power_mode"),
        ("bench_resultz", "bench_results"),
    ],
)
def test_a_mistyped_variable_is_refused_with_the_nearest_name(written: str, meant: str) -> None:
    assert refused(written) == {written: f"Did you mean {meant!r}?"}


def test_an_unknown_name_of_the_collection_is_refused_with_the_known_ones() -> None:
    assert refused("thor_zzzzzzzz")["thor_zzzzzzzz"].startswith("Known: thor_address, ")


def test_other_variables_of_users_are_ignored() -> None:
    own = (
        "power_plant",
        "bench_press_room",
        "serving_hatch",
        "verify_tls",
        "thorax",
        "author_profiles",
        "my_thor_note",
    )
    assert refused(*own) == {}


def test_known_variables_and_facts_of_the_modules_are_not_refused() -> None:
    assert refused(*KNOWN, *FACTS, *files.role_variables()) == {}
    assert "serving_require_gpu" in files.role_variables()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("catalog_memory_reserve_gib", "preflight_memory_reserve_gib"),
        ("catalog_plan_file", "preflight_plan_file"),
        ("engine_image_collect", "engine_image_prune"),
        ("engine_image_extend", "engine_image_derive"),
        ("model_store_rehash", "model_store_verify_checksums"),
        ("preflight_container_runtime", "container_runtime_toolkit_version, container_runtime_daemon_options"),
        ("preflight_cuda", "llama_cpp_cuda, whisper_cpp_cuda"),
        ("preflight_install_programs", "whisper_cpp_install_ffmpeg"),
    ],
)
def test_a_renamed_or_removed_variable_is_refused_with_its_successors(old: str, new: str) -> None:
    assert refused(old) == {old: f"Set {new} instead."}


@pytest.mark.parametrize("name", ["thor_allow_unbounded_memory", "catalog_allow_unbounded_memory"])
def test_a_variable_that_is_gone_is_refused_without_a_successor(name: str) -> None:
    assert refused(name)[name].endswith("so nothing has to be allowed. Remove it.")


def test_successors_of_removed_variables_are_variables_of_roles() -> None:
    assert not RENAMED.keys() & files.role_variables()
    assert set().union(*RENAMED.values()) <= files.role_variables() | set(KNOWN)


def test_three_edits_from_a_role_variable_make_an_independent_name() -> None:
    near = {
        name: bool(unknown([name], {"power_mode"}, {"power"}).problems)
        for name in ("power_mo", "power_m", "power_xyde")
    }
    assert near == {"power_mo": True, "power_m": False, "power_xyde": True}
