#!/usr/bin/env bash
# Fails when a sample on its way into the service allocates more than the guard, caller and service together. It looks at bytes only.
# What a sample costs at all is its journal row, its place in a compressed block, and its share of the checkpoints. Under 15 s once built.
set -euo pipefail
cd "$(dirname "$0")"
exec dotnet run -c Release -- --streams 1 --seconds 4 --flips 0 --guard 40
