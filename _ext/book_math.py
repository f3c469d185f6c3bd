"""Sphinx extension: formulas become MathML when the book is built.

Browsers draw MathML themselves, so the pages load no script, style sheet or font for it, and
screen readers can read it. A formula that can't be translated is a warning of the build.
"""

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

# latex2mathml passes on what it doesn't know instead of failing: unknown commands, stray braces
# and ampersands, and alphabets (bold italic, say) that no browser draws.
UNKNOWN = re.compile(r'<m[ino]>(\\\w+|[&{}])</m[ino]>|mathvariant="(?!normal|monospace)([\w-]+)"')
# It takes these for identifiers, which have no space around them.
OPERATOR = re.compile(r"<mi>(&#x000B1;|&#x02213;)</mi>")
# Names of functions get a thin space, but none before the parenthesis of their argument.
FUNCTION = re.compile(r'<m[io]>([A-Za-z]{2,})</m[io]>(<mo stretchy="false">&#x00028;)?')


def to_mathml(tex: str, display: str) -> str:
    """Translates one formula.

    Args:
        tex: the formula as written between dollar signs.
        display: "inline" or "block".

    Returns:
        A `<math>` element.

    Raises:
        ValueError: for TeX that isn't understood in full.
    """
    tex = tex.replace("{aligned}", "{split}")  # the same thing, under the name it knows
    if len(re.findall(r"(?<!\\)\{", tex)) != len(re.findall(r"(?<!\\)\}", tex)):
        raise ValueError("unbalanced braces")
    try:
        mathml = convert(tex, display=display)
    except Exception as error:  # its errors have no common base class
        raise ValueError(type(error).__name__) from error
    if unknown := UNKNOWN.search(mathml):
        raise ValueError(f"can't render {unknown[1] or unknown[2]}")
    mathml = OPERATOR.sub(r"<mo>\1</mo>", mathml)
    return FUNCTION.sub(_space_function, mathml)


def _space_function(match: re.Match[str]) -> str:
    name, parenthesis = match[1], match[2] or ""
    after = "0" if parenthesis else "0.167em"
    return f'<mo lspace="0.167em" rspace="{after}">{name}</mo>{parenthesis}'


def visit_math(self: HTML5Translator, node: nodes.math | nodes.math_block) -> None:
    """Writes one formula into the page."""
    display = "block" if isinstance(node, nodes.math_block) else "inline"
    try:
        mathml = to_mathml(node.astext(), display)
    except ValueError as error:
        logger.warning("bad formula %r: %s", node.astext(), error, location=node, type="math")
        mathml = f"<code>{self.encode(node.astext())}</code>"
    self.body.append(f'<div class="formula">{mathml}</div>' if display == "block" else mathml)
    raise nodes.SkipNode


class KeepPunctuation(SphinxPostTransform):
    """Keeps a comma or full stop on the line of the formula that it follows."""

    default_priority = 900
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Wraps each formula and its punctuation in an element that doesn't break."""
        for math in list(self.document.findall(nodes.math)):
            parent, start = math.parent, math.parent.index(math)
            text = parent[start + 1] if start + 1 < len(parent) else None
            if isinstance(text, nodes.Text) and (mark := re.match(r"[.,;:!?)]+", text)):
                unit = nodes.inline("", "", math, nodes.Text(mark[0]), classes=["nobreak"])
                parent[start : start + 2] = [unit, nodes.Text(text[mark.end() :])]


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the renderer that `html_math_renderer` in _config.yml names."""
    app.add_post_transform(KeepPunctuation)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
