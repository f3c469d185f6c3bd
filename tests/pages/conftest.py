"""A browser, a server for the built pages, and what one reader's visit to a page shows.

Needs Chromium: apt-get install chromium, or CHROMIUM=/path/to/it.
"""

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

HTML = Path(__file__).parents[2] / "_build" / "html"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def address():
    handler = functools.partial(QuietHandler, directory=HTML)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.exit("no Chromium found: apt-get install chromium, or set CHROMIUM=/path/to/it", 1)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


class Visit:
    """A page as one reader sees it, with what it asked for and complained about."""

    def __init__(self, browser, address, name, width=1280, scheme="light", **context):
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
        self.page.goto(f"{address}/{name}.html", wait_until="networkidle")


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
