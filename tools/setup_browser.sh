#!/usr/bin/env bash
# A browser for the tests that open Ghostlap's pages, where there is none yet. Never fails: without a
# browser those tests are skipped, and say so.
set -u
python="$1"
for name in "${GHOSTLAP_CHROMIUM:-}" chromium chromium-browser google-chrome; do
    [ -n "$name" ] && command -v "$name" > /dev/null && exit 0
done
echo "installing Chromium for the browser tests …"
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium) \
        > /dev/null 2>&1 && exit 0
fi
timeout 300 "$python" -m playwright install chromium > /dev/null 2>&1 && exit 0
echo "Chromium cannot be installed here, so browser tests will be skipped: install it yourself," \
    "or set GHOSTLAP_CHROMIUM to a browser of its kind."
exit 0
