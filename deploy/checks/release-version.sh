#!/bin/sh
# Whether a tag, such as v1.2.3, is the version that every package says.
set -eu
cd "$(dirname "$0")/../.."
version="${1#v}"
wrong=""
says() {
    [ "$2" = "$version" ] || { echo "$1 says $2, the tag says $version" >&2; wrong=yes; }
}
says Cargo.toml "$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)"
says npm/package.json "$(sed -n 's/^  "version": "\(.*\)",/\1/p' npm/package.json)"
says deploy/helm/authtool/Chart.yaml "$(sed -n 's/^appVersion: //p' deploy/helm/authtool/Chart.yaml)"
grep -q "^## \[$version\]" CHANGELOG.md || { echo "CHANGELOG.md has no section [$version]" >&2; wrong=yes; }
[ -z "$wrong" ]
