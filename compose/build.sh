#!/bin/sh
# build.sh SOURCE TREE REVISION: the installed programs, below TREE/opt/orderflow. Runs in the first stage of compose/Dockerfile.
# A tree that has been built outside already (SOURCE/build/image) is taken as it is.
set -eu

source="$1"
tree="$2"
revision="$3"
mkdir -p "$tree"
if [ -d "$source/build/image/opt" ]; then
    cp -a "$source/build/image/opt" "$tree/opt"
    exit 0
fi
apt-get -q update
DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
    gcc libc6-dev cmake ninja-build pkg-config libzmq3-dev libczmq-dev libmsgpack-dev libwebsockets-dev libsqlite3-dev \
    libyaml-dev liblmdb-dev libcurl4-openssl-dev libcmocka-dev zlib1g-dev libssl-dev
cd "$source"
cmake --preset release -DORDERFLOW_GIT_HEAD="$revision"
cmake --build build/release
cmake --install build/release --prefix "$tree/opt/orderflow" --strip
