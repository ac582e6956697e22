// Work of the core beside Python: without Python's lock, so that other threads of Python run meanwhile.
#pragma once

#include <pybind11/pybind11.h>

namespace seehear::bindings {

// For a thread that Python, at its end, takes apart (pthread_exit), which cannot go through the core: as from
// Python 3.14 on, it just stops.
[[noreturn]] void StopHere() noexcept;

// Takes Python's lock again.
void TakeLock(PyThreadState* state) noexcept;

// work: noexcept, and nothing of Python in it.
template <typename Work>
void Unlocked(const Work& work) noexcept {
  PyThreadState* const state = PyEval_SaveThread();
  work();
  TakeLock(state);
}

}  // namespace seehear::bindings
