#!/usr/bin/env bash
# Debian's Firefox and WebKit for the tests that drive the cockpit in them, where this is Debian and
# they may be installed. Never fails: without them those tests are skipped, and say so.
set -u
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    for program in firefox-esr WebKitWebDriver Xvfb; do
        command -v "$program" > /dev/null && continue
        echo "installing Firefox and WebKit for the browser tests …"
        (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends firefox-esr webkit2gtk-driver xvfb) > /dev/null 2>&1
        break
    done
fi
exit 0
