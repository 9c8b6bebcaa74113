"""A recipe gives the bytes that `create` writes, wherever it is made, and says so when it cannot be."""

import pickle
from pathlib import Path

import pytest
from attrs import evolve

from buff import recipe as recipes
from buff.admission import Admission
from buff.batch import admitted_batch, planned
from buff.builder import silent
from buff.errors import BuildLost, RunDamaged, StrategyInvalid
from buff.recipe import Lacking, Product, Recipe, Refusal, make, make_all, packed, shipment, unpacked
from whole import make as create
from whole import opened, request


@pytest.fixture(autouse=True)
def forgetful():
    """A process that was asked nothing yet."""
    recipes._KEPT.clear()


def recipe_of(root: Path, minutes: Path, **changes: object) -> Recipe:
    with opened(root) as store, admitted_batch(store, silent) as admission:
        assert isinstance(admission, Admission)
        (plan,) = planned(store, [request(minutes, **changes)], admission)
    assert plan.recipe is not None, plan.error
    return plan.recipe


@pytest.mark.parametrize("timeframe", ["1m", "1h", "4h"])
def test_a_recipe_makes_the_bytes_that_create_writes(tmp_path: Path, minutes: Path, timeframe: str) -> None:
    recipe = recipe_of(tmp_path, minutes, timeframe=timeframe)
    told = make_all([pickle.loads(pickle.dumps(recipe))])
    assert isinstance(told, bytes)
    (made,) = unpacked(told)
    assert isinstance(made, Product)
    run = create(tmp_path, minutes, timeframe=timeframe).run
    assert made.run_id == run.id
    assert dict(made.manifest) == run.manifest
    for name, _, data in made.artifacts:
        assert (tmp_path / run.id / name).read_bytes() == data
    assert made.event.manifest_sha256 == run.facts["manifest_sha256"]
    assert made.event.sparkline == run.facts["sparkline"]


def test_a_maker_without_the_files_is_sent_them_once(tmp_path: Path, minutes: Path) -> None:
    here = recipe_of(tmp_path, minutes)
    sent = shipment(here)
    far = evolve(here, root=str(tmp_path / "nowhere"))
    assert isinstance(make(far), Lacking)
    first = make(far, sent)
    assert isinstance(first, Product)
    second = make(evolve(far, run_id="another"))
    assert isinstance(second, Product), "what was sent is kept for the recipes that follow"
    assert first.artifacts == second.artifacts
    recipes._KEPT.clear()
    assert make(here) == first


def test_columns_that_are_not_those_that_were_stored_make_nothing(tmp_path: Path, minutes: Path) -> None:
    recipe = recipe_of(tmp_path, minutes)
    sent = shipment(recipe)
    refused = make(recipe, {**sent, "close": sent["open"]})
    assert isinstance(refused, Refusal)
    assert isinstance(refused.error, RunDamaged)
    place = tmp_path.joinpath(*recipe.references[4].file.split("/"))
    place.chmod(0o644)
    place.write_bytes(place.read_bytes()[:-8] + b"\0" * 8)
    assert isinstance(make(recipe), Lacking), "bytes on a disk of ours that changed are not believed either"


def test_answers_come_back_as_they_were_and_their_bytes_are_not_copied(tmp_path: Path, minutes: Path) -> None:
    recipe = recipe_of(tmp_path, minutes)
    refusal = Refusal(code="INTERNAL", message="no", hint="again", details={"at": 1})
    answers = [make(recipe), Lacking(), refusal, make(evolve(recipe, run_id="another"))]
    data = b"".join(packed(answers))
    found = unpacked(data)
    assert found == answers
    assert isinstance(found[0], Product)
    assert all(isinstance(each, memoryview) and each.obj is data for _, _, each in found[0].artifacts)
    assert unpacked(b"".join(packed([]))) == []


def test_another_strategy_or_engine_makes_nothing(tmp_path: Path, minutes: Path) -> None:
    recipe = recipe_of(tmp_path, minutes)
    rule = {**recipe.inputs["strategy"], "source_sha256": "0" * 64}
    for inputs in ({**recipe.inputs, "strategy": rule}, {**recipe.inputs, "engine_version": "0"}):
        refused = make(evolve(recipe, inputs=inputs))
        assert isinstance(refused, Refusal)
        assert isinstance(refused.error, StrategyInvalid)


def test_a_bug_is_told_as_one_without_what_it_says(tmp_path: Path, minutes: Path) -> None:
    recipe = recipe_of(tmp_path, minutes)
    refused = make(evolve(recipe, inputs={**recipe.inputs, "costs": {"secret": 1}}))
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.message) == ("INTERNAL", "TypeError while the run was made")
    assert "secret" not in repr(refused)


def test_an_error_comes_back_as_what_it_was():
    lost = BuildLost("it is gone", hint="again", details={"run_id": "x"})
    back = Refusal(code=lost.code, message=lost.message, hint=lost.hint, details=lost.details).error
    assert type(back) is BuildLost
    assert back.as_dict() == lost.as_dict()


def test_a_process_keeps_the_bars_of_a_few_datasets(tmp_path: Path, minutes: Path) -> None:
    for timeframe in ("1m", "5m", "15m", "30m", "1h", "2h"):
        assert isinstance(make(recipe_of(tmp_path, minutes, timeframe=timeframe)), Product)
    assert len(recipes._KEPT) == recipes.KEPT
