"""The reader of plain data sets in C; the contract stands in csrc/metersdk.h, the twin is pure_dataset."""

from __future__ import annotations

from array import array

from metersdk._kernel import ffi, lib
from metersdk.fast.pure_dataset import TYPICAL, DataSets, Place


def data_sets(data: bytes, place: Place) -> DataSets:
    """The data sets at the head of ``data`` that take no liberties, without the last one, which may go on."""
    size = len(data)
    room = size // TYPICAL + 1
    here = ffi.new("msdk_block_place *", {"offset": place.offset, "line": place.line, "line_start": place.line_start})
    text, written = bytearray(size), ffi.new("size_t *")
    line, offset = array("I", bytes(4 * room)), array("Q", bytes(8 * room))
    columns = ffi.from_buffer("uint32_t[]", line), ffi.from_buffer("uint64_t[]", offset)
    rows = lib.msdk_data_sets(data, size, here, ffi.from_buffer("uint8_t[]", text), written, *columns, room)
    found = text[: written[0]].decode("latin-1").split("\n")
    # Behind the last LF there is nothing.
    found.pop()
    return DataSets(found, line[:rows], offset[:rows], Place(here.offset, here.line, here.line_start))
