# What start, test and the checks share: a Python that is new enough, and a virtual environment that is up to date.
# Sourced, with ROOT naming the top of the project. Plain POSIX sh.

say() { printf '%s: %s\n' "${0##*/}" "$1" >&2; }

fail() {
    say "$1"
    exit 1
}

runs() { "$1" -c '' >/dev/null 2>&1; } # a version manager's shim may be there and refuse to run
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
makes_venvs() { "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; }
python_version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# Print the Python to make environments with: $PYTHON if set, else the newest that can.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        runs "$PYTHON" || fail "PYTHON names $PYTHON, which does not run"
        set -- "$PYTHON"
    else
        set -- python3.13 python3.12 python3.11 python3
    fi
    found='' lacks_venv=''
    for candidate; do
        runs "$candidate" || continue
        found=$candidate
        new_enough "$candidate" || continue
        if makes_venvs "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
        lacks_venv=$candidate
    done
    explain_no_python
}

explain_no_python() {
    if [ -n "$lacks_venv" ]; then
        fail "$lacks_venv lacks the modules venv and ensurepip (Debian, Ubuntu: apt install python$(python_version "$lacks_venv")-venv)"
    elif [ -n "$found" ]; then
        fail "Python 3.11 or later is needed, but $found is $(python_version "$found"); name another one in PYTHON"
    fi
    fail "Python 3.11 or later is needed, and no python3 was found; name one in PYTHON"
}

# Where a stamp says what was installed: a moved project or a changed pyproject.toml asks for it again.
stamp() { printf '%s %s\n' "$(cksum <"$ROOT/pyproject.toml")" "$ROOT"; }

up_to_date() { # environment, extra
    [ -x "$1/bin/python" ] && [ -r "$1/installed$2" ] && [ "$(stamp)" = "$(cat "$1/installed$2")" ]
}

# Leave an environment with the project installed in it; quick and silent when it is there already.
ensure_venv() { # environment, extra ("" or "test")
    up_to_date "$1" "$2" || with_lock install "$1" "$2"
}

# Run a command while no other shell does. The project's own file is the lock: nothing to leave behind.
with_lock() {
    if command -v flock >/dev/null 2>&1; then
        (
            flock -n 9 || {
                say "waiting for the installation that another shell has begun"
                flock 9
            }
            "$@"
        ) 9<"$ROOT/pyproject.toml" || exit 1
    else
        "$@"
    fi
}

install() {
    up_to_date "$1" "$2" && return
    usable "$1" || make_venv "$1"
    say "installing into $1"
    # "compat" puts one line of path into the environment; the default would cost every start of Python 9 ms.
    "$1/bin/python" -m pip install -qq --disable-pip-version-check --config-settings editable_mode=compat \
        --editable "$ROOT${2:+[$2]}" || fail "the installation failed, see above; run it again when that is mended"
    stamp >"$1/installed$2"
    [ -z "$2" ] || stamp >"$1/installed"
}

usable() { new_enough "$1/bin/python" && "$1/bin/python" -m pip --version >/dev/null 2>&1; }

make_venv() {
    python=$(find_python) || exit 1
    say "making $1 with Python $(python_version "$python") (only the first time)"
    "$python" -m venv --clear "$1" || fail "$python could not make $1, see above"
}
