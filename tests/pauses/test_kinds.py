"""A kind of pauses that an installed package adds, as docs/how-to/kinds.md has it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from langgraph.types import interrupt

from signoff.domain.errors import ConfigError, InvalidAnswer, InvalidPolicy
from signoff.domain.request import Delivery, RequestState
from signoff.pauses.any_kind import sections, understand
from signoff.pauses.registry import kinds
from signoff.policies.reading import load
from signoff.service.decide import resume
from tests.conftest import Clock, OpenDesk
from tests.helpers import Log, chain, listed, settled, started, the_open, time_kept

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "kinds.md"
TEXT = HOW_TO.read_text(encoding="utf-8")
MODULE = re.findall(r"```python\n(# bank_pauses.py.*?)```", TEXT, re.DOTALL)[0]
POLICY = re.findall(r"```toml\n(\[\[policy.*?)```", TEXT, re.DOTALL)[0]
ENTRY = re.findall(r'"signoff.pauses"\]\n(.*?)\n', TEXT)[0].replace('"', "")

TRANSFERS = [{"to": "ACME", "amount": 700}, {"to": "Inkworks", "amount": 400}]

Install = Callable[..., Path]


def test_the_table_in_the_reference_has_the_kinds_in_their_order() -> None:
    kinds.cache_clear()
    reference = HOW_TO.parents[1] / "reference" / "kinds.md"
    table = re.findall(r"^\| \[`(\w+)`\]", reference.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(table) == sorted(kinds())
    tried = [name for name in kinds() if name != "breakpoint"]  # comes from no `interrupt()`
    assert [name for name in table if name != "breakpoint"] == tried


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package of one module, with this entry point, as pip leaves it behind."""

    def installed(module: str = MODULE, entry: str = ENTRY, name: str = "bank_pauses") -> Path:
        site = tmp_path / f"site-{name}"
        about = site / f"{name}-1.0.dist-info"
        about.mkdir(parents=True)
        (site / f"{name}.py").write_text(module)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[signoff.pauses]\n{entry}\n")
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, name, raising=False)
        kinds.cache_clear()
        return site

    yield installed
    monkeypatch.undo()
    kinds.cache_clear()


def release(state: Log) -> Log:
    return {"seen": [interrupt({"transfers": TRANSFERS, "limit": 1000})]}


def hold_on(state: Log) -> Log:
    return {"seen": [interrupt("Anything else?")]}


async def test_a_kind_of_a_package_reads_judges_and_answers(
    open_desk: OpenDesk, install: Install
) -> None:
    install()
    desk = await open_desk({"g": chain(release, hold_on)})
    await started(desk)
    request = await the_open(desk)
    assert (request.kind, request.title) == ("transfers", "Release 2 transfers?")
    [section] = sections(request)
    assert section.content == "0: 700 to ACME\n1: 400 to Inkworks"
    for values, at in [
        ({"released": [0, 1]}, "/values/released"),
        ({"released": [2]}, "/values/released/0"),
        ({}, "/values/released"),
    ]:
        with pytest.raises(InvalidAnswer) as refused:
            await desk.decide(request.id, "release", values=values, by="jane")
        assert [error.pointer for error in refused.value.errors] == [at]
    with pytest.raises(InvalidAnswer):
        await resume(desk.office, "t", {"released": [0, 1]}, by="jane")
    assert (await the_open(desk)).votes == ()

    await resume(desk.office, "t", {"released": [1]}, by="jane")
    thread = await settled(desk)
    assert thread.values["seen"] == [{"released": [1], "by": "jane"}]
    assert (await the_open(desk)).kind == "question"


async def test_policies_fall_back_on_what_a_package_says(
    open_desk: OpenDesk, install: Install, clock: Clock
) -> None:
    install()
    path = Path("signoff.toml")
    book = load(POLICY.replace("group:treasury", "jane"), path=path)
    desk = await open_desk({"g": chain(release)}, now=clock, policies=lambda: book)
    await started(desk)
    clock.forward(timedelta(hours=4))
    await time_kept(desk)
    assert (await settled(desk)).values["seen"] == [{"released": [], "by": "system"}]
    with pytest.raises(InvalidPolicy, match="choose hold"):
        load(POLICY.replace('"hold"', '"reject"'), path=path)


