#include "python_invoke.h"

namespace py = pybind11;

namespace seehear::bindings {

int PythonInvoke::Call(void* context, int graph) noexcept {
  auto* self = static_cast<PythonInvoke*>(context);
  PyObject* number = PyLong_FromLong(graph);
  PyObject* result =
      number != nullptr ? PyObject_CallFunctionObjArgs(self->function_.ptr(), number, nullptr) : nullptr;
  Py_XDECREF(number);
  const int truth = result != nullptr ? PyObject_IsTrue(result) : -1;
  Py_XDECREF(result);
  if (truth < 0) self->KeepError();
  return truth == 1 ? 0 : 1;
}

void PythonInvoke::KeepError() noexcept {
  // Ctrl-C belongs to the program, not to this hop: let it come up again once process has returned.
  if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) PyErr_SetInterrupt();
  try {
    const py::error_already_set error;  // takes the error indicator
    last_error_ = error.what();
  } catch (...) {
    PyErr_Clear();
  }
}

}  // namespace seehear::bindings
