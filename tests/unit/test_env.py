"""Typed reading of configuration."""

from pathlib import Path

import pytest

from searchapp.env import Env, EnvError, read_env_file


def test_text_first_layer_that_has_a_value_wins() -> None:
    env = Env({"A": " "}, {"A": "second"}, {"A": "third"})
    assert env.text("A", default="default", help="") == "second"
    assert env.text("B", default="default", help="") == "default"


@pytest.mark.parametrize("value", ["many", "1.5", "-1"])
def test_integer_wrong_value_names_the_variable(value: str) -> None:
    with pytest.raises(EnvError, match="THREADS"):
        Env({"THREADS": value}).integer("THREADS", default=4, help="")


@pytest.mark.parametrize(("value", "expected"), [("yes", True), ("ON", True), ("0", False), ("false", False)])
def test_boolean_usual_words_are_understood(value: str, expected: bool) -> None:
    assert Env({"DEBUG": value}).boolean("DEBUG", default=not expected, help="") is expected


def test_boolean_other_word_names_the_variable() -> None:
    with pytest.raises(EnvError, match="DEBUG takes true or false, found 'perhaps'"):
        Env({"DEBUG": "perhaps"}).boolean("DEBUG", default=False, help="")


def test_items_blanks_and_empty_items_are_dropped() -> None:
    assert Env({"HOSTS": " a, ,b,"}).items("HOSTS", help="") == ["a", "b"]


def test_url_trailing_slash_is_dropped_and_scheme_demanded() -> None:
    assert Env({"URL": "http://host/v1/"}).url("URL", help="") == "http://host/v1"
    with pytest.raises(EnvError, match="URL takes a full address that begins with http:// or https://"):
        Env({"URL": "host:8000"}).url("URL", help="")


@pytest.mark.parametrize("value", ["http://host:6379", "redis:host", "unix://", "redis://host:port", "redis://host:0"])
def test_url_of_another_scheme_is_refused(value: str) -> None:
    with pytest.raises(EnvError, match="redis:// or unix://"):
        Env({"URL": value}).url("URL", schemes=("redis", "unix"), help="")


def test_url_that_is_refused_does_not_show_its_password() -> None:
    with pytest.raises(EnvError) as refusal:
        Env({"URL": "ftp://user:secret@host"}).url("URL", help="")
    assert "secret" not in str(refusal.value)


def test_choice_is_taken_in_any_case_and_others_are_refused() -> None:
    assert Env({"LEVEL": "Info"}).choice("LEVEL", ("DEBUG", "INFO"), default="DEBUG", help="") == "INFO"
    with pytest.raises(EnvError, match="LEVEL takes one of DEBUG, INFO, found 'loud'"):
        Env({"LEVEL": "loud"}).choice("LEVEL", ("DEBUG", "INFO"), default="DEBUG", help="")


@pytest.mark.parametrize("value", ["Mars/Olympus", "../etc/passwd", "Europe"])
def test_time_zone_that_is_none_is_refused(value: str) -> None:
    assert Env({"ZONE": "Asia/Shanghai"}).time_zone("ZONE", default="UTC", help="") == "Asia/Shanghai"
    with pytest.raises(EnvError, match="ZONE takes the name of a time zone"):
        Env({"ZONE": value}).time_zone("ZONE", default="UTC", help="")


def test_read_env_file_comments_quotes_and_blanks(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# comment\n\nA=1\nB = 'two words' \nC=\"x=y\"\n", encoding="utf-8")
    assert read_env_file(path) == {"A": "1", "B": "two words", "C": "x=y"}
    assert read_env_file(tmp_path / "missing") == {}


def test_read_env_file_line_without_value_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\nnonsense\n", encoding="utf-8")
    with pytest.raises(EnvError, match="line 2"):
        read_env_file(path)
