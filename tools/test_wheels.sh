#!/usr/bin/env bash
# Build the sdist, a wheel from it with each Python given, and test each wheel, installed in an environment of its own.
#     tools/test_wheels.sh python3.10 python3.13
# The wheels are left in dist/. What is tested is what was installed: the tests run from a folder with no fastrbm/.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/empty"

"$1" -m venv "$work/build"
"$work/build/bin/pip" install -q build
"$work/build/bin/python" -m build -q --sdist -o "$work/sdist"
tar -xzf "$work"/sdist/*.tar.gz -C "$work"
source=$(echo "$work"/fastrbm-*)

for python in "$@"; do
    name=$(basename "$(dirname "$(dirname "$(command -v "$python")")")")-$(basename "$python")
    echo "== $("$python" --version)"
    "$python" -m venv "$work/$name"
    bin="$work/$name/bin"
    "$bin/pip" wheel -q --no-deps -w "$work/wheels-$name" "$work"/sdist/*.tar.gz
    "$bin/pip" install -q "$(echo "$work/wheels-$name"/*.whl)[test]"
    (cd "$work/empty" && "$bin/pytest" -q -c "$source/pyproject.toml" --rootdir "$source" "$source/tests")
    mkdir -p dist && cp "$work/wheels-$name"/*.whl dist/
done
