"""A browser, a server for the built pages, and what one reader's visit to a page shows.

The server sends the strict Content-Security-Policy that the pages state themselves: whatever a
page does against it is an error on the browser's console, and a problem of the visit.

Needs Chromium: apt-get install chromium, or CHROMIUM=/path/to/it. Where there is Debian's
chromium-headless-shell, it takes that, which needs half the time.
"""

import functools
import http.server
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from _ext.book_site import site_address
from _ext.book_slim import POLICY
from tests.repository import address as repository
from tools.print_book import find_chromium

HTML = Path(__file__).parents[2] / "_build" / "html"
ADDRESS = site_address(repository())
PREFIX = urlsplit(ADDRESS).path  # where the public host serves the pages

expect.set_options(timeout=20_000)  # a page on a busy machine takes its time


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the book as its public host does, or at the root."""

    def translate_path(self, path):
        return super().translate_path("/" + path.removeprefix(PREFIX).removeprefix("/"))

    def send_error(self, code, *_, **__):
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write((HTML / "404.html").read_bytes())

    def end_headers(self):
        self.send_header("Content-Security-Policy", f"{POLICY}; frame-ancestors 'none'")
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def address():
    handler = functools.partial(Handler, directory=HTML)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    try:
        path = find_chromium()
    except FileNotFoundError as error:
        pytest.exit(str(error), 1)
    args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=path, args=args) as browser,
    ):
        yield browser


class Visit:
    """A page as one reader sees it, with what it asked for and complained about.

    A `body` makes a page of the same host that the book doesn't have, and without a policy, as a
    notebook's is.
    """

    def __init__(self, browser, address, name, width=1280, scheme="light", body=None, **context):
        self.address = address
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **context
        )
        self.page = self.context.new_page()
        self.requests, self.problems = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("requestfailed", lambda request: self.problems.append(request.url))
        self.page.on(
            "response",
            lambda r: self.problems.append(f"{r.status} {r.url}") if r.status > 399 else 0,
        )
        self.page.on(
            "console",
            lambda m: self.problems.append(m.text) if m.type in ("error", "warning") else 0,
        )
        if body is not None:
            self.page.route(
                f"**/{name}.html", lambda route: route.fulfill(body=body, content_type="text/html")
            )
        self.page.goto(f"{address}/{name}.html", wait_until="networkidle")

    def until(self, expression, seconds=30):
        """Waits until an expression holds; the page's policy forbids Playwright's own way."""
        self.page.evaluate(
            f"""() => new Promise((resolve, reject) => {{
              const look = () => ({expression}) ? resolve() : requestAnimationFrame(look);
              setTimeout(() => reject(Error("{seconds} seconds have passed")), {1000 * seconds});
              look();
            }})"""
        )


@pytest.fixture
def visit(browser, address):
    """Opens a page: `visit(name, width, scheme)`; all are closed after the test."""
    visits = []

    def open_page(*arguments, **options):
        visits.append(Visit(browser, address, *arguments, **options))
        return visits[-1]

    yield open_page
    for one in visits:
        one.context.close()
