"""The models of the local embedding server, against the vectors that the reference implementations give."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import deserialize
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from searchapp.local.embeddings import EmbeddingModel, ModelError, TextTooLongError, find_model, load_model

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
STATIC = ROOT / "searchapp" / "local" / "data" / "multilingual-static"
TINY_QWEN3 = FIXTURES / "tiny-qwen3"
MODEL_FILES = ("config.json", "tokenizer.json", "model.safetensors")


@pytest.fixture(scope="module")
def static_model() -> EmbeddingModel:
    return load_model(STATIC)


@pytest.fixture(scope="module")
def qwen3_model() -> EmbeddingModel:
    return load_model(TINY_QWEN3)


@pytest.fixture
def qwen3_copy(tmp_path: Path) -> Path:
    """A copy of the tiny Qwen3 model that a test may change."""
    for name in MODEL_FILES:
        shutil.copy(TINY_QWEN3 / name, tmp_path)
    return tmp_path


def golden(fixture: str) -> tuple[list[str], NDArray[np.float64]]:
    entries = json.loads((FIXTURES / fixture / "golden.json").read_bytes())
    return [entry["text"] for entry in entries], np.array([entry["vector"] for entry in entries])


def qwen3_weights() -> dict[str, NDArray[np.float32]]:
    """The tiny model's bfloat16 weights as float32."""
    return {
        name: (np.frombuffer(entry["data"], "<u2").astype("<u4") << 16).view("<f4").reshape(entry["shape"])
        for name, entry in deserialize(  # type: ignore[no-untyped-call]
            (TINY_QWEN3 / "model.safetensors").read_bytes()
        )
    }


def change_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def make_static(folder: Path, tokenizer: Tokenizer, tensors: Mapping[str, NDArray[Any]]) -> EmbeddingModel:
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text('{"model_type": "model2vec", "normalize": true}', encoding="utf-8")
    save_file(dict(tensors), folder / "model.safetensors")
    return load_model(folder)


def test_static_model_shipped_gives_the_vectors_of_model2vec(static_model: EmbeddingModel) -> None:
    texts, expected = golden("multilingual-static")
    np.testing.assert_allclose(static_model.encode(texts).vectors, expected, atol=1e-5)


def test_static_model_many_and_long_texts_equal_the_plain_sum(static_model: EmbeddingModel) -> None:
    tensors = load_file(STATIC / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(STATIC / "tokenizer.json"))
    texts = [f"{'router 重启 ' * (number % 7)}{number}" for number in range(600)]
    texts[100] = "passage " * 9000 + "длинный"
    expected = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        rows = tensors["embeddings"][tensors["mapping"][ids]]
        total = (rows * tensors["weights"][ids][:, None]).sum(axis=0, dtype=np.float64)
        expected.append(total / np.linalg.norm(total))
    np.testing.assert_allclose(static_model.encode(texts).vectors, np.array(expected), atol=1e-5)


def test_static_model_float32_without_weights_leaves_unknown_words_out(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "green": 1, "light": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    table = np.array([[9, 9], [3, 0], [0, 4]], dtype=np.float32)
    model = make_static(tmp_path, tokenizer, {"embeddings": table})
    encoded = model.encode(["green light", "green unheard"])
    np.testing.assert_allclose(encoded.vectors, np.array([[0.6, 0.8], [1, 0]]), atol=1e-6)


def test_static_model_unigram_tokenizer_leaves_unknown_words_out(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0)], unk_id=0, byte_fallback=False))
    table = np.array([[0, 5], [5, 0]], dtype=np.float32)
    model = make_static(tmp_path, tokenizer, {"embeddings": table})
    np.testing.assert_allclose(model.encode(["aЖ"]).vectors, np.array([[1.0, 0.0]]), atol=1e-6)


def test_static_model_table_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "green": 1}, unk_token="[UNK]"))
    with pytest.raises(ModelError, match="model_broken"):
        make_static(tmp_path, tokenizer, {"embeddings": np.ones((3, 2), dtype=np.float32)})


def test_static_model_tokens_that_share_a_row_keep_their_weights(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "green": 1, "grün": 2, "light": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tensors = {
        "embeddings": np.array([[100, 0], [0, 100]], dtype=np.int8),
        "mapping": np.array([0, 0, 0, 1], dtype=np.int32),
        "weights": np.array([9, 0.3, 0.4, 0.4], dtype=np.float32),
    }
    encoded = make_static(tmp_path, tokenizer, tensors).encode(["green light", "grün", "grün unheard light"])
    np.testing.assert_allclose(encoded.vectors, [[0.6, 0.8], [1, 0], [0.5**0.5, 0.5**0.5]], atol=1e-6)


@pytest.mark.parametrize("mapping", [[0, 2], [-1, 0], [0]])
def test_static_model_mapping_that_does_not_fit_is_refused(tmp_path: Path, mapping: list[int]) -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "green": 1}, unk_token="[UNK]"))
    tensors = {"embeddings": np.ones((2, 2), dtype=np.float32), "mapping": np.array(mapping, dtype=np.int32)}
    with pytest.raises(ModelError, match="model_broken"):
        make_static(tmp_path, tokenizer, tensors)


