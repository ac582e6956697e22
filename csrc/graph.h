// The seam to whatever runs neural graphs: their tensors by name, and the function that runs one.
#pragma once

#include <string>
#include <vector>

#include "tensor_port.h"

namespace seehear {

struct GraphSpec {
  std::string name;
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
};

// Runs graph number `graph` on the bytes of its input ports, leaving the result in its output ports; 0 = ok.
using InvokeFunction = int (*)(void* context, int graph);

struct Invoke {
  InvokeFunction function = nullptr;
  void* context = nullptr;

  bool operator()(int graph) const noexcept { return function != nullptr && function(context, graph) == 0; }
};

class Graph {
 public:
  Status Prepare(const GraphSpec& spec);

  const std::string& name() const { return name_; }
  TensorPort* Input(const std::string& tensor);   // nullptr if there is none of that name
  TensorPort* Output(const std::string& tensor);  // nullptr if there is none of that name
  std::string TensorNames() const;                // for messages: "x, h -> gx, gh"

 private:
  std::string name_;
  std::vector<TensorPort> inputs_;
  std::vector<TensorPort> outputs_;
};

}  // namespace seehear
