"""`signoff serve` and `signoff worker`, as processes of their own on one database."""

from __future__ import annotations

import json
import re
import signal
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urljoin

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from signoff.db import embedded
from tests import openid_provider
from tests.people import let_in, with_key
from tests.processes import Program, all_ready, answer, command, serve, worker

SLOW_GRAPH = """
import asyncio, os
from typing import TypedDict
from langgraph.graph import START, StateGraph

class State(TypedDict, total=False):
    seconds: float
    worker: int

async def work(state: State) -> State:
    seconds = 0 if os.path.exists("hurry") else state["seconds"]
    print("the node has begun", flush=True)
    await asyncio.sleep(seconds)
    return {"worker": os.getpid()}

builder = StateGraph(State)
builder.add_node("work", work)
builder.add_edge(START, "work")
graph = builder.compile()
"""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A project whose graph takes as long as it is told to."""
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "graph.py").write_text(SLOW_GRAPH)
    (folder / "signoff.toml").write_text('[graphs]\nslow = "./graph.py:graph"\n')
    return folder


REQUESTER = "sales@firm.com"


def requester(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers=with_key(REQUESTER), timeout=30)


@pytest.fixture
def url(database_url: str) -> str:
    """The address of a database in which the requester has a key."""
    let_in(database_url, REQUESTER)
    return database_url


def started(project: Path, database_url: str, graph: str, input: dict[str, Any]) -> str:
    """The id of a new thread on which a run is queued."""
    run = answer(
        "start", graph, "--input", json.dumps(input), project=project, database_url=database_url
    )
    thread_id: str = run["thread_id"]
    return thread_id


def test_a_server_and_a_worker_share_a_database(project: Path, url: str):
    with all_ready(
        server := serve(project=project, database_url=url),
        one := worker(project=project, database_url=url, SIGNOFF_METRICS_PORT="0"),
        another := worker(project=project, database_url=url),
    ):
        with requester(server.url) as http:
            assert http.get("/readyz").is_success
            given = {"assistant_id": "payment", "input": {"amount": 5}}
            thread_id = http.post("/threads", json={}).json()["thread_id"]
            paused = http.post(f"/threads/{thread_id}/runs/wait", json=given).json()
            assert paused["__interrupt__"][0]["value"]["title"] == "Pay 5?"
            [request] = http.get("/requests?state=open").json()["items"]
            assert request == answer("show", request["id"], project=project, database_url=url)
            decision = {"action": "approve", "digest": request["digest"]}
            decided = http.post(f"/requests/{request['id']}/decisions", json=decision)
            assert decided.status_code == 201
        done = answer(
            "start", "payment", "--thread", thread_id, "--wait",
            project=project, database_url=url,
        )  # fmt: skip
        assert done["values"]["by"] == "sales@firm.com"
        figures = one.wait_for(r'"event": "metrics".*"address": "(http://[^"]+)/metrics"').group(1)
        assert httpx.get(f"{figures}/readyz").json() == {"status": "ok"}
        told = httpx.get(f"{figures}/metrics").text
        assert "\nsignoff_workers 2.0\n" in told
        assert httpx.get(f"{figures}/requests").status_code == 404
        assert "\nsignoff_workers 2.0\n" in httpx.get(f"{server.url}/metrics").text
        assert server.stop() == 0
        assert one.stop() == 0
        assert another.stop(signal.SIGINT) == 0


def test_a_server_without_a_worker_leaves_runs_queued(project: Path, url: str):
    with serve(project=project, database_url=url).ready() as server:
        with requester(server.url) as http:
            given = {"assistant_id": "payment", "input": {"amount": 5}}
            http.post("/threads", json={"thread_id": "t1"})
            run = http.post("/threads/t1/runs", json=given).json()
            assert run["status"] == "pending"
            assert http.get("/threads/t1").json()["status"] == "busy"
        assert server.stop() == 0


def test_serve_starts_where_somebody_could_call_it_and_lets_nobody_else_in(
    project: Path, database_url: str
):
    def said(*arguments: str, stdin: str = "") -> str:
        return command(*arguments, project=project, database_url=database_url, stdin=stdin).stdout

    refused = command("serve", project=project, database_url=database_url)
    assert refused.returncode == 1
    assert "signoff keys create" in refused.stderr
    key = json.loads(said("keys", "create", "app", "--role", "operator", "--json"))["key"]
    said("users", "add", "jane")
    said("users", "password", "jane", stdin="correct horse battery\n")
    program = serve(project=project, database_url=database_url)
    with program.ready() as server, httpx.Client(base_url=server.url) as http:
        by_name = {"X-Signoff-Principal": "jane"}
        assert http.get("/requests", headers=by_name).status_code == 401
        assert http.get("/requests", headers={"x-api-key": key}).status_code == 200
        page = http.get("/inbox/sign-in").text
        form = {"csrf": page.split('name="csrf" value="')[1].split('"')[0]}
        form |= {"name": "jane", "password": "correct horse battery"}
        assert http.post("/inbox/sign-in", data=form).status_code == 303
        assert http.get("/inbox").status_code == 200
        assert key not in server.output
        assert "correct horse" not in server.output


def test_people_sign_in_to_a_server_with_a_provider_and_bring_their_groups(
    project: Path, database_url: str
):
    site = "http://signoff.firm.com"  # what people call it; the tests go to where it really is
    policy = '[policy]\nto = "group:legal"\n[oidc]\ncreate_users = true\n'
    (project / "signoff.toml").write_text(policy)
    with openid_provider.running() as firm:
        firm.reset()
        firm.register(f"{site}/inbox/sign-in/oidc/callback")
        firm.add("jane", email="jane@firm.com", email_verified=True, groups=["legal"])
        program = serve(
            project=project,
            database_url=database_url,
            SIGNOFF_PUBLIC_URL=site,
            SIGNOFF_OIDC_ISSUER=firm.issuer,
            SIGNOFF_OIDC_CLIENT_ID=openid_provider.CLIENT,
            SIGNOFF_OIDC_CLIENT_SECRET=openid_provider.SECRET,
            SIGNOFF_OIDC_GROUPS_CLAIM="groups",
        )
        with program.ready() as server, httpx.Client(timeout=30) as http:
            assert http.get(f"{server.url}/requests").status_code == 401
            response = http.get(f"{server.url}/inbox/sign-in/oidc?next=/inbox/threads")
            visited = []
            for _ in range(8):
                if response.is_redirect:
                    url = urljoin(str(response.url), response.headers["location"])
                    visited.append(url.partition("?")[0])
                    response = http.get(url.replace(site, server.url))
                elif "Firm login" in response.text:
                    hidden = re.findall(
                        'type="hidden" name="([^"]*)" value="([^"]*)"', response.text
                    )
                    form = dict(hidden) | {"username": "jane", "password": "opensesame"}
                    response = http.post(response.url, data=form)
            assert f"{site}/inbox/sign-in/oidc/callback" in visited
            assert (response.status_code, response.url.path) == (200, "/inbox/threads")
            assert http.get(f"{server.url}/requests").status_code == 200
            assert openid_provider.SECRET not in server.output
            assert server.stop() == 0
    with psycopg.connect(database_url) as conn:
        users = conn.execute("SELECT name, groups FROM signoff.users").fetchall()
    assert users == [("jane@firm.com", ["legal"])]


@pytest.mark.parametrize("program", ["serve", "worker"])
def test_neither_starts_on_a_database_of_another_version(
    project: Path, empty_database_url: str, program: str
):
    free = {"SIGNOFF_PORT": "0"}
    refused = command(program, project=project, database_url=empty_database_url, **free)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].endswith("run `signoff migrate`")
    refused = command(program, project=project, **free)
    assert refused.returncode == 1
    assert "there is no database in .signoff yet" in refused.stderr


def test_neither_starts_without_graphs(tmp_path: Path, database_url: str):
    refused = command("worker", project=tmp_path, database_url=database_url)
    assert (refused.returncode, "there are no graphs" in refused.stderr) == (1, True)


def test_processes_that_migrate_at_once_do_it_once(project: Path, empty_database_url: str):
    def migrate(_: int) -> list[str]:
        applied: list[str] = answer("migrate", project=project, database_url=empty_database_url)[
            "applied"
        ]
        return applied

    with ThreadPoolExecutor(4) as pool:
        applied = [each for each in pool.map(migrate, range(4)) if each]
    assert len(applied) == 1


def test_both_share_the_embedded_database_of_the_folder(project: Path):
    with embedded.start(project / ".signoff") as database:
        assert command("migrate", project=project).returncode == 0
        let_in(database.url, REQUESTER)
    with all_ready(server := serve(project=project), other := worker(project=project)):
        thread = answer("start", "payment", "--input", '{"amount": 1}', "--wait", project=project)
        assert thread["status"] == "interrupted"
        with requester(server.url) as http:
            assert http.get("/requests").json()["total"] == 1
        assert (server.stop(), other.stop()) == (0, 0)
    assert not (project / ".signoff" / "postgres" / "postmaster.pid").exists()
    assert answer("inbox", project=project)["total"] == 1


def test_a_port_that_is_taken_is_said(project: Path, url: str):
    with serve(project=project, database_url=url).ready() as server:
        port = server.url.rpartition(":")[2]
        refused = command("serve", "--port", port, project=project, database_url=url)
        assert refused.returncode == 1
        assert f"cannot listen on 127.0.0.1 port {port}" in refused.stderr


# --- told to stop --------------------------------------------------------------------------------


def test_a_worker_that_is_told_to_stop_lets_its_run_end(slow: Path, database_url: str):
    thread_id = started(slow, database_url, "slow", {"seconds": 1})
    with worker(project=slow, database_url=database_url) as program:
        program.wait_for("the node has begun")
        assert program.stop() == 0
        thread = answer("threads", thread_id, project=slow, database_url=database_url)
        assert (thread["status"], thread["values"]["worker"]) == ("idle", program.pid)


def test_a_worker_that_cannot_wait_hands_its_run_over(slow: Path, database_url: str):
    thread_id = started(slow, database_url, "slow", {"seconds": 600})
    grace = {"SIGNOFF_SHUTDOWN_GRACE": "0.1s"}
    with worker(project=slow, database_url=database_url, **grace) as first:
        first.wait_for("the node has begun")
        (slow / "hurry").touch()
        with worker(project=slow, database_url=database_url).ready() as second:
            assert first.stop() == 0
            second.wait_for("the node has begun")
            done = answer(
                "start", "slow", "--thread", thread_id, "--wait",
                project=slow, database_url=database_url,
            )  # fmt: skip
            assert done["values"]["worker"] == second.pid


def test_a_worker_outlives_its_terminal_only_under_nohup(slow: Path, database_url: str):
    with worker(project=slow, database_url=database_url).ready() as program:
        assert program.stop(signal.SIGHUP) == 0
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does
    try:
        program = worker(project=slow, database_url=database_url)
    finally:
        signal.signal(signal.SIGHUP, before)
    with program.ready():
        program.send(signal.SIGHUP)
        assert program.stop(signal.SIGINT) == 0
        assert program.output.count("stopping") == 1
        assert "SIGINT" in program.output


def test_a_second_signal_ends_it_at_once(slow: Path, database_url: str):
    started(slow, database_url, "slow", {"seconds": 600})
    long = {"SIGNOFF_SHUTDOWN_GRACE": "600s"}
    with worker(project=slow, database_url=database_url, **long) as program:
        program.wait_for("the node has begun")
        program.send(signal.SIGINT)
        program.wait_for("stopping")
        assert program.stop(signal.SIGINT) == 130


def test_a_call_that_waits_for_a_run_gets_its_answer_before_the_server_ends(slow: Path, url: str):
    with (
        all_ready(
            server := serve(project=slow, database_url=url),
            executing := worker(project=slow, database_url=url),
        ),
        requester(server.url) as http,
        ThreadPoolExecutor(1) as pool,
    ):
        http.post("/threads", json={"thread_id": "t1"})
        given = {"assistant_id": "slow", "input": {"seconds": 1}}
        waiting = pool.submit(http.post, "/threads/t1/runs/wait", json=given)
        executing.wait_for("the node has begun")
        assert server.stop() == 0
        assert waiting.result().json()["worker"] == executing.pid


def test_a_call_that_cannot_be_waited_for_is_told_so(slow: Path, url: str):
    grace = {"SIGNOFF_SHUTDOWN_GRACE": "0.1s"}
    with (
        serve(project=slow, database_url=url, **grace).ready() as server,
        requester(server.url) as http,
        ThreadPoolExecutor(1) as pool,
    ):
        http.post("/threads", json={"thread_id": "t1"})
        given = {"assistant_id": "slow", "input": {"seconds": 1}}
        waiting = pool.submit(http.post, "/threads/t1/runs/wait", json=given)
        while http.get("/threads/t1").json()["status"] != "busy":
            pass
        assert server.stop() == 0
        refused = waiting.result()
        assert (refused.status_code, refused.json()["code"]) == (503, "server_stopping")
        assert "Traceback" not in server.output


# --- what they log -------------------------------------------------------------------------------


def test_logs_are_json_lines_without_secrets_and_at_the_level_that_is_set(
    project: Path, database_url: str
):
    (project / "graph.py").write_text(
        "import logging\nimport structlog\n"
        "log = logging.getLogger('mine')\n"
        "log.info('to %s', 'postgresql://jane:sesame@db/app')\n"
        "log.debug('not this')\n"
        "structlog.get_logger('mine').error('or this', password='x', url='http://a:sesame@b')\n"
        + (project / "graph.py").read_text()
    )
    with worker(project=project, database_url=database_url).ready() as program:
        lines = [line for line in program.output.splitlines() if line.startswith("{")]
    entries = [json.loads(line) for line in lines]
    [mine, structured] = [each for each in entries if each["logger"] == "mine"]
    assert mine["event"] == "to postgresql://jane:***@db/app"
    assert (mine["level"], structured["url"]) == ("info", "http://a:***@b")
    quiet = {"SIGNOFF_LOG_LEVEL": "error"}
    with worker(project=project, database_url=database_url, **quiet).ready() as program:
        assert '"level": "info"' not in program.output


TELLING = """
public_url = "http://127.0.0.1:8124"
outgoing_allowed = ["127.0.0.1"]

