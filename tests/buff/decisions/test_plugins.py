"""Strategies from outside: found by their id, loaded when asked for, hashed by their files, refused with evidence."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import outside
from buff.decisions import plugins
from buff.decisions.strategy import decide, known, packages, resolve, source_sha256, strategies, strategy, unusable
from buff.errors import StrategyInvalid
from buff.market.timeframe import Timeframe
from outside import RULE, install
from worlds import bars_of

BARS = bars_of(Timeframe.HOUR_1, [1.0] * 4, [1.0, 2.0, 3.0, 2.0])


def refusal(id: str) -> StrategyInvalid:
    with pytest.raises(StrategyInvalid) as caught:
        strategy(id)
    return caught.value


def told(id: str) -> StrategyInvalid:
    """The same refusal, as it stands in the list."""
    found = [each for each in unusable() if each.id == id]
    assert found
    return found[0].error


# Found and loaded


def test_an_installed_strategy_is_found_by_its_id_and_listed_behind_those_built_in(site: Path) -> None:
    install(site, "riser", version="1.2")
    found = strategy("riser")
    assert decide(found, BARS, resolve(found, {})).target.tolist() == [0, 1, 1, 0]
    assert strategies()["riser"] is found
    assert list(strategies())[-1] == "riser"
    assert "moon" not in strategies()
    assert len(strategies()) == len(list(strategies()))
    assert known()[-1] == "riser"
    assert [(each.name, each.version) for each in packages(found)] == [("riser", "1.2")]
    assert packages(strategy("hold")) == ()


def test_no_package_is_imported_before_its_strategy_is_asked_for(site: Path) -> None:
    install(site, "riser")
    install(site, "bystander")
    with pytest.raises(StrategyInvalid, match=r"there is no strategy 'moon'") as caught:
        strategy("moon")
    assert {"hold", "bystander", "riser"} <= set(
        str(caught.value.details["known"]).replace("'", "").strip("[]").split(", ")
    )
    assert strategies()["hold"] is strategy("hold")
    assert not {"riser", "bystander"} & set(sys.modules)
    strategy("riser")
    assert "bystander" not in sys.modules


def test_what_is_built_in_needs_no_look_at_what_is_installed() -> None:
    """`import buff` and a run of a built-in strategy must not pay for packages they do not use."""
    code = (
        "from importlib import metadata\n"
        "def refuse(**given): raise SystemExit('looked')\n"
        "metadata.entry_points = refuse\n"
        "from buff.decisions.strategy import source_sha256, strategy\n"
        "print(len(source_sha256(strategy('ma_cross'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "64\n"


# Refused, and never in the way of the others


def test_a_package_that_cannot_be_imported_is_told_with_its_last_line_and_stops_nobody(site: Path) -> None:
    install(site, "riser")
    install(
        site, "faulty", files={"__init__.py": "from .deep import STRATEGY\n", "deep.py": "x = 1\nSTRATEGY = 1 / 0\n"}
    )
    error = refusal("faulty")
    assert error.message == (
        "strategy faulty of package faulty 0.1.0 cannot be used: importing faulty:STRATEGY raised "
        "ZeroDivisionError: division by zero"
    )
    assert error.details["place"] == "faulty.deep, line 2, in <module>"
    assert error.details["source_line"] == "STRATEGY = 1 / 0"
    assert str(site) not in repr(error.as_dict())
    assert "riser" in strategies()
    assert told("faulty").message == error.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import sys; sys.exit(3)", "raised SystemExit: 3"),
        ("def broken(:\n", "raised SyntaxError"),
        ("import no_such_library", "raised ModuleNotFoundError: No module named 'no_such_library'"),
        ("STRATEGY = 7", "is no buff.Strategy but int"),
        ("OTHER = 7", "raised AttributeError"),
        (RULE.replace("{id}", "another"), "it is registered as odd but calls itself another"),
        (RULE.replace("{id}", "odd").replace('"", "rise"', '"", "risk_rise"'), "the reason 'risk_rise' is not a word"),
        (RULE.replace("{id}", "odd").replace('"", "rise"', '"up", "rise"'), "raised AssertionError"),
        (RULE.replace("{id}", "odd").replace('version="1"', 'version=""'), "version must be a text"),
        (RULE.replace("{id}", "odd").replace("return 1", "return -1"), "warmup must return a whole number"),
        (RULE.replace("{id}", "odd").replace("return 1", "return 1.0"), "warmup must return a whole number"),
    ],
)
def test_what_gives_no_strategy_is_refused_with_the_reason(site: Path, text: str, says: str) -> None:
    install(site, "odd", files={"__init__.py": text})
    assert says in refusal("odd").message
    assert says in told("odd").message
    assert "hold" in strategies()


def test_two_packages_with_one_id_are_both_refused(site: Path) -> None:
    install(site, "riser")
    install(site, "riser", package="other")
    error = refusal("riser")
    assert "registered more than once" in error.message
    assert error.details["packages"] == ["other (other:STRATEGY)", "riser (riser:STRATEGY)"]
    assert "riser" not in strategies()
    assert len([each for each in unusable() if each.id == "riser"]) == 2


def test_the_id_of_a_built_in_strategy_stays_what_it_is(site: Path) -> None:
    install(site, "hold", package="usurper")
    before = strategy("hold")
    assert before.rule == "Long from the first bar to the last."
    assert strategies()["hold"] is before
    assert "the id of a strategy that is built in" in told("hold").message
    assert "usurper" not in sys.modules


@pytest.mark.parametrize("id", ["Riser", "1riser", "ri-ser", "r" * 65])
def test_an_id_is_a_plain_word(site: Path, id: str) -> None:
    install(site, id, package="odd")
    assert "is not made of a-z, 0-9 and _" in refusal(id).message


def test_a_strategy_of_another_package_than_the_one_that_is_hashed_is_refused(site: Path) -> None:
    install(site, "riser")
    install(
        site,
        "borrower",
        files={"__init__.py": "import attrs, riser\nSTRATEGY = attrs.evolve(riser.STRATEGY, id='borrower')"},
    )
    error = refusal("borrower")
    assert "it takes a part from riser, which the hash of borrower would not cover" in error.message


def test_a_strategy_that_nobody_registered_has_no_source(site: Path) -> None:
    install(site, "riser")
    found = strategy("riser")
    outside.uninstall(site, "riser")
    with pytest.raises(StrategyInvalid, match="is not the one that is registered"):
        source_sha256(found)
    assert "there is no strategy 'riser'" in refusal("riser").message


# The hash


def test_the_hash_is_over_every_file_in_the_order_of_the_paths(site: Path) -> None:
    """Worked by hand: path, NUL, SHA-256 of the bytes; a table beside the code counts, compiled caches do not."""
    rule = RULE.replace("{id}", "riser")
    folder = install(
        site, "riser", files={"__init__.py": rule, "b/table.csv": "1\r\n", "b/__init__.py": "", "b.py": ""}
    )
    strategy("riser")
    assert (folder / "__pycache__").is_dir() or sys.dont_write_bytecode
    expected = hashlib.sha256()
    for name, content in (
        ("__init__.py", rule.encode()),
        ("b.py", b""),
        ("b/__init__.py", b""),
        ("b/table.csv", b"1\r\n"),
    ):
        expected.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    assert source_sha256(strategy("riser")) == expected.hexdigest()


def test_line_ends_of_source_do_not_count_and_those_of_data_do(site: Path) -> None:
    folder = install(site, "riser", files={"__init__.py": RULE.replace("{id}", "riser"), "table.csv": "1\n2\n"})
    one = plugins.hash_of("riser", "riser")
    source = folder / "__init__.py"
    source.write_bytes(source.read_bytes().replace(b"\n", b"\r\n"))
    assert plugins.hash_of("riser", "riser") == one
    (folder / "table.csv").write_bytes(b"1\r\n2\r\n")
    assert plugins.hash_of("riser", "riser") != one


def test_the_hash_does_not_depend_on_where_the_package_lies(site: Path) -> None:
    """A wheel copies the package beside its metadata, an editable install leaves it in the checkout."""
    folder = install(site, "riser")
    here = plugins.hash_of("riser", "riser")
    outside.forget(site)
    checkout = site.parent / "checkout"
    checkout.mkdir()
    folder.rename(checkout / "riser")
    with outside.site(checkout):
        assert plugins.hash_of("riser", "riser") == here
        assert source_sha256(strategy("riser")) == here


@pytest.mark.parametrize("name", ["fast.so", "deep/fast.pyd", "old.pyc", "fast.DLL"])
def test_compiled_code_is_refused(site: Path, name: str) -> None:
    install(site, "riser", files={"__init__.py": RULE.replace("{id}", "riser"), name: "x"})
    assert f"{name} is compiled code" in refusal("riser").message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in directories here")
def test_what_is_no_file_is_refused_and_not_waited_for(site: Path) -> None:
    folder = install(site, "riser")
    os.mkfifo(folder / "pipe")
    assert "pipe is no file" in refusal("riser").message
    (folder / "pipe").unlink()
    (folder / "gone").symlink_to(folder / "nowhere")
    assert "gone is no file" in refusal("riser").message


@pytest.mark.parametrize("place", ["import", "decide"])
def test_what_a_strategy_asks_of_numpy_is_asked_of_nobody_else(site: Path, place: str) -> None:
    text = RULE.replace("{id}", "strict")
    ask = "np.seterr(all='raise')\n"
    text = text.replace("import numpy as np\n", f"import numpy as np\n{ask}", 1) if place == "import" else text
    text = text.replace("    target = np.zeros", f"    {ask}    target = np.zeros") if place == "decide" else text
    install(site, "strict", files={"__init__.py": text})
    before = np.geterr()
    rule = strategy("strict")
    assert decide(rule, BARS, resolve(rule, {})).target.tolist() == [0, 1, 1, 0]
    assert np.geterr() == before


def test_a_strategy_that_leaves_the_program_is_refused(site: Path) -> None:
    text = RULE.replace("{id}", "quitter").replace(
        "    target = np.zeros", "    raise SystemExit(0)\n    target = np.zeros"
    )
    install(site, "quitter", files={"__init__.py": text})
    rule = strategy("quitter")
    with pytest.raises(StrategyInvalid, match="decide raised SystemExit: 0") as caught:
        decide(rule, BARS, resolve(rule, {}))
    assert caught.value.details["source_line"] == "raise SystemExit(0)"


def test_a_namespace_package_and_a_lone_module_are_refused(site: Path) -> None:
    install(site, "spread", files={"rule.py": RULE.replace("{id}", "spread")}, value="spread.rule:STRATEGY")
    assert "no package with an __init__.py" in refusal("spread").message
    install(site, "lone", value="lone:STRATEGY", files={"unused.txt": ""})
    (site / "lone.py").write_text(RULE.replace("{id}", "lone"))
    (site / "lone" / "unused.txt").unlink()
    (site / "lone").rmdir()
    assert "no package with an __init__.py" in refusal("lone").message


def test_source_that_changed_after_it_was_loaded_is_refused(site: Path) -> None:
    """Else the decisions of the old code would be recorded under the hash of the new."""
    folder = install(site, "riser")
    found = strategy("riser")
    one = source_sha256(found)
    (folder / "__init__.py").write_text(RULE.replace("{id}", "riser") + "# better\n")
    with pytest.raises(StrategyInvalid, match="the source of strategy riser changed after it was loaded"):
        source_sha256(found)
    outside.forget(site)
    plugins._LOADED.clear()
    assert source_sha256(strategy("riser")) != one


# What it stands on


def test_the_packages_a_strategy_stands_on_are_named_with_their_versions(site: Path) -> None:
    """Through others, too; without buff and numpy, without extras, and without what is not installed."""
    install(site, "quick_maths", version="2.0", requires=["deep_maths"])
    install(site, "deep_maths", version="3.1", requires=["numpy", "Quick.Maths"])
    install(
        site,
        "riser",
        requires=[
            "numpy>=2",
            "buff",
            "Quick_Maths>=1 ; python_version > '3'",
            "absent-on-linux",
            "hypothesis; extra == 't'",
        ],
    )
    assert [(each.name, each.version) for each in packages(strategy("riser"))] == [
        ("riser", "0.1.0"),
        ("deep-maths", "3.1"),
        ("quick-maths", "2.0"),
    ]
    assert plugins.version("quick-maths") == "2.0"
    assert plugins.version("absent-on-linux") is None


def test_another_process_gives_the_same_hash_whatever_its_hash_seed(site: Path) -> None:
    install(
        site, "riser", files={"__init__.py": RULE.replace("{id}", "riser"), "a.txt": "", "b.txt": "", "c/d.txt": ""}
    )
    code = "from buff.decisions.strategy import source_sha256, strategy; print(source_sha256(strategy('riser')))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": str(site), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1")
    }
    assert found == {source_sha256(strategy("riser"))}
