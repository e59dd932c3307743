#!/bin/sh
# get_promtool.sh FOLDER: unpacks promtool of Debian's package `prometheus` into FOLDER. Installs
# nothing and needs no root. Does nothing where promtool is on PATH or in FOLDER; ends with 1 where
# there is no apt-get, or no such package: tests that need promtool are skipped then.
set -eu
folder=$1
if command -v promtool >/dev/null || [ -x "$folder/promtool" ]; then exit 0; fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || {
  echo "promtool: neither on PATH nor, without apt-get, to be had: install Prometheus" >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
here=$PWD
cd "$work"
# The lists of packages may never have been read here; they are kept below $work, which is ours.
options="-o Dir::State::Lists=$work/lists -o Dir::Cache=$work/cache -o APT::Sandbox::User="
try=1
until
  apt-get download prometheus >apt.log 2>&1 ||
  { mkdir -p lists/partial cache/archives/partial
    apt-get $options -o Debug::NoLocking=1 update >>apt.log 2>&1 &&
    apt-get $options download prometheus >>apt.log 2>&1; }
do
  if [ "$try" = 3 ]; then
    echo "promtool: apt-get could not download the package prometheus:" >&2
    tail -n 5 apt.log >&2
    exit 1
  fi
  try=$((try + 1))
  sleep 5
done
dpkg-deb -x prometheus_*.deb unpacked
cd "$here"
mkdir -p "$folder"
cp "$work/unpacked/usr/bin/promtool" "$folder/promtool"
"$folder/promtool" --version
