#!/usr/bin/env bash
# Gradescope runs this once, when it builds the image: it installs Go and
# compiles the grader and all that the tests need.
set -euo pipefail
base=${AUTOGRADER:-/autograder}
source=$base/source

if ! command -v go >/dev/null || ! command -v gcc >/dev/null; then
  apt-get update
  apt-get install -y --no-install-recommends ca-certificates curl gcc git libc6-dev
  version=$(sed -n 's/^go //p' "$source/course/go.mod")
  curl -fsSL "https://go.dev/dl/go$version.linux-amd64.tar.gz" | tar -C /usr/local -xz
  ln -sf /usr/local/go/bin/go /usr/local/bin/go
fi

cd "$source/course"
export GOFLAGS=-mod=mod GOTOOLCHAIN=local
go mod download
go build -o "$base/grader" ./grader
while read -r lab; do
  go test -c -o /dev/null "./$lab"
done <"$source/labs"
