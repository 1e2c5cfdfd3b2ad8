#!/usr/bin/env bash
# Build for aarch64 and run tests there, on x86-64 Debian: by a cross compiler, and qemu, which emulates single programs.
#     tools/aarch64.sh                    the kernels' tests, and the digests, which are the same on every machine
#     tools/aarch64.sh tests/test_fit.py  or whatever else pytest takes
# Debian's packages and PyPI's are unpacked in build/aarch64, not installed: this changes nothing of the machine's and needs
# no root. Where they cannot be had, it says why and ends with 0; where they can, it ends as pytest does.
set -euo pipefail
cd "$(dirname "$0")/.."
home=$PWD/build/aarch64
root=$home/root   # of Debian's aarch64 packages
tools=$home/tools # compiler and emulator, for x86-64
tests=(
    tests/test_philox.py tests/test_kernels.py tests/test_segments.py tests/test_updates.py tests/test_real_kernels.py
    tests/test_truncated.py tests/test_divided.py
    tests/test_annealing.py::test_same_bits_at_every_level
    tests/test_categorical.py::test_the_same_bits_for_any_threads_and_level
    tests/test_fit.py::test_training_is_the_same_bits_anywhere
    tests/test_missing.py::test_the_same_bits_for_any_threads_and_level
    tests/test_path.py::test_same_bits_at_every_level
    tests/test_real_training.py::test_threads_and_levels_do_not_matter
    tests/test_tolerance.py::test_same_result_at_every_level
)

skip() {
    echo "aarch64: not tested: $1"
    exit 0
}

# Debian's packages of an architecture, with all that they depend on, into a folder.
unpack() {
    local into=$1 architecture=$2 apt package
    shift 2
    apt=$(mktemp -d -p "$home")
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$into"
    local settings=(
        -qq -o Dir::State="$apt" -o Dir::State::Lists="$apt/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$apt"
        -o APT::Architecture="$architecture" -o APT::Architectures="$architecture"
        -o APT::Sandbox::User= -o Debug::NoLocking=1
    )
    timeout 300 apt-get "${settings[@]}" update || true # a list that nothing is needed from may fail
    timeout 300 apt-get "${settings[@]}" -y --no-install-recommends --download-only install "$@" || return 1
    for package in "$apt"/archives/*.deb; do
        case $package in */libc6_*_amd64.deb) continue ;; esac # x86-64 programs run on the machine's own C library
        dpkg-deb -x "$package" "$into" || return 1
    done
    rm -r "$apt"
}

set_up() {
    rm -rf "$home"
    mkdir -p "$home/bin"
    unpack "$tools" amd64 gcc-aarch64-linux-gnu qemu-user-static || skip "apt-get has no cross compiler or no emulator"
    unpack "$root" arm64 libc6-dev libgomp1 libpython3-dev libpython3-stdlib libstdc++6 python3-minimal ||
        skip "apt-get has no aarch64 packages"
    local python
    python=$(basename "$root"/usr/bin/python3.*) # such as python3.11

    # A virtual environment, as far as Python can see.
    cat >"$home/bin/python" <<-END
		#!/bin/sh
		QEMU_LD_PREFIX="$root" exec "$tools/usr/bin/qemu-aarch64-static" -0 "$home/bin/python" "$root/usr/bin/$python" "\$@"
	END
    cat >"$home/bin/cc" <<-END
		#!/bin/sh
		export LD_LIBRARY_PATH="$tools/usr/lib/x86_64-linux-gnu"
		exec "$tools/usr/bin/aarch64-linux-gnu-gcc" --sysroot="$root" -I"$root/usr/include/$python" -I"$root/usr/include" "\$@"
	END
    chmod +x "$home/bin/python" "$home/bin/cc"
    printf 'home = /usr/bin\ninclude-system-site-packages = false\n' >"$home/pyvenv.cfg"

    python3 -m venv "$home/pip" || skip "python3 has no venv"
    timeout 300 "$home/pip/bin/pip" install -q --target "$home/lib/$python/site-packages" --only-binary=:all: \
        --python-version "${python#python}" --platform manylinux_2_28_aarch64 --platform manylinux_2_17_aarch64 \
        "cython>=3.1" numpy "pytest>=8" pytest-xdist "setuptools>=77" || skip "pip gets no aarch64 packages"
    echo "$PWD" >"$home/lib/$python/site-packages/fastrbm.pth"
    touch "$home/ready"
}

if [ "$(uname -sm)" != "Linux x86_64" ]; then skip "this needs Linux on x86-64"; fi
for program in apt-get dpkg-deb python3; do command -v $program >/dev/null || skip "no $program"; done
if [ ! -e "$home/ready" ]; then set_up; fi
echo "+ build for aarch64"
CC="$home/bin/cc" LDSHARED="$home/bin/cc -shared" "$home/bin/python" setup.py -q build_ext --inplace
if [ $# = 0 ]; then set -- -n "$(nproc)" --dist worksteal -k "not distribution" "${tests[@]}"; fi # the same bits have the same
echo "+ python -m pytest $*"
exec "$home/bin/python" -m pytest -q "$@"
