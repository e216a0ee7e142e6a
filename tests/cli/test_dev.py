"""`signoff dev`: everything in one process, started again when the project changes."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from pathlib import Path

import httpx
import psutil
import pytest

from signoff.cli.address import AddressTaken, bind, is_loopback, listen, url_of
from signoff.cli.project_files import ProjectFiles, changes
from signoff.domain.errors import ConfigError
from tests.cli.conftest import GRAPH
from tests.processes import answer, command, dev

MEMORY = 200 * 1024 * 1024


def test_dev_needs_nothing_and_finds_its_data_again(project: Path):
    with dev(project=project).ready() as program:
        waiting = answer("start", "payment", "--input", '{"amount": 1}', "--wait", project=project)
        [[interrupt]] = waiting["interrupts"].values()
        assert interrupt["value"]["title"] == "Pay 1?"
        assert program.stop(signal.SIGINT) == 0
    with dev(project=project).ready() as program, httpx.Client(base_url=program.url) as http:
        [request] = http.get("/requests?state=open").json()["items"]
        decided = http.post(f"/requests/{request['id']}/decisions", json={"action": "approve"})
        assert decided.json()["outcome"]["by"] == "dev"
        thread = http.get(f"/threads/{waiting['thread_id']}/runs").json()
        assert thread
        assert program.stop() == 0
    assert not (project / ".signoff" / "postgres" / "postmaster.pid").exists()


def test_dev_brings_a_database_of_ones_own_to_this_version(project: Path, empty_database_url: str):
    with dev(project=project, database_url=empty_database_url).ready() as program:
        assert httpx.get(f"{program.url}/readyz").is_success
    assert not (project / ".signoff").exists()


def test_dev_is_small(project: Path, database_url: str):
    with dev(project=project, database_url=database_url).ready() as program:
        processes = [psutil.Process(program.pid), *program.children()]
        assert len(processes) == 2
        assert sum(each.memory_info().rss for each in processes) < MEMORY


def test_dev_starts_again_where_it_was_when_a_graph_changes_or_its_process_is_killed(
    project: Path, database_url: str
):
    with dev(project=project, database_url=database_url).ready() as program:
        [before] = program.children()
        (project / "graph.py").write_text(GRAPH.replace("Pay {", "Really pay {"))
        program.wait_for("graph.py changed, starting again")
        # A call that comes in between only takes longer.
        assert httpx.get(f"{program.url}/readyz", timeout=30).is_success
        assert program.ready(times=2).output.count(f"is ready at {program.url}") == 2
        assert not before.is_running()
        thread = answer(
            "start", "payment", "--input", '{"amount": 1}', "--wait",
            project=project, database_url=database_url,
        )  # fmt: skip
        assert "Really pay 1?" in str(thread["interrupts"])

        [killed] = program.children()
        killed.kill()
        program.wait_for("ended by SIGKILL, starting again")
        assert httpx.get(f"{program.url}/readyz", timeout=30).is_success
        assert program.ready(times=3).stop() == 0


def test_a_mistake_in_a_graph_is_shown_and_waited_for_until_mended(
    project: Path, database_url: str
):
    (project / "graph.py").write_text("def (:\n")
    with dev(project=project, database_url=database_url) as program:
        program.wait_for("waiting for a change")
        assert "raised SyntaxError: invalid syntax (graph.py, line 1)" in program.output
        assert "Traceback" not in program.output
        (project / "graph.py").write_text(GRAPH)
        program.ready()
        (project / "langgraph.json").write_text("{")
        program.wait_for("waiting for a change", times=2)
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{program.url}/readyz")
        (project / "langgraph.json").write_text('{"graphs": {"other": "./graph.py:graph"}}')
        program.ready(times=2)
        found = httpx.post(f"{program.url}/assistants/search", json={}).json()
        assert [each["graph_id"] for each in found] == ["other"]
        assert program.stop() == 0


def test_dev_is_for_this_machine_alone(project: Path, database_url: str):
    for options, settings in (
        (("--host", "0.0.0.0"), {}),
        (("--no-reload",), {"SIGNOFF_HOST": "example.com"}),
    ):
        refused = command("dev", *options, project=project, database_url=database_url, **settings)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        assert "not on loopback" in refused.stderr


def test_dev_that_cannot_start_at_all_ends(project: Path, tmp_path: Path, database_url: str):
    refused = command("dev", project=tmp_path, database_url=database_url)
    assert (refused.returncode, "this folder is no project" in refused.stderr) == (1, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = command("dev", "--port", port, project=project, database_url=database_url)
        assert refused.returncode == 1
        assert f"cannot listen on 127.0.0.1 port {port}" in refused.stderr


def test_without_reload_it_is_one_process(project: Path, database_url: str):
    with dev("--no-reload", project=project, database_url=database_url).ready() as program:
        assert program.children() == []
        assert program.stop() == 0


def test_a_project_that_loses_its_supervisor_ends_gracefully(project: Path):
    with dev(project=project).ready() as program:
        [child] = [each for each in program.children() if "signoff.cli" in " ".join(each.cmdline())]
        program.kill()
        assert psutil.wait_procs([child], timeout=30)[1] == []
    assert not (project / ".signoff" / "postgres" / "postmaster.pid").exists()


def test_an_interactive_interrupt_reaches_it_once(project: Path, database_url: str):
    """In a terminal Ctrl-C goes to the whole group of processes; the project is not in it."""
    with dev(project=project, database_url=database_url).ready() as program:
        os.killpg(program.pid, signal.SIGINT)
        assert program.wait() == 0
        assert "Traceback" not in program.output


# --- what it watches -----------------------------------------------------------------------------


def test_only_files_of_the_project_are_watched(tmp_path: Path):
    folder = tmp_path / "project"
    for path in (
        ".signoff/postgres",
        ".git",
        "environment/lib/python3.11/site-packages",
        "node_modules/a",
        "src/inner/__pycache__",
        "../shared/inner",
        "../graphs",
        "../config",
    ):
        (folder / path).mkdir(parents=True)
    (folder / "environment" / "pyvenv.cfg").touch()
    (folder / "langgraph.json").write_text(
        '{"dependencies": [".", "../shared", "langchain"], "env": "../config/env",'
        ' "graphs": {"a": "../graphs/a.py:graph", "b": "package.module:graph"}}'
    )
    files = ProjectFiles.of(folder)
    names = {str(each.relative_to(tmp_path)) for each in files.folders}
    assert names == {
        "project", "project/src", "project/src/inner", "shared", "shared/inner", "graphs", "config",
    }  # fmt: skip
    for path in ("src/a.py", "notes.txt", ".signoff/a.py", "../config/env", "../shared/inner/b.py"):
        (folder / path).touch()
    changed = files.changed_until(ProjectFiles.of(folder))
    assert {str(each.relative_to(tmp_path)) for each in changed} == {
        "project/src/a.py", "config/env", "shared/inner/b.py",
    }  # fmt: skip
    (folder / "langgraph.json").write_text("{")
    assert folder in ProjectFiles.of(folder).folders


def test_no_change_is_missed_and_none_is_told_twice(tmp_path: Path):
    stop = threading.Event()
    before = ProjectFiles.of(tmp_path)
    (tmp_path / "first.py").touch()
    found = filter(None, changes(tmp_path, before, stop))
    assert next(found) == [tmp_path / "first.py"]
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.py").touch()
    assert next(found) == [tmp_path / "new" / "a.py"]
    (tmp_path / "new" / "inner").mkdir()
    (tmp_path / "new" / "inner" / "b.py").touch()
    assert next(found) == [tmp_path / "new" / "inner" / "b.py"]
    (tmp_path / "new" / "inner" / "b.py").unlink()
    (tmp_path / "first.py").write_text("changed")
    assert next(found) == [tmp_path / "first.py", tmp_path / "new" / "inner" / "b.py"]
    (tmp_path / "new" / "notes.txt").touch()
    stop.set()
    assert list(found) == []


# --- where it listens ----------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_is_this_machine(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "localhost.example.com", ""])
def test_what_others_reach_is_not(host: str):
    assert not is_loopback(host)


def test_a_free_port_is_taken_and_named():
    with bind("127.0.0.1", 0) as bound:
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d+", url_of(bound))
    if socket.has_dualstack_ipv6():
        with bind("::1", 0) as bound:
            assert url_of(bound).startswith("http://[::1]:")
    with pytest.raises(ConfigError, match="there is no address"):
        bind("no-such-host.invalid", 0)


def test_of_two_that_take_a_port_at_once_one_is_told_so():
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(AddressTaken, match=str(port)):
            _take(port, after=first)


def _take(port: int, *, after: socket.socket) -> None:
    """Bind before the other one listens, which Linux allows, and listen after it."""
    with bind("127.0.0.1", port) as second:
        listen(after)
        listen(second)
