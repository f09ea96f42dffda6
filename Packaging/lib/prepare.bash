# Sourced by the commands beside this folder: what a machine needs before Tributary can be built on it.
# shellcheck shell=bash
# What is set here is used by those who source it.
# shellcheck disable=SC2034

# The system libraries and the broker that the default build and every run need (Debian's names).
TRIBUTARY_PACKAGES=(libsqlite3-dev libmosquitto-dev mosquitto pkg-config)
# The oldest Swift that can read the manifest.
TRIBUTARY_SWIFT=6.2

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Colour only on a terminal, and not where NO_COLOR (https://no-color.org) asks for none.
if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    style_bold=$'\e[1m' style_red=$'\e[31m' style_green=$'\e[32m' style_off=$'\e[0m'
else
    style_bold='' style_red='' style_green='' style_off=''
fi

# A heading, and a failure that ends the command.
say() { printf '%s\n' "$style_bold$*$style_off"; }
fail() {
    printf '%s\n' "$style_red$*$style_off" >&2
    exit 1
}

# Ends the command where there is no Swift, or one that is too old, and says how to get it.
require_swift() {
    local version
    if ! command -v swift >/dev/null; then
        swift_hint "No swift in PATH."
    fi
    version=$(swift --version 2>/dev/null | sed -nE 's/.*Swift version ([0-9]+(\.[0-9]+)*).*/\1/p' | head -n 1)
    [[ -n $version ]] || swift_hint "\`swift --version\` does not say a version."
    # The older of the two comes first.
    if [[ $(printf '%s\n%s\n' "$TRIBUTARY_SWIFT" "$version" | sort -V | head -n 1) != "$TRIBUTARY_SWIFT" ]]; then
        swift_hint "Swift $version is too old: $TRIBUTARY_SWIFT or later is needed."
    fi
    echo "Swift $version"
}

swift_hint() {
    printf '%s\n' "$style_red$1$style_off" \
        "Install a toolchain as https://www.swift.org/install/linux/ says, for instance with swiftly:" \
        "    swiftly install latest" \
        "and start this again in a shell in which \`swift --version\` answers." >&2
    exit 1
}

# Prints those of the named packages that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        # dpkg-query fails for a package that it has never heard of, which is an answer too.
        if [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true) != installed ]]; then
            echo "$package"
        fi
    done
}

# Installs what is missing of the named packages; with sudo where it is not root. Where neither is possible it
# prints the line to run, and ends the command.
install_packages() {
    local -a missing sudo=()
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "This is no Debian: what it calls $* must be there, by other names."
        return
    fi
    mapfile -t missing < <(missing_packages "$@")
    if ((${#missing[@]} == 0)); then
        echo "System packages: all there ($*)"
        return
    fi
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "These packages are missing. Run this as root, then start again:
    apt-get update && apt-get install -y ${missing[*]}"
        sudo=(sudo)
    fi
    echo "Installing ${missing[*]}"
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
    broker_notice "${missing[@]}"
}

# Debian starts a system broker when it installs mosquitto or nats-server on a machine with an init system.
# Nothing here starts or uses those: our brokers have a configuration and a free port of their own.
broker_notice() {
    local package
    for package in "$@"; do
        if [[ $package =~ ^(mosquitto|nats-server)$ && -d /run/systemd/system ]]; then
            echo "Debian has started a $package of its own. It is not used here; you can end it:"
            echo "    sudo systemctl disable --now $package"
        fi
    done
}
