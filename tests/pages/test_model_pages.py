"""dbt's page of the project is one file, and asks nobody for anything."""

from pathlib import Path

import pytest

from flows import model_pages
from flows.dbt import PROJECT
from tests.pages.browser import NEEDED, chromium, look

PROJECT_FILE = """
name: tiny
version: 0.1.0
profile: portfolio_warehouse
flags: {send_anonymous_usage_stats: false}
"""
MODELS = {
    "prices.sql": "-- Prices.\nselect 1 as price",
    "doubles.sql": "select 2 * price as twice from {{ ref('prices') }}",
    "prices.yml": "models:\n  - name: prices\n    description: Every price, as it was told.\n",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """dbt's own page of a project of two models with our profile."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "models").mkdir()
    for name, text in MODELS.items():
        (folder / "models" / name).write_text(text)
    (folder / "dbt_project.yml").write_text(PROJECT_FILE)
    (folder / "profiles.yml").write_text((PROJECT / "profiles.yml").read_text())
    return model_pages.write(folder / "out", folder)


@NEEDED
def test_it_shows_tables_and_asks_for_nothing(page):
    with chromium() as browser, look(browser, page.as_uri()) as seen:
        seen.page.goto(f"{page.as_uri()}#!/model/model.tiny.prices")
        seen.page.get_by_text("Every price, as it was told.").first.wait_for(timeout=20_000)
        assert set(seen.asked) == {page.as_uri()}
        assert seen.errors == []


def test_a_page_of_another_shape_is_refused():
    with pytest.raises(model_pages.PageError, match="no <head>"):
        model_pages.mended("<html><body></body></html>")
