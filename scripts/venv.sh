# Makes a virtual environment, .venv or another, and installs a requirements file into it, once. Sourced by
# scripts/start and scripts/test from the root of the checkout.
#
# A stamp in the environment names what was installed, so that the next run has nothing to do. A run that was
# interrupted leaves a file `incomplete` behind, and the next one begins again. Two runs at once take turns.
# shellcheck shell=bash

say() { printf 'atelier: %s\n' "$*" >&2; }

die() {
    say "$@"
    exit 1
}

# The name of the first Python that is new enough and can make virtual environments.
find_python() {
    local name version='' without_venv=''
    for name in python3.13 python3.12 python3.11 python3; do
        "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if "$name" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$name"
            return
        fi
        [[ -n $without_venv ]] || without_venv=$name
    done
    if [[ -n $without_venv ]]; then
        version=$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        die "$without_venv (Python $version) cannot make virtual environments: its modules venv and ensurepip are" \
            "missing. On Debian and Ubuntu: apt install python$version-venv"
    fi
    die "Python 3.11 or newer is needed, with its modules venv and ensurepip. On Debian 12, Ubuntu 24.04 and newer:" \
        "apt install python3 python3-venv; on Ubuntu 22.04: apt install python3.11 python3.11-venv"
}

# The files that decide what a requirements file installs: itself and what it names.
sources_of() {
    local named
    echo "$1"
    sed -n 's/^-[rc] *//p' "$1" | while read -r named; do sources_of "$named"; done
}

# Names the installed Python and the sources; empty if the environment does not work.
fingerprint() {
    # shellcheck disable=SC2046 # the names have no blanks
    cat $(sources_of "$1") | "$venv/bin/python" -ISc \
        'import hashlib, sys; print(hashlib.sha256(sys.version.encode() + sys.stdin.buffer.read()).hexdigest())' \
        2>/dev/null || true
}

stamp_of() { echo "$venv/$1.sha256"; }

is_installed() {
    local stamp wanted
    stamp=$(stamp_of "$1")
    [[ -f $stamp && ! -e $venv/incomplete ]] || return 1
    wanted=$(fingerprint "$1")
    [[ -n $wanted && $wanted == "$(<"$stamp")" ]]
}

install() {
    local python file show=--quiet
    if [[ -e $venv/incomplete ]] || ! "$venv/bin/python" -Im pip --version >/dev/null 2>&1; then
        python=$(find_python) || exit 1
        say "making $venv with $("$python" -c 'import platform, sys; print(platform.python_version(), sys.executable)')"
        "$python" -m venv --clear "$venv" >&2 || die "making $venv failed, see above"
    fi
    touch "$venv/incomplete"
    say "installing $1; the first time this takes some minutes"
    if [[ -t 2 ]]; then show=--progress-bar=on; fi
    "$venv/bin/python" -Im pip install "$show" --disable-pip-version-check -r "$1" >&2 </dev/null ||
        die "installing $1 failed, see above; the next start tries again"
    # What it names with -r is installed too.
    for file in "$1" $(sed -n 's/^-r *//p' "$1"); do
        fingerprint "$file" >"$(stamp_of "$file")"
    done
    rm "$venv/incomplete"
    say "$1 is installed"
}

# ensure_venv requirements.txt | ensure_venv requirements-dev.txt | ensure_venv requirements-scan.txt .venv-scan
ensure_venv() {
    local venv=${2:-.venv} # read by the functions above
    is_installed "$1" && return
    exec 9<scripts/venv.sh
    if command -v flock >/dev/null && ! flock --nonblock 9; then
        say "waiting for another run that is installing"
        flock 9
    fi
    is_installed "$1" || install "$1"
    exec 9<&-
}
