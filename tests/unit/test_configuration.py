"""The settings, `.env.example` and `docs/configuration.md` name the same variables, defaults and meanings."""

import re
from pathlib import Path

import pytest

from searchapp import settings
from searchapp.env import Variable, read_env_file

ROOT = Path(__file__).resolve().parents[2]
ENV_EXAMPLE = ROOT / ".env.example"
CONFIGURATION = ROOT / "docs" / "configuration.md"
COMPOSE_GROUP = "## Only for docker-compose.yml\n"


def variables_of_template(text: str) -> list[Variable]:
    found = re.findall(r"^# (.+)\n#([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE)
    return [Variable(name, default, help_text) for help_text, name, default in found]


def sections_of_page(text: str) -> dict[str, str]:
    parts = re.split(r"^### `([A-Z][A-Z0-9_]*)`$", text, flags=re.MULTILINE)
    bodies = (re.split(r"^## ", body, flags=re.MULTILINE)[0] for body in parts[2::2])
    return dict(zip(parts[1::2], bodies, strict=True))


def variable_of_section(name: str, section: str) -> Variable:
    default = re.search(r"^- \*\*Default:\*\* (?:none|`([^`]+)`)", section, re.MULTILINE)
    assert default, f"{name}: no line with the default"
    return Variable(name, default[1] or "", section.strip().split("\n\n")[0].replace("\n", " "))


@pytest.fixture(scope="module")
def template() -> tuple[list[Variable], list[Variable]]:
    """Return the variables of the site and those that only docker-compose.yml reads."""
    site, heading, compose = ENV_EXAMPLE.read_text(encoding="utf-8").partition(COMPOSE_GROUP)
    assert heading, "the group of docker-compose.yml is missing"
    return variables_of_template(site), variables_of_template(compose)


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    return sections_of_page(CONFIGURATION.read_text(encoding="utf-8"))


def test_env_example_compared_with_settings_names_the_same_variables(
    template: tuple[list[Variable], list[Variable]],
) -> None:
    assert template[0] == list(settings.env.variables.values())


def test_configuration_page_compared_with_env_example_names_the_same_variables(
    template: tuple[list[Variable], list[Variable]], sections: dict[str, str]
) -> None:
    documented = [variable_of_section(name, section) for name, section in sections.items()]
    assert documented == [*template[0], *template[1]]


def test_configuration_page_sections_tell_type_example_and_what_goes_wrong(sections: dict[str, str]) -> None:
    for name, section in sections.items():
        assert re.search(r"^- \*\*Type:\*\* \S", section, re.MULTILINE), name
        assert re.search(rf"^- \*\*Example:\*\* `{name}=", section, re.MULTILINE), name
        assert re.search(r"^- \*\*When it is wrong:\*\* \S", section, re.MULTILINE), name


def test_env_example_copied_unchanged_sets_nothing() -> None:
    assert read_env_file(ENV_EXAMPLE) == {}


def test_env_example_with_every_variable_taken_in_gives_the_defaults(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    text = ENV_EXAMPLE.read_text(encoding="utf-8")
    env_file.write_text(re.sub(r"^#(?=[A-Z])", "", text, flags=re.MULTILINE), encoding="utf-8")
    values = read_env_file(env_file)
    for variable in settings.env.variables.values():
        assert values[variable.name] == variable.default
