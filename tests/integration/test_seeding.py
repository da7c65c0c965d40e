"""Loading the demo."""

import json
from pathlib import Path

import pytest

from searchapp.models import Collection, Document
from searchapp.services.documents import DocumentRejectedError
from searchapp.services.seeding import load_demo


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    (folder / "rail").mkdir(parents=True)
    (folder / "rail" / "lost.md").write_text("# Lost luggage")
    (folder / "rail" / "tickets.md").write_text("# Tickets")
    (folder / "collections.json").write_text(json.dumps([{"slug": "rail", "name": "Rail", "folder": "rail"}]))
    return folder


def test_load_demo_broken_off_in_the_middle_is_whole_after_the_next_time(site: None, demo: Path) -> None:
    (demo / "rail" / "tickets.md").write_text("")
    with pytest.raises(DocumentRejectedError):
        list(load_demo(demo, owner=None))
    (demo / "rail" / "tickets.md").write_text("# Tickets")
    assert len(list(load_demo(demo, owner=None))) == 2


def test_load_demo_twice_adds_nothing_and_brings_nothing_back(site: None, demo: Path) -> None:
    list(load_demo(demo, owner=None))
    Document.objects.filter(source_name="lost.md").delete()
    assert list(load_demo(demo, owner=None)) == []
    assert (Collection.objects.count(), Document.objects.count()) == (1, 1)
