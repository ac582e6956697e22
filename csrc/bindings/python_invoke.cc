#include "bindings/python_invoke.h"

#include <vector>

#include "bindings/unlocked.h"

namespace py = pybind11;

namespace seehear::bindings {
namespace {

// Signals that may interrupt one run of a graph before it counts as failed.
constexpr int kMostInterrupts = 10;

// The code that a signal handler runs first; None if it is not written in Python.
py::object CodeOf(py::object handler) {
  for (const char* inner : {"func", "__func__"}) {  // of functools.partial, of a bound method
    handler = py::getattr(handler, inner, handler);
  }
  if (!py::hasattr(handler, "__code__"))  // an object that can be called
    handler = py::getattr(py::type::of(handler), "__call__", py::none());
  return py::getattr(handler, "__code__", py::none());
}

// Whether an exception is a signal handler's and not that of what it interrupted. Runs no line of Python, in
// which the next signal could be heard.
bool FromSignalHandler(const py::error_already_set& error) {
  if (!error.matches(PyExc_Exception)) return true;  // KeyboardInterrupt, SystemExit
  const py::module_ signal = py::module_::import("signal");
  std::vector<py::object> codes;
  for (const py::handle number : signal.attr("valid_signals")()) {
    const py::object handler = signal.attr("getsignal")(number);
    if (PyCallable_Check(handler.ptr())) codes.push_back(CodeOf(handler));
  }
  py::object trace = error.trace() ? py::object(error.trace()) : py::none();
  for (; !trace.is_none(); trace = trace.attr("tb_next")) {
    const py::object code = trace.attr("tb_frame").attr("f_code");
    for (const py::object& known : codes) {
      if (code.is(known)) return true;
    }
  }
  return false;
}

}  // namespace

int PythonInvoke::Call(void* context, int graph) noexcept {
  auto* self = static_cast<PythonInvoke*>(context);
  try {
    // A graph whose run a signal broke off is run again: its inputs are still there, and the hop loses
    // nothing.
    for (int i = 0; i <= kMostInterrupts; ++i) {
      const py::object function = self->function_;  // another may be set meanwhile
      PyObject* number = PyLong_FromLong(graph);
      PyObject* result =
          number != nullptr ? PyObject_CallFunctionObjArgs(function.ptr(), number, nullptr) : nullptr;
      Py_XDECREF(number);
      const int truth = result != nullptr ? PyObject_IsTrue(result) : -1;
      Py_XDECREF(result);
      if (truth >= 0) return truth == 1 ? 0 : 1;
      if (!self->KeepError()) break;
    }
    return 1;
  } catch (...) {
    StopHere();  // not an exception: Python ends
  }
}

bool PythonInvoke::KeepError() {
  try {
    const py::error_already_set error;  // takes the error indicator
    if (FromSignalHandler(error)) {
      const py::object value = error.value();
      PyException_SetTraceback(value.ptr(), error.trace() ? error.trace().ptr() : Py_None);
      // What an earlier signal raised is not lost: as if it had been raised while handling that.
      if (signal_ && !signal_.is(value)) PyException_SetContext(value.ptr(), signal_.inc_ref().ptr());
      signal_ = value;
      return true;
    }
    last_error_ = error.what();
  } catch (const std::exception&) {
    PyErr_Clear();
  }
  return false;
}

void PythonInvoke::RaiseSignal() {
  if (!signal_) return;
  const py::object raised = std::move(signal_);
  signal_ = py::object();
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(raised.ptr())), raised.ptr());
  throw py::error_already_set();
}

}  // namespace seehear::bindings
