"""Sphinx extension: pages that weigh little and obey a strict Content-Security-Policy.

The theme brings style, icons and scripts for every site that could be made with it. Once the pages
are written, this takes from them what these pages use: one style sheet with the rules that can
apply, fonts with the icons that are shown, figures compressed without loss and with their sizes,
and the book's own two scripts in place of the theme's.

It is there for two requirements, and `make lighthouse` and `make test-pages` hold it to them: 100
of 100 in Lighthouse on a phone, and a Content-Security-Policy without `unsafe-inline`. PurgeCSS,
the library of this job, needs Node, which building the book doesn't, and keeps variables and fonts
that no rule reads; tinycss2 parses and fontTools makes the small fonts.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tinycss2
from bs4 import BeautifulSoup, Tag
from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

# What a page may load, and from where: only from the book itself. A page that is served without
# the header states it itself; `frame-ancestors` would only count in a header.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'"
)
OWN = "_static/site"
SHEET = f"{OWN}/style.css"
OWN_SHEETS = ("book.css", "live.css")  # kept whole
# The search page's own scripts, in their order; all others are the theme's.
SEARCH = ("documentation_options", "doctools", "sphinx_highlight", "searchtools", "language_data")
# Empty boxes that the theme's scripts would fill or show.
UNUSED = (
    "#pst-back-to-top, #pst-scroll-pixel-helper, .sbt-scroll-pixel-helper, "
    ".pst-async-banner-revealer, .sidebar-primary-items__end, #searchbox, head noscript, "
    "#jb-print-docs-body, .bd-search-container noscript + *:empty, "
    # Sphinx numbers figures through all pages without a chapter's number: a page began at Fig. 8.
    ".caption-number"
)
WHOLE = "mnist-for-beginners.html"  # the book in one file
FOOT = '<div class="footer-item"><p>The whole book: <a href="{}" download>one file</a></p></div>'
WORD = re.compile(r"[A-Za-z_][\w-]*")
URL = re.compile(r"""url\(\s*["']?(?!data:|#|\w+:)([^"')?#]+)[^"')]*["']?\s*\)""")
ICON = re.compile("[\ue000-\uf8ff]")


class Rule:
    """A style rule, or an at-rule with rules inside."""

    def __init__(self, prelude: str, parts: "list[Rule | tuple[str, str]] | None", text: str = ""):
        self.prelude, self.parts, self.text = prelude, parts, text

    def __str__(self) -> str:
        if self.parts is None:
            return self.text
        inner = "".join(
            str(part) if isinstance(part, Rule) else f"{part[0]}:{part[1]};" for part in self.parts
        )
        return f"{self.prelude}{{{inner.rstrip(';')}}}" if inner else ""


def squeeze(nodes: Iterable[Any]) -> str:
    """Writes CSS without comments and needless blanks."""
    kept = [node for node in nodes if node.type != "comment"]
    for node in kept:
        if node.type == "whitespace":
            node.value = " "
    return str(tinycss2.serialize(kept)).strip()


def needs(selector: list[Any]) -> set[str]:
    """Names the tags, classes and ids without which a selector matches nothing.

    Anything in brackets and parentheses is ignored and taken to match.
    """
    names, before = set(), ""
    for node in selector:
        if node.type == "hash":
            names.add(f"#{node.value}")
        elif node.type == "ident" and before != ":":
            names.add(f".{node.value}" if before == "." else node.value.lower())
        before = node.value if node.type == "literal" else ""
    return names


def selectors(prelude: list[Any]) -> Iterator[list[Any]]:
    """Splits the selectors of a rule at their commas."""
    part: list[Any] = []
    for node in prelude:
        if node.type == "literal" and node.value == ",":
            yield part
            part = []
        else:
            part.append(node)
    yield part


