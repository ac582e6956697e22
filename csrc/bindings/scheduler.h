// seehear._core.HopScheduler, Face and Held: the whole hop, and what runs its graphs.
#pragma once

#include <pybind11/pybind11.h>

#include <utility>

#include "bindings/python_invoke.h"
#include "bindings/turns.h"
#include "bindings/unlocked.h"
#include "enhance/hop_scheduler.h"
#include "nets/int8_executor.h"

namespace seehear::bindings {

// The scheduler together with what runs its graphs: a Python callable, or the executor.
struct PyScheduler {
  HopScheduler core;
  PythonInvoke invoke;
  Turns turns;
  Int8Executor executor;
  // What the scheduler and the executor were made from; their tables are read in place, so that many streams
  // of one bundle have its weights once, in memory and in the processor's caches.
  pybind11::bytes config, image;
  bool native = false;      // the executor runs the graphs: a hop needs nothing of Python
  pybind11::function next;  // set while the core worked beside Python: comes in when that is done

  // Work of the core, for one thread at a time; what a signal handler raised meanwhile comes out of here.
  template <typename Work>
  void Run(const Work& work) {
    const Turns::Turn turn(&turns);
    if (native)
      Unlocked(work);
    else
      work();
    if (next) Use(std::move(next));
    invoke.RaiseSignal();
  }

  void SetInvoke(pybind11::function function) {
    if (native && turns.inside())
      next = std::move(function);
    else
      Use(std::move(function));
  }

 private:
  void Use(pybind11::function function) {
    invoke.set(std::move(function));
    core.set_invoke(invoke.invoke());
    native = false;
    next = pybind11::function();
  }
};

void BindScheduler(pybind11::module_& m);

}  // namespace seehear::bindings
