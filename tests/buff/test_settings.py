"""Settings: what the environment may say, checked whole."""

import pytest

from buff.errors import RunConfigInvalid
from buff.settings import GIB, Settings


def test_an_empty_environment_gives_safe_defaults() -> None:
    settings = Settings.from_env({})
    assert (settings.runs_root, settings.artifacts_root, settings.user) == (None, None, "unknown")
    assert (settings.csv_bytes_max, settings.rows_max, settings.free_bytes_min) == (2 * GIB, 30_000_000, GIB)


def test_empty_values_are_the_same_as_none() -> None:
    names = ("RUNS_ROOT", "ARTIFACTS_ROOT", "BUFF_USER", "BUFF_CSV_BYTES_MAX", "BUFF_ROWS_MAX", "BUFF_FREE_BYTES_MIN")
    assert Settings.from_env(dict.fromkeys(names, ""), user="me") == Settings(user="me")


def test_the_environment_is_read() -> None:
    settings = Settings.from_env({"RUNS_ROOT": "/r", "BUFF_USER": "ada", "BUFF_ROWS_MAX": "5"}, user="me")
    assert (settings.runs_root, settings.user, settings.rows_max) == ("/r", "ada", 5)


def test_a_user_that_is_no_text_is_carried_with_marks() -> None:
    assert Settings.from_env({"BUFF_USER": "ad\udcff"}).user == "ad?"


@pytest.mark.parametrize("name", ["BUFF_CSV_BYTES_MAX", "BUFF_ROWS_MAX", "BUFF_FREE_BYTES_MIN"])
@pytest.mark.parametrize("text", ["many", "-1", "1.5", "1e9", " 5", "٣", "0x10"])
def test_a_size_is_a_whole_number_or_names_itself(name: str, text: str) -> None:
    with pytest.raises(RunConfigInvalid) as caught:
        Settings.from_env({name: text})
    assert caught.value.details == {"field": name}
    assert name in caught.value.hint