def read_rules(nodes: Iterable[Any], used: set[str] | None) -> list[Rule]:
    """Reads the rules of a sheet that can apply where only `used` names occur; None keeps all."""
    rules = []
    for node in nodes:
        if node.type == "qualified-rule":
            chosen = [
                squeeze(selector)
                for selector in selectors(node.prelude)
                if used is None or needs(selector) <= used
            ]
            if chosen:
                rules.append(Rule(",".join(chosen), declarations(node.content)))
        elif node.type == "at-rule" and node.lower_at_keyword in ("media", "supports"):
            inner = tinycss2.parse_rule_list(node.content, True, True)
            prelude = f"@{node.lower_at_keyword} {squeeze(node.prelude)}"
            rules.append(Rule(prelude, list(read_rules(inner, used))))
        elif node.type == "at-rule" and node.lower_at_keyword == "font-face":
            rules.append(Rule("@font-face", declarations(node.content)))
        elif node.type == "at-rule" and node.lower_at_keyword != "charset":
            rules.append(Rule("", None, squeeze([node])))
        elif node.type == "error":
            raise ValueError(f"unreadable style sheet: {node.message}")
    return rules


def declarations(content: list[Any]) -> list[Rule | tuple[str, str]]:
    """Reads the declarations of a rule: names and values."""
    return [
        (node.name, squeeze(node.value) + ("!important" if node.important else ""))
        for node in tinycss2.parse_blocks_contents(content, True, True)
        if node.type == "declaration"
    ]


def drop_unread(rules: list[Rule], scripts: str) -> None:
    """Drops variables that nothing reads, fonts that nothing names and animations nobody runs."""
    while True:
        sheet = "".join(map(str, rules))
        read = set(re.findall(r"var\(\s*(--[\w-]+)", sheet)) | set(re.findall(r"--[\w-]+", scripts))
        if not _drop_variables(rules, read):
            break
    sheet = "".join(str(rule) for rule in rules if not str(rule).startswith("@"))
    for rule in list(rules):
        if rule.prelude == "@font-face":
            pairs = [part for part in rule.parts or [] if not isinstance(part, Rule)]
            family = next(value for name, value in pairs if name == "font-family")
            if family.strip("\"'") not in sheet:
                rules.remove(rule)
        elif frames := re.match(r"@(?:-\w+-)?keyframes ([\w-]+)", rule.text):
            if not re.search(rf"animation[^;}}]*\b{frames[1]}\b", sheet):
                rules.remove(rule)


def _drop_variables(rules: list[Rule], read: set[str]) -> bool:
    dropped = False
    for rule in rules:
        parts = rule.parts or []
        kept = [p for p in parts if isinstance(p, Rule) or p[0] in read or p[0][:2] != "--"]
        if rule.parts is not None:
            rule.parts = kept
        inner = _drop_variables([part for part in kept if isinstance(part, Rule)], read)
        dropped = dropped or inner or len(kept) < len(parts)
    return dropped


def read_sheet(path: Path, folder: Path) -> str:
    """Reads a style sheet with those that it imports; its addresses become relative to `folder`."""

    def import_sheet(match: re.Match[str]) -> str:
        return read_sheet(path.parent / match[1], folder)

    def rebase(match: re.Match[str]) -> str:
        return f'url("{os.path.relpath(path.parent / match[1], folder)}")'

    text = re.sub(r"""@import\s+["']([^"']+)["'];""", import_sheet, path.read_text("utf-8"))
    return URL.sub(rebase, text) if path.name != "theme.css" else text


def shrink_fonts(sheet: str, folder: Path) -> str:
    """Writes the icons that a sheet shows into small fonts, and points the sheet there."""
    icons = [ord(icon) for icon in set(ICON.findall(sheet))]
    written = set()  # the sheet has old names for the same fonts

    def shrink(match: re.Match[str]) -> str:
        sources = [folder / address for address in URL.findall(match[0])]
        source = next(path for path in sources if path.suffix == ".ttf")
        target = folder / f"{source.stem}.woff"
        if target not in written:
            written.add(target)
            logging.getLogger("fontTools").setLevel(logging.WARNING)
            font = TTFont(source)
            options = subset.Options(hinting=False, desubroutinize=True, name_IDs=[0, 1, 13, 14])
            subsetter = subset.Subsetter(options)
            subsetter.populate(unicodes=icons)
            subsetter.subset(font)
            font.flavor = "woff"  # woff2 would save 0.2 kB, and need one more package
            font["head"].modified = 0  # else each build's file would differ
            font.recalcTimestamp = False
            font.save(target)
        return f'src:url("{target.name}") format("woff")'

    return re.sub(r"src:[^;}]*\.ttf[^;}]*", shrink, sheet)


