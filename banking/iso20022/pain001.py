"""The payment initiation (pain.001.001.03 and .09) as callers use it: read, write, check_schema.

The work is done in the pain001_* modules beside it; nothing outside this package imports those.
"""

from typing import BinaryIO

from banking.iso20022 import pain001_parts, pain001_schema
from banking.iso20022.pain001_reader import read
from banking.iso20022.pain001_writer import WriterProfile, write
from banking.located import InvalidOutput, Place, Unreadable

VERSIONS = pain001_schema.VERSIONS

__all__ = ["VERSIONS", "InvalidOutput", "WriterProfile", "check_schema", "read", "write"]


def check_schema(source: BinaryIO, *, version: str) -> None:
    """Holds a written file to the official XSD of that version, streaming in constant memory.

    Raises InvalidOutput with the fault's place and the code and params of Unreadable.
    """
    try:
        guarded = pain001_parts.open_pain001(source)
        if guarded.root.version != version:
            raise InvalidOutput(
                code="wrong-namespace",
                problem=f"The file is a pain.001.001.{guarded.root.version}, not {version}.",
                place=Place(1, ""),
                params={"namespace": guarded.root.namespace},
            )
        schema = pain001_schema.schema_of(version)
        for _part in pain001_parts.Cutter(guarded=guarded, schema=schema).parts():
            pass
    except Unreadable as fault:
        raise InvalidOutput(
            code=fault.code, problem=fault.problem, place=fault.place, params=fault.params
        ) from fault
