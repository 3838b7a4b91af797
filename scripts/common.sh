# shellcheck shell=bash
# What the scripts beside this file share. Sourced, never run; leaves the caller in the repository's root.

# A relative folder in the environment is meant from where the caller stands.
for name in THAW_ASSETS THAW_FACTS THAW_CACHE THAW_ONNX_CASES; do
  if [[ -n ${!name:-} && ${!name} != /* ]]; then export "$name=$PWD/${!name}"; fi
done
CDPATH='' cd -- "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

say() { printf '%s\n' "$*"; }

# fail STATUS SENTENCE...: one sentence on stderr, then the script ends.
fail() {
  local status=$1
  shift
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit "$status"
}

# Whole seconds as "3 min 05 s".
duration() { printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); }

# The CUDA compiler's path, or nothing.
find_nvcc() {
  command -v nvcc || { [[ -x /usr/local/cuda/bin/nvcc ]] && echo /usr/local/cuda/bin/nvcc; } || true
}

# default_folder NAME FOLDER WHAT: an unset variable NAME becomes FOLDER where that exists; says which is used.
default_folder() {
  local name=$1 folder=$2 what=$3
  if [[ -z ${!name:-} && -d $folder ]]; then
    printf -v "$name" '%s' "$(cd "$folder" && pwd)"
  fi
  if [[ -n ${!name:-} ]]; then
    export "${name?}"
    say "$what: $name=${!name}"
  else
    say "$what: none ($name is not set)"
  fi
}

# build PRESET [TARGET...]: configure and compile; every core, low priority so that the machine stays usable.
build() {
  local preset=$1
  shift
  local nvcc=''
  if [[ $preset == cuda ]]; then
    scripts/setup --with-cuda || return 1
    nvcc=$(find_nvcc)
  fi
  CUDACXX=${nvcc:-${CUDACXX:-}} cmake --preset "$preset" || return 1
  nice cmake --build --preset "$preset" -j "$(nproc)" ${1:+--target "$@"}
}
