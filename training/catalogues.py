"""Read catalogues of translations, one function a kind of file: all texts of one language by key.

Every function takes the content of a file and returns texts by key, in the order of the file. Keys are the
same in all languages. Texts are as the file has them, see ``training.texts`` for making them prose.
"""

import gettext
import gzip
import io
import itertools
import json
import re
import struct
from collections.abc import Iterator, Mapping

# Stands in a key before the English text, in catalogues whose keys are the English texts.
ENGLISH_KEY = "\x04"

_PARAGRAPH = re.compile(r"<(h\d|p)\b[^>]*? id=\"((?:hd|par|tit)_[^\"]+)\"[^>]*>(.*?)</\1>", re.DOTALL)
_BLOCK = re.compile(r"<(h\d|p|dt)\b[^>]*>(.*?)</\1>", re.DOTALL)
_OTHER_SYSTEM = re.compile(r"<span[^>]*\bclass=\"[^\"]*MAC[^\"]*\"[^>]*>.*?</span>", re.DOTALL)

_ENTRY = re.compile(r"^([\w.-]+)\s*=\s*(.*)$")
_ATTRIBUTE = re.compile(r"^\s+\.([\w-]+)\s*=\s*(.*)$")
_NOT_TEXT = re.compile(r"access-?key|command-?key|shortcut|style|\.key$|width|height|\.url$|keycode", re.IGNORECASE)
_BRAND = re.compile(r"\{\s*-[\w-]+(?:\([^()]*\))?\s*\}|&[\w.]*brand[\w.]*;|%\(brand\w*\)s")
_PLACEABLE = re.compile(r"\{(?![^{}]*->)[^{}]*\}")
# The default variant of a selector is starred.
_SELECTOR = re.compile(r"\{[^{}]*?->[^{}]*?\*\[[^\]]*\]([^{}\[]*)[^{}]*\}", re.DOTALL)

