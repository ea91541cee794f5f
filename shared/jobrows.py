"""How a row of the jobs table becomes a Job, and values a table. For the stores alone: no row is seen
above them."""

from dataclasses import fields
from typing import Any

from sqlalchemy import ARRAY, bindparam, column, func

from shared.jobs import Job, JobKind, JobState, Visibility
from shared.plans import Speed
from shared.spec import RenderSpec
from shared.tables import jobs

_NAMES = [field.name for field in fields(Job)]
ROW = [jobs.c[name] for name in _NAMES]


def job_from(row: Any) -> Job:
    """`row` begins with the columns of ROW."""
    values: dict[str, Any] = dict(zip(_NAMES, row, strict=False))
    return Job(
        **values
        | {
            "kind": JobKind(values["kind"]),
            "state": JobState(values["state"]),
            "speed": Speed(values["speed"]),
            "visibility": Visibility(values["visibility"]),
            "spec": RenderSpec.from_dict(values["spec"]),
        }
    )


def told(**kinds: Any) -> Any:
    """Arrays, given as parameters of these names, as a table of these columns: however many rows it
    has, the statement is the same and stays prepared."""
    arrays = (bindparam(name, type_=ARRAY(kind)) for name, kind in kinds.items())
    columns = (column(name, kind) for name, kind in kinds.items())
    return func.unnest(*arrays).table_valued(*columns).render_derived(name="told")