def test_static_model_text_without_known_token_gets_a_vector_of_its_own(static_model: EmbeddingModel) -> None:
    smiles, smiles_again, arrows, known = static_model.encode(
        ["🙂🙂🙂", "🙂🙂🙂", "→→→ ←←←", "How do I reset my password?"]
    ).vectors
    assert np.linalg.norm(smiles) == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(smiles, smiles_again)
    # 384 random signs: standard deviation of the cosine 0.05
    assert abs(smiles @ arrows) < 0.3
    assert abs(smiles @ known) < 0.3


def test_static_model_texts_without_known_token_are_close_where_characters_agree(
    static_model: EmbeddingModel,
) -> None:
    query, same_signs, other_signs = static_model.encode(["→→→ ★", "→→→ ★ ☂", "☂☂☂ ☂☂"]).vectors
    assert query @ same_signs > 0.5 > query @ other_signs


def test_static_model_no_texts_gives_no_vectors(static_model: EmbeddingModel) -> None:
    assert static_model.encode([]).vectors.shape == (0, 384)


def test_static_model_counts_the_tokens_it_read(static_model: EmbeddingModel) -> None:
    texts = ["How do I reset my password?", "🙂", "重置"]
    assert static_model.encode(texts).token_counts == [len(ids) for ids in static_model.tokenize(texts)]


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float16"])
def test_qwen3_model_any_weight_type_gives_the_vectors_of_transformers(dtype: str, qwen3_copy: Path) -> None:
    if dtype != "bfloat16":
        weights = {name: tensor.astype(dtype) for name, tensor in qwen3_weights().items()}
        save_file(weights, qwen3_copy / "model.safetensors")
    texts, expected = golden("tiny-qwen3")
    np.testing.assert_allclose(load_model(qwen3_copy).encode(texts).vectors, expected, atol=1e-5)


def test_qwen3_model_text_alone_equals_text_in_a_batch(qwen3_model: EmbeddingModel) -> None:
    texts, expected = golden("tiny-qwen3")
    alone = np.concatenate([qwen3_model.encode([text]).vectors for text in texts])
    np.testing.assert_allclose(alone, expected, atol=1e-5)


def test_qwen3_model_more_texts_than_a_batch_keep_their_order(qwen3_model: EmbeddingModel) -> None:
    texts, expected = golden("tiny-qwen3")
    order = np.random.default_rng(0).integers(len(texts), size=20)
    vectors = qwen3_model.encode([texts[index] for index in order]).vectors
    np.testing.assert_allclose(vectors, expected[order], atol=1e-5)


def test_qwen3_model_sharded_weights_with_prefix_and_old_rope_spelling_give_the_same(qwen3_copy: Path) -> None:
    (qwen3_copy / "model.safetensors").unlink()
    weights = {f"model.{name}": tensor for name, tensor in qwen3_weights().items()}
    for number, names in enumerate(np.array_split(sorted(weights), 2), start=1):
        shard = {str(name): weights[name] for name in names}
        save_file(shard, qwen3_copy / f"model-0000{number}-of-00002.safetensors")

    def spell_as_before(config: dict[str, Any]) -> None:
        config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
        config["rope_scaling"] = None

    change_json(qwen3_copy / "config.json", spell_as_before)
    texts, expected = golden("tiny-qwen3")
    np.testing.assert_allclose(load_model(qwen3_copy).encode(texts).vectors, expected, atol=1e-5)


def test_qwen3_model_tokenizer_without_end_token_gets_it_appended(qwen3_copy: Path) -> None:
    change_json(qwen3_copy / "tokenizer.json", lambda tokenizer: tokenizer.update(post_processor=None))
    texts, expected = golden("tiny-qwen3")
    np.testing.assert_allclose(load_model(qwen3_copy).encode(texts).vectors, expected, atol=1e-5)


def test_qwen3_model_counts_the_end_token(qwen3_model: EmbeddingModel) -> None:
    entries = json.loads((TINY_QWEN3 / "golden.json").read_bytes())
    encoded = qwen3_model.encode([entry["text"] for entry in entries])
    assert encoded.token_counts == [entry["tokens"] for entry in entries]


def test_qwen3_model_text_longer_than_the_context_is_refused(qwen3_model: EmbeddingModel) -> None:
    with pytest.raises(TextTooLongError, match=r"longer than the model's context length \(1024 tokens\)"):
        qwen3_model.encode(["short", "Ж" * 1024])


@pytest.mark.parametrize(
    "setting",
    [
        {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0}},
        {"use_sliding_window": True},
        {"attention_bias": True},
        {"hidden_act": "gelu"},
    ],
)
def test_qwen3_model_setting_that_is_not_computed_is_refused(setting: dict[str, Any], qwen3_copy: Path) -> None:
    change_json(qwen3_copy / "config.json", lambda config: config.update(setting))
    with pytest.raises(ModelError, match="model_unsupported"):
        load_model(qwen3_copy)


