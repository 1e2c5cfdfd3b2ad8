# The kernels at ISA level "avx512": setup.py gives this module its -march flag.
include "kernels.pxi"
