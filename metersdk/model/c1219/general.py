"""Decade 0: who the device is, how it is, and its procedures (tables 1 to 8)."""

from __future__ import annotations

from decimal import Decimal

from metersdk.model.c1219.elements import BitSet, binary, bit_set, float_char, ident, record, stime, text, u8
from metersdk.model.c1219.formats import MomentField
from metersdk.model.c1219.layout import BitField, Record, bit, bits
from metersdk.model.c1219.references import CONFIG, absent, equals
from metersdk.model.c1219.table import C1219Table, Certainty
from metersdk.model.fields import HexBytes

ELECTRICITY = 2
"""NAMEPLATE_TYPE of an electricity meter."""


class ManufacturerIdentification(C1219Table, number=1, name="GENERAL_MFG_ID_TBL"):
    manufacturer: str = text(4)
    ed_model: str = text(8)
    hw_version_number: int = u8()
    hw_revision_number: int = u8()
    fw_version_number: int = u8()
    fw_revision_number: int = u8()
    mfg_serial_number: str = ident(16, 8)


class ElectricElements(BitField):
    OCTETS = 2

    e_freq: int = bits(0, 2)
    """Frequency of the network by its code: 5 is 50 Hz, 6 is 60 Hz (from memory)."""
    e_no_of_elements: int = bits(3, 5)
    e_base_type: int = bits(6, 9)
    e_accuracy_class: int = bits(10, 15)


class ElectricVolts(BitField):
    e_elements_volts: int = bits(0, 3)
    e_ed_supply_volts: int = bits(4, 7)


class ElectricNameplate(Record):
    e_kh: Decimal = float_char(6)
    """Watt-hours of one revolution."""
    e_kt: Decimal = float_char(6)
    """Watt-hours of one revolution in test mode."""
    e_input_scalar: int = u8()
    e_ed_config: str = text(5)
    e_elements: ElectricElements = record(ElectricElements)
    e_volts: ElectricVolts = record(ElectricVolts)
    e_class_max_amps: str = text(6)
    e_ta: str = text(6)


class DeviceNameplate(C1219Table, number=2, name="DEVICE_NAMEPLATE_TBL"):
    """Of electricity meters; the nameplates of gas and water meters are kept as they are."""

    electric: ElectricNameplate | None = record(ElectricNameplate, when=equals(CONFIG.nameplate_type, ELECTRICITY))
    other: HexBytes | None = binary(when=absent(equals(CONFIG.nameplate_type, ELECTRICITY)))


class EndDeviceMode(BitField):
    metering_flag: bool = bit(0)
    test_mode_flag: bool = bit(1)
    meter_shop_mode_flag: bool = bit(2)
    factory_flag: bool = bit(3)


class StandardStatus1(BitField):
    OCTETS = 2

    unprogrammed_flag: bool = bit(0)
    configuration_error_flag: bool = bit(1)
    self_chk_error_flag: bool = bit(2)
    ram_failure_flag: bool = bit(3)
    rom_failure_flag: bool = bit(4)
    nonvol_mem_failure_flag: bool = bit(5)
    clock_error_flag: bool = bit(6)
    measurement_error_flag: bool = bit(7)
    low_battery_flag: bool = bit(8)
    low_loss_potential_flag: bool = bit(9)
    demand_overload_flag: bool = bit(10)
    power_failure_flag: bool = bit(11)
    tamper_detect_flag: bool = bit(12)
    reverse_rotation_flag: bool = bit(13)


class StandardStatus2(BitField):
    """Eight bits without a meaning so far, in ``filler``."""


class ModeStatus(C1219Table, number=3, name="ED_MODE_STATUS_TBL"):
    """How the device is. Without manufacturer status (dimension 0, or it is left out) it has four octets."""

    ed_mode: EndDeviceMode = record(EndDeviceMode)
    ed_std_status1: StandardStatus1 = record(StandardStatus1)
    ed_std_status2: StandardStatus2 = record(StandardStatus2)
    ed_mfg_status: BitSet | None = bit_set(CONFIG.dim_mfg_status_used, open=True)


class TableOrProcedure(BitField):
    """A table or procedure by number: TABLE_IDB_BFLD, TABLE_IDC_BFLD; the selector has a meaning of its own in each."""

    OCTETS = 2

    tbl_proc_nbr: int = bits(0, 10)
    mfg_flag: bool = bit(11)
    selector: int = bits(12, 15)

    @property
    def number(self) -> int:
        """The number, 2048 added for the manufacturer's own."""
        return self.tbl_proc_nbr + 2048 * self.mfg_flag


class ActivationTrigger(BitField):
    event_code: int = bits(0, 3)
    self_read_flag: bool = bit(4)
    demand_reset_flag: bool = bit(5)


class PendingActivation(Record):
    """When a pending table becomes the active one. ``event_storage`` is a time, or the number of an event."""

    event: ActivationTrigger = record(ActivationTrigger)
    event_storage: HexBytes = binary(5)
    table_select: TableOrProcedure = record(TableOrProcedure)


class PendingStatus(C1219Table, number=4, name="PENDING_STATUS_TBL", certainty=Certainty.MEMORY):
    last_activation_date_time: MomentField | None = stime()
    nbr_pending_activation: int = u8()
    pending_tables: tuple[PendingActivation, ...] = record(PendingActivation, times=CONFIG.nbr_pending)


class DeviceIdentification(C1219Table, number=5, name="DEVICE_IDENT_TBL"):
    identification: str = ident(20, 10)


class UtilityInformation(C1219Table, number=6, name="UTIL_INFO_TBL"):
    """What the utility wrote into the meter. With BCD identifiers four of these are shorter (from memory)."""

    owner_name: str = text(20)
    utility_div: str = text(20)
    service_point_id: str = ident(20, 10)
    elec_addr: str = text(20)
    device_id: str = ident(20, 10)
    util_ser_no: str = ident(20, 10)
    customer_id: str = ident(20, 10)
    coordinate_1: HexBytes = binary(10)
    coordinate_2: HexBytes = binary(10)
    coordinate_3: HexBytes = binary(10)
    tariff_id: str = text(8)
    ex1_sw_vendor: str = text(4)
    ex1_sw_version_number: int = u8()
    ex1_sw_revision_number: int = u8()
    ex2_sw_vendor: str = text(4)
    ex2_sw_version_number: int = u8()
    ex2_sw_revision_number: int = u8()
    programmer_name: str = text(10)
    misc_id: str = text(30)


class ProcedureInitiate(C1219Table, number=7, name="PROC_INITIATE_TBL"):
    """Written to start a procedure; ``proc.selector`` says when the answer is wanted (``procedures.Respond``)."""

    proc: TableOrProcedure = record(TableOrProcedure)
    seq_nbr: int = u8()
    parm: HexBytes = binary()


class ProcedureResponse(C1219Table, number=8, name="PROC_RESPONSE_TBL"):
    proc: TableOrProcedure = record(TableOrProcedure)
    seq_nbr: int = u8()
    result_code: int = u8()
    resp_data: HexBytes = binary()


TABLES = (
    ManufacturerIdentification,
    DeviceNameplate,
    ModeStatus,
    PendingStatus,
    DeviceIdentification,
    UtilityInformation,
    ProcedureInitiate,
    ProcedureResponse,
)
