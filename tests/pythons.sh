#!/bin/sh
# The tests that start no engines, on Python 3.12 and 3.13: where the machine has them, or uv brings
# them. Says which were found and which ran. Packages go into .venv-VERSION.
set -eu
cd "$(dirname "$0")/.."

status=0
ran=""
for version in 3.12 3.13; do
  python=""
  for found in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python3; do
    # It is run, not only looked up: a version manager's shim may have nothing behind it.
    if "$found" -c 'import ensurepip, venv' 2>/dev/null; then
      python="$found"
    fi
  done
  if [ -z "$python" ] && command -v uv >/dev/null; then
    uv python install --quiet "$version" 2>/dev/null || true
    python="$(uv python find --no-project "$version" 2>/dev/null || true)"
  fi
  if [ -z "$python" ]; then
    echo "== Python $version: not on this machine, and uv does not bring it"
    continue
  fi
  echo "== Python $version: $python"
  venv=".venv-$version"
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install --disable-pip-version-check --quiet \
    --constraint deploy/constraints.txt --editable '.[engines,dev]'
  "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-deps ultr-bias-toolkit==0.0.5
  "$venv/bin/python" -m pytest -p no:cacheprovider -q -m "not engines" || status=$?
  ran="$ran $version"
done
echo "== ran on:${ran:- nothing newer than .venv}"
exit "$status"
