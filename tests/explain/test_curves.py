"""Loss curves as a page that opens without a network."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from adapt.adapter.curves import write_curves
from adapt.errors import InputError
from adapt.explain.curves import draw_page, read_curves
from tests.cli.test_commands import adapt, spec, workspace

__all__ = ["workspace"]
SVG = "{http://www.w3.org/2000/svg}"
POINTS = [(1, "train/loss", 3.0), (2, "train/loss", 2.0), (4, "train/loss", 1.0), (4, "validation/loss", 1.5)]


def test_curves_are_read_as_the_training_wrote_them(tmp_path: Path) -> None:
    write_curves(tmp_path / "a", POINTS)
    assert read_curves(tmp_path / "a") == {"train/loss": [(1, 3.0), (2, 2.0), (4, 1.0)], "validation/loss": [(4, 1.5)]}
    (tmp_path / "a" / "plots" / "metrics" / "train" / "loss.tsv").write_text("step\tloss\n1\tx\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"loss\.tsv is no curve"):
        read_curves(tmp_path / "a")


def test_a_page_loads_nothing_and_its_lines_go_through_the_points() -> None:
    page = draw_page("A & B", [("a", {"train/loss": [(1, 3.0), (2, 2.0), (4, 1.0)]}), ("<b>", {"train/loss": [(4, 2.0)]})])
    assert not re.search(r"<script|<link|@import|(?:src|href)=|url\(", page)
    assert "A &amp; B" in page
    [chart] = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    first, second = ET.fromstring(chart).findall(f"{SVG}polyline")
    places = [tuple(map(float, point.split(","))) for point in first.attrib["points"].split()]
    (x1, y1), (x2, y2), (x4, y4) = places
    assert (x4 - x2) == pytest.approx(2 * (x2 - x1), abs=0.2)
    assert (y4 - y2) == pytest.approx(y2 - y1, abs=0.2)
    assert y1 < y4
    assert tuple(map(float, second.attrib["points"].split(","))) == pytest.approx((x4, y2), abs=0.1)


def test_the_command_writes_the_page_and_says_when_there_is_nothing_to_draw(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    spec(workspace, "a")
    code, _, err = adapt(capsys, "plots")
    assert (code, err) == (1, "error: there are no curves of a\nhint: train first: `adapt build a --to train`\n")
    write_curves(workspace / "training" / "a", POINTS)
    assert adapt(capsys, "plots")[:2] == (0, "plots/index.html: 1 trainings\n")
    page = (workspace / "plots" / "index.html").read_text(encoding="utf-8")
    assert page.index("validation/loss") < page.index("train/loss")
    assert "is no revision" in adapt(capsys, "plots", "--compare", "HEAD")[2]
