# Sourced by the scripts beside it: whether Debian packages may be installed here, and how.

may_install() { # as root on Debian or Ubuntu, unless the caller says TAILPROOF_INSTALL=no
    [ "${TAILPROOF_INSTALL:-yes}" != no ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1
}

install_packages() { # install_packages LOG PACKAGE...
    log=$1
    shift
    # The lists of packages may be old, or not there at all as in a new tree; they are fetched only when it fails without.
    apt_get "$log" install "$@" || { apt_get "$log" update && apt_get "$log" install "$@"; }
}

apt_get() { # apt_get LOG COMMAND [PACKAGE...]: another apt may hold the lock for a while on a machine that was just started
    log=$1 command=$2
    shift 2
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 "$command" --no-install-recommends "$@" \
        >>"$log" 2>&1 </dev/null
}
