"""Loading the demo: collections and documents from a folder that ships with the code."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

from django.contrib.auth.models import User
from django.core.files.base import File
from django.db import transaction

from searchapp.models import Collection
from searchapp.services import collections, documents
from searchapp.services.collections import CollectionSpec


def load_demo(folder: Path, *, owner: User | None) -> Iterator[uuid.UUID]:
    """Make the collections that ``collections.json`` lists and upload their files.

    A collection that exists is left alone, with whatever became of its documents. So one comes with
    all its files or, where this is broken off, not at all.

    Yields:
        The id of each document that was taken in, for the caller to enqueue.
    """
    for entry in json.loads((folder / "collections.json").read_text(encoding="utf-8")):
        if Collection.objects.filter(slug=entry["slug"]).exists():
            continue
        files = folder / entry.pop("folder")
        document_ids = []
        with transaction.atomic():
            collection = collections.create_collection(CollectionSpec(**entry), owner=owner)
            for path in sorted(path for path in files.rglob("*") if path.is_file() and not path.name.startswith(".")):
                with path.open("rb") as file:
                    upload = documents.create_document(collection, File(file), source_name=path.name, uploaded_by=owner)
                document_ids.append(upload.document.pk)
        yield from document_ids
