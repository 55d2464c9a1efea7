"""A real Chromium, driven by Playwright: the host's own, installed by its package manager where we may.

Playwright's packages bring a driver and no browser.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ANSWER_MILLISECONDS = 300_000
"""How long a page may take to show what is awaited: far too long."""
FLAGS = ("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--disable-dev-shm-usage")
"""Pages reach the loopback and nothing else; a container's shared memory may be small."""
SIZE = ViewportSize(width=1440, height=1000)


@dataclass(slots=True)
class Pictures:
    """Screenshots of a page, numbered in the order they were taken, in `folder`."""

    page: Page
    folder: Path
    taken: list[Path] = field(default_factory=list)

    def take(self, name: str) -> None:
        picture = self.folder / f"{len(self.taken) + 1:02}-{name}.png"
        self.page.screenshot(path=picture)
        self.taken.append(picture)


def find_chromium() -> str:
    """Exits with what is missing where it may not install it itself."""
    for program in PROGRAMS:
        if found := shutil.which(program):
            return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit("chromium is missing; install it with this system's tools")
    settings = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (("update",), ("install", "--yes", "--no-install-recommends", "chromium")):
        subprocess.run(["apt-get", "--quiet", *command], check=True, stdout=sys.stderr, env=settings)
    return find_chromium()


@contextmanager
def open_page(folder: Path) -> Iterator[Pictures]:
    """An empty page, and where its pictures go."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        program = find_chromium()
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS], chromium_sandbox=os.geteuid() != 0)
        page = browser.new_page(viewport=SIZE, locale="en-GB", timezone_id="UTC")
        page.set_default_timeout(ANSWER_MILLISECONDS)
        expect.set_options(timeout=ANSWER_MILLISECONDS)
        yield Pictures(page, folder)
        browser.close()
