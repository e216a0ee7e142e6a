"""The settings of a project: where they come from, which wins, and what is said of a wrong one."""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import TypedDict

import pytest
from langgraph.graph import StateGraph

from signoff import Signoff
from signoff.config import Settings, export_variables, load
from signoff.domain.errors import ConfigError
from signoff.graph import loading
from signoff.graph.catalog import Served

GRAPH = """
from typing import TypedDict
from langgraph.graph import START, StateGraph
builder = StateGraph(TypedDict("State", {"a": int}))
builder.add_node("node", lambda state: state)
builder.add_edge(START, "node")
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, the current folder of a process that has no setting in its environment."""
    others = {name: os.environ[name] for name in os.environ if not name.startswith("SIGNOFF_")}
    monkeypatch.setattr(os, "environ", others)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def toml(project: Path, text: str) -> None:
    (project / "signoff.toml").write_text(text)


def langgraph(project: Path, content: object) -> None:
    (project / "langgraph.json").write_text(json.dumps(content))


def refused(project: Path) -> str:
    with pytest.raises(ConfigError) as error:
        load(project)
    assert "\n" not in error.value.message
    return error.value.message


def test_a_project_without_files_has_the_defaults(project: Path):
    settings = load(project)
    assert settings == Settings(data_dir=project / ".signoff")
    assert (settings.host, settings.port, settings.graphs) == ("127.0.0.1", 8124, {})


def test_the_environment_wins_over_the_file(project: Path, monkeypatch: pytest.MonkeyPatch):
    toml(project, 'port = 9000\ntakeover = "30s"\nlog_level = "DEBUG"\n')
    monkeypatch.setenv("SIGNOFF_PORT", "9001")
    monkeypatch.setenv("SIGNOFF_HOST", "")
    settings = load(project)
    assert (settings.port, settings.host) == (9001, "127.0.0.1")
    assert settings.takeover == timedelta(seconds=30)
    assert settings.log_level == "debug"


