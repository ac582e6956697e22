// Runs the graphs of a scheduler with the core's own integer kernels, from the layers of a flat model: no
// runtime, no memory of its own but a few pointers.
#pragma once

#include "nets/graph.h"
#include "nets/int8_graph.h"

namespace seehear {

class Int8Executor {
 public:
  // graphs: of the scheduler, prepared, staying where they are. layers: found by the names of the graphs;
  // what they point to (the image) must stay.
  Status Prepare(Vector<Graph>* graphs, const Vector<Int8Graph>& layers);

  // 0 = done; 1 = there is no such graph.
  int Run(int graph) const noexcept;
  Invoke invoke() { return {&RunSelf, this}; }

 private:
  struct Step {
    Int8Layer layer;
    const int8_t* input = nullptr;
    int8_t* output = nullptr;
  };

  static int RunSelf(void* self, int graph) { return static_cast<Int8Executor*>(self)->Run(graph); }

  Vector<Vector<Step>> graphs_;
};

}  // namespace seehear
