#!/bin/bash
# git: gains nothing, must work: hundreds of files, threads in grep, gc and clone; clones
# over a path, file://, git:// from a daemon in the mode, and http.
. "$(dirname "$0")/common.sh"
need git git

export HOME=$work GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE='2001-02-03T04:05:06Z'
export GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org
export GIT_COMMITTER_DATE='2001-02-03T04:05:06Z'
cat >"$work/.gitconfig" <<'CONF'
[init]
  defaultBranch = main
[gc]
  auto = 0
[pack]
  threads = 4
CONF

# files VERSION: 300 files that differ a little from version to version.
files() {
  "$python" - "$dir/repo" "$1" <<'PY'
import pathlib
import random
import sys
root, version = pathlib.Path(sys.argv[1]), int(sys.argv[2])
for index in range(300):
    numbers = random.Random(index)
    lines = [f"{numbers.randrange(10**9)}\n" for _ in range(40)]
    lines[(version * 7) % 40] = f"version {version}\n"
    path = root / f"d{index % 10}" / f"f{index}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))
PY
}

# git_run NAME ARGS...: children of git are watched as well.
git_run() {
  local label=$1
  shift
  run "$label" git "$@"
  few_threads 1
}

same_tree() { diff -r --exclude=.git "$dir/repo" "$dir/$1" >"$dir/diff.out" || fail "$1 differs"; }

one_round() {
  local port site
  supervise_options=(--tree)
  git_run init init -q "$dir/repo"
  for version in 1 2 3; do
    files $version
    git_run add -C "$dir/repo" add -A
    git_run commit -C "$dir/repo" commit -q -m "version $version"
  done
  git_run log -C "$dir/repo" log --format='%H %T' --stat
  as_native log.out "$(sha256sum <"$dir/log.out")"
  echo more >>"$dir/repo/d1/f1"
  git_run status -C "$dir/repo" status --porcelain
  as_native status.out "$(cat "$dir/status.out")"
  git_run checkout -C "$dir/repo" checkout -q .
  git_run grep -C "$dir/repo" grep --threads 8 -c 77
  as_native grep.out "$(sha256sum <"$dir/grep.out")"
  git_run gc -C "$dir/repo" gc -q
  git_run fsck -C "$dir/repo" fsck --full --strict

  git_run path clone -q "$dir/repo" "$dir/path"
  same_tree path
  git_run file clone -q "file://$dir/repo" "$dir/file"
  same_tree file

  port=$(free_port)
  launch daemon "$(git --exec-path)/git-daemon" --listen=127.0.0.1 --port="$port" --export-all \
    --base-path="$dir" --reuseaddr
  wait_port "$port"
  git_run remote clone -q "git://127.0.0.1:$port/repo" "$dir/remote"
  same_tree remote
  stop daemon
  few_threads 1

  git -C "$dir/repo" update-server-info
  site=$(free_port)
  helper "$python" -m http.server "$site" --bind 127.0.0.1 --directory "$dir"
  wait_port "$site"
  git_run http clone -q "http://127.0.0.1:$site/repo/.git" "$dir/http"
  same_tree http
  supervise_options=()
  report "most threads while cloning: $threads"
}

each_mode one_round
