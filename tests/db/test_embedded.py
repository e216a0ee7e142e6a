"""The embedded PostgreSQL: found again, shared, and up again whatever is killed.

Continuous integration is root; what needs an ordinary user gets one there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import psycopg
import pytest

from signoff.db import embedded, embedded_account, embedded_server
from signoff.db.embedded import start
from signoff.domain.errors import DatabaseUnreachable
from tests.in_memory import MEMORY, has_room

T = TypeVar("T")

AS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not AS_ROOT, reason="only root can change users")

USER = """
import sys
from pathlib import Path
from signoff.db.embedded import start
server = start(Path(sys.argv[1]))
print(server.url, flush=True)
if sys.stdin.readline() == "close\\n":
    server.close()
"""
"""A process that uses the server until its input ends; it closes it itself only when told to."""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a stopped server, to be copied where its making is not what is tested."""
    folder = tmp_path_factory.mktemp("embedded") / "cluster"
    with start(folder):
        pass
    return folder


@pytest.fixture
def folder(cluster: Path, tmp_path: Path) -> Path:
    """A stopped server's folder. Copied by root it is root's, as users' copies would be."""
    return shutil.copytree(cluster, tmp_path / "desk")


@contextlib.contextmanager
def user_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the server of `folder`."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str], word: str = "") -> None:
    """Let a user process end in the ordinary way."""
    process.communicate(word, timeout=60)
    assert process.returncode == 0


def postmaster(folder: Path) -> psutil.Process | None:
    """The running server of `folder`, as the system sees it."""
    for process in psutil.process_iter(["name", "cmdline"]):
        command = process.info["cmdline"] or []
        if process.info["name"] == "postgres" and str(folder / "postgres") in command:
            return process if process.status() != psutil.STATUS_ZOMBIE else None
    return None


def the_postmaster(folder: Path) -> psutil.Process:
    process = postmaster(folder)
    assert process
    return process


