"""Any one part may be killed in the middle of indexing: every document ends ready, its passages in the index."""

import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from searchapp.env import read_env_file
from searchapp.index import SCHEMA_VERSION, VectorIndex
from tests.site import ROOT, Site, eventually, site_environment

pytestmark = pytest.mark.slow

DOCUMENTS = 50
ALL_READY_WITHIN_S = 240
# Words in the command line by which each part is found.
PARTS = {
    "redis": "redis-server",
    "vectors": "searchapp.local.vectors",
    "embeddings": "searchapp.local.embeddings",
    "worker": "searchapp.celery worker",
    "beat": "searchapp.celery beat",
    "web": "gunicorn",
}


class Caller:
    """A program that uses the API, and tries again while the site restarts."""

    def __init__(self, site: Site) -> None:
        token = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), "create_api_token", "admin"],
            env=site_environment(site.data_dir),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{site.port}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )

    def call(self, method: str, path: str, **options: object) -> httpx.Response:
        for _attempt in range(60):
            try:
                response = self.client.request(method, path, **options)  # type: ignore[arg-type]
            except httpx.TransportError:
                time.sleep(0.5)
                continue
            assert response.status_code < 500, response.text
            return response
        pytest.fail("the site did not come back")

    def upload(self, collection: str) -> list[str]:
        self.call("POST", "/collections", json={"slug": collection, "name": collection})
        ids = []
        for number in range(DOCUMENTS):
            sections = "\n\n".join(
                f"## Part {part}\n\n" + f"{collection} number {number} tells about matter {part}. " * 30
                for part in range(12)
            )
            accepted = self.call(
                "POST",
                "/documents",
                data={"collection": collection},
                files={"file": (f"document-{number}.md", f"# Document {number}\n\n{sections}")},
            )
            assert accepted.status_code == 202, accepted.text
            ids.append(accepted.json()["id"])
        return ids

    def describe(self, document_id: str) -> dict:
        return self.call("GET", f"/documents/{document_id}").json()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("recovery") / "data")
    yield site
    site.end()


@pytest.fixture(scope="module")
def caller(site: Site) -> Iterator[Caller]:
    caller = Caller(site)
    yield caller
    caller.client.close()


def index_of(site: Site) -> VectorIndex:
    environment = read_env_file(site.data_dir / "embedded.env")
    name = f"isogloss-{SCHEMA_VERSION}-{environment['EMBEDDING_MODEL']}-full"
    return VectorIndex(environment["QDRANT_URL"], name, api_key=environment["QDRANT_API_KEY"])


@pytest.mark.parametrize("part", PARTS)
def test_killed_part_every_document_ends_ready_with_exactly_its_passages(site: Site, caller: Caller, part: str) -> None:
    waiting = set(caller.upload(part))
    victim = site.part(PARTS[part])
    assert victim is not None
    assert waiting & {pk for pk in waiting if caller.describe(pk)["status"] != "ready"}, "all was ready too early"
    victim.kill()

    def all_ready() -> bool:
        for document_id in sorted(waiting):
            described = caller.describe(document_id)
            assert described["status"] != "failed", described
            if described["status"] == "ready":
                waiting.discard(document_id)
        return not waiting

    ids = sorted(waiting)
    assert eventually(all_ready, within_s=ALL_READY_WITHIN_S), [caller.describe(pk) for pk in waiting]
    index = index_of(site)
    for document_id in ids:
        passages = caller.describe(document_id)["passages"]
        assert passages >= 12
        assert eventually(lambda pk=document_id, n=passages: index.count(pk) == n, within_s=30)


def test_log_names_each_document_that_became_ready(site: Site, caller: Caller) -> None:
    caller.call("POST", "/collections", json={"slug": "logged", "name": "logged"})
    accepted = caller.call(
        "POST", "/documents", data={"collection": "logged"}, files={"file": ("note.md", "# Note\n\nWater the plants.")}
    )

    assert eventually(
        lambda: f"document ready document_id={accepted.json()['id']}" in site.errors.read_text(),
        within_s=ALL_READY_WITHIN_S,
    )
