# What the scripts of this folder say of each thing they look at. Sourced.
# shellcheck shell=sh

# expect SENTENCE COMMAND...: the sentence is true where the command succeeds; else the end.
expect() {
    sentence=$1
    shift
    if "$@" >/tmp/expect 2>&1; then
        echo "  ok    $sentence"
        return
    fi
    echo "  WRONG $sentence: $*"
    cat /tmp/expect
    exit 1
}

not() {
    ! "$@"
}

# has TEXT COMMAND...: the command succeeds and prints the text.
has() {
    text=$1
    shift
    printed=$("$@" 2>&1) && printf '%s\n' "$printed" | tee /dev/stderr | grep -qF -e "$text"
}

silent() {
    printed=$("$@" 2>&1) && [ -z "$printed" ] && return
    printf '%s\n' "$printed"
    return 1
}

# All that is on the disk, but for what any package leaves and the kernel's own.
everything() {
    find / -xdev \( -path /doorbell -o -path /packages -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache \
        -o -path /tmp -o -path /run -o -path /proc -o -path /sys -o -path /dev \) -prune -o -print | sort
}
