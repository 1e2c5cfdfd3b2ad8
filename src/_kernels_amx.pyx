# The kernels at ISA level "amx": setup.py gives this module its flags.
include "kernels.pxi"
