# Sourced by docker/cluster.sh: the binaries, each published by a rename when it is done. Go's own caches keep what was compiled, so
# that a build goes on where it was stopped.

OLDEST_GO=1.24

built() {
    for name in $BUILT pause.tar; do [ -s "$BIN/$name" ] || return 1; done
}

build() {
    find_go
    mkdir -p "$BIN"
    log=$BIN/build.log
    : >"$log"
    number=0
    for name in $BUILT; do
        number=$((number + 1))
        [ -s "$BIN/$name" ] && continue
        say "builds $name of Kubernetes $VERSION ($number of $(echo "$BUILT" | wc -w))"
        compile "$name" "$(package_of "$name")"
    done
    build_pause
    rm -f "$log"
}

find_go() {
    if ! command -v go >/dev/null 2>&1 && may_install; then
        say "installs golang-go, with which it is built"
        log=$(mktemp)
        install_packages "$log" golang-go ca-certificates || true
        rm -f "$log"
    fi
    command -v go >/dev/null 2>&1 || fail "building a cluster needs Go $OLDEST_GO or newer, and none is on PATH: https://go.dev/dl"
    # A Go of at least 1.21 fetches the one that go.mod asks for, unless it was told not to.
    (cd docker/cluster && go version >/dev/null 2>&1) \
        || fail "building a cluster needs Go $OLDEST_GO or newer; this is $(go env GOVERSION): https://go.dev/dl"
}

package_of() {
    case $1 in
        etcd) echo go.etcd.io/etcd/server/v3 ;;
        pause) echo ./pause ;;
        *) echo "k8s.io/kubernetes/cmd/$1" ;;
    esac
}

compile() { # compile NAME PACKAGE
    minor=${VERSION#v1.}
    stamp=k8s.io/component-base/version
    flags="-s -w -buildid= -X $stamp.gitVersion=$VERSION -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*}"
    flags="$flags -X $stamp.gitTreeState=clean -X $stamp.buildDate=1970-01-01T00:00:00Z"
    flags="$flags -X k8s.io/client-go/pkg/version.gitVersion=$VERSION"
    (cd docker/cluster && CGO_ENABLED=0 GOFLAGS="-buildvcs=false -mod=readonly" \
        go build -trimpath -ldflags "$flags" -o "$BIN/.$1.new" "$2") >>"$log" 2>&1 \
        || fail "$1 could not be built: $(grep -v '^go: downloading' "$log" | tail -n 1 | cut -c1-300)"
    mv "$BIN/.$1.new" "$BIN/$1"
}

build_pause() { # an image as `docker save` writes one: no registry is asked for it, and no engine
    compile pause ./pause
    place=$BIN/.pause-image
    rm -rf "$place"
    mkdir "$place"
    tar -C "$BIN" --owner=0 --group=0 --mtime=@0 -cf "$place/layer.tar" pause
    layer=$(sha256sum "$place/layer.tar" | cut -d' ' -f1)
    printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/pause"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "$(go env GOARCH)" "$layer" >"$place/config.json"
    printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$PAUSE_IMAGE" >"$place/manifest.json"
    tar -C "$place" -cf "$BIN/.pause.tar.new" config.json layer.tar manifest.json
    mv "$BIN/.pause.tar.new" "$BIN/pause.tar"
    rm -rf "$place"
}
