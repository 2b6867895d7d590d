# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The lock of a Python environment: what it says, and what is refused when somebody has edited it by hand."""

from __future__ import annotations

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.environments.lock import Lock, LockError, Package, parse

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
TEXT = f"""\
# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
#
# Written by script/lock: change nothing here, run it again.
#   script/lock --packages 'Toy_Engine[audio]==1.0.0' --no-binary jieba
# requirement: Toy_Engine[audio]==1.0.0
# python: 3.12
# machine: aarch64
# glibc: 2.39
# packages: 3
# bytes: 123456
# source_only: jieba
# build: setuptools==84.2.1 --hash=sha256:{C}
jieba==0.42.1 --hash=sha256:{A}
torch==2.13.0+cpu --hash=sha256:{B}
toy-engine==1.0.0 --hash=sha256:{C}  # 120000
"""


def test_a_lock_says_what_is_installed_where() -> None:
    lock = parse(TEXT)
    assert lock == Lock(
        requirement="Toy_Engine[audio]==1.0.0",
        python="3.12",
        machine="aarch64",
        glibc="2.39",
        packages=(
            Package("jieba", "0.42.1", A),
            Package("torch", "2.13.0+cpu", B),
            Package("toy-engine", "1.0.0", C, 120000),
        ),
        bytes=123456,
        source_only=("jieba",),
        build=(Package("setuptools", "84.2.1", C),),
    )
    assert (lock.name, lock.version, lock.tag) == ("toy-engine", "1.0.0", "cp312-aarch64")
    assert lock.file_name == "toy-engine-1.0.0-cp312-aarch64.txt"
    assert lock.versions == {"jieba": "0.42.1", "torch": "2.13.0+cpu", "toy-engine": "1.0.0"}
    assert [one.line for one in lock.packages] == TEXT.splitlines()[-3:]


def test_nothing_is_built_unless_the_lock_says_so() -> None:
    lock = parse(TEXT.replace("# source_only: jieba\n", "").replace("# build:", "# built by"))
    assert (lock.source_only, lock.build) == ((), ())


SIZED = (
    TEXT.replace(f"{A}\n", f"{A}  # 3000\n")
    .replace(f"{B}\n", f"{B}  # 400\n")
    .replace(f"{C}\njieba", f"{C}  # 56\njieba")
)


def test_sizes_add_up_to_the_total() -> None:
    lock = parse(SIZED)
    assert [one.bytes for one in (*lock.packages, *lock.build)] == [3000, 400, 120000, 56]
    with pytest.raises(LockError, match="have 123456 bytes together, and its top says 123457"):
        parse(SIZED.replace("bytes: 123456", "bytes: 123457"))


def test_another_comment_or_size_makes_no_other_environment() -> None:
    lock = parse(SIZED)
    assert parse(f"# a new word\n{SIZED}\n\n").sha256 == lock.sha256
    assert parse(SIZED.replace("3000", "3001").replace("123456", "123457")).sha256 == lock.sha256
    assert parse(SIZED.replace(A, B)).sha256 != lock.sha256
    assert parse(SIZED.replace("84.2.1", "84.2.2")).sha256 != lock.sha256


