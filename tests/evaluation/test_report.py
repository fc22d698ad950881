import re
from html.parser import HTMLParser

import pytest
from pix2z.evaluation.report_parts import Picture, Section, Table

from pix2z.evaluation.report import _how_to_read, write_report

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)


class Page(HTMLParser):
    """Collects tags, and checks that they are closed in order."""

    VOID = ("meta", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.words.append(text)

    def all(self, tag):
        return [attrs for name, attrs in self.seen if name == tag]


@pytest.fixture
def written(tmp_path):
    figure = tmp_path / "figures" / "one.png"
    figure.parent.mkdir()
    figure.write_bytes(PNG)
    table = Table("A <b>caption</b>", ("", "|dz| (seed)"), (("a|b", "0.1 (0.0 to 0.2) *"),))
    sections = [
        Section("Answer", paragraphs=("It is <script>alert(1)</script> & so.",)),
        Section("Second part", items=("one",), tables=(table,)),
        Section("Figures", pictures=(Picture(figure, "Caption.", 'An "alt" text'),)),
    ]
    markdown, html = tmp_path / "report.md", tmp_path / "report.html"
    write_report(sections, markdown=markdown, html=html)
    return markdown.read_text(encoding="utf-8"), html.read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_whole(written):
    page = Page(written[1])
    assert page.open == []
    assert [attrs["id"] for attrs in page.all("section")] == ["answer", "second-part", "figures"]
    links = [attrs["href"] for attrs in page.all("a")]
    assert links == ["#second-part", "#figures"]
    assert page.all("meta")[1]["name"] == "viewport"


def test_the_page_needs_nothing_from_elsewhere(written):
    page = Page(written[1])
    assert not page.all("link")
    assert not page.all("script")
    for attrs in page.all("img"):
        assert attrs["src"].startswith("data:image/png;base64,")
        assert attrs["alt"] == 'An "alt" text'
    assert not re.search(r"https?://|url\(|@import", written[1])


def test_what_comes_from_files_is_escaped(written):
    assert "<script>" not in written[1]
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; so." in written[1]
    assert "A &lt;b&gt;caption" in written[1]


def test_intervals_stand_on_their_own_line(written):
    assert '0.1 *<span class="range">0.0 to 0.2</span>' in written[1]


def test_the_markdown_links_figures_and_escapes_bars(written):
    text = written[0]
    assert '![An "alt" text](figures/one.png)' in text
    assert "| a\\|b | 0.1 (0.0 to 0.2) * |" in text
    assert "|  | \\|dz\\| (seed) |" in text
    assert "\n| --- | ---: |\n" in text
    assert "It is <script>" in text  # text is text here; a viewer decides


def test_print_and_phone_have_their_rules(written):
    assert "@media print" in written[1]
    assert "@media (max-width" in written[1]


def reading(controls):
    """All of "How to read this" of a comparison of controls only, 1,600 test galaxies."""
    whole = {name: {"whole": {"pit_ks": {"value": value}}} for name, value in controls.items()}
    return " ".join(_how_to_read({"controls": whole, "test": {"n": 1600}}, 100).items)


@pytest.mark.parametrize(
    ("distance", "words"), [(0.0339, "passes"), (0.0341, "fails")], ids=["uniform", "not uniform"]
)
def test_trainz_passes_only_where_its_pit_is_uniform(distance, words):
    text = reading({"trainz": distance})
    assert f"Here trainz {words} the test of a uniform PIT: KS distance {distance}," in text
    assert "5 % critical value 0.0340, n = 1,600." in text


def test_without_trainz_nothing_is_said_of_it():
    assert "trainz" not in reading({"knn": 0.02})
