"""How a row of the jobs table becomes a Job. For the stores alone: no row is seen above them."""

from dataclasses import fields
from typing import Any

from shared.jobs import Job, JobKind, JobState
from shared.plans import Speed
from shared.spec import RenderSpec
from shared.tables import jobs

ROW = [jobs.c[field.name] for field in fields(Job)]


def job_from(row: Any) -> Job:
    values = {column.name: row._mapping[column] for column in ROW}
    values |= {
        "kind": JobKind(values["kind"]),
        "state": JobState(values["state"]),
        "speed": Speed(values["speed"]),
        "spec": RenderSpec.from_dict(values["spec"]),
    }
    return Job(**values)