@cache
def shrink_picture(path: Path) -> tuple[Path, int, int]:
    """Compresses a picture without loss: a photo, stored as JPEG, stays the file that it is.

    Returns:
      The file to show, of a PNG a WebP beside it, and its width and height in pixels.
    """
    with Image.open(path) as picture:
        if picture.format == "JPEG":
            return path, *picture.size
        target = path.with_suffix(".webp")
        picture.save(target, lossless=True, exact=True, method=6)
        return target, *picture.size


def drawing_size(svg: str) -> tuple[str, str]:
    """Reads the width and height of a drawing, in pixels; its own unit is 1/72 inch."""
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box
    return str(round(float(box[1]) * 96 / 72)), str(round(float(box[2]) * 96 / 72))


def way_up(page: Path, root: Path, site: str) -> str:
    """How a page's addresses begin: the one for wrong addresses is shown at any depth of the site.

    Args:
      page: a page below the folder `root`.
      site: the path of that folder on its public host, with a slash at both ends.
    """
    if page == root / "404.html":
        return site
    return (os.path.relpath(root, page.parent).replace(os.sep, "/") + "/").removeprefix("./")


def shrink_page(soup: BeautifulSoup, page: Path, root: Path, up: str) -> None:
    """Takes from one page what it doesn't use, and makes its pictures small."""
    for unused in soup.select(UNUSED):
        unused.decompose()
    for script in soup.find_all("script"):
        script.decompose()
    for link in soup.select("link[rel=stylesheet], link[rel=preload]"):
        link.decompose()
    for extra in soup.select("meta[name=viewport]")[1:] + soup.select("meta[name^=docsearch]"):
        extra.decompose()
    for link in soup.select("a[href='index.html']") if page.name == "404.html" else ():
        link["href"] = f"{up}index.html"
    for button in soup.select("[onclick]"):
        del button["onclick"]
        button["class"] = " ".join([*button.get_attribute_list("class"), "print-page"])
    assert soup.html and soup.head
    soup.html["data-theme"] = "light"  # what is seen without scripts
    add(soup, "script", src=up + versioned(root, f"{OWN}/mode.js"))
    add(soup, "script", src=up + versioned(root, f"{OWN}/page.mjs"), type="module")
    if soup.select("[data-live]"):
        # Small: it loads the others when the reader comes near their part.
        add(soup, "script", src=up + versioned(root, "_static/live/start.mjs"), type="module")
    if field := soup.select_one(".bd-search-container input"):
        field["autofocus"] = ""
        for name in SEARCH:
            add(soup, "script", src=f"{up}_static/{name}.js", defer="")
        add(soup, "script", src=f"{up}searchindex.js", defer="")
    for number, image in enumerate(soup.select("article img:not(.live-still)")):
        file = (page.parent / str(image["src"])).resolve()
        if file.suffix in (".png", ".jpeg") and file.is_relative_to(root):
            shown, width, height = shrink_picture(file)
            image["src"] = os.path.relpath(shown, page.parent).replace(os.sep, "/")
            image["width"], image["height"] = str(width), str(height)
        elif file.suffix == ".svg" and file.is_relative_to(root):
            image["width"], image["height"] = drawing_size(file.read_text("utf-8"))
        if number:
            image["loading"] = "lazy"
        else:
            image["fetchpriority"] = "high"
    # The name of the search button hid its own words from those who speak to their computer.
    for button in soup.select(".search-button-field"):
        del button["aria-label"]
    if bar := soup.select_one("#pst-primary-sidebar"):  # was no landmark
        bar["role"], bar["aria-label"] = "region", "Book"
    for home in soup.select(".bd-sidenav__home-link a"):  # the title would be its headline
        home.string = "Home"
    if foot := soup.select_one(".bd-footer-content__inner"):
        foot.append(BeautifulSoup(FOOT.format(f"{up}{WHOLE}"), "html.parser"))
    for logo in soup.select(".navbar-brand img"):
        logo["width"] = logo["height"] = "36"


