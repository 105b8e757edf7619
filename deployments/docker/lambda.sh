#!/bin/sh
# Entry of the Lambda image. Numba keeps kernels only in a folder that it may write, and Lambda lets a function write in
# /tmp alone: the kernels of the image (7 MB) are copied there once per cold start. Without them the function still
# works; its first call compiles for half a minute.
set -u
image=${IMAGE_KERNELS:-/var/cache/capforecast/kernels}
if [ ! -d "$NUMBA_CACHE_DIR" ] && ! { cp -R "$image" "$NUMBA_CACHE_DIR.part" && mv "$NUMBA_CACHE_DIR.part" "$NUMBA_CACHE_DIR"; }; then
    echo '{"level": "WARNING", "message": "the kernels of the image could not be copied; they are compiled anew"}' >&2
fi
exec python -m awslambdaric "$@"
