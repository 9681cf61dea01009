# Sourced by ./gpt35 and ./test: finds the .NET 10 SDK and builds when the sources are newer than the last build.
# Sets nothing but functions and $dotnet; expects $root.

fail() { printf '%s\n' "$@" >&2; exit 2; }

find_dotnet() {
    local candidate
    for candidate in "$(command -v dotnet || true)" "${DOTNET_ROOT:-}/dotnet" "$HOME/.dotnet/dotnet"; do
        if [ -x "$candidate" ]; then dotnet=$candidate; return; fi
    done
    fail "The .NET 10 SDK was not found: there is no 'dotnet' on the PATH, in \$DOTNET_ROOT or in ~/.dotnet." \
         "Install it from https://dotnet.microsoft.com/download/dotnet/10.0 and try again."
}

require_sdk() {
    local sdks
    sdks=$("$dotnet" --list-sdks)
    grep -q '^10\.0\.' <<<"$sdks" || fail \
        "The .NET 10 SDK was not found. '$dotnet' offers: ${sdks:-only a runtime, no SDK}." \
        "Install it from https://dotnet.microsoft.com/download/dotnet/10.0 and try again."
}

# Everything a build depends on. Files, not folders: a build itself touches the folders.
list_sources() {
    local part parts=()
    for part in src recipes Directory.Build.props Directory.Packages.props global.json "$@"; do
        if [ -e "$root/$part" ]; then parts+=("$root/$part"); fi
    done
    find "${parts[@]}" \( -name bin -o -name obj \) -prune -o -type f ${newer[@]+"${newer[@]}"} -print
}

# is_fresh STAMP [MORE SOURCES…]: nothing is newer than the stamp, and no file came or went since.
is_fresh() {
    local stamp=$1 newer=(); shift
    [ -f "$stamp" ] && [ "$(list_sources "$@" | LC_ALL=C sort | cksum)" = "$(cat "$stamp")" ] || return 1
    newer=(-newer "$stamp")
    [ -z "$(list_sources "$@")" ]
}

# build TARGET STAMP WHAT [MORE SOURCES…]: one quiet Release build; the whole log is shown only if it fails.
build() {
    local target=$1 stamp=$2 what=$3 newer=() log; shift 3
    require_sdk
    mkdir -p "$(dirname "$stamp")"
    # One build at a time. The compiler's children must not inherit the lock, or they would hold it for as long as they live.
    exec 9>"$root/src/Gpt35.Cli/obj/.build-lock"
    if command -v flock >/dev/null; then flock 9; fi
    if ! is_fresh "$stamp" "$@"; then
        log=$(mktemp)
        printf 'Building %s, once …' "$what" >&2
        list_sources "$@" | LC_ALL=C sort | cksum >"$stamp.new"      # before the build: what changes meanwhile is built next time
        if ! (cd "$root" && DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 \
              "$dotnet" build "$target" -c Release -v quiet -nodeReuse:false -p:UseSharedCompilation=false --tl:off 9>&-) >"$log" 2>&1 </dev/null; then
            printf ' failed:\n' >&2
            cat "$log" >&2
            rm -f "$log" "$stamp.new"
            exit 1
        fi
        mv "$stamp.new" "$stamp"
        rm -f "$log"
        if [ -t 2 ]; then printf '\r\033[K' >&2; else printf ' done.\n' >&2; fi
    fi
    exec 9>&-
}
