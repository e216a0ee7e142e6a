"""Texts of graphs and people on pages: what hides in them is shown, and nothing in them runs."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:  # most processes show no text in Markdown
    from markdown_it import MarkdownIt

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u180e\u200b\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
"""Control characters but for tab and newline, those without width that no script needs, and those
that change the direction of what follows."""

_MARKDOWN = re.compile(
    r"^#{1,6} \S|^\s{0,3}[-*+] \S|^\s{0,3}\d{1,3}[.)] \S|^\s{0,3}>|^```|\*\*\S|\]\(\S|^\|.*\|\s*$"
    r"|`[^`\n]+`",
    re.MULTILINE,
)

MAX_MARKDOWN = 200_000
"""Longer texts are shown as they were written."""

# Headings of a text stand below those of the page that shows it.
_SHIFT = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "h6": "h6"}


def visible(text: object) -> Markup:
    """A text with its hidden characters made visible; the direction of what is around stays."""
    plain = str(text)
    if UNSEEN.search(plain) is None:
        return escape(plain)
    out, end = [], 0
    for found in UNSEEN.finditer(plain):
        out += [escape(plain[end : found.start()]), _marked(found[0])]
        end = found.end()
    return Markup("").join([*out, escape(plain[end:])])


def plainly(text: object) -> str:
    """A text for places without markup, such as titles of pages."""
    return UNSEEN.sub("\ufffd", str(text))


def is_markdown(text: str) -> bool:
    """Whether a text looks as if it was written in Markdown."""
    return len(text) <= MAX_MARKDOWN and _MARKDOWN.search(text) is not None


@cache
def _renderer() -> MarkdownIt:
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": 30})
    return made.enable(["table", "strikethrough"]).disable(["image", "html_inline", "html_block"])


def markdown(text: str) -> Markup:
    """A text in Markdown as HTML: no raw HTML, no pictures, no links that run something."""
    renderer = _renderer()
    tokens = renderer.parse(UNSEEN.sub(lambda found: f"\u27e8{_code(found[0])}\u27e9", text))
    for token in tokens:
        token.tag = _SHIFT.get(token.tag, token.tag)
        for child in token.children or ():
            if child.type == "link_open":
                child.attrs["rel"] = "noopener noreferrer nofollow"
    html = renderer.renderer.render(tokens, renderer.options, {})
    # A table may be wider than the page: it scrolls by itself, also by the keyboard.
    html = html.replace(
        "<table>", '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>'
    ).replace("</table>", "</table></div>")
    return Markup(html)  # noqa: S704 - the renderer escapes all that it is given  # nosec B704


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"


def _marked(character: str) -> Markup:
    return Markup('<span class="unseen" title="a hidden character">{}</span>').format(
        f"\u27e8{_code(character)}\u27e9"
    )
