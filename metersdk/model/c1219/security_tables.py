"""Decade 4: who may do what (tables 40 to 45). Passwords and keys are passed over when they are read, never kept."""

from __future__ import annotations

from metersdk.model.c1219.elements import SecretField, hidden, record, u8, u16
from metersdk.model.c1219.general import TableOrProcedure
from metersdk.model.c1219.layout import BitField, Record, bit
from metersdk.model.c1219.references import Reference
from metersdk.model.c1219.table import C1219Table, Certainty

ACT_SECURITY = Reference(41)
SECRET_TABLES = (42, 45)
"""The tables with passwords and keys in them."""


class _SecurityLimits(C1219Table):
    nbr_passwords: int = u8()
    password_len: int = u8()
    nbr_keys: int = u8()
    key_len: int = u8()
    nbr_perm_used: int = u16()


class DimensionSecurity(_SecurityLimits, number=40, name="DIM_SECURITY_LIMITING_TBL"):
    """What the meter could do."""


class ActualSecurity(_SecurityLimits, number=41, name="ACT_SECURITY_LIMITING_TBL"):
    """What it does: the dimensions of tables 42 to 45."""


class AccessGroups(BitField):
    """Groups that may do something."""

    group_perm_0_flag: bool = bit(0)
    group_perm_1_flag: bool = bit(1)
    group_perm_2_flag: bool = bit(2)
    group_perm_3_flag: bool = bit(3)
    group_perm_4_flag: bool = bit(4)
    group_perm_5_flag: bool = bit(5)
    group_perm_6_flag: bool = bit(6)
    group_perm_7_flag: bool = bit(7)


class SecurityEntry(Record):
    """Who knows the password belongs to these groups."""

    password: SecretField = hidden(ACT_SECURITY.password_len)
    access_permissions: AccessGroups = record(AccessGroups)


class Security(C1219Table, number=42, name="SECURITY_TBL"):
    security_entries: tuple[SecurityEntry, ...] = record(SecurityEntry, times=ACT_SECURITY.nbr_passwords)


class AccessControl(Record):
    """Groups that may read, and write or execute, a table or procedure (``selector`` bit 0: a procedure)."""

    access_table: TableOrProcedure = record(TableOrProcedure)
    read: AccessGroups = record(AccessGroups)
    write: AccessGroups = record(AccessGroups)


class DefaultAccessControl(C1219Table, number=43, name="DEFAULT_ACCESS_CONTROL_TBL", certainty=Certainty.MEMORY):
    """What holds for tables and for procedures that table 44 does not name."""

    table_default: AccessControl = record(AccessControl)
    procedure_default: AccessControl = record(AccessControl)


class AccessControls(C1219Table, number=44, name="ACCESS_CONTROL_TBL"):
    access_control: tuple[AccessControl, ...] = record(AccessControl, times=ACT_SECURITY.nbr_perm_used)


class KeyEntry(Record):
    key: SecretField = hidden(ACT_SECURITY.key_len)


class Keys(C1219Table, number=45, name="KEY_TBL"):
    key_entries: tuple[KeyEntry, ...] = record(KeyEntry, times=ACT_SECURITY.nbr_keys)


TABLES = (
    DimensionSecurity,
    ActualSecurity,
    Security,
    DefaultAccessControl,
    AccessControls,
    Keys,
)
