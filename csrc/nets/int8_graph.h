// A graph as the core's own kernels run it: its layers, each from one input to one output.
#pragma once

#include "base/text.h"
#include "base/vector.h"
#include "nets/int8_layer.h"

namespace seehear {

struct Int8Graph {
  struct Step {
    Int8Layer layer;
    Text input, output;  // names of the tensors
  };
  Text name;
  Vector<Step> steps;
};

}  // namespace seehear
