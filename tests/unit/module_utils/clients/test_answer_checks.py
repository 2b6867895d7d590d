# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the text of an answer, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.jetson.thor.plugins.module_utils.clients import answer_checks, api, chat, transcription


def answer(finish: Any = "stop", **message: Any) -> api.Answer:
    document = {
        "model": "qwen3",
        "usage": {"prompt_tokens": 11, "completion_tokens": 7},
        "choices": [{"finish_reason": finish, "message": {"role": "assistant", **message}}],
    }
    return chat.parse(json.dumps(document).encode(), 1.0)


@pytest.mark.parametrize(
    ("message", "thinks"),
    [
        ({"content": "Hello."}, False),
        ({"content": "Hello.", "reasoning_content": ""}, False),
        ({"content": "<think>\n\n</think>\n\nHello."}, False),
        ({"content": "Hello.", "reasoning_content": "Hm."}, True),
        ({"content": "Hello.", "reasoning": "Hm."}, True),
        ({"content": "<think>Hm.</think>Hello."}, True),
        ({"content": "Hm.</think>Hello."}, True),
    ],
)
def test_thinking_is_detected(message: dict[str, str], thinks: bool) -> None:
    assert (answer_checks.thinking(answer(**message)) is not None) == thinks


@pytest.mark.parametrize(
    ("text", "wrong"), [("Hello!", False), ("", True), (" \n", True), ("!" * 64, True), ("!", False)]
)
def test_empty_answers_and_garbage_are_detected(text: str, wrong: bool) -> None:
    assert (answer_checks.wrong_text(answer(content=text)) is not None) == wrong


# What SGLang with broken kernels has answered.
GARBAGE = {
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "<think>也有所创>顿in\n\n\ufffd\ufffdA 3出现在性\n的\n\n\ufffd\ufffdA 3出现在性",
                "reasoning_content": None,
                "tool_calls": None,
            },
            "finish_reason": "length",
            "matched_stop": None,
        }
    ],
    "model": "glm-5",
    "usage": {"prompt_tokens": 42, "total_tokens": 92, "completion_tokens": 50},
}


def test_answers_of_broken_kernels_are_detected() -> None:
    seen = chat.parse(json.dumps(GARBAGE).encode(), 1.0)
    assert "garbage" in (answer_checks.wrong_text(seen) or "")
    assert "thought and did not answer" in (answer_checks.unfinished(seen) or "")


@pytest.mark.parametrize(
    ("message", "finish", "wrong"),
    [
        ({"content": "Hello \ufffd there."}, "stop", True),
        ({"content": "Hello.\ufffd"}, "stop", True),
        ({"content": "Hello.", "reasoning_content": "\ufffd\ufffd\ufffdHm"}, "stop", True),
        ({"content": "Hello \ud83d"}, "stop", True),
        ({"content": "Hello\x00\x01"}, "stop", True),
        ({"content": "\x1b]0;title\x07"}, "stop", True),
        ({"content": "Hello " + "\ufffd" * 4}, "length", True),
        ({"content": "He\ufffdlo"}, "length", True),
        # Not these: a character that the limit of tokens has cut, and characters that are unusual.
        ({"content": "Hello \ufffd"}, "length", False),
        ({"content": "", "reasoning_content": "Hm \ufffd\ufffd\ufffd"}, "length", False),
        ({"content": "Hello 👋🏽 👨‍👩‍👧 ñ 你好 \u200b\tthere\r\n"}, "stop", False),
        ({"content": "Hi"}, "stop", False),
        ({"content": "?"}, "stop", False),
    ],
)
def test_characters_that_are_not_text_are_detected(message: dict[str, str], finish: str, wrong: bool) -> None:
    assert (answer_checks.wrong_text(answer(finish, **message)) is not None) == wrong


@pytest.mark.parametrize("reason", ["abort", "error", "repetition", "eos", "", None, ["stop"], {"type": "stop"}, True])
def test_an_unusual_finish_reason_is_detected(reason: Any) -> None:
    assert "did not finish" in (answer_checks.wrong_text(answer(reason, content="Hello there.")) or "")


@pytest.mark.parametrize(
    "text",
    [
        "! ! ! ! ! !",
        "?" * 40,
        "." * 16,
        "-\n" * 8,
        "0" * 8,
        "<think>Hm.</think>" + "!" * 8,
        "Hello\x85there",
        "\x9b31mHello",
        "Hello \ue000",
        "Hello \uf8ff",
        "Hello \ufdd0",
        "Hello \uffff",
        "Hello \U0010fffd",
        "Hello there.<|endoftext|>",
        "Hello.<|im_end|>\n<|im_start|>user\nHi",
        "<|eot_id|>",
        "Hello.<\uff5cend\u2581of\u2581sentence\uff5c>",
        "Hello.<end_of_turn>",
        "[PAD]",
        "Hello [PAD151935]",
        "Hello <unk> there",
        "<unused7><0xE2><0x96>",
        "[INST] Hi [/INST]",
    ],
)
def test_more_garbage_is_detected(text: str) -> None:
    assert answer_checks.wrong_text(answer(content=text)) is not None


def test_garbage_beside_a_thought_is_detected() -> None:
    assert answer_checks.wrong_text(answer(content="!" * 8, reasoning_content="Hm."))
    assert answer_checks.wrong_text(answer(content="Hello.", reasoning_content="?" * 8))


