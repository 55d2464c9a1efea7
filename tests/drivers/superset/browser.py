"""A real Chromium, driven by Playwright: the host's own.

Playwright's packages bring a driver and no browser.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from deploy.guest.host import install

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ANSWER_MILLISECONDS = 120_000
"""How long a page may take to show what is awaited: far too long."""
FLAGS = ("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--disable-dev-shm-usage")
"""Pages reach the loopback and nothing else; a container's shared memory may be small."""
LOOKS = 30
SIZE = ViewportSize(width=1440, height=1000)


@dataclass(slots=True)
class Pictures:
    """Screenshots of a page, numbered in the order they were taken, in `folder`."""

    page: Page
    folder: Path
    taken: list[Path] = field(default_factory=list)

    def take(self, name: str) -> None:
        """Of the page at rest, which is when two pictures in a row are alike; the last of many if it never rests."""
        for before, look in pairwise(self.page.screenshot(animations="disabled") for _ in range(LOOKS)):
            if look == before:
                break
        picture = self.folder / f"{len(self.taken) + 1:02}-{name}.png"
        picture.write_bytes(look)
        self.taken.append(picture)


def find_chromium() -> str:
    """Its program, from the system's packages where there is none yet."""
    if not any(map(shutil.which, PROGRAMS)):
        install(["chromium"])
    return next(filter(None, map(shutil.which, PROGRAMS)))


@contextmanager
def open_page(folder: Path) -> Iterator[Pictures]:
    """An empty page, and where its pictures go."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        chromium = stack.enter_context(sync_playwright()).chromium
        sandboxed = os.geteuid() != 0
        started = chromium.launch(executable_path=find_chromium(), args=FLAGS, chromium_sandbox=sandboxed)
        page = stack.enter_context(started).new_page(viewport=SIZE, locale="en-GB", timezone_id="UTC")
        page.set_default_timeout(ANSWER_MILLISECONDS)
        expect.set_options(timeout=ANSWER_MILLISECONDS)
        yield Pictures(page, folder)
