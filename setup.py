"""Builds the C kernel ``metersdk._kernel``; everything else is in pyproject.toml.

METERSDK_BUILD=auto     (default) build it if a C compiler works, else say so and go on with the Python twin
METERSDK_BUILD=require  no kernel is an error;  METERSDK_BUILD=skip  pure Python wheel
METERSDK_SANITIZE=1     with AddressSanitizer and UndefinedBehaviorSanitizer; preload libasan to import it
"""

import os
import sys
import sysconfig
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.errors import CCompilerError, ExecError, PlatformError

mode = os.environ.get("METERSDK_BUILD", "auto")
if mode not in ("auto", "require", "skip"):
    sys.exit(f"METERSDK_BUILD={mode}: it is auto, require or skip")


def compiler_works() -> bool:
    from distutils import ccompiler  # setuptools brings its own where Python has none
    from distutils import sysconfig as build_config

    try:
        with tempfile.TemporaryDirectory() as folder:
            probe = Path(folder, "probe.c")
            probe.write_text("#include <Python.h>\n")
            build_config.customize_compiler(compiler := ccompiler.new_compiler())
            compiler.compile([str(probe)], output_dir=folder, include_dirs=[sysconfig.get_path("include")])
    except (CCompilerError, ExecError, PlatformError) as error:
        print(f"metersdk: no working C compiler ({error}); pure Python twin only, slower", file=sys.stderr)
        return False
    return True


native = mode == "require" or (mode == "auto" and ("sdist" in sys.argv or compiler_works()))
limited = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"bdist_wheel": {"py_limited_api": "cp311"}}
setup(**({"cffi_modules": ["csrc/build_ffi.py:ffi"], "options": limited} if native else {}))
