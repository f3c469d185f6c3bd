"""What search engines and other sites are told of the built pages: run with `make test-pages`."""

import re
import xml.etree.ElementTree as ET
from collections import Counter

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from _ext.book_site import CARD_SIZE
from _ext.book_slim import POLICY
from tests.pages.conftest import ADDRESS, HTML
from tests.pages.test_pages import PAGES
from tools.check_book import BOOK, pages

SOUPS = {
    name: BeautifulSoup((HTML / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    for name in PAGES
}


def meta(name, key):
    found = SOUPS[name].select(f'meta[name="{key}"], meta[property="{key}"]')
    assert len(found) == 1, f"{name} has {len(found)} of {key}"
    return found[0]["content"]


def test_each_page_has_a_title_and_a_description_of_its_own():
    for texts in (
        [meta(name, "description") for name in PAGES],
        [s.title.text for s in SOUPS.values()],
    ):
        assert [text for text, count in Counter(texts).items() if count > 1] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_description_is_plain_text_of_a_good_length(name):
    text = meta(name, "description")
    assert 50 <= len(text) <= 160
    assert not re.search(r"[$\\\\{}<>`*]", text)


@pytest.mark.parametrize("name", pages(BOOK))
def test_a_page_names_its_own_public_address_and_a_picture(name):
    (canonical,) = SOUPS[name].select("link[rel=canonical]")
    assert canonical["href"] == meta(name, "og:url") == f"{ADDRESS}{name}.html"
    assert meta(name, "og:image") == f"{ADDRESS}_static/card.png"
    assert meta(name, "og:description") == meta(name, "description")
    assert meta(name, "og:title") and meta(name, "twitter:card") == "summary_large_image"


def test_the_card_is_there():
    with Image.open(HTML / "_static/card.png") as card:
        assert card.size == CARD_SIZE
    assert (HTML / "_static/card.png").stat().st_size < 300_000


def test_the_map_lists_the_pages_of_the_book_and_no_other():
    tree = ET.parse(HTML / "sitemap.xml")
    urls = [element.text for element in tree.iter() if element.tag.endswith("loc")]
    assert sorted(urls) == sorted(f"{ADDRESS}{name}.html" for name in pages(BOOK))
    assert f"Sitemap: {ADDRESS}sitemap.xml" in (HTML / "robots.txt").read_text(encoding="utf-8")
    assert meta("search", "robots") == meta("404", "robots") == "noindex"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_states_its_policy_and_has_nothing_inline(name):
    soup = SOUPS[name]
    (policy,) = soup.select('meta[http-equiv="Content-Security-Policy"]')
    assert policy["content"] == POLICY
    assert all(script.get("src") and not script.text for script in soup.find_all("script"))
    assert not soup.find("style") and not soup.find(style=True)
    assert not [tag for tag in soup.find_all(True) if any(a.startswith("on") for a in tag.attrs)]


def test_the_policy_allows_nothing_inline_and_no_other_host():
    assert "unsafe" not in POLICY and "http" not in POLICY and "*" not in POLICY
    assert POLICY.startswith("default-src 'none'")


def test_the_site_holds_no_more_than_its_pages_name():
    kinds = Counter(file.suffix for file in HTML.rglob("*") if file.is_file())
    assert not {".map", ".ttf", ".png.webp", ".py"} & set(kinds)
    texts = "".join(file.read_text(encoding="utf-8") for file in HTML.rglob("*.html"))
    for file in (HTML / "_images").iterdir():
        assert file.name in texts
