"""What stands in the tables of a simulated C12.19 meter: device, sources, display, security, clock, load profile, logs.

A builder gives the fields of one table at a time, by their names in the standard; who it is for encodes them. The
registers, tables 20 to 28, are built in ``c1219_registers.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from metersdk.simulator.c1219_procedures import Procedure
from metersdk.simulator.c1219_registers import Fields, register_tables
from metersdk.simulator.c1219_spec import INTERVAL_FORMATS, LogSpec, ProfileSetSpec
from metersdk.simulator.c1219_state import State
from metersdk.simulator.generated import Schedule
from metersdk.simulator.sources import mix

Builder = Callable[[int], Fields]
HISTORY_LOG, EVENT_LOG = 74, 76
# Octets of the sets of events that a meter knows: standard ones, and its own.
_EVENT_SETS = (8, 2)
_PASSWORD_SIZE, _KEY_SIZE = 20, 16


def builders(state: State) -> dict[int, Builder]:
    """All tables that the image has something for, but table 0, the procedures and the data of load profiles."""
    spec = state.spec
    found: dict[int, Builder] = {
        1: lambda now: _identity(state),
        2: lambda now: _nameplate(),
        3: lambda now: _status(state),
        4: lambda now: {"nbr_pending_activation": 0, "pending_tables": ()},
        5: lambda now: {"identification": state.identifier(spec.device_id or state.serial)},
        6: lambda now: _utility(state),
        **register_tables(state),
        40: lambda now: _security(state),
        41: lambda now: _security(state),
        42: lambda now: _passwords(state),
        43: lambda now: _default_access(state),
        44: lambda now: _access(state),
        50: lambda now: _time_functions(state),
        51: lambda now: _time_functions(state),
        52: lambda now: _clock(state, now),
        53: lambda now: _time_offset(state),
        54: lambda now: _calendar(),
        55: lambda now: _clock_state(state, now),
        56: lambda now: _time_left(state, now),
    }
    if spec.key:
        found[45] = lambda now: _keys(state)
    if spec.source:
        found |= {number: _still(fields) for number, fields in _sources(state).items()}
    if spec.display:
        found |= {number: _still(fields) for number, fields in _display(state).items()}
    if state.profiles:
        found |= {60: lambda now: _profiles(state), 61: lambda now: _profiles(state)}
        found |= {62: lambda now: _channels(state), 63: lambda now: _profile_status(state, now)}
    if spec.logs is not None:
        found |= {70: lambda now: _logs(state), 71: lambda now: _logs(state), 72: lambda now: _events(state)}
        found |= {73: lambda now: _log_control(state), HISTORY_LOG: lambda now: _log(state, HISTORY_LOG, now)}
        if spec.logs.event is not None:
            found |= {75: lambda now: _log_control(state), EVENT_LOG: lambda now: _log(state, EVENT_LOG, now)}
    return found


def _still(fields: Fields) -> Builder:
    return lambda now: fields


# --- decade 0 ---------------------------------------------------------------------------------------------------------


def _identity(state: State) -> Fields:
    spec = state.spec
    return {
        "manufacturer": spec.manufacturer,
        "ed_model": spec.model,
        "hw_version_number": spec.hardware[0],
        "hw_revision_number": spec.hardware[1],
        "fw_version_number": spec.firmware[0],
        "fw_revision_number": spec.firmware[1],
        "mfg_serial_number": state.identifier(state.serial),
    }


def _nameplate() -> Fields:
    """Form 2S: two elements, three wires, 240 V, class 200."""
    electric = {
        "e_kh": Decimal("7.2"),
        "e_kt": Decimal("7.2"),
        "e_input_scalar": 1,
        "e_ed_config": "2S",
        "e_elements": {"e_freq": 6, "e_no_of_elements": 1, "e_base_type": 1, "e_accuracy_class": 12},
        "e_volts": {"e_elements_volts": 4, "e_ed_supply_volts": 4},
        "e_class_max_amps": "200",
        "e_ta": "30",
    }
    return {"electric": electric}


def _status(state: State) -> Fields:
    mode = state.mode
    return {
        "ed_mode": {
            "metering_flag": bool(mode & 1),
            "test_mode_flag": bool(mode & 2),
            "meter_shop_mode_flag": bool(mode & 4),
            "factory_flag": bool(mode & 8),
        },
        "ed_mfg_status": frozenset() if state.spec.status_octets else None,
    }


def _utility(state: State) -> Fields:
    return {
        "owner_name": state.spec.owner,
        "util_ser_no": state.identifier(state.serial),
        "device_id": state.identifier(state.spec.device_id or state.serial),
        "tariff_id": "TOU",
        "coordinate_1": bytes(10),
        "coordinate_2": bytes(10),
        "coordinate_3": bytes(10),
    }


# --- decade 1 ---------------------------------------------------------------------------------------------------------


def _sources(state: State) -> dict[int, Fields]:
    sources = state.spec.source
    demands = [each for each in sources if each.subinterval is not None]
    controls = [bytes.fromhex(each.control) for each in sources if each.control]
    constants = [each.constant for each in sources if each.constant is not None]
    width = max(map(len, controls), default=0)
    limits: Fields = {
        "source_flags": {"block_demand_flag": bool(demands)},
        "nbr_uom_entries": len(sources),
        "nbr_demand_ctrl_entries": len(demands),
        "data_ctrl_length": width,
        "nbr_data_ctrl_entries": len(controls),
        "nbr_constants_entries": len(constants),
        "constants_selector": 2,
        "nbr_sources": len(sources),
    }
    units = tuple(
        {
            "id_code": each.quantity,
            "time_base": each.time_base,
            "multiplier": each.multiplier,
            "net_flow_accountability": each.net,
            "segmentation": each.segmentation,
            **{f"q{quadrant}_accountability": quadrant in each.quadrants for quadrant in range(1, 5)},
        }
        for each in sources
    )
    links = tuple(
        {
            "uom_entry_flag": True,
            "demand_ctrl_flag": each.subinterval is not None,
            "data_ctrl_flag": bool(each.control),
            "constants_flag": each.constant is not None,
            "pulse_engr_flag": each.engineering,
            "constant_to_be_applied": each.constant is not None and not each.engineering,
        }
        for each in sources
    )
    found: dict[int, Fields] = {10: limits, 11: limits, 12: {"uom_entry": units}, 16: {"sources_link": links}}
    if demands:
        found[13] = {"interval_value": tuple({"int_length": each.subinterval} for each in demands)}
    if controls:
        found[14] = {"source_id": tuple(octets.ljust(width, b"\0") for octets in controls)}
    if constants:
        found[15] = {"electric": tuple({"multiplier": each, "offset": Decimal(0)} for each in constants)}
    return found


# --- decades 3 and 4 --------------------------------------------------------------------------------------------------


def _display(state: State) -> dict[int, Fields]:
    items = tuple(map(state.spec.source_of, state.spec.display))
    limits: Fields = {
        "display_ctrl": {"on_time_flag": True, "off_time_flag": True, "hold_time_flag": True},
        "nbr_disp_sources": len(items),
        "width_disp_sources": 2,
        "nbr_pri_disp_list_items": len(items),
        "nbr_pri_disp_lists": 1,
        "nbr_sec_disp_list_items": 0,
        "nbr_sec_disp_lists": 0,
    }
    shown = {"scroll": {"on_time": 6, "off_time": 1}, "hold": {"hold_time": 2}, "nbr_list_items": len(items)}
    return {
        30: limits,
        31: limits,
        32: {"display_sources": tuple(bytes((23, place)) for place in items)},
        33: {"pri_disp_list": (shown,), "pri_disp_sources": items},
    }


def _security(state: State) -> Fields:
    return {
        "nbr_passwords": len(state.spec.password),
        "password_len": _PASSWORD_SIZE,
        "nbr_keys": len(state.spec.key),
        "key_len": _KEY_SIZE,
        "nbr_perm_used": 1,
    }


def _groups(level: int) -> dict[str, bool]:
    """Whoever has a level belongs to its group and those below it."""
    return {f"group_perm_{number}_flag": number < level for number in range(8)}


def _passwords(state: State) -> Fields:
    entries = tuple(
        {"password": bytes(each.password).ljust(_PASSWORD_SIZE, b"\0"), "access_permissions": _groups(each.level)}
        for each in state.spec.password
    )
    return {"security_entries": entries}


def _keys(state: State) -> Fields:
    return {"key_entries": tuple({"key": bytes(each.key).ljust(_KEY_SIZE, b"\0")} for each in state.spec.key)}


def _group(level: int) -> dict[str, bool]:
    return {f"group_perm_{number}_flag": level > 0 and number == level - 1 for number in range(8)}


def _default_access(state: State) -> Fields:
    spec = state.spec
    rights = {"read": _group(spec.read_level), "write": _group(spec.write_level)}
    return {"table_default": rights, "procedure_default": rights | {"access_table": {"selector": 1}}}


def _access(state: State) -> Fields:
    """The clock is read with the lowest password, and written through a procedure only."""
    clock = {"access_table": {"tbl_proc_nbr": 52}, "read": _group(state.spec.read_level), "write": _group(0)}
    return {"access_control": (clock,)}


# --- decade 5 ---------------------------------------------------------------------------------------------------------


def _time_functions(state: State) -> Fields:
    return {
        "time_func_flag1": {},
        "time_func_flag2": {"cap_dst_auto_flag": True, "cap_tm_zn_offset_flag": True},
        "calendar": {"nbr_seasons": 1},
    }


def _clock(state: State, now: int) -> Fields:
    return {"clock_calendar": state.moment(now), "time_date_qual": state.qualifier(now)}


def _time_offset(state: State) -> Fields:
    zone = state.meter.zone
    return {
        "dst_time_eff": timedelta(hours=2),
        "dst_time_amt": 60 if zone.daylight_saving != "none" else 0,
        "time_zone_offset": -zone.deviation,
    }


def _calendar() -> Fields:
    """One season, one schedule for all days."""
    return {
        "non_recurr_dates": (),
        "recurr_dates": (),
        "tier_switches": (),
        "daily_schedule_id_matrix": (
            {"saturday_schedule": 0, "sunday_schedule": 0, "weekday_schedule": 0, "special_schedule": ()},
        ),
    }


def _clock_state(state: State, now: int) -> Fields:
    season = state.season(now) if state.spec.registers and state.spec.registers.season else 0
    return _clock(state, now) | {"status": {"curr_tier": state.tier(now), "season": season}}


def _time_left(state: State, now: int) -> Fields:
    minutes = next(
        count for count in range(1, 1441) if count == 1440 or state.tier(now + count * 60) != state.tier(now)
    )
    return {"tier_time_remain": minutes, "self_read_days_remain": 30}


# --- decade 6 ---------------------------------------------------------------------------------------------------------


def _profiles(state: State) -> Fields:
    spec = state.spec.load_profile
    assert spec is not None
    sets = {each.set: each for each in spec.set}
    flags: dict[str, Any] = {
        "blk_end_read_flag": spec.end_reading,
        "blk_end_pulse_flag": spec.end_pulse,
        "extended_int_status_flag": spec.extended_status,
        "simple_int_status_flag": spec.simple_status,
        **{f"scalar_divisor_flag_set{number}": each.scalars for number, each in sets.items()},
    }
    formats = {f"inv_{_FORMAT_NAMES[each.format]}_flag": True for each in spec.set}
    return {
        "lp_memory_len": 0xFFFF,
        "lp_flags": flags,
        "lp_fmats": formats,
        **{f"set{number}": _set(each) for number, each in sets.items()},
    }


_FORMAT_NAMES = {
    "u8": "uint8",
    "u16": "uint16",
    "u32": "uint32",
    "i8": "int8",
    "i16": "int16",
    "i32": "int32",
    "ni1": "ni_fmat1",
    "ni2": "ni_fmat2",
}


def _set(spec: ProfileSetSpec) -> Fields:
    return {
        "nbr_blks": spec.blocks,
        "nbr_blk_ints": spec.intervals,
        "nbr_chns": len(spec.channel),
        "max_int_time": spec.minutes,
    }


def _channels(state: State) -> Fields:
    spec = state.spec.load_profile
    assert spec is not None
    found: Fields = {}
    for each in spec.set:
        places = [state.spec.source_of(channel.object) for channel in each.channel]
        found[f"set{each.set}"] = {
            "lp_sel_set": tuple(
                {
                    "chnl_flag": {"end_rdg_flag": spec.end_reading},
                    "lp_source_select": place,
                    "end_blk_rdg_source_select": place,
                }
                for place in places
            ),
            "int_fmt_cde": INTERVAL_FORMATS[each.format],
            "scalars_set": tuple(channel.scalar for channel in each.channel) if each.scalars else None,
            "divisor_set": tuple(channel.divisor for channel in each.channel) if each.scalars else None,
        }
    return found


def _profile_status(state: State, now: int) -> Fields:
    found: Fields = {}
    for number, profile in state.profiles.items():
        at, spec = profile.state(now), profile.spec
        found[f"set{number}"] = {
            "lp_set_status_flags": {
                "order": int(spec.order == "descending"),
                "overflow_flag": at.sequence - profile.read_until > spec.blocks,
                "list_type": int(spec.list == "circular"),
                "interval_order": int(spec.interval_order == "descending"),
                "active_mode_flag": state.recording,
            },
            "nbr_valid_blocks": at.valid,
            "last_block_element": at.last,
            "last_block_seq_nbr": at.sequence,
            "nbr_unread_blocks": at.unread,
            "nbr_valid_int": at.intervals,
        }
    return found


# --- decade 7 ---------------------------------------------------------------------------------------------------------


def _logs(state: State) -> Fields:
    logs = state.spec.logs
    assert logs is not None
    second = state.spec.standard_version >= 2
    return {
        "log_flags": {
            "event_number_flag": logs.event_number,
            "hist_date_time_flag": logs.date_time,
            "hist_seq_nbr_flag": logs.sequence,
        },
        "nbr_std_events": _EVENT_SETS[0],
        "nbr_mfg_events": _EVENT_SETS[1],
        "hist_data_length": logs.history.data,
        "event_data_length": logs.event.data if logs.event else 0,
        "nbr_history_entries": logs.history.entries,
        "nbr_event_entries": logs.event.entries if logs.event else 0,
        "ext_log_flags": 0 if second else None,
        "nbr_program_tables": 0 if second else None,
    }


def _known_events(state: State) -> frozenset[int]:
    logs = state.spec.logs
    assert logs is not None
    codes = {*logs.history.codes, *(logs.event.codes if logs.event else ())}
    return frozenset(code for code in codes if code < 8 * _EVENT_SETS[0])


def _events(state: State) -> Fields:
    return {"std_events_supported": _known_events(state)}


def _log_control(state: State) -> Fields:
    return {
        "std_events_monitored_flags": _known_events(state),
        "std_proc_monitored_flags": frozenset((Procedure.REMOTE_RESET, Procedure.SET_CLOCK)),
    }


def log_schedule(state: State, spec: LogSpec) -> Schedule:
    """When the entries of a log came."""
    return Schedule("irregular", state.meter, spec.period, spec.seed)


def _log(state: State, table: int, now: int) -> Fields:
    """A list in which entries move when a new one comes."""
    logs = state.spec.logs
    assert logs is not None
    history = table == HISTORY_LOG
    spec = logs.history if history or logs.event is None else logs.event
    schedule = log_schedule(state, spec)
    count = schedule.count(now)
    forgotten = schedule.count(state.cleared) if state.cleared is not None else 0
    kept = range(max(forgotten, count - spec.entries), count)
    name = "history" if history else "event"
    entries = [_entry(state, spec, name, number, schedule.time(number)) for number in kept]
    blank = _entry(state, spec, name, -1, None)
    return {
        "hist_flags" if history else "event_flags": {
            "overflow_flag": count - max(forgotten, state.read.get(table, 0)) > spec.entries
        },
        "nbr_valid_entries": len(kept),
        "last_entry_element": max(len(kept) - 1, 0),
        "last_entry_seq_num": count,
        "nbr_unread_entries": state.unread(table, count, len(kept)),
        "entries": (*entries, *((blank,) * (spec.entries - len(kept)))),
    }


def _entry(state: State, spec: LogSpec, name: str, number: int, time: int | None) -> Fields:
    logs = state.spec.logs
    assert logs is not None
    code = 0 if time is None else spec.codes[number % len(spec.codes)]
    numbered = (number + 1) & 0xFFFF
    return {
        f"{name}_time": (state.moment(time) if time is not None else None) if logs.date_time else None,
        "event_number": numbered if logs.event_number else None,
        f"{name}_seq_nbr": numbered if logs.sequence else None,
        "user_id": 0 if time is None else 1,
        f"{name}_code": {"tbl_proc_nbr": code},
        f"{name}_argument": mix(number, spec.seed + 1).to_bytes(8, "little")[: spec.data].ljust(spec.data, b"\0")
        if time is not None
        else bytes(spec.data),
    }