_CLDR_NAME = re.compile(
    r"^\.localeDisplayNames\.|^\.units\.long\..*\.displayName$|^\.numbers\.currencies\..*\.displayName$|\.exemplarCity$"
)
_MEDIAWIKI_CHOICE = re.compile(r"\{\{\s*(?:PLURAL|GENDER)\s*:[^{}|]*\|(?:[^{}|]*\|)*([^{}|]*)\}\}", re.IGNORECASE)
_MEDIAWIKI_LINK = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]|\[(?:https?:|//|\$)\S*\s+([^\]]*)\]")
_MEDIAWIKI_REST = re.compile(r"\{\{[^{}]*\}\}|'{2,}|__\w+__")

_PRONUNCIATION = re.compile(r"\s+(?:/[^/]*/|<[^<>@:]*>).*$")
_GRAMMAR = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}|/[^/ ]+/")
_NUMBER = re.compile(r"^\s*(?:\d+|[IVX]+)\.\s*")
_WORDS_OF_A_TERM = 5


def read_mo(content: bytes) -> dict[str, list[str]]:
    """Read a compiled catalogue of gettext; the strings of one context, such as a dialogue, come together."""
    translations = gettext.GNUTranslations(io.BytesIO(content))
    catalogue: Mapping[str | tuple[str, int], str] = vars(translations)["_catalog"]  # it has no public reader of all
    texts: dict[str, list[str]] = {}
    for key, text in catalogue.items():
        context, _, message = (key[0] if isinstance(key, tuple) else key).rpartition(ENGLISH_KEY)
        # Wesnoth puts a context into the message: "female^Mage".
        message = re.sub(r"^[\w ]+\^", "", message)
        if message and text:
            texts.setdefault(f"{context}{ENGLISH_KEY}{message}", [re.sub(r"^[\w ]+\^", "", text)])
    return dict(sorted(texts.items(), key=lambda item: item[0].partition(ENGLISH_KEY)[0]))


def read_json(content: bytes) -> dict[str, list[str]]:
    """Read strings in nested objects; the key is the path."""
    return {key: [text] for key, text in _strings(json.loads(content), "") if text}


def read_presets(content: bytes) -> dict[str, list[str]]:
    """Read names and labels of OpenStreetMap's presets, without the search terms."""
    (presets,) = json.loads(content).values()
    return {key: [text] for key, text in _strings(presets, "") if text and not key.endswith(("terms", "aliases"))}


def read_cldr(content: bytes) -> dict[str, list[str]]:
    """Read names of emoji, or of languages, scripts, territories, cities, currencies or units."""
    data = json.loads(content)
    if "annotations" in data:
        return {character: names["tts"] for character, names in _annotations(data).items() if "tts" in names}
    (language,) = data["main"].values()
    return {key: [text] for key, text in _strings(language, "") if _CLDR_NAME.search(key)}


def read_cldr_keywords(content: bytes) -> dict[str, list[str]]:
    """Read keywords of emoji, those of one emoji as one text."""
    annotations = _annotations(json.loads(content))
    return {character: [" ".join(names["default"])] for character, names in annotations.items() if "default" in names}


def read_mediawiki(content: bytes) -> dict[str, list[str]]:
    """Read messages of MediaWiki, with links and choices by number or gender resolved."""
    texts: dict[str, list[str]] = {}
    for key, text in json.loads(content).items():
        if isinstance(text, str):
            text = _MEDIAWIKI_LINK.sub(lambda link: link[1] or link[2] or "", _MEDIAWIKI_CHOICE.sub(r"\1", text))
            texts[key] = [_MEDIAWIKI_REST.sub("", text)]
    return texts


def read_mozilla(content: bytes) -> dict[str, list[str]]:
    """Read messages of Mozilla, Fluent or properties."""
    lines: dict[str, list[str]] = {}
    entry = key = ""
    for line in content.decode("utf-8", errors="replace").splitlines():
        if line.startswith(("#", "-")) or not line.strip():
            key = key if line.strip() == "" else ""
        elif match := _ENTRY.match(line):
            entry = key = match[1]
            lines[key] = [match[2]]
        elif entry and (match := _ATTRIBUTE.match(line)):
            key = f"{entry}.{match[1]}"
            lines[key] = [match[2]]
        elif key and (line[0].isspace() or line.startswith("}")):
            lines[key].append(line.strip())
    texts: dict[str, list[str]] = {}
    for key, parts in lines.items():
        text = _PLACEABLE.sub("", _BRAND.sub("Mozilla", " ".join(parts)))
        text = _SELECTOR.sub(r"\1", text)
        if not _NOT_TEXT.search(key) and "->" not in text:
            texts[key] = [text]
    return texts


def read_pak(content: bytes) -> dict[str, list[str]]:
    """Read a data pack of Chromium, version 5.

    The layout is that of ``ui/base/resource/data_pack.cc``: version, encoding, numbers of resources and
    aliases; then id and offset of each resource, and one more to end the last.

    Raises:
        ValueError: it is another version.
    """
    version, _, resources, _ = struct.unpack_from("<IIHH", content)
    if version != 5:
        raise ValueError(f"data pack of version {version}")
    entries = [struct.unpack_from("<HI", content, 12 + 6 * index) for index in range(resources + 1)]
    texts: dict[str, list[str]] = {}
    for (key, start), (_, end) in itertools.pairwise(entries):
        try:
            texts[str(key)] = [content[start:end].decode("utf-8")]
        except UnicodeDecodeError:
            continue  # a compressed resource, no text
    return texts


def read_html(content: bytes) -> dict[str, list[str]]:
    """Read headings and paragraphs of a help page of LibreOffice by their ids."""
    page = _OTHER_SYSTEM.sub("", content.decode("utf-8", errors="replace"))
    texts: dict[str, list[str]] = {}
    for _, key, text in _PARAGRAPH.findall(page):
        texts.setdefault(key, [text])
    return texts


def read_pages(content: bytes) -> dict[str, list[str]]:
    """Read headings and paragraphs of a page without ids.

    The key is the place and the number of all, so that a page of another structure shares no key.
    """
    blocks = _BLOCK.findall(content.decode("utf-8", errors="replace"))
    return {f"{tag} {index} of {len(blocks)}": [text] for index, (tag, text) in enumerate(blocks)}


def read_declaration(content: bytes) -> dict[str, list[str]]:
    """Read the Universal Declaration of Human Rights; articles of other paragraphs have other keys."""
    texts: dict[str, list[str]] = {}
    for article in content.decode("utf-8").split("<article")[1:]:
        number = re.findall(r"\d+", article)[0]
        blocks = _BLOCK.findall(article)
        texts.update({f"{number} {tag} {index} of {len(blocks)}": [text] for index, (tag, text) in enumerate(blocks)})
    return texts


def read_dictionary(content: bytes) -> dict[str, list[str]]:
    """Read a dictionary of FreeDict: terms by head word.

    A head word stands before its pronunciation or part of speech; the first line after it and every
    numbered one hold terms. Other lines are examples and explanations.
    """
    texts: dict[str, list[str]] = {}
    head, is_next = "", False
    for line in gzip.decompress(content).decode("utf-8", errors="replace").splitlines():
        is_numbered = _NUMBER.match(line) is not None
        if not line[:1].isspace() and not is_numbered and (match := _PRONUNCIATION.search(line)) and match.start():
            head, is_next = line[: match.start()].strip(), True
        elif head and line.strip() and (is_numbered or is_next):
            terms = _NUMBER.sub("", _GRAMMAR.sub("", _NUMBER.sub("", line).replace("~", " ")))
            found = [" ".join(term.split()).strip(' .:"') for term in re.split(r"[,;،]|\d+\.", terms)]
            found = [term for term in found if term and ":" not in term and len(term.split()) <= _WORDS_OF_A_TERM]
            known = texts.setdefault(head, [])
            known.extend(term for term in found if term not in known)
            is_next = not terms.strip()
    return {head: terms for head, terms in texts.items() if terms}


def _strings(node: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from _strings(value, f"{path}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _strings(value, f"{path}.{index}")


def _annotations(
    data: Mapping[str, Mapping[str, Mapping[str, dict[str, list[str]]]]],
) -> dict[str, dict[str, list[str]]]:
    return dict(data["annotations"]["annotations"])
