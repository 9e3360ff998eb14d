# What the scripts here share, to be sourced: a folder $work that goes at the end, with the server that was started.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
server=

# Ends the server, where one was started: its process is $server.
stop() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
    server=
}
trap 'stop; rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1

# Prints a command without the folders of this machine, and runs it.
step() {
    echo "\$ ${*}" | sed -e "s|$(dirname "$viral")/||g" -e "s|$work/||g"
    "$@"
}

# A port that nobody has.
free_port() {
    "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# $work/toys, from fifty photos in $work/shop/images and tables beside them.
prepare_toys() {
    "$python" "$here/catalogue.py" "$work/shop"
    step "$viral" prepare --reviews "$work/shop/log.csv" --user customer --item sku --meta "$work/shop/items.csv" \
        --id sku --title name --categories kind --images "$work/shop/images" --core 2 --out "$work/toys"
}
