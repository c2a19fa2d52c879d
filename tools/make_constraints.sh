#!/bin/sh
# Writes constraints.txt again: `sh tools/make_constraints.sh`, or with --upgrade for the newest
# versions.  Needs uv (pip install uv), which resolves for all Pythons at once without
# installing; then try the result, `make clean test`, on the oldest and the newest Python.
set -eu
cd "$(dirname "$0")/.."
new="$(mktemp)"
cp constraints.txt "$new" # uv keeps the versions it finds there
uv pip compile --quiet --universal --python-version 3.10 --all-extras --no-annotate --no-header \
    "$@" pyproject.toml --output-file "$new" >/dev/null
{
    echo "# The exact versions tried, as pip's --constraint; tools/make_constraints.sh writes this file."
    echo "# Resolved for Linux on x86-64, Python 3.10 to 3.13."
    # Only the markers about Python stay: a pin does no harm on a machine where nothing was tried.
    sed -E -e "s/python_full_version/python_version/g" \
        -e "s/ and python_version < '3\.14'//; s/python_version < '3\.14' and//" \
        -e "s/( and)? (platform_machine|sys_platform|platform_python_implementation) .= '[^']*'//g" \
        -e "s/ ;( python_version < '3\.14')? *$//" "$new"
} >constraints.txt
rm "$new"
