# Roots of Debian releases, made by debootstrap from the mirror that apt uses here, and commands in
# them. Sourced by scripts that run at the checkout's top, as root; they set `who`, with which what
# is said begins. Needs chroot and mounts, nothing else.
# shellcheck shell=sh

inside=/doorbell # where a copy of the checkout lies in a root

say() {
    echo "${who:?}: $*"
}

need_root() {
    [ "$(id -u)" = 0 ] && return
    say "this makes a root file system, so it needs to be root" >&2
    exit 1
}

# What is mounted goes with the last process in the namespace, however that ends.
in_own_namespace() {
    unshare --mount --propagation private "$@"
}

# Runs a command that tells much; what it told is in the log, and shown where it fails.
quietly() {
    log=$1
    shift
    "$@" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        say "that failed; all that was said is in $log" >&2
        exit 1
    }
}

# One that has the release itself; security and updates stand beside it.
mirror() {
    apt-get indextargets --format '$(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        sed -n 's/^Debian Debian main //p' | head -n 1
}

# make_root RELEASE ROOT [PACKAGE,...]: nothing where it is there already.
make_root() {
    [ ! -d "$2" ] || return 0
    tests/install-packages debootstrap debian-archive-keyring
    mirror=$(mirror)
    if [ -z "$mirror" ]; then
        say "apt knows no mirror of Debian's main archive; run apt-get update and look at its sources" >&2
        exit 1
    fi
    http_proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)${http_proxy:-}
    export http_proxy
    say "making $2"
    rm -rf "$2.new"
    mkdir -p "$2.new"
    quietly "$2.log" in_own_namespace debootstrap --variant=minbase ${3:+--include="$3"} \
        --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$1" "$2.new" "$mirror"
    mv "$2.new" "$2"
}

copy_checkout() {
    rm -rf "${1:?}$inside"
    mkdir "$1$inside"
    tar --exclude=./build --exclude='./build-*' --exclude=./.git --exclude=node_modules --exclude=./data \
        --exclude=__pycache__ -cf - . | tar -xf - -C "$1$inside"
    cp /etc/resolv.conf "$1/etc/resolv.conf"
}

# run_inside ROOT COMMANDS: in the copy of the checkout where there is one.
run_inside() {
    # shellcheck disable=SC2016 # the inner shell expands these
    in_own_namespace sh -c '
        mount -t proc proc "$1/proc" &&
        mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts" &&
        exec chroot "$1" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            http_proxy="${http_proxy:-}" sh -euc "cd $2; $3"' sh "$1" "$inside" "$2"
}
