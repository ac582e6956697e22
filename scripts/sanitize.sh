#!/usr/bin/env bash
# scripts/sanitize.sh: the C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer, threads under ThreadSanitizer, and
# every fuzz harness, JOBS at a time, on its corpus and on FUZZ_SECONDS seconds (in all) of fresh input. PYTHON names the environment that
# seehear is installed in, CMAKE the cmake. What cannot be done here is left out and named; the exit code tells what was done.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-300} python=${PYTHON:-python3} cmake=${CMAKE:-cmake} jobs=${JOBS:-2}
build=build/sanitize left_out=()
harnesses=(model_image c_api images stream) readers=(bundle manifest wav)

compiler() { for name in clang++-14 clang++; do command -v "$name" && return; done; false; }
has_runtime() { [ -e "$("$1" --print-runtime-dir 2>/dev/null)/libclang_rt.fuzzer-$(uname -m).a" ] ||
  [ -e "$("$1" --print-file-name=libclang_rt.fuzzer-"$(uname -m)".a)" ]; }

if ! { clang=$(compiler) && has_runtime "$clang"; } && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get -qq update || true
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends clang libclang-rt-14-dev >/dev/null || true
fi

if clang=$(compiler) && has_runtime "$clang"; then
  configure() { # folder, sanitizers, more options
    "$cmake" -S . -B "$build/$1" -DCMAKE_CXX_COMPILER="$clang" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSEEHEAR_SANITIZE="$2" "${@:3}" >/dev/null
  }
  build() { # folder, options of cmake --build
    "$cmake" --build "$build/$1" --parallel "$jobs" "${@:2}" >"$build/$1.log" 2>&1 || { tail -n 40 "$build/$1.log"; return 1; }
  }
  configure memory address,undefined,float-cast-overflow -DSEEHEAR_FUZZ=ON -DSEEHEAR_C_LIBRARY=OFF
  build memory
  # half an hour of simulated clocks here, ten hours where the compiler's best code runs
  (cd "$build/memory" && SEEHEAR_HOURS=0.5 "${cmake%cmake}ctest" --output-on-failure)
  configure threads thread -DSEEHEAR_C_LIBRARY=OFF
  threaded=(threads_test hop_clock_test visual_queue_test audio_ring_test live_path_test)
  build threads --target "${threaded[@]}"
  for test in "${threaded[@]}"; do "$build/threads/$test"; done
else
  harnesses=()
  left_out+=("the C++ tests and harnesses (apt-get install clang libclang-rt-14-dev)")
fi
if ! "$python" -c 'import atheris, seehear' 2>/dev/null; then
  readers=()
  left_out+=("the readers' harnesses (pip install \"seehear[fuzz]\")")
fi

count=$((${#harnesses[@]} + ${#readers[@]}))
[ "$count" -gt 0 ] && each=$((seconds / count > 0 ? seconds / count : 1))
fuzz() { # name, corpus, command...
  local found=$build/corpus/$1
  mkdir -p "$found"
  "${@:3}" -max_total_time="$each" -timeout=10 -rss_limit_mb=2000 -print_final_stats=1 -artifact_prefix="$build/crash-$1-" \
    "$found" "$2" >"$build/$1.log" 2>&1 || { tail -n 40 "$build/$1.log"; echo "fuzz $1: failed; the input: $build/crash-$1-*"; return 1; }
  echo "fuzz $1, $each s: $(grep -E "number_of_executed_units|^Done" "$build/$1.log" | tail -n 1)"
}
running=0
finish() { wait -n && running=$((running - 1)); }                      # one of them; its failure is this script's
beside() { [ "$running" -lt "$jobs" ] || finish; "$@" & running=$((running + 1)); }
for name in "${harnesses[@]}"; do beside fuzz "$name" "csrc/fuzz/corpus/$name" "$build/memory/fuzz_$name"; done
for name in "${readers[@]}"; do beside fuzz "$name" "tests/fuzz/corpus/$name" "$python" tests/fuzz/readers.py "$name"; done
while [ "$running" -gt 0 ]; do finish; done

for what in "${left_out[@]}"; do echo "NOT TESTED: $what"; done
