#!/usr/bin/env bash
# Fails when a unary call allocates more than the guard, client and server together. It looks at bytes only: they are the same on a
# busy machine, which times are not. Takes a few seconds once built.
set -euo pipefail
cd "$(dirname "$0")"
exec dotnet run -c Release -- --only unary --side gRPC --ratio 0 --warmup 3 --rounds 3 --seconds 0.5
