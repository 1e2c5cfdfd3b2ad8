"""What holds for every test, and in the processes that tests start: NumPy's own threads are off."""

import os

# Read as NumPy is loaded. The matrices here are small, and OpenBLAS's threads wait for each other for longer than they
# work: where the cores are busy, an SVD of 1797 x 64 takes 0.9 s with two of them and 4 ms with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
