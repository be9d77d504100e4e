# shellcheck shell=sh
# What image/build and image/config share.

fail() {
    printf 'image: %s\n' "$*" >&2
    exit 1
}

size() { wc -c <"$1" | tr -d ' '; }

# The value of a key in the section [image] of the board's board.ini.
setting() {
    sed -n '/^\[image\]/,/^\[capacities\]/s/^'"$1"'[[:blank:]]*=[[:blank:]]*//p' "$folder/board.ini"
}

# --- packages ---------------------------------------------------------------

# The package with a kernel that a name such as linux-image-cloud-amd64 stands for.
kernel_of() {
    # shellcheck disable=SC2086
    found=$(apt-cache $apt_options depends "$1" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    printf '%s\n' "${found:-$1}"
}

# Fetches a package and unpacks it: its folder is in $unpacked. $apt_options and
# $foreign tell of another architecture.
# shellcheck disable=SC2086
package() {
    version=$(apt-cache $apt_options policy "$1" | sed -n 's/^ *Candidate: //p')
    [ -n "$version" ] && [ "$version" != "(none)" ] || fail "apt knows no package $1: apt-get update"
    unpacked=$cache/${1}_$(printf '%s' "$version" | tr ':~' '__')${foreign:+_$foreign}
    if [ ! -f "$unpacked/.whole" ]; then
        rm -rf "$unpacked" "$unpacked.deb"
        mkdir -p "$unpacked.deb"
        (cd "$unpacked.deb" && apt-get $apt_options download -qq "$1=$version" 2>"$unpacked.deb/log") ||
            fail "apt-get download $1: $(cat "$unpacked.deb/log")"
        dpkg-deb -x "$unpacked.deb"/*.deb "$unpacked"
        : >"$unpacked/.whole"
        rm -rf "$unpacked.deb"
    fi
    printf '%s %s\n' "$1" "$version" >>"$work/packages"
}

# --- modules ----------------------------------------------------------------

# Appends a module to $order, behind all that it needs, and copies them. One that
# the kernel has inside is none.
needs() {
    case " $order " in *" $1 "*) return ;; esac
    file=$(grep "/$(printf '%s' "$1" | sed 's/[-_]/[-_]/g')\.ko\$" "$work/modules" | head -n 1)
    if [ -z "$file" ]; then
        builtin=$(find "$kernel_tree/lib/modules" -name modules.builtin | head -n 1)
        [ -n "$2" ] || grep -q "/$1\.ko\$" "$builtin" || fail "the kernel has no module $1"
        return
    fi
    cp "$file" "$root/lib/modules/$1.ko"
    chmod 644 "$root/lib/modules/$1.ko"
    # A recursion of sh has no variables of its own.
    for each in $($objcopy -O binary --only-section=.modinfo "$file" /dev/stdout |
        tr '\0' '\n' | sed -n 's/^depends=//p' | tr ',' ' '); do
        needs "$each" "$1"
    done
    order="$order $1"
}

# --- the archive ------------------------------------------------------------

# A cpio archive ("newc") of a folder on standard output, with /dev/console in it,
# which only root could make as a file. Owners, times and numbers say nothing of
# the machine that wrote it.
archive() {
    number=0
    (cd "$1" && find . -mindepth 1 | sed 's,^\./,,' | sort) >"$work/names"
    # Without it everybody could write the root, and hooks would be refused.
    entry . 0040755 /dev/null 0 0
    while IFS= read -r name; do
        file=$1/$name
        if [ -L "$file" ]; then
            readlink -n "$file" >"$work/link"
            entry "$name" 0120777 "$work/link" 0 0
        elif [ -d "$file" ]; then
            entry "$name" 0040755 /dev/null 0 0
            [ "$name" != dev ] || entry dev/console 0020600 /dev/null 5 1
        elif [ "$name" = etc/smena.ini ]; then
            # It may have a password in it.
            entry "$name" 0100600 "$file" 0 0
        elif [ -x "$file" ]; then
            entry "$name" 0100755 "$file" 0 0
        else
            entry "$name" 0100644 "$file" 0 0
        fi
    done <"$work/names"
    number=-1
    entry TRAILER!!! 0 /dev/null 0 0
}

# One entry: name, mode in octal, the file with its bytes, device numbers.
entry() {
    number=$((number + 1))
    length=$(size "$3")
    printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\0' \
        "$number" "$(($2))" 0 0 1 0 "$length" 0 0 "$4" "$5" $((${#1} + 1)) 0 "$1"
    zeros $(((4 - (110 + ${#1} + 1) % 4) % 4))
    cat "$3"
    zeros $(((4 - length % 4) % 4))
}

zeros() { [ "$1" -eq 0 ] || head -c "$1" /dev/zero; }

# The kernel looks for a second archive at a multiple of 4 bytes.
pad4() { zeros $(((4 - $(size "$1") % 4) % 4)) >>"$1"; }

# --- the bill of materials --------------------------------------------------

# CycloneDX: smena, the crates of Cargo.lock, and the Debian packages.
bill() {
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$top/Cargo.toml" | head -n 1)
    printf '{\n  "bomFormat": "CycloneDX",\n  "specVersion": "1.5",\n  "version": 1,\n'
    printf '  "metadata": {"component": {"type": "firmware", "name": "smena-image-%s", "version": "%s"}},\n' "$board" "$version"
    printf '  "components": [\n'
    {
        awk -F '"' '
            /^\[\[package\]\]/ { name = version = ""; sum = "" }
            /^name = / { name = $2 }
            /^version = / { version = $2 }
            /^checksum = / { sum = $2 }
            /^$/ { crate() }
            END { crate() }
            function crate() {
                if (name == "" || version == "") return
                hash = sum == "" ? "" : sprintf(", \"hashes\": [{\"alg\": \"SHA-256\", \"content\": \"%s\"}]", sum)
                kind = sum == "" ? "application" : "library"
                printf "    {\"type\": \"%s\", \"name\": \"%s\", \"version\": \"%s\", \"purl\": \"pkg:cargo/%s@%s\"%s}\n", kind, name, version, name, version, hash
                name = ""
            }' "$top/Cargo.lock"
        while read -r name version; do
            purl=$(printf '%s' "$version" | sed 's/+/%2B/g; s/:/%3A/g')
            printf '    {"type": "operating-system", "name": "%s", "version": "%s", "purl": "pkg:deb/debian/%s@%s"}\n' \
                "$name" "$version" "$name" "$purl"
        done <"$work/packages"
    } | sed '$!s/$/,/'
    printf '  ]\n}\n'
}
