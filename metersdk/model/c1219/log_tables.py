"""Decade 7: what happened (tables 70 to 76): the history log (who did what) and the event log (tamper-proof)."""

from __future__ import annotations

from metersdk.model.c1219.elements import BitSet, binary, bit_set, ltime, record, u8, u16, u32
from metersdk.model.c1219.formats import MomentField
from metersdk.model.c1219.general import TableOrProcedure
from metersdk.model.c1219.layout import BitField, Record, bit
from metersdk.model.c1219.references import CONFIG, Reference, at_least
from metersdk.model.c1219.registers import ListStatus
from metersdk.model.c1219.table import C1219Table, Certainty
from metersdk.model.fields import HexBytes

ACT_LOG = Reference(71)


class LogFlags(BitField):
    event_number_flag: bool = bit(0)
    hist_date_time_flag: bool = bit(1)
    hist_seq_nbr_flag: bool = bit(2)
    hist_inhibit_ovf_flag: bool = bit(3)
    event_inhibit_ovf_flag: bool = bit(4)


class _LogLimits(C1219Table):
    log_flags: LogFlags = record(LogFlags)
    nbr_std_events: int = u8()
    """Octets of the sets of standard events."""
    nbr_mfg_events: int = u8()
    hist_data_length: int = u8()
    event_data_length: int = u8()
    nbr_history_entries: int = u16()
    nbr_event_entries: int = u16()
    ext_log_flags: int | None = u8(when=at_least(CONFIG.std_version_no, 2), open=True)
    """From the second edition on (from memory), as the next."""
    nbr_program_tables: int | None = u16(when=at_least(CONFIG.std_version_no, 2), open=True)


class DimensionLog(_LogLimits, number=70, name="DIM_LOG_TBL"):
    """What the meter could do."""


class ActualLog(_LogLimits, number=71, name="ACT_LOG_TBL"):
    """What it does: the dimensions of tables 72 to 76."""


class EventsIdentification(C1219Table, number=72, name="EVENTS_ID_TBL"):
    """The events that the meter knows."""

    std_events_supported: BitSet = bit_set(ACT_LOG.nbr_std_events)
    mfg_events_supported: BitSet = bit_set(ACT_LOG.nbr_mfg_events)


class _LogControl(C1219Table):
    """Events, and tables and procedures whose use is an event, that a log keeps."""

    std_events_monitored_flags: BitSet = bit_set(ACT_LOG.nbr_std_events)
    mfg_events_monitored_flags: BitSet = bit_set(ACT_LOG.nbr_mfg_events)
    std_tbls_monitored_flags: BitSet = bit_set(CONFIG.dim_std_tbls_used)
    mfg_tbls_monitored_flags: BitSet = bit_set(CONFIG.dim_mfg_tbls_used)
    std_proc_monitored_flags: BitSet = bit_set(CONFIG.dim_std_proc_used)
    mfg_proc_monitored_flags: BitSet = bit_set(CONFIG.dim_mfg_proc_used)


class HistoryLogControl(_LogControl, number=73, name="HISTORY_LOG_CTRL_TBL"):
    """What the history log keeps."""


class HistoryEntry(Record):
    """``history_code`` is the number of the event; ``history_argument`` belongs to it."""

    history_time: MomentField | None = ltime(when=ACT_LOG.log_flags.hist_date_time_flag)
    event_number: int | None = u16(when=ACT_LOG.log_flags.event_number_flag)
    history_seq_nbr: int | None = u16(when=ACT_LOG.log_flags.hist_seq_nbr_flag)
    user_id: int = u16()
    history_code: TableOrProcedure = record(TableOrProcedure)
    history_argument: HexBytes = binary(ACT_LOG.hist_data_length)


class HistoryLog(C1219Table, number=74, name="HISTORY_LOG_DATA_TBL"):
    hist_flags: ListStatus = record(ListStatus)
    nbr_valid_entries: int = u16()
    last_entry_element: int = u16()
    last_entry_seq_num: int = u32()
    nbr_unread_entries: int = u16()
    entries: tuple[HistoryEntry, ...] = record(HistoryEntry, times=ACT_LOG.nbr_history_entries)


class EventLogControl(_LogControl, number=75, name="EVENT_LOG_CTRL_TBL", certainty=Certainty.MEMORY):
    """What the event log keeps."""


class EventEntry(Record):
    event_time: MomentField | None = ltime(when=ACT_LOG.log_flags.hist_date_time_flag)
    event_number: int | None = u16(when=ACT_LOG.log_flags.event_number_flag)
    event_seq_nbr: int | None = u16(when=ACT_LOG.log_flags.hist_seq_nbr_flag)
    user_id: int = u16()
    event_code: TableOrProcedure = record(TableOrProcedure)
    event_argument: HexBytes = binary(ACT_LOG.event_data_length)


class EventLog(C1219Table, number=76, name="EVENT_LOG_DATA_TBL", certainty=Certainty.MEMORY):
    """The same shape as the history log, its optional fields taken to follow the same flags."""

    event_flags: ListStatus = record(ListStatus)
    nbr_valid_entries: int = u16()
    last_entry_element: int = u16()
    last_entry_seq_num: int = u32()
    nbr_unread_entries: int = u16()
    entries: tuple[EventEntry, ...] = record(EventEntry, times=ACT_LOG.nbr_event_entries)


TABLES = (
    DimensionLog,
    ActualLog,
    EventsIdentification,
    HistoryLogControl,
    HistoryLog,
    EventLogControl,
    EventLog,
)