def add(soup: BeautifulSoup, name: str, **attributes: str) -> None:
    """Adds an element to the head of a page."""
    assert soup.head
    soup.head.append(soup.new_tag(name, attrs=attributes))


def versioned(root: Path, name: str) -> str:
    """A file's address, which changes when its content does: browsers keep what they know."""
    return f"{name}?v={hashlib.sha256((root / name).read_bytes()).hexdigest()[:8]}"


def names_on(soups: Iterable[BeautifulSoup]) -> Iterator[str]:
    """Yields the tags, classes and ids on pages, as `needs` writes them."""
    for soup in soups:
        for tag in soup.find_all(True):
            yield tag.name
            yield from (f".{name}" for name in tag.get_attribute_list("class"))
            yield f"#{tag.get('id')}"


def slim(app: Sphinx, exception: Exception | None) -> None:
    """Takes what the pages don't use from a book that was written without error."""
    if exception or app.builder.name != "html":
        return
    root = Path(app.outdir).resolve()
    own = [page for page in root.rglob("*.html") if "_static" not in page.parts]
    pages = sorted(page for page in own if page.name != WHOLE)
    soups = {page: BeautifulSoup(page.read_text("utf-8"), "html.parser") for page in pages}
    sheets = [  # all pages have the same
        (root / str(link["href"]).split("?")[0]).resolve()
        for link in soups[root / "index.html"].select("link[rel=stylesheet]")
    ]
    site = urlsplit(app.config.html_baseurl).path
    for page, soup in soups.items():
        shrink_page(soup, page, root, way_up(page, root, site))

    scripts = [*root.glob("_static/live/*.mjs"), *root.glob(f"{OWN}/*.*js")]
    scripts += [root / f"_static/{name}.js" for name in SEARCH]
    code = "\n".join(path.read_text("utf-8") for path in scripts)
    used = set(names_on(soups.values()))
    for word in WORD.findall(code):  # scripts make elements too
        used |= {word, f".{word}", f"#{word}"}
    rules = []
    for path in sheets:
        text = read_sheet(path, root / OWN)
        nodes = tinycss2.parse_stylesheet(text, True, True)
        rules += read_rules(nodes, None if path.name in OWN_SHEETS else used)
    drop_unread(rules, code)
    sheet = shrink_fonts("".join(map(str, rules)), root / OWN)
    (root / SHEET).write_text(sheet, "utf-8")

    for page, soup in soups.items():
        up = way_up(page, root, site)
        for font in sorted(root.glob("_static/fonts/*.woff2")):  # before the sheet has been read
            add(
                soup,
                "link",
                rel="preload",
                href=f"{up}_static/fonts/{font.name}",
                type="font/woff2",
                crossorigin="",
                **{"as": "font"},
            )
        add(soup, "link", rel="stylesheet", href=up + versioned(root, SHEET))
        assert soup.head
        policy = {"http-equiv": "Content-Security-Policy", "content": POLICY}
        charset = soup.head.find("meta", charset=True)
        assert isinstance(charset, Tag)
        charset.insert_after(soup.new_tag("meta", attrs=policy))
        page.write_text(str(soup), "utf-8")
    sweep(root, soups.values())


def sweep(root: Path, soups: Iterable[BeautifulSoup]) -> None:
    """Removes the files of the theme that no page names now."""
    named = {root / SHEET, *root.glob(f"{OWN}/*.woff"), root / "searchindex.js"}
    named |= set(root.glob("_static/fonts/*"))
    named |= set(root.glob("_static/live/*")) | set(root.glob("_static/card.*"))
    texts = "".join(map(str, soups))
    for path in [*root.glob("_static/**/*"), *root.glob("_images/*")]:
        if path.is_file() and path not in named and path.name not in texts:
            path.unlink()
    for folder in sorted(root.glob("_static/**/"), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def write_all(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> set[str]:
    """Says that all pages must be written again, because a slim one can't be made slim twice."""
    return env.found_docs


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects the diet to the end of the build."""
    app.connect("env-get-outdated", write_all)
    app.connect("build-finished", slim, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
