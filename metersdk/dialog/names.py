"""The names a caller writes: of protocols, mechanisms and kinds of security. Nothing is loaded for them."""

from __future__ import annotations

from typing import Literal, TypeAlias

ProtocolName: TypeAlias = Literal["auto", "iec62056-21", "dlms", "sml", "push", "kmp", "c1218", "c1222"]
AuthenticationName: TypeAlias = Literal["none", "low", "high", "high-md5", "high-sha1", "high-gmac", "high-sha256"]
SecurityName: TypeAlias = Literal["none", "authenticated", "encrypted", "authenticated-encrypted"]
