"""Holds who may come in through the SFTP door and how far."""

import io

import paramiko
import pytest

LINE = {"id": "E1", "amount": "100"}


def payment_file(order, who):
    return order(who, "M1", [{"id": "P1", "lines": [LINE]}])


def test_nobody_signs_in_with_another_key_or_name(bank, open_customer, make_key):
    who = open_customer(bank)
    for user, key in ((who.user, make_key()), ("nobody", None)):
        with pytest.raises(paramiko.AuthenticationException):
            bank.connect(user, key)


def test_both_kinds_of_rename_deliver_a_file(bank, open_customer):
    who = open_customer(bank)
    bank.upload(who.user, "A.xml", "x", rename="rename")
    bank.upload(who.user, "B.xml", "x", rename="posix_rename")
    with bank.sftp(who.user) as sftp:
        assert sorted(sftp.listdir("pain001")) == ["A.xml", "B.xml"]


def test_a_customer_sees_only_its_own_folders(bank, open_customer):
    who, other = open_customer(bank), open_customer(bank)
    with bank.sftp(who.user) as sftp:
        assert sorted(sftp.listdir("/")) == ["archive", "out", "pain001"]
        assert sorted(sftp.listdir("/../..")) == ["archive", "out", "pain001"]
        for path in (f"../{other.user}/pain001", "../../books.sqlite3", "/etc/passwd"):
            with pytest.raises(OSError, match=r".*"):
                sftp.stat(path)
        with pytest.raises(OSError, match=r".*"):
            sftp.symlink("/../../books.sqlite3", "pain001/way-out")
        sftp.mkdir("own")
        sftp.rmdir("own")


def test_the_archive_belongs_to_the_bank(bank, open_customer, order):
    who = open_customer(bank)
    bank.upload(who.user, "F.xml", payment_file(order, who))
    bank.work()
    with bank.sftp(who.user) as sftp:
        for act in (
            lambda: sftp.remove("archive/F.xml"),
            lambda: sftp.rename("archive/F.xml", "pain001/F.xml"),
            lambda: sftp.putfo(io.BytesIO(b"x"), "archive/G.xml"),
            lambda: sftp.rename("pain001", "gone"),
        ):
            with pytest.raises(PermissionError):
                act()
        with sftp.open("archive/F.xml") as kept:
            assert kept.read().decode() == payment_file(order, who)
