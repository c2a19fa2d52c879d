#!/bin/sh
# Creates .venv in the repository's root, or completes one that was cut short; `make setup` calls it.
#
#   PYTHON=python3.12 sh tools/make_venv.sh
#
# Installs the exact versions of constraints.txt, with opencv-python-headless as the only cv2.
# Writes .venv/.complete at the end; without that file the next call goes on or starts over.
set -eu
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3}"
in_venv=.venv/bin/python
installing=.venv/.installing

say() { printf 'setup: %s\n' "$*"; }
stop() {  # WHAT: WHERE: HOW TO MEND, as all tools print errors
    printf 'error: %s\n' "$*" >&2
    exit 2
}

check_python() {
    command -v "$PYTHON" >/dev/null 2>&1 ||
        stop "there is no such Python: $PYTHON: apt-get install python3 python3-venv"
    version="$("$PYTHON" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')"
    case "$version" in
        3.10.* | 3.11.* | 3.12.* | 3.13.*) ;;
        *) stop "Python $version is not between 3.10 and 3.13: $PYTHON:" \
            "make setup PYTHON=/path/to/another/python3" ;;
    esac
    # Debian keeps ensurepip, which puts pip into the new environment, in a package of its own.
    "$PYTHON" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
        stop "ensurepip is missing, so .venv cannot be created: $PYTHON: apt-get install python3-venv"
}

make_venv() {
    # A pip killed while copying leaves packages that look installed: start over.
    if [ ! -e "$installing" ] && "$in_venv" -c 'import pip' >/dev/null 2>&1; then
        say "keeping .venv"
        return
    fi
    say "creating .venv with Python $version"
    rm -rf .venv
    "$PYTHON" -m venv .venv
}

install_large_packages() {
    # Unpacking these 5 GB keeps a core busy for a minute, so several at once, torch among
    # the first.  What fails here is installed with the rest.
    [ "$(uname -sm)" = "Linux x86_64" ] || return 0
    large='torch|triton|nvidia-[a-z0-9-]+|scipy|sympy|numpy|llvmlite|onnx|onnxruntime|playwright'
    grep -E "^($large)==" constraints.txt | sort -r |
        xargs -d '\n' -n 1 -P "$(nproc)" \
            "$in_venv" -m pip install --quiet --no-compile --no-deps || true
}

install_packages() {
    say "installing what .venv lacks of constraints.txt; the first time this takes some minutes,"
    say "downloads about 3 GB and needs 6 GB on disk, because PyTorch brings CUDA"
    touch "$installing"
    # The pip that comes with Debian 12 fails on the metadata of onedl-mmcv.
    "$in_venv" -m pip install --quiet --upgrade --constraint constraints.txt pip
    install_large_packages
    # --no-compile: few of the 15,000 modules are ever imported.  Packages that all tools import are
    # compiled, the largest beside pip, which needs one core: else the first command would take half
    # a minute longer, and processes that start together would each compile them.
    packages='.venv/lib/python3*/site-packages'
    "$in_venv" -m compileall -q $(printf "$packages/%s " torch scipy sympy) >/dev/null 2>&1 &
    trap "kill $! 2>/dev/null || true" EXIT
    trap "exit 130" INT TERM
    "$in_venv" -m pip install --quiet --no-compile --constraint constraints.txt \
        --build-constraint constraints.txt --editable '.[test,dev]'
    # onedl-mmcv and imaug want opencv-python, which needs libGL and writes its cv2 over the
    # headless one.  Uninstalling one removes files of the other: uninstall both, install one.
    if "$in_venv" -m pip show --quiet opencv-python >/dev/null 2>&1; then
        "$in_venv" -m pip uninstall --quiet --yes opencv-python opencv-python-headless
        "$in_venv" -m pip install --quiet --no-deps --constraint constraints.txt \
            opencv-python-headless
    fi
    wait
    trap - EXIT INT TERM
    imported="torchvision timm mmengine mmcv mmdet mmseg numpy matplotlib numba beartype imgaug PIL"
    "$in_venv" -m compileall -q -j 0 $(printf "$packages/%s " $imported) >/dev/null 2>&1 || true
    rm "$installing"
}

check_python
make_venv
install_packages
touch .venv/.complete
say "done: .venv is ready"
