"""The cffi builder of ``metersdk._kernel``: the marked block of metersdk.h is the cdef, every .c here is compiled."""

import os
import sys
import sysconfig
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent
BEGIN, END = "/* cdef begin */", "/* cdef end */"

if sys.platform == "win32":
    compile_args, link_args = ["/O2", "/std:c11", "/Zc:preprocessor", "/W3"], []
else:
    compile_args = ["-std=c11", "-O3", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wshadow", "-Wconversion"]
    # For the code that cffi generates, which is not ours to correct.
    compile_args += ["-Wno-unused-parameter", "-Wno-missing-field-initializers", "-Wno-conversion"]
    link_args = []
    if os.environ.get("METERSDK_SANITIZE") == "1":
        sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
        compile_args += ["-O1", "-g", *sanitize]
        link_args += sanitize

ffi = FFI()
ffi.cdef((HERE / "metersdk.h").read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0])
ffi.set_source(
    "metersdk._kernel",
    '#include "metersdk.h"',
    sources=sorted(str(path) for path in HERE.glob("*.c") if not path.name.startswith("test_")),
    include_dirs=[str(HERE)],
    depends=sorted(str(path) for path in [HERE / "build_ffi.py", *HERE.glob("*.h")]),
    extra_compile_args=compile_args,
    extra_link_args=link_args,
    # abi3 does not exist for free-threaded builds yet: those get a wheel for their version.
    py_limited_api=not sysconfig.get_config_var("Py_GIL_DISABLED"),
)

if __name__ == "__main__":
    ffi.compile(verbose=True)
