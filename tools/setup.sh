# Sourced by run and test: what must be installed, from Debian's packages and npm.
# setup_packages GROUP...   groups: build web demo test bench

packages_build="cmake ninja-build gcc libc6-dev pkg-config libcmocka-dev libevent-dev libcurl4-openssl-dev
  libjansson-dev libssh-dev libsodium-dev libsqlite3-dev libpq-dev libseccomp-dev libidn2-dev zlib1g-dev
  libssl-dev"
packages_demo="python3 python3-aiosmtpd pebble nginx-light haproxy openssh-server openssh-client openssl procps"
packages_test="clang python3-cryptography libclang-rt-14-dev clang-format-14 pmccabe perl ccache postgresql-15 sqlite3 strace faketime
  openjdk-17-jre-headless curl git chromium fonts-noto-cjk zsh systemd dpkg-dev"
packages_bench="lego certbot uacme dehydrated caddy time valgrind"

package_present() {
  dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
}

setup_packages() {
  local group p missing=""
  for group in "$@"; do
    local list="packages_$group"
    for p in ${!list:-}; do
      case $p in nginx-light) package_present nginx || package_present nginx-full || package_present nginx-extras ||
        package_present nginx-core || package_present "$p" || missing+=" $p" ;;
      *) package_present "$p" || missing+=" $p" ;; esac
    done
    if [[ $group == web ]] && ! command -v node >/dev/null; then missing+=" nodejs npm"; fi
    if [[ $group == web ]] && command -v node >/dev/null && ! command -v npm >/dev/null; then missing+=" npm"; fi
  done
  [[ -n $missing ]] || return 0
  if [[ $(id -u) -ne 0 ]]; then
    echo "These Debian packages are missing; as root run:" >&2
    echo "  apt-get install$missing" >&2
    return 1
  fi
  echo "installing:$missing"
  # Services that come with packages are not to be started: the demo and the tests run their own.
  local policy=/usr/sbin/policy-rc.d made=""
  [[ -e $policy ]] || { printf '#!/bin/sh\nexit 101\n' > $policy && chmod +x $policy && made=1; }
  local rc=0
  # shellcheck disable=SC2086
  { DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing ||
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; }; } \
    > /tmp/inro-apt.$$.log 2>&1 || rc=$?
  [[ -z $made ]] || rm -f $policy
  if [[ $rc -ne 0 ]]; then tail -20 /tmp/inro-apt.$$.log >&2; echo "apt-get failed (log: /tmp/inro-apt.$$.log)" >&2; return 1; fi
  rm -f /tmp/inro-apt.$$.log
}

# npm packages of web/ (and its browser tests) by their lock file.
setup_npm() { # folder
  [[ -f $1/package-lock.json ]] || return 0
  local stamp=$1/node_modules/.inro-stamp
  if [[ ! -f $stamp || $1/package-lock.json -nt $stamp ]]; then
    (cd "$1" && npm ci --no-audit --no-fund --loglevel=error) || return 1
    touch "$stamp"
  fi
}

# The OpenAPI document as the binary tells it (out/openapi.json), and the GUI's types made from it.
# Both are written again only when the document changed.
build_types() { # inro
  local types=web/src/lib/openapi.d.ts
  mkdir -p out
  "$1" docs --openapi > out/openapi.json.new || return 1
  if [[ -f $types ]] && cmp -s out/openapi.json.new out/openapi.json; then
    rm -f out/openapi.json.new
    return 0
  fi
  (cd web && npm exec --offline -- openapi-typescript ../out/openapi.json.new -o src/lib/openapi.d.ts) \
    > out/types.log 2>&1 || { tail -20 out/types.log >&2; return 1; }
  mv out/openapi.json.new out/openapi.json
}

# The GUI's assets in web/dist, which the next build of the tree embeds; made again when a source is
# newer. Its types come from the binary, so that is built first (the first time without the GUI).
build_web() { # [tree]
  local tree=${1:-build} stamp=web/dist/index.html
  build_tree "$tree" -DINRO_TESTS=OFF && build_types "$tree/inro" || return 1
  if [[ ! -f $stamp || -n $(find web/src web/index.html web/package-lock.json web/vite.config.ts -newer $stamp -print -quit) ]]; then
    (cd web && npm run --silent build > ../out/web.log 2>&1) || { tail -20 out/web.log >&2; return 1; }
  fi
}

# The product with its GUI.
build_product() { # tree
  build_web "$1" && build_tree "$1" -DINRO_TESTS=OFF
}

# build_tree DIR [cmake options]; quiet unless it fails
build_tree() {
  local dir=$1; shift
  local log=$dir/build.log; mkdir -p "$dir"
  if ! { [[ -f $dir/build.ninja ]] || cmake -G Ninja -B "$dir" -S . "$@" > "$log" 2>&1; }; then
    tail -20 "$log" >&2; return 1
  fi
  # Progress a person can read on a terminal, one line otherwise.
  if [[ -t 1 ]]; then NINJA_STATUS='  [%f/%t] ' ninja -C "$dir" | grep -vE '^ninja: ' ; [[ ${PIPESTATUS[0]} -eq 0 ]]
  elif ! ninja -C "$dir" > "$log" 2>&1; then grep -E 'error|FAILED|warning' "$log" | head -30 >&2; return 1
  fi
}
