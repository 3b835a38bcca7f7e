"""Profiles for other programs: text without any library, frames where the libraries are there, a hint where not."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from metersdk.apdu import axdr
from metersdk.apdu.axdr import Data
from metersdk.errors import LocalProtocolError
from metersdk.model.profile import CaptureObject, Profile

CAPTURES = [
    CaptureObject(8, "0.0.1.0.0.255", 2),
    CaptureObject(1, "0.0.96.10.1.255", 2),
    CaptureObject(3, "1.0.1.8.0.255", 2),
    CaptureObject(3, "1.0.32.7.0.255", 2),
    CaptureObject(1, "0.0.96.1.0.255", 2),
    CaptureObject(1, "0.0.42.0.0.255", 2),
    CaptureObject(1, "1.2.3.4.5.6", 2),
]
SCALERS = [None, None, (-2, 30), (-1, 35), None, None, None]


def clock(hour: int, status: int = 0x80) -> Data:
    return axdr.octets(bytes((7, 233, 7, 21, 1, hour, 0, 0, 0, 0xFF, 0x88, status)))


ROWS = [
    (clock(12), axdr.u8(1), axdr.u32(12345), axdr.u16(2301), axdr.visible("a,b"), axdr.octets(b"\1\2"), axdr.u8(9)),
    (
        axdr.null(),
        axdr.null(),
        axdr.u32(12400),
        Data(axdr.Tag.DONT_CARE),
        axdr.visible("é"),
        axdr.null(),
        axdr.visible("x"),
    ),
    (
        axdr.octets(b""),
        axdr.u8(0),
        axdr.u32(12500),
        axdr.u16(2299),
        axdr.null(),
        axdr.octets(b""),
        axdr.array(axdr.u8(1)),
    ),
]
RAW = axdr.encode(axdr.array(*(axdr.structure(*row) for row in ROWS)))


@pytest.fixture
def profile() -> Profile:
    return Profile.from_axdr(RAW, CAPTURES, period=3600, scalers=SCALERS, obis="1.0.99.1.0.255")


def test_csv(profile: Profile, tmp_path: Path) -> None:
    text = profile.to_csv(tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text(encoding="utf-8") == text
    heading, *rows = csv.reader(io.StringIO(text))
    assert heading[0] == "time"
    assert heading[2] == "1.0.1.8.0.255 Active energy import (+A) [Wh]"
    assert heading[6].startswith("1.2.3.4.5.6")
    assert rows[0] == ["2025-07-21T12:00:00+02:00", "1", "123.45", "230.1", "a,b", "0102", "9"]
    assert rows[1] == ["2025-07-21T13:00:00+02:00", "1", "124.00", "", "é", "0102", "x"]
    assert rows[2] == ["", "0", "125.00", "229.9", "é", "", "[1]"]


def test_json(profile: Profile, tmp_path: Path) -> None:
    text = profile.to_json(tmp_path / "p.json")
    assert (tmp_path / "p.json").read_text(encoding="utf-8") == text
    told = json.loads(text)
    assert told["schema_version"] == 1
    assert (told["obis"], told["period"], told["truncated"]) == ("1.0.99.1.0.255", 3600, False)
    time, status, energy, voltage, serial, name, mixed = told["columns"]
    assert time["values"] == ["2025-07-21T12:00:00+02:00", "2025-07-21T13:00:00+02:00", None]
    assert time["filled"] == status["filled"] == [1]
    assert energy["values"] == [123.45, 124.0, 125.0]
    assert (energy["unit"], energy["kind"], energy["scaler"]) == ("Wh", "cumulative", -2)
    assert voltage["values"] == [230.1, None, 229.9]
    assert serial["values"] == ["a,b", "é", "é"]
    assert name["values"] == ["0102", "0102", ""]
    assert mixed["values"] == [9, "x", [1]]


def test_floats_that_json_does_not_know_are_null() -> None:
    raw = axdr.encode(axdr.array(*(axdr.structure(axdr.f32(x)) for x in (1.5, float("nan"), float("inf")))))
    p = Profile.from_axdr(raw, CAPTURES[3:4])
    assert json.loads(p.to_json())["columns"][0]["values"] == [1.5, None, None]


def test_numpy(profile: Profile) -> None:
    np = pytest.importorskip("numpy")
    arrays = profile.to_numpy()
    assert list(arrays) == list(profile.fields)
    time, status, energy, voltage, serial, *_ = arrays.values()
    assert time.dtype == "datetime64[ms]"
    assert time[0] == np.datetime64("2025-07-21T10:00")
    assert np.isnat(time[2])
    assert status.dtype == "uint8"
    assert energy.tolist() == [123.45, 124.0, 125.0]
    assert np.isnan(voltage[1])
    assert serial.tolist() == ["a,b", "é", "é"]
    assert Profile(profile.head).to_numpy()["time"].size == 0


def test_numpy_shares_the_buffer_of_unscaled_numbers(profile: Profile) -> None:
    np = pytest.importorskip("numpy")
    assert np.shares_memory(profile.to_numpy()["status_register"], np.frombuffer(profile.columns[1].raw, "uint8"))


def test_arrow(profile: Profile, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    table = profile.to_arrow()
    assert table.column_names == list(profile.fields)
    assert table.schema.field("time").type == pa.timestamp("ms", "UTC")
    assert table["time"].to_pylist() == [
        datetime(2025, 7, 21, 10, tzinfo=UTC),
        datetime(2025, 7, 21, 11, tzinfo=UTC),
        None,
    ]
    assert table["status_register"].type == pa.uint8()
    assert table[2].to_pylist() == [123.45, 124.0, 125.0]
    assert table[3].to_pylist() == [230.1, None, 229.9]
    assert table[4].to_pylist() == ["a,b", "é", "é"]
    assert table[5].to_pylist() == [b"\1\2", b"\1\2", b""]
    assert table[6].to_pylist() == ["9", "x", "[1]"]
    assert table.schema.field(2).metadata[b"unit"] == b"Wh"
    assert table.schema.field(2).metadata[b"obis"] == b"1.0.1.8.0.255"
    parquet = pytest.importorskip("pyarrow.parquet")
    profile.to_parquet(tmp_path / "p.parquet")
    assert parquet.read_table(tmp_path / "p.parquet").equals(table)
    assert pa.table(profile).equals(table)
    assert Profile(profile.head).to_arrow().num_rows == 0


def test_pandas(profile: Profile) -> None:
    pytest.importorskip("pandas")
    frame = profile.to_pandas()
    assert list(frame.columns) == list(profile.fields)
    assert str(frame["time"].dt.tz) == "UTC"
    assert frame["time"].isna().tolist() == [False, False, True]
    assert frame.iloc[:, 2].tolist() == [123.45, 124.0, 125.0]


def test_polars(profile: Profile) -> None:
    polars = pytest.importorskip("polars")
    frame = profile.to_polars()
    assert frame.columns == list(profile.fields)
    assert frame["time"].dtype == polars.Datetime("ms", "UTC")
    assert frame["time"].to_list()[1:] == [datetime(2025, 7, 21, 11, tzinfo=UTC), None]
    assert frame[frame.columns[3]].to_list() == [230.1, None, 229.9]
    assert frame[frame.columns[6]].to_list() == ["9", "x", "[1]"]


@pytest.mark.parametrize(
    ("call", "module", "extra"),
    [
        ("to_numpy", "numpy", "pandas"),
        ("to_arrow", "pyarrow", "arrow"),
        ("to_pandas", "pandas", "pandas"),
        ("to_polars", "polars", "polars"),
        ("__arrow_c_stream__", "pyarrow", "arrow"),
    ],
)
def test_a_library_that_is_missing_is_named(
    profile: Profile, monkeypatch: pytest.MonkeyPatch, call: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(LocalProtocolError, match=module) as caught:
        getattr(profile, call)()
    assert caught.value.hint == f'pip install "metersdk[{extra}]"'
