# The kernels at ISA level "avx2": setup.py gives this module its -march flag.
include "kernels.pxi"
