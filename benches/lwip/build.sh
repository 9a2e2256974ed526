#!/usr/bin/env bash
# Fetches lwIP's source from Debian's archive and builds it into DIRECTORY/liblwip_peer.a, for PROCESSOR (gcc's -march):
#   bash benches/lwip/build.sh DIRECTORY PROCESSOR
# lwIP keeps its state in globals and its sizes in macros, so there is a copy for each configuration and each end of the
# link, optimised as a whole, of which only one table is seen.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"

version=2.1.3
archive="lwip_$version+dfsg1.orig.tar.xz"
sum=0a8276d09fc4e97bbba2f953d74af2388fc2195ea156be9d7589e297a68fde24
url="http://deb.debian.org/debian/pool/main/l/lwip/$archive"

# What was built from the same source by the same compiler is there already.
stamp="$sum $2 $(cat "$here"/*.c "$here"/*.h "$here"/arch/*.h "$here"/build.sh | sha256sum) $(gcc --version | head -n 1)"
if [ -e liblwip_peer.a ] && [ "$(cat stamp 2>/dev/null)" = "$stamp" ]; then
    exit 0
fi

if ! echo "$sum  $archive" | sha256sum --check --status 2>/dev/null; then
    curl --fail --silent --show-error --location --retry 3 --max-time 120 --output "$archive" "$url"
    echo "$sum  $archive" | sha256sum --check --quiet
fi
rm -rf "lwip-$version" objects liblwip_peer.a
tar xf "$archive"
mkdir objects

source="lwip-$version/src"
files="core/def core/inet_chksum core/init core/ip core/mem core/memp core/netif core/pbuf core/stats core/tcp core/tcp_in
       core/tcp_out core/timeouts core/udp core/ipv4/etharp core/ipv4/icmp core/ipv4/ip4 core/ipv4/ip4_addr
       netif/ethernet"
flags="-O3 -march=$2 -flto=1 -flto-partition=one -fno-strict-aliasing -fno-semantic-interposition -fPIE -w -I$here -I$source/include"

# Windows and connections, TIME-WAITs included: `find` in benches/lwip.rs chooses among them.
configs=("65536 16" "262144 16" "1048576 16" "8388608 16" "16384 10064")

# build WINDOW CONNECTIONS CHECKSUMS SIDE: one copy.
build() {
    local name="lwip_$1_$2_$3_$4" objects=() file
    local folder="objects/$name"
    mkdir "$folder"
    local config="-DWINDOW=$1 -DCONNECTIONS=$2 -DCHECKSUMS=$3 -DLISTENERS=4096 -DTABLE=$name"
    for file in $files; do
        gcc $flags $config -c "$source/$file.c" -o "$folder/${file//\//_}.o"
        objects+=("$folder/${file//\//_}.o")
    done
    gcc $flags $config -c "$here/shim.c" -o "$folder/shim.o"
    gcc $flags -r -flinker-output=nolto-rel -nostdlib -o "$folder.o" "${objects[@]}" "$folder/shim.o"
    objcopy --keep-global-symbol="$name" "$folder.o"
    rm -r "$folder"
}

{
    echo '#include "shim.h"'
    declarations="" choices=""
    for config in "${configs[@]}"; do
        read -r window connections <<<"$config"
        for checksums in 0 1; do
            for side in 0 1; do
                name="lwip_${window}_${connections}_${checksums}_$side"
                declarations+="extern const struct lwip_end $name;"$'\n'
                choices+="    if (window == $window && connections == $connections && checksums == $checksums && side == $side) return &$name;"$'\n'
            done
        done
    done
    printf '%s' "$declarations"
    echo 'const struct lwip_end *lwip_find(uint32_t window, uint32_t connections, int checksums, int side) {'
    printf '%s' "$choices"
    echo '    return NULL;'
    echo '}'
} >objects/find.c
gcc -O2 -fPIE -I"$here" -c objects/find.c -o objects/find.o

for config in "${configs[@]}"; do
    for checksums in 0 1; do
        # Both ends at the same time.
        build $config "$checksums" 0 &
        build $config "$checksums" 1
        wait $!
        echo "lwIP for a window of ${config% *} bytes, ${config#* } connections, checksums $checksums" >&2
    done
done
ar rcs liblwip_peer.a objects/*.o
printf '%s' "$stamp" >stamp
