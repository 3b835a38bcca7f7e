"""profile: to a screen, a pipe, a file."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from metersdk.apdu.columns import Values
from metersdk.cli.profile import _text
from metersdk.fast.axdr_layout import Kind
from metersdk.model.column import Column, ColumnHead, ColumnKind

BENCH = "sim://bench?framing=wrapper"


def test_csv_into_a_pipe(cli: Any) -> None:
    ran = cli("profile", BENCH, "--entries", "1-3")
    heads, *rows = csv.reader(ran.out.splitlines())
    assert ran.code == 0 and ran.err == ""
    assert heads[:3] == ["time", "0.0.96.10.1.255 Status register", "1.0.1.8.0.255 Active energy import (+A) [Wh]"]
    assert rows[0] == ["2026-01-01T00:00:00+00:00", "0", "1000", "2000", "3000", "4000"] and len(rows) == 3


def test_by_time_by_span_and_by_column(cli: Any) -> None:
    by_time = cli("profile", BENCH, "--from", "2026-01-01T00:15Z", "--to", "2026-01-01T00:45Z", "--columns", "1.8.0")
    assert [line.split(",")[-1] for line in by_time.out.splitlines()[1:]] == ["1001", "1002", "1003"]
    by_span = cli("profile", BENCH, "--last", "1h")
    assert len(by_span.out.splitlines()) == 1 + 5
    one = cli("profile", BENCH, "--entries", "2")
    assert [line.split(",")[2] for line in one.out.splitlines()[1:]] == ["1001"]
    to_the_end = cli("profile", BENCH, "--entries", "9999-")
    assert len(to_the_end.out.splitlines()) == 1 + 2


def test_json(cli: Any) -> None:
    document = cli("profile", BENCH, "--entries", "1-2", "--json").document
    profile = document["profile"]
    assert document["target"] == "sim://bench" and profile["period"] == 900 and profile["truncated"] is False
    assert profile["columns"][2]["values"] == [1000, 1001] and profile["columns"][2]["unit"] == "Wh"


def test_jsonl_is_a_line_for_each_row(cli: Any) -> None:
    *rows, end = cli("profile", BENCH, "--entries", "1-2", "--jsonl").lines
    assert [(row["time"], row["active_energy_import_a"]) for row in rows] == [
        ("2026-01-01T00:00:00+00:00", "1000"),
        ("2026-01-01T00:15:00+00:00", "1001"),
    ]
    assert end == {"schema_version": 1, "type": "end", "rows": 2, "truncated": False}


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_into_a_file(cli: Any, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"load.{suffix}"
    ran = cli("profile", BENCH, "--entries", "1-3", "--out", path)
    assert ran.code == 0 and ran.out == "" and ran.err == f"3 rows of 6 columns written to {path}\n"
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == [path.name]
    if suffix == "csv":
        assert path.read_text().splitlines()[1] == "2026-01-01T00:00:00+00:00,0,1000,2000,3000,4000"
    elif suffix == "json":
        assert json.loads(path.read_text())["columns"][2]["values"] == [1000, 1001, 1002]
    else:
        parquet = pytest.importorskip("pyarrow.parquet")
        assert parquet.read_table(path).column("active_energy_import_a").to_pylist() == [1000, 1001, 1002]


def test_into_a_file_told_as_json(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    written = cli("profile", BENCH, "--entries", "1-3", "--out", path, "--json").document["written"]
    assert written == {"file": str(path), "rows": 3, "columns": 6, "truncated": False, "gaps": 0}


def test_a_failed_read_leaves_the_old_file(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    path.write_text("before")
    assert cli("profile", "sim://residential", "--obis", "1.0.99.77.0.255", "--out", path).code != 0
    assert path.read_text() == "before" and [each for each in tmp_path.iterdir() if each.is_file()] == [path]


def test_gaps_are_told(cli: Any) -> None:
    ran = cli("profile", "sim://residential", "--last", "40d")
    assert ran.code == 0 and re.fullmatch(r"note: [36] intervals are missing in [12] gaps\n", ran.err)


def test_a_profile_that_the_meter_has_not(cli: Any) -> None:
    ran = cli("profile", "sim://residential", "--obis", "1.0.99.77.0.255")
    assert ran.code == 7 and ran.out == ""


# Octets of the meter: behind the association and the head of the profile, before the end of its 10000 rows.
AMID = 200_000


def test_rows_read_before_a_break_are_kept_in_the_file(cli: Any, hanging_up: Any, tmp_path: Path) -> None:
    path = tmp_path / "load.csv"
    ran = cli("profile", hanging_up(AMID), "--out", path)
    rows = path.read_text().splitlines()[1:]
    assert ran.code == 8 and len(rows) > 100 and rows[0] == "2026-01-01T00:00:00+00:00,0,1000,2000,3000,4000"
    last = rows[-1].split(",")[0]
    assert f"{len(rows)} rows of 6 columns written to {path}\n" in ran.err
    assert ran.err.splitlines()[-2].startswith(f"error: reading broke off after {len(rows)} rows: ")
    assert ran.err.splitlines()[-1] == f"hint: ask for the rest from {last}"
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == [path.name]


def test_rows_read_before_a_break_are_shown(cli: Any, hanging_up: Any) -> None:
    csv_text, document = cli("profile", hanging_up(AMID)), cli("profile", hanging_up(AMID), "--json")
    assert csv_text.code == document.code == 8
    profile = document.document["profile"]
    assert profile["truncated"] is True and document.error["class"] == "PartialResult"
    assert len(csv_text.out.splitlines()) == 1 + len(profile["columns"][0]["values"])


def test_rows_of_a_broken_stream_end_with_a_count(cli: Any, hanging_up: Any) -> None:
    ran = cli("profile", hanging_up(AMID), "--jsonl")
    *rows, end = ran.lines
    assert ran.code == 8 and end == {"schema_version": 1, "type": "end", "rows": len(rows), "truncated": True}
    assert ran.error["class"] == "PartialResult" and ran.error["exit_code"] == 8


def test_a_break_before_the_first_row_is_no_part(cli: Any, hanging_up: Any, tmp_path: Path) -> None:
    ran = cli("profile", hanging_up(300), "--out", tmp_path / "load.csv")
    assert ran.code == 4 and not (tmp_path / "load.csv").exists()


def test_two_spans_of_time_are_refused_before_the_port_is_opened(cli: Any) -> None:
    for command in ("events", "profile"):
        ran = cli(command, "tcp://127.0.0.1:1", "--last", "7d", "--from", "2026-11-22", "--json")
        assert ran.code == 2 and "--last" in ran.error["message"]


def test_a_span_out_of_reach(cli: Any) -> None:
    ran = cli("profile", BENCH, "--last", "999999999d")
    assert ran.code == 2 and ran.err.startswith("error: nothing was metered 999999999 days")


def test_bars_in_place_of_rows(cli: Any) -> None:
    ran = cli("profile", BENCH, "--entries", "1-96", "--chart")
    assert ran.code == 0 and ran.err == "1.0.99.1.0.255: 96 rows, every 900 s\n"
    charts = ran.out.strip().split("\n\n")
    # Four registers of energy; the stamps and the status have no unit.
    assert charts[0].splitlines()[0] == "Active energy import (+A), W, mean of each interval"
    assert len(charts) == 4 and all(len(chart.splitlines()) == 8 for chart in charts)
    # One unit more each quarter of an hour is four in an hour, from the first interval to the last.
    assert charts[0].splitlines()[1].split() == ["4", "█" * 48]


def test_nothing_to_draw(cli: Any) -> None:
    ran = cli("profile", BENCH, "--entries", "1-2", "--chart")
    assert (ran.code, ran.out) == (0, "") and ran.err.startswith("nothing to draw: ")


def test_statuses_of_an_ansi_meter_by_name(cli: Any) -> None:
    ran = cli("profile", "sim://ansi", "--password-from", "env:METER_PASSWORD", "--entries", "1-4", "--json")
    profile = ran.document["profile"]
    status = profile["columns"][1]
    assert len(status["names"]) == 4 and ["dst", 0] in status["bits"]


def test_names_of_statuses_on_a_screen() -> None:
    bits = ColumnHead(
        name="status",
        obis="0.0.96.10.1.255",
        class_id=1,
        attribute=2,
        kind=ColumnKind.STATUS,
        bits=(("dst", 0), ("long", 4)),
    )
    codes = bits.model_copy(update={"bits": (), "codes": (("overflow", 1),)})
    cells = Values(Kind.U8, 0, memoryview(bytes((0, 17, 1, 2))), memoryview(b"\1\1\1\1"))
    assert [_text(Column(bits, cells), row) for row in range(4)] == ["", "dst, long", "dst", "2"]
    assert [_text(Column(codes, cells), row) for row in range(4)] == ["", "17", "overflow", "2"]