def test_folders_are_those_of_the_project_wherever_it_is_read_from(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    inner = project / "inner"
    inner.mkdir()
    toml(inner, 'data_dir = "data"')
    assert load(inner).data_dir == inner / "data"
    monkeypatch.setenv("SIGNOFF_DATA_DIR", "/elsewhere")
    assert load(inner).data_dir == Path("/elsewhere")


def test_policies_calendars_and_users_are_no_settings(project: Path):
    toml(project, "port = 1\n[policy]\nquorum = 2\n[[policy]]\n[[calendar]]\n[[user]]\n")
    assert load(project).port == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = 1\nhost\n", "signoff.toml:2: "),
        ('host = "a"\n\nprot = 1\n', "signoff.toml:3: there is no setting 'prot' (did you mean"),
        ("# port = 2\nport = 70000", "signoff.toml:2: port: Input should be less than"),
        ("takeover = 15", "signoff.toml:1: takeover: 15 is no duration: write it with its unit"),
        ('log_level = "loud"', "signoff.toml:1: log_level: Input should be 'debug'"),
        ("graphs = 3", "signoff.toml:1: graphs: Input should be a valid dictionary"),
        ('port = 1\n[graphs]\na = "x:y"\nb = 3\n', "signoff.toml:4: graphs.b: Input should be"),
        ('dependencies = [".", 3]', "signoff.toml:1: dependencies.1: "),
        ("\xff", "signoff.toml"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(project: Path, text: str, said: str):
    (project / "signoff.toml").write_bytes(text.encode("latin-1"))
    assert refused(project).startswith(said)


def test_a_wrong_variable_is_named_and_its_value_is_not(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    toml(project, "port = 1")
    monkeypatch.setenv("SIGNOFF_PORT", "my-secret")
    assert refused(project).startswith("SIGNOFF_PORT: ")
    assert "my-secret" not in refused(project)
    monkeypatch.delenv("SIGNOFF_PORT")
    monkeypatch.setenv("SIGNOFF_GRAPHS", "{")
    assert refused(project) == "SIGNOFF_GRAPHS: it is to be JSON"


def test_a_setting_that_is_gone_is_said_with_what_takes_its_place(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    toml(project, "port = 9000\ninsecure = false\n")
    assert refused(project).startswith("signoff.toml:2: the setting insecure is gone: whoever")
    monkeypatch.setenv("SIGNOFF_INSECURE", "1")
    assert "SIGNOFF_INSECURE is gone" in refused(project)
    assert "`signoff keys create`" in refused(project)


def test_a_file_that_is_named_has_to_exist(project: Path):
    with pytest.raises(ConfigError, match="there is no file"):
        load(project, file=project / "other.toml")
    (project / "other.toml").write_text("port = 3")
    assert load(project, file=project / "other.toml").port == 3


# --- langgraph.json ----------------------------------------------------------------------------


def test_graphs_come_from_both_files_and_ours_wins(project: Path):
    langgraph(
        project,
        {
            "dependencies": [".", "./lib", "some-package"],
            "graphs": {"a": "./a.py:graph", "b": {"path": "./b.py:graph", "description": "B"}},
            "python_version": "3.12",
        },
    )
    toml(project, '[graphs]\nb = "./other.py:graph"\nc = "package:graph"')
    settings = load(project)
    assert settings.graphs == {
        "a": "./a.py:graph",
        "b": "./other.py:graph",
        "c": "package:graph",
    }
    assert settings.dependencies == (".", "./lib", "some-package")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n "graphs": {},,\n}', "langgraph.json:2: "),
        ("[]", "langgraph.json: it is not an object"),
        ('{"graphs": ["a"]}', "langgraph.json: 'graphs' cannot be a list"),
        ('{"graphs": {"a": 3}}', "langgraph.json: graph 'a' is not given as './file.py:variable'"),
        ('{"graphs": {"a": {"description": ""}}}', "langgraph.json: graph 'a' is not given as"),
        ('{"dependencies": "."}', "langgraph.json: 'dependencies' cannot be a str"),
        ('{"env": 3}', "langgraph.json: 'env' cannot be a int"),
    ],
)
def test_a_langgraph_json_that_is_wrong_says_where(project: Path, text: str, said: str):
    (project / "langgraph.json").write_text(text)
    assert refused(project).startswith(said)


def test_its_dependencies_that_are_folders_can_be_imported_from(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (project / "graphs").mkdir()
    (project / "lib").mkdir()
    (project / "lib" / "test_config_helper.py").write_text(GRAPH)
    (project / "graphs" / "main.py").write_text("from test_config_helper import builder\n")
    langgraph(
        project,
        {"dependencies": ["./lib", "langgraph"], "graphs": {"a": "./graphs/main.py:builder"}},
    )
    settings = load(project)
    loaded = loading.load(project, settings.graphs, settings.dependencies)
    assert type(loaded["a"]).__name__ == "StateGraph"


def test_an_error_in_a_graph_says_in_which_line(project: Path):
    (project / "graph.py").write_text("a = 1\n\nb = a / 0\n")
    with pytest.raises(ConfigError) as error:
        loading.load(project, {"a": "./graph.py:graph"})
    assert error.value.message == (
        "graph 'a': importing ./graph.py raised ZeroDivisionError: division by zero"
        " (graph.py, line 3)"
    )
    (project / "graph.py").write_text("a = 1\ndef\n")
    with pytest.raises(ConfigError, match=r"SyntaxError: .* \(graph.py, line 2\)$"):
        loading.load(project, {"a": "./graph.py:graph"})


def test_a_graph_that_ends_the_program_or_does_not_compile_is_a_mistake_in_the_project(
    project: Path,
):
    (project / "graph.py").write_text("import sys\nsys.exit('no key')\n")
    with pytest.raises(ConfigError, match=r"raised SystemExit: no key \(graph.py, line 2\)"):
        loading.load(project, {"a": "./graph.py:graph"})
    with pytest.raises(ConfigError, match="graph 'a' does not compile: ValueError"):
        loading.serve({"a": StateGraph(TypedDict("State", {"a": int}))}, lambda name: None)


def test_a_graph_whose_file_or_name_is_none_is_a_mistake_in_the_project(project: Path):
    for target in ("./graph.js", "../../etc/passwd"):
        with pytest.raises(ConfigError, match=f"graph 'a': {target} is no Python file"):
            loading.load(project, {"a": f"{target}:graph"})
    for name in ("", "a/b", "a\n", "a" * 256):
        with pytest.raises(ConfigError, match="a graph's name has 1 to 255 printable characters"):
            Served(name)


def test_its_variables_win_over_the_environment_but_not_over_signoffs_own(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("TEST_MODEL", "TEST_KEY", "TEST_NUMBER"):
        monkeypatch.setenv(name, "set")
    monkeypatch.setenv("SIGNOFF_PORT", "1")
    (project / ".env").write_text(
        '# the model\nexport TEST_MODEL="large # one"\nTEST_KEY=k-${TEST_MODEL}\nEMPTY\n'
        "SIGNOFF_PORT=2\nSIGNOFF_HOST=::1\n"
    )
    langgraph(project, {"env": ".env"})
    export_variables(project)
    assert os.environ["TEST_MODEL"] == "large # one"
    assert os.environ["TEST_KEY"] == "k-large # one"
    assert "EMPTY" not in os.environ
    assert (load(project).port, load(project).host) == (1, "::1")
    langgraph(project, {"env": {"TEST_NUMBER": 3}})
    export_variables(project)
    assert os.environ["TEST_NUMBER"] == "3"


@pytest.mark.parametrize("env", [".env", ["TEST_KEY"], {}, None, ""])
def test_variables_that_are_nowhere_are_no_error(project: Path, env: object):
    langgraph(project, {"env": env})
    before = dict(os.environ)
    export_variables(project)
    assert dict(os.environ) == before


def test_a_desk_with_graphs_of_its_own_leaves_the_environment_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TEST_MODEL", "set")
    langgraph(project, {"env": {"TEST_MODEL": "other"}})
    Signoff(graphs={})
    assert os.environ["TEST_MODEL"] == "set"
    Signoff()
    assert os.environ["TEST_MODEL"] == "other"


def test_a_provider_is_said_in_the_file_and_its_secret_in_the_environment(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    toml(project, '[oidc]\nissuer = "https://login.firm.com"\nclient_id = "signoff"\n')
    monkeypatch.setenv("SIGNOFF_OIDC_CLIENT_SECRET", "my-secret")
    monkeypatch.setenv("SIGNOFF_OIDC_SCOPES", '["email"]')
    settings = load(project).oidc
    assert settings is not None
    assert settings.client_secret is not None
    assert settings.client_secret.get_secret_value() == "my-secret"
    assert (settings.scopes, settings.name) == (("openid", "email"), "login.firm.com")
    assert "my-secret" not in repr(settings)
    monkeypatch.setenv("SIGNOFF_OIDC_ISSUER", "http://login.firm.com/my-secret")
    assert refused(project).startswith("SIGNOFF_OIDC_ISSUER: it is an https:// address")
    assert "my-secret" not in refused(project)
    monkeypatch.delenv("SIGNOFF_OIDC_ISSUER")
    monkeypatch.setenv("SIGNOFF_OIDC_SCOPES", "email")
    assert refused(project) == "SIGNOFF_OIDC_SCOPES: it is to be JSON"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('issuer = "https://a.example"', "oidc.client_id: this is needed"),
        ('issuer = "http://a.example"\nclient_id = "x"', ":2: oidc.issuer: it is an https://"),
        ('issuer = "https://[a"\nclient_id = "x"', ":2: oidc.issuer"),
        ('issuer = "https://a.example?b"\nclient_id = "x"', ":2: oidc.issuer"),
        (
            'issuer = "https://a.example"\nclient_id = "x"\nclient = 1',
            ":4: oidc.client: there is no such setting",
        ),
        (
            'issuer = "https://a.example"\nclient_id = "x"\nallowed_groups = ["a"]',
            "allowed_groups needs groups_claim",
        ),
        (
            'issuer = "https://a.example"\nclient_id = "x"\nroles = {a = "admin"}',
            "roles needs groups_claim or roles_claim",
        ),
        (
            'issuer = "https://a.example"\nclient_id = "x"\ndefault_role = "none"',
            "nobody has a role",
        ),
    ],
)
def test_what_makes_no_provider_is_said_with_its_line(project: Path, text: str, said: str):
    toml(project, f"[oidc]\n{text}\n")
    assert said in refused(project)
