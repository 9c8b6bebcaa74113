"""Settings: what the environment may say, checked whole."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from buff.errors import RunConfigInvalid
from buff.settings import GIB, OFF, ON, Settings

NUMBERS = {
    "BUFF_CSV_BYTES_MAX": "csv_bytes_max",
    "BUFF_ROWS_MAX": "rows_max",
    "BUFF_FREE_BYTES_MIN": "free_bytes_min",
    "BUFF_UPLOAD_BYTES_MAX": "upload_bytes_max",
    "BUFF_REQUESTS_PER_MINUTE": "requests_per_minute",
    "BUFF_BUILDS_MAX": "builds_max",
    "BUFF_QUEUE_MAX": "queue_max",
    "BUFF_SWEEP_RUNS_MAX": "sweep_runs_max",
}
TEXTS = ("RUNS_ROOT", "ARTIFACTS_ROOT", "BUFF_USER", "BUFF_KILL_SWITCH", "BUFF_WEB_CREATE", "BUFF_TOKEN")


def test_an_empty_environment_gives_safe_defaults() -> None:
    settings = Settings.from_env({}, cores=4)
    assert (settings.runs_root, settings.artifacts_root, settings.user) == (None, None, "unknown")
    assert (settings.csv_bytes_max, settings.rows_max, settings.free_bytes_min) == (2 * GIB, 30_000_000, GIB)
    assert (settings.upload_bytes_max, settings.requests_per_minute, settings.queue_max) == (GIB, 600, 100)
    assert (settings.builds_max, settings.kill_switch, settings.web_create, settings.token) == (4, False, False, None)


def test_settings_made_in_python_have_no_limit_of_requests_and_builds() -> None:
    settings = Settings()
    assert (settings.requests_per_minute, settings.builds_max) == (None, None)
    assert evolve(settings, requests_per_minute=600, builds_max=1) == Settings.from_env({})


def test_empty_values_are_the_same_as_none() -> None:
    assert Settings.from_env(dict.fromkeys((*NUMBERS, *TEXTS), ""), user="me") == Settings.from_env({}, user="me")


def test_the_environment_is_read() -> None:
    settings = Settings.from_env({"RUNS_ROOT": "/r", "BUFF_USER": "ada", "BUFF_TOKEN": "s3cret~"}, user="me")
    assert (settings.runs_root, settings.user, settings.token) == ("/r", "ada", "s3cret~")


@pytest.mark.parametrize(("name", "field"), NUMBERS.items())
def test_a_number_is_read_under_its_own_name(name: str, field: str) -> None:
    assert Settings.from_env({name: "5"}) == evolve(Settings.from_env({}), **{field: 5})


def test_a_user_that_is_no_text_is_carried_with_marks() -> None:
    assert Settings.from_env({"BUFF_USER": "ad\udcff"}).user == "ad?"


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["many", "-1", "1.5", "1e9", " 5", "٣", "0x10", "9" * 19, "9" * 5_000])
def test_a_number_is_whole_or_names_itself(name: str, text: str) -> None:
    with pytest.raises(RunConfigInvalid) as caught:
        Settings.from_env({name: text})
    assert caught.value.details == {"field": name}
    assert name in caught.value.hint
    assert len(caught.value.message) < 100


@pytest.mark.parametrize("name", ["BUFF_REQUESTS_PER_MINUTE", "BUFF_BUILDS_MAX"])
def test_a_limit_under_which_nothing_can_be_done_is_refused_and_the_kill_switch_named(name: str) -> None:
    with pytest.raises(RunConfigInvalid, match=f"^{name} is 0") as caught:
        Settings.from_env({name: "0"})
    assert "kill-switch" in caught.value.hint


@given(st.text(st.characters(exclude_characters="\0"), max_size=8) | st.sampled_from(sorted(ON | OFF)))
def test_a_kill_switch_that_is_not_plainly_off_is_on(text: str) -> None:
    """Invariants checked: only the five words for off, in any case and with space around them, leave it off."""
    assert Settings.from_env({"BUFF_KILL_SWITCH": text}).kill_switch == (text.strip().lower() not in OFF)


@given(st.text(st.characters(exclude_characters="\0"), max_size=8) | st.sampled_from(sorted(ON | OFF)))
def test_creation_on_the_web_is_plainly_on_or_off_or_refused(text: str) -> None:
    """Invariants checked: on for the four words, off for the five, else RUN_CONFIG_INVALID that names the setting."""
    word = text.strip().lower()
    if word in ON | OFF:
        assert Settings.from_env({"BUFF_WEB_CREATE": text}).web_create == (word in ON)
    else:
        with pytest.raises(RunConfigInvalid) as caught:
            Settings.from_env({"BUFF_WEB_CREATE": text})
        assert caught.value.details == {"field": "BUFF_WEB_CREATE"}


@pytest.mark.parametrize("text", ["two words", "tab\t", "line\n", "ümlaut", "\udcff", "nul\x7f"])
def test_a_token_that_no_header_can_carry_is_refused_and_never_shown(text: str) -> None:
    with pytest.raises(RunConfigInvalid) as caught:
        Settings.from_env({"BUFF_TOKEN": text})
    assert text not in f"{caught.value.message} {caught.value.hint} {caught.value.details}"


def test_a_token_is_in_no_representation() -> None:
    assert "s3cret" not in repr(Settings(token="s3cret"))


numbers = st.integers(1, 10**12 - 1)


@given(
    st.builds(
        Settings,
        csv_bytes_max=numbers,
        rows_max=numbers,
        free_bytes_min=st.integers(0, 10**12),
        upload_bytes_max=numbers,
        requests_per_minute=numbers,
        builds_max=numbers,
        queue_max=st.integers(0, 10**12),
        sweep_runs_max=st.integers(0, 10**12),
        kill_switch=st.booleans(),
        user=st.text("abc", min_size=1),
        token=st.none() | st.just("secret"),
    )
)
def test_a_worker_is_given_the_limits_of_its_server_by_its_environment(settings: Settings) -> None:
    """Nothing of what a door opens with goes along: neither the token nor that creating is on."""
    given = settings.as_env()
    assert Settings.from_env(given) == evolve(settings, token=None)
    assert not {"BUFF_TOKEN", "BUFF_WEB_CREATE"} & given.keys()


def test_no_limit_is_given_as_one_that_nobody_meets() -> None:
    again = Settings.from_env(Settings().as_env())
    assert again.requests_per_minute is not None
    assert again.builds_max is not None
    assert min(again.requests_per_minute, again.builds_max) >= 10**12
