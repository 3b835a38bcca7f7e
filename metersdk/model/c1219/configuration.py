"""Table 0, GEN_CONFIG_TBL: what a meter's tables look like, and which of them there are."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from metersdk.model.c1219 import table as tables
from metersdk.model.c1219.elements import BitSet, binary, bit_set, record, u8
from metersdk.model.c1219.formats import Formats, NiFormat, Order, TmFormat
from metersdk.model.c1219.layout import BitField, bits
from metersdk.model.c1219.references import CONFIG
from metersdk.model.c1219.table import C1219Table
from metersdk.model.fields import HexBytes

MANUFACTURER = 2048
"""Added to the number of a manufacturer table, or procedure."""
PENDING = 4096
"""Added to the number of a pending table."""


class DataAccess(IntEnum):
    """DATA_ACCESS_METHOD: how a part of a table may be read and written. Whole tables may be, always."""

    FULL = 0
    OFFSET = 1
    INDEX = 2
    BOTH = 3

    @property
    def by_offset(self) -> bool:
        return bool(self & 1)

    @property
    def by_index(self) -> bool:
        return bool(self & 2)


class FormatControl1(BitField):
    data_order: int = bits(0, 0)
    """0: least significant octet first."""
    char_format: int = bits(1, 3)
    """1 ISO 7-bit, 2 ISO 8859-1, 3 UTF-8."""
    model_select: int = bits(4, 6)


class FormatControl2(BitField):
    tm_format: int = bits(0, 2)
    data_access_method: int = bits(3, 4)
    id_form: int = bits(5, 5)
    """0: identifiers are characters, 1: BCD."""
    int_format: int = bits(6, 7)


class FormatControl3(BitField):
    ni_format1: int = bits(0, 3)
    ni_format2: int = bits(4, 7)


class Configuration(C1219Table, number=0, name="GEN_CONFIG_TBL"):
    """What all other tables depend on. Sets hold the numbers of standard and manufacturer tables from 0 on."""

    format_control_1: FormatControl1 = record(FormatControl1)
    format_control_2: FormatControl2 = record(FormatControl2)
    format_control_3: FormatControl3 = record(FormatControl3)
    device_class: HexBytes = binary(4)
    """Registered class of the device; a manufacturer code in the first edition."""
    nameplate_type: int = u8()
    """0 gas, 1 water, 2 electricity: which nameplate table 2 is."""
    default_set_used: int = u8()
    max_proc_parm_length: int = u8()
    max_resp_data_len: int = u8()
    std_version_no: int = u8()
    std_revision_no: int = u8()
    dim_std_tbls_used: int = u8()
    dim_mfg_tbls_used: int = u8()
    dim_std_proc_used: int = u8()
    dim_mfg_proc_used: int = u8()
    dim_mfg_status_used: int = u8()
    nbr_pending: int = u8()
    std_tbls_used: BitSet = bit_set(CONFIG.dim_std_tbls_used)
    mfg_tbls_used: BitSet = bit_set(CONFIG.dim_mfg_tbls_used)
    std_proc_used: BitSet = bit_set(CONFIG.dim_std_proc_used)
    mfg_proc_used: BitSet = bit_set(CONFIG.dim_mfg_proc_used)
    std_tbls_write: BitSet = bit_set(CONFIG.dim_std_tbls_used)
    mfg_tbls_write: BitSet = bit_set(CONFIG.dim_mfg_tbls_used)

    @classmethod
    def decode(cls, octets: bytes) -> Configuration:
        """Table 0 from its octets.

        Raises:
            DecodeError: an octet is missing.
        """
        return tables.decode(cls, octets, Formats(), {})

    def encode(self) -> bytes:
        """Raises: LocalProtocolError: a set does not fit its dimension."""
        return tables.encode(self, Formats(), {})

    @classmethod
    def build(
        cls,
        *,
        order: Order = "little",
        char_format: int = 1,
        tm_format: int = TmFormat.UINT8,
        data_access: int = DataAccess.BOTH,
        id_form: int = 0,
        int_format: int = 0,
        ni_format1: int = NiFormat.INT32,
        ni_format2: int = NiFormat.INT32,
        std_tables: Iterable[int] = (),
        mfg_tables: Iterable[int] = (),
        std_procedures: Iterable[int] = (),
        mfg_procedures: Iterable[int] = (),
        std_writable: Iterable[int] = (),
        mfg_writable: Iterable[int] = (),
        **more: object,
    ) -> Configuration:
        """A table 0 with these choices, and the smallest dimensions for its sets; ``more`` are fields by name."""
        sets = [
            frozenset(numbers)
            for numbers in (std_tables, mfg_tables, std_procedures, mfg_procedures, std_writable, mfg_writable)
        ]
        std, mfg, std_proc, mfg_proc, std_write, mfg_write = sets
        fields: dict[str, object] = {
            "format_control_1": FormatControl1(data_order=int(order == "big"), char_format=char_format),
            "format_control_2": FormatControl2(
                tm_format=tm_format, data_access_method=data_access, id_form=id_form, int_format=int_format
            ),
            "format_control_3": FormatControl3(ni_format1=ni_format1, ni_format2=ni_format2),
            "device_class": b"MSDK",
            "nameplate_type": 2,
            "max_proc_parm_length": 255,
            "max_resp_data_len": 255,
            "std_version_no": 2,
            "dim_std_tbls_used": _dimension(std | std_write),
            "dim_mfg_tbls_used": _dimension(mfg | mfg_write),
            "dim_std_proc_used": _dimension(std_proc),
            "dim_mfg_proc_used": _dimension(mfg_proc),
            "std_tbls_used": std,
            "mfg_tbls_used": mfg,
            "std_proc_used": std_proc,
            "mfg_proc_used": mfg_proc,
            "std_tbls_write": std_write,
            "mfg_tbls_write": mfg_write,
        }
        return cls.model_validate(fields | more)

    @property
    def formats(self) -> Formats:
        """What the elements of all other tables depend on."""
        one, two, three = self.format_control_1, self.format_control_2, self.format_control_3
        return Formats(
            self.order,
            one.char_format,
            two.id_form,
            two.int_format,
            two.tm_format,
            three.ni_format1,
            three.ni_format2,
        )

    @property
    def order(self) -> Order:
        """DATA_ORDER: which octet of a number comes first in tables; that of services is always the highest."""
        return "big" if self.format_control_1.data_order else "little"

    @property
    def tm_format(self) -> int:
        return self.format_control_2.tm_format

    @property
    def data_access(self) -> DataAccess:
        return DataAccess(self.format_control_2.data_access_method)

    def has_table(self, number: int) -> bool:
        """Whether the meter has this table: manufacturer tables from 2048 on, pending ones from 4096 on."""
        number %= PENDING
        if number >= MANUFACTURER:
            return number - MANUFACTURER in self.mfg_tbls_used
        return number in self.std_tbls_used

    def may_write(self, number: int) -> bool:
        """Whether the meter lets this table be written, as far as table 0 says."""
        number %= PENDING
        if number >= MANUFACTURER:
            return number - MANUFACTURER in self.mfg_tbls_write
        return number in self.std_tbls_write

    def has_procedure(self, number: int, *, manufacturer: bool = False) -> bool:
        return number in (self.mfg_proc_used if manufacturer else self.std_proc_used)

    @property
    def table_numbers(self) -> tuple[int, ...]:
        """All tables there are, in order; manufacturer tables from 2048 on."""
        return (*sorted(self.std_tbls_used), *(MANUFACTURER + number for number in sorted(self.mfg_tbls_used)))


def _dimension(numbers: frozenset[int]) -> int:
    """Octets of the smallest SET that holds these numbers."""
    return max(numbers) // 8 + 1 if numbers else 0


def listed(numbers: Iterable[int]) -> str:
    """Numbers of tables in words: ``"0 to 8, 10, 11"``."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][-1] == number - 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    return ", ".join(f"{span[0]} to {span[-1]}" if len(span) > 2 else ", ".join(map(str, span)) for span in spans)