async def test_a_fallback_that_the_kind_refuses_does_not_apply(
    open_desk: OpenDesk, install: Install
) -> None:
    install()
    fallback = 'otherwise = { action = "release", values = { released = [%s] } }'
    text = f'[policy]\nwithin = "1h"\n{fallback % "0, 1"}\n[[policy]]\nnode = "x"\n'
    book = load(text, path=Path("signoff.toml"))
    desk = await open_desk({"g": chain(release)}, policies=lambda: book)
    await started(desk)
    assert (await the_open(desk)).policy.otherwise is None
    question = understand({"transfers": TRANSFERS, "limit": 2000}, None, node="release")
    place = {"graph": "g", "node": "release", "kind": "transfers", "topic": None}
    held = book.policy_for({}, **place, actions=question.actions, question=question)
    assert held.otherwise is not None


async def test_where_the_package_is_missing_its_requests_are_seen_and_wait(
    open_desk: OpenDesk, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install()
    desk = await open_desk({"g": chain(release)}, work=False)
    worker = await open_desk({"g": chain(release)})
    await started(worker)
    request = await the_open(desk)

    monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(site)])
    kinds.cache_clear()
    assert (await the_open(desk)).title == "Release 2 transfers?"
    assert sections(request)[0].content["transfers"] == TRANSFERS
    with pytest.raises(ConfigError, match="no kind of pause 'transfers' here"):
        await desk.decide(request.id, "hold", by="jane")
    assert (await the_open(desk)).state is RequestState.OPEN

    monkeypatch.syspath_prepend(site)
    kinds.cache_clear()
    await worker.__aexit__(None, None, None)
    await desk.decide(request.id, "hold", by="jane")
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(site)])
    kinds.cache_clear()
    worker = await open_desk({"g": chain(release)})
    await settled(desk)
    [failed] = await listed(desk)
    assert failed.delivery is Delivery.FAILED
    assert "no kind of pause 'transfers' here" in (failed.delivery_error or "")

    monkeypatch.syspath_prepend(site)
    kinds.cache_clear()
    await desk.retry(request.id, by="jane")
    assert (await settled(worker)).values["seen"] == [{"released": [], "by": "jane"}]


RAISES = MODULE.replace("payload = payload_of(value)", "raise LookupError('no ' + node)")
RAISES_EARLY = MODULE.replace("return isinstance(value, dict) and", "return 1 / 0 and")
NO_ACTIONS = re.sub(r"actions=\(.*?\n            \),", "actions=(),", MODULE, flags=re.DOTALL)
BAD_SCHEMA = MODULE.replace('"type": "array"', '"type": "list"')


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (RAISES, "The kind transfers could not read it"),
        (RAISES_EARLY, None),
        (NO_ACTIONS, "it has no actions"),
        (BAD_SCHEMA, "no JSON Schema"),
    ],
)
def test_a_kind_that_fails_loses_no_pause(install: Install, module: str, said: str | None) -> None:
    assert module != MODULE
    install(module)
    question = understand({"transfers": TRANSFERS, "limit": 1}, None, node="release")
    assert question.kind == "question"
    assert said is None or said in (question.remark or "")


@pytest.mark.parametrize(
    ("module", "entry", "said"),
    [
        (MODULE, "x = bank_pauses:NoSuchKind", "cannot be loaded: AttributeError"),
        ("import nowhere_to_be_found", ENTRY, "cannot be loaded: ModuleNotFoundError"),
        (MODULE, "x = bank_pauses:Policy", "is no subclass of signoff.pauses.PauseKind"),
        (
            MODULE.replace('"transfers"\n', '"choice"\n'),
            ENTRY,
            "'choice', which Signoff has already",
        ),
        (MODULE.replace('"transfers"\n', '"a b"\n'), ENTRY, "no name that is fit for a kind"),
        (MODULE.replace("def read(", "def reads("), ENTRY, "cannot be made: TypeError"),
    ],
)
async def test_an_entry_point_that_is_broken_stops_the_desk_by_name(
    open_desk: OpenDesk, install: Install, module: str, entry: str, said: str
) -> None:
    install(module, entry)
    with pytest.raises(ConfigError) as refused:
        await open_desk({"g": chain(release)})
    assert said in str(refused.value)
    assert f"the entry point {entry} in signoff.pauses of bank_pauses" in str(refused.value)


def test_two_packages_cannot_have_the_same_kind(install: Install) -> None:
    install()
    install(name="more_pauses", entry="again = more_pauses:TransfersKind")
    with pytest.raises(ConfigError, match="which the entry point again = more_pauses"):
        kinds()


def test_nothing_is_looked_up_at_import(install: Install) -> None:
    site = install("raise RuntimeError('imported')")
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "import signoff, signoff.pauses.registry, signoff.policies.book, signoff.desk\n"
        "assert 'bank_pauses' not in sys.modules\n"
        "try: signoff.pauses.registry.kinds()\n"
        "except Exception as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cannot be loaded: RuntimeError: imported" in ran.stdout