def test_qwen3_model_missing_shard_is_refused(qwen3_copy: Path) -> None:
    weights = qwen3_weights()
    del weights["layers.1.mlp.up_proj.weight"]
    save_file(weights, qwen3_copy / "model.safetensors")
    with pytest.raises(ModelError, match=r"layers\.1\.mlp\.up_proj\.weight"):
        load_model(qwen3_copy)


def test_load_model_unknown_type_is_refused(qwen3_copy: Path) -> None:
    change_json(qwen3_copy / "config.json", lambda config: config.update(model_type="bert"))
    with pytest.raises(ModelError, match="model_unsupported"):
        load_model(qwen3_copy)


@pytest.mark.parametrize("name", MODEL_FILES)
def test_load_model_missing_file_is_refused(name: str, qwen3_copy: Path) -> None:
    (qwen3_copy / name).unlink()
    with pytest.raises(ModelError, match="model_missing"):
        load_model(qwen3_copy)


@pytest.mark.parametrize("name", MODEL_FILES)
def test_load_model_truncated_file_is_refused(name: str, qwen3_copy: Path) -> None:
    path = qwen3_copy / name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="model_broken"):
        load_model(qwen3_copy)


CHANGES: dict[str, dict[str, object]] = {
    "config.json": {"rms_norm_eps": 1e-5},
    "tokenizer.json": {"normalizer": None},
}


@pytest.mark.parametrize("name", MODEL_FILES)
def test_fingerprint_any_file_changed_changes(name: str, qwen3_copy: Path) -> None:
    before = load_model(qwen3_copy).fingerprint
    if name == "model.safetensors":
        weights = qwen3_weights()
        weights["norm.weight"][0] += 1
        save_file(weights, qwen3_copy / name)
    else:
        change_json(qwen3_copy / name, lambda content: content.update(CHANGES[name]))
    assert load_model(qwen3_copy).fingerprint != before


def test_fingerprint_same_files_elsewhere_stays(qwen3_model: EmbeddingModel, qwen3_copy: Path) -> None:
    assert load_model(qwen3_copy).fingerprint == qwen3_model.fingerprint


REPOSITORY = "someone/tiny-qwen3"
REVISION = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """The part of a model hub that a download uses, over one model."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.sent: list[str] = []


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.path.startswith(f"/api/models/{REPOSITORY}/revision/"):
            files = [{"rfilename": name} for name in (*MODEL_FILES, "pytorch_model.bin", "README.md")]
            content = json.dumps({"id": REPOSITORY, "sha": REVISION, "siblings": files}).encode()
        elif self.path.startswith(f"/api/models/{REPOSITORY}/tree/"):
            tree = [
                {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": path.name}
                for path in (TINY_QWEN3 / name for name in MODEL_FILES)
            ]
            content = json.dumps(tree).encode()
        elif self.path.startswith(f"/{REPOSITORY}/resolve/{REVISION}/") and self._name() in MODEL_FILES:
            content = (TINY_QWEN3 / self._name()).read_bytes()
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{self._name()}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if self.command == "GET":
            self.server.sent.append(self._name())
            self.wfile.write(content)

    def _name(self) -> str:
        return self.path.rpartition("/")[2]

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever)
        thread.start()
        yield hub
        hub.shutdown()
        thread.join()


def find(name: str, *, hub: Hub, cache: Path) -> "subprocess.CompletedProcess[str]":
    """Find a model in a process of its own: the hub's library reads its settings when it is imported."""
    program = "import sys\nfrom searchapp.local.embeddings import find_model\nprint(find_model(sys.argv[1]))"
    environment = {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    return subprocess.run(
        [sys.executable, "-c", program, name], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_find_model_hub_name_downloads_once_what_the_model_needs(hub: Hub, tmp_path: Path) -> None:
    first = find(REPOSITORY, hub=hub, cache=tmp_path)
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    assert load_model(folder).fingerprint == load_model(TINY_QWEN3).fingerprint
    assert {path.name for path in folder.iterdir()} == set(MODEL_FILES)
    hub.sent.clear()
    again = find(REPOSITORY, hub=hub, cache=tmp_path)
    assert (again.stdout, hub.sent) == (first.stdout, [])


def test_find_model_name_that_the_hub_lacks_is_refused_saying_so(hub: Hub, tmp_path: Path) -> None:
    found = find("someone/else", hub=hub, cache=tmp_path)
    assert "neither a folder nor a model on the hub" in found.stderr


def test_find_model_hub_out_of_reach_says_what_to_do(hub: Hub, tmp_path: Path) -> None:
    hub.shutdown()
    hub.server_close()
    found = find(REPOSITORY, hub=hub, cache=tmp_path)
    assert "name the folder of a downloaded model" in found.stderr


def test_find_model_existing_folder_is_taken_before_a_hub_s_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "someone" / "model").mkdir(parents=True)
    assert find_model("someone/model") == tmp_path / "someone" / "model"


def test_shipped_model_is_the_one_of_its_card() -> None:
    """What a clone or a package lost or changed would change every vector."""
    card = (STATIC / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"Fingerprint | `{load_model(STATIC).fingerprint}`" in card
    assert sum((STATIC / name).stat().st_size for name in MODEL_FILES) <= 40_000_000
