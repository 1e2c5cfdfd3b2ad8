from ._kernels_base import *  # one source, one set of names and signatures
