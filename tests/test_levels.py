"""The instruction sets that this machine should have, as FASTRBM_EXPECT_LEVELS states them: base,avx2,avx512."""

import os

import pytest

from fastrbm._core import dispatch

EXPECTED = os.environ.get("FASTRBM_EXPECT_LEVELS", "")


def complaint(expected, available):
    """What is wrong with the available levels, given the names that are expected; empty where nothing is."""
    names = [name.strip() for name in expected.split(",")]
    unknown = [name for name in names if name not in dispatch.LEVELS]
    if unknown:
        return f"FASTRBM_EXPECT_LEVELS names {unknown}, which are not among {dispatch.LEVELS}"
    missing = [name for name in names if name not in available]
    return f"this machine should have the levels {missing}, and its tests run without them" if missing else ""


@pytest.mark.skipif(not EXPECTED, reason="FASTRBM_EXPECT_LEVELS does not say which levels this machine should have")
def test_this_machine_has_the_levels_that_it_should_have():
    assert not complaint(EXPECTED, dispatch.available_levels())


def test_a_level_that_is_missing_is_noticed():
    assert "['avx512']" in complaint("base,avx2, avx512", ("base", "avx2"))
    assert "['avx9']" in complaint("base,avx9", ("base",)) and "['']" in complaint("base,", ("base",))
    assert not complaint("avx2,base", ("base", "avx2", "avx512"))