@pytest.mark.parametrize(
    "text",
    [
        "Hello there!!!",
        "...",
        "42",
        "1000000000",
        "\U0001f44b\U0001f3fd \u2764\ufe0f \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \U0001f44d\U0001f44d\U0001f44d",
        "你好\uff0c很高兴见到你。",
        "こんにちは。お元気ですか\uff1f",
        "안녕하세요!",
        "Привет! Как дела?",
        "مرحبا، كيف حالك؟",
        "שלום עולם",
        "नमस्ते, आप कैसे हैं?",
        "สวัสดีครับ",
        "¿Qué tal? ¡Hola! Ça va; naïve œuvre, Straße 10 € £5 ½ © ™",
        "ああああああああ",
        "```python\nprint('Hello')  # <b>bold</b> <s>old</s> <mask> a[0] x |> f <|> g <| h |> i <|x|>\n```",
        "```c\n#include <stdio.h>\nstd::vector<int> v; if (a<b||c>d) { a[PADDING]; }\n```",
        "# Title\n\n---\n\n* **bold** [link](http://x) ~~no~~\n\n| a | b |\n|:-:|---|\n| 1 | 2 |",
        'The token `<|endoftext|>` ends a text, and "<|im_start|>user" begins a turn; `[PAD]` fills.',
        "- [ ] to do\n- [x] done\n[NAME], [1], <your name>, <unknown>",
        "$\\langle x | y \\rangle \\in \\mathbb{R}$ ∑ ∫ √2 ≠ π ┌─┐ ♪ ⠓⠑⠇⠇⠕",
        "<think>Hm.</think>Hello there.",
    ],
)
def test_ordinary_answers_pass(text: str) -> None:
    assert answer_checks.wrong_text(answer(content=text)) is None
    assert answer_checks.wrong_text(answer("length", content=text)) is None


@pytest.mark.parametrize("text", ["........", "♪ ♪ ♪ ♪ ♪", "[BLANK_AUDIO]", "[MUSIC]", "And so, my fellow Americans."])
def test_a_transcription_needs_no_finish_reason_and_may_be_notes(text: str) -> None:
    assert answer_checks.wrong_text(transcription.parse(json.dumps({"text": text}).encode(), 1.0)) is None


def test_garbage_in_a_transcription_is_detected() -> None:
    assert answer_checks.wrong_text(transcription.parse(b'{"text": "Hello \xef\xbf\xbd there"}', 1.0))
    assert answer_checks.wrong_text(transcription.parse(b'{"text": "Hello there"}', 1.0)) is None


@pytest.mark.parametrize(
    ("message", "finish", "words"),
    [
        ({"content": "<think>Hm, the user"}, "length", "did not answer"),
        ({"content": "<think>Hm, the user"}, "stop", "did not answer"),
        ({"content": "<think>Hm.</think>\n\n"}, "stop", "did not answer"),
        ({"content": "Hm.</think>"}, "stop", "did not answer"),
        ({"content": "", "reasoning_content": "Hm, the user"}, "length", "did not answer"),
        ({"content": None, "reasoning": "Hm, the user"}, "stop", "did not answer"),
        ({"content": "Okay, the user wants me to say hello. Let me"}, "length", "no end"),
        ({"content": "Hello. Hello and welcome. In this article"}, "length", "no end"),
        ({"content": "<think>Hm.</think>Hello. In this"}, "length", "no end"),
        ({"content": "<think>Hm.</think>Hello."}, "stop", None),
        ({"content": "<think>\n\n</think>\n\nHello."}, "stop", None),
        ({"content": "Hm.</think>Hello."}, "stop", None),
        ({"content": "Hello.", "reasoning_content": "Hm."}, "stop", None),
        ({"content": "Hi"}, "stop", None),
    ],
)
def test_an_unfinished_answer_is_detected(message: dict[str, Any], finish: str, words: str | None) -> None:
    told = answer_checks.unfinished(answer(finish, **message))
    assert (words in told) if told and words else told == words


def test_a_truncated_thought_without_a_tag_is_detected() -> None:
    for text in (
        "Okay, the user wants a greeting.",
        "\nHmm, so the user",
        "Let me think",
        "嗯 用户想要",
        "We need to say hello",
    ):
        assert answer_checks.thinking(answer("length", content=text)), text
        assert answer_checks.thinking(answer("stop", content=text)) is None, "an answer may say that"
    assert answer_checks.thinking(answer("length", content="Hello there, dear user of mine")) is None


@pytest.mark.parametrize(
    "text",
    [
        "the cat the cat the cat the cat the cat the cat the cat the cat ",
        "It is what it is!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
        "First a sentence. Yes.\nYes.\nYes.\nYes.\nYes.\nYes.\nYes.\nYes.\nYes.\nYes.\nYes.\n",
    ],
)
def test_repetition_is_detected(text: str) -> None:
    assert "repeats itself" in (answer_checks.wrong_text(answer(content=text)) or "")


@pytest.mark.parametrize(
    "text",
    [
        "No, no, no, no, no, no!",
        "1. one\n2. two\n3. three\n4. four\n5. five\n6. six\n7. seven\n8. eight\n9. nine\n10. ten",
        "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |",
        "The quick brown fox jumps over the lazy dog. " * 4,
    ],
)
def test_lists_tables_and_emphasis_do_not_count_as_repetition(text: str) -> None:
    assert answer_checks.wrong_text(answer(content=text)) is None


def test_a_model_that_must_think_and_does_not() -> None:
    assert answer_checks.unthinking(answer(content="Hello.", reasoning_content="A greeting.")) is None
    assert answer_checks.unthinking(answer(content="<think>A greeting.</think>Hello.")) is None
    for empty in ("Hello.", "<think>\n\n</think>\n\nHello."):
        assert "carries no reasoning" in str(answer_checks.unthinking(answer(content=empty)))
