"""The locks as they stand, and how the virtualenv and the kept files are made; installs nothing."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from portal.demo import bootstrap

ROOT = Path(__file__).resolve().parents[3]
PINNED = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def pinned(kind: str) -> dict[str, str]:
    return dict(PINNED.findall(bootstrap.LOCKS[kind].read_text()))


def names(requirements: list[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


@pytest.mark.parametrize(
    ("lock", "least"),
    [(bootstrap.LOCKS["run"], 31), (bootstrap.LOCKS["test"], 31), (bootstrap.NODE_LOCK, 1)],
)
def test_a_lock_names_no_place_and_hashes_everything(lock: Path, least: int) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"^(-|.* @ )", text, re.MULTILINE)
    rows = re.split(r"\n(?=\S)", text.strip())
    assert len(rows) == len(PINNED.findall(text)) >= least
    assert all("--hash=sha256:" in row for row in rows)


def test_the_locks_hold_all_that_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = names(project["project"]["dependencies"])
    assert runtime <= set(pinned("run"))
    assert runtime | names(project["dependency-groups"]["test"]) <= set(pinned("test"))
    pinned_aside = dict(PINNED.findall(bootstrap.NODE_LOCK.read_text()))
    assert names(project["dependency-groups"]["node"]) <= set(pinned_aside)


def test_the_tests_run_with_the_versions_that_run() -> None:
    assert pinned("run").items() <= pinned("test").items()


def test_uv_is_told_what_pip_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_FIND_LINKS", "SSL_CERT_FILE", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_FIND_LINKS", "/a /b")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("UV_INDEX_URL", "https://said.example/to-uv")
    told = bootstrap.uv_environment(bootstrap.pip_settings())
    assert told["UV_FIND_LINKS"] == "/a,/b"
    assert told["UV_INDEX_URL"] == "https://said.example/to-uv"
    assert told["UV_PYTHON_DOWNLOADS"] == "never"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with small locks and a virtualenv that looks like one."""
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(os.path.realpath("/bin/sh"))
    (venv / "pyvenv.cfg").write_text("version = 3.11.7\n")
    locks = {"run": tmp_path / "requirements.txt", "test": tmp_path / "requirements-test.txt"}
    for kind, lock in locks.items():
        lock.write_text(f"{kind}==1\n")
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", venv)
    monkeypatch.setattr(bootstrap, "VENV_PYTHON", venv / "bin" / "python")
    monkeypatch.setattr(bootstrap, "VENV_STAMP", venv / "kvitt-lock.json")
    monkeypatch.setattr(bootstrap, "LOCKS", locks)
    return tmp_path


def test_the_virtualenv_is_filled_once_per_lock(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[str] = []
    monkeypatch.setattr(bootstrap, "install", lambda lock: installed.append(lock.name))
    bootstrap.ensure_venv("run")
    bootstrap.ensure_venv("run")
    assert installed == ["requirements.txt"]
    bootstrap.ensure_venv("test")
    bootstrap.ensure_venv("run")  # what the tests need holds what a run needs
    assert installed == ["requirements.txt", "requirements-test.txt"]
    (checkout / "requirements-test.txt").write_text("test==2\n")
    (checkout / "requirements.txt").write_text("run==2\n")
    bootstrap.ensure_venv("run")  # and stays a virtualenv for tests when the locks change
    assert installed[2:] == ["requirements-test.txt"]


def test_an_interrupted_installation_is_done_again(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap.VENV_STAMP.write_text('{"run": "another lock"}')

    def fails(lock: Path) -> None:
        raise bootstrap.SetupFailed(lock.name)

    monkeypatch.setattr(bootstrap, "install", fails)
    with pytest.raises(bootstrap.SetupFailed):
        bootstrap.ensure_venv("run")
    assert not bootstrap.VENV_STAMP.exists()


def test_a_virtualenv_of_an_unfit_python_is_thrown_away(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / ".venv" / "pyvenv.cfg").write_text("version_info = 3.9.18\n")
    monkeypatch.setattr(bootstrap, "install", lambda lock: bootstrap.VENV.mkdir())
    bootstrap.ensure_venv("run")
    assert [entry.name for entry in bootstrap.VENV.iterdir()] == ["kvitt-lock.json"]


@pytest.mark.parametrize("script", ["run", "test"])
def test_without_a_fitting_python_one_sentence_says_so(script: str, tmp_path: Path) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        unfit = tmp_path / name
        unfit.write_text("#!/bin/sh\nexit 1\n")
        unfit.chmod(0o755)
    for name in ("sh", "dirname"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if name == "sh" else "/usr/bin/dirname")
    # `test` is itself Python: it is started by one that then does not find a fitting one.
    command = [str(ROOT / script)]
    if script == "test":
        lines = f"import runpy, sys; sys.executable = {str(tmp_path / 'python3')!r}; "
        lines += f"sys.argv = ['test']; runpy.run_path({str(ROOT / script)!r}, run_name='__main__')"
        command = [os.path.realpath("/proc/self/exe"), "-S", "-c", lines]
    told = subprocess.run(
        command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert re.search(r"Kvitt needs Python 3.11, 3.12 or 3.13.*Install one", told.stderr)


def test_secrets_are_made_once_and_for_this_account_only(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "secrets.json"
    made = bootstrap.secrets_in(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert bootstrap.secrets_in(path) == made == json.loads(path.read_text())
    assert len(bytes.fromhex(made["SIGNATURE_KEY"])) == 32
    assert bootstrap.secrets_in(tmp_path / "other.json") != made


def test_a_step_is_done_again_when_a_file_or_its_product_changes(tmp_path: Path) -> None:
    source, note = tmp_path / "a.po", tmp_path / "steps.json"
    source.write_text("one")
    done = bootstrap.Done(note)
    assert not done.same("step", [source])
    done.note({"step": [source]})
    assert bootstrap.Done(note).same("step", [source])
    source.write_text("other")
    assert not bootstrap.Done(note).same("step", [source])


def test_the_application_role_is_read_from_its_address() -> None:
    urls = bootstrap.DatabaseUrls("postgresql://o@/k?host=/s", "postgresql://l%40m:w@h/k")
    told = bootstrap.database_environment(urls)
    assert told["DATABASE_APP_ROLE"] == "l@m"
