#!/usr/bin/env bash
# Installs the programs of programs.txt for `npm run test:real`, outside of the checkout: `install.sh [NAME …]`.
# Each on its own: one that fails leaves the others. One line for each; exit code 1 when one is missing in the end.
set -uo pipefail
cd "$(dirname "$0")"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/jit-real"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

install_packages() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "needs the package $* of the system, which root can install" >&2
    return 1
  fi
  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"
}

make_python() { # FOLDER PROGRAM
  # Debian has venv's own pip in a package of its own.
  if ! python3 -m venv "$1"; then
    rm -rf "$1"
    install_packages python3-venv && python3 -m venv "$1" || return
  fi
  nice "$1/bin/pip" install --quiet --disable-pip-version-check --no-deps -r requirements.txt
}

make_go() { # FOLDER PACKAGE
  if ! command -v go > /dev/null; then
    echo "needs Go, of the version in programs/*/go.mod or newer" >&2
    return 1
  fi
  mkdir -p "$1/bin" && CGO_ENABLED=0 nice go build -mod=readonly -trimpath -buildvcs=false -ldflags '-s -w' -o "$1/bin/" "$2"
}

make() { # NAME VERSION KIND ARGUMENT
  local folder="$cache/$1-$2" pinned seconds=$SECONDS
  pinned="$(cat "programs/$1"/* | sha256sum)" || return
  # The mark is written last, so that half an installation is none.
  if [ "$(cat "$folder/installed" 2> /dev/null)" = "$pinned" ]; then
    echo "$1 $2: already there"
    return
  fi
  rm -rf "$folder"
  mkdir -p "$cache"
  if (cd "programs/$1" && "make_$3" "$folder" "$4") > "$log" 2>&1 < /dev/null && echo "$pinned" > "$folder/installed"; then
    echo "$1 $2: installed in $((SECONDS - seconds)) s"
  else
    echo "$1 $2: failed: $(tail -n 3 "$log" | tr '\n' ' ')"
    rm -rf "$folder"
    return 1
  fi
}

make_postgresql() {
  if compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null; then
    echo 'postgresql: already there'
  elif install_packages postgresql > "$log" 2>&1 < /dev/null; then
    echo 'postgresql: installed'
  else
    echo "postgresql: failed: $(tail -n 3 "$log" | tr '\n' ' ')"
    return 1
  fi
}

wanted() { # NAME
  [ "${#names[@]}" = 0 ] || [[ " ${names[*]} " == *" $1 "* ]]
}

names=("$@")
missing=0
while read -r name version kind argument; do
  if wanted "$name"; then make "$name" "$version" "$kind" "$argument" || missing=1; fi
done < <(grep -v '^#' programs.txt)
if wanted postgresql; then make_postgresql || missing=1; fi
exit "$missing"
