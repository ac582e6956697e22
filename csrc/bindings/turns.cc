#include "bindings/turns.h"

#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace seehear::bindings {
namespace {

[[noreturn]] void Refuse() {
  py::set_error(py::module_::import("seehear.errors").attr("StateError"),
                "another call is in the middle of its work: process, flush, reset and enhance are for one "
                "thread at a time; see, settings and readings for any");
  throw py::error_already_set();
}

}  // namespace

void Turns::Enter() {
  if (inside_ || (holder_ != 0 && holder_ != PyThread_get_thread_ident())) Refuse();
  inside_ = true;
}

void Turns::Hold() {
  if (inside_ || holder_ != 0) Refuse();
  holder_ = PyThread_get_thread_ident();
}

}  // namespace seehear::bindings
