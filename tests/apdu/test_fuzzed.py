"""What the fuzzer found in this room: each input once more."""

from __future__ import annotations

from metersdk.apdu.columns import Table, concat
from metersdk.apdu.profile_buffer import RowDecoder
from metersdk.fast.axdr_layout import UNDEFINED_DEVIATION


def rows_of(*pieces: bytes) -> Table:
    decoder = RowDecoder(2, [0], period_ms=900_000)
    tables = [decoder.feed(piece) for piece in pieces]
    tables.append(decoder.finish())
    return concat([table for table in tables if table.rows])


def test_a_clock_that_is_null_in_the_first_piece_only() -> None:
    null = bytes.fromhex("020200060000000a")
    stamped = bytes.fromhex("0202090c07e80101ff000000008000000600000009")
    table = rows_of(b"\x01\x02" + null, stamped)
    assert table.rows == 2
    clock = table.columns[0]
    assert list(clock.valid) == [0, 1]
    assert clock.deviation[0] == UNDEFINED_DEVIATION and clock.status[0] == 0xFF
    assert list(table.columns[1].values) == [10, 9]


def test_a_description_of_more_cells_than_any_row_has_is_not_waited_for() -> None:
    # It was gone through anew with each octet, padded to 65536: seconds for eleven octets.
    decoder = RowDecoder(2, [0], period_ms=900_000)
    decoder.feed(bytes.fromhex("130282fffb0200"))
    assert [finding.code for finding in decoder.findings] == ["malformed"]