[smtp]
host = "127.0.0.1"
port = 1
security = "none"
user = "signoff"
from = "signoff@firm.com"

[oidc]
issuer = "http://127.0.0.1:1"
client_id = "signoff"

[[webhook]]
name = "crm"
url = "http://127.0.0.1:1/sesame-in-a-hook"
secrets = ["env:CRM_SECRET"]
"""
"""Whoever is to be told, or asked who somebody is, cannot be reached."""


def test_no_secret_is_in_a_log_and_each_line_says_what_it_is_about(
    project: Path, database_url: str
):
    """A key, passwords, a session, a token in an address, what receivers of messages and a provider
    are shown: at the level at which all is said."""
    (project / "graph.py").write_text(
        (project / "graph.py").read_text() + "\nimport logging\nthe_review = review\n"
        "def review(state):\n"
        "    logging.getLogger('mine').info('reviewing')\n"
        "    return the_review(state)\n"
        "builder = StateGraph(State)\nbuilder.add_node('review', review)\n"
        "builder.add_edge(START, 'review')\ngraph = builder.compile()\n"
    )
    url = make_conninfo(database_url, password="sesame-of-the-database")
    key = answer("keys", "create", "k", "--role", "admin", project=project, database_url=url)["key"]
    (project / "signoff.toml").write_text(TELLING)
    signing = f"whsec_{b64encode(b'the secret that webhooks are signed with').decode()}"
    loud = {
        "SIGNOFF_LOG_LEVEL": "debug",
        "SIGNOFF_LOG_FORMAT": "json",
        "SIGNOFF_SMTP_PASSWORD": "sesame-of-the-mail-server",
        "SIGNOFF_OIDC_CLIENT_SECRET": "sesame-of-the-provider",
        "CRM_SECRET": signing,
    }
    answer("users", "add", "jane", "--email", "j@firm.com", project=project, database_url=url)
    right = "sesame-of-jane-herself"
    command("users", "password", "jane", project=project, database_url=url, stdin=right)
    with all_ready(
        server := serve(project=project, database_url=url, **loud),
        other := worker(project=project, database_url=url, **loud),
    ):
        with httpx.Client(base_url=server.url, timeout=30) as http:
            form = http.get("/inbox/sign-in")
            [csrf] = set(re.findall(r'name="csrf" value="(\w+)"', form.text))
            for password in ("sesame-that-is-wrong", right):
                http.post(
                    "/inbox/sign-in", data={"csrf": csrf, "name": "jane", "password": password}
                )
            [session] = [value for name, value in http.cookies.items() if "session" in name]
            http.get("/inbox/sesame-in-a-path?token=sesame-in-a-query")
            assert http.get("/inbox/sign-in/oidc").status_code == 502
        ours = {"authorization": f"Bearer {key}", "x-request-id": "from-the-proxy"}
        with httpx.Client(base_url=server.url, headers=ours, timeout=30) as http:
            order = {"assistant_id": "payment", "input": {"amount": 5}, "if_not_exists": "create"}
            http.post("/threads/t1/runs/wait", json=order).raise_for_status()
            [request] = http.get("/requests").json()["items"]
            with psycopg.connect(url, autocommit=True) as conn:
                failed, deadline = set[str](), monotonic() + 60
                while failed != {"webhook", "email"}:
                    rows = conn.execute(
                        "SELECT DISTINCT channel FROM signoff.messages WHERE error IS NOT NULL"
                    )
                    failed = {channel for (channel,) in rows}
                    assert monotonic() < deadline, failed
            decision = {"action": "approve"}
            http.post(f"/requests/{request['id']}/decisions", json=decision).raise_for_status()
            http.get("/threads/t1/runs/wait?token=sesame-in-a-query")
            [_, run] = reversed(http.get("/threads/t1/runs").json())
            http.get(f"/threads/t1/runs/{run['run_id']}/join").raise_for_status()
        assert (server.stop(), other.stop()) == (0, 0)
    said = server.output + other.output
    for secret in (key, key[-20:], session, csrf, signing, signing[-20:], "sesame"):
        assert secret not in said
    entries = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    calls = [each for each in entries if each["event"] == "call"]
    decided = next(each for each in calls if each["status"] == 201)
    assert decided["call_id"] == "from-the-proxy"
    assert decided["route"] == "/requests/{request_id}/decisions"
    first, second = [each for each in entries if each["logger"] == "mine"]
    assert (first["thread_id"], second["thread_id"]) == ("t1", "t1")
    assert (first["run_id"], "request_id" in first) == (request["run_id"], False)
    assert (second["run_id"], second["request_id"]) == (run["run_id"], request["id"])


def test_a_program_that_is_waited_for_in_vain_says_what_it_printed(project: Path):
    with Program("version", project=project) as program, pytest.raises(AssertionError) as error:
        program.ready()
    assert "signoff 0." in str(error.value)
