# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""The report's page in a real Chromium: on a phone and a desktop, in dark mode and on paper. Screenshots are in tests/output."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import made_up_results as made_up
import pytest
from ansible_collections.jetson.thor.plugins.plugin_utils.report import page as report
from ansible_collections.jetson.thor.plugins.plugin_utils.report import results
from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

ROOT = Path(__file__).resolve().parents[2]

OUTPUT = ROOT / "tests/output"
PHONE, DESK = (390, 844), (1280, 900)
# A4 without the margins of the style sheet, in CSS pixels.
PAPER = (int((210 - 24) / 25.4 * 96), 1000)
EVIL = "<script>window.hacked = 1</script>\"'><img src=x onerror='window.hacked = 1'>" + "w" * 90
PAGES = ["few", "many", "one", "none", "evil"]


def documents(name: str) -> list[dict[str, Any]]:
    """The results of which a page is made."""
    profile = "qwen3-8b-fp4-vllm"
    if name == "evil":
        model = {"key": EVIL, "id": EVIL, "precision": EVIL, "active_bytes": 5e9}
        named = made_up.service(profile, 33.0, name=EVIL, profile=EVIL, version=EVIL, model=model)
        failed = made_up.service(profile, None, name="other", reason=EVIL)
        return [made_up.result(EVIL, [named, failed], device={"l4t": EVIL}, conditions={"power_mode": EVIL})]
    if name == "one":
        return [made_up.result("thor01", [made_up.service(profile, 33.0)])]
    return list(made_up.many({"few": 5, "many": 100, "none": 0}[name]))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The address of each page."""
    folder = tmp_path_factory.mktemp("pages")
    for name in PAGES:
        fleet = results.fleet(documents(name), made_up.REFERENCE, made_up.FLOOR)
        left_out = [EVIL] if name == "evil" else []
        text = report.page(
            *(fleet, made_up.REFERENCE, made_up.FLOOR),
            template=made_up.TEMPLATE,
            written="2026-05-04 11:30 CEST",
            left_out=left_out,
        )
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in PAGES}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A Chromium with a fresh profile that looks nothing up."""
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for word in (
        *("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"),
        *("disable-component-update", "disable-sync", "hide-scrollbars"),
        f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(f"--{word}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


def show(browser: Chrome, page: str, size: tuple[int, int], *, dark: bool = False, medium: str = "screen") -> None:
    """Open a page on a screen of this size, or as it is for paper."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": features})
    browser.get(page)


def widths(browser: Chrome) -> tuple[int, int]:
    """How wide the content is, and how much of it is visible."""
    script = "const root = document.documentElement; return [root.scrollWidth, root.clientWidth]"
    content, seen = browser.execute_script(script)
    return int(content), int(seen)


def screenshot(browser: Chrome, name: str) -> None:
    """The whole page as a picture; only the beginning if it is very long."""
    width, height = browser.execute_script("const e = document.documentElement; return [e.clientWidth, e.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": width, "height": min(height, 12000), "scale": 1}
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / f"report-{name}.png").write_bytes(base64.b64decode(taken["data"]))


@pytest.mark.parametrize("size", [(320, 640), PHONE, (768, 1024), DESK])
@pytest.mark.parametrize("name", PAGES)
def test_the_page_never_scrolls_sideways(
    browser: Chrome, pages: dict[str, str], name: str, size: tuple[int, int]
) -> None:
    show(browser, pages[name], size)
    content, seen = widths(browser)
    assert seen == size[0]
    assert content <= seen
    # Only tables are wider than the screen, and they scroll in place.
    script = """
        return [...document.querySelectorAll('main *')].filter(one =>
            !one.closest('.scroll') && !one.closest('svg') && one.getBoundingClientRect().right > innerWidth + 1
        ).map(one => one.outerHTML.slice(0, 200))
    """
    assert browser.execute_script(script) == []


def test_a_wide_table_can_be_scrolled_by_finger_and_by_key(browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages["few"], PHONE)
    script = """
        return [...document.querySelectorAll('.scroll')].map(one => {
            one.scrollLeft = 10000
            return [one.scrollWidth > one.clientWidth, one.scrollLeft > 0, one.tabIndex, one.getAttribute('aria-label')]
        })
    """
    found = browser.execute_script(script)
    assert any(wide for wide, *_ in found)
    for wide, scrolled, key, name in found:
        assert wide == scrolled and key == 0 and name


@pytest.mark.parametrize("size", [PHONE, DESK])
@pytest.mark.parametrize("name", ["few", "many", "evil"])
def test_charts_are_visible_and_their_text_is_legible(
    browser: Chrome, pages: dict[str, str], name: str, size: tuple[int, int]
) -> None:
    show(browser, pages[name], size)
    script = """
        return [...document.querySelectorAll('svg')].map(svg => {
            const box = svg.getBoundingClientRect()
            const scale = box.width / svg.viewBox.baseVal.width
            const texts = [...svg.querySelectorAll('text')].map(one => {
                const {left, right, top, bottom} = one.getBoundingClientRect()
                return {text: one.textContent, left, right, top, bottom, size: parseFloat(getComputedStyle(one).fontSize) * scale}
            })
            return {visible: svg.checkVisibility(), left: box.left, right: box.right, top: box.top, bottom: box.bottom, texts}
        })
    """
    charts = browser.execute_script(script)
    assert len(charts) == {"few": 10, "many": 6, "evil": 2}[name]
    for chart in charts:
        assert chart["visible"] and chart["right"] - chart["left"] > 250 and chart["bottom"] - chart["top"] > 30
        assert chart["right"] <= size[0]
        assert chart["texts"]
        for one in chart["texts"]:
            assert one["size"] >= 11, one
            assert one["left"] >= chart["left"] - 12 and one["right"] <= chart["right"] + 12, one
            assert one["top"] >= chart["top"] - 2 and one["bottom"] <= chart["bottom"] + 2, one
        assert [pair for pair in overlaps(chart["texts"]) if pair] == []


def overlaps(texts: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Pairs of words that overlap. Lines of text are higher than their letters, so they may touch."""
    for index, one in enumerate(texts):
        for two in texts[index + 1 :]:
            across = min(one["right"], two["right"]) - max(one["left"], two["left"])
            down = min(one["bottom"], two["bottom"]) - max(one["top"], two["top"])
            if across > 1 and down > 4:
                yield one["text"], two["text"]


def test_every_chart_has_an_accessible_name(browser: Chrome, pages: dict[str, str]) -> None:
    show(browser, pages["few"], DESK)
    browser.execute_cdp_cmd("Accessibility.enable", {})
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    images = [
        node for node in tree if node.get("role", {}).get("value") in ("image", "img") and not node.get("ignored")
    ]
    names = [node["name"]["value"] for node in images]
    assert len(names) == 10
    assert any("Speed of qwen3-8b-fp4-vllm by host" in name and "median" in name for name in names)
    assert any("Services of thor02" in name and "20.7 tok/s" in name for name in names)


CONTRASTS = """
    const channels = text => text.match(/[\\d.]+/g).map(Number)
    const light = text => {
        const [r, g, b] = channels(text).map(one => one / 255).map(one =>
            one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const ground = one => {
        for (; one; one = one.parentElement) {
            const colour = getComputedStyle(one).backgroundColor
            if (channels(colour)[3] !== 0) return colour
        }
        return 'rgb(255, 255, 255)'
    }
    const contrast = (one, two) => (Math.max(light(one), light(two)) + 0.05) / (Math.min(light(one), light(two)) + 0.05)
    const seen = []
    for (const one of document.querySelectorAll('body *')) {
        const own = [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())
        const style = getComputedStyle(one)
        if (one.closest('title, desc, style')) continue
        if (own) seen.push([one.tagName + ': ' + one.textContent.trim().slice(0, 40), 4.5,
            contrast(one.namespaceURI.includes('svg') ? style.fill : style.color, ground(one))])
        if (one.tagName === 'use') for (const colour of [style.fill, style.stroke])
            if (colour.startsWith('rgb(')) seen.push(['a mark', style.stroke === colour ? 3 : 1, contrast(colour, ground(one))])
    }
    return seen
"""


@pytest.mark.parametrize("dark", [False, True])
def test_everything_stands_out_from_its_background(browser: Chrome, pages: dict[str, str], dark: bool) -> None:
    show(browser, pages["few"], PHONE, dark=dark)
    found = browser.execute_script(CONTRASTS)
    assert len(found) > 300
    assert [one for one in found if one[2] < one[1]] == []


def test_dark_mode_is_dark_and_paper_is_white(browser: Chrome, pages: dict[str, str]) -> None:
    script = """
        const root = getComputedStyle(document.documentElement), body = getComputedStyle(document.body)
        const marks = ['accent', 'slow', 'outlier', 'failed', 'bound'].map(name => root.getPropertyValue('--' + name))
        const words = getComputedStyle(document.querySelector('svg text'))
        return [body.backgroundColor, body.color, words.fill, root.colorScheme, marks.join()]
    """
    seen = {}
    for name, dark, medium in (("light", False, "screen"), ("dark", True, "screen"), ("paper", True, "print")):
        show(browser, pages["few"], PAPER if medium == "print" else PHONE, dark=dark, medium=medium)
        seen[name] = browser.execute_script(script)
    assert seen["light"][0] == seen["paper"][0] == "rgb(255, 255, 255)"
    assert seen["paper"][1] == "rgb(0, 0, 0)"
    assert seen["dark"][0] == "rgb(18, 22, 27)"
    assert [seen[name][3] for name in ("light", "dark", "paper")] == ["light", "dark", "light"]
    assert seen["light"][4] == seen["paper"][4] != seen["dark"][4]
    assert len({colours[2] for colours in seen.values()}) == 3, "the charts follow"


def logged(browser: Chrome, kind: str) -> list[dict[str, Any]]:
    """New lines of a log since it was last read."""
    entries: list[dict[str, Any]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


@pytest.mark.parametrize("name", PAGES)
def test_the_page_fetches_nothing_and_runs_nothing(browser: Chrome, pages: dict[str, str], name: str) -> None:
    logged(browser, "browser"), logged(browser, "performance")  # what was before
    show(browser, pages[name], DESK)
    assert browser.execute_script("return [document.scripts.length, typeof window.hacked]") == [0, "undefined"]
    assert [entry for entry in logged(browser, "browser") if entry["level"] != "DEBUG"] == []
    events = [json.loads(entry["message"])["message"] for entry in logged(browser, "performance")]
    asked = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    assert {url for url in asked if not url.startswith("data:")} == {pages[name]}


@pytest.mark.parametrize("name", PAGES)
def test_everything_fits_on_paper(browser: Chrome, pages: dict[str, str], name: str) -> None:
    show(browser, pages[name], PAPER, medium="print")
    content, seen = widths(browser)
    assert content <= seen
    script = """
        return [...document.querySelectorAll('table, figure, svg')].filter(one => {
            const box = one.getBoundingClientRect()
            const whole = one.tagName === 'TABLE' || getComputedStyle(one.closest('figure')).breakInside === 'avoid'
            return box.right > innerWidth + 1 || !whole
        }).map(one => one.outerHTML.slice(0, 200))
    """
    assert browser.execute_script(script) == []
    assert browser.execute_script(
        "return [...document.querySelectorAll('.scroll')].every(one => getComputedStyle(one).overflow === 'visible')"
    )
    sheet = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": True}
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", sheet)["data"])
    assert printed.startswith(b"%PDF-")
    sheets = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert sheets >= {"few": 5, "many": 20}.get(name, 1)


def test_screenshots_to_look_at(browser: Chrome, pages: dict[str, str]) -> None:
    for name, page, size, dark in (
        ("phone-light", "few", PHONE, False),
        ("phone-dark", "few", PHONE, True),
        ("desktop", "few", DESK, False),
        ("desktop-100-hosts", "many", DESK, False),
        ("phone-100-hosts", "many", PHONE, False),
    ):
        show(browser, pages[page], size, dark=dark)
        screenshot(browser, name)
        assert (OUTPUT / f"report-{name}.png").stat().st_size > 50_000
