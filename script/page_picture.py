# Copyright: (c) 2026, jetson.thor contributors
# SPDX-License-Identifier: Apache-2.0
"""A picture of the top of a page, by Chromium (Debian: chromium, chromium-driver)."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service


def photograph(page: Path, size: tuple[int, int], scheme: str) -> bytes:
    """Return a PNG of a file on a screen of this size (CSS pixels), in the colour scheme ``light`` or ``dark``."""
    options = Options()
    options.binary_location = "/usr/bin/chromium"
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        for word in (
            "headless=new",
            "no-sandbox",
            "disable-gpu",
            "no-first-run",
            "hide-scrollbars",
            f"user-data-dir={profile}",
        ):
            options.add_argument(f"--{word}")
        browser = Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        try:
            width, height = size
            screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": features})
            browser.get(page.resolve().as_uri())
            taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
            return base64.b64decode(taken["data"])
        finally:
            browser.quit()
