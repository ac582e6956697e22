"""The generated pages are those that the commands print."""

from __future__ import annotations

from pathlib import Path

import pytest

from seehear import bundle
from seehear.boards import Family, list_families
from seehear.boards.report import boards_markdown, family_markdown, family_page, placement_markdown

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_boards_is_up_to_date() -> None:
    page = DOCS / "boards.md"
    assert page.read_text(encoding="utf-8") == boards_markdown(), (
        "seehear boards list --markdown > docs/boards.md"
    )


@pytest.mark.parametrize("family", list_families(), ids=lambda family: family.id)
def test_the_page_of_each_family_is_up_to_date(family: Family) -> None:
    page = DOCS / family_page(family)
    command = f"seehear boards show {family.id} --markdown > docs/{page.name}"
    assert page.read_text(encoding="utf-8") == family_markdown(family), command


def test_the_page_of_placement_is_up_to_date() -> None:
    page = DOCS / "placement.md"
    command = "seehear boards check default --all --markdown > docs/placement.md"
    assert page.read_text(encoding="utf-8") == placement_markdown(
        "default", bundle.load("default").manifest
    ), command


def test_the_page_of_placement_of_separators_is_up_to_date() -> None:
    if "instruments" not in bundle.available_models():
        pytest.skip("no separator is shipped")
    page = DOCS / "placement-separation.md"
    command = "seehear boards check instruments --all --markdown > docs/placement-separation.md"
    manifest = bundle.load("instruments", kind="separation").manifest
    assert page.read_text(encoding="utf-8") == placement_markdown("instruments", manifest), command
