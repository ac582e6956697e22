// A Python callable as the scheduler's invoke function. Its exceptions end here.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "nets/graph.h"

namespace seehear::bindings {

class PythonInvoke {
 public:
  void set(pybind11::function function) { function_ = std::move(function); }
  Invoke invoke() { return {&PythonInvoke::Call, this}; }
  const std::string& last_error() const { return last_error_; }
  void clear() { last_error_.clear(); }

  // To be called after the hop: raises what a signal handler raised while a graph ran (Ctrl-C, or a SIGTERM
  // handler that exits). That belongs to the program, not to the hop.
  void RaiseSignal();

 private:
  static int Call(void* context, int graph) noexcept;
  // True if it was a signal's.
  bool KeepError();

  pybind11::function function_;
  std::string last_error_;
  pybind11::object signal_;
};

}  // namespace seehear::bindings
