"""Build the compiled modules; everything else about the package is in pyproject.toml.

Environment switches, for developers:
    FASTRBM_DEBUG=1           bounds and shape checks, counts of the paths that ran, no optimization
    FASTRBM_SANITIZE=address  address and undefined-behavior sanitizers; =1 is the same
    FASTRBM_SANITIZE=thread   thread sanitizer, with gcc (CONTRIBUTING.md says how to run the tests with either)
    FASTRBM_OPENMP=0          build without OpenMP: serial
"""

import os
import platform
import sys
import tempfile
from pathlib import Path

if sys.platform == "win32":
    sys.exit(
        "fastrbm does not build on Windows yet: Microsoft's compiler lacks the vector extensions of gcc and clang that "
        "src/simd.h is written in. It builds and runs under WSL, the Windows Subsystem for Linux."
    )
if sys.platform == "darwin":
    # Python may have been built for both architectures; the flags below are for one.
    os.environ.setdefault("ARCHFLAGS", f"-arch {platform.machine()}")

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

HERE = Path(__file__).parent
DEBUG = os.environ.get("FASTRBM_DEBUG") == "1"
SANITIZE = os.environ.get("FASTRBM_SANITIZE", "")
SANITIZERS = {
    "": [],
    "1": ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    "thread": ["-fsanitize=thread"],
}
if SANITIZE not in SANITIZERS:
    sys.exit(f"FASTRBM_SANITIZE={SANITIZE!r} is not one of address, thread")

# What src/_cpu.pyx tests for, and no more. gcc and clang know -march=x86-64-v2 to -v4 only since versions 11 and 12.
X86_64_V2 = ["-msse4.2", "-mpopcnt"]
X86_64_V3 = [*X86_64_V2, "-mavx2", "-mfma", "-mbmi", "-mbmi2"]
X86_64_V4 = [*X86_64_V3, *(f"-mavx512{part}" for part in ("f", "bw", "cd", "dq", "vl"))]

# name of the ISA level: the flags that compile for it. One level where there is nothing to choose.
LEVELS = {"base": []}
if platform.machine().lower() in ("x86_64", "amd64"):
    LEVELS = {
        "base": X86_64_V2,
        "avx2": X86_64_V3,
        "avx512": X86_64_V4,
    }
    if sys.platform == "linux":  # which is asked for leave to use it (src/_cpu.pyx)
        LEVELS["amx"] = [*X86_64_V4, "-DFASTRBM_AMX"]

# -ffp-contract=off: no fused multiply-add, so that every level computes the same bits. Never -ffast-math.
COMPILE_ARGS = ["-O3", "-std=gnu11", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wno-unused-function"]
MACROS = [("CYTHON_INLINE", "inline __attribute__((always_inline))")]
LINK_ARGS = []

if not (DEBUG or SANITIZE):
    COMPILE_ARGS += ["-g0"]  # Python's own flags have -g, and nine tenths of the file would be debugging symbols
if DEBUG:
    COMPILE_ARGS += ["-O0", "-g"]
    MACROS += [("FASTRBM_DEBUG", "1")]
if SANITIZE:
    COMPILE_ARGS += ["-O1", "-g", "-fno-omit-frame-pointer", *SANITIZERS[SANITIZE]]
    LINK_ARGS += SANITIZERS[SANITIZE]
if SANITIZE == "thread":
    COMPILE_ARGS += ["-include", "src/tsan_openmp.h"]
    LINK_ARGS += ["-Wl,--wrap=GOMP_parallel"]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "cdivision": True,
    # A Python without its lock turns it on as it loads these, and says so. The kernels would do without it; nothing
    # else of the package has been tried like that.
    "freethreading_compatible": False,
}


# Ways to ask for OpenMP, as (compile, link) flags: the first that works is taken. gcc and clang have -fopenmp; Apple's
# clang has only the front end, and finds header and library where Homebrew or LIBOMP_PREFIX puts them.
OPENMP = [(["-fopenmp"], ["-fopenmp"])]
if sys.platform == "darwin":
    for prefix in (os.environ.get("LIBOMP_PREFIX"), "/opt/homebrew/opt/libomp", "/usr/local/opt/libomp"):
        if prefix:
            OPENMP.append((["-Xpreprocessor", "-fopenmp", f"-I{prefix}/include"], [f"-L{prefix}/lib", "-lomp"]))


def openmp_flags(compiler) -> tuple[list[str], list[str]]:
    """The flags for OpenMP that this compiler accepts, or none."""
    if os.environ.get("FASTRBM_OPENMP") == "0":
        return [], []
    for compile_flags, link_flags in OPENMP:
        program = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"
        if builds(compiler, program, compile_flags, link_flags):
            return compile_flags, link_flags
    print("fastrbm: this compiler has no OpenMP; the package will run on one thread", file=sys.stderr)
    return [], []


def builds(compiler, program: str, compile_flags=(), link_flags=()) -> bool:
    """Whether the compiler makes a program of this."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "program.c"
        source.write_text(program)
        try:
            objects = compiler.compile([str(source)], output_dir=folder, extra_postargs=list(compile_flags))
            compiler.link_executable(objects, "program", output_dir=folder, extra_postargs=list(link_flags))
        except (CompileError, LinkError):
            return False
    return True


class BuildExt(build_ext):
    """Add the OpenMP flags and leave out what is too new, which only the compiler itself can tell; compile the modules
    side by side."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self):
        compile_flags, link_flags = openmp_flags(self.compiler)
        matrices = 'int main(void) { __asm__ volatile("tdpbuud %tmm6, %tmm5, %tmm4"); return 0; }\n'
        if "amx" in LEVELS and not builds(self.compiler, matrices):
            self.extensions = [e for e in self.extensions if not e.name.endswith("_amx")]
        for extension in self.extensions:
            extension.extra_compile_args += compile_flags
            extension.extra_link_args += link_flags
        super().build_extensions()


def extension(name: str, flags: list[str]) -> Extension:
    return Extension(
        f"fastrbm._core.{name}",
        [f"src/{name}.pyx"],
        include_dirs=["src"],
        depends=[str(p.relative_to(HERE)) for p in sorted((HERE / "src").glob("*.[hp]*")) if p.suffix != ".pyx"],
        extra_compile_args=[*COMPILE_ARGS, *flags],
        extra_link_args=list(LINK_ARGS),
        define_macros=MACROS,
    )


extensions = [extension("_cpu", [])] + [extension(f"_kernels_{level}", flags) for level, flags in LEVELS.items()]

setup(
    ext_modules=cythonize(
        extensions, compiler_directives=DIRECTIVES, include_path=["src"], build_dir="build/cython", force=DEBUG
    ),
    cmdclass={"build_ext": BuildExt},
)
