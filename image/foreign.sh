# shellcheck shell=sh
# Other processors with nothing but Debian's packages: a Rust toolchain that makes
# core for any of them, and apt for packages of another architecture. For
# image/build and .ci/cross.

# What Debian calls a Rust target: its architecture, then its tools.
debian_names() {
    case $1 in
    x86_64-*) echo amd64 x86_64-linux-gnu ;;
    aarch64-*) echo arm64 aarch64-linux-gnu ;;
    armv7-*hf) echo armhf arm-linux-gnueabihf ;;
    mipsel-*) echo mipsel mipsel-linux-gnu ;;
    riscv64gc-*) echo riscv64 riscv64-linux-gnu ;;
    esac
}

# Unpacks Debian's rustc-web into a folder. It is not installed, since it conflicts
# with rustup, and the host's toolchain stays what it is.
unpack_toolchain() {
    [ ! -e "$1/whole" ] || return 0
    rm -rf "$1"
    mkdir -p "$1/deb"
    # The library packages carry the compiler's version in their names.
    version=$(apt-cache show --no-all-versions rustc-web | sed -n 's/^Version: \([0-9]*\.[0-9]*\)\..*/\1/p')
    (cd "$1/deb" && apt-get download -qq rustc-web libstd-rust-web-dev "libstd-rust-web-$version" rust-web-src 2>"$1/log") ||
        { cat "$1/log" >&2; return 1; }
    for deb in "$1"/deb/*.deb; do dpkg-deb -x "$deb" "$1"; done
    # The LLVM that this compiler was linked with.
    llvm=$(LD_LIBRARY_PATH=$(toolchain_libraries "$1") ldd "$1/usr/bin/rustc" |
        sed -n 's/.*libLLVM\.so\.\([0-9]*\).*not found.*/\1/p' | head -n 1)
    if [ -n "$llvm" ]; then
        (cd "$1/deb" && apt-get download -qq "libllvm$llvm" 2>"$1/log") || { cat "$1/log" >&2; return 1; }
        dpkg-deb -x "$1"/deb/libllvm*.deb "$1"
    fi
    rm -rf "$1/usr/lib/rustlib/src" "$1/deb"
    mkdir -p "$1/usr/lib/rustlib/src"
    ln -s "../../../src/$(basename "$1"/usr/src/rustc-*)" "$1/usr/lib/rustlib/src/rust"
    : >"$1/whole"
}

# Build scripts and the compiler run on the host, so only they see its libraries.
toolchain_libraries() { echo "$1"/usr/lib/*-linux-gnu; }

# cargo with the toolchain in a folder, and Debian's linkers.
foreign_cargo() {
    (
        folder=$1
        shift
        # Assembly for MIPS is not stable yet, and rustix asks for a word before it
        # uses it.
        export RUSTC="$folder/usr/bin/rustc" RUSTC_BOOTSTRAP=1
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
        export CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_LINKER=arm-linux-gnueabihf-gcc
        export CARGO_TARGET_MIPSEL_UNKNOWN_LINUX_GNU_LINKER=mipsel-linux-gnu-gcc
        export CARGO_TARGET_MIPSEL_UNKNOWN_LINUX_GNU_RUSTFLAGS='--cfg rustix_use_experimental_asm'
        export CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_LINKER=riscv64-linux-gnu-gcc
        LD_LIBRARY_PATH=$(toolchain_libraries "$folder") exec cargo "$@"
    )
}

# Has apt-get and apt-cache know the packages of another architecture, in a folder
# of their own: the host's apt stays as it is, and no root is needed. Says which
# options do it.
foreign_apt() {
    mkdir -p "$2/lists/partial" "$2/cache/archives/partial"
    : >"$2/status"
    echo "-o APT::Architecture=$1 -o APT::Architectures=$1 -o Dir::State=$2 -o Dir::State::status=$2/status" \
        "-o Dir::State::lists=$2/lists -o Dir::Cache=$2/cache -o Acquire::Languages=none"
}
