#include "bindings/unlocked.h"

#include <chrono>
#include <thread>

namespace seehear::bindings {

void StopHere() noexcept {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

// Not pybind11's gil_scoped_release: its destructor would end the process where a daemon thread is taken
// apart.
void TakeLock(PyThreadState* state) noexcept {
  try {
    PyEval_RestoreThread(state);
  } catch (...) {
    StopHere();
  }
}

}  // namespace seehear::bindings
