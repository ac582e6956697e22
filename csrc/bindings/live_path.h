// seehear._core.LivePath: the rings between microphone, enhancement and loudspeaker.
#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <vector>

#include "live/live_path.h"

namespace seehear::bindings {

// As time.monotonic().
inline double Now() noexcept {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct PyLivePath {
  LivePath core;
  std::vector<float> hop;  // what the enhancement writes
  pybind11::object words;  // of the prompt that is spoken: kept alive
};

void BindLivePath(pybind11::module_& m);

}  // namespace seehear::bindings
