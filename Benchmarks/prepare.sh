#!/bin/sh
# Installs what the benchmark needs (on Debian or Ubuntu) and compiles the load generator.
set -eu
cd "$(dirname "$0")"

if [ "$(uname -s)" != Linux ]; then
    echo "The benchmark runs on Linux only: it needs epoll, /proc, and the peers as packages (nginx, HAProxy)." >&2
    exit 1
fi

wanted=""
command -v python3 >/dev/null || wanted="$wanted python3"
command -v cc >/dev/null || wanted="$wanted gcc libc6-dev"
command -v make >/dev/null || wanted="$wanted make"
command -v openssl >/dev/null || wanted="$wanted openssl"
command -v taskset >/dev/null || wanted="$wanted util-linux"
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || wanted="$wanted nginx-light"
command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || wanted="$wanted haproxy"
printf '#include <openssl/ssl.h>\n' | cc -E - >/dev/null 2>&1 || wanted="$wanted libssl-dev"
if [ -n "$wanted" ]; then
    if ! command -v apt-get >/dev/null; then
        echo "Missing:$wanted (and no apt-get here to install them)" >&2
        exit 1
    fi
    become=""
    [ "$(id -u)" = 0 ] || become="sudo"
    echo "Installing:$wanted"
    $become apt-get update -q
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $become apt-get install -q -y --no-install-recommends $wanted
fi

make --silent -C loadgen
