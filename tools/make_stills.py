"""Takes a picture of each interactive part, for paper and for readers without JavaScript.

    make book && python -m tools.make_stills

Each part is opened on its built page, with something on it, as a reader would see it, and
photographed into _static/live/PART.webp; the build puts it behind the part (_ext/book_stills.py).
Take them again when a part looks different. Needs Chromium and Playwright, as `make test-pages`.
"""

import functools
import http.server
import io
import threading
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from mnist_tutorial.data import write_whole
from tools.print_book import find_chromium

ROOT = Path(__file__).parents[1]
WIDTH = 800  # of the window, in pixels: the parts stand below each other, as on a page of paper
DRAWN = ("draw", "averages", "way", "train")  # the parts that start with blank paper: they get a 4
STROKES = [[(38, 15), (28, 52), (72, 52)], [(62, 30), (58, 88)]]  # in percent of the paper


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the book without a word."""

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def take(page: Page, name: str) -> Image.Image:
    """Brings the part of the open page to life and photographs it."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    page.locator(".bd-header-article").evaluate_all("(bars) => bars.forEach((bar) => bar.remove())")
    part = page.locator(f"[data-live={name}]").first
    part.scroll_into_view_if_needed()
    page.locator(f"[data-live={name}].live-ready").first.wait_for()
    page.wait_for_timeout(2000)  # what it loads, and the first frames
    if name == "train":
        part.get_by_role("button", name="Train", exact=True).click()
        expect(part.get_by_role("button", name="Stop")).to_be_disabled(timeout=120_000)
    if name in DRAWN:
        box = part.locator(".live-paper").bounding_box()
        assert box
        for stroke in STROKES:
            places = [
                (box["x"] + x * box["width"] / 100, box["y"] + y * box["height"] / 100)
                for x, y in stroke
            ]
            page.mouse.move(*places[0])
            page.mouse.down()
            for place in places[1:]:
                page.mouse.move(*place, steps=5)
            page.mouse.up()
        page.mouse.move(0, 0)
        page.wait_for_timeout(500)
    part.evaluate("(part) => (part.style.minHeight = 0)")  # no room for what may still come
    return Image.open(io.BytesIO(part.screenshot()))


def main() -> None:
    """Runs from the command line."""
    handler = functools.partial(Quiet, directory=ROOT / "_build/html")
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox"]
        ) as browser,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page(viewport={"width": WIDTH, "height": 1600}, color_scheme="light")
        done: set[str] = set()
        for path in sorted(ROOT.glob("_build/html/chapters/*.html")):
            page.goto(f"http://127.0.0.1:{server.server_port}/chapters/{path.name}")
            parts = page.locator("[data-live]:not(form)").evaluate_all(
                "(parts) => parts.map((part) => part.dataset.live)"
            )
            for name in parts:
                if name in done:
                    continue
                content = io.BytesIO()
                take(page, name).convert("RGB").save(content, "WEBP", quality=80, method=6)
                write_whole(ROOT / f"_static/live/{name}.webp", content.getvalue())
                print(f"{name}: {len(content.getvalue()) / 1000:.0f} kB", flush=True)
                done.add(name)
        server.shutdown()


if __name__ == "__main__":
    main()
