// The seam to whatever runs neural graphs: their tensors by name, and the function that runs one.
#pragma once

#include "base/denormals.h"
#include "nets/tensor_port.h"

namespace seehear {

struct GraphSpec {
  Text name;
  Vector<TensorSpec> inputs;
  Vector<TensorSpec> outputs;
};

// Runs graph number `graph` on the bytes of its input ports, leaving the result in its output ports; 0 = ok.
using InvokeFunction = int (*)(void* context, int graph);

struct Invoke {
  InvokeFunction function = nullptr;
  void* context = nullptr;

  // The core computes with denormals as zero; what is not the core need not know.
  bool operator()(int graph) const noexcept {
    const Denormals foreign(Denormals::kAsTheyAre);
    return function != nullptr && function(context, graph) == 0;
  }
};

class Graph {
 public:
  Status Prepare(const GraphSpec& spec);

  const Text& name() const { return name_; }
  TensorPort* Input(const char* tensor);   // nullptr if there is none of that name
  TensorPort* Output(const char* tensor);  // nullptr if there is none of that name
  Sentence TensorNames() const;            // for messages: "x, h -> gx, gh"

 private:
  Text name_;
  Vector<TensorPort> inputs_;
  Vector<TensorPort> outputs_;
};

}  // namespace seehear
