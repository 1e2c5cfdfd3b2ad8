# The kernels at ISA level "base": setup.py gives this module its -march flag.
include "kernels.pxi"
