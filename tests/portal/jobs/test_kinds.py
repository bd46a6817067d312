"""The registry of kinds: one name, one kind; a job outlives its kind."""

from __future__ import annotations

import pytest

from portal.access.roles import Permission
from portal.jobs import kinds
from portal.jobs.models import Job
from tests.portal.jobs import sample_kinds as sample


def test_a_kind_is_found_by_its_name() -> None:
    kind = kinds.named(sample.SALARY)
    assert kind.permissions == {Permission.SEE_SALARY}
    assert kind.cancellable
    assert not kinds.named(sample.FIXED).cancellable


def test_two_kinds_cannot_have_one_name() -> None:
    with pytest.raises(kinds.AlreadyRegistered):
        kinds.register(
            sample.EXPORT, run=lambda job, progress: None, title=lambda params: "", permissions=[]
        )


def test_a_job_whose_kind_is_gone_can_still_be_named() -> None:
    job = Job(kind="gone.kind", params={"rows": 1})
    with pytest.raises(kinds.Unknown):
        kinds.named(job.kind)
    assert kinds.title_of(job) == "gone.kind"
    assert kinds.facts_of(job) == []
    assert kinds.title_of(Job(kind=sample.EXPORT, params={"rows": 4})) == "Sample of 4"