TOY = f"toy-engine==1.0.0 --hash=sha256:{C}"


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("jieba==0.42.1", "jieba>=0.42.1", 14, "not pinned to one version"),
        ("jieba==0.42.1", "jieba==0.*", 14, "not pinned to one version"),
        ("jieba==0.42.1", "jieba", 14, "not pinned to one version"),
        (TOY, f"{TOY} ; python_version < '3.13'", 16, "not pinned to one version"),
        ("jieba==0.42.1", "Jieba==0.42.1", 14, "in lower case"),
        (f" --hash=sha256:{A}", "", 14, "has no hash"),
        (f"sha256:{A}", f"sha256:{A[:-1]}", 14, "invalid hash"),
        (f"sha256:{A}", f"sha256:{A[:-1]}g", 14, "invalid hash"),
        (f"sha256:{A}", f"sha512:{A}{A}", 14, "invalid hash"),
        (f"sha256:{A}", f"sha256:{A} --hash=sha256:{B}", 14, "more than one hash"),
        ("jieba==0.42.1", "jieba@http://127.0.0.1/jieba.whl", 14, "from an address"),
        ("jieba==0.42.1", "jieba @ http://127.0.0.1/jieba.whl", 14, "from an address"),
        ("jieba==0.42.1", "http://127.0.0.1/jieba.whl", 14, "from an address"),
        ("jieba==0.42.1 ", "-e ./jieba ", 14, "is an option"),
        ("jieba==0.42.1 ", "--index-url http://mirror.example/ ", 14, "is an option"),
        ("torch==2.13.0+cpu", "jieba==2.13.0+cpu", 15, "jieba is there twice"),
        ("  # 120000", "  # big", 16, "invalid size"),
        ("84.2.1", "", 13, "is not a package"),
        ("# build: setuptools==84.2.1", "# build: setuptools", 13, "not pinned"),
        ("# packages: 3", "# packages: 2", None, "it has 3 packages, and its top says 2"),
        ("# packages: 3", "# packages: some", 10, "'some' is not a valid value of packages"),
        ("# packages: 3", "# packages: 3\n# packages: 4", 11, "a second value of packages: 4"),
        ("# bytes: 123456", "# bytes: -1", 11, "not a valid value of bytes"),
        ("# bytes: 123456\n", "", None, "no line '# bytes: ...'"),
        ("# python: 3.12", "# python: 2.7", 7, "not a valid value of python"),
        ("# machine: aarch64", "# machine: riscv64", 8, "not a valid value of machine"),
        ("# glibc: 2.39", "# glibc: newest", 9, "not a valid value of glibc"),
        ("# requirement: Toy_Engine[audio]==1.0.0", "# requirement: toy-engine", 6, "not a valid value of requirement"),
        ("# requirement: Toy_Engine[audio]==1.0.0", "# requirement: toy-engine==1.0.1", None, "lack toy-engine==1.0.1"),
        ("# source_only: jieba", "# source_only: pyyaml", None, "names pyyaml"),
        ("# source_only: jieba\n", "", None, "names nothing to build"),
        ("# build:", "# built by", None, "what building them needs"),
    ],
)
def test_a_lock_that_was_edited_by_hand_is_refused(old: str, new: str, line: int | None, reason: str) -> None:
    assert old in TEXT
    with pytest.raises(LockError) as caught:
        parse(TEXT.replace(old, new))
    assert reason in str(caught.value)
    assert caught.value.line == line
    assert str(caught.value) == (caught.value.reason if line is None else f"line {line}: {caught.value.reason}")


@pytest.mark.parametrize("text", ["", "\0", "# requirement: a==1\n" * 2, "{}", "jieba", "\N{SNOWMAN}==1"])
def test_what_is_not_a_lock_at_all_is_refused(text: str) -> None:
    with pytest.raises(LockError):
        parse(text)


def test_long_lines_are_shown_shortened() -> None:
    with pytest.raises(LockError) as caught:
        parse("x" * 5000)
    assert len(str(caught.value)) < 200


def test_a_digest_shows_that_a_package_was_changed_by_hand() -> None:
    digest = parse(SIZED).sha256
    text = SIZED.replace("# bytes:", f"# digest: {digest}\n# bytes:")
    assert parse(text) == parse(SIZED)
    for before, after in [(A, "d" * 64), ("torch==2.13.0", "torch==2.13.1"), ("jieba", "jiebb"), ("84.2.1", "84.2.2")]:
        with pytest.raises(LockError, match="edited by hand"):
            parse(text.replace(before, after))
    with pytest.raises(LockError, match="line 11: 'abc' is not a valid value of digest"):
        parse(text.replace(digest, "abc"))