def remember(url: str, word: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
        connection.execute("INSERT INTO words VALUES (%s)", [word])


def remembered(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [word for (word,) in connection.execute("SELECT word FROM words")]


def eventually(look: Callable[[], T]) -> T:
    """What `look` gives, once it raises no more: another process's state has no event to await."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return look()
        except (AssertionError, psycopg.OperationalError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def as_nobody(action: Callable[[], None]) -> None:
    """Do `action` as a user without rights, in a child that forgets how to be root."""
    if not AS_ROOT:
        action()
        return
    nobody = pwd.getpwnam("nobody")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            action()
            os._exit(0)
        except BaseException:
            os.write(writing, traceback.format_exc().encode())
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        problem = pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, problem


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder of `nobody` (of ours, if we are not root) that everybody can walk to."""
    where = MEMORY if has_room(MEMORY) else "/tmp"
    folder = Path(tempfile.mkdtemp(prefix="signoff-test-", dir=where)).resolve()
    folder.chmod(0o755)
    if AS_ROOT:
        shutil.chown(folder, "nobody")
    yield folder
    shutil.rmtree(folder)


# --- what it is ----------------------------------------------------------------------------------


def test_a_first_start_creates_a_durable_database_for_many_connections(tmp_path: Path) -> None:
    with start(tmp_path / "new" / ".signoff") as server, psycopg.connect(server.url) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()
            for name in ("fsync", "synchronous_commit", "max_connections", "listen_addresses")
        }
    assert shown == {
        "fsync": ("on",),
        "synchronous_commit": ("on",),
        "max_connections": ("200",),
        "listen_addresses": ("",),
    }
    assert (tmp_path / "new" / ".signoff" / ".gitignore").read_text() == "*\n"


def test_a_second_start_finds_what_the_first_one_left(folder: Path) -> None:
    with start(folder) as server:
        remember(server.url, "kept")
    assert postmaster(folder) is None
    with start(folder) as server:
        assert remembered(server.url) == ["kept"]


def test_a_folder_that_was_there_is_not_hidden_from_git(tmp_path: Path) -> None:
    with start(tmp_path):
        assert not (tmp_path / ".gitignore").exists()


@pytest.mark.parametrize(
    "name",
    ["my desk", "it's", 'say "so"', "a,b", "$HOME `id`", "100%", "prüfung", "@", "x" * 120],
)
def test_any_path_will_do(cluster: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(cluster, tmp_path / name)
    with start(folder) as server:
        remember(server.url, name)
        assert remembered(server.url) == [name]


# --- who shares it -------------------------------------------------------------------------------


def test_it_runs_until_the_last_user_leaves(folder: Path) -> None:
    first, second = start(folder), start(folder)
    assert first.url == second.url
    first.close()
    first.close()
    assert is_new(second.url)
    second.close()
    assert postmaster(folder) is None


def test_two_processes_share_one_server(folder: Path) -> None:
    with user_process(folder) as other:
        url = line(other)
        running = the_postmaster(folder)
        with start(folder) as server:
            assert server.url == url
            assert the_postmaster(folder) == running
            end(other, "close\n")
            assert is_new(server.url)
            assert the_postmaster(folder) == running
    assert postmaster(folder) is None


def test_processes_that_come_at_once_to_a_new_folder_share_one_server(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    with contextlib.ExitStack() as stack:
        users = [stack.enter_context(user_process(folder)) for _ in range(4)]
        assert len({line(user) for user in users}) == 1
        the_postmaster(folder)
        for user in users:
            end(user, "close\n")
    assert postmaster(folder) is None


def test_an_interpreter_that_just_exits_leaves_no_server_behind(folder: Path) -> None:
    with user_process(folder) as user:
        line(user)
        end(user)
    assert postmaster(folder) is None


# --- what can be killed --------------------------------------------------------------------------


def test_a_server_outlives_a_kill_of_the_process_that_started_it(folder: Path) -> None:
    with user_process(folder) as starter:
        url = line(starter)
        running = the_postmaster(folder)
        with start(folder) as server:
            starter.kill()
            starter.wait()
            assert is_new(url)
            assert the_postmaster(folder) == running
        assert server.url == url
    assert postmaster(folder) is None


def test_a_server_whose_only_user_was_killed_is_joined_and_then_stopped(folder: Path) -> None:
    with user_process(folder) as starter:
        line(starter)
        starter.kill()
        starter.wait()
    running = the_postmaster(folder)
    with start(folder) as server:
        assert the_postmaster(folder) == running
        assert is_new(server.url)
    assert postmaster(folder) is None


def test_a_killed_server_comes_back_for_its_users_with_all_that_was_committed(
    folder: Path,
) -> None:
    with start(folder) as server:
        for word in ("one", "two", "three"):
            remember(server.url, word)
            the_postmaster(folder).kill()
            eventually(lambda: remembered(server.url))
        assert remembered(server.url) == ["one", "two", "three"]
    assert postmaster(folder) is None


def test_a_killed_server_comes_back_although_a_session_of_it_hangs(folder: Path) -> None:
    with start(folder) as server, psycopg.connect(server.url) as connection:
        remember(server.url, "kept")
        hanging = psutil.Process(connection.info.backend_pid)
        hanging.suspend()
        the_postmaster(folder).kill()
        assert eventually(lambda: remembered(server.url)) == ["kept"]
        assert not embedded_server.alive(hanging)


def test_a_server_killed_together_with_all_its_users_starts_again(folder: Path) -> None:
    with user_process(folder) as user:
        remember(line(user), "kept")
        user.kill()
        user.wait()
        the_postmaster(folder).kill()
    with start(folder) as server:
        assert remembered(server.url) == ["kept"]


def test_a_creation_cut_short_is_begun_anew(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    with user_process(folder) as user:
        eventually(lambda: next_draft(folder))
        user.kill()
        user.wait()
    with start(folder) as server:
        assert is_new(server.url)
    with start(folder):
        assert {path.name for path in folder.glob("postgres*")} == {
            "postgres",
            "postgres.lock",
            "postgres.log",
            "postgres.users",
        }


@pytest.mark.parametrize("content", ["ours", "", "-1", "4194304"])
def test_a_lock_file_that_names_no_server_of_ours_is_ignored(folder: Path, content: str) -> None:
    """After a reboot, or in a new container, the process id is a stranger's or nobody's."""
    content = str(os.getpid()) if content == "ours" else content
    stale = f"{content}\n{folder / 'postgres'}\n1700000000\n5432\n{folder / 'postgres'}\n"
    (folder / "postgres" / "postmaster.pid").write_text(stale if content else "")
    with start(folder) as server:
        assert is_new(server.url)


def test_a_folder_removed_under_its_users_can_be_used_anew(folder: Path) -> None:
    with start(folder) as old:
        remember(old.url, "lost")
        before = the_postmaster(folder)
        shutil.rmtree(folder)
        with start(folder) as new:
            assert not embedded_server.alive(before)
            assert is_new(new.url)


# --- who may use it ------------------------------------------------------------------------------


def test_an_ordinary_user_has_a_server_too(cluster: Path, public: Path) -> None:
    def use() -> None:
        with start(public / "desk") as server:
            remember(server.url, "mine")
            the_postmaster(public / "desk").kill()
            assert eventually(lambda: remembered(server.url)) == ["mine"]
        with start(public / "desk") as server:
            assert remembered(server.url) == ["mine"]
        assert postmaster(public / "desk") is None

    as_nobody(use)


@only_root
def test_root_and_the_owner_of_the_folder_share_the_server(public: Path) -> None:
    folder = public / "desk"
    nobody = pwd.getpwnam("nobody").pw_uid

    def join() -> None:
        with start(folder) as mine:
            assert remembered(mine.url) == ["root's"]

    with start(folder) as server:
        assert the_postmaster(folder).uids().effective == nobody
        assert folder.stat().st_uid == nobody
        remember(server.url, "root's")
        as_nobody(join)
    as_nobody(join)


@only_root
def test_root_has_a_user_made_for_it_and_opens_no_more_than_the_way(public: Path) -> None:
    home = public / "home"
    home.mkdir(mode=0o700)
    with start(home / "desk"):
        user = the_postmaster(home / "desk").uids().effective
        assert user == pwd.getpwnam(embedded_account.NAME).pw_uid
        assert stat.S_IMODE(home.stat().st_mode) == 0o701


@only_root
@pytest.mark.parametrize("name", ["desk", "x" * 120])
def test_another_user_is_not_let_in(public: Path, name: str) -> None:
    os.chown(public, 0, 0)
    with start(public / name) as server:

        def intrude() -> None:
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(server.url)
            with pytest.raises(DatabaseUnreachable, match="Permission denied"):
                start(public / name)

        as_nobody(intrude)
        assert is_new(server.url)


@only_root
def test_root_without_a_user_for_the_server_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_account, "NAME", "no-such-user")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(DatabaseUnreachable, match=r"refuses to run as root.*SIGNOFF_DATABASE_URL"):
        start(tmp_path / "desk")


# --- what is said when it cannot be --------------------------------------------------------------


def test_a_folder_that_cannot_be_written_is_named(cluster: Path, public: Path) -> None:
    closed = public / "closed"
    closed.mkdir(mode=0o555)

    def use() -> None:
        with pytest.raises(DatabaseUnreachable, match=f"Permission denied: '{closed}"):
            start(closed)
        with pytest.raises(DatabaseUnreachable, match=f"Permission denied: '{closed}"):
            start(closed / "desk")

    as_nobody(use)


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "desk").write_text("")
    with pytest.raises(DatabaseUnreachable, match="Not a directory"):
        start(tmp_path / "desk")


def test_data_of_another_version_of_postgresql_is_left_alone(folder: Path) -> None:
    (folder / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(DatabaseUnreachable, match=r"made by PostgreSQL 17.* brings 18"):
        start(folder)


def test_a_server_that_does_not_start_says_why(folder: Path) -> None:
    with pytest.raises(DatabaseUnreachable, match='invalid value for parameter "max_connections"'):
        start(folder, settings={"max_connections": "many"})
    settings = {"max_connections": "7"}
    with start(folder, settings=settings) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SHOW max_connections").fetchone() == ("7",)


def test_a_start_that_another_process_holds_up_ends_with_a_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "PATIENCE", 0.1)
    with (folder / "postgres.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DatabaseUnreachable, match="another process has been starting"):
            start(folder)


@pytest.mark.parametrize("trap", ["open to all", "a link", "somebody else's"])
def test_a_socket_folder_that_others_prepared_is_not_used(public: Path, trap: str) -> None:
    folder = public / ("x" * 120)
    path = os.fsencode(folder / "postgres" / ".s.PGSQL.5432")
    sockets = Path("/tmp") / f"signoff-{hashlib.sha256(path).hexdigest()[:16]}"
    if trap == "a link":
        sockets.symlink_to(public)
    else:
        sockets.mkdir(mode=0o700)
        if trap == "open to all":
            sockets.chmod(0o777)
    try:
        if trap == "somebody else's":
            os.chown(sockets, 12345, 12345) if AS_ROOT else pytest.skip("takes root to set up")
        with pytest.raises(DatabaseUnreachable, match=f"{sockets} should be a folder of user"):
            start(folder)
    finally:
        sockets.unlink() if trap == "a link" else sockets.rmdir()


def next_draft(folder: Path) -> Path:
    drafts = list(folder.glob(".postgres-*"))
    assert drafts
    return drafts[0]


def is_new(url: str) -> bool:
    """Whether it answers, and has not been told anything."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT to_regclass('words')").fetchone() == (None,)
