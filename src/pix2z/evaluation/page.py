"""The report as a page: one HTML file, made from its Markdown, that needs nothing from elsewhere.

Beyond what Markdown says, a picture and the paragraph after it become a figure, a table can be
scrolled sideways and carries the name that stands above it, and intervals in cells stand on a line
of their own. How it all looks is in templates/report.html.j2.
"""

import base64
import re
from itertools import pairwise
from pathlib import Path

from jinja2 import Environment, PackageLoader
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

__all__ = ["html_page"]

INTERVAL = re.compile(r"([-\d.]+(?: %)?) \(([-\d.]+ to [-\d.]+)\)( [*=])?")
"""``value (low to high)``, with a star where one is better, an equals sign where they are equal."""


def html_page(markdown: str, folder: Path) -> str:
    """Make the page of a report: its title, the answer in a box, links, and all other sections.

    Pictures are linked relative to `folder`, and go inside. HTML in the Markdown is shown as text.
    """
    parser = MarkdownIt("commonmark", {"html": False, "xhtmlOut": False}).enable("table")
    tokens = parser.parse(markdown)
    _name_rows(tokens)
    for token in tokens:
        if token.type == "inline":
            _embed_pictures(token, folder)
            _set_interval_apart(token)
    tokens = _in_frames(tokens)
    headings = _anchors(tokens)
    second = headings[1][0] if len(headings) > 1 else len(tokens)
    answer, rest = (
        Markup(parser.renderer.render(part, parser.options, {}))
        for part in (tokens[3:second], tokens[second:])  # the title takes three: open, words, close
    )
    template = Environment(loader=PackageLoader("pix2z.evaluation"), autoescape=True)
    return template.get_template("report.html.j2").render(
        title=tokens[1].content,
        answer=answer,
        links=[(anchor, words) for _, anchor, words in headings[1:]],
        rest=rest,
    )


def _anchors(tokens: list[Token]) -> list[tuple[int, str, str]]:
    """Give sections ids to be linked to; place, id and title of each."""
    headings = []
    for place, (token, after) in enumerate(pairwise(tokens)):
        if token.type == "heading_open" and token.tag == "h2":
            anchor = "-".join(re.findall(r"[a-z0-9]+", after.content.lower()))
            token.attrSet("id", anchor)
            headings.append((place, anchor, after.content))
    return headings


def _name_rows(tokens: list[Token]) -> None:
    """Make the first cell of every row of a table its heading."""
    for place, (token, after) in enumerate(pairwise(tokens)):
        if token.type == "tr_open" and after.type == "td_open":
            after.attrSet("scope", "row")
            after.tag = tokens[place + 3].tag = "th"  # opened, its words, closed


def _embed_pictures(token: Token, folder: Path) -> None:
    for child in token.children or []:
        if child.type == "image":
            content = base64.b64encode((folder / str(child.attrs["src"])).read_bytes()).decode()
            child.attrSet("src", f"data:image/png;base64,{content}")


def _set_interval_apart(token: Token) -> None:
    interval = INTERVAL.fullmatch(token.content)
    if interval:
        value, limits, star = interval.groups(default="")
        html = f'{value}{star}<span class="range">{limits}</span>'
        token.children = [Token("html_inline", "", 0, content=html)]


def _in_frames(tokens: list[Token]) -> list[Token]:
    """Frame tables, named by the paragraph before them, and pictures with theirs after them."""
    framed: list[Token] = []
    name, caption_ends = "", -1
    for place, token in enumerate(tokens):
        if token.type == "paragraph_open":
            words = tokens[place + 1]
            name = " ".join(words.content.split())
            if [child.type for child in words.children or []] == ["image"]:
                caption_ends = place + 5  # the picture's three tokens, then those of its caption
                token.tag, tokens[place + 2].hidden = "figure", True
                tokens[place + 3].tag = tokens[place + 5].tag = "figcaption"
        if token.type == "table_open":
            frame = f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(name)}">\n'
            framed.append(_html(frame))
        framed.append(token)
        if token.type == "table_close":
            framed.append(_html("</div>\n"))
        if place == caption_ends:
            framed.append(_html("</figure>\n"))
    return framed


def _html(text: str) -> Token:
    return Token("html_block", "", 0, content=text)
